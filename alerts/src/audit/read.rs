//! The log for those who read it from outside of the centre.

use std::path::Path;

use ioc_model::{AlertId, AuditRow, RegisterError, Severity, Timestamp};
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, Row, params_from_iter};

use super::chain;
use crate::schema::{self, store};

/// Which lines.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// Only about the alert with this id, or whose id begins so.
    pub alert: Option<String>,
    /// Only by this actor.
    pub actor: Option<String>,
    /// At or after.
    pub from: Option<Timestamp>,
    /// Before.
    pub to: Option<Timestamp>,
}

/// The log for reading only, while the centre may be writing to it.
pub struct AuditLog(Connection);

impl AuditLog {
    /// Opens the register at `path`; one of an earlier version is read as it is.
    ///
    /// # Errors
    /// When there is no such file or it is not a register.
    pub fn open(path: &Path) -> Result<Self, RegisterError> {
        schema::open_for_reading(path).map(|(db, _)| Self(db))
    }

    /// The newest `limit` lines that fit, oldest first.
    ///
    /// # Errors
    /// The store's own trouble.
    pub fn newest(
        &self,
        filter: &AuditFilter,
        limit: usize,
    ) -> Result<Vec<AuditRow>, RegisterError> {
        let mut lines = Vec::new();
        self.each(filter, &format!("ORDER BY seq DESC LIMIT {limit}"), &mut |line| {
            lines.push(line);
            true
        })?;
        lines.reverse();
        Ok(lines)
    }

    /// Gives every line that fits to `to`, oldest first, until that says `false`. All lines are
    /// of one moment.
    ///
    /// # Errors
    /// The store's own trouble.
    pub fn all(
        &self,
        filter: &AuditFilter,
        to: &mut dyn FnMut(AuditRow) -> bool,
    ) -> Result<(), RegisterError> {
        self.each(filter, "ORDER BY seq", to)
    }

    /// The line with that number.
    ///
    /// # Errors
    /// The store's own trouble.
    pub fn line(&self, seq: u64) -> Result<Option<AuditRow>, RegisterError> {
        let mut found = None;
        let order = format!("AND seq = {seq}");
        self.each(&AuditFilter::default(), &order, &mut |line| {
            found = Some(line);
            false
        })?;
        Ok(found)
    }

    fn each(
        &self,
        f: &AuditFilter,
        order: &str,
        to: &mut dyn FnMut(AuditRow) -> bool,
    ) -> Result<(), RegisterError> {
        let mut sql = format!("SELECT {} FROM audit WHERE 1", chain::COLUMNS);
        let mut values: Vec<Value> = Vec::new();
        let mut and = |condition: &str, value: Value| {
            sql.push_str(condition);
            values.push(value);
        };
        if let Some(alert) = &f.alert {
            // Ids are hex digits, so `g` ends every range.
            and(" AND alert >= ?", alert.clone().into());
            and(" AND alert < ?", format!("{alert}g").into());
        }
        if let Some(actor) = &f.actor {
            and(" AND actor = ?", actor.clone().into());
        }
        if let Some(from) = f.from {
            and(" AND at >= ?", from.0.into());
        }
        if let Some(to) = f.to {
            and(" AND at < ?", to.0.into());
        }
        let mut select = self.0.prepare(&format!("{sql} {order}")).map_err(store)?;
        let mut rows = select.query(params_from_iter(values)).map_err(store)?;
        while let Some(row) = rows.next().map_err(store)? {
            if !to(line(row).map_err(store)?) {
                break;
            }
        }
        Ok(())
    }
}

/// A line as it stands, also one that somebody tampered with: what is not what it should be
/// shows as empty, a severity as the highest.
fn line(r: &Row<'_>) -> rusqlite::Result<AuditRow> {
    let text = |i| -> rusqlite::Result<Option<String>> {
        Ok(match r.get_ref(i)? {
            ValueRef::Text(t) | ValueRef::Blob(t) => Some(String::from_utf8_lossy(t).into_owned()),
            _ => None,
        })
    };
    let integer = |i| -> rusqlite::Result<Option<i64>> {
        Ok(match r.get_ref(i)? {
            ValueRef::Integer(n) => Some(n),
            _ => None,
        })
    };
    let real = |i| -> rusqlite::Result<Option<f64>> {
        Ok(match r.get_ref(i)? {
            ValueRef::Real(x) => Some(x),
            ValueRef::Integer(n) => Some(n as f64),
            _ => None,
        })
    };
    let severity = integer(5)?.and_then(|n| Severity::from_u8(u8::try_from(n).ok()?));
    Ok(AuditRow {
        seq: integer(0)?.unwrap_or(0).cast_unsigned(),
        alert: AlertId(text(1)?.unwrap_or_default()),
        action: text(2)?.unwrap_or_default(),
        actor: text(3)?.unwrap_or_default(),
        at: Timestamp(integer(4)?.unwrap_or(0)),
        severity: severity.unwrap_or(Severity::Emergency),
        value: real(6)?,
        limit: real(8)?,
        note: text(7)?,
        message: text(9)?.and_then(|t| serde_json::from_str(&t).ok()),
        evidence: text(10)?.and_then(|t| serde_json::from_str(&t).ok()),
        origin: text(11)?,
        detail: text(12)?,
    })
}
