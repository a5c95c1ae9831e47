//! Two parties at once (the lesson of MBFuzzer: a single connection finds no F3 or F4): a
//! publisher and a subscriber of mixed versions say packets of a grammar, many of them spoilt, on
//! one gateway; what they leave behind meets the next pair.
//!
//! After every case: no task has panicked, a fresh good client of each version is served, a
//! subscriber has got nothing that a device said, no connection is left over, subscriptions are
//! bounded, and the counters fit together.
//!
//! `IOC_FUZZ_CASES` (plain `cargo test`: 200) and `IOC_FUZZ_SEED` (1) make it large; case `n` of
//! seed `s` says the same as case 0 of seed `s + n`.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::version::{V, bytes, user};
use crate::gateway::GatewayConfig;
use crate::gateway::frame::{Frame, next_frame, parse_publish};
use crate::gateway::tests::{Commits, Raw, Running, gateway_with, packet};

const PATIENCE: Duration = Duration::from_secs(30);
/// Ids that both parties use, so that they meet: take-overs, resumed sessions.
const IDS: [&str; 4] = ["fz-a", "fz-b", "fz-c", "fz-d"];
/// In every payload of a device, and in nothing the IOC says.
const DEVICE: &str = "said-by-a-device";
const IOC: &str = "said-by-the-ioc";
const WORKERS: &str = "fuzzed-gateway";

/// Panics of the gateway's threads.
static PANICS: AtomicU64 = AtomicU64::new(0);

/// SplitMix64: the same cases for the same seed, everywhere.
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    fn noise(&mut self, most: usize) -> Vec<u8> {
        (0..self.below(most + 1)).map(|_| self.next() as u8).collect()
    }
}

const TOPICS: [&str; 12] = [
    "t/a",
    "ioc/v1/hai_chau/air/fz-a/obs",
    "ioc/v1/alerts/a",
    "ioc/v1/alerts/a",
    "ioc/v1/devices/fz-b/errors",
    "ioc/v1/devices/fz-b/commands",
    "bad/x",
    "shed/x",
    "odd/x",
    "",
    "a/#",
    "$share/g/x",
];
const FILTERS: [&str; 12] = [
    "ioc/v1/alerts/#",
    "ioc/v1/alerts/#",
    "ioc/v1/alerts/+",
    "ioc/v1/alerts/a",
    "ioc/v1/devices/fz-a/errors",
    "ioc/v1/devices/fz-b/errors",
    "ioc/v1/devices/+/errors",
    "$share/g/x",
    "$share/g/ioc/v1/alerts/#",
    "#",
    "t/a",
    "a/#/b",
];

/// A packet of the grammar.
fn say(rng: &mut Rng, v: V) -> Vec<u8> {
    let id = rng.below(5) as u16;
    match rng.below(20) {
        0..7 => publish(rng, v, id),
        7..10 => {
            let count = rng.below(4);
            let options = [0, 1, 2, 0x08, 0x10, 0x20, 0x04, 3, 0x30, 0xFF];
            let filters: Vec<(&str, u8)> =
                (0..count).map(|_| (rng.pick(&FILTERS), rng.pick(&options))).collect();
            let properties = if rng.one_in(6) { properties(rng) } else { Vec::new() };
            v.subscribe_with(id, &properties, &filters)
        }
        10 => v.unsubscribe(id, &[rng.pick(&FILTERS), rng.pick(&FILTERS)]),
        // Acknowledgements in and out of order, of what was sent and what was not.
        11..15 => {
            let first = rng.pick(&[0x40, 0x40, 0x62, 0x62, 0x50, 0x70, 0x60]);
            let mut body = vec![0, id as u8];
            if rng.one_in(3) {
                body.push(rng.pick(&[0, 0x10, 0x80, 0x92, 0xFF]));
                if rng.one_in(2) {
                    let properties = properties(rng);
                    body.push(properties.len() as u8);
                    body.extend(properties);
                }
            }
            packet(first, &body)
        }
        15 => vec![0xC0, 0],
        16 => packet(0xE0, &rng.noise(3)),
        17 => packet(0xF0, &rng.noise(4)),
        18 => packet(rng.next() as u8, &rng.noise(40)),
        _ => rng.noise(30),
    }
}

