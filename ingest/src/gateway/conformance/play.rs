//! The small language of the cases and the player.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::version::V;
use crate::gateway::GatewayConfig;
use crate::gateway::frame::{Frame, next_frame};
use crate::gateway::tests::{Commits, Raw, Running, gateway_with};

/// How long an answer may take before a case fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// What shows some statements.
pub(super) struct Case {
    /// What is shown, in words.
    pub(super) name: &'static str,
    /// Statements of MQTT 3.1.1; empty: not played in 3.1.1.
    pub(super) three: &'static [&'static str],
    /// Statements of MQTT 5.0; empty: not played in 5.
    pub(super) five: &'static [&'static str],
    pub(super) config: fn(&mut GatewayConfig),
    pub(super) steps: fn(V) -> Vec<Step>,
}

pub(super) const fn case(
    name: &'static str,
    three: &'static [&'static str],
    five: &'static [&'static str],
    steps: fn(V) -> Vec<Step>,
) -> Case {
    Case { name, three, five, config: |_| {}, steps }
}

impl Case {
    pub(super) const fn config(self, config: fn(&mut GatewayConfig)) -> Self {
        Self { config, ..self }
    }
}

/// One step; `who` is a connection, made at its first step and named by a letter.
pub(super) struct Step {
    who: char,
    act: Act,
}

impl From<Step> for Vec<Step> {
    fn from(step: Step) -> Self {
        vec![step]
    }
}

/// Steps and lists of steps, one after the other.
macro_rules! steps {
    ($($part:expr),* $(,)?) => {{
        let mut all = Vec::<$crate::gateway::conformance::play::Step>::new();
        $(all.extend(Vec::from($part));)*
        all
    }};
}
pub(super) use steps;

