//! Reading the fields that several checks have.

use std::fmt;

use ioc_model::{Name, Text};

use super::WORDS;
use crate::fields::{Fields, duration, number, text, whole};
use crate::kinds::{Loaded, Operator};
use crate::load::{Check, Common};
use crate::print;
use crate::rule::{Ladder, Per};
use crate::yaml::{Node, Value};

/// Every field of every check: without a known check nobody can say which are unknown.
const ALL: [&str; 28] = [
    "property",
    "for",
    "tolerance",
    "min_readings",
    "ignore",
    "window",
    "k",
    "min_change",
    "back_within",
    "quiet",
    "against",
    "over",
    "fast",
    "limit",
    "clear",
    "min_peers",
    "min",
    "max",
    "codes",
    "count",
    "within",
    "of",
    "not_above",
    "margin",
    "mistakes",
    "rule",
    "severity",
    "clear_for",
];

/// The word after `check:`.
pub(super) fn check_word<'n>(fields: &mut Fields<'n>, check: &mut Check<'_>) -> Option<&'n str> {
    let node = fields.require("check", &mut check.report);
    let word = node.and_then(|n| text(n, &mut check.report));
    if let Some(word) = word.filter(|w| WORDS.contains(w)) {
        return Some(word);
    }
    if let (Some(node), Some(word)) = (node, word) {
        check.report.unknown(node, "check", word, WORDS.iter().copied());
    }
    for key in ALL {
        fields.get(key);
    }
    None
}

/// A property as the checks need it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Measure {
    pub(super) id: Name,
    pub(super) unit: Name,
    pub(super) digits: u8,
    pub(super) label: Label,
}

/// Words for people: no part of what decides, so not in `Debug`, of which the definition's hash
/// is made.
#[derive(Clone, PartialEq)]
pub(super) struct Label(pub(super) Text);

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("_")
    }
}

/// What a check's `load` gives.
pub(super) struct Read<C> {
    pub(super) check: C,
    pub(super) ladder: Ladder,
    pub(super) unit: Name,
    pub(super) digits: u8,
}

impl<C> Read<C> {
    /// A check about one property.
    pub(super) fn of(check: C, ladder: Ladder, measure: &Measure) -> Self {
        Self { check, ladder, unit: measure.unit.clone(), digits: measure.digits }
    }

    pub(super) fn into_loaded<K: Operator>(self, kind: impl FnOnce(C) -> K) -> Loaded<K> {
        Loaded {
            kind: kind(self.check),
            ladder: self.ladder,
            unit: self.unit,
            digits: self.digits,
            cleared: (
                "{device}: thiết bị đo bình thường trở lại",
                "{device}: the sensor is back to normal",
            ),
        }
    }
}

/// A property and the limits of what it can physically be.
pub(super) fn measure(
    key: &'static str,
    fields: &mut Fields<'_>,
    check: &mut Check<'_>,
) -> Option<(Measure, (f64, f64))> {
    let node = fields.require(key, &mut check.report)?;
    measure_at(node, check)
}

pub(super) fn measure_at(node: &Node, check: &mut Check<'_>) -> Option<(Measure, (f64, f64))> {
    let (id, unit, digits) = check.property(node)?;
    let found = check.city.properties.get(&id)?;
    let label = Label(found.name.clone());
    Some((Measure { id, unit, digits, label }, (found.min, found.max)))
}

/// Only drift against peers is about more than one device.
pub(super) fn devices_only(fields: &Fields<'_>, common: &Common, check: &mut Check<'_>) {
    if common.per != Per::Device {
        let message =
            format!("this check is about single devices, not `per: {}`", common.per.word());
        check.report.hinted(fields.node(), message, "leave `per` out");
    }
}

/// A span of time, with a default if there may be one.
pub(super) fn span(
    key: &'static str,
    default: Option<i64>,
    fields: &mut Fields<'_>,
    check: &mut Check<'_>,
) -> Option<i64> {
    match (fields.get(key), default) {
        (Some(node), _) => duration(node, 1_000, &mut check.report),
        (None, Some(ms)) => Some(ms),
        (None, None) => fields.require(key, &mut check.report).map(|_| 0),
    }
}

/// A whole number with a default.
pub(super) fn count(
    key: &'static str,
    default: u32,
    (min, max): (u32, u32),
    fields: &mut Fields<'_>,
    check: &mut Check<'_>,
) -> Option<u32> {
    fields.get(key).map_or(Some(default), |n| whole(n, min, max, &mut check.report))
}

/// A number that is not negative; without a default it must be there and above 0.
pub(super) fn amount(
    key: &'static str,
    default: Option<f64>,
    fields: &mut Fields<'_>,
    check: &mut Check<'_>,
) -> Option<f64> {
    let node = match (fields.get(key), default) {
        (None, Some(n)) => return Some(n),
        (found, _) => found.or_else(|| fields.require(key, &mut check.report))?,
    };
    let n = number(node, &mut check.report)?;
    if n < 0.0 || (n == 0.0 && default.is_none()) {
        let least = if default.is_none() { "above 0" } else { "at least 0" };
        check.report.error(node, format!("`{key}` is {n}, expected a number {least}"));
        return None;
    }
    Some(n)
}

/// A list of at most 16 numbers; without it none.
pub(super) fn numbers(
    key: &'static str,
    fields: &mut Fields<'_>,
    check: &mut Check<'_>,
) -> Option<Vec<f64>> {
    const MOST: usize = 16;
    let Some(node) = fields.get(key) else { return Some(Vec::new()) };
    let Value::List(items) = &node.value else {
        return number(node, &mut check.report).map(|n| vec![n]);
    };
    if items.len() > MOST {
        check.report.error(node, format!("at most {MOST} numbers are possible"));
        return None;
    }
    let all: Vec<Option<f64>> = items.iter().map(|n| number(n, &mut check.report)).collect();
    all.into_iter().collect()
}

/// The property first, then the fields of a check.
pub(super) fn printed<const N: usize>(
    measure: &Measure,
    rest: [(&'static str, Node); N],
) -> Vec<(&'static str, Node)> {
    let mut out = vec![("property", print::text(&*measure.id))];
    out.extend(rest);
    out
}

pub(super) fn print_numbers(list: &[f64]) -> Node {
    print::list(list.iter().map(|n| print::number(*n)))
}
