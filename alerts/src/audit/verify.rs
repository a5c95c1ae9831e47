//! Looks for what somebody did to the log: one pass in its order, in one snapshot, with one line
//! in memory.

use std::io;
use std::iter::Peekable;
use std::path::Path;

use ioc_model::RegisterError;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;

use super::anchor::{self, Line, Stream, Unreadable};
use super::chain::{self, CELLS};
use super::{Hash, Head, classify, read_head};
use crate::schema::{self, store};

/// Lines between two calls of the progress callback.
const PROGRESS_EVERY: u64 = 10_000;

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Lines that are as they were written, from the first on.
    pub lines: u64,
    /// Anchors and heads that agree with them.
    pub anchors: u64,
    /// The last line with an anchor: a rewriting of what follows it could not be seen.
    pub anchored: u64,
    /// Hash of the last good line; to be written down elsewhere.
    pub hash: String,
    /// The first line that is not; `None`: the log is whole.
    pub first_bad: Option<Bad>,
    /// What limits the answer.
    pub notes: Vec<Note>,
}

/// The first bad record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Bad {
    /// What was done to it.
    pub kind: BadKind,
    /// Its number.
    pub seq: u64,
    /// The last number it can be, for [`BadKind::Rewritten`]; the last one that is missing or too
    /// many for [`BadKind::Deleted`], [`BadKind::Truncated`] and [`BadKind::Inserted`]; else
    /// `seq`.
    pub until: u64,
    /// Where its content stands instead, or where what stands here belongs.
    pub other: Option<u64>,
}

/// What was done to a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BadKind {
    /// It does not follow from the record before: a column was changed, or it was replaced. (Had
    /// somebody changed the record before and computed its hash anew, it would look the same.)
    Edited,
    /// It is missing.
    Deleted,
    /// It was not written by the IOC.
    Inserted,
    /// Records changed places.
    Reordered,
    /// The log once was longer.
    Truncated,
    /// It or one of the next, up to `until`, was changed and all hashes after it computed anew:
    /// anchors know other hashes.
    Rewritten,
    /// The row in the database that names the end of the log was changed.
    Head,
    /// The database cannot read it.
    Unreadable,
    /// Written by a later version of the IOC, whose hashes this one cannot compute.
    UnknownFormat,
    /// The log is from a version without hashes; a start of the centre chains it.
    NotChained,
}

impl BadKind {
    /// The word used in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Edited => "edited",
            Self::Deleted => "deleted",
            Self::Inserted => "inserted",
            Self::Reordered => "reordered",
            Self::Truncated => "truncated",
            Self::Rewritten => "rewritten",
            Self::Head => "head",
            Self::Unreadable => "unreadable",
            Self::UnknownFormat => "unknown_format",
            Self::NotChained => "not_chained",
        }
    }
}

impl Bad {
    pub(super) fn at(kind: BadKind, seq: u64) -> Self {
        Self { kind, seq, until: seq, other: None }
    }

    pub(super) fn range(kind: BadKind, seq: u64, until: u64) -> Self {
        Self { kind, seq, until: until.max(seq), other: None }
    }
}

/// What limits an answer; none of it is a fault of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Note {
    /// There are no anchors: a log that was rewritten or cut with right hashes would not be seen.
    NoAnchors,
    /// There is no head file: the same for what follows the last anchor.
    NoHead,
    /// The head file cannot be read (a power cut, or somebody wrote into it).
    UnreadableHead,
    /// So many lines of the anchors cannot be read (one after each power cut is usual).
    UnreadableAnchors(u64),
    /// So many lines come from a version without hashes: nothing says what became of them before
    /// they were chained.
    Adopted(u64),
}

/// Verifies the log of the register at `path` against itself and what `anchors` (and the head file
/// beside them) know. The centre may be running. `progress` hears lines done and lines in all.
///
/// # Errors
/// When the database or the anchors cannot be opened or read. A tampered log is no error.
pub fn verify(
    path: &Path,
    anchors: Option<&Path>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Report, RegisterError> {
    // Before the snapshot: so the files can only know less than it, however busy the centre is.
    let known = Known::open(anchors).map_err(store)?;
    let (db, _) = schema::open_for_reading(path)?;
    let snapshot = db.unchecked_transaction().map_err(store)?;
    compare(&snapshot, known, progress)
}

/// The log in `db`, a snapshot, against what was known before it.
pub(super) fn compare(
    db: &Connection,
    (mut known, mut notes): (Known, Vec<Note>),
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Report, RegisterError> {
    let log = Log::open(db)?;
    let mut walk = Walk { good: Head { seq: 0, hash: Hash::NONE }, at_head: None, adopted: 0 };
    let mut first_bad = walk.lines(&log, &mut known, progress)?;
    if first_bad.is_none() {
        first_bad = walk.end(&log, &mut known)?;
    }
    if walk.adopted > 0 {
        notes.push(Note::Adopted(walk.adopted));
    }
    if known.unreadable > 0 {
        notes.push(Note::UnreadableAnchors(known.unreadable));
    }
    let mut good = walk.good;
    if let Some(bad) = first_bad.filter(|b| b.kind != BadKind::Head && b.seq <= good.seq) {
        // Lines that fit each other, but are not all as they were written.
        let seq = bad.seq.saturating_sub(1);
        good = Head { seq, hash: log.hash_of(seq)?.unwrap_or(Hash::NONE) };
    }
    Ok(Report {
        lines: good.seq,
        anchors: known.agreed,
        anchored: known.matched,
        hash: good.hash.hex(),
        first_bad,
        notes,
    })
}

/// The hashed cells of a row that begins with [`chain::COLUMNS`].
pub(super) fn cells<'a>(r: &'a Row<'_>) -> rusqlite::Result<[ValueRef<'a>; CELLS]> {
    let mut cells = [ValueRef::Null; CELLS];
    for (i, cell) in cells.iter_mut().enumerate() {
        *cell = r.get_ref(i)?;
    }
    Ok(cells)
}

/// The log in one snapshot.
pub(super) struct Log<'a> {
    pub db: &'a Connection,
    head: Option<Head>,
    has_head: bool,
    lines: u64,
}

