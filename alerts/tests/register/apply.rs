//! What the rules found, exactly once.

use ioc_alerts::{Archive, Found};
use ioc_model::{
    Action, AlertFilter, AlertId, AlertStore, Condition, Scope, Severity, Timestamp, Transition,
    TransitionKind, Work,
};

use crate::desk::*;

#[test]
fn replay_after_a_crash_changes_nothing() {
    use TransitionKind::{Clear, Raise, Severity as Step};
    let desk = Desk::new();
    let all = [
        transition(10, 1_000, Raise, Severity::Minor),
        transition(11, 1_000, Step, Severity::Critical),
        transition(12, 1_000, Clear, Severity::Critical),
        transition(13, 5_000, Raise, Severity::Minor),
    ];
    let register = desk.open();
    register.apply(12, &all[..2]).expect("applies");
    drop(register);
    let register = desk.open();
    assert_eq!(register.cursor().expect("reads"), 12);
    register.apply(20, &all).expect("applies");
    register.apply(20, &all).expect("applies again");
    let (rows, newest) =
        register.list(&AlertFilter { limit: 10, ..AlertFilter::of(Scope::city()) }).expect("lists");
    assert_eq!(rows.len(), 2);
    assert_eq!(newest, 4, "four transitions, four changes");
    assert_eq!(rows[1].condition, Condition::Returned);
    assert_eq!(rows[1].severity_max, Severity::Critical);
    assert_eq!(rows[1].message.vi, "v12");
    let changes: Vec<u64> = desk.rows().iter().map(|r| r.change).collect();
    assert_eq!(changes, [1, 2, 3, 4]);
    let actions: Vec<String> =
        register.audit(&rows[1].id).expect("reads").into_iter().map(|a| a.action).collect();
    assert_eq!(actions, ["raise", "severity", "clear"]);
}

#[test]
fn the_open_list_keeps_returned_alerts_until_they_are_acknowledged() {
    let desk = Desk::new();
    let register = desk.open();
    let raise = transition(1, 1_000, TransitionKind::Raise, Severity::Major);
    let clear = transition(2, 1_000, TransitionKind::Clear, Severity::Major);
    register.apply(3, &[raise.clone(), clear]).expect("applies");
    let open = AlertFilter { open_only: true, limit: 10, ..AlertFilter::of(Scope::city()) };
    assert_eq!(register.list(&open).expect("lists").0.len(), 1);
    done(&register, &raise.alert, acknowledge());
    assert!(register.list(&open).expect("lists").0.is_empty());
}

#[test]
fn a_changed_rule_judging_old_entries_anew_raises_what_was_never_raised() {
    use TransitionKind::{Raise, Severity as Step};
    let desk = Desk::new();
    let register = desk.open();
    // The register has applied up to 200; the checkpoint of the rules lies at 100.
    let known = [
        transition(150, 1_000, Raise, Severity::Minor),
        transition(160, 1_000, Step, Severity::Critical),
        transition(170, 1_000, Step, Severity::Minor),
    ];
    register.apply(200, &known).expect("applies");
    // After the crash another rule, new to the register, raises at a position below 200.
    let mut other = transition(120, 5_000, Raise, Severity::Major);
    other.alert = AlertId("f".repeat(32));
    let replayed: Vec<_> = std::iter::once(other).chain(known).collect();
    let changed = register.apply(200, &replayed).expect("applies");
    assert_eq!(changed.alerts.len(), 1, "only what was never applied changes anything");
    assert_eq!(changed.alerts[0].id.0, "f".repeat(32));
}

#[test]
fn two_changes_of_one_alert_by_one_entry_are_both_applied() {
    use TransitionKind::{Raise, Severity as Step};
    let desk = Desk::new();
    let register = desk.open();
    // A timer that was due raises, then the reading of the same entry escalates.
    let both = [
        transition(10, 1_000, Raise, Severity::Minor),
        transition(10, 1_000, Step, Severity::Critical),
    ];
    assert_eq!(register.apply(11, &both).expect("applies").alerts.len(), 2);
    assert!(register.apply(11, &both).expect("applies again").alerts.is_empty());
}

