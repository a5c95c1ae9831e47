//! `threshold`: one property of an entity against a ladder of limits.

use ioc_model::{Evidence, Name};
use serde::{Deserialize, Serialize};

use super::{Context, Input, Loaded, Message, Operator, Said, Verdict, Verdicts, Wanted};
use crate::fields::{Fields, boolean};
use crate::limit::{Limit, Op};
use crate::load::{Check, Common, comparison, print_comparison};
use crate::print;
use crate::rule::Per;
use crate::yaml::{Node, Value};

/// More further conditions than this are refused: their state is one byte.
const MAX_CONDITIONS: usize = 8;

/// A value of one device against a ladder of limits.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ThresholdRule {
    property: Name,
    and: Vec<Condition>,
}

/// A further property of the same device that must hold too.
#[derive(Clone, Debug, PartialEq)]
struct Condition {
    property: Name,
    op: Op,
    limit: Limit,
    /// Whether it holds while the device has not yet told the property.
    or_unknown: bool,
}

/// The last value; 24 bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ThresholdState {
    t: i64,
    value: f64,
    /// One bit per further condition that was told, and one per condition that held then.
    told: u8,
    held: u8,
}

impl Default for ThresholdState {
    fn default() -> Self {
        Self { t: i64::MIN, value: f64::NAN, told: 0, held: 0 }
    }
}

impl ThresholdRule {
    /// Notes a condition's value.
    fn note(&self, s: &mut ThresholdState, n: usize, m: &Message<'_>, value: f64) {
        let Some(c) = self.and.get(n) else { return };
        let holds = c.limit.at(Some(m.name), m.t).is_some_and(|l| c.op.holds(value, l));
        s.told |= 1 << n;
        s.held = (s.held & !(1 << n)) | (u8::from(holds) << n);
    }

    fn holds(&self, s: &ThresholdState, n: usize) -> bool {
        if s.told & (1 << n) == 0 { self.and[n].or_unknown } else { s.held & (1 << n) != 0 }
    }

    fn all_hold(&self, s: &ThresholdState) -> bool {
        (0..self.and.len()).all(|n| self.holds(s, n))
    }
}

impl Operator for ThresholdRule {
    const WORD: &'static str = "threshold";
    const PER: &'static [Per] = &[Per::Device];
    type State = ThresholdState;

    fn load(
        fields: &mut Fields<'_>,
        common: &Common,
        check: &mut Check<'_>,
    ) -> Option<Loaded<Self>> {
        let property =
            fields.require("property", &mut check.report).and_then(|n| check.property(n));
        let ladder = common.ladder_of(fields, property.as_ref().map(|p| &p.0), check);
        let and = fields.get("and").map_or(Some(Vec::new()), |n| conditions(n, check));
        let (property, unit, digits) = property?;
        Some(Loaded {
            kind: Self { property, and: and? },
            ladder: ladder?,
            unit,
            digits,
            cleared: (
                "{device}: trở lại bình thường ({value} {unit})",
                "{device}: back to normal ({value} {unit})",
            ),
        })
    }

    fn print(&self) -> Vec<(&'static str, Node)> {
        let mut out = vec![("property", print::text(&*self.property))];
        if !self.and.is_empty() {
            out.push(("and", print::list(self.and.iter().map(Condition::print))));
        }
        out
    }

    fn inputs(&self) -> Vec<Input> {
        let all = std::iter::once(&self.property).chain(self.and.iter().map(|c| &c.property));
        all.map(|p| Input::of(Wanted::Property(p.clone()))).collect()
    }

    #[inline]
    fn feed(
        &self,
        s: &mut ThresholdState,
        _cx: &Context<'_>,
        m: &Message<'_>,
        out: &mut Verdicts,
    ) {
        let Said::Values(values) = m.said else { return };
        for &(input, value) in values {
            match input {
                0 => (s.t, s.value) = (m.t, value),
                n => self.note(s, usize::from(n) - 1, m, value),
            }
        }
        // A condition alone judges the value anew as it was last heard.
        if s.t != i64::MIN {
            out.push(Verdict { t: m.t, value: s.value, ok: self.all_hold(s) });
        }
    }

