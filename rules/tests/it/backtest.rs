//! Backtests: the same alerts as live, periods, alarm load, two sets side by side.

use std::collections::BTreeMap;

use ioc_model::{Entry, Severity, Timestamp, TransitionKind};
use ioc_rules::{
    Backtest, BacktestConfig, ClockMode, Engine, EngineConfig, Report, RuleSet, compare,
};
use proptest::prelude::*;

use crate::world::{T0, at, config, obs, rules, run, status, tick};

const RULES: &str = "
rules:
  - id: flood
    kind: threshold
    service: river
    name: { vi: Lũ, en: Flood }
    property: water_level
    for: 20s
    levels:
      - { severity: minor, raise: '> 1', clear: '< 0.8' }
      - { severity: critical, raise: '> 2', clear: '< 1.8' }
    message: { vi: '{device} {value}', en: '{device} {value}' }
  - id: silent
    kind: absence
    service: river
    name: { vi: Im, en: Silent }
    where: { kinds: [river_gauge] }
    after: 60s
    severity: minor
    message: { vi: '{device}', en: '{device}' }
  - id: mean
    kind: window
    service: river
    name: { vi: TB, en: Mean }
    property: water_level
    aggregate: mean
    size: 60s
    slide: 20s
    grace: 40s
    levels: [{ severity: major, raise: '> 2', clear: '< 1.8' }]
    message: { vi: '{device} {value}', en: '{device} {value}' }
";

fn air(limit: u32) -> RuleSet {
    rules(&format!(
        "rules:
  - id: pm
    kind: threshold
    service: air
    name: {{ vi: Bụi, en: Dust }}
    property: pm25
    levels: [{{ severity: major, raise: '> {limit}', clear: '< {limit}' }}]
    message: {{ vi: '{{value}}', en: '{{value}}' }}
"
    ))
}

fn whole(engine: EngineConfig) -> BacktestConfig {
    BacktestConfig { from: at(-1e6), to: at(1e7), engine, max_episodes: 100_000 }
}

fn backtest(set: RuleSet, config: BacktestConfig, entries: &[Entry]) -> Report {
    let mut backtest = Backtest::new(set, config);
    for (i, entry) in entries.iter().enumerate() {
        if !backtest.feed(i as u64, entry) {
            break;
        }
    }
    backtest.finish()
}

/// Rule, entity, start, end, highest severity, value of the raise.
type Seen = (String, String, i64, Option<i64>, Severity, Option<f64>);

/// What a register makes of the live run's transitions, cut to a period.
fn live(engine: EngineConfig, entries: &[Entry], from: i64, to: i64) -> Vec<Seen> {
    let mut all: BTreeMap<String, Seen> = BTreeMap::new();
    for t in run(&mut Engine::new(rules(RULES), engine), entries) {
        if t.time.0 >= to {
            continue;
        }
        let (rule, entity) = (t.rule.to_string(), t.entity.to_string());
        let e = all
            .entry(t.alert.0.clone())
            .or_insert((rule, entity, t.time.0, None, t.severity, t.value));
        e.4 = e.4.max(t.severity);
        if t.kind == TransitionKind::Clear {
            e.3 = Some(t.time.0);
        }
    }
    let runs = |e: &Seen| e.2 >= from || e.3.is_none_or(|end| end > from);
    let mut all: Vec<Seen> = all.into_values().filter(runs).collect();
    all.sort_by(|a, b| (a.2, &a.0, &a.1).cmp(&(b.2, &b.0, &b.1)));
    all
}

fn seen(report: &Report) -> Vec<Seen> {
    let one = |e: &ioc_rules::Episode| {
        let end = e.end.map(|t| t.0);
        (e.rule.to_string(), e.entity.to_string(), e.start.0, end, e.severity, e.value)
    };
    report.episodes.iter().map(one).collect()
}

