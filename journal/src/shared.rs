//! What the handles, the readers and the writer of one journal have in common.

use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::sync::watch;

use crate::cursors::Cursors;
use crate::queue::Queue;
use crate::segments::Segments;
use crate::tail::Tail;
use crate::{Codec, JournalError};

/// How far the journal is; readers wait on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    pub next: u64,
    pub ended: bool,
}

pub(crate) struct Shared<C: Codec> {
    pub codec: C,
    pub queue: Queue<C::Entry>,
    pub tail: Mutex<Tail<C::Entry>>,
    pub progress: watch::Sender<Progress>,
    pub segments: Arc<Segments>,
    pub cursors: Cursors,
    pub failure: OnceLock<Arc<JournalError>>,
    pub counters: Counters,
}

#[derive(Default)]
pub(crate) struct Counters {
    pub entries: AtomicU64,
    pub commits: AtomicU64,
    pub commit_us: AtomicU64,
    pub last_commit_us: AtomicU64,
    pub encoded_bytes: AtomicU64,
    pub written_bytes: AtomicU64,
    pub disk_full: AtomicBool,
    pub disk_full_retries: AtomicU64,
}

impl<C: Codec> Shared<C> {
    pub fn tail(&self) -> MutexGuard<'_, Tail<C::Entry>> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why nothing can be appended any more.
    pub fn closed(&self) -> JournalError {
        match self.failure.get() {
            Some(cause) => JournalError::Stopped(Arc::clone(cause)),
            None => JournalError::Closed,
        }
    }

    /// The writer is gone: whoever waits learns it.
    pub fn finish(&self, failure: Option<Arc<JournalError>>) {
        if let Some(cause) = failure {
            // Only the writer calls this, once with a failure.
            let _ = self.failure.set(cause);
        }
        self.queue.close();
        for append in self.queue.drain() {
            let _ = append.ticket.send(Err(self.closed()));
        }
        self.progress.send_modify(|p| p.ended = true);
    }
}
