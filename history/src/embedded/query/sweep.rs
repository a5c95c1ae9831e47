//! Goes through a stretch of time once: rows are read in the order of their first time, and what
//! no later row can add to is given on.
//!
//! Parts of one window, and points of one moment, are put together in the order in which they
//! came, as far as it is known: in-order blocks, rows of windows by age, late blocks by age, the
//! late tail, the in-order tail, memory.

use std::ops::ControlFlow;

use ioc_model::{Point, Step, Tier, Window};
use rusqlite::Connection;

use super::items::{Item, Items, Kind, rollup_row};
use super::plan::{Broken, Segment};
use crate::Error;
use crate::aggregate;
use crate::embedded::database::{self, Lane, Stored};
use crate::embedded::layout;
use crate::embedded::rollup;
use crate::embedded::store::Inner;

/// Age of what one row holds, among others of the same time.
type Rank = (u8, i64);

const IN_ORDER: u8 = 0;
const ROWS: u8 = 1;
const LATE: u8 = 2;
const LATE_TAIL: Rank = (3, 0);
const TAIL: Rank = (4, 0);
const MEMORY: Rank = (5, 0);

/// Read and not yet given on.
struct Pending<T> {
    parts: Vec<(i64, Rank, T)>,
}

impl<T> Pending<T> {
    fn push(&mut self, rank: Rank, parts: impl IntoIterator<Item = T>, time: impl Fn(&T) -> i64) {
        self.parts.extend(parts.into_iter().map(|p| (time(&p), rank, p)));
    }

    /// Gives all before `end` on, in order.
    fn drain(&mut self, end: i64, mut give: impl FnMut(T) -> ControlFlow<()>) -> ControlFlow<()> {
        if self.parts.is_empty() {
            return ControlFlow::Continue(());
        }
        // Stable, and cheap on what is nearly in order.
        self.parts.sort_by_key(|(time, rank, _)| (*time, *rank));
        let ready = self.parts.partition_point(|(time, ..)| *time < end);
        for (.., part) in self.parts.drain(..ready) {
            give(part)?;
        }
        ControlFlow::Continue(())
    }
}

/// How a stretch ended.
pub(super) enum End {
    /// It was read, or the answer is full.
    Done(ControlFlow<()>),
    /// A row of windows is damaged; all windows that begin before it were given on.
    Damaged {
        /// `None`: the row that grows.
        row: Option<i64>,
        stretch: Broken,
    },
}

/// One series at one moment.
pub(super) struct View<'a> {
    pub(super) inner: &'a Inner,
    pub(super) conn: &'a Connection,
    pub(super) series: i64,
    /// Points in memory, in the order of arrival.
    pub(super) memory: &'a [Point],
}

