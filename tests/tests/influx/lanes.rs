//! Several writes on their way at once: faster where the server is far, and nothing else changes.

use std::collections::BTreeMap;
use std::time::Duration;

use ioc_model::HistoryStore;
use ioc_tests::influx_fake::Misbehave;
use ioc_tests::wait_until;

use crate::support::{LIMIT, Setup, flush_to, readings};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_overlap_and_each_series_keeps_its_order() {
    let mut s = Setup::new().await;
    s.config.batch_points = 50;
    {
        let mut world = s.fake.world();
        world.keep_order = true;
        // Every lane is slow, fast, cut off and refused in turn.
        world.script = (0..160u64)
            .map(|i| match i % 8 {
                3 => Misbehave::ResetAfterStore,
                5 => Misbehave::Status(500, None),
                _ => Misbehave::Slow(Duration::from_millis(i * 37 % 23)),
            })
            .collect();
    }
    let store = s.open().await;
    let entries = readings(0, 4_000);
    store.append(0, &entries).await.expect("append");
    flush_to(&store, 4_000).await;
    s.assert_stored(&entries);
    let world = s.fake.world();
    assert_eq!(world.in_flight.1, s.config.in_flight, "all lanes at once, and no more");
    let mut newest = BTreeMap::new();
    let mut again = 0;
    for (series, time) in &world.order {
        // A write that was cut off after it was stored comes again, as a whole.
        let before = newest.entry(series).or_insert(i64::MIN);
        again += usize::from(time <= before);
        *before = (*before).max(*time);
    }
    let repeated = world.order.len() - 4_000;
    assert_eq!(again, repeated, "only repeated points are not newer than what came before");
}

#[tokio::test]
async fn a_lane_that_stands_still_holds_the_cursor_and_not_the_others() {
    let s = Setup::new().await;
    let entries = readings(0, 2_000);
    {
        let mut world = s.fake.world();
        world.stuck = Some("device=st-0,".into());
        world.malformed = vec!["value=1777,".into()];
    }
    let store = s.open().await;
    store.append(0, &entries).await.expect("append");
    let with =
        |device: &str| s.fake.points("ioc").iter().filter(|p| p.0.tags["device"] == device).count();
    wait_until("the letter of another lane", LIMIT, async || {
        let stats = store.influx_stats().await?;
        Ok((stats.dead_letters == 1 && stats.stored_points > 199).then_some(()))
    })
    .await
    .expect("the other lanes go on");
    assert_eq!(with("st-0"), 0);
    assert_eq!(store.cursor().await.expect("cursor"), 0, "the first record is of st-0");
    assert!(!store.stats().await.healthy, "the lane's trouble shows");
    store.close().await;
    drop(store);

    s.fake.world().stuck = None;
    let store = s.open().await;
    store.append(0, &entries).await.expect("again from the cursor");
    flush_to(&store, 2_000).await;
    s.assert_stored(entries.iter().enumerate().filter(|(i, _)| *i != 1_777).map(|e| e.1));
    let letters = store.dead_letters(10).await.expect("letters");
    assert_eq!(letters.len(), 1, "refused twice, kept once: {letters:?}");
}
