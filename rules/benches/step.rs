//! Cost of one step, in process: the goals are threshold >= 5 M readings/s per core, tumbling
//! mean >= 3 M, sliding >= 1 M.

mod world;

use std::collections::BTreeMap;
use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use ioc_model::{Body, ConfigFiles, Entry, Name, Quality, Record, Timestamp};
use ioc_rules::{ClockMode, Engine, EngineConfig, RuleSet};

use world::city;

const T0: i64 = 1_761_584_400_000;

fn rule(id: usize, body: &str) -> String {
    format!(
        "  - id: r{id}\n    service: air\n    name: {{vi: a, en: b}}\n    message: {{vi: a, en: b}}\n{body}"
    )
}

fn engine(bodies: &[&str], clock: ClockMode) -> Engine {
    let rules: String = bodies.iter().enumerate().map(|(i, b)| rule(i, b)).collect();
    let files = ConfigFiles(BTreeMap::from([("rules/b.yaml".into(), format!("rules:\n{rules}"))]));
    let set = RuleSet::load(&files, &city()).expect("the rules of the benchmark are right");
    Engine::new(set, EngineConfig { clock, ..EngineConfig::default() })
}

/// `rounds` readings of each of `devices` devices, one round per second, below every limit.
fn readings(devices: usize, rounds: usize) -> Vec<Entry> {
    let names: Vec<Name> = (0..devices).map(|d| format!("air-{d:06}").into()).collect();
    let (area, service, property): (Name, Name, Name) =
        ("hai_chau".into(), "air".into(), "pm25".into());
    let mut entries = Vec::with_capacity(devices * rounds);
    for round in 0..rounds {
        for (d, name) in names.iter().enumerate() {
            let time = Timestamp(T0 + round as i64 * 1000 + (d * 1000 / devices) as i64);
            let value = 20.0 + ((round * 7 + d) % 13) as f64;
            entries.push(Entry::Record(Record {
                device: name.clone(),
                area: area.clone(),
                service: service.clone(),
                source: 0,
                time,
                received: time,
                seq: None,
                clock_clamped: false,
                derived: false,
                body: Body::Observation {
                    quality: Quality::Good,
                    values: [(property.clone(), value)].into_iter().collect(),
                },
            }));
        }
    }
    entries
}

fn bench(c: &mut Criterion, name: &str, bodies: &[&str], entries: &[Entry]) {
    let mut group = c.benchmark_group("step");
    let known = entries.len().min(1000);
    group.throughput(Throughput::Elements((entries.len() - known) as u64));
    group.sample_size(10);
    group.bench_function(name, |b| {
        b.iter_batched(
            || {
                // Devices are known and bound before the clock starts.
                let mut engine = engine(bodies, ClockMode::Event);
                let mut out = Vec::new();
                for entry in &entries[..known] {
                    engine.step(0, entry, &mut out);
                }
                engine
            },
            |mut engine| {
                let mut out = Vec::new();
                for entry in &entries[known..] {
                    black_box(engine.step(0, entry, &mut out));
                }
                assert!(out.is_empty());
                engine
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

const THRESHOLD: &str = "    kind: threshold\n    property: pm25\n    levels:\n      - {severity: minor, raise: '>= 100', clear: '< 90'}\n      - {severity: major, raise: '>= 200'}\n";
const FOR: &str = "    kind: threshold\n    property: pm25\n    for: 5m\n    levels:\n      - {severity: minor, raise: '>= 100'}\n";
const TUMBLING: &str = "    kind: window\n    property: pm25\n    aggregate: mean\n    size: 10s\n    levels:\n      - {severity: minor, raise: '>= 100'}\n";
const SLIDING: &str = "    kind: window\n    property: pm25\n    aggregate: mean\n    size: 60s\n    slide: 1s\n    levels:\n      - {severity: minor, raise: '>= 100'}\n";
const SLIDING_EACH: &str = "    kind: window\n    property: pm25\n    aggregate: mean\n    size: 1s\n    slide: each\n    levels:\n      - {severity: minor, raise: '>= 100'}\n";
const PATTERN: &str = "    kind: pattern\n    steps:\n      - {property: pm25, is: '>= 32'}\n      - {property: pm25, is: '>= 900', within: 10s}\n    hold: 1m\n    severity: minor\n";
const EXPRESSION: &str = "    kind: expression\n    properties: [pm25]\n    raise: 'pm25 > 100.0 && pm25 < 900.0'\n    severity: minor\n";
const RATE: &str = "    kind: rate\n    property: pm25\n    over: 1m\n    absolute: true\n    levels:\n      - {severity: minor, raise: '>= 100'}\n";
const ABSENCE: &str = "    kind: absence\n    after: 60s\n    severity: minor\n";

fn steps(c: &mut Criterion) {
    let entries = readings(1000, 400);
    bench(c, "threshold", &[THRESHOLD], &entries);
    bench(c, "threshold_for", &[FOR], &entries);
    bench(c, "tumbling_mean_10s", &[TUMBLING], &entries);
    bench(c, "sliding_mean_60s_by_1s", &[SLIDING], &entries);
    bench(c, "sliding_mean_1s_each", &[SLIDING_EACH], &entries);
    // One reading in 13 is the first step of the pattern.
    bench(c, "two_step_pattern", &[PATTERN], &entries);
    bench(c, "expression", &[EXPRESSION], &entries);
    bench(c, "rate_1m", &[RATE], &entries);
    bench(c, "absence", &[ABSENCE], &entries);
    bench(c, "ten_rules", &[THRESHOLD; 10], &entries);
    bench(c, "threshold_300_rules", &[THRESHOLD; 300], &entries[..40_000]);
}

/// 100,000 devices that report once a minute under an absence rule, ticks once a second.
fn absence_100k(c: &mut Criterion) {
    let mut engine = engine(&[ABSENCE], ClockMode::Wall);
    let mut out = Vec::new();
    let devices = readings(100_000, 1);
    engine.step(0, &Entry::Tick(Timestamp(T0)), &mut out);
    for entry in &devices {
        engine.step(0, entry, &mut out);
    }
    let mut second = 0i64;
    let mut group = c.benchmark_group("absence_100k_devices");
    group.bench_function("tick_and_the_readings_of_one_second", |b| {
        b.iter(|| {
            second += 1;
            let now = T0 + second * 1000;
            engine.step(0, &Entry::Tick(Timestamp(now)), &mut out);
            let from = (second as usize * 1700) % 98_000;
            for entry in &devices[from..from + 1700] {
                if let Entry::Record(r) = entry {
                    let r = Record { time: Timestamp(now), ..r.clone() };
                    engine.step(0, &Entry::Record(r), &mut out);
                }
            }
        });
    });
    group.finish();
}

criterion_group!(benches, steps, absence_100k);
criterion_main!(benches);
