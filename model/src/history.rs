//! The one interface of history: embedded store and InfluxDB stand behind it.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{Entry, Name, Quality, Timestamp};

/// One series: a property of a device.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SeriesKey {
    /// Device id.
    pub device: Name,
    /// Property name (see [`crate::Record::for_each_point`]).
    pub property: Name,
}

/// One value of a series.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Phenomenon time.
    pub time: Timestamp,
    /// In the property's unit.
    pub value: f64,
    /// As sent.
    pub quality: Quality,
}

/// How the points of one window are made one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Aggregate {
    /// Arithmetic mean.
    Mean,
    /// Smallest.
    Min,
    /// Largest.
    Max,
    /// Sum: rain of a day, vehicles of an hour.
    Sum,
    /// Number of points.
    Count,
    /// The latest.
    Last,
}

/// Windows of equal length, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Length, ms; at least 1.
    pub ms: i64,
    /// A window begins at this distance from a multiple of `ms`, in ms: −25,200,000 makes days of
    /// UTC+7. 0: aligned to the epoch.
    pub offset_ms: i64,
}

impl Step {
    /// Windows aligned to the epoch.
    pub const fn of(ms: i64) -> Self {
        Self { ms, offset_ms: 0 }
    }

    /// Begin of the window that holds `t`.
    pub fn begin(self, t: Timestamp) -> Timestamp {
        let ms = self.ms.max(1);
        let into = t.0.wrapping_sub(self.offset_ms).rem_euclid(ms);
        Timestamp(t.0.saturating_sub(into))
    }
}

/// What a store keeps of the past, from fine to coarse.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// Points as they came.
    #[default]
    Raw,
    /// Windows of a minute.
    Minute,
    /// Windows of an hour.
    Hour,
}

/// A question for points of a stretch of one series.
#[derive(Clone, Debug, PartialEq)]
pub struct RangeQuery {
    /// Which series.
    pub series: SeriesKey,
    /// From, inclusive.
    pub from: Timestamp,
    /// To, exclusive.
    pub to: Timestamp,
    /// `None`: raw points. Else one point for each window that is not empty, at its begin.
    /// Points of bad quality are left out of aggregates.
    pub step: Option<(Step, Aggregate)>,
    /// At most this many points come back, the earliest first (`truncated` then says so).
    pub limit: usize,
}

/// Answer to a [`RangeQuery`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SeriesPoints {
    /// In the order of time.
    pub points: Vec<Point>,
    /// More points lie in the range than `limit`.
    pub truncated: bool,
    /// The coarsest tier that was read.
    pub tier: Tier,
    /// Raw points before this moment were given up by retention; windows may still know of them.
    pub raw_from: Option<Timestamp>,
}

/// A question for all that is known of the windows of a stretch of one series.
#[derive(Clone, Debug, PartialEq)]
pub struct WindowQuery {
    /// Which series.
    pub series: SeriesKey,
    /// From, inclusive. Where raw points were given up, windows of the tier that begin before
    /// `from` and reach into the range count whole.
    pub from: Timestamp,
    /// To, exclusive.
    pub to: Timestamp,
    /// Windows asked for. Where only a coarser tier is kept they come in that tier's length.
    pub step: Step,
    /// At most this many windows come back, the earliest first.
    pub limit: usize,
}

/// One window of a series. Values are over the points whose quality is not bad; without such
/// points they are NaN and `count` is 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Window {
    /// Its begin.
    pub start: Timestamp,
    /// Points that are not bad.
    pub count: u64,
    /// Of them, those of uncertain quality.
    pub uncertain: u64,
    /// Bad points.
    pub bad: u64,
    /// Smallest.
    pub min: f64,
    /// Largest.
    pub max: f64,
    /// Sum; the mean is this over `count`.
    pub sum: f64,
    /// The latest (of several of one moment that which came last).
    pub last: f64,
    /// When the latest was measured.
    pub last_time: Timestamp,
}

impl Window {
    /// The value of an aggregate; `None` when no usable point is in the window.
    pub fn value(&self, how: Aggregate) -> Option<f64> {
        (self.count > 0).then_some(match how {
            Aggregate::Mean => self.sum / self.count as f64,
            Aggregate::Min => self.min,
            Aggregate::Max => self.max,
            Aggregate::Sum => self.sum,
            Aggregate::Count => self.count as f64,
            Aggregate::Last => self.last,
        })
    }

    /// Uncertain as soon as one point in it is.
    pub fn quality(&self) -> Quality {
        match (self.count, self.uncertain) {
            (0, _) => Quality::Bad,
            (_, 0) => Quality::Good,
            _ => Quality::Uncertain,
        }
    }
}

/// Answer to a [`WindowQuery`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SeriesWindows {
    /// In the order of time; empty windows are left out, those with bad points only are not.
    pub windows: Vec<Window>,
    /// More windows lie in the range than `limit`.
    pub truncated: bool,
    /// The coarsest tier that was read.
    pub tier: Tier,
}

/// Which series are asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SeriesFilter {
    /// Only of this device.
    pub device: Option<Name>,
    /// Only of this property.
    pub property: Option<Name>,
    /// Only those after this one in the order of device and property: the last of the page before.
    pub after: Option<SeriesKey>,
    /// At most so many; 0: all.
    pub limit: usize,
}

impl SeriesFilter {
    /// All series of a device, or all.
    pub fn of(device: Option<&str>) -> Self {
        Self { device: device.map(Name::from), ..Self::default() }
    }