    fn explain(&self, s: &ThresholdState, cx: &Context<'_>, e: &mut Evidence) {
        if let Some(device) = cx.device.filter(|_| s.t != i64::MIN) {
            e.reading(device, &self.property, s.t, s.value);
        }
        for (n, c) in self.and.iter().enumerate() {
            let state = match (s.told & (1 << n) != 0, self.holds(s, n)) {
                (false, _) => "not told yet",
                (true, true) => "holds",
                (true, false) => "does not hold",
            };
            e.word(&c.property, format!("{} {}: {state}", c.op, c.limit));
        }
    }
}

impl Condition {
    fn print(&self) -> Node {
        let mut out = vec![
            ("property", print::text(&*self.property)),
            ("is", print_comparison(self.op, &self.limit)),
        ];
        if self.or_unknown {
            out.push(("or_unknown", print::boolean(true)));
        }
        print::map(out)
    }
}

fn conditions(node: &Node, check: &mut Check<'_>) -> Option<Vec<Condition>> {
    let Value::List(items) = &node.value else {
        let message = format!("expected a list of conditions, found {}", node.value.kind());
        check.report.error(node, message);
        return None;
    };
    if items.len() > MAX_CONDITIONS {
        let message = format!("at most {MAX_CONDITIONS} further conditions are possible");
        check.report.error(node, message);
        return None;
    }
    let all: Vec<Option<Condition>> = items.iter().map(|item| condition(item, check)).collect();
    all.into_iter().collect()
}

fn condition(item: &Node, check: &mut Check<'_>) -> Option<Condition> {
    let mut fields = Fields::open(item, "a condition {property, is}", &mut check.report)?;
    let property = fields.require("property", &mut check.report).and_then(|n| check.property(n));
    let is = fields.require("is", &mut check.report);
    let or_unknown = fields.get("or_unknown");
    let or_unknown = or_unknown.map_or(Some(false), |n| boolean(n, &mut check.report));
    fields.finish(&mut check.report);
    let (property, unit, _) = property?;
    let (op, limit) = comparison(is?, &unit, check)?;
    Some(Condition { property, op, limit, or_unknown: or_unknown? })
}

#[cfg(test)]
mod tests {
    use super::super::bench::Bench;
    use super::*;

    const CONGESTION: &str = "
property: speed
levels:
  - { severity: minor, raise: '< 20 km/h' }
  - { severity: major, raise: '< 10', clear: '>= 15' }
and:
  - { property: occupancy, is: '>= 50 %' }
  - { property: traffic_flow, is: '> 0', or_unknown: true }
for: 60s
clear_for: 30s
";

    #[test]
    fn raises_only_while_the_further_conditions_hold() {
        let mut b = Bench::<ThresholdRule>::new(CONGESTION);
        b.value(0, 18.0).time(120_000);
        assert_eq!(b.levels(), [], "occupancy is not told yet");
        b.say(130_000, 0, Said::Values(&[(1, 60.0)])).time(190_000);
        assert_eq!(b.levels(), [(190_000, 1)]);
        b.say(200_000, 0, Said::Values(&[(2, 0.0)])).time(300_000);
        assert_eq!(b.levels(), [(190_000, 1), (230_000, 0)], "nobody drives");
    }

    #[test]
    fn prints_what_it_reads() {
        assert_eq!(Bench::<ThresholdRule>::new(CONGESTION).reads_back(), Ok(()));
        let plain = "property: pm25\nlevels: [{severity: major, raise: '> qcvn05.pm25.24h * 0.9 - 1'}]\ndeadband: 2";
        assert_eq!(Bench::<ThresholdRule>::new(plain).reads_back(), Ok(()));
    }
}
