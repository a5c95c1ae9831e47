//! A checked expression as a tree in which every branch has its type, and what it evaluates to.

use ioc_model::Name;

use super::Lasts;
use crate::hours::LOCAL_OFFSET_MS;
use crate::limit::Limit;
use crate::ruleset::{CityView, DeviceView};

/// What an expression is evaluated on: one device at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scope<'a> {
    pub(crate) lasts: &'a Lasts,
    /// Values older than this at `t` are not known any more.
    pub(crate) fresh_ms: i64,
    /// Time of the reading, ms.
    pub(crate) t: i64,
    pub(crate) device: Option<&'a Name>,
    pub(crate) city: &'a CityView,
}

impl Scope<'_> {
    fn view(&self) -> Option<&DeviceView> {
        self.city.devices.get(self.device?)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Body {
    Num(Num),
    Bool(Bool),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Num {
    Const(f64),
    /// Last value of an input.
    Value(u8),
    Limit(Box<Limit>),
    /// Local, 0 to 23.
    Hour,
    /// Local, Monday 1 to Sunday 7.
    Weekday,
    Neg(Box<Num>),
    Abs(Box<Num>),
    Calc(Calc, Box<(Num, Num)>),
    Min(Vec<Num>),
    Max(Vec<Num>),
    If(Box<(Bool, Num, Num)>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Calc {
    Add,
    Sub,
    Mul,
    Div,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cmp {
    Lt,
    Le,
    Gt,
    Ge,
    Eq,
    Ne,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Bool {
    Const(bool),
    Compare(Cmp, Box<(Num, Num)>),
    TextIs(TextTest, Box<(Text, Text)>),
    NumIn(Box<Num>, Vec<Num>),
    TextIn(Box<Text>, Vec<Text>),
    /// An input is known.
    Has(u8),
    Not(Box<Bool>),
    And(Box<(Bool, Bool)>),
    Or(Box<(Bool, Bool)>),
    If(Box<(Bool, Bool, Bool)>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TextTest {
    Equal,
    StartsWith,
    EndsWith,
    Contains,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Text {
    Const(Name),
    DeviceId,
    DeviceKind,
    DeviceService,
    DeviceArea,
    If(Box<(Bool, Text, Text)>),
}

impl Num {
    pub(super) fn eval(&self, s: &Scope<'_>) -> Option<f64> {
        let value = match self {
            Self::Const(n) => *n,
            Self::Value(input) => s.lasts.get(*input, s.t, s.fresh_ms)?,
            Self::Limit(limit) => limit.at(s.device.map(|d| &**d), s.t)?,
            Self::Hour => hour(s.t),
            Self::Weekday => weekday(s.t),
            Self::Neg(n) => -n.eval(s)?,
            Self::Abs(n) => n.eval(s)?.abs(),
            Self::Calc(op, sides) => {
                let (a, b) = (sides.0.eval(s)?, sides.1.eval(s)?);
                match op {
                    Calc::Add => a + b,
                    Calc::Sub => a - b,
                    Calc::Mul => a * b,
                    Calc::Div => a / b,
                }
            }
            Self::Min(all) => fold(all, s, f64::min)?,
            Self::Max(all) => fold(all, s, f64::max)?,
            Self::If(parts) => match parts.0.eval(s)? {
                true => parts.1.eval(s)?,
                false => parts.2.eval(s)?,
            },
        };
        // Division by zero, overflow.
        value.is_finite().then_some(value)
    }
}

fn fold(all: &[Num], s: &Scope<'_>, pick: fn(f64, f64) -> f64) -> Option<f64> {
    let (first, rest) = all.split_first()?;
    let mut best = first.eval(s)?;
    for n in rest {
        best = pick(best, n.eval(s)?);
    }
    Some(best)
}

fn hour(t: i64) -> f64 {
    t.saturating_add(LOCAL_OFFSET_MS).rem_euclid(86_400_000).div_euclid(3_600_000) as f64
}

fn weekday(t: i64) -> f64 {
    // 1970-01-01 was a Thursday.
    let days = t.saturating_add(LOCAL_OFFSET_MS).div_euclid(86_400_000);
    ((days + 3).rem_euclid(7) + 1) as f64
}

impl Cmp {
    #[inline]
    fn holds(self, a: f64, b: f64) -> bool {
        match self {
            Self::Lt => a < b,
            Self::Le => a <= b,
            Self::Gt => a > b,
            Self::Ge => a >= b,
            Self::Eq => a == b,
            Self::Ne => a != b,
        }
    }
}

impl Bool {
    pub(super) fn eval(&self, s: &Scope<'_>) -> Option<bool> {
        match self {
            Self::Const(b) => Some(*b),
            Self::Compare(op, sides) => Some(op.holds(sides.0.eval(s)?, sides.1.eval(s)?)),
            Self::TextIs(test, sides) => Some(test.holds(sides.0.eval(s)?, sides.1.eval(s)?)),
            Self::NumIn(n, list) => {
                let n = n.eval(s)?;
                let mut found = false;
                for item in list {
                    found |= item.eval(s)? == n;
                }
                Some(found)
            }
            Self::TextIn(t, list) => {
                let t = t.eval(s)?;
                let mut found = false;
                for item in list {
                    found |= item.eval(s)? == t;
                }
                Some(found)
            }
            Self::Has(input) => Some(s.lasts.get(*input, s.t, s.fresh_ms).is_some()),
            Self::Not(b) => b.eval(s).map(|b| !b),
            Self::And(sides) => decided(sides, s, false),
            Self::Or(sides) => decided(sides, s, true),
            Self::If(parts) => match parts.0.eval(s)? {
                true => parts.1.eval(s),
                false => parts.2.eval(s),
            },
        }
    }
}

/// `&&` (decided by false) and `||` (by true): one side that decides is enough, even if the other
/// has no value.
fn decided(sides: &(Bool, Bool), s: &Scope<'_>, by: bool) -> Option<bool> {
    let left = sides.0.eval(s);
    if left == Some(by) {
        return left;
    }
    let right = sides.1.eval(s);
    if right == Some(by) { right } else { left.and(right) }
}

impl TextTest {
    fn holds(self, a: &str, b: &str) -> bool {
        match self {
            Self::Equal => a == b,
            Self::StartsWith => a.starts_with(b),
            Self::EndsWith => a.ends_with(b),
            Self::Contains => a.contains(b),
        }
    }
}

impl Text {
    fn eval<'s>(&'s self, s: &'s Scope<'_>) -> Option<&'s str> {
        match self {
            Self::Const(t) => Some(t),
            Self::DeviceId => s.device.map(|d| &**d),
            Self::DeviceKind => s.view().map(|v| v.kind.as_str()),
            Self::DeviceService => s.view().map(|v| &*v.service),
            Self::DeviceArea => s.view().map(|v| &*v.area),
            Self::If(parts) => match parts.0.eval(s)? {
                true => parts.1.eval(s),
                false => parts.2.eval(s),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_and_weekdays_are_those_of_da_nang() {
        let t = |text: &str| ioc_model::Timestamp::parse_rfc3339(text).expect("valid").0;
        // 28 October 2025 was a Tuesday.
        for (text, h, d) in [
            ("2025-10-28T00:00:00+07:00", 0.0, 2.0),
            ("2025-10-27T23:59:59.999+07:00", 23.0, 1.0),
            ("2025-11-02T06:30:00Z", 13.0, 7.0),
        ] {
            assert_eq!((hour(t(text)), weekday(t(text))), (h, d), "{text}");
        }
    }
}
