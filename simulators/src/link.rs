//! One MQTT connection that publishes what a [`Feed`] gives it: pipelined, many packets per
//! write, in order; after a broken connection it connects again and sends what was not
//! acknowledged once more, marked as a second delivery.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::pacer::Pacer;
use crate::wire::{self, Inbound};

mod connect;
mod feed;

pub use feed::{Counters, Feed, LinkError, LinkOptions, Message, Step, Tag};

/// Bytes that are encoded before they are written.
const STAGE_BYTES: usize = 64 * 1024;
const KEEP_ALIVE_S: u16 = 30;
/// How long the server may be silent after the end of the feed while acknowledgements are missing.
const DRAIN: Duration = Duration::from_secs(10);

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
        self.feed_done
            && self.flights.is_empty()
            && self.staged.is_empty()
            && self.writing.is_empty()
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
            let full = self.staged.len() >= STAGE_BYTES;
            if let Err(e) = self.write(stream) {
                return End::Lost(e);
            }
            if self.finished() {
                return self.goodbye(stream).await;
            }
            if full && self.writing.is_empty() {
                // There is more to encode: only look whether something came in.
                match self.read(stream) {
                    Ok(true) => heard = Instant::now(),
                    Ok(false) => {}
                    Err(e) => return End::Lost(e),
                }
                tokio::task::yield_now().await;
                continue;
            }
            if self.feed_done
                && heard.max(*drain_from.get_or_insert_with(Instant::now)) + DRAIN < Instant::now()
            {
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
