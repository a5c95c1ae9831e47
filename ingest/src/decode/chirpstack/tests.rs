use std::sync::Arc;

use ioc_model::{Device, Devices, Name, Timestamp};

use super::super::shared_data::{RECEIVED, decode, decoders, mistakes, one};
use super::super::{Decoders, Incoming};
use crate::registry::Registry;

const TOPIC: &str = "application/a1/device/0101010101010101/event/up";

fn uplink(time: &str, f_cnt: u32, object: &str) -> String {
    format!(
        r#"{{"time":"{time}","deviceInfo":{{"devEui":"0101010101010101"}},"fCnt":{f_cnt},
        "data":"qg==","object":{object}}}"#
    )
}

const NINE: &str = "2025-10-27T17:59:00.123456789+00:00";

fn knowing(alias: &str) -> Decoders {
    let place = [Name::from("air"), Name::from("hai_chau")];
    let mut device = Device::unknown("mast-7", &place[0], &place[1], Timestamp::default());
    device.aliases = vec![alias.into()];
    let devices: Devices = [Arc::new(device)].into_iter().collect();
    decoders("{}").with_registry(Arc::new(Registry::of(devices)))
}

#[test]
fn a_redelivery_is_the_same_message_and_a_reset_frame_counter_is_not() {
    let key =
        |payload: String| decode(&decoders("{}"), TOPIC, payload).expect("accepted")[0].dedup_key();
    let object = r#"{"temperature":25}"#;
    let first = key(uplink(NINE, 0, object));
    assert_eq!(first, key(uplink(NINE, 0, object)));
    assert_ne!(first, key(uplink("2025-10-27T18:00:00.123456789+00:00", 0, object)));
}

#[test]
fn a_counter_that_starts_again_is_not_lost_when_the_servers_clock_runs_ahead() {
    // A clamped record is told from the next by its counter alone, if it has one.
    let payload = uplink("2026-01-01T00:00:00Z", 0, r#"{"temperature":25}"#);
    let records = decode(&decoders("{}"), TOPIC, payload).expect("accepted");
    assert_eq!(records[0].seq, None);
}

#[test]
fn fields_that_mean_nothing_are_told_by_their_way() {
    let payload = uplink(NINE, 1, r#"{"temperature":25,"a":{"b":[1,{"c":2}]},"door":"open"}"#);
    let message =
        Incoming { topic: TOPIC, payload: payload.as_bytes(), retain: false, received: RECEIVED };
    let explained = decoders("{}").explain(&message);
    assert_eq!(explained.format, "chirpstack");
    assert_eq!(explained.ignored, ["a.b.0", "a.b.1.c", "door"]);
}

#[test]
fn one_name_written_two_ways_is_refused() {
    let payload = uplink(NINE, 1, r#"{"temperature":25,"probe":{"t":1},"probe.t":2}"#);
    let place = [Name::from("air"), Name::from("hai_chau")];
    let mut device = Device::unknown("mast-7", &place[0], &place[1], Timestamp::default());
    device.aliases = vec!["0101010101010101".into()];
    device.fields = vec![ioc_model::DeviceField {
        name: "probe.t".into(),
        property: "water_level".into(),
        unit: None,
    }];
    let devices: Devices = [Arc::new(device)].into_iter().collect();
    let decoders = decoders("{}").with_registry(Arc::new(Registry::of(devices)));
    assert_eq!(one(&decoders, TOPIC, payload), "bad_field: property `water_level` comes twice");
}

#[test]
fn refusals_are_told_under_the_id_that_the_owner_knows() {
    for alias in ["0101010101010101", "ABCDEF0101010101"] {
        let decoders = knowing(alias);
        for kind in ["up", "wake"] {
            let topic = format!("application/a1/device/{alias}/event/{kind}");
            let refusal = decode(&decoders, &topic, "{").expect_err("no JSON");
            assert_eq!(refusal.device.as_deref(), Some("mast-7"), "{topic}");
        }
    }
    let refusal = decode(&decoders("{}"), TOPIC, "{").expect_err("no JSON");
    assert_eq!(refusal.device.as_deref(), Some("0101010101010101"));
}

#[test]
fn a_prefix_stands_before_all_topics() {
    let decoders = decoders("chirpstack: { prefix: lora/ }");
    let payload = uplink(NINE, 1, r#"{"pm25":7}"#);
    assert!(one(&decoders, &format!("lora/{TOPIC}"), &payload).ends_with("Good pm25=7"));
    assert_eq!(one(&decoders, TOPIC, &payload), "unknown_topic: no decoder takes this topic");
    assert_eq!(decoders.format_of("lora/application/a1/device/x/event"), "none");
    assert_eq!(decoders.format_of("lora/application/a1/gateway/x/event/up"), "none");
    assert_eq!(decoders.format_of("lora/application/a1/device/x/event/up/x"), "none");
}

#[test]
fn services_must_be_in_the_catalogue() {
    let wrong = mistakes("chirpstack: { service: wether, services: { a1: rivr } }");
    let expect = ["`rivr`", "`wether`"]
        .map(|s| format!("decoders.yaml:0:0: chirpstack: service {s} is not in the catalogue"));
    assert_eq!(wrong, expect);
}
