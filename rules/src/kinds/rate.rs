//! `kind: rate`: how fast a property rises or falls.
//!
//! The number is the difference of the newest reading and the oldest one of the last `over`,
//! divided by the time between them (or not, with `absolute`). Of a busy device not every reading
//! is kept: time is cut into cells of a 60th of `over`, and of each the first reading stays. So
//! the older one of the two is at most a cell younger than it might be, and the quotient is
//! always that of two real readings and their real distance.

use ioc_model::{Evidence, Name, Text};
use serde::{Deserialize, Serialize};

use super::reach::Reach;
use super::{Context, Input, Loaded, Message, Operator, Said, Shown, Verdict, Verdicts, Wanted};
use crate::fields::{Fields, boolean, duration, text};
use crate::load::{Check, Common};
use crate::print;
use crate::rule::Per;
use crate::yaml::Node;

/// Cells of the window; with one on each side cut, and the newest reading, 62 are kept.
const CELLS: i64 = 60;

/// How fast a property rises or falls.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RateRule {
    property: Name,
    over_ms: i64,
    /// The two readings must be so far apart.
    min_span_ms: i64,
    /// `None`: the plain difference.
    unit: Option<RateUnit>,
    /// Of the property, for messages.
    symbol: Name,
    digits: u8,
}

/// The time that a rate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RateUnit {
    Second,
    Minute,
    Hour,
    Day,
}

impl RateUnit {
    const ALL: [Self; 4] = [Self::Second, Self::Minute, Self::Hour, Self::Day];

    fn word(self) -> &'static str {
        match self {
            Self::Second => "per_second",
            Self::Minute => "per_minute",
            Self::Hour => "per_hour",
            Self::Day => "per_day",
        }
    }

    /// As it is written behind the property's unit.
    fn symbol(self) -> &'static str {
        match self {
            Self::Second => "/s",
            Self::Minute => "/min",
            Self::Hour => "/h",
            Self::Day => "/d",
        }
    }

    fn ms(self) -> f64 {
        match self {
            Self::Second => 1e3,
            Self::Minute => 6e4,
            Self::Hour => 3.6e6,
            Self::Day => 8.64e7,
        }
    }
}

/// Readings of the last `over`: 24 bytes and 16 for each of at most 62.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct RateState {
    /// Time and value, oldest first; the last is the newest reading, the others are the first of
    /// their cells.
    kept: Vec<(i64, f64)>,
}

impl RateRule {
    fn cell(&self, t: i64) -> i64 {
        // Rounded up, so that a window never spans more than it should.
        t.div_euclid((self.over_ms + CELLS - 1) / CELLS)
    }

    /// The two readings that the rate is of.
    fn pair(&self, state: &RateState) -> Option<((i64, f64), (i64, f64))> {
        let (old, new) = (*state.kept.first()?, *state.kept.last()?);
        (new.0 - old.0 >= self.min_span_ms).then_some((old, new))
    }

    fn rate(&self, (t0, v0): (i64, f64), (t1, v1): (i64, f64)) -> f64 {
        let exact = match self.unit {
            Some(unit) => (v1 - v0) * unit.ms() / (t1 - t0) as f64,
            None => v1 - v0,
        };
        // 2.3 - 1.8 must be the 0.5 that was measured, not 0.4999999999999998.
        if exact.abs() < 1e6 { (exact * 1e9).round() / 1e9 } else { exact }
    }

    fn keep(&self, state: &mut RateState, t: i64, v: f64) {
        let kept = &mut state.kept;
        // The newest stays only as the first of its cell.
        if let [.., before, newest] = kept.as_slice()
            && self.cell(before.0) == self.cell(newest.0)
        {
            kept.pop();
        }
        if kept.last().is_some_and(|(last, _)| *last == t) {
            kept.pop();
        }
        let oldest = t.saturating_sub(self.over_ms);
        let gone = kept.iter().take_while(|(at, _)| *at < oldest).count();
        kept.drain(..gone);
        kept.push((t, v));
    }
}

impl Operator for RateRule {
    const WORD: &'static str = "rate";
    const PER: &'static [Per] = &[Per::Device];
    type State = RateState;

    fn load(
        fields: &mut Fields<'_>,
        common: &Common,
        check: &mut Check<'_>,
    ) -> Option<Loaded<Self>> {
        load(fields, common, check)
    }

    fn print(&self) -> Vec<(&'static str, Node)> {
        let mut out = vec![
            ("property", print::text(&*self.property)),
            ("over", print::duration(self.over_ms)),
            ("min_span", print::duration(self.min_span_ms)),
        ];
        out.push(match self.unit {
            Some(unit) => ("unit", print::text(unit.word())),
            None => ("absolute", print::boolean(true)),
        });
        out
    }

    fn inputs(&self) -> Vec<Input> {
        vec![Input::of(Wanted::Property(self.property.clone()))]
    }

    fn feed(
        &self,
        state: &mut RateState,
        _cx: &Context<'_>,
        message: &Message<'_>,
        out: &mut Verdicts,
    ) {
        let Said::Values(values) = message.said else { return };
        let Some((_, v)) = values.iter().find(|(input, _)| *input == 0) else { return };
        if state.kept.last().is_some_and(|(newest, _)| *newest > message.t) {
            return;
        }
        self.keep(state, message.t, *v);
        if let Some((old, new)) = self.pair(state) {
            let rate = self.rate(old, new);
            if rate.is_finite() {
                out.push(Verdict::of(message.t, rate));
            }
        }
    }

