use proptest::prelude::*;

use super::naive::{NaiveStep, alerts};
use super::{MOST_KEYS, PatternRule};
use crate::kinds::bench::{Bench, T0};
use crate::kinds::events::tests::event;
use crate::kinds::{Message, Operator, Said};

type Pattern = Bench<PatternRule>;

/// Readings (seconds, value) of the first input.
fn heard(yaml: &str, readings: &[(i64, f64)]) -> Pattern {
    let mut b = Bench::new(yaml);
    for (s, v) in readings {
        b.value(s * 1000, *v);
    }
    b
}

/// Level changes in seconds, after the time has passed.
fn seconds(b: &mut Pattern, until: i64) -> Vec<(i64, u8)> {
    b.time(until * 1000);
    b.levels().into_iter().map(|(t, level)| (t / 1000, level)).collect()
}

const THEN: &str = r#"
steps:
  - { property: rain_intensity, is: ">= 25" }
  - { property: rain_intensity, is: "< 5", within: 300s }
hold: 600s
severity: minor
"#;

#[test]
fn the_last_first_step_before_the_second_counts() {
    // The timeline of the documentation.
    let mut b = heard(THEN, &[(0, 30.0), (200, 26.0), (400, 2.0), (450, 1.0), (500, 1.0)]);
    assert_eq!(seconds(&mut b, 1_049), [(400, 1)]);
    assert_eq!(seconds(&mut b, 1_050), [(400, 1), (1_050, 0)], "the match of 450 s holds it");
    // At 500 s the second step comes exactly 300 s after the first: too late.
    let shown = b.shown();
    assert_eq!(shown.duration_ms, Some(250_000));
    assert_eq!(
        shown.detail.en,
        "Rain intensity >= 25 mm/h at 00:03:20 → Rain intensity < 5 mm/h at 00:07:30"
    );
    assert_eq!(
        shown.detail.vi,
        "Cường độ mưa >= 25 mm/h lúc 00:03:20 → Cường độ mưa < 5 mm/h lúc 00:07:30"
    );
    let readings = b.evidence().readings;
    let told: Vec<_> = readings.iter().map(|r| ((r.time.0 - T0) / 1000, r.value)).collect();
    assert_eq!(told, [(200, 26.0), (450, 1.0)]);
    assert_eq!((&*readings[0].property, &*readings[0].device), ("rain_intensity", "d0"));
}

#[test]
fn three_steps_come_in_their_order_only() {
    let yaml = r#"
steps:
  - { property: water_level, is: ">= 1" }
  - { property: water_level, is: ">= 2", within: 60s }
  - { property: water_level, is: ">= 3", within: 60s }
hold: 10s
severity: minor"#;
    // A single high reading is one step, not three.
    let mut b = heard(yaml, &[(0, 3.5), (10, 3.5)]);
    assert_eq!(seconds(&mut b, 20), []);
    let mut b = heard(yaml, &[(0, 3.5), (10, 3.5), (20, 3.5)]);
    assert_eq!(seconds(&mut b, 60), [(20, 1), (30, 0)]);
    let mut b = heard(yaml, &[(0, 1.0), (50, 2.0), (100, 3.0)]);
    assert_eq!(seconds(&mut b, 105), [(100, 1)], "each step has its own time");
    let mut b = heard(yaml, &[(0, 2.0), (50, 1.0), (100, 3.0)]);
    assert_eq!(seconds(&mut b, 200), []);
}

const WITHOUT: &str = r#"
steps:
  - { property: salinity, is: ">= 1", name: { vi: "cửa thu nước mặn", en: "salty intake" } }
  - property: salinity
    is: "< 0.5"
    within: 600s
    absent: true
    name: { vi: "nước ngọt", en: "fresh water" }
hold: 1h
severity: major
"#;

