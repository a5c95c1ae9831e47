//! The load over time: periods, floods, rates.

use std::collections::HashSet;

use super::episode::{Episode, HELD, Sample};
use super::targets::Counting;

pub(crate) const TEN_MIN: i64 = 600_000;
pub(crate) const HOUR: i64 = 3_600_000;
pub(crate) const DAY: i64 = 86_400_000;

/// The time a report is about, and by how many positions its load is shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Inclusive.
    pub from: i64,
    /// Exclusive, after `from`.
    pub to: i64,
    /// At least 1.
    pub positions: u32,
}

impl Asked {
    /// Raised in the time.
    pub fn covers(&self, e: &Episode) -> bool {
        (self.from..self.to).contains(&e.raised)
    }

    /// Raised in the time and put on the operators' list: load.
    pub fn loads(&self, e: &Episode) -> bool {
        self.covers(e) && !e.is(HELD)
    }

    /// How many periods of `step` it has; they begin at `from`, the last may be cut short.
    pub fn periods(&self, step: i64) -> usize {
        let span = self.to.saturating_sub(self.from);
        usize::try_from(span.saturating_add(step - 1) / step).unwrap_or(0)
    }

    /// `count` for each `step` and position; nothing when the time is shorter than that.
    pub fn rate(&self, count: usize, step: i64) -> Option<f64> {
        let span = self.to.saturating_sub(self.from);
        (span >= step).then(|| count as f64 * step as f64 / span as f64 / f64::from(self.positions))
    }

    pub fn per_position(&self, count: u32) -> f64 {
        f64::from(count) / f64::from(self.positions)
    }
}

/// Ten minutes each, no gaps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Load {
    pub alarms: Vec<u32>,
    pub incidents: Vec<u32>,
    pub flood: Vec<bool>,
}

impl Load {
    pub fn of(sample: &Sample, asked: &Asked, counting: &Counting) -> Self {
        let n = asked.periods(TEN_MIN);
        let (mut alarms, mut incidents) = (vec![0u32; n], vec![0u32; n]);
        // An incident is load once: when its first listed alert comes.
        let mut seen: HashSet<u64> = HashSet::new();
        for e in sample.episodes.iter().filter(|e| asked.loads(e)) {
            let i = usize::try_from((e.raised - asked.from) / TEN_MIN).unwrap_or(0);
            if let Some(n) = alarms.get_mut(i) {
                *n += 1;
            }
            let begins =
                e.incident == 0 || (sample.begun.contains(&e.incident) && seen.insert(e.incident));
            if let Some(n) = incidents.get_mut(i).filter(|_| begins) {
                *n += 1;
            }
        }
        let flood = floods(&alarms, asked, counting);
        Self { alarms, incidents, flood }
    }

    /// Alarms of periods of `times` ten minutes.
    pub fn alarms_by(&self, times: usize) -> impl Iterator<Item = u32> {
        self.alarms.chunks(times.max(1)).map(|c| c.iter().sum())
    }
}

/// ISA-18.2: a flood begins with the first ten minutes above the limit and ends with the first
/// below the lower one. What was before the time asked for is not known: it begins without one.
fn floods(alarms: &[u32], asked: &Asked, counting: &Counting) -> Vec<bool> {
    let (above, below) = (
        u64::from(counting.period_over) * u64::from(asked.positions),
        u64::from(counting.flood_ends_below) * u64::from(asked.positions),
    );
    let mut on = false;
    alarms
        .iter()
        .map(|n| {
            let n = u64::from(*n);
            on = n > above || (on && n >= below);
            on
        })
        .collect()
}

/// Part of `all`, %; nothing of nothing.
pub(crate) fn percent(part: usize, all: usize) -> Option<f64> {
    (all > 0).then(|| 100.0 * part as f64 / all as f64)
}

/// The value that so many percent are not above (nearest rank), of sorted values.
pub(crate) fn percentile(sorted: &[i64], percent: usize) -> Option<i64> {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

/// Seconds of ms.
pub(crate) fn seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::super::targets::Targets;
    use super::*;

    fn asked(positions: u32) -> Asked {
        Asked { from: 0, to: 8 * TEN_MIN, positions }
    }

    #[test]
    fn a_flood_goes_on_until_it_falls_below_five() {
        let counting = Targets::default().counting;
        let flood = |alarms: &[u32], positions| floods(alarms, &asked(positions), &counting);
        assert_eq!(
            flood(&[10, 11, 5, 4, 9, 30, 6, 0], 1),
            [false, true, true, false, false, true, true, false]
        );
        assert_eq!(flood(&[20, 21, 10, 9], 2), [false, true, true, false], "per position");
    }

    #[test]
    fn percentiles_are_values_that_occurred() {
        assert_eq!(percentile(&[], 50), None);
        assert_eq!(percentile(&[7], 50), Some(7));
        assert_eq!(percentile(&[1, 2, 3, 4], 50), Some(2));
        assert_eq!(percentile(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 90), Some(9));
        assert_eq!(percentile(&[1, 2, 3], 100), Some(3));
    }

    #[test]
    fn no_rate_is_made_up_from_a_shorter_time() {
        let hour = Asked { from: 0, to: HOUR, positions: 2 };
        assert_eq!(hour.rate(12, HOUR), Some(6.0));
        assert_eq!(hour.rate(12, TEN_MIN), Some(1.0));
        assert_eq!(hour.rate(12, DAY), None);
    }
}
