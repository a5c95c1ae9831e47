//! Opens a folder: finds the segments, checks the newest one, never refuses because of damage.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::UNIX_EPOCH;

use crate::JournalError;
use crate::scan::{Item, Scanner};
use crate::segments::{
    FILE_HEADER, HeaderState, Segment, Segments, check_header, file_header, first_of,
};

/// Positions left out after damage at the very end that hides how many entries it held, so that
/// a position a consumer has already stored never gets a second meaning. More than any batch has.
const UNKNOWN_ENTRIES: u64 = 1 << 24;

/// What the folder held.
pub(crate) struct Recovered {
    pub segments: Arc<Segments>,
    /// Position of the next entry.
    pub next: u64,
    /// The newest segment, if it can be written on.
    pub active: Option<(Arc<Segment>, File)>,
}

/// Opens or makes the journal folder. Only the newest segment is read whole (at most
/// `segment_bytes`); damage in older ones is found and counted when they are read.
pub(crate) fn recover(dir: &Path) -> Result<Recovered, JournalError> {
    fs::create_dir_all(dir).map_err(JournalError::open(dir))?;
    let segments = Arc::new(Segments::new(dir.to_owned(), Some(lock(dir)?)));
    let mut newest = None;
    for (first, path) in list(dir)? {
        let file = File::open(&path).map_err(JournalError::open(&path))?;
        newest = Some(add(&segments, first, path, &file)?);
    }
    let (next, active) = match newest {
        Some((segment, state)) => open_newest(&segments, segment, state)?,
        None => (0, None),
    };
    Ok(Recovered { segments, next, active })
}

/// Looks at a folder that another process may be writing to: takes no lock, changes nothing.
/// Gives what is committed now, and the position after it.
pub(crate) fn look(dir: &Path) -> Result<(Segments, u64), JournalError> {
    let segments = Segments::new(dir.to_owned(), None);
    let mut newest = None;
    for (first, path) in list(dir)? {
        let file = match File::open(&path) {
            Ok(file) => file,
            // Retention was faster.
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
            Err(e) => return Err(JournalError::open(&path)(e)),
        };
        let (segment, state) = add(&segments, first, path, &file)?;
        newest = Some((segment, state, file));
    }
    let Some((segment, state, file)) = newest else { return Ok((segments, 0)) };
    let len = segment.len.load(Ordering::Acquire);
    if state == HeaderState::Cut {
        segment.len.store(0, Ordering::Release);
        return Ok((segments, segment.first));
    }
    let end = find_end(&segments, &segment, &file, len)?;
    // A record that is being written ends in the middle: it is none yet.
    segment.len.store(end.keep.unwrap_or(len), Ordering::Release);
    Ok((segments, end.next))
}

/// Adds one file to the segments.
fn add(
    segments: &Segments,
    first: u64,
    path: PathBuf,
    file: &File,
) -> Result<(Arc<Segment>, HeaderState), JournalError> {
    let meta = file.metadata().map_err(JournalError::open(&path))?;
    let modified = meta.modified().ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok());
    let written_ms = modified.map_or(0, |d| d.as_millis() as u64);
    let state = check_header(file, &path, meta.len())?;
    if state == HeaderState::Damaged {
        segments.damaged_headers.fetch_add(1, Ordering::Relaxed);
        let file = path.display();
        tracing::warn!(%file, "journal_damaged_header: read by its name");
    }
    let (len, written_ms) = (AtomicU64::new(meta.len()), AtomicU64::new(written_ms));
    let segment = Arc::new(Segment { first, path, len, written_ms });
    segments.add(Arc::clone(&segment));
    Ok((segment, state))
}

fn lock(dir: &Path) -> Result<File, JournalError> {
    let path = dir.join("lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(JournalError::open(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(JournalError::Locked { dir: dir.to_owned() }),
        Err(TryLockError::Error(e)) => Err(JournalError::open(&path)(e)),
    }
}

