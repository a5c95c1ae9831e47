use crate::kinds::Operator as _;
use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{CompositeRule, Said};
use crate::kinds::bench::Bench;
use crate::rule::Ladder;

const WARD: &str = "
of: [rain.heavy, river.rise]
at_least: 2
severity: critical";

type Composite = Bench<CompositeRule>;

/// At second `s` rule number `input` is at `level` on entity number `entity`.
fn tell(b: &mut Composite, s: i64, (input, entity, level): (u8, u32, u8)) {
    b.say(s * 1000, entity, Said::Rule { input, entity, level });
}

#[test]
fn heavy_rain_and_a_rising_river_in_one_ward() {
    // The timeline of the documentation, in minutes.
    let mut b = Bench::new(WARD);
    for (m, said) in [
        (0, (0, 1, 1)),  // rain gauge 1
        (5, (0, 2, 1)),  // rain gauge 2: the same rule
        (12, (1, 7, 1)), // the river
        (15, (1, 7, 2)), // worse
        (20, (0, 1, 0)), // rain gauge 1 is over, 2 goes on
    ] {
        tell(&mut b, m * 60, said);
    }
    assert_eq!(b.levels(), [(720_000, 1)]);
    let shown = b.shown();
    assert_eq!((shown.value, shown.limit), (Some(2.0), Some(2.0)));
    assert_eq!(shown.detail.en, "rain.heavy since 00:05:00, river.rise since 00:12:00");
    assert_eq!(shown.detail.vi, "rain.heavy từ 00:05:00, river.rise từ 00:12:00");
    let evidence = b.evidence();
    assert_eq!(&*evidence.readings[1].property, "rule.river.rise");
    assert_eq!((&*evidence.readings[1].device, evidence.readings[1].value), ("d7", 2.0));
    tell(&mut b, 30 * 60, (0, 2, 0));
    assert_eq!(b.levels(), [(720_000, 1), (1_800_000, 0)]);
    let missing = b.evidence().facts.into_iter().find(|f| &*f.name == "not_active");
    assert_eq!(missing.and_then(|f| f.text).as_deref(), Some("rain.heavy"));
}

#[test]
fn within_counts_only_what_was_raised_together() {
    let mut b = Bench::new(
        "
of: [a, b, c]
at_least: 2
within: 30m
severity: major",
    );
    tell(&mut b, 0, (0, 1, 1));
    tell(&mut b, 1_801, (1, 1, 1)); // a second more than 30 min apart
    assert_eq!(b.levels(), []);
    tell(&mut b, 3_600, (2, 1, 1));
    assert_eq!(b.levels(), [(3_600_000, 1)]);
    let active: Vec<_> = b.shown().detail.en.split(", ").map(str::to_owned).collect();
    assert_eq!(active, ["b since 00:30:01", "c since 01:00:00"]);
    // As long as both are active, however long.
    b.time(100_000_000);
    tell(&mut b, 200_000, (1, 1, 0));
    assert_eq!(b.levels(), [(3_600_000, 1), (200_000_000, 0)]);
    // Exactly 30 min apart is within.
    let mut b = Bench::new("{ of: [a, b], at_least: 2, within: 30m, severity: major }");
    tell(&mut b, 0, (0, 1, 1));
    tell(&mut b, 1_800, (1, 1, 1));
    assert_eq!(b.levels(), [(1_800_000, 1)]);
}

#[test]
fn levels_climb_with_the_number_of_rules() {
    let mut b = Bench::new(
        r#"
of: [a, b, c]
levels:
  - { severity: minor, raise: ">= 1" }
  - { severity: critical, raise: ">= 3", clear: "< 2" }
clear_for: 10s
"#,
    );
    for (s, said) in [(0, (0, 1, 1)), (1, (1, 1, 1)), (2, (2, 1, 1)), (3, (2, 1, 0))] {
        tell(&mut b, s, said);
    }
    tell(&mut b, 4, (1, 1, 0));
    tell(&mut b, 20, (0, 1, 0));
    b.time(60_000);
    assert_eq!(b.levels(), [(0, 1), (2_000, 2), (14_000, 1), (30_000, 0)]);
}

#[test]
fn a_rule_counts_from_the_severity_that_is_asked_for() {
    let yaml = "
of:
  - { rule: river.flood, at_least_severity: critical }
  - rain.heavy
at_least: 2
severity: emergency";
    let river = Bench::<CompositeRule>::new(
        r#"{ of: [u, v, w], levels: [{ severity: minor, raise: ">= 1" },
             { severity: major, raise: ">= 2" }, { severity: critical, raise: ">= 3" }] }"#,
    );
    let river: Ladder = river.ladder;
    let mut b = Bench::<CompositeRule>::new(yaml);
    b.reads_back().expect("prints what it reads");
    let never = b.kind.link(|id| (id == "river.flood").then_some(&river));
    assert_eq!(never, [("rain.heavy".into(), None)], "unknown");
    for said in [(1, 1, 1), (0, 2, 2), (0, 2, 3), (0, 2, 2)] {
        tell(&mut b, 5, said);
    }
    assert_eq!(b.levels(), [(5_000, 1), (5_000, 0)]);
    let mild = Ladder::switch(ioc_model::Severity::Minor, 0, 0);
    let never = b.kind.link(|_| Some(&mild));
    assert_eq!(never, [("river.flood".into(), Some(ioc_model::Severity::Critical))]);
}

