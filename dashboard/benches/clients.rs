//! Claims: one server feeds 500 screens with different filters (10,000 devices, 5,000 updates/s,
//! 20 changes of alerts a second) and takes at most 64 KiB for each. When half of them stop
//! reading, the others get their alerts as before; the stalled ones are closed, and when they come
//! back they show what a new screen shows.
//!
//! The server is a process of its own (this program, started again), so that its CPU and memory
//! are not those of the screens. It ends by itself after some three minutes.

// What the server is tested with; a benchmark needs little of it.
#[expect(dead_code, unused_imports, reason = "the tests use all of it")]
#[path = "../src/testing/mod.rs"]
mod testing;

use std::io::{BufRead, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ioc_dashboard::{
    Auth, Clock, Dashboard, DashboardConfig, DashboardError, Forms, Lang, Live, MqttDoor, MqttSeat,
    NoteAct, Parts, Printout, Role,
};
use ioc_model::{AlertId, AlertRow, City, Severity, Work};
use serde_json::{Value, json};
use testing::{NOON, PASSWORD, Screen, Server, Told, alert, city, reading};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

const DEVICES: usize = 10_000;
const AREAS: usize = 40;
const SERVICES: usize = 10;
const CLIENTS: usize = 500;
const USERS: usize = 50;
const OPEN_ALERTS: u64 = 1_000;

/// 5,000 updates a second in 50 lots.
const LOT: usize = 100;
const LOT_EVERY: Duration = Duration::from_millis(20);
/// 20 changes of alerts a second.
const ALERT_EVERY: Duration = Duration::from_millis(50);

/// Length of one measurement.
const WINDOW: Duration = Duration::from_secs(20);
/// What a rebuilt state may take to become quiet.
const SETTLE: Duration = Duration::from_secs(5);
/// Until when the last stalled screen must be closed.
const CLOSED_WITHIN: Duration = Duration::from_secs(180);

fn place(device: usize) -> (usize, usize) {
    (device % AREAS, device / AREAS % SERVICES)
}

fn area(n: usize) -> String {
    format!("ward-{:02}", n % AREAS)
}

fn service(n: usize) -> String {
    format!("service-{}", n % SERVICES)
}

fn device(n: usize) -> String {
    format!("air-{n:03}")
}

fn big_city() -> City {
    let mut city = city(DEVICES);
    let (ward, part) = (city.areas["hai_chau"].clone(), city.services["air"].clone());
    for n in 0..AREAS {
        let id = area(n);
        let own = ioc_model::Area { id: id.as_str().into(), ..ward.clone() };
        city.areas.insert(id.into(), own);
    }
    for n in 0..SERVICES {
        let id = service(n);
        let own = ioc_model::Service { id: id.as_str().into(), ..part.clone() };
        city.services.insert(id.into(), own);
    }
    for n in 0..DEVICES {
        let (a, s) = place(n);
        let spec = city.devices.get_mut(device(n).as_str()).expect("is there");
        (spec.area, spec.service) = (area(a).into(), service(s).into());
    }
    city
}

/// What screen `n` asks for: no two of one half ask the same.
fn sub(n: usize) -> Value {
    let (kind, step) = (n % 10, n / 10);
    let wards = |at: &[usize]| at.iter().map(|a| area(a + step)).collect::<Vec<_>>();
    let all = ["state", "tiles", "alerts"];
    let mut sub = json!({ "t": "sub", "topics": all, "hz": 5 });
    match kind {
        0 => {}
        1 => sub["hz"] = json!(1),
        2 => sub["hz"] = json!(2),
        3 => sub["areas"] = json!(wards(&[0, 7, 13, 22])),
        4 => sub["areas"] = json!(wards(&[1, 2, 3, 4, 5])),
        5 => sub["areas"] = json!(wards(&[0, 9])),
        6 | 7 => sub["services"] = json!([service(step), service(step + kind - 4)]),
        8 => {
            sub["areas"] = json!(wards(&[0, 3, 6, 9, 12, 15, 18, 21, 24, 27]));
            sub["services"] = json!([service(step), service(step + 1), service(step + 4)]);
            sub["hz"] = json!(10);
        }
        _ => sub["topics"] = json!(["tiles", "alerts"]),
    }
    sub
}

fn nanos() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_nanos() as u64
}

