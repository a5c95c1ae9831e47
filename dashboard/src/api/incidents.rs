use ioc_model::{IncidentFilter, IncidentId, Scope};
use serde_json::json;
use warp::reply::Response;

use super::ask::ask;
use crate::query::{Query, bad_parameter};
use crate::reply::{self, ApiError};
use crate::router::Admitted;

const DEFAULT_INCIDENTS: usize = 100;
const MAX_INCIDENTS: usize = 500;
const DEFAULT_MEMBERS: usize = 200;
const MAX_MEMBERS: usize = 1_000;
const MAX_CURSOR_BYTES: usize = 200;

/// `GET /api/v1/incidents`.
pub(crate) async fn incidents(call: Admitted) -> Result<Response, ApiError> {
    let filter = filter_of(&call.request.query, &call.scope)?;
    ask(&call, "list incidents", move |parts, headers| {
        let (incidents, next) = parts.alerts.incidents(&filter)?;
        Ok(reply::json(headers, &json!({ "incidents": incidents, "next": next }))?)
    })
    .await
}

fn filter_of(query: &Query, scope: &Scope) -> Result<IncidentFilter, ApiError> {
    let owned = |name| query.id(name).map(|id| id.map(String::from));
    let cursor = query.text("cursor");
    let ours = |c: &str| c.len() <= MAX_CURSOR_BYTES && c.bytes().all(|b| b.is_ascii_graphic());
    if cursor.is_some_and(|c| !ours(c)) {
        return Err(bad_parameter("cursor", "is not one that this server gave"));
    }
    Ok(IncidentFilter {
        scope: scope.clone(),
        open_only: query.flag("open")?,
        area: owned("area")?,
        service: owned("service")?,
        min_severity: query.severity("min_severity")?,
        from: query.time("from")?,
        to: query.time("to")?,
        limit: query.limit(DEFAULT_INCIDENTS, MAX_INCIDENTS)?,
        cursor: cursor.map(String::from),
    })
}

/// `GET /api/v1/incidents/{id}`.
pub(crate) async fn incident(call: Admitted) -> Result<Response, ApiError> {
    let limit = call.request.query.limit(DEFAULT_MEMBERS, MAX_MEMBERS)?;
    let (id, scope) = (IncidentId(call.id.clone()), call.scope.clone());
    ask(&call, "read the incident", move |parts, headers| {
        let (incident, alerts) = parts.alerts.incident(&id, &scope, limit)?;
        Ok(reply::json(headers, &json!({ "incident": incident, "alerts": alerts }))?)
    })
    .await
}
