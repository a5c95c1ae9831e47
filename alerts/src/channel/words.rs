//! What a notification says, in Vietnamese and English: the same words for e-mail, webhook
//! templates and public warnings.
//!
//! Everything that comes from devices or from people is made harmless here for any plain text: no
//! control characters (so no line of it can become a header), no bidirectional overrides, a
//! bounded length. Whoever writes HTML, XML or JSON still escapes for that format.

use ioc_model::{AlertRow, City, Condition, Entity, Severity, Timestamp};

use super::Notification;
pub use crate::language::Language;

/// Longest text of one field, in characters.
const MAX_FIELD: usize = 300;
/// Longest subject, in characters.
const MAX_SUBJECT: usize = 150;

/// One alert of a message, and why it is told of.
#[derive(Clone, Copy, Debug)]
pub struct News<'a> {
    /// The alert as it stands.
    pub row: &'a AlertRow,
    /// The change, as the audit log names it: `raise`, `severity`, `clear`, …
    pub reason: &'a str,
}

/// Where words come from.
#[derive(Clone, Copy, Debug)]
pub struct Words<'a> {
    /// Names of devices, wards and services.
    pub city: &'a City,
    /// Address of the console, such as `https://ioc.example.vn`; empty: no links.
    pub base_url: &'a str,
    /// The language.
    pub language: Language,
}

/// A message in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// One line for lists: severity or outcome, what, where.
    pub subject: String,
    /// One sentence: what, where.
    pub headline: String,
    /// Details, one line each, without line breaks.
    pub lines: Vec<String>,
    /// The page of the alert.
    pub link: Option<String>,
}

