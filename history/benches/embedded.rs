//! Claim: taking a point into the embedded store costs at most 0.3 µs of CPU, with 1,000 devices
//! and names that are new `Arc`s in every batch, as the journal's decoder makes them.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ioc_history::{EmbeddedConfig, EmbeddedStore};
use ioc_model::{
    Body, Entry, Flush, HistoryStore, Ledger, Quality, Record, Timestamp, Values, decode_batch,
    encode_batch,
};

const DEVICES: usize = 1_000;

/// One batch as a journal reader gets it: each device once, two values each.
fn batch(time: i64) -> Vec<Entry> {
    let record = |i: usize| {
        let mut values = Values::new();
        values.push(("pm25".into(), 20.0 + (i % 70) as f64 * 0.1 + (time % 13) as f64));
        values.push(("temperature".into(), 27.0 + (time % 50) as f64 * 0.1));
        Entry::Record(Record {
            device: format!("air-station-{i:04}").into(),
            area: "hai_chau".into(),
            service: "air".into(),
            source: 0,
            time: Timestamp(1_700_000_000_000 + time * 1_000),
            received: Timestamp(1_700_000_000_000 + time * 1_000 + 80),
            seq: None,
            clock_clamped: false,
            derived: false,
            body: Body::Observation { quality: Quality::Good, values },
        })
    };
    let entries: Vec<Entry> = (0..DEVICES).map(record).collect();
    let mut bytes = Vec::new();
    encode_batch(&entries, &mut bytes);
    decode_batch(&bytes).expect("our own encoding")
}

fn append(c: &mut Criterion) {
    let rt = tokio::runtime::Builder::new_current_thread().build().expect("runtime");
    let folder = tempfile::tempdir().expect("folder");
    let config = EmbeddedConfig { head_max_points: usize::MAX, ..EmbeddedConfig::default() };
    let store = EmbeddedStore::open(
        &folder.path().join("history.db"),
        config,
        Arc::new(Ledger::default()),
        0,
    )
    .expect("opens");
    let batches: Vec<Vec<Entry>> = (0..20).map(batch).collect();
    let mut group = c.benchmark_group("embedded");
    group.throughput(Throughput::Elements(2 * DEVICES as u64));
    let mut first = 0;
    group.bench_function("append of 2,000 points", |b| {
        b.iter_custom(|n| {
            let mut spent = Duration::ZERO;
            for i in 0..n {
                let entries = &batches[i as usize % batches.len()];
                let begun = Instant::now();
                rt.block_on(store.append(first, black_box(entries))).expect("appends");
                spent += begun.elapsed();
                first += entries.len() as u64;
                if first % 1_000_000 == 0 {
                    rt.block_on(store.flush(Flush::All)).expect("flushes");
                }
            }
            spent
        });
    });
    group.finish();
}

fn flush(c: &mut Criterion) {
    let rt = tokio::runtime::Builder::new_current_thread().build().expect("runtime");
    let mut group = c.benchmark_group("embedded");
    group.sample_size(20);
    // 5 s of 1,000 devices at 10 messages a second with two values: 100,000 points.
    group.throughput(Throughput::Elements(100_000));
    group.bench_function("flush of 2,000 series with 50 points each", |b| {
        let folder = tempfile::tempdir().expect("folder");
        let ledger = Arc::new(Ledger::default());
        let store = EmbeddedStore::open(
            &folder.path().join("history.db"),
            EmbeddedConfig::default(),
            ledger,
            0,
        )
        .expect("opens");
        let mut step = 0i64;
        b.iter_custom(|n| {
            let mut spent = Duration::ZERO;
            for _ in 0..n {
                for _ in 0..50 {
                    let entries = batch(step);
                    let first = step as u64 * DEVICES as u64;
                    rt.block_on(store.append(first, &entries)).expect("appends");
                    step += 1;
                }
                let begun = Instant::now();
                rt.block_on(store.flush(Flush::All)).expect("flushes");
                spent += begun.elapsed();
            }
            spent
        });
    });
    group.finish();
}

criterion_group!(benches, append, flush);
criterion_main!(benches);
