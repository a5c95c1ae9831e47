//! Many screens, half of which stop reading.

use ioc_model::{Severity, Work};
use serde_json::{Value, json};

use crate::testing::{NOON, Screen, Server, Told, WAIT, alert, reading};
use crate::{DashboardConfig, Role};

const DEVICES: usize = 6_000;
const SCREENS: usize = 40;
const CLOSED_SLOW: u16 = 1013;

/// Each wants something else; they come in pairs, of which one will stop reading.
fn sub(pair: usize) -> Value {
    let mut sub = json!({ "t": "sub", "topics": ["state", "tiles", "alerts"], "hz": 10 });
    match pair % 5 {
        0 => {}
        1 => sub["areas"] = json!(["hai_chau"]),
        2 => sub["services"] = json!(["air"]),
        3 => sub["topics"] = json!(["state", "alerts"]),
        _ => (sub["areas"], sub["services"]) = (json!(["hai_chau", "son_tra"]), json!(["air"])),
    }
    sub
}

/// All devices say something new, one alert is raised and the one before it changes.
fn step(server: &Server, n: u64) {
    for i in 0..DEVICES {
        let (id, at) = (format!("air-{i:03}"), NOON + n as i64);
        server.live.apply(&reading(&id, at, &[("pm25", (n + i as u64) as f64)]));
    }
    let raised = alert(2 * n, &format!("air-{:03}", n % 100), Severity::Major);
    let mut before = alert(2 * n - 2, &format!("air-{:03}", (n - 1) % 100), Severity::Major);
    (before.ver, before.change) = (2, 2 * n + 1);
    (before.acknowledged, before.work) =
        if n.is_multiple_of(2) { (true, before.work) } else { (false, Work::Closed) };
    for mut row in [raised, before] {
        row.note = Some(n.to_string());
        server.alerts.put(row.clone());
        server.live.alerts_changed(&[row]);
    }
    server.live.close_tick();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn screens_that_stop_reading_are_closed_and_are_whole_when_they_come_back() {
    let change = |c: &mut DashboardConfig| {
        (c.send_timeout_s, c.send_buffer_bytes) = (1, 16 * 1_024);
        c.max_sockets_per_user = 2 * SCREENS;
    };
    let server = Server::with(DEVICES, change).await;
    let session = server.session(Role::Operator).await;
    let mut n = 1;
    step(&server, n);
    let (mut reading, mut stalled) = (Vec::new(), Vec::new());
    for pair in 0..SCREENS / 2 {
        for half in [&mut reading, &mut stalled] {
            half.push(Screen::open(server.address, &session, sub(pair)).await);
        }
    }
    // The good ones read all the time; how it ends for each is told at the end.
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let readers: Vec<_> = reading
        .into_iter()
        .map(|mut screen| {
            let mut stopped = stopped.clone();
            tokio::spawn(async move {
                let mut news = 0;
                loop {
                    tokio::select! {
                        told = screen.next() => match told {
                            Told::Closed(code) => unreachable!("{code}: {}", screen.sub()),
                            Told::Alerts(notes) => news += notes.len(),
                            Told::Frame | Told::Other => {}
                        },
                        _ = stopped.changed() => return (screen, news),
                    }
                }
            })
        })
        .collect();
    let watcher = server.client(Role::Administrator).await;
    let begun = std::time::Instant::now();
    loop {
        n += 1;
        step(&server, n);
        let (_, status) = watcher.get("/api/v1/status").await;
        if status["dashboard"]["sockets"] == SCREENS / 2 {
            assert_eq!(status["dashboard"]["sockets_closed_slow"], SCREENS / 2);
            break;
        }
        assert!(begun.elapsed() < 3 * WAIT, "{status}");
    }
    let mut whole = (0, 0);
    for screen in &mut stalled {
        let code = screen.drain().await;
        assert!([0, CLOSED_SLOW].contains(&code), "closed with {code}");
    }
    // Things go on while they are away.
    n += 1;
    step(&server, n);
    let mut back = Vec::new();
    for mut screen in stalled {
        screen.come_back(server.address, &session).await;
        back.push(screen);
    }
    n += 1;
    step(&server, n);
    stop.send(true).expect("they listen");
    for reader in readers {
        let (screen, news) = reader.await.expect("no panic");
        assert!(news > 0, "no alerts: {}", screen.sub());
        back.push(screen);
    }
    for screen in &mut back {
        screen.settle().await;
        let fresh = Screen::open(server.address, &session, screen.sub().clone()).await;
        assert_eq!(screen.differences(&fresh), 0, "{}", screen.sub());
        let (devices, alerts) = screen.shown();
        whole = (whole.0 + devices, whole.1 + alerts);
    }
    println!("{n} steps; {} devices and {} alerts shown alike", whole.0, whole.1);
    assert_eq!(whole.0, SCREENS * DEVICES);
    assert!(whole.1 >= SCREENS * 2, "{}", whole.1);
    server.stop().await;
}
