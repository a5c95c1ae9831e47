//! The timelines of `docs/rules.md`.

use ioc_model::Detection;

use super::*;

const LEVEL: &str = "levels: [{ severity: minor, raise: '>= 10' }]";

fn bench(yaml: &str) -> Bench<WindowRule> {
    Bench::new(&format!("{yaml}\n"))
}

#[test]
fn tumbling_mean_with_a_least_count() {
    let mut b = bench(
        "property: pm25\naggregate: mean\nsize: 10s\nmin_count: 2\n\
         levels: [{ severity: minor, raise: '> 45', clear: '< 40' }]",
    );
    b.value(1_000, 40.0).value(9_900, 60.0).value(10_000, 0.0);
    assert_eq!((b.levels(), b.values()), (vec![(10_000, 1)], vec![50.0]));
    b.time(20_000);
    let evidence = b.evidence().window.expect("was judged");
    assert_eq!((evidence.count, evidence.value), (1, None), "not enough readings");
    b.value(21_000, 1.0).value(22_000, 2.0).time(60_000);
    assert_eq!((b.levels(), b.values()), (vec![(10_000, 1), (30_000, 0)], vec![50.0, 1.5]));
}

#[test]
fn hopping_sum() {
    let mut b =
        bench(&format!("property: rainfall\naggregate: sum\nsize: 30s\nslide: 10s\n{LEVEL}"));
    b.value(1_000, 6.0).value(15_000, 5.0).time(300_000);
    assert_eq!((b.levels(), b.values()), (vec![(20_000, 1), (40_000, 0)], vec![11.0, 5.0]));
    let window = b.evidence().window.expect("was judged");
    assert_eq!((window.value, window.count), (Some(0.0), 0), "an empty window is told once");
    assert_eq!(window.to.0 - T0, 50_000);
}

#[test]
fn sum_at_every_reading() {
    let mut b =
        bench(&format!("property: rainfall\naggregate: sum\nsize: 30s\nslide: each\n{LEVEL}"));
    b.value(1_000, 6.0).value(15_000, 5.0);
    assert_eq!((b.levels(), b.values()), (vec![(15_000, 1)], vec![11.0]));
    let window = b.evidence().window.expect("was judged");
    assert_eq!((window.from.0 - T0, window.to.0 - T0), (-15_000, 15_000));
    assert_eq!((window.count, window.min, window.max), (2, Some(5.0), Some(6.0)));
    // (1, 31] does not hold the reading of 1 s any more.
    b.time(30_999);
    assert_eq!(b.levels().len(), 1);
    b.time(31_000);
    assert_eq!((b.levels()[1], b.values()[1]), ((31_000, 0), 5.0));
}

#[test]
fn a_session_is_judged_at_its_end_or_early() {
    let rain = |more: &str| {
        let mut b = bench(&format!(
            "property: rainfall\naggregate: sum\nonly: '> 0'\ngap: 60s\n{more}\n{LEVEL}"
        ));
        for (at, v) in [(0, 4.0), (30, 4.0), (50, 0.0), (70, 4.0), (100, 0.0), (200, 3.0)] {
            b.value(at * 1_000, v);
        }
        b.time(400_000);
        b
    };
    // Dry readings do not keep it alive: it ends 60 s after the rain of 70 s.
    let at_end = rain("");
    assert_eq!(at_end.levels(), [(130_000, 1), (260_000, 0)]);
    assert_eq!(at_end.values(), [12.0, 3.0]);
    let early = rain("early: true");
    assert_eq!(early.levels(), [(70_000, 1), (130_000, 0)]);
    assert_eq!(early.values(), [12.0, 12.0]);
    let window = early.evidence().window.expect("was judged");
    assert_eq!((window.from.0 - T0, window.to.0 - T0, window.value), (200_000, 260_000, Some(3.0)));
    assert_eq!(early.shown().duration_ms, Some(60_000));
    let cut = rain("max: 61s\nearly: true");
    assert_eq!(cut.levels(), [], "at 61 s a new session begins");
}

fn seen(zone: &str, object: &str) -> Detection {
    Detection {
        kind: "person".into(),
        id: None,
        object: Some(object.into()),
        confidence: Some(0.9),
        count: Some(2.0),
        zone: Some(zone.into()),
        personal: None,
    }
}

