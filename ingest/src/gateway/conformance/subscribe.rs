//! SUBSCRIBE, UNSUBSCRIBE and what follows from them (chapters 3.8 to 3.11, 4.7, 4.8).

use super::play::*;
use super::version::{V, bytes};
use crate::gateway::tests::packet;

fn hello(v: V) -> Vec<Step> {
    steps![send(v.clean("s1")), welcome(false)]
}

const ALERTS: &str = "ioc/v1/alerts/#";

pub(super) const CASES: &[Case] = &[
    case(
        "a list without filters ends the connection",
        &["3.8.3-3", "3.10.3-2"],
        &["3.8.3-2", "3.10.3-2"],
        |v| {
            let empty = v.pick(&[0u8, 1][..], &[0, 1, 0]);
            each_ends(v, 0x82, &[packet(0x82, empty), packet(0xA2, empty)])
        },
    ),
    case("reserved bits of the options and QoS 3 are malformed", &["3-8.3-4"], &["3.8.3-5"], |v| {
        let bad: &[u8] = v.pick(&[3, 4, 8, 0x10, 0x20, 0x40, 0x80], &[0x40, 0x80, 0xC1]);
        let bad: Vec<Vec<u8>> = bad.iter().map(|b| v.subscribe(1, &[(ALERTS, *b)])).collect();
        let cut = packet(0x82, &[&[0, 1][..], v.pick(&[], &[0]), &bytes(b"f")].concat());
        steps![each_ends(v, 0x81, &bad), each_ends(v, 0x81, &[cut])]
    }),
    case("options that mean nothing are a protocol error", &[], &["3.8.3-4", "4.13.1-1"], |v| {
        let bad = [(ALERTS, 3), (ALERTS, 0x30), ("$share/g/ioc/v1/alerts/#", 4)];
        each_ends(v, 0x82, &bad.map(|f| v.subscribe(1, &[f])))
    }),
    case(
        "each filter of a list is answered, in its order",
        &["3.8.4-1", "3.8.4-4", "3.8.4-5", "3.9.3-1", "3.9.3-2"],
        &["3.8.4-1", "3.8.4-5", "3.8.4-6", "3.8.4-7", "3.9.3-1", "3.9.3-2"],
        |v| {
            let filters = [
                (ALERTS, 2),
                ("#", 0),
                ("ioc/v1/alerts/a", 0),
                ("ioc/v1/devices/other/errors", 1),
                ("ioc/v1/devices/s1/errors", 1),
            ];
            let no = v.pick(0x80, 0x87);
            steps![hello(v), send(v.subscribe(1, &filters)), suback(1, &[1, no, 0, no, 1])]
        },
    ),
    case(
        "only filters that can match nothing but the IOC's own topics are granted",
        &["4.5.0-1", "4.7.2-1", "3.8.4-5"],
        &["4.5.0-1", "4.7.2-1", "3.8.4-7", "3.8.3-3"],
        |v| {
            let no = v.pick(0x80, 0x87);
            let refused = [
                "#",
                "+/+",
                "/#",
                "$SYS/#",
                "ioc/#",
                "ioc/v1/#",
                "ioc/v1/+/#",
                "ioc/v1/hai_chau/air/d1/obs",
                "ioc/v1/devices/+/errors",
                "ioc/v1/devices/#",
                "ioc/v1/devices/s1/#",
                "t",
            ];
            let filters: Vec<(&str, u8)> = refused.iter().map(|f| (*f, 1)).collect();
            steps![
                hello(v),
                send(v.subscribe(1, &filters)),
                suback(1, &vec![no; refused.len()]),
                by('b', send(v.clean("p1"))),
                by('b', welcome(false)),
                by('b', send(v.publish(1, 1, "t", "from another device"))),
                by('b', ack(0x40, 1, 0)),
                by('b', send(v.publish(1, 2, "ioc/v1/hai_chau/air/d1/obs", "x"))),
                by('b', packet_that("a PUBACK", |p| p[0] == 0x40)),
                silent(),
            ]
        },
    ),
    case(
        "filters that are none are refused",
        &["4.7.1-2", "4.7.1-3", "4.7.3-1", "3.8.3-2"],
        &["4.7.1-1", "4.7.1-2", "4.7.3-1"],
        |v| {
            let no = v.pick(0x80, 0x8F);
            let bad = [
                "",
                "ioc/v1/alerts/#/a",
                "ioc/v1/alerts/a#",
                "ioc/v1/alerts/a+",
                "ioc/v1/alerts/+b/c",
                "ioc/v1/alerts/##",
            ];
            let good = [
                "ioc/v1/alerts/+",
                "ioc/v1/alerts/+/b",
                "ioc/v1/alerts/+/+/#",
                "ioc/v1/alerts/a/+",
            ];
            let filters: Vec<(&str, u8)> = bad.iter().chain(&good).map(|f| (*f, 0)).collect();
            let codes = [vec![no; bad.len()], vec![0; good.len()]].concat();
            steps![hello(v), send(v.subscribe(1, &filters)), suback(1, &codes)]
        },
    ),
    case("shared subscriptions are refused by name", &[], &["4.8.2-1", "4.8.2-2"], |v| {
        let bad = [
            "$share/",
            "$share/g",
            "$share//ioc/v1/alerts/#",
            "$share/g/",
            "$share/+/ioc/v1/alerts/#",
        ];
        let bad = bad.map(|f| v.subscribe(1, &[(f, 0)]));
        let wrong = ('b'..).zip(bad).flat_map(|(who, bytes)| {
            let never_granted = packet_that("a refusal", |p| match p[0] {
                0xE0 => p[2] >= 0x80,
                _ => p[0] == 0x90 && p.last().is_some_and(|code| *code >= 0x80),
            });
            let id = format!("each-{}", u32::from(who));
            all_by(who, steps![send(v.clean(&id)), welcome(false), send(bytes), never_granted])
        });
        steps![
            wrong.collect::<Vec<_>>(),
            hello(v),
            send(v.subscribe(1, &[("$share/g/ioc/v1/alerts/#", 1)])),
            suback(1, &[0x9E]),
            ioc("ioc/v1/alerts/a", "x", false),
            silent(),
        ]
    }),
    case(
        "a topic that begins with $share is only a topic in MQTT 3.1.1",
        &["3.8.4-5", "4.5.0-1"],
        &[],
        |v| {
            steps![
                hello(v),
                send(v.subscribe(1, &[("$share/g/ioc/v1/alerts/#", 1)])),
                suback(1, &[0x80]),
                silent()
            ]
        },
    ),
    case(
        "subscription ids are refused by name",
        &[],
        &["3.3.4-3", "3.3.4-4", "3.3.4-5", "4.13.1-1"],
        |v| each_ends(v, 0xA1, &[v.subscribe_with(1, &[0x0B, 7], &[(ALERTS, 1)])]),
    ),
    case(
        "retained values come with a new subscription, marked",
        &["3.3.1-6", "3.3.1-8", "3.8.4-3", "3.3.2-3"],
        &["3.3.1-9", "3.8.4-4", "3.8.4-3", "3.3.2-3"],
        |v| {
            steps![
                ioc("ioc/v1/alerts/a", "1", true),
                ioc("ioc/v1/alerts/b/c", "2", true),
                ioc("ioc/v1/devices/s1/errors", "3", true),
                ioc("ioc/v1/alerts/gone", "4", true),
                ioc("ioc/v1/alerts/gone", "", true),
                hello(v),
                send(v.subscribe(1, &[("ioc/v1/alerts/#", 1)])),
                suback(1, &[1]),
                publication(0x33, "ioc/v1/alerts/a", "1"),
                publication(0x33, "ioc/v1/alerts/b/c", "2"),
                silent(),
                // The same filter again replaces the subscription, with its QoS, and sends again.
                send(v.subscribe(2, &[("ioc/v1/alerts/#", 0)])),
                suback(2, &[0]),
                publication(0x31, "ioc/v1/alerts/a", "1"),
                publication(0x31, "ioc/v1/alerts/b/c", "2"),
                ioc("ioc/v1/alerts/a", "live", false),
                publication(0x30, "ioc/v1/alerts/a", "live"),
                silent(),
            ]
        },
    ),
    case(
        "what matches a subscription that is there is not marked as retained",
        &["3.3.1-9"],
        &["3.3.1-12"],
        |v| {
            steps![
                hello(v),
                send(v.subscribe(1, &[(ALERTS, 0)])),
                suback(1, &[0]),
                ioc("ioc/v1/alerts/a", "1", true),
                publication(0x30, "ioc/v1/alerts/a", "1"),
            ]
        },
    ),
    case("retain handling is done as asked", &[], &["3.3.1-10", "3.3.1-11", "3.3.1-13"], |v| {
        steps![
            ioc("ioc/v1/alerts/a", "1", true),
            hello(v),
            send(v.subscribe(1, &[(ALERTS, 0x20)])),
            suback(1, &[0]),
            silent(),
            send(v.unsubscribe(2, &[ALERTS])),
            unsuback(2, &[0]),
            send(v.subscribe(3, &[(ALERTS, 0x10)])),
            suback(3, &[0]),
            publication(0x31, "ioc/v1/alerts/a", "1"),
            // Retain as published, and not new any more.
            send(v.subscribe(4, &[(ALERTS, 0x18)])),
            suback(4, &[0]),
            silent(),
            ioc("ioc/v1/alerts/b", "2", true),
            publication(0x31, "ioc/v1/alerts/b", "2"),
            ioc("ioc/v1/alerts/b", "3", false),
            publication(0x30, "ioc/v1/alerts/b", "3"),
        ]
    }),
    case(
        "overlapping subscriptions give one copy at the higher QoS",
        &["3.3.5-1", "3.8.4-6"],
        &["3.3.4-2", "3.8.4-8"],
        |v| {
            steps![
                hello(v),
                send(
                    v.subscribe(1, &[(ALERTS, 0), ("ioc/v1/alerts/a", 1), ("ioc/v1/alerts/+", 0)])
                ),
                suback(1, &[0, 1, 0]),
                ioc("ioc/v1/alerts/a", "both", false),
                publication(0x32, "ioc/v1/alerts/a", "both"),
                ioc("ioc/v1/alerts/b", "one", false),
                publication(0x30, "ioc/v1/alerts/b", "one"),
                silent(),
            ]
        },
    ),
    case(
        "an unsubscribed filter is gone, whatever it was, and each is answered",
        &["3.10.4-1", "3.10.4-2", "3.10.4-4", "3.10.4-5", "3.10.4-6"],
        &["3.10.4-1", "3.10.4-2", "3.10.4-4", "3.10.4-5", "3.10.4-6", "3.11.3-1", "3.11.3-2"],
        |v| {
            steps![
                hello(v),
                send(v.subscribe(1, &[(ALERTS, 0), ("ioc/v1/alerts/+", 0)])),
                suback(1, &[0, 0]),
                // Compared letter by letter: what would match the same is not the same.
                send(v.unsubscribe(2, &["ioc/v1/alerts/a", "ioc/v1/Alerts/#"])),
                unsuback(2, &[0x11, 0x11]),
                ioc("ioc/v1/alerts/a", "1", false),
                publication(0x30, "ioc/v1/alerts/a", "1"),
                send(v.unsubscribe(3, &["never/was", ALERTS, "ioc/v1/alerts/+", ALERTS])),
                unsuback(3, &[0x11, 0, 0, 0x11]),
                ioc("ioc/v1/alerts/a", "2", false),
                silent(),
                send(v.unsubscribe(4, &[ALERTS])),
                unsuback(4, &[0x11]),
            ]
        },
    ),
    case(
        "what was on its way before an UNSUBSCRIBE is finished",
        &["3.10.4-3"],
        &["3.10.4-3"],
        |v| {
            let mut again = v.publish(1, 1, "ioc/v1/alerts/a", "1");
            again[0] = 0x3A;
            steps![
                send(v.keep("s1")),
                welcome(false),
                send(v.subscribe(1, &[(ALERTS, 1)])),
                suback(1, &[1]),
                ioc("ioc/v1/alerts/a", "1", false),
                publication(0x32, "ioc/v1/alerts/a", "1"),
                send(v.unsubscribe(2, &[ALERTS])),
                unsuback(2, &[0]),
                gone(),
                ioc("ioc/v1/alerts/a", "2", false),
                send(v.keep("s1")),
                welcome(true),
                exactly(again),
                send([0x40, 2, 0, 1]),
                silent(),
            ]
        },
    ),
    case(
        "topics are compared as they are written",
        &["4.7.3-4", "3.3.2-3"],
        &["4.7.3-4", "3.3.2-3"],
        |v| {
            steps![
                hello(v),
                // é as one character, and as two.
                send(v.subscribe(1, &[("ioc/v1/alerts/caf\u{e9}", 0), ("ioc/v1/alerts/A", 0)])),
                suback(1, &[0, 0]),
                ioc("ioc/v1/alerts/cafe\u{301}", "two", false),
                ioc("ioc/v1/alerts/a", "small", false),
                ioc("ioc/v1/alerts/caf\u{e9}/", "level", false),
                silent(),
                ioc("ioc/v1/alerts/caf\u{e9}", "one", false),
                publication(0x30, "ioc/v1/alerts/caf\u{e9}", "one"),
            ]
        },
    ),
    case(
        "publications of a topic come in their order",
        &["4.6.0-5", "4.6.0-6"],
        &["4.6.0-5", "4.6.0-6"],
        |v| {
            steps![
                send(v.keep("s1")),
                welcome(false),
                send(v.subscribe(1, &[(ALERTS, 1)])),
                suback(1, &[1]),
                ioc("ioc/v1/alerts/a", "1", false),
                ioc("ioc/v1/alerts/a", "2", false),
                publication(0x32, "ioc/v1/alerts/a", "1"),
                publication(0x32, "ioc/v1/alerts/a", "2"),
                gone(),
                ioc("ioc/v1/alerts/a", "3", false),
                send(v.keep("s1")),
                welcome(true),
                publication(0x3A, "ioc/v1/alerts/a", "1"),
                publication(0x3A, "ioc/v1/alerts/a", "2"),
                publication(0x32, "ioc/v1/alerts/a", "3"),
            ]
        },
    ),
];
