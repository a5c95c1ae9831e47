//! What states cost in memory: resident set before and after, and what the engine says itself.
//! `cargo bench -p ioc-rules --bench memory`. Goals: a threshold at most 200 bytes per rule and
//! entity, 8,000 rules on one entity at most 16 MiB in all.

mod world;

use std::collections::BTreeMap;

use ioc_model::{Body, ConfigFiles, Entry, Name, Quality, Record, Timestamp};
use ioc_rules::{ClockMode, Engine, EngineConfig, RuleSet};

use world::city;

/// As people would: the tree of a file is dropped before the next is read.
const RULES_PER_FILE: usize = 100;
const T0: i64 = 1_761_584_400_000;

const THRESHOLD: &str = "    kind: threshold\n    property: pm25\n    levels:\n      - {severity: minor, raise: '>= 100', clear: '< 90'}\n";
const TUMBLING: &str = "    kind: window\n    property: pm25\n    aggregate: mean\n    size: 10s\n    levels:\n      - {severity: minor, raise: '>= 100'}\n";
const ABSENCE: &str = "    kind: absence\n    after: 60s\n    severity: minor\n";

/// Resident set, bytes.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: usize = statm.split(' ').nth(1).and_then(|n| n.parse().ok()).unwrap_or(0);
    pages * 4096
}

fn rules(n: usize, body: &str) -> ConfigFiles {
    let rule = |i: usize| {
        format!(
            "  - id: r{i}\n    service: air\n    name: {{vi: a, en: b}}\n    message: {{vi: '{{device}} {{value}}', en: '{{device}} {{value}}'}}\n{body}"
        )
    };
    let file = |from: usize| {
        let text: String = (from..n.min(from + RULES_PER_FILE)).map(rule).collect();
        (format!("rules/m{from}.yaml"), format!("rules:\n{text}"))
    };
    ConfigFiles((0..n).step_by(RULES_PER_FILE).map(file).collect::<BTreeMap<_, _>>())
}

fn reading(device: usize, t: i64) -> Entry {
    let property: Name = "pm25".into();
    Entry::Record(Record {
        device: format!("air-{device:06}").into(),
        area: "hai_chau".into(),
        service: "air".into(),
        source: 0,
        time: Timestamp(t),
        received: Timestamp(t),
        seq: None,
        clock_clamped: false,
        derived: false,
        body: Body::Observation {
            quality: Quality::Good,
            values: [(property, 20.0)].into_iter().collect(),
        },
    })
}

fn measure(name: &str, n_rules: usize, devices: usize, body: &str) {
    let files = rules(n_rules, body);
    let city = city();
    let before = resident();
    let set = RuleSet::load(&files, &city).expect("the rules of the measurement are right");
    let loaded = resident();
    let config = EngineConfig { clock: ClockMode::Event, ..EngineConfig::default() };
    let mut engine = Engine::new(set, config);
    let mut out = Vec::new();
    for round in 0..3 {
        for device in 0..devices {
            engine.step(0, &reading(device, T0 + round * 1_000), &mut out);
        }
    }
    let after = resident();
    let stats = engine.stats();
    let each = |bytes: usize| bytes as f64 / stats.entities.max(1) as f64;
    println!(
        "{name}: {n_rules} rules x {devices} devices: {:.1} MiB in all, rules {:.1} MiB; \
         per rule and entity {:.0} B resident, {:.0} B of states",
        (after.saturating_sub(before)) as f64 / 1_048_576.0,
        (loaded.saturating_sub(before)) as f64 / 1_048_576.0,
        each(after.saturating_sub(loaded)),
        each(stats.state_bytes),
    );
}

/// Each measurement in a process of its own: freed memory of one must not serve the next.
fn main() {
    let cases: [(&str, usize, usize, &str); 4] = [
        ("threshold", 8_000, 1, THRESHOLD),
        ("threshold", 10, 20_000, THRESHOLD),
        ("tumbling mean", 10, 20_000, TUMBLING),
        ("absence", 1, 100_000, ABSENCE),
    ];
    let case = std::env::var("IOC_MEMORY_CASE").ok().and_then(|n| n.parse::<usize>().ok());
    if let Some((name, rules, devices, body)) = case.and_then(|i| cases.get(i)) {
        return measure(name, *rules, *devices, body);
    }
    let own = std::env::current_exe().expect("a program has a path");
    for i in 0..cases.len() {
        let child = std::process::Command::new(&own).env("IOC_MEMORY_CASE", i.to_string()).status();
        assert!(child.expect("runs").success());
    }
}
