//! Where in the journal a period begins.

use ioc_journal::Archive;
use ioc_model::{Entry, Timestamp};
use ioc_rules::ClockMode;

use super::{BacktestError, Job, MIN_WARM_UP_MS};
use crate::stages::EntryCodec;

/// Batches looked at to know whether a clock ticked when the journal was written.
const LOOK_FOR_TICKS: usize = 2_000;

/// An opened journal and where to begin.
pub(super) struct Source {
    pub archive: Archive<EntryCodec>,
    /// Position where the warm-up begins.
    pub start: u64,
    /// The journal was written beside a ticking clock.
    pub has_ticks: bool,
    /// First and last moment of the journal.
    pub first: Timestamp,
    pub last: Timestamp,
}

impl Source {
    pub fn open(job: &Job) -> Result<Self, BacktestError> {
        let (from, to) = (job.from, job.to);
        if from >= to {
            return Err(BacktestError::Empty { from, to });
        }
        let archive = Archive::open(&job.journal, EntryCodec)?;
        let has_ticks = job.engine.clock == ClockMode::Wall && has_ticks(&archive)?;
        let none = || BacktestError::NoJournal(job.journal.clone());
        let first = time_at(&archive, archive.first(), has_ticks)?.ok_or_else(none)?;
        let last = time_at(&archive, archive.next().saturating_sub(1), has_ticks)?;
        let last = last.unwrap_or(first).max(first);
        if to <= first || from > last {
            return Err(BacktestError::OutOfReach { first, last, from, to });
        }
        if from < first {
            return Err(BacktestError::Retained { first, from });
        }
        let longest = [Some(&job.rules), job.against.as_ref()];
        let longest = longest.into_iter().flatten().map(|r| r.longest_span_ms()).max();
        let warm_up = job.warm_up_ms.unwrap_or_else(|| longest.unwrap_or(0).max(MIN_WARM_UP_MS));
        let start = start_of(&archive, from.plus_ms(-warm_up), has_ticks)?;
        Ok(Self { archive, start, has_ticks, first, last })
    }
}

fn has_ticks(archive: &Archive<EntryCodec>) -> Result<bool, BacktestError> {
    // The newest segment: the centre may have run with another clock before.
    let newest = archive.starts().last().copied().unwrap_or(0);
    for batch in archive.read(newest).take(LOOK_FOR_TICKS) {
        if batch?.entries.iter().any(|e| matches!(e, Entry::Tick(_))) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Time of the batch around `position`: that of its tick, else of its first record.
fn time_at(
    archive: &Archive<EntryCodec>,
    position: u64,
    has_ticks: bool,
) -> Result<Option<Timestamp>, BacktestError> {
    let Some(batch) = archive.read(position).next().transpose()? else { return Ok(None) };
    let tick = batch.entries.iter().find_map(|e| match e {
        Entry::Tick(t) => Some(*t),
        Entry::Record(_) => None,
    });
    let record = batch.entries.iter().find_map(|e| match e {
        Entry::Record(r) => Some(if has_ticks { r.received } else { r.time }),
        Entry::Tick(_) => None,
    });
    Ok(if has_ticks { tick.or(record) } else { record })
}

/// The start of the last segment that begins at or before `t`; one earlier where only the
/// readings' own times say when that was, because they are not in order.
fn start_of(
    archive: &Archive<EntryCodec>,
    t: Timestamp,
    has_ticks: bool,
) -> Result<u64, BacktestError> {
    let starts = archive.starts();
    let (mut low, mut high) = (0, starts.len());
    while low < high {
        let middle = low.midpoint(high);
        match time_at(archive, starts[middle], has_ticks)? {
            Some(begins) if begins > t => high = middle,
            _ => low = middle + 1,
        }
    }
    let back = if has_ticks { 1 } else { 2 };
    Ok(starts.get(low.saturating_sub(back)).copied().unwrap_or_else(|| archive.first()))
}
