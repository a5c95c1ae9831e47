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
