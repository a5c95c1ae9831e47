//! Reads the selected series one after the other, page by page.

use std::sync::Arc;

use ioc_model::{
    HistoryError, HistoryStore, Point, Scan, ScanMark, SeriesKey, Step, Timestamp, Window,
    WindowQuery,
};

use super::mark::Mark;

/// Rows of a page.
pub(super) const PAGE: usize = 8_192;

/// Rows of one series, in the order of time.
pub(super) enum Rows {
    /// The mark tells how many points of the first one's time were before it.
    Points(ScanMark, Vec<Point>),
    Windows(Vec<Window>),
}

impl Rows {
    pub fn len(&self) -> usize {
        match self {
            Self::Points(_, points) => points.len(),
            Self::Windows(windows) => windows.len(),
        }
    }
}

/// Where in a series the next page begins.
#[derive(Clone, Copy)]
enum Place {
    Point(ScanMark),
    /// Windows that begin later than `after`, looked for from `from` on.
    Window {
        from: Timestamp,
        after: Option<Timestamp>,
    },
}

/// The reading side of an export.
pub(super) struct Pages {
    history: Arc<dyn HistoryStore>,
    from: Timestamp,
    to: Timestamp,
    step: Option<Step>,
    /// Rows still allowed.
    left: u64,
    /// Where the series under way goes on; `None`: at its begin.
    place: Option<Place>,
}

impl Pages {
    pub fn new(
        history: Arc<dyn HistoryStore>,
        (from, to): (Timestamp, Timestamp),
        step: Option<Step>,
        limit: Option<u64>,
    ) -> Self {
        let left = limit.unwrap_or(u64::MAX);
        Self { history, from, to, step, left, place: None }
    }

    /// The next page begins behind this row (of the series that it will be asked for).
    pub fn resume(&mut self, mark: &Mark) {
        // A row before the range: all of the range is behind it.
        self.place = (mark.time >= self.from).then_some(match self.step {
            None => Place::Point(ScanMark { time: mark.time, skip: mark.skip }),
            Some(step) => Place::Window {
                from: mark.time.plus_ms(step.ms).max(self.from),
                after: Some(mark.time),
            },
        });
    }

    /// No further row is allowed.
    pub fn exhausted(&self) -> bool {
        self.left == 0
    }

    /// The next page of a series, and whether it is its last.
    pub async fn next(&mut self, series: &SeriesKey) -> Result<(Rows, bool), HistoryError> {
        let limit = usize::try_from(self.left).unwrap_or(PAGE).min(PAGE);
        let begin = match self.step {
            None => Place::Point(ScanMark { time: self.from, skip: 0 }),
            Some(_) => Place::Window { from: self.from, after: None },
        };
        let (rows, next) = match self.place.unwrap_or(begin) {
            Place::Point(at) => self.points(series, at, limit).await?,
            Place::Window { from, after } => self.windows(series, from, after, limit).await?,
        };
        self.left -= (rows.len() as u64).min(self.left);
        self.place = next;
        Ok((rows, next.is_none()))
    }

    async fn points(
        &self,
        series: &SeriesKey,
        at: ScanMark,
        limit: usize,
    ) -> Result<(Rows, Option<Place>), HistoryError> {
        let scan = Scan { series: series.clone(), at, to: self.to, limit };
        let mut page = self.history.scan(&scan).await?;
        page.points.truncate(limit);
        Ok((Rows::Points(at, page.points), page.next.map(Place::Point)))
    }

    async fn windows(
        &self,
        series: &SeriesKey,
        from: Timestamp,
        after: Option<Timestamp>,
        limit: usize,
    ) -> Result<(Rows, Option<Place>), HistoryError> {
        let step = self.step.unwrap_or(Step::of(1));
        if from >= self.to {
            return Ok((Rows::Windows(Vec::new()), None));
        }
        // One more: where only a coarser tier is kept, the window before reaches into the range.
        let limit_of_query = limit.saturating_add(1);
        let series = series.clone();
        let query = WindowQuery { series, from, to: self.to, step, limit: limit_of_query };
        let found = self.history.windows(&query).await?;
        let mut windows = found.windows;
        let seen = windows.last().map(|w| w.start);
        windows.retain(|w| after.is_none_or(|after| w.start > after));
        let more = found.truncated || windows.len() > limit;
        windows.truncate(limit);
        // Were all of them known already, the search goes on behind them.
        let last = windows.last().map(|w| w.start).or(seen);
        let next = last.filter(|_| more).map(|start| Place::Window {
            from: start.plus_ms(step.ms),
            after: after.max(Some(start)),
        });
        Ok((Rows::Windows(windows), next))
    }
}
