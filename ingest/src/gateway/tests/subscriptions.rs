use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;

use super::*;
use crate::gateway::frame::{Publish, parse_publish};

fn read(packet: &[u8], v5: bool) -> Publish<'_> {
    let Ok(Frame::Whole { first, body, .. }) = next_frame(packet, 1 << 20) else {
        unreachable!("`packet` gives whole packets");
    };
    assert_eq!(first >> 4, 3, "a publish");
    parse_publish(first, body, v5).expect("valid")
}

#[tokio::test]
async fn only_the_iocs_own_topics_are_granted() {
    let g = gateway().await;
    let filters = [
        ("ioc/v1/alerts/#", 1),
        ("ioc/v1/alerts/air/+/+", 2),
        ("ioc/v1/devices/d1/commands", 0),
        ("ioc/v1/devices/d2/commands", 0),
        ("#", 0),
        ("ioc/v1/hai_chau/air/d1/obs", 1),
        ("$share/g/ioc/v1/alerts/#", 1),
        ("a/#/b", 1),
    ];
    let mut c = g.v5("d1", true).await;
    c.send(&subscribe(true, 5, &filters)).await;
    let answer = c.packet().await;
    assert_eq!(answer, [0x90, 11, 0, 5, 0, 1, 1, 0, 0x87, 0x87, 0x87, 0x9E, 0x8F]);
    let mut c = g.v4("d1v4", true).await;
    c.send(&subscribe(false, 5, &filters[..5])).await;
    assert_eq!(c.packet().await, [0x90, 7, 0, 5, 1, 1, 0x80, 0x80, 0x80]);
    assert_eq!(g.metrics.subscriptions_refused.load(Relaxed), 8);
}

#[tokio::test]
async fn device_publishes_reach_no_other_device() {
    let g = gateway().await;
    let mut c = g.v5("d1", true).await;
    c.send(&subscribe(true, 5, &[("ioc/v1/alerts/#", 1)])).await;
    c.packet().await;
    let mut other = g.v5("d2", true).await;
    other.send(&publish(true, 1, 1, "ioc/v1/alerts/air/x/1", "forged")).await;
    assert_eq!(other.packet().await[4], 0x87);
    assert!(c.is_silent().await);
}

#[tokio::test]
async fn retained_alerts_come_on_subscribe_and_empty_ones_are_cleared() {
    let g = gateway().await;
    for i in 0..300 {
        let topic = format!("ioc/v1/alerts/air/x/{i:03}");
        g.publications.publish(&topic, Bytes::from(format!("{i}")), true);
    }
    g.publications.publish("ioc/v1/alerts/air/x/000", Bytes::new(), true);
    for v5 in [false, true] {
        let mut c = if v5 { g.v5("d1", true).await } else { g.v4("d1", true).await };
        c.send(&subscribe(v5, 5, &[("ioc/v1/alerts/#", 1)])).await;
        assert_eq!(c.packet().await[0], 0x90);
        for i in 1..300 {
            let packet = c.packet().await;
            assert_eq!(packet[0], 0x33, "QoS 1, retained");
            let got = read(&packet, v5);
            assert_eq!(got.topic, format!("ioc/v1/alerts/air/x/{i:03}"));
            let id = got.packet_id.to_be_bytes();
            c.send(&[0x40, 2, id[0], id[1]]).await;
        }
        assert!(c.is_silent().await);
        g.publications.publish("ioc/v1/alerts/air/x/live", Bytes::from_static(b"now"), false);
        let packet = c.packet().await;
        assert_eq!(
            (packet[0], read(&packet, v5).payload),
            (0x32, &b"now"[..]),
            "live, not retained"
        );
    }
}

#[tokio::test]
async fn unacknowledged_publications_come_again_after_a_reconnect() {
    let g = gateway().await;
    let mut c = g.v4("d1", false).await;
    c.send(&subscribe(false, 5, &[("ioc/v1/alerts/#", 1)])).await;
    c.packet().await;
    g.publications.publish("ioc/v1/alerts/a", Bytes::from_static(b"1"), false);
    let first = c.packet().await;
    drop(c);
    // The gateway sees the end before the next publication is queued for the offline session.
    while g.metrics.connected.load(Relaxed) > 0 {
        tokio::task::yield_now().await;
    }
    g.publications.publish("ioc/v1/alerts/a", Bytes::from_static(b"2"), false);
    let mut c = g.v4("d1", false).await;
    let again = c.packet().await;
    assert_eq!(again[0], first[0] | 8, "dup");
    assert_eq!(again[1..], first[1..]);
    assert_eq!(read(&c.packet().await, false).payload, b"2");
}

#[tokio::test]
async fn window_of_a_subscriber_is_kept() {
    let g = gateway().await;
    let mut c = g.raw().await;
    c.send(&connect(5, "d1", 2, 60, &[0x21, 0, 2], &[])).await;
    c.packet().await;
    c.send(&subscribe(true, 5, &[("ioc/v1/alerts/#", 1)])).await;
    c.packet().await;
    for i in 0..5u8 {
        g.publications.publish("ioc/v1/alerts/a", Bytes::copy_from_slice(&[b'0' + i]), false);
    }
    for expect in [b"0", b"1"] {
        assert_eq!(read(&c.packet().await, true).payload, expect);
    }
    assert!(c.is_silent().await, "two are unacknowledged");
    c.send(&[0x40, 2, 0, 1]).await;
    assert_eq!(read(&c.packet().await, true).payload, b"2");
}

#[tokio::test]
async fn unsubscribe_ends_delivery() {
    let g = gateway().await;
    let mut c = g.v5("d1", true).await;
    c.send(&subscribe(true, 5, &[("ioc/v1/alerts/#", 0)])).await;
    c.packet().await;
    let body = [&[0, 6, 0][..], &text("ioc/v1/alerts/#"), &text("never/was")].concat();
    c.send(&packet(0xA2, &body)).await;
    assert_eq!(c.packet().await, [0xB0, 5, 0, 6, 0, 0, 0x11]);
    assert_eq!(g.publications.publish("ioc/v1/alerts/a", Bytes::from_static(b"1"), false), 0);
    assert!(c.is_silent().await);
}

#[tokio::test]
async fn subscriptions_of_a_session_are_bounded() {
    let config = GatewayConfig { max_subscriptions: 1, ..Default::default() };
    let g = gateway_with(config, Commits::Done).await;
    let mut c = g.v5("d1", true).await;
    c.send(&subscribe(true, 5, &[("ioc/v1/alerts/a", 0), ("ioc/v1/alerts/b", 0)])).await;
    assert_eq!(c.packet().await, [0x90, 5, 0, 5, 0, 0, 0x97]);
}
