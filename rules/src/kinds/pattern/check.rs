//! Patterns that can never match.

use std::collections::BTreeMap;

use ioc_model::DeviceSpec;

use super::{Key, Step, What};
use crate::limit::{Limit, Op};
use crate::load::{Check, Common};
use crate::rule::Per;
use crate::yaml::Node;

pub(super) fn steps(nodes: &[Node], steps: &[Step], common: &Common, check: &mut Check<'_>) {
    for (i, (node, step)) in nodes.iter().zip(steps).enumerate() {
        if i == 0 {
            first(node, step, steps.len(), check);
        } else if step.within_ms == 0 {
            let hint = "how soon after the step before, such as `within: 5m`";
            check.report.hinted(node, "`within` is missing", hint);
        }
        if step.absent && step.times > 1 {
            let hint = "it is enough that what is missing comes once";
            check.report.hinted(node, "`times` and `absent` exclude each other", hint);
        }
        impossible(node, step, check);
        if i > 0 && step.absent && implied(&steps[i - 1], step) {
            let message = format!(
                "never matches: whatever is step {i} is also step {}, which must be absent",
                i + 1
            );
            check.report.hinted(node, message, "look for something else, or for another limit");
        }
        too_slow(node, steps, i, common, check);
    }
    if let Some(node) = nodes.first() {
        nobody(node, steps, common, check);
    }
}

fn first(node: &Node, step: &Step, steps: usize, check: &mut Check<'_>) {
    if step.absent {
        let hint = "silence itself is the matter of an absence rule";
        check.report.hinted(node, "the first step cannot be absent: since when?", hint);
    } else if step.times > 1 && step.within_ms == 0 {
        let message = format!("`within` is missing: how close must the {} times be?", step.times);
        check.report.error(node, message);
    } else if step.times == 1 && step.within_ms > 0 {
        let hint = "it limits the time since the step before; this is the first";
        check.report.hinted(node, "`within` has nothing to begin at", hint);
    }
    if steps == 1 && step.times == 1 {
        let hint = "a single reading is the matter of a threshold rule, an event of a detection \
                    rule; or say `times`";
        check.report.hinted(node, "one step once is no pattern", hint);
    }
}

/// A comparison that no value within the physical limits of the property satisfies.
fn impossible(node: &Node, step: &Step, check: &mut Check<'_>) {
    let What::Value { property, op, limit } = &step.what else { return };
    let Some(p) = check.city.properties.get(property) else { return };
    let (min, max) = (p.min, p.max);
    let best = if op.is_upper() { max } else { min };
    if limit.general().is_some_and(|l| !op.holds(best, l)) {
        let message = format!("never matches: `{property}` is from {min} to {max}");
        check.report.hinted(node, message, "readings outside are refused as impossible");
    }
}

/// Whatever matches the one matches the other.
fn implied(one: &Step, other: &Step) -> bool {
    if one.input != other.input {
        return false;
    }
    match (&one.what, &other.what) {
        (What::Value { op: a, limit: x, .. }, What::Value { op: b, limit: y, .. }) => {
            narrower((*a, x), (*b, y))
        }
        (What::Event(a), What::Event(b)) => a.implies(b),
        (What::Rule { raised: a, .. }, What::Rule { raised: b, .. }) => a == b,
        _ => false,
    }
}

fn narrower((a, x): (Op, &Limit), (b, y): (Op, &Limit)) -> bool {
    let (Some(x), Some(y)) = (x.general(), y.general()) else { return x == y && a == b };
    let own = |op: Op| matches!(op, Op::Ge | Op::Le);
    if a.is_upper() != b.is_upper() {
        return false;
    }
    // At equal limits `> 5` is narrower than `>= 5`, not the other way round.
    if x == y { own(b) || !own(a) } else { (x > y) == a.is_upper() }
}

/// Devices that speak too seldom for two messages to come within the time.
fn too_slow(node: &Node, steps: &[Step], i: usize, common: &Common, check: &mut Check<'_>) {
    let step = &steps[i];
    let What::Value { property, .. } = &step.what else { return };
    if common.per != Per::Device || step.absent || step.within_ms == 0 {
        return;
    }
    let same = |s: &Step| matches!(&s.what, What::Value { property: p, .. } if p == property);
    let after_one = i.checked_sub(1).is_some_and(|b| !steps[b].absent && same(&steps[b]));
    let apart = i64::from(step.times) - i64::from(!after_one);
    let slow = |d: &&DeviceSpec| {
        d.cadence_s > 0
            && d.properties.contains(property)
            && common.selection.matches(&d.id, Some(&d.kind), &d.service, &d.area)
            && i64::from(d.cadence_s) * 1000 * apart >= step.within_ms
    };
    let list: Vec<&str> = check.city.devices.values().filter(slow).map(|d| &*d.id).collect();
    if !list.is_empty() {
        let message = format!("never matches, because they report too seldom: {}", list.join(", "));
        check.note(node, message);
    }
}

/// No entity of the configuration has a device for every step.
fn nobody(node: &Node, steps: &[Step], common: &Common, check: &mut Check<'_>) {
    let entity = |d: &DeviceSpec| match common.per {
        Per::Device => Some(d.id.clone()),
        Per::Area => Some(d.area.clone()),
        Per::Service => Some(d.service.clone()),
        Per::City => Some("".into()),
        Per::Segment => None, // Segments are not known here.
    };
    let mut served = BTreeMap::new();
    for d in check.city.devices.values() {
        let Some(id) = entity(d) else { return };
        let can = served.entry(id).or_insert(0u32);
        for (i, step) in steps.iter().enumerate() {
            let selection = step.own.as_ref().unwrap_or(&common.selection);
            let whose = selection.matches(&d.id, Some(&d.kind), &d.service, &d.area);
            let what = match &step.what {
                What::Value { property, .. } => whose && d.properties.contains(property),
                What::Event(_) => whose,
                What::Rule { .. } => true,
            };
            *can |= u32::from(what || step.absent) << i;
        }
    }
    if !served.is_empty() && !served.values().any(|can| *can == (1 << steps.len()) - 1) {
        let message = format!("no {} has configured devices for every step", common.per.word());
        check.note(node, message);
    }
}

pub(super) fn key(node: &Node, key: Key, steps: &[Step], common: &Common, check: &mut Check<'_>) {
    let events = steps.iter().all(|s| matches!(s.what, What::Event(_)));
    let rules = steps.iter().any(|s| matches!(s.what, What::Rule { .. }));
    if key == Key::Device && rules {
        check.report.error(node, "an alert of another rule has no device to be the key");
    } else if key != Key::Device && !events {
        let hint = "`key: device` is for readings too";
        check.report.hinted(node, "only events have objects, classes and zones", hint);
    } else if key == Key::Device && common.per == Per::Device {
        check.note(node, "each device has its own sequence anyway".to_owned());
    }
}
