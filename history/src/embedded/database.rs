//! Rows of the SQLite file: full blocks are appended to `block`; the newest block of a series,
//! which grows, is rewritten in `tail`.

use ioc_model::{Point, Tier};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::Error;
use crate::embedded::block::{self, BlockMeta};
use crate::embedded::rollup;

/// In-order points or late ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i64)]
pub(crate) enum Lane {
    InOrder = 0,
    Late = 1,
}

/// A block as it lies in the database, not yet decoded.
pub(crate) struct Stored {
    pub(crate) meta: BlockMeta,
    pub(crate) crc: u32,
    pub(crate) data: Vec<u8>,
}

impl Stored {
    /// A closed block; `None` without points.
    pub(crate) fn new(series: i64, points: &[Point]) -> Result<Option<Self>, Error> {
        Self::with(series, points, block::encode)
    }

    /// A block that grows.
    pub(crate) fn growing(series: i64, points: &[Point]) -> Result<Option<Self>, Error> {
        Self::with(series, points, block::encode_growing)
    }

    fn with(
        series: i64,
        points: &[Point],
        encode: fn(&[Point]) -> Result<Vec<u8>, Error>,
    ) -> Result<Option<Self>, Error> {
        let Some(meta) = BlockMeta::of(series, points) else { return Ok(None) };
        let data = encode(points)?;
        Ok(Some(Self { crc: meta.crc(&data), meta, data }))
    }

    /// Its checksum is right.
    pub(crate) fn is_whole(&self) -> bool {
        self.meta.crc(&self.data) == self.crc
    }

    /// `None` when it is damaged.
    pub(crate) fn points(&self) -> Option<Vec<Point>> {
        block::decode(&self.meta, self.crc, &self.data)
    }
}

/// A row of `series`.
pub(crate) struct SeriesRow {
    pub(crate) id: i64,
    pub(crate) device: String,
    pub(crate) property: String,
    /// All points of the series from journal positions below it are in blocks.
    pub(crate) next: u64,
}

/// Checksum of a row of `series`.
fn series_crc(id: i64, device: &str, property: &str, next: u64) -> u32 {
    let mut h = crc32fast::Hasher::new();
    h.update(&id.to_le_bytes());
    h.update(&next.to_le_bytes());
    h.update(&(device.len() as u64).to_le_bytes());
    h.update(device.as_bytes());
    h.update(property.as_bytes());
    h.finalize()
}

/// Reads a row of `id, device, property, next, crc`; `None` when it is damaged.
pub(crate) fn series_row(r: &Row<'_>) -> rusqlite::Result<Option<SeriesRow>> {
    let (id, next, crc): (i64, i64, i64) = (r.get(0)?, r.get(3)?, r.get(4)?);
    let (Ok(device), Ok(property)) = (r.get::<_, String>(1), r.get::<_, String>(2)) else {
        return Ok(None);
    };
    let next = next as u64;
    let good = i64::from(series_crc(id, &device, &property, next)) == crc;
    Ok(good.then_some(SeriesRow { id, device, property, next }))
}

/// Calls `f(series, time of its newest point)` for each series in the order of numbers.
pub(crate) fn each_series(
    conn: &Connection,
    mut f: impl FnMut(SeriesRow, i64) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut q = conn.prepare(
        "SELECT id, device, property, next, series.crc, coalesce(t_max, (SELECT t_max FROM block
           WHERE series = id AND late = 0 ORDER BY t_min DESC LIMIT 1))
         FROM series LEFT JOIN tail ON slot = 2 * id ORDER BY id",
    )?;
    let mut rows = q.query([])?;
    while let Some(r) = rows.next()? {
        let row = series_row(r)?.ok_or(Error::DamagedSeries)?;
        f(row, r.get::<_, Option<i64>>(5)?.unwrap_or(i64::MIN))?;
    }
    Ok(())
}

/// Inserts the series or, when it is there, sets its position.
pub(crate) fn put_series(
    conn: &Connection,
    id: i64,
    (device, property): (&str, &str),
    next: u64,
) -> Result<(), Error> {
    let mut q = conn.prepare_cached(
        "INSERT INTO series (id, device, property, next, crc) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (id) DO UPDATE SET next = excluded.next, crc = excluded.crc",
    )?;
    let crc = series_crc(id, device, property, next);
    q.execute(params![id, device, property, next as i64, crc])?;
    Ok(())
}

