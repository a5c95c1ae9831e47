//! A plain MQTT 3.1.1 publisher that knows exactly which message was acknowledged.
//!
//! Written by hand, so that the test does not trust the client libraries the product uses.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A message to publish at QoS 1.
#[derive(Clone, Debug)]
pub struct Message {
    /// Topic.
    pub topic: String,
    /// Payload.
    pub payload: String,
}

/// Publishes in order, keeps what is not acknowledged, and sends it again after a reconnect.
pub struct Publisher {
    address: String,
    client_id: String,
    waiting: VecDeque<(u16, usize)>,
    next_id: u16,
    /// Indexes into the messages, in the order of their acknowledgement.
    pub acknowledged: Vec<usize>,
    /// Connections made.
    pub connections: usize,
}

const MAX_IN_FLIGHT: usize = 500;

impl Publisher {
    /// A publisher for a broker at `host:port`.
    pub fn new(address: &str, client_id: &str) -> Self {
        Self {
            address: address.into(),
            client_id: client_id.into(),
            waiting: VecDeque::new(),
            next_id: 0,
            acknowledged: Vec::new(),
            connections: 0,
        }
    }

    /// Publishes all messages at `rate` per second and returns when all are acknowledged, however
    /// often the server goes away meanwhile; fails when that takes longer than `limit`.
    pub async fn publish_all(
        &mut self,
        messages: &[Message],
        rate: f64,
        limit: Duration,
    ) -> Result<()> {
        let start = Instant::now();
        let mut sent = 0;
        while self.acknowledged.len() < messages.len() {
            if start.elapsed() > limit {
                bail!(
                    "{} of {} acknowledged in {limit:?}",
                    self.acknowledged.len(),
                    messages.len()
                );
            }
            // What fails here is the connection; the messages stay in `waiting`.
            let _ = self.session(messages, &mut sent, start, rate, limit).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    async fn session(
        &mut self,
        messages: &[Message],
        sent: &mut usize,
        start: Instant,
        rate: f64,
        limit: Duration,
    ) -> Result<()> {
        let mut stream = TcpStream::connect(&self.address).await?;
        stream.set_nodelay(true)?;
        stream.write_all(&connect(&self.client_id)).await?;
        let mut connack = [0; 4];
        tokio::time::timeout(Duration::from_secs(5), stream.read_exact(&mut connack)).await??;
        if connack[0] != 0x20 || connack[3] != 0 {
            bail!("CONNACK {connack:?}");
        }
        self.connections += 1;
        let (mut read, mut write) = stream.split();
        // A clean session knows no packet id: what waits is sent again, in order, as a duplicate.
        let again: Vec<usize> = self.waiting.drain(..).map(|(_, i)| i).collect();
        let mut out = Vec::new();
        for i in again {
            let id = self.take_id(i);
            publish(&mut out, &messages[i], id, true);
        }
        let mut incoming = Vec::new();
        let mut buffer = [0; 4096];
        let mut tick = tokio::time::interval(Duration::from_millis(2));
        loop {
            if !out.is_empty() {
                write.write_all(&out).await?;
                out.clear();
            }
            if self.acknowledged.len() == messages.len() || start.elapsed() > limit {
                return Ok(());
            }
            tokio::select! {
                n = read.read(&mut buffer) => {
                    let n = n?;
                    if n == 0 { bail!("closed"); }
                    incoming.extend_from_slice(&buffer[..n]);
                    self.take_acks(&mut incoming)?;
                }
                _ = tick.tick() => {
                    let due = ((start.elapsed().as_secs_f64() * rate) as usize).min(messages.len());
                    while *sent < due && self.waiting.len() < MAX_IN_FLIGHT {
                        let id = self.take_id(*sent);
                        publish(&mut out, &messages[*sent], id, false);
                        *sent += 1;
                    }
                }
            }
        }
    }

    fn take_id(&mut self, index: usize) -> u16 {
        self.next_id = self.next_id.checked_add(1).unwrap_or(1);
        self.waiting.push_back((self.next_id, index));
        self.next_id
    }

    fn take_acks(&mut self, incoming: &mut Vec<u8>) -> Result<()> {
        let mut at = 0;
        while let Some(packet) = incoming.get(at..at + 4) {
            if packet[0] != 0x40 || packet[1] != 2 {
                bail!("expected a PUBACK, got {packet:?}");
            }
            let id = u16::from_be_bytes([packet[2], packet[3]]);
            match self.waiting.pop_front() {
                Some((expected, index)) if expected == id => self.acknowledged.push(index),
                other => bail!("PUBACK {id} out of order, waiting for {other:?}"),
            }
            at += 4;
        }
        incoming.drain(..at);
        Ok(())
    }
}

fn text(out: &mut Vec<u8>, s: &str) {
    out.extend_from_slice(&(s.len() as u16).to_be_bytes());
    out.extend_from_slice(s.as_bytes());
}

fn packet(out: &mut Vec<u8>, first: u8, body: &[u8]) {
    out.push(first);
    let mut n = body.len();
    loop {
        let byte = (n % 128) as u8;
        n /= 128;
        out.push(if n > 0 { byte | 0x80 } else { byte });
        if n == 0 {
            break;
        }
    }
    out.extend_from_slice(body);
}

fn connect(client_id: &str) -> Vec<u8> {
    let mut body = Vec::new();
    text(&mut body, "MQTT");
    body.extend_from_slice(&[4, 2, 0, 60]);
    text(&mut body, client_id);
    let mut out = Vec::new();
    packet(&mut out, 0x10, &body);
    out
}

fn publish(out: &mut Vec<u8>, message: &Message, id: u16, again: bool) {
    let mut body = Vec::new();
    text(&mut body, &message.topic);
    body.extend_from_slice(&id.to_be_bytes());
    body.extend_from_slice(message.payload.as_bytes());
    packet(out, if again { 0x3a } else { 0x32 }, &body);
}
