//! A process that appends a scripted journal and flushes is killed at every write it makes (and
//! every sync, truncation and removal). After each kill the file is opened again and the journal
//! given again from the cursor: the store has to hold every point exactly once, and its windows
//! have to be those of the points.
//!
//! `IOC_KILL_EVERY=1 cargo test -p ioc-history --test kill -- --nocapture` tries every call;
//! without it every third.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use ioc_history::{EmbeddedConfig, EmbeddedStore};
use ioc_model::{
    Aggregate, Body, Entry, Flush, HistoryStore, Ledger, Name, Point, Quality, RangeQuery, Record,
    SeriesKey, Step, Timestamp, Values, WindowQuery,
};

const FOLDER: &str = "IOC_KILL_DIR";
/// Everything that changes a file or makes a change last. strace counts each for itself.
const CALLS: [&str; 5] = ["pwrite64", "fdatasync", "fsync", "ftruncate", "unlink"];
const WORKERS: usize = 2;
const ENTRIES: usize = 9_000;
const BATCH: usize = 300;
const T0: i64 = 1_700_000_000_000;

/// One device that gives most of the entries, with late and bad values; three slow ones.
fn journal() -> Vec<Entry> {
    let entry = |i: usize| {
        let slow = i.is_multiple_of(29);
        let device = if slow { ["b", "c", "d"][i / 29 % 3] } else { "a" };
        let behind = if i > 4_000 && i.is_multiple_of(5) { 3_500 } else { i % 3 };
        let quality = if i.is_multiple_of(97) { Quality::Bad } else { Quality::Good };
        let mut values = Values::new();
        values.push(("pm25".into(), i as f64));
        if slow {
            values.push(("pm10".into(), -(i as f64)));
        }
        let time = Timestamp(T0 + (i as i64 - behind as i64) * 1_000);
        Entry::Record(Record {
            device: device.into(),
            area: "hai_chau".into(),
            service: "air".into(),
            source: 0,
            time,
            received: time,
            seq: None,
            clock_clamped: false,
            derived: false,
            body: Body::Observation { quality, values },
        })
    };
    (0..ENTRIES).map(entry).collect()
}

fn expected(journal: &[Entry]) -> BTreeMap<SeriesKey, Vec<Point>> {
    let mut out: BTreeMap<SeriesKey, Vec<Point>> = BTreeMap::new();
    for entry in journal {
        let Entry::Record(r) = entry else { continue };
        r.for_each_point(|property, value, quality| {
            let key = SeriesKey { device: Name::clone(&r.device), property: Name::clone(property) };
            out.entry(key).or_default().push(Point { time: r.time, value, quality });
        });
    }
    for points in out.values_mut() {
        points.sort_by(|a, b| a.time.cmp(&b.time).then(a.value.total_cmp(&b.value)));
    }
    out
}

/// Memory is short and the journal must not grow long: all reasons to write come up.
fn open(folder: &Path) -> EmbeddedStore {
    let config = EmbeddedConfig {
        head_max_points: 2_500,
        head_lag_entries: 1_500,
        ..EmbeddedConfig::default()
    };
    let path = folder.join("history.sqlite");
    EmbeddedStore::open(&path, config, Arc::<Ledger>::default(), 0).expect("opens")
}

/// What the killed process does.
#[test]
#[ignore = "is started by the other test, in a process of its own"]
fn the_scenario() {
    // strace counts the calls of each thread for itself: all work is done in one.
    let rt = tokio::runtime::Builder::new_current_thread()
        .max_blocking_threads(1)
        .build()
        .expect("runtime");
    rt.block_on(scenario());
}

async fn scenario() {
    let folder = std::env::var_os(FOLDER).expect("set by the other test");
    let store = open(Path::new(&folder));
    let journal = journal();
    for (i, batch) in journal.chunks(BATCH).enumerate() {
        store.append((i * BATCH) as u64, batch).await.expect("appends");
        let what = if i % 5 == 4 { Flush::All } else { Flush::Due };
        store.flush(what).await.expect("flushes");
        if i % 4 == 3 {
            while store.maintain(Timestamp(T0)).await.expect("keeps house").more {}
        }
    }
}