pub(crate) fn delete_tail(conn: &Connection, series: i64, lane: Lane) -> Result<(), Error> {
    let mut q = conn.prepare_cached("DELETE FROM tail WHERE slot = ?1")?;
    q.execute([series * 2 + lane as i64])?;
    Ok(())
}

pub(crate) fn meta(conn: &Connection, key: &str) -> Result<u64, Error> {
    let mut q = conn.prepare_cached("SELECT value FROM meta WHERE key = ?1")?;
    let value: i64 = q.query_row([key], |r| r.get(0))?;
    Ok(value.max(0) as u64)
}

pub(crate) fn set_meta(conn: &Connection, key: &str, value: u64) -> Result<(), Error> {
    set_meta_i64(conn, key, i64::try_from(value).unwrap_or(i64::MAX))
}

pub(crate) fn set_meta_i64(conn: &Connection, key: &str, value: i64) -> Result<(), Error> {
    let mut q = conn.prepare_cached(
        "INSERT INTO meta VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
    )?;
    q.execute(params![key, value])?;
    Ok(())
}

pub(crate) fn meta_i64(conn: &Connection, key: &str) -> Result<Option<i64>, Error> {
    let mut q = conn.prepare_cached("SELECT value FROM meta WHERE key = ?1")?;
    Ok(q.query_row([key], |r| r.get(0)).optional()?)
}

/// The journal's position to read from. 0 when it is damaged: the positions of the series then
/// keep what is read again from being taken twice.
pub(crate) fn cursor(conn: &Connection) -> Result<u64, Error> {
    let (cursor, not) = (meta_i64(conn, "cursor")?, meta_i64(conn, "cursor_not")?);
    Ok(cursor.filter(|c| *c >= 0 && not == Some(!*c)).unwrap_or(0) as u64)
}

pub(crate) fn set_cursor(conn: &Connection, cursor: u64) -> Result<(), Error> {
    let cursor = i64::try_from(cursor).unwrap_or(i64::MAX);
    set_meta_i64(conn, "cursor", cursor)?;
    set_meta_i64(conn, "cursor_not", !cursor)
}

/// Time of the oldest point.
pub(crate) fn since(conn: &Connection) -> Result<Option<i64>, Error> {
    meta_i64(conn, "since")
}

/// Raw points before this moment were given up by retention.
pub(crate) fn raw_from(conn: &Connection) -> Result<Option<i64>, Error> {
    meta_i64(conn, "raw_from")
}

pub(crate) fn set_since(conn: &Connection, since: i64) -> Result<(), Error> {
    set_meta_i64(conn, "since", since)
}

