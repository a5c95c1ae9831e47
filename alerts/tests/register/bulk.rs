//! Requests about many alerts, their repetition, and a crash in between.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ioc_alerts::Register;
use ioc_model::{
    Action, ActionRequest, AlertId, AlertStore, RegisterError, Scope, Severity, Timestamp,
    Transition, Work,
};

use crate::desk::*;

fn raised(register: &Register, n: u64) -> Vec<AlertId> {
    let raises: Vec<Transition> =
        (0..n).map(|i| numbered(i, i as i64 * MINUTE, Severity::Minor)).collect();
    register.apply(n, &raises).expect("applies");
    raises.into_iter().map(|t| t.alert).collect()
}

fn all(ids: &[AlertId], action: Action, key: Option<&str>) -> ActionRequest {
    let ids: Vec<&AlertId> = ids.iter().collect();
    let key = key.map(str::to_owned);
    ActionRequest { key, ..request(&ids, action, "lan") }
}

#[test]
fn each_alert_has_its_own_result_in_the_order_of_the_request() {
    let desk = Desk::new();
    let register = desk.open();
    let ids = raised(&register, 3);
    done(&register, &ids[1], acknowledge());
    let none = AlertId("f".repeat(32));
    let asked = [ids[2].clone(), ids[1].clone(), none, ids[2].clone(), ids[0].clone()];
    let outcome = register.act(&all(&asked, acknowledge(), None)).expect("possible");
    let want = [None, Some("already_done"), Some("not_found"), None, None];
    assert_eq!(refusals(&outcome), want);
    let alerts: Vec<_> = outcome.results.iter().map(|r| &r.alert).collect();
    assert_eq!(alerts, asked.iter().collect::<Vec<_>>());
    assert_eq!(outcome.results[0], outcome.results[3], "named twice, done once");
    assert_eq!(actions(&register, &ids[2]), ["raise", "acknowledge"]);
}

/// The answer was lost, and it is asked again when the shelf is over already.
#[test]
fn a_shelving_that_is_repeated_late_is_answered_as_it_was() {
    let desk = Desk::new();
    let register = desk.open();
    let ids = raised(&register, 1);
    let shelve = Action::Shelve { until: NOW.plus_ms(HOUR), reason: "pump works".into() };
    let asked = all(&ids, shelve.clone(), Some("k1"));
    let first = register.act(&asked).expect("possible");
    let late = ActionRequest { actor: actor("lan", NOW.plus_ms(2 * HOUR)), ..asked.clone() };
    let second = register.act(&late).expect("known");
    assert_eq!((second.repeated, second.results), (true, first.results));
    let anew = ActionRequest { key: Some("k2".into()), ..late };
    assert!(register.act(&anew).is_err(), "a shelf in the past is refused");
}

#[test]
fn a_repeated_key_gives_the_same_results_and_does_nothing() {
    let desk = Desk::new();
    let register = desk.open();
    let ids = raised(&register, 600);
    done(&register, &ids[7], acknowledge());
    let asked = all(&ids, acknowledge(), Some("k1"));
    let first = register.act(&asked).expect("possible");
    assert!(!first.repeated);
    // What changed meanwhile is not in the answer: it is the answer of then.
    done(&register, &ids[3], Action::Comment { text: "x".into() });
    let mut later = asked.clone();
    later.actor.at = asked.actor.at.plus_ms(HOUR);
    let second = register.act(&later).expect("possible");
    assert!(second.repeated);
    assert_eq!(second.results, first.results);
    assert_eq!((second.act, second.undo_until), (first.act, first.undo_until));
    assert_eq!(actions(&register, &ids[0]), ["raise", "acknowledge"]);
    for other in [
        all(&ids[..1], acknowledge(), Some("k1")),
        all(&ids, Action::Acknowledge { note: None }, Some("k1")),
    ] {
        assert!(matches!(register.act(&other), Err(RegisterError::KeyReused(_))));
    }
    // Nobody is told which keys others use.
    let others = ActionRequest { actor: actor("minh", NOW), ..asked.clone() };
    let others = register.act(&others).expect("a key of their own");
    assert!(!others.repeated && others.act == 0, "done already, by lan");
    drop(register);
    let again = desk.open().act(&asked).expect("possible");
    assert_eq!((again.repeated, again.results), (true, first.results), "also after a restart");
}