/// An alert about some device, in this state; its note says when it changed.
fn row(n: u64, ver: u64, change: u64) -> AlertRow {
    let about = (n as usize).wrapping_mul(7_919) % DEVICES;
    let (a, s) = place(about);
    let severity = Severity::from_u8(1 + (n % 5) as u8).unwrap_or(Severity::Minor);
    let mut row = alert(n, &device(about), severity);
    row.id = AlertId(format!("{n:032x}"));
    (row.area, row.service) = (area(a).into(), service(s).into());
    (row.ver, row.change) = (ver, change);
    row.acknowledged = ver == 2;
    if ver == 3 {
        row.work = Work::Closed;
    }
    row.note = Some(nanos().to_string());
    row
}

/// The server: says where it is and who may come, then does what it is told line by line.
async fn serve() {
    let sizes = |c: &mut DashboardConfig| c.max_sockets = 2 * CLIENTS;
    let server = Server::of(big_city(), sizes).await;
    let first: Vec<AlertRow> = (1..=OPEN_ALERTS).map(|n| row(n, 1, n)).collect();
    server.alerts.put_all(first.clone());
    server.live.set_open_alerts(&first);
    let sessions = sessions(&server).await;
    println!("{}", json!({ "address": server.address.to_string(), "sessions": sessions }));

    let on = Arc::new(AtomicBool::new(true));
    let server = Arc::new(server);
    let feed = tokio::spawn(feed(Arc::clone(&server), Arc::clone(&on)));
    let alerts = tokio::spawn(alerts(Arc::clone(&server), Arc::clone(&on)));
    let told = tokio::task::spawn_blocking(|| std::io::stdin().lock().lines().next());
    // The first line, or the end: rest. The second: end.
    let _ = told.await;
    on.store(false, Relaxed);
    feed.await.expect("no panic");
    alerts.await.expect("no panic");
    // A few ticks, so that the last change may be sent.
    sleep(Duration::from_secs(1)).await;
    println!("{}", json!("resting"));
    let _ = tokio::task::spawn_blocking(|| std::io::stdin().lock().lines().next()).await;
}

/// A session for each screen. Every few come from an address of their own: addresses are slowed.
async fn sessions(server: &Server) -> Vec<String> {
    let user = |n: usize| format!("operator-{:02}", n % USERS);
    let auth = Arc::clone(&server.auth);
    let add =
        move || (0..USERS).try_for_each(|n| auth.add_user(&user(n), PASSWORD, Role::Operator));
    tokio::task::spawn_blocking(add).await.expect("no panic").expect("adds");
    let mut sessions = Vec::new();
    for n in 0..CLIENTS {
        let link = server.auth.signin_link(&user(n)).expect("a link");
        let from = std::net::Ipv4Addr::new(127, 0, 1, (n / 5) as u8);
        let http = reqwest::Client::builder().local_address(Some(from.into()));
        let http = http.redirect(reqwest::redirect::Policy::none()).build().expect("builds");
        let path = format!("http://{}/signin?token={link}", server.address);
        let answer = http.get(path).send().await.expect("an answer");
        let cookie = answer.headers().get("set-cookie").and_then(|c| c.to_str().ok());
        let value = cookie.and_then(|c| c.strip_prefix("ioc_session=")?.split(';').next());
        sessions.push(value.expect("a session").to_owned());
    }
    sessions
}

