//! `ingest/examples/sparkplug.jsonl`, written with the encoder: protobuf cannot be written by
//! hand. `IOC_WRITE_EXAMPLES=1 cargo test -p ioc-ingest examples_are_what_the_encoder` writes it.

use std::fmt::Write as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost::Message as _;
use serde_json::json;

use super::encode::{bd_seq, metric, payload, property};
use crate::decode::sparkplug::wire::{Metric, Payload, Value};

const PAYLOADS: &str = "https://github.com/eclipse-sparkplug/sparkplug/blob/master/specification/src/main/asciidoc/chapters/Sparkplug_6_Payloads.adoc";
const BEHAVIOUR: &str = "https://github.com/eclipse-sparkplug/sparkplug/blob/master/specification/src/main/asciidoc/chapters/Sparkplug_5_Operational_Behavior.adoc";
const TOPICS: &str = "https://github.com/eclipse-sparkplug/sparkplug/blob/master/specification/src/main/asciidoc/chapters/Sparkplug_4_Topics.adoc";
const PROTO: &str = "https://github.com/eclipse/tahu/blob/master/sparkplug_b/sparkplug_b.proto";

/// 2025-10-28T00:59:50+07:00.
const T: u64 = 1_761_587_990_000;

struct Example {
    about: &'static str,
    source: &'static str,
    topic: &'static str,
    payload: Vec<u8>,
    after: &'static [&'static str],
    expect: &'static str,
    records: &'static [&'static str],
}

fn example(about: &'static str, source: &'static str, topic: &'static str, p: &Payload) -> Example {
    let payload = p.encode_to_vec();
    Example { about, source, topic, payload, after: &[], expect: "accepted", records: &[] }
}

impl Example {
    fn after(self, after: &'static [&'static str]) -> Self {
        Self { after, ..self }
    }

    fn says(self, records: &'static [&'static str]) -> Self {
        Self { records, ..self }
    }

    fn is(self, expect: &'static str) -> Self {
        Self { expect, ..self }
    }
}

const NBIRTH: &str = "spBv1.0/hoa-xuan/NBIRTH/plc-1";
const NDATA: &str = "spBv1.0/hoa-xuan/NDATA/plc-1";
const NDEATH: &str = "spBv1.0/hoa-xuan/NDEATH/plc-1";
const DBIRTH: &str = "spBv1.0/hoa-xuan/DBIRTH/plc-1/ph-1";
const DDATA: &str = "spBv1.0/hoa-xuan/DDATA/plc-1/ph-1";
const DDEATH: &str = "spBv1.0/hoa-xuan/DDEATH/plc-1/ph-1";
const BORN: &str = "NBIRTH with aliases, unit and metrics that mean nothing here";
const DEVICE_BORN: &str = "DBIRTH: a device of the edge node";

fn with(mut metric: Metric, change: impl FnOnce(&mut Metric)) -> Metric {
    change(&mut metric);
    metric
}

fn births() -> Vec<Example> {
    let celsius = |m: &mut Metric| m.properties = property("engUnit", "°F");
    let birth = payload(
        T,
        0,
        vec![
            bd_seq(0),
            metric("Node Control/Rebirth", None, Value::Bool(false)),
            metric("Properties/Hardware Make", None, Value::Text("Raspberry Pi".into())),
            with(metric("Outdoor/temperature", Some(1), Value::Float(77.0)), celsius),
            with(metric("noise_laeq", Some(2), Value::Double(25.5)), |m| {
                m.is_transient = Some(true)
            }),
            metric("humidity", Some(3), Value::Int(60)),
            with(metric("Motor/speed", Some(4), Value::Int(1_450)), |m| {
                m.properties = property("engUnit", "rpm");
            }),
            metric("water_level", Some(5), Value::Double(1.5)),
        ],
    );
    let device = payload(
        T,
        1,
        vec![
            metric("ph", Some(10), Value::Double(7.2)),
            metric("dissolved_oxygen", Some(11), Value::Text("5.1".into())),
            metric("Inputs/A", Some(12), Value::Bool(false)),
        ],
    );
    vec![
        example(BORN, PAYLOADS, NBIRTH, &birth).says(&[
            "unassigned/wastewater/plc-1 1761587990000 online=true battery=None",
            "unassigned/wastewater/plc-1 1761587990000 Good temperature=25 humidity=60 water_level=1.5",
        ]),
        example(DEVICE_BORN, PAYLOADS, DBIRTH, &device).after(&[BORN]).says(&[
            "unassigned/wastewater/ph-1 1761587990000 online=true battery=None",
            "unassigned/wastewater/ph-1 1761587990000 Good ph=7.2 dissolved_oxygen=5.1",
        ]),
    ]
}

