//! Scopes over real sockets.

use std::collections::BTreeSet;
use std::time::Instant;

use ioc_model::{Severity, Timestamp};
use serde_json::{Value, json};

use crate::testing::{Got, NOON, Server, Socket, alert, reading};
use crate::{Auth, FloodState, Grant, Role};

const SNAPSHOT: u8 = 0;
const DELTA: u8 = 1;

fn ward(ward: &str) -> Vec<Grant> {
    vec![Grant { areas: Some(vec![ward.into()]), ..Grant::city(Role::Operator) }]
}

/// Odd devices are in Sơn Trà, the others in Hải Châu.
async fn two_wards(devices: usize) -> Server {
    let server = Server::with(devices, |config| config.session_check_s = 1).await;
    let city = crate::testing::city(devices);
    for (n, spec) in city.devices.values().enumerate().filter(|(n, _)| n % 2 == 1) {
        let mut device = ioc_model::Device::from(spec);
        device.area = "son_tra".into();
        assert_eq!(&*device.id, format!("air-{n:03}"));
        server.live.configure(&device);
    }
    server.live.sweep(Timestamp(NOON));
    server.live.close_tick();
    server
}

fn all() -> Value {
    json!({ "t": "sub", "topics": ["state", "tiles", "alerts"], "hz": 10 })
}

async fn socket_of(server: &Server, user: &'static str, grants: Vec<Grant>) -> Socket {
    let client = server.client_with(user, grants).await;
    server.socket(&client.session.expect("a session")).await
}

#[tokio::test]
async fn over_sockets_clients_get_their_ward_and_nothing_else() {
    let server = two_wards(200).await;
    let mut sockets = Vec::new();
    for (user, area) in [("an", "hai_chau"), ("binh", "son_tra"), ("chi", "hai_chau")] {
        let mut socket = socket_of(&server, user, ward(area)).await;
        let hello = socket.json("hello").await;
        assert_eq!(hello["can"][0], "watch");
        socket.say(&all()).await;
        sockets.push((socket, if area == "hai_chau" { 0 } else { 1 }));
    }
    let (mut rows, mut foreign) = (0, 0);
    for tick in 1..=30u32 {
        for n in 0..200 {
            let value = f64::from(tick);
            server.live.apply(&reading(&format!("air-{n:03}"), NOON, &[("pm25", value)]));
        }
        for (socket, odd) in &mut sockets {
            let mut seen = BTreeSet::new();
            while seen.len() < 100 {
                let Got::Frame(frame) = socket.next().await else { continue };
                rows += frame.rows.len();
                foreign += frame.rows.iter().filter(|r| r.0 % 2 != *odd).count();
                let new = frame.rows.iter().filter(|r| r.1 == tick as f32);
                seen.extend(new.map(|r| r.0));
            }
        }
    }
    println!("{rows} rows over three sockets, {foreign} foreign");
    assert_eq!(foreign, 0);
    assert!(rows >= 9_000, "{rows}");
    server.stop().await;
}

#[tokio::test]
async fn a_client_sees_of_what_it_may_what_it_asks_for() {
    let server = two_wards(6).await;
    let mut part = all();
    (part["areas"], part["services"]) = (json!(["son_tra"]), json!(["air"]));
    let mut city = socket_of(&server, "an", vec![Grant::city(Role::Operator)]).await;
    city.say(&part).await;
    let rev = city.json("rev").await["rev"].clone();
    assert_eq!(city.frame(SNAPSHOT).await.rows.iter().map(|r| r.0).collect::<Vec<_>>(), [1, 3, 5]);
    assert_eq!(city.json("tiles").await["tiles"][1]["devices"], 3);
    let client = server.client(Role::Operator).await;
    let (_, list) = client.get("/api/v1/devices?area=son_tra&service=air").await;
    assert_eq!(list["devices"].as_array().map(Vec::len), Some(3));
    assert_eq!(list["rev"], rev, "the list of what was asked for");
    // Nothing foreign comes later either, and asking for more ends the filter.
    for n in 0..6 {
        server.live.apply(&reading(&format!("air-{n:03}"), NOON, &[("pm25", 9.0)]));
    }
    server.live.close_tick();
    assert_eq!(city.frame(DELTA).await.rows.iter().map(|r| r.0).collect::<Vec<_>>(), [1, 3, 5]);
    city.say(&all()).await;
    assert_eq!(city.frame(SNAPSHOT).await.rows.len(), 6);
    // Asking for what one may not see gives nothing of it.
    let mut ward = socket_of(&server, "binh", ward("hai_chau")).await;
    part["areas"] = json!(["son_tra", "hai_chau"]);
    ward.say(&part).await;
    assert_eq!(ward.frame(SNAPSHOT).await.rows.iter().map(|r| r.0).collect::<Vec<_>>(), [0, 2, 4]);
    part["areas"] = json!(["son_tra"]);
    ward.say(&part).await;
    assert_eq!(ward.frame(SNAPSHOT).await.rows.len(), 0);
    server.stop().await;
}

