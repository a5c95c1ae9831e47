//! Reading incidents.

use ioc_model::{
    AlertRow, IncidentFilter, IncidentId, IncidentRow, RegisterError, Scope, Severity,
};
use rusqlite::{Connection, types::Value};

use super::incident::Incident;
use crate::query::strand::{Strand, asked, strands};
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
    if asked(&filter.scope, (&filter.area, &filter.service)).is_nothing() {
        return Ok((Vec::new(), None));
    }
    let limit = filter.limit.clamp(1, MAX_ROWS);
    let (sql, values) = select(filter, limit + 1)?;
    // One snapshot for the incidents and the alerts that are counted.
    let tx = db.unchecked_transaction().map_err(store)?;
    let mut statement = tx.prepare_cached(&sql).map_err(store)?;
    let texts: Vec<String> = statement
        .query_map(rusqlite::params_from_iter(values), |r| r.get(0))
        .and_then(Iterator::collect)
        .map_err(store)?;
    let row = |text: &String| parse::<Incident>(text).map(|incident| incident.row);
    let mut rows = texts.iter().map(row).collect::<Result<Vec<_>, _>>()?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    rows = rows.into_iter().map(|r| recount(&tx, &filter.scope, r)).collect::<Result<_, _>>()?;
    let next = rows.last().filter(|_| more).map(|r| format!("{}.{}", r.opened_at.0, r.id));
    Ok((rows, next))
}

/// Only the shape of the filter reaches the text of the query; what users wrote is bound. Of a
/// scope each ward is read by its own index, as in lists of alerts.
fn select(f: &IncidentFilter, limit: usize) -> Result<(String, Vec<Value>), RegisterError> {
    let scope = asked(&f.scope, (&f.area, &f.service));
    let severe = f.min_severity >= Some(Severity::Critical);
    let found = match f.open_only || severe || scope.is_city() {
        true => None,
        false => strands(&scope).filter(|all| all.iter().all(Strand::is_area)),
    };
    let mut values: Vec<Value> = Vec::new();
    let mut sql = match found {
        Some(strands) => {
            let mut each = Vec::new();
            for strand in strands {
                let index = "incident_area WHERE alerts > 0";
                each.push(part(f, (index, Some(strand.condition())), &mut values)?);
            }
            each.join(" UNION ALL ")
        }
        None => {
            let index = match f {
                // Open ones are few: no other index is better, whatever else is asked.
                _ if f.open_only => "incident_open WHERE open > 0",
                // So are severe ones.
                _ if severe => "incident_severe WHERE alerts > 0 AND severity >= 4",
                _ if f.area.is_some() => "incident_area WHERE alerts > 0",
                _ if f.service.is_some() => "incident_service WHERE alerts > 0",
                _ => "incident_time WHERE alerts > 0",
            };
            part(f, (index, scope.condition("area", "service")), &mut values)?
        }
    };
    sql.push_str(" ORDER BY opened_at DESC, id DESC LIMIT ?");
    values.push((limit as i64).into());
    Ok((sql, values))
}

/// The incidents of a filter that an index and a part of the scope give, without their order.
fn part(
    f: &IncidentFilter,
    (index, scope): (&str, Option<(String, Vec<String>)>),
    values: &mut Vec<Value>,
) -> Result<String, RegisterError> {
    let mut sql = format!("SELECT state, opened_at, id FROM incident INDEXED BY {index}");
    if let Some((condition, texts)) = scope {
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
    Ok(sql)
}

/// Counts only the alerts that who asks may see. (The incident's severity and times stay those of
/// the whole: they say how bad it is.)
fn recount(
    db: &Connection,
    scope: &Scope,
    mut row: IncidentRow,
) -> Result<IncidentRow, RegisterError> {
    let Some((inside, texts)) = scope.condition("area", "service") else { return Ok(row) };
    // Its root is inside, or it would not be told of.
    if row.alerts <= 1 {
        return Ok(row);
    }
    let mut values: Vec<Value> = vec![row.id.0.clone().into()];
    values.extend(texts.into_iter().map(Value::from));
    (row.alerts, row.open, row.unacknowledged) = db
        .prepare_cached(&format!(
            "SELECT count(*), ifnull(sum(open), 0),
                    ifnull(sum(open = 1 AND held = 0 AND acknowledged = 0), 0)
             FROM alert INDEXED BY alert_incident WHERE incident = ? AND {inside}"
        ))
        .and_then(|mut s| {
            s.query_row(rusqlite::params_from_iter(values), |r| {
                Ok((r.get(0)?, r.get(1)?, r.get(2)?))
            })
        })
        .map_err(store)?;
    Ok(row)
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
    Ok((recount(&tx, scope, incident.row)?, rows))
}
