//! What must hold for any bytes on the packet path; for `crate::fuzzing`.

use super::config::GatewayConfig;
use super::connect;
use super::control::{read_subscribe, read_unsubscribe};
use super::encode::{self, Outgoing};
use super::frame::{Frame, is_overlong, kind, next_frame, parse_ack, parse_publish};
use super::strict;
use crate::decode::is_id;

pub(crate) use super::transport::fuzz::websocket;

/// Packets one after the other; the first byte picks the version (1: MQTT 5).
pub(crate) fn packets(input: &[u8]) {
    let Some((&version, mut rest)) = input.split_first() else { return };
    let (v5, config) = (version & 1 == 1, GatewayConfig::default());
    while let Ok(frame) = next_frame(rest, config.max_packet_bytes) {
        let Frame::Whole { first, body, total } = frame else { return };
        assert!(total >= 2 && total <= rest.len() && body.len() < total, "{total}");
        let (packet, tail) = rest.split_at(total);
        // As it comes in through the socket: not before its last byte, and then the same.
        for cut in [1, total / 2, total - 1] {
            let partial = next_frame(&packet[..cut], config.max_packet_bytes);
            assert!(matches!(partial, Ok(Frame::Partial(_))), "{partial:?}");
        }
        let again = next_frame(packet, config.max_packet_bytes);
        assert_eq!(again, Ok(Frame::Whole { first, body, total }), "with and without what follows");
        let _ = is_overlong(body, total);
        read(first, body, v5, &config);
        rest = tail;
    }
}

fn read(first: u8, body: &[u8], v5: bool, config: &GatewayConfig) {
    match first >> 4 {
        kind::CONNECT => hello(first, body, config),
        kind::PUBLISH => publish(first, body, v5),
        kind::PUBACK | kind::PUBREL => {
            let _ = parse_ack(body, v5).inspect(|id| assert_ne!(*id, 0));
        }
        kind::SUBSCRIBE => {
            if let Ok((id, wishes)) = read_subscribe(body, v5) {
                assert!(id > 0 && !wishes.is_empty(), "a subscription to nothing");
                assert!(wishes.iter().all(|w| w.qos <= 2 && !w.filter.contains('\0')));
            }
        }
        kind::UNSUBSCRIBE => {
            if let Ok((id, filters)) = read_unsubscribe(body, v5) {
                assert!(id > 0 && !filters.is_empty(), "nothing to end");
                assert!(filters.iter().all(|f| !f.contains('\0')));
            }
        }
        kind::DISCONNECT => {
            let _ = strict::disconnect(body);
        }
        _ => {}
    }
}

fn hello(first: u8, body: &[u8], config: &GatewayConfig) {
    let answer = match connect::parse(first, body, config) {
        Ok(hello) => {
            assert!(is_id(&hello.client_id), "{:?}", hello.client_id);
            assert!(hello.receive_maximum > 0 && hello.max_packet > 0);
            assert!(connect::keep_alive_s(&hello, config) <= config.max_keep_alive_s);
            if let Some(will) = &hello.will {
                assert!(!will.topic.is_empty() && !will.topic.contains(['+', '#', '\0']));
            }
            connect::welcome(&hello, false, config)
        }
        Err(refused) => refused.connack(),
    };
    if !answer.is_empty() {
        let whole = next_frame(&answer, usize::MAX);
        let is_one = matches!(whole, Ok(Frame::Whole { first: 0x20, total, .. })
            if total == answer.len());
        assert!(is_one, "{answer:?}");
    }
}

fn publish(first: u8, body: &[u8], v5: bool) {
    let Ok(said) = parse_publish(first, body, v5) else { return };
    assert!(!said.topic.is_empty() && !said.topic.contains(['+', '#', '\0']), "{}", said.topic);
    assert_eq!(said.qos > 0, said.packet_id > 0);
    if said.topic.len() > 1_024 || said.qos == 2 {
        return;
    }
    // What we would write of it reads the same.
    let packet = Outgoing {
        topic: said.topic,
        payload: said.payload,
        packet_id: said.packet_id,
        retain: first & 1 == 1,
        dup: said.qos > 0 && first & 8 != 0,
    };
    let mut out = Vec::new();
    packet.write(v5, &mut out);
    assert_eq!(out.len(), packet.size(v5));
    let Ok(Frame::Whole { first, body, total }) = next_frame(&out, usize::MAX) else {
        unreachable!("a whole packet was written");
    };
    assert_eq!(total, out.len());
    assert_eq!(parse_publish(first, body, v5), Ok(said));
}

/// Inputs for [`packets`]: one packet of each kind in both versions, and a conversation.
pub(crate) fn packet_seeds() -> Vec<Vec<u8>> {
    let packet = |first: u8, body: &[u8]| {
        let mut out = vec![first];
        encode::var_int(body.len(), &mut out);
        [out, body.to_vec()].concat()
    };
    let native = b"\0\x23ioc/v1/hai_chau/river/gauge-1/obs";
    let value = br#"{"time":1761588000123,"values":{"water_level":1.93}}"#;
    let v4 = [
        packet(0x10, b"\0\x04MQTT\x04\xC2\0\x3C\0\x05dev-1\0\x05dev-1\0\x04iocd"),
        packet(0x10, b"\0\x04MQTT\x04\x26\0\x3C\0\x01d\0\x03a/b\0\x02by"),
        packet(0x32, &[&native[..], &[0, 7], &value[..]].concat()),
        packet(0x30, &[&native[..], &value[..]].concat()),
        packet(0x40, &[0, 7]),
        packet(0x62, &[0, 7]),
        packet(0x82, b"\0\x01\0\x1bioc/v1/devices/dev-1/errors\x01\0\x03a/#\x02"),
        packet(0xA2, b"\0\x02\0\x03a/#"),
        packet(0xC0, b""),
        packet(0xE0, b""),
    ];
    let v5 = [
        packet(0x10, b"\0\x04MQTT\x05\x02\0\x3C\x0B\x11\0\0\0\x0A\x21\0\x05\x17\x01\x19\0\0\x02d1"),
        packet(0x10, b"\0\x04MQTT\x05\x06\0\x3C\0\0\x02d1\x05\x18\0\0\0\x05\0\x03a/b\0\x01x"),
        packet(0x3B, &[&native[..], b"\0\x07\x09\x01\x01\x26\0\x01k\0\x01v", &value[..]].concat()),
        packet(0x40, b"\0\x07\x10\x04\x1F\0\x01w"),
        packet(0x62, b"\0\x07\0"),
        packet(0x82, b"\0\x01\x07\x26\0\x01k\0\x01v\0\x03a/#\x2D"),
        packet(0xA2, b"\0\x02\0\0\x03a/#"),
        packet(0xE0, b"\x04\x05\x11\0\0\0\x05"),
    ];
    let seeds = |version: u8, packets: &[Vec<u8>]| -> Vec<Vec<u8>> {
        let one = packets.iter().map(|p| [&[version], &p[..]].concat());
        one.chain([[&[version], &packets.concat()[..]].concat()]).collect()
    };
    [seeds(0, &v4), seeds(1, &v5)].concat()
}
