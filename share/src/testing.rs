//! A store of known values and a small city, for the tests of this crate.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use async_trait::async_trait;
use futures::StreamExt;
use ioc_model::{
    City, Entry, Flush, HistoryError, HistoryStats, HistoryStore, LastValue, Maintained, Name,
    Point, Property, Quality, RangeQuery, SeriesFilter, SeriesKey, SeriesPoints, SeriesWindows,
    Service, ServiceGroup, Text, Timestamp, Window, WindowQuery,
};

use crate::{Answer, Ask, Body, DeviceView, Sources};

/// 2025-10-28T01:00:00+07:00.
pub(crate) const T0: Timestamp = Timestamp(1_761_588_000_000);

/// Series in memory. Points of a series are kept in the order of time, those of one moment in
/// the order in which they were put in.
#[derive(Default)]
pub(crate) struct FakeStore {
    pub series: BTreeMap<SeriesKey, Vec<Point>>,
    /// From this call of `range` or `windows` on (0: the first), it does not answer.
    pub fail_from: Option<usize>,
    /// Calls of `range` and `windows` so far.
    pub calls: AtomicUsize,
    /// Most points or windows that one call was asked for.
    pub largest: AtomicUsize,
    pub raw_from: Option<Timestamp>,
}

impl FakeStore {
    /// Adds good values at a time after [`T0`] in ms.
    pub fn with(mut self, device: &str, property: &str, values: &[(i64, f64)]) -> Self {
        let points = values.iter().map(|(t, v)| point(*t, *v, Quality::Good)).collect();
        self.put(device, property, points);
        self
    }

    pub fn put(&mut self, device: &str, property: &str, mut points: Vec<Point>) {
        let all = self.series.entry(key(device, property)).or_default();
        all.append(&mut points);
        all.sort_by_key(|p| p.time);
    }

    fn call(&self, limit: usize) -> Result<(), HistoryError> {
        self.largest.fetch_max(limit, Relaxed);
        let n = self.calls.fetch_add(1, Relaxed);
        match self.fail_from.is_some_and(|from| n >= from) {
            true => Err(HistoryError::Unavailable("the fake store was told to fail".into())),
            false => Ok(()),
        }
    }

    fn stretch(&self, series: &SeriesKey, from: Timestamp, to: Timestamp) -> Vec<Point> {
        let all = self.series.get(series).map_or(&[][..], Vec::as_slice);
        all.iter().filter(|p| from <= p.time && p.time < to).copied().collect()
    }
}

pub(crate) fn key(device: &str, property: &str) -> SeriesKey {
    SeriesKey { device: device.into(), property: property.into() }
}

/// `after_ms` after [`T0`].
pub(crate) fn point(after_ms: i64, value: f64, quality: Quality) -> Point {
    Point { time: T0.plus_ms(after_ms), value, quality }
}

#[async_trait]
impl HistoryStore for FakeStore {
    async fn cursor(&self) -> Result<u64, HistoryError> {
        Ok(0)
    }

    async fn append(&self, _first: u64, _entries: &[Entry]) -> Result<(), HistoryError> {
        Err(HistoryError::Unavailable("the fake store takes nothing".into()))
    }

    async fn flush(&self, _what: Flush) -> Result<u64, HistoryError> {
        Ok(0)
    }

    async fn range(&self, q: &RangeQuery) -> Result<SeriesPoints, HistoryError> {
        let Some((step, how)) = q.step else {
            self.call(q.limit)?;
            let mut points = self.stretch(&q.series, q.from, q.to);
            let truncated = points.len() > q.limit;
            points.truncate(q.limit);
            let raw_from = self.raw_from;
            return Ok(SeriesPoints { points, truncated, raw_from, ..SeriesPoints::default() });
        };
        let (series, limit) = (q.series.clone(), q.limit);
        let q = WindowQuery { series, from: q.from, to: q.to, step, limit };
        let found = self.windows(&q).await?;
        let point = |w: &Window| {
            w.value(how).map(|value| Point { time: w.start, value, quality: w.quality() })
        };
        let points = found.windows.iter().filter_map(point).collect();
        Ok(SeriesPoints { points, truncated: found.truncated, ..SeriesPoints::default() })
    }

    async fn windows(&self, q: &WindowQuery) -> Result<SeriesWindows, HistoryError> {
        self.call(q.limit)?;
        let mut windows: BTreeMap<Timestamp, Window> = BTreeMap::new();
        for p in self.stretch(&q.series, q.from, q.to) {
            let start = q.step.begin(p.time);
            let w = windows.entry(start).or_insert(Window {
                start,
                count: 0,
                uncertain: 0,
                bad: 0,
                min: f64::NAN,
                max: f64::NAN,
                sum: 0.0,
                last: f64::NAN,
                last_time: Timestamp(i64::MIN),
            });
            if p.quality == Quality::Bad {
                w.bad += 1;
                continue;
            }
            (w.min, w.max) = (w.min.min(p.value), w.max.max(p.value));
            (w.last, w.last_time) = (p.value, p.time);
            w.sum += p.value;
            w.count += 1;
            w.uncertain += u64::from(p.quality == Quality::Uncertain);
        }
        let mut windows: Vec<Window> = windows.into_values().collect();
        let truncated = windows.len() > q.limit;
        windows.truncate(q.limit);
        Ok(SeriesWindows { windows, truncated, ..SeriesWindows::default() })
    }

