use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::*;

#[path = "transports.rs"]
mod transports;

#[tokio::test]
async fn acks_come_only_after_the_commit_and_in_order() {
    for v5 in [false, true] {
        let g = gateway_with(GatewayConfig::default(), Commits::Held).await;
        let mut c = if v5 { g.v5("d1", true).await } else { g.v4("d1", true).await };
        for id in 1..=3 {
            c.send(&publish(v5, 1, id, "a/b", "x")).await;
            g.sink.until(usize::from(id)).await;
        }
        c.send(&publish(v5, 2, 4, "a/b", "x")).await;
        g.sink.until(4).await;
        assert!(c.is_silent().await, "no ack before the commit");
        g.sink.set(Commits::Done);
        for id in 1..=3 {
            assert_eq!(c.packet().await, [0x40, 2, 0, id]);
        }
        assert_eq!(c.packet().await, [0x50, 2, 0, 4]);
        c.send(&[0x62, 2, 0, 4]).await;
        assert_eq!(c.packet().await, [0x70, 2, 0, 4]);
        assert_eq!(g.metrics.acks.load(Relaxed), 4);
    }
}

#[tokio::test]
async fn failed_commit_ends_the_connection_without_an_ack() {
    let g = gateway_with(GatewayConfig::default(), Commits::Failing).await;
    let mut c = g.v5("d1", true).await;
    c.send(&publish(true, 1, 1, "a/b", "x")).await;
    assert_eq!(c.packet().await, [0xE0, 1, 0x80]);
    c.expect_closed().await;
    let mut c = g.v4("d2", true).await;
    c.send(&publish(false, 1, 1, "a/b", "x")).await;
    c.expect_closed().await;
    assert_eq!(g.metrics.sink_errors.load(Relaxed), 2);
}

#[tokio::test]
async fn packets_of_one_write_become_one_chunk_and_one_answer() {
    let g = gateway().await;
    let mut c = g.v4("d1", true).await;
    let burst: Vec<u8> =
        (1..=100).flat_map(|i| publish(false, 1, i, "a/b", &i.to_string())).collect();
    c.send(&burst).await;
    for id in 1..=100 {
        assert_eq!(c.packet().await, [0x40, 2, 0, id]);
    }
    let expect: Vec<String> = (1..=100).map(|i| i.to_string()).collect();
    assert_eq!(g.sink.payloads(), expect, "in order");
    assert!(g.metrics.chunks.load(Relaxed) <= 3, "batched");
}

#[tokio::test]
async fn packets_cut_anywhere_are_put_together() {
    let g = gateway().await;
    let large = "y".repeat(60_000);
    let mut bytes = connect(5, "d1", 2, 60, &[], &[]);
    bytes.extend(publish(true, 1, 1, "a/b", "x"));
    bytes.extend(publish(true, 1, 2, "a/b", &large));
    bytes.extend(publish(true, 1, 3, "a/b", "z"));
    for step in [1, 7, 4_096] {
        let before = g.sink.payloads().len();
        let mut c = g.raw().await;
        for piece in bytes.chunks(step.max(bytes.len() / 3_000)) {
            c.send(piece).await;
            if step < 4_096 {
                tokio::task::yield_now().await;
            }
        }
        assert_eq!(c.packet().await[0], 0x20);
        for id in 1..=3 {
            assert_eq!(c.packet().await, [0x40, 2, 0, id]);
        }
        assert_eq!(g.sink.payloads()[before..], ["x".to_string(), large.clone(), "z".to_string()]);
    }
}

#[tokio::test]
async fn qos_2_sent_again_before_its_release_is_taken_once() {
    let g = gateway_with(GatewayConfig::default(), Commits::Held).await;
    let mut c = g.v4("d1", false).await;
    let message = publish(false, 2, 9, "a/b", "x");
    c.send(&message).await;
    c.send(&message).await;
    g.sink.until(1).await;
    assert!(c.is_silent().await, "the repeat is not answered before the commit either");
    g.sink.set(Commits::Done);
    assert_eq!(c.packet().await, [0x50, 2, 0, 9]);
    assert_eq!(c.packet().await, [0x50, 2, 0, 9]);
    // The connection breaks before PUBREL; the client comes back and sends again.
    drop(c);
    let mut c = g.raw().await;
    c.send(&connect(4, "d1", 0, 60, &[], &[])).await;
    assert_eq!(c.packet().await, [0x20, 2, 1, 0], "session present");
    c.send(&message).await;
    assert_eq!(c.packet().await, [0x50, 2, 0, 9]);
    assert_eq!(g.sink.payloads().len(), 1, "taken once");
    c.send(&[0x62, 2, 0, 9]).await;
    assert_eq!(c.packet().await, [0x70, 2, 0, 9]);
    c.send(&message).await;
    assert_eq!(c.packet().await, [0x50, 2, 0, 9]);
    assert_eq!(g.sink.payloads().len(), 2, "after PUBREL the id is a new message");
    assert_eq!(g.metrics.qos2_repeats.load(Relaxed), 2);
}

