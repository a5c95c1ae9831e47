//! Answers from blocks and memory together.

mod items;

pub(crate) use items::rollup_row;

use std::ops::ControlFlow;
use std::sync::PoisonError;
use std::sync::atomic::Ordering::Relaxed;

use ioc_model::{
    LastValue, Point, RangeQuery, SeriesKey, SeriesPoints, SeriesWindows, Timestamp, WindowQuery,
};
use rusqlite::{Connection, Transaction};

use super::database::{self, Lane, Stored};
use super::store::{Inner, lock};
use crate::Error;
use crate::aggregate::{self, Points, Windows};

impl Inner {
    /// Points of a range, merged from in-order blocks, late blocks and memory.
    pub(super) fn range(&self, q: &RangeQuery) -> Result<SeriesPoints, Error> {
        let Some((step, how)) = q.step else {
            let mut out = Points::new(q.limit);
            self.each_point(&q.series, (q.from, q.to), |p| out.push(p))?;
            return Ok(out.finish());
        };
        let (series, limit) = (q.series.clone(), q.limit);
        let windows = WindowQuery { series, from: q.from, to: q.to, step, limit };
        Ok(aggregate::points(self.windows(&windows)?, how))
    }

    /// Windows of a range.
    pub(super) fn windows(&self, q: &WindowQuery) -> Result<SeriesWindows, Error> {
        let mut out = Windows::new(q.step, q.limit);
        self.each_point(&q.series, (q.from, q.to), |p| out.push(&p))?;
        Ok(out.finish())
    }

    /// Gives the points of a range in the order of time, until `take` breaks.
    fn each_point(
        &self,
        key: &SeriesKey,
        (from, to): (Timestamp, Timestamp),
        take: impl FnMut(Point) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let (from, to) = (from.0, to.0);
        self.read(|conn| {
            let fits = |t: i64| from <= t && t < to;
            let (snapshot, found) = self.snapshot(conn, |heads| {
                let number = heads.number(&key.device, &key.property)?;
                Some((i64::from(number), heads.memory(number, fits)))
            })?;
            let Some((series, memory)) = found else { return Ok(()) };
            let extra = self.extra_points(&snapshot, series, memory, from, to)?;
            let mut merge = Merge { extra: extra.into_iter().peekable(), take };
            let mut end = ControlFlow::Continue(());
            for id in database::blocks_in(&snapshot, series, Lane::InOrder, from, to)? {
                let points = self.points(database::block(&snapshot, series, id))?;
                end = merge.block(points.into_iter().filter(|p| fits(p.time.0)));
                if end.is_break() {
                    break;
                }
            }
            if end.is_continue() {
                let tail = database::tail(&snapshot, series, Lane::InOrder);
                let tail = self.tail_points(tail, from, to)?;
                end = merge.block(tail.into_iter().filter(|p| fits(p.time.0)));
            }
            if end.is_continue() {
                let _ = merge.rest();
            }
            Ok(())
        })
    }

    /// Newest points at or before `at`.
    pub(super) fn last(
        &self,
        device: Option<&str>,
        at: Timestamp,
    ) -> Result<Vec<LastValue>, Error> {
        let mut answer = Vec::new();
        let mut ask = Vec::new();
        {
            let heads = lock(&self.heads);
            for number in heads.numbers(device) {
                match heads.newest(number, at) {
                    Some(value) => answer.push(value),
                    None => ask.push(number),
                }
            }
        }
        if !ask.is_empty() {
            answer.extend(self.last_on_disk(&ask, at)?);
        }
        answer.sort_unstable_by(|a, b| a.series.cmp(&b.series));
        Ok(answer)
    }

    fn last_on_disk(&self, ask: &[u32], at: Timestamp) -> Result<Vec<LastValue>, Error> {
        self.read(|conn| {
            let (snapshot, memory) = self.snapshot(conn, |heads| {
                let newest = |n: &u32| {
                    let points = heads.memory(*n, |t| t <= at.0);
                    (*n, heads.series[*n as usize].key.clone(), latest(points))
                };
                ask.iter().map(newest).collect::<Vec<_>>()
            })?;
            let mut answer = Vec::new();
            for (number, series, in_memory) in memory {
                let mut best = self.last_in_order(&snapshot, i64::from(number), at.0)?;
                self.last_late(&snapshot, i64::from(number), at.0, &mut best)?;
                better(&mut best, in_memory);
                answer.extend(best.map(|point| LastValue { series, point }));
            }
            Ok(answer)
        })
    }

