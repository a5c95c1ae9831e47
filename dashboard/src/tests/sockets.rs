use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use ioc_model::{AlertRow, Body, Held, HeldBy, Severity, Status, Work};
use serde_json::{Value, json};

use crate::testing::{Got, NOON, Server, Socket, alert, reading, record};
use crate::{FloodState, Live, Role};

const SNAPSHOT: u8 = 0;
const DELTA: u8 = 1;
const HEARTBEAT: u8 = 2;

async fn subscribed(server: &Server, session: &str, sub: Value) -> (Socket, Value) {
    let mut socket = server.socket(session).await;
    let hello = socket.json("hello").await;
    socket.say(&sub).await;
    (socket, hello)
}

fn all() -> Value {
    json!({ "t": "sub", "topics": ["state", "tiles", "alerts"], "hz": 10 })
}

#[tokio::test]
async fn says_hello_then_everything_then_changes() {
    let server = Server::with(3, |_| {}).await;
    let session = server.session(Role::Viewer).await;
    server.live.apply(&reading("air-001", NOON - 2_000, &[("no2", 9.0), ("pm25", 35.5)]));
    let (mut socket, hello) = subscribed(&server, &session, all()).await;
    assert_eq!(hello["proto"], 1);
    assert_eq!((&hello["user"], &hello["role"]), (&json!("viewer"), &json!("viewer")));
    assert_eq!((&hello["rev"], &hello["server_ms"]), (&json!(1), &json!(NOON)));
    let snapshot = socket.frame(SNAPSHOT).await;
    assert_eq!(snapshot.epoch, hello["epoch"].as_u64().expect("a number") as u32);
    assert_eq!(snapshot.base_ms, NOON as u64);
    assert_eq!(snapshot.rows.len(), 3);
    assert!(snapshot.rows[0].1.is_nan(), "never heard");
    assert_eq!((snapshot.rows[0].2, snapshot.rows[0].3), (65_535, 0));
    assert_eq!(snapshot.rows[1], (1, 35.5, 200, 1, 0), "the first property, live, 2 s old");

    server.live.apply(&reading("air-002", NOON, &[("pm25", 7.0)]));
    let delta = loop {
        // The reading before the snapshot may come once more: its number was not closed yet.
        let delta = socket.frame(DELTA).await;
        if delta.rows.iter().any(|r| r.0 == 2) {
            break delta;
        }
    };
    assert!(delta.seq > snapshot.seq || snapshot.seq == 0);
    let row = delta.rows.iter().find(|r| r.0 == 2);
    assert_eq!(row, Some(&(2, 7.0, 0, 1, 0)));
    server.stop().await;
}

#[tokio::test]
async fn tells_the_watermark_each_second() {
    let server = Server::start().await;
    let session = server.session(Role::Viewer).await;
    server.live.set_watermark(ioc_model::Timestamp(NOON - 1_500));
    let (mut socket, _) = subscribed(&server, &session, json!({ "t": "sub", "topics": [] })).await;
    let start = Instant::now();
    let beat = socket.frame(HEARTBEAT).await;
    socket.frame(HEARTBEAT).await;
    assert!(start.elapsed() > Duration::from_millis(800), "{:?}", start.elapsed());
    let pair = [(NOON - 1_500) as u64, NOON as u64];
    assert_eq!(beat.tail, pair.map(u64::to_le_bytes).concat());
    server.stop().await;
}

