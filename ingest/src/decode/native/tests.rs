use ioc_model::{Body, Detection};
use proptest::prelude::*;

use crate::decode::shared_data::{decode, decoders, line, one};
use crate::decode::{Decoders, Incoming};

const OBS: &str = "ioc/v1/hai_chau/air/air-1/obs";
const EVENT: &str = "ioc/v1/hai_chau/traffic/cam-1/event";
const STATUS: &str = "ioc/v1/hai_chau/traffic/cam-1/status";

fn check(topic: &str, payload: &str, expect: &str) {
    let got = one(&decoders("{}"), topic, payload);
    assert!(got.starts_with(expect), "{topic} {payload}\n  got {got}\n  not {expect}");
}

#[test]
fn observations_keep_values_time_counter_and_quality() {
    check(
        OBS,
        r#"{"time":"2025-10-28T01:00:00+07:00","seq":7,"values":{"pm25":35.1,"humidity":80}}"#,
        "hai_chau/air/air-1 1761588000000 Good pm25=35.1 humidity=80",
    );
    check(
        OBS,
        r#"{"values":{"pm25":1},"quality":"bad","time":1761588000123}"#,
        "hai_chau/air/air-1 1761588000123 Bad pm25=1",
    );
    check(
        "ioc/v1/unassigned/river/r-1/obs",
        r#"{"time":1761588000123,"values":{"water_level":-1.5}}"#,
        "unassigned/river/r-1 1761588000123 Good water_level=-1.5",
    );
    let seq = decode(&decoders("{}"), OBS, r#"{"time":1761588000123,"seq":7,"values":{"pm25":1}}"#);
    assert_eq!(seq.expect("good")[0].seq, Some(7));
}

#[test]
fn observations_are_read_strictly() {
    let values = |v: &str| format!(r#"{{"time":1761588000123,"values":{v}}}"#);
    for (payload, expect) in [
        (values(r#"{"pm99":1}"#), "unknown_property: property `pm99`"),
        (values(r#"{"pm25":1,"pm25":2}"#), "bad_field: property `pm25` comes twice"),
        (values(r#"{"pm25":-1}"#), "out_of_range: `pm25` is -1, possible are 0 to 2000 µg/m³"),
        (values(r#"{"pm25":1e999}"#), "out_of_range: "),
        (values(r#"{"pm25":NaN}"#), "malformed: "),
        (values(r#"{"pm25":"1"}"#), "bad_field: `pm25` must be a number"),
        (values(r#"{"pm25":null}"#), "bad_field: `pm25` must be a number"),
        (values(r#"{"pm25":[1]}"#), "bad_field: "),
        (values("{}"), "bad_field: `values` is missing or empty"),
        (values("[]"), "bad_field: "),
        (r#"{"time":1761588000123}"#.into(), "bad_field: `values` is missing or empty"),
        (r#"{"values":{"pm25":1}}"#.into(), "bad_time: `time` is missing"),
        (r#"{"time":"2025-10-28T01:00:00","values":{"pm25":1}}"#.into(), "bad_time: "),
        (r#"{"time":1761588000,"values":{"pm25":1}}"#.into(), "bad_time: "),
        (r#"{"time":1761588000123.5,"values":{"pm25":1}}"#.into(), "bad_time: "),
        (r#"{"time":null,"values":{"pm25":1}}"#.into(), "bad_time: "),
        (r#"{"time":1761588000123,"values":{"pm25":1},"x":0}"#.into(), "bad_field: field `x`"),
        (
            r#"{"time":1761588000123,"time":1761588000123,"values":{"pm25":1}}"#.into(),
            "bad_field: field `time` comes twice",
        ),
        (
            r#"{"time":1761588000123,"quality":"fine","values":{"pm25":1}}"#.into(),
            "bad_field: wrong type",
        ),
        (r#"{"time":1761588000123,"seq":-1,"values":{"pm25":1}}"#.into(), "bad_field: "),
        (values(r#"{"pm25":1}"#) + " x", "malformed: "),
        ("[]".into(), "bad_field: "),
        (String::new(), "malformed: "),
        ("{".into(), "malformed: "),
    ] {
        check(OBS, &payload, expect);
    }
}

#[test]
fn impossible_values_become_a_second_record_of_bad_quality() {
    let lines = |payload: &str| -> Vec<String> {
        let records = decode(&decoders("{}"), OBS, payload).expect("taken");
        records.iter().map(line).collect()
    };
    let at = "hai_chau/air/air-1 1761588000123";
    assert_eq!(
        lines(
            r#"{"time":1761588000123,"values":{"co":-200,"pm25":35.1,"no2":-200,"humidity":80}}"#
        ),
        [format!("{at} Good pm25=35.1 humidity=80"), format!("{at} Bad co=-200 no2=-200")]
    );
    assert_eq!(
        lines(r#"{"time":1761588000123,"quality":"uncertain","values":{"co":-200,"pm25":35.1}}"#),
        [format!("{at} Uncertain pm25=35.1"), format!("{at} Bad co=-200")]
    );
    // What the sender calls bad is one record, and told all the same.
    let bad = r#"{"time":1761588000123,"quality":"bad","values":{"co":-200,"pm25":35.1}}"#;
    assert_eq!(lines(bad), [format!("{at} Bad pm25=35.1 co=-200")]);
    let d = decoders("{}");
    let message = Incoming {
        topic: OBS,
        payload: bad.as_bytes(),
        retain: false,
        received: super::super::shared_data::RECEIVED,
    };
    let doubt = d.decode(&message).expect("taken").doubt.expect("told");
    assert_eq!(doubt.device.as_deref(), Some("air-1"));
    assert_eq!(doubt.detail, "`co` is -200, possible are 0 to 200000 µg/m³");

    for (payload, expect) in [
        (r#"{"time":1761588000123,"values":{"co":-200,"no2":-200}}"#, "out_of_range: `co` is -200"),
        (r#"{"time":1761588000123,"values":{"co":1e999,"pm25":1}}"#, "out_of_range: number too"),
        (r#"{"time":1761588000123,"values":{"co":-200,"co":1}}"#, "bad_field: property `co`"),
        (r#"{"time":1761588000123,"values":{"co":-200,"pm99":1}}"#, "unknown_property: "),
    ] {
        check(OBS, payload, expect);
    }
}

#[test]
fn payloads_that_are_not_utf8_or_too_large_are_refused() {
    let d = decoders("{}");
    let not_utf8 = b"{\"time\":1761588000123,\"values\":{\"\xff\":1}}";
    assert!(one(&d, OBS, not_utf8).starts_with("malformed"));
    let refusal = decode(&d, OBS, vec![b' '; 65_537]).expect_err("too large");
    assert_eq!((refusal.reason.as_str(), refusal.device.as_deref()), ("too_large", Some("air-1")));
}

#[test]
fn topics_are_checked_and_name_the_device_of_a_refusal() {
    let good = r#"{"time":1761588000123,"values":{"pm25":1}}"#;
    for (topic, expect) in [
        ("ioc/v1/atlantis/air/a/obs", "unknown_area: "),
        ("ioc/v1/hai_chau/airs/a/obs", "unknown_service: "),
        ("ioc/v1/hai_chau/air/a b/obs", "bad_id: "),
        ("ioc/v1/hai_chau/air//obs", "bad_id: "),
        ("ioc/v1/hai_chau/air/a/observation", "unknown_topic: "),
        ("ioc/v1/hai_chau/air/a/obs/x", "unknown_topic: "),
        ("ioc/v1/hai_chau/air/a", "unknown_topic: "),
        ("ioc/v2/hai_chau/air/a/obs", "unknown_topic: "),
        ("", "unknown_topic: "),
    ] {
        check(topic, good, expect);
    }
    check(&format!("ioc/v1/hai_chau/air/{}/obs", "x".repeat(65)), good, "bad_id: ");
    check(&format!("ioc/v1/{}", "/".repeat(300)), good, "bad_id: the topic is longer");
    let refusal = decode(&decoders("{}"), "ioc/v1/atlantis/air/a1/obs", good).expect_err("area");
    assert_eq!(refusal.device.as_deref(), Some("a1"));
}

#[test]
fn without_a_seal_plate_and_snapshot_are_forgotten() {
    let payload = r#"{"time":"2025-10-28T01:00:00+07:00","type":"wrong_way","id":"e-1",
        "object":"car","confidence":0.9,"count":2,"zone":"lane1","plate":"43A-123.45",
        "snapshot":"http://x/1.jpg"}"#;
    let records = decode(&decoders("{}"), EVENT, payload).expect("accepted");
    let expect = Detection {
        kind: "wrong_way".into(),
        id: Some("e-1".into()),
        object: Some("car".into()),
        confidence: Some(0.9),
        count: Some(2.0),
        zone: Some("lane1".into()),
        personal: None,
    };
    assert_eq!(records[0].body, Body::Detection(Box::new(expect)));
    assert!(!format!("{records:?}").contains("43A"));
}

#[test]
fn events_need_only_time_and_type() {
    check(
        EVENT,
        r#"{"time":1761588000123,"type":"crowd","object":null,"count":null}"#,
        "hai_chau/traffic/cam-1 1761588000123 crowd id=- object=- p=- n=- zone=-",
    );
    for (payload, expect) in [
        (r#"{"time":1761588000123}"#, "bad_field: `type`"),
        (r#"{"time":1761588000123,"type":"Wrong Way"}"#, "bad_field: `type`"),
        (r#"{"type":"crowd"}"#, "bad_time: "),
        (r#"{"time":1761588000123,"type":"crowd","confidence":1.5}"#, "out_of_range: "),
        (r#"{"time":1761588000123,"type":"crowd","count":-1}"#, "out_of_range: "),
        (r#"{"time":1761588000123,"type":"crowd","id":"a b"}"#, "bad_field: `id`"),
        (r#"{"time":1761588000123,"type":"crowd","face":"x"}"#, "bad_field: field `face`"),
        (
            r#"{"time":1761588000123,"type":"crowd","plate":"a","plate":"b"}"#,
            "bad_field: field `plate` comes twice",
        ),
    ] {
        check(EVENT, payload, expect);
    }
}

#[test]
fn a_will_may_lack_the_time_and_only_a_will() {
    check(
        STATUS,
        r#"{"time":1761588000123,"online":true,"battery":55.5}"#,
        "hai_chau/traffic/cam-1 1761588000123 online=true battery=Some(55.5)",
    );
    check(STATUS, r#"{"online":false}"#, "hai_chau/traffic/cam-1 1761588000000 online=false");
    check(STATUS, r#"{"online":true}"#, "bad_time: ");
    check(STATUS, r#"{"time":1761588000123}"#, "bad_field: `online`");
    check(STATUS, r#"{"time":1761588000123,"online":"yes"}"#, "bad_field: wrong type");
    check(STATUS, r#"{"time":1761588000123,"online":true,"battery":101}"#, "out_of_range: ");
}

#[test]
fn a_remembered_topic_decodes_as_the_first_time_without_new_names() {
    let d = decoders("{}");
    let payload = r#"{"time":1761588000123,"values":{"pm25":1}}"#;
    let first = decode(&d, OBS, payload).expect("good");
    let second = decode(&d, OBS, payload).expect("good");
    assert_eq!(first, second);
    assert!(std::sync::Arc::ptr_eq(&first[0].device, &second[0].device));
    assert!(std::sync::Arc::ptr_eq(&first[0].area, &second[0].area));
}

#[test]
fn a_refusal_leaves_earlier_records_alone() {
    let d = decoders("{}");
    let mut records =
        decode(&d, OBS, r#"{"time":1761588000123,"values":{"pm25":1}}"#).expect("good");
    let bad = Incoming {
        topic: OBS,
        payload: b"{",
        retain: false,
        received: super::super::shared_data::RECEIVED,
    };
    d.decode_into(&bad, &mut records).expect_err("refused");
    assert_eq!(records.len(), 1);
}

fn all_formats() -> Decoders {
    decoders(
        r##"
fiware: { topics: ["fiware/#"], zone: UTC }
mappings:
  - topic: "map/{device}/{area}"
    service: air
    time: { pointer: /t, format: epoch_s }
    seq: /n
    values: [{ property: pm25, pointer: /a/0, unit: "mg/m³" }]
    quality: { pointer: /q, good: ["0"] }
"##,
    )
}

/// JSON-like texts of fields that decoders look at.
fn nearly_json() -> impl Strategy<Value = String> {
    let field = prop::sample::select(vec![
        "time",
        "values",
        "type",
        "id",
        "after",
        "before",
        "camera",
        "label",
        "frame_time",
        "data",
        "current_zones",
        "location",
        "coordinates",
        "value",
        "dateObserved",
        "unitCode",
        "intensity",
        "UtcTime",
        "Data",
        "Source",
        "Count",
        "IsInside",
        "severity",
        "pm25",
        "t",
        "a",
        "online",
    ]);
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<f64>().prop_map(|n| format!("{n:?}")),
        any::<i64>().prop_map(|n| n.to_string()),
        any::<bool>().prop_map(|b| b.to_string()),
        prop::sample::select(vec![
            "\"new\"",
            "\"AirQualityObserved\"",
            "\"TrafficFlowObserved\"",
            "\"2025-10-28T01:00:00Z\"",
            "\"2025-10-28T01:00:00/2025-10-28T02:00:00\"",
            "\"é\\u0000\"",
            "\"urn:x:y:2025-10-28T\"",
        ])
        .prop_map(String::from),
        "\"[a-z:0-9-]{0,12}\"",
    ];
    leaf.prop_recursive(5, 64, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|v| format!("[{}]", v.join(","))),
            prop::collection::vec((field.clone(), inner), 0..8).prop_map(|v| {
                let fields: Vec<_> = v.iter().map(|(k, v)| format!("\"{k}\":{v}")).collect();
                format!("{{{}}}", fields.join(","))
            }),
        ]
    })
}

const TOPICS: &[&str] = &[
    OBS,
    EVENT,
    STATUS,
    "fiware/x",
    "frigate/events",
    "frigate/reviews",
    "frigate/cam/person",
    "frigate/cam/status/detect",
    "frigate/available",
    "cam/onvif-ej/RuleEngine/LineDetector/Crossed/&1",
    "cam/onvif-ej/RuleEngine/CountAggregation/Counter",
    "cam/onvif-ej/VideoSource/SignalLoss",
    "cam/onvif-ej/Device/Sensor/Temperature/High",
    "map/d1/hai_chau",
];

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let d = all_formats();
        for topic in TOPICS {
            let _ = decode(&d, topic, &bytes);
        }
    }

    #[test]
    fn nearly_right_json_never_panics_and_gives_only_good_records(text in nearly_json()) {
        let d = all_formats();
        for topic in TOPICS {
            for record in decode(&d, topic, &text).unwrap_or_default() {
                prop_assert!(super::super::ids::is_id(&record.device));
                if let Body::Observation { values, .. } = &record.body {
                    prop_assert!(!values.is_empty() && values.iter().all(|(_, v)| v.is_finite()));
                }
            }
        }
    }

    #[test]
    fn arbitrary_topics_never_panic(topic in any::<String>(), tail in "[a-z/&]{0,40}") {
        let d = all_formats();
        for prefix in ["", "ioc/v1/", "frigate/", "x/onvif-ej/", "fiware/", "map/"] {
            let _ = decode(&d, &format!("{prefix}{topic}/{tail}"), "{}");
        }
    }
}
