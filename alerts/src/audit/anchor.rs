//! What is known of the log outside of its database, so that nobody can shorten or rewrite the
//! database unseen.
//!
//! - **Anchors** (`audit.anchors`; the path is a setting, best on another disk or machine): one
//!   line `seq hash time` at least each 1,000 lines of the log, each 60 s in which it grew, and at
//!   the end; appended and fsynced, never changed.
//! - **Head** (same name, ending `.head`): one line `seq hash check`, written over after each
//!   commit, not fsynced. It closes the gap from the last anchor to the end.
//!
//! Both are written after the commit, and a commit is on disk before it returns. So after a crash
//! or a power cut they may lie *behind* the database, never ahead of it: behind is no fault (what
//! they name is still there), ahead always is. A power cut may also leave a piece of a line at the
//! end of the anchors, or an unreadable head; such lines are counted and passed over. When the
//! centre starts, what the head file knows becomes an anchor before the head is written over.
//!
//! Trouble with these files never stops alerts: it is logged, and tried again.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use ioc_model::{RegisterError, Timestamp};
use rusqlite::Connection;
use sha2::{Digest, Sha256};

use super::{Hash, Head, head};

/// Lines of the log without an anchor, at most (plus those of one transaction).
const EVERY_LINES: u64 = 1_000;
/// Time with a line but without an anchor, ms.
const EVERY_MS: i64 = 60_000;
/// No line is longer.
const LONGEST: u64 = 200;

/// Writes the anchors of one log. Dropping it writes the last one.
pub(crate) struct Anchors {
    path: PathBuf,
    /// `None` after trouble: opened again.
    anchors: Option<File>,
    head: Option<File>,
    /// The end of the log.
    end: Head,
    /// Last line with an anchor.
    anchored: u64,
    anchored_at: Option<Timestamp>,
    now: Option<Timestamp>,
    failed: u64,
}

impl Anchors {
    /// For the log in `db`, with the anchors at `path` and the head beside it. If they know of
    /// more than the log holds, that is logged as an error; `ioc audit verify` will say more.
    ///
    /// # Errors
    /// The store's own trouble; trouble with the files is logged and tried again later.
    pub(crate) fn open(path: &Path, db: &Connection) -> Result<Self, RegisterError> {
        let mut anchors = Self {
            path: path.to_owned(),
            anchors: None,
            head: None,
            end: head(db)?,
            anchored: 0,
            anchored_at: None,
            now: None,
            failed: 0,
        };
        let result = anchors.begin();
        anchors.told(result);
        Ok(anchors)
    }

    /// To be called after each commit: writes the head, and an anchor when it is time.
    pub(crate) fn committed(&mut self, db: &Connection) {
        let end = match head(db) {
            Ok(end) => end,
            Err(e) => return self.told(Err(io::Error::other(e))),
        };
        if end == self.end {
            return;
        }
        self.end = end;
        let result = self.write_head();
        self.told(result);
        if end.seq >= self.anchored.saturating_add(EVERY_LINES) {
            self.anchor();
        }
    }

    /// To be called about each second with the wall time.
    pub(crate) fn tick(&mut self, now: Timestamp) {
        self.now = Some(now);
        let since = *self.anchored_at.get_or_insert(now);
        if now < since {
            // The clock was put back.
            self.anchored_at = Some(now);
        } else if now.since_ms(since) >= EVERY_MS {
            self.anchored_at = Some(now);
            self.anchor();
        }
    }

    /// Times that a file could not be written.
    pub(crate) fn failed(&self) -> u64 {
        self.failed
    }

    fn begin(&mut self) -> io::Result<()> {
        let last = last_anchor(&self.path)?;
        self.anchored = last.map_or(0, |h| h.seq);
        // Only a file that could not be read is no reason to lose what it holds.
        let known = read_head_file(&head_path(&self.path))?.ok().flatten();
        if let Some(known) = known.filter(|k| last.is_none_or(|l| k.seq > l.seq)) {
            self.write_anchor(&known)?;
        }
        if known.is_none() && self.end.seq > 0 {
            self.write_head()?;
        }
        let most = known.into_iter().chain(last).max_by_key(|h| h.seq);
        if let Some(most) = most
            && (most.seq > self.end.seq || most.seq == self.end.seq && most.hash != self.end.hash)
        {
            tracing::error!(
                log = self.end.seq,
                anchored = most.seq,
                "the audit log is not the one that its anchors know: run `ioc audit verify`"
            );
        }
        Ok(())
    }

    /// Writes an anchor now, if there is a new line.
    pub(super) fn anchor(&mut self) {
        if self.end.seq != self.anchored {
            let end = self.end;
            let result = self.write_anchor(&end);
            self.told(result);
        }
    }

