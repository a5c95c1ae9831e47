//! The whole register against a reference of plain maps: random findings of rules, replays of the
//! journal, actions single and bulk with versions and keys, undo, holds, outages, merges, splits,
//! time that jumps, and crashes, also in the middle of a write.
//!
//! `IOC_CASES=100000 cargo test --release -p ioc-alerts --test model` runs so many sequences (200
//! by default) on all cores; a failing one is made as short as it can be and printed.

#[path = "model/bench.rs"]
mod bench;
#[path = "model/bulk.rs"]
mod bulk;
#[path = "model/rebuild.rs"]
mod rebuild;
#[path = "model/reference.rs"]
mod reference;
#[path = "model/steps.rs"]
mod steps;
#[path = "model/world.rs"]
mod world;

use std::fmt::Write;
use std::time::Instant;

use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};

use crate::bench::Bench;
use crate::steps::{Step, steps};

const CASES: u32 = 200;

fn cases() -> u32 {
    std::env::var("IOC_CASES").ok().map_or(CASES, |n| n.parse().expect("IOC_CASES is a number"))
}

#[test]
fn whatever_happens_the_register_is_what_the_reference_says() {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let each = cases().div_ceil(threads as u32);
    let began = Instant::now();
    let failures: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(|| run(each))).collect();
        threads.into_iter().filter_map(|t| t.join().expect("no panic")).collect()
    });
    eprintln!("{} sequences in {:?}", each * threads as u32, began.elapsed());
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

fn run(cases: u32) -> Option<String> {
    let config =
        Config { cases, failure_persistence: None, max_shrink_iters: 20_000, ..Config::default() };
    let result = TestRunner::new(config)
        .run(&steps(), |steps| Bench::new().run(&steps).map_err(TestCaseError::fail));
    match result {
        Ok(()) => None,
        Err(TestError::Fail(why, steps)) => Some(format!("{why}\n{}", show(&steps))),
        Err(TestError::Abort(why)) => Some(why.to_string()),
    }
}

fn show(steps: &[Step]) -> String {
    let mut out = String::new();
    for (n, step) in steps.iter().enumerate() {
        let _ = writeln!(out, "  {n}: {step:?}");
    }
    out
}
