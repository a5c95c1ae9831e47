//! Rules as text, in the form that [`super::load`] reads.

use super::print_ladder;
use crate::print::{boolean, both, duration, list, map, number, text, texts};
use crate::rule::{Mode, Relation, Rule, Selection};
use crate::yaml::Node;

/// A file of rules.
pub(crate) fn print_file<'a>(rules: impl IntoIterator<Item = &'a Rule>) -> Node {
    map([("rules", list(rules.into_iter().map(print_rule)))])
}

fn print_rule(rule: &Rule) -> Node {
    let mut out = vec![
        ("id", text(&*rule.id)),
        ("kind", text(rule.kind.word())),
        ("service", text(&*rule.service)),
        ("name", both(&rule.name)),
        ("where", print_selection(&rule.selection)),
        ("per", text(rule.per.word())),
    ];
    if rule.mode != Mode::On {
        out.push(("mode", text(rule.mode.word())));
    }
    out.extend(rule.hours.as_ref().map(|h| ("active", h.print())));
    if !rule.unless.is_empty() {
        let one = |u: &crate::rule::Unless| match u.on {
            Relation::Same => text(&*u.rule),
            on => map([("rule", text(&*u.rule)), ("on", text(on.word()))]),
        };
        out.push(("unless", list(rule.unless.iter().map(one))));
    }
    if rule.cause != rule.service {
        out.push(("cause", text(&*rule.cause)));
    }
    if rule.latched {
        out.push(("latched", boolean(true)));
    }
    out.extend(rule.kind.print());
    let is_empty = !rule.ladder.switch && rule.ladder.levels.is_empty();
    out.extend(print_ladder(&rule.ladder).into_iter().filter(|_| !is_empty));
    out.extend(rule.ladder.chatter.map(|c| {
        let raises = number(f64::from(c.raises));
        let (within, hold) = (duration(c.within_ms), duration(c.hold_ms));
        ("chatter", map([("raises", raises), ("within", within), ("hold", hold)]))
    }));
    let words = |t: &[crate::template::Template; 2]| {
        map([("vi", text(t[0].to_string())), ("en", text(t[1].to_string()))])
    };
    out.push(("message", words(&rule.message)));
    out.push(("cleared", words(&rule.cleared)));
    map(out)
}

/// As `where:` reads it.
pub(crate) fn print_selection(s: &Selection) -> Node {
    let services = if s.services.is_empty() { text("any") } else { texts(&s.services) };
    let mut out = vec![("service", services)];
    for (key, set) in [("areas", &s.areas), ("devices", &s.devices)] {
        if !set.is_empty() {
            out.push((key, texts(set)));
        }
    }
    if !s.kinds.is_empty() {
        out.push(("kinds", texts(&s.kinds)));
    }
    map(out)
}
