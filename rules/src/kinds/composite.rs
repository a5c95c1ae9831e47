//! `kind: composite`: several other rules at once: heavy rain and a rising river in one ward.

#[cfg(test)]
mod tests;

use ioc_model::{Evidence, EvidenceLimit, Name, Severity, Text};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::events::{clock, short};
use super::{Context, Input, Loaded, Message, Operator, Said, Shown, Verdict, Verdicts, Wanted};
use crate::fields::{Fields, duration, is_id, severity, text, whole};
use crate::load::{Check, Common};
use crate::print;
use crate::rule::{Ladder, Per};
use crate::yaml::{Node, Value};

const MOST_RULES: usize = 32;
/// Entities on which one rule's alerts are followed, per entity of the composite. Alerts on
/// further ones are not counted; the rule counts once anyway.
const MOST_ENTITIES: usize = 256;

/// A number of other rules.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CompositeRule {
    of: Vec<Part>,
    /// So many must be active; `None`: the levels say how many.
    at_least: Option<u32>,
    /// Their alerts may have been raised no further apart.
    within_ms: Option<i64>,
}

#[derive(Clone, Debug, PartialEq)]
struct Part {
    rule: Name,
    at_least: Option<Severity>,
    /// The rule counts from this level on; found by [`CompositeRule::link`].
    level: u8,
}

/// 40 bytes per running alert of the other rules (at most 256 for each), 40 for the rest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct CompositeState {
    /// By input, then entity.
    active: Vec<Active>,
    /// Time of the last verdict; the next is not before it.
    stamp: i64,
}

/// A running alert of another rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Active {
    input: u8,
    entity: u32,
    level: u8,
    since: i64,
    name: Name,
}

impl Default for CompositeState {
    fn default() -> Self {
        Self { active: Vec::new(), stamp: i64::MIN }
    }
}

impl CompositeRule {
    /// How many rules count, and the times of raising between which they do.
    fn count(&self, state: &CompositeState) -> (u32, (i64, i64)) {
        let Some(within_ms) = self.within_ms else {
            let rules = state.active.chunk_by(|a, b| a.input == b.input).count();
            return (rules as u32, (i64::MIN, i64::MAX));
        };
        let mut raised: SmallVec<[(i64, u8); 16]> =
            state.active.iter().map(|a| (a.since, a.input)).collect();
        raised.sort_unstable();
        let mut best = (0, (i64::MIN, i64::MIN));
        let mut each = [0u32; MOST_RULES];
        let (mut rules, mut from) = (0, 0);
        for &(t, input) in &raised {
            each[usize::from(input)] += 1;
            rules += u32::from(each[usize::from(input)] == 1);
            while raised[from].0 < t.saturating_sub(within_ms) {
                let gone = usize::from(raised[from].1);
                each[gone] -= 1;
                rules -= u32::from(each[gone] == 0);
                from += 1;
            }
            if rules > best.0 {
                best = (rules, (raised[from].0, t));
            }
        }
        best
    }

    /// Rules that count: name, since when, on how many entities, the first of them.
    fn counted<'s>(&'s self, state: &'s CompositeState) -> Vec<(&'s Name, i64, usize, &'s Name)> {
        let (_, (from, to)) = self.count(state);
        let mut out = Vec::new();
        for alerts in state.active.chunk_by(|a, b| a.input == b.input) {
            let fits = || alerts.iter().filter(|a| (from..=to).contains(&a.since));
            if let Some(first) = fits().min_by_key(|a| a.since)
                && let Some(part) = self.of.get(usize::from(first.input))
            {
                out.push((&part.rule, first.since, fits().count(), &first.name));
            }
        }
        out.sort_by_key(|c| c.1);
        out
    }
}

impl Operator for CompositeRule {
    const WORD: &'static str = "composite";
    const PER: &'static [Per] = &Per::ALL;
    type State = CompositeState;

    fn load(
        fields: &mut Fields<'_>,
        common: &Common,
        check: &mut Check<'_>,
    ) -> Option<Loaded<Self>> {
        load(fields, common, check)
    }

    fn print(&self) -> Vec<(&'static str, Node)> {
        let part = |p: &Part| match p.at_least {
            None => print::text(&*p.rule),
            Some(s) => print::map([
                ("rule", print::text(&*p.rule)),
                ("at_least_severity", print::text(s.as_str())),
            ]),
        };
        let mut out = vec![("of", print::list(self.of.iter().map(part)))];
        out.extend(self.at_least.map(|n| ("at_least", print::number(n))));
        out.extend(self.within_ms.map(|ms| ("within", print::duration(ms))));
        out
    }

