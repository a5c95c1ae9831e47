use crate::decode::shared_data::{decode, decoders, line, one};

const TOPIC: &str = "dahua/cam/event";

fn event(code: &str, data: &str) -> String {
    format!(r#"{{"Code":"{code}","Action":"Pulse","Index":0,"Data":{data}}}"#)
}

fn check(config: &str, topic: &str, payload: &str, expect: &str) {
    let got = one(&decoders(config), topic, payload);
    assert!(got.starts_with(expect), "{topic} {payload}\n  got {got}\n  not {expect}");
}

/// 2022-08-13 21:26:33 in Ho Chi Minh City is 14:26:33 UTC.
#[test]
fn local_times_are_read_where_the_zone_is_configured() {
    let both = r#"{"LocaleTime":"2022-08-13 21:26:33","UTC":1660425993,"UTCMS":250}"#;
    let zone = "{ dahua: { zone: Asia/Ho_Chi_Minh } }";
    let expect = "unassigned/camera_analytics/cam 1660400793250 motion ";
    check("{}", TOPIC, &event("VideoMotion", both), "bad_time: `UTC` and `LocaleTime` are both");
    check(zone, TOPIC, &event("VideoMotion", both), expect);
    let right = r#"{"LocaleTime":"2022-08-13 21:26:33","UTC":1660400793,"UTCMS":250}"#;
    check("{}", TOPIC, &event("VideoMotion", right), expect);
    check(zone, TOPIC, &event("VideoMotion", right), expect);
    let real =
        r#"{"LocaleTime":"2022-08-13 21:26:33","UTC":1660425993,"RealUTC":1660400793,"UTCMS":250}"#;
    check("{}", TOPIC, &event("VideoMotion", real), expect);
    let utc = "{ dahua: { zone: UTC } }";
    check(
        utc,
        TOPIC,
        &event("VideoMotion", both),
        "unassigned/camera_analytics/cam 1660425993250 ",
    );
    for odd in [r#"{"LocaleTime":"yesterday"}"#, r#"{"LocaleTime":"2022-13-41 99:00:00"}"#] {
        check(zone, TOPIC, &event("VideoMotion", odd), "bad_time: ");
    }
}

#[test]
fn every_violation_the_city_looks_for_has_its_kind() {
    for (code, kind) in [
        ("TrafficRunRedLight", "red_light"),
        ("TrafficRetrograde", "wrong_way"),
        ("TrafficOverSpeed", "speeding"),
        ("TrafficParking", "illegal_parking"),
        ("TrafficNonMotorWithoutSafehat", "no_helmet"),
        ("TrafficCrossLane", "wrong_lane"),
        ("CrowdDetection", "crowd"),
        ("WanderDetection", "loitering"),
        ("SmokeDetection", "fire_smoke"),
        ("TrafficJunction", "lpr"),
        ("VideoBlind", "camera_tamper"),
        ("VideoLoss", "signal_loss"),
    ] {
        let expect = format!("unassigned/camera_analytics/cam 1761588000000 {kind} ");
        check("{}", TOPIC, &event(code, r#"{"UTC":1761588000}"#), &expect);
        check("{}", TOPIC, &event(&code.to_uppercase(), r#"{"UTC":1761588000}"#), &expect);
    }
    let own =
        "{ dahua: { kinds: { HeatImagingTemper: temperature_alarm, VideoMotion: loitering } } }";
    let hot = event("HeatImagingTemper", r#"{"UTC":1761588000}"#);
    check(own, TOPIC, &hot, "unassigned/camera_analytics/cam 1761588000000 temperature_alarm ");
    let moved = event("VideoMotion", r#"{"UTC":1761588000}"#);
    check(own, TOPIC, &moved, "unassigned/camera_analytics/cam 1761588000000 loitering ");
}

#[test]
fn a_list_of_events_is_taken_whole_or_not_at_all() {
    let good = event("VideoLoss", r#"{"UTC":1761588000}"#);
    let list = |second: &str| format!(r#"{{"eventList":[{good},{second}]}}"#);
    let d = decoders("{}");
    let other = good.replace(r#""Index":0"#, r#""Index":"4""#);
    let records = decode(&d, TOPIC, list(&other)).expect("taken");
    let lines: Vec<String> = records.iter().map(line).collect();
    assert!(lines[0].contains("/cam ") && lines[1].contains("/cam:5 "), "{lines:?}");
    let refusal = decode(&d, TOPIC, list("{}")).expect_err("refused");
    assert_eq!(refusal.device.as_deref(), Some("cam"));
    let many = format!(r#"{{"eventList":[{}]}}"#, vec![good; 65].join(","));
    check("{}", TOPIC, &many, "too_large: 65 events");
}

#[test]
fn numbers_of_a_counter_mean_nothing_unless_they_are_named() {
    let payload =
        event("NumberStat", r#"{"UTC":1761588000,"EnteredSubtotal":3,"speed":4,"humidity":5}"#);
    check("{}", TOPIC, &payload, "0 records");
    let traffic = event("TrafficFlowStat", r#"{"UTC":1761588000,"Vehicles":[1]}"#);
    check("{}", TOPIC, &traffic, "bad_field: `Vehicles` must be a number");
    check("{}", TOPIC, &event("TrafficFlowStat", "null"), "bad_field: `Data` is missing");
    let explained = decoders("{}").explain(&crate::decode::Incoming {
        topic: TOPIC,
        payload: payload.as_bytes(),
        retain: false,
        received: crate::decode::shared_data::RECEIVED,
    });
    assert_eq!(explained.ignored, ["UTC", "EnteredSubtotal", "speed", "humidity"]);
}

#[test]
fn hostile_forms_are_refused() {
    check("{}", TOPIC, "[]", "bad_field: `Code` is missing");
    check("{}", TOPIC, "7", "bad_field: `Code` is missing");
    check("{}", "dahua/???/event", &event("VideoLoss", "{}"), "bad_id: ");
    check("{}", TOPIC, &event("VideoLoss", r#"{"UTC":1e300}"#), "bad_time: ");
    check("{}", TOPIC, &event("VideoLoss", r#"{"UTC":-1}"#), "bad_time: ");
    let deep = "[".repeat(20) + &"]".repeat(20);
    check("{}", TOPIC, &event("VideoLoss", &format!("{deep:?}")), "malformed: nested");
    let far = event("VideoLoss", r#"{"UTC":1761588000}"#).replace(":0", ":18446744073709551615");
    let got = one(&decoders("{}"), TOPIC, &far);
    assert!(got.contains("/cam:"), "{got}");
}
