//! Notifications as the dashboard sees them.

use serde::{Deserialize, Serialize};

use crate::{Actor, AlertId, Name, RegisterError, Text, Timestamp};

/// A receiver of `notify.yaml`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReceiverRow {
    /// Which.
    pub id: Name,
    /// `webhook`, `email`, `mqtt`, `cap`.
    pub kind: Name,
    /// Where, without secrets.
    pub target: String,
    /// Deliveries that wait or are tried again.
    pub waiting: u64,
    /// Deliveries that were given up.
    pub dead: u64,
    /// The newest that arrived.
    pub delivered_at: Option<Timestamp>,
    /// What went wrong last, if nothing arrived since.
    pub trouble: Option<String>,
}

/// What became of one delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// Not tried yet, or tried again later.
    Waiting,
    /// The receiver has it.
    Delivered,
    /// Given up: refused for good, or too old.
    Dead,
}

/// One message to one receiver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeliveryRow {
    /// Which; also its idempotency key.
    pub id: String,
    /// Order.
    pub seq: u64,
    /// To whom.
    pub receiver: Name,
    /// By which route; empty for tests.
    pub route: Name,
    /// Alerts in it, at most 20 named.
    pub alerts: Vec<AlertId>,
    /// Changes in it: `raise`, `severity`, `clear`, `escalate`, … as the audit log names them.
    pub reasons: Vec<Name>,
    /// State.
    pub state: DeliveryState,
    /// Times it was tried.
    pub attempts: u32,
    /// When it was put into the outbox, wall time.
    pub created_at: Timestamp,
    /// When it is tried next.
    pub next_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// What the receiver or the network said last.
    pub answer: Option<String>,
}

/// Which deliveries.
#[derive(Clone, Debug, Default)]
pub struct DeliveryFilter {
    /// Only to this receiver.
    pub receiver: Option<String>,
    /// Only with this alert.
    pub alert: Option<AlertId>,
    /// Only in this state.
    pub state: Option<DeliveryState>,
    /// Only before this number (page).
    pub before: Option<u64>,
    /// At most this many, newest first.
    pub limit: usize,
}

/// A public warning in CAP 1.2.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CapRow {
    /// CAP `identifier`.
    pub id: String,
    /// CAP `sent`.
    pub sent: Timestamp,
    /// `Alert`, `Update` or `Cancel`.
    pub kind: Name,
    /// Headline.
    pub title: Text,
    /// The document.
    pub xml: String,
}

/// Notifications. Calls block on the disk.
pub trait NotifyStore: Send + Sync {
    /// Receivers in the order of the file.
    fn receivers(&self) -> Result<Vec<ReceiverRow>, RegisterError>;

    /// The delivery log.
    fn deliveries(&self, filter: &DeliveryFilter) -> Result<Vec<DeliveryRow>, RegisterError>;

    /// Puts a test message for a receiver into the outbox; it goes the way of all others.
    ///
    /// # Errors
    /// [`RegisterError::Bad`] if there is no such receiver.
    fn test(&self, receiver: &str, actor: &Actor) -> Result<DeliveryRow, RegisterError>;

    /// Tries a dead delivery again.
    ///
    /// # Errors
    /// [`RegisterError::Bad`] if there is no such dead delivery.
    fn retry(&self, id: &str, actor: &Actor) -> Result<DeliveryRow, RegisterError>;

    /// Newest public warnings first, at most `limit`; empty without a `cap` receiver.
    fn cap_feed(&self, limit: usize) -> Result<Vec<CapRow>, RegisterError>;

    /// One public warning.
    fn cap(&self, id: &str) -> Result<Option<CapRow>, RegisterError>;
}
