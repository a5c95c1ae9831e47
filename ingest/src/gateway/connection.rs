//! One connection after CONNECT: the loop of reads, commits and writes.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures::future::BoxFuture;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::{Duration, Instant, Sleep, timeout};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::buffers::Buffers;
use super::config::GatewayConfig;
use super::connect::{self, Hello};
use super::encode;
use super::end::End;
use super::frame::{Frame, next_frame};
use super::inbound::{Spec, Teller};
use super::limits::{self, Addresses, Allowances, Meter};
use super::metrics::{GatewayMetrics, add};
use super::session::{Kick, Parting, Session, Sessions, Will};
use super::sink::MessageSink;
use super::transport::{Stream, poll_send};
use crate::publications::Publications;
use crate::{Client, IngestError, Registry};

/// What all connections share.
pub(super) struct Shared<S: MessageSink> {
    pub(super) config: GatewayConfig,
    pub(super) sink: Arc<S>,
    pub(super) source: S::Source,
    pub(super) publications: Arc<Publications>,
    pub(super) registry: Arc<Registry>,
    pub(super) metrics: Arc<GatewayMetrics>,
    pub(super) sessions: Arc<Sessions>,
    pub(super) addresses: Arc<Addresses>,
    pub(super) allowances: Allowances,
    pub(super) buffers: Arc<Buffers>,
    pub(super) stop: CancellationToken,
}

/// Publishes handed to the intake in one go, waiting for their commit.
pub(super) struct Chunk {
    pub(super) durable: BoxFuture<'static, Result<(), IngestError>>,
    /// Its PUBACKs and PUBRECs, encoded, in order.
    pub(super) acks: Vec<u8>,
    pub(super) ack_count: usize,
    pub(super) qos1: usize,
    /// Ids of its QoS 2 publishes.
    pub(super) qos2: Vec<u16>,
}

/// Output above which no more is read or taken from the mailbox, bytes.
const OUT_HIGH: usize = 256 * 1024;
/// Buffers larger than this are given back when empty, bytes.
const KEEP: usize = 2 * 1024;
/// A packet larger than this is collected in the connection's own memory, so that a slow sender
/// costs no repeated copies, bytes.
const LARGE: usize = 8 * 1024;

/// State of one connection after CONNECT.
pub(super) struct Connection<S: MessageSink> {
    pub(super) shared: Arc<Shared<S>>,
    stream: Stream,
    pub(super) v5: bool,
    pub(super) client: Client,
    pub(super) session: Session,
    pub(super) expiry: Duration,
    /// The client gave an expiry of 0 in CONNECT and may not change it at DISCONNECT.
    pub(super) expiry_is_zero: bool,
    pub(super) receive_maximum: usize,
    pub(super) max_packet: usize,
    pub(super) problem_info: bool,
    keep_alive: Duration,
    last_packet: Instant,
    timer: Pin<Box<Sleep>>,
    /// Bytes of packets that are not complete.
    pub(super) carry: Vec<u8>,
    /// Bytes to be written, from `out_at` on. Bounded by `OUT_HIGH` and one chunk's acks.
    pub(super) out: Vec<u8>,
    out_at: usize,
    stalled: Option<Instant>,
    /// In the order of the publishes. Bounded by `receive_maximum` for QoS 1 and 2; QoS 0 chunks
    /// are not kept: the sink's own room bounds them.
    pub(super) chunks: VecDeque<Chunk>,
    /// QoS 1 publishes in `chunks`.
    pub(super) qos1_waiting: usize,
    /// QoS 1 and 2 publishes in `chunks`: what the receive window of MQTT 3.1.1 counts.
    pub(super) waiting: usize,
    pub(super) specs: Vec<Spec>,
    pub(super) errors: Teller,
    /// Packets taken in.
    pub(super) packets: usize,
    /// `None`: no limit.
    meter: Option<Meter>,
    kick: Kick,
    kicked: Pin<Box<WaitForCancellationFutureOwned>>,
}

enum Event {
    Readable,
    /// All output is with the kernel, or cannot be.
    Sent(io::Result<()>),
    Committed(Result<(), IngestError>),
    Publication,
    Timer,
    Kicked,
}

