//! E-mail against a real server: aiosmtpd (Debian python3-aiosmtpd, see tests/install-deps.sh),
//! with STARTTLS and certificates of our own (openssl). What arrived is taken apart by Python's
//! `email` module.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;

use ioc_alerts::channel::email::{EmailChannel, EmailSettings, EmailSpec};
use ioc_alerts::channel::{Change, Channel, Language, Notification, SendError, Sent, Surroundings};
use ioc_model::{
    AlertId, AlertRow, City, Entity, Evidence, IncidentId, Severity, Text, Timestamp, Transition,
    TransitionKind,
};
use serde_json::Value;

const START: Timestamp = Timestamp(1_761_717_600_000);

/// A running mail server; it ends when this is dropped.
struct Server {
    child: Child,
    out: BufReader<ChildStdout>,
    port: u16,
}

impl Server {
    fn start(arguments: &[&str]) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/smtp_server.py");
        let mut child = Command::new("/usr/bin/python3")
            .arg(script)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // It tells of every handshake that was refused, as some tests want it.
            .stderr(Stdio::null())
            .spawn()
            .expect("Debian's python3 with aiosmtpd is installed (tests/install-deps.sh)");
        let mut out = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut port = String::new();
        out.read_line(&mut port).expect("the server says its port");
        let port = port.trim().parse().expect("a port (is python3-aiosmtpd installed?)");
        Self { child, out, port }
    }

    /// The next message it took.
    fn message(&mut self) -> Value {
        let mut line = String::new();
        self.out.read_line(&mut line).expect("the server lives");
        serde_json::from_str(&line).expect("a report")
    }

    /// Everything it took that was not asked for yet; ends it.
    fn rest(mut self) -> Vec<Value> {
        drop(self.child.stdin.take());
        let lines = std::mem::replace(&mut self.out, BufReader::new(unused_pipe()));
        lines.lines().map(|l| serde_json::from_str(&l.expect("text")).expect("a report")).collect()
    }
}

fn unused_pipe() -> ChildStdout {
    let mut child =
        Command::new("true").stdout(Stdio::piped()).spawn().expect("true is everywhere");
    let out = child.stdout.take().expect("a pipe");
    child.wait().expect("ends");
    out
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn alert() -> AlertRow {
    let entity = Entity::Device("gauge-1".into());
    let mut row = AlertRow::raised(&Transition {
        position: 1,
        alert: AlertId::new("bd3", &entity, START),
        rule: "bd3".into(),
        entity,
        device: Some("gauge-1".into()),
        area: "cam_le".into(),
        service: "river".into(),
        time: START,
        kind: TransitionKind::Raise,
        severity: Severity::Emergency,
        value: Some(2.6),
        limit: Some(2.5),
        unit: "m".into(),
        name: Text {
            vi: "Nước sông trên báo động III".into(), en: "River above III".into()
        },
        message: Text {
            vi: "Mực nước 2,6 m và đang lên".into(), en: "2.6 m, rising".into()
        },
        cause: "flood".into(),
        latched: false,
        evidence: Box::new(Evidence::default()),
    });
    row.incident = Some(IncidentId("incident-7".into()));
    row
}

fn notification(id: &str, reason: &str) -> Notification {
    let row = alert();
    Notification {
        id: id.into(),
        receiver: "duty".into(),
        route: "all".into(),
        group: "g".into(),
        reasons: vec![reason.into()],
        incident: None,
        changes: vec![Change {
            seq: 1,
            alert: row.id.clone(),
            reason: reason.into(),
            actor: "system".into(),
            at: START,
            severity: row.severity,
            note: None,
        }],
        alerts: vec![row],
        more: 0,
        at: START,
        test: false,
        language: Language::Vi,
    }
}

fn channel(port: u16, extra: &str) -> EmailChannel {
    let extra =
        if extra.contains("to:") { extra.into() } else { format!("to: [duty@d.vn], {extra}") };
    let from = if extra.contains("from:") {
        ""
    } else {
        "from: \"IOC Đà Nẵng <ioc@danang.gov.vn>\", "
    };
    let yaml = format!("{{host: 127.0.0.1, port: {port}, hello: ioc.test, {from}{extra}}}");
    let spec: EmailSpec = serde_saphyr::from_str(&yaml).expect("a spec");
    let around = Surroundings {
        city: Arc::new(City::default()),
        base_url: "https://ioc.example.vn".into(),
        clock: Arc::new(|| START),
    };
    EmailChannel::new(EmailSettings::new(&spec).expect("right settings"), around)
}

async fn send(channel: &EmailChannel, id: &str) -> Result<Sent, SendError> {
    channel.send(&notification(id, "raise")).await
}

fn header<'a>(message: &'a Value, name: &str) -> Option<&'a str> {
    let all = message["headers"].as_array().expect("headers");
    let mut found =
        all.iter().filter(|h| h[0].as_str().is_some_and(|n| n.eq_ignore_ascii_case(name)));
    let first = found.next().and_then(|h| h[1].as_str());
    assert!(found.next().is_none(), "two of {name}");
    first
}

