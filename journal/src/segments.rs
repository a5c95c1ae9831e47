//! The segment files of one folder: which there are, reading by position, deleting the oldest.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io;
use std::ops::Bound::{Excluded, Unbounded};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use crate::JournalError;
use crate::frame::u32_at;
use crate::scan::{Item, Scanner};

/// First bytes of a segment file.
const FILE_MAGIC: [u8; 8] = *b"IOCJRNL\n";
/// Version of the file and record format.
pub(crate) const FILE_VERSION: u32 = 1;
/// Magic, version, first position, CRC-32 of these.
pub(crate) const FILE_HEADER: usize = 24;

/// One file. Its name is its first position, so damage to its header costs nothing.
#[derive(Debug)]
pub(crate) struct Segment {
    pub first: u64,
    pub path: PathBuf,
    /// Bytes that hold whole records.
    pub len: AtomicU64,
    /// Wall clock of the last write, ms since the epoch.
    pub written_ms: AtomicU64,
}

/// A record as it is on disk, proven by its CRC.
pub(crate) struct RawBatch {
    pub first: u64,
    pub count: u32,
    pub raw_len: usize,
    pub payload: Vec<u8>,
}

/// Where a reader goes on, so that it never searches twice. Holds no open file: a segment that
/// retention deletes is gone.
pub(crate) struct Place {
    segment: Arc<Segment>,
    offset: u64,
    min_first: u64,
}

/// What a read still wants.
struct Wanted {
    range: Range<u64>,
    /// Bytes.
    left: usize,
    out: Vec<RawBatch>,
}

/// Limits that delete whole segments.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub bytes: u64,
    pub age_ms: u64,
}

/// All segments of one journal, shared by its writer and its readers.
pub(crate) struct Segments {
    pub dir: PathBuf,
    files: RwLock<BTreeMap<u64, Arc<Segment>>>,
    /// Damaged records found, each once: (segment, offset).
    damaged: Mutex<HashSet<(u64, u64)>>,
    pub corrupt: AtomicU64,
    pub torn_bytes: AtomicU64,
    pub damaged_headers: AtomicU64,
    pub retention_passed_cursor: AtomicU64,
    /// Held as long as this lives: one process writes to a folder. `None`: reading only.
    _lock: Option<File>,
}

impl Segments {
    pub fn new(dir: PathBuf, lock: Option<File>) -> Self {
        Self {
            dir,
            files: RwLock::default(),
            damaged: Mutex::default(),
            corrupt: AtomicU64::new(0),
            torn_bytes: AtomicU64::new(0),
            damaged_headers: AtomicU64::new(0),
            retention_passed_cursor: AtomicU64::new(0),
            _lock: lock,
        }
    }

    pub fn path_of(&self, first: u64) -> PathBuf {
        self.dir.join(format!("{first:020}.seg"))
    }

    pub fn add(&self, segment: Arc<Segment>) {
        let mut files = self.files.write().unwrap_or_else(PoisonError::into_inner);
        files.insert(segment.first, segment);
    }

    /// First position that can still be read, if there is any segment.
    pub fn first(&self) -> Option<u64> {
        self.read_files().keys().next().copied()
    }

    /// First position of each segment, in order.
    pub fn starts(&self) -> Vec<u64> {
        self.read_files().keys().copied().collect()
    }

    /// Number of files and their bytes.
    pub fn size(&self) -> (usize, u64) {
        let files = self.read_files();
        (files.len(), files.values().map(|s| s.len.load(Ordering::Acquire)).sum())
    }

    /// Counts a damaged record, once however often it is met.
    pub fn count_damage(&self, segment: &Segment, item: &Item) {
        let (from, to) = match *item {
            Item::Damaged { from, to, .. } => (from, to),
            Item::Cut { from } => (from, segment.len.load(Ordering::Acquire)),
            Item::Record(_) => return,
        };
        let mut seen = self.damaged.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.insert((segment.first, from)) {
            self.corrupt.fetch_add(1, Ordering::Relaxed);
            let file = segment.path.display();
            tracing::error!(%file, from, to, "journal_corrupt: damaged record skipped");
        }
    }

    /// Counts a record whose CRC holds but which the codec cannot read.
    pub fn count_undecodable(&self, first: u64, why: &dyn std::fmt::Display) {
        let mut seen = self.damaged.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.insert((u64::MAX, first)) {
            self.corrupt.fetch_add(1, Ordering::Relaxed);
            tracing::error!(first, %why, "journal_corrupt: whole record cannot be decoded, skipped");
        }
    }

    /// Reads the records that overlap `range`, about `budget` bytes of them, and the place to go
    /// on from. No records: there are no more.
    pub fn read(
        &self,
        place: Option<Place>,
        range: Range<u64>,
        budget: usize,
    ) -> Result<(Vec<RawBatch>, Option<Place>), JournalError> {
        let mut place = place.or_else(|| self.seek(range.start));
        let mut wanted = Wanted { range, left: budget, out: Vec::new() };
        while let Some(p) = &mut place {
            if let Some(file) = open_unless_deleted(&p.segment.path)?
                && self.read_segment(p, &file, &mut wanted)?
            {
                break;
            }
            match self.after(p.segment.first) {
                Some(next) => place = Some(next),
                None => break,
            }
        }
        Ok((wanted.out, place))
    }

