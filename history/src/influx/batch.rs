//! Lines of one write, and which records they came from.

use std::collections::HashSet;
use std::ops::Range;

use ioc_model::{Record, line};
use tokio::time::Instant;

use super::series::SeriesSet;
use super::state::DeadLetter;
use crate::tally::Tally;

/// Rendered lines of records of one lane.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    text: String,
    /// Offset after each line, and the record it belongs to.
    lines: Vec<(usize, u32)>,
    records: Vec<Mark>,
    /// Points that have no line, with the reason.
    refused: Vec<DeadLetter>,
    /// Journal position of the first entry, and when it was taken; `None`: nothing was.
    first: Option<(u64, Instant)>,
}

#[derive(Debug)]
struct Mark {
    position: u64,
    source: u16,
    /// A point of it was refused here.
    dead: bool,
}

impl Batch {
    /// Takes an entry without points: its position counts.
    pub(crate) fn touch(&mut self, position: u64) {
        self.first.get_or_insert_with(|| (position, Instant::now()));
    }

    /// Journal position of the first entry, and when it was taken; `None`: nothing was.
    pub(crate) fn first(&self) -> Option<(u64, Instant)> {
        self.first
    }

    /// Takes a record; returns the number of its points.
    pub(crate) fn push(&mut self, record: &Record, position: u64, set: &mut SeriesSet) -> usize {
        self.touch(position);
        let index = self.records.len() as u32;
        let (lines, refused) = (&mut self.lines, &mut self.refused);
        let before = lines.len();
        let mut dead = false;
        let each = |result| match result {
            Ok(end) => lines.push((end, index)),
            Err((why, point)) => {
                let why: line::LineError = why;
                dead = true;
                refused.push(DeadLetter { position, line: point, reason: why.to_string() });
            }
        };
        line::write_record_if(record, &mut self.text, |series| set.admit(series), each);
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

    /// What a line overwrites: its series and its time.
    pub(crate) fn place(&self, i: usize) -> (&str, &str) {
        let text = self.text(&(i..i + 1)).trim_end();
        let time = text.rsplit(' ').next().unwrap_or_default();
        (line::series_of(text), time)
    }

    /// Closes the batch: the server refused these lines for good.
    pub(crate) fn finish(&self, dead: Vec<(usize, String)>, count_from: u64) -> Finished {
        let mut letters = self.refused.clone();
        let mut dead_records: HashSet<u32> = HashSet::new();
        let dead_lines = dead.len();
        for (i, reason) in dead {
            let line = self.text(&(i..i + 1)).trim_end_matches('\n').to_owned();
            let Some(&(_, record)) = self.lines.get(i) else { continue };
            let Some(mark) = self.records.get(record as usize) else { continue };
            dead_records.insert(record);
            letters.push(DeadLetter { position: mark.position, line, reason });
        }
        let (mut stored, mut refused) = (Tally::default(), Tally::default());
        for (i, mark) in self.records.iter().enumerate().filter(|(_, m)| m.position >= count_from) {
            let dead = mark.dead || dead_records.contains(&(i as u32));
            let tally = if dead { &mut refused } else { &mut stored };
            tally.add(mark.source);
        }
        let points = self.lines.len() - dead_lines;
        Finished { letters, stored, dead: refused, points, lines: self.lines.len() }
    }
}

/// A batch whose lines all have an answer.
#[derive(Debug)]
pub(crate) struct Finished {
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

#[cfg(test)]
mod tests {
    use ioc_model::{Body, Quality, Timestamp, Values};

    use super::*;

    #[test]
    fn a_place_is_the_series_and_the_time_and_not_the_value() {
        let (mut batch, mut set) = (Batch::default(), SeriesSet::new(10));
        for (device, value, time) in [("a value=1", 1.0, 5), ("a value=1", 2.0, 5), ("b", 1.0, 5)] {
            let mut values = Values::new();
            values.push(("pm25".into(), value));
            let record = Record {
                device: device.into(),
                area: "a".into(),
                service: "air".into(),
                source: 0,
                time: Timestamp(time),
                received: Timestamp(0),
                seq: None,
                clock_clamped: false,
                derived: false,
                body: Body::Observation { quality: Quality::Good, values },
            };
            batch.push(&record, 0, &mut set);
        }
        let places = [0, 1, 2].map(|i| batch.place(i));
        assert_eq!(places[0].0, "air,area=a,device=a\\ value\\=1,property=pm25");
        assert_eq!(places[0].0, places[1].0);
        assert_ne!(places[0].1, places[1].1, "the tie-break tells them apart");
        assert_ne!(places[0].0, places[2].0);
    }
}
