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

/// How the points of one step are made one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Aggregate {
    /// Arithmetic mean.
    Mean,
    /// Smallest.
    Min,
    /// Largest.
    Max,
    /// Number of points.
    Count,
    /// The latest.
    Last,
}

/// A question for a stretch of one series.
#[derive(Clone, Debug, PartialEq)]
pub struct RangeQuery {
    /// Which series.
    pub series: SeriesKey,
    /// From, inclusive.
    pub from: Timestamp,
    /// To, exclusive.
    pub to: Timestamp,
    /// `None`: raw points. Else windows of `step_ms`, aligned to the epoch, empty ones left out.
    /// Points of bad quality are left out of aggregates.
    pub step: Option<(i64, Aggregate)>,
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
/// `append` may buffer; `flush` returns the journal position below which everything is durable.
#[async_trait]
pub trait HistoryStore: Send + Sync {
    /// Position to read the journal from after a start.
    async fn cursor(&self) -> Result<u64, HistoryError>;

    /// Takes the entries of one journal batch, the first at `first`. Entries below
    /// [`HistoryStore::cursor`] are ignored, so a batch may be given again.
    async fn append(&self, first: u64, entries: &[Entry]) -> Result<(), HistoryError>;

    /// Makes what was appended durable, as far as possible now, and returns the new cursor.
    async fn flush(&self) -> Result<u64, HistoryError>;

    /// Points of a range; appended points count before they are flushed.
    async fn range(&self, query: &RangeQuery) -> Result<SeriesPoints, HistoryError>;

    /// Series that exist, optionally of one device, in order.
    async fn series(&self, device: Option<&str>) -> Result<Vec<SeriesKey>, HistoryError>;

    /// Newest point of every series (optionally of one device) at or before `at`.
    async fn last(
        &self,
        device: Option<&str>,
        at: Timestamp,
    ) -> Result<Vec<LastValue>, HistoryError>;

    /// For the status page.
    async fn stats(&self) -> HistoryStats;
}
