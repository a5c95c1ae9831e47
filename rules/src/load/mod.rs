//! Rule files to a [`RuleSet`], all mistakes collected.

mod alarm;
mod common;
mod levels;
mod links;
mod print;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ioc_model::{City, ConfigError, ConfigFiles, Name, Threshold};

use crate::fields::{Fields, Report, boolean, both, closest, is_id, text, texts};
use crate::hours;
use crate::kinds::{Kind, WORDS};
use crate::rule::{Mode, Per, Relation, Rule, Selection, Unless};
use crate::ruleset::{CityView, RuleSet};
use crate::selftest::{self, SelfTest};
use crate::yaml::{self, Node, Value};

pub(crate) use common::{Common, comparison};
pub(crate) use levels::{print_comparison, print_ladder};
pub(crate) use print::{print_file, print_selection};

/// What a rule is checked against, and the mistakes of its file.
pub(crate) struct Check<'a> {
    pub(crate) city: &'a City,
    pub(crate) report: Report,
    pub(crate) notes: Vec<ConfigError>,
}

impl Check<'_> {
    pub(crate) fn note(&mut self, node: &Node, message: String) {
        self.notes.push(ConfigError::new(&self.report.file, node.line, node.column, message));
    }

    /// The property of that name, else an error.
    pub(crate) fn property(&mut self, node: &Node) -> Option<(Name, Name, u8)> {
        let id = text(node, &mut self.report)?;
        match self.city.properties.get(id) {
            Some(p) => Some((p.id.clone(), p.unit.clone(), p.digits)),
            None => {
                let names = self.city.properties.keys().map(|k| &**k);
                self.report.unknown(node, "property", id, names);
                None
            }
        }
    }

    pub(crate) fn threshold(&mut self, node: &Node, id: &str) -> Option<Threshold> {
        let found = self.city.thresholds.get(id).cloned();
        if found.is_none() {
            let names = self.city.thresholds.keys().map(|k| &**k);
            self.report.unknown(node, "threshold", id, names);
        }
        found
    }
}

/// Rules as they are found, each once.
#[derive(Default)]
struct Found {
    list: Vec<Rule>,
    by_id: BTreeMap<Name, usize>,
}

impl Found {
    fn get(&self, id: &str) -> Option<&Rule> {
        self.list.get(*self.by_id.get(id)?)
    }

    fn add(&mut self, rule: Rule) {
        self.by_id.insert(rule.id.clone(), self.list.len());
        self.list.push(rule);
    }
}

pub(crate) fn load(files: &ConfigFiles, city: &City) -> Result<RuleSet, Vec<ConfigError>> {
    let mut errors = Vec::new();
    let mut notes = Vec::new();
    let mut tests = Vec::new();
    let mut rules = Found::default();
    for (file, content) in files.below("rules", ".yaml") {
        let mut check = Check { city, report: Report::new(file), notes: Vec::new() };
        match yaml::parse(file, content) {
            Ok(root) => load_file(&root, content, &mut check, &mut rules, &mut tests),
            Err(error) => errors.push(error),
        }
        errors.append(&mut check.report.errors);
        notes.append(&mut check.notes);
    }
    let ordered = links::order(rules, &mut errors);
    if !errors.is_empty() {
        errors.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
        errors.dedup();
        return Err(errors);
    }
    same_twice(&ordered.rules, &mut notes);
    Ok(RuleSet {
        rules: Arc::new(ordered.rules),
        inputs: ordered.inputs.into(),
        links: ordered.links.into(),
        shared: ordered.shared.into(),
        city: Arc::new(CityView::new(city)),
        tests: tests.into(),
        notes: notes.into(),
    })
}

/// Two rules that judge the same raise two alerts about one thing.
fn same_twice(rules: &[Rule], notes: &mut Vec<ConfigError>) {
    let mut seen: BTreeMap<u64, &Rule> = BTreeMap::new();
    for rule in rules.iter().filter(|r| r.mode != Mode::Off) {
        if let Some(first) = seen.insert(rule.hash, rule) {
            let message = format!("`{}` judges exactly what `{}` judges", rule.id, first.id);
            let note = ConfigError::new(&rule.file, rule.line, 1, message);
            let hint = format!("the other is at {}:{}", first.file, first.line);
            notes.push(note.hint(hint));
        }
    }
}

fn load_file(
    root: &Node,
    content: &str,
    check: &mut Check<'_>,
    rules: &mut Found,
    tests: &mut Vec<SelfTest>,
) {
    if matches!(root.value, Value::Null) {
        return; // A file of comments only.
    }
    let Some(mut top) = Fields::open(root, "the file", &mut check.report) else { return };
    let list = top.require("rules", &mut check.report);
    top.finish(&mut check.report);
    let Some(list) = list else { return };
    let Value::List(items) = &list.value else {
        let message = format!("expected a list of rules, found {}", list.value.kind());
        check.report.error(list, message);
        return;
    };
    let lines: Vec<&str> = content.lines().collect();
    for (i, item) in items.iter().enumerate() {
        let end = items.get(i + 1).map_or(lines.len(), |next| next.line - 1);
        let source = source_of(&lines, item.line, end);
        let Some((rule, mut found)) = load_rule(item, source, check) else { continue };
        if let Some(first) = rules.get(&rule.id) {
            let message = format!("the rule `{}` exists twice", rule.id);
            let hint = format!("the first is at {}:{}", first.file, first.line);
            check.report.hinted(item, message, hint);
            continue;
        }
        tests.append(&mut found);
        rules.add(rule);
    }
}

