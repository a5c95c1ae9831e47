//! What was received, by device: for the owner who asks what became of its messages.
//!
//! Every message is counted under each device it names, else under the client that sent it. A
//! few of the last ones are kept as they came; they are decoded again when somebody looks. All
//! of it is in memory and bounded; a restart begins anew.

mod cadence;
mod clock;
mod config;
mod feed;
mod names;
mod raw;
mod shard;
mod stats;
#[cfg(test)]
mod tests;
mod view;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use ahash::RandomState;
use ioc_model::{City, DeviceState, Received, ReceivedMessage, ReceivedStore, Timestamp};

use crate::decode::Decoders;
use crate::registry::Registry;
pub use config::InboxConfig;
pub(crate) use feed::{Feed, Said};
use names::Names;
use raw::Raw;
use shard::Shard;
pub use view::record_json;

const SHARDS: usize = 16;

/// What was received, by device.
pub struct Inbox {
    city: Arc<City>,
    decoders: Arc<Decoders>,
    hasher: RandomState,
    names: Names,
    clock: fn() -> Timestamp,
    shards: Box<[Mutex<Shard>]>,
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Inbox")
    }
}

/// Wall time.
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

impl Inbox {
    /// An empty one whose devices are told apart by `hasher`.
    pub(crate) fn new(
        config: &InboxConfig,
        city: Arc<City>,
        decoders: Arc<Decoders>,
        hasher: RandomState,
    ) -> Self {
        let devices = config.max_devices.div_ceil(SHARDS);
        let shard = || Mutex::new(Shard::new(devices, config.max_bytes / SHARDS));
        let shards = (0..SHARDS).map(|_| shard()).collect();
        Self { city, decoders, hasher, names: Names::default(), clock: now, shards }
    }

    /// Tells the registry what the devices that wait for approval send and how often, so that
    /// whoever approves one finds it filled in. To be called now and then, such as once a minute.
    pub fn teach(&self, registry: &Registry) {
        for device in registry.now().iter().filter(|d| d.state == DeviceState::Pending) {
            let key = self.key(&device.id);
            let shard = self.lock(self.place(key));
            let Some(stats) = shard.get(key).cloned() else { continue };
            drop(shard);
            let cadence = stats.cadence.seconds().map_or(0, |s| s.round().max(1.0) as u32);
            // Events and the state of the device are no observed properties.
            let mut properties = self.names.of(&stats.seen);
            properties.retain(|p| self.city.properties.contains_key(p));
            if cadence > 0 || !properties.is_empty() {
                registry.learned(&device.id, cadence, &properties);
            }
        }
    }

    /// The messages as they are shown; looking at them changes nothing of what decoders remember.
    fn recent(&self, newest_first: &[Arc<Raw>]) -> Vec<ReceivedMessage> {
        newest_first.iter().map(|raw| view::shown(&self.city, &self.decoders, raw)).collect()
    }

    fn key(&self, device: &str) -> u64 {
        self.hasher.hash_one(device)
    }

    fn place(&self, key: u64) -> usize {
        // The low bits choose the bucket in the shard.
        (key >> 48) as usize % SHARDS
    }

    fn lock(&self, place: usize) -> MutexGuard<'_, Shard> {
        self.shards[place].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ReceivedStore for Inbox {
    fn received(&self, device: &str) -> Option<Received> {
        let key = self.key(device);
        let shard = self.lock(self.place(key));
        let stats = shard.get(key)?.clone();
        let raws = shard.raws.of(key);
        drop(shard);
        Some(Received {
            messages: stats.accepted
                + u64::from(stats.duplicates)
                + u64::from(stats.shed)
                + stats.refused(),
            accepted: stats.accepted,
            duplicates: u64::from(stats.duplicates),
            refused: stats.refused(),
            refused_by: stats.refused_by(),
            last: Some(stats.last),
            rate_per_min: Some(stats.rate_per_min((self.clock)())),
            cadence_s: stats.cadence.seconds(),
            skew_ms: stats.clock.skew_ms(),
            clock: stats.clock.state,
            properties: self.names.of(&stats.seen),
            recent: self.recent(&raws),
        })
    }
}
