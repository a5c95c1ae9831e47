//! One action of a person on one alert.

use ioc_model::{
    Action, ActionKind, Actor, AlertRow, Held, HeldBy, IncidentId, Refused, RefusedCode,
    RegisterError, RowResult, Scope, Target, Timestamp,
};
use serde_json::json;

use super::{
    batch::{Batch, Line},
    row::turn,
};
use crate::lifecycle::{Event, State};
use crate::schema;

/// Most links of one alert.
const LINKS_MAX: usize = 50;

/// What all alerts of one request share.
pub(super) struct Act<'a> {
    pub action: &'a Action,
    pub actor: &'a Actor,
    /// Where they may act.
    pub scope: &'a Scope,
    /// Nothing of the request is committed yet.
    pub first: bool,
    /// The incident that a split made, for the alerts after the first.
    pub split: Option<IncidentId>,
}

/// Does it to the row as it stands, or says why not. A refusal changes nothing.
pub(super) fn one(
    batch: &mut Batch<'_>,
    act: &mut Act<'_>,
    target: &Target,
    before: Option<AlertRow>,
) -> Result<RowResult, RegisterError> {
    let refused = |row: Option<AlertRow>, refused: Refused| RowResult {
        alert: target.alert.clone(),
        row,
        refused: Some(refused),
    };
    let Some(before) = before else {
        return Ok(refused(None, refusal(RefusedCode::NotFound, None, act.action.kind())));
    };
    if target.version.is_some_and(|version| version != before.ver) {
        let last = schema::last_line(&batch.tx, &target.alert.0, true)?;
        return Ok(refused(Some(before), refusal(RefusedCode::Conflict, last, act.action.kind())));
    }
    match change(batch, act, &before)? {
        Ok(row) => Ok(RowResult { alert: target.alert.clone(), row: Some(row), refused: None }),
        Err(why) => Ok(refused(Some(before), why)),
    }
}

fn change(
    batch: &mut Batch<'_>,
    act: &mut Act<'_>,
    before: &AlertRow,
) -> Result<Result<AlertRow, Refused>, RegisterError> {
    let kind = act.action.kind();
    let next = match State::of(before).after(Event::Act(kind)) {
        Ok(next) => next,
        Err(code) => return why_not(batch, before, code, kind).map(Err),
    };
    let mut row = before.clone();
    if kind == ActionKind::Link && row.links.len() >= LINKS_MAX {
        let mut full = refusal(RefusedCode::NotAllowed, None, kind);
        full.message = format!("it has {LINKS_MAX} links already");
        return Ok(Err(full));
    }
    if let Some(why) = moved(batch, act, &mut row)? {
        return Ok(Err(why));
    }
    let detail = said(act, &before.incident, &mut row);
    turn(&mut row, next, act.actor.at, &act.actor.user);
    let note = note(act.action);
    if !before.acknowledged && row.acknowledged {
        row.note = note.map(str::to_owned);
    }
    let line = Line {
        action: kind.as_str(),
        actor: &act.actor.user,
        origin: act.actor.origin.as_deref(),
        at: act.actor.at,
        note,
        detail: detail.as_deref(),
        found: None,
    };
    batch.record(Some(before), &mut row, &line)?;
    Ok(Ok(row))
}

/// Puts the row into another incident, if that is the action; returns why not.
fn moved(
    batch: &mut Batch<'_>,
    act: &mut Act<'_>,
    row: &mut AlertRow,
) -> Result<Option<Refused>, RegisterError> {
    let kind = act.action.kind();
    match act.action {
        Action::Merge { into } => match batch.merge(row, into, act.scope) {
            Ok(true) => Ok(None),
            Ok(false) => why_not(batch, row, RefusedCode::AlreadyDone, kind).map(Some),
            // It was emptied while the request ran: what was done stays done.
            Err(RegisterError::NoIncident(_)) if !act.first => {
                let mut gone = refusal(RefusedCode::NotFound, None, kind);
                gone.message = format!("incident {into} has no alerts any more");
                Ok(Some(gone))
            }
            Err(e) => Err(e),
        },
        Action::Split { .. } => {
            act.split = Some(batch.split(row, act.split.as_ref())?);
            Ok(None)
        }
        _ => Ok(None),
    }
}

