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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::tests::pki::Pki;

    fn open(pki: &Pki) -> Result<ServerCertificates, TlsError> {
        ServerCertificates::open(
            (pki.path("server.pem"), pki.path("server.key")),
            false,
            b"http/1.1",
        )
    }

    /// Looks until a change has settled.
    fn look(certificates: &ServerCertificates) {
        (0..3).for_each(|_| certificates.look(Timestamp(0)));
    }

    #[test]
    fn a_new_pair_is_used_and_a_bad_one_is_not() {
        let pki = Pki::new();
        let certificates = open(&pki).expect("opens");
        let first = certificates.current();
        assert_eq!(first.alpn_protocols, [b"http/1.1"]);
        assert_eq!(certificates.status().subject, "CN=ioc");
        look(&certificates);
        assert!(Arc::ptr_eq(&first, &certificates.current()), "nothing has changed");
        pki.serve("ioc anew");
        look(&certificates);
        let status = certificates.status();
        assert_eq!((&*status.subject, status.loads), ("CN=ioc anew", 2));
        let second = certificates.current();
        assert!(!Arc::ptr_eq(&first, &second));
        // Tickets of before still open.
        assert!(Arc::ptr_eq(&first.ticketer, &second.ticketer));
        let other = Pki::new();
        let foreign = std::fs::read_to_string(other.path("server.key")).expect("read");
        for (name, text) in [("server.key", foreign.as_str()), ("server.pem", "no PEM")] {
            let before = std::fs::read_to_string(pki.path(name)).expect("read");
            pki.write(name, text);
            look(&certificates);
            assert!(certificates.status().failure.is_some(), "{name}");
            assert!(Arc::ptr_eq(&second, &certificates.current()), "{name}");
            pki.write(name, &before);
            look(&certificates);
            assert_eq!(certificates.status().failure, None, "{name}");
            let back = certificates.current();
            assert!(!Arc::ptr_eq(&second, &back), "read again");
            certificates.current.store(Arc::clone(&second));
        }
    }

    #[test]
    fn a_file_that_cannot_be_used_is_no_start() {
        let pki = Pki::new();
        std::fs::remove_file(pki.path("server.key")).expect("removed");
        let error = open(&pki).expect_err("no key").to_string();
        assert!(error.contains("server.key"), "{error}");
    }

    #[test]
    fn an_end_that_is_near_is_near() {
        let day = 24 * 3_600_000;
        let ends = Timestamp(100 * day);
        assert!(!ends_soon(ends, Timestamp(85 * day)));
        assert!(ends_soon(ends, Timestamp(87 * day)));
        assert!(ends_soon(ends, Timestamp(200 * day)));
    }
}
