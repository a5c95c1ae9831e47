//! Two reports side by side.

use std::collections::BTreeMap;

use ioc_model::{Entity, Name, Severity, Timestamp};
use serde::Serialize;

use super::report::{Episode, Report};

/// What two sets of rules raise differently over the same recording.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Diff {
    /// By rule, only rules of which an episode is listed on one side.
    pub rules: Vec<RuleDiff>,
    /// Episodes that only the first set raised.
    pub only_a: Vec<Episode>,
    /// Episodes that only the second set raised.
    pub only_b: Vec<Episode>,
    /// Episodes of the same rule and entity that overlap in time. One that overlaps several of
    /// the other side is in several pairs.
    pub both: Vec<Pair>,
    /// Of [`Diff::both`], pairs that differ in start, end or highest severity.
    pub changed: u64,
    /// Episodes left out of a report, and so of this comparison.
    pub left_out: u64,
}

/// One rule of a [`Diff`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuleDiff {
    /// Rule id.
    pub rule: Name,
    /// Episodes of the first set.
    pub a: u64,
    /// Episodes of the second.
    pub b: u64,
    /// Of the first, those the second has not.
    pub only_a: u64,
    /// Of the second, those the first has not.
    pub only_b: u64,
    /// Pairs that differ in start, end or severity.
    pub changed: u64,
}

/// The same alert under both sets.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Pair {
    /// Rule id.
    pub rule: Name,
    /// What it is about.
    pub entity: Entity,
    /// Under the first set.
    pub a: Span,
    /// Under the second.
    pub b: Span,
}

/// When an episode ran and how high it rose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Span {
    /// Event time of the raise.
    pub start: Timestamp,
    /// Event time of the clear; `None`: it still ran.
    pub end: Option<Timestamp>,
    /// Highest severity.
    pub severity: Severity,
}

impl Span {
    fn of(e: &Episode) -> Self {
        Self { start: e.start, end: e.end, severity: e.severity }
    }

    /// Some moment is in both, or they begin together.
    fn overlaps(&self, other: &Self) -> bool {
        let before = |x: &Self, y: &Self| x.end.is_some_and(|end| end <= y.start);
        self.start == other.start || (!before(self, other) && !before(other, self))
    }
}

type ByEntity<'a> = BTreeMap<(&'a Name, &'a Entity), [Vec<&'a Episode>; 2]>;

/// Compares what two sets raised over the same recording and period.
pub fn compare(a: &Report, b: &Report) -> Diff {
    let mut all: ByEntity<'_> = BTreeMap::new();
    for (side, report) in [a, b].into_iter().enumerate() {
        for e in &report.episodes {
            all.entry((&e.rule, &e.entity)).or_default()[side].push(e);
        }
    }
    let mut diff = Diff { left_out: a.left_out + b.left_out, ..Diff::default() };
    let mut rules: BTreeMap<&Name, RuleDiff> = BTreeMap::new();
    for ((rule, _), [of_a, of_b]) in &all {
        let empty =
            || RuleDiff { rule: (*rule).clone(), a: 0, b: 0, only_a: 0, only_b: 0, changed: 0 };
        let line = rules.entry(rule).or_insert_with(empty);
        line.a += of_a.len() as u64;
        line.b += of_b.len() as u64;
        match_up(of_a, of_b, line, &mut diff);
    }
    diff.changed = rules.values().map(|r| r.changed).sum();
    diff.rules = rules.into_values().collect();
    let by_start = |x: &Episode, y: &Episode| (x.start, &x.rule).cmp(&(y.start, &y.rule));
    diff.only_a.sort_by(by_start);
    diff.only_b.sort_by(by_start);
    diff.both.sort_by_key(|pair| pair.a.start.min(pair.b.start));
    diff
}

/// Episodes of one rule on one entity, in the order of start; those of one side do not overlap,
/// so both lists are walked once.
fn match_up(of_a: &[&Episode], of_b: &[&Episode], line: &mut RuleDiff, diff: &mut Diff) {
    let (mut seen_a, mut seen_b) = (vec![false; of_a.len()], vec![false; of_b.len()]);
    let (mut i, mut j) = (0, 0);
    while let (Some(x), Some(y)) = (of_a.get(i), of_b.get(j)) {
        let (a, b) = (Span::of(x), Span::of(y));
        if a.overlaps(&b) {
            (seen_a[i], seen_b[j]) = (true, true);
            line.changed += u64::from(a != b);
            diff.both.push(Pair { rule: x.rule.clone(), entity: x.entity.clone(), a, b });
        }
        // The one that ends first cannot meet anything further.
        let end = |s: &Span| s.end.map_or(i64::MAX, |t| t.0);
        if end(&a) <= end(&b) { i += 1 } else { j += 1 }
    }
    let alone = |episodes: &[&Episode], seen: &[bool]| -> Vec<Episode> {
        let free = episodes.iter().zip(seen).filter(|(_, seen)| !**seen);
        free.map(|(e, _)| (*e).clone()).collect()
    };
    let (only_a, only_b) = (alone(of_a, &seen_a), alone(of_b, &seen_b));
    line.only_a += only_a.len() as u64;
    line.only_b += only_b.len() as u64;
    diff.only_a.extend(only_a);
    diff.only_b.extend(only_b);
}
