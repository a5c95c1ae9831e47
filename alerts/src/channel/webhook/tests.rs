//! What goes out, and where it may not go.

use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::channel::testing;
use crate::notify::Report;

fn settings(yaml: &str) -> WebhookSettings {
    serde_saphyr::from_str(yaml).expect("YAML")
}

/// Answers each lookup with the next list; the last one stays.
struct FakeLookup {
    answers: Mutex<VecDeque<Vec<IpAddr>>>,
    asked: Mutex<Vec<String>>,
}

impl FakeLookup {
    fn new<const N: usize>(answers: [&[&str]; N]) -> Arc<Self> {
        let parse = |list: &[&str]| list.iter().map(|a| a.parse().expect("an address")).collect();
        let answers = Mutex::new(answers.into_iter().map(parse).collect());
        Arc::new(Self { answers, asked: Mutex::default() })
    }

    fn asked(&self) -> usize {
        self.asked.lock().expect("no panic").len()
    }
}

#[async_trait]
impl Lookup for FakeLookup {
    async fn addresses(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        self.asked.lock().expect("no panic").push(host.to_owned());
        let mut answers = self.answers.lock().expect("no panic");
        let next = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
        Ok(next.unwrap_or_default())
    }
}

/// A server that gives these answers and keeps the requests.
struct Server {
    port: u16,
    requests: Arc<Mutex<Vec<String>>>,
}

async fn server(answer: impl Into<String>) -> Server {
    let answer = answer.into();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let requests: Arc<Mutex<Vec<String>>> = Arc::default();
    let kept = Arc::clone(&requests);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let mut bytes = Vec::new();
            let mut buffer = [0; 4096];
            loop {
                let n = stream.read(&mut buffer).await.expect("reads");
                bytes.extend_from_slice(&buffer[..n]);
                let text = String::from_utf8_lossy(&bytes).into_owned();
                let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                let length = head.lines().find_map(|l| {
                    l.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok()
                });
                if n == 0 || body.len() >= length.unwrap_or(0) {
                    kept.lock().expect("no panic").push(text.clone());
                    break;
                }
            }
            // The client may have gone; that is its affair.
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    Server { port, requests }
}

impl Server {
    fn webhook(&self, more: &str) -> Webhook {
        let yaml = format!(
            "{{ url: 'http://127.0.0.1:{}/x?key=q', allow_http: true, allow_networks: [127.0.0.0/8], {more} }}",
            self.port
        );
        Webhook::new(&settings(&yaml), &testing::surroundings(), FakeLookup::new([&[]]))
            .expect("right")
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("no panic").clone()
    }
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[tokio::test]
async fn it_posts_signed_json_under_the_delivery_id() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let file = dir.path().join("key");
    std::fs::write(&file, "top secret\n").expect("writes");
    let s = server(OK).await;
    let more = format!("signing: {{ secret_file: '{}' }}", file.display());
    let n = testing::notification(&["raise"]);
    let sent = s.webhook(&more).send(&n).await.expect("taken");
    assert_eq!(sent.answer, "200 ok");
    let request = s.requests().remove(0);
    let (head, body) = request.split_once("\r\n\r\n").expect("a head");
    let header = |name: &str| {
        let line = head.lines().find(|l| l.to_ascii_lowercase().starts_with(&format!("{name}: ")));
        line.and_then(|l| l.split_once(": ")).expect("the header").1.to_owned()
    };
    assert!(head.starts_with("POST /x?key=q HTTP/1.1"));
    assert_eq!(header("idempotency-key"), n.id);
    let timestamp: i64 = header("x-ioc-timestamp").parse().expect("seconds");
    assert_eq!(timestamp, 1_761_717_600);
    // An independent implementation: Python's hmac.
    let script = "import hmac,sys;print('v1='+hmac.new(sys.argv[1].encode(),sys.argv[2].encode(),'sha256').hexdigest())";
    let signed = format!("{timestamp}.{body}");
    let python = std::process::Command::new("python3")
        .args(["-c", script, "top secret", &signed])
        .output()
        .expect("python3 is installed");
    let expect = String::from_utf8_lossy(&python.stdout);
    assert_eq!(header("x-ioc-signature"), expect.trim());
}

#[test]
fn the_signature_is_hmac_sha256_of_time_and_body() {
    // Computed with `printf '1700000000.{}' | openssl dgst -sha256 -hmac key`.
    let expect = "v1=9d713ed406bb7076d4123f0dc2c39d2df5c654ed4b0cd56b52c8b4c940bd63ae";
    assert_eq!(signature(&Secret::new("key"), 1_700_000_000, "{}"), expect);
}

