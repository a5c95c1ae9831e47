use std::path::Path;
use std::sync::{Mutex, MutexGuard};

use ioc_model::{
    Actor, AlertId, Handover, RegisterError, Severity, ShiftEntry, ShiftId, ShiftRow, ShiftStore,
    Timestamp,
};
use rusqlite::{Connection, Row, Transaction, TransactionBehavior, params};

use super::handover;
use crate::audit::{self, AuditLine};
use crate::kpi;
use crate::schema::{self, store};

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS shift (
  id INTEGER PRIMARY KEY AUTOINCREMENT, user TEXT NOT NULL, position TEXT NOT NULL,
  began INTEGER NOT NULL, until INTEGER, handover TEXT);
CREATE UNIQUE INDEX IF NOT EXISTS shift_on_duty ON shift (position) WHERE until IS NULL;
CREATE INDEX IF NOT EXISTS shift_began ON shift (began);
CREATE TABLE IF NOT EXISTS shift_log (
  id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, user TEXT NOT NULL,
  text TEXT NOT NULL, alert TEXT, open INTEGER NOT NULL, done_at INTEGER, done_by TEXT);
CREATE INDEX IF NOT EXISTS shift_log_at ON shift_log (at, id);
CREATE INDEX IF NOT EXISTS shift_log_open ON shift_log (id) WHERE open = 1;
";

/// Longest text, in characters.
const LONGEST_TEXT: usize = 2_000;
/// Longest name of a position or a user, in characters.
const LONGEST_NAME: usize = 64;
/// Most lines of one answer.
pub(super) const MOST_LINES: usize = 1_000;

/// Shifts and their log, in the register's file.
pub struct Shifts {
    writer: Mutex<Connection>,
    /// Lists must not wait for a commit.
    reader: Mutex<Connection>,
}

impl Shifts {
    /// Opens the register's file at `path` and makes the tables of shifts if it has none.
    ///
    /// # Errors
    /// When the file cannot be opened or is not a register.
    pub fn open(path: &Path) -> Result<Self, RegisterError> {
        let writer = schema::open(path)?;
        writer.execute_batch(SCHEMA).map_err(store)?;
        Ok(Self { writer: Mutex::new(writer), reader: Mutex::new(kpi::open_reader(path)?) })
    }

    /// Does something in one transaction.
    fn change<T>(
        &self,
        act: impl FnOnce(&Transaction<'_>) -> Result<T, RegisterError>,
    ) -> Result<T, RegisterError> {
        let mut db = lock(&self.writer);
        // Immediate: the register may be writing, and then this waits instead of failing.
        let tx = db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(store)?;
        let done = act(&tx)?;
        tx.commit().map_err(store)?;
        Ok(done)
    }
}

impl ShiftStore for Shifts {
    fn on_duty(&self) -> Result<Vec<ShiftRow>, RegisterError> {
        shifts(&lock(&self.reader), "WHERE until IS NULL ORDER BY position", [])
    }

    fn begin(&self, position: &str, actor: &Actor) -> Result<ShiftRow, RegisterError> {
        let position = name("position", position)?;
        let user = name("user", &actor.user)?;
        self.change(|tx| {
            let before = shifts(tx, "WHERE until IS NULL AND position = ?1", [position])?.pop();
            let mut at = actor.at;
            if let Some(before) = before {
                if before.user == user {
                    return Ok(before);
                }
                // A clock that was set back must not make a shift end before it began.
                at = at.max(before.from);
                let relieved = ShiftRow { until: Some(at), ..before };
                finish(tx, &relieved, actor, Some(&format!("relieved by {user}")))?;
            }
            tx.prepare_cached("INSERT INTO shift (user, position, began) VALUES (?1, ?2, ?3)")
                .and_then(|mut s| s.execute(params![user, position, at.0]))
                .map_err(store)?;
            let row = ShiftRow {
                id: tx.last_insert_rowid().cast_unsigned(),
                user: user.to_owned(),
                position: position.to_owned(),
                from: at,
                until: None,
                handover: None,
            };
            tell(
                tx,
                "shift_begin",
                actor,
                &Said { detail: Some(detail(&row)?), ..Said::default() },
            )?;
            Ok(row)
        })
    }

