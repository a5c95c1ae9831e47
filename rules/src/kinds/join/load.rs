//! Join rules from and to text.

use ioc_model::Name;

use super::{JoinRule, Side, Take};
use crate::fields::{Fields, duration, is_id, text, whole};
use crate::kinds::Loaded;
use crate::kinds::members::{check_possible, limit_at, note_speakers, word};
use crate::load::{Check, Common, comparison, print_comparison, print_selection, selection};
use crate::print;
use crate::yaml::{Node, Value};

const MAX_INPUTS: usize = 8;
const DEFAULT_FRESH_MS: i64 = 1_800_000;
const TAKES: [(&str, Take); 5] = [
    ("any", Take::Any),
    ("all", Take::All),
    ("max", Take::Max),
    ("min", Take::Min),
    ("mean", Take::Mean),
];

pub(super) fn load(
    fields: &mut Fields<'_>,
    common: &Common,
    check: &mut Check<'_>,
) -> Option<Loaded<JoinRule>> {
    let list = fields.require("inputs", &mut check.report);
    let inputs = list.and_then(|n| inputs(n, common, check));
    let at_least = match fields.get("at_least") {
        Some(n) => whole(n, 1, MAX_INPUTS as u32, &mut check.report).map(|k| Some((n, k as usize))),
        None => Some(None),
    };
    let ladder = common.switch(fields, check);
    let (inputs, at_least) = (inputs?, at_least?);
    if let Some((node, k)) = at_least
        && k > inputs.len()
    {
        let hint = format!("there are only {} inputs: the rule can never fire", inputs.len());
        check.report.hinted(node, "more than all inputs cannot hold", hint);
    }
    let at_least = at_least.map_or(inputs.len(), |(_, k)| k);
    Some(Loaded {
        kind: JoinRule { inputs, at_least },
        ladder: ladder?,
        unit: "".into(),
        digits: 0,
        cleared: (
            "{device}: các điều kiện không còn cùng xảy ra",
            "{device}: the conditions no longer hold together",
        ),
    })
}

fn inputs(node: &Node, common: &Common, check: &mut Check<'_>) -> Option<Vec<Side>> {
    let Value::List(items) = &node.value else {
        let message = format!("expected a list of inputs, found {}", node.value.kind());
        check.report.error(node, message);
        return None;
    };
    if !(2..=MAX_INPUTS).contains(&items.len()) {
        let message = format!("expected 2 to {MAX_INPUTS} inputs, found {}", items.len());
        check.report.error(node, message);
    }
    let sides: Vec<Option<Side>> = items.iter().map(|n| input(n, common, check)).collect();
    let sides: Vec<Side> = sides.into_iter().collect::<Option<_>>()?;
    for (i, side) in sides.iter().enumerate() {
        if sides[..i].iter().any(|s| s.name == side.name) {
            let hint = "give it a `name` of its own";
            check.report.hinted(
                &items[i],
                format!("the input `{}` is there twice", side.name),
                hint,
            );
        }
    }
    Some(sides)
}

fn input(node: &Node, common: &Common, check: &mut Check<'_>) -> Option<Side> {
    let mut fields = Fields::open(node, "an input {property, is}", &mut check.report)?;
    let property_at = fields.require("property", &mut check.report);
    let property = property_at.and_then(|n| check.property(n));
    let name = fields.get("name").map(|n| input_name(n, check));
    let is = fields.require("is", &mut check.report);
    let take = fields.get("take").map_or(Some(Take::Any), |n| word(n, "`take`", &TAKES, check));
    let fresh_ms = match fields.get("fresh") {
        Some(n) => duration(n, 1_000, &mut check.report),
        None => Some(DEFAULT_FRESH_MS),
    };
    let selection = fields.get("where").map(|n| selection(Some(n), common.service.as_ref(), check));
    fields.finish(&mut check.report);
    let (property, unit, digits) = property?;
    let is = is?;
    let (op, limit) = comparison(is, &unit, check)?;
    let take = take?;
    if limit_at(&limit, None, 0).is_none() && !matches!(take, Take::Any | Take::All) {
        let hint = "take `any` or `all`: each device is compared with its own limit";
        check.report.hinted(is, "this threshold has values for single devices only", hint);
        return None;
    }
    check_possible(is, &property, (op, &limit), check);
    let who = selection.as_ref().unwrap_or(&common.selection);
    note_speakers(property_at.unwrap_or(node), &property, who, check);
    let name = match name {
        Some(name) => name?,
        None => property.clone(),
    };
    Some(Side { name, property, unit, digits, op, limit, take, fresh_ms: fresh_ms?, selection })
}

fn input_name(node: &Node, check: &mut Check<'_>) -> Option<Name> {
    let name = text(node, &mut check.report)?;
    if !is_id(name) {
        let hint = "1 to 64 of the characters A-Z a-z 0-9 _ . : -";
        check.report.hinted(node, format!("`{name}` is not a valid name"), hint);
        return None;
    }
    Some(name.into())
}

pub(super) fn print(rule: &JoinRule) -> Vec<(&'static str, Node)> {
    let take = |t: Take| TAKES.iter().find(|(_, other)| *other == t).map_or("any", |(w, _)| w);
    let input = |side: &Side| {
        let mut out = vec![
            ("name", print::text(&*side.name)),
            ("property", print::text(&*side.property)),
            ("is", print_comparison(side.op, &side.limit)),
            ("take", print::text(take(side.take))),
            ("fresh", print::duration(side.fresh_ms)),
        ];
        out.extend(side.selection.as_ref().map(|s| ("where", print_selection(s))));
        print::map(out)
    };
    vec![
        ("inputs", print::list(rule.inputs.iter().map(input))),
        ("at_least", print::number(rule.at_least as f64)),
    ]
}
