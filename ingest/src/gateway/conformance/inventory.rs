//! The inventory of statements and the cases say the same.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::chapter::ALL;

/// One line of `ingest/conformance/mqtt-*.csv`.
struct Row {
    id: String,
    gist: String,
    applies: String,
    why: String,
    /// Names of cases, and `path function` of tests elsewhere.
    tests: Vec<String>,
}

fn read(csv: &str) -> Vec<Row> {
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let head: Vec<String> = reader.headers().expect("a head").iter().map(str::to_owned).collect();
    assert_eq!(head, ["id", "gist", "applies", "why", "tests"]);
    let rows = reader.records().map(|record| {
        let record = record.expect("a line of five fields");
        let field = |i: usize| record.get(i).expect("five fields").to_owned();
        let tests = field(4);
        let tests = tests.split("; ").filter(|t| !t.is_empty()).map(str::to_owned).collect();
        Row { id: field(0), gist: field(1), applies: field(2), why: field(3), tests }
    });
    rows.collect()
}

/// The cases that name a statement, by its id.
fn cases(five: bool) -> BTreeMap<String, Vec<String>> {
    let mut all = BTreeMap::<String, Vec<String>>::new();
    for case in ALL.iter().flat_map(|(_, cases)| *cases) {
        for id in if five { case.five } else { case.three } {
            all.entry(format!("MQTT-{id}")).or_default().push(case.name.to_owned());
        }
    }
    all
}

fn is_elsewhere(test: &str) -> bool {
    test.split(' ').next().is_some_and(|first| first.ends_with(".rs"))
}

/// Whether the file of `path function` has that test.
fn exists(test: &str) -> bool {
    let Some((path, function)) = test.split_once(' ') else { return false };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    std::fs::read_to_string(path).is_ok_and(|text| text.contains(&format!("fn {function}(")))
}

fn check(csv: &str, five: bool, statements: usize) {
    let rows = read(csv);
    let cases = cases(five);
    let mut wrong = Vec::new();
    let ids: BTreeSet<&str> = rows.iter().map(|r| r.id.as_str()).collect();
    if (ids.len(), rows.len()) != (statements, statements) {
        wrong.push(format!("{} lines, {} ids, {statements} statements", rows.len(), ids.len()));
    }
    for id in cases.keys().filter(|id| !ids.contains(id.as_str())) {
        wrong.push(format!("{id}: no such statement"));
    }
    let mut counts = BTreeMap::<&str, usize>::new();
    for row in &rows {
        *counts.entry(&row.applies).or_default() += 1;
        let (elsewhere, here): (Vec<&String>, Vec<&String>) =
            row.tests.iter().partition(|t| is_elsewhere(t));
        let named = cases.get(&row.id).cloned().unwrap_or_default();
        let (here, there): (BTreeSet<&String>, BTreeSet<&String>) =
            (here.into_iter().collect(), named.iter().collect());
        if here != there {
            wrong.push(format!("{}: its cases are `{}`", row.id, named.join("; ")));
        }
        for test in elsewhere.into_iter().filter(|t| !exists(t)) {
            wrong.push(format!("{}: no test `{test}`", row.id));
        }
        match row.applies.as_str() {
            "server" if row.tests.is_empty() => wrong.push(format!("{}: no test", row.id)),
            "server" => {}
            "client" | "not ours" if row.why.is_empty() => {
                wrong.push(format!("{}: no reason why not", row.id));
            }
            "client" | "not ours" => {}
            other => wrong.push(format!("{}: applies to `{other}`?", row.id)),
        }
        if row.gist.is_empty() || row.gist.chars().count() > 160 {
            wrong.push(format!("{}: gist", row.id));
        }
    }
    println!("MQTT {}: {} statements, {counts:?}", if five { "5.0" } else { "3.1.1" }, rows.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_statement_of_mqtt_3_1_1_is_accounted_for() {
    check(include_str!("../../../conformance/mqtt-3.1.1.csv"), false, 141);
}

#[test]
fn every_statement_of_mqtt_5_is_accounted_for() {
    check(include_str!("../../../conformance/mqtt-5.0.csv"), true, 251);
}

#[test]
fn names_of_cases_are_unique() {
    let names: Vec<&str> = ALL.iter().flat_map(|(_, cases)| *cases).map(|c| c.name).collect();
    let unique: BTreeSet<&&str> = names.iter().collect();
    assert_eq!(unique.len(), names.len());
    assert!(names.iter().all(|n| !n.contains("; ")), "the inventory separates by it");
}
