//! A streaming anomaly detector for one series of numbers, without tuning per series.
//!
//! **What it does.** [`AnomalyDetector::judge`] takes time and value and says how surprising the
//! value is, what would have been usual and which part noticed it: a spike, a shift of the level,
//! a time of day or week that is not as always, unrest, a flat line. Daily and weekly season and
//! the cadence are learned from the stream; nothing is known of the future.
//!
//! **How.** Each part follows one number (the value, its step, its distance from what is usual at
//! this time of day, each as it is or smoothed) and asks how far out in the tail of everything
//! seen so far it lies: [`tail::Channel`]. The answer is a surprise, −ln p, comparable between
//! parts and series; the largest counts. A surprise is reported when it begins, not again with
//! each value while it lasts ([`Finding::score`] against [`Finding::level`]).
//!
//! **What it does not do.** It compares a series only with its own past: no neighbours, no
//! calendar, no weather. What lasts becomes usual.
//!
//! **Bound.** At most [`AnomalyDetector::MAX_BYTES`] per series, heap included.
//!
//! **Invariant:** the state is a function of the values stepped through: no clock, no randomness.

mod detector;
mod flat;
mod season;
mod tail;
#[cfg(test)]
mod tests;

pub use detector::{AnomalyDetector, Finding, Part};
