//! The handover report as CSV for spreadsheets.

use ioc_model::{AlertRow, City, Handover, ShiftEntry, Timestamp};

use crate::csv::line;
use crate::language::Language;

/// Cells of one line.
const COLUMNS: usize = 11;

/// RFC 4180 (comma, CRLF, quotes doubled) in UTF-8 with a byte order mark, as Excel wants it;
/// times as RFC 3339 in +07:00. One table: `section` says what a line is. A cell that a
/// spreadsheet might run as a formula begins with an apostrophe.
pub fn csv(handover: &Handover, city: &City, language: Language) -> String {
    let mut out = String::from("\u{feff}");
    line(&mut out, &headings(language));
    for shift in &handover.shifts {
        let until = shift.until.map(time).unwrap_or_default();
        let note = shift.handover.as_deref().unwrap_or_default();
        line(
            &mut out,
            &cells(&[
                ("shift", 0),
                (&time(shift.from), 1),
                (&until, 2),
                (&shift.user, 3),
                (&shift.position, 8),
                (note, 9),
            ]),
        );
    }
    for (section, entries) in [("log", &handover.entries), ("to_do", &handover.to_do)] {
        for entry in entries {
            line(&mut out, &note(section, entry));
        }
    }
    for (section, alerts) in [("open", &handover.open), ("held", &handover.held)] {
        for alert in alerts {
            line(&mut out, &of_alert(section, alert, (city, language)));
        }
    }
    for incident in &handover.incidents {
        line(
            &mut out,
            &cells(&[
                ("incident", 0),
                (&time(incident.opened_at), 1),
                (&incident.closed_at.map(time).unwrap_or_default(), 2),
                (language.severity(incident.severity), 4),
                (&format!("{} of {}", incident.open, incident.alerts), 5),
                (language.area(city, &incident.area), 6),
                (language.service(city, &incident.service), 7),
                (language.of(&incident.name), 8),
                (&incident.id.0, 10),
            ]),
        );
    }
    out
}

fn headings(language: Language) -> [&'static str; COLUMNS] {
    language.pick(
        [
            "Mục",
            "Từ",
            "Đến",
            "Người",
            "Mức độ",
            "Trạng thái",
            "Địa bàn",
            "Dịch vụ",
            "Nội dung",
            "Ghi chú",
            "Mã",
        ],
        [
            "section", "from", "until", "who", "severity", "state", "area", "service", "what",
            "note", "id",
        ],
    )
}

fn cells<'a>(filled: &[(&'a str, usize)]) -> [&'a str; COLUMNS] {
    let mut cells = [""; COLUMNS];
    for (text, column) in filled {
        if let Some(cell) = cells.get_mut(*column) {
            *cell = text;
        }
    }
    cells
}

fn note(section: &'static str, entry: &ShiftEntry) -> [String; COLUMNS] {
    let done = entry.done.as_ref();
    let alert = entry.alert.as_ref().map_or("", |alert| &alert.0);
    cells(&[
        (section, 0),
        (&time(entry.at), 1),
        (&done.map(|(at, _)| time(*at)).unwrap_or_default(), 2),
        (&entry.user, 3),
        (&entry.text, 8),
        (done.map_or("", |(_, by)| by), 9),
        (alert, 10),
    ])
    .map(str::to_owned)
}

fn of_alert(
    section: &'static str,
    alert: &AlertRow,
    (city, language): (&City, Language),
) -> [String; COLUMNS] {
    let held: Vec<String> = alert
        .held
        .iter()
        .map(|h| {
            let until = h.until.map(time).unwrap_or_default();
            format!("{} {until} {}: {}", language.held(h.by), h.who, h.reason)
        })
        .collect();
    let note =
        if held.is_empty() { alert.note.clone().unwrap_or_default() } else { held.join("; ") };
    cells(&[
        (section, 0),
        (&time(alert.raised_at), 1),
        (&alert.cleared_at.map(time).unwrap_or_default(), 2),
        (alert.assignee.as_ref().map_or("", |a| &a.name), 3),
        (language.severity(alert.severity), 4),
        (language.work(alert.work), 5),
        (language.area(city, &alert.area), 6),
        (language.service(city, &alert.service), 7),
        (language.of(&alert.message), 8),
        (&note, 9),
        (&alert.id.0, 10),
    ])
    .map(str::to_owned)
}

fn time(t: Timestamp) -> String {
    t.to_rfc3339()
}
