use crate::decode::Incoming;
use crate::decode::shared_data::{RECEIVED, decoders, look_twice, mistakes, one};

const TOPIC: &str = "hikvision/cam/event";

fn alert(kind: &str, time: &str, rest: &str) -> String {
    format!(r#"{{"eventType":"{kind}","eventState":"active","dateTime":"{time}"{rest}}}"#)
}

fn check(config: &str, topic: &str, payload: &str, expect: &str) {
    let got = one(&decoders(config), topic, payload);
    assert!(got.starts_with(expect), "{topic} {payload}\n  got {got}\n  not {expect}");
}

const AT: &str = "2025-10-28T01:00:00";

#[test]
fn zone_less_times_are_read_where_the_zone_is_configured() {
    let payload = alert("VMD", AT, "");
    check("{}", TOPIC, &payload, "bad_time: ");
    let zone = "{ hikvision: { zone: Asia/Ho_Chi_Minh } }";
    check(zone, TOPIC, &payload, "unassigned/camera_analytics/cam 1761588000000 motion");
    let other = alert("VMD", "2025-10-28T01:00:00+05:30", "");
    check(zone, TOPIC, &other, "unassigned/camera_analytics/cam 1761593400000 motion");
}

#[test]
fn topics_devices_and_kinds_are_configured() {
    let payload = alert("mixedTargetDetection", "2025-10-28T01:00:00+07:00", r#","channelID":"2""#);
    let config = "{ hikvision: { topics: ['{area}/{service}/hik/{device}/#'],
        devices: { nvr: nvr-east, 'nvr:2': cam-2 }, kinds: { MixedTargetDetection: crowd } } }";
    let topic = "hai_chau/security/hik/nvr/a/b";
    check(config, topic, &payload, "hai_chau/security/cam-2 1761588000000 crowd ");
    let third = payload.replace("\"2\"", "\"3\"");
    check(config, topic, &third, "hai_chau/security/nvr:3 1761588000000 crowd ");
    let first = payload.replace("\"2\"", "\"1\"");
    check(config, topic, &first, "hai_chau/security/nvr-east 1761588000000 crowd ");
    check(config, TOPIC, &payload, "unknown_topic: ");
    let wrong = "{ hikvision: { topics: ['hik/#', 'a#/{device}'], zone: Mars, service: x,
        kinds: { VMD: Motion! }, devices: { a: 'b c' } } }";
    let wrong = mistakes(wrong).join("\n");
    for part in [
        "hikvision: topic `hik/#` must have a `{device}`",
        "hikvision: level `a#`",
        "hikvision: zone `Mars` is not known",
        "hikvision: service `x`",
        "hikvision: kind `Motion!`",
        "hikvision: device id `b c`",
    ] {
        assert!(wrong.contains(part), "{part}\n{wrong}");
    }
}

/// One event posted every second is one detection; then it is quiet for longer than
/// `same_event_s`.
#[test]
fn an_event_that_goes_on_is_one_detection_until_it_was_quiet() {
    let d = decoders("{ hikvision: { same_event_s: 10 } }");
    let post = |second: u32, count: u32, region: u32| {
        let time = format!("2025-10-28T01:00:{second:02}+07:00");
        let rest = format!(
            r#","activePostCount":{count},"DetectionRegionList":{{"DetectionRegionEntry":[{{"regionID":"{region}"}}]}}"#
        );
        one(&d, TOPIC, alert("loitering", &time, &rest))
    };
    assert!(
        post(0, 5, 1).ends_with(" loitering id=loitering-1-1761588000000 object=- p=- n=- zone=1")
    );
    for second in 1..=20 {
        assert_eq!(post(second, 5 + second, 1), "0 records", "{second}");
    }
    assert!(post(20, 26, 2).contains("id=loitering-2-"), "another region is another event");
    assert_eq!(post(20, 25, 1), "0 records", "delivered again");
    assert!(post(31, 26, 1).contains("id=loitering-1-1761588031000"), "after eleven seconds");
}

#[test]
fn each_camera_has_its_own_events() {
    let d = decoders("{}");
    let payload = alert("VMD", "2025-10-28T01:00:00+07:00", r#","activePostCount":1"#);
    assert!(one(&d, TOPIC, &payload).contains("/cam "));
    let later = payload.replace("01:00:00", "01:00:01").replace(":1", ":2");
    assert!(one(&d, "hikvision/cam-b/event/VMD", later).contains("/cam-b "));
}

#[test]
fn hostile_ids_and_forms_are_refused() {
    let payload = alert("VMD", "2025-10-28T01:00:00+07:00", "");
    check("{}", "hikvision/???/event", &payload, "bad_id: ");
    check("{}", TOPIC, "[]", "bad_field: `eventType` is missing");
    check("{}", TOPIC, r#"{"EventNotificationAlert":[]}"#, "bad_field: `eventType` is missing");
    let pc = |rest: &str| {
        let body = format!(r#","peopleCounting":{{"statisticalMethods":"realTime"{rest}}}"#);
        alert("PeopleCounting", "2025-10-28T01:00:00+07:00", &body)
    };
    check("{}", TOPIC, &pc(""), "bad_field: neither `enter` nor `exit`");
    check("{}", TOPIC, &pc(r#","enter":9e9,"exit":0"#), "out_of_range: ");
    check("{}", TOPIC, &pc("").replace("realTime", "x"), "bad_field: `statisticalMethods`");
    // A channel that is no count is none.
    let odd = alert("VMD", "2025-10-28T01:00:00+07:00", r#","channelID":-1.5"#);
    check("{}", TOPIC, &odd, "unassigned/camera_analytics/cam ");
}

#[test]
fn looking_at_posts_neither_begins_nor_ends_an_event() {
    let d = decoders("{}");
    let post = |state: &str, second: u32, count: u32| {
        format!(
            r#"{{"eventType":"linedetection","eventState":"{state}","activePostCount":{count},
            "dateTime":"2025-10-28T01:00:{second:02}+07:00"}}"#
        )
    };
    let looked = |payload: &str| {
        let payload = payload.as_bytes();
        let message = Incoming { topic: TOPIC, payload, retain: false, received: RECEIVED };
        look_twice(&d, &message).result.expect("right").records.len()
    };
    let (first, further, end) =
        (post("active", 0, 1), post("active", 1, 2), post("inactive", 2, 0));
    assert_eq!(looked(&first), 1);
    assert!(one(&d, TOPIC, &first).contains("line_crossed"), "still the first post");
    assert_eq!((looked(&end), looked(&further)), (0, 0));
    assert_eq!(one(&d, TOPIC, &further), "0 records", "the event goes on");
    assert_eq!(one(&d, TOPIC, &end), "0 records");
    assert_eq!(looked(&further), 1, "it has ended");
}