    /// Whether a series is meant, whatever the page.
    pub fn matches(&self, key: &SeriesKey) -> bool {
        self.device.as_ref().is_none_or(|d| *d == key.device)
            && self.property.as_ref().is_none_or(|p| *p == key.property)
            && self.after.as_ref().is_none_or(|a| a < key)
    }
}

/// A page of the raw points of a series, for export. Pages follow each other exactly, also when
/// many points have one time.
#[derive(Clone, Debug, PartialEq)]
pub struct Scan {
    /// Which series.
    pub series: SeriesKey,
    /// Where the page begins.
    pub at: ScanMark,
    /// To, exclusive.
    pub to: Timestamp,
    /// Points of a page, at most; at least 1.
    pub limit: usize,
}

/// A place between two points of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScanMark {
    /// The next point has this time or a later one.
    pub time: Timestamp,
    /// So many points of exactly this time were read before.
    pub skip: usize,
}

/// Answer to a [`Scan`].
#[derive(Clone, Debug, PartialEq)]
pub struct ScanPage {
    /// In the order of time.
    pub points: Vec<Point>,
    /// Where the next page begins; `None`: this was the last.
    pub next: Option<ScanMark>,
    /// As in [`SeriesPoints::raw_from`].
    pub raw_from: Option<Timestamp>,
}

/// How much of what was appended is made durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flush {
    /// What is due: full or old enough. The rest stays with the journal.
    Due,
    /// Everything: before a stop.
    All,
}

/// What one turn of housekeeping did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Maintained {
    /// Points given up because they are older than their tier is kept.
    pub expired_points: u64,
    /// Blocks that were made fewer or brought into order.
    pub merged_blocks: u64,
    /// There is more to do now.
    pub more: bool,
}

/// Newest value of a series at or before a moment.
#[derive(Clone, Debug, PartialEq)]
pub struct LastValue {
    /// Which series.
    pub series: SeriesKey,
    /// Its point.
    pub point: Point,
}

/// What a store says of itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct HistoryStats {
    /// `embedded` or `influxdb`.
    pub backend: &'static str,
    /// Points held, as far as the store knows.
    pub points: u64,
    /// Series held, as far as the store knows.
    pub series: u64,
    /// Bytes on disk, 0 if not known.
    pub bytes: u64,
    /// Raw points before this moment were given up by retention, if any were.
    pub raw_from: Option<Timestamp>,
    /// Oldest moment of which anything is known, if known.
    pub since: Option<Timestamp>,
    /// Further figures of the store, by name.
    pub more: std::collections::BTreeMap<&'static str, u64>,
    /// Reachable and writing.
    pub healthy: bool,
    /// Why not, in words.
    pub trouble: Option<String>,
}

/// Why history could not answer.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The store's own trouble.
    #[error("history store: {0}")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The server cannot be reached or refuses us.
    #[error("history server: {0}")]
    Unavailable(String),
}

/// A place where measurements are kept.
///
/// `append` may buffer: what it took and `flush` has not made durable is kept by the journal and
/// given again after a restart, from [`HistoryStore::cursor`] on.
#[async_trait]
pub trait HistoryStore: Send + Sync {
    /// Position to read the journal from after a start.
    async fn cursor(&self) -> Result<u64, HistoryError>;

    /// Takes the entries of one journal batch, the first at `first`. Entries taken before are
    /// ignored, so a batch may be given again.
    async fn append(&self, first: u64, entries: &[Entry]) -> Result<(), HistoryError>;

    /// Makes what was appended durable, as far as possible now, and returns the new cursor.
    async fn flush(&self, what: Flush) -> Result<u64, HistoryError>;

    /// Points of a range; appended points count before they are flushed.
    async fn range(&self, query: &RangeQuery) -> Result<SeriesPoints, HistoryError>;

    /// Windows of a range, with all aggregates; the store chooses the tier by the step.
    async fn windows(&self, query: &WindowQuery) -> Result<SeriesWindows, HistoryError>;

    /// Series that exist, in order.
    async fn series(&self, filter: &SeriesFilter) -> Result<Vec<SeriesKey>, HistoryError>;

    /// Newest point of every series (optionally of one device) at or before `at`.
    async fn last(
        &self,
        device: Option<&str>,
        at: Timestamp,
    ) -> Result<Vec<LastValue>, HistoryError>;

    /// A page of raw points.
    async fn scan(&self, scan: &Scan) -> Result<ScanPage, HistoryError> {
        let limit = scan.limit.max(1);
        let query = RangeQuery {
            series: scan.series.clone(),
            from: scan.at.time,
            to: scan.to,
            step: None,
            limit: limit.saturating_add(scan.at.skip),
        };
        let SeriesPoints { mut points, truncated, raw_from, .. } = self.range(&query).await?;
        let next = points.last().filter(|_| truncated).map(|p| ScanMark {
            time: p.time,
            skip: points.iter().rev().take_while(|q| q.time == p.time).count(),
        });
        points.drain(..scan.at.skip.min(points.len()));
        Ok(ScanPage { points, next, raw_from })
    }

    /// One turn of housekeeping: gives up what is older than it is kept, brings blocks into
    /// order. Does a bounded amount of work; to be called about once a minute, and again at once
    /// while `more`.
    async fn maintain(&self, now: Timestamp) -> Result<Maintained, HistoryError>;

    /// For the status page.
    async fn stats(&self) -> HistoryStats;
}
