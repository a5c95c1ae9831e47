//! One's own account: password, second factor, sessions, API tokens.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};
use warp::http::StatusCode;
use warp::reply::Response;

use super::session::{actor, note_failure, refusal, sign_in_refused, write};
use crate::auth::{Auth, NewKey};
use crate::context::blocking;
use crate::reply::{self, ApiError};
use crate::router::Admitted;
use crate::{AuthError, Grant, Identity, Seat, SignInError};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PasswordBody {
    old: String,
    new: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CodeBody {
    code: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenBody {
    label: String,
    grants: Vec<Grant>,
    days: u32,
}

/// An empty `{}`: a body that says nothing, so that a form of another page cannot send it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// The person who asks, by name: programs and screens have no account.
pub(super) fn own(call: &Admitted) -> Result<String, ApiError> {
    let who = call.who()?;
    if who.seat == Seat::Person {
        return Ok(who.user.clone());
    }
    Err(ApiError::forbidden("person_needed", "only a person has an account"))
}

/// Writes an act of who asks into the audit log.
pub(super) async fn note(
    call: &Admitted,
    action: &'static str,
    detail: Value,
) -> Result<(), ApiError> {
    write(call, action, actor(call, call.who()?.user.clone()), detail).await
}

/// Does something with the accounts on a blocking thread.
pub(super) async fn with<T: Send + 'static>(
    call: &Admitted,
    act: &'static str,
    work: impl FnOnce(&Auth) -> Result<T, AuthError> + Send + 'static,
) -> Result<T, ApiError> {
    let auth = Arc::clone(&call.context.parts.auth);
    blocking(act, move || work(&auth)).await?.map_err(|e| refusal(act, &e))
}

pub(super) fn done() -> Response {
    reply::empty(StatusCode::NO_CONTENT)
}

pub(super) fn created(call: &Admitted, body: &Value) -> Result<Response, ApiError> {
    let mut answer = reply::json(&call.request.headers, body)?;
    *answer.status_mut() = StatusCode::CREATED;
    Ok(answer)
}

/// `GET /api/v1/account`.
pub(crate) async fn account(call: Admitted) -> Result<Response, ApiError> {
    let user = own(&call)?;
    let asked = user.clone();
    let found = with(&call, "read the account", move |auth| {
        Ok(auth.own_account(&asked)?.zip(Some(auth.recovery_left(&asked)?)))
    });
    let (account, left) = found.await?.ok_or_else(|| ApiError::not_found("no such account"))?;
    let body = json!({
        "user": user, "grants": account.grants, "source": account.source, "totp": account.totp,
        "recovery_left": left, "password_changed": account.changed,
    });
    reply::json(&call.request.headers, &body)
}

/// `POST /api/v1/account/password`.
pub(crate) async fn change_password(mut call: Admitted) -> Result<Response, ApiError> {
    let user = own(&call)?;
    let body: PasswordBody = call.body().await?;
    let token = call.session.as_ref().map(|(_, token)| token.clone()).unwrap_or_default();
    let auth = Arc::clone(&call.context.parts.auth);
    if let Err(error) = auth.change_password(token, user.clone(), (body.old, body.new)).await {
        note_failure(&call, user, &error).await;
        return Err(sign_in_refused(&call, error));
    }
    note(&call, "password_changed", json!({})).await?;
    Ok(done())
}

/// `POST /api/v1/account/totp`.
pub(crate) async fn begin_totp(mut call: Admitted) -> Result<Response, ApiError> {
    let user = own(&call)?;
    let Nothing {} = call.body().await?;
    let new = with(&call, "make a second factor", move |auth| auth.begin_totp(&user)).await?;
    let body = json!({ "secret": new.secret, "uri": new.uri, "qr": new.qr });
    reply::json(&call.request.headers, &body)
}

/// `POST /api/v1/account/totp/confirm`.
pub(crate) async fn confirm_totp(mut call: Admitted) -> Result<Response, ApiError> {
    let user = own(&call)?;
    let CodeBody { code } = call.body().await?;
    let auth = Arc::clone(&call.context.parts.auth);
    let codes = blocking("set the second factor", move || auth.confirm_totp(&user, &code)).await?;
    let codes = codes.map_err(|e| match e {
        SignInError::Auth(e) => refusal("set the second factor", &e),
        limited => sign_in_refused(&call, limited),
    })?;
    note(&call, "totp_set", json!({})).await?;
    reply::json(&call.request.headers, &json!({ "recovery": codes }))
}

/// `DELETE /api/v1/account/totp`.
pub(crate) async fn remove_totp(call: Admitted) -> Result<Response, ApiError> {
    let user = own(&call)?;
    if with(&call, "remove the second factor", move |auth| auth.remove_totp(&user)).await? {
        note(&call, "totp_removed", json!({})).await?;
    }
    Ok(done())
}

/// `GET /api/v1/account/sessions`.
pub(crate) async fn own_sessions(call: Admitted) -> Result<Response, ApiError> {
    let user = own(&call)?;
    let current = call.session.as_ref().map(|(_, token)| token.clone());
    let work = move |auth: &Auth| auth.sessions(&user, current.as_deref());
    let sessions = with(&call, "list sessions", work).await?;
    reply::json(&call.request.headers, &json!({ "sessions": sessions }))
}

/// `DELETE /api/v1/account/sessions/{id}`.
pub(crate) async fn end_own_session(call: Admitted) -> Result<Response, ApiError> {
    let (user, id) = (own(&call)?, call.id.clone());
    if !with(&call, "end a session", move |auth| auth.end_session(&user, &id)).await? {
        return Err(ApiError::not_found("no such session"));
    }
    note(&call, "sessions_ended", json!({ "sessions": 1 })).await?;
    Ok(done())
}

/// `GET /api/v1/account/tokens`.
pub(crate) async fn own_tokens(call: Admitted) -> Result<Response, ApiError> {
    let user = own(&call)?;
    let tokens = with(&call, "list tokens", move |auth| auth.tokens(Some(&user))).await?;
    reply::json(&call.request.headers, &json!({ "tokens": tokens }))
}

/// `POST /api/v1/account/tokens`.
pub(crate) async fn issue_own_token(mut call: Admitted) -> Result<Response, ApiError> {
    let body: TokenBody = call.body().await?;
    let (who, city): (Identity, _) = (call.who()?.clone(), Arc::clone(&call.context.parts.city));
    let detail = json!({ "label": body.label.trim(), "grants": body.grants, "days": body.days });
    let work =
        move |auth: &Auth| auth.issue_token(&who, &body.label, &body.grants, body.days, &city);
    let NewKey { id, token, expires } = with(&call, "make a token", work).await?;
    let mut noted = detail;
    noted["token"] = json!(id);
    note(&call, "token_issued", noted).await?;
    created(&call, &json!({ "id": id, "token": token, "expires": expires }))
}

/// `DELETE /api/v1/account/tokens/{id}`.
pub(crate) async fn revoke_own_token(call: Admitted) -> Result<Response, ApiError> {
    let (user, id) = (own(&call)?, call.number()?);
    let work = move |auth: &Auth| auth.revoke_token(id, Some(&user));
    if with(&call, "end a token", work).await?.is_none() {
        return Err(ApiError::not_found("no such token"));
    }
    note(&call, "token_revoked", json!({ "token": id })).await?;
    Ok(done())
}
