use std::sync::atomic::Ordering::Relaxed;

use futures::{SinkExt, StreamExt};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::*;

/// A gateway and the address of its WebSockets.
async fn upgraded(config: GatewayConfig) -> (Running, SocketAddr) {
    let config = GatewayConfig { anonymous: Anonymous::All, ..config };
    let g = gateway_with(config, Commits::Done).await;
    let address = over::upgrader(g.door.clone()).await;
    (g, address)
}

async fn socket(address: SocketAddr) -> WebSocketStream<TcpStream> {
    over::websocket(address).await.socket
}

async fn next(socket: &mut WebSocketStream<TcpStream>) -> Option<Message> {
    tokio::time::timeout(PATIENCE, socket.next()).await.expect("in time")?.ok()
}

/// A masked frame (the mask is 0, so that the payload reads as it is).
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    match payload.len() {
        n @ 0..126 => out.push(0x80 | n as u8),
        n => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(n as u16).to_be_bytes());
        }
    }
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(payload);
    out
}

/// A client of raw frames that has been welcomed.
async fn raw(address: SocketAddr, id: &str) -> Raw {
    let mut c = Raw::new(TcpStream::connect(address).await.expect("connects"));
    c.send(&frame(0x82, &connect(4, id, 2, 60, &[], &[]))).await;
    assert_eq!(bytes(&mut c, 6).await, [0x82, 4, 0x20, 2, 0, 0]);
    c
}

async fn bytes(c: &mut Raw, n: usize) -> Vec<u8> {
    let mut out = vec![0; n];
    let read = c.stream.read_exact(&mut out);
    tokio::time::timeout(PATIENCE, read).await.expect("in time").expect("so many bytes");
    out
}

async fn rest(c: &mut Raw) -> Vec<u8> {
    let mut out = Vec::new();
    let read = c.stream.read_to_end(&mut out);
    // A reset after the last bytes is an end too.
    let _ = tokio::time::timeout(PATIENCE, read).await.expect("in time");
    out
}

#[tokio::test]
async fn packets_may_span_frames_and_frames_may_hold_several_packets() {
    let (g, address) = upgraded(GatewayConfig::default()).await;
    let mut c = socket(address).await;
    let packets = [
        connect(4, "d1", 2, 60, &[], &[]),
        publish(false, 1, 1, "a/b", "x"),
        publish(false, 1, 2, "a/b", &"y".repeat(20_000)),
    ]
    .concat();
    for part in packets.chunks(7) {
        c.feed(Message::binary(part.to_vec())).await.expect("writes");
    }
    c.flush().await.expect("writes");
    let mut answer = Vec::new();
    while answer.len() < 12 {
        match next(&mut c).await {
            Some(Message::Binary(bytes)) => answer.extend_from_slice(&bytes),
            other => unreachable!("binary frames only: {other:?}"),
        }
    }
    assert_eq!(answer, [0x20, 2, 0, 0, 0x40, 2, 0, 1, 0x40, 2, 0, 2]);
    assert_eq!(g.sink.payloads().len(), 2);
    assert_eq!(g.metrics.websockets.load(Relaxed), 1);
}

#[tokio::test]
async fn answers_of_one_commit_are_one_frame() {
    let (g, address) = upgraded(GatewayConfig::default()).await;
    let mut c = raw(address, "d1").await;
    let burst: Vec<u8> = (1..=50).flat_map(|i| publish(false, 1, i, "a/b", "x")).collect();
    c.send(&frame(0x82, &burst)).await;
    assert_eq!(bytes(&mut c, 4).await, [0x82, 126, 0, 200]);
    let acks: Vec<u8> = (1..=50).flat_map(|i| [0x40, 2, 0, i]).collect();
    assert_eq!(bytes(&mut c, 200).await, acks);
    assert_eq!(g.metrics.chunks.load(Relaxed), 1);
}

#[tokio::test]
async fn text_is_refused_with_1003_and_what_came_before_is_kept() {
    let (g, address) = upgraded(GatewayConfig::default()).await;
    let mut c = socket(address).await;
    c.send(Message::binary(connect(4, "d1", 2, 60, &[], &[]))).await.expect("writes");
    assert!(matches!(next(&mut c).await, Some(Message::Binary(_))));
    c.feed(Message::binary(publish(false, 0, 0, "a/b", "x"))).await.expect("writes");
    c.feed(Message::text("hello")).await.expect("writes");
    c.flush().await.expect("writes");
    let Some(Message::Close(Some(CloseFrame { code, .. }))) = next(&mut c).await else {
        unreachable!("a close with a code")
    };
    assert_eq!(code, CloseCode::Unsupported);
    assert_eq!(g.sink.payloads(), ["x"]);
}

#[tokio::test]
async fn broken_frames_end_their_connection_with_a_code_and_hurt_nobody() {
    let (_g, address) = upgraded(GatewayConfig::default()).await;
    let mut other = raw(address, "other").await;
    for (what, broken, code) in [
        ("unmasked", vec![0x82, 2, 0xC0, 0], 1002_u16),
        ("huge", vec![0x82, 0xFF, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0], 1009),
        ("reserved", frame(0xF2, b"x"), 1002),
        ("long ping", frame(0x89, &[0; 200]), 1002),
    ] {
        let [high, low] = code.to_be_bytes();
        let before = Raw::new(TcpStream::connect(address).await.expect("connects"));
        for mut c in [before, raw(address, "d1").await] {
            c.send(&broken).await;
            assert_eq!(rest(&mut c).await, [0x88, 2, high, low], "{what}");
        }
    }
    other.send(&frame(0x82, &[0xC0, 0])).await;
    assert_eq!(bytes(&mut other, 4).await, [0x82, 2, 0xD0, 0]);
}

