//! An alert's history in words, Vietnamese and English.

use std::fmt::Write;

use ioc_model::{AlertRow, AuditRow, Condition, Evidence, EvidenceLimit, Severity};

use crate::cli::Language::{self, Vi};
use crate::words::{number, one_line, span};

pub(super) fn explain(row: &AlertRow, audit: &[AuditRow], language: Language) -> String {
    let say = Say { language, unit: &row.unit, out: String::new() };
    say.alert(row, audit)
}

struct Say<'a> {
    language: Language,
    unit: &'a str,
    out: String,
}

impl Say<'_> {
    fn alert(mut self, row: &AlertRow, audit: &[AuditRow]) -> String {
        let title = one_line(self.language.pick(&row.message));
        let name = one_line(self.language.pick(&row.name));
        let state = match (row.condition, row.acknowledged) {
            (Condition::Active, false) => {
                self.t("đang diễn ra, chưa xác nhận", "active, not acknowledged")
            }
            (Condition::Active, true) => {
                self.t("đang diễn ra, đã xác nhận", "active, acknowledged")
            }
            (Condition::Returned, false) => {
                self.t("đã hết, chưa xác nhận", "returned, not acknowledged")
            }
            (Condition::Returned, true) => self.t("đã hết, đã xác nhận", "returned, acknowledged"),
        };
        self.line(0, &title);
        let rule = self.t("luật", "rule");
        self.line(
            0,
            &format!("{} · {rule} {} ({name}) · {} · {state}", row.id, row.rule, row.entity),
        );
        for line in audit {
            self.out.push('\n');
            self.step(line);
        }
        self.out
    }

    fn step(&mut self, line: &AuditRow) {
        let severity = self.severity(line.severity);
        let by = one_line(&line.actor);
        let action = match line.action.as_str() {
            "raise" => format!("{}: {severity}", self.t("PHÁT SINH", "RAISED")),
            "severity" => format!("{}: {severity}", self.t("ĐỔI MỨC", "SEVERITY")),
            "clear" => self.t("KẾT THÚC", "CLEARED").to_owned(),
            "acknowledge" => format!("{} {by}", self.t("XÁC NHẬN bởi", "ACKNOWLEDGED by")),
            other => format!("{} ({by})", one_line(other)),
        };
        self.line(0, &format!("{}  {action}", line.at));
        if let Some(message) = &line.message {
            self.line(1, &one_line(self.language.pick(message)));
        }
        if let Some(note) = &line.note {
            self.line(1, &format!("“{}”", one_line(note)));
        }
        let limit = line.evidence.as_ref().and_then(|e| e.limit.as_ref());
        if let Some(value) = line.value {
            let what = self.t("giá trị", "value");
            self.line(1, &format!("{what} {}", self.quantity(value)));
        }
        match (limit, line.limit) {
            (Some(limit), _) => self.limit(limit),
            (None, Some(limit)) => {
                let what = self.t("ngưỡng", "limit");
                self.line(1, &format!("{what} {}", self.quantity(limit)));
            }
            (None, None) => {}
        }
        if let Some(evidence) = &line.evidence {
            self.evidence(evidence);
        }
    }

    fn limit(&mut self, l: &EvidenceLimit) {
        let unit = if self.unit.is_empty() { String::new() } else { format!(" {}", self.unit) };
        let mut text = format!("{} {}{unit}", self.t("ngưỡng", "limit"), one_line(&l.comparison));
        if let Some(name) = &l.threshold {
            let _ = write!(text, " ({name})");
        }
        self.line(1, &text);
        if let Some(source) = &l.source {
            let mut text = format!("{}: {}", self.t("căn cứ", "source"), one_line(source));
            if let Some(day) = &l.effective {
                let _ = write!(text, ", {} {day}", self.t("hiệu lực từ", "in force since"));
            }
            self.line(1, &text);
        }
    }

    fn evidence(&mut self, e: &Evidence) {
        if let Some(w) = &e.window {
            let readings = self.t("số liệu", "readings");
            let mut text = format!(
                "{} {} – {}: {} {readings}",
                self.t("cửa sổ", "window"),
                w.from,
                w.to,
                w.count
            );
            for (vi, en, n) in [
                ("nhỏ nhất", "least", w.min),
                ("lớn nhất", "most", w.max),
                ("kết quả", "result", w.value),
            ] {
                if let Some(n) = n {
                    let _ = write!(text, ", {} {}", self.t(vi, en), number(n));
                }
            }
            self.line(1, &text);
        }
        for t in &e.timers {
            let ran = span(t.until.since_ms(t.since));
            let name = self.timer(&t.name);
            self.line(1, &format!("{name}: {ran}, {} → {}", t.since, t.until));
        }
        for by in &e.inhibited_by {
            let text = self.t("bị giữ lại bởi cảnh báo của luật", "held back by an alert of rule");
            self.line(1, &format!("{text} {by}"));
        }
        for f in &e.facts {
            let value = f.value.map(number);
            let text = f.text.as_deref().map(one_line);
            let said: Vec<String> = value.into_iter().chain(text).collect();
            self.line(1, &format!("{}: {}", one_line(&f.name), said.join(" ")));
        }
        if !e.readings.is_empty() {
            self.line(1, self.t("số liệu quyết định:", "readings that decided:"));
        }
        for r in &e.readings {
            let (device, property) = (one_line(&r.device), one_line(&r.property));
            self.line(2, &format!("{}  {device}  {property} {}", r.time, number(r.value)));
        }
    }

    fn timer<'b>(&self, name: &'b str) -> &'b str {
        match name {
            "for" => self.t("giữ đủ thời gian (for)", "held for"),
            "clear_for" => self.t("bình thường đủ thời gian (clear_for)", "normal for"),
            "window" => self.t("cửa sổ thời gian", "window"),
            "silence" => self.t("im lặng", "silence"),
            "quiet" => self.t("yên", "quiet"),
            "dwell" => self.t("lưu lại", "dwell"),
            "within" => self.t("trong khoảng", "within"),
            other => other,
        }
    }

    fn severity(&self, s: Severity) -> &'static str {
        match s {
            Severity::Info => self.t("thông tin", "info"),
            Severity::Minor => self.t("chú ý", "minor"),
            Severity::Major => self.t("cảnh báo", "major"),
            Severity::Critical => self.t("nghiêm trọng", "critical"),
            Severity::Emergency => self.t("khẩn cấp", "emergency"),
        }
    }

    fn quantity(&self, value: f64) -> String {
        match self.unit {
            "" => number(value),
            unit => format!("{} {unit}", number(value)),
        }
    }

    fn t<'b>(&self, vi: &'b str, en: &'b str) -> &'b str {
        if self.language == Vi { vi } else { en }
    }

    fn line(&mut self, indent: usize, text: &str) {
        let _ = writeln!(self.out, "{:1$}{text}", "", indent * 2);
    }
}

