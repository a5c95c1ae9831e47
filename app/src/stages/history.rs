use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use ioc_model::{Flush, HistoryStore, Timestamp};
use tokio_util::sync::CancellationToken;

use super::{EntryJournal, Progress};

/// Time between two attempts to make history durable.
const FLUSH_EVERY: Duration = Duration::from_secs(5);

/// Writes the journal into history. A store that is down only makes its cursor lag.
pub(crate) struct HistoryStage {
    pub store: Arc<dyn HistoryStore>,
    pub journal: EntryJournal,
    pub progress: Arc<Progress>,
}

impl HistoryStage {
    pub(crate) async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        let from = self.store.cursor().await?;
        self.progress.history.store(from, Relaxed);
        let mut reader = self.journal.reader("history", from);
        let mut flush = tokio::time::interval(FLUSH_EVERY);
        flush.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let batch = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                _ = flush.tick() => {
                    self.flush(Flush::Due).await;
                    continue;
                }
                batch = reader.next() => batch?,
            };
            let Some(batch) = batch else { break };
            tokio::select! {
                // A batch that is not taken will be read again: the cursor has not passed it.
                () = stop.cancelled() => break,
                appended = self.store.append(batch.first, &batch.entries) => appended?,
            }
        }
        self.flush(Flush::All).await;
        Ok(())
    }

    async fn flush(&self, what: Flush) {
        match self.store.flush(what).await {
            Ok(cursor) => {
                self.journal.set_cursor("history", cursor);
                self.progress.history.store(cursor, Relaxed);
            }
            Err(e) => {
                tracing::warn!(error = %e, "history is not durable yet, the journal keeps it")
            }
        }
    }
}

/// Time between two looks at what is to be given up or brought into order.
const MAINTAIN_EVERY: Duration = Duration::from_secs(60);

/// Housekeeping of history, beside the writing.
pub(crate) struct HousekeepingStage {
    pub store: Arc<dyn HistoryStore>,
    pub clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

impl HousekeepingStage {
    pub(crate) async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        let mut every = tokio::time::interval(MAINTAIN_EVERY);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                _ = every.tick() => {}
            }
            self.work(&stop).await;
        }
    }

    /// Turns until nothing is left to do now; a failed one is tried again a minute later.
    async fn work(&self, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            match self.store.maintain((self.clock)()).await {
                Ok(done) if done.more => {}
                Ok(done) => {
                    tracing::debug!(?done, "history is in order");
                    return;
                }
                Err(e) => {
                    tracing::warn!(error = %e, "history housekeeping failed");
                    return;
                }
            }
        }
    }
}
