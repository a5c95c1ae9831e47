//! The words all stages share: records, clock, city, alerts, and the interfaces between stages.
//!
//! What it does: types, their compact encoding, and the traits through which the dashboard
//! reaches alerts and history. What it does not do: no I/O, no tokio, no policy.
//! How it fails: parsing and decoding return typed errors; nothing here panics.

mod alert;
mod city;
mod city_load;
mod codec;
mod config_error;
mod evidence;
mod history;
mod indices;
mod ledger;
mod quarantine;
mod record;
mod register;
mod rulebook;
mod time;

pub use alert::{AlertId, Condition, Entity, Severity, Text, Transition, TransitionKind};
pub use city::{
    Area, AreaKind, City, DeviceSpec, EarlierValue, Property, Service, ServiceGroup, Threshold,
    Zone,
};
pub use codec::{CodecError, decode_batch, encode_batch};
pub use config_error::{ConfigError, ConfigFiles};
pub use evidence::{
    Evidence, EvidenceFact, EvidenceLimit, EvidenceReading, EvidenceTimer, EvidenceWindow,
};
pub use history::{
    Aggregate, HistoryError, HistoryStats, HistoryStore, LastValue, Point, RangeQuery, SeriesKey,
    SeriesPoints,
};
pub use indices::{Breakpoints, Index, IndexLevel};
pub use ledger::{Ledger, LedgerSnapshot, QuarantineReason, SourceCounters, SourceSnapshot};
pub use quarantine::{QuarantineRow, QuarantineStore};
pub use record::{Body, Detection, Entry, Name, Quality, Record, Status, Values};
pub use register::{Acknowledge, AlertFilter, AlertRow, AlertStore, AuditRow, RegisterError};
pub use rulebook::{
    BacktestAsk, FolderTrouble, RuleChange, RuleChanges, RuleEdit, RuleEntity, RuleList, RuleLoad,
    RuleOutcome, RuleRefusal, RuleRow, RuleStore, RuleText, RuleTouched, RuleTrial, RuleTrialRow,
    RuleVersion, RuleVersionText,
};
pub use time::{TimeError, Timestamp};