fn publish(rng: &mut Rng, v: V, id: u16) -> Vec<u8> {
    let qos = rng.below(3) as u8;
    let first = 0x30 | qos << 1 | u8::from(rng.one_in(4)) | u8::from(rng.one_in(8)) << 3;
    let topic = rng.pick(&TOPICS).as_bytes().to_vec();
    let topic = if rng.one_in(12) { rng.noise(10) } else { topic };
    let properties = if rng.one_in(3) { properties(rng) } else { Vec::new() };
    let id = if qos > 0 { id } else { 0 };
    v.publish_with(first, id, &topic, &properties, DEVICE)
}

fn properties(rng: &mut Rng) -> Vec<u8> {
    let mut all = Vec::new();
    for _ in 0..rng.below(4) {
        all.extend(match rng.below(9) {
            0..3 => user(b"k", &rng.noise(4)),
            3 => vec![1, rng.below(3) as u8],
            4 => [vec![8], bytes(&rng.noise(6))].concat(),
            5 => vec![0x23, 0, rng.below(3) as u8],
            6 => vec![0x0B, rng.next() as u8],
            7 => vec![2, 0, 0, 0, rng.below(2) as u8],
            _ => rng.noise(6),
        });
    }
    all
}

fn hello(rng: &mut Rng, v: V, id: &str) -> Vec<u8> {
    let will = rng.one_in(3);
    let flags = 2 * (rng.below(2) as u8) | if will { 4 | (rng.below(4) as u8) << 3 } else { 0 };
    let mut properties = Vec::new();
    if !rng.one_in(4) {
        properties.extend([0x11, 0, 0, 0, rng.pick(&[0, 1, 100])]);
    }
    if rng.one_in(4) {
        properties.extend([0x21, 0, rng.below(4) as u8]);
    }
    if rng.one_in(6) {
        properties.extend([0x27, 0, 0, 0, rng.pick(&[0, 5, 40, 100, 255])]);
    }
    if rng.one_in(12) {
        properties.extend(self::properties(rng));
    }
    let delay: &[u8] = if rng.one_in(2) { &[0x18, 0, 0, 0, 1] } else { &[] };
    let tail =
        if will { v.will_with(delay, rng.pick(&TOPICS).as_bytes(), DEVICE) } else { Vec::new() };
    v.connect(id, flags, &properties, &tail)
}

/// Spoils a packet.
fn spoil(rng: &mut Rng, packet: &mut Vec<u8>) {
    if packet.is_empty() {
        return;
    }
    let at = rng.below(packet.len());
    match rng.below(8) {
        0 => packet.truncate(at),
        1 => packet[at] ^= 1 << rng.below(8),
        2 => packet[at] = rng.next() as u8,
        3 => packet.insert(at, rng.next() as u8),
        4 => drop(packet.remove(at)),
        // A wrong or endless length.
        5 if packet.len() > 1 => packet[1] = rng.pick(&[0, 1, 0x7F, 0x80, 0xFF]),
        6 => drop(packet.splice(1..1, [0xFF, 0xFF, 0xFF])),
        _ => {
            let again = packet.clone();
            packet.extend(again);
        }
    }
}

struct Party {
    id: &'static str,
    v: V,
    raw: Option<Raw>,
    /// Nothing spoilt was sent on this connection: a PINGREQ will be seen as one.
    clean: bool,
}

impl Party {
    async fn connect(&mut self, g: &Running, rng: &mut Rng, run: &mut Tally) {
        self.leave(run).await;
        self.v = V { five: rng.one_in(2) };
        self.id = rng.pick(&IDS);
        self.raw = Some(g.raw().await);
        self.clean = true;
        let mut hello = hello(rng, self.v, self.id);
        if rng.one_in(10) {
            spoil(rng, &mut hello);
            self.clean = false;
        }
        self.send(&hello, run).await;
    }

    async fn send(&mut self, bytes: &[u8], run: &mut Tally) {
        run.packets += 1;
        if let Some(raw) = &mut self.raw {
            // The gateway may have ended the connection; that is its right.
            let _ = raw.stream.write_all(bytes).await;
            let _ = raw.stream.flush().await;
        }
    }

