//! Line protocol, as the InfluxDB store of this program writes it.

use std::io::{self, Write};
use std::sync::Arc;

use ioc_model::line::{LineError, LinePoint, write_point};
use ioc_model::{Point, ScanMark, SeriesKey, Timestamp};

use super::columns::Column;
use super::pages::Rows;
use super::run::Encode;
use super::select::Facts;

/// Series named at the end because they have points without a line.
const MAX_NAMED: usize = 100;
/// Measurement and area of a device that is not known any more; both must not be empty.
const UNKNOWN: &str = "unassigned";
/// Nanoseconds of a millisecond: so many points of one series can have one.
const NANOS: usize = 1_000_000;

pub(super) struct Lines {
    column: Option<Column>,
    text: String,
    refused: u64,
    /// Series, its points without a line, and why the first of them has none.
    named: Vec<(SeriesKey, u64, LineError)>,
}

impl Lines {
    pub fn new(columns: &[Column]) -> Self {
        let column = columns.first().copied();
        Self { column, text: String::new(), refused: 0, named: Vec::new() }
    }

    fn line(&mut self, facts: &Facts, p: &Point, ordinal: usize) {
        let nanos = p.time.0.checked_mul(NANOS as i64).and_then(|t| {
            (ordinal < NANOS).then_some(())?;
            t.checked_add(ordinal as i64)
        });
        let written = nanos.ok_or(LineError::Time).and_then(|nanos| {
            let point = LinePoint {
                service: or_unknown(&facts.service),
                area: or_unknown(&facts.area),
                device: &facts.key.device,
                property: &facts.key.property,
                value: p.value,
                quality: p.quality,
                nanos,
            };
            write_point(&point, &mut self.text)
        });
        let Err(error) = written else { return };
        self.refused += 1;
        let full = self.named.len() >= MAX_NAMED;
        match self.named.last_mut().filter(|(key, ..)| *key == facts.key) {
            Some((_, n, _)) => *n += 1,
            None if full => {}
            None => self.named.push((facts.key.clone(), 1, error)),
        }
    }

    fn points(&mut self, facts: &Facts, at: ScanMark, points: &[Point]) {
        let (mut time, mut next): (Timestamp, usize) = (at.time, at.skip);
        for p in points {
            if p.time != time {
                (time, next) = (p.time, 0);
            }
            self.line(facts, p, next);
            next += 1;
        }
    }
}

fn or_unknown(text: &str) -> &str {
    if text.is_empty() { UNKNOWN } else { text }
}

impl Encode for Lines {
    fn rows(&mut self, facts: &Arc<Facts>, rows: Rows, out: &mut Vec<u8>) -> io::Result<()> {
        match (rows, self.column) {
            (Rows::Points(at, points), _) => self.points(facts, at, &points),
            (Rows::Windows(windows), Some(column)) => {
                for w in windows {
                    // A window without a usable point has no value: there is no line to write.
                    if let Some(value) = column.value(&w) {
                        let p = Point { time: w.start, value, quality: w.quality() };
                        self.line(facts, &p, 0);
                    }
                }
            }
            (Rows::Windows(_), None) => {}
        }
        out.extend_from_slice(self.text.as_bytes());
        self.text.clear();
        Ok(())
    }

    fn end(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        if self.refused == 0 {
            return Ok(());
        }
        writeln!(out, "# {} points have no line protocol and are not here:", self.refused)?;
        let clean = |text: &str| -> String {
            text.chars().take(128).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
        };
        for (key, n, error) in &self.named {
            let (device, property) = (clean(&key.device), clean(&key.property));
            writeln!(out, "# {n} of device `{device}` property `{property}`: {error}")?;
        }
        let rest = self.refused - self.named.iter().map(|(_, n, _)| n).sum::<u64>();
        if rest > 0 {
            writeln!(out, "# {rest} of further series")?;
        }
        Ok(())
    }

    fn unwritable(&self) -> u64 {
        self.refused
    }
}
