//! What the dashboard sees of the rules that run, and how it changes them.

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{ConfigError, Entity, Name, Severity, Text, Timestamp, Transition};

/// A rule as lists show it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RuleRow {
    /// Rule id.
    pub id: Name,
    /// Kind: `threshold`, `window`, `absence`, …
    pub kind: String,
    /// What its alerts are about: `device`, `area`, `service`, `segment`, `city`.
    pub per: String,
    /// `on`, `shadow` or `off`.
    pub mode: String,
    /// Service its alerts belong to.
    pub service: Name,
    /// Name for people.
    pub name: Text,
    /// Path inside the configuration folder.
    pub file: String,
    /// Line it starts at, from 1.
    pub line: usize,
    /// Its text in the file.
    pub source: String,
    /// What it costs, at most some seconds old.
    pub cost: RuleLoad,
    /// Its last change, as far as versions go back.
    pub changed: Option<RuleTouched>,
}

/// What one rule costs and holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RuleLoad {
    /// Entities it has a state for.
    pub entities: u64,
    /// Alerts that are active now.
    pub open_episodes: u64,
    /// Bytes of its states.
    pub state_bytes: u64,
    /// Messages and timers judged since the start of the process.
    pub evaluations: u64,
    /// Changes found since the start of the process.
    pub transitions: u64,
    /// CPU of all evaluations since the start of the process, ns, estimated from every 64th.
    pub cpu_ns: u64,
}

/// Who changed a rule last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuleTouched {
    /// In which version.
    pub version: u64,
    /// Wall time.
    pub at: Timestamp,
    /// User, or `file`.
    pub author: String,
}

/// All rules of the set that runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RuleList {
    /// Number of the version that runs; changes may be made on condition of it.
    pub version: u64,
    /// Whether rules can be changed here; else the reason.
    pub read_only: Option<String>,
    /// The folder holds something else than what runs, and why it was refused.
    pub trouble: Option<FolderTrouble>,
    /// By id.
    pub rules: Vec<RuleRow>,
}

/// A change in the folder that was refused; the set before it runs on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FolderTrouble {
    /// Wall time.
    pub at: Timestamp,
    /// Every mistake.
    pub mistakes: Vec<ConfigError>,
}

/// One rule in full.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RuleText {
    /// As in the list.
    #[serde(flatten)]
    pub row: RuleRow,
    /// The same rule in canonical form.
    pub canonical: String,
    /// Version that runs.
    pub running: u64,
}

/// A version of the rules.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RuleVersion {
    /// From 1, without gaps but for the oldest.
    pub number: u64,
    /// The version it was made from.
    pub parent: Option<u64>,
    /// Journal position of the first entry it judges.
    pub position: u64,
    /// Wall time.
    pub at: Timestamp,
    /// User, or `file`.
    pub author: String,
    /// What the author wrote.
    pub note: Option<String>,
    /// What it changed against its parent.
    pub change: RuleChanges,
    /// How it did on the last hours before it was accepted.
    pub trial: Option<RuleTrial>,
}

/// Ids of rules that differ between two sets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleChanges {
    /// New.
    pub added: Vec<Name>,
    /// With another text.
    pub edited: Vec<Name>,
    /// Gone.
    pub removed: Vec<Name>,
}

/// A version with its content.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RuleVersionText {
    /// As in the list.
    #[serde(flatten)]
    pub version: RuleVersion,
    /// Path to content.
    pub files: BTreeMap<String, String>,
    /// Unified diff against the parent; of everything when the parent is not kept.
    pub diff: String,
}

/// Two sets of rules on the same stretch of the journal, both started empty.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RuleTrial {
    /// Time of the first entry.
    pub from: Option<Timestamp>,
    /// Time of the last entry.
    pub to: Option<Timestamp>,
    /// Entries judged.
    pub entries: u64,
    /// False: time or the number of entries ran out before the end.
    pub complete: bool,
    /// Episodes that the present set raises.
    pub present: u64,
    /// Episodes that the proposed set raises.
    pub proposed: u64,
    /// Rules that raise differently.
    pub differences: Vec<RuleTrialRow>,
}

/// One rule of a [`RuleTrial`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleTrialRow {
    /// Rule id.
    pub rule: Name,
    /// Episodes with the present set.
    pub present: u64,
    /// Episodes with the proposed set; those of rules in shadow mode too.
    pub proposed: u64,
}

