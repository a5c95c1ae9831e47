//! Incidents: alerts that belong together.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{AlertId, Name, Scope, Severity, Text, Timestamp};

/// Id of an incident: that of its first alert, or `{alert}-{n}` after a split.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IncidentId(pub String);

impl fmt::Display for IncidentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What makes alerts one incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IncidentKind {
    /// The same cause in the same ward.
    Cause,
    /// The same parent device, gateway or camera network.
    Parent,
    /// An alarm flood: the same service in the same ward.
    Flood,
    /// Put together by an operator.
    Manual,
}

impl IncidentKind {
    /// The word used in JSON and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cause => "cause",
            Self::Parent => "parent",
            Self::Flood => "flood",
            Self::Manual => "manual",
        }
    }
}

/// One incident as operators see it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IncidentRow {
    /// Which.
    pub id: IncidentId,
    /// Grows with each change.
    pub ver: u64,
    /// What makes it one.
    pub kind: IncidentKind,
    /// Ward of the root, or `unassigned`.
    pub area: Name,
    /// Service of the root.
    pub service: Name,
    /// Cause of the root.
    pub cause: Name,
    /// The parent device, for [`IncidentKind::Parent`].
    pub parent: Option<Name>,
    /// The alert to look at first: that of the parent, else the worst, else the first.
    pub root: AlertId,
    /// Name of the root's rule.
    pub name: Text,
    /// Worst severity of its open alerts; of all, when none is open.
    pub severity: Severity,
    /// Event time of its first raise.
    pub opened_at: Timestamp,
    /// Event time of its newest raise.
    pub last_at: Timestamp,
    /// When its last open alert was closed.
    pub closed_at: Option<Timestamp>,
    /// Alerts in it.
    pub alerts: u32,
    /// Open ones.
    pub open: u32,
    /// Open, listed and not acknowledged ones.
    pub unacknowledged: u32,
}

/// Which incidents; [`IncidentFilter::of`] asks for all of a scope.
#[derive(Clone, Debug)]
pub struct IncidentFilter {
    /// Only those whose own area and service who asks may see.
    pub scope: Scope,
    /// Only those with an open alert.
    pub open_only: bool,
    /// Only of this ward.
    pub area: Option<String>,
    /// Only of this service.
    pub service: Option<String>,
    /// This severity or higher.
    pub min_severity: Option<Severity>,
    /// Opened at or after.
    pub from: Option<Timestamp>,
    /// Opened before.
    pub to: Option<Timestamp>,
    /// At most this many.
    pub limit: usize,
    /// The cursor of the page before.
    pub cursor: Option<String>,
}

impl IncidentFilter {
    /// All incidents of a scope, with a limit of 0 rows to be set.
    pub fn of(scope: Scope) -> Self {
        Self {
            scope,
            open_only: false,
            area: None,
            service: None,
            min_severity: None,
            from: None,
            to: None,
            limit: 0,
            cursor: None,
        }
    }
}
