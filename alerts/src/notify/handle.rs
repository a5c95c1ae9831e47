//! The notifier as screens and metrics see it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ioc_model::{
    Actor, CapRow, DeliveryFilter, DeliveryRow, DeliveryState, Name, NotifyStore, ReceiverRow,
    RegisterError, Timestamp,
};
use rusqlite::params;
use tokio::sync::Notify;

use super::desk::Desk;
use super::flush::{hashed, insert};
use super::log;
use super::schema::{one, run, time};
use crate::cap::CapStore;
use crate::channel::{Clock, Notification};
use crate::schema::store;

/// What becomes of notifications: for the dashboard, and to wake the notifier.
#[derive(Clone)]
pub struct NotifyHandle {
    pub(super) desk: Arc<Desk>,
    /// Kind and target.
    pub(super) targets: BTreeMap<Name, (&'static str, String)>,
    pub(super) cap: Option<Arc<CapStore>>,
    pub(super) clock: Clock,
    pub(super) wake: Arc<Notify>,
    pub(super) tests: Arc<AtomicU64>,
}

/// Figures of one receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiverMetrics {
    /// Which.
    pub receiver: Name,
    /// `webhook`, `email`, `mqtt`, `cap`.
    pub kind: &'static str,
    /// Deliveries that arrived since the start.
    pub sent: u64,
    /// Tries that failed since the start.
    pub failed: u64,
    /// Deliveries that were given up since the start.
    pub dead: u64,
    /// Deliveries that wait now.
    pub waiting: u64,
    /// Age of the oldest of them, ms; 0 without one.
    pub oldest_waiting_ms: u64,
}

/// Figures of the notifier.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NotifyMetrics {
    /// In the order of the file.
    pub receivers: Vec<ReceiverMetrics>,
    /// Alerts that were over or held back before their group's wait was, for one receiver each;
    /// since the start.
    pub withheld: u64,
    /// Line of the audit log up to which everything was taken.
    pub cursor: u64,
}

impl NotifyHandle {
    /// To be called after each change of the register; does not block.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Figures now. Blocks on the disk.
    ///
    /// # Errors
    /// The store's own trouble.
    pub fn metrics(&self) -> Result<NotifyMetrics, RegisterError> {
        let now = (self.clock)();
        let mut receivers = Vec::new();
        for r in &self.desk.config.receivers {
            let sql = "SELECT count(*), min(created_at) FROM delivery
                       WHERE state = 0 AND receiver = ?1";
            let (waiting, oldest): (i64, Option<Timestamp>) =
                one(&self.desk.db(), sql, params![&*r.id], |row| Ok((row.get(0)?, time(row, 1)?)))?;
            let figure = |c: &AtomicU64| c.load(Ordering::Relaxed);
            let counters = self.desk.counters.get(&r.id);
            receivers.push(ReceiverMetrics {
                receiver: r.id.clone(),
                kind: self.targets.get(&r.id).map_or("", |t| t.0),
                sent: counters.map_or(0, |c| figure(&c.sent)),
                failed: counters.map_or(0, |c| figure(&c.failed)),
                dead: counters.map_or(0, |c| figure(&c.dead)),
                waiting: waiting.cast_unsigned(),
                oldest_waiting_ms: oldest.map_or(0, |at| now.since_ms(at).max(0).cast_unsigned()),
            });
        }
        let cursor = super::schema::meta(&self.desk.db(), super::schema::CURSOR)?.unwrap_or(0);
        let withheld = self.desk.withheld.load(Ordering::Relaxed);
        Ok(NotifyMetrics { receivers, withheld, cursor })
    }

    fn found(&self, id: &str) -> Result<DeliveryRow, RegisterError> {
        let row = log::delivery(&self.desk.db(), id)?;
        row.ok_or_else(|| RegisterError::Bad(format!("there is no delivery `{}`", shown(id))))
    }
}

/// What a caller wrote, fit to be repeated.
fn shown(text: &str) -> String {
    text.chars().take(64).filter(|c| !c.is_control()).collect()
}

