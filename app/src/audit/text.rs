//! The audit log for people, in the language asked for.

use std::fmt::Write;

use ioc_alerts::{Bad, BadKind, Note, Report};
use ioc_model::AuditRow;

use crate::cli::Language::{self, Vi};
use crate::words::{count, number, one_line};

/// What a verification found.
pub(super) fn report(r: &Report, language: Language) -> String {
    let t = |vi, en| pick(language, vi, en);
    let mut out = String::new();
    let lines = count(r.lines);
    // Writing to a String cannot fail.
    let _ = match &r.first_bad {
        None => {
            writeln!(out, "{}: {lines} {}", t("NGUYÊN VẸN", "WHOLE"), t("dòng nhật ký", "lines"))
        }
        Some(bad) => {
            let head = t("BẢN GHI SAI ĐẦU TIÊN", "FIRST BAD RECORD");
            writeln!(out, "{head}: {}\n  {}", numbers(bad), what(bad, language))
        }
    };
    if r.first_bad.is_some() {
        let _ = writeln!(
            out,
            "  {lines} {}",
            t("dòng trước đó nguyên vẹn", "lines before it are whole")
        );
    }
    let _ = writeln!(
        out,
        "  {} {}; {} {}",
        count(r.anchors),
        t("mốc neo khớp", "anchors agree"),
        t("mốc cuối ở dòng", "the last is about line"),
        count(r.anchored)
    );
    let _ = writeln!(
        out,
        "  {} {}",
        t("mã băm của dòng tốt cuối cùng", "hash of the last good line"),
        r.hash
    );
    for note in &r.notes {
        let _ = writeln!(out, "  {}: {}", t("lưu ý", "note"), noted(*note, language));
    }
    out
}

fn numbers(bad: &Bad) -> String {
    match bad.until > bad.seq {
        true => format!("{} – {}", count(bad.seq), count(bad.until)),
        false => count(bad.seq),
    }
}

fn what(bad: &Bad, language: Language) -> String {
    let t = |vi, en| pick(language, vi, en);
    let text = match bad.kind {
        BadKind::Edited => t(
            "bị sửa hoặc bị thay: không nối tiếp bản ghi trước (hoặc bản ghi trước bị sửa và băm lại)",
            "edited or replaced: it does not follow from the record before (or that one was edited \
             and hashed anew)",
        ),
        BadKind::Deleted => t("bị xoá", "deleted"),
        BadKind::Inserted => t("bị chèn vào, không do IOC ghi", "inserted, not written by the IOC"),
        BadKind::Reordered => t("bị đổi chỗ", "moved to another place"),
        BadKind::Truncated => t("nhật ký bị cắt từ đây", "the log was cut off from here"),
        BadKind::Rewritten => t(
            "một trong các bản ghi này bị sửa và mọi mã băm sau đó bị tính lại: khác với mốc neo",
            "one of these was changed and all hashes after it were computed anew: the anchors know \
             others",
        ),
        BadKind::Head => t(
            "dòng audit_head trong cơ sở dữ liệu bị sửa",
            "the row audit_head in the database was changed",
        ),
        BadKind::Unreadable => t("cơ sở dữ liệu hỏng tại đây", "the database is damaged here"),
        BadKind::UnknownFormat => {
            t("mã băm của phiên bản mới hơn", "its hash is of a later version of the IOC")
        }
        BadKind::NotChained => t(
            "nhật ký của phiên bản cũ, chưa có mã băm: chạy `ioc run` một lần",
            "the log is of an earlier version without hashes: run `ioc run` once",
        ),
    };
    match (bad.kind, bad.other) {
        (BadKind::Reordered, Some(n)) => {
            format!("{text}: {} {}", t("với bản ghi", "with record"), count(n))
        }
        _ => text.to_owned(),
    }
}

