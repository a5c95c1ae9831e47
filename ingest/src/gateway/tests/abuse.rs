use std::sync::atomic::Ordering::Relaxed;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::*;

#[tokio::test]
async fn first_packet_that_is_not_connect_is_closed_at_once() {
    let g = gateway().await;
    for first in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0xC0, 0], &[0x16, 3, 1], &[0x30, 0xFF]] {
        let mut c = g.raw().await;
        c.send(first).await;
        c.expect_closed().await;
    }
    assert_eq!(g.metrics.refused_connect.load(Relaxed), 4);
}

#[tokio::test]
async fn oversize_connect_is_closed_before_its_body_comes() {
    let g = gateway().await;
    let mut c = g.raw().await;
    c.send(&[0x10, 0x80, 0x40]).await;
    c.expect_closed().await;
}

#[tokio::test]
async fn connect_must_come_in_time() {
    let config = GatewayConfig { connect_timeout_ms: 200, ..Default::default() };
    let g = gateway_with(config, Commits::Done).await;
    let mut c = g.raw().await;
    c.send(&[0x10, 20, 0, 4]).await;
    c.expect_closed().await;
}

#[tokio::test]
async fn refusals_of_connect_are_told_in_the_clients_version() {
    let g = gateway().await;
    for (hello, answer) in [
        (connect(4, "a/b", 2, 60, &[], &[]), vec![0x20, 2, 0, 2]),
        (connect(4, "", 0, 60, &[], &[]), vec![0x20, 2, 0, 2]),
        (connect(3, "a", 2, 60, &[], &[]), vec![0x20, 2, 0, 1]),
        (connect(5, "a b", 2, 60, &[], &[]), vec![0x20, 3, 0, 0x85, 0]),
        (connect(7, "a", 2, 60, &[], &[]), vec![0x20, 3, 0, 0x84, 0]),
        (connect(5, "a", 2, 60, &[0x15, 0, 1, b'x'], &[]), vec![0x20, 3, 0, 0x8C, 0]),
    ] {
        let mut c = g.raw().await;
        c.send(&hello).await;
        assert_eq!(c.packet().await, answer, "{hello:?}");
        c.expect_closed().await;
    }
}

#[tokio::test]
async fn broken_packets_end_their_connection_with_the_reason() {
    let g = gateway().await;
    for (bytes, reason) in [
        (connect(5, "d1", 2, 60, &[], &[]), 0x82),
        (vec![0x30, 0xFF, 0xFF, 0x7F], 0x95),
        (vec![0x30, 0xFF, 0xFF, 0xFF, 0xFF], 0x81),
        (vec![0x80, 5, 0, 1, 0, 0, 0], 0x81),
        (vec![0x00, 0], 0x82),
        (vec![0xD0, 0], 0x82),
        (vec![0xF0, 0], 0x82),
        (publish(true, 1, 1, "a/#", "x"), 0x90),
        (publish(true, 1, 0, "a", "x"), 0x82),
        (packet(0x30, b"\x00\x01a\x03\x23\x00\x01x"), 0x94),
    ] {
        let mut c = g.v5("d1", true).await;
        c.send(&bytes).await;
        assert_eq!(c.packet().await, [0xE0, 1, reason], "{bytes:?}");
        c.expect_closed().await;
        if reason == 0x94 {
            // Not a property but payload in MQTT 3.1.1.
            continue;
        }
        let mut c = g.v4("d2", true).await;
        c.send(&bytes).await;
        c.expect_closed().await;
    }
    assert!(g.v5("d3", true).await.is_silent().await, "others are served");
}

#[tokio::test]
async fn publishes_before_a_broken_packet_are_kept() {
    let g = gateway().await;
    let mut c = g.v4("d1", true).await;
    c.send(&[publish(false, 0, 0, "a", "x"), vec![0x00, 0]].concat()).await;
    c.expect_closed().await;
    assert_eq!(g.sink.payloads(), ["x"]);
}

/// guarantees.md F3: stopped rumqttd for everyone.
#[tokio::test]
async fn shared_subscription_left_unacknowledged_hurts_nobody() {
    let g = gateway().await;
    let mut c = g.v4("f3", false).await;
    c.send(&subscribe(false, 1, &[("$share/g/x", 1), ("ioc/v1/alerts/#", 1)])).await;
    assert_eq!(c.packet().await, [0x90, 4, 0, 1, 0x80, 1]);
    g.publications.publish("ioc/v1/alerts/a", "1".into(), false);
    c.packet().await;
    drop(c);
    for _ in 0..3 {
        let mut c = g.v4("f3", false).await;
        assert_eq!(c.packet().await[0], 0x3A, "sent again, dup");
        drop(c);
    }
    let mut other = g.v5("other", true).await;
    other.send(&publish(true, 1, 1, "a", "x")).await;
    assert_eq!(other.packet().await, [0x40, 2, 0, 1]);
}

