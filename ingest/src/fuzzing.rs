//! Every parser of the doors as a function of bytes, for the fuzz targets in `ingest/fuzz`; only
//! with the feature `fuzzing`, which no product build has, and in tests.

use std::cell::OnceCell;
use std::path::Path;

use ioc_model::{Actor, DeviceError, DeviceFile, DeviceStore};

use crate::decode::{Decoders, example, fuzz as formats};
use crate::gateway::fuzz as gateway;
use crate::registry::Registry;

/// Bytes of a list of devices.
const LIST_BYTES: usize = 64 << 10;

/// All targets.
pub fn targets() -> Vec<&'static str> {
    let formats = ["native", "mapping"].into_iter().chain(Decoders::formats().iter().copied());
    formats.chain(["packets", "websocket", "devices_csv", "devices_geojson"]).collect()
}

/// Plays one input.
///
/// # Panics
/// When something does not hold, which is what a fuzzer looks for; or for a target that is not
/// there.
pub fn run(target: &str, input: &[u8]) {
    match target {
        "packets" => gateway::packets(input),
        "websocket" => gateway::websocket(input),
        "devices_csv" => devices(DeviceFile::Csv, input),
        "devices_geojson" => devices(DeviceFile::GeoJson, input),
        format => formats::play(format, input),
    }
}

/// Before the first input: writes the seeds into the folder `IOC_FUZZ_SEEDS`, if it is set.
///
/// # Panics
/// When they cannot be written.
pub fn begin(target: &str) {
    let Some(folder) = std::env::var_os("IOC_FUZZ_SEEDS") else { return };
    std::fs::create_dir_all(&folder).expect("a folder for the seeds");
    for (n, seed) in seeds(target).into_iter().enumerate() {
        std::fs::write(Path::new(&folder).join(format!("seed-{n:03}")), seed).expect("written");
    }
}

/// Inputs to begin with: the documented examples.
pub fn seeds(target: &str) -> Vec<Vec<u8>> {
    match target {
        "packets" => gateway::packet_seeds(),
        // PING, a message in two frames, CLOSE 1000; masked with zeros.
        "websocket" => {
            let frames: &[u8] = b"\x89\x81\0\0\0\0x\x02\x82\0\0\0\0ab\x80\x81\0\0\0\0c\
                \x88\x82\0\0\0\0\x03\xe8";
            [1, 3, 64].map(|size| [&[size], frames].concat()).to_vec()
        }
        "devices_csv" | "devices_geojson" => {
            let format =
                if target == "devices_csv" { DeviceFile::Csv } else { DeviceFile::GeoJson };
            let all = Registry::of_city(&example::city()).export(format);
            let some: String = all.lines().take(5).collect::<Vec<_>>().join("\n");
            let own = include_str!("../../config/devices.csv");
            let own: String = own.lines().take(5).collect::<Vec<_>>().join("\n");
            vec![some.into_bytes(), own.into_bytes(), POINT.into()]
        }
        format => formats::seeds(format),
    }
}

const POINT: &str = r#"{"type":"FeatureCollection","features":[{"type":"Feature","geometry":{"type":"Point","coordinates":[108.22,16.06]},"properties":{"id":"river-9","name_vi":"Trạm 9","service":"river","properties":["water_level"],"cadence_s":60,"fields":"lvl=water_level:cm","tags":"owner=a"}}]}"#;

/// Reads a list of devices as `ioc device import --dry-run` does.
fn devices(format: DeviceFile, input: &[u8]) {
    thread_local!(static REGISTRY: OnceCell<Registry> = const { OnceCell::new() });
    let Ok(text) = std::str::from_utf8(input) else { return };
    if text.len() > LIST_BYTES {
        return;
    }
    let actor = Actor { user: "fuzz".into(), origin: None, at: example::RECEIVED };
    REGISTRY.with(|registry| {
        let registry = registry.get_or_init(|| Registry::of_whole_city(example::city()));
        let before = registry.now().len();
        let lines = text.lines().count() + 1;
        match registry.import(format, "list", text, true, &actor) {
            Ok(imported) => assert!(imported.notes.len() <= 100),
            Err(DeviceError::Invalid(mistakes)) => {
                assert!((1..=100).contains(&mistakes.len()), "{} mistakes", mistakes.len());
                for mistake in &mistakes {
                    assert!(mistake.line <= lines, "line {} of {lines}", mistake.line);
                }
            }
            Err(DeviceError::Conflict(_)) => {}
            Err(e) => unreachable!("a dry run has no other end: {e}"),
        }
        assert_eq!(registry.now().len(), before, "a dry run changes nothing");
    });
}

#[cfg(test)]
mod tests;
