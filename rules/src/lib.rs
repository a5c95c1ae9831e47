//! Rule text in, alert transitions out: text → check → compiled rule → [`Engine::step`].
//!
//! **What it does.** [`RuleSet::load`] reads `rules/*.yaml`, checks it against the city and
//! collects every mistake with file, line, column and a hint. [`Engine`] steps through journal
//! entries and appends [`ioc_model::Transition`]s: thresholds with hysteresis and `for`, windows,
//! absence, detections; state is kept per rule and entity and goes into a checkpoint.
//! `docs/rules.md` is the reference of the language with a worked timeline per kind.
//!
//! **What it does not do.** No clock, no I/O, no lock, no task: time comes in as entries, and the
//! caller keeps checkpoints. It knows nothing of operators, acknowledgements or notifications.
//!
//! **Data flow.** `Entry → (clock, timers due) → lateness → device → bindings → slot → Transition`.
//! Device names become small numbers once; a reading then touches only the rules that want its
//! property, and nothing is allocated unless an alert changes.
//!
//! **Invariant:** the output is a function of the rules and the entries alone: equal entries give
//! equal transitions and equal checkpoint bytes, whatever the speed, the batches or the restarts.
//!
//! **How it fails.** A mistake in a rule file fails the load and nothing is changed. A damaged
//! checkpoint is a [`RulesError`]; the caller then replays the journal from its start. `step`
//! cannot fail.

mod anomaly;
mod backtest;
mod checkpoint;
mod device;
mod emit;
mod engine;
mod error;
mod exchange;
mod explain;
mod expr;
mod feed;
mod fields;
mod forget;
mod geo;
mod hours;
mod index;
mod kinds;
mod ladder;
mod limit;
mod links;
mod load;
mod print;
mod registry;
mod reorder;
mod rule;
mod ruleset;
mod selftest;
mod slots;
mod template;
mod timers;
mod yaml;

pub use anomaly::{AnomalyDetector, Finding, Part};
pub use backtest::{
    Backtest, BacktestConfig, Coverage, Diff, Durations, Episode, EpisodeStep, Load, LoadHour,
    Pair, Report, RuleDiff, RuleReport, Span, TopEntity, compare,
};
pub use checkpoint::Restored;
pub use engine::{ClockMode, Engine, EngineConfig, Judged, Shard};
pub use error::RulesError;
pub use explain::{EngineStats, ExplainedLevel, Explanation, NotExplained, RuleCost};
pub use fields::parse_duration;
pub use ruleset::{RuleInfo, RuleSet};
