use std::collections::VecDeque;
use std::sync::Mutex;

use ioc_model::{
    ActionOutcome, ActionRequest, Actor, AlertFilter, AlertId, AuditRow, Condition, Hold, HoldId,
    HoldRequest, IncidentFilter, IncidentRow, RegisterError, Timestamp, Undo,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::channel::testing;

type Published = (String, Vec<u8>, bool);

#[derive(Default)]
struct Broker(Mutex<Vec<Published>>);

impl Publisher for Broker {
    fn publish(&self, topic: &str, payload: Vec<u8>, retain: bool) -> Result<(), String> {
        self.0.lock().expect("no panic").push((topic.into(), payload, retain));
        Ok(())
    }
}

struct Setup {
    parts: CapParts,
    broker: Arc<Broker>,
    around: Surroundings,
    _folder: tempfile::TempDir,
}

fn setup() -> Setup {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = CapStore::open(&folder.path().join("notify.sqlite")).expect("opens");
    let broker = Arc::new(Broker::default());
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    let parts = CapParts {
        store: Arc::new(store),
        alerts: None,
        publisher: Some(broker.clone()),
        http: Some(http),
    };
    let mut around = testing::surroundings();
    let mut city = testing::city();
    let river = ioc_model::Service {
        id: "river".into(),
        order: 1,
        group: ioc_model::ServiceGroup::Basic,
        name: ioc_model::Text::default(),
        indicators: Vec::new(),
    };
    city.services.insert("river".into(), river);
    around.city = Arc::new(city);
    Setup { parts, broker, around, _folder: folder }
}

impl Setup {
    fn channel(&self, extra: serde_json::Value) -> CapChannel {
        let mut spec = serde_json::json!({
            "sender": "ioc@danang.gov.vn",
            "sender_name": {"vi": "IOC", "en": "IOC"},
            "services": ["river"],
            "allow_http": true,
            "allow_networks": ["127.0.0.1"],
        });
        if let (Some(map), serde_json::Value::Object(extra)) = (spec.as_object_mut(), extra) {
            map.extend(extra);
        }
        let spec = serde_json::from_value(spec).expect("a spec");
        let settings = CapSettings::new(spec, &self.around.city).expect("right");
        CapChannel::new("public", settings, self.parts.clone(), self.around.clone())
    }
}

/// Answers one request after the other; gives what was asked.
async fn web(listener: TcpListener, answers: &[&str]) -> Vec<String> {
    let mut asked = Vec::new();
    let mut answers: VecDeque<&str> = answers.iter().copied().collect();
    while let Some(answer) = answers.pop_front() {
        let (mut socket, _) = listener.accept().await.expect("a caller");
        let mut text = Vec::new();
        let mut buffer = [0; 4096];
        while !text.ends_with(b"</alert>") {
            let n = socket.read(&mut buffer).await.expect("reads");
            assert_ne!(n, 0, "cut off");
            text.extend_from_slice(&buffer[..n]);
        }
        let reply = format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        socket.write_all(reply.as_bytes()).await.expect("writes");
        asked.push(String::from_utf8(text).expect("UTF-8"));
    }
    asked
}

#[tokio::test]
async fn a_warning_is_stored_published_and_posted_with_its_identifier_as_key() {
    let setup = setup();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("an address");
    let channel =
        setup.channel(serde_json::json!({"mqtt": true, "post": format!("http://{address}/k?x=1")}));
    let n = testing::notification(&["raise"]);
    let answers = ["503 Busy\r\nretry-after: 7", "200 OK"];
    let (asked, sent) = tokio::join!(web(listener, &answers), async {
        let error = channel.send(&n).await.expect_err("503");
        assert!(!error.permanent && error.retry_after == Some(Duration::from_secs(7)), "{error:?}");
        channel.send(&n).await.expect("200")
    });
    let stored = setup.parts.store.feed(10).expect("reads");
    assert_eq!(stored.len(), 1, "a retry makes no second message");
    assert_eq!(sent.answer, format!("Alert {}", stored[0].id));
    for request in &asked {
        let lower = request.to_ascii_lowercase();
        assert!(lower.contains(&format!("idempotency-key: {}", stored[0].id)), "{request}");
        assert!(lower.contains("content-type: application/cap+xml"), "{request}");
        assert!(request.ends_with(&stored[0].xml), "{request}");
    }
    let published = setup.broker.0.lock().expect("no panic").clone();
    let topic = format!("ioc/v1/cap/{}", stored[0].id);
    assert_eq!(published, [(topic, stored[0].xml.clone().into_bytes(), false)]);
    assert!(!channel.target().contains("/k"), "{}", channel.target());
    // All is done: the same again neither stores nor sends.
    assert_eq!(channel.send(&n).await.expect("nothing to do").answer, "nothing new");
}

#[tokio::test]
async fn a_refusal_for_good_is_permanent() {
    let setup = setup();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("an address");
    let channel = setup.channel(serde_json::json!({"post": format!("http://{address}/")}));
    let n = testing::notification(&["raise"]);
    let (_, sent) = tokio::join!(web(listener, &["403 No"]), channel.send(&n));
    assert!(sent.expect_err("403").permanent);
}

#[tokio::test]
async fn without_ways_on_the_warning_is_only_stored() {
    let setup = setup();
    let channel = setup.channel(serde_json::json!({}));
    let sent = channel.send(&testing::notification(&["raise"])).await.expect("stored");
    assert!(sent.answer.starts_with("Alert ioc-"), "{}", sent.answer);
    assert_eq!(setup.broker.0.lock().expect("no panic").len(), 0);
    let mut trial = testing::notification(&["test"]);
    trial.id = "t".into();
    trial.alerts.clear();
    trial.test = true;
    channel.send(&trial).await.expect("stored");
    assert_eq!(setup.parts.store.feed(10).expect("reads").len(), 2);
}

#[tokio::test]
async fn a_deescalated_alert_stays_public() {
    let setup = setup();
    let channel = setup.channel(serde_json::json!({}));
    channel.send(&testing::notification(&["raise"])).await.expect("stored");
    let mut n = testing::notification(&["deescalate"]);
    n.id = "d2".into();
    n.alerts[0].ver += 1;
    n.alerts[0].severity = ioc_model::Severity::Minor;
    assert_eq!(channel.send(&n).await.expect("stored").answer, "nothing new");
}

/// A register that knows one incident.
struct Register(Vec<AlertRow>);

impl AlertStore for Register {
    fn incident(
        &self,
        _: &IncidentId,
        _: &Scope,
        _: usize,
    ) -> Result<(IncidentRow, Vec<AlertRow>), RegisterError> {
        let root = &self.0[0];
        let row = IncidentRow {
            id: IncidentId(root.id.0.clone()),
            ver: 1,
            kind: ioc_model::IncidentKind::Cause,
            area: root.area.clone(),
            service: root.service.clone(),
            cause: root.cause.clone(),
            parent: None,
            root: root.id.clone(),
            name: root.name.clone(),
            severity: root.severity,
            opened_at: root.raised_at,
            last_at: root.raised_at,
            closed_at: None,
            alerts: 2,
            open: 2,
            unacknowledged: 2,
        };
        Ok((row, self.0.clone()))
    }

    fn list(&self, _: &AlertFilter) -> Result<(Vec<AlertRow>, u64), RegisterError> {
        no()
    }
    fn get(&self, _: &AlertId, _: &Scope) -> Result<AlertRow, RegisterError> {
        no()
    }
    fn audit(&self, _: &AlertId) -> Result<Vec<AuditRow>, RegisterError> {
        no()
    }
    fn audit_after(&self, _: u64, _: usize) -> Result<Vec<AuditRow>, RegisterError> {
        no()
    }
    fn act(&self, _: &ActionRequest) -> Result<ActionOutcome, RegisterError> {
        no()
    }
    fn undo(&self, _: &Undo) -> Result<ActionOutcome, RegisterError> {
        no()
    }
    fn allowed(&self, _: &AlertRow) -> Vec<&'static str> {
        Vec::new()
    }
    fn incidents(
        &self,
        _: &IncidentFilter,
    ) -> Result<(Vec<IncidentRow>, Option<String>), RegisterError> {
        no()
    }
    fn holds(&self, _: bool, _: &Scope) -> Result<Vec<Hold>, RegisterError> {
        no()
    }
    fn hold(&self, _: &HoldRequest) -> Result<Hold, RegisterError> {
        no()
    }
    fn note(&self, _: &str, _: &Actor, _: Option<&str>) -> Result<(), RegisterError> {
        no()
    }
    fn shelve_max_ms(&self) -> i64 {
        0
    }
    fn end_hold(
        &self,
        _: &HoldId,
        _: &Scope,
        _: &Actor,
        _: Option<&str>,
    ) -> Result<Hold, RegisterError> {
        no()
    }
}

fn no<T>() -> Result<T, RegisterError> {
    Err(RegisterError::Bad("not asked here".into()))
}

#[tokio::test]
async fn a_clear_that_a_full_notification_does_not_name_ends_its_warning_too() {
    let mut setup = setup();
    let first = testing::notification(&["raise"]);
    let mut second = first.alerts[0].clone();
    second.id = AlertId("f".repeat(32));
    let mut both = first.clone();
    both.alerts.push(second.clone());
    setup.channel(serde_json::json!({})).send(&both).await.expect("stored");

    let mut over = vec![first.alerts[0].clone(), second];
    for row in &mut over {
        row.ver += 1;
        row.condition = Condition::Returned;
        row.cleared_at = Some(Timestamp(row.raised_at.0 + 1));
    }
    let mut n = testing::notification(&["clear"]);
    n.id = "d2".into();
    n.alerts = vec![over[0].clone()];
    n.more = 1;
    setup.parts.alerts = Some(Arc::new(Register(over)));
    let sent = setup.channel(serde_json::json!({})).send(&n).await.expect("stored");
    assert!(sent.answer.starts_with("Cancel "), "{}", sent.answer);
}
