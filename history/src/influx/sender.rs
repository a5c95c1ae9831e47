//! The task that sends batches one after the other.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::batch::Batch;
use super::deliver::{Server, deliver};
use super::store::{Shared, lock};
use super::wire::Answer;

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
    while let Some(batch) = next(&shared, &stop).await {
        let Some(dead) = deliver(&batch, &*shared, &shared.config, &stop).await else { break };
        if finish(&shared, batch, dead, &stop).await.is_none() {
            break;
        }
    }
}

async fn next(shared: &Shared, stop: &CancellationToken) -> Option<Batch> {
    loop {
        let due = match lock(&shared.queue).pop(Instant::now()) {
            Ok(batch) => return Some(batch),
            Err(due) => due,
        };
        let aged = async {
            match due {
                Some(due) => tokio::time::sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => return None,
            () = shared.work.notified() => {}
            () = aged => {}
        }
    }
}

/// Keeps the outcome on disk; while the disk refuses, nothing further is sent.
async fn finish(
    shared: &Arc<Shared>,
    batch: Batch,
    dead: Vec<(usize, String)>,
    stop: &CancellationToken,
) -> Option<()> {
    let done = batch.finish(dead, shared.count_from);
    let done = Arc::new(done);
    loop {
        let (task_shared, task_done) = (Arc::clone(shared), Arc::clone(&done));
        let kept = tokio::task::spawn_blocking(move || {
            lock(&task_shared.state).advance(task_done.end, &task_done.letters)
        });
        let why = match kept.await {
            Ok(Ok(())) => {
                shared.count(&done);
                return Some(());
            }
            Ok(Err(e)) => e.to_string(),
            Err(e) => e.to_string(),
        };
        shared.trouble(Some(format!("influx.db: {why}")));
        tokio::select! {
            biased;
            () = stop.cancelled() => return None,
            () = tokio::time::sleep(DISK_RETRY) => {}
        }
    }
}

impl Server for Shared {
    async fn write(&self, lines: &str) -> Answer {
        self.wire.write(lines).await
    }

    /// One try; a server that is away or forbids it is met again by the write that follows.
    async fn set_up(&self) {
        match self.wire.ensure_bucket().await {
            Ok(()) => {}
            Err(Answer::Refused(status, why)) => {
                tracing::warn!(status, why, "influxdb set-up refused, writing anyway");
            }
            Err(other) => tracing::warn!(?other, "influxdb set-up failed, writing anyway"),
        }
    }

    fn trouble(&self, why: Option<String>) {
        self.progress.send_if_modified(|p| {
            if p.trouble == why {
                return false;
            }
            match (&p.trouble, &why) {
                (None, Some(why)) => tracing::warn!(why, "influxdb does not store"),
                (Some(_), None) => tracing::info!("influxdb stores again"),
                _ => {}
            }
            p.trouble = why;
            true
        });
    }

    fn malformed(&self) {
        self.malformed.fetch_add(1, Relaxed);
    }
}
