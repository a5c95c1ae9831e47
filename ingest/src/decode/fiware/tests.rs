use std::sync::{Arc, Mutex};

use ioc_model::{Private, Seal, Sealed, Timestamp};

use crate::decode::fiware_models::{MODELS, SLOTS};
use crate::decode::shared_data::{RECEIVED, city, decode, decoders, line, mistakes, one, shared};
use crate::decode::{Explained, Incoming};

const TOPIC: &str = "fiware/city";

fn example(model: &str, file: &str) -> Option<Vec<u8>> {
    shared(&format!("fiware_examples/{model}/examples/{file}"))
}

/// Decodes a published example; `zone` is that of the configuration.
fn check(model: &str, file: &str, zone: Option<&str>, expect: &str) {
    let Some(payload) = example(model, file) else { return };
    let zone = zone.unwrap_or("null");
    let got = one(&decoders(&format!("fiware: {{ zone: {zone} }}")), TOPIC, payload);
    assert!(got.starts_with(expect), "{model}/{file}\n  got {got}\n  not {expect}");
}

const FORMS: [&str; 4] =
    ["example.json", "example.jsonld", "example-normalized.json", "example-normalized.jsonld"];

#[test]
fn traffic_examples_use_the_end_of_the_interval_and_percent() {
    let expect = "unassigned/traffic/TrafficFlowObserved-Valladolid-osm-60821110 1481109300000 \
                  Good vehicle_count=197 occupancy=76 speed=52.6 traffic_flow=2364";
    for file in FORMS {
        check("TrafficFlowObserved", file, None, expect);
    }
}

#[test]
fn crowd_examples_count_people() {
    let expect = "unassigned/camera_analytics/Valladolid_1 1533640500000 Good people_count=100";
    for file in FORMS {
        check("CrowdFlowObserved", file, None, expect);
    }
}

#[test]
fn noise_examples_keep_both_levels_and_a_device_without_time_in_its_name() {
    let expect = "unassigned/air/Vitoria-NoiseLevelObserved 1482926400000 Good \
                  noise_laeq=67.8 noise_lamax=94.5";
    for file in FORMS.into_iter().chain(["example-geojsonfeature.json"]) {
        check("NoiseLevelObserved", file, None, expect);
    }
}

#[test]
fn flood_examples_keep_the_offset_of_their_time() {
    for (file, level) in [
        ("example.json", 0.98),
        ("example.jsonld", 0.98),
        ("example-normalized.json", 1.98),
        ("example-normalized.jsonld", 1.98),
    ] {
        let expect = format!("unassigned/rain_flood/FWR013 1600243200000 Good water_level={level}");
        check("FloodMonitoring", file, None, &expect);
    }
}

#[test]
fn water_examples_take_the_level_and_no_flow_without_unit() {
    for (file, level) in [
        ("example.json", 2.4),
        ("example-normalized.json", 2.4),
        ("example.jsonld", 3.52),
        ("example-normalized.jsonld", 3.52),
        ("example-geojsonfeature.json", 3.52),
    ] {
        let expect = format!("unassigned/river/T2-NP-018 1584434700209 Good water_level={level}");
        check("WaterObserved", file, None, &expect);
    }
}

#[test]
fn air_examples_are_refused_for_their_zone_less_time() {
    for file in FORMS.into_iter().chain(["example-geojsonfeature.json"]) {
        check("AirQualityObserved", file, None, "bad_time: time `2016-03-15T1");
    }
}

#[test]
fn air_examples_with_a_configured_zone_show_their_other_defects() {
    check(
        "AirQualityObserved",
        "example.jsonld",
        Some("UTC"),
        "unassigned/air/Madrid-AmbientObserved-28079004 1458039600000 Good no2=69 so2=11 co=500 \
         temperature=12.2 humidity=54 wind_speed=0.64",
    );
    // 1.1 hPa of air, and 500 mg/m³ of carbon monoxide, are no air to measure in: the rest is.
    for (file, bad) in [
        ("example.json", "Bad pressure=1.1"),
        ("example-normalized.json", "Bad co=500000 pressure=1.1"),
        ("example-normalized.jsonld", "Bad co=500000 pressure=1.1"),
        ("example-geojsonfeature.json", "Bad co=500000"),
    ] {
        let Some(payload) = example("AirQualityObserved", file) else { return };
        let records = decode(&decoders("fiware: { zone: UTC }"), TOPIC, payload).expect("taken");
        let lines: Vec<_> = records.iter().map(line).collect();
        assert_eq!(lines.len(), 2, "{file}: {lines:?}");
        assert!(lines[0].contains(" Good ") && lines[0].contains("temperature="), "{lines:?}");
        assert!(lines[1].ends_with(bad), "{file}: {lines:?}");
    }
}

