//! One value above another of the same device that it cannot exceed.

use ioc_model::Evidence;
use serde::{Deserialize, Serialize};

use super::load::{Measure, Read, amount, devices_only, measure, measure_at, printed};
use super::text;
use crate::fields::Fields;
use crate::kinds::{Context, Input, Message, Said, Shown, Verdict, Verdicts, Wanted};
use crate::load::{Check as Checking, Common};
use crate::print;
use crate::template::Language;
use crate::yaml::{Node, Value};

/// `property` above `not_above` by more than `margin`. The newest good values count; those of
/// one message belong together.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Capacity {
    of: Measure,
    not_above: Bound,
    margin: f64,
}

#[derive(Clone, Debug, PartialEq)]
enum Bound {
    Number(f64),
    Property(Measure),
}

/// 72 B.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct CapacityState {
    /// Time and value of the property and of its bound.
    value: Option<(i64, f64)>,
    bound: Option<(i64, f64)>,
    /// Value and bound of the last time it was above.
    found: Option<(f64, f64)>,
}

impl Capacity {
    pub(super) fn load(
        fields: &mut Fields<'_>,
        common: &Common,
        check: &mut Checking<'_>,
    ) -> Option<Read<Self>> {
        devices_only(fields, common, check);
        let of = measure("property", fields, check);
        let node = fields.require("not_above", &mut check.report);
        let not_above = node.and_then(|node| match node.value {
            Value::Number(n) => Some(Bound::Number(n)),
            _ => measure_at(node, check).map(|(m, _)| Bound::Property(m)),
        });
        let margin = amount("margin", Some(0.0), fields, check);
        let ladder = common.switch(fields, check);
        let (of, (min, max)) = of?;
        let (node, not_above, margin) = (node?, not_above?, margin?);
        match &not_above {
            Bound::Property(m) if m.id == of.id => {
                check.report.error(node, "never fires: a value is not above itself");
            }
            Bound::Property(m) if m.unit != of.unit => {
                let message =
                    format!("`{}` is in `{}`, `{}` in `{}`", of.id, of.unit, m.id, m.unit);
                check.report.error(node, message);
            }
            Bound::Number(n) if n + margin >= max => {
                let message = format!("never fires: `{}` is at most {max}", of.id);
                check.report.error(node, message);
            }
            Bound::Number(n) if n + margin < min => {
                let message = format!("never clears: `{}` is at least {min}", of.id);
                check.report.error(node, message);
            }
            _ => {}
        }
        let measure = of.clone();
        Some(Read::of(Self { of, not_above, margin }, ladder?, &measure))
    }

    fn bound_words(&self, language: Language) -> &str {
        match (&self.not_above, language) {
            (Bound::Property(m), Language::Vi) => &m.label.0.vi,
            (Bound::Property(m), Language::En) => &m.label.0.en,
            (Bound::Number(_), Language::Vi) => "giới hạn",
            (Bound::Number(_), Language::En) => "the limit",
        }
    }
}

impl super::Check for Capacity {
    type State = CapacityState;

    fn inputs(&self) -> Vec<Input> {
        let mut inputs = vec![Input::of(Wanted::Property(self.of.id.clone()))];
        if let Bound::Property(m) = &self.not_above {
            inputs.push(Input::of(Wanted::Property(m.id.clone())));
        }
        inputs
    }

    fn print(&self) -> Vec<(&'static str, Node)> {
        let bound = match &self.not_above {
            Bound::Number(n) => print::number(*n),
            Bound::Property(m) => print::text(&*m.id),
        };
        printed(&self.of, [("not_above", bound), ("margin", print::number(self.margin))])
    }

    fn feed(&self, s: &mut CapacityState, _: &Context<'_>, m: &Message<'_>, out: &mut Verdicts) {
        let Said::Values(values) = m.said else { return };
        let newest = s.value.map(|v| v.0).max(s.bound.map(|b| b.0));
        if newest.is_some_and(|t| m.t < t) {
            return;
        }
        for (input, value) in values {
            let slot = if *input == 0 { &mut s.value } else { &mut s.bound };
            *slot = Some((m.t, *value));
        }
        if let Bound::Number(n) = self.not_above {
            s.bound = Some((m.t, n));
        }
        let (Some((_, value)), Some((_, bound))) = (s.value, s.bound) else { return };
        let above = value > bound + self.margin;
        if above {
            s.found = Some((value, bound));
        }
        out.push(Verdict::switch(m.t, above));
    }

