//! How long an exchange of rules holds up the engine: 100,000 devices with three states each
//! (threshold with `for`, absence, window), one of the rules changed.

mod world;

use std::collections::BTreeMap;
use std::time::Instant;

use ioc_model::{Body, ConfigFiles, Entry, Name, Quality, Record, Timestamp};
use ioc_rules::{Engine, EngineConfig, RuleSet};

use world::city;

const T0: i64 = 1_761_584_400_000;
const DEVICES: usize = 100_000;

fn set(limit: u32) -> RuleSet {
    let head = |id: &str, kind: &str| {
        format!(
            "  - id: {id}\n    kind: {kind}\n    service: air\n    name: {{vi: a, en: b}}\n    \
             message: {{vi: a, en: b}}\n"
        )
    };
    let levels = |limit: u32| {
        format!(
            "    levels:\n      - {{severity: minor, raise: '>= {limit}', clear: '< {limit}'}}\n"
        )
    };
    let text = [
        "rules:\n".into(),
        head("keep", "threshold"),
        "    property: pm25\n    for: 1h\n".into(),
        levels(10),
        head("silent", "absence"),
        "    after: 2h\n    severity: major\n".into(),
        head("mean", "window"),
        "    property: pm25\n    aggregate: mean\n    size: 10m\n    slide: 1m\n".into(),
        levels(limit),
    ]
    .concat();
    let files = ConfigFiles(BTreeMap::from([("rules/b.yaml".into(), text)]));
    RuleSet::load(&files, &city()).expect("the rules of the benchmark are right")
}

fn main() {
    let mut engine = Engine::new(set(50), EngineConfig::default());
    let mut out = Vec::new();
    let (area, service, property): (Name, Name, Name) =
        ("hai_chau".into(), "air".into(), "pm25".into());
    for (position, (round, d)) in
        (0..10i64).flat_map(|r| (0..DEVICES).map(move |d| (r, d))).enumerate()
    {
        let time = Timestamp(T0 + round * 30_000);
        if d == 0 {
            engine.step(position as u64, &Entry::Tick(time), &mut out);
        }
        let record = Record {
            device: format!("air-{d:06}").into(),
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
                values: [(property.clone(), 20.0)].into_iter().collect(),
            },
        };
        engine.step(position as u64, &Entry::Record(record), &mut out);
    }
    let next = (DEVICES * 10) as u64;
    println!("{:?}", engine.stats());
    for round in 0..5 {
        let started = Instant::now();
        let costs = engine.costs();
        let counted = started.elapsed();
        let bytes = engine.checkpoint(next);
        let saved = started.elapsed() - counted;
        let new = set(60 + round);
        let began = Instant::now();
        let restored = Engine::restore(new, engine.config().clone(), &bytes);
        let read = began.elapsed();
        let restored = restored.expect("own bytes");
        let began = Instant::now();
        engine = restored.engine;
        println!(
            "costs of {} rules {counted:?}, checkpoint {saved:?} ({} MB), restore {read:?}, old engine dropped {:?}; pause {:?}",
            costs.len(),
            bytes.len() / 1_000_000,
            began.elapsed(),
            saved + read,
        );
    }
}
