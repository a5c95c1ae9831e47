//! Reading the register.

pub(crate) mod strand;

use ioc_model::{AlertFilter, AlertId, AlertRow, AuditRow, RegisterError, Timestamp, Work};
use rusqlite::{Connection, params, types::Value};

use self::strand::{Strand, asked, split};
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
    if asked(&f.scope, (&f.area, &f.service)).is_nothing() {
        return Ok((Vec::new(), newest));
    }
    let (sql, values) = select(f);
    let mut statement = tx.prepare_cached(&sql).map_err(store)?;
    let texts = statement
        .query_map(rusqlite::params_from_iter(values), |r| r.get::<_, String>(0))
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(store)?;
    let rows = texts.iter().map(|t| parse(t)).collect::<Result<Vec<_>, _>>()?;
    Ok((rows, newest))
}

/// The index that a list is read by: the one that leaves least to look at, in the order of the
/// list. SQLite is told, so that a page is as fast on a file without statistics.
fn index(f: &AlertFilter) -> &'static str {
    let open = f.open_only || f.held == Some(true);
    let all_closed = matches!(f.work, Some(Work::Closed) | Some(Work::Rejected));
    if f.after_change.is_some() {
        "alert_change"
    } else if f.incident.is_some() {
        "alert_incident"
    } else if f.device.is_some() {
        "alert_device"
    } else if f.assignee.is_some() {
        if open { "alert_open_assignee" } else { "alert_assignee" }
    } else if f.work.is_some() && !all_closed {
        "alert_work"
    } else if f.rule.is_some() {
        if open { "alert_open_rule" } else { "alert_rule" }
    } else if f.area.is_some() {
        if open { "alert_open_area" } else { "alert_area" }
    } else if f.service.is_some() {
        if open { "alert_open_service" } else { "alert_service" }
    } else if f.work.is_some() {
        "alert_work"
    } else if f.held == Some(true) {
        "alert_held"
    } else if f.overdue {
        "alert_overdue"
    } else {
        match (f.open_only, f.acknowledged, f.held) {
            (true, Some(false), _) => "alert_unseen",
            (true, _, Some(false)) => "alert_listed",
            (true, ..) => "alert_open",
            _ => "alert_all",
        }
    }
}

/// Only the shape of the filter reaches the text of the query; what users wrote is bound.
///
/// Of a scope each ward (or service) is read by its own index, in the order of the list, and
/// SQLite merges them: it looks at what the page shows and at no alert of another ward.
fn select(f: &AlertFilter) -> (String, Vec<Value>) {
    let mut values: Vec<Value> = Vec::new();
    let mut sql = match split(f) {
        Some(strands) => {
            let one = |strand| part(f, Some(&strand), &mut values);
            strands.into_iter().map(one).collect::<Vec<_>>().join(" UNION ALL ")
        }
        None => part(f, None, &mut values),
    };
    sql.push_str(match f.after_change {
        Some(_) => " ORDER BY change",
        None => " ORDER BY raised_at DESC, id DESC",
    });
    sql.push_str(" LIMIT ?");
    values.push((f.limit.clamp(1, MAX_ROWS) as i64).into());
    (sql, values)
}

/// The rows of a filter, of one strand of its scope or of all of it, without their order.
fn part(f: &AlertFilter, strand: Option<&Strand>, values: &mut Vec<Value>) -> String {
    // What is held is open. A strand also has its indexes by what the work says.
    let open = (f.open_only || f.held == Some(true)).then_some(true);
    let worked = f.work.map(|w| !matches!(w, Work::Closed | Work::Rejected));
    let open = open.or(worked.filter(|_| strand.is_some()));
    let index = strand.map_or_else(|| index(f), |s| s.index(open));
    let mut sql = format!("SELECT row, raised_at, id FROM alert INDEXED BY {index} WHERE 1");
    let condition = match strand {
        Some(strand) => Some(strand.condition()),
        None => asked(&f.scope, (&f.area, &f.service)).condition("area", "service"),
    };
    if let Some((condition, texts)) = condition {
        sql.push_str(" AND ");
        sql.push_str(&condition);
        values.extend(texts.into_iter().map(Value::from));
    }
    // These stand in the text: they are what the indexes of open alerts say.
    let flags = [
        ("open", open),
        ("held", f.held),
        ("acknowledged", f.acknowledged),
        ("overdue", f.overdue.then_some(true)),
    ];
    for (column, wanted) in flags {
        if let Some(wanted) = wanted {
            sql.push_str(&format!(" AND {column} = {}", u8::from(wanted)));
        }
    }
    let texts = [
        ("service", f.service.as_deref()),
        ("area", f.area.as_deref()),
        ("device", f.device.as_deref()),
        ("rule", f.rule.as_deref()),
        ("assignee", f.assignee.as_deref()),
        ("incident", f.incident.as_ref().map(|i| &*i.0)),
        ("work", f.work.map(Work::as_str)),
    ];
    for (column, wanted) in texts {
        if let Some(wanted) = wanted {
            sql.push_str(&format!(" AND {column} = ?"));
            values.push(wanted.to_owned().into());
        }
    }
    let numbers = [
        ("severity >=", f.min_severity.map(|s| s as i64)),
        ("raised_at >=", f.from.map(|t| t.0)),
        ("raised_at <", f.to.map(|t| t.0)),
        ("change >", f.after_change.map(u64::cast_signed)),
    ];
    for (compared, wanted) in numbers {
        if let Some(wanted) = wanted {
            sql.push_str(&format!(" AND {compared} ?"));
            values.push(wanted.into());
        }
    }
    if let Some((time, id)) = &f.before {
        sql.push_str(" AND (raised_at, id) < (?, ?)");
        values.extend([time.0.into(), id.clone().into()]);
    }
    sql
}

