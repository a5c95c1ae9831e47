//! The alert register: one row per episode and everything that becomes of it.
//!
//! What it does: applies the rule engine's transitions exactly once (they and the journal
//! position they came from are committed together), keeps condition (active, returned),
//! acknowledgement and work apart (ISA-18.2 / IEC 62682), groups alerts into incidents, holds back
//! what is shelved, suppressed or out of service, watches the clocks of each alert, writes every
//! change into a hash-chained audit log, notifies by webhook, e-mail, MQTT and CAP through a
//! durable outbox, measures the alarm system itself, and keeps the shift log.
//! What it does not do: it decides no threshold and knows no HTTP route.
//! Data flow: `rules → apply → SQLite → listener (live stream, MQTT)`; `dashboard → act`; the
//! audit log is what notification reads with a cursor of its own.
//! How it fails: a storage error is returned and nothing of that call is kept; applying the same
//! transitions again changes nothing; a receiver that is down is a delivery that waits.

mod archive;
mod audit;
pub mod cap;
pub mod channel;
pub mod csv;
mod group;
pub mod kpi;
mod language;
pub mod lifecycle;
pub mod notify;
pub mod policy;
mod query;
mod register;
mod schema;
pub mod sheet;
pub mod shift;

pub use archive::{Archive, Found};
pub use audit::{AuditFilter, AuditLog, BEGINS, Bad, BadKind, Note, Report, verify};
pub use group::{DeviceTree, Flood, FloodChange, FloodState};
pub use language::Language;
pub use register::{Listener, Register, RegisterParts};
