use ioc_model::RegisterError;

use super::*;
use crate::group::hold::{ROWS, RUNNING};

fn device(id: &str) -> HoldScope {
    HoldScope { device: Some(id.into()), ..HoldScope::default() }
}

#[test]
fn a_window_holds_what_is_open_and_what_comes_and_lets_go_at_its_end() {
    let mut desk = Desk::new(&[("cam", "gw")]);
    let (below, beside) = (raise("cam", "smoke", min(0)), raise("x", "smoke", min(0)));
    desk.apply(&[below.clone(), beside.clone()]);
    let hold = desk.open_hold(&window(device("gw"), None, min(60)), min(1));
    assert_eq!((hold.id, hold.from, &*hold.who), (HoldId(1), min(1), "lan"));
    let row = desk.row(&below);
    assert_eq!((row.held[0].by, &*row.held[0].id), (HeldBy::Maintenance, "1"));
    assert_eq!(row.held[0].until, Some(min(60)));
    assert!(desk.row(&beside).is_listed());
    let area = raise_of(Entity::Area("hai-chau".into()), "smoke", min(2));
    let area = Transition { device: Some("cam".into()), ..area };
    let new = raise("gw", "battery", min(2));
    desk.apply(&[new.clone(), area.clone()]);
    assert!(!desk.row(&new).is_listed());
    assert!(desk.row(&area).is_listed(), "it is about the ward, not about the device");
    assert_eq!(desk.due(min(59)), [0]);
    assert_eq!(desk.due(min(60)), [2]);
    assert_eq!(desk.listed(), 4);
    assert_eq!(hold::list(&desk.db, false).expect("lists"), []);
    assert_eq!(hold::list(&desk.db, true).expect("lists"), [hold]);
    property::check(&desk);
}

#[test]
fn a_planned_window_begins_by_itself() {
    let mut desk = Desk::new(&[]);
    let open = raise("cam", "smoke", min(0));
    desk.apply(std::slice::from_ref(&open));
    desk.open_hold(&window(device("cam"), Some(min(10)), min(60)), min(1));
    let before = raise("cam", "heat", min(9));
    desk.apply(std::slice::from_ref(&before));
    assert_eq!(desk.listed(), 2);
    // Raised within it before the timer comes round: held at once.
    let within = raise("cam", "dust", min(10));
    desk.apply(std::slice::from_ref(&within));
    assert!(!desk.row(&within).is_listed());
    assert_eq!(desk.due(min(10)), [2]);
    assert_eq!(desk.listed(), 0);
}

#[test]
fn every_field_of_a_scope_must_fit() {
    let base = raise("cam", "smoke", min(0));
    let scope = HoldScope {
        rule: Some("smoke.rule".into()),
        device: Some("cam".into()),
        area: Some("hai-chau".into()),
        service: Some("cameras".into()),
    };
    let others = [
        Transition { rule: "other".into(), ..base.clone() },
        Transition { entity: Entity::Device("cam2".into()), device: None, ..base.clone() },
        Transition { area: "son-tra".into(), ..base.clone() },
        Transition { service: "river".into(), ..base.clone() },
    ];
    for (n, other) in others.into_iter().enumerate() {
        let other = Transition { alert: AlertId(format!("{n:032x}")), ..other };
        // What was open before it, and what is raised in it.
        for first in [true, false] {
            let mut desk = Desk::new(&[]);
            let alerts = [base.clone(), other.clone()];
            if first {
                desk.apply(&alerts);
            }
            desk.open_hold(&window(scope.clone(), None, min(60)), min(0));
            desk.apply(&alerts);
            assert!(!desk.row(&base).is_listed(), "{n} {first}");
            assert!(desk.row(&other).is_listed(), "{n} {first}");
        }
    }
}

#[test]
fn an_alert_is_listed_when_the_last_of_several_holds_ends() {
    let mut desk = Desk::new(&[("cam", "gw")]);
    let all = HoldScope { area: Some("hai-chau".into()), ..HoldScope::default() };
    let first = desk.open_hold(&window(device("cam"), None, min(60)), min(0)).id;
    let second = desk.open_hold(&window(all, None, min(60)), min(0)).id;
    let out = raise("gw", "outage", min(1));
    let alert = raise("cam", "outage", min(1));
    desk.apply(&[out.clone(), alert.clone()]);
    assert_eq!(desk.row(&alert).held.len(), 3);
    desk.end_hold(first, min(2));
    desk.end_hold(second, min(3));
    assert_eq!(desk.row(&alert).held.len(), 1);
    desk.apply(&[clear(&out, min(4))]);
    assert!(desk.row(&alert).is_listed());
    property::check(&desk);
}

/// An alert writes down eight windows at most; it stays held as long as any covers it.
#[test]
fn many_windows_over_one_alert_are_not_all_written_down() {
    let mut desk = Desk::new(&[]);
    let alert = raise("cam", "smoke", min(0));
    desk.apply(std::slice::from_ref(&alert));
    let ids: Vec<HoldId> =
        (0..20).map(|_| desk.open_hold(&window(device("cam"), None, min(60)), min(0)).id).collect();
    assert_eq!(desk.row(&alert).held.len(), 8);
    for id in &ids[..19] {
        desk.end_hold(*id, min(1));
        assert!(!desk.row(&alert).is_listed());
    }
    desk.end_hold(ids[19], min(1));
    assert!(desk.row(&alert).is_listed());
}

