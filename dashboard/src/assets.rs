//! The page's own files, out of the binary.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use sha2::{Digest, Sha256};
use warp::http::Method;
use warp::http::header::ACCEPT;
use warp::reply::Response;

use crate::reply::{ApiError, Document};
use crate::router::Incoming;

/// Files whose name carries a hash of their content.
const HASHED_FOLDER: &str = "assets/";
const FOR_EVER: &str = "public, max-age=31536000, immutable";
const ALWAYS_ASK: &str = "no-cache";
const INDEX: &str = "index.html";

/// Files asked for until now, compressed once. Only files that exist get in, so it is bounded.
static SEEN: LazyLock<Mutex<HashMap<String, Arc<Document>>>> = LazyLock::new(Mutex::default);

/// Answers a request that no route takes: a file, the page for paths of the page, or 404.
pub(crate) fn answer(request: &Incoming) -> Result<Response, ApiError> {
    let missing = || ApiError::not_found("no such resource");
    if request.method != Method::GET && request.method != Method::HEAD {
        return Err(missing());
    }
    let path = request.path.trim_start_matches('/');
    let path = if path.is_empty() { INDEX } else { path };
    if let Some(file) = file(path) {
        let cache = if path.starts_with(HASHED_FOLDER) { FOR_EVER } else { ALWAYS_ASK };
        return Ok(file.answer(&request.headers, cache));
    }
    // The page has paths of its own; a script or an API call that is not there gets a 404.
    let reads_html = request
        .headers
        .get_all(ACCEPT)
        .iter()
        .any(|accept| accept.to_str().is_ok_and(|a| a.contains("text/html")));
    let page = reads_html && !path.starts_with("api/") && !path.starts_with(HASHED_FOLDER);
    let index = page.then(|| file(INDEX)).flatten().ok_or_else(missing)?;
    Ok(index.answer(&request.headers, ALWAYS_ASK))
}

/// Names the build of the page, so that an open page notices a newer server.
pub(crate) fn build() -> String {
    let page = ioc_ui::get(INDEX).map(|file| Sha256::digest(&file.data)[..4].to_vec());
    let page: String = page.unwrap_or_default().iter().map(|b| format!("{b:02x}")).collect();
    format!("{}-{page}", env!("CARGO_PKG_VERSION"))
}

fn file(path: &str) -> Option<Arc<Document>> {
    let seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner).get(path).cloned();
    if seen.is_some() {
        return seen;
    }
    let file = ioc_ui::get(path)?;
    let document = Document::new(kind_of(path), file.data.into_owned());
    let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    seen.insert(path.to_owned(), Arc::clone(&document));
    Some(document)
}

fn kind_of(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json; charset=utf-8",
        "webmanifest" => "application/manifest+json; charset=utf-8",
        "svg" => "image/svg+xml; charset=utf-8",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "webp" => "image/webp",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
