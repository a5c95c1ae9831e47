use std::sync::atomic::Ordering::Relaxed;

use ioc_model::{Device, Timestamp};

use super::super::peer::Via;
use super::identity::{from, house};
use super::*;
use crate::{Rate, Rates};

fn air(id: &str) -> Arc<Device> {
    let unknown = Device::unknown(id, &"air".into(), &"hai_chau".into(), Timestamp(0));
    Arc::new(Device { state: ioc_model::DeviceState::Approved, ..unknown })
}

fn obs(n: usize) -> String {
    let now = super::super::inbound::now();
    format!(r#"{{"time":{},"seq":{n},"values":{{"pm25":35.1}}}}"#, now.0)
}

/// One device floods while others go about their work; then it rests and is still there.
#[tokio::test]
async fn a_flooding_device_is_throttled_and_the_others_get_through() {
    const OTHERS: usize = 20;
    const EACH: usize = 20;
    let registry: Devices =
        (0..OTHERS).map(|n| air(&format!("air-{n}"))).chain([air("flood")]).collect();
    let mut rates = Rates::default();
    // After its burst it must pause for longer than its keep-alive allows.
    rates
        .devices
        .insert("flood".into(), Rate { messages_per_s: 8.0, burst: 60.0, bytes_per_s: 1e6 });
    let config = GatewayConfig { rates, ..Default::default() };
    let h = house(config, Some(Registry::of(registry))).await;
    let mut flood = h.certified("flood").await;
    flood.send(&connect(5, "flood", 2, 1, &[], &[])).await;
    assert_eq!(flood.packet().await[3], 0);
    let topic = "ioc/v1/hai_chau/air/flood/obs";
    let storm: Vec<u8> = (0..2_000).flat_map(|n| publish(true, 0, 0, topic, &obs(n))).collect();
    let (mut reader, mut writer) = tokio::io::split(flood.stream);
    let storm = tokio::spawn(async move {
        // What is left is refused when the test is over.
        let _ = writer.write_all(&storm).await;
        writer
    });
    let mut clients = Vec::new();
    for n in 0..OTHERS {
        let id = format!("air-{n}");
        let mut c = h.certified(&id).await;
        c.send(&connect(5, &id, 2, 60, &[], &[])).await;
        assert_eq!(c.packet().await[3], 0);
        clients.push((id, c));
    }
    for round in 0..EACH {
        for (id, c) in &mut clients {
            let topic = format!("ioc/v1/hai_chau/air/{id}/obs");
            c.send(&publish(true, 1, 1, &topic, &obs(round))).await;
            assert_eq!(c.packet().await, [0x40, 2, 0, 1], "{id}, round {round}");
        }
    }
    // Two pauses: the first one did not end the connection.
    while h.metrics.throttles.load(Relaxed) < 2 {
        tokio::task::yield_now().await;
    }
    assert!(h.metrics.throttled_of("flood") > 0, "counted by device");
    assert_eq!(h.metrics.throttled().len(), 1, "nobody else is");
    let mut byte = [0; 1];
    let quiet = tokio::io::AsyncReadExt::read(&mut reader, &mut byte).now_or_never();
    assert!(quiet.is_none(), "silent, but connected");
    assert_eq!(h.metrics.keep_alive_timeouts.load(Relaxed), 0);
    assert_eq!(h.metrics.connected.load(Relaxed) as usize, OTHERS + 1);
    let taken = h.metrics.publishes.load(Relaxed) as usize - OTHERS * EACH;
    assert!((60..1_000).contains(&taken), "most of the storm waits in the network: {taken}");
    storm.abort();
    let books = h.ledger.snapshot().sources.remove(0);
    assert!(books.accepted >= (OTHERS * EACH) as u64 && books.shed == 0);
}

#[tokio::test]
async fn acks_of_a_throttled_device_still_go_out() {
    let mut rates = Rates::default();
    rates
        .devices
        .insert("flood".into(), Rate { messages_per_s: 1.0, burst: 5.0, bytes_per_s: 1e6 });
    let config = GatewayConfig { rates, ..Default::default() };
    let h = house(config, Some(Registry::of([air("flood")].into_iter().collect()))).await;
    let mut c = h.certified("flood").await;
    c.send(&connect(5, "flood", 2, 60, &[], &[])).await;
    c.packet().await;
    let topic = "ioc/v1/hai_chau/air/flood/obs";
    let all: Vec<u8> =
        (1..=6u16).flat_map(|n| publish(true, 1, n, topic, &obs(n.into()))).collect();
    c.send(&all).await;
    for n in 1..=6 {
        assert_eq!(c.packet().await, [0x40, 2, 0, n]);
    }
    assert!(c.is_silent().await, "the ping waits for the end of the pause and is answered");
    assert!(h.metrics.throttles.load(Relaxed) >= 1);
}

#[tokio::test]
async fn local_processes_are_not_throttled() {
    let h = house(GatewayConfig::default(), Some(Registry::of(Devices::default()))).await;
    let mut c = h.socket(from("127.0.0.1", Via::Tcp)).await;
    c.send(&connect(5, "sim", 2, 60, &[], &[])).await;
    c.packet().await;
    let topic = "ioc/v1/hai_chau/air/air-1/obs";
    for n in 1..=1_000u16 {
        c.send(&publish(true, 1, n, topic, &obs(n.into()))).await;
    }
    for n in 1..=1_000u16 {
        assert_eq!(c.packet().await[2..4], n.to_be_bytes());
    }
    assert_eq!(h.metrics.throttles.load(Relaxed), 0);
}

#[tokio::test]
async fn errors_reach_the_device_a_bridge_speaks_for_and_a_reply_its_sender() {
    let g = gateway().await;
    let mut edge = g.v5("edge-tool", true).await;
    edge.send(&subscribe(
        true,
        1,
        &[("spBv1.0/g/NCMD/e", 1), ("ioc/v1/devices/edge-tool/errors", 0)],
    ))
    .await;
    assert_eq!(edge.packet().await, [0x90, 5, 0, 1, 0, 1, 0]);
    let mut device = g.v5("cam-1", true).await;
    device.send(&subscribe(true, 1, &[("ioc/v1/devices/cam-1/errors", 0)])).await;
    device.packet().await;
    // Twice within a second: told once.
    for n in [1, 2] {
        edge.send(&publish(true, 1, n, "rebirth/cam-1", "x")).await;
    }
    let mut got = Vec::new();
    for _ in 0..4 {
        got.push(edge.packet().await);
    }
    let has = |word: &str| got.iter().filter(|p| String::from_utf8_lossy(p).contains(word)).count();
    assert_eq!((has("rebirth\u{0}"), has("NCMD")), (0, 1), "{got:?}");
    assert_eq!(has("devices/edge-tool/errors"), 1);
    assert_eq!(got.iter().filter(|p| p[0] == 0x40).count(), 2);
    let told = device.packet().await;
    assert!(String::from_utf8_lossy(&told).contains("no_birth"), "{told:?}");
    assert!(device.is_silent().await);
}
