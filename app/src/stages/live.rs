use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use anyhow::Context;
use ioc_dashboard::Live;

use super::{EntryJournal, Progress, blocking, write_atomically};

const SNAPSHOT_EVERY: Duration = Duration::from_secs(10);

/// Keeps what the screens show in step with the journal.
pub(crate) struct LiveStage {
    pub live: Arc<Live>,
    pub next: u64,
    pub journal: EntryJournal,
    pub snapshot: PathBuf,
    pub progress: Arc<Progress>,
}

impl LiveStage {
    pub(crate) async fn run(mut self) -> anyhow::Result<()> {
        self.progress.live.store(self.next, Relaxed);
        let mut reader = self.journal.reader("live", self.next);
        let mut saved = Instant::now();
        while let Some(batch) = reader.next().await? {
            self.live.apply_batch(batch.first, &batch.entries);
            self.next = self.next.max(batch.first + batch.entries.len() as u64);
            self.progress.live.store(self.next, Relaxed);
            if saved.elapsed() >= SNAPSHOT_EVERY {
                self.save().await?;
                saved = Instant::now();
            }
        }
        self.save().await
    }

    async fn save(&self) -> anyhow::Result<()> {
        let (bytes, path) = (self.live.snapshot(), self.snapshot.clone());
        blocking(move || write_atomically(&path, &bytes).context("cannot write the live snapshot"))
            .await?;
        self.journal.set_cursor("live", self.next);
        Ok(())
    }
}
