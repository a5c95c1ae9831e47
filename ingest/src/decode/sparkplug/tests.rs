//! An encoder for Sparkplug payloads, the examples made with it, and what a table of single
//! messages cannot show.

mod encode;
mod examples;

use std::sync::Arc;

use ioc_model::{Device, Devices, QuarantineReason, Timestamp};
use prost::Message as _;

use super::wire::{Payload, Value};
use crate::decode::shared_data::{RECEIVED, decoders, line, look_twice};
use crate::decode::{Decoders, Incoming, Refusal};
use crate::registry::Registry;
use encode::{bd_seq, metric, payload, property};

/// A line of decoders as one edge node sees it.
struct Host {
    decoders: Decoders,
    now: Timestamp,
}

impl Host {
    fn new(yaml: &str) -> Self {
        Self { decoders: decoders(yaml), now: RECEIVED }
    }

    fn knowing(self, json: &str) -> Self {
        let devices: Vec<Device> = serde_json::from_str(json).expect("devices");
        let all: Devices = devices.into_iter().map(Arc::new).collect();
        let registry = Arc::new(Registry::of(all));
        Self { decoders: self.decoders.with_registry(registry), ..self }
    }

    fn tell(&self, topic: &str, payload: &[u8]) -> Result<(Vec<String>, Option<Refusal>), Refusal> {
        let message = Incoming { topic, payload, retain: false, received: self.now };
        let said = self.decoders.decode(&message)?;
        Ok((said.records.iter().map(line).collect(), said.doubt))
    }

    fn look(&self, topic: &str, payload: &Payload) -> Result<Vec<String>, Refusal> {
        let payload = payload.encode_to_vec();
        let message = Incoming { topic, payload: &payload, retain: false, received: self.now };
        let said = look_twice(&self.decoders, &message).result?;
        Ok(said.records.iter().map(line).collect())
    }

    fn taken(&self, topic: &str, payload: &Payload) -> Vec<String> {
        let (records, doubt) = self.tell(topic, &payload.encode_to_vec()).expect(topic);
        assert_eq!(doubt, None, "{topic}");
        records
    }

    fn refused(&self, topic: &str, payload: &Payload) -> Refusal {
        self.tell(topic, &payload.encode_to_vec()).expect_err(topic)
    }
}

const NBIRTH: &str = "spBv1.0/hoa-xuan/NBIRTH/plc-1";
const NDATA: &str = "spBv1.0/hoa-xuan/NDATA/plc-1";
const NDEATH: &str = "spBv1.0/hoa-xuan/NDEATH/plc-1";
const DBIRTH: &str = "spBv1.0/hoa-xuan/DBIRTH/plc-1/ph-1";
const DDATA: &str = "spBv1.0/hoa-xuan/DDATA/plc-1/ph-1";

const T: u64 = 1_761_587_990_000;

fn nbirth() -> Payload {
    payload(T, 0, vec![bd_seq(3), metric("temperature", Some(1), Value::Float(25.4))])
}

fn ndata(seq: u64, value: f64) -> Payload {
    payload(T + seq, seq, vec![metric("", Some(1), Value::Double(value))])
}

fn dbirth(seq: u64) -> Payload {
    payload(T, seq, vec![metric("ph", Some(7), Value::Double(7.2))])
}

#[test]
fn data_before_its_birth_is_refused_and_the_birth_is_asked_for_once_in_a_while() {
    let mut host = Host::new("{ sparkplug: { rebirth_every_s: 10 } }");
    let refusal = host.refused(NDATA, &ndata(5, 1.0));
    assert_eq!(refusal.reason, QuarantineReason::NoBirth);
    assert_eq!(refusal.device.as_deref(), Some("plc-1"));
    let reply = refusal.reply.expect("asks");
    assert_eq!(reply.topic, "spBv1.0/hoa-xuan/NCMD/plc-1");
    let command = Payload::decode(&*reply.payload).expect("protobuf");
    assert_eq!((command.timestamp, command.seq), (Some(RECEIVED.0 as u64), None));
    let [rebirth] = &command.metrics[..] else { unreachable!("one metric") };
    assert_eq!(rebirth.name.as_deref(), Some("Node Control/Rebirth"));
    assert_eq!((rebirth.datatype, &rebirth.value), (Some(11), &Some(Value::Bool(true))));

    host.now = RECEIVED.plus_ms(9_999);
    assert_eq!(host.refused(DDATA, &ndata(6, 1.0)).reply, None, "asked a moment ago");
    host.now = RECEIVED.plus_ms(10_000);
    assert!(host.refused(NDATA, &ndata(7, 1.0)).reply.is_some());
    let other = host.refused("spBv1.0/hoa-xuan/NDATA/plc-2", &ndata(1, 1.0));
    assert!(other.reply.is_some(), "each edge node is asked on its own");
}

