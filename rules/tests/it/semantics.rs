//! The worked timelines of `docs/rules.md`.

use ioc_model::{Entry, Quality};
use ioc_rules::{ClockMode, Engine, EngineConfig, Judged};

use crate::world::{at, brief, config, engine, event, graded, obs, rules, run, status, tick};

const FLOOD: &str = r#"
rules:
  - id: flood
    kind: threshold
    service: river
    name: { vi: "Lũ", en: "Flood" }
    property: water_level
    levels:
      - { severity: minor, raise: ">= flood.bd1", label: { vi: "BĐ1", en: "level I" } }
      - { severity: major, raise: ">= flood.bd2", clear: "< flood.bd2 - 0.5", label: { vi: "BĐ2", en: "level II" } }
    message: { vi: "{device} ở {area}: {value} {unit}, {above} {level} {delta}", en: "{device}: {value} {unit} {above} {level} by {delta}" }
"#;

const JAM: &str = r#"
rules:
  - id: jam
    kind: threshold
    service: traffic
    name: { vi: "Ùn", en: "Jam" }
    property: speed
    levels:
      - { severity: minor, raise: "< 20 km/h" }
      - { severity: major, raise: "< 10 km/h", clear: ">= 15" }
    for: 60s
    clear_for: 30s
    message: { vi: "{value}", en: "{value}" }
"#;

fn level(s: f64, v: f64) -> Entry {
    obs("river-a", s, &[("water_level", v)])
}

fn speed(s: f64, v: f64) -> Entry {
    obs("road-1", s, &[("speed", v)])
}

fn check(yaml: &str, clock: ClockMode, entries: &[Entry], expect: &[&str]) {
    let got = run(&mut engine(yaml, clock), entries);
    assert_eq!(brief(&got), expect);
}

#[test]
fn a_ladder_moves_up_and_down_with_hysteresis() {
    let mut e = engine(FLOOD, ClockMode::Event);
    let entries = [
        level(0.0, 0.99),
        level(1.0, 1.0),
        level(2.0, 2.5),
        level(3.0, 1.6),
        level(4.0, 1.49),
        level(5.0, 2.1),
        level(6.0, 0.5),
        level(7.0, 3.0),
    ];
    let got = run(&mut e, &entries);
    assert_eq!(
        brief(&got),
        [
            "river-a raise minor @1",
            "river-a severity major @2",
            "river-a severity minor @4",
            "river-a severity major @5",
            "river-a clear major @6",
            "river-a raise major @7",
        ]
    );
    assert!(got[..5].iter().all(|t| t.alert == got[0].alert), "one episode, one alert");
    assert_ne!(got[5].alert, got[0].alert);
    assert_eq!(got[1].message.vi, "Trạm river-a ở Phường hai_chau: 2,50 m, trên BĐ2 0,50");
    assert_eq!(got[4].message.en, "station river-a: back to normal (0.50 m)");
    assert_eq!((got[4].value, got[4].limit), (Some(0.5), Some(1.0)));
    assert_eq!(got[2].position, 4);
}

#[test]
fn a_device_without_a_limit_is_not_judged_and_the_check_says_so() {
    let set = rules(FLOOD);
    let notes: Vec<String> = set.notes().iter().map(ToString::to_string).collect();
    assert!(notes.iter().any(|n| n.contains("`flood.bd1`") && n.ends_with("river-c")), "{notes:?}");
    let reading = obs("river-c", 0.0, &[("water_level", 99.0)]);
    check(FLOOD, ClockMode::Event, &[reading], &[]);
}

#[test]
fn bad_quality_neither_raises_nor_clears() {
    let bad = |s, v| graded("river-a", s, &[("water_level", v)], Quality::Bad);
    let entries = [bad(0.0, 5.0), level(1.0, 1.2), bad(2.0, 0.1), level(3.0, 0.1)];
    let expect = ["river-a raise minor @1", "river-a clear minor @3"];
    check(FLOOD, ClockMode::Event, &entries, &expect);
}

