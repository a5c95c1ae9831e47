use std::collections::BTreeMap;

use ioc_model::{Flush, HistoryStore, Point, Quality, Step, Tier, Timestamp};
use proptest::prelude::*;

use super::maintenance::{self, Part};
use crate::embedded::salvage;
use crate::embedded::world::{DAY, Habit, T0, World, multiset, same_windows};
use crate::{EmbeddedConfig, Error, Retention};

const M: i64 = 60_000;
const H: i64 = 3_600_000;
const ALL: (i64, i64) = (i64::MIN, i64::MAX);

fn keeping(raw_days: u32, minute_days: u32, hour_days: u32) -> EmbeddedConfig {
    let retention = Retention { raw_days, minute_days, hour_days };
    EmbeddedConfig { retention, ..EmbeddedConfig::default() }
}

fn database(world: &World) -> rusqlite::Connection {
    rusqlite::Connection::open(world.path()).expect("database opens")
}

fn count(world: &World, sql: &str) -> i64 {
    database(world).query_row(sql, [], |r| r.get(0)).expect("counts")
}

fn verified(world: &World) -> maintenance::VerifyReport {
    maintenance::verify(&world.path(), &mut |_| {}).expect("verify")
}

/// Points at a steady cadence with values of a sensor.
fn steady(from: i64, every: i64, n: i64) -> Vec<Point> {
    let point = |i: i64| Point {
        time: Timestamp(from + i * every),
        value: ((i * 7_919) % 997) as f64 / 10.0,
        quality: Quality::from_u8((i % 11 == 0) as u8 + (i % 17 == 0) as u8),
    };
    (0..n).map(point).collect()
}

#[tokio::test]
async fn compaction_brings_late_points_into_the_blocks_of_their_time() {
    let mut world = World::new(keeping(0, 0, 0), 11);
    for _ in 0..20 {
        world.send(0, Habit { every: 2_500, late: 20, by: 2 * DAY }, 4_000).await;
        world.send(1, Habit { every: 60_000, late: 30, by: 5 * DAY }, 1_000).await;
        world.flush(Flush::All).await;
    }
    let late = "SELECT count(*) FROM block WHERE late = 1";
    assert!(count(&world, late) > 5);
    world.maintain(T0 + 100 * DAY).await;
    assert_eq!(count(&world, late), 0);
    for device in [0, 1] {
        world.check_raw(device, ALL).await;
        for step in [Step::of(M), Step::of(H), Step::of(90_000)] {
            world.check_windows(device, ALL, step).await;
        }
    }
    let n = count(&world, "SELECT min(n) FROM block");
    assert!(n > 500, "blocks stay large: {n}");
    let overlap = "SELECT count(*) FROM rollup a JOIN rollup b ON a.tier = b.tier
        AND a.series = b.series AND a.id <> b.id AND a.t_min <= b.t_max AND b.t_min <= a.t_max";
    assert_eq!(count(&world, overlap), 0, "rows of windows are in order");
    let report = verified(&world);
    assert!(report.is_clean(), "{:?}", report.findings);
}

#[tokio::test]
async fn blocks_with_and_without_windows_are_merged() {
    let mut world = World::new(keeping(0, 0, 0), 1);
    // A minute apart: windows of a minute do not pay. The late ones: 20 in a minute, they do.
    world.give(0, &steady(T0, M, 20_000)).await;
    world.flush(Flush::All).await;
    world.give(0, &steady(T0 + 5_000 * M + 1, 3_000, 3_500)).await;
    // And the other way round.
    world.give(1, &steady(T0, 3_000, 20_000)).await;
    world.flush(Flush::All).await;
    world.give(1, &steady(T0 + 1, 13_000, 3_500)).await;
    world.flush(Flush::All).await;
    let mixed = "SELECT count(DISTINCT tiers) FROM block WHERE series = 0";
    assert_eq!(count(&world, mixed), 2);
    world.maintain(T0 + 100 * DAY).await;
    assert_eq!(count(&world, "SELECT count(*) FROM block WHERE late = 1"), 0);
    for device in [0, 1] {
        world.check_raw(device, ALL).await;
        for step in [Step::of(M), Step::of(H)] {
            world.check_windows(device, ALL, step).await;
        }
    }
    let report = verified(&world);
    assert!(report.is_clean() && report.windows_compared > 1_000, "{:?}", report.findings);
}

