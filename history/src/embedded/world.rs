//! For tests: a store with the journal before it, and a plain list of all points beside it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use ioc_model::{
    Body, Entry, Flush, HistoryStore, Point, Quality, RangeQuery, Record, SeriesKey, SeriesWindows,
    Step, Timestamp, Values, Window, WindowQuery,
};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::EmbeddedStore;
use crate::EmbeddedConfig;

pub(super) const DAY: i64 = 86_400_000;
/// A begin of a day.
pub(super) const T0: i64 = 19_676 * DAY;

/// How a sensor sends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Habit {
    /// Between two readings, ms; 0: many in one ms.
    pub(super) every: i64,
    /// Share of readings that come late, in percent.
    pub(super) late: u32,
    /// So late, at most, ms.
    pub(super) by: i64,
}

pub(super) struct World {
    folder: tempfile::TempDir,
    config: EmbeddedConfig,
    store: Option<EmbeddedStore>,
    journal: Vec<Entry>,
    /// All points of each device, in the order of arrival.
    pub(super) points: BTreeMap<usize, Vec<Point>>,
    /// Time of each device.
    pub(super) clock: BTreeMap<usize, i64>,
    rng: StdRng,
}

fn name(device: usize) -> String {
    format!("d{device}")
}

impl World {
    pub(super) fn new(config: EmbeddedConfig, seed: u64) -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let mut world = Self {
            folder,
            config,
            store: None,
            journal: Vec::new(),
            points: BTreeMap::new(),
            clock: BTreeMap::new(),
            rng: StdRng::seed_from_u64(seed),
        };
        world.open();
        world
    }

    pub(super) fn path(&self) -> PathBuf {
        self.folder.path().join("history.db")
    }

    pub(super) fn config(&self) -> &EmbeddedConfig {
        &self.config
    }

    fn open(&mut self) {
        let opened = EmbeddedStore::open(&self.path(), self.config.clone(), Arc::default(), 0);
        self.store = Some(opened.expect("store opens"));
    }

    pub(super) fn store(&self) -> &EmbeddedStore {
        self.store.as_ref().expect("open")
    }

    /// Stops without a flush.
    pub(super) fn close(&mut self) {
        self.store = None;
    }

    pub(super) async fn restart(&mut self) {
        self.close();
        self.open();
        let cursor = self.store().cursor().await.expect("cursor");
        let rest = self.journal[cursor as usize..].to_vec();
        self.store().append(cursor, &rest).await.expect("append");
    }

    pub(super) async fn send(&mut self, device: usize, habit: Habit, n: usize) {
        let mut points = Vec::with_capacity(n);
        let mut clock = *self.clock.entry(device).or_insert(T0 + 5 * DAY);
        for _ in 0..n {
            clock += self.rng.random_range(0..=2 * habit.every);
            let late = self.rng.random_range(0..100) < habit.late;
            let time = if late { clock - self.rng.random_range(0..=habit.by) } else { clock };
            let value = f64::from(self.rng.random_range(-500..500)) / 10.0;
            let quality = [0, 0, 0, 1, 2][self.rng.random_range(0..5)];
            let quality = Quality::from_u8(quality);
            points.push(Point { time: Timestamp(time), value, quality });
        }
        self.clock.insert(device, clock);
        self.give(device, &points).await;
    }

    pub(super) async fn give(&mut self, device: usize, points: &[Point]) {
        let entries: Vec<Entry> = points.iter().map(|p| entry(device, p)).collect();
        let first = self.journal.len() as u64;
        self.store().append(first, &entries).await.expect("append");
        self.journal.extend(entries);
        self.points.entry(device).or_default().extend_from_slice(points);
    }

    pub(super) async fn flush(&self, what: Flush) {
        self.store().flush(what).await.expect("flush");
    }

    pub(super) async fn maintain(&self, now: i64) {
        while self.store().maintain(Timestamp(now)).await.expect("maintain").more {}
    }

    pub(super) fn key(device: usize) -> SeriesKey {
        SeriesKey { device: name(device).into(), property: "pm25".into() }
    }

    pub(super) async fn raw(&self, device: usize, (from, to): (i64, i64)) -> Vec<Point> {
        let series = Self::key(device);
        let (from, to) = (Timestamp(from), Timestamp(to));
        let q = RangeQuery { series, from, to, step: None, limit: usize::MAX };
        self.store().range(&q).await.expect("range").points
    }

    pub(super) async fn windows(
        &self,
        device: usize,
        (from, to): (i64, i64),
        step: Step,
        limit: usize,
    ) -> SeriesWindows {
        let series = Self::key(device);
        let q = WindowQuery { series, from: Timestamp(from), to: Timestamp(to), step, limit };
        self.store().windows(&q).await.expect("windows")
    }

    /// All points of a range as they were given.
    pub(super) fn given(&self, device: usize, (from, to): (i64, i64)) -> Vec<Point> {
        let points = self.points.get(&device).into_iter().flatten();
        points.filter(|p| from <= p.time.0 && p.time.0 < to).copied().collect()
    }

    /// Windows answered are those of all points given, in every figure.
    pub(super) async fn check_windows(&self, device: usize, range: (i64, i64), step: Step) {
        let got = self.windows(device, range, step, usize::MAX).await;
        assert!(!got.truncated);
        same_windows(&got.windows, &self.given(device, range), step);
    }

    /// The raw answer holds exactly the points given, in the order of time.
    pub(super) async fn check_raw(&self, device: usize, range: (i64, i64)) {
        let got = self.raw(device, range).await;
        assert!(got.is_sorted_by_key(|p| p.time), "in the order of time");
        assert_eq!(multiset(&got), multiset(&self.given(device, range)), "{device} {range:?}");
    }
}