#[test]
fn a_hold_over_many_alerts_is_worked_off_in_pieces() {
    let mut desk = Desk::new(&[]);
    let all: Vec<Transition> =
        (0..1_200).map(|n| raise(&format!("d{n}"), "smoke", min(0))).collect();
    desk.apply(&all);
    let request = HoldRequest {
        by: HeldBy::OutOfService,
        until: None,
        ..window(
            HoldScope { service: Some("cameras".into()), ..HoldScope::default() },
            None,
            min(1),
        )
    };
    let id = desk.write(|w| {
        let (hold, changed) = hold::open(w.tx, &request, w.tree, min(0)).expect("opens");
        assert_eq!((changed.rows.len(), changed.more), (ROWS, true));
        w.changed(changed);
        hold.id
    });
    assert_eq!(desk.due(min(0)), [500, 200]);
    assert_eq!(desk.listed(), 0);
    desk.write(|w| {
        let (hold, changed) = hold::end(w.tx, &id, (&lan(min(5)), None), w.tree).expect("ends");
        assert_eq!((changed.rows.len(), changed.more), (ROWS, true));
        assert_eq!(hold.ended, Some((min(5), "lan".into())));
        w.changed(changed);
    });
    // Closed before its turn: nothing to release.
    let waiting = all.iter().find(|t| !desk.row(t).is_listed()).expect("700 wait").clone();
    desk.close(&waiting);
    assert_eq!(desk.due(min(5)).iter().sum::<usize>(), 699);
    assert_eq!(desk.listed(), 1_199);
    property::check(&desk);
}

/// The outage of a large network is more than one call's rows, and may end before all are held.
#[test]
fn an_outage_that_ends_before_all_below_it_are_held_releases_them() {
    let names: Vec<String> = (0..1_200).map(|n| format!("cam{n}")).collect();
    let parents: Vec<(&str, &str)> = names.iter().map(|n| (&**n, "gw")).collect();
    let mut desk = Desk::new(&parents);
    let silent: Vec<_> = names.iter().map(|n| raise(n, "outage", min(0))).collect();
    desk.apply(&silent);
    let out = raise("gw", "outage", min(3));
    desk.apply(std::slice::from_ref(&out));
    assert_eq!(desk.listed(), 1_200 - ROWS + 1);
    desk.apply(&[clear(&out, min(4))]);
    desk.due(min(4));
    assert_eq!(desk.listed(), 1_201);
    property::check(&desk);
}

#[test]
fn what_is_no_hold_is_refused_with_the_reason() {
    let mut desk = Desk::new(&[]);
    let good = window(device("cam"), None, min(60));
    let day = 24 * 60;
    let bad = [
        HoldRequest { by: HeldBy::Parent, ..good.clone() },
        HoldRequest { by: HeldBy::Shelf, ..good.clone() },
        HoldRequest { scope: HoldScope::default(), ..good.clone() },
        HoldRequest { scope: device(" "), ..good.clone() },
        HoldRequest { scope: device(&"x".repeat(201)), ..good.clone() },
        HoldRequest { reason: "  ".into(), ..good.clone() },
        HoldRequest { reason: "x".repeat(2_001), ..good.clone() },
        HoldRequest { until: None, ..good.clone() },
        HoldRequest { until: Some(min(1)), ..good.clone() },
        HoldRequest { until: Some(min(1 + 90 * day + 1)), ..good.clone() },
        HoldRequest { from: Some(min(70)), ..good.clone() },
        HoldRequest { from: Some(min(366 * day + 2)), until: Some(min(367 * day)), ..good.clone() },
    ];
    desk.write(|w| {
        for request in &bad {
            let refused = hold::open(w.tx, request, w.tree, min(1));
            assert!(matches!(refused, Err(RegisterError::Bad(_))), "{request:?}");
        }
        let edge = HoldRequest { until: Some(min(1 + 90 * day)), ..good.clone() };
        hold::open(w.tx, &edge, w.tree, min(1)).expect("90 days are allowed");
        let nobody = hold::end(w.tx, &HoldId(9), (&lan(min(1)), None), w.tree);
        assert!(matches!(nobody, Err(RegisterError::NoHold(HoldId(9)))));
        for _ in 1..RUNNING {
            hold::open(w.tx, &good, w.tree, min(1)).expect("there is room");
        }
        let full = hold::open(w.tx, &good, w.tree, min(1));
        assert!(matches!(full, Err(RegisterError::Bad(_))));
    });
}

#[test]
fn who_ends_a_hold_second_sees_who_was_first() {
    let mut desk = Desk::new(&[]);
    let id = desk.open_hold(&window(device("cam"), None, min(60)), min(0)).id;
    desk.end_hold(id, min(1));
    let again = desk.end_hold(id, min(2));
    assert_eq!(again.ended, Some((min(1), "lan".into())));
}

/// Event time lies behind wall time: the window began in between.
#[test]
fn an_alert_raised_before_a_window_and_heard_of_in_it_is_held() {
    let mut desk = Desk::new(&[]);
    desk.open_hold(&window(device("cam"), None, min(60)), min(5));
    let late = raise("cam", "smoke", min(4));
    desk.apply(std::slice::from_ref(&late));
    assert!(!desk.row(&late).is_listed());
}
