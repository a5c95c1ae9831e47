//! A value that stands still.

use ioc_model::Evidence;
use serde::{Deserialize, Serialize};

use super::load::{Measure, Read, amount, count, devices_only, measure, numbers, print_numbers};
use super::text;
use crate::fields::{Fields, duration, severity};
use crate::kinds::{Context, Input, Message, Said, Shown, Verdict, Verdicts, Wanted};
use crate::load::{Check as Checking, Common};
use crate::print;
use crate::rule::Ladder;
use crate::yaml::Node;

/// Readings within `tolerance` of the first of their run, for `for_ms` and at least
/// `min_readings`. A reading in `ignore` (rain that does not fall, an instrument's lower limit)
/// ends a run and begins none.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Stuck {
    of: Measure,
    for_ms: i64,
    tolerance: f64,
    min_readings: u32,
    ignore: Vec<f64>,
}

/// 80 B.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct StuckState {
    run: Option<Run>,
    /// The run that was called stuck, also for a while after it ended.
    found: Option<Run>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Run {
    value: f64,
    since: i64,
    last: i64,
    readings: u32,
}

impl Stuck {
    pub(super) fn load(
        fields: &mut Fields<'_>,
        common: &Common,
        check: &mut Checking<'_>,
    ) -> Option<Read<Self>> {
        devices_only(fields, common, check);
        let of = measure("property", fields, check);
        let for_ms = fields.require("for", &mut check.report);
        let for_ms = for_ms.and_then(|n| duration(n, 1_000, &mut check.report));
        let tolerance = amount("tolerance", Some(0.0), fields, check);
        let min_readings = count("min_readings", 6, (2, 100_000), fields, check);
        let ignore = numbers("ignore", fields, check);
        let level = fields.require("severity", &mut check.report);
        let level = level.and_then(|n| severity(n, &mut check.report));
        let clear_for = fields.get("clear_for").map(|n| duration(n, 0, &mut check.report));
        let (of, (min, max)) = of?;
        let tolerance = tolerance?;
        if tolerance >= max - min {
            let message = format!("never clears: `{}` cannot move by more than {tolerance}", of.id);
            check.report.hinted(
                fields.node(),
                message,
                "`tolerance` is what still counts as still",
            );
        }
        let ladder = Ladder::switch(level?, 0, clear_for.unwrap_or(Some(0))?);
        let measure = of.clone();
        let check =
            Self { of, for_ms: for_ms?, tolerance, min_readings: min_readings?, ignore: ignore? };
        Some(Read::of(check, ladder, &measure))
    }

    fn is_stuck(&self, run: &Run) -> bool {
        run.readings >= self.min_readings && run.last - run.since >= self.for_ms
    }
}

impl super::Check for Stuck {
    type State = StuckState;

    fn inputs(&self) -> Vec<Input> {
        vec![Input::of(Wanted::Property(self.of.id.clone()))]
    }

    fn print(&self) -> Vec<(&'static str, Node)> {
        let mut out = super::load::printed(
            &self.of,
            [
                ("for", print::duration(self.for_ms)),
                ("tolerance", print::number(self.tolerance)),
                ("min_readings", print::number(self.min_readings)),
            ],
        );
        if !self.ignore.is_empty() {
            out.push(("ignore", print_numbers(&self.ignore)));
        }
        out
    }

    fn feed(&self, s: &mut StuckState, _: &Context<'_>, m: &Message<'_>, out: &mut Verdicts) {
        let Said::Values(&[(_, value), ..]) = m.said else { return };
        if s.run.is_some_and(|r| m.t < r.last) {
            return;
        }
        let ignored = self.ignore.contains(&value);
        match &mut s.run {
            _ if ignored => s.run = None,
            Some(run) if (value - run.value).abs() <= self.tolerance => {
                // The same moment told twice is no further reading.
                run.readings = run.readings.saturating_add(u32::from(m.t > run.last));
                run.last = m.t;
            }
            run => *run = Some(Run { value, since: m.t, last: m.t, readings: 1 }),
        }
        let stuck = s.run.filter(|r| self.is_stuck(r));
        s.found = stuck.or(s.found);
        out.push(Verdict::switch(m.t, stuck.is_some()));
    }

    fn shown(&self, s: &StuckState, _: &Context<'_>) -> Shown {
        let Some(run) = s.found else { return Shown::default() };
        let (still, value) = (run.last - run.since, run.value);
        let detail = text::both(
            |l| {
                format!(
                    "giá trị đứng yên {} ở {}",
                    text::span(still, l),
                    text::amount(value, &self.of, l)
                )
            },
            |l| {
                format!(
                    "value unchanged for {} at {}",
                    text::span(still, l),
                    text::amount(value, &self.of, l)
                )
            },
        );
        Shown { value: Some(value), duration_ms: Some(still), detail, ..Shown::default() }
    }

    fn explain(&self, s: &StuckState, cx: &Context<'_>, evidence: &mut Evidence) {
        let Some(run) = s.run.filter(|r| self.is_stuck(r)).or(s.found).or(s.run) else { return };
        let device = text::id(cx);
        evidence.reading(&device, &self.of.id, run.since, run.value);
        if run.last > run.since {
            evidence.reading(&device, &self.of.id, run.last, run.value);
        }
        evidence.timer("for", run.since, run.since.saturating_add(self.for_ms));
        evidence.number("readings", f64::from(run.readings));
        evidence.number("min_readings", f64::from(self.min_readings));
        evidence.number("tolerance", self.tolerance);
    }
}

