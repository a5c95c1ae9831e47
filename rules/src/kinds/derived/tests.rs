use std::collections::{BTreeMap, BTreeSet};

use ioc_model::{Index, Name};
use proptest::prelude::*;

use super::*;
use crate::kinds::bench::{Bench, T0, city};

type B = Bench<DerivedRule>;

const M: i64 = 60_000;
const H: i64 = 3_600_000;
const HOUR: &str = "index: vn_aqi_hour\noutput: vn_aqi\n";
const DAY: &str = "index: vn_aqi_day\noutput: vn_aqi_day\n";

/// Input numbers, in the order of the tables.
const PM25: u8 = 0;
const PM10: u8 = 1;
const O3: u8 = 2;
const NO2: u8 = 3;

fn got(b: &B) -> Vec<(i64, f64)> {
    b.derived.iter().map(|(_, t, v)| (t - T0, *v)).collect()
}

/// Twelve readings in the hour that begins at `h`, all the same.
fn hour(b: &mut B, h: i64, values: &[(u8, f64)]) {
    for i in 0..12 {
        b.say(h * H + i * 5 * M, 0, Said::Values(values));
    }
}

#[test]
fn the_inputs_are_the_pollutants_of_the_table() {
    let b = B::new(HOUR);
    let inputs: Vec<_> = b.kind.inputs.iter().map(|n| &**n).collect();
    assert_eq!(inputs, ["pm25", "pm10", "o3", "no2", "so2", "co"]);
}

/// The decision's example of 20 o'clock: PM2.5 of 09 to 20 h, ozone and NO2 of the last hour.
#[test]
fn the_decisions_hour_comes_out_of_a_stream_of_readings() {
    let pm25 = [26.9, 24.7, 20.5, 23.5, 19.5, 16.5, 19.0, 16.5, 20.3, 22.4, 19.6, 20.6];
    let mut b = B::new(HOUR);
    for (i, v) in pm25.iter().enumerate() {
        let last: &[(u8, f64)] =
            if i == 11 { &[(PM25, *v), (O3, 136.1), (NO2, 118.7)] } else { &[(PM25, *v)] };
        hour(&mut b, 8 + i as i64, last);
    }
    b.time(20 * H);
    // 41 of PM2.5 (Nowcast 20.27), 43 of ozone; 59 of NO2 decides.
    assert_eq!(got(&b).last(), Some(&(20 * H, 59.0)));
    assert_eq!(b.derived.last().map(|(n, ..)| &**n), Some("vn_aqi"));
    let facts = b.evidence().facts;
    let fact = |name: &str| facts.iter().find(|f| *f.name == *name).and_then(|f| f.value);
    assert!((fact("pm25 Nowcast").expect("there") - 20.27).abs() < 0.005);
    assert_eq!(fact("pm25 Nowcast, index"), Some(41.0));
    assert_eq!(fact("o3 1 h, index"), Some(43.0));
    assert_eq!(fact("no2 1 h, index"), Some(59.0));
    assert_eq!(fact("pm25: complete hours of the last 12"), Some(12.0));
    assert_eq!(b.shown().detail.vi, "no2 118,7 µg/m³");
    assert_eq!(b.shown().duration_ms, Some(H));
}

#[test]
fn the_decisions_day_comes_out_of_a_stream_of_readings() {
    let mut b = B::new(DAY);
    for h in 0..24 {
        // PM2.5 55.7 all day; ozone 89.3 over 8 hours, then an hour of 114.6; NO2 130.8 once.
        let o3 = match h {
            0..8 => 89.3,
            20 => 114.6,
            _ => 40.0,
        };
        let no2 = if h == 12 { 130.8 } else { 30.0 };
        hour(&mut b, h, &[(PM25, 55.7), (O3, o3), (NO2, no2)]);
    }
    assert_eq!(got(&b), []);
    b.time(24 * H);
    assert_eq!(got(&b), [(24 * H, 110.0)]);
    let facts = b.evidence().facts;
    let fact = |name: &str| facts.iter().find(|f| *f.name == *name).and_then(|f| f.value);
    assert_eq!(fact("pm25 24 h, index"), Some(110.0));
    assert_eq!(fact("o3 8 h, index"), Some(45.0));
    assert_eq!(fact("o3 1 h, index"), Some(36.0));
    assert_eq!(fact("no2 1 h, index"), Some(65.0));
    b.time(80 * H);
    assert_eq!(got(&b).len(), 1);
    assert_eq!(b.kind.deadline(&b.state, &ctx()), None);
}

