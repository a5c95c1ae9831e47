//! Rules over REST: who may, what is asked of the store, and what comes back.

use ioc_model::RuleEdit;
use serde_json::json;

use crate::Role;
use crate::testing::{Client, Server, answer};

fn put(client: &Client, path: &str, text: &str) -> reqwest::RequestBuilder {
    client
        .request("PUT", path)
        .header("origin", format!("http://{}", client.address))
        .header("x-ioc-request", "1")
        .header("content-type", "application/yaml")
        .body(text.to_owned())
}

#[tokio::test]
async fn operators_read_rules_and_only_those_with_the_permission_change_them() {
    let server = Server::start().await;
    let operator = server.client(Role::Operator).await;
    assert_eq!(operator.get("/api/v1/rules/pm25_high").await.0, 200);
    let refused = answer(put(&operator, "/api/v1/rules/pm25_high", "id: pm25_high")).await;
    assert_eq!((refused.0, &refused.1["code"]), (403, &json!("not_permitted")));
    for (method, path) in [
        ("PATCH", "/api/v1/rules/pm25_high"),
        ("DELETE", "/api/v1/rules/pm25_high"),
        ("POST", "/api/v1/rules/check"),
        ("POST", "/api/v1/rules/backtest"),
        ("POST", "/api/v1/rules/versions/1/rollback"),
    ] {
        let refused = answer(operator.change(method, path, &json!({}))).await;
        assert_eq!(refused.0, 403, "{method} {path}");
    }
    assert!(server.rules.asked.lock().expect("no panic").is_empty());
    server.stop().await;
}

#[tokio::test]
async fn a_change_carries_author_note_and_the_version_it_was_made_on() {
    let server = Server::start().await;
    let client = server.client(Role::Administrator).await;
    let list = client.request("GET", "/api/v1/rules").send().await.expect("an answer");
    assert_eq!(list.headers()["etag"], "\"7\"");
    let path = "/api/v1/rules/pm25_high?note=higher%20limit";
    let made = put(&client, path, "id: pm25_high\n").header("if-match", "\"7\"");
    let made = made.send().await.expect("an answer");
    assert_eq!(
        (made.status().as_u16(), &made.headers()["etag"]),
        (200, &"\"8\"".parse().expect("a header"))
    );
    let asked = server.rules.asked.lock().expect("no panic").remove(0);
    assert_eq!((asked.note.as_deref(), asked.expected), (Some("higher limit"), Some(7)));
    assert!(!asked.author.is_empty());
    let text = "id: pm25_high\n".to_owned();
    assert_eq!(asked.edit, RuleEdit::Put { id: "pm25_high".into(), text });

    let late = put(&client, path, "id: pm25_high\n").header("if-match", "\"6\"");
    let (status, body) = answer(late).await;
    assert_eq!((status, &body["code"], &body["version"]), (412, &json!("outdated"), &json!(7)));
    let odd = put(&client, path, "id: pm25_high\n").header("if-match", "W/\"x\"");
    assert_eq!(answer(odd).await.0, 400);
    server.stop().await;
}

#[tokio::test]
async fn all_mistakes_of_a_change_come_back_with_their_places() {
    let server = Server::start().await;
    let client = server.client(Role::Administrator).await;
    let (status, body) = answer(put(&client, "/api/v1/rules/pm25_high", "wrong")).await;
    assert_eq!((status, &body["code"]), (422, &json!("rules_wrong")));
    let expected = json!({
        "file": "rules/air.yaml", "line": 3, "column": 5, "message": "unknown property",
        "hint": "pm25",
    });
    assert_eq!(body["mistakes"], json!([expected]));
    server.stop().await;
}

#[tokio::test]
async fn bodies_of_checks_say_exactly_one_change() {
    let server = Server::start().await;
    let client = server.client(Role::Administrator).await;
    for (body, status) in [
        (json!({ "id": "a", "mode": "off" }), 200),
        (json!({ "rollback": 3 }), 200),
        (json!({}), 400),
        (json!({ "id": "a", "mode": "off", "text": "id: a" }), 400),
        (json!({ "id": "../etc", "text": "id: a" }), 400),
        (json!({ "id": "a", "mode": "off", "else": 1 }), 400),
    ] {
        let (got, answer) = client.post("/api/v1/rules/check", &body).await;
        assert_eq!(got, status, "{body} {answer}");
    }
    let (status, body) = client.post("/api/v1/rules/backtest", &json!({})).await;
    assert_eq!((status, &body["code"]), (503, &json!("busy")));
    server.stop().await;
}

#[tokio::test]
async fn explains_entities_of_every_kind_and_refuses_others() {
    let server = Server::start().await;
    let client = server.client(Role::Viewer).await;
    let path = |entity: &str| format!("/api/v1/rules/pm25_high/explain?entity={entity}");
    let (status, body) = client.get(&path("device:air-000")).await;
    assert_eq!((status, &body["entity"]), (200, &json!({ "kind": "device", "id": "air-000" })));
    assert_eq!(client.get(&path("city")).await.1["entity"], json!({ "kind": "city" }));
    for bad in ["", "air-000", "planet:mars", "device:", "device:a/b"] {
        assert_eq!(client.get(&path(bad)).await.0, 400, "{bad}");
    }
    assert_eq!(client.get("/api/v1/rules/none").await.0, 404);
    assert_eq!(client.get("/api/v1/rules/versions/x").await.0, 404);
    server.stop().await;
}