impl<'a> Log<'a> {
    fn open(db: &'a Connection) -> Result<Self, RegisterError> {
        let has_head: bool = db
            .query_row(
                "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE name = 'audit_head')",
                [],
                |r| r.get(0),
            )
            .map_err(store)?;
        let head = match has_head {
            true => db
                .query_row("SELECT seq, hash FROM audit_head", [], read_head)
                .optional()
                .map_err(store)?
                .flatten(),
            false => None,
        };
        // For the progress only; the largest number is found at once, a count is not.
        let lines: i64 = db
            .query_row("SELECT ifnull(max(seq), 0) FROM audit", [], |r| r.get(0))
            .map_err(store)?;
        Ok(Self { db, head, has_head, lines: lines.max(0).cast_unsigned() })
    }

    fn hash_of(&self, seq: u64) -> Result<Option<Hash>, RegisterError> {
        self.db
            .prepare_cached("SELECT hash FROM audit WHERE seq = ?1")
            .and_then(|mut s| {
                s.query_row(params![seq.cast_signed()], |r| Ok(Hash::read(r.get_ref(0)?)))
                    .optional()
            })
            .map(Option::flatten)
            .map_err(store)
    }

    /// There are alerts, so there was a log.
    fn has_alerts(&self) -> Result<bool, RegisterError> {
        self.db.query_row("SELECT EXISTS (SELECT 1 FROM alert)", [], |r| r.get(0)).map_err(store)
    }
}

struct Walk {
    /// The last good line.
    good: Head,
    /// The line that the head row names has its hash.
    at_head: Option<bool>,
    adopted: u64,
}

