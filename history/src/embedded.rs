//! The embedded store: SQLite rows that hold compressed blocks.
//!
//! `append` puts points into heads in memory; `flush` writes those of the series that are due,
//! with, for each series, the journal position below which all its points are in blocks, in one
//! transaction. The journal keeps everything from the oldest point that is only in memory
//! ([`HistoryStore::cursor`](ioc_model::HistoryStore::cursor)); what is read again after a crash
//! and lies below a series' position is ignored for that series.
//!
//! Invariant: a query sees each point once. The change from "in memory" to "on disk" (commit and
//! clearing of the memory) happens under the write side of `gate`; a query takes its snapshot of
//! both under the read side.
//!
//! Reading (`query`): a range is cut into segments, each answered by one tier; rows are read in
//! the order of time, parts of one window put together, and given on as soon as no later row can
//! add to them. Housekeeping (`maintain`) changes where points lie, never which there are. One
//! process writes to a file, which a lock beside it (`<path>.lock`) ensures.

mod block;
mod database;
mod flush;
mod head;
mod layout;
mod maintain;
mod migrate;
mod query;
mod rollup;
mod salvage;
mod store;
mod tiers;

pub use maintain::maintenance;
pub use store::{EmbeddedStats, EmbeddedStore};

#[cfg(test)]
mod tests;
#[cfg(test)]
mod world;
