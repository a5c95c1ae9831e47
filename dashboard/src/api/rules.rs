//! The rules: reading, checking, changing, asking why.

use std::sync::Arc;

use ioc_model::{
    BacktestAsk, Entity, RuleChange, RuleEdit, RuleOutcome, RuleRefusal, RuleStore, Timestamp,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use warp::http::header::{ETAG, HeaderValue};
use warp::http::{HeaderMap, StatusCode};
use warp::reply::Response;

use crate::query::{bad_parameter, is_id};
use crate::reply::{self, ApiError};
use crate::router::Admitted;

const DEFAULT_VERSIONS: usize = 50;
const MAX_VERSIONS: usize = 1_000;
const DEFAULT_ENTITIES: usize = 1_000;
const MAX_ENTITIES: usize = 10_000;
const MAX_NOTE_CHARS: usize = 1_000;

/// A change in a JSON body: exactly one of the four.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EditBody {
    /// Rule id, with `text` or `mode`, or alone with `delete`.
    id: Option<String>,
    text: Option<String>,
    mode: Option<String>,
    #[serde(default)]
    delete: bool,
    /// A version to go back to.
    rollback: Option<u64>,
    /// Of a backtest.
    from: Option<Timestamp>,
    to: Option<Timestamp>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ModeBody {
    mode: String,
    note: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NoteBody {
    note: Option<String>,
}

fn store(call: &Admitted) -> Arc<dyn RuleStore> {
    Arc::clone(&call.context.parts.rules)
}

fn refused(refusal: RuleRefusal) -> ApiError {
    let status = match &refusal {
        RuleRefusal::NotFound(_) => StatusCode::NOT_FOUND,
        RuleRefusal::Mistakes(_) => StatusCode::UNPROCESSABLE_ENTITY,
        RuleRefusal::Outdated { .. } => StatusCode::PRECONDITION_FAILED,
        RuleRefusal::ReadOnly(_) | RuleRefusal::FolderDiffers(_) => StatusCode::CONFLICT,
        RuleRefusal::Busy(_) => StatusCode::SERVICE_UNAVAILABLE,
        RuleRefusal::Bad(_) => StatusCode::BAD_REQUEST,
        RuleRefusal::Store(cause) => return ApiError::internal("reach the rules", &**cause),
    };
    let code = match &refusal {
        RuleRefusal::NotFound(_) => "not_found",
        RuleRefusal::Mistakes(_) => "rules_wrong",
        RuleRefusal::Outdated { .. } => "outdated",
        RuleRefusal::ReadOnly(_) => "read_only",
        RuleRefusal::FolderDiffers(_) => "folder_differs",
        RuleRefusal::Busy(_) => "busy",
        RuleRefusal::Bad(_) | RuleRefusal::Store(_) => "bad_rule",
    };
    let mut error = ApiError::new(status, code, refusal.to_string());
    match refusal {
        RuleRefusal::Mistakes(mistakes) | RuleRefusal::FolderDiffers(mistakes) => {
            error.extra.insert("mistakes".into(), json!(mistakes));
        }
        RuleRefusal::Outdated { running } => {
            error.extra.insert("version".into(), json!(running));
        }
        RuleRefusal::Busy(_) => error.retry_after_s = Some(5),
        _ => {}
    }
    error
}

/// An answer with the version that runs as its ETag.
fn versioned<T: Serialize>(
    headers: &HeaderMap,
    version: u64,
    body: &T,
) -> Result<Response, ApiError> {
    let mut response = reply::json(headers, body)?;
    let tag = HeaderValue::from_str(&format!("\"{version}\""));
    let tag = tag.map_err(|e| ApiError::internal("name the version", &e))?;
    response.headers_mut().insert(ETAG, tag);
    Ok(response)
}

fn note(note: Option<String>) -> Result<Option<String>, ApiError> {
    let long = note.as_ref().is_some_and(|n| n.chars().count() > MAX_NOTE_CHARS);
    match long {
        true => Err(ApiError::bad_request("bad_body", "note: at most 1000 characters")),
        false => Ok(note.filter(|n| !n.trim().is_empty())),
    }
}

fn change(call: &Admitted, edit: RuleEdit, why: Option<String>) -> Result<RuleChange, ApiError> {
    Ok(RuleChange {
        author: call.who()?.user.clone(),
        note: note(why)?,
        expected: reply::if_match(&call.request.headers)?,
        edit,
    })
}

async fn make(call: &Admitted, edit: RuleEdit, why: Option<String>) -> Result<Response, ApiError> {
    let change = change(call, edit, why)?;
    let (author, what) = (change.author.clone(), call.id.clone());
    let made = store(call).change(change).await.map_err(refused)?;
    tracing::info!(author, what, version = made.version, "rules changed");
    outcome(call, &made)
}

fn outcome(call: &Admitted, made: &RuleOutcome) -> Result<Response, ApiError> {
    versioned(&call.request.headers, made.version, made)
}

/// `GET /api/v1/rules`.
pub(crate) async fn rules(call: Admitted) -> Result<Response, ApiError> {
    let list = store(&call).list().await.map_err(refused)?;
    versioned(&call.request.headers, list.version, &list)
}

/// `GET /api/v1/rules/{id}`.
pub(crate) async fn rule(call: Admitted) -> Result<Response, ApiError> {
    let rule = store(&call).get(&call.id).await.map_err(refused)?;
    versioned(&call.request.headers, rule.running, &rule)
}

/// `PUT /api/v1/rules/{id}`: the body is YAML.
pub(crate) async fn put_rule(mut call: Admitted) -> Result<Response, ApiError> {
    let why = call.request.query.text("note").map(String::from);
    let text = String::from_utf8(call.bytes().await?)
        .map_err(|_| ApiError::bad_request("bad_body", "the body is not UTF-8"))?;
    let id = call.id.clone();
    make(&call, RuleEdit::Put { id, text }, why).await
}

/// `PATCH /api/v1/rules/{id}`.
pub(crate) async fn patch_rule(mut call: Admitted) -> Result<Response, ApiError> {
    let body: ModeBody = call.body().await?;
    let id = call.id.clone();
    make(&call, RuleEdit::Mode { id, mode: body.mode }, body.note).await
}

/// `DELETE /api/v1/rules/{id}`.
pub(crate) async fn delete_rule(call: Admitted) -> Result<Response, ApiError> {
    let why = call.request.query.text("note").map(String::from);
    let id = call.id.clone();
    make(&call, RuleEdit::Delete { id }, why).await
}

impl EditBody {
    fn edit(self) -> Result<Option<RuleEdit>, ApiError> {
        let bad = |m: &str| ApiError::bad_request("bad_body", m.to_owned());
        let edit = match (self.id, self.text, self.mode, self.delete, self.rollback) {
            (None, None, None, false, None) => return Ok(None),
            (None, None, None, false, Some(version)) => RuleEdit::Rollback { version },
            (Some(id), Some(text), None, false, None) => RuleEdit::Put { id, text },
            (Some(id), None, Some(mode), false, None) => RuleEdit::Mode { id, mode },
            (Some(id), None, None, true, None) => RuleEdit::Delete { id },
            _ => return Err(bad("one of {id, text}, {id, mode}, {id, delete}, {rollback}")),
        };
        match &edit {
            RuleEdit::Put { id, .. } | RuleEdit::Mode { id, .. } | RuleEdit::Delete { id }
                if !is_id(id) =>
            {
                Err(bad("id: 1 to 64 of A-Z a-z 0-9 _ . : -"))
            }
            _ => Ok(Some(edit)),
        }
    }
}

/// `POST /api/v1/rules/check`: what a change would do.
pub(crate) async fn check_rules(mut call: Admitted) -> Result<Response, ApiError> {
    let body: EditBody = call.body().await?;
    let nothing = || ApiError::bad_request("bad_body", "the body says no change");
    let edit = body.edit()?.ok_or_else(nothing)?;
    let change = change(&call, edit, None)?;
    let found = store(&call).check(change).await.map_err(refused)?;
    outcome(&call, &found)
}

/// `GET /api/v1/rules/versions`.
pub(crate) async fn rule_versions(call: Admitted) -> Result<Response, ApiError> {
    let limit = call.request.query.limit(DEFAULT_VERSIONS, MAX_VERSIONS)?;
    let versions = store(&call).versions(limit).await.map_err(refused)?;
    reply::json(&call.request.headers, &json!({ "versions": versions }))
}

/// `GET /api/v1/rules/versions/{id}`.
pub(crate) async fn rule_version(call: Admitted) -> Result<Response, ApiError> {
    let version = store(&call).version(call.number()?).await.map_err(refused)?;
    reply::json(&call.request.headers, &version)
}

/// `POST /api/v1/rules/versions/{id}/rollback`.
pub(crate) async fn roll_back(mut call: Admitted) -> Result<Response, ApiError> {
    let body: NoteBody = call.body().await?;
    let version = call.number()?;
    let why = body.note.or_else(|| Some(format!("back to version {version}")));
    make(&call, RuleEdit::Rollback { version }, why).await
}

/// `device:…`, `area:…`, `service:…`, `segment:…` or `city`.
fn entity(text: &str) -> Option<Entity> {
    if text == "city" {
        return Some(Entity::City);
    }
    let (kind, id) = text.split_once(':')?;
    let id = is_id(id).then(|| id.into())?;
    Some(match kind {
        "device" => Entity::Device(id),
        "area" => Entity::Area(id),
        "service" => Entity::Service(id),
        "segment" => Entity::Segment(id),
        _ => return None,
    })
}

/// `GET /api/v1/rules/{id}/explain?entity=…`.
pub(crate) async fn explain_rule(call: Admitted) -> Result<Response, ApiError> {
    let text = call.request.query.text("entity").unwrap_or("");
    let entity = entity(text).ok_or_else(|| bad_parameter("entity", "is not kind:id or city"))?;
    if !call.sees_entity(&entity) {
        return Err(ApiError::not_found("the rule does not know this entity"));
    }
    let found = store(&call).explain(&call.id, &entity).await.map_err(refused)?;
    reply::json(&call.request.headers, &found)
}

/// `GET /api/v1/rules/{id}/entities`.
pub(crate) async fn rule_entities(call: Admitted) -> Result<Response, ApiError> {
    let limit = call.request.query.limit(DEFAULT_ENTITIES, MAX_ENTITIES)?;
    let among = if call.scope.is_city() { limit } else { usize::MAX };
    let (mut entities, mut all) = store(&call).entities(&call.id, among).await.map_err(refused)?;
    if !call.scope.is_city() {
        entities.retain(|e| call.sees_entity(&e.entity));
        all = entities.len();
        entities.truncate(limit);
    }
    reply::json(&call.request.headers, &json!({ "entities": entities, "all": all }))
}

/// `GET /api/v1/rules/{id}/shadow`.
pub(crate) async fn rule_shadow(call: Admitted) -> Result<Response, ApiError> {
    let mut transitions = store(&call).shadow(&call.id).await.map_err(refused)?;
    transitions.retain(|t| call.scope.allows(&t.area, &t.service));
    reply::json(&call.request.headers, &json!({ "transitions": transitions }))
}

/// `POST /api/v1/rules/backtest`.
pub(crate) async fn start_backtest(mut call: Admitted) -> Result<Response, ApiError> {
    let body: EditBody = call.body().await?;
    let (from, to) = (body.from, body.to);
    let ask = BacktestAsk { edit: body.edit()?, from, to };
    let job = store(&call).backtest(ask).await.map_err(refused)?;
    reply::json(&call.request.headers, &json!({ "job": job }))
}

/// `GET /api/v1/rules/backtest/{id}`.
pub(crate) async fn backtest(call: Admitted) -> Result<Response, ApiError> {
    let state: Value = store(&call).backtest_state(call.number()?).await.map_err(refused)?;
    reply::json(&call.request.headers, &state)
}
