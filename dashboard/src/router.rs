//! From a request to its handler: one warp filter takes the request apart, one function checks
//! Host, Origin, session and role by the table of routes, then calls the handler.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use bytes::{Buf, Bytes};
use futures::{Stream, StreamExt, TryStreamExt};
use hyper::upgrade::OnUpgrade;
use ioc_model::{Actor, Scope};
use serde::de::DeserializeOwned;
use tokio::time::{Duration, Instant, timeout, timeout_at};
use warp::Filter;
use warp::http::header::{AUTHORIZATION, CONTENT_LENGTH, COOKIE};
use warp::http::{HeaderMap, Method, StatusCode};
use warp::reply::Response;

use crate::auth::{Held, is_token};
use crate::config::{BODY_BYTES_PER_S, BODY_TIMEOUT, READ_TIMEOUT};
use crate::context::{Context, blocking};
use crate::denials::denied;
use crate::dispatch::dispatch;
use crate::json::JsonLimits;
use crate::query::Query;
use crate::reply::{ApiError, CLEAR_SITE_DATA, recover, request_id};
use crate::routes::{Endpoint, Found, Policy, Reach, Route, find};
use crate::server::SLOT;
use crate::{Identity, Permission, api, assets, cross_site, json};

/// The name of the session cookie where there is no TLS: Safari does not keep `Secure` ones there.
pub(crate) const COOKIE_NAME: &str = "ioc_session";
/// Its name over TLS: a browser takes one of this name from this very host over TLS only, so
/// nobody on a sister host or on the way can plant one.
pub(crate) const SECURE_COOKIE_NAME: &str = "__Host-ioc";

/// Who asks, put into each request by the accept loop (warp sees no socket).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    /// The client. Behind a trusted proxy it is what that says, with port 0.
    pub remote: SocketAddr,
    /// Our end of the connection.
    pub local: SocketAddr,
    /// The browser came over TLS: ours, a trusted proxy's, or `dashboard.secure` says so.
    pub secure: bool,
    /// Somebody stands between: a trusted proxy, or one who says so of themselves. Such a
    /// request is never local.
    pub proxied: bool,
}

impl Peer {
    /// The name of the session cookie that this peer has.
    pub fn cookie_name(&self) -> &'static str {
        if self.secure { SECURE_COOKIE_NAME } else { COOKIE_NAME }
    }

    /// Is it on this machine, and not only its proxy?
    pub fn is_local(&self) -> bool {
        self.remote.ip().to_canonical().is_loopback() && !self.proxied
    }
}

type Body = Pin<Box<dyn Stream<Item = Result<Bytes, warp::Error>> + Send + Sync>>;

/// One request, taken apart.
pub(crate) struct Incoming {
    pub method: Method,
    pub path: String,
    /// Empty on routes that read [`Incoming::raw_query`] themselves.
    pub query: Query,
    pub raw_query: String,
    pub headers: HeaderMap,
    pub peer: Peer,
    /// It is a WebSocket handshake in all parts.
    pub is_websocket: bool,
    /// The connection itself, if it may be upgraded.
    pub upgrade: Option<OnUpgrade>,
    body: Body,
}

/// A request that has passed the checks.
pub(crate) struct Admitted {
    pub context: Arc<Context>,
    pub request: Incoming,
    /// Present on every route that needs a session.
    pub session: Option<(Identity, String)>,
    /// Where the route's permission holds for who asks: every answer keeps to it. Nothing on
    /// routes without a session.
    pub scope: Scope,
    /// The decoded `{…}` of the path.
    pub id: String,
    /// Largest body of the route.
    body_limit: usize,
    /// What JSON in it may look like.
    json: JsonLimits,
}

