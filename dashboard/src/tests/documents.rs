use std::io::Read;

use serde_json::{Value, json};

use crate::Role;
use crate::testing::{NOON, Server, alert, reading};
use ioc_model::Severity;

#[tokio::test]
async fn serves_the_city_as_the_protocol_says() {
    let server = Server::with(2, |_| {}).await;
    let client = server.client(Role::Viewer).await;
    let (_, city) = client.get("/api/v1/city").await;
    let ids = |list: &Value| -> Vec<String> {
        let rows = list.as_array().expect("a list");
        rows.iter().map(|r| r["id"].as_str().expect("an id").to_owned()).collect()
    };
    assert_eq!(city["name"]["en"], "Đà Nẵng");
    assert_eq!(city["view"], json!([108.2, 16.06, 11.0]));
    assert_eq!(ids(&city["services"]), ["fire", "air"], "in catalogue order");
    assert_eq!(ids(&city["areas"]), ["hai_chau", "son_tra"]);
    assert_eq!(city["properties"][0]["normal"], Value::Null);

    let (_, map) = client.get("/api/v1/map").await;
    let features = map["features"].as_array().expect("features");
    assert_eq!(features.len(), 1, "areas that the city does not know are left out");
    let expected = json!({ "id": "hai_chau", "name_vi": "hai_chau (vi)", "name_en": "hai_chau" });
    assert_eq!(features[0]["properties"], expected);
    let zone = &map["zones"]["features"][0];
    let expected = json!({ "id": "port", "name_vi": "Cảng", "name_en": "Port", "kind": "port" });
    assert_eq!(zone["properties"], expected);
    let ring = json!([[108.2, 16.1], [108.3, 16.1], [108.2, 16.2], [108.2, 16.1]]);
    assert_eq!(zone["geometry"], json!({ "type": "MultiPolygon", "coordinates": [[ring]] }));
    assert_eq!(city["tiles"], Value::Null, "none unless they are configured");

    let (_, devices) = client.get("/api/v1/devices").await;
    assert_eq!(devices["rev"], 1);
    assert_eq!(devices["devices"][1]["idx"], 1);
    assert_eq!(devices["devices"][1]["id"], "air-001");
    assert_eq!(devices["devices"][1]["configured"], true);
    let (_, rules) = client.get("/api/v1/rules").await;
    assert_eq!(rules["rules"][0]["line"], 3);
    server.stop().await;
}

#[tokio::test]
async fn tells_the_page_of_configured_tiles_and_lets_in_only_their_host() {
    let server = Server::with(1, |config| {
        config.map.raster = Some("https://tiles.example.vn/{z}/{x}/{y}.png".into());
        config.map.attribution = "© tiles".into();
    })
    .await;
    let client = server.client(Role::Viewer).await;
    let (_, city) = client.get("/api/v1/city").await;
    let expected = json!({
        "raster": "https://tiles.example.vn/{z}/{x}/{y}.png", "attribution": "© tiles",
        "max_zoom": 18,
    });
    assert_eq!(city["tiles"], expected);
    let page = client.request("GET", "/").send().await.expect("answers");
    let csp = page.headers()["content-security-policy"].to_str().expect("text");
    assert!(csp.contains("; img-src 'self' data: https://tiles.example.vn;"), "{csp}");
    assert_eq!(csp.matches("tiles.example.vn").count(), 1, "for images only: {csp}");
    server.stop().await;
}

