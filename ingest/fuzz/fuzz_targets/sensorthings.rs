#![no_main]
use ioc_ingest::fuzzing;
libfuzzer_sys::fuzz_target!(init: fuzzing::begin("sensorthings"), |input: &[u8]| fuzzing::run("sensorthings", input));
