//! How good the alarm system itself is (ANSI/ISA-18.2 and IEC 62682 clause 16, EEMUA 191).
//!
//! What it does: reads the alerts of a time as small structs and computes rates per operator
//! position, floods, bad actors, times people took and what would make a rule better.
//! What it does not do: it changes nothing, reads no clock and knows no rule; what it proposes is
//! an estimate that a backtest answers.
//! Data flow: `alerts.sqlite → Sample → report`, and for a scrape `→ metrics`.
//! How it fails: a time longer than 400 days or with more than 4 million alerts is refused.
//!
//! An alert counts for the time in which it was raised (event time), whatever became of it later.
//! Alerts that were held back when they were raised are no load: they are in `held` alone.

mod episode;
mod groups;
mod load;
mod marks;
mod metrics;
mod read;
mod report;
mod store;
mod suggest;
mod targets;
#[cfg(test)]
mod tests;

pub(crate) use read::open as open_reader;

pub use metrics::KpiMetrics;
pub use store::Kpis;
pub use targets::{Targets, TargetsError};
