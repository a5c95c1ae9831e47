//! Real TCP tests: a gateway on port 0, raw sockets and `rumqttc`, and a sink whose commits the
//! test holds back.

mod abuse;
mod identity;
mod limits;
mod memory;
pub(crate) mod over;
pub(crate) mod pki;
mod publishing;
mod sessions;
mod subscriptions;
mod tls;
mod websocket;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt;
use ioc_model::{Devices, QuarantineReason};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::frame::{Frame, next_frame};
use super::{
    Anonymous, ClientCertificates, Gateway, GatewayAddresses, GatewayConfig, GatewayDoor,
    GatewayMetrics, GatewayStats, MessageSink, TlsHandle,
};
use over::{Over, Socket};
use pki::Pki;

use crate::publications::Publications;
use crate::{Client, Incoming, IngestError, Outcome, Refusal, Registry, Reply, Submitted};

const PATIENCE: Duration = Duration::from_secs(10);

/// State of the commits of a [`TestSink`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Commits {
    Done,
    Held,
    Failing,
}

/// Keeps what it gets; its commits end when the test says so. Topics under `bad/` are refused,
/// those under `shed/` shed, those under `odd/` taken partly.
pub(crate) struct TestSink {
    pub(crate) messages: Mutex<Vec<(String, Vec<u8>)>>,
    count: watch::Sender<usize>,
    commits: watch::Sender<Commits>,
}

impl TestSink {
    pub(crate) fn new(commits: Commits) -> Arc<Self> {
        Arc::new(Self {
            messages: Mutex::default(),
            count: watch::channel(0).0,
            commits: watch::channel(commits).0,
        })
    }

    pub(crate) fn set(&self, commits: Commits) {
        self.commits.send_replace(commits);
    }

    /// Waits until `n` messages have come.
    pub(crate) async fn until(&self, n: usize) {
        let mut count = self.count.subscribe();
        tokio::time::timeout(PATIENCE, count.wait_for(|c| *c >= n))
            .await
            .expect("messages in time")
            .expect("sender lives");
    }

    pub(crate) fn topics(&self) -> Vec<String> {
        self.messages.lock().expect("not poisoned").iter().map(|m| m.0.clone()).collect()
    }

    pub(crate) fn payloads(&self) -> Vec<String> {
        let messages = self.messages.lock().expect("not poisoned");
        messages.iter().map(|m| String::from_utf8_lossy(&m.1).into_owned()).collect()
    }
}

impl MessageSink for TestSink {
    type Source = ();

    fn source(&self, _: &str) {}

    async fn submit(
        &self,
        _: &(),
        client: &Client,
        messages: &[Incoming<'_>],
    ) -> Result<Submitted, IngestError> {
        let mut outcomes = Vec::new();
        let mut kept = self.messages.lock().expect("not poisoned");
        for m in messages {
            if let Err(Refusal { reason, detail, device, reply }) =
                client.may_publish(&Devices::default(), m.topic)
            {
                outcomes.push(Outcome::Quarantined { reason, detail, device, reply });
                continue;
            }
            kept.push((m.topic.into(), m.payload.into()));
            outcomes.push(match m.topic.split('/').next() {
                Some("bad") => Outcome::Quarantined {
                    reason: QuarantineReason::Malformed,
                    detail: "not JSON".into(),
                    device: None,
                    reply: None,
                },
                Some("rebirth") => Outcome::Quarantined {
                    reason: QuarantineReason::NoBirth,
                    detail: "data before its birth".into(),
                    device: m.topic.split('/').nth(1).map(Into::into),
                    reply: Some(Box::new(Reply {
                        topic: "spBv1.0/g/NCMD/e".into(),
                        payload: b"rebirth".into(),
                    })),
                },
                Some("shed") => Outcome::Shed,
                Some("odd") => Outcome::Partly {
                    reason: QuarantineReason::OutOfRange,
                    detail: "`pm25` is -200".into(),
                    reply: None,
                },
                _ => Outcome::Accepted,
            });
        }
        self.count.send_replace(kept.len());
        drop(kept);
        let mut commits = self.commits.subscribe();
        let durable = async move {
            let end = commits.wait_for(|c| *c != Commits::Held).await;
            match end.map(|c| *c) {
                Ok(Commits::Done) => Ok(()),
                _ => Err(IngestError::FirstDelivery),
            }
        };
        Ok(Submitted { outcomes, durable: durable.boxed() })
    }
}

pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) addresses: GatewayAddresses,
    over: Over,
    pki: Option<Pki>,
    pub(crate) tls: Option<TlsHandle>,
    pub(crate) door: GatewayDoor<TestSink>,
    pub(crate) sink: Arc<TestSink>,
    pub(crate) publications: Arc<Publications>,
    pub(crate) metrics: Arc<GatewayMetrics>,
    pub(crate) stop: CancellationToken,
    pub(crate) done: JoinHandle<Result<GatewayStats, IngestError>>,
}