#[tokio::test]
async fn refusals_are_final_but_not_those_that_pass() {
    for (status, permanent) in [
        (400, true),
        (401, true),
        (404, true),
        (410, true),
        (408, false),
        (425, false),
        (429, false),
        (500, false),
        (503, false),
    ] {
        let answer =
            format!("HTTP/1.1 {status} X\r\nRetry-After: 7\r\nContent-Length: 5\r\n\r\nno\r\n!");
        let s = server(answer).await;
        let e = s.webhook("").send(&testing::notification(&["raise"])).await.expect_err("refused");
        assert_eq!(e.permanent, permanent, "{status}");
        assert_eq!(e.retry_after, Some(Duration::from_secs(7)));
        assert_eq!(e.answer, format!("{status} no\u{fffd}\u{fffd}!"));
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let s = server("HTTP/1.1 307 X\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n")
        .await;
    let e = s.webhook("").send(&testing::notification(&["raise"])).await.expect_err("not taken");
    assert!(e.answer.starts_with("307") && !e.permanent, "{e:?}");
    assert_eq!(s.requests().len(), 1);
}

#[tokio::test]
async fn an_endless_answer_is_read_up_to_64_kib() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 4000000\r\n\r\n";
    let s = server(format!("{head}{}", "x".repeat(300_000))).await;
    let sent = s.webhook("").send(&testing::notification(&["raise"])).await.expect("200 is 200");
    assert_eq!(sent.answer.chars().count(), 500);
}

#[tokio::test]
async fn a_token_stays_out_of_targets_answers_and_errors() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let file = dir.path().join("token");
    std::fs::write(&file, "123:ABC-secret").expect("writes");
    let s = server("HTTP/1.1 401 X\r\nContent-Length: 25\r\n\r\nbad token: 123:ABC-secret").await;
    let yaml = format!(
        "{{ url: 'http://127.0.0.1:{}/bot{{{{token}}}}/send?a=1', allow_http: true,
           allow_networks: [127.0.0.1], token: {{ secret_file: '{}' }} }}",
        s.port,
        file.display()
    );
    let settings = settings(&yaml);
    let webhook =
        Webhook::new(&settings, &testing::surroundings(), FakeLookup::new([&[]])).expect("right");
    assert_eq!(webhook.target(), format!("http://127.0.0.1:{}/bot{{{{token}}}}/send", s.port));
    let e = webhook.send(&testing::notification(&["raise"])).await.expect_err("refused");
    assert!(s.requests()[0].starts_with("POST /bot123:ABC-secret/send?a=1 "));
    assert_eq!(e.answer, "401 bad token: …");
    let gone = yaml.replace(&s.port.to_string(), "1");
    let settings = super::tests::settings(&gone);
    let webhook =
        Webhook::new(&settings, &testing::surroundings(), FakeLookup::new([&[]])).expect("right");
    let e = webhook.send(&testing::notification(&["raise"])).await.expect_err("nobody listens");
    assert!(!e.answer.contains("secret") && !e.answer.contains("/bot"), "{e:?}");
    assert!(e.answer.contains("refused") && !e.permanent, "{e:?}");
}

/// Addresses that must never be reached, however they are written.
const TRICKY: [&str; 62] = [
    "https://127.0.0.1/",
    "https://127.1/",
    "https://127.0.1/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0x7f.0.0.1/",
    "https://0177.0.0.1/",
    "https://017700000001/",
    "https://127.0.0.1./",
    "https://127.255.255.254/",
    "https://0/",
    "https://0.0.0.0/",
    "https://0.1.2.3/",
    "https://10.0.0.1/",
    "https://10.255.255.255/",
    "https://172.16.0.1/",
    "https://172.31.255.255/",
    "https://192.168.1.1/",
    "https://169.254.169.254/",
    "https://169.254.169.254/latest/meta-data/",
    "https://2852039166/",
    "https://0xa9fea9fe/",
    "https://0251.0376.0251.0376/",
    "https://100.64.0.1/",
    "https://100.100.100.200/",
    "https://100.127.255.255/",
    "https://168.63.129.16/",
    "https://192.0.0.192/",
    "https://192.0.2.1/",
    "https://198.18.0.1/",
    "https://198.51.100.7/",
    "https://203.0.113.9/",
    "https://224.0.0.1/",
    "https://239.255.255.255/",
    "https://240.0.0.1/",
    "https://255.255.255.255/",
    "https://%31%32%37.0.0.1/",
    "https://１２７.０.０.１/",
    "https://127。0。0。1/",
    "https://[::1]/",
    "https://[::]/",
    "https://[0:0:0:0:0:0:0:1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/",
    "https://[::ffff:169.254.169.254]/",
    "https://[::ffff:10.0.0.1]/",
    "https://[::127.0.0.1]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[64:ff9b:1::1]/",
    "https://[2002:7f00:1::]/",
    "https://[2001:0:7f00:1::]/",
    "https://[fe80::1]/",
    "https://[fc00::1]/",
    "https://[fd00:ec2::254]/",
    "https://[fec0::1]/",
    "https://[ff02::1]/",
    "https://[100::1]/",
    "https://[2001:db8::1]/",
    "https://[3fff::1]/",
    "https://[5f00::1]/",
    "https://[::ffff:0:127.0.0.1]/",
    "https://[2001:2::1]/",
];

