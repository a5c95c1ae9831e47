//! Reading and printing the fields of a pattern.

use ioc_model::Text;

use super::{Key, MOST_STEPS, MOST_TIMES, PatternRule, Step, What, check};
use crate::fields::{Fields, boolean, both, duration, is_id, text, whole};
use crate::kinds::events::Filter;
use crate::kinds::{Input, Loaded, Wanted};
use crate::limit::Limit;
use crate::load::{Check, Common, comparison, print_comparison, print_selection, selection};
use crate::print;
use crate::rule::{Per, Selection};
use crate::yaml::{Node, Value};

const HOLD_MS: i64 = 600_000;
/// Devices of one area are not in step with each other.
const GRACE_MS: i64 = 5_000;

pub(super) fn load(
    fields: &mut Fields<'_>,
    common: &Common,
    check: &mut Check<'_>,
) -> Option<Loaded<PatternRule>> {
    let list = fields.require("steps", &mut check.report);
    let key = fields.get("key").map(|n| (n, key(n, check)));
    let hold = fields.get("hold");
    let hold_ms = hold.map_or(Some(HOLD_MS), |n| duration(n, 1_000, &mut check.report));
    let grace = fields.get("grace").map(|n| duration(n, 0, &mut check.report));
    let ladder = common.switch(fields, check);
    let list = list?;
    let Value::List(items) = &list.value else {
        let message = format!("expected a list of steps, found {}", list.value.kind());
        check.report.error(list, message);
        return None;
    };
    if items.is_empty() || items.len() > MOST_STEPS {
        let message = format!("expected 1 to {MOST_STEPS} steps, found {}", items.len());
        check.report.error(list, message);
        return None;
    }
    let mut inputs = Vec::new();
    let one = |n: &Node, check: &mut Check<'_>| step(n, common, &mut inputs, check);
    let mut one = one;
    let steps: Vec<Option<Step>> = items.iter().map(|n| one(n, check)).collect();
    let steps: Vec<Step> = steps.into_iter().collect::<Option<_>>()?;
    check::steps(items, &steps, common, check);
    let key = match key {
        None => None,
        Some((node, key)) => {
            let key = key?;
            check::key(node, key, &steps, common, check);
            Some(key)
        }
    };
    let hold_ms = hold_ms?;
    let ladder = ladder?;
    if ladder.for_ms >= hold_ms {
        let hint = "an alert lasts for `hold` after a match: drop `for` or lengthen `hold`";
        let at = hold.unwrap_or(fields.node());
        check.report.hinted(at, "`for` is not shorter than `hold`: one match never raises", hint);
    }
    let waits = common.per != Per::Device && steps.iter().any(|s| s.absent);
    let sorted = steps.iter().any(|s| matches!(s.what, What::Event(_)) && s.own.is_some());
    let base = if sorted { common.selection.clone() } else { Selection::default() };
    let grace_ms = grace.unwrap_or(Some(if waits { GRACE_MS } else { 0 }))?;
    let kind = PatternRule { steps, inputs, key, hold_ms, grace_ms, base, sorted };
    let cleared = ("{device}: chuỗi sự kiện đã kết thúc", "{device}: the sequence is over");
    Some(Loaded { kind, ladder, unit: "".into(), digits: 0, cleared })
}

fn key(node: &Node, check: &mut Check<'_>) -> Option<Key> {
    let word = text(node, &mut check.report)?;
    let found = Key::ALL.into_iter().find(|(w, _)| *w == word).map(|(_, k)| k);
    if found.is_none() {
        check.report.unknown(node, "key", word, Key::ALL.into_iter().map(|(w, _)| w));
    }
    found
}

fn step(
    node: &Node,
    common: &Common,
    inputs: &mut Vec<Input>,
    check: &mut Check<'_>,
) -> Option<Step> {
    let mut fields = Fields::open(node, "a step", &mut check.report)?;
    let what = what(&mut fields, check);
    let times = fields.get("times");
    let times = times.map_or(Some(1), |n| whole(n, 1, MOST_TIMES, &mut check.report));
    let within = fields.get("within");
    let within_ms = within.map_or(Some(0), |n| duration(n, 1, &mut check.report));
    let absent = fields.get("absent");
    let absent = absent.map_or(Some(false), |n| boolean(n, &mut check.report));
    let own = fields.get("where").map(|n| selection(Some(n), common.service.as_ref(), check));
    let name = fields.get("name").map(|n| both(n, &mut check.report));
    if let (Some(n), true) = (fields.get("where"), fields.get("rule").is_some()) {
        check.report.hinted(n, "`where` is not for steps on rules", "the rule has its own");
    }
    if what.is_some() {
        fields.finish(&mut check.report);
    }
    let name = match name {
        None => None,
        Some(name) => Some(name?),
    };
    let (what, derived) = what??;
    let wanted = match &what {
        What::Value { property, .. } => Wanted::Property(property.clone()),
        What::Event(_) => Wanted::Detection,
        What::Rule { id, .. } => Wanted::Rule(id.clone()),
    };
    let (times, within_ms, absent) = (times?, within_ms?, absent?);
    let input = Input { what: wanted, selection: own.clone() };
    let at = inputs.iter().position(|i| *i == input).unwrap_or_else(|| {
        inputs.push(input);
        inputs.len() - 1
    });
    let label = name.clone().unwrap_or(derived);
    Some(Step { what, input: at as u8, times, within_ms, absent, own, name, label })
}

