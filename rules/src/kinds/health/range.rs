//! Values outside what is expected or possible, and the codes that loggers write for "none".

use std::collections::VecDeque;

use ioc_model::Evidence;
use serde::{Deserialize, Serialize};

use super::load::{
    Measure, Read, count, devices_only, measure, numbers, print_numbers, printed, span,
};
use super::text;
use crate::fields::{Fields, number};
use crate::kinds::{Context, Input, Message, Said, Shown, Verdict, Verdicts, Wanted};
use crate::load::{Check as Checking, Common};
use crate::print;
use crate::template::Language;
use crate::yaml::Node;

/// `count` readings `within_ms` that are outside `min` to `max` or one of the `codes`; clears
/// with the first good reading at least `quiet_ms` after the last wrong one.
///
/// Sees values of bad quality, as ingest flags what is physically impossible. A value that its
/// sender calls bad and that could be is none of this check's business.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Range {
    of: Measure,
    min: f64,
    max: f64,
    codes: Vec<f64>,
    count: u32,
    within_ms: i64,
    quiet_ms: i64,
}

const MOST: u32 = 16;

/// 56 B and 16 B for each of `count`, at most 320 B.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct RangeState {
    /// Time and value of the last wrong readings.
    wrong: VecDeque<(i64, f64)>,
    newest: Option<i64>,
    on: bool,
    /// Wrong readings since the alert began.
    total: u32,
}

impl Range {
    pub(super) fn load(
        fields: &mut Fields<'_>,
        common: &Common,
        check: &mut Checking<'_>,
    ) -> Option<Read<Self>> {
        devices_only(fields, common, check);
        let of = measure("property", fields, check);
        let mut bound = |key| fields.get(key).map(|n| number(n, &mut check.report));
        let (min, max) = (bound("min"), bound("max"));
        let codes = numbers("codes", fields, check);
        let times = count("count", 3, (1, MOST), fields, check);
        let within_ms = span("within", Some(6 * 3_600_000), fields, check);
        let quiet_ms = span("quiet", Some(6 * 3_600_000), fields, check);
        let ladder = common.switch(fields, check);
        let (of, possible) = of?;
        let (min, max) = (min.unwrap_or(Some(possible.0))?, max.unwrap_or(Some(possible.1))?);
        if min >= max {
            check.report.error(fields.node(), format!("`min` {min} is not below `max` {max}"));
        }
        let codes = codes?;
        if let Some(code) = codes.iter().find(|c| **c > min && **c < max) {
            let message = format!("the code {code} lies inside {min} to {max}");
            check.report.hinted(fields.node(), message, "it would be a reading like any other");
        }
        let measure = of.clone();
        let (count, within_ms, quiet_ms) = (times?, within_ms?, quiet_ms?);
        let check = Self { of, min, max, codes, count, within_ms, quiet_ms };
        Some(Read::of(check, ladder?, &measure))
    }

    fn is_wrong(&self, value: f64) -> bool {
        value < self.min || value > self.max || self.codes.contains(&value)
    }

    fn words(&self, value: f64, language: Language) -> String {
        let n = text::raw(value, &self.of, language);
        let (low, high) = (self.min, self.max);
        let (low, high) = (text::raw(low, &self.of, language), text::raw(high, &self.of, language));
        let unit = &self.of.unit;
        match (self.codes.contains(&value), language) {
            (true, Language::Vi) => format!("mã thiếu số liệu {n}"),
            (true, Language::En) => format!("code {n} for no value"),
            (false, Language::Vi) => format!("giá trị {n} ngoài khoảng {low} đến {high} {unit}"),
            (false, Language::En) => format!("value {n} outside {low} to {high} {unit}"),
        }
    }
}

impl super::Check for Range {
    type State = RangeState;

    fn inputs(&self) -> Vec<Input> {
        vec![Input::of(Wanted::AnyQuality(self.of.id.clone()))]
    }

    fn print(&self) -> Vec<(&'static str, Node)> {
        let mut out = printed(
            &self.of,
            [
                ("min", print::number(self.min)),
                ("max", print::number(self.max)),
                ("count", print::number(self.count)),
                ("within", print::duration(self.within_ms)),
                ("quiet", print::duration(self.quiet_ms)),
            ],
        );
        if !self.codes.is_empty() {
            out.push(("codes", print_numbers(&self.codes)));
        }
        out
    }

    fn feed(&self, s: &mut RangeState, _: &Context<'_>, m: &Message<'_>, out: &mut Verdicts) {
        let Said::Values(&[(_, value), ..]) = m.said else { return };
        if s.newest.is_some_and(|newest| m.t < newest) {
            return;
        }
        s.newest = Some(m.t);
        if self.is_wrong(value) {
            if s.wrong.len() >= self.count as usize {
                s.wrong.pop_front();
            }
            s.wrong.push_back((m.t, value));
            let near = s.wrong.front().is_some_and(|(first, _)| m.t - first < self.within_ms);
            if !s.on && near && s.wrong.len() >= self.count as usize {
                (s.on, s.total) = (true, self.count - 1);
            }
            s.total = s.total.saturating_add(u32::from(s.on));
        } else if !m.bad {
            let quiet = s.wrong.back().is_none_or(|(last, _)| m.t - last >= self.quiet_ms);
            s.on &= !quiet;
        } else {
            return;
        }
        out.push(Verdict::switch(m.t, s.on));
    }

