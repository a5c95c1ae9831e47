//! In and out: passwords, one-time links, and who is here.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use ioc_model::Actor;
use serde::Deserialize;
use serde_json::{Value, json};
use warp::http::StatusCode;
use warp::http::header::{HeaderValue, LOCATION, SET_COOKIE, USER_AGENT};
use warp::reply::Response;

use super::account::{note, own};
use crate::auth::{Attempt, Held, Session};
use crate::context::{Context, blocking};
use crate::reply::{self, ApiError};
use crate::router::{Admitted, Peer};
use crate::{AuthError, SignInError};

/// Browsers keep no cookie longer than this; the server ends sessions sooner.
const COOKIE_MAX_AGE_S: i64 = 400 * 24 * 3_600;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignInBody {
    user: String,
    password: String,
    code: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfirmBody {
    password: String,
    code: Option<String>,
}

/// `POST /api/v1/session`.
pub(crate) async fn sign_in(mut call: Admitted) -> Result<Response, ApiError> {
    let body: SignInBody = call.body().await?;
    let from = call.request.peer.remote.ip();
    let user = body.user.clone();
    let attempt = Attempt { user: body.user, password: body.password, code: body.code, from };
    let session = match call.context.parts.auth.sign_in(attempt).await {
        Ok(session) => session,
        Err(error) => {
            note_failure(&call, user, &error).await;
            return Err(sign_in_refused(&call, error));
        }
    };
    tracing::info!(user = session.who.user, %from, "signed in");
    let said = described(&call.context, &session.token.text()).await?;
    let mut answer = reply::json(&call.request.headers, &said)?;
    welcome(&call, &session, &mut answer, "password").await?;
    Ok(answer)
}

/// `GET /signin?token=…`.
pub(crate) async fn sign_in_by_link(call: Admitted) -> Result<Response, ApiError> {
    let token = call.request.query.text("token").unwrap_or("").to_owned();
    let from = call.request.peer.remote.ip();
    let auth = Arc::clone(&call.context.parts.auth);
    let session = blocking("sign in", move || auth.sign_in_by_link(&token, from)).await?;
    let session = match session {
        Ok(session) => session,
        Err(error) => {
            note_failure(&call, String::new(), &error).await;
            let refused = sign_in_refused(&call, error);
            // The page says that the link is used up, and offers the password.
            if refused.status == StatusCode::UNAUTHORIZED {
                return Ok(redirect("/?signin=expired"));
            }
            return Err(refused);
        }
    };
    tracing::info!(user = session.who.user, %from, "signed in by link");
    let mut answer = redirect("/");
    welcome(&call, &session, &mut answer, "link").await?;
    Ok(answer)
}

/// `GET /api/v1/session/options`.
pub(crate) fn sign_in_options(call: &Admitted) -> Result<Response, ApiError> {
    let providers = call.context.config.oidc.iter();
    let oidc: Vec<Value> = providers.map(|p| json!({ "id": p.id, "name": p.name })).collect();
    reply::json(&call.request.headers, &json!({ "password": true, "oidc": oidc }))
}

/// `POST /api/v1/session/confirm`.
pub(crate) async fn confirm(mut call: Admitted) -> Result<Response, ApiError> {
    let user = own(&call)?;
    let body: ConfirmBody = call.body().await?;
    let from = call.request.peer.remote.ip();
    let token = call.session.as_ref().map(|(_, token)| token.clone()).unwrap_or_default();
    let attempt = Attempt { user: user.clone(), password: body.password, code: body.code, from };
    if let Err(error) = call.context.parts.auth.confirm(token, attempt).await {
        note_failure(&call, user, &error).await;
        return Err(sign_in_refused(&call, error));
    }
    Ok(reply::empty(StatusCode::NO_CONTENT))
}

/// `GET /api/v1/session`.
pub(crate) async fn who_am_i(call: Admitted) -> Result<Response, ApiError> {
    let (_, token) = call.session.as_ref().ok_or_else(ApiError::unauthorized)?;
    reply::json(&call.request.headers, &described(&call.context, token).await?)
}

/// Who somebody is, and what the page may offer them.
pub(super) async fn described(context: &Arc<Context>, token: &str) -> Result<Value, ApiError> {
    let (auth, token) = (Arc::clone(&context.parts.auth), token.to_owned());
    let held = blocking("check the session", move || auth.session(&token)).await?;
    let held = held.map_err(|e| ApiError::internal("check the session", &e))?;
    let Held { who, change_password, second_factor, expires, .. } =
        held.ok_or_else(ApiError::unauthorized)?;
    let mut answer = json!(who);
    answer["role"] = json!(who.role());
    answer["can"] = json!(who.can(&context.parts.city));
    answer["change_password"] = json!(change_password);
    answer["second_factor_needed"] = json!(second_factor);
    answer["expires"] = json!(expires);
    Ok(answer)
}

/// `DELETE /api/v1/session`.
pub(crate) async fn sign_out(call: Admitted) -> Result<Response, ApiError> {
    let (who, token) = call.session.clone().ok_or_else(ApiError::unauthorized)?;
    if matches!(who.seat, crate::Seat::Token { .. }) {
        return Err(ApiError::forbidden("person_needed", "a token has no session to end"));
    }
    let auth = Arc::clone(&call.context.parts.auth);
    let ended = blocking("end the session", move || auth.sign_out(&token)).await?;
    ended.map_err(|e| ApiError::internal("end the session", &e))?;
    note(&call, "signed_out", json!({})).await?;
    let mut answer = reply::empty(StatusCode::NO_CONTENT);
    set_cookie(&mut answer, &cookie(&call.request.peer, "", 0))?;
    Ok(answer)
}

/// What is due when a session begins: its cookie, the end of the one before, the audit line.
pub(crate) async fn welcome(
    call: &Admitted,
    session: &Session,
    answer: &mut Response,
    by: &'static str,
) -> Result<(), ApiError> {
    let token = session.token.text();
    let before = call.request.cookie();
    let agent = call.request.headers.get(USER_AGENT).and_then(|v| v.to_str().ok());
    let (auth, new, agent) =
        (Arc::clone(&call.context.parts.auth), token.clone(), agent.unwrap_or("").to_owned());
    let work = move || auth.arrived(&new, &agent, before.as_deref());
    let done = blocking("begin the session", work).await?;
    done.map_err(|e| ApiError::internal("begin the session", &e))?;
    let actor = actor(call, session.who.user.clone());
    write(call, "signed_in", actor, json!({ "by": by })).await?;
    set_cookie(answer, &cookie(&call.request.peer, &token, COOKIE_MAX_AGE_S))
}

pub(super) fn actor(call: &Admitted, user: String) -> Actor {
    let from: IpAddr = call.request.peer.remote.ip().to_canonical();
    Actor { user, origin: Some(from.to_string()), at: call.context.wall() }
}

/// Writes an act into the audit log.
pub(super) async fn write(
    call: &Admitted,
    action: &'static str,
    actor: Actor,
    detail: Value,
) -> Result<(), ApiError> {
    let note = Arc::clone(&call.context.parts.note_act);
    let noted = blocking("write the audit log", move || note(action, &actor, &detail.to_string()));
    noted.await?.map_err(|e| ApiError::internal("write the audit log", &*e))
}

/// Writes a refused sign-in down, summed up by minute; that it cannot does not change the answer.
pub(super) async fn note_failure(call: &Admitted, user: String, error: &SignInError) {
    let limited = matches!(error, SignInError::TooMany { .. });
    if matches!(error, SignInError::CodeNeeded | SignInError::Auth(_)) {
        return;
    }
    let (auth, from) = (Arc::clone(&call.context.parts.auth), call.request.peer.remote.ip());
    let counted = blocking("count", move || auth.count_failure(&user, from, limited)).await;
    let Ok(Ok(Some((known, times)))) = counted else { return };
    // Nobody's name: nothing that was typed is written down.
    let actor = actor(call, known.unwrap_or_else(|| "(unknown)".into()));
    let detail = json!({ "times": times, "too_many": limited });
    if let Err(error) = write(call, "sign_in_failed", actor, detail).await {
        tracing::error!(message = error.message, "a refused sign-in is not in the audit log");
    }
}

/// The answer to a refused sign-in, counted and logged.
pub(crate) fn sign_in_refused(call: &Admitted, error: SignInError) -> ApiError {
    call.context.stats.sign_ins_refused.fetch_add(1, Relaxed);
    // Not the name: people type passwords into the wrong field.
    tracing::warn!(from = %call.request.peer.remote.ip(), %error, "sign-in refused");
    let unauthorized = |code| ApiError::new(StatusCode::UNAUTHORIZED, code, error.to_string());
    match &error {
        SignInError::Wrong => unauthorized("wrong_credentials"),
        SignInError::CodeNeeded => unauthorized("code_needed"),
        SignInError::TooMany { retry_after_s } => {
            let status = StatusCode::TOO_MANY_REQUESTS;
            let answer = ApiError::new(status, "too_many_attempts", error.to_string());
            ApiError { retry_after_s: Some(*retry_after_s), ..answer }
        }
        SignInError::Auth(cause) => refusal("sign in", cause),
    }
}

/// The answer to what cannot be done with an account.
pub(super) fn refusal(act: &'static str, error: &AuthError) -> ApiError {
    let bad = |code| ApiError::bad_request(code, error.to_string());
    let conflict = |code| ApiError::new(StatusCode::CONFLICT, code, error.to_string());
    match error {
        AuthError::BadName(_) => bad("bad_name"),
        AuthError::BadRole(_) | AuthError::BadGrant(_) => bad("bad_grants"),
        AuthError::WeakPassword => bad("weak_password"),
        AuthError::SamePassword => bad("same_password"),
        AuthError::WrongCode => bad("wrong_code"),
        AuthError::BadToken(_) => bad("bad_token"),
        AuthError::NotFound(_) => ApiError::not_found("no such account"),
        AuthError::Exists(_) => conflict("exists"),
        AuthError::LastAdministrator(_) => conflict("last_administrator"),
        AuthError::NotLocal(_) => conflict("not_local"),
        AuthError::NoTotp => conflict("no_totp"),
        AuthError::Full(_) => conflict("full"),
        AuthError::Store(_)
        | AuthError::File { .. }
        | AuthError::Hash(_)
        | AuthError::Picture(_) => ApiError::internal(act, error),
    }
}

/// The cookie goes over TLS alone where there is TLS, and then under the name that binds it to
/// this host.
fn cookie(peer: &Peer, value: &str, max_age_s: i64) -> String {
    let secure = if peer.secure { "; Secure" } else { "" };
    let name = peer.cookie_name();
    format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict{secure}; Max-Age={max_age_s}")
}

fn set_cookie(answer: &mut Response, cookie: &str) -> Result<(), ApiError> {
    let value = HeaderValue::from_str(cookie);
    let value = value.map_err(|e| ApiError::internal("set the cookie", &e))?;
    answer.headers_mut().append(SET_COOKIE, value);
    Ok(())
}

fn redirect(to: &'static str) -> Response {
    let mut answer = reply::empty(StatusCode::SEE_OTHER);
    answer.headers_mut().insert(LOCATION, HeaderValue::from_static(to));
    answer
}
