//! A socket from accept to its end: handshake, take-over, the will.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Duration, Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::config::GatewayConfig;
use super::connect::{self, Hello, Refused};
use super::connection::{Connection, Shared};
use super::end::{End, code};
use super::frame::{Frame, is_overlong, next_frame};
use super::identity;
use super::limits::Place;
use super::metrics::add;
use super::peer::Peer;
use super::session::{Kick, Will};
use super::sink::MessageSink;
use super::transport::Stream;
use crate::Incoming;

/// Wait for an old connection of the same client to hand its session over.
const HAND_OVER: Duration = Duration::from_secs(10);

/// Serves one accepted socket to its end. `life` is cancelled when the gateway stops or the
/// peer's certificate is revoked.
pub(super) async fn serve<S: MessageSink>(
    shared: Arc<Shared<S>>,
    mut stream: Stream,
    peer: Peer,
    life: CancellationToken,
) {
    let limit = Duration::from_millis(shared.config.connect_timeout_ms);
    let greeted = tokio::select! {
        // A client that has not said CONNECT must not hold up a stop.
        () = life.cancelled() => return,
        // On the heap, to be gone when it is done: a task is as large as its largest moment.
        greeted = Box::pin(timeout(limit, handshake(&mut stream, &shared.config))) => greeted,
    };
    let (hello, carry) = match greeted {
        Ok(Ok(greeted)) => greeted,
        Ok(Err(refused)) => return refuse(&shared, (stream, &peer), refused).await,
        Err(_) => {
            let late = Refused::silent("no connect in time");
            return refuse(&shared, (stream, &peer), late).await;
        }
    };
    tracing::trace!(?peer, client = &*hello.client_id, "connect");
    let looked = shared.registry.changes();
    let badge = match identity::admit(&shared, &hello, &peer) {
        Ok(badge) => badge,
        Err(refused) => {
            return refuse(&shared, (stream, &peer), refused.within(hello.max_packet)).await;
        }
    };
    let kick = Kick::new(life.child_token());
    let mut attached = match shared.sessions.attach(&badge, hello.clean, &kick) {
        Ok(attached) => attached,
        Err(taken) => {
            let refused = identity::tell_taken(&shared, &hello, taken);
            return refuse(&shared, (stream, &peer), refused.within(hello.max_packet)).await;
        }
    };
    if looked.has_changed().unwrap_or(false) && !badge.holds(&shared.registry) {
        // The change came before the connection was on the list of those to end.
        kick.evict();
    }
    let client = badge.client;
    if let Some(will) = attached.due_will.take() {
        Box::pin(publish_will(&shared, &will)).await;
    }
    let mut session = attached.resumed.take();
    if let (Some(inherits), false) = (attached.inherits.take(), hello.clean) {
        match timeout(HAND_OVER, inherits).await {
            Ok(handed) => session = handed.ok(),
            Err(_) => {
                let busy = Refused::new(hello.v5, code::BUSY, "old connection does not end");
                return refuse(&shared, (stream, &peer), busy.within(hello.max_packet)).await;
            }
        }
    }
    let present = session.is_some();
    let session = session.unwrap_or_else(|| shared.sessions.fresh());
    let mut out = connect::welcome(&hello, present, &shared.config);
    add(&shared.metrics.connected, 1);
    let mut connection = Connection::new(&shared, stream, (&hello, client.clone()), session, kick);
    connection.out.append(&mut out);
    connection.carry = carry;
    connection.resend();
    let mut end = connection.run().await;
    if matches!(end, End::TakenOver) && life.is_cancelled() {
        end = End::Revoked;
    }
    shared.metrics.connected.fetch_sub(1, Relaxed);
    connection.count(&end);
    let (parting, stream, goodbye) =
        connection.part(&end, hello.will.map(|w| Will { client, ..w }));
    // The session first: the connection that takes over waits for it.
    let will = attached.lease.detach(parting);
    if let Some(will) = will {
        Box::pin(publish_will(&shared, &will)).await;
    }
    if !goodbye.is_empty() || stream.says_goodbye() {
        Box::pin(linger(stream, &goodbye)).await;
    }
}

/// A place for one more connection of an address, before anything is done for it. `None`: the
/// address has too many.
pub(super) fn place<S: MessageSink>(shared: &Shared<S>, from: SocketAddr) -> Option<Place> {
    match shared.addresses.enter(from.ip(), Instant::now()) {
        Ok(place) => Some(place),
        Err(limit) => {
            add(&shared.metrics.refused_address, 1);
            tracing::debug!(peer = %from, ?limit, "address has too many");
            None
        }
    }
}

/// Reads the CONNECT; returns it and what came after it.
async fn handshake(
    stream: &mut Stream,
    config: &GatewayConfig,
) -> Result<(Hello, Vec<u8>), Refused> {
    let mut bytes = Vec::with_capacity(512);
    loop {
        match bytes.first() {
            Some(&first) if first != 0x10 => {
                return Err(Refused::silent("first packet is not connect"));
            }
            _ => {}
        }
        match next_frame(&bytes, config.max_connect_bytes) {
            Err(_) => return Err(Refused::silent("connect size")),
            Ok(Frame::Whole { first, body, total }) => {
                let hello = connect::parse(first, body, config)?;
                if hello.v5 && is_overlong(body, total) {
                    let refused = Refused::new(true, code::MALFORMED, "remaining length");
                    return Err(refused.within(hello.max_packet));
                }
                return Ok((hello, bytes.split_off(total)));
            }
            Ok(Frame::Partial(_)) => {}
        }
        bytes.reserve(512);
        match stream.read_buf(&mut bytes).await {
            Ok(0) | Err(_) => return Err(Refused::silent("closed before connect")),
            Ok(_) => {}
        }
    }
}

async fn refuse<S: MessageSink>(
    shared: &Shared<S>,
    (stream, peer): (Stream, &Peer),
    refused: Refused,
) {
    add(&shared.metrics.refused_connect, 1);
    tracing::debug!(peer = %peer.address, what = refused.what, "connect refused");
    let answer = refused.connack();
    if !answer.is_empty() || stream.says_goodbye() {
        Box::pin(linger(stream, &answer)).await;
    }
}

/// Writes the last bytes and waits a moment for the peer's end, so that unread input does not
/// turn into a reset that destroys them.
async fn linger(mut stream: Stream, bytes: &[u8]) {
    let goodbye = async {
        stream.write_all(bytes).await?;
        stream.shutdown().await?;
        let mut waste = [0; 1024];
        for _ in 0..256 {
            if stream.read(&mut waste).await? == 0 {
                break;
            }
        }
        io::Result::Ok(())
    };
    // The peer may be gone; there is nobody left to tell.
    let _ = timeout(Duration::from_millis(500), goodbye).await;
}

async fn publish_will<S: MessageSink>(shared: &Shared<S>, will: &Will) {
    let message = Incoming {
        topic: &will.topic,
        payload: &will.payload,
        retain: false,
        received: super::inbound::now(),
    };
    add(&shared.metrics.wills, 1);
    if let Err(error) = shared.sink.submit(&shared.source, &will.client, &[message]).await {
        add(&shared.metrics.sink_errors, 1);
        tracing::error!(%error, topic = will.topic, "will lost");
    }
}

pub(super) async fn publish_wills<S: MessageSink>(shared: Arc<Shared<S>>, wills: Vec<Will>) {
    for will in &wills {
        publish_will(&shared, will).await;
    }
}
