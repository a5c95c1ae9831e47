use std::collections::BTreeMap;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::target::Target;

/// Publishes `0`, `1`, … at once.
struct Numbers {
    n: u64,
    end: u64,
    done: Vec<u64>,
}

impl Feed for Numbers {
    fn next(&mut self, now: Instant, message: &mut Message) -> Step {
        if self.n == self.end {
            return Step::Done;
        }
        message.topic = "t".into();
        message.payload = self.n.to_string().into_bytes();
        message.tag = Tag { device: 0, seq: self.n, time_ms: 0 };
        message.due = now;
        self.n += 1;
        Step::Publish
    }

    fn done(&mut self, tag: Tag, accepted: bool, _: Duration) {
        assert!(accepted);
        self.done.push(tag.seq);
    }
}

/// One connection of a test server: says yes, reads PUBLISH packets, acknowledges every one while
/// `answers` lasts, then hangs up. Gives (payload, DUP flag) in the order of arrival.
async fn serve(listener: &TcpListener, mut answers: usize) -> Vec<(u64, bool)> {
    let (mut socket, _) = listener.accept().await.expect("a client");
    let mut seen = Vec::new();
    let mut first = [0u8; 1];
    while socket.read_exact(&mut first).await.is_ok() {
        let mut length = 0usize;
        for shift in 0.. {
            let byte = socket.read_u8().await.expect("length");
            length |= usize::from(byte & 0x7f) << (7 * shift);
            if byte & 0x80 == 0 {
                break;
            }
        }
        let mut body = vec![0; length];
        socket.read_exact(&mut body).await.expect("body");
        match first[0] >> 4 {
            1 => socket.write_all(&[0x20, 2, 0, 0]).await.expect("connack"),
            3 => {
                // Topic `t`, then the packet id if QoS > 0.
                let qos = (first[0] >> 1) & 3;
                let (pid, payload) =
                    if qos > 0 { body[3..].split_at(2) } else { (&[][..], &body[3..]) };
                let text = std::str::from_utf8(payload).expect("digits");
                seen.push((text.parse().expect("a number"), first[0] & wire::DUP != 0));
                if qos > 0 && answers == 0 {
                    return seen;
                }
                answers = answers.saturating_sub(1);
                match qos {
                    1 => socket.write_all(&[0x40, 2, pid[0], pid[1]]).await.expect("puback"),
                    2 => socket.write_all(&[0x50, 2, pid[0], pid[1]]).await.expect("pubrec"),
                    _ => {}
                }
            }
            6 => socket.write_all(&[0x70, 2, body[0], body[1]]).await.expect("pubcomp"),
            _ => return seen,
        }
    }
    seen
}

async fn link(
    qos: u8,
    count: u64,
    window: usize,
    servers: &[usize],
) -> (Numbers, Counters, Vec<Vec<(u64, bool)>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let mut feed = Numbers { n: 0, end: count, done: vec![] };
    let counters = Counters::default();
    let pacer = Pacer::start().expect("a thread");
    let options = LinkOptions {
        target: Target { host: "127.0.0.1".into(), port, login: None },
        client_id: "test".into(),
        level: wire::V311,
        qos,
        window,
        give_up: Some(Duration::from_secs(5)),
    };
    let serving = async {
        let mut seen = Vec::new();
        for answers in servers {
            seen.push(serve(&listener, *answers).await);
        }
        seen
    };
    let run = Link::new(options, &mut feed, &pacer, &counters, CancellationToken::new()).run();
    let (result, seen) = tokio::join!(run, serving);
    result.expect("all acknowledged");
    (feed, counters, seen)
}

#[tokio::test]
async fn keeps_the_order_and_ends_when_all_is_acknowledged() {
    let (feed, counters, seen) = link(1, 100_000, 1000, &[usize::MAX]).await;
    let all: Vec<u64> = (0..100_000).collect();
    assert_eq!(seen[0].iter().map(|(n, _)| *n).collect::<Vec<_>>(), all);
    assert_eq!(feed.done, all);
    assert_eq!(Counters::get(&counters.acked), 100_000);
}

#[tokio::test]
async fn qos_2_is_done_with_pubcomp() {
    let (feed, counters, seen) = link(2, 500, 20, &[usize::MAX]).await;
    assert_eq!(feed.done, (0..500).collect::<Vec<_>>());
    assert_eq!(seen[0].len(), 500);
    assert_eq!(Counters::get(&counters.acked), 500);
}

#[tokio::test]
async fn qos_0_writes_everything_once() {
    let (feed, _, seen) = link(0, 50_000, 10, &[usize::MAX]).await;
    assert_eq!(seen[0].len(), 50_000);
    assert!(feed.done.is_empty());
}

#[tokio::test]
async fn after_a_lost_connection_the_unacknowledged_go_first_and_nothing_is_lost() {
    let (feed, counters, seen) = link(1, 1_000, 50, &[300, 1, usize::MAX]).await;
    assert_eq!(feed.done, (0..1_000).collect::<Vec<_>>());
    assert_eq!(Counters::get(&counters.reconnects), 2);
    let mut deliveries: BTreeMap<u64, usize> = BTreeMap::new();
    for (n, _) in seen.iter().flatten() {
        *deliveries.entry(*n).or_default() += 1;
    }
    assert_eq!(deliveries.len(), 1_000);
    for connection in &seen[1..] {
        assert!(connection[0].1, "the first packets are second deliveries");
        assert!(connection.windows(2).all(|w| w[0].0 + 1 == w[1].0), "in order, without a gap");
    }
}

#[tokio::test]
async fn gives_up_when_nobody_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    drop(listener);
    let mut feed = Numbers { n: 0, end: 1, done: vec![] };
    let counters = Counters::default();
    let pacer = Pacer::start().expect("a thread");
    let options = LinkOptions {
        target: Target { host: "127.0.0.1".into(), port, login: None },
        client_id: "test".into(),
        level: wire::V311,
        qos: 1,
        window: 1,
        give_up: Some(Duration::ZERO),
    };
    let run = Link::new(options, &mut feed, &pacer, &counters, CancellationToken::new()).run();
    assert!(matches!(run.await, Err(LinkError::GaveUp { .. })));
}
