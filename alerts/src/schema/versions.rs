//! Files of earlier versions.

use std::path::Path;

use ioc_model::{AlertRow, Condition, RegisterError, Work};
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior, params};

use super::tables::{INDEXES, LATER, TABLES};
use super::{meta, parse, rewrite, set_due, set_meta, store};
use crate::policy::Policy;

/// `user_version` of files with work, holds and incidents. Before it there was 0.
const VERSION: i64 = 1;
/// Of which policy `due_at` is, as a number.
const POLICY: &str = "policy";
/// Rows read at once.
const PAGE: i64 = 1_000;

/// How old a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Age {
    /// Of this version.
    Present,
    /// Its rows know condition and acknowledgement only.
    BeforeWork,
}

impl Age {
    fn of(db: &Connection) -> Result<Self, RegisterError> {
        let version: i64 = db.query_row("PRAGMA user_version", [], |r| r.get(0)).map_err(store)?;
        match version {
            0 => Ok(Self::BeforeWork),
            VERSION => Ok(Self::Present),
            later => Err(RegisterError::Bad(format!(
                "the alert register is of version {later}, this program knows {VERSION}"
            ))),
        }
    }

    /// A row as this version means it.
    pub fn row(self, mut row: AlertRow) -> AlertRow {
        if self == Self::BeforeWork {
            row.work = match (row.acknowledged, row.condition) {
                // Seen and over: the earlier version took it off the list.
                (true, Condition::Returned) => Work::Closed,
                (true, Condition::Active) => Work::Acknowledged,
                (false, _) => Work::New,
            };
            if row.work == Work::Closed {
                row.closed_at = row.acknowledged_at.max(row.cleared_at);
            }
            row.settle();
        }
        row
    }
}

/// Gives the file the tables of this version and its rows the columns of it, all or nothing; when
/// the policy is another than the last time, works out anew when something is due.
pub(crate) fn take_over(db: &mut Connection, policy: &Policy) -> Result<(), RegisterError> {
    let age = Age::of(db)?;
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(store)?;
    tx.execute_batch(TABLES).map_err(store)?;
    for (table, column, kind) in missing(&tx)? {
        tx.execute_batch(&format!("ALTER TABLE {table} ADD COLUMN {column} {kind}"))
            .map_err(store)?;
    }
    if age == Age::BeforeWork {
        tx.execute_batch(
            "DROP INDEX IF EXISTS alert_open; DROP INDEX IF EXISTS alert_raised;
             DROP TABLE IF EXISTS request;",
        )
        .map_err(store)?;
        each_row(&tx, "1", |tx, row| {
            let row = age.row(row);
            let due = policy.next_timer(&row).map(|(at, _)| at);
            rewrite(tx, &row, due)
        })?;
    }
    tx.execute_batch(INDEXES).map_err(store)?;
    crate::audit::adopt(&tx)?;
    tx.execute_batch(crate::group::SCHEMA).map_err(store)?;
    let known = fingerprint(policy);
    if meta(&tx, POLICY)? != known {
        each_row(&tx, "open = 1", |tx, row| {
            set_due(tx, &row.id.0, policy.next_timer(&row).map(|(at, _)| at))
        })?;
        set_meta(&tx, POLICY, known)?;
    }
    tx.pragma_update(None, "user_version", VERSION).map_err(store)?;
    tx.commit().map_err(store)
}

/// A policy as a number: FNV-1a of all it says.
fn fingerprint(policy: &Policy) -> u64 {
    format!("{policy:?}")
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3))
}

/// Does something with every row that fits, a page at a time.
fn each_row(
    tx: &Transaction<'_>,
    fits: &str,
    mut change: impl FnMut(&Transaction<'_>, AlertRow) -> Result<(), RegisterError>,
) -> Result<(), RegisterError> {
    let sql =
        format!("SELECT rowid, row FROM alert WHERE rowid > ?1 AND {fits} ORDER BY rowid LIMIT ?2");
    let mut after = 0;
    loop {
        let page: Vec<(i64, String)> = tx
            .prepare_cached(&sql)
            .and_then(|mut s| {
                s.query_map([after, PAGE], |r| Ok((r.get(0)?, r.get(1)?)))?
                    .collect::<Result<_, _>>()
            })
            .map_err(store)?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        after = *last;
        for (_, text) in page {
            change(tx, parse(&text)?)?;
        }
    }
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
pub(crate) fn open_for_reading(path: &Path) -> Result<(Connection, Age), RegisterError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags).map_err(store)?;
    db.busy_timeout(std::time::Duration::from_secs(5)).map_err(store)?;
    let age = Age::of(&db)?;
    let lacks: Vec<&str> =
        missing(&db)?.into_iter().filter(|m| m.0 == "audit").map(|m| m.1).collect();
    if !lacks.is_empty() {
        // A view of this connection alone stands in for the table.
        let empty: String = lacks.iter().map(|column| format!(", NULL AS {column}")).collect();
        let view = format!("CREATE TEMP VIEW audit AS SELECT *{empty} FROM main.audit");
        db.execute_batch(&view).map_err(store)?;
    }
    Ok((db, age))
}
