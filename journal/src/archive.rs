use std::collections::VecDeque;
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;

use crate::reader::decode;
use crate::recover::look;
use crate::segments::{Place, RawBatch, Segments};
use crate::tail::Batch;
use crate::{Codec, JournalError};

/// Compressed bytes read at once.
const READ_BYTES: usize = 1 << 20;

/// A journal's files for reading only: no lock, no change, no cursor, whether its writer runs or
/// not. It holds what was committed when it was opened; retention may delete the oldest of that
/// while it is read, and reading then goes on after it.
pub struct Archive<C: Codec> {
    codec: C,
    pub(crate) segments: Segments,
    next: u64,
}

impl<C: Codec> Archive<C> {
    /// Looks at the journal in `dir`. Reads the newest segment whole, so it blocks for up to some
    /// tens of milliseconds.
    ///
    /// # Errors
    /// No such folder, a disk that cannot be read, or segments of a later version.
    pub fn open(dir: &Path, codec: C) -> Result<Self, JournalError> {
        let (segments, next) = look(dir)?;
        Ok(Self { codec, segments, next })
    }

    /// First position there is; equals [`Archive::next`] when there is none.
    pub fn first(&self) -> u64 {
        self.segments.first().unwrap_or(self.next)
    }

    /// Position after the last entry.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// First positions of the segment files, in order: where reading can begin without a search.
    pub fn starts(&self) -> Vec<u64> {
        self.segments.starts()
    }

    /// Damaged records met so far, each counted once; they are skipped.
    pub fn corrupt(&self) -> u64 {
        self.segments.corrupt.load(Relaxed)
    }

    /// The batches from `from` on, in order. The first may begin below it. Positions can be left
    /// out where records were damaged or deleted.
    pub fn read(&self, from: u64) -> Batches<'_, C> {
        Batches { archive: self, from, place: None, ready: VecDeque::new(), done: false }
    }
}

/// See [`Archive::read`]. Blocks on the disk.
pub struct Batches<'a, C: Codec> {
    archive: &'a Archive<C>,
    from: u64,
    place: Option<Place>,
    ready: VecDeque<RawBatch>,
    done: bool,
}

impl<C: Codec> Iterator for Batches<'_, C> {
    type Item = Result<Batch<C::Entry>, JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        let Archive { codec, segments, next } = self.archive;
        loop {
            if let Some(raw) = self.ready.pop_front() {
                match decode(codec, segments, raw) {
                    Some(batch) => return Some(Ok(batch)),
                    None => continue,
                }
            }
            if self.done {
                return None;
            }
            match segments.read(self.place.take(), self.from..*next, READ_BYTES) {
                Ok((raw, place)) => {
                    self.done = raw.is_empty();
                    self.place = place;
                    self.ready.extend(raw);
                }
                Err(e) => {
                    self.done = true;
                    return Some(Err(e));
                }
            }
        }
    }
}
