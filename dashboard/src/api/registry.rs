//! The device registry: who may speak, what is known of it, its tokens, and what was received.

use std::sync::Arc;

use ioc_model::{Device, DeviceError, DeviceFile, DeviceState, DeviceStore, QuarantineReason};
use serde::Deserialize;
use serde_json::{Value, json};
use warp::http::StatusCode;
use warp::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, HeaderValue};
use warp::reply::Response;

use super::words;
use crate::context::blocking;
use crate::query::{bad_parameter, is_id};
use crate::reply::{self, ApiError};
use crate::router::Admitted;

const DEFAULT_ROWS: usize = 500;
const MAX_ROWS: usize = 5_000;
const DEFAULT_RERUN: usize = 1_000;
const MAX_RERUN: usize = 10_000;
const MAX_LABEL_CHARS: usize = 100;

fn store(call: &Admitted) -> Arc<dyn DeviceStore> {
    Arc::clone(&call.context.parts.devices)
}

fn refused(error: DeviceError) -> ApiError {
    match error {
        DeviceError::NotThere => ApiError::not_found("no such device or token"),
        DeviceError::Conflict(why) => ApiError::new(StatusCode::CONFLICT, "conflict", why),
        DeviceError::Invalid(mistakes) => {
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            let message = format!("{} mistakes; nothing changed", mistakes.len());
            let mut error = ApiError::new(status, "invalid", message);
            error.extra.insert("mistakes".into(), json!(mistakes));
            error
        }
        error @ DeviceError::Store(_) => ApiError::internal("use the device registry", &error),
    }
}

/// A device of the registry outside of the scope is not there; neither is one that is not there.
fn need(call: &Admitted) -> Result<(), ApiError> {
    match store(call).devices().get(&call.id) {
        Some(device) if !call.sees(device) => Err(refused(DeviceError::NotThere)),
        _ => Ok(()),
    }
}

fn state(word: &str) -> Result<DeviceState, ApiError> {
    match word {
        "approved" => Ok(DeviceState::Approved),
        "pending" => Ok(DeviceState::Pending),
        "blocked" => Ok(DeviceState::Blocked),
        _ => Err(bad_parameter("state", "is not approved, pending or blocked")),
    }
}

fn file(word: Option<&str>) -> Result<DeviceFile, ApiError> {
    match word {
        None | Some("csv") => Ok(DeviceFile::Csv),
        Some("geojson") => Ok(DeviceFile::GeoJson),
        Some(_) => Err(bad_parameter("format", "is not csv or geojson")),
    }
}

/// `GET /api/v1/registry`: in the order of ids, with the number of devices in each state.
pub(crate) async fn registry(call: Admitted) -> Result<Response, ApiError> {
    let query = &call.request.query;
    let wanted = query.text("state").map(state).transpose()?;
    let service = query.id("service")?.map(String::from);
    let after = query.id("after")?.unwrap_or_default().to_owned();
    let limit = query.limit(DEFAULT_ROWS, MAX_ROWS)?;
    let (store, scope) = (store(&call), call.scope.clone());
    let list = move || {
        let all = store.devices();
        let inside = |d: &&Arc<Device>| scope.allows(&d.area, &d.service);
        let fits = |d: &&Arc<Device>| {
            inside(d)
                && wanted.is_none_or(|s| d.state == s)
                && service.as_ref().is_none_or(|s| *s == *d.service)
                && *d.id > *after
        };
        let mut rows: Vec<Arc<Device>> = all.iter().filter(fits).cloned().collect();
        rows.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).map(|d| Arc::clone(&d.id));
        json!({ "devices": rows, "counts": counts(all.iter().filter(inside)), "next": next })
    };
    let answer = blocking("list the registry", list).await?;
    reply::json(&call.request.headers, &answer)
}

fn counts<'a>(devices: impl Iterator<Item = &'a Arc<Device>>) -> Value {
    let states: Vec<DeviceState> = devices.map(|d| d.state).collect();
    let of = |state| states.iter().filter(|s| **s == state).count();
    json!({
        "approved": of(DeviceState::Approved), "pending": of(DeviceState::Pending),
        "blocked": of(DeviceState::Blocked),
    })
}

