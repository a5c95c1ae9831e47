use std::time::{Duration, Instant};

use ioc_model::Severity;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::testing::{NOON, Server, WAIT, alert, reading};
use crate::{Dashboard, DashboardConfig, DashboardError, Role};

async fn read_to_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut got = Vec::new();
    // A reset is an end too.
    let _ = tokio::time::timeout(WAIT, stream.read_to_end(&mut got)).await.expect("it ends");
    got
}

#[tokio::test]
async fn half_a_head_is_not_waited_for() {
    let server = Server::with(1, |c| c.header_timeout_s = 1).await;
    let start = Instant::now();
    let mut open = Vec::new();
    for _ in 0..20 {
        let mut stream = TcpStream::connect(server.address).await.expect("connects");
        stream
            .write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-A: ")
            .await
            .expect("sends");
        open.push(stream);
    }
    for stream in &mut open {
        read_to_end(stream).await;
    }
    assert!(start.elapsed() >= Duration::from_millis(900), "{:?}", start.elapsed());
    server.stop().await;
}

#[tokio::test]
async fn a_silent_connection_is_closed() {
    let server = Server::with(1, |c| c.header_timeout_s = 1).await;
    let mut stream = TcpStream::connect(server.address).await.expect("connects");
    assert_eq!(read_to_end(&mut stream).await, b"");
    server.stop().await;
}

#[tokio::test]
async fn a_connection_has_a_longest_life() {
    let server = Server::with(1, |c| c.connection_max_s = 1).await;
    let mut stream = TcpStream::connect(server.address).await.expect("connects");
    let ask = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    stream.write_all(ask).await.expect("sends");
    let got = read_to_end(&mut stream).await;
    assert!(got.starts_with(b"HTTP/1.1 200 OK"), "{}", String::from_utf8_lossy(&got));
    server.stop().await;
}

#[tokio::test]
async fn connections_beyond_the_limit_wait() {
    let server = Server::with(1, |c| (c.max_connections, c.header_timeout_s) = (1, 2)).await;
    let first = TcpStream::connect(server.address).await.expect("connects");
    let client = server.stranger();
    let start = Instant::now();
    // Served as soon as the silent one has been closed.
    let answer = client.request("GET", "/healthz").send().await.expect("answers");
    assert_eq!(answer.status(), 200);
    assert!(start.elapsed() >= Duration::from_millis(1_500), "{:?}", start.elapsed());
    drop(first);
    server.stop().await;
}

#[tokio::test]
async fn sockets_beyond_the_limit_are_refused() {
    let server = Server::with(1, |c| c.max_sockets = 1).await;
    let session = server.session(Role::Viewer).await;
    let origin = server.origin();
    let mut first = server.socket(&session).await;
    first.json("hello").await;
    let second = server.try_socket(Some(&session), Some(&origin)).await;
    assert_eq!(second.err(), Some(503));
    server.stop().await;
}

/// Opens a socket that subscribes and then reads nothing.
async fn deaf_socket(server: &Server, session: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4_096).expect("sets");
    let mut stream = socket.connect(server.address).await.expect("connects");
    let head = format!(
        "GET /ws HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Origin: {}\r\nCookie: ioc_session={session}\r\n\r\n",
        server.address,
        server.origin(),
    );
    stream.write_all(head.as_bytes()).await.expect("sends");
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 101");
    let sub = json!({ "t": "sub", "topics": ["state", "alerts"], "hz": 10 }).to_string();
    // One masked text frame; a mask of zeros leaves the text as it is.
    let mut frame = vec![0x81, 0x80 | sub.len() as u8, 0, 0, 0, 0];
    frame.extend_from_slice(sub.as_bytes());
    stream.write_all(&frame).await.expect("sends");
    stream
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deaf_screen_is_closed_and_holds_nobody_up() {
    const DEVICES: usize = 60_000;
    let small = |c: &mut DashboardConfig| {
        (c.send_timeout_s, c.send_buffer_bytes) = (2, 16 * 1_024);
    };
    let server = Server::with(DEVICES, small).await;
    let session = server.session(Role::Viewer).await;
    let deaf = deaf_socket(&server, &session).await;
    let mut good = server.socket(&session).await;
    good.say(&json!({ "t": "sub", "topics": ["state", "alerts"], "hz": 10 })).await;
    assert_eq!(good.frame(0).await.rows.len(), DEVICES);

    let client = server.client(Role::Viewer).await;
    let mut worst = Duration::ZERO;
    let mut n = 0;
    loop {
        n += 1;
        server.live.apply(&reading("air-000", NOON + n as i64, &[("pm25", n as f64)]));
        let row = alert(n, "air-000", Severity::Major);
        server.alerts.put(row.clone());
        let start = Instant::now();
        server.live.alerts_changed(&[row]);
        while good.json("alerts").await["change"] != n {}
        worst = worst.max(start.elapsed());
        let (_, status) = client.get("/api/v1/status").await;
        if status["dashboard"]["sockets_closed_slow"] == 1 {
            break;
        }
        assert!(n < 100_000, "the deaf socket was never closed");
    }
    println!("{n} alerts beside a deaf socket, slowest {worst:?}");
    assert!(worst < Duration::from_secs(1), "{worst:?}");
    drop(deaf);
    server.stop().await;
}

#[tokio::test]
async fn a_taken_port_is_an_error() {
    let server = Server::start().await;
    let config = DashboardConfig { listen: server.address, ..DashboardConfig::default() };
    let other = Server::start().await;
    let parts = other.parts();
    let taken = Dashboard::bind(config, parts).map(drop);
    assert!(matches!(taken, Err(DashboardError::Listen { .. })), "{taken:?}");
    server.stop().await;
    other.stop().await;
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let zero = DashboardConfig { max_sockets: 0, ..DashboardConfig::default() };
    assert!(zero.check().is_err());
    let star = DashboardConfig { allowed_origins: vec!["*".into()], ..DashboardConfig::default() };
    assert!(star.check().is_err());
    let unknown: Result<DashboardConfig, _> = serde_json::from_str(r#"{"max_socket": 1}"#);
    assert!(unknown.is_err());
    let empty: DashboardConfig = serde_json::from_str("{}").expect("defaults");
    assert_eq!(empty, DashboardConfig::default());
    assert!(empty.check().is_ok());
}
