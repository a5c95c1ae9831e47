use std::sync::Arc;

use serde_json::json;
use warp::http::StatusCode;
use warp::reply::Response;

use crate::context::blocking;
use crate::reply::{self, ApiError};
use crate::router::Admitted;

const DEFAULT_MESSAGES: usize = 100;
const MAX_MESSAGES: usize = 1_000;
/// Newest refused messages among which those of a scope are looked for.
const MAX_LOOKED_AT: usize = 10_000;

/// A plain text answer.
pub(crate) fn text(status: StatusCode, body: impl Into<bytes::Bytes>) -> Response {
    reply::bytes(status, "text/plain; charset=utf-8", body)
}

/// `GET /api/v1/ledger`.
pub(crate) fn ledger(call: &Admitted) -> Result<Response, ApiError> {
    reply::json(&call.request.headers, &call.context.parts.ledger.snapshot())
}

/// `GET /api/v1/quarantine`.
pub(crate) async fn quarantine(call: Admitted) -> Result<Response, ApiError> {
    let query = &call.request.query;
    let device = query.id("device")?.map(String::from);
    let limit = query.limit(DEFAULT_MESSAGES, MAX_MESSAGES)?;
    let (store, act) = (Arc::clone(&call.context.parts.quarantine), "read the quarantine");
    // Refused messages have no area of their own: their device's counts.
    let among = if call.scope.is_city() { limit } else { MAX_LOOKED_AT };
    let rows = blocking(act, move || store.newest(device.as_deref(), among)).await?;
    let mut rows = rows.map_err(|e| ApiError::internal(act, &*e))?;
    if !call.scope.is_city() {
        rows.retain(|r| r.device.as_deref().is_some_and(|d| call.sees_device(d)));
        rows.truncate(limit);
    }
    reply::json(&call.request.headers, &json!({ "messages": rows }))
}

/// `GET /api/v1/status`: what the application says, and what it leaves to us.
pub(crate) async fn status(call: Admitted) -> Result<Response, ApiError> {
    let parts = &call.context.parts;
    let ask = Arc::clone(&parts.status);
    let mut status = blocking("read the status", move || ask()).await?;
    if let Some(fields) = status.as_object_mut() {
        if !fields.contains_key("history") {
            fields.insert("history".into(), json!(parts.history.stats().await));
        }
        let watermark = || json!(parts.live.watermark());
        fields.entry("watermark").or_insert_with(watermark);
        fields.entry("dashboard").or_insert_with(|| call.context.figures());
    }
    reply::json(&call.request.headers, &status)
}

/// `GET /readyz`.
pub(crate) fn ready(call: &Admitted) -> Response {
    match (call.context.parts.ready)() {
        Ok(()) => text(StatusCode::OK, "ready\n"),
        Err(why) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    }
}

/// `GET /metrics`.
pub(crate) async fn metrics(call: Admitted) -> Result<Response, ApiError> {
    let ask = Arc::clone(&call.context.parts.metrics);
    let mut body = blocking("read the metrics", move || ask()).await?;
    if !body.is_empty() && !body.ends_with('\n') {
        body.push('\n');
    }
    body.push_str(&call.context.metrics());
    Ok(reply::bytes(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", body))
}
