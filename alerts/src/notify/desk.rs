//! What the run loop and the screens share: the outbox, its configuration and its counters.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ioc_model::{AlertStore, Name, RegisterError, Timestamp};
use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::config::NotifyConfig;
use super::flush::Flush;
use super::intake::Intake;
use super::log::{self, Done, Job, Verdict};
use super::schema::{self, CURSOR, REBUILD, meta, set_meta};
use crate::schema::store;

/// Lines that one transaction takes at most.
const LINES: usize = 500;

/// Since the start.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) sent: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) dead: AtomicU64,
}

pub(super) struct Desk {
    db: Mutex<Connection>,
    pub(super) config: NotifyConfig,
    pub(super) counters: BTreeMap<Name, Counters>,
    /// Alerts that were over or held back before anybody was told.
    pub(super) withheld: AtomicU64,
    pub(super) alerts: Arc<dyn AlertStore>,
}

/// What one round of taking did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) lines: usize,
    pub(super) put_out: usize,
    /// There may be more lines.
    pub(super) more: bool,
}

impl Desk {
    pub(super) fn open(
        path: &Path,
        config: NotifyConfig,
        alerts: Arc<dyn AlertStore>,
    ) -> Result<Self, RegisterError> {
        let db = schema::open(path)?;
        if let Some(cursor) = meta(&db, CURSOR)?.filter(|c| *c > 0)
            && alerts.audit_after(cursor - 1, 1)?.is_empty()
        {
            // The register was put back to an earlier state: its lines are other ones now.
            tracing::error!(cursor, "the audit log ends before what was taken from it");
            db.execute("DELETE FROM meta WHERE key = ?1", [CURSOR]).map_err(store)?;
        }
        let counters =
            config.receivers.iter().map(|r| (r.id.clone(), Counters::default())).collect();
        Ok(Self { db: Mutex::new(db), config, counters, withheld: AtomicU64::new(0), alerts })
    }

    /// A poisoned lock only says that somebody panicked; SQLite rolled back.
    pub(super) fn db(&self) -> MutexGuard<'_, Connection> {
        self.db.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn write<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, RegisterError>,
    ) -> Result<T, RegisterError> {
        let mut db = self.db();
        let tx = db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(store)?;
        let value = work(&tx)?;
        tx.commit().map_err(store)?;
        Ok(value)
    }

    /// Takes the next lines and puts out what is due, in one transaction.
    pub(super) fn take(&self, now: Timestamp) -> Result<Taken, RegisterError> {
        let cursor = meta(&self.db(), CURSOR)?;
        let (cursor, rebuild) = match cursor {
            Some(cursor) => (cursor, meta(&self.db(), REBUILD)?.unwrap_or(0)),
            None => self.begin()?,
        };
        let lines = self.alerts.audit_after(cursor, LINES)?;
        let due = log::next_due(&self.db(), now)?.is_some_and(|at| at <= now);
        if lines.is_empty() && !due {
            return Ok(Taken::default());
        }
        let mut withheld = 0;
        let put_out = self.write(|tx| {
            let flush = |at: Timestamp| {
                let (config, alerts) = (&self.config, &*self.alerts);
                Flush { db: tx, config, alerts, now: at, wall: now }.due()
            };
            let mut put_out = 0;
            for line in &lines {
                // A new outbox relives the past in the time of the lines, so that the same lines
                // come together, under the same id, as they did the first time.
                let old = line.seq <= rebuild;
                let at = if old { line.at.min(now) } else { now };
                put_out += flush(at)?;
                let silent = old && now.since_ms(line.at) > self.config.rebuild_ms;
                let (config, alerts) = (&self.config, &*self.alerts);
                withheld += Intake { db: tx, config, alerts, now: at, silent }.line(line)?;
                put_out += flush(at)?;
            }
            if let Some(last) = lines.last() {
                set_meta(tx, CURSOR, last.seq)?;
            }
            if lines.last().is_none_or(|l| l.seq >= rebuild) {
                put_out += flush(now)?;
            }
            Ok(put_out)
        })?;
        self.withheld.fetch_add(withheld, Ordering::Relaxed);
        Ok(Taken { lines: lines.len(), put_out, more: lines.len() == LINES })
    }

    /// A new outbox: everything that is in the audit log now is the past.
    fn begin(&self) -> Result<(u64, u64), RegisterError> {
        let mut last = 0;
        // Lines have no gaps, so the end is found by doubling and halving.
        let exists = |seq: u64| Ok(!self.alerts.audit_after(seq, 1)?.is_empty());
        if exists(0)? {
            let mut step = 1u64;
            while exists(last + step)? {
                last += step;
                step *= 2;
            }
            while step > 0 {
                if exists(last + step)? {
                    last += step;
                }
                step /= 2;
            }
            last += 1;
        }
        self.write(|tx| {
            set_meta(tx, REBUILD, last)?;
            set_meta(tx, CURSOR, 0)
        })?;
        if last > 0 {
            tracing::warn!(
                lines = last,
                "outbox is new: it learns from the audit log what was told"
            );
        }
        Ok((0, last))
    }

    pub(super) fn jobs(
        &self,
        receiver: &str,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<Job>, RegisterError> {
        log::jobs(&self.db(), receiver, now, limit)
    }

    pub(super) fn settle(&self, done: &Done, now: Timestamp) -> Result<Verdict, RegisterError> {
        let verdict = self.write(|tx| log::settle(tx, done, now))?;
        let Some(counters) = self.counters.get(&done.receiver) else { return Ok(verdict) };
        let count = |c: &AtomicU64| c.fetch_add(1, Ordering::Relaxed);
        match verdict {
            Verdict::Delivered => count(&counters.sent),
            Verdict::Again(_) => count(&counters.failed),
            Verdict::Dead => {
                count(&counters.failed);
                count(&counters.dead)
            }
        };
        Ok(verdict)
    }

    /// Housekeeping; true if there is more of it.
    pub(super) fn sweep(&self, now: Timestamp) -> Result<bool, RegisterError> {
        self.write(|tx| {
            let dead = log::orphans(tx, &self.config, now)?;
            if dead > 0 {
                tracing::warn!(dead, "deliveries to receivers that are not configured any more");
            }
            log::sweep(tx, &self.config, now)
        })
    }

    pub(super) fn next_due(&self, now: Timestamp) -> Result<Option<Timestamp>, RegisterError> {
        log::next_due(&self.db(), now)
    }
}
