use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use serde::Deserialize;
use serde_json::{Value, json};
use warp::http::StatusCode;
use warp::http::header::{HeaderValue, LOCATION, SET_COOKIE};
use warp::reply::Response;

use crate::auth::Session;
use crate::context::{Context, blocking};
use crate::reply::{self, ApiError};
use crate::router::{Admitted, COOKIE_NAME};
use crate::{Auth, Identity, SignInError};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignInBody {
    user: String,
    password: String,
}

/// `POST /api/v1/session`.
pub(crate) async fn sign_in(mut call: Admitted) -> Result<Response, ApiError> {
    let body: SignInBody = call.body().await?;
    let from = call.request.peer.remote.ip();
    let session = call.context.parts.auth.sign_in(body.user, body.password, from).await;
    let session = session.map_err(|e| sign_in_refused(&call, e))?;
    tracing::info!(user = session.who.user, %from, "signed in");
    let mut answer = reply::json(&call.request.headers, &described(&session.who, &call.context))?;
    set_cookie(&mut answer, &session_cookie(&call.context, &session))?;
    Ok(answer)
}

/// `GET /signin?token=…`.
pub(crate) async fn sign_in_by_link(call: Admitted) -> Result<Response, ApiError> {
    let token = call.request.query.text("token").unwrap_or("").to_owned();
    let from = call.request.peer.remote.ip();
    let auth = Arc::clone(&call.context.parts.auth);
    let session = blocking("sign in", move || auth.sign_in_by_link(&token, from)).await?;
    let session = match session.map_err(|e| sign_in_refused(&call, e)) {
        Ok(session) => session,
        // The page says that the link is used up, and offers the password.
        Err(e) if e.status == StatusCode::UNAUTHORIZED => return Ok(redirect("/?signin=expired")),
        Err(e) => return Err(e),
    };
    tracing::info!(user = session.who.user, %from, "signed in by link");
    let mut answer = redirect("/");
    set_cookie(&mut answer, &session_cookie(&call.context, &session))?;
    Ok(answer)
}

/// `GET /api/v1/session`.
pub(crate) fn who_am_i(call: &Admitted) -> Result<Response, ApiError> {
    reply::json(&call.request.headers, &described(call.who()?, &call.context))
}

/// Who somebody is, and what the page may offer them.
fn described(who: &Identity, context: &Context) -> Value {
    let mut answer = json!(who);
    answer["role"] = json!(who.role());
    answer["can"] = json!(who.can(&context.parts.city));
    answer
}

/// `DELETE /api/v1/session`.
pub(crate) async fn sign_out(call: Admitted) -> Result<Response, ApiError> {
    let (_, token) = call.session.ok_or_else(ApiError::unauthorized)?;
    let auth = Arc::clone(&call.context.parts.auth);
    let ended = blocking("end the session", move || auth.sign_out(&token)).await?;
    ended.map_err(|e| ApiError::internal("end the session", &e))?;
    let mut answer = reply::empty(StatusCode::NO_CONTENT);
    set_cookie(&mut answer, &format!("{COOKIE_NAME}=; {}; Max-Age=0", attributes(&call.context)))?;
    Ok(answer)
}

pub(crate) fn sign_in_refused(call: &Admitted, error: SignInError) -> ApiError {
    call.context.stats.sign_ins_refused.fetch_add(1, Relaxed);
    // Not the name: people type passwords into the wrong field.
    tracing::warn!(from = %call.request.peer.remote.ip(), %error, "sign-in refused");
    match &error {
        SignInError::Wrong => {
            ApiError::new(StatusCode::UNAUTHORIZED, "wrong_credentials", error.to_string())
        }
        SignInError::TooMany { retry_after_s } => {
            let status = StatusCode::TOO_MANY_REQUESTS;
            let answer = ApiError::new(status, "too_many_attempts", error.to_string());
            ApiError { retry_after_s: Some(*retry_after_s), ..answer }
        }
        SignInError::Auth(cause) => ApiError::internal("sign in", cause),
    }
}

fn attributes(context: &Context) -> &'static str {
    if context.config.secure {
        "Path=/; HttpOnly; SameSite=Strict; Secure"
    } else {
        "Path=/; HttpOnly; SameSite=Strict"
    }
}

pub(crate) fn session_cookie(context: &Context, session: &Session) -> String {
    let (token, age) = (session.token.text(), Auth::cookie_max_age_s());
    format!("{COOKIE_NAME}={token}; {}; Max-Age={age}", attributes(context))
}

fn set_cookie(answer: &mut Response, cookie: &str) -> Result<(), ApiError> {
    let value = HeaderValue::from_str(cookie);
    let value = value.map_err(|e| ApiError::internal("set the cookie", &e))?;
    answer.headers_mut().insert(SET_COOKIE, value);
    Ok(())
}

fn redirect(to: &'static str) -> Response {
    let mut answer = reply::empty(StatusCode::SEE_OTHER);
    answer.headers_mut().insert(LOCATION, HeaderValue::from_static(to));
    answer
}