#[test]
fn not_a_number_neither_raises_nor_clears() {
    let entries = [level(0.0, f64::NAN), level(1.0, 1.2), level(2.0, f64::NAN)];
    check(FLOOD, ClockMode::Event, &entries, &["river-a raise minor @1"]);
}

#[test]
fn late_readings_raise_nothing() {
    let mut e = engine(FLOOD, ClockMode::Event);
    let mut out = Vec::new();
    assert_eq!(e.step(0, &level(100.0, 0.5), &mut out), Judged::Evaluated);
    assert_eq!(e.step(1, &level(99.0, 9.0), &mut out), Judged::Late, "out of order");
    assert_eq!(
        e.step(2, &obs("river-b", 2000.0, &[("water_level", 0.0)]), &mut out),
        Judged::Evaluated
    );
    assert_eq!(e.step(3, &level(1000.0, 9.0), &mut out), Judged::Late, "older than 15 minutes");
    assert_eq!(e.step(4, &level(1100.0, 9.0), &mut out), Judged::Evaluated, "exactly 15 minutes");
    assert_eq!(brief(&out), ["river-a raise major @1100"]);
    assert_eq!(e.now(), Some(at(2000.0)));
}

#[test]
fn readings_within_the_allowed_lateness_are_judged_in_the_order_of_their_times() {
    let config = EngineConfig { allowed_lateness_ms: 10_000, ..config(ClockMode::Event) };
    let mut e = Engine::new(rules(FLOOD), config);
    let mut out = Vec::new();
    e.step(0, &level(10.0, 1.5), &mut out);
    assert_eq!(e.step(1, &level(5.0, 0.5), &mut out), Judged::Evaluated);
    assert_eq!(brief(&out), [""; 0], "an earlier one may still come");
    e.step(2, &level(20.001, 1.5), &mut out);
    assert_eq!(brief(&out), ["river-a raise minor @10"]);
}

#[test]
fn for_and_clear_for_end_at_their_own_deadline() {
    let entries = [
        speed(0.0, 18.0),
        speed(30.0, 5.0),
        speed(200.0, 30.0),
        speed(220.0, 5.0),
        speed(225.0, 30.0),
        speed(400.0, 30.0),
    ];
    let expect = [
        "road-1 raise minor @60",
        "road-1 severity major @90",
        // 30 km/h at 200 s did not last 30 s; that of 225 s does.
        "road-1 clear major @255",
    ];
    check(JAM, ClockMode::Event, &entries, &expect);
}

#[test]
fn an_interrupted_for_begins_anew() {
    let entries = [speed(0.0, 5.0), speed(59.0, 25.0), speed(59.5, 5.0), speed(119.0, 5.0)];
    check(JAM, ClockMode::Event, &entries, &[]);
    let entries = [speed(0.0, 5.0), speed(60.0, 25.0)];
    // The condition held from 0 to 60: the deadline is before the reading that ends it.
    check(JAM, ClockMode::Event, &entries, &["road-1 raise major @60"]);
}

#[test]
fn a_running_for_needs_no_further_reading_in_wall_time() {
    let entries = [tick(0.0), speed(0.0, 5.0), tick(30.0), tick(59.999), tick(61.0)];
    let got = run(&mut engine(JAM, ClockMode::Wall), &entries);
    assert_eq!(brief(&got), ["road-1 raise major @60"]);
    assert_eq!(got[0].position, 4);
}

#[test]
fn a_backlog_is_judged_by_its_own_time() {
    // A gateway was away for ten minutes and delivers a short dip of the speed in one go.
    let mut entries = vec![tick(0.0), speed(0.0, 50.0), tick(600.0)];
    entries.extend([speed(100.0, 5.0), tick(600.5), speed(130.0, 50.0), tick(601.0)]);
    check(JAM, ClockMode::Wall, &entries, &[]);
    // The same with a dip that lasted.
    let mut entries = vec![tick(0.0), speed(0.0, 50.0), tick(600.0)];
    entries.extend([speed(100.0, 5.0), speed(170.0, 50.0), tick(601.0)]);
    check(JAM, ClockMode::Wall, &entries, &["road-1 raise major @160"]);
}

