//! Reading what one shift hands to the next.

use ioc_model::{AlertRow, Handover, IncidentRow, RegisterError, Timestamp};
use rusqlite::{Connection, params};

use super::store::{MOST_LINES, entries, shifts};
use crate::schema::{parse, store};

/// Longest time of a report, ms.
const LONGEST_MS: i64 = 31 * 86_400_000;
/// Most alerts of one list.
const MOST_ALERTS: usize = 500;
/// Most incidents.
const MOST_INCIDENTS: usize = 200;

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
        count(&tx, &format!("WHERE open = 1 AND NOT {HELD}"), [])?,
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
        open: alerts(&tx, &format!("NOT {HELD}"))?,
        open_total,
        held: alerts(&tx, HELD)?,
        incidents: incidents(&tx)?,
        raised,
        closed,
        ack_p50_s: ack_p50_s(&tx, from, to)?,
    })
}

/// Held back now. The row leaves `held` out when nothing does.
const HELD: &str = "(json_extract(row, '$.held[0]') IS NOT NULL)";

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

/// Open ones, worst first, then oldest first: what waits longest stands before what is new.
fn alerts(db: &Connection, which: &str) -> Result<Vec<AlertRow>, RegisterError> {
    let sql = format!(
        "SELECT row FROM alert WHERE open = 1 AND {which}
         ORDER BY severity DESC, raised_at, id LIMIT {MOST_ALERTS}"
    );
    let texts: Vec<String> = db
        .prepare_cached(&sql)
        .and_then(|mut s| s.query_map([], |r| r.get(0))?.collect())
        .map_err(store)?;
    texts.iter().map(|text| parse(text)).collect()
}

fn incidents(db: &Connection) -> Result<Vec<IncidentRow>, RegisterError> {
    let _ = (db, MOST_INCIDENTS);
    Ok(Vec::new())
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
