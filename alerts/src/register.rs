use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use ioc_model::{
    Acknowledge, AlertFilter, AlertId, AlertRow, AlertStore, AuditRow, Condition, RegisterError,
    Transition, TransitionKind,
};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use crate::query;
use crate::schema::{self, AuditLine, CURSOR, store};

/// Called with the rows of each commit, after it, in the order of their change numbers.
pub type Listener = Arc<dyn Fn(&[AlertRow]) + Send + Sync>;

/// The alert register in one SQLite file (WAL, synchronous=FULL).
pub struct Register {
    writer: Mutex<Connection>,
    /// Lists must not wait for a commit.
    reader: Mutex<Connection>,
    listener: Listener,
}

impl Register {
    /// Opens or creates the register.
    ///
    /// # Errors
    /// When the file cannot be opened or is not a register.
    pub fn open(path: &Path, listener: Listener) -> Result<Self, RegisterError> {
        let writer = schema::open(path)?;
        let reader = schema::open(path)?;
        reader.pragma_update(None, "query_only", true).map_err(store)?;
        Ok(Self { writer: Mutex::new(writer), reader: Mutex::new(reader), listener })
    }

    /// Journal position below which every transition has been applied. It moves only with
    /// transitions, so it may lie far behind the journal's end.
    ///
    /// # Errors
    /// The store's own trouble.
    pub fn cursor(&self) -> Result<u64, RegisterError> {
        schema::meta(&lock(&self.reader), CURSOR)
    }

    /// Applies the transitions of the journal entries below `next` in one transaction with that
    /// position, and returns the rows that changed. Transitions that their alert has applied
    /// before (by their position) are passed over, so a replay raises nothing twice; a rule that
    /// is new to the register is heard also about entries it has seen before. All transitions of
    /// one entry must come in one call.
    ///
    /// # Errors
    /// The store's own trouble; then nothing of the call is kept.
    pub fn apply(
        &self,
        next: u64,
        transitions: &[Transition],
    ) -> Result<Vec<AlertRow>, RegisterError> {
        if transitions.is_empty() {
            return Ok(Vec::new());
        }
        let mut db = lock(&self.writer);
        let tx = db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(store)?;
        let cursor = schema::meta(&tx, CURSOR)?;
        let mut changed: Vec<AlertRow> = Vec::new();
        // As it was before this call: one entry may change an alert twice.
        let mut applied: HashMap<&str, u64> = HashMap::new();
        for t in transitions {
            let id = t.alert.0.as_str();
            let below = match applied.get(id) {
                Some(below) => *below,
                None => *applied.entry(id).or_insert(schema::applied(&tx, id)?),
            };
            if t.position < below {
                continue;
            }
            let known = schema::read_row(&tx, id)?;
            let Some(mut row) = after(known, t) else { continue };
            schema::write_row(&tx, &mut row)?;
            schema::set_applied(&tx, id, t.position.saturating_add(1))?;
            let actor = format!("rule:{}", t.rule);
            schema::write_audit(
                &tx,
                id,
                &AuditLine {
                    action: action(t.kind),
                    actor: &actor,
                    at: t.time.0,
                    severity: t.severity,
                    value: t.value,
                    limit: t.limit,
                    note: None,
                    message: Some(&t.message),
                    evidence: (!t.evidence.is_empty()).then_some(&*t.evidence),
                },
            )?;
            changed.push(row);
        }
        schema::set_meta(&tx, CURSOR, cursor.max(next))?;
        tx.commit().map_err(store)?;
        if !changed.is_empty() {
            // Still under the lock: listeners hear of changes in their order.
            (self.listener)(&changed);
        }
        Ok(changed)
    }
}

impl AlertStore for Register {
    fn list(&self, filter: &AlertFilter) -> Result<(Vec<AlertRow>, u64), RegisterError> {
        query::list(&lock(&self.reader), filter)
    }

    fn get(&self, id: &AlertId) -> Result<AlertRow, RegisterError> {
        schema::read_row(&lock(&self.reader), &id.0)?
            .ok_or_else(|| RegisterError::NotFound(id.clone()))
    }

