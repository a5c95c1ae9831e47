use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use ioc_model::{
    Aggregate, Body, Detection, Entry, Flush, HistoryStore, Ledger, Point, Quality, RangeQuery,
    Record, SeriesFilter, SeriesKey, Status, Step, Timestamp, Values,
};

use super::EmbeddedStore;
use crate::EmbeddedConfig;

mod damage;
mod due;
mod migrate;
mod model;
mod tiers;

const T0: i64 = 1_700_000_000_000;

fn reading(device: &str, time: i64, value: f64, quality: Quality) -> Entry {
    let mut values = Values::new();
    values.push(("pm25".into(), value));
    record(device, time, Body::Observation { quality, values })
}

fn record(device: &str, time: i64, body: Body) -> Entry {
    Entry::Record(Record {
        device: device.into(),
        area: "hai_chau".into(),
        service: "air".into(),
        source: 0,
        time: Timestamp(time),
        received: Timestamp(time),
        seq: None,
        clock_clamped: false,
        derived: false,
        body,
    })
}

fn open(folder: &Path) -> EmbeddedStore {
    open_with(folder, EmbeddedConfig::default(), &Arc::default(), 0)
}

fn open_with(
    folder: &Path,
    config: EmbeddedConfig,
    ledger: &Arc<Ledger>,
    count_from: u64,
) -> EmbeddedStore {
    EmbeddedStore::open(&folder.join("history.db"), config, Arc::clone(ledger), count_from)
        .expect("store opens")
}

fn query(device: &str, from: i64, to: i64, step: Option<(Step, Aggregate)>) -> RangeQuery {
    RangeQuery {
        series: SeriesKey { device: device.into(), property: "pm25".into() },
        from: Timestamp(from),
        to: Timestamp(to),
        step,
        limit: usize::MAX,
    }
}

async fn all(store: &EmbeddedStore, device: &str) -> Vec<Point> {
    let q = query(device, i64::MIN, i64::MAX, None);
    store.range(&q).await.expect("range").points
}

fn database(folder: &Path) -> rusqlite::Connection {
    rusqlite::Connection::open(folder.join("history.db")).expect("database opens")
}

#[tokio::test]
async fn points_are_seen_before_and_after_the_flush_and_after_a_restart() {
    let folder = tempfile::tempdir().expect("folder");
    let store = open(folder.path());
    let detection = Detection {
        kind: "wrong_way".into(),
        id: None,
        object: None,
        confidence: None,
        count: Some(3.0),
        zone: None,
        personal: None,
    };
    let entries = [
        reading("a", T0 + 2, 2.0, Quality::Good),
        Entry::Tick(Timestamp(T0)),
        reading("a", T0 + 1, 1.0, Quality::Bad),
        record("cam", T0, Body::Detection(Box::new(detection))),
        record("cam", T0, Body::Status(Status { online: true, battery: Some(80.0) })),
    ];
    store.append(10, &entries).await.expect("append");
    assert_eq!(store.cursor().await.expect("cursor"), 0);
    let before = all(&store, "a").await;
    assert_eq!(before.iter().map(|p| p.value).collect::<Vec<_>>(), [1.0, 2.0]);
    assert_eq!(store.flush(Flush::All).await.expect("flush"), 15);
    assert_eq!(all(&store, "a").await, before);
    let last = store.last(None, Timestamp(T0 + 9)).await.expect("last");
    drop(store);

    let store = open(folder.path());
    assert_eq!(store.cursor().await.expect("cursor"), 15);
    assert_eq!(all(&store, "a").await, before);
    assert_eq!(store.last(None, Timestamp(T0 + 9)).await.expect("last"), last);
    let names: Vec<String> = last
        .iter()
        .map(|l| format!("{} {} {}", l.series.device, l.series.property, l.point.value))
        .collect();
    assert_eq!(names, ["a pm25 2", "cam battery 80", "cam event.wrong_way 3", "cam online 1"]);
    let at = store.last(Some("a"), Timestamp(T0 + 1)).await.expect("last");
    assert_eq!(at[0].point, Point { time: Timestamp(T0 + 1), value: 1.0, quality: Quality::Bad });
    assert!(store.last(Some("a"), Timestamp(T0)).await.expect("last").is_empty());
    let keys = store.series(&SeriesFilter::of(Some("cam"))).await.expect("series");
    assert_eq!(keys.len(), 3);
    assert_eq!(store.stats().await.points, 5);
}

#[tokio::test]
async fn what_was_appended_before_is_ignored() {
    let folder = tempfile::tempdir().expect("folder");
    let store = open(folder.path());
    let entries: Vec<Entry> =
        (0..10).map(|i| reading("a", T0 + i, i as f64, Quality::Good)).collect();
    store.append(0, &entries[..6]).await.expect("append");
    store.append(0, &entries[..6]).await.expect("append");
    store.flush(Flush::All).await.expect("flush");
    store.append(3, &entries[3..]).await.expect("append");
    store.flush(Flush::All).await.expect("flush");
    store.append(0, &entries).await.expect("append");
    assert_eq!(all(&store, "a").await.len(), 10);
}