#[test]
fn sequence_numbers_wrap_and_a_gap_makes_values_uncertain_until_the_next_birth() {
    let host = Host::new("{}");
    host.taken(NBIRTH, &nbirth());
    for seq in (1..=255).chain([0, 1, 2]) {
        let records = host.taken(NDATA, &ndata(seq, 20.0));
        assert!(records[0].ends_with(" Good temperature=20"), "{records:?}");
    }
    host.taken(NDATA, &ndata(2, 20.0));
    let (records, doubt) = host.tell(NDATA, &ndata(5, 21.0).encode_to_vec()).expect("taken");
    assert!(records[0].ends_with(" Uncertain temperature=21"), "{records:?}");
    let doubt = doubt.expect("told");
    assert_eq!(doubt.reason, QuarantineReason::NoBirth);
    assert!(
        doubt.detail.starts_with("2 messages of the edge node are missing"),
        "{}",
        doubt.detail
    );
    assert!(doubt.reply.is_some(), "the birth is asked for");
    let records = host.taken(NDATA, &ndata(6, 22.0));
    assert!(records[0].ends_with(" Uncertain temperature=22"), "{records:?}");
    host.taken(NBIRTH, &nbirth());
    let records = host.taken(NDATA, &ndata(1, 23.0));
    assert!(records[0].ends_with(" Good temperature=23"), "{records:?}");
}

#[test]
fn a_device_can_be_born_again_with_its_aliases_or_others() {
    let host = Host::new("{}");
    host.taken(NBIRTH, &nbirth());
    host.taken(DBIRTH, &dbirth(1));
    assert_eq!(host.taken(DBIRTH, &dbirth(2)).len(), 2);
    let other = payload(T, 3, vec![metric("ph", Some(8), Value::Double(7.1))]);
    assert_eq!(host.taken(DBIRTH, &other).len(), 2);
    let old = payload(T, 4, vec![metric("", Some(7), Value::Double(7.0))]);
    assert_eq!(host.refused(DDATA, &old).reason, QuarantineReason::NoBirth);
    let taken = payload(T, 5, vec![metric("", Some(8), Value::Double(7.3))]);
    assert_eq!(host.taken(DDATA, &taken).len(), 1);
}

#[test]
fn retained_and_empty_messages_say_nothing_and_change_nothing() {
    let host = Host::new("{}");
    let bytes = nbirth().encode_to_vec();
    let retained = Incoming { topic: NBIRTH, payload: &bytes, retain: true, received: RECEIVED };
    assert!(host.decoders.decode(&retained).expect("silent").records.is_empty());
    assert_eq!(host.refused(NDATA, &ndata(1, 1.0)).reason, QuarantineReason::NoBirth);
    host.taken(NBIRTH, &nbirth());
    let (records, _) = host.tell(NBIRTH, b"").expect("silent");
    assert!(records.is_empty());
    host.taken(NDATA, &ndata(1, 1.0));
}

#[test]
fn numbers_count_through_an_edge_node_and_its_devices() {
    let host = Host::new("{}");
    host.taken(NBIRTH, &nbirth());
    host.taken(DBIRTH, &dbirth(1));
    host.taken(NDATA, &ndata(2, 20.0));
    let seventh = payload(T, 3, vec![metric("", Some(7), Value::Double(7.0))]);
    host.taken(DDATA, &seventh);
    let (_, doubt) = host.tell(NDATA, &ndata(5, 20.0).encode_to_vec()).expect("taken");
    assert!(doubt.is_some_and(|d| d.detail.starts_with("1 messages")));
}

#[test]
fn the_death_of_an_edge_node_counts_only_with_the_number_of_its_birth() {
    let host = Host::new("{}");
    let death = |n| payload(T - 60_000, None, vec![bd_seq(n)]);
    host.taken(NBIRTH, &nbirth());
    host.taken(DBIRTH, &dbirth(1));
    assert_eq!(host.taken(NDEATH, &death(2)), [""; 0], "the will of an earlier connection");
    host.taken(NDATA, &ndata(2, 20.0));
    let now = RECEIVED.0;
    let dead = [
        format!("unassigned/wastewater/plc-1 {now} online=false battery=None"),
        format!("unassigned/wastewater/ph-1 {now} online=false battery=None"),
    ];
    assert_eq!(host.taken(NDEATH, &death(3)), dead, "from when it is heard");
    assert_eq!(host.taken(NDEATH, &death(3)), [""; 0], "the will after the word");
    let reason = host.refused(NDATA, &ndata(3, 20.0)).reason;
    assert_eq!(reason, QuarantineReason::NoBirth, "what was known is forgotten");
}