/// guarantees.md F4: stopped rumqttd's v4 listener for everyone.
#[tokio::test]
async fn properties_of_a_v5_client_hurt_no_v4_client() {
    let g = gateway().await;
    let mut v4 = g.v4("f4", false).await;
    v4.send(&subscribe(false, 1, &[("ioc/v1/alerts/#", 1), ("t", 1)])).await;
    v4.packet().await;
    let mut v5 = g.v5("v5", true).await;
    v5.send(&packet(0x32, b"\x00\x01t\x00\x01\x07\x26\x00\x01k\x00\x01vx")).await;
    assert_eq!(v5.packet().await, [0x40, 2, 0, 1]);
    assert!(v4.is_silent().await);
    let mut again = g.v4("f4", false).await;
    assert!(again.is_silent().await, "the id can connect again");
    assert!(g.v4("f4b", true).await.is_silent().await, "and so can others");
}

#[tokio::test]
async fn connections_are_bounded_and_freed() {
    let config = GatewayConfig { max_connections: 2, ..Default::default() };
    let g = gateway_with(config, Commits::Done).await;
    let a = g.v4("a", true).await;
    let _b = g.v4("b", true).await;
    g.raw().await.expect_closed().await;
    assert_eq!(g.metrics.refused_full.load(Relaxed), 1);
    drop(a);
    while g.metrics.connected.load(Relaxed) > 1 {
        tokio::task::yield_now().await;
    }
    // The slot is given back just after the gauge.
    let mut c = g.raw().await;
    c.send(&connect(4, "c", 2, 60, &[], &[])).await;
    while c.try_packet().await.is_none() {
        c = g.raw().await;
        c.send(&connect(4, "c", 2, 60, &[], &[])).await;
    }
}

#[tokio::test]
async fn client_that_does_not_read_is_closed_and_others_are_served() {
    let config = GatewayConfig { write_timeout_ms: 300, ..Default::default() };
    let g = gateway_with(config, Commits::Done).await;
    let mut c = g.v4("deaf", true).await;
    c.send(&subscribe(false, 1, &[("ioc/v1/alerts/#", 0)])).await;
    c.packet().await;
    let big = bytes::Bytes::from(vec![b'x'; 60_000]);
    while g.metrics.write_timeouts.load(Relaxed) == 0 {
        g.publications.publish("ioc/v1/alerts/a", big.clone(), false);
        tokio::task::yield_now().await;
    }
    assert!(g.v4("other", true).await.is_silent().await);
}

/// Two parties at once (MBFuzzer's lesson): random packets from several clients with few ids,
/// topics and packet ids, while one well-behaved client must be served all the time.
#[test]
fn arbitrary_packets_never_hurt_another_client() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let g = runtime.block_on(gateway());
    let mut good = runtime.block_on(g.v5("good", true));
    let mut runner =
        TestRunner::new(Config { cases: 300, failure_persistence: None, ..Config::default() });
    let step = (
        0u8..3,
        any::<bool>(),
        0u8..12,
        any::<u8>(),
        proptest::collection::vec(any::<u8>(), 0..40),
    );
    let steps = proptest::collection::vec(step, 1..12);
    let sent = std::cell::Cell::new(0u16);
    let good = tokio::sync::Mutex::new(&mut good);
    let outcome = runner.run(&steps, |steps| {
        runtime.block_on(async {
            for (who, v5, what, first, noise) in &steps {
                let id = ["x", "y", "z"][usize::from(*who)];
                let mut c = g.raw().await;
                c.send(&connect(if *v5 { 5 } else { 4 }, id, 2 * (first & 1), 60, &[], &[])).await;
                let bytes = match what {
                    0..3 => packet(*first, noise),
                    3 => noise.clone(),
                    4..6 => publish(*v5, first % 3, u16::from(*first % 4), "a/b", "x"),
                    6..8 => subscribe(*v5, 1, &[("ioc/v1/alerts/#", first % 4), ("$share/a/b", 1)]),
                    8 => packet(0x62, &[0, first % 4]),
                    9 => packet(0x40, &[0, first % 4]),
                    10 => packet(0xA2, &[&[0, 1][..], noise].concat()),
                    _ => packet(0x82, &[&[0, 1][..], noise].concat()),
                };
                // The peer may have closed already; that is its right.
                let _ = c.stream.write_all(&bytes).await;
                g.publications.publish("ioc/v1/alerts/a", "1".into(), false);
            }
            let mut good = good.lock().await;
            let n = sent.get().wrapping_add(1).max(1);
            sent.set(n);
            good.send(&publish(true, 1, n, "good", "x")).await;
            let [high, low] = n.to_be_bytes();
            assert_eq!(good.packet().await, [0x40, 2, high, low]);
        });
        Ok(())
    });
    outcome.expect("served after every case");
}
