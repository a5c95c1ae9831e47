//! Receivers and the delivery log.

use ioc_model::{AlertId, DeliveryFilter, DeliveryState};
use serde_json::json;
use warp::http::StatusCode;
use warp::reply::Response;

use super::actions::EmptyBody;
use super::ask::{ask, or_not_found, with_status};
use crate::query::{Query, bad_parameter};
use crate::reply::{self, ApiError};
use crate::router::Admitted;

const DEFAULT_DELIVERIES: usize = 100;
const MAX_DELIVERIES: usize = 1_000;

/// `GET /api/v1/notifications/receivers`.
pub(crate) async fn receivers(call: Admitted) -> Result<Response, ApiError> {
    ask(&call, "list receivers", move |parts, headers| {
        let receivers = parts.notifications.receivers()?;
        Ok(reply::json(headers, &json!({ "receivers": receivers }))?)
    })
    .await
}

/// `POST /api/v1/notifications/receivers/{id}/test`: the delivery log tells what becomes of it.
pub(crate) async fn test_receiver(mut call: Admitted) -> Result<Response, ApiError> {
    let EmptyBody {} = call.body().await?;
    let (id, actor) = (call.id.clone(), call.actor()?);
    tracing::info!(user = actor.user, receiver = id, "test of a receiver");
    ask(&call, "test the receiver", move |parts, headers| {
        let delivery = parts.notifications.test(&id, &actor).map_err(or_not_found)?;
        parts.alerts.note("notify_test", &actor, Some(&id))?;
        let answer = reply::json(headers, &json!({ "delivery": delivery }))?;
        Ok(with_status(answer, StatusCode::ACCEPTED))
    })
    .await
}

fn filter_of(query: &Query) -> Result<DeliveryFilter, ApiError> {
    let state = match query.text("state") {
        None => None,
        Some("waiting") => Some(DeliveryState::Waiting),
        Some("delivered") => Some(DeliveryState::Delivered),
        Some("dead") => Some(DeliveryState::Dead),
        Some(_) => return Err(bad_parameter("state", "is not waiting, delivered or dead")),
    };
    let before = query.integer("before")?.map(u64::try_from).transpose();
    Ok(DeliveryFilter {
        receiver: query.id("receiver")?.map(String::from),
        alert: query.id("alert")?.map(|id| AlertId(id.into())),
        state,
        before: before.map_err(|_| bad_parameter("before", "is below 0"))?,
        limit: query.limit(DEFAULT_DELIVERIES, MAX_DELIVERIES)?,
    })
}

/// `GET /api/v1/notifications/deliveries`.
pub(crate) async fn deliveries(call: Admitted) -> Result<Response, ApiError> {
    let filter = filter_of(&call.request.query)?;
    if filter.alert.is_none() && !call.scope.is_city() {
        let message = "name an `alert`, or have `read` for the whole city";
        return Err(ApiError::forbidden("scope_too_small", message));
    }
    let scope = call.scope.clone();
    ask(&call, "list deliveries", move |parts, headers| {
        if let Some(alert) = filter.alert.as_ref().filter(|_| !scope.is_city()) {
            parts.alerts.get(alert, &scope)?;
        }
        let rows = parts.notifications.deliveries(&filter)?;
        let next = (rows.len() == filter.limit).then(|| rows.last().map(|r| r.seq)).flatten();
        Ok(reply::json(headers, &json!({ "deliveries": rows, "next": next }))?)
    })
    .await
}

/// `POST /api/v1/notifications/deliveries/{id}/retry`.
pub(crate) async fn retry_delivery(mut call: Admitted) -> Result<Response, ApiError> {
    let EmptyBody {} = call.body().await?;
    let (id, actor) = (call.id.clone(), call.actor()?);
    tracing::info!(user = actor.user, delivery = id, "retry of a delivery");
    ask(&call, "try the delivery again", move |parts, headers| {
        let delivery = parts.notifications.retry(&id, &actor).map_err(or_not_found)?;
        parts.alerts.note("notify_retry", &actor, Some(&id))?;
        Ok(reply::json(headers, &json!({ "delivery": delivery }))?)
    })
    .await
}