    fn shown(&self, s: &RangeState, _: &Context<'_>) -> Shown {
        let Some(&(_, value)) = s.wrong.back() else { return Shown::default() };
        let limit = match value {
            v if self.codes.contains(&v) => None,
            v if v < self.min => Some(self.min),
            _ => Some(self.max),
        };
        let detail = text::both(
            |l| format!("{} ({} lần)", self.words(value, l), s.total),
            |l| {
                let times = if s.total == 1 { "time" } else { "times" };
                format!("{} ({} {times})", self.words(value, l), s.total)
            },
        );
        let duration_ms = Some(self.within_ms);
        Shown { value: Some(value), limit, duration_ms, detail, ..Shown::default() }
    }

    fn explain(&self, s: &RangeState, cx: &Context<'_>, evidence: &mut Evidence) {
        let device = text::id(cx);
        for (t, value) in &s.wrong {
            evidence.reading(&device, &self.of.id, *t, *value);
        }
        evidence.number("min", self.min);
        evidence.number("max", self.max);
        evidence.number("count", f64::from(self.count));
        if let Some((first, _)) = s.wrong.front() {
            evidence.timer("within", *first, first.saturating_add(self.within_ms));
        }
        if let Some((last, _)) = s.wrong.back().filter(|_| s.on) {
            evidence.timer("quiet", *last, last.saturating_add(self.quiet_ms));
        }
    }

    fn heap_bytes(&self, s: &RangeState) -> usize {
        s.wrong.capacity() * size_of::<(i64, f64)>()
    }
}

#[cfg(test)]
mod tests {
    use super::super::HealthRule;
    use crate::kinds::bench::{Bench, T0};
    use crate::kinds::{Message, Said};
    use ioc_model::Name;

    const HOUR: i64 = 3_600_000;

    fn bench(more: &str) -> Bench<HealthRule> {
        Bench::new(&format!(
            "{{ check: range, property: co, codes: [-200], severity: minor{more} }}"
        ))
    }

    fn say(b: &mut Bench<HealthRule>, hour: i64, value: f64, bad: bool) {
        let name: Name = "d0".into();
        let (t, said) = (T0 + hour * HOUR, Said::Values(&[(0, value)]));
        b.time(hour * HOUR);
        b.message(&Message { t, received: t, clamped: false, bad, device: 0, name: &name, said });
    }

    /// The worked timeline of docs/rules.md.
    #[test]
    fn codes_raise_when_they_come_often_and_clear_with_good_readings() {
        let mut b = bench("");
        say(&mut b, 0, 800.0, false);
        say(&mut b, 1, -200.0, true);
        say(&mut b, 2, 850.0, false);
        say(&mut b, 3, -200.0, true);
        say(&mut b, 4, -200.0, true);
        say(&mut b, 5, 900.0, false);
        say(&mut b, 9, 900.0, false);
        say(&mut b, 10, 870.0, false);
        assert_eq!(b.levels(), [(4 * HOUR, 1), (10 * HOUR, 0)]);
        let shown = b.shown();
        assert_eq!((shown.value, shown.limit), (Some(-200.0), None));
        assert_eq!(shown.detail.vi, "mã thiếu số liệu -200 (3 lần)");
        assert_eq!(shown.detail.en, "code -200 for no value (3 times)");
        assert_eq!(b.evidence().readings.len(), 3);
    }

    #[test]
    fn single_codes_far_apart_are_normal() {
        let mut b = bench("");
        for hour in [0, 3, 6, 9, 12] {
            say(&mut b, hour, -200.0, true);
        }
        assert_eq!(b.levels(), []);
    }

    #[test]
    fn silence_and_bad_readings_clear_nothing() {
        let mut b = bench(", count: 1, quiet: 1h");
        say(&mut b, 0, -200.0, true);
        b.time(48 * HOUR);
        say(&mut b, 49, 800.0, true);
        assert_eq!(b.levels(), [(0, 1)]);
        say(&mut b, 50, 800.0, false);
        assert_eq!(b.levels(), [(0, 1), (50 * HOUR, 0)]);
    }

    #[test]
    fn the_rule_may_be_narrower_than_the_catalogue() {
        let mut b = bench(", count: 1, max: 5000");
        say(&mut b, 0, 5000.0, false);
        assert_eq!(b.levels(), []);
        say(&mut b, 1, 5001.0, false);
        assert_eq!(b.levels(), [(HOUR, 1)]);
        assert_eq!(b.shown().limit, Some(5000.0));
        assert_eq!(b.shown().detail.en, "value 5001 outside 0 to 5000 µg/m³ (1 time)");
    }

    #[test]
    fn reads_back_and_refuses_codes_that_could_be_readings() {
        bench("").reads_back().expect("plain");
        bench(", min: -5, max: 100.5, count: 16, within: 1h, quiet: 5m").reads_back().expect("all");
        let load = |yaml: &str| Bench::<HealthRule>::load(yaml).err().unwrap_or_default();
        let code = load("{ check: range, property: temperature, codes: [21], severity: minor }");
        assert!(code.contains("lies inside"), "{code}");
        let order = load("{ check: range, property: co, min: 5, max: 5, severity: minor }");
        assert!(order.contains("not below"), "{order}");
    }
}