#[test]
fn a_without_b_raises_at_the_deadline_of_the_first_a() {
    // The timeline of the documentation: further As do not put the deadline off.
    let mut b = heard(WITHOUT, &[(0, 1.2), (300, 1.4)]);
    assert_eq!(seconds(&mut b, 599), []);
    let evidence = b.evidence();
    let fact = |name: &str| evidence.facts.iter().find(|f| &*f.name == name).cloned();
    assert_eq!(fact("awaited_step").and_then(|f| f.value), Some(2.0));
    assert_eq!(fact("awaited").and_then(|f| f.text).as_deref(), Some("no fresh water"));
    assert_eq!((evidence.timers[0].until.0 - T0) / 1000, 600);
    b.value(700_000, 0.8);
    assert_eq!(seconds(&mut b, 899), [(600, 1)]);
    assert_eq!(b.shown().detail.en, "salty intake at 00:00:00 → no fresh water for 10 min");
    assert_eq!(
        b.shown().detail.vi,
        "cửa thu nước mặn lúc 00:00:00 → không có nước ngọt trong 10 phút"
    );
    // What was missing comes: over at once.
    b.value(1_000_000, 0.3);
    assert_eq!(seconds(&mut b, 9_999), [(600, 1), (1_000, 0)]);
}

#[test]
fn b_in_time_or_in_the_same_message_refutes() {
    let mut b = heard(WITHOUT, &[(0, 1.2), (100, 1.2), (599, 0.3)]);
    assert_eq!(seconds(&mut b, 9_999), []);
    let mut b = heard(WITHOUT, &[(0, 1.2), (600, 0.3)]);
    assert_eq!(seconds(&mut b, 9_999), [(600, 1), (600, 0)], "a deadline comes before a reading");
    let yaml = r#"
steps:
  - { property: speed, is: "< 5" }
  - { property: occupancy, is: "< 10", within: 60s, absent: true }
severity: minor"#;
    let mut b = Bench::<PatternRule>::new(yaml);
    b.say(0, 0, Said::Values(&[(0, 3.0), (1, 5.0)]));
    assert_eq!(seconds(&mut b, 999), []);
    b.say(1_000_000, 0, Said::Values(&[(0, 3.0), (1, 50.0)]));
    assert_eq!(seconds(&mut b, 1_100), [(1_060, 1)]);
}

#[test]
fn nobody_listening_is_no_absence() {
    let mut b = heard(WITHOUT, &[(0, 1.2)]);
    b.listening_since = T0 + 500_000;
    assert_eq!(seconds(&mut b, 1_099), []);
    assert_eq!(seconds(&mut b, 1_100), [(1_100, 1)]);
}

#[test]
fn n_times_within_a_span_slides() {
    let yaml = "
steps: [{ detects: wrong_way, times: 3, within: 60s }]
hold: 30s
severity: minor";
    let mut b = Bench::<PatternRule>::new(yaml);
    let see = |b: &mut Pattern, s: i64, key: u64| {
        b.detect(s * 1000, &event("wrong_way", "bridge", None), key);
    };
    for (s, key) in [(0, 1), (50, 2), (60, 3)] {
        see(&mut b, s, key);
    }
    assert_eq!(seconds(&mut b, 60), [], "the first is just out of the span");
    see(&mut b, 61, 3);
    assert_eq!(seconds(&mut b, 61), [], "the same event told again");
    let facts = b.evidence().facts;
    let number = |name: &str| facts.iter().find(|f| &*f.name == name).and_then(|f| f.value);
    assert_eq!((number("times_so_far"), number("times_needed")), (Some(2.0), Some(3.0)));
    see(&mut b, 70, 4);
    assert_eq!(seconds(&mut b, 200), [(70, 1), (100, 0)]);
    let shown = b.shown();
    assert_eq!((shown.value, shown.duration_ms), (Some(3.0), Some(20_000)));
    assert_eq!(shown.detail.en, "3 times wrong_way (00:00:50–00:01:10)");
    let evidence = b.evidence();
    let times: Vec<i64> = evidence.readings.iter().map(|r| (r.time.0 - T0) / 1000).collect();
    assert_eq!(times, [50, 61, 70]);
    assert_eq!(&*evidence.readings[0].property, "event.wrong_way");
}

#[test]
fn several_times_after_a_step_count_from_the_start_that_reaches_them() {
    // The newest start alone would miss this: its second time comes too late.
    let yaml = r#"
steps:
  - { property: speed, is: ">= 100" }
  - { property: speed, is: "< 10", times: 2, within: 20s }
severity: minor"#;
    let mut b = heard(yaml, &[(0, 120.0), (5, 3.0), (6, 110.0), (18, 4.0)]);
    assert_eq!(seconds(&mut b, 18), [(18, 1)]);
    let readings = b.evidence().readings;
    let times: Vec<i64> = readings.iter().map(|r| (r.time.0 - T0) / 1000).collect();
    assert_eq!(times, [0, 5, 18]);
    let mut b = heard(yaml, &[(0, 120.0), (5, 3.0), (6, 110.0), (21, 4.0)]);
    assert_eq!(seconds(&mut b, 21), []);
}

