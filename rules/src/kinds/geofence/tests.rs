use ioc_model::{Evidence, Name};
use proptest::prelude::*;

use super::*;
use crate::kinds::bench::{Bench, T0};

type Geofence = Bench<GeofenceRule>;

/// A place so many metres east of the middle of the hospital, whose edge is 184.8 m away there.
fn east_of_hospital(m: f64) -> (f64, f64) {
    let degree = 6_371_008.8f64.to_radians() * 16.0727f64.to_radians().cos();
    (16.0727, 108.2158 + m / degree)
}

fn go(bench: &mut Geofence, t_s: i64, (lat, lon): (f64, f64)) {
    bench.say(t_s * 1000, 0, Said::Values(&[(0, lat), (1, lon)]));
}

fn go_fast(bench: &mut Geofence, t_s: i64, (lat, lon): (f64, f64), kmh: f64) {
    bench.say(t_s * 1000, 0, Said::Values(&[(0, lat), (1, lon), (2, kmh)]));
}

fn hospital(rest: &str) -> Geofence {
    Bench::new(&format!("zones: [da_nang_hospital]\nseverity: info\n{rest}"))
}

/// Level changes, in seconds.
fn seen(bench: &Geofence) -> Vec<(i64, u8)> {
    bench.levels().into_iter().map(|(t, l)| (t / 1000, l)).collect()
}

fn fact(evidence: &Evidence, name: &str) -> Option<f64> {
    evidence.facts.iter().find(|f| &*f.name == name).and_then(|f| f.value)
}

fn word(evidence: &Evidence, name: &str) -> String {
    let found = evidence.facts.iter().find(|f| &*f.name == name);
    found.and_then(|f| f.text.clone()).unwrap_or_default()
}

#[test]
fn the_worked_timeline_of_the_manual() {
    let walk = [
        (0, 1000.0),
        (10, 900.0),
        (60, 100.0),
        (70, 90.0),
        (80, 220.0),
        (90, 240.0),
        (100, 300.0),
        (110, 320.0),
    ];
    for (on, expect) in [
        ("enter", vec![(70, 1), (100, 0)]),
        ("leave", vec![(100, 1), (400, 0)]),
        ("inside", vec![(70, 1), (100, 0)]),
        ("outside", vec![(10, 1), (70, 0), (100, 1)]),
        // Inside since 60 s, the first of the two positions that agree.
        ("dwell\ndwell: 20s", vec![(80, 1), (100, 0)]),
        // At 95 s it is on its way out already: not counted as staying.
        ("dwell\ndwell: 35s", vec![]),
    ] {
        let mut bench = hospital(&format!("on: {on}"));
        for (t, m) in walk {
            go(&mut bench, t, east_of_hospital(m));
        }
        bench.time(1_000_000);
        assert_eq!(seen(&bench), expect, "{on}");
    }
}

#[test]
fn an_entry_holds_for_its_time_when_the_device_stays() {
    let mut bench = hospital("on: enter\nhold: 2m\nmin_points: 1");
    for (t, m) in [(0, 800.0), (60, 0.0), (70, 10.0), (90, 0.0)] {
        go(&mut bench, t, east_of_hospital(m));
    }
    bench.time(1_000_000);
    assert_eq!(seen(&bench), [(60, 1), (180, 0)]);
    assert_eq!(bench.shown().detail.vi, "Bệnh viện Đà Nẵng");
}

#[test]
fn a_device_that_is_first_seen_inside_has_not_entered() {
    let mut bench = hospital("on: enter");
    let mut inside = hospital("on: inside");
    for t in 0..5 {
        go(&mut bench, t * 10, east_of_hospital(0.0));
        go(&mut inside, t * 10, east_of_hospital(0.0));
    }
    assert_eq!(seen(&bench), []);
    assert_eq!(seen(&inside), [(10, 1)]);
}

#[test]
fn a_jump_is_left_out_and_counted() {
    let mut bench = hospital("on: outside\nmin_points: 1");
    go(&mut bench, 0, east_of_hospital(0.0));
    go(&mut bench, 10, east_of_hospital(5_000.0)); // 1,782 km/h
    go(&mut bench, 20, east_of_hospital(10.0));
    go(&mut bench, 30, (0.0, 0.0)); // A receiver without a position.
    go(&mut bench, 40, (91.0, 108.0));
    assert_eq!(seen(&bench), []);
    assert_eq!(fact(&bench.evidence(), "jumps_ignored"), Some(3.0));
}

