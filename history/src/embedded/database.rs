//! The SQLite file: full blocks are appended to `block`; the newest block of a series, which
//! grows, is rewritten in `tail`.

use std::path::{Path, PathBuf};

use ioc_model::{Point, Tier};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::Error;
use crate::embedded::block::{self, BlockMeta};
use crate::embedded::{migrate, rollup};

const LAYOUT: i64 = 2;

const TABLES: &str = "
-- cursor_not: the bits of the cursor turned round, so that a damaged one is seen.
-- since: time of the oldest point; absent while there is none.
CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO meta VALUES ('cursor', 0), ('cursor_not', -1), ('points', 0);
-- next: all points of the series from journal positions below it are in blocks.
-- crc: over the rest of the row.
CREATE TABLE series (id INTEGER PRIMARY KEY, device TEXT NOT NULL, property TEXT NOT NULL,
  next INTEGER NOT NULL DEFAULT 0, crc INTEGER NOT NULL DEFAULT 0);
-- late = 0: blocks of a series do not overlap in time. late = 1: points that came when the
-- block of their time was closed.
-- tiers: bit 0: its points are in the windows of a minute, bit 1: in those of an hour. Where the
-- bit is not set (windows would hold too few points to pay), the block itself stands for them.
CREATE TABLE block (id INTEGER PRIMARY KEY, series INTEGER NOT NULL, late INTEGER NOT NULL,
  t_min INTEGER NOT NULL, t_max INTEGER NOT NULL, n INTEGER NOT NULL, crc INTEGER NOT NULL,
  data BLOB NOT NULL, tiers INTEGER NOT NULL DEFAULT 0);
-- slot = 2 * series + late
CREATE TABLE tail (slot INTEGER PRIMARY KEY, t_min INTEGER NOT NULL, t_max INTEGER NOT NULL,
  n INTEGER NOT NULL, crc INTEGER NOT NULL, data BLOB NOT NULL);
";

/// What layout 2 has beside the tables of layout 1.
pub(crate) const BESIDE: &str = "
-- Windows of closed blocks; tier 1: a minute, 2: an hour. Rows of a series may overlap in time,
-- and several rows may hold a part of one window: readers add the parts up.
CREATE TABLE rollup (id INTEGER PRIMARY KEY, tier INTEGER NOT NULL, series INTEGER NOT NULL,
  t_min INTEGER NOT NULL, t_max INTEGER NOT NULL, n INTEGER NOT NULL, crc INTEGER NOT NULL,
  data BLOB NOT NULL);
-- The newest row of a tier, which grows. slot = 2 * series + tier - 1
CREATE TABLE rollup_tail (slot INTEGER PRIMARY KEY, t_min INTEGER NOT NULL,
  t_max INTEGER NOT NULL, n INTEGER NOT NULL, crc INTEGER NOT NULL, data BLOB NOT NULL);
CREATE INDEX block_by_time ON block (series, late, t_min, t_max, tiers, n);
CREATE INDEX rollup_by_time ON rollup (tier, series, t_min, t_max, n);
-- For the repair of a damaged file: the names in a second place.
CREATE INDEX series_by_name ON series (device, property);
-- Figures for the status page, right whoever adds and deletes rows.
INSERT INTO meta SELECT iif(late, 'late_blocks', 'blocks'), count(*) FROM block GROUP BY 1;
INSERT OR IGNORE INTO meta VALUES ('blocks', 0), ('late_blocks', 0),
  ('windows_minute', 0), ('windows_hour', 0), ('layout', 2);
CREATE TRIGGER block_added AFTER INSERT ON block BEGIN
  UPDATE meta SET value = value + 1 WHERE key = iif(new.late, 'late_blocks', 'blocks'); END;
CREATE TRIGGER block_deleted AFTER DELETE ON block BEGIN
  UPDATE meta SET value = value - 1 WHERE key = iif(old.late, 'late_blocks', 'blocks'); END;
CREATE TRIGGER rollup_added AFTER INSERT ON rollup BEGIN UPDATE meta SET value = value + new.n
  WHERE key = iif(new.tier = 1, 'windows_minute', 'windows_hour'); END;
