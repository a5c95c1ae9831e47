//! The device registry over REST.

use ioc_model::{QuarantineReason, Timestamp};
use serde_json::{Value, json};

use crate::Role;
use crate::testing::{NOON, Server, TOKEN, answer};

fn new_device(id: &str) -> Value {
    json!({
        "id": id, "name": { "vi": "Trạm mới", "en": "New station" }, "service": "air",
        "area": "hai_chau", "place": { "lat": 16.06, "lon": 108.22 }, "state": "approved",
        "fields": [{ "name": "temp_c", "property": "temperature", "unit": "°C" }],
    })
}

#[tokio::test]
async fn operators_see_the_registry_page_by_page_and_change_nothing() {
    let server = Server::with(3, |_| {}).await;
    let client = server.client(Role::Operator).await;
    let (status, page) = client.get("/api/v1/registry?limit=2").await;
    assert_eq!((status, &page["next"]), (200, &json!("air-001")), "{page}");
    assert_eq!(page["counts"], json!({ "approved": 3, "pending": 0, "blocked": 0 }));
    let (_, last) = client.get("/api/v1/registry?limit=2&after=air-001").await;
    assert_eq!((last["devices"][0]["id"].as_str(), &last["next"]), (Some("air-002"), &json!(null)));
    assert_eq!(client.get("/api/v1/registry?state=odd").await.0, 400);
    assert_eq!(client.get("/api/v1/registry/none").await.0, 404);
    let (status, received) = client.get("/api/v1/devices/air-000/received").await;
    assert_eq!((status, &received["messages"]), (200, &json!(7)));
    let (_, nothing) = client.get("/api/v1/devices/air-002/received").await;
    assert_eq!(nothing["messages"], 0, "a device that said nothing is not an error");
    assert_eq!(
        client
            .change("PUT", "/api/v1/registry/x", &new_device("x"))
            .send()
            .await
            .expect("answers")
            .status(),
        403
    );
    assert!(server.registry.acts.lock().expect("no panic").is_empty());
    server.stop().await;
}

#[tokio::test]
async fn a_device_that_is_put_is_on_the_list_of_the_live_state() {
    let server = Server::start().await;
    let admin = server.client(Role::Administrator).await;
    let path = "/api/v1/registry/air-new";
    assert_eq!(
        answer(admin.change("PUT", path, &new_device("other"))).await.0,
        400,
        "the id is that of the path"
    );
    let mut wrong = new_device("air-new");
    wrong["service"] = json!("none");
    let (status, refused) = answer(admin.change("PUT", path, &wrong)).await;
    assert_eq!((status, refused["mistakes"].as_array().map(Vec::len)), (422, Some(1)));
    assert_eq!(answer(admin.change("PUT", path, &new_device("air-new"))).await.0, 200);
    // The list grows and changes once a second.
    server.live.sweep(Timestamp(NOON));
    let (_, list) = admin.get("/api/v1/devices").await;
    let listed = list["devices"].as_array().expect("a list").last().expect("devices").clone();
    assert_eq!((&listed["id"], &listed["lat"]), (&json!("air-new"), &json!(16.06)));
    assert_eq!(
        (&listed["name"]["en"], &listed["configured"]),
        (&json!("New station"), &json!(true))
    );
    let state = "/api/v1/registry/air-new/state";
    let (_, blocked) = admin.post(state, &json!({ "state": "blocked" })).await;
    assert_eq!(blocked["state"], "blocked");
    // The list grows and changes once a second.
    server.live.sweep(Timestamp(NOON));
    let (_, list) = admin.get("/api/v1/devices").await;
    assert_eq!(
        list["devices"].as_array().expect("a list").last().expect("devices")["configured"],
        false
    );
    server.stop().await;
}

#[tokio::test]
async fn a_token_is_told_once_and_kept_from_caches() {
    let server = Server::start().await;
    let admin = server.client(Role::Administrator).await;
    let path = "/api/v1/registry/air-000/tokens";
    let answer =
        admin.change("POST", path, &json!({ "label": "mast" })).send().await.expect("answers");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let told: Value = answer.json().await.expect("JSON");
    assert_eq!(told["token"], TOKEN);
    let (_, list) = admin.get(path).await;
    assert!(!list.to_string().contains(TOKEN), "{list}");
    assert_eq!(admin.post(path, &json!({ "label": "a\u{1b}b" })).await.0, 400);
    let revoke = |n: &str| format!("{path}?token={n}");
    for (token, status) in [("5", 204), ("6", 404), ("x", 400)] {
        let sent = admin.change("DELETE", &revoke(token), &json!({})).send().await;
        assert_eq!(sent.expect("answers").status(), status, "{token}");
    }
    server.stop().await;
}

#[tokio::test]
async fn an_import_is_all_or_nothing_and_says_where_it_is_wrong() {
    let server = Server::start().await;
    let admin = server.client(Role::Administrator).await;
    let path = "/api/v1/registry/import";
    let ask = |text: &str, dry: bool| json!({ "format": "csv", "file": "new.csv", "text": text, "dry_run": dry });
    let (status, refused) = admin.post(path, &ask("id\nx,wrong", false)).await;
    let place = json!({
        "file": "new.csv", "line": 2, "column": 5, "message": "service `wrong` is not there",
        "hint": "did you mean `air`?",
    });
    assert_eq!((status, &refused["mistakes"][0]), (422, &place));
    let (_, dry) = admin.post(path, &ask("id\nx", true)).await;
    assert_eq!((&dry["done"], &dry["import"]["added"]), (&json!(false), &json!(2)));
    assert!(server.registry.acts.lock().expect("no panic").is_empty(), "dry");
    let (_, done) = admin.post(path, &ask("id\nx", false)).await;
    assert_eq!(done["done"], true);
    assert_eq!(*server.registry.acts.lock().expect("no panic"), ["import administrator"]);
    assert_eq!(admin.post(path, &json!({ "format": "xml", "text": "" })).await.0, 400);
    server.stop().await;
}

#[tokio::test]
async fn a_rerun_is_bounded_and_names_its_reason() {
    let server = Server::start().await;
    let admin = server.client(Role::Administrator).await;
    let path = "/api/v1/quarantine/rerun";
    let (status, done) =
        admin.post(path, &json!({ "device": "air-000", "reason": "bad_unit" })).await;
    assert_eq!((status, &done["accepted"]), (200, &json!(2)));
    let asked = server.registry.reruns.lock().expect("no panic").pop();
    assert_eq!(asked, Some((Some("air-000".into()), Some(QuarantineReason::BadUnit), 1_000)));
    for bad in [json!({ "reason": "odd" }), json!({ "limit": 0 }), json!({ "device": "a b" })] {
        assert_eq!(admin.post(path, &bad).await.0, 400, "{bad}");
    }
    server.stop().await;
}
