//! The handover report as a page to print.

use std::fmt::Write as _;

use ioc_model::{AlertRow, City, Handover, IncidentRow, ShiftEntry, ShiftRow, Timestamp};

use crate::language::Language;

/// Its style: A4, black on white, headings of a table on each of its pages.
const STYLE: &str = "\
@page{size:A4;margin:15mm}\
body{font:11pt/1.35 'Noto Sans',Arial,sans-serif;color:#000;background:#fff;margin:0 auto;max-width:180mm}\
h1{font-size:16pt;margin:0 0 2mm}h2{font-size:12.5pt;margin:6mm 0 2mm;break-after:avoid}\
table{border-collapse:collapse;width:100%;font-size:9.5pt}thead{display:table-header-group}\
tr{break-inside:avoid}th,td{border:1px solid #666;padding:1mm 1.5mm;text-align:left;vertical-align:top;overflow-wrap:anywhere}\
th{background:#eee}.n{text-align:right;white-space:nowrap}.t{white-space:nowrap}.w{white-space:pre-line}\
.s td{height:18mm}footer{margin-top:6mm;font-size:9pt}";

/// The hash of the page's one `<style>` as a `Content-Security-Policy` names it: with
/// `style-src` this and everything else `'none'` the page looks as it should.
pub const STYLE_HASH: &str = "sha256-EpUtGMvydxx0IlDZ5zWnV/4sR7VKxY2hWehgf904U3A=";

/// A whole page (`<!doctype html>` to `</html>`), UTF-8. Everything that people, devices and the
/// configuration wrote is escaped.
pub fn html(handover: &Handover, city: &City, language: Language) -> String {
    let mut page = Page { out: String::new(), city, language };
    let title = language.pick("Biên bản bàn giao ca trực", "Shift handover report");
    let _ = write!(
        page.out,
        "<!doctype html>\n<html lang=\"{}\"><head><meta charset=\"utf-8\">\
         <title>{title}</title><style>{STYLE}</style></head><body>\n<header><h1>{title}</h1><p>",
        language.code()
    );
    page.text(language.of(&city.name));
    page.out.push_str(" · ");
    page.time(handover.from);
    page.out.push_str(" – ");
    page.time(handover.to);
    page.out.push_str(" (UTC+7)</p></header>\n<main>\n");
    page.summary(handover);
    page.shifts(&handover.shifts);
    page.open_lines(&handover.to_do);
    page.log(&handover.entries);
    page.incidents(&handover.incidents);
    page.open(handover);
    page.held(&handover.held);
    page.signatures();
    page.out.push_str("</main>\n</body></html>\n");
    page.out
}

struct Page<'a> {
    out: String,
    city: &'a City,
    language: Language,
}

