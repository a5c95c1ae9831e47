//! Accounts, sessions, API tokens and walls as a client sees them.

use std::sync::atomic::Ordering::Relaxed;

use serde_json::{Value, json};

use crate::testing::{Client, PASSWORD, Server, answer};
use crate::{Grant, Role};

const MINUTE: i64 = 60_000;

impl Client {
    /// Any request of our own page.
    pub async fn send(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        answer(self.change(method, path, &body.unwrap_or_else(|| json!({})))).await
    }

    /// Signs in and keeps the cookie; who it is.
    pub async fn enter(&mut self, user: &str, password: &str) -> Value {
        let body = json!({ "user": user, "password": password });
        let signed = self.change("POST", "/api/v1/session", &body).send().await.expect("answers");
        assert_eq!(signed.status(), 200);
        let cookie = signed.headers()["set-cookie"].to_str().expect("text").to_owned();
        self.session = cookie.split(['=', ';']).nth(1).map(String::from);
        signed.json().await.expect("JSON")
    }
}

impl Server {
    /// Names of what was written into the audit log.
    pub fn actions(&self) -> Vec<String> {
        self.acts.lock().expect("no panic").iter().map(|(a, _, _)| a.clone()).collect()
    }
}

/// A request of a program.
async fn by(server: &Server, token: &str, method: &str, path: &str) -> (u16, Value) {
    let client = server.stranger();
    let request = client.request(method, path).header("authorization", format!("Bearer {token}"));
    answer(request.header("content-type", "application/json").body("{}")).await
}

#[tokio::test]
async fn an_administrator_makes_changes_closes_and_removes_accounts() {
    let server = Server::start().await;
    let admin = server.client(Role::Administrator).await;
    let grants = json!([{ "role": "operator", "areas": ["hai_chau"], "services": ["air"] }]);
    let (status, made) =
        admin.post("/api/v1/people", &json!({ "name": "lan", "grants": grants })).await;
    assert_eq!(status, 201);
    let password = made["password"].as_str().expect("a password").to_owned();
    let (_, people) = admin.get("/api/v1/people").await;
    let lan = people["people"].as_array().expect("a list").iter().find(|p| p["name"] == "lan");
    let lan = lan.expect("is in the list");
    assert_eq!((&lan["grants"], &lan["source"]), (&grants, &json!("local")));
    assert_eq!(people["roles"].as_array().map(Vec::len), Some(6), "no wall");
    assert!(!people.to_string().contains("argon2"));
    let twice = admin.post("/api/v1/people", &json!({ "name": "lan", "grants": grants })).await;
    assert_eq!((twice.0, &twice.1["code"]), (409, &json!("exists")));

    let mut client = server.stranger();
    client.enter("lan", &password).await;
    let wider = json!({ "grants": [{ "role": "viewer" }] });
    assert_eq!(admin.send("PUT", "/api/v1/people/lan/grants", Some(wider)).await.0, 204);
    let (_, who) = client.get("/api/v1/session").await;
    assert_eq!(who["role"], "viewer");
    let state = async |disabled: bool| {
        let body = json!({ "disabled": disabled });
        assert_eq!(admin.post("/api/v1/people/lan/state", &body).await.0, 204);
    };
    state(true).await;
    assert_eq!(client.get("/api/v1/session").await.0, 401);
    state(false).await;
    let (status, reset) = admin.post("/api/v1/people/lan/password", &json!({})).await;
    assert_eq!(status, 200);
    client.enter("lan", reset["password"].as_str().expect("a password")).await;
    let (_, sessions) = admin.get("/api/v1/people/lan/sessions").await;
    assert_eq!(sessions["sessions"].as_array().map(Vec::len), Some(1));
    assert_eq!(admin.send("DELETE", "/api/v1/people/lan/sessions", None).await.0, 204);
    assert_eq!(client.get("/api/v1/session").await.0, 401);
    assert_eq!(admin.send("DELETE", "/api/v1/people/lan", None).await.0, 204);
    assert_eq!(admin.send("DELETE", "/api/v1/people/lan", None).await.0, 404);
    let (status, last) = admin.send("DELETE", "/api/v1/people/administrator", None).await;
    assert_eq!((status, &last["code"]), (409, &json!("last_administrator")));
    let expected = [
        "person_added",
        "signed_in",
        "grants_changed",
        "person_disabled",
        "person_enabled",
        "password_changed",
        "signed_in",
        "sessions_ended",
        "person_removed",
    ];
    assert_eq!(server.actions(), expected);
    let log = format!("{:?}", server.acts.lock().expect("no panic"));
    for secret in [&password, reset["password"].as_str().expect("a password")] {
        assert!(!log.contains(secret));
    }
    server.stop().await;
}

