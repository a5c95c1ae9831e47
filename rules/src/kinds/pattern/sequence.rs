//! One sequence of one entity: how far each step has come.

use ioc_model::{Evidence, Name};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::{Moment, OFF, Seen, Step, chain_bytes};

/// What matched, step by step; at most [`Evidence::MAX_READINGS`].
pub(super) type Chain = SmallVec<[Seen; 1]>;

/// Starts of a wait that are closer together than this part of its time share one.
const SHARED: i64 = 8;

/// How far a sequence has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Sequence {
    pub(super) key: Option<Name>,
    /// Newest message that moved it.
    pub(super) touched: i64,
    /// The alert holds until then because of it.
    pub(super) until: i64,
    pub(super) slots: Vec<Slot>,
}

/// A step of a sequence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Slot {
    /// When the steps up to this one were last complete, the newest way; [`OFF`]: never.
    pub(super) t: i64,
    pub(super) chain: Chain,
    /// Absent: when what is missing last came.
    came: i64,
    /// Several times: the newest of them. Absent: the starts that wait, oldest first.
    pub(super) marks: Vec<Mark>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Mark {
    /// When the step before was complete.
    pub(super) since: i64,
    /// How.
    chain: Chain,
    /// What happened, for one of several times.
    seen: Option<Seen>,
    /// Tells events apart; the same event told again only moves.
    key: Option<u64>,
}

/// What a message did to a sequence.
#[derive(Default)]
pub(super) struct Moved {
    pub(super) matched: Option<Chain>,
    /// What the last step must miss has come.
    pub(super) refuted: bool,
}

impl Slot {
    fn new() -> Self {
        Self { t: OFF, chain: Chain::new(), came: OFF, marks: Vec::new() }
    }

    /// Complete before `t`, and the time after it is not over.
    fn reaches(&self, t: i64, within_ms: i64) -> bool {
        self.t != OFF && self.t <= t && t < self.t.saturating_add(within_ms)
    }
}

impl Sequence {
    pub(super) fn new(key: Option<Name>, steps: usize) -> Self {
        let mut slots = Vec::with_capacity(steps);
        slots.resize_with(steps, Slot::new);
        Self { key, touched: i64::MIN, until: OFF, slots }
    }

    /// A message that matches some step. From the last step to the first: one message moves a
    /// sequence by one step only.
    pub(super) fn advance(&mut self, steps: &[Step], moment: &Moment<'_>) -> Moved {
        let mut moved = Moved::default();
        for i in (0..steps.len()).rev().filter(|i| moment.matches(*i)) {
            let step = &steps[i];
            if step.absent {
                self.come(i, step.within_ms, moment);
                moved.refuted |= i + 1 == steps.len();
                continue;
            }
            let chain = if step.times > 1 {
                self.again(i, step, steps.len() - i, moment)
            } else {
                self.once(i, step, moment)
            };
            let Some(chain) = chain else { continue };
            if i + 1 == steps.len() {
                moved.matched = Some(chain);
            } else {
                self.pass(steps, i, moment.t, chain);
            }
        }
        moved
    }

    /// What step `i` waits for in vain has come: every wait that is not over ends.
    fn come(&mut self, i: usize, within_ms: i64, moment: &Moment<'_>) {
        let t = moment.t;
        let slot = &mut self.slots[i];
        slot.came = slot.came.max(t);
        slot.marks.retain(|m| t < m.since || over(m.since, within_ms, moment.heard) <= t);
    }

    fn once(&mut self, i: usize, step: &Step, moment: &Moment<'_>) -> Option<Chain> {
        let mut chain = Chain::new();
        if let Some(before) = i.checked_sub(1) {
            let before = &self.slots[before];
            if !before.reaches(moment.t, step.within_ms) {
                return None;
            }
            chain.extend(before.chain.iter().cloned());
        }
        chain.push(moment.seen(i));
        Some(chain)
    }

    /// One of several times; complete if the n-th newest began in time.
    fn again(&mut self, i: usize, step: &Step, left: usize, moment: &Moment<'_>) -> Option<Chain> {
        let t = moment.t;
        let times = step.times as usize;
        let (since, chain) = match i.checked_sub(1).map(|before| &self.slots[before]) {
            None => (t, Chain::new()),
            Some(before) if before.reaches(t, step.within_ms) => (before.t, before.chain.clone()),
            Some(_) => return None,
        };
        let marks = &mut self.slots[i].marks;
        let key = moment.event.map(|e| e.0);
        if key.is_some() {
            marks.retain(|m| m.key != key);
        }
        let at = marks.partition_point(|m| m.seen.as_ref().is_none_or(|s| s.t <= t));
        marks.insert(at, Mark { since, chain, seen: Some(moment.seen(i)), key });
        let excess = marks.len().saturating_sub(times);
        marks.drain(..excess);
        let newest = marks.last().and_then(|m| m.seen.as_ref()).map_or(t, |s| s.t);
        let first = marks.first().filter(|_| marks.len() == times)?;
        if first.since.saturating_add(step.within_ms) <= newest {
            return None;
        }
        // Each later step has room for one more in what evidence bears.
        let room = (Evidence::MAX_READINGS + 1).saturating_sub(first.chain.len() + left).max(1);
        let mut chain = first.chain.clone();
        let shown = marks.len().min(room);
        chain.extend(marks[marks.len() - shown..].iter().filter_map(|m| m.seen.clone()));
        Some(chain)
    }

    /// Step `i` is complete and not the last.
    fn pass(&mut self, steps: &[Step], i: usize, t: i64, chain: Chain) {
        let next = &steps[i + 1];
        if !next.absent {
            let slot = &mut self.slots[i];
            if t >= slot.t {
                (slot.t, slot.chain) = (t, chain);
            }
            return;
        }
        let slot = &mut self.slots[i + 1];
        if t <= slot.came {
            return; // It came at that very moment, or was heard before the start was.
        }
        let mark = Mark { since: t, chain, seen: None, key: None };
        let at = slot.marks.partition_point(|m| m.since <= t);
        match at.checked_sub(2).map(|before| slot.marks[before].since) {
            Some(before) if at == slot.marks.len() && t - before < next.within_ms / SHARED => {
                slot.marks[at - 1] = mark;
            }
            _ => slot.marks.insert(at, mark),
        }
    }

    /// When the oldest start of an absent step has waited for long enough.
    pub(super) fn waits_until(&self, i: usize, within_ms: i64, heard: i64) -> Option<i64> {
        self.slots[i].marks.first().map(|m| over(m.since, within_ms, heard))
    }

    /// The oldest start of absent step `i` has waited until `t` in vain; the match, if it is the
    /// last step.
    pub(super) fn lapse(&mut self, steps: &[Step], i: usize, t: i64) -> Option<Chain> {
        let mark = self.slots[i].marks.remove(0);
        self.touched = self.touched.max(t);
        if i + 1 == steps.len() {
            return Some(mark.chain);
        }
        self.pass(steps, i, t, mark.chain);
        None
    }

    pub(super) fn heap_bytes(&self) -> usize {
        let slot = |s: &Slot| {
            let marks = s.marks.iter().map(|m| chain_bytes(&m.chain)).sum::<usize>();
            chain_bytes(&s.chain) + marks + s.marks.capacity() * size_of::<Mark>()
        };
        self.slots.capacity() * size_of::<Slot>() + self.slots.iter().map(slot).sum::<usize>()
    }
}

/// When a wait is over; time in which nobody listened is no absence.
fn over(since: i64, within_ms: i64, heard: i64) -> i64 {
    since.max(heard).saturating_add(within_ms)
}
