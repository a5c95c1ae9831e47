//! Timers of all slots in one heap, with lazy deletion.
//!
//! A slot has at most one living timer, `armed`. It may ring too early (the deadline moved on
//! since): the slot then arms again. So a reading that only moves a deadline back costs nothing.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// `armed` of a slot without a timer.
pub(crate) const NEVER: i64 = i64::MAX;

/// A timer: when, rule, slot. Equal times ring in the order of rules, then slots.
type Timer = (i64, u32, u32);

#[derive(Debug, Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<Timer>>,
}

impl Timers {
    /// Makes sure the slot's timer rings at `at` or before.
    #[inline]
    pub(crate) fn arm(&mut self, armed: &mut i64, at: i64, (rule, slot): (u32, u32)) {
        if at < *armed {
            *armed = at;
            self.heap.push(Reverse((at, rule, slot)));
        }
    }

    /// The next timer due at or before `now`; the caller drops it unless it is the slot's `armed`.
    #[inline]
    pub(crate) fn pop_due(&mut self, now: i64) -> Option<Timer> {
        if self.heap.peek()?.0.0 > now {
            return None;
        }
        self.heap.pop().map(|Reverse(timer)| timer)
    }

    /// Timers in the heap, dead ones included.
    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }
}
