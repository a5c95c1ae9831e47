//! Gives up what is older than it is kept.

use ioc_model::Tier;
use rusqlite::{Connection, params};

use super::floors::Floors;
use super::turn::Work;
use crate::Error;
use crate::embedded::database::Lane;
use crate::embedded::rollup;

/// Deletes blocks and rows of a series that lie before the floors; true when nothing is left to
/// delete. What grows (tails) stays: the newest values of a sensor that fell silent stay known,
/// and so does its series.
pub(super) fn expire(
    conn: &Connection,
    series: i64,
    floors: &Floors,
    work: &mut Work,
) -> Result<bool, Error> {
    for lane in [Lane::InOrder, Lane::Late] {
        if floors.of(Tier::Raw) != i64::MIN && !blocks(conn, series, lane, floors, work)? {
            return Ok(false);
        }
    }
    for tier in rollup::TIERS {
        if floors.of(tier) != i64::MIN && !rows(conn, series, tier, floors, work)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn blocks(
    conn: &Connection,
    series: i64,
    lane: Lane,
    floors: &Floors,
    work: &mut Work,
) -> Result<bool, Error> {
    // A block lives as long as the coarsest tier for which it stands itself.
    let mut q = conn.prepare_cached(
        "SELECT id, n FROM block WHERE series = ?1 AND late = ?2 AND t_min < ?3 AND t_max < ?3
           AND (tiers & 1 OR t_max < ?4) AND (tiers & 2 OR t_max < ?5) ORDER BY t_min LIMIT ?6",
    )?;
    let [raw, minute, hour] = [Tier::Raw, Tier::Minute, Tier::Hour].map(|t| floors.of(t));
    let at = params![series, lane as i64, raw, minute, hour, work.left()];
    let found = q.query_map(at, |r| Ok((r.get(0)?, r.get(1)?)))?;
    let found: Vec<(i64, i64)> = found.collect::<Result<_, _>>()?;
    let mut delete = conn.prepare_cached("DELETE FROM block WHERE id = ?1")?;
    for (id, n) in &found {
        delete.execute([id])?;
        work.change(1);
        work.expired_points += (*n).max(0) as u64;
    }
    Ok(work.left() > 0)
}

fn rows(
    conn: &Connection,
    series: i64,
    tier: Tier,
    floors: &Floors,
    work: &mut Work,
) -> Result<bool, Error> {
    let mut q = conn.prepare_cached(
        "DELETE FROM rollup WHERE id IN (SELECT id FROM rollup WHERE tier = ?1 AND series = ?2
           AND t_min < ?3 AND t_max < ?3 ORDER BY t_min LIMIT ?4)",
    )?;
    let at = params![rollup::bit(tier), series, floors.of(tier), work.left()];
    work.change(q.execute(at)? as i64);
    Ok(work.left() > 0)
}
