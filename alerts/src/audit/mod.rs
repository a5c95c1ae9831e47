//! The audit log: every change of every alert, and who made it. Append-only, `seq` without gaps
//! from 1, each line tied to the one before by a hash ([`chain`] says how).
//!
//! What is known of the log's end stands in three places: the table `audit_head` (written in the
//! line's own transaction), a file of anchors and a small head file ([`anchor`]), which may be on
//! another disk. [`verify`] compares all with the lines. The chain alone shows an edited, deleted
//! or moved line; only anchors that somebody else keeps show a log that was rewritten from some
//! line on with right hashes, or cut off together with its head.

mod anchor;
mod chain;
mod classify;
mod read;
#[cfg(test)]
mod tests;
mod verify;

use ioc_model::{Evidence, RegisterError, Severity, Text};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension, Transaction, params, params_from_iter};

use crate::schema::store;

pub(crate) use anchor::Anchors;
use chain::Hash;
pub use read::{AuditFilter, AuditLog};
pub use verify::{Bad, BadKind, Note, Report, verify};

/// The line that says that the lines before it were chained when it was written: they come from a
/// version without hashes.
pub const BEGINS: &str = "audit_begins";

/// What a line says.
pub(crate) struct AuditLine<'a> {
    /// Empty for acts that are about no alert.
    pub alert: &'a str,
    pub action: &'a str,
    pub actor: &'a str,
    pub origin: Option<&'a str>,
    pub at: i64,
    pub severity: Severity,
    pub value: Option<f64>,
    pub limit: Option<f64>,
    pub note: Option<&'a str>,
    pub message: Option<&'a Text>,
    pub evidence: Option<&'a Evidence>,
    /// JSON text.
    pub detail: Option<&'a str>,
}

/// The end of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// Number of the last line; 0 if there is none.
    pub seq: u64,
    hash: Hash,
}

/// Writes the next line; returns its number.
pub(crate) fn append(tx: &Transaction<'_>, line: &AuditLine<'_>) -> Result<u64, RegisterError> {
    let before = head(tx)?;
    let message = line.message.map(serde_json::to_string).transpose().map_err(store)?;
    let evidence = line.evidence.map(serde_json::to_string).transpose().map_err(store)?;
    let seq = before.seq + 1;
    let cells = [
        ValueRef::Integer(seq.cast_signed()),
        text(line.alert),
        text(line.action),
        text(line.actor),
        ValueRef::Integer(line.at),
        ValueRef::Integer(line.severity as i64),
        real(line.value),
        optional(line.note),
        real(line.limit),
        optional(message.as_deref()),
        optional(evidence.as_deref()),
        optional(line.origin),
        optional(line.detail),
    ];
    let after = Head { seq, hash: chain::next(&before.hash, &cells) };
    tx.prepare_cached(
        "INSERT INTO audit
           (seq, alert, action, actor, at, severity, value, note, lim, message, evidence, origin,
            detail, hash)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
    )
    .and_then(|mut s| {
        let hash = ValueRef::Blob(after.hash.bytes());
        s.execute(params_from_iter(cells.into_iter().chain([hash]).map(ToSqlOutput::Borrowed)))
    })
    .map_err(store)?;
    set_head(tx, &after)?;
    Ok(seq)
}

fn text(s: &str) -> ValueRef<'_> {
    ValueRef::Text(s.as_bytes())
}

fn optional(s: Option<&str>) -> ValueRef<'_> {
    s.map_or(ValueRef::Null, text)
}

/// As SQLite keeps it, so that what is hashed is what is read: it has no NaN. Adding 0 makes -0
/// to 0, which no reader tells apart.
fn real(x: Option<f64>) -> ValueRef<'static> {
    match x {
        Some(x) if !x.is_nan() => ValueRef::Real(x + 0.0),
        _ => ValueRef::Null,
    }
}

