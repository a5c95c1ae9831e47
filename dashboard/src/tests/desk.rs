//! Incidents, holds, the audit log, KPIs, shifts, notifications and public warnings over REST.

use ioc_model::{Actor, HeldBy, Timestamp};
use serde_json::{Value, json};

use crate::Role;
use crate::testing::{Client, NOON, STYLE, Server, alert, hold, incident};

async fn operator() -> (Server, Client) {
    let server = Server::start().await;
    let client = server.client(Role::Operator).await;
    (server, client)
}

#[tokio::test]
async fn incidents_are_listed_and_opened() {
    let (server, client) = operator().await;
    server.alerts.put(alert(1, "air-000", ioc_model::Severity::Major));
    let query =
        "open=1&area=son_tra&service=air&min_severity=minor&from=1&to=2&limit=5&cursor=c%3D";
    let (_, list) = client.get(&format!("/api/v1/incidents?{query}")).await;
    assert_eq!(list, json!({ "incidents": [incident()], "next": "next-page" }));
    let asked = server.alerts.incident_filters.lock().expect("no panic").pop().expect("one");
    assert!(asked.open_only);
    assert_eq!((asked.area.as_deref(), asked.cursor.as_deref()), (Some("son_tra"), Some("c=")));
    assert_eq!((asked.limit, asked.to), (5, Some(Timestamp(2))));
    for bad in ["open=x", "limit=501", "cursor=a%20b", "area=a%2fb", "min_severity=9"] {
        assert_eq!(client.get(&format!("/api/v1/incidents?{bad}")).await.0, 400, "{bad}");
    }
    let (_, one) = client.get(&format!("/api/v1/incidents/{}?limit=1", incident().id)).await;
    assert_eq!(
        (&one["incident"]["open"], one["alerts"].as_array().map(Vec::len)),
        (&json!(2), Some(1))
    );
    assert_eq!(client.get("/api/v1/incidents/none").await.0, 404);
    server.stop().await;
}

#[tokio::test]
async fn holds_are_opened_with_a_scope_an_end_and_a_reason() {
    let (server, client) = operator().await;
    let body = json!({
        "by": "maintenance", "scope": { "device": "air-000" }, "until": NOON + 5,
        "reason": " new filter ",
    });
    let (status, made) = client.post("/api/v1/holds", &body).await;
    assert_eq!((status, &made["hold"]["reason"]), (201, &json!("new filter")));
    let asked = server.alerts.holds.lock().expect("no panic").pop().expect("one");
    assert_eq!(
        (asked.by, asked.from, asked.until),
        (HeldBy::Maintenance, None, Some(Timestamp(NOON + 5)))
    );
    assert_eq!(asked.actor.origin.as_deref(), Some("127.0.0.1"));
    let change = |field: &str, value: Value| {
        let mut other = body.clone();
        other[field] = value;
        other
    };
    for bad in [
        change("by", json!("shelf")),
        change("by", json!("parent")),
        change("scope", json!({})),
        change("scope", json!({ "device": "a b" })),
        change("scope", json!({ "city": true })),
        change("until", Value::Null),
        change("from", json!(NOON + 5)),
        change("reason", json!("  ")),
        change("else", json!(1)),
    ] {
        assert_eq!(client.post("/api/v1/holds", &bad).await.0, 400, "{bad}");
    }
    let open_end = change("by", json!("out_of_service"));
    assert_eq!(client.post("/api/v1/holds", &open_end).await.0, 201);
    assert_eq!(client.get("/api/v1/holds").await.1, json!({ "holds": [hold()] }));
    let (_, all) = client.get("/api/v1/holds?ended=1").await;
    assert_eq!(all["holds"].as_array().map(Vec::len), Some(2));
    let (status, ended) = client.post("/api/v1/holds/7/end", &json!({ "note": "done" })).await;
    assert_eq!((status, &ended["hold"]["ended"]), (200, &json!([NOON, "operator"])));
    for missing in ["/api/v1/holds/8/end", "/api/v1/holds/x/end"] {
        assert_eq!(client.post(missing, &json!({})).await.0, 404, "{missing}");
    }
    server.stop().await;
}

#[tokio::test]
async fn the_audit_log_is_read_page_by_page() {
    let server = Server::start().await;
    let client = server.client(Role::Administrator).await;
    let (_, page) = client.get("/api/v1/audit?after=1&limit=2").await;
    assert_eq!((&page["lines"][0]["seq"], &page["next"]), (&json!(2), &json!(3)));
    let line = &page["lines"][0];
    assert_eq!(
        (&line["origin"], &line["alert"]),
        (&json!("127.0.0.1"), &json!(format!("{:032x}", 2)))
    );
    assert_eq!(line["detail"]["to"]["kind"], "agency", "JSON, not text");
    let (_, last) = client.get("/api/v1/audit?after=3&limit=9").await;
    assert_eq!((last["lines"].as_array().map(Vec::len), &last["next"]), (Some(2), &Value::Null));
    for bad in ["after=-1", "after=x", "limit=5001"] {
        assert_eq!(client.get(&format!("/api/v1/audit?{bad}")).await.0, 400, "{bad}");
    }
    server.stop().await;
}

