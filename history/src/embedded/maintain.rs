//! Housekeeping of the embedded store: retention, compaction, verification.
//!
//! A pass over all series is made in turns, each a transaction of bounded work under the writer's
//! lock. A turn changes where points and windows lie, never which there are (but for those that
//! are older than they are kept), so a query sees each point once before, between and after.

mod compact;
pub(crate) mod fill;
mod floors;
mod lock;
pub mod maintenance;
mod retention;
mod rows;
mod stats;
#[cfg(test)]
mod tests;
mod turn;
mod verify;

pub(crate) use floors::Floors;
pub(crate) use lock::FileLock;