fn data() -> Vec<Example> {
    let by_alias = payload(
        T + 1_000,
        1,
        vec![metric("", Some(1), Value::Float(78.8)), metric("", Some(4), Value::Int(1_460))],
    );
    let own_time = |alias, value, time| {
        with(metric("", Some(alias), Value::Double(value)), |m| m.timestamp = Some(time))
    };
    let times = payload(
        T + 2_000,
        1,
        vec![
            own_time(3, 61.0, T + 1_500),
            with(own_time(5, 1.4, T - 60_000), |m| m.is_historical = Some(true)),
            own_time(5, 1.6, T + 1_500),
        ],
    );
    let null = with(metric("", Some(3), Value::Int(0)), |m| m.is_null = Some(true));
    let quality = |alias, code| {
        with(metric("", Some(alias), Value::Double(2.0)), |m| {
            m.properties = property("Quality", code);
        })
    };
    let judged = payload(T, 1, vec![quality(1, "192"), quality(3, "500"), quality(5, "64")]);
    let of_device = payload(T + 1_000, 2, vec![metric("", Some(10), Value::Double(7.1))]);
    vec![
        example("NDATA by alias, converted from the unit of the BIRTH", PAYLOADS, NDATA, &by_alias)
            .after(&[BORN])
            .says(&["unassigned/wastewater/plc-1 1761587991000 Good temperature=26"]),
        example("metrics with their own times, one of them historical", PAYLOADS, NDATA, &times)
            .after(&[BORN])
            .says(&[
                "unassigned/wastewater/plc-1 1761587930000 Good water_level=1.4",
                "unassigned/wastewater/plc-1 1761587991500 Good humidity=61 water_level=1.6",
            ]),
        example("null is no value", PROTO, NDATA, &payload(T, 1, vec![null]))
            .after(&[BORN])
            .is("silent"),
        example("Quality: good, stale, uncertain", PAYLOADS, NDATA, &judged).after(&[BORN]).says(
            &[
                "unassigned/wastewater/plc-1 1761587990000 Good temperature=-16.6666666667",
                "unassigned/wastewater/plc-1 1761587990000 Uncertain water_level=2",
                "unassigned/wastewater/plc-1 1761587990000 Bad humidity=2",
            ],
        ),
        example("DDATA", PAYLOADS, DDATA, &of_device)
            .after(&[BORN, DEVICE_BORN])
            .says(&["unassigned/wastewater/ph-1 1761587991000 Good ph=7.1"]),
    ]
}

fn ends() -> Vec<Example> {
    let will = |n| payload(T - 60_000, None, vec![bd_seq(n)]);
    let late = payload(T + 5_000, 2, Vec::new());
    vec![
        example("NDEATH takes the edge node and its devices offline", PAYLOADS, NDEATH, &will(0))
            .after(&[BORN, DEVICE_BORN])
            .says(&[
                "unassigned/wastewater/plc-1 1761588000000 online=false battery=None",
                "unassigned/wastewater/ph-1 1761588000000 online=false battery=None",
            ]),
        example("trap: the will of an earlier connection", BEHAVIOUR, NDEATH, &will(255))
            .after(&[BORN])
            .is("silent"),
        example("trap: NDEATH without bdSeq", PAYLOADS, NDEATH, &payload(T, None, Vec::new()))
            .is("bad_field"),
        example("DDEATH, at the time it states", PAYLOADS, DDEATH, &late)
            .after(&[BORN, DEVICE_BORN])
            .says(&["unassigned/wastewater/ph-1 1761587995000 online=false battery=None"]),
    ]
}

fn other() -> Vec<Example> {
    let command = payload(T, None, vec![metric("Node Control/Rebirth", None, Value::Bool(true))]);
    let state = Example {
        payload: br#"{"online":true,"timestamp":1761587990000}"#.to_vec(),
        ..example("STATE of a host application", TOPICS, "spBv1.0/STATE/scada-1", &command)
    };
    let ncmd = "spBv1.0/hoa-xuan/NCMD/plc-1";
    vec![
        state.is("silent"),
        example("a command to an edge node", TOPICS, ncmd, &command).is("silent"),
    ]
}

