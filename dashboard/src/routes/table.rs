//! The rows.

use super::params::*;
use super::{Endpoint, Param, Policy, Reach, Route};
use crate::Permission;
use crate::config::{MAX_BODY_BYTES, MAX_BULK_BYTES, MAX_IMPORT_BYTES, MAX_REPORT_BYTES};

/// What is now, in the scope.
const WATCH: Policy = Policy::Needs(Permission::Watch, Reach::Scoped);
/// What was, in the scope.
const READ: Policy = Policy::Needs(Permission::Read, Reach::Scoped);
/// Taking data away.
const EXPORT: Policy = Policy::Needs(Permission::Export, Reach::Scoped);
/// How the centre is set up and how it runs.
const ABOUT: Policy = Policy::Needs(Permission::Read, Reach::Common);
/// What concerns the whole city.
const READ_CITY: Policy = Policy::Needs(Permission::Read, Reach::City);
const ACT: Policy = Policy::Needs(Permission::Act, Reach::Scoped);
/// Shifts are the city centre's.
const ACT_CITY: Policy = Policy::Needs(Permission::Act, Reach::City);
const NOTIFY: Policy = Policy::Needs(Permission::Notify, Reach::City);
const TECHNICAL: Policy = Policy::Needs(Permission::Technical, Reach::Scoped);
const TECHNICAL_CITY: Policy = Policy::Needs(Permission::Technical, Reach::City);
const DEVICES: Policy = Policy::Needs(Permission::Devices, Reach::Scoped);
const DEVICES_CITY: Policy = Policy::Needs(Permission::Devices, Reach::City);
/// A rule judges the whole city.
const RULES: Policy = Policy::Needs(Permission::Rules, Reach::City);

const PEOPLE: Policy = Policy::Needs(Permission::People, Reach::City);
const OWN: Policy = Policy::Session;

