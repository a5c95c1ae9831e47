//! The second factor, initial passwords, and proof that somebody is still there.

use std::sync::atomic::Ordering::Relaxed;

use ioc_model::Timestamp;
use serde_json::{Value, json};

use crate::auth::totp_code;
use crate::testing::{Client, PASSWORD, Server};
use crate::{Grant, Role, SessionsConfig};

const MINUTE: i64 = 60_000;

fn decoded(base32: &str) -> Vec<u8> {
    let (mut out, mut held, mut bits) = (Vec::new(), 0u32, 0);
    for c in base32.bytes() {
        let digit = if c.is_ascii_uppercase() { c - b'A' } else { c - b'2' + 26 };
        held = (held << 5) | u32::from(digit);
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            out.push((held >> bits) as u8);
        }
    }
    out
}

impl Server {
    fn code(&self, secret: &[u8]) -> String {
        totp_code(secret, Timestamp(self.clock.load(Relaxed)))
    }
}

/// Sets a second factor up; its secret and the recovery codes.
async fn set_up(server: &Server, client: &Client) -> (Vec<u8>, Vec<String>) {
    let (status, new) = client.post("/api/v1/account/totp", &json!({})).await;
    assert_eq!(status, 200, "{new}");
    assert!(new["qr"].as_str().is_some_and(|q| q.starts_with("data:image/png;base64,")));
    let text = new["secret"].as_str().expect("a secret");
    assert!(new["uri"].as_str().is_some_and(|u| u.contains(text)));
    let secret = decoded(text);
    let (status, body) =
        client.post("/api/v1/account/totp/confirm", &json!({ "code": "000000" })).await;
    assert_eq!((status, &body["code"]), (400, &json!("wrong_code")));
    let code = server.code(&secret);
    let (status, body) =
        client.post("/api/v1/account/totp/confirm", &json!({ "code": code })).await;
    assert_eq!(status, 200, "{body}");
    let codes = body["recovery"].as_array().expect("codes");
    assert_eq!(codes.len(), 10);
    (secret, codes.iter().filter_map(Value::as_str).map(String::from).collect())
}

async fn sign_in(client: &Client, code: Option<&str>) -> (u16, String) {
    let body = json!({ "user": "operator", "password": PASSWORD, "code": code });
    let (status, body) = client.post("/api/v1/session", &body).await;
    (status, body["code"].as_str().unwrap_or("").to_owned())
}

#[tokio::test]
async fn a_second_factor_is_asked_for_and_each_code_works_once() {
    let server = Server::start().await;
    let client = server.client(Role::Operator).await;
    let (secret, recovery) = set_up(&server, &client).await;
    let (_, account) = client.get("/api/v1/account").await;
    assert_eq!((&account["totp"], &account["recovery_left"]), (&json!(true), &json!(10)));

    let stranger = server.stranger();
    assert_eq!(sign_in(&stranger, None).await, (401, "code_needed".into()));
    let used = server.code(&secret);
    assert_eq!(sign_in(&stranger, Some(&used)).await.0, 401, "the code of the set-up is used up");
    server.clock.fetch_add(MINUTE, Relaxed);
    let code = server.code(&secret);
    assert_eq!(sign_in(&stranger, Some(&code)).await.0, 200);
    assert_eq!(sign_in(&stranger, Some(&code)).await.0, 401, "once");
    assert_eq!(sign_in(&stranger, Some(&recovery[3].to_uppercase())).await.0, 200);
    assert_eq!(sign_in(&stranger, Some(&recovery[3])).await.0, 401, "once");
    let (_, account) = client.get("/api/v1/account").await;
    assert_eq!(account["recovery_left"], 9);

    let wrong = json!({ "user": "operator", "password": "wrong", "code": server.code(&secret) });
    let (status, body) = stranger.post("/api/v1/session", &wrong).await;
    assert_eq!((status, &body["code"]), (401, &json!("wrong_credentials")));

    assert_eq!(client.send("DELETE", "/api/v1/account/totp", None).await.0, 204);
    assert_eq!(sign_in(&stranger, None).await.0, 200);
    let acts = server.actions();
    assert!(acts.contains(&"totp_set".into()) && acts.contains(&"totp_removed".into()), "{acts:?}");
    server.stop().await;
}

#[tokio::test]
async fn codes_cannot_be_guessed_even_by_who_knows_the_password() {
    let server = Server::start().await;
    let client = server.client(Role::Operator).await;
    let (secret, _) = set_up(&server, &client).await;
    // The wrong code of the set-up counts too.
    server.clock.fetch_add(5 * MINUTE, Relaxed);
    let stranger = server.stranger();
    let mut answers = Vec::new();
    for n in 0..8 {
        answers.push(sign_in(&stranger, Some(&format!("{n:06}"))).await.0);
    }
    assert_eq!(answers, [401, 401, 401, 401, 401, 429, 429, 429]);
    assert_eq!(sign_in(&stranger, Some(&server.code(&secret))).await.0, 429);
    server.clock.fetch_add(5 * MINUTE, Relaxed);
    assert_eq!(sign_in(&stranger, Some(&server.code(&secret))).await.0, 200, "never locked out");
    server.stop().await;
}

