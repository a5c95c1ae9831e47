//! Points in memory: per series those not yet written, and those being written.

use std::sync::Arc;

use ahash::{AHashMap, AHashSet};
use ioc_model::{Entry, LastValue, Name, Point, Record, SeriesKey, Timestamp};

use crate::tally::Tally;

/// One series. Its number is its index, in memory and in the database.
pub(crate) struct Series {
    pub(crate) key: SeriesKey,
    /// Appended after its last flush began.
    head: Vec<Point>,
    /// Journal position of the first point of `head`.
    head_from: u64,
    /// When it came, in seconds since the store was opened.
    head_since_s: u32,
    /// All its points from journal positions below are on disk.
    next: u64,
    /// Taken by the flush under way; still part of every answer.
    flushing: Option<Arc<Vec<Point>>>,
    /// The newest point, if it was appended by this process.
    newest: Option<Point>,
    /// Time of the newest point, also of those on disk.
    t_max: i64,
}

/// All series and what is in memory of them.
pub(crate) struct Heads {
    pub(crate) series: Vec<Series>,
    devices: AHashMap<Name, Vec<(Name, u32)>>,
    properties: AHashSet<Name>,
    /// Series whose head is not empty.
    dirty: Vec<u32>,
    /// Points in heads.
    pub(crate) unflushed: usize,
    /// Position after the last entry taken.
    pub(crate) next: u64,
    /// Points refused because there are too many series.
    pub(crate) refused_points: u64,
    /// Time of the oldest point appended since the last flush began.
    pub(crate) since: i64,
    max_series: usize,
    count_from: u64,
}

/// How the records of a batch ended.
#[derive(Default)]
pub(crate) struct Fate {
    pub(crate) stored: Tally,
    pub(crate) dead: Tally,
}

/// Which heads a flush takes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Due {
    /// Those that began below a position.
    Before(u64),
    /// Those that are large, old, or far behind.
    By {
        /// So many points or more.
        points: usize,
        /// The first came at this second or before.
        since_s: Option<u32>,
        /// The first came from a position below.
        from: u64,
    },
}

/// The head of a series, taken by a flush.
pub(crate) struct TakenSeries {
    pub(crate) number: u32,
    pub(crate) key: SeriesKey,
    /// In the order of arrival.
    pub(crate) points: Arc<Vec<Point>>,
    from: u64,
    since_s: u32,
}

/// What one transaction writes.
pub(crate) struct Taken {
    pub(crate) series: Vec<TakenSeries>,
    /// Position below which all points of these series are here or on disk.
    pub(crate) next: u64,
    /// Position below which all points of all series are here or on disk.
    pub(crate) cursor: u64,
    /// Time of the oldest point that may be new to the disk.
    pub(crate) since: i64,
    /// More series are due.
    pub(crate) more: bool,
}

impl Heads {
    pub(crate) fn new(next: u64, count_from: u64, max_series: usize) -> Self {
        Self {
            series: Vec::new(),
            devices: AHashMap::new(),
            properties: AHashSet::new(),
            dirty: Vec::new(),
            unflushed: 0,
            next,
            refused_points: 0,
            since: i64::MAX,
            max_series,
            count_from,
        }
    }

    /// Takes the entries at `first` and after that were not taken before; `now_s`: seconds since
    /// the store was opened.
    ///
    /// A record counts as stored from here on: it is part of every answer, the journal holds it
    /// durably until a block does, and nothing that can still happen makes it dead.
    pub(crate) fn append(&mut self, first: u64, entries: &[Entry], now_s: u32) -> Fate {
        let mut fate = Fate::default();
        let known = usize::try_from(self.next.saturating_sub(first)).unwrap_or(usize::MAX);
        for (i, entry) in entries.iter().enumerate().skip(known) {
            if let Entry::Record(record) = entry {
                self.record(record, first + i as u64, now_s, &mut fate);
            }
        }
        self.next = self.next.max(first + entries.len() as u64);
        fate
    }

    fn record(&mut self, record: &Record, position: u64, now_s: u32, fate: &mut Fate) {
        let mut refused = 0;
        record.for_each_point(|property, value, quality| {
            let point = Point { time: record.time, value, quality };
            match self.number_or_new(&record.device, property) {
                Some(n) => self.push(n, point, position, now_s),
                None => refused += 1,
            }
        });
        self.refused_points += refused;
        if position >= self.count_from {
            let tally = if refused == 0 { &mut fate.stored } else { &mut fate.dead };
            tally.add(record.source);
        }
    }

    fn push(&mut self, number: u32, point: Point, position: u64, now_s: u32) {
        let series = &mut self.series[number as usize];
        if position < series.next {
            return;
        }
        if series.head.is_empty() {
            self.dirty.push(number);
            (series.head_from, series.head_since_s) = (position, now_s);
        }
        if point.time.0 >= series.t_max {
            series.t_max = point.time.0;
            series.newest = Some(point);
        }
        if series.head.len() == series.head.capacity() {
            // By a quarter, not by double: most heads are half full when they are written.
            series.head.reserve_exact(series.head.len() / 4 + 4);
        }
        series.head.push(point);
        self.since = self.since.min(point.time.0);
        self.unflushed += 1;
    }