    fn last_in_order(
        &self,
        conn: &Connection,
        series: i64,
        at: i64,
    ) -> Result<Option<Point>, Error> {
        let tail = self.tail_points(database::tail(conn, series, Lane::InOrder), i64::MIN, at)?;
        if let Some(point) = latest(tail.into_iter().filter(|p| p.time.0 <= at)) {
            return Ok(Some(point));
        }
        for (id, _) in database::blocks_before(conn, series, Lane::InOrder, at)? {
            let points = self.points(database::block(conn, series, id))?;
            if let Some(point) = latest(points.into_iter().filter(|p| p.time.0 <= at)) {
                return Ok(Some(point));
            }
        }
        Ok(None)
    }

    fn last_late(
        &self,
        conn: &Connection,
        series: i64,
        at: i64,
        best: &mut Option<Point>,
    ) -> Result<(), Error> {
        let mut consider = |points: Vec<Point>| {
            better(best, latest(points.into_iter().filter(|p| p.time.0 <= at)));
        };
        consider(self.tail_points(database::tail(conn, series, Lane::Late), i64::MIN, at)?);
        for (id, t_max) in database::blocks_before(conn, series, Lane::Late, at)? {
            if best.is_none_or(|b| b.time.0 < t_max.min(at)) {
                let points = self.points(database::block(conn, series, id))?;
                better(best, latest(points.into_iter().filter(|p| p.time.0 <= at)));
            }
        }
        Ok(())
    }

    /// Late blocks of the range and `memory` together, in the order of time.
    fn extra_points(
        &self,
        conn: &Connection,
        series: i64,
        memory: Vec<Point>,
        from: i64,
        to: i64,
    ) -> Result<Vec<Point>, Error> {
        let mut extra = Vec::new();
        for id in database::blocks_in(conn, series, Lane::Late, from, to)? {
            extra.extend(self.points(database::block(conn, series, id))?);
        }
        extra.extend(self.tail_points(database::tail(conn, series, Lane::Late), from, to)?);
        extra.retain(|p| from <= p.time.0 && p.time.0 < to);
        extra.extend(memory);
        extra.sort_by_key(|p| p.time);
        Ok(extra)
    }

    fn tail_points(
        &self,
        tail: Result<Option<Stored>, Error>,
        from: i64,
        to: i64,
    ) -> Result<Vec<Point>, Error> {
        match tail {
            Ok(None) => Ok(Vec::new()),
            Ok(Some(t)) if t.meta.t_max < from || t.meta.t_min > to => Ok(Vec::new()),
            Ok(Some(t)) => self.points(Ok(t)),
            Err(e) => self.points(Err(e)),
        }
    }

    /// Points of a block; a damaged one is counted and gives none.
    fn points(&self, stored: Result<Stored, Error>) -> Result<Vec<Point>, Error> {
        let points = match stored {
            Ok(block) => block.points(),
            Err(e) if database::is_damaged(&e) => None,
            Err(e) => return Err(e),
        };
        Ok(points.unwrap_or_else(|| {
            self.damaged.fetch_add(1, Relaxed);
            Vec::new()
        }))
    }

    /// The database and the memory at one moment.
    fn snapshot<'c, T>(
        &self,
        conn: &'c Connection,
        memory: impl FnOnce(&super::head::Heads) -> T,
    ) -> Result<(Transaction<'c>, T), Error> {
        let _gate = self.gate.read().unwrap_or_else(PoisonError::into_inner);
        let tx = conn.unchecked_transaction()?;
        // SQLite takes its snapshot at the first read.
        database::meta(&tx, "cursor")?;
        let memory = memory(&lock(&self.heads));
        Ok((tx, memory))
    }
}

/// The newest point; of several of one moment that which came last.
fn latest(points: impl IntoIterator<Item = Point>) -> Option<Point> {
    points.into_iter().max_by_key(|p| p.time)
}

fn better(best: &mut Option<Point>, other: Option<Point>) {
    if let Some(o) = other
        && best.is_none_or(|b| b.time <= o.time)
    {
        *best = Some(o);
    }
}

/// In-order blocks as they come, and between their points the extra ones.
struct Merge<F> {
    extra: std::iter::Peekable<std::vec::IntoIter<Point>>,
    take: F,
}

impl<F: FnMut(Point) -> ControlFlow<()>> Merge<F> {
    fn block(&mut self, points: impl Iterator<Item = Point>) -> ControlFlow<()> {
        for point in points {
            while let Some(extra) = self.extra.next_if(|e| e.time < point.time) {
                (self.take)(extra)?;
            }
            (self.take)(point)?;
        }
        ControlFlow::Continue(())
    }

    fn rest(&mut self) -> ControlFlow<()> {
        for extra in self.extra.by_ref() {
            (self.take)(extra)?;
        }
        ControlFlow::Continue(())
    }
}