/// Columns of a line, in the order of [`line`].
const LINE: &str = "seq, alert, action, actor, at, severity, value, note, lim, message, evidence,
                    origin, detail";

pub(crate) fn audit(db: &Connection, id: &AlertId) -> Result<Vec<AuditRow>, RegisterError> {
    let sql = format!("SELECT {LINE} FROM audit WHERE alert = ?1 ORDER BY seq");
    lines(db, &sql, params![id.0])
}

/// Lines of the whole log after `seq`, at most `limit`.
pub(crate) fn audit_after(
    db: &Connection,
    seq: u64,
    limit: usize,
) -> Result<Vec<AuditRow>, RegisterError> {
    let sql = format!("SELECT {LINE} FROM audit WHERE seq > ?1 ORDER BY seq LIMIT ?2");
    lines(db, &sql, params![seq.cast_signed(), limit.clamp(1, MAX_ROWS) as i64])
}

fn lines(
    db: &Connection,
    sql: &str,
    values: &[&dyn rusqlite::ToSql],
) -> Result<Vec<AuditRow>, RegisterError> {
    let mut statement = db.prepare_cached(sql).map_err(store)?;
    let mut rows = statement.query(values).map_err(store)?;
    let mut lines = Vec::new();
    while let Some(r) = rows.next().map_err(store)? {
        lines.push(line(r)?);
    }
    Ok(lines)
}

