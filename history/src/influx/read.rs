//! The reading side: InfluxQL on `/query`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::future::try_join;
use ioc_model::{
    Aggregate, HistoryError, HistoryStats, LastValue, RangeQuery, SeriesFilter, SeriesKey,
    SeriesPoints, SeriesWindows, Tier, Timestamp, WindowQuery,
};

use super::answer::{self, Rows, WindowAnswers};
use super::influxql;
use super::store::{InfluxStore, Shared, lock};
use crate::{Error, aggregate};

/// Longest wait of a query for points that were appended and not yet answered.
const SETTLE: Duration = Duration::from_secs(2);

impl InfluxStore {
    pub(super) async fn read_range(
        &self,
        query: &RangeQuery,
    ) -> Result<SeriesPoints, HistoryError> {
        self.settle(SETTLE).await;
        let raw_from = self.shared.raw_from();
        let Some((step, how)) = query.step else {
            let mut points = answer::points(&self.shared.rows(&influxql::raw(query)).await?);
            let truncated = points.len() > query.limit;
            points.truncate(query.limit);
            return Ok(SeriesPoints { points, truncated, tier: Tier::Raw, raw_from });
        };
        let (series, limit) = (query.series.clone(), query.limit);
        let windows = WindowQuery { series, from: query.from, to: query.to, step, limit };
        // Which of two services spoke last matters for the last value alone.
        let asked = Asked { bad: false, latest: how == Aggregate::Last };
        let windows = self.shared.windows(&windows, asked).await?;
        Ok(SeriesPoints { raw_from, ..aggregate::points(windows, how) })
    }

    pub(super) async fn read_windows(
        &self,
        query: &WindowQuery,
    ) -> Result<SeriesWindows, HistoryError> {
        self.settle(SETTLE).await;
        Ok(self.shared.windows(query, Asked { bad: true, latest: true }).await?)
    }

    /// Holds no more than a page in memory; the server walks its whole index for it.
    pub(super) async fn read_series(
        &self,
        filter: &SeriesFilter,
    ) -> Result<Vec<SeriesKey>, HistoryError> {
        self.settle(SETTLE).await;
        let most = if filter.limit == 0 { usize::MAX } else { filter.limit };
        let mut page = BTreeSet::new();
        let mut take = |key: SeriesKey| {
            if filter.matches(&key) {
                page.insert(key);
            }
            if page.len() > most {
                page.pop_last();
            }
        };
        let show = influxql::series(filter);
        let shown = self.shared.wire.query(&show, |rows| rows.keys().for_each(&mut take)).await;
        match shown {
            Ok(()) => {}
            // A server without an index to show: its points know the series.
            Err(Error::QueryRefused(why)) => {
                tracing::debug!(why, "influxdb shows no series, asking for newest points");
                let newest = self.shared.newest(filter, None).await?;
                newest.into_keys().for_each(&mut take);
            }
            Err(e) => return Err(e.into()),
        }
        Ok(page.into_iter().collect())
    }

    pub(super) async fn read_last(
        &self,
        device: Option<&str>,
        at: Timestamp,
    ) -> Result<Vec<LastValue>, HistoryError> {
        self.settle(SETTLE).await;
        let newest = self.shared.newest(&SeriesFilter::of(device), Some(at)).await?;
        Ok(answer::last_values(newest))
    }

    pub(super) async fn read_stats(&self) -> HistoryStats {
        let trouble = self.shared.progress.borrow().trouble().cloned();
        let stopped =
            self.shared.stopped.is_cancelled().then(|| "the sender has stopped".to_owned());
        let (trouble, more) = match self.influx_stats().await {
            Ok(s) => (trouble.or(stopped), Some(s)),
            Err(e) => (trouble.or(stopped).or(Some(e.to_string())), None),
        };
        let s = more.unwrap_or_default();
        HistoryStats {
            backend: "influxdb",
            points: s.points,
            series: s.series,
            bytes: 0,
            raw_from: self.shared.raw_from(),
            since: None,
            more: BTreeMap::from([
                ("queued_points", s.queued_points),
                ("dead_letters", s.dead_letters),
                ("dead_letters_dropped", s.dead_letters_dropped),
                ("malformed", s.malformed),
                ("refused_series_points", s.refused_series_points),
                ("bucket_retention_s", s.bucket_retention_s.unwrap_or_default()),
                ("bucket_retention_differs", u64::from(s.bucket_retention_differs)),
            ]),
            healthy: trouble.is_none(),
            trouble,
        }
    }
}

/// What of windows is asked for beside the aggregates of usable points.
#[derive(Clone, Copy)]
struct Asked {
    bad: bool,
    latest: bool,
}

impl Shared {
    async fn rows(&self, influxql: &str) -> Result<Vec<Rows>, Error> {
        let mut all = Vec::new();
        self.wire.query(influxql, |rows| all.push(rows)).await?;
        Ok(all)
    }

    async fn windows(&self, q: &WindowQuery, asked: Asked) -> Result<SeriesWindows, Error> {
        let usable = async { self.rows(&influxql::usable(q)).await };
        let bad =
            async { if asked.bad { self.rows(&influxql::bad(q)).await } else { Ok(Vec::new()) } };
        let (usable, bad) = try_join(usable, bad).await?;
        let mut answers = WindowAnswers { usable, bad, ..WindowAnswers::default() };
        let mut windows = answer::windows(&answers, q.step);
        let truncated = windows.len() > q.limit;
        windows.truncate(q.limit);
        if let (true, Some(begin), Some(end)) = (asked.latest, windows.first(), windows.last()) {
            // Only where windows were found, and no further than the limit lets them go.
            let (from, to) = (q.from.max(begin.start), q.to.min(end.start.plus_ms(q.step.ms)));
            let found = WindowQuery { from, to, ..q.clone() };
            let (first, latest) = (influxql::first(&found), influxql::latest(&found));
            match try_join(self.rows(&first), self.rows(&latest)).await {
                Ok((first, latest)) => (answers.first, answers.latest) = (first, latest),
                // A server without `elapsed`: the begins of the windows stay.
                Err(Error::QueryRefused(why)) => tracing::debug!(why, "no times of last points"),
                Err(e) => return Err(e),
            }
            windows = answer::windows(&answers, q.step);
            windows.truncate(q.limit);
        }
        Ok(SeriesWindows { windows, truncated, tier: Tier::Raw })
    }

    async fn newest(
        &self,
        filter: &SeriesFilter,
        at: Option<Timestamp>,
    ) -> Result<BTreeMap<SeriesKey, ioc_model::Point>, Error> {
        let mut newest = BTreeMap::new();
        let query = influxql::last(filter, at);
        self.wire.query(&query, |rows| answer::take_newest(&mut newest, &rows)).await?;
        Ok(newest)
    }

    /// What the bucket's retention has given up, by the server's clock, which is the wall.
    fn raw_from(&self) -> Option<Timestamp> {
        let kept = lock(&self.retention).filter(|r| r.seconds > 0)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let ms = now.saturating_sub(Duration::from_secs(kept.seconds)).as_millis();
        Some(Timestamp(i64::try_from(ms).unwrap_or(i64::MAX)))
    }
}