fn ctx() -> Context<'static> {
    static VIEW: std::sync::OnceLock<crate::ruleset::CityView> = std::sync::OnceLock::new();
    Context {
        now: T0,
        listening_since: T0,
        cadence_s: 300,
        device: None,
        city: VIEW.get_or_init(Default::default),
    }
}

#[test]
fn eight_hours_of_ozone_need_six_of_them() {
    for (high, expect) in [(6, 98.0), (5, 37.0)] {
        let mut b = B::new(DAY);
        for h in 0..24 {
            let o3 = if h < high { 119.0 } else { 10.0 };
            if h < high || h >= 8 {
                hour(&mut b, h, &[(PM25, 10.0), (O3, o3)]);
            } else {
                hour(&mut b, h, &[(PM25, 10.0)]);
            }
        }
        b.time(24 * H);
        // Mean of 8 hours 119 → 97.5; else the hour of 119 → 37 (the means that there are: below).
        assert_eq!(got(&b), [(24 * H, expect)], "{high} hours");
    }
}

/// The timeline of docs/rules.md, derived.
#[test]
fn the_worked_timeline() {
    let mut b = B::new(HOUR);
    hour(&mut b, 0, &[(PM25, 40.0), (NO2, 50.0)]);
    b.time(H);
    assert_eq!(got(&b), []); // one of the last three hours is too few
    hour(&mut b, 1, &[(PM25, 20.0), (NO2, 50.0)]);
    b.time(2 * H);
    // w = 20 / 40 = ½: ½·20 + ¼·40 = 20 → 40
    assert_eq!(got(&b), [(2 * H, 40.0)]);
    for i in 0..8 {
        b.say(2 * H + i * 5 * M, 0, Said::Values(&[(PM25, 100.0), (NO2, 150.0)]));
    }
    b.time(3 * H);
    // 8 of 12 readings are no hour: by the letter ¼·20 + ⅛·40 = 10 → 20, and no NO2.
    assert_eq!(got(&b)[1..], [(3 * H, 20.0)]);
    b.time(5 * H);
    // Two of the last three hours are missing.
    assert_eq!(got(&b).len(), 2);
}

#[test]
fn an_hour_needs_three_quarters_of_its_readings_whatever_the_cadence() {
    // Cadence of the device, readings in the hour, whether they are enough.
    for (cadence_s, readings, enough) in [
        (300, 9, true),
        (300, 8, false),
        (60, 45, true),  // 9 of the 12 parts of the hour, at 60 s each
        (60, 40, false), // 8 parts
        (900, 3, true),
        (900, 2, false),
        (3_600, 1, true),
        (0, 9, true), // `every` is 5m
        (0, 8, false),
    ] {
        let mut b = B::new(HOUR);
        b.cadence_s = cadence_s;
        let step = if cadence_s == 0 { 300 } else { i64::from(cadence_s) };
        for h in 0..2 {
            for i in 0..readings {
                b.say(h * H + i * step * 1_000, 0, Said::Values(&[(PM10, 50.0)]));
            }
        }
        b.time(2 * H);
        assert_eq!(!got(&b).is_empty(), enough, "{cadence_s} s, {readings} readings");
    }
}

#[test]
fn a_straggler_counts_within_grace_and_is_left_out_after_it() {
    let text = format!("{HOUR}grace: 10m\n");
    let mut b = B::new(&text);
    hour(&mut b, 0, &[(PM25, 25.0)]);
    for i in 0..8 {
        b.say(H + i * 5 * M, 0, Said::Values(&[(PM25, 25.0)]));
    }
    b.time(2 * H + 9 * M);
    assert_eq!(got(&b), []);
    let name = Name::from("d0");
    let said = Said::Values(&[(PM25, 25.0)]);
    let mut m = Message {
        t: T0 + H + 50 * M,
        received: T0 + 2 * H,
        clamped: false,
        bad: false,
        device: 0,
        name: &name,
        said,
    };
    b.message(&m);
    b.time(2 * H + 10 * M);
    // The ninth reading made the hour complete; its index has the hour's time.
    assert_eq!(got(&b), [(2 * H, 50.0)]);
    m.t = T0 + H + 55 * M;
    b.message(&m);
    let facts = b.evidence().facts;
    assert!(facts.iter().any(|f| &*f.name == "readings of hours that were over"), "{facts:?}");
}

