//! The loops between the journal and the stages: each reads with its own cursor.

mod alerts;
mod clock;
mod history;
mod live;
mod personal;
mod registry;
mod rules;

pub(crate) use alerts::AlertsStage;
pub(crate) use clock::{nanos, tick, wall};
pub(crate) use history::{HistoryStage, HousekeepingStage};
pub(crate) use live::LiveStage;
pub(crate) use personal::{Personal, PersonalStage};
pub(crate) use registry::RegistryStage;
pub(crate) use rules::{CHECKPOINT_EVERY, REQUESTS, Request, RulesLinks, RulesStage};

use std::path::Path;
use std::sync::atomic::AtomicU64;

use ioc_ingest::{RecordSink, SinkError};
use ioc_journal::{Codec, Journal, JournalError};
use ioc_model::Entry;

/// The journal's codec: it knows entries, the journal does not.
pub(crate) struct EntryCodec;

impl Codec for EntryCodec {
    type Entry = Entry;

    fn encode(&self, entries: &[Entry], out: &mut Vec<u8>) {
        ioc_model::encode_batch(entries, out);
    }

    fn decode(&self, bytes: &[u8]) -> Result<Vec<Entry>, Box<dyn std::error::Error + Send + Sync>> {
        Ok(ioc_model::decode_batch(bytes)?)
    }
}

pub(crate) type EntryJournal = Journal<EntryCodec>;

/// The intake's way into the journal.
pub(crate) struct JournalSink(pub EntryJournal);

#[async_trait::async_trait]
impl RecordSink for JournalSink {
    async fn append(
        &self,
        entries: Vec<Entry>,
    ) -> Result<futures::future::BoxFuture<'static, Result<(), SinkError>>, SinkError> {
        let ticket = self.0.append(entries).await.map_err(sink_error)?;
        Ok(Box::pin(async move { ticket.await.map(|_position| ()).map_err(sink_error) }))
    }
}

fn sink_error(e: JournalError) -> SinkError {
    match e {
        JournalError::Closed => SinkError::Closed,
        other => SinkError::Write(std::sync::Arc::new(other)),
    }
}

/// How far each reader is, for `/api/v1/status`, `/readyz` and metrics.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    pub rules: AtomicU64,
    pub history: AtomicU64,
    pub live: AtomicU64,
    /// The engine's now, ms.
    pub watermark: std::sync::atomic::AtomicI64,
}

/// Replaces a file so that a crash leaves the old or the new one.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    let new = path.with_extension("new");
    let mut file = std::fs::File::create(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    match path.parent() {
        Some(dir) => std::fs::File::open(dir)?.sync_all(),
        None => Ok(()),
    }
}

/// Runs blocking work of a stage on the blocking pool; a panic there is the stage's error.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    tokio::task::spawn_blocking(work).await?
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ioc_journal::JournalConfig;
    use ioc_model::Timestamp;

    use super::*;

    #[tokio::test]
    async fn records_are_durable_only_when_the_journal_has_committed_them() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let config = JournalConfig { dir: dir.path().join("journal"), ..JournalConfig::default() };
        let (journal, writer, _) = Journal::open(config, EntryCodec).expect("opens");
        let sink = JournalSink(journal.clone());
        let mut durable = sink.append(vec![Entry::Tick(Timestamp(1))]).await.expect("room");
        // Nobody writes yet, so nothing can be durable.
        let early = tokio::time::timeout(Duration::from_millis(100), &mut durable).await;
        assert!(early.is_err(), "durable before any commit");
        let writing = tokio::task::spawn_blocking(move || writer.run());
        durable.await.expect("committed");
        assert_eq!(journal.stats().next, 1);
        journal.close();
        writing.await.expect("no panic").expect("no failure");
    }
}
