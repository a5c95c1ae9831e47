//! Export, open data and SensorThings: requests handed to `ioc_share`, its answers made ours.

use std::sync::Arc;

use futures::StreamExt;
use ioc_model::{Choice, ScopePart};
use ioc_share::{Answer, Ask, Body, Scope};
use serde_json::{Value, json};
use tokio::sync::OwnedSemaphorePermit;
use warp::Reply;
use warp::http::header::{
    ACCEPT, ACCEPT_LANGUAGE, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue,
    IF_NONE_MATCH, VARY,
};
use warp::http::{HeaderMap, StatusCode};
use warp::reply::Response;

use crate::context::blocking;
use crate::long;
use crate::reply::{self, ApiError};
use crate::router::Admitted;

const OPEN: &str = "/open";
const SENSORTHINGS: &str = "/sensorthings/v1.1";

/// `GET /api/v1/export`.
pub(crate) async fn export(call: Admitted) -> Result<Response, ApiError> {
    let turn = Arc::clone(&call.context.exports).try_acquire_owned().map_err(|_| {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        let error = ApiError::new(status, "too_many_exports", "too many exports are under way");
        ApiError { retry_after_s: Some(30), ..error }
    })?;
    let base = base(&call, "/api/v1/export")?;
    let sources = &call.context.sources;
    let scope = Scope::Within(call.scope.clone());
    let answer = ioc_share::export::answer(sources, &scope, &ask(&call, "", &base)).await;
    if answer.status == 200 {
        note(&call).await?;
    }
    ours(&call, answer, Some(turn))
}

/// Who takes data away is in the audit log before the first byte.
pub(super) async fn note(call: &Admitted) -> Result<(), ApiError> {
    let (actor, note_act) = (call.actor()?, Arc::clone(&call.context.parts.note_act));
    let scope = words_of(&call.scope);
    let detail = json!({ "query": call.request.raw_query, "scope": scope }).to_string();
    let noted = blocking("note the export", move || note_act("data_exported", &actor, &detail));
    noted.await?.map_err(|e| ApiError::internal("note the export", &*e))
}

/// A scope as it stands in the audit log: `"city"`, or its rectangles as grants are written.
fn words_of(scope: &ioc_model::Scope) -> Value {
    let list = |choice: &Choice| match choice {
        Choice::All => Value::Null,
        Choice::Only(ids) => json!(ids),
    };
    let part = |p: &ScopePart| json!({ "areas": list(&p.areas), "services": list(&p.services) });
    match scope.is_city() {
        true => json!("city"),
        false => scope.parts().iter().map(part).collect(),
    }
}

/// `GET /open…`.
pub(crate) async fn open_data(call: Admitted) -> Result<Response, ApiError> {
    let open = &call.context.parts.open_data;
    if !open.enabled() {
        return Err(ApiError::not_found("open data are not published here"));
    }
    let base = base(&call, OPEN)?;
    let path = call.request.path.strip_prefix(OPEN).unwrap_or_default();
    let answer = open.answer(&call.context.sources, &ask(&call, path, &base)).await;
    ours(&call, answer, None)
}

/// `GET /sensorthings/v1.1…`: their own part of the city for people with a session, what is
/// published for everybody else.
pub(crate) async fn sensorthings(call: Admitted) -> Result<Response, ApiError> {
    let base = base(&call, SENSORTHINGS)?;
    let path = call.request.path.strip_prefix(SENSORTHINGS).unwrap_or_default();
    let scope = match call.session {
        Some(_) => Scope::Within(call.scope.clone()),
        None => call.context.parts.open_data.scope(),
    };
    let ask = ask(&call, path, &base);
    let answer = ioc_share::sensorthings::answer(&call.context.sources, &scope, &ask).await;
    let public = call.session.is_none();
    let mut response = ours(&call, answer, None)?;
    if public {
        let headers = response.headers_mut();
        headers.insert("access-control-allow-origin", HeaderValue::from_static("*"));
        headers.insert("cross-origin-resource-policy", HeaderValue::from_static("cross-origin"));
    }
    Ok(response)
}

/// Where a prefix is reached from outside.
fn base(call: &Admitted, prefix: &str) -> Result<String, ApiError> {
    let local = call.request.peer.local.ip();
    let host = call.context.origins.host(&call.request.headers, local)?;
    Ok(format!("{}{prefix}", call.context.origins.public(&host)))
}

fn ask<'a>(call: &'a Admitted, path: &'a str, base: &'a str) -> Ask<'a> {
    let headers = &call.request.headers;
    let text = |name: HeaderName| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or("");
    Ask {
        path,
        query: &call.request.raw_query,
        base,
        accept: text(ACCEPT),
        language: text(ACCEPT_LANGUAGE),
        if_none_match: text(IF_NONE_MATCH),
    }
}

/// `turn` is held until the body has been sent.
fn ours(
    call: &Admitted,
    answer: Answer,
    turn: Option<OwnedSemaphorePermit>,
) -> Result<Response, ApiError> {
    let status = StatusCode::from_u16(answer.status)
        .map_err(|e| ApiError::internal("write the answer", &e))?;
    let mut headers = HeaderMap::new();
    for (name, value) in answer.headers {
        let value =
            HeaderValue::from_str(&value).map_err(|e| ApiError::internal("write a header", &e))?;
        headers.append(HeaderName::from_static(name), value);
    }
    let asked = &call.request.headers;
    let kind = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("");
    let mut response = match answer.body {
        Body::Bytes(body) => match reply::zipped(asked, kind, &body) {
            Some(zipped) => {
                headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
                headers.append(VARY, HeaderValue::from_static("accept-encoding"));
                Response::new(zipped.into())
            }
            None => Response::new(body.into()),
        },
        Body::Stream(stream) => {
            let bytes = long::counter();
            let counted = stream.inspect(move |part| {
                let _held = &turn;
                bytes.add(part);
            });
            warp::reply::stream(counted).into_response()
        }
    };
    *response.status_mut() = status;
    response.headers_mut().remove(CONTENT_TYPE);
    for (name, value) in &headers {
        response.headers_mut().append(name, value.clone());
    }
    Ok(response)
}