const KEYED: &str = "
steps:
  - { detects: zone_entered, zones: gate }
  - { detects: zone_entered, zones: yard, within: 60s }
key: object
hold: 10s
severity: major";

#[test]
fn each_object_has_its_own_sequence() {
    let mut b = Bench::<PatternRule>::new(KEYED);
    let enter = |b: &mut Pattern, s: i64, zone: &str, id: &str| {
        b.detect(s * 1000, &event("zone_entered", zone, Some(id)), 0);
    };
    enter(&mut b, 0, "gate", "a");
    enter(&mut b, 10, "yard", "b");
    assert_eq!(seconds(&mut b, 10), [], "another one");
    enter(&mut b, 20, "gate", "b");
    enter(&mut b, 30, "yard", "a");
    assert_eq!(seconds(&mut b, 30), [(30, 1)]);
    enter(&mut b, 35, "yard", "b");
    assert_eq!(seconds(&mut b, 99), [(30, 1), (45, 0)], "one alert, held by the last match");
    let detail = b.shown().detail.en;
    assert_eq!(detail, "b: zone_entered gate at 00:00:20 → zone_entered yard at 00:00:35");
}

#[test]
fn the_sequence_that_has_not_moved_for_longest_is_dropped() {
    let mut b = Bench::<PatternRule>::new(KEYED);
    let keys = MOST_KEYS as i64;
    for i in 0..keys {
        b.detect(i, &event("zone_entered", "gate", Some(&format!("o{i}"))), 0);
    }
    // o0 moves again, so o1 makes place for the new one.
    b.detect(keys, &event("zone_entered", "gate", Some("o0")), 0);
    b.detect(keys + 1, &event("zone_entered", "gate", Some("new")), 0);
    b.detect(keys + 2, &event("zone_entered", "yard", Some("o1")), 0);
    assert_eq!(b.levels(), []);
    b.detect(keys + 3, &event("zone_entered", "yard", Some("o0")), 0);
    assert_eq!(b.levels().len(), 1);
    for i in 0..10_000 {
        b.detect(1_000 + i, &event("zone_entered", "gate", Some(&format!("p{i}"))), 0);
    }
    let bytes = b.kind.heap_bytes(&b.state);
    assert!(bytes < 64 * 512, "{bytes}");
}

#[test]
fn a_refuted_key_leaves_the_alert_of_another() {
    let yaml = "
steps:
  - { detects: object_abandoned }
  - { detects: object_removed, within: 60s, absent: true }
key: zone
hold: 10m
severity: major";
    let mut b = Bench::<PatternRule>::new(yaml);
    b.detect(0, &event("object_abandoned", "hall", None), 1);
    b.detect(10_000, &event("object_abandoned", "gate", None), 2);
    b.time(80_000);
    b.detect(90_000, &event("object_removed", "hall", None), 3);
    assert_eq!(seconds(&mut b, 100), [(60, 1)], "the gate's is still there");
    b.detect(110_000, &event("object_removed", "gate", None), 4);
    assert_eq!(seconds(&mut b, 120), [(60, 1), (110, 0)]);
}

#[test]
fn alerts_of_other_rules_are_steps() {
    let yaml = "
steps:
  - { rule: rain.heavy }
  - { rule: rain.heavy, is: cleared, within: 10m }
  - { rule: river.rise, is: raised, within: 30m }
hold: 1m
severity: major";
    let mut b = Bench::<PatternRule>::new(yaml);
    assert_eq!(b.kind.inputs().len(), 2, "two steps share an input");
    for (s, input, entity, level) in [
        (0, 0, 5, 1),
        (10, 0, 5, 2), // a change of severity is no new alert
        (20, 0, 5, 0),
        (30, 1, 5, 0), // it was not active
        (40, 1, 5, 1),
    ] {
        b.say(s * 1000, 0, Said::Rule { input, entity, level });
    }
    assert_eq!(seconds(&mut b, 41), [(40, 1)]);
    let readings = b.evidence().readings;
    let told: Vec<_> = readings.iter().map(|r| ((r.time.0 - T0) / 1000, &*r.property)).collect();
    assert_eq!(told, [(0, "rule.rain.heavy"), (20, "rule.rain.heavy"), (40, "rule.river.rise")]);
}

