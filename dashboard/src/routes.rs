//! The one table of routes: path, method, who may, and what the OpenAPI document says of it.
//! A request that finds no row is answered 404 or 405; nothing is served beside the table but
//! the files of the page.

use warp::http::Method;

use crate::Role;

/// A handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Endpoint {
    SignIn,
    SignInLink,
    WhoAmI,
    SignOut,
    City,
    Map,
    Devices,
    Device,
    Alerts,
    Alert,
    Acknowledge,
    Services,
    Rules,
    Rule,
    PutRule,
    PatchRule,
    DeleteRule,
    CheckRules,
    RuleVersions,
    RuleVersion,
    RollBack,
    ExplainRule,
    RuleEntities,
    RuleShadow,
    StartBacktest,
    Backtest,
    History,
    HistorySeries,
    Ledger,
    Quarantine,
    Status,
    OpenApi,
    Health,
    Ready,
    Metrics,
    Socket,
}

/// Who may call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    /// Everyone.
    Open,
    /// Peers on this machine (all peers with `metrics_for_all`).
    Local,
    /// A session of this role or a higher one.
    AtLeast(Role),
}

/// A query parameter, for the OpenAPI document.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Param {
    pub name: &'static str,
    pub kind: &'static str,
    pub required: bool,
    pub about: &'static str,
}

/// One row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Route {
    pub method: &'static str,
    pub path: &'static str,
    pub endpoint: Endpoint,
    pub policy: Policy,
    pub about: &'static str,
    pub query: &'static [Param],
    /// Name of the answer's schema in the OpenAPI document.
    pub answer: &'static str,
}

impl Route {
    /// A state-changing request needs our Origin, a header of ours, and JSON.
    pub fn changes_state(&self) -> bool {
        self.method != "GET"
    }
}

const fn optional(name: &'static str, kind: &'static str, about: &'static str) -> Param {
    Param { name, kind, required: false, about }
}

const fn required(name: &'static str, kind: &'static str, about: &'static str) -> Param {
    Param { name, kind, required: true, about }
}

const ALERT_QUERY: &[Param] = &[
    optional("open", "integer", "1: only active or unacknowledged ones"),
    optional("service", "string", "only of this service"),
    optional("area", "string", "only of this area"),
    optional("device", "string", "only of this device"),
    optional("min_severity", "string", "info, minor, major, critical or emergency"),
    optional("limit", "integer", "1 to 1000, default 200"),
    optional("cursor", "string", "`next` of the page before"),
];
const HISTORY_QUERY: &[Param] = &[
    required("device", "string", "device id"),
    required("property", "string", "property name"),
    optional("from", "integer", "ms, inclusive; default: 24 h before `to`"),
    optional("to", "integer", "ms, exclusive; default: now"),
    optional("step", "integer", "ms of one window; without it raw points"),
    optional("agg", "string", "mean (default), min, max, count or last"),
    optional("limit", "integer", "1 to 50000 points, default 5000"),
];
const SERIES_QUERY: &[Param] = &[optional("device", "string", "only of this device")];
const QUARANTINE_QUERY: &[Param] = &[
    optional("device", "string", "only of this device"),
    optional("limit", "integer", "1 to 1000, default 100"),
];
const LINK_QUERY: &[Param] = &[required("token", "string", "the one-time token")];

const VERSIONS_QUERY: &[Param] = &[optional("limit", "integer", "1 to 1000, default 50")];
const ENTITIES_QUERY: &[Param] = &[optional("limit", "integer", "1 to 10000, default 1000")];
const EXPLAIN_QUERY: &[Param] =
    &[required("entity", "string", "device:…, area:…, service:…, segment:… or city")];
const NOTE_QUERY: &[Param] = &[optional("note", "string", "why, kept with the version")];

const READ: Policy = Policy::AtLeast(Role::Viewer);
const CHANGE: Policy = Policy::AtLeast(Role::Administrator);

const fn get(path: &'static str, endpoint: Endpoint, policy: Policy, about: &'static str) -> Route {
    Route { method: "GET", path, endpoint, policy, about, query: &[], answer: "Object" }
}

impl Route {
    const fn answers(self, answer: &'static str) -> Self {
        Self { answer, ..self }
    }

    const fn asks(self, query: &'static [Param]) -> Self {
        Self { query, ..self }
    }

    const fn by(self, method: &'static str) -> Self {
        Self { method, ..self }
    }
}

