//! Claims on a real week (Aarhus traffic, 449 sensors, three values each 5 minutes): bytes on
//! disk per point at most 2, and all CPU from append to commit per point. Also the memory of the
//! store with the week's 1,347 series. Skipped with a word when the recording is not there.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use ioc_history::{EmbeddedConfig, EmbeddedStore};
use ioc_model::{
    Body, Entry, Flush, HistoryStore, Ledger, Quality, RangeQuery, Record, SeriesFilter, Step,
    Timestamp, Values,
};

const WEEK: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../shared/data/aarhus_traffic/traffic_449sensors_2014-08-05_week.csv.xz"
);

fn main() {
    if !Path::new(WEEK).exists() {
        println!("skipped: {WEEK} is not there");
        return;
    }
    let steps = read_week();
    for hours in [1, 24] {
        replay(&steps, hours);
    }
}

/// The rows of each moment.
fn read_week() -> Vec<Vec<Entry>> {
    let mut text = String::new();
    let file = std::fs::File::open(WEEK).expect("recording");
    xz2::read::XzDecoder::new(file).read_to_string(&mut text).expect("readable");
    let mut steps: Vec<Vec<Entry>> = Vec::new();
    let (mut stamp, mut time) = ("", 1_407_189_600_000 - 300_000);
    for line in text.lines().skip(1) {
        let columns: Vec<&str> = line.split(',').collect();
        if columns[0] != stamp {
            stamp = columns[0];
            time += 300_000;
            steps.push(Vec::new());
        }
        let mut values = Values::new();
        for (name, i) in [("vehicle_count", 2), ("speed", 3), ("travel_time", 4)] {
            values.push((name.into(), columns[i].parse().expect("a number")));
        }
        let record = Record {
            device: format!("traffic-{}", columns[1]).into(),
            area: "aarhus".into(),
            service: "traffic".into(),
            source: 0,
            time: Timestamp(time),
            received: Timestamp(time),
            seq: None,
            clock_clamped: false,
            derived: false,
            body: Body::Observation { quality: Quality::Good, values },
        };
        steps.last_mut().expect("a step").push(Entry::Record(record));
    }
    steps
}

fn replay(steps: &[Vec<Entry>], hours: usize) {
    let rt = tokio::runtime::Builder::new_current_thread().build().expect("runtime");
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("history.sqlite");
    let rss = status_kb("VmRSS");
    let ledger = Arc::<Ledger>::default();
    let store = EmbeddedStore::open(&path, EmbeddedConfig::default(), ledger, 0).expect("opens");
    let mut first = 0;
    let cpu = cpu_ms();
    for (i, step) in steps.iter().enumerate() {
        rt.block_on(store.append(first, step)).expect("appends");
        first += step.len() as u64;
        if i % (12 * hours) == 0 {
            rt.block_on(store.flush(Flush::All)).expect("flushes");
        }
    }
    rt.block_on(store.flush(Flush::All)).expect("flushes");
    let cpu = cpu_ms() - cpu;
    let stats = rt.block_on(store.stats());
    let points = stats.points as f64;
    let rss_after = status_kb("VmRSS");
    let query = Instant::now();
    let keys = rt.block_on(store.series(&SeriesFilter::default())).expect("series");
    for key in keys.iter().take(100) {
        let range = RangeQuery {
            series: key.clone(),
            from: Timestamp(0),
            to: Timestamp(i64::MAX),
            step: Some((Step::of(3_600_000), ioc_model::Aggregate::Mean)),
            limit: 1_000,
        };
        rt.block_on(store.range(&range)).expect("range");
    }
    println!(
        "flush each {hours} h: {points} points, {} series, {:.2} bytes/point on disk ({} bytes), \
         {:.3} µs CPU/point with all flushes, RSS {rss} kB before, {rss_after} kB after, \
         a week of one series by the hour in {:.2} ms",
        stats.series,
        stats.bytes as f64 / points,
        stats.bytes,
        cpu * 1_000.0 / points,
        query.elapsed().as_secs_f64() * 10.0,
    );
}

fn status_kb(field: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = text.lines().find(|l| l.starts_with(field)).expect("field");
    line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number")
}

/// CPU of this process, user and system, in ms (proc(5): clock ticks of 10 ms).
fn cpu_ms() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let after = text.rsplit_once(')').expect("comm").1;
    let fields: Vec<&str> = after.split_whitespace().collect();
    let ticks: f64 = [11, 12].iter().map(|i| fields[*i].parse::<f64>().expect("ticks")).sum();
    ticks * 10.0
}
