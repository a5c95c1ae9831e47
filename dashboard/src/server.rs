//! The accept loop: warp's filters behind our own limits, because `warp::serve` has no header
//! timeout, no connection limit, and panics on a taken port.

mod guard;
mod io;
mod pool;
mod proxy;
mod redirect;
mod tls;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use warp::reply::Response;

use crate::context::{Context, Stats};
use crate::long::{Counter, SENT, TAKEN_AT_LEAST};
use crate::origin::Origins;
use crate::reply::{ApiError, REQUEST_ID, finish};
use crate::router::filter;
use crate::{DashboardConfig, DashboardError, Parts};

use io::{Answer, HasBody, Watched};
use pool::{Pool, Seat, Slot};
use proxy::{Ends, Proxies};
use tls::Handshakes;

pub(crate) use pool::SLOT;
pub use proxy::{Network, NotANetwork};

/// Changes become visible in steps of this, half of the default interval of clients.
const TICK: Duration = Duration::from_millis(100);
const TICKS_PER_SWEEP: u32 = 10;
const BACKLOG: u32 = 4_096;
const MAX_HEAD_BYTES: usize = 16 * 1_024;
const MAX_HEADERS: usize = 64;
/// What a connection may take to end after it was told to.
const GRACE: Duration = Duration::from_secs(10);
/// Pause after a failed accept (out of descriptors), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Connections of the address that only sends browsers on.
const MAX_REDIRECTS: usize = 256;

/// A bound server that does not serve yet.
pub struct Dashboard {
    listener: TcpListener,
    redirect: Option<TcpListener>,
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
    /// [`DashboardError`] when a setting makes no sense or an address is taken.
    pub fn bind(
        config: DashboardConfig,
        parts: Parts,
    ) -> Result<(Self, SocketAddr), DashboardError> {
        config.check()?;
        parts.auth.configure(config.sessions, config.second_factor_for.clone());
        let https = config.secure || parts.tls.is_some();
        let origins = Origins::new(&config.allowed_origins, https)?;
        let listener = listen(&config, config.listen)?;
        let failed = |source| DashboardError::Listen { listen: config.listen, source };
        let address = listener.local_addr().map_err(failed)?;
        let redirect = config.tls.as_ref().and_then(|tls| tls.redirect_from);
        let redirect = redirect.map(|at| listen(&config, at)).transpose()?;
        Ok((Self { listener, redirect, config, origins, parts }, address))
    }

