use crate::decode::shared_data::{RECEIVED, decode, decoders, line, mistakes, one, shared};

const FACTORY: &str = r#"
mappings:
  - topic: "factory/{device}/env"
    service: air
    area: hai_chau
    time: { pointer: /ts, format: epoch_s }
    seq: /n
    values:
      - { property: temperature, pointer: /data/0/t, unit: "°F", required: true }
      - { property: co, pointer: /data/0/co, unit: "mg/m³" }
    quality: { pointer: /ok, good: ["true"], uncertain: ["warming up"], bad: ["false"] }
"#;

fn check(payload: &str, expect: &str) {
    let got = one(&decoders(FACTORY), "factory/oven-1/env", payload);
    assert!(got.starts_with(expect), "{payload}\n  got {got}\n  not {expect}");
}

#[test]
fn reads_by_pointer_and_converts() {
    check(
        r#"{"ts":1761588000.5,"n":9,"ok":true,"data":[{"t":"77","co":1.2}],"other":{}}"#,
        "hai_chau/air/oven-1 1761588000500 Good temperature=25 co=1200",
    );
    check(
        r#"{"ts":1761588000,"ok":"warming up","data":[{"t":32}]}"#,
        "hai_chau/air/oven-1 1761588000000 Uncertain temperature=0",
    );
    check(
        r#"{"ts":1761588000,"ok":false,"data":[{"t":32}]}"#,
        "hai_chau/air/oven-1 1761588000000 Bad",
    );
}

