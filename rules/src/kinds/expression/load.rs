//! Reading `kind: expression`, and what other kinds with expressions in them share.

use std::collections::BTreeSet;

use ioc_model::Name;

use super::{ExpressionRule, Property, What};
use crate::expr::{Env, Expression, MAX_INPUTS, Wanted};
use crate::fields::{Fields, duration, text, texts, whole};
use crate::kinds::Loaded;
use crate::limit::{Limit, Op};
use crate::load::{Check, Common};
use crate::rule::Selection;
use crate::yaml::Node;

/// `fresh`: how long a value counts, an hour if it is not said.
pub(crate) fn default_fresh(fields: &mut Fields<'_>, check: &mut Check<'_>) -> Option<i64> {
    match fields.get("fresh") {
        Some(n) => duration(n, 1_000, &mut check.report),
        None => Some(3_600_000),
    }
}

/// Reads an expression; its mistakes are told at the node, with the character.
pub(crate) fn read(
    node: &Node,
    wanted: Wanted,
    properties: Option<&[Name]>,
    check: &mut Check<'_>,
) -> Option<Expression> {
    let source = text(node, &mut check.report)?;
    let env = Env { city: check.city, properties };
    match Expression::compile(source, wanted, &env) {
        Ok(expression) => {
            for note in &expression.notes {
                check.note(node, note.clone());
            }
            Some(expression)
        }
        Err(mistakes) => {
            for m in mistakes {
                let message = format!("{} (character {})", m.message, m.offset + 1);
                match m.hint {
                    Some(hint) => check.report.hinted(node, message, hint),
                    None => check.report.error(node, message),
                }
            }
            None
        }
    }
}

/// Names devices for which a threshold in the expression has no value.
pub(crate) fn note_devices_without_limit(
    node: &Node,
    expression: &Expression,
    selection: &Selection,
    check: &mut Check<'_>,
) {
    for limit in expression.limits() {
        let Limit::Named { id, .. } = limit else { continue };
        if limit.ever(None) {
            continue;
        }
        let mut without = Vec::new();
        for d in check.city.devices.values() {
            let mine = selection.matches(&d.id, Some(&d.kind), &d.service, &d.area);
            if mine && !limit.ever(Some(&d.id)) {
                without.push(&*d.id);
            }
        }
        if !without.is_empty() {
            let list = without.join(", ");
            check.note(node, format!("not judged, because `{id}` has no value for them: {list}"));
        }
    }
}

pub(super) fn load(
    fields: &mut Fields<'_>,
    common: &Common,
    check: &mut Check<'_>,
) -> Option<Loaded<ExpressionRule>> {
    let list = fields.require("properties", &mut check.report);
    let properties = list.and_then(|n| properties(n, check));
    let ids = properties.as_ref().map(|all| all.iter().map(|p| p.id.clone()).collect::<Vec<_>>());
    let (raise, value) = (fields.get("raise"), fields.get("value"));
    let fresh_ms = default_fresh(fields, check);
    let (what, ladder) = match (raise, value) {
        (Some(raise), None) => predicate(fields, raise, ids.as_deref(), common, check),
        (None, Some(value)) => number(fields, value, properties.as_deref(), common, check),
        (Some(_), Some(value)) => {
            let hint = "`raise` is a condition; `value` is a number that `levels` judge";
            check.report.hinted(value, "`raise` and `value` exclude each other", hint);
            return None;
        }
        (None, None) => {
            let hint = "`raise: \"pm25 > 45 && humidity < 80\"`, or `value` with `levels`";
            check.report.hinted(fields.node(), "`raise` is missing", hint);
            return None;
        }
    }?;
    let properties = properties?;
    note_unused(list?, &properties, &what, check);
    for (node, e) in raise.or(value).into_iter().zip([main(&what)]) {
        note_devices_without_limit(node, e, &common.selection, check);
    }
    let (unit, digits) = match &what {
        What::Number { unit, digits, .. } => (unit.clone(), *digits),
        What::Predicate { .. } => (properties[0].unit.clone(), properties[0].digits),
    };
    let kind = ExpressionRule { properties, what, fresh_ms: fresh_ms? };
    let cleared = (
        "{device}: điều kiện không còn ({value} {unit})",
        "{device}: the condition is gone ({value} {unit})",
    );
    Some(Loaded { kind, ladder, unit, digits, cleared })
}

fn main(what: &What) -> &Expression {
    match what {
        What::Predicate { raise, .. } => raise,
        What::Number { value, .. } => value,
    }
}

