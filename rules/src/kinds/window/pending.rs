//! Readings that wait until no older one is expected any more.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::aggregate::Item;

/// So many wait; beyond, the oldest is let in early.
const MOST: usize = 4096;

/// Readings in order of time; those of one moment in order of what they say, so that the order
/// of arrival does not matter.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Pending(VecDeque<Item>);

impl Pending {
    /// Adds a reading; the oldest, if they are too many.
    pub(super) fn push(&mut self, item: Item) -> Option<Item> {
        let later = |x: &Item| {
            let order = x.t.cmp(&item.t).then(x.v.total_cmp(&item.v)).then(x.key.cmp(&item.key));
            order.is_le()
        };
        let at = self.0.partition_point(later);
        self.0.insert(at, item);
        if self.0.len() > MOST { self.0.pop_front() } else { None }
    }

    /// Takes the oldest, if it is of `until` or before.
    pub(super) fn pop(&mut self, until: i64) -> Option<Item> {
        if self.first()? <= until { self.0.pop_front() } else { None }
    }

    pub(super) fn first(&self) -> Option<i64> {
        self.0.front().map(|item| item.t)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.0.capacity() * size_of::<Item>()
    }
}
