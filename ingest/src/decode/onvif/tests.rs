use crate::decode::Incoming;
use crate::decode::shared_data::{RECEIVED, decode, decoders, line, look_twice, mistakes, one};

fn check(config: &str, topic: &str, payload: &str, expect: &str) {
    let got = one(&decoders(config), topic, payload);
    assert!(got.starts_with(expect), "{topic} {payload}\n  got {got}\n  not {expect}");
}

/// The example of the specification (domain.md §3.1).
const LINE: &str = r#"{"UtcTime":"2008-10-10T12:24:57.321Z","Source":{"VideoSource":"1",
    "AnalyticsConfiguration":"2","Rule":"MyImportantFence1"},"Data":{"ObjectId":"15"}}"#;
const LINE_TOPIC: &str = "MyDevice/onvif-ej/RuleEngine/LineDetector/Crossed/&1/2/MyImportantFence1";

fn state(item: &str, value: &str) -> String {
    format!(
        r#"{{"UtcTime":"2025-10-28T01:00:00Z","Source":{{"Rule":"r1"}},"Data":{{"{item}":{value},"ObjectId":7}}}}"#
    )
}

#[test]
fn the_documented_line_crossing_is_a_detection() {
    check(
        "{}",
        LINE_TOPIC,
        LINE,
        "unassigned/camera_analytics/MyDevice 1223641497321 line_crossed id=15 object=- p=- n=- zone=MyImportantFence1",
    );
}

#[test]
fn a_configured_rule_is_wrong_way_driving() {
    check(
        "{ onvif: { kinds: { MyImportantFence1: wrong_way }, devices: { MyDevice: cam-7 } } }",
        LINE_TOPIC,
        LINE,
        "unassigned/camera_analytics/cam-7 1223641497321 wrong_way id=15",
    );
}

#[test]
fn states_count_when_they_become_true_bare_or_as_text() {
    let topic = "a/b/cam/onvif-ej/RuleEngine/FieldDetector/ObjectsInside/&1";
    for yes in ["true", "\"true\"", "1", "\"1\""] {
        check(
            "{}",
            topic,
            &state("IsInside", yes),
            "unassigned/camera_analytics/cam 1761613200000 object_inside id=7",
        );
    }
    for no in ["false", "\"false\"", "0"] {
        check("{}", topic, &state("IsInside", no), "0 records");
    }
    check("{}", topic, &state("Other", "true"), "bad_field: `IsInside`");
    check("{}", topic, &state("IsInside", "\"maybe\""), "bad_field: `IsInside`");
}

#[test]
fn tampering_and_signal_loss_are_told_apart() {
    for (topic, kind) in [
        ("VideoSource/SignalLoss", "signal_loss"),
        ("VideoSource/GlobalSceneChange/ImagingService", "camera_tamper"),
        ("VideoSource/ImageTooDark/AnalyticsService", "camera_tamper"),
        ("VideoSource/ImpairedVisibility", "camera_tamper"),
    ] {
        check(
            "{}",
            &format!("cam/onvif-ej/{topic}/&1"),
            &state("State", "true"),
            &format!("unassigned/camera_analytics/cam 1761613200000 {kind} "),
        );
    }
}

#[test]
fn a_deleted_property_event_says_nothing() {
    check("{}", LINE_TOPIC, "", "0 records");
}

