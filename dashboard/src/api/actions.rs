//! What operators do to alerts: to one, to many, and taking it back.

use std::collections::HashSet;

use ioc_model::{
    Action, ActionOutcome, ActionRequest, AlertId, RefusedCode, RowResult, Target, Timestamp, Undo,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use warp::http::StatusCode;
use warp::reply::Response;

use super::alerts::version_tag;
use super::ask::ask;
use super::words;
use crate::reply::{self, ApiError};
use crate::router::Admitted;

const MAX_KEY_BYTES: usize = 128;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NoteBody {
    #[serde(default)]
    pub note: Option<String>,
}

/// A body that says nothing.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EmptyBody {}

/// `POST /api/v1/alerts/{id}/acknowledge`.
pub(crate) async fn acknowledge(mut call: Admitted) -> Result<Response, ApiError> {
    let body: NoteBody = call.body().await?;
    act_on_one(&call, Action::Acknowledge { note: body.note }).await
}

/// `POST /api/v1/alerts/{id}/actions`.
pub(crate) async fn act(mut call: Admitted) -> Result<Response, ApiError> {
    let action: Action = call.body().await?;
    act_on_one(&call, action).await
}

async fn act_on_one(call: &Admitted, action: Action) -> Result<Response, ApiError> {
    let version = reply::if_match(&call.request.headers)?;
    let target = Target { alert: AlertId(call.id.clone()), version };
    let request = request(call, vec![target], action)?;
    let named = version.is_some();
    ask(call, "do this to the alert", move |parts, headers| {
        let ActionOutcome { act, undo_until, results, .. } = parts.alerts.act(&request)?;
        let Some(RowResult { row, refused, .. }) = results.into_iter().next() else {
            let none = std::io::Error::other("the register gave no result");
            return Err(ApiError::internal("do this to the alert", &none).into());
        };
        if let Some(refused) = refused {
            let status = match refused.code {
                RefusedCode::NotFound => return Err(ApiError::not_found("no such alert").into()),
                RefusedCode::Conflict if named => StatusCode::PRECONDITION_FAILED,
                _ => StatusCode::CONFLICT,
            };
            let mut error = ApiError::new(status, refused.code.as_str(), refused.message);
            for (field, value) in
                [("by", json!(refused.by)), ("at", json!(refused.at)), ("alert", json!(row))]
            {
                error.extra.insert(field.into(), value);
            }
            return Err(error.into());
        }
        let tag = row.as_ref().map(version_tag);
        let answer = json!({ "alert": row, "act": act, "undo_until": undo_until });
        let answer = reply::json(headers, &answer)?;
        Ok(match tag {
            Some(tag) => reply::tagged(answer, &tag, "no-store")?,
            None => answer,
        })
    })
    .await
}

fn request(
    call: &Admitted,
    targets: Vec<Target>,
    action: Action,
) -> Result<ActionRequest, ApiError> {
    let action = words::clean(action)?;
    let (actor, key) = (call.actor()?, idempotency_key(call)?);
    let request = ActionRequest { targets, action, actor, scope: call.scope.clone(), key };
    tracing::info!(
        user = request.actor.user,
        action = request.action.kind().as_str(),
        alerts = request.targets.len(),
        "action on alerts"
    );
    Ok(request)
}

/// One alert of a bulk request.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BulkTarget {
    id: String,
    #[serde(default)]
    version: Option<u64>,
}

/// The action and its alerts stand side by side in the body; each part refuses what it does not
/// know.
fn bulk(body: Value) -> Result<(Action, Vec<Target>), ApiError> {
    let bad = |message: String| ApiError::bad_request("bad_body", message);
    let Value::Object(mut fields) = body else {
        return Err(bad("body: not an object".into()));
    };
    let alerts = fields.remove("alerts").unwrap_or_default();
    let alerts: Vec<BulkTarget> =
        serde_json::from_value(alerts).map_err(|e| bad(format!("alerts: {e}")))?;
    let action = serde_json::from_value(Value::Object(fields));
    let action = action.map_err(|e| bad(format!("body: {e}")))?;
    if !(1..=ActionRequest::MAX_TARGETS).contains(&alerts.len()) {
        return Err(bad(format!("alerts: 1 to {} of them", ActionRequest::MAX_TARGETS)));
    }
    for target in &alerts {
        words::id(&target.id, "alerts[].id")?;
    }
    let mut seen = HashSet::new();
    let targets = alerts.into_iter().filter(|t| seen.insert(t.id.clone()));
    let targets = targets.map(|t| Target { alert: AlertId(t.id), version: t.version }).collect();
    Ok((action, targets))
}

/// `POST /api/v1/alerts/actions`.
pub(crate) async fn act_on_many(mut call: Admitted) -> Result<Response, ApiError> {
    let (action, targets) = bulk(call.body().await?)?;
    let request = request(&call, targets, action)?;
    ask(&call, "do this to the alerts", move |parts, headers| {
        let outcome = parts.alerts.act(&request)?;
        Ok(reply::json(headers, &Done::of(&outcome))?)
    })
    .await
}

/// `POST /api/v1/alerts/actions/{act}/undo`.
pub(crate) async fn undo(mut call: Admitted) -> Result<Response, ApiError> {
    let EmptyBody {} = call.body().await?;
    let request = Undo { act: call.number()?, actor: call.actor()?, scope: call.scope.clone() };
    tracing::info!(user = request.actor.user, act = request.act, "undo");
    ask(&call, "undo this", move |parts, headers| {
        let outcome = parts.alerts.undo(&request)?;
        Ok(reply::json(headers, &Done::of(&outcome))?)
    })
    .await
}

/// What became of many.
#[derive(Serialize)]
struct Done<'a> {
    act: u64,
    undo_until: Timestamp,
    repeated: bool,
    done: usize,
    results: &'a [RowResult],
}

impl<'a> Done<'a> {
    fn of(outcome: &'a ActionOutcome) -> Self {
        Self {
            act: outcome.act,
            undo_until: outcome.undo_until,
            repeated: outcome.repeated,
            done: outcome.results.iter().filter(|r| r.refused.is_none()).count(),
            results: &outcome.results,
        }
    }
}

fn idempotency_key(call: &Admitted) -> Result<Option<String>, ApiError> {
    let mut keys = call.request.headers.get_all("idempotency-key").iter();
    let Some(key) = keys.next() else { return Ok(None) };
    let printable = |k: &&str| {
        (1..=MAX_KEY_BYTES).contains(&k.len()) && k.bytes().all(|b| b.is_ascii_graphic())
    };
    let key = key.to_str().ok().filter(printable).filter(|_| keys.next().is_none());
    let bad = || ApiError::bad_request("bad_key", "Idempotency-Key: 1 to 128 printable characters");
    key.map(|k| Some(k.to_owned())).ok_or_else(bad)
}
