//! Brings rows of windows that overlap in time into order.

use ioc_model::{Tier, Window};
use rusqlite::{Connection, params};

use super::turn::{BLOCK, Work};
use crate::Error;
use crate::embedded::layout;
use crate::embedded::query::rollup_row;
use crate::embedded::rollup::{self, ROW_WINDOWS};

/// Rows brought together at once, at most.
const AT_ONCE: usize = 16;

/// Where a row lies.
#[derive(Clone, Copy)]
struct Place {
    id: i64,
    t_min: i64,
    t_max: i64,
    n: i64,
}

/// Merges overlapping and small rows of a series; true when there are no more.
pub(super) fn merge(conn: &Connection, series: i64, work: &mut Work) -> Result<bool, Error> {
    for tier in rollup::TIERS {
        let mut skip = Vec::new();
        loop {
            let places = places(conn, tier, series)?;
            let Some(mut found) = overlapping(&places, &skip) else { break };
            if work.left() <= 0 {
                return Ok(false);
            }
            // The ids say which row is older, and parts are added up in that order.
            found.sort_by_key(|p| p.id);
            if !rewrite(conn, tier, series, &found, work)? {
                skip.extend(found.iter().map(|p| p.id));
            }
        }
    }
    Ok(true)
}

/// The first rows that overlap, or that fit into one.
fn overlapping(places: &[Place], skip: &[i64]) -> Option<Vec<Place>> {
    let mut found: Vec<Place> = Vec::new();
    let (mut reach, mut windows) = (i64::MIN, 0_i64);
    for place in places.iter().filter(|p| !skip.contains(&p.id)) {
        let n = place.n.clamp(0, ROW_WINDOWS as i64 + 1);
        let joins = !found.is_empty()
            && (place.t_min <= reach || windows + n <= ROW_WINDOWS as i64)
            && found.len() < AT_ONCE;
        if !joins {
            if found.len() > 1 {
                break;
            }
            found.clear();
            (reach, windows) = (i64::MIN, 0);
        }
        found.push(*place);
        reach = reach.max(place.t_max);
        windows += n;
    }
    (found.len() > 1).then_some(found)
}

/// Puts ordered rows in the place of these; false when one of them is damaged.
fn rewrite(
    conn: &Connection,
    tier: Tier,
    series: i64,
    places: &[Place],
    work: &mut Work,
) -> Result<bool, Error> {
    let mut windows = Vec::new();
    for place in places {
        work.spend(BLOCK);
        match read(conn, tier, series, place.id)? {
            Some(row) => windows.extend(row),
            None => return Ok(false),
        }
    }
    let windows = rollup::combine(windows);
    let mut delete = conn.prepare_cached("DELETE FROM rollup WHERE id = ?1")?;
    for place in places {
        delete.execute([place.id])?;
    }
    let rows = windows.len().div_ceil(ROW_WINDOWS).max(1);
    let mut ids = places.iter().map(|p| p.id);
    for part in windows.chunks(windows.len().div_ceil(rows).max(1)) {
        insert(conn, ids.next(), tier, series, part)?;
        work.change(10 * BLOCK);
    }
    Ok(true)
}

/// Adds windows, which are in order, to a tier.
pub(super) fn add(
    conn: &Connection,
    series: i64,
    tier: Tier,
    windows: &[Window],
) -> Result<(), Error> {
    for part in windows.chunks(ROW_WINDOWS) {
        insert(conn, None, tier, series, part)?;
    }
    Ok(())
}

fn insert(
    conn: &Connection,
    id: Option<i64>,
    tier: Tier,
    series: i64,
    windows: &[Window],
) -> Result<(), Error> {
    let Some(meta) = rollup::meta(tier, series, windows) else { return Ok(()) };
    let data = rollup::encode(tier, windows)?;
    let mut q = conn.prepare_cached(
        "INSERT INTO rollup (id, tier, series, t_min, t_max, n, crc, data)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    let crc = meta.crc(&data);
    q.execute(params![id, rollup::bit(tier), series, meta.t_min, meta.t_max, meta.n, crc, data])?;
    Ok(())
}

fn places(conn: &Connection, tier: Tier, series: i64) -> Result<Vec<Place>, Error> {
    let mut q = conn.prepare_cached(
        "SELECT id, t_min, t_max, n FROM rollup WHERE tier = ?1 AND series = ?2
         ORDER BY t_min, t_max",
    )?;
    let place = |r: &rusqlite::Row<'_>| {
        Ok(Place { id: r.get(0)?, t_min: r.get(1)?, t_max: r.get(2)?, n: r.get(3)? })
    };
    let places = q.query_map([rollup::bit(tier), series], place)?;
    Ok(places.collect::<Result<_, _>>()?)
}

/// Windows of a row; `None` when it is damaged.
fn read(conn: &Connection, tier: Tier, series: i64, id: i64) -> Result<Option<Vec<Window>>, Error> {
    match rollup_row(conn, tier, series, id) {
        Ok(row) => Ok(rollup::decode(tier, &row.meta, row.crc, &row.data)),
        Err(e) if layout::is_damaged(&e) => Ok(None),
        Err(e) => Err(e),
    }
}
