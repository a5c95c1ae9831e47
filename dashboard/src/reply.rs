//! Answers: JSON, cached documents, errors, and the headers every answer carries.

use std::convert::Infallible;
use std::io::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use warp::http::header::{
    ACCEPT_ENCODING, ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
    ETAG, HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH, RETRY_AFTER, VARY,
};
use warp::http::{HeaderMap, StatusCode};
use warp::reject::{MethodNotAllowed, Reject, Rejection};
use warp::reply::Response;

pub(crate) const JSON: &str = "application/json; charset=utf-8";
/// Smaller answers do not gain from compression.
const GZIP_FROM_BYTES: usize = 1_024;

tokio::task_local! {
    /// Id of the request under way, for answers and the log.
    pub(crate) static REQUEST_ID: String;
}

/// The id of the request under way.
pub(crate) fn request_id() -> String {
    REQUEST_ID.try_with(String::clone).unwrap_or_default()
}

/// An answer that is not a success. The message goes to the client; internal detail goes to the
/// log, where the request id leads to it.
#[derive(Debug)]
pub(crate) struct ApiError {
    pub status: StatusCode,
    pub code: &'static str,
    pub message: String,
    /// Further fields of the body.
    pub extra: Map<String, Value>,
    pub retry_after_s: Option<u64>,
    pub allow: Vec<&'static str>,
}

impl Reject for ApiError {}

impl ApiError {
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { status, code, message, extra: Map::new(), retry_after_s: None, allow: Vec::new() }
    }

    pub fn bad_request(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    pub fn forbidden(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, message)
    }

    pub fn not_found(what: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", what)
    }

    pub fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "sign_in", "sign in first")
    }

    /// Our own trouble: the cause is logged and not told.
    pub fn internal(act: &'static str, cause: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(act, cause = %chain(cause), request_id = request_id(), "request failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", format!("cannot {act} now"))
    }

    /// A part behind us does not answer.
    pub fn unavailable(
        code: &'static str,
        act: &'static str,
        cause: &(dyn std::error::Error + 'static),
    ) -> Self {
        tracing::warn!(act, cause = %chain(cause), request_id = request_id(), "part unavailable");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, format!("cannot {act} now"))
    }

    pub fn answer(&self) -> Response {
        let mut body = self.extra.clone();
        body.insert("code".into(), json!(self.code));
        body.insert("message".into(), json!(self.message));
        body.insert("request_id".into(), json!(request_id()));
        let mut response = bytes(self.status, JSON, Value::Object(body).to_string());
        if let Some(seconds) = self.retry_after_s {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Ok(allow) = HeaderValue::from_str(&self.allow.join(", "))
            && !self.allow.is_empty()
        {
            response.headers_mut().insert(ALLOW, allow);
        }
        response
    }
}

fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

/// The one place where a refusal becomes an answer.
pub(crate) async fn recover(rejection: Rejection) -> Result<Response, Infallible> {
    if let Some(error) = rejection.find::<ApiError>() {
        return Ok(error.answer());
    }
    let error = if rejection.is_not_found() {
        ApiError::not_found("no such resource")
    } else if rejection.find::<MethodNotAllowed>().is_some() {
        ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "method not allowed")
    } else {
        tracing::debug!(?rejection, "request refused by warp");
        ApiError::bad_request("bad_request", "the request cannot be understood")
    };
    Ok(error.answer())
}

