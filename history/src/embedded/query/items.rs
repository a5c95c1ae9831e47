//! Rows of the file that a query may need, found page by page in the order of time.

use std::collections::VecDeque;

use ioc_model::Tier;
use rusqlite::{Connection, params};

use crate::Error;
use crate::embedded::block::BlockMeta;
use crate::embedded::database::{Lane, Stored};
use crate::embedded::rollup;

/// Rows found at once: a question with a small limit does not list years.
const PAGE: i64 = 64;

/// Where a row lies; its times are those of the index.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item {
    pub(super) id: i64,
    pub(super) t_min: i64,
    pub(super) t_max: i64,
}

/// What is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Closed blocks of a lane whose points are not in the windows of this tier.
    Blocks(Lane, Tier),
    /// Closed rows of windows.
    Rows(Tier),
}

/// Rows of a series that may reach into [from, to), in the order of their first time.
pub(super) struct Items {
    pub(super) kind: Kind,
    series: i64,
    from: i64,
    to: i64,
    page: i64,
    /// Where the next page begins; `None`: there is none.
    next: Option<i64>,
    found: VecDeque<Item>,
}

impl Items {
    pub(super) fn new(
        conn: &Connection,
        kind: Kind,
        series: i64,
        (from, to): (i64, i64),
    ) -> Result<Self, Error> {
        let next = match kind {
            // In-order blocks do not overlap: of those that begin before `from` only the last
            // (or those that begin together with it) can reach into the range.
            Kind::Blocks(Lane::InOrder, _) => {
                let mut q = conn.prepare_cached(
                    "SELECT max(t_min) FROM block WHERE series = ?1 AND late = 0 AND t_min < ?2",
                )?;
                q.query_row([series, from], |r| r.get::<_, Option<i64>>(0))?.unwrap_or(from)
            }
            _ => i64::MIN,
        };
        let found = VecDeque::new();
        Ok(Self { kind, series, from, to, page: PAGE, next: Some(next), found })
    }

    /// First time of the next row.
    pub(super) fn peek(&mut self, conn: &Connection) -> Result<Option<i64>, Error> {
        while self.found.is_empty() {
            let Some(next) = self.next else { return Ok(None) };
            self.fill(conn, next)?;
        }
        Ok(self.found.front().map(|i| i.t_min))
    }

    pub(super) fn pop(&mut self) -> Option<Item> {
        self.found.pop_front()
    }

    fn fill(&mut self, conn: &Connection, next: i64) -> Result<(), Error> {
        self.found = self.list(conn, next)?.into();
        let full = self.found.len() as i64 == self.page;
        let last = self.found.back().map(|i| i.t_min);
        self.next = last.filter(|_| full);
        let Some(last) = self.next else { return Ok(()) };
        // The rest of those that begin together with the last comes with the next page.
        while self.found.back().is_some_and(|i| i.t_min == last) {
            self.found.pop_back();
        }
        if self.found.is_empty() {
            self.page *= 2;
        }
        Ok(())
    }

    fn list(&self, conn: &Connection, next: i64) -> Result<Vec<Item>, Error> {
        let (series, from, to, page) = (self.series, self.from, self.to, self.page);
        let item =
            |r: &rusqlite::Row<'_>| Ok(Item { id: r.get(0)?, t_min: r.get(1)?, t_max: r.get(2)? });
        // `t_min < to` also ends the search in the index.
        let items = match self.kind {
            Kind::Blocks(lane, tier) => {
                let mut q = conn.prepare_cached(
                    "SELECT id, t_min, t_max FROM block WHERE series = ?1 AND late = ?2
                       AND t_min >= ?3 AND t_min < ?4 AND t_max >= ?5 AND tiers & ?6 = 0
                     ORDER BY t_min, t_max LIMIT ?7",
                )?;
                let at = params![series, lane as i64, next, to, from, rollup::bit(tier), page];
                q.query_map(at, item)?.collect::<Result<_, _>>()?
            }
            Kind::Rows(tier) => {
                let mut q = conn.prepare_cached(
                    "SELECT id, t_min, t_max FROM rollup WHERE tier = ?1 AND series = ?2
                       AND t_min >= ?3 AND t_min < ?4 AND t_max >= ?5
                     ORDER BY t_min, t_max LIMIT ?6",
                )?;
                let at = params![rollup::bit(tier), series, next, to, from, page];
                q.query_map(at, item)?.collect::<Result<_, _>>()?
            }
        };
        Ok(items)
    }
}

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