impl Words<'_> {
    /// One alert.
    pub fn of(&self, news: News<'_>) -> Said {
        let row = news.row;
        let language = self.language;
        let headline = self.headline(row);
        let subject = clip(&format!("[{}] {headline}", self.badge(news)), MAX_SUBJECT);
        let link = self.link(row);
        let mut lines = vec![
            format!("{}: {}", language.pick("Việc", "What"), tidy(language.of(&row.message))),
            format!("{}: {}", language.pick("Ở đâu", "Where"), self.place(row)),
        ];
        if let Some(measured) = self.measured(row) {
            lines.push(format!("{}: {measured}", language.pick("Giá trị", "Value")));
        }
        lines.push(format!(
            "{}: {}",
            language.pick("Mức độ", "Severity"),
            severity_word(row.severity, language)
        ));
        lines.push(format!(
            "{}: {}",
            language.pick("Từ lúc", "Since"),
            moment(row.raised_at, language)
        ));
        if let Some(at) = row.cleared_at {
            let word = language.pick("Trở lại bình thường lúc", "Back to normal at");
            lines.push(format!("{word}: {}", moment(at, language)));
        }
        lines.push(format!(
            "{}: {}",
            language.pick("Thay đổi", "Change"),
            reason_word(news.reason, language)
        ));
        if let Some(link) = &link {
            lines.push(format!("{}: {link}", language.pick("Xem và xử lý", "Open")));
        }
        Said { subject, headline, lines, link }
    }

    /// Several alerts as one message, the worst first in the subject.
    pub fn of_all(&self, news: &[News<'_>]) -> Said {
        let worst =
            news.iter().max_by_key(|n| (n.row.condition == Condition::Active, n.row.severity));
        let Some(worst) = worst else {
            return Said {
                subject: String::new(),
                headline: String::new(),
                lines: Vec::new(),
                link: None,
            };
        };
        let mut said = self.of(*worst);
        if news.len() == 1 {
            return said;
        }
        let others = news.len() - 1;
        let more = match self.language {
            Language::Vi => format!("và {others} cảnh báo khác"),
            Language::En if others == 1 => "and 1 other alert".to_owned(),
            Language::En => format!("and {others} other alerts"),
        };
        let room = MAX_SUBJECT.saturating_sub(more.chars().count() + 1);
        said.subject = format!("{} {more}", clip(&said.subject, room));
        said.headline = format!("{} {more}", said.headline);
        said.lines = Vec::new();
        for (i, one) in news.iter().enumerate() {
            let one = self.of(*one);
            said.lines.push(format!("{}. {}", i + 1, one.subject));
            said.lines.extend(one.lines.into_iter().map(|line| format!("   {line}")));
        }
        said
    }

    /// A whole notification: each alert with its newest change.
    pub fn of_notification(&self, n: &Notification) -> Said {
        if n.alerts.is_empty() {
            let subject = self.language.pick("[Tin thử] IOC", "[Test] IOC").to_owned();
            let text = self.language.pick(
                "Tin thử đường gửi thông báo, không có sự việc.",
                "A test of this way of notification; nothing has happened.",
            );
            let headline = text.to_owned();
            return Said { subject, lines: vec![headline.clone()], headline, link: None };
        }
        let news: Vec<News<'_>> = n
            .alerts
            .iter()
            .map(|row| {
                let change = n.changes.iter().rev().find(|c| c.alert == row.id);
                News { row, reason: change.map_or("repeat", |c| &*c.reason) }
            })
            .collect();
        let mut said = self.of_all(&news);
        match (n.more, self.language) {
            (0, _) => {}
            (more, Language::Vi) => said.lines.push(format!("Và {more} cảnh báo khác.")),
            (more, Language::En) => said.lines.push(format!("And {more} more alerts.")),
        }
        said
    }

    /// What and where, in one sentence.
    pub fn headline(&self, row: &AlertRow) -> String {
        format!("{}: {}", tidy(self.language.of(&row.name)), self.place(row))
    }

    /// Severity of a running alert, or that it is over.
    fn badge(&self, news: News<'_>) -> String {
        let over = news.row.condition == Condition::Returned || !news.row.is_open();
        if news.reason == "reject" {
            self.language.pick("Báo động giả", "False alarm").to_owned()
        } else if over {
            self.language.pick("Đã hết", "Over").to_owned()
        } else {
            severity_word(news.row.severity, self.language).to_owned()
        }
    }

    /// Device or other entity, and ward.
    pub fn place(&self, row: &AlertRow) -> String {
        let thing = self.entity(row);
        match self.city.areas.get(&row.area) {
            Some(area) if !matches!(row.entity, Entity::Area(_)) => {
                format!("{thing}, {}", tidy(self.language.of(&area.name)))
            }
            _ => thing,
        }
    }

    fn entity(&self, row: &AlertRow) -> String {
        let language = self.language;
        let (known, id) = match &row.entity {
            Entity::Device(id) => (self.city.devices.get(id).map(|d| &d.name), id),
            Entity::Area(id) => (self.city.areas.get(id).map(|a| &a.name), id),
            Entity::Service(id) => (self.city.services.get(id).map(|s| &s.name), id),
            Entity::Segment(id) => {
                let word = language.pick("Đoạn đường", "Road segment");
                return format!("{word} {}", tidy(id));
            }
            Entity::City => return tidy(language.of(&self.city.name)),
        };
        known.map_or_else(|| tidy(id), |name| tidy(language.of(name)))
    }

    /// Value and limit with their unit.
    pub fn measured(&self, row: &AlertRow) -> Option<String> {
        let unit = tidy(&row.unit);
        let with_unit = |v: f64| {
            let n = number(v, self.language);
            if unit.is_empty() { n } else { format!("{n} {unit}") }
        };
        let value = with_unit(row.value?);
        Some(match row.limit {
            Some(limit) => {
                let word = self.language.pick("ngưỡng", "limit");
                format!("{value} ({word} {})", with_unit(limit))
            }
            None => value,
        })
    }

    /// The page of an alert in the console.
    pub fn link(&self, row: &AlertRow) -> Option<String> {
        let base = self.base_url.trim_end_matches('/');
        if base.is_empty() {
            return None;
        }
        let id: String =
            row.id.0.chars().filter(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).collect();
        Some(format!("{base}/a/{id}"))
    }
}

/// The word for a severity (domain.md §1.6).
pub fn severity_word(severity: Severity, language: Language) -> &'static str {
    let (vi, en) = match severity {
        Severity::Info => ("Thông tin", "Information"),
        Severity::Minor => ("Chú ý", "Minor"),
        Severity::Major => ("Cảnh báo", "Major"),
        Severity::Critical => ("Nghiêm trọng", "Critical"),
        Severity::Emergency => ("Khẩn cấp", "Emergency"),
    };
    language.pick(vi, en)
}

