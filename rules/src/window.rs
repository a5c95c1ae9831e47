//! Tumbling and sliding windows over panes of one slide each.
//!
//! A reading goes into its pane; a pane that ends is closed and the window of the last
//! `size / slide` panes is combined. The closed panes form a queue of two stacks, so closing
//! costs O(1) amortised whatever the window's length, and sums never subtract (no drift).

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::rule::Aggregate;

/// Windows begin at local midnight (Asia/Ho_Chi_Minh is UTC+7 and has had no other offset
/// since 1975), so that a day of measurements is a day of the city.
pub(crate) const LOCAL_OFFSET_MS: i64 = 7 * 3_600_000;

/// What is kept of the readings of a pane.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Pane {
    pub(crate) count: u64,
    pub(crate) sum: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Pane {
    pub(crate) const EMPTY: Self =
        Self { count: 0, sum: 0.0, min: f64::INFINITY, max: f64::NEG_INFINITY };

    fn add(&mut self, v: f64) {
        self.count += 1;
        self.sum += v;
        self.min = self.min.min(v);
        self.max = self.max.max(v);
    }

    fn and(self, other: Self) -> Self {
        Self {
            count: self.count + other.count,
            sum: self.sum + other.sum,
            min: self.min.min(other.min),
            max: self.max.max(other.max),
        }
    }

    /// The aggregate; `None` where it has no value.
    pub(crate) fn value(&self, aggregate: Aggregate) -> Option<f64> {
        match aggregate {
            Aggregate::Count => Some(self.count as f64),
            Aggregate::Sum => Some(self.sum),
            _ if self.count == 0 => None,
            Aggregate::Mean => Some(self.sum / self.count as f64),
            Aggregate::MeanLevel => Some(10.0 * (self.sum / self.count as f64).log10()),
            Aggregate::Min => Some(self.min),
            Aggregate::Max => Some(self.max),
        }
    }
}

/// Length of the window in panes, length of a pane.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) slide_ms: i64,
    pub(crate) panes: i64,
}

impl Shape {
    #[inline]
    pub(crate) fn pane(&self, t: i64) -> i64 {
        t.saturating_add(LOCAL_OFFSET_MS).div_euclid(self.slide_ms)
    }

    /// The moment a pane ends (and the next one begins).
    pub(crate) fn end(&self, pane: i64) -> i64 {
        (pane + 1).saturating_mul(self.slide_ms).saturating_sub(LOCAL_OFFSET_MS)
    }
}

/// The window of one entity.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Window {
    /// Panes not yet closed, oldest first.
    open: SmallVec<[(i64, Pane); 1]>,
    /// The pane that closes next; readings of earlier panes are too late for the window.
    next: i64,
    /// The window before was not empty, so an empty one is news.
    filled: bool,
    /// Closed panes; only for windows of more than one pane.
    closed: Option<Box<TwoStacks>>,
}

impl Window {
    /// Adds a reading; `false` if its pane is already closed.
    #[inline]
    pub(crate) fn add(&mut self, shape: Shape, t: i64, v: f64) -> bool {
        let pane = shape.pane(t);
        if self.is_idle() {
            // After a silence the window may not go back behind what was closed.
            self.next = self.next.max(pane);
        }
        if pane < self.next {
            return false;
        }
        match self.open.iter_mut().rev().find(|(p, _)| *p <= pane) {
            Some((p, acc)) if *p == pane => acc.add(v),
            _ => {
                let mut acc = Pane::EMPTY;
                acc.add(v);
                let at = self.open.partition_point(|(p, _)| *p < pane);
                self.open.insert(at, (pane, acc));
            }
        }
        true
    }

    fn is_idle(&self) -> bool {
        self.open.is_empty() && !self.filled
    }

    /// When the next pane closes; `None` while there is nothing to wait for.
    pub(crate) fn next_end(&self, shape: Shape) -> Option<i64> {
        (!self.is_idle()).then(|| shape.end(self.next))
    }

    /// Closes the next pane: the end of the window, what it held, how many panes held anything.
    pub(crate) fn close_next(&mut self, shape: Shape) -> (i64, Pane, usize) {
        let pane = self.next;
        let closing = match self.open.first() {
            Some((p, acc)) if *p == pane => {
                let acc = *acc;
                self.open.remove(0);
                Some(acc)
            }
            _ => None,
        };
        let (held, panes) = if shape.panes == 1 {
            (closing.unwrap_or(Pane::EMPTY), usize::from(closing.is_some()))
        } else {
            let closed = self.closed.get_or_insert_with(Box::default);
            if let Some(acc) = closing {
                closed.push(pane, acc);
            }
            closed.evict(pane - shape.panes);
            (closed.combined(), closed.front.len() + closed.back.len())
        };
        self.filled = held.count > 0;
        self.next = match self.open.first() {
            // Nothing held: the panes up to the next reading are all alike, skip them.
            Some((p, _)) if !self.filled => *p,
            _ => pane + 1,
        };
        (shape.end(pane), held, panes)
    }
}

