//! The register in memory: it knows acknowledge, comment, close and reject, which is enough for
//! every kind of answer, and remembers what was asked of it.

use std::collections::HashMap;
use std::sync::Mutex;

use ioc_model::{
    Action, ActionOutcome, ActionRequest, Actor, AlertFilter, AlertId, AlertRow, AlertStore,
    AuditRow, Condition, Evidence, Hold, HoldId, HoldRequest, IncidentFilter, IncidentId,
    IncidentRow, Refused, RefusedCode, RegisterError, RowResult, Scope, Severity, Target,
    Timestamp, Undo, Work,
};

use super::{hold, incident};

#[derive(Default)]
pub(crate) struct FakeAlerts {
    rows: Mutex<Vec<AlertRow>>,
    keys: Mutex<HashMap<String, (Action, ActionOutcome)>>,
    undoable: Mutex<HashMap<u64, (ActionRequest, Vec<AlertRow>)>>,
    pub asked: Mutex<Vec<ActionRequest>>,
    pub filters: Mutex<Vec<AlertFilter>>,
    pub incident_filters: Mutex<Vec<IncidentFilter>>,
    pub holds: Mutex<Vec<HoldRequest>>,
    /// Lines of the audit log about no alert.
    pub noted: Mutex<Vec<String>>,
}

fn refusal(code: RefusedCode, row: Option<&AlertRow>) -> Refused {
    Refused {
        code,
        message: format!("refused: {}", code.as_str()),
        by: row.and_then(|r| r.acknowledged_by.clone()),
        at: row.and_then(|r| r.acknowledged_at),
    }
}

impl FakeAlerts {
    pub fn put(&self, row: AlertRow) {
        let mut rows = self.rows.lock().expect("no panic");
        rows.retain(|r| r.id != row.id);
        rows.push(row);
    }

    /// In place of all.
    pub fn put_all(&self, rows: Vec<AlertRow>) {
        *self.rows.lock().expect("no panic") = rows;
    }

    /// The one request since the last call.
    pub fn last(&self) -> ActionRequest {
        let mut asked = self.asked.lock().expect("no panic");
        let last = asked.pop().expect("something was asked");
        asked.clear();
        last
    }

    fn newest(rows: &[AlertRow]) -> u64 {
        rows.iter().map(|r| r.change).max().unwrap_or(0)
    }

    fn step(&self, request: &ActionRequest, target: &Target) -> (RowResult, Option<AlertRow>) {
        let mut rows = self.rows.lock().expect("no panic");
        let newest = Self::newest(&rows);
        let inside = |r: &AlertRow| request.scope.allows(&r.area, &r.service);
        let found = rows.iter_mut().find(|r| r.id == target.alert && inside(r));
        let refused = |row: Option<&AlertRow>, code| {
            let refused = Some(refusal(code, row));
            (RowResult { alert: target.alert.clone(), row: row.cloned(), refused }, None)
        };
        let Some(row) = found else { return refused(None, RefusedCode::NotFound) };
        if target.version.is_some_and(|v| v != row.ver) {
            return refused(Some(row), RefusedCode::Conflict);
        }
        let before = row.clone();
        match &request.action {
            Action::Acknowledge { .. } if row.acknowledged => {
                return refused(Some(row), RefusedCode::AlreadyDone);
            }
            Action::Acknowledge { note } => {
                row.acknowledged = true;
                row.acknowledged_by = Some(request.actor.user.clone());
                row.acknowledged_at = Some(request.actor.at);
                row.note.clone_from(note);
            }
            Action::Close { .. } if row.condition == Condition::Active => {
                return refused(Some(row), RefusedCode::StillActive);
            }
            Action::Close { .. } => row.work = Work::Closed,
            Action::Reject { .. } => row.work = Work::Rejected,
            _ => row.comments += 1,
        }
        row.ver += 1;
        row.change = newest + 1;
        row.settle();
        let result = RowResult { alert: row.id.clone(), row: Some(row.clone()), refused: None };
        (result, Some(before))
    }
}

impl AlertStore for FakeAlerts {
    fn list(&self, filter: &AlertFilter) -> Result<(Vec<AlertRow>, u64), RegisterError> {
        self.filters.lock().expect("no panic").push(filter.clone());
        let rows = self.rows.lock().expect("no panic");
        let fits = |r: &&AlertRow| {
            filter.scope.allows(&r.area, &r.service)
                && (r.is_open() || !filter.open_only)
                && filter.service.as_deref().is_none_or(|s| s == &*r.service)
                && filter.min_severity.is_none_or(|s| r.severity >= s)
                && filter.after_change.is_none_or(|c| r.change > c)
                && filter.before.as_ref().is_none_or(|b| (r.raised_at, &r.id.0) < (b.0, &b.1))
        };
        let mut found: Vec<&AlertRow> = rows.iter().filter(fits).collect();
        if filter.after_change.is_some() {
            found.sort_by_key(|r| r.change);
        } else {
            found.sort_by_key(|r| std::cmp::Reverse((r.raised_at, &r.id.0)));
        }
        let found = found.into_iter().take(filter.limit).cloned().collect();
        Ok((found, Self::newest(&rows)))
    }

    fn get(&self, id: &AlertId, scope: &Scope) -> Result<AlertRow, RegisterError> {
        let rows = self.rows.lock().expect("no panic");
        let found = rows.iter().find(|r| r.id == *id && scope.allows(&r.area, &r.service));
        found.cloned().ok_or_else(|| RegisterError::NotFound(id.clone()))
    }