#[tokio::test]
async fn of_several_points_of_a_moment_the_last_one_stays_the_last() {
    let mut world = World::new(keeping(0, 0, 0), 1);
    world.give(0, &steady(T0, 1_000, 5_000)).await;
    world.flush(Flush::All).await;
    for value in [1_000.0, 2_000.0] {
        let again = steady(T0, 1_000, 1_500).into_iter();
        let again: Vec<Point> =
            again.map(|p| Point { value, quality: Quality::Good, ..p }).collect();
        world.give(0, &again).await;
        world.flush(Flush::All).await;
    }
    let last = |w: &[ioc_model::Window]| w.iter().map(|w| w.last).collect::<Vec<_>>();
    for turn in 0..2 {
        for step in [Step::of(M), Step::of(1_000)] {
            let got = world.windows(0, (T0, T0 + 20 * M), step, 9_999).await;
            assert!(last(&got.windows).iter().all(|v| *v == 2_000.0), "{turn} {step:?}");
        }
        let raw = world.raw(0, (T0 + 1_000, T0 + 1_001)).await;
        let values: Vec<f64> = raw.iter().skip(1).map(|p| p.value).collect();
        assert_eq!(values, [1_000.0, 2_000.0]);
        world.maintain(T0 + 100 * DAY).await;
    }
}

#[tokio::test]
async fn a_damaged_block_does_not_stop_housekeeping() {
    let mut world = World::new(keeping(0, 0, 0), 1);
    world.give(0, &steady(T0, 1_000, 5_500)).await;
    world.flush(Flush::All).await;
    world.give(0, &steady(T0 + 500_500, 1_000, 2_500)).await;
    world.give(1, &steady(T0, 1_000, 5_500)).await;
    world.flush(Flush::All).await;
    world.give(1, &steady(T0 + 500_500, 1_000, 2_500)).await;
    world.flush(Flush::All).await;
    let damage = "UPDATE block SET crc = crc + 1 WHERE id =
        (SELECT id FROM block WHERE series = 0 AND late = 0 ORDER BY t_min LIMIT 1 OFFSET 1)";
    database(&world).execute(damage, []).expect("damage");
    world.maintain(T0 + 100 * DAY).await;
    assert_eq!(count(&world, "SELECT count(*) FROM block WHERE late = 1 AND series = 1"), 0);
    assert!(count(&world, "SELECT count(*) FROM block WHERE late = 1 AND series = 0") > 0);
    assert_eq!(world.raw(0, ALL).await.len(), 7_000, "only the damaged block is missing");
    world.check_windows(0, ALL, Step::of(M)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queries_during_housekeeping_see_each_point_once() {
    let mut world = World::new(keeping(0, 0, 0), 4);
    for _ in 0..20 {
        world.send(0, Habit { every: 2_500, late: 20, by: DAY }, 3_000).await;
        world.flush(Flush::All).await;
    }
    assert!(count(&world, "SELECT count(*) FROM block WHERE late = 1") > 5);
    let store = world.store().clone();
    let work = async move {
        while store.maintain(Timestamp(T0 + 100 * DAY)).await.expect("maintain").more {
            tokio::task::yield_now().await;
        }
    };
    let tracker = tokio_util::task::TaskTracker::new();
    let work = tracker.spawn(work);
    let mut rounds = 0;
    while !work.is_finished() || rounds == 0 {
        world.check_raw(0, ALL).await;
        world.check_windows(0, ALL, Step::of(H)).await;
        rounds += 1;
    }
    work.await.expect("ends");
    world.check_windows(0, ALL, Step::of(M)).await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, max_shrink_iters: 20, ..ProptestConfig::default() })]
    #[test]
    fn what_retention_leaves_equals_a_recomputation(
        seed in any::<u64>(),
        late in 0u32..20,
        days in (1u32..3, 1u32..3, 1u32..4),
        now_in_day in 0i64..DAY,
    ) {
        let rt = tokio::runtime::Builder::new_current_thread().build().expect("runtime");
        rt.block_on(retention_case(seed, late, days, now_in_day));
    }
}