#[tokio::test]
async fn kpis_are_of_the_last_day_unless_asked_otherwise() {
    let (server, client) = operator().await;
    let (_, day) = client.get("/api/v1/kpi").await;
    assert_eq!((&day["from"], &day["to"]), (&json!(NOON - 86_400_000), &json!(NOON)));
    // In a replay "now" is where the replay is.
    server.live.set_now(Timestamp(NOON - 7_000));
    assert_eq!(client.get("/api/v1/kpi").await.1["to"], NOON - 7_000);
    let (_, asked) = client.get("/api/v1/kpi?from=1&to=9&positions=3&area=son_tra").await;
    assert_eq!((&asked["from"], &asked["positions"]), (&json!(1), &json!(3)));
    let long = format!("from=0&to={NOON}");
    let far = format!("to={}", i64::MAX);
    for bad in
        ["from=9&to=9", "positions=0", "positions=1001", "area=a%20b", "from=-5", &long, &far]
    {
        assert_eq!(client.get(&format!("/api/v1/kpi?{bad}")).await.0, 400, "{bad}");
    }
    server.stop().await;
}

#[tokio::test]
async fn shifts_begin_and_end_and_their_log_is_kept() {
    let (server, client) = operator().await;
    let (_, duty) = client.get("/api/v1/shifts").await;
    assert_eq!((&duty["on_duty"][0]["user"], &duty["user"]), (&json!("lan"), &json!("operator")));
    let (status, begun) = client.post("/api/v1/shifts", &json!({ "position": " desk-2 " })).await;
    assert_eq!((status, &begun["shift"]["position"]), (201, &json!("desk-2")));
    let asked = server.shifts.actors.lock().expect("no panic").pop().expect("one");
    let origin = Some("127.0.0.1".into());
    assert_eq!(asked, Actor { user: "operator".into(), origin, at: Timestamp(NOON) });
    let (status, ended) = client.post("/api/v1/shifts/3/end", &json!({ "handover": "x" })).await;
    assert_eq!((status, &ended["shift"]["handover"]), (200, &json!("x")));
    let (_, silent) = client.post("/api/v1/shifts/3/end", &json!({ "handover": " " })).await;
    assert_eq!(silent["shift"]["handover"], Value::Null);
    let (status, none) = client.post("/api/v1/shifts/4/end", &json!({})).await;
    assert_eq!((status, &none["code"]), (404, &json!("not_found")));
    for bad in [json!({}), json!({ "position": "" }), json!({ "position": "a\nb" })] {
        assert_eq!(client.post("/api/v1/shifts", &bad).await.0, 400, "{bad}");
    }

    let line = json!({ "text": "call ward", "alert": format!("{:032x}", 1), "open": true });
    let (status, written) = client.post("/api/v1/shifts/log", &line).await;
    assert_eq!((status, &written["entry"]["open"]), (201, &json!(true)));
    for bad in [json!({ "text": " " }), json!({ "text": "x", "alert": "a b" })] {
        assert_eq!(client.post("/api/v1/shifts/log", &bad).await.0, 400, "{bad}");
    }
    let (_, log) = client.get("/api/v1/shifts/log?limit=1").await;
    assert_eq!(log["entries"].as_array().map(Vec::len), Some(1));
    let (_, done) = client.post("/api/v1/shifts/log/2/done", &json!({})).await;
    assert_eq!(done["entry"]["done"], json!([NOON, "operator"]));
    server.stop().await;
}