#[test]
fn a_key_is_forgotten_after_a_day() {
    let desk = Desk::new();
    let register = desk.open();
    let ids = raised(&register, 2);
    let asked = all(&ids[..1], acknowledge(), Some("k1"));
    register.act(&asked).expect("possible");
    let other = all(&ids[1..], acknowledge(), Some("k1"));
    register.tick(asked.actor.at.plus_ms(23 * HOUR)).expect("ticks");
    assert!(matches!(register.act(&other), Err(RegisterError::KeyReused(_))));
    register.tick(asked.actor.at.plus_ms(24 * HOUR + 1)).expect("ticks");
    assert_eq!(refusals(&register.act(&other).expect("a new request")), [None]);
}

#[test]
fn requests_without_a_key_are_forgotten_after_a_minute_and_a_large_one_in_pieces() {
    let desk = Desk::new();
    let register = desk.open();
    let ids = raised(&register, 2_500);
    let all = register.act(&all(&ids, acknowledge(), None)).expect("possible");
    let db = rusqlite::Connection::open(desk.path()).expect("opens");
    let count = |table: &str| -> i64 {
        let sql = format!("SELECT count(*) FROM {table}");
        db.query_row(&sql, [], |r| r.get(0)).expect("counts")
    };
    assert_eq!((count("act"), count("act_row")), (1, 2_500));
    register.tick(NOW.plus_ms(MINUTE + 60_000)).expect("ticks");
    assert_eq!(count("act_row"), 2_500, "not yet");
    for left in [1_500, 500, 0] {
        register.tick(NOW.plus_ms(MINUTE + 60_001)).expect("ticks");
        assert_eq!(count("act_row"), left);
    }
    assert_eq!(count("act"), 0);
    let undo = ioc_model::Undo { act: all.act, actor: actor("lan", NOW), scope: Scope::city() };
    assert!(matches!(register.undo(&undo), Err(RegisterError::CannotUndo(_))));
}

/// A listener that keeps the files as they are after each of the first commits that change many
/// alerts: what a crash at that moment leaves.
fn crash_images(desk: &Desk) -> Register {
    let (from, images) = (desk.path(), desk.dir.path().to_owned());
    let taken = AtomicUsize::new(0);
    let listener: ioc_alerts::Listener = Arc::new(move |changes| {
        if changes.alerts.iter().all(|row| row.work == Work::Acknowledged) {
            let n = taken.fetch_add(1, Ordering::Relaxed);
            copy(&from, &images.join(format!("crash-{n}.sqlite")));
        }
    });
    Register::open(&desk.path(), parts(listener)).expect("opens")
}

fn copy(from: &Path, to: &Path) {
    for end in ["", "-wal"] {
        let path = |p: &Path| format!("{}{end}", p.display());
        std::fs::copy(path(from), path(to)).expect("copies");
    }
}

