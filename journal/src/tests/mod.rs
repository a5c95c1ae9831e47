//! The journal as its users see it, over real files.

mod archive;
mod commit;
mod damage;
mod reading;
mod retention;

use std::fs;
use std::path::Path;
use std::thread::JoinHandle;
use std::time::Duration;

use crate::{
    Batch, Codec, Journal, JournalConfig, JournalError, OpenReport, Reader, Sync, Writer,
    WriterStats,
};

/// Entries are numbers, eight bytes each.
struct Numbers;

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

/// The entry that tests put at a position; does not compress, so that records have a known size.
fn value(position: u64) -> u64 {
    (position + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (position << 17)
}

/// No fsync and no linger: most tests are about order and content.
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
}

impl Running {
    fn start(config: JournalConfig) -> Self {
        Self::start_with(config, |_| {})
    }

    fn start_with(config: JournalConfig, prepare: impl FnOnce(&mut Writer<Numbers>)) -> Self {
        let (journal, mut writer, _) = Journal::open(config, Numbers).expect("opens");
        prepare(&mut writer);
        Self { journal, writer: std::thread::spawn(move || writer.run()) }
    }

    /// Appends `n` entries, which become one batch, and waits for the commit.
    async fn commit(&self, n: u64) -> u64 {
        let next = self.journal.stats().next;
        let entries = (next..next + n).map(value).collect();
        let ticket = self.journal.append(entries).await.expect("open");
        let first = ticket.await.expect("committed");
        assert_eq!(first, next, "there is one appender");
        first
    }

    fn stop(self) -> WriterStats {
        self.journal.close();
        self.writer.join().expect("no panic").expect("no failure")
    }
}

/// Everything from the reader's position to the end; the writer must be gone.
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
async fn recover(dir: &Path) -> (OpenReport, Vec<Batch<u64>>, Journal<Numbers>) {
    let (journal, writer, report) =
        Journal::open(config(dir), Numbers).expect("damage never stops a start");
    drop(writer);
    let batches = read_all(journal.reader("test", 0)).await;
    (report, batches, journal)
}

fn firsts(batches: &[Batch<u64>]) -> Vec<u64> {
    batches.iter().map(|b| b.first).collect()
}

/// A folder as kill -9 leaves it: what the system has now, whatever the process still wants.
fn copy_folder(from: &Path, to: &Path) {
    for item in fs::read_dir(from).expect("journal folder") {
        let path = item.expect("entry").path();
        fs::copy(&path, to.join(path.file_name().expect("a name"))).expect("copied");
    }
}

/// Waits until something holds; fails after ten seconds.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let wait = async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), wait).await.expect(what);
}