    /// Reads to the end of the connection and judges what came.
    async fn leave(&mut self, run: &mut Tally) {
        let Some(mut raw) = self.raw.take() else { return };
        let mut got = Vec::new();
        if self.clean {
            // Waits for what the gateway has to say so far.
            let _ = raw.stream.write_all(&[0xC0, 0]).await;
            let _ = raw.stream.flush().await;
            let pong = async {
                while raw.stream.read_buf(&mut got).await.is_ok_and(|n| n > 0) && !has_pong(&got) {}
            };
            timeout(PATIENCE, pong).await.expect("a PINGRESP or the end");
        }
        let _ = raw.stream.shutdown().await;
        let rest = async { while raw.stream.read_buf(&mut got).await.is_ok_and(|n| n > 0) {} };
        timeout(PATIENCE, rest).await.expect("the gateway ends a connection that was closed");
        self.judge(&got, run);
    }

    fn judge(&self, mut got: &[u8], run: &mut Tally) {
        loop {
            let frame = next_frame(got, 1 << 20).expect("the gateway's packets are valid");
            // The end may come inside a packet: the client has closed.
            let Frame::Whole { first, body, total } = frame else { return };
            got = &got[total..];
            if first >> 4 != 3 {
                continue;
            }
            run.received += 1;
            let p = parse_publish(first, body, self.v.five).expect("the gateway's are valid");
            let payload = String::from_utf8_lossy(p.payload);
            assert!(
                !payload.contains(DEVICE),
                "a device reached {}: {} {payload}",
                self.id,
                p.topic
            );
            let own = p.topic == format!("ioc/v1/devices/{}/errors", self.id);
            let ours = p.topic.starts_with("ioc/v1/alerts/") && ["", IOC].contains(&&*payload);
            assert!(own || ours, "{} got {} {payload}", self.id, p.topic);
        }
    }
}

fn has_pong(mut got: &[u8]) -> bool {
    while let Ok(Frame::Whole { first, total, .. }) = next_frame(got, 1 << 20) {
        if first == 0xD0 {
            return true;
        }
        got = &got[total..];
    }
    false
}

#[derive(Default)]
struct Tally {
    packets: u64,
    received: u64,
}

async fn case(g: &Running, seed: u64, run: &mut Tally) {
    let mut rng = Rng(seed);
    let party = || Party { id: IDS[0], v: V { five: false }, raw: None, clean: true };
    let mut parties = [party(), party()];
    for party in &mut parties {
        party.connect(g, &mut rng, run).await;
    }
    match seed % 16 {
        0 => shared_and_gone(&mut parties[0], run).await,
        1 => property_to_the_other_version(&mut parties, run).await,
        _ => {}
    }
    for _ in 0..2 + rng.below(14) {
        let who = rng.below(2);
        match rng.below(12) {
            0 => parties[who].connect(g, &mut rng, run).await,
            1 => parties[who].raw = None,
            2 | 3 => {
                let topic = rng.pick(&["ioc/v1/alerts/a", "ioc/v1/alerts/b/c", "ioc/v1/alerts/a"]);
                let payload = if rng.one_in(6) { "" } else { IOC };
                g.publications.publish(topic, payload.into(), rng.one_in(3));
            }
            _ => {
                let v = parties[who].v;
                let v = if rng.one_in(16) { V { five: !v.five } } else { v };
                let mut packet = say(&mut rng, v);
                if rng.one_in(4) {
                    spoil(&mut rng, &mut packet);
                }
                // The grammar itself says things that leave half a packet.
                parties[who].clean = false;
                parties[who].send(&packet, run).await;
            }
        }
    }
    // A subscriber that is heard to its end.
    let [publisher, subscriber] = &mut parties;
    subscriber.connect(g, &mut rng, run).await;
    let filters = [("ioc/v1/alerts/#", 1), ("ioc/v1/devices/fz-a/errors", 0)];
    let wish = subscriber.v.subscribe(1, &filters);
    subscriber.send(&wish, run).await;
    g.publications.publish("ioc/v1/alerts/a", IOC.into(), false);
    let forged = publish(&mut rng, publisher.v, 1);
    publisher.send(&forged, run).await;
    publisher.leave(run).await;
    subscriber.leave(run).await;
}

