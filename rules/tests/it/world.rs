//! A small city, rules from a text, records and a short way to read transitions.

use std::collections::BTreeMap;
use std::path::Path;

use ioc_model::{
    Area, AreaKind, Body, City, ConfigError, ConfigFiles, Detection, DeviceSpec, Entry, Name,
    Property, Quality, Record, Service, ServiceGroup, Status, Text, Threshold, Timestamp,
    Transition,
};
use ioc_rules::{ClockMode, Engine, EngineConfig, RuleSet};

/// 2025-10-28T00:00:00+07:00.
pub const T0: i64 = 1_761_584_400_000;

pub fn text(vi: &str, en: &str) -> Text {
    Text { vi: vi.into(), en: en.into() }
}

/// Two wards, four services, a handful of devices.
pub fn city() -> City {
    let mut city = City::default();
    for id in ["hai_chau", "son_tra"] {
        let area = Area {
            id: id.into(),
            code: "0".into(),
            name: text(&format!("Phường {id}"), &format!("{id} ward")),
            kind: AreaKind::Ward,
            lat: 16.0,
            lon: 108.2,
            area_km2: 1.0,
            rings: Vec::new(),
        };
        city.areas.insert(id.into(), area);
    }
    for id in ["river", "air", "traffic", "camera_analytics"] {
        let service = Service {
            id: id.into(),
            order: 1,
            group: ServiceGroup::Additional,
            name: text(id, id),
            indicators: Vec::new(),
        };
        city.services.insert(id.into(), service);
    }
    for (id, unit, digits) in [
        ("water_level", "m", 2),
        ("pm25", "µg/m³", 1),
        ("speed", "km/h", 0),
        ("occupancy", "%", 0),
        ("noise_laeq", "dBA", 1),
        ("doubled", "m", 2),
    ] {
        let property = Property {
            id: id.into(),
            name: text(id, id),
            unit: unit.into(),
            min: -1e6,
            max: 1e6,
            digits,
            normal: None,
        };
        city.properties.insert(id.into(), property);
    }
    for (id, unit, value, own) in [
        ("flood.bd1", "m", None, vec![("river-a", 1.0), ("river-b", 6.5)]),
        ("flood.bd2", "m", None, vec![("river-a", 2.0), ("river-b", 8.0)]),
        ("pm.limit", "µg/m³", Some(45.0), vec![]),
    ] {
        let threshold = Threshold {
            id: id.into(),
            unit: unit.into(),
            value,
            by_device: own.into_iter().map(|(d, v)| (Name::from(d), v)).collect(),
            source: "test".into(),
            effective: "2020-01-01".into(),
            until: None,
            earlier: Vec::new(),
            note: None,
        };
        city.thresholds.insert(id.into(), threshold);
    }
    for (id, kind, service, property, cadence_s) in [
        ("river-a", "river_gauge", "river", "water_level", 600),
        ("river-b", "river_gauge", "river", "water_level", 600),
        ("river-c", "river_gauge", "river", "water_level", 600),
        ("air-1", "air_station", "air", "pm25", 60),
        ("cam-1", "camera", "camera_analytics", "speed", 60),
    ] {
        let device = DeviceSpec {
            id: id.into(),
            name: text(&format!("Trạm {id}"), &format!("station {id}")),
            kind: kind.into(),
            service: service.into(),
            area: "hai_chau".into(),
            lat: 16.0,
            lon: 108.2,
            properties: vec![property.into()],
            cadence_s,
            parent: None,
            segment: None,
        };
        city.devices.insert(id.into(), device);
    }
    city
}

/// One file of rules.
pub fn files_of(yaml: &str) -> ConfigFiles {
    ConfigFiles(BTreeMap::from([("rules/t.yaml".to_owned(), yaml.to_owned())]))
}

pub fn load(yaml: &str) -> Result<RuleSet, Vec<ConfigError>> {
    RuleSet::load(&files_of(yaml), &city())
}

/// Rules that must be right.
pub fn rules(yaml: &str) -> RuleSet {
    match load(yaml) {
        Ok(set) => set,
        Err(errors) => {
            let all: Vec<String> = errors.iter().map(ToString::to_string).collect();
            unreachable!("rules are wrong:\n{}", all.join("\n"))
        }
    }
}

pub fn config(clock: ClockMode) -> EngineConfig {
    EngineConfig { clock, max_tick_gap_ms: i64::MAX, ..EngineConfig::default() }
}

pub fn engine(yaml: &str, clock: ClockMode) -> Engine {
    Engine::new(rules(yaml), config(clock))
}

pub fn tick(s: f64) -> Entry {
    Entry::Tick(at(s))
}

pub fn at(s: f64) -> Timestamp {
    Timestamp(T0 + (s * 1000.0) as i64)
}

pub fn record(device: &str, s: f64, body: Body) -> Entry {
    let service = match device.split('-').next() {
        Some("river") => "river",
        Some("air") => "air",
        Some("cam") => "camera_analytics",
        _ => "traffic",
    };
    Entry::Record(Record {
        device: device.into(),
        area: "hai_chau".into(),
        service: service.into(),
        source: 0,
        time: at(s),
        received: at(s),
        seq: None,
        clock_clamped: false,
        derived: false,
        body,
    })
}

pub fn obs(device: &str, s: f64, values: &[(&str, f64)]) -> Entry {
    graded(device, s, values, Quality::Good)
}

pub fn graded(device: &str, s: f64, values: &[(&str, f64)], quality: Quality) -> Entry {
    let values = values.iter().map(|(p, v)| (Name::from(*p), *v)).collect();
    record(device, s, Body::Observation { quality, values })
}

pub fn status(device: &str, s: f64, online: bool) -> Entry {
    record(device, s, Body::Status(Status { online, battery: None }))
}

pub fn event(device: &str, s: f64, kind: &str, id: &str) -> Entry {
    let detection = Detection {
        kind: kind.into(),
        id: (!id.is_empty()).then(|| id.into()),
        object: Some("car".into()),
        confidence: Some(0.9),
        count: None,
        zone: None,
        personal: None,
    };
    record(device, s, Body::Detection(Box::new(detection)))
}

pub fn run(engine: &mut Engine, entries: &[Entry]) -> Vec<Transition> {
    let mut out = Vec::new();
    for (i, entry) in entries.iter().enumerate() {
        engine.step(i as u64, entry, &mut out);
    }
    out
}

/// `river-a raise minor @10`, times in seconds after `T0`.
pub fn brief(transitions: &[Transition]) -> Vec<String> {
    let line = |t: &Transition| {
        let kind = format!("{:?}", t.kind).to_lowercase();
        let entity = t.entity.to_string();
        let entity = entity.split(':').next_back().unwrap_or_default();
        format!("{entity} {kind} {} @{}", t.severity.as_str(), (t.time.0 - T0) as f64 / 1000.0)
    };
    transitions.iter().map(line).collect()
}

/// The configuration folder of the repository.
pub fn shipped_files() -> ConfigFiles {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config");
    let mut files = BTreeMap::new();
    for folder in ["", "rules"] {
        for entry in std::fs::read_dir(root.join(folder)).expect("config is in the repository") {
            let path = entry.expect("readable").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            if path.is_file() {
                let key = if folder.is_empty() { name } else { format!("{folder}/{name}") };
                files.insert(key, std::fs::read_to_string(&path).expect("utf-8"));
            }
        }
    }
    ConfigFiles(files)
}
