use ioc_alerts::Language;
use ioc_alerts::shift::{csv, html};
use ioc_model::{
    Action, AlertId, AlertStore, City, RegisterError, Severity, ShiftStore, Timestamp,
};

use crate::desk::{DAY, Desk, HOUR, MINUTE, NOW, Spec, acknowledge, actor, flood, reject};

fn bad<T: std::fmt::Debug>(result: Result<T, RegisterError>) {
    assert!(matches!(result, Err(RegisterError::Bad(_))), "{result:?}");
}

/// Lines of the audit log as (action, actor, note).
fn told(desk: &Desk) -> Vec<(String, String, Option<String>)> {
    let lines = desk.register.audit_after(0, 1_000).expect("reads");
    lines.into_iter().map(|l| (l.action, l.actor, l.note)).collect()
}

#[test]
fn one_operator_is_relieved_by_another() {
    let desk = Desk::new();
    let lan = desk.shifts.begin(" bàn-1 ", &actor("lan", 0)).expect("begins");
    assert_eq!((&*lan.position, lan.from, lan.until), ("bàn-1", NOW, None));
    let again = desk.shifts.begin("bàn-1", &actor("lan", HOUR)).expect("is on duty");
    assert_eq!(again, lan, "who is on duty stays so");
    let minh = desk.shifts.begin("bàn-1", &actor("minh", 8 * HOUR)).expect("relieves");
    assert_eq!(desk.shifts.on_duty().expect("reads"), std::slice::from_ref(&minh));
    let h = desk.shifts.handover(NOW, NOW.plus_ms(DAY)).expect("reads");
    let until: Vec<_> = h.shifts.iter().map(|s| (s.id, s.until)).collect();
    assert_eq!(until, [(lan.id, Some(NOW.plus_ms(8 * HOUR))), (minh.id, None)]);
    let expect = [
        ("shift_begin", "lan", None),
        ("shift_end", "minh", Some("relieved by minh")),
        ("shift_begin", "minh", None),
    ];
    let expect = expect.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.map(str::to_owned)));
    assert_eq!(told(&desk), expect, "who stays tells nothing");
}

#[test]
fn two_at_one_position_cannot_be_and_at_two_can() {
    let desk = Desk::new();
    for (position, user) in [("1", "lan"), ("2", "minh"), ("1", "hoa")] {
        desk.shifts.begin(position, &actor(user, 0)).expect("begins");
    }
    let on = desk.shifts.on_duty().expect("reads");
    let on: Vec<_> = on.iter().map(|s| (&*s.position, &*s.user)).collect();
    assert_eq!(on, [("1", "hoa"), ("2", "minh")]);
}

#[test]
fn two_who_take_a_position_at_once_are_one_after_the_other() {
    let desk = Desk::new();
    std::thread::scope(|s| {
        for user in ["lan", "minh", "hoa", "tùng"] {
            let shifts = &desk.shifts;
            s.spawn(move || shifts.begin("1", &actor(user, 0)).expect("begins"));
        }
    });
    assert_eq!(desk.shifts.on_duty().expect("reads").len(), 1);
    let h = desk.shifts.handover(NOW.plus_ms(-1), NOW.plus_ms(1)).expect("reads");
    assert_eq!(h.shifts.len(), 4);
    assert_eq!(told(&desk).len(), 7, "four begins and three ends");
}

#[test]
fn words_for_the_next_may_come_late_but_once() {
    let desk = Desk::new();
    let lan = desk.shifts.begin("1", &actor("lan", 0)).expect("begins");
    desk.shifts.begin("1", &actor("minh", HOUR)).expect("relieves");
    bad(desk.shifts.end(lan.id, None, &actor("lan", HOUR)));
    bad(desk.shifts.end(lan.id, Some("của người khác"), &actor("minh", HOUR)));
    let said = desk.shifts.end(lan.id, Some(" trạm bơm số 3 "), &actor("lan", 2 * HOUR));
    let said = said.expect("late words");
    assert_eq!(said.handover.as_deref(), Some("trạm bơm số 3"));
    assert_eq!(said.until, Some(NOW.plus_ms(HOUR)), "the shift ended when it ended");
    bad(desk.shifts.end(lan.id, Some("lần nữa"), &actor("lan", 2 * HOUR)));
    let unknown = desk.shifts.end(99, None, &actor("lan", 0));
    assert!(matches!(unknown, Err(RegisterError::NoShift(99))));
}

#[test]
fn a_clock_that_was_set_back_ends_no_shift_before_it_began() {
    let desk = Desk::new();
    let lan = desk.shifts.begin("1", &actor("lan", HOUR)).expect("begins");
    let minh = desk.shifts.begin("1", &actor("minh", 0)).expect("relieves");
    assert_eq!(minh.from, lan.from);
    let minh = desk.shifts.end(minh.id, None, &actor("minh", 0)).expect("ends");
    assert_eq!(minh.until, Some(minh.from));
}

#[test]
fn names_and_texts_are_bounded() {
    let desk = Desk::new();
    let long = "x".repeat(65);
    for position in ["", "  ", "a\nb", "a\u{0}", &long] {
        bad(desk.shifts.begin(position, &actor("lan", 0)));
    }
    bad(desk.shifts.begin("1", &actor(" ", 0)));
    bad(desk.shifts.write(" \n", None, false, &actor("lan", 0)));
    let most = "ạ".repeat(2_000);
    desk.shifts.write(&most, None, false, &actor("lan", 0)).expect("2,000 characters");
    bad(desk.shifts.write(&format!("{most}x"), None, false, &actor("lan", 0)));
    let shift = desk.shifts.begin("1", &actor("lan", 0)).expect("begins");
    bad(desk.shifts.end(shift.id, Some(&format!("{most}x")), &actor("lan", 0)));
    assert_eq!(desk.shifts.on_duty().expect("reads").len(), 1, "what is refused changes nothing");
}

