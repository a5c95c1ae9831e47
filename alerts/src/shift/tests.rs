//! The forms of the report; what it is made of is tested with the register, in `tests/figures`.

use ioc_model::{
    AlarmState, AlertId, AlertRow, Area, AreaKind, Assignee, AssigneeKind, City, Condition, Entity,
    Handover, Held, HeldBy, IncidentId, IncidentKind, IncidentRow, Severity, ShiftEntry, ShiftRow,
    Text, Timestamp, Work,
};
use sha2::{Digest, Sha256};

use super::{STYLE_HASH, csv, html};
use crate::language::Language;

const NOW: Timestamp = Timestamp(1_785_495_900_000); // 2026-07-31 18:05 +07:00
const HOSTILE: &str =
    "</style></title><script>alert('x')</script>\" onload=\"x\u{202e}&amp;\u{0}\u{1b}[31m";

fn text(t: &str) -> Text {
    Text { vi: t.into(), en: t.into() }
}

fn city() -> City {
    let mut city = City { name: text("Đà Nẵng"), ..City::default() };
    let name = Text { vi: "Phường Hòa Cường".into(), en: "Hoa Cuong Ward".into() };
    let area = Area {
        id: "hoa_cuong".into(),
        code: "20257".into(),
        name,
        kind: AreaKind::Ward,
        lat: 16.0,
        lon: 108.2,
        area_km2: 1.0,
        rings: Vec::new(),
    };
    city.areas.insert("hoa_cuong".into(), area);
    city
}

fn alert(words: &str, area: &str) -> AlertRow {
    AlertRow {
        id: AlertId(words.into()),
        ver: 1,
        change: 1,
        rule: words.into(),
        entity: Entity::Device(words.into()),
        device: None,
        area: area.into(),
        service: words.into(),
        severity: Severity::Critical,
        severity_max: Severity::Critical,
        condition: Condition::Active,
        acknowledged: false,
        raised_at: NOW,
        changed_at: NOW,
        cleared_at: None,
        acknowledged_at: None,
        acknowledged_by: None,
        note: Some(words.into()),
        value: None,
        limit: None,
        unit: "m".into(),
        name: text(words),
        message: text(words),
        cause: "rain".into(),
        latched: false,
        work: Work::Assigned,
        state: AlarmState::Unack,
        held: vec![Held {
            by: HeldBy::Shelf,
            id: String::new(),
            until: Some(NOW.plus_ms(3_600_000)),
            who: words.into(),
            reason: words.into(),
        }],
        assignee: Some(Assignee { kind: AssigneeKind::Agency, name: words.into() }),
        incident: None,
        resolved_at: None,
        closed_at: None,
        waiting_since: None,
        ack_due: None,
        resolve_due: None,
        overdue: false,
        escalated: 0,
        links: Vec::new(),
        comments: 0,
    }
}

fn handover(words: &str, area: &str) -> Handover {
    let entry = ShiftEntry {
        id: 1,
        at: NOW,
        user: words.into(),
        text: format!("{words}\ndòng hai"),
        alert: Some(AlertId(words.into())),
        open: false,
        done: Some((NOW.plus_ms(60_000), words.into())),
    };
    let incident = IncidentRow {
        id: IncidentId(words.into()),
        ver: 1,
        kind: IncidentKind::Cause,
        area: area.into(),
        service: words.into(),
        cause: words.into(),
        parent: None,
        root: AlertId(words.into()),
        name: text(words),
        severity: Severity::Emergency,
        opened_at: NOW,
        last_at: NOW,
        closed_at: None,
        alerts: 12,
        open: 3,
        unacknowledged: 1,
    };
    let shift = ShiftRow {
        id: 1,
        user: words.into(),
        position: words.into(),
        from: NOW,
        until: None,
        handover: Some(words.into()),
    };
    Handover {
        from: NOW,
        to: NOW.plus_ms(3_600_000),
        shifts: vec![shift],
        entries: vec![entry.clone()],
        to_do: vec![ShiftEntry { open: true, done: None, ..entry }],
        open: vec![alert(words, area)],
        open_total: 4,
        held: vec![alert(words, area)],
        incidents: vec![incident],
        raised: 7,
        closed: 5,
        ack_p50_s: Some(95.0),
    }
}