CREATE TRIGGER rollup_deleted AFTER DELETE ON rollup BEGIN UPDATE meta SET value = value - old.n
  WHERE key = iif(old.tier = 1, 'windows_minute', 'windows_hour'); END;
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

/// Opens the file for writing, making it or its tables when they are missing, and bringing an
/// older layout up to date.
pub(crate) fn open(path: &Path) -> Result<Connection, Error> {
    let mut conn = Connection::open(path)?;
    conn.execute_batch(
        "PRAGMA page_size = 8192; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
         PRAGMA wal_autocheckpoint = 1000; PRAGMA cache_size = -4096;
         PRAGMA journal_size_limit = 16777216; PRAGMA cell_size_check = 1;",
    )?;
    conn.set_prepared_statement_cache_capacity(64);
    match layout(&conn)? {
        0 => {
            let tx = conn.transaction()?;
            tx.execute_batch(TABLES)?;
            tx.execute_batch(BESIDE)?;
            note_schema(&tx)?;
            tx.commit()?;
        }
        1 => migrate::from_1(&mut conn)?,
        LAYOUT => check_schema(&conn)?,
        found => return Err(Error::Layout { path: path.into(), found, known: LAYOUT }),
    }
    Ok(conn)
}

/// Checksum of the texts of all tables, indexes and triggers.
fn schema_crc(conn: &Connection) -> Result<i64, Error> {
    // As bytes: a flipped bit need not leave a text.
    let all = "SELECT CAST(group_concat(sql) AS BLOB)
               FROM (SELECT sql FROM sqlite_schema ORDER BY name)";
    let text: Option<Vec<u8>> = conn.query_row(all, [], |r| r.get(0))?;
    Ok(i64::from(crc32fast::hash(&text.unwrap_or_default())))
}

/// Notes the texts of the schema: a flipped bit in one may leave it valid and other than it was.
pub(crate) fn note_schema(conn: &Connection) -> Result<(), Error> {
    set_meta_i64(conn, "schema_crc", schema_crc(conn)?)
}

/// The texts of the schema are those that were noted.
pub(crate) fn check_schema(conn: &Connection) -> Result<(), Error> {
    // Also without the table `meta`, by whatever name it goes now.
    let noted = meta_i64(conn, "schema_crc").map_err(|_| Error::DamagedSchema)?;
    match noted {
        Some(noted) if noted != schema_crc(conn)? => Err(Error::DamagedSchema),
        _ => Ok(()),
    }
}

/// The layout of a file: 0 without tables. It stands in two places: a flipped bit must not make
/// the file one of another layout.
fn layout(conn: &Connection) -> Result<i64, Error> {
    let version = conn.query_row("PRAGMA user_version", [], |r| r.get(0))?;
    if version == LAYOUT {
        return Ok(LAYOUT);
    }
    let tables = "SELECT count(*) FROM sqlite_schema WHERE name IN ('meta', 'rollup')";
    Ok(match conn.query_row(tables, [], |r| r.get(0))? {
        // Tables of this layout or of a later one; later ones have the second place too.
        2 => meta_i64(conn, "layout")?.unwrap_or(version),
        1 => 1,
        0_i64 if version < LAYOUT => 0,
        _ => version,
    })
}

/// The file has the layout of this program.
pub(crate) fn check_layout(conn: &Connection, path: &Path) -> Result<(), Error> {
    match layout(conn)? {
        LAYOUT => Ok(()),
        found => Err(Error::Layout { path: path.into(), found, known: LAYOUT }),
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

/// Opens the file for reading.
pub(crate) fn open_reader(path: &Path) -> Result<Connection, Error> {
    let conn = Connection::open(path)?;
    conn.execute_batch(
        "PRAGMA query_only = 1; PRAGMA cache_size = -2048; PRAGMA cell_size_check = 1;",
    )?;
    conn.busy_timeout(std::time::Duration::from_secs(5))?;
    // A reader that is closed last, after the file was exchanged, must not remove the log by name.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    conn.set_prepared_statement_cache_capacity(64);
    Ok(conn)
}

/// The bytes are not a database any more: nothing in it can be found.
pub(crate) fn is_damaged(e: &Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    if matches!(e, Error::DamagedSeries | Error::DamagedSchema) {
        return true;
    }
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
