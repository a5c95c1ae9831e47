//! The audit log as CSV (RFC 4180), UTF-8 with BOM so that spreadsheets read Vietnamese.

use std::io::{self, Write};

use ioc_model::AuditRow;

const HEADER: &str = "seq,time,alert,action,actor,origin,severity,value,limit,note,message_vi,\
                      message_en,detail,evidence";

pub(super) fn header(out: &mut impl Write) -> io::Result<()> {
    write!(out, "\u{feff}{HEADER}\r\n")
}

pub(super) fn row(line: &AuditRow, out: &mut impl Write) -> io::Result<()> {
    let number = |n: Option<f64>| n.map_or_else(String::new, |n| n.to_string());
    let message = |pick: fn(&ioc_model::Text) -> &String| {
        line.message.as_ref().map_or_else(String::new, |m| cell(pick(m)))
    };
    let evidence = line.evidence.as_ref().map(serde_json::to_string).transpose()?;
    let optional = |t: &Option<String>| t.as_deref().map_or_else(String::new, cell);
    let cells = [
        line.seq.to_string(),
        line.at.to_string(),
        cell(&line.alert.0),
        cell(&line.action),
        cell(&line.actor),
        optional(&line.origin),
        line.severity.as_str().to_owned(),
        number(line.value),
        number(line.limit),
        optional(&line.note),
        message(|m| &m.vi),
        message(|m| &m.en),
        optional(&line.detail),
        optional(&evidence),
    ];
    write!(out, "{}\r\n", cells.join(","))
}

/// A text of others. What a spreadsheet would take for a formula (OWASP: begins with = + - @, tab
/// or line break, also after blanks) gets an apostrophe; quotes are doubled.
fn cell(text: &str) -> String {
    let first = text.trim_start_matches(|c: char| c == ' ' || c == '\u{feff}').chars().next();
    let formula =
        |c| matches!(c, '=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '＝' | '＋' | '－' | '＠');
    let mark = if first.is_some_and(formula) { "'" } else { "" };
    let text: String = text.chars().filter(|c| *c != '\0').collect();
    format!("\"{mark}{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use ioc_model::{AlertId, Severity, Text, Timestamp};

    use super::*;

    #[test]
    fn hostile_texts_stay_one_cell_and_are_no_formula() {
        for (text, want) in [
            ("", "\"\""),
            ("đã báo phường", "\"đã báo phường\""),
            ("=1+1", "\"'=1+1\""),
            (" =1+1", "\"' =1+1\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("\tx", "\"'\tx\""),
            ("a,\"b\"\r\n=c", "\"a,\"\"b\"\"\r\n=c\""),
        ] {
            assert_eq!(cell(text), want);
        }
    }

    #[test]
    fn a_line_has_a_cell_for_each_column() {
        let line = AuditRow {
            seq: 7,
            alert: AlertId("3f2a".into()),
            action: "raise".into(),
            actor: "rule:flood".into(),
            origin: None,
            at: Timestamp(1_761_588_000_000),
            severity: Severity::Major,
            value: Some(-2.5),
            limit: None,
            note: Some("-x".into()),
            message: Some(Text { vi: "Lũ".into(), en: "Flood".into() }),
            evidence: None,
            detail: None,
        };
        let mut out = Vec::new();
        header(&mut out).expect("writes");
        row(&line, &mut out).expect("writes");
        let text = String::from_utf8(out).expect("UTF-8");
        assert_eq!(
            text.lines().nth(1),
            Some(
                "7,2025-10-28T01:00:00+07:00,\"3f2a\",\"raise\",\"rule:flood\",,major,-2.5,,\
                 \"'-x\",\"Lũ\",\"Flood\",,"
            )
        );
        let columns = HEADER.split(',').count();
        assert_eq!(text.lines().nth(1).map(|l| l.split(',').count()), Some(columns));
        assert!(text.starts_with('\u{feff}'));
    }
}