    fn audit(&self, id: &AlertId) -> Result<Vec<AuditRow>, RegisterError> {
        query::audit(&lock(&self.reader), id)
    }

    fn acknowledge(&self, request: &Acknowledge) -> Result<AlertRow, RegisterError> {
        let mut db = lock(&self.writer);
        let tx = db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(store)?;
        let id = &request.alert;
        let mut row =
            schema::read_row(&tx, &id.0)?.ok_or_else(|| RegisterError::NotFound(id.clone()))?;
        if let Some(key) = &request.idempotency_key {
            if is_repeated(&tx, key, request)? {
                return Ok(row);
            }
            tx.execute(
                "INSERT INTO request VALUES (?1, ?2, ?3, ?4)",
                params![key, request.user, id.0, request.at.0],
            )
            .map_err(store)?;
        }
        if row.acknowledged {
            return Err(RegisterError::AlreadyAcknowledged {
                id: id.clone(),
                by: row.acknowledged_by.unwrap_or_default(),
                at: row.acknowledged_at.unwrap_or_default(),
            });
        }
        row.acknowledged = true;
        row.acknowledged_at = Some(request.at);
        row.acknowledged_by = Some(request.user.clone());
        row.note.clone_from(&request.note);
        schema::write_row(&tx, &mut row)?;
        let line = AuditLine {
            action: "acknowledge",
            actor: &request.user,
            at: request.at.0,
            severity: row.severity,
            value: None,
            limit: None,
            note: request.note.as_deref(),
            message: None,
            evidence: None,
        };
        schema::write_audit(&tx, &id.0, &line)?;
        tx.commit().map_err(store)?;
        (self.listener)(std::slice::from_ref(&row));
        Ok(row)
    }
}

/// A poisoned lock only says that a listener panicked; SQLite rolled back what was not committed.
fn lock(db: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    db.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn action(kind: TransitionKind) -> &'static str {
    match kind {
        TransitionKind::Raise => "raise",
        TransitionKind::Severity => "severity",
        TransitionKind::Clear => "clear",
    }
}

/// The same person asked the same before.
fn is_repeated(db: &Connection, key: &str, request: &Acknowledge) -> Result<bool, RegisterError> {
    let before: Option<(String, String)> = db
        .query_row("SELECT user, alert FROM request WHERE key = ?1", [key], |r| {
            Ok((r.get(0)?, r.get(1)?))
        })
        .optional()
        .map_err(store)?;
    match before {
        None => Ok(false),
        Some((user, alert)) if user == request.user && alert == request.alert.0 => Ok(true),
        Some(_) => Err(RegisterError::KeyReused(key.into())),
    }
}

/// The row after a transition; `None` when it changes nothing (an episode that is there already,
/// or a change to one that never was).
fn after(known: Option<AlertRow>, t: &Transition) -> Option<AlertRow> {
    let mut row = match (known, t.kind) {
        (None, TransitionKind::Raise) => return Some(raised(t)),
        (Some(row), TransitionKind::Severity | TransitionKind::Clear)
            if row.condition == Condition::Active =>
        {
            row
        }
        _ => return None,
    };
    row.severity = t.severity;
    row.severity_max = row.severity_max.max(t.severity);
    row.changed_at = t.time;
    row.value = t.value;
    row.limit = t.limit;
    row.message.clone_from(&t.message);
    if t.kind == TransitionKind::Clear {
        row.condition = Condition::Returned;
        row.cleared_at = Some(t.time);
    }
    Some(row)
}

fn raised(t: &Transition) -> AlertRow {
    AlertRow {
        id: t.alert.clone(),
        ver: 0,
        change: 0,
        rule: t.rule.clone(),
        entity: t.entity.clone(),
        device: t.device.clone(),
        area: t.area.clone(),
        service: t.service.clone(),
        severity: t.severity,
        severity_max: t.severity,
        condition: Condition::Active,
        acknowledged: false,
        raised_at: t.time,
        changed_at: t.time,
        cleared_at: None,
        acknowledged_at: None,
        acknowledged_by: None,
        note: None,
        value: t.value,
        limit: t.limit,
        unit: t.unit.clone(),
        name: t.name.clone(),
        message: t.message.clone(),
    }
}
