//! What operators do to alerts over REST: what reaches the register, and what comes back.

use ioc_model::{Action, AlertRow, Condition, RefusedCode, Severity, Work};
use serde_json::{Value, json};

use crate::Role;
use crate::testing::{Client, NOON, Server, alert, answer};

fn id(n: u64) -> String {
    format!("{n:032x}")
}

fn path(n: u64) -> String {
    format!("/api/v1/alerts/{}/actions", id(n))
}

const BULK: &str = "/api/v1/alerts/actions";

async fn with_alerts(n: u64) -> (Server, Client) {
    let server = Server::start().await;
    let client = server.client(Role::Operator).await;
    (1..=n).for_each(|i| server.alerts.put(alert(i, "air-000", Severity::Major)));
    (server, client)
}

#[tokio::test]
async fn every_action_reaches_the_register_with_who_when_and_from_where() {
    let (server, client) = with_alerts(1).await;
    let person = json!({ "kind": "person", "name": " lan " });
    let cases = [
        json!({ "action": "assign", "to": person, "note": "please" }),
        json!({ "action": "comment", "text": " seen " }),
        json!({ "action": "link", "link": { "url": "/devices/air-000", "title": "station" } }),
        json!({ "action": "shelve", "until": NOON + 60_000, "reason": "known" }),
        json!({ "action": "unshelve" }),
        json!({ "action": "start", "note": null }),
        json!({ "action": "resolve", "note": "cleaned" }),
        json!({ "action": "merge", "into": id(2) }),
        json!({ "action": "split" }),
        json!({ "action": "acknowledge" }),
        json!({ "action": "reject", "reason": "test" }),
    ];
    for body in cases {
        let (status, got) = client.post(&path(1), &body).await;
        assert_eq!(status, 200, "{body}: {got}");
        assert_eq!(got["undo_until"], NOON + 10_000);
        assert!(got["act"].as_u64().is_some_and(|a| a > 0));
        let asked = server.alerts.last();
        assert_eq!(asked.action.kind().as_str(), body["action"]);
        assert_eq!((asked.actor.user.as_str(), asked.actor.at.0), ("operator", NOON));
        assert_eq!(asked.actor.origin.as_deref(), Some("127.0.0.1"));
        assert_eq!((asked.targets.len(), asked.targets[0].version), (1, None));
        if let Action::Assign { to, .. } = &asked.action {
            assert_eq!(to.name, "lan", "trimmed");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn refusals_say_what_the_alert_is_now() {
    let (server, client) = with_alerts(2).await;
    let (status, body) = client.post(&path(1), &json!({ "action": "close" })).await;
    assert_eq!((status, &body["code"]), (409, &json!("still_active")));
    assert_eq!((&body["alert"]["id"], &body["by"]), (&json!(id(1)), &Value::Null));
    assert!(body["request_id"].as_str().is_some_and(|r| !r.is_empty()));
    client.post(&path(1), &json!({ "action": "acknowledge" })).await;
    let (status, body) = client.post(&path(1), &json!({ "action": "acknowledge" })).await;
    assert_eq!((status, &body["code"]), (409, &json!("already_done")));
    assert_eq!((&body["by"], &body["at"]), (&json!("operator"), &json!(NOON)));
    assert_eq!(body["alert"]["ver"], 2);
    let (status, body) = client.post(&path(9), &json!({ "action": "acknowledge" })).await;
    assert_eq!((status, &body["code"]), (404, &json!("not_found")));
    server.stop().await;
}

#[tokio::test]
async fn if_match_holds_off_who_saw_an_older_state() {
    let (server, client) = with_alerts(1).await;
    let act = |tag: &'static str| {
        let body = json!({ "action": "comment", "text": "x" });
        client.change("POST", &path(1), &body).header("if-match", tag)
    };
    let detail = client.request("GET", &format!("/api/v1/alerts/{}", id(1)));
    assert_eq!(detail.send().await.expect("answers").headers()["etag"], "\"1\"");
    let done = act("\"1\"").send().await.expect("answers");
    assert_eq!(
        (done.status().as_u16(), &done.headers()["etag"]),
        (200, &"\"2\"".parse().expect("a tag"))
    );
    let (status, body) = answer(act("\"1\"")).await;
    assert_eq!((status, &body["code"]), (412, &json!("conflict")));
    assert_eq!(body["alert"]["ver"], 2, "it stands as this");
    assert_eq!(answer(act("*")).await.0, 200);
    for bad in ["7", "W/\"1\"", "\"x\"", ""] {
        assert_eq!(answer(act(bad)).await.1["code"], "bad_header", "{bad}");
    }
    server.stop().await;
}

#[tokio::test]
async fn many_at_once_have_a_result_each() {
    let (server, client) = with_alerts(3).await;
    server.alerts.put(AlertRow { ver: 5, ..alert(3, "air-000", Severity::Major) });
    let body = json!({ "action": "acknowledge", "note": " all ", "alerts": [
        { "id": id(1) }, { "id": id(2), "version": 1 }, { "id": id(3), "version": 4 },
        { "id": id(9) }, { "id": id(1), "version": 77 },
    ]});
    let keyed = || client.change("POST", BULK, &body).header("idempotency-key", "k-1");
    let (status, first) = answer(keyed()).await;
    assert_eq!(status, 200);
    let asked = server.alerts.last();
    assert_eq!((asked.targets.len(), asked.key.as_deref()), (4, Some("k-1")), "duplicates once");
    assert_eq!(asked.action, Action::Acknowledge { note: Some("all".into()) });
    let results = first["results"].as_array().expect("results");
    let codes: Vec<_> = results.iter().map(|r| r["refused"]["code"].clone()).collect();
    let (conflict, missing) = (RefusedCode::Conflict.as_str(), RefusedCode::NotFound.as_str());
    assert_eq!(codes, [Value::Null, Value::Null, json!(conflict), json!(missing)]);
    assert_eq!((&first["done"], &first["repeated"]), (&json!(2), &json!(false)));
    assert_eq!(results[0]["row"]["acknowledged_by"], "operator");
    assert_eq!((&results[2]["row"]["ver"], &results[3]["row"]), (&json!(5), &Value::Null));

    let (_, again) = answer(keyed()).await;
    assert_eq!((&again["repeated"], &again["act"]), (&json!(true), &first["act"]));
    assert_eq!(again["results"], first["results"]);
    let other = client.change("POST", &path(2), &json!({ "action": "start" }));
    let (status, body) = answer(other.header("idempotency-key", "k-1")).await;
    assert_eq!((status, &body["code"]), (409, &json!("key_reused")));
    server.stop().await;
}

#[tokio::test]
async fn ten_thousand_are_taken_and_one_more_is_not() {
    let (server, client) = with_alerts(1).await;
    let body = |n: u64| {
        let alerts: Vec<_> = (1..=n).map(|i| json!({ "id": id(i), "version": 1 })).collect();
        json!({ "action": "resolve", "alerts": alerts })
    };
    let (status, got) = client.post(BULK, &body(10_000)).await;
    assert_eq!((status, &got["done"]), (200, &json!(1)));
    assert_eq!(got["results"].as_array().map(Vec::len), Some(10_000));
    assert_eq!(client.post(BULK, &body(10_001)).await.1["code"], "bad_body");
    let pad = |n: usize| json!({ "action": "comment", "text": "x".repeat(n), "alerts": [] });
    assert_eq!(client.post(BULK, &pad(1_000_000)).await.0, 400, "read, and refused for its text");
    assert_eq!(client.post(BULK, &pad(1_100_000)).await.0, 413);
    assert_eq!(client.post(&path(1), &pad(70_000)).await.0, 413, "others take 64 KiB");
    server.stop().await;
}

#[tokio::test]
async fn a_request_is_taken_back_by_who_did_it_and_once() {
    let (server, client) = with_alerts(1).await;
    let (_, done) = client.post(&path(1), &json!({ "action": "acknowledge" })).await;
    let undo = format!("/api/v1/alerts/actions/{}/undo", done["act"]);
    let other = server.client(Role::Administrator).await;
    let (status, body) = client.post(&undo, &json!({})).await;
    assert_eq!((status, &body["done"]), (200, &json!(1)), "{body}");
    assert_eq!(body["results"][0]["row"]["acknowledged"], false);
    let (status, body) = client.post(&undo, &json!({})).await;
    assert_eq!((status, &body["code"]), (409, &json!("cannot_undo")));
    let (_, done) = client.post(&path(1), &json!({ "action": "acknowledge" })).await;
    let undo = format!("/api/v1/alerts/actions/{}/undo", done["act"]);
    assert_eq!(other.post(&undo, &json!({})).await.1["code"], "cannot_undo");
    assert_eq!(client.post("/api/v1/alerts/actions/x/undo", &json!({})).await.0, 404);
    assert_eq!(client.post(&undo, &json!({ "act": 1 })).await.0, 400);
    server.stop().await;
}

#[tokio::test]
async fn bodies_that_are_no_action_change_nothing() {
    let (server, client) = with_alerts(1).await;
    let cases = [
        (json!({}), "bad_body"),
        (json!({ "action": "explode" }), "bad_body"),
        (json!({ "action": "acknowledge", "user": "other" }), "bad_body"),
        (json!({ "action": "acknowledge", "note": 1 }), "bad_body"),
        (json!({ "action": "acknowledge", "note": "x".repeat(2_001) }), "bad_note"),
        (json!({ "action": "acknowledge", "note": "a\u{0}b" }), "bad_body"),
        (json!({ "action": "acknowledge", "note": "a\u{7}b" }), "bad_note"),
        (json!({ "action": "shelve", "until": NOON }), "bad_body"),
        (json!({ "action": "shelve", "until": NOON, "reason": "  " }), "bad_reason"),
        (json!({ "action": "reject", "reason": "" }), "bad_reason"),
        (json!({ "action": "comment", "text": " " }), "bad_text"),
        (json!({ "action": "assign", "to": { "kind": "person", "name": "" } }), "bad_body"),
        (json!({ "action": "assign", "to": { "kind": "dog", "name": "x" } }), "bad_body"),
        (json!({ "action": "merge", "into": "../../x" }), "bad_body"),
        (
            json!({ "action": "link", "link": { "url": "javascript:alert(1)", "title": "x" } }),
            "bad_link",
        ),
        (json!({ "action": "link", "link": { "url": "//evil", "title": "x" } }), "bad_link"),
        (json!([{ "action": "acknowledge" }]), "bad_body"),
    ];
    for (body, code) in cases {
        let (status, got) = client.post(&path(1), &body).await;
        assert_eq!((status, &got["code"]), (400, &json!(code)), "{body}");
        let mut many = body.clone();
        if let Some(fields) = many.as_object_mut() {
            fields.insert("alerts".into(), json!([{ "id": id(1) }]));
        }
        let (status, got) = client.post(BULK, &many).await;
        assert_eq!((status, &got["code"]), (400, &json!(code)), "{many}");
    }
    for alerts in [json!(null), json!([]), json!([{}]), json!([{ "id": "a b" }]), json!(["x"])] {
        let body = json!({ "action": "acknowledge", "alerts": alerts });
        assert_eq!(client.post(BULK, &body).await.1["code"], "bad_body", "{body}");
    }
    let body = json!({ "action": "acknowledge" });
    for key in ["a b", "", &"k".repeat(129)] {
        let keyed = client.change("POST", &path(1), &body).header("idempotency-key", key);
        assert_eq!(answer(keyed).await.1["code"], "bad_key", "{key}");
    }
    let twice = client.change("POST", &path(1), &body);
    let twice = twice.header("idempotency-key", "a").header("idempotency-key", "b");
    assert_eq!(answer(twice).await.1["code"], "bad_key");
    assert!(server.alerts.asked.lock().expect("no panic").is_empty(), "nothing reached it");
    server.stop().await;
}

#[tokio::test]
async fn filters_reach_the_register_as_they_were_asked() {
    let (server, client) = with_alerts(1).await;
    let query = "open=1&held=0&work=in_progress&acknowledged=1&overdue=1&service=air&area=son_tra\
        &device=air-000&rule=pm25_high&incident=ab-1&assignee=%C4%90%E1%BB%99i+1&min_severity=major\
        &from=5&to=9&limit=7&cursor=77-ab";
    assert_eq!(client.get(&format!("/api/v1/alerts?{query}")).await.0, 200);
    let asked = server.alerts.filters.lock().expect("no panic").pop().expect("one");
    assert!(asked.open_only && asked.overdue);
    assert_eq!((asked.held, asked.acknowledged), (Some(false), Some(true)));
    assert_eq!((asked.work, asked.min_severity), (Some(Work::InProgress), Some(Severity::Major)));
    assert_eq!(asked.assignee.as_deref(), Some("Đội 1"));
    assert_eq!(asked.incident.map(|i| i.0).as_deref(), Some("ab-1"));
    assert_eq!(
        (asked.rule.as_deref(), asked.device.as_deref()),
        (Some("pm25_high"), Some("air-000"))
    );
    assert_eq!((asked.from.map(|t| t.0), asked.to.map(|t| t.0)), (Some(5), Some(9)));
    assert_eq!((asked.limit, asked.before.map(|b| b.1).as_deref()), (7, Some("ab")));
    server.stop().await;
}

#[tokio::test]
async fn hostile_filters_are_refused_before_the_register() {
    let (server, client) = with_alerts(1).await;
    for bad in [
        "held=2",
        "work=done",
        "acknowledged=yes",
        "overdue=-1",
        "rule=a'%20OR%201=1--",
        "incident=..%2f..%2fx",
        "device=%00",
        "area=a%0ab",
        "service=%3Cscript%3E",
        "assignee=a%00b",
        "from=1e9",
        "to=99999999999999999999",
        "limit=1001",
        "cursor=x",
        "cursor=1-a%27b",
        "open=1&open=1",
        "device=%ff",
    ] {
        let (status, body) = client.get(&format!("/api/v1/alerts?{bad}")).await;
        assert_eq!(status, 400, "{bad}: {body}");
        assert!(!body.to_string().contains("script"), "{body}");
    }
    let long = format!("/api/v1/alerts?assignee={}", "x".repeat(201));
    assert_eq!(client.get(&long).await.0, 400);
    assert!(server.alerts.filters.lock().expect("no panic").is_empty());
    server.stop().await;
}

#[tokio::test]
async fn an_unchanged_list_or_alert_is_not_sent_again() {
    let (server, client) = with_alerts(2).await;
    let get = async |path: &str, tag: Option<&str>| {
        let request = client.request("GET", path);
        let request = tag.iter().fold(request, |r, t| r.header("if-none-match", *t));
        let answer = request.send().await.expect("answers");
        let tag = answer.headers()["etag"].to_str().expect("text").to_owned();
        (answer.status().as_u16(), tag, answer.headers()["cache-control"].clone())
    };
    let list = "/api/v1/alerts?open=1";
    let (status, tag, cache) = get(list, None).await;
    assert_eq!((status, cache.to_str().expect("text")), (200, "private, no-cache"));
    server.alerts.filters.lock().expect("no panic").clear();
    assert_eq!(get(list, Some(&tag)).await.0, 304);
    let cheap: Vec<_> = server.alerts.filters.lock().expect("no panic").drain(..).collect();
    assert_eq!((cheap.len(), cheap[0].limit), (1, 1), "one look for the newest change");
    assert_eq!(get("/api/v1/alerts?open=1&limit=5", Some(&tag)).await.0, 200, "another question");
    let one = format!("/api/v1/alerts/{}", id(1));
    let (_, version, _) = get(&one, None).await;
    assert_eq!((version.as_str(), get(&one, Some(&version)).await.0), ("\"1\"", 304));
    client.post(&path(1), &json!({ "action": "start" })).await;
    assert_eq!(get(&one, Some(&version)).await.0, 200);
    let (status, newer, _) = get(list, Some(&tag)).await;
    assert_eq!((status, newer == tag), (200, false));
    // The counts are in the answer and come from the live state.
    server.live.alerts_changed(&[alert(9, "air-000", Severity::Minor)]);
    assert_eq!(get(list, Some(&newer)).await.0, 200);
    server.stop().await;
}

#[tokio::test]
async fn an_alert_says_what_may_be_done_to_it() {
    let (server, client) = with_alerts(1).await;
    let mut row = alert(2, "air-000", Severity::Major);
    (row.condition, row.acknowledged) = (Condition::Returned, true);
    server.alerts.put(row);
    let get = async |n| client.get(&format!("/api/v1/alerts/{}", id(n))).await.1;
    assert_eq!(get(1).await["allowed"], json!(["acknowledge", "resolve"]));
    assert_eq!(get(2).await["allowed"], json!(["resolve"]));
    assert_eq!(get(1).await["audit"][0]["origin"], Value::Null);
    server.stop().await;
}
