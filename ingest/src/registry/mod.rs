//! The devices of the city: what the configuration knows, what people added, what appeared on its
//! own, and the tokens with which they prove who they are.
//!
//! Data flow: `devices.csv` and `devices.sqlite` → one [`Devices`] in memory, replaced as a whole
//! by each change, read without a lock. A change (REST, import, `ioc device` in another process)
//! is one transaction, which also holds its line for the audit log: [`Registry::maintain`] hands
//! the lines on, so no change is without its line, also after a crash, and a command beside a
//! running centre needs no access to the audit log.
//!
//! What it does not do: it decides no rights (that is `access.rs`), and it knows nothing of
//! connections; they look again when [`Registry::changes`] moves.
//!
//! How it fails: a damaged file stops no start. It is set aside as `devices.sqlite.damaged`, and
//! the copy beside it is taken, `devices.sqlite.copy`: it is written within a second after a
//! device was blocked or removed or a token revoked, and within a minute after any other change.
//! Without a good copy only the configured devices are left. Either way an error is logged, the
//! audit log says so, and [`Registry::restored`] tells it.

mod areas;
mod cells;
mod change;
mod check;
mod city;
mod columns;
mod config;
mod export;
mod import;
mod maintain;
mod mistakes;
mod open;
mod pending;
mod propose;
mod store;
#[cfg(test)]
mod tests;
mod tokens;
mod topics;

use std::fmt;
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Mutex, OnceLock};

use arc_swap::{ArcSwap, Guard};
use ioc_model::{Actor, City, DeviceState, Devices};
use tokio::sync::watch;

use areas::Areas;
pub use config::{RegistryConfig, UnknownDevices};
pub use open::Restored;
use pending::Waiting;
pub use pending::{Listed, Met};
use store::Store;
use tokens::Tokens;

/// Writes an act into the audit log: action, who, and more as JSON text.
pub type NoteAct = Arc<
    dyn Fn(&str, &Actor, &str) -> Result<(), Box<dyn std::error::Error + Send + Sync>>
        + Send
        + Sync,
>;

/// The registry. Looking up takes no lock: a change replaces the whole set.
pub struct Registry {
    config: RegistryConfig,
    city: Arc<City>,
    areas: Areas,
    devices: ArcSwap<Devices>,
    tokens: Tokens,
    waiting: Mutex<Waiting>,
    /// What time it was at the last [`Registry::maintain`], ms: signing in asks no clock.
    now: AtomicI64,
    changes: watch::Sender<u64>,
    /// `None`: in memory alone.
    file: Option<Mutex<Store>>,
    restored: Option<Restored>,
    audit: OnceLock<NoteAct>,
    /// Held while lines go to the audit log, so that each goes once.
    telling: Mutex<()>,
}

impl Registry {
    /// The devices of a configuration, in memory alone.
    pub fn of_city(city: &City) -> Self {
        Self::of(Devices::of_city(city))
    }

    /// The devices of a configuration, in memory alone, with what lists are checked against.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn of_whole_city(city: Arc<City>) -> Self {
        let devices = Devices::of_city(&city);
        Self::new(RegistryConfig::default(), city, devices)
    }

    /// A fixed set, in memory alone: for tools and tests. Devices may appear; people cannot change
    /// it.
    pub fn of(devices: Devices) -> Self {
        Self::new(RegistryConfig::default(), Arc::default(), devices)
    }

    fn new(config: RegistryConfig, city: Arc<City>, devices: Devices) -> Self {
        let waiting = Waiting::new(count_pending(&devices));
        Self {
            config,
            areas: Areas::new(&city),
            city,
            devices: ArcSwap::from_pointee(devices),
            tokens: Tokens::default(),
            waiting: Mutex::new(waiting),
            now: AtomicI64::new(0),
            changes: watch::Sender::new(0),
            file: None,
            restored: None,
            audit: OnceLock::new(),
            telling: Mutex::new(()),
        }
    }

    /// The same with other settings.
    #[must_use]
    pub fn with_config(self, config: RegistryConfig) -> Self {
        Self { config, ..self }
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
    /// moves. A device that merely appeared does not move it.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// The number of the token if it is one of the device's. As long for a device that is not
    /// there, and compared in constant time. Takes no lock that is held for long and asks no disk.
    pub fn token(&self, device: &str, token: &[u8]) -> Option<i64> {
        self.tokens.find(device, token, self.now.load(std::sync::atomic::Ordering::Relaxed))
    }

    /// What was lost and restored at the start; `None`: the file was whole.
    pub fn restored(&self) -> Option<Restored> {
        self.restored
    }

    /// From now on lines for the audit log go to `audit`; until then they wait in the file.
    /// Rules need the devices before the register of alerts is open, so it comes later.
    pub fn tell(&self, audit: NoteAct) {
        // A second one would double lines: the first stays.
        let _ = self.audit.set(audit);
    }

    fn moved(&self) {
        self.changes.send_modify(|n| *n += 1);
    }

    /// Whether the device still has the token of this number.
    pub fn has_token(&self, device: &str, token: i64) -> bool {
        self.tokens.has(device, token)
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("devices", &self.now().len()).finish_non_exhaustive()
    }
}

fn count_pending(devices: &Devices) -> usize {
    devices.iter().filter(|d| d.state == DeviceState::Pending).count()
}