#[tokio::test]
async fn pings_are_answered_before_connect_and_after_and_between_the_parts_of_a_packet() {
    let (_g, address) = upgraded(GatewayConfig::default()).await;
    let mut c = Raw::new(TcpStream::connect(address).await.expect("connects"));
    c.send(&frame(0x89, b"a")).await;
    assert_eq!(bytes(&mut c, 3).await, [0x8A, 1, b'a']);
    let hello = connect(4, "d1", 2, 60, &[], &[]);
    c.send(&frame(0x02, &hello[..5])).await;
    c.send(&frame(0x89, b"b")).await;
    assert_eq!(bytes(&mut c, 3).await, [0x8A, 1, b'b']);
    c.send(&frame(0x80, &hello[5..])).await;
    assert_eq!(bytes(&mut c, 6).await, [0x82, 4, 0x20, 2, 0, 0]);
    c.send(&frame(0x89, b"")).await;
    assert_eq!(bytes(&mut c, 2).await, [0x8A, 0]);
}

#[tokio::test]
async fn a_flood_of_pings_or_empty_frames_hurts_nobody_and_is_no_sign_of_mqtt() {
    let config = GatewayConfig { connect_timeout_ms: 700, ..Default::default() };
    let (g, address) = upgraded(config).await;
    let mut other = raw(address, "other").await;
    let flood = async |bytes: Vec<u8>| {
        let stream = TcpStream::connect(address).await.expect("connects");
        let (mut read, mut write) = stream.into_split();
        let sink = async {
            let mut out = tokio::io::sink();
            let _ = tokio::io::copy(&mut read, &mut out).await;
        };
        let send = async { while write.write_all(&bytes).await.is_ok() {} };
        // Ends when the gateway closes.
        tokio::join!(sink, send);
    };
    let good = async {
        while g.metrics.refused_connect.load(Relaxed) < 2 {
            other.send(&frame(0x82, &[0xC0, 0])).await;
            assert_eq!(bytes(&mut other, 4).await, [0x82, 2, 0xD0, 0]);
        }
    };
    let pings = frame(0x89, b"x").repeat(2_000);
    let parts = [frame(2, b""), frame(0, b"").repeat(2_000), frame(0x80, b"")].concat();
    tokio::join!(flood(pings), flood(parts), good);
}

#[tokio::test]
async fn a_close_is_answered_with_its_code_and_ends_the_session_like_a_lost_connection() {
    let (g, address) = upgraded(GatewayConfig::default()).await;
    let mut c = Raw::new(TcpStream::connect(address).await.expect("connects"));
    let will = [text("will/t"), text("gone")].concat();
    c.send(&frame(0x82, &connect(4, "d1", 6, 60, &[], &will))).await;
    assert_eq!(bytes(&mut c, 6).await, [0x82, 4, 0x20, 2, 0, 0]);
    c.send(&frame(0x88, &[0x03, 0xE9])).await;
    assert_eq!(rest(&mut c).await, [0x88, 2, 0x03, 0xE9]);
    g.sink.until(1).await;
    assert_eq!(g.sink.topics(), ["will/t"]);
}

#[tokio::test]
async fn disconnect_and_stop_close_with_1000() {
    let (g, address) = upgraded(GatewayConfig::default()).await;
    let mut leaves = raw(address, "d1").await;
    leaves.send(&frame(0x82, &[0xE0, 0])).await;
    assert_eq!(rest(&mut leaves).await, [0x88, 2, 0x03, 0xE8]);
    let mut stays = socket(address).await;
    stays.send(Message::binary(connect(5, "d2", 2, 60, &[], &[]))).await.expect("writes");
    next(&mut stays).await;
    g.stop.cancel();
    let Some(Message::Binary(goodbye)) = next(&mut stays).await else {
        unreachable!("a DISCONNECT first")
    };
    assert_eq!((goodbye[0], goodbye[2]), (0xE0, 0x8B));
    assert!(
        matches!(next(&mut stays).await, Some(Message::Close(Some(f))) if f.code == CloseCode::Normal)
    );
    assert_eq!(g.done.await.expect("no panic").expect("no error").cut_off, 0);
    assert!(g.door.admit(address).is_none(), "nobody comes in after the stop");
}

#[tokio::test]
async fn websockets_count_as_connections_of_the_gateway() {
    let config = GatewayConfig { max_connections: 1, ..Default::default() };
    let (g, address) = upgraded(config).await;
    let seat = g.door.admit(address).expect("room");
    assert!(g.door.admit(address).is_none());
    g.raw().await.expect_closed().await;
    assert_eq!(g.metrics.refused_full.load(Relaxed), 2);
    drop(seat);
    assert!(g.door.admit(address).is_some());
}

#[tokio::test]
async fn a_screen_that_does_not_read_is_closed_and_others_are_served() {
    let config = GatewayConfig { write_timeout_ms: 300, ..Default::default() };
    let (g, address) = upgraded(config).await;
    let mut deaf = raw(address, "deaf").await;
    deaf.send(&frame(0x82, &subscribe(false, 1, &[("ioc/v1/alerts/#", 0)]))).await;
    bytes(&mut deaf, 7).await;
    let big = ::bytes::Bytes::from(vec![b'x'; 60_000]);
    while g.metrics.write_timeouts.load(Relaxed) == 0 {
        g.publications.publish("ioc/v1/alerts/a", big.clone(), false);
        tokio::task::yield_now().await;
    }
    raw(address, "other").await;
}