/// `GET /api/v1/registry/export`: a file that the import takes.
pub(crate) async fn export_devices(call: Admitted) -> Result<Response, ApiError> {
    let format = file(call.request.query.text("format"))?;
    let store = store(&call);
    let text = blocking("export the registry", move || store.export(format)).await?;
    let (kind, name) = match format {
        DeviceFile::Csv => ("text/csv; charset=utf-8", "attachment; filename=\"devices.csv\""),
        DeviceFile::GeoJson => ("application/geo+json", "attachment; filename=\"devices.geojson\""),
    };
    let mut answer = reply::bytes(StatusCode::OK, kind, text);
    answer.headers_mut().insert(CONTENT_DISPOSITION, HeaderValue::from_static(name));
    Ok(answer)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ImportBody {
    format: String,
    /// Its name, for the places of mistakes.
    #[serde(default)]
    file: Option<String>,
    text: String,
    #[serde(default)]
    dry_run: bool,
}

/// `POST /api/v1/registry/import`.
pub(crate) async fn import_devices(mut call: Admitted) -> Result<Response, ApiError> {
    let body: ImportBody = call.body().await?;
    let format = file(Some(&body.format))?;
    let name = body.file.as_deref().unwrap_or("devices");
    let name = words::line(name, "file", MAX_LABEL_CHARS)?;
    let (actor, store) = (call.actor()?, store(&call));
    let work = move || store.import(format, &name, &body.text, body.dry_run, &actor);
    let done = blocking("import devices", work).await?.map_err(refused)?;
    let taken = !body.dry_run;
    if taken {
        follow(&call);
    }
    reply::json(&call.request.headers, &json!({ "done": taken, "import": done }))
}

/// `GET /api/v1/registry/{id}`.
pub(crate) fn registered(call: &Admitted) -> Result<Response, ApiError> {
    let all = store(call).devices();
    let device = all
        .get(&call.id)
        .filter(|d| call.sees(d))
        .ok_or_else(|| ApiError::not_found("no such device"))?;
    reply::json(&call.request.headers, &**device)
}

/// `PUT /api/v1/registry/{id}`.
pub(crate) async fn put_device(mut call: Admitted) -> Result<Response, ApiError> {
    let device: Device = call.body().await?;
    if *device.id != *call.id {
        return Err(ApiError::bad_request("bad_body", "`id` is not that of the path"));
    }
    if !call.sees(&device) {
        let message = "area and service must be some that you may change";
        return Err(ApiError::forbidden("scope_too_small", message));
    }
    // Also where it was before.
    if store(&call).devices().get(&call.id).is_some_and(|held| !call.sees(held)) {
        return Err(ApiError::not_found("no such device"));
    }
    let (actor, store) = (call.actor()?, store(&call));
    let put = blocking("change a device", move || store.put(device, &actor)).await?;
    let device = put.map_err(refused)?;
    call.context.parts.live.configure(&device);
    reply::json(&call.request.headers, &*device)
}

/// `DELETE /api/v1/registry/{id}`.
pub(crate) async fn remove_device(call: Admitted) -> Result<Response, ApiError> {
    need(&call)?;
    let (actor, store, id) = (call.actor()?, store(&call), call.id.clone());
    let removed = blocking("remove a device", move || store.remove(&id, &actor)).await?;
    removed.map_err(refused)?;
    Ok(reply::empty(StatusCode::NO_CONTENT))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StateBody {
    state: String,
}

/// `POST /api/v1/registry/{id}/state`: approve or block.
pub(crate) async fn set_device_state(mut call: Admitted) -> Result<Response, ApiError> {
    let body: StateBody = call.body().await?;
    need(&call)?;
    let to = state(&body.state)?;
    let (actor, store, id) = (call.actor()?, store(&call), call.id.clone());
    let set = move || store.set_state(&id, to, &actor);
    let device = blocking("change a device", set).await?.map_err(refused)?;
    call.context.parts.live.configure(&device);
    reply::json(&call.request.headers, &*device)
}

/// `GET /api/v1/registry/{id}/tokens`.
pub(crate) async fn device_tokens(call: Admitted) -> Result<Response, ApiError> {
    need(&call)?;
    let (store, id) = (store(&call), call.id.clone());
    let tokens = blocking("list tokens", move || store.tokens(&id)).await?.map_err(refused)?;
    reply::json(&call.request.headers, &json!({ "tokens": tokens }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenBody {
    label: String,
}

/// `POST /api/v1/registry/{id}/tokens`: the one answer that holds the token.
pub(crate) async fn issue_device_token(mut call: Admitted) -> Result<Response, ApiError> {
    let body: TokenBody = call.body().await?;
    need(&call)?;
    let label = words::line(&body.label, "label", MAX_LABEL_CHARS)?;
    let (actor, store, id) = (call.actor()?, store(&call), call.id.clone());
    let issue = move || store.issue_token(&id, &label, &actor);
    let token = blocking("issue a token", issue).await?.map_err(refused)?;
    let mut answer = reply::json(&call.request.headers, &token)?;
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(answer)
}

/// `DELETE /api/v1/registry/{id}/tokens?token=…`.
pub(crate) async fn revoke_device_token(call: Admitted) -> Result<Response, ApiError> {
    let token = call.request.query.integer("token")?;
    let token = token.ok_or_else(|| bad_parameter("token", "is missing"))?;
    need(&call)?;
    let (actor, store, id) = (call.actor()?, store(&call), call.id.clone());
    let revoke = move || store.revoke_token(&id, token, &actor);
    blocking("revoke a token", revoke).await?.map_err(refused)?;
    Ok(reply::empty(StatusCode::NO_CONTENT))
}

/// `GET /api/v1/devices/{id}/received`.
pub(crate) async fn received(call: Admitted) -> Result<Response, ApiError> {
    call.need_device(&call.id)?;
    let (store, id) = (Arc::clone(&call.context.parts.received), call.id.clone());
    let received = blocking("look at what was received", move || store.received(&id)).await?;
    reply::json(&call.request.headers, &received.unwrap_or_default())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RerunBody {
    #[serde(default)]
    device: Option<String>,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    limit: Option<usize>,
}

/// `POST /api/v1/quarantine/rerun`.
pub(crate) async fn rerun(mut call: Admitted) -> Result<Response, ApiError> {
    let body: RerunBody = call.body().await?;
    let device = body.device.as_deref();
    if device.is_some_and(|d| !is_id(d)) {
        return Err(bad_parameter("device", "is no id"));
    }
    let reason = body.reason.as_deref().map(reason_of).transpose()?;
    let limit = body.limit.unwrap_or(DEFAULT_RERUN);
    if !(1..=MAX_RERUN).contains(&limit) {
        return Err(bad_parameter("limit", "is not 1 to 10000"));
    }
    let parts = &call.context.parts;
    let actor = call.actor()?;
    let done = parts.rerun.rerun(device, reason, limit).await;
    let done = done.map_err(|e| ApiError::internal("run the quarantine again", &*e))?;
    let more = json!({ "device": device, "reason": body.reason, "done": done }).to_string();
    let note = Arc::clone(&parts.note_act);
    let noted = move || note("quarantine.rerun", &actor, &more);
    let noted = blocking("write the audit log", noted).await?;
    noted.map_err(|e| ApiError::internal("write the audit log", &*e))?;
    reply::json(&call.request.headers, &done)
}

fn reason_of(word: &str) -> Result<QuarantineReason, ApiError> {
    let known = QuarantineReason::ALL.into_iter().find(|r| r.as_str() == word);
    known.ok_or_else(|| bad_parameter("reason", "is not one of the reasons"))
}

/// Tells the live state what an import changed.
fn follow(call: &Admitted) {
    for device in store(call).devices().iter() {
        call.context.parts.live.configure(device);
    }
}
