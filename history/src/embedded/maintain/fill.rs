//! Windows for blocks that stand for themselves though windows would pay: blocks of an older
//! layout, and all blocks after a salvage, which cannot know which windows it lost.

use rusqlite::{Connection, OptionalExtension, params};

use super::floors;
use super::turn::{BLOCK, Work};
use crate::Error;
use crate::embedded::database;
use crate::embedded::layout;
use crate::embedded::tiers::Closed;

/// The next block to look at, and the last one.
const NEXT: &str = "fill_next";
const TO: &str = "fill_to";

/// Asks for it: all blocks that are there now are looked at, in turns of housekeeping.
pub(crate) fn ask(conn: &Connection) -> Result<(), Error> {
    let last: Option<i64> = conn.query_row("SELECT max(id) FROM block", [], |r| r.get(0))?;
    floors::put(conn, NEXT, 0)?;
    floors::put(conn, TO, last.unwrap_or(0))
}

/// Somebody asked, and it is not done.
pub(super) fn is_wanted(conn: &Connection) -> Result<bool, Error> {
    Ok(floors::get(conn, TO)?.is_some())
}

/// Looks at a bounded number of blocks.
pub(super) fn turn(conn: &Connection, work: &mut Work) -> Result<(), Error> {
    let to = floors::get(conn, TO)?.unwrap_or(0);
    let mut next = floors::get(conn, NEXT)?.unwrap_or(0);
    while work.left() > 0 {
        let mut q = conn.prepare_cached(
            "SELECT id, series, tiers FROM block WHERE id BETWEEN ?1 AND ?2 AND tiers <> 3
             ORDER BY id LIMIT 1",
        )?;
        let found = q.query_row([next, to], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)));
        let Some((id, series, tiers)) = found.optional()? else {
            conn.execute("DELETE FROM meta WHERE key IN (?1, ?2)", [NEXT, TO])?;
            return Ok(());
        };
        work.spend(BLOCK);
        next = id + 1;
        let points = match database::block(conn, series, id) {
            Ok(block) => block.points(),
            Err(e) if layout::is_damaged(&e) => None,
            Err(e) => return Err(e),
        };
        let Some(points) = points else { continue };
        let mut closed = Closed::default();
        let bits = closed.add_missing(&points, tiers);
        if bits != tiers {
            closed.write(conn, series)?;
            conn.execute("UPDATE block SET tiers = ?2 WHERE id = ?1", params![id, bits])?;
            work.spend(BLOCK);
        }
    }
    floors::put(conn, NEXT, next)
}
