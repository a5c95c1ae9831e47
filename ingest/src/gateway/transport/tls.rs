//! The TLS listener's state: the set of certificates in use, handshakes, revocation.
//!
//! A handshake is a task of its own connection and costs CPU in one or two steps. Each step takes
//! a turn, of which there are few, and lets every ready connection go first: ten thousand devices
//! that reconnect at once do not hold up those that are there. A client that sends nothing holds
//! no turn.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, ready};

use arc_swap::ArcSwap;
use ioc_model::Timestamp;
use rustls::HandshakeKind;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::ProducesTickets;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{Duration, timeout};
use tokio_rustls::{TlsAcceptor, server};
use tokio_util::sync::CancellationToken;

use super::certificate::{self, Standing, Stay};
use super::daily::Daily;
use super::files::Watched;
use super::tls_config::{ClientCertificates, GatewayTlsConfig, Loaded, TlsError, load};
use crate::gateway::metrics::{GatewayMetrics, add};

/// Handshake steps that may wait for a CPU at once, for each.
const TURNS_PER_CPU: usize = 2;
/// Plaintext rustls may keep for a client that does not read, bytes; more stays with us.
const SEND_BUFFER: usize = 16 * 1024;

/// A TLS connection as bytes.
pub(crate) struct TlsStream {
    inner: server::TlsStream<TcpStream>,
    /// An error that came after bytes of the same read.
    failed: Option<io::Error>,
}

impl TlsStream {
    pub(super) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        let (tcp, session) = self.inner.get_ref();
        if self.failed.is_some() || !session.wants_read() {
            return Poll::Ready(());
        }
        tcp.poll_read_ready(cx).map(drop)
    }

    pub(super) fn has_unsent(&self) -> bool {
        self.inner.get_ref().1.wants_write()
    }

    /// As many records as there are: packets of several become one chunk.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(error) = self.failed.take() {
            return Poll::Ready(Err(error));
        }
        ready!(Pin::new(&mut self.inner).poll_read(cx, to))?;
        loop {
            let before = to.filled().len();
            if before == 0 || to.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
            match Pin::new(&mut self.inner).poll_read(cx, to) {
                Poll::Ready(Ok(())) if to.filled().len() > before => {}
                // The end is told again at the next read, an error is not.
                Poll::Ready(Ok(())) | Poll::Pending => return Poll::Ready(Ok(())),
                Poll::Ready(Err(error)) => {
                    self.failed = Some(error);
                    return Poll::Ready(Ok(()));
                }
            }
        }
    }

    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// State of the TLS listener, for the status page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsStatus {
    /// Subject of the gateway's certificate.
    pub subject: String,
    /// End of its validity.
    pub not_after: Timestamp,
    /// When the first list of revoked certificates is due to be renewed.
    pub crl_next_update: Option<Timestamp>,
    /// That time is over at the last look: a list is used that should have been renewed.
    pub crl_overdue: bool,
    /// Why the files as they are now cannot be used; the set loaded before stays in force.
    pub failure: Option<String>,
    /// Sets loaded since the start, this one included.
    pub loads: u64,
}

/// A handle on the TLS listener's certificates.
#[derive(Clone)]
pub struct TlsHandle(pub(in super::super) Arc<Tls>);

impl std::fmt::Debug for TlsHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("TlsHandle").field(&self.status()).finish()
    }
}

impl TlsHandle {
    /// How it stands.
    pub fn status(&self) -> TlsStatus {
        self.0.status().clone()
    }

    /// Reads the files again now; they are also watched. New handshakes use what they say, and
    /// connections whose certificate is revoked by now are closed. Blocks while it reads.
    ///
    /// # Errors
    /// [`TlsError`]; the set loaded before stays in force.
    pub fn reload(&self) -> Result<(), TlsError> {
        self.0.watched().loading();
        self.0.reload()
    }
}

/// What a client showed in its handshake.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    pub(crate) names: Vec<String>,
    /// Keeps the connection among those that a revocation ends.
    pub(crate) stay: Option<Stay>,
}