/// Puts into the row what the action brings besides a state; returns it for the log.
fn said(act: &Act<'_>, from: &Option<IncidentId>, row: &mut AlertRow) -> Option<String> {
    let detail = match act.action {
        Action::Assign { to, .. } => {
            row.assignee = Some(to.clone());
            json!({ "to": to })
        }
        Action::Link { link } => {
            row.links.push(link.clone());
            json!({ "link": link })
        }
        Action::Shelve { until, reason } => {
            row.held.retain(|h| h.by != HeldBy::Shelf);
            row.held.push(Held {
                by: HeldBy::Shelf,
                id: String::new(),
                until: Some(*until),
                who: act.actor.user.clone(),
                reason: reason.clone(),
            });
            json!({ "until": until })
        }
        Action::Merge { .. } | Action::Split { .. } => {
            json!({ "into": row.incident, "from": from })
        }
        Action::Comment { .. } => {
            row.comments = row.comments.saturating_add(1);
            return None;
        }
        Action::Acknowledge { .. }
        | Action::Unshelve { .. }
        | Action::Start { .. }
        | Action::Resolve { .. }
        | Action::Close { .. }
        | Action::Reject { .. } => return None,
    };
    Some(detail.to_string())
}

fn note(action: &Action) -> Option<&str> {
    match action {
        Action::Acknowledge { note }
        | Action::Assign { note, .. }
        | Action::Unshelve { note }
        | Action::Start { note }
        | Action::Resolve { note }
        | Action::Close { note }
        | Action::Split { note } => note.as_deref(),
        Action::Comment { text } => Some(text),
        Action::Shelve { reason, .. } | Action::Reject { reason } => Some(reason),
        Action::Link { .. } | Action::Merge { .. } => None,
    }
}

/// What became of an alert, for somebody who may see a scope: of another alert, that there is none.
pub(super) fn within(scope: &Scope, kind: ActionKind, result: RowResult) -> RowResult {
    match &result.row {
        Some(row) if !scope.allows(&row.area, &row.service) => {
            let refused = Some(refusal(RefusedCode::NotFound, None, kind));
            RowResult { alert: result.alert, row: None, refused }
        }
        _ => result,
    }
}

/// Who was faster, where that is the reason.
fn why_not(
    batch: &Batch<'_>,
    row: &AlertRow,
    code: RefusedCode,
    kind: ActionKind,
) -> Result<Refused, RegisterError> {
    let by = match (code, kind, &row.acknowledged_by, row.acknowledged_at) {
        (RefusedCode::AlreadyDone, ActionKind::Acknowledge, Some(who), Some(at)) => {
            Some((who.clone(), at))
        }
        (RefusedCode::AlreadyDone, ..) => schema::last_line(&batch.tx, &row.id.0, false)?,
        _ => None,
    };
    Ok(refusal(code, by, kind))
}

pub(super) fn refusal(
    code: RefusedCode,
    by: Option<(String, Timestamp)>,
    kind: ActionKind,
) -> Refused {
    let what = kind.as_str();
    let message = match code {
        RefusedCode::NotFound => "there is no such alert".to_owned(),
        RefusedCode::Conflict => "it changed since the version that was named".to_owned(),
        RefusedCode::AlreadyDone => format!("{what}: it is done already"),
        RefusedCode::NotAllowed => format!("{what}: its state does not allow it"),
        RefusedCode::StillActive => format!("{what}: the condition still holds"),
        RefusedCode::ChangedSince => "something came after it".to_owned(),
    };
    let (by, at) = by.unzip();
    Refused { code, message, by, at }
}