const fn get(path: &'static str, endpoint: Endpoint, policy: Policy, about: &'static str) -> Route {
    Route {
        method: "GET",
        path,
        endpoint,
        policy,
        about,
        query: &[],
        answer: "Object",
        status: "200",
        body_limit: MAX_BODY_BYTES,
        fresh: false,
    }
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

    const fn gives(self, status: &'static str) -> Self {
        Self { status, ..self }
    }

    const fn fresh(self) -> Self {
        Self { fresh: true, ..self }
    }

    const fn takes(self, body_limit: usize) -> Self {
        Self { body_limit, ..self }
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
    get("/signin/oidc", Endpoint::SignInOidc, Policy::Open, "sign in by an identity provider")
        .asks(OIDC_QUERY)
        .gives("303")
        .answers(""),
    get(
        "/signin/oidc/callback",
        Endpoint::OidcCallback,
        Policy::Open,
        "where the identity provider sends the browser back to",
    )
    .asks(CALLBACK_QUERY)
    .gives("303")
    .answers(""),
    get("/api/v1/session", Endpoint::WhoAmI, Policy::Session, "who is signed in")
        .answers("Identity"),
    get("/api/v1/session", Endpoint::SignOut, Policy::Session, "end the session")
        .by("DELETE")
        .answers(""),
    get("/api/v1/session/options", Endpoint::SignInOptions, Policy::Open, "ways to sign in")
        .answers("SignInOptions"),
    get(
        "/api/v1/session/wall",
        Endpoint::SignInWall,
        Policy::Open,
        "sign a screen in with its wall token",
    )
    .by("POST")
    .answers("Identity"),
    get(
        "/api/v1/session/confirm",
        Endpoint::Confirm,
        OWN,
        "give the password once more, for critical acts",
    )
    .by("POST")
    .answers(""),
    get("/api/v1/account", Endpoint::Account, OWN, "one's own account").answers("Account"),
    get(
        "/api/v1/account/password",
        Endpoint::ChangePassword,
        OWN,
        "change one's password; the other sessions end",
    )
    .by("POST")
    .answers(""),
    get(
        "/api/v1/account/totp",
        Endpoint::BeginTotp,
        OWN,
        "a new secret for the second factor; it is told this once",
    )
    .by("POST")
    .fresh()
    .answers("NewTotp"),
    get(
        "/api/v1/account/totp/confirm",
        Endpoint::ConfirmTotp,
        OWN,
        "put the new secret to use; the recovery codes are told this once",
    )
    .by("POST")
    .fresh()
    .answers("RecoveryCodes"),
    get("/api/v1/account/totp", Endpoint::RemoveTotp, OWN, "do without a second factor")
        .by("DELETE")
        .fresh()
        .answers(""),
    get("/api/v1/account/sessions", Endpoint::OwnSessions, OWN, "one's open sessions")
        .answers("Sessions"),
    get("/api/v1/account/sessions/{id}", Endpoint::EndOwnSession, OWN, "end one of them")
        .by("DELETE")
        .answers(""),
    get("/api/v1/account/tokens", Endpoint::OwnTokens, OWN, "one's API tokens, not in clear")
        .answers("ApiTokens"),
    get(
        "/api/v1/account/tokens",
        Endpoint::IssueOwnToken,
        OWN,
        "a new API token; it is told this once",
    )
    .by("POST")
    .fresh()
    .gives("201")
    .answers("NewApiToken"),
    get(
        "/api/v1/account/tokens/{id}",
        Endpoint::RevokeOwnToken,
        OWN,
        "end one of one's API tokens",
    )
    .by("DELETE")
    .answers(""),
    get("/api/v1/people", Endpoint::People, PEOPLE, "all accounts, and what the roles may")
        .answers("People"),
    get(
        "/api/v1/people",
        Endpoint::AddPerson,
        PEOPLE,
        "a new account; its password is told this once",
    )
    .by("POST")
    .fresh()
    .gives("201")
    .answers("NewPerson"),
    get(
        "/api/v1/people/{id}/grants",
        Endpoint::SetGrants,
        PEOPLE,
        "say what somebody may, and where",
    )
    .by("PUT")
    .fresh()
    .answers(""),
    get("/api/v1/people/{id}/state", Endpoint::SetPersonState, PEOPLE, "close or open an account")
        .by("POST")
        .fresh()
        .answers(""),
    get(
        "/api/v1/people/{id}/password",
        Endpoint::ResetPassword,
        PEOPLE,
        "a new password; it is told this once",
    )
    .by("POST")
    .fresh()
    .answers("NewPassword"),
    get(
        "/api/v1/people/{id}/totp",
        Endpoint::RemovePersonTotp,
        PEOPLE,
        "take a lost second factor away",
    )
    .by("DELETE")
    .fresh()
    .answers(""),
    get(
        "/api/v1/people/{id}/sessions",
        Endpoint::PersonSessions,
        PEOPLE,
        "somebody's open sessions",
    )
    .answers("Sessions"),
    get(
        "/api/v1/people/{id}/sessions",
        Endpoint::EndPersonSessions,
        PEOPLE,
        "end all of somebody's sessions",
    )
    .by("DELETE")
    .fresh()
    .answers(""),
    get("/api/v1/people/{id}", Endpoint::RemovePerson, PEOPLE, "forget an account")
        .by("DELETE")
        .fresh()
        .answers(""),
    get("/api/v1/people/tokens", Endpoint::ApiTokens, PEOPLE, "all API tokens, not in clear")
        .answers("ApiTokens"),
    get("/api/v1/people/tokens/{id}", Endpoint::RevokeApiToken, PEOPLE, "end an API token")
        .by("DELETE")
        .fresh()
        .answers(""),
    get("/api/v1/walls", Endpoint::Walls, PEOPLE, "all wall tokens, not in clear").answers("Walls"),
    get("/api/v1/walls", Endpoint::IssueWall, PEOPLE, "a new wall token; it is told this once")
        .by("POST")
        .fresh()
        .gives("201")
        .answers("NewWall"),
    get("/api/v1/walls/{id}", Endpoint::RevokeWall, PEOPLE, "end a wall token and its screens")
        .by("DELETE")
        .fresh()
        .answers(""),
    get(
        "/api/v1/city",
        Endpoint::City,
        Policy::Needs(Permission::Watch, Reach::Common),
        "areas, services, properties, thresholds, map tiles",
    ),
    get(
        "/api/v1/map",
        Endpoint::Map,
        Policy::Needs(Permission::Watch, Reach::Common),
        "boundaries of the areas and zones of geofence rules as GeoJSON",
    ),
    get("/api/v1/devices", Endpoint::Devices, WATCH, "all devices; position = idx of /ws frames")
        .asks(DEVICES_QUERY)
        .answers("Devices"),
    get("/api/v1/devices/{id}", Endpoint::Device, WATCH, "one device with its last values")
        .answers("Device"),
    get("/api/v1/alerts", Endpoint::Alerts, WATCH, "alerts, newest raise first")
        .asks(ALERT_QUERY)
        .answers("Alerts"),
    get("/api/v1/alerts/{id}", Endpoint::Alert, WATCH, "one alert with all that happened to it")
        .answers("AlertWithAudit"),
    get("/api/v1/alerts/list.csv", Endpoint::AlertsCsv, EXPORT, "the list for spreadsheets")
        .asks(ALERT_CSV_QUERY)
        .answers("text/csv"),
    get("/api/v1/alerts/actions", Endpoint::ActOnMany, ACT, "do one thing to many alerts")
        .by("POST")
        .takes(MAX_BULK_BYTES)
        .answers("BulkOutcome"),
    get("/api/v1/alerts/actions/{act}/undo", Endpoint::Undo, ACT, "take a request back, in 10 s")
        .by("POST")
        .answers("BulkOutcome"),
    get(
        "/api/v1/alerts/{id}/acknowledge",
        Endpoint::Acknowledge,
        ACT,
        "acknowledge an alert, with a note",
    )
    .by("POST")
    .answers("ActionOutcome"),
    get("/api/v1/alerts/{id}/actions", Endpoint::Act, ACT, "do one thing to an alert")
        .by("POST")
        .answers("ActionOutcome"),
    get("/api/v1/incidents", Endpoint::Incidents, READ, "incidents, newest first")
        .asks(INCIDENT_QUERY)
        .answers("Incidents"),
    get("/api/v1/incidents/{id}", Endpoint::Incident, READ, "one incident, its root first")
        .asks(MEMBERS_QUERY)
        .answers("IncidentWithAlerts"),
    get("/api/v1/holds", Endpoint::Holds, WATCH, "maintenance windows, and what is out of service")
        .asks(HOLDS_QUERY)
        .answers("Holds"),
    get("/api/v1/holds", Endpoint::OpenHold, ACT, "open a window, or take out of service")
        .by("POST")
        .gives("201")
        .answers("HoldAnswer"),
    get("/api/v1/holds/{id}/end", Endpoint::EndHold, ACT, "end one now")
        .by("POST")
        .answers("HoldAnswer"),
    get(
        "/api/v1/audit",
        Endpoint::Audit,
        Policy::Needs(Permission::Audit, Reach::City),
        "the whole audit log, oldest first",
    )
    .asks(AUDIT_QUERY)
    .answers("AuditLog"),
    get("/api/v1/kpi", Endpoint::Kpi, READ, "figures of the alarm system against their targets")
        .asks(KPI_QUERY)
        .answers("Kpi"),
    get("/api/v1/shifts", Endpoint::Shifts, READ_CITY, "who is on duty").answers("Shifts"),
    get("/api/v1/shifts", Endpoint::BeginShift, ACT_CITY, "take a position; relieves who held it")
        .by("POST")
        .gives("201")
        .answers("ShiftAnswer"),
    get("/api/v1/shifts/{id}/end", Endpoint::EndShift, ACT_CITY, "leave, with words for the next")
        .by("POST")
        .answers("ShiftAnswer"),
    get("/api/v1/shifts/log", Endpoint::ShiftLog, READ_CITY, "the shift log, newest first")
        .asks(SHIFT_LOG_QUERY)
        .answers("ShiftLog"),
    get("/api/v1/shifts/log", Endpoint::WriteEntry, ACT_CITY, "write a line")
        .by("POST")
        .gives("201")
        .answers("EntryAnswer"),
    get("/api/v1/shifts/log/{id}/done", Endpoint::EntryDone, ACT_CITY, "tick a line off")
        .by("POST")
        .answers("EntryAnswer"),
    get(
        "/api/v1/shifts/handover",
        Endpoint::Handover,
        READ_CITY,
        "what one shift hands to the next",
    )
    .asks(HANDOVER_QUERY)
    .answers("Handover"),
    get("/api/v1/shifts/handover.html", Endpoint::HandoverHtml, READ_CITY, "the same to print")
        .asks(PRINT_QUERY)
        .answers("text/html"),
    get(
        "/api/v1/shifts/handover.csv",
        Endpoint::HandoverCsv,
        READ_CITY,
        "the same for spreadsheets",
    )
    .asks(PRINT_QUERY)
    .answers("text/csv"),
    get("/api/v1/notifications/receivers", Endpoint::Receivers, NOTIFY, "who is notified")
        .answers("Receivers"),
    get(
        "/api/v1/notifications/receivers/{id}/test",
        Endpoint::TestReceiver,
        NOTIFY,
        "send a test message",
    )
    .by("POST")
    .gives("202")
    .answers("DeliveryAnswer"),
    get("/api/v1/notifications/deliveries", Endpoint::Deliveries, READ, "the delivery log")
        .asks(DELIVERY_QUERY)
        .answers("Deliveries"),
    get(
        "/api/v1/notifications/deliveries/{id}/retry",
        Endpoint::RetryDelivery,
        NOTIFY,
        "try a dead delivery again",
    )
    .by("POST")
    .answers("DeliveryAnswer"),
    get("/api/v1/cap/feed.atom", Endpoint::CapFeed, Policy::PublicIfSet, "public warnings")
        .answers("application/atom+xml"),
    get("/api/v1/cap/{id}", Endpoint::Cap, Policy::PublicIfSet, "one public warning as CAP 1.2")
        .answers("application/cap+xml"),
    get("/api/v1/services", Endpoint::Services, WATCH, "the tiles").answers("Services"),
    get("/api/v1/rules", Endpoint::Rules, ABOUT, "the rules that run; ETag is their version")
        .answers("Rules"),
    get("/api/v1/rules/check", Endpoint::CheckRules, RULES, "what a change of rules would do")
        .by("POST")
        .answers("RuleOutcome"),
    get(
        "/api/v1/rules/versions",
        Endpoint::RuleVersions,
        ABOUT,
        "versions of the rules, newest first",
    )
    .asks(VERSIONS_QUERY),
    get("/api/v1/rules/versions/{id}", Endpoint::RuleVersion, ABOUT, "one version, with its diff"),
    get(
        "/api/v1/rules/versions/{id}/rollback",
        Endpoint::RollBack,
        RULES,
        "a new version with the files of this one",
    )
    .by("POST")
    .answers("RuleOutcome"),
    get(
        "/api/v1/rules/backtest",
        Endpoint::StartBacktest,
        RULES,
        "run a change beside the present rules on what the journal holds",
    )
    .by("POST"),
    get("/api/v1/rules/backtest/{id}", Endpoint::Backtest, RULES, "how a backtest is getting on"),
    get("/api/v1/rules/{id}", Endpoint::Rule, ABOUT, "one rule in full").answers("Rule"),
    get("/api/v1/rules/{id}", Endpoint::PutRule, RULES, "make or replace a rule; the body is YAML")
        .by("PUT")
        .asks(NOTE_QUERY)
        .answers("RuleOutcome"),
    get("/api/v1/rules/{id}", Endpoint::PatchRule, RULES, "switch a rule on, to shadow, or off")
        .by("PATCH")
        .answers("RuleOutcome"),
    get("/api/v1/rules/{id}", Endpoint::DeleteRule, RULES, "remove a rule")
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
    get("/api/v1/export", Endpoint::Export, EXPORT, "measurements as a file")
        .asks(EXPORT_QUERY)
        .answers("text/csv"),
    get("/open", Endpoint::OpenData, Policy::PublicIfOpen, "open data: the datasets")
        .answers("text/html"),
    get("/open/{path}", Endpoint::OpenDataPart, Policy::PublicIfOpen, "catalogue and datasets")
        .answers("application/ld+json"),
    get("/sensorthings/v1.1", Endpoint::SensorThings, Policy::PublicIfOpen, "OGC SensorThings 1.1")
        .answers("application/json"),
    get(
        "/sensorthings/v1.1/{path}",
        Endpoint::SensorThingsPart,
        Policy::PublicIfOpen,
        "its entities",
    )
    .answers("application/json"),
    get("/api/v1/history/series", Endpoint::HistorySeries, READ, "series that exist")
        .asks(SERIES_QUERY),
    get("/api/v1/ledger", Endpoint::Ledger, READ_CITY, "received = accepted + quarantined + …"),
    get("/api/v1/quarantine", Endpoint::Quarantine, TECHNICAL, "refused messages, newest first")
        .asks(QUARANTINE_QUERY),
    get(
        "/api/v1/personal",
        Endpoint::Personal,
        Policy::Needs(Permission::Masked, Reach::Scoped),
        "detections with a plate, masked",
    )
    .asks(PERSONAL_QUERY)
    .answers("PersonalRows"),
    get(
        "/api/v1/personal/{id}/reveal",
        Endpoint::Reveal,
        Policy::Needs(Permission::Reveal, Reach::Scoped),
        "open one; it is in the audit log",
    )
    .by("POST")
    .answers("Revealed"),
    get(
        "/api/v1/registry",
        Endpoint::Registry,
        TECHNICAL,
        "devices with all that is known of them",
    )
    .asks(REGISTRY_QUERY)
    .answers("Registry"),
    get(
        "/api/v1/registry/export",
        Endpoint::ExportDevices,
        TECHNICAL_CITY,
        "all devices as a file",
    )
    .asks(DEVICE_FILE_QUERY)
    .answers("text/csv"),
    get(
        "/api/v1/registry/import",
        Endpoint::ImportDevices,
        DEVICES_CITY,
        "take a list, all or nothing",
    )
    .by("POST")
    .takes(MAX_IMPORT_BYTES)
    .answers("Imported"),
    get("/api/v1/registry/{id}", Endpoint::Registered, TECHNICAL, "one device of the registry")
        .answers("RegisteredDevice"),
    get("/api/v1/registry/{id}", Endpoint::PutDevice, DEVICES, "make or replace a device")
        .by("PUT")
        .answers("RegisteredDevice"),
    get(
        "/api/v1/registry/{id}",
        Endpoint::RemoveDevice,
        DEVICES,
        "forget a device, its tokens too",
    )
    .by("DELETE")
    .answers(""),
    get("/api/v1/registry/{id}/state", Endpoint::SetDeviceState, DEVICES, "approve or block")
        .by("POST")
        .answers("RegisteredDevice"),
    get(
        "/api/v1/registry/{id}/tokens",
        Endpoint::DeviceTokens,
        DEVICES,
        "its tokens, not in clear",
    )
    .answers("Tokens"),
    get(
        "/api/v1/registry/{id}/tokens",
        Endpoint::IssueDeviceToken,
        DEVICES,
        "a new token; it is told this once",
    )
    .by("POST")
    .answers("NewToken"),
    get("/api/v1/registry/{id}/tokens", Endpoint::RevokeDeviceToken, DEVICES, "end a token")
        .by("DELETE")
        .asks(TOKEN_QUERY)
        .answers(""),
    get(
        "/api/v1/devices/{id}/received",
        Endpoint::Received,
        TECHNICAL,
        "what came from this device: last messages, rate, clock, refused ones",
    )
    .answers("Received"),
    get("/api/v1/quarantine/rerun", Endpoint::Rerun, DEVICES_CITY, "try refused messages again")
        .by("POST")
        .answers("Rerun"),
    get("/api/v1/status", Endpoint::Status, ABOUT, "versions, journal, readers, history"),
    get("/api/v1/openapi.json", Endpoint::OpenApi, Policy::Session, "this document"),
    get("/api/v1/csp", Endpoint::CspReport, Policy::Open, "where browsers report refused content")
        .by("POST")
        .takes(MAX_REPORT_BYTES)
        .answers(""),
    get("/healthz", Endpoint::Health, Policy::Open, "the process answers").answers("text/plain"),
    get("/readyz", Endpoint::Ready, Policy::Open, "the process can serve").answers("text/plain"),
    get("/metrics", Endpoint::Metrics, Policy::Local, "Prometheus text").answers("text/plain"),
    get("/ws", Endpoint::Socket, WATCH, "the live WebSocket (docs/protocol.md)").answers(""),
    get("/mqtt", Endpoint::Mqtt, Policy::Open, "MQTT over WebSocket for devices").answers(""),
];
