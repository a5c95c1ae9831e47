//! Settings of the TLS listener, and from files to what rustls needs.
//!
//! A first set of certificates for a trial, with plain `openssl` (P-256; use the city's own CA
//! for more than a trial):
//!
//! ```text
//! # the authority of the devices and of the gateway
//! openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 \
//!   -addext keyUsage=critical,keyCertSign,cRLSign -subj "/CN=ioc trial CA" \
//!   -keyout ca.key -out ca.pem
//! # the gateway: the names under which devices reach it
//! openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=ioc" \
//!   -keyout server.key -out server.csr
//! printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n' >server.ext
//! echo keyUsage=critical,digitalSignature >>server.ext
//! openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 365 \
//!   -extfile server.ext -out server.pem
//! # a device: its id is the common name
//! openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=air-hc-01" \
//!   -keyout air-hc-01.key -out air-hc-01.csr
//! printf 'extendedKeyUsage=clientAuth\n' >device.ext
//! openssl x509 -req -in air-hc-01.csr -CA ca.pem -CAkey ca.key -days 365 \
//!   -extfile device.ext -out air-hc-01.pem
//! # a list of revoked certificates, empty at first, and a certificate put on it
//! touch index.txt; echo 01 >crlnumber
//! printf '[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\ncrlnumber=crlnumber\n' >ca.cnf
//! printf 'default_md=sha256\ndefault_crl_days=30\n' >>ca.cnf
//! openssl ca -config ca.cnf -cert ca.pem -keyfile ca.key -gencrl -out crl.pem
//! openssl ca -config ca.cnf -cert ca.pem -keyfile ca.key -revoke air-hc-01.pem
//! openssl ca -config ca.cnf -cert ca.pem -keyfile ca.key -gencrl -out crl.pem
//! ```
//!
//! Each authority between a device and the root needs its own list: with `crl_files`, a
//! certificate whose state no list tells is refused. A list past its "next update" is still used:
//! what it revokes stays revoked, and a forgotten renewal does not shut out a city. It is a warning
//! in the log once a day and `crl_overdue` in the status.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ProducesTickets, VerifierBuilderError, WebPkiClientVerifier};
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig};
use serde::{Deserialize, Serialize};
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::revocation_list::CertificateRevocationList;

use super::certificate::{self, CertificateId};

/// Whether clients show certificates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientCertificates {
    /// None is asked for: devices prove themselves in CONNECT.
    #[default]
    Off,
    /// One that is shown must be good; a client without one proves itself in CONNECT.
    Optional,
    /// A client without a good one is refused.
    Required,
}

/// The section `gateway.tls`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatewayTlsConfig {
    /// Address to listen on; port 0 picks a free one.
    pub listen: SocketAddr,
    /// PEM: the gateway's certificate, then those between it and the root.
    pub certificate_file: PathBuf,
    /// PEM: its private key (PKCS #8, SEC 1 or PKCS #1).
    pub key_file: PathBuf,
    /// Whether clients show certificates.
    #[serde(default)]
    pub client_certificates: ClientCertificates,
    /// PEM: authorities whose device certificates are believed.
    #[serde(default)]
    pub client_ca_file: Option<PathBuf>,
    /// PEM or DER: lists of revoked device certificates.
    #[serde(default)]
    pub crl_files: Vec<PathBuf>,
    /// Take TLS 1.2 too, for old devices.
    #[serde(default)]
    pub tls12: bool,
    /// Time a client has for the handshake, ms.
    #[serde(default = "handshake_timeout_ms")]
    pub handshake_timeout_ms: u64,
}

fn handshake_timeout_ms() -> u64 {
    5_000
}

impl GatewayTlsConfig {
    pub(super) fn files(&self) -> Vec<PathBuf> {
        let own = [&self.certificate_file, &self.key_file].into_iter();
        own.chain(&self.client_ca_file).chain(&self.crl_files).cloned().collect()
    }
}

