//! An older file becomes one of this layout: in one transaction, without touching a block.

use rusqlite::{Connection, OptionalExtension};

use super::database;
use super::layout;
use super::maintain::fill;
use crate::Error;

/// Layout 1 had no tiers and wrote everything with each flush: its cursor holds for every series.
/// Blocks of before stand for themselves in the tiers until housekeeping has added their windows.
pub(crate) fn from_1(conn: &mut Connection) -> Result<(), Error> {
    let tx = conn.transaction()?;
    tx.execute_batch(
        "ALTER TABLE block ADD COLUMN tiers INTEGER NOT NULL DEFAULT 0;
         ALTER TABLE series ADD COLUMN next INTEGER NOT NULL DEFAULT 0;
         ALTER TABLE series ADD COLUMN crc INTEGER NOT NULL DEFAULT 0;
         DROP INDEX block_by_time;",
    )?;
    tx.execute_batch(layout::BESIDE)?;
    let next = database::meta(&tx, "cursor")?;
    database::set_cursor(&tx, next)?;
    let mut last = -1;
    while let Some((id, device, property)) = series_after(&tx, last)? {
        database::put_series(&tx, id, (&device, &property), next)?;
        last = id;
    }
    tx.execute(
        "INSERT INTO meta SELECT 'since', t FROM (SELECT min(t) AS t FROM
           (SELECT min(t_min) AS t FROM block UNION SELECT min(t_min) FROM tail))
         WHERE t IS NOT NULL",
        [],
    )?;
    fill::ask(&tx)?;
    layout::note_schema(&tx)?;
    tx.commit()?;
    Ok(())
}

fn series_after(conn: &Connection, id: i64) -> Result<Option<(i64, String, String)>, Error> {
    let mut q = conn.prepare_cached(
        "SELECT id, device, property FROM series WHERE id > ?1 ORDER BY id LIMIT 1",
    )?;
    Ok(q.query_row([id], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?))).optional()?)
}
