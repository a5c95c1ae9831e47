//! Personal data of detections: the masked list, and the view of one row with its reason.

use std::sync::Arc;

use ioc_model::{PersonalError, PersonalFilter, PersonalStore};
use serde::Deserialize;
use serde_json::json;
use warp::http::header::{CACHE_CONTROL, HeaderValue};
use warp::reply::Response;

use super::words;
use crate::context::blocking;
use crate::query::bad_parameter;
use crate::reply::{self, ApiError};
use crate::router::Admitted;

const DEFAULT_ROWS: usize = 100;
const MAX_ROWS: usize = 1_000;
/// Characters of a reason: long enough to mean something to who reads the audit log.
const REASON_CHARS: std::ops::RangeInclusive<usize> = 10..=500;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RevealBody {
    reason: String,
}

/// `GET /api/v1/personal`.
pub(crate) async fn personal(call: Admitted) -> Result<Response, ApiError> {
    let query = &call.request.query;
    let hexadecimal = |t: &str| match t.len() {
        16 => u64::from_str_radix(t, 16).ok(),
        _ => None,
    };
    let pseudonym = |t: &str| {
        hexadecimal(t).ok_or_else(|| bad_parameter("pseudonym", "is not 16 hexadecimal digits"))
    };
    let before = |n: i64| u64::try_from(n).map_err(|_| bad_parameter("before", "is negative"));
    let filter = PersonalFilter {
        scope: call.scope.clone(),
        device: query.id("device")?.map(Into::into),
        pseudonym: query.text("pseudonym").map(pseudonym).transpose()?,
        from: query.time("from")?,
        to: query.time("to")?,
        before: query.integer("before")?.map(before).transpose()?,
        limit: query.limit(DEFAULT_ROWS, MAX_ROWS)?,
    };
    let limit = filter.limit;
    let store = store(&call)?;
    let rows = blocking("list personal data", move || store.list(&filter)).await?;
    let rows = rows.map_err(|e| refused("list personal data", &e))?;
    let next = rows.last().filter(|_| rows.len() == limit).map(|r| r.id);
    let answer = reply::json(&call.request.headers, &json!({ "rows": rows, "next": next }))?;
    Ok(unkept(answer))
}

/// `POST /api/v1/personal/{id}/reveal`.
pub(crate) async fn reveal(mut call: Admitted) -> Result<Response, ApiError> {
    let body: RevealBody = call.body().await?;
    let reason = words::required(&body.reason, "reason", "bad_reason")?;
    if !REASON_CHARS.contains(&reason.chars().count()) {
        let message = "reason: 10 to 500 characters that say why";
        return Err(ApiError::bad_request("bad_reason", message));
    }
    let (id, actor, store) = (call.number()?, call.actor()?, store(&call)?);
    let scope = call.scope.clone();
    let work = move || store.reveal(id, &scope, &reason, &actor);
    let revealed = blocking("show personal data", work).await?;
    let revealed = revealed.map_err(|e| refused("show personal data", &e))?;
    Ok(unkept(reply::json(&call.request.headers, &revealed)?))
}

fn store(call: &Admitted) -> Result<Arc<dyn PersonalStore>, ApiError> {
    let store = call.context.parts.personal.as_ref().map(Arc::clone);
    store.ok_or_else(|| ApiError::not_found("this centre keeps no personal data"))
}

fn refused(act: &'static str, error: &PersonalError) -> ApiError {
    match error {
        PersonalError::NotThere => ApiError::not_found("not there, or deleted because of its age"),
        PersonalError::Store(_) => ApiError::internal(act, error),
    }
}

/// Nobody on the way may keep it.
fn unkept(mut answer: Response) -> Response {
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}
