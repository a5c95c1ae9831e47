use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{SystemTime, UNIX_EPOCH};

use ioc_model::Timestamp;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Duration, Instant, MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::buffers::Buffers;
use super::config::GatewayConfig;
use super::connection::Shared;
use super::door::GatewayDoor;
use super::identity;
use super::limits::Place;
use super::limits::{Addresses, Allowances};
use super::metrics::{GatewayMetrics, add};
use super::peer::{Peer, Via};
use super::serve;
use super::session::Sessions;
use super::sink::MessageSink;
use super::transport::{Shown, Stream, Tls, TlsHandle};
use crate::publications::Publications;
use crate::{IngestError, Intake, Registry};

/// Connections the kernel may hold until they are accepted; it takes less where
/// `net.core.somaxconn` is smaller. A whole city reconnects at once.
const BACKLOG: u32 = 16_384;

/// The MQTT listeners. One gateway per process is usual; each is a door of its own in the ledger.
pub struct Gateway<S: MessageSink = Intake> {
    tcp: Option<TcpListener>,
    tls: Option<(TcpListener, Arc<Tls>)>,
    pub(super) shared: Arc<Shared<S>>,
    slots: Arc<Semaphore>,
}

/// Where a gateway listens, with the ports that were picked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GatewayAddresses {
    /// MQTT without TLS.
    pub tcp: Option<SocketAddr>,
    /// MQTT in TLS.
    pub tls: Option<SocketAddr>,
}

/// What a gateway did in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GatewayStats {
    /// Sockets accepted.
    pub accepted: u64,
    /// Publishes handed to the intake.
    pub publishes: u64,
    /// Acks written after their commit.
    pub acks: u64,
    /// Connections that were still open when the grace at the stop was over.
    pub cut_off: usize,
}

impl<S: MessageSink> Gateway<S> {
    /// Opens the ports and the door in the ledger; clients wait in the backlog until
    /// [`Gateway::run`]. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// [`IngestError::Listen`] when a port cannot be had, [`IngestError::Tls`] when a file of the
    /// TLS listener cannot be used.
    pub async fn bind(
        config: GatewayConfig,
        sink: Arc<S>,
        publications: Arc<Publications>,
        registry: Arc<Registry>,
    ) -> Result<(Self, GatewayAddresses), IngestError> {
        let metrics = Arc::<GatewayMetrics>::default();
        let tls = config.tls.clone().map(|tls| Tls::new(tls, Arc::clone(&metrics))).transpose()?;
        let tcp = config.listen.map(listen).transpose()?;
        let tls = match tls {
            Some(tls) => Some((listen(tls.config().listen)?, Arc::new(tls))),
            None => None,
        };
        let addresses = GatewayAddresses {
            tcp: tcp.as_ref().map(|(_, address)| *address),
            tls: tls.as_ref().map(|((_, address), _)| *address),
        };
        let sessions = Sessions::new(
            Arc::clone(&publications),
            Arc::clone(&metrics),
            (config.max_offline_sessions, config.takeovers_per_min),
        );
        let by_address = Addresses::new(
            config.max_connections_per_address,
            config.connections_per_s_per_address,
            config.failed_sign_ins_per_min,
        );
        let buffer = config.max_packet_bytes.max(64 * 1024);
        let slots = Semaphore::new(config.max_connections.clamp(1, Semaphore::MAX_PERMITS));
        let shared = Arc::new(Shared {
            buffers: Arc::new(Buffers::new(config.read_buffers, buffer)),
            sessions: Arc::new(sessions),
            addresses: Arc::new(by_address),
            allowances: Allowances::default(),
            source: sink.source(&config.source),
            sink,
            publications,
            registry,
            metrics,
            stop: CancellationToken::new(),
            config,
        });
        let gateway = Self {
            tcp: tcp.map(|(listener, _)| listener),
            tls: tls.map(|((listener, _), tls)| (listener, tls)),
            shared,
            slots: Arc::new(slots),
        };
        Ok((gateway, addresses))
    }

    /// Counters, also after `run` has taken the gateway.
    pub fn metrics(&self) -> Arc<GatewayMetrics> {
        Arc::clone(&self.shared.metrics)
    }

    /// The TLS listener's certificates; `None`: there is no such listener.
    pub fn tls(&self) -> Option<TlsHandle> {
        self.tls.as_ref().map(|(_, tls)| TlsHandle(Arc::clone(tls)))
    }

    /// Takes connections that someone else has accepted. They count as connections of this
    /// gateway and end with it.
    pub fn door(&self) -> GatewayDoor<S> {
        GatewayDoor::new(Arc::clone(&self.shared), Arc::clone(&self.slots))
    }

