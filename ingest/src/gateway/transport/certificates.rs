//! A server's own certificate and key, watched and read again: for listeners elsewhere that ask
//! no client for one.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use arc_swap::ArcSwap;
use ioc_model::Timestamp;
use rustls::ServerConfig;
use rustls::server::ProducesTickets;

use super::daily::Daily;
use super::files::Watched;
use super::tls::{TlsStatus, chain, ends_soon};
use super::tls_config::{Facts, OwnFiles, TlsError};

/// The set in use. Session tickets are sealed with keys that change every six hours.
pub struct ServerCertificates {
    certificate: PathBuf,
    key: PathBuf,
    tls12: bool,
    protocol: &'static [u8],
    current: ArcSwap<ServerConfig>,
    ticketer: Arc<dyn ProducesTickets>,
    status: Mutex<TlsStatus>,
    watched: Mutex<(Watched, Daily)>,
}

impl std::fmt::Debug for ServerCertificates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerCertificates").field("status", &self.status()).finish_non_exhaustive()
    }
}

impl ServerCertificates {
    /// Reads the files. `protocol` is what the server names in the handshake (ALPN), such as
    /// `http/1.1`.
    ///
    /// # Errors
    /// [`TlsError`] when a file cannot be used.
    pub fn open(
        (certificate, key): (PathBuf, PathBuf),
        tls12: bool,
        protocol: &'static [u8],
    ) -> Result<Self, TlsError> {
        let ticketer = rustls::crypto::ring::Ticketer::new()?;
        let watched = Watched::new(vec![certificate.clone(), key.clone()]);
        let own = OwnFiles { certificate: &certificate, key: &key, tls12, protocol };
        let (server, facts) = own.load(&ticketer)?;
        Ok(Self {
            current: ArcSwap::from_pointee(server),
            status: Mutex::new(status_of(&facts, 1)),
            watched: Mutex::new((watched, Daily::default())),
            certificate,
            key,
            tls12,
            protocol,
            ticketer,
        })
    }

    /// What the next handshake uses.
    pub fn current(&self) -> Arc<ServerConfig> {
        self.current.load_full()
    }

    /// How it stands.
    pub fn status(&self) -> TlsStatus {
        self.lock_status().clone()
    }

    fn lock_status(&self) -> MutexGuard<'_, TlsStatus> {
        self.status.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Looks at the files once; reads them if they have changed. Files that cannot be used leave
    /// the set in force as it is; that is warned of and in the status. Blocks while it reads.
    pub fn look(&self, now: Timestamp) {
        let mut watched = self.watched.lock().unwrap_or_else(|e| e.into_inner());
        if watched.0.changed() {
            self.reload();
        }
        let ends = self.lock_status().not_after;
        if ends_soon(ends, now) && watched.1.is_due(now) {
            let file = self.certificate.display();
            tracing::warn!(%file, not_after_ms = ends.0, "a certificate ends soon");
        }
    }

    fn reload(&self) {
        let (certificate, key) = (&*self.certificate, &*self.key);
        let (tls12, protocol) = (self.tls12, self.protocol);
        match (OwnFiles { certificate, key, tls12, protocol }).load(&self.ticketer) {
            Ok((server, facts)) => {
                self.current.store(Arc::new(server));
                let mut status = self.lock_status();
                *status = status_of(&facts, status.loads + 1);
                tracing::info!(file = %certificate.display(), "certificate loaded again");
            }
            Err(error) => {
                let text = chain(&error);
                tracing::warn!(error = text, "tls files cannot be used, the old set stays");
                self.lock_status().failure = Some(text);
            }
        }
    }
}

fn status_of(facts: &Facts, loads: u64) -> TlsStatus {
    TlsStatus {
        subject: facts.subject.clone(),
        not_after: Timestamp(facts.not_after_s.saturating_mul(1_000)),
        loads,
        ..TlsStatus::default()
    }
}
