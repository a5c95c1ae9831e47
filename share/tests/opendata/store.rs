//! The shipped city, and a store in memory that answers as its interface says, plainly.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures::StreamExt;
use ioc_model::{
    City, ConfigFiles, Entry, Flush, HistoryError, HistoryStats, HistoryStore, LastValue,
    Maintained, Point, Quality, RangeQuery, SeriesFilter, SeriesKey, SeriesPoints, SeriesWindows,
    Timestamp, Window, WindowQuery,
};
use ioc_share::opendata::OpenData;
use ioc_share::{Answer, Ask, Body, DeviceView, Sources};

/// Thursday 2026-10-15 07:02 in the city.
pub const NOW: Timestamp = Timestamp(1_792_022_520_000);
pub const BASE: &str = "https://ioc.example.vn/open";

/// Everything below `config/`.
pub fn files() -> ConfigFiles {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../config");
    let mut files = ConfigFiles::default();
    for entry in std::fs::read_dir(root).expect("the shipped configuration") {
        let path = entry.expect("an entry").path();
        if path.is_file() {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            files.0.insert(name, std::fs::read_to_string(&path).expect("a text"));
        }
    }
    files
}

/// The same, with open data on.
pub fn open_files() -> ConfigFiles {
    let mut files = files();
    let text = files.0.get_mut("opendata.yaml").expect("shipped");
    *text = text.replace("enabled: false", "enabled: true");
    files
}

#[derive(Default)]
pub struct Memory {
    pub series: Mutex<BTreeMap<SeriesKey, Vec<Point>>>,
    /// Questions asked.
    pub asked: AtomicU64,
    /// 1: every question fails.
    pub broken: AtomicU64,
    /// Raw points before this were given up, if not 0.
    pub raw_from: AtomicI64,
}

impl Memory {
    pub fn put(&self, device: &str, property: &str, time: Timestamp, value: f64, quality: Quality) {
        let key = SeriesKey { device: device.into(), property: property.into() };
        let mut all = self.series.lock().expect("unpoisoned");
        let points = all.entry(key).or_default();
        let at = points.partition_point(|p| p.time <= time);
        points.insert(at, Point { time, value, quality });
    }

    fn ask(&self) -> Result<(), HistoryError> {
        self.asked.fetch_add(1, SeqCst);
        match self.broken.load(SeqCst) {
            0 => Ok(()),
            _ => Err(HistoryError::Unavailable("gone".into())),
        }
    }

    fn points(&self, key: &SeriesKey, from: Timestamp, to: Timestamp) -> Vec<Point> {
        let all = self.series.lock().expect("unpoisoned");
        let points = all.get(key).into_iter().flatten();
        points.filter(|p| (from..to).contains(&p.time)).copied().collect()
    }
}

#[async_trait]
impl HistoryStore for Memory {
    async fn cursor(&self) -> Result<u64, HistoryError> {
        Ok(0)
    }

    async fn append(&self, _: u64, _: &[Entry]) -> Result<(), HistoryError> {
        Ok(())
    }

    async fn flush(&self, _: Flush) -> Result<u64, HistoryError> {
        Ok(0)
    }

    async fn range(&self, query: &RangeQuery) -> Result<SeriesPoints, HistoryError> {
        self.ask()?;
        assert!(query.step.is_none(), "open data asks for windows");
        let mut points = self.points(&query.series, query.from, query.to);
        let truncated = points.len() > query.limit;
        points.truncate(query.limit);
        Ok(SeriesPoints { points, truncated, ..SeriesPoints::default() })
    }

    async fn windows(&self, query: &WindowQuery) -> Result<SeriesWindows, HistoryError> {
        self.ask()?;
        let mut windows: BTreeMap<Timestamp, Window> = BTreeMap::new();
        for p in self.points(&query.series, query.from, query.to) {
            let start = query.step.begin(p.time);
            let w = windows.entry(start).or_insert(Window {
                start,
                count: 0,
                uncertain: 0,
                bad: 0,
                min: f64::INFINITY,
                max: f64::NEG_INFINITY,
                sum: 0.0,
                last: f64::NAN,
                last_time: start,
            });
            if p.quality == Quality::Bad {
                w.bad += 1;
                continue;
            }
            w.count += 1;
            w.uncertain += u64::from(p.quality == Quality::Uncertain);
            w.min = w.min.min(p.value);
            w.max = w.max.max(p.value);
            w.sum += p.value;
            (w.last, w.last_time) = (p.value, p.time);
        }
        let mut windows: Vec<_> = windows.into_values().collect();
        let truncated = windows.len() > query.limit;
        windows.truncate(query.limit);
        Ok(SeriesWindows { windows, truncated, ..SeriesWindows::default() })
    }

