//! The SQLite file: full blocks are appended to `block`; the newest block of a series, which
//! grows, is rewritten in `tail`.

use std::path::{Path, PathBuf};

use ioc_model::Point;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::Error;
use crate::embedded::block::{self, BlockMeta};

const LAYOUT: i64 = 2;

const SCHEMA: &str = "
CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO meta VALUES ('cursor', 0), ('points', 0);
-- next: all points of the series from journal positions below it are in blocks.
CREATE TABLE series (id INTEGER PRIMARY KEY, device TEXT NOT NULL, property TEXT NOT NULL,
  next INTEGER NOT NULL DEFAULT 0);
-- late = 0: blocks of a series do not overlap in time. late = 1: points that came when the
-- block of their time was closed.
-- tiers: bit 0: its points are in the windows of a minute, bit 1: in those of an hour. Where the
-- bit is not set (windows would hold too few points to pay), the block itself stands for them.
CREATE TABLE block (id INTEGER PRIMARY KEY, series INTEGER NOT NULL, late INTEGER NOT NULL,
  t_min INTEGER NOT NULL, t_max INTEGER NOT NULL, n INTEGER NOT NULL, crc INTEGER NOT NULL,
  data BLOB NOT NULL, tiers INTEGER NOT NULL DEFAULT 0);
CREATE INDEX block_by_time ON block (series, late, t_min, t_max, tiers, n);
-- slot = 2 * series + late
CREATE TABLE tail (slot INTEGER PRIMARY KEY, t_min INTEGER NOT NULL, t_max INTEGER NOT NULL,
  n INTEGER NOT NULL, crc INTEGER NOT NULL, data BLOB NOT NULL);
-- Windows of closed blocks; tier 1: a minute, 2: an hour. Rows of a series may overlap in time,
-- and several rows may hold a part of one window: readers add the parts up.
CREATE TABLE rollup (id INTEGER PRIMARY KEY, tier INTEGER NOT NULL, series INTEGER NOT NULL,
  t_min INTEGER NOT NULL, t_max INTEGER NOT NULL, n INTEGER NOT NULL, crc INTEGER NOT NULL,
  data BLOB NOT NULL);
CREATE INDEX rollup_by_time ON rollup (tier, series, t_min, t_max, n);
-- The newest row of a tier, which grows. slot = 2 * series + tier - 1
CREATE TABLE rollup_tail (slot INTEGER PRIMARY KEY, t_min INTEGER NOT NULL,
  t_max INTEGER NOT NULL, n INTEGER NOT NULL, crc INTEGER NOT NULL, data BLOB NOT NULL);
PRAGMA user_version = 2;
";

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
    pub(crate) fn new(series: i64, points: &[Point]) -> Result<Option<Self>, Error> {
        let Some(meta) = BlockMeta::of(series, points) else { return Ok(None) };
        let data = block::encode(points)?;
        Ok(Some(Self { crc: meta.crc(&data), meta, data }))
    }

    /// `None` when it is damaged.
    pub(crate) fn points(&self) -> Option<Vec<Point>> {
        block::decode(&self.meta, self.crc, &self.data)
    }
}

/// Opens the file for writing, making it or its tables when they are missing.
pub(crate) fn open(path: &Path) -> Result<Connection, Error> {
    let mut conn = Connection::open(path)?;
    conn.execute_batch(
        "PRAGMA page_size = 8192; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
         PRAGMA wal_autocheckpoint = 1000; PRAGMA cache_size = -4096;
         PRAGMA journal_size_limit = 16777216;",
    )?;
    let found: i64 = conn.query_row("PRAGMA user_version", [], |r| r.get(0))?;
    if found > LAYOUT {
        return Err(Error::Layout { path: path.into(), found, known: LAYOUT });
    }
    if found == 0 {
        let tx = conn.transaction()?;
        tx.execute_batch(SCHEMA)?;
        tx.commit()?;
    }
    Ok(conn)
}

/// Calls `f(device, property, time of the newest point)` for each series in the order of numbers.
pub(crate) fn each_series(
    conn: &Connection,
    mut f: impl FnMut(&str, &str, i64),
) -> Result<(), Error> {
    let mut q = conn.prepare(
        "SELECT device, property, t_max FROM series LEFT JOIN tail ON slot = 2 * id ORDER BY id",
    )?;
    let mut rows = q.query([])?;
    while let Some(r) = rows.next()? {
        let (device, property): (String, String) = (r.get(0)?, r.get(1)?);
        f(&device, &property, r.get::<_, Option<i64>>(2)?.unwrap_or(i64::MIN));
    }
    Ok(())
}

pub(crate) fn insert_series(
    conn: &Connection,
    id: i64,
    device: &str,
    property: &str,
) -> Result<(), Error> {
    let mut q =
        conn.prepare_cached("INSERT INTO series (id, device, property) VALUES (?1, ?2, ?3)")?;
    q.execute(params![id, device, property])?;
    Ok(())
}

pub(crate) fn delete_tail(conn: &Connection, series: i64, lane: Lane) -> Result<(), Error> {
    let mut q = conn.prepare_cached("DELETE FROM tail WHERE slot = ?1")?;
    q.execute([series * 2 + lane as i64])?;
    Ok(())
}

/// Opens the file for reading.
pub(crate) fn open_reader(path: &Path) -> Result<Connection, Error> {
    let conn = Connection::open(path)?;
    conn.execute_batch("PRAGMA query_only = 1; PRAGMA cache_size = -2048;")?;
    conn.busy_timeout(std::time::Duration::from_secs(5))?;
    Ok(conn)
}

/// The bytes are not a database any more: nothing in it can be found.
pub(crate) fn is_damaged(e: &Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    let Error::Database(e) = e else { return false };
    matches!(e.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase))
}

/// Moves a damaged database (with its log) out of the way; returns its new name.
pub(crate) fn set_aside(path: &Path) -> Result<PathBuf, Error> {
    let mut n = 1;
    let name =
        |n: u32, suffix: &str| PathBuf::from(format!("{}.damaged-{n}{suffix}", path.display()));
    while name(n, "").exists() {
        n += 1;
    }
    for suffix in ["", "-wal", "-shm"] {
        let from = PathBuf::from(format!("{}{suffix}", path.display()));
        if from.exists() {
            std::fs::rename(&from, name(n, suffix))
                .map_err(|source| Error::Folder { path: from.clone(), source })?;
        }
    }
    Ok(name(n, ""))
}

pub(crate) fn meta(conn: &Connection, key: &str) -> Result<u64, Error> {
    let mut q = conn.prepare_cached("SELECT value FROM meta WHERE key = ?1")?;
    let value: i64 = q.query_row([key], |r| r.get(0))?;
    Ok(value.max(0) as u64)
}

pub(crate) fn set_meta(conn: &Connection, key: &str, value: u64) -> Result<(), Error> {
    let mut q = conn.prepare_cached("UPDATE meta SET value = ?2 WHERE key = ?1")?;
    q.execute(params![key, i64::try_from(value).unwrap_or(i64::MAX)])?;
    Ok(())
}

pub(crate) fn insert_block(conn: &Connection, lane: Lane, b: &Stored) -> Result<(), Error> {
    let mut q = conn.prepare_cached(
        "INSERT INTO block (series, late, t_min, t_max, n, crc, data) VALUES (?1,?2,?3,?4,?5,?6,?7)",
    )?;
    let m = &b.meta;
    q.execute(params![m.series, lane as i64, m.t_min, m.t_max, m.n, b.crc, b.data])?;
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