#[tokio::test]
async fn resumes_where_it_was_and_starts_anew_after_a_restart() {
    let server = Server::with(3, |_| {}).await;
    let session = server.session(Role::Viewer).await;
    let row = alert(1, "air-000", Severity::Major);
    server.alerts.put(row.clone());
    server.live.alerts_changed(&[row]);
    let (mut socket, hello) = subscribed(&server, &session, all()).await;
    let first = socket.json("alerts").await;
    assert_eq!((&first["change"], first["rows"].as_array().map(Vec::len)), (&json!(1), Some(1)));
    // Wait for a closed number, so that the resume below is exact.
    server.live.apply(&reading("air-000", NOON, &[("pm25", 1.0)]));
    let seq = loop {
        let frame = socket.frame(DELTA).await;
        if frame.rows.iter().any(|r| r.1 == 1.0) {
            break frame.seq;
        }
    };
    drop(socket);

    server.live.apply(&reading("air-002", NOON, &[("pm25", 2.0)]));
    server.alerts.put(alert(2, "air-002", Severity::Minor));
    let resume = |epoch: &Value, seq: u32, change: u64| {
        let resume = json!({ "epoch": epoch, "seq": seq, "change": change });
        json!({ "t": "sub", "topics": ["state", "alerts"], "hz": 10, "resume": resume })
    };
    let (mut socket, _) = subscribed(&server, &session, resume(&hello["epoch"], seq, 1)).await;
    let (mut missed, mut idx) = (Value::Null, Vec::new());
    while missed.is_null() || idx.is_empty() {
        match socket.next().await {
            Got::Json(message) if message["t"] == "alerts" => missed = message,
            Got::Frame(frame) if frame.kind == DELTA => idx.extend(frame.rows.iter().map(|r| r.0)),
            Got::Closed(code) => unreachable!("closed with {code}"),
            _ => {}
        }
    }
    assert_eq!(missed["rows"].as_array().map(Vec::len), Some(1));
    assert_eq!(missed["rows"][0]["change"], 2);
    assert_eq!(idx, [2], "only what changed since");

    let other = json!(1 + hello["epoch"].as_u64().expect("a number") % 1_000_000);
    let (mut socket, _) = subscribed(&server, &session, resume(&other, seq, 2)).await;
    assert_eq!(socket.frame(SNAPSHOT).await.rows.len(), 3);
    assert_eq!(socket.json("alerts").await["rows"], json!([]), "up to date");

    let (mut socket, _) = subscribed(&server, &session, resume(&hello["epoch"], seq, 99)).await;
    socket.json("alerts_reset").await;
    server.stop().await;
}

#[tokio::test]
async fn a_subscription_is_answered_by_a_frame_even_if_nothing_changed() {
    let server = Server::start().await;
    let session = server.session(Role::Viewer).await;
    let (mut socket, hello) = subscribed(&server, &session, all()).await;
    let seq = socket.frame(SNAPSHOT).await.seq;
    let resume = json!({ "epoch": hello["epoch"], "seq": seq, "change": 0 });
    socket.say(&json!({ "t": "sub", "topics": ["state"], "hz": 1, "resume": resume })).await;
    let frame = loop {
        // Frames of the first subscription may still be under way.
        let frame = socket.frame(DELTA).await;
        if frame.rows.is_empty() {
            break frame;
        }
    };
    assert_eq!(frame.epoch, hello["epoch"].as_u64().expect("a number") as u32);
    server.stop().await;
}

#[tokio::test]
async fn an_alert_does_not_wait_for_a_tick() {
    let server = Server::start().await;
    let session = server.session(Role::Viewer).await;
    let sub = json!({ "t": "sub", "topics": ["alerts"], "hz": 0.2 });
    let (mut socket, _) = subscribed(&server, &session, sub).await;
    socket.json("alerts").await;
    let mut took = Vec::new();
    for n in 1..=200u64 {
        let row = alert(n, "air-000", Severity::Major);
        server.alerts.put(row.clone());
        let start = Instant::now();
        server.live.alerts_changed(&[row]);
        let got = socket.json("alerts").await;
        took.push(start.elapsed());
        assert_eq!(got["change"], n);
    }
    took.sort();
    println!("alert to frame: p50 {:?}, p99 {:?}", took[100], took[197]);
    assert!(took[100] < Duration::from_millis(50), "{:?}", took[100]);
    server.stop().await;
}

#[tokio::test]
async fn a_socket_that_was_too_slow_for_the_alerts_reads_the_register() {
    let server = Server::start().await;
    let session = server.session(Role::Viewer).await;
    let sub = json!({ "t": "sub", "topics": ["alerts"] });
    let (mut socket, _) = subscribed(&server, &session, sub).await;
    socket.json("alerts").await;
    // All in one go on this thread: the socket's task cannot run in between.
    let rows: Vec<AlertRow> = (1..=3_000).map(|n| alert(n, "air-000", Severity::Minor)).collect();
    for row in &rows {
        server.alerts.put(row.clone());
    }
    for row in &rows {
        server.live.alerts_changed(std::slice::from_ref(row));
    }
    let mut seen = std::collections::BTreeSet::new();
    while seen.len() < rows.len() {
        let got = socket.json("alerts").await;
        let rows = got["rows"].as_array().expect("rows").clone();
        seen.extend(rows.iter().map(|r| r["change"].as_u64().expect("a number")));
    }
    let (_, status) = server.client(Role::Viewer).await.get("/api/v1/status").await;
    assert_eq!(status["dashboard"]["alert_gaps"], 1);
    server.stop().await;
}

