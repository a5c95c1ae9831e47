//! One turn of housekeeping: a bounded stretch of a pass over all series.

use std::sync::atomic::Ordering::Relaxed;

use ioc_model::{Maintained, Timestamp};
use rusqlite::Connection;

use super::floors::{self, Floors};
use super::maintenance::{CompactReport, Progress};
use super::{compact, fill, retention, rows};
use crate::embedded::layout;
use crate::embedded::store::{Inner, lock};
use crate::{EmbeddedConfig, Error, Retention};

/// A pass over all series begins so long after the last one began, ms.
const PASS_EVERY: i64 = 3_600_000;
/// Work of a turn, in units of about 10 µs: it holds the only connection that writes.
const TURN: i64 = 2_000;
/// Units to decode or encode a block.
pub(super) const BLOCK: i64 = 15;
/// Units to look at a series.
const LOOK: i64 = 2;

/// Where the pass is, kept in the file: first moment of the pass, and the next series (or
/// [`DONE`]).
const PASS_AT: &str = "pass_at";
const PASS_NEXT: &str = "pass_next";
const DONE: i64 = -1;

/// What a turn did and may still do.
pub(super) struct Work {
    left: i64,
    /// Whether anything of the series at hand was changed.
    changed: bool,
    pub(super) expired_points: u64,
    pub(super) merged_blocks: u64,
}

impl Work {
    fn new() -> Self {
        Self { left: TURN, changed: false, expired_points: 0, merged_blocks: 0 }
    }

    pub(super) fn left(&self) -> i64 {
        self.left
    }

    pub(super) fn spend(&mut self, units: i64) {
        self.left -= units;
    }

    /// Something was changed at this cost.
    pub(super) fn change(&mut self, units: i64) {
        self.spend(units);
        self.changed |= units > 0;
    }
}

impl Inner {
    /// One turn; see [`ioc_model::HistoryStore::maintain`].
    pub(in crate::embedded) fn maintain(
        &self,
        keep: &Retention,
        now: Timestamp,
    ) -> Result<Maintained, Error> {
        let newest = lock(&self.heads).newest_time();
        let mut writer = lock(&self.writer);
        let done = turn(&mut writer.conn, keep, (now, newest))?;
        self.points.fetch_sub(done.expired_points.min(self.points.load(Relaxed)), Relaxed);
        Ok(done)
    }
}

/// One turn, in one transaction: a reader sees all of it or nothing. `newest`: time of the newest
/// point of the store; what is kept is counted back from it, or from `now` if that is earlier.
pub(super) fn turn(
    conn: &mut Connection,
    keep: &Retention,
    (now, newest): (Timestamp, Timestamp),
) -> Result<Maintained, Error> {
    // A clock that jumps ahead gives up nothing, nor does the end of a feed.
    let due = Floors::due(keep, now.min(newest));
    let (at, next) = (floors::get(conn, PASS_AT)?, floors::get(conn, PASS_NEXT)?);
    let fresh = at.is_some_and(|at| at <= now.0 && now.0 - at < PASS_EVERY);
    let running = next.is_some_and(|n| n != DONE);
    let mut first = next.filter(|_| running).unwrap_or(0);
    let tx = conn.transaction()?;
    if fill::is_wanted(&tx)? {
        fill::turn(&tx, &mut Work::new())?;
        tx.commit()?;
        return Ok(Maintained { more: true, ..Maintained::default() });
    }
    let raised = due.raise(&tx)?.is_some();
    if !running {
        if fresh && !raised {
            return Ok(Maintained::default());
        }
        floors::put(&tx, PASS_AT, now.0)?;
    }
    let mut work = Work::new();
    match series(&tx, &mut first, &mut work) {
        Ok(()) => {}
        Err(e) if layout::is_damaged(&e) => {
            // The pages of this series cannot be read: the others still want their turn.
            tracing::error!(series = first, error = %e, "history housekeeping met a damaged page");
            drop(tx);
            let beyond = first + 1;
            floors::put(conn, PASS_NEXT, beyond)?;
            return Ok(Maintained { more: true, ..Maintained::default() });
        }
        Err(e) => return Err(e),
    }
    floors::put(&tx, PASS_NEXT, first)?;
    if let Some(points) = floors::get(&tx, "points")?.filter(|_| work.expired_points > 0) {
        floors::put(&tx, "points", (points - work.expired_points as i64).max(0))?;
    }
    tx.commit()?;
    Ok(Maintained {
        expired_points: work.expired_points,
        merged_blocks: work.merged_blocks,
        more: first != DONE,
    })
}

/// Works on the series from `next` on; then `next` is the first that is not done.
fn series(conn: &Connection, next: &mut i64, work: &mut Work) -> Result<(), Error> {
    let floors = Floors::read(conn)?;
    let end: Option<i64> = conn.query_row("SELECT max(id) FROM series", [], |r| r.get(0))?;
    let end = end.unwrap_or(-1);
    while *next <= end {
        work.spend(LOOK);
        work.changed = false;
        let done = retention::expire(conn, *next, &floors, work)?
            && compact::late(conn, *next, work)?
            && compact::small(conn, *next, work)?
            && rows::merge(conn, *next, work)?;
        // A series of which nothing can be changed does not hold up the pass.
        if !done && work.changed {
            return Ok(());
        }
        *next += 1;
        if work.left() <= 0 {
            break;
        }
    }
    if *next <= end {
        return Ok(());
    }
    *next = DONE;
    Ok(())
}

/// A whole pass, then the free space goes back to the disk.
pub(super) fn to_the_end(
    conn: &mut Connection,
    config: &EmbeddedConfig,
    now: Timestamp,
    progress: &mut dyn FnMut(Progress),
) -> Result<CompactReport, Error> {
    let bytes = |conn: &Connection| -> Result<u64, Error> {
        let pages: i64 = conn.query_row("PRAGMA page_count", [], |r| r.get(0))?;
        let size: i64 = conn.query_row("PRAGMA page_size", [], |r| r.get(0))?;
        Ok(pages.saturating_mul(size).max(0) as u64)
    };
    let mut report = CompactReport { bytes_before: bytes(conn)?, ..CompactReport::default() };
    let of: i64 = conn.query_row("SELECT count(*) FROM series", [], |r| r.get(0))?;
    let newest: Option<i64> = conn.query_row("SELECT max(t_max) FROM tail", [], |r| r.get(0))?;
    let newest = Timestamp(newest.unwrap_or(i64::MIN));
    floors::put(conn, PASS_NEXT, 0)?;
    loop {
        let done = turn(conn, &config.retention, (now, newest))?;
        report.expired_points += done.expired_points;
        report.merged_blocks += done.merged_blocks;
        let next = floors::get(conn, PASS_NEXT)?.filter(|n| *n != DONE).unwrap_or(of);
        progress(Progress { series: next.max(0) as u64, of: of.max(0) as u64 });
        if !done.more {
            break;
        }
    }
    conn.execute_batch("VACUUM; PRAGMA wal_checkpoint(TRUNCATE);")?;
    report.bytes_after = bytes(conn)?;
    Ok(report)
}