fn properties(node: &Node, check: &mut Check<'_>) -> Option<Vec<Property>> {
    let items = texts(node, &mut check.report);
    let mut all: Vec<Property> = Vec::new();
    for (n, _) in &items {
        let Some((id, unit, digits)) = check.property(n) else { continue };
        if all.iter().any(|p| p.id == id) {
            check.report.error(n, format!("`{id}` is in the list already"));
            continue;
        }
        all.push(Property { id, unit, digits });
    }
    if all.len() > MAX_INPUTS {
        check.report.error(node, format!("at most {MAX_INPUTS} properties are possible"));
        return None;
    }
    if items.is_empty() {
        check.report.error(node, "at least one property is needed");
    }
    (!all.is_empty() && all.len() == items.len()).then_some(all)
}

fn predicate(
    fields: &mut Fields<'_>,
    raise_at: &Node,
    ids: Option<&[Name]>,
    common: &Common,
    check: &mut Check<'_>,
) -> Option<(What, crate::rule::Ladder)> {
    let clear_at = fields.get("clear");
    let ladder = common.switch(fields, check);
    // Without the properties every name would be a mistake.
    let ids = ids?;
    let raise = read(raise_at, Wanted::Predicate, Some(ids), check);
    let clear = clear_at.map(|n| read(n, Wanted::Predicate, Some(ids), check));
    const LIMITS: &str = "properties.yaml says what values are possible";
    match raise.as_ref().and_then(|e| e.constant(check.city)) {
        Some(false) => {
            check.report.hinted(raise_at, "this never holds: no alert is raised", LIMITS)
        }
        Some(true) => check.report.hinted(raise_at, "this always holds: no alert clears", LIMITS),
        None => {}
    }
    let clear_is = clear.as_ref().and_then(|e| e.as_ref()).and_then(|e| e.constant(check.city));
    if let (Some(n), Some(always)) = (clear_at, clear_is) {
        let message = if always {
            "this always holds: an alert clears with the next reading"
        } else {
            "this never holds: no alert clears"
        };
        check.report.hinted(n, message, LIMITS);
    }
    let (raise, mut ladder) = (raise?, ladder?);
    let clear = match clear {
        Some(read) => Some(read?),
        None => None,
    };
    if clear.is_some() {
        // Between raise and clear nothing changes.
        for level in &mut ladder.levels {
            (level.clear_op, level.clear) = (Op::Le, Limit::Number(0.0));
        }
    }
    Some((What::Predicate { raise, clear }, ladder))
}

fn number(
    fields: &mut Fields<'_>,
    value_at: &Node,
    properties: Option<&[Property]>,
    common: &Common,
    check: &mut Check<'_>,
) -> Option<(What, crate::rule::Ladder)> {
    let (unit_at, digits_at) = (fields.get("unit"), fields.get("digits"));
    let ids: Option<Vec<Name>> = properties.map(|all| all.iter().map(|p| p.id.clone()).collect());
    let value = ids.and_then(|ids| read(value_at, Wanted::Number, Some(&ids), check));
    let written = unit_at.and_then(|n| unit(n, check));
    let unit = match (&value, written) {
        (Some(e), Some(u)) if e.unit.as_ref().is_some_and(|own| *own != u) => {
            let own = e.unit.clone().unwrap_or_default();
            let message = format!("`{u}` is not the unit of the expression");
            check.report.hinted(unit_at.unwrap_or(value_at), message, format!("it is in `{own}`"));
            None
        }
        (_, Some(u)) => Some(u),
        (Some(e), None) if e.unit.is_some() => e.unit.clone(),
        (Some(_), None) if unit_at.is_none() => {
            let hint = "name it, `unit: \"\"` for a pure number";
            check.report.hinted(value_at, "the unit does not follow from the expression", hint);
            None
        }
        _ => None,
    };
    let digits = match digits_at {
        Some(n) => whole(n, 0, 6, &mut check.report).map(|d| d as u8),
        None => {
            let same = |p: &&Property| unit.as_ref() == Some(&p.unit);
            Some(properties.and_then(|all| all.iter().find(same)).map_or(1, |p| p.digits))
        }
    };
    let ladder = common.ladder(fields, unit.as_ref(), check);
    let what = What::Number { value: value?, unit: unit?, digits: digits? };
    Some((what, ladder?))
}

/// A unit may be empty, which a text may not.
fn unit(node: &Node, check: &mut Check<'_>) -> Option<Name> {
    match &node.value {
        crate::yaml::Value::Text(t) if t.trim().is_empty() => Some("".into()),
        _ => text(node, &mut check.report).map(Name::from),
    }
}

fn note_unused(node: &Node, properties: &[Property], what: &What, check: &mut Check<'_>) {
    let mut used: BTreeSet<u8> = main(what).uses();
    if let What::Predicate { clear: Some(clear), .. } = what {
        used.extend(clear.uses());
    }
    if used.is_empty() {
        let hint = "an alert needs something that is measured";
        check.report.hinted(node, "none of the properties is in the expression", hint);
        return;
    }
    for (i, p) in properties.iter().enumerate() {
        if !used.contains(&(i as u8)) {
            check.note(node, format!("`{}` is in no expression of the rule", p.id));
        }
    }
}
