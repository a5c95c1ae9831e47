use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use serde_json::json;

use crate::Role;
use crate::testing::{PASSWORD, Server, answer};

fn cookie_of(answer: &reqwest::Response) -> String {
    answer.headers()["set-cookie"].to_str().expect("text").to_owned()
}

#[tokio::test]
async fn signs_in_with_a_password_and_out_again() {
    let server = Server::start().await;
    server.session(Role::Operator).await;
    let mut client = server.stranger();
    let body = json!({ "user": "operator", "password": PASSWORD });
    let signed = client.change("POST", "/api/v1/session", &body).send().await.expect("answers");
    assert_eq!(signed.status(), 200);
    let cookie = cookie_of(&signed);
    for part in ["HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let who: serde_json::Value = signed.json().await.expect("JSON");
    assert_eq!((&who["user"], &who["role"]), (&json!("operator"), &json!("operator")));

    let value = cookie.split(['=', ';']).nth(1).expect("a value").to_owned();
    client.session = Some(value);
    assert_eq!(client.get("/api/v1/session").await, (200, who));
    let out = client.change("DELETE", "/api/v1/session", &json!({})).send().await.expect("answers");
    assert_eq!(out.status(), 204);
    assert!(cookie_of(&out).contains("Max-Age=0"));
    assert_eq!(client.get("/api/v1/session").await.0, 401);
    server.stop().await;
}

#[tokio::test]
async fn a_one_time_link_works_once() {
    let server = Server::start().await;
    let first = server.auth.first_start().expect("makes").expect("the first administrator");
    assert_eq!(server.auth.first_start().expect("looks"), None, "only once");
    let client = server.stranger();
    let path = format!("/signin?token={}", first.signin_token);
    let used = client.request("GET", &path).send().await.expect("answers");
    assert_eq!(
        (used.status().as_u16(), &used.headers()["location"]),
        (303, &"/".parse().expect("ok"))
    );
    assert!(cookie_of(&used).starts_with("ioc_session="));
    let again = client.request("GET", &path).send().await.expect("answers");
    assert_eq!(again.headers()["location"], "/?signin=expired");
    assert!(again.headers().get("set-cookie").is_none());
    let body = json!({ "user": first.user, "password": first.password });
    assert_eq!(client.post("/api/v1/session", &body).await.0, 200);
    server.stop().await;
}

#[tokio::test]
async fn wrong_password_unknown_and_disabled_users_get_one_answer_in_one_time() {
    let server = Server::start().await;
    server.session(Role::Viewer).await;
    server.session(Role::Operator).await;
    server.auth.disable("operator").expect("disables");
    let client = server.stranger();
    let mut answers = Vec::new();
    for (user, password) in [("viewer", "wrong"), ("nobody", "wrong"), ("operator", PASSWORD)] {
        let start = Instant::now();
        let body = json!({ "user": user, "password": password });
        let (status, mut body) = client.post("/api/v1/session", &body).await;
        body["request_id"].take();
        answers.push((status, body, start.elapsed()));
    }
    for (status, body, took) in &answers {
        assert_eq!((*status, body), (401, &answers[0].1));
        // Without the hash the answer would come a hundred times sooner.
        assert!(*took > answers[0].2 / 8, "{took:?} against {:?}", answers[0].2);
    }
    server.stop().await;
}

#[tokio::test]
async fn guessing_is_slowed_but_nobody_is_locked_out() {
    let server = Server::start().await;
    // No session of this user from this address yet.
    server.auth.add_user("binh", PASSWORD, Role::Viewer).expect("adds");
    let client = server.stranger();
    let wrong = json!({ "user": "binh", "password": "guess" });
    let right = json!({ "user": "binh", "password": PASSWORD });
    for _ in 0..5 {
        assert_eq!(client.post("/api/v1/session", &wrong).await.0, 401);
    }
    let slowed = client.change("POST", "/api/v1/session", &right).send().await.expect("answers");
    assert_eq!(slowed.status(), 429);
    let wait: i64 = slowed.headers()["retry-after"].to_str().expect("text").parse().expect("s");
    assert!((1..=60).contains(&wait), "{wait}");
    server.clock.fetch_add(wait * 1_000, Relaxed);
    assert_eq!(client.post("/api/v1/session", &right).await.0, 200);
    // Now the address is known: others' guesses do not slow it.
    for _ in 0..7 {
        client.post("/api/v1/session", &wrong).await;
    }
    assert_eq!(client.post("/api/v1/session", &right).await.0, 200);
    server.stop().await;
}

#[tokio::test]
async fn sessions_end_by_idleness_age_disabling_and_new_password() {
    let server = Server::start().await;
    let who = async |client: &crate::testing::Client| client.get("/api/v1/session").await.0;
    let minute = 60_000;

    let idle = server.client(Role::Viewer).await;
    for _ in 0..3 {
        server.clock.fetch_add(29 * minute, Relaxed);
        assert_eq!(who(&idle).await, 200, "use keeps it");
    }
    server.clock.fetch_add(30 * minute, Relaxed);
    assert_eq!(who(&idle).await, 401, "idle");

    let old = server.client(Role::Viewer).await;
    for _ in 0..28 {
        server.clock.fetch_add(25 * minute, Relaxed);
        assert_eq!(who(&old).await, 200);
    }
    server.clock.fetch_add(20 * minute, Relaxed);
    assert_eq!(who(&old).await, 401, "12 hours old, though in use");

    let disabled = server.client(Role::Viewer).await;
    server.auth.disable("viewer").expect("disables");
    assert_eq!(who(&disabled).await, 401);
    server.auth.enable("viewer").expect("enables");
    assert_eq!(who(&disabled).await, 401, "enabling brings no session back");

    let changed = server.client(Role::Viewer).await;
    server.auth.set_password("viewer", "ein anderes Passwort").expect("sets");
    assert_eq!(who(&changed).await, 401);
    server.stop().await;
}

#[tokio::test]
async fn a_broken_sign_in_is_refused_politely() {
    let server = Server::start().await;
    let client = server.stranger();
    for body in [json!({}), json!({ "user": 1, "password": "x" }), json!([1, 2])] {
        let (status, body) = client.post("/api/v1/session", &body).await;
        assert_eq!((status, &body["code"]), (400, &json!("bad_body")));
    }
    let extra = json!({ "user": "a", "password": "b", "role": "administrator" });
    assert_eq!(client.post("/api/v1/session", &extra).await.0, 400);
    let long = json!({ "user": "a".repeat(4_000), "password": "b".repeat(4_000) });
    assert_eq!(client.post("/api/v1/session", &long).await.0, 401);
    let longer = json!({ "user": "a", "password": "b".repeat(9_000) });
    assert_eq!(client.post("/api/v1/session", &longer).await.0, 400);
    let huge = json!({ "user": "a", "password": "b".repeat(70_000) });
    let (status, body) = answer(client.change("POST", "/api/v1/session", &huge)).await;
    assert_eq!((status, &body["code"]), (413, &json!("too_large")));
    server.stop().await;
}