#[test]
fn what_is_to_be_done_is_shown_until_it_is_ticked_off() {
    let desk = Desk::new();
    let alert = desk.apply(&flood("d1", 0));
    let one = desk.shifts.write("gọi trạm bơm", Some(&alert), true, &actor("lan", 0));
    let one = one.expect("writes");
    let two = desk.shifts.write("mưa tạnh", None, false, &actor("lan", MINUTE)).expect("writes");
    let log = |from, to, n| desk.shifts.log(NOW.plus_ms(from), NOW.plus_ms(to), n).expect("reads");
    assert_eq!(log(0, HOUR, 10), [two.clone(), one.clone()]);
    assert_eq!(log(0, HOUR, 1), std::slice::from_ref(&two));
    assert_eq!(log(0, MINUTE, 10), std::slice::from_ref(&one));
    // The next day it is still shown.
    let next =
        |from| desk.shifts.handover(NOW.plus_ms(from), NOW.plus_ms(from + DAY)).expect("reads");
    assert_eq!((next(DAY).entries, next(DAY).to_do), (vec![], vec![one.clone()]));
    let done = desk.shifts.done(one.id, &actor("minh", DAY + HOUR)).expect("ticks off");
    assert_eq!(
        (done.open, done.done.clone()),
        (false, Some((NOW.plus_ms(DAY + HOUR), "minh".into())))
    );
    let again = desk.shifts.done(one.id, &actor("hoa", 2 * DAY)).expect("is done");
    assert_eq!(again, done, "the first one counts");
    assert!(next(DAY).to_do.is_empty());
    assert_eq!(next(0).entries, [done, two.clone()]);
    bad(desk.shifts.done(two.id, &actor("minh", 0)));
    let unknown = desk.shifts.done(99, &actor("minh", 0));
    assert!(matches!(unknown, Err(RegisterError::NoShiftEntry(99))));
    let nowhere = desk.shifts.write("x", Some(&AlertId("f".repeat(32))), false, &actor("lan", 0));
    assert!(matches!(nowhere, Err(RegisterError::NotFound(_))));
    let of_alert = desk.register.audit(&alert).expect("reads");
    let of_alert: Vec<_> = of_alert.iter().map(|l| &*l.action).collect();
    assert_eq!(of_alert, ["raise", "shift_note", "shift_done"]);
}

#[test]
fn the_handover_tells_how_things_stand() {
    let desk = Desk::new();
    let a = desk.apply(&Spec { clears_after: Some(MINUTE), ..flood("d1", 0) });
    let b = desk.apply(&Spec { severity: Severity::Minor, ..flood("d2", MINUTE) });
    let c = desk.apply(&Spec { severity: Severity::Emergency, ..flood("d3", 2 * MINUTE) });
    let d = desk.apply(&Spec { rule: "air.pm25", ..flood("d4", 3 * MINUTE) });
    let e = desk.apply(&flood("<b>d5</b>", -DAY));
    // It is over already, so that closes it.
    desk.act(&a, 2 * MINUTE, acknowledge());
    desk.act(&b, 11 * MINUTE, acknowledge());
    let shelf = Action::Shelve { until: NOW.plus_ms(HOUR), reason: "đang sửa".into() };
    desk.act(&d, 5 * MINUTE, shelf);
    desk.act(&e, 2 * DAY, reject());
    let h = desk.shifts.handover(NOW, NOW.plus_ms(DAY)).expect("reads");
    let ids = |rows: &[ioc_model::AlertRow]| -> Vec<AlertId> {
        rows.iter().map(|r| r.id.clone()).collect()
    };
    assert_eq!(ids(&h.open), [c, b], "the worst first");
    assert_eq!((h.open_total, ids(&h.held)), (2, vec![d]));
    assert_eq!((h.raised, h.closed), (4, 1), "one was raised before and rejected after it");
    assert_eq!(h.ack_p50_s, Some(120.0), "the lower of 2 and 10 min");
    assert_eq!(h.incidents.iter().map(|i| i.open).sum::<u32>(), 3);
    assert_eq!(h.incidents[0].severity, Severity::Emergency);
    let page = html(&h, &City::default(), Language::Vi);
    assert!(page.contains("d3 ngập") && page.contains("đang sửa"));
    let sheet = csv(&h, &City::default(), Language::Vi);
    assert!(sheet.contains("2026-11-23T09:02:00+07:00"));
    let later = desk.shifts.handover(NOW.plus_ms(DAY), NOW.plus_ms(3 * DAY)).expect("reads");
    assert_eq!((later.raised, later.closed, later.ack_p50_s), (0, 1, None));
}

#[test]
fn no_handover_of_a_time_that_cannot_be() {
    let desk = Desk::new();
    bad(desk.shifts.handover(NOW, NOW));
    bad(desk.shifts.handover(NOW, NOW.plus_ms(31 * DAY + 1)));
    bad(desk.shifts.handover(Timestamp(i64::MIN), Timestamp(i64::MAX)));
}

#[test]
fn the_audit_log_stays_whole_with_two_who_write() {
    let desk = Desk::new();
    std::thread::scope(|s| {
        s.spawn(|| {
            for i in 0..50 {
                desk.shifts.write("ghi", None, false, &actor("lan", i)).expect("writes");
            }
        });
        s.spawn(|| {
            for i in 0..50 {
                desk.apply(&flood("d1", i));
            }
        });
    });
    let lines = desk.register.audit_after(0, 1_000).expect("reads");
    let seqs: Vec<u64> = lines.iter().map(|l| l.seq).collect();
    assert_eq!(seqs, (1..=100).collect::<Vec<u64>>());
}
