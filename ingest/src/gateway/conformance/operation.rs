//! What is about the connection as a whole (chapters 3.15, 4.2, 4.12, 4.13, 7).

use super::play::*;
use crate::gateway::tests::packet;

pub(super) const CASES: &[Case] = &[
    case(
        "AUTH without an authentication method ends the connection",
        &[],
        &["4.12.0-6", "4.12.0-7", "3.15.1-1"],
        |v| {
            let method = [&[0x19, 4, 0x15, 0, 1][..], b"m"].concat();
            steps![
                each_ends(v, 0x82, &[vec![0xF0, 0], vec![0xF0, 1, 0x18], packet(0xF0, &method)]),
                each_ends(v, 0x81, &[vec![0xF1, 0], vec![0xF8, 0]]),
            ]
        },
    ),
    case(
        "a DISCONNECT that is none ends the connection",
        &["3.14.1-1"],
        &["3.14.1-1", "4.13.1-1"],
        |v| {
            if v.five {
                steps![
                    each_ends(v, 0x81, &[vec![0xE0, 1, 0x05], vec![0xE0, 2, 0, 9]]),
                    each_ends(v, 0x82, &[vec![0xE0, 4, 0, 2, 0x7F, 0]]),
                ]
            } else {
                each_ends(v, 0x81, &[vec![0xE0, 1, 0]])
            }
        },
    ),
    case(
        "packets may come in pieces of any size, over WebSocket in a frame each",
        &["7.1.1-1", "6.0.0-2"],
        &["4.2-1", "6.0.0-2"],
        |v| {
            let all =
                [v.clean("c1"), v.publish(1, 1, "t", "x"), v.publish(1, 2, "t", "y")].concat();
            let pieces = all.iter().flat_map(|b| steps![send([*b]), pause(1)]);
            steps![
                pieces.collect::<Vec<_>>(),
                welcome(false),
                ack(0x40, 1, 0),
                ack(0x40, 2, 0),
                taken(&["t x", "t y"]),
            ]
        },
    ),
    case(
        "a broken packet ends its own connection and no other",
        &["4.8.0-1"],
        &["4.13.1-1"],
        |v| {
            steps![
                by('b', send(v.keep("good"))),
                by('b', welcome(false)),
                send(v.clean("c1")),
                welcome(false),
                send([0xFF, 0xFF, 0xFF, 0xFF, 0xFF]),
                ended(v, 0x81),
                by('b', silent()),
                by('b', send(v.publish(1, 1, "t", "x"))),
                by('b', ack(0x40, 1, 0)),
            ]
        },
    ),
    case("no extension is needed: plain packets are all it takes", &["7.0.0-2"], &[], |v| {
        steps![
            send(v.clean("c1")),
            exactly([0x20, 2, 0, 0]),
            send(v.publish(1, 1, "t", "x")),
            exactly([0x40, 2, 0, 1]),
            send([0xE0, 0]),
            closed(),
        ]
    }),
];