/// The TLS listener's certificates and handshakes.
pub(crate) struct Tls {
    config: GatewayTlsConfig,
    current: ArcSwap<Loaded>,
    ticketer: Arc<dyn ProducesTickets>,
    turns: Semaphore,
    standing: Arc<Standing>,
    next: AtomicU64,
    status: Mutex<TlsStatus>,
    watched: Mutex<Watched>,
    reminder: Mutex<Daily>,
    /// One reading of the files at a time, so that none overtakes a later one.
    loading: Mutex<()>,
    metrics: Arc<GatewayMetrics>,
}

impl Tls {
    /// Reads the files; a mistake in any of them is an error here, never a listener without it.
    pub(crate) fn new(
        config: GatewayTlsConfig,
        metrics: Arc<GatewayMetrics>,
    ) -> Result<Self, TlsError> {
        let ticketer = rustls::crypto::ring::Ticketer::new()?;
        let watched = Watched::new(config.files());
        let loaded = load(&config, &ticketer)?;
        let status = status_of(&loaded, 1);
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Self {
            config,
            current: ArcSwap::from_pointee(loaded),
            ticketer,
            turns: Semaphore::new(cpus * TURNS_PER_CPU),
            standing: Arc::default(),
            next: AtomicU64::new(0),
            status: Mutex::new(status),
            watched: Mutex::new(watched),
            reminder: Mutex::default(),
            loading: Mutex::default(),
            metrics,
        })
    }

    pub(crate) fn config(&self) -> &GatewayTlsConfig {
        &self.config
    }

    fn status(&self) -> MutexGuard<'_, TlsStatus> {
        self.status.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn watched(&self) -> MutexGuard<'_, Watched> {
        self.watched.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Looks at the files once; reads them if they have changed. Blocks while it reads. Says once
    /// a day what is overdue.
    pub(crate) fn look(&self, now: Timestamp) {
        if self.watched().changed() && self.reload().is_ok() {
            tracing::info!("tls certificates loaded again");
        }
        let mut status = self.status();
        status.crl_overdue = status.crl_next_update.is_some_and(|next| next < now);
        let (overdue, ends) = (status.crl_overdue, status.not_after);
        drop(status);
        let ends_soon = ends_soon(ends, now);
        let mut reminder = self.reminder.lock().unwrap_or_else(|e| e.into_inner());
        if (overdue || ends_soon) && reminder.is_due(now) {
            if overdue {
                add(&self.metrics.crl_overdue, 1);
                tracing::warn!("a list of revoked certificates is past its next update");
            }
            if ends_soon {
                tracing::warn!(not_after_ms = ends.0, "the certificate of the gateway ends soon");
            }
        }
    }

    fn reload(&self) -> Result<(), TlsError> {
        let _one = self.loading.lock().unwrap_or_else(|e| e.into_inner());
        match load(&self.config, &self.ticketer) {
            Ok(loaded) => {
                let loads = self.status().loads + 1;
                *self.status() = status_of(&loaded, loads);
                let loaded = Arc::new(loaded);
                self.current.store(Arc::clone(&loaded));
                // After the store: who comes in from now on is judged by the new set.
                let ended = self.standing.end(loaded.revoked.iter().copied());
                if ended > 0 {
                    tracing::warn!(ended, "connections closed, certificates revoked");
                }
                add(&self.metrics.revoked, ended as u64);
                add(&self.metrics.tls_reloads, 1);
                Ok(())
            }
            Err(error) => {
                let text = chain(&error);
                tracing::warn!(error = text, "tls files cannot be used, the old set stays");
                self.status().failure = Some(text);
                add(&self.metrics.tls_reload_errors, 1);
                Err(error)
            }
        }
    }

    /// Does the handshake. `life` ends the connection when its certificate is revoked. `None`:
    /// it failed; that is counted and logged.
    pub(crate) async fn handshake(
        &self,
        tcp: TcpStream,
        life: &CancellationToken,
    ) -> Option<(Box<TlsStream>, Shown)> {
        let limit = Duration::from_millis(self.config.handshake_timeout_ms);
        let peer = tcp.peer_addr().ok();
        let failed = match timeout(limit, self.shake_hands(tcp, life)).await {
            Ok(Ok(done)) => {
                add(&self.metrics.tls_handshakes, 1);
                return Some(done);
            }
            Ok(Err(failed)) => failed,
            Err(_) => {
                add(&self.metrics.tls_timeouts, 1);
                tracing::debug!(?peer, "tls handshake not done in time");
                return None;
            }
        };
        add(&self.metrics.tls_failures, 1);
        tracing::debug!(?peer, reason = %failed, "tls handshake failed");
        None
    }

    async fn shake_hands(
        &self,
        tcp: TcpStream,
        life: &CancellationToken,
    ) -> io::Result<(Box<TlsStream>, Shown)> {
        // Nothing is kept for a client that says nothing.
        tcp.readable().await?;
        let used = self.current.load_full();
        let acceptor = TlsAcceptor::from(Arc::clone(&used.server));
        let limit = |session: &mut rustls::ServerConnection| {
            session.set_buffer_limit(Some(SEND_BUFFER));
        };
        let mut accept = Box::pin(acceptor.accept_with(tcp, limit));
        let stream = loop {
            let turn = self.turns.acquire().await.map_err(io::Error::other)?;
            tokio::task::yield_now().await;
            let step = std::future::poll_fn(|cx| Poll::Ready(accept.as_mut().poll(cx))).await;
            drop(turn);
            if let Poll::Ready(stream) = step {
                break stream?;
            }
            woken().await;
        };
        let (_, session) = stream.get_ref();
        let resumed = session.handshake_kind() == Some(HandshakeKind::Resumed);
        if resumed {
            add(&self.metrics.tls_resumed, 1);
        }
        let chain = session.peer_certificates().unwrap_or_default();
        let shown = self.admit(chain, life)?;
        let now = self.current.load();
        // A ticket brings back a certificate without judging it, and the files may have changed
        // since the handshake began.
        if resumed || !Arc::ptr_eq(&used, &now) {
            judge(&now, chain, self.config.client_certificates).map_err(io::Error::other)?;
        }
        Ok((Box::new(TlsStream { inner: stream, failed: None }), shown))
    }

    /// Notes the certificate, so that its revocation ends this connection.
    fn admit(&self, chain: &[CertificateDer<'_>], life: &CancellationToken) -> io::Result<Shown> {
        let Some(own) = chain.first() else { return Ok(Shown::default()) };
        let unreadable = || io::Error::other("certificate cannot be read");
        let (id, names) = certificate::read(own).ok_or_else(unreadable)?;
        let number = self.next.fetch_add(1, Relaxed);
        let stay = self.standing.enter(id, number, life.clone());
        Ok(Shown { names, stay: Some(stay) })
    }
}

