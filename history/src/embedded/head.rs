//! Points in memory: per series those not yet written, and those being written.

use std::sync::Arc;

use ahash::{AHashMap, AHashSet};
use ioc_model::{Entry, LastValue, Name, Point, Record, SeriesKey, Timestamp};

use crate::tally::Tally;

/// One series. Its number is its index, in memory and in the database.
pub(crate) struct Series {
    pub(crate) key: SeriesKey,
    /// Appended after the last flush began.
    head: Vec<Point>,
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
    dirty: Vec<u32>,
    /// Points in heads.
    pub(crate) unflushed: usize,
    /// Position after the last entry taken.
    pub(crate) next: u64,
    /// Points refused because there are too many series.
    pub(crate) refused_points: u64,
    max_series: usize,
    count_from: u64,
    stored: Tally,
    dead: Tally,
}

/// What one flush writes.
pub(crate) struct Taken {
    /// Series number and its points, in the order of arrival.
    pub(crate) points: Vec<(u32, Arc<Vec<Point>>)>,
    /// Position below which all is in `points` or on disk.
    pub(crate) next: u64,
    pub(crate) stored: Tally,
    pub(crate) dead: Tally,
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
            max_series,
            count_from,
            stored: Tally::default(),
            dead: Tally::default(),
        }
    }

    /// Takes the entries at `first` and after that were not taken before.
    pub(crate) fn append(&mut self, first: u64, entries: &[Entry]) {
        let known = usize::try_from(self.next.saturating_sub(first)).unwrap_or(usize::MAX);
        for (i, entry) in entries.iter().enumerate().skip(known) {
            if let Entry::Record(record) = entry {
                self.record(record, first + i as u64);
            }
        }
        self.next = self.next.max(first + entries.len() as u64);
    }

    fn record(&mut self, record: &Record, position: u64) {
        let mut refused = 0;
        record.for_each_point(|property, value, quality| {
            match self.number_or_new(&record.device, property) {
                Some(n) => self.push(n, Point { time: record.time, value, quality }),
                None => refused += 1,
            }
        });
        self.refused_points += refused;
        if position >= self.count_from {
            let tally = if refused == 0 { &mut self.stored } else { &mut self.dead };
            tally.add(record.source);
        }
    }

    fn push(&mut self, number: u32, point: Point) {
        let series = &mut self.series[number as usize];
        if series.head.is_empty() {
            self.dirty.push(number);
        }
        if point.time.0 >= series.t_max {
            series.t_max = point.time.0;
            series.newest = Some(point);
        }
        series.head.push(point);
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
        Some(self.add(device, property, i64::MIN))
    }

    /// Adds a series; `t_max` is the time of its newest point on disk.
    pub(crate) fn add(&mut self, device: &str, property: &str, t_max: i64) -> u32 {
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
        self.series.push(Series { key, head: Vec::new(), flushing: None, newest: None, t_max });
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

    /// Moves all heads to the flush.
    pub(crate) fn take(&mut self) -> Taken {
        let mut points = Vec::with_capacity(self.dirty.len());
        for number in std::mem::take(&mut self.dirty) {
            let series = &mut self.series[number as usize];
            let taken = Arc::new(std::mem::take(&mut series.head));
            series.flushing = Some(Arc::clone(&taken));
            points.push((number, taken));
        }
        self.unflushed = 0;
        let (stored, dead) = (std::mem::take(&mut self.stored), std::mem::take(&mut self.dead));
        Taken { points, next: self.next, stored, dead }
    }

    /// The flush is on disk.
    pub(crate) fn written(&mut self, taken: &Taken) {
        for (number, _) in &taken.points {
            self.series[*number as usize].flushing = None;
        }
    }

    /// The flush failed: its points come before those that arrived since.
    pub(crate) fn give_back(&mut self, taken: &Taken) {
        for (number, points) in &taken.points {
            let series = &mut self.series[*number as usize];
            series.flushing = None;
            if series.head.is_empty() {
                self.dirty.push(*number);
            }
            let since = std::mem::replace(&mut series.head, points.as_ref().clone());
            series.head.extend(since);
            self.unflushed += points.len();
        }
        self.stored.merge(&taken.stored);
        self.dead.merge(&taken.dead);
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
