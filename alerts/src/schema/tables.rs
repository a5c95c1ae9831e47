//! The tables of this version, and opening a file.

use std::path::Path;

use ioc_model::RegisterError;
use rusqlite::Connection;

use super::store;

/// Tables; a file of an earlier version has some of them with fewer columns.
pub(super) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS alert (
  id TEXT PRIMARY KEY, change INTEGER NOT NULL, raised_at INTEGER NOT NULL,
  open INTEGER NOT NULL, severity INTEGER NOT NULL, service TEXT NOT NULL, area TEXT NOT NULL,
  device TEXT, row TEXT NOT NULL, applied INTEGER NOT NULL DEFAULT 0,
  rule TEXT, severity_max INTEGER, condition TEXT, acknowledged INTEGER NOT NULL DEFAULT 0,
  work TEXT, held INTEGER NOT NULL DEFAULT 0, held_at_raise INTEGER NOT NULL DEFAULT 0,
  overdue INTEGER NOT NULL DEFAULT 0, incident TEXT, assignee TEXT,
  cleared_at INTEGER, acked_at INTEGER, resolved_at INTEGER, closed_at INTEGER, due_at INTEGER);
CREATE TABLE IF NOT EXISTS audit (
  seq INTEGER PRIMARY KEY, alert TEXT NOT NULL, action TEXT NOT NULL, actor TEXT NOT NULL,
  at INTEGER NOT NULL, severity INTEGER NOT NULL, value REAL, note TEXT,
  lim REAL, message TEXT, evidence TEXT, origin TEXT, detail TEXT, hash BLOB);