    /// Reads on in one segment; tells whether that was enough.
    fn read_segment(
        &self,
        place: &mut Place,
        file: &File,
        wanted: &mut Wanted,
    ) -> Result<bool, JournalError> {
        let segment = &place.segment;
        let end = segment.len.load(Ordering::Acquire);
        let mut scanner = Scanner::new(file, place.offset, end, place.min_first);
        while wanted.left > 0 {
            let item =
                scanner.next(wanted.range.start).map_err(JournalError::read(&segment.path))?;
            match item {
                None => return Ok(false),
                Some(Item::Record(h)) if h.first >= wanted.range.end => return Ok(true),
                Some(Item::Record(h)) => {
                    place.min_first = h.end();
                    if h.end() > wanted.range.start {
                        let payload = scanner.payload().to_vec();
                        wanted.left = wanted.left.saturating_sub(payload.len());
                        let raw_len = h.raw_len as usize;
                        let (first, count) = (h.first, h.count);
                        wanted.out.push(RawBatch { first, count, raw_len, payload });
                    }
                }
                Some(item) => self.count_damage(segment, &item),
            }
            place.offset = scanner.at();
        }
        Ok(true)
    }

    /// Deletes the oldest segments that are over a limit; the last one always stays. `slowest` is
    /// the cursor that is furthest behind.
    pub fn retain(
        &self,
        limits: Limits,
        slowest: Option<(&str, u64)>,
        now_ms: u64,
    ) -> Result<(), JournalError> {
        loop {
            let (oldest, end, total) = {
                let files = self.read_files();
                let mut two = files.values();
                let (Some(oldest), Some(next)) = (two.next(), two.next()) else { return Ok(()) };
                let total: u64 = files.values().map(|s| s.len.load(Ordering::Acquire)).sum();
                (Arc::clone(oldest), next.first, total)
            };
            let age_ms = now_ms.saturating_sub(oldest.written_ms.load(Ordering::Acquire));
            if total <= limits.bytes && age_ms <= limits.age_ms {
                return Ok(());
            }
            if let Some((cursor, position)) = slowest.filter(|(_, p)| *p < end) {
                self.retention_passed_cursor.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(
                    cursor,
                    position,
                    deleted_below = end,
                    total_bytes = total,
                    age_ms,
                    "journal_retention_passed_cursor: deleted entries that a reader has not seen"
                );
            }
            match std::fs::remove_file(&oldest.path) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => {
                    return Err(JournalError::open(&oldest.path)(e));
                }
                _ => {}
            }
            let mut files = self.files.write().unwrap_or_else(PoisonError::into_inner);
            files.remove(&oldest.first);
        }
    }

    /// The start of the segment that holds `position`, or of the first one after it.
    fn seek(&self, position: u64) -> Option<Place> {
        let files = self.read_files();
        let found = files.range(..=position).next_back().or_else(|| files.iter().next());
        found.map(|(_, segment)| Place::start_of(segment))
    }

    /// The start of the next segment.
    fn after(&self, first: u64) -> Option<Place> {
        let files = self.read_files();
        let next = files.range((Excluded(first), Unbounded)).next();
        next.map(|(_, segment)| Place::start_of(segment))
    }

    fn read_files(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<u64, Arc<Segment>>> {
        self.files.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    fn start_of(segment: &Arc<Segment>) -> Self {
        let (offset, min_first) = (FILE_HEADER as u64, segment.first);
        Self { segment: Arc::clone(segment), offset, min_first }
    }
}

fn open_unless_deleted(path: &Path) -> Result<Option<File>, JournalError> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(JournalError::open(path)(e)),
    }
}

/// The header of a new file.
pub(crate) fn file_header(first: u64) -> [u8; FILE_HEADER] {
    let mut b = [0; FILE_HEADER];
    b[0..8].copy_from_slice(&FILE_MAGIC);
    b[8..12].copy_from_slice(&FILE_VERSION.to_le_bytes());
    b[12..20].copy_from_slice(&first.to_le_bytes());
    let crc = crc32fast::hash(&b[..20]);
    b[20..24].copy_from_slice(&crc.to_le_bytes());
    b
}

/// State of a file's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeaderState {
    Whole,
    /// The file is shorter than a header.
    Cut,
    /// Does not hold what we write; the records behind it may be whole.
    Damaged,
}

/// Judges the header of a file of `len` bytes.
///
/// # Errors
/// When it is whole and of another version, or cannot be read.
pub(crate) fn check_header(
    file: &File,
    path: &Path,
    len: u64,
) -> Result<HeaderState, JournalError> {
    if len < FILE_HEADER as u64 {
        return Ok(HeaderState::Cut);
    }
    let mut b = [0; FILE_HEADER];
    file.read_exact_at(&mut b, 0).map_err(JournalError::read(path))?;
    if b[0..8] != FILE_MAGIC || crc32fast::hash(&b[..20]) != u32_at(&b, 20) {
        return Ok(HeaderState::Damaged);
    }
    let version = u32_at(&b, 8);
    if version != FILE_VERSION {
        let path = path.to_owned();
        return Err(JournalError::Version { path, version, known: FILE_VERSION });
    }
    Ok(HeaderState::Whole)
}

/// First position in a file name, if it is one of ours.
pub(crate) fn first_of(path: &Path) -> Option<u64> {
    let digits = path.file_name()?.to_str()?.strip_suffix(".seg")?;
    (digits.len() == 20).then(|| digits.parse().ok()).flatten()
}
