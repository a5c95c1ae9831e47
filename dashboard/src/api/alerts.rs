use std::sync::Arc;

use ioc_model::{Acknowledge, AlertFilter, AlertId, AlertRow, RegisterError, Timestamp};
use serde::Deserialize;
use serde_json::{Map, json};
use warp::http::StatusCode;
use warp::reply::Response;

use crate::context::blocking;
use crate::query::{Query, bad_parameter, is_id};
use crate::reply::{self, ApiError};
use crate::router::Admitted;

const DEFAULT_ROWS: usize = 200;
const MAX_ROWS: usize = 1_000;
const MAX_NOTE_CHARS: usize = 2_000;
const MAX_KEY_BYTES: usize = 128;

/// `GET /api/v1/alerts`.
pub(crate) async fn alerts(call: Admitted) -> Result<Response, ApiError> {
    let filter = filter_of(&call.request.query)?;
    let (store, limit) = (Arc::clone(&call.context.parts.alerts), filter.limit);
    let listed = blocking("list alerts", move || store.list(&filter)).await?;
    let (rows, change) = listed.map_err(|e| refused("list alerts", e))?;
    let next = (rows.len() == limit).then(|| rows.last().map(cursor_after)).flatten();
    let counts = call.context.parts.live.alert_counts();
    let answer = json!({ "alerts": rows, "change": change, "next": next, "counts": counts });
    reply::json(&call.request.headers, &answer)
}

fn filter_of(query: &Query) -> Result<AlertFilter, ApiError> {
    let owned = |name| query.id(name).map(|id| id.map(String::from));
    let before = query.text("cursor").map(cursor).transpose()?;
    Ok(AlertFilter {
        open_only: query.flag("open")?,
        service: owned("service")?,
        area: owned("area")?,
        device: owned("device")?,
        min_severity: query.severity("min_severity")?,
        after_change: None,
        limit: query.limit(DEFAULT_ROWS, MAX_ROWS)?,
        before,
    })
}

fn cursor_after(row: &AlertRow) -> String {
    format!("{}-{}", row.raised_at.0, row.id)
}

fn cursor(text: &str) -> Result<(Timestamp, String), ApiError> {
    let parts = text.rsplit_once('-').and_then(|(at, id)| Some((at.parse().ok()?, id)));
    match parts {
        Some((at, id)) if is_id(id) => Ok((Timestamp(at), id.into())),
        _ => Err(bad_parameter("cursor", "is not one that this server gave")),
    }
}

/// `GET /api/v1/alerts/{id}`.
pub(crate) async fn alert(call: Admitted) -> Result<Response, ApiError> {
    let (store, id) = (Arc::clone(&call.context.parts.alerts), AlertId(call.id));
    let act = "read the alert";
    let both = move || Ok((store.get(&id)?, store.audit(&id)?));
    let both: Result<_, RegisterError> = blocking(act, both).await?;
    let (alert, audit) = both.map_err(|e| refused(act, e))?;
    // The alert is named once, not in each line.
    let audit: Vec<_> = audit
        .iter()
        .map(|a| {
            json!({
                "seq": a.seq, "action": a.action, "actor": a.actor, "at": a.at,
                "severity": a.severity, "value": a.value, "limit": a.limit, "note": a.note,
                "message": a.message, "evidence": a.evidence,
            })
        })
        .collect();
    reply::json(&call.request.headers, &json!({ "alert": alert, "audit": audit }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AcknowledgeBody {
    #[serde(default)]
    note: Option<String>,
}

/// `POST /api/v1/alerts/{id}/acknowledge`.
pub(crate) async fn acknowledge(mut call: Admitted) -> Result<Response, ApiError> {
    let body: AcknowledgeBody = call.body().await?;
    let note = body.note.map(|n| n.trim().to_owned()).filter(|n| !n.is_empty());
    if note.as_ref().is_some_and(|n| n.chars().count() > MAX_NOTE_CHARS) {
        return Err(ApiError::bad_request("bad_note", "a note has at most 2000 characters"));
    }
    let request = Acknowledge {
        alert: AlertId(call.id.clone()),
        user: call.who()?.user.clone(),
        note,
        idempotency_key: idempotency_key(&call)?,
        at: call.context.wall(),
    };
    let (store, act) = (Arc::clone(&call.context.parts.alerts), "acknowledge the alert");
    tracing::info!(alert = %request.alert, user = request.user, "acknowledge");
    let row = blocking(act, move || store.acknowledge(&request)).await?;
    let row = row.map_err(|e| refused(act, e))?;
    reply::json(&call.request.headers, &json!({ "alert": row }))
}

fn idempotency_key(call: &Admitted) -> Result<Option<String>, ApiError> {
    let Some(key) = call.request.headers.get("idempotency-key") else { return Ok(None) };
    let printable = |k: &&str| {
        (1..=MAX_KEY_BYTES).contains(&k.len()) && k.bytes().all(|b| b.is_ascii_graphic())
    };
    let key = key.to_str().ok().filter(printable);
    let bad = || ApiError::bad_request("bad_key", "Idempotency-Key: 1 to 128 printable characters");
    key.map(|k| Some(k.to_owned())).ok_or_else(bad)
}

fn refused(act: &'static str, error: RegisterError) -> ApiError {
    match error {
        RegisterError::NotFound(_) => ApiError::not_found("no such alert"),
        RegisterError::AlreadyAcknowledged { by, at, .. } => {
            let message = format!("{by} was faster");
            let extra = Map::from_iter([("by".into(), json!(by)), ("at".into(), json!(at))]);
            let error = ApiError::new(StatusCode::CONFLICT, "already_acknowledged", message);
            ApiError { extra, ..error }
        }
        RegisterError::KeyReused(_) => {
            let message = "this Idempotency-Key was used for another request";
            ApiError::new(StatusCode::CONFLICT, "key_reused", message)
        }
        RegisterError::Store(cause) => ApiError::internal(act, &*cause),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back_and_others_are_refused() {
        let (at, id) = cursor("1761588000123-00ff").expect("our own cursor");
        assert_eq!((at.0, id.as_str()), (1_761_588_000_123, "00ff"));
        assert_eq!(cursor("-5-00ff").expect("before 1970").0.0, -5);
        for bad in ["", "x", "1-", "-ff", "x-ff", "1-a b", "1-a'b"] {
            assert!(cursor(bad).is_err(), "{bad}");
        }
    }
}
