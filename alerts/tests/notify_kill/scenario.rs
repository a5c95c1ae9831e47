//! What the killed process does: the real register and the real notifier, one thread. Every step
//! may have been done before the kill, so every step can be done again.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ioc_alerts::channel::{Clock, Surroundings};
use ioc_alerts::notify::{Notifier, NotifierParts, NotifyConfig, NotifyHandle, WayParts};
use ioc_alerts::policy::Policy;
use ioc_alerts::{Register, RegisterParts};
use ioc_model::{
    Action, ActionRequest, Actor, AlertId, AlertStore, City, ConfigFiles, DeliveryFilter,
    DeliveryState, Entity, NotifyStore, Scope, Severity, Target, Text, Timestamp, Transition,
    TransitionKind,
};
use tokio_util::sync::CancellationToken;

pub const DIR: &str = "IOC_KILL_DIR";
pub const URL: &str = "IOC_KILL_URL";
/// Wall time at which the story began, ms.
pub const START: &str = "IOC_KILL_START";
/// A second is an hour: waits of minutes pass while the test looks on.
const PACE: i64 = 3_600;
/// Far longer than any step takes.
const PATIENCE: Duration = Duration::from_secs(60);

const POLICY: &str = "
shelving: { max: 12h }
auto_close: 240h
incidents: { gap: 30m }
flood: { raised: 10, within: 10m, ends_below: 5 }
working_time:
  days: [mon, tue, wed, thu, fri]
  hours: [\"07:30-11:30\", \"13:30-17:30\"]
classes:
  - id: urgent
    name: { vi: Khẩn, en: Urgent }
    severities: [emergency, critical]
    acknowledge: { within: 50h }
    resolve: { within: 400h }
    escalation:
      - { after: 5m, to: lead }
  - id: ordinary
    name: { vi: Thường, en: Ordinary }
    severities: [major, minor, info]
";

const NOTIFY: &str = "
receivers:
  - { id: duty, webhook: { url: 'URL', allow_http: true, allow_networks: [127.0.0.1] } }
  - { id: lead, webhook: { url: 'URL', allow_http: true, allow_networks: [127.0.0.1] } }
  - { id: digest, webhook: { url: 'URL', allow_http: true, allow_networks: [127.0.0.1] } }
routes:
  - id: urgent
    match: { min_severity: critical, on: [raise, worse, clear, escalate, acknowledge] }
    receivers: [duty]
    group_by: alert
    interval: 0s
    repeat: never
  - { id: rest, receivers: [digest], wait: 30s, interval: 5m, repeat: never }
";

/// Receiver, alert, reason: all that has to arrive, and nothing else.
pub fn expected() -> BTreeSet<(String, String, String)> {
    let all = [
        ("duty", "a", "raise"),
        ("duty", "a", "acknowledge"),
        ("duty", "a", "clear"),
        ("duty", "b", "raise"),
        ("duty", "b", "severity"),
        ("duty", "b", "escalate"),
        ("duty", "b", "clear"),
        ("lead", "b", "escalate"),
        ("lead", "b", "clear"),
        ("duty", "c", "raise"),
        ("duty", "c", "clear"),
        ("digest", "d", "raise"),
        ("digest", "d", "clear"),
        ("digest", "e", "raise"),
        ("digest", "e", "clear"),
    ];
    let word = |w: &str| w.to_owned();
    all.iter().map(|(r, a, w)| (word(r), id(a).0, word(w))).collect()
}

fn id(name: &str) -> AlertId {
    AlertId(format!("{:032x}", name.as_bytes()[0]))
}

fn var(name: &str) -> String {
    std::env::var(name).expect("set by the other test")
}

struct Story {
    register: Arc<Register>,
    handle: NotifyHandle,
    clock: Clock,
    start: i64,
}

pub fn run() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(tell());
}

