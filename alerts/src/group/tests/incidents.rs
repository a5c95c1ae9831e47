use ioc_model::{IncidentKind, RegisterError, Scope};

use super::*;

#[test]
fn alerts_of_one_cause_in_one_ward_are_one_incident() {
    let mut desk = Desk::new(&[]);
    let (a, b) = (raise("a", "flood", min(0)), raise("b", "flood", min(50)));
    let other = raise("a", "smoke", min(1));
    let area = raise_of(Entity::Area("hai-chau".into()), "flood", min(2));
    let elsewhere = raise_of(Entity::Area("son-tra".into()), "flood", min(2));
    desk.apply(&[a.clone(), b.clone(), other.clone(), area.clone(), elsewhere.clone()]);
    let incident = desk.incident(&a);
    assert_eq!(incident.id.0, a.alert.0, "named after its first alert");
    assert_eq!((incident.kind, incident.alerts), (IncidentKind::Cause, 3));
    assert_eq!(desk.incident(&b).id, incident.id, "as long as it is open, however late");
    assert_eq!(desk.incident(&area).id, incident.id);
    assert_ne!(desk.incident(&other).id, incident.id);
    assert_ne!(desk.incident(&elsewhere).id, incident.id);
    assert_eq!((incident.opened_at, incident.last_at), (min(0), min(50)));
}

#[test]
fn what_has_no_ward_goes_by_service_and_entity_and_the_city_by_cause() {
    let mut desk = Desk::new(&[]);
    let segment = |id: &str, cause: &str| raise_of(Entity::Segment(id.into()), cause, min(0));
    let (a, b) = (segment("s1", "jam"), segment("s1", "crash"));
    let other = segment("s2", "jam");
    let lost = Transition { area: "unassigned".into(), ..raise("d", "jam", min(0)) };
    let (city, city2) =
        (raise_of(Entity::City, "jam", min(0)), raise_of(Entity::City, "jam", min(1)));
    let all = [&a, &b, &other, &lost, &city, &city2].map(Clone::clone);
    desk.apply(&all);
    assert_eq!(desk.incident(&a).id, desk.incident(&b).id);
    assert_eq!(desk.incident(&city).id, desk.incident(&city2).id);
    let ids: std::collections::BTreeSet<_> = all.iter().map(|t| desk.incident(t).id.0).collect();
    assert_eq!(ids.len(), 4);
}

#[test]
fn a_closed_incident_takes_alerts_until_the_gap_after_its_last_raise_is_over() {
    let mut desk = Desk::new(&[]);
    let a = raise("a", "flood", min(0));
    desk.apply(std::slice::from_ref(&a));
    desk.close(&a);
    assert_eq!(desk.incident(&a).open, 0);
    assert!(desk.incident(&a).closed_at.is_some());
    let soon = raise("b", "flood", min(30));
    desk.apply(std::slice::from_ref(&soon));
    let incident = desk.incident(&soon);
    assert_eq!((&incident.id, incident.open, incident.closed_at), (&desk.incident(&a).id, 1, None));
    desk.close(&soon);
    let late = raise("c", "flood", Timestamp(min(60).0 + 1));
    desk.apply(std::slice::from_ref(&late));
    assert_eq!(desk.incident(&late).id.0, late.alert.0, "a new one");
    let next = raise("d", "flood", min(61));
    desk.apply(std::slice::from_ref(&next));
    assert_eq!(desk.incident(&next).id.0, late.alert.0, "which has the key now");
}