/// Everything anew from the readings, without state: (end of hour or day, index).
fn naive(index: &Index, rule: &AqiRule, day: bool, readings: &[(i64, u8, f64)]) -> Vec<(i64, f64)> {
    let mut hours: BTreeMap<(i64, u8), (f64, f64, BTreeSet<i64>)> = BTreeMap::new();
    for (t, input, v) in readings {
        let e = hours.entry((t.div_euclid(H), *input)).or_default();
        (e.0, e.1) = (e.0 + v, e.1 + 1.0);
        e.2.insert(t.rem_euclid(H) / (5 * M));
    }
    let mean = |h: i64, p: u8| hours.get(&(h, p)).filter(|e| e.2.len() >= 9).map(|e| e.0 / e.1);
    let sub = |p: u8, average: u32, c: f64| {
        let table = index.table(&rule.pollutants[usize::from(p)].property, average);
        table.and_then(|t| crate::index::aqi::sub_index(&index.scale, t, c)).map(f64::round)
    };
    let (Some(first), Some(last)) = (hours.keys().next(), hours.keys().next_back()) else {
        return Vec::new();
    };
    let mut out = Vec::new();
    for h in first.0..last.0 + 30 {
        let mut all: Vec<(bool, Option<f64>)> = Vec::new();
        for p in 0..6u8 {
            let dust = p <= PM10;
            if day {
                let of: Vec<f64> = (h - 23..=h).filter_map(|h| mean(h, p)).collect();
                if (h + 1) % 24 != 0 || of.len() < 18 {
                    continue;
                }
                if dust {
                    let sum: f64 = of.iter().sum();
                    all.push((true, sub(p, 24, sum / of.len() as f64)));
                    continue;
                }
                let max = of.iter().copied().fold(0.0, f64::max);
                all.push((false, sub(p, 1, max)));
                let mut best: Option<f64> = None;
                for end in h - 23..=h {
                    let of: Vec<f64> = (0..8).filter_map(|i| mean(end - i, p)).collect();
                    if of.len() >= 6 {
                        let m = of.iter().sum::<f64>() / of.len() as f64;
                        best = Some(best.map_or(m, |b| b.max(m)));
                    }
                }
                all.push((false, best.and_then(|b| sub(p, 8, b))));
            } else if dust {
                let c: Vec<Option<f64>> = (0..12).map(|i| mean(h - i, p)).collect();
                let known: Vec<f64> = c.iter().flatten().copied().collect();
                if c[..3].iter().flatten().count() < 2 {
                    continue;
                }
                let (min, max) =
                    known.iter().fold((1e9f64, 0f64), |(a, b), v| (a.min(*v), b.max(*v)));
                let w = if max > 0.0 { min / max } else { 1.0 };
                let weight = |i: i32| if w > 0.5 { w.powi(i) } else { 0.5f64.powi(i + 1) };
                let weighted: f64 =
                    c.iter().enumerate().filter_map(|(i, c)| c.map(|c| weight(i as i32) * c)).sum();
                let weights: f64 =
                    c.iter().enumerate().filter_map(|(i, c)| c.map(|_| weight(i as i32))).sum();
                all.push((true, sub(p, 24, if w > 0.5 { weighted / weights } else { weighted })));
            } else {
                all.push((false, mean(h, p).and_then(|c| sub(p, 1, c))));
            }
        }
        if all.iter().any(|(dust, v)| *dust && v.is_some()) {
            let best = all.iter().filter_map(|(_, v)| *v).fold(0.0, f64::max);
            out.push(((h + 1) * H, best));
        }
    }
    out
}

/// Readings with gaps: now and then hours are missing, or a pollutant is.
fn stream() -> impl Strategy<Value = Vec<(i64, u8, f64)>> {
    let hour = (0u8..10, prop::collection::vec(0u32..1_600, 6), 0u8..64, 6u8..=12);
    prop::collection::vec(hour, 1..60).prop_map(|hours| {
        let (mut out, mut h) = (Vec::new(), 0);
        for (gap, values, which, count) in hours {
            h += match gap {
                0 => 1 + i64::from(which),
                1 => 2,
                _ => 1,
            };
            for i in 0..i64::from(count) {
                for (p, v) in values.iter().enumerate() {
                    // Dust is nearly always there.
                    if p < 2 || which >> p & 1 == 1 {
                        let v = f64::from(*v) / 8.0 + i as f64 / 4.0;
                        out.push((h * H + i * 5 * M + 1_000, p as u8, v));
                    }
                }
            }
        }
        out
    })
}

