use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

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
    /// Of them: wrong or missing credentials, blocked devices, wills on topics of others.
    pub sign_ins_refused: AtomicU64,
    /// Of them: not even looked at, because too many had failed before.
    pub sign_ins_delayed: AtomicU64,
    /// Of them: the client id belongs to a session of a device that proved who it is.
    pub takeovers_refused: AtomicU64,
    /// Of them: two clients pushed each other out too often.
    pub takeovers_slowed: AtomicU64,
    /// Sockets closed because their address had too many, or opened too many.
    pub refused_address: AtomicU64,
    /// Connections ended because the registry changed.
    pub evicted: AtomicU64,
    /// Pauses in which a device's socket was not read because it sent too much.
    pub throttles: AtomicU64,
    /// Their length, ms.
    pub throttled_ms: AtomicU64,
    /// Publications not sent because the client's right to them has ended.
    pub publications_withheld: AtomicU64,
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
    /// Days on which a list of revoked certificates was past its next update.
    pub crl_overdue: AtomicU64,
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
    /// Publishes refused because the client may not publish there, or not for that device.
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
    /// Throttled time by device, ms.
    throttled: Mutex<BTreeMap<Arc<str>, u64>>,
}

impl GatewayMetrics {
    /// Devices whose throttled time is kept by name. Full: a further one counts in the sum only.
    const THROTTLED: usize = 1_000;

    /// How long a device's socket was not read because it sent too much, ms.
    pub fn throttled_of(&self, device: &str) -> u64 {
        self.throttled.lock().unwrap_or_else(|e| e.into_inner()).get(device).copied().unwrap_or(0)
    }

    /// The same of all devices that were throttled.
    pub fn throttled(&self) -> Vec<(Arc<str>, u64)> {
        let all = self.throttled.lock().unwrap_or_else(|e| e.into_inner());
        all.iter().map(|(id, ms)| (Arc::clone(id), *ms)).collect()
    }

    pub(super) fn note_throttled(&self, device: &Arc<str>, ms: u64) {
        let mut all = self.throttled.lock().unwrap_or_else(|e| e.into_inner());
        if let Some(sum) = all.get_mut(device) {
            *sum += ms;
        } else if all.len() < Self::THROTTLED {
            all.insert(Arc::clone(device), ms);
        }
    }
}

pub(super) fn add(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Relaxed);
}
