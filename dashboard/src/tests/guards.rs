use serde_json::json;

use crate::testing::{Server, answer};
use crate::{Grant, Role};

#[tokio::test]
async fn a_role_taken_away_counts_at_once() {
    let server = Server::start().await;
    server.session(Role::Administrator).await;
    let client = server.client(Role::Operator).await;
    server.alerts.put(crate::testing::alert(1, "air-000", ioc_model::Severity::Major));
    server.auth.set_grants("operator", &[Grant::city(Role::Viewer)]).expect("sets");
    let path = format!("/api/v1/alerts/{:032x}/acknowledge", 1);
    assert_eq!(client.post(&path, &json!({})).await.0, 403);
    let (_, who) = client.get("/api/v1/session").await;
    assert_eq!((&who["user"], &who["role"]), (&json!("operator"), &json!("viewer")));
    server.stop().await;
}

#[tokio::test]
async fn requests_from_other_pages_change_nothing() {
    let server = Server::start().await;
    let client = server.client(Role::Operator).await;
    server.alerts.put(crate::testing::alert(1, "air-000", ioc_model::Severity::Major));
    let path = format!("/api/v1/alerts/{:032x}/acknowledge", 1);
    let own = server.origin();
    let json = "application/json";
    let cases = [
        (None, Some("1"), json, "origin_refused"),
        (Some("http://evil.example"), Some("1"), json, "origin_refused"),
        (Some("null"), Some("1"), json, "origin_refused"),
        (Some("https://127.0.0.1"), Some("1"), json, "origin_refused"),
        (Some(own.as_str()), None, json, "header_missing"),
        (Some(own.as_str()), Some("1"), "text/plain", "not_json"),
        (Some(own.as_str()), Some("1"), "application/x-www-form-urlencoded", "not_json"),
    ];
    for (origin, header, kind, code) in cases {
        let mut request = client.request("POST", &path).header("content-type", kind).body("{}");
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        if let Some(header) = header {
            request = request.header("x-ioc-request", header);
        }
        let (status, body) = answer(request).await;
        assert!([403, 415].contains(&status), "{origin:?} {header:?} {kind}: {status}");
        assert_eq!(body["code"], code);
    }
    let (_, alert) = client.get(&format!("/api/v1/alerts/{:032x}", 1)).await;
    assert_eq!(alert["alert"]["acknowledged"], false);
    server.stop().await;
}

#[tokio::test]
async fn sockets_need_a_session_and_our_own_origin() {
    let server = Server::start().await;
    let session = server.session(Role::Viewer).await;
    let own = server.origin();
    let refused = |e: Result<crate::testing::Socket, u16>| e.err();
    assert_eq!(refused(server.try_socket(None, Some(&own)).await), Some(401));
    assert_eq!(refused(server.try_socket(Some("00ff"), Some(&own)).await), Some(401));
    for origin in [None, Some("http://evil.example"), Some("null")] {
        assert_eq!(
            refused(server.try_socket(Some(&session), origin).await),
            Some(403),
            "{origin:?}"
        );
    }
    assert!(server.try_socket(Some(&session), Some(&own)).await.is_ok());
    let client = server.client(Role::Viewer).await;
    let plain = client.request("GET", "/ws").header("origin", &own);
    assert_eq!(answer(plain).await.0, 426);
    server.stop().await;
}

#[tokio::test]
async fn a_rebound_name_reaches_nothing() {
    let server = Server::start().await;
    let client = server.client(Role::Viewer).await;
    for path in ["/", "/api/v1/city", "/healthz", "/metrics"] {
        let request = client.request("GET", path).header("host", "evil.example");
        let (status, body) = answer(request).await;
        assert_eq!((status, &body["code"]), (403, &json!("host_refused")), "{path}");
    }
    server.stop().await;
}

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    let server = Server::start().await;
    let client = server.client(Role::Viewer).await;
    for path in ["/", "/healthz", "/api/v1/devices", "/api/v1/none", "/none.js"] {
        let answer = client.request("GET", path).send().await.expect("answers");
        let header = |name: &str| {
            answer.headers().get(name).and_then(|v| v.to_str().ok()).unwrap_or("").to_owned()
        };
        let csp = header("content-security-policy");
        for part in ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"] {
            assert!(csp.contains(part), "{path}: {csp}");
        }
        assert!(!csp.contains("unsafe"), "{csp}");
        assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(header("referrer-policy"), "no-referrer");
        assert_eq!(header("cross-origin-opener-policy"), "same-origin");
        assert_eq!(header("cross-origin-resource-policy"), "same-origin");
        assert!(!header("x-request-id").is_empty());
        assert!(!header("cache-control").is_empty(), "{path}");
        assert!(answer.status() == 304 || header("content-type").contains("charset"), "{path}");
    }
    let status = client.request("GET", "/api/v1/status").send().await.expect("answers");
    assert_eq!(status.headers()["cache-control"], "no-store");
    server.stop().await;
}

#[tokio::test]
async fn unknown_paths_methods_and_ids_are_refused_in_json() {
    let server = Server::start().await;
    let client = server.client(Role::Viewer).await;
    let put = client.change("PUT", "/api/v1/session", &json!({})).send().await.expect("answers");
    assert_eq!(put.status(), 405);
    assert_eq!(put.headers()["allow"], "POST, GET, DELETE");
    for path in
        ["/api/v1/none", "/api/v1/alerts/..%2f..%2fx", "/api/v1/devices/%00", "/%00", "/a.js"]
    {
        let (status, body) = client.get(path).await;
        assert_eq!((status, &body["code"]), (404, &json!("not_found")), "{path}");
    }
    for path in ["/api/v1/alerts?limit=0", "/api/v1/history?device=a", "/api/v1/alerts?open=%zz"] {
        assert_eq!(client.get(path).await.0, 400, "{path}");
    }
    server.stop().await;
}
