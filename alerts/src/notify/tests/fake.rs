//! An audit log without a register, a clock, and channels that do as they are told.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use ioc_model::{
    ActionOutcome, ActionRequest, Actor, AlertFilter, AlertId, AlertRow, AlertStore, AuditRow,
    Condition, ConfigFiles, Entity, Held, HeldBy, Hold, HoldId, HoldRequest, IncidentFilter,
    IncidentId, IncidentRow, RegisterError, Scope, Severity, Timestamp, Undo, Work,
};

use crate::channel::{Channel, Notification, SendError, Sent, testing};
use crate::notify::NotifyConfig;

/// 2026-09-02 10:00 in Đà Nẵng, a Wednesday.
pub(super) const T0: Timestamp = Timestamp(1_788_318_000_000);

pub(super) fn config(yaml: &str) -> NotifyConfig {
    let mut files = ConfigFiles::default();
    files.0.insert("notify.yaml".into(), yaml.into());
    NotifyConfig::load(&files, &testing::city()).expect("a right configuration")
}

#[derive(Default)]
pub(super) struct Fake {
    lines: Mutex<Vec<AuditRow>>,
    rows: Mutex<BTreeMap<String, AlertRow>>,
}

impl Fake {
    /// A line and what it does to the row.
    pub(super) fn say(&self, alert: &str, action: &str, severity: Severity, at: Timestamp) {
        self.say_with(alert, action, severity, at, None);
    }

    pub(super) fn say_with(
        &self,
        alert: &str,
        action: &str,
        severity: Severity,
        at: Timestamp,
        detail: Option<&str>,
    ) {
        let mut rows = self.rows.lock().expect("no panic");
        let row = rows.entry(alert.to_owned()).or_insert_with(|| {
            let mut row = testing::row(Entity::Device("gauge-1".into()));
            row.id = AlertId(alert.into());
            row.incident = Some(IncidentId(alert.split('-').next().unwrap_or(alert).into()));
            row
        });
        row.severity = severity;
        match action {
            "clear" => row.condition = Condition::Returned,
            "acknowledge" => row.acknowledged = true,
            "reject" => row.work = Work::Rejected,
            "close" => row.work = Work::Closed,
            "undo" => row.work = Work::New,
            "shelve" | "suppress" => {
                let by = if action == "shelve" { HeldBy::Shelf } else { HeldBy::Maintenance };
                let (id, who, reason) = (String::new(), "an".into(), "x".into());
                row.held.push(Held { by, id, until: None, who, reason });
            }
            "unshelve" | "shelf_expired" => row.held.retain(|h| h.by != HeldBy::Shelf),
            "unsuppress" => row.held.retain(|h| h.by == HeldBy::Shelf),
            _ => {}
        }
        let mut lines = self.lines.lock().expect("no panic");
        let seq = lines.len() as u64 + 1;
        lines.push(AuditRow {
            seq,
            alert: AlertId(alert.into()),
            action: action.into(),
            actor: "rule:bd3".into(),
            origin: None,
            at,
            severity,
            value: None,
            limit: None,
            note: None,
            message: None,
            evidence: None,
            detail: detail.map(Into::into),
        });
    }

    pub(super) fn cut(&self, lines: usize) {
        self.lines.lock().expect("no panic").truncate(lines);
    }
}

fn no<T>() -> Result<T, RegisterError> {
    Err(RegisterError::Bad("not of this fake".into()))
}

impl AlertStore for Fake {
    fn list(&self, _: &AlertFilter) -> Result<(Vec<AlertRow>, u64), RegisterError> {
        no()
    }
    fn get(&self, id: &AlertId, _: &Scope) -> Result<AlertRow, RegisterError> {
        let row = self.rows.lock().expect("no panic").get(&id.0).cloned();
        row.ok_or_else(|| RegisterError::NotFound(id.clone()))
    }
    fn audit(&self, _: &AlertId) -> Result<Vec<AuditRow>, RegisterError> {
        no()
    }
    fn audit_after(&self, seq: u64, limit: usize) -> Result<Vec<AuditRow>, RegisterError> {
        let lines = self.lines.lock().expect("no panic");
        Ok(lines.iter().filter(|l| l.seq > seq).take(limit).cloned().collect())
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
    fn incident(
        &self,
        id: &IncidentId,
        _: &Scope,
        _: usize,
    ) -> Result<(IncidentRow, Vec<AlertRow>), RegisterError> {
        Err(RegisterError::NoIncident(id.clone()))
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

/// What was sent to it, and what it will say: `Ok` when nothing is left to say.
#[derive(Default)]
pub(super) struct Script {
    pub(super) got: Mutex<Vec<(tokio::time::Duration, Notification)>>,
    pub(super) says: Mutex<VecDeque<Result<(), SendError>>>,
    pub(super) takes: Duration,
    pub(super) most_at_once: Mutex<(usize, usize)>,
    pub(super) start: Mutex<Option<tokio::time::Instant>>,
}

#[async_trait]
impl Channel for Script {
    fn kind(&self) -> &'static str {
        "webhook"
    }

    fn target(&self) -> String {
        "https://duty.example/".into()
    }

    async fn send(&self, n: &Notification) -> Result<Sent, SendError> {
        let since = self.start.lock().expect("no panic").map(|s| s.elapsed()).unwrap_or_default();
        self.got.lock().expect("no panic").push((since, n.clone()));
        let enter = |by: isize| {
            let mut at_once = self.most_at_once.lock().expect("no panic");
            at_once.0 = at_once.0.checked_add_signed(by).expect("balanced");
            at_once.1 = at_once.1.max(at_once.0);
        };
        enter(1);
        tokio::time::sleep(self.takes).await;
        enter(-1);
        let says = self.says.lock().expect("no panic").pop_front();
        says.unwrap_or(Ok(())).map(|()| Sent { answer: "200 ok".into() })
    }
}

pub(super) fn again() -> Result<(), SendError> {
    Err(SendError::again("503 busy"))
}

pub(super) fn names(list: &[Arc<str>]) -> Vec<&str> {
    list.iter().map(|n| &**n).collect()
}
