//! PUBLISH and its acknowledgements (chapters 3.3 to 3.7, 4.3, 4.9).

use super::play::*;
use super::version::{V, bytes, user};
use crate::gateway::tests::Commits;

fn hello(v: V) -> Vec<Step> {
    steps![send(v.clean("c1")), welcome(false)]
}

fn subscriber(v: V, qos: u8) -> Vec<Step> {
    steps![
        send(v.keep("s1")),
        welcome(false),
        send(v.subscribe(1, &[("ioc/v1/alerts/#", qos)])),
        suback(1, &[qos.min(1)]),
    ]
}

pub(super) const CASES: &[Case] = &[
    case(
        "a publish is answered as its QoS says",
        &["3.3.4-1", "4.3.2-2"],
        &["3.3.4-1", "4.3.2-4", "3.4.2-1", "3.5.2-1"],
        |v| {
            steps![
                hello(v),
                send(v.publish(0, 0, "t", "0")),
                silent(),
                send(v.publish(1, 9, "t", "1")),
                exactly([0x40, 2, 0, 9]),
                send(v.publish(2, 9, "t", "2")),
                exactly([0x50, 2, 0, 9]),
                taken(&["t 0", "t 1", "t 2"]),
            ]
        },
    ),
    case(
        "QoS 3 and DUP at QoS 0 end the connection",
        &["3.3.1-4", "3.3.1-2"],
        &["3.3.1-4", "3.3.1-2"],
        |v| {
            let bad = [0x36u8, 0x3E, 0x37].map(|first| v.publish_with(first, 7, b"t", &[], "x"));
            let dup = [0x38u8, 0x39].map(|first| v.publish_with(first, 0, b"t", &[], "x"));
            steps![each_ends(v, 0x81, &bad), each_ends(v, 0x81, &dup), taken(&[])]
        },
    ),
    case(
        "a topic must be there, without wildcards",
        &["3.3.2-1", "3.3.2-2", "4.7.1-1", "4.7.3-1"],
        &["3.3.2-1", "3.3.2-2", "4.7.0-1", "4.7.3-1"],
        |v| {
            let bad = ["#", "a/#", "+", "a/+/b", "a+", "#a"].map(|t| v.publish(1, 1, t, "x"));
            let cut = [vec![0x30, 0], vec![0x30, 1, 0], vec![0x32, 4, 0, 9, b'a', b'b']];
            steps![
                each_ends(v, 0x90, &bad),
                each_ends(v, 0x82, &[v.publish(1, 1, "", "x"), v.publish(0, 0, "", "x")]),
                each_ends(v, 0x81, &cut),
                taken(&[]),
            ]
        },
    ),
    case(
        "QoS 1: the same id after its PUBACK is a new message, whatever its DUP",
        &["4.3.2-2", "2.3.1-6"],
        &["4.3.2-5", "4.3.2-4"],
        |v| {
            steps![
                hello(v),
                send(v.publish(1, 9, "t", "1")),
                ack(0x40, 9, 0),
                send(v.publish(1, 9, "t", "2")),
                ack(0x40, 9, 0),
                send(v.publish_with(0x3A, 9, b"t", &[], "3")),
                ack(0x40, 9, 0),
                taken(&["t 1", "t 2", "t 3"]),
            ]
        },
    ),
    case(
        "QoS 2: one message until its PUBREL, answered each time, also after a reconnect",
        &["4.3.3-2", "4.4.0-1"],
        &["4.3.3-8", "4.3.3-10", "4.3.3-11", "4.3.3-12"],
        |v| {
            let again = v.publish_with(0x3C, 9, b"t", &[], "1");
            steps![
                send(v.keep("c1")),
                welcome(false),
                send(v.publish(2, 9, "t", "1")),
                ack(0x50, 9, 0),
                send(again.clone()),
                ack(0x50, 9, 0),
                gone(),
                send(v.keep("c1")),
                welcome(true),
                send(again),
                ack(0x50, 9, 0),
                send([0x62, 2, 0, 9]),
                exactly([0x70, 2, 0, 9]),
                send(v.publish(2, 9, "t", "2")),
                ack(0x50, 9, 0),
                taken(&["t 1", "t 2"]),
            ]
        },
    ),
    case(
        "a PUBREL of an id that is not open is answered",
        &["4.3.3-2"],
        &["4.3.3-11", "3.7.2-1"],
        |v| {
            let answer = v.pick(vec![0x70, 2, 0, 5], vec![0x70, 3, 0, 5, 0x92]);
            steps![hello(v), send([0x62, 2, 0, 5]), exactly(answer)]
        },
    ),
    case("QoS 2: after a PUBREC of refusal the id is free", &[], &["4.3.3-9", "3.5.2-1"], |v| {
        steps![
            hello(v),
            send(v.publish(2, 9, "bad/t", "1")),
            ack(0x50, 9, 0x99),
            send(v.publish(2, 9, "t", "2")),
            ack(0x50, 9, 0),
            taken(&["bad/t 1", "t 2"]),
        ]
    }),
    case("QoS 2: a message expiry changes nothing about the exchange", &[], &["4.3.3-13"], |v| {
        steps![
            hello(v),
            send(v.publish_with(0x34, 9, b"t", &[2, 0, 0, 0, 0], "x")),
            ack(0x50, 9, 0),
            send([0x62, 2, 0, 9]),
            exactly([0x70, 2, 0, 9]),
        ]
    }),
    case(
        "an ack says that the message is on disk, and no sooner",
        &["4.3.2-2", "4.3.3-2"],
        &["4.3.2-4", "4.3.3-8"],
        |v| {
            steps![
                commits(Commits::Held),
                hello(v),
                send(v.publish(1, 1, "t", "1")),
                send(v.publish(2, 2, "t", "2")),
                taken(&["t 1", "t 2"]),
                silent(),
                commits(Commits::Done),
                ack(0x40, 1, 0),
                ack(0x50, 2, 0),
            ]
        },
    ),
    case(
        "acks go out in the order of the publishes",
        &["4.6.0-2", "4.6.0-3"],
        &["4.6.0-2", "4.6.0-3"],
        |v| {
            let burst: Vec<u8> = [(1u8, 5u16), (2, 3), (1, 4), (2, 1), (1, 2)]
                .iter()
                .flat_map(|(qos, id)| v.publish(*qos, *id, "t", "x"))
                .collect();
            steps![
                hello(v),
                send(burst),
                ack(0x40, 5, 0),
                ack(0x50, 3, 0),
                ack(0x40, 4, 0),
                ack(0x50, 1, 0),
                ack(0x40, 2, 0),
                // And PUBCOMPs in the order of the PUBRELs.
                send([0x62, 2, 0, 1, 0x62, 2, 0, 3]),
                exactly([0x70, 2, 0, 1]),
                exactly([0x70, 2, 0, 3]),
            ]
        },
    ),
    case(
        "a publish to the IOC's own topics is refused and reaches nobody",
        &["3.3.5-2", "3.3.1-12"],
        &["3.4.2-1", "3.5.2-1", "3.3.1-8"],
        |v| {
            steps![
                subscriber(v, 1),
                by('b', send(v.clean("p1"))),
                by('b', welcome(false)),
                by('b', send(v.publish(1, 1, "ioc/v1/alerts/a", "forged"))),
                by('b', ack(0x40, 1, 0x87)),
                by('b', send(v.publish(2, 2, "ioc/v1/alerts/a", "forged"))),
                by('b', ack(0x50, 2, 0x87)),
                by('b', send(v.publish_with(0x31, 0, b"ioc/v1/alerts/a", &[], "forged"))),
                by('b', silent()),
                silent(),
            ]
        },
    ),
    case(
        "what a device publishes as retained is taken in, kept for nobody and reaches nobody",
        &["3.3.1-5", "3.3.1-7", "3.3.1-10", "3.3.1-11"],
        &["3.3.1-5", "3.3.1-6", "3.3.1-7"],
        |v| {
            steps![
                send(v.clean("p1")),
                welcome(false),
                send(v.publish_with(0x33, 1, b"t", &[], "kept?")),
                ack(0x40, 1, 0),
                send(v.publish_with(0x33, 2, b"t", &[], "")),
                ack(0x40, 2, 0),
                send(v.subscribe(3, &[("t", 0), ("#", 0)])),
                suback(3, &v.pick([0x80, 0x80], [0x87, 0x87])),
                silent(),
                look("nothing kept", |g| g.publications.retained_len() == 0),
            ]
        },
    ),
    case(
        "no device replaces or removes a retained value of the IOC's",
        &["3.3.1-12", "3.3.1-5", "3.3.1-10"],
        &["3.3.1-8", "3.3.1-5", "3.3.1-6"],
        |v| {
            steps![
                ioc("ioc/v1/alerts/a", "mine", true),
                by('b', send(v.clean("p1"))),
                by('b', welcome(false)),
                by('b', send(v.publish_with(0x33, 1, b"ioc/v1/alerts/a", &[], ""))),
                by('b', ack(0x40, 1, 0x87)),
                by('b', send(v.publish_with(0x33, 2, b"ioc/v1/alerts/a", &[], "forged"))),
                by('b', ack(0x40, 2, 0x87)),
                send(v.clean("s1")),
                welcome(false),
                send(v.subscribe(1, &[("ioc/v1/alerts/#", 0)])),
                suback(1, &[0]),
                publication(0x31, "ioc/v1/alerts/a", "mine"),
                silent(),
            ]
        },
    ),
    case(
        "properties of a publish are read and change nothing",
        &[],
        &["3.3.2-4", "3.3.2-6", "3.3.2-15", "3.3.2-16", "3.3.2-17", "3.3.2-20"],
        |v| {
            let all = [
                &[1, 1, 2, 0, 0, 0, 9][..],
                &[&[8][..], &bytes(b"answer/here")].concat(),
                &[&[9][..], &bytes(b"\0\xFF")].concat(),
                &[&[3][..], &bytes(b"text/plain")].concat(),
                &user(b"k", b"1"),
                &user(b"k", b"2"),
            ];
            steps![
                hello(v),
                send(v.publish_with(0x32, 1, b"t", &all.concat(), "x")),
                ack(0x40, 1, 0),
                taken(&["t x"]),
            ]
        },
    ),
    case("a response topic must be a topic", &[], &["3.3.2-14"], |v| {
        let topic = |t: &[u8]| [vec![8], bytes(t)].concat();
        let bad = [&b"a/#"[..], b"+"].map(|t| v.publish_with(0x32, 1, b"t", &topic(t), "x"));
        let will = v.will_with(&topic(b"a/+"), b"w", "x");
        steps![
            each_ends(v, 0x82, &bad),
            each_refused(v, None, 0x82, &[v.connect("c1", 6, &[], &will)])
        ]
    }),
    case(
        "topic aliases are refused, as none were announced",
        &[],
        &["3.2.2-17", "3.2.2-18", "3.3.2-7", "3.3.2-8", "3.3.2-9", "3.3.2-12"],
        |v| {
            let bad = [[0x23, 0, 1], [0x23, 0, 0], [0x23, 0xFF, 0xFF]];
            each_ends(v, 0x94, &bad.map(|p| v.publish_with(0x32, 1, b"t", &p, "x")))
        },
    ),
    case("a subscription id in a publish ends the connection", &[], &["3.3.4-6"], |v| {
        each_ends(v, 0x82, &[v.publish_with(0x32, 1, b"t", &[0x0B, 1], "x")])
    }),
    case("more than the receive maximum ends the connection", &[], &["3.3.4-7", "4.13.1-1"], |v| {
        let burst = |ids: std::ops::Range<u16>, qos| -> Vec<u8> {
            ids.flat_map(|id| v.publish(qos, id, "t", "x")).collect()
        };
        steps![
            commits(Commits::Held),
            hello(v),
            send(burst(1..5, 1)),
            taken(&["t x"; 4]),
            silent(),
            send(burst(5..6, 2)),
            ended(v, 0x93),
            taken(&["t x"; 4]),
        ]
    })
    .config(|c| c.receive_maximum = 4),
    case(
        "a packet larger than announced ends the connection",
        &["4.8.0-1"],
        &["3.2.2-15", "4.13.1-1"],
        |v| {
            let large = v.publish(1, 1, "t", &"x".repeat(1100));
            let fits = v.publish(1, 1, "t", &"y".repeat(900));
            steps![hello(v), send(fits), ack(0x40, 1, 0), send(large), ended(v, 0x95),]
        },
    )
    .config(|c| c.max_packet_bytes = 1024),
    case(
        "a subscriber's window is kept, and only publications wait for it",
        &[],
        &["3.3.4-9", "3.3.4-10", "4.9.0-1", "4.9.0-2", "4.9.0-3"],
        |v| {
            steps![
                send(v.connect("s1", 2, &[0x21, 0, 1], &[])),
                welcome(false),
                send(v.subscribe(1, &[("ioc/v1/alerts/#", 1)])),
                suback(1, &[1]),
                ioc("ioc/v1/alerts/a", "1", false),
                ioc("ioc/v1/alerts/a", "2", false),
                publication(0x32, "ioc/v1/alerts/a", "1"),
                silent(),
                send(v.publish(1, 7, "t", "x")),
                ack(0x40, 7, 0),
                send(v.publish(2, 8, "t", "x")),
                ack(0x50, 8, 0),
                send([0x62, 2, 0, 8]),
                ack(0x70, 8, 0),
                send(v.subscribe(2, &[("ioc/v1/alerts/b", 0)])),
                suback(2, &[0]),
                send(v.unsubscribe(3, &["ioc/v1/alerts/b"])),
                unsuback(3, &[0]),
                send([0x40, 2, 0, 1]),
                publication(0x32, "ioc/v1/alerts/a", "2"),
            ]
        },
    ),
    case(
        "reasons in words keep to the client's packet size",
        &[],
        &[
            "3.4.2-2", "3.5.2-2", "3.4.2-3", "3.5.2-3", "3.9.2-1", "3.14.2-3", "3.14.2-4",
            "3.7.2-2", "3.7.2-3", "3.1.2-24",
        ],
        |v| {
            steps![
                send(v.connect("c1", 2, &[0x27, 0, 0, 0, 64], &[])),
                welcome(false),
                send(v.publish(1, 1, "bad/t", "x")),
                packet_that("a short PUBACK with a code", |p| p[0] == 0x40
                    && p[4] == 0x99
                    && p.len() <= 64),
                send(v.publish(2, 2, "bad/t", "x")),
                packet_that("a short PUBREC with a code", |p| p[0] == 0x50
                    && p[4] == 0x99
                    && p.len() <= 64),
                send([0x62, 2, 0, 9]),
                exactly([0x70, 3, 0, 9, 0x92]),
                send(v.subscribe(3, &[("#", 0)])),
                packet_that("a short SUBACK with a code", |p| p[0] == 0x90
                    && p.ends_with(&[0x87])
                    && p.len() <= 64),
                send([0x00, 0]),
                packet_that("a short DISCONNECT", |p| p[0] == 0xE0
                    && p[2] == 0x82
                    && p.len() <= 64),
                closed(),
                // With room there are words.
                by('b', send(v.clean("c2"))),
                by('b', welcome(false)),
                by('b', send(v.publish(1, 1, "bad/t", "x"))),
                by(
                    'b',
                    packet_that("a PUBACK with words", |p| p.windows(8).any(|w| w == b"not JSON"))
                ),
            ]
        },
    ),
    case(
        "a publication larger than the client takes is passed over",
        &[],
        &["3.1.2-24", "3.1.2-25"],
        |v| {
            steps![
                send(v.connect("s1", 2, &[0x27, 0, 0, 0, 64, 0x21, 0, 1], &[])),
                welcome(false),
                send(v.subscribe(1, &[("ioc/v1/alerts/#", 1)])),
                suback(1, &[1]),
                ioc(
                    "ioc/v1/alerts/a",
                    "a text of more bytes than fit into what the client will take in one packet",
                    false
                ),
                ioc("ioc/v1/alerts/a", "short", false),
                publication(0x32, "ioc/v1/alerts/a", "short"),
                silent(),
            ]
        },
    ),
    case(
        "an acknowledgement larger than the client takes is not sent",
        &[],
        &["3.1.2-24", "3.9.2-1", "3.11.2-1"],
        |v| {
            let filters = [("#", 0u8); 80];
            let names = ["ioc/v1/alerts/x"; 80];
            steps![
                send(v.connect("s1", 2, &[0x27, 0, 0, 0, 64], &[])),
                welcome(false),
                send(v.subscribe(1, &filters)),
                silent(),
                send(v.unsubscribe(2, &names)),
                silent(),
            ]
        },
    ),
    case("no publication has a topic alias", &[], &["3.1.2-26", "3.1.2-27", "3.3.2-11"], |v| {
        steps![
            send(v.connect("s1", 2, &[0x22, 0, 10], &[])),
            welcome(false),
            send(v.subscribe(1, &[("ioc/v1/alerts/#", 0)])),
            suback(1, &[0]),
            ioc("ioc/v1/alerts/a", "1", false),
            ioc("ioc/v1/alerts/a", "2", false),
            exactly(v.publish(0, 0, "ioc/v1/alerts/a", "1")),
            exactly(v.publish(0, 0, "ioc/v1/alerts/a", "2")),
        ]
    }),
    case(
        "a publication at QoS 0 has neither id nor DUP, one at QoS 1 an id of its own and no DUP",
        &["3.3.1-2", "3.3.1-3", "2.3.1-5", "4.3.1-1", "4.3.2-1", "2.3.1-4"],
        &["3.3.1-2", "3.3.1-3", "2.2.1-2", "4.3.1-1", "4.3.2-1", "4.3.2-2", "2.2.1-4"],
        |v| {
            steps![
                subscriber(v, 1),
                by('b', send(v.clean("s2"))),
                by('b', welcome(false)),
                by('b', send(v.subscribe(1, &[("ioc/v1/alerts/#", 0)]))),
                by('b', suback(1, &[0])),
                ioc("ioc/v1/alerts/a", "1", false),
                ioc("ioc/v1/alerts/a", "2", false),
                exactly(v.publish(1, 1, "ioc/v1/alerts/a", "1")),
                exactly(v.publish(1, 2, "ioc/v1/alerts/a", "2")),
                by('b', exactly(v.publish(0, 0, "ioc/v1/alerts/a", "1"))),
                by('b', exactly(v.publish(0, 0, "ioc/v1/alerts/a", "2"))),
                // Unacknowledged on a live connection: not sent again.
                silent(),
            ]
        },
    ),
    case(
        "a failed commit ends the connection without an ack",
        &["4.8.0-2"],
        &["4.13.2-1", "3.14.2-1"],
        |v| {
            steps![
                commits(Commits::Failing),
                hello(v),
                send(v.publish(1, 1, "t", "x")),
                ended(v, 0x80)
            ]
        },
    ),
];
