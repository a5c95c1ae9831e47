//! The window `(t - size, t]`, judged at every reading and whenever readings leave it.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::aggregate::{Aggregate, Item, Moments, rank};
use super::pending::Pending;
use super::sketch::{key_of, value_of};
use super::stacks::Stacks;
use super::{Judged, Seen};

/// From so many readings on, those of one 1024th of the window leave together.
const MANY: usize = 1024;
/// So many readings are kept for percentiles and distinct; beyond, the oldest leave early.
pub(super) const MOST_VALUES: usize = 4096;

/// What the window needs of its rule.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) size_ms: i64,
    pub(super) grace_ms: i64,
    pub(super) aggregate: Aggregate,
}

/// The window of one entity: at most 2,050 parts of 64 bytes or 4,096 values of 32, and the
/// readings that wait for their grace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Each {
    content: Content,
    /// Newest moment judged: nothing may be judged before it.
    newest: i64,
    pending: Pending,
    pub(super) judged: Judged,
    /// Readings that came too late or found no place.
    pub(super) missed: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Content {
    Sums(Stacks),
    Sorted(Sorted),
}

/// Values in order of time and in order of size.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Sorted {
    queue: VecDeque<(i64, u64)>,
    /// Key and how many of it.
    sorted: Vec<(u64, u32)>,
}

impl Sorted {
    fn push(&mut self, t: i64, key: u64) {
        self.queue.push_back((t, key));
        match self.sorted.binary_search_by_key(&key, |(k, _)| *k) {
            Ok(i) => self.sorted[i].1 += 1,
            Err(i) => self.sorted.insert(i, (key, 1)),
        }
    }

    fn pop(&mut self) {
        let Some((_, key)) = self.queue.pop_front() else { return };
        if let Ok(i) = self.sorted.binary_search_by_key(&key, |(k, _)| *k) {
            self.sorted[i].1 -= 1;
            if self.sorted[i].1 == 0 {
                self.sorted.remove(i);
            }
        }
    }

    fn percentile(&self, p: f64) -> Option<f64> {
        let rank = rank(p, self.queue.len() as u64);
        let mut below = 0;
        self.sorted.iter().find_map(|(key, n)| {
            below += u64::from(*n);
            (below >= rank).then(|| value_of(*key))
        })
    }

    fn seen(&self, t: i64, aggregate: Aggregate) -> Seen {
        let mut moments = Moments { count: self.queue.len() as u64, ..Moments::EMPTY };
        let value = match aggregate {
            Aggregate::Percentile(p) => {
                let ends = self.sorted.first().zip(self.sorted.last());
                if let Some(((min, _), (max, _))) = ends {
                    (moments.min, moments.max) = (value_of(*min), value_of(*max));
                }
                self.percentile(p)
            }
            _ => Some(self.sorted.len() as f64),
        };
        Seen { t, moments, value, coarse: 0 }
    }
}

impl Each {
    pub(super) fn new(aggregate: Aggregate) -> Self {
        let content = if aggregate.keeps() {
            Content::Sorted(Sorted::default())
        } else {
            Content::Sums(Stacks::default())
        };
        let (pending, judged) = (Pending::default(), Judged::default());
        Self { content, newest: i64::MIN, pending, judged, missed: 0 }
    }

    pub(super) fn feed(&mut self, shape: Shape, item: Item, judge: &mut impl FnMut(Seen)) {
        if shape.grace_ms == 0 {
            return self.apply(shape, item, judge);
        }
        if let Some(item) = self.pending.push(item) {
            self.apply(shape, item, judge);
        }
    }

    /// Does everything up to `until`.
    pub(super) fn run(&mut self, shape: Shape, until: i64, judge: &mut impl FnMut(Seen)) {
        while let Some(item) = self.pending.pop(until) {
            self.apply(shape, item, judge);
        }
        self.leave(shape, until, judge);
    }

    /// Lets a reading in. One that is older than what was judged counts from then on.
    fn apply(&mut self, shape: Shape, item: Item, judge: &mut impl FnMut(Seen)) {
        if item.t.saturating_add(shape.size_ms) <= self.newest {
            self.missed = self.missed.saturating_add(1);
            return;
        }
        let t = item.t.max(self.newest);
        self.leave(shape, t, judge);
        match &mut self.content {
            Content::Sums(stacks) => {
                let many = stacks.len() >= MANY;
                let cell = (shape.size_ms / MANY as i64).max(1);
                let joins =
                    |last: i64| last == t || (many && last.div_euclid(cell) == t.div_euclid(cell));
                stacks.add(t, item.v, shape.aggregate, joins);
            }
            Content::Sorted(sorted) => {
                if sorted.queue.len() >= MOST_VALUES {
                    sorted.pop();
                    self.missed = self.missed.saturating_add(1);
                }
                let distinct = matches!(shape.aggregate, Aggregate::Distinct(_));
                sorted.push(t, if distinct { item.key } else { key_of(item.v) });
            }
        }
        self.newest = t;
        judge(self.seen(shape, t));
    }

    /// Readings leave at their time plus the size.
    fn leave(&mut self, shape: Shape, until: i64, judge: &mut impl FnMut(Seen)) {
        while let Some(oldest) = self.oldest() {
            let end = oldest.saturating_add(shape.size_ms);
            if end > until {
                return;
            }
            match &mut self.content {
                Content::Sums(stacks) => stacks.evict(oldest, shape.aggregate),
                Content::Sorted(sorted) => {
                    while sorted.queue.front().is_some_and(|(t, _)| *t <= oldest) {
                        sorted.pop();
                    }
                }
            }
            self.newest = self.newest.max(end);
            judge(self.seen(shape, self.newest));
        }
    }

    fn oldest(&self) -> Option<i64> {
        match &self.content {
            Content::Sums(stacks) => stacks.oldest(),
            Content::Sorted(sorted) => sorted.queue.front().map(|(t, _)| *t),
        }
    }

    fn seen(&self, shape: Shape, t: i64) -> Seen {
        match &self.content {
            Content::Sums(stacks) => {
                let moments = stacks.combined(shape.aggregate);
                Seen::of(t, moments, shape.aggregate, std::iter::empty)
            }
            Content::Sorted(sorted) => sorted.seen(t, shape.aggregate),
        }
    }

    pub(super) fn deadline(&self, shape: Shape) -> Option<i64> {
        let leaves = self.oldest().map(|t| t.saturating_add(shape.size_ms));
        leaves.into_iter().chain(self.pending.first()).min()
    }

    pub(super) fn open_count(&self, shape: Shape) -> u64 {
        self.seen(shape, self.newest).moments.count + self.pending.len() as u64
    }

    pub(super) fn heap_bytes(&self) -> usize {
        let content = match &self.content {
            Content::Sums(stacks) => stacks.heap_bytes(),
            Content::Sorted(s) => {
                s.queue.capacity() * size_of::<(i64, u64)>()
                    + s.sorted.capacity() * size_of::<(u64, u32)>()
            }
        };
        size_of::<Self>() + content + self.pending.heap_bytes()
    }
}