    fn shown(&self, state: &RateState, _cx: &Context<'_>) -> Shown {
        let Some((old, new)) = self.pair(state) else {
            return Shown { duration_ms: Some(self.over_ms), ..Shown::default() };
        };
        let digits = usize::from(self.digits);
        let en = format!("{:.digits$} → {:.digits$} {}", old.1, new.1, self.symbol);
        let en = en.trim_end().to_owned();
        let vi = format!("{:.digits$} → {:.digits$}", old.1, new.1).replace('.', ",");
        let vi = format!("{vi} {}", self.symbol).trim_end().to_owned();
        Shown { duration_ms: Some(new.0 - old.0), detail: Text { vi, en }, ..Shown::default() }
    }

    fn explain(&self, state: &RateState, cx: &Context<'_>, evidence: &mut Evidence) {
        let none = Name::from("");
        let device = cx.device.unwrap_or(&none);
        match (self.pair(state), state.kept.last()) {
            (Some((old, new)), _) => {
                evidence.reading(device, &self.property, old.0, old.1);
                evidence.reading(device, &self.property, new.0, new.1);
                evidence.number("rate", self.rate(old, new));
                evidence.timer("over", old.0, new.0);
            }
            (None, Some(newest)) => {
                evidence.reading(device, &self.property, newest.0, newest.1);
                let first = state.kept.first().unwrap_or(newest).0;
                // Not judged before there are readings so far apart.
                evidence.timer("min_span", first, first.saturating_add(self.min_span_ms));
            }
            (None, None) => {}
        }
        evidence.number("kept", state.kept.len() as f64);
    }

    fn heap_bytes(&self, state: &RateState) -> usize {
        state.kept.capacity() * size_of::<(i64, f64)>()
    }
}

fn load(
    fields: &mut Fields<'_>,
    common: &Common,
    check: &mut Check<'_>,
) -> Option<Loaded<RateRule>> {
    let property = fields.require("property", &mut check.report);
    let property = property.and_then(|n| check.property(n));
    let over = fields.require("over", &mut check.report);
    let over_ms = over.and_then(|n| duration(n, 1_000, &mut check.report));
    let min_span = fields.get("min_span");
    let min_span_ms = match min_span {
        Some(n) => duration(n, 1, &mut check.report),
        None => over_ms.map(|ms| ms / 2),
    };
    if let (Some(node), Some(least), Some(over)) = (min_span, min_span_ms, over_ms)
        && least > over
    {
        let hint = "two readings of the last `over` are never further apart than that";
        check.report.hinted(node, "`min_span` is longer than `over`: it never fires", hint);
    }
    let unit = unit(fields, check);
    let symbol = property.as_ref().zip(unit).map(|((_, symbol, _), unit)| {
        Name::from(format!("{symbol}{}", unit.map_or("", RateUnit::symbol)))
    });
    let ladder = common.ladder(fields, symbol.as_ref(), check);
    if let (Some(node), Some(over_ms), Some((property, ..))) = (over, over_ms, &property) {
        note_rare(node, over_ms, property, common, check);
    }
    let ((property, of, digits), unit, ladder) = (property?, unit?, ladder?);
    let kind = RateRule {
        property,
        over_ms: over_ms?,
        min_span_ms: min_span_ms?,
        unit,
        symbol: of,
        digits,
    };
    let limits = check.city.properties.get(&kind.property).map(|p| p.max - p.min);
    let most =
        limits.map_or(f64::INFINITY, |range| kind.rate((0, 0.0), (kind.min_span_ms.max(1), range)));
    Reach { low: -most, high: most, ends: false }.check(fields, &ladder, check);
    Some(Loaded {
        kind,
        ladder,
        unit: symbol?,
        digits,
        cleared: (
            "{device}: trở lại bình thường ({value} {unit})",
            "{device}: back to normal ({value} {unit})",
        ),
    })
}

/// `unit` or `absolute`: the inner `None` is the plain difference.
fn unit(fields: &mut Fields<'_>, check: &mut Check<'_>) -> Option<Option<RateUnit>> {
    let report = &mut check.report;
    let (unit, absolute) = (fields.get("unit"), fields.get("absolute"));
    let absolute = absolute.map_or(Some(false), |n| boolean(n, report));
    let Some(node) = unit else {
        return absolute.map(|absolute| (!absolute).then_some(RateUnit::Hour));
    };
    let word = text(node, report)?;
    let found = RateUnit::ALL.into_iter().find(|u| u.word() == word);
    if found.is_none() {
        report.unknown(node, "unit of a rate", word, RateUnit::ALL.map(RateUnit::word).into_iter());
        return None;
    }
    if absolute? {
        report.error(node, "an absolute difference is not per time: leave `unit` out");
        return None;
    }
    Some(found)
}

/// Devices that say too little to have two readings within `over`.
fn note_rare(node: &Node, over_ms: i64, property: &Name, common: &Common, check: &mut Check<'_>) {
    let rare = check.city.devices.values().filter(|d| {
        i64::from(d.cadence_s) * 1000 > over_ms
            && d.properties.contains(property)
            && common.selection.matches(&d.id, Some(&d.kind), &d.service, &d.area)
    });
    let rare: Vec<&str> = rare.map(|d| &*d.id).collect();
    if !rare.is_empty() {
        let list = rare.join(", ");
        check.note(node, format!("not judged, because they report less often: {list}"));
    }
}

#[cfg(test)]
mod tests;