/// The end of the log as the next line needs it. Never an error because somebody tampered with
/// the file: alerts must go on, and [`verify`] tells of it.
pub(crate) fn head(db: &Connection) -> Result<Head, RegisterError> {
    let head = db
        .prepare_cached(
            "SELECT max(seq, (SELECT ifnull(max(seq), 0) FROM audit)), hash FROM audit_head",
        )
        .and_then(|mut s| s.query_row([], read_head).optional())
        .map_err(store)?
        .flatten();
    if let Some(head) = head {
        return Ok(head);
    }
    let last = db
        .prepare_cached("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1")
        .and_then(|mut s| {
            s.query_row([], |r| {
                let hash = Hash::read(r.get_ref(1)?).unwrap_or(Hash::NONE);
                Ok(Head { seq: r.get::<_, i64>(0)?.max(0).cast_unsigned(), hash })
            })
            .optional()
        })
        .map_err(store)?;
    Ok(last.unwrap_or(Head { seq: 0, hash: Hash::NONE }))
}

fn read_head(r: &rusqlite::Row<'_>) -> rusqlite::Result<Option<Head>> {
    let hash = Hash::read(r.get_ref(1)?);
    let seq = match r.get_ref(0)? {
        ValueRef::Integer(seq) => Some(seq.max(0).cast_unsigned()),
        _ => None,
    };
    Ok(seq.zip(hash).map(|(seq, hash)| Head { seq, hash }))
}

fn set_head(tx: &Transaction<'_>, head: &Head) -> Result<(), RegisterError> {
    tx.prepare_cached(
        "INSERT INTO audit_head VALUES (1, ?1, ?2)
         ON CONFLICT (one) DO UPDATE SET seq = ?1, hash = ?2",
    )
    .and_then(|mut s| s.execute(params![head.seq.cast_signed(), head.hash.bytes()]))
    .map_err(store)?;
    Ok(())
}

/// The tables' own part of a migration: makes the table of the head, and chains the lines of a
/// file of an earlier version, once. A line [`BEGINS`] after them says so; it has the time of the
/// last of them, because a migration knows no other. Nothing says what became of such lines
/// before that moment.
pub(crate) fn adopt(tx: &Transaction<'_>) -> Result<(), RegisterError> {
    tx.execute_batch(
        "CREATE TABLE IF NOT EXISTS audit_head (
           one INTEGER PRIMARY KEY CHECK (one = 1), seq INTEGER NOT NULL, hash BLOB NOT NULL)",
    )
    .map_err(store)?;
    let old: bool = tx
        .query_row(
            "SELECT EXISTS (SELECT 1 FROM audit)
                AND NOT EXISTS (SELECT 1 FROM audit_head)
                AND NOT EXISTS (SELECT 1 FROM audit WHERE hash IS NOT NULL)",
            [],
            |r| r.get(0),
        )
        .map_err(store)?;
    if !old {
        return Ok(());
    }
    let (adopted, last) = chain_all(tx)?;
    set_head(tx, &last)?;
    let at = tx
        .query_row("SELECT at FROM audit ORDER BY seq DESC LIMIT 1", [], |r| r.get(0))
        .map_err(store)?;
    append(
        tx,
        &AuditLine {
            alert: "",
            action: BEGINS,
            actor: "system",
            origin: None,
            at,
            severity: Severity::Info,
            value: None,
            limit: None,
            note: None,
            message: None,
            evidence: None,
            detail: Some(&format!("{{\"adopted\":{adopted}}}")),
        },
    )?;
    Ok(())
}

/// Gives every line its hash; returns how many there are, and the end.
fn chain_all(tx: &Transaction<'_>) -> Result<(u64, Head), RegisterError> {
    let select =
        format!("SELECT {} FROM audit WHERE seq > ?1 ORDER BY seq LIMIT 1", chain::COLUMNS);
    let mut select = tx.prepare(&select).map_err(store)?;
    let mut update = tx.prepare("UPDATE audit SET hash = ?2 WHERE seq = ?1").map_err(store)?;
    let (mut at, mut lines) = (i64::MIN, 0);
    let mut hash = Hash::NONE;
    loop {
        let next = select
            .query_row([at], |r| Ok((r.get::<_, i64>(0)?, chain::next(&hash, &verify::cells(r)?))))
            .optional()
            .map_err(store)?;
        let Some((seq, linked)) = next else { break };
        (at, hash, lines) = (seq, linked, lines + 1);
        update.execute(params![seq, hash.bytes()]).map_err(store)?;
    }
    Ok((lines, Head { seq: at.max(0).cast_unsigned(), hash }))
}
