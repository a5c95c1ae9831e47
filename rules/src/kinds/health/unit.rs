//! The level jumped as when somebody changed the unit.

use std::collections::VecDeque;

use ioc_model::Evidence;
use serde::{Deserialize, Serialize};

use super::load::{Measure, Read, count, devices_only, measure, printed};
use super::stats::median;
use super::text;
use crate::fields::{Fields, texts};
use crate::kinds::{Context, Input, Message, Said, Shown, Verdict, Verdicts, Wanted};
use crate::load::{Check as Checking, Common};
use crate::print;
use crate::yaml::Node;

/// `count` readings in a row that fit the last normal ones if one mistake is undone, and do not
/// without. Clears with the first reading that fits no more. While the mistake lasts the normal
/// level is not learnt anew.
///
/// Sees values that are physically impossible, as such mistakes often are.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct UnitMistake {
    of: Measure,
    mistakes: Vec<Mistake>,
    count: u32,
    possible: (f64, f64),
}

/// What a value was turned into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Mistake {
    Times1000,
    By1000,
    Times100,
    By100,
    Fahrenheit,
    Kelvin,
}

const WORDS: [(&str, Mistake); 6] = [
    ("x1000", Mistake::Times1000),
    ("/1000", Mistake::By1000),
    ("x100", Mistake::Times100),
    ("/100", Mistake::By100),
    ("fahrenheit", Mistake::Fahrenheit),
    ("kelvin", Mistake::Kelvin),
];

/// The mistakes that a unit invites. Not a hundred for concentrations: air that a wind cleans
/// goes from 300 to 3 µg/m³ (Beijing, 11 October 2014).
fn usual(unit: &str) -> &'static [Mistake] {
    match unit {
        "°C" => &[Mistake::Fahrenheit, Mistake::Kelvin],
        u if u.starts_with("µg") || u.starts_with("mg") => &[Mistake::Times1000, Mistake::By1000],
        "%" => &[Mistake::Times100, Mistake::By100],
        _ => &[Mistake::Times1000, Mistake::By1000, Mistake::Times100, Mistake::By100],
    }
}

/// Normal readings that are remembered, and how many make a level.
const LEVEL: usize = 15;
const LEAST: usize = 8;

/// At most 256 B.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct UnitState {
    /// Normal readings, oldest first.
    level: VecDeque<f64>,
    newest: Option<i64>,
    jump: Option<Jump>,
    /// The jump that was called a mistake, also after it ended.
    found: Option<Jump>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Jump {
    mistake: Mistake,
    since: i64,
    first: f64,
    last: f64,
    /// Normal level before.
    before: f64,
    readings: u32,
}

impl Mistake {
    fn word(self) -> &'static str {
        WORDS.iter().find(|(_, m)| *m == self).map_or("", |(w, _)| w)
    }

    /// For people; concentrations are mistaken between mg and µg.
    fn shown(self, unit: &str) -> &'static str {
        match self {
            Self::Times1000 if unit.starts_with("µg") => "×1000 (mg/µg)",
            Self::By1000 if unit.starts_with("µg") => "÷1000 (µg/mg)",
            Self::Times1000 => "×1000",
            Self::By1000 => "÷1000",
            Self::Times100 => "×100",
            Self::By100 => "÷100",
            Self::Fahrenheit => "°F",
            Self::Kelvin => "K",
        }
    }

    /// Whether `value` is a reading of the level `low` to `high` after this mistake, and none of
    /// the level itself. Levels move meanwhile: by half as much again as they are wide, and for
    /// factors to half and double.
    fn explains(self, value: f64, (low, high): (f64, f64)) -> bool {
        let slack = (high - low) * 0.5 + 3.0;
        let factor = |f: f64| {
            let undone = value / f;
            undone >= low / 2.0 && undone <= high * 2.0
        };
        match self {
            Self::Times1000 => high > 0.0 && factor(1e3) && value > high * 1e3_f64.sqrt(),
            Self::Times100 => high > 0.0 && factor(1e2) && value > high * 10.0,
            Self::By1000 => low > 0.0 && factor(1e-3) && value < low / 1e3_f64.sqrt(),
            Self::By100 => low > 0.0 && factor(1e-2) && value < low / 10.0,
            Self::Fahrenheit => {
                let undone = (value - 32.0) / 1.8;
                let near = undone >= low - slack && undone <= high + slack;
                near && (value > high + slack || value < low - slack)
            }
            Self::Kelvin => {
                let undone = value - 273.15;
                undone >= low - slack && undone <= high + slack
            }
        }
    }
}

