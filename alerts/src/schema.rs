//! Tables, and how a row is written and read.

mod tables;
mod versions;

use ioc_model::{AlertRow, Condition, RegisterError, Severity, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params, types::Value};
use serde::de::DeserializeOwned;

pub(crate) use tables::{open, open_reader};
pub(crate) use versions::{Age, open_for_reading, take_over};

pub(crate) const CURSOR: &str = "cursor";
const CHANGE: &str = "change";

pub(crate) fn store<E: std::error::Error + Send + Sync + 'static>(e: E) -> RegisterError {
    RegisterError::Store(Box::new(e))
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

pub(crate) fn set_newest_change(db: &Connection, change: u64) -> Result<(), RegisterError> {
    if newest_change(db)? == change {
        return Ok(());
    }
    set_meta(db, CHANGE, change)
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

/// First acknowledgement of the episode; taking an acknowledgement back takes this back too.
pub(crate) fn set_acked_at(
    db: &Connection,
    id: &str,
    at: Option<i64>,
) -> Result<(), RegisterError> {
    db.prepare_cached("UPDATE alert SET acked_at = ?2 WHERE id = ?1 AND acked_at IS NOT ?2")
        .and_then(|mut s| s.execute(params![id, at]))
        .map_err(store)?;
    Ok(())
}

pub(crate) fn set_due(
    db: &Connection,
    id: &str,
    due: Option<Timestamp>,
) -> Result<(), RegisterError> {
    db.prepare_cached("UPDATE alert SET due_at = ?2 WHERE id = ?1")
        .and_then(|mut s| s.execute(params![id, due.map(|t| t.0)]))
        .map_err(store)?;
    Ok(())
}

/// Alerts with something due at `now`, first first, at most `limit`.
pub(crate) fn due(
    db: &Connection,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<AlertRow>, RegisterError> {
    db.prepare_cached("SELECT row FROM alert WHERE due_at <= ?1 ORDER BY due_at LIMIT ?2")
        .and_then(|mut s| {
            s.query_map(params![now.0, limit as i64], |r| r.get::<_, String>(0))?
                .collect::<Result<Vec<_>, _>>()
        })
        .map_err(store)?
        .iter()
        .map(|t| parse(t))
        .collect()
}

/// Who changed an alert last, and when; without `any`, remarks and moves between incidents do not
/// count.
pub(crate) fn last_line(
    db: &Connection,
    id: &str,
    any: bool,
) -> Result<Option<(String, Timestamp)>, RegisterError> {
    db.prepare_cached(
        "SELECT actor, at FROM audit WHERE alert = ?1
           AND (?2 OR action NOT IN ('comment', 'link', 'merge', 'split'))
         ORDER BY seq DESC LIMIT 1",
    )
    .and_then(|mut s| {
        s.query_row(params![id, any], |r| Ok((r.get(0)?, Timestamp(r.get(1)?)))).optional()
    })
    .map_err(store)
}

/// Columns that change, in a fixed order. What they hold stands in the row's JSON too; they are
/// there to be searched by, and for the figures of the alarm system.
type Columns = [(&'static str, Value); 16];

fn columns(row: &AlertRow) -> Columns {
    let time = |at: Option<Timestamp>| at.map_or(Value::Null, |t| t.0.into());
    let text = |text: Option<&str>| text.map_or(Value::Null, |t| t.to_owned().into());
    [
        ("change", row.change.cast_signed().into()),
        ("open", row.is_open().into()),
        ("severity", i64::from(row.severity as u8).into()),
        ("severity_max", i64::from(row.severity_max as u8).into()),
        ("condition", condition(row.condition).to_owned().into()),
        ("acknowledged", row.acknowledged.into()),
        ("work", row.work.as_str().to_owned().into()),
        ("held", (!row.held.is_empty()).into()),
        ("overdue", row.overdue.into()),
        ("incident", text(row.incident.as_ref().map(|i| &*i.0))),
        ("assignee", text(row.assignee.as_ref().map(|a| &*a.name))),
        ("cleared_at", time(row.cleared_at)),
        ("resolved_at", time(row.resolved_at)),
        ("closed_at", time(row.closed_at)),
        // Last two: see `write_row`.
        ("acked_at", time(row.acknowledged_at)),
        ("row", Value::Null),
    ]
}

fn condition(condition: Condition) -> &'static str {
    match condition {
        Condition::Active => "active",
        Condition::Returned => "returned",
    }
}

/// Writes a row whose numbers and state are set. `before` is the row that stands there; only
/// columns that differ are written, so that only their indexes are touched.
pub(crate) fn write_row(
    tx: &Transaction<'_>,
    before: Option<&AlertRow>,
    row: &AlertRow,
    due: Option<Timestamp>,
) -> Result<(), RegisterError> {
    let mut columns = columns(row);
    let [.., last] = &mut columns;
    last.1 = serde_json::to_string(row).map_err(store)?.into();
    let due = due.map_or(Value::Null, |t| t.0.into());
    match before {
        None => insert(tx, row, columns, due),
        Some(before) => update(tx, before, (row, columns), due),
    }
}

fn insert(
    tx: &Transaction<'_>,
    row: &AlertRow,
    columns: Columns,
    due: Value,
) -> Result<(), RegisterError> {
    let held = (!row.held.is_empty()).into();
    let device = row.device.as_deref().map_or(Value::Null, |d| d.to_owned().into());
    let all = [
        ("id", row.id.0.clone().into()),
        ("raised_at", row.raised_at.0.into()),
        ("service", row.service.to_string().into()),
        ("area", row.area.to_string().into()),
        ("device", device),
        ("rule", row.rule.to_string().into()),
        ("held_at_raise", held),
        ("due_at", due),
    ]
    .into_iter()
    .chain(columns);
    let (names, values): (Vec<_>, Vec<_>) = all.unzip();
    let marks = vec!["?"; names.len()].join(", ");
    let sql = format!("INSERT INTO alert ({}) VALUES ({marks})", names.join(", "));
    tx.prepare_cached(&sql)
        .and_then(|mut s| s.execute(rusqlite::params_from_iter(values)))
        .map_err(store)?;
    Ok(())
}

fn update(
    tx: &Transaction<'_>,
    before: &AlertRow,
    (row, after): (&AlertRow, Columns),
    due: Value,
) -> Result<(), RegisterError> {
    let mut sql = String::from("UPDATE alert SET due_at = ?");
    let mut values = vec![due];
    for ((name, new), (_, old)) in after.into_iter().zip(columns(before)) {
        if new == old {
            continue;
        }
        match name {
            // The first acknowledgement of the episode stays, whatever comes later.
            "acked_at" => sql.push_str(", acked_at = coalesce(acked_at, ?)"),
            _ => {
                sql.push_str(", ");
                sql.push_str(name);
                sql.push_str(" = ?");
            }
        }
        values.push(new);
    }
    sql.push_str(" WHERE id = ?");
    values.push(row.id.0.clone().into());
    tx.prepare_cached(&sql)
        .and_then(|mut s| s.execute(rusqlite::params_from_iter(values)))
        .map_err(store)?;
    Ok(())
}

/// Writes all columns of a row anew; its numbers stay.
fn rewrite(
    tx: &Transaction<'_>,
    row: &AlertRow,
    due: Option<Timestamp>,
) -> Result<(), RegisterError> {
    let text = serde_json::to_string(row).map_err(store)?;
    let all = [("rule", row.rule.to_string().into()), ("due_at", due.map(|t| t.0).into())]
        .into_iter()
        .chain(columns(row).map(|(name, value)| match name {
            "row" => (name, text.clone().into()),
            _ => (name, value),
        }));
    let (names, mut values): (Vec<_>, Vec<Value>) = all.unzip();
    values.push(row.id.0.clone().into());
    let sql = format!("UPDATE alert SET {} = ? WHERE id = ?", names.join(" = ?, "));
    tx.prepare_cached(&sql)
        .and_then(|mut s| s.execute(rusqlite::params_from_iter(values)))
        .map_err(store)?;
    Ok(())
}

/// A severity column; an unknown number (a damaged row) shows as the highest.
pub(crate) fn severity(r: &Row<'_>, column: usize) -> rusqlite::Result<Severity> {
    Ok(Severity::from_u8(r.get(column)?).unwrap_or(Severity::Emergency))
}
