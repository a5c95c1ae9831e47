#![no_main]
use ioc_ingest::fuzzing;
libfuzzer_sys::fuzz_target!(init: fuzzing::begin("devices_geojson"), |input: &[u8]| fuzzing::run("devices_geojson", input));