#[tokio::test]
async fn who_must_have_a_second_factor_can_only_set_one_up_until_then() {
    let server =
        Server::with(1, |c| c.second_factor_for = vec![Role::Operator, Role::Engineer]).await;
    let client = server.client(Role::Operator).await;
    for path in ["/api/v1/alerts", "/api/v1/account/tokens", "/api/v1/openapi.json"] {
        let (status, body) = client.get(path).await;
        assert_eq!((status, &body["code"]), (403, &json!("second_factor_needed")), "{path}");
    }
    let (_, who) = client.get("/api/v1/session").await;
    assert_eq!(who["second_factor_needed"], true);
    set_up(&server, &client).await;
    assert_eq!(client.get("/api/v1/alerts").await.0, 200);
    let viewer = server.client(Role::Viewer).await;
    assert_eq!(viewer.get("/api/v1/alerts").await.0, 200, "not asked of them");
    server.stop().await;
}

#[tokio::test]
async fn a_password_made_by_somebody_else_is_changed_first_and_ends_after_a_week() {
    let server = Server::start().await;
    let password = server.auth.add_person("lan", &[Grant::city(Role::Operator)]).expect("adds");
    let late = server.auth.add_person("late", &[Grant::city(Role::Operator)]).expect("adds");
    let mut client = server.stranger();
    let who = client.enter("lan", &password).await;
    assert_eq!(who["change_password"], true);
    for (method, path) in [("GET", "/api/v1/alerts"), ("POST", "/api/v1/account/tokens")] {
        let (status, body) = client.send(method, path, Some(json!({}))).await;
        assert_eq!((status, &body["code"]), (403, &json!("change_password")), "{path}");
    }
    let upgrade = server.try_socket(client.session.as_deref(), Some(&server.origin())).await;
    assert_eq!(upgrade.err(), Some(403));
    let change = async |old: &str, new: &str| {
        let body = json!({ "old": old, "new": new });
        let (status, body) = client.post("/api/v1/account/password", &body).await;
        (status, body["code"].as_str().unwrap_or("").to_owned())
    };
    assert_eq!(change("wrong", PASSWORD).await, (401, "wrong_credentials".into()));
    assert_eq!(change(&password, &password).await, (400, "same_password".into()));
    for weak in ["short", "password1", "danangioc2026", "lan.2026!"] {
        assert_eq!(change(&password, weak).await, (400, "weak_password".into()), "{weak}");
    }
    assert_eq!(change(&password, PASSWORD).await.0, 204);
    assert_eq!(client.get("/api/v1/alerts").await.0, 200, "the same session goes on");

    server.clock.fetch_add(7 * 24 * 60 * MINUTE, Relaxed);
    let body = json!({ "user": "late", "password": late });
    assert_eq!(server.stranger().post("/api/v1/session", &body).await.0, 401, "a week is over");
    let mut lan = server.stranger();
    lan.enter("lan", PASSWORD).await;
    server.stop().await;
}

#[tokio::test]
async fn critical_acts_ask_again_after_ten_minutes() {
    let server = Server::with(1, |c| {
        c.sessions = SessionsConfig { idle_minutes: 60, max_hours: 12 };
    })
    .await;
    let admin = server.client(Role::Administrator).await;
    let body = json!({ "name": "lan", "grants": [{ "role": "viewer" }] });
    server.clock.fetch_add(10 * MINUTE, Relaxed);
    for (method, path) in [
        ("POST", "/api/v1/people"),
        ("POST", "/api/v1/walls"),
        ("POST", "/api/v1/account/totp"),
        ("DELETE", "/api/v1/account/totp"),
        ("POST", "/api/v1/account/tokens"),
        ("DELETE", "/api/v1/people/lan"),
    ] {
        let (status, answer) = admin.send(method, path, Some(body.clone())).await;
        assert_eq!((status, &answer["code"]), (403, &json!("confirm_needed")), "{method} {path}");
    }
    let wrong = json!({ "password": "wrong" });
    assert_eq!(admin.post("/api/v1/session/confirm", &wrong).await.0, 401);
    assert_eq!(admin.post("/api/v1/people", &body).await.0, 403);
    let right = json!({ "password": PASSWORD });
    assert_eq!(admin.post("/api/v1/session/confirm", &right).await.0, 204);
    assert_eq!(admin.post("/api/v1/people", &body).await.0, 201);
    for _ in 0..4 {
        assert_eq!(admin.post("/api/v1/session/confirm", &wrong).await.0, 401);
    }
    assert_eq!(admin.post("/api/v1/session/confirm", &right).await.0, 429, "guessing is slowed");
    // Without the permission nobody is asked for a password.
    let viewer = server.client(Role::Viewer).await;
    server.clock.fetch_add(10 * MINUTE, Relaxed);
    let (status, answer) = viewer.post("/api/v1/people", &body).await;
    assert_eq!((status, &answer["code"]), (403, &json!("not_permitted")));
    server.stop().await;
}
