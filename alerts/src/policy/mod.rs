//! How alerts are worked on: times, chains and limits of `alerts.yaml`, and what follows from them
//! for one alert. Pure: no clock, no store.

mod clocks;
mod load;
mod span;
#[cfg(test)]
mod tests;
mod worktime;

use ioc_model::{Name, Severity, Text};

pub use clocks::{Clocks, Timer};
pub use span::Span;
pub use worktime::WorkTime;

/// The policy of a city.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Longest time on the shelf, ms.
    pub shelve_max_ms: i64,
    /// Resolved and returned for so long: closed, ms.
    pub auto_close_ms: i64,
    /// Alerts with the same key within so long belong to one incident, ms.
    pub incident_gap_ms: i64,
    /// When a flood begins and ends.
    pub flood: FloodLimits,
    /// Working time of the city.
    pub work: WorkTime,
    /// Classes; the first that fits an alert holds.
    pub classes: Vec<Class>,
}

/// An alarm flood (ANSI/ISA-18.2 clause 16, EEMUA 191): more than 10 alarms in 10 min per
/// operator; over when fewer than 5 came in 10 min.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FloodLimits {
    /// More than this many.
    pub raised: u32,
    /// In so long, ms.
    pub within_ms: i64,
    /// Over below this many.
    pub ends_below: u32,
}

/// What holds for alerts of some severities and services.
#[derive(Clone, Debug, PartialEq)]
pub struct Class {
    /// Its id.
    pub id: Name,
    /// Its name.
    pub name: Text,
    /// Of these severities (the highest of the episode); empty: of all.
    pub severities: Vec<Severity>,
    /// Of these services; empty: of all.
    pub services: Vec<Name>,
    /// To be acknowledged within that, from the raise.
    pub acknowledge: Option<Span>,
    /// To be resolved within that, from the raise.
    pub resolve: Option<Span>,
    /// Whom to tell when nobody acknowledges, in order.
    pub escalation: Vec<Step>,
    /// Counts less after a while.
    pub deescalate: Option<Deescalate>,
    /// Law or document of the times.
    pub source: Option<String>,
    /// First day they hold, as in the file.
    pub effective: Option<String>,
}

/// A step of an escalation chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// So long after the raise, ms.
    pub after_ms: i64,
    /// Who is told.
    pub to: Name,
}

/// Time-based de-escalation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deescalate {
    /// Acknowledged and unchanged for so long, ms.
    pub after_ms: i64,
    /// Not below this.
    pub to: Severity,
}