/// All routes.
pub(crate) const ROUTES: &[Route] = &[
    get("/api/v1/session", Endpoint::SignIn, Policy::Open, "sign in with a password")
        .by("POST")
        .answers("Identity"),
    get("/signin", Endpoint::SignInLink, Policy::Open, "sign in with a one-time link")
        .asks(LINK_QUERY)
        .answers(""),
    get("/api/v1/session", Endpoint::WhoAmI, READ, "who is signed in").answers("Identity"),
    get("/api/v1/session", Endpoint::SignOut, READ, "end the session").by("DELETE").answers(""),
    get("/api/v1/city", Endpoint::City, READ, "areas, services, properties, thresholds"),
    get("/api/v1/map", Endpoint::Map, READ, "boundaries of the areas as GeoJSON"),
    get("/api/v1/devices", Endpoint::Devices, READ, "all devices; position = idx of /ws frames")
        .answers("Devices"),
    get("/api/v1/devices/{id}", Endpoint::Device, READ, "one device with its last values")
        .answers("Device"),
    get("/api/v1/alerts", Endpoint::Alerts, READ, "alerts, newest raise first")
        .asks(ALERT_QUERY)
        .answers("Alerts"),
    get("/api/v1/alerts/{id}", Endpoint::Alert, READ, "one alert with all that happened to it")
        .answers("AlertWithAudit"),
    get(
        "/api/v1/alerts/{id}/acknowledge",
        Endpoint::Acknowledge,
        Policy::AtLeast(Role::Operator),
        "acknowledge an alert, with a note",
    )
    .by("POST"),
    get("/api/v1/services", Endpoint::Services, READ, "the tiles").answers("Services"),
    get("/api/v1/rules", Endpoint::Rules, READ, "the rules that run; ETag is their version")
        .answers("Rules"),
    get("/api/v1/rules/check", Endpoint::CheckRules, CHANGE, "what a change of rules would do")
        .by("POST")
        .answers("RuleOutcome"),
    get(
        "/api/v1/rules/versions",
        Endpoint::RuleVersions,
        READ,
        "versions of the rules, newest first",
    )
    .asks(VERSIONS_QUERY),
    get("/api/v1/rules/versions/{id}", Endpoint::RuleVersion, READ, "one version, with its diff"),
    get(
        "/api/v1/rules/versions/{id}/rollback",
        Endpoint::RollBack,
        CHANGE,
        "a new version with the files of this one",
    )
    .by("POST")
    .answers("RuleOutcome"),
    get(
        "/api/v1/rules/backtest",
        Endpoint::StartBacktest,
        CHANGE,
        "run a change beside the present rules on what the journal holds",
    )
    .by("POST"),
    get("/api/v1/rules/backtest/{id}", Endpoint::Backtest, READ, "how a backtest is getting on"),
    get("/api/v1/rules/{id}", Endpoint::Rule, READ, "one rule in full").answers("Rule"),
    get(
        "/api/v1/rules/{id}",
        Endpoint::PutRule,
        CHANGE,
        "make or replace a rule; the body is YAML",
    )
    .by("PUT")
    .asks(NOTE_QUERY)
    .answers("RuleOutcome"),
    get("/api/v1/rules/{id}", Endpoint::PatchRule, CHANGE, "switch a rule on, to shadow, or off")
        .by("PATCH")
        .answers("RuleOutcome"),
    get("/api/v1/rules/{id}", Endpoint::DeleteRule, CHANGE, "remove a rule")
        .by("DELETE")
        .asks(NOTE_QUERY)
        .answers("RuleOutcome"),
    get(
        "/api/v1/rules/{id}/explain",
        Endpoint::ExplainRule,
        READ,
        "why a rule is raised on an entity, or what is missing",
    )
    .asks(EXPLAIN_QUERY),
    get("/api/v1/rules/{id}/entities", Endpoint::RuleEntities, READ, "entities a rule knows")
        .asks(ENTITIES_QUERY),
    get(
        "/api/v1/rules/{id}/shadow",
        Endpoint::RuleShadow,
        READ,
        "the newest changes that a rule in shadow mode would have made",
    ),
    get("/api/v1/history", Endpoint::History, READ, "points of one series")
        .asks(HISTORY_QUERY)
        .answers("History"),
    get("/api/v1/history/series", Endpoint::HistorySeries, READ, "series that exist")
        .asks(SERIES_QUERY),
    get("/api/v1/ledger", Endpoint::Ledger, READ, "received = accepted + quarantined + …"),
    get("/api/v1/quarantine", Endpoint::Quarantine, READ, "refused messages, newest first")
        .asks(QUARANTINE_QUERY),
    get("/api/v1/status", Endpoint::Status, READ, "versions, journal, readers, history"),
    get("/api/v1/openapi.json", Endpoint::OpenApi, READ, "this document"),
    get("/healthz", Endpoint::Health, Policy::Open, "the process answers").answers("text"),
    get("/readyz", Endpoint::Ready, Policy::Open, "the process can serve").answers("text"),
    get("/metrics", Endpoint::Metrics, Policy::Local, "Prometheus text").answers("text"),
    get("/ws", Endpoint::Socket, READ, "the live WebSocket (docs/protocol.md)").answers(""),
];

/// What the table says of a request.
#[derive(Debug)]
pub(crate) enum Found<'a> {
    /// The row, and the text in the place of `{id}`, still percent-encoded.
    Route(&'static Route, Option<&'a str>),
    /// The path exists with these methods.
    WrongMethod(Vec<&'static str>),
    /// No row.
    Nothing,
}

