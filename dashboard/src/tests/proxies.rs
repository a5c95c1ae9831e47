use serde_json::json;

use crate::Role;
use crate::testing::{Server, answer};

/// 127.0.0.1, from which all clients of these tests come, is a trusted proxy.
async fn behind_a_proxy() -> Server {
    Server::with(1, |c| {
        c.trusted_proxies = vec!["127.0.0.1/32".parse().expect("a network")];
        c.allowed_origins = vec!["http://console.example.vn".into()];
    })
    .await
}

#[tokio::test]
async fn nobody_becomes_local_by_saying_so() {
    let direct = Server::start().await;
    let metrics = direct.stranger().request("GET", "/metrics");
    assert_eq!(answer(metrics).await.0, 200, "on this machine");
    let through = direct.stranger().request("GET", "/metrics").header("x-forwarded-for", "1.2.3.4");
    assert_eq!(answer(through).await.0, 403, "a proxy that nobody told us of");
    direct.stop().await;

    let server = behind_a_proxy().await;
    for chain in ["127.0.0.1", "192.0.2.7", "127.0.0.1, 192.0.2.7", "::1"] {
        let ask = server.stranger().request("GET", "/metrics").header("x-forwarded-for", chain);
        let (status, body) = answer(ask).await;
        assert_eq!((status, &body["code"]), (403, &json!("not_local")), "{chain}");
    }
    server.stop().await;
}

#[tokio::test]
async fn sign_in_attempts_are_counted_for_the_real_client() {
    let server = behind_a_proxy().await;
    let body = json!({ "user": "nobody", "password": "a wrong password" });
    let attempt = async |chain: &str| {
        let request = server.stranger().change("POST", "/api/v1/session", &body);
        answer(request.header("x-forwarded-for", chain)).await.0
    };
    let mut tried = 0;
    while attempt("192.0.2.7").await == 401 {
        tried += 1;
        assert!(tried < 100, "never slowed down");
    }
    // Another spelling, and inventions before its own address, are the same client.
    for same in ["::ffff:192.0.2.7", "198.51.100.9, 192.0.2.7", "192.0.2.7:4711", "x, 192.0.2.7"] {
        assert_eq!(attempt(same).await, 429, "{same}");
    }
    server.stop().await;
}

#[tokio::test]
async fn headers_that_make_no_sense_are_refused_from_a_proxy_and_ignored_from_others() {
    let (proxied, direct) = (behind_a_proxy().await, Server::start().await);
    let cases = [
        ("x-forwarded-for", "unknown"),
        ("x-forwarded-proto", "gopher"),
        ("x-forwarded-host", "a b"),
        ("forwarded", "for=192.0.2.7"),
    ];
    for (name, value) in cases {
        let ask = proxied.stranger().request("GET", "/healthz").header(name, value);
        let (status, body) = answer(ask).await;
        assert_eq!((status, &body["code"]), (400, &json!("bad_proxy_header")), "{name}");
        let ask = direct.stranger().request("GET", "/healthz").header(name, value);
        assert_eq!(answer(ask).await.0, 200, "{name}");
    }
    proxied.stop().await;
    direct.stop().await;
}

#[tokio::test]
async fn a_page_behind_tls_is_ours_by_the_names_that_the_proxy_gives() {
    let server = behind_a_proxy().await;
    let body = json!({ "user": "a", "password": "b" });
    let attempt = async |proto: &str, host: &str, origin: &str| {
        let request = server.stranger().request("POST", "/api/v1/session");
        let request = request
            .header("x-forwarded-proto", proto)
            .header("x-forwarded-host", host)
            .header("origin", origin)
            .header("x-ioc-request", "1")
            .header("content-type", "application/json")
            .body(body.to_string());
        let (status, body) = answer(request).await;
        (status, body["code"].as_str().unwrap_or("").to_owned())
    };
    let host = "console.example.vn";
    let wrong = (401, "wrong_credentials".to_owned());
    let refused = (403, "origin_refused".to_owned());
    assert_eq!(attempt("https", host, "https://console.example.vn").await, wrong);
    assert_eq!(attempt("https", host, "https://evil.example").await, refused);
    assert_eq!(attempt("https", "localhost", "http://localhost").await, refused);
    let unknown = attempt("https", "evil.example", "https://evil.example").await;
    assert_eq!(unknown, (403, "host_refused".to_owned()));
    let answered =
        server.stranger().request("GET", "/healthz").header("x-forwarded-proto", "https");
    let answered = answered.send().await.expect("answers");
    assert!(answered.headers().contains_key("strict-transport-security"));
    server.stop().await;
}

#[tokio::test]
async fn over_tls_only_the_cookie_that_nobody_else_can_plant_counts() {
    let server = behind_a_proxy().await;
    let session = server.session(Role::Viewer).await;
    let ask = async |proto: &str, cookie: String| {
        let request = server.stranger().request("GET", "/api/v1/session");
        answer(request.header("x-forwarded-proto", proto).header("cookie", cookie)).await.0
    };
    assert_eq!(ask("https", format!("__Host-ioc={session}")).await, 200);
    assert_eq!(ask("https", format!("ioc_session={session}")).await, 401);
    assert_eq!(ask("http", format!("ioc_session={session}")).await, 200);
    assert_eq!(ask("http", format!("__Host-ioc={session}")).await, 401);
    server.stop().await;
}
