use std::sync::Arc;

use ioc_model::{ActionKind, AlertId, AutoKind, City};

use super::*;
use crate::channel::testing::{city, row, text};

fn words(city: &City, language: Language) -> Words<'_> {
    Words { city, base_url: "https://ioc.example.vn/", language }
}

#[test]
fn says_what_where_value_limit_since_and_where_to_look() {
    let city = city();
    let row = row(Entity::Device("gauge-1".into()));
    let said = words(&city, Language::Vi).of(News { row: &row, reason: "raise" });
    assert_eq!(said.subject, "[Khẩn cấp] Nước sông trên báo động III: Trạm Cẩm Lệ, Phường Cẩm Lệ");
    let link = format!("https://ioc.example.vn/a/{}", row.id);
    assert_eq!(
        said.lines,
        [
            "Việc: Trạm Cẩm Lệ: 2,6 m",
            "Ở đâu: Trạm Cẩm Lệ, Phường Cẩm Lệ",
            "Giá trị: 2,6 m (ngưỡng 2,5 m)",
            "Mức độ: Khẩn cấp",
            "Từ lúc: 13:00 ngày 29/10/2025",
            "Thay đổi: mới phát sinh",
            &format!("Xem và xử lý: {link}"),
        ]
    );
    assert_eq!(said.link, Some(link));
    let said = words(&city, Language::En).of(News { row: &row, reason: "raise" });
    assert_eq!(said.subject, "[Emergency] River above alarm III: Cam Le gauge, Cam Le Ward");
    assert!(said.lines.contains(&"Value: 2.6 m (limit 2.5 m)".to_owned()), "{:?}", said.lines);
    assert!(said.lines.contains(&"Since: 13:00 on 29 October 2025".to_owned()), "{:?}", said.lines);
}

#[test]
fn a_cleared_alert_is_over_and_a_rejected_one_was_false() {
    let city = city();
    let mut row = row(Entity::Device("gauge-1".into()));
    row.condition = Condition::Returned;
    row.cleared_at = Some(row.raised_at.plus_ms(3_600_000));
    let said = words(&city, Language::Vi).of(News { row: &row, reason: "clear" });
    assert!(said.subject.starts_with("[Đã hết] "), "{}", said.subject);
    assert!(said.lines.iter().any(|l| l.contains("14:00 ngày 29/10/2025")), "{:?}", said.lines);
    let said = words(&city, Language::En).of(News { row: &row, reason: "reject" });
    assert!(said.subject.starts_with("[False alarm] "), "{}", said.subject);
}

#[test]
fn hostile_names_stay_on_one_line_and_are_bounded() {
    let city = City::default();
    let mut row = row(Entity::Device("x\r\nBcc: thief@example.com\u{202e}\u{0}".into()));
    row.message.vi = "a\r\n.\r\nQUIT\u{85}\u{2028}b".repeat(10_000);
    let said = words(&city, Language::Vi).of(News { row: &row, reason: "x\r\ny" });
    for line in said.lines.iter().chain([&said.subject, &said.headline]) {
        assert!(!line.chars().any(|c| c.is_control() || c == '\u{202e}' || c == '\u{2028}'));
        assert!(line.chars().count() < 700, "{}", line.chars().count());
    }
    assert!(said.subject.contains("x Bcc: thief@example.com"), "{}", said.subject);
}

#[test]
fn several_alerts_share_one_message_led_by_the_worst_that_runs() {
    let city = city();
    let mut over = row(Entity::City);
    over.condition = Condition::Returned;
    let mut minor = row(Entity::Device("gauge-1".into()));
    minor.severity = Severity::Minor;
    let news = [News { row: &over, reason: "clear" }, News { row: &minor, reason: "raise" }];
    let said = words(&city, Language::En).of_all(&news);
    assert!(said.subject.starts_with("[Minor] ") && said.subject.ends_with("and 1 other alert"));
    assert_eq!(said.lines.iter().filter(|l| l.contains(". [")).count(), 2, "{:?}", said.lines);
    assert_eq!(words(&city, Language::En).of_all(&[]).subject, "");
    let long = "rất dài ".repeat(50);
    minor.name = text(&long, &long);
    let news = [News { row: &minor, reason: "raise" }; 3];
    let said = words(&city, Language::Vi).of_all(&news);
    assert!(said.subject.chars().count() <= MAX_SUBJECT, "{}", said.subject);
    assert!(said.subject.ends_with("và 2 cảnh báo khác"), "{}", said.subject);
}

#[test]
fn numbers_are_written_as_the_language_does() {
    for (value, vi, en) in [
        (2.5, "2,5", "2.5"),
        (2.0, "2", "2"),
        (100.0, "100", "100"),
        (2026.0, "2026", "2026"),
        (12_345.678, "12.345,68", "12,345.68"),
        (-1_234_567.0, "-1.234.567", "-1,234,567"),
        (-0.001, "0", "0"),
        (f64::NAN, "–", "–"),
    ] {
        assert_eq!(
            (number(value, Language::Vi).as_str(), number(value, Language::En).as_str()),
            (vi, en)
        );
    }
}

#[test]
fn every_change_of_the_audit_log_has_words() {
    let names =
        ActionKind::ALL.iter().map(|k| k.as_str()).chain(AutoKind::ALL.iter().map(|k| k.as_str()));
    for name in names {
        assert_ne!(reason_word(name, Language::Vi), "có thay đổi", "{name}");
    }
    assert_eq!(reason_word("nothing", Language::En), "changed");
}

#[test]
fn a_link_needs_a_base_and_cannot_leave_the_page() {
    let city = city();
    let mut row = row(Entity::City);
    assert_eq!(Words { city: &city, base_url: "", language: Language::Vi }.link(&row), None);
    row.id = AlertId("../x?y#z\r\n".into());
    let link = words(&city, Language::Vi).link(&row).expect("a link");
    assert_eq!(link, "https://ioc.example.vn/a/xyz");
}

#[test]
fn area_and_unknown_things_are_named_once() {
    let city = city();
    let here = words(&city, Language::Vi);
    assert_eq!(here.place(&row(Entity::Area("cam_le".into()))), "Phường Cẩm Lệ");
    assert_eq!(here.place(&row(Entity::Segment("s1".into()))), "Đoạn đường s1, Phường Cẩm Lệ");
    assert_eq!(here.place(&row(Entity::Service("none".into()))), "none, Phường Cẩm Lệ");
    let name: Arc<str> = "cam_le".into();
    assert!(city.areas.contains_key(&name));
}