    /// The plain address that sends browsers to HTTPS, with its real port.
    pub fn redirects_from(&self) -> Option<SocketAddr> {
        self.redirect.as_ref().and_then(|listener| listener.local_addr().ok())
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
        let Self { listener, redirect, config, origins, parts } = self;
        // What runs for this server alone, so that its end can be waited for.
        let own = TaskTracker::new();
        let limit =
            Duration::from_millis(config.tls.as_ref().map_or(5_000, |t| t.handshake_timeout_ms));
        let handshakes = parts.tls.clone().map(|source| Handshakes::new(source, limit));
        let proxies = Proxies::new(config.trusted_proxies.clone(), config.secure);
        let (tasks, stopping) = (own.clone(), stop.clone());
        let context = Arc::new(Context::new(config, parts, origins, tasks, stopping));
        let most = context.config.max_connections;
        let per_address = context.config.max_connections_per_address;
        let server = Arc::new(Server {
            pool: Pool::new(most, per_address, proxies.clone()),
            proxies,
            handshakes,
            ids: RequestIds::default(),
            context,
        });
        tracker.spawn(own.track_future(keep_time(Arc::clone(&server))));
        let service = TowerToHyperService::new(warp::service(filter(Arc::clone(&server.context))));
        if let Some(redirect) = redirect {
            let port = listener.local_addr().map_or(443, |a| a.port());
            let send_on =
                send_on(Arc::clone(&server), redirect, (tracker.clone(), own.clone()), port);
            tracker.spawn(own.track_future(send_on));
        }
        let limit = Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS)));
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = accept(&listener, &limit, &server.pool) => accepted,
            };
            let Some((permit, stream, ends)) = accepted else { continue };
            let Some(seat) = server.seat(ends) else { continue };
            let (server, service) = (Arc::clone(&server), service.clone());
            tracker.spawn(own.track_future(async move {
                server.serve(stream, ends, seat, service).await;
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

fn listen(config: &DashboardConfig, at: SocketAddr) -> Result<TcpListener, DashboardError> {
    let open = || {
        let socket = match at {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        socket.set_reuseaddr(true)?;
        // Accepted sockets inherit it.
        socket.set_send_buffer_size(config.send_buffer_bytes)?;
        socket.bind(at)?;
        socket.listen(BACKLOG)
    };
    open().map_err(|source| DashboardError::Listen { listen: at, source })
}

async fn accept(
    listener: &TcpListener,
    limit: &Arc<Semaphore>,
    pool: &Pool,
) -> Option<(OwnedSemaphorePermit, TcpStream, Ends)> {
    let permit = Arc::clone(limit).acquire_owned().await.ok()?;
    let (stream, remote) = match listener.accept().await {
        Ok(accepted) => accepted,
        Err(error) => {
            let closed = pool.make_room();
            tracing::warn!(%error, closed, "accept failed");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            return None;
        }
    };
    let local = stream.local_addr().ok()?;
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    Some((permit, stream, Ends { remote, local, tls: false }))
}

/// What connections share.
struct Server {
    pool: Arc<Pool>,
    proxies: Proxies,
    handshakes: Option<Handshakes>,
    ids: RequestIds,
    context: Arc<Context>,
}

type WarpBody = <Response as HasBody>::Body;

/// The routes, as hyper calls them.
trait Routes:
    Service<hyper::Request<Incoming>, Response = Response, Error = Infallible, Future: Send>
    + Clone
    + Send
    + Sync
    + 'static
{
}

impl<S> Routes for S where
    S: Service<hyper::Request<Incoming>, Response = Response, Error = Infallible, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static
{
}

impl Server {
    fn stats(&self) -> &Stats {
        &self.context.stats
    }

    /// A place for a new connection; `None`: its address has too many.
    fn seat(&self, ends: Ends) -> Option<Seat> {
        let entered = self.pool.enter(ends.remote.ip());
        self.stats().connections_closed_early.fetch_add(entered.closed as u64, Relaxed);
        if entered.seat.is_none() {
            self.stats().connections_refused.fetch_add(1, Relaxed);
            tracing::debug!(peer = %ends.remote, "too many connections of one address");
        }
        entered.seat
    }

    async fn serve(
        self: Arc<Self>,
        stream: TcpStream,
        ends: Ends,
        seat: Seat,
        service: impl Routes,
    ) {
        self.stats().connections_open.fetch_add(1, Relaxed);
        let slot = Arc::clone(&seat.slot);
        match &self.handshakes {
            None => self.http(Watched { inner: stream, slot }, ends, service).await,
            Some(handshakes) => {
                let shaken = tokio::select! {
                    shaken = handshakes.shake(stream) => shaken,
                    () = slot.end.cancelled() => Err(std::io::ErrorKind::ConnectionAborted.into()),
                    () = self.context.stop.cancelled() => {
                        Err(std::io::ErrorKind::ConnectionAborted.into())
                    }
                };
                match shaken {
                    Ok(stream) => {
                        self.stats().tls_handshakes.fetch_add(1, Relaxed);
                        let ends = Ends { tls: true, ..ends };
                        self.http(Watched { inner: stream, slot }, ends, service).await;
                    }
                    Err(error) => {
                        self.stats().tls_failures.fetch_add(1, Relaxed);
                        tracing::debug!(%error, peer = %ends.remote, "tls handshake failed");
                    }
                }
            }
        }
        drop(seat);
        self.stats().connections_open.fetch_sub(1, Relaxed);
    }

    /// HTTP/1.1 on a stream, to its end.
    async fn http<T>(&self, stream: Watched<T>, ends: Ends, service: impl Routes)
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let slot = Arc::clone(&stream.slot);
        let sent = Counter::default();
        let answered = |request| self.answer(request, ends, &slot, (&service, &sent));
        let http = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(Duration::from_secs(self.context.config.header_timeout_s))
            .max_buf_size(MAX_HEAD_BYTES)
            .max_headers(MAX_HEADERS)
            .serve_connection(TokioIo::new(stream), service_fn(answered))
            .with_upgrades();
        let mut http = std::pin::pin!(http);
        let longest = Duration::from_secs(self.context.config.connection_max_s);
        let ended = tokio::select! {
            ended = http.as_mut() => Some(ended),
            () = self.context.stop.cancelled() => None,
            () = outlived(longest, &sent) => None,
            // Who is waited for gets no grace; a request that came at this moment does.
            () = slot.end.cancelled() => slot.waits().then_some(Ok(())),
        };
        let ended = match ended {
            Some(ended) => ended,
            None => {
                http.as_mut().graceful_shutdown();
                tokio::time::timeout(GRACE, http).await.unwrap_or(Ok(()))
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, peer = %ends.remote, "connection ended");
        }
    }

    async fn answer(
        &self,
        mut request: hyper::Request<Incoming>,
        ends: Ends,
        slot: &Arc<Slot>,
        (service, sent): (&impl Routes, &Counter),
    ) -> Result<hyper::Response<Answer<WarpBody>>, Infallible> {
        slot.work();
        let id = self.ids.next();
        let tls = ends.tls || self.context.config.secure;
        let checked = guard::check(&request);
        let peer = checked.and_then(|()| self.proxies.peer(ends, request.headers_mut()));
        let (answer, secure) = match peer {
            Ok(peer) => {
                request.extensions_mut().insert(peer);
                let answer = REQUEST_ID.scope(id.clone(), service.call(request));
                let answer = SLOT.scope(Arc::clone(slot), SENT.scope(sent.clone(), answer));
                let Ok(answer) = answer.await;
                (answer, peer.secure)
            }
            Err(refusal) => (self.refuse(&id, refusal), tls),
        };
        let slot = Arc::clone(slot);
        let policy = &self.context.policy;
        Ok(finish(answer, secure, &id, policy).map(|body| Answer { body, slot }))
    }

    /// Refuses a request that nobody has looked into; what follows on the connection cannot be
    /// trusted to be a request.
    fn refuse(&self, id: &str, refusal: ApiError) -> Response {
        self.stats().requests.fetch_add(1, Relaxed);
        self.stats().refused_malformed.fetch_add(1, Relaxed);
        REQUEST_ID.sync_scope(id.to_owned(), || guard::close(refusal.answer()))
    }
}

/// Serves the plain address beside HTTPS.
async fn send_on(
    server: Arc<Server>,
    listener: TcpListener,
    (tracker, own): (TaskTracker, TaskTracker),
    port: u16,
) {
    let limit = Arc::new(Semaphore::new(MAX_REDIRECTS));
    let stop = server.context.stop.clone();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = accept(&listener, &limit, &server.pool) => accepted,
        };
        let Some((permit, stream, ends)) = accepted else { continue };
        let Some(seat) = server.seat(ends) else { continue };
        let server = Arc::clone(&server);
        tracker.spawn(own.track_future(async move {
            let slot = Arc::clone(&seat.slot);
            let answered = |request: hyper::Request<Incoming>| {
                let id = server.ids.next();
                let checked = guard::check(&request);
                let origins = &server.context.origins;
                let answer = checked.and_then(|()| redirect::answer(&request, origins, port));
                let answer = answer.unwrap_or_else(|refusal| server.refuse(&id, refusal));
                // HSTS means nothing in clear; one answer is all there is to say.
                let answer = finish(guard::close(answer), false, &id, &server.context.policy);
                std::future::ready(Ok::<_, Infallible>(answer))
            };
            let http = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(Duration::from_secs(server.context.config.header_timeout_s))
                .max_buf_size(MAX_HEAD_BYTES)
                .max_headers(MAX_HEADERS)
                .serve_connection(TokioIo::new(stream), service_fn(answered));
            tokio::select! {
                _ = http => {}
                () = slot.end.cancelled() => {}
                () = server.context.stop.cancelled() => {}
                () = tokio::time::sleep(GRACE) => {}
            }
            drop((seat, permit));
        }));
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
async fn keep_time(server: Arc<Server>) {
    let context = Arc::clone(&server.context);
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
            let closed = server.pool.sweep();
            context.stats.connections_closed_early.fetch_add(closed as u64, Relaxed);
        }
        n = n.wrapping_add(1);
        context.parts.live.close_tick();
    }
}
