//! What the device registry does once a second.

use std::sync::Arc;
use std::time::Duration;

use ioc_dashboard::Live;
use ioc_ingest::{Inbox, Registry};
use tokio_util::sync::CancellationToken;

use super::{blocking, wall};

/// A change by `ioc device` beside the centre holds within so long.
const EVERY: Duration = Duration::from_secs(1);
/// Pending devices are filled in with what they send so many rounds apart.
const TEACH: u64 = 60;

/// Keeps the registry: changes of other processes, devices that appeared, its audit lines and its
/// copy. A disk that is full stops none of what is in memory.
pub(crate) struct RegistryStage {
    pub registry: Arc<Registry>,
    pub live: Arc<Live>,
    /// What devices send, for those that wait for approval.
    pub inbox: Arc<Inbox>,
}

impl RegistryStage {
    /// Runs until `stop`, and once more after it: what appeared last is kept.
    pub(crate) async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        let mut every = tokio::time::interval(EVERY);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        for round in 0u64.. {
            let stopped = tokio::select! {
                () = stop.cancelled() => true,
                _ = every.tick() => false,
            };
            let (registry, live) = (Arc::clone(&self.registry), Arc::clone(&self.live));
            let teacher = round.is_multiple_of(TEACH).then(|| Arc::clone(&self.inbox));
            blocking(move || {
                if let Some(inbox) = teacher {
                    inbox.teach(&registry);
                }
                match registry.maintain(wall()) {
                    Ok(changed) => changed.iter().for_each(|device| live.configure(device)),
                    Err(error) => {
                        let error = anyhow::Error::new(error);
                        let error = format!("{error:#}");
                        tracing::warn!(error, "device registry not kept, tried again");
                    }
                }
                Ok(())
            })
            .await?;
            if stopped {
                break;
            }
        }
        Ok(())
    }
}