#[test]
fn after_a_crash_in_between_the_same_key_goes_on_where_it_stopped() {
    let desk = Desk::new();
    let register = crash_images(&desk);
    let ids = raised(&register, 1_100);
    let mut asked = all(&ids, acknowledge(), Some("night"));
    let whole = register.act(&asked).expect("possible");
    let mut crashes = 0;
    for n in 0.. {
        let path = desk.dir.path().join(format!("crash-{n}.sqlite"));
        if !path.exists() {
            break;
        }
        crashes += 1;
        let register = Register::open(&path, silent()).expect("opens what the crash left");
        let seen = |id: &AlertId| register.get(id, &Scope::city()).expect("is there").acknowledged;
        let before = ids.iter().filter(|id| seen(id)).count();
        // Whole rows: each with its line, none without.
        for id in &ids {
            let lines = actions(&register, id).len();
            assert_eq!(lines, if seen(id) { 2 } else { 1 });
        }
        asked.actor.at = NOW.plus_ms(HOUR);
        let rest = register.act(&asked).expect("goes on");
        assert_eq!(rest.repeated, before == ids.len());
        assert!(refusals(&rest).iter().all(Option::is_none));
        assert_eq!(rest.results[..before], whole.results[..before], "what was done is told again");
        assert!(ids.iter().all(|id| actions(&register, id) == ["raise", "acknowledge"]));
        assert!(register.act(&asked).expect("possible").repeated);
    }
    assert!(crashes >= 3, "{crashes} transactions of {} alerts", ids.len());
}

#[test]
fn two_that_send_the_same_at_once_share_one_request() {
    let desk = Desk::new();
    let register = desk.open();
    let ids = raised(&register, 1_500);
    let asked = all(&ids, acknowledge(), Some("double click"));
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let send = || scope.spawn(|| register.act(&asked).expect("possible"));
        let both = [send(), send()];
        both.into_iter().map(|t| t.join().expect("no panic")).collect()
    });
    assert_eq!(outcomes[0].results, outcomes[1].results);
    assert_eq!(outcomes[0].act, outcomes[1].act);
    assert!(refusals(&outcomes[0]).iter().all(Option::is_none));
    assert!(ids.iter().all(|id| actions(&register, id) == ["raise", "acknowledge"]));
}

#[test]
fn two_operators_at_once_each_get_a_clear_answer_for_every_alert() {
    let desk = Desk::new();
    let register = desk.open();
    let ids = raised(&register, 900);
    let ask = |user: &str| ActionRequest {
        actor: actor(user, Timestamp(NOW.0 + MINUTE)),
        ..all(&ids, acknowledge(), None)
    };
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let send = |user: &'static str| {
            let ask = ask(user);
            let register = &register;
            scope.spawn(move || register.act(&ask).expect("possible"))
        };
        let both = [send("lan"), send("minh")];
        both.into_iter().map(|t| t.join().expect("no panic")).collect()
    });
    for (a, b) in outcomes[0].results.iter().zip(&outcomes[1].results) {
        let won = [a, b].iter().filter(|r| r.refused.is_none()).count();
        assert_eq!(won, 1, "exactly one of them acknowledged {}", a.alert);
        let lost = a.refused.as_ref().or(b.refused.as_ref()).expect("one lost");
        let winner = a.row.as_ref().and_then(|r| r.acknowledged_by.clone());
        assert_eq!(lost.by, winner, "and the other hears who");
    }
}

#[test]
fn the_rules_are_heard_between_the_parts_of_a_large_request() {
    let desk = Desk::new();
    let register = desk.open();
    let ids = raised(&register, 7_500);
    let commits = || desk.heard.lock().expect("no panic").len();
    let mut waited = Vec::new();
    std::thread::scope(|scope| {
        let bulk = scope.spawn(|| register.act(&all(&ids, acknowledge(), None)).expect("possible"));
        // As soon as the request has begun, rules raise.
        while commits() < 2 {
            std::thread::yield_now();
        }
        for n in 0.. {
            let mut t = numbered(9_999_000 + n, HOUR, Severity::Emergency);
            t.position = 8_000 + n;
            let asked = commits();
            register.apply(t.position + 1, &[t]).expect("applies");
            waited.push(commits() - asked);
            if bulk.is_finished() {
                break;
            }
        }
        bulk.join().expect("no panic");
    });
    // Many parts: a raise gets in between, mostly after the part that is running.
    waited.sort_unstable();
    assert!(waited.len() >= 10, "{waited:?}");
    assert!(waited[waited.len() / 2] <= 3, "{waited:?}");
    let rows = desk.rows();
    assert!(rows.windows(2).all(|w| w[0].change + 1 == w[1].change), "in order, without gaps");
}
