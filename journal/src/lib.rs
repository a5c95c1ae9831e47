//! The journal: an ordered, durable log. It is generic over its entries and knows nothing of them.
//!
//! What it does: takes entries, numbers them, commits them in groups, tells when they are durable,
//! and gives them to any number of readers, from memory or from disk. It deletes the oldest.
//! What it does not: no payload knowledge, no consumer state (a consumer keeps its position with
//! its own effects), no threads of its own ([`Writer::run`] is run by the caller).
//!
//! Data flow: `append` → bounded queue → [`Writer`]: encode, LZ4, CRC-32, one write, one
//! fdatasync per batch → tickets resolve → recent batches in memory → [`Reader`]s. Readers that
//! are behind read the segment files; so does an [`Archive`], without the writer's lock.
//!
//! On disk: segment files of about 64 MiB named by their first position. Each holds a header and
//! records; a record is one batch: magic, length, first position, count and two CRCs, then the
//! compressed entries.
//!
//! How it fails: a full disk makes the writer wait and try again, and `append` with it. Any other
//! failed write or fsync ends the writer and fails all tickets; fsync is never tried again. A torn
//! tail or a flipped bit costs that record, is counted, and never stops a start.

mod archive;
mod codec;
mod config;
mod cursors;
mod error;
mod frame;
mod journal;
mod queue;
mod reader;
mod recover;
mod scan;
mod segments;
mod shared;
mod storage;
mod tail;
#[cfg(test)]
mod tests;
mod writer;

pub use archive::{Archive, Batches};
pub use codec::Codec;
pub use config::{JournalConfig, Sync};
pub use error::JournalError;
pub use journal::{Journal, JournalStats, OpenReport, Ticket};
pub use reader::Reader;
pub use tail::Batch;
pub use writer::{Writer, WriterStats};
