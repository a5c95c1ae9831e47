//! The fields of the kind.

use ioc_model::{Name, Text};

use super::AnomalyRule;
use crate::fields::{Fields, duration, number, severity, text};
use crate::kinds::Loaded;
use crate::limit::{Limit, Op};
use crate::load::{Check, Common};
use crate::print;
use crate::rule::{Ladder, Level};
use crate::yaml::{Node, Value};

/// Scores at which `sensitivity` raises.
const SENSITIVITIES: [(&str, f64); 3] = [("low", 0.7), ("normal", 0.55), ("high", 0.45)];
/// It clears so much below.
const HYSTERESIS: f64 = 0.1;
/// Below this score noise raises daily.
const NOISE: f64 = 0.4;
const TWO_DAYS_MS: i64 = 2 * 86_400_000;
const HALF_HOUR_MS: i64 = 30 * 60_000;

pub(super) fn load(
    fields: &mut Fields<'_>,
    common: &Common,
    check: &mut Check<'_>,
) -> Option<Loaded<AnomalyRule>> {
    let property = fields.require("property", &mut check.report).and_then(|n| check.property(n));
    let ladder = ladder(fields, common, check);
    let mut time = |key: &'static str, default: i64, least: i64| match fields.get(key) {
        Some(n) => duration(n, least, &mut check.report),
        None => Some(default),
    };
    let min_history_ms = time("min_history", TWO_DAYS_MS, 0);
    let quiet_ms = time("quiet", HALF_HOUR_MS, 1_000);
    let unit = property.as_ref().map(|p| &p.1);
    let min_change = fields.get("min_change").map_or(Some(0.0), |n| change(n, unit, check));
    let (property, unit, digits) = property?;
    let ladder = ladder?;
    let lowest = ladder.levels.first()?;
    let kind = AnomalyRule {
        property,
        raise: lowest.raise.general()?,
        clear: lowest.clear.general()?,
        min_history_ms: min_history_ms?,
        min_change: min_change?,
        quiet_ms: quiet_ms?,
    };
    let cleared = ("{device}: trở lại bình thường", "{device}: back to normal");
    Some(Loaded { kind, ladder, unit, digits, cleared })
}

/// A number in the unit of the property, or the name of a threshold in it.
fn change(node: &Node, unit: Option<&Name>, check: &mut Check<'_>) -> Option<f64> {
    let change = match &node.value {
        Value::Text(id) => {
            let threshold = check.threshold(node, id)?;
            if unit.is_some_and(|u| *u != threshold.unit) {
                let message = format!("the threshold `{id}` is in `{}`", threshold.unit);
                check.report.error(node, message);
                return None;
            }
            let Some(value) = threshold.value else {
                let message = format!("the threshold `{id}` has values for single devices only");
                check.report.error(node, message);
                return None;
            };
            value
        }
        _ => number(node, &mut check.report)?,
    };
    if change < 0.0 {
        check.report.error(node, format!("`min_change` is {change}, expected 0 or more"));
        return None;
    }
    Some(change)
}

/// `levels` on the score, or `sensitivity` and `severity`.
fn ladder(fields: &mut Fields<'_>, common: &Common, check: &mut Check<'_>) -> Option<Ladder> {
    let sensitivity = fields.get("sensitivity");
    let levels = fields.get("levels");
    if let (Some(n), Some(_)) = (sensitivity, levels) {
        let hint = "`sensitivity` with a `severity`, or `levels` on the score from 0 to 1";
        check.report.hinted(n, "`sensitivity` and `levels` exclude each other", hint);
    }
    if let Some(at) = levels {
        let ladder = common.ladder(fields, Some(&Name::from("")), check)?;
        ladder.levels.iter().for_each(|level| possible(at, level, check));
        return Some(ladder);
    }
    let raise = match sensitivity {
        None => Some(SENSITIVITIES[1].1),
        Some(n) => text(n, &mut check.report).and_then(|word| {
            let found = SENSITIVITIES.iter().find(|(w, _)| *w == word);
            if found.is_none() {
                let words = SENSITIVITIES.iter().map(|(w, _)| *w);
                check.report.unknown(n, "sensitivity", word, words);
            }
            found.map(|(_, raise)| *raise)
        }),
    };
    let report = &mut check.report;
    let severity = fields.require("severity", report).and_then(|n| severity(n, report));
    let mut time = |key: &'static str| match fields.get(key) {
        Some(n) => duration(n, 0, report),
        None => Some(0),
    };
    let (for_ms, clear_for_ms) = (time("for"), time("clear_for"));
    let raise = raise?;
    let level = Level {
        severity: severity?,
        raise_op: Op::Ge,
        raise: Limit::Number(raise),
        clear_op: Op::Lt,
        clear: Limit::Number(raise - HYSTERESIS),
        label: Text::default(),
    };
    Some(Ladder {
        switch: false,
        levels: vec![level],
        for_ms: for_ms?,
        clear_for_ms: clear_for_ms?,
        chatter: None,
    })
}

/// A level that a score from 0 to 1 can raise and clear.
fn possible(at: &Node, level: &Level, check: &mut Check<'_>) {
    if !level.raise_op.is_upper() {
        check.report.hinted(at, "a low score is nothing unusual", "raise at `>= 0.55`");
        return;
    }
    let (Some(raise), Some(clear)) = (level.raise.general(), level.clear.general()) else {
        check.report.error(at, "the limit of a score must be the same for all devices");
        return;
    };
    if !level.raise_op.holds(1.0, raise) {
        check.report.hinted(at, "this level never raises", "scores end at 1");
    }
    if !level.clear_op.holds(0.0, clear) {
        check.report.hinted(at, "this level never clears", "scores begin at 0");
    }
    if (0.0..NOISE).contains(&raise) {
        check.note(at, format!("noise alone reaches a score of {raise} often"));
    }
}

pub(super) fn print(rule: &AnomalyRule) -> Vec<(&'static str, Node)> {
    let mut out = vec![
        ("property", print::text(&*rule.property)),
        ("min_history", print::duration(rule.min_history_ms)),
        ("quiet", print::duration(rule.quiet_ms)),
    ];
    if rule.min_change != 0.0 {
        out.push(("min_change", print::number(rule.min_change)));
    }
    out
}