impl<S: MessageSink> Connection<S> {
    pub(super) fn new(
        shared: &Arc<Shared<S>>,
        stream: Stream,
        (hello, client): (&Hello, Client),
        session: Session,
        kick: Kick,
    ) -> Self {
        let seconds = connect::keep_alive_s(hello, &shared.config);
        let keep_alive = Duration::from_millis(u64::from(seconds) * 1500);
        let rate = shared.config.rates.of(&client, &shared.registry.now());
        let meter = rate.map(|rate| shared.allowances.meter(&client, rate, Instant::now()));
        Self {
            shared: Arc::clone(shared),
            stream,
            v5: hello.v5,
            client,
            session,
            expiry: Duration::from_secs(hello.expiry_s.into()),
            expiry_is_zero: hello.expiry_s == 0,
            receive_maximum: usize::from(hello.receive_maximum.min(shared.config.max_outgoing)),
            max_packet: hello.max_packet,
            problem_info: hello.problem_info,
            keep_alive,
            last_packet: Instant::now(),
            timer: Box::pin(tokio::time::sleep(keep_alive)),
            carry: Vec::new(),
            out: Vec::new(),
            out_at: 0,
            stalled: None,
            chunks: VecDeque::new(),
            qos1_waiting: 0,
            waiting: 0,
            specs: Vec::new(),
            errors: Teller::default(),
            packets: 0,
            meter,
            kicked: Box::pin(kick.token.clone().cancelled_owned()),
            kick,
        }
    }

    pub(super) async fn run(&mut self) -> End {
        if let Err(end) = self.take_carry().await {
            return end;
        }
        loop {
            self.fill();
            if self.flush().await.is_err() {
                return End::Lost;
            }
            let result = match self.next_event().await {
                Event::Readable => self.read().await,
                Event::Committed(Ok(())) | Event::Publication | Event::Sent(Ok(())) => Ok(()),
                Event::Sent(Err(_)) => Err(End::Lost),
                Event::Committed(Err(error)) => {
                    tracing::error!(%error, client = &*self.client.id, "commit failed");
                    Err(End::Sink)
                }
                Event::Timer => self.check_deadlines(),
                Event::Kicked if self.shared.stop.is_cancelled() => Err(self.drain().await),
                Event::Kicked if self.kick.is_eviction() => Err(End::Evicted),
                Event::Kicked => Err(End::TakenOver),
            };
            if let Err(end) = result {
                return end;
            }
        }
    }

    /// Whether the socket may be read: the window of MQTT 3.1.1 and the output have room.
    fn may_read(&self) -> bool {
        let window = usize::from(self.shared.config.receive_maximum.max(1));
        (self.v5 || self.waiting < window)
            && self.out.len() - self.out_at < OUT_HIGH
            && self.meter.as_ref().is_none_or(|m| m.paused_until().is_none())
    }

    /// Counts what was taken in against the device's rate; above it the socket rests.
    pub(super) fn meter(&mut self, packets: usize, bytes: usize) {
        let Some(meter) = &mut self.meter else { return };
        let now = Instant::now();
        if meter.is_stale(now)
            && let Some(rate) =
                self.shared.config.rates.of(&self.client, &self.shared.registry.now())
        {
            meter.set_rate(rate);
        }
        meter.take(packets, bytes, now);
        if meter.paused_until().is_some() {
            self.arm();
        }
    }