#[test]
fn a_reading_said_twice_does_no_harm() {
    let count = r#"
rules:
  - id: busy
    kind: window
    service: air
    name: &n { vi: "a", en: "b" }
    property: pm25
    aggregate: count
    size: 10s
    levels: [{ severity: minor, raise: ">= 3" }]
    message: *n
"#;
    let r = |s| obs("air-1", s, &[("pm25", 5.0)]);
    check(count, ClockMode::Event, &[r(1.0), r(2.0), r(2.0), r(11.0)], &[]);
    check(count, ClockMode::Event, &[r(1.0), r(2.0), r(3.0), r(11.0)], &["air-1 raise minor @10"]);
}

#[test]
fn further_conditions_of_the_same_device_must_hold_together() {
    let yaml = r#"
rules:
  - id: jam
    kind: threshold
    service: traffic
    name: &n { vi: "a", en: "b" }
    property: speed
    levels: [{ severity: minor, raise: "< 10" }]
    and: [{ property: occupancy, is: ">= 50 %" }]
    message: *n
"#;
    let both = |s, v, o| obs("road-1", s, &[("speed", v), ("occupancy", o)]);
    let occupancy = |s, o| obs("road-1", s, &[("occupancy", o)]);
    let entries = [
        speed(0.0, 5.0),      // occupancy unknown
        both(1.0, 5.0, 10.0), // an empty road
        both(2.0, 5.0, 60.0), // now
        occupancy(3.0, 20.0), // alone, it clears
        occupancy(4.0, 70.0), // and raises
        both(5.0, 50.0, 70.0),
    ];
    let expect = [
        "road-1 raise minor @2",
        "road-1 clear minor @3",
        "road-1 raise minor @4",
        "road-1 clear minor @5",
    ];
    check(yaml, ClockMode::Event, &entries, &expect);
}

#[test]
fn a_tumbling_mean_is_judged_at_the_end_of_its_window() {
    let yaml = r#"
rules:
  - id: dust
    kind: window
    service: air
    name: &n { vi: "a", en: "b" }
    property: pm25
    aggregate: mean
    size: 10s
    min_count: 2
    levels: [{ severity: minor, raise: "> pm.limit", clear: "< 40" }]
    message: { vi: "{value}", en: "{value}" }
"#;
    let r = |s, v| obs("air-1", s, &[("pm25", v)]);
    let entries =
        [r(1.0, 40.0), r(9.9, 60.0), r(10.0, 0.0), r(21.0, 1.0), r(22.0, 2.0), r(60.0, 0.0)];
    let got = run(&mut engine(yaml, ClockMode::Event), &entries);
    // The second window has one reading only: not judged. The third clears.
    assert_eq!(brief(&got), ["air-1 raise minor @10", "air-1 clear minor @30"]);
    assert_eq!((got[0].message.vi.as_str(), got[0].position), ("50,0", 2));
}

#[test]
fn a_sliding_sum_moves_with_its_slide_and_falls_to_zero() {
    let yaml = r#"
rules:
  - id: rain
    kind: window
    service: air
    name: &n { vi: "a", en: "b" }
    property: pm25
    aggregate: sum
    size: 30s
    slide: 10s
    levels: [{ severity: minor, raise: ">= 10 µg/m³" }]
    message: *n
"#;
    let r = |s, v| obs("air-1", s, &[("pm25", v)]);
    let entries = [tick(0.0), r(1.0, 6.0), tick(12.0), r(15.0, 5.0), tick(100.0)];
    // 0-20 s holds 11; 10-40 s holds 5.
    let expect = ["air-1 raise minor @20", "air-1 clear minor @40"];
    check(yaml, ClockMode::Wall, &entries, &expect);
}

