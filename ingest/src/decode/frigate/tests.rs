use crate::decode::shared_data::{RECEIVED, decode, decoders, line, one, shared};
use crate::decode::{Decoders, Incoming};

fn lines(d: &Decoders, topic: &str, payload: &str) -> Vec<String> {
    decode(d, topic, payload).expect("accepted").iter().map(line).collect()
}

/// The example of the documentation (domain.md §3.2).
fn event(kind: &str, zones_before: &str, false_positive: bool) -> String {
    format!(
        r#"{{"type":"{kind}","before":{{"current_zones":{zones_before}}},"after":{{
        "id":"1607123955.475377-mxklsc","camera":"front_door","frame_time":1607123962.082975,
        "label":"person","sub_label":["John Smith",0.79],"top_score":0.958984375,
        "false_positive":{false_positive},"start_time":1607123955.475377,"end_time":null,
        "score":0.87890625,"current_zones":["yard","driveway"],"entered_zones":["yard","driveway"],
        "recognized_license_plate":"ABC12345","recognized_license_plate_score":0.933451}}}}"#
    )
}

const OBJECT: &str = "unassigned/camera_analytics/front_door 1607123955475 object_detected \
                      id=1607123955.475377-mxklsc object=person p=0.87890625 n=- zone=-";
const YARD: &str = "unassigned/camera_analytics/front_door 1607123962083 zone_entered \
                    id=1607123955.475377-mxklsc object=person p=0.87890625 n=- zone=yard";

#[test]
fn the_documented_update_says_which_zone_was_entered() {
    let Some(payload) = shared("mqtt_payloads/frigate/events_update.json") else { return };
    assert_eq!(one(&decoders("{}"), "frigate/events", payload), YARD);
}

#[test]
fn a_new_object_is_one_detection_and_one_for_each_zone() {
    let got = lines(&decoders("{}"), "frigate/events", &event("new", "[]", false));
    assert_eq!(got[..2], [OBJECT, YARD]);
    assert!(got[2].ends_with("zone=driveway") && got.len() == 3, "{got:?}");
}

#[test]
fn updates_without_a_new_zone_ends_and_false_positives_say_nothing() {
    let d = decoders("{}");
    for payload in [
        event("update", r#"["driveway","yard"]"#, false),
        event("end", "[]", false),
        event("new", "[]", true),
    ] {
        assert_eq!(lines(&d, "frigate/events", &payload), Vec::<String>::new());
    }
}

#[test]
fn names_and_without_a_seal_plates_are_not_kept() {
    let records = decode(&decoders("{}"), "frigate/events", event("new", "[]", false));
    let text = format!("{:?}", records.expect("accepted"));
    assert!(!text.contains("John") && !text.contains("ABC12345"), "{text}");
}

#[test]
fn reviews_count_when_new_and_when_they_become_alerts() {
    let d = decoders("{}");
    let review = |kind: &str, before: &str, after: &str| {
        format!(
            r#"{{"type":"{kind}","before":{{"severity":"{before}"}},"after":{{
            "id":"1718987129.308396-fqk5ka","camera":"front_cam","start_time":1718987129.308396,
            "end_time":null,"severity":"{after}","data":{{"detections":["a","b"],
            "objects":["person","car"],"sub_labels":[],"zones":["gate"],"audio":[]}}}}}}"#
        )
    };
    assert_eq!(
        lines(&d, "frigate/reviews", &review("new", "detection", "detection")),
        ["unassigned/camera_analytics/front_cam 1718987129308 review_detection \
          id=1718987129.308396-fqk5ka object=person p=- n=2 zone=gate"]
    );
    let upgraded = lines(&d, "frigate/reviews", &review("update", "detection", "alert"));
    assert!(upgraded[0].contains("review_alert") && upgraded.len() == 1, "{upgraded:?}");
    assert!(lines(&d, "frigate/reviews", &review("update", "alert", "alert")).is_empty());
    assert!(lines(&d, "frigate/reviews", &review("end", "detection", "alert")).is_empty());
    assert!(one(&d, "frigate/reviews", review("new", "x", "x")).starts_with("bad_field"));
}

#[test]
fn counts_of_people_and_of_all_objects_are_observations() {
    let d = decoders("{ frigate: { devices: { front: cam-9 } } }");
    let at = RECEIVED.0;
    assert_eq!(
        one(&d, "frigate/front/person", "3"),
        format!("unassigned/camera_analytics/cam-9 {at} Good people_count=3")
    );
    assert_eq!(
        one(&d, "frigate/yard/all", "12"),
        format!("unassigned/camera_analytics/yard {at} Good object_count=12")
    );
    assert_eq!(one(&d, "frigate/front/dog", "1"), "0 records");
    assert_eq!(one(&d, "frigate/front/person/active", "1"), "0 records");
    assert!(one(&d, "frigate/front/person", "-1").starts_with("bad_field"));
    let retained =
        Incoming { topic: "frigate/front/person", payload: b"3", retain: true, received: RECEIVED };
    assert!(d.decode(&retained).expect("accepted").records.is_empty(), "an old count has no time");
}

#[test]
fn cameras_go_offline_by_their_detect_role() {
    let d = decoders("{}");
    let at = RECEIVED.0;
    let status = |device: &str, online: bool| {
        format!("unassigned/camera_analytics/{device} {at} online={online} battery=None")
    };
    assert_eq!(one(&d, "frigate/front/status/detect", "offline"), status("front", false));
    assert_eq!(one(&d, "frigate/front/status/detect", "online"), status("front", true));
    assert_eq!(one(&d, "frigate/front/status/audio", "offline"), "0 records");
    assert_eq!(one(&d, "frigate/available", "stopped"), status("frigate", false));
    assert!(one(&d, "frigate/available", "maybe").starts_with("bad_field"));
}

#[test]
fn pictures_and_settings_are_passed_over_and_the_rest_is_refused() {
    let d = decoders("{}");
    for topic in [
        "frigate/stats",
        "frigate/front/person/snapshot",
        "frigate/front/detect/state",
        "frigate/front/motion",
    ] {
        assert_eq!(one(&d, topic, [0xff, 0xd8]), "0 records", "{topic}");
    }
    assert!(one(&d, "frigate/a/b/c/d", "1").starts_with("unknown_topic"));
    let off = decoders("{ frigate: null }");
    assert!(one(&off, "frigate/events", "{}").starts_with("unknown_topic"));
}

#[test]
fn a_read_plate_is_an_lpr_detection_and_other_updates_say_nothing() {
    let d = decoders("{}");
    let update = |kind: &str| {
        format!(
            r#"{{"type":"{kind}","id":"1607123955.475377-mxklsc","name":"Lan","plate":"51F-123.45",
            "score":0.95,"camera":"gate","timestamp":1607123958.748}}"#
        )
    };
    assert_eq!(
        one(&d, "frigate/tracked_object_update", update("lpr")),
        "unassigned/camera_analytics/gate 1607123958748 lpr id=1607123955.475377-mxklsc object=- \
         p=0.95 n=- zone=-"
    );
    for other in ["face", "description", "classification"] {
        assert_eq!(one(&d, "frigate/tracked_object_update", update(other)), "0 records");
    }
    let bad = one(&d, "frigate/tracked_object_update", r#"{"type":"lpr","camera":"gate"}"#);
    assert!(bad.starts_with("bad_field: `id`"), "{bad}");
}