/// Why the TLS listener cannot use its files.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{path} cannot be read")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: Arc<std::io::Error>,
    },
    /// A file is not the PEM it should be.
    #[error("{path} has no usable {what} in PEM form")]
    Pem {
        /// The file.
        path: PathBuf,
        /// What was looked for.
        what: &'static str,
        /// What is wrong; absent: there is none in it.
        #[source]
        source: Option<Arc<pem::Error>>,
    },
    /// Certificate and key do not belong together, or the key is of a kind we cannot use.
    #[error("{certificate} and {key} cannot be used together")]
    Pair {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What rustls said.
        #[source]
        source: rustls::Error,
    },
    /// A certificate of an authority cannot be used.
    #[error("{path}: an authority's certificate cannot be used")]
    Authority {
        /// The file.
        path: PathBuf,
        /// What rustls said.
        #[source]
        source: rustls::Error,
    },
    /// A list of revoked certificates cannot be used.
    #[error("{path} is not a usable list of revoked certificates")]
    Crl {
        /// The file.
        path: PathBuf,
        /// What rustls said; absent: it is not one at all.
        #[source]
        source: Option<VerifierBuilderError>,
    },
    /// Settings that do not fit together.
    #[error("gateway.tls: {0}")]
    Setting(&'static str),
    /// rustls cannot do what is asked.
    #[error("tls cannot be set up")]
    Rustls(#[from] rustls::Error),
}

/// One consistent set of what the files say.
pub(super) struct Loaded {
    pub(super) server: Arc<ServerConfig>,
    pub(super) verifier: Option<Arc<dyn ClientCertVerifier>>,
    pub(super) revoked: Vec<CertificateId>,
    pub(super) facts: Facts,
}

/// What an operator wants to see of a set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) subject: String,
    /// End of the gateway's own certificate, s since 1970.
    pub(super) not_after_s: i64,
    /// Earliest "next update" of the lists, s since 1970.
    pub(super) crl_next_update_s: Option<i64>,
}

/// Reads all files.
pub(super) fn load(
    config: &GatewayTlsConfig,
    ticketer: &Arc<dyn ProducesTickets>,
) -> Result<Loaded, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let own = OwnFiles {
        certificate: &config.certificate_file,
        key: &config.key_file,
        tls12: config.tls12,
        protocol: b"mqtt",
    };
    let chain = certificates(own.certificate)?;
    let mut facts = facts_of(&chain);
    let (verifier, revoked) = verifier(config, &provider, &mut facts)?;
    let server = own.server(chain, &provider, verifier.as_ref(), ticketer)?;
    Ok(Loaded { server: Arc::new(server), verifier, revoked, facts })
}

/// What a server shows of itself.
pub(super) struct OwnFiles<'a> {
    pub(super) certificate: &'a Path,
    pub(super) key: &'a Path,
    pub(super) tls12: bool,
    /// The one protocol it names in the handshake (ALPN).
    pub(super) protocol: &'static [u8],
}

impl OwnFiles<'_> {
    /// Reads them, for a server that asks no client for a certificate.
    pub(super) fn load(
        &self,
        ticketer: &Arc<dyn ProducesTickets>,
    ) -> Result<(ServerConfig, Facts), TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let chain = certificates(self.certificate)?;
        let facts = facts_of(&chain);
        Ok((self.server(chain, &provider, None, ticketer)?, facts))
    }

    fn server(
        &self,
        chain: Vec<CertificateDer<'static>>,
        provider: &Arc<CryptoProvider>,
        verifier: Option<&Arc<dyn ClientCertVerifier>>,
        ticketer: &Arc<dyn ProducesTickets>,
    ) -> Result<ServerConfig, TlsError> {
        let key_bytes = zeroize::Zeroizing::new(read(self.key)?);
        let key = PrivateKeyDer::from_pem_slice(&key_bytes)
            .map_err(|e| pem_error(self.key, "private key", e))?;
        let versions: &[_] = if self.tls12 { &[&TLS13, &TLS12] } else { &[&TLS13] };
        let builder = ServerConfig::builder_with_provider(Arc::clone(provider))
            .with_protocol_versions(versions)?;
        let builder = match verifier {
            Some(verifier) => builder.with_client_cert_verifier(Arc::clone(verifier)),
            None => builder.with_no_client_auth(),
        };
        let mut server = builder.with_single_cert(chain, key).map_err(|source| TlsError::Pair {
            certificate: self.certificate.to_owned(),
            key: self.key.to_owned(),
            source,
        })?;
        server.alpn_protocols = vec![self.protocol.to_vec()];
        // Tickets hold the session, so that 10,000 devices that may come back cost no memory.
        server.ticketer = Arc::clone(ticketer);
        server.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
        server.send_tls13_tickets = 1;
        Ok(server)
    }
}

