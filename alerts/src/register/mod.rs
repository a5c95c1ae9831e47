//! The register itself: one writer, several readers, and everything that changes an alert.

mod act;
mod apply;
mod batch;
mod bulk;
mod check;
mod request;
mod row;
mod tick;
mod undo;

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};

use ioc_model::{
    ActionOutcome, ActionRequest, Actor, AlertChanges, AlertFilter, AlertId, AlertRow, AlertStore,
    AuditRow, City, Hold, HoldId, HoldRequest, IncidentFilter, IncidentId, IncidentRow,
    RegisterError, Scope, Timestamp, Transition, Undo,
};
use rusqlite::{Connection, TransactionBehavior};

use batch::{Batch, Ground};

use crate::audit::Anchors;
use crate::group::{self, DeviceTree, Flood, FloodState, hold};
use crate::lifecycle::State;
use crate::policy::Policy;
use crate::query;
use crate::schema::{self, CURSOR, store};

/// Called with what each commit changed, after it and in the order of the changes, while the next
/// one waits: it must not call the register.
pub type Listener = Arc<dyn Fn(&AlertChanges) + Send + Sync>;

/// Lists that can be read at the same time.
const READERS: usize = 4;

/// What a register works with.
#[derive(Clone)]
pub struct RegisterParts {
    /// The city: devices and what they hang on.
    pub city: Arc<City>,
    /// Times, chains and limits.
    pub policy: Arc<Policy>,
    /// Hears of every commit.
    pub listener: Listener,
}

/// The alert register in one SQLite file (WAL, synchronous=FULL).
pub struct Register {
    /// Whoever wants the writer waits here first, so that a bulk action that asks for it again at
    /// once cannot keep it from the rules.
    turn: Mutex<()>,
    writer: Mutex<Writer>,
    /// Lists must not wait for a commit.
    readers: [Mutex<Connection>; READERS],
    /// Which reader is asked first.
    next_reader: AtomicUsize,
    parts: RegisterParts,
    tree: DeviceTree,
}

struct Writer {
    db: Connection,
    /// The alarm flood as the last commit left it.
    flood: Flood,
    /// What is told of the audit log outside of the file.
    anchors: Option<Anchors>,
}

impl Register {
    /// Opens or creates the register.
    ///
    /// # Errors
    /// When the file cannot be opened, is not a register, or was written by a later version.
    pub fn open(path: &Path, parts: RegisterParts) -> Result<Self, RegisterError> {
        let mut db = schema::open(path)?;
        schema::take_over(&mut db, &parts.policy)?;
        let flood = Flood::load(&db, parts.policy.flood, 1)?;
        let reader = || schema::open_reader(path).map(Mutex::new);
        Ok(Self {
            turn: Mutex::new(()),
            writer: Mutex::new(Writer { db, flood, anchors: None }),
            readers: [reader()?, reader()?, reader()?, reader()?],
            next_reader: AtomicUsize::new(0),
            tree: DeviceTree::new(&parts.city),
            parts,
        })
    }

    /// From now on anchors of the audit log are written to the file at `path`, best on another
    /// disk, and its end to the file beside it (ending `.head`). Trouble with these files is
    /// logged and tried again; it stops nothing.
    ///
    /// # Errors
    /// The store's own trouble.
    pub fn keep_anchors(&self, path: &Path) -> Result<(), RegisterError> {
        let mut writer = self.writer();
        writer.anchors = Some(Anchors::open(path, &writer.db)?);
        Ok(())
    }

    /// Times that an anchor or the end of the audit log could not be written outside.
    pub fn failed_anchors(&self) -> u64 {
        self.writer().anchors.as_ref().map_or(0, Anchors::failed)
    }

    /// Journal position below which every transition has been applied. It moves only with
    /// transitions, so it may lie far behind the journal's end.
    ///
    /// # Errors
    /// The store's own trouble.
    pub fn cursor(&self) -> Result<u64, RegisterError> {
        schema::meta(&self.reader(), CURSOR)
    }