/// 2,500 open alerts, one of them held back, and a closed one.
async fn many_alerts() -> Server {
    let server = Server::start().await;
    for n in 1..=2_501 {
        let mut row = alert(n, "air-000", Severity::Minor);
        if n == 7 {
            row.held.push(Held {
                by: HeldBy::Shelf,
                id: String::new(),
                until: None,
                who: "lan".into(),
                reason: "known".into(),
            });
        }
        if n == 9 {
            row.work = Work::Closed;
        }
        server.alerts.put(row);
    }
    server
}

#[tokio::test]
async fn all_open_alerts_come_in_pieces_between_frames_and_heartbeats() {
    let server = many_alerts().await;
    let session = server.session(Role::Viewer).await;
    let (mut socket, _) = subscribed(&server, &session, all()).await;
    let (mut seen, mut pieces) = (std::collections::BTreeSet::new(), 0);
    loop {
        let part = socket.json("alerts").await;
        pieces += 1;
        let rows = part["rows"].as_array().expect("rows");
        assert!(rows.len() <= 200, "{}", rows.len());
        seen.extend(rows.iter().map(|r| r["change"].as_u64().expect("a number")));
        if part["change"] == 2_501 {
            break;
        }
        assert_eq!(part["change"], 0, "half a list is no place to resume from");
    }
    assert_eq!((seen.len(), pieces), (2_500, 13));
    assert!(seen.contains(&7), "held ones too");
    assert!(!seen.contains(&9), "closed ones not");
    server.stop().await;
}

#[tokio::test]
async fn first_lists_of_20_000_alerts_hold_nobody_up() {
    const OPEN: u64 = 20_000;
    let server = Server::start().await;
    let rows = (1..=OPEN).map(|n| alert(n, "air-000", Severity::Minor));
    server.alerts.put_all(rows.collect());
    let session = server.session(Role::Viewer).await;
    let client = server.client(Role::Viewer).await;
    let resume = json!({ "epoch": 1, "seq": 0, "change": OPEN });
    let sub = json!({ "t": "sub", "topics": ["alerts"], "resume": resume });
    let (mut quick, _) = subscribed(&server, &session, sub).await;
    quick.json("alerts").await;
    let mut readers = Vec::new();
    for _ in 0..4 {
        let sub = json!({ "t": "sub", "topics": ["alerts"] });
        readers.push(subscribed(&server, &session, sub).await.0);
    }
    let all = async |mut socket: Socket| {
        let (mut rows, start) = (0, Instant::now());
        loop {
            let part = socket.json("alerts").await;
            rows += part["rows"].as_array().map_or(0, Vec::len) as u64;
            if part["change"] != 0 {
                return (rows, start.elapsed());
            }
        }
    };
    let lists = futures::future::join_all(readers.into_iter().map(all));
    let others = async {
        let (mut worst, mut n) = (Duration::ZERO, OPEN);
        loop {
            n += 1;
            let row = alert(n, "air-000", Severity::Major);
            let start = Instant::now();
            server.live.alerts_changed(&[row]);
            while quick.json("alerts").await["change"] != n {}
            assert_eq!(client.get("/api/v1/session").await.0, 200);
            worst = worst.max(start.elapsed());
            tokio::time::sleep(Duration::from_millis(5)).await;
            if n == OPEN + 100 {
                return worst;
            }
        }
    };
    let (lists, worst) = tokio::join!(lists, others);
    println!("four lists of {OPEN}: {lists:?}; an alert and a request beside them: {worst:?}");
    assert!(lists.iter().all(|(rows, _)| *rows >= OPEN), "{lists:?}");
    assert!(worst < Duration::from_secs(1), "{worst:?}");
    server.stop().await;
}

