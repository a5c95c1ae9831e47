use proptest::prelude::*;

use super::*;
use crate::kinds::bench::{Bench, T0};

type B = Bench<ExpressionRule>;

fn values(bench: &mut B, s: i64, values: &[(u8, f64)]) {
    bench.say(s * 1_000, 0, Said::Values(values));
}

/// Dust and moisture: what looks like smoke is fog where the air is wet.
const SMOKE: &str = r#"
properties: [pm25, humidity]
raise: "pm25 > threshold('qcvn05.pm25.24h') && humidity < 80"
clear: "pm25 < 40 || humidity >= 90"
severity: major
"#;

#[test]
fn the_worked_timeline() {
    let mut b = B::new(SMOKE);
    // Not known yet: no alert, whatever the dust.
    values(&mut b, 0, &[(0, 90.0)]);
    assert_eq!(b.levels(), []);
    values(&mut b, 60, &[(1, 85.0)]);
    assert_eq!(b.levels(), []);
    values(&mut b, 120, &[(1, 70.0)]);
    assert_eq!(b.levels(), [(120_000, 1)]);
    // Between raise and clear: nothing changes.
    values(&mut b, 180, &[(0, 44.0), (1, 85.0)]);
    assert_eq!(b.levels(), [(120_000, 1)]);
    values(&mut b, 240, &[(0, 39.5)]);
    assert_eq!(b.levels(), [(120_000, 1), (240_000, 0)]);
    // The moisture of 180 s is over an hour old: nothing can be said, nothing is raised.
    values(&mut b, 180 + 3_601, &[(0, 99.0)]);
    assert_eq!(b.levels(), [(120_000, 1), (240_000, 0)]);
    assert_eq!(b.state.undefined, 2);
    values(&mut b, 180 + 3_700, &[(1, 60.0)]);
    assert_eq!(b.levels().last(), Some(&(3_880_000, 1)));
}

#[test]
fn without_clear_an_alert_ends_when_raise_does_not_hold_and_stays_while_it_is_unknown() {
    let mut b = B::new(
        "properties: [speed, traffic_flow]\nraise: \"speed / traffic_flow < 0.1\"\nseverity: info",
    );
    values(&mut b, 0, &[(0, 5.0), (1, 100.0)]);
    assert_eq!(b.levels(), [(0, 1)]);
    // Nobody drives: a division by zero is neither yes nor no.
    values(&mut b, 60, &[(0, 5.0), (1, 0.0)]);
    assert_eq!((b.levels(), b.state.undefined), (vec![(0, 1)], 1));
    values(&mut b, 120, &[(0, 50.0), (1, 100.0)]);
    assert_eq!(b.levels(), [(0, 1), (120_000, 0)]);
}

#[test]
fn it_must_hold_for_so_long_and_between_is_an_interruption() {
    let text = format!("{SMOKE}for: 2m\nclear_for: 1m\n");
    let mut b = B::new(&text);
    values(&mut b, 0, &[(0, 90.0), (1, 50.0)]);
    values(&mut b, 60, &[(0, 42.0)]);
    values(&mut b, 90, &[(0, 90.0)]);
    values(&mut b, 200, &[(0, 95.0)]);
    assert_eq!(b.levels(), []);
    values(&mut b, 300, &[(0, 20.0)]);
    assert_eq!(b.levels(), [(210_000, 1)]);
    values(&mut b, 330, &[(0, 42.0)]);
    values(&mut b, 400, &[(0, 42.0)]);
    assert_eq!(b.levels(), [(210_000, 1)]);
    values(&mut b, 500, &[(0, 20.0)]);
    b.time(700_000);
    assert_eq!(b.levels(), [(210_000, 1), (560_000, 0)]);
}

#[test]
fn a_number_has_levels_and_a_unit() {
    let mut b = B::new(
        r#"
properties: [pm10, pm25]
value: "pm25 / pm10 * 100"
unit: "%"
levels:
  - { severity: minor, raise: "> 60", clear: "< 50" }
  - { severity: major, raise: "> 80 %" }
"#,
    );
    values(&mut b, 0, &[(0, 100.0), (1, 70.0)]);
    values(&mut b, 60, &[(1, 90.0)]);
    values(&mut b, 120, &[(0, 0.0)]);
    values(&mut b, 180, &[(0, 100.0), (1, 56.25)]);
    values(&mut b, 240, &[(1, 45.0)]);
    assert_eq!(b.levels(), [(0, 1), (60_000, 2), (180_000, 1), (240_000, 0)]);
    assert_eq!(b.values(), [70.0, 90.0, 56.25, 45.0]);
    b.reads_back().expect("prints what it reads");
}

