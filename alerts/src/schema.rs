//! Tables, and how a row is written and read.

use ioc_model::{AlertRow, RegisterError, Severity};
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, Transaction, params};
use serde::de::DeserializeOwned;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS alert (
  id TEXT PRIMARY KEY, change INTEGER NOT NULL, raised_at INTEGER NOT NULL,
  open INTEGER NOT NULL, severity INTEGER NOT NULL, service TEXT NOT NULL, area TEXT NOT NULL,
  device TEXT, row TEXT NOT NULL, applied INTEGER NOT NULL DEFAULT 0);
CREATE UNIQUE INDEX IF NOT EXISTS alert_change ON alert (change);
CREATE INDEX IF NOT EXISTS alert_open ON alert (open, raised_at DESC, id DESC);
CREATE INDEX IF NOT EXISTS alert_raised ON alert (raised_at DESC, id DESC);
CREATE TABLE IF NOT EXISTS audit (
  seq INTEGER PRIMARY KEY, alert TEXT NOT NULL, action TEXT NOT NULL, actor TEXT NOT NULL,
  at INTEGER NOT NULL, severity INTEGER NOT NULL, value REAL, note TEXT,
  lim REAL, message TEXT, evidence TEXT, origin TEXT, detail TEXT, hash BLOB);
CREATE INDEX IF NOT EXISTS audit_alert ON audit (alert, seq);
CREATE TABLE IF NOT EXISTS request (
  key TEXT PRIMARY KEY, user TEXT NOT NULL, alert TEXT NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID;
";

/// Columns that earlier versions did not have: table, column, type.
const LATER: &[(&str, &str, &str)] = &[
    ("alert", "applied", "INTEGER NOT NULL DEFAULT 0"),
    ("audit", "lim", "REAL"),
    ("audit", "message", "TEXT"),
    ("audit", "evidence", "TEXT"),
    ("audit", "origin", "TEXT"),
    ("audit", "detail", "TEXT"),
    ("audit", "hash", "BLOB"),
];

pub(crate) const CURSOR: &str = "cursor";
const CHANGE: &str = "change";

pub(crate) fn store<E: std::error::Error + Send + Sync + 'static>(e: E) -> RegisterError {
    RegisterError::Store(Box::new(e))
}

pub(crate) fn open(path: &std::path::Path) -> Result<Connection, RegisterError> {
    let db = Connection::open(path).map_err(store)?;
    db.pragma_update(None, "journal_mode", "WAL").map_err(store)?;
    db.pragma_update(None, "synchronous", "FULL").map_err(store)?;
    db.busy_timeout(std::time::Duration::from_secs(5)).map_err(store)?;
    db.execute_batch(SCHEMA).map_err(store)?;
    migrate(&db)?;
    let tx = db.unchecked_transaction().map_err(store)?;
    crate::audit::adopt(&tx)?;
    tx.commit().map_err(store)?;
    Ok(db)
}

/// Adds the columns that a file of an earlier version lacks.
fn migrate(db: &Connection) -> Result<(), RegisterError> {
    for (table, column, kind) in missing(db)? {
        db.execute_batch(&format!("ALTER TABLE {table} ADD COLUMN {column} {kind}"))
            .map_err(store)?;
    }
    Ok(())
}

fn missing(
    db: &Connection,
) -> Result<Vec<(&'static str, &'static str, &'static str)>, RegisterError> {
    let mut missing = Vec::new();
    for (table, column, kind) in LATER {
        let sql = "SELECT count(*) FROM pragma_table_info(?1) WHERE name = ?2";
        let n: i64 = db.query_row(sql, params![table, column], |r| r.get(0)).map_err(store)?;
        if n == 0 {
            missing.push((*table, *column, *kind));
        }
    }
    Ok(missing)
}

