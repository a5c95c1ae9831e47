//! Chapters 1 and 2: text, integers, flags, packet ids, properties.

use super::play::*;
use super::version::{V, bytes, user};
use crate::gateway::tests::packet;

const ILL: &[&[u8]] = &[b"\xFF", b"a\xC3", b"\xED\xA0\x80", b"\xC0\x80", b"\xF4\x90\x80\x80"];

fn in_topics(v: V, texts: &[&[u8]]) -> Vec<Vec<u8>> {
    let publishes = texts.iter().map(|t| v.publish_with(0x30, 0, t, &[], "x"));
    let filters = texts.iter().flat_map(|t| {
        let list = |first, options: &[u8]| {
            let properties = v.pick(&[][..], &[0]);
            packet(first, &[&[0, 1][..], properties, &bytes(t), options].concat())
        };
        [list(0x82, &[0]), list(0xA2, &[])]
    });
    publishes.chain(filters).collect()
}

fn connects(v: V, text: &[u8]) -> Vec<Vec<u8>> {
    let head =
        |flags| [&b"\0\x04MQTT"[..], &[v.pick(4, 5), flags, 0, 60], v.pick(&[], &[0])].concat();
    vec![
        packet(0x10, &[head(2), bytes(text)].concat()),
        v.connect("c1", 6, &[], &v.will_with(&[], text, "x")),
        v.connect("c1", 0x82, &[], &bytes(text)),
    ]
}

fn properties(v: V, texts: &[&[u8]]) -> Vec<Vec<u8>> {
    let all = |t: &&[u8]| {
        let text = |id: u8| [vec![id], bytes(t)].concat();
        [user(t, b"v"), user(b"k", t), text(0x03), text(0x08)]
            .map(|properties| v.publish_with(0x30, 0, b"t", &properties, "x"))
    };
    let elsewhere = texts.iter().flat_map(|t| {
        let user = user(b"k", t);
        let n = user.len() as u8;
        [
            v.subscribe_with(1, &user, &[("ioc/v1/alerts/#", 0)]),
            packet(0xA2, &[&[0, 1, n][..], &user, &bytes(b"f")].concat()),
            packet(0x40, &[&[0, 1, 0, n][..], &user].concat()),
            packet(0x62, &[&[0, 1, 0, n][..], &user].concat()),
            packet(0xE0, &[&[0, n][..], &user].concat()),
        ]
    });
    texts.iter().flat_map(all).chain(elsewhere).collect()
}

