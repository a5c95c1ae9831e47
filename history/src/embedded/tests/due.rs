//! What is written when, and what the journal has to keep.

use std::time::Instant;

use super::*;

const S: Duration = Duration::from_secs(1);

fn entries(device: &str, from: i64, n: i64) -> Vec<Entry> {
    (from..from + n).map(|i| reading(device, T0 + i, i as f64, Quality::Good)).collect()
}

fn due(store: &EmbeddedStore, now: Instant) -> u64 {
    store.0.flush(Flush::Due, now).expect("flush")
}

fn head_points(store: &EmbeddedStore) -> u64 {
    store.embedded_stats().unflushed_points
}

#[tokio::test]
async fn full_heads_are_written_and_the_journal_keeps_the_rest() {
    let folder = tempfile::tempdir().expect("folder");
    let store = open(folder.path());
    let t = Instant::now();
    store.0.append(0, &entries("slow", 0, 3), t);
    store.0.append(3, &entries("fast", 0, 1_000), t);
    assert_eq!((due(&store, t), head_points(&store)), (0, 3), "the slow series holds the cursor");
    store.0.append(1_003, &entries("fast", 1_000, 10), t);
    drop(store);

    // The journal is read again from the cursor: what is in blocks is not taken twice.
    let store = open(folder.path());
    let from = store.cursor().await.expect("cursor");
    assert_eq!(from, 0);
    let journal = [entries("slow", 0, 3), entries("fast", 0, 1_010)].concat();
    store.0.append(0, &journal, t);
    assert_eq!(head_points(&store), 13);
    assert_eq!(store.flush(Flush::All).await.expect("flush"), 1_013);
    assert_eq!((all(&store, "slow").await.len(), all(&store, "fast").await.len()), (3, 1_010));
    assert_eq!(store.stats().await.points, 1_013);
}

#[tokio::test]
async fn old_heads_are_written() {
    let folder = tempfile::tempdir().expect("folder");
    let config = EmbeddedConfig { head_age_s: 60, ..EmbeddedConfig::default() };
    let store = open_with(folder.path(), config, &Arc::default(), 0);
    let t = Instant::now();
    store.0.append(0, &entries("a", 0, 1), t + S);
    store.0.append(1, &entries("b", 0, 1), t + S * 31);
    assert_eq!((due(&store, t + S * 58), head_points(&store)), (0, 2));
    assert_eq!((due(&store, t + S * 63), head_points(&store)), (1, 1));
    store.0.append(2, &entries("a", 5, 1), t + S * 70);
    assert_eq!((due(&store, t + S * 93), head_points(&store)), (2, 1));
    assert_eq!((due(&store, t + S * 140), head_points(&store)), (3, 0));
}

#[tokio::test]
async fn heads_are_written_when_the_journal_has_grown_long_behind_them() {
    let folder = tempfile::tempdir().expect("folder");
    let config = EmbeddedConfig { head_lag_entries: 100, ..EmbeddedConfig::default() };
    let store = open_with(folder.path(), config, &Arc::default(), 0);
    let t = Instant::now();
    store.0.append(0, &entries("slow", 0, 1), t);
    store.0.append(1, &entries("fast", 0, 99), t);
    assert_eq!(due(&store, t), 0);
    store.0.append(100, &entries("fast", 99, 1), t);
    assert_eq!((due(&store, t), head_points(&store)), (1, 100));
}

#[tokio::test]
async fn entries_without_points_move_the_cursor() {
    let folder = tempfile::tempdir().expect("folder");
    let store = open(folder.path());
    let t = Instant::now();
    store.0.append(0, &[Entry::Tick(Timestamp(T0)), Entry::Tick(Timestamp(T0))], t);
    assert_eq!(due(&store, t), 2);
    assert_eq!(due(&store, t), 2);
    assert!(store.stats().await.healthy);
    drop(store);
    assert_eq!(open(folder.path()).cursor().await.expect("cursor"), 2);
}

#[tokio::test]
async fn many_series_are_written_in_several_transactions() {
    let folder = tempfile::tempdir().expect("folder");
    let store = open(folder.path());
    let journal: Vec<Entry> =
        (0..4_500).map(|i| reading(&format!("d{i}"), T0, 1.0, Quality::Good)).collect();
    store.append(0, &journal).await.expect("append");
    // The third transaction is refused: what the first two wrote stays, the rest stays in memory.
    database(folder.path())
        .execute_batch(
            "CREATE TRIGGER refuse BEFORE INSERT ON tail WHEN new.slot = 2 * 4400
             BEGIN SELECT RAISE(ABORT, 'no'); END;",
        )
        .expect("trigger");
    store.flush(Flush::All).await.expect_err("refused");
    assert_eq!((store.cursor().await.expect("cursor"), head_points(&store)), (4_000, 500));
    drop(store);
    database(folder.path()).execute_batch("DROP TRIGGER refuse").expect("drop");
    let store = open(folder.path());
    store.append(0, &journal).await.expect("append");
    assert_eq!(head_points(&store), 500);
    assert_eq!(store.flush(Flush::All).await.expect("flush"), 4_500);
    assert_eq!(store.stats().await.points, 4_500);
}

#[tokio::test]
async fn stats_say_since_when_anything_is_known() {
    let folder = tempfile::tempdir().expect("folder");
    let store = open(folder.path());
    assert_eq!(store.stats().await.since, None);
    store.append(0, &entries("a", 7, 5)).await.expect("append");
    assert_eq!(store.stats().await.since, Some(Timestamp(T0 + 7)));
    store.flush(Flush::All).await.expect("flush");
    store.append(5, &entries("b", 3, 1)).await.expect("append");
    assert_eq!(store.stats().await.since, Some(Timestamp(T0 + 3)));
    store.flush(Flush::All).await.expect("flush");
    drop(store);
    let stats = open(folder.path()).stats().await;
    assert_eq!((stats.since, stats.raw_from), (Some(Timestamp(T0 + 3)), None));
}
