//! InfluxDB 2: line protocol in batches, answers handled one by one, reads by InfluxQL.
//!
//! One task sends batches in the order of the journal; the cursor moves when every line of a
//! batch is stored or a dead letter. Answers:
//! 204 stored; 400 bisect to the bad line; 413 halve; 422 resend singly once; 401, 403, 404 and
//! anything unknown hold and probe; 408, 429, 5xx and silence retry without end.
//!
//! A write whose answer was lost is sent again: same series and time, so it overwrites itself.

mod batch;
mod deliver;
mod influxql;
mod queue;
mod sender;
mod state;
mod store;
mod wire;

pub use influxql::string as influxql_string;
pub use state::DeadLetter;
pub use store::{InfluxStats, InfluxStore};