#[test]
fn counters_are_observations_of_people_or_objects() {
    let topic = "cam/onvif-ej/RuleEngine/CountAggregation/Counter/&1";
    let count = |extra: &str| {
        format!(
            r#"{{"UtcTime":"2025-10-28T01:00:00Z","Source":{{"Rule":"GateA"}},"Data":{{"Count":"42"{extra}}}}}"#
        )
    };
    check(
        "{}",
        topic,
        &count(""),
        "unassigned/camera_analytics/cam 1761613200000 Good object_count=42",
    );
    check(
        "{}",
        topic,
        &count(r#","ClassTypes":"Human""#),
        "unassigned/camera_analytics/cam 1761613200000 Good people_count=42",
    );
    check(
        "{ onvif: { counts: { GateA: vehicle_count } } }",
        topic,
        &count(""),
        "unassigned/camera_analytics/cam 1761613200000 Good vehicle_count=42",
    );
    check("{}", topic, &state("Count", "\"many\""), "bad_field: `Count`");
}

#[test]
fn the_documented_temperature_is_in_celsius() {
    check(
        "{}",
        "MyDevice/onvif-ej/Device/Sensor/Temperature/High",
        r#"{"UtcTime":"2025-07-15T14:30:00Z","Source":{"SensorID":"temp_001"},"Data":{"Value":28.65,"Threshold":25.15}}"#,
        "unassigned/camera_analytics/MyDevice 1752589800000 Good temperature=28.65",
    );
}

#[test]
fn faces_and_without_a_seal_plates_are_not_kept() {
    let payload = r#"{"UtcTime":"2025-10-28T01:00:00Z","Source":{"Rule":"gate"},"Data":{"Likelihood":0.9,
        "ObjectId":"3","LicensePlateInfo":{"PlateNumber":"43A-123.45"},"ImageURI":"http://x/y"}}"#;
    let d = decoders("{}");
    let records = decode(&d, "cam/onvif-ej/RuleEngine/Recognition/LicensePlate/&1", payload);
    let records = records.expect("accepted");
    assert_eq!(
        line(&records[0]),
        "unassigned/camera_analytics/cam 1761613200000 lpr id=3 object=- p=0.9 n=- zone=gate"
    );
    assert!(!format!("{records:?}").contains("43A"));
    check("{}", "cam/onvif-ej/RuleEngine/Recognition/Face/&1", payload, "0 records");
}

#[test]
fn each_class_of_an_object_detection_is_a_detection() {
    let payload =
        r#"{"UtcTime":"2025-10-28T01:00:00","Source":{},"Data":{"ClassTypes":"Person Vehicle"}}"#;
    let records =
        decode(&decoders("{}"), "cam/onvif-ej/RuleEngine/ObjectDetection/Object", payload);
    let lines: Vec<_> = records.expect("accepted").iter().map(line).collect();
    assert!(lines[0].contains("object_detected id=- object=person"), "{lines:?}");
    assert!(
        lines[1].contains("object_detected id=- object=vehicle") && lines.len() == 2,
        "{lines:?}"
    );
}