#[test]
fn the_root_is_the_parents_outage_else_the_worst_else_the_first() {
    let mut desk = Desk::new(&[("cam", "gw"), ("gw", "station")]);
    let first = raise("x", "flood", min(0));
    let worst = with(raise("y", "flood", min(1)), Severity::Emergency);
    desk.apply(&[first.clone(), raise("z", "flood", min(1))]);
    assert_eq!(desk.incident(&first).root, first.alert);
    desk.apply(std::slice::from_ref(&worst));
    let incident = desk.incident(&first);
    assert_eq!((&incident.root, incident.severity), (&worst.alert, Severity::Emergency));
    desk.close(&worst);
    let incident = desk.incident(&first);
    assert_eq!(incident.root, first.alert, "of those that are open");
    assert_eq!(incident.severity, Severity::Major);

    let gw = with(raise("gw", "outage", min(0)), Severity::Minor);
    let bad = with(raise("cam", "smoke", min(1)), Severity::Critical);
    let station = with(raise("station", "outage", min(2)), Severity::Info);
    desk.apply(&[gw.clone(), bad.clone()]);
    assert_eq!(desk.incident(&bad).root, gw.alert);
    desk.apply(std::slice::from_ref(&station));
    let incident = desk.incident(&bad);
    assert_eq!((&incident.root, incident.kind), (&station.alert, IncidentKind::Parent));
    assert_eq!(incident.parent.as_deref(), Some("station"));
    let (_, rows) =
        crate::group::get(&desk.db, &incident.id, &Scope::city(), 10).expect("is there");
    let ids: Vec<_> = rows.into_iter().map(|r| r.id).collect();
    assert_eq!(ids, [station.alert, gw.alert, bad.alert]);
}

/// One listed alert, one incident, the others held; all of it over when the gateway returns.
#[test]
fn a_gateway_with_20_children_that_goes_out_is_one_listed_alert() {
    let names: Vec<String> = (0..20).map(|n| format!("cam{n}")).collect();
    let parents: Vec<(&str, &str)> = names.iter().map(|n| (&**n, "gw")).collect();
    let mut desk = Desk::new(&parents);
    let out = raise("gw", "outage", min(6));
    // Five are found silent before the gateway is, the others after it.
    let silent: Vec<Transition> =
        (0..20).map(|n| raise(&names[n], "outage", min(if n < 5 { 2 } else { 7 }))).collect();
    let earlier = raise("cam0", "smoke", min(0));
    desk.apply(std::slice::from_ref(&earlier));
    desk.apply(&silent[..5]);
    desk.apply(std::slice::from_ref(&out));
    desk.apply(&silent[5..]);
    for t in &silent {
        assert!(desk.row(t).is_held(HeldBy::Parent), "{}", t.entity);
        assert_eq!(desk.row(t).held[0].id, out.alert.0);
    }
    assert_eq!(desk.listed(), 2, "the gateway, and the smoke that was there long before");
    let incident = desk.incident(&out);
    assert_eq!((incident.alerts, incident.open, incident.unacknowledged), (21, 21, 1));
    assert_eq!((incident.kind, &incident.root), (IncidentKind::Parent, &out.alert));
    let open: Vec<_> = desk.incidents().into_iter().map(|i| i.alerts).collect();
    assert_eq!(open, [21, 1], "the incident that the five founded is gone");

    desk.apply(&[clear(&out, min(20))]);
    assert_eq!(desk.listed(), 22);
    assert_eq!(desk.incident(&out).unacknowledged, 21);
    property::check(&desk);
}

#[test]
fn a_measured_danger_is_never_hidden_by_an_outage() {
    let mut desk = Desk::new(&[("gauge", "gw")]);
    let danger = with(raise("gauge", "flood", min(0)), Severity::Emergency);
    let out = raise("gw", "outage", min(2));
    let later = with(raise("gauge", "smoke", min(3)), Severity::Critical);
    let small = with(raise("gauge", "sensor", min(3)), Severity::Minor);
    desk.apply(&[danger.clone(), out, later.clone(), small.clone()]);
    assert!(desk.row(&danger).is_listed() && desk.row(&later).is_listed());
    assert!(desk.row(&small).is_held(HeldBy::Parent));
    desk.set(&small.alert, |row| row.severity = Severity::Emergency);
    assert!(desk.row(&small).is_listed());
}

#[test]
fn a_rejected_outage_releases_and_its_incident_takes_no_more() {
    let mut desk = Desk::new(&[("cam", "gw")]);
    let (out, silent) = (raise("gw", "outage", min(0)), raise("cam", "outage", min(1)));
    desk.apply(&[out.clone(), silent.clone()]);
    assert!(!desk.row(&silent).is_listed());
    desk.set(&out.alert, |row| row.work = Work::Rejected);
    assert!(desk.row(&silent).is_listed());
    let later = raise("cam", "smoke", min(2));
    desk.apply(std::slice::from_ref(&later));
    assert!(desk.row(&later).is_listed());
    assert_ne!(desk.incident(&later).id, desk.incident(&out).id);
}