#[test]
fn an_area_window_joins_its_devices_and_waits_for_the_slower_one() {
    let yaml = r#"
rules:
  - id: ward
    kind: window
    service: air
    name: &n { vi: "a", en: "b" }
    property: pm25
    per: area
    aggregate: mean
    size: 10s
    grace: 2s
    levels: [{ severity: minor, raise: "> 45" }]
    message: { vi: "{area} {value}", en: "{area} {value}" }
"#;
    let r = |d: &str, s, v| obs(d, s, &[("pm25", v)]);
    let entries = [
        r("air-1", 1.0, 20.0),
        r("air-1", 11.0, 20.0),
        r("air-2", 9.0, 80.0), // of the first window, two seconds late
        r("air-1", 12.5, 20.0),
    ];
    let got = run(&mut engine(yaml, ClockMode::Event), &entries);
    assert_eq!(brief(&got), ["hai_chau raise minor @10"]);
    assert_eq!(got[0].message.en, "hai_chau ward 50.0");
    assert_eq!((got[0].device.as_deref(), &*got[0].area), (None, "hai_chau"));
}

const SILENT: &str = r#"
rules:
  - id: silent
    kind: absence
    service: river
    name: { vi: "Im lặng", en: "Silent" }
    cadence: 3
    after: 60s
    on_status: offline
    severity: major
    message: { vi: "{device}: {cause}", en: "{device}: {cause}" }
"#;

#[test]
fn silence_counts_from_the_last_reading_or_the_first_tick() {
    let mut e = engine(SILENT, ClockMode::Wall);
    let entries = [tick(0.0), level(600.0, 1.0), tick(1800.0), tick(1801.0), tick(2400.0)];
    let got = run(&mut e, &entries);
    assert_eq!(
        brief(&got),
        // Three times 600 s; b and c never reported.
        ["river-b raise major @1800", "river-c raise major @1800", "river-a raise major @2400"]
    );
    assert_eq!(got[2].message.en, "station river-a: silent for 30 min");
    assert_eq!((got[2].value, got[2].limit, &*got[2].unit), (Some(1800.0), Some(1800.0), "s"));
    let mut out = Vec::new();
    e.step(9, &level(2500.0, 1.0), &mut out);
    assert_eq!(brief(&out), ["river-a clear major @2500"]);
    assert_eq!(out[0].value, Some(1900.0));
}

#[test]
fn a_replay_misses_only_devices_that_are_in_it() {
    // b and c are configured and not in the recording; a falls silent in it.
    let entries = [level(0.0, 1.0), level(600.0, 1.0), obs("river-x", 2500.0, &[("speed", 1.0)])];
    check(SILENT, ClockMode::Event, &entries, &["river-a raise major @2400"]);
}

#[test]
fn a_device_the_configuration_does_not_know_is_missed_after_the_fixed_limit() {
    let entries = [tick(0.0), obs("river-x", 5.0, &[("water_level", 1.0)]), tick(64.0), tick(65.0)];
    check(SILENT, ClockMode::Wall, &entries, &["river-x raise major @65"]);
}

#[test]
fn an_offline_status_raises_at_once_and_online_clears() {
    let entries = [
        tick(0.0),
        level(10.0, 1.0),
        status("river-a", 20.0, false),
        status("river-a", 21.0, false),
        status("river-a", 30.0, true),
    ];
    let got = run(&mut engine(SILENT, ClockMode::Wall), &entries);
    assert_eq!(brief(&got), ["river-a raise major @20", "river-a clear major @30"]);
    assert_eq!(got[0].message.vi, "Trạm river-a: thiết bị báo ngoại tuyến");
}

