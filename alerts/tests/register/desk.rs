//! A register in a temporary folder, with what its listener heard.

use std::sync::{Arc, Mutex};

use ioc_alerts::policy::Policy;
use ioc_alerts::{Listener, Register, RegisterParts};
use ioc_model::{
    Action, ActionOutcome, ActionRequest, Actor, AlertChanges, AlertFilter, AlertId, AlertRow,
    AlertStore, City, ConfigFiles, Entity, Refused, RegisterError, RowResult, Scope, Severity,
    Target, Text, Timestamp, Transition, TransitionKind,
};

pub const MINUTE: i64 = 60_000;
pub const HOUR: i64 = 60 * MINUTE;
/// 2026-11-23 09:00 in Đà Nẵng.
pub const NOW: Timestamp = Timestamp(1_795_399_200_000);

const POLICY: &str = "
shelving: { max: 12h }
auto_close: 24h
incidents: { gap: 30m }
flood: { raised: 10, within: 10m, ends_below: 5 }
working_time:
  days: [mon, tue, wed, thu, fri]
  hours: [\"07:30-11:30\", \"13:30-17:30\"]
classes:
  - id: urgent
    name: { vi: Khẩn, en: Urgent }
    severities: [emergency, critical]
    acknowledge: { within: 5m }
    resolve: { within: 4h }
    escalation:
      - { after: 5m, to: shift-lead }
      - { after: 15m, to: duty-officer }
  - id: immediate
    name: { vi: Ngay, en: At once }
    severities: [major]
    acknowledge: { within: 30m }
    deescalate: { after: 24h, to: minor }
  - id: ordinary
    name: { vi: Thường, en: Ordinary }
    severities: [minor, info]
";

pub fn policy(text: &str) -> Policy {
    let files = ConfigFiles([("alerts.yaml".to_owned(), text.to_owned())].into());
    Policy::load(&files, &City::default()).expect("a valid policy")
}

pub fn parts(listener: Listener) -> RegisterParts {
    RegisterParts { city: Arc::default(), policy: Arc::new(policy(POLICY)), listener }
}

pub fn silent() -> RegisterParts {
    parts(Arc::new(|_| {}))
}

pub struct Desk {
    pub dir: tempfile::TempDir,
    pub heard: Arc<Mutex<Vec<AlertChanges>>>,
}

impl Desk {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("a temporary folder"), heard: Arc::default() }
    }

    pub fn path(&self) -> std::path::PathBuf {
        self.dir.path().join("alerts.sqlite")
    }

    pub fn open(&self) -> Register {
        let heard = Arc::clone(&self.heard);
        let listener: Listener = Arc::new(move |c| heard.lock().expect("no panic").push(c.clone()));
        Register::open(&self.path(), parts(listener)).expect("opens")
    }

    /// Rows heard so far.
    pub fn rows(&self) -> Vec<AlertRow> {
        let heard = self.heard.lock().expect("no panic");
        heard.iter().flat_map(|c| c.alerts.clone()).collect()
    }
}

/// What the flood rule found at a gauge; `start` (from [`NOW`]) tells episodes apart.
pub fn transition(
    position: u64,
    start: i64,
    kind: TransitionKind,
    severity: Severity,
) -> Transition {
    let entity = Entity::Device("river-cam-le".into());
    let start = NOW.plus_ms(start);
    Transition {
        position,
        alert: AlertId::new("flood-level", &entity, start),
        rule: "flood-level".into(),
        entity,
        device: Some("river-cam-le".into()),
        area: "cam_le".into(),
        service: "river".into(),
        time: start.plus_ms(position as i64),
        kind,
        severity,
        value: Some(2.5),
        limit: Some(2.0),
        unit: "m".into(),
        name: Text { vi: "Lũ".into(), en: "Flood".into() },
        message: Text { vi: format!("v{position}"), en: format!("e{position}") },
        cause: "flood".into(),
        latched: false,
        evidence: Box::default(),
    }
}

/// The same with another id, device and area.
pub fn numbered(n: u64, start: i64, severity: Severity) -> Transition {
    let mut t = transition(n, start, TransitionKind::Raise, severity);
    t.alert = AlertId(format!("{n:032x}"));
    t.area = format!("ward-{}", n % 7).as_str().into();
    t.entity = Entity::Device(format!("gauge-{n}").as_str().into());
    t.device = Some(format!("gauge-{n}").as_str().into());
    t
}

pub fn raise(register: &Register, start: i64, severity: Severity) -> AlertRow {
    let t = transition(1, start, TransitionKind::Raise, severity);
    register.apply(2, std::slice::from_ref(&t)).expect("applies");
    register.get(&t.alert, &Scope::city()).expect("is there")
}

pub fn clear(register: &Register, row: &AlertRow) -> AlertRow {
    let mut t = transition(9, 0, TransitionKind::Clear, row.severity);
    t.alert = row.id.clone();
    t.time = row.raised_at.plus_ms(1_000);
    register.apply(10, &[t]).expect("applies");
    register.get(&row.id, &Scope::city()).expect("is there")
}

pub fn actor(user: &str, at: Timestamp) -> Actor {
    Actor { user: user.into(), origin: Some("10.0.0.7".into()), at }
}

pub fn request(alerts: &[&AlertId], action: Action, user: &str) -> ActionRequest {
    let target = |id: &&AlertId| Target { alert: (*id).clone(), version: None };
    ActionRequest {
        targets: alerts.iter().map(target).collect(),
        action,
        actor: actor(user, NOW.plus_ms(MINUTE)),
        key: None,
        scope: Scope::city(),
    }
}

/// One action of lan on one alert.
pub fn act(register: &Register, id: &AlertId, action: Action) -> RowResult {
    let mut outcome = register.act(&request(&[id], action, "lan")).expect("a possible request");
    outcome.results.pop().expect("one result")
}

pub fn done(register: &Register, id: &AlertId, action: Action) -> AlertRow {
    let result = act(register, id, action);
    assert_eq!(result.refused, None);
    result.row.expect("the row after it")
}

pub fn refused(register: &Register, id: &AlertId, action: Action) -> Refused {
    act(register, id, action).refused.expect("refused")
}

pub fn bad(register: &Register, action: Action) -> String {
    match register.act(&request(&[&AlertId("0".into())], action, "lan")) {
        Err(RegisterError::Bad(why)) => why,
        other => unreachable!("expected a bad request, got {other:?}"),
    }
}

pub fn refusals(outcome: &ActionOutcome) -> Vec<Option<&'static str>> {
    outcome.results.iter().map(|r| r.refused.as_ref().map(|f| f.code.as_str())).collect()
}

/// Words of the audit lines of one alert.
pub fn actions(register: &Register, id: &AlertId) -> Vec<String> {
    register.audit(id).expect("reads").into_iter().map(|a| a.action).collect()
}

pub fn list(register: &Register, filter: AlertFilter) -> Vec<AlertRow> {
    let limit = if filter.limit == 0 { 1_000 } else { filter.limit };
    register.list(&AlertFilter { limit, ..filter }).expect("lists").0
}

pub fn acknowledge() -> Action {
    Action::Acknowledge { note: Some("đã báo phường".into()) }
}
