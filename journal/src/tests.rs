//! The journal as its users see it, over real files.

use std::path::Path;
use std::thread::JoinHandle;

use proptest::prelude::*;
use tempfile::TempDir;

use crate::{
    Batch, Codec, Journal, JournalConfig, JournalError, OpenReport, Reader, Sync, WriterStats,
};

/// Entries are numbers, eight bytes each.
pub(crate) struct Numbers;

impl Codec for Numbers {
    type Entry = u64;

    fn encode(&self, entries: &[u64], out: &mut Vec<u8>) {
        entries.iter().for_each(|e| out.extend_from_slice(&e.to_le_bytes()));
    }

    fn decode(
        &self,
        bytes: &[u8],
    ) -> Result<Vec<u64>, Box<dyn std::error::Error + Send + std::marker::Sync>> {
        let (numbers, rest) = bytes.as_chunks::<8>();
        if !rest.is_empty() {
            return Err("not whole numbers".into());
        }
        Ok(numbers.iter().map(|b| u64::from_le_bytes(*b)).collect())
    }
}

/// The entry that tests put at a position: not compressible, so that records have a known size.
fn value(position: u64) -> u64 {
    (position + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (position << 17)
}

fn config(dir: &Path) -> JournalConfig {
    JournalConfig {
        dir: dir.to_owned(),
        sync: Sync::Off,
        batch_linger_ms: 0,
        ..JournalConfig::default()
    }
}

/// An open journal with its writer's thread.
struct Running {
    journal: Journal<Numbers>,
    writer: JoinHandle<Result<WriterStats, JournalError>>,
    report: OpenReport,
}

impl Running {
    fn start(config: JournalConfig) -> Self {
        let (journal, writer, report) = Journal::open(config, Numbers).expect("damage never stops a start");
        Self { journal, writer: std::thread::spawn(move || writer.run()), report }
    }

    /// Appends `n` entries as one batch and waits for the commit.
    async fn commit(&self, n: u64) -> u64 {
        let next = self.journal.stats().next;
        let entries = (next..next + n).map(value).collect();
        let ticket = self.journal.append(entries).await.expect("open");
        let first = ticket.await.expect("committed");
        assert_eq!(first, next, "one appender");
        first
    }

    fn stop(self) -> WriterStats {
        self.journal.close();
        self.writer.join().expect("no panic").expect("no failure")
    }
}

/// Everything from a position to the end; the writer must be gone or the journal closed.
async fn read_all(mut reader: Reader<Numbers>) -> Vec<Batch<u64>> {
    let mut all = Vec::new();
    while let Some(batch) = reader.next().await.expect("damage is no error") {
        for (i, entry) in batch.entries.iter().enumerate() {
            assert_eq!(*entry, value(batch.first + i as u64), "content at {}", batch.first);
        }
        all.push(Batch { first: batch.first, entries: batch.entries.clone() });
    }
    all
}

/// Opens a folder without a writer and reads what is there.
async fn recover_and_read(dir: &Path) -> (OpenReport, Vec<Batch<u64>>, Journal<Numbers>) {
    let (journal, writer, report) =
        Journal::open(config(dir), Numbers).expect("damage never stops a start");
    drop(writer);
    let batches = read_all(journal.reader("test", 0)).await;
    (report, batches, journal)
}

#[tokio::test]
async fn what_was_committed_is_read_after_reopening() {
    let dir = TempDir::new().expect("temporary folder");
    let running = Running::start(config(dir.path()));
    for n in [3, 1, 5] {
        running.commit(n).await;
    }
    running.stop();
    let (report, batches, _) = recover_and_read(dir.path()).await;
    assert_eq!(report, OpenReport { first: 0, next: 9, corrupt: 0, torn_bytes: 0 });
    assert_eq!(batches.iter().map(|b| b.first).collect::<Vec<_>>(), [0, 3, 4]);
}