/// What is to become of the rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleEdit {
    /// This YAML text of one rule takes the place of the rule, or is a new one.
    Put {
        /// Rule id; the text must have the same.
        id: String,
        /// YAML.
        text: String,
    },
    /// Another mode.
    Mode {
        /// Rule id.
        id: String,
        /// `on`, `shadow` or `off`.
        mode: String,
    },
    /// The rule goes.
    Delete {
        /// Rule id.
        id: String,
    },
    /// The files of an old version.
    Rollback {
        /// Which.
        version: u64,
    },
}

/// A change, and who asks for it.
#[derive(Clone, Debug)]
pub struct RuleChange {
    /// User.
    pub author: String,
    /// Why; kept with the version.
    pub note: Option<String>,
    /// Only if this version runs.
    pub expected: Option<u64>,
    /// What.
    pub edit: RuleEdit,
}

/// A change that was checked or made.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RuleOutcome {
    /// The version that runs now.
    pub version: u64,
    /// Position of the first entry it judges; `None` when nothing was changed.
    pub position: Option<u64>,
    /// What differs.
    pub change: RuleChanges,
    /// Rules in the set.
    pub rules: usize,
    /// Tests of the rules that passed.
    pub tests: usize,
    /// What is not wrong but worth knowing.
    pub notes: Vec<ConfigError>,
    /// How it does on the last hours.
    pub trial: Option<RuleTrial>,
}

/// An entity that a rule has a state for.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RuleEntity {
    /// Which.
    pub entity: Entity,
    /// Severity of the running alert.
    pub active: Option<Severity>,
}

/// A backtest that was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct BacktestAsk {
    /// The change to try; `None`: the set that runs.
    pub edit: Option<RuleEdit>,
    /// Journal entries from this time on; `None`: from the oldest.
    pub from: Option<Timestamp>,
    /// Up to this time; `None`: to the end.
    pub to: Option<Timestamp>,
}

/// Why rules were not changed or told.
#[derive(Debug, thiserror::Error)]
pub enum RuleRefusal {
    /// No such rule, version, entity or job.
    #[error("{0}")]
    NotFound(String),
    /// The rules are wrong; nothing was changed.
    #[error("{} mistake(s) in the rules", .0.len())]
    Mistakes(Vec<ConfigError>),
    /// Somebody was faster.
    #[error("version {running} runs")]
    Outdated {
        /// The version that runs.
        running: u64,
    },
    /// Nothing can be changed here.
    #[error("{0}")]
    ReadOnly(String),
    /// The folder holds a change that was not accepted; it must be put right there first.
    #[error("the folder holds a change that is not accepted: correct or undo it there first")]
    FolderDiffers(Vec<ConfigError>),
    /// Too much at once; try again.
    #[error("{0}")]
    Busy(String),
    /// The request makes no sense.
    #[error("{0}")]
    Bad(String),
    /// Own trouble.
    #[error("rules: {0}")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The rules as the dashboard uses them.
#[async_trait]
pub trait RuleStore: Send + Sync {
    /// The set that runs.
    async fn list(&self) -> Result<RuleList, RuleRefusal>;

    /// One rule.
    async fn get(&self, id: &str) -> Result<RuleText, RuleRefusal>;

    /// Checks a change and tries it; nothing is changed.
    async fn check(&self, change: RuleChange) -> Result<RuleOutcome, RuleRefusal>;

    /// Makes a change: checks, tries, writes the files, swaps.
    async fn change(&self, change: RuleChange) -> Result<RuleOutcome, RuleRefusal>;

    /// Versions, newest first.
    async fn versions(&self, limit: usize) -> Result<Vec<RuleVersion>, RuleRefusal>;

    /// One version.
    async fn version(&self, number: u64) -> Result<RuleVersionText, RuleRefusal>;

    /// Why a rule is raised on an entity, or what is missing.
    async fn explain(&self, id: &str, entity: &Entity) -> Result<serde_json::Value, RuleRefusal>;

    /// Entities of a rule, those with a running alert first, and how many there are in all.
    async fn entities(
        &self,
        id: &str,
        limit: usize,
    ) -> Result<(Vec<RuleEntity>, usize), RuleRefusal>;

    /// The newest changes that a rule in shadow mode would have made, oldest first.
    async fn shadow(&self, id: &str) -> Result<Vec<Transition>, RuleRefusal>;

    /// Begins a backtest; the number of its job.
    async fn backtest(&self, ask: BacktestAsk) -> Result<u64, RuleRefusal>;

    /// How a backtest is getting on, or what it found.
    async fn backtest_state(&self, job: u64) -> Result<serde_json::Value, RuleRefusal>;
}
