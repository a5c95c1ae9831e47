//! Claims measured here (figures: docs/adr/0003-storage-of-the-journal.md):
//! 1. `commit`: a batch of 214 records, as 2 ms at 100,000 msg/s gather, costs well below 1 µs per
//!    record besides the wait for the disk (`off` against `commit` shows that wait);
//! 2. `catch_up`: a reader that is behind reads from disk many times faster than records arrive;
//! 3. `open`: a start with 64 MiB of journal takes far less than a second.

use std::path::Path;
use std::thread::JoinHandle;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use ioc_journal::{Codec, Journal, JournalConfig, JournalError, Sync, WriterStats};
use ioc_model::{Body, Entry, Name, Quality, Record, Timestamp, decode_batch, encode_batch};
use tempfile::TempDir;
use tokio::runtime::Runtime;

const BATCH: u64 = 214;

struct Model;

impl Codec for Model {
    type Entry = Entry;

    fn encode(&self, entries: &[Entry], out: &mut Vec<u8>) {
        encode_batch(entries, out);
    }

    fn decode(
        &self,
        bytes: &[u8],
    ) -> Result<Vec<Entry>, Box<dyn std::error::Error + Send + std::marker::Sync>> {
        Ok(decode_batch(bytes)?)
    }
}

/// 1,000 devices, three values per message.
struct Source {
    devices: Vec<(Name, Name)>,
    service: Name,
    properties: [Name; 3],
    sent: u64,
}

impl Source {
    fn new() -> Self {
        let device =
            |i: u64| (format!("danang-air-{i:04}").into(), format!("ward_{}", i % 94).into());
        Self {
            devices: (0..1_000).map(device).collect(),
            service: "air".into(),
            properties: ["pm25", "temperature", "humidity"].map(Name::from),
            sent: 0,
        }
    }

    fn batch(&mut self, n: u64) -> Vec<Entry> {
        let from = self.sent;
        self.sent += n;
        (from..self.sent).map(|i| self.record(i)).collect()
    }

    fn record(&self, i: u64) -> Entry {
        let noise = i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
        let (device, area) = &self.devices[(noise % 1_000) as usize];
        let received = Timestamp(1_763_000_000_000 + (i / 100) as i64);
        let numbers = [noise % 1_000, noise % 150, noise % 70].map(|n| n as f64 / 10.0);
        Entry::Record(Record {
            device: device.clone(),
            area: area.clone(),
            service: self.service.clone(),
            source: 0,
            time: received.plus_ms(-((noise % 500) as i64)),
            received,
            seq: Some(i / 1_000),
            clock_clamped: false,
            derived: false,
            body: Body::Observation {
                quality: Quality::Good,
                values: self.properties.iter().cloned().zip(numbers).collect(),
            },
        })
    }
}

type Thread = JoinHandle<Result<WriterStats, JournalError>>;

fn start(dir: &Path, sync: Sync) -> (Journal<Model>, Thread) {
    let config = JournalConfig {
        dir: dir.to_owned(),
        sync,
        batch_linger_ms: 0,
        tail_bytes: 1,
        ..JournalConfig::default()
    };
    let (journal, writer, _) = Journal::open(config, Model).expect("opens");
    (journal, std::thread::spawn(move || writer.run()))
}

fn commit(c: &mut Criterion) {
    let runtime = Runtime::new().expect("runtime");
    let mut group = c.benchmark_group("commit");
    group.throughput(Throughput::Elements(BATCH));
    for (name, sync) in [("off", Sync::Off), ("commit", Sync::Commit)] {
        let dir = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("folder on a disk");
        let (journal, writer) = start(dir.path(), sync);
        let mut source = Source::new();
        group.bench_function(name, |b| {
            b.iter_batched(
                || source.batch(BATCH),
                |entries| {
                    runtime.block_on(async {
                        let ticket = journal.append(entries).await.expect("open");
                        ticket.await.expect("committed")
                    })
                },
                BatchSize::SmallInput,
            );
        });
        journal.close();
        writer.join().expect("no panic").expect("no failure");
    }
    group.finish();
}

fn read(c: &mut Criterion) {
    let runtime = Runtime::new().expect("runtime");
    let dir = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("folder on a disk");
    let (journal, writer) = start(dir.path(), Sync::Off);
    let mut source = Source::new();
    // Up to just below the size of one segment.
    while journal.stats().bytes < 63 << 20 {
        runtime.block_on(async {
            let ticket = journal.append(source.batch(BATCH)).await.expect("open");
            ticket.await.expect("committed");
        });
    }
    journal.close();
    writer.join().expect("no panic").expect("no failure");
    let mut group = c.benchmark_group("read");
    group.sample_size(10);
    group.throughput(Throughput::Elements(source.sent));
    group.bench_function("catch_up", |b| {
        b.iter(|| {
            runtime.block_on(async {
                let mut reader = journal.reader("bench", 0);
                let mut entries = 0;
                while let Some(batch) = reader.next().await.expect("reads") {
                    entries += batch.entries.len() as u64;
                }
                assert_eq!(entries, source.sent);
            });
        });
    });
    drop(journal);
    group.throughput(Throughput::Bytes(63 << 20));
    group.bench_function("open", |b| {
        b.iter(|| {
            let config = JournalConfig { dir: dir.path().to_owned(), ..JournalConfig::default() };
            Journal::open(config, Model).expect("opens").2
        });
    });
    group.finish();
}

criterion_group!(benches, commit, read);
criterion_main!(benches);