    fn write_anchor(&mut self, known: &Head) -> io::Result<()> {
        let time = self.now.map_or_else(|| "-".into(), |t| t.to_string());
        let line = format!("{} {} {time}\n", known.seq, known.hash.hex());
        let mut file = match self.anchors.take() {
            Some(file) => file,
            None => open_to_append(&self.path)?,
        };
        file.write_all(line.as_bytes())?;
        file.sync_data()?;
        self.anchors = Some(file);
        self.anchored = known.seq;
        Ok(())
    }

    fn write_head(&mut self) -> io::Result<()> {
        let mut file = match self.head.take() {
            Some(file) => file,
            None => {
                let mut options = OpenOptions::new();
                // Not truncated: there is always a whole line in it.
                options.write(true).create(true).truncate(false).open(head_path(&self.path))?
            }
        };
        file.seek(SeekFrom::Start(0))?;
        file.write_all(head_line(&self.end).as_bytes())?;
        self.head = Some(file);
        Ok(())
    }

    fn told(&mut self, result: io::Result<()>) {
        if let Err(e) = result {
            self.failed += 1;
            // The first, then ever more seldom: a full disk would fill the log as well.
            if self.failed.is_power_of_two() {
                let (path, failed) = (self.path.display(), self.failed);
                tracing::error!(%path, failed, error = %e, "audit_anchor_failed");
            }
        }
    }
}

impl Drop for Anchors {
    fn drop(&mut self) {
        self.anchor();
    }
}

/// The head file of the anchors at `path`.
pub(super) fn head_path(path: &Path) -> PathBuf {
    path.with_extension("head")
}

/// A line of fixed length, so that one write replaces the one before.
fn head_line(head: &Head) -> String {
    let line = format!("{:020} {}", head.seq, head.hash.hex());
    let check = check(&line);
    format!("{line} {check}\n")
}

/// Who reads while the line is written may see half of it.
fn check(line: &str) -> String {
    Sha256::digest(line).iter().take(4).map(|b| format!("{b:02x}")).collect()
}

/// The head file says nothing that can be read.
pub(super) struct Unreadable;

/// What the head file says; `None` if there is none.
pub(super) fn read_head_file(path: &Path) -> io::Result<Result<Option<Head>, Unreadable>> {
    // A reader may meet a write; then the next look finds a whole line.
    for _ in 0..20 {
        let mut text = String::new();
        match File::open(path) {
            Ok(file) => match file.take(LONGEST).read_to_string(&mut text) {
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::InvalidData => {}
                Err(e) => return Err(e),
            },
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Ok(None)),
            Err(e) => return Err(e),
        }
        if let Some((line, given)) = text.trim_end().rsplit_once(' ')
            && check(line) == given
            && let Some(head) = parse(line)
        {
            return Ok(Ok(Some(head)));
        }
    }
    Ok(Err(Unreadable))
}

/// `seq hash …`.
fn parse(line: &str) -> Option<Head> {
    let mut words = line.split(' ');
    let seq = words.next()?;
    // `+5` is a number to Rust.
    let seq = seq.bytes().all(|b| b.is_ascii_digit()).then(|| seq.parse().ok()).flatten()?;
    let hash = Hash::parse(words.next()?)?;
    Some(Head { seq, hash })
}

fn open_to_append(path: &Path) -> io::Result<File> {
    let mut file = OpenOptions::new().create(true).read(true).append(true).open(path)?;
    let mut last = [b'\n'];
    if file.seek(SeekFrom::End(0))? > 0 {
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
    }
    if last != [b'\n'] {
        // A piece of a line that a power cut left must not spoil the next one.
        file.write_all(b"\n")?;
    }
    Ok(file)
}

fn last_anchor(path: &Path) -> io::Result<Option<Head>> {
    let mut last = None;
    if let Some(all) = Stream::open(path)? {
        for line in all {
            if let Line::Anchor(head) = line? {
                last = Some(head);
            }
        }
    }
    Ok(last)
}

/// One line of the anchors.
pub(super) enum Line {
    Anchor(Head),
    Unreadable,
}

/// The lines that an anchor file has when it is opened.
pub(super) struct Stream(io::Take<BufReader<File>>);

impl Stream {
    /// `None` if there is no such file.
    pub fn open(path: &Path) -> io::Result<Option<Self>> {
        match File::open(path) {
            Ok(file) => {
                let length = file.metadata()?.len();
                Ok(Some(Self(BufReader::new(file).take(length))))
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }
}

impl Iterator for Stream {
    type Item = io::Result<Line>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut line = Vec::new();
        match (&mut self.0).take(LONGEST).read_until(b'\n', &mut line) {
            Ok(0) => None,
            Ok(_) => {
                let text = line.strip_suffix(b"\n").and_then(|l| std::str::from_utf8(l).ok());
                Some(Ok(text.and_then(parse).map_or(Line::Unreadable, Line::Anchor)))
            }
            Err(e) => Some(Err(e)),
        }
    }
}
