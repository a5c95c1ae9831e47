use std::net::{Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize};

use super::identity::Anonymous;
use super::limits::Rates;
use super::transport::GatewayTlsConfig;

/// Settings of the gateway.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GatewayConfig {
    /// Address to listen on without TLS; port 0 picks a free one, `null` is none. Keep it on
    /// loopback: what passes here can be read and changed on its way.
    pub listen: Option<SocketAddr>,
    /// The TLS listener; `null`: none.
    pub tls: Option<GatewayTlsConfig>,
    /// Name of this door in the ledger.
    pub source: String,
    /// Open connections. Full: a new one is closed at once and counted.
    pub max_connections: usize,
    /// Largest packet a client may send after CONNECT, bytes with header. Larger: the connection
    /// ends with 0x95.
    pub max_packet_bytes: usize,
    /// Largest CONNECT packet, bytes.
    pub max_connect_bytes: usize,
    /// Time a new socket has until its CONNECT is complete, ms.
    pub connect_timeout_ms: u64,
    /// QoS 1 and 2 publishes of one client that wait for their commit (MQTT 5: announced as
    /// receive maximum and enforced). Full for MQTT 3.1.1: the socket is not read.
    pub receive_maximum: u16,
    /// Longest keep-alive, s. MQTT 5 clients are told; MQTT 3.1.1 clients that ask for more, or
    /// for none, are closed after 1.5 × this without a packet.
    pub max_keep_alive_s: u16,
    /// Longest time a session outlives its connection, s; what MQTT 3.1.1 sessions without
    /// "clean session" get.
    pub max_session_expiry_s: u32,
    /// Sessions kept for clients that are away. Full: the session that would be added is not
    /// kept and counted; its client resumes with "session present" 0.
    pub max_offline_sessions: usize,
    /// Subscriptions of one session. Full: the next is refused with 0x97.
    pub max_subscriptions: usize,
    /// Publications sent to one client and not acknowledged. Full: the rest waits in the mailbox.
    pub max_outgoing: u16,
    /// Read buffers shared by all connections, 64 KiB or `max_packet_bytes` each. All in use:
    /// connections wait their turn, so that overload does not grow memory.
    pub read_buffers: usize,
    /// Time without progress after which a client that does not read is closed, ms.
    pub write_timeout_ms: u64,
    /// Who may connect without a token or a certificate: `never`, `loopback`, `all`.
    pub anonymous: Anonymous,
    /// Take tokens over connections from outside that are not encrypted. Whoever can listen
    /// there has the token.
    pub plaintext_tokens: bool,
    /// Open connections of one address (IPv6: /64); loopback is free. Full: a new one is closed
    /// at once and counted.
    pub max_connections_per_address: usize,
    /// New connections of one address per second, ten seconds' worth at once; loopback is free.
    /// Over it: closed at once and counted.
    pub connections_per_s_per_address: f64,
    /// Failed sign-ins of one address per minute, and at once, of all client ids together. Over
    /// it, and over 5 of one client id: wrong and right tokens are refused for 2 s, 4 s, … 300 s.
    pub failed_sign_ins_per_min: u32,
    /// Connections per minute, and at once, that push another with the same client id out. Over
    /// it: the newer one is refused, and the device is told that its id is used twice.
    pub takeovers_per_min: u32,
    /// How much devices may send; clients that are trusted are free.
    pub rates: Rates,
    /// Time connections have at a stop to see their last commits acknowledged, ms.
    pub stop_grace_ms: u64,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            listen: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 1883))),
            tls: None,
            source: "gateway".into(),
            max_connections: 10_000,
            max_packet_bytes: 64 * 1024,
            max_connect_bytes: 4 * 1024,
            connect_timeout_ms: 5_000,
            receive_maximum: 1_024,
            max_keep_alive_s: 1_200,
            max_session_expiry_s: 24 * 3600,
            max_offline_sessions: 20_000,
            max_subscriptions: 32,
            max_outgoing: 64,
            read_buffers: 64,
            write_timeout_ms: 30_000,
            anonymous: Anonymous::Loopback,
            plaintext_tokens: false,
            max_connections_per_address: 1_000,
            connections_per_s_per_address: 100.0,
            failed_sign_ins_per_min: 60,
            takeovers_per_min: 6,
            rates: Rates::default(),
            stop_grace_ms: 5_000,
        }
    }
}
