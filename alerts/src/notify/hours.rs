//! Hours in which a route holds, in local time. A public holiday counts as a Sunday, as it does
//! for the active hours of rules.

use std::collections::BTreeSet;
use std::sync::Arc;

use ioc_model::Timestamp;
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::report::Report;

/// Asia/Ho_Chi_Minh has had no other offset since 1975.
const LOCAL_OFFSET_MS: i64 = 7 * 3_600_000;
const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 86_400_000;
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
/// Words for several days; the last bit is a public holiday.
const GROUPS: [(&str, u8); 4] =
    [("everyday", 0xff), ("working", 0x1f), ("weekend", 0x60), ("holiday", HOLIDAY)];
const HOLIDAY: u8 = 0x80;
const SUNDAY: u8 = 0x40;

/// `{ days: [working], from: "07:30", to: "17:00" }`; from a later to an earlier time it goes over
/// midnight and belongs to the day on which it begins.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SpanFile {
    /// `mon` … `sun`, `everyday`, `working` (Monday to Friday without holidays), `weekend` (with
    /// holidays), `holiday`; none: every day.
    #[serde(default)]
    days: Vec<Spanned<String>>,
    from: Spanned<String>,
    to: Spanned<String>,
}

/// When a route holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hours {
    spans: Vec<Span>,
    /// Days since 1970 in local time.
    holidays: Arc<BTreeSet<i64>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    /// Bit 0 is Monday, bit 7 a holiday.
    days: u8,
    from_min: i64,
    to_min: i64,
}

impl Hours {
    pub(crate) fn check(
        files: &[SpanFile],
        holidays: &Arc<BTreeSet<i64>>,
        report: &mut Report,
    ) -> Self {
        let spans = files.iter().filter_map(|f| span(f, report)).collect();
        Self { spans, holidays: Arc::clone(holidays) }
    }

    /// Whether it is within these hours.
    pub fn is_open(&self, at: Timestamp) -> bool {
        let local = at.0.saturating_add(LOCAL_OFFSET_MS);
        let (day, ms) = (local.div_euclid(DAY_MS), local.rem_euclid(DAY_MS));
        self.spans.iter().any(|s| {
            let (from, to) = (s.from_min * MINUTE_MS, s.to_min * MINUTE_MS);
            if from < to {
                return self.on(*s, day) && (from..to).contains(&ms);
            }
            (self.on(*s, day) && ms >= from) || (self.on(*s, day - 1) && ms < to)
        })
    }

    fn on(&self, span: Span, day: i64) -> bool {
        // 1970-01-01 was a Thursday.
        let kind = if self.holidays.contains(&day) {
            HOLIDAY | SUNDAY
        } else {
            1 << (day + 3).rem_euclid(7)
        };
        span.days & kind != 0
    }
}

fn span(file: &SpanFile, report: &mut Report) -> Option<Span> {
    let mut days = if file.days.is_empty() { 0xff } else { 0 };
    for word in &file.days {
        let group = GROUPS.iter().find(|(w, _)| *w == word.value).map(|(_, bits)| *bits);
        let day = DAYS.iter().position(|d| *d == word.value).map(|i| 1u8 << i);
        match group.or(day) {
            Some(bits) => days |= bits,
            None => report.unknown(word, "day", DAYS.into_iter().chain(GROUPS.map(|(w, _)| w))),
        }
    }
    let (from_min, to_min) = (minute(&file.from, report), minute(&file.to, report));
    let (from_min, to_min) = (from_min?, to_min?);
    if from_min == to_min {
        report.wrong(&file.from, "these hours are empty", "the whole day is 00:00 to 24:00");
        return None;
    }
    Some(Span { days, from_min, to_min })
}

fn minute(word: &Spanned<String>, report: &mut Report) -> Option<i64> {
    let parsed = word.value.split_once(':').and_then(|(h, m)| {
        let digits = |t: &str| t.len() == 2 && t.bytes().all(|b| b.is_ascii_digit());
        let (hours, minutes): (i64, i64) = (h.parse().ok()?, m.parse().ok()?);
        let total = hours * 60 + minutes;
        (digits(h) && digits(m) && minutes < 60 && total <= 1440).then_some(total)
    });
    if parsed.is_none() {
        let message = format!("`{}` is not a time of day", word.value);
        report.wrong(word, message, "write \"06:00\", up to \"24:00\"");
    }
    parsed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(yaml: &str, holidays: &[i64]) -> Hours {
        let files: Vec<SpanFile> = serde_saphyr::from_str(yaml).expect("YAML");
        let mut report = Report::default();
        let holidays = Arc::new(holidays.iter().copied().collect());
        let hours = Hours::check(&files, &holidays, &mut report);
        assert_eq!(report.errors, []);
        hours
    }

    /// 2026-09-02, a Wednesday.
    fn at(time: &str) -> Timestamp {
        Timestamp::parse_rfc3339(&format!("2026-09-{time}:00+07:00")).expect("a time")
    }

    #[test]
    fn working_hours_are_local_and_leave_out_holidays() {
        let yaml = "[{days: [working], from: \"07:30\", to: \"17:00\"}]";
        let open = hours(yaml, &[]);
        assert!(open.is_open(at("02T07:30")) && open.is_open(at("02T16:59")));
        assert!(!open.is_open(at("02T07:29")) && !open.is_open(at("02T17:00")));
        assert!(!open.is_open(at("05T10:00")), "a Saturday");
        let day = at("02T10:00").0.saturating_add(LOCAL_OFFSET_MS).div_euclid(DAY_MS);
        assert!(!hours(yaml, &[day]).is_open(at("02T10:00")), "a holiday");
        let off = hours("[{days: [weekend], from: \"00:00\", to: \"24:00\"}]", &[day]);
        assert!(off.is_open(at("02T10:00")), "a holiday counts as a Sunday");
        let only = hours("[{days: [holiday], from: \"00:00\", to: \"24:00\"}]", &[day]);
        assert!(only.is_open(at("02T10:00")) && !only.is_open(at("06T10:00")), "not a Sunday");
    }

    #[test]
    fn a_night_belongs_to_the_day_on_which_it_begins() {
        let night = hours("[{days: [wed], from: \"22:00\", to: \"06:00\"}]", &[]);
        assert!(night.is_open(at("02T22:00")) && night.is_open(at("03T05:59")));
        assert!(!night.is_open(at("02T05:00")) && !night.is_open(at("03T22:00")));
    }
}