#[test]
fn refuses_what_does_not_fit_and_names_the_device() {
    check(r#"{"ts":1761588000,"data":[{"co":1}]}"#, "bad_field: `temperature` is missing");
    check(r#"{"ts":1761588000,"data":[{"t":"hot"}]}"#, "bad_field: `temperature` is not a number");
    check(r#"{"ts":1761588000,"data":[{"t":500}]}"#, "out_of_range: `temperature` is 260");
    check(r#"{"data":[{"t":50}]}"#, "bad_time: the time is missing");
    check(r#"{"ts":1761588000123,"data":[{"t":50}]}"#, "bad_time: ");
    check(
        r#"{"ts":1761588000,"ok":"?","data":[{"t":50}]}"#,
        "bad_field: quality `?` is not mapped",
    );
    check(r#"{"ts":1761588000,"n":-1,"data":[{"t":50}]}"#, "bad_field: the counter");
    let refusal = decode(&decoders(FACTORY), "factory/oven-1/env", "[").expect_err("malformed");
    assert_eq!(refusal.device.as_deref(), Some("oven-1"));
}

#[test]
fn one_impossible_value_does_not_spoil_the_message() {
    let payload = r#"{"ts":1761588000,"ok":"warming up","data":[{"t":500,"co":1.2}]}"#;
    let records = decode(&decoders(FACTORY), "factory/oven-1/env", payload).expect("taken");
    let lines: Vec<_> = records.iter().map(line).collect();
    let at = "hai_chau/air/oven-1 1761588000000";
    assert_eq!(lines, [format!("{at} Uncertain co=1200"), format!("{at} Bad temperature=260")]);
}

#[test]
fn zigbee2mqtt_is_a_mapping_with_the_time_of_arrival() {
    let Some(messages) = shared("mqtt_payloads/zigbee2mqtt/messages.jsonl") else { return };
    let d = decoders(
        r#"
mappings:
  - topic: "zigbee2mqtt/{device}"
    service: air
    time: { format: received }
    values:
      - { property: temperature, pointer: /temperature, unit: "°C" }
      - { property: humidity, pointer: /humidity, unit: "%" }
"#,
    );
    let text = String::from_utf8(messages).expect("text");
    let line = text.lines().next().expect("first message");
    let payload =
        line.split_once("\"payload\":").expect("payload").1.strip_suffix('}').expect("end");
    assert_eq!(
        one(&d, "zigbee2mqtt/FRIENDLY_NAME", payload),
        format!(
            "unassigned/air/FRIENDLY_NAME {} Good temperature=27.34 humidity=44.72",
            RECEIVED.0
        )
    );
    assert!(
        one(&d, "zigbee2mqtt/FRIENDLY_NAME", r#"{"action":"single"}"#)
            .starts_with("bad_field: none of the mapped values")
    );
}

#[test]
fn chirpstack_is_a_mapping_with_the_device_in_the_payload() {
    let Some(payload) = shared("mqtt_payloads/chirpstack/event_up.json") else { return };
    let d = decoders(
        r#"
mappings:
  - topic: "application/+/device/+/event/up"
    device: /deviceInfo/devEui
    service: air
    time: { pointer: /time, format: rfc3339 }
    values: [{ property: battery, pointer: /fPort, unit: "%" }]
"#,
    );
    assert_eq!(
        one(&d, "application/a/device/b/event/up", payload),
        "unassigned/air/0101010101010101 1658136855775 Good battery=1"
    );
}

#[test]
fn captured_area_and_service_must_be_the_citys() {
    let d = decoders(
        r#"
mappings:
  - topic: "x/{area}/{service}/{device}"
    time: { pointer: /t, format: rfc3339, zone: Asia/Ho_Chi_Minh }
    values: [{ property: water_level, pointer: /cm, unit: cm }]
"#,
    );
    let payload = r#"{"t":"2025-10-28T01:00:00","cm":193}"#;
    assert_eq!(
        one(&d, "x/hai_chau/river/r9", payload),
        "hai_chau/river/r9 1761588000000 Good water_level=1.93"
    );
    assert!(one(&d, "x/atlantis/river/r9", payload).starts_with("unknown_area"));
    assert!(one(&d, "x/hai_chau/magic/r9", payload).starts_with("unknown_service"));
    assert!(one(&d, "x/hai_chau/river/???", payload).starts_with("bad_id"));
}

#[test]
fn every_mistake_is_told_with_its_place() {
    insta::assert_snapshot!(
        mistakes(
            r#"mappings:
  - topic: "factory/{thing}/env"
    service: magic
    area: atlantis
    time: { pointer: ts, format: epoch_s, zone: Mars }
    values:
      - { property: temperature, pointer: /t, unit: "%" }
      - { property: warmth, pointer: /t, unit: "°C" }
      - { property: co, pointer: /co, unit: ppb }
  - topic: "a/b"
    time: { format: rfc3339 }
    values: []
"#
        )
        .join("\n")
    );
    insta::assert_snapshot!(mistakes("mappings:\n  - topic: a\n    tiem: {}\n").join("\n"));
    insta::assert_snapshot!(mistakes("{ fiware: { zone: Mars, topics: [\"#/a\"] }, frigate: { service: magic }, onvif: { kinds: { a: B } } }").join("\n"));
}

const METRICS: &str = r#"
mappings:
  - topic: "m/{device}/{property}"
    service: air
    time: { pointer: /t, format: epoch_s }
    values:
      - { property: temperature, level: temp, pointer: /v, unit: "K", required: true }
      - { property: humidity, pointer: /v, unit: "%" }
"#;

#[test]
fn a_level_of_the_topic_tells_the_property() {
    let decoders = decoders(METRICS);
    let check = |level: &str, payload: &str, expect: &str| {
        let got = one(&decoders, &format!("m/mast/{level}"), payload);
        assert!(got.ends_with(expect), "{level} {payload}: {got}");
    };
    check("temp", r#"{"t":1761588000,"v":300}"#, "1761588000000 Good temperature=26.85");
    check("humidity", r#"{"t":1761588000,"v":"54"}"#, "1761588000000 Good humidity=54");
    // The level means a property only by its own word.
    check("temperature", r#"{"t":1761588000,"v":300}"#, "0 records");
    check("temp", r#"{"t":1761588000}"#, "bad_field: `temperature` is missing");
    check("humidity", r#"{"t":1761588000}"#, "bad_field: none of the mapped values is there");
}

#[test]
fn a_repeat_with_its_own_time_is_read() {
    let message = |config: &str, topic: &str, payload: &str| {
        let message = crate::decode::Incoming {
            topic,
            payload: payload.as_bytes(),
            retain: true,
            received: RECEIVED,
        };
        decoders(config).decode(&message).expect("right").records.len()
    };
    assert_eq!(message(METRICS, "m/mast/temp", r#"{"t":1761588000,"v":300}"#), 1);
    let received = METRICS.replace("{ pointer: /t, format: epoch_s }", "{ format: received }");
    assert_eq!(message(&received, "m/mast/temp", r#"{"v":300}"#), 0);
}

#[test]
fn mistakes_of_levels_and_plain_payloads_are_told_with_their_place() {
    let yaml = r#"
mappings:
  - topic: "a/{device}/{property}"
    time: { format: received }
    values:
      - { property: humidity, level: h, pointer: "", unit: "%" }
      - { property: temperature, level: h, pointer: "", unit: "°C" }
  - topic: "b/{device}"
    payload: plain
    time: { format: epoch_s, pointer: /t }
    seq: /n
    values:
      - { property: humidity, level: h, pointer: /v, unit: "%" }
"#;
    assert_eq!(
        mistakes(yaml),
        [
            "decoders.yaml:7:41: level `h` comes twice",
            "decoders.yaml:13:38: the topic has no `{property}`",
            "decoders.yaml:13:50: a plain payload has only the pointer ``",
            "decoders.yaml:11:10: a plain payload has only the pointer ``",
            "decoders.yaml:10:39: a plain payload has only the pointer ``",
        ]
    );
}
