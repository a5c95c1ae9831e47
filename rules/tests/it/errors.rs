//! What people read when a rule file is wrong.

use crate::world::load;

macro_rules! assert_told {
    ($text:expr) => {
        insta::with_settings!({omit_expression => true}, { insta::assert_snapshot!($text) })
    };
}

fn complaints(yaml: &str) -> String {
    match load(yaml) {
        Ok(_) => "no mistake found".into(),
        Err(errors) => errors.iter().map(|e| format!("{e}\n")).collect(),
    }
}

#[test]
fn all_mistakes_of_a_file_are_told_at_once() {
    assert_told!(complaints(
        r#"
rules:
  - id: river.flood
    kind: treshold
    service: rivr
    name: { vi: "Lũ" }
    property: water_level
    message: { vi: "a", en: "b" }
  - id: "bad id"
    kind: threshold
    service: river
    name: { vi: "Lũ", en: "Flood" }
    where: { areas: [hai_chao], device: [river-a] }
    property: water_levl
    levels:
      - { severity: mayor, raise: ">= 1" }
    message: { vi: "{valeu}", en: "{value" }
  - id: pm
    kind: window
    service: air
    name: { vi: "Bụi", en: "Dust" }
    property: pm25
    aggregate: avg
    size: 10 minutes
    levels:
      - { severity: major, raise: "= 45" }
    message: { vi: "a", en: "b" }
"#
    ));
}

#[test]
fn units_order_and_hysteresis_are_checked() {
    assert_told!(complaints(
        r#"
rules:
  - id: unit
    kind: threshold
    service: air
    name: &n { vi: "a", en: "b" }
    property: pm25
    levels:
      - { severity: minor, raise: ">= flood.bd1" }
      - { severity: major, raise: ">= 50 mg/m³" }
    message: *n
  - id: order
    kind: threshold
    service: river
    name: *n
    property: water_level
    levels:
      - { severity: major, raise: ">= flood.bd2" }
      - { severity: minor, raise: ">= flood.bd1" }
    message: *n
  - id: hysteresis
    kind: threshold
    service: river
    name: *n
    property: water_level
    levels:
      - { severity: minor, raise: ">= 1", clear: "< 1.2" }
      - { severity: major, raise: ">= 2", clear: ">= 1.5" }
      - { severity: critical, raise: ">= 3", clear: "<= 3" }
    message: *n
  - id: window
    kind: window
    service: air
    name: *n
    property: pm25
    aggregate: mean_level
    size: 10m
    slide: 3m
    levels:
      - { severity: minor, raise: ">= pm.limit" }
    message: *n
  - id: silence
    kind: absence
    service: air
    name: *n
    severity: minor
    message: *n
  - id: silence
    kind: detection
    service: air
    name: *n
    detects: crowd
    count: 3
    within: 10m
    quiet: 1m
    severity: minor
    message: *n
"#
    ));
}

#[test]
fn broken_yaml_names_its_place() {
    assert_told!(complaints("rules:\n  - id: a\n   kind: x\n"));
    assert_told!(complaints("rules:\n  - id: a\n    id: b\n"));
    assert_told!(complaints("rule: []\n"));
    assert_told!(complaints("rules: 5\n"));
}

#[test]
fn a_failing_test_of_a_rule_says_what_came_instead() {
    let set = crate::world::rules(
        r#"
rules:
  - id: dust
    kind: threshold
    service: air
    name: &n { vi: "a", en: "b" }
    property: pm25
    levels:
      - { severity: minor, raise: "> pm.limit" }
    message: *n
    tests:
      - readings:
          - { at: 0s, value: 46 }
          - { at: 1m, value: 45 }
        expect:
          - { at: 0s, raise: major }
"#,
    );
    let failures = set.run_tests().expect_err("the test expects a wrong severity");
    assert_told!(failures[0].to_string());
}
