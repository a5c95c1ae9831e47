//! What was appended and has no answer yet.
//!
//! Devices are dealt out to lanes, and each lane sends one batch after the other. So a point never
//! overtakes an earlier one of its series, which matters where both have one time: the server
//! keeps the one that comes last. Between lanes there is no order, and none is needed.

use std::collections::VecDeque;
use std::time::Duration;

use ioc_model::Entry;
use tokio::time::Instant;

use super::batch::Batch;
use super::series::SeriesSet;
use crate::InfluxConfig;

/// Entries between the oldest without an answer and the newest taken, at most: what a restart
/// sends again when one lane stands still.
const LEAD_MAX: u64 = 1_000_000;

#[derive(Default)]
struct Lane {
    open: Batch,
    sealed: VecDeque<Batch>,
    /// First position of the batch under way: sent, or answered and not yet on disk.
    busy: Option<u64>,
}

impl Lane {
    fn seal(&mut self) {
        if self.open.first().is_some() {
            self.sealed.push_back(std::mem::take(&mut self.open));
        }
    }

    /// First position without an answer, but for the batch under way.
    fn waiting(&self) -> Option<u64> {
        self.sealed.front().unwrap_or(&self.open).first().map(|f| f.0)
    }
}

/// The lanes.
pub(crate) struct Queue {
    lanes: Vec<Lane>,
    series: SeriesSet,
    /// The same in every run: a device keeps its lane.
    hasher: ahash::RandomState,
    /// Points in all lanes; bounded by `queue_points`: when that is reached nothing is taken, and
    /// `append` waits.
    points: usize,
    batch_points: usize,
    queue_points: usize,
    age: Duration,
    /// Position after the last entry taken.
    next: u64,
    /// The last call left entries out: an idle lane then sends what it has.
    full: bool,
}

impl Queue {
    pub(crate) fn new(cursor: u64, config: &InfluxConfig) -> Self {
        Self {
            lanes: (0..config.in_flight.max(1)).map(|_| Lane::default()).collect(),
            series: SeriesSet::new(config.max_series),
            hasher: ahash::RandomState::with_seeds(1, 2, 3, 4),
            points: 0,
            batch_points: config.batch_points,
            queue_points: config.queue_points,
            age: Duration::from_millis(config.batch_age_ms),
            next: cursor,
            full: false,
        }
    }

    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    pub(crate) fn points(&self) -> usize {
        self.points
    }

    pub(crate) fn series(&self) -> &SeriesSet {
        &self.series
    }

    /// Takes entries not taken before until the queue is full. Returns whether all are taken
    /// now, and whether a lane may have something new to do.
    pub(crate) fn take(&mut self, first: u64, entries: &[Entry]) -> (bool, bool) {
        let known = usize::try_from(self.next.saturating_sub(first)).unwrap_or(usize::MAX);
        let stop = self.floor(&[]).saturating_add(LEAD_MAX);
        let mut news = false;
        for (i, entry) in entries.iter().enumerate().skip(known) {
            if self.points >= self.queue_points || self.next >= stop {
                self.full = true;
                return (false, true);
            }
            let position = first + i as u64;
            let at = match entry {
                Entry::Record(r) => {
                    (self.hasher.hash_one(&*r.device) % self.lanes.len() as u64) as usize
                }
                Entry::Tick(_) => 0,
            };
            let lane = &mut self.lanes[at];
            news |= lane.open.first().is_none();
            match entry {
                Entry::Record(r) => {
                    self.points += lane.open.push(r, position, &mut self.series);
                }
                Entry::Tick(_) => lane.open.touch(position),
            }
            self.next = position + 1;
            if lane.open.len() >= self.batch_points {
                lane.seal();
                news = true;
            }
        }
        self.full = false;
        (true, news)
    }

    /// Closes the batches being filled.
    pub(crate) fn seal(&mut self) {
        self.lanes.iter_mut().for_each(Lane::seal);
    }

    /// The next batch of a lane, or when to ask again (`None`: when something was appended).
    pub(crate) fn pop(&mut self, lane: usize, now: Instant) -> Result<Batch, Option<Instant>> {
        let (age, full) = (self.age, self.full);
        let lane = &mut self.lanes[lane];
        if let (true, Some((_, opened))) = (lane.sealed.is_empty(), lane.open.first()) {
            let due = opened + age;
            if now < due && !full {
                return Err(Some(due));
            }
            lane.seal();
        }
        let batch = lane.sealed.pop_front().ok_or(None)?;
        lane.busy = batch.first().map(|f| f.0);
        Ok(batch)
    }

    /// Position below which everything has its answer, once the batches under way in the lanes
    /// `done` have theirs.
    pub(crate) fn floor(&self, done: &[usize]) -> u64 {
        let first = |(i, lane): (usize, &Lane)| {
            lane.busy.filter(|_| !done.contains(&i)).or_else(|| lane.waiting())
        };
        self.lanes.iter().enumerate().filter_map(first).min().unwrap_or(self.next)
    }

    /// The batch under way in a lane has its answer, and that is on disk.
    pub(crate) fn answered(&mut self, lane: usize, points: usize) {
        self.lanes[lane].busy = None;
        self.points = self.points.saturating_sub(points);
    }
}