    async fn series(&self, filter: &SeriesFilter) -> Result<Vec<SeriesKey>, HistoryError> {
        let keys = self.series.keys().filter(|k| filter.matches(k)).cloned();
        let limit = if filter.limit == 0 { usize::MAX } else { filter.limit };
        Ok(keys.take(limit).collect())
    }

    async fn last(
        &self,
        device: Option<&str>,
        at: Timestamp,
    ) -> Result<Vec<LastValue>, HistoryError> {
        let fits = |k: &SeriesKey| device.is_none_or(|d| *d == *k.device);
        let last = |(series, points): (&SeriesKey, &Vec<Point>)| {
            let point = points.iter().rfind(|p| p.time <= at)?;
            Some(LastValue { series: series.clone(), point: *point })
        };
        Ok(self.series.iter().filter(|(k, _)| fits(k)).filter_map(last).collect())
    }

    async fn maintain(&self, _now: Timestamp) -> Result<Maintained, HistoryError> {
        Ok(Maintained::default())
    }

    async fn stats(&self) -> HistoryStats {
        HistoryStats {
            backend: "embedded",
            points: self.series.values().map(|p| p.len() as u64).sum(),
            series: self.series.len() as u64,
            raw_from: self.raw_from,
            healthy: true,
            ..HistoryStats::default()
        }
    }
}

/// Services `air` (pm25, temperature) and `water` (water_level) in Đà Nẵng.
pub(crate) fn city() -> City {
    let text = |vi: &str, en: &str| Text { vi: vi.into(), en: en.into() };
    let mut city = City {
        name: text("Đà Nẵng", "Da Nang"),
        time_zone: "Asia/Ho_Chi_Minh".into(),
        ..City::default()
    };
    for (order, id, name, indicators) in [
        (1, "air", text("Môi trường", "Environment"), vec!["pm25".into(), "temperature".into()]),
        (2, "water", text("Cấp thoát nước", "Water"), vec!["water_level".into()]),
    ] {
        let id = Name::from(id);
        let group = ServiceGroup::Basic;
        city.services.insert(id.clone(), Service { id, order, group, name, indicators });
    }
    for (id, name, unit) in [
        ("pm25", text("Bụi mịn PM2.5", "Fine dust PM2.5"), "µg/m³"),
        ("temperature", text("Nhiệt độ", "Temperature"), "°C"),
        ("water_level", text("Mực nước", "Water level"), "m"),
    ] {
        let (id, unit) = (Name::from(id), unit.into());
        let property =
            Property { id: id.clone(), name, unit, min: -50.0, max: 5e3, digits: 1, normal: None };
        city.properties.insert(id, property);
    }
    city
}

/// Two air stations, a river gauge, and a device that no one configured (without a place).
pub(crate) fn devices() -> Vec<DeviceView> {
    let device = |id: &str, vi: &str, service: &str, place, properties: &[&str]| DeviceView {
        id: id.into(),
        name: Text { vi: vi.into(), en: format!("{vi} (en)") },
        kind: "station".into(),
        service: service.into(),
        area: "hai_chau".into(),
        place,
        properties: properties.iter().map(|p| Name::from(*p)).collect(),
        cadence_s: 60,
    };
    vec![
        device("air-1", "Trạm 1", "air", Some((16.05, 108.2)), &["pm25", "temperature"]),
        device("air-2", "Trạm 2", "air", Some((16.06, 108.25)), &["pm25"]),
        device("gauge-1", "Cẩm Lệ", "water", Some((16.01, 108.19)), &["water_level"]),
        device("new-1", "new-1", "air", None, &["pm25"]),
    ]
}

/// Sources of a store with [`city`] and [`devices`]; it is an hour after [`T0`].
pub(crate) fn sources(store: FakeStore) -> Sources {
    sources_with(Arc::new(store), devices())
}

/// The same with other devices (in the order of ids), the store kept by the caller.
pub(crate) fn sources_with(history: Arc<dyn HistoryStore>, devices: Vec<DeviceView>) -> Sources {
    let devices = Arc::new(devices);
    Sources {
        city: Arc::new(city()),
        history,
        devices: Arc::new(move || Arc::clone(&devices)),
        clock: Arc::new(|| T0.plus_ms(3_600_000)),
    }
}

/// A request without any header.
pub(crate) fn ask<'a>(path: &'a str, query: &'a str) -> Ask<'a> {
    let base = "https://ioc.example.vn/open";
    Ask { path, query, base, accept: "", language: "", if_none_match: "" }
}

/// All bytes of a body, and how its stream ended.
pub(crate) async fn bytes(body: Body) -> (Vec<u8>, std::io::Result<()>) {
    let mut stream = match body {
        Body::Bytes(b) => return (b.to_vec(), Ok(())),
        Body::Stream(stream) => stream,
    };
    let mut out = Vec::new();
    while let Some(piece) = stream.next().await {
        match piece {
            Ok(piece) => out.extend_from_slice(&piece),
            Err(e) => return (out, Err(e)),
        }
    }
    (out, Ok(()))
}

/// The whole body as text.
pub(crate) async fn text(answer: Answer) -> String {
    let (bytes, end) = bytes(answer.body).await;
    end.expect("the stream ends well");
    String::from_utf8(bytes).expect("UTF-8")
}
