//! Deliveries: what is to be sent next, what came of it, and the log that people read.

use ioc_model::{
    AlertId, DeliveryFilter, DeliveryRow, DeliveryState, Name, RegisterError, Timestamp,
};
use rusqlite::{Connection, Row, params};

use super::config::NotifyConfig;
use super::schema::{DEAD, DELIVERED, WAITING, all, one, run, time};
use crate::channel::{Notification, SendError, Sent};

/// Longest page of the log.
const MAX_PAGE: usize = 1_000;
/// Rows that one round of housekeeping removes at most: a commit stays short.
const SWEEP: usize = 2_000;
const DAY_MS: i64 = 86_400_000;

/// A delivery that is to be sent.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) seq: i64,
    pub(super) attempts: u32,
    pub(super) expires_at: Timestamp,
    pub(super) notification: Notification,
}

/// What came of one sending.
pub(super) struct Done {
    pub(super) seq: i64,
    pub(super) id: String,
    pub(super) attempts: u32,
    pub(super) expires_at: Timestamp,
    pub(super) receiver: Name,
    pub(super) result: Result<Sent, SendError>,
}

/// How a delivery stands after a sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Delivered,
    Again(Timestamp),
    Dead,
}

/// The oldest waiting delivery of each group of a receiver that is due: a later one of the same
/// group waits for it, so nothing overtakes.
pub(super) fn jobs(
    db: &Connection,
    receiver: &str,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<Job>, RegisterError> {
    let sql = "SELECT seq, attempts, expires_at, body FROM delivery d
               WHERE state = 0 AND receiver = ?1 AND next_at <= ?2
                 AND NOT EXISTS (SELECT 1 FROM delivery e WHERE e.state = 0
                   AND e.receiver = d.receiver AND e.grp = d.grp AND e.seq < d.seq)
               ORDER BY seq LIMIT ?3";
    let found = all(db, sql, params![receiver, now.0, limit.cast_signed()], |r| {
        let at: i64 = r.get(2)?;
        Ok((r.get::<_, i64>(0)?, r.get::<_, u32>(1)?, Timestamp(at), r.get::<_, String>(3)?))
    })?;
    let job = |(seq, attempts, expires_at, body): (_, _, _, String)| {
        let notification = crate::schema::parse(&body)?;
        Ok(Job { seq, attempts, expires_at, notification })
    };
    found.into_iter().map(job).collect()
}

/// Writes what came of a sending.
pub(super) fn settle(
    db: &Connection,
    done: &Done,
    now: Timestamp,
) -> Result<Verdict, RegisterError> {
    let attempts = done.attempts.saturating_add(1);
    let (verdict, answer) = match &done.result {
        Ok(sent) => (Verdict::Delivered, &sent.answer),
        Err(e) if e.permanent || now >= done.expires_at => (Verdict::Dead, &e.answer),
        Err(e) => {
            let wait =
                super::backoff::delay(&done.id, attempts).max(e.retry_after.unwrap_or_default());
            let wait = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
            // The last try is at the end of its time.
            (Verdict::Again(now.plus_ms(wait).min(done.expires_at)), &e.answer)
        }
    };
    let (state, next_at, ended_at) = match verdict {
        Verdict::Delivered => (DELIVERED, None, Some(now.0)),
        Verdict::Again(at) => (WAITING, Some(at.0), None),
        Verdict::Dead => (DEAD, None, Some(now.0)),
    };
    let sql = "UPDATE delivery SET state = ?2, attempts = ?3, next_at = ?4, ended_at = ?5,
                 answer = ?6 WHERE seq = ?1";
    let answer = crate::channel::answer(answer);
    run(db, sql, params![done.seq, state, attempts, next_at, ended_at, answer])?;
    Ok(verdict)
}

/// When something is to be done next, after `now`: a group, a repetition or a delivery.
pub(super) fn next_due(
    db: &Connection,
    now: Timestamp,
) -> Result<Option<Timestamp>, RegisterError> {
    let sql = "SELECT min(at) FROM (
                 SELECT min(due_at) AS at FROM grp WHERE due_at IS NOT NULL
                 UNION ALL SELECT min(repeat_at) FROM grp WHERE repeat_at IS NOT NULL
                 UNION ALL SELECT min(next_at) FROM delivery WHERE state = 0 AND next_at > ?1)";
    one(db, sql, params![now.0], |r| time(r, 0))
}

