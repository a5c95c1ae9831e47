//! The order of arrival and the number of engines change nothing.

use ioc_model::{Entry, Timestamp, Transition};
use ioc_rules::{ClockMode, Engine, EngineConfig, Shard};
use proptest::prelude::*;

use crate::all_kinds::{RULES, journal};
use crate::world::rules;

const LATENESS_MS: i64 = 5_000;

fn config() -> EngineConfig {
    EngineConfig {
        clock: ClockMode::Event,
        max_age_ms: 600_000,
        allowed_lateness_ms: LATENESS_MS,
        ..EngineConfig::default()
    }
}

/// What an engine tells of a stream, without the positions and in a canonical order.
fn told(set: &ioc_rules::RuleSet, config: EngineConfig, entries: &[Entry]) -> Vec<String> {
    let mut engine = Engine::new(set.clone(), config);
    let mut out: Vec<Transition> = Vec::new();
    for (i, entry) in entries.iter().enumerate() {
        engine.step(i as u64, entry, &mut out);
    }
    engine.finish(entries.len() as u64, &mut out);
    let mut told: Vec<String> =
        out.into_iter().map(|t| format!("{:?}", Transition { position: 0, ..t })).collect();
    told.sort();
    told
}

fn time(entry: &Entry) -> i64 {
    match entry {
        Entry::Record(r) => r.time.0,
        Entry::Tick(t) => t.0,
    }
}

/// Every record delayed by its share of the bound.
fn delayed(entries: &[Entry], delays: &[i64]) -> Vec<Entry> {
    let mut all: Vec<(i64, usize)> = entries
        .iter()
        .zip(delays.iter().cycle())
        .enumerate()
        .map(|(i, (e, d))| (time(e) + d, i))
        .collect();
    all.sort_unstable();
    all.into_iter().map(|(_, i)| entries[i].clone()).collect()
}

fn cases(default: u32) -> ProptestConfig {
    let asked = std::env::var("IOC_CASES").ok().and_then(|n| n.parse().ok());
    ProptestConfig::with_cases(asked.unwrap_or(default))
}

proptest! {
    #![proptest_config(cases(300))]

    /// `IOC_CASES=100000 cargo test --release -p ioc-rules --test it order` is the long run.
    #[test]
    fn any_order_within_the_allowed_lateness_gives_the_same_alerts(
        journal in journal(),
        delays in prop::collection::vec(0..=LATENESS_MS, 1..40),
    ) {
        let set = rules(RULES);
        let mut entries: Vec<Entry> =
            journal.into_iter().filter(|e| matches!(e, Entry::Record(_))).collect();
        entries.sort_by_key(time);
        let arrived = delayed(&entries, &delays);
        prop_assert_eq!(told(&set, config(), &entries), told(&set, config(), &arrived));
    }

    #[test]
    fn any_split_into_shards_tells_the_same_alerts(journal in journal(), of in 2u32..6) {
        let set = rules(RULES);
        for clock in [ClockMode::Event, ClockMode::Wall] {
            let config = EngineConfig {
                clock,
                max_age_ms: 15_000,
                max_tick_gap_ms: 10_000,
                ..EngineConfig::default()
            };
            let whole = told(&set, config.clone(), &journal);
            let mut parts: Vec<String> = (0..of)
                .flat_map(|index| {
                    let shard = Some(Shard { index, of });
                    told(&set, EngineConfig { shard, ..config.clone() }, &journal)
                })
                .collect();
            parts.sort();
            prop_assert_eq!(&whole, &parts);
        }
    }
}

#[test]
fn the_delays_really_change_the_order() {
    let entries: Vec<Entry> = (0..10)
        .map(|i| crate::world::obs("river-a", f64::from(i), &[("water_level", 1.0)]))
        .collect();
    let arrived = delayed(&entries, &[5_000, 0, 2_500]);
    assert_ne!(entries, arrived);
    let mut newest = i64::MIN;
    for e in &arrived {
        assert!(time(e) >= newest.saturating_sub(LATENESS_MS), "beyond the bound");
        newest = newest.max(time(e));
    }
    assert_eq!(Timestamp(time(&entries[0])).0, crate::world::T0);
}

#[test]
fn what_comes_later_than_the_bound_is_late() {
    let set = rules(RULES);
    let mut engine = Engine::new(set, config());
    let mut out = Vec::new();
    let step = |e: &mut Engine, out: &mut Vec<Transition>, s: f64| {
        e.step(0, &crate::world::obs("river-a", s, &[("water_level", 9.0)]), out)
    };
    use ioc_rules::Judged::{Evaluated, Late};
    assert_eq!(step(&mut engine, &mut out, 10.0), Evaluated);
    assert_eq!(step(&mut engine, &mut out, 5.0), Evaluated, "at the bound");
    assert_eq!(step(&mut engine, &mut out, 4.999), Late);
}
