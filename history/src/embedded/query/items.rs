//! Rows of the file that a query may need.

use ioc_model::Tier;
use rusqlite::Connection;

use crate::Error;
use crate::embedded::block::BlockMeta;
use crate::embedded::database::Stored;
use crate::embedded::rollup;

/// A closed row of windows.
pub(crate) fn rollup_row(
    conn: &Connection,
    tier: Tier,
    series: i64,
    id: i64,
) -> Result<Stored, Error> {
    let mut q =
        conn.prepare_cached("SELECT t_min, t_max, n, crc, data FROM rollup WHERE id = ?1")?;
    let series = rollup::covered(tier, series);
    Ok(q.query_row([id], |r| {
        let meta = BlockMeta { series, t_min: r.get(0)?, t_max: r.get(1)?, n: r.get(2)? };
        // A flipped bit can make the number any integer: it then is just a wrong checksum.
        let crc: i64 = r.get(3)?;
        Ok(Stored { meta, crc: crc as u32, data: r.get(4)? })
    })?)
}
