//! Whatever happens, the counters say what is there, and the same transitions give the same
//! incidents.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::group::incident::{Incident, outage_of, outage_rank};

/// Everything that is kept incrementally, against the rows.
pub(super) fn check(desk: &Desk) {
    let rows = desk.rows();
    let mut members: BTreeMap<&IncidentId, Vec<&AlertRow>> = BTreeMap::new();
    for row in rows.values() {
        members.entry(row.incident.as_ref().expect("has one")).or_default().push(row);
        assert!(row.is_open() || row.held.is_empty());
    }
    let kept = kept(&desk.db);
    for (id, incident) in &kept {
        let Some(members) = members.get(id) else {
            assert_eq!((incident.row.alerts, incident.row.open), (0, 0));
            assert_eq!((incident.open_by, incident.all_by), ([0; 6], [0; 6]));
            continue;
        };
        assert_eq!(facts(&incident.row), expected(members, &desk.tree), "{id}");
        let sum = |by: &[u32; 6]| by.iter().sum::<u32>();
        assert_eq!(sum(&incident.open_by), incident.row.open);
        assert_eq!(sum(&incident.all_by), incident.row.alerts);
    }
    assert!(members.keys().all(|id| kept.contains_key(*id)), "a row of an unknown incident");

    let held = rows.values().flat_map(|r| {
        let holds = r.held.iter().filter(|h| h.by != HeldBy::Shelf);
        holds.map(|h| (h.id.clone(), r.id.0.clone()))
    });
    assert_eq!(pairs(&desk.db, "SELECT hold, alert FROM held"), held.collect());
    let out = rows.values().filter_map(|r| Some((outage_of(r)?.to_string(), r.id.0.clone())));
    assert_eq!(pairs(&desk.db, "SELECT device, alert FROM outage"), out.collect());
}

type Facts = (u32, u32, u32, Severity, String, String, Timestamp, Timestamp, bool);

fn facts(row: &IncidentRow) -> Facts {
    let (root, about) = (row.root.0.clone(), format!("{} {} {}", row.area, row.service, row.cause));
    let counts = (row.alerts, row.open, row.unacknowledged);
    let times = (row.opened_at, row.last_at, row.closed_at.is_some());
    (counts.0, counts.1, counts.2, row.severity, root, about, times.0, times.1, times.2)
}

/// From the rows alone.
fn expected(members: &[&AlertRow], tree: &DeviceTree) -> Facts {
    let open: Vec<_> = members.iter().filter(|r| r.is_open()).collect();
    let unseen = members.iter().filter(|r| r.is_listed() && !r.acknowledged).count();
    let severity = open.iter().map(|r| r.severity).max();
    let severity = severity.or(members.iter().map(|r| r.severity_max).max());
    let rank = |r: &AlertRow| {
        let first = (std::cmp::Reverse(r.raised_at), std::cmp::Reverse(r.id.clone()));
        (r.is_open(), outage_rank(r, tree), r.severity_max, first)
    };
    let root = members.iter().max_by_key(|r| rank(r)).expect("not empty");
    let times = || members.iter().map(|r| r.raised_at);
    (
        members.len() as u32,
        open.len() as u32,
        unseen as u32,
        severity.expect("not empty"),
        root.id.0.clone(),
        format!("{} {} {}", root.area, root.service, root.cause),
        times().min().expect("not empty"),
        times().max().expect("not empty"),
        open.is_empty(),
    )
}

fn kept(db: &Connection) -> BTreeMap<IncidentId, Incident> {
    let mut statement = db.prepare("SELECT state FROM incident").expect("sql");
    let texts: Vec<String> =
        statement.query_map([], |r| r.get(0)).and_then(Iterator::collect).expect("reads");
    let all = texts.iter().map(|t| schema::parse::<Incident>(t).expect("an incident"));
    all.map(|i| (i.row.id.clone(), i)).collect()
}

fn pairs(db: &Connection, sql: &str) -> BTreeSet<(String, String)> {
    let mut statement = db.prepare(sql).expect("sql");
    let pairs = statement.query_map([], |r| Ok((r.get(0)?, r.get(1)?)));
    pairs.and_then(Iterator::collect).expect("reads")
}

/// Two gateways under a station, cameras below them, two devices alone.
const TREE: &[(&str, &str)] =
    &[("gw1", "station"), ("gw2", "station"), ("cam1", "gw1"), ("cam2", "gw1"), ("cam3", "gw2")];
const DEVICES: [&str; 8] = ["station", "gw1", "gw2", "cam1", "cam2", "cam3", "alone1", "alone2"];
/// Alerts of cause `seen` close when they clear.
const CAUSES: [&str; 4] = ["outage", "flood", "smoke", "seen"];