type Verifier = Option<Arc<dyn ClientCertVerifier>>;

fn verifier(
    config: &GatewayTlsConfig,
    provider: &Arc<CryptoProvider>,
    facts: &mut Facts,
) -> Result<(Verifier, Vec<CertificateId>), TlsError> {
    let off = config.client_certificates == ClientCertificates::Off;
    let path = match &config.client_ca_file {
        Some(_) if off => {
            return Err(TlsError::Setting(
                "client_ca_file has no effect while client_certificates is off",
            ));
        }
        None if off && config.crl_files.is_empty() => return Ok((None, Vec::new())),
        None if off => {
            return Err(TlsError::Setting(
                "crl_files have no effect while client_certificates is off",
            ));
        }
        None => return Err(TlsError::Setting("client_certificates needs client_ca_file")),
        Some(path) => path,
    };
    let mut roots = RootCertStore::empty();
    for authority in certificates(path)? {
        let failed = |source| TlsError::Authority { path: path.clone(), source };
        roots.add(authority).map_err(failed)?;
    }
    let roots = Arc::new(roots);
    let (mut lists, mut revoked) = (Vec::new(), Vec::new());
    for path in &config.crl_files {
        let found = crls(path)?;
        for list in &found {
            let bad = || TlsError::Crl { path: path.clone(), source: None };
            revoked.extend(certificate::revoked(list).ok_or_else(bad)?);
            let next = next_update_s(list);
            facts.crl_next_update_s = facts.crl_next_update_s.into_iter().chain(next).min();
        }
        // Each file by itself first, so that the error can name it.
        let builder = || {
            WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(provider))
        };
        let tried = builder().with_crls(found.iter().cloned()).build();
        tried.map_err(|e| TlsError::Crl { path: path.clone(), source: Some(e) })?;
        lists.extend(found);
    }
    let mut builder =
        WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(provider)).with_crls(lists);
    if config.client_certificates == ClientCertificates::Optional {
        builder = builder.allow_unauthenticated();
    }
    let failed = |e| TlsError::Crl { path: path.clone(), source: Some(e) };
    Ok((Some(builder.build().map_err(failed)?), revoked))
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|e| TlsError::Read { path: path.to_owned(), source: Arc::new(e) })
}

fn pem_error(path: &Path, what: &'static str, error: pem::Error) -> TlsError {
    let source = match error {
        pem::Error::NoItemsFound => None,
        other => Some(Arc::new(other)),
    };
    TlsError::Pem { path: path.to_owned(), what, source }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(path)?).collect();
    let found = found.map_err(|e| pem_error(path, "certificate", e))?;
    if found.is_empty() {
        return Err(pem_error(path, "certificate", pem::Error::NoItemsFound));
    }
    Ok(found)
}

fn crls(path: &Path) -> Result<Vec<CertificateRevocationListDer<'static>>, TlsError> {
    const WHAT: &str = "list of revoked certificates";
    let bytes = read(path)?;
    if bytes.first() == Some(&0x30) {
        return Ok(vec![bytes.into()]);
    }
    let found: Result<Vec<_>, _> = CertificateRevocationListDer::pem_slice_iter(&bytes).collect();
    let found = found.map_err(|e| pem_error(path, WHAT, e))?;
    // A file that was emptied by mistake must not let the revoked in again.
    if found.is_empty() {
        return Err(pem_error(path, WHAT, pem::Error::NoItemsFound));
    }
    Ok(found)
}

fn facts_of(chain: &[CertificateDer<'_>]) -> Facts {
    let own = chain.first().and_then(|c| X509Certificate::from_der(c).ok());
    own.map_or_else(Facts::default, |(_, own)| Facts {
        subject: own.subject().to_string(),
        not_after_s: own.validity().not_after.timestamp(),
        crl_next_update_s: None,
    })
}

fn next_update_s(list: &[u8]) -> Option<i64> {
    let (_, list) = CertificateRevocationList::from_der(list).ok()?;
    list.next_update().map(|t| t.timestamp())
}
