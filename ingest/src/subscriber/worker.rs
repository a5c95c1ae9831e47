use std::collections::VecDeque;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{SystemTime, UNIX_EPOCH};

use futures::future::BoxFuture;
use ioc_model::Timestamp;
use tokio::sync::mpsc;

use super::config::SubscriberConfig;
use super::link::Requests;
use super::metrics::SubscriberMetrics;
use super::run::{Received, Signals};
use crate::{Client, Incoming, IngestError, MessageSink};

/// Most publishes of one submission.
const MAX_CHUNK: usize = 512;

/// Submits what the poller receives and acknowledges it in order once it is durable.
pub(super) struct Worker<'a> {
    metrics: &'a SubscriberMetrics,
    signals: &'a Signals,
    requests: Requests,
    /// In the order of the publishes. Bounded by `max_in_flight` messages and one chunk.
    chunks: VecDeque<Chunk>,
    in_flight: usize,
    max_in_flight: usize,
    client: Client,
}

struct Chunk {
    durable: BoxFuture<'static, Result<(), IngestError>>,
    messages: usize,
    acks: Vec<Received>,
}

enum Step {
    Committed(Result<(), IngestError>),
    Received(usize),
}

impl<'a> Worker<'a> {
    pub(super) fn new(
        config: &SubscriberConfig,
        metrics: &'a SubscriberMetrics,
        signals: &'a Signals,
        requests: Requests,
    ) -> Self {
        Self {
            metrics,
            signals,
            requests,
            chunks: VecDeque::new(),
            in_flight: 0,
            max_in_flight: config.max_in_flight.max(1),
            // The broker knows its clients; we do not.
            client: Client::trusted(&config.name),
        }
    }

    /// Runs until the poller is done and every commit has ended.
    pub(super) async fn run<S: MessageSink>(
        mut self,
        sink: &S,
        source: &S::Source,
        mut receiver: mpsc::Receiver<Received>,
    ) -> Result<(), IngestError> {
        let mut open = true;
        let mut batch = Vec::new();
        while open || !self.chunks.is_empty() {
            let step = tokio::select! {
                biased;
                committed = front(&mut self.chunks) => Step::Committed(committed),
                n = receiver.recv_many(&mut batch, MAX_CHUNK),
                    if open && self.in_flight < self.max_in_flight => Step::Received(n),
            };
            let done = match step {
                Step::Committed(Ok(())) => {
                    self.acknowledge();
                    Ok(())
                }
                Step::Committed(Err(error)) => Err(error),
                Step::Received(0) => {
                    open = false;
                    Ok(())
                }
                Step::Received(_) => self.submit(sink, source, std::mem::take(&mut batch)).await,
            };
            if let Err(error) = done {
                self.give_up(error)?;
            }
        }
        Ok(())
    }

    async fn submit<S: MessageSink>(
        &mut self,
        sink: &S,
        source: &S::Source,
        mut batch: Vec<Received>,
    ) -> Result<(), IngestError> {
        let received = now();
        let messages: Vec<_> = batch
            .iter()
            .map(|r| Incoming {
                // A topic that is not text is refused by the intake like any it does not know.
                topic: r.delivery.topic().unwrap_or("\u{FFFD}"),
                payload: r.delivery.payload(),
                retain: r.delivery.retain(),
                received,
            })
            .collect();
        let count = messages.len();
        let submitted = sink.submit(source, &self.client, &messages).await?;
        self.metrics.chunks.fetch_add(1, Relaxed);
        self.set_in_flight(self.in_flight + count);
        batch.retain_mut(|r| {
            r.delivery.drop_payload();
            r.delivery.wants_ack()
        });
        let chunk = Chunk { durable: submitted.durable, messages: count, acks: batch };
        self.chunks.push_back(chunk);
        Ok(())
    }

    fn acknowledge(&mut self) {
        let Some(chunk) = self.chunks.pop_front() else { return };
        self.set_in_flight(self.in_flight - chunk.messages);
        let epoch = self.signals.epoch.load(Relaxed);
        for ack in &chunk.acks {
            // An id of an earlier connection may by now belong to another message.
            if epoch != 0 && ack.epoch == epoch && self.requests.ack(&ack.delivery) {
                self.metrics.acks.fetch_add(1, Relaxed);
            } else {
                self.metrics.stale_acks.fetch_add(1, Relaxed);
            }
        }
    }

    /// After a failure nothing that follows may be acknowledged on this connection, or the acks
    /// would be out of order and the failed messages lost.
    fn give_up(&mut self, error: IngestError) -> Result<(), IngestError> {
        self.metrics.sink_errors.fetch_add(1, Relaxed);
        self.signals.epoch.store(0, Relaxed);
        if !error.is_retryable() {
            return Err(error);
        }
        tracing::error!(%error, "messages were not kept and will be delivered again");
        self.chunks.clear();
        self.set_in_flight(0);
        self.signals.broken.notify_one();
        Ok(())
    }

    fn set_in_flight(&mut self, n: usize) {
        self.in_flight = n;
        self.signals.unfinished.store(n, Relaxed);
    }
}

/// The end of the oldest commit; never, if there is none.
async fn front(chunks: &mut VecDeque<Chunk>) -> Result<(), IngestError> {
    match chunks.front_mut() {
        Some(chunk) => (&mut chunk.durable).await,
        None => std::future::pending().await,
    }
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