impl NotifyStore for NotifyHandle {
    fn receivers(&self) -> Result<Vec<ReceiverRow>, RegisterError> {
        let db = self.desk.db();
        let mut rows = Vec::new();
        for r in &self.desk.config.receivers {
            let (kind, target) = self.targets.get(&r.id).cloned().unwrap_or_default();
            let count = "SELECT count(*) FROM delivery WHERE receiver = ?1 AND state = ?2";
            let count = |state: i64| -> Result<u64, RegisterError> {
                one(&db, count, params![&*r.id, state], |row| row.get::<_, i64>(0))
                    .map(i64::cast_unsigned)
            };
            let newest = "SELECT max(ended_at) FROM delivery WHERE receiver = ?1 AND state = 1";
            let delivered_at = one(&db, newest, params![&*r.id], |row| time(row, 0))?;
            // What arrived after it ends a trouble: look at what was tried and did not arrive.
            let trouble = "SELECT (SELECT answer FROM delivery
                 WHERE receiver = ?1 AND attempts > 0 AND state <> 1 AND answer IS NOT NULL
                   AND (state = 0 OR ended_at > ifnull(?2, 0))
                 ORDER BY seq DESC LIMIT 1)";
            let since = delivered_at.map(|t| t.0);
            let trouble = one(&db, trouble, params![&*r.id, since], |row| row.get(0))?;
            rows.push(ReceiverRow {
                id: r.id.clone(),
                kind: kind.into(),
                target,
                waiting: count(super::schema::WAITING)?,
                dead: count(super::schema::DEAD)?,
                delivered_at,
                trouble,
            });
        }
        Ok(rows)
    }

    fn deliveries(&self, filter: &DeliveryFilter) -> Result<Vec<DeliveryRow>, RegisterError> {
        log::deliveries(&self.desk.db(), filter)
    }

    fn test(&self, receiver: &str, actor: &Actor) -> Result<DeliveryRow, RegisterError> {
        let Some(r) = self.desk.config.receiver_by_id(receiver) else {
            let message = format!("there is no receiver `{}`", shown(receiver));
            return Err(RegisterError::Bad(message));
        };
        let now = (self.clock)();
        let n = self.tests.fetch_add(1, Ordering::Relaxed);
        let id = hashed(&format!("test\0{receiver}\0{}\0{}\0{n}", actor.user, now.0));
        let test = Notification {
            id: id.clone(),
            receiver: r.id.clone(),
            route: "".into(),
            // Its own group: it must not wait behind what does not arrive.
            group: format!("test:{id}"),
            reasons: vec!["test".into()],
            incident: None,
            alerts: Vec::new(),
            more: 0,
            changes: Vec::new(),
            at: now,
            test: true,
            language: r.language,
        };
        let expires_at = now.plus_ms(self.desk.config.give_up_ms);
        self.desk.write(|tx| insert(tx, &test, &[], expires_at))?;
        tracing::info!(receiver, user = %actor.user, delivery = %id, "notification test");
        self.wake();
        self.found(&id)
    }

    fn retry(&self, id: &str, actor: &Actor) -> Result<DeliveryRow, RegisterError> {
        let row = self.found(id)?;
        if row.state != DeliveryState::Dead {
            return Err(RegisterError::Bad(format!("delivery `{id}` is not given up")));
        }
        if self.desk.config.receiver_by_id(&row.receiver).is_none() {
            let message = format!("there is no receiver `{}` any more", row.receiver);
            return Err(RegisterError::Bad(message));
        }
        let now = (self.clock)();
        let expires_at = now.plus_ms(self.desk.config.give_up_ms).0;
        let sql = "UPDATE delivery SET state = 0, next_at = ?2, ended_at = NULL, expires_at = ?3
                   WHERE id = ?1 AND state = 2";
        self.desk.write(|tx| run(tx, sql, params![id, now.0, expires_at]))?;
        tracing::info!(user = %actor.user, delivery = id, "notification tried again");
        self.wake();
        self.found(id)
    }

    fn cap_feed(&self, limit: usize) -> Result<Vec<CapRow>, RegisterError> {
        let Some(cap) = &self.cap else { return Ok(Vec::new()) };
        cap.feed(limit).map_err(store)
    }

    fn cap(&self, id: &str) -> Result<Option<CapRow>, RegisterError> {
        let Some(cap) = &self.cap else { return Ok(None) };
        cap.get(id).map_err(store)
    }
}
