//! Windows of closed blocks into the rows of the tiers, in the transaction that closes the blocks.

use ioc_model::{Point, Step, Tier, Timestamp, Window};
use rusqlite::{Connection, params};

use super::block::BlockMeta;
use super::database::{self, Stored};
use super::rollup::{self, ROW_WINDOWS, TIERS};
use crate::Error;

/// Windows of the blocks that one flush closes of one series: a row that grows is rewritten once
/// for all of them.
#[derive(Default)]
pub(crate) struct Closed([Vec<Window>; TIERS.len()]);

impl Closed {
    /// Takes a closed block's points in; returns the bits of the tiers that will hold its windows.
    pub(crate) fn add(&mut self, points: &[Point]) -> i64 {
        self.add_missing(points, 0)
    }

    /// The same for a block whose windows are in the tiers of `bits` already.
    pub(crate) fn add_missing(&mut self, points: &[Point], mut bits: i64) -> i64 {
        for (tier, held) in TIERS.into_iter().zip(&mut self.0) {
            if bits & rollup::bit(tier) == 0
                && let Some(windows) = rollup::windows(tier, points)
            {
                held.extend(windows);
                bits |= rollup::bit(tier);
            }
        }
        bits
    }

    /// Writes what was taken in; returns how many damaged rows were met.
    pub(crate) fn write(self, conn: &Connection, series: i64) -> Result<u64, Error> {
        let mut damaged = 0;
        for (tier, windows) in TIERS.into_iter().zip(self.0) {
            if !windows.is_empty() {
                damaged += append(conn, series, tier, windows)?;
            }
        }
        Ok(damaged)
    }
}

/// Adds windows to the row that grows, and closes full rows.
fn append(conn: &Connection, series: i64, tier: Tier, new: Vec<Window>) -> Result<u64, Error> {
    let mut damaged = 0;
    let mut windows = Vec::new();
    if let Some(tail) = database::rollup_tail(conn, series, tier)? {
        match rollup::decode(tier, &tail.meta, tail.crc, &tail.data) {
            Some(old) => windows = old,
            None => {
                // It is closed as it is, for a report and a repair; a new one begins.
                database::insert_rollup(conn, series, tier, &tail)?;
                database::delete_rollup_tail(conn, series, tier)?;
                damaged = 1;
            }
        }
    }
    windows.extend(new);
    let windows = rollup::combine(windows);
    let mut rest = windows.as_slice();
    while rest.len() > ROW_WINDOWS {
        let (full, more) = rest.split_at(ROW_WINDOWS);
        if let Some(row) = row(tier, series, full)? {
            database::insert_rollup(conn, series, tier, &row)?;
        }
        rest = more;
    }
    if let Some(row) = row(tier, series, rest)? {
        database::put_rollup_tail(conn, series, tier, &row)?;
    }
    Ok(damaged)
}

fn row(tier: Tier, series: i64, windows: &[Window]) -> Result<Option<Stored>, Error> {
    let Some(meta) = rollup::meta(tier, series, windows) else { return Ok(None) };
    let data = rollup::encode(tier, windows)?;
    Ok(Some(Stored { crc: meta.crc(&data), meta, data }))
}

/// Gives up the windows of a series that its raw blocks can make again: those from the window of
/// the oldest raw block with windows on.
pub(crate) fn keep_before_raw(conn: &Connection, series: i64, tier: Tier) -> Result<(), Error> {
    let oldest: Option<i64> = conn.query_row(
        "SELECT min(t_min) FROM block WHERE series = ?1 AND tiers & ?2 <> 0",
        params![series, rollup::bit(tier)],
        |r| r.get(0),
    )?;
    let Some(oldest) = oldest else { return Ok(()) };
    let begin = Step::of(rollup::length(tier)).begin(Timestamp(oldest));
    let mut kept = Vec::new();
    let mut q = conn.prepare_cached(
        "SELECT id, t_min, t_max, n, crc, data FROM rollup
         WHERE tier = ?1 AND series = ?2 AND t_max >= ?3",
    )?;
    let mut rows = q.query(params![rollup::bit(tier), series, begin.0])?;
    let mut gone: Vec<i64> = Vec::new();
    while let Some(r) = rows.next()? {
        gone.push(r.get(0)?);
        let meta = BlockMeta {
            series: series * 4 + rollup::bit(tier),
            t_min: r.get(1)?,
            t_max: r.get(2)?,
            n: r.get(3)?,
        };
        let (crc, data): (i64, Vec<u8>) = (r.get(4)?, r.get(5)?);
        kept.extend(rollup::decode(tier, &meta, crc as u32, &data).unwrap_or_default());
    }
    for id in gone {
        conn.execute("DELETE FROM rollup WHERE id = ?1", [id])?;
    }
    if let Some(tail) = database::rollup_tail(conn, series, tier)? {
        kept.extend(rollup::decode(tier, &tail.meta, tail.crc, &tail.data).unwrap_or_default());
        database::delete_rollup_tail(conn, series, tier)?;
    }
    kept.retain(|w| w.start < begin);
    if !kept.is_empty() {
        append(conn, series, tier, kept)?;
    }
    Ok(())
}
