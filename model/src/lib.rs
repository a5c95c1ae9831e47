//! The words all stages share: records, clock, city, alerts, and the interfaces between stages.
//!
//! What it does: types, their compact encoding, and the traits through which the dashboard
//! reaches alerts and history. What it does not do: no I/O, no tokio, no policy.
//! How it fails: parsing and decoding return typed errors; nothing here panics.

mod action;
mod alert;
mod city;
mod city_load;
mod codec;
mod config_error;
mod device;
mod evidence;
mod history;
mod hold;
mod incident;
mod indices;
mod kpi;
mod ledger;
mod lifecycle;
pub mod line;
mod notify;
mod personal;
mod quarantine;
mod record;
mod register;
mod rulebook;
mod scope;
mod shift;
mod time;

pub use action::{
    Action, ActionKind, ActionOutcome, ActionRequest, Actor, AutoKind, Refused, RefusedCode,
    RowResult, Target, Undo,
};
pub use alert::{AlertId, Condition, Entity, Severity, Text, Transition, TransitionKind};
pub use city::{
    Area, AreaKind, City, DeviceSpec, EarlierValue, Property, Service, ServiceGroup, Threshold,
    Zone,
};
pub use city_load::nearest;
pub use codec::{CodecError, decode_batch, encode_batch};
pub use config_error::{ConfigError, ConfigFiles};
pub use device::{
    ClockState, Device, DeviceError, DeviceField, DeviceFile, DeviceOrigin, DeviceState,
    DeviceStore, Devices, Imported, NewToken, Place, Received, ReceivedMessage, ReceivedOutcome,
    ReceivedStore, Rerun, TokenInfo,
};
pub use evidence::{
    Evidence, EvidenceFact, EvidenceLimit, EvidenceReading, EvidenceTimer, EvidenceWindow,
};
pub use history::{
    Aggregate, Flush, HistoryError, HistoryStats, HistoryStore, LastValue, Maintained, Point,
    RangeQuery, Scan, ScanMark, ScanPage, SeriesFilter, SeriesKey, SeriesPoints, SeriesWindows,
    Step, Tier, Window, WindowQuery,
};
pub use hold::{Hold, HoldId, HoldRequest, HoldScope};
pub use incident::{IncidentFilter, IncidentId, IncidentKind, IncidentRow};
pub use indices::{Breakpoints, Index, IndexLevel};
pub use kpi::{
    KpiFigure, KpiGroup, KpiPeriod, KpiQuery, KpiReport, KpiStore, KpiSuggestion, KpiVerdict,
};
pub use ledger::{Ledger, LedgerSnapshot, QuarantineReason, SourceCounters, SourceSnapshot};
pub use lifecycle::{AlarmState, Assignee, AssigneeKind, Held, HeldBy, Link, Work};
pub use notify::{CapRow, DeliveryFilter, DeliveryRow, DeliveryState, NotifyStore, ReceiverRow};
pub use personal::{
    PersonalError, PersonalFilter, PersonalRow, PersonalStore, Private, Revealed, Seal, Sealed,
};
pub use quarantine::{QuarantineRerun, QuarantineRow, QuarantineStore};
pub use record::{Body, Detection, Entry, Name, Quality, Record, Status, Values};
pub use register::{AlertChanges, AlertFilter, AlertRow, AlertStore, AuditRow, RegisterError};
pub use rulebook::{
    BacktestAsk, FolderTrouble, RuleChange, RuleChanges, RuleEdit, RuleEntity, RuleList, RuleLoad,
    RuleOutcome, RuleRefusal, RuleRow, RuleStore, RuleText, RuleTouched, RuleTrial, RuleTrialRow,
    RuleVersion, RuleVersionText,
};
pub use scope::{Choice, Cluster, Scope, ScopePart};
pub use shift::{Handover, ShiftEntry, ShiftId, ShiftRow, ShiftStore};
pub use time::{TimeError, Timestamp};
