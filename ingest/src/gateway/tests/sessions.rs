use std::sync::atomic::Ordering::Relaxed;

use super::*;

fn will(topic: &str, payload: &str, v5_delay: Option<u32>) -> Vec<u8> {
    let mut tail = Vec::new();
    if let Some(delay) = v5_delay {
        tail.extend_from_slice(&[5, 0x18]);
        tail.extend_from_slice(&delay.to_be_bytes());
    }
    tail.extend(text(topic));
    tail.extend(text(payload));
    tail
}

#[tokio::test]
async fn takeover_closes_the_older_connection_with_its_reason() {
    let g = gateway().await;
    let mut old = g.v5("d1", false).await;
    let mut new = g.raw().await;
    new.send(&connect(5, "d1", 0, 60, &[0x11, 0, 0, 0, 100], &[])).await;
    assert_eq!(new.packet().await[2..4], [1, 0], "session present");
    assert_eq!(old.packet().await, [0xE0, 1, 0x8E]);
    old.expect_closed().await;
    assert!(new.is_silent().await, "the newer one lives");
    assert_eq!(g.metrics.takeovers.load(Relaxed), 1);
}

#[tokio::test]
async fn session_of_a_clean_client_is_not_inherited() {
    let g = gateway().await;
    let _old = g.v4("d1", true).await;
    let mut new = g.raw().await;
    new.send(&connect(4, "d1", 0, 60, &[], &[])).await;
    assert_eq!(new.packet().await, [0x20, 2, 0, 0]);
}

#[tokio::test]
async fn will_is_published_on_a_lost_connection_and_not_after_disconnect() {
    let g = gateway().await;
    for (goodbye, expected) in [(&[][..], 1), (&[0xE0, 0][..], 1)] {
        let mut c = g.raw().await;
        c.send(&connect(4, "d1", 0x06, 60, &[], &will("w/d1", "gone", None))).await;
        c.packet().await;
        c.send(goodbye).await;
        if goodbye.is_empty() {
            drop(c);
            g.sink.until(1).await;
        } else {
            c.expect_closed().await;
        }
        assert_eq!(g.sink.topics().len(), expected);
    }
    assert_eq!(g.sink.payloads(), ["gone"]);
    // MQTT 5 can ask for it at DISCONNECT.
    let mut c = g.raw().await;
    c.send(&connect(5, "d1", 0x06, 60, &[], &will("w/d1", "asked", Some(0)))).await;
    c.packet().await;
    c.send(&[0xE0, 1, 0x04]).await;
    g.sink.until(2).await;
    assert_eq!(g.sink.payloads()[1], "asked");
}

#[tokio::test]
async fn delayed_will_waits_for_the_client_to_come_back() {
    let g = gateway().await;
    let hello =
        |delay| connect(5, "d1", 0x04, 60, &[0x11, 0, 0, 0, 100], &will("w", "gone", Some(delay)));
    let mut c = g.raw().await;
    c.send(&hello(1)).await;
    c.packet().await;
    drop(c);
    g.sink.until(1).await;
    let mut c = g.raw().await;
    c.send(&hello(60)).await;
    c.packet().await;
    drop(c);
    let mut back = g.raw().await;
    back.send(&hello(60)).await;
    back.packet().await;
    assert!(back.is_silent().await);
    assert_eq!(g.sink.payloads().len(), 1, "the second will was taken back");
}

#[tokio::test]
async fn silence_of_one_and_a_half_keep_alives_ends_the_connection() {
    let g = gateway().await;
    let mut v4 = g.raw().await;
    v4.send(&connect(4, "d4", 0x06, 1, &[], &will("w", "silent", None))).await;
    v4.packet().await;
    let mut v5 = g.raw().await;
    v5.send(&connect(5, "d5", 2, 1, &[], &[])).await;
    v5.packet().await;
    let began = std::time::Instant::now();
    assert_eq!(v5.packet().await, [0xE0, 1, 0x8D]);
    let waited = began.elapsed();
    assert!(waited > Duration::from_millis(1_300), "not before 1.5 s: {waited:?}");
    v4.expect_closed().await;
    g.sink.until(1).await;
    assert_eq!(g.metrics.keep_alive_timeouts.load(Relaxed), 2);
}

#[tokio::test]
async fn pings_keep_a_connection_alive() {
    let g = gateway().await;
    let mut c = g.raw().await;
    c.send(&connect(4, "d4", 2, 1, &[], &[])).await;
    c.packet().await;
    let mut tick = tokio::time::interval(Duration::from_millis(500));
    for _ in 0..6 {
        tick.tick().await;
        assert!(c.is_silent().await);
    }
}

#[tokio::test]
async fn connect_is_told_the_limits_and_an_assigned_id() {
    let config = GatewayConfig { max_keep_alive_s: 100, ..Default::default() };
    let g = gateway_with(config, Commits::Done).await;
    let mut c = g.raw().await;
    c.send(&connect(5, "", 2, 0, &[], &[])).await;
    let welcome = c.packet().await;
    let has = |part: &[u8]| welcome.windows(part.len()).any(|w| w == part);
    assert!(has(&[0x13, 0, 100]), "server keep-alive");
    assert!(has(b"auto-"), "assigned id");
    assert!(has(&[0x27, 0, 1, 0, 0]), "maximum packet size");
    assert!(has(&[0x29, 0, 0x2A, 0]), "no subscription ids, no shared subscriptions");
}

#[tokio::test]
async fn session_expiry_at_disconnect_is_used() {
    let g = gateway().await;
    let mut c = g.v5("d1", false).await;
    c.send(&publish(true, 2, 1, "a", "x")).await;
    c.packet().await;
    c.send(&[0xE0, 7, 0, 5, 0x11, 0, 0, 0, 0]).await;
    c.expect_closed().await;
    let mut c = g.raw().await;
    c.send(&connect(5, "d1", 0, 60, &[], &[])).await;
    assert_eq!(c.packet().await[2], 0, "no session: it ended with the connection");
}
