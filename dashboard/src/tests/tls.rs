//! TLS of our own.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::testing::{Server, WAIT, answer};
use crate::{Dashboard, DashboardConfig, DashboardTlsConfig, Role};

/// A server over TLS beside a plain one, whose users and data it shares.
struct Https {
    plain: Server,
    address: SocketAddr,
    redirect: SocketAddr,
    used: Arc<Mutex<Arc<ServerConfig>>>,
    stop: CancellationToken,
    run: tokio::task::JoinHandle<Result<(), crate::DashboardError>>,
}

/// A certificate for itself, and its PEM for who is to believe it.
fn certificate() -> (Arc<ServerConfig>, reqwest::Certificate) {
    let made = generate_simple_self_signed(["localhost".into(), "127.0.0.1".into()]);
    let CertifiedKey { cert, signing_key } = made.expect("made");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).expect("a key");
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("a version")
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .expect("a pair");
    let believed = reqwest::Certificate::from_pem(cert.pem().as_bytes()).expect("PEM");
    (Arc::new(config), believed)
}

impl Https {
    async fn start(certificate: Arc<ServerConfig>, handshake_timeout_ms: u64) -> Self {
        let plain = Server::start().await;
        let used = Arc::new(Mutex::new(certificate));
        let shown = Arc::clone(&used);
        let mut parts = plain.parts();
        parts.tls = Some(Arc::new(move || Arc::clone(&shown.lock().expect("no panic"))));
        let mut config = DashboardConfig {
            tls: Some(DashboardTlsConfig {
                // Read by who hands the certificates in.
                certificate_file: "server.pem".into(),
                key_file: "server.key".into(),
                tls12: false,
                handshake_timeout_ms,
                redirect_from: Some(([127, 0, 0, 1], 0).into()),
            }),
            ..DashboardConfig::default()
        };
        config.listen.set_port(0);
        let (dashboard, address) = Dashboard::bind(config, parts).expect("binds");
        let redirect = dashboard.redirects_from().expect("an address");
        let (stop, tracker) = (CancellationToken::new(), TaskTracker::new());
        let run = tracker.spawn(dashboard.run(tracker.clone(), stop.clone()));
        Self { plain, address, redirect, used, stop, run }
    }

    async fn stop(self) {
        self.stop.cancel();
        let ended = tokio::time::timeout(WAIT, self.run).await.expect("ends in time");
        ended.expect("no panic").expect("no error");
        self.plain.stop().await;
    }

    fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.address)
    }
}

fn client(believed: &reqwest::Certificate) -> reqwest::Client {
    let client = reqwest::Client::builder().add_root_certificate(believed.clone());
    let client = client.redirect(reqwest::redirect::Policy::none()).timeout(WAIT);
    client.tls_built_in_root_certs(false).build().expect("builds")
}