/// guarantees.md F3.
async fn shared_and_gone(party: &mut Party, run: &mut Tally) {
    let wish = party.v.subscribe(1, &[("$share/g/x", 1), ("ioc/v1/alerts/#", 1)]);
    party.send(&wish, run).await;
    let publish = party.v.publish(1, 2, "x", DEVICE);
    party.send(&publish, run).await;
    party.raw = None;
}

/// guarantees.md F4.
async fn property_to_the_other_version(parties: &mut [Party; 2], run: &mut Tally) {
    let wish = parties[0].v.subscribe(1, &[("x", 1), ("ioc/v1/alerts/#", 1)]);
    parties[0].send(&wish, run).await;
    let v = parties[1].v;
    let publish = v.publish_with(0x32, 1, b"x", &user(b"k", b"v"), DEVICE);
    parties[1].send(&publish, run).await;
}

/// What must hold after every case.
async fn holds(g: &Running, n: u64) {
    for v in [V { five: false }, V { five: true }] {
        let mut good = g.raw().await;
        good.send(&v.clean("good")).await;
        assert_eq!(good.packet().await[3], 0, "welcome");
        good.send(&v.publish(1, 7, "good", "x")).await;
        assert_eq!(good.packet().await[..4], [0x40, 2, 0, 7], "served");
        good.send(&[0xE0, 0]).await;
        good.expect_closed().await;
    }
    let ended = async {
        while g.metrics.connected.load(Relaxed) > 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, ended).await.expect("no connection is left over");
    assert_eq!(PANICS.load(Relaxed), 0, "case {n}: a task panicked");
    assert!(!g.done.is_finished(), "the gateway runs");
    let m = &g.metrics;
    let mut messages = g.sink.messages.lock().expect("not poisoned");
    let (taken, publishes) = (messages.len() as u64, m.publishes.load(Relaxed));
    assert!(taken <= publishes + m.wills.load(Relaxed), "more taken in than was published");
    assert!(m.acks.load(Relaxed) <= publishes + m.qos2_repeats.load(Relaxed), "one ack each");
    messages.clear();
    drop(messages);
    // `publish` tells how many sessions it was queued for.
    let sessions = g.publications.publish("ioc/v1/alerts/a", IOC.into(), false);
    assert!(sessions <= IDS.len(), "{sessions} sessions of {} ids", IDS.len());
    assert!(g.publications.retained_len() <= 2, "only the IOC's own values are kept");
}

fn from_env(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |v| v.parse().expect("a number"))
}

/// Memory of this process, MiB.
fn resident_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
    line.and_then(|l| l.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) / 1024
}

#[test]
fn two_parties_that_say_anything_hurt_nobody() {
    let (cases, seed) = (from_env("IOC_FUZZ_CASES", 200), from_env("IOC_FUZZ_SEED", 1));
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if std::thread::current().name() == Some(WORKERS) {
            PANICS.fetch_add(1, Relaxed);
        }
        before(panic);
    }));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name(WORKERS)
        .enable_all()
        .build()
        .expect("a runtime");
    let config = GatewayConfig {
        max_offline_sessions: 3,
        connections_per_s_per_address: 1e9,
        takeovers_per_min: u32::MAX,
        ..GatewayConfig::default()
    };
    let g = runtime.block_on(gateway_with(config, Commits::Done));
    let began = Instant::now();
    let mut run = Tally::default();
    let mut memory = 0;
    for n in 0..cases {
        let one = async {
            case(&g, seed.wrapping_add(n), &mut run).await;
            holds(&g, n).await;
        };
        let done = std::panic::AssertUnwindSafe(|| runtime.block_on(one));
        if let Err(panic) = std::panic::catch_unwind(done) {
            println!("IOC_FUZZ_SEED={} IOC_FUZZ_CASES=1 says it again", seed.wrapping_add(n));
            std::panic::resume_unwind(panic);
        }
        if n == cases / 4 {
            memory = resident_mib();
        }
    }
    let (took, grown) = (began.elapsed(), resident_mib().saturating_sub(memory));
    println!(
        "{cases} cases, {} packets, {} publications received, {:.0} cases/s, memory +{grown} MiB",
        run.packets,
        run.received,
        cases as f64 / took.as_secs_f64(),
    );
    assert!(run.received > cases / 4, "subscribers did get what the IOC said");
    assert!(grown < 64, "memory grew by {grown} MiB in three quarters of the run");
}
