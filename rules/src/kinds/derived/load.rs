//! Reading `kind: derived`.

use ioc_model::{Name, Property};

use super::hours::{AqiRule, Pollutant, Span};
use super::{DerivedRule, FreeFlowRule, Source};
use crate::expr::{Expression, Wanted};
use crate::fields::{Fields, duration, number, text};
use crate::kinds::Loaded;
use crate::kinds::expression::{default_fresh, note_devices_without_limit, read};
use crate::limit::{Adjust, Limit};
use crate::load::{Check, Common};
use crate::rule::Ladder;
use crate::yaml::{Node, Value};

const WORDS: [&str; 5] = ["vn_aqi_hour", "vn_aqi_day", "heat_index", "speed_index", "occupancy"];
/// Index of `indices.yaml` with the decision's tables.
const VN_AQI: &str = "vn_aqi";
/// A straggler may come so long after its hour: the next but one has not begun.
const MAX_GRACE_MS: i64 = 1_800_000;

/// The word after `index:`.
pub(super) fn word(source: &Source) -> &'static str {
    match source {
        Source::Aqi(AqiRule { span: Span::Hour, .. }) => WORDS[0],
        Source::Aqi(AqiRule { span: Span::Day, .. }) => WORDS[1],
        Source::Heat => WORDS[2],
        Source::Speed(_) => WORDS[3],
        Source::Occupancy | Source::Value(_) => WORDS[4],
    }
}

/// A source with its inputs and the unit of what comes out, if it is known.
struct Made {
    source: Source,
    inputs: Vec<Name>,
    unit: Option<Name>,
}

pub(super) fn load(
    fields: &mut Fields<'_>,
    common: &Common,
    check: &mut Check<'_>,
) -> Option<Loaded<DerivedRule>> {
    let output_at = fields.require("output", &mut check.report);
    let output = output_at.and_then(|n| output(n, check));
    let (index, value) = (fields.get("index"), fields.get("value"));
    let mut fresh_ms = Some(3_600_000);
    let made = match (index, value) {
        (Some(_), Some(n)) => {
            check.report.error(n, "`index` and `value` exclude each other");
            None
        }
        (None, None) => {
            let hint = format!("`index: {}`, or `value` with an expression", WORDS[0]);
            check.report.hinted(fields.node(), "`index` is missing", hint);
            None
        }
        (None, Some(n)) => {
            fresh_ms = default_fresh(fields, check);
            expression(n, common, check)
        }
        (Some(n), None) => match text(n, &mut check.report) {
            Some("vn_aqi_hour") => aqi(Span::Hour, n, fields, check),
            Some("vn_aqi_day") => aqi(Span::Day, n, fields, check),
            Some("heat_index") => {
                fresh_ms = default_fresh(fields, check);
                let inputs = [("temperature", "°C"), ("humidity", "%")];
                fixed(n, Source::Heat, &inputs, "°C", check)
            }
            Some("speed_index") => speed(n, fields, check),
            Some("occupancy") => {
                fresh_ms = default_fresh(fields, check);
                let inputs = [("parking_total", ""), ("parking_free", "")];
                fixed(n, Source::Occupancy, &inputs, "%", check)
            }
            Some(other) => {
                check.report.unknown(n, "index", other, WORDS.into_iter());
                None
            }
            None => None,
        },
    };
    let unit = output.as_ref().map(|p| p.unit.clone());
    let ladder = ladder(fields, common, unit.as_ref(), check);
    let (made, output, ladder) = (made?, output?, ladder?);
    check_output(output_at?, &made, &output, check)?;
    let kind = DerivedRule {
        source: made.source,
        output: output.id.clone(),
        possible: (output.min, output.max),
        fresh_ms: fresh_ms?,
        inputs: made.inputs,
    };
    let cleared = (
        "{device}: trở lại bình thường ({value} {unit})",
        "{device}: back to normal ({value} {unit})",
    );
    Some(Loaded { kind, ladder, unit: output.unit, digits: output.digits, cleared })
}

