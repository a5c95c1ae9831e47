//! Whatever happens in whatever order: the answers are those of a plain list.

use std::time::Instant;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Op {
    Append(Vec<(bool, i64, u8)>),
    Flush,
    /// So many seconds pass, then what is due is written.
    Due(u64),
    /// Drop the store without a flush, open it again and append from the cursor.
    Crash,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    // A regular cadence with disorder; some points come very late. One device has several blocks.
    let device = proptest::bool::weighted(0.9);
    let one = (device, prop_oneof![8 => 0i64..200, 1 => -50_000i64..0], 0u8..3);
    let op = prop_oneof![
        4 => proptest::collection::vec(one, 1..1_500).prop_map(Op::Append),
        1 => Just(Op::Flush),
        3 => (0u64..90).prop_map(Op::Due),
        1 => Just(Op::Crash),
    ];
    proptest::collection::vec(op, 4..20)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Whatever the order of points, flushes and crashes: the answers are those of a plain list.
    #[test]
    fn answers_equal_a_plain_list(ops in ops()) {
        let rt = tokio::runtime::Builder::new_current_thread().build().expect("runtime");
        rt.block_on(answers_equal(ops))?;
    }
}

async fn answers_equal(ops: Vec<Op>) -> Result<(), TestCaseError> {
    let folder = tempfile::tempdir().expect("folder");
    let config = || EmbeddedConfig { head_age_s: 60, ..EmbeddedConfig::default() };
    let reopen = || open_with(folder.path(), config(), &Arc::default(), 0);
    let mut store = reopen();
    let mut now = Instant::now();
    let mut journal: Vec<Entry> = Vec::new();
    // What the journal may have forgotten.
    let mut forgotten = 0;
    for op in ops {
        match op {
            Op::Append(points) => {
                let first = journal.len();
                for (device, offset, q) in points {
                    let n = journal.len() as i64;
                    let device = if device { "a" } else { "b" };
                    let time = T0 + n * 10 + offset;
                    journal.push(reading(device, time, n as f64, Quality::from_u8(q)));
                }
                store.0.append(first as u64, &journal[first..], now);
            }
            Op::Due(seconds) => {
                now += Duration::from_secs(seconds);
                forgotten = store.0.flush(Flush::Due, now).expect("flush") as usize;
            }
            Op::Flush => {
                prop_assert_eq!(
                    store.flush(Flush::All).await.expect("flush"),
                    journal.len() as u64
                );
            }
            Op::Crash => {
                drop(store);
                store = reopen();
                let from = store.cursor().await.expect("cursor") as usize;
                prop_assert!(from >= forgotten, "{} was forgotten from {}", forgotten, from);
                store.0.append(from as u64, &journal[from..], now);
            }
        }
    }
    for device in ["a", "b"] {
        check_device(&store, &journal, device).await?;
    }
    tiers::check(folder.path());
    Ok(())
}

async fn check_device(
    store: &EmbeddedStore,
    journal: &[Entry],
    device: &str,
) -> Result<(), TestCaseError> {
    let mut expect: Vec<Point> = Vec::new();
    for entry in journal {
        if let Entry::Record(r) = entry
            && *r.device == *device
        {
            r.for_each_point(|_, value, quality| {
                expect.push(Point { time: r.time, value, quality });
            });
        }
    }
    // Of one moment the order may differ; the set of points may not.
    let order = |v: &mut Vec<Point>| {
        v.sort_by(|a, b| a.time.cmp(&b.time).then(a.value.total_cmp(&b.value)))
    };
    order(&mut expect);
    let mut got = all(store, device).await;
    prop_assert!(got.is_sorted_by_key(|p| p.time));
    order(&mut got);
    prop_assert_eq!(&got, &expect);
    let (from, to) = (T0 + 1_000, T0 + 20_000);
    for (step, how) in [(1_000, Aggregate::Count), (700, Aggregate::Max)] {
        let got = store
            .range(&query(device, from, to, Some((Step::of(step), how))))
            .await
            .expect("range");
        let inside: Vec<&Point> = expect
            .iter()
            .filter(|p| p.quality != Quality::Bad && (from..to).contains(&p.time.0))
            .collect();
        let naive: Vec<(i64, f64)> = inside
            .chunk_by(|a, b| a.time.0.div_euclid(step) == b.time.0.div_euclid(step))
            .map(|w| {
                let max = w.iter().map(|p| p.value).fold(f64::MIN, f64::max);
                let value = if how == Aggregate::Count { w.len() as f64 } else { max };
                (w[0].time.0.div_euclid(step) * step, value)
            })
            .collect();
        let got: Vec<_> = got.points.iter().map(|p| (p.time.0, p.value)).collect();
        prop_assert_eq!(got, naive);
    }
    for at in [T0 - 10_000, T0 + 3_000, T0 + 15_003, T0 + 999_999] {
        let got = store.last(Some(device), Timestamp(at)).await.expect("last");
        let naive = expect.iter().rfind(|p| p.time.0 <= at).map(|p| p.time);
        prop_assert_eq!(got.first().map(|l| l.point.time), naive, "at {}", at - T0);
    }
    Ok(())
}