/// Everything the server serves.
pub(crate) fn filter(
    context: Arc<Context>,
) -> impl Filter<Extract = (Response,), Error = std::convert::Infallible> + Clone + Send + Sync + 'static
{
    let query = warp::query::raw().or(warp::any().map(String::new)).unify();
    let socket = warp::ws().map(|_| true).or(warp::any().map(|| false)).unify();
    let body = warp::body::stream().map(boxed);
    warp::method()
        .and(warp::path::full())
        .and(query)
        .and(warp::header::headers_cloned())
        .and(warp::ext::get::<Peer>())
        // Before `ws`, which takes it away.
        .and(warp::ext::optional::<OnUpgrade>())
        .and(socket)
        .and(body)
        .and_then(
            move |method,
                  path: warp::path::FullPath,
                  raw_query: String,
                  headers,
                  peer,
                  upgrade,
                  is_websocket,
                  body| {
                let context = Arc::clone(&context);
                async move {
                    let path = path.as_str().to_owned();
                    let query = Query::default();
                    let request = Incoming {
                        method,
                        path,
                        query,
                        raw_query,
                        headers,
                        peer,
                        is_websocket,
                        upgrade,
                        body,
                    };
                    serve(context, request).await.map_err(warp::reject::custom::<ApiError>)
                }
            },
        )
        .recover(recover)
        .unify()
}

fn boxed<S, B>(body: S) -> Body
where
    S: Stream<Item = Result<B, warp::Error>> + Send + Sync + 'static,
    B: Buf,
{
    Box::pin(body.map_ok(|mut part| part.copy_to_bytes(part.remaining())))
}

async fn serve(context: Arc<Context>, mut request: Incoming) -> Result<Response, ApiError> {
    context.stats.requests.fetch_add(1, Relaxed);
    let host = context.origins.host(&request.headers, request.peer.local.ip());
    let host = host.inspect_err(|_| {
        context.stats.refused_origin.fetch_add(1, Relaxed);
    })?;
    let (route, id) = match find(&request.method, &request.path) {
        Found::Route(route, id) => (route, id),
        Found::WrongMethod(allow) => return Err(wrong_method(allow)),
        Found::Nothing => return assets::answer(&request),
    };
    cross_site::check(&context, route, &request, &host)?;
    let id = if route.shared() {
        String::new()
    } else {
        crate::query::decode(id, false)
            .filter(|id| id.is_empty() || crate::query::is_id(id))
            .ok_or_else(|| ApiError::not_found("no such id"))?
    };
    if !route.shared() {
        request.query = Query::parse(&request.raw_query)?;
    }
    let (session, scope) = check_policy(&context, route, &request).await?;
    let body_limit = route.body_limit;
    let json = JsonLimits::of(route);
    let call = Admitted { context, request, session, scope, id, body_limit, json };
    answer(route, call).await
}

/// Calls the handler.
async fn answer(route: &Route, call: Admitted) -> Result<Response, ApiError> {
    let answer = dispatch(route.endpoint, call);
    if route.changes_state() {
        let mut answer = answer.await?;
        if route.endpoint == Endpoint::SignOut {
            let (name, value) = CLEAR_SITE_DATA;
            answer.headers_mut().insert(name, value);
        }
        return Ok(answer);
    }
    timeout(READ_TIMEOUT, answer).await.unwrap_or_else(|_| {
        tracing::warn!(path = route.path, request_id = request_id(), "a read took too long");
        let status = StatusCode::SERVICE_UNAVAILABLE;
        let error = ApiError::new(status, "took_too_long", "this took too long, ask for less");
        Err(ApiError { retry_after_s: Some(10), ..error })
    })
}

fn wrong_method(allow: Vec<&'static str>) -> ApiError {
    let status = StatusCode::METHOD_NOT_ALLOWED;
    let error = ApiError::new(status, "method_not_allowed", "not with this method");
    ApiError { allow, ..error }
}