    fn shown(&self, s: &CapacityState, _: &Context<'_>) -> Shown {
        let Some((value, bound)) = s.found else { return Shown::default() };
        let numbers = |l| (text::amount(value, &self.of, l), text::amount(bound, &self.of, l));
        let detail = text::both(
            |l| {
                let (v, b) = numbers(l);
                format!("{} {v} lớn hơn {} {b}", self.of.label.0.vi, self.bound_words(l))
            },
            |l| {
                let (v, b) = numbers(l);
                format!("{} {v} is above {} {b}", self.of.label.0.en, self.bound_words(l))
            },
        );
        Shown { value: Some(value), limit: Some(bound), detail, ..Shown::default() }
    }

    fn explain(&self, s: &CapacityState, cx: &Context<'_>, evidence: &mut Evidence) {
        let device = text::id(cx);
        if let Some((t, value)) = s.value {
            evidence.reading(&device, &self.of.id, t, value);
        }
        match (&self.not_above, s.bound) {
            (Bound::Property(m), Some((t, value))) => evidence.reading(&device, &m.id, t, value),
            (Bound::Number(n), _) => evidence.number("not_above", *n),
            (Bound::Property(_), None) => evidence.word("not_above", "not yet told"),
        }
        evidence.number("margin", self.margin);
    }
}

#[cfg(test)]
mod tests {
    use super::super::HealthRule;
    use crate::kinds::Said;
    use crate::kinds::bench::Bench;

    const MIN: i64 = 60_000;

    fn bench(more: &str) -> Bench<HealthRule> {
        Bench::new(&format!(
            "{{ check: capacity, property: parking_free, not_above: parking_total, \
             severity: minor{more} }}"
        ))
    }

    fn say(b: &mut Bench<HealthRule>, minute: i64, values: &[(u8, f64)]) {
        b.say(minute * MIN, 0, Said::Values(values));
    }

    /// The worked timeline of docs/rules.md.
    #[test]
    fn values_of_one_message_belong_together_and_the_last_total_holds() {
        let mut b = bench(", margin: 2, for: 30m");
        say(&mut b, 0, &[(0, 40.0)]);
        say(&mut b, 10, &[(0, 67.0), (1, 65.0)]);
        say(&mut b, 20, &[(0, 68.0)]);
        say(&mut b, 40, &[(0, 70.0)]);
        say(&mut b, 60, &[(0, 71.0), (1, 120.0)]);
        assert_eq!(b.levels(), [(50 * MIN, 1), (60 * MIN, 0)]);
        assert_eq!((b.shown().value, b.shown().limit), (Some(70.0), Some(65.0)));
        assert_eq!(b.shown().detail.vi, "Chỗ đỗ còn trống 70 lớn hơn Tổng số chỗ đỗ 65");
        assert_eq!(b.shown().detail.en, "Free parking spaces 70 is above Parking spaces 65");
        let properties: Vec<String> =
            b.evidence().readings.iter().map(|r| r.property.to_string()).collect();
        assert_eq!(properties, ["parking_free", "parking_total"]);
    }

    #[test]
    fn nothing_is_judged_before_both_are_known() {
        let mut b = bench("");
        say(&mut b, 0, &[(0, 99_999.0)]);
        assert_eq!(b.levels(), []);
        say(&mut b, 1, &[(1, 65.0)]);
        assert_eq!(b.levels(), [(MIN, 1)]);
    }

    #[test]
    fn a_number_is_a_bound_too() {
        let yaml = "{ check: capacity, property: parking_free, not_above: 65, severity: minor }";
        let mut b = Bench::<HealthRule>::new(yaml);
        say(&mut b, 0, &[(0, 65.0)]);
        say(&mut b, 1, &[(0, 66.0)]);
        assert_eq!(b.levels(), [(MIN, 1)]);
        b.reads_back().expect("a number");
    }

    #[test]
    fn reads_back_and_refuses_what_cannot_be_compared() {
        bench("").reads_back().expect("plain");
        bench(", margin: 0.5, for: 1h, clear_for: 1d").reads_back().expect("all");
        let load = |property: &str, bound: &str| {
            let yaml = format!(
                "{{ check: capacity, property: {property}, not_above: {bound}, severity: minor }}"
            );
            Bench::<HealthRule>::load(&yaml).err().unwrap_or_default()
        };
        assert!(load("parking_free", "humidity").contains("is in `"));
        assert!(load("parking_free", "parking_free").contains("never fires"));
        assert!(load("parking_free", "100000").contains("never fires"));
        assert!(load("humidity", "-1").contains("never clears"));
        assert!(load("parking_free", "parkng_total").contains("parking_total"));
    }
}
