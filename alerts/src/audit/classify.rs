//! Says what was done to the first line that does not follow from the one before.

use ioc_model::RegisterError;
use rusqlite::params;
use rusqlite::types::ValueRef;

use super::chain::{self, CELLS};
use super::verify::{Bad, BadKind, Log, cells};
use super::{Hash, Head};
use crate::schema::store;

/// `here` with the hash `hash` stands after the line `good`, where it does not belong. One more
/// pass over the rest of the log, with one line in memory.
pub(super) fn classify(
    log: &Log<'_>,
    good: &Head,
    here: &[ValueRef<'_>; CELLS],
    hash: &Hash,
) -> Result<Bad, RegisterError> {
    let seq = good.seq + 1;
    let sql = format!("SELECT {}, hash FROM audit WHERE seq > ?1 ORDER BY seq", chain::COLUMNS);
    let mut select = log.db.prepare(&sql).map_err(store)?;
    let mut rows = select.query(params![seq.cast_signed()]).map_err(store)?;
    let copied: bool = log
        .db
        .query_row(
            "SELECT EXISTS (SELECT 1 FROM audit WHERE hash = ?1 AND seq <> ?2)",
            params![hash.bytes(), seq.cast_signed()],
            |r| r.get(0),
        )
        .map_err(store)?;
    let mut bad = Bad::at(BadKind::Edited, seq);
    let (mut before, mut last) = (*hash, seq);
    // A damaged page further on is no reason to say nothing about this line.
    while let Ok(Some(row)) = rows.next() {
        let there = cells(row).map_err(store)?;
        let stored = Hash::read(row.get_ref(CELLS).map_err(store)?);
        let at = u64::try_from(row.get::<_, i64>(0).map_err(store)?).unwrap_or(0);
        let as_this = chain::next(&good.hash, &chain::numbered(&there, seq));
        // What stands here was line `at`: after the line before that, which a swap of neighbours
        // or a move of several has brought to `at` itself.
        let here_as_that = chain::numbered(here, at);
        let moved = [Some(before), stored]
            .into_iter()
            .flatten()
            .any(|before| chain::next(&before, &here_as_that) == *hash);
        // Or only the contents were exchanged, and the hashes stayed.
        if moved && !copied || as_this == *hash {
            return Ok(Bad { kind: BadKind::Reordered, other: Some(at), ..bad });
        }
        if stored == Some(as_this) {
            // The true line comes later.
            bad = match bad.kind {
                // All between were put in, and the rest numbered anew.
                BadKind::Edited => {
                    Bad { kind: BadKind::Inserted, until: at - 1, other: Some(at), ..bad }
                }
                // What looked like taken out was moved.
                BadKind::Deleted => Bad { kind: BadKind::Reordered, other: Some(at), ..bad },
                _ => bad,
            };
        } else if last == seq && stored == Some(chain::next(hash, &chain::numbered(&there, at + 1)))
        {
            // What follows was one line further: one was taken out, the rest numbered anew.
            bad = Bad { kind: BadKind::Deleted, ..bad };
        }
        if let Some(stored) = stored {
            before = stored;
        }
        last = at;
    }
    Ok(bad)
}
