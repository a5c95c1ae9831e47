//! The timeline of the documents, and the edges.

use super::*;
use crate::kinds::bench::{Bench, T0};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const RULE: &str = "
property: temperature
sensitivity: normal
severity: minor
min_history: 3d
min_change: 3
quiet: 1h
";

/// Every 10 minutes 28 °C ± 4 with the sun, and ± 0.3.
fn usual(t: i64) -> f64 {
    let sun = (std::f64::consts::TAU * (t as f64 / DAY as f64 - 0.3)).sin();
    28.0 + 4.0 * sun
        + 0.3 * [-1.0, 0.4, 0.9, -0.5, 0.1, 0.7, -0.8][(t / (10 * MINUTE) % 7) as usize]
}

/// Feeds `value` from `from` up to and including `to`.
fn feed(bench: &mut Bench<AnomalyRule>, from: i64, to: i64, value: impl Fn(i64) -> f64) {
    let mut t = from;
    while t <= to {
        bench.value(t, value(t));
        t += 10 * MINUTE;
    }
}

/// At 10:00 of day 6 the sensor shows 45 °C for three readings.
fn timeline(rule: &str) -> (Bench<AnomalyRule>, i64) {
    let mut bench = Bench::<AnomalyRule>::new(rule);
    let at = 5 * DAY + 10 * HOUR;
    let spike = |t: i64| if (at..at + 30 * MINUTE).contains(&t) { 45.0 } else { usual(t) };
    feed(&mut bench, 0, at, spike);
    (bench, at)
}

#[test]
fn a_spike_raises_at_its_reading_and_clears_after_quiet() {
    let (mut bench, at) = timeline(RULE);
    assert_eq!(bench.levels(), [(at, 1)]);
    let shown = bench.shown();
    assert_eq!(shown.value, Some(45.0));
    assert!((shown.limit.expect("expected") - usual(at)).abs() < 1.0, "{shown:?}");
    assert_eq!(shown.detail.en, "a spike");
    let evidence = bench.evidence();
    let word = |name: &str| evidence.facts.iter().find(|f| &*f.name == name).cloned();
    assert_eq!(word("part").and_then(|f| f.text).as_deref(), Some("spike"));
    assert_eq!(word("actual").and_then(|f| f.value), Some(45.0));
    assert!(word("change").and_then(|f| f.value).is_some_and(|c| c > 10.0), "{evidence:?}");

    feed(&mut bench, at + 10 * MINUTE, at + 20 * MINUTE, |_| 45.0);
    feed(&mut bench, at + 30 * MINUTE, at + 3 * HOUR, usual);
    let levels = bench.levels();
    assert_eq!(levels.len(), 2, "{levels:?}");
    assert_eq!(levels[1], (at + 100 * MINUTE, 0), "calm at 40 min, quiet 1 h");
}

#[test]
fn silence_ends_nothing() {
    let (mut bench, at) = timeline(RULE);
    bench.time(at + 5 * DAY);
    assert_eq!(bench.levels(), [(at, 1)]);
}

#[test]
fn nothing_is_judged_before_min_history() {
    let (bench, _) = timeline(&RULE.replace("3d", "6d"));
    assert_eq!(bench.levels(), []);
    let timer = bench.evidence().timers;
    assert_eq!(timer.len(), 1);
    assert_eq!((&*timer[0].name, timer[0].until.0), ("min_history", T0 + 6 * DAY));
}

#[test]
fn smaller_anomalies_than_min_change_are_left_alone() {
    let (bench, _) = timeline(&RULE.replace("min_change: 3", "min_change: 40"));
    assert_eq!(bench.levels(), []);
}

#[test]
fn the_highest_score_counts_until_it_is_over() {
    let rule = "
property: temperature
levels:
  - { severity: minor, raise: '>= 0.45', clear: '< 0.35' }
  - { severity: major, raise: '>= 0.9', clear: '< 0.5' }
quiet: 1h
";
    let (mut bench, at) = timeline(rule);
    feed(&mut bench, at + 10 * MINUTE, at + 3 * HOUR, usual);
    let levels = bench.levels();
    assert_eq!(levels[0], (at, 2), "{levels:?}");
    assert_eq!(levels.len(), 2, "{levels:?}");
    assert_eq!(levels[1].1, 0, "{levels:?}");
}

#[test]
fn older_readings_change_nothing() {
    let (mut bench, at) = timeline(RULE);
    let before = bench.state.clone();
    let name: Name = "d0".into();
    bench.message(&Message {
        t: T0 + at - HOUR,
        received: T0 + at,
        clamped: false,
        bad: false,
        device: 0,
        name: &name,
        said: Said::Values(&[(0, 99.0)]),
    });
    assert_eq!(bench.state, before);
}

#[test]
fn a_restart_in_an_anomaly_changes_nothing() {
    let (mut one, at) = timeline(RULE);
    let (mut two, _) = timeline(RULE);
    let bytes = postcard::to_allocvec(&two.state).expect("serialises");
    two.state = postcard::from_bytes(&bytes).expect("reads back");
    for bench in [&mut one, &mut two] {
        feed(bench, at + 10 * MINUTE, at + DAY, usual);
    }
    assert_eq!(one.levels(), two.levels());
    assert_eq!(one.levels().len(), 2);
    assert_eq!(one.state, two.state);
    let bytes = size_of::<AnomalyState>() + one.kind.heap_bytes(&one.state);
    assert!(bytes <= AnomalyDetector::MAX_BYTES + 256, "{bytes} bytes");
}

#[test]
fn rules_read_back_as_they_were() {
    for rule in [
        RULE,
        "property: pm25\nseverity: info",
        "property: pm25\nseverity: major\nsensitivity: low\nfor: 10m\nclear_for: 5m\nquiet: 90s",
        "property: speed\nlevels: [{ severity: minor, raise: '> 0.5', clear: '< 0.2' }]\n\
         min_history: 0s\nmin_change: 0.25",
    ] {
        Bench::<AnomalyRule>::new(rule).reads_back().expect(rule);
    }
}

#[test]
fn every_mistake_is_told() {
    let error = |yaml: &str| Bench::<AnomalyRule>::load(yaml).err().unwrap_or_default();
    for (yaml, words) in [
        ("severity: minor", "`property` is missing"),
        ("property: pm25", "`severity` is missing"),
        ("property: pm25\nseverity: minor\nsensitivity: hihg", "sensitivity"),
        ("property: pm25\nseverity: minor\nmin_change: -1", "0 or more"),
        ("property: pm25\nseverity: minor\nmin_change: congestion.speed", "is in `km/h`"),
        ("property: pm25\nseverity: minor\nmin_change: flod.bd1", "flod.bd1"),
        ("property: pm25\nseverity: minor\nquiet: 10ms", "too short"),
        ("property: pm25\nlevels: [{ severity: minor, raise: '> 1' }]", "never raises"),
        (
            "property: pm25\nlevels: [{ severity: minor, raise: '> 0.5', clear: '< 0' }]",
            "never clears",
        ),
        ("property: pm25\nlevels: [{ severity: minor, raise: '< 0.5' }]", "nothing unusual"),
        ("property: pm25\nlevels: [{ severity: minor, raise: '> 5 µg/m³' }]", "unit"),
        (
            "property: pm25\nsensitivity: low\nlevels: [{ severity: minor, raise: '> 0.5' }]",
            "exclude",
        ),
    ] {
        assert!(error(yaml).contains(words), "{yaml}: {}", error(yaml));
    }
    let all = error("property: pn25\nsensitivity: x\nmin_change: a\nquiet: 1");
    assert!(all.lines().count() >= 5, "{all}");
}
