//! Windows of closed blocks into the rows of the tiers, in the transaction that closes the blocks.

use ioc_model::{Point, Tier, Window};
use rusqlite::Connection;

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
        let mut bits = 0;
        for (tier, held) in TIERS.into_iter().zip(&mut self.0) {
            if let Some(windows) = rollup::windows(tier, points) {
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