/// Rounded indices, so that the last bit of a power does not matter but at exactly .5.
fn alike(a: &[(i64, f64)], b: &[(i64, f64)]) -> bool {
    a.len() == b.len()
        && a.iter().zip(b).all(|(x, y)| x.0 == y.0 && (x.1 - y.1).abs() <= f64::from(x.1 != y.1))
        && a.iter().zip(b).filter(|(x, y)| x.1 != y.1).count() <= 1
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn indices_equal_naive_recomputation(readings in stream(), day in any::<bool>()) {
        let mut b = B::new(if day { DAY } else { HOUR });
        let Source::Aqi(rule) = b.kind.source.clone() else { unreachable!("an AQI") };
        for (t, p, v) in &readings {
            b.say(*t, 0, Said::Values(&[(*p, *v)]));
        }
        let last = readings.last().map_or(0, |r| r.0);
        b.time(last + 100 * H);
        let expect = naive(&city().indices["vn_aqi"], &rule, day, &readings);
        prop_assert!(alike(&got(&b), &expect), "{:?}\n{:?}", got(&b), expect);
        prop_assert_eq!(b.kind.deadline(&b.state, &ctx()), None);
        prop_assert!(b.kind.heap_bytes(&b.state) <= 1_300, "{}", b.kind.heap_bytes(&b.state));
    }

    /// In whatever order they come within the grace, the indices are the same.
    #[test]
    fn the_order_within_grace_does_not_matter(
        readings in stream(),
        delays in prop::collection::vec(0i64..30 * M, 1..200),
        day in any::<bool>(),
    ) {
        let text = format!("{}grace: 30m\n", if day { DAY } else { HOUR });
        let (mut late, mut straight) = (B::new(&text), B::new(&text));
        let mut arrivals: Vec<_> = readings
            .iter()
            .zip(delays.iter().cycle())
            .map(|(r, delay)| (r.0 + delay, *r))
            .collect();
        arrivals.sort_by_key(|(at, _)| *at);
        let name = Name::from("d0");
        for (at, (t, p, v)) in arrivals {
            late.time(at);
            late.message(&Message {
                t: T0 + t,
                received: T0 + at,
                clamped: false,
                bad: false,
                device: 0,
                name: &name,
                said: Said::Values(&[(p, v)]),
            });
        }
        for (t, p, v) in &readings {
            straight.say(*t, 0, Said::Values(&[(*p, *v)]));
        }
        let last = readings.last().map_or(0, |r| r.0);
        late.time(last + 100 * H);
        straight.time(last + 100 * H);
        prop_assert_eq!(got(&late), got(&straight));
    }

    /// The engine may be late: closing hours in one go gives what closing them one by one gives.
    #[test]
    fn hours_closed_by_a_reading_are_those_closed_in_time(readings in stream()) {
        let (mut timely, mut lazy) = (B::new(HOUR), B::new(HOUR));
        let name = Name::from("d0");
        for (t, p, v) in &readings {
            timely.say(*t, 0, Said::Values(&[(*p, *v)]));
            lazy.message(&Message {
                t: T0 + t,
                received: T0 + t,
                clamped: false,
                bad: false,
                device: 0,
                name: &name,
                said: Said::Values(&[(*p, *v)]),
            });
        }
        let last = readings.last().map_or(0, |r| r.0);
        timely.time(last + 100 * H);
        lazy.time(last + 100 * H);
        prop_assert_eq!(got(&timely), got(&lazy));
    }
}

#[test]
fn heat_index_needs_both_values_and_not_too_old_ones() {
    let mut b = B::new("index: heat_index\noutput: heat_index\nfresh: 30m\n");
    b.say(0, 0, Said::Values(&[(0, 35.0)]));
    assert_eq!(got(&b), []);
    b.say(M, 0, Said::Values(&[(1, 65.0)]));
    let (t, v) = got(&b)[0];
    assert!(t == M && (v - 47.6).abs() < 0.1, "{v}");
    b.say(20 * M, 0, Said::Values(&[(0, 20.0), (1, 60.0)]));
    assert_eq!(got(&b).len(), 2);
    // The humidity of 20 min is 31 min old.
    b.say(51 * M, 0, Said::Values(&[(0, 35.0)]));
    assert_eq!(got(&b).len(), 2);
    let words = b.evidence().facts;
    assert!(words.iter().any(|f| &*f.name == "humidity" && f.text.as_deref() == Some("too old")));
}