#[tokio::test]
async fn grants_name_what_exists_and_never_the_role_of_a_screen() {
    let server = Server::start().await;
    let admin = server.client(Role::Administrator).await;
    for grants in [
        json!([]),
        json!([{ "role": "viewer", "areas": ["nowhere"] }]),
        json!([{ "role": "viewer", "services": ["none"] }]),
        json!([{ "role": "viewer", "areas": [] }]),
        json!([{ "role": "wall" }]),
        json!(vec![json!({ "role": "viewer" }); 9]),
    ] {
        let body = json!({ "name": "lan", "grants": grants });
        let (status, refused) = admin.post("/api/v1/people", &body).await;
        assert_eq!((status, &refused["code"]), (400, &json!("bad_grants")), "{grants}");
        let body = json!({ "grants": grants });
        let path = "/api/v1/people/administrator/grants";
        assert_eq!(admin.send("PUT", path, Some(body)).await.0, 400, "{grants}");
    }
    let odd = json!({ "name": "a b", "grants": [{ "role": "viewer" }] });
    assert_eq!(admin.post("/api/v1/people", &odd).await.1["code"], "bad_name");
    server.stop().await;
}

#[tokio::test]
async fn people_see_and_end_their_own_sessions_only() {
    let server = Server::start().await;
    let other = server.client(Role::Viewer).await;
    let first = server.client(Role::Operator).await;
    let mut second = server.stranger();
    second.enter("operator", PASSWORD).await;
    let (_, body) = second.get("/api/v1/account/sessions").await;
    let rows = body["sessions"].as_array().expect("a list");
    assert_eq!(rows.iter().map(|r| r["current"] == true).filter(|c| *c).count(), 1);
    let id = rows.iter().find(|r| r["current"] == false).expect("the first")["id"].clone();
    let path = format!("/api/v1/account/sessions/{}", id.as_str().expect("text"));
    assert_eq!(other.send("DELETE", &path, None).await.0, 404, "not theirs");
    assert_eq!(second.send("DELETE", &path, None).await.0, 204);
    assert_eq!(first.get("/api/v1/session").await.0, 401);

    let third = server.client(Role::Operator).await;
    let change = json!({ "old": PASSWORD, "new": "ein ganz anderes Passwort" });
    assert_eq!(second.post("/api/v1/account/password", &change).await.0, 204);
    assert_eq!(third.get("/api/v1/session").await.0, 401, "the others end");
    assert_eq!(second.get("/api/v1/session").await.0, 200);
    server.stop().await;
}

#[tokio::test]
async fn signing_in_gives_a_new_session_and_ends_the_one_before() {
    let server = Server::start().await;
    let old = server.client(Role::Operator).await;
    let mut again = Client { session: old.session.clone(), ..server.stranger() };
    again.enter("operator", PASSWORD).await;
    assert_ne!(again.session, old.session);
    assert_eq!(old.get("/api/v1/session").await.0, 401);
    server.stop().await;
}

#[tokio::test]
async fn over_tls_the_cookie_is_bound_to_the_host_and_the_plain_one_counts_for_nothing() {
    let server = Server::with(1, |c| c.secure = true).await;
    let session = server.session(Role::Viewer).await;
    let client = server.stranger();
    let ask = async |cookie: String| {
        let request = client.request("GET", "/api/v1/session").header("cookie", cookie);
        answer(request).await.0
    };
    assert_eq!(ask(format!("ioc_session={session}")).await, 401);
    assert_eq!(ask(format!("ioc_session=x; __Host-ioc={session}")).await, 200);
    let link = server.auth.signin_link("viewer").expect("a link");
    let signed = client.request("GET", &format!("/signin?token={link}")).send().await;
    let cookie =
        signed.expect("answers").headers()["set-cookie"].to_str().expect("text").to_owned();
    assert!(cookie.starts_with("__Host-ioc="), "{cookie}");
    for part in ["; Secure", "; HttpOnly", "; SameSite=Strict", "; Path=/;"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains("Domain"));
    server.stop().await;
}

