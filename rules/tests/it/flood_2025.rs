//! The flood of October 2025: báo động I, II, III at exactly the readings that cross them.

use std::path::Path;

use ioc_model::{Body, City, Entry, Quality, Record, Timestamp, Transition};
use ioc_rules::{ClockMode, Engine, EngineConfig, RuleSet};

use crate::world::shipped_files;

const STATIONS: [(&str, [f64; 3]); 7] = [
    ("river-cam-le", [1.0, 2.0, 2.5]),
    ("river-ai-nghia", [6.5, 8.0, 9.0]),
    ("river-nong-son", [11.0, 13.0, 15.0]),
    ("river-giao-thuy", [6.5, 7.5, 8.8]),
    ("river-cau-lau", [2.0, 3.0, 4.0]),
    ("river-hoi-an", [1.0, 1.5, 2.0]),
    ("river-tam-ky", [1.7, 2.2, 2.7]),
];

/// (station, time, level); the recording, and one more hour in which the water is gone.
fn readings() -> Option<Vec<(usize, Timestamp, f64)>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../shared/data/danang_flood_2025/levels.csv");
    let text = std::fs::read_to_string(path).ok()?;
    let mut all = Vec::new();
    for line in text.lines().skip(1) {
        let mut cells = line.split(',');
        let time = Timestamp::parse_rfc3339(cells.next()?).ok()?;
        for (station, cell) in cells.enumerate() {
            if let Ok(level) = cell.trim().parse() {
                all.push((station, time, level));
            }
        }
    }
    let after = all.last()?.1;
    for (hours, share) in [(1, 0.999), (2, 0.0)] {
        for (station, (_, levels)) in STATIONS.iter().enumerate() {
            // Just below level II, then none.
            all.push((station, after.plus_ms(hours * 3_600_000), levels[1] * share));
        }
    }
    Some(all)
}

fn replay(readings: &[(usize, Timestamp, f64)]) -> Vec<Transition> {
    let files = shipped_files();
    let city = City::load(&files).expect("the shipped city");
    let set = RuleSet::load(&files, &city).expect("the shipped rules");
    let config = EngineConfig { clock: ClockMode::Event, ..EngineConfig::default() };
    let mut engine = Engine::new(set, config);
    let mut out = Vec::new();
    for (i, (station, time, level)) in readings.iter().enumerate() {
        let entry = Entry::Record(Record {
            device: STATIONS[*station].0.into(),
            area: "cam_le".into(),
            service: "river".into(),
            source: 0,
            time: *time,
            received: *time,
            seq: None,
            clock_clamped: false,
            derived: false,
            body: Body::Observation {
                quality: Quality::Good,
                values: [("water_level".into(), *level)].into_iter().collect(),
            },
        });
        engine.step(i as u64, &entry, &mut out);
    }
    out.retain(|t| &*t.rule == "river.flood");
    out
}

#[test]
fn levels_raise_and_clear_at_the_readings_that_cross_them() {
    let Some(readings) = readings() else { return };
    let got = replay(&readings);
    // What must come, from the readings alone: the level after each, and where it changes.
    let mut expect = Vec::new();
    let mut level = [0usize; STATIONS.len()];
    for (i, (station, time, value)) in readings.iter().enumerate() {
        let now = STATIONS[*station].1.iter().filter(|limit| value >= limit).count();
        let before = std::mem::replace(&mut level[*station], now);
        let kind = match (before, now) {
            (a, b) if a == b => continue,
            (0, _) => "Raise",
            (_, 0) => "Clear",
            _ => "Severity",
        };
        let severity = ["", "minor", "major", "critical"][if now == 0 { before } else { now }];
        expect.push((i as u64, STATIONS[*station].0, *time, kind, severity));
    }
    let got: Vec<_> = got
        .iter()
        .map(|t| {
            let device = t.device.as_deref().expect("about a device");
            (
                t.position,
                device,
                t.time,
                ["Raise", "Severity", "Clear"][t.kind as usize],
                t.severity.as_str(),
            )
        })
        .collect();
    assert_eq!(got, expect);
    assert!(got.len() > 20, "the flood went through all levels: {}", got.len());
}

#[test]
fn a_second_replay_names_the_same_episodes_and_speaks_like_the_bulletins() {
    let Some(readings) = readings() else { return };
    let first = replay(&readings);
    assert_eq!(first, replay(&readings));
    let cam_le = first.iter().find(|t| t.value == Some(2.73)).expect("29 October, 13 h");
    assert_eq!(
        cam_le.message.vi,
        "Trạm thủy văn Cẩm Lệ (sông Hàn): mực nước 2,73 m, trên BĐ3 0,23 m"
    );
}