#[test]
fn bad_quality_is_not_heard_and_stragglers_do_not_turn_time_back() {
    let mut b = B::new(SMOKE);
    values(&mut b, 100, &[(0, 90.0), (1, 50.0)]);
    let name = Name::from("d0");
    let mut message = Message {
        t: T0 + 110_000,
        received: T0 + 110_000,
        clamped: false,
        bad: true,
        device: 0,
        name: &name,
        said: Said::Values(&[(0, 1.0)]),
    };
    b.message(&message);
    assert_eq!(b.levels(), [(100_000, 1)]);
    // An older value of an input does not replace the newer one, nor is it judged at its time.
    (message.bad, message.t) = (false, T0 + 50_000);
    b.message(&message);
    assert_eq!(b.levels(), [(100_000, 1)]);
}

#[test]
fn the_alert_shows_and_proves_what_it_went_by() {
    let mut b = B::new(SMOKE);
    values(&mut b, 0, &[(0, 90.0)]);
    values(&mut b, 60, &[(1, 70.5)]);
    let shown = b.shown();
    assert_eq!((shown.value, shown.limit), (Some(90.0), Some(50.0)));
    assert_eq!(shown.detail.vi, "pm25 90,0 µg/m³, humidity 70 %");
    assert_eq!(shown.detail.en, "pm25 90.0 µg/m³, humidity 70 %");
    let evidence = b.evidence();
    let readings: Vec<_> =
        evidence.readings.iter().map(|r| (&*r.property, r.time.0 - T0, r.value)).collect();
    assert_eq!(readings, [("pm25", 0, 90.0), ("humidity", 60_000, 70.5)]);
    let fact = |name: &str| {
        let f = evidence.facts.iter().find(|f| *f.name == *name);
        f.map(|f| (f.value, f.text.clone().unwrap_or_default()))
    };
    assert_eq!(fact("qcvn05.pm25.24h"), Some((Some(50.0), String::new())));
    assert_eq!(fact("raise holds"), Some((None, "true".into())));
    assert_eq!(fact("clear holds"), Some((None, "false".into())));
    assert_eq!(
        fact("raise").map(|f| f.1),
        Some("pm25 > threshold('qcvn05.pm25.24h') && humidity < 80".into())
    );
    assert_eq!(fact("evaluations without a value"), Some((Some(1.0), String::new())));
}

#[test]
fn why_not_says_what_is_missing() {
    let mut b = B::new(SMOKE);
    values(&mut b, 0, &[(0, 90.0)]);
    let facts: Vec<_> = b.evidence().facts;
    let said = |name: &str, text: &str| {
        facts.iter().any(|f| *f.name == *name && f.text.as_deref() == Some(text))
    };
    assert!(said("humidity", "not known"), "{facts:?}");
    assert!(said("raise holds", "no value"), "{facts:?}");
}

#[test]
fn reads_what_it_prints() {
    for text in [
        SMOKE,
        "properties: water_level\nraise: \"value >= threshold('flood.bd1') && area != 'hoi_an'\"\n\
         severity: minor\nfor: 10m\nclear_for: 90s\nfresh: 2h",
        "properties: [temperature]\nvalue: \"hour < 6 ? value : value - 2\"\nlevels:\n  \
         - { severity: info, raise: \">= heat.notice\", label: { vi: a, en: b } }\nfor: 1m",
        "properties: [people_count]\nraise: \"value > 10 && device.id != 'x \\\"y'\"\nseverity: info",
    ] {
        B::new(text).reads_back().expect("the same rule");
    }
}

#[test]
fn the_state_comes_back_from_a_checkpoint() {
    let mut b = B::new(SMOKE);
    values(&mut b, 0, &[(0, 90.0)]);
    let bytes = postcard::to_stdvec(&b.state).expect("to bytes");
    assert_eq!(postcard::from_bytes::<ExpressionState>(&bytes).as_ref(), Ok(&b.state));
    assert!(size_of::<ExpressionState>() <= 64, "{}", size_of::<ExpressionState>());
}

fn mistakes(text: &str) -> String {
    B::load(text).err().unwrap_or_default()
}