    /// The number of a series that exists.
    pub(crate) fn number(&self, device: &str, property: &str) -> Option<u32> {
        let of_device = self.devices.get(device)?;
        of_device.iter().find(|(p, _)| **p == *property).map(|(_, n)| *n)
    }

    fn number_or_new(&mut self, device: &Name, property: &Name) -> Option<u32> {
        if let Some(n) = self.number(device, property) {
            return Some(n);
        }
        if self.series.len() >= self.max_series {
            return None;
        }
        Some(self.add(device, property, 0, i64::MIN))
    }

    /// Adds a series; its points from positions below `next` are on disk, the newest at `t_max`.
    pub(crate) fn add(&mut self, device: &str, property: &str, next: u64, t_max: i64) -> u32 {
        let number = self.series.len() as u32;
        let property = match self.properties.get(property) {
            Some(known) => Arc::clone(known),
            None => {
                let new = Name::from(property);
                self.properties.insert(Arc::clone(&new));
                new
            }
        };
        let device = match self.devices.get_key_value(device) {
            Some((known, _)) => Arc::clone(known),
            None => Name::from(device),
        };
        let of_device = self.devices.entry(Arc::clone(&device)).or_default();
        of_device.push((Arc::clone(&property), number));
        let key = SeriesKey { device, property };
        self.series.push(Series {
            key,
            head: Vec::new(),
            head_from: 0,
            head_since_s: 0,
            next,
            flushing: None,
            newest: None,
            t_max,
        });
        number
    }

    /// Numbers of all series, or of those of one device.
    pub(crate) fn numbers(&self, device: Option<&str>) -> Vec<u32> {
        match device {
            None => (0..self.series.len() as u32).collect(),
            Some(d) => {
                self.devices.get(d).map_or_else(Vec::new, |v| v.iter().map(|(_, n)| *n).collect())
            }
        }
    }

    /// Time of the newest point of all series.
    pub(crate) fn newest_time(&self) -> Timestamp {
        Timestamp(self.series.iter().map(|s| s.t_max).max().unwrap_or(i64::MIN))
    }

    /// Moves the heads that are due to the flush, at most `limit` of them.
    pub(crate) fn take(&mut self, due: Due, limit: usize) -> Taken {
        let since = std::mem::replace(&mut self.since, i64::MAX);
        let (next, cursor) = (self.next, self.next);
        let mut taken = Taken { series: Vec::new(), next, cursor, since, more: false };
        // In the order of the database: series that lie side by side share pages.
        self.dirty.sort_unstable();
        let all = &mut self.series;
        let mut points = 0;
        self.dirty.retain(|&number| {
            let series = &mut all[number as usize];
            let is_due = match due {
                Due::Before(position) => series.head_from < position,
                Due::By { points, since_s, from } => {
                    series.head.len() >= points
                        || since_s.is_some_and(|s| series.head_since_s <= s)
                        || series.head_from < from
                }
            };
            if !is_due || taken.series.len() >= limit {
                taken.more |= is_due;
                taken.cursor = taken.cursor.min(series.head_from);
                return true;
            }
            let head = Arc::new(std::mem::take(&mut series.head));
            points += head.len();
            series.flushing = Some(Arc::clone(&head));
            let (from, since_s) = (series.head_from, series.head_since_s);
            let key = series.key.clone();
            taken.series.push(TakenSeries { number, key, points: head, from, since_s });
            false
        });
        self.unflushed -= points;
        taken
    }

    /// The flush is on disk.
    pub(crate) fn written(&mut self, taken: &Taken) {
        for t in &taken.series {
            let series = &mut self.series[t.number as usize];
            series.flushing = None;
            series.next = taken.next;
        }
    }

    /// The flush failed: its points come before those that arrived since.
    pub(crate) fn give_back(&mut self, taken: &Taken) {
        for t in &taken.series {
            let series = &mut self.series[t.number as usize];
            series.flushing = None;
            if series.head.is_empty() {
                self.dirty.push(t.number);
            }
            let since = std::mem::replace(&mut series.head, t.points.as_ref().clone());
            series.head.extend(since);
            (series.head_from, series.head_since_s) = (t.from, t.since_s);
            self.unflushed += t.points.len();
        }
        self.since = self.since.min(taken.since);
    }

    /// The first series with the positions below which their points are on disk.
    pub(crate) fn positions(&self, count: usize) -> Vec<(SeriesKey, u64)> {
        self.series.iter().take(count).map(|s| (s.key.clone(), s.next)).collect()
    }

    /// How many series have points in memory that no flush has begun to write.
    pub(crate) fn dirty_series(&self) -> usize {
        self.dirty.len()
    }

    /// Points in memory of a series that fit, in the order of arrival.
    pub(crate) fn memory(&self, number: u32, fits: impl Fn(i64) -> bool) -> Vec<Point> {
        let series = &self.series[number as usize];
        let flushing = series.flushing.iter().flat_map(|v| v.iter());
        flushing.chain(&series.head).filter(|p| fits(p.time.0)).copied().collect()
    }

    /// The newest point at or before `at`, when memory alone can tell: it is the newest of all.
    pub(crate) fn newest(&self, number: u32, at: Timestamp) -> Option<LastValue> {
        let series = &self.series[number as usize];
        let point = series.newest.filter(|p| p.time <= at)?;
        Some(LastValue { series: series.key.clone(), point })
    }
}