#[test]
fn killed_at_every_write_it_holds_every_point_once() {
    let every: usize =
        std::env::var("IOC_KILL_EVERY").ok().and_then(|n| n.parse().ok()).unwrap_or(3);
    let next: BTreeMap<&str, AtomicUsize> =
        CALLS.iter().map(|c| (*c, AtomicUsize::new(1))).collect();
    let killed = Mutex::new(BTreeMap::<&str, usize>::new());
    let again = Mutex::new((0, 0));
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                for call in CALLS {
                    loop {
                        let n = next[call].fetch_add(every, Ordering::Relaxed);
                        let Some(entries) = kill_and_judge(call, n) else { break };
                        *killed.lock().expect("no panic").entry(call).or_default() += 1;
                        let mut again = again.lock().expect("no panic");
                        *again = (again.0.max(entries), again.1 + entries);
                    }
                }
            });
        }
    });
    let killed = killed.into_inner().expect("no panic");
    let points: usize = killed.values().sum();
    let (most, sum) = again.into_inner().expect("no panic");
    println!(
        "killed at {points} calls {killed:?} (every {every}.): every point once; read again after \
         a kill: {} entries on average, {most} at most",
        sum / points.max(1)
    );
    let least = if every == 1 { 100 } else { 10 };
    assert!(points >= least, "only {points} calls: does strace count?");
    for call in ["pwrite64", "fsync"] {
        assert!(killed.contains_key(call), "{killed:?}: does the process no longer {call}?");
    }
}

/// How many entries had to be given again; `None` if the process came to its end before it made
/// the call so often.
fn kill_and_judge(call: &str, n: usize) -> Option<usize> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (trace, inject) = (format!("trace={call}"), format!("inject={call}:signal=KILL:when={n}"));
    let output = Command::new("strace")
        .args(["-f", "-qq", "-o", "/dev/null", "-e", &trace, "-e", &inject])
        .arg(std::env::current_exe().expect("this test"))
        .args(["the_scenario", "--exact", "--ignored", "--test-threads=1", "--nocapture"])
        .env(FOLDER, folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .expect("strace is installed");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!text.contains("panicked"), "{call} {n}: {text}");
    let rt = tokio::runtime::Builder::new_current_thread().build().expect("runtime");
    let entries = rt.block_on(judge(folder.path(), &format!("{call} {n}")));
    (!output.status.success()).then_some(entries)
}

async fn judge(folder: &Path, name: &str) -> usize {
    let journal = journal();
    let store = open(folder);
    let from = store.cursor().await.expect("cursor") as usize;
    store.append(from as u64, &journal[from..]).await.expect("appends");
    let end = store.flush(Flush::All).await.expect("flushes");
    assert_eq!(end as usize, journal.len(), "{name}");
    let expected = expected(&journal);
    let points: usize = expected.values().map(Vec::len).sum();
    assert_eq!(store.stats().await.points as usize, points, "{name}");
    for (series, expect) in expected {
        check_points(&store, &series, &expect, name).await;
        for step in [60_000, 3_600_000] {
            check_windows(&store, &series, &expect, (step, name)).await;
        }
    }
    journal.len() - from
}

async fn check_points(store: &EmbeddedStore, series: &SeriesKey, expect: &[Point], name: &str) {
    let query = RangeQuery {
        series: series.clone(),
        from: Timestamp(i64::MIN),
        to: Timestamp(i64::MAX),
        step: None,
        limit: usize::MAX,
    };
    let mut got = store.range(&query).await.expect("range").points;
    got.sort_by(|a, b| a.time.cmp(&b.time).then(a.value.total_cmp(&b.value)));
    assert!(got == expect, "{name}: {series:?} has {} points of {}", got.len(), expect.len());
}

async fn check_windows(
    store: &EmbeddedStore,
    series: &SeriesKey,
    expect: &[Point],
    (step, name): (i64, &str),
) {
    let query = WindowQuery {
        series: series.clone(),
        from: Timestamp(i64::MIN),
        to: Timestamp(i64::MAX),
        step: Step::of(step),
        limit: usize::MAX,
    };
    let got = store.windows(&query).await.expect("windows").windows;
    let mut of: BTreeMap<i64, Vec<&Point>> = BTreeMap::new();
    for p in expect {
        of.entry(p.time.0.div_euclid(step) * step).or_default().push(p);
    }
    let expect: Vec<_> = of
        .into_iter()
        .map(|(start, points)| {
            let good = points.iter().filter(|p| p.quality != Quality::Bad).map(|p| p.value);
            let min = good.clone().fold(f64::INFINITY, f64::min);
            let max = good.clone().fold(f64::NEG_INFINITY, f64::max);
            let count = good.clone().count() as u64;
            (start, count, points.len() as u64 - count, min, max, good.sum::<f64>())
        })
        .collect();
    let got: Vec<_> = got
        .iter()
        .map(|w| {
            let of = |how, none| w.value(how).unwrap_or(none);
            let (min, max) =
                (of(Aggregate::Min, f64::INFINITY), of(Aggregate::Max, -f64::INFINITY));
            (w.start.0, w.count, w.bad, min, max, w.sum)
        })
        .collect();
    // All values are whole: their sums are exact in whatever order.
    assert_eq!(got, expect, "{name}: {series:?} by {step} ms");
}
