use super::super::shared_data::{RECEIVED, decode, decoders, look_twice, mistakes, one};
use super::super::{Decoders, Incoming};

fn tell(decoders: &Decoders, topic: &str, payload: &str) {
    let said = decode(decoders, topic, payload).expect("right");
    assert!(said.is_empty(), "{topic}");
}

fn check(decoders: &Decoders, topic: &str, payload: &str, expect: &str) {
    let got = one(decoders, topic, payload);
    assert!(got.contains(expect), "{topic} {payload}\n  got {got}\n  not {expect}");
}

#[test]
fn attributes_can_change_and_be_deleted() {
    let decoders = decoders("{}");
    let value = |expect: &str| check(&decoders, "homie/d/n/temperature", "300", expect);
    tell(&decoders, "homie/d/n/temperature/$datatype", "float");
    value("out_of_range: `temperature` is 300");
    tell(&decoders, "homie/d/n/temperature/$unit", "K");
    value("Good temperature=26.85");
    tell(&decoders, "homie/d/n/temperature/$unit", "");
    value("out_of_range: `temperature` is 300");
    tell(&decoders, "homie/d/n/temperature/$datatype", "string");
    value("0 records");
    tell(&decoders, "homie/d/n/temperature/$datatype", "");
    value("no_birth");
}

#[test]
fn versions_do_not_mix() {
    let decoders = decoders("{}");
    let describe = |unit: &str| {
        let property = format!(r#"{{"datatype":"float","unit":"{unit}"}}"#);
        format!(r#"{{"nodes":{{"n":{{"properties":{{"temperature":{property}}}}}}}}}"#)
    };
    tell(&decoders, "homie/5/d/$description", &describe("K"));
    tell(&decoders, "homie/d/n/temperature/$datatype", "float");
    check(&decoders, "homie/5/d/n/temperature", "300", "Good temperature=26.85");
    check(&decoders, "homie/d/n/temperature", "30", "Good temperature=30");
    tell(&decoders, "homie/5/d/$description", &describe("°F"));
    check(&decoders, "homie/5/d/n/temperature", "77", "Good temperature=25");
    tell(&decoders, "homie/5/d/$description", r#"{"nodes":{}}"#);
    check(&decoders, "homie/5/d/n/temperature", "300", "no_birth");
}

#[test]
fn a_device_that_is_lost_comes_back() {
    let decoders = decoders("{}");
    let retained = |topic: &str, payload: &str| {
        let message = super::super::Incoming {
            topic,
            payload: payload.as_bytes(),
            retain: true,
            received: super::super::shared_data::RECEIVED,
        };
        decoders.decode(&message).expect("right").records.len()
    };
    tell(&decoders, "homie/d/n/temperature/$datatype", "float");
    assert_eq!(retained("homie/d/n/temperature", "20"), 1);
    assert_eq!(retained("homie/d/$state", "lost"), 0);
    assert_eq!(retained("homie/d/n/temperature", "20"), 0);
    check(&decoders, "homie/d/$state", "ready", "online=true");
    assert_eq!(retained("homie/d/n/temperature", "20"), 1);
}

#[test]
fn what_is_remembered_is_bounded() {
    let decoders = decoders("homie: { devices: 2 }");
    for device in ["a", "b", "c"] {
        tell(&decoders, &format!("homie/{device}/n/humidity/$datatype"), "float");
    }
    check(&decoders, "homie/b/n/humidity", "50", "Good humidity=50");
    check(&decoders, "homie/c/n/humidity", "50", "no_birth");
    tell(&decoders, "homie/a/$state", "");
    tell(&decoders, "homie/c/n/humidity/$datatype", "float");
    check(&decoders, "homie/c/n/humidity", "50", "Good humidity=50");
    for i in 0..600 {
        tell(&decoders, &format!("homie/b/n/p{i}/$datatype"), "float");
    }
    tell(&decoders, "homie/b/n/temperature/$datatype", "float");
    check(&decoders, "homie/b/n/temperature", "20", "no_birth");
    let nodes: Vec<_> = (0..3)
        .map(|n| {
            let properties: Vec<_> = (0..200).map(|p| format!(r#""p{p}":{{}}"#)).collect();
            format!(r#""n{n}":{{"properties":{{{}}}}}"#, properties.join(","))
        })
        .collect();
    let description = format!(r#"{{"nodes":{{{}}}}}"#, nodes.join(","));
    check(&decoders, "homie/5/b/$description", &description, "too_large: more than 512");
}

#[test]
fn an_endless_unit_stays_a_wrong_one() {
    let decoders = decoders("{}");
    tell(&decoders, "homie/d/n/humidity/$datatype", "float");
    tell(&decoders, "homie/d/n/humidity/$unit", &"°".repeat(500));
    check(&decoders, "homie/d/n/humidity", "50", "bad_unit: `humidity`: unit `°°");
}

#[test]
fn settings_are_checked() {
    assert_eq!(
        mistakes("homie: { domain: a/b, service: x }"),
        [
            "decoders.yaml:0:0: homie: domain `a/b` is not one topic level",
            "decoders.yaml:0:0: homie: service `x` is not in the catalogue",
        ]
    );
    let decoders = decoders("homie: { domain: devices }");
    check(&decoders, "devices/d/$state", "lost", "online=false");
    assert_eq!(decoders.format_of("homie/d/$state"), "none");
}

#[test]
fn looking_at_attributes_and_states_leaves_what_is_known() {
    let decoders = decoders("{ homie: { devices: 1 } }");
    let look = |topic: &str, text: &str| {
        let payload = text.as_bytes();
        let message = Incoming { topic, payload, retain: false, received: RECEIVED };
        look_twice(&decoders, &message)
    };
    let value = |expect: &str| check(&decoders, "homie/d/n/temperature", "300", expect);
    look("homie/other/n/temperature/$datatype", "float");
    look("homie/d/n/temperature/$datatype", "float");
    value("no_birth");
    tell(&decoders, "homie/d/n/temperature/$datatype", "float");
    tell(&decoders, "homie/d/n/temperature/$unit", "K");
    look("homie/d/n/temperature/$unit", "°F");
    look("homie/d/n/temperature/$datatype", "");
    look("homie/d/$state", "");
    assert!(look("homie/5/d/$description", "[]").result.is_err());
    value("Good temperature=26.85");
    let retained = |decoders: &Decoders| {
        let (topic, payload) = ("homie/d/n/temperature", &b"300"[..]);
        let message = Incoming { topic, payload, retain: true, received: RECEIVED };
        decoders.decode(&message).expect("right").records.len()
    };
    look("homie/d/$state", "lost");
    assert_eq!(retained(&decoders), 1);
    assert!(one(&decoders, "homie/d/$state", "lost").contains("online=false"));
    look("homie/d/$state", "ready");
    assert_eq!(retained(&decoders), 0);
}