#[test]
fn merged_alerts_stay_and_later_ones_of_both_keys_follow() {
    let mut desk = Desk::new(&[]);
    let (a, b) = (raise("a", "flood", min(0)), raise("b", "smoke", min(0)));
    desk.apply(&[a.clone(), b.clone()]);
    let into = desk.incident(&a).id;
    desk.merge(&[&b.alert], &into);
    assert_eq!(desk.incident(&b).id, into);
    assert_eq!((desk.incident(&a).kind, desk.incident(&a).alerts), (IncidentKind::Manual, 2));
    assert_eq!(desk.incidents().len(), 1, "what is empty is not listed");
    let later = raise("c", "smoke", min(1));
    desk.apply(&[later.clone(), raise("d", "flood", min(1))]);
    assert_eq!(desk.incident(&later).id, into);
    assert_eq!(desk.incident(&a).alerts, 4);

    // Taking the merge back: the alert has its incident again, and the incident its key.
    let own = IncidentId(b.alert.0.clone());
    desk.set(&b.alert, |row| row.incident = Some(own.clone()));
    let last = raise("e", "smoke", min(2));
    desk.apply(std::slice::from_ref(&last));
    assert_eq!((desk.incident(&last).id, desk.incident(&b).alerts), (own, 2));
    // And when its alerts leave it, nothing leads to where they once were merged.
    desk.split(&[&b.alert, &last.alert]);
    let anew = raise("f", "smoke", min(3));
    desk.apply(std::slice::from_ref(&anew));
    assert_eq!(desk.incident(&anew).id.0, anew.alert.0);
    property::check(&desk);
}

#[test]
fn merging_into_what_is_not_there_is_refused_and_into_what_was_merged_follows() {
    let mut desk = Desk::new(&[]);
    let all = ["a", "b", "c"].map(|d| raise(d, d, min(0)));
    desk.apply(&all);
    let [a, b, c] = &all;
    let ids = all.each_ref().map(|t| desk.incident(t).id);
    desk.merge(&[&a.alert], &ids[1]);
    desk.merge(&[&c.alert], &ids[0]);
    assert_eq!(desk.incident(c).id, desk.incident(b).id);
    desk.write(|w| {
        let mut row = w.row(&a.alert.0);
        let nowhere = IncidentId("nowhere".into());
        let refused = w.touched.merge(w.tx, &mut row, &nowhere, &Scope::city());
        assert!(matches!(refused, Err(RegisterError::NoIncident(id)) if id == nowhere));
        let there = w.touched.merge(w.tx, &mut row, &ids[1], &Scope::city()).expect("is there");
        assert!(!there, "it is in it already");
    });
}

#[test]
fn split_alerts_keep_to_themselves_and_later_ones_go_to_the_key() {
    let mut desk = Desk::new(&[]);
    let all = ["a", "b", "c", "d"].map(|d| raise(d, "flood", min(0)));
    desk.apply(&all);
    let home = desk.incident(&all[0]).id;
    let own = desk.split(&[&all[1].alert, &all[2].alert]);
    assert_eq!(own.0, format!("{}-1", all[1].alert));
    let incident = desk.incident(&all[2]);
    assert_eq!((&incident.id, incident.alerts, incident.kind), (&own, 2, IncidentKind::Manual));
    let later = raise("e", "flood", min(1));
    desk.apply(std::slice::from_ref(&later));
    assert_eq!((desk.incident(&later).id, desk.incident(&later).alerts), (home, 3));
    assert_eq!(desk.split(&[&all[1].alert]).0, format!("{}-2", all[1].alert));
    // All that is left is split off: the next one founds anew.
    desk.split(&[&all[0].alert, &all[3].alert, &later.alert]);
    let last = raise("f", "flood", min(2));
    desk.apply(std::slice::from_ref(&last));
    assert_eq!(desk.incident(&last).id.0, last.alert.0);
    property::check(&desk);
}