enum Act {
    Send(Vec<u8>),
    Get(Want),
    Closed,
    Silent,
    Gone,
    Publish { topic: &'static str, payload: &'static str, retain: bool },
    Taken(Vec<String>),
    Commits(Commits),
    Pause(Duration),
    Look(&'static str, fn(&Running) -> bool),
    Now(&'static str, fn(&Running) -> bool),
}

/// What the next packet must be.
enum Want {
    Exactly(Vec<u8>),
    Connack {
        present: bool,
    },
    Refusal(u8),
    /// Type, packet id, code: words may follow.
    Ack(u8, u16, u8),
    Codes(u8, u16, Vec<u8>),
    /// First byte, topic, payload.
    Publish(u8, &'static str, &'static str),
    Disconnect(u8),
    Is(&'static str, fn(&[u8]) -> bool),
}

const fn step(act: Act) -> Step {
    Step { who: 'a', act }
}

/// The step of another client than `a`.
pub(super) fn by(who: char, step: Step) -> Step {
    Step { who, ..step }
}

pub(super) fn send(bytes: impl Into<Vec<u8>>) -> Step {
    step(Act::Send(bytes.into()))
}

/// These bytes and nothing else.
pub(super) fn exactly(bytes: impl Into<Vec<u8>>) -> Step {
    step(Act::Get(Want::Exactly(bytes.into())))
}

/// CONNACK of success, with its "session present".
pub(super) fn welcome(present: bool) -> Step {
    step(Act::Get(Want::Connack { present }))
}

/// A PUBACK, PUBREC or PUBCOMP (by its first byte) with this code; MQTT 3.1.1 has none.
pub(super) fn ack(first: u8, id: u16, code: u8) -> Step {
    step(Act::Get(Want::Ack(first, id, code)))
}

/// SUBACK.
pub(super) fn suback(id: u16, codes: &[u8]) -> Step {
    step(Act::Get(Want::Codes(0x90, id, codes.into())))
}

/// UNSUBACK; MQTT 3.1.1 has no codes.
pub(super) fn unsuback(id: u16, codes: &[u8]) -> Step {
    step(Act::Get(Want::Codes(0xB0, id, codes.into())))
}

/// A PUBLISH of the IOC's with this first byte.
pub(super) fn publication(first: u8, topic: &'static str, payload: &'static str) -> Step {
    step(Act::Get(Want::Publish(first, topic, payload)))
}

/// A packet for which `is` holds.
pub(super) fn packet_that(what: &'static str, is: fn(&[u8]) -> bool) -> Step {
    step(Act::Get(Want::Is(what, is)))
}

/// The end of the connection without another packet.
pub(super) const fn closed() -> Step {
    step(Act::Closed)
}

/// The end of the connection: with a DISCONNECT that says why in MQTT 5, without in 3.1.1.
pub(super) fn ended(v: V, code: u8) -> Vec<Step> {
    if v.five { vec![step(Act::Get(Want::Disconnect(code))), closed()] } else { vec![closed()] }
}

/// The end at CONNECT, with a CONNACK of refusal where the version has a code for it.
pub(super) fn refused(v: V, three: Option<u8>, five: u8) -> Vec<Step> {
    match if v.five { Some(five) } else { three } {
        Some(code) => vec![step(Act::Get(Want::Refusal(code))), closed()],
        None => vec![closed()],
    }
}

/// Steps of another client than `a`.
pub(super) fn all_by(who: char, steps: Vec<Step>) -> Vec<Step> {
    steps.into_iter().map(|step| by(who, step)).collect()
}

/// Each of these, sent on a connection of its own after a CONNECT, ends it with `code`.
pub(super) fn each_ends(v: V, code: u8, packets: &[Vec<u8>]) -> Vec<Step> {
    let one = |(who, bytes): (char, &Vec<u8>)| {
        let id = format!("each-{}", u32::from(who));
        let steps = steps![send(v.clean(&id)), welcome(false), send(bytes.clone()), ended(v, code)];
        all_by(who, steps)
    };
    ('\u{100}'..).zip(packets).flat_map(one).collect()
}

/// Each of these CONNECTs, sent on a connection of its own, is refused.
pub(super) fn each_refused(v: V, three: Option<u8>, five: u8, connects: &[Vec<u8>]) -> Vec<Step> {
    let one = |(who, bytes): (char, &Vec<u8>)| {
        all_by(who, steps![send(bytes.clone()), refused(v, three, five)])
    };
    ('\u{200}'..).zip(connects).flat_map(one).collect()
}

/// Nothing has come: a PINGREQ is answered first.
pub(super) const fn silent() -> Step {
    step(Act::Silent)
}

/// The socket is closed by the client, without a word; the gateway has seen it.
pub(super) const fn gone() -> Step {
    step(Act::Gone)
}

/// The IOC publishes.
pub(super) const fn ioc(topic: &'static str, payload: &'static str, retain: bool) -> Step {
    step(Act::Publish { topic, payload, retain })
}

/// All that the intake has got, `topic payload` each; waits for it.
pub(super) fn taken(messages: &[&str]) -> Step {
    step(Act::Taken(messages.iter().map(|m| (*m).into()).collect()))
}

pub(super) const fn commits(to: Commits) -> Step {
    step(Act::Commits(to))
}

/// Silence of the client: the cases about time are about the gateway's clock.
pub(super) const fn pause(ms: u64) -> Step {
    step(Act::Pause(Duration::from_millis(ms)))
}

/// Something about the gateway holds; waits for it.
pub(super) const fn look(what: &'static str, holds: fn(&Running) -> bool) -> Step {
    step(Act::Look(what, holds))
}

/// Something about the gateway holds now.
pub(super) const fn now(what: &'static str, holds: fn(&Running) -> bool) -> Step {
    step(Act::Now(what, holds))
}

struct Client {
    /// Over the transport these tests run over.
    raw: Raw,
    bytes: Vec<u8>,
}

impl Client {
    /// The next packet; `None` at the end.
    async fn packet(&mut self) -> Result<Option<Vec<u8>>, String> {
        loop {
            match next_frame(&self.bytes, 1 << 20) {
                Ok(Frame::Whole { total, .. }) => {
                    return Ok(Some(self.bytes.drain(..total).collect()));
                }
                Ok(Frame::Partial(_)) => {}
                Err(broken) => return Err(format!("not a packet: {}", broken.what)),
            }
            match timeout(PATIENCE, self.raw.stream.read_buf(&mut self.bytes)).await {
                Err(_) => return Err("nothing came".into()),
                Ok(Ok(n)) if n > 0 => {}
                Ok(_) if self.bytes.is_empty() => return Ok(None),
                Ok(_) => return Err(format!("ended inside a packet: {:02x?}", self.bytes)),
            }
        }
    }
}

/// Plays the cases that have statements of a version; fails with all that do not hold.
pub(super) async fn check(cases: &[Case], five: bool) {
    let v = V { five };
    let of = |c: &&Case| !if five { c.five } else { c.three }.is_empty();
    let played = cases.iter().filter(of).map(|case| async move {
        let ids = if five { case.five } else { case.three }.join(" ");
        match play(case, v).await {
            Ok(()) => {
                println!("ok   MQTT {} [{ids}] {}", v.pick("3.1.1", "5.0"), case.name);
                None
            }
            Err(why) => {
                Some(format!("MQTT {} [{ids}] {}: {why}", v.pick("3.1.1", "5.0"), case.name))
            }
        }
    });
    let failed: Vec<String> =
        futures::future::join_all(played).await.into_iter().flatten().collect();
    assert!(failed.is_empty(), "{} cases:\n{}", failed.len(), failed.join("\n"));
}

async fn play(case: &Case, v: V) -> Result<(), String> {
    let mut config = GatewayConfig::default();
    (case.config)(&mut config);
    let g = gateway_with(config, Commits::Done).await;
    let mut clients = BTreeMap::new();
    for (at, step) in (case.steps)(v).into_iter().enumerate() {
        let done = act(&g, &mut clients, step, v).await;
        done.map_err(|why| format!("step {}: {why}", at + 1))?;
    }
    if g.done.is_finished() {
        return Err("the gateway has ended".into());
    }
    g.stop.cancel();
    Ok(())
}

async fn act(
    g: &Running,
    clients: &mut BTreeMap<char, Client>,
    Step { who, act }: Step,
    v: V,
) -> Result<(), String> {
    match act {
        Act::Publish { topic, payload, retain } => {
            g.publications.publish(topic, payload.into(), retain);
            return Ok(());
        }
        Act::Taken(messages) => return until_taken(g, &messages).await,
        Act::Commits(to) => {
            g.sink.set(to);
            return Ok(());
        }
        Act::Pause(time) => {
            tokio::time::sleep(time).await;
            return Ok(());
        }
        Act::Look(what, holds) => return until(what, || holds(g)).await,
        Act::Now(what, holds) => {
            return if holds(g) { Ok(()) } else { Err(format!("not so: {what}")) };
        }
        Act::Gone => {
            let before = g.metrics.connected.load(Relaxed);
            drop(clients.remove(&who).ok_or("no such client")?);
            return until("end seen", || g.metrics.connected.load(Relaxed) < before).await;
        }
        _ => {}
    }
    let client = match clients.entry(who) {
        std::collections::btree_map::Entry::Occupied(e) => e.into_mut(),
        std::collections::btree_map::Entry::Vacant(e) => {
            e.insert(Client { raw: g.raw().await, bytes: Vec::new() })
        }
    };
    match act {
        // A peer that has closed already shows at the next step.
        Act::Send(bytes) => {
            drop(client.raw.stream.write_all(&bytes).await);
            drop(client.raw.stream.flush().await);
        }
        Act::Get(want) => {
            let got = client.packet().await?.ok_or("the end instead of a packet")?;
            judge(&want, &got, v)?;
        }
        Act::Closed => {
            if let Some(got) = client.packet().await? {
                return Err(format!("{got:02x?} instead of the end"));
            }
            clients.remove(&who);
        }
        Act::Silent => {
            client.raw.stream.write_all(&[0xC0, 0]).await.map_err(|e| e.to_string())?;
            client.raw.stream.flush().await.map_err(|e| e.to_string())?;
            let got = client.packet().await?.ok_or("the end instead of silence")?;
            if got != [0xD0, 0] {
                return Err(format!("{got:02x?} instead of silence"));
            }
        }
        _ => {}
    }
    Ok(())
}

async fn until_taken(g: &Running, messages: &[String]) -> Result<(), String> {
    let now = || -> Vec<String> {
        let messages = g.sink.topics().into_iter().zip(g.sink.payloads());
        messages.map(|(topic, payload)| format!("{topic} {payload}")).collect()
    };
    let waited = until("messages", || now().len() >= messages.len()).await;
    if waited.is_err() || now() != messages {
        return Err(format!("{:?} taken, {messages:?} expected", now()));
    }
    Ok(())
}

async fn until(what: &str, holds: impl Fn() -> bool) -> Result<(), String> {
    let wait = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(PATIENCE, wait).await.map_err(|_| format!("not in time: {what}"))
}

fn judge(want: &Want, got: &[u8], v: V) -> Result<(), String> {
    let Ok(Frame::Whole { first, body, .. }) = next_frame(got, got.len()) else {
        return Err(format!("not a packet: {got:02x?}"));
    };
    let id_is = |id: u16| body.get(..2) == Some(&id.to_be_bytes()[..]);
    let right = match want {
        Want::Exactly(bytes) => got == bytes,
        Want::Connack { present } => {
            first == 0x20
                && body.get(..2) == Some(&[u8::from(*present), 0])
                && v.five == (body.len() > 2)
        }
        Want::Refusal(code) => first == 0x20 && body.get(..2) == Some(&[0, *code]),
        Want::Ack(kind, id, code) if v.five => {
            let told = body.get(2).copied().unwrap_or(0);
            first == *kind && id_is(*id) && told == *code
        }
        Want::Ack(kind, id, _) => first == *kind && id_is(*id) && body.len() == 2,
        Want::Codes(kind, id, codes) => {
            let codes = if *kind == 0xB0 && !v.five { &[][..] } else { codes };
            let enough = body.len() >= 2 + usize::from(v.five) + codes.len();
            first == *kind
                && id_is(*id)
                && enough
                && body.ends_with(codes)
                && (v.five || body.len() == 2 + codes.len())
        }
        Want::Publish(byte, topic, payload) => {
            let qos = (byte >> 1) & 3;
            let rest = topic.len() + 2 + if qos > 0 { 2 } else { 0 };
            let properties = v.pick(&[][..], &[0][..]);
            first == *byte
                && body.get(2..2 + topic.len()) == Some(topic.as_bytes())
                && body.get(rest..) == Some(&[properties, payload.as_bytes()].concat()[..])
        }
        Want::Disconnect(code) => first == 0xE0 && body.first() == Some(code),
        Want::Is(what, is) => {
            return if is(got) { Ok(()) } else { Err(format!("{got:02x?} is not {what}")) };
        }
    };
    let text = match want {
        Want::Exactly(bytes) => format!("{bytes:02x?}"),
        Want::Connack { present } => format!("CONNACK, session present {present}"),
        Want::Refusal(code) => format!("CONNACK {code:#x}"),
        Want::Ack(kind, id, code) => format!("ack {kind:#x} of {id} with {code:#x}"),
        Want::Codes(kind, id, codes) => format!("ack {kind:#x} of {id} with {codes:02x?}"),
        Want::Publish(first, topic, payload) => format!("PUBLISH {first:#x} {topic} `{payload}`"),
        Want::Disconnect(code) => format!("DISCONNECT {code:#x}"),
        Want::Is(what, _) => (*what).into(),
    };
    if right { Ok(()) } else { Err(format!("{got:02x?} instead of {text}")) }
}
