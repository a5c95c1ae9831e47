#![no_main]
use ioc_ingest::fuzzing;
libfuzzer_sys::fuzz_target!(init: fuzzing::begin("devices_csv"), |input: &[u8]| fuzzing::run("devices_csv", input));
