//! Reading the register's file.

use std::collections::{HashMap, HashSet};

use ioc_model::{Evidence, KpiQuery, RegisterError};
use std::path::Path;
use std::time::Duration;

use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row};

use super::episode::{About, CHATTER, CLOSED, Episode, HELD, NEVER, REJECTED, Sample, key};
use super::load::Asked;
use crate::schema::{self, parse, store};

/// Most alerts of one report: 256 MB of episodes.
const MOST_EPISODES: usize = 4_000_000;
/// Rules whose name and timers are looked up.
const MOST_RULES: usize = 100;

/// The alerts of a report: raised in the time, or before it and not yet closed when it began.
///
/// Three parts, so that each finds its own index.
const EPISODES: &str = "
SELECT id, rule, row, area, service, incident, severity_max, raised_at, cleared_at, acked_at,
       resolved_at, closed_at, work, held_at_raise
FROM (SELECT * FROM alert WHERE raised_at >= :from AND raised_at < :to
      UNION ALL SELECT * FROM alert WHERE raised_at < :from AND open = 1
      UNION ALL SELECT * FROM alert WHERE raised_at < :from AND open = 0 AND closed_at >= :from)
WHERE (:area IS NULL OR area = :area) AND (:service IS NULL OR service = :service)";

/// Alerts that their rule held together because they chattered: a line of theirs has the fact
/// `chatter` in its evidence, at the raise or later. Both words stand in JSON that the register
/// wrote; a quote in a device's text is escaped there and cannot look like this. The condition is
/// that of the index, letter by letter.
const CHATTERERS: &str =
    "SELECT alert FROM audit WHERE instr(evidence, '\"name\":\"chatter\"') > 0 AND at >= ?1";

/// What reports look for and lists of alerts do not. Few lines are of chattering alerts, and the
/// log is long: without an index each report would read all of it.
const INDEXES: &str = "
CREATE INDEX IF NOT EXISTS alert_closed ON alert (closed_at, raised_at) WHERE closed_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS audit_chatter ON audit (at, alert)
  WHERE instr(evidence, '\"name\":\"chatter\"') > 0;
";

/// Gives the register's file the indexes that reports need.
pub(crate) fn prepare(path: &Path) -> Result<(), RegisterError> {
    schema::open(path)?.execute_batch(INDEXES).map_err(store)
}

/// A connection that cannot write.
pub(crate) fn open(path: &Path) -> Result<Connection, RegisterError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags).map_err(store)?;
    db.busy_timeout(Duration::from_secs(5)).map_err(store)?;
    Ok(db)
}

/// Everything a report needs, from one snapshot.
pub(crate) fn sample(
    db: &Connection,
    query: &KpiQuery,
    asked: &Asked,
) -> Result<Sample, RegisterError> {
    let chatterers = keys(db, CHATTERERS, [asked.from])?;
    let mut sample =
        Sample { begun: keys(db, BEGUN, [asked.from, asked.to])?, ..Sample::default() };
    // An alert of each rule, the newest that is over and was not held for chattering: it tells the
    // rule's name and timers.
    let mut newest: HashMap<u16, ((bool, i64), String)> = HashMap::new();
    let mut counts: HashMap<u16, usize> = HashMap::new();
    let (sql, values) = episodes(query, asked);
    let mut statement = db.prepare_cached(&sql).map_err(store)?;
    let mut rows = statement.query(rusqlite::params_from_iter(values)).map_err(store)?;
    while let Some(r) = rows.next().map_err(store)? {
        if sample.episodes.len() >= MOST_EPISODES {
            let text = format!("more than {MOST_EPISODES} alerts: ask for a shorter time");
            return Err(RegisterError::Bad(text));
        }
        let e = episode(r, &mut sample, &chatterers).map_err(store)?;
        *counts.entry(e.rule).or_default() += usize::from(asked.loads(&e));
        let of = newest.entry(e.rule).or_insert_with(|| ((false, i64::MIN), String::new()));
        let tells = (e.cleared != NEVER && !e.is(CHATTER), e.raised);
        if tells >= of.0 {
            of.0 = tells;
            of.1.clear();
            of.1.push_str(r.get_ref(0).and_then(|v| Ok(v.as_str()?)).map_err(store)?);
        }
        sample.episodes.push(e);
    }
    sample.episodes.sort_unstable_by_key(|e| (e.raised, e.alarm));
    let mut most: Vec<(usize, u16)> = counts.into_iter().map(|(rule, n)| (n, rule)).collect();
    most.sort_unstable_by(|a, b| b.cmp(a));
    for (_, rule) in most.into_iter().take(MOST_RULES) {
        if let Some((_, alert)) = newest.get(&rule) {
            sample.about.insert(rule, about(db, alert)?);
        }
    }
    Ok(sample)
}