fn empty() -> Handover {
    Handover {
        from: NOW,
        to: NOW.plus_ms(1),
        shifts: Vec::new(),
        entries: Vec::new(),
        to_do: Vec::new(),
        open: Vec::new(),
        open_total: 0,
        held: Vec::new(),
        incidents: Vec::new(),
        raised: 0,
        closed: 0,
        ack_p50_s: None,
    }
}

/// Its tags, in order; every `<` begins one.
fn tags(page: &str) -> Vec<&str> {
    let rest = |part| str::split_once(part, '>').expect("each `<` has a `>`").0;
    page.split('<').skip(1).map(rest).collect()
}

fn is_well_formed(page: &str) {
    let mut open = Vec::new();
    for tag in tags(page) {
        let name = tag.split([' ', '/']).find(|part| !part.is_empty()).expect("a name");
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "tags close in order");
        } else if !matches!(name, "!doctype" | "meta") {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?} are not closed");
}

#[test]
fn the_page_shows_everything_in_both_languages() {
    let h = handover("Mưa lớn ở Hòa Cường", "hoa_cuong");
    let vi = html(&h, &city(), Language::Vi);
    is_well_formed(&vi);
    assert!(vi.starts_with("<!doctype html>\n<html lang=\"vi\">") && vi.ends_with("</html>\n"));
    for part in [
        "Biên bản bàn giao ca trực",
        "Đà Nẵng · 31/07/2026 18:05 – 31/07/2026 19:05 (UTC+7)",
        "Phường Hòa Cường",
        "Mưa lớn ở Hòa Cường\ndòng hai",
        "<td class=\"n\">3 / 12</td>",
        "2 phút",
        "Nghiêm trọng",
        "Đã phân công · Đang diễn ra, chưa tiếp nhận",
        "… và 3 cảnh báo khác.",
        "Tạm hoãn: Mưa lớn ở Hòa Cường (Mưa lớn ở Hòa Cường, 31/07/2026 19:05)",
        "Người giao ca",
    ] {
        assert!(vi.contains(part), "{part} is missing");
    }
    let en = html(&h, &city(), Language::En);
    for part in ["Shift handover report", "Hoa Cuong Ward", "… and 3 more.", "2026-07-31 18:05"] {
        assert!(en.contains(part), "{part} is missing");
    }
    assert!(!en.contains("Phường"), "names of wards are in the language asked for");
}

#[test]
fn nothing_that_somebody_wrote_is_markup() {
    let plain = html(&handover("x", "x"), &city(), Language::Vi);
    let page = html(&handover(HOSTILE, HOSTILE), &city(), Language::Vi);
    is_well_formed(&page);
    assert_eq!(tags(&page), tags(&plain), "the same tags with the same attributes");
    assert!(page.contains("&lt;script&gt;alert(&#39;x&#39;)"), "it is shown as it is");
    assert!(page.contains("&amp;amp;") && page.contains("&quot; onload=&quot;x"));
    for c in ['\u{202e}', '\u{0}', '\u{1b}'] {
        assert!(!page.contains(c), "{c:?}");
    }
}

#[test]
fn the_page_needs_nothing_but_its_own_style() {
    let page = html(&handover("x", "x"), &city(), Language::Vi);
    for bad in ["<script", " style=", "<link", "<img", "http", "url(", "@import", " on"] {
        let tags = tags(&page).join("\n");
        assert!(!tags.contains(bad.trim_start_matches('<')), "{bad}");
    }
    let style = page.split_once("<style>").and_then(|(_, rest)| rest.split_once("</style>"));
    let style = style.expect("it has one").0;
    let hash = base64(&Sha256::digest(style.as_bytes()));
    assert_eq!(STYLE_HASH, format!("sha256-{hash}"));
    assert!(style.contains("size:A4") && !style.contains("url("));
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for part in bytes.chunks(3) {
        let n = part.iter().fold(0u32, |n, b| n << 8 | u32::from(*b)) << (8 * (3 - part.len()));
        for i in 0..4 {
            let digit = DIGITS[(n >> (18 - 6 * i) & 63) as usize];
            out.push(if i > part.len() { '=' } else { char::from(digit) });
        }
    }
    out
}

