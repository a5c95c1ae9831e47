//! The one table of routes: path, method, who may, and what the OpenAPI document says of it.
//! A request that finds no row is answered 404 or 405; nothing is served beside the table but
//! the files of the page.

mod params;
mod table;

use warp::http::Method;

use crate::Permission;
pub(crate) use table::ROUTES;

/// A handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Endpoint {
    SignIn,
    SignInLink,
    SignInOidc,
    OidcCallback,
    WhoAmI,
    SignOut,
    SignInOptions,
    SignInWall,
    Confirm,
    Account,
    ChangePassword,
    BeginTotp,
    ConfirmTotp,
    RemoveTotp,
    OwnSessions,
    EndOwnSession,
    OwnTokens,
    IssueOwnToken,
    RevokeOwnToken,
    People,
    AddPerson,
    SetGrants,
    SetPersonState,
    ResetPassword,
    RemovePersonTotp,
    PersonSessions,
    EndPersonSessions,
    RemovePerson,
    ApiTokens,
    RevokeApiToken,
    Walls,
    IssueWall,
    RevokeWall,
    City,
    Map,
    Devices,
    Device,
    Alerts,
    Alert,
    Acknowledge,
    Act,
    ActOnMany,
    Undo,
    Incidents,
    Incident,
    Holds,
    OpenHold,
    EndHold,
    Audit,
    Kpi,
    Shifts,
    BeginShift,
    EndShift,
    ShiftLog,
    WriteEntry,
    EntryDone,
    Handover,
    HandoverHtml,
    HandoverCsv,
    AlertsCsv,
    Receivers,
    TestReceiver,
    Deliveries,
    RetryDelivery,
    CapFeed,
    Cap,
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
    Export,
    OpenData,
    OpenDataPart,
    SensorThings,
    SensorThingsPart,
    Ledger,
    Quarantine,
    Personal,
    Reveal,
    Registry,
    ExportDevices,
    ImportDevices,
    Registered,
    PutDevice,
    RemoveDevice,
    SetDeviceState,
    DeviceTokens,
    IssueDeviceToken,
    RevokeDeviceToken,
    Received,
    Rerun,
    Status,
    OpenApi,
    CspReport,
    Health,
    Ready,
    Metrics,
    Socket,
    Mqtt,
}

/// Who may call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    /// Everyone.
    Open,
    /// Peers on this machine (all peers with `metrics_for_all`).
    Local,
    /// Everyone if `public_cap` is set, else who may watch something.
    PublicIfSet,
    /// Everyone if open data are published, else who may read something; who may sees more.
    PublicIfOpen,
    /// Everyone who is signed in: about themselves only.
    Session,
    /// Who has this permission, as far as it reaches.
    Needs(Permission, Reach),
}

/// What of a permission's scope a route asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Any: what is answered is no data of an area or a service (configuration, own affairs).
    Common,
    /// Any: the handler answers for [`crate::router::Admitted::scope`] only.
    Scoped,
    /// The whole city: what is answered or changed concerns all of it.
    City,
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
    /// Name of the answer's schema in the OpenAPI document, or its media type.
    pub answer: &'static str,
    /// Status of the answer.
    pub status: &'static str,
    /// Largest body it takes.
    pub body_limit: usize,
    /// Who does it must have shown a few minutes ago that they are themselves.
    pub fresh: bool,
}

impl Route {
    /// What is below the path and in the query is read by `ioc_share`.
    pub fn shared(&self) -> bool {
        use Endpoint::{Export, OpenData, OpenDataPart, SensorThings, SensorThingsPart};
        matches!(self.endpoint, Export | OpenData | OpenDataPart | SensorThings | SensorThingsPart)
    }

    /// Makes something by which somebody gets in.
    pub fn gives_access(&self) -> bool {
        matches!(self.endpoint, Endpoint::IssueOwnToken)
    }

    /// Is needed to set up a second factor, or to leave.
    pub fn sets_up(&self) -> bool {
        use Endpoint::{Account, BeginTotp, ChangePassword, Confirm, ConfirmTotp, SignOut, WhoAmI};
        matches!(
            self.endpoint,
            Account | BeginTotp | ChangePassword | Confirm | ConfirmTotp | SignOut | WhoAmI
        )
    }

