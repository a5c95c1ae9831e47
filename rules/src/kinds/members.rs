//! The last readings of the devices of a group, for kinds that look at several devices at once.
//!
//! A reading counts for `fresh` from its own time; then its device is forgotten. At most
//! [`MOST`] devices are kept; further ones are counted and do not take part.

use ioc_model::Name;
use serde::{Deserialize, Serialize};

use crate::fields::texts;
use crate::limit::{Limit, Op};
use crate::load::Check;
use crate::rule::Selection;
use crate::yaml::Node;

/// Most devices of a group: 160 KiB.
pub(crate) const MOST: usize = 4_096;

/// What a device said last: 40 bytes; the name is shared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Member {
    pub(crate) name: Name,
    pub(crate) t: i64,
    pub(crate) value: f64,
    /// It satisfies the condition.
    pub(crate) on: bool,
}

/// Devices with a fresh reading, sorted by name: the order does not depend on who spoke first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Members {
    list: Vec<Member>,
    on: u32,
    /// No reading is older.
    oldest: i64,
    /// Readings of devices beyond the bound.
    pub(crate) left_out: u32,
}

impl Members {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Member> + Clone {
        self.list.iter()
    }

    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    /// How many satisfy the condition.
    pub(crate) fn on(&self) -> usize {
        self.on as usize
    }

    /// Takes a reading unless the device has told a newer one or the group is full.
    pub(crate) fn put(&mut self, member: Member, most: usize) {
        match self.list.binary_search_by(|m| m.name.cmp(&member.name)) {
            Ok(i) if self.list[i].t > member.t => {}
            Ok(i) => {
                self.on += u32::from(member.on);
                self.on -= u32::from(self.list[i].on);
                self.oldest = self.oldest.min(member.t);
                self.list[i] = member;
            }
            Err(_) if self.list.len() >= most => {
                self.left_out = self.left_out.saturating_add(1);
            }
            Err(i) => {
                self.oldest =
                    if self.list.is_empty() { member.t } else { self.oldest.min(member.t) };
                self.on += u32::from(member.on);
                self.list.insert(i, member);
            }
        }
    }

    /// When the first reading may go stale: not before.
    pub(crate) fn stale_at(&self, fresh_ms: i64) -> Option<i64> {
        (!self.list.is_empty()).then(|| self.oldest.saturating_add(fresh_ms))
    }

    /// Forgets the readings that are stale at `t`; true if there were some.
    pub(crate) fn forget(&mut self, t: i64, fresh_ms: i64) -> bool {
        if self.stale_at(fresh_ms).is_none_or(|stale| stale > t) {
            return false;
        }
        let before = self.list.len();
        self.list.retain(|m| m.t.saturating_add(fresh_ms) > t);
        self.on = self.list.iter().map(|m| u32::from(m.on)).sum();
        self.oldest = self.list.iter().map(|m| m.t).min().unwrap_or(0);
        self.list.len() < before
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.list.capacity() * size_of::<Member>()
    }
}

/// The limit in force at `t` for a device or, without one, for everyone.
pub(crate) fn limit_at(limit: &Limit, device: Option<&str>, t: i64) -> Option<f64> {
    limit.at(device, t)
}

/// Every value that a limit may have, for checks at load.
pub(crate) fn all_values(limit: &Limit) -> Vec<f64> {
    limit.all_values()
}

/// Tells comparisons that no value of the property can satisfy, and those that every value does.
pub(crate) fn check_possible(
    node: &Node,
    property: &str,
    (op, limit): (Op, &Limit),
    check: &mut Check<'_>,
) {
    let Some(known) = check.city.properties.get(property) else { return };
    let (min, max) = (known.min, known.max);
    let limits = all_values(limit);
    let (far, near) = if op.is_upper() { (max, min) } else { (min, max) };
    if limits.iter().all(|l| !op.holds(far, *l)) {
        let hint = format!("`{property}` is {min} to {max}: the rule can never fire");
        check.report.hinted(node, "no value can satisfy this", hint);
    } else if limits.iter().all(|l| op.holds(near, *l)) {
        let hint = format!("`{property}` is {min} to {max}: the rule can never clear");
        check.report.hinted(node, "every value satisfies this", hint);
    }
}

/// Notes that no configured device of the selection tells the property.
pub(crate) fn note_speakers(
    node: &Node,
    property: &str,
    selection: &Selection,
    check: &mut Check<'_>,
) {
    let speaks = check.city.devices.values().any(|d| {
        selection.matches(&d.id, Some(&d.kind), &d.service, &d.area)
            && d.properties.iter().any(|p| **p == *property)
    });
    if !speaks {
        check.note(node, format!("no configured device of this selection tells `{property}`"));
    }
}

/// A word out of a list, or an error with a hint.
pub(crate) fn word<T: Copy>(
    node: &Node,
    what: &str,
    words: &[(&'static str, T)],
    check: &mut Check<'_>,
) -> Option<T> {
    let (at, written) = texts(node, &mut check.report).into_iter().next()?;
    let found = words.iter().find(|(w, _)| *w == written).map(|(_, t)| *t);
    if found.is_none() {
        check.report.unknown(at, what, written, words.iter().map(|(w, _)| *w));
    }
    found
}
