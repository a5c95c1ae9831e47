//! The kinds of rules, field by field.

use std::collections::BTreeSet;

use ioc_model::Name;

use crate::fields::{Fields, boolean, duration, number, severity, text, texts, whole};
use crate::load::Check;
use crate::load::levels::{comparison, ladder};
use crate::rule::{
    AbsenceRule, Aggregate, AndCondition, DetectionRule, Kind, Per, Selection, ThresholdRule,
    WindowRule,
};
use crate::yaml::{Node, Value};

/// A kind with the unit and digits of what it measures.
pub(super) struct Measured {
    pub(super) kind: Kind,
    pub(super) unit: Name,
    pub(super) digits: u8,
}

const KINDS: [&str; 4] = ["threshold", "window", "absence", "detection"];
/// A window of more panes than this would cost kilobytes per device.
const MAX_PANES: i64 = 1440;

/// Without a known kind nobody can say which fields are unknown.
pub(super) fn is_kind(word: &Node) -> bool {
    matches!(&word.value, Value::Text(w) if KINDS.contains(&w.as_str()))
}

pub(super) fn kind(
    word: &Node,
    fields: &mut Fields<'_>,
    selection: &Selection,
    check: &mut Check<'_>,
) -> Option<Measured> {
    match text(word, &mut check.report)? {
        "threshold" => threshold(fields, selection, check),
        "window" => window(fields, selection, check),
        "absence" => absence(fields, selection, check),
        "detection" => detection(fields, check),
        other => {
            check.report.unknown(word, "kind", other, KINDS.into_iter());
            None
        }
    }
}

fn threshold(
    fields: &mut Fields<'_>,
    selection: &Selection,
    check: &mut Check<'_>,
) -> Option<Measured> {
    let property = fields.require("property", &mut check.report).and_then(|n| check.property(n));
    let unit = property.as_ref().map(|p| &p.1);
    let ladder = ladder(fields, unit, selection, true, check);
    let and = fields.get("and").map_or(Some(Vec::new()), |n| and_conditions(n, check));
    let (property, unit, digits) = property?;
    let (ladder, and) = (ladder?, and?);
    Some(Measured { kind: Kind::Threshold(ThresholdRule { property, ladder, and }), unit, digits })
}

fn and_conditions(node: &Node, check: &mut Check<'_>) -> Option<Vec<AndCondition>> {
    const MOST: usize = 8;
    let Value::List(items) = &node.value else {
        let message = format!("expected a list of conditions, found {}", node.value.kind());
        check.report.error(node, message);
        return None;
    };
    if items.len() > MOST {
        check.report.error(node, format!("at most {MOST} further conditions are possible"));
        return None;
    }
    let one = |item: &Node, check: &mut Check<'_>| {
        let mut fields = Fields::open(item, "a condition {property, is}", &mut check.report)?;
        let property =
            fields.require("property", &mut check.report).and_then(|n| check.property(n));
        let is = fields.require("is", &mut check.report);
        let or_unknown = fields.get("or_unknown");
        let or_unknown = or_unknown.map_or(Some(false), |n| boolean(n, &mut check.report));
        fields.finish(&mut check.report);
        let (property, unit, _) = property?;
        let (op, limit) = comparison(is?, &unit, check)?;
        Some(AndCondition { property, op, limit, or_unknown: or_unknown? })
    };
    let all: Vec<Option<AndCondition>> = items.iter().map(|item| one(item, check)).collect();
    all.into_iter().collect()
}