#[tokio::test]
async fn over_tls_pages_carry_hsts_and_the_origin_is_https() {
    let (certificate, believed) = certificate();
    let server = Https::start(certificate, 5_000).await;
    let session = server.plain.session(Role::Viewer).await;
    let http = client(&believed);
    let page = http.get(server.url("/healthz")).send().await.expect("answers");
    assert_eq!(page.status(), 200);
    let hsts = page.headers()["strict-transport-security"].to_str().expect("text");
    assert_eq!(hsts, "max-age=31536000; includeSubDomains");
    for (name, status) in [("__Host-ioc", 200), ("ioc_session", 401)] {
        let ask = http.get(server.url("/api/v1/session"));
        let ask = ask.header("cookie", format!("{name}={session}"));
        assert_eq!(answer(ask).await.0, status, "{name}");
    }
    for (scheme, code) in [("http", "origin_refused"), ("https", "wrong_credentials")] {
        let ask = http.post(server.url("/api/v1/session"));
        let ask = ask.header("origin", format!("{scheme}://{}", server.address));
        let ask = ask.header("x-ioc-request", "1").header("content-type", "application/json");
        let (_, body) = answer(ask.body(r#"{"user":"a","password":"b"}"#)).await;
        assert_eq!(body["code"], code, "{scheme}");
    }
    server.stop().await;
}

#[tokio::test]
async fn nothing_is_answered_in_clear_on_the_tls_port() {
    let (certificate, _) = certificate();
    let server = Https::start(certificate, 5_000).await;
    let mut stream = TcpStream::connect(server.address).await.expect("connects");
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.expect("sends");
    let mut got = Vec::new();
    let _ = tokio::time::timeout(WAIT, stream.read_to_end(&mut got)).await.expect("it ends");
    // An alert at most (RFC 8446, 6).
    assert!(got.is_empty() || got[0] == 21, "{got:?}");
    server.stop().await;
}

#[tokio::test]
async fn another_certificate_is_used_from_the_next_handshake_on() {
    let ((first, old), (second, new)) = (certificate(), certificate());
    let server = Https::start(first, 5_000).await;
    let (knows_old, knows_new) = (client(&old), client(&new));
    let reaches = async |client: &reqwest::Client| {
        client.get(server.url("/healthz")).header("connection", "close").send().await.is_ok()
    };
    assert!(reaches(&knows_old).await && !reaches(&knows_new).await);
    *server.used.lock().expect("no panic") = second;
    assert!(!reaches(&knows_old).await && reaches(&knows_new).await);
    server.stop().await;
}

#[tokio::test]
async fn a_handshake_that_does_not_end_is_not_waited_for() {
    let (certificate, believed) = certificate();
    let server = Https::start(certificate, 300).await;
    for words in [&b""[..], &[22, 3, 1, 2, 0, 1, 0, 1, 252]] {
        let mut stream = TcpStream::connect(server.address).await.expect("connects");
        stream.write_all(words).await.expect("sends");
        let mut got = Vec::new();
        let _ = tokio::time::timeout(WAIT, stream.read_to_end(&mut got)).await.expect("it ends");
        assert_eq!(got, b"");
    }
    let metrics = client(&believed).get(server.url("/metrics")).send().await.expect("answers");
    let metrics = metrics.text().await.expect("text");
    assert!(metrics.contains("ioc_dashboard_tls_failures_total 2\n"), "{metrics}");
    server.stop().await;
}

#[tokio::test]
async fn the_plain_address_sends_pages_on_and_takes_nothing() {
    let (certificate, believed) = certificate();
    let server = Https::start(certificate, 5_000).await;
    let http = client(&believed);
    let ask = |method: &str, path: &str| {
        let method = method.parse().expect("a method");
        http.request(method, format!("http://{}{path}", server.redirect))
    };
    let page = ask("GET", "/?view=map").header("accept", "text/html").send().await;
    let page = page.expect("answers");
    assert_eq!(page.status(), 308);
    let target = page.headers()["location"].to_str().expect("text");
    assert_eq!(target, format!("https://127.0.0.1:{}/", server.address.port()));
    assert!(!page.headers().contains_key("strict-transport-security"));
    for (method, path) in [
        ("GET", "/api/v1/session"),
        ("POST", "/api/v1/session"),
        ("POST", "/"),
        ("GET", "/signin?token=secret"),
        ("HEAD", "/"),
    ] {
        let (status, body) = answer(ask(method, path).header("accept", "text/html")).await;
        assert_eq!(status, 403, "{method} {path}");
        assert!(method == "HEAD" || body["code"] == json!("https_needed"), "{method} {path}");
    }
    let program = answer(ask("GET", "/")).await;
    assert_eq!(program.0, 403, "a program that does not ask for a page");
    for host in ["evil.example/x", "a b", "a@b", ""] {
        let odd = format!("GET / HTTP/1.1\r\nHost: {host}\r\nAccept: text/html\r\n\r\n");
        let mut stream = TcpStream::connect(server.redirect).await.expect("connects");
        stream.write_all(odd.as_bytes()).await.expect("sends");
        let mut got = String::new();
        let _ = tokio::time::timeout(WAIT, stream.read_to_string(&mut got)).await.expect("ends");
        assert!(got.starts_with("HTTP/1.1 400 "), "{host}: {got}");
    }
    server.stop().await;
}