/// Operators put them together: an outage found later does not pull them apart.
#[test]
fn an_outage_leaves_what_operators_put_together() {
    let mut desk = Desk::new(&[("cam", "gw")]);
    let silent = raise("cam", "outage", min(0));
    desk.apply(std::slice::from_ref(&silent));
    let own = desk.split(&[&silent.alert]);
    desk.apply(&[raise("gw", "outage", min(1))]);
    assert!(desk.row(&silent).is_held(HeldBy::Parent));
    assert_eq!(desk.row(&silent).incident, Some(own));
}

#[test]
fn lists_page_through_everything_once_and_filter() {
    let mut desk = Desk::new(&[]);
    let all: Vec<Transition> = (0..50)
        .map(|n| {
            let t = raise("d", &format!("cause{n}"), min(n / 3 * 10));
            let area = if n % 2 == 0 { "hai-chau" } else { "son-tra" };
            let severity = Severity::from_u8(1 + (n % 5) as u8).expect("1 to 5");
            Transition { area: area.into(), severity, ..t }
        })
        .collect();
    desk.apply(&all);
    for t in all.iter().step_by(10) {
        desk.close(t);
    }
    let page = |filter: &IncidentFilter| {
        let mut filter = IncidentFilter { limit: 7, ..filter.clone() };
        let mut found = Vec::new();
        loop {
            let (rows, next) = crate::group::list(&desk.db, &filter).expect("lists");
            assert!(rows.len() <= 7);
            found.extend(rows);
            filter.cursor = next;
            if filter.cursor.is_none() {
                return found;
            }
        }
    };
    let any = IncidentFilter::of(Scope::city());
    let found = page(&any);
    assert_eq!(found.len(), 50);
    let order = |w: &[IncidentRow]| (w[0].opened_at, &w[0].id) > (w[1].opened_at, &w[1].id);
    assert!(found.windows(2).all(order));
    let area = Some("hai-chau".to_owned());
    assert_eq!(page(&IncidentFilter { area: area.clone(), ..any.clone() }).len(), 25);
    assert_eq!(page(&IncidentFilter { open_only: true, ..any.clone() }).len(), 45);
    assert_eq!(page(&IncidentFilter { open_only: true, area, ..any.clone() }).len(), 20);
    let severe = IncidentFilter { min_severity: Some(Severity::Critical), ..any.clone() };
    assert_eq!(page(&severe).len(), 20);
    let between = IncidentFilter { from: Some(min(10)), to: Some(min(30)), ..any.clone() };
    assert_eq!(page(&between).len(), 6);
    assert_eq!(page(&IncidentFilter { service: Some("air".into()), ..any.clone() }).len(), 0);
    for cursor in ["", "x", "5", "x.y"] {
        let bad = IncidentFilter { cursor: Some(cursor.into()), ..any.clone() };
        assert!(matches!(crate::group::list(&desk.db, &bad), Err(RegisterError::Bad(_))));
    }
}

/// Work does not grow with the members: what the database does for one more alert in an incident
/// of 5,000 is what it does in one of 10.
#[test]
fn one_more_alert_costs_the_same_in_a_large_incident() {
    let steps = |members: usize| {
        let mut desk = Desk::new(&[]);
        let all: Vec<Transition> =
            (0..members).map(|n| raise(&format!("d{n}"), "flood", min(0))).collect();
        desk.apply(&all);
        let query = "SELECT alert FROM member WHERE incident = ?1
             ORDER BY open DESC, outage DESC, severity DESC, raised_at, alert LIMIT 1";
        let mut statement = desk.db.prepare(query).expect("sql");
        statement.query_row([&all[0].alert.0], |r| r.get::<_, String>(0)).expect("finds");
        let steps = statement.get_status(rusqlite::StatementStatus::VmStep);
        drop(statement);
        let query = "SELECT (SELECT min(raised_at) FROM member WHERE incident = ?1),
                            (SELECT max(raised_at) FROM member WHERE incident = ?1)";
        let mut statement = desk.db.prepare(query).expect("sql");
        statement.query_row([&all[0].alert.0], |r| r.get::<_, i64>(0)).expect("finds");
        steps + statement.get_status(rusqlite::StatementStatus::VmStep)
    };
    assert_eq!(steps(10), steps(5_000));
}
