//! The embedded store: SQLite rows that hold compressed blocks.
//!
//! `append` puts points into heads in memory; `flush` writes all of them and the journal position
//! in one transaction, so a crash loses at most what the journal still has, and what is read
//! again from [`HistoryStore::cursor`](ioc_model::HistoryStore::cursor) is exactly what is missing.
//!
//! Invariant: a query sees each point once. The change from "in memory" to "on disk" (commit and
//! clearing of the memory) happens under the write side of `gate`; a query takes its snapshot of
//! both under the read side.

mod block;
mod database;
mod flush;
mod head;
mod maintain;
mod query;
mod rollup;
mod store;

pub use maintain::maintenance;
pub use store::{EmbeddedStats, EmbeddedStore};

#[cfg(test)]
mod tests;
