use serde_json::json;
use warp::reply::Response;

use super::alerts::AuditLine;
use super::ask::ask;
use crate::query::bad_parameter;
use crate::reply::{self, ApiError};
use crate::router::Admitted;

const DEFAULT_LINES: usize = 500;
const MAX_LINES: usize = 5_000;

/// `GET /api/v1/audit`: the whole log, oldest first.
pub(crate) async fn audit(call: Admitted) -> Result<Response, ApiError> {
    let query = &call.request.query;
    let limit = query.limit(DEFAULT_LINES, MAX_LINES)?;
    let after = query.integer("after")?.unwrap_or(0);
    let after = u64::try_from(after).map_err(|_| bad_parameter("after", "is below 0"))?;
    ask(&call, "read the audit log", move |parts, headers| {
        let rows = parts.alerts.audit_after(after, limit)?;
        let next = (rows.len() == limit).then(|| rows.last().map(|r| r.seq)).flatten();
        let lines: Vec<_> = rows.iter().map(|r| AuditLine::of(r, Some(&r.alert))).collect();
        Ok(reply::json(headers, &json!({ "lines": lines, "next": next }))?)
    })
    .await
}