#[test]
fn bad_readings_are_no_sign_of_life() {
    let bad = graded("river-x", 50.0, &[("water_level", 1.0)], Quality::Bad);
    let entries =
        [tick(0.0), obs("river-x", 5.0, &[("water_level", 1.0)]), tick(49.0), bad, tick(65.0)];
    check(SILENT, ClockMode::Wall, &entries, &["river-x raise major @65"]);
}

#[test]
fn nobody_is_silent_while_nobody_listens() {
    let config = EngineConfig { max_tick_gap_ms: 30_000, ..config(ClockMode::Wall) };
    let mut e = Engine::new(rules(SILENT), config);
    // Down from 10 s to 500 s; after it each device has its full time.
    let entries = [
        tick(0.0),
        obs("river-x", 5.0, &[("water_level", 1.0)]),
        tick(10.0),
        tick(500.0),
        tick(520.0),
        tick(545.0),
        tick(560.0),
    ];
    assert_eq!(brief(&run(&mut e, &entries)), ["river-x raise major @560"]);
}

const CROWD: &str = r#"
rules:
  - id: crowd
    kind: detection
    service: camera_analytics
    name: &n { vi: "a", en: "b" }
    detects: [crowd, gathering]
    objects: [car, person]
    min_confidence: 0.5
    count: 3
    within: 60s
    quiet: 90s
    severity: major
    message: *n
"#;

#[test]
fn detections_are_counted_in_a_sliding_window_and_cleared_by_quiet() {
    let entries = [
        tick(0.0),
        event("cam-1", 0.0, "crowd", "a"),
        event("cam-1", 50.0, "gathering", "b"),
        event("cam-1", 60.0, "crowd", "c"), // the first is just out of the window
        event("cam-1", 61.0, "wrong_way", "d"),
        event("cam-1", 70.0, "crowd", "e"),
        tick(150.0),
        tick(160.0),
    ];
    let expect = ["cam-1 raise major @70", "cam-1 clear major @160"];
    check(CROWD, ClockMode::Wall, &entries, &expect);
}

#[test]
fn one_event_told_many_times_counts_once() {
    let entries: Vec<Entry> =
        (0..10).map(|i| event("cam-1", f64::from(i), "crowd", "same")).collect();
    check(CROWD, ClockMode::Event, &entries, &[]);
}

#[test]
fn detections_may_come_out_of_order() {
    let entries = [
        status("cam-1", 40.0, true),
        event("cam-1", 30.0, "crowd", "a"),
        event("cam-1", 10.0, "crowd", "b"),
        event("cam-1", 20.0, "crowd", "c"),
    ];
    check(CROWD, ClockMode::Event, &entries, &["cam-1 raise major @20"]);
}

#[test]
fn two_episodes_of_one_moment_have_two_ids() {
    // Two messages of one millisecond: down, and up again.
    let entries = [level(0.0, 1.5), level(0.0, 0.5), level(0.0, 1.6)];
    let got = run(&mut engine(FLOOD, ClockMode::Event), &entries);
    assert_eq!(brief(&got).len(), 3);
    assert_ne!(got[0].alert, got[2].alert);
    assert_eq!(got[0].alert, got[1].alert);
}

#[test]
fn invented_devices_cannot_fill_the_memory() {
    let config = EngineConfig { max_devices: 7, ..config(ClockMode::Event) };
    let mut e = Engine::new(rules(FLOOD), config);
    let entries: Vec<Entry> =
        (0..50).map(|i| obs(&format!("river-new{i}"), 0.0, &[("water_level", 9.0)])).collect();
    run(&mut e, &entries);
    assert_eq!((e.stats().devices, e.stats().refused_devices), (7, 43));
}

#[test]
fn time_stands_still_when_the_clock_is_set_back() {
    let entries = [tick(100.0), speed(100.0, 5.0), tick(50.0), tick(159.0), tick(160.0)];
    check(JAM, ClockMode::Wall, &entries, &["road-1 raise major @160"]);
}