#[tokio::test]
async fn qos_2_lost_before_its_commit_is_judged_again() {
    let g = gateway_with(GatewayConfig::default(), Commits::Held).await;
    let mut c = g.v4("d1", false).await;
    c.send(&publish(false, 2, 9, "a/b", "x")).await;
    g.sink.until(1).await;
    drop(c);
    let mut c = g.v4("d1", false).await;
    c.send(&publish(false, 2, 9, "a/b", "x")).await;
    g.sink.until(2).await;
    g.sink.set(Commits::Done);
    assert_eq!(c.packet().await, [0x50, 2, 0, 9]);
}

#[tokio::test]
async fn outcomes_become_reason_codes_in_mqtt_5_and_plain_acks_in_3_1_1() {
    let g = gateway().await;
    let mut c = g.v5("d1", true).await;
    let mut expected_reason = vec![0x40, 15, 0, 1, 0x99, 11, 0x1F, 0, 8];
    expected_reason.extend_from_slice(b"not JSON");
    c.send(&publish(true, 1, 1, "bad/x", "x")).await;
    assert_eq!(c.packet().await, expected_reason);
    c.send(&publish(true, 1, 2, "shed/x", "x")).await;
    assert_eq!(c.packet().await, [0x40, 3, 0, 2, 0x97]);
    c.send(&publish(true, 2, 3, "ioc/v1/alerts/air/x/1", "x")).await;
    assert_eq!(c.packet().await[..5], [0x50, 41, 0, 3, 0x87]);
    c.send(&publish(true, 1, 4, "ioc/v1/devices/d1/commands", "x")).await;
    assert_eq!(c.packet().await[4], 0x87);
    c.send(&[0x62, 2, 0, 3]).await;
    assert_eq!(c.packet().await, [0x70, 3, 0, 3, 0x92], "a refused id is free");
    let mut c = g.v4("d2", true).await;
    c.send(&publish(false, 1, 1, "bad/x", "x")).await;
    assert_eq!(c.packet().await, [0x40, 2, 0, 1]);
    assert_eq!(g.metrics.not_authorised.load(Relaxed), 2);
}

#[tokio::test]
async fn a_message_taken_partly_is_acknowledged_with_a_word_of_warning() {
    let g = gateway().await;
    let mut c = g.v5("d1", true).await;
    let mut expected = vec![0x40, 21, 0, 1, 0, 17, 0x1F, 0, 14];
    expected.extend_from_slice(b"`pm25` is -200");
    c.send(&publish(true, 1, 1, "odd/x", "x")).await;
    assert_eq!(c.packet().await, expected);
    c.send(&publish(true, 2, 2, "odd/x", "x")).await;
    assert_eq!(c.packet().await[..5], [0x50, 21, 0, 2, 0]);
    c.send(&[0x62, 2, 0, 2]).await;
    assert_eq!(c.packet().await, [0x70, 2, 0, 2], "the id was still open: it was a success");
}

#[tokio::test]
async fn a_device_hears_of_its_errors_on_its_own_topic() {
    let g = gateway().await;
    for (id, topic, expected) in [
        ("d1", "odd/\"x", ["warning", "out_of_range", "`pm25` is -200"]),
        ("d2", "bad/\"x", ["error", "malformed", "not JSON"]),
    ] {
        let mut c = g.v4(id, true).await;
        let errors = format!("ioc/v1/devices/{id}/errors");
        c.send(&subscribe(false, 5, &[(errors.as_str(), 0)])).await;
        c.packet().await;
        c.send(&publish(false, 0, 0, "good/x", "x")).await;
        c.send(&publish(false, 0, 0, topic, "x")).await;
        let packet = c.packet().await;
        let Ok(Frame::Whole { first, body, .. }) = next_frame(&packet, 1 << 20) else {
            unreachable!("`packet` gives whole packets");
        };
        let told = crate::gateway::frame::parse_publish(first, body, false).expect("a publish");
        assert_eq!(told.topic, errors);
        let told: serde_json::Value = serde_json::from_slice(told.payload).expect("JSON");
        let words = [&told["severity"], &told["reason"], &told["detail"]];
        assert_eq!((words, &told["topic"]), (expected.map(Into::into).each_ref(), &topic.into()));
    }
}

#[tokio::test]
async fn reason_in_words_is_left_out_when_the_client_asks() {
    let g = gateway().await;
    let mut c = g.raw().await;
    c.send(&connect(5, "d1", 2, 60, &[0x17, 0], &[])).await;
    c.packet().await;
    c.send(&publish(true, 1, 1, "bad/x", "x")).await;
    assert_eq!(c.packet().await, [0x40, 3, 0, 1, 0x99]);
}

