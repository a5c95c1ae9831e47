//! Alerts as they are: the list, and one with its history.

use std::sync::Arc;

use ioc_model::{AlertFilter, AlertId, AlertRow, AuditRow, IncidentId, Scope, Timestamp, Work};
use serde::Serialize;
use serde_json::{Value, json};
use warp::reply::Response;

use super::REVALIDATE;
use super::ask::ask;
use super::share::note;
use super::shifts::{lang, sheet};
use super::words::MAX_NAME_CHARS;
use crate::query::{Query, bad_parameter, is_id};
use crate::reply::{self, ApiError};
use crate::router::Admitted;
use crate::{AlertCounts, Lang};

const DEFAULT_ROWS: usize = 200;
const MAX_ROWS: usize = 1_000;
/// Rows of one sheet: about 30 MB while it is made.
const MAX_SHEET_ROWS: usize = 20_000;

/// `GET /api/v1/alerts`. Its tag says which change is the newest, so that asking again costs one
/// look at an index.
pub(crate) async fn alerts(call: Admitted) -> Result<Response, ApiError> {
    let filter = filter_of(&call.request.query, &call.scope)?;
    let (live, query) = (Arc::clone(&call.context.parts.live), call.request.query.clone());
    let scope = call.scope.clone();
    let tag = move |change: u64, counts: &AlertCounts| {
        reply::weak_tag(format!("{} {change} {counts:?} {query:?} {scope:?}", live.epoch()))
    };
    ask(&call, "list alerts", move |parts, headers| {
        let counts = parts.live.alert_counts(&filter.scope);
        if reply::asks_again(headers) {
            let none = AlertFilter {
                after_change: Some(i64::MAX as u64),
                limit: 1,
                ..AlertFilter::of(Scope::nothing())
            };
            let held = tag(parts.alerts.list(&none)?.1, &counts);
            if reply::is_held(headers, &held) {
                return Ok(reply::not_modified(&held, REVALIDATE)?);
            }
        }
        let limit = filter.limit;
        let (rows, change) = parts.alerts.list(&filter)?;
        let next = (rows.len() == limit).then(|| rows.last().map(cursor_after)).flatten();
        let answer = Listed { alerts: &rows, change, next, counts: &counts };
        let answer = reply::json(headers, &answer)?;
        Ok(reply::tagged(answer, &tag(change, &counts), REVALIDATE)?)
    })
    .await
}

#[derive(Serialize)]
struct Listed<'a> {
    alerts: &'a [AlertRow],
    change: u64,
    next: Option<String>,
    counts: &'a AlertCounts,
}

/// `GET /api/v1/alerts/list.csv`: what the list of the same filter holds, in its order.
pub(crate) async fn alerts_csv(call: Admitted) -> Result<Response, ApiError> {
    let query = &call.request.query;
    let mut filter = AlertFilter { limit: MAX_ROWS, ..filter_of(query, &call.scope)? };
    let lang = lang(query)?;
    let _turn = call.context.turn(&call.context.reports).await?;
    note(&call).await?;
    let now = call.context.wall().to_rfc3339();
    let (who, asked) = (call.actor()?.user, call.request.raw_query.clone());
    let day: String = now.chars().take(10).collect();
    let csv = ask(&call, "list alerts for a sheet", move |parts, _| {
        let mut rows: Vec<AlertRow> = Vec::new();
        loop {
            let (page, _) = parts.alerts.list(&filter)?;
            let full = page.len() == MAX_ROWS;
            rows.extend(page);
            if !full || rows.len() >= MAX_SHEET_ROWS {
                break;
            }
            filter.before = rows.last().map(|r| (r.raised_at, r.id.0.clone()));
        }
        let more = if rows.len() < MAX_SHEET_ROWS { "" } else { "+" };
        let pick = |vi: &str, en: &str| if lang == Lang::Vi { vi } else { en }.to_owned();
        let head = [
            (pick("Lúc", "at"), now),
            (pick("Người xuất", "by"), who),
            (pick("Bộ lọc", "filter"), asked),
            (pick("Số cảnh báo", "alerts"), format!("{}{more}", rows.len())),
        ];
        Ok((parts.forms.alerts_csv)(&rows, &head, lang))
    })
    .await?;
    Ok(sheet(csv, "alerts", &day))
}