#[tokio::test]
async fn a_message_arrives_with_its_words_and_headers() {
    let mut server = Server::start(&["plain"]);
    let to = "to: ['Trực ban <duty@d.vn>', chief@d.vn], tls: none";
    let sent = send(&channel(server.port, to), "d1").await.expect("sent");
    assert_eq!(sent.answer, "2.0.0 queued as 4711");
    let got = server.message();
    assert_eq!(got["from"], "ioc@danang.gov.vn");
    assert_eq!(got["to"], serde_json::json!(["duty@d.vn", "chief@d.vn"]));
    let subject = "[Khẩn cấp] Nước sông trên báo động III: gauge-1";
    let incident = "<incident.incident-7@danang.gov.vn>";
    for (name, value) in [
        ("Subject", subject),
        ("From", "IOC Đà Nẵng <ioc@danang.gov.vn>"),
        ("To", "Trực ban <duty@d.vn>, chief@d.vn"),
        ("Message-ID", "<d1@danang.gov.vn>"),
        ("References", incident),
        ("In-Reply-To", incident),
        ("Auto-Submitted", "auto-generated"),
        ("Content-Transfer-Encoding", "quoted-printable"),
        ("Content-Type", "text/plain; charset=\"utf-8\""),
        ("Date", "Wed, 29 Oct 2025 06:00:00 +0000"),
        ("MIME-Version", "1.0"),
    ] {
        assert_eq!(header(&got, name), Some(value), "{name}: {got:#}");
    }
    let body = got["body"].as_str().expect("a text");
    for line in [
        "Nước sông trên báo động III: gauge-1",
        "Việc: Mực nước 2,6 m và đang lên",
        "Giá trị: 2,6 m (ngưỡng 2,5 m)",
        "Mức độ: Khẩn cấp",
        "Từ lúc: 13:00 ngày 29/10/2025",
    ] {
        assert!(body.lines().any(|l| l == line), "{line} in {body}");
    }
    let link = format!("https://ioc.example.vn/a/{}", alert().id);
    assert!(body.contains(&link), "{body}");
    assert_eq!((&got["charset"], &got["ascii"]), (&"utf-8".into(), &true.into()));
    assert_eq!(got["defects"], serde_json::json!([]));
    assert!(
        got["longest"].as_u64().is_some_and(|n| n <= 998),
        "RFC 5322 2.1.1: {}",
        got["longest"]
    );
}

#[tokio::test]
async fn a_retry_is_the_same_message_and_an_incident_is_one_thread() {
    let mut server = Server::start(&["plain"]);
    let channel = channel(server.port, "tls: none");
    for (id, reason) in [("d1", "raise"), ("d1", "raise"), ("d2", "clear")] {
        channel.send(&notification(id, reason)).await.expect("sent");
    }
    let [first, again, clear] = [server.message(), server.message(), server.message()];
    assert_eq!(first, again);
    assert_ne!(header(&first, "Message-ID"), header(&clear, "Message-ID"));
    assert_eq!(header(&first, "References"), header(&clear, "References"));
}