    /// Serves until `stop`; connections are tasks on `tracker`. At a stop no more is accepted or
    /// read, commits under way are acknowledged, and MQTT 5 clients are told (0x8B); wills are
    /// not published.
    ///
    /// # Errors
    /// None today: trouble of one connection ends that connection, trouble of `accept` is counted
    /// and tried again.
    pub async fn run(
        self,
        tracker: TaskTracker,
        stop: CancellationToken,
    ) -> Result<GatewayStats, IngestError> {
        let Self { tcp, tls, shared, slots } = self;
        let (secure, tls) = tls.unzip();
        tracker.spawn(identity::watch(Arc::clone(&shared)));
        let mut sweep = interval(Duration::from_secs(1));
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                stream = accept(tcp.as_ref(), &shared.metrics) => {
                    admit(&tracker, &shared, &slots, (stream, None));
                }
                stream = accept(secure.as_ref(), &shared.metrics) => {
                    admit(&tracker, &shared, &slots, (stream, tls.clone()));
                }
                _ = sweep.tick() => {
                    let wills = shared.sessions.sweep(Instant::now());
                    if !wills.is_empty() {
                        tracker.spawn(serve::publish_wills(Arc::clone(&shared), wills));
                    }
                    if let Some(tls) = tls.clone() {
                        tracker.spawn_blocking(move || tls.look(wall()));
                    }
                }
            }
        }
        drop((tcp, secure));
        shared.stop.cancel();
        let max_connections = shared.config.max_connections.clamp(1, Semaphore::MAX_PERMITS);
        let grace = Duration::from_millis(shared.config.stop_grace_ms);
        let all = u32::try_from(max_connections).unwrap_or(u32::MAX);
        let left = timeout(grace, slots.acquire_many(all)).await;
        let cut_off = if left.is_ok() { 0 } else { max_connections - slots.available_permits() };
        if cut_off > 0 {
            tracing::warn!(cut_off, "connections still open after the grace at the stop");
        }
        let metrics = &shared.metrics;
        Ok(GatewayStats {
            accepted: metrics.accepted.load(Relaxed),
            publishes: metrics.publishes.load(Relaxed),
            acks: metrics.acks.load(Relaxed),
            cut_off,
        })
    }
}

/// What certificates and lists of revoked ones are compared with.
fn wall() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), IngestError> {
    let open = || {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let listener = socket.listen(BACKLOG)?;
        let bound = listener.local_addr()?;
        Ok((listener, bound))
    };
    open()
        .map_err(|source: std::io::Error| IngestError::Listen { address, source: Arc::new(source) })
}

/// The next connection; never, without a listener.
async fn accept(
    listener: Option<&TcpListener>,
    metrics: &GatewayMetrics,
) -> (TcpStream, SocketAddr) {
    let Some(listener) = listener else { return pending().await };
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) => {
                add(&metrics.accept_errors, 1);
                tracing::warn!(%error, "accept failed");
                // Out of file descriptors: give connections time to end.
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

fn admit<S: MessageSink>(
    tracker: &TaskTracker,
    shared: &Arc<Shared<S>>,
    slots: &Arc<Semaphore>,
    ((stream, address), tls): ((TcpStream, SocketAddr), Option<Arc<Tls>>),
) {
    add(&shared.metrics.accepted, 1);
    let Ok(slot) = Arc::clone(slots).try_acquire_owned() else {
        add(&shared.metrics.refused_full, 1);
        tracing::debug!("too many connections");
        return;
    };
    // Acks are small; with Nagle they would wait for the client's delayed ACK.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let Some(place) = serve::place(shared, address) else { return };
    let shared = Arc::clone(shared);
    match tls {
        None => tracker.spawn(run_plain(shared, stream, address, (place, slot))),
        Some(tls) => tracker.spawn(run_tls(shared, tls, (stream, address), (place, slot))),
    };
}

/// What a connection occupies as long as it lives.
type Hold = (Place, OwnedSemaphorePermit);

async fn run_plain<S: MessageSink>(
    shared: Arc<Shared<S>>,
    stream: TcpStream,
    address: SocketAddr,
    hold: Hold,
) {
    let peer = Peer { address, via: Via::Tcp, names: Vec::new() };
    let life = shared.stop.clone();
    serve::serve(shared, Stream::Tcp(stream), peer, life).await;
    drop(hold);
}

async fn run_tls<S: MessageSink>(
    shared: Arc<Shared<S>>,
    tls: Arc<Tls>,
    (stream, address): (TcpStream, SocketAddr),
    hold: Hold,
) {
    let life = shared.stop.child_token();
    let shaken = {
        // On the heap, to be gone when it is done.
        let handshake = Box::pin(tls.handshake(stream, &life));
        tokio::select! {
            () = life.cancelled() => return,
            shaken = handshake => shaken,
        }
    };
    let Some((stream, shown)) = shaken else { return };
    let Shown { names, stay } = shown;
    let peer = Peer { address, via: Via::Tls, names };
    serve::serve(shared, Stream::Tls(stream), peer, life).await;
    drop((stay, hold));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size<A, B, C, D, F: Future>(_: impl FnOnce(A, B, C, D) -> F) -> usize {
        size_of::<F>()
    }

    /// Goal: 8 KiB of memory for an idle connection, of which the task is the largest part.
    #[test]
    fn tasks_of_connections_are_small() {
        let (plain, tls) = (size(run_plain::<Intake>), size(run_tls::<Intake>));
        println!("task of a connection: plain {plain} B, tls {tls} B");
        assert!(plain <= 3_328 && tls <= 3_584, "plain {plain}, tls {tls}");
    }
}