async fn retention_case(seed: u64, late: u32, days: (u32, u32, u32), now_in_day: i64) {
    let (raw_days, minute_days, hour_days) = (days.0, days.0 + days.1, days.0 + days.1 + days.2);
    let mut world = World::new(keeping(raw_days, minute_days, hour_days), seed);
    // Devices whose windows pay in both tiers, in the hour alone, in none.
    for (device, every) in [(0, 2_500), (1, 60_000), (2, 1_200_000)] {
        let n = (10 * DAY / every) as usize;
        for part in 0..5 {
            world.send(device, Habit { every, late, by: 2 * DAY }, n / 5).await;
            world.flush(if part % 2 == 0 { Flush::All } else { Flush::Due }).await;
            world.maintain(T0 + part * H).await;
        }
    }
    let newest = world.clock.values().copied().max().expect("devices");
    let now = newest - newest.rem_euclid(DAY) + now_in_day;
    let floor = |days: u32| (now - i64::from(days) * DAY).div_euclid(DAY) * DAY;
    let [raw, minute, hour] = [raw_days, minute_days, hour_days].map(floor);
    world.maintain(now).await;
    for turn in 0..2 {
        for device in 0..3 {
            check_kept(&world, device, (raw, minute, hour)).await;
        }
        world.flush(Flush::All).await;
        let report = verified(&world);
        assert!(report.is_clean(), "{:?}", report.findings);
        let held = report.points as i64;
        assert_eq!(count(&world, "SELECT value FROM meta WHERE key = 'points'"), held);
        assert_eq!(world.store().stats().await.points as i64, held);
        if turn == 0 {
            world.restart().await;
        }
    }
    let stats = maintenance::stats(&world.path()).expect("stats");
    assert_eq!(stats.raw_from, Some(Timestamp(raw)));
    assert_eq!((stats.points, stats.series), (verified(&world).points, 3));
}

/// What was kept equals the points given, by the rules of retention.
async fn check_kept(world: &World, device: usize, (raw, minute, hour): (i64, i64, i64)) {
    let end = T0 + 1_000 * DAY;
    world.check_raw(device, (raw, end)).await;
    for step in [Step::of(90_000), Step::of(M), Step { ms: DAY, offset_ms: -25_200_000 }] {
        world.check_windows(device, (raw, end), step).await;
    }
    world.check_windows(device, (minute, end), Step::of(M)).await;
    world.check_windows(device, (minute, end), Step::of(15 * M)).await;
    world.check_windows(device, (hour, end), Step::of(H)).await;
    world.check_windows(device, (hour, end), Step::of(DAY)).await;
    // A finer answer than what is kept comes in the length of the tier.
    for (range, step, length) in [
        ((minute, raw), Step::of(90_000), M),
        ((hour, minute), Step::of(15 * M), H),
        ((hour, minute), Step::of(M), H),
    ] {
        let got = world.windows(device, range, step, usize::MAX).await;
        let coarse =
            got.tier as i64 > Tier::Minute as i64 || (length == M && got.tier != Tier::Raw);
        let step = if coarse { Step::of(length) } else { step };
        same_windows(&got.windows, &world.given(device, range), step);
        let pays = device == 0 || (device == 1 && length == H);
        assert_eq!(
            coarse, pays,
            "what does not pay in windows is kept as it is: {device} {length}"
        );
    }
    // Across all tiers each point is in one window.
    for step in [Step::of(90_000), Step::of(7_000), Step::of(M)] {
        let got = world.windows(device, (hour, end), step, usize::MAX).await.windows;
        let counted: u64 = got.iter().map(|w| w.count + w.bad).sum();
        assert_eq!(counted, world.given(device, (hour, end)).len() as u64);
        assert!(got.windows(2).all(|w| w[0].start < w[1].start));
    }
    // Raw answers invent nothing.
    let mut given = BTreeMap::new();
    for p in multiset(&world.given(device, ALL)) {
        *given.entry(p).or_insert(0) += 1;
    }
    for p in multiset(&world.raw(device, ALL).await) {
        let left = given.entry(p).or_insert(0);
        *left -= 1;
        assert!(*left >= 0, "{p:?}");
    }
}

