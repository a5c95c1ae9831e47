//! The state of one ladder of limits on one entity: which level holds, since when a higher or
//! lower one is on its way.
//!
//! `since[j]` is, for a level above the present one, when its raise condition began to hold
//! without interruption; for the present level and those below, when its clear condition did.

use serde::{Deserialize, Serialize};

use crate::rule::{Ladder, MAX_LEVELS};

const UNSET: i64 = i64::MIN;

/// State of a ladder; 0 is "normal", 1 the lowest level.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct LevelState {
    pub(crate) level: u8,
    /// Start of the running or, if none runs, of the last episode.
    pub(crate) start: i64,
    /// Last value judged, and its time.
    pub(crate) value: f64,
    pub(crate) last: i64,
    since: Option<Box<[i64; MAX_LEVELS]>>,
}

impl Default for LevelState {
    fn default() -> Self {
        Self { level: 0, start: UNSET, value: f64::NAN, last: UNSET, since: None }
    }
}

/// A level that came or went.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Change {
    pub(crate) time: i64,
    /// Start of the episode it belongs to.
    pub(crate) start: i64,
    pub(crate) from: u8,
    pub(crate) to: u8,
    pub(crate) value: f64,
}

impl LevelState {
    /// Judges a value of time `t`, after firing what was due until `t` under the value before.
    /// `ok`: the further conditions hold.
    #[inline]
    pub(crate) fn observe(
        &mut self,
        ladder: &Ladder,
        limits: &[(f64, f64)],
        (t, value, ok): (i64, f64, bool),
        out: &mut impl FnMut(Change),
    ) {
        if ladder.for_ms == 0 && ladder.clear_for_ms == 0 {
            (self.value, self.last) = (value, t);
            let to = self.target(ladder, limits, value, ok);
            if to != self.level {
                self.change(t, to, out);
            }
            return;
        }
        self.advance(ladder, t, out);
        (self.value, self.last) = (value, t);
        self.mark(ladder, limits, (t, value, ok));
        self.advance(ladder, t, out);
    }

    /// The level this value leads to at once.
    #[inline]
    fn target(&self, ladder: &Ladder, limits: &[(f64, f64)], value: f64, ok: bool) -> u8 {
        let mut to = 0;
        if !ok {
            return to;
        }
        for (i, (level, (raise, clear))) in ladder.levels.iter().zip(limits).enumerate() {
            let n = i as u8 + 1;
            let holds = level.raise_op.holds(value, *raise)
                || (n <= self.level && !level.clear_op.holds(value, *clear));
            if holds {
                to = n;
            }
        }
        to
    }

    fn mark(&mut self, ladder: &Ladder, limits: &[(f64, f64)], (t, value, ok): (i64, f64, bool)) {
        for (i, (level, (raise, clear))) in ladder.levels.iter().zip(limits).enumerate() {
            let pending = if i as u8 + 1 > self.level {
                ok && level.raise_op.holds(value, *raise)
            } else {
                !ok || level.clear_op.holds(value, *clear)
            };
            match (&mut self.since, pending) {
                (None, false) => {}
                (since, true) => {
                    let slot = &mut since.get_or_insert_with(|| Box::new([UNSET; MAX_LEVELS]))[i];
                    if *slot == UNSET {
                        *slot = t;
                    }
                }
                (Some(since), false) => since[i] = UNSET,
            }
        }
    }

    /// Fires every `for` and `clear_for` that ends at or before `until`.
    pub(crate) fn advance(&mut self, ladder: &Ladder, until: i64, out: &mut impl FnMut(Change)) {
        while let Some((deadline, to)) = self.due(ladder) {
            if deadline > until {
                return;
            }
            self.change(deadline, to, out);
        }
    }

    /// When the next level comes or goes if nothing else is heard.
    pub(crate) fn next_deadline(&self, ladder: &Ladder) -> Option<i64> {
        self.due(ladder).map(|(deadline, _)| deadline)
    }

    fn due(&self, ladder: &Ladder) -> Option<(i64, u8)> {
        let since = self.since.as_ref()?;
        let n = ladder.levels.len();
        let level = usize::from(self.level);
        let ends = |i: usize, ms: i64| (since[i] != UNSET).then(|| since[i].saturating_add(ms));
        let up = (level..n).filter_map(|i| ends(i, ladder.for_ms)).min();
        let down = (0..level).filter_map(|i| ends(i, ladder.clear_for_ms)).min();
        match (up, down) {
            (None, None) => None,
            (Some(d), down) if down.is_none_or(|other| d <= other) => {
                let to = (level..n).rev().find(|i| ends(*i, ladder.for_ms).is_some_and(|e| e <= d));
                to.map(|i| (d, i as u8 + 1))
            }
            (_, Some(d)) => {
                let to = (0..level).find(|i| ends(*i, ladder.clear_for_ms).is_some_and(|e| e <= d));
                to.map(|i| (d, i as u8))
            }
            (Some(_), None) => None,
        }
    }

    fn change(&mut self, time: i64, to: u8, out: &mut impl FnMut(Change)) {
        let from = std::mem::replace(&mut self.level, to);
        if from == 0 {
            self.start = next_start(self.start, time);
        }
        if let Some(since) = &mut self.since {
            let (low, high) = (from.min(to), from.max(to));
            since[usize::from(low)..usize::from(high)].fill(UNSET);
        }
        out(Change { time, start: self.start, from, to, value: self.value });
    }
}

/// The start of a new episode at `time`: a moment later if the one before began at that very
/// moment, because (rule, entity, start) names an episode.
pub(crate) fn next_start(before: i64, time: i64) -> i64 {
    if before != UNSET && time <= before { before + 1 } else { time }
}