/// Opens a register that another process may be writing, for reading. A file of an earlier
/// version is not changed: what its tables lack shows as empty.
pub(crate) fn open_for_reading(path: &std::path::Path) -> Result<Connection, RegisterError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags).map_err(store)?;
    db.busy_timeout(std::time::Duration::from_secs(5)).map_err(store)?;
    let lacks: Vec<&str> =
        missing(&db)?.into_iter().filter(|m| m.0 == "audit").map(|m| m.1).collect();
    if !lacks.is_empty() {
        // A view of this connection alone stands in for the table.
        let empty: String = lacks.iter().map(|column| format!(", NULL AS {column}")).collect();
        let view = format!("CREATE TEMP VIEW audit AS SELECT *{empty} FROM main.audit");
        db.execute_batch(&view).map_err(store)?;
    }
    Ok(db)
}

pub(crate) fn meta(db: &Connection, key: &str) -> Result<u64, RegisterError> {
    let value: Option<i64> = db
        .prepare_cached("SELECT value FROM meta WHERE key = ?1")
        .and_then(|mut s| s.query_row([key], |r| r.get(0)).optional())
        .map_err(store)?;
    Ok(value.map_or(0, i64::cast_unsigned))
}

pub(crate) fn set_meta(db: &Connection, key: &str, value: u64) -> Result<(), RegisterError> {
    db.prepare_cached(
        "INSERT INTO meta VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2",
    )
    .and_then(|mut s| s.execute(params![key, value.cast_signed()]))
    .map_err(store)?;
    Ok(())
}

/// Position of the newest change of any alert.
pub(crate) fn newest_change(db: &Connection) -> Result<u64, RegisterError> {
    meta(db, CHANGE)
}

pub(crate) fn read_row(db: &Connection, id: &str) -> Result<Option<AlertRow>, RegisterError> {
    db.prepare_cached("SELECT row FROM alert WHERE id = ?1")
        .and_then(|mut s| s.query_row([id], |r| r.get::<_, String>(0)).optional())
        .map_err(store)?
        .map(|text| parse(&text))
        .transpose()
}

pub(crate) fn parse<T: DeserializeOwned>(text: &str) -> Result<T, RegisterError> {
    serde_json::from_str(text).map_err(store)
}

/// Journal position below which the transitions of one alert are applied; 0 if it is not known.
pub(crate) fn applied(db: &Connection, id: &str) -> Result<u64, RegisterError> {
    let below: Option<i64> = db
        .prepare_cached("SELECT applied FROM alert WHERE id = ?1")
        .and_then(|mut s| s.query_row([id], |r| r.get(0)).optional())
        .map_err(store)?;
    Ok(below.map_or(0, i64::cast_unsigned))
}

pub(crate) fn set_applied(db: &Connection, id: &str, below: u64) -> Result<(), RegisterError> {
    db.prepare_cached("UPDATE alert SET applied = ?2 WHERE id = ?1")
        .and_then(|mut s| s.execute(params![id, below.cast_signed()]))
        .map_err(store)?;
    Ok(())
}

/// Writes `row` as the next change and gives it its numbers.
pub(crate) fn write_row(tx: &Transaction<'_>, row: &mut AlertRow) -> Result<(), RegisterError> {
    row.change = meta(tx, CHANGE)? + 1;
    row.ver += 1;
    row.settle();
    set_meta(tx, CHANGE, row.change)?;
    let open = row.is_open();
    let text = serde_json::to_string(row).map_err(store)?;
    tx.prepare_cached(
        "INSERT INTO alert (id, change, raised_at, open, severity, service, area, device, row)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
         ON CONFLICT (id) DO UPDATE SET change = ?2, open = ?4, severity = ?5, row = ?9",
    )
    .and_then(|mut s| {
        s.execute(params![
            row.id.0,
            row.change.cast_signed(),
            row.raised_at.0,
            open,
            row.severity as u8,
            &*row.service,
            &*row.area,
            row.device.as_deref(),
            text,
        ])
    })
    .map_err(store)?;
    Ok(())
}

/// A severity column; an unknown number (a damaged row) shows as the highest.
pub(crate) fn severity(r: &Row<'_>, column: usize) -> rusqlite::Result<Severity> {
    Ok(Severity::from_u8(r.get(column)?).unwrap_or(Severity::Emergency))
}