fn output(node: &Node, check: &mut Check<'_>) -> Option<Property> {
    let (id, ..) = check.property(node)?;
    check.city.properties.get(&id).cloned()
}

fn check_output(node: &Node, made: &Made, output: &Property, check: &mut Check<'_>) -> Option<()> {
    if made.inputs.contains(&output.id) {
        let message = format!("`{}` would be computed from itself", output.id);
        check.report.hinted(node, message, "add a property of its own to properties.yaml");
        return None;
    }
    match &made.unit {
        Some(unit) if *unit != output.unit => {
            let message =
                format!("`{}` is in `{}`, the value is in `{unit}`", output.id, output.unit);
            let fits = check.city.properties.values().filter(|p| p.unit == *unit);
            let names: Vec<&str> = fits.map(|p| &*p.id).take(12).collect();
            let hint = format!("properties in that unit: {}", names.join(", "));
            check.report.hinted(node, message, hint);
            None
        }
        _ => Some(()),
    }
}

/// Levels are optional: most derived values are only observed.
fn ladder(
    fields: &mut Fields<'_>,
    common: &Common,
    unit: Option<&Name>,
    check: &mut Check<'_>,
) -> Option<Ladder> {
    match fields.get("levels").map(|n| &n.value) {
        None => Some(Ladder::none()),
        Some(Value::List(items)) if items.is_empty() => {
            Some(Ladder::none())
        }
        Some(_) => common.ladder(fields, unit, check),
    }
}

fn expression(node: &Node, common: &Common, check: &mut Check<'_>) -> Option<Made> {
    let e: Expression = read(node, Wanted::Number, None, check)?;
    if e.inputs.is_empty() {
        let message = "the expression looks at no property, so it would never be computed";
        check.report.error(node, message);
        return None;
    }
    note_devices_without_limit(node, &e, &common.selection, check);
    let (inputs, unit) = (e.inputs.clone(), e.unit.clone());
    Some(Made { source: Source::Value(e), inputs, unit })
}

/// An index of properties that must be there in these units.
fn fixed(
    node: &Node,
    source: Source,
    inputs: &[(&str, &str)],
    unit: &str,
    check: &mut Check<'_>,
) -> Option<Made> {
    let names: Vec<Option<Name>> =
        inputs.iter().map(|(id, unit)| input(node, id, unit, check)).collect();
    let inputs = names.into_iter().collect::<Option<Vec<Name>>>()?;
    Some(Made { source, inputs, unit: Some(unit.into()) })
}

fn input(node: &Node, id: &str, unit: &str, check: &mut Check<'_>) -> Option<Name> {
    match check.city.properties.get(id) {
        Some(p) if *p.unit == *unit => Some(p.id.clone()),
        Some(p) => {
            let message = format!("this index needs `{id}` in `{unit}`, it is in `{}`", p.unit);
            check.report.error(node, message);
            None
        }
        None => {
            let message = format!("this index needs the property `{id}`");
            check.report.hinted(node, message, "add it to properties.yaml");
            None
        }
    }
}