#[test]
fn three_jumps_that_agree_mean_that_the_place_before_was_wrong() {
    let mut bench = hospital("on: outside\nmin_points: 1");
    go(&mut bench, 0, east_of_hospital(0.0));
    for (t, m) in [(10, 9_000.0), (20, 9_010.0), (30, 9_020.0)] {
        go(&mut bench, t, east_of_hospital(m));
    }
    assert_eq!(seen(&bench), [(30, 1)]);
    // Jumps that do not agree with each other never do.
    let mut bench = hospital("on: outside\nmin_points: 1");
    go(&mut bench, 0, east_of_hospital(0.0));
    for i in 1..20 {
        go(&mut bench, i * 10, east_of_hospital(if i % 2 == 0 { 60_000.0 } else { 90_000.0 }));
    }
    assert_eq!(seen(&bench), []);
    assert!(bench.kind.heap_bytes(&bench.state) > 0, "the last jump is doubted still");
}

#[test]
fn a_position_told_twice_or_out_of_order_changes_nothing() {
    let mut bench = hospital("on: inside");
    go(&mut bench, 0, east_of_hospital(0.0));
    go(&mut bench, 0, east_of_hospital(0.0));
    assert_eq!(seen(&bench), [], "one position is not two");
    let (lat, lon) = east_of_hospital(400.0);
    let name: Name = "d0".into();
    let said = Said::Values(&[(0, lat), (1, lon)]);
    let t = T0 - 60_000;
    let late = Message { t, received: t, clamped: false, bad: false, device: 0, name: &name, said };
    bench.message(&late);
    bench.say(5_000, 0, Said::Values(&[(2, 50.0)]));
    bench.say(5_000, 0, Said::Values(&[(0, lat)]));
    go(&mut bench, 10, east_of_hospital(0.0));
    assert_eq!(seen(&bench), [(10, 1)]);
}

#[test]
fn a_stay_ends_at_its_deadline_while_the_device_is_heard() {
    let mut bench = hospital("on: dwell\ndwell: 30m");
    go(&mut bench, 0, east_of_hospital(900.0));
    for t in [600, 610, 1200, 1800, 2300] {
        go(&mut bench, t, east_of_hospital(20.0));
    }
    bench.time(2_400_000);
    // Inside since the first of the two positions that agree.
    assert_eq!(seen(&bench), [(2400, 1)]);
    assert_eq!(bench.shown().duration_ms, Some(1_800_000));
    go(&mut bench, 2_500, east_of_hospital(600.0));
    go(&mut bench, 2_510, east_of_hospital(650.0));
    assert_eq!(seen(&bench), [(2400, 1), (2510, 0)]);
}

#[test]
fn a_stay_nobody_saw_does_not_count() {
    let mut bench = hospital("on: dwell\ndwell: 30m\nmin_points: 1\nmax_gap: 10m");
    go(&mut bench, 0, east_of_hospital(0.0));
    bench.time(3_600_000);
    assert_eq!(seen(&bench), [], "silent since 0 s");
    go(&mut bench, 4_000, east_of_hospital(0.0)); // The stay begins anew.
    for t in [4_500, 5_000, 5_500] {
        go(&mut bench, t, east_of_hospital(0.0));
    }
    bench.time(9_000_000);
    assert_eq!(seen(&bench), [(5_800, 1)]);
}

/// Domain facts §2.8: vessels of 15 to 24 m report every three hours.
#[test]
fn a_vessel_that_reports_each_three_hours_is_judged_too() {
    let yaml = "zones: [tho_quang_harbour]\nseverity: info\non: dwell\ndwell: 12h\n\
                min_points: 1\nmax_gap: 7h";
    let mut bench: Geofence = Bench::new(yaml);
    let hour = 3600;
    go(&mut bench, 0, (16.30, 108.60));
    for t in [3, 6, 9, 12] {
        go(&mut bench, t * hour, (16.0985, 108.2440));
    }
    bench.time(16 * hour * 1000);
    assert_eq!(seen(&bench), [(15 * hour, 1)]);
    // 40 km in 3 h are 13 km/h: no jump.
    assert_eq!(fact(&bench.evidence(), "jumps_ignored"), Some(0.0));
    go(&mut bench, 18 * hour, (16.30, 108.60));
    assert_eq!(seen(&bench), [(15 * hour, 1), (18 * hour, 0)]);
}

