//! Files of older layouts.

use super::*;
use crate::embedded::block;
use crate::embedded::database::{Lane, Stored};

/// As version 0.4 made it.
const LAYOUT_1: &str = "
CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO meta VALUES ('cursor', 0), ('points', 0);
CREATE TABLE series (id INTEGER PRIMARY KEY, device TEXT NOT NULL, property TEXT NOT NULL);
CREATE TABLE block (id INTEGER PRIMARY KEY, series INTEGER NOT NULL, late INTEGER NOT NULL,
  t_min INTEGER NOT NULL, t_max INTEGER NOT NULL, n INTEGER NOT NULL, crc INTEGER NOT NULL,
  data BLOB NOT NULL);
CREATE INDEX block_by_time ON block (series, late, t_min, t_max, n);
CREATE TABLE tail (slot INTEGER PRIMARY KEY, t_min INTEGER NOT NULL, t_max INTEGER NOT NULL,
  n INTEGER NOT NULL, crc INTEGER NOT NULL, data BLOB NOT NULL);
PRAGMA user_version = 1;
";

fn stored(points: &[Point]) -> Stored {
    let whole = Stored::new(0, points).expect("compresses").expect("not empty");
    assert!(points.len() <= block::BLOCK_POINTS);
    whole
}

fn write_layout_1(folder: &Path, points: &[Point]) {
    let conn = database(folder);
    conn.execute_batch("PRAGMA page_size = 8192; PRAGMA journal_mode = WAL;").expect("wal");
    conn.execute_batch(LAYOUT_1).expect("schema");
    conn.execute("INSERT INTO series VALUES (0, 'a', 'pm25'), (1, 'b', 'pm25')", [])
        .expect("series");
    let b = stored(&points[..1_000]);
    conn.execute(
        "INSERT INTO block (series, late, t_min, t_max, n, crc, data) VALUES (0, ?1, ?2, ?3, ?4, ?5, ?6)",
        (Lane::InOrder as i64, b.meta.t_min, b.meta.t_max, b.meta.n, b.crc, &b.data),
    )
    .expect("block");
    let t = stored(&points[1_000..]);
    conn.execute(
        "INSERT INTO tail VALUES (0, ?1, ?2, ?3, ?4, ?5)",
        (t.meta.t_min, t.meta.t_max, t.meta.n, t.crc, &t.data),
    )
    .expect("tail");
    conn.execute_batch(
        "UPDATE meta SET value = 1500 WHERE key = 'cursor';
         UPDATE meta SET value = 1200 WHERE key = 'points';",
    )
    .expect("meta");
}

#[tokio::test]
async fn a_file_of_layout_1_is_taken_over() {
    let folder = tempfile::tempdir().expect("folder");
    let journal: Vec<Entry> =
        (0..3_000).map(|i| reading("a", T0 + i * 1_000, i as f64, Quality::Good)).collect();
    let point =
        |i: i64| Point { time: Timestamp(T0 + i * 1_000), value: i as f64, quality: Quality::Good };
    let points: Vec<Point> = (0..1_200).map(point).collect();
    write_layout_1(folder.path(), &points);

    let store = open(folder.path());
    assert_eq!(store.cursor().await.expect("cursor"), 1_500);
    assert_eq!(all(&store, "a").await, points);
    let stats = store.stats().await;
    assert_eq!((stats.points, stats.series, stats.more["blocks"]), (1_200, 2, 1));
    assert_eq!(stats.since, Some(Timestamp(T0)));
    // Also when the cursor should be lost, nothing of before is taken again.
    drop(store);
    database(folder.path())
        .execute("UPDATE meta SET value = 7 WHERE key = 'cursor'", [])
        .expect("update");
    let store = open(folder.path());
    assert_eq!(store.cursor().await.expect("cursor"), 0);
    store.append(0, &journal).await.expect("append");
    assert_eq!(store.flush(Flush::All).await.expect("flush"), 3_000);
    assert_eq!(all(&store, "a").await.len(), 1_200 + 1_500);
    tiers::check(folder.path());
    drop(store);
    assert_eq!(all(&open(folder.path()), "a").await.len(), 2_700);
    let names = "SELECT group_concat(name) FROM (SELECT name FROM sqlite_schema ORDER BY name)";
    let names = |path: &Path| -> String {
        database(path).query_row(names, [], |r| r.get(0)).expect("names")
    };
    let new = tempfile::tempdir().expect("folder");
    drop(open(new.path()));
    assert_eq!(names(folder.path()), names(new.path()), "all that a new file has");
}

#[tokio::test]
async fn a_file_of_a_later_layout_is_refused() {
    let folder = tempfile::tempdir().expect("folder");
    database(folder.path()).execute_batch("PRAGMA user_version = 3").expect("version");
    let path = folder.path().join("history.db");
    let e = EmbeddedStore::open(&path, EmbeddedConfig::default(), Arc::default(), 0).err();
    assert!(e.is_some_and(|e| e.to_string().contains("layout 3")));
}
