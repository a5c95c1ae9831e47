//! How the answer of the life-cycle table is put on a row.

use ioc_model::{AlertRow, HeldBy, Timestamp, Work};

use crate::lifecycle::State;

/// Who of the IOC does what no person does.
pub(super) const SYSTEM: &str = "system";

/// Makes `row` what the table said: `next` came of its present state at `at` by `who`. A shelf or
/// a hold that the state gained must be in the row already: it has more to say than yes or no.
pub(super) fn turn(row: &mut AlertRow, next: State, at: Timestamp, who: &str) {
    row.condition = next.condition;
    if next.acknowledged && !row.acknowledged {
        row.acknowledged_at = Some(at);
        row.acknowledged_by = Some(who.to_owned());
    }
    if !next.acknowledged && row.acknowledged {
        // What was seen was less. The log has who saw it.
        row.acknowledged_at = None;
        row.acknowledged_by = None;
        row.note = None;
    }
    row.acknowledged = next.acknowledged;
    let was = std::mem::replace(&mut row.work, next.work);
    if matches!(next.work, Work::Resolved | Work::Rejected) {
        row.resolved_at.get_or_insert(at);
    }
    if matches!(was, Work::Resolved | Work::Rejected) && next.work == Work::New {
        // It got worse: what was done before does not count.
        row.resolved_at = None;
    }
    match (next.is_open(), row.closed_at) {
        (true, _) => row.closed_at = None,
        (false, None) => row.closed_at = Some(at),
        (false, Some(_)) => {}
    }
    if !next.shelved {
        row.held.retain(|h| h.by != HeldBy::Shelf);
    }
    if !next.suppressed {
        row.held.retain(|h| h.by == HeldBy::Shelf);
    }
    debug_assert_eq!(State::of(row), next, "the row says what the table says");
}
