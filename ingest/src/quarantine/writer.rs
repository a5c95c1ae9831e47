//! The quarantine's writer thread.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use ioc_model::QuarantineReason;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use super::store::Store;
use super::{QuarantineConfig, Refused};
use crate::error::IngestError;

/// What is to be done to the file.
pub(super) enum Change {
    /// Refusals of one submission.
    Add(Vec<Refused>),
    /// What a second look came to.
    Settle(Vec<Settled>),
}

impl Change {
    fn added(&self) -> &[Refused] {
        match self {
            Self::Add(rows) => rows,
            Self::Settle(_) => &[],
        }
    }

    fn settled(&self) -> &[Settled] {
        match self {
            Self::Add(_) => &[],
            Self::Settle(rows) => rows,
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Add(rows) => rows.len(),
            Self::Settle(rows) => rows.len(),
        }
    }
}

/// A row that was looked at again.
pub(super) struct Settled {
    pub(super) id: i64,
    /// Still refused: why, today. `None`: taken, and gone from here.
    pub(super) still: Option<(QuarantineReason, String)>,
}

pub(super) struct Job {
    pub(super) change: Change,
    pub(super) done: oneshot::Sender<Result<(), IngestError>>,
    /// Given back when the rows are written.
    pub(super) _room: OwnedSemaphorePermit,
}

#[derive(Default)]
pub(super) struct Counters {
    pub(super) rows: AtomicU64,
    pub(super) bytes: AtomicU64,
    pub(super) dropped: AtomicU64,
}

/// Rows of one commit at most.
const COMMIT_ROWS: usize = 8_192;

pub(super) struct Writer {
    store: Store,
    config: QuarantineConfig,
    counters: Arc<Counters>,
    rows: u64,
    bytes: u64,
}

impl Writer {
    pub(super) fn new(
        store: Store,
        config: QuarantineConfig,
        counters: Arc<Counters>,
    ) -> Result<Self, rusqlite::Error> {
        let (rows, bytes) = store.totals()?;
        let writer = Self { store, config, counters, rows, bytes };
        writer.publish();
        Ok(writer)
    }

    /// Writes until the last sender is gone.
    pub(super) fn run(mut self, mut queue: mpsc::Receiver<Job>, gap: Duration) {
        let mut last: Option<Instant> = None;
        while let Some(first) = queue.blocking_recv() {
            // Pace, so that a flood of refusals does not take the disk from the journal.
            if let Some(rest) = last.and_then(|t| gap.checked_sub(t.elapsed())) {
                std::thread::sleep(rest);
            }
            last = Some(Instant::now());
            let mut n = first.change.len();
            let mut jobs = vec![first];
            while n < COMMIT_ROWS
                && let Ok(job) = queue.try_recv()
            {
                n += job.change.len();
                jobs.push(job);
            }
            let end = self.commit(&jobs).map_err(|e| {
                tracing::error!(error = %e, rows = n, "quarantine could not write");
                IngestError::QuarantineWrite(Arc::new(e))
            });
            self.publish();
            for job in jobs {
                // Who no longer waits for its rows needs no answer.
                let _ = job.done.send(end.clone());
            }
        }
    }

    /// One transaction: settled rows out, new rows in, rows beyond the limits out.
    fn commit(&mut self, jobs: &[Job]) -> Result<(), rusqlite::Error> {
        let all = || jobs.iter().flat_map(|j| j.change.added());
        let mut of_device: HashMap<Option<&str>, u64> = HashMap::new();
        for row in all() {
            *of_device.entry(row.device.as_deref()).or_default() += 1;
        }
        let (mut rows, mut bytes, mut dropped) = (self.rows, self.bytes, 0);
        let transaction = self.store.transaction()?;
        for settled in jobs.iter().flat_map(|j| j.change.settled()) {
            if let Some(gone) = transaction.settle(settled)? {
                rows = rows.saturating_sub(1);
                bytes = bytes.saturating_sub(gone);
            }
        }
        let mut left = of_device.clone();
        for row in all() {
            let device = row.device.as_deref();
            let newer = left.entry(device).or_default();
            *newer = newer.saturating_sub(1);
            if *newer >= self.config.max_rows_per_device {
                dropped += 1;
                continue;
            }
            transaction.insert(row)?;
            rows += 1;
            bytes += row.payload.len() as u64;
        }
        let mut out = |(n, b): (u64, u64)| {
            rows = rows.saturating_sub(n);
            bytes = bytes.saturating_sub(b);
            dropped += n;
            (rows, bytes)
        };
        for device in of_device.keys() {
            out(transaction.trim_device(*device, self.config.max_rows_per_device)?);
        }
        loop {
            let (rows, bytes) = out((0, 0));
            let excess = rows.saturating_sub(self.config.max_rows);
            let excess = match bytes > self.config.max_bytes {
                true => excess.max(64.min(rows)),
                false => excess,
            };
            if excess == 0 {
                break;
            }
            out(transaction.trim_oldest(excess)?);
        }
        transaction.commit()?;
        (self.rows, self.bytes) = (rows, bytes);
        self.counters.dropped.fetch_add(dropped, Relaxed);
        Ok(())
    }

    fn publish(&self) {
        self.counters.rows.store(self.rows, Relaxed);
        self.counters.bytes.store(self.bytes, Relaxed);
    }
}