/// Words for the changes that the audit log names; `repeat` and `test` are the notifier's own.
const REASONS: &[(&str, &str, &str)] = &[
    ("raise", "mới phát sinh", "raised"),
    ("severity", "đổi mức độ", "severity changed"),
    ("clear", "trở lại bình thường", "back to normal"),
    ("repeat", "vẫn chưa xử lý xong", "still open"),
    ("test", "tin thử", "test message"),
    ("overdue", "quá hạn xử lý", "overdue"),
    ("escalate", "chuyển lên cấp trên", "escalated"),
    ("deescalate", "giảm mức độ theo thời gian", "counts less after a long time"),
    ("acknowledge", "đã tiếp nhận", "acknowledged"),
    ("assign", "đã phân công", "assigned"),
    ("start", "đang xử lý", "in progress"),
    ("resolve", "đã xử lý", "resolved"),
    ("close", "đã đóng", "closed"),
    ("auto_close", "tự động đóng", "closed automatically"),
    ("reject", "báo động giả", "false alarm"),
    ("comment", "có ý kiến mới", "commented"),
    ("link", "có liên kết mới", "link attached"),
    ("shelve", "tạm gác", "shelved"),
    ("unshelve", "hết tạm gác", "taken back from the shelf"),
    ("shelf_expired", "hết hạn tạm gác", "shelving has expired"),
    ("suppress", "tạm ẩn theo kế hoạch", "suppressed by design"),
    ("unsuppress", "hết tạm ẩn", "no longer suppressed"),
    ("merge", "gộp sự cố", "merged into another incident"),
    ("split", "tách sự cố", "split from its incident"),
    ("undo", "hoàn tác", "taken back"),
];

/// The words for a change, by its name in the audit log.
pub fn reason_word(reason: &str, language: Language) -> &'static str {
    REASONS.iter().find(|(name, ..)| *name == reason).map_or_else(
        || language.pick("có thay đổi", "changed"),
        |(_, vi, en)| language.pick(vi, en),
    )
}

/// Local time (+07:00) as people write it.
pub fn moment(at: Timestamp, language: Language) -> String {
    let format = language.pick("%H:%M ngày %d/%m/%Y", "%H:%M on %-d %B %Y");
    local(at).map_or_else(|| at.to_string(), |t| t.strftime(format).to_string())
}

/// Local time with the city's offset; Asia/Ho_Chi_Minh has had no other since 1975.
pub(crate) fn local(at: Timestamp) -> Option<jiff::Zoned> {
    let zone = jiff::tz::TimeZone::fixed(jiff::tz::Offset::constant(7));
    jiff::Timestamp::from_millisecond(at.0).ok().map(|t| t.to_zoned(zone))
}

/// A number with at most two decimals, as the language writes it.
pub fn number(value: f64, language: Language) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |d| ("-", d));
    let (whole, rest) = digits.split_once('.').unwrap_or((digits, ""));
    let (group, point) = match language {
        Language::Vi => ('.', ','),
        Language::En => (',', '.'),
    };
    let sign = if digits == "0" { "" } else { sign };
    let mut out = String::from(sign);
    for (i, digit) in whole.chars().enumerate() {
        // Four digits are not grouped: 2026 stays 2026.
        if i > 0 && whole.len() > 4 && (whole.len() - i) % 3 == 0 {
            out.push(group);
        }
        out.push(digit);
    }
    if !rest.is_empty() {
        out.push(point);
        out.push_str(rest);
    }
    out
}

/// One harmless line of bounded length, see [`line`].
pub fn tidy(text: &str) -> String {
    let start: String = text.chars().take(4 * MAX_FIELD).collect();
    clip(&line(&start), MAX_FIELD)
}

/// One harmless line: control characters and runs of white space become one space, characters
/// that change the direction of writing or are invisible are dropped.
pub(crate) fn line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut space = false;
    for c in text.chars() {
        if c.is_control() || c.is_whitespace() {
            space = !out.is_empty();
        } else if !is_invisible(c) {
            if space {
                out.push(' ');
                space = false;
            }
            out.push(c);
        }
    }
    out
}

/// Marks of direction, zero-width characters and what XML 1.0 forbids.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}'
        | '\u{e0000}'..='\u{e007f}')
}

/// The first `max` characters; an ellipsis shows that some are gone.
pub fn clip(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    let mut out: String = text.chars().take(max.saturating_sub(1)).collect();
    out.truncate(out.trim_end().len());
    out.push('…');
    out
}

#[cfg(test)]
#[path = "words_tests.rs"]
mod tests;
