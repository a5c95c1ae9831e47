//! Figure 2 of the history issue. Claims, on a store of `IOC_SERIES` series × `IOC_DAYS` days at
//! one point a minute (10,000 × 30: 432 M points): one series, 24 h raw: p99 ≤ 5 ms; one series,
//! 30 days at 1 h: p99 ≤ 10 ms; 100 series × 7 days at 1 h, one after the other: p99 ≤ 100 ms.
//! The same is measured on a store of a tenth of the series, for what growth costs.
//!
//! The stores lie in `IOC_BENCH_DIR` (default: a folder that is deleted) and are used again when
//! they are there. "cold": the kernel's cache of the file is dropped before each question (what
//! the open connection holds stays: at most 2 MiB).

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ioc_history::{EmbeddedConfig, EmbeddedStore, Retention};
use ioc_model::{
    Aggregate, Body, Entry, Flush, HistoryStore, Ledger, Quality, RangeQuery, Record, SeriesKey,
    Step, Timestamp, Values,
};

const T0: i64 = 1_700_006_400_000;
const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// Series of a device.
const OF_DEVICE: usize = 4;
/// Minutes given to the store at once.
const BATCH: i64 = 60;

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default)
}

/// A number that looks random, from what it belongs to.
fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

fn device(i: usize) -> String {
    format!("air-station-{i:05}")
}

fn property(i: usize) -> String {
    format!("p{i}")
}

/// Walks of sensors: one decimal, a few tenths up or down each minute.
struct Walks(Vec<i32>);

impl Walks {
    fn batch(&mut self, minute: i64) -> Vec<Entry> {
        let devices = self.0.len() / OF_DEVICE;
        (0..devices).map(|d| self.record(d, minute)).collect()
    }

    fn record(&mut self, d: usize, minute: i64) -> Entry {
        let mut values = Values::new();
        for p in 0..OF_DEVICE {
            let s = d * OF_DEVICE + p;
            let r = mix((s as u64) << 32 | minute as u64);
            self.0[s] = (self.0[s] + (r % 7) as i32 - 3).clamp(-400, 2_000);
            values.push((property(p).into(), f64::from(self.0[s]) / 10.0));
        }
        // Each device has its own second of the minute, and a jitter of some ms.
        let jitter = (mix(d as u64) % 60_000) as i64 / 2 + (mix(minute as u64) % 200) as i64;
        let time = Timestamp(T0 + minute * MINUTE + jitter);
        Entry::Record(Record {
            device: device(d).into(),
            area: "hai_chau".into(),
            service: "air".into(),
            source: 0,
            time,
            received: time,
            seq: None,
            clock_clamped: false,
            derived: false,
            body: Body::Observation { quality: Quality::Good, values },
        })
    }
}

fn config() -> EmbeddedConfig {
    let retention = Retention { raw_days: 0, minute_days: 0, hour_days: 0 };
    EmbeddedConfig { head_max_points: 4_000_000, retention, ..EmbeddedConfig::default() }
}

fn open(path: &Path) -> EmbeddedStore {
    EmbeddedStore::open(path, config(), Arc::new(Ledger::default()), 0).expect("opens")
}

fn build(rt: &tokio::runtime::Runtime, path: &Path, series: usize, days: i64) -> EmbeddedStore {
    if path.exists() {
        let store = open(path);
        eprintln!("{}: used again", path.display());
        return store;
    }
    let making = path.with_extension("making");
    let _ = std::fs::remove_file(&making);
    let begun = Instant::now();
    {
        let store = open(&making);
        let mut walks = Walks((0..series).map(|s| (mix(s as u64) % 500) as i32).collect());
        let mut position = 0;
        let minutes = days * DAY / MINUTE;
        for minute in 0..minutes {
            let entries = walks.batch(minute);
            rt.block_on(store.append(position, &entries)).expect("appends");
            position += entries.len() as u64;
            if minute % BATCH == BATCH - 1 {
                rt.block_on(store.flush(Flush::Due)).expect("flushes");
            }
            if minute % 1_440 == 1_439 {
                let points = (minute + 1) as f64 * series as f64;
                let rate = points / begun.elapsed().as_secs_f64();
                let day = (minute + 1) / 1_440;
                eprintln!("day {day} of {days}, {:.0} M points, {rate:.0}/s", points / 1e6);
            }
        }
        rt.block_on(store.flush(Flush::All)).expect("flushes");
    }
    std::fs::rename(&making, path).expect("renames");
    let points = (days * 1_440) as f64 * series as f64;
    let store = open(path);
    let bytes = rt.block_on(store.stats()).bytes as f64;
    println!(
        "built {:.1} M points in {:.0} s ({:.0} points/s), {:.2} bytes/point",
        points / 1e6,
        begun.elapsed().as_secs_f64(),
        points / begun.elapsed().as_secs_f64(),
        bytes / points
    );
    store
}

struct Bench<'a> {
    rt: &'a tokio::runtime::Runtime,
    path: PathBuf,
    store: EmbeddedStore,
    series: usize,
    days: i64,
    cold: bool,
}