#[test]
fn what_is_not_known_or_has_no_time_is_refused() {
    check("{}", "cam/onvif-ej/acme:Rule/Odd", LINE, "unknown_topic: ONVIF topic `acme:Rule/Odd`");
    check("{}", LINE_TOPIC, r#"{"Data":{}}"#, "bad_time: `UtcTime`");
    check("{}", LINE_TOPIC, "nonsense", "malformed: ");
    check("{}", "cam/onvif-mj/Odd/p", "{}", "unknown_topic: ");
}

const FRAMES: &str = "cam/onvif-mj/VideoAnalytics/1/m";

fn frame(time: &str, classes: &[&str]) -> String {
    let object = |class: &&str| {
        format!(r##"{{"Appearance":{{"Class":{{"Type":[{{"#text":"{class}"}}]}}}}}}"##)
    };
    let objects: Vec<String> = classes.iter().map(object).collect();
    format!(r#"{{"Frame":[{{"@UtcTime":"{time}","Object":[{}]}}]}}"#, objects.join(","))
}

#[test]
fn one_frame_of_an_interval_is_taken_for_each_camera_and_source() {
    let d = decoders("{ onvif: { frame_every_ms: 500 } }");
    let told = |topic: &str, time: &str| one(&d, topic, frame(time, &["Human"]));
    assert!(told(FRAMES, "2025-10-28T01:00:00.100").ends_with("people_count=1"));
    assert_eq!(told(FRAMES, "2025-10-28T01:00:00.499"), "0 records");
    assert!(told(FRAMES, "2025-10-28T01:00:00.500").ends_with("people_count=1"));
    assert!(told("cam2/onvif-mj/VideoAnalytics/1/m", "2025-10-28T01:00:00.501").contains("/cam2 "));
    assert!(told("cam/onvif-mj/VideoAnalytics/2/m", "2025-10-28T01:00:00.501").contains("/cam "));
    let all = decoders("{ onvif: { frame_every_ms: 0 } }");
    for ms in ["100", "101"] {
        let time = format!("2025-10-28T01:00:00.{ms}");
        assert!(one(&all, FRAMES, frame(&time, &[])).ends_with("people_count=0"));
    }
}

#[test]
fn classes_are_counted_under_the_configured_properties() {
    check(
        "{ onvif: { classes: { bicycle: vehicle_count, car: vehicle_count } } }",
        FRAMES,
        &frame("2025-10-28T01:00:00Z", &["Human", "Car", "Bicycle", "Animal"]),
        "unassigned/camera_analytics/cam 1761613200000 Good object_count=4 vehicle_count=2",
    );
    let wrong = mistakes("{ onvif: { classes: { car: cars } } }");
    assert!(wrong[0].contains("property `cars` is not in the catalogue"), "{wrong:?}");
}

#[test]
fn too_many_frames_and_wrong_forms_are_refused() {
    let many = r#"{"@UtcTime":"2025-10-28T01:00:00Z"}"#.to_owned() + ",";
    let many = format!(r#"{{"Frame":[{}]}}"#, many.repeat(65).trim_end_matches(','));
    check("{}", FRAMES, &many, "too_large: 65 frames");
    for wrong in [r#"{"Frame":[1]}"#, r#"{"Frame":"x"}"#, r#"{"Frame":[{"@UtcTime":7}]}"#] {
        check("{}", FRAMES, wrong, "bad_time: ");
    }
    for odd in [r#""x""#, "7", r#"{"Appearance":[1,2]}"#, r#"{"Appearance":{"Class":"Human"}}"#] {
        let payload =
            format!(r#"{{"Frame":{{"@UtcTime":"2025-10-28T01:00:00Z","Object":{odd}}}}}"#);
        let expect =
            "unassigned/camera_analytics/cam 1761613200000 Good object_count=1 people_count=0";
        check("{}", FRAMES, &payload, expect);
    }
    check("{}", "cam/onvif-mj/SensorData/Pressure", "{}", "unknown_topic: ONVIF sensor");
    check("{}", "###/onvif-mj/SensorData/Temperature", "{}", "bad_id: ");
}

#[test]
fn looking_at_a_frame_does_not_use_up_its_interval() {
    let d = decoders("{ onvif: { frame_every_ms: 1000 } }");
    let topic = "cam/onvif-mj/VideoAnalytics/1";
    let looked = |payload: &str| {
        let payload = payload.as_bytes();
        let message = Incoming { topic, payload, retain: false, received: RECEIVED };
        look_twice(&d, &message).result.expect("right").records.len()
    };
    let (first, second) =
        (frame("2025-10-28T01:00:00.000Z", &["Human"]), frame("2025-10-28T01:00:00.500Z", &[]));
    assert_eq!((looked(&second), looked(&first)), (1, 1));
    assert_eq!(looked(""), 0, "a delete, as when it is told");
    assert_eq!(decode(&d, topic, &first).expect("right").len(), 1, "still the first");
    assert_eq!((looked(&first), looked(&second)), (0, 0));
    let later = frame("2025-10-28T01:00:01.000Z", &[]);
    assert_eq!(looked(&later), 1);
    assert_eq!(decode(&d, topic, &second).expect("right").len(), 0, "the interval is the same");
}
