use super::super::shared_data::{decode, decoders, line, mistakes, one};

const TOPIC: &str = "v3/app1@ttn/devices/dev1/up";

fn uplink(message: &str) -> String {
    format!(
        r#"{{"end_device_ids":{{"device_id":"dev1","dev_eui":"0004A30B001C0530"}},
        "received_at":"2025-10-27T18:00:01Z","uplink_message":{{{message}}}}}"#
    )
}

fn check(message: &str, expect: &[&str]) {
    let got = match decode(&decoders("{}"), TOPIC, uplink(message)) {
        Ok(records) => records.iter().map(line).collect(),
        Err(r) => vec![format!("{}: {}", r.reason.as_str(), r.detail)],
    };
    assert_eq!(got, expect, "{message}");
}

#[test]
fn counters_that_are_both_omitted_agree() {
    let level = r#""received_at":"2025-10-27T18:00:00Z","decoded_payload":{"pm25":1}"#;
    let at = "unassigned/air/0004a30b001c0530 1761588000000";
    let (status, values) =
        (format!("{at} online=true battery=Some(50.0)"), format!("{at} Good pm25=1"));
    check(&format!(r#"{level},"last_battery_percentage":{{"value":50}}"#), &[&status, &values]);
    check(&format!(r#"{level},"last_battery_percentage":{{"f_cnt":3,"value":50}}"#), &[&values]);
    check(
        &format!(r#"{level},"last_battery_percentage":{{"value":255}}"#),
        &["out_of_range: `last_battery_percentage` is 255, possible are 0 to 100 %"],
    );
}

#[test]
fn two_normalised_values_of_one_property_are_not_both_kept() {
    check(
        r#""received_at":"2025-10-27T18:00:00Z",
        "normalized_payload":[{"air":{"temperature":20}},{"air":{"temperature":30}}]"#,
        &["unassigned/air/0004a30b001c0530 1761588000000 Good temperature=20"],
    );
    check(
        r#""received_at":"2025-10-27T18:00:00Z",
        "normalized_payload":[{"time":"yesterday","air":{"temperature":20}}]"#,
        &["bad_time: `yesterday` is not an RFC 3339 time with an offset"],
    );
}

#[test]
fn the_gateways_time_stands_when_the_servers_is_missing() {
    let topic = "v3/app1/devices/dev1/up";
    let payload = r#"{"end_device_ids":{"device_id":"dev1"},"uplink_message":{
        "rx_metadata":[{"time":"2025-10-27T18:00:00Z"}],"decoded_payload":{"pm25":1}}}"#;
    let expect = "unassigned/air/dev1 1761588000000 Good pm25=1";
    assert_eq!(one(&decoders("{}"), topic, payload), expect);
}

#[test]
fn a_wrong_message_for_its_topic_is_refused() {
    let join = r#"{"end_device_ids":{"device_id":"dev1"},"received_at":"2025-10-27T18:00:00Z",
        "join_accept":{}}"#;
    let got = one(&decoders("{}"), TOPIC, join);
    assert!(got.starts_with("bad_field: neither `uplink_message`"), "{got}");
    check(
        r#""received_at":"2025-10-27T18:00:00Z","decoded_payload":"7""#,
        &["bad_field: `decoded_payload` is no object"],
    );
}

#[test]
fn services_go_by_application_without_its_tenant() {
    let decoders = decoders("ttn: { services: { app1: river } }");
    let payload = uplink(r#""received_at":"2025-10-27T18:00:00Z","decoded_payload":{"pm25":1}"#);
    assert!(one(&decoders, TOPIC, payload).starts_with("unassigned/river/"));
    assert_eq!(
        mistakes("ttn: { service: x }"),
        ["decoders.yaml:0:0: ttn: service `x` is not in the catalogue"]
    );
}