#[tokio::test]
async fn a_handover_comes_as_json_to_print_and_for_a_spreadsheet() {
    let server = Server::start().await;
    let client = server.client(Role::Viewer).await;
    let (_, json) = client.get("/api/v1/shifts/handover").await;
    assert_eq!((&json["from"], &json["to"]), (&json!(NOON - 43_200_000), &json!(NOON)));
    assert_eq!((&json["raised"], &json["open_total"]), (&json!(4), &json!(1)));

    let get = async |path: &str| {
        let answer = client.request("GET", &format!("/api/v1/shifts/{path}"));
        let answer = answer.send().await.expect("answers");
        let header = |name: &str| {
            answer.headers().get(name).and_then(|v| v.to_str().ok()).unwrap_or("").to_owned()
        };
        let headers =
            ["content-type", "content-security-policy", "content-disposition"].map(header);
        assert_eq!(header("x-frame-options"), "DENY");
        assert_eq!(header("cache-control"), "no-store");
        (answer.status().as_u16(), headers, answer.text().await.expect("text"))
    };
    let (status, [kind, policy, _], html) = get("handover.html").await;
    assert_eq!((status, kind.as_str()), (200, "text/html; charset=utf-8"));
    assert!(html.ends_with("<p>Vi 4"), "{html}");
    assert!(policy.contains(&format!("style-src '{STYLE}'")), "{policy}");
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("script"), "{policy}");
    let (_, [_, policy, _], html) = get("handover.html?lang=en").await;
    assert!(html.contains("En") && !policy.contains("style-src"), "no style, no rule: {policy}");

    let (_, [kind, _, file], csv) = get("handover.csv?lang=en").await;
    assert_eq!(kind, "text/csv; charset=utf-8");
    // NOON is 18:00 UTC, the next day in Đà Nẵng.
    assert_eq!(file, "attachment; filename=\"handover-2025-10-28.csv\"");
    assert_eq!(csv, "\u{feff}En,4\r\n");
    for bad in ["lang=de", "from=2&to=1", "from=0"] {
        for form in ["handover.html", "handover.csv"] {
            assert_eq!(get(&format!("{form}?{bad}")).await.0, 400, "{form} {bad}");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn notifications_are_looked_at_tested_and_tried_again() {
    let server = Server::start().await;
    let client = server.client(Role::Administrator).await;
    let (_, list) = client.get("/api/v1/notifications/receivers").await;
    assert_eq!(list["receivers"][0]["target"], "https://hook.example");
    let test = |id: &str| format!("/api/v1/notifications/receivers/{id}/test");
    let (status, sent) = client.post(&test("duty"), &json!({})).await;
    assert_eq!((status, &sent["delivery"]["id"]), (202, &json!("d-9")));
    assert_eq!(client.post(&test("none"), &json!({})).await.0, 404);
    assert_eq!(client.post(&test("duty"), &json!({ "to": "evil" })).await.0, 400);

    let path = "/api/v1/notifications/deliveries";
    let (_, page) = client.get(&format!("{path}?receiver=duty&state=dead&alert=ab&limit=2")).await;
    assert_eq!((&page["deliveries"][0]["seq"], &page["next"]), (&json!(3), &json!(2)));
    let (_, rest) = client.get(&format!("{path}?before=2&limit=2")).await;
    assert_eq!((&rest["deliveries"][0]["seq"], &rest["next"]), (&json!(1), &Value::Null));
    let asked = server.notify.filters.lock().expect("no panic").remove(0);
    assert_eq!((asked.receiver.as_deref(), asked.before), (Some("duty"), None));
    assert_eq!(asked.state, Some(ioc_model::DeliveryState::Dead));
    for bad in ["state=lost", "before=-1", "receiver=a%20b", "limit=1001"] {
        assert_eq!(client.get(&format!("{path}?{bad}")).await.0, 400, "{bad}");
    }
    assert_eq!(client.post(&format!("{path}/d-1/retry"), &json!({})).await.0, 200);
    assert_eq!(client.post(&format!("{path}/d-2/retry"), &json!({})).await.0, 404);
    // What was done is in the audit log, what was refused is not.
    let noted = server.alerts.noted.lock().expect("no panic").clone();
    assert_eq!(noted.len(), 2, "{noted:?}");
    assert!(noted[0].starts_with("notify_test ") && noted[0].ends_with(" duty"), "{noted:?}");
    assert!(noted[1].starts_with("notify_retry ") && noted[1].ends_with(" d-1"), "{noted:?}");
    server.stop().await;
}

#[tokio::test]
async fn public_warnings_are_open_only_where_that_is_set() {
    for public in [false, true] {
        let server = Server::with(1, |c| c.public_cap = public).await;
        let stranger = server.stranger();
        let viewer = server.client(Role::Viewer).await;
        for path in ["/api/v1/cap/feed.atom", "/api/v1/cap/ioc.danang-1"] {
            let open = stranger.request("GET", path).send().await.expect("answers");
            assert_eq!(open.status().as_u16(), if public { 200 } else { 401 }, "{path}");
            let seen = viewer.request("GET", path).send().await.expect("answers");
            assert_eq!(seen.status(), 200);
            let header = |name: &str| seen.headers()[name].to_str().expect("text").to_owned();
            let kind =
                if path.ends_with("atom") { "application/atom+xml" } else { "application/cap+xml" };
            assert_eq!(header("content-type"), format!("{kind}; charset=utf-8"));
            let cache = if public { "public, max-age=60" } else { "private, no-cache" };
            assert_eq!(header("cache-control"), cache);
            let again = viewer.request("GET", path).header("if-none-match", header("etag"));
            assert_eq!(again.send().await.expect("answers").status(), 304);
        }
        let none = viewer.request("GET", "/api/v1/cap/none").send().await.expect("answers");
        assert_eq!(none.status(), 404);
        let feed = viewer.request("GET", "/api/v1/cap/feed.atom").send().await.expect("answers");
        let feed = feed.text().await.expect("text");
        assert_eq!(feed, format!("<feed>{} 1</feed>", server.origin()));
        assert_eq!(stranger.get("/api/v1/alerts").await.0, 401, "and nothing else is open");
        server.stop().await;
    }
    let named = |c: &mut crate::DashboardConfig| {
        (c.public_cap, c.allowed_origins) = (true, vec!["https://ioc.example.vn".into()]);
    };
    let server = Server::with(1, named).await;
    let feed = server.stranger().request("GET", "/api/v1/cap/feed.atom");
    let feed = feed.send().await.expect("answers").text().await.expect("text");
    assert_eq!(feed, "<feed>https://ioc.example.vn 1</feed>");
    server.stop().await;
}