/// Segment files in order of position; other files are none of our business.
fn list(dir: &Path) -> Result<Vec<(u64, PathBuf)>, JournalError> {
    let mut found = Vec::new();
    for item in fs::read_dir(dir).map_err(JournalError::open(dir))? {
        let path = item.map_err(JournalError::open(dir))?.path();
        if let Some(first) = first_of(&path) {
            found.push((first, path));
        }
    }
    found.sort();
    Ok(found)
}

type Opened = (u64, Option<(Arc<Segment>, File)>);

/// Reads the newest segment whole and decides where writing goes on.
fn open_newest(
    segments: &Segments,
    segment: Arc<Segment>,
    state: HeaderState,
) -> Result<Opened, JournalError> {
    let path = &segment.path;
    let file =
        OpenOptions::new().read(true).write(true).open(path).map_err(JournalError::open(path))?;
    let len = segment.len.load(Ordering::Acquire);
    if state == HeaderState::Cut {
        segments.torn_bytes.fetch_add(len, Ordering::Relaxed);
        file.set_len(0).map_err(JournalError::write(path))?;
        file.write_all_at(&file_header(segment.first), 0).map_err(JournalError::write(path))?;
        segment.len.store(FILE_HEADER as u64, Ordering::Release);
        return Ok((segment.first, Some((segment, file))));
    }
    let end = find_end(segments, &segment, &file, len)?;
    match end.keep {
        Some(keep) => {
            if keep < len {
                segments.torn_bytes.fetch_add(len - keep, Ordering::Relaxed);
                let name = path.display();
                tracing::warn!(file = %name, bytes = len - keep, "journal_torn_bytes: torn tail cut off");
                file.set_len(keep).map_err(JournalError::write(path))?;
                segment.len.store(keep, Ordering::Release);
            }
            Ok((end.next, Some((segment, file))))
        }
        None => Ok((end.next, None)),
    }
}

struct End {
    next: u64,
    /// Bytes to keep and write on from; `None`: leave the file as it is and begin a new one.
    keep: Option<u64>,
}

fn find_end(
    segments: &Segments,
    segment: &Segment,
    file: &File,
    len: u64,
) -> Result<End, JournalError> {
    let mut next = segment.first;
    let mut scanner = Scanner::new(file, FILE_HEADER as u64, len, next);
    let mut keep = Some(scanner.at());
    while let Some(item) = scanner.next(0).map_err(JournalError::read(&segment.path))? {
        match item {
            Item::Record(h) => {
                next = h.end();
                keep = Some(scanner.at());
            }
            Item::Damaged { header: Some(h), .. } => {
                segments.count_damage(segment, &item);
                next = h.end();
                keep = Some(scanner.at());
            }
            Item::Damaged { from, to, header: None } if to < len => {
                segments.count_damage(segment, &item);
                keep = Some(from);
            }
            // A write that a power cut kept from the disk can leave zeros; they were never a
            // record, and neither was what is shorter than a header.
            Item::Damaged { from, header: None, .. } => {
                if is_zero(file, from, len).map_err(JournalError::read(&segment.path))? {
                    keep = Some(from);
                } else {
                    segments.count_damage(segment, &item);
                    next = next.saturating_add(UNKNOWN_ENTRIES);
                    keep = None;
                }
            }
            // Its write was never finished, so nobody was told of its positions. (Without
            // `Sync::Commit` a power cut can do this to more: see `Writer::skip_to`.)
            Item::Cut { from } => keep = Some(from),
        }
    }
    Ok(End { next, keep })
}

fn is_zero(file: &File, from: u64, to: u64) -> std::io::Result<bool> {
    let mut chunk = vec![0; 64 << 10];
    let mut at = from;
    while at < to {
        let n = (to - at).min(chunk.len() as u64) as usize;
        file.read_exact_at(&mut chunk[..n], at)?;
        if chunk[..n].iter().any(|b| *b != 0) {
            return Ok(false);
        }
        at += n as u64;
    }
    Ok(true)
}
