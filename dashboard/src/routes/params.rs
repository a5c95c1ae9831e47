//! Query parameters of the routes.

use super::Param;

const fn optional(name: &'static str, kind: &'static str, about: &'static str) -> Param {
    Param { name, kind, required: false, about }
}

const fn required(name: &'static str, kind: &'static str, about: &'static str) -> Param {
    Param { name, kind, required: true, about }
}

pub(super) const ALERT_QUERY: &[Param] = &[
    optional("open", "integer", "1: only open ones, neither closed nor rejected"),
    optional("held", "integer", "1: only those held back; 0: only the others"),
    optional(
        "work",
        "string",
        "new, acknowledged, assigned, in_progress, resolved, closed, rejected",
    ),
    optional("acknowledged", "integer", "1: only acknowledged ones; 0: only the others"),
    optional("overdue", "integer", "1: only those with a due time that has passed"),
    optional("service", "string", "only of this service"),
    optional("area", "string", "only of this area"),
    optional("device", "string", "only of this device"),
    optional("rule", "string", "only of this rule"),
    optional("incident", "string", "only of this incident"),
    optional("assignee", "string", "only assigned to this person or agency"),
    optional("min_severity", "string", "info, minor, major, critical or emergency"),
    optional("from", "integer", "ms: raised at or after"),
    optional("to", "integer", "ms: raised before"),
    optional("limit", "integer", "1 to 1000, default 200"),
    optional("cursor", "string", "`next` of the page before"),
];
pub(super) const ALERT_CSV_QUERY: &[Param] = &[
    optional("open", "integer", "1: only open ones, neither closed nor rejected"),
    optional("held", "integer", "1: only those held back; 0: only the others"),
    optional(
        "work",
        "string",
        "new, acknowledged, assigned, in_progress, resolved, closed, rejected",
    ),
    optional("acknowledged", "integer", "1: only acknowledged ones; 0: only the others"),
    optional("overdue", "integer", "1: only those with a due time that has passed"),
    optional("service", "string", "only of this service"),
    optional("area", "string", "only of this area"),
    optional("device", "string", "only of this device"),
    optional("rule", "string", "only of this rule"),
    optional("incident", "string", "only of this incident"),
    optional("assignee", "string", "only assigned to this person or agency"),
    optional("min_severity", "string", "info, minor, major, critical or emergency"),
    optional("from", "integer", "ms: raised at or after"),
    optional("to", "integer", "ms: raised before"),
    optional("lang", "string", "vi (default) or en"),
];
pub(super) const INCIDENT_QUERY: &[Param] = &[
    optional("open", "integer", "1: only those with an open alert"),
    optional("area", "string", "only of this area"),
    optional("service", "string", "only of this service"),
    optional("min_severity", "string", "info, minor, major, critical or emergency"),
    optional("from", "integer", "ms: opened at or after"),
    optional("to", "integer", "ms: opened before"),
    optional("limit", "integer", "1 to 500, default 100"),
    optional("cursor", "string", "`next` of the page before"),
];
pub(super) const MEMBERS_QUERY: &[Param] =
    &[optional("limit", "integer", "1 to 1000 alerts, default 200")];