#[tokio::test]
async fn the_answer_decides_between_again_and_never() {
    let server = Server::start(&["plain"]);
    for (who, permanent, says) in [
        ("from: busy@d.vn, to: [a@d.vn]", false, "come back"),
        ("from: banned@d.vn, to: [a@d.vn]", true, "not you"),
        ("to: [later@d.vn]", false, "greylisted"),
        ("to: [gone@d.vn]", true, "no such user"),
        ("to: [full@d.vn]", false, "disk full"),
        ("to: [spam@d.vn]", true, "looks like spam"),
        ("to: [gone@d.vn, later@d.vn]", false, "greylisted"),
    ] {
        let channel = channel(server.port, &format!("{who}, tls: none"));
        let error = send(&channel, "d1").await.expect_err(who);
        assert_eq!(error.permanent, permanent, "{who}: {error:?}");
        assert!(error.answer.contains(says), "{who}: {error:?}");
    }
    assert_eq!(server.rest(), [] as [Value; 0]);
}

#[tokio::test]
async fn one_bad_address_does_not_keep_the_others_from_it() {
    let mut server = Server::start(&["plain"]);
    let to = "to: [a@d.vn, gone@d.vn], tls: none";
    let sent = send(&channel(server.port, to), "d1").await.expect("one has it");
    assert!(sent.answer.contains("refused: gone@d.vn"), "{}", sent.answer);
    assert_eq!(server.message()["to"], serde_json::json!(["a@d.vn"]));
}

#[tokio::test]
async fn who_has_it_is_not_sent_it_again_while_another_waits() {
    let mut server = Server::start(&["plain"]);
    let channel = channel(server.port, "to: [a@d.vn, once@d.vn], tls: none");
    assert!(!send(&channel, "d1").await.expect_err("one waits").permanent);
    send(&channel, "d1").await.expect("now both have it");
    assert_eq!(server.message()["to"], serde_json::json!(["a@d.vn"]));
    assert_eq!(server.message()["to"], serde_json::json!(["once@d.vn"]));
    assert_eq!(server.rest().len(), 0);
}

#[tokio::test]
async fn hostile_texts_cannot_add_a_header_or_end_the_message() {
    let mut server = Server::start(&["plain"]);
    let evil = "x\r\nBcc: thief@d.vn\r\n\r\n.\r\nQUIT\r\n\u{0}\u{202e}=?utf-8?q?=0D=0ABcc:_a@b?=";
    let mut n = notification("d1\r\nX-Evil: 1", "raise");
    n.alerts[0].name = Text { vi: evil.into(), en: evil.into() };
    n.alerts[0].message = Text { vi: ".\r\n.\r\nQUIT".into(), en: String::new() };
    n.alerts[0].entity = Entity::Device(evil.into());
    n.alerts[0].incident = Some(IncidentId("a>\r\nX-Evil: 1".into()));
    channel(server.port, "tls: none").send(&n).await.expect("sent");
    let got = server.message();
    assert_eq!((header(&got, "Bcc"), header(&got, "X-Evil")), (None, None), "{got:#}");
    assert_eq!(header(&got, "Message-ID"), Some("<d1X-Evil1@danang.gov.vn>"));
    assert_eq!(got["to"], serde_json::json!(["duty@d.vn"]));
    assert!(got["body"].as_str().is_some_and(|b| b.contains("đề nghị không trả lời")), "{got:#}");
}

#[tokio::test]
async fn a_test_message_says_that_nothing_happened() {
    let mut server = Server::start(&["plain"]);
    let mut n = notification("d1", "test");
    n.alerts.clear();
    n.test = true;
    n.language = Language::En;
    channel(server.port, "tls: none").send(&n).await.expect("sent");
    let got = server.message();
    assert_eq!(header(&got, "Subject"), Some("[Test] IOC"));
    assert!(got["body"].as_str().is_some_and(|b| b.contains("nothing has happened")), "{got:#}");
    assert_eq!(header(&got, "References"), None);
}