impl UnitMistake {
    pub(super) fn load(
        fields: &mut Fields<'_>,
        common: &Common,
        check: &mut Checking<'_>,
    ) -> Option<Read<Self>> {
        devices_only(fields, common, check);
        let of = measure("property", fields, check);
        let node = fields.get("mistakes");
        let mut mistakes = Vec::new();
        for (n, word) in node.map(|n| texts(n, &mut check.report)).unwrap_or_default() {
            match WORDS.iter().find(|(w, _)| *w == word) {
                Some((_, m)) if mistakes.contains(m) => {
                    check.report.error(n, format!("`{word}` comes twice"));
                }
                Some((_, m)) => mistakes.push(*m),
                None => check.report.unknown(n, "mistake", word, WORDS.iter().map(|(w, _)| *w)),
            }
        }
        let times = count("count", 5, (2, 1_000), fields, check);
        let ladder = common.switch(fields, check);
        let (of, possible) = of?;
        let celsius = &*of.unit == "°C";
        if node.is_none() {
            mistakes.extend(usual(&of.unit));
        }
        for m in &mistakes {
            if let (Some(node), Mistake::Fahrenheit | Mistake::Kelvin, false) = (node, m, celsius) {
                let message = format!("`{}` is no mistake of a value in `{}`", m.word(), of.unit);
                check.report.error(node, message);
            }
        }
        let measure = of.clone();
        let check = Self { of, mistakes, count: times?, possible };
        Some(Read::of(check, ladder?, &measure))
    }

    fn mistake_of(&self, s: &UnitState, value: f64) -> Option<(Mistake, f64)> {
        if s.level.len() < LEAST {
            return None;
        }
        let low = s.level.iter().copied().fold(f64::INFINITY, f64::min);
        let high = s.level.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let found = self.mistakes.iter().find(|m| m.explains(value, (low, high)))?;
        let mut level: Vec<f64> = s.level.iter().copied().collect();
        Some((*found, median(&mut level)?))
    }
}

impl super::Check for UnitMistake {
    type State = UnitState;

    fn inputs(&self) -> Vec<Input> {
        vec![Input::of(Wanted::AnyQuality(self.of.id.clone()))]
    }

    fn print(&self) -> Vec<(&'static str, Node)> {
        let mistakes = print::texts(self.mistakes.iter().map(|m| m.word()));
        printed(&self.of, [("mistakes", mistakes), ("count", print::number(self.count))])
    }

    fn feed(&self, s: &mut UnitState, _: &Context<'_>, m: &Message<'_>, out: &mut Verdicts) {
        let Said::Values(&[(_, value), ..]) = m.said else { return };
        let possible = (self.possible.0..=self.possible.1).contains(&value);
        if (m.bad && possible) || s.newest.is_some_and(|t| m.t <= t) {
            return;
        }
        s.newest = Some(m.t);
        match self.mistake_of(s, value) {
            Some((mistake, before)) => {
                let jump = s.jump.filter(|j| j.mistake == mistake).unwrap_or(Jump {
                    mistake,
                    since: m.t,
                    first: value,
                    last: value,
                    before,
                    readings: 0,
                });
                let readings = jump.readings.saturating_add(1);
                s.jump = Some(Jump { last: value, readings, ..jump });
            }
            None => {
                s.jump = None;
                if possible {
                    if s.level.len() >= LEVEL {
                        s.level.pop_front();
                    }
                    s.level.push_back(value);
                }
            }
        }
        let sure = s.jump.filter(|j| j.readings >= self.count);
        s.found = sure.or(s.found);
        out.push(Verdict::switch(m.t, sure.is_some()));
    }

    fn shown(&self, s: &UnitState, _: &Context<'_>) -> Shown {
        let Some(jump) = s.found else { return Shown::default() };
        let mistake = jump.mistake.shown(&self.of.unit);
        let words = |l| {
            (text::raw(jump.before, &self.of, l), text::raw(jump.last, &self.of, l), &self.of.unit)
        };
        let detail = text::both(
            |l| {
                let (from, to, unit) = words(l);
                format!("mức đo nhảy từ {from} sang {to} {unit}, như nhầm đơn vị {mistake}")
            },
            |l| {
                let (from, to, unit) = words(l);
                format!(
                    "the level jumped from {from} to {to} {unit}, as by a unit mistake {mistake}"
                )
            },
        );
        Shown { value: Some(jump.last), detail, ..Shown::default() }
    }

    fn explain(&self, s: &UnitState, cx: &Context<'_>, evidence: &mut Evidence) {
        let Some(jump) = s.jump.or(s.found) else {
            evidence.number("normal_readings", s.level.len() as f64);
            return;
        };
        let device = text::id(cx);
        evidence.reading(&device, &self.of.id, jump.since, jump.first);
        evidence.word("mistake", jump.mistake.word());
        evidence.number("level_before", jump.before);
        evidence.number("readings", f64::from(jump.readings));
        evidence.number("count", f64::from(self.count));
    }

    fn heap_bytes(&self, s: &UnitState) -> usize {
        s.level.capacity() * size_of::<f64>()
    }
}

