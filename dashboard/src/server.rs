//! The accept loop: warp's filters behind our own limits, because `warp::serve` has no header
//! timeout, no connection limit, and panics on a taken port.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::context::Context;
use crate::long::{Counter, SENT, TAKEN_AT_LEAST};
use crate::origin::Origins;
use crate::reply::{REQUEST_ID, finish};
use crate::router::{Peer, filter};
use crate::{DashboardConfig, DashboardError, Parts};

/// Changes become visible in steps of this, half of the default interval of clients.
const TICK: Duration = Duration::from_millis(100);
const TICKS_PER_SWEEP: u32 = 10;
const BACKLOG: u32 = 1_024;
const MAX_HEAD_BYTES: usize = 16 * 1_024;
const MAX_HEADERS: usize = 64;
/// What a connection may take to end after it was told to.
const GRACE: Duration = Duration::from_secs(10);
/// Pause after a failed accept (out of descriptors), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A bound server that does not serve yet.
pub struct Dashboard {
    listener: TcpListener,
    config: DashboardConfig,
    origins: Origins,
    parts: Parts,
}

impl std::fmt::Debug for Dashboard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dashboard").field("listener", &self.listener).finish_non_exhaustive()
    }
}

impl Dashboard {
    /// Takes the address; connections queue in the kernel until [`Dashboard::run`]. Must be called
    /// inside a tokio runtime. Returns the address with its real port.
    ///
    /// # Errors
    /// [`DashboardError`] when a setting makes no sense or the address is taken.
    pub fn bind(
        config: DashboardConfig,
        parts: Parts,
    ) -> Result<(Self, SocketAddr), DashboardError> {
        config.check()?;
        let origins = Origins::new(&config.allowed_origins)?;
        let failed = |source| DashboardError::Listen { listen: config.listen, source };
        let listener = listen(&config).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok((Self { listener, config, origins, parts }, address))
    }

    /// Serves until `stop`; then takes no more connections, asks the open ones to end (sockets
    /// are closed with code 1001), waits for them at most 10 s, and returns. Connections and
    /// sockets are tasks of `tracker`.
    ///
    /// # Errors
    /// None at present; a failed accept is logged and tried again.
    pub async fn run(
        self,
        tracker: TaskTracker,
        stop: CancellationToken,
    ) -> Result<(), DashboardError> {
        let Self { listener, config, origins, parts } = self;
        // What runs for this server alone, so that its end can be waited for.
        let own = TaskTracker::new();
        let (tasks, stopping) = (own.clone(), stop.clone());
        let context = Arc::new(Context::new(config, parts, origins, tasks, stopping));
        tracker.spawn(own.track_future(keep_time(Arc::clone(&context))));
        let service = TowerToHyperService::new(warp::service(filter(Arc::clone(&context))));
        let limit = Arc::new(Semaphore::new(context.config.max_connections));
        let ids = Arc::new(RequestIds::default());
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = accept(&listener, &limit) => accepted,
            };
            let Some((permit, stream, peer)) = accepted else { continue };
            let connection =
                Connection { stream, peer, ids: Arc::clone(&ids), context: Arc::clone(&context) };
            let service = service.clone();
            tracker.spawn(own.track_future(async move {
                connection.serve(service).await;
                drop(permit);
            }));
        }
        drop(listener);
        own.close();
        if tokio::time::timeout(GRACE, own.wait()).await.is_err() {
            tracing::warn!(open = own.len(), "connections did not end in time");
        }
        Ok(())
    }
}

fn listen(config: &DashboardConfig) -> std::io::Result<TcpListener> {
    let socket = match config.listen {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    // Accepted sockets inherit it.
    socket.set_send_buffer_size(config.send_buffer_bytes)?;
    socket.bind(config.listen)?;
    socket.listen(BACKLOG)
}

async fn accept(
    listener: &TcpListener,
    limit: &Arc<Semaphore>,
) -> Option<(tokio::sync::OwnedSemaphorePermit, TcpStream, Peer)> {
    let permit = Arc::clone(limit).acquire_owned().await.ok()?;
    let (stream, remote) = match listener.accept().await {
        Ok(accepted) => accepted,
        Err(error) => {
            tracing::warn!(%error, "accept failed");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            return None;
        }
    };
    let local = stream.local_addr().ok()?;
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    Some((permit, stream, Peer { remote, local }))
}

struct Connection {
    stream: TcpStream,
    peer: Peer,
    ids: Arc<RequestIds>,
    context: Arc<Context>,
}

impl Connection {
    async fn serve<S>(self, service: S)
    where
        S: Service<
                hyper::Request<hyper::body::Incoming>,
                Response = warp::reply::Response,
                Error = std::convert::Infallible,
            > + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send,
    {
        let Self { stream, peer, ids, context } = self;
        let (secure, limits) = (context.config.secure, context.config.clone());
        let sent = Counter::default();
        let counter = sent.clone();
        let with_peer = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
            request.extensions_mut().insert(peer);
            let id = ids.next();
            let answer = REQUEST_ID.scope(id.clone(), service.call(request));
            let answer = SENT.scope(counter.clone(), answer);
            async move {
                let Ok(answer) = answer.await;
                Ok::<_, std::convert::Infallible>(finish(answer, secure, &id))
            }
        });
        let http = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(Duration::from_secs(limits.header_timeout_s))
            .max_buf_size(MAX_HEAD_BYTES)
            .max_headers(MAX_HEADERS)
            .serve_connection(TokioIo::new(stream), with_peer)
            .with_upgrades();
        context.stats.connections_open.fetch_add(1, Relaxed);
        let mut http = std::pin::pin!(http);
        let ended = tokio::select! {
            ended = http.as_mut() => Some(ended),
            () = context.stop.cancelled() => None,
            () = outlived(Duration::from_secs(limits.connection_max_s), &sent) => None,
        };
        let ended = match ended {
            Some(ended) => ended,
            None => {
                http.as_mut().graceful_shutdown();
                tokio::time::timeout(GRACE, http).await.unwrap_or(Ok(()))
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, peer = %peer.remote, "connection ended");
        }
        context.stats.connections_open.fetch_sub(1, Relaxed);
    }
}

/// The connection is older than `most`, and in the last such time nobody has taken much of a long
/// answer.
async fn outlived(most: Duration, sent: &Counter) {
    let mut before = 0;
    loop {
        tokio::time::sleep(most).await;
        let now = sent.bytes();
        if now - before < TAKEN_AT_LEAST {
            return;
        }
        before = now;
    }
}

/// Ids that lead from an answer to the log.
#[derive(Debug)]
struct RequestIds {
    start: u32,
    next: AtomicU64,
}

impl Default for RequestIds {
    fn default() -> Self {
        Self { start: rand::random(), next: AtomicU64::new(0) }
    }
}

impl RequestIds {
    fn next(&self) -> String {
        format!("{:08x}-{:x}", self.start, self.next.fetch_add(1, Relaxed))
    }
}

/// Closes ticks and sweeps for staleness.
async fn keep_time(context: Arc<Context>) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut n = 0u32;
    loop {
        tokio::select! {
            () = context.stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        if n.is_multiple_of(TICKS_PER_SWEEP) {
            context.parts.live.sweep(context.wall());
        }
        n = n.wrapping_add(1);
        context.parts.live.close_tick();
    }
}
