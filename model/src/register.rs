//! What the dashboard sees of the alert register.

use serde::{Deserialize, Serialize};

use crate::{AlertId, Condition, Entity, Evidence, Name, Severity, Text, Timestamp};

/// One alert as operators see it; also the JSON of REST, WebSocket and MQTT.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlertRow {
    /// Episode id.
    pub id: AlertId,
    /// Grows with each change of this row; (id, ver) names a state.
    pub ver: u64,
    /// Position in the stream of all changes, for resume.
    pub change: u64,
    /// Rule id.
    pub rule: Name,
    /// What it is about.
    pub entity: Entity,
    /// The device whose record raised it.
    pub device: Option<Name>,
    /// Area id.
    pub area: Name,
    /// Service code.
    pub service: Name,
    /// Now.
    pub severity: Severity,
    /// Highest of the episode.
    pub severity_max: Severity,
    /// Active or returned.
    pub condition: Condition,
    /// An operator has seen it.
    pub acknowledged: bool,
    /// Event time of the raise.
    pub raised_at: Timestamp,
    /// Event time of the last change.
    pub changed_at: Timestamp,
    /// Event time of the clear.
    pub cleared_at: Option<Timestamp>,
    /// Wall time of the acknowledgement.
    pub acknowledged_at: Option<Timestamp>,
    /// Who.
    pub acknowledged_by: Option<String>,
    /// What they wrote.
    pub note: Option<String>,
    /// The value of the last transition.
    pub value: Option<f64>,
    /// The limit of the last transition.
    pub limit: Option<f64>,
    /// Unit symbol of both.
    pub unit: Name,
    /// Rule name.
    pub name: Text,
    /// Message of the last transition.
    pub message: Text,
}

/// Which alerts.
#[derive(Clone, Debug, Default)]
pub struct AlertFilter {
    /// Only those active or not acknowledged: the operators' list, never cut by a time window.
    pub open_only: bool,
    /// Only this service.
    pub service: Option<String>,
    /// Only this area.
    pub area: Option<String>,
    /// Only this device.
    pub device: Option<String>,
    /// This severity or higher.
    pub min_severity: Option<Severity>,
    /// Only changes after this position (for resume), oldest first.
    pub after_change: Option<u64>,
    /// At most this many; newest raise first unless `after_change` is given.
    pub limit: usize,
    /// Page: only alerts raised before this (time, id), from the last row of the page before.
    pub before: Option<(Timestamp, String)>,
}

/// One line of an alert's history.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AuditRow {
    /// Order.
    pub seq: u64,
    /// The alert.
    pub alert: AlertId,
    /// `raise`, `severity`, `clear`, `acknowledge`.
    pub action: String,
    /// `rule:<id>` or the user's name.
    pub actor: String,
    /// Wall time for people, event time for rules.
    pub at: Timestamp,
    /// Severity after it.
    pub severity: Severity,
    /// Value that caused it.
    pub value: Option<f64>,
    /// Limit that was crossed, in the alert's unit.
    pub limit: Option<f64>,
    /// What the operator wrote.
    pub note: Option<String>,
    /// Message of a rule's line.
    pub message: Option<Text>,
    /// Why: rules' lines only, and none from before it was kept.
    pub evidence: Option<Box<Evidence>>,
}

/// An operator's acknowledgement.
#[derive(Clone, Debug)]
pub struct Acknowledge {
    /// Which alert.
    pub alert: AlertId,
    /// Who.
    pub user: String,
    /// Why, what was done; may be empty.
    pub note: Option<String>,
    /// Repeating a request with the same key changes nothing.
    pub idempotency_key: Option<String>,
    /// Wall time.
    pub at: Timestamp,
}

/// Why the register refused.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// No such alert.
    #[error("alert {0} does not exist")]
    NotFound(AlertId),
    /// Somebody was faster.
    #[error("alert {id} was acknowledged by {by} before")]
    AlreadyAcknowledged {
        /// Which.
        id: AlertId,
        /// By whom.
        by: String,
        /// When, wall time.
        at: Timestamp,
    },
    /// The idempotency key was used for another request.
    #[error("idempotency key `{0}` was used for another request")]
    KeyReused(String),
    /// The store's own trouble.
    #[error("alert register: {0}")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The alert register as the dashboard uses it. Calls block on the disk: use a blocking thread.
pub trait AlertStore: Send + Sync {
    /// Alerts that fit, and the position of the newest change at that moment.
    fn list(&self, filter: &AlertFilter) -> Result<(Vec<AlertRow>, u64), RegisterError>;

    /// One alert.
    fn get(&self, id: &AlertId) -> Result<AlertRow, RegisterError>;

    /// Everything that happened to one alert, oldest first.
    fn audit(&self, id: &AlertId) -> Result<Vec<AuditRow>, RegisterError>;

    /// Acknowledges; returns the row after it. The change also goes to the live stream.
    fn acknowledge(&self, request: &Acknowledge) -> Result<AlertRow, RegisterError>;
}