#[test]
fn all_mistakes_are_told_at_once_with_their_places() {
    assert_eq!(
        mistakes(
            "properties: [pm25, humidty, pm25]\nraise: \"pm25 > 1\"\nseverity: huge\nfor: 5\n\
             fresh: 1ms\nlevel: []"
        ),
        "t.yaml:1:20: unknown property `humidty`\n  hint: did you mean `humidity`?\n\
         t.yaml:1:29: `pm25` is in the list already\n\
         t.yaml:5:8: `1ms` is too short, at least 1000 ms are needed\n\
         t.yaml:3:11: unknown severity `huge`\n  hint: one of: critical, emergency, info, major, \
         minor\n\
         t.yaml:4:6: expected a span of time, found a number\n  hint: write a whole number and a \
         unit: 500ms, 90s, 5m, 24h, 7d\n\
         t.yaml:6:1: unknown field `level`\n  hint: one of: clear, clear_for, for, fresh, properties, \
         raise, severity, value"
    );
    assert_eq!(
        mistakes(
            "properties: [pm25]\nraise: \"pm25 > 1 && no2 > 2 || pm26\"\nclear: \"pm25 + 1\"\n\
             severity: info"
        ),
        "t.yaml:2:8: `no2` is not among the rule's properties (character 13)\n  \
         hint: add `no2` to `properties`\n\
         t.yaml:2:8: unknown name `pm26` (character 24)\n  hint: did you mean `pm25`?\n\
         t.yaml:3:8: the result is a number, expected true or false (character 6)\n  \
         hint: write a comparison, such as `pm25 > 45`"
    );
}

#[test]
fn rules_that_never_raise_or_never_clear_are_refused() {
    let of = |raise: &str, clear: &str| {
        mistakes(&format!(
            "properties: [pm25]\nraise: \"{raise}\"\nclear: \"{clear}\"\nseverity: info"
        ))
    };
    assert!(of("pm25 > 5000", "pm25 < 1").contains("2:8: this never holds: no alert is raised"));
    assert!(of("pm25 >= 0", "pm25 < 1").contains("2:8: this always holds: no alert clears"));
    assert!(of("pm25 > 50", "pm25 < 0").contains("3:8: this never holds: no alert clears"));
    assert!(of("pm25 > 50", "pm25 <= 2000").contains("3:8: this always holds"));
    assert!(of("hour > 5", "hour < 3").contains("none of the properties is in the expression"));
    assert_eq!(of("pm25 > 50", "pm25 < 40"), "");
}

#[test]
fn units_of_numbers_are_checked() {
    let of = |value: &str, rest: &str| {
        mistakes(&format!(
            "properties: [pm25, pm10]\nvalue: \"{value}\"\n{rest}\nlevels:\n  \
             - {{ severity: info, raise: \"> qcvn05.pm25.24h\" }}"
        ))
    };
    assert_eq!(of("max(pm25, pm10)", ""), "");
    assert!(of("pm25 / pm10", "").contains("the unit does not follow from the expression"));
    assert!(of("pm25 * 2", "unit: \"%\"").contains("it is in `µg/m³`"));
    assert!(of("pm25 / pm10", "unit: \"\"").contains("the threshold `qcvn05.pm25.24h` is in"));
    let both = "properties: [pm25]\nraise: \"pm25 > 1\"\nvalue: pm25\nseverity: info";
    assert!(mistakes(both).contains("`raise` and `value` exclude each other"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// The state after any stream says the same as the last good values said anew.
    #[test]
    fn the_state_is_the_last_values(
        stream in prop::collection::vec((0i64..4_000, 0u8..2, 0i32..200), 1..60),
    ) {
        let mut b = B::new(SMOKE);
        let mut t = 0;
        let mut last: [Option<(i64, f64)>; 2] = [None, None];
        let mut on = false;
        let mut expect = Vec::new();
        for (gap, input, value) in stream {
            t += gap;
            let value = f64::from(value);
            values(&mut b, t, &[(input, value)]);
            last[usize::from(input)] = Some((t, value));
            let known = |i: usize| last[i].filter(|(at, _)| t - at <= 3_600).map(|(_, v)| v);
            let (pm, hum) = (known(0), known(1));
            let raise = match (pm.map(|v| v > 50.0), hum.map(|v| v < 80.0)) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (a, b) => a.zip(b).map(|_| true),
            };
            let clear = match (pm.map(|v| v < 40.0), hum.map(|v| v >= 90.0)) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (a, b) => a.zip(b).map(|_| false),
            };
            let now = match (raise, clear) {
                (Some(true), _) => true,
                (_, Some(true)) => false,
                _ => on,
            };
            if now != on {
                expect.push((t * 1_000, u8::from(now)));
                on = now;
            }
        }
        prop_assert_eq!(b.levels(), expect);
    }
}

/// The city with the thresholds that a part of the shipped rules brings.
fn city_with(part: &str) -> ioc_model::City {
    let mut city = crate::kinds::bench::city();
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/rules-parts");
    let path = dir.join(format!("{part}.thresholds.yaml"));
    let text = std::fs::read_to_string(path).expect("thresholds of the part");
    let all: Vec<ioc_model::Threshold> = serde_saphyr::from_str(&text).expect("thresholds");
    city.thresholds.extend(all.into_iter().map(|t| (t.id.clone(), t)));
    city
}