pub(crate) async fn gateway() -> Running {
    gateway_with(GatewayConfig::default(), Commits::Done).await
}

pub(crate) async fn gateway_with(mut config: GatewayConfig, commits: Commits) -> Running {
    let over = Over::here();
    if config.anonymous == Anonymous::Loopback {
        // Most tests are not about who the client is; `loopback` is for plain sockets alone.
        config.anonymous = Anonymous::All;
    }
    let pki = (over == Over::Tls).then(Pki::new);
    if let Some(pki) = &pki {
        config.tls = Some(pki.config(ClientCertificates::Off));
    }
    if over != Over::Tcp {
        // Only the plain port takes local processes at their word.
        config.anonymous = Anonymous::All;
    }
    let sink = TestSink::new(commits);
    let publications = Arc::<Publications>::default();
    let config = GatewayConfig { listen: Some(([127, 0, 0, 1], 0).into()), ..config };
    let registry = Arc::new(Registry::of(Devices::default()));
    let bound = Gateway::bind(config, Arc::clone(&sink), Arc::clone(&publications), registry);
    let (gateway, addresses) = bound.await.expect("a free port");
    let (tls, door) = (gateway.tls(), gateway.door());
    let address = match over {
        Over::Tcp => addresses.tcp.expect("listens"),
        Over::Tls => addresses.tls.expect("listens"),
        Over::WebSocket => over::upgrader(door.clone()).await,
    };
    let metrics = gateway.metrics();
    let stop = CancellationToken::new();
    let done = tokio::spawn(gateway.run(TaskTracker::new(), stop.clone()));
    Running { address, addresses, over, pki, tls, door, sink, publications, metrics, stop, done }
}

impl Running {
    pub(crate) async fn raw(&self) -> Raw {
        match (self.over, &self.pki) {
            (Over::Tls, Some(pki)) => {
                let stream = over::tls(self.address, pki.client(None)).await;
                Raw::new(stream.expect("shakes hands"))
            }
            (Over::WebSocket, _) => Raw::new(over::websocket(self.address).await),
            _ => Raw::new(TcpStream::connect(self.address).await.expect("connects")),
        }
    }

    /// A raw MQTT 3.1.1 client that has been welcomed.
    pub(crate) async fn v4(&self, id: &str, clean: bool) -> Raw {
        let mut raw = self.raw().await;
        raw.send(&connect(4, id, if clean { 2 } else { 0 }, 60, &[], &[])).await;
        assert_eq!(raw.packet().await[3], 0, "accepted");
        raw
    }

    /// A raw MQTT 5 client that has been welcomed, with a session of 100 s.
    pub(crate) async fn v5(&self, id: &str, clean: bool) -> Raw {
        let mut raw = self.raw().await;
        let session = [0x11, 0, 0, 0, 100];
        raw.send(&connect(5, id, if clean { 2 } else { 0 }, 60, &session, &[])).await;
        assert_eq!(raw.packet().await[3], 0, "accepted");
        raw
    }
}

/// A client of bytes.
pub(crate) struct Raw {
    pub(crate) stream: Box<dyn Socket>,
    bytes: Vec<u8>,
    v5: bool,
    /// The reason in words of the last CONNACK, SUBACK or DISCONNECT.
    pub(crate) why: Option<String>,
}

impl Raw {
    pub(crate) fn new(stream: impl Socket + 'static) -> Self {
        Self { stream: Box::new(stream), bytes: Vec::new(), v5: false, why: None }
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        if bytes.first() == Some(&0x10) {
            self.v5 = bytes.windows(5).any(|w| w == b"MQTT\x05");
        }
        self.stream.write_all(bytes).await.expect("writes");
        self.stream.flush().await.expect("writes");
    }

