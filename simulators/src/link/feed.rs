use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::DRAIN;
use crate::target::Target;

/// Names one message in the reports of its feed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tag {
    /// Number of the device inside the feed.
    pub device: u32,
    /// Its message number.
    pub seq: u64,
    /// Its phenomenon time, ms since the epoch.
    pub time_ms: i64,
}

/// A message to publish; the feed overwrites all of it.
#[derive(Debug)]
pub struct Message {
    /// Topic.
    pub topic: String,
    /// Payload.
    pub payload: Vec<u8>,
    /// For the report.
    pub tag: Tag,
    /// When it was meant to be sent; latency counts from here.
    pub due: Instant,
}

/// What a feed has for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The message was filled in.
    Publish,
    /// Nothing before this moment.
    Wait(Instant),
    /// Nothing any more.
    Done,
}

/// Where messages come from.
pub trait Feed {
    /// The next message that is due, if one is.
    fn next(&mut self, now: Instant, message: &mut Message) -> Step;

    /// A message was acknowledged (`accepted`) or refused by the server. Not called for QoS 0.
    fn done(&mut self, tag: Tag, accepted: bool, latency: Duration);
}

/// How a connection behaves.
#[derive(Clone, Debug)]
pub struct LinkOptions {
    /// Server.
    pub target: Target,
    /// Client identifier.
    pub client_id: String,
    /// [`wire::V311`] or [`wire::V5`].
    pub level: u8,
    /// 0, 1 or 2.
    pub qos: u8,
    /// Unacknowledged messages at most; when full, the feed waits.
    pub window: usize,
    /// Give up when there was no connection for so long; `None`: never.
    pub give_up: Option<Duration>,
}

/// Counters that others may read while the link runs.
#[derive(Debug, Default)]
pub struct Counters {
    /// Messages written for the first time.
    pub sent: AtomicU64,
    /// Acknowledged and not refused.
    pub acked: AtomicU64,
    /// Acknowledged with an error code (MQTT 5).
    pub refused: AtomicU64,
    /// Written again after a broken connection.
    pub resent: AtomicU64,
    /// Connections after the first one.
    pub reconnects: AtomicU64,
    /// Bytes written.
    pub bytes: AtomicU64,
}

impl Counters {
    /// Reads one of them.
    pub fn get(counter: &AtomicU64) -> u64 {
        counter.load(Ordering::Relaxed)
    }
}

/// Why a link ended before its feed did.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// No connection for the time allowed.
    #[error("no connection to {target} for {seconds} s: {source}")]
    GaveUp {
        /// Server.
        target: String,
        /// How long.
        seconds: u64,
        /// Last trouble.
        #[source]
        source: std::io::Error,
    },
    /// The server said no.
    #[error("{target} refused the connection with code {code}")]
    Refused {
        /// Server.
        target: String,
        /// CONNACK code.
        code: u8,
    },
    /// Sent, but the last answers did not come.
    #[error("{missing} messages were sent but nothing was acknowledged for {} s", DRAIN.as_secs())]
    Unacknowledged {
        /// How many.
        missing: usize,
    },
}
