//! Accounts of all people, for administrators of the whole city.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};
use warp::reply::Response;

use super::account::{Nothing, created, done, note, with};
use crate::auth::{Auth, check_grants};
use crate::reply::{self, ApiError};
use crate::router::Admitted;
use crate::{Grant, Permission, Role};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PersonBody {
    name: String,
    grants: Vec<Grant>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GrantsBody {
    grants: Vec<Grant>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StateBody {
    disabled: bool,
}

/// `GET /api/v1/people`.
pub(crate) async fn people(call: Admitted) -> Result<Response, ApiError> {
    let people = with(&call, "list accounts", Auth::list).await?;
    let roles = Role::ALL.into_iter().filter(|r| *r != Role::Wall).map(|role| {
        let held = Permission::ALL.into_iter().filter(|p| role.may(*p));
        json!({ "role": role, "permissions": held.collect::<Vec<_>>() })
    });
    let body = json!({ "people": people, "roles": roles.collect::<Vec<Value>>() });
    reply::json(&call.request.headers, &body)
}

/// `POST /api/v1/people`.
pub(crate) async fn add_person(mut call: Admitted) -> Result<Response, ApiError> {
    let PersonBody { name, grants } = call.body().await?;
    let city = Arc::clone(&call.context.parts.city);
    let noted = json!({ "person": name, "grants": grants });
    let made = name.clone();
    let work = move |auth: &Auth| {
        check_grants(&grants, &city)?;
        auth.add_person(&made, &grants)
    };
    let password = with(&call, "add an account", work).await?;
    note(&call, "person_added", noted).await?;
    created(&call, &json!({ "name": name, "password": password }))
}

/// `PUT /api/v1/people/{id}/grants`.
pub(crate) async fn set_grants(mut call: Admitted) -> Result<Response, ApiError> {
    let GrantsBody { grants } = call.body().await?;
    let (user, city) = (call.id.clone(), Arc::clone(&call.context.parts.city));
    let noted = json!({ "person": user, "grants": grants });
    let work = move |auth: &Auth| {
        check_grants(&grants, &city)?;
        auth.set_grants(&user, &grants)
    };
    with(&call, "change grants", work).await?;
    note(&call, "grants_changed", noted).await?;
    Ok(done())
}

/// `POST /api/v1/people/{id}/state`.
pub(crate) async fn set_person_state(mut call: Admitted) -> Result<Response, ApiError> {
    let StateBody { disabled } = call.body().await?;
    let user = call.id.clone();
    let work = move |auth: &Auth| match disabled {
        true => auth.disable(&user),
        false => auth.enable(&user),
    };
    with(&call, "close or open an account", work).await?;
    let action = if disabled { "person_disabled" } else { "person_enabled" };
    note(&call, action, json!({ "person": call.id })).await?;
    Ok(done())
}

/// `POST /api/v1/people/{id}/password`.
pub(crate) async fn reset_password(mut call: Admitted) -> Result<Response, ApiError> {
    let Nothing {} = call.body().await?;
    let user = call.id.clone();
    let password = with(&call, "reset a password", move |auth| auth.reset_password(&user)).await?;
    note(&call, "password_changed", json!({ "person": call.id })).await?;
    reply::json(&call.request.headers, &json!({ "password": password }))
}

/// `DELETE /api/v1/people/{id}/totp`.
pub(crate) async fn remove_person_totp(call: Admitted) -> Result<Response, ApiError> {
    let user = call.id.clone();
    if with(&call, "remove a second factor", move |auth| auth.remove_totp(&user)).await? {
        note(&call, "totp_removed", json!({ "person": call.id })).await?;
    }
    Ok(done())
}

/// `GET /api/v1/people/{id}/sessions`.
pub(crate) async fn person_sessions(call: Admitted) -> Result<Response, ApiError> {
    let user = call.id.clone();
    let current = call.session.as_ref().map(|(_, token)| token.clone());
    let work = move |auth: &Auth| auth.sessions(&user, current.as_deref());
    let sessions = with(&call, "list sessions", work).await?;
    reply::json(&call.request.headers, &json!({ "sessions": sessions }))
}

/// `DELETE /api/v1/people/{id}/sessions`.
pub(crate) async fn end_person_sessions(call: Admitted) -> Result<Response, ApiError> {
    let user = call.id.clone();
    let ended = with(&call, "end sessions", move |auth| auth.end_sessions(&user)).await?;
    note(&call, "sessions_ended", json!({ "person": call.id, "sessions": ended })).await?;
    Ok(done())
}

/// `DELETE /api/v1/people/{id}`.
pub(crate) async fn remove_person(call: Admitted) -> Result<Response, ApiError> {
    let user = call.id.clone();
    with(&call, "remove an account", move |auth| auth.remove(&user)).await?;
    note(&call, "person_removed", json!({ "person": call.id })).await?;
    Ok(done())
}

/// `GET /api/v1/people/tokens`.
pub(crate) async fn api_tokens(call: Admitted) -> Result<Response, ApiError> {
    let tokens = with(&call, "list tokens", |auth| auth.tokens(None)).await?;
    reply::json(&call.request.headers, &json!({ "tokens": tokens }))
}

/// `DELETE /api/v1/people/tokens/{id}`.
pub(crate) async fn revoke_api_token(call: Admitted) -> Result<Response, ApiError> {
    let id = call.number()?;
    let owner = with(&call, "end a token", move |auth| auth.revoke_token(id, None)).await?;
    let owner = owner.ok_or_else(|| ApiError::not_found("no such token"))?;
    note(&call, "token_revoked", json!({ "token": id, "person": owner })).await?;
    Ok(done())
}
