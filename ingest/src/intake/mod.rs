//! The one way in behind both doors.

mod batch;
mod config;
mod inflight;
mod source;
#[cfg(test)]
mod tests;
mod window;

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use ahash::RandomState;
use async_trait::async_trait;
use futures::FutureExt;
use futures::future::BoxFuture;
use ioc_model::{City, Entry, Ledger, QuarantineReason, Record};

use crate::access::Client;
use crate::decode::{Decoders, Incoming, Reply};
use crate::error::{IngestError, SinkError};
use crate::inbox::{Inbox, InboxConfig};
use crate::quarantine::Quarantine;
pub(crate) use batch::Key;
use batch::{Batch, Read, Taken};
pub use config::IntakeConfig;
use inflight::{Commit, InFlight, Wait};
pub use source::SourceHandle;
pub(crate) use window::KeyHasher;
use window::{KeySet, Window};

/// Where accepted records go: the journal.
#[async_trait]
pub trait RecordSink: Send + Sync {
    /// Takes entries in their order. The outer future resolves when there is room for them, the
    /// inner one when they are durable. The inner future only reports: entries once taken become
    /// durable also when it is dropped.
    ///
    /// # Errors
    /// [`SinkError`] when the entries were not taken (outer) or are not durable (inner).
    async fn append(
        &self,
        entries: Vec<Entry>,
    ) -> Result<BoxFuture<'static, Result<(), SinkError>>, SinkError>;
}

/// What became of one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Its records are on the way to the journal (some formats also say nothing in a message).
    Accepted,
    /// Accepted, with a remark for the device: its clock. Each device is told once a minute; the
    /// messages between are plainly accepted.
    Warned {
        /// What, as a code.
        reason: QuarantineReason,
        /// What, in words for the device's owner.
        detail: String,
    },
    /// Accepted, but some of its values cannot be and are kept as bad, or are uncertain.
    Partly {
        /// Why, as a code.
        reason: QuarantineReason,
        /// Which, in words for the device's owner.
        detail: String,
        /// What to say to the sender so that it gets well again.
        reply: Option<Box<Reply>>,
    },
    /// All its records were accepted before.
    Duplicate,
    /// Refused; it is on the way to the quarantine.
    Quarantined {
        /// Why, as a code.
        reason: QuarantineReason,
        /// Why, in words for the device's owner.
        detail: String,
        /// The device it was about, as far as topic or payload named one.
        device: Option<String>,
        /// What to say to the sender so that it can go on.
        reply: Option<Box<Reply>>,
    },
    /// Given up: the device is one more than the configuration allows.
    Shed,
}

/// Result of a submission.
pub struct Submitted {
    /// One per message, in their order.
    pub outcomes: Vec<Outcome>,
    /// Resolves when all of it is on disk: records, refusals, and the first deliveries of
    /// duplicates. Nothing may be acknowledged before. Dropping it loses nothing.
    pub durable: BoxFuture<'static, Result<(), IngestError>>,
}

/// Takes messages of all doors: decode, refuse, find duplicates, append, count.
///
/// Full: when the sink or the quarantine has no room, [`Intake::submit`] waits, and a door that
/// waits does not read its socket. Nothing is dropped silently.
pub struct Intake {
    config: IntakeConfig,
    city: Arc<City>,
    ledger: Arc<Ledger>,
    decoders: Arc<Decoders>,
    sink: Arc<dyn RecordSink>,
    quarantine: Arc<Quarantine>,
    inbox: Arc<Inbox>,
    core: Arc<Core>,
}

/// What submissions share.
struct Core {
    /// Held for a submission's duplicate check, never across an await.
    state: Mutex<State>,
    hasher: RandomState,
}

struct State {
    window: Window,
    devices: KeySet,
    devices_max: usize,
    in_flight: InFlight,
}

impl Core {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }
}

impl State {
    fn admit(&mut self, device: u64) -> bool {
        if self.devices.contains(&device) {
            return true;
        }
        self.devices.len() < self.devices_max && self.devices.insert(device)
    }

    fn give_up(&mut self, ticket: u64) {
        for key in self.in_flight.close(ticket) {
            self.window.forget(key);
        }
    }
}

impl Intake {
    /// An intake with an empty duplicate window (see [`Intake::remember`]) and an inbox of the
    /// default size (see [`Intake::with_inbox`]).
    pub fn new(
        config: IntakeConfig,
        city: Arc<City>,
        ledger: Arc<Ledger>,
        decoders: impl Into<Arc<Decoders>>,
        sink: Arc<dyn RecordSink>,
        quarantine: Arc<Quarantine>,
    ) -> Self {
        let decoders = decoders.into();
        let hasher = RandomState::new();
        let inbox = Inbox::new(
            &InboxConfig::default(),
            Arc::clone(&city),
            Arc::clone(&decoders),
            hasher.clone(),
        );
        let devices: KeySet = city.devices.keys().map(|d| hasher.hash_one(&**d)).collect();
        let state = State {
            window: Window::new(config.dedup_keys),
            devices_max: devices.len().saturating_add(config.max_devices),
            devices,
            in_flight: InFlight::default(),
        };
        let core = Arc::new(Core { state: Mutex::new(state), hasher });
        let inbox = Arc::new(inbox);
        Self { config, city, ledger, decoders, sink, quarantine, inbox, core }
    }