    async fn series(&self, filter: &SeriesFilter) -> Result<Vec<SeriesKey>, HistoryError> {
        self.ask()?;
        let all = self.series.lock().expect("unpoisoned");
        Ok(all.keys().filter(|k| filter.matches(k)).cloned().collect())
    }

    async fn last(
        &self,
        device: Option<&str>,
        at: Timestamp,
    ) -> Result<Vec<LastValue>, HistoryError> {
        self.ask()?;
        let all = self.series.lock().expect("unpoisoned");
        let newest = |(key, points): (&SeriesKey, &Vec<Point>)| {
            let point = points.iter().rev().find(|p| p.time <= at)?;
            Some(LastValue { series: key.clone(), point: *point })
        };
        let fits = |(key, _): &(&SeriesKey, &Vec<Point>)| device.is_none_or(|d| *key.device == *d);
        Ok(all.iter().filter(fits).filter_map(newest).collect())
    }

    async fn maintain(&self, _: Timestamp) -> Result<Maintained, HistoryError> {
        Ok(Maintained::default())
    }

    async fn stats(&self) -> HistoryStats {
        let all = self.series.lock().expect("unpoisoned");
        let since = all.values().filter_map(|p| p.first()).map(|p| p.time).min();
        let raw_from = Some(Timestamp(self.raw_from.load(SeqCst))).filter(|t| t.0 > 0);
        HistoryStats { since, raw_from, healthy: true, ..HistoryStats::default() }
    }
}

/// The city, its store and what is published of it.
pub struct World {
    pub open: OpenData,
    pub memory: Arc<Memory>,
    pub sources: Sources,
    pub now: Arc<AtomicI64>,
}

impl World {
    /// The shipped city with open data on, and some days of values of every device.
    pub fn shipped() -> Self {
        let world = Self::of(&open_files(), Vec::new());
        for device in world.sources.city.devices.values() {
            for (n, property) in device.properties.iter().enumerate() {
                let known = &world.sources.city.properties[property];
                let low = known.min.max(0.0);
                let span = (known.max - low).min(40.0);
                // Three days, every ten minutes.
                for k in 1..=432_i64 {
                    let value = low + span * ((k + n as i64) % 10) as f64 / 10.0;
                    let time = NOW.plus_ms(-k * 600_000);
                    world.memory.put(&device.id, property, time, value, Quality::Good);
                }
            }
        }
        world
    }

    /// A city of these files, with nothing measured; `views` are devices met in the feeds.
    pub fn of(files: &ConfigFiles, views: Vec<DeviceView>) -> Self {
        let city = Arc::new(City::load(files).expect("a city"));
        let open = OpenData::load(files, &city).expect("valid");
        let memory = Arc::new(Memory::default());
        let views = Arc::new(views);
        let now = Arc::new(AtomicI64::new(NOW.0));
        let clock = Arc::clone(&now);
        let sources = Sources {
            city,
            history: Arc::clone(&memory) as Arc<dyn HistoryStore>,
            devices: Arc::new(move || Arc::clone(&views)),
            clock: Arc::new(move || Timestamp(clock.load(SeqCst))),
        };
        Self { open, memory, sources, now }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.ask(path, Asked::default()).await
    }

    pub async fn ask(&self, address: &str, asked: Asked<'_>) -> Answer {
        let (path, query) = address.split_once('?').unwrap_or((address, ""));
        let ask = Ask {
            path,
            query,
            base: BASE,
            accept: asked.accept,
            language: asked.language,
            if_none_match: asked.if_none_match,
        };
        self.open.answer(&self.sources, &ask).await
    }

    /// Status and whole body.
    pub async fn text(&self, address: &str) -> (u16, String) {
        let answer = self.get(address).await;
        (answer.status, body(answer.body).await.expect("a whole body"))
    }
}

/// Headers of a request.
#[derive(Clone, Copy, Default)]
pub struct Asked<'a> {
    pub accept: &'a str,
    pub language: &'a str,
    pub if_none_match: &'a str,
}

pub fn header<'a>(answer: &'a Answer, name: &str) -> &'a str {
    let found = answer.headers.iter().find(|(n, _)| *n == name);
    found.map_or("", |(_, value)| value.as_str())
}

pub async fn body(body: Body) -> std::io::Result<String> {
    let bytes = match body {
        Body::Bytes(bytes) => bytes.to_vec(),
        Body::Stream(mut stream) => {
            let mut all = Vec::new();
            while let Some(part) = stream.next().await {
                all.extend_from_slice(&part?);
            }
            all
        }
    };
    Ok(String::from_utf8(bytes).expect("UTF-8"))
}
