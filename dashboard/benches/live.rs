//! Claims: applying a record costs at most 0.3 µs, so that 50,000 records per second take 1.5 %
//! of a core. A snapshot of 10,000 devices holds the lock for less than 10 ms.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use ioc_dashboard::Live;
use ioc_model::{Body, City, DeviceSpec, Entry, Quality, Record, Text, Timestamp};

const START: i64 = 1_761_588_000_000;
const BATCH: usize = 1_000;

fn city(devices: usize) -> City {
    let spec = |i: usize| DeviceSpec {
        id: format!("air-station-{i:06}").into(),
        name: Text::default(),
        kind: "air_station".into(),
        service: "air".into(),
        area: "hai_chau".into(),
        lat: 16.0,
        lon: 108.2,
        properties: vec!["pm25".into()],
        cadence_s: 60,
        parent: None,
        segment: None,
    };
    let devices = (0..devices).map(spec).map(|d| (d.id.clone(), d)).collect();
    City { devices, ..City::default() }
}

/// Names as the journal's decoder gives them: not the very `Arc` that the state holds.
fn batch(devices: usize, from: usize) -> Vec<Entry> {
    let record = |i: usize| {
        // A prime step visits devices in no order that a cache would like.
        let device = (from + i) * 7_919 % devices;
        let time = Timestamp(START + (from + i) as i64);
        Entry::Record(Record {
            device: format!("air-station-{device:06}").into(),
            area: "hai_chau".into(),
            service: "air".into(),
            source: 0,
            time,
            received: time,
            seq: None,
            clock_clamped: false,
            derived: false,
            body: Body::Observation {
                quality: Quality::Good,
                values: [("pm25".into(), i as f64), ("no2".into(), 1.0)].into_iter().collect(),
            },
        })
    };
    (0..BATCH).map(record).collect()
}

fn apply(c: &mut Criterion) {
    let mut group = c.benchmark_group("apply");
    group.throughput(Throughput::Elements(BATCH as u64));
    for devices in [1_000, 10_000, 100_000] {
        let live = Live::new(&city(devices), Vec::new());
        let batches: Vec<_> = (0..100).map(|b| batch(devices, b * BATCH)).collect();
        let mut n = 0;
        group.bench_function(format!("{devices} devices"), |b| {
            b.iter(|| {
                n += 1;
                live.apply_batch(n * BATCH as u64, black_box(&batches[n as usize % 100]));
            });
        });
    }
    group.finish();
}

fn snapshot(c: &mut Criterion) {
    let live = Live::new(&city(10_000), Vec::new());
    for b in 0..100 {
        live.apply_batch((b * BATCH) as u64, &batch(10_000, b * BATCH));
    }
    c.bench_function("snapshot of 10,000 devices", |b| {
        b.iter_batched(|| (), |()| black_box(live.snapshot()), BatchSize::SmallInput);
    });
}

criterion_group!(benches, apply, snapshot);
criterion_main!(benches);
