use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::segments::{Place, RawBatch, Segments};
use crate::shared::{Progress, Shared};
use crate::tail::{Batch, Found};
use crate::{Codec, JournalError};

/// Batches taken from memory at once.
const TAIL_BATCHES: usize = 64;
/// Compressed bytes read from disk at once, and held decoded until they are consumed.
const DISK_BYTES: usize = 256 << 10;

/// What one read from disk gave.
struct Read<E> {
    batches: Vec<Arc<Batch<E>>>,
    place: Option<Place>,
    /// There is no more below the position asked for.
    done: bool,
}

type Reading<E> = JoinHandle<Result<Read<E>, JournalError>>;

/// Reads the log in order, from disk until it has caught up, then from memory.
pub struct Reader<C: Codec> {
    shared: Arc<Shared<C>>,
    name: String,
    /// Next position to hand out.
    position: u64,
    progress: watch::Receiver<Progress>,
    ready: VecDeque<Arc<Batch<C::Entry>>>,
    place: Option<Place>,
    /// A read under way, and the position up to which it will have read all.
    pending: Option<(Reading<C::Entry>, u64)>,
    /// A read found no more: go on from here when `ready` is empty.
    resume: u64,
    handed_out: Arc<AtomicU64>,
}

impl<C: Codec> Reader<C> {
    pub(crate) fn new(shared: Arc<Shared<C>>, name: &str, from: u64) -> Self {
        let progress = shared.progress.subscribe();
        let handed_out = shared.cursors.begin(name, from);
        Self {
            shared,
            name: name.to_owned(),
            position: from,
            progress,
            ready: VecDeque::new(),
            place: None,
            pending: None,
            resume: from,
            handed_out,
        }
    }

    /// Position after the last batch that was handed out.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The next batch; waits until there is one. `None` after the journal was closed and all was
    /// read. The first batch may begin below the position asked for. Positions can be left out
    /// where records were damaged or deleted.
    ///
    /// Cancel safe: nothing is lost or handed out twice.
    ///
    /// # Errors
    /// When a file cannot be read (damage is no error), or the writer failed and all that it
    /// committed was read.
    pub async fn next(&mut self) -> Result<Option<Arc<Batch<C::Entry>>>, JournalError> {
        // Asking for more means that the batch before was dealt with.
        self.handed_out.store(self.position, Ordering::Relaxed);
        loop {
            if let Some(batch) = self.ready.pop_front() {
                self.position = batch.end();
                return Ok(Some(batch));
            }
            if self.pending.is_some() {
                self.finish_read().await?;
                continue;
            }
            let progress = *self.progress.borrow_and_update();
            let position = self.position.max(self.resume);
            let found = self.shared.tail().find(position, TAIL_BATCHES);
            match found {
                Found::Here(batches) => self.ready.extend(batches),
                Found::Before(up_to) => self.begin_read(position, up_to),
                Found::Future if progress.ended => return self.end(),
                Found::Future => {
                    // The sender lives in `shared`, so this cannot fail.
                    let _ = self.progress.changed().await;
                }
            }
        }
    }

    fn end(&self) -> Result<Option<Arc<Batch<C::Entry>>>, JournalError> {
        match self.shared.failure.get() {
            Some(cause) => Err(JournalError::Stopped(Arc::clone(cause))),
            None => Ok(None),
        }
    }

    fn begin_read(&mut self, from: u64, up_to: u64) {
        let shared = Arc::clone(&self.shared);
        let place = self.place.take();
        let read = move || {
            let (raw, place) = shared.segments.read(place, from..up_to, DISK_BYTES)?;
            let done = raw.is_empty();
            let batches = raw
                .into_iter()
                .filter_map(|r| decode(&shared.codec, &shared.segments, r).map(Arc::new))
                .collect();
            Ok(Read { batches, place, done })
        };
        self.pending = Some((tokio::task::spawn_blocking(read), up_to));
    }

    async fn finish_read(&mut self) -> Result<(), JournalError> {
        let Some((read, up_to)) = &mut self.pending else { return Ok(()) };
        let up_to = *up_to;
        let done = read.await;
        self.pending = None;
        let read = done.map_err(JournalError::ReadCutOff)??;
        self.place = read.place;
        if read.done {
            self.resume = up_to;
        }
        self.ready.extend(read.batches);
        Ok(())
    }
}

impl<C: Codec> Drop for Reader<C> {
    fn drop(&mut self) {
        self.shared.cursors.end(&self.name, &self.handed_out);
    }
}

/// A record as a batch; one that cannot be decoded is counted and gives none.
pub(crate) fn decode<C: Codec>(
    codec: &C,
    segments: &Segments,
    raw: RawBatch,
) -> Option<Batch<C::Entry>> {
    let decoded = match lz4_flex::block::decompress(&raw.payload, raw.raw_len) {
        Ok(bytes) => codec.decode(&bytes),
        Err(e) => Err(e.into()),
    };
    match decoded {
        Ok(entries) if entries.len() == raw.count as usize => {
            Some(Batch { first: raw.first, entries })
        }
        Ok(_) => {
            segments.count_undecodable(raw.first, &"another number of entries");
            None
        }
        Err(e) => {
            segments.count_undecodable(raw.first, &e);
            None
        }
    }
}