#[test]
fn a_value_that_cannot_be_is_left_out_and_counted() {
    let mut b = B::new("index: occupancy\noutput: parking_occupancy\n");
    b.say(0, 0, Said::Values(&[(0, 200.0), (1, 50.0)]));
    b.say(M, 0, Said::Values(&[(1, 201.0)]));
    b.say(2 * M, 0, Said::Values(&[(0, 0.0), (1, 0.0)]));
    b.say(3 * M, 0, Said::Values(&[(0, 200.0), (1, 20.0)]));
    assert_eq!(got(&b), [(0, 75.0), (3 * M, 90.0)]);
    assert_eq!(b.state.dropped, 2);
    // Outside of what properties.yaml says is possible.
    let mut b = B::new("value: \"parking_free * 2\"\noutput: parking_total\n");
    b.value(0, 10.0).value(M, 90_000.0);
    assert_eq!((got(&b), b.state.dropped), (vec![(0, 20.0)], 1));
}

#[test]
fn speed_index_of_a_given_free_flow() {
    let mut b = B::new("index: speed_index\noutput: speed_index\nfree_flow: 50\n");
    b.say(0, 0, Said::Values(&[(0, 25.0), (1, 900.0)]));
    // Nobody drives: no speed.
    b.say(M, 0, Said::Values(&[(0, 0.0), (1, 0.0)]));
    b.say(2 * M, 0, Said::Values(&[(1, 500.0)]));
    b.say(3 * M, 0, Said::Values(&[(0, 60.0)]));
    assert_eq!(got(&b), [(0, 50.0), (3 * M, 120.0)]);
}

#[test]
fn free_flow_is_learned_before_it_is_used() {
    let mut b = B::new("index: speed_index\noutput: speed_index\npercentile: 85\nwarm_up: 1d\n");
    // A day of 20 % jam at 12 km/h and 52 km/h else.
    for i in 0..288i64 {
        let speed = if i % 5 == 0 { 12.0 } else { 52.0 };
        b.say(i * 5 * M, 0, Said::Values(&[(0, speed)]));
    }
    assert_eq!(got(&b), []);
    b.say(24 * H, 0, Said::Values(&[(0, 26.0)]));
    let (t, v) = got(&b)[0];
    assert!(t == 24 * H && (47.0..=52.0).contains(&v), "{v}");
    assert!(b.kind.heap_bytes(&b.state) <= 152);
    assert!(b.evidence().facts.iter().any(|f| &*f.name == "free flow"));
}

#[test]
fn a_derived_value_may_have_levels_and_raises_nothing_without() {
    let levels = "levels:\n  - { severity: major, raise: \"> 150\", clear: \"<= 100\" }\n";
    let mut with = B::new(&format!("{HOUR}{levels}"));
    let mut without = B::new(HOUR);
    for (h, v) in [(0, 90.0), (1, 90.0), (2, 90.0), (3, 1.0), (4, 1.0), (5, 1.0)] {
        hour(&mut with, h, &[(PM25, v)]);
        hour(&mut without, h, &[(PM25, v)]);
    }
    with.time(7 * H);
    without.time(7 * H);
    // 90 → 157. Nowcast of a sudden clear air halves: 45.5, 23.25, …
    assert_eq!(with.levels(), [(2 * H, 1), (4 * H, 0)]);
    assert_eq!((without.levels(), got(&without)), (vec![], got(&with)));
    assert!(without.ladder.levels.is_empty());
}

#[test]
fn reads_what_it_prints() {
    for text in [
        HOUR,
        &format!("{DAY}completeness: 55\nevery: 10m\ngrace: 5m\nlevels: []\n"),
        "index: heat_index\noutput: heat_index\nfresh: 2h\nlevels:\n  \
         - { severity: minor, raise: \">= 41\", clear: \"< 40 °C\" }\nfor: 30m\n",
        "index: speed_index\noutput: speed_index\nfree_flow: congestion.slow\n",
        "index: speed_index\noutput: speed_index\nfree_flow: 47.5\n",
        "index: speed_index\noutput: speed_index\npercentile: 90\nwarm_up: 12h\n",
        "index: occupancy\noutput: parking_occupancy\n",
        "value: \"max(0, pm10 - pm25)\"\noutput: no2\n",
        "value: \"(parking_total - parking_free) / parking_total * 100\"\n\
         output: parking_occupancy\nfresh: 5m\n",
    ] {
        B::new(text).reads_back().expect("the same rule");
    }
}