/// The lines of one rule, without blank lines and comments that belong to the next one.
fn source_of(lines: &[&str], first: usize, last: usize) -> String {
    let mut own = lines.get(first.saturating_sub(1)..last).unwrap_or_default();
    while let Some((tail, rest)) = own.split_last() {
        let tail = tail.trim_start();
        if !(tail.is_empty() || tail.starts_with('#')) {
            break;
        }
        own = rest;
    }
    own.join("\n")
}

fn load_rule(node: &Node, source: String, check: &mut Check<'_>) -> Option<(Rule, Vec<SelfTest>)> {
    let before = check.report.errors.len();
    let mut fields = Fields::open(node, "a rule", &mut check.report)?;
    let id = fields.require("id", &mut check.report).and_then(|n| rule_id(n, check));
    let word = fields.require("kind", &mut check.report).and_then(|n| kind_word(n, check));
    let service = fields.require("service", &mut check.report).and_then(|n| one_service(n, check));
    let name = fields.require("name", &mut check.report).and_then(|n| both(n, &mut check.report));
    let selection = selection(fields.get("where"), service.as_ref(), check);
    let per = per(fields.get("per"), word, check);
    let mode = fields
        .get("mode")
        .map_or(Some(Mode::On), |n| one_of(n, "mode", &Mode::ALL.map(|m| (m.word(), m)), check));
    let hours = fields.get("active").map(|n| hours::load(n, check));
    let unless = fields.get("unless").map_or(Some(Vec::new()), |n| unless(n, check));
    let cause = fields.get("cause").map(|n| alarm::cause(n, check));
    let latched = fields.get("latched").map_or(Some(false), |n| boolean(n, &mut check.report));
    let common = Common { service: service.clone(), selection, per: per.unwrap_or(Per::Device) };
    let kind = word.and_then(|w| Kind::load(w, &mut fields, &common, check));
    let held =
        fields.get("chatter").map(|n| alarm::chatter(n, kind.as_ref().map(|k| &k.ladder), check));
    let words = words::words(&mut fields, kind.as_ref().map(|k| k.cleared), check);
    let tests = fields.get("tests");
    if word.is_some() {
        fields.finish(&mut check.report);
    }
    let tests = tests.map(|n| selftest::parse(n, id.as_ref(), &mut check.report));
    // An error anywhere in the rule spoils it.
    if check.report.errors.len() > before {
        return None;
    }
    let (mut kind, (message, cleared)) = (kind?, words?);
    kind.ladder.chatter = held.flatten();
    let mut rule = Rule {
        id: id?,
        cause: cause.unwrap_or_else(|| service.clone())?,
        latched: latched?,
        service: service?,
        name: name?,
        file: check.report.file.clone(),
        line: node.line,
        source,
        selection: common.selection,
        per: per?,
        mode: mode?,
        hours: hours.flatten(),
        unless: unless?,
        kind: kind.kind,
        ladder: kind.ladder,
        unit: kind.unit,
        digits: kind.digits,
        message,
        cleared,
        hash: 0,
        rank: 0,
    };
    rule.hash = rule.definition_hash();
    Some((rule, tests.unwrap_or_default()))
}

