//! Geofence rules from and to text.

use ioc_model::Name;

use super::{GeofenceRule, INPUTS, On, Side, Zone};
use crate::fields::{Fields, duration, suggestion, text, texts, whole};
use crate::geo::Shape;
use crate::kinds::Loaded;
use crate::kinds::members::all_values;
use crate::load::{Check, Common, comparison, print_comparison};
use crate::print;
use crate::yaml::{Node, Value};

const WORDS: [&str; 7] = ["enter", "leave", "inside", "outside", "dwell", "speed", "near"];
const MAX_ZONES: usize = 254;
const DEFAULT_HOLD_MS: i64 = 300_000;
const DEFAULT_GAP_MS: i64 = 900_000;
const DEFAULT_JITTER_M: f64 = 50.0;
const DEFAULT_MAX_SPEED_KMH: f64 = 200.0;
const DEFAULT_MIN_POINTS: u32 = 2;

pub(super) fn load(
    fields: &mut Fields<'_>,
    common: &Common,
    check: &mut Check<'_>,
) -> Option<Loaded<GeofenceRule>> {
    let zones = fields.require("zones", &mut check.report).and_then(|n| zones(n, check));
    let on_at = fields.require("on", &mut check.report);
    let on = on_at.and_then(|n| on(n, fields, check));
    let mut measure = |key: &'static str, unit: &str, most: f64, default: f64| {
        let node = fields.get(key);
        node.map_or(Some(default), |n| measure(n, unit, (0.0, most), check))
    };
    let jitter_m = measure("jitter", "m", 100_000.0, DEFAULT_JITTER_M);
    let max_speed_kmh = measure("max_speed", "km/h", 5_000.0, DEFAULT_MAX_SPEED_KMH);
    let report = &mut check.report;
    let min_points = match fields.get("min_points") {
        Some(n) => whole(n, 1, 100, report),
        None => Some(DEFAULT_MIN_POINTS),
    };
    let max_gap_ms = match fields.get("max_gap") {
        Some(n) => duration(n, 1_000, report),
        None => Some(DEFAULT_GAP_MS),
    };
    let ladder = common.switch(fields, check);
    needed_properties(fields.node(), check);
    let (on, ladder, max_speed_kmh) = (on?, ladder?, max_speed_kmh?);
    if let (Some(node), Some(why)) = (on_at, never_fires(&on, ladder.for_ms, max_speed_kmh)) {
        check.report.hinted(node, "this rule can never fire", why);
    }
    let (unit, digits) = match on {
        On::Speed { .. } => ("km/h", 1),
        On::Near { .. } => ("m", 0),
        _ => ("", 0),
    };
    let cleared = cleared(&on);
    let kind = GeofenceRule {
        zones: zones?,
        on,
        jitter_m: jitter_m?,
        min_points: min_points? as u8,
        max_gap_ms: max_gap_ms?,
        max_speed_kmh,
    };
    Some(Loaded { kind, ladder, unit: unit.into(), digits, cleared })
}

fn cleared(on: &On) -> (&'static str, &'static str) {
    match on {
        On::Enter { .. } | On::Leave { .. } => ("{device}: đã qua", "{device}: over"),
        On::Inside | On::Dwell { .. } => {
            ("{device}: đã ra khỏi {detail}", "{device}: has left {detail}")
        }
        On::Outside => ("{device}: đã trở lại {detail}", "{device}: is back in {detail}"),
        On::Speed { .. } => {
            ("{device}: tốc độ trở lại bình thường", "{device}: speed back to normal")
        }
        On::Near { .. } => (
            "{device}: không còn gần ranh giới {detail}",
            "{device}: no longer near the boundary of {detail}",
        ),
    }
}

/// Ids of zones or areas.
pub(crate) fn zones(node: &Node, check: &mut Check<'_>) -> Option<Vec<Zone>> {
    let items = texts(node, &mut check.report);
    if items.len() > MAX_ZONES {
        check.report.error(node, format!("at most {MAX_ZONES} zones are possible"));
        return None;
    }
    if items.is_empty() && matches!(node.value, Value::List(_)) {
        check.report.error(node, "at least one zone is needed");
    }
    let mut found: Vec<Zone> = Vec::new();
    let (city, mut wrong) = (check.city, items.is_empty());
    for (n, id) in items {
        let zone = city.zones.get(id).map(|z| &z.rings);
        let Some(rings) = zone.or_else(|| city.areas.get(id).map(|a| &a.rings)) else {
            let names = city.zones.keys().chain(city.areas.keys()).map(|k| &**k);
            let message = format!("unknown zone `{id}`");
            let hint = suggestion(id, names)
                .unwrap_or_else(|| "a zone of zones.geojson or the id of an area".into());
            check.report.hinted(n, message, hint);
            wrong = true;
            continue;
        };
        if found.iter().any(|z| *z.id == *id) {
            check.report.error(n, format!("the zone `{id}` is named twice"));
            wrong = true;
            continue;
        }
        found.push(Zone { id: id.into(), shape: Shape::new(rings) });
    }
    (!wrong).then_some(found)
}