fn filter_of(query: &Query, scope: &Scope) -> Result<AlertFilter, ApiError> {
    let owned = |name| query.id(name).map(|id| id.map(String::from));
    let work = |word| Work::parse(word).ok_or_else(|| bad_parameter("work", "is not a state"));
    Ok(AlertFilter {
        scope: scope.clone(),
        open_only: query.flag("open")?,
        held: query.choice("held")?,
        work: query.text("work").map(work).transpose()?,
        acknowledged: query.choice("acknowledged")?,
        overdue: query.flag("overdue")?,
        service: owned("service")?,
        area: owned("area")?,
        device: owned("device")?,
        rule: owned("rule")?,
        incident: owned("incident")?.map(IncidentId),
        assignee: query.line("assignee", MAX_NAME_CHARS)?.map(String::from),
        min_severity: query.severity("min_severity")?,
        from: query.time("from")?,
        to: query.time("to")?,
        after_change: None,
        limit: query.limit(DEFAULT_ROWS, MAX_ROWS)?,
        before: query.text("cursor").map(cursor).transpose()?,
    })
}

fn cursor_after(row: &AlertRow) -> String {
    format!("{}-{}", row.raised_at.0, row.id)
}

fn cursor(text: &str) -> Result<(Timestamp, String), ApiError> {
    let parts = text.rsplit_once('-').and_then(|(at, id)| Some((at.parse().ok()?, id)));
    match parts {
        Some((at, id)) if is_id(id) => Ok((Timestamp(at), id.into())),
        _ => Err(bad_parameter("cursor", "is not one that this server gave")),
    }
}

/// The tag of one state of an alert.
pub(super) fn version_tag(row: &AlertRow) -> String {
    format!("\"{}\"", row.ver)
}

/// `GET /api/v1/alerts/{id}`.
pub(crate) async fn alert(call: Admitted) -> Result<Response, ApiError> {
    let (id, scope) = (AlertId(call.id.clone()), call.scope.clone());
    ask(&call, "read the alert", move |parts, headers| {
        let row = parts.alerts.get(&id, &scope)?;
        let tag = version_tag(&row);
        if reply::is_held(headers, &tag) {
            return Ok(reply::not_modified(&tag, REVALIDATE)?);
        }
        let audit = parts.alerts.audit(&id)?;
        // The alert is named once, not in each line.
        let audit: Vec<_> = audit.iter().map(|line| AuditLine::of(line, None)).collect();
        let allowed = parts.alerts.allowed(&row);
        let answer = json!({ "alert": row, "allowed": allowed, "audit": audit });
        Ok(reply::tagged(reply::json(headers, &answer)?, &tag, REVALIDATE)?)
    })
    .await
}

/// A line of the audit log as JSON.
#[derive(Serialize)]
pub(super) struct AuditLine<'a> {
    seq: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    alert: Option<&'a AlertId>,
    action: &'a str,
    actor: &'a str,
    origin: Option<&'a str>,
    at: Timestamp,
    severity: ioc_model::Severity,
    value: Option<f64>,
    limit: Option<f64>,
    note: Option<&'a str>,
    message: Option<&'a ioc_model::Text>,
    evidence: Option<&'a ioc_model::Evidence>,
    detail: Option<Value>,
}

impl<'a> AuditLine<'a> {
    pub fn of(line: &'a AuditRow, alert: Option<&'a AlertId>) -> Self {
        // Kept as text; one that is no JSON is shown as what it is.
        let detail = |text: &String| {
            serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.clone()))
        };
        Self {
            seq: line.seq,
            alert,
            action: &line.action,
            actor: &line.actor,
            origin: line.origin.as_deref(),
            at: line.at,
            severity: line.severity,
            value: line.value,
            limit: line.limit,
            note: line.note.as_deref(),
            message: line.message.as_ref(),
            evidence: line.evidence.as_deref(),
            detail: line.detail.as_ref().map(detail),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back_and_others_are_refused() {
        let (at, id) = cursor("1761588000123-00ff").expect("our own cursor");
        assert_eq!((at.0, id.as_str()), (1_761_588_000_123, "00ff"));
        assert_eq!(cursor("-5-00ff").expect("before 1970").0.0, -5);
        for bad in ["", "x", "1-", "-ff", "x-ff", "1-a b", "1-a'b"] {
            assert!(cursor(bad).is_err(), "{bad}");
        }
    }
}