/// Loads every rule of docs/rules-parts/<part>.yaml as its kind; mistakes and notes.
pub(crate) fn load_part<K: Operator>(part: &str) -> (Vec<Name>, Vec<String>) {
    let city = city_with(part);
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/rules-parts");
    let file = format!("{part}.yaml");
    let text = std::fs::read_to_string(dir.join(&file)).expect("rules of the part");
    let root = crate::yaml::parse(&file, &text).expect("YAML");
    let mut check = Check { city: &city, report: crate::fields::Report::new(&file), notes: vec![] };
    let mut top = Fields::open(&root, "the file", &mut check.report).expect("a map");
    let list = top.require("rules", &mut check.report).expect("rules");
    let crate::yaml::Value::List(items) = &list.value else { unreachable!("a list") };
    let mut ids = Vec::new();
    for item in items {
        let mut fields = Fields::open(item, "a rule", &mut check.report).expect("a map");
        let id = fields.require("id", &mut check.report).expect("an id");
        ids.push(crate::fields::text(id, &mut check.report).expect("a text").into());
        for common in ["kind", "service", "name", "message", "cleared", "tests"] {
            let _ = fields.get(common);
        }
        let service = fields.get("service").and_then(|n| crate::fields::text(n, &mut check.report));
        let service = service.map(Name::from);
        let selection = crate::load::selection(fields.get("where"), service.as_ref(), &mut check);
        let common = Common { service, selection, per: K::PER[0] };
        assert!(
            K::load(&mut fields, &common, &mut check).is_some() || !check.report.errors.is_empty()
        );
        fields.finish(&mut check.report);
    }
    let told = check.report.errors.iter().chain(&check.notes);
    (ids, told.map(ToString::to_string).collect())
}

#[test]
fn the_rules_for_da_nang_load() {
    let (ids, mistakes) = load_part::<ExpressionRule>("expression");
    assert!(mistakes.is_empty(), "{mistakes:#?}");
    assert_eq!(ids.len(), 2);
}

/// The tests that the shipped rules carry, on the same numbers.
#[test]
fn smoke_is_dust_in_dry_air_and_fog_is_not() {
    const RULE: &str = r#"
properties: [pm25, pm10, humidity]
raise: "pm25 > 150 && humidity < 60 && pm25 > pm10 * 0.6"
clear: "pm25 < 150 * 0.8 || humidity > 60 + 15"
severity: major
for: 10m
clear_for: 15m
"#;
    let mut smoke = B::new(RULE);
    values(&mut smoke, 0, &[(0, 180.0), (1, 220.0), (2, 50.0)]);
    values(&mut smoke, 300, &[(0, 190.0), (1, 230.0), (2, 50.0)]);
    values(&mut smoke, 900, &[(0, 170.0), (1, 210.0), (2, 52.0)]);
    values(&mut smoke, 1_200, &[(0, 100.0), (1, 150.0), (2, 55.0)]);
    smoke.time(2_400_000);
    assert_eq!(smoke.levels(), [(600_000, 1), (2_100_000, 0)]);
    let mut fog = B::new(RULE);
    values(&mut fog, 0, &[(0, 180.0), (1, 220.0), (2, 95.0)]);
    values(&mut fog, 900, &[(0, 180.0), (1, 220.0), (2, 95.0)]);
    fog.time(1_800_000);
    assert_eq!(fog.levels(), []);
}

#[test]
fn congestion_at_night_is_unusual_and_at_noon_is_not() {
    const RULE: &str = r#"
properties: [speed, traffic_flow, occupancy]
raise: "(hour >= 22 || hour < 5) && speed < threshold('congestion.slow') && (!has(values.traffic_flow) || traffic_flow > 0) && occupancy >= 30"
clear: "speed >= threshold('congestion.slow') + 5 || hour >= 5 && hour < 22"
severity: major
for: 5m
clear_for: 5m
"#;
    for (start, expect) in [(3_600, &[(3_900_000, 1), (5_100_000, 0)][..]), (12 * 3_600, &[])] {
        let mut b = B::new(RULE);
        values(&mut b, start, &[(0, 8.0), (1, 300.0), (2, 60.0)]);
        values(&mut b, start + 360, &[(0, 9.0), (1, 300.0), (2, 60.0)]);
        values(&mut b, start + 1_200, &[(0, 45.0), (1, 500.0), (2, 10.0)]);
        b.time((start + 1_800) * 1_000);
        assert_eq!(b.levels(), expect);
    }
}
