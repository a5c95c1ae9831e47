//! What happens to alerts by itself.

use ioc_model::{AlertChanges, AlertRow, RegisterError, Timestamp};
use rusqlite::Connection;
use serde_json::json;

use super::{
    Register,
    apply::never_refused,
    batch::{Batch, Line},
    request,
    row::{SYSTEM, turn},
};
use crate::group::hold;
use crate::lifecycle::{Event, State};
use crate::policy::Timer;
use crate::schema::{self, store};

/// Alerts of one transaction.
const CHUNK: usize = 100;
/// Changes of one call.
pub(super) const MOST: usize = 10_000;

pub(super) fn tick(register: &Register, now: Timestamp) -> Result<AlertChanges, RegisterError> {
    let mut all = AlertChanges::default();
    loop {
        let (more, changes) =
            register.write(|batch| Ok(timers(batch, now)? | batch.due_holds(now)?))?;
        all.alerts.extend(changes.alerts);
        all.incidents.extend(changes.incidents);
        if !more || all.alerts.len() >= MOST {
            break;
        }
    }
    register.write(|batch| request::forget_old(&batch.tx, now))?;
    Ok(all)
}

pub(super) fn next_due(db: &Connection) -> Result<Option<Timestamp>, RegisterError> {
    let at: Option<i64> = db
        .prepare_cached("SELECT min(due_at) FROM alert WHERE due_at IS NOT NULL")
        .and_then(|mut s| s.query_row([], |r| r.get(0)))
        .map_err(store)?;
    Ok(at.map(Timestamp).into_iter().chain(hold::next_due(db)?).min())
}

/// One timer of each of the next alerts that are due; true if there may be more.
fn timers(batch: &mut Batch<'_>, now: Timestamp) -> Result<bool, RegisterError> {
    let due = schema::due(&batch.tx, now, CHUNK)?;
    let more = !due.is_empty();
    for row in due {
        match batch.policy.next_timer(&row) {
            Some((at, timer)) if at <= now => fire(batch, &row, (at, timer), now)?,
            // Only the column was wrong.
            next => schema::set_due(&batch.tx, &row.id.0, next.map(|(at, _)| at))?,
        }
    }
    Ok(more)
}

fn fire(
    batch: &mut Batch<'_>,
    before: &AlertRow,
    (at, timer): (Timestamp, Timer),
    now: Timestamp,
) -> Result<(), RegisterError> {
    let kind = timer.kind();
    let mut row = before.clone();
    let next = never_refused(State::of(before).after(Event::Auto(kind)))?;
    turn(&mut row, next, now, SYSTEM);
    let detail = match timer {
        Timer::ShelfExpired => json!({ "until": at }),
        Timer::AckOverdue => {
            row.overdue = true;
            json!({ "due": "acknowledge", "at": at })
        }
        Timer::ResolveOverdue => {
            row.overdue = true;
            json!({ "due": "resolve", "at": at })
        }
        Timer::Escalate { step, to } => {
            row.escalated = step;
            json!({ "step": step, "to": to })
        }
        Timer::Deescalate(severity) => {
            row.severity = severity;
            // The next step down counts from here.
            row.changed_at = now;
            json!({ "from": before.severity, "to": severity })
        }
        Timer::AutoClose => json!({ "due": at }),
    };
    let line = Line {
        action: kind.as_str(),
        actor: SYSTEM,
        at: now,
        detail: Some(&detail.to_string()),
        ..Line::default()
    };
    batch.record(Some(before), &mut row, &line)
}
