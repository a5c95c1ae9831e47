//! Acts that are about no alert, in the audit log.

use ioc_alerts::{AuditFilter, AuditLog, verify};
use ioc_model::RegisterError;

use crate::desk::*;

#[test]
fn an_act_about_no_alert_is_a_line_of_the_chain_with_its_reason_and_detail() {
    let desk = Desk::new();
    let register = desk.open();
    let who = actor("lan", NOW);
    let words = (Some("accident report 12"), Some(r#"{"row":7}"#));
    register.note_act("personal_viewed", &who, words).expect("written");
    register.note_act("data_exported", &who, (None, None)).expect("written");
    let bad = register.note_act("personal_viewed", &who, (None, Some("{")));
    assert!(matches!(bad, Err(RegisterError::Bad(_))), "{bad:?}");
    let nobody = actor("", NOW);
    assert!(register.note_act("personal_viewed", &nobody, (None, None)).is_err());
    drop(register);
    let lines = AuditLog::open(&desk.path()).expect("opens");
    let lines = lines.newest(&AuditFilter::default(), 9).expect("reads");
    assert_eq!(lines.len(), 2, "{lines:?}");
    let line = &lines[0];
    assert_eq!((&*line.action, &*line.actor, &*line.alert.0), ("personal_viewed", "lan", ""));
    assert_eq!(line.note.as_deref(), Some("accident report 12"));
    assert_eq!(line.detail.as_deref(), Some(r#"{"row":7}"#));
    let report = verify(&desk.path(), None, &mut |_, _| {}).expect("readable");
    assert_eq!((report.lines, report.first_bad), (2, None));
}

/// Accounts, sessions and refusals (issue 7).
const PEOPLE: [&str; 17] = [
    "signed_in",
    "sign_in_failed",
    "signed_out",
    "sessions_ended",
    "password_changed",
    "totp_set",
    "totp_removed",
    "person_added",
    "person_removed",
    "grants_changed",
    "person_disabled",
    "person_enabled",
    "token_issued",
    "token_revoked",
    "wall_issued",
    "wall_revoked",
    "denied",
];

#[test]
fn what_people_did_to_accounts_is_shown_and_a_changed_word_is_found() {
    let desk = Desk::new();
    let register = desk.open();
    for (n, action) in PEOPLE.iter().enumerate() {
        let detail = serde_json::json!({ "of": "lan", "count": n }).to_string();
        let who = actor("quản trị", NOW.plus_ms(n as i64));
        register.note_act(action, &who, (None, Some(&detail))).expect("written");
    }
    drop(register);
    let log = AuditLog::open(&desk.path()).expect("opens");
    let lines = log.newest(&AuditFilter::default(), 100).expect("reads");
    assert_eq!(lines.iter().map(|l| &*l.action).collect::<Vec<_>>(), PEOPLE);
    for (n, line) in lines.iter().enumerate() {
        let detail = format!(r#"{{"count":{n},"of":"lan"}}"#);
        assert_eq!((line.detail.as_deref(), &*line.actor), (Some(&*detail), "quản trị"));
    }
    let found = || verify(&desk.path(), None, &mut |_, _| {}).expect("readable");
    assert_eq!((found().lines, found().first_bad), (PEOPLE.len() as u64, None));
    let db = rusqlite::Connection::open(desk.path()).expect("opens");
    db.execute("UPDATE audit SET action = 'signed_in' WHERE action = 'denied'", []).expect("done");
    assert_eq!(found().first_bad.map(|b| b.seq), Some(PEOPLE.len() as u64));
}
