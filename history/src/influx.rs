//! InfluxDB 2: line protocol in batches, answers handled one by one, reads by InfluxQL.
//!
//! Devices are dealt out to lanes (`in_flight`), each of which sends one batch after the other, so
//! the points of a series keep their order. The cursor stands at the oldest record that has a
//! line without an answer: all before it is stored or a dead letter, and that is on disk. Answers:
//! 204 stored; 400 bisect to the bad line; 413 halve; 422 halve, then singly once; 401, 403, 404
//! and anything unknown hold and probe; 408, 429, 5xx and silence retry without end.
//!
//! A write whose answer was lost is sent again: same series and time, so it overwrites itself.

mod answer;
mod batch;
mod deliver;
mod influxql;
mod queue;
mod read;
mod sender;
mod series;
mod state;
mod store;
mod wire;

pub use influxql::string as influxql_string;
pub use state::DeadLetter;
pub use store::{InfluxStats, InfluxStore};
