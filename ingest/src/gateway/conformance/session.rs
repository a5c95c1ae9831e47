//! Sessions, wills, take-over, keep-alive (chapters 3.1.2, 3.1.4, 3.14, 4.1, 4.4).

use std::sync::atomic::Ordering::Relaxed;

use super::play::*;
use super::version::V;

const ALERTS: &str = "ioc/v1/alerts/#";

/// CONNECT with a will; MQTT 5: a session of 100 s and the delay in s.
fn with_will(v: V, id: &str, flags: u8, delay: u8) -> Vec<u8> {
    let properties = if delay > 0 { vec![0x18, 0, 0, 0, delay] } else { Vec::new() };
    let will = v.will_with(&properties, b"w", "gone");
    v.connect(id, flags | 4, &[0x11, 0, 0, 0, 100], &will)
}

fn subscribed(v: V) -> Vec<Step> {
    steps![
        send(v.keep("c1")),
        welcome(false),
        send(v.subscribe(1, &[(ALERTS, 1)])),
        suback(1, &[1]),
    ]
}

pub(super) const CASES: &[Case] = &[
    case(
        "a client that wants a new session gets one and the old one is gone",
        &["3.1.2-6", "3.1.4-3", "3.2.2-1"],
        &["3.1.2-4", "3.1.4-4", "3.2.2-2"],
        |v| {
            steps![
                subscribed(v),
                gone(),
                ioc("ioc/v1/alerts/a", "1", false),
                send(v.clean("c1")),
                welcome(false),
                ioc("ioc/v1/alerts/a", "2", false),
                silent(),
                gone(),
                send(v.keep("c1")),
                welcome(false),
                silent(),
            ]
        },
    ),
    case(
        "a session is taken up where it was left",
        &["3.1.2-4", "3.1.2-5", "3.1.3-2", "3.2.2-2", "4.1.0-1", "4.1.0-2"],
        &["3.1.2-5", "3.1.2-23", "3.1.3-2", "3.2.2-3", "4.1.0-1"],
        |v| {
            steps![
                subscribed(v),
                gone(),
                ioc("ioc/v1/alerts/a", "while away", false),
                // Another client does not get it.
                by('b', send(v.keep("c2"))),
                by('b', welcome(false)),
                by('b', silent()),
                send(v.keep("c1")),
                welcome(true),
                publication(0x32, "ioc/v1/alerts/a", "while away"),
                ioc("ioc/v1/alerts/a", "now", false),
                publication(0x32, "ioc/v1/alerts/a", "now"),
            ]
        },
    ),
    case(
        "a client without a session gets a new one",
        &["3.1.2-4", "3.2.2-3"],
        &["3.1.2-6", "3.2.2-3"],
        |v| steps![send(v.keep("c1")), welcome(false), silent()],
    ),
    case(
        "a session without an expiry ends with its connection",
        &[],
        &["4.1.0-2", "3.1.2-6"],
        |v| {
            steps![
                send(v.connect("c1", 0, &[], &[])),
                welcome(false),
                send(v.subscribe(1, &[(ALERTS, 1)])),
                suback(1, &[1]),
                gone(),
                send(v.keep("c1")),
                welcome(false),
            ]
        },
    ),
    case(
        "a session ends when its time is over, and its will is due",
        &[],
        &["4.1.0-2", "3.1.2-8"],
        |v| {
            let will = v.will_with(&[0x18, 0, 0, 0, 90], b"w", "gone");
            steps![
                send(v.connect("c1", 4, &[0x11, 0, 0, 0, 1], &will)),
                welcome(false),
                gone(),
                taken(&["w gone"]),
                send(v.keep("c1")),
                welcome(false),
            ]
        },
    ),
    case("the time of a session can be set at DISCONNECT", &[], &["4.1.0-2", "3.1.2-23"], |v| {
        steps![
            send(v.keep("c1")),
            welcome(false),
            send([0xE0, 7, 0, 5, 0x11, 0, 0, 0, 0]),
            closed(),
            send(v.keep("c1")),
            welcome(false),
            gone(),
            // But not from nothing to something.
            send(v.clean("c1")),
            welcome(false),
            send([0xE0, 7, 0, 5, 0x11, 0, 0, 0, 9]),
            ended(v, 0x82),
        ]
    }),
    case("retained values outlive the sessions they were sent to", &["3.1.2-7"], &[], |v| {
        steps![
            ioc("ioc/v1/alerts/a", "kept", true),
            send(v.clean("c1")),
            welcome(false),
            send(v.subscribe(1, &[(ALERTS, 0)])),
            suback(1, &[0]),
            publication(0x31, "ioc/v1/alerts/a", "kept"),
            gone(),
            send(v.clean("c2")),
            welcome(false),
            send(v.subscribe(1, &[(ALERTS, 0)])),
            suback(1, &[0]),
            publication(0x31, "ioc/v1/alerts/a", "kept"),
        ]
    }),
    case(
        "a will is published when the connection is lost, once",
        &["3.1.2-8", "3.1.2-9", "3.1.2-10", "3.1.2-16"],
        &["3.1.2-7", "3.1.2-8", "3.1.2-10", "3.1.2-14"],
        |v| {
            steps![
                send(with_will(v, "c1", 0, 0)),
                welcome(false),
                gone(),
                taken(&["w gone"]),
                send(v.clean("c1")),
                welcome(false),
                gone(),
                taken(&["w gone"]),
                look("one will", |g| g.metrics.wills.load(Relaxed) == 1),
            ]
        },
    ),
    case(
        "a will is dropped at a DISCONNECT",
        &["3.1.2-10", "3.14.4-3", "3.1.2-8"],
        &["3.1.2-10", "3.14.4-3", "3.1.2-8"],
        |v| {
            steps![
                send(with_will(v, "c1", 2, 0)),
                welcome(false),
                send([0xE0, 0]),
                closed(),
                by('b', send(v.clean("c2"))),
                by('b', welcome(false)),
                by('b', send(v.publish(0, 0, "t", "after"))),
                taken(&["t after"]),
                look("no will", |g| g.metrics.wills.load(Relaxed) == 0),
            ]
        },
    ),
    case(
        "a will is published where the DISCONNECT asks for it or tells of trouble",
        &[],
        &["3.1.2-8", "3.14.4-3"],
        |v| {
            steps![
                send(with_will(v, "c1", 2, 0)),
                welcome(false),
                send([0xE0, 1, 0x04]),
                closed(),
                taken(&["w gone"]),
                send(with_will(v, "c1", 2, 0)),
                welcome(false),
                send([0xE0, 1, 0x81]),
                closed(),
                taken(&["w gone", "w gone"]),
            ]
        },
    ),
    case("without a will nothing is published", &["3.1.2-12"], &["3.1.2-8"], |v| {
        steps![
            send(v.clean("c1")),
            welcome(false),
            gone(),
            send(v.clean("c1")),
            welcome(false),
            send(v.publish(0, 0, "t", "after")),
            taken(&["t after"]),
            look("no will", |g| g.metrics.wills.load(Relaxed) == 0),
        ]
    }),
    case(
        "a broken packet is a loss: the will is published",
        &["3.1.2-8", "4.8.0-1"],
        &["3.1.2-8", "4.13.1-1"],
        |v| {
            steps![
                send(with_will(v, "c1", 2, 0)),
                welcome(false),
                send([0x00, 0]),
                ended(v, 0x82),
                taken(&["w gone"]),
            ]
        },
    ),
    case(
        "a delayed will is taken back by a client that comes back",
        &[],
        &["3.1.3-9", "3.1.2-8"],
        |v| {
            steps![
                send(with_will(v, "c1", 0, 60)),
                welcome(false),
                gone(),
                send(with_will(v, "c1", 0, 60)),
                welcome(true),
                send(v.publish(0, 0, "t", "after")),
                taken(&["t after"]),
                send([0xE0, 0]),
                closed(),
                look("no will", |g| g.metrics.wills.load(Relaxed) == 0),
            ]
        },
    ),
    case("a delayed will is published after its delay", &[], &["3.1.2-8"], |v| {
        steps![send(with_will(v, "c1", 0, 1)), welcome(false), gone(), taken(&["w gone"])]
    }),
    case("a delayed will is due when a new session ends the old one", &[], &["3.1.2-8"], |v| {
        steps![
            send(with_will(v, "c1", 0, 60)),
            welcome(false),
            gone(),
            send(v.clean("c1")),
            welcome(false),
            taken(&["w gone"]),
            // The same while the client is still connected.
            by('b', send(with_will(v, "c2", 0, 60))),
            by('b', welcome(false)),
            by('c', send(v.clean("c2"))),
            by('c', welcome(false)),
            all_by('b', ended(v, 0x8E)),
            taken(&["w gone", "w gone"]),
        ]
    }),
    case(
        "a second connection with an id ends the first",
        &["3.1.4-2"],
        &["3.1.4-3", "3.14.2-1", "3.14.2-2"],
        |v| {
            steps![
                subscribed(v),
                by('b', send(v.keep("c1"))),
                by('b', welcome(true)),
                ended(v, 0x8E),
                ioc("ioc/v1/alerts/a", "x", false),
                by('b', publication(0x32, "ioc/v1/alerts/a", "x")),
            ]
        },
    ),
    case("silence of one and a half keep-alives is a loss", &["3.1.2-24"], &["3.1.2-22"], |v| {
        steps![
            send(v.connect_for(1, "c1", 6, &[], &v.will("w", "silent"))),
            welcome(false),
            ended(v, 0x8D),
            taken(&["w silent"]),
        ]
    }),
    case(
        "half a packet is not a packet: it keeps no connection alive",
        &["3.1.2-24"],
        &["3.1.2-22"],
        |v| {
            steps![
                send(v.connect_for(1, "c1", 2, &[], &[])),
                welcome(false),
                send([0x30, 0x7F, 0]),
                (0..6).flat_map(|_| steps![pause(700), send([1])]).collect::<Vec<_>>(),
                now("ended while the pieces came", |g| {
                    g.metrics.keep_alive_timeouts.load(Relaxed) == 1
                }),
                ended(v, 0x8D),
            ]
        },
    ),
    case(
        "what was not acknowledged comes again, in order, with its id and DUP",
        &["4.4.0-1", "3.3.1-1", "2.3.1-4", "4.3.2-1", "4.6.0-1"],
        &["4.4.0-1", "3.3.1-1", "2.2.1-4", "4.3.2-3", "4.6.0-1"],
        |v| {
            let body = |first: u8, id: u16, payload: &str| {
                let mut p = v.publish(1, id, "ioc/v1/alerts/a", payload);
                p[0] = first;
                p
            };
            steps![
                subscribed(v),
                ioc("ioc/v1/alerts/a", "1", false),
                ioc("ioc/v1/alerts/a", "2", false),
                ioc("ioc/v1/alerts/a", "3", false),
                exactly(body(0x32, 1, "1")),
                exactly(body(0x32, 2, "2")),
                exactly(body(0x32, 3, "3")),
                send([0x40, 2, 0, 2]),
                silent(),
                gone(),
                send(v.keep("c1")),
                welcome(true),
                exactly(body(0x3A, 1, "1")),
                exactly(body(0x3A, 3, "3")),
                send([0x40, 2, 0, 1]),
                send([0x40, 2, 0, 3]),
                silent(),
                gone(),
                send(v.keep("c1")),
                welcome(true),
                silent(),
            ]
        },
    ),
    case(
        "what comes again keeps the new connection's window",
        &[],
        &["3.3.4-9", "4.9.0-1", "4.9.0-2"],
        |v| {
            let again = |first: u8, id: u16, payload: &str| {
                let mut p = v.publish(1, id, "ioc/v1/alerts/a", payload);
                p[0] = first;
                exactly(p)
            };
            steps![
                subscribed(v),
                ioc("ioc/v1/alerts/a", "1", false),
                ioc("ioc/v1/alerts/a", "2", false),
                ioc("ioc/v1/alerts/a", "3", false),
                again(0x32, 1, "1"),
                again(0x32, 2, "2"),
                again(0x32, 3, "3"),
                gone(),
                ioc("ioc/v1/alerts/a", "4", false),
                send(v.connect("c1", 0, &[0x11, 0, 0, 0, 100, 0x21, 0, 1], &[])),
                welcome(true),
                again(0x3A, 1, "1"),
                silent(),
                gone(),
                // Nothing of it is lost by another reconnect.
                send(v.connect("c1", 0, &[0x11, 0, 0, 0, 100, 0x21, 0, 2], &[])),
                welcome(true),
                again(0x3A, 1, "1"),
                again(0x3A, 2, "2"),
                silent(),
                send([0x40, 2, 0, 1]),
                again(0x3A, 3, "3"),
                silent(),
                send([0x40, 2, 0, 2]),
                again(0x32, 4, "4"),
                silent(),
            ]
        },
    ),
    case("a refusal of a publication is an acknowledgement", &[], &["4.4.0-2"], |v| {
        steps![
            subscribed(v),
            ioc("ioc/v1/alerts/a", "1", false),
            publication(0x32, "ioc/v1/alerts/a", "1"),
            send([0x40, 3, 0, 1, 0x83]),
            silent(),
            gone(),
            send(v.keep("c1")),
            welcome(true),
            silent(),
        ]
    }),
    case("a PINGREQ is answered", &["3.12.4-1"], &["3.12.4-1"], |v| {
        steps![
            send(v.clean("c1")),
            welcome(false),
            send([0xC0, 0]),
            exactly([0xD0, 0]),
            send([0xC0, 0, 0xC0, 0]),
            exactly([0xD0, 0]),
            exactly([0xD0, 0]),
            each_ends(v, 0x81, &[vec![0xC0, 1, 0]]),
        ]
    }),
    case(
        "nothing is said or taken in after a DISCONNECT",
        &["3.14.4-3"],
        &["3.14.4-1", "3.14.4-2"],
        |v| {
            let last = [vec![0xE0, 0], v.publish(1, 2, "t", "after")];
            let bad = [vec![0x00, 0], v.publish(1, 2, "t", "after")].concat();
            steps![
                send(v.clean("c1")),
                welcome(false),
                send(v.publish(1, 1, "t", "before")),
                ack(0x40, 1, 0),
                send(last.concat()),
                closed(),
                by('b', send(v.clean("c2"))),
                by('b', welcome(false)),
                by('b', send(bad)),
                all_by('b', ended(v, 0x82)),
                taken(&["t before"]),
            ]
        },
    ),
];