fn judge(
    loaded: &Loaded,
    chain: &[CertificateDer<'_>],
    mode: ClientCertificates,
) -> Result<(), rustls::Error> {
    match (&loaded.verifier, chain) {
        (None, _) => Ok(()),
        (Some(_), []) if mode == ClientCertificates::Optional => Ok(()),
        (Some(_), []) => Err(rustls::Error::NoCertificatesPresented),
        (Some(verifier), [own, between @ ..]) => {
            verifier.verify_client_cert(own, between, UnixTime::now()).map(drop)
        }
    }
}

/// Waits until something wakes this task: a waker that a poll before this left somewhere.
async fn woken() {
    let mut slept = false;
    std::future::poll_fn(|_| {
        if std::mem::replace(&mut slept, true) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

fn status_of(loaded: &Loaded, loads: u64) -> TlsStatus {
    let at = |s: i64| Timestamp(s.saturating_mul(1_000));
    TlsStatus {
        subject: loaded.facts.subject.clone(),
        not_after: at(loaded.facts.not_after_s),
        crl_next_update: loaded.facts.crl_next_update_s.map(at),
        crl_overdue: false,
        failure: None,
        loads,
    }
}

/// A certificate that ends within two weeks, or has.
pub(super) fn ends_soon(not_after: Timestamp, now: Timestamp) -> bool {
    const SOON_MS: i64 = 14 * 24 * 3_600_000;
    not_after.0 > 0 && not_after < now.plus_ms(SOON_MS)
}

/// An error with its causes, in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