#[test]
fn speed_is_the_devices_own_or_that_between_two_positions() {
    let yaml = "zones: [hai_chau]\nseverity: minor\non: speed\nspeed: \"> 50 km/h\"\nfor: 20s";
    let mut bench: Geofence = Bench::new(yaml);
    // North along Bạch Đằng, 200 m in 10 s: 72 km/h.
    let street = |m: f64| (16.065 + m / 111_195.0, 108.2235);
    for i in 0..6i32 {
        go(&mut bench, i64::from(i) * 10, street(f64::from(i) * 200.0));
    }
    assert_eq!(seen(&bench), [(30, 1)], "known at 10 s, for 20 s");
    assert!((bench.shown().value.expect("a speed") - 72.0).abs() < 0.1);
    assert_eq!(bench.shown().limit, Some(50.0));
    // What the device says goes before what is computed.
    go_fast(&mut bench, 60, street(1_200.0), 30.0);
    assert_eq!(seen(&bench), [(30, 1), (60, 0)]);
    // Positions further apart than max_gap give no speed.
    let mut bench: Geofence = Bench::new(&yaml.replace("for: 20s", "max_gap: 5s"));
    for i in 0..6i32 {
        go(&mut bench, i64::from(i) * 10, street(f64::from(i) * 200.0));
    }
    assert_eq!(seen(&bench), []);
    go_fast(&mut bench, 60, street(1_200.0), 51.0);
    assert_eq!(seen(&bench), [(60, 1)]);
}

#[test]
fn speeding_outside_of_the_zone_is_no_matter() {
    let mut bench = hospital("on: speed\nspeed: \"> 20 km/h\"\nmin_points: 1");
    go_fast(&mut bench, 0, east_of_hospital(400.0), 90.0);
    go_fast(&mut bench, 10, east_of_hospital(150.0), 90.0);
    go_fast(&mut bench, 20, east_of_hospital(400.0), 90.0);
    assert_eq!(seen(&bench), [(10, 1), (20, 0)]);
}

#[test]
fn near_is_measured_to_the_boundary_from_the_side_that_is_asked_for() {
    let distances = [1_000.0, 600.0, 320.0, 120.0, 240.0, 700.0];
    for (from, expect) in [
        // The edge is at 184.8 m, 200 m from it is at 384.8 m.
        ("either", vec![(200, 1), (500, 0)]),
        ("outside", vec![(200, 1), (300, 0), (400, 1), (500, 0)]),
        ("inside", vec![(300, 1), (500, 0)]),
    ] {
        let mut bench =
            hospital(&format!("on: near\nnear: 200 m\nfrom: {from}\nmin_points: 1\njitter: 60 m"));
        for (i, m) in (0..).zip(distances) {
            go(&mut bench, i * 100, east_of_hospital(m));
            if i == 2 && from == "either" {
                assert_eq!(bench.shown().value.map(f64::round), Some(135.0));
                assert_eq!(bench.shown().limit, Some(200.0));
            }
        }
        assert_eq!(seen(&bench), expect, "{from}");
    }
}

#[test]
fn a_move_from_zone_to_zone_leaves_one_and_enters_the_other() {
    let zones = "zones: [an_hai, hai_chau]\nseverity: info\nmin_points: 1\n";
    // Over the Dragon bridge to the west: An Hải, then Hải Châu.
    let bridge = [(16.0615, 108.2305), (16.0612, 108.2290), (16.0606, 108.2235)];
    for (on, expect, named) in [
        ("enter", vec![(120, 1), (420, 0)], "Phường Hải Châu"),
        ("leave", vec![(120, 1), (420, 0)], "Phường An Hải"),
        ("inside", vec![(0, 1)], "Phường Hải Châu"),
    ] {
        let mut bench: Geofence = Bench::new(&format!("{zones}on: {on}\njitter: 0 m"));
        for (i, p) in (0..).zip(bridge) {
            go(&mut bench, i * 60, p);
        }
        bench.time(1_000_000);
        assert_eq!(seen(&bench), expect, "{on}");
        assert_eq!(bench.shown().detail.vi, named, "{on}");
    }
}