fn noted(note: Note, language: Language) -> String {
    let t = |vi, en| pick(language, vi, en);
    match note {
        Note::NoAnchors => t(
            "không có tệp mốc neo: không thấy được nhật ký bị cắt hay viết lại với mã băm đúng",
            "no anchors: a log cut or rewritten with right hashes would not be seen",
        )
        .into(),
        Note::NoHead => t(
            "không có tệp .head: như trên, với các dòng sau mốc neo cuối",
            "no head file: the same for the lines after the last anchor",
        )
        .into(),
        Note::UnreadableHead => t(
            "tệp .head không đọc được (mất điện, hoặc có người sửa)",
            "the head file cannot be read (a power cut, or somebody wrote into it)",
        )
        .into(),
        Note::UnreadableAnchors(n) => format!(
            "{} {}",
            count(n),
            t(
                "dòng mốc neo không đọc được (mỗi lần mất điện có thể có một)",
                "lines of the anchors cannot be read (one after each power cut is usual)"
            )
        ),
        Note::Adopted(n) => format!(
            "{} {}",
            count(n),
            t(
                "dòng đầu từ phiên bản không có mã băm: không biết điều gì đã xảy ra với chúng trước đó",
                "first lines are from a version without hashes: nothing says what became of them \
                 before they were chained"
            )
        ),
    }
}

/// The bad record itself.
pub(super) fn as_it_stands(l: &AuditRow, language: Language) -> String {
    let head = pick(language, "bản ghi hiện tại", "the record as it stands");
    format!("{head}:\n{}", line(l, language))
}

/// One line of the log.
pub(super) fn line(l: &AuditRow, language: Language) -> String {
    let mut out = format!(
        "{}  {}  {}  {}  {}",
        l.seq,
        l.at,
        one_line(&l.actor),
        one_line(&l.action),
        l.severity.as_str()
    );
    if !l.alert.0.is_empty() {
        let _ = write!(out, "  {}", one_line(&l.alert.0));
    }
    if let Some(origin) = &l.origin {
        let _ = write!(out, "  {} {}", pick(language, "từ", "from"), one_line(origin));
    }
    if let Some(value) = l.value {
        let _ = write!(out, "  {}", number(value));
    }
    if let Some(limit) = l.limit {
        let _ = write!(out, "  ({} {})", pick(language, "ngưỡng", "limit"), number(limit));
    }
    out.push('\n');
    let message = l.message.as_ref().map(|m| one_line(language.pick(m)));
    let note = l.note.as_ref().map(|n| format!("“{}”", one_line(n)));
    let detail = l.detail.as_ref().map(|d| one_line(d));
    for text in [message, note, detail].into_iter().flatten() {
        let _ = writeln!(out, "    {text}");
    }
    out
}

pub(super) fn exported(lines: u64, path: &str, language: Language) -> String {
    format!("{} {} {path}", count(lines), pick(language, "dòng vào", "lines into"))
}

fn pick(language: Language, vi: &'static str, en: &'static str) -> &'static str {
    if language == Vi { vi } else { en }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_record_is_named_in_both_languages() {
        let bad = Bad { kind: BadKind::Reordered, seq: 1_057, until: 1_057, other: Some(1_060) };
        let r = Report {
            lines: 1_056,
            anchors: 1,
            anchored: 1_000,
            hash: "01ab".into(),
            first_bad: Some(bad),
            notes: vec![Note::UnreadableAnchors(1)],
        };
        let text = report(&r, Language::En);
        assert!(
            text.starts_with(
                "FIRST BAD RECORD: 1,057\n  moved to another place: with record 1,060\n"
            )
        );
        assert!(text.contains("1,056 lines before it are whole"), "{text}");
        assert!(report(&r, Language::Vi).starts_with("BẢN GHI SAI ĐẦU TIÊN: 1,057\n  bị đổi chỗ"));
        let whole = Report { first_bad: None, notes: Vec::new(), ..r };
        assert!(report(&whole, Language::Vi).starts_with("NGUYÊN VẸN: 1,056 dòng nhật ký\n"));
        let rewritten = Bad { kind: BadKind::Rewritten, until: 2_000, ..bad };
        assert_eq!(numbers(&rewritten), "1,057 – 2,000");
    }
}
