#![no_main]
use ioc_ingest::fuzzing;
libfuzzer_sys::fuzz_target!(init: fuzzing::begin("zigbee2mqtt"), |input: &[u8]| fuzzing::run("zigbee2mqtt", input));