pub(super) fn multiset(points: &[Point]) -> Vec<(i64, u64, u8)> {
    let mut all: Vec<_> =
        points.iter().map(|p| (p.time.0, p.value.to_bits(), p.quality as u8)).collect();
    all.sort_unstable();
    all
}

/// Counts windows again, by their definition.
pub(super) fn same_windows(got: &[Window], points: &[Point], step: Step) {
    let mut naive: BTreeMap<i64, Vec<Point>> = BTreeMap::new();
    for p in points {
        let k = (p.time.0 - step.offset_ms).div_euclid(step.ms);
        naive.entry(k * step.ms + step.offset_ms).or_default().push(*p);
    }
    let starts: Vec<i64> = got.iter().map(|w| w.start.0).collect();
    assert_eq!(starts, naive.keys().copied().collect::<Vec<_>>(), "begins of windows, {step:?}");
    for (w, points) in got.iter().zip(naive.values()) {
        let (bad, good): (Vec<Point>, Vec<Point>) =
            points.iter().partition(|p| p.quality == Quality::Bad);
        let uncertain = good.iter().filter(|p| p.quality == Quality::Uncertain).count();
        let counts = (w.count, w.uncertain, w.bad);
        assert_eq!(counts, (good.len() as u64, uncertain as u64, bad.len() as u64), "{w:?}");
        if good.is_empty() {
            assert!(w.min.is_nan() && w.max.is_nan() && w.last.is_nan() && w.sum == 0.0, "{w:?}");
            continue;
        }
        let values = || good.iter().map(|p| p.value);
        assert_eq!(w.min, values().fold(f64::INFINITY, f64::min));
        assert_eq!(w.max, values().fold(f64::NEG_INFINITY, f64::max));
        let sum: f64 = values().sum();
        let scale: f64 = values().map(f64::abs).sum();
        assert!((w.sum - sum).abs() <= 1e-9 * scale, "{} {sum}", w.sum);
        let newest = good.iter().map(|p| p.time).max().expect("not empty");
        assert_eq!(w.last_time, newest);
        let of_moment: Vec<f64> =
            good.iter().filter(|p| p.time == newest).map(|p| p.value).collect();
        assert!(of_moment.contains(&w.last), "{} {of_moment:?}", w.last);
    }
}

fn entry(device: usize, p: &Point) -> Entry {
    let mut values = Values::new();
    values.push(("pm25".into(), p.value));
    Entry::Record(Record {
        device: name(device).into(),
        area: "hai_chau".into(),
        service: "air".into(),
        source: 0,
        time: p.time,
        received: p.time,
        seq: None,
        clock_clamped: false,
        derived: false,
        body: Body::Observation { quality: p.quality, values },
    })
}
