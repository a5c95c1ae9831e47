//! A queue of parts with their combination at hand: two stacks (Tangwongsan, Hirzel, Schneider,
//! "Optimal and general out-of-order sliding-window aggregation", PVLDB 2019, section 2). Adding
//! and dropping cost O(1) amortised whatever the length, and sums are never subtracted.

use serde::{Deserialize, Serialize};

use super::aggregate::{Aggregate, Moments};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Stacks {
    /// Oldest last; each with the combination of itself and all newer ones of this stack.
    front: Vec<(i64, Moments)>,
    /// Newest last.
    back: Vec<(i64, Moments)>,
    back_sum: Moments,
}

impl Default for Stacks {
    fn default() -> Self {
        Self { front: Vec::new(), back: Vec::new(), back_sum: Moments::EMPTY }
    }
}

impl Stacks {
    pub(super) fn push(&mut self, at: i64, part: Moments, aggregate: Aggregate) {
        self.back.push((at, part));
        self.back_sum = self.back_sum.and(&part, aggregate);
    }

    /// Adds a reading; to the newest part if `joins` says so of its time, which it then has.
    pub(super) fn add(
        &mut self,
        at: i64,
        v: f64,
        aggregate: Aggregate,
        joins: impl FnOnce(i64) -> bool,
    ) {
        self.back_sum.add(v, aggregate);
        if let Some((last, part)) = self.back.last_mut().filter(|(last, _)| joins(*last)) {
            *last = at;
            part.add(v, aggregate);
            return;
        }
        let mut part = Moments::EMPTY;
        part.add(v, aggregate);
        self.back.push((at, part));
    }

    pub(super) fn oldest(&self) -> Option<i64> {
        self.front.last().or_else(|| self.back.first()).map(|(at, _)| *at)
    }

    pub(super) fn len(&self) -> usize {
        self.front.len() + self.back.len()
    }

    /// Drops the parts up to `last`.
    pub(super) fn evict(&mut self, last: i64, aggregate: Aggregate) {
        loop {
            while self.front.last().is_some_and(|(at, _)| *at <= last) {
                self.front.pop();
            }
            if !self.front.is_empty() || self.back.first().is_none_or(|(at, _)| *at > last) {
                return;
            }
            let mut sum = Moments::EMPTY;
            for (at, part) in self.back.drain(..).rev() {
                sum = part.and(&sum, aggregate);
                self.front.push((at, sum));
            }
            self.back_sum = Moments::EMPTY;
        }
    }

    pub(super) fn combined(&self, aggregate: Aggregate) -> Moments {
        match self.front.last() {
            None => self.back_sum,
            Some((_, part)) if self.back.is_empty() => *part,
            Some((_, part)) => part.and(&self.back_sum, aggregate),
        }
    }

    pub(super) fn heap_bytes(&self) -> usize {
        (self.front.capacity() + self.back.capacity()) * size_of::<(i64, Moments)>()
    }
}