#[tokio::test]
async fn window_of_mqtt_5_is_announced_and_enforced() {
    let config = GatewayConfig { receive_maximum: 4, ..Default::default() };
    let g = gateway_with(config, Commits::Held).await;
    let mut c = g.raw().await;
    c.send(&connect(5, "d1", 2, 60, &[], &[])).await;
    let welcome = c.packet().await;
    assert!(welcome.windows(3).any(|w| w == [0x21, 0, 4]), "{welcome:?}");
    for id in 1..=4 {
        c.send(&publish(true, 1, id, "a", "x")).await;
    }
    assert!(c.is_silent().await);
    c.send(&publish(true, 1, 5, "a", "x")).await;
    assert_eq!(c.packet().await, [0xE0, 1, 0x93]);
    assert_eq!(g.sink.payloads().len(), 4);
}

#[tokio::test]
async fn window_of_mqtt_3_1_1_is_kept_by_not_reading() {
    let config = GatewayConfig { receive_maximum: 4, ..Default::default() };
    let g = gateway_with(config, Commits::Held).await;
    let mut c = g.v4("d1", true).await;
    for id in 1..=4 {
        c.send(&publish(false, 1, id, "a", "x")).await;
        g.sink.until(usize::from(id)).await;
    }
    for id in 5..=20 {
        c.send(&publish(false, 1, id, "a", "x")).await;
    }
    // Another client gets through meanwhile; the first one's rest stays in its socket.
    let mut other = g.v4("d2", true).await;
    assert!(other.is_silent().await);
    assert_eq!(g.sink.payloads().len(), 4);
    g.sink.set(Commits::Done);
    for id in 1..=20 {
        assert_eq!(c.packet().await, [0x40, 2, 0, id]);
    }
}

#[tokio::test]
async fn stop_acknowledges_what_is_under_way_and_says_goodbye() {
    let g = gateway_with(GatewayConfig::default(), Commits::Held).await;
    let mut c = g.v5("d1", true).await;
    let mut half = g.raw().await;
    half.send(&[0x10]).await;
    c.send(&publish(true, 1, 1, "a", "x")).await;
    g.sink.until(1).await;
    g.stop.cancel();
    g.sink.set(Commits::Done);
    assert_eq!(c.packet().await, [0x40, 2, 0, 1]);
    assert_eq!(c.packet().await, [0xE0, 1, 0x8B]);
    c.expect_closed().await;
    drop(c);
    let stats = g.done.await.expect("no panic").expect("no error");
    assert_eq!((stats.publishes, stats.acks, stats.cut_off), (1, 1, 0));
}

#[tokio::test]
async fn rumqttc_of_both_versions_publishes_at_every_qos() {
    let g = gateway().await;
    let port = g.address.port();
    let mut options = rumqttc::MqttOptions::new("r4", "127.0.0.1", port);
    options.set_keep_alive(Duration::from_secs(5));
    let (client, mut events) = rumqttc::AsyncClient::new(options, 100);
    let mut options5 = rumqttc::v5::MqttOptions::new("r5", "127.0.0.1", port);
    options5.set_keep_alive(Duration::from_secs(5));
    let (client5, mut events5) = rumqttc::v5::AsyncClient::new(options5, 100);
    for i in 0..30 {
        let (q4, q5) = match i % 3 {
            0 => (rumqttc::QoS::AtMostOnce, rumqttc::v5::mqttbytes::QoS::AtMostOnce),
            1 => (rumqttc::QoS::AtLeastOnce, rumqttc::v5::mqttbytes::QoS::AtLeastOnce),
            _ => (rumqttc::QoS::ExactlyOnce, rumqttc::v5::mqttbytes::QoS::ExactlyOnce),
        };
        client.try_publish("t/4", q4, false, i.to_string()).expect("room");
        client5.try_publish("t/5", q5, false, i.to_string()).expect("room");
    }
    let drive = async {
        let (mut done4, mut done5) = (0, 0);
        while done4 < 20 || done5 < 20 {
            use rumqttc::v5::{Event as E5, mqttbytes::v5::Packet as P5};
            use rumqttc::{Event as E4, Packet as P4};
            tokio::select! {
                e = events.poll() => {
                    let e = e.expect("v4 connection holds");
                    done4 += usize::from(matches!(e, E4::Incoming(P4::PubAck(_) | P4::PubComp(_))));
                }
                e = events5.poll() => {
                    let e = e.expect("v5 connection holds");
                    done5 += usize::from(matches!(e, E5::Incoming(P5::PubAck(_) | P5::PubComp(_))));
                }
            }
        }
    };
    tokio::time::timeout(PATIENCE, drive).await.expect("all acknowledged");
    assert_eq!(g.sink.topics().iter().filter(|t| *t == "t/4").count(), 30);
    assert_eq!(g.sink.topics().iter().filter(|t| *t == "t/5").count(), 30);
}
