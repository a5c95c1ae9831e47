//! Personal data over REST: who may see what, and what must be said first.

use std::sync::atomic::Ordering::Relaxed;

use ioc_model::Timestamp;
use serde_json::json;

use crate::Role;
use crate::testing::{NOON, Server, personal_row};

const REASON: &str = "accident report 12/2025";

#[tokio::test]
async fn operators_see_masks_page_by_page() {
    let server = Server::start().await;
    let client = server.client(Role::Operator).await;
    let (status, page) = client.get("/api/v1/personal?limit=2").await;
    assert_eq!((status, &page["next"]), (200, &json!(2)));
    assert_eq!(page["rows"][0], json!(personal_row(3)));
    let (_, last) = client.get("/api/v1/personal?limit=2&before=2").await;
    assert_eq!(last, json!({ "rows": [personal_row(1)], "next": null }));
    let query = format!("device=cam-1&pseudonym=00000000000000ff&from=1&to={NOON}");
    assert_eq!(client.get(&format!("/api/v1/personal?{query}")).await.0, 200);
    let asked = server.personal.filters.lock().expect("no panic").pop().expect("one");
    assert_eq!((asked.device.as_deref(), asked.pseudonym), (Some("cam-1"), Some(255)));
    assert_eq!((asked.from, asked.to), (Some(Timestamp(1)), Some(Timestamp(NOON))));
    assert_eq!(asked.limit, 100);
    for bad in
        ["pseudonym=ff", "pseudonym=zz00000000000000", "before=-1", "limit=1001", "device=a%20b"]
    {
        assert_eq!(client.get(&format!("/api/v1/personal?{bad}")).await.0, 400, "{bad}");
    }
    server.stop().await;
}

#[tokio::test]
async fn only_an_administrator_with_a_reason_is_shown_one_row() {
    let server = Server::start().await;
    let path = "/api/v1/personal/2/reveal";
    let body = json!({ "reason": REASON });
    assert_eq!(server.stranger().post(path, &body).await.0, 401);
    assert_eq!(server.stranger().get("/api/v1/personal").await.0, 401);
    let viewer = server.client(Role::Viewer).await;
    assert_eq!(viewer.get("/api/v1/personal").await.0, 403);
    let operator = server.client(Role::Operator).await;
    let (status, refused) = operator.post(path, &body).await;
    assert_eq!((status, &refused["code"]), (403, &json!("not_permitted")));

    let admin = server.client(Role::Administrator).await;
    let long = "x".repeat(501);
    for bad in ["", "because", "  short  ", "a\u{1b}[31mbcdefghijk", &long] {
        let (status, _) = admin.post(path, &json!({ "reason": bad })).await;
        assert_eq!(status, 400, "{bad}");
    }
    assert_eq!(admin.post(path, &json!({})).await.0, 400);
    assert_eq!(admin.post("/api/v1/personal/9/reveal", &body).await.0, 404);
    assert_eq!(admin.post("/api/v1/personal/x/reveal", &body).await.0, 404);
    assert!(server.personal.views.lock().expect("no panic").is_empty());

    let (status, shown) = admin.post(path, &body).await;
    assert_eq!((status, shown), (200, json!({ "plate": "51F-123.45", "snapshot": null })));
    let views = server.personal.views.lock().expect("no panic").clone();
    assert_eq!(views, [format!("2 administrator {REASON}")]);

    server.personal.audit_fails.store(true, Relaxed);
    let (status, refused) = admin.post(path, &body).await;
    assert_eq!((status, &refused["code"]), (500, &json!("internal")));
    assert!(!refused.to_string().contains("/var/lib"), "{refused}");
    server.stop().await;
}

#[tokio::test]
async fn nobody_on_the_way_may_keep_personal_data() {
    let server = Server::start().await;
    let admin = server.client(Role::Administrator).await;
    let list = admin.request("GET", "/api/v1/personal");
    let body = json!({ "reason": REASON });
    let view = admin.change("POST", "/api/v1/personal/1/reveal", &body);
    for request in [list, view] {
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["cache-control"], "no-store");
    }
    server.stop().await;
}
