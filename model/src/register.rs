//! What the dashboard sees of the alert register.

use serde::{Deserialize, Serialize};

use crate::{
    ActionOutcome, ActionRequest, AlarmState, AlertId, Assignee, Condition, Entity, Evidence, Held,
    HeldBy, Hold, HoldId, HoldRequest, IncidentFilter, IncidentId, IncidentRow, Link, Name, Scope,
    Severity, ShiftId, Text, Timestamp, Transition, Undo, Work,
};

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
    /// Word of what is behind it, from its rule.
    #[serde(default = "no_cause")]
    pub cause: Name,
    /// Stays open after its return until an operator resolves it.
    #[serde(default)]
    pub latched: bool,
    /// The work on it.
    #[serde(default)]
    pub work: Work,
    /// The state of ISA-18.2 that is shown; [`AlertRow::settle`] keeps it true.
    #[serde(default)]
    pub state: AlarmState,
    /// Why it is kept off the operators' list; empty: it is on it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held: Vec<Held>,
    /// Who works on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assignee: Option<Assignee>,
    /// The incident it belongs to; `None` only in rows of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<IncidentId>,
    /// When work on it was first said to be done, or it was rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_at: Option<Timestamp>,
    /// When it was closed or rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<Timestamp>,
    /// When it last began to wait for somebody, if that was not the raise: it got worse after it
    /// was acknowledged, or bad enough for a more urgent class. Due times and the escalation chain
    /// count from there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_since: Option<Timestamp>,
    /// To be acknowledged until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ack_due: Option<Timestamp>,
    /// To be resolved until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolve_due: Option<Timestamp>,
    /// A due time has passed.
    #[serde(default)]
    pub overdue: bool,
    /// Steps of the escalation chain gone so far.
    #[serde(default)]
    pub escalated: u8,
    /// Links that operators attached, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<Link>,
    /// Comments in its history.
    #[serde(default)]
    pub comments: u32,
}

fn no_cause() -> Name {
    "unknown".into()
}

impl AlertRow {
    /// The row of a new episode, before any number is given to it.
    pub fn raised(t: &Transition) -> Self {
        Self {
            id: t.alert.clone(),
            ver: 0,
            change: 0,
            rule: t.rule.clone(),
            entity: t.entity.clone(),
            device: t.device.clone(),
            area: t.area.clone(),
            service: t.service.clone(),
            severity: t.severity,
            severity_max: t.severity,
            condition: Condition::Active,
            acknowledged: false,
            raised_at: t.time,
            changed_at: t.time,
            cleared_at: None,
            acknowledged_at: None,
            acknowledged_by: None,
            note: None,
            value: t.value,
            limit: t.limit,
            unit: t.unit.clone(),
            name: t.name.clone(),
            message: t.message.clone(),
            cause: t.cause.clone(),
            latched: t.latched,
            work: Work::New,
            state: AlarmState::Unack,
            held: Vec::new(),
            assignee: None,
            incident: None,
            resolved_at: None,
            closed_at: None,
            waiting_since: None,
            ack_due: None,
            resolve_due: None,
            overdue: false,
            escalated: 0,
            links: Vec::new(),
            comments: 0,
        }
    }

    /// Neither closed nor rejected.
    pub fn is_open(&self) -> bool {
        !matches!(self.work, Work::Closed | Work::Rejected)
    }

    /// Open and held back by nothing: on the operators' list.
    pub fn is_listed(&self) -> bool {
        self.is_open() && self.held.is_empty()
    }

    /// Held back by that.
    pub fn is_held(&self, by: HeldBy) -> bool {
        self.held.iter().any(|h| h.by == by)
    }

    /// Gives the row the state that its other fields mean; the register does so before it writes.
    pub fn settle(&mut self) {
        self.state = AlarmState::of(self);
    }
}

