//! Requests that no browser sends.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::Role;
use crate::testing::{Server, WAIT, answer};

/// Sends bytes and reads until the server closes or `most` bytes have come.
async fn raw(server: &Server, bytes: &[u8], most: usize) -> String {
    let mut stream = TcpStream::connect(server.address).await.expect("connects");
    // The server may have refused and closed before all is sent.
    let _ = stream.write_all(bytes).await;
    let mut got = Vec::new();
    let mut part = [0; 4_096];
    loop {
        let read = tokio::time::timeout(WAIT, stream.read(&mut part)).await.expect("it ends");
        match read {
            Ok(n) if n > 0 => got.extend_from_slice(&part[..n]),
            _ => break,
        }
        if got.len() >= most {
            break;
        }
    }
    String::from_utf8_lossy(&got).into_owned()
}

/// Status and code of the one answer, after which the connection is closed.
async fn refused(server: &Server, request: &str) -> (u16, String) {
    let got = raw(server, request.as_bytes(), usize::MAX).await;
    assert_eq!(got.matches("HTTP/1.1 ").count(), 1, "one answer to {request:?}: {got}");
    let status = got.get(9..12).and_then(|s| s.parse().ok()).unwrap_or(0);
    let code = got.split(r#""code":""#).nth(1).and_then(|c| c.split('"').next()).unwrap_or("");
    (status, code.to_owned())
}

/// What a smuggler hopes is read as a request of its own.
const SMUGGLED: &str = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";

#[tokio::test]
async fn what_two_servers_could_read_differently_is_refused_and_the_connection_closed() {
    let server = Server::start().await;
    let host = "Host: localhost\r\n";
    let cases: [(String, u16, &str); 19] = [
        (
            format!(
                "POST /api/v1/session HTTP/1.1\r\n{host}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{SMUGGLED}"
            ),
            411,
            "length_needed",
        ),
        (
            format!(
                "POST /api/v1/session HTTP/1.1\r\n{host}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n{SMUGGLED}"
            ),
            411,
            "length_needed",
        ),
        (
            format!(
                "POST /api/v1/session HTTP/1.1\r\n{host}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n{SMUGGLED}"
            ),
            411,
            "length_needed",
        ),
        (
            format!(
                "POST /api/v1/session HTTP/1.1\r\n{host}Transfer-Encoding: chunked, identity\r\n\r\n{SMUGGLED}"
            ),
            400,
            "",
        ),
        (
            format!(
                "POST /api/v1/session HTTP/1.1\r\n{host}Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n{SMUGGLED}"
            ),
            400,
            "",
        ),
        (
            format!(
                "POST /api/v1/session HTTP/1.0\r\n{host}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n{SMUGGLED}"
            ),
            400,
            "",
        ),
        (
            format!(
                "POST /api/v1/session HTTP/1.1\r\n{host}Content-Length: 0\r\nContent-Length: 44\r\n\r\n{SMUGGLED}"
            ),
            400,
            "",
        ),
        (
            format!(
                "POST /api/v1/session HTTP/1.1\r\n{host}Content-Length: 0, 0\r\n\r\n{SMUGGLED}"
            ),
            400,
            "",
        ),
        (
            format!("POST /api/v1/session HTTP/1.1\r\n{host}Content-Length: +0\r\n\r\n{SMUGGLED}"),
            400,
            "",
        ),
        (
            format!("POST /api/v1/session HTTP/1.1\r\n{host}Content-Length: -1\r\n\r\n{SMUGGLED}"),
            400,
            "",
        ),
        (format!("GET /healthz HTTP/1.1\r\n{host}X-A: b\r\n folded: c\r\n\r\n{SMUGGLED}"), 400, ""),
        (format!("GET /healthz HTTP/1.1\r\n{host}Bad Name: c\r\n\r\n{SMUGGLED}"), 400, ""),
        (
            format!("GET /healthz HTTP/1.1\r\n{host}Host: evil.example\r\n\r\n{SMUGGLED}"),
            400,
            "bad_host",
        ),
        (format!("GET /healthz HTTP/1.1\r\nX: y\r\n\r\n{SMUGGLED}"), 400, "bad_host"),
        (
            format!("GET http://localhost/healthz HTTP/1.1\r\n{host}\r\n{SMUGGLED}"),
            400,
            "bad_target",
        ),
        (
            format!("CONNECT localhost:443 HTTP/1.1\r\n{host}\r\n{SMUGGLED}"),
            405,
            "method_not_allowed",
        ),
        (format!("TRACE / HTTP/1.1\r\n{host}\r\n{SMUGGLED}"), 405, "method_not_allowed"),
        (format!("OPTIONS * HTTP/1.1\r\n{host}\r\n{SMUGGLED}"), 405, "method_not_allowed"),
        (
            format!("GET /healthz HTTP/1.1\r\n{host}Content-Encoding: gzip\r\n\r\n{SMUGGLED}"),
            415,
            "encoded_body",
        ),
    ];
    for (request, status, code) in &cases {
        assert_eq!(refused(&server, request).await, (*status, (*code).to_owned()), "{request:?}");
    }
    // The same with nothing wrong: two requests, two answers.
    let two = format!("{SMUGGLED}GET /healthz HTTP/1.1\r\n{host}Connection: close\r\n\r\n");
    assert_eq!(raw(&server, two.as_bytes(), usize::MAX).await.matches("HTTP/1.1 200").count(), 2);
    server.stop().await;
}

#[tokio::test]
async fn heads_have_a_size_and_a_number_of_fields() {
    let server = Server::start().await;
    let path = format!("GET /healthz?{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "a".repeat(8_200));
    assert_eq!(refused(&server, &path).await, (414, "too_long".into()));
    let large = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX-A: {}\r\n\r\n", "a".repeat(17_000));
    assert_eq!(refused(&server, &large).await.0, 431);
    let many: String = (0..65).map(|i| format!("X-{i}: a\r\n")).collect();
    let many = format!("GET / HTTP/1.1\r\nHost: localhost\r\n{many}\r\n");
    assert_eq!(refused(&server, &many).await.0, 431);
    server.stop().await;
}

fn post(path: &str, server: &Server, length: u64) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: {0}\r\nOrigin: http://{0}\r\nX-IOC-Request: 1\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n",
        server.address
    )
}