fn window(
    fields: &mut Fields<'_>,
    selection: &Selection,
    check: &mut Check<'_>,
) -> Option<Measured> {
    let property = fields.require("property", &mut check.report).and_then(|n| check.property(n));
    let aggregate_at = fields.require("aggregate", &mut check.report);
    let aggregate = aggregate_at.and_then(|n| aggregate(n, check));
    if let (Some(n), Some(Aggregate::MeanLevel), Some((_, unit, _))) =
        (aggregate_at, aggregate, &property)
        && !unit.starts_with("dB")
    {
        check.report.error(n, format!("`mean_level` is for levels in dB, not for `{unit}`"));
    }
    let per = per(fields, check);
    let size = fields.require("size", &mut check.report);
    let size_ms = size.and_then(|n| duration(n, 100, &mut check.report));
    let slide_ms = match fields.get("slide") {
        Some(n) => duration(n, 100, &mut check.report).zip(Some(n)),
        None => size_ms.zip(size),
    };
    let counted = matches!(aggregate, Some(Aggregate::Count | Aggregate::Sum));
    let min_count = match fields.get("min_count") {
        Some(n) => whole(n, 0, 1_000_000, &mut check.report),
        None => Some(u32::from(!counted)),
    };
    let min_filled = match fields.get("min_filled") {
        Some(n) => whole(n, 1, MAX_PANES as u32, &mut check.report).zip(Some(n)).map(Some),
        None => Some(None),
    };
    let grace_ms = match fields.get("grace") {
        Some(n) => duration(n, 0, &mut check.report),
        // Devices of one area are not in step with each other.
        None => Some(if per == Some(Per::Area) { 5_000 } else { 0 }),
    };
    let none = Name::from("");
    let count = aggregate == Some(Aggregate::Count);
    let unit = if count { Some(&none) } else { property.as_ref().map(|p| &p.1) };
    let ladder = ladder(fields, unit, selection, per == Some(Per::Device), check);
    let (size_ms, (slide_ms, slide)) = (size_ms?, slide_ms?);
    if slide_ms > size_ms || size_ms % slide_ms != 0 || size_ms / slide_ms > MAX_PANES {
        let hint = format!("the size must be 1 to {MAX_PANES} times the slide, without a rest");
        check.report.hinted(slide, "size and slide do not fit together", hint);
        return None;
    }
    let min_filled = min_filled?;
    if let Some((filled, node)) = min_filled
        && i64::from(filled) > size_ms / slide_ms
    {
        let message = format!("the window has only {} slides", size_ms / slide_ms);
        check.report.error(node, message);
    }
    let (property, unit, digits) = property?;
    let kind = Kind::Window(WindowRule {
        property,
        per: per?,
        aggregate: aggregate?,
        size_ms,
        slide_ms,
        min_count: u64::from(min_count?),
        min_filled: min_filled.map_or(0, |(n, _)| n as usize),
        grace_ms: grace_ms?,
        ladder: ladder?,
    });
    let (unit, digits) = if count { (none, 0) } else { (unit, digits) };
    Some(Measured { kind, unit, digits })
}

fn aggregate(node: &Node, check: &mut Check<'_>) -> Option<Aggregate> {
    let word = text(node, &mut check.report)?;
    let words = ["count", "sum", "mean", "mean_level", "min", "max"];
    Some(match word {
        "count" => Aggregate::Count,
        "sum" => Aggregate::Sum,
        "mean" => Aggregate::Mean,
        "mean_level" => Aggregate::MeanLevel,
        "min" => Aggregate::Min,
        "max" => Aggregate::Max,
        _ => {
            check.report.unknown(node, "aggregate", word, words.into_iter());
            return None;
        }
    })
}

fn per(fields: &mut Fields<'_>, check: &mut Check<'_>) -> Option<Per> {
    let Some(node) = fields.get("per") else { return Some(Per::Device) };
    match text(node, &mut check.report)? {
        "device" => Some(Per::Device),
        "area" => Some(Per::Area),
        other => {
            check.report.unknown(node, "`per`", other, ["device", "area"].into_iter());
            None
        }
    }
}

fn absence(
    fields: &mut Fields<'_>,
    selection: &Selection,
    check: &mut Check<'_>,
) -> Option<Measured> {
    let property = fields.get("property").map(|n| check.property(n));
    let after = fields.get("after").map(|n| duration(n, 1_000, &mut check.report));
    let cadence_at = fields.get("cadence");
    let cadence = cadence_at.map(|n| number(n, &mut check.report).map(|x| (n, x)));
    let on_status = match fields.get("on_status") {
        None => Some(false),
        Some(n) => text(n, &mut check.report).and_then(|word| {
            if word == "offline" {
                return Some(true);
            }
            check.report.unknown(n, "status", word, ["offline"].into_iter());
            None
        }),
    };
    let severity =
        fields.require("severity", &mut check.report).and_then(|n| severity(n, &mut check.report));
    if let Some(Some((node, n))) = cadence
        && !(1.0..=1000.0).contains(&n)
    {
        check.report.error(node, format!("`cadence` is {n}, expected 1 to 1000 times"));
    }
    if after.is_none() && cadence.is_none() {
        let hint = "`after: 10m`, or `cadence: 3` for three times the device's own cadence";
        check.report.hinted(fields.node(), "`after` or `cadence` is missing", hint);
        return None;
    }
    let property = match property {
        None => None,
        Some(found) => Some(found?.0),
    };
    let rule = AbsenceRule {
        property,
        after_ms: after.flatten(),
        cadence: cadence.flatten().map(|(_, n)| n),
        on_status: on_status?,
        severity: severity?,
    };
    if let (Some(node), None) = (cadence_at, rule.after_ms) {
        note_irregular(node, selection, check);
    }
    Some(Measured { kind: Kind::Absence(rule), unit: "s".into(), digits: 0 })
}