/// Addresses whose form is not allowed.
const MALFORMED: [&str; 16] = [
    "http://example.com/",
    "ftp://example.com/",
    "file:///etc/passwd",
    "gopher://127.0.0.1/",
    "https://user@example.com/",
    "https://example.com:80@127.0.0.1/",
    "https://127.0.0.1#@example.com/",
    "https://example.com/#x",
    "https:\\\\127.0.0.1/",
    "https://exa\tmple.com/",
    "https://127.0.0.1\\@example.com/",
    " https://example.com/",
    "https://",
    "//example.com/",
    "javascript:alert(1)",
    "https://example.com/a b",
];

#[test]
fn tricky_addresses_are_mistakes_of_the_configuration() {
    for url in TRICKY.into_iter().chain(MALFORMED) {
        let yaml = serde_json::json!({ "url": url }).to_string();
        let mut report = Report::default();
        settings(&yaml).check(&mut report);
        assert!(!report.errors.is_empty(), "{url} is let through");
    }
    for url in [
        "https://example.com/",
        "https://8.8.8.8/",
        "https://[2606:4700::1111]/",
        "https://a.vn:8443/x?y=z",
    ] {
        let mut report = Report::default();
        settings(&format!("{{ url: '{url}' }}")).check(&mut report);
        assert_eq!(report.errors, [], "{url}");
    }
}

#[tokio::test]
async fn a_name_that_leads_inside_is_refused_before_any_connection() {
    let inside = TRICKY.iter().filter_map(|url| {
        let host = reqwest::Url::parse(url).ok()?.host_str()?.to_owned();
        host.trim_matches(['[', ']']).parse::<IpAddr>().ok()
    });
    let mut tried = 0;
    for address in inside {
        let text = address.to_string();
        let lookup = FakeLookup::new([&[&text]]);
        let yaml = settings("{ url: 'https://innocent.example/' }");
        let webhook = Webhook::new(&yaml, &testing::surroundings(), lookup.clone()).expect("right");
        let e = webhook.send(&testing::notification(&["raise"])).await.expect_err("refused");
        assert!(e.answer.contains("refused to connect to"), "{address}: {e:?}");
        assert_eq!(lookup.asked(), 1);
        tried += 1;
    }
    assert!(tried >= 55, "{tried}");
}

#[tokio::test]
async fn one_bad_address_spoils_a_name() {
    let lookup = FakeLookup::new([&["8.8.8.8", "127.0.0.1"]]);
    let yaml = settings("{ url: 'https://innocent.example/' }");
    let webhook = Webhook::new(&yaml, &testing::surroundings(), lookup).expect("right");
    let e = webhook.send(&testing::notification(&["raise"])).await.expect_err("refused");
    assert!(e.answer.contains("127.0.0.1 (loopback)"), "{e:?}");
}

#[tokio::test]
async fn a_name_is_looked_up_once_and_a_flip_cannot_lead_inside() {
    // The first answer is allowed and is where the server listens; every later one would be inside.
    let s = server(OK).await;
    let lookup = FakeLookup::new([&["127.0.0.1"], &["127.0.0.2"], &["169.254.169.254"]]);
    let yaml = format!(
        "{{ url: 'http://flip.example:{}/', allow_http: true, allow_networks: [127.0.0.1/32] }}",
        s.port
    );
    let webhook =
        Webhook::new(&settings(&yaml), &testing::surroundings(), lookup.clone()).expect("right");
    webhook.send(&testing::notification(&["raise"])).await.expect("the judged address is used");
    assert_eq!(lookup.asked(), 1, "no second lookup");
    assert_eq!(s.requests().len(), 1);
    for _ in 0..2 {
        let e = webhook.send(&testing::notification(&["raise"])).await.expect_err("flipped");
        assert!(e.answer.contains("refused to connect to"), "{e:?}");
    }
    assert_eq!(s.requests().len(), 1, "nothing went inside");
}

#[test]
fn an_allowed_network_lets_through_nothing_else() {
    let guard = Guard::new(vec![Network::parse("10.1.2.0/24").expect("a network")]);
    let judge = |ip: &str| guard.judge(ip.parse().expect("an address")).is_ok();
    assert!(judge("10.1.2.9") && judge("::ffff:10.1.2.9") && judge("8.8.8.8"));
    assert!(!judge("10.1.3.9") && !judge("127.0.0.1") && !judge("::1"));
    let all = Guard::new(vec![Network::parse("0.0.0.0/0").expect("a network")]);
    assert!(all.judge("127.0.0.1".parse().expect("an address")).is_ok());
    assert!(all.judge("::1".parse().expect("an address")).is_err());
    assert!(Network::parse("10.0.0.0/33").is_none() && Network::parse("x").is_none());
}