/// Gives up what waits for receivers that the configuration no longer has.
pub(super) fn orphans(
    db: &Connection,
    config: &NotifyConfig,
    now: Timestamp,
) -> Result<usize, RegisterError> {
    let sql = "SELECT DISTINCT receiver FROM delivery WHERE state = 0";
    let waiting: Vec<String> = all(db, sql, [], |r| r.get(0))?;
    let mut dead = 0;
    for receiver in waiting.iter().filter(|r| config.receiver_by_id(r).is_none()) {
        let sql = "UPDATE delivery SET state = 2, next_at = NULL, ended_at = ?2,
                     answer = 'the configuration has no such receiver any more'
                   WHERE state = 0 AND receiver = ?1";
        dead += run(db, sql, params![receiver, now.0])?;
    }
    Ok(dead)
}

/// Removes what is too old or too much; true if there is more to remove.
pub(super) fn sweep(
    db: &Connection,
    config: &NotifyConfig,
    now: Timestamp,
) -> Result<bool, RegisterError> {
    let oldest = now.plus_ms(-i64::from(config.keep_days) * DAY_MS).0;
    let sql = "DELETE FROM delivery WHERE seq IN (
                 SELECT seq FROM delivery WHERE state <> 0 AND (ended_at < ?1 OR seq <= (
                   SELECT ifnull(max(seq), 0) FROM (SELECT seq FROM delivery WHERE state <> 0
                     ORDER BY seq DESC LIMIT -1 OFFSET ?2)))
                 LIMIT ?3)";
    let limit = SWEEP.cast_signed();
    let removed = run(db, sql, params![oldest, config.keep_rows, limit])?;
    let sql = "DELETE FROM told WHERE (receiver, alert) IN (
                 SELECT receiver, alert FROM told WHERE ended_at < ?1 LIMIT ?2)";
    let forgotten = run(db, sql, params![oldest, limit])?;
    // A group that rests for a day and follows nothing.
    let sql = "DELETE FROM grp WHERE due_at IS NULL AND ifnull(flushed_at, 0) < ?1
                 AND NOT EXISTS (SELECT 1 FROM told t WHERE t.receiver = grp.receiver
                   AND t.grp = grp.grp AND t.state < 2)";
    run(db, sql, params![now.0 - DAY_MS])?;
    Ok(removed == SWEEP || forgotten == SWEEP)
}

const COLUMNS: &str = "seq, id, receiver, route, alerts, reasons, state, attempts, created_at,
                       next_at, ended_at, answer";

/// The log, newest first.
pub(super) fn deliveries(
    db: &Connection,
    filter: &DeliveryFilter,
) -> Result<Vec<DeliveryRow>, RegisterError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM delivery d
         WHERE (?1 IS NULL OR receiver = ?1) AND (?2 IS NULL OR state = ?2)
           AND (?3 IS NULL OR seq < ?3)
           AND (?4 IS NULL OR seq IN (SELECT seq FROM delivery_alert WHERE alert = ?4))
         ORDER BY seq DESC LIMIT ?5"
    );
    let state = filter.state.map(|s| match s {
        DeliveryState::Waiting => WAITING,
        DeliveryState::Delivered => DELIVERED,
        DeliveryState::Dead => DEAD,
    });
    let values = params![
        filter.receiver,
        state,
        filter.before.map(u64::cast_signed),
        filter.alert.as_ref().map(|a| a.0.as_str()),
        filter.limit.min(MAX_PAGE).cast_signed(),
    ];
    all(db, &sql, values, row)
}

/// One delivery.
pub(super) fn delivery(db: &Connection, id: &str) -> Result<Option<DeliveryRow>, RegisterError> {
    let sql = format!("SELECT {COLUMNS} FROM delivery WHERE id = ?1");
    Ok(all(db, &sql, params![id], row)?.pop())
}

fn row(r: &Row<'_>) -> rusqlite::Result<DeliveryRow> {
    let names = |column| -> rusqlite::Result<Vec<Name>> {
        let text: String = r.get(column)?;
        serde_json::from_str(&text).map_err(|e| {
            rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, e.into())
        })
    };
    let state = match r.get::<_, i64>(6)? {
        WAITING => DeliveryState::Waiting,
        DELIVERED => DeliveryState::Delivered,
        _ => DeliveryState::Dead,
    };
    Ok(DeliveryRow {
        seq: r.get::<_, i64>(0)?.cast_unsigned(),
        id: r.get(1)?,
        receiver: r.get::<_, String>(2)?.into(),
        route: r.get::<_, String>(3)?.into(),
        alerts: names(4)?.into_iter().map(|n| AlertId(n.to_string())).collect(),
        reasons: names(5)?,
        state,
        attempts: r.get(7)?,
        created_at: Timestamp(r.get(8)?),
        next_at: time(r, 9)?,
        ended_at: time(r, 10)?,
        answer: r.get(11)?,
    })
}