/// [`EPISODES`] of a scope, and what is to be bound. The named ones come first in its text, so
/// they are the first four.
fn episodes(query: &KpiQuery, asked: &Asked) -> (String, Vec<Value>) {
    let text = |text: &Option<String>| text.clone().map_or(Value::Null, Value::from);
    let mut values =
        vec![asked.from.into(), asked.to.into(), text(&query.area), text(&query.service)];
    let Some((condition, texts)) = query.scope.condition("area", "service") else {
        return (EPISODES.to_owned(), values);
    };
    values.extend(texts.into_iter().map(Value::from));
    (format!("{EPISODES} AND {condition}"), values)
}

fn episode(
    r: &Row<'_>,
    sample: &mut Sample,
    chatterers: &HashSet<u64>,
) -> rusqlite::Result<Episode> {
    let text = |i: usize| r.get_ref(i).and_then(|v| Ok(v.as_str()?));
    let time = |i: usize| r.get::<_, Option<i64>>(i).map(|t| t.unwrap_or(NEVER));
    let (id, rule) = (text(0)?, text(1)?);
    let alarm = key(&[rule, entity(text(2)?)]);
    let incident = r.get_ref(5)?.as_str_or_null()?.map_or(0, |incident| key(&[incident]));
    let mut flags = match text(12)? {
        "closed" => CLOSED,
        "rejected" => REJECTED,
        _ => 0,
    };
    if r.get::<_, bool>(13)? {
        flags |= HELD;
    }
    if chatterers.contains(&key(&[id])) {
        flags |= CHATTER;
    }
    Ok(Episode {
        raised: r.get(7)?,
        cleared: time(8)?,
        acked: time(9)?,
        resolved: time(10)?,
        closed: time(11)?,
        alarm,
        incident,
        rule: sample.rules.number(rule),
        area: sample.areas.number(text(3)?),
        service: sample.services.number(text(4)?),
        severity: r.get(6)?,
        flags,
    })
}

/// What an alert is about, as it stands in the JSON of its row. It is not parsed, because that
/// would be most of the time of a report: the register wrote it, with `device` behind `entity`,
/// and a quote in a name is escaped there. A row of another make counts as one alarm of its own.
fn entity(row: &str) -> &str {
    let from = row.find("\"entity\":").map_or(row, |at| &row[at..]);
    from.find(",\"device\":").map_or(from, |end| &from[..end])
}

const BEGUN: &str =
    "SELECT id FROM incident WHERE alerts > 0 AND opened_at >= ?1 AND opened_at < ?2";

/// The ids that a query finds, as numbers.
fn keys(
    db: &Connection,
    sql: &str,
    values: impl rusqlite::Params,
) -> Result<HashSet<u64>, RegisterError> {
    let mut statement = db.prepare_cached(sql).map_err(store)?;
    let mut rows = statement.query(values).map_err(store)?;
    let mut keys = HashSet::new();
    while let Some(r) = rows.next().map_err(store)? {
        keys.insert(key(&[r.get_ref(0).and_then(|v| Ok(v.as_str()?)).map_err(store)?]));
    }
    Ok(keys)
}

/// Name and timers of a rule, as one of its alerts has them.
fn about(db: &Connection, alert: &str) -> Result<About, RegisterError> {
    let name: Option<String> = db
        .prepare_cached("SELECT json_extract(row, '$.name') FROM alert WHERE id = ?1")
        .and_then(|mut s| s.query_row([alert], |r| r.get(0)).optional())
        .map_err(store)?
        .flatten();
    Ok(About {
        name: name.map(|text| parse(&text)).transpose()?,
        for_ms: timer(db, alert, "raise", "for")?,
        clear_for_ms: timer(db, alert, "clear", "clear_for")?,
    })
}

