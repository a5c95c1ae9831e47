//! Active hours of a rule in the city's calendar (Asia/Ho_Chi_Minh: UTC+7 all year, without
//! another offset since 1975).

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::fields::{Fields, text, texts};
use crate::load::Check;
use crate::print;
use crate::yaml::{Node, Value};

/// Offset of local time, ms.
pub(crate) const LOCAL_OFFSET_MS: i64 = 7 * 3_600_000;
const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 86_400_000;
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
/// Words for several days.
const GROUPS: [(&str, u8); 3] = [("everyday", 0x7f), ("workday", 0x1f), ("weekend", 0x60)];
/// A holiday counts as a Sunday, whatever day of the week it is.
const SUNDAY: u8 = 0x40;

/// When a rule is judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hours {
    spans: Vec<Span>,
    /// Days since 1970 in local time.
    holidays: Arc<BTreeSet<i64>>,
}

/// A span of the day on some days of the week; from a later to an earlier minute it goes over
/// midnight and belongs to the day on which it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    /// Bit 0 is Monday.
    days: u8,
    from_min: i64,
    to_min: i64,
}

impl Hours {
    /// Whether the rule is judged at `t`.
    pub(crate) fn is_open(&self, t: i64) -> bool {
        let local = t.saturating_add(LOCAL_OFFSET_MS);
        let (day, ms) = (local.div_euclid(DAY_MS), local.rem_euclid(DAY_MS));
        self.spans.iter().any(|s| {
            let (from, to) = (s.from_min * MINUTE_MS, s.to_min * MINUTE_MS);
            if from < to {
                return self.on(s, day) && (from..to).contains(&ms);
            }
            (self.on(s, day) && ms >= from) || (self.on(s, day - 1) && ms < to)
        })
    }

    fn on(&self, span: &Span, day: i64) -> bool {
        // 1970-01-01 was a Thursday.
        let weekday =
            if self.holidays.contains(&day) { SUNDAY } else { 1 << (day + 3).rem_euclid(7) };
        span.days & weekday != 0
    }

    /// The next moment after `t` at which it opens or closes; looks two weeks ahead.
    pub(crate) fn next_change(&self, t: i64) -> Option<i64> {
        let open = self.is_open(t);
        let day = t.saturating_add(LOCAL_OFFSET_MS).div_euclid(DAY_MS);
        let edges = self.spans.iter().flat_map(|s| [s.from_min, s.to_min, 0]);
        let mut minutes: Vec<i64> = edges.collect();
        minutes.sort_unstable();
        minutes.dedup();
        (day..day + 15)
            .flat_map(|d| minutes.iter().map(move |m| d * DAY_MS + m * MINUTE_MS - LOCAL_OFFSET_MS))
            .find(|at| *at > t && self.is_open(*at) != open)
    }

    pub(crate) fn print(&self) -> Node {
        let time = |m: i64| print::text(format!("{:02}:{:02}", m / 60, m % 60));
        print::list(self.spans.iter().map(|s| {
            let days = DAYS.iter().enumerate().filter(|(i, _)| s.days & (1 << i) != 0);
            print::map([
                ("days", print::texts(days.map(|(_, d)| d))),
                ("from", time(s.from_min)),
                ("to", time(s.to_min)),
            ])
        }))
    }
}

/// `active: [{ days: [mon, tue], from: "06:00", to: "21:00" }]`
pub(crate) fn load(node: &Node, check: &mut Check<'_>) -> Option<Hours> {
    let items: &[Node] = match &node.value {
        Value::List(items) if !items.is_empty() => items,
        Value::Map(_) => std::slice::from_ref(node),
        other => {
            let message = format!("expected hours {{days, from, to}}, found {}", other.kind());
            check.report.error(node, message);
            return None;
        }
    };
    let spans: Vec<Option<Span>> = items.iter().map(|n| span(n, check)).collect();
    let holidays = Arc::new(check.city.holidays.clone());
    Some(Hours { spans: spans.into_iter().collect::<Option<_>>()?, holidays })
}

