//! The windows that are written with closed blocks.

use ioc_model::{Tier, Window};

use super::*;
use crate::aggregate;
use crate::embedded::block::BlockMeta;
use crate::embedded::database::Stored;
use crate::embedded::rollup::{self, ROW_WINDOWS, TIERS};

/// Every row of `sql`, which gives series, t_min, t_max, n, crc, data.
fn rows(
    conn: &rusqlite::Connection,
    sql: &str,
    covered: impl Fn(i64) -> i64,
) -> Vec<(i64, Stored)> {
    let mut q = conn.prepare(sql).expect("prepares");
    let rows = q.query_map([], |r| {
        let series = r.get(0)?;
        let (t_min, t_max, n) = (r.get(1)?, r.get(2)?, r.get(3)?);
        let meta = BlockMeta { series: covered(series), t_min, t_max, n };
        Ok((series, Stored { meta, crc: r.get(4)?, data: r.get(5)? }))
    });
    rows.expect("queries").collect::<Result<_, _>>().expect("rows")
}

/// The windows of the closed blocks that are marked, computed again.
fn recomputed(conn: &rusqlite::Connection, tier: Tier) -> Vec<(i64, Window)> {
    let sql = format!(
        "SELECT series, t_min, t_max, n, crc, data FROM block WHERE tiers & {} ORDER BY id",
        rollup::bit(tier)
    );
    let mut out: Vec<(i64, Window)> = Vec::new();
    for (series, block) in rows(conn, &sql, |s| s) {
        for p in block.points().expect("whole") {
            let start = Step::of(rollup::length(tier)).begin(p.time);
            match out.iter_mut().rev().find(|(s, w)| *s == series && w.start == start) {
                Some((_, w)) => aggregate::add(w, &p),
                None => {
                    let mut w = aggregate::empty(start);
                    aggregate::add(&mut w, &p);
                    out.push((series, w));
                }
            }
        }
    }
    out.sort_by_key(|(s, w)| (*s, w.start));
    out
}

fn stored(conn: &rusqlite::Connection, tier: Tier) -> Vec<(i64, Window)> {
    let bit = rollup::bit(tier);
    let sql = format!(
        "SELECT * FROM (SELECT series, t_min, t_max, n, crc, data FROM rollup WHERE tier = {bit}
           ORDER BY id)
         UNION ALL SELECT slot / 2, t_min, t_max, n, crc, data FROM rollup_tail
           WHERE slot % 2 = {bit} - 1"
    );
    let mut of: std::collections::BTreeMap<i64, Vec<Window>> = std::collections::BTreeMap::new();
    for (series, row) in rows(conn, &sql, |s| rollup::covered(tier, s)) {
        let windows = rollup::decode(tier, &row.meta, row.crc, &row.data).expect("whole");
        of.entry(series).or_default().extend(windows);
    }
    let each = |(s, windows)| rollup::combine(windows).into_iter().map(move |w| (s, w));
    of.into_iter().flat_map(each).collect()
}

/// Every tier holds exactly the windows of the blocks that are marked, and the figures in `meta`
/// are those of the tables.
pub(super) fn check(folder: &Path) {
    let conn = database(folder);
    for tier in TIERS {
        let (got, expect) = (stored(&conn, tier), recomputed(&conn, tier));
        assert_eq!(got.len(), expect.len(), "{tier:?}");
        for ((s, w), (t, x)) in got.into_iter().zip(expect) {
            assert!((w.sum - x.sum).abs() <= 1e-9 * x.sum.abs().max(1e3), "{w:?} {x:?}");
            // Of several points of one moment either may be the last.
            let same = Window { sum: x.sum, last: x.last, ..w };
            assert_eq!((s, format!("{same:?}")), (t, format!("{x:?}")));
        }
    }
    for (key, sql) in [
        ("blocks", "SELECT count(*) FROM block WHERE late = 0"),
        ("late_blocks", "SELECT count(*) FROM block WHERE late = 1"),
        ("windows_minute", "SELECT coalesce(sum(n), 0) FROM rollup WHERE tier = 1"),
        ("windows_hour", "SELECT coalesce(sum(n), 0) FROM rollup WHERE tier = 2"),
    ] {
        let count: i64 = conn.query_row(sql, [], |r| r.get(0)).expect("count");
        let kept = "SELECT value FROM meta WHERE key = ?1";
        let kept: i64 = conn.query_row(kept, [key], |r| r.get(0)).expect("figure");
        assert_eq!(kept, count, "{key}");
    }
}

/// Each second a point, some of them so late that their block is closed.
fn seconds(n: i64) -> Vec<Entry> {
    let time = |i: i64| if i % 7 == 3 && i > 9_000 { i - 9_000 } else { i };
    (0..n).map(|i| reading("a", T0 + time(i) * 1_000, (i % 100) as f64, Quality::Good)).collect()
}

#[tokio::test]
async fn tiers_hold_the_windows_of_closed_blocks_also_of_late_ones() {
    let folder = tempfile::tempdir().expect("folder");
    let store = open(folder.path());
    let n = (ROW_WINDOWS as i64 * 60 * 5) / 2;
    for (i, part) in seconds(n).chunks(3_000).enumerate() {
        store.append(i as u64 * 3_000, part).await.expect("append");
        store.flush(Flush::Due).await.expect("flush");
    }
    check(folder.path());
    let more = store.stats().await.more;
    assert!(more["late_blocks"] >= 3 && more["blocks"] >= 50, "{more:?}");
    assert_eq!(more["windows_minute"] % ROW_WINDOWS as u64, 0, "{more:?}");
    assert!(more["windows_minute"] >= 2 * ROW_WINDOWS as u64, "{more:?}");
}

#[tokio::test]
async fn a_damaged_row_of_a_tier_is_kept_and_counted_and_a_new_one_begun() {
    let folder = tempfile::tempdir().expect("folder");
    let store = open(folder.path());
    let entries = seconds(8_000);
    store.append(0, &entries[..4_000]).await.expect("append");
    store.flush(Flush::All).await.expect("flush");
    let damage = "UPDATE rollup_tail SET crc = crc + 1 WHERE slot = 0";
    assert_eq!(database(folder.path()).execute(damage, []).expect("update"), 1);
    store.append(4_000, &entries[4_000..]).await.expect("append");
    store.flush(Flush::All).await.expect("flush");
    assert_eq!(store.embedded_stats().damaged_blocks, 1);
    assert_eq!(all(&store, "a").await.len(), 8_000);
    let conn = database(folder.path());
    let kept: i64 = conn.query_row("SELECT n FROM rollup", [], |r| r.get(0)).expect("kept");
    let sql = "SELECT n FROM rollup_tail WHERE slot = 0";
    let new: i64 = conn.query_row(sql, [], |r| r.get(0)).expect("new");
    // Three closed blocks each time; the 4,000th second's block.
    assert_eq!((kept, new), (51, 67));
}

#[tokio::test]
async fn blocks_of_a_slow_series_stand_for_themselves() {
    let folder = tempfile::tempdir().expect("folder");
    let store = open(folder.path());
    let each = |i: i64| reading("a", T0 + i * 900_000, i as f64, Quality::Good);
    store.append(0, &(0..3_000).map(each).collect::<Vec<_>>()).await.expect("append");
    store.flush(Flush::All).await.expect("flush");
    let conn = database(folder.path());
    let sql = "SELECT count(*), sum(tiers), (SELECT count(*) FROM rollup_tail) FROM block
               WHERE late = 0";
    let found = conn.query_row(sql, [], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)));
    assert_eq!(found.expect("row"), (2i64, 0i64, 0i64));
}