#[test]
fn an_empty_report_says_so() {
    let page = html(&empty(), &City::default(), Language::Vi);
    is_well_formed(&page);
    assert_eq!(page.matches("<p>Không có.</p>").count(), 6);
    assert!(page.contains("<td class=\"n\">—</td>"), "no median of nothing");
    let sheet = csv(&empty(), &City::default(), Language::Vi);
    assert_eq!(read(&sheet).len(), 1, "only the headings");
}

/// RFC 4180, written again.
fn read(sheet: &str) -> Vec<Vec<String>> {
    let mut chars = sheet.strip_prefix('\u{feff}').expect("a byte order mark").chars().peekable();
    let (mut rows, mut row, mut cell) = (Vec::new(), Vec::new(), String::new());
    let mut quoted = false;
    while let Some(c) = chars.next() {
        match (c, quoted) {
            ('"', true) if chars.peek() == Some(&'"') => {
                chars.next();
                cell.push('"');
            }
            ('"', _) => quoted = !quoted,
            (',', false) => row.push(std::mem::take(&mut cell)),
            ('\r', false) => {
                assert_eq!(chars.next(), Some('\n'), "lines end in CRLF");
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            (c, _) => cell.push(c),
        }
    }
    assert!(cell.is_empty() && row.is_empty() && !quoted, "the last line is whole");
    rows
}

#[test]
fn the_sheet_has_one_line_for_each_thing() {
    let rows = read(&csv(&handover("Mưa \"lớn\", ngập", "hoa_cuong"), &city(), Language::Vi));
    assert!(rows.iter().all(|row| row.len() == 11));
    let sections: Vec<&str> = rows.iter().map(|row| row[0].as_str()).collect();
    assert_eq!(sections, ["Mục", "shift", "log", "to_do", "open", "held", "incident"]);
    assert_eq!(rows[2][1], "2026-07-31T18:05:00+07:00");
    assert_eq!(rows[2][2], "2026-07-31T18:06:00+07:00", "when it was ticked off");
    assert_eq!(rows[2][8], "Mưa \"lớn\", ngập\ndòng hai");
    assert_eq!(rows[4][6], "Phường Hòa Cường");
    assert_eq!(rows[6][5], "3 of 12");
}

#[test]
fn no_cell_of_the_sheet_is_a_formula() {
    for hostile in ["=cmd|'/C calc'!A0", "+1", "-1", "@x", "\t=1", " =1", "\r=1"] {
        let rows = read(&csv(&handover(hostile, hostile), &city(), Language::En));
        let first = |cell: &String| cell.trim_start().chars().next();
        for cell in rows.iter().flatten() {
            assert!(!matches!(first(cell), Some('=' | '+' | '-' | '@')), "{cell:?}");
        }
        assert!(rows.iter().all(|row| row.len() == 11));
    }
}

#[test]
fn a_list_of_alerts_says_what_it_is_of_and_no_cell_of_it_is_a_formula() {
    for hostile in ["=cmd|'/C calc'!A0", "\t=1", "a;\"b\",\nc"] {
        let head = [("filter".to_owned(), hostile.to_owned())];
        let rows = [alert(hostile, "hoa_cuong"), alert("mưa", hostile)];
        let sheet = crate::sheet::alerts(&rows, &head, &city(), Language::Vi);
        let rows = read(&sheet);
        assert_eq!((rows[0].len(), rows[1].len(), rows.len()), (2, 1, 5));
        assert!(rows[2..].iter().all(|row| row.len() == 18));
        assert_eq!((rows[2][0].as_str(), rows[3][9].as_str()), ("Mã", "Phường Hòa Cường"));
        assert!(rows[3][4].ends_with("+07:00"), "{}", rows[3][4]);
        let first = |cell: &String| cell.trim_start().chars().next();
        for cell in rows.iter().flatten() {
            assert!(!matches!(first(cell), Some('=' | '+' | '@')), "{cell:?}");
        }
    }
}
