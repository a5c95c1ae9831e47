//! What happens by itself.

use ioc_alerts::Register;
use ioc_model::{
    Action, AlertFilter, AlertRow, AlertStore, HeldBy, HoldRequest, HoldScope, Scope, Severity,
    Timestamp, Transition, TransitionKind, Work,
};

use crate::desk::*;

/// Ticks whenever something is due until `end`; returns what happened when.
fn run(register: &Register, end: Timestamp) -> Vec<(i64, String)> {
    let mut log = Vec::new();
    let after = |seq| register.audit_after(seq, 10_000).expect("reads");
    let mut seq = after(0).last().map_or(0, |l| l.seq);
    while let Some(due) = register.next_due().expect("reads").filter(|t| *t <= end) {
        register.tick(due).expect("ticks");
        for line in after(seq) {
            seq = line.seq;
            log.push((line.at.since_ms(NOW) / MINUTE, line.action));
        }
    }
    log
}

fn words(log: &[(i64, String)]) -> Vec<(i64, &str)> {
    log.iter().map(|(at, word)| (*at, word.as_str())).collect()
}

#[test]
fn nobody_acknowledges_an_emergency_and_the_chain_is_told_step_by_step() {
    let desk = Desk::new();
    let register = desk.open();
    let row = raise(&register, 0, Severity::Emergency);
    let log = run(&register, NOW.plus_ms(48 * HOUR));
    let want = [(5, "overdue"), (5, "escalate"), (15, "escalate")];
    assert_eq!(words(&log), want, "and then nothing more");
    let row = register.get(&row.id, &Scope::city()).expect("is there");
    assert_eq!((row.overdue, row.escalated), (true, 2));
    let details: Vec<_> =
        register.audit(&row.id).expect("reads").into_iter().filter_map(|l| l.detail).collect();
    assert!(details[0].contains("acknowledge"), "{details:?}");
    assert!(details[1].contains("shift-lead") && details[2].contains("duty-officer"));
    assert_eq!(register.next_due().expect("reads"), None);
    assert_eq!(
        list(&register, AlertFilter { overdue: true, ..AlertFilter::of(Scope::city()) }).len(),
        1
    );
}

#[test]
fn a_tick_twice_at_the_same_time_does_nothing_twice() {
    let desk = Desk::new();
    let register = desk.open();
    let row = raise(&register, 0, Severity::Emergency);
    let now = NOW.plus_ms(HOUR);
    // Three things are due at once, each is told.
    assert_eq!(register.tick(now).expect("ticks").alerts.len(), 3);
    assert!(register.tick(now).expect("ticks").alerts.is_empty());
    assert_eq!(actions(&register, &row.id), ["raise", "overdue", "escalate", "escalate"]);
    drop(register);
    assert!(desk.open().tick(now).expect("ticks").alerts.is_empty(), "also after a restart");
}

#[test]
fn acknowledged_in_time_only_the_time_to_resolve_counts() {
    let desk = Desk::new();
    let register = desk.open();
    let row = raise(&register, 0, Severity::Critical);
    done(&register, &row.id, acknowledge());
    assert_eq!(words(&run(&register, NOW.plus_ms(48 * HOUR))), [(240, "overdue")]);
    let row = done(&register, &row.id, Action::Resolve { note: None });
    assert!(row.overdue, "the mark stays for the figures");
}

/// Acknowledged as a critical one and two hours later an emergency: nobody is late yet.
#[test]
fn what_gets_worse_after_it_was_acknowledged_has_its_time_again() {
    let desk = Desk::new();
    let register = desk.open();
    let row = raise(&register, 0, Severity::Critical);
    done(&register, &row.id, acknowledge());
    let mut worse = transition(5, 0, TransitionKind::Severity, Severity::Emergency);
    worse.time = NOW.plus_ms(2 * HOUR);
    register.apply(6, &[worse]).expect("applies");
    let log = run(&register, NOW.plus_ms(3 * HOUR));
    assert_eq!(words(&log), [(125, "overdue"), (125, "escalate"), (135, "escalate")]);
}

#[test]
fn a_shelf_ends_by_itself() {
    let desk = Desk::new();
    let register = desk.open();
    let row = raise(&register, 0, Severity::Minor);
    let until = NOW.plus_ms(30 * MINUTE);
    done(&register, &row.id, Action::Shelve { until, reason: "sửa chữa".into() });
    assert_eq!(register.next_due().expect("reads"), Some(until));
    assert!(register.tick(until.plus_ms(-1)).expect("ticks").alerts.is_empty());
    let changes = register.tick(until).expect("ticks");
    assert!(changes.alerts[0].held.is_empty());
    let last = register.audit(&row.id).expect("reads").pop().expect("a line");
    assert_eq!((last.action.as_str(), last.actor.as_str()), ("shelf_expired", "system"));
    assert_eq!(desk.rows().last(), changes.alerts.last(), "the listener heard of it");
}

#[test]
fn a_seen_alert_counts_less_after_a_day_but_not_less_than_the_class_says() {
    let desk = Desk::new();
    let register = desk.open();
    let row = raise(&register, 0, Severity::Major);
    done(&register, &row.id, acknowledge());
    let log = run(&register, NOW.plus_ms(30 * 24 * HOUR));
    assert_eq!(words(&log), [(24 * 60 + 1, "deescalate")]);
    let row = register.get(&row.id, &Scope::city()).expect("is there");
    assert_eq!((row.severity, row.severity_max), (Severity::Minor, Severity::Major));
    assert!(row.acknowledged);
}

