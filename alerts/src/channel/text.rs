//! What people read: a headline and one line for each alert, in Vietnamese or English. Texts of
//! devices and operators are in it; each channel escapes them in its own way. Control characters
//! do not get through, so a line stays a line.

use ioc_model::{AlertRow, Condition, Severity, Text};

use super::{Language, Notification};

/// Alerts that are written out in a text; the others are counted.
const MAX_LINES: usize = 20;

/// Text of one language.
pub(crate) fn pick(text: &Text, language: Language) -> &str {
    match language {
        Language::Vi => &text.vi,
        Language::En => &text.en,
    }
}

/// The word of a severity.
pub(crate) fn severity(s: Severity, language: Language) -> &'static str {
    let (vi, en) = match s {
        Severity::Info => ("Thông tin", "Info"),
        Severity::Minor => ("Chú ý", "Minor"),
        Severity::Major => ("Cảnh báo", "Major"),
        Severity::Critical => ("Nghiêm trọng", "Critical"),
        Severity::Emergency => ("Khẩn cấp", "Emergency"),
    };
    match language {
        Language::Vi => vi,
        Language::En => en,
    }
}

/// The word of a reason; one that is not known stays as it is.
pub(crate) fn reason(word: &str, language: Language) -> &str {
    let (vi, en) = match word {
        "raise" => ("mới phát sinh", "raised"),
        "severity" => ("tăng mức", "worse"),
        "severity_lower" => ("giảm mức", "eased"),
        "clear" => ("đã hết", "cleared"),
        "acknowledge" => ("đã tiếp nhận", "acknowledged"),
        "assign" => ("đã phân công", "assigned"),
        "start" => ("đang xử lý", "in progress"),
        "resolve" => ("đã xử lý", "resolved"),
        "close" | "auto_close" => ("đã đóng", "closed"),
        "reject" => ("báo động giả", "false alarm"),
        "shelve" => ("tạm gác", "shelved"),
        "suppress" => ("tạm ngưng", "suppressed"),
        "escalate" => ("chuyển cấp trên", "escalated"),
        "deescalate" => ("hạ mức ưu tiên", "de-escalated"),
        "overdue" => ("quá hạn", "overdue"),
        "repeat" => ("nhắc lại", "reminder"),
        "test" => ("thử kênh", "test"),
        other => return other,
    };
    match language {
        Language::Vi => vi,
        Language::En => en,
    }
}

/// One line that says what it is about: `[Nghiêm trọng] mới phát sinh: Lũ sông (river, cam_le)`.
pub(crate) fn headline(n: &Notification) -> String {
    let language = n.language;
    if n.test {
        let text = match language {
            Language::Vi => "Tin thử của trung tâm điều hành (IOC), không cần xử lý",
            Language::En => "Test message of the operations centre (IOC), nothing to do",
        };
        return text.to_owned();
    }
    let reasons: Vec<&str> = n.reasons.iter().map(|r| reason(r, language)).collect();
    let what = match (&n.incident, n.alerts.first()) {
        (Some(i), _) => format!("{} ({}, {})", pick(&i.name, language), i.service, i.area),
        (None, Some(a)) => format!("{} ({}, {})", pick(&a.name, language), a.service, a.area),
        (None, None) => n.group.clone(),
    };
    let count = n.alerts.len() + n.more;
    let many = match (count, language) {
        (0 | 1, _) => String::new(),
        (_, Language::Vi) => format!(" · {count} cảnh báo"),
        (_, Language::En) => format!(" · {count} alerts"),
    };
    let head = severity(n.severity(), language);
    one_line(&format!("[{head}] {}: {what}{many}", reasons.join(", ")))
}

/// One line for each alert.
pub(crate) fn lines(n: &Notification) -> Vec<String> {
    let mut lines: Vec<String> = n.alerts.iter().take(MAX_LINES).map(|a| line(n, a)).collect();
    let rest = n.alerts.len().saturating_sub(MAX_LINES) + n.more;
    if rest > 0 {
        lines.push(match n.language {
            Language::Vi => format!("… và {rest} cảnh báo khác"),
            Language::En => format!("… and {rest} more alerts"),
        });
    }
    lines
}

/// Headline and lines.
pub(crate) fn body(n: &Notification) -> String {
    let mut text = headline(n);
    for line in lines(n) {
        text.push('\n');
        text.push_str(&line);
    }
    text
}

fn line(n: &Notification, a: &AlertRow) -> String {
    let language = n.language;
    let message = pick(&a.message, language);
    let what = if message.is_empty() { pick(&a.name, language) } else { message };
    let mark = if a.condition == Condition::Returned { "✓" } else { "•" };
    let why = n.changes.iter().rev().find(|c| c.alert == a.id);
    let why = why.map_or(String::new(), |c| format!(" – {}", reason(&c.reason, language)));
    let by = n.changes.iter().rev().find(|c| c.alert == a.id).and_then(|c| {
        let person = !c.actor.starts_with("rule:") && &*c.actor != "system";
        person.then(|| format!(" ({})", c.actor))
    });
    let by = by.unwrap_or_default();
    one_line(&format!("{mark} {}: {what}{why}{by}", severity(a.severity, language)))
}

/// The same text on one line.
pub(crate) fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