    fn end(
        &self,
        shift: ShiftId,
        handover: Option<&str>,
        actor: &Actor,
    ) -> Result<ShiftRow, RegisterError> {
        let handover = handover.map(str::trim).filter(|text| !text.is_empty());
        if let Some(text) = handover {
            words("handover", text)?;
        }
        name("user", &actor.user)?;
        self.change(|tx| {
            let mut row = shifts(tx, "WHERE id = ?1", [shift.cast_signed()])?
                .pop()
                .ok_or(RegisterError::NoShift(shift))?;
            // Somebody who was relieved may still say what the next must know, once.
            let late = row.user == actor.user && row.handover.is_none() && handover.is_some();
            if row.until.is_some() && !late {
                return Err(RegisterError::Bad(format!("shift {shift} has ended")));
            }
            row.until = Some(row.until.unwrap_or(actor.at.max(row.from)));
            row.handover = handover.map(str::to_owned).or(row.handover);
            finish(tx, &row, actor, handover)?;
            Ok(row)
        })
    }

    fn write(
        &self,
        text: &str,
        alert: Option<&AlertId>,
        open: bool,
        actor: &Actor,
    ) -> Result<ShiftEntry, RegisterError> {
        let text = words("text", text)?;
        name("user", &actor.user)?;
        self.change(|tx| {
            if let Some(alert) = alert {
                check_alert(tx, alert)?;
            }
            let id = alert.map(|alert| alert.0.as_str());
            tx.prepare_cached(
                "INSERT INTO shift_log (at, user, text, alert, open) VALUES (?1, ?2, ?3, ?4, ?5)",
            )
            .and_then(|mut s| s.execute(params![actor.at.0, actor.user, text, id, open]))
            .map_err(store)?;
            let entry = ShiftEntry {
                id: tx.last_insert_rowid().cast_unsigned(),
                at: actor.at,
                user: actor.user.clone(),
                text: text.to_owned(),
                alert: alert.cloned(),
                open,
                done: None,
            };
            let about = format!("{{\"entry\":{},\"open\":{open}}}", entry.id);
            tell(
                tx,
                "shift_note",
                actor,
                &Said { alert: id, note: Some(text), detail: Some(about) },
            )?;
            Ok(entry)
        })
    }

    fn done(&self, entry: u64, actor: &Actor) -> Result<ShiftEntry, RegisterError> {
        name("user", &actor.user)?;
        self.change(|tx| {
            let mut row = entries(tx, "WHERE id = ?1", [entry.cast_signed()])?
                .pop()
                .ok_or(RegisterError::NoShiftEntry(entry))?;
            if row.done.is_some() {
                return Ok(row);
            }
            if !row.open {
                return Err(RegisterError::Bad(format!("line {entry} is nothing to be done")));
            }
            row.open = false;
            row.done = Some((actor.at, actor.user.clone()));
            tx.prepare_cached(
                "UPDATE shift_log SET open = 0, done_at = ?2, done_by = ?3 WHERE id = ?1",
            )
            .and_then(|mut s| s.execute(params![entry.cast_signed(), actor.at.0, actor.user]))
            .map_err(store)?;
            let alert = row.alert.as_ref().map(|alert| alert.0.as_str());
            let about = Some(format!("{{\"entry\":{entry}}}"));
            tell(tx, "shift_done", actor, &Said { alert, note: None, detail: about })?;
            Ok(row)
        })
    }

    fn log(
        &self,
        from: Timestamp,
        to: Timestamp,
        limit: usize,
    ) -> Result<Vec<ShiftEntry>, RegisterError> {
        let limit = i64::try_from(limit.clamp(1, MOST_LINES)).unwrap_or(1);
        entries(
            &lock(&self.reader),
            "WHERE at >= ?1 AND at < ?2 ORDER BY at DESC, id DESC LIMIT ?3",
            [from.0, to.0, limit],
        )
    }

    fn handover(&self, from: Timestamp, to: Timestamp) -> Result<Handover, RegisterError> {
        handover::read(&lock(&self.reader), from, to)
    }
}

/// What a line of the audit log says beside who and when.
#[derive(Default)]
struct Said<'a> {
    alert: Option<&'a str>,
    note: Option<&'a str>,
    /// JSON text.
    detail: Option<String>,
}

