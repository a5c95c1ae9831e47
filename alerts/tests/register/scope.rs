//! A scope: what is outside of it does not exist. Random registers and random scopes, against the
//! answers for the whole city with what is outside left out.

use std::collections::BTreeMap;
use std::sync::Arc;

use ioc_alerts::{Register, RegisterParts};
use ioc_model::{
    Action, ActionRequest, AlertFilter, AlertId, AlertRow, AlertStore, Assignee, AssigneeKind,
    Choice, City, DeviceSpec, Entity, HeldBy, Hold, HoldRequest, HoldScope, IncidentFilter,
    IncidentId, IncidentRow, Link, Name, RefusedCode, RegisterError, Scope, ScopePart, Severity,
    Text, Transition, TransitionKind, Undo, Work,
};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::Config;

use crate::desk::*;

const AREAS: [&str; 4] = ["a", "b", "c", "unassigned"];
const SERVICES: [&str; 3] = ["x", "y", "z"];
const DEVICES: u8 = 6;
const ALL: usize = 10_000;

/// Device `d{n}` stands in the area and service that `n` says; `d0` speaks for `d1` and `d2`.
fn place(n: u8) -> (Name, Name) {
    (AREAS[usize::from(n) % 3].into(), SERVICES[usize::from(n) / 3 % 3].into())
}

fn city() -> City {
    let device = |n: u8| {
        let (area, service) = place(n);
        let id = Name::from(format!("d{n}"));
        let spec = DeviceSpec {
            id: id.clone(),
            name: Text::default(),
            kind: "camera".into(),
            service,
            area,
            lat: 0.0,
            lon: 0.0,
            properties: Vec::new(),
            cadence_s: 0,
            parent: (n == 1 || n == 2).then(|| "d0".into()),
            segment: None,
        };
        (id, spec)
    };
    City { devices: (0..DEVICES).map(device).collect(), ..City::default() }
}

fn open(desk: &Desk) -> Register {
    let parts = RegisterParts { city: Arc::new(city()), ..silent() };
    Register::open(&desk.path(), parts).expect("opens")
}

#[derive(Clone, Debug)]
enum Deed {
    /// Area, service, cause, severity, device (or about the area).
    Raise(u8, u8, u8, u8, u8),
    Clear(u8),
    Act(u8, u8),
    Hold(HoldScope),
}

fn named(names: &'static [&'static str]) -> impl Strategy<Value = Option<Name>> {
    proptest::option::of(select(names).prop_map(Name::from))
}

fn hold_scope() -> impl Strategy<Value = HoldScope> {
    let device = proptest::option::of((0..=DEVICES).prop_map(|n| Name::from(format!("d{n}"))));
    let rule = proptest::option::weighted(0.2, Just(Name::from("r1")));
    (rule, device, named(&AREAS), named(&SERVICES))
        .prop_map(|(rule, device, area, service)| HoldScope { rule, device, area, service })
        .prop_filter("names something", |s| *s != HoldScope::default())
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        8 => (0..4u8, 0..3u8, 0..3u8, 1..=5u8, 0..DEVICES + 2)
            .prop_map(|(a, s, c, severity, d)| Deed::Raise(a, s, c, severity, d)),
        2 => any::<u8>().prop_map(Deed::Clear),
        6 => (any::<u8>(), 0..12u8).prop_map(|(n, what)| Deed::Act(n, what)),
        1 => hold_scope().prop_map(Deed::Hold),
    ]
}

fn choice(names: &'static [&'static str]) -> impl Strategy<Value = Choice> {
    prop_oneof![
        1 => Just(Choice::All),
        3 => proptest::sample::subsequence(names, 0..=names.len()).prop_map(Choice::only),
    ]
}

fn scope() -> impl Strategy<Value = Scope> {
    let part = (choice(&AREAS), choice(&SERVICES))
        .prop_map(|(areas, services)| ScopePart { areas, services });
    proptest::collection::vec(part, 0..4).prop_map(Scope::of)
}