/// A journal: ticks about once a second, readings that lag, repeat, stop and flap.
fn journal() -> impl Strategy<Value = Vec<Entry>> {
    let step = (1u32..25, 0usize..3, 0i32..30, 0u32..40, 0u32..10);
    prop::collection::vec(step, 20..200).prop_map(|steps| {
        let mut entries = vec![tick(0.0)];
        let mut now = 0.0;
        for (pause, device, level, lag, what) in steps {
            for _ in 0..pause {
                now += 1.0;
                entries.push(tick(now));
            }
            let device = ["river-a", "river-b", "river-c"][device];
            let t = now - f64::from(lag);
            entries.push(match what {
                0 => status(device, t, level % 2 == 0),
                _ => obs(device, t, &[("water_level", f64::from(level) / 10.0)]),
            });
        }
        entries
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn the_whole_journal_gives_the_episodes_of_the_live_run(
        entries in journal(), lateness in prop_oneof![Just(0i64), Just(30_000)],
        clock in prop_oneof![Just(ClockMode::Wall), Just(ClockMode::Event)],
    ) {
        let lateness = if clock == ClockMode::Wall { lateness } else { 0 };
        let engine = EngineConfig { allowed_lateness_ms: lateness, ..config(clock) };
        let report = backtest(rules(RULES), whole(engine.clone()), &entries);
        prop_assert_eq!(seen(&report), live(engine, &entries, i64::MIN, i64::MAX));
        let raised = report.episodes.len() as u64;
        prop_assert_eq!((report.raised, report.carried), (raised, 0));
    }

    #[test]
    fn a_period_gives_the_live_episodes_that_run_in_it(
        entries in journal(), from in 0i64..1_500, length in 1i64..1_500,
    ) {
        let engine = config(ClockMode::Wall);
        let (from, to) = (T0 + from * 1000, T0 + (from + length) * 1000);
        let period =
            BacktestConfig { from: Timestamp(from), to: Timestamp(to), ..whole(engine.clone()) };
        let report = backtest(rules(RULES), period, &entries);
        prop_assert_eq!(seen(&report), live(engine, &entries, from, to));
        let before = report.episodes.iter().filter(|e| e.start.0 < from).count() as u64;
        prop_assert_eq!(report.carried, before);
        prop_assert_eq!(report.raised + before, report.episodes.len() as u64);
    }
}

#[test]
fn an_alert_from_before_the_period_is_listed_with_its_start_and_not_counted() {
    let mut entries = vec![tick(0.0), obs("air-1", 0.0, &[("pm25", 50.0)])];
    entries.extend((1..=100).map(|s| tick(f64::from(s))));
    entries.push(obs("air-1", 100.0, &[("pm25", 10.0)]));
    entries.push(obs("air-1", 101.0, &[("pm25", 60.0)]));
    entries.push(tick(102.0));
    let period = |from: f64, to: f64| BacktestConfig {
        from: at(from),
        to: at(to),
        ..whole(config(ClockMode::Wall))
    };
    let report = backtest(air(45), period(50.0, 200.0), &entries);
    let spans: Vec<_> = report.episodes.iter().map(|e| (e.start, e.end, e.carried)).collect();
    assert_eq!(spans, [(at(0.0), Some(at(100.0)), true), (at(101.0), None, false)]);
    assert_eq!((report.raised, report.carried, report.open), (1, 1, 1));
    assert_eq!(report.load.max_per_hour, 1);
    assert_eq!((report.coverage.first, report.coverage.last), (Some(at(50.0)), Some(at(102.0))));
    // 50 s of the carried one, 1 s of the other.
    assert_eq!(report.rules[0].active_ms, 51_000);
    // The end of the period is not part of it.
    let report = backtest(air(45), period(10.0, 100.0), &entries);
    assert_eq!(report.episodes[0].end, None);
    let report = backtest(air(45), period(100.0, 101.0), &entries);
    assert_eq!(report.episodes.len(), 0, "{:?}", report.episodes);
}

/// Dust alerts of half a minute at these minutes.
fn dust(minutes: &[f64]) -> Vec<Entry> {
    let mut entries = vec![obs("air-1", 0.0, &[("pm25", 1.0)])];
    for m in minutes {
        entries.push(obs("air-1", m * 60.0, &[("pm25", 50.0)]));
        entries.push(obs("air-1", m * 60.0 + 30.0, &[("pm25", 1.0)]));
    }
    entries.push(obs("air-1", 5.0 * 3600.0, &[("pm25", 1.0)]));
    entries
}

#[test]
fn alarm_load_is_that_of_isa_18_2() {
    // Hour 0: 11 in its first ten minutes and 2 more. Hour 2: 31. Hour 3: 7. The period: 4 h.
    let mut minutes: Vec<f64> = (0..11).map(|i| f64::from(i) * 0.8).collect();
    minutes.extend([20.0, 40.0]);
    minutes.extend((0..31).map(|i| 120.0 + f64::from(i) * 1.9));
    minutes.extend((0..7).map(|i| 180.0 + f64::from(i) * 5.0));
    let period =
        BacktestConfig { from: at(0.0), to: at(4.0 * 3600.0), ..whole(config(ClockMode::Event)) };
    let mut entries = dust(&minutes);
    entries.insert(entries.len() - 1, obs("air-1", 4.0 * 3600.0 - 0.001, &[("pm25", 1.0)]));
    let report = backtest(air(45), period, &entries);
    let load = &report.load;
    assert_eq!(report.raised, 51);
    assert_eq!((load.hours_over_6, load.hours_over_12, load.hours_over_30), (3, 2, 1));
    assert_eq!((load.max_per_hour, load.max_per_10_min, load.floods), (31, 11, 1));
    assert!((load.mean_per_hour - 51.0 / 4.0).abs() < 0.001, "{load:?}");
    assert!((load.flood_share - 1.0 / 24.0).abs() < 0.001, "{load:?}");
    let hours: Vec<u64> = load.by_hour.iter().map(|h| h.raised).collect();
    assert_eq!(hours, [13, 31, 7]);
    let d = report.durations;
    assert_eq!((d.ended, d.median_ms, d.longest_ms, d.under_a_minute), (51, 30_000, 30_000, 51));
    assert_eq!(report.top_entities[0].raised, 51);
    assert_eq!(report.rules[0].by_severity, [0, 0, 51, 0, 0]);
}

#[test]
fn more_episodes_than_are_kept_are_still_counted() {
    let config = BacktestConfig { max_episodes: 2, ..whole(config(ClockMode::Event)) };
    let report = backtest(air(45), config, &dust(&[1.0, 2.0, 3.0, 4.0, 5.0]));
    assert_eq!((report.raised, report.episodes.len(), report.left_out), (5, 2, 3));
    assert_eq!(report.rules[0].raised, 5);
}

#[test]
fn two_sets_side_by_side_show_what_one_has_and_the_other_not() {
    let readings = [(0, 1.0), (10, 50.0), (20, 70.0), (30, 1.0), (40, 50.0), (50, 1.0)];
    let entries: Vec<Entry> =
        readings.iter().map(|(s, v)| obs("air-1", f64::from(*s), &[("pm25", *v)])).collect();
    let of = |limit| backtest(air(limit), whole(config(ClockMode::Event)), &entries);
    let (strict, loose) = (of(45), of(60));
    let diff = compare(&strict, &loose);
    assert_eq!((diff.only_a.len(), diff.only_b.len(), diff.both.len()), (1, 0, 1));
    assert_eq!(diff.only_a[0].start, at(40.0));
    assert_eq!((diff.both[0].a.start, diff.both[0].b.start), (at(10.0), at(20.0)));
    assert_eq!(diff.changed, 1);
    let same = compare(&strict, &strict);
    assert_eq!((same.only_a.len(), same.only_b.len(), same.both.len(), same.changed), (0, 0, 2, 0));
    assert_eq!(compare(&loose, &strict).only_b.len(), 1);
}

#[test]
fn an_alert_that_the_other_set_splits_is_no_difference_of_existence() {
    // 50 throughout keeps `above 45` raised, and drops below 60 between two peaks.
    let readings = [(0, 70.0), (10, 50.0), (20, 70.0), (30, 1.0)];
    let entries: Vec<Entry> =
        readings.iter().map(|(s, v)| obs("air-1", f64::from(*s), &[("pm25", *v)])).collect();
    let of = |limit| backtest(air(limit), whole(config(ClockMode::Event)), &entries);
    let diff = compare(&of(45), &of(60));
    assert_eq!((diff.only_a.len(), diff.only_b.len(), diff.both.len()), (0, 0, 2));
    let line = &diff.rules[0];
    assert_eq!((line.a, line.b, line.changed), (1, 2, 2));
}

#[test]
fn shadow_rules_are_listed_and_are_no_load() {
    let yaml = "
rules:
  - id: pm
    kind: threshold
    mode: shadow
    service: air
    name: { vi: Bụi, en: Dust }
    property: pm25
    levels: [{ severity: major, raise: '> 45', clear: '< 45' }]
    message: { vi: '{value}', en: '{value}' }
";
    let report = backtest(rules(yaml), whole(config(ClockMode::Event)), &dust(&[1.0]));
    assert_eq!((report.raised, report.load.max_per_hour), (0, 0));
    assert!(report.episodes[0].shadow);
    assert_eq!((report.rules[0].mode, report.rules[0].raised), ("shadow", 1));
}

#[test]
fn the_warm_up_covers_every_span_a_rule_names() {
    // `flood`: 20 s; `silent`: 60 s; `mean`: size, slide and grace.
    assert_eq!(rules(RULES).longest_span_ms(), 120_000);
}

#[test]
fn nothing_after_the_period_is_read_longer_than_it_can_matter() {
    let config = BacktestConfig { from: at(0.0), to: at(10.0), ..whole(config(ClockMode::Wall)) };
    let mut backtest = Backtest::new(air(45), config);
    let mut fed = 0;
    while backtest.feed(fed, &tick(fed as f64)) {
        fed += 1;
        assert!(fed < 100_000, "never past");
    }
    // 15 min maximal age and one minute.
    assert_eq!(fed, 10 + 900 + 60 + 1);
}
