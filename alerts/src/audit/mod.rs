//! The audit log: every change of every alert, and who made it.

use ioc_model::{Evidence, RegisterError, Severity, Text};
use rusqlite::{Transaction, params};

use crate::schema::store;

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

/// Writes the next line; returns its number.
pub(crate) fn append(tx: &Transaction<'_>, line: &AuditLine<'_>) -> Result<u64, RegisterError> {
    let message = line.message.map(serde_json::to_string).transpose().map_err(store)?;
    let evidence = line.evidence.map(serde_json::to_string).transpose().map_err(store)?;
    tx.prepare_cached(
        "INSERT INTO audit
           (alert, action, actor, at, severity, value, note, lim, message, evidence, origin, detail)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    )
    .and_then(|mut s| {
        s.execute(params![
            line.alert,
            line.action,
            line.actor,
            line.at,
            line.severity as u8,
            line.value,
            line.note,
            line.limit,
            message,
            evidence,
            line.origin,
            line.detail,
        ])
    })
    .map_err(store)?;
    Ok(tx.last_insert_rowid().cast_unsigned())
}