fn filter() -> impl Strategy<Value = AlertFilter> {
    let flag = || proptest::option::weighted(0.2, any::<bool>());
    let few = |s: &'static [&'static str]| proptest::option::weighted(0.2, select(s));
    const WORK: [Work; 5] =
        [Work::New, Work::Acknowledged, Work::Resolved, Work::Closed, Work::Rejected];
    (
        (any::<bool>(), flag(), flag(), proptest::option::weighted(0.2, select(&WORK[..]))),
        (few(&AREAS), few(&SERVICES), few(&["d0", "d1"]), few(&["r0", "r1"])),
        (proptest::option::weighted(0.2, 2..=5u8), proptest::option::weighted(0.2, 0..60i64)),
        (proptest::option::weighted(0.2, 0..60u64), 1..40usize),
        (few(&["hai_chau"]), proptest::bool::weighted(0.1)),
    )
        .prop_map(
            |(flags, names, (severity, minutes), (change, limit), (assignee, overdue))| {
                let (open_only, held, acknowledged, work) = flags;
                let (area, service, device, rule) = names;
                let text = |t: Option<&str>| t.map(str::to_owned);
                AlertFilter {
                    open_only,
                    held,
                    acknowledged,
                    work,
                    overdue,
                    area: text(area),
                    service: text(service),
                    device: text(device),
                    rule: text(rule),
                    assignee: text(assignee),
                    min_severity: severity.and_then(Severity::from_u8),
                    before: minutes.map(|m| (NOW.plus_ms(m * 1_000), "8".repeat(32))),
                    after_change: change,
                    limit,
                    ..AlertFilter::of(Scope::city())
                }
            },
        )
}

fn action(what: u8, into: &IncidentId) -> Action {
    let note = None;
    match what {
        0 => Action::Acknowledge { note },
        1 => Action::Assign {
            to: Assignee { kind: AssigneeKind::Agency, name: "hai_chau".into() },
            note,
        },
        2 => Action::Comment { text: "đã xem".into() },
        3 => Action::Link { link: Link { url: "/x".into(), title: "x".into() } },
        4 => Action::Shelve { until: NOW.plus_ms(6 * HOUR), reason: "sửa".into() },
        5 => Action::Unshelve { note },
        6 => Action::Start { note },
        7 => Action::Resolve { note },
        8 => Action::Close { note },
        9 => Action::Reject { reason: "giả".into() },
        10 => Action::Merge { into: into.clone() },
        _ => Action::Split { note },
    }
}

fn ask(ids: &[AlertId], action: Action, scope: &Scope) -> ActionRequest {
    let ids: Vec<&AlertId> = ids.iter().collect();
    ActionRequest { scope: scope.clone(), ..request(&ids, action, "lan") }
}

/// What people of the whole city did.
fn build(register: &Register, deeds: &[Deed]) -> Vec<AlertId> {
    let mut raised: Vec<Transition> = Vec::new();
    for (n, deed) in deeds.iter().enumerate() {
        let of = |i: u8| raised.get(usize::from(i) % raised.len().max(1)).cloned();
        match deed {
            Deed::Raise(area, service, cause, severity, device) => {
                let mut t = numbered(n as u64 + 1, 1_000 * n as i64, Severity::Minor);
                t.severity = Severity::from_u8(*severity).expect("1 to 5");
                t.area = AREAS[usize::from(*area)].into();
                t.service = SERVICES[usize::from(*service)].into();
                (t.cause, t.rule) =
                    (format!("c{cause}").as_str().into(), format!("r{cause}").as_str().into());
                if *device < DEVICES {
                    let id = Name::from(format!("d{device}"));
                    (t.entity, t.device) = (Entity::Device(id.clone()), Some(id));
                } else {
                    (t.entity, t.device) = (Entity::Area(t.area.clone()), None);
                }
                register.apply(n as u64 + 2, std::slice::from_ref(&t)).expect("applies");
                raised.push(t);
            }
            Deed::Clear(i) => {
                let Some(t) = of(*i) else { continue };
                let (position, time) = (n as u64 + 1, NOW.plus_ms(1_000 * n as i64 + 1));
                let t = Transition { position, time, kind: TransitionKind::Clear, ..t };
                register.apply(n as u64 + 2, &[t]).expect("applies");
            }
            Deed::Act(i, what) => {
                let (Some(t), Some(other)) = (of(*i), of(i / 2)) else { continue };
                let into = register.get(&other.alert, &Scope::city()).expect("is there").incident;
                let action = action(*what, &into.expect("one"));
                register.act(&ask(&[t.alert], action, &Scope::city())).expect("possible");
            }
            Deed::Hold(scope) => drop(register.hold(&hold(scope, &Scope::city())).expect("opens")),
        }
    }
    raised.into_iter().map(|t| t.alert).collect()
}

