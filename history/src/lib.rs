//! Measurements kept and queried: the embedded store and InfluxDB 2 behind
//! [`ioc_model::HistoryStore`].
//!
//! What it does: takes the points of accepted records, batch by batch, and answers range, newest
//! and listing questions. What it does not do: it keeps no live state, judges no value, reads no
//! journal (the caller does, from `cursor()`), and spawns nothing but the InfluxDB sender on a
//! tracker that is passed in.
//!
//! Data flow: journal reader → `append` → heads in memory → `flush` → blocks in SQLite and the
//! journal position in one transaction; or → line protocol → batches → InfluxDB, the position
//! kept when all of a batch is stored or dead-lettered.
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
