//! Reading what a dataset gives from the store.

use std::sync::Arc;

use ioc_model::{
    HistoryError, HistoryStore, Name, Quality, Scan, ScanMark, SeriesKey, Step, Text, Timestamp,
    Window, WindowQuery,
};

use super::config::{Dataset, local_step};
use crate::Sources;

/// Points or windows of one page.
const PAGE: usize = 2_000;
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 86_400_000;

/// A device as the configuration names it; nothing of it was said by the device.
#[derive(Clone, Debug)]
pub(super) struct Station {
    pub id: Name,
    pub name: Text,
    pub area: Text,
    /// Latitude and longitude.
    pub place: (f64, f64),
    /// Of the dataset's properties, those it reports, in the dataset's order.
    pub properties: Vec<Name>,
}

/// One value of a station.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    /// When it was measured, or where its window begins.
    pub time: Timestamp,
    pub value: f64,
    pub quality: Quality,
    /// Of a window: smallest, largest, number of points.
    pub spread: Option<(f64, f64, u64)>,
}

/// A series with some of its rows.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Chunk {
    /// Index of the station.
    pub station: usize,
    pub property: Name,
    pub rows: Vec<Row>,
}

/// The dataset's devices (or one of them), in the order of their ids. Only those that the
/// configuration knows: the id and name of a device met in a feed are text from outside.
pub(super) fn stations(dataset: &Dataset, sources: &Sources, only: Option<&str>) -> Vec<Station> {
    let seen = (sources.devices)();
    let reports = |id: &str, configured: &[Name], property: &Name| {
        let view = seen.binary_search_by(|v| (*v.id).cmp(id)).ok().map(|n| &seen[n]);
        configured.contains(property) || view.is_some_and(|v| v.properties.contains(property))
    };
    let city = &sources.city;
    let ours = city.devices.values().filter(|d| d.service == dataset.service);
    ours.filter(|d| only.is_none_or(|o| *d.id == *o))
        .map(|d| Station {
            id: d.id.clone(),
            name: d.name.clone(),
            area: city.areas.get(&d.area).map(|a| a.name.clone()).unwrap_or_default(),
            place: (d.lat, d.lon),
            properties: dataset
                .properties
                .iter()
                .filter(|p| reports(&d.id, &d.properties, p))
                .cloned()
                .collect(),
        })
        .filter(|s| !s.properties.is_empty())
        .collect()
}

/// The newest usable value of every series before the horizon, at most `days` old.
pub(super) async fn latest(
    dataset: &Dataset,
    stations: &[Station],
    history: &dyn HistoryStore,
    horizon: Timestamp,
) -> Result<Vec<Chunk>, HistoryError> {
    let mut all = Vec::new();
    for (n, station) in stations.iter().enumerate() {
        let found = history.last(Some(&station.id), horizon.plus_ms(-1)).await?;
        for property in &station.properties {
            let Some(last) = found.iter().find(|l| l.series.property == *property) else {
                continue;
            };
            let point = last.point;
            if point.time < dataset.reach(horizon) {
                continue;
            }
            let usable = point.quality != Quality::Bad && point.value.is_finite();
            let row = if dataset.step_s > 0 {
                let step = local_step(super::config::ms(dataset.step_s));
                newest_window(history, &last.series, (point.time, horizon), step)
                    .await?
                    .map(|w| as_row(&w, dataset.totals.contains(property)))
            } else if usable {
                let (time, value, quality) = (point.time, point.value, point.quality);
                Some(Row { time, value, quality, spread: None })
            } else {
                let step = local_step(HOUR_MS);
                newest_window(history, &last.series, (point.time, horizon), step).await?.map(|w| {
                    let quality = w.quality();
                    Row { time: w.last_time, value: w.last, quality, spread: None }
                })
            };
            all.extend(row.map(|row| Chunk {
                station: n,
                property: property.clone(),
                rows: vec![row],
            }));
        }
    }
    Ok(all)
}

/// The newest window with a usable point of the day that ends with the window of `at`.
async fn newest_window(
    history: &dyn HistoryStore,
    series: &SeriesKey,
    (at, horizon): (Timestamp, Timestamp),
    step: Step,
) -> Result<Option<Window>, HistoryError> {
    let begin = step.begin(at);
    let query = WindowQuery {
        series: series.clone(),
        from: step.begin(begin.plus_ms(-DAY_MS)),
        to: begin.plus_ms(step.ms).min(horizon),
        step,
        limit: PAGE,
    };
    let found = history.windows(&query).await?.windows;
    Ok(found.into_iter().rev().find(|w| w.count > 0 && w.sum.is_finite()))
}