fn on(node: &Node, fields: &mut Fields<'_>, check: &mut Check<'_>) -> Option<On> {
    let word = text(node, &mut check.report)?;
    Some(match word {
        "enter" => On::Enter { hold_ms: hold(fields, check)? },
        "leave" => On::Leave { hold_ms: hold(fields, check)? },
        "inside" => On::Inside,
        "outside" => On::Outside,
        "dwell" => {
            let node = fields.require("dwell", &mut check.report)?;
            On::Dwell { ms: duration(node, 1_000, &mut check.report)? }
        }
        "speed" => {
            let node = fields.require("speed", &mut check.report)?;
            let unit: Name = "km/h".into();
            let (op, limit) = comparison(node, &unit, check)?;
            On::Speed { op, limit }
        }
        "near" => {
            let node = fields.require("near", &mut check.report);
            let m = node.and_then(|n| measure(n, "m", (1.0, 100_000.0), check));
            let from = fields.get("from").map_or(Some(Side::Either), |n| side(n, check));
            On::Near { m: m?, from: from? }
        }
        _ => {
            check.report.unknown(node, "`on`", word, WORDS.into_iter());
            return None;
        }
    })
}

fn hold(fields: &mut Fields<'_>, check: &mut Check<'_>) -> Option<i64> {
    let node = fields.get("hold");
    node.map_or(Some(DEFAULT_HOLD_MS), |n| duration(n, 1_000, &mut check.report))
}

fn side(node: &Node, check: &mut Check<'_>) -> Option<Side> {
    Some(match text(node, &mut check.report)? {
        "outside" => Side::Outside,
        "inside" => Side::Inside,
        "either" => Side::Either,
        other => {
            let words = ["outside", "inside", "either"];
            check.report.unknown(node, "side", other, words.into_iter());
            return None;
        }
    })
}

/// `500 m`, or a plain number in that unit.
pub(crate) fn measure(
    node: &Node,
    unit: &str,
    (min, max): (f64, f64),
    check: &mut Check<'_>,
) -> Option<f64> {
    let value = match &node.value {
        Value::Number(n) => Some(*n),
        Value::Text(t) => t.trim().strip_suffix(unit).and_then(|n| n.trim().parse().ok()),
        _ => None,
    };
    match value {
        Some(v) if (min..=max).contains(&v) => Some(v),
        Some(v) => {
            let message = format!("expected {min} to {max} {unit}, found {v}");
            check.report.error(node, message);
            None
        }
        None => {
            let hint = format!("write a number and its unit, such as `500 {unit}`");
            check.report.hinted(node, "this is no measure", hint);
            None
        }
    }
}

/// The catalogue must know what devices are to send.
fn needed_properties(node: &Node, check: &mut Check<'_>) {
    for (name, unit) in INPUTS.into_iter().zip(["°", "°", "km/h"]) {
        let known = check.city.properties.get(name);
        if known.is_none_or(|p| &*p.unit != unit) {
            let message = format!("a geofence needs the property `{name}` in {unit}");
            check.report.hinted(node, message, "add it to properties.yaml");
        }
    }
}

fn never_fires(on: &On, for_ms: i64, max_speed_kmh: f64) -> Option<&'static str> {
    match on {
        On::Enter { hold_ms } | On::Leave { hold_ms } if for_ms >= *hold_ms => {
            Some("the event is over (`hold`) before `for` has passed")
        }
        On::Speed { op, limit } if op.is_upper() => all_values(limit)
            .iter()
            .all(|l| *l >= max_speed_kmh)
            .then_some("positions faster than `max_speed` are left out"),
        On::Speed { op, limit } => {
            all_values(limit).iter().all(|l| !op.holds(0.0, *l)).then_some("no speed is below 0")
        }
        _ => None,
    }
}

/// As [`zones`] reads them.
pub(crate) fn print_zones(zones: &[Zone]) -> Node {
    print::texts(zones.iter().map(|z| &*z.id))
}

pub(super) fn print(rule: &GeofenceRule) -> Vec<(&'static str, Node)> {
    let metres = |m: f64| print::text(format!("{m} m"));
    let mut out = vec![("zones", print_zones(&rule.zones))];
    let word = match &rule.on {
        On::Enter { .. } => "enter",
        On::Leave { .. } => "leave",
        On::Inside => "inside",
        On::Outside => "outside",
        On::Dwell { .. } => "dwell",
        On::Speed { .. } => "speed",
        On::Near { .. } => "near",
    };
    out.push(("on", print::text(word)));
    match &rule.on {
        On::Enter { hold_ms } | On::Leave { hold_ms } => {
            out.push(("hold", print::duration(*hold_ms)));
        }
        On::Dwell { ms } => out.push(("dwell", print::duration(*ms))),
        On::Speed { op, limit } => out.push(("speed", print_comparison(*op, limit))),
        On::Near { m, from } => {
            out.push(("near", metres(*m)));
            let from = match from {
                Side::Outside => "outside",
                Side::Inside => "inside",
                Side::Either => "either",
            };
            out.push(("from", print::text(from)));
        }
        On::Inside | On::Outside => {}
    }
    out.push(("jitter", metres(rule.jitter_m)));
    out.push(("min_points", print::number(f64::from(rule.min_points))));
    out.push(("max_gap", print::duration(rule.max_gap_ms)));
    out.push(("max_speed", print::text(format!("{} km/h", rule.max_speed_kmh))));
    out
}
