//! Taking a request back.

use ioc_model::{
    ActionKind, ActionOutcome, AlertRow, AutoKind, HeldBy, RefusedCode, RegisterError, RowResult,
    Undo,
};

use super::{
    Register,
    act::{self, refusal},
    batch::{Batch, Line},
    bulk::CHUNK,
    check,
    request::{self, Act, Changed},
};
use crate::schema;

pub(super) fn undo(register: &Register, undo: &Undo) -> Result<ActionOutcome, RegisterError> {
    check::actor(&undo.actor)?;
    let mut results = Vec::new();
    let mut from = Some(0);
    let mut at = undo.actor.at;
    while let Some(n) = from {
        let ((act, next), _) = register.write(|batch| {
            let mut act = find(batch, undo, n == 0)?;
            let next = chunk(batch, &act, undo, (n, &mut results))?;
            if next.is_none() {
                act.undone = true;
                request::save(&batch.tx, &act)?;
            }
            Ok((act, next))
        })?;
        at = act.at;
        from = next;
    }
    let changed = results.iter().any(|r: &RowResult| r.refused.is_none());
    Ok(ActionOutcome {
        act: if changed { undo.act } else { 0 },
        undo_until: at.plus_ms(Undo::WITHIN_MS),
        repeated: false,
        results,
    })
}

/// The request, if it may be taken back. The time counts when the first of its alerts is.
fn find(batch: &Batch<'_>, undo: &Undo, first: bool) -> Result<Act, RegisterError> {
    let cannot = |why: &str| Err(RegisterError::CannotUndo(why.to_owned()));
    let Some(act) = request::by_id(&batch.tx, undo.act.cast_signed())? else {
        return cannot("no such request, or it is too old");
    };
    if act.user != undo.actor.user {
        return cannot("only who did it can take it back");
    }
    if act.done < act.targets {
        return cannot("it is not finished");
    }
    if act.undone {
        return cannot("it was taken back already");
    }
    if first && undo.actor.at.since_ms(act.at) > Undo::WITHIN_MS {
        return cannot("it was more than 10 s ago");
    }
    Ok(act)
}

/// The next alerts, in one transaction; returns where to go on.
fn chunk(
    batch: &mut Batch<'_>,
    act: &Act,
    undo: &Undo,
    (from, results): (u32, &mut Vec<RowResult>),
) -> Result<Option<u32>, RegisterError> {
    let changed = request::changed(&batch.tx, act, from, CHUNK as usize)?;
    let next = (changed.len() == CHUNK as usize).then(|| changed.last().map(|c| c.n + 1)).flatten();
    for one in changed {
        let result = if one.undone { taken_back(batch, one)? } else { row(batch, act, undo, one)? };
        results.push(act::within(&undo.scope, kind(act), result));
    }
    Ok(next)
}

fn kind(act: &Act) -> ActionKind {
    let kind = ActionKind::ALL.iter().find(|k| k.as_str() == act.action);
    kind.copied().unwrap_or(ActionKind::Comment)
}

/// An earlier run took this one back before it was cut off.
fn taken_back(batch: &Batch<'_>, one: Changed) -> Result<RowResult, RegisterError> {
    Ok(RowResult { row: batch.read(&one.alert.0)?, alert: one.alert, refused: None })
}

fn row(
    batch: &mut Batch<'_>,
    act: &Act,
    undo: &Undo,
    one: Changed,
) -> Result<RowResult, RegisterError> {
    let present = batch.read(&one.alert.0)?;
    let present = match present {
        // `act::within` says of it that there is no such alert.
        Some(row) if !undo.scope.allows(&row.area, &row.service) => {
            return Ok(RowResult { alert: one.alert, row: Some(row), refused: None });
        }
        Some(row) if row.ver == one.ver => row,
        row => {
            let last = schema::last_line(&batch.tx, &one.alert.0, true)?;
            let refused = Some(refusal(RefusedCode::ChangedSince, last, kind(act)));
            return Ok(RowResult { alert: one.alert, row, refused });
        }
    };
    let mut row = restored(batch, &present, one.before, undo)?;
    let detail = serde_json::json!({ "act": act.id, "action": act.action }).to_string();
    let line = Line {
        action: AutoKind::Undo.as_str(),
        actor: &undo.actor.user,
        origin: undo.actor.origin.as_deref(),
        at: undo.actor.at,
        detail: Some(&detail),
        ..Line::default()
    };
    batch.record(Some(&present), &mut row, &line)?;
    schema::set_acked_at(&batch.tx, &row.id.0, one.acked_at)?;
    request::set_undone(&batch.tx, act, one.n)?;
    Ok(RowResult { alert: one.alert, row: Some(row), refused: None })
}

/// The row as it was, with the numbers of today. Nothing but the action touched it (its version
/// says so); only holds may have begun or ended while it was closed.
fn restored(
    batch: &mut Batch<'_>,
    present: &AlertRow,
    before: AlertRow,
    undo: &Undo,
) -> Result<AlertRow, RegisterError> {
    let now = undo.actor.at;
    let mut row = before;
    row.ver = present.ver;
    row.change = present.change;
    let shelf = row.held.iter().find(|h| h.by == HeldBy::Shelf && h.until > Some(now)).cloned();
    row.held = shelf.into_iter().collect();
    if present.is_open() {
        row.held.extend(present.held.iter().filter(|h| h.by != HeldBy::Shelf).cloned());
    } else if row.is_open() {
        batch.hold_back(&mut row, now)?;
    }
    Ok(row)
}
