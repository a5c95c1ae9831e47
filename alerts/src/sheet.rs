//! A list of alerts for spreadsheets.

use ioc_model::{AlertRow, City, Timestamp};

use crate::csv::line;
use crate::language::Language;

const COLUMNS: usize = 18;

/// RFC 4180 in UTF-8 with a byte order mark, as Excel wants it; times as RFC 3339 in +07:00,
/// numbers with a point. Above the table what it is of, one line for each pair of `head`, and an
/// empty line. A cell that a spreadsheet might run as a formula begins with an apostrophe.
pub fn alerts(
    rows: &[AlertRow],
    head: &[(String, String)],
    city: &City,
    language: Language,
) -> String {
    let mut out = String::from("\u{feff}");
    for (name, value) in head {
        line(&mut out, &[name, value]);
    }
    line(&mut out, &[""]);
    line(&mut out, &headings(language));
    for row in rows {
        line(&mut out, &cells(row, city, language));
    }
    out
}

fn headings(language: Language) -> [&'static str; COLUMNS] {
    language.pick(
        [
            "Mã",
            "Mức độ",
            "Trạng thái",
            "Xử lý",
            "Phát sinh",
            "Hết",
            "Nhận lúc",
            "Người nhận",
            "Giao cho",
            "Địa bàn",
            "Dịch vụ",
            "Thiết bị",
            "Quy tắc",
            "Nội dung",
            "Giá trị",
            "Ngưỡng",
            "Đơn vị",
            "Ghi chú",
        ],
        [
            "id",
            "severity",
            "state",
            "work",
            "raised",
            "cleared",
            "acknowledged at",
            "acknowledged by",
            "assigned to",
            "area",
            "service",
            "device",
            "rule",
            "what",
            "value",
            "limit",
            "unit",
            "note",
        ],
    )
}

fn cells(row: &AlertRow, city: &City, language: Language) -> [String; COLUMNS] {
    let time = |t: Option<Timestamp>| t.map(Timestamp::to_rfc3339).unwrap_or_default();
    let number = |n: Option<f64>| n.map(|n| n.to_string()).unwrap_or_default();
    [
        row.id.0.clone(),
        language.severity(row.severity).into(),
        language.state(row.state).into(),
        language.work(row.work).into(),
        row.raised_at.to_rfc3339(),
        time(row.cleared_at),
        time(row.acknowledged_at),
        row.acknowledged_by.as_deref().unwrap_or_default().into(),
        row.assignee.as_ref().map(|a| a.name.clone()).unwrap_or_default(),
        language.area(city, &row.area).into(),
        language.service(city, &row.service).into(),
        row.device.as_deref().unwrap_or_default().into(),
        row.rule.to_string(),
        language.of(&row.message).into(),
        number(row.value),
        number(row.limit),
        row.unit.to_string(),
        row.note.as_deref().unwrap_or_default().into(),
    ]
}
