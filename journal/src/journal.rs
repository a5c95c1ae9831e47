use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll};

use serde::Serialize;
use tokio::sync::{oneshot, watch};

use crate::cursors::Cursors;
use crate::queue::Queue;
use crate::recover::recover;
use crate::shared::{Counters, Progress, Shared};
use crate::storage::SegmentStore;
use crate::tail::Tail;
use crate::{Codec, JournalConfig, JournalError, Reader, Writer};

/// A handle to the log. Clones are cheap and equal.
pub struct Journal<C: Codec>(pub(crate) Arc<Shared<C>>);

impl<C: Codec> Clone for Journal<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// What was found in the folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenReport {
    /// First position that can be read; equals `next` when there is none.
    pub first: u64,
    /// Position of the next entry.
    pub next: u64,
    /// Damaged records in the newest segment; they are skipped. Those in older segments are found
    /// and counted when they are read.
    pub corrupt: u64,
    /// Bytes of an unfinished record cut off the end.
    pub torn_bytes: u64,
}

/// Counters and state for metrics and the status page.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct JournalStats {
    /// First position that can be read; equals `next` when there is none.
    pub first: u64,
    /// Position of the next entry to be committed.
    pub next: u64,
    /// Segment files.
    pub segments: u64,
    /// Bytes of all segment files.
    pub bytes: u64,
    /// Damaged records found so far, each counted once.
    pub corrupt: u64,
    /// Bytes of an unfinished record cut off at the start.
    pub torn_bytes: u64,
    /// Segment files with a damaged header; their records were read all the same.
    pub damaged_headers: u64,
    /// Segments deleted although a cursor had not passed them.
    pub retention_passed_cursor: u64,
    /// Batches committed since the start.
    pub commits: u64,
    /// Entries committed since the start.
    pub entries: u64,
    /// Time spent in commits (encoding, writing, fsync), µs.
    pub commit_us: u64,
    /// Time of the last commit, µs.
    pub last_commit_us: u64,
    /// Bytes before compression since the start.
    pub encoded_bytes: u64,
    /// Bytes after compression since the start.
    pub written_bytes: u64,
    /// Entries that wait to be committed.
    pub queue_entries: u64,
    /// Memory of the recent batches, bytes.
    pub tail_bytes: u64,
    /// The disk is full: the writer waits, and so does every `append`.
    pub disk_full: bool,
    /// Commits tried again because the disk was full.
    pub disk_full_retries: u64,
    /// Position of each cursor: what its consumer said, else what its reader has handed out.
    pub cursors: BTreeMap<String, u64>,
}

impl<C: Codec> Journal<C> {
    /// Opens or makes the journal in `config.dir`. Damage there is skipped and counted, never an
    /// error. Reads the newest segment whole, so it blocks for up to some tens of milliseconds.
    ///
    /// # Errors
    /// A setting that cannot work, a folder in use, a disk that cannot be read, or segments of a
    /// later version.
    pub fn open(
        config: JournalConfig,
        codec: C,
    ) -> Result<(Self, Writer<C>, OpenReport), JournalError> {
        config.validate()?;
        let recovered = recover(&config.dir)?;
        let (segments, next) = (recovered.segments, recovered.next);
        let report = OpenReport {
            first: segments.first().unwrap_or(next),
            next,
            corrupt: segments.corrupt.load(Relaxed),
            torn_bytes: segments.torn_bytes.load(Relaxed),
        };
        let store = SegmentStore::new(&config, Arc::clone(&segments), recovered.active);
        let shared = Arc::new(Shared {
            codec,
            queue: Queue::new(config.queue_entries),
            tail: Mutex::new(Tail::new(next, config.tail_bytes)),
            progress: watch::Sender::new(Progress { next, ended: false }),
            segments,
            cursors: Cursors::default(),
            failure: OnceLock::new(),
            counters: Counters::default(),
        });
        let writer = Writer::new(Arc::clone(&shared), Box::new(store), config);
        Ok((Self(shared), writer, report))
    }

    /// Waits for room in the queue and puts `entries` in, in order and next to each other. The
    /// ticket tells when they are committed and the position of the first.
    ///
    /// Cancel safe: dropped before it returns, nothing was put in. Dropping the ticket does not
    /// take the entries back.
    ///
    /// # Errors
    /// [`JournalError::Closed`] after [`Journal::close`], [`JournalError::Stopped`] after a failed
    /// commit, [`JournalError::AppendTooLarge`] for more entries than the queue can hold.
    pub async fn append(&self, entries: Vec<C::Entry>) -> Result<Ticket, JournalError> {
        match self.0.queue.put(entries).await {
            Ok(done) => Ok(Ticket(done)),
            Err(JournalError::Closed) => Err(self.0.closed()),
            Err(e) => Err(e),
        }
    }

    /// A reader of the entries from `from` on; from the oldest there is, if `from` was deleted.
    /// Its progress holds as the cursor `name` until [`Journal::set_cursor`] is called for it.
    pub fn reader(&self, name: &str, from: u64) -> Reader<C> {
        Reader::new(Arc::clone(&self.0), name, from)
    }

    /// Says that the consumer `name` has dealt with all entries below `position` and will ask for
    /// them no more. Retention deletes beyond a cursor only when bytes or age force it, and says so.
    pub fn set_cursor(&self, name: &str, position: u64) {
        self.0.cursors.set(name, position);
    }

    /// Refuses appends from now on. What is queued is committed, then the writer ends and readers
    /// end after the last entry.
    pub fn close(&self) {
        self.0.queue.close();
    }

    /// Counters and state at this moment.
    pub fn stats(&self) -> JournalStats {
        let shared = &*self.0;
        let (next, tail_bytes) = {
            let tail = shared.tail();
            (tail.next, tail.bytes() as u64)
        };
        let (segments, bytes) = shared.segments.size();
        let c = &shared.counters;
        JournalStats {
            first: shared.segments.first().unwrap_or(next),
            next,
            segments: segments as u64,
            bytes,
            corrupt: shared.segments.corrupt.load(Relaxed),
            torn_bytes: shared.segments.torn_bytes.load(Relaxed),
            damaged_headers: shared.segments.damaged_headers.load(Relaxed),
            retention_passed_cursor: shared.segments.retention_passed_cursor.load(Relaxed),
            commits: c.commits.load(Relaxed),
            entries: c.entries.load(Relaxed),
            commit_us: c.commit_us.load(Relaxed),
            last_commit_us: c.last_commit_us.load(Relaxed),
            encoded_bytes: c.encoded_bytes.load(Relaxed),
            written_bytes: c.written_bytes.load(Relaxed),
            queue_entries: shared.queue.len() as u64,
            tail_bytes,
            disk_full: c.disk_full.load(Relaxed),
            disk_full_retries: c.disk_full_retries.load(Relaxed),
            cursors: shared.cursors.all(),
        }
    }
}

/// Resolves to the position of the first entry of an `append` once all of it is committed: on
/// disk under [`crate::Sync::Commit`], with the system under the others.
#[derive(Debug)]
#[must_use = "the entries are not durable before the ticket resolves"]
pub struct Ticket(oneshot::Receiver<Result<u64, JournalError>>);

impl Future for Ticket {
    type Output = Result<u64, JournalError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map(|done| done.unwrap_or(Err(JournalError::Closed)))
    }
}
