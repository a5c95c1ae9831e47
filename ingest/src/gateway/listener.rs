use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Duration, Instant, MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::buffers::Buffers;
use super::config::GatewayConfig;
use super::connection::Shared;
use super::identity;
use super::limits::{Addresses, Allowances};
use super::metrics::{GatewayMetrics, add};
use super::peer::{Peer, Via};
use super::serve;
use super::session::Sessions;
use super::sink::MessageSink;
use super::transport::Stream;
use crate::publications::Publications;
use crate::{IngestError, Intake, Registry};

/// The MQTT listener. One per process is usual; each is a door of its own in the ledger.
pub struct Gateway<S: MessageSink = Intake> {
    listener: TcpListener,
    config: GatewayConfig,
    sink: Arc<S>,
    source: S::Source,
    publications: Arc<Publications>,
    registry: Arc<Registry>,
    metrics: Arc<GatewayMetrics>,
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
    /// Opens the port and the door in the ledger; clients wait in the backlog until
    /// [`Gateway::run`]. Returns the address with the port that was picked.
    ///
    /// # Errors
    /// [`IngestError::Listen`] when the port cannot be had.
    pub async fn bind(
        config: GatewayConfig,
        sink: Arc<S>,
        publications: Arc<Publications>,
        registry: Arc<Registry>,
    ) -> Result<(Self, SocketAddr), IngestError> {
        let listen = |source: std::io::Error| IngestError::Listen {
            address: config.listen,
            source: Arc::new(source),
        };
        let listener = TcpListener::bind(config.listen).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let source = sink.source(&config.source);
        let metrics = Arc::default();
        Ok((Self { listener, config, sink, source, publications, registry, metrics }, address))
    }

    /// Counters, also after `run` has taken the gateway.
    pub fn metrics(&self) -> Arc<GatewayMetrics> {
        Arc::clone(&self.metrics)
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
        let buffer = self.config.max_packet_bytes.max(64 * 1024);
        let max_connections = self.config.max_connections.clamp(1, Semaphore::MAX_PERMITS);
        let slots = Arc::new(Semaphore::new(max_connections));
        let sessions = Sessions::new(
            Arc::clone(&self.publications),
            Arc::clone(&self.metrics),
            (self.config.max_offline_sessions, self.config.takeovers_per_min),
        );
        let addresses = Addresses::new(
            self.config.max_connections_per_address,
            self.config.connections_per_s_per_address,
            self.config.failed_sign_ins_per_min,
        );
        let shared = Arc::new(Shared {
            buffers: Arc::new(Buffers::new(self.config.read_buffers, buffer)),
            sessions: Arc::new(sessions),
            addresses: Arc::new(addresses),
            allowances: Allowances::default(),
            sink: self.sink,
            source: self.source,
            publications: self.publications,
            registry: self.registry,
            metrics: Arc::clone(&self.metrics),
            stop: stop.clone(),
            config: self.config,
        });
        tracker.spawn(identity::watch(Arc::clone(&shared)));
        let mut sweep = interval(Duration::from_secs(1));
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, address)) => {
                        let peer = Peer { address, via: Via::Tcp, names: Vec::new() };
                        admit(&tracker, &shared, &slots, (stream, peer));
                    }
                    Err(error) => {
                        add(&self.metrics.accept_errors, 1);
                        tracing::warn!(%error, "accept failed");
                        // Out of file descriptors: give connections time to end.
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                },
                _ = sweep.tick() => {
                    let wills = shared.sessions.sweep(Instant::now());
                    if !wills.is_empty() {
                        tracker.spawn(serve::publish_wills(Arc::clone(&shared), wills));
                    }
                }
            }
        }
        drop(self.listener);
        let grace = Duration::from_millis(shared.config.stop_grace_ms);
        let all = u32::try_from(max_connections).unwrap_or(u32::MAX);
        let left = timeout(grace, slots.acquire_many(all)).await;
        let cut_off = if left.is_ok() { 0 } else { max_connections - slots.available_permits() };
        if cut_off > 0 {
            tracing::warn!(cut_off, "connections still open after the grace at the stop");
        }
        Ok(GatewayStats {
            accepted: self.metrics.accepted.load(Relaxed),
            publishes: self.metrics.publishes.load(Relaxed),
            acks: self.metrics.acks.load(Relaxed),
            cut_off,
        })
    }
}

fn admit<S: MessageSink>(
    tracker: &TaskTracker,
    shared: &Arc<Shared<S>>,
    slots: &Arc<Semaphore>,
    (stream, peer): (TcpStream, Peer),
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
    tracker.spawn(run_one(Arc::clone(shared), (Stream::Tcp(stream), peer), slot));
}

async fn run_one<S: MessageSink>(
    shared: Arc<Shared<S>>,
    (stream, peer): (Stream, Peer),
    slot: OwnedSemaphorePermit,
) {
    serve::serve(shared, stream, peer).await;
    drop(slot);
}