fn with_evidence(mut t: Transition) -> Transition {
    t.evidence.reading(&"river-cam-le".into(), &"water_level".into(), 990, 2.5);
    t.evidence.timer("for", 400, 1_000);
    t.evidence.limit = Some(ioc_model::EvidenceLimit {
        comparison: "> 2".into(),
        threshold: Some("flood.bd2".into()),
        source: Some("Quyết định 05/2020/QĐ-TTg".into()),
        effective: Some("2020-03-18".into()),
    });
    t
}

#[test]
fn each_transition_keeps_its_evidence_limit_and_message() {
    use TransitionKind::{Clear, Raise};
    let desk = Desk::new();
    let register = desk.open();
    let raise = with_evidence(transition(1, 1_000, Raise, Severity::Major));
    let clear = transition(2, 1_000, Clear, Severity::Major);
    register.apply(3, &[raise.clone(), clear.clone()]).expect("applies");
    done(&register, &raise.alert, acknowledge());
    let audit = register.audit(&raise.alert).expect("reads");
    assert_eq!(audit[0].evidence.as_ref(), Some(&raise.evidence));
    assert_eq!(audit[0].message.as_ref(), Some(&raise.message));
    assert_eq!((audit[0].limit, audit[0].value), (Some(2.0), Some(2.5)));
    assert_eq!((&audit[1].evidence, audit[1].message.as_ref()), (&None, Some(&clear.message)));
    assert_eq!((&audit[2].evidence, &audit[2].message, audit[2].limit), (&None, &None, None));
}

#[test]
fn an_archive_reads_while_the_register_writes_and_finds_by_the_first_digits() {
    use TransitionKind::Raise;
    let desk = Desk::new();
    let register = desk.open();
    let all: Vec<Transition> =
        (0..200).map(|i| transition(i, 1_000 * i as i64, Raise, Severity::Minor)).collect();
    register.apply(50, &all[..50]).expect("applies");
    let archive = Archive::open(&desk.path()).expect("opens");
    register.apply(200, &all[50..]).expect("applies while it is being read");
    let id = &all[199].alert;
    let found = archive.find(&id.0.to_uppercase()).expect("reads");
    assert!(matches!(&found, Found::One(row) if row.id == *id), "{found:?}");
    let found = archive.find(&id.0[..12]).expect("reads");
    assert!(matches!(&found, Found::One(row) if row.id == *id), "{found:?}");
    for bad in ["", "abc", "zzzz", "%%%%", "0000000000000000"] {
        assert_eq!(archive.find(bad).expect("reads"), Found::None, "{bad}");
    }
}

#[test]
fn worse_than_ever_asks_for_a_new_acknowledgement_and_falling_does_not() {
    use TransitionKind::Severity as Step;
    let desk = Desk::new();
    let register = desk.open();
    let row = raise(&register, 0, Severity::Major);
    let row = done(&register, &row.id, Action::Acknowledge { note: None });
    assert_eq!(row.work, Work::Acknowledged);
    let steps = [
        transition(5, 0, Step, Severity::Minor),
        // As bad as before is not worse.
        transition(6, 0, Step, Severity::Major),
    ];
    register.apply(7, &steps).expect("applies");
    assert!(register.get(&row.id, &Scope::city()).expect("is there").acknowledged);
    register.apply(8, &[transition(7, 0, Step, Severity::Critical)]).expect("applies");
    let row = register.get(&row.id, &Scope::city()).expect("is there");
    assert_eq!((row.acknowledged, row.work, row.acknowledged_by), (false, Work::New, None));
    // The clocks are those of the worse class, from then on: 5 min and 4 h.
    assert_eq!(row.ack_due, Some(row.changed_at.plus_ms(5 * MINUTE)));
    assert_eq!(row.resolve_due, Some(row.changed_at.plus_ms(4 * HOUR)));
}

