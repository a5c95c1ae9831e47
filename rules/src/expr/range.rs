//! What an expression can be at all, from the physical limits of its properties: tells predicates
//! that never or always hold.

use ioc_model::{City, Name};

use super::tree::{Bool, Calc, Cmp, Num};
use crate::limit::Limit;

/// Smallest and largest value.
type Range = (f64, f64);
const ANY: Range = (f64::NEG_INFINITY, f64::INFINITY);

pub(super) struct Ranges<'a> {
    pub(super) city: &'a City,
    pub(super) inputs: &'a [Name],
}

impl Ranges<'_> {
    fn number(&self, n: &Num) -> Range {
        let range = match n {
            Num::Const(n) => (*n, *n),
            Num::Value(i) => self.property(usize::from(*i)),
            Num::Limit(limit) => limit_range(limit),
            Num::Hour => (0.0, 23.0),
            Num::Weekday => (1.0, 7.0),
            Num::Neg(n) => {
                let (lo, hi) = self.number(n);
                (-hi, -lo)
            }
            Num::Abs(n) => match self.number(n) {
                (lo, hi) if lo >= 0.0 => (lo, hi),
                (lo, hi) if hi <= 0.0 => (-hi, -lo),
                (lo, hi) => (0.0, hi.max(-lo)),
            },
            Num::Calc(op, sides) => calc(*op, self.number(&sides.0), self.number(&sides.1)),
            Num::Min(all) => self.fold(all, f64::min),
            Num::Max(all) => self.fold(all, f64::max),
            Num::If(parts) => join(self.number(&parts.1), self.number(&parts.2)),
        };
        // Infinity minus infinity: nothing is known.
        if range.0.is_nan() || range.1.is_nan() { ANY } else { range }
    }

    fn property(&self, input: usize) -> Range {
        let property = self.inputs.get(input).and_then(|p| self.city.properties.get(p));
        property.map_or(ANY, |p| (p.min, p.max))
    }

    fn fold(&self, all: &[Num], pick: fn(f64, f64) -> f64) -> Range {
        let ranges = all.iter().map(|n| self.number(n));
        ranges.reduce(|a, b| (pick(a.0, b.0), pick(a.1, b.1))).unwrap_or(ANY)
    }

    /// What the predicate is whenever it has a value, if that is always the same.
    pub(super) fn predicate(&self, b: &Bool) -> Option<bool> {
        match b {
            Bool::Const(b) => Some(*b),
            Bool::Compare(op, sides) => compare(*op, self.number(&sides.0), self.number(&sides.1)),
            Bool::NumIn(n, list) => {
                let n = self.number(n);
                let apart = |item| compare(Cmp::Eq, n, self.number(item)) == Some(false);
                list.iter().all(apart).then_some(false)
            }
            Bool::TextIs(..) | Bool::TextIn(..) | Bool::Has(_) => None,
            Bool::Not(b) => self.predicate(b).map(|b| !b),
            Bool::And(sides) => self.decided(sides, false),
            Bool::Or(sides) => self.decided(sides, true),
            Bool::If(parts) => match self.predicate(&parts.0) {
                Some(true) => self.predicate(&parts.1),
                Some(false) => self.predicate(&parts.2),
                None => {
                    let (a, b) = (self.predicate(&parts.1), self.predicate(&parts.2));
                    if a == b { a } else { None }
                }
            },
        }
    }

    fn decided(&self, sides: &(Bool, Bool), by: bool) -> Option<bool> {
        match (self.predicate(&sides.0), self.predicate(&sides.1)) {
            (Some(a), _) if a == by => Some(by),
            (_, Some(b)) if b == by => Some(by),
            (a, b) => a.and(b),
        }
    }
}

fn limit_range(limit: &Limit) -> Range {
    limit.all_values().into_iter().map(|v| (v, v)).reduce(join).unwrap_or(ANY)
}

fn join(a: Range, b: Range) -> Range {
    (a.0.min(b.0), a.1.max(b.1))
}

fn calc(op: Calc, (a, b): Range, (c, d): Range) -> Range {
    match op {
        Calc::Add => (a + c, b + d),
        Calc::Sub => (a - d, b - c),
        Calc::Mul => {
            let all = [a * c, a * d, b * c, b * d];
            if all.iter().any(|x| x.is_nan()) {
                return ANY;
            }
            (
                all.iter().copied().fold(f64::INFINITY, f64::min),
                all.into_iter().fold(f64::NEG_INFINITY, f64::max),
            )
        }
        // Only where the divisor keeps away from zero.
        Calc::Div if c > 0.0 || d < 0.0 => calc(Calc::Mul, (a, b), (1.0 / d, 1.0 / c)),
        Calc::Div => ANY,
    }
}

fn compare(op: Cmp, (a, b): Range, (c, d): Range) -> Option<bool> {
    match op {
        Cmp::Lt if b < c => Some(true),
        Cmp::Lt if a >= d => Some(false),
        Cmp::Le if b <= c => Some(true),
        Cmp::Le if a > d => Some(false),
        Cmp::Gt => compare(Cmp::Lt, (c, d), (a, b)),
        Cmp::Ge => compare(Cmp::Le, (c, d), (a, b)),
        Cmp::Eq if b < c || a > d => Some(false),
        Cmp::Eq if a == b && c == d && a == c => Some(true),
        Cmp::Ne => compare(Cmp::Eq, (a, b), (c, d)).map(|b| !b),
        _ => None,
    }
}
