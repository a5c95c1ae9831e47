//! Reading the fields of a detection rule.

use ioc_model::Name;

use super::{DetectionRule, Dwell, GAP_MS, MOST_EVENTS, Mode};
use crate::fields::{Fields, duration, whole};
use crate::kinds::Loaded;
use crate::kinds::events::Filter;
use crate::load::{Check, Common};
use crate::rule::Ladder;
use crate::yaml::{Node, Value};

pub(super) fn load(
    fields: &mut Fields<'_>,
    common: &Common,
    check: &mut Check<'_>,
) -> Option<Loaded<DetectionRule>> {
    let filter = Filter::load(fields, check);
    let dwell = dwell(fields, check);
    let within = fields.get("within").map(|n| (n, duration(n, 1_000, &mut check.report)));
    let read = match fields.get("levels") {
        Some(_) => levels(fields, within.map(|w| w.1), common, check),
        None => switch(fields, within.map(|w| w.1), dwell.flatten(), common, check),
    };
    let (mode, within_ms, ladder) = read?;
    let kind = DetectionRule { filter: filter?, mode, within_ms, dwell: dwell? };
    let cleared = ("{device}: không còn ghi nhận", "{device}: no longer seen");
    Some(Loaded { kind, ladder, unit: "".into(), digits: 0, cleared })
}

/// `severity`, `count`, `within`, `quiet`.
fn switch(
    fields: &mut Fields<'_>,
    within: Option<Option<i64>>,
    dwell: Option<Dwell>,
    common: &Common,
    check: &mut Check<'_>,
) -> Option<(Mode, i64, Ladder)> {
    let count = match fields.get("count") {
        None => Some((1, None)),
        Some(n) => event_count(n, check),
    };
    let quiet = fields.require("quiet", &mut check.report);
    let quiet_ms = quiet.and_then(|n| duration(n, 1_000, &mut check.report));
    let ladder = common.switch(fields, check);
    if count.as_ref().is_some_and(|c| c.0 > 1) && within.is_none() {
        check.report.error(fields.node(), "`within` is missing: how close must the events be?");
        return None;
    }
    let within_ms = within.unwrap_or(quiet_ms)?;
    let (quiet, quiet_ms) = (quiet?, quiet_ms?);
    if quiet_ms < within_ms {
        let hint = "else events already counted would raise again";
        check.report.hinted(quiet, "`quiet` is shorter than `within`", hint);
    }
    if dwell.is_some_and(|d| quiet_ms < d.gap_ms) {
        let hint = "else an object that is still followed would clear and raise again";
        check.report.hinted(quiet, "`quiet` is shorter than `gap`", hint);
    }
    let (count, threshold) = count?;
    Some((Mode::Switch { count, threshold, quiet_ms }, within_ms, ladder?))
}

/// `levels`, `within`, `for`, `clear_for`.
fn levels(
    fields: &mut Fields<'_>,
    within: Option<Option<i64>>,
    common: &Common,
    check: &mut Check<'_>,
) -> Option<(Mode, i64, Ladder)> {
    for (key, hint) in [
        ("severity", "each level has its own"),
        ("count", "the levels say how many"),
        ("quiet", "a level clears by its own `clear` and by `clear_for`"),
    ] {
        if let Some(n) = fields.get(key) {
            check.report.hinted(n, format!("`{key}` and `levels` exclude each other"), hint);
        }
    }
    if within.is_none() {
        let message = "`within` is missing: the events of which time are counted?";
        check.report.error(fields.node(), message);
    }
    let at = fields.get("levels");
    let ladder = common.ladder(fields, Some(&Name::from("")), check)?;
    if let Some(at) = at {
        check_levels(at, &ladder, check);
    }
    Some((Mode::Levels, within??, ladder))
}

/// A number of events looks up, from one to as many as are kept.
fn check_levels(at: &Node, ladder: &Ladder, check: &mut Check<'_>) {
    for level in &ladder.levels {
        let Some(limit) = level.raise.general() else { continue };
        if !level.raise_op.is_upper() {
            let hint = "silence is the matter of an absence rule";
            check.report.hinted(at, "few events raise nothing: begin with `>=`", hint);
        } else if level.raise_op.holds(0.0, limit) {
            check.report.error(at, "a level that holds without any event never clears");
        } else if !level.raise_op.holds(MOST_EVENTS as f64, limit) {
            let message = format!("a level above {MOST_EVENTS} events is never raised");
            check.report.hinted(at, message, "so many are kept; shorten `within`");
        }
    }
}

fn dwell(fields: &mut Fields<'_>, check: &mut Check<'_>) -> Option<Option<Dwell>> {
    let gap = fields.get("gap");
    let gap_ms = gap.map_or(Some(GAP_MS), |n| duration(n, 100, &mut check.report));
    let Some(node) = fields.get("dwell") else {
        if let Some(n) = gap {
            let hint = "`gap` is the longest time between two sightings of a dwelling object";
            check.report.hinted(n, "`gap` without `dwell`", hint);
        }
        return Some(None);
    };
    let dwell_ms = duration(node, 1_000, &mut check.report)?;
    Some(Some(Dwell { dwell_ms, gap_ms: gap_ms? }))
}

/// A whole number or the name of a threshold that is one.
fn event_count(node: &Node, check: &mut Check<'_>) -> Option<(u32, Option<Name>)> {
    const MOST: u32 = MOST_EVENTS as u32;
    let Value::Text(id) = &node.value else {
        return whole(node, 1, MOST, &mut check.report).map(|n| (n, None));
    };
    let threshold = check.threshold(node, id)?;
    match threshold.value {
        Some(n) if n.fract() == 0.0 && (1.0..=f64::from(MOST)).contains(&n) => {
            Some((n as u32, Some(threshold.id)))
        }
        _ => {
            let message = format!("the threshold `{id}` is no whole number from 1 to {MOST}");
            check.report.error(node, message);
            None
        }
    }
}