fn traps() -> Vec<Example> {
    let one = |m: Metric| payload(T, 1, vec![m]);
    let seconds = payload(T / 1_000, 1, vec![metric("", Some(3), Value::Int(60))]);
    let timeless = Payload { timestamp: None, ..one(metric("", Some(3), Value::Int(60))) };
    let compressed = Payload { uuid: Some("SPBV1.0_COMPRESSED".into()), ..Payload::default() };
    let negative = one(metric("", Some(3), Value::Int(-1i32 as u32)));
    let short = |m: &mut Metric| (m.datatype, m.value) = (Some(1), Some(Value::Int(0xfb)));
    let signed = one(with(metric("", Some(1), Value::Int(0)), short));
    let template = {
        // Field 18, a template with a metric in it.
        let mut metric = metric("", Some(3), Value::Int(0));
        metric.value = None;
        let mut bytes = metric.encode_to_vec();
        bytes.extend([0x92, 0x01, 0x04, 0x12, 0x02, 0x10, 0x07]);
        let mut whole = payload(T, 1, Vec::new()).encode_to_vec();
        whole.extend([0x12, bytes.len() as u8]);
        whole.extend(bytes);
        whole
    };
    let dbirth = payload(T, 1, vec![metric("ph", Some(1), Value::Double(7.0))]);
    let nan = one(metric("", Some(5), Value::Double(f64::NAN)));
    let far = one(metric("", Some(5), Value::Double(5_000.0)));
    vec![
        example("trap: DATA before any BIRTH", BEHAVIOUR, NDATA, &seconds).is("no_birth"),
        example("trap: an alias that no BIRTH named", BEHAVIOUR, NDATA,
            &one(metric("", Some(99), Value::Int(1)))).after(&[BORN]).is("no_birth"),
        example("trap: a metric that is not in the BIRTH", BEHAVIOUR, NDATA,
            &one(metric("pm25", None, Value::Int(1)))).after(&[BORN]).is("no_birth"),
        example("trap: DDATA before its DBIRTH", BEHAVIOUR, DDATA,
            &one(metric("", Some(10), Value::Int(7)))).after(&[BORN]).is("no_birth"),
        example("trap: an alias of the edge node given to a device too", PAYLOADS, DBIRTH, &dbirth)
            .after(&[BORN]).is("bad_field"),
        example("trap: seconds instead of milliseconds", PAYLOADS, NDATA, &seconds)
            .after(&[BORN]).is("bad_time"),
        example("trap: no timestamp anywhere", PAYLOADS, NDATA, &timeless)
            .after(&[BORN]).is("bad_time"),
        example("trap: seq above 255", PAYLOADS, NDATA, &payload(T, 256, Vec::new()))
            .after(&[BORN]).is("bad_field"),
        example("trap: -1 as uint32 is -1, and no humidity", PROTO, NDATA, &negative)
            .after(&[BORN]).is("out_of_range"),
        example("trap: Int8 in its own width: -5 °F", PROTO, NDATA, &signed)
            .after(&[BORN])
            .says(&["unassigned/wastewater/plc-1 1761587990000 Good temperature=-20.5555555556"]),
        Example { payload: template,
            ..example("trap: a template where a number was born", PROTO, NDATA, &seconds) }
            .after(&[BORN]).is("silent"),
        example("trap: not a number", PROTO, NDATA, &nan).after(&[BORN]).is("out_of_range"),
        example("trap: a level of 5 km", PROTO, NDATA, &far).after(&[BORN]).is("out_of_range"),
        example("trap: one alias twice in a moment", PAYLOADS, NDATA,
            &payload(T, 1, vec![metric("", Some(3), Value::Int(1)), metric("", Some(3), Value::Int(2))]))
            .after(&[BORN]).is("bad_field"),
        example("trap: compressed payload", "https://github.com/eclipse/tahu/blob/master/javascript/core/sparkplug-payload/README.md", NDATA, &compressed)
            .is("malformed"),
        Example { payload: b"{\"temperature\":25}".to_vec(),
            ..example("trap: JSON instead of protobuf", PAYLOADS, NDATA, &seconds) }
            .is("malformed"),
        example("trap: a device in an NDATA topic", TOPICS, "spBv1.0/hoa-xuan/NDATA/plc-1/ph-1", &seconds)
            .is("unknown_topic"),
        example("trap: an empty level", TOPICS, "spBv1.0//NBIRTH/plc-1", &seconds).is("bad_id"),
    ]
}

fn text() -> String {
    let mut text = String::new();
    let all = [births(), data(), ends(), other(), traps()];
    for e in all.iter().flatten() {
        let mut line = json!({
            "about": e.about, "source": e.source, "topic": e.topic,
            "base64": STANDARD.encode(&e.payload), "expect": e.expect,
        });
        if !e.after.is_empty() {
            line["after"] = json!(e.after);
        }
        if !e.records.is_empty() {
            line["records"] = json!(e.records);
        }
        writeln!(text, "{line}").expect("String");
    }
    text
}

#[test]
fn examples_are_what_the_encoder_writes() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/sparkplug.jsonl");
    let text = text();
    if std::env::var_os("IOC_WRITE_EXAMPLES").is_some() {
        std::fs::write(&file, &text).expect("written");
    }
    let kept = std::fs::read_to_string(&file).expect("readable");
    assert!(kept == text, "examples/sparkplug.jsonl is not what the encoder writes now");
}
