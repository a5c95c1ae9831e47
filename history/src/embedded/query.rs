//! Answers from blocks, windows and memory together.

mod fold;
mod items;
mod last;
mod plan;
mod sweep;
#[cfg(test)]
mod tests;

use std::sync::PoisonError;
use std::sync::atomic::Ordering::Relaxed;

use ioc_model::{Point, RangeQuery, SeriesKey, SeriesPoints, SeriesWindows, Tier, WindowQuery};
use rusqlite::{Connection, Transaction};

use self::fold::Fold;
pub(crate) use self::items::rollup_row;
use self::plan::{Broken, plan};
use self::sweep::{End, View};
use super::database::{self, Lane, Stored};
use super::layout;
use super::maintain::Floors;
use super::store::{Inner, lock};
use crate::Error;
use crate::aggregate::{self, Points};

/// Length of a window of the coarsest tier, ms.
const BEYOND: i64 = 3_600_000;

impl Inner {
    /// Points of a range, merged from in-order blocks, late blocks and memory.
    pub(super) fn range(&self, q: &RangeQuery) -> Result<SeriesPoints, Error> {
        let (from, to) = (q.from.0, q.to.0);
        self.view(&q.series, (from, to), |view, floors| {
            let raw_from = floors.told(Tier::Raw).filter(|f| *f > q.from);
            let out = match q.step {
                None => {
                    let mut out = Points::new(q.limit);
                    view.points((from, to), |p| out.push(p))?;
                    out.finish()
                }
                Some((step, how)) => {
                    let fold = Fold::new(step, q.limit, false);
                    aggregate::points(self.fold(view, (from, to), step, floors, fold)?, how)
                }
            };
            Ok(SeriesPoints { raw_from, ..out })
        })
    }

    /// Windows of a range.
    pub(super) fn windows(&self, q: &WindowQuery) -> Result<SeriesWindows, Error> {
        let range = (q.from.0, q.to.0);
        self.view(&q.series, range, |view, floors| {
            self.fold(view, range, q.step, floors, Fold::new(q.step, q.limit, true))
        })
    }

    /// Reads the segments of a range. A damaged row of windows is counted; its stretch is read
    /// again from raw points as far as they are kept.
    fn fold(
        &self,
        view: &View<'_>,
        (from, to): (i64, i64),
        step: ioc_model::Step,
        floors: &Floors,
        mut fold: Fold,
    ) -> Result<SeriesWindows, Error> {
        let (mut broken, mut lost): (Vec<Broken>, Vec<Option<i64>>) = Default::default();
        let mut at = from;
        'plan: loop {
            for segment in plan((at, to), step, floors, &broken) {
                fold.begin_of(&segment);
                match view.windows(&segment, step, &lost, |w| fold.push(&segment, &w))? {
                    End::Done(end) if end.is_break() => return Ok(fold.finish()),
                    End::Done(_) => fold.end_of(&segment),
                    End::Damaged { row, stretch } => {
                        self.damaged.fetch_add(1, Relaxed);
                        at = stretch.from.max(segment.from);
                        broken.push(stretch);
                        lost.push(row);
                        continue 'plan;
                    }
                }
            }
            return Ok(fold.finish());
        }
    }

    /// One series at one moment, with what of it is in memory near [from, to), and from when on
    /// its tiers are kept. An unknown series has an empty answer.
    fn view<T: Default>(
        &self,
        key: &SeriesKey,
        (from, to): (i64, i64),
        answer: impl FnOnce(&View<'_>, &Floors) -> Result<T, Error>,
    ) -> Result<T, Error> {
        // Windows of the coarsest tier may reach so far beyond the range.
        let (begin, end) = (from.saturating_sub(BEYOND), to.saturating_add(BEYOND));
        self.read(|conn| {
            let (snapshot, found) = self.snapshot(conn, |heads| {
                let number = heads.number(&key.device, &key.property)?;
                Some((i64::from(number), heads.memory(number, |t| begin <= t && t < end)))
            })?;
            let Some((series, memory)) = found else { return Ok(T::default()) };
            let mut floors = Floors::read(&snapshot)?;
            if from < floors.of(Tier::Raw) {
                floors = floors.of_series(&snapshot, series)?;
            }
            let view = View { inner: self, conn: &snapshot, series, memory: &memory };
            answer(&view, &floors)
        })
    }

    /// Points of the tail of a lane when it may reach into [from, to).
    fn tail(
        &self,
        conn: &Connection,
        series: i64,
        lane: Lane,
        (from, to): (i64, i64),
    ) -> Result<Vec<Point>, Error> {
        match database::tail(conn, series, lane) {
            Ok(None) => Ok(Vec::new()),
            // Its times can be believed only when its checksum is right.
            Ok(Some(t)) if t.is_whole() && (t.meta.t_max < from || t.meta.t_min >= to) => {
                Ok(Vec::new())
            }
            Ok(Some(t)) => self.points(Ok(t)),
            Err(e) => self.points(Err(e)),
        }
    }

    /// Points of a block; a damaged one is counted and gives none.
    fn points(&self, stored: Result<Stored, Error>) -> Result<Vec<Point>, Error> {
        let points = match stored {
            Ok(block) => block.points(),
            Err(e) if layout::is_damaged(&e) => None,
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