/// Which alerts; [`AlertFilter::of`] asks for all of a scope.
#[derive(Clone, Debug)]
pub struct AlertFilter {
    /// Only those that who asks may see.
    pub scope: Scope,
    /// Only open ones (neither closed nor rejected): the operators' list, never cut by a time
    /// window.
    pub open_only: bool,
    /// `Some(true)`: only those held back (shelved, suppressed, out of service); `Some(false)`:
    /// only those that nothing holds back.
    pub held: Option<bool>,
    /// Only in this state of work.
    pub work: Option<Work>,
    /// Only acknowledged ones, or only the others.
    pub acknowledged: Option<bool>,
    /// Only overdue ones.
    pub overdue: bool,
    /// Only this service.
    pub service: Option<String>,
    /// Only this area.
    pub area: Option<String>,
    /// Only this device.
    pub device: Option<String>,
    /// Only of this rule.
    pub rule: Option<String>,
    /// Only of this incident.
    pub incident: Option<IncidentId>,
    /// Only assigned to this person or agency.
    pub assignee: Option<String>,
    /// This severity or higher.
    pub min_severity: Option<Severity>,
    /// Raised at or after.
    pub from: Option<Timestamp>,
    /// Raised before.
    pub to: Option<Timestamp>,
    /// Only changes after this position (for resume), oldest first.
    pub after_change: Option<u64>,
    /// At most this many; newest raise first unless `after_change` is given.
    pub limit: usize,
    /// Page: only alerts raised before this (time, id), from the last row of the page before.
    pub before: Option<(Timestamp, String)>,
}

impl AlertFilter {
    /// All alerts of a scope, with a limit of 0 rows to be set.
    pub fn of(scope: Scope) -> Self {
        Self {
            scope,
            open_only: false,
            held: None,
            work: None,
            acknowledged: None,
            overdue: false,
            service: None,
            area: None,
            device: None,
            rule: None,
            incident: None,
            assignee: None,
            min_severity: None,
            from: None,
            to: None,
            after_change: None,
            limit: 0,
            before: None,
        }
    }
}

/// One line of the audit log.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AuditRow {
    /// Order, without gaps from 1.
    pub seq: u64,
    /// The alert; empty for acts that are about none (holds, shifts, tests of channels).
    pub alert: AlertId,
    /// An [`crate::ActionKind`] or [`crate::AutoKind`] word.
    pub action: String,
    /// `rule:<id>`, `system` or the user's name.
    pub actor: String,
    /// Address the request came from; `None` for rules and timers.
    pub origin: Option<String>,
    /// Wall time for people, event time for rules.
    pub at: Timestamp,
    /// Severity after it.
    pub severity: Severity,
    /// Value that caused it.
    pub value: Option<f64>,
    /// Limit that was crossed, in the alert's unit.
    pub limit: Option<f64>,
    /// Why, as the operator wrote it or the system knows it.
    pub note: Option<String>,
    /// Message of a rule's line.
    pub message: Option<Text>,
    /// Why: rules' lines only, and none from before it was kept.
    pub evidence: Option<Box<Evidence>>,
    /// What the action was given: assignee, until, link, other incident, as JSON text.
    pub detail: Option<String>,
}

/// Why the register refused.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// No such alert.
    #[error("alert {0} does not exist")]
    NotFound(AlertId),
    /// No such incident.
    #[error("incident {0} does not exist")]
    NoIncident(IncidentId),
    /// No such hold.
    #[error("hold {0} does not exist")]
    NoHold(HoldId),
    /// No such shift.
    #[error("shift {0} does not exist")]
    NoShift(ShiftId),
    /// No such line of the shift log.
    #[error("line {0} of the shift log does not exist")]
    NoShiftEntry(u64),
    /// The idempotency key was used for another request.
    #[error("idempotency key `{0}` was used for another request")]
    KeyReused(String),
    /// It reaches beyond the part of the city in which who asks may act.
    #[error("this reaches beyond the areas and services you may act on")]
    BeyondScope,
    /// The request itself cannot be: too long, too far away, nothing said.
    #[error("{0}")]
    Bad(String),
    /// Nothing to undo under that id, or too late.
    #[error("cannot undo: {0}")]
    CannotUndo(String),
    /// The store's own trouble.
    #[error("alert register: {0}")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// What one commit of the register changed, for those who listen.