#[test]
fn the_state_comes_back_from_a_checkpoint() {
    let mut b = B::new(HOUR);
    hour(&mut b, 0, &[(PM25, 31.0), (O3, 80.5)]);
    hour(&mut b, 1, &[(PM25, 33.0)]);
    b.say(2 * H + M, 0, Said::Values(&[(PM10, 12.5)]));
    let bytes = postcard::to_stdvec(&b.state).expect("to bytes");
    let again: DerivedState = postcard::from_bytes(&bytes).expect("from bytes");
    assert_eq!(again, b.state);
    assert!(size_of::<DerivedState>() <= 128, "{}", size_of::<DerivedState>());
}

#[test]
fn all_mistakes_are_told_at_once_with_their_places() {
    let mistakes = |text: &str| B::load(text).err().unwrap_or_default();
    assert_eq!(
        mistakes("index: vn_aqi_our\noutput: vn_aqui\nfresh: 1h\n"),
        "t.yaml:2:9: unknown property `vn_aqui`\n  hint: did you mean `vn_aqi`?\n\
         t.yaml:1:8: unknown index `vn_aqi_our`\n  hint: did you mean `vn_aqi_hour`?\n\
         t.yaml:3:1: unknown field `fresh`\n  hint: one of: index, levels, output, value"
    );
    assert_eq!(
        mistakes("index: vn_aqi_hour\noutput: pm25\ncompleteness: 0\ngrace: 2h\nevery: 2h\n"),
        "t.yaml:3:15: expected a share of 1 to 100 %, found 0\n\
         t.yaml:5:8: expected whole seconds up to 1h\n\
         t.yaml:4:8: at most 30m: the index of an hour may not wait for the next"
    );
    assert_eq!(
        mistakes("index: vn_aqi_hour\noutput: pm25\n"),
        "t.yaml:2:9: `pm25` would be computed from itself\n  \
         hint: add a property of its own to properties.yaml"
    );
    assert_eq!(
        mistakes("index: heat_index\noutput: speed_index\n"),
        "t.yaml:2:9: `speed_index` is in `%`, the value is in `°C`\n  \
         hint: properties in that unit: heat_index, temperature"
    );
    assert_eq!(
        mistakes(
            "index: speed_index\noutput: speed_index\nfree_flow: heat.notice\npercentile: 9\n"
        ),
        "t.yaml:4:13: with `free_flow` nothing is learned\n  hint: leave one of them out\n\
         t.yaml:3:12: the threshold `heat.notice` is in `°C`, not in km/h"
    );
    assert_eq!(
        mistakes("value: \"pm25 + pm26\"\noutput: vn_aqi\n"),
        "t.yaml:1:8: unknown name `pm26` (character 8)\n  hint: did you mean `pm25`?"
    );
    assert_eq!(
        mistakes("value: \"pm25 * 2\"\noutput: vn_aqi\n"),
        "t.yaml:2:9: `vn_aqi` is in ``, the value is in `µg/m³`\n  hint: properties in that unit: \
         co, no2, o3, pm10, pm25, so2"
    );
    assert_eq!(
        mistakes("value: \"hour * 2.0\"\noutput: vn_aqi\n"),
        "t.yaml:1:8: the expression looks at no property, so it would never be computed"
    );
    assert!(mistakes("output: vn_aqi\n").contains("`index` is missing"));
}

/// The test that the shipped rule carries, on the same numbers.
#[test]
fn oppressive_heat_raises_after_half_an_hour() {
    let mut b = B::new(
        "index: heat_index\noutput: heat_index\nlevels:\n  \
         - { severity: minor, raise: \">= 41\", clear: \"< 40\" }\n  \
         - { severity: major, raise: \">= 52\", clear: \"< 51\" }\nfor: 30m\nclear_for: 30m\n",
    );
    b.say(0, 0, Said::Values(&[(0, 35.0), (1, 65.0)]));
    b.say(20 * M, 0, Said::Values(&[(0, 35.0), (1, 64.0)]));
    b.say(40 * M, 0, Said::Values(&[(0, 30.0), (1, 60.0)]));
    b.time(80 * M);
    assert_eq!(b.levels(), [(30 * M, 1), (70 * M, 0)]);
    let values: Vec<f64> = got(&b).iter().map(|(_, v)| (v * 10.0).round() / 10.0).collect();
    assert_eq!(values, [47.6, 47.1, 32.8]);
}
