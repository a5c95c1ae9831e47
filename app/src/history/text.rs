//! Answers of `ioc history` for people, in the language asked for.

use std::fmt::Write;

use ioc_history::maintenance::{CompactReport, FileStats, Finding, Part, VerifyReport};
use ioc_model::{Tier, Timestamp};

use crate::cli::Language::{self, Vi};
use crate::words::{count, number, one_line};

/// Findings printed one by one; `--json` has all.
const LISTED: usize = 50;

fn pick<'a>(language: Language, vi: &'a str, en: &'a str) -> &'a str {
    if language == Vi { vi } else { en }
}

/// `1.25 GiB`.
pub(super) fn bytes(n: u64) -> String {
    let (mut size, mut unit) = (n as f64, "B");
    for next in ["KiB", "MiB", "GiB", "TiB"] {
        if size < 1_024.0 {
            break;
        }
        (size, unit) = (size / 1_024.0, next);
    }
    match unit {
        "B" => format!("{n} B"),
        _ => format!("{size:.1} {unit}"),
    }
}

fn time(t: Option<Timestamp>) -> String {
    t.map_or_else(|| "-".to_owned(), |t| t.to_string())
}

pub(super) fn stats(s: &FileStats, language: Language) -> String {
    let t = |vi, en| pick(language, vi, en);
    let per_point = |n: u64| number(n as f64 / s.points.max(1) as f64);
    let mut out = String::new();
    // Writing to a String cannot fail.
    let mut line = |name: &str, text: String| {
        let _ = writeln!(out, "{name:<24}{text}");
    };
    line(t("chuỗi", "series"), count(s.series));
    line(t("giá trị đo", "readings"), count(s.points));
    line(t("từ", "since"), time(s.since));
    line(t("đến", "until"), time(s.until));
    let free = format!("{} {}", bytes(s.free_bytes), t("trống", "free"));
    line(t("tệp", "file"), format!("{} ({free})", bytes(s.bytes)));
    let per = t("byte mỗi giá trị", "bytes a reading");
    let late = format!("{} {}", count(s.late_blocks), t("đến muộn", "late"));
    let blocks = format!("{} {} ({late})", count(s.blocks), t("khối", "blocks"));
    let raw =
        format!("{}, {blocks}, {} {per}", bytes(s.raw_data_bytes), per_point(s.raw_data_bytes));
    line(t("giá trị thô", "raw readings"), raw);
    for (name, n, size) in [
        (t("cửa sổ phút", "windows of a minute"), s.minute_windows, s.minute_data_bytes),
        (t("cửa sổ giờ", "windows of an hour"), s.hour_windows, s.hour_data_bytes),
    ] {
        line(name, format!("{}, {}", count(n), bytes(size)));
    }
    let floors = [
        (t("thô giữ từ", "raw kept from"), s.raw_from),
        (t("phút giữ từ", "minutes kept from"), s.minute_from),
        (t("giờ giữ từ", "hours kept from"), s.hour_from),
    ];
    for (name, from) in floors.into_iter().filter(|(_, from)| from.is_some()) {
        line(name, time(from));
    }
    line(t("vị trí nhật ký", "journal position"), count(s.cursor));
    let note = t(
        "(chưa tính phần hệ thống đang chạy còn giữ trong bộ nhớ, tối đa head_age_s)",
        "(not counted: what a running centre still holds in memory, up to head_age_s)",
    );
    let _ = writeln!(out, "{note}");
    out
}

pub(super) fn report(r: &VerifyReport, language: Language) -> String {
    let t = |vi, en| pick(language, vi, en);
    let mut out = String::new();
    let bad = r.findings.len() as u64 + r.more_findings;
    let _ = match bad {
        0 => writeln!(out, "{}", t("NGUYÊN VẸN", "WHOLE")),
        n => writeln!(out, "{}: {}", t("HỎNG", "BAD"), count(n)),
    };
    let _ = writeln!(
        out,
        "  {} {}, {} {}, {} {}, {} {}, {} {}",
        count(r.series),
        t("chuỗi", "series"),
        count(r.points),
        t("giá trị đo", "readings"),
        count(r.blocks),
        t("khối", "blocks"),
        count(r.rows),
        t("hàng cửa sổ", "rows of windows"),
        count(r.windows_compared),
        t("cửa sổ được tính lại", "windows computed again"),
    );
    for f in r.findings.iter().take(LISTED) {
        let _ = writeln!(out, "  {}", finding(f, language));
    }
    let more = bad.saturating_sub(LISTED as u64);
    if more > 0 {
        let _ = writeln!(out, "  … {} {}", count(more), t("nữa (--json)", "more (--json)"));
    }
    out
}

