//! Who is on duty, the shift log, and the handover in three forms.

use ioc_model::{AlertId, Handover, Timestamp};
use serde::Deserialize;
use serde_json::json;
use warp::http::StatusCode;
use warp::http::header::{CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, HeaderValue};
use warp::reply::Response;

use super::actions::EmptyBody;
use super::ask::{Trouble, ask, or_not_found, with_status};
use super::words;
use crate::query::{Query, bad_parameter};
use crate::reply::{self, ApiError};
use crate::router::Admitted;
use crate::{Lang, Parts, Printout};

const DEFAULT_ENTRIES: usize = 200;
const MAX_ENTRIES: usize = 1_000;
const MAX_POSITION_CHARS: usize = 64;
const HANDOVER_MS: i64 = 12 * 3_600_000;
/// A handover lists all of its log.
const MAX_HANDOVER_MS: i64 = 31 * 86_400_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BeginBody {
    position: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EndBody {
    #[serde(default)]
    handover: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryBody {
    text: String,
    #[serde(default)]
    alert: Option<String>,
    #[serde(default)]
    open: bool,
}

/// `GET /api/v1/shifts`.
pub(crate) async fn shifts(call: Admitted) -> Result<Response, ApiError> {
    let user = call.who()?.user.clone();
    ask(&call, "read who is on duty", move |parts, headers| {
        let on_duty = parts.shifts.on_duty()?;
        Ok(reply::json(headers, &json!({ "on_duty": on_duty, "user": user }))?)
    })
    .await
}

/// `POST /api/v1/shifts`.
pub(crate) async fn begin_shift(mut call: Admitted) -> Result<Response, ApiError> {
    let body: BeginBody = call.body().await?;
    let position = words::line(&body.position, "position", MAX_POSITION_CHARS)?;
    let actor = call.actor()?;
    ask(&call, "begin the shift", move |parts, headers| {
        let shift = parts.shifts.begin(&position, &actor)?;
        let answer = reply::json(headers, &json!({ "shift": shift }))?;
        Ok(with_status(answer, StatusCode::CREATED))
    })
    .await
}

/// `POST /api/v1/shifts/{id}/end`.
pub(crate) async fn end_shift(mut call: Admitted) -> Result<Response, ApiError> {
    let body: EndBody = call.body().await?;
    let text = body.handover.unwrap_or_default();
    let handover = match text.trim() {
        "" => None,
        said => Some(words::required(said, "handover", "bad_text")?),
    };
    let (id, actor) = (call.number()?, call.actor()?);
    ask(&call, "end the shift", move |parts, headers| {
        let shift = parts.shifts.end(id, handover.as_deref(), &actor).map_err(or_not_found)?;
        Ok(reply::json(headers, &json!({ "shift": shift }))?)
    })
    .await
}

/// `GET /api/v1/shifts/log`.
pub(crate) async fn shift_log(call: Admitted) -> Result<Response, ApiError> {
    let query = &call.request.query;
    let limit = query.limit(DEFAULT_ENTRIES, MAX_ENTRIES)?;
    let from = query.time("from")?.unwrap_or(Timestamp(0));
    let to = query.time("to")?.unwrap_or(Timestamp(i64::MAX));
    ask(&call, "read the shift log", move |parts, headers| {
        let entries = parts.shifts.log(from, to, limit)?;
        Ok(reply::json(headers, &json!({ "entries": entries }))?)
    })
    .await
}

/// `POST /api/v1/shifts/log`.
pub(crate) async fn write_entry(mut call: Admitted) -> Result<Response, ApiError> {
    let body: EntryBody = call.body().await?;
    let text = words::required(&body.text, "text", "bad_text")?;
    body.alert.as_deref().map_or(Ok(()), |id| words::id(id, "alert"))?;
    let (alert, actor) = (body.alert.map(AlertId), call.actor()?);
    ask(&call, "write into the shift log", move |parts, headers| {
        let entry = parts.shifts.write(&text, alert.as_ref(), body.open, &actor)?;
        let answer = reply::json(headers, &json!({ "entry": entry }))?;
        Ok(with_status(answer, StatusCode::CREATED))
    })
    .await
}

/// `POST /api/v1/shifts/log/{id}/done`.
pub(crate) async fn entry_done(mut call: Admitted) -> Result<Response, ApiError> {
    let EmptyBody {} = call.body().await?;
    let (id, actor) = (call.number()?, call.actor()?);
    ask(&call, "tick off the entry", move |parts, headers| {
        let entry = parts.shifts.done(id, &actor).map_err(or_not_found)?;
        Ok(reply::json(headers, &json!({ "entry": entry }))?)
    })
    .await
}

pub(super) fn lang(query: &Query) -> Result<Lang, ApiError> {
    match query.text("lang") {
        None | Some("vi") => Ok(Lang::Vi),
        Some("en") => Ok(Lang::En),
        Some(_) => Err(bad_parameter("lang", "is neither vi nor en")),
    }
}

/// Makes the handover that is asked for and gives it to `form`. Times are wall times, as shifts
/// are.
async fn made<T: Send + 'static>(
    call: &Admitted,
    form: impl FnOnce(&Parts, &Handover) -> Result<T, Trouble> + Send + 'static,
) -> Result<T, ApiError> {
    let (from, to) = call.request.query.range(call.context.wall(), HANDOVER_MS)?;
    if to.since_ms(from) > MAX_HANDOVER_MS {
        return Err(bad_parameter("from", "is more than 31 days before `to`"));
    }
    let _turn = call.context.turn(&call.context.reports).await?;
    ask(call, "make the handover", move |parts, _| form(parts, &parts.shifts.handover(from, to)?))
        .await
}

/// `GET /api/v1/shifts/handover`.
pub(crate) async fn handover(call: Admitted) -> Result<Response, ApiError> {
    let headers = call.request.headers.clone();
    made(&call, move |_, handover| Ok(reply::json(&headers, handover)?)).await
}

/// `GET /api/v1/shifts/handover.html`.
pub(crate) async fn handover_html(call: Admitted) -> Result<Response, ApiError> {
    let lang = lang(&call.request.query)?;
    let Printout { html, style } =
        made(&call, move |parts, handover| Ok((parts.forms.handover_html)(handover, lang))).await?;
    let mut answer = reply::bytes(StatusCode::OK, "text/html; charset=utf-8", html);
    answer.headers_mut().insert(CONTENT_SECURITY_POLICY, print_policy(&style));
    Ok(answer)
}

/// Nothing runs and nothing is loaded; only the page's own style, named by its hash.
fn print_policy(style: &str) -> HeaderValue {
    const NOTHING: &str = "default-src 'none'; base-uri 'none'; form-action 'none'; \
        frame-ancestors 'none'";
    let base64 = |b: u8| b.is_ascii_alphanumeric() || b"+/=".contains(&b);
    let is_hash = style.strip_prefix("sha256-").is_some_and(|h| h.bytes().all(base64));
    if !is_hash && !style.is_empty() {
        tracing::warn!(style, "style of the handover is not named by a hash");
    }
    let with_style = HeaderValue::try_from(format!("{NOTHING}; style-src '{style}'")).ok();
    with_style.filter(|_| is_hash).unwrap_or(HeaderValue::from_static(NOTHING))
}

/// `GET /api/v1/shifts/handover.csv`.
pub(crate) async fn handover_csv(call: Admitted) -> Result<Response, ApiError> {
    let lang = lang(&call.request.query)?;
    let (csv, day) = made(&call, move |parts, handover| {
        let csv = (parts.forms.handover_csv)(handover, lang);
        // The day in the city, as the sheet's times are.
        let day: String = handover.to.to_rfc3339().chars().take(10).collect();
        Ok((csv, day))
    })
    .await?;
    Ok(sheet(csv, "handover", &day))
}

/// A file for a spreadsheet.
pub(super) fn sheet(csv: String, what: &str, day: &str) -> Response {
    let mut answer = reply::bytes(StatusCode::OK, "text/csv; charset=utf-8", csv);
    let name = HeaderValue::try_from(format!("attachment; filename=\"{what}-{day}.csv\""));
    let name = name.unwrap_or(HeaderValue::from_static("attachment"));
    answer.headers_mut().insert(CONTENT_DISPOSITION, name);
    answer
}
