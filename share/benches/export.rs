//! Claims: an export of a million readings takes seconds, and its memory does not depend on how
//! long it is. Prints, for each format, readings a second of processor time, bytes a reading, and how
//! much the process grew on a second run of ten times the length.
//!
//! `cargo bench -p ioc-share --bench export`; `IOC_KEEP=DIR` keeps the files of the short runs.

use std::sync::Arc;

use async_trait::async_trait;
use ioc_model::{
    City, Entry, Flush, HistoryError, HistoryStats, HistoryStore, LastValue, Maintained, Point,
    Quality, RangeQuery, SeriesFilter, SeriesKey, SeriesPoints, SeriesWindows, Timestamp,
    WindowQuery,
};
use ioc_share::export::{Export, Request, Zone};
use ioc_share::{DeviceView, Scope, Sources};

const SERIES: usize = 100;
const MINUTE_MS: i64 = 60_000;
const T0: i64 = 1_761_588_000_000;

/// Series of one value a minute, computed when they are asked for.
struct Made {
    minutes: i64,
}

/// A daily wave and noise, another for each series.
fn value(series: u64, t: i64) -> f64 {
    let mut noise = series.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ t as u64;
    for shift in [30, 27, 31] {
        noise = (noise ^ (noise >> shift)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    }
    let noise = (noise % 301) as f64 / 10.0 - 15.0;
    let wave = (t as f64 / 229.2 + series as f64).sin() * 200.0 + noise;
    (350.0 + wave).round() / 10.0
}

#[async_trait]
impl HistoryStore for Made {
    async fn cursor(&self) -> Result<u64, HistoryError> {
        Ok(0)
    }

    async fn append(&self, _first: u64, _entries: &[Entry]) -> Result<(), HistoryError> {
        Ok(())
    }

    async fn flush(&self, _what: Flush) -> Result<u64, HistoryError> {
        Ok(0)
    }

    async fn range(&self, q: &RangeQuery) -> Result<SeriesPoints, HistoryError> {
        let first = ((q.from.0 - T0).max(0) + MINUTE_MS - 1) / MINUTE_MS;
        let last = ((q.to.0 - T0) / MINUTE_MS).min(self.minutes);
        let series = q.series.device.rsplit('-').next().and_then(|n| n.parse().ok()).unwrap_or(0);
        let truncated = last - first > q.limit as i64;
        let end = last.min(first + q.limit as i64);
        let point = |n| Point {
            time: Timestamp(T0 + n * MINUTE_MS),
            value: value(series, n),
            quality: Quality::Good,
        };
        let points = (first..end).map(point).collect();
        Ok(SeriesPoints { points, truncated, ..SeriesPoints::default() })
    }

    async fn windows(&self, _q: &WindowQuery) -> Result<SeriesWindows, HistoryError> {
        Ok(SeriesWindows::default())
    }

    async fn series(&self, filter: &SeriesFilter) -> Result<Vec<SeriesKey>, HistoryError> {
        let key = |n| SeriesKey { device: format!("air-{n:03}").into(), property: "pm25".into() };
        Ok((0..SERIES).map(key).filter(|k| filter.matches(k)).collect())
    }

    async fn last(
        &self,
        _device: Option<&str>,
        _at: Timestamp,
    ) -> Result<Vec<LastValue>, HistoryError> {
        Ok(Vec::new())
    }

    async fn maintain(&self, _now: Timestamp) -> Result<Maintained, HistoryError> {
        Ok(Maintained::default())
    }

    async fn stats(&self) -> HistoryStats {
        HistoryStats::default()
    }
}

fn sources(minutes: i64) -> Sources {
    let device = |n| DeviceView {
        id: format!("air-{n:03}").into(),
        name: ioc_model::Text { vi: format!("Trạm {n}"), en: format!("Station {n}") },
        kind: "air_station".into(),
        service: "environment".into(),
        area: "hai_chau".into(),
        place: Some((16.05, 108.2)),
        properties: vec!["pm25".into()],
        cadence_s: 60,
    };
    let devices = Arc::new((0..SERIES).map(device).collect::<Vec<_>>());
    Sources {
        city: Arc::new(City { time_zone: "Asia/Ho_Chi_Minh".into(), ..City::default() }),
        history: Arc::new(Made { minutes }),
        devices: Arc::new(move || Arc::clone(&devices)),
        clock: Arc::new(|| Timestamp(T0)),
    }
}

/// Resident memory of this process, KiB.
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
    line.and_then(|l| l.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// Processor time of this process, s: the machine may do other things beside.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or("");
    let ticks = |n: usize| after_name.split_whitespace().nth(n).and_then(|t| t.parse().ok());
    let (user, system): (f64, f64) = (ticks(11).unwrap_or(0.0), ticks(12).unwrap_or(0.0));
    (user + system) / 100.0
}

/// Rows, bytes, processor seconds, largest memory seen.
async fn run(format: &str, minutes: i64, keep: bool) -> (u64, u64, f64, u64) {
    let sources = sources(minutes);
    let zone = Zone::of(&sources.city);
    let query = format!("format={format}&from={T0}&to={}", T0 + minutes * MINUTE_MS);
    let request = Request::parse(&query, &zone, Timestamp(T0)).expect("a request");
    let begun = cpu_seconds();
    let mut export = Export::open(&sources, &Scope::city(), request).await.expect("series");
    let (mut bytes, mut pieces, mut top, mut file) = (0, 0u64, resident_kib(), Vec::new());
    while let Some(piece) = export.next().await.expect("a piece") {
        bytes += piece.len() as u64;
        pieces += 1;
        if pieces % 16 == 0 {
            top = top.max(resident_kib());
        }
        if keep {
            file.extend_from_slice(&piece);
        }
    }
    if let Some(folder) = std::env::var_os("IOC_KEEP").filter(|_| keep) {
        let path = std::path::Path::new(&folder).join(format!("export.{format}"));
        std::fs::write(path, file).expect("written");
    }
    (export.progress().rows, bytes, cpu_seconds() - begun, top)
}

fn main() {
    // `cargo test --benches` calls it too.
    let long = std::env::args().any(|a| a == "--bench");
    let minutes = if long { 10_000 } else { 10 };
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    println!("format   readings/s  bytes/reading  peak MiB  peak MiB of 10 times as many");
    for format in ["csv", "geojson", "lp", "parquet"] {
        let keep = std::env::var_os("IOC_KEEP").is_some();
        let (rows, bytes, seconds, top) = runtime.block_on(run(format, minutes, keep));
        assert_eq!(rows, minutes as u64 * SERIES as u64);
        let (_, _, _, ten) = runtime.block_on(run(format, minutes * 10, false));
        println!(
            "{format:8} {:>10.0} {:>14.2} {:>9.1} {:>9.1}",
            rows as f64 / seconds,
            bytes as f64 / rows as f64,
            top as f64 / 1_024.0,
            ten as f64 / 1_024.0,
        );
    }
}