fn span(node: &Node, check: &mut Check<'_>) -> Option<Span> {
    let report = &mut check.report;
    let mut fields = Fields::open(node, "hours {days, from, to}", report)?;
    let mut days = 0u8;
    match fields.get("days") {
        None => days = 0x7f,
        Some(n) => {
            for (n, word) in texts(n, report) {
                let group = GROUPS.iter().find(|(w, _)| *w == word).map(|(_, bits)| *bits);
                let day = DAYS.iter().position(|d| *d == word).map(|i| 1u8 << i);
                match group.or(day) {
                    Some(bits) => days |= bits,
                    None => {
                        let words = DAYS.into_iter().chain(GROUPS.iter().map(|(w, _)| *w));
                        report.unknown(n, "day", word, words);
                        return None;
                    }
                }
            }
        }
    }
    let from_at = fields.require("from", report);
    let from = from_at.and_then(|n| minute(n, check));
    let to_at = fields.require("to", &mut check.report);
    let to = to_at.and_then(|n| minute(n, check));
    fields.finish(&mut check.report);
    let (from_min, to_min) = (from?, to?);
    if from_min == to_min {
        check.report.hinted(node, "these hours are empty", "the whole day is 00:00 to 24:00");
        return None;
    }
    Some(Span { days, from_min, to_min })
}

fn minute(node: &Node, check: &mut Check<'_>) -> Option<i64> {
    let word = text(node, &mut check.report)?;
    let parsed = word.split_once(':').and_then(|(h, m)| {
        let (hours, minutes): (i64, i64) = (h.parse().ok()?, m.parse().ok()?);
        let total = hours * 60 + minutes;
        (h.len() == 2 && m.len() == 2 && (0..60).contains(&minutes) && total <= 1440)
            .then_some(total)
    });
    if parsed.is_none() {
        let message = format!("`{word}` is not a time of day");
        check.report.hinted(node, message, "write \"06:00\", up to \"24:00\"");
    }
    parsed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> i64 {
        ioc_model::Timestamp::parse_rfc3339(&format!("{text}+07:00")).expect("a time").0
    }

    fn hours(days: u8, from_min: i64, to_min: i64) -> Hours {
        Hours { spans: vec![Span { days, from_min, to_min }], holidays: Arc::default() }
    }

    #[test]
    fn a_span_over_midnight_belongs_to_the_day_it_begins_on() {
        // Friday 21:00 to 06:00.
        let night = hours(0x10, 21 * 60, 6 * 60);
        assert!(!night.is_open(at("2025-10-31T20:59:59")), "Friday evening");
        assert!(night.is_open(at("2025-10-31T21:00:00")));
        assert!(night.is_open(at("2025-11-01T05:59:59")), "Saturday morning");
        assert!(!night.is_open(at("2025-11-01T06:00:00")));
        assert!(!night.is_open(at("2025-11-01T22:00:00")), "Saturday evening");
        assert_eq!(night.next_change(at("2025-10-31T21:00:00")), Some(at("2025-11-01T06:00:00")));
        assert_eq!(night.next_change(at("2025-11-01T06:00:00")), Some(at("2025-11-07T21:00:00")));
    }

    #[test]
    fn a_holiday_counts_as_a_sunday() {
        let day = at("2025-09-02T00:00:00") + LOCAL_OFFSET_MS;
        let mut work = hours(0x1f, 7 * 60, 17 * 60);
        assert!(work.is_open(at("2025-09-02T09:00:00")), "a Tuesday");
        work.holidays = Arc::new(BTreeSet::from([day / DAY_MS]));
        assert!(!work.is_open(at("2025-09-02T09:00:00")));
    }

    #[test]
    fn the_whole_day_never_changes() {
        let always = hours(0x7f, 0, 1440);
        assert!(always.is_open(at("2025-10-31T23:59:59")));
        assert_eq!(always.next_change(at("2025-10-31T12:00:00")), None);
    }
}
