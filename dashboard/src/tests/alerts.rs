use ioc_model::Severity;
use serde_json::{Value, json};

use crate::Role;
use crate::testing::{NOON, Server, alert, answer};

fn path(n: u64) -> String {
    format!("/api/v1/alerts/{n:032x}")
}

#[tokio::test]
async fn lists_pages_and_counts() {
    let server = Server::start().await;
    let client = server.client(Role::Viewer).await;
    for n in 1..=5 {
        let severity = if n == 3 { Severity::Emergency } else { Severity::Minor };
        let row = alert(n, "air-000", severity);
        server.alerts.put(row.clone());
        server.live.alerts_changed(&[row]);
    }
    let ids = |body: &Value| -> Vec<u64> {
        let rows = body["alerts"].as_array().expect("alerts");
        rows.iter().map(|r| r["change"].as_u64().expect("a number")).collect()
    };
    let (_, first) = client.get("/api/v1/alerts?open=1&limit=2").await;
    assert_eq!(ids(&first), [5, 4]);
    assert_eq!(first["change"], 5);
    let expected = json!({
        "open": 5, "listed": 5, "held": 0, "unacknowledged": 5, "overdue": 0,
        "by_severity": { "minor": 4, "emergency": 1 },
    });
    assert_eq!(first["counts"], expected);
    let cursor = first["next"].as_str().expect("more");
    let (_, second) = client.get(&format!("/api/v1/alerts?open=1&limit=3&cursor={cursor}")).await;
    assert_eq!(ids(&second), [3, 2, 1]);
    let (_, worst) = client.get("/api/v1/alerts?min_severity=major").await;
    assert_eq!(ids(&worst), [3]);
    assert_eq!(worst["next"], Value::Null);
    assert_eq!(client.get("/api/v1/alerts?cursor=1-a'b").await.0, 400);
    let (_, one) = client.get(&path(3)).await;
    assert_eq!(one["audit"][0]["actor"], "rule:pm25_high");
    assert_eq!(one["audit"][0]["evidence"]["readings"][0]["value"], 51.0);
    assert_eq!(one["audit"][0]["message"]["en"], one["alert"]["message"]["en"]);
    assert_eq!(one["alert"]["entity"], json!({ "kind": "device", "id": "air-000" }));
    server.stop().await;
}

#[tokio::test]
async fn acknowledges_once_says_who_was_faster_and_repeats_safely() {
    let server = Server::start().await;
    let client = server.client(Role::Operator).await;
    server.alerts.put(alert(1, "air-000", Severity::Major));
    let ack = format!("{}/acknowledge", path(1));
    let note = json!({ "note": "  đã kiểm tra  " });
    let keyed = || client.change("POST", &ack, &note).header("idempotency-key", "k-1");
    let (status, first) = answer(keyed()).await;
    assert_eq!(status, 200);
    assert_eq!(first["alert"]["acknowledged_by"], "operator");
    assert_eq!(first["alert"]["acknowledged_at"], NOON);
    assert_eq!(first["alert"]["note"], "đã kiểm tra");
    assert_eq!(answer(keyed()).await, (200, first), "the same key changes nothing");

    let (status, body) = client.post(&ack, &json!({})).await;
    assert_eq!((status, &body["code"]), (409, &json!("already_done")));
    assert_eq!((&body["by"], &body["at"]), (&json!("operator"), &json!(NOON)));
    assert_eq!(client.post(&format!("{}/acknowledge", path(9)), &json!({})).await.0, 404);
    let viewer = server.client(Role::Viewer).await;
    assert_eq!(viewer.post(&ack, &json!({})).await.1["code"], "not_permitted");
    server.stop().await;
}

#[tokio::test]
async fn refuses_bad_notes_and_keys() {
    let server = Server::start().await;
    let client = server.client(Role::Operator).await;
    server.alerts.put(alert(1, "air-000", Severity::Major));
    let ack = format!("{}/acknowledge", path(1));
    let long = json!({ "note": "x".repeat(2_001) });
    assert_eq!(client.post(&ack, &long).await.1["code"], "bad_note");
    assert_eq!(client.post(&ack, &json!({ "user": "other" })).await.0, 400);
    let key = client.change("POST", &ack, &json!({})).header("idempotency-key", "a b");
    assert_eq!(answer(key).await.1["code"], "bad_key");
    server.stop().await;
}

#[tokio::test]
async fn the_list_comes_as_a_sheet_with_filter_time_and_user_and_the_audit_knows() {
    let server = Server::start().await;
    let client = server.client(Role::Viewer).await;
    for n in 1..=3 {
        server.alerts.put(alert(n, "air-000", Severity::Minor));
    }
    let get = async |query: &str| {
        let path = format!("/api/v1/alerts/list.csv{query}");
        let answer = client.request("GET", &path).send().await.expect("answers");
        let file = answer.headers().get("content-disposition").cloned();
        (answer.status().as_u16(), file, answer.text().await.expect("text"))
    };
    let (status, file, csv) = get("?open=1&lang=en").await;
    assert_eq!(status, 200, "{csv}");
    let file = file.expect("a name");
    assert!(file.to_str().expect("text").starts_with("attachment; filename=\"alerts-20"));
    let (_, list) = client.get("/api/v1/alerts?open=1").await;
    let ids: Vec<_> = list["alerts"].as_array().expect("rows").iter().map(|r| &r["id"]).collect();
    assert!(!ids.is_empty());
    for id in &ids {
        assert!(csv.contains(id.as_str().expect("an id")), "{csv}");
    }
    for said in ["En", "open=1", "by", "+07:00"] {
        assert!(csv.contains(said), "{said}: {csv}");
    }
    for bad in ["?lang=de", "?open=2", "?min_severity=x", "?cursor=x"] {
        assert_eq!(get(bad).await.0, 400, "{bad}");
    }
    server.stop().await;
}
