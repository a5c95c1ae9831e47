use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use lz4_flex::block::{CompressTable, compress_into_with_table, get_maximum_output_size};

use crate::frame::MAX_PAYLOAD;
use crate::queue::{Append, Taken};
use crate::shared::Shared;
use crate::storage::{Record, Storage};
use crate::tail::Batch;
use crate::{Codec, JournalConfig, JournalError, Sync};

/// Time between two looks at the limits of retention.
const RETAIN_EVERY: Duration = Duration::from_secs(1);
/// Wait before a commit to a full disk is tried again.
const DISK_FULL_RETRY: Duration = Duration::from_secs(1);
/// Largest batch before compression; LZ4 may lengthen it by a tenth.
const MAX_RAW: usize = MAX_PAYLOAD / 2;

/// The one who commits. Runs on a thread of its own.
pub struct Writer<C: Codec> {
    shared: Arc<Shared<C>>,
    pub(crate) storage: Box<dyn Storage>,
    config: JournalConfig,
    pub(crate) disk_full_retry: Duration,
    raw: Vec<u8>,
    compressed: Vec<u8>,
    table: CompressTable,
    /// Mean encoded size of an entry, for closing batches by bytes.
    entry_bytes: usize,
    stats: WriterStats,
    last_start: Option<Instant>,
    next_sync: Option<Instant>,
    next_retain: Instant,
}

/// What the writer did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WriterStats {
    /// Batches committed.
    pub commits: u64,
    /// Entries committed.
    pub entries: u64,
    /// Bytes of the records after compression.
    pub written_bytes: u64,
}

impl<C: Codec> Writer<C> {
    pub(crate) fn new(
        shared: Arc<Shared<C>>,
        storage: Box<dyn Storage>,
        config: JournalConfig,
    ) -> Self {
        Self {
            shared,
            storage,
            config,
            disk_full_retry: DISK_FULL_RETRY,
            raw: Vec::new(),
            compressed: Vec::new(),
            table: CompressTable::large(),
            entry_bytes: 64,
            stats: WriterStats::default(),
            last_start: None,
            next_sync: None,
            next_retain: Instant::now(),
        }
    }

    /// Leaves out the positions below `position`, if the next one is below it. To be called with
    /// the highest position any consumer has stored: after a power cut without
    /// [`Sync::Commit`], or in a new folder, the journal may be behind its consumers, and a
    /// position must never mean two entries.
    pub fn skip_to(&mut self, position: u64) {
        let mut tail = self.shared.tail();
        if position > tail.next {
            tracing::warn!(from = tail.next, to = position, "journal positions skipped");
            tail.next = position;
            self.shared.progress.send_modify(|p| p.next = position);
        }
    }

    /// Commits until the journal is closed and its queue is empty. Blocks.
    ///
    /// A full disk makes it wait and try again, each second, until there is room or the journal is
    /// closed.
    ///
    /// # Errors
    /// Any other failure to write or fsync, at once and for good: what is on disk is then unknown.
    /// Every ticket fails, and so does every later `append`; the process should end.
    pub fn run(mut self) -> Result<WriterStats, JournalError> {
        match self.commit_all() {
            Ok(()) => {
                self.shared.finish(None);
                Ok(self.stats)
            }
            Err(cause) => {
                let error: &dyn std::error::Error = &*cause;
                tracing::error!(error, "journal stopped");
                self.shared.finish(Some(Arc::clone(&cause)));
                Err(JournalError::Stopped(cause))
            }
        }
    }

    fn commit_all(&mut self) -> Result<(), Arc<JournalError>> {
        let linger = Duration::from_millis(self.config.batch_linger_ms);
        loop {
            self.look_after()?;
            let not_before = self.last_start.map_or_else(Instant::now, |start| start + linger);
            let until = self.next_sync.map_or(self.next_retain, |t| t.min(self.next_retain));
            match self.shared.queue.take(self.max_entries(), not_before, until) {
                Taken::Batch(appends) => self.commit(appends)?,
                Taken::Nothing => {}
                Taken::Closed => break,
            }
        }
        Ok(self.storage.sync()?)
    }

    /// A batch is closed at this many entries.
    fn max_entries(&self) -> usize {
        let by_bytes = (self.config.batch_max_bytes / self.entry_bytes).max(1);
        by_bytes.min(self.config.batch_max_entries).min(self.config.queue_entries)
    }

    /// fsync by interval and retention, when it is time.
    fn look_after(&mut self) -> Result<(), JournalError> {
        let now = Instant::now();
        if self.next_sync.is_some_and(|t| now >= t) {
            self.next_sync = None;
            self.storage.sync()?;
        }
        if now >= self.next_retain {
            self.next_retain = now + RETAIN_EVERY;
            self.retain()?;
        }
        Ok(())
    }

    fn retain(&mut self) -> Result<(), JournalError> {
        let slowest = self.shared.cursors.slowest();
        let slowest = slowest.as_ref().map(|(name, position)| (name.as_str(), *position));
        self.storage.retain(slowest, now_ms())
    }

