//! Rules that depend on each other: order, cycles, who is told of what.

use std::collections::{BTreeMap, BTreeSet};

use ioc_model::{ConfigError, Name};

use super::Found;
use crate::kinds::{Input, Wanted};
use crate::links::Link;
use crate::rule::{Ladder, Mode, Rule};

/// Rules in the order of their ranks, and what comes of their dependencies.
pub(super) struct Ordered {
    pub(super) rules: Vec<Rule>,
    pub(super) inputs: Vec<Vec<Input>>,
    pub(super) links: Vec<Vec<Link>>,
    pub(super) shared: Vec<bool>,
}

/// Checks that rules named by others exist and that none waits for itself.
pub(super) fn order(found: Found, errors: &mut Vec<ConfigError>) -> Ordered {
    let mut makers: BTreeMap<&Name, Vec<&Name>> = BTreeMap::new();
    for rule in &found.list {
        if let Some(output) = rule.kind.output() {
            makers.entry(output).or_default().push(&rule.id);
        }
    }
    let mut needs: BTreeMap<Name, Vec<Name>> = BTreeMap::new();
    for rule in &found.list {
        let mut mine: Vec<Name> = rule.unless.iter().map(|u| u.rule.clone()).collect();
        for input in rule.kind.inputs() {
            match input.what {
                Wanted::Rule(id) => mine.push(id),
                Wanted::Property(p) | Wanted::AnyQuality(p) => {
                    let made = makers.get(&p).into_iter().flatten();
                    mine.extend(made.map(|id| (*id).clone()));
                }
                Wanted::Detection | Wanted::Presence => {}
            }
        }
        for id in &mine {
            check_target(rule, id, &found, errors);
        }
        needs.insert(rule.id.clone(), mine);
    }
    let ranks = ranks(&needs, &found, errors);
    let named: BTreeSet<&Name> = needs.values().flatten().collect();
    let ladders: BTreeMap<Name, Ladder> = found
        .list
        .iter()
        .filter(|r| named.contains(&r.id))
        .map(|r| (r.id.clone(), r.ladder.clone()))
        .collect();
    let mut rules = found.list;
    for rule in &mut rules {
        for (other, severity) in rule.kind.link(|id| ladders.get(id)) {
            // A rule that does not exist has been told.
            if let Some(severity) = severity.filter(|_| ladders.contains_key(&other)) {
                let severity = severity.as_str();
                let message = format!("`{other}` has no level as severe as {severity}");
                errors.push(at(rule, message).hint("so it can never count"));
            }
        }
        rule.hash = rule.definition_hash();
    }
    for rule in &mut rules {
        rule.rank = ranks.get(&rule.id).copied().unwrap_or(0);
    }
    rules.sort_by_cached_key(|r| (r.rank, r.id.clone()));
    let inputs: Vec<Vec<Input>> = rules.iter().map(|r| r.kind.inputs()).collect();
    let index: BTreeMap<&Name, u32> = rules.iter().map(|r| &r.id).zip(0u32..).collect();
    let mut links = vec![Vec::new(); rules.len()];
    let mut shared = vec![false; rules.len()];
    for (rule, (n, wants)) in rules.iter().zip((0u32..).zip(&inputs)) {
        for (input, i) in wants.iter().zip(0u8..) {
            if let Wanted::Rule(id) = &input.what
                && let Some(&other) = index.get(id)
            {
                links[other as usize].push(Link::Input { rule: n, input: i });
            }
        }
        for unless in &rule.unless {
            if let Some(&other) = index.get(&unless.rule) {
                links[other as usize].push(Link::Unless { rule: n, on: unless.on });
            }
        }
        for need in needs.get(&rule.id).into_iter().flatten() {
            if let Some(&other) = index.get(need) {
                shared[other as usize] = true;
            }
        }
    }
    Ordered { rules, inputs, links, shared }
}

fn at(rule: &Rule, message: String) -> ConfigError {
    ConfigError::new(&rule.file, rule.line, 1, message)
}

fn check_target(rule: &Rule, id: &Name, rules: &Found, errors: &mut Vec<ConfigError>) {
    match rules.get(id) {
        Some(other) if other.mode == Mode::Off && rule.mode != Mode::Off => {
            let message = format!("`{}` depends on `{id}`, which is off", rule.id);
            errors.push(at(rule, message).hint("turn it on, or this one off as well"));
        }
        Some(other) if other.mode == Mode::Shadow && rule.mode == Mode::On => {
            let message = format!("`{}` depends on `{id}`, which is in shadow mode", rule.id);
            errors.push(at(rule, message).hint("a rule in shadow mode raises nothing"));
        }
        Some(_) => {}
        None => {
            let error = at(rule, format!("`{}` names the unknown rule `{id}`", rule.id));
            let hint = crate::fields::suggestion(id, rules.by_id.keys().map(|k| &**k));
            errors.push(match hint {
                Some(hint) => error.hint(hint),
                None => error,
            });
        }
    }
}

/// The longest way of dependencies below each rule.
fn ranks(
    needs: &BTreeMap<Name, Vec<Name>>,
    rules: &Found,
    errors: &mut Vec<ConfigError>,
) -> BTreeMap<Name, u16> {
    let mut ranks: BTreeMap<Name, u16> = BTreeMap::new();
    let mut left: Vec<&Name> = needs.keys().collect();
    while !left.is_empty() {
        let rank_of = |id: &Name| -> Option<u16> {
            let known = needs[id].iter().filter(|n| needs.contains_key(*n));
            known.map(|n| ranks.get(n).map(|r| r + 1)).try_fold(0, |a, r| Some(a.max(r?)))
        };
        let ready: Vec<(Name, u16)> =
            left.iter().filter_map(|id| Some(((*id).clone(), rank_of(id)?))).collect();
        if ready.is_empty() {
            for id in left {
                if let Some(rule) = rules.get(id) {
                    let message = format!("`{id}` depends on itself, over other rules");
                    let list: Vec<&str> = needs[id].iter().map(|n| &**n).collect();
                    errors.push(at(rule, message).hint(format!("it needs {}", list.join(", "))));
                }
            }
            break;
        }
        ranks.extend(ready);
        left.retain(|id| !ranks.contains_key(*id));
    }
    ranks
}
