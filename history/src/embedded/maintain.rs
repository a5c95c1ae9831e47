//! Housekeeping of the embedded store: retention, compaction, verification.

mod lock;
pub mod maintenance;

pub(crate) use lock::FileLock;
