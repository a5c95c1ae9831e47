//! How fast a lag is made up. Run alone, with `--nocapture`, for the figures:
//! `cargo test --release -p ioc-tests --test influx catchup -- --nocapture --test-threads 1`

use std::time::{Duration, Instant};

use ioc_history::InfluxStore;
use ioc_model::{Entry, HistoryStore};
use ioc_tests::influx_fake::Misbehave;

use crate::real;
use crate::support::{Setup, flush_to, now_ms, reading};

/// `n` readings of a city: 2,000 devices.
fn city(n: usize) -> Vec<Entry> {
    let begin = now_ms() - 3_600_000;
    (0..n)
        .map(|i| {
            let device = format!("air-{:04}", i % 2_000);
            reading("air_quality", &device, begin + (i / 2_000) as i64 * 1_000, i as f64 * 0.01)
        })
        .collect()
}

/// CPU of this process, user and system.
fn cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after = text.rsplit(')').next().unwrap_or_default();
    let ticks = |n: usize| after.split(' ').nth(n).and_then(|t| t.parse::<u64>().ok()).unwrap_or(0);
    // clock ticks of 10 ms: fields 14 and 15 of proc(5), two of which come before the bracket
    Duration::from_millis(10 * (ticks(12) + ticks(13)))
}

/// Gives the entries as the journal's reader does, waits for the cursor, and prints the figures.
async fn drain(store: &InfluxStore, entries: &[Entry], name: &str) {
    let (begun, before) = (Instant::now(), cpu());
    for (i, batch) in entries.chunks(1_000).enumerate() {
        store.append(i as u64 * 1_000, batch).await.expect("append");
    }
    flush_to(store, entries.len() as u64).await;
    let rate = entries.len() as f64 / begun.elapsed().as_secs_f64();
    let each = (cpu() - before).as_secs_f64() * 1e6 / entries.len() as f64;
    println!("{name}: {rate:.0} points/s, {each:.2} us of CPU per point in this process");
}

async fn against_the_fake(latency_ms: u64, in_flight: usize) {
    let mut s = Setup::new().await;
    s.config.in_flight = in_flight;
    s.config.timeout_ms = 10_000;
    {
        let mut world = s.fake.world();
        world.counting = true;
        world.always = Some(Misbehave::Slow(Duration::from_millis(latency_ms)));
    }
    let store = s.open().await;
    let entries = city(POINTS);
    let name = format!("server {latency_ms} ms away, {in_flight} in flight");
    drain(&store, &entries, &name).await;
    assert_eq!(s.fake.world().buckets["ioc"].stored_lines, POINTS as u64);
}

/// Points of one lag.
const POINTS: usize = if cfg!(debug_assertions) { 100_000 } else { 500_000 };

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lag_is_caught_up_with_one_and_with_four_writes_in_flight() {
    for latency_ms in [5, 50] {
        for in_flight in [1, 4] {
            against_the_fake(latency_ms, in_flight).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lag_is_caught_up_with_victoria_metrics() {
    let folder = tempfile::tempdir().expect("folder");
    let Some((_server, base)) = real::victoria_metrics(&folder).await else { return };
    let store = real::open(base, &folder).await;
    drain(&store, &city(POINTS), "VictoriaMetrics").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lag_is_caught_up_with_influxdb_1() {
    let folder = tempfile::tempdir().expect("folder");
    let Some((_server, base)) = real::influxd(&folder).await else { return };
    let store = real::open(real::compatibility_proxy(base).await, &folder).await;
    drain(&store, &city(POINTS), "InfluxDB 1.6 behind the test's proxy").await;
}
