//! Signals, failures, and the order in which everything ends.

use std::time::Duration;

use anyhow::Context;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::stages::EntryJournal;

/// Running stages, by the step in which they end.
pub(crate) struct Running {
    /// Gateway, subscribers, clock.
    pub doors: JoinSet<anyhow::Result<()>>,
    /// Journal writer and its readers; they end when the journal does.
    pub core: JoinSet<anyhow::Result<()>>,
    /// The dashboard.
    pub screens: JoinSet<anyhow::Result<()>>,
    pub stop_doors: CancellationToken,
    pub stop_history: CancellationToken,
    pub stop_screens: CancellationToken,
}

impl Running {
    pub(crate) fn new() -> Self {
        Self {
            doors: JoinSet::new(),
            core: JoinSet::new(),
            screens: JoinSet::new(),
            stop_doors: CancellationToken::new(),
            stop_history: CancellationToken::new(),
            stop_screens: CancellationToken::new(),
        }
    }

    /// Waits for a signal or the first stage that fails, then stops everything within `limit`; a
    /// second signal ends at once.
    pub(crate) async fn until_stopped(
        mut self,
        journal: EntryJournal,
        limit: Duration,
    ) -> anyhow::Result<()> {
        let failed = tokio::select! {
            asked = signal() => asked.err(),
            e = first_failure(&mut self.core) => Some(e),
            e = first_failure(&mut self.doors) => Some(e),
            e = first_failure(&mut self.screens) => Some(e),
        };
        tokio::select! {
            ended = tokio::time::timeout(limit, self.shut_down(journal)) => {
                if ended.is_err() {
                    tracing::warn!(?limit, "not stopped in time, ending as it is");
                }
            }
            _ = signal() => tracing::warn!("second signal, ending at once"),
        }
        failed.map_or(Ok(()), Err)
    }

    /// Ingest, journal, rules and alerts, history, dashboard: each ends when what it reads has.
    async fn shut_down(mut self, journal: EntryJournal) {
        tracing::info!("stopping");
        self.stop_doors.cancel();
        drain(&mut self.doors).await;
        journal.close();
        self.stop_history.cancel();
        drain(&mut self.core).await;
        self.stop_screens.cancel();
        drain(&mut self.screens).await;
        tracing::info!("stopped");
    }
}

async fn drain(stages: &mut JoinSet<anyhow::Result<()>>) {
    while let Some(ended) = stages.join_next().await {
        match ended {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(error = format!("{error:#}"), "stage failed"),
            Err(error) => tracing::error!(%error, "stage ended unexpectedly"),
        }
    }
}

/// The first stage that ended with an error; a stage that ended without one is none.
pub(crate) async fn first_failure(stages: &mut JoinSet<anyhow::Result<()>>) -> anyhow::Error {
    loop {
        match stages.join_next().await {
            Some(Ok(Ok(()))) => {}
            Some(Ok(Err(e))) => return e,
            Some(Err(e)) => return anyhow::Error::new(e).context("a stage ended unexpectedly"),
            None => std::future::pending().await,
        }
    }
}

/// Resolves at SIGINT or SIGTERM.
async fn signal() -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let listen = |kind| signal(kind).context("cannot listen for signals");
    let (mut int, mut term) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    tokio::select! {
        _ = int.recv() => {}
        _ = term.recv() => {}
    }
    Ok(())
}
