//! The incidents that one transaction touches.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use ioc_model::{AlertRow, IncidentId, IncidentKind, IncidentRow, RegisterError, Scope, Timestamp};
use rusqlite::{OptionalExtension, Transaction, params};

use super::incident::{Grouping, Incident, Key, Weight, outage_rank};
use super::member::{index_held, index_outage, insert_member, root, times, update_member};
use crate::schema::store;

/// Merged incidents that are followed to the one that has the alerts now.
const MERGES: usize = 16;

/// Collects what a transaction does to incidents and writes them once, at its end. Work and
/// memory grow with what is touched, never with the members of an incident.
#[derive(Debug, Default)]
pub(crate) struct Touched {
    incidents: BTreeMap<IncidentId, Change>,
}

#[derive(Debug)]
struct Change {
    now: Incident,
    /// As it is in the database; none: it is new.
    stored: Option<Incident>,
    /// New, and its first alert is not written yet.
    waiting: bool,
    /// Another alert may be its root.
    reroot: bool,
    /// Alerts were taken out: its times may be others.
    left: bool,
    /// Where an operator merged alerts of it.
    merged: Option<IncidentId>,
}

impl Change {
    fn of(now: Incident, stored: Option<Incident>) -> Self {
        Self { now, stored, waiting: false, reroot: false, left: false, merged: None }
    }
}

impl Touched {
    /// Gives an alert the incident it belongs to: the one with its key that is open or closed not
    /// long ago, else a new one. To be called at the raise, before the row is written; an alert
    /// that has an incident keeps it.
    pub(crate) fn join(
        &mut self,
        tx: &Transaction<'_>,
        row: &mut AlertRow,
        grouping: &Grouping<'_>,
    ) -> Result<(), RegisterError> {
        if row.incident.is_some() {
            return Ok(());
        }
        let key = Key::of(tx, row, grouping)?;
        let id = match self.home(tx, &key, row.raised_at, grouping.gap_ms)? {
            Some(id) => id,
            None => self.found(tx, row, key)?,
        };
        let outage = outage_rank(row, grouping.tree);
        insert_member(tx, row, &id, outage)?;
        row.incident = Some(id);
        Ok(())
    }

    /// One row changed: `before` as it was when this was called for it last, `None` at its raise.
    /// The row must be written already.
    pub(crate) fn row(
        &mut self,
        tx: &Transaction<'_>,
        before: Option<&AlertRow>,
        after: &AlertRow,
    ) -> Result<(), RegisterError> {
        index_held(tx, before, after)?;
        index_outage(tx, before, after)?;
        let (was, is) = (before.map(Weight::of), Weight::of(after));
        let from = before.and_then(|b| b.incident.as_ref());
        let to = after.incident.as_ref();
        if from == to && was == Some(is) {
            return Ok(());
        }
        let ranked = |w: Weight| (w.open, w.worst);
        let moved = from != to;
        let reroot = moved || was.map(ranked) != Some(ranked(is));
        if reroot && let Some(to) = to {
            update_member(tx, after, to)?;
        }
        if let (Some(from), Some(was)) = (from, was) {
            let change = self.change(tx, from, after)?;
            change.now.remove(was);
            change.reroot |= reroot;
            change.left |= moved;
        }
        if let Some(to) = to {
            let change = self.change(tx, to, after)?;
            change.now.add(after, is);
            change.waiting = false;
            change.reroot |= reroot;
        }
        Ok(())
    }

    /// An operator puts an alert into another incident: sets its incident. `false`: it is there.
    ///
    /// # Errors
    /// [`RegisterError::NoIncident`], also for one whose alerts are all elsewhere, and for one
    /// that the operator may not see.
    pub(crate) fn merge(
        &mut self,
        tx: &Transaction<'_>,
        row: &mut AlertRow,
        into: &IncidentId,
        scope: &Scope,
    ) -> Result<bool, RegisterError> {
        let no_incident = || RegisterError::NoIncident(into.clone());
        let into = self.resolve(tx, into)?.ok_or_else(no_incident)?;
        let Some(target) = self.known(tx, &into)?.map(|c| &c.now.row) else {
            return Err(no_incident());
        };
        if !scope.allows(&target.area, &target.service) {
            return Err(no_incident());
        }
        if row.incident.as_ref() == Some(&into) {
            return Ok(false);
        }
        let mut key = None;
        if let Some(from) = &row.incident {
            let change = self.change(tx, from, row)?;
            change.merged = Some(into.clone());
            key.clone_from(&change.now.key);
        }
        let target = self.change(tx, &into, row)?;
        if key.is_none() || key != target.now.key {
            target.now.row.kind = IncidentKind::Manual;
        }
        row.incident = Some(into);
        Ok(true)
    }

    /// An operator takes alerts out of their incidents: the id of the one they are put into, to be
    /// set in each of them. One that gets no alert is not kept.
    pub(crate) fn split(
        &mut self,
        tx: &Transaction<'_>,
        first: &AlertRow,
    ) -> Result<IncidentId, RegisterError> {
        self.begin(tx, first, None)
    }

