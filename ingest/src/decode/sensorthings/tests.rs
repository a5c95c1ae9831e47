use std::sync::Arc;

use ioc_model::{DeviceField, Devices, Text, Timestamp};

use super::super::shared_data::{RECEIVED, city, line, mistakes};
use super::super::{Decoders, DecodersConfig, Incoming};
use super::*;
use crate::registry::Registry;

fn gauge(id: &str, datastream: &str) -> Arc<Device> {
    let device = Device::unknown(id, &"river".into(), &"hai_chau".into(), Timestamp::default());
    Arc::new(Device {
        name: Text { vi: id.into(), en: id.into() },
        fields: vec![DeviceField {
            name: datastream.into(),
            property: "water_level".into(),
            unit: None,
        }],
        ..device
    })
}

/// What a message to `topic` says, told by an index that lives on.
fn tell(
    format: &SensorThings,
    catalogue: &Catalogue,
    devices: &Devices,
    topic: &str,
    received: Timestamp,
) -> String {
    let payload = br#"{"phenomenonTime":"2025-10-27T18:00:00Z","result":2.5}"#;
    let message = Incoming { topic, payload, retain: false, received };
    let mut records = Vec::new();
    let cx = Cx { catalogue, devices };
    match format.decode(&cx, &message, &mut Out::new(&mut records)) {
        Ok(()) => records.iter().map(line).collect::<Vec<_>>().join(", "),
        Err(r) => format!("{}: {}", r.reason.as_str(), r.detail),
    }
}

fn format(yaml: &str) -> (SensorThings, Catalogue) {
    let config: SensorThingsConfig = serde_saphyr::from_str(yaml).expect("form");
    let catalogue = Catalogue::new(city());
    let mut errors = Vec::new();
    let format = SensorThings::new("x", &config, &catalogue, &mut errors);
    assert!(errors.is_empty(), "{errors:?}");
    (format, catalogue)
}

const TOPIC: &str = "v1.1/Datastreams(5)/Observations";

#[test]
fn a_change_of_the_registry_is_seen_at_once() {
    let (format, catalogue) = format("{}");
    let tell = |d: &Devices| tell(&format, &catalogue, d, TOPIC, RECEIVED);
    let first: Devices = [gauge("g1", "Datastream(5)")].into_iter().collect();
    assert!(tell(&first).starts_with("hai_chau/river/g1 "));
    let moved = first.without("g1").with(gauge("g2", "Datastream(5)"));
    assert!(tell(&moved).starts_with("hai_chau/river/g2 "));
    assert!(tell(&first).starts_with("hai_chau/river/g1 "));
    let gone = moved.with(gauge("g2", "Datastream(6)"));
    assert!(tell(&gone).starts_with("unknown_device: `Datastream(5)` is not in the registry"));
    let doubled = first.with(gauge("g2", "Datastream('5')"));
    assert!(tell(&doubled).starts_with("bad_field: `Datastream(5)` is a field of two devices"));
}

#[test]
fn a_set_of_devices_that_lies_where_the_last_one_lay_is_not_taken_for_it() {
    let (format, catalogue) = format("{}");
    let mut devices: Devices = [gauge("g1", "Datastream(5)")].into_iter().collect();
    let tell = |d: &Devices, ms| tell(&format, &catalogue, d, TOPIC, RECEIVED.plus_ms(ms));
    assert!(tell(&devices, 0).contains("/g1 "));
    devices = [gauge("g2", "Datastream(5)")].into_iter().collect();
    assert!(tell(&devices, 1).contains("/g2 "), "found by looking again");
    devices = Devices::default();
    assert!(tell(&devices, 2).starts_with("unknown_device"));
    devices = [gauge("g3", "Datastream(5)")].into_iter().collect();
    assert!(tell(&devices, 1_100).contains("/g3 "), "after a second it is looked for again");
}

#[test]
fn a_prefix_tells_servers_with_the_same_numbers_apart() {
    let (format, catalogue) = format("{ prefixes: [north/v1.1, south/v1.1] }");
    let devices: Devices = [gauge("g1", "north/v1.1/Datastream(5)"), gauge("g2", "Datastream(5)")]
        .into_iter()
        .collect();
    for (topic, device) in [
        ("north/v1.1/Datastreams(5)/Observations", "/g1 "),
        ("south/v1.1/Datastreams(5)/Observations", "/g2 "),
    ] {
        let got = tell(&format, &catalogue, &devices, topic, RECEIVED);
        assert!(got.contains(device), "{topic}: {got}");
    }
    assert!(!format.takes(TOPIC));
}

#[test]
fn takes_topics_of_observations_and_no_others() {
    let (format, _) = format("{}");
    for topic in [
        TOPIC,
        "v1.0/Observations",
        "v1.1/Observations?$select=result",
        "v1.1/Datastreams('a-b')/Observations",
        "v1.1/MultiDatastreams(7)/Observations",
    ] {
        assert!(format.takes(topic), "{topic}");
    }
    for topic in [
        "v1.1",
        "v1.1/",
        "v1.1/Datastreams(5)",
        "v1.1/Datastreams()/Observations",
        "v1.1/Datastreams(5)/Observations/1",
        "v1.1/Datastreams(5/Observations",
        "v1.1/Datastreams(5)[0]/Observations",
        "v1.1/Datastreams(a/b)/Observations",
        "v1.1/Things(1)/Observations",
        "v1.2/Observations",
        "xv1.1/Observations",
    ] {
        assert!(!format.takes(topic), "{topic}");
    }
}

#[test]
fn what_is_not_read_is_told_to_who_asks() {
    let decoders = Decoders::new("x", &DecodersConfig::default(), city()).expect("defaults");
    let devices: Devices = [gauge("g1", "Datastream(5)")].into_iter().collect();
    let decoders = decoders.with_registry(Arc::new(Registry::of(devices)));
    let payload = br#"{"@iot.id":1,"result":2.5,"resultQuality":"so so","parameters":{}}"#;
    let message = Incoming { topic: TOPIC, payload, retain: false, received: RECEIVED };
    let explained = decoders.explain(&message);
    assert_eq!(explained.format, "sensorthings");
    assert_eq!(explained.ignored, ["resultQuality", "parameters"]);
}

#[test]
fn settings_are_checked() {
    let got = mistakes("sensorthings: { prefixes: ['a/'], zone: Mars }").join("\n");
    assert!(got.contains("prefix `a/`") && got.contains("zone `Mars`"), "{got}");
}