#[cfg(test)]
mod tests {
    use super::super::HealthRule;
    use crate::kinds::bench::Bench;
    use ioc_model::Text;

    const MIN: i64 = 60_000;
    const HOUR: i64 = 60 * MIN;

    fn bench(more: &str) -> Bench<HealthRule> {
        Bench::new(&format!(
            "{{ check: stuck, property: pm25, for: 6h, min_readings: 4, severity: minor{more} }}"
        ))
    }

    /// The worked timeline of docs/rules.md.
    #[test]
    fn raises_when_a_value_stood_still_for_so_long_and_so_many_readings() {
        let mut b = bench("");
        for (hour, value) in [(0, 14.0), (1, 12.4), (3, 12.4), (5, 12.4), (6, 12.4), (7, 12.4)] {
            b.value(hour * HOUR, value);
        }
        assert_eq!(b.levels(), [(7 * HOUR, 1)]);
        let shown = b.shown();
        let detail = Text {
            vi: "giá trị đứng yên 6 giờ ở 12,4 µg/m³".into(),
            en: "value unchanged for 6 h at 12.4 µg/m³".into(),
        };
        assert_eq!((shown.value, &shown.detail), (Some(12.4), &detail));
        let evidence = b.evidence();
        let times: Vec<i64> = evidence.readings.iter().map(|r| r.time.0).collect();
        assert_eq!(times, [1, 7].map(|h| crate::kinds::bench::T0 + h * HOUR));
        assert_eq!(evidence.facts[0].value, Some(5.0));
        b.value(8 * HOUR, 12.5);
        assert_eq!(b.levels(), [(7 * HOUR, 1), (8 * HOUR, 0)]);
        assert_eq!(b.shown().detail, detail, "the end tells what it was");
    }

    #[test]
    fn few_readings_or_a_short_time_are_not_enough() {
        let mut b = bench("");
        b.value(0, 12.4).value(10 * HOUR, 12.4).value(20 * HOUR, 12.4);
        assert_eq!(b.levels(), [], "three readings in 20 h");
        let mut b = bench("");
        for i in 0..360 {
            b.value(i * MIN, 12.4);
        }
        assert_eq!(b.levels(), [], "360 readings in 359 min");
        b.value(360 * MIN, 12.4);
        assert_eq!(b.levels(), [(360 * MIN, 1)]);
    }

    #[test]
    fn the_same_moment_twice_is_one_reading_and_an_older_one_none() {
        let mut b = bench("");
        b.value(0, 12.4).value(6 * HOUR, 12.4).value(6 * HOUR, 12.4).value(6 * HOUR, 12.4);
        b.value(5 * HOUR, 3.0);
        assert_eq!(b.levels(), []);
        b.value(7 * HOUR, 12.4).value(8 * HOUR, 12.4);
        assert_eq!(b.levels(), [(8 * HOUR, 1)]);
    }

    #[test]
    fn ignored_values_may_stand_still_and_end_a_run() {
        let mut b = bench(", ignore: [3, 0]");
        for hour in 0..20 {
            b.value(hour * HOUR, 3.0);
        }
        assert_eq!(b.levels(), []);
        for hour in 20..24 {
            b.value(hour * HOUR, 9.0);
        }
        b.value(24 * HOUR, 0.0);
        for hour in 25..30 {
            b.value(hour * HOUR, 9.0);
        }
        assert_eq!(b.levels(), []);
    }

    #[test]
    fn a_tolerance_is_measured_from_the_first_of_the_run() {
        let mut b = bench(", tolerance: 0.5");
        for hour in 0..12 {
            b.value(hour * HOUR, 10.0 + hour as f64 * 0.3);
        }
        assert_eq!(b.levels(), [], "creeping is moving");
        for hour in 12..24 {
            b.value(hour * HOUR, 20.0 + (hour % 2) as f64 * 0.5);
        }
        assert_eq!(b.levels(), [(18 * HOUR, 1)]);
    }

    #[test]
    fn reads_back_and_names_every_mistake() {
        bench("").reads_back().expect("plain");
        bench(", tolerance: 0.25, ignore: [0, -1.5], clear_for: 10m").reads_back().expect("all");
        let error = Bench::<HealthRule>::load(
            "{ check: stuck, property: pm52, min_readings: 1, severity: low, window: 3 }",
        );
        let error = error.err().expect("mistakes");
        for part in ["pm52", "`for` is missing", "from 2 to", "`low`", "unknown field `window`"] {
            assert!(error.contains(part), "{part} in {error}");
        }
        let never = Bench::<HealthRule>::load(
            "{ check: stuck, property: humidity, for: 1h, tolerance: 100, severity: minor }",
        );
        assert!(never.err().expect("never clears").contains("never clears"));
        let word = Bench::<HealthRule>::load("{ check: stuk, property: pm25, severity: minor }");
        assert!(word.err().expect("unknown").ends_with("did you mean `stuck`?"));
    }
}