    /// Writes the incidents that changed and returns them; one with no alerts is gone from lists.
    pub(crate) fn finish(self, tx: &Transaction<'_>) -> Result<Vec<IncidentRow>, RegisterError> {
        let mut changed = Vec::new();
        for (_, mut change) in self.incidents {
            if change.now.row.alerts == 0 {
                if change.stored.is_none() {
                    continue;
                }
                change.now.merged_into = change.merged.take().or(change.now.merged_into);
            } else {
                change.now.merged_into = None;
                if change.left {
                    times(tx, &mut change.now)?;
                }
                if change.reroot || change.left {
                    root(tx, &mut change.now)?;
                }
            }
            change.now.settle();
            if change.stored.as_ref() != Some(&change.now) {
                change.now.row.ver += 1;
                change.now.save(tx)?;
                changed.push(change.now.row);
            }
        }
        Ok(changed)
    }

    /// The incident with this key that takes an alert raised at `at`.
    fn home(
        &mut self,
        tx: &Transaction<'_>,
        key: &Key,
        at: Timestamp,
        gap_ms: i64,
    ) -> Result<Option<IncidentId>, RegisterError> {
        let owner: Option<String> = tx
            .prepare_cached("SELECT incident FROM incident_key WHERE key = ?1")
            .and_then(|mut s| s.query_row([&key.text], |r| r.get(0)).optional())
            .map_err(store)?;
        let Some(owner) = owner else { return Ok(None) };
        let Some(id) = self.resolve(tx, &IncidentId(owner))? else { return Ok(None) };
        let takes = self.incidents.get(&id).is_some_and(|c| {
            let row = &c.now.row;
            row.open > 0 || c.waiting || at.since_ms(row.last_at) <= gap_ms
        });
        Ok(takes.then_some(id))
    }

    /// The incident itself, or the one that all its alerts were merged into; `None` if there is
    /// none or its alerts went elsewhere one by one.
    fn resolve(
        &mut self,
        tx: &Transaction<'_>,
        id: &IncidentId,
    ) -> Result<Option<IncidentId>, RegisterError> {
        let mut id = id.clone();
        for _ in 0..=MERGES {
            let Some(change) = self.known(tx, &id)? else { return Ok(None) };
            if change.now.row.alerts > 0 || change.waiting {
                return Ok(Some(id));
            }
            match change.merged.as_ref().or(change.now.merged_into.as_ref()) {
                Some(next) => id = next.clone(),
                None => return Ok(None),
            }
        }
        Ok(None)
    }

    /// Founds an incident; from now on it has the key.
    fn found(
        &mut self,
        tx: &Transaction<'_>,
        first: &AlertRow,
        key: Key,
    ) -> Result<IncidentId, RegisterError> {
        let text = key.text.clone();
        let id = IncidentId(first.id.0.clone());
        let id = if self.known(tx, &id)?.is_some() {
            // Rows of an earlier version may be joined after their incident was.
            self.begin(tx, first, Some(key))?
        } else {
            self.start(id, first, Some(key))
        };
        tx.prepare_cached(
            "INSERT INTO incident_key VALUES (?1, ?2)
             ON CONFLICT (key) DO UPDATE SET incident = ?2",
        )
        .and_then(|mut s| s.execute(params![text, id.0]))
        .map_err(store)?;
        Ok(id)
    }

    /// A new incident `{first alert}-{n}`.
    fn begin(
        &mut self,
        tx: &Transaction<'_>,
        first: &AlertRow,
        key: Option<Key>,
    ) -> Result<IncidentId, RegisterError> {
        // `.` follows `-`, so this is every id that begins with `{first}-`.
        let taken: u32 = tx
            .prepare_cached(
                "SELECT count(*) FROM incident WHERE id >= ?1 || '-' AND id < ?1 || '.'",
            )
            .and_then(|mut s| s.query_row([&first.id.0], |r| r.get(0)))
            .map_err(store)?;
        let mut n = taken + 1;
        let mut id = IncidentId(format!("{}-{n}", first.id));
        while self.incidents.contains_key(&id) {
            n += 1;
            id = IncidentId(format!("{}-{n}", first.id));
        }
        Ok(self.start(id, first, key))
    }

    fn start(&mut self, id: IncidentId, first: &AlertRow, key: Option<Key>) -> IncidentId {
        let now = Incident::founded(id.clone(), first, key);
        self.incidents.insert(id.clone(), Change { waiting: true, ..Change::of(now, None) });
        id
    }

    /// An incident that there is.
    fn known(
        &mut self,
        tx: &Transaction<'_>,
        id: &IncidentId,
    ) -> Result<Option<&mut Change>, RegisterError> {
        Ok(match self.incidents.entry(id.clone()) {
            Entry::Occupied(entry) => Some(entry.into_mut()),
            Entry::Vacant(entry) => Incident::load(tx, id)?.map(|now| {
                let stored = Some(now.clone());
                entry.insert(Change::of(now, stored))
            }),
        })
    }

    /// The incident of an alert. Should it be lost, the alert founds it again rather than that
    /// the register stands still.
    fn change(
        &mut self,
        tx: &Transaction<'_>,
        id: &IncidentId,
        row: &AlertRow,
    ) -> Result<&mut Change, RegisterError> {
        if self.known(tx, id)?.is_none() {
            self.start(id.clone(), row, None);
        }
        self.known(tx, id)?.ok_or_else(|| RegisterError::NoIncident(id.clone()))
    }
}
