//! The plain address of a server that speaks TLS: pages are sent to HTTPS, everything else is
//! refused, so that nobody sends a password or a token in clear without noticing.

use warp::http::header::{ACCEPT, HOST, HeaderName, LOCATION, UPGRADE_INSECURE_REQUESTS};
use warp::http::{HeaderValue, Method, Request, StatusCode};
use warp::reply::Response;

use crate::origin::{Origins, is_authority, name_of};
use crate::reply::{ApiError, empty};

const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// The answer to any request; `port` is that of HTTPS.
pub(super) fn answer<B>(
    request: &Request<B>,
    origins: &Origins,
    port: u16,
) -> Result<Response, ApiError> {
    let has = |name: &HeaderName, part: &str| {
        let lines = request.headers().get_all(name).iter();
        lines.filter_map(|v| v.to_str().ok()).any(|v| v.contains(part))
    };
    let navigates = has(&SEC_FETCH_MODE, "navigate")
        || has(&UPGRADE_INSECURE_REQUESTS, "1")
        || has(&ACCEPT, "text/html");
    let path = request.uri().path();
    let page = navigates && !path.starts_with("/api/") && !path.starts_with("/signin");
    if request.method() != Method::GET || !page {
        return Err(ApiError::forbidden("https_needed", "this server is reached over HTTPS only"));
    }
    let host = request.headers().get(HOST).and_then(|h| h.to_str().ok()).unwrap_or("");
    let host = Some(host.to_ascii_lowercase()).filter(|h| is_authority(h));
    let host =
        host.ok_or_else(|| ApiError::bad_request("bad_host", "one Host header is needed"))?;
    let own = || match port {
        443 => format!("https://{}", name_with_brackets(&host)),
        port => format!("https://{}:{port}", name_with_brackets(&host)),
    };
    let target = origins.public_https().map_or_else(own, str::to_owned);
    let mut answer = empty(StatusCode::PERMANENT_REDIRECT);
    // Only the start page: what follows a path could be a secret that is known to the network now.
    let place = HeaderValue::from_str(&format!("{target}/"));
    let place = place.map_err(|e| ApiError::internal("name the address", &e))?;
    answer.headers_mut().insert(LOCATION, place);
    Ok(answer)
}

fn name_with_brackets(host: &str) -> String {
    let name = name_of(host);
    if name.contains(':') { format!("[{name}]") } else { name.to_owned() }
}
