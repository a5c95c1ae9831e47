use serde_json::json;
use std::sync::Arc;
use warp::reply::Response;

use super::REVALIDATE;
use crate::context::blocking;
use crate::reply::{self, ApiError};
use crate::router::Admitted;

/// Refused messages shown with a device.
const DEVICE_QUARANTINE: usize = 20;

/// `GET /api/v1/devices`.
pub(crate) async fn devices(call: Admitted) -> Result<Response, ApiError> {
    let (context, scope) = (Arc::clone(&call.context), call.scope.clone());
    let work = move || context.device_document(&scope);
    let document = blocking("list the devices", work).await?;
    Ok(document.answer(&call.request.headers, REVALIDATE))
}

/// `GET /api/v1/devices/{id}`.
pub(crate) async fn device(call: Admitted) -> Result<Response, ApiError> {
    let found = call.context.parts.live.device(&call.id, &call.scope);
    let device = found.ok_or_else(|| ApiError::not_found("no such device"))?;
    let (store, id) = (Arc::clone(&call.context.parts.quarantine), call.id.clone());
    let act = "read the quarantine";
    let rows = blocking(act, move || store.newest(Some(&id), DEVICE_QUARANTINE)).await?;
    let rows = rows.map_err(|e| ApiError::internal(act, &*e))?;
    let quarantined = rows.iter().map(|r| {
        json!({
            "at": r.at, "topic": r.topic, "reason": r.reason, "detail": r.detail,
            "payload": r.payload,
        })
    });
    reply::json(&call.request.headers, &device.json(quarantined.collect()))
}

/// `GET /api/v1/services`: the tiles as they were at the last sweep.
pub(crate) fn services(call: &Admitted) -> Response {
    let tiles = call.context.parts.live.tiles_now(&call.scope);
    let body = format!(r#"{{"services":{tiles}}}"#);
    reply::bytes(warp::http::StatusCode::OK, reply::JSON, body)
}