fn line(r: &rusqlite::Row<'_>) -> Result<AuditRow, RegisterError> {
    let (message, evidence) = (
        r.get::<_, Option<String>>(9).map_err(store)?,
        r.get::<_, Option<String>>(10).map_err(store)?,
    );
    Ok(AuditRow {
        seq: r.get::<_, i64>(0).map_err(store)?.cast_unsigned(),
        alert: AlertId(r.get(1).map_err(store)?),
        action: r.get(2).map_err(store)?,
        actor: r.get(3).map_err(store)?,
        at: Timestamp(r.get(4).map_err(store)?),
        severity: severity(r, 5).map_err(store)?,
        value: r.get(6).map_err(store)?,
        note: r.get(7).map_err(store)?,
        limit: r.get(8).map_err(store)?,
        message: message.map(|t| parse(&t)).transpose()?,
        evidence: evidence.map(|t| parse(&t)).transpose()?,
        origin: r.get(11).map_err(store)?,
        detail: r.get(12).map_err(store)?,
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

#[cfg(test)]
mod tests {
    use super::*;
    use ioc_model::{Choice, IncidentId, Scope, ScopePart, Severity};

    fn policy() -> crate::policy::Policy {
        let text = include_str!("../../config/alerts.yaml");
        let files = ioc_model::ConfigFiles([("alerts.yaml".into(), text.into())].into());
        crate::policy::Policy::load(&files, &ioc_model::City::default()).expect("valid")
    }

    fn database() -> (tempfile::TempDir, Connection) {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let mut db = crate::schema::open(&dir.path().join("a.sqlite")).expect("opens");
        crate::schema::take_over(&mut db, &policy()).expect("makes tables");
        (dir, db)
    }

    fn plan(db: &Connection, f: &AlertFilter) -> String {
        let (sql, values) = select(f);
        let mut statement = db
            .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
            .expect("the index can serve the filter");
        let lines = statement
            .query_map(rusqlite::params_from_iter(values), |r| r.get::<_, String>(3))
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .expect("a plan");
        lines.join("; ")
    }

    #[test]
    fn the_common_lists_seek_their_page_in_an_index() {
        let (_dir, db) = database();
        let page = Some((Timestamp(1), "a".to_owned()));
        let open = || AlertFilter {
            open_only: true,
            before: page.clone(),
            ..AlertFilter::of(Scope::city())
        };
        let all = || AlertFilter { before: page.clone(), ..AlertFilter::of(Scope::city()) };
        let some = |text: &str| Some(text.to_owned());
        let key = "(raised_at,id)<(?,?)";
        for (filter, index, seek) in [
            (AlertFilter { held: Some(false), ..open() }, "alert_listed", key),
            (open(), "alert_open", key),
            (AlertFilter { acknowledged: Some(false), ..open() }, "alert_unseen", key),
            (AlertFilter { held: Some(true), ..all() }, "alert_held", key),
            (AlertFilter { overdue: true, ..open() }, "alert_overdue", key),
            (AlertFilter { service: some("a"), ..open() }, "alert_open_service", "service=?"),
            (AlertFilter { area: some("a"), ..open() }, "alert_open_area", "area=?"),
            (AlertFilter { rule: some("a"), ..open() }, "alert_open_rule", "rule=?"),
            (AlertFilter { assignee: some("a"), ..open() }, "alert_open_assignee", "assignee=?"),
            (all(), "alert_all", key),
            (AlertFilter { work: Some(Work::Closed), ..all() }, "alert_work", "work=?"),
            (AlertFilter { service: some("a"), ..all() }, "alert_service", "service=?"),
            (AlertFilter { area: some("a"), ..all() }, "alert_area", "area=?"),
            (AlertFilter { rule: some("a"), ..all() }, "alert_rule", "rule=?"),
            (AlertFilter { device: some("a"), ..all() }, "alert_device", "device=?"),
            (
                AlertFilter { incident: Some(IncidentId("a".into())), ..all() },
                "alert_incident",
                "incident=?",
            ),
            (
                AlertFilter { from: Some(Timestamp(0)), service: some("a"), ..all() },
                "alert_service",
                "service=? AND raised_at>? AND (raised_at,id)<(?,?)",
            ),
        ] {
            let plan = plan(&db, &filter);
            assert!(plan.contains(&format!("USING INDEX {index} (")), "{filter:?}: {plan}");
            assert!(plan.contains(seek) && plan.contains(key), "{filter:?}: {plan}");
        }
        let wards = |wards: &[&str]| ScopePart {
            areas: Choice::only(wards.iter().copied()),
            services: Choice::only(["a", "b"]),
        };
        let wards = Scope::of([wards(&["a", "b", "c"]), wards(&["d"])]);
        let service = Scope::of([ScopePart { areas: Choice::All, services: Choice::only(["a"]) }]);
        for (filter, index, times) in [
            (
                AlertFilter { held: Some(false), scope: wards.clone(), ..open() },
                "alert_open_area",
                4,
            ),
            (
                AlertFilter { work: Some(Work::New), scope: wards.clone(), ..all() },
                "alert_open_area",
                4,
            ),
            (
                AlertFilter { work: Some(Work::Closed), scope: wards.clone(), ..all() },
                "alert_done_area",
                4,
            ),
            (AlertFilter { service: some("a"), scope: wards.clone(), ..all() }, "alert_area", 4),
            (AlertFilter { area: some("b"), scope: wards.clone(), ..all() }, "alert_area", 1),
            (AlertFilter { scope: service.clone(), ..open() }, "alert_open_service", 1),
            (AlertFilter { scope: service, ..all() }, "alert_service", 1),
        ] {
            let plan = plan(&db, &filter);
            assert_eq!(plan.matches(&format!("USING INDEX {index} (")).count(), times, "{plan}");
            assert_eq!(plan.matches(key).count(), times, "{plan}");
            assert!(!plan.contains("B-TREE") && !plan.contains("SCAN"), "{plan}");
        }
        let resume = AlertFilter { after_change: Some(7), ..AlertFilter::of(Scope::city()) };
        assert!(plan(&db, &resume).contains("USING INDEX alert_change (change>?)"));
    }

    /// Every combination of filters has an index that SQLite accepts, and none is sorted.
    #[test]
    fn no_list_is_sorted_and_every_filter_has_an_index() {
        let (_dir, db) = database();
        let some = |on: bool| on.then(|| "a".to_owned());
        for n in 0u32..1 << 12 {
            let on = |bit: u32| n >> bit & 1 == 1;
            for (held, work) in [
                (None, None),
                (Some(true), Some(Work::Closed)),
                (Some(false), Some(Work::New)),
                (Some(true), None),
                (None, Some(Work::Rejected)),
            ] {
                let filter = AlertFilter {
                    open_only: on(0),
                    held,
                    work,
                    acknowledged: on(1).then_some(on(2)),
                    overdue: on(3),
                    service: some(on(4)),
                    area: some(on(5)),
                    device: some(on(6)),
                    rule: some(on(7)),
                    incident: on(8).then(|| IncidentId("a".into())),
                    assignee: some(on(9)),
                    min_severity: on(10).then_some(Severity::Major),
                    before: on(11).then(|| (Timestamp(1), "a".to_owned())),
                    ..AlertFilter::of(Scope::city())
                };
                let wards = ScopePart { areas: Choice::only(["a", "b"]), services: Choice::All };
                let services = ScopePart { areas: Choice::All, services: Choice::only(["a", "c"]) };
                for scope in [vec![ScopePart::CITY], vec![wards.clone()], vec![services, wards]] {
                    let filter = AlertFilter { scope: Scope::of(scope), ..filter.clone() };
                    let plan = plan(&db, &filter);
                    assert!(!plan.contains("B-TREE"), "{filter:?}: {plan}");
                }
            }
        }
    }
}