async fn feed(server: Arc<Server>, on: Arc<AtomicBool>) {
    let ids: Vec<String> = (0..DEVICES).map(device).collect();
    let (begun, mut n) = (Instant::now(), 0usize);
    let mut lots = interval(LOT_EVERY);
    lots.set_missed_tick_behavior(MissedTickBehavior::Burst);
    while on.load(Relaxed) {
        lots.tick().await;
        let now = NOON + begun.elapsed().as_millis() as i64;
        server.clock.store(now, Relaxed);
        let entry =
            |i: usize| reading(&ids[i * 7_919 % DEVICES], now, &[("pm25", (i % 997) as f64)]);
        let entries: Vec<_> = (n..n + LOT).map(entry).collect();
        server.live.apply_batch(n as u64, &entries);
        n += LOT;
    }
}

/// Raises one, acknowledges the one before, closes one: as many are open as at first.
async fn alerts(server: Arc<Server>, on: Arc<AtomicBool>) {
    let mut change = OPEN_ALERTS;
    let mut steps = interval(ALERT_EVERY);
    steps.set_missed_tick_behavior(MissedTickBehavior::Burst);
    while on.load(Relaxed) {
        steps.tick().await;
        change += 1;
        let turn = (change - OPEN_ALERTS) / 3;
        let row = match change % 3 {
            0 => row(OPEN_ALERTS + turn + 1, 1, change),
            1 => row(OPEN_ALERTS + turn, 2, change),
            _ => row(1 + turn, 3, change),
        };
        server.alerts.put(row.clone());
        server.live.alerts_changed(&[row]);
    }
}

/// CPU seconds and resident bytes of a process.
#[derive(Clone, Copy)]
struct Usage {
    cpu_s: f64,
    bytes: u64,
}

fn usage(pid: u32) -> Usage {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
    // Behind the name, which may hold anything: field 3 is the first.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let ticks: u64 = [11, 12].iter().filter_map(|i| fields[*i].parse::<u64>().ok()).sum();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let kib = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
    let kib: u64 = kib.and_then(|l| l.trim().split(' ').next()?.parse().ok()).expect("a number");
    Usage { cpu_s: ticks as f64 / 100.0, bytes: kib * 1_024 }
}

/// What screens are told to do.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    Read,
    Stall,
    Return,
    Settle,
}

/// Latencies in µs of the screens that read.
type Heard = Arc<Mutex<Vec<u64>>>;

struct Outcome {
    screen: Screen,
    /// How the connection ended, of those that stalled.
    ended: Option<u16>,
}

async fn run(
    mut screen: Screen,
    (address, session): (SocketAddr, String),
    stalls: bool,
    mut phase: watch::Receiver<Phase>,
    (heard, back): (Heard, Arc<AtomicU64>),
) -> Outcome {
    let mut ended = None;
    loop {
        let now = *phase.borrow_and_update();
        match now {
            Phase::Stall if stalls => {
                phase.changed().await.expect("told");
                continue;
            }
            Phase::Return if stalls && ended.is_none() => {
                ended = Some(screen.drain().await);
                screen.come_back(address, &session).await;
                back.fetch_add(1, Relaxed);
                continue;
            }
            Phase::Settle => {
                screen.settle().await;
                return Outcome { screen, ended };
            }
            Phase::Read | Phase::Stall | Phase::Return => {}
        }
        tokio::select! {
            _ = phase.changed() => {}
            told = screen.next() => match told {
                Told::Alerts(notes) => {
                    let now = nanos();
                    let sent = notes.iter().filter_map(|note| note.parse::<u64>().ok());
                    let took = sent.map(|then| now.saturating_sub(then) / 1_000);
                    heard.lock().expect("no panic").extend(took);
                }
                Told::Closed(code) => unreachable!("closed with {code}: {}", screen.sub()),
                Told::Frame | Told::Other => {}
            },
        }
    }
}

struct Bench {
    child: Child,
    input: ChildStdin,
    lines: std::sync::mpsc::Receiver<String>,
    heard: Heard,
    /// The server without screens, as a share of a core.
    idle: f64,
}

/// One row of the table.
struct Measured {
    cpu: f64,
    alerts: usize,
    p50: u64,
    p99: u64,
}

