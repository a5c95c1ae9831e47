//! Tumbling and hopping windows over panes of one slide each.
//!
//! A reading goes into its pane; a pane that ends is closed and the window of the last
//! `size / slide` panes is put together.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::hours::LOCAL_OFFSET_MS;

use super::aggregate::{Aggregate, Item, Kept, Pane};
use super::stacks::Stacks;
use super::{Judged, Seen};

/// More panes than this wait for their end only if time stands still: then readings are left out.
const MOST_OPEN: usize = 4096;

/// Lengths of the window and of a pane, ms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Shape {
    pub(super) size_ms: i64,
    pub(super) slide_ms: i64,
}

impl Shape {
    /// The begin of the pane of a moment.
    pub(super) fn begin(self, t: i64) -> i64 {
        t.saturating_sub(t.saturating_add(LOCAL_OFFSET_MS).rem_euclid(self.slide_ms))
    }

    fn is_tumbling(self) -> bool {
        self.size_ms == self.slide_ms
    }
}

/// The panes of one entity. Panes are named by their begin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Panes {
    /// The newest open pane that holds readings, and its begin.
    pane: Pane,
    from: i64,
    /// All panes before this moment are closed; their readings are too late.
    bound: i64,
    more: Option<Box<More>>,
    pub(super) judged: Judged,
    /// Readings that came too late for their window.
    pub(super) missed: u32,
    /// The window before was not empty, so an empty one is news.
    filled: bool,
}

/// What most tumbling windows never need.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct More {
    /// Open panes before the newest, oldest first; none if that is empty.
    older: Vec<(i64, Pane)>,
    /// Closed panes of a hopping window.
    closed: Stacks,
    /// What they keep beside sums, oldest first.
    kept: VecDeque<(i64, Box<Kept>)>,
}

impl Default for Panes {
    fn default() -> Self {
        Self {
            pane: Pane::default(),
            from: 0,
            bound: i64::MIN,
            more: None,
            judged: Judged::default(),
            missed: 0,
            filled: false,
        }
    }
}

impl Panes {
    #[inline]
    pub(super) fn add(&mut self, shape: Shape, aggregate: Aggregate, item: Item) {
        let into = item.t.wrapping_sub(self.from) as u64;
        if into < shape.slide_ms as u64 && !self.pane.is_empty() {
            self.pane.add(item, aggregate);
        } else {
            self.add_elsewhere(shape, aggregate, item);
        }
    }

    fn add_elsewhere(&mut self, shape: Shape, aggregate: Aggregate, item: Item) {
        let from = shape.begin(item.t);
        let open = self.more.as_ref().map_or(0, |m| m.older.len());
        if from < self.bound || open >= MOST_OPEN {
            self.missed = self.missed.saturating_add(1);
            return;
        }
        if !self.pane.is_empty() {
            let more = self.more.get_or_insert_default();
            if from < self.from {
                let at = match more.older.binary_search_by_key(&from, |(p, _)| *p) {
                    Ok(at) => at,
                    Err(at) => {
                        more.older.insert(at, (from, Pane::default()));
                        at
                    }
                };
                more.older[at].1.add(item, aggregate);
                return;
            }
            more.older.push((self.from, std::mem::take(&mut self.pane)));
        }
        self.from = from;
        self.pane.add(item, aggregate);
    }

    /// Begin of the pane that closes next; `None` while there is nothing to wait for. Where
    /// nothing is held the panes up to the next reading are all alike: they are skipped.
    #[inline]
    fn next(&self) -> Option<i64> {
        if self.filled {
            return Some(self.bound);
        }
        let older = self.more.as_ref().and_then(|m| m.older.first()).map(|(p, _)| *p);
        older.or((!self.pane.is_empty()).then_some(self.from))
    }

    /// When the next pane closes.
    #[inline]
    pub(super) fn next_end(&self, shape: Shape) -> Option<i64> {
        self.next().map(|from| from.saturating_add(shape.slide_ms))
    }

