//! One action of a person on one alert.

use ioc_model::{
    Action, AlarmState, AlertFilter, AlertId, AlertStore, Assignee, AssigneeKind, Link,
    RefusedCode, RegisterError, Scope, Severity, Target, Work,
};

use crate::desk::*;

fn assign(name: &str) -> Action {
    let to = Assignee { kind: AssigneeKind::Agency, name: name.into() };
    Action::Assign { to, note: Some("ngập sâu".into()) }
}

fn link(url: &str) -> Action {
    Action::Link { link: Link { url: url.into(), title: "Camera".into() } }
}

fn shelve(ms: i64) -> Action {
    Action::Shelve { until: NOW.plus_ms(MINUTE + ms), reason: "đang bảo trì".into() }
}

#[test]
fn the_work_goes_from_new_to_closed_and_every_step_is_in_the_log() {
    let desk = Desk::new();
    let register = desk.open();
    let raised = raise(&register, 0, Severity::Major);
    let id = &raised.id;
    let row = done(&register, id, acknowledge());
    assert_eq!(row.acknowledged_by.as_deref(), Some("lan"));
    assert_eq!((row.note.as_deref(), row.state), (Some("đã báo phường"), AlarmState::Acked));
    let row = done(&register, id, assign("Phường Cẩm Lệ"));
    assert_eq!((row.work, row.assignee.is_some()), (Work::Assigned, true));
    assert_eq!(done(&register, id, Action::Start { note: None }).work, Work::InProgress);
    done(&register, id, Action::Comment { text: "đã tới nơi".into() });
    let row = done(&register, id, link("https://camera.example/1"));
    assert_eq!((row.comments, row.links.len()), (1, 1));
    let row = done(&register, id, Action::Resolve { note: None });
    assert_eq!((row.work, row.resolved_at), (Work::Resolved, Some(NOW.plus_ms(MINUTE))));
    let still = refused(&register, id, Action::Close { note: None });
    assert_eq!(still.code, RefusedCode::StillActive);
    clear(&register, &raised);
    let row = done(&register, id, Action::Close { note: Some("xong".into()) });
    assert_eq!((row.work, row.closed_at), (Work::Closed, Some(NOW.plus_ms(MINUTE))));
    assert_eq!(row.state, AlarmState::Norm);
    let log = register.audit(id).expect("reads");
    let words: Vec<&str> = log.iter().map(|l| l.action.as_str()).collect();
    let want =
        ["raise", "acknowledge", "assign", "start", "comment", "link", "resolve", "clear", "close"];
    assert_eq!(words, want);
    assert_eq!(log[4].note.as_deref(), Some("đã tới nơi"));
    assert_eq!((log[1].actor.as_str(), log[1].origin.as_deref()), ("lan", Some("10.0.0.7")));
    assert!(log[2].detail.as_deref().is_some_and(|d| d.contains("Phường Cẩm Lệ")));
    assert_eq!(log[0].origin, None);
}

#[test]
fn acknowledging_twice_tells_who_was_first() {
    let desk = Desk::new();
    let register = desk.open();
    let row = raise(&register, 0, Severity::Major);
    done(&register, &row.id, acknowledge());
    let late = register.act(&request(&[&row.id], acknowledge(), "minh")).expect("possible");
    let why = late.results[0].refused.as_ref().expect("refused");
    assert_eq!((why.code, why.by.as_deref()), (RefusedCode::AlreadyDone, Some("lan")));
    assert_eq!(why.at, Some(NOW.plus_ms(MINUTE)));
    assert_eq!(late.act, 0, "nothing to take back");
    let none = refused(&register, &AlertId("0".into()), acknowledge());
    assert_eq!(none.code, RefusedCode::NotFound);
    assert_eq!(actions(&register, &row.id), ["raise", "acknowledge"], "no line for a refusal");
}

#[test]
fn a_named_version_that_is_old_is_a_conflict_and_tells_who_changed_it() {
    let desk = Desk::new();
    let register = desk.open();
    let row = raise(&register, 0, Severity::Major);
    let mut old = request(&[&row.id], Action::Start { note: None }, "minh");
    old.targets = vec![Target { alert: row.id.clone(), version: Some(row.ver) }];
    done(&register, &row.id, Action::Comment { text: "xem camera 3".into() });
    let late = register.act(&old).expect("possible");
    let why = late.results[0].refused.as_ref().expect("refused");
    assert_eq!((why.code, why.by.as_deref()), (RefusedCode::Conflict, Some("lan")));
    let now = late.results[0].row.as_ref().expect("the row as it stands");
    assert_eq!((now.ver, now.work), (row.ver + 1, Work::New));
    old.targets[0].version = Some(now.ver);
    assert_eq!(refusals(&register.act(&old).expect("possible")), [None]);
}