    /// Applies the transitions of the journal entries below `next` in one transaction with that
    /// position, and returns what changed. Transitions that their alert has applied before (by
    /// their position) are passed over, so a replay raises nothing twice; a rule that is new to
    /// the register is heard also about entries it has seen before. All transitions of one entry
    /// must come in one call.
    ///
    /// # Errors
    /// The store's own trouble; then nothing of the call is kept.
    pub fn apply(
        &self,
        next: u64,
        transitions: &[Transition],
    ) -> Result<AlertChanges, RegisterError> {
        if transitions.is_empty() {
            return Ok(AlertChanges::default());
        }
        Ok(self.write(|batch| apply::apply(batch, next, transitions))?.1)
    }

    /// Does what is due at `now` (wall time): shelves and holds that end, due times that pass, the
    /// next step of a chain, what counts less, what is closed. In several transactions, and at most
    /// [`tick::MOST`] alerts in one call: when [`Self::next_due`] is still past, call again.
    ///
    /// # Errors
    /// The store's own trouble; what was committed before it stays.
    pub fn tick(&self, now: Timestamp) -> Result<AlertChanges, RegisterError> {
        if let Some(anchors) = &mut self.writer().anchors {
            anchors.tick(now);
        }
        tick::tick(self, now)
    }

    /// Writes an act that is about no alert into the audit log, with a note in a person's words and
    /// a detail as JSON text: `personal_viewed`, `personal_expired`, `data_exported`. The line is
    /// on the disk when this returns.
    ///
    /// # Errors
    /// A missing user, too long a note, a detail that is not JSON; the store's own trouble.
    pub fn note_act(
        &self,
        action: &str,
        who: &Actor,
        (note, detail): (Option<&str>, Option<&str>),
    ) -> Result<(), RegisterError> {
        check::actor(who)?;
        check::optional("the note", note)?;
        if detail.is_some_and(|d| serde_json::from_str::<serde::de::IgnoredAny>(d).is_err()) {
            return Err(RegisterError::Bad("the detail is not JSON".into()));
        }
        self.write(|batch| batch.note(action, who, (note, detail)))?;
        Ok(())
    }

    /// When something is due next; `None`: nothing is.
    ///
    /// # Errors
    /// The store's own trouble.
    pub fn next_due(&self) -> Result<Option<Timestamp>, RegisterError> {
        tick::next_due(&self.reader())
    }

    /// The alarm flood at `now`, for the positions that were set.
    pub fn flood(&self, now: Timestamp) -> FloodState {
        self.writer().flood.state(now)
    }

    /// So many operator positions share the alarms from the next raise on.
    pub fn set_positions(&self, positions: u32) {
        self.writer().flood.set_positions(positions);
    }

    /// One transaction; the listener hears of it before the next one begins.
    fn write<T>(
        &self,
        change: impl FnOnce(&mut Batch<'_>) -> Result<T, RegisterError>,
    ) -> Result<(T, AlertChanges), RegisterError> {
        let mut writer = self.writer();
        let Writer { db, flood, anchors } = &mut *writer;
        let tx = db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(store)?;
        let ground = Ground { tree: &self.tree, policy: &self.parts.policy, flood };
        let mut batch = Batch::begin(tx, ground)?;
        let out = change(&mut batch)?;
        let (changes, new_flood) = batch.commit()?;
        if let Some(new) = new_flood {
            *flood = new;
        }
        if let Some(anchors) = anchors {
            anchors.committed(db);
        }
        if !changes.alerts.is_empty() || !changes.incidents.is_empty() {
            (self.parts.listener)(&changes);
        }
        Ok((out, changes))
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        let turn = lock(&self.turn);
        let writer = lock(&self.writer);
        drop(turn);
        writer
    }

    /// A reader that nobody uses, else the next in turn.
    fn reader(&self) -> MutexGuard<'_, Connection> {
        let first = self.next_reader.fetch_add(1, Ordering::Relaxed);
        for n in 0..READERS {
            match self.readers[(first + n) % READERS].try_lock() {
                Ok(reader) => return reader,
                Err(TryLockError::Poisoned(reader)) => return reader.into_inner(),
                Err(TryLockError::WouldBlock) => {}
            }
        }
        lock(&self.readers[first % READERS])
    }
}

