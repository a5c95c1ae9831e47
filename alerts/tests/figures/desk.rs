//! A register, its shift log and its figures in a temporary folder.

use std::path::Path;
use std::sync::Arc;

use ioc_alerts::kpi::Kpis;
use ioc_alerts::policy::Policy;
use ioc_alerts::shift::Shifts;
use ioc_alerts::{Register, RegisterParts};
use ioc_model::{
    Action, ActionRequest, Actor, AlertId, AlertStore, City, ConfigFiles, Entity, Evidence,
    EvidenceTimer, KpiQuery, KpiReport, KpiStore, Scope, Severity, Target, Text, Timestamp,
    Transition, TransitionKind,
};

pub const S: i64 = 1_000;
pub const MINUTE: i64 = 60 * S;
pub const HOUR: i64 = 60 * MINUTE;
pub const DAY: i64 = 24 * HOUR;
/// 2026-11-23 09:00 in Đà Nẵng.
pub const NOW: Timestamp = Timestamp(1_795_399_200_000);

const POLICY: &str = "
shelving: { max: 12h }
auto_close: 24h
incidents: { gap: 30m }
flood: { raised: 10, within: 10m, ends_below: 5 }
working_time: { days: [mon], hours: [\"07:30-11:30\"] }
classes:
  - id: all
    name: { vi: Mọi, en: All }
    severities: [emergency, critical, major, minor, info]
";

pub struct Desk {
    pub register: Register,
    pub shifts: Shifts,
    pub kpis: Kpis,
    _dir: Option<tempfile::TempDir>,
}

impl Desk {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().to_owned();
        Self::open(&path, Some(dir))
    }

    /// In a folder that stays.
    pub fn at(folder: &Path) -> Self {
        Self::open(folder, None)
    }

    fn open(folder: &Path, dir: Option<tempfile::TempDir>) -> Self {
        let path = folder.join("alerts.sqlite");
        let files = ConfigFiles([("alerts.yaml".to_owned(), POLICY.to_owned())].into());
        let policy = Policy::load(&files, &City::default()).expect("a valid policy");
        let parts = RegisterParts {
            city: Arc::default(),
            policy: Arc::new(policy),
            listener: Arc::new(|_| {}),
        };
        let register = Register::open(&path, parts).expect("opens");
        let shifts = Shifts::open(&path).expect("opens");
        let kpis = Kpis::open(&path).expect("opens");
        Self { register, shifts, kpis, _dir: dir }
    }

    /// Raises `spec` and, if it says so, clears it again.
    pub fn apply(&self, spec: &Spec<'_>) -> AlertId {
        let id = spec.id();
        let mut all = vec![spec.transition(TransitionKind::Raise, 0)];
        if let Some(after) = spec.clears_after {
            all.push(spec.transition(TransitionKind::Clear, after));
        }
        // Positions only matter per alert, and each is raised once.
        self.register.apply(3, &all).expect("applies");
        id
    }

    /// Somebody does something, so long after [`NOW`].
    pub fn act(&self, alert: &AlertId, after: i64, action: Action) {
        let request = ActionRequest {
            targets: vec![Target { alert: alert.clone(), version: None }],
            action,
            actor: actor("lan", after),
            key: None,
            scope: Scope::city(),
        };
        let outcome = self.register.act(&request).expect("works");
        assert!(outcome.results[0].refused.is_none(), "{:?}", outcome.results[0].refused);
    }

    /// The report from [`NOW`] on.
    pub fn report(&self, span: i64) -> KpiReport {
        self.kpis.report(&query(0, span)).expect("reads")
    }
}

pub fn query(from: i64, to: i64) -> KpiQuery {
    KpiQuery { from: NOW.plus_ms(from), to: NOW.plus_ms(to), ..KpiQuery::of(Scope::city()) }
}

pub fn figure(report: &KpiReport, id: &str) -> Option<f64> {
    report.figures.iter().find(|f| &*f.id == id).expect("a figure of that name").value
}

pub fn actor(user: &str, after: i64) -> Actor {
    Actor { user: user.into(), origin: Some("10.1.2.3".into()), at: NOW.plus_ms(after) }
}

pub fn acknowledge() -> Action {
    Action::Acknowledge { note: None }
}

pub fn reject() -> Action {
    Action::Reject { reason: "cành cây che cảm biến".into() }
}

/// One alert.
#[derive(Clone)]
pub struct Spec<'a> {
    pub rule: &'a str,
    pub device: &'a str,
    pub area: &'a str,
    pub service: &'a str,
    pub severity: Severity,
    /// After [`NOW`], ms.
    pub at: i64,
    pub clears_after: Option<i64>,
    pub evidence: Evidence,
    /// `for` and `clear_for` of its rule.
    pub timers: (i64, i64),
    pub latched: bool,
}

pub fn flood(device: &str, at: i64) -> Spec<'_> {
    Spec {
        rule: "flood.street",
        device,
        area: "hoa_cuong",
        service: "rain_flood",
        severity: Severity::Major,
        at,
        clears_after: None,
        evidence: Evidence::default(),
        timers: (0, 0),
        latched: false,
    }
}

impl Spec<'_> {
    pub fn id(&self) -> AlertId {
        AlertId::new(self.rule, &Entity::Device(self.device.into()), NOW.plus_ms(self.at))
    }

    pub fn transition(&self, kind: TransitionKind, after: i64) -> Transition {
        let time = NOW.plus_ms(self.at + after);
        let mut evidence = self.evidence.clone();
        let (name, span) = match kind {
            TransitionKind::Clear => ("clear_for", self.timers.1),
            _ => ("for", self.timers.0),
        };
        if span > 0 {
            let timer =
                EvidenceTimer { name: name.into(), since: time.plus_ms(-span), until: time };
            evidence.timers.push(timer);
        }
        Transition {
            position: if kind == TransitionKind::Raise { 1 } else { 2 },
            alert: self.id(),
            rule: self.rule.into(),
            entity: Entity::Device(self.device.into()),
            device: Some(self.device.into()),
            area: self.area.into(),
            service: self.service.into(),
            time,
            kind,
            severity: self.severity,
            value: Some(0.4),
            limit: Some(0.2),
            unit: "m".into(),
            name: Text { vi: "Ngập đường".into(), en: "Street flood".into() },
            message: Text { vi: format!("{} ngập", self.device), en: self.device.into() },
            cause: "rain".into(),
            latched: self.latched,
            evidence: Box::new(evidence),
        }
    }
}
