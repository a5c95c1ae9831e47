//! Bits that flip.

use super::*;

#[tokio::test]
async fn a_flipped_bit_costs_one_block_and_is_counted() {
    let folder = tempfile::tempdir().expect("folder");
    let store = open(folder.path());
    let entries: Vec<Entry> =
        (0..3_500).map(|i| reading("a", T0 + i, i as f64, Quality::Good)).collect();
    store.append(0, &entries).await.expect("append");
    store.flush(Flush::All).await.expect("flush");
    drop(store);
    let flip = |table: &str, id: &str| {
        let conn = database(folder.path());
        let sql = format!("SELECT {id}, data FROM {table} LIMIT 1");
        let (key, mut data): (i64, Vec<u8>) =
            conn.query_row(&sql, [], |r| Ok((r.get(0)?, r.get(1)?))).expect("row");
        data[50] ^= 4;
        conn.execute(&format!("UPDATE {table} SET data = ?1 WHERE {id} = ?2"), (data, key))
            .expect("update");
    };
    flip("block", "id");
    let store = open(folder.path());
    let points = all(&store, "a").await;
    assert_eq!((points.len(), points[0].value), (2_500, 1_000.0));
    assert_eq!(store.embedded_stats().damaged_blocks, 1);
    drop(store);

    flip("tail", "slot");
    let store = open(folder.path());
    assert_eq!(all(&store, "a").await.len(), 2_000);
    // The damaged tail stops neither newer nor older points.
    let more =
        [reading("a", T0 + 9_000, 1.0, Quality::Good), reading("a", T0 + 5, 1.0, Quality::Good)];
    store.append(3_500, &more).await.expect("append");
    assert_eq!(store.flush(Flush::All).await.expect("flush"), 3_502);
    assert_eq!(all(&store, "a").await.len(), 2_002);
    let stats = store.stats().await;
    assert!(stats.healthy && stats.trouble.is_some_and(|t| t.contains("damaged")));
}

#[tokio::test]
async fn a_file_that_is_no_database_is_set_aside() {
    let folder = tempfile::tempdir().expect("folder");
    std::fs::write(folder.path().join("history.db"), [7u8; 20_000]).expect("write");
    let store = open(folder.path());
    assert_eq!(store.cursor().await.expect("cursor"), 0);
    assert!(folder.path().join("history.db.damaged-1").exists());
    assert!(store.stats().await.trouble.is_some_and(|t| t.contains("damaged-1")));
}
