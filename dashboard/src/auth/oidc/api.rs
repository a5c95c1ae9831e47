//! The two routes.

use std::sync::Arc;

use warp::http::StatusCode;
use warp::http::header::{COOKIE, HOST, HeaderValue, LOCATION, SET_COOKIE};
use warp::reply::Response;

use super::error::OidcError;
use super::flow::{FLOW_MS, Flow};
use super::notes;
use super::provider::Returned;
use crate::auth::Session;
use crate::context::{Context, blocking};
use crate::query::bad_parameter;
use crate::reply::{self, ApiError};
use crate::router::{Admitted, Incoming};

const CALLBACK: &str = "/signin/oidc/callback";
/// Longest code that is passed on.
const MAX_CODE_BYTES: usize = 4 * 1_024;

/// `GET /signin/oidc?provider=ID`.
pub(crate) async fn begin(call: Admitted) -> Result<Response, ApiError> {
    let id = call.request.query.required_id("provider")?;
    let confirm = call.request.query.flag("confirm")?;
    let context = &call.context;
    let provider = context.oidc.provider(id);
    let provider = provider.ok_or_else(|| bad_parameter("provider", "is not configured"))?;
    // Costs next to nothing, so it is not slowed: who comes back is.
    let now = context.wall();
    let flow = Flow::begin(id, confirm, now);
    let redirect = redirect_uri(context, &call.request);
    match provider.authorize(&flow, &redirect, now).await {
        Ok(url) => {
            let mut answer = to(url.as_str())?;
            let cookie = context.oidc.flows.write(&flow);
            set_cookie(&mut answer, &redirect, &cookie, FLOW_MS / 1_000)?;
            Ok(answer)
        }
        Err(error) => to(&refused(&call, id, &error).await),
    }
}

/// `GET /signin/oidc/callback?code=…&state=…`.
pub(crate) async fn callback(call: Admitted) -> Result<Response, ApiError> {
    attempt(&call).await?;
    let mut provider = String::new();
    let mut answer = match signed_in(&call, &mut provider).await {
        Ok(session) => {
            let mut answer = to("/")?;
            crate::api::welcome(&call, &session, &mut answer, "oidc").await?;
            answer
        }
        Err(error) => to(&refused(&call, &provider, &error).await)?,
    };
    let redirect = redirect_uri(&call.context, &call.request);
    set_cookie(&mut answer, &redirect, "", 0)?;
    Ok(answer)
}

async fn signed_in(call: &Admitted, id: &mut String) -> Result<Session, OidcError> {
    let (context, query) = (&call.context, &call.request.query);
    let now = context.wall();
    let redirect = redirect_uri(context, &call.request);
    let cookie = cookie(call, &redirect).ok_or(OidcError::Stale("there is no cookie"))?;
    let flow = context.oidc.flows.read(&cookie, now)?;
    let provider = context.oidc.provider(&flow.provider);
    let provider = provider.ok_or(OidcError::Stale("the provider is not configured any more"))?;
    id.clone_from(&flow.provider);
    if query.text("state") != Some(&*flow.state()) {
        return Err(OidcError::Stale("the state is not that of the cookie"));
    }
    context.oidc.flows.take(&flow, now)?;
    if let Some(error) = query.text("error") {
        return Err(OidcError::declined(error));
    }
    let code = query.text("code").unwrap_or("");
    if code.is_empty() || code.len() > MAX_CODE_BYTES || code.chars().any(char::is_control) {
        return Err(OidcError::Stale("there is no code"));
    }
    let returned = Returned { code, iss: query.text("iss"), redirect: &redirect };
    let person = provider.person(&flow, returned, now).await?;
    let grants = provider.grants(&person);
    let (auth, name) = (Arc::clone(&context.parts.auth), flow.provider.clone());
    let from = call.request.peer.remote.ip();
    let work = move || auth.sign_in_by_provider(&name, &person, &grants, from);
    let session = tokio::task::spawn_blocking(work).await.map_err(OidcError::Task)??;
    tracing::info!(user = session.who.user, provider = flow.provider, %from, "signed in");
    Ok(session)
}

/// Takes an attempt from the allowance of the address.
async fn attempt(call: &Admitted) -> Result<(), ApiError> {
    let auth = Arc::clone(&call.context.parts.auth);
    let from = call.request.peer.remote.ip();
    let taken = blocking("sign in", move || auth.attempt_by_provider(from)).await?;
    taken.map_err(|e| crate::api::sign_in_refused(call, e))
}

/// Where the page is to go; it says there why, in the person's language.
async fn refused(call: &Admitted, provider: &str, error: &OidcError) -> String {
    let from = call.request.peer.remote.ip();
    let mut cause = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(source) = next {
        cause = format!("{cause}: {source}");
        next = source.source();
    }
    tracing::warn!(provider, %from, cause, "sign-in by provider refused");
    call.context.stats.sign_ins_refused.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    // A cookie that is not ours says nothing of who came, and is no sign-in at all.
    if !provider.is_empty() {
        notes::refused(call, error.user().unwrap_or(provider), error.code()).await;
    }
    format!("/?signin={}", error.code())
}

/// The one address that providers send browsers back to, under the configured name of this server.
/// Only a server that no other machine reaches takes it from the request.
fn redirect_uri(context: &Context, request: &Incoming) -> String {
    let host = request.headers.get(HOST).and_then(|v| v.to_str().ok()).unwrap_or("");
    format!("{}{CALLBACK}", context.origins.public(host))
}

/// Where browsers reach us over TLS, no other host and no plain page can set or read it.
fn cookie_name(redirect: &str) -> &'static str {
    if redirect.starts_with("https://") { "__Host-ioc-oidc" } else { "ioc_oidc" }
}

fn cookie(call: &Admitted, redirect: &str) -> Option<String> {
    let lines = call.request.headers.get_all(COOKIE).iter().filter_map(|v| v.to_str().ok());
    let mut pairs = lines.flat_map(|l| l.split(';')).filter_map(|p| p.trim().split_once('='));
    let name = cookie_name(redirect);
    pairs.find(|(n, _)| *n == name).map(|(_, value)| value.to_owned())
}

/// `Lax`: the way back from the provider begins at another site.
fn set_cookie(
    answer: &mut Response,
    redirect: &str,
    value: &str,
    max_age_s: i64,
) -> Result<(), ApiError> {
    let name = cookie_name(redirect);
    let secure = if name.starts_with("__Host-") { "; Secure" } else { "" };
    let text =
        format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax{secure}; Max-Age={max_age_s}");
    let value = HeaderValue::from_str(&text);
    let value = value.map_err(|e| ApiError::internal("set the cookie", &e))?;
    answer.headers_mut().append(SET_COOKIE, value);
    Ok(())
}

fn to(place: &str) -> Result<Response, ApiError> {
    let mut answer = reply::empty(StatusCode::SEE_OTHER);
    let place = HeaderValue::from_str(place);
    let place = place.map_err(|e| ApiError::internal("redirect", &e))?;
    answer.headers_mut().insert(LOCATION, place);
    Ok(answer)
}
