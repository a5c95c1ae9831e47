use std::sync::Arc;

use ioc_model::Name;
use serde_json::json;
use warp::reply::Response;

use super::REVALIDATE;
use crate::Permission;
use crate::context::blocking;
use crate::hub::message::only;
use crate::reply::{self, ApiError};
use crate::router::Admitted;

/// Refused messages shown with a device.
const DEVICE_QUARANTINE: usize = 20;

/// `GET /api/v1/devices`.
pub(crate) async fn devices(call: Admitted) -> Result<Response, ApiError> {
    let context = Arc::clone(&call.context);
    let list = |name| -> Option<Vec<Name>> {
        call.request.query.text(name).map(|ids| ids.split(',').map(Name::from).collect())
    };
    let (areas, services) = (list("area"), list("service"));
    let wanted = only(areas.as_deref(), services.as_deref(), &context.parts.city);
    let scope = wanted.map_or_else(|| call.scope.clone(), |wanted| call.scope.and(&wanted));
    let work = move || context.device_document(&scope);
    let document = blocking("list the devices", work).await?;
    Ok(document.answer(&call.request.headers, REVALIDATE))
}

/// `GET /api/v1/devices/{id}`.
pub(crate) async fn device(call: Admitted) -> Result<Response, ApiError> {
    let found = call.context.parts.live.device(&call.id, &call.scope);
    let device = found.ok_or_else(|| ApiError::not_found("no such device"))?;
    // What a device sent may hold anything: it is for who looks after devices.
    let rows = if call.may_of_device(Permission::Technical, &call.id) {
        let (store, id) = (Arc::clone(&call.context.parts.quarantine), call.id.clone());
        let act = "read the quarantine";
        let rows = blocking(act, move || store.newest(Some(&id), DEVICE_QUARANTINE)).await?;
        rows.map_err(|e| ApiError::internal(act, &*e))?
    } else {
        Vec::new()
    };
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
