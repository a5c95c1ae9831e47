use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64};

/// Counters of one subscriber; the application exports them.
#[derive(Debug, Default)]
pub struct SubscriberMetrics {
    /// The broker has accepted the connection.
    pub connected: AtomicBool,
    /// The broker has granted every subscription.
    pub subscribed: AtomicBool,
    /// Connections made.
    pub connections: AtomicU64,
    /// Connections lost, and attempts that failed.
    pub connection_errors: AtomicU64,
    /// Subscriptions the broker refused, counted at each attempt.
    pub subscriptions_refused: AtomicU64,
    /// Subscriptions granted at a lower QoS than asked for.
    pub subscriptions_lowered: AtomicU64,
    /// Publishes received.
    pub publishes: AtomicU64,
    /// Chunks handed to the intake.
    pub chunks: AtomicU64,
    /// Acks handed to the connection after their commit.
    pub acks: AtomicU64,
    /// Acks not sent because their connection was gone; the broker delivers again.
    pub stale_acks: AtomicU64,
    /// Failures of the intake or of a commit.
    pub sink_errors: AtomicU64,
    pub(super) last_error: Mutex<Option<String>>,
}

impl SubscriberMetrics {
    /// The newest trouble in words, until the next good connection.
    pub fn last_error(&self) -> Option<String> {
        self.last_error.lock().unwrap_or_else(|e| e.into_inner()).clone()
    }

    pub(super) fn set_error(&self, text: Option<String>) {
        *self.last_error.lock().unwrap_or_else(|e| e.into_inner()) = text;
    }
}

/// What a subscriber did in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubscriberStats {
    /// Publishes received.
    pub publishes: u64,
    /// Acks sent after their commit.
    pub acks: u64,
    /// Messages whose commit had not ended at the stop; the broker delivers them again.
    pub unfinished: usize,
}