impl Bench {
    fn start() -> (Self, Value) {
        let program = std::env::current_exe().expect("has a path");
        let mut child = Command::new(program)
            .arg("--server")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("starts");
        let input = child.stdin.take().expect("a pipe");
        let output = std::io::BufReader::new(child.stdout.take().expect("a pipe"));
        let (sender, lines) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            output.lines().map_while(Result::ok).try_for_each(|l| sender.send(l))
        });
        let mut bench = Self { child, input, lines, heard: Heard::default(), idle: 0.0 };
        let hello = bench.line();
        (bench, hello)
    }

    fn line(&mut self) -> Value {
        let line = self.lines.recv_timeout(Duration::from_secs(120)).expect("the server answers");
        serde_json::from_str(&line).expect("JSON")
    }

    fn say(&mut self, line: &str) {
        writeln!(self.input, "{line}").expect("the server reads");
    }

    fn usage(&self) -> Usage {
        usage(self.child.id())
    }

    /// Measures until something has happened.
    async fn measure<T>(&mut self, until: impl Future<Output = T>) -> (Measured, T) {
        self.heard.lock().expect("no panic").clear();
        let (begun, before) = (Instant::now(), self.usage());
        let done = until.await;
        let cpu = (self.usage().cpu_s - before.cpu_s) / begun.elapsed().as_secs_f64();
        let mut heard = std::mem::take(&mut *self.heard.lock().expect("no panic"));
        heard.sort_unstable();
        let at = |p: usize| heard.get(heard.len() * p / 100).copied().unwrap_or(0);
        (Measured { cpu, alerts: heard.len(), p50: at(50), p99: at(99) }, done)
    }

    fn print(&self, what: &str, readers: usize, m: &Measured) {
        let each = (m.cpu - self.idle) * 1e6 / readers.max(1) as f64;
        println!(
            "{what:<36} {readers:>4} {:>6.1} % {each:>7.0} µs {:>8} {:>7.1} ms {:>7.1} ms",
            m.cpu * 100.0,
            m.alerts,
            m.p50 as f64 / 1e3,
            m.p99 as f64 / 1e3
        );
    }
}

async fn status(http: &reqwest::Client, address: SocketAddr, session: &str) -> Value {
    let request = http.get(format!("http://{address}/api/v1/status"));
    let answer = request.header("cookie", format!("ioc_session={session}")).send().await;
    let body = answer.expect("an answer").bytes().await.expect("a body");
    serde_json::from_slice::<Value>(&body).expect("JSON")["dashboard"].take()
}

