//! One task per WebSocket. It remembers only the number of the last change it sent and asks the
//! live state what changed since, so a slow client gets fewer, fuller frames and holds nothing
//! up. Alerts do not wait for a tick; a list of them goes out page by page between the others. One
//! frame is in flight; one that takes longer than `send_timeout_s` ends the socket.

mod listing;
pub(crate) mod message;
mod pace;
mod rights;
mod seats;
mod socket;
mod topic;

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use bytes::Bytes;
use ioc_model::Scope;
use serde_json::json;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};
use tokio_tungstenite::tungstenite;
use warp::http::StatusCode;
use warp::reply::Response;

use crate::Identity;
use crate::context::Context;
use crate::live::{AlertBatch, FloodState, View};
use crate::reply::ApiError;
use crate::router::Admitted;
use crate::upgrade::Handshake;
use listing::{Done, Listing, Step};
use message::{Inbound, Resume, Sub};
use pace::{InboundRate, Pace};
pub(crate) use seats::Seats;
use seats::{Place, Standing};
use socket::{Said, Socket};
use topic::Topic;

const PROTO: u32 = 1;
/// The pace that a client gets which does not ask.
const DEFAULT_HZ: f64 = 5.0;
const HEARTBEAT: Duration = Duration::from_secs(1);
/// What a close frame may take on a socket that may be stuck.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Of a topic that is refused, so much is said again.
const MAX_TOPIC_CHARS: usize = 64;

const GOING_AWAY: u16 = 1001;
const BAD_DATA: u16 = 1007;
const POLICY: u16 = 1008;
const TRY_LATER: u16 = 1013;

/// Upgrades a request that has passed all checks.
pub(crate) fn accept(call: Admitted) -> Result<Response, ApiError> {
    let Admitted { context, session, scope, mut request, .. } = call;
    let handshake = Handshake::of(&mut request)?;
    let (who, token) = session.ok_or_else(ApiError::unauthorized)?;
    let from = request.peer.remote.ip();
    let place = context.seats.join(&context, &who, &token, from).ok_or_else(|| {
        context.stats.sockets_refused.fetch_add(1, Relaxed);
        let status = StatusCode::TOO_MANY_REQUESTS;
        let error = ApiError::new(status, "too_many_sockets", "too many of yours are open");
        ApiError { retry_after_s: Some(15), ..error }
    })?;
    let permit = Arc::clone(&context.sockets).try_acquire_owned().map_err(|_| {
        context.stats.sockets_refused.fetch_add(1, Relaxed);
        let status = StatusCode::SERVICE_UNAVAILABLE;
        let error = ApiError::new(status, "too_many_sockets", "too many screens are open");
        ApiError { retry_after_s: Some(15), ..error }
    })?;
    let answer = handshake.answer();
    let tracker = context.tracker.clone();
    tracker.spawn(async move {
        let Some(stream) = handshake.done().await else { return };
        context.stats.sockets_opened.fetch_add(1, Relaxed);
        context.stats.sockets_open.fetch_add(1, Relaxed);
        let socket = Socket::new(stream).await;
        Client::new(Arc::clone(&context), socket, who, scope, place).serve().await;
        context.stats.sockets_open.fetch_sub(1, Relaxed);
        drop(permit);
    });
    Ok(answer)
}

/// Why a socket ends.
#[derive(Debug)]
enum End {
    /// The client went.
    Gone,
    /// We end it, with this code and reason.
    Close(u16, &'static str),
}

struct Client {
    context: Arc<Context>,
    socket: Socket,
    who: Arc<Identity>,
    place: Place,
    /// What it sees: what it may, and of that what it wants.
    view: Arc<View>,
    /// What it wants to see; `None`: everything it may.
    filter: Option<Scope>,
    wants_state: bool,
    wants_tiles: bool,
    /// Number of the last change sent; `None`: send everything.
    sent: Option<u32>,
    /// Alert changes up to here have been sent.
    change: u64,
    alerts: Option<broadcast::Receiver<Arc<AlertBatch>>>,
    /// A list under way; changes wait until it is complete.
    listing: Option<Listing>,
    flood: watch::Receiver<FloodState>,
    /// It was told of a flood that it does not know the end of.
    flooded: bool,
    tiles: u64,
    rev: u64,
    ticks: Interval,
    pace: Pace,
    inbound: InboundRate,
}

impl Client {
    fn new(
        context: Arc<Context>,
        socket: Socket,
        who: Identity,
        scope: Scope,
        place: Place,
    ) -> Self {
        let now = Instant::now();
        let view = context.parts.live.view(&scope);
        Self {
            rev: context.parts.live.rev(&view),
            view,
            filter: None,
            flooded: false,
            flood: context.parts.live.subscribe_flood(),
            context,
            socket,
            who: Arc::new(who),
            place,
            wants_state: false,
            wants_tiles: false,
            sent: None,
            change: 0,
            alerts: None,
            listing: None,
            tiles: 0,
            ticks: ticks(DEFAULT_HZ),
            pace: Pace::new(DEFAULT_HZ, now),
            inbound: InboundRate::new(now),
        }
    }