/// What happens next; numbers pick among what there is.
#[derive(Clone, Debug)]
enum Op {
    Raise { device: usize, cause: usize, severity: u8, later_s: i64 },
    Severity { alert: usize, severity: u8 },
    Clear { alert: usize },
    Acknowledge { alert: usize },
    Shelve { alert: usize },
    Close { alert: usize },
    Reject { alert: usize },
    Reopen { alert: usize },
    Merge { alerts: Vec<usize>, into: usize },
    Split { alerts: Vec<usize> },
    Hold { device: Option<usize>, minutes: i64 },
    EndHold { hold: u64 },
    Due { minutes: i64 },
}

fn transition() -> impl Strategy<Value = Op> {
    let raise = (0..DEVICES.len(), 0..CAUSES.len(), 1..6u8, 0..900i64);
    prop_oneof![
        5 => raise.prop_map(|(device, cause, severity, later_s)| {
            Op::Raise { device, cause, severity, later_s }
        }),
        1 => (any::<usize>(), 1..6u8).prop_map(|(alert, severity)| Op::Severity { alert, severity }),
        3 => any::<usize>().prop_map(|alert| Op::Clear { alert }),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let alert = any::<usize>;
    let alerts = || prop::collection::vec(any::<usize>(), 1..5);
    prop_oneof![
        8 => transition(),
        1 => alert().prop_map(|alert| Op::Acknowledge { alert }),
        1 => alert().prop_map(|alert| Op::Shelve { alert }),
        2 => alert().prop_map(|alert| Op::Close { alert }),
        1 => alert().prop_map(|alert| Op::Reject { alert }),
        1 => alert().prop_map(|alert| Op::Reopen { alert }),
        2 => (alerts(), alert()).prop_map(|(alerts, into)| Op::Merge { alerts, into }),
        1 => alerts().prop_map(|alerts| Op::Split { alerts }),
        1 => (prop::option::of(0..DEVICES.len()), 1..200i64)
            .prop_map(|(device, minutes)| Op::Hold { device, minutes }),
        1 => (1..6u64).prop_map(|hold| Op::EndHold { hold }),
        1 => (0..60i64).prop_map(|minutes| Op::Due { minutes }),
    ]
}

/// The transitions of a run, and when it is.
#[derive(Default)]
struct Journal {
    raised: Vec<Transition>,
    now_ms: i64,
}

impl Journal {
    fn now(&self) -> Timestamp {
        Timestamp(T0 + self.now_ms)
    }

    fn pick(&self, n: usize) -> Option<&Transition> {
        (!self.raised.is_empty()).then(|| &self.raised[n % self.raised.len()])
    }

    fn transition(&mut self, op: &Op) -> Option<Transition> {
        match *op {
            Op::Raise { device, cause, severity, later_s } => {
                self.now_ms += later_s * 1_000 + 1;
                let t = raise(DEVICES[device], CAUSES[cause], self.now());
                let t = with(t, Severity::from_u8(severity).expect("1 to 5"));
                self.raised.push(t.clone());
                Some(t)
            }
            Op::Severity { alert, severity } => self.pick(alert).map(|t| {
                let severity = Severity::from_u8(severity).expect("1 to 5");
                Transition { kind: TransitionKind::Severity, severity, ..clear(t, self.now()) }
            }),
            Op::Clear { alert } => self.pick(alert).map(|t| clear(t, self.now())),
            _ => None,
        }
    }
}

fn ended(row: &mut AlertRow, work: Work) {
    row.work = work;
    row.held.clear();
}

fn run(desk: &mut Desk, journal: &mut Journal, op: &Op) {
    if let Some(t) = journal.transition(op) {
        desk.apply(&[t]);
        return;
    }
    let now = journal.now();
    let id = |n: &usize| journal.pick(*n).map(|t| t.alert.clone());
    let ids = |all: &[usize]| all.iter().filter_map(id).collect::<BTreeSet<_>>();
    match op {
        Op::Acknowledge { alert } => id(alert).into_iter().for_each(|id| {
            desk.set(&id, |row| row.acknowledged = true);
        }),
        Op::Shelve { alert } => id(alert).into_iter().for_each(|id| {
            desk.set(&id, |row| {
                if row.is_open() && !row.is_held(HeldBy::Shelf) {
                    let (who, reason) = ("lan".into(), "nhiễu".into());
                    let shelf = HeldBy::Shelf;
                    row.held.push(ioc_model::Held {
                        by: shelf,
                        id: "".into(),
                        until: None,
                        who,
                        reason,
                    });
                }
            });
        }),
        Op::Close { alert } => id(alert).into_iter().for_each(|id| {
            desk.set(&id, |row| {
                row.condition = Condition::Returned;
                ended(row, Work::Closed);
            });
        }),
        Op::Reject { alert } => id(alert).into_iter().for_each(|id| {
            desk.set(&id, |row| ended(row, Work::Rejected));
        }),
        Op::Reopen { alert } => id(alert).into_iter().for_each(|id| {
            let tree = desk.tree.clone();
            desk.write(|w| {
                let before = w.row(&id.0);
                let mut row = AlertRow { work: Work::New, ..before.clone() };
                hold::on_raise(w.tx, &mut row, &tree, now).expect("looks");
                w.write(Some(&before), row);
            });
        }),
        Op::Merge { alerts, into } => {
            let all = desk.incidents();
            if !all.is_empty() {
                let ids = ids(alerts);
                let ids: Vec<&AlertId> = ids.iter().collect();
                desk.merge(&ids, &all[into % all.len()].id);
            }
        }
        Op::Split { alerts } => {
            let ids = ids(alerts);
            let ids: Vec<&AlertId> = ids.iter().collect();
            if !ids.is_empty() {
                desk.split(&ids);
            }
        }
        Op::Hold { device, minutes } => {
            let scope = HoldScope {
                device: device.map(|d| DEVICES[d].into()),
                area: device.is_none().then(|| "hai-chau".into()),
                ..HoldScope::default()
            };
            desk.open_hold(&window(scope, None, now.plus_ms(minutes * 60_000)), now);
        }
        Op::EndHold { hold } => {
            let known = hold::list(&desk.db, true).expect("lists");
            if known.iter().any(|h| h.id.0 == *hold) {
                desk.end_hold(HoldId(*hold), now);
            }
        }
        Op::Due { minutes } => {
            journal.now_ms += minutes * 60_000;
            let now = journal.now();
            desk.due(now);
        }
        Op::Raise { .. } | Op::Severity { .. } | Op::Clear { .. } => {}
    }
}

/// Nothing is held by what is over, and nothing is free that something covers.
fn check_holds(desk: &Desk, now: Timestamp) {
    let running = hold::list(&desk.db, false).expect("lists");
    for row in desk.rows().values().filter(|r| r.is_open()) {
        for held in row.held.iter().filter(|h| h.by != HeldBy::Shelf) {
            let (is_parent, id) = (held.by == HeldBy::Parent, held.id.as_str());
            let outage = desk.rows().get(id).is_some_and(|r| outage_of(r).is_some());
            assert!(is_parent == outage, "{held:?}");
            assert!(is_parent || running.iter().any(|h| h.id.to_string() == id), "{held:?}");
        }
        let Entity::Device(device) = &row.entity else { continue };
        let covered = running.iter().any(|h| {
            h.from <= now && h.scope.device.as_ref().is_none_or(|d| desk.tree.is_within(device, d))
        });
        let windows = row.is_held(HeldBy::Maintenance);
        assert_eq!(windows, covered, "{}", row.id);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn counters_equal_a_recount_whatever_happens(ops in prop::collection::vec(op(), 1..60)) {
        let mut desk = Desk::new(TREE);
        let mut journal = Journal::default();
        for op in &ops {
            run(&mut desk, &mut journal, op);
            check(&desk);
        }
        desk.due(journal.now());
        check(&desk);
        check_holds(&desk, journal.now());
    }

    /// In one call or in many, killed in the middle and applied again, or all twice.
    #[test]
    fn the_same_transitions_give_the_same_incidents(
        ops in prop::collection::vec(transition(), 1..60),
        cuts in prop::collection::vec((1..12usize, prop::option::of(0..12usize)), 60),
    ) {
        let mut journal = Journal::default();
        let all: Vec<Transition> = ops.iter().filter_map(|op| journal.transition(op)).collect();
        let mut one_by_one = Desk::new(TREE);
        for t in &all {
            one_by_one.apply(std::slice::from_ref(t));
        }
        let mut in_calls = Desk::new(TREE);
        let mut rest = &all[..];
        for (length, crash) in cuts {
            let call = &rest[..length.min(rest.len())];
            if let Some(crash) = crash.filter(|c| *c < call.len()) {
                assert!(in_calls.apply_until(call, crash).is_none());
            }
            in_calls.apply(call);
            rest = &rest[call.len()..];
        }
        in_calls.apply(rest);
        // The number of a version counts the calls.
        let incidents = |desk: &Desk| {
            let mut kept = kept(&desk.db);
            kept.values_mut().for_each(|i| i.row.ver = 0);
            kept.retain(|_, i| i.row.alerts > 0);
            kept
        };
        prop_assert_eq!(incidents(&one_by_one), incidents(&in_calls));
        prop_assert_eq!(one_by_one.rows(), in_calls.rows());
        prop_assert_eq!(format!("{:?}", one_by_one.flood), format!("{:?}", in_calls.flood));
        check(&in_calls);

        let (before, rows) = (kept(&in_calls.db), in_calls.rows());
        let raises: Vec<Transition> =
            all.iter().filter(|t| t.kind == TransitionKind::Raise).cloned().collect();
        prop_assert!(in_calls.apply(&raises).is_empty());
        prop_assert_eq!(before, kept(&in_calls.db));
        prop_assert_eq!(rows, in_calls.rows());
    }
}
