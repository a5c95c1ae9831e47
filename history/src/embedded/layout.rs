//! The SQLite file as a whole: its tables, its layout, how it is opened and set aside.

use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::database;
use super::migrate;
use crate::Error;

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
    database::set_meta_i64(conn, "schema_crc", schema_crc(conn)?)
}

/// The texts of the schema are those that were noted.
pub(crate) fn check_schema(conn: &Connection) -> Result<(), Error> {
    // Also without the table `meta`, by whatever name it goes now.
    let noted = database::meta_i64(conn, "schema_crc").map_err(|_| Error::DamagedSchema)?;
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
        2 => database::meta_i64(conn, "layout")?.unwrap_or(version),
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

/// The file does not say what was written: SQLite cannot read it, a column is of a type that this
/// program never writes there, or an index knows a row that the table has not.
pub(crate) fn is_damaged(e: &Error) -> bool {
    use rusqlite::Error::{
        FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType, QueryReturnedNoRows,
        Utf8Error,
    };
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    if matches!(e, Error::DamagedSeries | Error::DamagedSchema) {
        return true;
    }
    let Error::Database(e) = e else { return false };
    let other_type = matches!(
        e,
        FromSqlConversionFailure(..)
            | IntegralValueOutOfRange(..)
            | InvalidColumnType(..)
            | QueryReturnedNoRows
            | Utf8Error(..)
    );
    other_type || matches!(e.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase))
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
