//! One MQTT connection that publishes what a [`Feed`] gives it: pipelined, many packets per
//! write, in order; after a broken connection it connects again and sends what was not
//! acknowledged once more, marked as a second delivery.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::pacer::Pacer;
use crate::target::Target;
use crate::wire::{self, Inbound};

/// Bytes that are encoded before they are written.
const STAGE_BYTES: usize = 64 * 1024;
const KEEP_ALIVE_S: u16 = 30;
/// How long the last acknowledgements may take after the end of the feed.
const DRAIN: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Names one message in the reports of its feed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tag {
    /// Number of the device inside the feed.
    pub device: u32,
    /// Its message number.
    pub seq: u64,
    /// Its phenomenon time, ms since the epoch.
    pub time_ms: i64,
}

/// A message to publish; the feed overwrites all of it.
#[derive(Debug)]
pub struct Message {
    /// Topic.
    pub topic: String,
    /// Payload.
    pub payload: Vec<u8>,
    /// For the report.
    pub tag: Tag,
    /// When it was meant to be sent; latency counts from here.
    pub due: Instant,
}

/// What a feed has for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The message was filled in.
    Publish,
    /// Nothing before this moment.
    Wait(Instant),
    /// Nothing any more.
    Done,
}

/// Where messages come from.
pub trait Feed {
    /// The next message that is due, if one is.
    fn next(&mut self, now: Instant, message: &mut Message) -> Step;

    /// A message was acknowledged (`accepted`) or refused by the server. Not called for QoS 0.
    fn done(&mut self, tag: Tag, accepted: bool, latency: Duration);
}

/// How a connection behaves.
#[derive(Clone, Debug)]
pub struct LinkOptions {
    /// Server.
    pub target: Target,
    /// Client identifier.
    pub client_id: String,
    /// [`wire::V311`] or [`wire::V5`].
    pub level: u8,
    /// 0, 1 or 2.
    pub qos: u8,
    /// Unacknowledged messages at most; when full, the feed waits.
    pub window: usize,
    /// Give up when there was no connection for so long; `None`: never.
    pub give_up: Option<Duration>,
}

/// Counters that others may read while the link runs.
#[derive(Debug, Default)]
pub struct Counters {
    /// Messages written for the first time.
    pub sent: AtomicU64,
    /// Acknowledged and not refused.
    pub acked: AtomicU64,
    /// Acknowledged with an error code (MQTT 5).
    pub refused: AtomicU64,
    /// Written again after a broken connection.
    pub resent: AtomicU64,
    /// Connections after the first one.
    pub reconnects: AtomicU64,
    /// Bytes written.
    pub bytes: AtomicU64,
}

impl Counters {
    /// Reads one of them.
    pub fn get(counter: &AtomicU64) -> u64 {
        counter.load(Ordering::Relaxed)
    }
}

/// Why a link ended before its feed did.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// No connection for the time allowed.
    #[error("no connection to {target} for {seconds} s: {source}")]
    GaveUp {
        /// Server.
        target: String,
        /// How long.
        seconds: u64,
        /// Last trouble.
        #[source]
        source: std::io::Error,
    },
    /// The server said no.
    #[error("{target} refused the connection with code {code}")]
    Refused {
        /// Server.
        target: String,
        /// CONNACK code.
        code: u8,
    },
    /// Sent, but the last answers did not come.
    #[error("{missing} messages were sent but not acknowledged within {} s", DRAIN.as_secs())]
    Unacknowledged {
        /// How many.
        missing: usize,
    },
}

struct Flight {
    pid: u16,
    tag: Tag,
    due: Instant,
    /// The encoded packet, shared with the chunk it was written in.
    packet: Bytes,
    /// PUBREC has come, PUBCOMP has not.
    released: bool,
}

/// Why a session (one TCP connection) ended.
enum End {
    Finished,
    DrainTimeout,
    Lost(std::io::Error),
}