fn finding(f: &Finding, language: Language) -> String {
    let t = |vi, en| pick(language, vi, en);
    let part = match f.part {
        Part::Block => t("khối", "block"),
        Part::Tail => t("khối đang đầy dần", "growing block"),
        Part::Rollup => t("hàng cửa sổ", "row of windows"),
        Part::RollupTail => t("hàng cửa sổ đang đầy dần", "growing row of windows"),
        Part::Series => t("hàng của chuỗi", "row of the series"),
        Part::File => t("cấu trúc tệp", "structure of the file"),
    };
    let tier = match f.tier {
        Tier::Raw => "",
        Tier::Minute => t(" (phút)", " (minutes)"),
        Tier::Hour => t(" (giờ)", " (hours)"),
    };
    let lost = match f.points_lost {
        0 => String::new(),
        n => format!("; {} {}", count(n), t("giá trị bị mất", "readings lost")),
    };
    if f.part == Part::File {
        return format!("{part}: {}", one_line(&f.what));
    }
    format!(
        "{}/{} {part}{tier} {} – {}: {}{lost}",
        one_line(&f.device),
        one_line(&f.property),
        f.from,
        f.to,
        one_line(&f.what),
    )
}

pub(super) fn stop_first(language: Language) -> &'static str {
    match language {
        Vi => "trung tâm đang chạy: dừng `ioc run` trước",
        Language::En => "the centre is running: stop `ioc run` first",
    }
}

pub(super) fn compacted(r: &CompactReport, language: Language) -> String {
    let t = |vi, en| pick(language, vi, en);
    format!(
        "{} → {}; {} {}, {} {}\n",
        bytes(r.bytes_before),
        bytes(r.bytes_after),
        count(r.merged_blocks),
        t("khối được gộp", "blocks merged"),
        count(r.expired_points),
        t("giá trị quá hạn được xoá", "readings given up by age"),
    )
}

pub(super) fn rows(n: u64, language: Language) -> String {
    format!("{} {}", count(n), pick(language, "dòng", "rows"))
}

pub(super) fn so_far(done: u64, of: u64, rows_done: Option<u64>, language: Language) -> String {
    let series = pick(language, "chuỗi", "series");
    let rows = rows_done.map(|n| format!(", {}", rows(n, language))).unwrap_or_default();
    format!("{}/{} {series}{rows}", count(done), count(of))
}

/// An export is done.
pub(super) fn exported(rows_done: u64, size: u64, to: &str, language: Language) -> String {
    format!("{}: {}, {}", one_line(to), rows(rows_done, language), bytes(size))
}

/// It was done before.
pub(super) fn complete(file: &str, language: Language) -> String {
    let text = pick(language, "đã đầy đủ, không có gì để làm", "is whole, nothing to do");
    format!("{} {text}", one_line(file))
}

/// It goes on.
pub(super) fn going_on(file: &str, size: u64, language: Language) -> String {
    let text = pick(language, "tiếp tục sau", "going on behind");
    format!("{}: {text} {}", one_line(file), bytes(size))
}

/// Points that line protocol cannot hold.
pub(super) fn unwritable(n: u64, language: Language) -> String {
    let text = pick(
        language,
        "giá trị không ghi được, nêu tên ở cuối tệp",
        "readings could not be written; they are named at the end of the file",
    );
    format!("{} {text}", count(n))
}

/// The range reaches before what is kept.
pub(super) fn raw_from(t: Timestamp, language: Language) -> String {
    let text = pick(
        language,
        "giá trị thô trước thời điểm này đã bị xoá theo hạn lưu; dùng --step để lấy theo cửa sổ",
        "raw readings before this moment were given up by age; --step gives windows",
    );
    format!("{t}: {text}")
}

/// The range reaches into what the centre may hold in memory.
pub(super) fn in_memory(head_age_s: u32, language: Language) -> String {
    let minutes = head_age_s.div_ceil(60);
    match language {
        Vi => format!(
            "lưu ý: trung tâm đang chạy còn giữ giá trị của {minutes} phút gần nhất trong bộ nhớ, \
             chưa có trong tệp này; GET /api/v1/export có chúng"
        ),
        Language::En => format!(
            "note: a running centre still holds readings of the last {minutes} minutes in memory, \
             they are not in here; GET /api/v1/export has them"
        ),
    }
}