#[tokio::test]
async fn a_turn_does_a_bounded_part_and_the_next_goes_on() {
    let mut world = World::new(keeping(1, 0, 0), 1);
    for device in 0..4 {
        world.give(device, &steady(T0, 100, 900_000)).await;
    }
    let now = Timestamp(T0 + 10 * DAY);
    world.give(9, &steady(now.0, 1, 1)).await;
    world.flush(Flush::All).await;
    let first = world.store().maintain(now).await.expect("maintain");
    assert!(first.more && first.expired_points > 0);
    let mut turns = 1;
    let mut expired = first.expired_points;
    loop {
        let next = world.store().maintain(now).await.expect("maintain");
        expired += next.expired_points;
        turns += 1;
        if !next.more {
            break;
        }
    }
    assert!(turns > 1 && expired == 4 * 899_000, "{turns} {expired}");
    let idle = world.store().maintain(now).await.expect("maintain");
    assert_eq!(idle, ioc_model::Maintained::default());
    world.check_windows(0, ALL, Step::of(M)).await;
}

#[tokio::test]
async fn compact_is_refused_while_the_store_is_open_and_then_gives_space_back() {
    let mut world = World::new(keeping(1, 0, 0), 1);
    world.give(0, &steady(T0, 1_000, 300_000)).await;
    let now = Timestamp(T0 + 10 * DAY);
    world.give(9, &steady(now.0, 1, 1)).await;
    world.flush(Flush::All).await;
    let config = world.config().clone();
    let refused = maintenance::compact(&world.path(), &config, now, &mut |_| {});
    assert!(matches!(refused, Err(Error::InUse { .. })), "{refused:?}");
    world.close();
    let mut told = Vec::new();
    let done = maintenance::compact(&world.path(), &config, now, &mut |p| told.push(p));
    let done = done.expect("compact");
    assert!(done.expired_points > 200_000 && done.bytes_after < done.bytes_before, "{done:?}");
    assert_eq!(told.last().map(|p| (p.series, p.of)), Some((2, 2)));
    world.restart().await;
    world.check_windows(0, ALL, Step::of(H)).await;
}

#[tokio::test]
async fn verify_finds_what_is_wrong_though_every_checksum_is_right() {
    let mut world = World::new(keeping(0, 0, 0), 1);
    world.give(0, &steady(T0, 1_000, 20_000)).await;
    world.flush(Flush::All).await;
    assert!(verified(&world).is_clean());
    // The windows of one more block.
    let add = "INSERT INTO rollup (tier, series, t_min, t_max, n, crc, data)
        SELECT tier, series, t_min, t_max, n, crc, data FROM
        (SELECT slot % 2 + 1 tier, slot / 2 series, * FROM rollup_tail WHERE slot = 0)";
    let db = database(&world);
    db.execute(add, []).expect("adds");
    let report = verified(&world);
    assert!(!report.is_clean());
    assert!(report.findings.iter().all(|f| f.part == Part::Rollup && f.tier == Tier::Minute));
    db.execute("DELETE FROM rollup WHERE id = last_insert_rowid()", []).expect("deletes");
    assert!(verified(&world).is_clean());
    // A block in the wrong lane.
    db.execute("UPDATE block SET tiers = 0 WHERE id = 3", []).expect("changes");
    assert!(!verified(&world).is_clean(), "its points are in windows and stand for themselves");
    db.execute("UPDATE block SET tiers = 3 WHERE id = 3", []).expect("changes");
    assert!(verified(&world).is_clean());
    let twice = "INSERT INTO block (series, late, t_min, t_max, n, crc, data)
        SELECT series, late, t_min, t_max, n, crc, data FROM block WHERE id = 3";
    db.execute(twice, []).expect("adds");
    let report = verified(&world);
    assert!(report.findings.iter().any(|f| f.what.contains("overlaps")), "{report:?}");
}

