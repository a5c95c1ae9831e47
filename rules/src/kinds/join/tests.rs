use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::kinds::bench::{Bench, T0};

type Join = Bench<JoinRule>;

const RAIN_AND_FLOOD: &str = "
inputs:
  - { name: rain, property: rain_intensity, is: \">= 30 mm/h\", fresh: 20m }
  - { name: depth, property: flood_depth, is: \">= 0.1 m\", fresh: 30m }
severity: major
";

/// A device says a value of an input; time as a whole moves first.
fn say(bench: &mut Join, t_s: i64, device: &str, input: u8, value: f64) {
    bench.time(t_s * 1000);
    late(bench, t_s, device, input, value);
}

/// As [`say`], but time does not move.
fn late(bench: &mut Join, t_s: i64, device: &str, input: u8, value: f64) {
    let (t, name): (i64, Name) = (T0 + t_s * 1000, device.into());
    let said = Said::Values(&[(input, value)]);
    let message =
        Message { t, received: t, clamped: false, bad: false, device: 0, name: &name, said };
    bench.message(&message);
}

fn seen(bench: &Join) -> Vec<(i64, u8)> {
    bench.levels().into_iter().map(|(t, l)| (t / 1000, l)).collect()
}

#[test]
fn the_worked_timeline_of_the_manual() {
    let mut bench: Join = Bench::new(RAIN_AND_FLOOD);
    let minute = 60;
    say(&mut bench, 0, "rain-03", 0, 45.0);
    say(&mut bench, 5 * minute, "tower-a", 1, 0.04);
    say(&mut bench, 10 * minute, "tower-b", 1, 0.25);
    say(&mut bench, 15 * minute, "rain-03", 0, 12.0);
    say(&mut bench, 20 * minute, "rain-03", 0, 60.0);
    bench.time(60 * minute * 1000);
    // The rain of 20 min is stale at 40 min, as the depth of 10 min.
    assert_eq!(
        seen(&bench),
        [(10 * minute, 1), (15 * minute, 0), (20 * minute, 1), (40 * minute, 0)]
    );
    assert_eq!(bench.kind.deadline(&bench.state, &bench_context(&bench)), None);
}

/// A context for calls that need none of it.
fn bench_context(_: &Join) -> Context<'static> {
    let city: &'static crate::ruleset::CityView = Box::leak(Box::default());
    Context { now: T0, listening_since: T0, cadence_s: 0, device: None, city }
}

#[test]
fn a_message_names_what_holds_with_its_value() {
    let mut bench: Join = Bench::new(RAIN_AND_FLOOD);
    say(&mut bench, 0, "rain-03", 0, 45.04);
    say(&mut bench, 10, "tower-a", 1, 0.31);
    say(&mut bench, 20, "tower-b", 1, 0.12);
    say(&mut bench, 30, "tower-c", 1, 0.0);
    let shown = bench.shown();
    assert_eq!(shown.detail.vi, "Cường độ mưa 45,0 mm/h; Độ sâu ngập 0,31 m");
    assert_eq!(shown.detail.en, "Rain intensity 45.0 mm/h; Flood depth 0.31 m");
    let evidence = bench.evidence();
    let told: Vec<(&str, f64)> = evidence.readings.iter().map(|r| (&*r.device, r.value)).collect();
    let expect = [("rain-03", 45.04), ("tower-a", 0.31), ("tower-b", 0.12), ("tower-c", 0.0)];
    assert_eq!(told, expect);
    let fact = |name: &str| evidence.facts.iter().find(|f| &*f.name == name).and_then(|f| f.value);
    assert_eq!(fact("depth.devices"), Some(3.0));
    assert_eq!(fact("depth.agreeing"), Some(2.0));
    assert_eq!(fact("rain.holds"), Some(1.0));
}

#[test]
fn only_so_many_inputs_need_to_hold() {
    let yaml = "
inputs:
  - { property: rain_intensity, is: \">= 30\" }
  - { property: flood_depth, is: \">= 0.1\" }
  - { property: water_level, is: \">= 2\" }
at_least: 2
severity: minor
";
    let mut bench: Join = Bench::new(yaml);
    say(&mut bench, 0, "a", 0, 30.0);
    say(&mut bench, 10, "b", 2, 2.5);
    say(&mut bench, 20, "a", 0, 0.0);
    say(&mut bench, 30, "c", 1, 0.1);
    assert_eq!(seen(&bench), [(10, 1), (20, 0), (30, 1)]);
    assert_eq!(bench.shown().value, Some(2.0));
}

#[test]
fn each_device_is_compared_with_its_own_limit() {
    let yaml = "
inputs:
  - { property: water_level, is: \">= flood.bd1\" }
  - { property: rain_intensity, is: \">= 30\" }
severity: minor
";
    let mut bench: Join = Bench::new(yaml);
    say(&mut bench, 0, "rain-1", 1, 50.0);
    say(&mut bench, 10, "unknown", 0, 99.0); // It has no limit.
    say(&mut bench, 20, "river-ai-nghia", 0, 2.0); // BĐ1 6.5 m there,
    assert_eq!(seen(&bench), []);
    say(&mut bench, 30, "river-cam-le", 0, 2.0); // 1.0 m here.
    assert_eq!(seen(&bench), [(30, 1)]);
}

#[test]
fn a_value_that_comes_late_does_not_turn_time_back() {
    let mut bench: Join = Bench::new(RAIN_AND_FLOOD);
    say(&mut bench, 100, "rain-1", 0, 45.0);
    late(&mut bench, 95, "tower-a", 1, 0.5);
    assert_eq!(seen(&bench), [(100, 1)], "told at the newest moment");
    late(&mut bench, 90, "tower-a", 1, 0.0);
    assert_eq!(seen(&bench), [(100, 1)], "older than what the device said last");
    late(&mut bench, -5_000, "tower-b", 1, 0.5);
    assert_eq!(bench.state.sides[1].len(), 1, "stale on arrival");
}

#[test]
fn what_went_stale_before_a_message_is_told_before_it() {
    let mut bench: Join = Bench::new(RAIN_AND_FLOOD);
    say(&mut bench, 0, "rain-1", 0, 45.0);
    say(&mut bench, 60, "tower-a", 1, 0.5);
    // No timer rang meanwhile: the engine feeds groups as messages arrive.
    late(&mut bench, 1_500, "tower-b", 1, 0.5);
    assert_eq!(seen(&bench), [(60, 1), (1_200, 0)]);
}

#[test]
fn further_devices_than_the_bound_are_counted() {
    let mut bench: Join = Bench::new(RAIN_AND_FLOOD);
    for i in 0..MOST / 2 + 7 {
        late(&mut bench, 0, &format!("d{i:05}"), 1, 0.5);
    }
    assert_eq!(bench.state.sides[1].len(), MOST / 2);
    assert_eq!(bench.state.sides[1].left_out, 7);
    assert!(bench.kind.heap_bytes(&bench.state) <= MOST * 40 + 1_000);
    let fact = bench.evidence().facts.into_iter().find(|f| &*f.name == "depth.left_out");
    assert_eq!(fact.and_then(|f| f.value), Some(7.0));
}

#[test]
fn reads_back_what_it_prints() {
    let where_any = "where: { service: any, kinds: [rain_gauge], areas: [hai_chau] }";
    for yaml in [
        RAIN_AND_FLOOD.to_owned(),
        format!("{RAIN_AND_FLOOD}at_least: 1\nfor: 5m\nclear_for: 10m\n"),
        format!(
            "inputs:\n- {{ name: a, property: rainfall, is: \"> 5\", take: mean, {where_any} }}\n\
             - {{ name: b, property: rainfall, is: \"< 500\", take: all, \
             where: {{ service: [river, rain_flood], devices: [rain-01] }} }}\n\
             - {{ property: water_level, is: \">= flood.bd1 - 0.2\", fresh: 2h }}\nseverity: info\n"
        ),
    ] {
        let bench: Join = Bench::new(&yaml);
        bench.reads_back().expect(&yaml);
    }
}

#[test]
fn tells_all_mistakes_with_hints() {
    let yaml = "
inputs:
  - { property: rain_intensity, is: \">= 600 mm/h\" }
  - { property: flood_dept, is: \">= 0.1 m\", take: most, fresh: soon }
  - { property: water_level, is: \">= flood.bd1\", take: mean }
  - { name: \"a b\", property: humidity, is: \">= 0\", where: { kinds: [rain_gauges] } }
at_least: 9
severity: major
";
    let all = Join::load(yaml).err().unwrap_or_default();
    for part in [
        "t.yaml:3:37: no value can satisfy this\n  hint: `rain_intensity` is 0 to 500: the rule can never fire",
        "unknown property `flood_dept`\n  hint: did you mean `flood_depth`?",
        "unknown `take` `most`\n  hint: one of: all, any, max, mean, min",
        "`soon` is not a span of time",
        "this threshold has values for single devices only\n  hint: take `any` or `all`",
        "`a b` is not a valid name",
        "every value satisfies this\n  hint: `humidity` is 0 to 100: the rule can never clear",
        "unknown device kind `rain_gauges`\n  hint: did you mean `rain_gauge`?",
        "expected a whole number from 1 to 8, found 9",
    ] {
        assert!(all.contains(part), "{part}\nnot in\n{all}");
    }
    let again = RAIN_AND_FLOOD.replace("name: depth", "name: rain") + "at_least: 3\n";
    let all = Join::load(&again).err().unwrap_or_default();
    assert!(all.contains("the input `rain` is there twice"), "{all}");
    assert!(all.contains("there are only 2 inputs: the rule can never fire"), "{all}");
    let one = "inputs:\n- { property: rainfall, is: \"> 5\" }\nseverity: info";
    let all = Join::load(one).err().unwrap_or_default();
    assert!(all.contains("expected 2 to 8 inputs, found 1"), "{all}");
}

/// Whether the rule holds at `t`, from everything that was said until then.
fn naive(said: &[(i64, usize, u8, f64)], t: i64, takes: [&str; 2], fresh: [i64; 2]) -> bool {
    (0..2u8).all(|input| {
        let i = usize::from(input);
        let mut last: BTreeMap<usize, (i64, f64)> = BTreeMap::new();
        for (at, device, _, value) in said.iter().filter(|s| s.0 <= t && s.2 == input) {
            last.insert(*device, (*at, *value));
        }
        let values: Vec<f64> =
            last.values().filter(|(at, _)| at + fresh[i] > t).map(|(_, v)| *v).collect();
        let holds = |v: f64| if input == 0 { v >= 30.0 } else { v < 0.5 };
        !values.is_empty()
            && match takes[i] {
                "any" => values.iter().any(|v| holds(*v)),
                "all" => values.iter().all(|v| holds(*v)),
                "max" => holds(values.iter().copied().fold(f64::NEG_INFINITY, f64::max)),
                "min" => holds(values.iter().copied().fold(f64::INFINITY, f64::min)),
                _ => holds(values.iter().sum::<f64>() / values.len() as f64),
            }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn agrees_with_the_whole_history_at_every_moment(
        said in prop::collection::vec((0i64..8, 0usize..4, 0u8..2, 0u8..5), 1..40),
        takes in (0usize..5, 0usize..5),
        fresh_s in (1i64..20, 1i64..20),
        restart in 0usize..40,
    ) {
        let words = ["any", "all", "max", "min", "mean"];
        let (takes, fresh) = ([words[takes.0], words[takes.1]], [fresh_s.0, fresh_s.1]);
        let yaml = format!(
            "inputs:\n- {{ property: rain_intensity, is: \">= 30\", take: {}, fresh: {}500ms }}\n\
             - {{ property: flood_depth, is: \"< 0.5\", take: {}, fresh: {}500ms }}\nseverity: info",
            takes[0], fresh[0], takes[1], fresh[1]
        );
        let mut bench: Join = Bench::new(&yaml);
        let mut t = 0;
        let mut history = Vec::new();
        for (i, (wait, device, input, value)) in said.into_iter().enumerate() {
            t += wait + 1;
            let value = if input == 0 { 10.0 * f64::from(value) } else { 0.25 * f64::from(value) };
            say(&mut bench, t, &format!("d{device}"), input, value);
            history.push((t * 2, device, input, value));
            if i == restart {
                let bytes = postcard::to_allocvec(&bench.state).expect("a state");
                bench.state = postcard::from_bytes(&bytes).expect("the same state");
            }
        }
        let end = t + 25;
        bench.time(end * 1000);
        let (mut level, mut expect) = (0, Vec::new());
        // Readings at whole seconds, ends of freshness at half ones: no two things at once.
        let halves = fresh.map(|f| f * 2 + 1);
        for half in 0..=end * 2 {
            let now = u8::from(naive(&history, half, takes, halves));
            if now != level {
                level = now;
                expect.push((half * 500, now));
            }
        }
        prop_assert_eq!(bench.levels(), expect, "{}", yaml);
        prop_assert!(bench.state.sides.iter().all(|m| m.len() == 0 && m.on() == 0));
    }
}