fn aqi(span: Span, node: &Node, fields: &mut Fields<'_>, check: &mut Check<'_>) -> Option<Made> {
    let completeness = match fields.get("completeness") {
        None => Some(75.0),
        Some(n) => within(n, 1.0, 100.0, "a share of", check),
    };
    let every_ms = match fields.get("every") {
        None => Some(300_000),
        Some(n) => duration(n, 1_000, &mut check.report).filter(|ms| {
            let ok = *ms <= 3_600_000 && ms % 1_000 == 0;
            if !ok {
                check.report.error(n, "expected whole seconds up to 1h");
            }
            ok
        }),
    };
    let grace_ms = match fields.get("grace") {
        None => Some(0),
        Some(n) => duration(n, 0, &mut check.report).filter(|ms| {
            if *ms > MAX_GRACE_MS {
                check
                    .report
                    .error(n, "at most 30m: the index of an hour may not wait for the next");
            }
            *ms <= MAX_GRACE_MS
        }),
    };
    let Some(index) = check.city.indices.get(VN_AQI) else {
        let message = format!("the city has no index `{VN_AQI}`");
        check.report.hinted(node, message, "its tables are in the shipped indices.yaml");
        return None;
    };
    let mut pollutants: Vec<Pollutant> = Vec::new();
    for table in &index.tables {
        if ![1, 8, 24].contains(&table.average_h) {
            let message = format!("tables are for 1h, 8h or 24h, not for {}h", table.average_h);
            check.report.error(node, format!("index `{VN_AQI}`: {message}"));
            return None;
        }
        match pollutants.iter_mut().find(|p| p.property == table.property) {
            Some(p) => p.tables.push(table.clone()),
            None => pollutants
                .push(Pollutant { property: table.property.clone(), tables: vec![table.clone()] }),
        }
    }
    let inputs: Vec<Name> = pollutants.iter().map(|p| p.property.clone()).collect();
    if inputs.len() > crate::expr::MAX_INPUTS {
        check.report.error(node, format!("index `{VN_AQI}` has too many properties"));
        return None;
    }
    let rule = AqiRule {
        span,
        scale: index.scale.clone(),
        pollutants,
        completeness: completeness?,
        every_s: (every_ms? / 1_000) as u32,
        grace_ms: grace_ms?,
    };
    Some(Made { source: Source::Aqi(rule), inputs, unit: Some(index.unit.clone()) })
}

fn within(node: &Node, min: f64, max: f64, what: &str, check: &mut Check<'_>) -> Option<f64> {
    let n = number(node, &mut check.report)?;
    if !(min..=max).contains(&n) {
        check.report.error(node, format!("expected {what} {min} to {max} %, found {n}"));
        return None;
    }
    Some(n)
}

fn speed(node: &Node, fields: &mut Fields<'_>, check: &mut Check<'_>) -> Option<Made> {
    let given = fields.get("free_flow");
    let (percent_at, warm_up_at) = (fields.get("percentile"), fields.get("warm_up"));
    let rule = match given {
        Some(n) => {
            for other in [percent_at, warm_up_at].into_iter().flatten() {
                let message = "with `free_flow` nothing is learned";
                check.report.hinted(other, message, "leave one of them out");
            }
            free_flow(n, check).map(FreeFlowRule::Given)
        }
        None => {
            let percent = match percent_at {
                None => Some(85.0),
                Some(n) => within(n, 50.0, 100.0, "a percentile from", check),
            };
            let warm_up = match warm_up_at {
                None => Some(86_400_000),
                Some(n) => duration(n, 0, &mut check.report),
            };
            percent
                .zip(warm_up)
                .map(|(percent, warm_up_ms)| FreeFlowRule::Learned { percent, warm_up_ms })
        }
    };
    let made = fixed(node, Source::Speed(rule?), &[("speed", "km/h")], "%", check);
    let mut made = made?;
    if check.city.properties.contains_key("traffic_flow") {
        made.inputs.push("traffic_flow".into());
    }
    Some(made)
}

/// A number of km/h or a threshold, which may differ by device.
fn free_flow(node: &Node, check: &mut Check<'_>) -> Option<Limit> {
    if let Value::Text(id) = &node.value {
        let threshold = check.threshold(node, id)?;
        if &*threshold.unit != "km/h" {
            let message = format!("the threshold `{id}` is in `{}`, not in km/h", threshold.unit);
            check.report.error(node, message);
            return None;
        }
        return Some(Limit::named(&threshold, Adjust::plus(0.0)));
    }
    let n = number(node, &mut check.report)?;
    if n > 0.0 && n <= 300.0 {
        return Some(Limit::Number(n));
    }
    check.report.error(node, format!("expected a speed above 0 up to 300 km/h, found {n}"));
    None
}