#[test]
fn different_zones_of_camera_events_are_counted_and_events_told_twice_are_not() {
    let zones = "levels: [{ severity: minor, raise: '>= 3' }]";
    let mut b = bench(&format!(
        "detects: person\naggregate: distinct\nof: zone\nsize: 60s\nslide: each\n{zones}"
    ));
    let events = [(1, "a", 1), (2, "b", 2), (3, "b", 3), (40, "c", 4)];
    for (at, zone, key) in events {
        b.detect(at * 1_000, &seen(zone, "child"), key);
        let bytes = postcard::to_stdvec(&b.state).expect("a state can be written");
        let again: WindowState = postcard::from_bytes(&bytes).expect("and read");
        assert_eq!(std::mem::replace(&mut b.state, again.clone()), again);
    }
    b.time(200_000);
    assert_eq!(b.levels(), [(40_000, 1), (61_000, 0)]);

    let mut sum = bench(
        "detects: person\naggregate: sum\nsize: 60s\nlevels: [{ severity: minor, raise: '>= 5' }]",
    );
    for key in [1, 2, 2, 1, 2] {
        sum.detect(1_000 * key as i64, &seen("a", "child"), key);
    }
    sum.detect(
        9_000,
        &Detection { confidence: Some(0.9), kind: "car".into(), ..seen("a", "x") },
        7,
    );
    sum.time(60_000);
    assert_eq!(sum.evidence().window.map(|w| (w.count, w.value)), Some((2, Some(4.0))));
}

#[test]
fn different_devices_below_a_limit_are_counted() {
    let mut b = bench(
        "property: speed\naggregate: distinct\nof: device\nonly: '< 10 km/h'\nsize: 60s\n\
         levels: [{ severity: minor, raise: '>= 2' }]",
    );
    for (at, device, v) in [(1, 1, 5.0), (2, 1, 6.0), (3, 2, 30.0)] {
        b.say(at * 1_000, device, Said::Values(&[(0, v)]));
    }
    b.time(60_000);
    assert_eq!(b.levels(), []);
    b.say(61_000, 1, Said::Values(&[(0, 5.0)])).say(62_000, 2, Said::Values(&[(0, 9.0)]));
    b.time(120_000);
    assert_eq!((b.levels(), b.values()), (vec![(120_000, 1)], vec![2.0]));
}

#[test]
fn a_large_percentile_tells_its_error() {
    let mut b = bench(
        "property: pm25\naggregate: percentile\npercentile: 90\nsize: 1h\n\
         levels: [{ severity: minor, raise: '> 1500' }]",
    );
    for i in 0..1_000 {
        b.value(i * 3_000, 1.0 + i as f64);
    }
    b.time(3_600_000);
    let evidence = b.evidence();
    let value = evidence.window.and_then(|w| w.value).expect("was judged");
    let error = evidence.facts.iter().find(|f| &*f.name == "relative_error");
    let error = error.and_then(|f| f.value).expect("1,000 values are not kept");
    assert!(error <= 1.0 / 64.0 && (value - 900.0).abs() <= 900.0 * error, "{value} {error}");
}

#[test]
fn stragglers_of_a_group_are_waited_for() {
    let mut b =
        bench(&format!("property: rainfall\naggregate: sum\nsize: 10s\ngrace: 5s\n{LEVEL}"));
    b.kind.per = Per::Area;
    let said = |b: &mut Bench<WindowRule>, at: i64, now: i64, v: f64| {
        b.time(now);
        let name = "x".into();
        b.message(&Message {
            t: T0 + at,
            received: T0 + now,
            clamped: false,
            bad: false,
            device: 0,
            name: &name,
            said: Said::Values(&[(0, v)]),
        });
    };
    said(&mut b, 1_000, 1_000, 6.0);
    said(&mut b, 12_000, 12_000, 1.0);
    said(&mut b, 9_000, 14_900, 5.0);
    b.time(14_999);
    assert_eq!(b.levels(), []);
    b.time(15_000);
    assert_eq!((b.levels(), b.values()), (vec![(10_000, 1)], vec![11.0]));
    said(&mut b, 9_500, 16_000, 99.0);
    b.time(40_000);
    assert_eq!(b.values(), [11.0, 1.0], "too late: left out");
    assert_eq!(b.kind.account(&b.state).0, 1.0, "and counted");
}
