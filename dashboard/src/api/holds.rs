//! Maintenance windows, and what is out of service.

use ioc_model::{HeldBy, HoldId, HoldRequest, HoldScope, Timestamp};
use serde::Deserialize;
use serde_json::json;
use warp::http::StatusCode;
use warp::reply::Response;

use super::actions::NoteBody;
use super::ask::{ask, with_status};
use super::words;
use crate::reply::{self, ApiError};
use crate::router::Admitted;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HoldBody {
    by: HeldBy,
    scope: HoldScope,
    #[serde(default)]
    from: Option<Timestamp>,
    #[serde(default)]
    until: Option<Timestamp>,
    reason: String,
}

/// `GET /api/v1/holds`.
pub(crate) async fn holds(call: Admitted) -> Result<Response, ApiError> {
    let with_ended = call.request.query.flag("ended")?;
    let scope = call.scope.clone();
    ask(&call, "list holds", move |parts, headers| {
        let holds = parts.alerts.holds(with_ended, &scope)?;
        Ok(reply::json(headers, &json!({ "holds": holds }))?)
    })
    .await
}

fn check(body: &HoldBody) -> Result<(), ApiError> {
    let bad = |message: &str| ApiError::bad_request("bad_body", message);
    let HoldScope { rule, device, area, service } = &body.scope;
    let fields = [
        (rule, "scope.rule"),
        (device, "scope.device"),
        (area, "scope.area"),
        (service, "scope.service"),
    ];
    for (given, name) in fields {
        given.as_ref().map_or(Ok(()), |id| words::id(id, name))?;
    }
    if fields.iter().all(|(given, _)| given.is_none()) {
        return Err(bad("scope: a rule, a device, an area or a service"));
    }
    match (body.by, body.until) {
        (HeldBy::Maintenance, None) => Err(bad("until: a maintenance window has an end")),
        (HeldBy::Maintenance | HeldBy::OutOfService, until) => match (body.from, until) {
            (Some(from), Some(until)) if from >= until => Err(bad("from: is not before `until`")),
            _ => Ok(()),
        },
        (HeldBy::Shelf | HeldBy::Parent, _) => Err(bad("by: maintenance or out_of_service")),
    }
}

/// `POST /api/v1/holds`.
pub(crate) async fn hold(mut call: Admitted) -> Result<Response, ApiError> {
    let body: HoldBody = call.body().await?;
    check(&body)?;
    let HoldBody { by, scope, from, until, reason } = body;
    let reason = words::required(&reason, "reason", "bad_reason")?;
    let (within, actor) = (call.scope.clone(), call.actor()?);
    let request = HoldRequest { by, scope, within, from, until, reason, actor };
    tracing::info!(user = request.actor.user, by = ?request.by, "hold");
    ask(&call, "hold these alerts", move |parts, headers| {
        let hold = parts.alerts.hold(&request)?;
        let answer = reply::json(headers, &json!({ "hold": hold }))?;
        Ok(with_status(answer, StatusCode::CREATED))
    })
    .await
}

/// `POST /api/v1/holds/{id}/end`.
pub(crate) async fn end_hold(mut call: Admitted) -> Result<Response, ApiError> {
    let body: NoteBody = call.body().await?;
    let (id, who, note) = (HoldId(call.number()?), call.actor()?, words::note(body.note)?);
    tracing::info!(user = who.user, hold = id.0, "hold ended");
    let within = call.scope.clone();
    ask(&call, "end the hold", move |parts, headers| {
        let hold = parts.alerts.end_hold(&id, &within, &who, note.as_deref())?;
        Ok(reply::json(headers, &json!({ "hold": hold }))?)
    })
    .await
}
