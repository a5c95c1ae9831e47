//! Which camera events a rule means, and how it speaks of them and of time.

use std::collections::BTreeSet;

use ioc_model::{Detection, Name, Timestamp};
use serde::{Deserialize, Serialize};

use crate::fields::{Fields, number, texts, whole};
use crate::load::Check;
use crate::print;
use crate::yaml::Node;

/// Events by type, class, zone, confidence and number of objects. Empty sets do not restrict,
/// but there is always a type.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Filter {
    kinds: BTreeSet<Name>,
    objects: BTreeSet<Name>,
    zones: BTreeSet<Name>,
    min_confidence: f64,
    min_objects: u32,
}

impl Filter {
    /// `detects`, `objects`, `zones`, `min_confidence`, `min_objects`.
    pub(crate) fn load(fields: &mut Fields<'_>, check: &mut Check<'_>) -> Option<Self> {
        let report = &mut check.report;
        let detects = fields.require("detects", report);
        let mut names = |n: Option<&Node>| -> BTreeSet<Name> {
            let list = n.map(|n| texts(n, report)).unwrap_or_default();
            list.into_iter().map(|(_, t)| t.into()).collect()
        };
        let kinds = names(detects);
        let objects = names(fields.get("objects"));
        let zones = names(fields.get("zones"));
        if let (Some(node), true) = (detects, kinds.is_empty()) {
            let hint = "name the types of events, such as `detects: crowd`";
            report.hinted(node, "no type of event: this never matches", hint);
        }
        let min_confidence = match fields.get("min_confidence") {
            None => Some(0.0),
            Some(n) => number(n, report).filter(|value| {
                let right = (0.0..=1.0).contains(value);
                if !right {
                    report.error(n, format!("expected a confidence from 0 to 1, found {value}"));
                }
                right
            }),
        };
        let min_objects = match fields.get("min_objects") {
            None => Some(1),
            Some(n) => whole(n, 1, 100_000, report),
        };
        detects?;
        let (min_confidence, min_objects) = (min_confidence?, min_objects?);
        Some(Self { kinds, objects, zones, min_confidence, min_objects })
    }

    /// As [`Filter::load`] reads it.
    pub(crate) fn print(&self) -> Vec<(&'static str, Node)> {
        let mut out = vec![("detects", print::texts(&self.kinds))];
        for (key, set) in [("objects", &self.objects), ("zones", &self.zones)] {
            if !set.is_empty() {
                out.push((key, print::texts(set)));
            }
        }
        if self.min_confidence > 0.0 {
            out.push(("min_confidence", print::number(self.min_confidence)));
        }
        if self.min_objects > 1 {
            out.push(("min_objects", print::number(self.min_objects)));
        }
        out
    }

    /// An event that tells no confidence passes.
    pub(crate) fn fits(&self, d: &Detection) -> bool {
        let among = |set: &BTreeSet<Name>, what: &Option<Name>| {
            set.is_empty() || what.as_ref().is_some_and(|w| set.contains(w))
        };
        self.kinds.contains(&d.kind)
            && among(&self.objects, &d.object)
            && among(&self.zones, &d.zone)
            && d.confidence.is_none_or(|c| c >= self.min_confidence)
            && (self.min_objects <= 1 || d.count.is_some_and(|n| n >= f64::from(self.min_objects)))
    }

    /// Whatever this filter passes, the other one passes too.
    pub(crate) fn implies(&self, other: &Self) -> bool {
        let below = |mine: &BTreeSet<Name>, theirs: &BTreeSet<Name>| {
            theirs.is_empty() || (!mine.is_empty() && mine.is_subset(theirs))
        };
        self.kinds.is_subset(&other.kinds)
            && below(&self.objects, &other.objects)
            && below(&self.zones, &other.zones)
            && self.min_confidence >= other.min_confidence
            && self.min_objects >= other.min_objects
    }

    /// What it looks for, in few words: types, classes, zones.
    pub(crate) fn words(&self) -> String {
        let sets = [&self.kinds, &self.objects, &self.zones];
        let parts = sets.into_iter().filter(|s| !s.is_empty());
        let join = |s: &BTreeSet<Name>| s.iter().map(|n| &**n).collect::<Vec<_>>().join("/");
        parts.map(join).collect::<Vec<_>>().join(" ")
    }
}

/// What is kept of an event for people to see.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Told {
    pub(crate) kind: Name,
    pub(crate) object: Option<Name>,
    pub(crate) zone: Option<Name>,
}

impl Told {
    pub(crate) fn of(d: &Detection) -> Self {
        Self { kind: d.kind.clone(), object: d.object.clone(), zone: d.zone.clone() }
    }

    /// `event.<kind>`, as history calls it.
    pub(crate) fn property(&self) -> Name {
        format!("event.{}", self.kind).into()
    }
}

/// 64-bit FNV-1a over parts that cannot run into each other.
pub(crate) fn key_of(parts: &[&str]) -> u64 {
    let step = |h: u64, b: u8| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3);
    parts.iter().fold(0xcbf2_9ce4_8422_2325, |h, part| step(part.bytes().fold(h, step), 0))
}

/// Time of day in the city, with the day if it is not that of `beside`.
pub(crate) fn clock(t: i64, beside: i64) -> String {
    let (text, other) = (Timestamp(t).to_rfc3339(), Timestamp(beside).to_rfc3339());
    let (day, time) = (text.get(..10), text.get(11..19));
    match (day, time) {
        (Some(day), Some(time)) if other.get(..10) == Some(day) => time.to_owned(),
        (Some(day), Some(time)) => format!("{day} {time}"),
        _ => text,
    }
}

/// A text of a device, cut to what a message bears.
pub(crate) fn short(text: &str) -> String {
    const MOST: usize = 48;
    let mut out: String = text.chars().filter(|c| !c.is_control()).take(MOST).collect();
    if text.chars().count() > MOST {
        out.push('…');
    }
    out
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An event of a type with a zone and perhaps an id.
    pub(crate) fn event(kind: &str, zone: &str, id: Option<&str>) -> Detection {
        Detection {
            kind: kind.into(),
            id: id.map(Into::into),
            object: Some("person".into()),
            confidence: Some(0.9),
            count: None,
            zone: Some(zone.into()),
            personal: None,
        }
    }

    #[test]
    fn parts_of_a_key_do_not_run_into_each_other() {
        assert_ne!(key_of(&["ab", "c"]), key_of(&["a", "bc"]));
        assert_ne!(key_of(&["a", ""]), key_of(&["a"]));
    }

    #[test]
    fn a_clock_names_another_day() {
        let t = 1_761_584_400_000;
        assert_eq!(clock(t + 3_600_000, t), "01:00:00");
        assert_eq!(clock(t - 1_000, t), "2025-10-27 23:59:59");
    }

    #[test]
    fn hostile_names_are_cut() {
        assert_eq!(short("a\u{7}b\n"), "ab");
        assert_eq!(short(&"ờ".repeat(100)).chars().count(), 49);
    }
}
