//! The members of incidents as they are searched, and which alerts are held by what.

use ioc_model::{AlertId, AlertRow, Held, HeldBy, IncidentId, RegisterError, Timestamp};
use rusqlite::{OptionalExtension, Transaction, params};

use super::incident::{Incident, outage_of};
use crate::schema::{read_row, store};

pub(super) fn insert_member(
    tx: &Transaction<'_>,
    row: &AlertRow,
    incident: &IncidentId,
    outage: u8,
) -> Result<(), RegisterError> {
    let (open, worst) = (row.is_open(), row.severity_max as u8);
    tx.prepare_cached("INSERT OR REPLACE INTO member VALUES (?1, ?2, ?3, ?4, ?5, ?6)")
        .and_then(|mut s| {
            s.execute(params![row.id.0, incident.0, open, outage, worst, row.raised_at.0])
        })
        .map_err(store)?;
    Ok(())
}

pub(super) fn update_member(
    tx: &Transaction<'_>,
    row: &AlertRow,
    incident: &IncidentId,
) -> Result<(), RegisterError> {
    let (open, worst) = (row.is_open(), row.severity_max as u8);
    let known = tx
        .prepare_cached(
            "UPDATE member SET incident = ?2, open = ?3, severity = ?4 WHERE alert = ?1",
        )
        .and_then(|mut s| s.execute(params![row.id.0, incident.0, open, worst]))
        .map_err(store)?;
    if known == 0 {
        // A row of an earlier version that an operator puts into an incident.
        insert_member(tx, row, incident, 0)?;
    }
    Ok(())
}

/// First and last raise after some alerts left.
pub(super) fn times(tx: &Transaction<'_>, incident: &mut Incident) -> Result<(), RegisterError> {
    let (first, last) = tx
        .prepare_cached(
            "SELECT (SELECT min(raised_at) FROM member WHERE incident = ?1),
                    (SELECT max(raised_at) FROM member WHERE incident = ?1)",
        )
        .and_then(|mut s| s.query_row([&incident.row.id.0], |r| Ok((r.get(0)?, r.get(1)?))))
        .map_err(store)?;
    if let (Some(first), Some(last)) = (first, last) {
        (incident.row.opened_at, incident.row.last_at) = (Timestamp(first), Timestamp(last));
    }
    Ok(())
}

/// The alert to look at first: an open one before the others, then the outage of the parent, then
/// the worst, then the first.
pub(super) fn root(tx: &Transaction<'_>, incident: &mut Incident) -> Result<(), RegisterError> {
    let best: Option<String> = tx
        .prepare_cached(
            "SELECT alert FROM member WHERE incident = ?1
             ORDER BY open DESC, outage DESC, severity DESC, raised_at, alert LIMIT 1",
        )
        .and_then(|mut s| s.query_row([&incident.row.id.0], |r| r.get(0)).optional())
        .map_err(store)?;
    let Some(best) = best else { return Ok(()) };
    if best == incident.row.root.0 {
        return Ok(());
    }
    if let Some(row) = read_row(tx, &best)? {
        incident.row.root = AlertId(best);
        incident.row.area = row.area;
        incident.row.service = row.service;
        incident.row.cause = row.cause;
        incident.row.name = row.name;
    }
    Ok(())
}

/// Which alerts a window or an outage holds, for the moment when it ends.
pub(super) fn index_held(
    tx: &Transaction<'_>,
    before: Option<&AlertRow>,
    after: &AlertRow,
) -> Result<(), RegisterError> {
    let old = before.map_or(&[][..], |b| &b.held);
    let only_in = |a: &[Held], b: &[Held], sql| -> Result<(), RegisterError> {
        for held in a.iter().filter(|h| h.by != HeldBy::Shelf && !b.iter().any(|o| o.id == h.id)) {
            tx.prepare_cached(sql)
                .and_then(|mut s| s.execute(params![held.id, after.id.0]))
                .map_err(store)?;
        }
        Ok(())
    };
    only_in(old, &after.held, "DELETE FROM held WHERE hold = ?1 AND alert = ?2")?;
    only_in(&after.held, old, "INSERT OR IGNORE INTO held VALUES (?1, ?2)")
}

/// Which devices are out.
pub(super) fn index_outage(
    tx: &Transaction<'_>,
    before: Option<&AlertRow>,
    after: &AlertRow,
) -> Result<(), RegisterError> {
    let sql = match (before.and_then(outage_of), outage_of(after)) {
        (None, Some(_)) => "INSERT OR IGNORE INTO outage VALUES (?1, ?2)",
        (Some(_), None) => "DELETE FROM outage WHERE device = ?1 AND alert = ?2",
        _ => return Ok(()),
    };
    let device = before.and_then(outage_of).or(outage_of(after));
    tx.prepare_cached(sql)
        .and_then(|mut s| s.execute(params![device.map(|d| &**d), after.id.0]))
        .map_err(store)?;
    Ok(())
}