impl Page<'_> {
    /// Writes text that is not ours.
    fn text(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '&' => self.out.push_str("&amp;"),
                '<' => self.out.push_str("&lt;"),
                '>' => self.out.push_str("&gt;"),
                '"' => self.out.push_str("&quot;"),
                '\'' => self.out.push_str("&#39;"),
                '\n' => self.out.push('\n'),
                // Neither controls nor marks that turn the direction of what follows.
                c if c.is_control() || is_bidi(c) => self.out.push(char::REPLACEMENT_CHARACTER),
                c => self.out.push(c),
            }
        }
    }

    fn time(&mut self, t: Timestamp) {
        let text = self.language.time(t);
        self.text(&text);
    }

    fn cell(&mut self, class: &str, text: &str) {
        match class {
            "" => self.out.push_str("<td>"),
            class => {
                let _ = write!(self.out, "<td class=\"{class}\">");
            }
        }
        self.text(text);
        self.out.push_str("</td>");
    }

    fn cell_time(&mut self, t: Option<Timestamp>) {
        let text = t.map_or_else(|| "—".to_owned(), |t| self.language.time(t));
        self.cell("t", &text);
    }

    /// A table with a heading; says so when there is nothing in it.
    fn table<T>(
        &mut self,
        (vi, en): (&str, &str),
        heads: &[(&'static str, &'static str)],
        rows: &[T],
        row: impl Fn(&mut Self, &T),
    ) {
        let title = self.language.pick(vi, en);
        let _ = writeln!(self.out, "<section><h2>{title} ({})</h2>", rows.len());
        if rows.is_empty() {
            let none = self.language.pick("Không có.", "None.");
            let _ = writeln!(self.out, "<p>{none}</p></section>");
            return;
        }
        self.out.push_str("<table><thead><tr>");
        for (vi, en) in heads {
            let _ = write!(self.out, "<th scope=\"col\">{}</th>", self.language.pick(vi, en));
        }
        self.out.push_str("</tr></thead><tbody>\n");
        for item in rows {
            self.out.push_str("<tr>");
            row(self, item);
            self.out.push_str("</tr>\n");
        }
        self.out.push_str("</tbody></table></section>\n");
    }

    fn summary(&mut self, handover: &Handover) {
        let language = self.language;
        let ack = handover.ack_p50_s.map_or_else(|| "—".to_owned(), |s| language.span(s));
        let rows = [
            (("Cảnh báo phát sinh trong ca", "Alerts raised"), handover.raised.to_string()),
            (("Cảnh báo đã đóng trong ca", "Alerts closed"), handover.closed.to_string()),
            (("Cảnh báo đang mở", "Open alerts"), handover.open_total.to_string()),
            (("Trung vị thời gian tiếp nhận", "Median time to acknowledge"), ack),
        ];
        self.out.push_str("<table><tbody>\n");
        for ((vi, en), value) in rows {
            let _ = write!(self.out, "<tr><th scope=\"row\">{}</th>", language.pick(vi, en));
            self.cell("n", &value);
            self.out.push_str("</tr>\n");
        }
        self.out.push_str("</tbody></table>\n");
    }

    fn shifts(&mut self, shifts: &[ShiftRow]) {
        let heads = [
            ("Vị trí", "Position"),
            ("Người trực", "On duty"),
            ("Từ", "From"),
            ("Đến", "Until"),
            ("Bàn giao", "Handed over"),
        ];
        self.table(("Ca trực", "Shifts"), &heads, shifts, |page, shift: &ShiftRow| {
            page.cell("", &shift.position);
            page.cell("", &shift.user);
            page.cell_time(Some(shift.from));
            page.cell_time(shift.until);
            page.cell("w", shift.handover.as_deref().unwrap_or("—"));
        });
    }

    fn open_lines(&mut self, entries: &[ShiftEntry]) {
        let heads = [("Lúc", "At"), ("Người ghi", "By"), ("Nội dung", "What")];
        self.table(
            ("Việc cần làm tiếp", "Still to be done"),
            &heads,
            entries,
            |page, entry| {
                page.cell_time(Some(entry.at));
                page.cell("", &entry.user);
                page.cell("w", &entry.text);
            },
        );
    }

    fn log(&mut self, entries: &[ShiftEntry]) {
        let heads = [("Lúc", "At"), ("Người ghi", "By"), ("Nội dung", "What"), ("Xong", "Done")];
        self.table(("Nhật ký ca trực", "Shift log"), &heads, entries, |page, entry| {
            page.cell_time(Some(entry.at));
            page.cell("", &entry.user);
            page.cell("w", &entry.text);
            let done = entry.done.as_ref();
            let done = done.map(|(at, by)| format!("{} {by}", page.language.time(*at)));
            let none = if entry.open { page.language.pick("chưa", "not yet") } else { "" };
            page.cell("", done.as_deref().unwrap_or(none));
        });
    }

    fn incidents(&mut self, incidents: &[IncidentRow]) {
        let heads = [
            ("Mức độ", "Severity"),
            ("Bắt đầu", "Began"),
            ("Địa bàn", "Area"),
            ("Dịch vụ", "Service"),
            ("Sự cố", "Incident"),
            ("Đang mở / tất cả", "Open / all"),
        ];
        self.table(
            ("Sự cố đang mở", "Open incidents"),
            &heads,
            incidents,
            |page, incident| {
                let (city, language) = (page.city, page.language);
                page.cell("", language.severity(incident.severity));
                page.cell_time(Some(incident.opened_at));
                page.cell("", language.area(city, &incident.area));
                page.cell("", language.service(city, &incident.service));
                page.cell("", language.of(&incident.name));
                page.cell("n", &format!("{} / {}", incident.open, incident.alerts));
            },
        );
    }

    fn open(&mut self, handover: &Handover) {
        let heads = [
            ("Mức độ", "Severity"),
            ("Phát sinh", "Raised"),
            ("Địa bàn", "Area"),
            ("Dịch vụ", "Service"),
            ("Nội dung", "What"),
            ("Trạng thái", "State"),
            ("Người xử lý", "Assigned to"),
        ];
        let title = ("Cảnh báo đang mở", "Open alerts");
        self.table(title, &heads, &handover.open, |page, alert| {
            page.alert(alert);
            let language = page.language;
            let state = format!("{} · {}", language.work(alert.work), language.state(alert.state));
            page.cell("", &state);
            page.cell("", alert.assignee.as_ref().map_or("—", |a| &a.name));
        });
        let more = handover.open_total.saturating_sub(handover.open.len() as u64);
        if more > 0 {
            let more = match self.language {
                Language::Vi => format!("… và {more} cảnh báo khác."),
                Language::En => format!("… and {more} more."),
            };
            let _ = writeln!(self.out, "<p>{more}</p>");
        }
    }

    fn held(&mut self, alerts: &[AlertRow]) {
        let heads = [
            ("Mức độ", "Severity"),
            ("Phát sinh", "Raised"),
            ("Địa bàn", "Area"),
            ("Dịch vụ", "Service"),
            ("Nội dung", "What"),
            ("Lý do, đến khi", "Why, until"),
        ];
        let title = ("Cảnh báo đang tạm ẩn", "Held back");
        self.table(title, &heads, alerts, |page, alert: &AlertRow| {
            page.alert(alert);
            let language = page.language;
            let why: Vec<String> = alert
                .held
                .iter()
                .map(|h| {
                    let until = h.until.map_or_else(|| "—".to_owned(), |t| language.time(t));
                    format!("{}: {} ({}, {until})", language.held(h.by), h.reason, h.who)
                })
                .collect();
            page.cell("w", &why.join("\n"));
        });
    }

    fn alert(&mut self, alert: &AlertRow) {
        let (city, language) = (self.city, self.language);
        self.cell("", language.severity(alert.severity));
        self.cell_time(Some(alert.raised_at));
        self.cell("", language.area(city, &alert.area));
        self.cell("", language.service(city, &alert.service));
        let message = language.of(&alert.message);
        self.cell("", if message.is_empty() { language.of(&alert.name) } else { message });
    }

    fn signatures(&mut self) {
        let (gives, takes) = self
            .language
            .pick(("Người giao ca", "Người nhận ca"), ("Handed over by", "Taken over by"));
        let _ = writeln!(
            self.out,
            "<footer><table class=\"s\"><thead><tr><th scope=\"col\">{gives}</th>\
             <th scope=\"col\">{takes}</th></tr></thead><tbody><tr><td></td><td></td></tr></tbody>\
             </table></footer>"
        );
    }
}

/// Marks that turn the direction of text.
fn is_bidi(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