#[test]
fn steps_on_events_may_look_at_other_devices() {
    let yaml = "
steps:
  - { detects: crowd, where: { service: any, devices: [cam-cau-rong-tay] } }
  - { detects: crowd, where: { service: any, devices: [crowd-apec] }, within: 60s }
severity: minor";
    let mut b = Bench::<PatternRule>::new(yaml);
    b.reads_back().expect("prints what it reads");
    let see = |b: &mut Pattern, s: i64, device: &str| {
        let (name, d) = (device.into(), event("crowd", "x", None));
        let t = T0 + s * 1000;
        let said = Said::Detection(&d, s as u64);
        let (clamped, bad) = (false, false);
        b.message(&Message { t, received: t, clamped, bad, device: 0, name: &name, said });
    };
    see(&mut b, 0, "cam-cau-rong-tay");
    see(&mut b, 1, "cam-cau-rong-tay");
    see(&mut b, 2, "elsewhere");
    assert_eq!(b.levels(), []);
    see(&mut b, 3, "crowd-apec");
    assert_eq!(b.levels(), [(3_000, 1)]);
    // A device that both steps look at is told of twice, but it was one event.
    let yaml = yaml.replace("crowd-apec", "cam-cau-rong-tay");
    let mut b = Bench::<PatternRule>::new(&yaml);
    see(&mut b, 1, "cam-cau-rong-tay");
    see(&mut b, 1, "cam-cau-rong-tay");
    assert_eq!(b.levels(), []);
    see(&mut b, 2, "cam-cau-rong-tay");
    assert_eq!(b.levels(), [(2_000, 1)]);
}

#[test]
fn stragglers_of_a_group_refute_until_the_grace_is_over() {
    let yaml = format!("{WITHOUT}grace: 5s\n");
    let say = |b: &mut Pattern, s: i64, device: u32, value: f64| {
        let name = format!("d{device}").into();
        let (t, said) = (T0 + s * 1000, Said::Values(&[(0, value)]));
        // The second input has the same property.
        let (clamped, bad) = (false, false);
        b.message(&Message { t, received: t, clamped, bad, device, name: &name, said });
    };
    let mut b = Bench::<PatternRule>::new(&yaml);
    b.value(0, 1.2).time(604_000);
    say(&mut b, 599, 2, 0.3);
    assert_eq!(seconds(&mut b, 9_999), [], "heard late, but seen in time");
    let mut b = Bench::<PatternRule>::new(&yaml);
    b.value(0, 1.2).time(604_000);
    say(&mut b, 602, 2, 0.3);
    assert_eq!(seconds(&mut b, 604), [], "in grace");
    assert_eq!(seconds(&mut b, 9_999)[0], (600, 1), "it came after the deadline");
    // A start that is heard after what refutes it.
    let mut b = Bench::<PatternRule>::new(&yaml);
    say(&mut b, 102, 2, 0.3);
    say(&mut b, 100, 1, 1.2);
    assert_eq!(seconds(&mut b, 9_999), []);
}

#[test]
fn starts_that_crowd_share_a_wait_but_the_first_and_the_last_do_not() {
    // A gate that says every second that it is open, for 20 minutes.
    let mut b = Bench::<PatternRule>::new(WITHOUT);
    for s in 0..=1_200 {
        b.value(s * 1000, 2.0);
        let marks = b.state.sequences[0].slots[1].marks.len();
        assert!(marks <= 18, "{marks}");
    }
    let got = seconds(&mut b, 100_000);
    assert_eq!(got, [(600, 1), (1_200 + 600 + 3_600, 0)]);
}

#[test]
fn a_pattern_without_a_start_keeps_nothing() {
    let mut b = heard(THEN, &[]);
    for s in 0..1_000 {
        b.value(s * 1000, 2.0);
    }
    assert_eq!(b.kind.heap_bytes(&b.state), 0);
    assert!(size_of::<super::PatternState>() <= 88, "{}", size_of::<super::PatternState>());
    b.value(1_000_000, 30.0);
    let bytes = b.kind.heap_bytes(&b.state);
    assert!(bytes <= 4 * size_of::<super::Sequence>() + 2 * 104, "{bytes}");
    assert!(size_of::<super::sequence::Slot>() <= 104, "{}", size_of::<super::sequence::Slot>());
}