async fn tell() {
    let dir = PathBuf::from(var(DIR));
    let start: i64 = var(START).parse().expect("a number");
    let clock: Clock =
        Arc::new(move || Timestamp(start + (super::wall() - start).saturating_mul(PACE)));
    let file = |name: &str, text: String| ConfigFiles([(name.to_owned(), text)].into());
    let city = Arc::new(City::default());
    let policy = Policy::load(&file("alerts.yaml", POLICY.into()), &city).expect("a policy");
    let parts = RegisterParts {
        city: Arc::clone(&city),
        policy: Arc::new(policy),
        listener: Arc::new(|_| {}),
    };
    let register =
        Arc::new(Register::open(&dir.join("alerts.sqlite"), parts).expect("the register opens"));
    let files = file("notify.yaml", NOTIFY.replace("URL", &var(URL)));
    let config = NotifyConfig::load(&files, &city).expect("a configuration");
    let alerts: Arc<dyn AlertStore> = Arc::clone(&register) as _;
    let around = Surroundings { city, base_url: String::new(), clock: Arc::clone(&clock) };
    let ways = WayParts { around, alerts: Arc::clone(&alerts), publisher: None, cap: None };
    let channels = config.channels(&ways).expect("ways");
    let parts = NotifierParts { config, alerts, channels, cap: None, clock: Arc::clone(&clock) };
    let notifier = Notifier::open(&dir.join("notify.sqlite"), parts).expect("the outbox opens");
    let story = Story { register, handle: notifier.handle(), clock, start };
    let stop = CancellationToken::new();
    let told = async {
        tokio::time::timeout(PATIENCE, story.steps()).await.expect("everything is told in time");
        stop.cancel();
    };
    let ((), stats) = tokio::join!(told, notifier.run(stop.clone()));
    assert!(stats.lines <= 14, "{stats:?}");
}

impl Story {
    async fn steps(&self) {
        use Severity::{Critical, Emergency, Major};
        use TransitionKind::{Clear, Raise, Severity as Step};
        self.rules(1, &[("a", Raise, Critical), ("b", Raise, Critical)]);
        self.rules(3, &[("d", Raise, Major), ("e", Raise, Major)]);
        self.delivered("duty", "a", "raise").await;
        self.acknowledge("a");
        self.rules(5, &[("b", Step, Emergency)]);
        self.delivered("duty", "b", "severity").await;
        self.escalated().await;
        self.delivered("lead", "b", "escalate").await;
        self.rules(6, &[("a", Clear, Critical)]);
        // Both before the notifier looks.
        self.rules(7, &[("c", Raise, Critical), ("c", Clear, Critical)]);
        self.delivered("duty", "c", "clear").await;
        self.delivered("digest", "e", "raise").await;
        self.rules(9, &[("d", Clear, Major), ("e", Clear, Major), ("b", Clear, Emergency)]);
        for (receiver, alert) in [("duty", "a"), ("duty", "b"), ("lead", "b"), ("digest", "e")] {
            self.delivered(receiver, alert, "clear").await;
        }
    }

    /// What the rules found, from that position on.
    fn rules(&self, position: u64, found: &[(&str, TransitionKind, Severity)]) {
        let transition =
            |(i, (name, kind, severity)): (usize, &(&str, TransitionKind, Severity))| {
                let position = position + i as u64;
                Transition {
                    position,
                    alert: id(name),
                    rule: "flood-level".into(),
                    entity: Entity::Device(format!("gauge-{name}").as_str().into()),
                    device: Some(format!("gauge-{name}").as_str().into()),
                    area: "cam_le".into(),
                    service: "river".into(),
                    time: Timestamp(self.start + position as i64),
                    kind: *kind,
                    severity: *severity,
                    value: Some(2.5),
                    limit: Some(2.0),
                    unit: "m".into(),
                    name: Text { vi: "Lũ".into(), en: "Flood".into() },
                    message: Text { vi: "Lũ".into(), en: "Flood".into() },
                    cause: if *severity == Severity::Major { "rain" } else { "flood" }.into(),
                    latched: false,
                    evidence: Box::default(),
                }
            };
        let found: Vec<Transition> = found.iter().enumerate().map(transition).collect();
        let next = position + found.len() as u64;
        self.register.apply(next, &found).expect("applies");
        self.handle.wake();
    }

    fn acknowledge(&self, name: &str) {
        let actor = Actor { user: "an".into(), origin: None, at: (self.clock)() };
        let request = ActionRequest {
            targets: vec![Target { alert: id(name), version: None }],
            action: Action::Acknowledge { note: None },
            actor,
            key: Some("acknowledge".into()),
            scope: Scope::city(),
        };
        self.register.act(&request).expect("acts");
        self.handle.wake();
    }

    /// The clock of the alert that nobody acknowledges.
    async fn escalated(&self) {
        while self.register.get(&id("b"), &Scope::city()).expect("there").escalated == 0 {
            self.register.tick((self.clock)()).expect("ticks");
            self.handle.wake();
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
    }

    /// Looks again until the receiver has it.
    async fn delivered(&self, receiver: &str, alert: &str, reason: &str) {
        let filter = DeliveryFilter {
            receiver: Some(receiver.into()),
            alert: Some(id(alert)),
            state: Some(DeliveryState::Delivered),
            before: None,
            limit: 100,
        };
        loop {
            let rows = self.handle.deliveries(&filter).expect("reads");
            if rows.iter().any(|d| d.reasons.iter().any(|r| &**r == reason)) {
                return;
            }
            self.handle.wake();
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
    }
}