fn as_row(window: &Window, total: bool) -> Row {
    let value = if total { window.sum } else { window.sum / window.count as f64 };
    let spread = Some((window.min, window.max, window.count));
    Row { time: window.start, value, quality: window.quality(), spread }
}

/// Reads a range, page by page: station after station, property after property, in the order of
/// time.
pub(super) struct Reader {
    history: Arc<dyn HistoryStore>,
    series: Vec<Series>,
    from: Timestamp,
    to: Timestamp,
    step: Option<Step>,
    /// Series that is read, and where in it.
    at: usize,
    mark: ScanMark,
}

struct Series {
    station: usize,
    key: SeriesKey,
    total: bool,
}

impl Reader {
    pub fn new(
        dataset: &Dataset,
        stations: &[Station],
        history: Arc<dyn HistoryStore>,
        (from, to, step): (Timestamp, Timestamp, Option<Step>),
    ) -> Self {
        let series = stations.iter().enumerate().flat_map(|(n, s)| {
            s.properties.iter().map(move |p| Series {
                station: n,
                key: SeriesKey { device: s.id.clone(), property: p.clone() },
                total: dataset.totals.contains(p),
            })
        });
        let mark = ScanMark { time: from, skip: 0 };
        Self { history, series: series.collect(), from, to, step, at: 0, mark }
    }

    /// How many rows there may be, counted up to just over `limit`. With a step it is the number
    /// of windows whether or not anything is in them, else the number of points.
    pub async fn rows(&self, limit: usize) -> Result<usize, HistoryError> {
        if let Some(step) = self.step {
            let windows = self.to.since_ms(self.from).max(0) as u64 / step.ms.max(1) as u64;
            let all = windows.saturating_mul(self.series.len() as u64);
            return Ok(usize::try_from(all).unwrap_or(usize::MAX));
        }
        let mut rows = 0;
        for series in &self.series {
            let query = WindowQuery {
                series: series.key.clone(),
                from: self.from,
                to: self.to,
                step: local_step(DAY_MS),
                limit: 10_000,
            };
            let found = self.history.windows(&query).await?.windows;
            rows += found.iter().map(|w| w.count as usize).sum::<usize>();
            if rows > limit {
                break;
            }
        }
        Ok(rows)
    }

    /// The next page; `None` at the end. Bad values are left out.
    pub async fn next(&mut self) -> Result<Option<Chunk>, HistoryError> {
        loop {
            let Some(series) = self.series.get(self.at) else { return Ok(None) };
            let (rows, next) = match self.step {
                None => points(&*self.history, &series.key, self.mark, self.to).await?,
                Some(step) => {
                    let mark = self.mark.time;
                    windows(&*self.history, series, (mark, self.to), step).await?
                }
            };
            let (station, property) = (series.station, series.key.property.clone());
            self.mark = next.unwrap_or_else(|| {
                self.at += 1;
                ScanMark { time: self.from, skip: 0 }
            });
            if !rows.is_empty() {
                return Ok(Some(Chunk { station, property, rows }));
            }
        }
    }
}

type Page = (Vec<Row>, Option<ScanMark>);

async fn points(
    history: &dyn HistoryStore,
    key: &SeriesKey,
    at: ScanMark,
    to: Timestamp,
) -> Result<Page, HistoryError> {
    let page = history.scan(&Scan { series: key.clone(), at, to, limit: PAGE }).await?;
    let usable = page.points.iter().filter(|p| p.quality != Quality::Bad && p.value.is_finite());
    let rows = usable
        .map(|p| Row { time: p.time, value: p.value, quality: p.quality, spread: None })
        .collect();
    Ok((rows, page.next))
}

async fn windows(
    history: &dyn HistoryStore,
    series: &Series,
    (from, to): (Timestamp, Timestamp),
    step: Step,
) -> Result<Page, HistoryError> {
    let query = WindowQuery { series: series.key.clone(), from, to, step, limit: PAGE };
    let page = history.windows(&query).await?;
    // A window that begins before the page was on the page before: where only coarser ones are
    // kept they may reach over the border.
    let fresh = page.windows.iter().filter(|w| w.start >= from && w.count > 0 && w.sum.is_finite());
    let rows = fresh.map(|w| as_row(w, series.total)).collect();
    let last = page.windows.last().filter(|_| page.truncated);
    let next = last.map(|w| w.start.plus_ms(step.ms).max(from.plus_ms(step.ms)));
    Ok((rows, next.filter(|t| *t < to).map(|time| ScanMark { time, skip: 0 })))
}