pub(super) const CASES: &[Case] = &[
    case(
        "text that is not UTF-8 ends the connection",
        &["1.5.3-1", "3.3.2-1", "3.8.3-1", "3.10.3-1", "4.7.3-3"],
        &["1.5.4-1", "3.3.2-1", "3.8.3-1", "3.10.3-1", "4.7.3-3"],
        |v| each_ends(v, 0x81, &in_topics(v, ILL)),
    ),
    case(
        "U+0000 in a text ends the connection",
        &["1.5.3-2", "4.7.3-2"],
        &["1.5.4-2", "4.7.3-2"],
        |v| each_ends(v, 0x81, &in_topics(v, &[b"\0", b"a\0", b"\0a/b"])),
    ),
    case(
        "a CONNECT with a text that is not UTF-8 or holds U+0000 is refused",
        &["1.5.3-1", "1.5.3-2", "3.1.3-4", "3.1.3-10", "3.1.3-11", "3.1.4-1"],
        &["1.5.4-1", "1.5.4-2", "3.1.3-4", "3.1.3-11", "3.1.3-12", "3.1.4-1"],
        |v| {
            let texts = ILL.iter().copied().chain([&b"a\0"[..]]);
            let bad: Vec<Vec<u8>> = texts.flat_map(|t| connects(v, t)).collect();
            each_refused(v, None, 0x81, &bad)
        },
    ),
    case(
        "properties with a text that is not UTF-8 or holds U+0000 end the connection",
        &[],
        &["1.5.7-1", "1.5.4-2", "3.3.2-13", "3.3.2-19"],
        |v| each_ends(v, 0x81, &properties(v, &[b"\xFF", b"\0", b"\xED\xBF\xBF"])),
    ),
    case("the byte order mark is part of a text", &["1.5.3-3"], &["1.5.4-3"], |v| {
        steps![
            send(v.clean("c1")),
            welcome(false),
            send(v.publish(1, 1, "\u{FEFF}t/\u{FEFF}", "x")),
            ack(0x40, 1, 0),
            taken(&["\u{FEFF}t/\u{FEFF} x"]),
        ]
    }),
    case("an integer in more bytes than it needs is malformed", &[], &["1.5.5-1"], |v| {
        let publish = [&[0x30, 0x85, 0x00][..], b"\0\x01t\0x"].concat();
        let property = [&[0x30, 6][..], b"\0\x01t\x80\x00x"].concat();
        let connect = [&[0x10, 0x8F, 0x00][..], b"\0\x04MQTT\x05\x02\0\x3C\0\0\x02c1"].concat();
        let inside = [&[0x10, 16][..], b"\0\x04MQTT\x05\x02\0\x3C\x80\0\0\x02c1"].concat();
        let filter = [&[0, 1, 0x80, 0][..], &bytes(b"ioc/v1/alerts/#"), &[0]].concat();
        steps![
            each_ends(v, 0x81, &[publish, property, packet(0x82, &filter)]),
            each_refused(v, None, 0x81, &[connect, inside]),
        ]
    }),
    case("a length of more than four bytes is malformed", &["4.8.0-1"], &["4.13.1-1"], |v| {
        each_ends(v, 0x81, &[vec![0x30, 0xFF, 0xFF, 0xFF, 0xFF, 0x01]])
    }),
    case(
        "reserved flags of a fixed header are looked at",
        &["2.2.2-1", "2.2.2-2", "3.6.1-1", "3.8.1-1", "3.10.1-1", "3.14.1-1"],
        &["2.1.3-1", "3.6.1-1", "3.8.1-1", "3.10.1-1", "3.14.1-1"],
        |v| {
            let mut filters = v.subscribe(1, &[("ioc/v1/alerts/#", 0)]);
            let mut leave = v.unsubscribe(1, &["ioc/v1/alerts/#"]);
            (filters[0], leave[0]) = (0x80, 0xA0);
            let mut bad = vec![filters.clone(), leave.clone()];
            (filters[0], leave[0]) = (0x83, 0xAF);
            bad.extend([filters, leave]);
            for first in [0x60u8, 0x61, 0x66, 0x41, 0x48] {
                bad.push(vec![first, 2, 0, 1]);
            }
            for first in [0xC1u8, 0xC8, 0xE1, 0xE2] {
                bad.push(vec![first, 0]);
            }
            let mut connect = v.clean("c1");
            connect[0] = 0x11;
            steps![each_ends(v, 0x81, &bad), send(connect), closed()]
        },
    ),
    case(
        "packet types that a client may not send end the connection",
        &["4.8.0-1"],
        &["4.13.1-1"],
        |v| {
            let bad = [0x00u8, 0x20, 0x50, 0x70, 0x90, 0xB0, 0xD0].map(|t| vec![t, 2, 0, 1]);
            each_ends(v, 0x82, &bad)
        },
    ),
    case("a packet id of zero ends the connection", &["2.3.1-1"], &["2.2.1-3"], |v| {
        let zero = |first: u8, rest: &[u8]| {
            packet(first, &[&[0, 0][..], v.pick(&[], &[0]), rest].concat())
        };
        let publish =
            |first| packet(first, &[&bytes(b"t")[..], &[0, 0], v.pick(&[], &[0])].concat());
        let bad = [publish(0x32), publish(0x34), vec![0x62, 2, 0, 0]];
        let lists = [zero(0x82, &[&bytes(b"f")[..], &[0]].concat()), zero(0xA2, &bytes(b"f"))];
        steps![each_ends(v, 0x82, &bad), each_ends(v, 0x82, &lists)]
    }),
    case(
        "a QoS 0 publish has no packet id: what follows the topic is payload",
        &["2.3.1-5"],
        &["2.2.1-2"],
        |v| {
            steps![
                send(v.clean("c1")),
                welcome(false),
                send(v.publish(0, 0, "t", "12")),
                taken(&["t 12"]),
                silent(),
            ]
        },
    ),
    case(
        "answers carry the packet id of their question",
        &["2.3.1-6", "2.3.1-7", "3.3.4-1", "3.8.4-1", "3.8.4-2", "3.10.4-4"],
        &["2.2.1-5", "2.2.1-6", "3.3.4-1", "3.8.4-1", "3.8.4-2", "3.10.4-4", "3.10.4-5"],
        |v| {
            steps![
                send(v.clean("c1")),
                welcome(false),
                send(v.publish(1, 0x1234, "t", "1")),
                exactly([0x40, 2, 0x12, 0x34]),
                send(v.publish(2, 0xFFFF, "t", "2")),
                exactly([0x50, 2, 0xFF, 0xFF]),
                send([0x62, 2, 0xFF, 0xFF]),
                exactly([0x70, 2, 0xFF, 0xFF]),
                send(v.subscribe(0x0102, &[("ioc/v1/alerts/#", 1)])),
                suback(0x0102, &[1]),
                send(v.unsubscribe(0x0304, &["ioc/v1/alerts/#"])),
                unsuback(0x0304, &[0]),
                send(v.publish(0, 0, "t", "3")),
                silent(),
            ]
        },
    ),
    case("packets without properties say so with a length of zero", &[], &["2.2.2-1"], |v| {
        steps![
            send(v.clean("c1")),
            welcome(false),
            send(v.subscribe(7, &[("ioc/v1/alerts/#", 0)])),
            exactly([0x90, 4, 0, 7, 0, 0]),
            ioc("ioc/v1/alerts/a", "x", false),
            exactly(v.publish(0, 0, "ioc/v1/alerts/a", "x")),
            send(v.unsubscribe(8, &["ioc/v1/alerts/#"])),
            exactly([0xB0, 4, 0, 8, 0, 0]),
        ]
    }),
    case("properties that are twice, unknown or cut end the connection", &[], &["4.13.1-1"], |v| {
        let publish = |properties: &[u8]| v.publish_with(0x30, 0, b"t", properties, "x");
        let cut = packet(0x30, b"\0\x01t\x05\x01");
        let unknown =
            |first: u8, tail: &[u8]| packet(first, &[&[0, 1, 0, 2, 0x7F, 0][..], tail].concat());
        steps![
            each_ends(
                v,
                0x82,
                &[publish(&[1, 0, 1, 0]), publish(&[0x7F, 0]), publish(&[0x11, 0, 0, 0, 1])]
            ),
            each_ends(v, 0x82, &[publish(&[1, 2]), unknown(0x40, &[]), unknown(0x62, &[])]),
            each_ends(v, 0x81, &[cut, packet(0x30, b"\0\x01t\x02\x02\0")]),
        ]
    }),
];
