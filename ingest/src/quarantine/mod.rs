//! Refused messages, raw and with the reason, bounded in rows, rows per device and bytes.

mod door;
pub(crate) mod redact;
mod store;
#[cfg(test)]
mod tests;
mod writer;

use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use ioc_model::{QuarantineReason, QuarantineRow, QuarantineStore, Timestamp};
use serde::Deserialize;
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::access::Client;
use crate::decode::{Incoming, Refusal};
use crate::error::IngestError;
pub use door::QuarantineDoor;
use store::Store;
pub(crate) use store::visible;
use writer::{Change, Counters, Job};

/// Settings of the [`Quarantine`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct QuarantineConfig {
    /// Rows kept of all devices. Full: the oldest is dropped and counted.
    pub max_rows: u64,
    /// Rows kept of one device (and of all messages without one). Full: its oldest is dropped
    /// and counted.
    pub max_rows_per_device: u64,
    /// Bytes of all kept payloads. Full: the oldest rows are dropped and counted.
    pub max_bytes: u64,
    /// Bytes that may wait for the writer. Full: whoever refuses more waits.
    pub queue_bytes: u32,
    /// Shortest time between two commits, in milliseconds, so that a flood of refusals costs
    /// the disk at most this many syncs.
    pub commit_gap_ms: u64,
}

impl Default for QuarantineConfig {
    fn default() -> Self {
        Self {
            max_rows: 100_000,
            max_rows_per_device: 200,
            max_bytes: 64 << 20,
            queue_bytes: 4 << 20,
            commit_gap_ms: 20,
        }
    }
}

/// Payload bytes kept of one message.
const PAYLOAD_BYTES: usize = 64 << 10;
/// Submissions that may wait for the writer; the byte limit is reached first unless they are tiny.
const QUEUE_JOBS: usize = 1_024;

/// A refused message on its way to the quarantine.
#[derive(Clone, Debug, PartialEq)]
pub struct Refused {
    /// When it reached us.
    pub at: Timestamp,
    /// Door.
    pub source: Arc<str>,
    /// Topic as received.
    pub topic: String,
    /// Device, as far as the topic or payload named one.
    pub device: Option<String>,
    /// Why.
    pub reason: QuarantineReason,
    /// Why, in words.
    pub detail: String,
    /// Payload, cut at 64 KiB, what is or may be personal masked.
    pub payload: Vec<u8>,
    /// Topic and payload are as they came: nothing was cut or masked.
    pub whole: bool,
    /// Who sent it.
    pub client: Client,
    /// The publish's retain flag.
    pub retain: bool,
}

impl Refused {
    /// The row of a message that was refused.
    pub fn new(
        source: &Arc<str>,
        client: &Client,
        message: &Incoming<'_>,
        refusal: Refusal,
    ) -> Self {
        let kept = &message.payload[..message.payload.len().min(PAYLOAD_BYTES)];
        let topic: String = message.topic.chars().take(256).collect();
        let payload = redact::payload(kept);
        Self {
            at: message.received,
            source: Arc::clone(source),
            whole: payload == message.payload && topic == message.topic,
            topic,
            device: refusal.device,
            reason: refusal.reason,
            detail: refusal.detail,
            payload,
            client: client.clone(),
            retain: message.retain,
        }
    }

    fn queue_bytes(&self) -> usize {
        self.payload.len() + self.topic.len() + self.detail.len() + self.client.id.len() + 128
    }
}

/// The quarantine: one SQLite file, written by one thread with group commit.
///
/// Rows that the same commit would already drop again (more than a device may have) are not
/// written at all, and commits keep a distance: a flood of refusals costs neither disk space nor
/// the sync time that accepted messages need. Dropping the value ends the thread after it has
/// written what was taken.
pub struct Quarantine {
    jobs: Option<mpsc::Sender<Job>>,
    room: Arc<Semaphore>,
    room_bytes: u32,
    counters: Arc<Counters>,
    reader: Mutex<Store>,
    writer: Option<JoinHandle<()>>,
}

