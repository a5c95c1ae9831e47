//! The devices of the city: what the configuration knows, what people added, what appeared on its
//! own, and the tokens with which they prove who they are.

mod config;

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use ioc_model::{City, Devices};
use tokio::sync::watch;

pub use config::{RegistryConfig, UnknownDevices};

/// The registry. Looking up takes no lock: a change replaces the whole set.
#[derive(Debug)]
pub struct Registry {
    config: RegistryConfig,
    devices: ArcSwap<Devices>,
    changes: watch::Sender<u64>,
}

impl Registry {
    /// The devices of a configuration, in memory alone.
    pub fn of_city(city: &City) -> Self {
        Self::of(Devices::of_city(city))
    }

    /// A fixed set, in memory alone: for tools and tests.
    pub fn of(devices: Devices) -> Self {
        Self {
            config: RegistryConfig::default(),
            devices: ArcSwap::from_pointee(devices),
            changes: watch::Sender::new(0),
        }
    }

    /// The devices now. Hold it for one message, not longer.
    pub fn now(&self) -> Guard<Arc<Devices>> {
        self.devices.load()
    }

    /// Its settings.
    pub fn config(&self) -> &RegistryConfig {
        &self.config
    }

    /// Counts the changes of devices and tokens; connections look again at what they may when it
    /// moves.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// The number of the token if it is one of the device's; compared in constant time.
    pub fn token(&self, _device: &str, _token: &[u8]) -> Option<i64> {
        None
    }
    /// Whether the device still has the token of this number.
    pub fn has_token(&self, _device: &str, _token: i64) -> bool {
        false
    }
}