/// Inserts a closed block; `tiers`: bits of the tiers that hold its windows.
pub(crate) fn insert_block(
    conn: &Connection,
    lane: Lane,
    b: &Stored,
    tiers: i64,
) -> Result<(), Error> {
    let mut q = conn.prepare_cached(
        "INSERT INTO block (series, late, t_min, t_max, n, crc, data, tiers)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    let m = &b.meta;
    q.execute(params![m.series, lane as i64, m.t_min, m.t_max, m.n, b.crc, b.data, tiers])?;
    Ok(())
}

pub(crate) fn put_tail(conn: &Connection, lane: Lane, b: &Stored) -> Result<(), Error> {
    let mut q = conn.prepare_cached(
        "INSERT OR REPLACE INTO tail (slot, t_min, t_max, n, crc, data) VALUES (?1,?2,?3,?4,?5,?6)",
    )?;
    let m = &b.meta;
    q.execute(params![m.series * 2 + lane as i64, m.t_min, m.t_max, m.n, b.crc, b.data])?;
    Ok(())
}

pub(crate) fn tail(conn: &Connection, series: i64, lane: Lane) -> Result<Option<Stored>, Error> {
    let mut q =
        conn.prepare_cached("SELECT t_min, t_max, n, crc, data FROM tail WHERE slot = ?1")?;
    Ok(q.query_row([series * 2 + lane as i64], |r| stored(series, r)).optional()?)
}

/// Time of the newest point of the closed in-order blocks.
pub(crate) fn closed_until(conn: &Connection, series: i64) -> Result<Option<i64>, Error> {
    let mut q = conn.prepare_cached(
        "SELECT t_max FROM block WHERE series = ?1 AND late = 0 ORDER BY t_min DESC LIMIT 1",
    )?;
    Ok(q.query_row([series], |r| r.get(0)).optional()?)
}

fn rollup_slot(series: i64, tier: Tier) -> i64 {
    series * 2 + rollup::bit(tier) - 1
}

/// The row of a tier that grows.
pub(crate) fn rollup_tail(
    conn: &Connection,
    series: i64,
    tier: Tier,
) -> Result<Option<Stored>, Error> {
    let mut q =
        conn.prepare_cached("SELECT t_min, t_max, n, crc, data FROM rollup_tail WHERE slot = ?1")?;
    let covered = rollup::covered(tier, series);
    Ok(q.query_row([rollup_slot(series, tier)], |r| stored(covered, r)).optional()?)
}

pub(crate) fn put_rollup_tail(
    conn: &Connection,
    series: i64,
    tier: Tier,
    row: &Stored,
) -> Result<(), Error> {
    let mut q = conn.prepare_cached(
        "INSERT OR REPLACE INTO rollup_tail (slot, t_min, t_max, n, crc, data)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    let m = &row.meta;
    q.execute(params![rollup_slot(series, tier), m.t_min, m.t_max, m.n, row.crc, row.data])?;
    Ok(())
}

pub(crate) fn delete_rollup_tail(conn: &Connection, series: i64, tier: Tier) -> Result<(), Error> {
    let mut q = conn.prepare_cached("DELETE FROM rollup_tail WHERE slot = ?1")?;
    q.execute([rollup_slot(series, tier)])?;
    Ok(())
}

/// Inserts a full row of a tier.
pub(crate) fn insert_rollup(
    conn: &Connection,
    series: i64,
    tier: Tier,
    row: &Stored,
) -> Result<(), Error> {
    let mut q = conn.prepare_cached(
        "INSERT INTO rollup (tier, series, t_min, t_max, n, crc, data)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    let m = &row.meta;
    q.execute(params![rollup::bit(tier), series, m.t_min, m.t_max, m.n, row.crc, row.data])?;
    Ok(())
}

pub(crate) fn block(conn: &Connection, series: i64, id: i64) -> Result<Stored, Error> {
    let mut q =
        conn.prepare_cached("SELECT t_min, t_max, n, crc, data FROM block WHERE id = ?1")?;
    Ok(q.query_row([id], |r| stored(series, r))?)
}

fn stored(series: i64, r: &Row<'_>) -> rusqlite::Result<Stored> {
    let meta = BlockMeta { series, t_min: r.get(0)?, t_max: r.get(1)?, n: r.get(2)? };
    // A flipped bit can make the number any integer: it then is just a wrong checksum.
    let crc: i64 = r.get(3)?;
    Ok(Stored { meta, crc: crc as u32, data: r.get(4)? })
}

/// Ids of the closed blocks of a lane that may hold points of [from, to), in the order of time.
pub(crate) fn blocks_in(
    conn: &Connection,
    series: i64,
    lane: Lane,
    from: i64,
    to: i64,
) -> Result<Vec<i64>, Error> {
    // In-order blocks do not overlap: of those that begin before `from` only the last (or those
    // that begin together with it) can reach into the range.
    let sql = match lane {
        Lane::InOrder => {
            "SELECT id FROM block WHERE series = ?1 AND late = 0
               AND t_min >= coalesce((SELECT max(t_min) FROM block
                 WHERE series = ?1 AND late = 0 AND t_min < ?2), ?2)
               AND t_min < ?3 AND t_max >= ?2 ORDER BY t_min, id"
        }
        Lane::Late => {
            "SELECT id FROM block WHERE series = ?1 AND late = 1
               AND t_min < ?3 AND t_max >= ?2 ORDER BY t_min, id"
        }
    };
    let mut q = conn.prepare_cached(sql)?;
    let ids = q.query_map(params![series, from, to], |r| r.get(0))?;
    Ok(ids.collect::<Result<_, _>>()?)
}

/// Closed blocks that begin at or before `at`, newest first: id and time of the last point.
pub(crate) fn blocks_before(
    conn: &Connection,
    series: i64,
    lane: Lane,
    at: i64,
) -> Result<Vec<(i64, i64)>, Error> {
    let limit: i64 = if lane == Lane::InOrder { 2 } else { -1 };
    let mut q = conn.prepare_cached(
        "SELECT id, t_max FROM block WHERE series = ?1 AND late = ?2 AND t_min <= ?3
         ORDER BY t_min DESC, id DESC LIMIT ?4",
    )?;
    let rows =
        q.query_map(params![series, lane as i64, at, limit], |r| Ok((r.get(0)?, r.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
