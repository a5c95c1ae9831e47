use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::testing::{Server, WAIT};

/// An upgrade by hand: key and answer of RFC 6455, section 1.3.
fn upgrade(more: &str) -> String {
    format!(
        "GET /mqtt HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n"
    )
}

/// Sends a request; the connection, and the head of the answer.
async fn ask(server: &Server, request: &str) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(server.address).await.expect("connects");
    stream.write_all(request.as_bytes()).await.expect("sends");
    let mut head = Vec::new();
    let read = async {
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.expect("an answer"));
        }
    };
    tokio::time::timeout(WAIT, read).await.expect("in time");
    (stream, String::from_utf8(head).expect("text").to_ascii_lowercase())
}

const MQTT: &str = "Sec-WebSocket-Protocol: mqtt\r\n";

#[tokio::test]
async fn devices_are_upgraded_without_a_session_and_their_bytes_go_through() {
    let server = Server::start().await;
    // The first bytes may come with the head.
    let request = format!("{}first ", upgrade(MQTT));
    let (mut stream, head) = ask(&server, &request).await;
    assert!(head.starts_with("http/1.1 101 "), "{head}");
    for line in [
        "sec-websocket-protocol: mqtt",
        "sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=",
        "upgrade: websocket",
        "connection: upgrade",
    ] {
        assert_eq!(head.matches(line).count(), 1, "{line}: {head}");
    }
    stream.write_all(b"second").await.expect("sends");
    let mut back = [0; 12];
    let read = stream.read_exact(&mut back);
    tokio::time::timeout(WAIT, read).await.expect("in time").expect("so many bytes");
    assert_eq!(&back, b"first second");
    drop(stream);
    server.stop().await;
}

#[tokio::test]
async fn the_subprotocol_must_be_mqtt() {
    let server = Server::start().await;
    for offered in ["", "Sec-WebSocket-Protocol: mqttv3.1\r\n", "Sec-WebSocket-Protocol: MQTT\r\n"]
    {
        let (_, head) = ask(&server, &upgrade(offered)).await;
        assert!(head.starts_with("http/1.1 400 "), "{offered}: {head}");
    }
    let among = "Sec-WebSocket-Protocol: mqttv3.1, mqtt\r\n";
    assert!(ask(&server, &upgrade(among)).await.1.starts_with("http/1.1 101 "));
    server.stop().await;
}

#[tokio::test]
async fn a_page_of_another_origin_is_refused_and_our_own_is_not() {
    let server =
        Server::with(1, |c| c.allowed_origins = vec!["https://ioc.example.vn".into()]).await;
    for origin in ["http://evil.example", "null", "http://localhost:1"] {
        let (_, head) = ask(&server, &upgrade(&format!("{MQTT}Origin: {origin}\r\n"))).await;
        assert!(head.starts_with("http/1.1 403 "), "{origin}: {head}");
    }
    let twice = format!("{MQTT}Origin: http://localhost\r\nOrigin: http://evil.example\r\n");
    assert!(ask(&server, &upgrade(&twice)).await.1.starts_with("http/1.1 403 "));
    for origin in ["http://localhost", "https://ioc.example.vn"] {
        let (stream, head) = ask(&server, &upgrade(&format!("{MQTT}Origin: {origin}\r\n"))).await;
        assert!(head.starts_with("http/1.1 101 "), "{origin}: {head}");
        end(stream).await;
    }
    server.stop().await;
}

/// Ends a connection and waits until the other side has too.
async fn end(mut stream: TcpStream) {
    stream.shutdown().await.expect("shuts down");
    let mut rest = Vec::new();
    let read = stream.read_to_end(&mut rest);
    tokio::time::timeout(WAIT, read).await.expect("in time").expect("the end");
}

#[tokio::test]
async fn a_full_gateway_is_told_before_the_upgrade() {
    let server = Server::start().await;
    let (first, head) = ask(&server, &upgrade(MQTT)).await;
    assert!(head.starts_with("http/1.1 101 "), "{head}");
    let (_, head) = ask(&server, &upgrade(MQTT)).await;
    assert!(head.starts_with("http/1.1 503 ") && head.contains("retry-after: 15"), "{head}");
    drop(first);
    server.stop().await;
}

#[tokio::test]
async fn what_is_no_upgrade_is_told_so() {
    let server = Server::start().await;
    let (status, body) = server.stranger().get("/mqtt").await;
    assert_eq!((status, &body["code"]), (426, &json!("not_a_websocket")));
    server.stop().await;
}