    async fn serve(mut self) {
        let end = match self.run().await {
            Ok(never) => never,
            Err(end) => end,
        };
        tracing::debug!(user = self.who.user, ?end, "socket ended");
        if let End::Close(code, reason) = end {
            if code == TRY_LATER {
                self.context.stats.sockets_closed_slow.fetch_add(1, Relaxed);
            }
            let close = self.socket.close(code, reason);
            // A peer that is gone or stuck is no news here.
            let _ = tokio::time::timeout(CLOSE_TIMEOUT, close).await;
        }
    }

    async fn run(&mut self) -> Result<End, End> {
        let stop = self.context.stop.clone();
        let mut hearts = every(HEARTBEAT);
        self.hello().await?;
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(End::Close(GOING_AWAY, "server stops")),
                batch = next_batch(&mut self.alerts), if self.listing.is_none() => {
                    self.alerts_came(batch).await?;
                }
                step = next_step(&mut self.listing) => self.list_came(step).await?,
                Ok(()) = self.flood.changed(), if self.hears_floods() => {
                    self.tell_flood().await?;
                }
                said = self.socket.next() => self.message_came(said).await?,
                _ = self.ticks.tick() => self.tick().await?,
                _ = hearts.tick() => {
                    let heartbeat = self.context.parts.live.heartbeat(self.context.wall());
                    self.send(heartbeat.into()).await?;
                }
                Ok(()) = self.place.standing.changed() => self.rights_changed().await?,
            }
        }
    }

    async fn say(&mut self, text: String) -> Result<(), End> {
        let bytes = text.len();
        let sent = within(&self.context, self.socket.text(text)).await;
        self.count(bytes, sent)
    }

    async fn send(&mut self, frame: Bytes) -> Result<(), End> {
        let bytes = frame.len();
        let sent = within(&self.context, self.socket.binary(frame)).await;
        self.count(bytes, sent)
    }

    fn count(&self, bytes: usize, sent: Result<(), End>) -> Result<(), End> {
        if sent.is_ok() {
            self.context.stats.frames_sent.fetch_add(1, Relaxed);
            self.context.stats.frame_bytes_sent.fetch_add(bytes as u64, Relaxed);
        }
        sent
    }

    async fn hello(&mut self) -> Result<(), End> {
        let live = &self.context.parts.live;
        let hello = json!({
            "t": "hello", "proto": PROTO, "epoch": live.epoch(), "seq": live.seq(),
            "rev": self.rev, "server_ms": self.context.wall(), "tick_ms": 200,
            "user": self.who.user, "role": self.who.role(),
            "can": self.who.can(&self.context.parts.city), "build": crate::assets::build(),
        });
        self.say(hello.to_string()).await
    }

    async fn message_came(&mut self, said: Said) -> Result<(), End> {
        if said == Said::Gone {
            return Err(End::Gone);
        }
        if !self.inbound.take(Instant::now()) {
            return Err(End::Close(POLICY, "too many messages"));
        }
        let Said::Text(text) = said else { return Ok(()) };
        match message::parse(&text) {
            Ok(Inbound::Sub(sub)) => self.subscribe(sub).await,
            Ok(Inbound::Ping(id)) => {
                let pong = json!({ "t": "pong", "id": id, "server_ms": self.context.wall() });
                self.say(pong.to_string()).await
            }
            Ok(Inbound::Unknown) => Ok(()),
            Err(error) => {
                tracing::debug!(%error, "socket message is not understood");
                Err(End::Close(BAD_DATA, "message is not understood"))
            }
        }
    }

    async fn subscribe(&mut self, sub: Sub) -> Result<(), End> {
        let hz = sub.hz.unwrap_or(DEFAULT_HZ).clamp(message::MIN_HZ, message::MAX_HZ);
        if hz != self.pace.asked() {
            self.ticks = ticks(hz);
            self.pace = Pace::new(hz, Instant::now());
        }
        let live = Arc::clone(&self.context.parts.live);
        let (topics, refused) = topic::admit(&sub.topics, &self.who, &self.context.parts.city);
        for (topic, code) in refused {
            let topic: String = topic.chars().take(MAX_TOPIC_CHARS).collect();
            let refused = json!({ "t": "refused", "topic": topic, "code": code });
            self.say(refused.to_string()).await?;
        }
        let wants = |topic| topics.contains(&topic);
        self.filter = sub.filter(&self.context.parts.city);
        if let Ok(scope) = Topic::State.scope(&self.who, &self.context.parts.city) {
            let scope = self.wanted(scope);
            if scope != *self.view.scope() {
                self.view = live.view(&scope);
                (self.sent, self.tiles) = (None, 0);
            }
        }
        if let Some(Resume { epoch, seq, .. }) = &sub.resume {
            let held = *epoch == live.epoch() && *seq <= live.seq();
            self.sent = held.then_some(*seq);
        }
        if wants(Topic::Alerts) {
            // First listen, then read: what changes in between comes twice, not never.
            self.alerts.get_or_insert_with(|| live.subscribe_alerts());
            let resume = sub.resume.as_ref().map(|r| r.change).filter(|c| *c > 0);
            self.listing = Some(Listing::start(&self.context, self.view.scope(), resume));
            // A page that was away may still show a flood that is over.
            let on = self.flood.borrow_and_update().on;
            if self.hears_floods() && (on || sub.resume.is_some()) {
                self.tell_flood().await?;
            }
        } else {
            (self.alerts, self.listing) = (None, None);
        }
        (self.wants_state, self.wants_tiles) = (wants(Topic::State), wants(Topic::Tiles));
        self.pace.counts(self.wants_state, Instant::now());
        self.changes(true).await
    }

    /// Of what it may see, what it wants to see.
    fn wanted(&self, scope: Scope) -> Scope {
        match &self.filter {
            Some(filter) => scope.and(filter),
            None => scope,
        }
    }

    async fn tick(&mut self) -> Result<(), End> {
        self.changes(false).await?;
        if let Some(hz) = self.pace.tick(Instant::now()) {
            self.say(json!({ "t": "slow", "hz": hz }).to_string()).await?;
        }
        Ok(())
    }

    /// What changed since the last tick. Nothing is sent when nothing did, but the answer to a
    /// subscription is always a frame, so that the page knows that it is up to date.
    async fn changes(&mut self, answer: bool) -> Result<(), End> {
        let live = Arc::clone(&self.context.parts.live);
        let rev = live.rev(&self.view);
        if rev != self.rev && (self.wants_state || self.wants_tiles) {
            self.rev = rev;
            self.say(json!({ "t": "rev", "rev": rev }).to_string()).await?;
        }
        if self.wants_state {
            let (frame, seq) = live.frame(&self.view, self.sent, self.context.wall());
            let frame =
                frame.or_else(|| answer.then(|| live.empty_frame(seq, self.context.wall())));
            if let Some(frame) = frame {
                self.send(frame).await?;
            }
            self.sent = Some(seq);
        }
        if self.wants_tiles {
            let (number, tiles) = live.tiles(&self.view);
            if number != self.tiles {
                self.tiles = number;
                self.say(format!(r#"{{"t":"tiles","tiles":{tiles}}}"#)).await?;
            }
        }
        Ok(())
    }

    async fn alerts_came(&mut self, batch: Result<Arc<AlertBatch>, RecvError>) -> Result<(), End> {
        match batch {
            Ok(batch) => {
                self.change = self.change.max(batch.change);
                match batch.within(self.view.scope()) {
                    Some(text) => self.say(text).await,
                    None => Ok(()),
                }
            }
            Err(RecvError::Lagged(missed)) => {
                tracing::warn!(
                    missed,
                    user = self.who.user,
                    "socket is behind, reads the register"
                );
                self.context.stats.alert_gaps.fetch_add(1, Relaxed);
                let scope = self.view.scope();
                self.listing = Some(Listing::catch_up(&self.context, scope, self.change));
                Ok(())
            }
            Err(RecvError::Closed) => {
                self.alerts = None;
                Ok(())
            }
        }
    }

    async fn list_came(&mut self, step: Step) -> Result<(), End> {
        let (text, done) = match step {
            Step::Part(text) => (Some(text), None),
            Step::Last(text, done) => (text, Some(done)),
            Step::Reset(done) => (Some(reset_text()), Some(done)),
            Step::Failed => return Err(End::Close(TRY_LATER, "alerts cannot be read")),
        };
        if let Some(text) = text {
            self.say(text).await?;
        }
        if let Some(Done(change)) = done {
            self.change = change;
            self.listing = None;
        }
        Ok(())
    }
}

/// One message in flight, with a limit on its time.
async fn within(
    context: &Context,
    sending: impl Future<Output = Result<(), tungstenite::Error>>,
) -> Result<(), End> {
    let limit = Duration::from_secs(context.config.send_timeout_s);
    match tokio::time::timeout(limit, sending).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(End::Gone),
        Err(_) => Err(End::Close(TRY_LATER, "too slow")),
    }
}

fn reset_text() -> String {
    json!({ "t": "alerts_reset" }).to_string()
}

async fn next_batch(
    alerts: &mut Option<broadcast::Receiver<Arc<AlertBatch>>>,
) -> Result<Arc<AlertBatch>, RecvError> {
    match alerts {
        Some(alerts) => alerts.recv().await,
        None => std::future::pending().await,
    }
}

async fn next_step(listing: &mut Option<Listing>) -> Step {
    match listing {
        Some(listing) => listing.step().await,
        None => std::future::pending().await,
    }
}

fn ticks(hz: f64) -> Interval {
    every(Duration::from_secs_f64(1.0 / hz))
}

fn every(period: Duration) -> Interval {
    let mut interval = interval_at(Instant::now() + period, period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}
