//! The journal is the spool: an outage loses nothing and fills no memory.

use std::time::Duration;

use ioc_model::{Entry, HistoryStore, Timestamp};
use ioc_tests::wait_until;

use crate::support::{LIMIT, Setup, flush_to, reading, readings};

/// The 60 s of issue 2 with every wait divided by 30.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_under_load_loses_and_doubles_nothing() {
    let mut s = Setup::new().await;
    s.config.backoff_max_ms = 2_000;
    s.config.batch_points = 500;
    s.config.queue_points = 2_000;
    let store = s.open().await;
    let entries = readings(0, 40_000);
    let load = {
        let (store, entries) = (store.clone(), entries.clone());
        tokio::spawn(async move {
            for (i, batch) in entries.chunks(100).enumerate() {
                store.append(i as u64 * 100, batch).await.expect("append");
            }
        })
    };
    wait_until("some points", LIMIT, async || {
        Ok((s.fake.points("ioc").len() >= 5_000).then_some(()))
    })
    .await
    .expect("load runs");
    s.fake.stop().await;
    let stored = s.fake.points("ioc").len();
    assert!(stored < 40_000, "the outage came in the middle");
    wait_until("trouble", LIMIT, async || Ok(store.stats().await.trouble)).await.expect("shows");
    let begun = std::time::Instant::now();
    while begun.elapsed() < Duration::from_secs(2) {
        let queued = store.influx_stats().await.expect("stats").queued_points;
        assert!(queued <= 2_000, "memory is bounded, the journal is the spool: {queued}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(!load.is_finished(), "the reader waits");
    assert_eq!(s.fake.points("ioc").len(), stored);
    s.fake.restart().await.expect("same port");
    load.await.expect("load ends");
    flush_to(&store, 40_000).await;
    s.assert_stored(&entries);
    assert_eq!(s.counted(), (40_000, 0));
}

#[tokio::test]
async fn a_restart_during_an_outage_goes_on_from_the_cursor() {
    let mut s = Setup::new().await;
    let entries = readings(0, 3_000);
    let store = s.open().await;
    store.append(0, &entries[..1_000]).await.expect("append");
    flush_to(&store, 1_000).await;
    s.fake.stop().await;
    store.append(1_000, &entries[1_000..2_000]).await.expect("append fits the queue");
    assert_eq!(store.flush(ioc_model::Flush::All).await.expect("flush"), 1_000);
    store.close().await;
    drop(store);

    let store = s.open().await;
    let from = store.cursor().await.expect("cursor") as usize;
    assert_eq!(from, 1_000);
    s.fake.restart().await.expect("same port");
    store.append(from as u64, &entries[from..]).await.expect("append");
    flush_to(&store, 3_000).await;
    s.assert_stored(&entries);
}

#[tokio::test]
async fn a_server_that_is_not_there_at_the_start_is_waited_for() {
    let mut s = Setup::new().await;
    s.fake.stop().await;
    let store = s.open().await;
    let entries = readings(0, 10);
    store.append(0, &entries).await.expect("append");
    wait_until("trouble", LIMIT, async || Ok(store.stats().await.trouble)).await.expect("shows");
    s.fake.restart().await.expect("same port");
    flush_to(&store, 10).await;
    s.assert_stored(&entries);
}

#[tokio::test]
async fn ticks_and_refused_points_move_the_cursor_without_the_server() {
    let mut s = Setup::new().await;
    s.fake.stop().await;
    let store = s.open().await;
    let bad = reading("air", "line\nend", 1_700_000_000_000, 1.0);
    let entries = [Entry::Tick(Timestamp(1)), bad, Entry::Tick(Timestamp(2))];
    store.append(0, &entries).await.expect("append");
    flush_to(&store, 3).await;
    assert_eq!(s.counted(), (0, 1));
    let letters = store.dead_letters(5).await.expect("letters");
    assert_eq!((letters.len(), letters[0].1.position), (1, 1));
    assert!(letters[0].1.reason.contains("control character"), "{letters:?}");
}