/// A publisher; [`Link::run`] is its whole life.
pub struct Link<'a, F> {
    options: LinkOptions,
    feed: &'a mut F,
    pacer: &'a Pacer,
    counters: &'a Counters,
    stop: CancellationToken,
    window: usize,
    next_pid: u16,
    /// One bit per packet id in use.
    used: Vec<u64>,
    flights: VecDeque<Flight>,
    /// Encoded and not yet being written; at most [`STAGE_BYTES`] and one message.
    staged: BytesMut,
    /// New flights whose packets lie in `staged`: index of the first byte of each, then the end.
    fresh: Vec<(u16, Tag, Instant, usize, usize)>,
    /// Being written.
    writing: Bytes,
    input: BytesMut,
    message: Message,
    feed_done: bool,
}

impl<'a, F: Feed> Link<'a, F> {
    /// A link that is not connected yet.
    pub fn new(
        options: LinkOptions,
        feed: &'a mut F,
        pacer: &'a Pacer,
        counters: &'a Counters,
        stop: CancellationToken,
    ) -> Self {
        let message = Message {
            topic: String::new(),
            payload: Vec::new(),
            tag: Tag::default(),
            due: Instant::now(),
        };
        Self {
            window: options.window.clamp(1, 60_000),
            options,
            feed,
            pacer,
            counters,
            stop,
            next_pid: 1,
            used: vec![0; 1024],
            flights: VecDeque::new(),
            staged: BytesMut::new(),
            fresh: Vec::new(),
            writing: Bytes::new(),
            input: BytesMut::new(),
            message,
            feed_done: false,
        }
    }