#[test]
fn a_birth_forgets_the_aliases_of_the_one_before() {
    let host = Host::new("{}");
    host.taken(NBIRTH, &nbirth());
    host.taken(DBIRTH, &dbirth(1));
    let other = payload(T, 0, vec![bd_seq(4), metric("humidity", Some(1), Value::Int(60))]);
    host.taken(NBIRTH, &other);
    let records = host.taken(NDATA, &ndata(1, 61.0));
    assert!(records[0].ends_with(" Good humidity=61"), "{records:?}");
    let refusal = host.refused(DDATA, &payload(T, 2, vec![metric("", Some(7), Value::Int(7))]));
    assert_eq!(refusal.reason, QuarantineReason::NoBirth, "its devices must be born again");
}

#[test]
fn a_birth_that_cannot_be_taken_ends_what_was_known() {
    let twice = metric("temperature", Some(2), Value::Float(1.0));
    let broken: [&[u8]; 2] =
        [b"\xff\xff\xff", &payload(T, 0, vec![bd_seq(4), twice.clone(), twice]).encode_to_vec()];
    for bytes in broken {
        let host = Host::new("{}");
        host.taken(NBIRTH, &nbirth());
        assert!(host.tell(NBIRTH, bytes).is_err());
        let reason = host.refused(NDATA, &ndata(1, 1.0)).reason;
        assert_eq!(reason, QuarantineReason::NoBirth);
    }
}

#[test]
fn a_value_that_is_refused_leaves_the_birth_known() {
    let host = Host::new("{}");
    let mut wrong = metric("humidity", Some(2), Value::Double(4.0));
    wrong.properties = property("engUnit", "bar");
    let mut birth = nbirth();
    birth.metrics.push(wrong);
    assert_eq!(host.refused(NBIRTH, &birth).reason, QuarantineReason::BadUnit);
    assert_eq!(host.taken(NDATA, &ndata(1, 20.0)).len(), 1);
}

#[test]
fn a_message_that_waited_in_the_quarantine_disturbs_nothing() {
    let mut host = Host::new("{}");
    host.now = RECEIVED.plus_ms(60_000);
    host.taken(NBIRTH, &nbirth());
    host.now = RECEIVED;
    let refusal = host.refused(NDATA, &ndata(77, 20.0));
    assert_eq!(refusal.reason, QuarantineReason::NoBirth, "its aliases may be others");
    assert_eq!(refusal.reply, None, "the birth is there");
    let named = payload(T, 78, vec![metric("temperature", None, Value::Double(19.0))]);
    assert!(host.taken(NDATA, &named)[0].ends_with(" Good temperature=19"));
    assert_eq!(host.taken(NBIRTH, &payload(T, 0, vec![bd_seq(2)])), [""; 0]);
    assert_eq!(host.taken(NDEATH, &payload(T, None, vec![bd_seq(3)])), [""; 0]);
    host.now = RECEIVED.plus_ms(61_000);
    let records = host.taken(NDATA, &ndata(1, 20.0));
    assert!(records[0].ends_with(" Good temperature=20"), "no gap: {records:?}");
}

#[test]
fn two_edge_nodes_cannot_speak_as_one_device() {
    let host = Host::new("{}");
    let other = |topic: &str| topic.replace("plc-1", "plc-2");
    for topic in [NBIRTH.to_owned(), other(NBIRTH)] {
        host.taken(&topic, &payload(T, 0, vec![bd_seq(1)]));
    }
    host.taken(DBIRTH, &dbirth(1));
    let refusal = host.refused(&other(DBIRTH), &dbirth(1));
    assert_eq!(refusal.reason, QuarantineReason::BadId);
    assert!(refusal.detail.contains("give `hoa-xuan/plc-2/ph-1` an alias"), "{}", refusal.detail);
    // The first one gives its name back when it dies.
    host.taken(&DBIRTH.replace("DBIRTH", "DDEATH"), &payload(T, 2, Vec::new()));
    host.taken(&other(DBIRTH), &dbirth(2));

    let aliased = r#"[{"id":"ph-east","name":{"vi":"x","en":"x"},"service":"wastewater",
        "area":"hai_chau","aliases":["hoa-xuan/plc-2/ph-1"]}]"#;
    let host = Host::new("{}").knowing(aliased);
    for topic in [NBIRTH.to_owned(), other(NBIRTH)] {
        host.taken(&topic, &payload(T, 0, vec![bd_seq(1)]));
    }
    host.taken(DBIRTH, &dbirth(1));
    let records = host.taken(&other(DBIRTH), &dbirth(1));
    assert!(records[0].starts_with("hai_chau/wastewater/ph-east "), "{records:?}");
}