#[test]
fn stated_units_win_over_the_convention() {
    let entity = |fields: &str| {
        format!(
            r#"{{"id":"urn:ngsi-ld:AirQualityObserved:a1","type":"AirQualityObserved",
                "dateObserved":{{"type":"Property","value":"2025-10-28T01:00:00+07:00"}},{fields}}}"#
        )
    };
    let check = |fields: &str, expect: &str| {
        let got = one(&decoders("{}"), TOPIC, entity(fields));
        assert!(got.contains(expect), "{fields}: {got}");
    };
    check(r#""co":{"value":1.2,"unitCode":"GP"}"#, "Good co=1200");
    check(
        r#""co":{"type":"Number","value":1.2,"metadata":{"unitCode":{"value":"GP"}}}"#,
        "Good co=1200",
    );
    check(r#""temperature":{"value":300.15,"unitCode":"KEL"}"#, "Good temperature=27");
    check(r#""temperature":{"value":86,"unitCode":"FAH"}"#, "Good temperature=30");
    check(r#""relativeHumidity":{"value":80,"unitCode":"P1"}"#, "Good humidity=80");
    check(r#""relativeHumidity":80"#, "out_of_range: `humidity` is 8000");
    check(r#""no2":{"value":20,"unitCode":"61"}"#, "bad_unit: `no2` has unit `61`");
    check(r#""pm25":"18.5","no2":null,"precipitation":false"#, "Good pm25=18.5");
    check(r#""pm25":"much""#, "bad_field: `pm25` is not a number");
    check(r#""reliability":0.7"#, "bad_field: no attribute");
}

#[test]
fn area_comes_from_the_place_in_either_order_of_axes() {
    let entity = |coordinates: &str| {
        format!(
            r#"{{"id":"a1","type":"NoiseLevelObserved","dateObservedTo":"2025-10-28T01:00:00Z",
                "LAeq":60,"location":{{"type":"Polygon","coordinates":{coordinates}}}}}"#
        )
    };
    let d = decoders("{}");
    for place in
        ["[108.2182,16.0762]", "[16.0762,108.2182]", "[[[108.2182,16.0762],[108.2182,16.0762]]]"]
    {
        let got = one(&d, TOPIC, entity(place));
        assert!(got.starts_with("hai_chau/air/a1 "), "{place}: {got}");
    }
    assert!(one(&d, TOPIC, entity("[2.35,48.85]")).starts_with("unassigned/air/a1 "));
    assert!(one(&d, TOPIC, entity("[]")).starts_with("unassigned/air/a1 "));
}

#[test]
fn a_known_device_keeps_its_area_and_service() {
    let payload = r#"{"id":"x","type":"FloodMonitoring","stationID":"river-cam-le",
        "observationDateTime":"2025-10-28T01:00:00+07:00","referenceLevel":4.2,"measuredDistance":2.1}"#;
    let got = one(&decoders("{}"), TOPIC, payload);
    assert!(got.contains("/river/river-cam-le ") && got.ends_with("water_level=2.1"), "{got}");
}

#[test]
fn arrays_and_notifications_are_taken_whole_or_not_at_all() {
    let entity = |id: &str, laeq: &str| {
        format!(
            r#"{{"id":"{id}","type":"NoiseLevelObserved","dateObservedTo":"2025-10-28T01:00:00Z","LAeq":{laeq}}}"#
        )
    };
    let d = decoders("{}");
    let (a, b) = (entity("a", "60"), entity("b", "61"));
    for payload in [format!("[{a},{b}]"), format!(r#"{{"subscriptionId":"s","data":[{a},{b}]}}"#)] {
        let records = decode(&d, "/key/gateway/attrs", &payload).expect("two entities");
        let lines: Vec<_> = records.iter().map(line).collect();
        assert!(lines[0].contains("/a ") && lines[1].contains("/b "), "{lines:?}");
    }
    let refusal =
        decode(&d, TOPIC, format!("[{a},{}]", entity("c", "\"x\""))).expect_err("no level");
    assert_eq!(refusal.device.as_deref(), Some("c"));
    assert!(refusal.detail.starts_with("entity 1: `LAeq` is not a number"), "{}", refusal.detail);
}

#[test]
fn an_impossible_entity_among_possible_ones_is_kept_as_bad() {
    let entity = |id: &str, laeq: &str| {
        format!(
            r#"{{"id":"{id}","type":"NoiseLevelObserved","dateObservedTo":"2025-10-28T01:00:00Z","LAeq":{laeq}}}"#
        )
    };
    let d = decoders("{}");
    let payload = format!("[{},{}]", entity("a", "60"), entity("c", "600"));
    let records = decode(&d, TOPIC, payload).expect("taken");
    let lines: Vec<_> = records.iter().map(line).collect();
    assert!(lines[0].ends_with("Good noise_laeq=60"), "{lines:?}");
    assert!(lines[1].contains("/c ") && lines[1].ends_with("Bad noise_laeq=600"), "{lines:?}");
    let refusal = decode(&d, TOPIC, format!("[{}]", entity("c", "600"))).expect_err("loud");
    assert_eq!(refusal.device.as_deref(), Some("c"));
    assert!(refusal.detail.starts_with("`noise_laeq` is 600"), "{}", refusal.detail);
}

#[test]
fn other_entities_are_refused_with_their_type() {
    let d = decoders("{}");
    assert!(
        one(&d, TOPIC, r#"{"id":"a","type":"Device"}"#)
            .starts_with("bad_field: entity type `Device`")
    );
    assert!(
        one(&d, TOPIC, r#"{"type":"AirQualityObserved"}"#)
            .starts_with("bad_field: an entity needs `id`")
    );
    assert!(one(&d, TOPIC, "[[[]]]").starts_with("bad_field: entity 0: an entity needs `id`"));
    assert!(decode(&d, TOPIC, "[]").expect("nothing said").is_empty());
}

fn explain(payload: &str) -> Explained {
    let (topic, payload) = (TOPIC, payload.as_bytes());
    decoders("{}").explain(&Incoming { topic, payload, retain: false, received: RECEIVED })
}

#[test]
fn what_is_passed_over_is_told_to_who_asks() {
    let explained = explain(
        r#"{"id":"a1","type":"AirQualityObserved","@context":"x","dateObserved":"2025-10-28T01:00:00Z",
            "pm25":7,"typeofLocation":"outdoor","reliability":0.7,"co2":400,
            "location":{"type":"Point","coordinates":[16.0762,108.2182]}}"#,
    );
    assert_eq!(explained.format, "fiware");
    let expect = ["typeofLocation", "reliability", "location (axes swapped)", "co2"];
    assert_eq!(explained.ignored, expect);
    let explained = explain(
        r#"{"id":"p1","type":"OnStreetParking","observationDateTime":"2025-10-28T01:00:00Z",
            "availableSpotNumber":3,"totalSpotNumber":6,"occupancy":0.5,
            "location":{"type":"Point","coordinates":[108.2182,16.0762]}}"#,
    );
    assert_eq!(explained.ignored, ["occupancy"]);
}

/// Remembers what it was given.
#[derive(Default)]
struct Witness(Mutex<Vec<String>>);

impl Seal for Witness {
    fn seal(&self, service: &str, kind: &str, _: Timestamp, p: &Private<'_>) -> Option<Sealed> {
        let told = format!("{service}/{kind} {:?} {:?}", p.plate, p.snapshot);
        self.0.lock().expect("lock").push(told);
        None
    }
}

#[test]
fn plates_go_to_the_seal_and_nowhere_else() {
    let witness = Arc::<Witness>::default();
    let d = decoders("{}").sealing(Arc::clone(&witness) as Arc<dyn Seal>);
    let entity = |vehicle: &str| {
        format!(
            r#"{{"id":"gate","type":"AnprFlowObserved","dateObserved":"2025-10-28T01:00:00Z",
                "observedVehicle":{vehicle},"refImages":[{{"url":"http://x/1.jpg"}}]}}"#
        )
    };
    for vehicle in [
        r#"{"licensePlate":{"identifier":"43A-123.45","confidence":0.9}}"#,
        r#"{"type":"Property","value":{"licensePlate":"43A-123.45"}}"#,
    ] {
        let said = decode(&d, TOPIC, entity(vehicle)).expect("taken");
        assert!(!format!("{said:?}").contains("123"), "{said:?}");
        let given = std::mem::take(&mut *witness.0.lock().expect("lock"));
        assert_eq!(given, [r#"traffic/lpr Some("43A-123.45") Some("http://x/1.jpg")"#]);
    }
    let wrong = entity(r#"{"licensePlate":"43A-123.45"}"#).replace("2025-10-28T01:00:00Z", "now");
    let refusal = decode(&d, TOPIC, wrong).expect_err("no time");
    assert!(!format!("{refusal:?}").contains("123"), "{refusal:?}");
    assert!(witness.0.lock().expect("lock").is_empty());
}

#[test]
fn every_attribute_has_a_property_of_the_city_and_a_unit_that_becomes_its() {
    let city = city();
    for model in MODELS {
        assert!(model.attributes.len() <= SLOTS, "{}", model.name);
        assert!(city.services.contains_key(model.service), "{}", model.name);
        for a in model.attributes {
            let property = city.properties.get(a.property);
            let property = property.unwrap_or_else(|| unreachable!("{} {a:?}", model.name));
            let fits = |unit| crate::decode::unit_fits(unit, &property.unit);
            assert!(a.unit.is_none_or(fits), "{} {a:?}", model.name);
        }
    }
}

#[test]
fn messages_that_are_no_json_are_refused() {
    let d = decoders("{}");
    for payload in [&b""[..], b"{", b"\xff", b"{\"id\":\"a\"} x", b"nonsense"] {
        let refusal = decode(&d, TOPIC, payload).expect_err("no JSON");
        assert!(refusal.detail.starts_with("not JSON"), "{refusal:?}");
    }
}

#[test]
fn settings_are_checked() {
    let got = mistakes("fiware: { topics: ['a/#/b'], zone: Mars, service: magic }").join("\n");
    for part in ["`#` must be the last", "zone `Mars`", "service `magic`"] {
        assert!(got.contains(part), "{got}");
    }
}