#[tokio::test]
async fn a_body_that_is_announced_as_too_large_is_not_read() {
    let server = Server::start().await;
    let got = refused(&server, &post("/api/v1/session", &server, 20_000_000_000)).await;
    assert_eq!(got, (413, "too_large".into()));
    server.stop().await;
}

#[tokio::test]
async fn a_body_that_comes_byte_by_byte_is_not_waited_for() {
    let server = Server::start().await;
    let mut stream = TcpStream::connect(server.address).await.expect("connects");
    stream.write_all(post("/api/v1/session", &server, 60_000).as_bytes()).await.expect("sends");
    let (mut read, mut write) = stream.into_split();
    let drip = async {
        // As long as the server takes them.
        while write.write_all(b" ").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let mut got = Vec::new();
    let ended = async {
        let _ = tokio::time::timeout(WAIT, read.read_to_end(&mut got)).await.expect("it ends");
    };
    tokio::select! { () = drip => {}, () = ended => {} }
    let got = String::from_utf8_lossy(&got);
    assert!(got.starts_with("HTTP/1.1 408 ") && got.contains("too_slow"), "{got}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_connections_make_room_for_those_that_ask() {
    let server = Server::with(1, |c| c.max_connections = 64).await;
    // Ten times as many as there are places; none ever asks.
    let mut idle = Vec::new();
    for i in 0..640 {
        idle.push(TcpStream::connect(server.address).await.expect("connects"));
        if i % 64 == 63 {
            let client = server.stranger();
            let start = std::time::Instant::now();
            let status = client.request("GET", "/healthz").send().await.expect("answers").status();
            assert_eq!(status, 200, "beside {} idle connections", i + 1);
            assert!(start.elapsed() < WAIT / 4, "it waited for the head timeout of others");
        }
    }
    let (_, status) = server.client(Role::Viewer).await.get("/api/v1/status").await;
    let closed = status["dashboard"]["connections_closed_early"].as_u64().expect("counted");
    assert!(closed >= 576, "{closed} closed");
    server.stop().await;
}

#[tokio::test]
async fn bodies_that_are_no_plain_json_are_refused_on_every_route() {
    let server = Server::start().await;
    let client = server.client(Role::Operator).await;
    let deep = "[".repeat(100) + &"]".repeat(100);
    let bodies = [
        r#"{"user":"a","password":"b","user":"c"}"#.to_owned(),
        r#"{"user":"a\u0000","password":"b"}"#.to_owned(),
        format!(r#"{{"user":{deep},"password":"b"}}"#),
        format!(r#"{{"user":"{}","password":"b"}}"#, "a".repeat(5_000)),
    ];
    for body in bodies {
        for path in ["/api/v1/session", "/api/v1/holds"] {
            let request = client.change("POST", path, &json!(null)).body(body.clone());
            let (status, answer) = answer(request).await;
            assert_eq!((status, &answer["code"]), (400, &json!("bad_body")), "{path} {body:.60}");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn what_the_browser_says_of_the_asking_site_counts() {
    let server = Server::start().await;
    let client = server.client(Role::Viewer).await;
    let ask = async |path: &str, site: &str| {
        let (status, body) =
            answer(client.request("GET", path).header("sec-fetch-site", site)).await;
        (status, body["code"].as_str().unwrap_or("").to_owned())
    };
    let other = (403, "cross_site".to_owned());
    for path in ["/api/v1/city", "/api/v1/session", "/api/v1/history/series", "/metrics"] {
        for site in ["cross-site", "same-site", "nonsense", ""] {
            assert_eq!(ask(path, site).await, other, "{path} {site:?}");
        }
        for site in ["same-origin", "none"] {
            assert_eq!(ask(path, site).await.0, 200, "{path} {site}");
        }
    }
    // A link to the page from elsewhere must work.
    for path in ["/", "/signin?token=x", "/healthz"] {
        assert_ne!(ask(path, "cross-site").await, other, "{path}");
    }
    for site in ["cross-site", "same-site", "none"] {
        let change = client.change("DELETE", "/api/v1/session", &json!(null));
        let (status, body) = answer(change.header("sec-fetch-site", site)).await;
        assert_eq!((status, &body["code"]), (403, &json!("cross_site")), "{site}");
    }
    assert_eq!(client.get("/api/v1/session").await.0, 200, "still signed in");
    server.stop().await;
}

#[tokio::test]
async fn reports_of_the_browser_are_taken_from_anybody_and_counted() {
    let server = Server::start().await;
    let report = json!({ "csp-report": { "violated-directive": "script-src" } }).to_string();
    for kind in ["application/csp-report", "application/reports+json"] {
        let request = server.stranger().request("POST", "/api/v1/csp");
        let request = request.header("content-type", kind).header("origin", "null");
        assert_eq!(answer(request.body(report.clone())).await.0, 204);
    }
    let large = server.stranger().request("POST", "/api/v1/csp").body("x".repeat(9_000));
    assert_eq!(answer(large).await.0, 413);
    let client = server.client(Role::Viewer).await;
    let page = client.request("GET", "/healthz").send().await.expect("answers");
    let csp = page.headers()["content-security-policy"].to_str().expect("text");
    assert!(csp.contains("report-uri /api/v1/csp; report-to csp"), "{csp}");
    assert_eq!(page.headers()["reporting-endpoints"], "csp=\"/api/v1/csp\"");
    let (_, status) = client.get("/api/v1/status").await;
    assert_eq!(status["dashboard"]["csp_reports"], 3);
    server.stop().await;
}

#[tokio::test]
async fn signing_out_clears_what_the_browser_has_kept() {
    let server = Server::start().await;
    let client = server.client(Role::Viewer).await;
    let out = client.change("DELETE", "/api/v1/session", &json!(null));
    let out = out.send().await.expect("answers");
    assert_eq!(out.headers()["clear-site-data"], "\"cache\", \"storage\"");
    server.stop().await;
}
