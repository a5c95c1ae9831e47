//! Settings of the dashboard.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::auth::oidc::{Oidc, OidcConfig};
use crate::tiles::{MapConfig, Tiles};
use crate::{Network, Role, SessionsConfig};

/// The section `dashboard` of the settings file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DashboardConfig {
    /// Address of HTTP, of HTTPS with `tls`; port 0 takes a free one.
    pub listen: SocketAddr,
    /// TLS of our own; absent: plain HTTP, which belongs on loopback or behind a TLS proxy.
    pub tls: Option<DashboardTlsConfig>,
    /// Networks of reverse proxies (`10.0.0.7`, `10.1.0.0/16`). Only from these are
    /// `X-Forwarded-For`, `X-Forwarded-Proto` and `X-Forwarded-Host` believed; from everyone else
    /// they are ignored.
    pub trusted_proxies: Vec<Network>,
    /// Origins (`https://ioc.example.vn`) under which the page is reached besides
    /// `http://` + Host: the public name behind a TLS proxy. Their hosts are also accepted as
    /// Host on the loopback address.
    pub allowed_origins: Vec<String>,
    /// Mark the session cookie `Secure` and send HSTS: set it when browsers only come over TLS.
    pub secure: bool,
    /// Answer `/metrics` to every peer, not only to loopback: for a scraper elsewhere.
    pub metrics_for_all: bool,
    /// Answer the feed of public warnings (CAP 1.2) without a session.
    pub public_cap: bool,
    /// Open HTTP connections. When 15 of 16 are taken, those that have waited longest for their
    /// client are closed; when all are at work, further ones wait in the kernel's backlog.
    pub max_connections: usize,
    /// Open HTTP connections of one address (IPv6: /64); loopback and trusted proxies are free.
    /// Full: the one of that address that has waited longest for its client makes room, and if
    /// all are at work the new one is closed.
    pub max_connections_per_address: usize,
    /// Open WebSockets; further ones are answered 503.
    pub max_sockets: usize,
    /// Open WebSockets of one user, with their tokens; a wall has as many of its own. Further ones
    /// are answered 429.
    pub max_sockets_per_user: usize,
    /// Open WebSockets of one address (IPv6: /64); loopback is free. Further ones are answered
    /// 429.
    pub max_sockets_per_address: usize,
    /// Seconds a client may take for a request's head, and to send the next one.
    pub header_timeout_s: u64,
    /// Seconds after which an HTTP connection is closed at the end of its request, and 10 s later
    /// in any case; ends readers that take nothing. WebSockets are not meant.
    pub connection_max_s: u64,
    /// Seconds a WebSocket frame may take before the socket is closed with code 1013.
    pub send_timeout_s: u64,
    /// Seconds between two looks at whether a WebSocket's session has ended or may do other
    /// things than before; what this process changes is seen at once.
    pub session_check_s: u64,
    /// Bytes the kernel may hold for a socket that does not read; small, so that a slow screen
    /// gets new frames and not old ones.
    pub send_buffer_bytes: u32,
    /// What lies under the wards on the map.
    pub map: MapConfig,
    /// When sessions end.
    pub sessions: SessionsConfig,
    /// Roles whose people must have a second factor: until then they may only set one up.
    pub second_factor_for: Vec<Role>,
    /// Identity providers by which people may sign in (OpenID Connect).
    pub oidc: Vec<OidcConfig>,
}

/// The section `dashboard.tls`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DashboardTlsConfig {
    /// PEM: the server's certificate, then those between it and the root. Looked at once a
    /// second; a change is used without a restart, and a bad one is not used.
    pub certificate_file: PathBuf,
    /// PEM: its private key (PKCS #8, SEC 1 or PKCS #1).
    pub key_file: PathBuf,
    /// Take TLS 1.2 too, for old browsers.
    #[serde(default)]
    pub tls12: bool,
    /// Time a client has for the handshake, ms.
    #[serde(default = "handshake_timeout_ms")]
    pub handshake_timeout_ms: u64,
    /// A plain HTTP address whose pages send the browser to HTTPS; everything but a page is
    /// refused there, so that nothing is sent in clear unnoticed.
    #[serde(default)]
    pub redirect_from: Option<SocketAddr>,
}