#[derive(Clone, Debug, Default)]
pub struct AlertChanges {
    /// Rows after the change, in the order of their change numbers.
    pub alerts: Vec<AlertRow>,
    /// Incidents after it.
    pub incidents: Vec<IncidentRow>,
}

/// The alert register as the dashboard uses it. Calls block on the disk: use a blocking thread.
pub trait AlertStore: Send + Sync {
    /// Alerts that fit, and the position of the newest change at that moment.
    fn list(&self, filter: &AlertFilter) -> Result<(Vec<AlertRow>, u64), RegisterError>;

    /// One alert. One outside of the scope does not exist.
    fn get(&self, id: &AlertId, scope: &Scope) -> Result<AlertRow, RegisterError>;

    /// Everything that happened to one alert, oldest first; the caller has seen it by
    /// [`AlertStore::get`].
    fn audit(&self, id: &AlertId) -> Result<Vec<AuditRow>, RegisterError>;

    /// Lines of the whole log after `seq`, oldest first, at most `limit`.
    fn audit_after(&self, seq: u64, limit: usize) -> Result<Vec<AuditRow>, RegisterError>;

    /// Does one thing to one or many alerts; each row has its own result. An alert outside of the
    /// request's scope is refused as one that does not exist. The changes also go to the live
    /// stream.
    fn act(&self, request: &ActionRequest) -> Result<ActionOutcome, RegisterError>;

    /// Takes a request back within [`Undo::WITHIN_MS`], row by row, where nothing came after it.
    fn undo(&self, request: &Undo) -> Result<ActionOutcome, RegisterError>;

    /// What may be done to this alert now, for the page's buttons.
    fn allowed(&self, row: &AlertRow) -> Vec<&'static str>;

    /// Incidents that fit, newest first, with a cursor for the next page. Their counters are of
    /// the alerts inside of the scope.
    fn incidents(
        &self,
        filter: &IncidentFilter,
    ) -> Result<(Vec<IncidentRow>, Option<String>), RegisterError>;

    /// One incident and its alerts, the root first, at most `limit`. One outside of the scope
    /// does not exist; of another only the alerts inside are told.
    fn incident(
        &self,
        id: &IncidentId,
        scope: &Scope,
        limit: usize,
    ) -> Result<(IncidentRow, Vec<AlertRow>), RegisterError>;

    /// Maintenance windows and what is out of service, running and to come, newest first: those
    /// that touch something inside of the scope.
    fn holds(&self, with_ended: bool, scope: &Scope) -> Result<Vec<Hold>, RegisterError>;

    /// Opens a maintenance window or takes something out of service.
    ///
    /// # Errors
    /// [`RegisterError::BeyondScope`] if it is not all within [`HoldRequest::within`].
    fn hold(&self, request: &HoldRequest) -> Result<Hold, RegisterError>;

    /// Writes an act that changes no alert into the audit log (tests of receivers, retries).
    fn note(
        &self,
        action: &str,
        who: &crate::Actor,
        note: Option<&str>,
    ) -> Result<(), RegisterError>;

    /// The longest time an operator may shelve an alert, ms.
    fn shelve_max_ms(&self) -> i64;

    /// Ends one now. One that touches nothing of the scope does not exist.
    ///
    /// # Errors
    /// [`RegisterError::BeyondScope`] if only a part of it is inside.
    fn end_hold(
        &self,
        id: &HoldId,
        within: &Scope,
        who: &crate::Actor,
        note: Option<&str>,
    ) -> Result<Hold, RegisterError>;
}
