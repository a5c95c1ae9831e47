//! What was appended and has no answer yet.

use std::collections::VecDeque;
use std::time::Duration;

use ioc_model::Entry;
use tokio::time::Instant;

use super::batch::Batch;
use crate::InfluxConfig;

/// Batches in the order of the journal: those to send, and the one being filled.
pub(crate) struct Queue {
    open: Batch,
    sealed: VecDeque<Batch>,
    /// Points in `open`, `sealed` and the batch under way; bounded by `queue_points`: when that
    /// is reached nothing is taken, and `append` waits.
    points: usize,
    batch_points: usize,
    queue_points: usize,
    age: Duration,
    /// Position after the last entry taken.
    next: u64,
    /// Position after the last entry of a sealed batch.
    sealed_to: u64,
}

impl Queue {
    pub(crate) fn new(cursor: u64, config: &InfluxConfig) -> Self {
        Self {
            open: Batch::new(cursor),
            sealed: VecDeque::new(),
            points: 0,
            batch_points: config.batch_points,
            queue_points: config.queue_points,
            age: Duration::from_millis(config.batch_age_ms),
            next: cursor,
            sealed_to: cursor,
        }
    }

    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    pub(crate) fn points(&self) -> usize {
        self.points
    }

    /// Takes entries not taken before until the queue is full. Returns whether all are taken
    /// now, and whether the sender has something new to do.
    pub(crate) fn take(&mut self, first: u64, entries: &[Entry]) -> (bool, bool) {
        let known = usize::try_from(self.next.saturating_sub(first)).unwrap_or(usize::MAX);
        let idle = self.sealed.is_empty() && self.open.end == self.sealed_to;
        for (i, entry) in entries.iter().enumerate().skip(known) {
            if self.points >= self.queue_points {
                self.seal();
                return (false, true);
            }
            if self.open.end == self.sealed_to {
                self.open.opened = Instant::now();
            }
            let position = first + i as u64;
            if let Entry::Record(record) = entry {
                self.points += self.open.push(record, position);
            }
            self.next = position + 1;
            self.open.end = self.next;
            if self.open.len() >= self.batch_points {
                self.seal();
            }
        }
        let news = idle && self.open.end != self.sealed_to || !self.sealed.is_empty();
        (true, news)
    }

    /// Closes the batch being filled, if it holds any entry.
    pub(crate) fn seal(&mut self) {
        if self.open.end != self.sealed_to {
            self.sealed_to = self.open.end;
            self.sealed.push_back(std::mem::replace(&mut self.open, Batch::new(self.sealed_to)));
        }
    }

    /// The next batch to send, or when to ask again (`None`: when something was appended).
    pub(crate) fn pop(&mut self, now: Instant) -> Result<Batch, Option<Instant>> {
        if self.sealed.is_empty() && self.open.end != self.sealed_to {
            let due = self.open.opened + self.age;
            if now < due {
                return Err(Some(due));
            }
            self.seal();
        }
        self.sealed.pop_front().ok_or(None)
    }

    /// Points of a batch have their answer.
    pub(crate) fn answered(&mut self, points: usize) {
        self.points = self.points.saturating_sub(points);
    }
}

#[cfg(test)]
mod tests {
    use ioc_model::{Body, Quality, Record, Timestamp, Values};

    use super::*;

    fn readings(n: i64) -> Vec<Entry> {
        let one = |i| {
            let mut values = Values::new();
            values.push(("pm25".into(), 1.0));
            Entry::Record(Record {
                device: "d".into(),
                area: "a".into(),
                service: "air".into(),
                source: 0,
                time: Timestamp(1_700_000_000_000 + i),
                received: Timestamp(0),
                seq: None,
                clock_clamped: false,
                derived: false,
                body: Body::Observation { quality: Quality::Good, values },
            })
        };
        (0..n).map(one).collect()
    }

    #[test]
    fn batches_close_by_size_and_age_and_the_queue_is_bounded() {
        let config = InfluxConfig { batch_points: 4, queue_points: 10, ..InfluxConfig::default() };
        let mut q = Queue::new(100, &config);
        let now = Instant::now();
        assert!(matches!(q.pop(now), Err(None)));
        assert_eq!(q.take(100, &readings(6)), (true, true));
        let batch = q.pop(now).expect("full batch");
        assert_eq!((batch.len(), batch.end), (4, 104));
        let due = q.pop(now).expect_err("not old enough").expect("something is open");
        assert_eq!(q.pop(due).expect("old enough").end, 106);
        assert_eq!(q.take(100, &readings(20)), (false, true));
        assert_eq!((q.points(), q.next()), (10, 110));
        assert_eq!(q.take(100, &readings(20)), (false, true), "nothing more fits");
        q.answered(6);
        assert!(!q.take(100, &readings(20)).0);
        assert_eq!((q.points(), q.next()), (10, 116));
    }

    #[test]
    fn ticks_alone_move_the_position() {
        let mut q = Queue::new(0, &InfluxConfig::default());
        assert_eq!(
            q.take(0, &[Entry::Tick(Timestamp(1)), Entry::Tick(Timestamp(2))]),
            (true, true)
        );
        q.seal();
        let batch = q.pop(Instant::now()).expect("sealed");
        assert_eq!((batch.len(), batch.end), (0, 2));
    }
}