#[tokio::test]
async fn a_device_shows_what_it_said_and_what_was_refused() {
    let server = Server::start().await;
    let client = server.client(Role::Operator).await;
    server.live.apply(&reading("air-000", NOON - 5_000, &[("pm25", 35.5), ("no2", 4.0)]));
    let (_, device) = client.get("/api/v1/devices/air-000").await;
    assert_eq!(device["last_message"], NOON - 4_900);
    let expected = json!({
        "property": "pm25", "time": NOON - 5_000, "received": NOON - 4_900, "value": 35.5,
        "quality": "good",
    });
    assert_eq!(device["latest"][0], expected);
    assert_eq!(device["quarantined"].as_array().map(Vec::len), Some(2));
    assert_eq!(device["quarantined"][0]["reason"], "malformed");
    let viewer = server.client(Role::Viewer).await;
    let (_, device) = viewer.get("/api/v1/devices/air-000").await;
    assert_eq!(device["quarantined"], json!([]), "only for who may see technical data");
    assert_eq!(client.get("/api/v1/devices/none").await.0, 404);
    server.stop().await;
}

#[tokio::test]
async fn documents_are_compressed_and_not_sent_twice() {
    let server = Server::with(50, |_| {}).await;
    let client = server.client(Role::Viewer).await;
    for path in ["/api/v1/city", "/api/v1/map", "/api/v1/devices", "/api/v1/openapi.json"] {
        let full = client.request("GET", path).header("accept-encoding", "gzip");
        let full = full.send().await.expect("answers");
        let tag = full.headers()["etag"].clone();
        if path != "/api/v1/map" && path != "/api/v1/city" {
            assert_eq!(full.headers()["content-encoding"], "gzip", "{path}");
            let body = full.bytes().await.expect("a body");
            let mut plain = String::new();
            flate2::read::GzDecoder::new(&body[..]).read_to_string(&mut plain).expect("gzip");
            assert!(serde_json::from_str::<Value>(&plain).is_ok(), "{path}");
        }
        let again = client.request("GET", path).header("if-none-match", &tag);
        let again = again.send().await.expect("answers");
        assert_eq!(again.status(), 304, "{path}");
        assert_eq!(again.headers()["etag"], tag);
    }
    // A device nobody configured changes the list, and so its tag.
    let tag = |answer: reqwest::Response| answer.headers()["etag"].clone();
    let get = || client.request("GET", "/api/v1/devices").send();
    let before = tag(get().await.expect("answers"));
    server.live.apply(&reading("new-device", NOON, &[("pm25", 1.0)]));
    let mut changed = false;
    for _ in 0..100 {
        changed = changed || tag(get().await.expect("answers")) != before;
        tokio::time::sleep(std::time::Duration::from_millis(30)).await;
    }
    assert!(changed);
    server.stop().await;
}

#[tokio::test]
async fn history_is_asked_and_answered_in_the_units_of_the_city() {
    let server = Server::start().await;
    let client = server.client(Role::Viewer).await;
    let path = "/api/v1/history?device=air-000&property=pm25&from=1000&to=9000";
    let (_, raw) = client.get(path).await;
    let expected = json!({
        "device": "air-000", "property": "pm25", "unit": "µg/m³", "step": null, "agg": null,
        "offset": null, "tier": "raw", "raw_from": null, "truncated": false, "points": [[1000, 0.0, 0], [61000, 1.0, 1], [121000, 2.0, 2]],
    });
    assert_eq!(raw, expected);
    let (_, stepped) = client.get(&format!("{path}&step=60000&agg=max")).await;
    assert_eq!((&stepped["step"], &stepped["agg"]), (&json!(60000), &json!("max")));
    for bad in ["&step=0", "&agg=median&step=1", "&limit=999999"] {
        assert_eq!(client.get(&format!("{path}{bad}")).await.0, 400, "{bad}");
    }
    let (status, body) = client.get("/api/v1/history?device=down&property=pm25").await;
    assert_eq!((status, &body["code"]), (503, &json!("history_unavailable")));
    assert!(!body.to_string().contains("10.9.8.7"), "inner detail is not told: {body}");
    let (_, series) = client.get("/api/v1/history/series?device=air-000").await;
    assert_eq!(series["series"][0]["property"], "pm25");
    server.stop().await;
}