#[cfg(test)]
mod tests {
    use super::super::HealthRule;
    use super::Mistake;
    use crate::kinds::bench::{Bench, T0};
    use crate::kinds::{Message, Said};

    const HOUR: i64 = 3_600_000;
    const NORMAL: [f64; 8] = [18.0, 21.0, 25.0, 30.0, 33.0, 26.0, 22.0, 19.0];

    fn bench(property: &str, more: &str) -> Bench<HealthRule> {
        Bench::new(&format!(
            "{{ check: unit, property: {property}, count: 3, severity: minor{more} }}"
        ))
    }

    fn feed(b: &mut Bench<HealthRule>, from: i64, values: &[f64], bad: bool) {
        for (i, value) in values.iter().enumerate() {
            let t = T0 + (from + i as i64) * HOUR;
            let (name, said) = ("d0".into(), Said::Values(&[(0, *value)]));
            let m = Message { t, received: t, clamped: false, bad, device: 0, name: &name, said };
            b.message(&m);
        }
    }

    /// The worked timeline of docs/rules.md.
    #[test]
    fn a_level_that_jumps_by_a_thousand_and_stays_is_a_mistake_of_the_unit() {
        let mut b = bench("pm25", "");
        feed(&mut b, 0, &NORMAL, false);
        feed(&mut b, 8, &[0.019, 0.020, 0.022, 0.026], false);
        feed(&mut b, 12, &[21.0], false);
        assert_eq!(b.levels(), [(10 * HOUR, 1), (12 * HOUR, 0)]);
        let detail = b.shown().detail;
        assert!(detail.vi.ends_with("như nhầm đơn vị ÷1000 (µg/mg)"), "{}", detail.vi);
        assert!(detail.en.contains("from 23.5 to 0.0 µg/m³"), "{}", detail.en);
    }

    #[test]
    fn fahrenheit_and_kelvin_are_seen_where_they_are_impossible() {
        let mut b = bench("temperature", "");
        feed(&mut b, 0, &NORMAL, false);
        feed(&mut b, 8, &[68.0], false);
        feed(&mut b, 9, &[71.6, 75.2, 77.0], true);
        assert_eq!(b.levels(), [(10 * HOUR, 1)]);
        assert!(b.shown().detail.en.ends_with("unit mistake °F"), "{}", b.shown().detail.en);
        let mut b = bench("temperature", "");
        feed(&mut b, 0, &NORMAL, false);
        feed(&mut b, 8, &[293.15, 294.15, 295.15], true);
        assert_eq!(b.levels(), [(10 * HOUR, 1)]);
        assert!(b.shown().detail.en.ends_with("unit mistake K"));
    }

    #[test]
    fn an_episode_of_haze_a_spike_or_a_bad_flag_is_none() {
        let mut b = bench("pm25", "");
        feed(&mut b, 0, &NORMAL, false);
        feed(&mut b, 8, &[60.0, 120.0, 240.0, 300.0, 280.0, 150.0, 40.0], false);
        feed(&mut b, 15, &[1_900.0, 25.0, 1_900.0, 2_000.0], false);
        feed(&mut b, 19, &[2_000.0, 1_900.0, 1_800.0], true);
        assert_eq!(b.levels(), []);
    }

    #[test]
    fn each_mistake_explains_its_own_jump_only() {
        let level = (18.0, 33.0);
        for (mistake, value) in [
            (Mistake::Times1000, 25_000.0),
            (Mistake::By1000, 0.025),
            (Mistake::Times100, 2_500.0),
            (Mistake::By100, 0.25),
            (Mistake::Kelvin, 298.15),
        ] {
            for (_, other) in super::WORDS {
                let same = other == mistake;
                assert_eq!(other.explains(value, level), same, "{mistake:?} {other:?}");
            }
        }
        assert!(Mistake::Fahrenheit.explains(77.0, level));
        for (_, m) in super::WORDS {
            assert!(!m.explains(25.0, level), "{m:?}");
            assert!(!m.explains(0.0, (0.0, 0.0)), "{m:?} of nothing");
        }
    }

    #[test]
    fn reads_back_and_refuses_mistakes_of_other_units() {
        bench("pm25", "").reads_back().expect("plain");
        bench("pm25", ", mistakes: [x100, /1000], for: 1h").reads_back().expect("some");
        bench("temperature", "").reads_back().expect("degrees");
        let load = |more: &str| {
            let yaml = format!("{{ check: unit, property: pm25, severity: minor{more} }}");
            Bench::<HealthRule>::load(&yaml).err().unwrap_or_default()
        };
        assert!(load(", mistakes: [kelvin]").contains("no mistake of a value in"));
        assert!(load(", mistakes: [x100, x100]").contains("twice"));
        assert!(load(", mistakes: [x1001]").contains("did you mean `x100`?"));
    }
}
