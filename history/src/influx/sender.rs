//! The task that sends: the lanes side by side, in each one batch after the other.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use futures::future::join_all;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::batch::Batch;
use super::deliver::{Server, deliver};
use super::store::{Shared, lock};
use super::wire::Answer;
use crate::Error;

/// Wait after trouble with our own `influx.db`.
const DISK_RETRY: Duration = Duration::from_secs(1);

/// Sends until `stop`; what is not answered then stays in the journal.
pub(super) async fn run(shared: Arc<Shared>, stop: CancellationToken) {
    let _stopped = shared.stopped.clone().drop_guard();
    tokio::select! {
        biased;
        () = stop.cancelled() => return,
        () = shared.set_up() => {}
    }
    join_all((0..shared.work.len()).map(|number| Lane { number, shared: &shared }.run(&stop)))
        .await;
}

/// A lane, and the server as it sees it.
struct Lane<'a> {
    number: usize,
    shared: &'a Arc<Shared>,
}

impl Lane<'_> {
    async fn run(self, stop: &CancellationToken) {
        while let Some(batch) = self.next(stop).await {
            let batch = Arc::new(batch);
            let Some(dead) = deliver(&batch, &self, &self.shared.config, stop).await else { break };
            if self.keep(batch, dead, stop).await.is_none() {
                break;
            }
        }
    }

    async fn next(&self, stop: &CancellationToken) -> Option<Batch> {
        loop {
            let due = match lock(&self.shared.queue).pop(self.number, Instant::now()) {
                Ok(batch) => return Some(batch),
                Err(due) => due,
            };
            let aged = async {
                match due {
                    Some(due) => tokio::time::sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            let work = self.shared.work.get(self.number)?;
            tokio::select! {
                biased;
                () = stop.cancelled() => return None,
                () = work.notified() => {}
                () = aged => {}
            }
        }
    }

    /// Keeps the outcome on disk; while the disk refuses, the lane sends nothing further.
    async fn keep(
        &self,
        batch: Arc<Batch>,
        dead: Vec<(usize, String)>,
        stop: &CancellationToken,
    ) -> Option<()> {
        let done = batch.finish(dead, self.shared.count_from);
        lock(&self.shared.done).push((self.number, done));
        loop {
            let shared = Arc::clone(self.shared);
            let kept = tokio::task::spawn_blocking(move || shared.commit()).await;
            let why = match kept.map_err(Error::from).and_then(|kept| kept) {
                Ok(()) => return Some(()),
                Err(e) => e.to_string(),
            };
            self.trouble(Some(format!("influx.db: {why}")));
            tokio::select! {
                biased;
                () = stop.cancelled() => return None,
                () = tokio::time::sleep(DISK_RETRY) => {}
            }
        }
    }
}

impl Server for Lane<'_> {
    async fn write(&self, lines: &str) -> Answer {
        self.shared.wire.write(lines).await
    }

    async fn set_up(&self) {
        self.shared.set_up().await;
    }

    fn trouble(&self, why: Option<String>) {
        self.shared.progress.send_if_modified(|p| {
            let before = p.trouble().is_some();
            let Some(mine) = p.troubles.get_mut(self.number) else { return false };
            if *mine == why {
                return false;
            }
            *mine = why;
            match (before, p.trouble()) {
                (false, Some(why)) => tracing::warn!(why, "influxdb does not store"),
                (true, None) => tracing::info!("influxdb stores again"),
                _ => {}
            }
            true
        });
    }

    fn malformed(&self) {
        self.shared.malformed.fetch_add(1, Relaxed);
    }
}

impl Shared {
    /// One try; a server that is away or forbids it is met again by the write that follows.
    async fn set_up(&self) {
        // Two lanes that miss the bucket do not both make it.
        let _turn = self.set_up_turn.lock().await;
        match self.wire.ensure_bucket().await {
            Ok(kept) => {
                *lock(&self.retention) = Some(kept);
                let wanted_s = self.config.retention_s();
                if kept.seconds != wanted_s {
                    let (bucket, kept_s) = (&self.config.bucket, kept.seconds);
                    tracing::warn!(
                        bucket,
                        kept_s,
                        wanted_s,
                        "the bucket has another retention than the settings; it is left as it is"
                    );
                }
            }
            Err(Answer::Refused(status, why)) => {
                tracing::warn!(status, why, "influxdb set-up refused, writing anyway");
            }
            Err(other) => tracing::warn!(?other, "influxdb set-up failed, writing anyway"),
        }
    }

    /// Brings the answered batches of all lanes to disk: their dead letters and the cursor
    /// together. One lane does it for all that wait.
    fn commit(&self) -> Result<(), Error> {
        let mut state = lock(&self.state);
        let done = std::mem::take(&mut *lock(&self.done));
        if done.is_empty() {
            return Ok(());
        }
        let lanes: Vec<usize> = done.iter().map(|d| d.0).collect();
        let cursor = lock(&self.queue).floor(&lanes);
        let letters = done.iter().flat_map(|d| &d.1.letters);
        let points = done.iter().map(|d| d.1.points as u64).sum();
        if let Err(e) = state.advance(cursor, letters, points) {
            lock(&self.done).extend(done);
            return Err(e);
        }
        for (lane, batch) in &done {
            batch.stored.apply(&self.ledger, |c| &c.stored);
            batch.dead.apply(&self.ledger, |c| &c.dead_lettered);
            self.stored_points.fetch_add(batch.points as u64, Relaxed);
            lock(&self.queue).answered(*lane, batch.lines);
        }
        self.progress.send_modify(|p| {
            p.cursor = cursor;
            for (lane, _) in &done {
                if let Some(trouble) = p.troubles.get_mut(*lane) {
                    *trouble = None;
                }
            }
        });
        Ok(())
    }
}
