//! What the device registry does once a second.

use std::sync::Arc;
use std::time::Duration;

use ioc_dashboard::Live;
use ioc_ingest::Registry;
use tokio_util::sync::CancellationToken;

use super::{blocking, wall};

/// A change by `ioc device` beside the centre holds within so long.
const EVERY: Duration = Duration::from_secs(1);

/// Keeps the registry: changes of other processes, devices that appeared, its audit lines and its
/// copy. A disk that is full stops none of what is in memory.
pub(crate) struct RegistryStage {
    pub registry: Arc<Registry>,
    pub live: Arc<Live>,
}

impl RegistryStage {
    /// Runs until `stop`, and once more after it: what appeared last is kept.
    pub(crate) async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        let mut every = tokio::time::interval(EVERY);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let stopped = tokio::select! {
                () = stop.cancelled() => true,
                _ = every.tick() => false,
            };
            let (registry, live) = (Arc::clone(&self.registry), Arc::clone(&self.live));
            blocking(move || {
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
                return Ok(());
            }
        }
    }
}
