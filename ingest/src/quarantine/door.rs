//! A second look at refused messages.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ioc_model::{DeviceState, QuarantineReason, QuarantineRerun, Rerun};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::Quarantine;
use super::store::Kept;
use super::writer::{Change, Settled};
use crate::decode::Incoming;
use crate::error::IngestError;
use crate::intake::{Intake, Outcome, SourceHandle};

/// Rows of one step: their payloads are in memory together.
const STEP: usize = 64;
/// Rows of one approved device; the quarantine keeps fewer by default.
const APPROVED: usize = 10_000;
/// How long after an approval a message may still be on its way to the quarantine, judged by the
/// registry as it was.
const LATE: Duration = Duration::from_secs(5);

/// Puts refused messages through the intake again, as a door of their own: see
/// [`ioc_model::Ledger`].
///
/// A message is judged with today's decoders, registry and rights, and keeps the time of its
/// first arrival. What is accepted leaves the quarantine when it is durable; a crash between the
/// two leaves a row that the next look finds to be a duplicate. What is still refused stays, with
/// today's reason, and is looked at after those that were looked at less often. The inbox, which
/// counted the message when it came, does not hear of it again.
pub struct QuarantineDoor {
    quarantine: Arc<Quarantine>,
    intake: Arc<Intake>,
    door: SourceHandle,
    /// One look at a time.
    looking: Mutex<()>,
}

type Failed = Box<dyn Error + Send + Sync>;

impl QuarantineDoor {
    /// Opens the door `quarantine` in the ledger: after all others, whose numbers must not move.
    pub fn new(quarantine: Arc<Quarantine>, intake: Arc<Intake>) -> Self {
        let door = intake.source("quarantine");
        Self { quarantine, intake, door, looking: Mutex::new(()) }
    }

    /// Looks again at what waited for the approval of devices that are approved now.
    ///
    /// # Errors
    /// As [`QuarantineRerun::rerun`].
    pub async fn approved(&self) -> Result<Rerun, Failed> {
        let waiting = self.read(|store| store.waiting()).await?;
        let devices = Arc::clone(&self.intake.decoders().registry().now());
        let approved = |id: &str| devices.get(id).is_some_and(|d| d.state == DeviceState::Approved);
        let mut all = Rerun::default();
        for device in waiting.iter().filter(|id| approved(id)) {
            let reason = Some(QuarantineReason::DevicePending);
            let one = self.rerun(Some(device), reason, APPROVED).await?;
            all = sum(all, one);
        }
        Ok(all)
    }

    /// Runs [`QuarantineDoor::approved`] at the start and whenever the registry changes.
    pub async fn follow(&self, stop: CancellationToken) {
        let mut changes = self.intake.decoders().registry().changes();
        let mut again = true;
        loop {
            match self.approved().await {
                Ok(done) if done.tried > 0 => {
                    tracing::info!(?done, "messages of approved devices taken again");
                }
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "messages of approved devices wait on"),
            }
            let late = async {
                match again {
                    true => tokio::time::sleep(LATE).await,
                    false => std::future::pending().await,
                }
            };
            again = tokio::select! {
                () = stop.cancelled() => return,
                changed = changes.changed() => match changed {
                    Ok(()) => true,
                    Err(_) => return,
                },
                () = late => false,
            };
        }
    }

    async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&super::Store) -> Result<T, rusqlite::Error> + Send + 'static,
    ) -> Result<T, Failed> {
        let quarantine = Arc::clone(&self.quarantine);
        let rows = tokio::task::spawn_blocking(move || query(&quarantine.reader()));
        Ok(rows.await??)
    }

    /// Looks at some rows again.
    async fn look(&self, rows: &[Kept]) -> Result<Rerun, IngestError> {
        let mut done = Rerun::default();
        let mut settled = Vec::with_capacity(rows.len());
        for of_client in rows.chunk_by(|a, b| a.client == b.client) {
            let Some(client) = of_client.first().map(|r| &r.client) else { continue };
            let messages: Vec<_> = of_client.iter().map(incoming).collect();
            let submitted = self.intake.look_again(&self.door, client, &messages).await?;
            // Nothing leaves the quarantine before it is on disk elsewhere.
            submitted.durable.await?;
            for (row, outcome) in of_client.iter().zip(submitted.outcomes) {
                settled.extend(settle(row.id, outcome, &mut done));
            }
        }
        let bytes = settled.iter().map(|s| s.still.as_ref().map_or(64, |(_, d)| d.len() + 64));
        let bytes = bytes.sum();
        self.quarantine.change(Change::Settle(settled), bytes).await?.await?;
        Ok(done)
    }
}

fn incoming(row: &Kept) -> Incoming<'_> {
    Incoming { topic: &row.topic, payload: &row.payload, retain: row.retain, received: row.at }
}

/// What becomes of a row; one that was shed is as it was.
fn settle(id: i64, outcome: Outcome, done: &mut Rerun) -> Option<Settled> {
    done.tried += 1;
    let still = match outcome {
        Outcome::Accepted | Outcome::Warned { .. } | Outcome::Partly { .. } => {
            done.accepted += 1;
            None
        }
        Outcome::Duplicate => {
            done.duplicates += 1;
            None
        }
        Outcome::Quarantined { reason, detail, .. } => {
            done.refused += 1;
            Some((reason, detail))
        }
        Outcome::Shed => {
            done.refused += 1;
            return None;
        }
    };
    Some(Settled { id, still })
}

fn sum(a: Rerun, b: Rerun) -> Rerun {
    Rerun {
        tried: a.tried + b.tried,
        accepted: a.accepted + b.accepted,
        duplicates: a.duplicates + b.duplicates,
        refused: a.refused + b.refused,
        masked: a.masked + b.masked,
    }
}

#[async_trait]
impl QuarantineRerun for QuarantineDoor {
    /// Cancel safety: what was looked at stays looked at; a row whose message was taken and that
    /// is not gone yet is found to be a duplicate by the next look.
    async fn rerun(
        &self,
        device: Option<&str>,
        reason: Option<QuarantineReason>,
        limit: usize,
    ) -> Result<Rerun, Failed> {
        let _one = self.looking.lock().await;
        let of = device.map(String::from);
        // Chosen once: what is refused again is not met again in this look.
        let (ids, masked) =
            self.read(move |store| store.to_look_at(of.as_deref(), reason, limit)).await?;
        let mut done = Rerun { masked, ..Rerun::default() };
        for step in ids.chunks(STEP) {
            let step = step.to_vec();
            let rows: Vec<Kept> = self
                .read(move |store| {
                    step.iter().filter_map(|id| store.kept(*id).transpose()).collect()
                })
                .await?;
            done = sum(done, self.look(&rows).await?);
            tracing::debug!(done.tried, of = ids.len(), "quarantine looked at again");
        }
        Ok(done)
    }
}