    /// Takes the pane that closes now, if it holds anything.
    fn take(&mut self, next: i64) -> Option<Pane> {
        if let Some(more) = &mut self.more
            && let Some((from, _)) = more.older.first()
        {
            return (*from == next).then(|| more.older.remove(0).1);
        }
        (self.from == next && !self.pane.is_empty()).then(|| std::mem::take(&mut self.pane))
    }

    /// Closes the next pane: the window that ends with it, how many of its panes held anything.
    pub(super) fn close_next(&mut self, shape: Shape, aggregate: Aggregate) -> (Seen, usize) {
        let from = self.next().unwrap_or(self.bound);
        let closing = self.take(from);
        let end = from.saturating_add(shape.slide_ms);
        let (seen, filled) = if shape.is_tumbling() {
            let held = closing.is_some();
            let pane = closing.unwrap_or_default();
            let kept = || pane.kept.iter().map(|k| &**k);
            (Seen::of(end, pane.moments, aggregate, kept), usize::from(held))
        } else {
            let more = self.more.get_or_insert_default();
            if let Some(pane) = closing {
                more.closed.push(from, pane.moments, aggregate);
                more.kept.extend(pane.kept.map(|k| (from, k)));
            }
            let last = from.saturating_sub(shape.size_ms);
            more.closed.evict(last, aggregate);
            while more.kept.front().is_some_and(|(p, _)| *p <= last) {
                more.kept.pop_front();
            }
            let moments = more.closed.combined(aggregate);
            let kept = || more.kept.iter().map(|(_, k)| &**k);
            (Seen::of(end, moments, aggregate, kept), more.closed.len())
        };
        self.filled = seen.moments.count > 0;
        self.bound = end;
        (seen, filled)
    }

    /// Readings of the pane that is open, for "why not".
    pub(super) fn open_count(&self) -> u64 {
        let older = self.more.iter().flat_map(|m| &m.older).map(|(_, p)| p.moments.count);
        self.pane.moments.count + older.sum::<u64>()
    }

    pub(super) fn heap_bytes(&self) -> usize {
        let more = self.more.as_ref().map_or(0, |m| {
            let older: usize = m.older.iter().map(|(_, p)| p.heap_bytes()).sum();
            let kept: usize = m.kept.iter().map(|(_, k)| size_of::<Kept>() + k.heap_bytes()).sum();
            let panes = m.older.capacity() * size_of::<(i64, Pane)>();
            let queue = m.kept.capacity() * size_of::<(i64, Box<Kept>)>();
            size_of::<More>() + older + kept + panes + queue + m.closed.heap_bytes()
        });
        self.pane.heap_bytes() + more
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_at_midnight_in_da_nang() {
        let day = Shape { size_ms: 86_400_000, slide_ms: 86_400_000 };
        let t = ioc_model::Timestamp::parse_rfc3339("2025-10-28T23:59:59+07:00").expect("valid");
        let begin = ioc_model::Timestamp(day.begin(t.0));
        assert_eq!(begin.to_rfc3339(), "2025-10-28T00:00:00+07:00");
        assert_eq!(day.begin(begin.0), begin.0);
    }

    #[test]
    fn a_reading_of_a_closed_pane_is_left_out_and_counted() {
        let shape = Shape { size_ms: 1_000, slide_ms: 1_000 };
        let mut panes = Panes::default();
        let item = |t, v| Item { t, v, key: 0 };
        panes.add(shape, Aggregate::Sum, item(500, 1.0));
        assert_eq!(panes.close_next(shape, Aggregate::Sum).0.value, Some(1.0));
        panes.add(shape, Aggregate::Sum, item(700, 9.0));
        assert_eq!(panes.missed, 1);
        assert_eq!(panes.close_next(shape, Aggregate::Sum).0.value, Some(0.0));
        assert_eq!(panes.next_end(shape), None);
    }
}