fn hold(scope: &HoldScope, within: &Scope) -> HoldRequest {
    HoldRequest {
        by: HeldBy::Maintenance,
        scope: scope.clone(),
        within: within.clone(),
        from: None,
        until: Some(NOW.plus_ms(5 * HOUR)),
        reason: "bảo trì".into(),
        actor: actor("lan", NOW.plus_ms(MINUTE)),
    }
}

/// Everything that can be read of a register.
#[derive(Debug, PartialEq)]
struct Snapshot {
    alerts: BTreeMap<String, AlertRow>,
    incidents: Vec<IncidentRow>,
    holds: Vec<Hold>,
    lines: usize,
}

fn snapshot(register: &Register) -> Snapshot {
    let all = AlertFilter { limit: ALL, ..AlertFilter::of(Scope::city()) };
    let rows = register.list(&all).expect("lists").0;
    let all = IncidentFilter { limit: ALL, ..IncidentFilter::of(Scope::city()) };
    Snapshot {
        alerts: rows.into_iter().map(|r| (r.id.0.clone(), r)).collect(),
        incidents: register.incidents(&all).expect("lists").0,
        holds: register.holds(true, &Scope::city()).expect("lists"),
        lines: register.audit_after(0, ALL).expect("reads").len(),
    }
}

fn inside(scope: &Scope, row: &AlertRow) -> bool {
    scope.allows(&row.area, &row.service)
}

/// The incident as somebody sees it who sees these alerts only.
fn counted(mut row: IncidentRow, all: &Snapshot, scope: &Scope) -> IncidentRow {
    let own = |r: &&AlertRow| r.incident.as_ref() == Some(&row.id) && inside(scope, r);
    let own: Vec<&AlertRow> = all.alerts.values().filter(own).collect();
    let count = |fits: fn(&AlertRow) -> bool| own.iter().filter(|r| fits(r)).count() as u32;
    row.alerts = own.len() as u32;
    row.open = count(AlertRow::is_open);
    row.unacknowledged = count(|r| r.is_listed() && !r.acknowledged);
    row
}

fn touches(hold: &HoldScope, scope: &Scope) -> bool {
    let fits = |area: &str, service: &str| {
        hold.part().allows(area, service) && scope.allows(area, service)
    };
    let Some(device) = &hold.device else {
        let areas = AREAS.iter().chain(&["elsewhere"]);
        let mut all = areas.flat_map(|a| SERVICES.iter().chain(&["other"]).map(move |s| (a, s)));
        return all.any(|(a, s)| fits(a, s));
    };
    let below: Vec<u8> = match &**device {
        "d0" => vec![0, 1, 2],
        // Nobody knows where it is.
        "d6" => return scope.covers(&hold.part()),
        d => vec![d[1..].parse().expect("a number")],
    };
    below.into_iter().map(place).any(|(a, s)| fits(&a, &s))
}

fn reads_what_is_inside(register: &Register, scope: &Scope, filters: &[AlertFilter]) {
    let all = snapshot(register);
    for filter in filters {
        let list = |filter: AlertFilter| register.list(&filter).expect("lists").0;
        let mut should = list(AlertFilter { limit: ALL, ..filter.clone() });
        should.retain(|r| inside(scope, r));
        should.truncate(filter.limit);
        let is = list(AlertFilter { scope: scope.clone(), ..filter.clone() });
        let ids = |rows: &[AlertRow]| rows.iter().map(|r| r.id.0.clone()).collect::<Vec<_>>();
        assert_eq!(ids(&is), ids(&should), "{filter:?}");
        assert_eq!(is, should);
        incidents(register, scope, filter, &all);
    }
    for row in all.alerts.values() {
        match register.get(&row.id, scope) {
            Ok(is) => assert!(inside(scope, row) && is == *row),
            Err(e) => assert!(!inside(scope, row) && matches!(e, RegisterError::NotFound(_))),
        }
    }
    for row in &all.incidents {
        let (_, members) = register.incident(&row.id, &Scope::city(), ALL).expect("is there");
        match register.incident(&row.id, scope, ALL) {
            Ok((is, rows)) => {
                assert!(scope.allows(&row.area, &row.service));
                assert_eq!(is, counted(row.clone(), &all, scope));
                let own: Vec<_> = members.into_iter().filter(|r| inside(scope, r)).collect();
                assert_eq!(rows, own);
            }
            Err(e) => {
                assert!(!scope.allows(&row.area, &row.service));
                assert!(matches!(e, RegisterError::NoIncident(_)));
            }
        }
    }
    let mut holds = all.holds;
    holds.retain(|h| touches(&h.scope, scope));
    assert_eq!(register.holds(true, scope).expect("lists"), holds);
}