#[test]
fn reads_back_what_it_prints() {
    let rich = r#"
steps:
  - { property: water_level, is: ">= flood.bd1 - 0.1", times: 3, within: 1h }
  - rule: rain.heavy
    is: cleared
    within: 90s
  - property: rain_intensity
    is: "> 0.5 mm/h"
    within: 90s
    where: { service: [river, rain_flood], areas: [hai_chau], kinds: [rain_gauge] }
  - { property: water_level, is: "< 0.5", absent: true, within: 2d, name: { vi: "x: 'y'", en: "z" } }
key: device
hold: 30m
grace: 7s
for: 5s
clear_for: 1m
severity: critical"#;
    let rich = rich.replace("key: device\n", "");
    for yaml in [THEN, WITHOUT, KEYED, &rich] {
        Bench::<PatternRule>::new(yaml).reads_back().expect(yaml);
    }
    let other = "
steps: [{ detects: [a, b], objects: car, min_confidence: 0.25, min_objects: 2, times: 2, within: 1s }]
key: class
severity: info";
    Bench::<PatternRule>::new(other).reads_back().expect(other);
}

fn told(yaml: &str, expect: &[&str]) {
    let errors = Bench::<PatternRule>::load(yaml).err().expect("mistakes");
    let n = errors.lines().filter(|l| l.starts_with("t.yaml")).count();
    assert_eq!(n, expect.len(), "{errors}");
    for e in expect {
        assert!(errors.contains(e), "{e} is not in:\n{errors}");
    }
}