    fn commit(&mut self, appends: Vec<Append<C::Entry>>) -> Result<(), Arc<JournalError>> {
        let start = Instant::now();
        self.last_start = Some(start);
        let first = self.shared.tail().next;
        let mut tickets = Vec::with_capacity(appends.len());
        let mut entries = Vec::new();
        for append in appends {
            tickets.push((append.ticket, first + entries.len() as u64));
            match entries.is_empty() {
                true => entries = append.entries,
                false => entries.extend(append.entries),
            }
        }
        let count = entries.len();
        if count > 0 {
            match self.write(first, &entries) {
                Ok(()) => self.publish(Batch { first, entries }, start),
                Err(JournalError::BatchTooLarge { bytes, max }) => {
                    for (ticket, _) in tickets {
                        let _ = ticket.send(Err(JournalError::BatchTooLarge { bytes, max }));
                    }
                    self.shared.queue.release(count);
                    return Ok(());
                }
                Err(e) => {
                    let cause = Arc::new(e);
                    for (ticket, _) in tickets {
                        let _ = ticket.send(Err(JournalError::Stopped(Arc::clone(&cause))));
                    }
                    return Err(cause);
                }
            }
        }
        for (ticket, position) in tickets {
            // Who dropped the ticket does not want to know.
            let _ = ticket.send(Ok(position));
        }
        self.shared.queue.release(count);
        let next = first + count as u64;
        self.shared.progress.send_modify(|p| p.next = next);
        Ok(())
    }

    /// Encodes, compresses, appends and, under [`Sync::Commit`], syncs one batch.
    fn write(&mut self, first: u64, entries: &[C::Entry]) -> Result<(), JournalError> {
        self.raw.clear();
        self.shared.codec.encode(entries, &mut self.raw);
        if self.raw.len() > MAX_RAW {
            return Err(JournalError::BatchTooLarge { bytes: self.raw.len(), max: MAX_RAW });
        }
        self.entry_bytes = ((self.entry_bytes * 7 + self.raw.len() / entries.len()) / 8).max(1);
        let most = get_maximum_output_size(self.raw.len());
        if self.compressed.len() < most {
            self.compressed.resize(most, 0);
        }
        let len = compress_into_with_table(&self.raw, &mut self.compressed, &mut self.table)
            .expect("the buffer has the maximum size");
        let count = u32::try_from(entries.len()).expect("queue_entries is at most 2^24");
        let raw_len = u32::try_from(self.raw.len()).expect("at most MAX_RAW");
        self.append(first, count, raw_len, len)?;
        self.stats.written_bytes += len as u64;
        match self.config.sync {
            Sync::Commit => self.storage.sync(),
            Sync::Interval { ms } => {
                let due = || Instant::now() + Duration::from_millis(ms);
                self.next_sync.get_or_insert_with(due);
                Ok(())
            }
            Sync::Off => Ok(()),
        }
    }

    /// Appends the compressed batch; waits while the disk is full.
    fn append(
        &mut self,
        first: u64,
        count: u32,
        raw_len: u32,
        len: usize,
    ) -> Result<(), JournalError> {
        loop {
            let payload = &self.compressed[..len];
            let record = Record { first, count, raw_len, payload };
            let counters = &self.shared.counters;
            match self.storage.append(&record, now_ms()) {
                Ok(begun) => {
                    if counters.disk_full.swap(false, Relaxed) {
                        tracing::info!("journal disk has room again");
                    }
                    if begun {
                        self.retain()?;
                    }
                    return Ok(());
                }
                Err(e) if e.is_disk_full() => {
                    counters.disk_full_retries.fetch_add(1, Relaxed);
                    if !counters.disk_full.swap(true, Relaxed) {
                        tracing::error!(error = %e, "journal_disk_full: nothing is accepted");
                    }
                    if self.shared.queue.wait_closed(Instant::now() + self.disk_full_retry) {
                        return Err(e);
                    }
                    self.retain()?;
                }
                Err(e) => return Err(e),
            }
        }
    }

    /// Counts the batch and shows it to the readers; they are woken after the tickets.
    fn publish(&mut self, batch: Batch<C::Entry>, start: Instant) {
        let count = batch.entries.len() as u64;
        self.stats.commits += 1;
        self.stats.entries += count;
        let c = &self.shared.counters;
        let us = start.elapsed().as_micros() as u64;
        c.commits.fetch_add(1, Relaxed);
        c.entries.fetch_add(count, Relaxed);
        c.commit_us.fetch_add(us, Relaxed);
        c.last_commit_us.store(us, Relaxed);
        c.encoded_bytes.fetch_add(self.raw.len() as u64, Relaxed);
        c.written_bytes.store(self.stats.written_bytes, Relaxed);
        self.shared.tail().push(Arc::new(batch), self.raw.len());
    }
}

impl<C: Codec> Drop for Writer<C> {
    /// Without a writer nothing is ever committed: nobody shall wait for it. (After `run` this
    /// changes nothing.)
    fn drop(&mut self) {
        self.shared.finish(None);
    }
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64)
}