#[test]
fn evidence_holds_the_last_positions_the_place_and_what_is_missing() {
    let mut bench = hospital("on: dwell\ndwell: 30m");
    for (t, m) in [(0, 900.0), (10, 880.0), (60, 100.0), (70, 90.0), (80, 80.0)] {
        go(&mut bench, t, east_of_hospital(m));
    }
    let evidence = bench.evidence();
    assert_eq!(evidence.readings.len(), 8, "four positions");
    let (first, last) = (&evidence.readings[0], &evidence.readings[7]);
    assert_eq!((&*first.property, first.time.0, first.value), ("latitude", T0 + 10_000, 16.0727));
    assert_eq!((&*last.property, last.time.0), ("longitude", T0 + 80_000));
    assert_eq!(word(&evidence, "place"), "da_nang_hospital");
    let to_edge = fact(&evidence, "boundary_m").expect("a distance");
    assert!((to_edge - 104.8).abs() < 0.2, "{to_edge}");
    let timer = &evidence.timers[0];
    assert_eq!((timer.since.0, timer.until.0), (T0 + 60_000, T0 + 1_860_000));
    go(&mut bench, 90, east_of_hospital(300.0));
    let evidence = bench.evidence();
    assert_eq!(word(&evidence, "perhaps"), "outside");
    assert_eq!(fact(&evidence, "perhaps_points"), Some(1.0));
}

#[test]
fn reads_back_what_it_prints() {
    for rest in [
        "on: enter",
        "on: enter\nhold: 90s\njitter: 12.5 m\nmin_points: 1",
        "on: leave\nhold: 10m\nfor: 30s",
        "on: inside\nclear_for: 5m",
        "on: outside\nmax_gap: 7h\nmax_speed: 120 km/h",
        "on: dwell\ndwell: 30m",
        "on: speed\nspeed: \"> 60 km/h\"\nfor: 1m",
        "on: speed\nspeed: \"<= 5\"",
        "on: near\nnear: 500 m",
        "on: near\nnear: 1500\nfrom: inside",
    ] {
        let zones = "zones: [da_nang_hospital, cham_islands_reserve, hoang_sa]";
        let bench: Geofence = Bench::new(&format!("{zones}\nseverity: major\n{rest}"));
        bench.reads_back().expect(rest);
    }
}

#[test]
fn tells_all_mistakes_with_hints() {
    let errors = |yaml: &str| Geofence::load(yaml).err().unwrap_or_default();
    let all = errors("zones: [da_nang_hospitl, hai_chau, hai_chau]\non: entering\njitter: 5 km\n");
    for part in [
        "t.yaml:1:9: unknown zone `da_nang_hospitl`\n  hint: did you mean `da_nang_hospital`?",
        "the zone `hai_chau` is named twice",
        "unknown `on` `entering`\n  hint: did you mean `enter`?",
        "`severity` is missing",
        "this is no measure\n  hint: write a number and its unit, such as `500 m`",
    ] {
        assert!(all.contains(part), "{part}\nnot in\n{all}");
    }
    let with = |rest: &str| errors(&format!("zones: [hai_chau]\nseverity: info\n{rest}"));
    for (rest, part) in [
        ("on: dwell", "`dwell` is missing"),
        ("on: near", "`near` is missing"),
        ("on: near\nnear: 0 m", "expected 1 to 100000 m, found 0"),
        ("on: near\nnear: 5 m\nfrom: above", "unknown side `above`"),
        ("on: inside\nhold: 5m", "unknown field `hold`"),
        ("on: speed\nspeed: \"> 60 m/s\"", "the unit `m/s` is not that of the value"),
        ("on: speed\nspeed: \"> 250\"", "positions faster than `max_speed` are left out"),
        ("on: speed\nspeed: \"< 0\"", "no speed is below 0"),
        ("on: enter\nhold: 1m\nfor: 1m", "this rule can never fire"),
        ("on: enter\nmin_points: 0", "expected a whole number from 1 to 100, found 0"),
    ] {
        let all = with(rest);
        assert!(all.contains(part), "{part}\nnot in\n{all}");
    }
    assert!(errors("zones: []\non: inside\nseverity: info").contains("at least one zone"));
}

