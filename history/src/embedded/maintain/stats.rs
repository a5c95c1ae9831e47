//! Counts what is in the file.

use ioc_model::{Tier, Timestamp};
use rusqlite::{Connection, OptionalExtension};

use super::floors::Floors;
use super::maintenance::FileStats;
use crate::Error;
use crate::embedded::rollup;

/// Rows, things in them, bytes of data, first and last moment.
struct Sum {
    rows: u64,
    n: u64,
    bytes: u64,
    from: Option<i64>,
    to: Option<i64>,
}

pub(super) fn stats(conn: &Connection) -> Result<FileStats, Error> {
    let tx = conn.unchecked_transaction()?;
    let conn: &Connection = &tx;
    let floors = Floors::read(conn)?;
    let pragma = |name: &str| number(conn, &format!("PRAGMA {name}"));
    let page = pragma("page_size")?;
    let blocks = sum(conn, "block")?;
    let tails = sum(conn, "tail")?;
    let (minute, hour) = (windows(conn, Tier::Minute)?, windows(conn, Tier::Hour)?);
    let parts = [&blocks, &tails, &minute, &hour];
    Ok(FileStats {
        series: number(conn, "SELECT count(*) FROM series")?,
        points: blocks.n + tails.n,
        bytes: pragma("page_count")? * page,
        free_bytes: pragma("freelist_count")? * page,
        blocks: blocks.rows,
        late_blocks: number(conn, "SELECT count(*) FROM block WHERE late = 1")?,
        raw_data_bytes: blocks.bytes + tails.bytes,
        minute_windows: minute.n,
        minute_data_bytes: minute.bytes,
        hour_windows: hour.n,
        hour_data_bytes: hour.bytes,
        cursor: number(conn, "SELECT value FROM meta WHERE key = 'cursor'")?,
        since: parts.iter().filter_map(|s| s.from).min().map(Timestamp),
        until: parts.iter().filter_map(|s| s.to).max().map(Timestamp),
        raw_from: floors.told(Tier::Raw),
        minute_from: floors.told(Tier::Minute),
        hour_from: floors.told(Tier::Hour),
    })
}

fn number(conn: &Connection, sql: &str) -> Result<u64, Error> {
    let value: Option<i64> = conn.query_row(sql, [], |r| r.get(0)).optional()?;
    Ok(value.unwrap_or(0).max(0) as u64)
}

/// Rows of windows of a tier, the growing ones among them.
fn windows(conn: &Connection, tier: Tier) -> Result<Sum, Error> {
    let bit = rollup::bit(tier);
    sum(
        conn,
        &format!(
            "(SELECT n, data, t_min, t_max FROM rollup WHERE tier = {bit} UNION ALL
              SELECT n, data, t_min, t_max FROM rollup_tail WHERE slot % 2 = {bit} - 1)"
        ),
    )
}

fn sum(conn: &Connection, of: &str) -> Result<Sum, Error> {
    // `total` is a float: damaged counts cannot make it overflow.
    let sql =
        format!("SELECT count(*), total(n), total(length(data)), min(t_min), max(t_max) FROM {of}");
    Ok(conn.query_row(&sql, [], |r| {
        Ok(Sum {
            rows: r.get::<_, i64>(0)?.max(0) as u64,
            n: r.get::<_, f64>(1)? as u64,
            bytes: r.get::<_, f64>(2)? as u64,
            from: r.get(3)?,
            to: r.get(4)?,
        })
    })?)
}
