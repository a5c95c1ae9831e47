//! Whether a request was made by our own page: what a page elsewhere makes a browser send here
//! (CSRF, cross-site WebSockets, navigations to the API) is refused before anybody asks who is
//! signed in.

use std::sync::atomic::Ordering::Relaxed;

use warp::http::StatusCode;
use warp::http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, ORIGIN};

use crate::context::Context;
use crate::reply::ApiError;
use crate::router::Incoming;
use crate::routes::{Endpoint, Policy, Route};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Requests that change state, and sockets, must come from our own page; what a session opens must
/// not be asked for by another site.
pub(crate) fn check(
    context: &Context,
    route: &Route,
    request: &Incoming,
    host: &str,
) -> Result<(), ApiError> {
    let result = check_it(context, route, request, host);
    if result.as_ref().is_err_and(|e| e.status == StatusCode::FORBIDDEN) {
        context.stats.refused_origin.fetch_add(1, Relaxed);
    }
    result
}

fn check_it(
    context: &Context,
    route: &Route,
    request: &Incoming,
    host: &str,
) -> Result<(), ApiError> {
    // Browsers send it of their own, without the page: its Origin may be `null`.
    if route.endpoint == Endpoint::CspReport {
        return Ok(());
    }
    let socket = matches!(route.endpoint, Endpoint::Socket | Endpoint::Mqtt);
    let changes = route.changes_state();
    if changes || socket || guarded(route) {
        check_site(request, changes || socket)?;
    }
    if !changes && !socket {
        return Ok(());
    }
    let headers = &request.headers;
    let named = headers.contains_key(ORIGIN);
    // No browser sends this of its own, so no page can make one send it. A browser that does
    // names its page.
    let by_token = headers.get(AUTHORIZATION).is_some_and(|v| v.as_bytes().starts_with(b"Bearer "));
    // A device has no page behind it either.
    if named || !(by_token || route.endpoint == Endpoint::Mqtt) {
        context.origins.origin(headers, host, request.peer.secure)?;
    }
    if socket {
        return Ok(());
    }
    // A page elsewhere cannot send this header without asking first, and is refused then.
    if !by_token && headers.get("x-ioc-request").is_none_or(|v| v != "1") {
        return Err(ApiError::forbidden(
            "header_missing",
            "the header X-IOC-Request: 1 is missing",
        ));
    }
    let kind = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("");
    let json = kind.split(';').next().unwrap_or("").trim().eq_ignore_ascii_case("application/json");
    if matches!(route.method, "POST" | "PATCH") && !json {
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return Err(ApiError::new(status, "not_json", "Content-Type must be application/json"));
    }
    Ok(())
}

/// Answers of these are for our page and for programs, not for pages elsewhere.
fn guarded(route: &Route) -> bool {
    matches!(route.policy, Policy::Session | Policy::Needs(..) | Policy::Local)
}

/// What the browser says of the page that asks. Older ones say nothing; there SameSite and Origin
/// must do.
fn check_site(request: &Incoming, changes: bool) -> Result<(), ApiError> {
    let mut sites = request.headers.get_all(SEC_FETCH_SITE).iter();
    let Some(site) = sites.next() else { return Ok(()) };
    // `none`: typed into the address bar, or a bookmark; nobody changes anything by that.
    let own = site == "same-origin" || (site == "none" && !changes);
    if own && sites.next().is_none() {
        return Ok(());
    }
    Err(ApiError::forbidden("cross_site", "another site asks for this"))
}