#[tokio::test]
async fn alerts_of_another_ward_send_no_message_at_all() {
    let server = two_wards(2).await;
    let mut socket = socket_of(&server, "an", ward("hai_chau")).await;
    let mut foreign = alert(1, "air-001", Severity::Critical);
    foreign.area = "son_tra".into();
    server.alerts.put(foreign.clone());
    server.live.alerts_changed(&[foreign.clone()]);
    socket.say(&all()).await;
    assert_eq!(socket.json("alerts").await["rows"], json!([]));
    // Foreign ones, a flood of the city, then an own one: the own one is the first to be heard of.
    for n in 2..50 {
        let mut row = foreign.clone();
        (row.ver, row.change) = (n, n);
        server.live.alerts_changed(&[row]);
    }
    server.live.set_flood(FloodState { on: true, raised: 50, positions: 1 });
    server.live.alerts_changed(&[alert(50, "air-000", Severity::Minor)]);
    let got = loop {
        match socket.next().await {
            Got::Json(message) if message["t"] == "alerts" => break message,
            Got::Json(message) => assert!(message["t"] != "flood", "{message}"),
            Got::Frame(frame) => assert!(frame.rows.iter().all(|r| r.0 == 0), "{frame:?}"),
            Got::Closed(code) => unreachable!("closed with {code}"),
        }
    };
    assert_eq!(got["rows"].as_array().map(Vec::len), Some(1));
    assert_eq!(got["change"], 50);
    server.stop().await;
}

#[tokio::test]
async fn lists_counts_and_devices_answer_for_the_scope() {
    let server = two_wards(4).await;
    let client = server.client_with("an", ward("son_tra")).await;
    let (_, list) = client.get("/api/v1/devices").await;
    let of = |d: &Value| d["idx"].as_u64();
    let idx: Vec<_> = list["devices"].as_array().expect("devices").iter().filter_map(of).collect();
    assert_eq!(idx, [1, 3]);
    assert_eq!(client.get("/api/v1/devices/air-000").await.0, 404);
    assert_eq!(client.get("/api/v1/devices/air-001").await.0, 200);
    server.live.alerts_changed(&[alert(1, "air-000", Severity::Critical)]);
    assert_eq!(client.get("/api/v1/alerts").await.1["counts"]["open"], 0);
    let (_, services) = client.get("/api/v1/services").await;
    assert_eq!(
        (&services["services"][1]["devices"], &services["services"][1]["open_alerts"]),
        (&json!(2), &json!(0))
    );
    server.stop().await;
}

/// The client's next snapshot and what came before it.
async fn moved(socket: &mut Socket) -> (BTreeSet<u32>, Vec<String>) {
    let mut heard = Vec::new();
    loop {
        match socket.next().await {
            Got::Frame(f) if f.kind == SNAPSHOT => {
                return (f.rows.iter().map(|r| r.0).collect(), heard);
            }
            Got::Json(message) => heard.push(message["t"].as_str().expect("t").to_owned()),
            Got::Closed(code) => unreachable!("closed with {code}"),
            Got::Frame(_) => {}
        }
    }
}

