use proptest::prelude::*;

use super::*;
use crate::kinds::bench::{Bench, T0};

fn bench(yaml: &str) -> Bench<RateRule> {
    Bench::new(yaml)
}

const RIVER: &str = "property: water_level\nover: 1h\nmin_span: 20m\n\
    levels: [{ severity: minor, raise: '>= 0.5 m/h', clear: '< 0.3 m/h' }]";

#[test]
fn a_river_that_rises_half_a_metre_in_an_hour_raises() {
    let mut b = bench(RIVER);
    for (minute, level) in [(0, 1.0), (10, 1.2), (20, 1.25), (40, 1.3), (60, 1.5), (70, 1.5)] {
        b.value(minute * 60_000, level);
    }
    // 10 min: too close. 20 min: 0.25 m in 20 min is 0.75 m/h. 70 min: 1.5 - 1.2 in an hour.
    assert_eq!(b.levels(), [(20 * 60_000, 1)]);
    let evidence = b.evidence();
    let pair: Vec<(i64, f64)> =
        evidence.readings.iter().map(|r| (r.time.0 - T0, r.value)).collect();
    assert_eq!(pair, [(600_000, 1.2), (4_200_000, 1.5)]);
    assert_eq!(b.shown().detail.vi, "1,20 → 1,50 m");
    assert_eq!(b.shown().duration_ms, Some(3_600_000));
    b.value(80 * 60_000, 1.5);
    assert_eq!(b.levels()[1], (80 * 60_000, 0));
    assert_eq!(b.values(), [0.75, 0.25]);
}

#[test]
fn a_fall_is_a_negative_rate_and_absolute_a_plain_difference() {
    let mut b = bench(
        "property: temperature\nover: 24h\nabsolute: true\nmin_span: 1h\n\
         levels: [{ severity: minor, raise: '<= -8 °C', clear: '> -4' }]",
    );
    for (hour, v) in [(0, 25.0), (6, 20.0), (12, 17.0), (20, 15.0), (30, 14.0)] {
        b.value(hour * 3_600_000, v);
    }
    assert_eq!((b.levels(), b.values()[0]), (vec![(12 * 3_600_000, 1)], -8.0));
    // At 30 h the reading of 6 h is the oldest of 24 h: 14 - 20.
    assert_eq!(b.evidence().facts[0].value, Some(-6.0));
}

#[test]
fn a_limit_that_is_met_exactly_is_met() {
    let (before, after) = (1.8, 2.3);
    assert_ne!(after - before, 0.5, "as plain numbers have it");
    let mut b = bench(RIVER);
    b.value(0, before).value(3_600_000, after);
    assert_eq!((b.levels(), b.values()), (vec![(3_600_000, 1)], vec![0.5]));
}

#[test]
fn after_a_silence_longer_than_the_span_nothing_is_judged() {
    let mut b = bench(RIVER);
    b.value(0, 1.0).value(86_400_000, 9.0).value(86_400_000 + 19 * 60_000, 9.4);
    assert_eq!(b.levels(), []);
    assert_eq!(b.evidence().timers[0].name.as_ref(), "min_span");
}

#[test]
fn rules_read_back_what_they_print() {
    for yaml in [
        RIVER,
        "property: rainfall\nover: 10m\nunit: per_minute\nlevels: [{ severity: minor, raise: '> 3' }]",
        "property: temperature\nover: 24h\nabsolute: true\nmin_span: 90m\nfor: 5m\n\
         levels: [{ severity: minor, raise: '< -8 °C', clear: '> -4 °C' }]",
    ] {
        assert_eq!(bench(yaml).reads_back(), Ok(()), "{yaml}");
    }
}

