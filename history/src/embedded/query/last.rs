//! Newest points.

use ioc_model::{LastValue, Point, Tier, Timestamp};
use rusqlite::{Connection, params};

use super::items::rollup_row;
use crate::Error;
use crate::embedded::database::{self, Lane};
use crate::embedded::layout;
use crate::embedded::maintain::Floors;
use crate::embedded::rollup;
use crate::embedded::store::{Inner, lock};

impl Inner {
    /// Newest points at or before `at`.
    pub(in crate::embedded) fn last(
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
            let floors = Floors::read(&snapshot)?;
            let mut answer = Vec::new();
            for (number, series, in_memory) in memory {
                let newest =
                    Newest { inner: self, conn: &snapshot, series: number.into(), at: at.0 };
                let mut best = newest.of_blocks(&floors)?;
                better(&mut best, in_memory);
                answer.extend(best.map(|point| LastValue { series, point }));
            }
            Ok(answer)
        })
    }
}

/// The newest point of a series at or before a moment.
struct Newest<'a> {
    inner: &'a Inner,
    conn: &'a Connection,
    series: i64,
    at: i64,
}

impl Newest<'_> {
    fn of_blocks(&self, floors: &Floors) -> Result<Option<Point>, Error> {
        let tail = self.tail(Lane::InOrder)?;
        if tail.is_some() {
            // Everything that is closed or late lies before the tail.
            return Ok(tail);
        }
        let mut best = self.in_order()?;
        self.late(&mut best)?;
        for tier in rollup::TIERS {
            let finer = if tier == Tier::Hour { Tier::Minute } else { Tier::Raw };
            if best.is_none_or(|b| b.time.0 < floors.of(finer)) {
                self.of_windows(tier, &mut best)?;
            }
        }
        Ok(best)
    }

    fn tail(&self, lane: Lane) -> Result<Option<Point>, Error> {
        let range = (i64::MIN, self.at.saturating_add(1));
        Ok(self.newest_of(self.inner.tail(self.conn, self.series, lane, range)?))
    }

    fn in_order(&self) -> Result<Option<Point>, Error> {
        for (id, _) in database::blocks_before(self.conn, self.series, Lane::InOrder, self.at)? {
            let points = self.inner.points(database::block(self.conn, self.series, id))?;
            if let Some(point) = self.newest_of(points) {
                return Ok(Some(point));
            }
        }
        Ok(None)
    }

    fn late(&self, best: &mut Option<Point>) -> Result<(), Error> {
        for (id, t_max) in database::blocks_before(self.conn, self.series, Lane::Late, self.at)? {
            if best.is_none_or(|b| b.time.0 < t_max.min(self.at)) {
                let points = self.inner.points(database::block(self.conn, self.series, id))?;
                better(best, self.newest_of(points));
            }
        }
        better(best, self.tail(Lane::Late)?);
        Ok(())
    }

    /// Where raw points were given up, windows still know the last of them.
    fn of_windows(&self, tier: Tier, best: &mut Option<Point>) -> Result<(), Error> {
        let usable = |w: &ioc_model::Window| w.count > 0 && w.last_time.0 <= self.at;
        let point =
            |w: ioc_model::Window| Point { time: w.last_time, value: w.last, quality: w.quality() };
        let mut q = self.conn.prepare_cached(
            "SELECT id, t_max FROM rollup WHERE tier = ?1 AND series = ?2 AND t_min <= ?3
             ORDER BY t_min DESC",
        )?;
        let at = params![rollup::bit(tier), self.series, self.at];
        let rows = q.query_map(at, |r| Ok((r.get(0)?, r.get(1)?)))?;
        let mut rows: Vec<(Option<i64>, i64)> = rows.collect::<Result<_, _>>()?;
        rows.insert(0, (None, i64::MAX));
        for (id, t_max) in rows {
            let reach = t_max.saturating_add(rollup::length(tier)).min(self.at);
            if best.is_some_and(|b| b.time.0 >= reach) {
                continue;
            }
            let row = match id {
                Some(id) => rollup_row(self.conn, tier, self.series, id).map(Some),
                None => database::rollup_tail(self.conn, self.series, tier),
            };
            let row = match row {
                Err(e) if layout::is_damaged(&e) => None,
                other => other?,
            };
            let windows = row.and_then(|r| rollup::decode(tier, &r.meta, r.crc, &r.data));
            let windows = windows.unwrap_or_default().into_iter().filter(usable);
            better(best, windows.max_by_key(|w| w.last_time).map(point));
        }
        Ok(())
    }

    fn newest_of(&self, points: Vec<Point>) -> Option<Point> {
        latest(points.into_iter().filter(|p| p.time.0 <= self.at))
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