fn tell(
    tx: &Transaction<'_>,
    action: &str,
    actor: &Actor,
    said: &Said<'_>,
) -> Result<(), RegisterError> {
    audit::append(
        tx,
        &AuditLine {
            alert: said.alert.unwrap_or_default(),
            action,
            actor: &actor.user,
            origin: actor.origin.as_deref(),
            at: actor.at.0,
            severity: Severity::Info,
            value: None,
            limit: None,
            note: said.note,
            message: None,
            evidence: None,
            detail: said.detail.as_deref(),
        },
    )?;
    Ok(())
}

/// Writes the end of a shift.
fn finish(
    tx: &Transaction<'_>,
    row: &ShiftRow,
    actor: &Actor,
    note: Option<&str>,
) -> Result<(), RegisterError> {
    tx.prepare_cached("UPDATE shift SET until = ?2, handover = ?3 WHERE id = ?1")
        .and_then(|mut s| {
            s.execute(params![row.id.cast_signed(), row.until.map(|t| t.0), row.handover])
        })
        .map_err(store)?;
    tell(tx, "shift_end", actor, &Said { alert: None, note, detail: Some(detail(row)?) })
}

fn detail(row: &ShiftRow) -> Result<String, RegisterError> {
    let detail = serde_json::json!({ "shift": row.id, "user": row.user, "position": row.position });
    serde_json::to_string(&detail).map_err(store)
}

fn check_alert(tx: &Transaction<'_>, id: &AlertId) -> Result<(), RegisterError> {
    let known: bool = tx
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM alert WHERE id = ?1)")
        .and_then(|mut s| s.query_row([&id.0], |r| r.get(0)))
        .map_err(store)?;
    known.then_some(()).ok_or_else(|| RegisterError::NotFound(id.clone()))
}

/// A name: something, short, one line.
fn name<'a>(what: &str, name: &'a str) -> Result<&'a str, RegisterError> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > LONGEST_NAME || name.contains(char::is_control) {
        let text = format!("`{what}` must be one line of 1 to {LONGEST_NAME} characters");
        return Err(RegisterError::Bad(text));
    }
    Ok(name)
}

/// A text: something, not too long.
fn words<'a>(what: &str, text: &'a str) -> Result<&'a str, RegisterError> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > LONGEST_TEXT {
        let text = format!("`{what}` must have 1 to {LONGEST_TEXT} characters");
        return Err(RegisterError::Bad(text));
    }
    Ok(text)
}

/// Shifts; `which` is ours, what users wrote is bound.
pub(super) fn shifts(
    db: &Connection,
    which: &str,
    values: impl rusqlite::Params,
) -> Result<Vec<ShiftRow>, RegisterError> {
    let sql = format!("SELECT id, user, position, began, until, handover FROM shift {which}");
    let read = |r: &Row<'_>| {
        Ok(ShiftRow {
            id: r.get::<_, i64>(0)?.cast_unsigned(),
            user: r.get(1)?,
            position: r.get(2)?,
            from: Timestamp(r.get(3)?),
            until: r.get::<_, Option<i64>>(4)?.map(Timestamp),
            handover: r.get(5)?,
        })
    };
    db.prepare_cached(&sql).and_then(|mut s| s.query_map(values, read)?.collect()).map_err(store)
}

/// Lines of the log; `which` is ours, what users wrote is bound.
pub(super) fn entries(
    db: &Connection,
    which: &str,
    values: impl rusqlite::Params,
) -> Result<Vec<ShiftEntry>, RegisterError> {
    let sql =
        format!("SELECT id, at, user, text, alert, open, done_at, done_by FROM shift_log {which}");
    let read = |r: &Row<'_>| {
        let done: (Option<i64>, Option<String>) = (r.get(6)?, r.get(7)?);
        Ok(ShiftEntry {
            id: r.get::<_, i64>(0)?.cast_unsigned(),
            at: Timestamp(r.get(1)?),
            user: r.get(2)?,
            text: r.get(3)?,
            alert: r.get::<_, Option<String>>(4)?.map(AlertId),
            open: r.get(5)?,
            done: done.0.map(Timestamp).zip(done.1),
        })
    };
    db.prepare_cached(&sql).and_then(|mut s| s.query_map(values, read)?.collect()).map_err(store)
}

/// A poisoned lock only says that a caller panicked; SQLite rolled back what was not committed.
fn lock(db: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    db.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
