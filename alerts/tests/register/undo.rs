//! Taking a request back.

use ioc_model::{
    Action, ActionOutcome, AlertFilter, AlertId, AlertRow, AlertStore, Assignee, AssigneeKind,
    HeldBy, HoldRequest, HoldScope, Link, RegisterError, Scope, Severity, TransitionKind, Undo,
};

use crate::desk::*;

fn act(register: &ioc_alerts::Register, ids: &[&AlertId], action: Action) -> ActionOutcome {
    register.act(&request(ids, action, "lan")).expect("possible")
}

fn undo(act: &ActionOutcome, user: &str, after_ms: i64) -> Undo {
    Undo { act: act.act, actor: actor(user, NOW.plus_ms(MINUTE + after_ms)), scope: Scope::city() }
}

/// All but the numbers, which go on.
fn content(row: &AlertRow) -> AlertRow {
    AlertRow { ver: 0, change: 0, ..row.clone() }
}

#[test]
fn every_action_can_be_taken_back_and_leaves_the_alert_as_it_was() {
    let desk = Desk::new();
    let register = desk.open();
    let mut raised = raise(&register, 0, Severity::Major);
    let mut other = transition(1, 10 * HOUR, TransitionKind::Raise, Severity::Minor);
    other.cause = "outage".into();
    register.apply(2, std::slice::from_ref(&other)).expect("applies");
    let into = register.get(&other.alert, &Scope::city()).expect("is there").incident.expect("one");
    let of_old = raised.incident.clone().expect("one");
    let actions_of = |cleared: bool| {
        let to = Assignee { kind: AssigneeKind::Person, name: "hoa".into() };
        let link = Link { url: "/x".into(), title: "x".into() };
        let mut all = vec![
            acknowledge(),
            Action::Assign { to, note: None },
            Action::Comment { text: "x".into() },
            Action::Link { link },
            Action::Shelve { until: NOW.plus_ms(HOUR), reason: "x".into() },
            Action::Start { note: None },
            Action::Resolve { note: None },
            Action::Reject { reason: "x".into() },
            Action::Merge { into: into.clone() },
            Action::Split { note: None },
        ];
        if cleared {
            all.push(Action::Close { note: None });
        }
        all
    };
    for cleared in [false, true] {
        if cleared {
            raised = clear(&register, &raised);
        }
        for action in actions_of(cleared) {
            let before = register.incident(&of_old, &Scope::city(), 10).expect("is there").0;
            let done = act(&register, &[&raised.id], action.clone());
            assert_eq!(done.undo_until, NOW.plus_ms(MINUTE + 10_000));
            assert_eq!(refusals(&done), [None], "{action:?}");
            let back = register.undo(&undo(&done, "lan", 10_000)).expect("in time");
            let row = back.results[0].row.as_ref().expect("the row");
            assert_eq!(content(row), content(&raised), "{action:?}");
            assert_eq!(&register.get(&raised.id, &Scope::city()).expect("is there"), row);
            let after = register.incident(&of_old, &Scope::city(), 10).expect("is there").0;
            let counts = |i: &ioc_model::IncidentRow| (i.alerts, i.open, i.unacknowledged);
            assert_eq!(counts(&after), counts(&before), "{action:?}");
            let log = register.audit(&raised.id).expect("reads");
            let last = log.last().expect("a line");
            assert_eq!((last.action.as_str(), last.actor.as_str()), ("undo", "lan"));
            let detail = last.detail.as_deref().expect("which request");
            assert!(detail.contains(action.kind().as_str()), "{detail}");
        }
    }
}

#[test]
fn only_who_did_it_only_within_ten_seconds_and_only_once() {
    let desk = Desk::new();
    let register = desk.open();
    let row = raise(&register, 0, Severity::Major);
    let done = act(&register, &[&row.id], acknowledge());
    let cannot = |undo: &Undo, why: &str| match register.undo(undo) {
        Err(RegisterError::CannotUndo(text)) => assert!(text.contains(why), "{text}"),
        other => unreachable!("expected a refusal, got {other:?}"),
    };
    cannot(&undo(&done, "minh", 0), "only who did it");
    cannot(&undo(&done, "lan", 10_001), "10 s");
    cannot(
        &Undo { act: done.act + 1, actor: actor("lan", NOW), scope: Scope::city() },
        "no such request",
    );
    register.undo(&undo(&done, "lan", 10_000)).expect("in time");
    cannot(&undo(&done, "lan", 10_000), "already");
    assert_eq!(actions(&register, &row.id), ["raise", "acknowledge", "undo"]);
}

#[test]
fn what_changed_since_stays_as_it_is_and_the_others_go_back() {
    let desk = Desk::new();
    let register = desk.open();
    let raises: Vec<_> =
        (0..700).map(|n| numbered(n, n as i64 * MINUTE, Severity::Minor)).collect();
    register.apply(700, &raises).expect("applies");
    let ids: Vec<&AlertId> = raises.iter().map(|t| &t.alert).collect();
    let all = act(&register, &ids, acknowledge());
    // The rule finds one worse, and somebody comments on another.
    let mut worse = raises[3].clone();
    (worse.kind, worse.severity, worse.position) = (TransitionKind::Severity, Severity::Major, 800);
    register.apply(801, &[worse]).expect("applies");
    let comment = Action::Comment { text: "x".into() };
    register.act(&request(&[ids[650]], comment, "minh")).expect("possible");
    let back = register.undo(&undo(&all, "lan", 5_000)).expect("in time");
    assert_eq!(back.results.len(), 700);
    for (n, result) in back.results.iter().enumerate() {
        let row = result.row.as_ref().expect("the row");
        match n {
            3 => {
                let why = result.refused.as_ref().expect("refused");
                assert_eq!(why.code.as_str(), "changed_since");
                assert_eq!(why.by.as_deref(), Some("rule:flood-level"));
                assert_eq!(row.severity, Severity::Major, "what the rule found survives");
            }
            650 => {
                let why = result.refused.as_ref().expect("refused");
                assert_eq!(why.by.as_deref(), Some("minh"));
                assert!(row.acknowledged && row.comments == 1);
            }
            _ => {
                assert_eq!(result.refused, None);
                assert!(!row.acknowledged);
            }
        }
    }
}

#[test]
fn a_hold_that_began_while_the_alert_was_rejected_holds_it_when_it_is_taken_back() {
    let desk = Desk::new();
    let register = desk.open();
    let row = raise(&register, 0, Severity::Major);
    let done = act(&register, &[&row.id], Action::Reject { reason: "nhầm".into() });
    let window = HoldRequest {
        by: HeldBy::Maintenance,
        scope: HoldScope { service: Some("river".into()), ..HoldScope::default() },
        from: None,
        until: Some(NOW.plus_ms(HOUR)),
        reason: "thay cảm biến".into(),
        actor: actor("hoa", NOW.plus_ms(MINUTE + 1_000)),
        within: Scope::city(),
    };
    register.hold(&window).expect("opens");
    let back = register.undo(&undo(&done, "lan", 5_000)).expect("in time");
    let row = back.results[0].row.as_ref().expect("the row");
    assert!(row.is_open() && row.is_held(HeldBy::Maintenance), "{:?}", row.held);
    let listed =
        AlertFilter { open_only: true, held: Some(false), ..AlertFilter::of(Scope::city()) };
    assert!(list(&register, listed).is_empty());
}