impl Quarantine {
    /// Opens or makes the file and starts its writer thread. A file that is damaged is set aside
    /// as `<name>.damaged`: the quarantine never stops a start.
    ///
    /// # Errors
    /// [`IngestError::QuarantineOpen`] when no file can be made, [`IngestError::Thread`] when no
    /// thread can.
    pub fn open(path: &Path, config: QuarantineConfig) -> Result<Self, IngestError> {
        let failed = |source| IngestError::QuarantineOpen {
            path: path.to_owned(),
            source: Arc::new(source),
        };
        let store = store::open_or_set_aside(path).map_err(failed)?;
        let reader = Mutex::new(Store::open(path).map_err(failed)?);
        let counters = Arc::<Counters>::default();
        let room_bytes = config.queue_bytes.max(1);
        let gap = Duration::from_millis(config.commit_gap_ms);
        let (jobs, queue) = mpsc::channel(QUEUE_JOBS);
        let writer = writer::Writer::new(store, config, Arc::clone(&counters)).map_err(failed)?;
        let writer = std::thread::Builder::new()
            .name("quarantine".into())
            .spawn(move || writer.run(queue, gap))
            .map_err(|e| IngestError::Thread(Arc::new(e)))?;
        Ok(Self {
            jobs: Some(jobs),
            room: Arc::new(Semaphore::new(room_bytes as usize)),
            room_bytes,
            counters,
            reader,
            writer: Some(writer),
        })
    }

    /// Takes refused messages. The outer future resolves when there is room, the inner one when
    /// they are durable (or known to be dropped by the limits); dropping it loses nothing.
    ///
    /// # Errors
    /// [`IngestError`] when the writer has stopped (outer) or could not write (inner).
    pub async fn store(
        &self,
        rows: Vec<Refused>,
    ) -> Result<BoxFuture<'static, Result<(), IngestError>>, IngestError> {
        let bytes = rows.iter().map(Refused::queue_bytes).sum();
        self.change(Change::Add(rows), bytes).await
    }

    /// Takes a change; `bytes` that it holds while it waits.
    async fn change(
        &self,
        change: Change,
        bytes: usize,
    ) -> Result<BoxFuture<'static, Result<(), IngestError>>, IngestError> {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX).min(self.room_bytes);
        let room = Arc::clone(&self.room)
            .acquire_many_owned(bytes)
            .await
            .map_err(|_| IngestError::QuarantineClosed)?;
        let (done, written) = oneshot::channel();
        let jobs = self.jobs.as_ref().ok_or(IngestError::QuarantineClosed)?;
        jobs.send(Job { change, done, _room: room })
            .await
            .map_err(|_| IngestError::QuarantineClosed)?;
        Ok(async move { written.await.unwrap_or(Err(IngestError::QuarantineClosed)) }.boxed())
    }

    fn reader(&self) -> MutexGuard<'_, Store> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Rows dropped by the limits since the start of the process.
    pub fn dropped(&self) -> u64 {
        self.counters.dropped.load(Relaxed)
    }

    /// Rows held.
    pub fn rows(&self) -> u64 {
        self.counters.rows.load(Relaxed)
    }

    /// Bytes of the payloads held.
    pub fn payload_bytes(&self) -> u64 {
        self.counters.bytes.load(Relaxed)
    }
}

impl Drop for Quarantine {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            tracing::error!("quarantine writer ended abnormally");
        }
    }
}

impl QuarantineStore for Quarantine {
    fn newest(
        &self,
        device: Option<&str>,
        limit: usize,
    ) -> Result<Vec<QuarantineRow>, Box<dyn std::error::Error + Send + Sync>> {
        Ok(self.reader().newest(device, None, limit)?)
    }

    fn newest_of(
        &self,
        device: Option<&str>,
        reason: QuarantineReason,
        limit: usize,
    ) -> Result<Vec<QuarantineRow>, Box<dyn std::error::Error + Send + Sync>> {
        Ok(self.reader().newest(device, Some(reason), limit)?)
    }
}