/// Who asks, if anybody is signed in, and where the permission that the route needs holds for them.
async fn check_policy(
    context: &Arc<Context>,
    route: &'static Route,
    request: &Incoming,
) -> Result<(Option<(Identity, String)>, Scope), ApiError> {
    let stranger = (None, Scope::nothing());
    let (permission, reach) = match route.policy {
        Policy::Open => return Ok(stranger),
        Policy::Local => {
            return if request.peer.is_local() || context.config.metrics_for_all {
                Ok(stranger)
            } else {
                Err(ApiError::forbidden("not_local", "only from this machine"))
            };
        }
        Policy::PublicIfSet if context.config.public_cap => return Ok(stranger),
        Policy::PublicIfSet => (Permission::Watch, Reach::Common),
        Policy::PublicIfOpen if context.parts.open_data.enabled() => {
            let Some((held, token)) = session(context, request).await? else {
                slow_down(context, request)?;
                return Ok(stranger);
            };
            check_ready(route, &held)?;
            let scope = held.who.scope(Permission::Read, &context.parts.city);
            return Ok((Some((held.who, token)), scope));
        }
        Policy::PublicIfOpen => (Permission::Read, Reach::Scoped),
        Policy::Session => {
            let (held, token) =
                session(context, request).await?.ok_or_else(ApiError::unauthorized)?;
            check_ready(route, &held)?;
            check_fresh(route, &held)?;
            return Ok((Some((held.who, token)), Scope::nothing()));
        }
        Policy::Needs(permission, reach) => (permission, reach),
    };
    let (held, token) = session(context, request).await?.ok_or_else(ApiError::unauthorized)?;
    check_ready(route, &held)?;
    let who = &held.who;
    let scope = who.scope(permission, &context.parts.city);
    let from = request.peer.remote.ip();
    if scope.is_nothing() {
        let need = format!("this needs the permission `{}`", permission.as_str());
        let refusal = ApiError::forbidden("not_permitted", need);
        return Err(denied(context, route, who, from, refusal).await);
    }
    if reach == Reach::City && !scope.is_city() {
        let need = format!("this needs `{}` for the whole city", permission.as_str());
        let refusal = ApiError::forbidden("scope_too_small", need);
        return Err(denied(context, route, who, from, refusal).await);
    }
    check_fresh(route, &held)?;
    Ok((Some((held.who, token)), scope))
}

/// Who has a password that somebody else made changes it first; who must have a second factor sets
/// it up first.
fn check_ready(route: &Route, held: &Held) -> Result<(), ApiError> {
    let own_affairs = route.policy == Policy::Session && !route.gives_access();
    if held.change_password && !own_affairs {
        let message = "change your password first: somebody else made it";
        return Err(ApiError::forbidden("change_password", message));
    }
    if held.second_factor && !route.sets_up() {
        let message = "your role needs a second factor: set it up first";
        return Err(ApiError::forbidden("second_factor_needed", message));
    }
    Ok(())
}

/// What is critical is done by a person who was there a few minutes ago.
fn check_fresh(route: &Route, held: &Held) -> Result<(), ApiError> {
    if !route.fresh {
        return Ok(());
    }
    if !held.is_person() {
        return Err(ApiError::forbidden("person_needed", "only a person may, not a program"));
    }
    if !held.fresh {
        let message = "give your password once more: POST /api/v1/session/confirm";
        return Err(ApiError::forbidden("confirm_needed", message));
    }
    Ok(())
}

/// Strangers may ask so often.
fn slow_down(context: &Context, request: &Incoming) -> Result<(), ApiError> {
    let limit = context.parts.open_data.rate_limit();
    limit.check(request.peer.remote.ip(), context.wall()).map_err(|wait_s| {
        let status = StatusCode::TOO_MANY_REQUESTS;
        let error = ApiError::new(status, "too_many", "too many requests from this address");
        ApiError { retry_after_s: Some(wait_s), ..error }
    })
}

/// Who asks, with the cookie or the token, if there is a session that holds.
async fn session(
    context: &Arc<Context>,
    request: &Incoming,
) -> Result<Option<(Held, String)>, ApiError> {
    let Some(credential) = credential(request) else { return Ok(None) };
    let (auth, asked) = (Arc::clone(&context.parts.auth), credential.clone());
    let held = blocking("check the session", move || auth.session(&asked)).await?;
    let held = held.map_err(|e| ApiError::internal("check the session", &e))?;
    Ok(held.map(|held| (held, credential)))
}