#[tokio::test]
async fn a_token_is_a_program_with_no_more_than_its_owner_has_now() {
    let server = Server::start().await;
    let admin = server.client(Role::Administrator).await;
    let owner = server.client(Role::Operator).await;
    let issue = async |grants: Value, days: u32| {
        let body = json!({ "label": "report", "grants": grants, "days": days });
        owner.post("/api/v1/account/tokens", &body).await
    };
    assert_eq!(issue(json!([{ "role": "administrator" }]), 1).await.1["code"], "bad_grants");
    assert_eq!(issue(json!([{ "role": "viewer", "areas": ["x"] }]), 1).await.0, 400);
    assert_eq!(issue(json!([{ "role": "viewer" }]), 366).await.1["code"], "bad_token");
    let (status, made) = issue(json!([{ "role": "operator" }]), 30).await;
    assert_eq!(status, 201);
    let token = made["token"].as_str().expect("a token").to_owned();
    assert!(token.starts_with("ioc_") && token.len() == 68);

    assert_eq!(by(&server, &token, "GET", "/api/v1/alerts").await.0, 200);
    let (_, who) = by(&server, &token, "GET", "/api/v1/session").await;
    assert_eq!((&who["kind"], &who["user"]), (&json!("token"), &json!("operator")));
    for (method, path) in [
        ("POST", "/api/v1/account/tokens"),
        ("DELETE", "/api/v1/account/totp"),
        ("GET", "/api/v1/account"),
        ("POST", "/api/v1/account/password"),
        ("DELETE", "/api/v1/session"),
    ] {
        let (status, body) = by(&server, &token, method, path).await;
        assert_eq!(status, 403, "{method} {path}: {body}");
    }
    // A token is no cookie, and a cookie is no token.
    let cookie = Client { session: Some(token.clone()), ..server.stranger() };
    assert_eq!(cookie.get("/api/v1/session").await.0, 401);
    let session = owner.session.clone().expect("one");
    assert_eq!(by(&server, &session, "GET", "/api/v1/session").await.0, 401);
    // A wrong token does not fall back to the cookie beside it.
    let mixed = owner.request("GET", "/api/v1/session").header("authorization", "Bearer ioc_0");
    assert_eq!(answer(mixed).await.0, 401);
    // A page elsewhere names itself, and is refused even with a token.
    let foreign = server.stranger();
    let foreign = foreign.request("POST", "/api/v1/alerts/x/acknowledge");
    let foreign = foreign.header("authorization", format!("Bearer {token}"));
    let foreign = foreign.header("origin", "http://evil.example").body("{}");
    assert_eq!(answer(foreign).await.1["code"], "origin_refused");

    let (_, rows) = owner.get("/api/v1/account/tokens").await;
    let used = rows["tokens"][0]["used"].clone();
    server.clock.fetch_add(MINUTE / 2, Relaxed);
    by(&server, &token, "GET", "/api/v1/alerts").await;
    let (_, rows) = owner.get("/api/v1/account/tokens").await;
    assert_eq!(rows["tokens"][0]["used"], used, "written once a minute");
    assert!(!rows.to_string().contains(&token));

    let less = vec![Grant { areas: Some(vec!["son_tra".into()]), ..Grant::city(Role::Viewer) }];
    server.auth.set_grants("operator", &less).expect("sets");
    let (status, refused) = by(&server, &token, "POST", "/api/v1/alerts/x/acknowledge").await;
    assert_eq!((status, &refused["code"]), (403, &json!("not_permitted")), "as its owner now");
    server.auth.disable("operator").expect("disables");
    assert_eq!(by(&server, &token, "GET", "/api/v1/alerts").await.0, 401, "ends with the owner");
    server.auth.enable("operator").expect("enables");
    assert_eq!(by(&server, &token, "GET", "/api/v1/alerts").await.0, 200);
    let (_, all) = admin.get("/api/v1/people/tokens").await;
    assert_eq!(all["tokens"][0]["user"], "operator");
    let path = format!("/api/v1/people/tokens/{}", made["id"]);
    assert_eq!(admin.send("DELETE", &path, None).await.0, 204);
    assert_eq!(by(&server, &token, "GET", "/api/v1/alerts").await.0, 401);
    server.stop().await;
}

