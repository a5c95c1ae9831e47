//! Heads to blocks, in one transaction with the journal position.

use std::sync::PoisonError;
use std::sync::atomic::Ordering::Relaxed;

use ioc_model::{Point, SeriesKey};
use rusqlite::Connection;

use super::block::BLOCK_POINTS;
use super::database::{self, Lane, Stored};
use super::head::Taken;
use super::store::{Inner, Writer, lock};
use crate::Error;

impl Inner {
    /// Writes what is in memory; returns the position below which all is on disk.
    pub(super) fn flush(&self) -> Result<u64, Error> {
        let mut writer = lock(&self.writer);
        let (taken, new_series) = {
            let mut heads = lock(&self.heads);
            let new = heads.series.iter().skip(writer.series).map(|s| s.key.clone()).collect();
            (heads.take(), new)
        };
        if taken.points.is_empty() && taken.next == self.cursor.load(Relaxed) {
            // Records of refused points alone still have to be counted.
            self.count(&taken);
            return Ok(taken.next);
        }
        let mut give_back = GiveBack { inner: self, taken: &taken, armed: true };
        let result = self.write(&mut writer, &taken, new_series);
        give_back.armed = result.is_err();
        drop(give_back);
        *lock(&self.trouble) = result.as_ref().err().map(|e| {
            tracing::warn!(error = %e, "history flush failed");
            e.to_string()
        });
        result
    }

    fn write(
        &self,
        writer: &mut Writer,
        taken: &Taken,
        new_series: Vec<SeriesKey>,
    ) -> Result<u64, Error> {
        let tx = writer.conn.transaction()?;
        for (i, key) in new_series.iter().enumerate() {
            database::insert_series(&tx, (writer.series + i) as i64, &key.device, &key.property)?;
        }
        let mut points = 0;
        let mut damaged = 0;
        for (number, new) in &taken.points {
            points += new.len() as u64;
            damaged += write_series(&tx, i64::from(*number), new)?;
        }
        let total = self.points.load(Relaxed) + points;
        database::set_meta(&tx, "points", total)?;
        database::set_meta(&tx, "cursor", taken.next)?;
        {
            let _gate = self.gate.write().unwrap_or_else(PoisonError::into_inner);
            tx.commit()?;
            lock(&self.heads).written(taken);
        }
        writer.series += new_series.len();
        self.points.store(total, Relaxed);
        self.damaged.fetch_add(damaged, Relaxed);
        self.cursor.store(taken.next, Relaxed);
        self.count(taken);
        Ok(taken.next)
    }

    fn count(&self, taken: &Taken) {
        taken.stored.apply(&self.ledger, |c| &c.stored);
        taken.dead.apply(&self.ledger, |c| &c.dead_lettered);
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
    let tail = database::tail(conn, series, Lane::InOrder)?;
    let Some(tail) = tail else {
        write_lane(conn, series, Lane::InOrder, Vec::new(), new.to_vec())?;
        return Ok(0);
    };
    let Some(old) = tail.points() else {
        // A damaged tail is closed as it is: what is in it stays for a repair, its time stays
        // taken, and newer points begin a new tail behind it.
        database::insert_block(conn, Lane::InOrder, &tail)?;
        database::delete_tail(conn, series, Lane::InOrder)?;
        let (late, in_order) = split(new, tail.meta.t_max);
        write_lane(conn, series, Lane::InOrder, Vec::new(), in_order)?;
        return Ok(1 + write_late(conn, series, late)?);
    };
    let (late, in_order) = split(new, tail.meta.t_min);
    write_lane(conn, series, Lane::InOrder, old, in_order)?;
    write_late(conn, series, late)
}

/// Points before `border`, and the others.
fn split(points: &[Point], border: i64) -> (Vec<Point>, Vec<Point>) {
    points.iter().partition(|p| p.time.0 < border)
}

fn write_late(conn: &Connection, series: i64, late: Vec<Point>) -> Result<u64, Error> {
    if late.is_empty() {
        return Ok(0);
    }
    let Some(tail) = database::tail(conn, series, Lane::Late)? else {
        write_lane(conn, series, Lane::Late, Vec::new(), late)?;
        return Ok(0);
    };
    let Some(old) = tail.points() else {
        database::insert_block(conn, Lane::Late, &tail)?;
        write_lane(conn, series, Lane::Late, Vec::new(), late)?;
        return Ok(1);
    };
    write_lane(conn, series, Lane::Late, old, late)?;
    Ok(0)
}

/// Closes full blocks of `old` and `new` together and rewrites the tail with the rest, which is
/// never empty: its first time is the border between late and in order.
fn write_lane(
    conn: &Connection,
    series: i64,
    lane: Lane,
    mut old: Vec<Point>,
    new: Vec<Point>,
) -> Result<(), Error> {
    if new.is_empty() {
        return Ok(());
    }
    old.extend(new);
    // Stable: points of one moment stay in the order of arrival.
    old.sort_by_key(|p| p.time);
    let mut rest = old.as_slice();
    while rest.len() > BLOCK_POINTS {
        let (full, more) = rest.split_at(BLOCK_POINTS);
        if let Some(block) = Stored::new(series, full)? {
            database::insert_block(conn, lane, &block)?;
        }
        rest = more;
    }
    if let Some(tail) = Stored::new(series, rest)? {
        database::put_tail(conn, lane, &tail)?;
    }
    Ok(())
}