pub(super) const HOLDS_QUERY: &[Param] = &[optional("ended", "integer", "1: ended ones too")];
pub(super) const AUDIT_QUERY: &[Param] = &[
    optional("after", "integer", "only lines after this number"),
    optional("limit", "integer", "1 to 5000, default 500"),
];
pub(super) const KPI_QUERY: &[Param] = &[
    optional("from", "integer", "ms, inclusive; default: 24 h before `to`"),
    optional("to", "integer", "ms, exclusive; default: now"),
    optional("area", "string", "only of this area"),
    optional("service", "string", "only of this service"),
    optional("positions", "integer", "1 to 1000; default: as many as were on duty"),
];
pub(super) const SHIFT_LOG_QUERY: &[Param] = &[
    optional("from", "integer", "ms, inclusive"),
    optional("to", "integer", "ms, exclusive"),
    optional("limit", "integer", "1 to 1000, default 200"),
];
pub(super) const HANDOVER_QUERY: &[Param] = &[
    optional("from", "integer", "ms, inclusive; default: 12 h before `to`, at most 31 days"),
    optional("to", "integer", "ms, exclusive; default: now"),
];
pub(super) const PRINT_QUERY: &[Param] = &[
    optional("from", "integer", "ms, inclusive; default: 12 h before `to`, at most 31 days"),
    optional("to", "integer", "ms, exclusive; default: now"),
    optional("lang", "string", "vi (default) or en"),
];
pub(super) const DELIVERY_QUERY: &[Param] = &[
    optional("receiver", "string", "only to this receiver"),
    optional("alert", "string", "only with this alert"),
    optional("state", "string", "waiting, delivered or dead"),
    optional("before", "integer", "`next` of the page before"),
    optional("limit", "integer", "1 to 1000, default 100"),
];
pub(super) const HISTORY_QUERY: &[Param] = &[
    required("device", "string", "device id"),
    required("property", "string", "property name"),
    optional("from", "integer", "ms, inclusive; default: 24 h before `to`"),
    optional("to", "integer", "ms, exclusive; default: now"),
    optional("step", "integer", "ms of one window; without it raw points"),
    optional("offset", "integer", "ms: windows begin so far from multiples of `step`"),
    optional("agg", "string", "mean (default), min, max, sum, count or last"),
    optional("limit", "integer", "1 to 50000 points, default 5000"),
];
pub(super) const DEVICES_QUERY: &[Param] = &[
    optional("area", "string", "only of these areas and clusters, by comma"),
    optional("service", "string", "only of these services, by comma"),
];
pub(super) const SERIES_QUERY: &[Param] = &[optional("device", "string", "only of this device")];
pub(super) const EXPORT_QUERY: &[Param] = &[
    optional("format", "string", "csv (default), parquet, geojson or lp (line protocol)"),
    optional("device", "string", "only of these devices, by comma"),
    optional("service", "string", "only of these services"),
    optional("area", "string", "only of these areas"),
    optional("property", "string", "only these properties"),
    optional("from", "integer", "ms, inclusive; default: 24 h before `to`"),
    optional("to", "integer", "ms, exclusive; default: now"),
    optional("step", "integer", "ms of one window; without it raw points"),
    optional("offset", "integer", "ms: windows begin so far from multiples of `step`"),
    optional("resume", "string", "the last row that is there: device,property,time,skip"),
    optional("lang", "string", "vi (default) or en"),
];
pub(super) const QUARANTINE_QUERY: &[Param] = &[
    optional("device", "string", "only of this device"),
    optional("limit", "integer", "1 to 1000, default 100"),
];
pub(super) const PERSONAL_QUERY: &[Param] = &[
    optional("device", "string", "only of this device"),
    optional("pseudonym", "string", "only of this vehicle: 16 hexadecimal digits of a row"),
    optional("from", "integer", "ms: seen at or after"),
    optional("to", "integer", "ms: seen before"),
    optional("before", "integer", "`next` of the page before"),
    optional("limit", "integer", "1 to 1000, default 100"),
];
pub(super) const LINK_QUERY: &[Param] = &[required("token", "string", "the one-time token")];
pub(super) const OIDC_QUERY: &[Param] = &[
    required("provider", "string", "its id, from /api/v1/session/options"),
    optional("confirm", "integer", "1: the provider is to ask the person again"),
];
pub(super) const CALLBACK_QUERY: &[Param] = &[
    optional("code", "string", "the code of the provider"),
    optional("state", "string", "what we gave the browser"),
    optional("iss", "string", "the issuer that answers (RFC 9207)"),
    optional("error", "string", "why there is no code"),
];

pub(super) const VERSIONS_QUERY: &[Param] =
    &[optional("limit", "integer", "1 to 1000, default 50")];
pub(super) const ENTITIES_QUERY: &[Param] =
    &[optional("limit", "integer", "1 to 10000, default 1000")];
pub(super) const EXPLAIN_QUERY: &[Param] =
    &[required("entity", "string", "device:…, area:…, service:…, segment:… or city")];
pub(super) const NOTE_QUERY: &[Param] = &[optional("note", "string", "why, kept with the version")];
pub(super) const REGISTRY_QUERY: &[Param] = &[
    optional("state", "string", "approved, pending or blocked"),
    optional("service", "string", "only of this service"),
    optional("after", "string", "`next` of the page before"),
    optional("limit", "integer", "1 to 5000, default 500"),
];
pub(super) const DEVICE_FILE_QUERY: &[Param] =
    &[optional("format", "string", "csv (default) or geojson")];
pub(super) const TOKEN_QUERY: &[Param] = &[required("token", "integer", "number of the token")];