    fn link<'l>(
        &mut self,
        ladder: impl Fn(&str) -> Option<&'l Ladder>,
    ) -> Vec<(Name, Option<Severity>)> {
        let mut never = Vec::new();
        for part in &mut self.of {
            let reached = |s: Severity| {
                let levels = &ladder(&part.rule)?.levels;
                levels.iter().position(|l| l.severity >= s).map(|i| i as u8 + 1)
            };
            match part.at_least {
                Some(s) => match reached(s) {
                    Some(level) => part.level = level,
                    None => never.push((part.rule.clone(), part.at_least)),
                },
                None if ladder(&part.rule).is_none() => never.push((part.rule.clone(), None)),
                None => {}
            }
        }
        never
    }

    fn inputs(&self) -> Vec<Input> {
        self.of.iter().map(|p| Input::of(Wanted::Rule(p.rule.clone()))).collect()
    }

    fn feed(
        &self,
        state: &mut CompositeState,
        _cx: &Context<'_>,
        message: &Message<'_>,
        out: &mut Verdicts,
    ) {
        let Said::Rule { input, entity, level } = message.said else { return };
        let Some(part) = self.of.get(usize::from(input)) else { return };
        let on = level >= part.level.max(1);
        let active = &mut state.active;
        match (active.binary_search_by_key(&(input, entity), |a| (a.input, a.entity)), on) {
            (Ok(i), true) => active[i].level = level,
            (Ok(i), false) => {
                active.remove(i);
            }
            (Err(i), true) => {
                if active.iter().filter(|a| a.input == input).count() < MOST_ENTITIES {
                    let (since, name) = (message.t, message.name.clone());
                    active.insert(i, Active { input, entity, level, since, name });
                }
            }
            (Err(_), false) => return,
        }
        state.stamp = state.stamp.max(message.t);
        let (n, _) = self.count(state);
        out.push(match self.at_least {
            Some(wanted) => Verdict::switch(state.stamp, n >= wanted),
            None => Verdict::of(state.stamp, f64::from(n)),
        });
    }

    fn shown(&self, state: &CompositeState, _cx: &Context<'_>) -> Shown {
        let counted = self.counted(state);
        let list = |since: &str| {
            let one = |c: &(&Name, i64, usize, &Name)| {
                format!("{} {since} {}", c.0, clock(c.1, state.stamp))
            };
            counted.iter().map(one).collect::<Vec<_>>().join(", ")
        };
        Shown {
            value: Some(counted.len() as f64),
            limit: self.at_least.map(f64::from),
            duration_ms: self.within_ms,
            reported: false,
            detail: Text { vi: list("từ"), en: list("since") },
        }
    }

    fn explain(&self, state: &CompositeState, _cx: &Context<'_>, evidence: &mut Evidence) {
        let counted = self.counted(state);
        for (rule, since, entities, first) in &counted {
            let more =
                if *entities > 1 { format!(" and {} more", entities - 1) } else { "".into() };
            let level =
                state.active.iter().filter(|a| self.of[usize::from(a.input)].rule == **rule);
            let level = level.map(|a| a.level).max().unwrap_or(0);
            evidence.reading(first, &format!("rule.{rule}").into(), *since, f64::from(level));
            let when = clock(*since, state.stamp);
            evidence.word("active", format!("{rule} since {when} on {}{more}", short(first)));
        }
        let missing = self.of.iter().map(|p| &p.rule).filter(|r| counted.iter().all(|c| c.0 != *r));
        let missing: Vec<&str> = missing.map(|r| &**r).collect();
        if !missing.is_empty() {
            evidence.word("not_active", missing.join(", "));
        }
        evidence.number("active_rules", counted.len() as f64);
        if let Some(n) = self.at_least {
            evidence.limit = Some(EvidenceLimit {
                comparison: format!(">= {n}"),
                threshold: None,
                source: None,
                effective: None,
            });
        }
        if let (Some(within_ms), Some(first)) = (self.within_ms, counted.first()) {
            evidence.timer("within", first.1, first.1.saturating_add(within_ms));
        }
    }

    fn heap_bytes(&self, state: &CompositeState) -> usize {
        state.active.capacity() * size_of::<Active>()
    }
}

