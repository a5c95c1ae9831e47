//! Ladders of limits: reading, looking up thresholds, units, hysteresis, order.

use std::collections::BTreeSet;

use ioc_model::{Name, Text};

use crate::fields::{Fields, Report, both, duration, number, severity, text};
use crate::limit::{Limit, Op, Operand, parse_comparison};
use crate::load::Check;
use crate::print;
use crate::rule::{Ladder, Level, Selection};
use crate::yaml::{Node, Value};

/// `levels`, `for`, `clear_for`. `per_device`: limits may differ between devices.
pub(super) fn ladder(
    fields: &mut Fields<'_>,
    unit: Option<&Name>,
    selection: &Selection,
    per_device: bool,
    check: &mut Check<'_>,
) -> Option<Ladder> {
    let list = fields.require("levels", &mut check.report);
    let mut time = |key: &'static str| match fields.get(key) {
        Some(n) => duration(n, 0, &mut check.report),
        None => Some(0),
    };
    let (for_ms, clear_for_ms) = (time("for"), time("clear_for"));
    let deadband = fields.get("deadband").map(|n| deadband(n, &mut check.report));
    let list = list?;
    let Value::List(items) = &list.value else {
        let message = format!("expected a list of levels, found {}", list.value.kind());
        check.report.error(list, message);
        return None;
    };
    if items.is_empty() {
        check.report.error(list, "at least one level is needed");
        return None;
    }
    let levels: Vec<Option<Level>> = {
        let one = |n| level(n, unit, deadband.flatten(), check);
        items.iter().map(one).collect()
    };
    let mut levels: Vec<Level> = levels.into_iter().collect::<Option<_>>()?;
    // Thousands of rules may be loaded, and most have one level.
    levels.shrink_to_fit();
    check_order(items, &levels, check);
    for (node, level) in items.iter().zip(&levels) {
        check_who(node, level, selection, per_device, check);
    }
    Some(Ladder {
        switch: false,
        levels,
        for_ms: for_ms?,
        clear_for_ms: clear_for_ms?,
        chatter: None,
    })
}

/// How far a value must come back before a level without a `clear` of its own clears.
fn deadband(node: &Node, report: &mut Report) -> Option<f64> {
    let width = number(node, report)?;
    if width > 0.0 {
        return Some(width);
    }
    report.error(node, format!("`deadband` is {width}, expected more than 0"));
    None
}

fn level(
    node: &Node,
    unit: Option<&Name>,
    deadband: Option<f64>,
    check: &mut Check<'_>,
) -> Option<Level> {
    let mut fields = Fields::open(node, "a level", &mut check.report)?;
    let severity =
        fields.require("severity", &mut check.report).and_then(|n| severity(n, &mut check.report));
    let raise = fields.require("raise", &mut check.report);
    let clear = fields.get("clear");
    let label = fields.get("label");
    fields.finish(&mut check.report);
    let label = match label {
        Some(n) => both(n, &mut check.report),
        None => Some(Text::default()),
    };
    let (raise_at, unit) = (raise?, unit?);
    let (raise_op, raise) = comparison(raise_at, unit, check)?;
    let (clear_op, clear) = match clear {
        None => {
            let back = if raise_op.is_upper() { -1.0 } else { 1.0 };
            (raise_op.negated(), raise.shifted(back * deadband.unwrap_or(0.0)))
        }
        Some(n) => {
            let (op, limit) = comparison(n, unit, check)?;
            check_hysteresis(n, (raise_op, &raise), (op, &limit), check)?;
            (op, limit)
        }
    };
    Some(Level { severity: severity?, raise_op, raise, clear_op, clear, label: label? })
}

/// The fields that [`ladder`] or [`super::Common::switch`] reads.
pub(crate) fn print_ladder(ladder: &Ladder) -> Vec<(&'static str, Node)> {
    let mut out = Vec::new();
    if ladder.switch {
        out.extend(ladder.levels.first().map(|l| ("severity", print::text(l.severity.as_str()))));
    } else {
        out.push(("levels", print::list(ladder.levels.iter().map(print_level))));
    }
    for (key, ms) in [("for", ladder.for_ms), ("clear_for", ladder.clear_for_ms)] {
        if ms != 0 {
            out.push((key, print::duration(ms)));
        }
    }
    out
}

fn print_level(level: &Level) -> Node {
    let mut out = vec![
        ("severity", print::text(level.severity.as_str())),
        ("raise", print_comparison(level.raise_op, &level.raise)),
        ("clear", print_comparison(level.clear_op, &level.clear)),
    ];
    if level.label != Text::default() {
        out.push(("label", print::both(&level.label)));
    }
    print::map(out)
}

/// As [`comparison`] reads it.
pub(crate) fn print_comparison(op: Op, limit: &Limit) -> Node {
    print::text(format!("{op} {limit}"))
}