#[tokio::test]
async fn a_long_gap_is_resumed_in_pieces_with_what_was_closed() {
    let server = many_alerts().await;
    let session = server.session(Role::Viewer).await;
    let resume = json!({ "epoch": 1, "seq": 0, "change": 5 });
    let sub = json!({ "t": "sub", "topics": ["alerts"], "resume": resume });
    let (mut socket, _) = subscribed(&server, &session, sub).await;
    let mut seen = Vec::new();
    loop {
        let part = socket.json("alerts").await;
        let rows = part["rows"].as_array().expect("rows").clone();
        seen.extend(rows.iter().map(|r| r["change"].as_u64().expect("a number")));
        if part["change"] == 2_501 {
            break;
        }
        assert_eq!(part["change"], 5);
    }
    assert_eq!(seen, (6..=2_501).collect::<Vec<u64>>(), "once each, in order, 9 too");

    // So many changes are not sent one by one.
    server.alerts.put(alert(30_000, "air-000", Severity::Minor));
    let resume = json!({ "epoch": 1, "seq": 0, "change": 5 });
    let sub = json!({ "t": "sub", "topics": ["alerts"], "resume": resume });
    let (mut socket, _) = subscribed(&server, &session, sub).await;
    socket.json("alerts_reset").await;
    server.stop().await;
}

#[tokio::test]
async fn a_change_of_ten_thousand_alerts_comes_in_pieces() {
    let server = Server::start().await;
    let session = server.session(Role::Viewer).await;
    let sub = json!({ "t": "sub", "topics": ["alerts"] });
    let (mut socket, _) = subscribed(&server, &session, sub).await;
    socket.json("alerts").await;
    let rows: Vec<AlertRow> = (1..=10_000).map(|n| alert(n, "air-000", Severity::Minor)).collect();
    server.live.alerts_changed(&rows);
    let mut next = 1;
    while next <= 10_000 {
        let part = socket.json("alerts").await;
        let rows = part["rows"].as_array().expect("rows");
        assert!(rows.len() <= 100, "{}", rows.len());
        for row in rows {
            assert_eq!(row["change"], next);
            next += 1;
        }
        assert_eq!(part["change"], next - 1, "a place to resume from");
    }
    server.stop().await;
}

#[tokio::test]
async fn tells_when_a_flood_begins_and_ends_and_its_figures_once_a_second() {
    let server = Server::start().await;
    let session = server.session(Role::Viewer).await;
    let sub = json!({ "t": "sub", "topics": ["alerts"] });
    let (mut first, _) = subscribed(&server, &session, sub.clone()).await;
    first.json("alerts").await;
    let flood = |on, raised| FloodState { on, raised, positions: 2 };
    server.live.set_flood(flood(true, 21));
    let told = first.json("flood").await;
    assert_eq!(told, json!({ "t": "flood", "on": true, "raised": 21, "positions": 2 }));
    let (mut second, _) = subscribed(&server, &session, sub).await;
    assert_eq!(second.json("flood").await["raised"], 21, "who comes later is told too");
    for raised in 22..=500 {
        server.live.set_flood(flood(true, raised));
    }
    assert_eq!(first.json("flood").await["raised"], 500, "one message for all of them");
    server.live.set_flood(flood(false, 3));
    assert_eq!(first.json("flood").await["on"], false);
    // A page that was away asks where it stands.
    let resume = json!({ "epoch": 1, "seq": 0, "change": 0 });
    first.say(&json!({ "t": "sub", "topics": ["alerts"], "resume": resume })).await;
    assert_eq!(first.json("flood").await["on"], false);
    server.stop().await;
}

#[tokio::test]
async fn a_new_device_is_announced_and_then_sent() {
    let server = Server::start().await;
    let session = server.session(Role::Viewer).await;
    let (mut socket, _) = subscribed(&server, &session, all()).await;
    assert_eq!(socket.frame(SNAPSHOT).await.rows.len(), 1);
    server.live.apply(&reading("new-device", NOON, &[("noise_laeq", 61.5)]));
    assert_eq!(socket.json("rev").await["rev"], 2);
    let row = loop {
        let frame = socket.frame(DELTA).await;
        if let Some(row) = frame.rows.iter().find(|r| r.0 == 1) {
            break *row;
        }
    };
    assert_eq!((row.1, row.3), (61.5, 1));
    let (_, list) = server.client(Role::Viewer).await.get("/api/v1/devices").await;
    let device = &list["devices"][1];
    assert_eq!((&list["rev"], &device["id"]), (&json!(2), &json!("new-device")));
    assert_eq!((&device["lat"], &device["configured"]), (&Value::Null, &json!(false)));
    assert_eq!(device["properties"], json!(["noise_laeq"]));
    server.stop().await;
}

