//! Measurements kept and queried: the embedded store and InfluxDB 2 behind
//! [`ioc_model::HistoryStore`].
//!
//! What it does: takes the points of accepted records, batch by batch, and answers range, newest
//! and listing questions. What it does not do: it keeps no live state, judges no value, reads no
//! journal (the caller does, from `cursor()`), and spawns nothing but the InfluxDB senders.
//!
//! Data flow: journal reader → `append` → heads in memory → `flush` → blocks and windows in SQLite
//! and the journal positions in one transaction; or → line protocol → batches → InfluxDB, the
//! position below which all is stored or dead-lettered kept. Sealed personal data go another way:
//! journal reader → [`personal`].
//!
//! How it fails: the journal is the spool. While the disk or the server refuses, the cursor
//! stands still and `append` makes the reader wait; nothing is dropped. A damaged block costs its
//! points, is counted, and queries go on.

mod aggregate;
mod config;
mod embedded;
mod error;
mod influx;
pub mod personal;
mod tally;

pub use config::{EmbeddedConfig, InfluxConfig, Retention};
pub use embedded::{EmbeddedStats, EmbeddedStore, maintenance};
pub use error::Error;
pub use influx::{DeadLetter, InfluxStats, InfluxStore, influxql_string};