#[test]
fn patterns_that_never_match_are_refused() {
    let steps = |a: &str, b: &str| format!("{{ steps: [{{ {a} }}, {{ {b} }}], severity: minor }}");
    let a = r#"property: humidity, is: ">= 50""#;
    let then = |b: &str| steps(a, b);
    told(&steps(&format!("{a}, absent: true"), &format!("{a}, within: 1m")), &["since when"]);
    told(
        &steps(&format!("{a}, within: 1m"), &format!("{a}, within: 1m")),
        &["nothing to begin at"],
    );
    told(&steps(&format!("{a}, times: 2"), &format!("{a}, within: 1m")), &["`within` is missing"]);
    told(&then(a), &["`within` is missing"]);
    told(&then(&format!("{a}, within: 0s")), &["too short"]);
    told(&then(r#"property: humidity, is: "> 100", within: 1m"#), &["is from 0 to 100"]);
    told(
        &then(r#"property: humidity, is: "> 40", within: 1m, absent: true"#),
        &["whatever is step 1 is also step 2"],
    );
    told(
        &then(&format!("{a}, within: 1m, absent: true, times: 2")),
        &["exclude each other", "whatever is step 1"],
    );
    told(&format!("{{ steps: [{{ {a} }}], severity: minor }}"), &["one step once"]);
    told(
        "{ steps: [{ detects: a, zones: x }, { detects: [a, b], within: 1m, absent: true }], \
         severity: minor }",
        &["whatever is step 1"],
    );
    let slow = format!(
        "{{ steps: [{{ {a} }}, {{ {a}, within: 1m }}], hold: 10s, for: 10s, \
                        severity: minor }}"
    );
    told(&slow, &["one match never raises"]);
    // Narrower, or of another zone: possible.
    for right in [
        then(r#"property: humidity, is: ">= 60", within: 1m, absent: true"#),
        then(r#"property: humidity, is: "< 50", within: 1m, absent: true"#),
        "{ steps: [{ detects: a }, { detects: a, zones: x, within: 1m, absent: true }], \
         severity: minor }"
            .to_owned(),
    ] {
        Bench::<PatternRule>::load(&right).map(|_| ()).expect(&right);
    }
}

#[test]
fn mistakes_are_told_all_at_once() {
    told(
        r#"
steps:
  - { property: humidty, is: ">= 50" }
  - { property: humidity, is: ">= 50 m", within: soon, tims: 2 }
  - { rule: a, property: humidity }
  - { rule: "a b", is: risen, within: 1m }
key: person
hold: 0s
severity: minor"#,
        &[
            "unknown property `humidty`",
            "the unit `m`",
            "not a span of time",
            "unknown field `tims`",
            "a step looks for one thing",
            "unknown change of a rule `risen`",
            "is not the id of a rule",
            "unknown key `person`",
            "too short",
        ],
    );
    told(
        r#"{ steps: [{ property: speed, is: "< 5" }, { rule: x, within: 1m }], key: zone,
             severity: minor }"#,
        &["only events have objects"],
    );
    told("{ steps: [], severity: minor }", &["1 to 8 steps"]);
    told(
        "{ steps: [{ rule: a }, { rule: b, within: 1m, where: { service: any } }], \
         severity: minor }",
        &["`where` is not for steps on rules"],
    );
}

/// Found by the property test below.
#[test]
fn what_must_be_absent_refutes_a_start_of_its_own_moment_heard_after_it() {
    let yaml = "steps: [{ property: speed, is: '>= 5' }, { property: speed, is: '<= 3', within: 1s, absent: true }]\nhold: 1s\nseverity: minor";
    let mut b = heard(yaml, &[(0, 0.0), (0, 5.0)]);
    assert_eq!(seconds(&mut b, 100), []);
    let mut b = heard(yaml, &[(0, 5.0), (0, 0.0)]);
    assert_eq!(seconds(&mut b, 100), []);
    let mut b = heard(yaml, &[(0, 0.0), (1, 5.0)]);
    assert_eq!(seconds(&mut b, 100), [(2, 1), (3, 0)]);
}

fn yaml_of(steps: &[NaiveStep], hold: i64) -> String {
    // A band of values needs two comparisons: the property test uses one side only.
    let mut out = "steps:\n".to_owned();
    for (i, s) in steps.iter().enumerate() {
        let is = if s.high > 100 { format!(">= {}", s.low) } else { format!("<= {}", s.high) };
        out += &format!("  - {{ property: speed, is: \"{is}\", absent: {}", s.absent);
        if s.times > 1 {
            out += &format!(", times: {}", s.times);
        }
        if i > 0 || s.times > 1 {
            out += &format!(", within: {}s", s.within);
        }
        out += " }\n";
    }
    format!("{out}hold: {hold}s\nseverity: minor\n")
}

fn any_step() -> impl Strategy<Value = NaiveStep> {
    let band =
        (0i64..6, any::<bool>()).prop_map(|(v, up)| if up { (v, 1_000) } else { (-1_000, v) });
    // Waits of at most 8 s: starts a second apart do not share one.
    (band, 1usize..4, 1i64..9, prop::bool::weighted(0.3)).prop_map(
        |((low, high), times, within, absent)| {
            let times = if absent { 1 } else { times };
            NaiveStep { low, high, times, within, absent }
        },
    )
}

/// Several streams on one bench, so far apart that one does not reach the next; what was left of
/// the one before must not matter. Level changes of each, from its beginning.
fn streams(b: &mut Pattern, all: &[Vec<(i64, i64)>]) -> Vec<Vec<(i64, u8)>> {
    const APART: i64 = 100_000;
    for (i, history) in all.iter().enumerate() {
        for (t, value) in history {
            b.value((i as i64 * APART + t) * 1000, *value as f64);
        }
    }
    let mut out = vec![Vec::new(); all.len()];
    for (t, level) in seconds(b, all.len() as i64 * APART) {
        out[(t / APART) as usize].push((t % APART, level));
    }
    out
}

fn any_streams(
    gap: std::ops::Range<i64>,
    value: std::ops::Range<i64>,
    most: usize,
) -> impl Strategy<Value = Vec<Vec<(i64, i64)>>> {
    let stream = prop::collection::vec((gap, value), 1..most).prop_map(|gaps| {
        let mut t = 0;
        let at = |(gap, value)| {
            t += gap;
            (t, value)
        };
        gaps.into_iter().map(at).collect()
    });
    prop::collection::vec(stream, 40)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 100,
        max_global_rejects: 10_000,
        ..ProptestConfig::default()
    })]

    /// Against a matcher that looks for every way through the whole history.
    #[test]
    fn equals_a_matcher_that_rescans_the_whole_history(
        steps in prop::collection::vec(any_step(), 1..5),
        hold in 1i64..12,
        all in any_streams(0..4, 0..6, 40),
    ) {
        prop_assume!(!steps[0].absent && (steps.len() > 1 || steps[0].times > 1));
        // Rules that are refused at load are not the matter here.
        let Ok(mut b) = Bench::<PatternRule>::load(&yaml_of(&steps, hold)) else {
            return Err(TestCaseError::reject("refused at load"));
        };
        let naive: Vec<_> = all.iter().map(|h| alerts(&steps, hold, h)).collect();
        prop_assert_eq!(streams(&mut b, &all), naive);
    }

    /// Crowded starts of a wait share one: no match is farther from one that counts than an
    /// eighth of the wait, so the alert is the same if it is held for longer than that.
    #[test]
    fn sharing_a_wait_changes_no_alert_that_is_held_for_an_eighth_of_it(
        within in 16i64..80,
        all in any_streams(1..4, 0..12, 120),
    ) {
        let steps = [
            NaiveStep { low: 1, high: 1_000, times: 1, within: 0, absent: false },
            NaiveStep { low: -1_000, high: 0, times: 1, within, absent: true },
        ];
        let hold = within / 8 + 4;
        let mut b = Bench::<PatternRule>::new(&yaml_of(&steps, hold));
        let naive: Vec<_> = all.iter().map(|h| alerts(&steps, hold, h)).collect();
        prop_assert_eq!(streams(&mut b, &all), naive);
    }

    /// What is read back from a checkpoint goes on as if nothing had happened.
    #[test]
    fn a_stored_state_goes_on(
        values in prop::collection::vec((0i64..20, 0i64..6), 2..40),
        cut in 0usize..40,
    ) {
        let yaml = yaml_of(&[
            NaiveStep { low: 3, high: 1_000, times: 2, within: 30, absent: false },
            NaiveStep { low: -1_000, high: 1, times: 1, within: 20, absent: true },
            NaiveStep { low: 2, high: 1_000, times: 1, within: 40, absent: false },
        ], 15);
        let mut one = Bench::<PatternRule>::new(&yaml);
        let mut other = Bench::<PatternRule>::new(&yaml);
        let mut t = 0;
        for (i, (gap, value)) in values.into_iter().enumerate() {
            t += gap * 1000;
            one.value(t, value as f64);
            if i == cut {
                let bytes = postcard::to_allocvec(&other.state).expect("a state is plain data");
                other.state = postcard::from_bytes(&bytes).expect("as it was written");
            }
            other.value(t, value as f64);
        }
        prop_assert_eq!(one.levels(), other.levels());
        prop_assert_eq!(one.state, other.state);
    }
}

/// `cargo test -p ioc-rules --lib two_step_pattern -- --ignored --nocapture`
#[test]
#[ignore = "a measurement, not a test"]
fn a_two_step_pattern_takes_so_long_per_reading() {
    const READINGS: u32 = 5_000_000;
    // Every reading that matches a step, every eighth, and what is matched each time.
    for (what, every, match_each) in
        [("rarely", 1_000, false), ("one in 8 matches a step", 8, false), ("each", 1, true)]
    {
        let b = Bench::<PatternRule>::new(THEN);
        let (kind, mut state) = (b.kind, b.state);
        let view = crate::ruleset::CityView::new(&crate::kinds::bench::city());
        let name = "rain-01".into();
        let begun = std::time::Instant::now();
        let mut verdicts = 0;
        for i in 0..READINGS {
            let t = T0 + i64::from(i) * 1000;
            let cx = crate::kinds::Context {
                now: t,
                listening_since: T0,
                cadence_s: 0,
                device: Some(&name),
                city: &view,
            };
            let value = match i % every {
                0 if !match_each || i % 2 == 0 => 30.0,
                0 => 1.0,
                _ => 10.0,
            };
            let mut out = crate::kinds::Verdicts::new();
            if kind.deadline(&state, &cx).is_some_and(|d| d <= t) {
                kind.wake(&mut state, &cx, t, &mut out);
            }
            let said = Said::Values(&[(0, value), (1, value)]);
            let (clamped, bad) = (false, false);
            let message = Message { t, received: t, clamped, bad, device: 0, name: &name, said };
            kind.feed(&mut state, &cx, &message, &mut out);
            verdicts += out.len();
        }
        let ns = begun.elapsed().as_nanos() / u128::from(READINGS);
        eprintln!("{what}: {ns} ns per reading, {verdicts} verdicts");
    }
}
