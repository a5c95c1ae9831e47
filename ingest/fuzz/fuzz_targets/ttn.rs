#![no_main]
use ioc_ingest::fuzzing;
libfuzzer_sys::fuzz_target!(init: fuzzing::begin("ttn"), |input: &[u8]| fuzzing::run("ttn", input));