#[cfg(test)]
mod tests {
    use ioc_model::{AlertId, Entity, Text, Timestamp};

    use super::*;

    fn row() -> AlertRow {
        let start = Timestamp(1_761_588_000_000);
        let entity = Entity::Device("river-a".into());
        let text = |s: &str| Text { vi: format!("{s} (vi)"), en: s.to_owned() };
        let mut row = AlertRow::raised(&ioc_model::Transition {
            position: 0,
            alert: AlertId::new("flood", &entity, start),
            rule: "flood".into(),
            entity,
            device: Some("river-a".into()),
            area: "hai_chau".into(),
            service: "river".into(),
            time: start,
            kind: ioc_model::TransitionKind::Raise,
            severity: Severity::Major,
            value: Some(2.5),
            limit: Some(2.0),
            unit: "m".into(),
            name: text("Flood"),
            message: text("river-a at 2.50 m"),
            cause: "flood".into(),
            latched: false,
            evidence: Box::default(),
        });
        (row.ver, row.change) = (1, 1);
        row
    }

    fn raise(row: &AlertRow) -> AuditRow {
        let t = row.raised_at.0;
        let mut e = Evidence::default();
        e.reading(&"river-a".into(), &"water_level".into(), t, 2.5);
        e.timer("for", t - 600_000, t);
        e.number("sigma", 3.25);
        e.inhibited_by.push("gateway.offline".into());
        e.limit = Some(EvidenceLimit {
            comparison: ">= 2".into(),
            threshold: Some("flood.bd2".into()),
            source: Some("Quyết định 05/2020/QĐ-TTg".into()),
            effective: Some("2020-03-18".into()),
        });
        e.window = Some(ioc_model::EvidenceWindow {
            from: Timestamp(t - 3_600_000),
            to: Timestamp(t),
            count: 6,
            min: Some(1.0),
            max: Some(2.5),
            value: Some(2.25),
        });
        AuditRow {
            seq: 1,
            alert: row.id.clone(),
            action: "raise".into(),
            actor: "rule:flood".into(),
            at: row.raised_at,
            severity: Severity::Major,
            value: Some(2.5),
            limit: Some(2.0),
            note: None,
            message: Some(row.message.clone()),
            evidence: Some(Box::new(e)),
            origin: None,
            detail: None,
        }
    }

    #[test]
    fn a_raise_is_explained_with_its_limit_law_readings_window_and_timers() {
        let row = row();
        let text = explain(&row, &[raise(&row)], Language::En);
        let body: Vec<&str> = text.lines().skip(3).collect();
        assert_eq!(
            body,
            [
                "2025-10-28T01:00:00+07:00  RAISED: major",
                "  river-a at 2.50 m",
                "  value 2.5 m",
                "  limit >= 2 m (flood.bd2)",
                "  source: Quyết định 05/2020/QĐ-TTg, in force since 2020-03-18",
                "  window 2025-10-28T00:00:00+07:00 – 2025-10-28T01:00:00+07:00: 6 readings, \
                 least 1, most 2.5, result 2.25",
                "  held for: 10m, 2025-10-28T00:50:00+07:00 → 2025-10-28T01:00:00+07:00",
                "  held back by an alert of rule gateway.offline",
                "  sigma: 3.25",
                "  readings that decided:",
                "    2025-10-28T01:00:00+07:00  river-a  water_level 2.5",
            ]
        );
        let text = explain(&row, &[raise(&row)], Language::Vi);
        for word in
            ["PHÁT SINH: cảnh báo", "ngưỡng >= 2 m", "căn cứ: Quyết định", "số liệu quyết định"]
        {
            assert!(text.contains(word), "{word} in\n{text}");
        }
    }

    #[test]
    fn a_line_from_before_evidence_was_kept_and_hostile_text_are_printed_plainly() {
        let row = row();
        let mut old = AuditRow { message: None, evidence: None, limit: None, ..raise(&row) };
        old.note = Some("\u{1b}[2Jgone\nnext".into());
        let text = explain(&row, &[old], Language::En);
        let body: Vec<&str> = text.lines().skip(3).collect();
        assert_eq!(
            body,
            ["2025-10-28T01:00:00+07:00  RAISED: major", "  “ [2Jgone next”", "  value 2.5 m"]
        );
    }
}
