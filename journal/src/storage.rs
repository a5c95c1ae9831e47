//! Where committed batches go. A trait, so that tests can put a failing disk under the writer
//! and a cluster log can take the place of files.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::frame::Header;
use crate::segments::{FILE_HEADER, Limits, Segment, Segments, file_header};
use crate::{JournalConfig, JournalError, Sync};

/// One batch on its way to disk: compressed, with its positions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record<'a> {
    pub first: u64,
    pub count: u32,
    pub raw_len: u32,
    pub payload: &'a [u8],
}

/// The writing side of the log.
pub(crate) trait Storage: Send {
    /// Hands one record to the system; tells whether that began a new segment. On an error
    /// nothing of it is kept.
    fn append(&mut self, record: &Record<'_>, now_ms: u64) -> Result<bool, JournalError>;

    /// Makes all that was appended survive a power cut.
    fn sync(&mut self) -> Result<(), JournalError>;

    /// Deletes what is over the limits.
    fn retain(&mut self, slowest: Option<(&str, u64)>, now_ms: u64) -> Result<(), JournalError>;
}

/// Segment files.
pub(crate) struct SegmentStore {
    segments: Arc<Segments>,
    active: Option<Active>,
    /// Whether to fsync at all.
    fsync: bool,
    segment_bytes: u64,
    /// A segment is closed at this age even if small, so that retention by age has steps.
    segment_age: Duration,
    limits: Limits,
    frame: Vec<u8>,
}

struct Active {
    segment: Arc<Segment>,
    file: File,
    len: u64,
    begun: Instant,
    dirty: bool,
}

impl SegmentStore {
    pub fn new(
        config: &JournalConfig,
        segments: Arc<Segments>,
        active: Option<(Arc<Segment>, File)>,
    ) -> Self {
        let active = active.map(|(segment, file)| {
            let len = segment.len.load(Ordering::Acquire);
            Active { segment, file, len, begun: Instant::now(), dirty: false }
        });
        Self {
            segments,
            active,
            fsync: config.sync != Sync::Off,
            segment_bytes: config.segment_bytes,
            segment_age: Duration::from_secs((config.retain_age_s / 8).max(1)),
            limits: Limits {
                bytes: config.retain_bytes,
                age_ms: config.retain_age_s.saturating_mul(1_000),
            },
            frame: Vec::new(),
        }
    }

    fn close_full_segment(&mut self, size: u64) -> Result<(), JournalError> {
        let Some(a) = &self.active else { return Ok(()) };
        let has_records = a.len > FILE_HEADER as u64;
        let full = a.len + size > self.segment_bytes || a.begun.elapsed() >= self.segment_age;
        if has_records && full {
            self.sync()?;
            self.active = None;
        }
        Ok(())
    }

    fn begin_segment(&self, first: u64, now_ms: u64) -> Result<Active, JournalError> {
        let path = self.segments.path_of(first);
        let file = OpenOptions::new()
            .create_new(true)
            .read(true)
            .write(true)
            .open(&path)
            .map_err(JournalError::open(&path))?;
        if let Err(e) = file.write_all_at(&file_header(first), 0) {
            // A leftover would bar the retry; it holds nothing.
            fs::remove_file(&path).map_err(JournalError::open(&path))?;
            return Err(JournalError::write(&path)(e));
        }
        if self.fsync {
            file.sync_all().map_err(JournalError::sync(&path))?;
            let dir = &self.segments.dir;
            let handle = File::open(dir).map_err(JournalError::open(dir))?;
            handle.sync_all().map_err(JournalError::sync(dir))?;
        }
        let len = FILE_HEADER as u64;
        let (atomic_len, written_ms) = (AtomicU64::new(len), AtomicU64::new(now_ms));
        let segment = Arc::new(Segment { first, path, len: atomic_len, written_ms });
        self.segments.add(Arc::clone(&segment));
        Ok(Active { segment, file, len, begun: Instant::now(), dirty: false })
    }
}

impl Storage for SegmentStore {
    fn append(&mut self, record: &Record<'_>, now_ms: u64) -> Result<bool, JournalError> {
        let header = Header::new(record.first, record.count, record.raw_len, record.payload);
        self.close_full_segment(header.size())?;
        let begun = self.active.is_none();
        let mut active = match self.active.take() {
            Some(active) => active,
            None => self.begin_segment(record.first, now_ms)?,
        };
        self.frame.clear();
        self.frame.extend_from_slice(&header.to_bytes());
        self.frame.extend_from_slice(record.payload);
        let written = active.file.write_all_at(&self.frame, active.len);
        let path = &active.segment.path;
        if let Err(e) = written {
            active.file.set_len(active.len).map_err(JournalError::sync(path))?;
            let error = JournalError::write(path)(e);
            self.active = Some(active);
            return Err(error);
        }
        active.len += header.size();
        active.dirty = true;
        active.segment.len.store(active.len, Ordering::Release);
        active.segment.written_ms.store(now_ms, Ordering::Release);
        self.active = Some(active);
        Ok(begun)
    }

    fn sync(&mut self) -> Result<(), JournalError> {
        match &mut self.active {
            Some(a) if self.fsync && a.dirty => {
                a.file.sync_data().map_err(JournalError::sync(&a.segment.path))?;
                a.dirty = false;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn retain(&mut self, slowest: Option<(&str, u64)>, now_ms: u64) -> Result<(), JournalError> {
        self.segments.retain(self.limits, slowest, now_ms)
    }
}