fn note_irregular(node: &Node, selection: &Selection, check: &mut Check<'_>) {
    let irregular: Vec<&str> = check
        .city
        .devices
        .values()
        .filter(|d| d.cadence_s == 0)
        .filter(|d| selection.matches(&d.id, Some(&d.kind), &d.service, &d.area))
        .map(|d| &*d.id)
        .collect();
    if !irregular.is_empty() {
        let list = irregular.join(", ");
        check.note(node, format!("not judged, because they have no cadence: {list}"));
    }
}

/// A whole number or the name of a threshold that is one.
fn event_count(node: &Node, check: &mut Check<'_>) -> Option<u32> {
    const MOST: u32 = 1_000;
    let Value::Text(id) = &node.value else {
        return whole(node, 1, MOST, &mut check.report);
    };
    let threshold = check.threshold(node, id)?;
    match threshold.value {
        Some(n) if n.fract() == 0.0 && (1.0..=f64::from(MOST)).contains(&n) => Some(n as u32),
        _ => {
            let message = format!("the threshold `{id}` is no whole number from 1 to {MOST}");
            check.report.error(node, message);
            None
        }
    }
}

fn detection(fields: &mut Fields<'_>, check: &mut Check<'_>) -> Option<Measured> {
    let names = |n: Option<&Node>, check: &mut Check<'_>| -> BTreeSet<Name> {
        let list = n.map(|n| texts(n, &mut check.report)).unwrap_or_default();
        list.into_iter().map(|(_, t)| t.into()).collect()
    };
    let kinds = fields.require("detects", &mut check.report);
    let kinds = names(kinds, check);
    let objects = names(fields.get("objects"), check);
    let zones = names(fields.get("zones"), check);
    let confidence = fields.get("min_confidence").map(|n| (n, number(n, &mut check.report)));
    let min_confidence = match confidence {
        None => 0.0,
        Some((n, value)) => {
            let value = value?;
            if !(0.0..=1.0).contains(&value) {
                check.report.error(n, format!("expected a confidence from 0 to 1, found {value}"));
            }
            value
        }
    };
    let min_objects = match fields.get("min_objects") {
        None => Some(1),
        Some(n) => whole(n, 1, 100_000, &mut check.report),
    };
    let count = match fields.get("count") {
        None => Some(1),
        Some(n) => event_count(n, check),
    };
    let within = fields.get("within").map(|n| duration(n, 1_000, &mut check.report));
    let quiet = fields.require("quiet", &mut check.report);
    let quiet_ms = quiet.and_then(|n| duration(n, 1_000, &mut check.report));
    let per = per(fields, check);
    let severity =
        fields.require("severity", &mut check.report).and_then(|n| severity(n, &mut check.report));
    if count.is_some_and(|n| n > 1) && within.is_none() {
        check.report.error(fields.node(), "`within` is missing: how close must the events be?");
        return None;
    }
    let within_ms = within.unwrap_or(quiet_ms)?;
    let (quiet, quiet_ms) = (quiet?, quiet_ms?);
    if quiet_ms < within_ms {
        let hint = "else events already counted would raise again";
        check.report.hinted(quiet, "`quiet` is shorter than `within`", hint);
    }
    let kind = Kind::Detection(DetectionRule {
        kinds,
        objects,
        zones,
        min_confidence,
        min_objects: f64::from(min_objects?),
        count: count? as usize,
        within_ms,
        quiet_ms,
        per: per?,
        severity: severity?,
    });
    Some(Measured { kind, unit: "".into(), digits: 0 })
}
