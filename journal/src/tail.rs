//! The newest committed batches, kept in memory for readers that keep up.

use std::collections::VecDeque;
use std::sync::Arc;

/// Entries that were committed together. Positions are consecutive.
#[derive(Debug, PartialEq)]
pub struct Batch<E> {
    /// Position of the first entry.
    pub first: u64,
    /// The entries, in order.
    pub entries: Vec<E>,
}

impl<E> Batch<E> {
    /// Position after the last entry.
    pub fn end(&self) -> u64 {
        self.first + self.entries.len() as u64
    }
}

/// Where a position is.
pub(crate) enum Found<E> {
    Here(Vec<Arc<Batch<E>>>),
    /// On disk, below this position.
    Before(u64),
    /// Not written yet.
    Future,
}

/// A ring of batches that is bounded by bytes.
pub(crate) struct Tail<E> {
    max_bytes: usize,
    bytes: usize,
    batches: VecDeque<(Arc<Batch<E>>, usize)>,
    /// Position of the next entry.
    pub next: u64,
}

impl<E> Tail<E> {
    pub fn new(next: u64, max_bytes: usize) -> Self {
        Self { max_bytes, bytes: 0, batches: VecDeque::new(), next }
    }

    /// Adds the newest batch. The oldest leave while more than the limit are held; the newest
    /// always stays.
    pub fn push(&mut self, batch: Arc<Batch<E>>, encoded_bytes: usize) {
        let size = encoded_bytes + batch.entries.len() * size_of::<E>();
        self.next = batch.end();
        self.bytes += size;
        self.batches.push_back((batch, size));
        while self.bytes > self.max_bytes && self.batches.len() > 1 {
            if let Some((_, size)) = self.batches.pop_front() {
                self.bytes -= size;
            }
        }
    }

    /// Up to `max` batches from `position`.
    pub fn find(&self, position: u64, max: usize) -> Found<E> {
        if position >= self.next {
            return Found::Future;
        }
        let start = self.batches.front().map_or(self.next, |(b, _)| b.first);
        if position < start {
            return Found::Before(start);
        }
        let i = self.batches.partition_point(|(b, _)| b.end() <= position);
        Found::Here(self.batches.iter().skip(i).take(max).map(|(b, _)| Arc::clone(b)).collect())
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(first: u64, n: u64) -> Arc<Batch<u64>> {
        Arc::new(Batch { first, entries: (first..first + n).collect() })
    }

    fn firsts(found: Found<u64>) -> Vec<u64> {
        match found {
            Found::Here(batches) => batches.iter().map(|b| b.first).collect(),
            Found::Before(_) | Found::Future => Vec::new(),
        }
    }

    #[test]
    fn finds_the_batch_around_a_position() {
        let mut tail = Tail::new(10, 1 << 20);
        for first in [10, 15, 20] {
            tail.push(batch(first, 5), 5);
        }
        assert_eq!(firsts(tail.find(10, 9)), [10, 15, 20]);
        assert_eq!(firsts(tail.find(17, 9)), [15, 20]);
        assert_eq!(firsts(tail.find(10, 2)), [10, 15]);
        assert!(matches!(tail.find(9, 9), Found::Before(10)));
        assert!(matches!(tail.find(25, 9), Found::Future));
    }

    #[test]
    fn the_oldest_leave_and_the_newest_stays() {
        let mut tail = Tail::new(0, 100);
        tail.push(batch(0, 5), 10);
        tail.push(batch(5, 5), 10);
        assert_eq!(tail.bytes(), 100);
        tail.push(batch(10, 50), 10);
        assert_eq!(firsts(tail.find(10, 9)), [10]);
        assert!(matches!(tail.find(5, 9), Found::Before(10)));
    }
}
