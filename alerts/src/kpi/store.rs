use std::path::Path;
use std::sync::{Mutex, MutexGuard};

use ioc_model::{KpiQuery, KpiReport, KpiStore, RegisterError, Scope, Timestamp};
use rusqlite::Connection;

use super::load::{Asked, DAY};
use super::metrics::{self, KpiMetrics};
use super::read;
use super::report;
use super::targets::Targets;
use crate::schema::{self, store};

/// Longest time of a report.
const LONGEST_MS: i64 = 400 * DAY;
/// Reports that are kept.
const KEPT: usize = 8;
/// So long metrics are given again, ms: a scrape must not read 100,000 open alerts each time.
const METRICS_MS: i64 = 10_000;

/// Figures of the alarm system, read from the register's file.
pub struct Kpis {
    /// One report at a time: a second one that asks the same finds the first one's answer.
    reports: Mutex<Reports>,
    /// Of its own, so that a scrape does not wait for a report over a year.
    metrics: Mutex<Metrics>,
    targets: Targets,
}

struct Reports {
    db: Connection,
    /// The newest last.
    kept: Vec<(Key, KpiReport)>,
}

struct Metrics {
    db: Connection,
    last: Option<(i64, KpiMetrics)>,
}

/// What a report depends on: while no alert changes, the same question has the same answer.
#[derive(PartialEq)]
struct Key {
    query: KpiQuery,
    asked: Asked,
    change: u64,
}

impl Kpis {
    /// Opens the register's file at `path` for reading, with the targets that are built in; adds
    /// the indexes that reports need. The register creates its tables before.
    ///
    /// # Errors
    /// When there is no such file or it is not a register.
    pub fn open(path: &Path) -> Result<Self, RegisterError> {
        Self::with_targets(path, Targets::default())
    }

    /// The same with other targets.
    ///
    /// # Errors
    /// As [`Kpis::open`].
    pub fn with_targets(path: &Path, targets: Targets) -> Result<Self, RegisterError> {
        read::prepare(path)?;
        let reports = Reports { db: read::open(path)?, kept: Vec::new() };
        let metrics = Metrics { db: read::open(path)?, last: None };
        Ok(Self { reports: Mutex::new(reports), metrics: Mutex::new(metrics), targets })
    }

    /// The last 24 h before `now` (wall time); the answer of up to 10 s before is given again.
    ///
    /// # Errors
    /// The store's own trouble.
    pub fn metrics(&self, now: Timestamp) -> Result<KpiMetrics, RegisterError> {
        let mut metrics = lock(&self.metrics);
        let Metrics { db, last } = &mut *metrics;
        if let Some((_, found)) = last.filter(|(at, _)| (*at..*at + METRICS_MS).contains(&now.0)) {
            return Ok(found);
        }
        let tx = db.unchecked_transaction().map_err(store)?;
        let positions = read::positions(&tx, now.0, now.0.saturating_add(1))?;
        let asked = metrics::last_day(now.0, positions);
        let sample = read::sample(&tx, &KpiQuery::of(Scope::city()), &asked)?;
        let found = metrics::metrics(&sample, &asked, &self.targets);
        *last = Some((now.0, found));
        Ok(found)
    }
}

impl KpiStore for Kpis {
    fn report(&self, query: &KpiQuery) -> Result<KpiReport, RegisterError> {
        let (from, to) = (query.from.0, query.to.0);
        if to <= from {
            return Err(RegisterError::Bad("`to` is not after `from`".into()));
        }
        if query.to.since_ms(query.from) > LONGEST_MS {
            return Err(RegisterError::Bad("the time is longer than 400 days".into()));
        }
        let mut reports = lock(&self.reports);
        let Reports { db, kept } = &mut *reports;
        // One snapshot for all that is read.
        let tx = db.unchecked_transaction().map_err(store)?;
        let change = schema::newest_change(&tx)?;
        let positions = match query.positions {
            Some(positions) => positions.max(1),
            None => read::positions(&tx, from, to)?,
        };
        let asked = Asked { from, to, positions };
        let key = Key { query: query.clone(), asked, change };
        if let Some((_, report)) = kept.iter().find(|(known, _)| *known == key) {
            return Ok(report.clone());
        }
        let sample = read::sample(&tx, query, &asked)?;
        let report = report::report(&sample, &asked, &self.targets);
        kept.retain(|(known, _)| known.change == change);
        if kept.len() >= KEPT {
            kept.remove(0);
        }
        kept.push((key, report.clone()));
        Ok(report)
    }
}

/// A poisoned lock only says that a report panicked; nothing was written.
fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
