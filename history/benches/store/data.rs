//! Batches of journal entries from recordings, and the plain cadence.

use std::io::Read;
use std::path::Path;

use ioc_model::{Body, Entry, Name, Quality, Record, Timestamp, Values};

/// What comes together, and the data's time of it.
pub struct Batch {
    pub time: Timestamp,
    pub entries: Vec<Entry>,
}

pub fn record(device: &Name, time: Timestamp, values: Values) -> Entry {
    Entry::Record(Record {
        device: Name::clone(device),
        area: "hai_chau".into(),
        service: "air".into(),
        source: 0,
        time,
        received: time,
        seq: None,
        clock_clamped: false,
        derived: false,
        body: Body::Observation { quality: Quality::Good, values },
    })
}

fn unpacked(path: &str) -> Option<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data").join(path);
    // Below a worktree the recordings lie one folder higher.
    let path = if path.exists() {
        path
    } else {
        path.to_string_lossy().replacen("/../..", "/../../..", 1).into()
    };
    let file = std::fs::File::open(path).ok()?;
    let mut text = String::new();
    xz2::read::XzDecoder::new(file).read_to_string(&mut text).expect("readable");
    Some(text)
}

/// Rows of one moment together.
pub fn aarhus() -> Option<Box<dyn Iterator<Item = Batch>>> {
    let text = unpacked("aarhus_traffic/traffic_449sensors_2014-08-05_week.csv.xz")?;
    let mut batches: Vec<Batch> = Vec::new();
    let (mut stamp, mut time) = ("", 1_407_189_600_000 - 300_000);
    for line in text.lines().skip(1) {
        let columns: Vec<&str> = line.split(',').collect();
        if columns[0] != stamp {
            stamp = columns[0];
            time += 300_000;
            batches.push(Batch { time: Timestamp(time), entries: Vec::new() });
        }
        let mut values = Values::new();
        for (name, i) in [("vehicle_count", 2), ("speed", 3), ("travel_time", 4)] {
            values.push((name.into(), columns[i].parse().expect("a number")));
        }
        let device = format!("traffic-{}", columns[1]).into();
        let batch = batches.last_mut().expect("a step");
        batch.entries.push(record(&device, batch.time, values));
    }
    Some(Box::new(batches.into_iter()))
}

/// One row an hour; what is missing (`NA`) is no point.
pub fn beijing() -> Option<Box<dyn Iterator<Item = Batch>>> {
    let text = unpacked("beijing_prsa/PRSA_Data_Dongsi_20130301-20170228.csv.xz")?;
    let names = text.lines().next()?.split(',').map(|n| Name::from(n.trim_matches('"')));
    let names: Vec<Name> = names.collect();
    let device = Name::from("dongsi");
    let row = |(i, line): (usize, &str)| {
        let mut values = Values::new();
        for (name, text) in names.iter().zip(line.split(',')).skip(5) {
            if let Ok(value) = text.parse() {
                values.push((Name::clone(name), value));
            }
        }
        let time = Timestamp(1_362_067_200_000 + i as i64 * 3_600_000);
        Batch { time, entries: vec![record(&device, time, values)] }
    };
    let batches: Vec<Batch> = text.lines().skip(1).enumerate().map(row).collect();
    Some(Box::new(batches.into_iter()))
}

/// `series` series with a value a minute for a day: a slow wave and noise, one decimal. Each has
/// its own second of the minute and its own milliseconds.
pub fn minutes(series: usize) -> Box<dyn Iterator<Item = Batch>> {
    let devices: Vec<Name> = (0..series).map(|i| format!("station-{i:05}").into()).collect();
    let mut seed = 1_u64;
    let mut noise = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % 1_000) as f64 / 1_000.0
    };
    Box::new((0..24 * 60i64).map(move |minute| {
        let time = Timestamp(1_700_000_000_000 + minute * 60_000);
        let entry = |(i, device): (usize, &Name)| {
            let wave = ((minute as f64 / 1_440.0 + i as f64 / 77.0) * std::f64::consts::TAU).sin();
            let value = ((25.0 + 5.0 * wave + noise()) * 10.0).round() / 10.0;
            let mut values = Values::new();
            values.push(("temperature".into(), value));
            let time = time.plus_ms((i * 60_000 / series) as i64 + (noise() * 80.0) as i64);
            record(device, time, values)
        };
        let entries = devices.iter().enumerate().map(entry).collect();
        Batch { time, entries }
    }))
}
