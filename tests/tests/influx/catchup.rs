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

/// Gives the entries as the journal's reader does and waits for the cursor; points per second.
async fn drain(store: &InfluxStore, entries: &[Entry], name: &str) -> f64 {
    let (begun, before) = (Instant::now(), cpu());
    for (i, batch) in entries.chunks(1_000).enumerate() {
        store.append(i as u64 * 1_000, batch).await.expect("append");
    }
    flush_to(store, entries.len() as u64).await;
    let rate = entries.len() as f64 / begun.elapsed().as_secs_f64();
    let each = (cpu() - before).as_secs_f64() * 1e6 / entries.len() as f64;
    println!("{name}: {rate:.0} points/s, {each:.2} us of CPU per point in this process");
    rate
}

async fn against_the_fake(latency_ms: u64, in_flight: usize) -> f64 {
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
    let rate = drain(&store, &entries, &name).await;
    assert_eq!(s.fake.world().buckets["ioc"].stored_lines, POINTS as u64);
    rate
}

/// Points of one lag.
const POINTS: usize = if cfg!(debug_assertions) { 100_000 } else { 500_000 };

/// Figure: at least five times a live rate of 10,000 points a second, 1,000 where the test runs in
/// a debug build on a busy machine.
const LEAST: f64 = if cfg!(debug_assertions) { 5.0 * 1_000.0 } else { 5.0 * 10_000.0 };

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn catches_up_at_five_times_the_live_rate() {
    for latency_ms in [5, 50] {
        let mut rates = Vec::new();
        for in_flight in [1, 4] {
            rates.push(against_the_fake(latency_ms, in_flight).await);
        }
        assert!(rates[1] >= LEAST, "{rates:?} at {latency_ms} ms");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn catches_up_with_a_real_server_at_five_times_the_live_rate() {
    let folder = tempfile::tempdir().expect("folder");
    let Some((_server, base)) = real::victoria_metrics(&folder).await else { return };
    let store = real::open(base, &folder).await;
    let rate = drain(&store, &city(POINTS), "VictoriaMetrics").await;
    assert!(rate >= LEAST, "{rate}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn catches_up_with_influxdb_1_at_five_times_the_live_rate() {
    let folder = tempfile::tempdir().expect("folder");
    let Some((_server, base)) = real::influxd(&folder).await else { return };
    let store = real::open(real::compatibility_proxy(base).await, &folder).await;
    let rate = drain(&store, &city(POINTS), "InfluxDB 1.6 behind the test's proxy").await;
    assert!(rate >= LEAST, "{rate}");
}