    /// Connects, publishes all, waits for the acknowledgements, disconnects.
    ///
    /// # Errors
    /// [`LinkError`]; what the feed was told until then stays true.
    pub async fn run(mut self) -> Result<(), LinkError> {
        let mut connected_before = false;
        loop {
            let stream = match self.connect().await? {
                Some(stream) => stream,
                None => return Ok(()),
            };
            if connected_before {
                self.counters.reconnects.fetch_add(1, Ordering::Relaxed);
                self.restage();
            }
            connected_before = true;
            match self.session(&stream).await {
                End::Finished => return Ok(()),
                End::DrainTimeout => {
                    return Err(LinkError::Unacknowledged { missing: self.flights.len() });
                }
                End::Lost(error) => {
                    tracing::debug!(%error, "connection lost");
                    if self.finished() && self.options.qos == 0 {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// A connection whose CONNACK said yes; `None` when stopped while waiting.
    async fn connect(&mut self) -> Result<Option<TcpStream>, LinkError> {
        let start = Instant::now();
        let mut pause = Duration::from_millis(50);
        let stop = self.stop.clone();
        loop {
            if stop.is_cancelled() && self.flights.is_empty() {
                return Ok(None);
            }
            let source = match tokio::time::timeout(CONNECT_TIMEOUT, self.open()).await {
                Ok(Ok(stream)) => return Ok(Some(stream)),
                Ok(Err(OpenError::Refused(code))) => {
                    let target = self.options.target.to_string();
                    return Err(LinkError::Refused { target, code });
                }
                Ok(Err(OpenError::Io(e))) => e,
                Err(_) => ErrorKind::TimedOut.into(),
            };
            let limit = if stop.is_cancelled() { Some(DRAIN) } else { self.options.give_up };
            if let Some(limit) = limit
                && start.elapsed() + pause > limit
            {
                let target = self.options.target.to_string();
                return Err(LinkError::GaveUp { target, seconds: limit.as_secs(), source });
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled(), if self.flights.is_empty() => {}
            }
            pause = (pause * 2).min(Duration::from_secs(2));
        }
    }

    async fn open(&mut self) -> Result<TcpStream, OpenError> {
        let target = &self.options.target;
        let stream = TcpStream::connect((target.host.as_str(), target.port)).await?;
        stream.set_nodelay(true)?;
        let login = target.login.as_ref().map(|(u, p)| (u.as_str(), p.as_str()));
        let mut hello = BytesMut::new();
        wire::connect(
            &mut hello,
            &wire::Connect {
                level: self.options.level,
                client_id: &self.options.client_id,
                login,
                keep_alive_s: KEEP_ALIVE_S,
            },
        );
        while !hello.is_empty() {
            stream.writable().await?;
            if let Some(n) = try_io(stream.try_write(&hello))? {
                hello.advance(n);
            }
        }
        self.input.clear();
        loop {
            stream.readable().await?;
            if try_io(stream.try_read_buf(&mut self.input))? == Some(0) {
                return Err(OpenError::Io(ErrorKind::UnexpectedEof.into()));
            }
            match wire::read(&mut self.input, self.options.level).map_err(bad_bytes)? {
                Some(Inbound::ConnAck { code: 0, receive_maximum }) => {
                    self.window = self.window.min(usize::from(receive_maximum));
                    return Ok(stream);
                }
                Some(Inbound::ConnAck { code, .. }) => return Err(OpenError::Refused(code)),
                Some(_) => return Err(OpenError::Io(ErrorKind::InvalidData.into())),
                None => {}
            }
        }
    }

    /// Everything in flight goes out again, oldest first, before anything new.
    fn restage(&mut self) {
        self.launch();
        self.writing = Bytes::new();
        for flight in &self.flights {
            if flight.released {
                wire::pubrel(&mut self.staged, flight.pid);
                continue;
            }
            let start = self.staged.len();
            self.staged.extend_from_slice(&flight.packet);
            self.staged[start] |= wire::DUP;
        }
        self.counters.resent.fetch_add(self.flights.len() as u64, Ordering::Relaxed);
    }

    fn finished(&self) -> bool {
        self.feed_done && self.flights.is_empty() && self.staged.is_empty() && self.writing.is_empty()
    }

    async fn session(&mut self, stream: &TcpStream) -> End {
        let mut alive = tokio::time::interval(Duration::from_secs(5));
        let mut heard = Instant::now();
        let mut drain_from = None;
        let mut timer: Option<(Instant, tokio::sync::oneshot::Receiver<()>)> = None;
        loop {
            if self.stop.is_cancelled() {
                self.feed_done = true;
            }
            let wait = self.fill();
            if let Err(e) = self.write(stream) {
                return End::Lost(e);
            }
            if self.finished() {
                return self.goodbye(stream).await;
            }
            if self.feed_done && *drain_from.get_or_insert_with(Instant::now) + DRAIN < Instant::now() {
                return End::DrainTimeout;
            }
            match wait {
                Some(at) if timer.as_ref().is_none_or(|(old, _)| *old != at) => {
                    timer = Some((at, self.pacer.at(at)));
                }
                Some(_) => {}
                None => timer = None,
            }
            tokio::select! {
                ready = stream.readable() => {
                    match ready.and_then(|()| self.read(stream)) {
                        Ok(true) => heard = Instant::now(),
                        Ok(false) => {}
                        Err(e) => return End::Lost(e),
                    }
                }
                ready = stream.writable(), if !self.writing.is_empty() => {
                    if let Err(e) = ready { return End::Lost(e); }
                }
                () = due(timer.as_mut()), if timer.is_some() => timer = None,
                _ = alive.tick() => {
                    let silent = heard.elapsed();
                    if silent > Duration::from_secs(u64::from(KEEP_ALIVE_S) * 3 / 2) {
                        return End::Lost(ErrorKind::TimedOut.into());
                    }
                    if silent > Duration::from_secs(u64::from(KEEP_ALIVE_S) / 3) {
                        wire::pingreq(&mut self.staged);
                    }
                }
                () = self.stop.cancelled(), if !self.feed_done => {}
            }
        }
    }

    /// Encodes what is due. Gives the moment of the next message if that alone is waited for.
    fn fill(&mut self) -> Option<Instant> {
        let mut wait = None;
        let mut now = Instant::now();
        let mut count = 0u32;
        while !self.feed_done
            && self.staged.len() < STAGE_BYTES
            && self.flights.len() + self.fresh.len() < self.window
        {
            // A due message is due at a later clock too: read the clock seldom.
            if count % 16 == 15 {
                now = Instant::now();
            }
            count += 1;
            match self.feed.next(now, &mut self.message) {
                Step::Wait(at) => {
                    wait = Some(at);
                    break;
                }
                Step::Done => self.feed_done = true,
                Step::Publish => self.stage(),
            }
        }
        wait
    }

    fn stage(&mut self) {
        let qos = self.options.qos;
        let start = self.staged.len();
        let pid = if qos > 0 { self.take_pid() } else { 0 };
        let m = &self.message;
        wire::publish(&mut self.staged, self.options.level, &m.topic, qos, pid, &m.payload);
        self.counters.sent.fetch_add(1, Ordering::Relaxed);
        if qos > 0 {
            self.fresh.push((pid, m.tag, m.due, start, self.staged.len()));
        }
    }

    /// Takes the next id that is not in use; at most 60,000 of the 65,535 are.
    fn take_pid(&mut self) -> u16 {
        loop {
            let pid = self.next_pid;
            self.next_pid = pid.checked_add(1).unwrap_or(1);
            let (word, bit) = (usize::from(pid) / 64, 1u64 << (pid % 64));
            if self.used[word] & bit == 0 {
                self.used[word] |= bit;
                return pid;
            }
        }
    }

    fn write(&mut self, stream: &TcpStream) -> std::io::Result<()> {
        loop {
            if self.writing.is_empty() {
                if self.staged.is_empty() {
                    return Ok(());
                }
                self.launch();
            }
            match try_io(stream.try_write(&self.writing))? {
                Some(n) => {
                    self.counters.bytes.fetch_add(n as u64, Ordering::Relaxed);
                    self.writing.advance(n);
                }
                None => return Ok(()),
            }
        }
    }

    /// What is staged becomes what is being written, and in flight.
    fn launch(&mut self) {
        self.writing = self.staged.split().freeze();
        for (pid, tag, due, start, end) in self.fresh.drain(..) {
            let packet = self.writing.slice(start..end);
            self.flights.push_back(Flight { pid, tag, due, packet, released: false });
        }
    }

    /// Reads what is there; false when nothing was.
    fn read(&mut self, stream: &TcpStream) -> std::io::Result<bool> {
        self.input.reserve(16 * 1024);
        match try_io(stream.try_read_buf(&mut self.input))? {
            None => return Ok(false),
            Some(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Some(_) => {}
        }
        let now = Instant::now();
        while let Some(packet) =
            wire::read(&mut self.input, self.options.level).map_err(bad_bytes)?
        {
            match packet {
                Inbound::PubAck { pid, refused } => self.answered(pid, refused, now),
                Inbound::PubRec { pid, refused: true } => self.answered(pid, true, now),
                Inbound::PubRec { pid, refused: false } => {
                    if let Some(f) = self.flights.iter_mut().find(|f| f.pid == pid) {
                        f.released = true;
                    }
                    wire::pubrel(&mut self.staged, pid);
                }
                Inbound::PubComp(pid) => self.answered(pid, false, now),
                Inbound::Disconnect(code) => {
                    tracing::warn!(code, "the server disconnects");
                    return Err(ErrorKind::ConnectionAborted.into());
                }
                Inbound::PingResp | Inbound::ConnAck { .. } | Inbound::Other(_) => {}
            }
        }
        Ok(true)
    }

    fn answered(&mut self, pid: u16, refused: bool, now: Instant) {
        let Some(at) = self.flights.iter().position(|f| f.pid == pid) else { return };
        let Some(flight) = self.flights.remove(at) else { return };
        self.used[usize::from(pid) / 64] &= !(1u64 << (pid % 64));
        let counter = if refused { &self.counters.refused } else { &self.counters.acked };
        counter.fetch_add(1, Ordering::Relaxed);
        self.feed.done(flight.tag, !refused, now.saturating_duration_since(flight.due));
    }

    async fn goodbye(&mut self, stream: &TcpStream) -> End {
        wire::disconnect(&mut self.staged);
        while !self.staged.is_empty() || !self.writing.is_empty() {
            if self.write(stream).is_err() || stream.writable().await.is_err() {
                break;
            }
        }
        End::Finished
    }
}

enum OpenError {
    Io(std::io::Error),
    Refused(u8),
}

impl From<std::io::Error> for OpenError {
    fn from(e: std::io::Error) -> Self {
        Self::Io(e)
    }
}

fn bad_bytes(e: wire::WireError) -> std::io::Error {
    std::io::Error::new(ErrorKind::InvalidData, e)
}

/// `None` when the socket would block.
fn try_io(result: std::io::Result<usize>) -> std::io::Result<Option<usize>> {
    match result {
        Ok(n) => Ok(Some(n)),
        Err(e) if e.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(e) => Err(e),
    }
}

async fn due(timer: Option<&mut (Instant, tokio::sync::oneshot::Receiver<()>)>) {
    if let Some((_, woken)) = timer {
        // An error means that the pacer ended with the process.
        let _ = woken.await;
    }
}

#[cfg(test)]
mod tests;