    /// A state-changing request needs our Origin, a header of ours, and JSON.
    pub fn changes_state(&self) -> bool {
        self.method != "GET"
    }
}

/// What the table says of a request.
#[derive(Debug)]
pub(crate) enum Found<'a> {
    /// The row, and the text in the place of its `{…}`, still percent-encoded.
    Route(&'static Route, &'a str),
    /// The path exists with these methods.
    WrongMethod(Vec<&'static str>),
    /// No row.
    Nothing,
}

impl Route {
    /// The path around its `{name}`, and the name.
    pub fn placeholder(&self) -> Option<(&'static str, &'static str, &'static str)> {
        let (before, rest) = self.path.split_once('{')?;
        let (name, after) = rest.split_once('}')?;
        Some((before, name, after))
    }

    /// The text in the place of `{name}`, still percent-encoded; empty for paths without one.
    fn matches<'a>(&self, path: &'a str) -> Option<&'a str> {
        let Some((before, _, after)) = self.placeholder() else {
            return (self.path == path).then_some("");
        };
        let id = path.strip_prefix(before)?.strip_suffix(after)?;
        (!id.is_empty() && (self.shared() || !id.contains('/'))).then_some(id)
    }
}

/// Looks a request up. HEAD is GET. A word of the interface is never taken for an id: where a path
/// stands in the table as it is, rows with a `{…}` in that place do not count.
pub(crate) fn find<'a>(method: &Method, path: &'a str) -> Found<'a> {
    let method = if method == Method::HEAD { "GET" } else { method.as_str() };
    let literal = ROUTES.iter().any(|r| r.path == path);
    let mut allowed = Vec::new();
    for route in ROUTES.iter().filter(|r| !literal || r.path == path) {
        let Some(id) = route.matches(path) else { continue };
        if route.method == method {
            return Found::Route(route, id);
        }
        allowed.push(route.method);
    }
    if allowed.is_empty() { Found::Nothing } else { Found::WrongMethod(allowed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(method: Method, path: &str) -> Option<(Endpoint, String)> {
        match find(&method, path) {
            Found::Route(route, id) => Some((route.endpoint, String::from(id))),
            _ => None,
        }
    }

    #[test]
    fn every_endpoint_has_exactly_one_row() {
        // A new endpoint does not compile here until it is listed.
        let listed = |e: Endpoint| match e {
            Endpoint::SignIn | Endpoint::SignInLink | Endpoint::WhoAmI | Endpoint::SignOut => {}
            Endpoint::SignInOidc | Endpoint::OidcCallback => {}
            Endpoint::SignInOptions | Endpoint::SignInWall | Endpoint::Confirm => {}
            Endpoint::Account | Endpoint::ChangePassword | Endpoint::BeginTotp => {}
            Endpoint::ConfirmTotp | Endpoint::RemoveTotp | Endpoint::OwnSessions => {}
            Endpoint::EndOwnSession | Endpoint::OwnTokens | Endpoint::IssueOwnToken => {}
            Endpoint::RevokeOwnToken | Endpoint::People | Endpoint::AddPerson => {}
            Endpoint::SetGrants | Endpoint::SetPersonState | Endpoint::ResetPassword => {}
            Endpoint::RemovePersonTotp | Endpoint::PersonSessions => {}
            Endpoint::EndPersonSessions | Endpoint::RemovePerson | Endpoint::ApiTokens => {}
            Endpoint::RevokeApiToken | Endpoint::Walls | Endpoint::IssueWall => {}
            Endpoint::RevokeWall => {}
            Endpoint::City | Endpoint::Map | Endpoint::Devices | Endpoint::Device => {}
            Endpoint::Alerts | Endpoint::Alert | Endpoint::Acknowledge | Endpoint::Services => {}
            Endpoint::Rules | Endpoint::History | Endpoint::HistorySeries | Endpoint::Ledger => {}
            Endpoint::Rule | Endpoint::PutRule | Endpoint::PatchRule | Endpoint::DeleteRule => {}
            Endpoint::CheckRules | Endpoint::RuleVersions | Endpoint::RuleVersion => {}
            Endpoint::RollBack | Endpoint::ExplainRule | Endpoint::RuleEntities => {}
            Endpoint::RuleShadow | Endpoint::StartBacktest | Endpoint::Backtest => {}
            Endpoint::Quarantine | Endpoint::Status | Endpoint::OpenApi | Endpoint::Health => {}
            Endpoint::Ready | Endpoint::Metrics | Endpoint::Socket | Endpoint::Mqtt => {}
            Endpoint::Act | Endpoint::ActOnMany | Endpoint::Undo | Endpoint::Incidents => {}
            Endpoint::Incident | Endpoint::Holds | Endpoint::OpenHold | Endpoint::EndHold => {}
            Endpoint::Audit | Endpoint::Kpi | Endpoint::Shifts | Endpoint::BeginShift => {}
            Endpoint::EndShift | Endpoint::ShiftLog | Endpoint::WriteEntry => {}
            Endpoint::EntryDone | Endpoint::Handover | Endpoint::HandoverHtml => {}
            Endpoint::AlertsCsv => {}
            Endpoint::HandoverCsv | Endpoint::Receivers | Endpoint::TestReceiver => {}
            Endpoint::Deliveries | Endpoint::RetryDelivery | Endpoint::CapFeed => {}
            Endpoint::Cap | Endpoint::Export | Endpoint::OpenData | Endpoint::OpenDataPart => {}
            Endpoint::SensorThings | Endpoint::SensorThingsPart => {}
            Endpoint::Personal | Endpoint::Reveal | Endpoint::Registry => {}
            Endpoint::ExportDevices | Endpoint::ImportDevices | Endpoint::Registered => {}
            Endpoint::PutDevice | Endpoint::RemoveDevice | Endpoint::SetDeviceState => {}
            Endpoint::DeviceTokens | Endpoint::IssueDeviceToken => {}
            Endpoint::RevokeDeviceToken | Endpoint::Received | Endpoint::Rerun => {}
            Endpoint::CspReport => {}
        };
        let mut seen = std::collections::HashSet::new();
        for route in ROUTES {
            listed(route.endpoint);
            assert!(seen.insert(route.endpoint), "{:?} twice", route.endpoint);
            let same = |r: &&Route| r.method == route.method && r.path == route.path;
            assert_eq!(ROUTES.iter().filter(same).count(), 1, "{} {}", route.method, route.path);
        }
        assert_eq!(seen.len(), 112);
    }

    #[test]
    fn only_these_are_open_without_a_session() {
        let open: Vec<_> = ROUTES
            .iter()
            .filter(|r| matches!(r.policy, Policy::Open | Policy::Local))
            .map(|r| format!("{} {}", r.method, r.path))
            .collect();
        let expected = [
            "POST /api/v1/session",
            "GET /signin",
            "GET /signin/oidc",
            "GET /signin/oidc/callback",
            "GET /api/v1/session/options",
            "POST /api/v1/session/wall",
            "POST /api/v1/csp",
            "GET /healthz",
            "GET /readyz",
            "GET /metrics",
            "GET /mqtt",
        ];
        assert_eq!(open, expected);
        let if_set = ROUTES.iter().filter(|r| r.policy == Policy::PublicIfSet).map(|r| r.path);
        let if_set: Vec<_> = if_set.collect();
        assert_eq!(if_set, ["/api/v1/cap/feed.atom", "/api/v1/cap/{id}"]);
        let if_open = ROUTES.iter().filter(|r| r.policy == Policy::PublicIfOpen).map(|r| r.path);
        let if_open: Vec<_> = if_open.collect();
        let shared = ["/open", "/open/{path}", "/sensorthings/v1.1", "/sensorthings/v1.1/{path}"];
        assert_eq!(if_open, shared);
    }

    #[test]
    fn every_row_that_changes_something_needs_more_than_reading() {
        let harmless =
            [Permission::Watch, Permission::Read, Permission::Export, Permission::Masked];
        for route in ROUTES.iter().filter(|r| r.changes_state()) {
            let fits = match route.policy {
                Policy::Needs(permission, reach) => {
                    !harmless.contains(&permission) && reach != Reach::Common
                }
                // One's own affairs, and the way in.
                Policy::Session | Policy::Open => true,
                Policy::Local | Policy::PublicIfSet | Policy::PublicIfOpen => false,
            };
            assert!(fits, "{} {}", route.method, route.path);
        }
    }

    #[test]
    fn only_bulk_and_import_take_more_than_64_kib() {
        let large = ROUTES.iter().filter(|r| r.body_limit > 64 * 1_024).map(|r| r.endpoint);
        assert_eq!(large.collect::<Vec<_>>(), [Endpoint::ActOnMany, Endpoint::ImportDevices]);
    }

    #[test]
    fn rules_are_changed_for_the_whole_city_only() {
        let changing = |r: &&Route| r.path.starts_with("/api/v1/rules") && r.changes_state();
        let policies: Vec<Policy> = ROUTES.iter().filter(changing).map(|r| r.policy).collect();
        assert_eq!(policies, vec![Policy::Needs(Permission::Rules, Reach::City); 6]);
    }

    #[test]
    fn words_of_the_interface_are_no_rule_ids() {
        let found = endpoint(Method::GET, "/api/v1/rules/versions");
        assert_eq!(found, Some((Endpoint::RuleVersions, String::new())));
        let found = endpoint(Method::GET, "/api/v1/rules/versions/7");
        assert_eq!(found, Some((Endpoint::RuleVersion, "7".into())));
        let found = endpoint(Method::GET, "/api/v1/rules/flood.street");
        assert_eq!(found, Some((Endpoint::Rule, "flood.street".into())));
        let found = endpoint(Method::POST, "/api/v1/rules/check");
        assert_eq!(found, Some((Endpoint::CheckRules, String::new())));
    }

    #[test]
    fn words_of_the_interface_are_no_alert_shift_or_warning_ids() {
        let found = endpoint(Method::POST, "/api/v1/alerts/actions");
        assert_eq!(found, Some((Endpoint::ActOnMany, String::new())));
        let found = find(&Method::GET, "/api/v1/alerts/actions");
        assert!(matches!(found, Found::WrongMethod(ref m) if *m == ["POST"]), "{found:?}");
        let found = endpoint(Method::POST, "/api/v1/alerts/actions/12/undo");
        assert_eq!(found, Some((Endpoint::Undo, "12".into())));
        let found = endpoint(Method::POST, "/api/v1/alerts/ab/actions");
        assert_eq!(found, Some((Endpoint::Act, "ab".into())));
        assert_eq!(endpoint(Method::POST, "/api/v1/alerts/actions/1/2/undo"), None);
        let found = endpoint(Method::GET, "/api/v1/cap/feed.atom");
        assert_eq!(found, Some((Endpoint::CapFeed, String::new())));
        let found = endpoint(Method::GET, "/api/v1/shifts/log");
        assert_eq!(found, Some((Endpoint::ShiftLog, String::new())));
        let found = endpoint(Method::POST, "/api/v1/shifts/log/4/done");
        assert_eq!(found, Some((Endpoint::EntryDone, "4".into())));
    }

    #[test]
    fn finds_paths_with_ids_and_refuses_near_misses() {
        let ack = endpoint(Method::POST, "/api/v1/alerts/ab%3A1/acknowledge");
        assert_eq!(ack, Some((Endpoint::Acknowledge, "ab%3A1".into())));
        assert_eq!(endpoint(Method::HEAD, "/healthz"), Some((Endpoint::Health, String::new())));
        for path in ["/api/v1/alerts/", "/api/v1/alerts//acknowledge", "/api/v1/alerts/a/b", "/api"]
        {
            assert_eq!(endpoint(Method::GET, path), None, "{path}");
        }
        let found = find(&Method::PUT, "/api/v1/session");
        assert!(matches!(found, Found::WrongMethod(ref m) if m.len() == 3), "{found:?}");
    }
}