#[tokio::test]
async fn a_change_of_rights_reaches_an_open_socket() {
    let server = two_wards(4).await;
    let mut socket = socket_of(&server, "an", ward("hai_chau")).await;
    socket.say(&all()).await;
    assert_eq!(moved(&mut socket).await.0, BTreeSet::from([0, 2]));
    socket.json("alerts").await;
    // By this process: told, not found.
    let auth = std::sync::Arc::clone(&server.auth);
    let begun = Instant::now();
    let work = move || auth.set_grants("an", &ward("son_tra"));
    tokio::task::spawn_blocking(work).await.expect("no panic").expect("sets");
    let (idx, heard) = moved(&mut socket).await;
    println!("a change by this process: {:?}", begun.elapsed());
    assert_eq!(idx, BTreeSet::from([1, 3]));
    for t in ["rights", "rev", "alerts_reset"] {
        assert!(heard.iter().any(|h| h == t), "{t}: {heard:?}");
    }
    // By the command line: found in at most `session_check_s`, by default 4.
    assert!(crate::DashboardConfig::default().session_check_s < 5);
    let file = server.users_file();
    let begun = Instant::now();
    let work = move || Auth::open(&file).and_then(|a| a.set_grants("an", &ward("hai_chau")));
    tokio::task::spawn_blocking(work).await.expect("no panic").expect("sets");
    assert_eq!(moved(&mut socket).await.0, BTreeSet::from([0, 2]));
    println!("a change by another process, looked for each second: {:?}", begun.elapsed());
    // Nothing of the old ward comes any more.
    for n in 0..4 {
        server.live.apply(&reading(&format!("air-{n:03}"), NOON, &[("pm25", 5.0)]));
    }
    let frame = socket.frame(DELTA).await;
    assert!(frame.rows.iter().all(|r| r.0 % 2 == 0), "{frame:?}");
    let auth = std::sync::Arc::clone(&server.auth);
    let work = move || auth.disable("an");
    tokio::task::spawn_blocking(work).await.expect("no panic").expect("disables");
    assert_eq!(socket.closed().await, 1008);
    server.stop().await;
}

#[tokio::test]
async fn what_cannot_be_had_is_refused_by_name_and_the_rest_is_given() {
    let server = two_wards(2).await;
    let mut socket = socket_of(&server, "an", ward("hai_chau")).await;
    socket.say(&json!({ "t": "sub", "topics": ["personal", "flood", "state"] })).await;
    let refused = socket.json("refused").await;
    assert_eq!(refused, json!({ "t": "refused", "topic": "personal", "code": "unknown_topic" }));
    let refused = socket.json("refused").await;
    assert_eq!(refused, json!({ "t": "refused", "topic": "flood", "code": "scope_too_small" }));
    assert_eq!(socket.frame(SNAPSHOT).await.rows.len(), 1);
    server.stop().await;
}

#[tokio::test]
async fn one_user_cannot_take_all_sockets_and_one_look_serves_all_of_theirs() {
    let server = Server::with(1, |config| config.max_sockets_per_user = 3).await;
    let client = server.client_with("an", ward("hai_chau")).await;
    let session = client.session.expect("a session");
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(server.socket(&session).await);
    }
    let origin = server.origin();
    assert_eq!(server.try_socket(Some(&session), Some(&origin)).await.err(), Some(429));
    drop(socket_of(&server, "binh", ward("son_tra")).await);
    // One that is closed makes room; the server may see it a little later.
    drop(held.pop());
    let end = Instant::now() + crate::testing::WAIT;
    while server.try_socket(Some(&session), Some(&origin)).await.is_err() {
        assert!(Instant::now() < end, "the place was not given back");
    }
    let (_, status) = server.client(Role::Administrator).await.get("/api/v1/status").await;
    let checks = status["dashboard"]["session_checks"].as_u64().expect("a number");
    // Two sessions with sockets, looked at when they came and when something changed here.
    assert!((1..=12).contains(&checks), "{checks}");
    server.stop().await;
}
