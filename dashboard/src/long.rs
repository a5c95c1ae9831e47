//! Long answers: a connection whose body is being taken lives longer than `connection_max_s`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use bytes::Bytes;

/// A reader that takes less of a long answer in one `connection_max_s` is not waited for.
pub(crate) const TAKEN_AT_LEAST: u64 = 1024 * 1024;

tokio::task_local! {
    /// Bytes of long answers sent on the connection under way.
    pub(crate) static SENT: Counter;
}

/// Bytes sent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counter(Arc<AtomicU64>);

impl Counter {
    /// Counts a part of a body.
    pub fn add(&self, part: &std::io::Result<Bytes>) {
        let bytes = part.as_ref().map_or(0, Bytes::len);
        self.0.fetch_add(bytes as u64, Relaxed);
    }

    pub fn bytes(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// The counter of the connection under way.
pub(crate) fn counter() -> Counter {
    SENT.try_with(Counter::clone).unwrap_or_default()
}
