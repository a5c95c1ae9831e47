//! The state of one ladder of limits on one entity: which level holds, since when a higher or
//! lower one is on its way, and what holds it back.
//!
//! `since[j]` is, for a level above the present one, when its raise condition began to hold
//! without interruption; for the present level and those below, when its clear condition did.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::kinds::Verdict;
use crate::rule::{Chatter, Eras, Ladder, LimitSet, MAX_LEVELS};

pub(crate) const UNSET: i64 = i64::MIN;

/// The rule is outside its hours.
pub(crate) const CLOSED: u8 = 1;
/// An alert of another rule holds this one back.
pub(crate) const INHIBITED: u8 = 2;
/// The further conditions did not hold at the last verdict.
const NOT_OK: u8 = 4;
/// The present or, if none runs, the last episode was one of too many: it is held longer.
const CHATTERS: u8 = 8;

/// State of a ladder; 0 is "normal", 1 the lowest level.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct LevelState {
    pub(crate) level: u8,
    pub(crate) flags: u8,
    /// Start of the running or, if none runs, of the last episode.
    pub(crate) start: i64,
    /// Time of the last raise or clear; the next is not before it.
    stamp: i64,
    /// Last value judged, and its time.
    pub(crate) value: f64,
    pub(crate) last: i64,
    since: Option<Box<[i64; MAX_LEVELS]>>,
    /// Times of the last raises, oldest first; only of rules that hold what chatters.
    raises: Option<Box<SmallVec<[i64; 3]>>>,
}

impl Default for LevelState {
    fn default() -> Self {
        Self {
            level: 0,
            flags: 0,
            start: UNSET,
            stamp: UNSET,
            value: f64::NAN,
            last: UNSET,
            since: None,
            raises: None,
        }
    }
}

