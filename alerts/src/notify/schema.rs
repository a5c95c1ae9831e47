//! Tables of `notify.sqlite`.

use std::path::Path;

use ioc_model::{RegisterError, Timestamp};
use rusqlite::{Connection, Row, params};

use crate::schema::store;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
-- Last severity of running alerts, to know what is worse.
CREATE TABLE IF NOT EXISTS episode (alert TEXT PRIMARY KEY, severity INTEGER NOT NULL) WITHOUT ROWID;
-- What each receiver knows of an alert. state 0: its news wait in the group; 1: it was put out;
-- 2: its end was put out or waits.
CREATE TABLE IF NOT EXISTS told (
  receiver TEXT NOT NULL, alert TEXT NOT NULL, route TEXT NOT NULL, grp TEXT NOT NULL,
  state INTEGER NOT NULL, severity INTEGER NOT NULL, ended_at INTEGER,
  PRIMARY KEY (receiver, alert)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS told_alert ON told (alert);
CREATE INDEX IF NOT EXISTS told_grp ON told (receiver, grp, state);
CREATE INDEX IF NOT EXISTS told_ended ON told (ended_at) WHERE ended_at IS NOT NULL;
CREATE TABLE IF NOT EXISTS grp (
  receiver TEXT NOT NULL, route TEXT NOT NULL, grp TEXT NOT NULL,
  due_at INTEGER, flushed_at INTEGER, severity INTEGER NOT NULL DEFAULT 0,
  repeat_at INTEGER, repeats INTEGER NOT NULL DEFAULT 0, last_seq INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (receiver, route, grp)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS grp_due ON grp (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS grp_repeat ON grp (repeat_at) WHERE repeat_at IS NOT NULL;
CREATE TABLE IF NOT EXISTS pending (
  receiver TEXT NOT NULL, route TEXT NOT NULL, grp TEXT NOT NULL, seq INTEGER NOT NULL,
  alert TEXT NOT NULL, change TEXT NOT NULL,
  PRIMARY KEY (receiver, route, grp, seq)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS pending_alert ON pending (alert, receiver);
CREATE TABLE IF NOT EXISTS delivery (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, receiver TEXT NOT NULL,
  route TEXT NOT NULL, grp TEXT NOT NULL, reasons TEXT NOT NULL, alerts TEXT NOT NULL,
  body TEXT NOT NULL, state INTEGER NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,
  created_at INTEGER NOT NULL, next_at INTEGER, expires_at INTEGER NOT NULL,
  ended_at INTEGER, answer TEXT);
CREATE INDEX IF NOT EXISTS delivery_waiting ON delivery (receiver, grp, seq) WHERE state = 0;
CREATE INDEX IF NOT EXISTS delivery_next ON delivery (next_at) WHERE state = 0;
CREATE INDEX IF NOT EXISTS delivery_receiver ON delivery (receiver, state, seq);
CREATE INDEX IF NOT EXISTS delivery_ended ON delivery (ended_at) WHERE ended_at IS NOT NULL;
CREATE TABLE IF NOT EXISTS delivery_alert (
  alert TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (alert, seq)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS delivery_alert_seq ON delivery_alert (seq);
CREATE TRIGGER IF NOT EXISTS delivery_gone AFTER DELETE ON delivery BEGIN
  DELETE FROM delivery_alert WHERE seq = old.seq;
END;
";

/// Position in the audit log up to which lines were taken.
pub(super) const CURSOR: &str = "cursor";
/// Line up to which a new outbox catches up, in the time of the lines.
pub(super) const REBUILD: &str = "rebuild";

/// States of `told`.
pub(super) const PENDING: i64 = 0;
pub(super) const TOLD: i64 = 1;
pub(super) const OVER: i64 = 2;

/// States of `delivery`.
pub(super) const WAITING: i64 = 0;
pub(super) const DELIVERED: i64 = 1;
pub(super) const DEAD: i64 = 2;

pub(super) fn open(path: &Path) -> Result<Connection, RegisterError> {
    let db = Connection::open(path).map_err(store)?;
    db.pragma_update(None, "journal_mode", "WAL").map_err(store)?;
    db.pragma_update(None, "synchronous", "FULL").map_err(store)?;
    db.busy_timeout(std::time::Duration::from_secs(5)).map_err(store)?;
    db.set_prepared_statement_cache_capacity(64);
    db.execute_batch(SCHEMA).map_err(store)?;
    Ok(db)
}

pub(super) fn meta(db: &Connection, key: &str) -> Result<Option<u64>, RegisterError> {
    let value: Option<i64> =
        one(db, "SELECT max(value) FROM meta WHERE key = ?1", params![key], |r| r.get(0))?;
    Ok(value.map(i64::cast_unsigned))
}

pub(super) fn set_meta(db: &Connection, key: &str, value: u64) -> Result<(), RegisterError> {
    let sql = "INSERT INTO meta VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2";
    run(db, sql, params![key, value.cast_signed()]).map(drop)
}

/// Runs one statement; how many rows it changed.
pub(super) fn run(
    db: &Connection,
    sql: &str,
    params: impl rusqlite::Params,
) -> Result<usize, RegisterError> {
    db.prepare_cached(sql).and_then(|mut s| s.execute(params)).map_err(store)
}

/// The one row of a statement that always has one.
pub(super) fn one<T>(
    db: &Connection,
    sql: &str,
    params: impl rusqlite::Params,
    read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<T, RegisterError> {
    db.prepare_cached(sql).and_then(|mut s| s.query_row(params, read)).map_err(store)
}

/// All rows of a statement.
pub(super) fn all<T>(
    db: &Connection,
    sql: &str,
    params: impl rusqlite::Params,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>, RegisterError> {
    db.prepare_cached(sql)
        .and_then(|mut s| s.query_map(params, read)?.collect::<rusqlite::Result<Vec<T>>>())
        .map_err(store)
}

pub(super) fn time(r: &Row<'_>, column: usize) -> rusqlite::Result<Option<Timestamp>> {
    Ok(r.get::<_, Option<i64>>(column)?.map(Timestamp))
}