fn load(
    fields: &mut Fields<'_>,
    common: &Common,
    check: &mut Check<'_>,
) -> Option<Loaded<CompositeRule>> {
    let list = fields.require("of", &mut check.report);
    let of = list.and_then(|n| parts(n, check));
    let within = fields.get("within").map(|n| duration(n, 1_000, &mut check.report));
    let at_least = fields.get("at_least");
    let wanted = at_least.map(|n| whole(n, 1, MOST_RULES as u32, &mut check.report));
    let rules = of.as_ref().map_or(MOST_RULES, Vec::len);
    let (ladder, at_least) = match fields.get("levels") {
        Some(at) => {
            for (key, node) in [("at_least", at_least), ("severity", fields.get("severity"))] {
                if let Some(n) = node {
                    let message = format!("`{key}` and `levels` exclude each other");
                    check.report.hinted(n, message, "the levels say how many rules, how severe");
                }
            }
            let ladder = common.ladder(fields, Some(&Name::from("")), check);
            if let Some(ladder) = &ladder {
                check_levels(at, ladder, rules, check);
            }
            (ladder, None)
        }
        None => {
            let ladder = common.switch(fields, check);
            if at_least.is_none() {
                let hint = "`at_least: 2` of them, or `levels` on their number";
                check.report.hinted(fields.node(), "`at_least` is missing", hint);
            }
            let wanted = wanted.flatten();
            if let (Some(node), Some(n)) = (at_least, wanted)
                && n as usize > rules
            {
                let message = format!("never raises: there are only {rules} rules");
                check.report.error(node, message);
            }
            (ladder, Some(wanted))
        }
    };
    let within_ms = match within {
        None => None,
        Some(ms) => Some(ms?),
    };
    let at_least = match at_least {
        None => None,
        Some(n) => Some(n?),
    };
    let kind = CompositeRule { of: of?, at_least, within_ms };
    let cleared = ("{device}: các cảnh báo không còn đồng thời", "{device}: no longer together");
    Some(Loaded { kind, ladder: ladder?, unit: "".into(), digits: 0, cleared })
}

/// A number of rules looks up, from one to as many as there are.
fn check_levels(at: &Node, ladder: &Ladder, rules: usize, check: &mut Check<'_>) {
    for level in &ladder.levels {
        let Some(limit) = level.raise.general() else { continue };
        if !level.raise_op.is_upper() {
            check.report.hinted(at, "few active rules raise nothing", "begin with `>=`");
        } else if level.raise_op.holds(0.0, limit) {
            check.report.error(at, "a level that holds without any active rule never clears");
        } else if !level.raise_op.holds(rules as f64, limit) {
            let message = format!("a level is never raised: there are only {rules} rules");
            check.report.error(at, message);
        }
    }
}

fn parts(list: &Node, check: &mut Check<'_>) -> Option<Vec<Part>> {
    let Value::List(items) = &list.value else {
        let message = format!("expected a list of rules, found {}", list.value.kind());
        check.report.error(list, message);
        return None;
    };
    if !(2..=MOST_RULES).contains(&items.len()) {
        let message = format!("expected 2 to {MOST_RULES} rules, found {}", items.len());
        check.report.error(list, message);
        return None;
    }
    let parts: Vec<Option<Part>> = items.iter().map(|n| part(n, check)).collect();
    let parts: Vec<Part> = parts.into_iter().collect::<Option<_>>()?;
    for (i, (node, part)) in items.iter().zip(&parts).enumerate() {
        if parts[..i].iter().any(|p| p.rule == part.rule) {
            let message = format!("`{}` is named twice", part.rule);
            check.report.hinted(node, message, "each rule counts once");
        }
    }
    Some(parts)
}

fn part(node: &Node, check: &mut Check<'_>) -> Option<Part> {
    let (rule, at_least) = match &node.value {
        Value::Map(_) => {
            let what = "a rule {rule, at_least_severity}";
            let mut fields = Fields::open(node, what, &mut check.report)?;
            let rule = fields.require("rule", &mut check.report);
            let at_least = fields.get("at_least_severity");
            let at_least = at_least.map(|n| severity(n, &mut check.report));
            fields.finish(&mut check.report);
            let at_least = match at_least {
                None => None,
                Some(s) => Some(s?),
            };
            (rule?, at_least)
        }
        _ => (node, None),
    };
    let id = text(rule, &mut check.report)?;
    if !is_id(id) {
        check.report.error(rule, format!("`{id}` is not the id of a rule"));
        return None;
    }
    Some(Part { rule: id.into(), at_least, level: 1 })
}