/// A word after `kind:` that is known.
fn kind_word(node: &Node, check: &mut Check<'_>) -> Option<&'static str> {
    let word = text(node, &mut check.report)?;
    let found = WORDS.iter().find(|w| **w == word);
    if found.is_none() {
        check.report.unknown(node, "kind", word, WORDS.iter().copied());
    }
    found.copied()
}

fn per(node: Option<&Node>, word: Option<&'static str>, check: &mut Check<'_>) -> Option<Per> {
    let possible = Kind::pers(word?)?;
    let Some(node) = node else { return possible.first().copied() };
    let per = one_of(node, "`per`", &Per::ALL.map(|p| (p.word(), p)), check)?;
    if possible.contains(&per) {
        return Some(per);
    }
    let words: Vec<&str> = possible.iter().map(|p| p.word()).collect();
    let message = format!("a rule of this kind cannot be about a {}", per.word());
    check.report.hinted(node, message, format!("one of: {}", words.join(", ")));
    None
}

pub(crate) fn one_of<T: Copy>(
    node: &Node,
    what: &str,
    choices: &[(&'static str, T)],
    check: &mut Check<'_>,
) -> Option<T> {
    // YAML reads a bare `off` as false.
    let word = match node.value {
        Value::Bool(on) => ["off", "on"][usize::from(on)],
        _ => text(node, &mut check.report)?,
    };
    let found = choices.iter().find(|(w, _)| *w == word);
    if found.is_none() {
        check.report.unknown(node, what, word, choices.iter().map(|(w, _)| *w));
    }
    found.map(|(_, t)| *t)
}

/// `unless: other.rule`, a list of ids, or of `{rule, on}`.
fn unless(node: &Node, check: &mut Check<'_>) -> Option<Vec<Unless>> {
    let items = match &node.value {
        Value::List(items) => items.as_slice(),
        _ => std::slice::from_ref(node),
    };
    let one = |item: &Node, check: &mut Check<'_>| {
        if !matches!(item.value, Value::Map(_)) {
            let rule = rule_id(item, check)?;
            return Some(Unless { rule, on: Relation::Same });
        }
        let mut fields = Fields::open(item, "{rule, on}", &mut check.report)?;
        let rule = fields.require("rule", &mut check.report).and_then(|n| rule_id(n, check));
        let on = fields.get("on").map_or(Some(Relation::Same), |n| {
            one_of(n, "relation", &Relation::ALL.map(|r| (r.word(), r)), check)
        });
        fields.finish(&mut check.report);
        Some(Unless { rule: rule?, on: on? })
    };
    let all: Vec<Option<Unless>> = items.iter().map(|item| one(item, check)).collect();
    all.into_iter().collect()
}

fn rule_id(node: &Node, check: &mut Check<'_>) -> Option<Name> {
    let id = text(node, &mut check.report)?;
    if is_id(id) {
        return Some(id.into());
    }
    let hint = "1 to 64 of the characters A-Z a-z 0-9 _ . : -";
    check.report.hinted(node, format!("`{id}` is not a valid id"), hint);
    None
}

fn one_service(node: &Node, check: &mut Check<'_>) -> Option<Name> {
    let id = text(node, &mut check.report)?;
    known_service(node, id, check)
}

fn known_service(node: &Node, id: &str, check: &mut Check<'_>) -> Option<Name> {
    match check.city.services.get(id) {
        Some(s) => Some(s.id.clone()),
        None => {
            let names = check.city.services.keys().map(|k| &**k);
            check.report.unknown(node, "service", id, names);
            None
        }
    }
}

/// `where:` — without `service`, the rule's own.
pub(crate) fn selection(
    node: Option<&Node>,
    own: Option<&Name>,
    check: &mut Check<'_>,
) -> Selection {
    let mut selection = Selection::default();
    let fields = node.and_then(|n| Fields::open(n, "a selection", &mut check.report));
    let Some(mut fields) = fields else {
        selection.services.extend(own.cloned());
        return selection;
    };
    match fields.get("service") {
        None => selection.services.extend(own.cloned()),
        Some(n) => selection.services = services(n, check),
    }
    if let Some(n) = fields.get("areas") {
        let known = |id: &str| check.city.areas.contains_key(id) || id == "unassigned";
        let names: Vec<&str> = check.city.areas.keys().map(|k| &**k).collect();
        selection.areas = known_ids(n, "area", &names, known, &mut check.report);
    }
    if let Some(n) = fields.get("devices") {
        let known = |id: &str| check.city.devices.contains_key(id);
        let names: Vec<&str> = check.city.devices.keys().map(|k| &**k).collect();
        selection.devices = known_ids(n, "device", &names, known, &mut check.report);
    }
    if let Some(n) = fields.get("kinds") {
        selection.kinds = device_kinds(n, check);
    }
    fields.finish(&mut check.report);
    selection
}

/// One code, a list of codes, or `any`.
fn services(node: &Node, check: &mut Check<'_>) -> BTreeSet<Name> {
    if matches!(&node.value, Value::Text(t) if t == "any") {
        return BTreeSet::new();
    }
    let items = texts(node, &mut check.report);
    items.into_iter().filter_map(|(n, id)| known_service(n, id, check)).collect()
}

fn known_ids(
    node: &Node,
    what: &str,
    names: &[&str],
    known: impl Fn(&str) -> bool,
    report: &mut Report,
) -> BTreeSet<Name> {
    let mut ids = BTreeSet::new();
    for (n, id) in texts(node, report) {
        if known(id) {
            ids.insert(id.into());
        } else {
            report.unknown(n, what, id, names.iter().copied());
        }
    }
    ids
}

/// A city may have no device of a kind yet: only what looks like a slip is an error.
fn device_kinds(node: &Node, check: &mut Check<'_>) -> BTreeSet<String> {
    let known: BTreeSet<&str> = check.city.devices.values().map(|d| d.kind.as_str()).collect();
    let mut kinds = BTreeSet::new();
    for (n, kind) in texts(node, &mut check.report) {
        if !known.contains(kind) {
            match closest(kind, known.iter().copied()) {
                Some(close) => {
                    let message = format!("unknown device kind `{kind}`");
                    check.report.hinted(n, message, format!("did you mean `{close}`?"));
                }
                None => check.note(n, format!("no configured device is of kind `{kind}`")),
            }
        }
        kinds.insert(kind.to_owned());
    }
    kinds
}