impl View<'_> {
    /// Gives the points of [from, to) in the order of time.
    pub(super) fn points(
        &self,
        (from, to): (i64, i64),
        mut give: impl FnMut(Point) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let mut pending = Pending { parts: Vec::new() };
        let time = |p: &Point| p.time.0;
        for (rank, points) in self.growing((from, to))? {
            pending.push(rank, points, time);
        }
        let mut sources = self.sources(Tier::Raw, (from, to))?;
        while let Some((begin, i)) = self.first(&mut sources)? {
            if pending.drain(begin, &mut give).is_break() {
                return Ok(());
            }
            let Some(item) = sources[i].pop() else { continue };
            let points = self.inner.points(database::block(self.conn, self.series, item.id))?;
            pending.push(rank(sources[i].kind, item.id), within(points, (from, to)), time);
        }
        let _ = pending.drain(i64::MAX, &mut give);
        Ok(())
    }

    /// Gives the windows of a segment in the order of time, those of its tier or, of raw points,
    /// of `step`; `lost` are rows that are known to be damaged.
    pub(super) fn windows(
        &self,
        segment: &Segment,
        step: Step,
        lost: &[Option<i64>],
        mut give: impl FnMut(Window) -> ControlFlow<()>,
    ) -> Result<End, Error> {
        let range = (segment.from, segment.to);
        let grain = match segment.tier {
            Tier::Raw => step,
            tier => Step::of(rollup::length(tier)),
        };
        let mut pending = Pending { parts: Vec::new() };
        let time = |w: &Window| w.start.0;
        for (rank, points) in self.growing(range)? {
            pending.push(rank, aggregate::windows_of(grain, &points), time);
        }
        let mut give = |pending: &mut Pending<Window>, end: i64| pending.drain(end, &mut give);
        if segment.tier != Tier::Raw && !lost.contains(&None) {
            match self.growing_row(segment.tier)? {
                Ok(row) => pending.push((ROWS, i64::MAX), starting_in(row, range), time),
                Err(stretch) => return Ok(End::Damaged { row: None, stretch }),
            }
        }
        let mut sources = self.sources(segment.tier, range)?;
        while let Some((begin, i)) = self.first(&mut sources)? {
            let end = grain.begin(ioc_model::Timestamp(begin)).0;
            if give(&mut pending, end).is_break() {
                return Ok(End::Done(ControlFlow::Break(())));
            }
            let Some(item) = sources[i].pop() else { continue };
            let rank = rank(sources[i].kind, item.id);
            if let Kind::Rows(tier) = sources[i].kind {
                if lost.contains(&Some(item.id)) {
                    continue;
                }
                match self.row(tier, item)? {
                    Ok(row) => pending.push(rank, starting_in(row, range), time),
                    Err(stretch) => return Ok(End::Damaged { row: Some(item.id), stretch }),
                }
            } else {
                let points = self.inner.points(database::block(self.conn, self.series, item.id))?;
                let points = within(points, range);
                pending.push(rank, aggregate::windows_of(grain, &points), time);
            }
        }
        Ok(End::Done(give(&mut pending, i64::MAX)))
    }

    /// Points that are not in closed blocks.
    fn growing(&self, range: (i64, i64)) -> Result<[(Rank, Vec<Point>); 3], Error> {
        let mut memory: Vec<Point> = within(self.memory.to_vec(), range);
        memory.sort_by_key(|p| p.time);
        let tail = |lane| -> Result<Vec<Point>, Error> {
            Ok(within(self.inner.tail(self.conn, self.series, lane, range)?, range))
        };
        Ok([(LATE_TAIL, tail(Lane::Late)?), (TAIL, tail(Lane::InOrder)?), (MEMORY, memory)])
    }

    fn sources(&self, tier: Tier, range: (i64, i64)) -> Result<Vec<Items>, Error> {
        let mut kinds = vec![Kind::Blocks(Lane::InOrder, tier), Kind::Blocks(Lane::Late, tier)];
        if tier != Tier::Raw {
            kinds.push(Kind::Rows(tier));
        }
        kinds.into_iter().map(|k| Items::new(self.conn, k, self.series, range)).collect()
    }

    /// First time of the next row, and the source that has it.
    fn first(&self, sources: &mut [Items]) -> Result<Option<(i64, usize)>, Error> {
        let mut first = None;
        for (i, source) in sources.iter_mut().enumerate() {
            if let Some(t) = source.peek(self.conn)?
                && first.is_none_or(|(best, _)| t < best)
            {
                first = Some((t, i));
            }
        }
        Ok(first)
    }

    fn row(&self, tier: Tier, item: Item) -> Result<Result<Vec<Window>, Broken>, Error> {
        let row = rollup_row(self.conn, tier, self.series, item.id);
        let to = item.t_max.saturating_add(rollup::length(tier));
        // The times of the index: those of the row itself may be what is damaged.
        let stretch = Broken { tier, from: item.t_min, to };
        Ok(self.decoded(tier, row.map(Some))?.ok_or(stretch))
    }

    /// The row that grows. If it is damaged its times are not known: it can concern any time.
    fn growing_row(&self, tier: Tier) -> Result<Result<Vec<Window>, Broken>, Error> {
        let row = database::rollup_tail(self.conn, self.series, tier);
        let stretch = Broken { tier, from: i64::MIN, to: i64::MAX };
        Ok(self.decoded(tier, row)?.ok_or(stretch))
    }

    fn decoded(
        &self,
        tier: Tier,
        row: Result<Option<Stored>, Error>,
    ) -> Result<Option<Vec<Window>>, Error> {
        match row {
            Ok(None) => Ok(Some(Vec::new())),
            Ok(Some(r)) => Ok(rollup::decode(tier, &r.meta, r.crc, &r.data)),
            Err(e) if layout::is_damaged(&e) => Ok(None),
            Err(e) => Err(e),
        }
    }
}

fn rank(kind: Kind, id: i64) -> Rank {
    match kind {
        // These come in the order of time, which is their order.
        Kind::Blocks(Lane::InOrder, _) => (IN_ORDER, 0),
        Kind::Blocks(Lane::Late, _) => (LATE, id),
        Kind::Rows(_) => (ROWS, id),
    }
}

/// Of points in the order of time those in the range.
fn within(mut points: Vec<Point>, (from, to): (i64, i64)) -> Vec<Point> {
    points.retain(|p| from <= p.time.0 && p.time.0 < to);
    points
}

fn starting_in(windows: Vec<Window>, (from, to): (i64, i64)) -> impl Iterator<Item = Window> {
    windows.into_iter().filter(move |w| from <= w.start.0 && w.start.0 < to)
}