/// The token of a program, or the cookie of a browser; never the one in the place of the other, and
/// with a token no cookie counts.
fn credential(request: &Incoming) -> Option<String> {
    if let Some(token) = bearer(&request.headers) {
        return is_token(token).then(|| token.to_owned());
    }
    request.cookie().filter(|cookie| !is_token(cookie))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let text = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = text.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

fn session_cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|v| v.to_str().ok());
    let mut pairs = lines.flat_map(|l| l.split(';')).filter_map(|p| p.trim().split_once('='));
    pairs.find(|(given, _)| *given == name).map(|(_, value)| value.to_owned())
}

impl Incoming {
    /// The session cookie, whether or not it stands for anybody.
    pub fn cookie(&self) -> Option<String> {
        session_cookie(&self.headers, self.peer.cookie_name())
    }
}

impl Admitted {
    /// Who asks; on routes without a session, nobody.
    pub fn who(&self) -> Result<&Identity, ApiError> {
        self.session.as_ref().map(|(who, _)| who).ok_or_else(ApiError::unauthorized)
    }

    /// Who acts, from where, and when.
    pub fn actor(&self) -> Result<Actor, ApiError> {
        let origin = self.request.peer.remote.ip().to_canonical().to_string();
        let user = self.who()?.user.clone();
        Ok(Actor { user, origin: Some(origin), at: self.context.wall() })
    }

    /// The `{…}` of the path where it is a number.
    pub fn number(&self) -> Result<u64, ApiError> {
        self.id.parse().map_err(|_| ApiError::not_found("no such number"))
    }

    pub fn document(&self, document: &crate::reply::Document) -> Response {
        document.answer(&self.request.headers, api::REVALIDATE)
    }

    /// Reads the JSON body; unknown fields are refused by `T`.
    pub async fn body<T: DeserializeOwned>(&mut self) -> Result<T, ApiError> {
        let limits = self.json;
        let body = self.bytes().await?;
        json::check(&body, limits)
            .and_then(|()| serde_json::from_slice(&body))
            .map_err(|error| ApiError::bad_request("bad_body", format!("body: {error}")))
    }

    /// Reads the body: at most what the route takes, in 5 s and 1 s more for each 16 KiB.
    pub async fn bytes(&mut self) -> Result<Vec<u8>, ApiError> {
        let slot = SLOT.try_with(Arc::clone).ok();
        if let Some(slot) = &slot {
            slot.body();
        }
        let read = self.read_body().await;
        if let Some(slot) = &slot {
            slot.work();
        }
        read
    }

    async fn read_body(&mut self) -> Result<Vec<u8>, ApiError> {
        let status = StatusCode::PAYLOAD_TOO_LARGE;
        let too_large =
            ApiError::new(status, "too_large", format!("at most {} KiB", self.body_limit / 1_024));
        let announced = self.request.headers.get(CONTENT_LENGTH);
        let announced = announced.and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
        if announced.is_some_and(|n| n > self.body_limit as u64) {
            return Err(too_large);
        }
        let start = Instant::now();
        let mut body = Vec::new();
        loop {
            let earned = Duration::from_secs(body.len() as u64 / BODY_BYTES_PER_S);
            let part = timeout_at(start + BODY_TIMEOUT + earned, self.request.body.next());
            let late =
                |_| ApiError::new(StatusCode::REQUEST_TIMEOUT, "too_slow", "the body is too slow");
            let Some(part) = part.await.map_err(late)? else { return Ok(body) };
            let broken = |_| ApiError::bad_request("bad_body", "the body broke off");
            let part = part.map_err(broken)?;
            if body.len() + part.len() > self.body_limit {
                return Err(too_large);
            }
            body.extend_from_slice(&part);
        }
    }
}