/// A queue of panes with its combination at hand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct TwoStacks {
    /// Oldest last; each with the combination of itself and all newer ones of this stack.
    front: Vec<(i64, Pane)>,
    /// Newest last.
    back: Vec<(i64, Pane)>,
    back_sum: Pane,
}

impl Default for TwoStacks {
    fn default() -> Self {
        Self { front: Vec::new(), back: Vec::new(), back_sum: Pane::EMPTY }
    }
}

impl TwoStacks {
    fn push(&mut self, pane: i64, acc: Pane) {
        self.back.push((pane, acc));
        self.back_sum = self.back_sum.and(acc);
    }

    /// Drops the panes up to `last`.
    fn evict(&mut self, last: i64) {
        loop {
            while self.front.last().is_some_and(|(p, _)| *p <= last) {
                self.front.pop();
            }
            if !self.front.is_empty() || self.back.first().is_none_or(|(p, _)| *p > last) {
                return;
            }
            let mut sum = Pane::EMPTY;
            for (pane, acc) in self.back.drain(..).rev() {
                sum = acc.and(sum);
                self.front.push((pane, sum));
            }
            self.back_sum = Pane::EMPTY;
        }
    }

    fn combined(&self) -> Pane {
        self.front.last().map_or(Pane::EMPTY, |(_, acc)| *acc).and(self.back_sum)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Every window of the readings, computed anew: ends with what they held.
    fn naive(readings: &[(i64, f64)], shape: Shape) -> Vec<(i64, Pane, usize)> {
        let (Some(first), Some(last)) = (readings.first(), readings.last()) else { return vec![] };
        let mut out = Vec::new();
        for pane in shape.pane(first.0)..=shape.pane(last.0) + shape.panes {
            let mut acc = Pane::EMPTY;
            let mut filled = std::collections::BTreeSet::new();
            for (t, v) in readings {
                if (pane - shape.panes + 1..=pane).contains(&shape.pane(*t)) {
                    acc.add(*v);
                    filled.insert(shape.pane(*t));
                }
            }
            out.push((shape.end(pane), acc, filled.len()));
        }
        // Of a run of empty windows only the first is told.
        let mut before = true;
        out.retain(|(_, acc, _)| std::mem::replace(&mut before, acc.count > 0) || acc.count > 0);
        out
    }

    proptest! {
        #[test]
        fn windows_equal_naive_recomputation(
            gaps in prop::collection::vec((0i64..40_000, -1000i32..1000), 1..120),
            panes in 1i64..12,
            slide in prop::sample::select(vec![1_000i64, 5_000, 60_000]),
        ) {
            let shape = Shape { slide_ms: slide, panes };
            let mut t = 1_761_588_000_000;
            let mut readings = Vec::new();
            let mut window = Window::default();
            let mut got = Vec::new();
            for (gap, v) in gaps {
                t += gap;
                let v = f64::from(v) / 4.0;
                readings.push((t, v));
                while window.next_end(shape).is_some_and(|end| end <= t) {
                    got.push(window.close_next(shape));
                }
                prop_assert!(window.add(shape, t, v));
            }
            while window.next_end(shape).is_some() {
                got.push(window.close_next(shape));
            }
            // Quarters add up exactly, so even the sums must be equal to the bit.
            prop_assert_eq!(got, naive(&readings, shape));
        }
    }

    #[test]
    fn a_day_begins_at_midnight_in_da_nang() {
        let day = Shape { slide_ms: 86_400_000, panes: 1 };
        let t = ioc_model::Timestamp::parse_rfc3339("2025-10-28T23:59:59+07:00").expect("valid");
        let end = ioc_model::Timestamp(day.end(day.pane(t.0)));
        assert_eq!(end.to_rfc3339(), "2025-10-29T00:00:00+07:00");
    }

    #[test]
    fn a_reading_of_a_closed_pane_is_refused() {
        let shape = Shape { slide_ms: 1_000, panes: 1 };
        let mut window = Window::default();
        assert!(window.add(shape, 500, 1.0));
        window.close_next(shape);
        assert!(!window.add(shape, 700, 9.0));
    }
}
