use ioc_model::{Flush, HistoryStore, Step, Tier, Timestamp};
use proptest::prelude::*;

use crate::embedded::maintain::maintenance;
use crate::embedded::world::{DAY, Habit, T0, World};
use crate::{EmbeddedConfig, Retention};

const M: i64 = 60_000;
const H: i64 = 3_600_000;

fn for_ever() -> EmbeddedConfig {
    EmbeddedConfig {
        retention: Retention { raw_days: 0, minute_days: 0, hour_days: 0 },
        ..EmbeddedConfig::default()
    }
}

#[derive(Clone, Debug)]
enum Act {
    Send { device: usize, habit: Habit, n: usize },
    Flush(bool),
    Restart,
    Maintain,
}

fn act() -> impl Strategy<Value = Act> {
    let habit = (
        prop::sample::select(vec![0i64, 40, 1_000, 2_500, 60_000]),
        prop::sample::select(vec![0u32, 3, 40]),
        prop::sample::select(vec![2_000i64, H, 3 * DAY]),
    );
    let habit = habit.prop_map(|(every, late, by)| Habit { every, late, by });
    let send = (0usize..3, habit, 1usize..2_600).prop_map(|(device, habit, n)| Act::Send {
        device,
        habit,
        n,
    });
    prop_oneof![
        6 => send,
        4 => any::<bool>().prop_map(Act::Flush),
        1 => Just(Act::Restart),
        2 => Just(Act::Maintain),
    ]
}

/// Ranges of interest: all, and those with odd ends.
fn ranges(points: &[ioc_model::Point], cuts: &[f64]) -> Vec<(i64, i64)> {
    let times = || points.iter().map(|p| p.time.0);
    let (first, last) = (times().min().unwrap_or(T0), times().max().unwrap_or(T0));
    let at = |share: f64| first + ((last - first) as f64 * share) as i64;
    let mut ranges = vec![(i64::MIN, i64::MAX), (first, last)];
    ranges.extend(cuts.windows(2).map(|c| (at(c[0].min(c[1])), at(c[0].max(c[1])) + 1)));
    ranges
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, max_shrink_iters: 60, ..ProptestConfig::default() })]
    /// Figure 5 of the history issue.
    #[test]
    fn tiers_equal_a_recomputation_from_raw_after_random_disorder(
        acts in prop::collection::vec(act(), 4..28),
        cuts in prop::collection::vec(0f64..1.0, 4),
        seed in any::<u64>(),
    ) {
        let rt = tokio::runtime::Builder::new_current_thread().build().expect("runtime");
        rt.block_on(async {
            let mut world = World::new(for_ever(), seed);
            let mut now = T0 + 400 * DAY;
            for act in acts {
                match act {
                    Act::Send { device, habit, n } => world.send(device, habit, n).await,
                    Act::Flush(all) => world.flush(if all { Flush::All } else { Flush::Due }).await,
                    Act::Restart => world.restart().await,
                    Act::Maintain => {
                        now += H;
                        world.maintain(now).await;
                    }
                }
            }
            let steps = [
                Step::of(M),
                Step::of(H),
                Step::of(15 * M),
                Step { ms: DAY, offset_ms: -25_200_000 },
                Step { ms: H, offset_ms: 1_234 },
                Step::of(7_000),
            ];
            for device in world.points.keys().copied().collect::<Vec<_>>() {
                for range in ranges(&world.points[&device], &cuts) {
                    world.check_raw(device, range).await;
                    for step in steps {
                        world.check_windows(device, range, step).await;
                    }
                }
            }
            assert_eq!(world.store().embedded_stats().damaged_blocks, 0);
            world.flush(Flush::All).await;
            world.close();
            let report = maintenance::verify(&world.path(), &mut |_| {}).expect("verify");
            assert!(report.is_clean(), "{:?}", report.findings);
            assert_eq!(report.points, world.points.values().map(|p| p.len() as u64).sum::<u64>());
        });
    }
}

#[tokio::test]
async fn a_limit_gives_the_first_windows_and_says_that_there_are_more() {
    let mut world = World::new(for_ever(), 1);
    world.send(0, Habit { every: 2_000, late: 10, by: DAY }, 9_000).await;
    world.flush(Flush::All).await;
    world.send(0, Habit { every: 2_000, late: 10, by: DAY }, 300).await;
    for step in [Step::of(M), Step::of(H), Step::of(90_000)] {
        let range = (T0 + 5 * DAY + 77_777, T0 + 50 * DAY);
        let all = world.windows(0, range, step, usize::MAX).await.windows;
        for limit in [0, 1, 2, 7, all.len() - 1, all.len(), all.len() + 1] {
            let got = world.windows(0, range, step, limit).await;
            assert_eq!(got.truncated, limit < all.len());
            let expect = &all[..limit.min(all.len())];
            assert_eq!(format!("{:?}", got.windows), format!("{expect:?}"));
        }
    }
}

