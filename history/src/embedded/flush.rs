//! Heads to blocks, in one transaction with the journal positions.

use std::sync::PoisonError;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use ioc_model::{Flush, Point, SeriesKey};
use rusqlite::Connection;

use super::block::BLOCK_POINTS;
use super::database::{self, Lane, Stored};
use super::head::{Due, Taken};
use super::layout;
use super::store::{Inner, Writer, lock};
use super::tiers::Closed;
use crate::Error;

/// Series written in one transaction: it bounds the log of SQLite (some 10 MB) and the time that
/// a commit keeps queries waiting.
const SERIES_PER_WRITE: usize = 2_000;

impl Inner {
    /// Writes what is asked for and due at `now`; returns the position below which all is on
    /// disk.
    pub(super) fn flush(&self, what: Flush, now: Instant) -> Result<u64, Error> {
        let mut writer = lock(&self.writer);
        let due = self.due(what, now);
        if self.unreadable.load(Relaxed) {
            self.repair(&mut writer)?;
        }
        loop {
            match self.write_some(&mut writer, due) {
                Ok(true) => {}
                Ok(false) => break,
                Err(e) if layout::is_damaged(&e) => self.repair(&mut writer)?,
                Err(e) => return Err(e),
            }
        }
        Ok(self.cursor.load(Relaxed))
    }

    fn due(&self, what: Flush, now: Instant) -> Due {
        let heads = lock(&self.heads);
        if what == Flush::All || heads.unflushed >= self.config.head_max_points {
            return Due::Before(heads.next);
        }
        let from = heads.next.saturating_sub(self.config.head_lag_entries);
        // Before the first `head_age_s` nothing is old.
        let since_s = self.seconds(now).checked_sub(self.config.head_age_s);
        Due::By { points: BLOCK_POINTS, since_s, from }
    }

    /// One transaction; true when there is more to write.
    fn write_some(&self, writer: &mut Writer, due: Due) -> Result<bool, Error> {
        let (taken, new_series) = {
            let mut heads = lock(&self.heads);
            let new = heads.series.iter().skip(writer.series).map(|s| s.key.clone()).collect();
            (heads.take(due, SERIES_PER_WRITE), new)
        };
        if taken.series.is_empty() && taken.cursor == self.cursor.load(Relaxed) {
            lock(&self.heads).give_back(&taken);
            return Ok(false);
        }
        let mut give_back = GiveBack { inner: self, taken: &taken, armed: true };
        let result = self.write(writer, &taken, new_series);
        give_back.armed = result.is_err();
        drop(give_back);
        *lock(&self.trouble) = result.as_ref().err().map(|e| {
            tracing::warn!(error = %e, "history flush failed");
            e.to_string()
        });
        result.map(|()| taken.more)
    }

    fn write(
        &self,
        writer: &mut Writer,
        taken: &Taken,
        new_series: Vec<SeriesKey>,
    ) -> Result<(), Error> {
        let tx = writer.conn.transaction()?;
        for (i, key) in new_series.iter().enumerate() {
            let id = (writer.series + i) as i64;
            database::put_series(&tx, id, (&key.device, &key.property), 0)?;
        }
        let mut points = 0;
        let mut damaged = 0;
        for s in &taken.series {
            points += s.points.len() as u64;
            let id = i64::from(s.number);
            damaged += write_series(&tx, id, &s.points)?;
            database::put_series(&tx, id, (&s.key.device, &s.key.property), taken.next)?;
        }
        if database::since(&tx)?.unwrap_or(i64::MAX) > taken.since {
            database::set_since(&tx, taken.since)?;
        }
        let total = self.points.load(Relaxed) + points;
        database::set_meta(&tx, "points", total)?;
        database::set_cursor(&tx, taken.cursor)?;
        {
            let _gate = self.gate.write().unwrap_or_else(PoisonError::into_inner);
            tx.commit()?;
            lock(&self.heads).written(taken);
        }
        writer.series += new_series.len();
        self.points.store(total, Relaxed);
        self.damaged.fetch_add(damaged, Relaxed);
        self.cursor.store(taken.cursor, Relaxed);
        Ok(())
    }
}

/// Puts points back into memory when they did not reach the disk, also when writing panics: the
/// cursor of a later flush would otherwise pass them.
struct GiveBack<'a> {
    inner: &'a Inner,
    taken: &'a Taken,
    armed: bool,
}

impl Drop for GiveBack<'_> {
    fn drop(&mut self) {
        if self.armed {
            lock(&self.inner.heads).give_back(self.taken);
            *lock(&self.inner.trouble) = Some("a flush did not end".into());
        }
    }
}

/// Writes the new points of one series; returns the number of damaged blocks met.
fn write_series(conn: &Connection, series: i64, new: &[Point]) -> Result<u64, Error> {
    let mut out = SeriesWriter { conn, series, closed: Closed::default(), damaged: 0 };
    out.write(new)?;
    Ok(out.damaged + out.closed.write(conn, series)?)
}

struct SeriesWriter<'c> {
    conn: &'c Connection,
    series: i64,
    closed: Closed,
    damaged: u64,
}

impl SeriesWriter<'_> {
    fn write(&mut self, new: &[Point]) -> Result<(), Error> {
        let (conn, series) = (self.conn, self.series);
        let (old, border) = match database::tail(conn, series, Lane::InOrder)? {
            // Without a tail (it was damaged) the blocks tell what is late.
            None => (Vec::new(), database::closed_until(conn, series)?.unwrap_or(i64::MIN)),
            Some(tail) => match tail.points() {
                Some(old) => (old, tail.meta.t_min),
                None => {
                    // A damaged tail is closed as it is: what is in it stays for a repair, its
                    // time stays taken, and newer points begin a new tail behind it.
                    database::insert_block(conn, Lane::InOrder, &tail, 0)?;
                    database::delete_tail(conn, series, Lane::InOrder)?;
                    self.damaged += 1;
                    (Vec::new(), tail.meta.t_max)
                }
            },
        };
        let (late, in_order) = new.iter().partition(|p| p.time.0 < border);
        self.lane(Lane::InOrder, old, in_order)?;
        self.late(late)
    }

    fn late(&mut self, late: Vec<Point>) -> Result<(), Error> {
        if late.is_empty() {
            return Ok(());
        }
        let mut old = Vec::new();
        if let Some(tail) = database::tail(self.conn, self.series, Lane::Late)? {
            match tail.points() {
                Some(points) => old = points,
                None => {
                    database::insert_block(self.conn, Lane::Late, &tail, 0)?;
                    self.damaged += 1;
                }
            }
        }
        self.lane(Lane::Late, old, late)
    }

    /// Closes full blocks of `old` and `new` together and rewrites the tail with the rest, which
    /// is never empty: its first time is the border between late and in order.
    fn lane(&mut self, lane: Lane, mut old: Vec<Point>, new: Vec<Point>) -> Result<(), Error> {
        if new.is_empty() {
            return Ok(());
        }
        old.extend(new);
        // Stable: points of one moment stay in the order of arrival.
        old.sort_by_key(|p| p.time);
        let mut rest = old.as_slice();
        while rest.len() > BLOCK_POINTS {
            let (full, more) = rest.split_at(BLOCK_POINTS);
            if let Some(block) = Stored::new(self.series, full)? {
                let tiers = self.closed.add(full);
                database::insert_block(self.conn, lane, &block, tiers)?;
            }
            rest = more;
        }
        if let Some(tail) = Stored::growing(self.series, rest)? {
            database::put_tail(self.conn, lane, &tail)?;
        }
        Ok(())
    }
}
