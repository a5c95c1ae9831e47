use ioc_model::{Aggregate, HistoryError, RangeQuery, SeriesFilter, SeriesKey, Step};
use serde_json::json;
use warp::reply::Response;

use crate::query::{Query, bad_parameter};
use crate::reply::{self, ApiError};
use crate::router::Admitted;

const DEFAULT_POINTS: usize = 5_000;
const MAX_POINTS: usize = 50_000;
const DAY_MS: i64 = 86_400_000;

/// `GET /api/v1/history`.
pub(crate) async fn history(call: Admitted) -> Result<Response, ApiError> {
    let query = &call.request.query;
    let now = call.context.parts.live.now(call.context.wall());
    let to = query.time("to")?.unwrap_or(now.plus_ms(1));
    let from = query.time("from")?.unwrap_or(to.plus_ms(-DAY_MS));
    if from >= to {
        return Err(bad_parameter("from", "is not before `to`"));
    }
    let step = step_of(query)?;
    let (device, property) = (query.required_id("device")?, query.required_id("property")?);
    call.need_device(device)?;
    let range = RangeQuery {
        series: SeriesKey { device: device.into(), property: property.into() },
        from,
        to,
        step,
        limit: query.limit(DEFAULT_POINTS, MAX_POINTS)?,
    };
    let answer = call.context.parts.history.range(&range).await.map_err(refused)?;
    let unit = call.context.parts.city.properties.get(property).map(|p| p.unit.clone());
    let points: Vec<_> = answer.points.iter().map(|p| (p.time, p.value, p.quality as u8)).collect();
    let body = json!({
        "device": device, "property": property, "unit": unit.unwrap_or_default(),
        "step": step.map(|s| s.0.ms), "offset": step.map(|s| s.0.offset_ms),
        "tier": answer.tier, "raw_from": answer.raw_from, "agg": step.map(|s| s.1),
        "truncated": answer.truncated, "points": points,
    });
    reply::json(&call.request.headers, &body)
}

fn step_of(query: &Query) -> Result<Option<(Step, Aggregate)>, ApiError> {
    let aggregate = match query.text("agg") {
        None | Some("mean") => Aggregate::Mean,
        Some("min") => Aggregate::Min,
        Some("max") => Aggregate::Max,
        Some("sum") => Aggregate::Sum,
        Some("count") => Aggregate::Count,
        Some("last") => Aggregate::Last,
        Some(_) => return Err(bad_parameter("agg", "is not mean, min, max, sum, count or last")),
    };
    match query.integer("step")? {
        None => Ok(None),
        Some(ms) if ms >= 1 => {
            let offset_ms = query.integer("offset")?.unwrap_or(0);
            Ok(Some((Step { ms, offset_ms }, aggregate)))
        }
        Some(_) => Err(bad_parameter("step", "is not at least 1 ms")),
    }
}

/// `GET /api/v1/history/series`.
pub(crate) async fn history_series(call: Admitted) -> Result<Response, ApiError> {
    let device = call.request.query.id("device")?;
    let filter = SeriesFilter::of(device);
    let mut series = call.context.parts.history.series(&filter).await.map_err(refused)?;
    series.retain(|s| call.sees_device(&s.device));
    reply::json(&call.request.headers, &json!({ "series": series }))
}

fn refused(error: HistoryError) -> ApiError {
    ApiError::unavailable("history_unavailable", "read history", &error)
}