#[tokio::test]
async fn a_server_that_is_down_is_tried_again() {
    let server = Server::start(&["plain"]);
    let port = server.port;
    server.rest();
    let error = send(&channel(port, "tls: none"), "d1").await.expect_err("nobody is there");
    assert!(!error.permanent && error.answer.starts_with("connect: "), "{error:?}");
}

/// A certificate for 127.0.0.1 and the authority that signed it.
struct Certificates {
    folder: tempfile::TempDir,
}

impl Certificates {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("ext"), "subjectAltName=IP:127.0.0.1\n").expect("writes");
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
        for line in [
            format!("req -x509 {key} -keyout ca.key -out ca.pem -days 2 -subj /CN=test-ca"),
            format!("req {key} -keyout key.pem -out req.pem -subj /CN=mail.test"),
            "x509 -req -in req.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile ext \
             -out cert.pem"
                .to_owned(),
        ] {
            let done = Command::new("openssl")
                .args(line.split_whitespace())
                .current_dir(folder.path())
                .output()
                .expect("openssl is installed");
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        }
        Self { folder }
    }

    fn path(&self, name: &str) -> String {
        let path: PathBuf = self.folder.path().join(name);
        path.to_str().expect("UTF-8").to_owned()
    }

    fn server(&self, mode: &str) -> Server {
        Server::start(&[mode, &self.path("cert.pem"), &self.path("key.pem")])
    }

    /// Trusts our authority, and says who we are with this password.
    fn settings(&self, password: &str) -> String {
        let file = self.path(password);
        std::fs::write(&file, format!("{password}\n")).expect("writes");
        let ca = self.path("ca.pem");
        format!("ca_file: {ca}, user: ioc, password: {{secret_file: {file}}}")
    }
}

#[tokio::test]
async fn a_password_goes_only_over_starttls() {
    let certificates = Certificates::new();
    let mut server = certificates.server("starttls");
    let settings = certificates.settings("geheim");
    send(&channel(server.port, &settings), "d1").await.expect("sent");
    let got = server.message();
    assert_eq!((&got["tls"], &got["login"]), (&true.into(), &true.into()));
    // A wrong password is not the message's fault.
    let wrong = channel(server.port, &certificates.settings("falsch"));
    let error = send(&wrong, "d2").await.expect_err("refused");
    assert!(!error.permanent && error.answer.starts_with("log in: "), "{error:?}");
    assert!(!error.answer.contains("falsch"), "{error:?}");
    assert_eq!(server.rest().len(), 0);
}

#[tokio::test]
async fn tls_from_the_first_byte_works() {
    let certificates = Certificates::new();
    let mut server = certificates.server("implicit");
    let settings = format!("tls: implicit, ca_file: {}", certificates.path("ca.pem"));
    send(&channel(server.port, &settings), "d1").await.expect("sent");
    assert_eq!(header(&server.message(), "Message-ID"), Some("<d1@danang.gov.vn>"));
}

#[tokio::test]
async fn nothing_is_said_to_a_server_without_tls_or_with_a_strange_certificate() {
    let certificates = Certificates::new();
    let plain = Server::start(&["plain"]);
    let settings = certificates.settings("geheim");
    let error = send(&channel(plain.port, &settings), "d1").await.expect_err("no STARTTLS");
    assert!(!error.permanent && error.answer.starts_with("starttls: "), "{error:?}");
    assert_eq!(plain.rest().len(), 0);

    let strange = Certificates::new();
    let server = strange.server("starttls");
    let error = send(&channel(server.port, &settings), "d1").await.expect_err("unknown authority");
    assert!(!error.permanent && error.answer.contains("starttls: "), "{error:?}");
    assert_eq!(server.rest().len(), 0);
}

#[tokio::test]
async fn opportunistic_takes_what_the_server_offers() {
    let certificates = Certificates::new();
    let ca = certificates.path("ca.pem");
    for (mode, tls) in [("plain", false), ("starttls", true)] {
        let mut server = certificates.server(mode);
        let settings = format!("tls: opportunistic, ca_file: {ca}");
        send(&channel(server.port, &settings), "d1").await.expect("sent");
        assert_eq!(server.message()["tls"], tls);
    }
}