    async fn next_event(&mut self) -> Event {
        let may_read = self.may_read();
        std::future::poll_fn(|cx| {
            if let Poll::Ready(event) = self.poll_commits(cx) {
                return Poll::Ready(event);
            }
            if self.kicked.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Event::Kicked);
            }
            if self.has_output()
                && let Poll::Ready(sent) = self.poll_flush(cx)
            {
                return Poll::Ready(Event::Sent(sent));
            }
            if may_read && self.stream.poll_readable(cx).is_ready() {
                return Poll::Ready(Event::Readable);
            }
            if self.wants_publications()
                && let Some(mailbox) = &self.session.mailbox
                && mailbox.poll_ready(cx).is_ready()
            {
                return Poll::Ready(Event::Publication);
            }
            self.timer.as_mut().poll(cx).map(|()| Event::Timer)
        })
        .await
    }

    /// Releases the acks of every chunk at the front whose commit is done: they leave in one
    /// write.
    fn poll_commits(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        let mut released = false;
        while let Some(chunk) = self.chunks.front_mut() {
            match chunk.durable.as_mut().poll(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Event::Committed(Err(error))),
                Poll::Pending => break,
            }
            let Some(chunk) = self.chunks.pop_front() else { break };
            self.waiting -= chunk.qos1 + chunk.qos2.len();
            self.qos1_waiting -= chunk.qos1;
            add(&self.shared.metrics.acks, chunk.ack_count as u64);
            self.out.extend_from_slice(&chunk.acks);
            released = true;
        }
        if released { Poll::Ready(Event::Committed(Ok(()))) } else { Poll::Pending }
    }

    /// Reads once into a shared buffer and takes in every whole packet.
    async fn read(&mut self) -> Result<(), End> {
        if let Ok(Frame::Partial(Some(total))) = self.carried()
            && total > LARGE
        {
            return self.read_large(total).await;
        }
        let Some(mut buffer) = self.shared.buffers.take().await else { return Err(End::Lost) };
        let have = self.carry.len();
        buffer.bytes[..have].copy_from_slice(&self.carry);
        let room = self.meter.as_ref().map_or(usize::MAX, Meter::room);
        let to = have.saturating_add(room).min(buffer.bytes.len());
        let Some(n) = self.read_now(&mut buffer.bytes[have..to]).await? else { return Ok(()) };
        let (used, end) = self.take_in(&buffer.bytes[..have + n]).await;
        self.heard(used);
        self.carry.clear();
        self.carry.extend_from_slice(&buffer.bytes[used..have + n]);
        self.carry.shrink_to(KEEP);
        let full = have + n == buffer.bytes.len();
        drop(buffer);
        match end {
            Some(end) => Err(end),
            None => {
                if full {
                    // A flooding client yields to the others.
                    tokio::task::yield_now().await;
                }
                Ok(())
            }
        }
    }

    fn carried(&self) -> Result<Frame<'_>, super::end::Broken> {
        next_frame(&self.carry, self.shared.config.max_packet_bytes)
    }

    /// Collects one large packet in the connection's own memory.
    async fn read_large(&mut self, total: usize) -> Result<(), End> {
        let have = self.carry.len();
        let mut carry = std::mem::take(&mut self.carry);
        carry.resize(total, 0);
        let got = self.read_now(&mut carry[have..]).await;
        carry.truncate(have + got.as_ref().map_or(0, |n| n.unwrap_or(0)));
        self.carry = carry;
        got?;
        if self.carry.len() < total { Ok(()) } else { self.take_carry().await }
    }

    async fn take_carry(&mut self) -> Result<(), End> {
        if self.carry.is_empty() {
            return Ok(());
        }
        let bytes = std::mem::take(&mut self.carry);
        let (used, end) = self.take_in(&bytes).await;
        self.heard(used);
        self.carry = bytes;
        self.carry.drain(..used);
        self.carry.shrink_to(KEEP);
        end.map_or(Ok(()), Err)
    }

    /// Whole packets keep a connection alive, pieces of one do not (MQTT 5, 3.1.2.10).
    fn heard(&mut self, used: usize) {
        if used > 0 {
            self.last_packet = Instant::now();
        }
    }

    /// One read without waiting; `None`: nothing there after all.
    async fn read_now(&mut self, to: &mut [u8]) -> Result<Option<usize>, End> {
        let mut to = ReadBuf::new(to);
        let stream = &mut self.stream;
        let read =
            std::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut *stream).poll_read(cx, &mut to)));
        match read.await {
            Poll::Pending => Ok(None),
            Poll::Ready(Err(_)) => Err(End::Lost),
            Poll::Ready(Ok(())) if to.filled().is_empty() => Err(End::Lost),
            Poll::Ready(Ok(())) => Ok(Some(to.filled().len())),
        }
    }

    fn has_output(&self) -> bool {
        !self.out.is_empty() || self.stream.has_unsent()
    }

    /// Writes what can be written now.
    async fn flush(&mut self) -> io::Result<()> {
        if !self.has_output() {
            return Ok(());
        }
        match std::future::poll_fn(|cx| Poll::Ready(self.poll_flush(cx))).await {
            Poll::Ready(sent) => sent,
            Poll::Pending => {
                if self.stalled.is_none() {
                    self.stalled = Some(Instant::now());
                    self.arm();
                }
                Ok(())
            }
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let before = self.out_at;
        let sent = poll_send(&mut self.stream, cx, &self.out, &mut self.out_at);
        if self.out_at > before || sent.is_ready() {
            self.stalled = None;
        }
        ready!(sent)?;
        self.out.clear();
        self.out_at = 0;
        self.out.shrink_to(KEEP);
        Poll::Ready(Ok(()))
    }

    fn write_deadline(&self) -> Option<Instant> {
        Some(self.stalled? + Duration::from_millis(self.shared.config.write_timeout_ms))
    }

    /// Sets the timer to the next deadline. Packets do not touch it: it is checked when it fires.
    fn arm(&mut self) {
        let alive = self.last_packet + self.keep_alive;
        let paused = self.meter.as_ref().and_then(Meter::paused_until);
        let next = [self.write_deadline(), paused].into_iter().flatten().fold(alive, Instant::min);
        self.timer.as_mut().reset(next);
    }

    fn check_deadlines(&mut self) -> Result<(), End> {
        let now = Instant::now();
        if self.write_deadline().is_some_and(|at| at <= now) {
            return Err(End::NotReading);
        }
        let may_read = self.may_read();
        if let Some(pause) = self.meter.as_mut().and_then(|m| m.resume(now)) {
            limits::count_pause(&self.shared.metrics, &self.client, pause);
        }
        if !may_read {
            // We do not look at what the client sends, so we cannot blame it for silence.
            self.last_packet = now;
        }
        if self.last_packet + self.keep_alive <= now {
            return Err(End::KeepAlive);
        }
        self.arm();
        Ok(())
    }

    /// At a stop: nothing more is read; the commits under way are still acknowledged.
    async fn drain(&mut self) -> End {
        let grace = Duration::from_millis(self.shared.config.stop_grace_ms / 2);
        let commits = async {
            while !self.chunks.is_empty() {
                let committed = std::future::poll_fn(|cx| self.poll_commits(cx)).await;
                if matches!(committed, Event::Committed(Err(_))) {
                    return;
                }
            }
        };
        if timeout(grace, commits).await.is_err() {
            tracing::warn!(client = &*self.client.id, "stopped before the last commits");
        }
        End::Stopped
    }

    pub(super) fn count(&self, end: &End) {
        let metrics = &self.shared.metrics;
        match end {
            End::Broken(broken) => {
                add(&metrics.protocol_errors, 1);
                tracing::debug!(client = &*self.client.id, what = broken.what, "protocol error");
            }
            End::KeepAlive => add(&metrics.keep_alive_timeouts, 1),
            End::NotReading => add(&metrics.write_timeouts, 1),
            End::Sink => add(&metrics.sink_errors, 1),
            // Counted where it was decided.
            End::Evicted | End::Revoked => {}
            End::Client | End::ClientWithWill | End::Lost | End::TakenOver | End::Stopped => {}
        }
    }

    /// What stays behind: the session, and the last bytes for the client where the protocol has
    /// a word for this end.
    pub(super) fn part(mut self, end: &End, will: Option<Will>) -> (Parting, Stream, Vec<u8>) {
        if let Some(pause) = self.meter.as_mut().and_then(|m| m.end(Instant::now())) {
            limits::count_pause(&self.shared.metrics, &self.client, pause);
        }
        if let (true, Some(reason)) = (self.v5, end.reason()) {
            let why = Some(end.words()).filter(|_| self.max_packet >= encode::ROOM_FOR_WHY);
            encode::disconnect_v5(reason, why, &mut self.out);
        }
        let goodbye = match end {
            End::Lost | End::NotReading => Vec::new(),
            _ => self.out.split_off(self.out_at),
        };
        // What was not acknowledged will come again and is then judged again.
        for id in self.chunks.iter().flat_map(|c| &c.qos2) {
            self.session.qos2.remove(id);
        }
        let parting = Parting {
            session: self.session,
            expiry: self.expiry,
            will: will.filter(|_| end.publishes_will()),
        };
        (parting, self.stream, goodbye)
    }
}
