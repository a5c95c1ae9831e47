//! Reading what one shift hands to the next.

use ioc_model::{AlertRow, Handover, IncidentRow, RegisterError, Timestamp};
use rusqlite::{Connection, params};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::store::{MOST_LINES, entries, shifts};
use crate::schema::{parse, store};

/// Longest time of a report, ms.
const LONGEST_MS: i64 = 31 * 86_400_000;
/// Most alerts of one list.
const MOST_ALERTS: i64 = 500;
/// Most incidents.
const MOST_INCIDENTS: i64 = 200;

/// The report, from one snapshot.
pub(super) fn read(
    db: &Connection,
    from: Timestamp,
    to: Timestamp,
) -> Result<Handover, RegisterError> {
    if to <= from {
        return Err(RegisterError::Bad("`to` is not after `from`".into()));
    }
    if to.since_ms(from) > LONGEST_MS {
        return Err(RegisterError::Bad("the time is longer than 31 days".into()));
    }
    let tx = db.unchecked_transaction().map_err(store)?;
    let times = [from.0, to.0];
    let mut log = entries(
        &tx,
        &format!("WHERE at >= ?1 AND at < ?2 ORDER BY at DESC, id DESC LIMIT {MOST_LINES}"),
        times,
    )?;
    log.reverse();
    let (open_total, raised, closed) = (
        count(&tx, "WHERE open = 1 AND held = 0", [])?,
        count(&tx, "WHERE raised_at >= ?1 AND raised_at < ?2", times)?,
        count(&tx, "WHERE open = 0 AND closed_at >= ?1 AND closed_at < ?2", times)?,
    );
    Ok(Handover {
        from,
        to,
        shifts: shifts(
            &tx,
            "WHERE began < ?2 AND (until IS NULL OR until > ?1) ORDER BY began, id LIMIT 1000",
            times,
        )?,
        entries: log,
        to_do: entries(&tx, &format!("WHERE open = 1 ORDER BY id LIMIT {MOST_LINES}"), [])?,
        open: alerts(&tx, false)?,
        open_total,
        held: alerts(&tx, true)?,
        incidents: incidents(&tx)?,
        raised,
        closed,
        ack_p50_s: ack_p50_s(&tx, from, to)?,
    })
}

fn count(
    db: &Connection,
    which: &str,
    values: impl rusqlite::Params,
) -> Result<u64, RegisterError> {
    let n: i64 = db
        .prepare_cached(&format!("SELECT count(*) FROM alert {which}"))
        .and_then(|mut s| s.query_row(values, |r| r.get(0)))
        .map_err(store)?;
    Ok(n.cast_unsigned())
}

/// Open ones, worst first, then oldest first: what waits longest stands before what is new. They
/// are sorted without their rows, which are long.
fn alerts(db: &Connection, held: bool) -> Result<Vec<AlertRow>, RegisterError> {
    read_json(
        db,
        "SELECT row FROM alert JOIN (
           SELECT rowid AS r, severity AS s, raised_at AS t, id AS i FROM alert
           WHERE open = 1 AND held = ?1 ORDER BY s DESC, t, i LIMIT ?2) ON alert.rowid = r
         ORDER BY s DESC, t, i",
        [i64::from(held), MOST_ALERTS],
    )
}

/// An incident as the register keeps it, as far as it is shown.
#[derive(Deserialize)]
struct Kept {
    row: IncidentRow,
}

/// Worst first, then oldest first.
fn incidents(db: &Connection) -> Result<Vec<IncidentRow>, RegisterError> {
    let kept: Vec<Kept> = read_json(
        db,
        "SELECT state FROM incident WHERE open > 0
         ORDER BY severity DESC, opened_at, id LIMIT ?1",
        [MOST_INCIDENTS],
    )?;
    Ok(kept.into_iter().map(|kept| kept.row).collect())
}

fn read_json<T: DeserializeOwned>(
    db: &Connection,
    sql: &str,
    values: impl rusqlite::Params,
) -> Result<Vec<T>, RegisterError> {
    let texts: Vec<String> = db
        .prepare_cached(sql)
        .and_then(|mut s| s.query_map(values, |r| r.get(0))?.collect())
        .map_err(store)?;
    texts.iter().map(|text| parse(text)).collect()
}

/// Of the alerts raised in the time and acknowledged since.
fn ack_p50_s(
    db: &Connection,
    from: Timestamp,
    to: Timestamp,
) -> Result<Option<f64>, RegisterError> {
    let mut ms: Vec<i64> = db
        .prepare_cached(
            "SELECT max(acked_at - raised_at, 0) FROM alert
             WHERE raised_at >= ?1 AND raised_at < ?2 AND acked_at IS NOT NULL",
        )
        .and_then(|mut s| s.query_map(params![from.0, to.0], |r| r.get(0))?.collect())
        .map_err(store)?;
    ms.sort_unstable();
    Ok(ms.get(ms.len().div_ceil(2).saturating_sub(1)).map(|ms| *ms as f64 / 1000.0))
}
