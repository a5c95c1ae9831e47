//! Claims: a list of 100,000 devices is checked and taken in a few seconds; a device costs less
//! than 1.5 KiB; signing in costs less than 2 µs, whether or not the device is there, also while
//! 10,000 do it; a look-up costs less than 200 ns; one change among 100,000 devices takes less than
//! 100 ms. CPU times of the thread where nothing waits for the disk; else wall times, told so.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use ioc_ingest::{Listed, Met, Registry, RegistryConfig};
use ioc_model::{
    Actor, City, ConfigFiles, Device, DeviceFile, DeviceState, DeviceStore, Timestamp,
};

const MANY: usize = 100_000;

fn main() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("devices.sqlite");
    let config = RegistryConfig { max_pending: MANY, ..RegistryConfig::default() };
    let registry = Registry::open(&path, config.clone(), city()).expect("opens");
    let csv = list();
    println!("list of {MANY} devices: {:.1} MB", csv.len() as f64 / 1e6);
    let dry = timed("dry run", || {
        registry.import(DeviceFile::Csv, "x.csv", &csv, true, &lan()).expect("no mistake")
    });
    assert_eq!(dry.added as usize, MANY);
    timed("import", || {
        registry.import(DeviceFile::Csv, "x.csv", &csv, false, &lan()).expect("no mistake")
    });
    let again = timed("the same again", || {
        registry.import(DeviceFile::Csv, "x.csv", &csv, false, &lan()).expect("no mistake")
    });
    assert_eq!(again.same as usize, MANY);
    let json = timed("export as GeoJSON", || registry.export(DeviceFile::GeoJson));
    timed("import of GeoJSON, the same", || {
        registry.import(DeviceFile::GeoJson, "x.json", &json, false, &lan()).expect("no mistake")
    });
    timed("maintain with the copy", || registry.maintain(Timestamp(100_000)).expect("kept"));
    drop(json);
    memory(&registry);
    let opened = timed("open", || Registry::open(&path, config, city()).expect("opens"));
    drop(opened);
    changes(&registry);
    tokens(&registry);
    lookups(&registry);
}

/// The set alone, made anew: what an import leaves behind in the allocator is not counted.
fn memory(registry: &Registry) {
    let texts: Vec<String> = registry
        .now()
        .iter()
        .map(|d| serde_json::to_string(&**d).expect("a device is JSON"))
        .collect();
    let before = rss();
    let devices: ioc_model::Devices = texts
        .iter()
        .map(|text| Arc::new(serde_json::from_str::<Device>(text).expect("as written")))
        .collect();
    let bytes = (rss() - before) as f64 / devices.len() as f64;
    println!("memory at most (names not shared): {bytes:.0} B/device");
}

fn changes(registry: &Registry) {
    let device = registry.now().get("dev-77").cloned().expect("there");
    let mut cadence = 0;
    each("put among 100,000 ", 50, || {
        cadence += 1;
        registry.put(Device { cadence_s: cadence, ..Device::clone(&device) }, &lan()).expect("put");
    });
    let devices = registry.devices();
    each("replacement of the set among 100,000", 50, || {
        black_box(devices.with(Arc::clone(&device)));
    });
}

fn tokens(registry: &Registry) {
    let token = registry.issue_token("dev-77", "", &lan()).expect("made").token;
    for n in 0..100 {
        registry.issue_token(&format!("dev-{n}"), "", &lan()).expect("made");
    }
    registry.maintain(Timestamp(3_600_000)).expect("kept");
    let wrong = token.replace(&token[40..], "AAAAAAAA");
    for (what, device, token) in [
        ("token, right", "dev-77", &token),
        ("token, wrong", "dev-77", &wrong),
        ("token, no such device", "nobody-here", &token),
        ("token, device without one", "dev-5000", &token),
    ] {
        each(what, 100_000, || {
            black_box(registry.token(black_box(device), token.as_bytes()));
        });
    }
}

fn lookups(registry: &Registry) {
    let ids: Vec<String> = (0..10_000).map(|n| format!("dev-{}", n * 7)).collect();
    let mut at = 0;
    each("look-up by id, 10,000 in turn", 1_000_000, || {
        at = (at + 1) % ids.len();
        black_box(registry.now().get(&ids[at]).map(|d| d.state == DeviceState::Approved));
    });
    let met =
        |device| Met { device, area: "hai_chau", service: "air", parent: None, at: Timestamp(1) };
    each("met, known", 1_000_000, || {
        at = (at + 1) % ids.len();
        assert_eq!(registry.met(&met(&ids[at])), Listed::Known);
    });
    let fresh: Vec<String> = (0..50_000).map(|n| format!("new-{n}")).collect();
    let mut next = fresh.iter();
    each("met, new", fresh.len() as u32, || {
        let id = next.next().expect("as many");
        assert_eq!(registry.met(&met(id)), Listed::Pending);
    });
    timed("50,000 pending devices written", || registry.maintain(Timestamp(2)).expect("kept"));
}

/// A list as a city would have it: every second device with topics, an alias, tags.
fn list() -> String {
    let mut csv = String::from(
        "id,name_vi,name_en,kind,service,area,lat,lon,properties,cadence_s,parent,topics,aliases,tags\n",
    );
    for n in 0..MANY {
        let (lat, lon) = (16.0 + (n % 300) as f64 * 2e-4, 108.15 + (n / 300) as f64 * 2e-4);
        let parent = if n % 10 == 9 { format!("dev-{}", n - 9) } else { String::new() };
        let more = match n % 2 {
            0 => String::from(",,"),
            _ => format!("application/3/device/{n:016x}/#,70B3D5{n:010X},owner=Phường {n};floor=2"),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(
            csv,
            "dev-{n},Trạm quan trắc {n},Station {n},air_station,air,,{lat:.4},{lon:.4},pm25;pm10,60,{parent},{more}"
        );
    }
    csv
}

fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let (start, cpu) = (Instant::now(), cpu_ns());
    let value = work();
    let cpu = (cpu_ns() - cpu) as f64 / 1e6;
    println!("{what}: {:.0} ms, of it CPU {cpu:.0} ms", start.elapsed().as_secs_f64() * 1e3);
    value
}

/// Time of one call: of the thread's CPU, or of the wall where the words say so.
fn each(what: &str, times: u32, mut work: impl FnMut()) {
    let (start, cpu) = (Instant::now(), cpu_ns());
    for _ in 0..times {
        work();
    }
    let cpu = (cpu_ns() - cpu) as f64;
    let ns = if what.contains("wall") { start.elapsed().as_secs_f64() * 1e9 } else { cpu };
    println!("{what}: {:.2} µs", ns / 1e3 / f64::from(times));
}

/// CPU time of this thread (Linux).
fn cpu_ns() -> u64 {
    std::thread::yield_now();
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    text.split(' ').next().and_then(|n| n.parse().ok()).expect("nanoseconds")
}

/// Bytes in memory (Linux).
fn rss() -> i64 {
    let text = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    text.split(' ').nth(1).and_then(|n| n.parse::<i64>().ok()).expect("pages") * 4096
}

fn lan() -> Actor {
    Actor { user: "lan".into(), origin: None, at: Timestamp(1) }
}

fn city() -> Arc<City> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config");
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(&folder).expect("config folder of the repository") {
        let path = entry.expect("readable folder").path();
        if let (Some(name), Ok(text)) =
            (path.file_name().and_then(|n| n.to_str()), std::fs::read_to_string(&path))
        {
            files.insert(name.to_owned(), text);
        }
    }
    Arc::new(City::load(&ConfigFiles(files)).expect("the shipped city is right"))
}
