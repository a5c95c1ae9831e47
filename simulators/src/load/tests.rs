use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use super::*;
use crate::link::{Feed, Message, Step, Tag};

fn plan(rate: f64, devices: u32, (first, step): (u32, u32)) -> LoadPlan {
    LoadPlan {
        start: Instant::now(),
        start_ms: 1_795_300_000_000,
        rate,
        duration: Duration::from_secs(2),
        first,
        step,
        devices,
        payload_bytes: 250,
        values: 4,
    }
}

fn message() -> Message {
    Message { topic: String::new(), payload: vec![], tag: Tag::default(), due: Instant::now() }
}

#[test]
fn messages_are_native_of_the_asked_size_and_unique_in_device_and_time() {
    let mut feed = LoadFeed::new(plan(5_000.0, 3, (0, 1)), None);
    let start = feed.start();
    let mut m = message();
    let mut seen = HashSet::new();
    let mut per_device: BTreeMap<String, u64> = BTreeMap::new();
    let now = start + Duration::from_millis(1_999);
    while feed.next(now, &mut m) == Step::Publish {
        assert_eq!(m.payload.len(), 250);
        let json: serde_json::Value = serde_json::from_slice(&m.payload).expect("json");
        assert_eq!(json["values"].as_object().expect("values").len(), 4);
        assert!(json["values"]["pm25"].as_f64().expect("a number") < 20.0);
        let expected = per_device.entry(m.topic.clone()).or_default();
        assert_eq!(json["seq"].as_u64(), Some(*expected));
        *expected += 1;
        assert!(seen.insert((m.topic.clone(), json["time"].as_i64())));
    }
    assert_eq!(seen.len(), 10_000);
    assert_eq!(per_device.len(), 3);
    assert_eq!(feed.unsent(), 0);
}

#[test]
fn nothing_is_sent_before_it_is_due_and_latency_counts_from_then() {
    let mut feed = LoadFeed::new(plan(100.0, 1, (0, 1)), None);
    let start = feed.start();
    let mut m = message();
    assert_eq!(feed.next(start, &mut m), Step::Publish);
    assert_eq!(feed.next(start, &mut m), Step::Wait(start + Duration::from_millis(10)));
    // The server was slow: the message of 10 ms goes out at 500 ms, due at 10 ms.
    assert_eq!(feed.next(start + Duration::from_millis(500), &mut m), Step::Publish);
    assert_eq!(m.due, start + Duration::from_millis(10));
    assert_eq!(feed.next(start + Duration::from_secs(2), &mut m), Step::Done);
    assert_eq!(feed.unsent(), 198);
}

#[test]
fn connections_share_all_devices_and_none_twice() {
    let mut topics = HashSet::new();
    for c in 0..4 {
        let mut feed = LoadFeed::new(plan(1_000.0, 10, (c, 4)), None);
        let now = feed.start() + Duration::from_millis(500);
        let mut m = message();
        let mut mine = HashSet::new();
        while feed.next(now, &mut m) == Step::Publish {
            mine.insert(m.topic.clone());
        }
        for topic in mine {
            assert!(topics.insert(topic));
        }
    }
    assert_eq!(topics.len(), 10);
}

#[test]
fn the_ledger_names_what_was_acknowledged_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("acked.txt");
    let ledger = LedgerOut::create(&path).expect("a file");
    let mut feed = LoadFeed::new(plan(1_000.0, 10, (2, 4)), Some(ledger));
    feed.done(Tag { device: 1, seq: 7, time_ms: 99 }, true, Duration::ZERO);
    feed.done(Tag { device: 0, seq: 8, time_ms: 100 }, false, Duration::ZERO);
    feed.finish();
    let text = std::fs::read_to_string(&path).expect("readable");
    assert_eq!(text, "load-000006 7 99\n");
}