#[tokio::test]
async fn a_small_limit_does_not_read_years() {
    let mut world = World::new(for_ever(), 1);
    world.send(0, Habit { every: 1_000, late: 0, by: 0 }, 200_000).await;
    world.flush(Flush::All).await;
    // What is read is known by what it says of blocks that are damaged: all but the first 20.
    flip(&world, "block", "t_min > (SELECT t_min FROM block ORDER BY t_min LIMIT 1 OFFSET 20)");
    let met = || world.store().embedded_stats().damaged_blocks;
    let few = world.windows(0, (i64::MIN, i64::MAX), Step::of(1_000), 10).await;
    assert!(few.truncated && few.windows.len() == 10);
    assert_eq!(met(), 0, "the first windows need the first blocks");
    world.windows(0, (i64::MIN, i64::MAX), Step::of(1_000), usize::MAX).await;
    assert!(met() > 100, "{}", met());
}

fn database(world: &World) -> rusqlite::Connection {
    rusqlite::Connection::open(world.path()).expect("database opens")
}

fn flip(world: &World, table: &str, at: &str) {
    let sql = format!(
        "UPDATE {table} SET data = CAST(substr(data, 1, 40) || X'A5' || substr(data, 42) AS BLOB) WHERE {at}"
    );
    assert!(database(world).execute(&sql, []).expect("damage") > 0);
}

async fn filled() -> World {
    let mut world = World::new(for_ever(), 5);
    for _ in 0..10 {
        world.send(0, Habit { every: 2_000, late: 4, by: 2 * DAY }, 15_000).await;
        world.flush(Flush::All).await;
    }
    world
}

#[tokio::test]
async fn a_damaged_row_of_windows_costs_nothing_while_raw_points_are_kept() {
    for (table, at) in [
        ("rollup", "id = (SELECT id FROM rollup WHERE tier = 1 ORDER BY t_min LIMIT 1 OFFSET 3)"),
        ("rollup", "tier = 1"),
        ("rollup_tail", "true"),
    ] {
        let world = filled().await;
        flip(&world, table, at);
        for (range, step) in [
            ((i64::MIN, i64::MAX), Step::of(M)),
            ((T0 + 6 * DAY + 1, T0 + 7 * DAY + 2), Step::of(15 * M)),
            ((T0 + 5 * DAY, T0 + 9 * DAY), Step { ms: DAY, offset_ms: -25_200_000 }),
        ] {
            world.check_windows(0, range, step).await;
        }
        assert!(world.store().embedded_stats().damaged_blocks > 0, "and it is counted");
        let report = maintenance::verify(&world.path(), &mut |_| {}).expect("verify");
        assert!(!report.is_clean() && report.findings.iter().all(|f| f.points_lost == 0));
    }
}

#[tokio::test]
async fn a_damaged_block_costs_its_points_in_raw_answers_and_none_in_windows() {
    let world = filled().await;
    flip(
        &world,
        "block",
        "id = (SELECT id FROM block WHERE late = 0 ORDER BY t_min LIMIT 1 OFFSET 40)",
    );
    let all = (i64::MIN, i64::MAX);
    assert_eq!(world.raw(0, all).await.len() + 1_000, world.given(0, all).len());
    world.check_windows(0, all, Step::of(M)).await;
    world.check_windows(0, all, Step::of(H)).await;
    let report = maintenance::verify(&world.path(), &mut |_| {}).expect("verify");
    let lost: Vec<u64> = report.findings.iter().map(|f| f.points_lost).collect();
    assert_eq!(lost, [1_000], "{:?}", report.findings);
}

#[tokio::test]
async fn the_tier_that_was_read_is_told() {
    let world = filled().await;
    let range = (T0 + 6 * DAY, T0 + 7 * DAY);
    for (step, tier) in
        [(Step::of(H), Tier::Hour), (Step::of(30 * M), Tier::Minute), (Step::of(90_000), Tier::Raw)]
    {
        assert_eq!(world.windows(0, range, step, 9_999).await.tier, tier);
    }
}

#[tokio::test]
async fn the_newest_value_is_known_where_only_windows_are_left() {
    let retention = Retention { raw_days: 2, minute_days: 4, hour_days: 0 };
    let mut world = World::new(EmbeddedConfig { retention, ..for_ever() }, 3);
    world.send(0, Habit { every: 2_500, late: 0, by: 0 }, 400_000).await;
    world.flush(Flush::All).await;
    world.maintain(world.clock[&0]).await;
    for (back, length) in [(DAY, 1), (3 * DAY, M), (7 * DAY, H)] {
        let at = world.clock[&0] - back;
        let last = world.store().last(None, Timestamp(at)).await.expect("last");
        let point = last[0].point;
        assert!(at - 2 * length - 60_000 < point.time.0 && point.time.0 <= at, "{back}");
        assert!(
            world.given(0, (point.time.0, point.time.0 + 1)).iter().any(|p| p.value == point.value)
        );
    }
}