#[tokio::test]
async fn shows_staleness_offline_and_severity() {
    let server = Server::with(2, |_| {}).await;
    let session = server.session(Role::Viewer).await;
    server.live.apply(&reading("air-000", NOON, &[("pm25", 1.0)]));
    let (mut socket, _) = subscribed(&server, &session, all()).await;
    socket.frame(SNAPSHOT).await;
    let wait = async |socket: &mut Socket, idx: u32, status: u8| loop {
        let frame = socket.frame(DELTA).await;
        if frame.rows.iter().any(|r| (r.0, r.3) == (idx, status)) {
            return;
        }
    };
    let status = |online| Body::Status(Status { online, battery: None });
    server.live.apply(&record("air-001", NOON, status(false)));
    wait(&mut socket, 1, 3).await;
    server.live.apply(&record("air-001", NOON, status(true)));
    wait(&mut socket, 1, 1).await;
    server.live.alerts_changed(&[alert(1, "air-000", Severity::Critical)]);
    wait(&mut socket, 0, 1 | (4 << 3)).await;
    // 3 × 60 s of silence and a bit.
    server.clock.fetch_add(181_000, Relaxed);
    wait(&mut socket, 0, 2 | (4 << 3)).await;
    server.stop().await;
}

#[tokio::test]
async fn answers_pings_and_refuses_what_it_cannot_read() {
    let server = Server::start().await;
    let session = server.session(Role::Viewer).await;
    let mut socket = server.socket(&session).await;
    socket.say(&json!({ "t": "ping", "id": 42 })).await;
    let pong = socket.json("pong").await;
    assert_eq!((&pong["id"], &pong["server_ms"]), (&json!(42), &json!(NOON)));
    socket.say(&json!({ "t": "of a later version" })).await;
    socket.say(&json!({ "t": "sub", "topics": "all" })).await;
    assert_eq!(socket.closed().await, 1007);

    let mut flood = server.socket(&session).await;
    for id in 0..50 {
        flood.say(&json!({ "t": "ping", "id": id })).await;
    }
    assert_eq!(flood.closed().await, 1008);

    let mut huge = server.socket(&session).await;
    huge.json("hello").await;
    huge.say(&json!({ "t": "ping", "id": 1, "pad": "x".repeat(70_000) })).await;
    assert!([0, 1009].contains(&huge.closed().await));
    server.stop().await;
}

#[tokio::test]
async fn sockets_are_closed_when_the_server_stops() {
    let server = Server::start().await;
    let session = server.session(Role::Viewer).await;
    let (mut socket, _) = subscribed(&server, &session, all()).await;
    socket.frame(SNAPSHOT).await;
    let (code, ()) = tokio::join!(socket.closed(), server.stop());
    assert_eq!(code, 1001);
}

#[tokio::test]
async fn a_second_epoch_is_another_one() {
    let city = crate::testing::city(1);
    let (a, b) = (Live::new(&city, Vec::new()), Live::new(&city, Vec::new()));
    assert_ne!(a.epoch(), b.epoch());
}

#[tokio::test]
async fn a_paused_reader_gets_one_frame_with_the_newest_values() {
    let server = Server::start().await;
    let session = server.session(Role::Viewer).await;
    let sub = json!({ "t": "sub", "topics": ["state"], "hz": 1 });
    let (mut socket, _) = subscribed(&server, &session, sub).await;
    socket.frame(SNAPSHOT).await;
    for i in 0..500 {
        server.live.apply(&reading("air-000", NOON + i, &[("pm25", i as f64)]));
    }
    let mut frames = 0;
    loop {
        match socket.next().await {
            Got::Frame(frame) if frame.kind == DELTA => {
                frames += 1;
                if frame.rows.iter().any(|r| r.1 == 499.0) {
                    break;
                }
            }
            _ => {}
        }
    }
    assert!(frames <= 2, "500 changes came as {frames} frames");
    server.stop().await;
}

#[tokio::test]
async fn a_socket_ends_with_its_session() {
    let server = Server::with(1, |c| c.session_check_s = 1).await;
    let session = server.session(Role::Viewer).await;
    let (mut socket, _) = subscribed(&server, &session, all()).await;
    socket.frame(SNAPSHOT).await;
    server.auth.disable("viewer").expect("disables");
    assert_eq!(socket.closed().await, 1008);
    server.stop().await;
}