impl AlertStore for Register {
    fn list(&self, filter: &AlertFilter) -> Result<(Vec<AlertRow>, u64), RegisterError> {
        query::list(&self.reader(), filter)
    }

    fn get(&self, id: &AlertId, scope: &Scope) -> Result<AlertRow, RegisterError> {
        let row = schema::read_row(&self.reader(), &id.0)?;
        row.filter(|r| scope.allows(&r.area, &r.service))
            .ok_or_else(|| RegisterError::NotFound(id.clone()))
    }

    fn audit(&self, id: &AlertId) -> Result<Vec<AuditRow>, RegisterError> {
        query::audit(&self.reader(), id)
    }

    fn audit_after(&self, seq: u64, limit: usize) -> Result<Vec<AuditRow>, RegisterError> {
        query::audit_after(&self.reader(), seq, limit)
    }

    fn act(&self, request: &ActionRequest) -> Result<ActionOutcome, RegisterError> {
        bulk::act(self, request)
    }

    fn undo(&self, request: &Undo) -> Result<ActionOutcome, RegisterError> {
        undo::undo(self, request)
    }

    fn allowed(&self, row: &AlertRow) -> Vec<&'static str> {
        State::of(row).allowed().map(ioc_model::ActionKind::as_str).collect()
    }

    fn incidents(
        &self,
        filter: &IncidentFilter,
    ) -> Result<(Vec<IncidentRow>, Option<String>), RegisterError> {
        group::list(&self.reader(), filter)
    }

    fn incident(
        &self,
        id: &IncidentId,
        scope: &Scope,
        limit: usize,
    ) -> Result<(IncidentRow, Vec<AlertRow>), RegisterError> {
        group::get(&self.reader(), id, scope, limit)
    }

    fn holds(&self, with_ended: bool, scope: &Scope) -> Result<Vec<Hold>, RegisterError> {
        let mut holds = hold::list(&self.reader(), with_ended)?;
        holds.retain(|h| hold::touches(scope, &h.scope, (&self.parts.city, &self.tree)));
        Ok(holds)
    }

    fn hold(&self, request: &HoldRequest) -> Result<Hold, RegisterError> {
        check::actor(&request.actor)?;
        let scope = hold::narrowed(&request.within, &request.scope, &self.parts.city);
        let scope = scope.ok_or(RegisterError::BeyondScope)?;
        let request = HoldRequest { scope, ..request.clone() };
        Ok(self.write(|batch| batch.open_hold(&request))?.0)
    }

    fn note(&self, action: &str, who: &Actor, note: Option<&str>) -> Result<(), RegisterError> {
        self.note_act(action, who, (note, None))
    }

    fn shelve_max_ms(&self) -> i64 {
        self.parts.policy.shelve_max_ms
    }

    fn end_hold(
        &self,
        id: &HoldId,
        within: &Scope,
        who: &Actor,
        note: Option<&str>,
    ) -> Result<Hold, RegisterError> {
        check::actor(who)?;
        check::optional("the note", note)?;
        // What a hold covers never changes.
        let hold = hold::get(&self.reader(), id)?;
        if !hold::touches(within, &hold.scope, (&self.parts.city, &self.tree)) {
            return Err(RegisterError::NoHold(*id));
        }
        if !within.covers(&hold.scope.part()) {
            return Err(RegisterError::BeyondScope);
        }
        Ok(self.write(|batch| batch.end_hold(id, (who, note)))?.0)
    }
}

/// A poisoned lock only says that a listener panicked; SQLite rolled back what was not committed.
fn lock<T>(db: &Mutex<T>) -> MutexGuard<'_, T> {
    db.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
