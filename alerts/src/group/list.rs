//! Reading incidents.

use ioc_model::{
    AlertRow, IncidentFilter, IncidentId, IncidentRow, RegisterError, Scope, Severity,
};
use rusqlite::{Connection, types::Value};

use super::incident::Incident;
use crate::schema::{parse, store};

/// Most incidents, or alerts of one, that a call returns.
const MAX_ROWS: usize = 1_000;

/// Incidents that fit and have alerts, the newest first, with a cursor for the next page.
///
/// # Errors
/// [`RegisterError::Bad`] for a cursor that this function did not give.
pub(crate) fn list(
    db: &Connection,
    filter: &IncidentFilter,
) -> Result<(Vec<IncidentRow>, Option<String>), RegisterError> {
    let limit = filter.limit.clamp(1, MAX_ROWS);
    let (sql, values) = select(filter, limit + 1)?;
    let mut statement = db.prepare_cached(&sql).map_err(store)?;
    let texts: Vec<String> = statement
        .query_map(rusqlite::params_from_iter(values), |r| r.get(0))
        .and_then(Iterator::collect)
        .map_err(store)?;
    let row = |text: &String| parse::<Incident>(text).map(|incident| incident.row);
    let mut rows = texts.iter().map(row).collect::<Result<Vec<_>, _>>()?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(|r| format!("{}.{}", r.opened_at.0, r.id));
    Ok((rows, next))
}

/// Only the shape of the filter reaches the text of the query; what users wrote is bound.
fn select(f: &IncidentFilter, limit: usize) -> Result<(String, Vec<Value>), RegisterError> {
    let severe = f.min_severity >= Some(Severity::Critical);
    let mut sql = format!(
        "SELECT state FROM incident INDEXED BY {}",
        match f {
            // Open ones are few: no other index is better, whatever else is asked.
            _ if f.open_only => "incident_open WHERE open > 0",
            // So are severe ones.
            _ if severe => "incident_severe WHERE alerts > 0 AND severity >= 4",
            _ if f.area.is_some() => "incident_area WHERE alerts > 0",
            _ if f.service.is_some() => "incident_service WHERE alerts > 0",
            _ => "incident_time WHERE alerts > 0",
        }
    );
    let mut values: Vec<Value> = Vec::new();
    if let Some((condition, texts)) = f.scope.condition("area", "service") {
        sql.push_str(" AND ");
        sql.push_str(&condition);
        values.extend(texts.into_iter().map(Value::from));
    }
    let mut and = |condition: &str, value: Value| {
        sql.push_str(" AND ");
        sql.push_str(condition);
        values.push(value);
    };
    for (condition, wanted) in [("area = ?", &f.area), ("service = ?", &f.service)] {
        if let Some(wanted) = wanted {
            and(condition, wanted.clone().into());
        }
    }
    if let Some(severity) = f.min_severity {
        and("severity >= ?", (severity as i64).into());
    }
    for (condition, time) in [("opened_at >= ?", f.from), ("opened_at < ?", f.to)] {
        if let Some(time) = time {
            and(condition, time.0.into());
        }
    }
    if let Some(cursor) = &f.cursor {
        let bad = || RegisterError::Bad("this is no cursor of a list of incidents".into());
        let (time, id) = cursor.split_once('.').ok_or_else(bad)?;
        and("(opened_at, id) < (?, ", time.parse::<i64>().map_err(|_| bad())?.into());
        sql.push_str("?)");
        values.push(id.to_owned().into());
    }
    sql.push_str(" ORDER BY opened_at DESC, id DESC LIMIT ?");
    values.push((limit as i64).into());
    Ok((sql, values))
}

/// One incident and its alerts, at most `limit`: the root first, then open ones before the others
/// and the worst first.
///
/// # Errors
/// [`RegisterError::NoIncident`].
pub(crate) fn get(
    db: &Connection,
    id: &IncidentId,
    scope: &Scope,
    limit: usize,
) -> Result<(IncidentRow, Vec<AlertRow>), RegisterError> {
    // One snapshot for both.
    let tx = db.unchecked_transaction().map_err(store)?;
    let incident = Incident::load(&tx, id)?.filter(|i| scope.allows(&i.row.area, &i.row.service));
    let incident = incident.ok_or_else(|| RegisterError::NoIncident(id.clone()))?;
    let (inside, texts) = scope.condition("a.area", "a.service").unwrap_or(("1".into(), vec![]));
    let mut values: Vec<Value> = vec![id.0.clone().into()];
    values.extend(texts.into_iter().map(Value::from));
    values.push((limit.clamp(1, MAX_ROWS) as i64).into());
    let texts: Vec<String> = tx
        .prepare_cached(&format!(
            "SELECT a.row FROM member m CROSS JOIN alert a ON a.id = m.alert
             WHERE m.incident = ? AND {inside}
             ORDER BY m.open DESC, m.outage DESC, m.severity DESC, m.raised_at, m.alert LIMIT ?",
        ))
        .and_then(|mut s| s.query_map(rusqlite::params_from_iter(values), |r| r.get(0))?.collect())
        .map_err(store)?;
    let rows = texts.iter().map(|t| parse(t)).collect::<Result<Vec<_>, _>>()?;
    Ok((incident.row, rows))
}
