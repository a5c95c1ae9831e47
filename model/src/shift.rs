//! Shifts: who is on duty, what they wrote down, what they hand over.

use serde::{Deserialize, Serialize};

use crate::{Actor, AlertId, AlertRow, IncidentRow, RegisterError, Timestamp};

/// Number of a shift.
pub type ShiftId = u64;

/// One person's time on duty at one position.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShiftRow {
    /// Which.
    pub id: ShiftId,
    /// Who.
    pub user: String,
    /// Operator position, such as `desk-1`.
    pub position: String,
    /// From then, wall time.
    pub from: Timestamp,
    /// Until then; `None`: on duty.
    pub until: Option<Timestamp>,
    /// What was said when it was handed over.
    pub handover: Option<String>,
}

/// One line of the shift log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShiftEntry {
    /// Order.
    pub id: u64,
    /// When, wall time.
    pub at: Timestamp,
    /// Who wrote it.
    pub user: String,
    /// What.
    pub text: String,
    /// The alert it is about.
    pub alert: Option<AlertId>,
    /// Still to be done: shown to the next shift until it is ticked off.
    pub open: bool,
    /// Ticked off then, by whom.
    pub done: Option<(Timestamp, String)>,
}

/// What one shift hands to the next.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Handover {
    /// First moment.
    pub from: Timestamp,
    /// Last moment.
    pub to: Timestamp,
    /// Shifts that touch that time, first first.
    pub shifts: Vec<ShiftRow>,
    /// The log of that time, first first.
    pub entries: Vec<ShiftEntry>,
    /// Lines still to be done, whenever they were written.
    pub to_do: Vec<ShiftEntry>,
    /// Open alerts now, worst first, at most 500.
    pub open: Vec<AlertRow>,
    /// How many open ones there are in all.
    pub open_total: u64,
    /// Held back now (shelved, suppressed, out of service), at most 500.
    pub held: Vec<AlertRow>,
    /// Open incidents, worst first, at most 200.
    pub incidents: Vec<IncidentRow>,
    /// Alerts raised in that time.
    pub raised: u64,
    /// Alerts closed or rejected in it.
    pub closed: u64,
    /// Median time to acknowledge in it, s.
    pub ack_p50_s: Option<f64>,
}

/// Shifts and their log. Calls block on the disk.
pub trait ShiftStore: Send + Sync {
    /// Who is on duty.
    fn on_duty(&self) -> Result<Vec<ShiftRow>, RegisterError>;

    /// Somebody takes a position; whoever held it is relieved.
    fn begin(&self, position: &str, actor: &Actor) -> Result<ShiftRow, RegisterError>;

    /// Somebody leaves; with words for the next.
    fn end(
        &self,
        shift: ShiftId,
        handover: Option<&str>,
        actor: &Actor,
    ) -> Result<ShiftRow, RegisterError>;

    /// Writes a line.
    fn write(
        &self,
        text: &str,
        alert: Option<&AlertId>,
        open: bool,
        actor: &Actor,
    ) -> Result<ShiftEntry, RegisterError>;

    /// Ticks a line off.
    fn done(&self, entry: u64, actor: &Actor) -> Result<ShiftEntry, RegisterError>;

    /// The log of a time, newest first, at most `limit`.
    fn log(
        &self,
        from: Timestamp,
        to: Timestamp,
        limit: usize,
    ) -> Result<Vec<ShiftEntry>, RegisterError>;

    /// What is handed over.
    fn handover(&self, from: Timestamp, to: Timestamp) -> Result<Handover, RegisterError>;
}
