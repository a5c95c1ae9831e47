use std::sync::Arc;

use ioc_model::{Device, DeviceField, Devices, Name, Timestamp};

use super::super::shared_data::{decode, decoders, line, mistakes, one};
use crate::registry::Registry;

#[test]
fn what_is_a_detection_can_be_said() {
    let decoders =
        decoders("zigbee2mqtt: { detections: { moving: motion, contact: window_open } }");
    let check = |payload: &str, expect: &str| {
        let got = one(&decoders, "zigbee2mqtt/x", payload);
        assert!(got.contains(expect), "{payload}: {got}");
    };
    check(r#"{"moving":"true"}"#, " motion id=-");
    check(r#"{"contact":false}"#, " window_open id=-");
    check(r#"{"occupancy":true}"#, "0 records");
}

#[test]
fn the_registrys_word_goes_before_a_detection() {
    let place = [Name::from("air"), Name::from("hai_chau")];
    let mut device = Device::unknown("gate", &place[0], &place[1], Timestamp::default());
    let field = |name: &str, property: &str| DeviceField {
        name: name.into(),
        property: property.into(),
        unit: Some("fraction".into()),
    };
    device.fields = vec![field("occupancy", "occupancy")];
    let devices: Devices = [Arc::new(device)].into_iter().collect();
    let decoders = decoders("{}").with_registry(Arc::new(Registry::of(devices)));
    let got = one(&decoders, "zigbee2mqtt/gate", r#"{"occupancy":0.4}"#);
    assert!(got.ends_with("Good occupancy=40"), "{got}");
}

#[test]
fn several_dangers_of_one_message_are_several_detections() {
    let payload = r#"{"smoke":true,"tamper":true,"temperature":71.5,"humidity":3}"#;
    let records = decode(&decoders("{}"), "zigbee2mqtt/x", payload).expect("accepted");
    let lines: Vec<_> = records.iter().map(line).collect();
    let at = "unassigned/air/x 1761588000000";
    let none = "id=- object=- p=- n=- zone=-";
    let expect = [
        format!("{at} smoke {none}"),
        format!("{at} tamper {none}"),
        format!("{at} Good humidity=3"),
        format!("{at} Bad temperature=71.5"),
    ];
    assert_eq!(lines, expect);
}

#[test]
fn names_may_hold_what_looks_like_a_request() {
    let silent = |topic: &str| one(&decoders("{}"), topic, r#"{"humidity":3}"#) == "0 records";
    assert!(silent("zigbee2mqtt/a/settings/set"));
    assert!(silent("zigbee2mqtt/a/get/humidity"));
    assert!(!silent("zigbee2mqtt/a/settings"));
    assert!(!silent("zigbee2mqtt/set"));
}

#[test]
fn a_base_topic_of_two_levels_is_the_bridges_name() {
    let decoders = decoders("zigbee2mqtt: { base_topic: zigbee2mqtt/floor1 }");
    let got = one(&decoders, "zigbee2mqtt/floor1/bridge/state", "online");
    assert!(got.starts_with("unassigned/air/zigbee2mqtt-floor1 "), "{got}");
    assert_eq!(decoders.format_of("zigbee2mqtt/x"), "none");
}

#[test]
fn every_mistake_of_the_settings_is_told() {
    let wrong =
        mistakes("zigbee2mqtt: { base_topic: 'a/#', service: x, detections: { smoke: 'Smoke!' } }");
    assert_eq!(
        wrong,
        [
            "decoders.yaml:0:0: zigbee2mqtt: base topic `a/#` is no topic",
            "decoders.yaml:0:0: zigbee2mqtt: service `x` is not in the catalogue",
            "decoders.yaml:0:0: zigbee2mqtt: `Smoke!` is no kind of detection",
        ]
    );
}

#[test]
fn lists_of_the_bridge_may_be_of_any_size() {
    let large = format!("[\"{}\"]", "x".repeat(1 << 20));
    let check = |topic: &str, expect: &str| {
        let got = one(&decoders("{}"), topic, &large);
        assert!(got.starts_with(expect), "{topic}: {got}");
    };
    check("zigbee2mqtt/bridge/devices", "0 records");
    check("zigbee2mqtt/bridge/definitions", "0 records");
    check("zigbee2mqtt/bridge/state", "too_large");
    check("zigbee2mqtt/gate", "too_large");
}