/// All pages of a list of incidents.
fn incidents(register: &Register, scope: &Scope, f: &AlertFilter, all: &Snapshot) {
    let filter = IncidentFilter {
        open_only: f.open_only,
        area: f.area.clone(),
        service: f.service.clone(),
        min_severity: f.min_severity,
        from: f.from,
        to: f.to,
        limit: ALL,
        ..IncidentFilter::of(Scope::city())
    };
    let should = register.incidents(&filter).expect("lists").0;
    let should = should.into_iter().filter(|r| scope.allows(&r.area, &r.service));
    let should: Vec<IncidentRow> = should.map(|r| counted(r, all, scope)).collect();
    let mut is = Vec::new();
    let mut cursor = None;
    loop {
        let page = IncidentFilter { limit: 3, cursor, scope: scope.clone(), ..filter.clone() };
        let (rows, next) = register.incidents(&page).expect("lists");
        is.extend(rows);
        cursor = next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(is, should, "{filter:?}");
}

/// Every action on everything outside is answered as one on nothing, and changes nothing.
fn cannot_act_outside(register: &Register, scope: &Scope, ids: &[AlertId]) {
    let before = snapshot(register);
    let row = |id: &AlertId| &before.alerts[&id.0];
    let nothing = AlertId("f".repeat(32));
    let mut outside: Vec<AlertId> =
        ids.iter().filter(|id| !inside(scope, row(id))).cloned().collect();
    outside.push(nothing.clone());
    let foreign = |i: &&IncidentRow| !scope.allows(&i.area, &i.service);
    let into = before.incidents.iter().find(foreign).map(|i| i.id.clone());
    let into = into.unwrap_or(IncidentId("nowhere".into()));
    for what in 0..12 {
        let mut named = ask(&outside, action(what, &into), scope);
        for target in &mut named.targets {
            // Neither a right version nor a wrong one says more.
            let known = before.alerts.get(&target.alert.0).filter(|_| what % 2 == 0);
            target.version = known.map(|r| r.ver);
        }
        let outcome = register.act(&named).expect("possible");
        assert_eq!(outcome.act, 0);
        let of_nothing = outcome.results.last().expect("the last").refused.clone();
        for result in &outcome.results {
            assert_eq!((&result.row, &result.refused), (&None, &of_nothing));
        }
        assert_eq!(of_nothing.map(|r| r.code), Some(RefusedCode::NotFound));
    }
    for id in ids.iter().filter(|id| inside(scope, row(id))) {
        let merged = register.act(&ask(std::slice::from_ref(id), action(10, &into), scope));
        assert!(matches!(merged, Err(RegisterError::NoIncident(i)) if i == into));
    }
    assert_eq!(snapshot(register), before);
}

/// A request over everything does what is inside only; so does taking it back, and its repetition
/// tells of no more.
fn acts_inside_only(register: &Register, scope: &Scope, ids: &[AlertId], what: u8) {
    let before = snapshot(register);
    let row = |id: &AlertId| &before.alerts[&id.0];
    let own = before.incidents.iter().find(|i| scope.allows(&i.area, &i.service));
    let into = own.map_or(IncidentId("nowhere".into()), |i| i.id.clone());
    if what == 10 && own.is_none() {
        return;
    }
    let outcome = register.act(&ask(ids, action(what, &into), scope)).expect("possible");
    let done = snapshot(register);
    for (id, result) in ids.iter().zip(&outcome.results) {
        let found = result.refused.as_ref().is_none_or(|r| r.code != RefusedCode::NotFound);
        assert_eq!(found, inside(scope, row(id)), "{result:?}");
        if !inside(scope, row(id)) {
            assert_eq!((&done.alerts[&id.0], &result.row), (row(id), &None));
        }
    }
    // The same by somebody of the city, with a key, and then with less.
    let (city, key) = (Scope::city(), Some("k".to_owned()));
    let all = ActionRequest { key, ..ask(ids, action(2, &into), &city) };
    let first = register.act(&all).expect("possible");
    let again = ActionRequest { scope: scope.clone(), ..all };
    let again = register.act(&again).expect("possible");
    assert!(again.repeated);
    for (first, again) in first.results.iter().zip(&again.results) {
        match inside(scope, row(&first.alert)) {
            true => assert_eq!(first, again),
            false => {
                assert_eq!(again.row, None);
                let code = again.refused.as_ref().map(|r| r.code);
                assert_eq!(code, Some(RefusedCode::NotFound));
            }
        }
    }
    let commented = snapshot(register);
    let actor = actor("lan", NOW.plus_ms(MINUTE));
    let undo = Undo { act: first.act, actor, scope: scope.clone() };
    let undone = register.undo(&undo);
    if first.act == 0 {
        return assert!(undone.is_err());
    }
    let after = snapshot(register);
    for result in undone.expect("in time").results {
        let id = &result.alert.0;
        match inside(scope, row(&result.alert)) {
            true => assert_eq!(result.row.as_ref().map(|r| r.comments + 1), {
                Some(commented.alerts[id].comments)
            }),
            false => {
                assert_eq!(result.row, None);
                assert_eq!(result.refused.map(|r| r.code), Some(RefusedCode::NotFound));
                assert_eq!(after.alerts[id], commented.alerts[id]);
            }
        }
    }
}

/// A hold opens only where all of it is inside, and then holds nothing that is outside.
fn holds_inside_only(register: &Register, scope: &Scope, asked: &HoldScope) {
    let before = snapshot(register);
    for hold in &before.holds {
        let ended = register.end_hold(&hold.id, scope, &actor("lan", NOW), None);
        match (touches(&hold.scope, scope), scope.covers(&hold.scope.part())) {
            (true, true) => assert!(ended.is_ok()),
            (true, false) => assert!(matches!(ended, Err(RegisterError::BeyondScope))),
            (false, _) => assert!(matches!(ended, Err(RegisterError::NoHold(_)))),
        }
    }
    let before = snapshot(register);
    let known = asked.device.as_ref().and_then(|d| city().devices.get(d).cloned());
    let may = scope.covers(&asked.part())
        || known.is_some_and(|d| {
            let area = asked.area.clone().unwrap_or(d.area.clone());
            let service = asked.service.clone().unwrap_or(d.service.clone());
            scope.allows(&area, &service) && scope.allows(&d.area, &d.service)
        });
    match register.hold(&hold(asked, scope)) {
        Ok(opened) => {
            assert!(may && scope.covers(&opened.scope.part()), "{:?}", opened.scope);
            let after = snapshot(register);
            for (id, row) in after.alerts {
                let was = &before.alerts[&id];
                let newly = row.held.iter().any(|h| h.id == opened.id.to_string());
                assert!(inside(scope, &row) || (row == *was && !newly), "{row:?}");
            }
        }
        Err(e) => {
            assert!(matches!(e, RegisterError::BeyondScope));
            assert_eq!(snapshot(register), before);
            assert!(!may || asked.device.is_some());
        }
    }
}

proptest! {
    #![proptest_config(Config {
        cases: std::env::var("IOC_CASES").ok().map_or(60, |n| n.parse().expect("a number")),
        failure_persistence: None,
        ..Config::default()
    })]

    #[test]
    fn a_scope_is_the_whole_city_with_the_rest_left_out(
        deeds in proptest::collection::vec(deed(), 1..70),
        scopes in proptest::collection::vec(scope(), 3),
        filters in proptest::collection::vec(filter(), 12),
    ) {
        let desk = Desk::new();
        let register = open(&desk);
        let ids = build(&register, &deeds);
        for scope in &scopes {
            reads_what_is_inside(&register, scope, &filters);
            cannot_act_outside(&register, scope, &ids);
        }
    }

    #[test]
    fn only_what_is_inside_of_a_scope_can_be_changed(
        deeds in proptest::collection::vec(deed(), 1..50),
        scope in scope(),
        what in 0..12u8,
        asked in hold_scope(),
    ) {
        let desk = Desk::new();
        let register = open(&desk);
        let ids = build(&register, &deeds);
        if !ids.is_empty() {
            acts_inside_only(&register, &scope, &ids, what);
        }
        holds_inside_only(&register, &scope, &asked);
    }
}
