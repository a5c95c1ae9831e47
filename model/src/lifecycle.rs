//! Words of the life cycle of an alert (ISA-18.2 / IEC 62682). What may follow what stands in one
//! table, `alerts/src/lifecycle`.

use serde::{Deserialize, Serialize};

use crate::{AlertRow, Condition, Timestamp};

/// The work on an alert. `acknowledged` of [`AlertRow`] is kept apart from it: a worse severity
/// asks for a new acknowledgement of work that is under way.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// Mới phát sinh.
    #[default]
    New,
    /// Đã tiếp nhận.
    Acknowledged,
    /// Đã phân công.
    Assigned,
    /// Đang xử lý.
    InProgress,
    /// Đã xử lý.
    Resolved,
    /// Đã đóng.
    Closed,
    /// Báo động giả.
    Rejected,
}

impl Work {
    /// All, in the order of the work.
    pub const ALL: [Self; 7] = [
        Self::New,
        Self::Acknowledged,
        Self::Assigned,
        Self::InProgress,
        Self::Resolved,
        Self::Closed,
        Self::Rejected,
    ];

    /// The word used in JSON and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Acknowledged => "acknowledged",
            Self::Assigned => "assigned",
            Self::InProgress => "in_progress",
            Self::Resolved => "resolved",
            Self::Closed => "closed",
            Self::Rejected => "rejected",
        }
    }

    /// The state of a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|w| w.as_str() == word)
    }
}

/// What is shown of an alert, in the names of ISA-18.2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum AlarmState {
    /// Normal: over.
    Norm,
    /// Active, not acknowledged.
    #[default]
    Unack,
    /// Active, acknowledged.
    Acked,
    /// Returned, not acknowledged.
    Rtnun,
    /// Returned, latched, not acknowledged.
    Latun,
    /// Returned, latched, acknowledged, not resolved.
    Latak,
    /// Shelved by an operator.
    Shlvd,
    /// Suppressed by design: maintenance window or outage of the parent.
    Dsupr,
    /// Out of service.
    Oosrv,
}

impl AlarmState {
    /// The state of a row. Returned and acknowledged work that goes on shows as normal: the
    /// condition is over.
    pub fn of(row: &AlertRow) -> Self {
        if !row.is_open() {
            return Self::Norm;
        }
        if row.is_held(HeldBy::OutOfService) {
            return Self::Oosrv;
        }
        if row.is_held(HeldBy::Maintenance) || row.is_held(HeldBy::Parent) {
            return Self::Dsupr;
        }
        if row.is_held(HeldBy::Shelf) {
            return Self::Shlvd;
        }
        match (row.condition, row.acknowledged, row.latched && row.work != Work::Resolved) {
            (Condition::Active, false, _) => Self::Unack,
            (Condition::Active, true, _) => Self::Acked,
            (Condition::Returned, false, true) => Self::Latun,
            (Condition::Returned, true, true) => Self::Latak,
            (Condition::Returned, false, false) => Self::Rtnun,
            (Condition::Returned, true, false) => Self::Norm,
        }
    }
}

/// Why an alert is kept off the operators' list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeldBy {
    /// An operator shelved it, until a time.
    Shelf,
    /// A maintenance window.
    Maintenance,
    /// The parent device or gateway is out: `id` names its alert.
    Parent,
    /// Somebody took it out of service.
    OutOfService,
}

/// One thing that holds an alert back; several may.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Held {
    /// What kind.
    pub by: HeldBy,
    /// The hold, or the parent's alert; empty for a shelf.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// Until then; `None`: until it is ended.
    pub until: Option<Timestamp>,
    /// Who said so; `system` for a parent's outage.
    pub who: String,
    /// Why.
    pub reason: String,
}

/// A person or an agency.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assignee {
    /// Which.
    pub kind: AssigneeKind,
    /// User name, or name of the agency.
    pub name: String,
}

/// Kinds of assignee.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AssigneeKind {
    /// A user.
    Person,
    /// A department, ward or specialised centre.
    Agency,
}

/// A link that an operator attached. Only `https://`, `http://` and paths of our own (`/…`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// Where.
    pub url: String,
    /// What it is.
    pub title: String,
}