#[test]
fn all_mistakes_of_a_rate_are_told_at_once() {
    for (yaml, expect) in [
        (
            "property: water_level\nover: 1h\nmin_span: 2h\nunit: per_hour\nabsolute: true\n\
             levels: [{ severity: minor, raise: '> 3' }]",
            &["`min_span` is longer", "leave `unit` out"][..],
        ),
        (
            "property: water_level\nover: 1h\nlevels: [{ severity: minor, raise: '> 3 m' }]",
            &["the unit `m` is not that of the value", "`m/h`"],
        ),
        (
            "property: water_level\nover: 1h\nlevels: [{ severity: minor, raise: '> flood.bd1' }]",
            &["the threshold `flood.bd1` is in `m`"],
        ),
        (
            "property: water_level\nunit: hourly\nlevels: [{ severity: minor, raise: '> 3' }]",
            &["`over` is missing", "unknown unit of a rate `hourly`"],
        ),
        (
            "property: humidity\nover: 1h\nabsolute: true\n\
             levels: [{ severity: minor, raise: '> 100 %' }]",
            &["never fires"],
        ),
        (
            "property: humidity\nover: 1h\nabsolute: true\n\
             levels: [{ severity: minor, raise: '> 10 %', clear: '< -100' }]",
            &["never clears"],
        ),
    ] {
        let told = Bench::<RateRule>::load(yaml).map(|_| ()).expect_err("is wrong");
        for part in expect {
            assert!(told.contains(part), "{yaml}\n{told}");
        }
    }
}

/// The newest and the oldest of the readings kept by the documented rule, from all of them.
fn naive(rule: &RateRule, heard: &[(i64, f64)]) -> Option<((i64, f64), (i64, f64))> {
    let new = *heard.last()?;
    let cell = (rule.over_ms + 59) / 60;
    let first_of_cell = |i: &usize| {
        let mine = heard[*i].0.div_euclid(cell);
        heard[..*i].iter().all(|(t, _)| t.div_euclid(cell) != mine)
    };
    let old = (0..heard.len())
        .filter(|i| heard[*i].0 >= new.0 - rule.over_ms)
        .find(|i| first_of_cell(i) || *i == heard.len() - 1)
        .map(|i| heard[i])?;
    (new.0 - old.0 >= rule.min_span_ms).then_some((old, new))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn the_rate_equals_naive_recomputation_and_stays_bounded(
        steps in prop::collection::vec((
            prop_oneof![1 => Just(0i64), 6 => 1i64..3_000, 3 => 3_000i64..90_000, 1 => 90_000i64..9_000_000],
            -100i32..900,
        ), 1..300),
        over_s in 1i64..4_000,
        share in 1i64..=100,
    ) {
        let min_span = (over_s * 10 * share).max(1);
        let mut b = bench(&format!(
            "property: water_level\nover: {over_s}s\nmin_span: {min_span}ms\n\
             levels: [{{ severity: minor, raise: '> 1' }}]"
        ));
        let mut heard: Vec<(i64, f64)> = Vec::new();
        let mut t = 0;
        for (gap, v) in steps {
            t += gap;
            let v = f64::from(v) / 8.0;
            b.value(t, v);
            // Of one moment the last counts.
            heard.retain(|(at, _)| *at != T0 + t);
            heard.push((T0 + t, v));
            prop_assert_eq!(b.kind.pair(&b.state), naive(&b.kind, &heard));
            prop_assert!(b.state.kept.len() <= 62);
            let bytes = postcard::to_stdvec(&b.state).expect("a state can be written");
            b.state = postcard::from_bytes(&bytes).expect("and read");
        }
    }
}

#[test]
fn of_a_busy_device_the_older_reading_is_at_most_a_cell_too_young() {
    let mut b = bench(RIVER);
    for s in 0..20_000 {
        b.value(s * 1_000, s as f64 / 7_200.0);
        if s > 3_600 {
            let (old, new) = b.kind.pair(&b.state).expect("an hour of readings");
            assert!((3_540_000..=3_600_000).contains(&(new.0 - old.0)), "{}", new.0 - old.0);
        }
    }
    assert_eq!(b.levels(), [(20 * 60_000, 1)], "half a metre an hour");
    assert!(b.kind.heap_bytes(&b.state) <= 16 * 128);
}