/// What a step looks for and how it is called; the outer `None`: nobody can say which fields it
/// has.
fn what(fields: &mut Fields<'_>, check: &mut Check<'_>) -> Option<Option<(What, Text)>> {
    let of = ["property", "detects", "rule"].map(|key| fields.get(key).is_some());
    match of {
        [true, false, false] => Some(value(fields, check)),
        [false, true, false] => Some(Filter::load(fields, check).map(|filter| {
            let words = filter.words();
            (What::Event(filter), Text { vi: words.clone(), en: words })
        })),
        [false, false, true] => Some(rule(fields, check)),
        _ => {
            let hint = "give it `property` and `is`, or `detects`, or `rule`";
            check.report.hinted(fields.node(), "a step looks for one thing", hint);
            None
        }
    }
}

fn value(fields: &mut Fields<'_>, check: &mut Check<'_>) -> Option<(What, Text)> {
    let at = fields.require("property", &mut check.report)?;
    let is = fields.require("is", &mut check.report);
    let (property, unit, _) = check.property(at)?;
    let (op, limit) = comparison(is?, &unit, check)?;
    let name = check.city.properties.get(&property).map(|p| p.name.clone()).unwrap_or_default();
    let english = limit.to_string();
    let vietnamese = match limit {
        Limit::Number(_) => english.replace('.', ","),
        Limit::Named { .. } => english.clone(),
    };
    let label = Text {
        vi: format!("{} {op} {vietnamese} {unit}", name.vi).trim_end().to_owned(),
        en: format!("{} {op} {english} {unit}", name.en).trim_end().to_owned(),
    };
    Some((What::Value { property, op, limit }, label))
}

fn rule(fields: &mut Fields<'_>, check: &mut Check<'_>) -> Option<(What, Text)> {
    let at = fields.require("rule", &mut check.report)?;
    let is = fields.get("is");
    let raised = match is {
        None => Some(true),
        Some(n) => match text(n, &mut check.report)? {
            "raised" => Some(true),
            "cleared" => Some(false),
            other => {
                let words = ["raised", "cleared"].into_iter();
                check.report.unknown(n, "change of a rule", other, words);
                None
            }
        },
    };
    let id = text(at, &mut check.report)?;
    if !is_id(id) {
        check.report.error(at, format!("`{id}` is not the id of a rule"));
        return None;
    }
    let raised = raised?;
    let (vi, en) = if raised { ("xuất hiện", "raised") } else { ("kết thúc", "cleared") };
    let label = Text { vi: format!("{id} {vi}"), en: format!("{id} {en}") };
    Some((What::Rule { id: id.into(), raised }, label))
}

pub(super) fn print(rule: &PatternRule) -> Vec<(&'static str, Node)> {
    let mut out = vec![("steps", print::list(rule.steps.iter().map(print_step)))];
    if let Some(key) = rule.key {
        let word = Key::ALL.into_iter().find(|(_, k)| *k == key).map_or("", |(w, _)| w);
        out.push(("key", print::text(word)));
    }
    out.push(("hold", print::duration(rule.hold_ms)));
    out.push(("grace", print::duration(rule.grace_ms)));
    out
}

fn print_step(step: &Step) -> Node {
    let mut out = match &step.what {
        What::Value { property, op, limit } => {
            vec![("property", print::text(&**property)), ("is", print_comparison(*op, limit))]
        }
        What::Event(filter) => filter.print(),
        What::Rule { id, raised } => {
            let word = if *raised { "raised" } else { "cleared" };
            vec![("rule", print::text(&**id)), ("is", print::text(word))]
        }
    };
    if step.times > 1 {
        out.push(("times", print::number(step.times)));
    }
    if step.within_ms > 0 {
        out.push(("within", print::duration(step.within_ms)));
    }
    if step.absent {
        out.push(("absent", print::boolean(true)));
    }
    out.extend(step.own.as_ref().map(|s| ("where", print_selection(s))));
    out.extend(step.name.as_ref().map(|n| ("name", print::both(n))));
    print::map(out)
}