/// The limits at a time.
#[inline]
pub(crate) fn era(eras: &Eras, t: i64) -> &LimitSet {
    match eras.as_slice() {
        [only] => &only.1,
        all => &all[all.partition_point(|(from, _)| *from <= t).max(1) - 1].1,
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
    /// Judges a verdict, after firing what was due until then under the value before.
    #[inline]
    pub(crate) fn observe(
        &mut self,
        ladder: &Ladder,
        limits: &[(f64, f64)],
        v: Verdict,
        out: &mut impl FnMut(Change),
    ) {
        if v.t < self.last {
            return;
        }
        let instant = ladder.for_ms == 0 && ladder.clear_for_ms == 0 && ladder.chatter.is_none();
        if !instant {
            self.advance(ladder, v.t, out);
        }
        (self.value, self.last) = (v.value, v.t);
        self.flags = if v.ok { self.flags & !NOT_OK } else { self.flags | NOT_OK };
        if self.flags & CLOSED != 0 {
            return;
        }
        if instant {
            let to = self.target(ladder, limits, v.value, v.ok);
            if to != self.level && !(self.level == 0 && self.flags & INHIBITED != 0) {
                self.change(ladder, (v.t, to), out);
            }
            return;
        }
        self.mark(ladder, limits, (v.t, v.value, v.ok));
        self.advance(ladder, v.t, out);
    }

    /// The hours of the rule begin or end at `t`: what runs outside them clears, what holds when
    /// they begin counts from then.
    pub(crate) fn set_closed(
        &mut self,
        closed: bool,
        (ladder, limits, t): (&Ladder, &[(f64, f64)], i64),
        out: &mut impl FnMut(Change),
    ) {
        if closed == (self.flags & CLOSED != 0) {
            return;
        }
        self.flags ^= CLOSED;
        if closed {
            if self.level > 0 {
                self.change(ladder, (t, 0), out);
            }
            self.since = None;
        } else {
            self.again(ladder, limits, t, out);
        }
    }

    /// An alert of another rule begins or ends holding this one back at `t`.
    pub(crate) fn set_inhibited(
        &mut self,
        inhibited: bool,
        (ladder, limits, t): (&Ladder, &[(f64, f64)], i64),
        out: &mut impl FnMut(Change),
    ) {
        if inhibited == (self.flags & INHIBITED != 0) {
            return;
        }
        self.flags ^= INHIBITED;
        if !inhibited && self.flags & CLOSED == 0 && self.level == 0 {
            match self.due(ladder) {
                // Its time ran out while it was held back.
                Some((deadline, to)) if deadline <= t => self.change(ladder, (t, to), out),
                Some(_) => {}
                None => self.again(ladder, limits, t, out),
            }
        }
    }

    /// Judges the last value once more.
    fn again(
        &mut self,
        ladder: &Ladder,
        limits: &[(f64, f64)],
        t: i64,
        out: &mut impl FnMut(Change),
    ) {
        if self.last != UNSET {
            let (t, ok) = (t.max(self.last), self.flags & NOT_OK == 0);
            self.observe(ladder, limits, Verdict { t, value: self.value, ok }, out);
        }
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
                || (n <= self.level && !level.clears(value, *clear));
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
                !ok || level.clears(value, *clear)
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
            if deadline > until || (self.level == 0 && self.flags & (INHIBITED | CLOSED) != 0) {
                return;
            }
            self.change(ladder, (deadline, to), out);
        }
    }

    /// Since when a higher level, and since when a lower one, has been on its way.
    pub(crate) fn pending(&self) -> [Option<i64>; 2] {
        let Some(since) = &self.since else { return [None, None] };
        let level = usize::from(self.level).min(MAX_LEVELS);
        let first = |part: &[i64]| part.iter().copied().filter(|t| *t != UNSET).min();
        [first(&since[level..]), first(&since[..level])]
    }

    /// When the next level comes or goes if nothing else is heard.
    pub(crate) fn next_deadline(&self, ladder: &Ladder) -> Option<i64> {
        // What is held back waits for an event, not for a time.
        if self.level == 0 && self.flags & (INHIBITED | CLOSED) != 0 {
            return None;
        }
        self.due(ladder).map(|(deadline, _)| deadline)
    }

    fn due(&self, ladder: &Ladder) -> Option<(i64, u8)> {
        let since = self.since.as_ref()?;
        let n = ladder.levels.len();
        let level = usize::from(self.level);
        let ends = |i: usize, ms: i64| (since[i] != UNSET).then(|| since[i].saturating_add(ms));
        let up = (level..n).filter_map(|i| ends(i, ladder.for_ms)).min();
        let clear_for_ms = self.clear_for(ladder);
        let down = (0..level).filter_map(|i| ends(i, clear_for_ms)).min();
        match (up, down) {
            (None, None) => None,
            (Some(d), down) if down.is_none_or(|other| d <= other) => {
                let to = (level..n).rev().find(|i| ends(*i, ladder.for_ms).is_some_and(|e| e <= d));
                to.map(|i| (d, i as u8 + 1))
            }
            (_, Some(d)) => {
                let to = (0..level).find(|i| ends(*i, clear_for_ms).is_some_and(|e| e <= d));
                to.map(|i| (d, i as u8))
            }
            (Some(_), None) => None,
        }
    }

    /// How long the condition has to be gone.
    fn clear_for(&self, ladder: &Ladder) -> i64 {
        let hold = self.held_for(ladder).unwrap_or(0);
        hold.max(ladder.clear_for_ms)
    }

    /// Time for which a chattering episode is held, ms; `None` if it does not chatter.
    pub(crate) fn held_for(&self, ladder: &Ladder) -> Option<i64> {
        ladder.chatter.filter(|_| self.flags & CHATTERS != 0).map(|c| c.hold_ms)
    }

    /// Takes note of a raise.
    fn count_raise(&mut self, chatter: Chatter, time: i64) {
        let raises = self.raises.get_or_insert_default();
        if raises.len() == usize::from(chatter.raises) {
            raises.remove(0);
        }
        raises.push(time);
        let full = raises.len() == usize::from(chatter.raises);
        let chatters = full && time.saturating_sub(raises[0]) <= chatter.within_ms;
        self.flags = if chatters { self.flags | CHATTERS } else { self.flags & !CHATTERS };
    }

    fn change(&mut self, ladder: &Ladder, (time, to): (i64, u8), out: &mut impl FnMut(Change)) {
        let from = std::mem::replace(&mut self.level, to);
        let time = time.max(self.stamp);
        self.stamp = time;
        if from == 0 {
            self.start = next_start(self.start, time);
            if let Some(chatter) = ladder.chatter {
                self.count_raise(chatter, time);
            }
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