    /// With an inbox of another size.
    #[must_use]
    pub fn with_inbox(self, config: &InboxConfig) -> Self {
        let (city, decoders) = (Arc::clone(&self.city), Arc::clone(&self.decoders));
        let inbox = Inbox::new(config, city, decoders, self.core.hasher.clone());
        Self { inbox: Arc::new(inbox), ..self }
    }

    /// What was received, by device.
    pub fn inbox(&self) -> &Arc<Inbox> {
        &self.inbox
    }

    /// Opens a door in the ledger. Doors must be opened in the same order at every start.
    pub fn source(&self, name: &str) -> SourceHandle {
        let (index, counters) = self.ledger.source(name);
        SourceHandle { index, name: name.into(), counters }
    }

    /// The decoders, for looking at a payload without taking it.
    pub fn decoders(&self) -> &Decoders {
        &self.decoders
    }

    /// Puts a record of the journal's tail into the duplicate window, at start before any
    /// submission.
    pub fn remember(&self, record: &Record) {
        let device = self.core.hasher.hash_one(&*record.device);
        let mut state = self.core.lock();
        state.window.insert(record.dedup_key());
        state.admit(device);
    }

    /// Takes the messages of one socket read of one client. Waits while the sink or the
    /// quarantine is full. The inbox hears of them as they were judged, before the wait.
    ///
    /// Counting: `received` at once; `accepted` and `records` when the sink has taken them;
    /// `quarantined` when the quarantine's writer has; a message that is given up before
    /// (this future dropped, or an error) or whose commit fails counts as `shed`, so the
    /// conservation law holds whenever nothing is under way.
    ///
    /// # Errors
    /// [`IngestError`] when the sink or the quarantine does not take its part; nothing of the
    /// submission may then be acknowledged.
    ///
    /// # Cancel safety
    /// Dropping the future gives up what the sink has not taken yet: keys are forgotten, the
    /// messages count as shed.
    pub async fn submit(
        &self,
        source: &SourceHandle,
        client: &Client,
        messages: &[Incoming<'_>],
    ) -> Result<Submitted, IngestError> {
        let read = Read { source, client, messages, is_second: false };
        self.take(read).await
    }

    /// Takes messages of the quarantine again. Those that are refused again are counted and not
    /// stored: their rows are there. The inbox does not hear of it.
    ///
    /// # Errors
    /// As [`Intake::submit`].
    pub(crate) async fn look_again(
        &self,
        source: &SourceHandle,
        client: &Client,
        messages: &[Incoming<'_>],
    ) -> Result<Submitted, IngestError> {
        self.take(Read { source, client, messages, is_second: true }).await
    }

    async fn take(&self, read: Read<'_>) -> Result<Submitted, IngestError> {
        read.source.counters.received.fetch_add(read.messages.len() as u64, Relaxed);
        let mut batch = Batch::decode(self, &read);
        self.sweep();
        let mut taken = batch.deduplicate(self, &read);
        let outcomes = batch.outcomes;

        let own = match taken.entries.is_empty() {
            true => None,
            false => Some(self.append(&mut taken).await?),
        };
        taken.pass_empty();
        let refused = match batch.refused.is_empty() || read.is_second {
            true => None,
            false => Some(self.quarantine.store(batch.refused).await?),
        };
        taken.pass_refused();

        let waits = std::mem::take(&mut taken.waits);
        let durable = match (&own, waits.is_empty(), &refused) {
            (None, true, None) => futures::future::ready(Ok(())).boxed(),
            _ => durable(own, waits, refused).boxed(),
        };
        Ok(Submitted { outcomes, durable })
    }

    /// Hands the records to the sink and arranges what happens when their commit ends.
    async fn append(&self, taken: &mut Taken) -> Result<Commit, SinkError> {
        let entries = std::mem::take(&mut taken.entries);
        let inner = self.sink.append(entries).await?;
        let (ticket, [messages, partly, records]) = taken.pass_appended();
        let core: Weak<Core> = Arc::downgrade(&self.core);
        let counters = Arc::clone(&taken.counters);
        let commit: Commit = async move {
            let end = inner.await;
            if let Some(core) = core.upgrade() {
                let mut state = core.lock();
                match end {
                    Ok(()) => drop(state.in_flight.close(ticket)),
                    Err(_) => state.give_up(ticket),
                }
            }
            if end.is_err() {
                counters.shed.fetch_add(messages, Relaxed);
                counters.accepted.fetch_sub(messages, Relaxed);
                counters.partly.fetch_sub(partly, Relaxed);
                counters.records.fetch_sub(records, Relaxed);
            }
            end
        }
        .boxed()
        .shared();
        self.core.lock().in_flight.committing(ticket, &commit);
        Ok(commit)
    }

    /// Ends submissions whose door went away before their commit did.
    fn sweep(&self) {
        loop {
            let oldest = self.core.lock().in_flight.oldest();
            if !oldest.is_some_and(inflight::has_ended) {
                return;
            }
        }
    }
}

async fn durable(
    own: Option<Commit>,
    waits: Vec<Wait>,
    refused: Option<BoxFuture<'static, Result<(), IngestError>>>,
) -> Result<(), IngestError> {
    if let Some(commit) = own {
        commit.await?;
    }
    for wait in waits {
        let commit = match wait {
            Wait::Commit(commit) => commit,
            Wait::Append(told) => told.await.map_err(|_| IngestError::FirstDelivery)?,
        };
        commit.await.map_err(|_| IngestError::FirstDelivery)?;
    }
    match refused {
        Some(written) => written.await,
        None => Ok(()),
    }
}