#[tokio::test]
async fn the_watchers_pages_answer_without_a_session() {
    let server = Server::start().await;
    let client = server.stranger();
    let text = async |path: &str| {
        let answer = client.request("GET", path).send().await.expect("answers");
        (answer.status().as_u16(), answer.text().await.expect("text"))
    };
    assert_eq!(text("/healthz").await, (200, "ok\n".into()));
    assert_eq!(text("/readyz").await, (503, "journal is full\n".into()));
    let (status, metrics) = text("/metrics").await;
    assert_eq!(status, 200);
    assert!(metrics.starts_with("ioc_up 1\n"), "{metrics}");
    assert!(metrics.contains("\nioc_dashboard_requests_total "), "{metrics}");
    server.stop().await;
}

#[tokio::test]
async fn status_ledger_and_quarantine_are_there() {
    let server = Server::start().await;
    let client = server.client(Role::Operator).await;
    let (_, status) = client.get("/api/v1/status").await;
    assert_eq!(
        (&status["version"], &status["history"]["backend"]),
        (&json!("0"), &json!("embedded"))
    );
    assert_eq!(status["dashboard"]["live_records"], 0);
    assert_eq!(client.get("/api/v1/ledger").await.1["difference"], 0);
    let (_, quarantine) = client.get("/api/v1/quarantine?device=air-000&limit=1").await;
    assert_eq!(quarantine["messages"].as_array().map(Vec::len), Some(1));
    assert_eq!(quarantine["messages"][0]["device"], "air-000");
    server.stop().await;
}

#[tokio::test]
async fn tiles_say_what_feeds_them() {
    let server = Server::with(3, |_| {}).await;
    let client = server.client(Role::Viewer).await;
    server.live.apply(&reading("air-000", NOON, &[("pm25", 10.0)]));
    server.live.apply(&reading("air-001", NOON, &[("pm25", 30.0)]));
    server.live.alerts_changed(&[alert(1, "air-000", Severity::Critical)]);
    let mut tiles = Value::Null;
    for _ in 0..200 {
        tiles = client.get("/api/v1/services").await.1;
        if tiles["services"][1]["fresh"] == 2 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let expected = json!({ "services": [
        { "id": "fire", "feeds": false, "devices": 0, "fresh": 0, "newest": null,
          "indicators": [], "open_alerts": 0, "worst": null },
        { "id": "air", "feeds": true, "devices": 3, "fresh": 2, "newest": NOON + 100,
          "indicators": [{ "property": "pm25", "value": 20.0, "min": 10.0, "max": 30.0, "n": 2 }],
          "open_alerts": 1, "worst": "critical" },
    ]});
    assert_eq!(tiles, expected);
    server.stop().await;
}

#[tokio::test]
async fn the_page_is_served_for_its_own_paths_only() {
    let server = Server::start().await;
    let client = server.stranger();
    let html = async |path: &str, accept: &str| {
        let request = client.request("GET", path).header("accept", accept);
        let answer = request.send().await.expect("answers");
        let kind = answer.headers().get("content-type").and_then(|v| v.to_str().ok());
        (answer.status().as_u16(), kind.unwrap_or("").to_owned())
    };
    let page = (200, "text/html; charset=utf-8".to_owned());
    assert_eq!(html("/", "*/*").await, page);
    assert_eq!(html("/alerts/some", "text/html,*/*").await, page);
    assert_eq!(html("/alerts/some", "*/*").await.0, 404);
    assert_eq!(html("/api/v1/none", "text/html").await.0, 404);
    assert_eq!(html("/assets/gone-12345678.js", "text/html").await.0, 404);
    let hashed = ioc_ui::paths().find(|p| p.starts_with("assets/")).map(|p| p.to_string());
    if let Some(path) = hashed {
        let answer = client.request("GET", &format!("/{path}")).send().await.expect("answers");
        let cache = answer.headers()["cache-control"].to_str().expect("text");
        assert!(cache.contains("immutable"), "{cache}");
    }
    server.stop().await;
}