    /// The next packet; fails the test when none comes.
    pub(crate) async fn packet(&mut self) -> Vec<u8> {
        self.try_packet().await.expect("a packet, not the end")
    }

    /// The next packet, or `None` at the end of the connection. The words that a refusal may
    /// carry are taken out of it and kept in `why`, so that tests compare codes.
    pub(crate) async fn try_packet(&mut self) -> Option<Vec<u8>> {
        let mut packet = self.whole_packet().await?;
        self.why = None;
        // Where the properties begin: CONNACK, SUBACK, DISCONNECT.
        let at = match packet[0] {
            0x20 if packet[1] > 2 => 4,
            0x90 if self.v5 => 4,
            0xE0 if packet[1] > 1 => 3,
            _ => return Some(packet),
        };
        // Lengths above 127 take two bytes.
        let header = 1 + usize::from(packet[1] >= 128);
        let at = at + header - 1;
        let wide = usize::from(packet[at] >= 128);
        if packet.get(at + wide + 1) != Some(&0x1F) {
            return Some(packet);
        }
        let from = at + wide + 4;
        let length = usize::from(u16::from_be_bytes([packet[from - 2], packet[from - 1]]));
        let words = packet[from..from + length].to_vec();
        self.why = Some(String::from_utf8(words).expect("reasons are text"));
        let (first, body) = (packet[0], packet[1 + header..at].to_vec());
        let rest = packet.split_off(from + length);
        let empty: &[u8] = if first == 0xE0 { &[] } else { &[0] };
        Some(self::packet(first, &[&body, empty, &rest].concat()))
    }

    /// The next packet as it came.
    pub(crate) async fn whole_packet(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Ok(Frame::Whole { total, .. }) = next_frame(&self.bytes, 1 << 20) {
                return Some(self.bytes.drain(..total).collect());
            }
            let read = self.stream.read_buf(&mut self.bytes);
            let read = tokio::time::timeout(PATIENCE, read).await.expect("an answer in time");
            if !read.is_ok_and(|n| n > 0) {
                return None;
            }
        }
    }

    /// Whether nothing has come; a PINGREQ round trip makes sure that it would have.
    pub(crate) async fn is_silent(&mut self) -> bool {
        self.send(&[0xC0, 0]).await;
        self.packet().await == [0xD0, 0]
    }

    pub(crate) async fn expect_closed(&mut self) {
        assert_eq!(self.try_packet().await, None);
    }
}

pub(crate) fn text(s: &str) -> Vec<u8> {
    [&(s.len() as u16).to_be_bytes(), s.as_bytes()].concat()
}

pub(crate) fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    super::encode::var_int(body.len(), &mut out);
    out.extend_from_slice(body);
    out
}

pub(crate) fn connect(
    level: u8,
    id: &str,
    flags: u8,
    keep_alive: u16,
    properties: &[u8],
    tail: &[u8],
) -> Vec<u8> {
    let mut body = b"\0\x04MQTT".to_vec();
    body.extend_from_slice(&[level, flags]);
    body.extend_from_slice(&keep_alive.to_be_bytes());
    if level == 5 {
        body.push(properties.len() as u8);
        body.extend_from_slice(properties);
    }
    body.extend_from_slice(&text(id));
    body.extend_from_slice(tail);
    packet(0x10, &body)
}

pub(crate) fn publish(v5: bool, qos: u8, id: u16, topic: &str, payload: &str) -> Vec<u8> {
    let mut body = text(topic);
    if qos > 0 {
        body.extend_from_slice(&id.to_be_bytes());
    }
    if v5 {
        body.push(0);
    }
    body.extend_from_slice(payload.as_bytes());
    packet(0x30 | qos << 1, &body)
}

pub(crate) fn subscribe(v5: bool, id: u16, filters: &[(&str, u8)]) -> Vec<u8> {
    let mut body = id.to_be_bytes().to_vec();
    if v5 {
        body.push(0);
    }
    for (filter, options) in filters {
        body.extend_from_slice(&text(filter));
        body.push(*options);
    }
    packet(0x82, &body)
}
