//! Claims on whole stores, each with its figure: from `append` to the disk, with every flush and
//! the windows of closed blocks, at least 500,000 points a second of one core (at most 2 µs of CPU
//! a point), and at most 2 bytes a point on disk.
//!
//! - Aarhus: a real week of traffic, 449 sensors, three values each 5 minutes.
//! - Beijing: four real years of air and weather of one station, 11 values each hour.
//! - City: the devices of `config/devices.csv` for two days as `ioc-sim city` plays them.
//! - 10,000 series with a point a minute for a day, each series with its own second.
//!
//! `cargo bench -p ioc-history --bench store [-- NAME…]`. Recordings that are not there are
//! skipped with a word. Time runs by the data: what is due after `head_age_s` of data is written
//! after `head_age_s` of data.

mod city;
mod data;

use std::sync::Arc;
use std::time::Instant;

use data::Batch;
use ioc_history::{EmbeddedConfig, EmbeddedStore};
use ioc_model::{
    Aggregate, Flush, HistoryStore, Ledger, RangeQuery, SeriesFilter, Step, Timestamp,
};

fn main() {
    let chosen: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let age_s = EmbeddedConfig::default().head_age_s;
    let run = |name: &str, age_s: u32, batches: Option<Box<dyn Iterator<Item = Batch>>>| {
        if !chosen.is_empty() && !chosen.iter().any(|c| c == name) {
            return;
        }
        match batches {
            Some(batches) => replay(name, age_s, batches),
            None => println!("{name}: skipped, the recording is not there"),
        }
    };
    run("aarhus", age_s, data::aarhus());
    run("beijing", age_s, data::beijing());
    run("city", age_s, city::days(2));
    run("minutes", age_s, Some(data::minutes(10_000)));
    // Recordings given as fast as they are taken, as after an outage: heads become full.
    run("aarhus", u32::MAX, data::aarhus());
    run("beijing", u32::MAX, data::beijing());
    // What the age costs and gives.
    for age_s in [600, 1_800] {
        run("minutes", age_s, Some(data::minutes(10_000)));
    }
}

fn replay(name: &str, age_s: u32, batches: Box<dyn Iterator<Item = Batch>>) {
    let rt = tokio::runtime::Builder::new_current_thread()
        .max_blocking_threads(1)
        .build()
        .expect("runtime");
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("history.sqlite");
    let rss = status_kb("VmRSS");
    let ledger = Arc::<Ledger>::default();
    let store = EmbeddedStore::open(&path, EmbeddedConfig::default(), ledger, 0).expect("opens");
    let (mut first, mut cpu_ns, mut kept) = (0, 0, 0);
    let mut written_s = None;
    for batch in batches {
        // Only the store's work counts, not the making of the data.
        let begun = cpu();
        let now_s = batch.time.0 / 1_000;
        let since = *written_s.get_or_insert(now_s);
        rt.block_on(store.append(first, &batch.entries)).expect("appends");
        first += batch.entries.len() as u64;
        let old = now_s - since >= i64::from(age_s);
        let what = if old { Flush::All } else { Flush::Due };
        let cursor = rt.block_on(async {
            if old {
                kept = kept.max(first - store.cursor().await.expect("cursor"));
            }
            store.flush(what).await.expect("flushes")
        });
        if old {
            assert_eq!(cursor, first);
            written_s = Some(now_s);
        }
        cpu_ns += cpu() - begun;
    }
    let begun = cpu();
    rt.block_on(store.flush(Flush::All)).expect("flushes");
    cpu_ns += cpu() - begun;
    let stats = rt.block_on(store.stats());
    let points = stats.points as f64;
    let rss_after = status_kb("VmRSS");
    let query = Instant::now();
    let keys = rt.block_on(store.series(&SeriesFilter::default())).expect("series");
    let asked = keys.len().min(100);
    for key in &keys[..asked] {
        let range = RangeQuery {
            series: key.clone(),
            from: Timestamp(0),
            to: Timestamp(i64::MAX),
            step: Some((Step::of(3_600_000), Aggregate::Mean)),
            limit: 100_000,
        };
        rt.block_on(store.range(&range)).expect("range");
    }
    let us = cpu_ns as f64 / 1_000.0 / points;
    println!(
        "{name} (written after {age_s} s): {points} points, {} series; {:.2} bytes/point \
         ({} bytes: {}); {us:.3} µs CPU/point = {:.0} points/s of a core; at most {kept} entries \
         kept by the journal; RSS {rss} → {rss_after} kB; all of one series by the hour in {:.2} ms",
        stats.series,
        stats.bytes as f64 / points,
        stats.bytes,
        tables(&path, points),
        1e6 / us,
        query.elapsed().as_secs_f64() * 1_000.0 / asked as f64,
    );
}

/// Bytes a point of the encoded rows of each table.
fn tables(path: &std::path::Path, points: f64) -> String {
    let conn = rusqlite::Connection::open(path).expect("opens");
    let table = |name: &str| {
        let sql = format!("SELECT total(length(data)), count(*) FROM {name}");
        let (bytes, rows): (f64, i64) =
            conn.query_row(&sql, [], |r| Ok((r.get(0)?, r.get(1)?))).expect("sizes");
        format!("{name} {:.2} in {rows}", bytes / points)
    };
    ["block", "tail", "rollup", "rollup_tail"].map(table).join(", ")
}

fn status_kb(field: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = text.lines().find(|l| l.starts_with(field)).expect("field");
    line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number")
}

/// CPU of all threads of this process, ns (`/proc/…/schedstat`).
fn cpu() -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task").expect("Linux");
    let of = |task: std::io::Result<std::fs::DirEntry>| -> Option<u64> {
        let text = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse().ok()
    };
    tasks.filter_map(of).sum()
}