#[tokio::test]
async fn the_ledger_counts_taken_records_of_this_process_once() {
    let folder = tempfile::tempdir().expect("folder");
    let ledger = Arc::<Ledger>::default();
    let (_, door) = ledger.source("gateway");
    let config = EmbeddedConfig { max_series: 2, ..EmbeddedConfig::default() };
    let store = open_with(folder.path(), config, &ledger, 2);
    let entries: Vec<Entry> =
        ["a", "b", "a", "c", "b"].iter().map(|d| reading(d, T0, 1.0, Quality::Good)).collect();
    store.append(0, &entries).await.expect("append");
    assert_eq!((door.stored.load(Relaxed), door.dead_lettered.load(Relaxed)), (2, 1));
    store.append(0, &entries).await.expect("append");
    store.flush(Flush::All).await.expect("flush");
    store.flush(Flush::All).await.expect("flush");
    assert_eq!((door.stored.load(Relaxed), door.dead_lettered.load(Relaxed)), (2, 1));
    assert_eq!(store.embedded_stats().refused_points, 1);
}

#[tokio::test]
async fn a_full_head_flushes_instead_of_growing() {
    let folder = tempfile::tempdir().expect("folder");
    let config = EmbeddedConfig { head_max_points: 100, ..EmbeddedConfig::default() };
    let store = open_with(folder.path(), config, &Arc::default(), 0);
    for batch in 0..50u64 {
        let entries: Vec<Entry> =
            (0..30).map(|i| reading("a", T0 + batch as i64 * 30 + i, 1.0, Quality::Good)).collect();
        store.append(batch * 30, &entries).await.expect("append");
        assert!(store.embedded_stats().unflushed_points < 130);
    }
    assert!(store.cursor().await.expect("cursor") >= 1_380);
    assert_eq!(all(&store, "a").await.len(), 1_500);
}

#[tokio::test]
async fn a_failed_flush_loses_nothing_and_shows() {
    let folder = tempfile::tempdir().expect("folder");
    let ledger = Arc::<Ledger>::default();
    let (_, door) = ledger.source("gateway");
    let config = EmbeddedConfig { head_max_points: 3, ..EmbeddedConfig::default() };
    let store = open_with(folder.path(), config, &ledger, 0);
    database(folder.path())
        .execute_batch(
            "CREATE TRIGGER refuse BEFORE UPDATE ON meta BEGIN SELECT RAISE(ABORT, 'no'); END;",
        )
        .expect("trigger");
    let entries: Vec<Entry> =
        (0..3).map(|i| reading("a", T0 + i, i as f64, Quality::Good)).collect();
    store.append(0, &entries).await.expect("append");
    store.flush(Flush::All).await.expect_err("refused");
    let refused = [reading("a", T0 + 3, 3.0, Quality::Good)];
    let waits = {
        let (store, refused) = (store.clone(), refused.clone());
        tokio_util::task::TaskTracker::new().spawn(async move { store.append(3, &refused).await })
    };
    let again = tokio::time::timeout(Duration::from_millis(50), store.append(3, &refused)).await;
    again.expect_err("memory is full and cannot be written: the reader waits");
    let stats = store.stats().await;
    assert!(!stats.healthy && stats.trouble.is_some(), "{stats:?}");
    assert_eq!((all(&store, "a").await.len(), door.stored.load(Relaxed)), (3, 3));
    database(folder.path()).execute_batch("DROP TRIGGER refuse").expect("drop");
    waits.await.expect("ends").expect("append");
    assert_eq!(store.flush(Flush::All).await.expect("flush"), 4);
    let values: Vec<f64> = all(&store, "a").await.iter().map(|p| p.value).collect();
    assert_eq!((values.as_slice(), door.stored.load(Relaxed)), (&[0.0, 1.0, 2.0, 3.0][..], 4));
    assert!(store.stats().await.healthy);
}

/// Without `gate` this failed in 6 of 6 runs.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn queries_during_flushes_see_each_point_once() {
    const FLUSHES: usize = 1_500;
    let folder = tempfile::tempdir().expect("folder");
    let store = open(folder.path());
    let writer = async {
        for i in 0..FLUSHES {
            let entry = [reading("a", T0 + i as i64, 1.0, Quality::Good)];
            store.append(i as u64, &entry).await.expect("append");
            store.flush(Flush::All).await.expect("flush");
        }
    };
    let reader = || async {
        let mut newest = 0;
        while newest < FLUSHES {
            // Only the newest points: the shorter the query, the more of them meet a flush.
            let from = newest.saturating_sub(2);
            let q = query("a", T0 + from as i64, i64::MAX, None);
            let points = store.range(&q).await.expect("range").points;
            for (i, p) in points.iter().enumerate() {
                assert_eq!(p.time.0, T0 + (from + i) as i64, "a point is missing or double");
            }
            assert!(from + points.len() >= newest, "a point vanished");
            newest = from + points.len();
        }
    };
    tokio::join!(writer, reader(), reader(), reader());
}