fn key(s: usize) -> SeriesKey {
    SeriesKey { device: device(s / OF_DEVICE).into(), property: property(s % OF_DEVICE).into() }
}

impl Bench<'_> {
    fn range(&self, s: usize, (from, to): (i64, i64), step: Option<i64>) -> usize {
        let step = step.map(|ms| (Step::of(ms), Aggregate::Mean));
        let (from, to) = (Timestamp(from), Timestamp(to));
        let q = RangeQuery { series: key(s), from, to, step, limit: 100_000 };
        self.rt.block_on(self.store.range(&q)).expect("range").points.len()
    }

    /// Asks `n` times; prints percentiles in ms and returns the p99.
    fn measure(&self, name: &str, n: usize, ask: impl Fn(u64) -> usize) -> f64 {
        let mut times = Vec::with_capacity(n);
        let mut points = 0;
        for i in 0..n {
            if self.cold {
                self.drop_cache();
            }
            let begun = Instant::now();
            points += ask(mix(i as u64 + 77));
            times.push(begun.elapsed());
        }
        times.sort_unstable();
        let ms = |d: Duration| d.as_secs_f64() * 1e3;
        let at = |share: f64| ms(times[((n - 1) as f64 * share).round() as usize]);
        println!(
            "{:<34} {:>7} {:>9.3} {:>9.3} {:>9.3}  {} points",
            name,
            if self.cold { "cold" } else { "warm" },
            at(0.5),
            at(0.99),
            at(1.0),
            points / n
        );
        at(0.99)
    }

    /// Drops what the kernel holds of the file.
    fn drop_cache(&self) {
        let file = std::fs::File::open(&self.path).expect("the store");
        file.sync_all().expect("syncs");
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).expect("drops");
    }

    fn all(&self, n: usize) -> Vec<(&'static str, f64)> {
        let end = T0 + self.days * DAY;
        let pick = |r: u64| (r % self.series as u64) as usize;
        let day_from =
            |r: u64| T0 + (mix(r) % (self.days.max(2) as u64 - 1)) as i64 * DAY + 777_777;
        let raw = self.measure("one series, 24 h raw", n, |r| {
            self.range(pick(r), (day_from(r), day_from(r) + DAY), None)
        });
        let month = self.measure("one series, 30 days at 1 h", n, |r| {
            self.range(pick(r), (end - 30 * DAY + 12_345, end), Some(HOUR))
        });
        let many = self.measure("100 series x 7 days at 1 h", n.div_ceil(10), |r| {
            let first = pick(r);
            let one = |i: usize| (first + i * 37) % self.series;
            (0..100).map(|i| self.range(one(i), (end - 7 * DAY + 12_345, end), Some(HOUR))).sum()
        });
        let last = self.measure("last values of a device", n, |r| {
            let name = device(pick(r) / OF_DEVICE);
            self.rt.block_on(self.store.last(Some(&name), Timestamp(end))).expect("last").len()
        });
        vec![("24 h raw", raw), ("30 d at 1 h", month), ("100 x 7 d", many), ("last", last)]
    }
}

fn main() {
    let rt = tokio::runtime::Builder::new_current_thread().build().expect("runtime");
    let (series, days) = (number("IOC_SERIES", 400), number("IOC_DAYS", 30) as i64);
    let asks = number("IOC_ASKS", 300);
    let temporary = tempfile::tempdir().expect("folder");
    let folder = std::env::var_os("IOC_BENCH_DIR").map(PathBuf::from);
    let folder = folder.unwrap_or_else(|| temporary.path().to_owned());
    std::fs::create_dir_all(&folder).expect("folder");
    let mut p99 = Vec::new();
    for series in [(series / 10).max(OF_DEVICE), series] {
        let series = series.next_multiple_of(OF_DEVICE);
        let path = folder.join(format!("{series}x{days}.sqlite"));
        let built = build(&rt, &path, series, days);
        // As after a start: nothing is known from before.
        drop(built);
        let begun = Instant::now();
        let store = open(&path);
        let points = rt.block_on(store.stats()).points as f64 / 1e6;
        println!(
            "\n{series} series x {days} days, {points:.1} M points, opened in {:.0} ms\n{:<42} {:>9} {:>9} {:>9}",
            begun.elapsed().as_secs_f64() * 1e3,
            "",
            "p50 ms",
            "p99 ms",
            "max ms"
        );
        let mut bench = Bench { rt: &rt, path, store, series, days, cold: true };
        bench.all(asks.div_ceil(5));
        bench.cold = false;
        p99.push(bench.all(asks));
    }
    println!("\nwarm p99 of the large store to that of a tenth:");
    for (small, large) in p99[0].iter().zip(&p99[1]) {
        println!("{:<34} x {:.2}", large.0, large.1 / small.1);
    }
    let goals = [("24 h raw", 5.0), ("30 d at 1 h", 10.0), ("100 x 7 d", 100.0)];
    for ((name, found), (_, goal)) in p99[1].iter().zip(goals) {
        println!(
            "{name:<34} {found:.3} ms, goal {goal} ms: {}",
            if *found <= goal { "held" } else { "MISSED" }
        );
    }
}
