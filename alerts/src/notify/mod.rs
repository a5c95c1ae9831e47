//! Notification: who is told of which change, when, and that it arrives.
//!
//! What it does: reads the audit log with a cursor of its own; in one transaction of
//! `notify.sqlite` it takes lines, asks the routes, collects changes in groups, writes deliveries
//! and moves the cursor. Deliveries are sent until the receiver has them, in order within a group,
//! under an id that stays the same.
//! What it does not do: it changes no alert, and it knows no protocol (see `channel`).
//! Data flow: `audit log → routes → groups → deliveries → channels`.
//! How it fails: a receiver that is down is a delivery that waits; what is refused for good or too
//! old is a dead letter that can be tried again; a crash at any moment repeats at most a sending.

mod backoff;
mod config;
mod desk;
mod flush;
mod handle;
mod hours;
mod intake;
mod log;
mod report;
mod route;
mod run;
mod schema;
mod ways;

#[cfg(test)]
mod tests;

pub use config::{NotifyConfig, Receiver, Way};
pub use handle::{NotifyHandle, NotifyMetrics, ReceiverMetrics};
pub use hours::Hours;
pub use report::Report;
pub use route::{GroupBy, On, Route, Times};
pub use run::{Notifier, NotifierParts, NotifyStats};
pub use ways::{Channels, WayParts};

/// The route of an escalation, which names its receiver itself.
pub(crate) const ESCALATION: &str = "escalation";
