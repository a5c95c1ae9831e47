//! The facts of `data/PROVENANCE.md`, counted; and what goes out.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::{Duration, Instant};

use ioc_model::Timestamp;

use super::*;
use crate::link::{Feed, Message, Step, Tag};
use crate::shipped;

fn carried(name: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("data").join(name);
    unpack(&std::fs::read(path).expect("carried recording")).expect("readable")
}

fn flood_recording() -> Recording {
    let city = shipped::city(None).expect("the shipped city");
    flood(&carried("flood_levels.csv"), &city).expect("the flood")
}

/// All messages as (topic, payload).
fn messages(feed: &mut ReplayFeed<'_>) -> Vec<(String, String)> {
    let now = Instant::now();
    let mut message =
        Message { topic: String::new(), payload: vec![], tag: Tag::default(), due: now };
    let mut all = Vec::new();
    while feed.next(now, &mut message) == Step::Publish {
        let payload = String::from_utf8(message.payload.clone()).expect("text");
        all.push((message.topic.clone(), payload));
    }
    all
}

fn max_speed(times: Times) -> ReplayOptions {
    ReplayOptions { speed: None, times }
}

#[test]
fn the_flood_has_32_levels_in_the_order_of_time_and_column() {
    let recording = flood_recording();
    assert_eq!((recording.len(), recording.devices().len()), (32, 7));
    assert_eq!((recording.bad_rows, recording.empty_rows), (0, 0));
    let mut feed = ReplayFeed::new(&recording, max_speed(Times::Recorded), (None, None));
    let sent = messages(&mut feed);
    assert_eq!(
        sent[0],
        (
            "ioc/v1/cam_le/river/river-cam-le/obs".into(),
            r#"{"time":1761588000000,"values":{"water_level":1.93}}"#.into()
        )
    );
    assert_eq!(sent[31].0, "ioc/v1/quang_phu/river/river-tam-ky/obs");
    assert!(sent[31].1.ends_with(r#""values":{"water_level":2.72}}"#), "{}", sent[31].1);
}

#[test]
fn ndw_has_a_flow_and_a_speed_of_19_lanes_each_minute() {
    let recording = ndw(&carried("ndw_30min.txt.xz")).expect("ndw");
    assert_eq!((recording.len(), recording.devices().len()), (1_140, 19));
    assert_eq!(recording.bad_rows, 0);
    let (mut flows, mut speeds, mut moments) = (0, 0, BTreeSet::new());
    for r in recording.iter() {
        flows += usize::from(!r.values[0].is_nan());
        speeds += usize::from(!r.values[1].is_nan());
        moments.insert(r.time);
    }
    assert_eq!((flows, speeds, moments.len()), (570, 570, 30));
    let first = recording.get(0).expect("a message");
    assert_eq!(first.time, Timestamp::parse_rfc3339("2017-03-15T14:41:00+01:00").expect("valid"));
    assert_eq!(first.values[0], 360.0);
    for device in recording.devices() {
        assert!(device.id.len() <= 64, "{}", device.id);
        assert!(device.id.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.:-".contains(&b)));
    }
}

#[test]
fn beijing_has_the_gaps_that_provenance_names() {
    let recording = beijing(&carried("beijing_dongsi_2014.csv.xz")).expect("beijing");
    assert_eq!((recording.len(), recording.bad_rows), (8_760, 0));
    let mut missing: BTreeMap<&str, usize> = BTreeMap::new();
    for r in recording.iter() {
        for (column, value) in recording.columns().iter().zip(r.values) {
            *missing.entry(column).or_default() += usize::from(value.is_nan());
        }
    }
    let of = |name: &str| missing[name];
    let gases = ["pm25", "pm10", "so2", "no2", "co", "o3"].map(of);
    assert_eq!(gases, [97, 81, 89, 1_081, 103, 127]);
    assert_eq!(of("temperature"), 0);
    let first = recording.get(0).expect("a message");
    assert_eq!(first.time.to_rfc3339(), "2013-12-31T23:00:00+07:00");
}

#[test]
fn uci_sends_its_minus_200_as_it_is() {
    let recording = uci(&carried("uci_air_quality.csv.xz")).expect("uci");
    assert_eq!((recording.len(), recording.bad_rows), (9_357, 0));
    let count = |column: usize| recording.iter().filter(|r| r.values[column] == -200.0).count();
    assert_eq!([count(0), count(1), count(2), count(3)], [1_683, 1_642, 366, 366]);
    let all = recording.iter().filter(|r| r.values.iter().all(|v| *v == -200.0)).count();
    assert_eq!(all, 31);
    let first = recording.get(0).expect("a message");
    assert_eq!(first.values, [2600.0, 113.0, 13.6, 48.9]);
    let last = recording.get(9_356).expect("a message");
    assert_eq!(last.time, Timestamp::parse_rfc3339("2005-04-04T14:00:00+01:00").expect("valid"));
}

#[test]
fn aarhus_keeps_zeros_and_rows_that_come_twice() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../shared/data/aarhus_traffic/traffic_449sensors_2014-08-05_week.csv.xz");
    let Ok(bytes) = std::fs::read(&path) else {
        eprintln!("skipped: {} is not there", path.display());
        return;
    };
    let recording = aarhus(&unpack(&bytes).expect("readable")).expect("aarhus");
    assert_eq!(recording.devices().len(), 449);
    assert_eq!((recording.len(), recording.bad_rows), (817_152, 0));
    let zeros = recording.iter().filter(|r| r.values[0] == 0.0).count();
    assert!((0.3..0.6).contains(&(zeros as f64 / recording.len() as f64)), "{zeros}");
    let mut seen = HashSet::new();
    let twice = recording.iter().filter(|r| !seen.insert((r.device, r.time))).count();
    eprintln!("aarhus: {zeros} zero counts, {twice} rows of a sensor and time that was there");
    assert!(recording.iter().zip(recording.iter().skip(1)).all(|(a, b)| a.time <= b.time));
}

#[test]
fn a_small_aarhus_file_goes_out_as_it_stands() {
    let text = "TIMESTAMP,REPORT_ID,vehicleCount,avgSpeed,avgMeasuredTime,medianMeasuredTime\n\
                2014-08-05T00:00:00,158324,0,80,46,46\n\
                2014-08-05T00:00:00,158324,0,80,46,46\n\
                2014-08-05T00:05:00,158355,x,79,54,54\n";
    let recording = aarhus(text).expect("aarhus");
    assert_eq!((recording.len(), recording.bad_rows), (2, 1));
    let mut feed = ReplayFeed::new(&recording, max_speed(Times::Recorded), (None, None));
    let sent = messages(&mut feed);
    assert_eq!(sent[0], sent[1]);
    assert_eq!(sent[0].0, "ioc/v1/unassigned/traffic/aarhus-158324/obs");
    assert_eq!(sent[0].1, r#"{"time":1407189600000,"values":{"vehicle_count":0,"speed":80}}"#);
}

#[test]
fn lines_of_mosquitto_sub_go_out_unchanged_or_with_a_new_time() {
    let text = "a/b {\"time\":\"2025-10-28T01:00:00+07:00\",\"values\":{\"x\":1.50}}\n\
                a/c not json\n\
                a/# {}\n";
    let recording = lines(text).expect("lines");
    assert_eq!((recording.len(), recording.bad_rows), (2, 1));
    let mut feed = ReplayFeed::new(&recording, max_speed(Times::Recorded), (None, None));
    let sent = messages(&mut feed);
    assert_eq!(sent[0].1, "{\"time\":\"2025-10-28T01:00:00+07:00\",\"values\":{\"x\":1.50}}");
    assert_eq!(sent[1], ("a/c".into(), "not json".into()));
    let mut feed = ReplayFeed::new(&recording, max_speed(Times::Now), (None, None));
    let sent = messages(&mut feed);
    let json: serde_json::Value = serde_json::from_str(&sent[0].1).expect("json");
    assert!(json["time"].as_i64().expect("a number") > 1_761_588_000_000);
}

#[test]
fn times_now_never_give_one_device_the_same_time_twice() {
    let recording = ndw(&carried("ndw_30min.txt.xz")).expect("ndw");
    let mut feed = ReplayFeed::new(&recording, max_speed(Times::Now), (None, None));
    let mut seen = HashSet::new();
    for (topic, payload) in messages(&mut feed) {
        let json: serde_json::Value = serde_json::from_str(&payload).expect("json");
        let time = json["time"].as_i64().expect("a number");
        assert!(seen.insert((topic, time)));
    }
}

#[test]
fn speed_sets_the_pace_and_from_to_the_part() {
    let recording = flood_recording();
    let moment = |text: &str| Some(Timestamp::parse_rfc3339(text).expect("valid"));
    let part = (moment("2025-10-28T13:00:00+07:00"), moment("2025-10-29T13:00:00+07:00"));
    let options = ReplayOptions { speed: Some(3600.0), times: Times::Recorded };
    let mut feed = ReplayFeed::new(&recording, options, part);
    assert_eq!(feed.remaining(), 1 + 5 + 7);
    let start = Instant::now();
    let mut message =
        Message { topic: String::new(), payload: vec![], tag: Tag::default(), due: start };
    assert_eq!(feed.next(start, &mut message), Step::Publish);
    let six_hours_on = start + Duration::from_secs(6);
    assert_eq!(feed.next(start, &mut message), Step::Wait(six_hours_on));
    for _ in 0..5 {
        assert_eq!(feed.next(six_hours_on, &mut message), Step::Publish);
    }
    assert_eq!(feed.next(six_hours_on, &mut message), Step::Wait(start + Duration::from_secs(24)));
}
