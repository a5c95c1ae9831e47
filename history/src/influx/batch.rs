//! Lines of one write, and which records they came from.

use std::ops::Range;

use ioc_model::{Record, line};
use tokio::time::Instant;

use super::state::DeadLetter;
use crate::tally::Tally;

/// Rendered lines of a stretch of the journal.
#[derive(Debug)]
pub(crate) struct Batch {
    text: String,
    /// Offset after each line, and the record it belongs to.
    lines: Vec<(usize, u32)>,
    records: Vec<Mark>,
    /// Points that have no line, with the reason.
    refused: Vec<DeadLetter>,
    /// Journal position after the last entry.
    pub(crate) end: u64,
    /// When the first entry was taken.
    pub(crate) opened: Instant,
}

#[derive(Debug)]
struct Mark {
    position: u64,
    source: u16,
    /// A point of it was refused, here or by the server.
    dead: bool,
}

impl Batch {
    pub(crate) fn new(end: u64) -> Self {
        Self {
            text: String::new(),
            lines: Vec::new(),
            records: Vec::new(),
            refused: Vec::new(),
            end,
            opened: Instant::now(),
        }
    }

    /// Takes a record; returns the number of its points.
    pub(crate) fn push(&mut self, record: &Record, position: u64) -> usize {
        let index = self.records.len() as u32;
        let (lines, refused) = (&mut self.lines, &mut self.refused);
        let before = lines.len();
        let mut dead = false;
        line::write_record(record, &mut self.text, |result| match result {
            Ok(end) => lines.push((end, index)),
            Err((why, point)) => {
                dead = true;
                refused.push(DeadLetter { position, line: point, reason: why.to_string() });
            }
        });
        self.records.push(Mark { position, source: record.source, dead });
        self.lines.len() - before
    }

    /// Number of lines.
    pub(crate) fn len(&self) -> usize {
        self.lines.len()
    }

    /// Text of some lines, with their ends.
    pub(crate) fn text(&self, lines: &Range<usize>) -> &str {
        let end_of = |i: usize| self.lines.get(i).map_or(self.text.len(), |l| l.0);
        let begin = if lines.start == 0 { 0 } else { end_of(lines.start - 1) };
        let end = if lines.end == 0 { 0 } else { end_of(lines.end - 1) };
        self.text.get(begin..end).unwrap_or_default()
    }

    /// Closes the batch: the server refused these lines for good.
    pub(crate) fn finish(mut self, dead: Vec<(usize, String)>, count_from: u64) -> Finished {
        let mut letters = std::mem::take(&mut self.refused);
        let dead_lines = dead.len();
        for (i, reason) in dead {
            let line = self.text(&(i..i + 1)).trim_end_matches('\n').to_owned();
            let Some(&(_, record)) = self.lines.get(i) else { continue };
            let Some(mark) = self.records.get_mut(record as usize) else { continue };
            mark.dead = true;
            letters.push(DeadLetter { position: mark.position, line, reason });
        }
        let (mut stored, mut refused) = (Tally::default(), Tally::default());
        for mark in self.records.iter().filter(|m| m.position >= count_from) {
            let tally = if mark.dead { &mut refused } else { &mut stored };
            tally.add(mark.source);
        }
        let points = self.lines.len() - dead_lines;
        Finished { end: self.end, letters, stored, dead: refused, points, lines: self.lines.len() }
    }
}

/// A batch whose lines all have an answer.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) end: u64,
    pub(crate) letters: Vec<DeadLetter>,
    /// Records all of whose points are stored.
    pub(crate) stored: Tally,
    /// Records with at least one refused point.
    pub(crate) dead: Tally,
    /// Lines that are stored.
    pub(crate) points: usize,
    /// Lines in all.
    pub(crate) lines: usize,
}
