//! What no request may look like, whatever it asks for. Two servers in a row that read one request
//! differently are how requests are smuggled; what could be read in two ways is refused.

use warp::http::header::{
    CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, EXPECT, HOST, TRANSFER_ENCODING,
};
use warp::http::{HeaderValue, Method, Request, StatusCode, Version};
use warp::reply::Response;

use crate::reply::ApiError;

/// Longest path with its query.
const MAX_TARGET_BYTES: usize = 8 * 1_024;
const METHODS: [Method; 6] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

/// Refuses what is malformed or of no use here. Hyper has refused before: heads over 16 KiB or 64
/// fields, folded lines, contradicting lengths, `Transfer-Encoding` that does not end in chunked.
pub(super) fn check<B>(request: &Request<B>) -> Result<(), ApiError> {
    let (headers, target) = (request.headers(), request.uri());
    if !METHODS.contains(request.method()) {
        let message = "GET, HEAD, POST, PUT, PATCH and DELETE are known";
        // 405 and not 501, of unknown ones too: it is this server's choice, and no fault of its.
        let error = ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message);
        let allow = METHODS.iter().map(Method::as_str).collect();
        return Err(ApiError { allow, ..error });
    }
    if target.scheme().is_some() || target.authority().is_some() || !target.path().starts_with('/')
    {
        return Err(ApiError::bad_request("bad_target", "the target must be a path"));
    }
    if target.path_and_query().is_some_and(|t| t.as_str().len() > MAX_TARGET_BYTES) {
        let message = "path and query are longer than 8 KiB";
        return Err(ApiError::new(StatusCode::URI_TOO_LONG, "too_long", message));
    }
    if headers.get_all(HOST).iter().count() != 1 {
        return Err(ApiError::bad_request("bad_host", "one Host header is needed"));
    }
    // Hyper forgets Content-Length when this is there, so the two cannot be compared: without
    // this there is one way to say where a request ends.
    if headers.contains_key(TRANSFER_ENCODING) {
        let message = "send Content-Length, not Transfer-Encoding";
        return Err(ApiError::new(StatusCode::LENGTH_REQUIRED, "length_needed", message));
    }
    if request.version() < Version::HTTP_11 && headers.contains_key(EXPECT) {
        return Err(ApiError::bad_request("bad_request", "Expect needs HTTP/1.1"));
    }
    let lengths = headers.get_all(CONTENT_LENGTH).iter().count();
    if lengths > 1 {
        return Err(ApiError::bad_request("bad_length", "one Content-Length is enough"));
    }
    if headers.contains_key(CONTENT_ENCODING) {
        let message = "send the body as it is, without Content-Encoding";
        return Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "encoded_body", message));
    }
    Ok(())
}

/// Ends the connection after this answer: what follows on it cannot be trusted to be a request.
pub(super) fn close(mut answer: Response) -> Response {
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_methods_are_not_allowed() {
        for method in ["TRACE", "OPTIONS", "CONNECT", "QUERY", "BREW"] {
            let request = Request::builder().method(method).uri("/").body(()).expect("a request");
            let refused = check(&request).expect_err("refused");
            assert_eq!(refused.status, StatusCode::METHOD_NOT_ALLOWED, "{method}");
            assert!(refused.allow.contains(&"GET"), "{method}");
        }
    }
}