#[test]
fn memory_is_bounded() {
    let host = Host::new("{ sparkplug: { max_edge_nodes: 2, max_metrics: 5 } }");
    let birth = |n: usize| {
        let named = |i| metric(&format!("m{i}"), Some(i as u64), Value::Int(1));
        payload(T, 0, (0..n).map(named).collect())
    };
    host.taken("spBv1.0/g/NBIRTH/a", &birth(3));
    let full = host.refused("spBv1.0/g/NBIRTH/b", &birth(3));
    assert_eq!(full.reason, QuarantineReason::TooLarge, "{}", full.detail);
    // What a node has claimed is free again when it is born anew or dies.
    host.taken("spBv1.0/g/NBIRTH/a", &birth(2));
    host.taken("spBv1.0/g/NBIRTH/b", &birth(3));
    let full = host.refused("spBv1.0/g/NBIRTH/c", &birth(0));
    assert_eq!(full.detail, "there are more than 2 edge nodes");
    host.taken("spBv1.0/g/NDEATH/b", &payload(T, None, vec![bd_seq(1)]));
    host.taken("spBv1.0/g/NBIRTH/c", &birth(3));
}

#[test]
fn hostile_bytes_are_refused_without_a_panic() {
    let host = Host::new("{}");
    let many = payload(T, 0, vec![metric("", Some(1), Value::Bool(true)); 4_097]);
    let refusal = host.refused(NDATA, &many);
    assert_eq!(refusal.reason, QuarantineReason::TooLarge, "{}", refusal.detail);
    let empty = [0x12, 0x00].repeat(32 << 10);
    assert_eq!(host.tell(NBIRTH, &empty).expect_err("many").reason, QuarantineReason::TooLarge);
    for bytes in [
        &[0xff; 10][..],
        // A length of 2^63, a group that never ends, groups in groups, half a varint, field 0.
        &[0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
        &[0x33],
        &[0x33; 60_000],
        &[0x08, 0x80],
        &[0x00, 0x01],
        // A name that is not UTF-8.
        &[0x12, 0x03, 0x0a, 0x01, 0xff],
    ] {
        let refusal = host.tell(NBIRTH, bytes).expect_err("malformed");
        assert_eq!(refusal.reason, QuarantineReason::Malformed, "{bytes:02x?}");
    }
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
        let host = Host::new("{}");
        for topic in [NBIRTH, DBIRTH, NDATA, DDATA, NDEATH] {
            let _ = host.tell(topic, &bytes);
        }
    }
}

#[test]
fn looking_changes_no_session_sequence_or_room() {
    let host = Host::new("{ sparkplug: { max_edge_nodes: 1, max_metrics: 4 } }");
    let asks = |r: Refusal| r.reply.is_some();
    assert!(host.look(NBIRTH, &nbirth()).is_ok());
    assert!(asks(host.look(NDATA, &ndata(1, 1.5)).expect_err("no birth")));
    assert!(asks(host.refused(NDATA, &ndata(1, 1.5))), "was not asked by looking");
    host.taken(NBIRTH, &nbirth());
    host.taken(DBIRTH, &dbirth(1));
    // As often as one likes: the room for metrics and the names are taken once.
    for _ in 0..5 {
        assert!(host.look(NBIRTH, &nbirth()).is_ok());
        assert!(host.look(DBIRTH, &dbirth(2)).is_ok());
        assert!(host.look(NDATA, &ndata(9, 1.5)).is_ok(), "a gap");
    }
    let other = host.look("spBv1.0/hoa-xuan/NBIRTH/plc-2", &nbirth()).expect_err("no room");
    assert_eq!(other.reason, QuarantineReason::TooLarge);
    let empty = Incoming { topic: "spBv1.0/", payload: b"", retain: false, received: host.now };
    assert_eq!(look_twice(&host.decoders, &empty).result, host.decoders.decode(&empty));
    let death = payload(T - 60_000, None, vec![bd_seq(3)]);
    assert_eq!(host.look(NDEATH, &death).expect("its end").len(), 2);
    let said = host.taken(NDATA, &ndata(2, 1.5));
    assert!(said[0].contains("Good"), "no gap and no end: {said:?}");
    assert_eq!(host.taken(NDEATH, &death).len(), 2);
}