#[tokio::test]
async fn a_token_ends_on_its_day() {
    let server = Server::start().await;
    let owner = server.client(Role::Viewer).await;
    let body = json!({ "label": "x", "grants": [{ "role": "viewer" }], "days": 1 });
    let (_, made) = owner.post("/api/v1/account/tokens", &body).await;
    let token = made["token"].as_str().expect("a token");
    server.clock.fetch_add(24 * 60 * MINUTE - 1, Relaxed);
    assert_eq!(by(&server, token, "GET", "/api/v1/alerts").await.0, 200);
    server.clock.fetch_add(1, Relaxed);
    assert_eq!(by(&server, token, "GET", "/api/v1/alerts").await.0, 401);
    server.stop().await;
}

#[tokio::test]
async fn a_wall_watches_its_view_and_nothing_else_until_it_is_revoked() {
    let server = Server::start().await;
    let admin = server.client(Role::Administrator).await;
    let wall = |view: &str, area: &str| json!({ "label": "sảnh", "view": view, "areas": [area] });
    assert_eq!(admin.post("/api/v1/walls", &wall("Over view", "hai_chau")).await.0, 400);
    assert_eq!(admin.post("/api/v1/walls", &wall("overview", "nowhere")).await.0, 400);
    let (status, made) = admin.post("/api/v1/walls", &wall("overview", "hai_chau")).await;
    assert_eq!(status, 201);
    let token = made["token"].as_str().expect("a token");
    assert_eq!(made["path"], format!("/#/wall?token={token}"));

    let mut screen = server.stranger();
    let body = json!({ "token": token });
    let signed =
        screen.change("POST", "/api/v1/session/wall", &body).send().await.expect("answers");
    assert_eq!(signed.status(), 200);
    let cookie = signed.headers()["set-cookie"].to_str().expect("text").to_owned();
    screen.session = cookie.split(['=', ';']).nth(1).map(String::from);
    let who: Value = signed.json().await.expect("JSON");
    assert_eq!((&who["kind"], &who["view"]), (&json!("wall"), &json!("overview")));
    assert_eq!(who["can"], json!(["watch"]));
    server.clock.fetch_add(40 * 24 * 60 * MINUTE, Relaxed);
    assert_eq!(screen.get("/api/v1/devices").await.0, 200, "no idle limit");
    for path in ["/api/v1/account", "/api/v1/history/series", "/api/v1/people"] {
        assert_eq!(screen.get(path).await.0, 403, "{path}");
    }
    let admin = server.client(Role::Administrator).await;
    let (_, walls) = admin.get("/api/v1/walls").await;
    assert!(walls["walls"][0]["used"].is_i64() && !walls.to_string().contains(token));
    let path = format!("/api/v1/walls/{}", made["id"]);
    assert_eq!(admin.send("DELETE", &path, None).await.0, 204);
    assert_eq!(screen.get("/api/v1/devices").await.0, 401);
    let again = screen.change("POST", "/api/v1/session/wall", &body);
    assert_eq!(answer(again).await.0, 401);
    server.stop().await;
}

#[tokio::test]
async fn refused_sign_ins_are_summed_up_and_hold_nothing_that_was_typed() {
    let server = Server::start().await;
    server.session(Role::Viewer).await;
    let client = server.stranger();
    for user in ["viewer", "viewer", "mat-khau-cua-toi", "matkhau2"] {
        let body = json!({ "user": user, "password": "wrong" });
        assert_eq!(client.post("/api/v1/session", &body).await.0, 401);
    }
    let rows: Vec<_> = server.acts.lock().expect("no panic").clone();
    let rows: Vec<_> = rows.iter().filter(|r| r.0 == "sign_in_failed").collect();
    let users: Vec<&str> = rows.iter().map(|r| r.1.as_str()).collect();
    assert_eq!(users, ["viewer", "(unknown)"]);
    assert!(!format!("{rows:?}").contains("khau"));
    server.clock.fetch_add(MINUTE, Relaxed);
    let body = json!({ "user": "viewer", "password": "wrong" });
    client.post("/api/v1/session", &body).await;
    let last = server.acts.lock().expect("no panic").last().cloned().expect("one");
    assert_eq!((last.0.as_str(), &last.2["times"]), ("sign_in_failed", &json!(2)), "none is lost");
    server.stop().await;
}

#[tokio::test]
async fn strangers_are_told_the_ways_in() {
    let server = Server::start().await;
    let (status, body) = server.stranger().get("/api/v1/session/options").await;
    assert_eq!((status, body), (200, json!({ "password": true, "oidc": [] })));
    server.stop().await;
}