impl Walk {
    fn lines(
        &mut self,
        log: &Log<'_>,
        known: &mut Known,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Option<Bad>, RegisterError> {
        let sql = format!("SELECT {}, hash FROM audit ORDER BY seq", chain::COLUMNS);
        let mut select = log.db.prepare(&sql).map_err(store)?;
        let mut rows = select.query([]).map_err(store)?;
        loop {
            let row = match rows.next() {
                Ok(Some(row)) => row,
                Ok(None) => break,
                // A damaged page; what is no longer a database at all fails before.
                Err(_) => return Ok(Some(Bad::at(BadKind::Unreadable, self.good.seq + 1))),
            };
            if let Some(bad) = self.line(log, row)? {
                return Ok(Some(bad));
            }
            if let Some(bad) = known.look(&self.good, log)? {
                return Ok(Some(bad));
            }
            if self.good.seq.is_multiple_of(PROGRESS_EVERY) {
                progress(self.good.seq, log.lines);
            }
        }
        progress(self.good.seq, log.lines);
        Ok(None)
    }

    fn line(&mut self, log: &Log<'_>, row: &Row<'_>) -> Result<Option<Bad>, RegisterError> {
        let next = self.good.seq + 1;
        let seq: i64 = row.get(0).map_err(store)?;
        let Some(seq) = u64::try_from(seq).ok().filter(|seq| *seq > 0) else {
            return Ok(Some(Bad::at(BadKind::Inserted, 0)));
        };
        if seq > next {
            return Ok(Some(Bad::range(BadKind::Deleted, next, seq - 1)));
        }
        let stored = row.get_ref(CELLS).map_err(store)?;
        let cells = cells(row).map_err(store)?;
        let Some(hash) = Hash::read(stored) else {
            let none = log.head.is_none() && stored == ValueRef::Null;
            let kind = if none { BadKind::NotChained } else { BadKind::Edited };
            return Ok(Some(Bad::at(kind, seq)));
        };
        if !hash.is_known() {
            return Ok(Some(Bad::at(BadKind::UnknownFormat, seq)));
        }
        if chain::next(&self.good.hash, &cells) != hash {
            if log.head.is_some_and(|head| seq > head.seq) {
                return Ok(Some(Bad::range(BadKind::Inserted, seq, log.lines)));
            }
            return classify::classify(log, &self.good, &cells, &hash).map(Some);
        }
        if let ValueRef::Text(action) = cells[2]
            && action == super::BEGINS.as_bytes()
        {
            self.adopted = seq - 1;
        }
        self.good = Head { seq, hash };
        if let Some(head) = log.head.filter(|head| head.seq == seq) {
            self.at_head = Some(head.hash == hash);
        }
        Ok(None)
    }

    /// The lines are in order: is it all of them?
    fn end(&self, log: &Log<'_>, known: &mut Known) -> Result<Option<Bad>, RegisterError> {
        let last = self.good.seq;
        let beyond = known.beyond(last, log)?;
        if let Some(bad) = beyond.filter(|bad| bad.kind == BadKind::Rewritten) {
            return Ok(Some(bad));
        }
        let wrong_head = Bad::at(BadKind::Head, last);
        let bad = match log.head {
            // Only its number was changed: the hash is still that of the last line.
            Some(head) if head.seq > last && head.hash == self.good.hash && beyond.is_none() => {
                Some(wrong_head)
            }
            Some(head) if head.seq > last => {
                let until = beyond.map_or(head.seq, |b| b.until.max(head.seq));
                Some(Bad::range(BadKind::Truncated, last + 1, until))
            }
            Some(head) if head.seq < last => match self.at_head {
                Some(true) => Some(Bad::range(BadKind::Inserted, head.seq + 1, last)),
                _ => Some(wrong_head),
            },
            Some(_) if self.at_head == Some(true) || last == 0 => None,
            Some(_) => Some(wrong_head),
            None if last > 0 => Some(wrong_head),
            None if log.has_head && log.has_alerts()? => Some(Bad::at(BadKind::Truncated, 1)),
            None => None,
        };
        // Anchors are worth more than a row that whoever cut the log could write as well.
        Ok(beyond.or(bad))
    }
}

/// What the files outside know.
pub(super) struct Known {
    anchors: Option<Peekable<Stream>>,
    head: Option<Head>,
    /// The last line they agree about.
    matched: u64,
    agreed: u64,
    unreadable: u64,
}

impl Known {
    pub fn open(path: Option<&Path>) -> io::Result<(Self, Vec<Note>)> {
        let mut known = Self { anchors: None, head: None, matched: 0, agreed: 0, unreadable: 0 };
        let mut notes = Vec::new();
        let Some(path) = path else { return Ok((known, vec![Note::NoAnchors, Note::NoHead])) };
        match anchor::read_head_file(&anchor::head_path(path))? {
            Ok(Some(head)) => known.head = Some(head),
            Ok(None) => notes.push(Note::NoHead),
            Err(Unreadable) => notes.push(Note::UnreadableHead),
        }
        known.anchors = Stream::open(path)?.map(Iterator::peekable);
        if known.anchors.is_none() {
            notes.push(Note::NoAnchors);
        }
        Ok((known, notes))
    }

    /// The next anchor, if it is about line `seq` or one before.
    fn next(&mut self, seq: u64) -> Result<Option<Head>, RegisterError> {
        let Some(anchors) = &mut self.anchors else { return Ok(None) };
        loop {
            match anchors.next_if(|l| !matches!(l, Ok(Line::Anchor(h)) if h.seq > seq)) {
                None => return Ok(None),
                Some(Ok(Line::Anchor(head))) => return Ok(Some(head)),
                Some(Ok(Line::Unreadable)) => self.unreadable += 1,
                Some(Err(e)) => return Err(store(e)),
            }
        }
    }

    /// Compares what is known of the line `good` with it.
    fn look(&mut self, good: &Head, log: &Log<'_>) -> Result<Option<Bad>, RegisterError> {
        while let Some(anchor) = self.next(good.seq)? {
            if let Some(bad) = self.compare(&anchor, good, log)? {
                return Ok(Some(bad));
            }
        }
        match self.head.take_if(|head| head.seq <= good.seq) {
            Some(head) => self.compare(&head, good, log),
            None => Ok(None),
        }
    }

    fn compare(
        &mut self,
        known: &Head,
        good: &Head,
        log: &Log<'_>,
    ) -> Result<Option<Bad>, RegisterError> {
        // Anchors are in the order of the log; one that is not has to be looked up.
        let hash = match known.seq == good.seq {
            true => Some(good.hash),
            false => log.hash_of(known.seq)?,
        };
        if hash != Some(known.hash) {
            let since = if self.matched < known.seq { self.matched + 1 } else { 1 };
            return Ok(Some(Bad::range(BadKind::Rewritten, since, known.seq)));
        }
        self.matched = self.matched.max(known.seq);
        self.agreed += 1;
        Ok(None)
    }

    /// The log ends with line `last`; do they know of more?
    fn beyond(&mut self, last: u64, log: &Log<'_>) -> Result<Option<Bad>, RegisterError> {
        let mut most = self.head.take().map_or(0, |head| head.seq);
        while let Some(anchor) = self.next(u64::MAX)? {
            if anchor.seq <= last && log.hash_of(anchor.seq)? != Some(anchor.hash) {
                return Ok(Some(Bad::range(BadKind::Rewritten, 1, anchor.seq)));
            }
            most = most.max(anchor.seq);
        }
        Ok((most > last).then(|| Bad::range(BadKind::Truncated, last + 1, most)))
    }
}
