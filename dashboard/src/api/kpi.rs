use ioc_model::KpiQuery;
use warp::reply::Response;

use super::ask::ask;
use crate::query::bad_parameter;
use crate::reply::{self, ApiError};
use crate::router::Admitted;

const DAY_MS: i64 = 86_400_000;
const MAX_POSITIONS: i64 = 1_000;

/// `GET /api/v1/kpi`. Times are those of the alerts, so "now" is the operators' now.
pub(crate) async fn kpi(call: Admitted) -> Result<Response, ApiError> {
    let query = &call.request.query;
    let now = call.context.parts.live.now(call.context.wall());
    let (from, to) = query.range(now, DAY_MS)?;
    let positions = match query.integer("positions")? {
        None => None,
        Some(n) if (1..=MAX_POSITIONS).contains(&n) => Some(n as u32),
        Some(_) => return Err(bad_parameter("positions", "is not between 1 and 1000")),
    };
    let owned = |name| query.id(name).map(|id| id.map(String::from));
    let (area, service) = (owned("area")?, owned("service")?);
    let scope = call.scope.clone();
    let query = KpiQuery { scope, from, to, area, service, positions };
    let _turn = call.context.turn(&call.context.reports).await?;
    ask(&call, "make the report", move |parts, headers| {
        Ok(reply::json(headers, &parts.kpi.report(&query)?)?)
    })
    .await
}
