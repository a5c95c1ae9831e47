use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use super::config::SubscriberConfig;
use super::link::{self, Delivery};
use super::metrics::{SubscriberMetrics, SubscriberStats};
use super::poller::Poller;
use super::worker::Worker;
use crate::{IngestError, Intake, MessageSink};

/// A subscriber on an existing broker.
pub struct Subscriber<S: MessageSink = Intake> {
    config: SubscriberConfig,
    sink: Arc<S>,
    source: S::Source,
    metrics: Arc<SubscriberMetrics>,
}

/// A publish and the connection it came by.
pub(super) struct Received {
    pub(super) delivery: Delivery,
    /// Number of the connection; 0: it was gone already, nothing is acknowledged.
    pub(super) epoch: u64,
}

/// What poller and worker tell each other.
#[derive(Default)]
pub(super) struct Signals {
    /// The connection that acks may go to; 0 while there is none.
    pub(super) epoch: AtomicU64,
    /// The worker cannot acknowledge what this connection brought: it must be made anew, so that
    /// the broker delivers again.
    pub(super) broken: Notify,
    /// The worker has ended.
    pub(super) finished: CancellationToken,
    /// The worker must end now.
    pub(super) abort: CancellationToken,
    /// Messages handed to the intake and not durable.
    pub(super) unfinished: AtomicUsize,
}

/// Publishes between poller and worker. Full: the poller waits and the socket is not read.
const QUEUE: usize = 1_024;

impl<S: MessageSink> Subscriber<S> {
    /// A subscriber that connects when it is [run](Subscriber::run).
    ///
    /// # Errors
    /// [`IngestError::SubscriberConfig`] for a setting that cannot work.
    pub fn new(config: SubscriberConfig, sink: Arc<S>) -> Result<Self, IngestError> {
        config.check()?;
        let source = sink.source(&config.name);
        Ok(Self { config, sink, source, metrics: Arc::default() })
    }

    /// Counters and state, also after `run` has taken the subscriber.
    pub fn metrics(&self) -> Arc<SubscriberMetrics> {
        Arc::clone(&self.metrics)
    }

    /// Subscribes until `stop`; then takes no more, waits a moment for commits under way, sends
    /// their acks and disconnects. The broker keeps the session.
    ///
    /// # Errors
    /// [`IngestError`] when the password file cannot be read or the intake is closed for good.
    pub async fn run(self, stop: CancellationToken) -> Result<SubscriberStats, IngestError> {
        let (requests, events) = link::open(&self.config)?;
        let signals = Signals::default();
        let (sender, receiver) = mpsc::channel(QUEUE);
        let poller = Poller::new(&self.config, &self.metrics, &signals, requests.clone());
        let worker = Worker::new(&self.config, &self.metrics, &signals, requests);
        let work = async {
            let ended = tokio::select! {
                ended = worker.run(&*self.sink, &self.source, receiver) => ended,
                () = signals.abort.cancelled() => Ok(()),
            };
            signals.finished.cancel();
            ended
        };
        // One task: between the end of a connection and the change of the epoch nothing else
        // runs, so an ack cannot reach a later connection.
        let (ended, ()) = futures::join!(work, poller.run(events, sender, &stop));
        ended?;
        Ok(SubscriberStats {
            publishes: self.metrics.publishes.load(Relaxed),
            acks: self.metrics.acks.load(Relaxed),
            unfinished: signals.unfinished.load(Relaxed),
        })
    }
}
