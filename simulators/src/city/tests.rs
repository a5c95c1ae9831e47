use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::shipped;

const START_MS: i64 = 1_795_300_000_000;

fn options() -> CityOptions {
    CityOptions {
        seed: 1,
        speed: 1.0,
        pace: 1.0,
        storm_length: 1.0,
        storm_after_s: 45.0,
        faults: true,
        max_interval_s: 30.0,
        devices: None,
        start_ms: START_MS,
        duration: Some(std::time::Duration::from_secs(600)),
    }
}

/// (ms since the start, topic, payload) of a whole run.
fn run(options: CityOptions) -> Vec<(u64, String, Vec<u8>)> {
    let city = shipped::city(None).expect("the shipped city");
    let mut feed = CityFeed::new(&city, options);
    let (mut topic, mut payload) = (String::new(), Vec::new());
    let mut all = Vec::new();
    while let Some((at, _)) = feed.pop(&mut topic, &mut payload) {
        all.push((at, topic.clone(), payload.clone()));
    }
    all
}

/// Values of one property of one device over time, s.
fn series(run: &[(u64, String, Vec<u8>)], device: &str, property: &str) -> Vec<(f64, f64)> {
    run.iter()
        .filter(|(_, topic, _)| topic.ends_with(&format!("/{device}/obs")))
        .filter_map(|(at, _, payload)| {
            let json: serde_json::Value = serde_json::from_slice(payload).ok()?;
            Some((*at as f64 / 1000.0, json["values"][property].as_f64()?))
        })
        .collect()
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    let one = run(options());
    assert_eq!(one, run(options()));
    assert_ne!(one, run(CityOptions { seed: 2, ..options() }));
}

#[test]
fn every_device_speaks_within_two_seconds_and_then_at_least_every_half_minute() {
    let city = shipped::city(None).expect("the shipped city");
    let run = run(CityOptions { faults: false, ..options() });
    let mut times: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for (at, topic, _) in &run {
        times.entry(topic.split('/').nth(4).expect("a device")).or_default().push(*at);
    }
    assert_eq!(times.len(), city.devices.len());
    for (device, times) in times {
        assert!(times[0] <= 2_000, "{device}");
        if device != "cam-hoi-an" {
            assert!(times.windows(2).all(|w| w[1] - w[0] <= 32_000), "{device}");
        }
    }
    assert!(run.windows(2).all(|w| w[0].0 <= w[1].0), "in the order of time");
}

#[test]
fn a_flooded_street_and_a_wrong_way_driver_come_in_the_first_seconds() {
    let run = run(options());
    let tower = series(&run, "tower-431068", "flood_depth");
    assert!(tower[0].0 <= 2.0 && tower[0].1 > 0.55, "{tower:?}");
    assert!(tower.iter().any(|(t, v)| *t > 160.0 && *v < 0.1), "dries again");
    let wrong = run.iter().find(|(_, topic, payload)| {
        topic.ends_with("/cam-nga-ba-hue/event")
            && String::from_utf8_lossy(payload).contains("\"type\":\"wrong_way\"")
    });
    assert_eq!(wrong.map(|(at, _, _)| *at), Some(3_000));
}

#[test]
fn the_storm_lifts_rivers_over_their_alarm_levels_and_lets_them_fall() {
    let longer = Some(std::time::Duration::from_secs(900));
    let run = run(CityOptions { duration: longer, faults: false, ..options() });
    let level = series(&run, "river-cam-le", "water_level");
    let top = level.iter().map(|(_, v)| *v).fold(0.0, f64::max);
    assert!(level[0].1 < 1.0 && top > 2.0, "{top}");
    assert!(level.last().expect("values").1 < 1.0);
    let jam = series(&run, "traffic-nga-ba-hue", "speed");
    assert!(jam.iter().filter(|(t, _)| (25.0..400.0).contains(t)).all(|(_, v)| *v < 10.0));
    assert!(jam.iter().filter(|(t, _)| *t > 420.0).all(|(_, v)| *v > 10.0));
}

#[test]
fn a_camera_goes_dark_and_comes_back() {
    let run = run(options());
    let words: Vec<(u64, bool)> = run
        .iter()
        .filter(|(_, topic, _)| topic.ends_with("/cam-hoi-an/status"))
        .map(|(at, _, p)| (*at, String::from_utf8_lossy(p).contains("\"online\":true")))
        .collect();
    assert!(words.contains(&(25_000, false)), "{words:?}");
    assert!(words.iter().any(|(at, online)| *at >= 200_000 && *online));
    let dark = run
        .iter()
        .filter(|(at, topic, _)| topic.contains("/cam-hoi-an/") && (25_001..200_000).contains(at));
    assert_eq!(dark.count(), 0);
}

#[test]
fn faults_break_some_payloads_and_without_faults_none() {
    let broken = |options| {
        run(options)
            .iter()
            .filter(|(_, _, p)| serde_json::from_slice::<serde_json::Value>(p).is_err())
            .count()
    };
    let long = Some(std::time::Duration::from_secs(1800));
    assert!(broken(CityOptions { duration: long, ..options() }) > 5);
    assert_eq!(broken(CityOptions { duration: long, faults: false, ..options() }), 0);
}

#[test]
fn without_faults_every_value_is_physically_possible() {
    let city = shipped::city(None).expect("the shipped city");
    let long = Some(std::time::Duration::from_secs(3600));
    for (_, topic, payload) in
        run(CityOptions { duration: long, faults: false, speed: 24.0, ..options() })
    {
        if !topic.ends_with("/obs") {
            continue;
        }
        let json: serde_json::Value = serde_json::from_slice(&payload).expect("json");
        for (property, value) in json["values"].as_object().expect("values") {
            let p = &city.properties[property.as_str()];
            let v = value.as_f64().expect("a number");
            assert!(v >= p.min && v <= p.max, "{topic} {property} {v}");
        }
    }
}

#[test]
fn few_devices_include_those_with_a_part_to_play() {
    let run = run(CityOptions { devices: Some(12), ..options() });
    let devices: BTreeSet<&str> =
        run.iter().filter_map(|(_, topic, _)| topic.split('/').nth(4)).collect();
    assert_eq!(devices.len(), 12);
    assert!(devices.contains("tower-431068") && devices.contains("cam-nga-ba-hue"));
}
