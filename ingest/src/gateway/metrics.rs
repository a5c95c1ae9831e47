use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counters of the gateway since the start of the process; the application exports them.
#[derive(Debug, Default)]
pub struct GatewayMetrics {
    /// Connections that passed CONNECT and are open now.
    pub connected: AtomicU64,
    /// Sockets accepted.
    pub accepted: AtomicU64,
    /// Sockets closed because `max_connections` was reached.
    pub refused_full: AtomicU64,
    /// Sockets closed before or at CONNECT: no CONNECT in time, not MQTT, bad client id, ….
    pub refused_connect: AtomicU64,
    /// TLS handshakes done.
    pub tls_handshakes: AtomicU64,
    /// Those of them that resumed an earlier session.
    pub tls_resumed: AtomicU64,
    /// TLS handshakes refused or broken off: wrong version, no or bad certificate, not TLS, ….
    pub tls_failures: AtomicU64,
    /// TLS handshakes not done in time.
    pub tls_timeouts: AtomicU64,
    /// Times the TLS files were read again and used.
    pub tls_reloads: AtomicU64,
    /// Times the TLS files had changed and could not be used.
    pub tls_reload_errors: AtomicU64,
    /// Connections ended because their certificate was revoked.
    pub revoked: AtomicU64,
    /// WebSockets taken.
    pub websockets: AtomicU64,
    /// Failures of `accept` itself (out of file descriptors, …).
    pub accept_errors: AtomicU64,
    /// Connections ended for breaking the protocol.
    pub protocol_errors: AtomicU64,
    /// Connections ended by a newer one with the same client id.
    pub takeovers: AtomicU64,
    /// Connections ended because nothing came for 1.5 × keep-alive.
    pub keep_alive_timeouts: AtomicU64,
    /// Connections ended because the client did not read.
    pub write_timeouts: AtomicU64,
    /// Connections ended without an ack because the intake or a commit failed.
    pub sink_errors: AtomicU64,
    /// PUBLISH packets handed to the intake, repeats of an open QoS 2 id not counted.
    pub publishes: AtomicU64,
    /// Repeats of a QoS 2 publish whose id was still open; answered, not handed on.
    pub qos2_repeats: AtomicU64,
    /// Publishes to topics of the IOC itself, answered with "not authorised".
    pub not_authorised: AtomicU64,
    /// Chunks handed to the intake; `publishes / chunks` is the batching achieved.
    pub chunks: AtomicU64,
    /// PUBACK and PUBREC written after their commit.
    pub acks: AtomicU64,
    /// Wills handed to the intake.
    pub wills: AtomicU64,
    /// Publications written to subscribers.
    pub publications_sent: AtomicU64,
    /// Publications not sent because the client's maximum packet size is too small.
    pub publications_too_large: AtomicU64,
    /// Subscriptions refused.
    pub subscriptions_refused: AtomicU64,
    /// Sessions not kept because too many were kept already.
    pub sessions_dropped: AtomicU64,
}

pub(super) fn add(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Relaxed);
}