#[test]
fn a_shelf_needs_a_reason_and_an_end_within_the_maximum() {
    let desk = Desk::new();
    let register = desk.open();
    let row = raise(&register, 0, Severity::Major);
    let no_reason = Action::Shelve { until: NOW.plus_ms(HOUR), reason: "  ".into() };
    assert!(bad(&register, no_reason).contains("reason"));
    assert!(bad(&register, shelve(0)).contains("after now"));
    assert!(bad(&register, shelve(12 * HOUR + 1)).contains("720 min"));
    let shelved = done(&register, &row.id, shelve(12 * HOUR));
    assert_eq!((shelved.state, shelved.held.len()), (AlarmState::Shlvd, 1));
    let listed =
        AlertFilter { open_only: true, held: Some(false), ..AlertFilter::of(Scope::city()) };
    assert!(list(&register, listed.clone()).is_empty());
    // Again: another time, still one shelf.
    let again = done(&register, &row.id, shelve(HOUR));
    assert_eq!((again.held.len(), again.held[0].until), (1, Some(NOW.plus_ms(MINUTE + HOUR))));
    let back = done(&register, &row.id, Action::Unshelve { note: None });
    assert_eq!((back.state, back.held.len()), (AlarmState::Unack, 0));
    assert_eq!(list(&register, listed).len(), 1);
    let twice = refused(&register, &row.id, Action::Unshelve { note: None });
    assert_eq!(twice.code, RefusedCode::AlreadyDone);
}

#[test]
fn what_cannot_be_is_refused_as_a_whole() {
    let desk = Desk::new();
    let register = desk.open();
    let row = raise(&register, 0, Severity::Major);
    bad(&register, Action::Reject { reason: String::new() });
    bad(&register, Action::Comment { text: "ệ".repeat(2_001) });
    bad(&register, link("javascript:alert(1)"));
    bad(&register, assign(" "));
    let nowhere = Action::Merge { into: ioc_model::IncidentId("none".into()) };
    let nowhere = register.act(&request(&[&row.id], nowhere, "lan"));
    assert!(matches!(nowhere, Err(RegisterError::NoIncident(_))), "{nowhere:?}");
    let mut keyed = request(&[&row.id], acknowledge(), "lan");
    keyed.key = Some("k\n1".into());
    assert!(matches!(register.act(&keyed), Err(RegisterError::Bad(_))));
    assert!(matches!(
        register.act(&request(&[], acknowledge(), "lan")),
        Err(RegisterError::Bad(_))
    ));
    let many = vec![&row.id; 10_001];
    assert!(register.act(&request(&many, acknowledge(), "lan")).is_err());
    assert_eq!(register.get(&row.id, &Scope::city()).expect("is there"), row, "nothing happened");
}

#[test]
fn an_alert_takes_fifty_links() {
    let desk = Desk::new();
    let register = desk.open();
    let row = raise(&register, 0, Severity::Major);
    for n in 0..50 {
        done(&register, &row.id, link(&format!("/history?n={n}")));
    }
    let full = refused(&register, &row.id, link("/one-more"));
    assert_eq!(full.code, RefusedCode::NotAllowed);
}

#[test]
fn split_and_merge_move_alerts_between_incidents() {
    let desk = Desk::new();
    let register = desk.open();
    let raises: Vec<_> = (0..3)
        .map(|n| transition(n, n as i64 * 1_000, ioc_model::TransitionKind::Raise, Severity::Minor))
        .collect();
    register.apply(3, &raises).expect("applies");
    let old =
        register.get(&raises[0].alert, &Scope::city()).expect("is there").incident.expect("one");
    let both = [&raises[1].alert, &raises[2].alert];
    let split = register.act(&request(&both, Action::Split { note: None }, "lan")).expect("ok");
    let own = |n: usize| split.results[n].row.as_ref().and_then(|r| r.incident.clone());
    assert!(own(0).is_some() && own(0) == own(1) && own(0) != Some(old.clone()));
    assert_eq!(register.incident(&old, &Scope::city(), 10).expect("is there").0.alerts, 1);
    let back = Action::Merge { into: old.clone() };
    let merged = register.act(&request(&both, back.clone(), "lan")).expect("ok");
    assert_eq!(refusals(&merged), [None, None]);
    assert_eq!(register.incident(&old, &Scope::city(), 10).expect("is there").0.alerts, 3);
    let again = register.act(&request(&both, back, "lan")).expect("ok");
    assert_eq!(refusals(&again), [Some("already_done"), Some("already_done")]);
}

#[test]
fn what_is_allowed_is_what_works() {
    let desk = Desk::new();
    let register = desk.open();
    let row = raise(&register, 0, Severity::Major);
    let allowed = register.allowed(&row);
    assert!(allowed.contains(&"acknowledge") && !allowed.contains(&"close"), "{allowed:?}");
    let closed = done(&register, &clear(&register, &row).id, acknowledge());
    let allowed = register.allowed(&closed);
    assert!(!allowed.contains(&"acknowledge") && allowed.contains(&"comment"), "{allowed:?}");
}