fn handshake_timeout_ms() -> u64 {
    5_000
}

impl Default for DashboardConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            allowed_origins: Vec::new(),
            secure: false,
            tls: None,
            trusted_proxies: Vec::new(),
            metrics_for_all: false,
            public_cap: false,
            max_connections: 4_096,
            max_connections_per_address: 64,
            max_sockets: 200,
            header_timeout_s: 10,
            connection_max_s: 300,
            send_timeout_s: 10,
            max_sockets_per_user: 20,
            max_sockets_per_address: 64,
            session_check_s: 4,
            send_buffer_bytes: 128 * 1_024,
            map: MapConfig::default(),
            sessions: SessionsConfig::default(),
            second_factor_for: Vec::new(),
            oidc: Vec::new(),
        }
    }
}

/// Largest request body and largest WebSocket message.
pub(crate) const MAX_BODY_BYTES: usize = 64 * 1_024;
/// Largest body of the one route that names up to 10,000 alerts.
pub(crate) const MAX_BULK_BYTES: usize = 1_024 * 1_024;
/// Largest report of a browser.
pub(crate) const MAX_REPORT_BYTES: usize = 8 * 1_024;
/// Longest time in which a read must begin to answer; one that changes something is not broken off.
pub(crate) const READ_TIMEOUT: Duration = Duration::from_secs(60);
/// Largest list of devices: about 100,000 rows.
pub(crate) const MAX_IMPORT_BYTES: usize = 32 * 1_024 * 1_024;
/// Time a client may take to send a body, and the rate at which it gets more: one that sends a
/// byte now and then is not waited for.
pub(crate) const BODY_TIMEOUT: Duration = Duration::from_secs(5);
pub(crate) const BODY_BYTES_PER_S: u64 = 16 * 1_024;

/// A setting that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigMistake {
    /// Not `http://host[:port]` or `https://host[:port]`.
    #[error("allowed_origins: `{0}` is not an origin such as https://ioc.example.vn")]
    Origin(String),
    /// Must be at least 1.
    #[error("{0} must be at least 1")]
    Zero(&'static str),
    /// Map tiles cannot be used as they are set up.
    #[error("dashboard.map.{0}")]
    Map(&'static str),
    /// An identity provider cannot be used as it is set up.
    #[error("dashboard.oidc {id}: {problem}")]
    Oidc {
        /// Which.
        id: String,
        /// Why.
        problem: String,
    },
}

impl DashboardConfig {
    /// Finds settings that make no sense.
    ///
    /// # Errors
    /// The first such setting.
    pub fn check(&self) -> Result<(), ConfigMistake> {
        for (name, value) in [
            ("max_connections", self.max_connections as u64),
            ("max_connections_per_address", self.max_connections_per_address as u64),
            ("tls.handshake_timeout_ms", self.tls.as_ref().map_or(1, |t| t.handshake_timeout_ms)),
            ("max_sockets", self.max_sockets as u64),
            ("max_sockets_per_user", self.max_sockets_per_user as u64),
            ("max_sockets_per_address", self.max_sockets_per_address as u64),
            ("header_timeout_s", self.header_timeout_s),
            ("connection_max_s", self.connection_max_s),
            ("send_timeout_s", self.send_timeout_s),
            ("session_check_s", self.session_check_s),
            ("sessions.idle_minutes", u64::from(self.sessions.idle_minutes)),
            ("sessions.max_hours", u64::from(self.sessions.max_hours)),
            ("send_buffer_bytes", u64::from(self.send_buffer_bytes)),
        ] {
            if value == 0 {
                return Err(ConfigMistake::Zero(name));
            }
        }
        Tiles::new(&self.map)?;
        Oidc::new(self)?;
        crate::origin::Origins::new(&self.allowed_origins, false).map(drop)
    }
}