/// A timer that a rule's line of the audit log went by; 0 when it had none.
fn timer(db: &Connection, alert: &str, action: &str, name: &str) -> Result<i64, RegisterError> {
    let evidence: Option<String> = db
        .prepare_cached(
            "SELECT evidence FROM audit WHERE alert = ?1 AND action = ?2 ORDER BY seq LIMIT 1",
        )
        .and_then(|mut s| s.query_row([alert, action], |r| r.get(0)).optional())
        .map_err(store)?
        .flatten();
    let Some(evidence) = evidence else { return Ok(0) };
    let evidence: Evidence = parse(&evidence)?;
    let timer = evidence.timers.iter().find(|t| &*t.name == name);
    Ok(timer.map_or(0, |t| t.until.since_ms(t.since).max(0)))
}

/// The most positions that were on duty at once, at least 1. Without a shift log it is 1.
pub(crate) fn positions(db: &Connection, from: i64, to: i64) -> Result<u32, RegisterError> {
    let known: bool = db
        .query_row(
            "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'shift')",
            [],
            |r| r.get(0),
        )
        .map_err(store)?;
    if !known {
        return Ok(1);
    }
    let mut changes: Vec<(i64, i32)> = Vec::new();
    let mut statement = db
        .prepare_cached(
            "SELECT began, until FROM shift
             WHERE began < ?2 AND (until IS NULL OR until > ?1)",
        )
        .map_err(store)?;
    let mut rows = statement.query([from, to]).map_err(store)?;
    while let Some(r) = rows.next().map_err(store)? {
        changes.push((r.get(0).map_err(store)?, 1));
        let until: Option<i64> = r.get(1).map_err(store)?;
        changes.push((until.unwrap_or(NEVER), -1));
    }
    // At one moment the leaving go before the coming: a relief is no second position.
    changes.sort_unstable();
    let (mut on, mut most) = (0i32, 1i32);
    for (_, change) in changes {
        on += change;
        most = most.max(on);
    }
    Ok(most.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use ioc_model::{Choice, Scope, ScopePart};

    use super::*;

    #[test]
    fn no_query_reads_the_whole_register() {
        let db = Connection::open_in_memory().expect("opens");
        db.execute_batch(
            "CREATE TABLE alert (id TEXT PRIMARY KEY, rule, row, area, service, incident,
               severity_max, raised_at, cleared_at, acked_at, resolved_at, closed_at, work,
               held_at_raise, open);
             CREATE INDEX alert_all ON alert (raised_at DESC, id DESC);
             CREATE INDEX alert_open ON alert (raised_at DESC, id DESC) WHERE open = 1;
             CREATE TABLE audit (seq INTEGER PRIMARY KEY, alert, at, evidence);",
        )
        .expect("the columns that are used");
        db.execute_batch(INDEXES).expect("fit");
        let plan = |sql: &str| -> Vec<String> {
            let mut s = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).expect("compiles");
            let none = vec![rusqlite::types::Null; s.parameter_count()];
            s.query_map(rusqlite::params_from_iter(none), |r| r.get(3))
                .and_then(Iterator::collect)
                .expect("tells")
        };
        let part = ScopePart { areas: Choice::only(["a", "b"]), services: Choice::All };
        let query = KpiQuery::of(Scope::of([part]));
        let scoped = episodes(&query, &Asked { from: 0, to: 1, positions: 1 }).0;
        assert_eq!(scoped.matches('?').count(), 2, "{scoped}");
        for sql in [EPISODES, &scoped] {
            let lines = plan(sql).join("\n");
            for index in ["alert_all (raised_at>? AND raised_at<?)", "alert_open", "alert_closed"] {
                assert!(lines.contains(&format!("SEARCH alert USING INDEX {index}")), "{lines}");
            }
            assert!(!lines.contains("SCAN"), "{lines}");
        }
        assert_eq!(plan(CHATTERERS), ["SEARCH audit USING INDEX audit_chatter (at>?)"]);
    }
}
