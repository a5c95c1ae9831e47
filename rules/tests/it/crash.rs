//! The same journal gives the same alerts: restarts, rule changes, byte for byte.

use ioc_model::{Entry, Transition};
use ioc_rules::{ClockMode, Engine, EngineConfig, RulesError};
use proptest::prelude::*;

use crate::all_kinds::{RULES, journal};
use crate::world::{brief, obs, rules, tick};

fn config(clock: ClockMode) -> EngineConfig {
    EngineConfig { clock, max_age_ms: 15_000, max_tick_gap_ms: 10_000, ..EngineConfig::default() }
}

/// All transitions and the last checkpoint; the engine is restored before each entry of `crashes`.
fn run(entries: &[Entry], clock: ClockMode, crashes: &[usize]) -> (Vec<Transition>, Vec<u8>) {
    let set = rules(RULES);
    let mut engine = Engine::new(set.clone(), config(clock));
    let mut out = Vec::new();
    for (i, entry) in entries.iter().enumerate() {
        if crashes.contains(&i) {
            let bytes = engine.checkpoint(i as u64);
            let restored = Engine::restore(set.clone(), config(clock), &bytes).expect("own bytes");
            assert_eq!(restored.next_position, i as u64);
            assert_eq!(restored.orphaned, []);
            engine = restored.engine;
        }
        engine.step(i as u64, entry, &mut out);
    }
    (out, engine.checkpoint(entries.len() as u64))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_crash_anywhere_changes_nothing(
        entries in journal(),
        crashes in prop::collection::vec(0usize..150, 1..6),
        wall in any::<bool>(),
    ) {
        let clock = if wall { ClockMode::Wall } else { ClockMode::Event };
        let (whole, bytes) = run(&entries, clock, &[]);
        let (parts, again) = run(&entries, clock, &crashes);
        prop_assert_eq!(whole, parts);
        prop_assert!(bytes == again, "the states differ");
    }

    #[test]
    fn episodes_are_well_formed(entries in journal(), wall in any::<bool>()) {
        use ioc_model::TransitionKind::{Clear, Raise, Severity};
        let clock = if wall { ClockMode::Wall } else { ClockMode::Event };
        let (out, _) = run(&entries, clock, &[]);
        let mut open = std::collections::BTreeMap::new();
        let mut used = std::collections::BTreeSet::new();
        for t in &out {
            let key = (t.rule.clone(), t.entity.clone());
            match t.kind {
                Raise => {
                    prop_assert!(used.insert(t.alert.clone()), "an id is used once");
                    prop_assert!(open.insert(key, (t.alert.clone(), t.time)).is_none());
                }
                Severity | Clear => {
                    let (alert, since) = open.get(&key).cloned().expect("an open episode");
                    prop_assert_eq!(&alert, &t.alert);
                    prop_assert!(t.time >= since, "time goes forward in an episode");
                    if t.kind == Clear {
                        open.remove(&key);
                    }
                }
            }
        }
    }
}

#[test]
fn the_random_journals_really_exercise_every_rule() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..100 {
        let entries = journal().new_tree(&mut runner).expect("a journal").current();
        for t in run(&entries, ClockMode::Wall, &[]).0 {
            seen.insert(format!("{} {:?}", t.rule, t.kind));
        }
    }
    // A journal of minutes is too short for an anomaly to be known.
    let silent = ["doubled", "shadow", "unusual"];
    for rule in rules(RULES).infos().iter().map(|r| &*r.id).filter(|id| !silent.contains(id)) {
        assert!(seen.contains(&format!("{rule} Raise")), "{rule} never raises: {seen:?}");
        assert!(seen.contains(&format!("{rule} Clear")), "{rule} never clears: {seen:?}");
    }
}

#[test]
fn a_running_for_survives_a_restart() {
    let entries = [
        tick(0.0),
        obs("river-x", 0.0, &[("water_level", 3.0)]),
        tick(10.0),
        tick(19.0),
        tick(20.0),
    ];
    let (out, _) = run(&entries, ClockMode::Wall, &[2, 3, 4]);
    assert!(brief(&out).contains(&"river-x raise minor @20".to_owned()), "{:?}", brief(&out));
}

#[test]
fn a_changed_rule_loses_its_state_and_the_others_keep_theirs() {
    let mut engine = Engine::new(rules(RULES), config(ClockMode::Event));
    let mut out = Vec::new();
    for s in 0..5 {
        let reading = obs("river-a", f64::from(s) * 10.0, &[("water_level", 6.0), ("speed", 5.0)]);
        engine.step(s as u64, &reading, &mut out);
    }
    let raised = |rule: &str| out.iter().find(|t| &*t.rule == rule).expect(rule).alert.clone();
    let changed = RULES.replace("raise: \">= flood.bd1\"", "raise: \">= 1.1\"");
    let bytes = engine.checkpoint(5);
    let restored = Engine::restore(rules(&changed), config(ClockMode::Event), &bytes).expect("own");
    let orphaned: Vec<_> = restored.orphaned.iter().map(|t| t.alert.clone()).collect();
    assert_eq!(orphaned, [raised("level")]);
    assert_eq!(brief(&restored.orphaned), ["river-a clear minor @40"]);
    let mut engine = restored.engine;
    let mut after = Vec::new();
    let reading = obs("river-a", 41.0, &[("water_level", 6.0), ("speed", 5.0)]);
    engine.step(5, &reading, &mut after);
    assert_eq!(brief(&after), ["river-a raise minor @41"], "only the changed rule raises anew");
    // Other words are not another rule.
    let reworded = RULES.replace("{device} {value}", "{value} {device}");
    let restored =
        Engine::restore(rules(&reworded), config(ClockMode::Event), &bytes).expect("own");
    assert_eq!(restored.orphaned, []);
    // A removed rule.
    let only_flood = RULES.split("  - id: level").next().expect("text");
    let restored =
        Engine::restore(rules(only_flood), config(ClockMode::Event), &bytes).expect("own");
    let gone: std::collections::BTreeSet<_> =
        restored.orphaned.iter().map(|t| t.rule.to_string()).collect();
    assert!(gone.contains("level") && gone.contains("mean"), "{gone:?}");
    assert!(!gone.contains("flood"));
}

#[test]
fn damaged_checkpoints_are_refused_without_a_panic() {
    let (_, bytes) = run(&[obs("river-a", 0.0, &[("water_level", 6.0)])], ClockMode::Event, &[]);
    let restore = |b: &[u8]| Engine::restore(rules(RULES), config(ClockMode::Event), b);
    assert!(matches!(restore(&[]), Err(RulesError::Checkpoint(_))));
    let mut newer = bytes.clone();
    newer[0] = 99;
    assert!(matches!(restore(&newer), Err(RulesError::CheckpointVersion { found: 99, .. })));
    for cut in 2..bytes.len() {
        assert!(restore(&bytes[..cut]).is_err(), "cut at {cut}");
    }
}