#[test]
fn a_severity_that_is_the_present_one_is_told_all_the_same() {
    let desk = Desk::new();
    let register = desk.open();
    let row = raise(&register, 0, Severity::Major);
    let same = transition(5, 0, TransitionKind::Severity, Severity::Major);
    register.apply(6, &[same]).expect("applies");
    assert_eq!(actions(&register, &row.id), ["raise", "severity"]);
    assert_eq!(register.get(&row.id, &Scope::city()).expect("is there").ver, row.ver + 1);
}

#[test]
fn what_is_seen_closes_with_its_return_and_a_latch_waits_for_somebody() {
    use TransitionKind::{Clear, Raise};
    let desk = Desk::new();
    let register = desk.open();
    let seen = raise(&register, 0, Severity::Major);
    done(&register, &seen.id, acknowledge());
    let seen = clear(&register, &seen);
    assert_eq!((seen.work, seen.closed_at), (Work::Closed, seen.cleared_at));
    let mut latched = transition(20, HOUR, Raise, Severity::Major);
    latched.latched = true;
    let back = transition(21, HOUR, Clear, Severity::Major);
    register.apply(22, &[latched.clone(), back]).expect("applies");
    let row = done(&register, &latched.alert, acknowledge());
    assert_eq!((row.work, row.closed_at), (Work::Acknowledged, None));
    let row = done(&register, &latched.alert, Action::Resolve { note: None });
    assert_eq!(row.work, Work::Resolved);
}

#[test]
fn a_rejected_alert_that_gets_worse_is_open_again() {
    let desk = Desk::new();
    let register = desk.open();
    let row = raise(&register, 0, Severity::Minor);
    let row = done(&register, &row.id, Action::Reject { reason: "mưa trên ống kính".into() });
    assert!(!row.is_open() && row.closed_at.is_some() && row.resolved_at.is_some());
    let worse = transition(5, 0, TransitionKind::Severity, Severity::Critical);
    register.apply(6, &[worse]).expect("applies");
    let row = register.get(&row.id, &Scope::city()).expect("is there");
    assert_eq!((row.work, row.closed_at, row.resolved_at), (Work::New, None, None));
    assert_eq!(
        list(&register, AlertFilter { open_only: true, ..AlertFilter::of(Scope::city()) }).len(),
        1
    );
}

#[test]
fn every_raise_has_an_incident_and_its_counters_follow() {
    let desk = Desk::new();
    let register = desk.open();
    let first = raise(&register, 0, Severity::Minor);
    let second = transition(20, MINUTE, TransitionKind::Raise, Severity::Major);
    register.apply(21, std::slice::from_ref(&second)).expect("applies");
    let incident = first.incident.expect("an incident");
    let (row, alerts) = register.incident(&incident, &Scope::city(), 10).expect("is there");
    assert_eq!((row.alerts, row.open, row.unacknowledged, alerts.len()), (2, 2, 2, 2));
    done(&register, &second.alert, acknowledge());
    let (row, _) = register.incident(&incident, &Scope::city(), 10).expect("is there");
    assert_eq!((row.open, row.unacknowledged), (2, 1));
    let heard = desk.heard.lock().expect("no panic");
    let last = heard.last().and_then(|c| c.incidents.last()).expect("the listener heard of it");
    assert_eq!(last, &row);
}

#[test]
fn a_failed_listener_is_not_the_next_ones_trouble() {
    let desk = Desk::new();
    let register = std::sync::Arc::new(
        ioc_alerts::Register::open(
            &desk.path(),
            parts(std::sync::Arc::new(|c| {
                let first = c.alerts.iter().all(|row| row.severity != Severity::Info);
                assert!(first, "the listener fails");
            })),
        )
        .expect("opens"),
    );
    let other = std::sync::Arc::clone(&register);
    let failed = std::thread::spawn(move || {
        raise(&other, 0, Severity::Info);
    })
    .join();
    assert!(failed.is_err());
    raise(&register, HOUR, Severity::Major);
    let rows = list(&register, AlertFilter::of(Scope::city()));
    assert_eq!(rows.len(), 2, "what was committed before the listener failed is kept");
    assert_eq!(rows[0].raised_at, Timestamp(NOW.0 + HOUR + 1));
}
