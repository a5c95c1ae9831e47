//! The alert register: one row per episode, its audit trail, and the operators' acknowledgements.
//!
//! What it does: applies the rule engine's transitions exactly once (they and the journal
//! position they came from are committed together), keeps condition (active, returned) and
//! acknowledgement apart (ISA-18.2 / IEC 62682), answers the dashboard, and tells a listener of
//! every change after it is on disk, in order.
//! What it does not do: it decides no threshold, sends no notification, and knows no network.
//! Data flow: `rules → apply → SQLite → listener (live stream, MQTT)`; `dashboard → acknowledge`.
//! How it fails: a storage error is returned and nothing of that call is kept; applying the same
//! transitions again changes nothing.

mod archive;
mod query;
mod register;
mod schema;

pub use archive::{Archive, Found};
pub use register::{Listener, Register};