#[test]
fn the_state_of_a_device_is_small() {
    let size = size_of::<GeofenceState>();
    assert!(size <= 160, "{size}");
}

/// The box of the watch area, judged by comparisons alone.
fn beyond_box_m(lat: f64, lon: f64) -> f64 {
    let degree = 111_195.08;
    let x = (lon - 113.5).max(108.0 - lon) * degree * lat.to_radians().cos();
    let y = (lat - 17.5).max(14.8 - lat) * degree;
    if x > 0.0 && y > 0.0 { x.hypot(y) } else { x.max(y) }
}

/// Every moment's place from the whole history: a place holds until the last `n` positions, all
/// of them after the last change, agree on another one.
fn naive_places(walk: &[(f64, f64)], n: usize, jitter_m: f64) -> Vec<Option<bool>> {
    let (mut place, mut changed_at, mut out) = (None, 0, Vec::new());
    for i in 0..walk.len() {
        let says = |j: usize| {
            let slack = if place == Some(true) { jitter_m } else { 0.0 };
            beyond_box_m(walk[j].0, walk[j].1) <= slack
        };
        if i + 1 >= changed_at + n {
            let last: Vec<bool> = (i + 1 - n..=i).map(says).collect();
            if last.iter().all(|s| *s == last[0]) && place != Some(last[0]) {
                place = Some(last[0]);
                changed_at = i + 1;
            }
        }
        out.push(place);
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn places_agree_with_the_whole_history_and_survive_a_restart(
        steps in prop::collection::vec((-3_000f64..3_000.0, -3_000f64..3_000.0), 1..60),
        n in 1usize..4,
        jitter in prop::sample::select(vec![0.0, 500.0, 2_000.0]),
        restart in 0usize..60,
    ) {
        // About the corner of the box, an hour from position to position.
        let walk: Vec<(f64, f64)> =
            steps.iter().map(|(y, x)| (17.5 + y / 111_195.0, 113.5 + x / 106_000.0)).collect();
        // Positions less than a metre from a line are left to chance.
        let (inner, outer) = (|p: &(f64, f64)| beyond_box_m(p.0, p.1).abs(), jitter);
        prop_assume!(walk.iter().all(|p| inner(p) > 3.0 && (inner(p) - outer).abs() > 3.0));
        let yaml = format!(
            "zones: [fishing_watch]\nseverity: info\non: inside\nmin_points: {n}\njitter: {jitter} m"
        );
        let mut bench: Geofence = Bench::new(&yaml);
        for (i, p) in walk.iter().enumerate() {
            go(&mut bench, i as i64 * 3600, *p);
            if i == restart {
                let bytes = postcard::to_allocvec(&bench.state).expect("a state");
                bench.state = postcard::from_bytes(&bytes).expect("the same state");
            }
        }
        let mut expect = Vec::new();
        let mut level = 0;
        for (i, place) in naive_places(&walk, n, jitter).into_iter().enumerate() {
            let now = u8::from(place == Some(true));
            if now != level {
                level = now;
                expect.push((i as i64 * 3600, now));
            }
        }
        prop_assert_eq!(seen(&bench), expect);
    }

    /// However a receiver wanders about the boundary within the margin, it does not flap.
    #[test]
    fn noise_within_the_margin_raises_once(
        noise in prop::collection::vec(-49.0f64..49.0, 1..80),
    ) {
        let mut bench = hospital("on: inside\nmin_points: 1\njitter: 50 m");
        go(&mut bench, 0, east_of_hospital(100.0));
        for (i, m) in noise.iter().enumerate() {
            go(&mut bench, 10 + i as i64 * 10, east_of_hospital(184.8 + m));
        }
        prop_assert_eq!(seen(&bench), vec![(0, 1)]);
    }
}
