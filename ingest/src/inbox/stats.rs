//! Counters of one device.

use std::collections::BTreeMap;

use ioc_model::{QuarantineReason, Timestamp};

use super::cadence::Cadence;
use super::clock::Clock;

/// Minutes of which the messages are counted one by one.
const MINUTES: usize = 4;
const MINUTE_MS: i64 = 60_000;

const REASONS: usize = QuarantineReason::ALL.len();

/// What a message was, for counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Accepted,
    Duplicate,
    Refused(QuarantineReason),
    Shed,
}

/// About 200 bytes: there may be a million.
#[derive(Clone, Debug)]
pub(super) struct Stats {
    /// Hash of the device's id.
    pub(super) key: u64,
    pub(super) accepted: u64,
    pub(super) last: Timestamp,
    /// Last accepted message: when it came, and of what time it was.
    fresh: (Timestamp, Timestamp),
    /// Made by the first refusal.
    refused_by: Option<Box<[u32; REASONS]>>,
    pub(super) duplicates: u32,
    pub(super) shed: u32,
    /// Of the minute of `last`, and those before it.
    minutes: [u32; MINUTES],
    /// Minutes that `minutes` speaks of.
    known: u8,
    pub(super) cadence: Cadence,
    pub(super) clock: Clock,
    pub(super) seen: super::names::Seen,
    /// Seconds (the low bits) in which a message without and with a remark was kept last.
    kept: [u16; 2],
}

impl Stats {
    pub(super) fn new(key: u64) -> Self {
        Self {
            key,
            accepted: 0,
            last: Timestamp::default(),
            fresh: Default::default(),
            refused_by: None,
            duplicates: 0,
            shed: 0,
            minutes: [0; MINUTES],
            known: 0,
            cadence: Cadence::default(),
            clock: Clock::default(),
            seen: super::names::Seen::default(),
            kept: [0; 2],
        }
    }

    /// Counts a message that came at `at`.
    pub(super) fn count(&mut self, at: Timestamp, kind: Kind) {
        self.count_minute(at);
        self.last = at;
        let add = |n: &mut u32| *n = n.saturating_add(1);
        match kind {
            Kind::Accepted => self.accepted += 1,
            Kind::Duplicate => add(&mut self.duplicates),
            Kind::Shed => add(&mut self.shed),
            Kind::Refused(reason) => {
                let by = self.refused_by.get_or_insert_with(|| Box::new([0; REASONS]));
                add(&mut by[reason as usize]);
            }
        }
    }

    fn count_minute(&mut self, at: Timestamp) {
        let gone = at.0.div_euclid(MINUTE_MS) - self.last.0.div_euclid(MINUTE_MS);
        if self.known == 0 {
            self.known = 1;
        } else if gone > 0 {
            let gone = usize::try_from(gone).unwrap_or(MINUTES).min(MINUTES);
            self.minutes.rotate_right(gone);
            self.minutes[..gone].fill(0);
            self.known = (self.known + gone as u8).min(MINUTES as u8);
        }
        self.minutes[0] = self.minutes[0].saturating_add(1);
    }

    /// Learns from a message that says something new.
    pub(super) fn learn(&mut self, at: Timestamp, time: Timestamp) {
        // The first has nothing before it.
        if self.accepted > 1 {
            self.cadence.note(at.since_ms(self.fresh.0), time.since_ms(self.fresh.1));
        }
        self.fresh = (at, time);
    }

    /// Whether a message is to be kept: one in a second, and one more with a remark.
    pub(super) fn is_kept(&mut self, at: Timestamp, remarked: bool) -> bool {
        let second = at.0.div_euclid(1_000) as u16;
        std::mem::replace(&mut self.kept[usize::from(remarked)], second) != second
    }

    pub(super) fn refused(&self) -> u64 {
        self.by_reason().map(|(_, n)| n).sum()
    }

    pub(super) fn refused_by(&self) -> BTreeMap<&'static str, u64> {
        self.by_reason().filter(|(_, n)| *n > 0).collect()
    }

    fn by_reason(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = self.refused_by.as_deref().into_iter().flatten();
        QuarantineReason::ALL.iter().zip(counts).map(|(r, n)| (r.as_str(), u64::from(*n)))
    }

    /// Messages per minute over the last minutes, the one under way by what is gone of it.
    pub(super) fn rate_per_min(&self, now: Timestamp) -> f64 {
        let gone = now.0.div_euclid(MINUTE_MS) - self.last.0.div_euclid(MINUTE_MS);
        let gone = usize::try_from(gone.max(0)).unwrap_or(MINUTES).min(MINUTES);
        let still = &self.minutes[..MINUTES - gone];
        let messages: u64 = still.iter().map(|n| u64::from(*n)).sum();
        let whole = (usize::from(self.known) + gone).clamp(1, MINUTES) - 1;
        let part = now.0.rem_euclid(MINUTE_MS) as f64 / MINUTE_MS as f64;
        let minutes = whole as f64 + part;
        let rate = messages as f64 / minutes.max(1.0);
        (rate * 100.0).round() / 100.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64, second: i64) -> Timestamp {
        Timestamp(1_761_588_000_000 + minute * MINUTE_MS + second * 1_000)
    }

    #[test]
    fn the_rate_is_that_of_the_last_minutes() {
        let mut stats = Stats::new(1);
        for minute in 0..20 {
            for second in [5, 25, 45] {
                stats.count(at(minute, second), Kind::Accepted);
            }
        }
        assert_eq!(stats.rate_per_min(at(19, 60)), 3.0);
        assert_eq!(stats.rate_per_min(at(22, 0)), 1.0, "three of the four minutes are silent");
        assert_eq!(stats.rate_per_min(at(24, 59)), 0.0);
        assert_eq!(stats.rate_per_min(at(2_000_000, 0)), 0.0);
    }

    #[test]
    fn a_new_device_is_not_thought_slow() {
        let mut stats = Stats::new(1);
        for second in 0..60 {
            stats.count(at(0, second), Kind::Duplicate);
        }
        assert_eq!(stats.rate_per_min(at(1, 0)), 60.0);
    }
}