    fn audit(&self, id: &AlertId) -> Result<Vec<AuditRow>, RegisterError> {
        let row = self.get(id, &Scope::city())?;
        let mut evidence = Evidence::default();
        evidence.reading(&"air-000".into(), &"pm25".into(), row.raised_at.0, 51.0);
        Ok(vec![AuditRow {
            seq: 1,
            alert: id.clone(),
            action: "raise".into(),
            actor: format!("rule:{}", row.rule),
            origin: None,
            at: row.raised_at,
            severity: row.severity,
            value: row.value,
            limit: row.limit,
            note: None,
            message: Some(row.message),
            evidence: Some(Box::new(evidence)),
            detail: None,
        }])
    }

    fn audit_after(&self, seq: u64, limit: usize) -> Result<Vec<AuditRow>, RegisterError> {
        let line = |seq| AuditRow {
            seq,
            alert: AlertId(format!("{seq:032x}")),
            action: "assign".into(),
            actor: "operator".into(),
            origin: Some("127.0.0.1".into()),
            at: Timestamp(super::NOON),
            severity: Severity::Major,
            value: None,
            limit: None,
            note: Some("=cmd|' /C calc'!A0".into()),
            message: None,
            evidence: None,
            detail: Some(r#"{"to":{"kind":"agency","name":"x"}}"#.into()),
        };
        Ok((seq + 1..=5).take(limit).map(line).collect())
    }

    fn act(&self, request: &ActionRequest) -> Result<ActionOutcome, RegisterError> {
        self.asked.lock().expect("no panic").push(request.clone());
        let mut keys = self.keys.lock().expect("no panic");
        match request.key.as_ref().and_then(|k| keys.get(k)) {
            Some((action, held)) if *action == request.action => {
                return Ok(ActionOutcome { repeated: true, ..held.clone() });
            }
            Some(_) => {
                return Err(RegisterError::KeyReused(request.key.clone().unwrap_or_default()));
            }
            None => {}
        }
        let (results, before): (Vec<_>, Vec<_>) =
            request.targets.iter().map(|t| self.step(request, t)).unzip();
        let before: Vec<AlertRow> = before.into_iter().flatten().collect();
        let mut undoable = self.undoable.lock().expect("no panic");
        let act = if before.is_empty() { 0 } else { undoable.len() as u64 + 1 };
        if act > 0 {
            undoable.insert(act, (request.clone(), before));
        }
        let undo_until = Timestamp(request.actor.at.0 + Undo::WITHIN_MS);
        let outcome = ActionOutcome { act, undo_until, repeated: false, results };
        let held = (request.action.clone(), outcome.clone());
        keys.extend(request.key.clone().map(|k| (k, held)));
        Ok(outcome)
    }

    fn undo(&self, request: &Undo) -> Result<ActionOutcome, RegisterError> {
        let mut undoable = self.undoable.lock().expect("no panic");
        let nothing = || RegisterError::CannotUndo("there is no such request".into());
        let (done, before) = undoable.remove(&request.act).ok_or_else(nothing)?;
        let late = request.actor.at.0 > done.actor.at.0 + Undo::WITHIN_MS;
        if late || done.actor.user != request.actor.user {
            return Err(RegisterError::CannotUndo("too late, or not yours".into()));
        }
        let results = before
            .into_iter()
            .map(|row| {
                let row = AlertRow { ver: row.ver + 2, change: row.change + 1_000, ..row };
                self.put(row.clone());
                RowResult { alert: row.id.clone(), row: Some(row), refused: None }
            })
            .collect();
        let undo_until = request.actor.at;
        Ok(ActionOutcome { act: request.act, undo_until, repeated: false, results })
    }

    fn allowed(&self, row: &AlertRow) -> Vec<&'static str> {
        if row.acknowledged { vec!["resolve"] } else { vec!["acknowledge", "resolve"] }
    }

    fn incidents(
        &self,
        filter: &IncidentFilter,
    ) -> Result<(Vec<IncidentRow>, Option<String>), RegisterError> {
        self.incident_filters.lock().expect("no panic").push(filter.clone());
        let known = incident();
        let inside = filter.scope.allows(&known.area, &known.service);
        let found = inside.then_some(known).into_iter().collect();
        Ok((found, Some("next-page".into())))
    }

    fn incident(
        &self,
        id: &IncidentId,
        scope: &Scope,
        limit: usize,
    ) -> Result<(IncidentRow, Vec<AlertRow>), RegisterError> {
        let known = incident();
        if *id != known.id || !scope.allows(&known.area, &known.service) {
            return Err(RegisterError::NoIncident(id.clone()));
        }
        let rows = self.rows.lock().expect("no panic");
        let inside = rows.iter().filter(|r| scope.allows(&r.area, &r.service));
        Ok((known, inside.take(limit).cloned().collect()))
    }

    fn holds(&self, with_ended: bool, _scope: &Scope) -> Result<Vec<Hold>, RegisterError> {
        Ok(if with_ended { vec![hold(), hold()] } else { vec![hold()] })
    }

    fn hold(&self, request: &HoldRequest) -> Result<Hold, RegisterError> {
        self.holds.lock().expect("no panic").push(request.clone());
        Ok(Hold { reason: request.reason.clone(), scope: request.scope.clone(), ..hold() })
    }

    fn note(&self, action: &str, who: &Actor, note: Option<&str>) -> Result<(), RegisterError> {
        let line = format!("{action} {} {}", who.user, note.unwrap_or_default());
        self.noted.lock().expect("no panic").push(line);
        Ok(())
    }

    fn shelve_max_ms(&self) -> i64 {
        43_200_000
    }

    fn end_hold(
        &self,
        id: &HoldId,
        _within: &Scope,
        who: &Actor,
        _note: Option<&str>,
    ) -> Result<Hold, RegisterError> {
        if *id != hold().id {
            return Err(RegisterError::NoHold(*id));
        }
        Ok(Hold { ended: Some((who.at, who.user.clone())), ..hold() })
    }
}
