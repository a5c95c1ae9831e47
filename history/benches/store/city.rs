//! The city of `config/devices.csv` as `ioc-sim city` plays it: the cadence of each device (at
//! most 30 s, its default) with 5 % jitter to either side, values of the same formulas with the
//! same noise and the decimals of `config/properties.yaml`, here without the storm.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::path::Path;

use ioc_model::{Name, Timestamp, Values};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::data::{Batch, record};

const START_MS: i64 = 1_700_000_000_000;

struct Device {
    id: Name,
    interval_ms: f64,
    luck: f64,
    properties: Vec<Name>,
}

/// All messages of so many days, those of 10 seconds together.
pub fn days(days: i64) -> Option<Box<dyn Iterator<Item = Batch>>> {
    let mut rng = StdRng::seed_from_u64(7);
    let devices = devices(&mut rng)?;
    let mut queue: BinaryHeap<Reverse<(i64, usize)>> =
        (0..devices.len()).map(|n| Reverse((START_MS + (n as i64 * 37) % 1_500, n))).collect();
    let mut from = START_MS;
    Some(Box::new(std::iter::from_fn(move || {
        if from >= START_MS + days * 86_400_000 {
            return None;
        }
        from += 10_000;
        let mut entries = Vec::new();
        while let Some(&Reverse((at, n))) = queue.peek()
            && at < from
        {
            queue.pop();
            let device = &devices[n];
            let hour = (at.rem_euclid(86_400_000)) as f64 / 3_600_000.0;
            let value = |p: &Name, rng: &mut StdRng| value(p, device, hour, rng);
            let values: Values =
                device.properties.iter().map(|p| (Name::clone(p), value(p, &mut rng))).collect();
            entries.push(record(&device.id, Timestamp(at), values));
            let jitter = 0.95 + 0.1 * rng.random::<f64>();
            queue.push(Reverse((at + (device.interval_ms * jitter) as i64, n)));
        }
        Some(Batch { time: Timestamp(from), entries })
    })))
}

fn devices(rng: &mut StdRng) -> Option<Vec<Device>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/devices.csv");
    let text = std::fs::read_to_string(path).ok()?;
    let mut lines = text.lines().filter(|l| !l.starts_with('#'));
    let header: Vec<&str> = lines.next()?.split(',').collect();
    let column = |name: &str| header.iter().position(|h| *h == name).expect("a known column");
    let (id, cadence, properties) = (column("id"), column("cadence_s"), column("properties"));
    let device = |line: &str| {
        let columns: Vec<&str> = line.split(',').collect();
        Device {
            id: columns[id].into(),
            interval_ms: columns[cadence].parse::<f64>().expect("seconds").clamp(1.0, 30.0) * 1e3,
            luck: rng.random(),
            properties: columns[properties].split(';').map(Name::from).collect(),
        }
    };
    Some(lines.map(device).collect())
}

/// As `simulators/src/city/senses.rs`.
fn value(property: &str, device: &Device, hour: f64, rng: &mut StdRng) -> f64 {
    let bell = |middle: f64, width: f64| (-((hour - middle) / width).powi(2)).exp();
    let (sun, rush) = (bell(13.5, 3.5), bell(7.3, 0.9).max(bell(17.3, 1.2)));
    let day = ((hour - 5.0) / 2.0).clamp(0.0, 1.0).min(((24.0 - hour) / 3.0).clamp(0.0, 1.0));
    let luck = device.luck;
    let mut noise = |size: f64| (rng.random::<f64>() - 0.5) * 2.0 * size;
    let demand = 0.08 + 0.3 * day + (0.35 + 0.35 * luck) * rush;
    let flow = (1200.0 + 2400.0 * luck) * demand;
    let speed = (44.0 * (1.0 - 0.85 * demand.powi(2))).max(4.0);
    let sound = 46.0 + 4.0 * luck + 13.0 * day + 6.0 * rush;
    let spaces = (60.0 + 240.0 * luck).round();
    let people = (5.0 + 25.0 * day + 110.0 * luck * bell(19.0, 1.8)).round();
    let dust = |base: f64| base * (0.7 + 0.6 * luck) + base * rush;
    let (value, digits) = match property {
        "water_level" => (0.5 + 2.0 * luck + noise(0.01), 2),
        "flood_depth" => (noise(0.012).max(-0.02), 2),
        "rain_intensity" | "rainfall" => (0.0, 1),
        "temperature" => (24.0 + 6.0 * sun + luck + noise(0.2), 1),
        "humidity" => ((82.0 - 18.0 * sun + noise(2.0)).clamp(30.0, 99.0), 1),
        "pressure" => (1011.0 + luck + noise(0.2), 1),
        "wind_speed" => ((2.0 + noise(1.0)).max(0.0), 1),
        "pm25" => (dust(14.0) * (1.0 + noise(0.1)), 1),
        "pm10" => (dust(26.0) * (1.0 + noise(0.1)), 1),
        "no2" => (12.0 + 40.0 * rush * (0.5 + luck) + noise(3.0).abs(), 1),
        "so2" => (4.0 + 5.0 * luck + noise(1.0), 1),
        "co" => (350.0 + 900.0 * rush * (0.5 + luck) + noise(30.0), 0),
        "o3" => (25.0 + 60.0 * sun + noise(4.0), 1),
        "noise_laeq" => (sound + noise(1.5), 1),
        "noise_lamax" => (sound + 9.0 + noise(4.0), 1),
        "speed" => (speed * (1.0 + noise(0.06)), 1),
        "traffic_flow" => (flow * (1.0 + noise(0.08)), 0),
        "vehicle_count" => ((flow * device.interval_ms / 3.6e6 * (1.0 + noise(0.15))).max(0.0), 0),
        "occupancy" => ((12.0 + 70.0 * (1.0 - speed / 45.0) + noise(3.0)).clamp(0.0, 100.0), 1),
        "people_count" => (people * (1.0 + noise(0.1)), 0),
        "parking_total" => (spaces, 0),
        "parking_free" => {
            let free = spaces * (1.0 - 0.9 * day * (0.6 + 0.4 * luck)) + noise(3.0);
            (free.clamp(0.0, spaces), 0)
        }
        "ph" => (7.2 + 0.6 * luck + noise(0.05), 2),
        "dissolved_oxygen" => (4.6 + 2.5 * luck + 0.8 * sun + noise(0.1), 2),
        "discharge" => (0.15 + 0.35 * luck * day + noise(0.01).abs(), 2),
        _ => (luck * 10.0 + noise(0.5), 2),
    };
    let scale = 10f64.powi(digits);
    (value * scale).round() / scale
}
