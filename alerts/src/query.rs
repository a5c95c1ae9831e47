//! Reading the register.

use ioc_model::{AlertFilter, AlertId, AlertRow, AuditRow, RegisterError, Timestamp};
use rusqlite::{Connection, types::Value};

use crate::schema::{newest_change, parse, severity, store};

/// Most rows one call returns.
const MAX_ROWS: usize = 10_000;

pub(crate) fn list(
    db: &Connection,
    f: &AlertFilter,
) -> Result<(Vec<AlertRow>, u64), RegisterError> {
    // One snapshot for the rows and the number.
    let tx = db.unchecked_transaction().map_err(store)?;
    let newest = newest_change(&tx)?;
    let (sql, values) = select(f);
    let mut statement = tx.prepare_cached(&sql).map_err(store)?;
    let texts = statement
        .query_map(rusqlite::params_from_iter(values), |r| r.get::<_, String>(0))
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(store)?;
    let rows = texts.iter().map(|t| parse(t)).collect::<Result<Vec<_>, _>>()?;
    Ok((rows, newest))
}

/// Only the shape of the filter reaches the text of the query; what users wrote is bound.
fn select(f: &AlertFilter) -> (String, Vec<Value>) {
    let mut sql = String::from("SELECT row FROM alert WHERE 1");
    let mut values: Vec<Value> = Vec::new();
    let mut and = |condition: &str, value: Value| {
        sql.push_str(" AND ");
        sql.push_str(condition);
        values.push(value);
    };
    if f.open_only {
        and("open = ?", 1.into());
    }
    for (column, wanted) in [("service", &f.service), ("area", &f.area), ("device", &f.device)] {
        if let Some(wanted) = wanted {
            and(&format!("{column} = ?"), wanted.clone().into());
        }
    }
    if let Some(severity) = f.min_severity {
        and("severity >= ?", (severity as i64).into());
    }
    if let Some(change) = f.after_change {
        and("change > ?", change.cast_signed().into());
    }
    if let Some((time, id)) = &f.before {
        and("(raised_at, id) < (?, ", time.0.into());
        sql.push_str("?)");
        values.push(id.clone().into());
    }
    sql.push_str(match f.after_change {
        Some(_) => " ORDER BY change",
        None => " ORDER BY raised_at DESC, id DESC",
    });
    sql.push_str(" LIMIT ?");
    values.push((f.limit.clamp(1, MAX_ROWS) as i64).into());
    (sql, values)
}

pub(crate) fn audit(db: &Connection, id: &AlertId) -> Result<Vec<AuditRow>, RegisterError> {
    let mut statement = db
        .prepare_cached(
            "SELECT seq, action, actor, at, severity, value, note, lim, message, evidence,
                    origin, detail
             FROM audit WHERE alert = ?1 ORDER BY seq",
        )
        .map_err(store)?;
    let mut rows = statement.query([&id.0]).map_err(store)?;
    let mut audit = Vec::new();
    while let Some(r) = rows.next().map_err(store)? {
        audit.push(line(id, r)?);
    }
    Ok(audit)
}

fn line(id: &AlertId, r: &rusqlite::Row<'_>) -> Result<AuditRow, RegisterError> {
    let (message, evidence) = (
        r.get::<_, Option<String>>(8).map_err(store)?,
        r.get::<_, Option<String>>(9).map_err(store)?,
    );
    Ok(AuditRow {
        seq: r.get::<_, i64>(0).map_err(store)?.cast_unsigned(),
        alert: id.clone(),
        action: r.get(1).map_err(store)?,
        actor: r.get(2).map_err(store)?,
        at: Timestamp(r.get(3).map_err(store)?),
        severity: severity(r, 4).map_err(store)?,
        value: r.get(5).map_err(store)?,
        note: r.get(6).map_err(store)?,
        limit: r.get(7).map_err(store)?,
        message: message.map(|t| parse(&t)).transpose()?,
        evidence: evidence.map(|t| parse(&t)).transpose()?,
        origin: r.get(10).map_err(store)?,
        detail: r.get(11).map_err(store)?,
    })
}

/// Alerts whose id begins with `prefix`, at most `most`.
pub(crate) fn begins_with(
    db: &Connection,
    prefix: &str,
    most: usize,
) -> Result<Vec<AlertRow>, RegisterError> {
    // Ids are hex digits, so `g` ends every range.
    db.prepare_cached("SELECT row FROM alert WHERE id >= ?1 AND id < ?2 ORDER BY id LIMIT ?3")
        .and_then(|mut s| {
            s.query_map(rusqlite::params![prefix, format!("{prefix}g"), most as i64], |r| {
                r.get::<_, String>(0)
            })?
            .collect::<Result<Vec<_>, _>>()
        })
        .map_err(store)?
        .iter()
        .map(|t| parse(t))
        .collect()
}