/// A comparison of a value in `unit`.
pub(super) fn comparison(node: &Node, unit: &Name, check: &mut Check<'_>) -> Option<(Op, Limit)> {
    let written = text(node, &mut check.report)?;
    let (op, operand) = match parse_comparison(written) {
        Ok(parsed) => parsed,
        Err((message, hint)) => {
            check.report.hinted(node, message, hint);
            return None;
        }
    };
    match operand {
        Operand::Number { value, unit: written } => {
            if written.as_deref().is_some_and(|u| u != &**unit) {
                let written = written.unwrap_or_default();
                let message = format!("the unit `{written}` is not that of the value");
                check.report.hinted(node, message, format!("expected {}", shown(unit)));
                return None;
            }
            Some((op, Limit::Number(value)))
        }
        Operand::Name { id, adjust } => {
            let threshold = check.threshold(node, &id)?;
            if threshold.unit != *unit {
                let message = format!("the threshold `{id}` is in {}", shown(&threshold.unit));
                let hint = format!("the value it is compared with is in {}", shown(unit));
                check.report.hinted(node, message, hint);
                return None;
            }
            Some((op, Limit::named(&threshold, adjust)))
        }
    }
}

fn shown(unit: &str) -> String {
    if unit.is_empty() { "a number without a unit".into() } else { format!("`{unit}`") }
}

/// Clearing looks the other way than raising, and no value does both.
fn check_hysteresis(
    node: &Node,
    (raise_op, raise): (Op, &Limit),
    (clear_op, clear): (Op, &Limit),
    check: &mut Check<'_>,
) -> Option<()> {
    if raise_op.is_upper() == clear_op.is_upper() {
        let hint = format!("begin with `{}`", if raise_op.is_upper() { "<" } else { ">" });
        check.report.hinted(node, "`clear` looks the same way as `raise`", hint);
        return None;
    }
    let mut devices: BTreeSet<Option<&Name>> = BTreeSet::from([None]);
    devices.extend(raise.own_devices().chain(clear.own_devices()).map(Some));
    let times = raise.starts().into_iter().chain(clear.starts());
    for (device, t) in times.flat_map(|t| devices.iter().map(move |d| (*d, t))) {
        let of = |l: &Limit| l.at(device.map(|d| &**d), t);
        let (Some(r), Some(c)) = (of(raise), of(clear)) else { continue };
        let inverted = if raise_op.is_upper() { c > r } else { c < r };
        let both = c == r && raise_op.holds(r, r) && clear_op.holds(r, r);
        if inverted || both {
            let whom = device.map(|d| format!(" for `{d}`")).unwrap_or_default();
            let message = format!("a value can raise and clear this level at once{whom}");
            let hint = format!("raised at {r}, cleared at {c}: leave no overlap");
            check.report.hinted(node, message, hint);
            return None;
        }
    }
    Some(())
}

/// Severities and limits must climb together.
fn check_order(nodes: &[Node], levels: &[Level], check: &mut Check<'_>) {
    for (i, pair) in levels.windows(2).enumerate() {
        let (low, high) = (&pair[0], &pair[1]);
        let node = &nodes[i + 1];
        if high.severity <= low.severity {
            let message = format!(
                "severity {} does not lie above {}",
                high.severity.as_str(),
                low.severity.as_str()
            );
            check.report.hinted(node, message, "list the levels from the lowest severity up");
        }
        if high.raise_op.is_upper() != low.raise_op.is_upper() {
            check.report.error(node, "all levels of a ladder must look the same way");
            continue;
        }
        let upper = high.raise_op.is_upper();
        let mut devices: BTreeSet<Option<&Name>> = BTreeSet::from([None]);
        for limit in [&low.raise, &high.raise, &low.clear, &high.clear] {
            devices.extend(limit.own_devices().map(Some));
        }
        let starts = [&low.raise, &high.raise, &low.clear, &high.clear].map(|l| l.starts());
        let times = starts.into_iter().flatten();
        for (device, t) in times.flat_map(|t| devices.iter().map(move |d| (*d, t))) {
            let of = |l: &Limit| l.at(device.map(|d| &**d), t);
            let falls = |a: Option<f64>, b: Option<f64>, strict: bool| match (a, b) {
                (Some(a), Some(b)) if upper => b < a || (strict && b == a),
                (Some(a), Some(b)) => b > a || (strict && b == a),
                _ => false,
            };
            let raise = falls(of(&low.raise), of(&high.raise), true);
            let clear = falls(of(&low.clear), of(&high.clear), false);
            if raise || clear {
                let whom = device.map(|d| format!(" for `{d}`")).unwrap_or_default();
                let which = if raise { "raise" } else { "clear" };
                let message = format!("this level does not lie beyond the one before{whom}");
                let hint = format!("`{which}` limits must climb with the severity");
                check.report.hinted(node, message, hint);
                break;
            }
        }
    }
}

/// Names devices that have no limit; refuses limits nobody can use.
fn check_who(
    node: &Node,
    level: &Level,
    selection: &Selection,
    per_device: bool,
    check: &mut Check<'_>,
) {
    for limit in [&level.raise, &level.clear] {
        let Limit::Named { id, .. } = limit else { continue };
        if limit.ever(None) {
            continue;
        }
        if !per_device {
            let message = format!("the threshold `{id}` has values for single devices only");
            check.report.hinted(node, message, "a rule about an area needs a general value");
            return;
        }
        let mut without = Vec::new();
        for d in check.city.devices.values() {
            let mine = selection.matches(&d.id, Some(&d.kind), &d.service, &d.area);
            if mine && !limit.ever(Some(&d.id)) {
                without.push(&*d.id);
            }
        }
        if !without.is_empty() {
            let message =
                format!("not judged, because `{id}` has no value for them: {}", without.join(", "));
            check.note(node, message);
        }
        return;
    }
}
