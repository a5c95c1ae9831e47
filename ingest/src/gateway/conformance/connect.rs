//! CONNECT and CONNACK (chapters 3.1 and 3.2), without sessions and wills.

use super::play::*;
use super::version::bytes;
use crate::gateway::tests::packet;

fn raw_connect(name: &[u8], level: u8, flags: u8, rest: &[u8]) -> Vec<u8> {
    packet(0x10, &[&bytes(name)[..], &[level, flags, 0, 60], rest].concat())
}

fn has(packet: &[u8], part: &[u8]) -> bool {
    packet.windows(part.len()).any(|w| w == part)
}

/// Ids of the properties of a CONNACK of success, of which all are numbers but the assigned id.
fn property_ids(connack: &[u8]) -> Vec<u8> {
    let mut at = 5;
    let mut ids = Vec::new();
    while let Some(&id) = connack.get(at) {
        ids.push(id);
        at += 1 + match id {
            0x11 | 0x27 => 4,
            0x21 | 0x22 | 0x13 => 2,
            0x12 => 2 + usize::from(connack[at + 2]),
            _ => 1,
        };
    }
    ids
}

pub(super) const CASES: &[Case] = &[
    case("the first packet must be a CONNECT", &["3.1.0-1"], &["3.1.0-1", "3.14.0-1"], |v| {
        let firsts = [v.publish(1, 1, "t", "x"), vec![0xC0, 0], vec![0xE0, 0], vec![0xF0, 0]];
        let others =
            [v.subscribe(1, &[("ioc/v1/alerts/#", 0)]), b"GET / HTTP/1.1\r\n\r\n".to_vec()];
        let all = firsts.into_iter().chain(others);
        let all =
            ('b'..).zip(all).flat_map(|(who, bytes)| all_by(who, steps![send(bytes), closed()]));
        steps![all.collect::<Vec<_>>(), taken(&[])]
    }),
    case("a second CONNECT ends the connection", &["3.1.0-2"], &["3.1.0-2"], |v| {
        steps![send(v.clean("c1")), welcome(false), send(v.clean("c1")), ended(v, 0x82)]
    }),
    case("another protocol name is not served", &["3.1.2-1"], &["3.1.2-1"], |v| {
        let level = v.pick(4, 5);
        let rest = [v.pick(&[][..], &[0]), &bytes(b"c1")].concat();
        let names = [&b"MQTt"[..], b"MQT", b"MQTTX", b"", b"mqtt"];
        let wrong = ('b'..).zip(names).flat_map(|(who, name)| {
            let hello = [raw_connect(name, level, 2, &rest), v.publish(0, 0, "t", "x")].concat();
            all_by(who, steps![send(hello), closed()])
        });
        steps![wrong.collect::<Vec<_>>(), taken(&[])]
    }),
    case("an unknown level is refused by name", &["3.1.2-2"], &["3.1.2-2"], |v| {
        let old =
            [raw_connect(b"MQTT", 3, 2, &bytes(b"c1")), raw_connect(b"MQTT", 0, 2, &bytes(b"c1"))];
        let older = raw_connect(b"MQIsdp", 3, 2, &bytes(b"c1"));
        let new = raw_connect(b"MQTT", 6, 2, &[&[0][..], &bytes(b"c1")].concat());
        let far = raw_connect(b"MQTT", 0xFF, 2, &bytes(b"c1"));
        let by_three = old.into_iter().chain([older]).zip('b'..).flat_map(|(bytes, who)| {
            all_by(who, steps![send(bytes), exactly([0x20, 2, 0, 1]), closed()])
        });
        if v.five { each_refused(v, None, 0x84, &[new, far]) } else { by_three.collect() }
    }),
    case(
        "the reserved connect flag must be 0",
        &["3.1.2-3", "3.1.4-1"],
        &["3.1.2-3", "3.1.4-1"],
        |v| {
            each_refused(
                v,
                None,
                0x81,
                &[v.connect("c1", 3, &[], &[]), v.connect("c1", 1, &[], &[])],
            )
        },
    ),
    case(
        "will flags that contradict each other are refused",
        &["3.1.2-11", "3.1.2-13", "3.1.2-14", "3.1.2-15"],
        &["3.1.2-11", "3.1.2-12", "3.1.2-13"],
        |v| {
            let will = v.will("w", "x");
            let no_will =
                [0x0Au8, 0x12, 0x1A, 0x22, 0x2A].map(|flags| v.connect("c1", flags, &[], &[]));
            let qos_3 = v.connect("c1", 0x1E, &[], &will);
            let fields_without_flag = v.connect("c1", 2, &[], &will);
            steps![
                each_refused(v, None, 0x81, &no_will),
                each_refused(v, None, 0x81, &[qos_3, fields_without_flag]),
                send(v.connect("c1", 0x16, &[], &will)),
                welcome(false),
                by('b', send(v.connect("c2", 0x0E, &[], &will))),
                by('b', welcome(false)),
            ]
        },
    ),
    case(
        "fields that the flags promise must be there",
        &["3.1.2-9", "3.1.2-19", "3.1.2-21", "3.1.3-3", "3.1.4-1"],
        &["3.1.2-9", "3.1.2-17", "3.1.2-19", "3.1.3-3", "3.1.4-1"],
        |v| {
            let user = bytes(b"u");
            let head = [&b"\0\x04MQTT"[..], &[v.pick(4, 5), 2, 0, 60], v.pick(&[], &[0])].concat();
            let will_without_payload = [v.pick(&[][..], &[0]), &bytes(b"w")].concat();
            let bad = [
                v.connect("c1", 6, &[], &[]),
                v.connect("c1", 6, &[], &will_without_payload),
                v.connect("c1", 0x82, &[], &[]),
                v.connect("c1", 0xC2, &[], &user),
                packet(0x10, &head),
            ];
            steps![each_refused(v, None, 0x81, &bad), send(packet(0x10, &head[..7])), closed()]
        },
    ),
    case(
        "fields that the flags do not promise must not be there",
        &["3.1.2-18", "3.1.2-20", "3.1.2-11"],
        &["3.1.2-16", "3.1.2-18"],
        |v| {
            let two = [bytes(b"u"), bytes(b"p")].concat();
            let bad = [v.connect("c1", 2, &[], &bytes(b"u")), v.connect("c1", 0x82, &[], &two)];
            each_refused(v, None, 0x81, &bad)
        },
    ),
    case("a password needs a user name", &["3.1.2-22"], &[], |v| {
        each_refused(v, None, 0, &[v.connect("c1", 0x42, &[], &bytes(b"p"))])
    }),
    case("the fields of the payload are read in their order", &["3.1.3-1"], &["3.1.3-1"], |v| {
        steps![
            send(v.connect("c1", 6, &[], &v.will("will/topic", "will payload"))),
            welcome(false),
            gone(),
            taken(&["will/topic will payload"]),
        ]
    }),
    case(
        "ids of 1 to 23 letters and digits are allowed, and longer ones",
        &["3.1.3-5"],
        &["3.1.3-5"],
        |v| {
            let long = "y".repeat(64);
            let ids = [
                "0",
                "abcdefghijklmnopqrstuvw",
                "ABCDEFGHIJKLMNOPQRSTUVW",
                "xyzXYZ0123456789",
                &long,
            ];
            let good = ('b'..).zip(ids).flat_map(|(who, id)| {
                all_by(who, steps![send(v.clean(id)), welcome(false), silent()])
            });
            good.collect()
        },
    ),
    case(
        "a client without an id gets one of its own",
        &["3.1.3-6", "3.2.2-3"],
        &["3.1.3-6", "3.1.3-7", "3.2.2-16"],
        |v| {
            let named = if v.five {
                packet_that("a CONNACK with an assigned id", |p| {
                    p[3] == 0 && property_ids(p).contains(&0x12)
                })
            } else {
                welcome(false)
            };
            let same = if v.five {
                packet_that("a CONNACK with an assigned id", |p| {
                    p[3] == 0 && property_ids(p).contains(&0x12)
                })
            } else {
                welcome(false)
            };
            steps![
                send(v.clean("")),
                named,
                by('b', send(v.clean(""))),
                by('b', same),
                // The same id for both would have ended the first connection.
                silent(),
                by('b', silent()),
                look("two clients", |g| g
                    .metrics
                    .connected
                    .load(std::sync::atomic::Ordering::Relaxed)
                    == 2),
            ]
        },
    ),
    case(
        "an MQTT 3.1.1 client without an id must not ask for a session",
        &["3.1.3-8", "3.2.2-5"],
        &[],
        |v| steps![send(v.connect("", 0, &[], &[])), exactly([0x20, 2, 0, 2]), closed()],
    ),
    case(
        "an id that is not allowed is refused by name",
        &["3.1.3-9", "3.2.2-4", "3.2.2-5"],
        &["3.1.3-8", "3.2.2-6", "3.2.2-7", "3.2.2-8", "4.13.2-1"],
        |v| {
            let long = "x".repeat(65);
            let bad = ["a/b", "#", "+", "a b", "é", "$SYS", &long].map(|id| v.clean(id));
            each_refused(v, Some(2), 0x85, &bad)
        },
    ),
    case(
        "nothing after a refused CONNECT is taken in",
        &["3.1.4-5", "3.2.2-6"],
        &["3.1.4-6", "3.1.4-1"],
        |v| {
            let hello = [v.connect("c1", 3, &[], &[]), v.publish(0, 0, "t", "x")].concat();
            let unnamed = [v.clean("a/b"), v.publish(1, 1, "t", "x")].concat();
            steps![
                send(hello),
                refused(v, None, 0x81),
                by('b', send(unnamed)),
                all_by('b', refused(v, Some(2), 0x85)),
                by('c', send(v.clean("c3"))),
                by('c', welcome(false)),
                by('c', send(v.publish(0, 0, "t", "the only one"))),
                taken(&["t the only one"]),
            ]
        },
    ),
    case(
        "a good CONNECT is acknowledged once, before anything else",
        &["3.1.4-4", "3.2.0-1", "3.2.2-3"],
        &["3.1.4-5", "3.2.0-1", "3.2.0-2", "3.2.2-1", "3.2.2-3"],
        |v| {
            let burst = [v.clean("c1"), vec![0xC0, 0], v.publish(1, 1, "t", "x"), vec![0xC0, 0]];
            steps![
                send(burst.concat()),
                welcome(false),
                exactly([0xD0, 0]),
                packet_that("an answer to the rest", |p| p[0] == 0xD0 || p[0] == 0x40),
                packet_that("an answer to the rest", |p| p[0] == 0xD0 || p[0] == 0x40),
                silent(),
            ]
        },
    ),
    case(
        "the CONNACK tells what differs from the standard's defaults",
        &[],
        &["3.2.2-9", "3.2.2-22"],
        |v| {
            steps![
                send(v.clean("c1")),
                packet_that("a CONNACK with the limits of this server", |p| {
                    // Session expiry, receive maximum, packet size, no subscription ids, no shared
                    // subscriptions; no maximum QoS, no topic aliases, retained values and wildcards
                    // are there, the client's own keep-alive holds.
                    property_ids(p) == [0x11, 0x21, 0x27, 0x29, 0x2A]
                        && has(p, &[0x27, 0, 1, 0, 0])
                        && has(p, &[0x29, 0, 0x2A, 0])
                }),
            ]
        },
    ),
    case(
        "all of QoS 0 to 2 and wills of all of them are taken",
        &[],
        &["3.2.2-9", "3.2.2-10", "3.2.2-12"],
        |v| {
            steps![
                send(v.connect("c1", 0x16, &[], &v.will("w", "x"))),
                welcome(false),
                send(v.publish(2, 1, "t", "x")),
                ack(0x50, 1, 0),
                send(v.subscribe(
                    2,
                    &[("ioc/v1/alerts/a", 0), ("ioc/v1/alerts/b", 1), ("ioc/v1/alerts/c", 2)]
                )),
                suback(2, &[0, 1, 1]),
            ]
        },
    ),
    case(
        "a retained will is taken, as Retain Available is not 0",
        &[],
        &["3.2.2-13", "3.1.2-15"],
        |v| {
            steps![
                send(v.connect("c1", 0x26, &[], &v.will("w", "gone"))),
                welcome(false),
                gone(),
                taken(&["w gone"]),
            ]
        },
    ),
    case(
        "a server keep-alive is told where the client asks for more",
        &[],
        &["3.2.2-22", "3.1.2-21"],
        |v| {
            let told = |p: &[u8]| has(p, &[0x13, 0, 30]);
            steps![
                send(v.connect_for(200, "c1", 2, &[], &[])),
                packet_that("a CONNACK with server keep-alive 30", told),
                by('b', send(v.connect_for(0, "c2", 2, &[], &[]))),
                by('b', packet_that("a CONNACK with server keep-alive 30", told)),
                by('c', send(v.connect_for(20, "c3", 2, &[], &[]))),
                by('c', packet_that("a CONNACK without one", |p| !property_ids(p).contains(&0x13))),
            ]
        },
    )
    .config(|c| c.max_keep_alive_s = 30),
    case("response information is never sent", &[], &["3.1.2-28"], |v| {
        let without = |p: &[u8]| p[3] == 0 && !property_ids(p).contains(&0x1A);
        steps![
            send(v.connect("c1", 2, &[0x19, 0], &[])),
            packet_that("a CONNACK without response information", without),
            by('b', send(v.connect("c2", 2, &[0x19, 1], &[]))),
            by('b', packet_that("a CONNACK without response information", without)),
        ]
    }),
    case("no reason in words where the client wants none", &[], &["3.1.2-29"], |v| {
        steps![
            send(v.connect("c1", 2, &[0x17, 0], &[])),
            welcome(false),
            send(v.publish(1, 1, "bad/t", "x")),
            exactly([0x40, 3, 0, 1, 0x99]),
            send(v.publish(2, 2, "bad/t", "x")),
            exactly([0x50, 3, 0, 2, 0x99]),
            send(v.subscribe(3, &[("#", 0)])),
            exactly([0x90, 4, 0, 3, 0, 0x87]),
        ]
    }),
    case(
        "properties of CONNECT that are twice, out of range or unknown are refused",
        &[],
        &["3.1.4-1", "4.13.1-1"],
        |v| {
            let bad = [
                &[0x21u8, 0, 0][..],
                &[0x27, 0, 0, 0, 0],
                &[0x21, 0, 9, 0x21, 0, 9],
                &[0x11, 0, 0, 0, 1, 0x11, 0, 0, 0, 1],
                &[0x17, 2],
                &[0x19, 2],
                &[0x23, 0, 1],
                &[0x16, 0, 1, 9],
            ];
            each_refused(v, None, 0x82, &bad.map(|p| v.connect("c1", 2, p, &[])))
        },
    ),
    case(
        "an authentication method is refused by name",
        &[],
        &["3.1.4-2", "4.12.0-1", "4.12.0-6"],
        |v| {
            let method = [&[0x15][..], &bytes(b"SCRAM-SHA-1")].concat();
            steps![
                each_refused(v, None, 0x8C, &[v.connect("c1", 2, &method, &[])]),
                send(v.clean("c2")),
                packet_that("a CONNACK without a method", |p| p[3] == 0
                    && !property_ids(p).contains(&0x15)),
            ]
        },
    ),
    case(
        "a CONNACK larger than the client takes is not sent",
        &[],
        &["3.1.2-24", "3.2.2-19", "3.2.2-20"],
        |v| {
            steps![
                send(v.connect("c1", 2, &[0x27, 0, 0, 0, 20], &[])),
                refused(v, None, 0x95),
                by('b', send(v.connect("c2", 2, &[0x27, 0, 0, 0, 4], &[]))),
                by('b', closed()),
                by('c', send(v.connect("c3", 2, &[0x27, 0, 0, 0, 64], &[]))),
                by(
                    'c',
                    packet_that("a CONNACK of at most 64 bytes", |p| p[3] == 0 && p.len() <= 64)
                ),
            ]
        },
    ),
    case("a CONNECT that is too large is not read to its end", &["3.1.4-1"], &["3.1.4-1"], |v| {
        let _ = v;
        steps![send([0x10, 0x80, 0x80, 0x01, 0, 4]), closed()]
    }),
];