/// An answer of bytes.
pub(crate) fn bytes(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Response {
    let mut response = Response::new(body.into().into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// The compressed form, when it pays and the client can.
pub(crate) fn zipped(headers: &HeaderMap, kind: &str, body: &[u8]) -> Option<Vec<u8>> {
    let pays = body.len() >= GZIP_FROM_BYTES && compressible(kind) && takes_gzip(headers);
    pays.then(|| gzip(body, Compression::fast()))
}

/// A JSON answer, compressed when it pays and the client can.
pub(crate) fn json<T: Serialize>(headers: &HeaderMap, body: &T) -> Result<Response, ApiError> {
    let body = serde_json::to_vec(body).map_err(|e| ApiError::internal("write the answer", &e))?;
    if body.len() < GZIP_FROM_BYTES || !takes_gzip(headers) {
        return Ok(bytes(StatusCode::OK, JSON, body));
    }
    let mut response = bytes(StatusCode::OK, JSON, gzip(&body, Compression::fast()));
    response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    response.headers_mut().insert(VARY, HeaderValue::from_static("accept-encoding"));
    Ok(response)
}

/// An answer without a body.
pub(crate) fn empty(status: StatusCode) -> Response {
    let mut response = Response::default();
    *response.status_mut() = status;
    response
}

/// A document that is the same for everyone until it changes: compressed and named once.
#[derive(Debug)]
pub(crate) struct Document {
    kind: &'static str,
    plain: Bytes,
    gzip: Option<Bytes>,
    etag: HeaderValue,
}

impl Document {
    pub fn new(kind: &'static str, plain: impl Into<Bytes>) -> Arc<Self> {
        let plain = plain.into();
        let etag =
            HeaderValue::from_str(&weak_tag(&plain)).unwrap_or(HeaderValue::from_static("W/\"0\""));
        let zipped = (plain.len() >= GZIP_FROM_BYTES && compressible(kind))
            .then(|| Bytes::from(gzip(&plain, Compression::default())))
            .filter(|z| z.len() < plain.len());
        Arc::new(Self { kind, plain, gzip: zipped, etag })
    }

    pub fn json<T: Serialize>(body: &T) -> Arc<Self> {
        let body = serde_json::to_vec(body).unwrap_or_else(|error| {
            tracing::error!(%error, "document cannot be written as JSON");
            b"null".to_vec()
        });
        Self::new(JSON, body)
    }

    /// 304 when the client has it, else the document.
    pub fn answer(&self, headers: &HeaderMap, cache: &'static str) -> Response {
        let fresh = self.etag.to_str().is_ok_and(|own| is_held(headers, own));
        let zipped = self.gzip.clone().filter(|_| takes_gzip(headers));
        let mut response = match (fresh, &zipped) {
            (true, _) => empty(StatusCode::NOT_MODIFIED),
            (false, Some(gzip)) => bytes(StatusCode::OK, self.kind, gzip.clone()),
            (false, None) => bytes(StatusCode::OK, self.kind, self.plain.clone()),
        };
        let out = response.headers_mut();
        if zipped.is_some() && !fresh {
            out.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        out.insert(ETAG, self.etag.clone());
        out.insert(CACHE_CONTROL, HeaderValue::from_static(cache));
        out.insert(VARY, HeaderValue::from_static("accept-encoding"));
        response
    }
}

/// A tag that stands for some content: weak, because the compressed and the plain form share it.
pub(crate) fn weak_tag(content: impl AsRef<[u8]>) -> String {
    let digest = Sha256::digest(content);
    let digest: String = digest[..12].iter().map(|b| format!("{b:02x}")).collect();
    format!("W/\"{digest}\"")
}

/// Does the client have a version already?
pub(crate) fn asks_again(headers: &HeaderMap) -> bool {
    headers.contains_key(IF_NONE_MATCH)
}

/// Is this the version that the client has?
pub(crate) fn is_held(headers: &HeaderMap, tag: &str) -> bool {
    let bare = |tag: &str| tag.strip_prefix("W/").unwrap_or(tag).to_owned();
    let held = headers.get_all(IF_NONE_MATCH).iter().filter_map(|h| h.to_str().ok());
    let mut tags = held.flat_map(|h| h.split(',')).map(str::trim);
    tags.any(|t| t == "*" || bare(t) == bare(tag))
}

/// Names the version of an answer and says who may keep it.
pub(crate) fn tagged(
    mut response: Response,
    tag: &str,
    cache: &'static str,
) -> Result<Response, ApiError> {
    let tag = HeaderValue::from_str(tag).map_err(|e| ApiError::internal("name the version", &e))?;
    let headers = response.headers_mut();
    headers.insert(ETAG, tag);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(cache));
    headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    Ok(response)
}

/// The client has this version.
pub(crate) fn not_modified(tag: &str, cache: &'static str) -> Result<Response, ApiError> {
    tagged(empty(StatusCode::NOT_MODIFIED), tag, cache)
}

/// `If-Match: "7"`: only if it is still version 7.
pub(crate) fn if_match(headers: &HeaderMap) -> Result<Option<u64>, ApiError> {
    let Some(held) = headers.get(IF_MATCH) else { return Ok(None) };
    let text = held.to_str().unwrap_or("").trim();
    if text == "*" {
        return Ok(None);
    }
    let number = text.strip_prefix('"').and_then(|t| t.strip_suffix('"'));
    let number = number.and_then(|t| t.parse().ok());
    let bad = || ApiError::bad_request("bad_header", "If-Match is not an ETag of this resource");
    number.map(Some).ok_or_else(bad)
}

fn compressible(kind: &str) -> bool {
    [
        "text/",
        "application/json",
        "application/ld+json",
        "application/geo+json",
        "application/javascript",
        "application/atom+xml",
        "application/cap+xml",
        "image/svg",
    ]
    .iter()
    .any(|prefix| kind.starts_with(prefix))
}

/// Does the client name gzip, and not with `q=0`?
fn takes_gzip(headers: &HeaderMap) -> bool {
    let named = headers.get(ACCEPT_ENCODING).and_then(|v| v.to_str().ok()).unwrap_or("");
    named.split(',').any(|part| {
        let mut words = part.split(';').map(str::trim);
        words.next().is_some_and(|w| w.eq_ignore_ascii_case("gzip"))
            && !words.any(|w| matches!(w, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
    })
}

fn gzip(plain: &[u8], level: Compression) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(plain.len() / 4), level);
    // Writing into memory cannot fail.
    encoder.write_all(plain).and_then(|()| encoder.finish()).unwrap_or_default()
}

/// Puts the headers that every answer carries, unless the handler has said otherwise.
pub(crate) fn finish(
    mut response: Response,
    secure: bool,
    request_id: &str,
    csp: &HeaderValue,
) -> Response {
    const ALWAYS: [(HeaderName, &str); 8] = [
        (HeaderName::from_static("x-content-type-options"), "nosniff"),
        (HeaderName::from_static("referrer-policy"), "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-embedder-policy"), "require-corp"),
        (HeaderName::from_static("reporting-endpoints"), "csp=\"/api/v1/csp\""),
        (HeaderName::from_static("permissions-policy"), PERMISSIONS),
        (HeaderName::from_static("x-frame-options"), "DENY"),
    ];
    let headers = response.headers_mut();
    for (name, value) in ALWAYS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if secure {
        let value = HeaderValue::from_static("max-age=31536000; includeSubDomains");
        headers.insert(HeaderName::from_static("strict-transport-security"), value);
    }
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert(HeaderName::from_static("x-request-id"), id);
    }
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.entry(CONTENT_SECURITY_POLICY).or_insert_with(|| csp.clone());
    response
}

/// Told at sign-out: what the page has kept is gone with the session. Not `cookies`, which means
/// those of all sister hosts too; ours is taken away by its own line.
pub(crate) const CLEAR_SITE_DATA: (HeaderName, HeaderValue) = (
    HeaderName::from_static("clear-site-data"),
    HeaderValue::from_static("\"cache\", \"storage\""),
);

/// No inline code or style, nothing from elsewhere. Styles set through the CSSOM (uPlot, Leaflet)
/// are not inline; configured map tiles are the one thing that may come from another host
/// ([`crate::tiles`]). The one trusted-type policy is Svelte's, for its own templates.
pub(crate) const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data:; connect-src 'self'; font-src 'self'; manifest-src 'self'; \
    base-uri 'none'; object-src 'none'; frame-ancestors 'none'; form-action 'self'; \
    require-trusted-types-for 'script'; trusted-types svelte-trusted-html; \
    report-uri /api/v1/csp; report-to csp";
const PERMISSIONS: &str = "camera=(), geolocation=(), microphone=(), payment=(), usb=()";

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn reads_accept_encoding() {
        for yes in ["gzip", "br, GZIP;q=0.5", "deflate,gzip"] {
            assert!(takes_gzip(&with(ACCEPT_ENCODING, yes)), "{yes}");
        }
        for no in ["", "br", "gzip;q=0", "x-gzip2"] {
            assert!(!takes_gzip(&with(ACCEPT_ENCODING, no)), "{no}");
        }
    }

    #[test]
    fn answers_304_for_the_version_the_client_has() {
        let doc = Document::json(&json!({"a": "x".repeat(4_000)}));
        let full = doc.answer(&with(ACCEPT_ENCODING, "gzip"), "no-cache");
        assert_eq!(full.status(), StatusCode::OK);
        assert_eq!(full.headers()[CONTENT_ENCODING], "gzip");
        let tag = full.headers()[ETAG].clone();
        let held = HeaderMap::from_iter([(IF_NONE_MATCH, tag)]);
        assert_eq!(doc.answer(&held, "no-cache").status(), StatusCode::NOT_MODIFIED);
        let other = with(IF_NONE_MATCH, "W/\"0123\", \"4567\"");
        assert_eq!(doc.answer(&other, "no-cache").status(), StatusCode::OK);
    }
}