#[test]
fn resolved_and_returned_is_closed_after_a_while() {
    let desk = Desk::new();
    let register = desk.open();
    let row = raise(&register, 0, Severity::Minor);
    done(&register, &row.id, Action::Resolve { note: None });
    assert_eq!(register.next_due().expect("reads"), None, "not while the condition holds");
    clear(&register, &row);
    let log = run(&register, NOW.plus_ms(48 * HOUR));
    assert_eq!(words(&log), [(24 * 60 + 1, "auto_close")]);
    let row = register.get(&row.id, &Scope::city()).expect("is there");
    assert_eq!((row.work, row.closed_at), (Work::Closed, Some(NOW.plus_ms(24 * HOUR + MINUTE))));
}

fn window(register: &Register, from: i64, until: i64) -> ioc_model::Hold {
    let request = HoldRequest {
        by: HeldBy::Maintenance,
        scope: HoldScope { service: Some("river".into()), ..HoldScope::default() },
        from: Some(NOW.plus_ms(from)),
        until: Some(NOW.plus_ms(until)),
        reason: "thay cảm biến".into(),
        actor: actor("hoa", NOW),
        within: Scope::city(),
    };
    register.hold(&request).expect("opens")
}

#[test]
fn a_window_holds_what_is_open_and_lets_it_go_at_its_end() {
    let desk = Desk::new();
    let register = desk.open();
    let row = raise(&register, 0, Severity::Minor);
    window(&register, HOUR, 2 * HOUR);
    let log = run(&register, NOW.plus_ms(3 * HOUR));
    assert_eq!(words(&log), [(60, "suppress"), (120, "unsuppress")]);
    assert!(register.get(&row.id, &Scope::city()).expect("is there").held.is_empty());
    assert_eq!(register.holds(true, &Scope::city()).expect("reads").len(), 1);
    let first = register.audit_after(0, 10).expect("reads");
    let opened = first.iter().find(|l| l.alert.0.is_empty()).expect("the hold is in the log");
    assert_eq!((opened.action.as_str(), opened.actor.as_str()), ("hold", "hoa"));
}

#[test]
fn a_window_over_many_alerts_is_worked_off_in_pieces_and_can_be_ended() {
    let desk = Desk::new();
    let register = desk.open();
    let raises: Vec<Transition> =
        (0..1_300).map(|n| numbered(n, n as i64 * 1_000, Severity::Minor)).collect();
    register.apply(1_300, &raises).expect("applies");
    let hold = window(&register, 0, 5 * HOUR);
    let held = || {
        list(
            &register,
            AlertFilter { held: Some(true), limit: 5_000, ..AlertFilter::of(Scope::city()) },
        )
    };
    assert!((1..1_300).contains(&held().len()), "{}", held().len());
    assert!(register.next_due().expect("reads").is_some_and(|t| t <= NOW), "there is more");
    register.tick(NOW).expect("ticks");
    assert_eq!(held().len(), 1_300);
    register
        .end_hold(&hold.id, &Scope::city(), &actor("hoa", NOW.plus_ms(HOUR)), Some("xong"))
        .expect("ends");
    register.tick(NOW.plus_ms(HOUR)).expect("ticks");
    assert!(held().is_empty());
    let lines = register.audit(&raises[77].alert).expect("reads");
    let words: Vec<_> = lines.iter().map(|l| l.action.as_str()).collect();
    assert_eq!(words, ["raise", "suppress", "unsuppress"]);
}

#[test]
fn ten_thousand_due_at_once_are_done_in_bounded_calls() {
    let desk = Desk::new();
    let register = desk.open();
    let raises: Vec<Transition> = (0..6_000).map(|n| numbered(n, 0, Severity::Critical)).collect();
    register.apply(6_000, &raises).expect("applies");
    let now = NOW.plus_ms(6 * MINUTE);
    let first = register.tick(now).expect("ticks").alerts;
    assert!((10_000..10_500).contains(&first.len()), "{}", first.len());
    let rest = register.tick(now).expect("ticks").alerts.len();
    assert_eq!(first.len() + rest, 12_000, "overdue and the first step of each");
    let longest = desk.heard.lock().expect("no panic").iter().skip(1).map(|c| c.alerts.len()).max();
    assert!(longest.is_some_and(|n| n <= 500), "{longest:?} in one transaction");
    let worst = |rows: &[AlertRow]| rows.iter().all(|r| r.overdue);
    assert!(worst(&first));
}

#[test]
fn another_policy_at_the_next_start_is_another_time() {
    let desk = Desk::new();
    let row = raise(&desk.open(), 0, Severity::Minor);
    assert_eq!(desk.open().next_due().expect("reads"), None);
    done(&desk.open(), &row.id, acknowledge());
    let text = "
shelving: { max: 12h }
auto_close: 24h
incidents: { gap: 30m }
flood: { raised: 10, within: 10m, ends_below: 5 }
working_time: { days: [mon], hours: [\"07:30-11:30\"] }
classes:
  - { id: all, name: { vi: a, en: a }, severities: [], deescalate: { after: 2h, to: info } }
";
    let parts = ioc_alerts::RegisterParts { policy: policy(text).into(), ..silent() };
    let register = Register::open(&desk.path(), parts).expect("opens");
    assert_eq!(register.next_due().expect("reads"), Some(NOW.plus_ms(MINUTE + 2 * HOUR)));
}
