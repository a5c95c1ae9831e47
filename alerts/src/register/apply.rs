//! What the rules found.

use std::collections::HashMap;

use ioc_model::{
    AlertRow, AutoKind, Condition, RefusedCode, RegisterError, Transition, TransitionKind,
};

use super::{
    batch::{Batch, Line},
    row::turn,
};
use crate::lifecycle::{Event, State};
use crate::schema::{self, CURSOR};

pub(super) fn apply(
    batch: &mut Batch<'_>,
    next: u64,
    transitions: &[Transition],
) -> Result<(), RegisterError> {
    let cursor = schema::meta(&batch.tx, CURSOR)?;
    // As it was before this call: one entry may change an alert twice.
    let mut applied: HashMap<&str, u64> = HashMap::new();
    for t in transitions {
        let id = t.alert.0.as_str();
        let below = match applied.get(id) {
            Some(below) => *below,
            None => *applied.entry(id).or_insert(schema::applied(&batch.tx, id)?),
        };
        if t.position >= below && one(batch, t)? {
            schema::set_applied(&batch.tx, id, t.position.saturating_add(1))?;
        }
    }
    schema::set_meta(&batch.tx, CURSOR, cursor.max(next))
}

/// False when it changes nothing: an episode that is there already, or a change to one that never
/// was or is over.
fn one(batch: &mut Batch<'_>, t: &Transition) -> Result<bool, RegisterError> {
    match (batch.read(&t.alert.0)?, t.kind) {
        (None, TransitionKind::Raise) => raise(batch, t)?,
        (Some(row), TransitionKind::Severity | TransitionKind::Clear)
            if row.condition == Condition::Active =>
        {
            change(batch, t, row)?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn raise(batch: &mut Batch<'_>, t: &Transition) -> Result<(), RegisterError> {
    let mut row = AlertRow::raised(t);
    set_clocks(batch, &mut row);
    batch.place(&mut row)?;
    let actor = actor(t);
    batch.record(None, &mut row, &line(t, AutoKind::Raise, &actor))
}

fn change(batch: &mut Batch<'_>, t: &Transition, before: AlertRow) -> Result<(), RegisterError> {
    let (event, kind) = match t.kind {
        TransitionKind::Clear => (Event::Auto(AutoKind::Clear), AutoKind::Clear),
        _ if t.severity > before.severity_max => (Event::Worse, AutoKind::Severity),
        _ => (Event::Auto(AutoKind::Severity), AutoKind::Severity),
    };
    let mut row = before.clone();
    row.severity = t.severity;
    row.severity_max = row.severity_max.max(t.severity);
    row.changed_at = t.time;
    row.value = t.value;
    row.limit = t.limit;
    row.message.clone_from(&t.message);
    if kind == AutoKind::Clear {
        row.cleared_at = Some(t.time);
    }
    let actor = actor(t);
    turn(&mut row, never_refused(State::of(&before).after(event))?, t.time, &actor);
    if event == Event::Worse {
        if batch.policy.waits_anew(&before, &row) {
            (row.waiting_since, row.escalated, row.overdue) = (Some(t.time), 0, false);
            set_clocks(batch, &mut row);
        }
        batch.hold_back(&mut row, t.time)?;
    }
    batch.record(Some(&before), &mut row, &line(t, kind, &actor))
}

fn actor(t: &Transition) -> String {
    format!("rule:{}", t.rule)
}

fn line<'a>(t: &'a Transition, kind: AutoKind, actor: &'a str) -> Line<'a> {
    let action = kind.as_str();
    Line { action, actor, at: t.time, found: Some(t), ..Line::default() }
}

/// Due times by the worst of the episode.
fn set_clocks(batch: &Batch<'_>, row: &mut AlertRow) {
    let clocks = batch.policy.clocks(row);
    row.ack_due = clocks.ack_due;
    row.resolve_due = clocks.resolve_due;
}

/// The table refuses only people.
pub(super) fn never_refused(after: Result<State, RefusedCode>) -> Result<State, RegisterError> {
    after.map_err(|code| RegisterError::Bad(format!("the table refused a rule: {}", code.as_str())))
}
