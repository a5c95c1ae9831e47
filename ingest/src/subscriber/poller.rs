use std::sync::atomic::Ordering::Relaxed;

use tokio::sync::mpsc;
use tokio::time::{Duration, Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::backoff::Backoff;
use super::config::SubscriberConfig;
use super::link::{Events, Happening, Requests};
use super::metrics::SubscriberMetrics;
use super::run::{Received, Signals};

/// A refused subscription is tried again after this.
const RETRY_REFUSED: Duration = Duration::from_secs(30);
/// Time at a stop for the last commits, and again for the last acks to leave.
const STOP_GRACE: Duration = Duration::from_secs(2);

/// Drives the connection. It never waits for `rumqttc`'s request queue, which only it empties.
pub(super) struct Poller<'a> {
    config: &'a SubscriberConfig,
    filters: Vec<String>,
    metrics: &'a SubscriberMetrics,
    signals: &'a Signals,
    requests: Requests,
    epoch: u64,
    backoff: Backoff,
    /// The broker has granted all filters in the session it holds.
    confirmed: bool,
    retry_at: Option<Instant>,
}

impl<'a> Poller<'a> {
    pub(super) fn new(
        config: &'a SubscriberConfig,
        metrics: &'a SubscriberMetrics,
        signals: &'a Signals,
        requests: Requests,
    ) -> Self {
        Self {
            config,
            filters: config.filters(),
            metrics,
            signals,
            requests,
            epoch: 0,
            backoff: Backoff::default(),
            confirmed: false,
            retry_at: None,
        }
    }

    pub(super) async fn run(
        mut self,
        mut events: Events,
        sender: mpsc::Sender<Received>,
        stop: &CancellationToken,
    ) {
        loop {
            let polled = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = self.signals.finished.cancelled() => break,
                () = self.signals.broken.notified() => {
                    events.reset();
                    Err("messages could not be kept".into())
                }
                polled = events.poll() => polled,
            };
            match polled {
                Ok(Happening::Publish(delivery)) => {
                    self.metrics.publishes.fetch_add(1, Relaxed);
                    let epoch = self.signals.epoch.load(Relaxed);
                    if sender.send(Received { delivery, epoch }).await.is_err() {
                        break;
                    }
                }
                Ok(Happening::Connected { session_present }) => self.connected(session_present),
                Ok(Happening::Subscribed(codes)) => self.subscribed(&codes),
                Ok(Happening::Other) => {}
                Err(why) => {
                    self.lost(&why);
                    for delivery in events.take_leftovers() {
                        self.metrics.publishes.fetch_add(1, Relaxed);
                        if sender.send(Received { delivery, epoch: 0 }).await.is_err() {
                            return;
                        }
                    }
                    let wait = self.backoff.next(rand::random());
                    tokio::select! {
                        () = stop.cancelled() => break,
                        () = sleep(wait) => {}
                    }
                }
            }
            if self.retry_at.is_some_and(|at| at <= Instant::now()) {
                self.subscribe();
            }
        }
        drop(sender);
        self.finish(events).await;
    }

    fn connected(&mut self, session_present: bool) {
        self.epoch += 1;
        self.signals.epoch.store(self.epoch, Relaxed);
        self.backoff.reset();
        self.metrics.connections.fetch_add(1, Relaxed);
        self.metrics.connected.store(true, Relaxed);
        tracing::info!(name = self.config.name, session_present, "connected to the broker");
        if !session_present {
            self.confirmed = false;
        }
        if self.confirmed {
            self.metrics.subscribed.store(true, Relaxed);
            self.metrics.set_error(None);
        } else {
            self.subscribe();
        }
    }

    fn subscribe(&mut self) {
        self.retry_at = None;
        if !self.requests.subscribe(&self.filters, self.config.qos) {
            self.retry_at = Some(Instant::now() + RETRY_REFUSED);
            self.trouble("subscription could not be sent");
        }
    }

    fn subscribed(&mut self, codes: &[Result<u8, String>]) {
        let mut refused = Vec::new();
        if codes.len() != self.filters.len() {
            refused.push(format!("{} answers to {} filters", codes.len(), self.filters.len()));
        }
        for (filter, code) in self.filters.iter().zip(codes) {
            match code {
                Ok(qos) if *qos < self.config.qos => {
                    self.metrics.subscriptions_lowered.fetch_add(1, Relaxed);
                    tracing::warn!(name = self.config.name, filter, qos, "subscription lowered");
                }
                Ok(_) => {}
                Err(why) => refused.push(format!("{filter}: {why}")),
            }
        }
        self.confirmed = refused.is_empty();
        self.metrics.subscribed.store(self.confirmed, Relaxed);
        if self.confirmed {
            self.metrics.set_error(None);
            return;
        }
        self.metrics.subscriptions_refused.fetch_add(refused.len() as u64, Relaxed);
        self.retry_at = Some(Instant::now() + RETRY_REFUSED);
        let text = format!("subscription refused: {}", refused.join(", "));
        tracing::error!(name = self.config.name, "{text}");
        self.metrics.set_error(Some(text));
    }

    fn lost(&mut self, why: &str) {
        self.signals.epoch.store(0, Relaxed);
        self.metrics.connected.store(false, Relaxed);
        self.metrics.subscribed.store(false, Relaxed);
        self.metrics.connection_errors.fetch_add(1, Relaxed);
        self.retry_at = None;
        self.trouble(why);
    }

    fn trouble(&self, why: &str) {
        tracing::warn!(name = self.config.name, host = self.config.host, why, "broker");
        self.metrics.set_error(Some(why.into()));
    }

    /// Lets the last acks out and says goodbye. Publishes that still come are not acknowledged;
    /// the broker keeps them for the next start.
    async fn finish(&mut self, mut events: Events) {
        let finished = self.signals.finished.clone();
        let connected = self.signals.epoch.load(Relaxed) != 0;
        let waited = timeout(STOP_GRACE, async {
            tokio::select! {
                () = finished.cancelled() => {}
                () = poll_to_end(&mut events), if connected => {
                    // The connection went first; acks have nowhere to go.
                    self.signals.epoch.store(0, Relaxed);
                    finished.cancelled().await;
                }
            }
        });
        if waited.await.is_err() {
            tracing::warn!(name = self.config.name, "stopped before the last commits");
            self.signals.abort.cancel();
        }
        if self.signals.epoch.swap(0, Relaxed) != 0 && self.requests.disconnect() {
            // After the grace the broker finds out by itself.
            let _ = timeout(STOP_GRACE, poll_to_end(&mut events)).await;
        }
        self.metrics.connected.store(false, Relaxed);
    }
}

async fn poll_to_end(events: &mut Events) {
    while events.poll().await.is_ok() {}
}