#[tokio::test]
async fn verify_reports_a_damaged_series_row_and_a_damaged_structure() {
    let mut world = World::new(keeping(0, 0, 0), 1);
    world.give(0, &steady(T0, 1_000, 3_000)).await;
    world.flush(Flush::All).await;
    let db = database(&world);
    db.execute("UPDATE series SET next = next + 1", []).expect("changes");
    let parts = |w: &World| verified(w).findings.iter().map(|f| f.part).collect::<Vec<_>>();
    assert_eq!(parts(&world), [Part::Series]);
    db.execute("UPDATE series SET next = next - 1", []).expect("changes");
    assert!(parts(&world).is_empty());
    let lose =
        "PRAGMA writable_schema = 1; DELETE FROM sqlite_schema WHERE name = 'series_by_name'";
    db.execute_batch(lose).expect("changes");
    drop(db);
    let found = parts(&world);
    assert!(!found.is_empty() && found.iter().all(|p| *p == Part::File), "{found:?}");
}

#[tokio::test]
async fn windows_lost_in_a_salvage_are_made_again() {
    let mut world = World::new(keeping(0, 0, 0), 3);
    world.give(0, &steady(T0, 1_000, 40_000)).await;
    world.flush(Flush::All).await;
    world.close();
    assert!(count(&world, "SELECT count(*) FROM rollup") > 0);
    database(&world).execute("UPDATE rollup SET crc = crc + 1", []).expect("damages");
    salvage::salvage(&world.path(), &[]).expect("salvages");
    world.restart().await;
    for turn in 0..2 {
        for step in [Step::of(M), Step::of(H)] {
            world.check_windows(0, ALL, step).await;
        }
        let with = count(&world, "SELECT count(*) FROM block WHERE tiers = 3");
        assert_eq!(with > 0, turn == 1);
        world.maintain(T0 + DAY).await;
    }
    let report = verified(&world);
    assert!(report.is_clean() && report.windows_compared > 600, "{:?}", report.findings);
}

#[tokio::test]
async fn a_salvage_keeps_the_windows_whose_points_were_given_up() {
    let mut world = World::new(keeping(1, 0, 0), 3);
    world.give(0, &steady(T0 + 500, 3_000, 4 * DAY / 3_000)).await;
    world.flush(Flush::All).await;
    world.maintain(T0 + 4 * DAY).await;
    assert!(world.raw(0, ALL).await.len() < 2 * 28_800 + 1_000, "old points are gone");
    let before = [
        world.windows(0, ALL, Step::of(M), usize::MAX).await,
        world.windows(0, ALL, Step::of(H), usize::MAX).await,
    ];
    world.close();
    salvage::salvage(&world.path(), &[]).expect("salvages");
    world.restart().await;
    for turn in 0..2 {
        for (step, before) in [M, H].into_iter().zip(&before) {
            let after = world.windows(0, ALL, Step::of(step), usize::MAX).await;
            // The one window that points given up and points kept share may lose the former.
            let differ = before.windows.iter().filter(|w| !after.windows.contains(w)).count();
            assert!(differ <= 1, "{differ} of {} after turn {turn}", before.windows.len());
        }
        world.maintain(T0 + 4 * DAY).await;
    }
}

#[tokio::test]
async fn a_clock_that_is_far_ahead_gives_up_nothing() {
    let mut world = World::new(keeping(1, 2, 3), 3);
    world.give(0, &steady(T0, 1_000, 20_000)).await;
    world.flush(Flush::All).await;
    world.maintain(T0 + 10_000 * DAY).await;
    world.check_raw(0, ALL).await;
}