/// Looks a request up. HEAD is GET.
pub(crate) fn find<'a>(method: &Method, path: &'a str) -> Found<'a> {
    let method = if method == Method::HEAD { "GET" } else { method.as_str() };
    let mut allowed = Vec::new();
    for route in ROUTES {
        let Some(id) = matches(route.path, path) else { continue };
        if route.method == method {
            return Found::Route(route, id);
        }
        allowed.push(route.method);
    }
    if allowed.is_empty() { Found::Nothing } else { Found::WrongMethod(allowed) }
}

fn matches<'a>(pattern: &str, path: &'a str) -> Option<Option<&'a str>> {
    let Some((before, after)) = pattern.split_once("{id}") else {
        return (pattern == path).then_some(None);
    };
    let id = path.strip_prefix(before)?.strip_suffix(after)?;
    (!id.is_empty() && !id.contains('/')).then_some(Some(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(method: Method, path: &str) -> Option<(Endpoint, Option<String>)> {
        match find(&method, path) {
            Found::Route(route, id) => Some((route.endpoint, id.map(String::from))),
            _ => None,
        }
    }

    #[test]
    fn every_endpoint_has_exactly_one_row() {
        // A new endpoint does not compile here until it is listed.
        let listed = |e: Endpoint| match e {
            Endpoint::SignIn | Endpoint::SignInLink | Endpoint::WhoAmI | Endpoint::SignOut => {}
            Endpoint::City | Endpoint::Map | Endpoint::Devices | Endpoint::Device => {}
            Endpoint::Alerts | Endpoint::Alert | Endpoint::Acknowledge | Endpoint::Services => {}
            Endpoint::Rules | Endpoint::History | Endpoint::HistorySeries | Endpoint::Ledger => {}
            Endpoint::Rule | Endpoint::PutRule | Endpoint::PatchRule | Endpoint::DeleteRule => {}
            Endpoint::CheckRules | Endpoint::RuleVersions | Endpoint::RuleVersion => {}
            Endpoint::RollBack | Endpoint::ExplainRule | Endpoint::RuleEntities => {}
            Endpoint::RuleShadow | Endpoint::StartBacktest | Endpoint::Backtest => {}
            Endpoint::Quarantine | Endpoint::Status | Endpoint::OpenApi | Endpoint::Health => {}
            Endpoint::Ready | Endpoint::Metrics | Endpoint::Socket => {}
        };
        let mut seen = std::collections::HashSet::new();
        for route in ROUTES {
            listed(route.endpoint);
            assert!(seen.insert(route.endpoint), "{:?} twice", route.endpoint);
            let same = |r: &&Route| r.method == route.method && r.path == route.path;
            assert_eq!(ROUTES.iter().filter(same).count(), 1, "{} {}", route.method, route.path);
        }
        assert_eq!(seen.len(), 36);
    }

    #[test]
    fn only_these_are_open_without_a_session() {
        let open: Vec<_> = ROUTES
            .iter()
            .filter(|r| !matches!(r.policy, Policy::AtLeast(_)))
            .map(|r| format!("{} {}", r.method, r.path))
            .collect();
        let expected =
            ["POST /api/v1/session", "GET /signin", "GET /healthz", "GET /readyz", "GET /metrics"];
        assert_eq!(open, expected);
    }

    #[test]
    fn rules_are_changed_by_administrators_only() {
        let changing = |r: &&Route| r.path.starts_with("/api/v1/rules") && r.changes_state();
        let policies: Vec<Policy> = ROUTES.iter().filter(changing).map(|r| r.policy).collect();
        assert_eq!(policies, vec![Policy::AtLeast(Role::Administrator); 6]);
    }

    #[test]
    fn words_of_the_interface_are_no_rule_ids() {
        let found = endpoint(Method::GET, "/api/v1/rules/versions");
        assert_eq!(found, Some((Endpoint::RuleVersions, None)));
        let found = endpoint(Method::GET, "/api/v1/rules/versions/7");
        assert_eq!(found, Some((Endpoint::RuleVersion, Some("7".into()))));
        let found = endpoint(Method::GET, "/api/v1/rules/flood.street");
        assert_eq!(found, Some((Endpoint::Rule, Some("flood.street".into()))));
        let found = endpoint(Method::POST, "/api/v1/rules/check");
        assert_eq!(found, Some((Endpoint::CheckRules, None)));
    }

    #[test]
    fn finds_paths_with_ids_and_refuses_near_misses() {
        let ack = endpoint(Method::POST, "/api/v1/alerts/ab%3A1/acknowledge");
        assert_eq!(ack, Some((Endpoint::Acknowledge, Some("ab%3A1".into()))));
        assert_eq!(endpoint(Method::HEAD, "/healthz"), Some((Endpoint::Health, None)));
        for path in ["/api/v1/alerts/", "/api/v1/alerts//acknowledge", "/api/v1/alerts/a/b", "/api"]
        {
            assert_eq!(endpoint(Method::GET, path), None, "{path}");
        }
        let found = find(&Method::PUT, "/api/v1/session");
        assert!(matches!(found, Found::WrongMethod(ref m) if m.len() == 3), "{found:?}");
    }
}