CREATE TABLE IF NOT EXISTS act (
  id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT UNIQUE, hash BLOB NOT NULL, user TEXT NOT NULL,
  at INTEGER NOT NULL, action TEXT NOT NULL, targets INTEGER NOT NULL, done INTEGER NOT NULL,
  changed INTEGER NOT NULL, split TEXT, undone INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS act_row (
  id INTEGER PRIMARY KEY, alert TEXT NOT NULL, ver INTEGER, before TEXT, acked_at INTEGER,
  row TEXT, refused TEXT, undone INTEGER NOT NULL DEFAULT 0);
";

/// Columns that earlier versions did not have: table, column, type.
pub(super) const LATER: &[(&str, &str, &str)] = &[
    ("alert", "applied", "INTEGER NOT NULL DEFAULT 0"),
    ("alert", "rule", "TEXT"),
    ("alert", "severity_max", "INTEGER"),
    ("alert", "condition", "TEXT"),
    ("alert", "acknowledged", "INTEGER NOT NULL DEFAULT 0"),
    ("alert", "work", "TEXT"),
    ("alert", "held", "INTEGER NOT NULL DEFAULT 0"),
    ("alert", "held_at_raise", "INTEGER NOT NULL DEFAULT 0"),
    ("alert", "overdue", "INTEGER NOT NULL DEFAULT 0"),
    ("alert", "incident", "TEXT"),
    ("alert", "assignee", "TEXT"),
    ("alert", "cleared_at", "INTEGER"),
    ("alert", "acked_at", "INTEGER"),
    ("alert", "resolved_at", "INTEGER"),
    ("alert", "closed_at", "INTEGER"),
    ("alert", "due_at", "INTEGER"),
    ("audit", "lim", "REAL"),
    ("audit", "message", "TEXT"),
    ("audit", "evidence", "TEXT"),
    ("audit", "origin", "TEXT"),
    ("audit", "detail", "TEXT"),
    ("audit", "hash", "BLOB"),
];

/// Those of the alert's lists are named in `query::index`, which picks one by what is asked. All
/// end in the order of the lists; what follows that is only there so that a filter beside it
/// needs no look into the table. Indexes of open alerts are small: what is closed leaves them.
pub(super) const INDEXES: &str = "
CREATE UNIQUE INDEX IF NOT EXISTS alert_change ON alert (change);
CREATE INDEX IF NOT EXISTS alert_due ON alert (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS alert_all ON alert (raised_at DESC, id DESC, severity);
CREATE INDEX IF NOT EXISTS alert_service ON alert (service, raised_at DESC, id DESC, severity);
CREATE INDEX IF NOT EXISTS alert_area ON alert (area, raised_at DESC, id DESC, severity, service);
CREATE INDEX IF NOT EXISTS alert_rule ON alert (rule, raised_at DESC, id DESC, area, severity);
CREATE INDEX IF NOT EXISTS alert_device ON alert (device, raised_at DESC, id DESC)
  WHERE device IS NOT NULL;
CREATE INDEX IF NOT EXISTS alert_incident ON alert (incident, raised_at DESC, id DESC)
  WHERE incident IS NOT NULL;
CREATE INDEX IF NOT EXISTS alert_assignee ON alert (assignee, raised_at DESC, id DESC)
  WHERE assignee IS NOT NULL;
CREATE INDEX IF NOT EXISTS alert_work ON alert (work, raised_at DESC, id DESC, severity);
CREATE INDEX IF NOT EXISTS alert_overdue ON alert (raised_at DESC, id DESC, open, severity)
  WHERE overdue = 1;
CREATE INDEX IF NOT EXISTS alert_held ON alert (raised_at DESC, id DESC, severity) WHERE held = 1;
CREATE INDEX IF NOT EXISTS alert_open ON alert
  (raised_at DESC, id DESC, severity, acknowledged, held, service, area) WHERE open = 1;
CREATE INDEX IF NOT EXISTS alert_listed ON alert
  (raised_at DESC, id DESC, severity, acknowledged, service, area) WHERE open = 1 AND held = 0;
CREATE INDEX IF NOT EXISTS alert_unseen ON alert
  (raised_at DESC, id DESC, severity, held, service, area) WHERE open = 1 AND acknowledged = 0;
CREATE INDEX IF NOT EXISTS alert_open_service ON alert
  (service, raised_at DESC, id DESC, severity, acknowledged, held) WHERE open = 1;
CREATE INDEX IF NOT EXISTS alert_open_area ON alert
  (area, raised_at DESC, id DESC, severity, acknowledged, held, service) WHERE open = 1;
CREATE INDEX IF NOT EXISTS alert_open_rule ON alert
  (rule, raised_at DESC, id DESC, severity, acknowledged, held) WHERE open = 1;
CREATE INDEX IF NOT EXISTS alert_open_assignee ON alert (assignee, raised_at DESC, id DESC)
  WHERE open = 1 AND assignee IS NOT NULL;
CREATE INDEX IF NOT EXISTS alert_done_area ON alert
  (area, raised_at DESC, id DESC, work, service, severity) WHERE open = 0;
CREATE INDEX IF NOT EXISTS alert_done_service ON alert
  (service, raised_at DESC, id DESC, work, area, severity) WHERE open = 0;
CREATE INDEX IF NOT EXISTS act_unkeyed ON act (id) WHERE key IS NULL;
CREATE INDEX IF NOT EXISTS audit_alert ON audit (alert, seq);
";

/// A file that grew in a large transaction is cut back to this.
const WAL_MAX_BYTES: i64 = 64 << 20;
/// Statements kept prepared: a row's change names the columns that differ.
const STATEMENTS: usize = 128;

/// Opens or creates the file for writing, with its tables as they are.
pub(crate) fn open(path: &Path) -> Result<Connection, RegisterError> {
    let db = Connection::open(path).map_err(store)?;
    db.pragma_update(None, "journal_mode", "WAL").map_err(store)?;
    db.pragma_update(None, "synchronous", "FULL").map_err(store)?;
    db.pragma_update(None, "journal_size_limit", WAL_MAX_BYTES).map_err(store)?;
    db.busy_timeout(std::time::Duration::from_secs(5)).map_err(store)?;
    db.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(db)
}

/// Opens it for reading beside its writer in this process.
pub(crate) fn open_reader(path: &Path) -> Result<Connection, RegisterError> {
    let db = open(path)?;
    db.pragma_update(None, "query_only", true).map_err(store)?;
    Ok(db)
}
