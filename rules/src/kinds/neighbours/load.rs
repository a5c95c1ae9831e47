//! Rules about neighbours from and to text.

use std::collections::BTreeMap;

use ioc_model::{DeviceSpec, Name};

use super::{Around, NeighboursRule};
use crate::fields::{Fields, boolean, duration, whole};
use crate::geo::Point;
use crate::kinds::Loaded;
use crate::kinds::geofence::measure;
use crate::kinds::members::{MOST, check_possible, limit_at, note_speakers};
use crate::load::{Check, Common, comparison, print_comparison};
use crate::print;
use crate::rule::{Ladder, Per};
use crate::yaml::Node;

const DEFAULT_FRESH_MS: i64 = 1_800_000;
/// Pairs of devices that hear each other; each costs 16 bytes.
const MAX_PAIRS: usize = 1_000_000;

pub(super) fn load(
    fields: &mut Fields<'_>,
    common: &Common,
    check: &mut Check<'_>,
) -> Option<Loaded<NeighboursRule>> {
    let property_at = fields.require("property", &mut check.report);
    let property = property_at.and_then(|n| check.property(n));
    let is = fields.require("is", &mut check.report);
    let fresh_ms = match fields.get("fresh") {
        Some(n) => duration(n, 1_000, &mut check.report),
        None => Some(DEFAULT_FRESH_MS),
    };
    let share = fields.get("share").map_or(Some(false), |n| boolean(n, &mut check.report));
    let min_members = match fields.get("min_members") {
        Some(n) => whole(n, 1, MOST as u32, &mut check.report),
        None => Some(1),
    };
    let radius_at = fields.get("radius");
    let unit: Name = if share == Some(true) { "%".into() } else { "".into() };
    let ladder = common.ladder(fields, Some(&unit), check);
    check_per(radius_at, fields.node(), common, check);
    let radius_m = match radius_at {
        Some(n) => Some(measure(n, "m", (1.0, 100_000.0), check)?),
        None => None,
    };
    let (property, property_unit, _) = property?;
    let is = is?;
    let (op, limit) = comparison(is, &property_unit, check)?;
    check_possible(is, &property, (op, &limit), check);
    note_speakers(property_at.unwrap_or(is), &property, &common.selection, check);
    let around = match (radius_m, radius_at) {
        (Some(radius_m), Some(node)) => Some(around(radius_m, node, &property, common, check)?),
        _ => None,
    };
    let (ladder, share) = (ladder?, share?);
    check_ladder(fields.node(), &ladder, share, around.as_ref(), check);
    let kind = NeighboursRule {
        property,
        op,
        limit,
        fresh_ms: fresh_ms?,
        share,
        min_members: min_members? as usize,
        around,
    };
    let cleared = (
        "{device}: không còn đủ điểm cùng ghi nhận ({value} {unit})",
        "{device}: no longer enough places agree ({value} {unit})",
    );
    Some(Loaded { kind, ladder, unit, digits: 0, cleared })
}

/// A radius is about a device; a ward, service, segment or the city has no middle.
fn check_per(radius: Option<&Node>, node: &Node, common: &Common, check: &mut Check<'_>) {
    match (radius, common.per) {
        (None, Per::Device) => {
            let hint = "such as `radius: 800 m`, or say `per: area`";
            check.report.hinted(node, "`radius` is missing for `per: device`", hint);
        }
        (Some(n), per) if per != Per::Device => {
            let message = format!("`radius` does not go with `per: {}`", per.word());
            check.report.hinted(n, message, "say `per: device`, or leave the radius out");
        }
        _ => {}
    }
}

/// Who is within the radius of whom. Latitude alone rules out most pairs.
fn around(
    radius_m: f64,
    node: &Node,
    property: &Name,
    common: &Common,
    check: &mut Check<'_>,
) -> Option<Around> {
    let fits = |d: &&DeviceSpec| {
        common.selection.matches(&d.id, Some(&d.kind), &d.service, &d.area)
            && d.properties.contains(property)
    };
    let place = |d: &DeviceSpec| Point { lon: d.lon, lat: d.lat };
    let mut devices: Vec<&DeviceSpec> = check.city.devices.values().filter(fits).collect();
    devices.sort_by(|a, b| a.lat.total_cmp(&b.lat));
    // A degree of latitude is never shorter than 110.5 km.
    let band = radius_m / 110_500.0;
    let mut near: BTreeMap<Name, Vec<Name>> = BTreeMap::new();
    let mut pairs = 0;
    for (i, a) in devices.iter().enumerate() {
        for b in devices[i..].iter().take_while(|b| b.lat - a.lat <= band) {
            if place(a).distance_m(place(b)) > radius_m {
                continue;
            }
            near.entry(a.id.clone()).or_default().push(b.id.clone());
            if a.id != b.id {
                near.entry(b.id.clone()).or_default().push(a.id.clone());
            }
            pairs += 1;
            if pairs > MAX_PAIRS {
                let message = format!("more than {MAX_PAIRS} pairs of devices are this near");
                check.report.hinted(node, message, "take a smaller radius");
                return None;
            }
        }
    }
    near.values_mut().for_each(|list| list.sort());
    let alone: Vec<&str> = near.iter().filter(|(_, n)| n.len() == 1).map(|(id, _)| &**id).collect();
    if !alone.is_empty() {
        let message = format!("without a neighbour within {radius_m} m: {}", alone.join(", "));
        check.note(node, message);
    }
    Some(Around { radius_m, near })
}

/// A number of members that cannot be reached, or that every number reaches.
fn check_ladder(
    node: &Node,
    ladder: &Ladder,
    share: bool,
    around: Option<&Around>,
    check: &mut Check<'_>,
) {
    let reachable = around.map(|a| a.near.values().map(Vec::len).max().unwrap_or(0));
    let most = if share { 100.0 } else { reachable.unwrap_or(MOST) as f64 };
    for level in &ladder.levels {
        let Some(limit) = limit_at(&level.raise, None, 0) else { continue };
        let far = if level.raise_op.is_upper() { most } else { 0.0 };
        if !level.raise_op.holds(far, limit) {
            let hint = format!("the value is 0 to {most}: this level can never be raised");
            let message = format!("`{} {limit}` is out of reach", level.raise_op);
            check.report.hinted(node, message, hint);
        } else if level.raise_op.is_upper() && level.raise_op.holds(0.0, limit) {
            let message = format!("`{} {limit}` holds when no device agrees", level.raise_op);
            check.report.hinted(node, message, "this level can never be cleared");
        }
    }
}

pub(super) fn print(rule: &NeighboursRule) -> Vec<(&'static str, Node)> {
    let mut out = vec![
        ("property", print::text(&*rule.property)),
        ("is", print_comparison(rule.op, &rule.limit)),
        ("fresh", print::duration(rule.fresh_ms)),
        ("share", print::boolean(rule.share)),
        ("min_members", print::number(rule.min_members as f64)),
    ];
    if let Some(around) = &rule.around {
        out.push(("radius", print::text(format!("{} m", around.radius_m))));
    }
    out
}
