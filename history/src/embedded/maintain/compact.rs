//! Brings late points into the blocks of their time, and small blocks together.
//!
//! Tiers need no subtraction: the points of a merged block are in a tier as they were before,
//! either all of them with windows or all by the block itself. Where the sources differ, the
//! windows of those that stood for themselves are added to the tier.
//!
//! Of several points of one moment the order of arrival is kept: in-order points, then late ones
//! by the age of their block.

use ioc_model::{Point, Tier};
use rusqlite::{Connection, OptionalExtension, params};

use super::rows;
use super::turn::{BLOCK, Work};
use crate::Error;
use crate::aggregate;
use crate::embedded::block::BLOCK_POINTS;
use crate::embedded::database::{self, Lane, Stored};
use crate::embedded::layout;
use crate::embedded::rollup;

/// Blocks brought together at once, at most.
const AT_ONCE: usize = 24;

/// A closed block with its points.
struct Piece {
    id: i64,
    tiers: i64,
    points: Vec<Point>,
}

/// Merges late blocks with the in-order ones that they overlap; true when none is left that can
/// be merged. Those that reach into a damaged block stay as they are.
pub(super) fn late(conn: &Connection, series: i64, work: &mut Work) -> Result<bool, Error> {
    // Without a tail nothing says where the in-order blocks to come begin.
    let Some(border) = tail_begin(conn, series)? else { return Ok(true) };
    for id in late_ids(conn, series)? {
        if work.left() <= 0 {
            return Ok(false);
        }
        // A part of a late block at a time, until nothing of it is left.
        while late_part(conn, series, id, border, work)? {
            if work.left() <= 0 {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// Merges the first part of a late block; true when something of it is left to merge.
fn late_part(
    conn: &Connection,
    series: i64,
    id: i64,
    border: i64,
    work: &mut Work,
) -> Result<bool, Error> {
    work.spend(BLOCK);
    let Some(late) = piece(conn, series, id)? else { return Ok(false) };
    let (Some(first), Some(last)) = (late.points.first(), late.points.last()) else {
        return Ok(false);
    };
    if last.time.0 > border {
        return Ok(false);
    }
    let to = last.time.0.saturating_add(1);
    let over = database::blocks_in(conn, series, Lane::InOrder, first.time.0, to)?;
    // Points from here on stay for the next part.
    let cut = match over.get(AT_ONCE) {
        Some(next) => begin_of(conn, *next)?,
        None => i64::MAX,
    };
    let (now, rest): (Vec<Point>, Vec<Point>) = late.points.iter().partition(|p| p.time.0 < cut);
    if now.is_empty() {
        return Ok(false);
    }
    let mut pieces = Vec::new();
    for id in over.into_iter().take(AT_ONCE) {
        work.spend(BLOCK);
        match piece(conn, series, id)? {
            Some(piece) => pieces.push(piece),
            None => return Ok(false),
        }
    }
    pieces.push(Piece { points: now, ..late });
    work.merged_blocks += pieces.len() as u64;
    let left = Stored::new(series, &rest)?;
    replace(conn, series, &pieces, left, work)?;
    Ok(!rest.is_empty())
}

/// Brings neighbours together that fit into one block; true when there are no more.
pub(super) fn small(conn: &Connection, series: i64, work: &mut Work) -> Result<bool, Error> {
    let mut skip = Vec::new();
    loop {
        let Some(run) = small_run(conn, series, &skip)? else { return Ok(true) };
        if work.left() <= 0 {
            return Ok(false);
        }
        let mut pieces = Vec::new();
        for id in &run {
            work.spend(BLOCK);
            pieces.extend(piece(conn, series, *id)?);
        }
        if pieces.len() < run.len() {
            skip.extend(run);
            continue;
        }
        work.merged_blocks += pieces.len() as u64;
        replace(conn, series, &pieces, None, work)?;
    }
}

/// The first neighbours in time that have together no more points than a full block.
fn small_run(conn: &Connection, series: i64, skip: &[i64]) -> Result<Option<Vec<i64>>, Error> {
    let mut q = conn.prepare_cached(
        "SELECT id, n FROM block WHERE series = ?1 AND late = 0 ORDER BY t_min, t_max",
    )?;
    let mut blocks = q.query([series])?;
    let (mut run, mut points) = (Vec::new(), 0_i64);
    while let Some(r) = blocks.next()? {
        let (id, n): (i64, i64) = (r.get(0)?, r.get(1)?);
        let n = n.max(0);
        let fits = points.saturating_add(n) <= BLOCK_POINTS as i64 && run.len() < AT_ONCE;
        if !fits || skip.contains(&id) {
            if run.len() > 1 {
                break;
            }
            run.clear();
            points = 0;
        }
        if !skip.contains(&id) && n <= BLOCK_POINTS as i64 {
            run.push(id);
            points += n;
        }
    }
    Ok((run.len() > 1).then_some(run))
}

/// Puts in-order blocks in the place of `pieces`, whose points of one moment are in the order of
/// arrival when read piece by piece. `left` is what stays of the last of them.
fn replace(
    conn: &Connection,
    series: i64,
    pieces: &[Piece],
    left: Option<Stored>,
    work: &mut Work,
) -> Result<(), Error> {
    let all = pieces.iter().fold(0, |bits, p| bits | p.tiers);
    for tier in rollup::TIERS {
        let bit = rollup::bit(tier);
        for piece in pieces.iter().filter(|p| all & bit != 0 && p.tiers & bit == 0) {
            rows::add(conn, series, tier, &windows(tier, &piece.points))?;
        }
    }
    let mut delete = conn.prepare_cached("DELETE FROM block WHERE id = ?1")?;
    for piece in pieces {
        delete.execute([piece.id])?;
    }
    if let (Some(left), Some(late)) = (left, pieces.last()) {
        // Its number says when it came; it is taken before SQLite gives it to another block.
        insert(conn, Some(late.id), Lane::Late, late.tiers, &left)?;
    }
    let mut points: Vec<Point> = pieces.iter().flat_map(|p| p.points.iter().copied()).collect();
    points.sort_by_key(|p| p.time);
    // Blocks of equal size, as near to a full one as possible: a full block that takes one late
    // point does not fall into halves.
    let blocks = ((points.len() + BLOCK_POINTS / 2) / BLOCK_POINTS).max(1);
    for part in points.chunks(points.len().div_ceil(blocks).max(1)) {
        if let Some(block) = Stored::new(series, part)? {
            insert(conn, None, Lane::InOrder, all, &block)?;
            work.change(10 * BLOCK);
        }
    }
    Ok(())
}

/// Windows of points in the order of time, whether they pay or not.
fn windows(tier: Tier, points: &[Point]) -> Vec<ioc_model::Window> {
    aggregate::windows_of(ioc_model::Step::of(rollup::length(tier)), points)
}

fn insert(
    conn: &Connection,
    id: Option<i64>,
    lane: Lane,
    tiers: i64,
    block: &Stored,
) -> Result<(), Error> {
    let mut q = conn.prepare_cached(
        "INSERT INTO block (id, series, late, t_min, t_max, n, crc, data, tiers)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?;
    let m = &block.meta;
    q.execute(params![
        id,
        m.series,
        lane as i64,
        m.t_min,
        m.t_max,
        m.n,
        block.crc,
        block.data,
        tiers
    ])?;
    Ok(())
}

/// `None` when it is damaged.
fn piece(conn: &Connection, series: i64, id: i64) -> Result<Option<Piece>, Error> {
    let stored = match database::block(conn, series, id) {
        Ok(stored) => stored,
        Err(e) if layout::is_damaged(&e) => return Ok(None),
        Err(e) => return Err(e),
    };
    let mut q = conn.prepare_cached("SELECT tiers FROM block WHERE id = ?1")?;
    let tiers = q.query_row([id], |r| r.get(0))?;
    Ok(stored.points().map(|points| Piece { id, tiers, points }))
}

fn tail_begin(conn: &Connection, series: i64) -> Result<Option<i64>, Error> {
    let mut q = conn.prepare_cached("SELECT t_min FROM tail WHERE slot = ?1")?;
    Ok(q.query_row([series * 2 + Lane::InOrder as i64], |r| r.get(0)).optional()?)
}

fn begin_of(conn: &Connection, id: i64) -> Result<i64, Error> {
    let mut q = conn.prepare_cached("SELECT t_min FROM block WHERE id = ?1")?;
    Ok(q.query_row([id], |r| r.get(0))?)
}

fn late_ids(conn: &Connection, series: i64) -> Result<Vec<i64>, Error> {
    let mut q =
        conn.prepare_cached("SELECT id FROM block WHERE series = ?1 AND late = 1 ORDER BY id")?;
    let ids = q.query_map([series], |r| r.get(0))?;
    Ok(ids.collect::<Result<_, _>>()?)
}