#[cfg(test)]
mod tests {
    use ioc_model::{Body, Quality, Record, Timestamp, Values};

    use super::*;

    fn readings(n: i64, devices: i64) -> Vec<Entry> {
        let one = |i| {
            let mut values = Values::new();
            values.push(("pm25".into(), 1.0));
            Entry::Record(Record {
                device: format!("d{}", i % devices).into(),
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

    fn config(in_flight: usize) -> InfluxConfig {
        InfluxConfig { batch_points: 4, queue_points: 10, in_flight, ..InfluxConfig::default() }
    }

    fn first(batch: &Batch) -> u64 {
        batch.first().expect("has entries").0
    }

    #[test]
    fn batches_close_by_size_and_age_and_the_queue_is_bounded() {
        let mut q = Queue::new(100, &config(1));
        let now = Instant::now();
        assert!(matches!(q.pop(0, now), Err(None)));
        assert_eq!(q.take(100, &readings(6, 1)), (true, true));
        let batch = q.pop(0, now).expect("full batch");
        assert_eq!((batch.len(), first(&batch), q.floor(&[]), q.floor(&[0])), (4, 100, 100, 104));
        q.answered(0, 4);
        let due = q.pop(0, now).expect_err("not old enough").expect("something is open");
        assert_eq!(first(&q.pop(0, due).expect("old enough")), 104);
        q.answered(0, 0);
        assert_eq!(q.take(100, &readings(30, 1)), (false, true));
        assert_eq!((q.points(), q.next()), (10, 114));
        assert_eq!(q.take(100, &readings(30, 1)), (false, true), "nothing more fits");
        q.answered(0, 6);
        assert!(!q.take(100, &readings(30, 1)).0);
        assert_eq!((q.points(), q.next()), (10, 120));
    }

    #[test]
    fn a_full_queue_sends_what_an_idle_lane_has() {
        let mut q = Queue::new(0, &InfluxConfig { batch_points: 100, ..config(2) });
        assert_eq!(q.take(0, &readings(20, 16)), (false, true));
        let sizes = [0, 1].map(|lane| q.pop(lane, Instant::now()).expect("idle lane").len());
        assert_eq!(sizes.iter().sum::<usize>(), 10);
    }

    #[test]
    fn the_cursor_is_the_oldest_of_all_lanes() {
        let mut q = Queue::new(0, &InfluxConfig { queue_points: 1_000, ..config(3) });
        assert!(q.take(0, &readings(300, 50)).0);
        let now = Instant::now();
        let mut begins: Vec<u64> = (0..3).map(|l| first(&q.pop(l, now).expect("full"))).collect();
        let slow = begins.iter().position(|b| *b == 0).expect("one has the first");
        let others: Vec<usize> = (0..3).filter(|l| *l != slow).collect();
        assert_eq!(q.floor(&others), 0, "the others do not move the cursor past the slow one");
        q.answered(slow, 4);
        begins[slow] = q.lanes[slow].waiting().expect("more waits");
        assert_eq!(q.floor(&[]), *begins.iter().min().expect("three"));
        assert!(q.floor(&[]) > 0);
    }

    #[test]
    fn points_of_a_device_stay_in_one_lane_and_in_order() {
        let mut q = Queue::new(0, &InfluxConfig { queue_points: 10_000, ..config(4) });
        assert!(q.take(0, &readings(2_000, 21)).0);
        q.seal();
        let mut lane_of = std::collections::BTreeMap::new();
        let mut newest = std::collections::BTreeMap::new();
        for lane in 0..4 {
            while let Ok(batch) = q.pop(lane, Instant::now()) {
                for line in batch.text(&(0..batch.len())).lines() {
                    let (series, time) = line.rsplit_once(' ').expect("a time");
                    let device = series.split(' ').next().expect("a series").to_owned();
                    let time: i64 = time.parse().expect("a number");
                    assert_eq!(*lane_of.entry(device.clone()).or_insert(lane), lane);
                    let before = newest.insert(device, time);
                    assert!(before.is_none_or(|b| b < time));
                }
            }
        }
        assert_eq!(lane_of.len(), 21);
        let lanes: std::collections::BTreeSet<_> = lane_of.values().collect();
        assert_eq!(lanes.len(), 4, "every lane has work");
    }

    #[test]
    fn a_lane_that_stands_still_does_not_let_the_others_run_away() {
        let mut q = Queue::new(0, &InfluxConfig { queue_points: 4_000_000, ..config(1) });
        assert!(q.take(0, &readings(4, 1)).0);
        let ticks = vec![Entry::Tick(Timestamp(1)); LEAD_MAX as usize + 10];
        assert_eq!(q.take(4, &ticks), (false, true));
        assert_eq!(q.next(), LEAD_MAX);
    }

    #[test]
    fn ticks_alone_move_the_position() {
        let mut q = Queue::new(0, &InfluxConfig::default());
        assert_eq!(
            q.take(0, &[Entry::Tick(Timestamp(1)), Entry::Tick(Timestamp(2))]),
            (true, true)
        );
        assert_eq!(q.floor(&[]), 0);
        q.seal();
        let batch = q.pop(0, Instant::now()).expect("sealed");
        assert_eq!((batch.len(), first(&batch), q.floor(&[0])), (0, 0, 2));
    }
}
