use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use ioc_model::{
    AlertFilter, AlertId, AlertRow, AuditRow, Condition, RegisterError, Transition, TransitionKind,
};
use rusqlite::{Connection, TransactionBehavior};

use crate::audit::{self, AuditLine};
use crate::query;
use crate::schema::{self, CURSOR, store};

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
            audit::append(
                &tx,
                &AuditLine {
                    alert: id,
                    action: action(t.kind),
                    actor: &actor,
                    origin: None,
                    detail: None,
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

impl Register {
    /// Alerts that fit.
    pub fn list(&self, filter: &AlertFilter) -> Result<(Vec<AlertRow>, u64), RegisterError> {
        query::list(&lock(&self.reader), filter)
    }

    /// One alert.
    pub fn get(&self, id: &AlertId) -> Result<AlertRow, RegisterError> {
        schema::read_row(&lock(&self.reader), &id.0)?
            .ok_or_else(|| RegisterError::NotFound(id.clone()))
    }

    /// Its history.
    pub fn audit(&self, id: &AlertId) -> Result<Vec<AuditRow>, RegisterError> {
        query::audit(&lock(&self.reader), id)
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

/// The row after a transition; `None` when it changes nothing (an episode that is there already,
/// or a change to one that never was).
fn after(known: Option<AlertRow>, t: &Transition) -> Option<AlertRow> {
    let mut row = match (known, t.kind) {
        (None, TransitionKind::Raise) => return Some(AlertRow::raised(t)),
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