#[test]
fn verdicts_do_not_go_back_when_entities_are_told_out_of_order() {
    let mut b = Bench::new(WARD);
    b.time(10_000);
    tell(&mut b, 10, (0, 1, 1));
    tell(&mut b, 8, (1, 2, 1));
    assert_eq!(b.levels(), [(10_000, 1)]);
}

#[test]
fn many_alerts_of_one_rule_do_not_fill_the_memory() {
    let mut b = Bench::new(WARD);
    for entity in 0..5_000 {
        tell(&mut b, 1, (0, entity, 1));
    }
    tell(&mut b, 2, (1, 1, 1));
    assert_eq!(b.levels(), [(2_000, 1)], "the rule counts once");
    let bytes = crate::kinds::Operator::heap_bytes(&b.kind, &b.state);
    assert!(bytes <= 512 * 40 + 40, "{bytes}");
}

#[test]
fn reads_back_what_it_prints() {
    for yaml in [
        WARD,
        "{ of: [a, b, { rule: c, at_least_severity: major }], at_least: 1, within: 90s, \
         severity: minor, for: 1m, clear_for: 5m }",
        r#"{ of: [a, b], levels: [{ severity: minor, raise: ">= 1" }, { severity: major,
             raise: "> 1.5" }] }"#,
    ] {
        Bench::<CompositeRule>::new(yaml).reads_back().expect(yaml);
    }
}

#[test]
fn mistakes_are_told_all_at_once() {
    let told = |yaml: &str, expect: &[&str]| {
        let errors = Bench::<CompositeRule>::load(yaml).err().expect("mistakes");
        let n = errors.lines().filter(|l| l.starts_with("t.yaml")).count();
        assert_eq!(n, expect.len(), "{errors}");
        for e in expect {
            assert!(errors.contains(e), "{e} is not in:\n{errors}");
        }
    };
    told(
        "{ of: [a, a], at_least: 3, severity: minor }",
        &["`a` is named twice", "there are only 2 rules"],
    );
    told(
        "{ of: [a], within: soon, severity: minor }",
        &["2 to 32 rules", "not a span of time", "`at_least` is missing"],
    );
    told(
        "{ of: [a, { rule: 'b c', at_least: major }], at_least: 1, severity: minor }",
        &["is not the id of a rule", "unknown field `at_least`"],
    );
    told(
        r#"{ of: [a, b], at_least: 2, levels: [{ severity: minor, raise: ">= 0" }] }"#,
        &["exclude each other", "never clears"],
    );
    told(
        r#"{ of: [a, b], levels: [{ severity: minor, raise: ">= 3" }] }"#,
        &["there are only 2 rules"],
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn equals_a_naive_count(
        said in prop::collection::vec((0i64..50, 0u8..4, 0u32..3, 0u8..2), 1..60),
        wanted in 1usize..4,
        within in prop::option::of(1i64..60),
    ) {
        let span = within.map_or(String::new(), |w| format!("within: {w}s"));
        let yaml = format!("of: [a, b, c, d]\nat_least: {wanted}\nseverity: minor\n{span}\n");
        let mut b = Bench::<CompositeRule>::new(&yaml);
        let (mut t, mut level) = (0, 0u8);
        let mut active: Vec<(i64, u8, u32)> = Vec::new();
        let mut expect = Vec::new();
        for (gap, input, entity, on) in said {
            t += gap;
            tell(&mut b, t, (input, entity, on));
            let known = active.iter().position(|a| (a.1, a.2) == (input, entity));
            match (known, on) {
                (Some(i), 0) => { active.remove(i); }
                (None, 1) => active.push((t, input, entity)),
                _ => {}
            }
            // Every window that begins at a raise.
            let rules_from = |from: i64| {
                let end = within.map_or(i64::MAX, |w| from + w);
                let inside = active.iter().filter(|a| a.0 >= from && a.0 <= end);
                inside.map(|a| a.1).collect::<BTreeSet<u8>>().len()
            };
            let most = active.iter().map(|a| rules_from(a.0)).max().unwrap_or(0);
            let to = u8::from(most >= wanted);
            if to != level {
                level = to;
                expect.push((t * 1000, to));
            }
        }
        prop_assert_eq!(b.levels(), expect);
    }
}
