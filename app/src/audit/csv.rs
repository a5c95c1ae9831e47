//! The audit log as CSV (RFC 4180), UTF-8 with BOM so that spreadsheets read Vietnamese.

use std::io::{self, Write};

use ioc_alerts::csv::field;
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

fn cell(text: &str) -> String {
    let mut cell = String::new();
    field(&mut cell, text);
    cell
}

#[cfg(test)]
mod tests {
    use ioc_model::{AlertId, Severity, Text, Timestamp};

    use super::*;

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
                "7,2025-10-28T01:00:00+07:00,3f2a,raise,rule:flood,,major,-2.5,,\
                 \"'-x\",Lũ,Flood,,"
            )
        );
        let columns = HEADER.split(',').count();
        assert_eq!(text.lines().nth(1).map(|l| l.split(',').count()), Some(columns));
        assert!(text.starts_with('\u{feff}'));
    }
}