async fn watch_clients() {
    let (mut bench, hello) = Bench::start();
    let address: SocketAddr = hello["address"].as_str().and_then(|a| a.parse().ok()).expect("one");
    let sessions: Vec<String> = serde_json::from_value(hello["sessions"].clone()).expect("texts");
    let http = reqwest::Client::new();

    println!("{DEVICES} devices, 5,000 updates/s, {OPEN_ALERTS} open alerts, 20 changes/s");
    println!(
        "{:<36} {:>4} {:>8} {:>10} {:>8} {:>10} {:>10}",
        "", "read", "server", "each", "alerts", "p50", "p99"
    );
    sleep(SETTLE).await;
    let (alone, ()) = bench.measure(sleep(WINDOW / 2)).await;
    bench.idle = alone.cpu;
    bench.print("no screen", 0, &alone);
    let without = bench.usage().bytes;

    let (tell, phase) = watch::channel(Phase::Read);
    let back = Arc::new(AtomicU64::new(0));
    let mut screens = Vec::new();
    for (n, session) in sessions.iter().cloned().enumerate() {
        let screen = Screen::open(address, &session, sub(n)).await;
        // Each second lot of ten kinds, so that both halves ask for the same kinds.
        let stalls = n / 10 % 2 == 1;
        let to = (Arc::clone(&bench.heard), Arc::clone(&back));
        screens.push(tokio::spawn(run(screen, (address, session), stalls, phase.clone(), to)));
    }
    sleep(SETTLE).await;
    let figures = status(&http, address, &sessions[0]).await;
    let (all, ()) = bench.measure(sleep(WINDOW)).await;
    let later = status(&http, address, &sessions[0]).await;
    bench.print("all read", CLIENTS, &all);
    let memory = bench.usage().bytes.saturating_sub(without) / CLIENTS as u64;
    let per_s = |name: &str| {
        let (a, b) = (figures[name].as_u64(), later[name].as_u64());
        (b.unwrap_or(0) - a.unwrap_or(0)) as f64 / WINDOW.as_secs_f64()
    };
    let (frames, bytes) = (per_s("frames_sent"), per_s("frame_bytes_sent") / 1e6);

    tell.send(Phase::Stall).expect("they listen");
    let (_, _) = bench.measure(sleep(Duration::from_secs(1))).await;
    let begun = Instant::now();
    let closed = async {
        let mut first = None;
        loop {
            let open = status(&http, address, &sessions[0]).await["sockets"].as_u64();
            let open = open.expect("a number") as usize;
            if open < CLIENTS && first.is_none() {
                first = Some(begun.elapsed());
            }
            if open == CLIENTS / 2 {
                return (first, begun.elapsed());
            }
            sleep(Duration::from_millis(250)).await;
        }
    };
    let (stalled, closed) = bench.measure(timeout(CLOSED_WITHIN, closed)).await;
    bench.print("half have stopped reading", CLIENTS / 2, &stalled);
    let (first, last) = closed.expect("stalled screens are closed");
    let (half, ()) = bench.measure(sleep(WINDOW)).await;
    bench.print("they are closed", CLIENTS / 2, &half);

    tell.send(Phase::Return).expect("they listen");
    let returned = async {
        while back.load(Relaxed) < CLIENTS as u64 / 2 {
            sleep(Duration::from_millis(20)).await;
        }
    };
    let (returning, came) = bench.measure(timeout(CLOSED_WITHIN, returned)).await;
    came.expect("all came back");
    bench.print("they come back", CLIENTS, &returning);
    bench.say("rest");
    assert_eq!(bench.line(), "resting");
    tell.send(Phase::Settle).expect("they listen");
    let (mut differences, mut shown, mut by_code) = (0, (0, 0), (0, 0));
    let mut open = Vec::new();
    for (n, screen) in screens.into_iter().enumerate() {
        let Outcome { screen, ended } = screen.await.expect("no panic");
        match ended {
            Some(0) => by_code.1 += 1,
            Some(code) => {
                assert_eq!(code, 1013);
                by_code.0 += 1;
            }
            None => {}
        }
        let fresh = Screen::open(address, &sessions[n], sub(n)).await;
        differences += screen.differences(&fresh);
        let (devices, alerts) = screen.shown();
        shown = (shown.0 + devices, shown.1 + alerts);
        open.push(screen);
    }
    println!();
    println!("memory of one screen        {:.1} KiB (goal: 64)", memory as f64 / 1_024.0);
    println!("sent while all read         {frames:.0} messages/s, {bytes:.1} MB/s");
    println!(
        "stalled ones closed after   {:.1} s to {:.1} s",
        first.unwrap_or(last).as_secs_f64(),
        last.as_secs_f64()
    );
    println!(
        "seen by them                {} times 1013, {} times cut or silent",
        by_code.0, by_code.1
    );
    println!(
        "shown when all is quiet     {} devices, {} open alerts on {CLIENTS} screens",
        shown.0, shown.1
    );
    println!("unlike a new screen         {differences}");
    bench.say("end");
    bench.child.wait().expect("ends");
    assert_eq!(differences, 0, "screens that came back are not whole");
}

fn main() {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).enable_all().build().expect("builds");
    if std::env::args().any(|a| a == "--server") {
        runtime.block_on(serve());
    } else {
        runtime.block_on(watch_clients());
    }
}
