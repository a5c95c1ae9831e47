#![no_main]
use ioc_ingest::fuzzing;
libfuzzer_sys::fuzz_target!(init: fuzzing::begin("chirpstack"), |input: &[u8]| fuzzing::run("chirpstack", input));
