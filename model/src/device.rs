//! The devices of a city as the registry knows them, and the traits through which screens reach
//! the registry and what was received.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use ahash::RandomState;
use serde::{Deserialize, Serialize};

use crate::{Actor, City, ConfigError, DeviceSpec, Name, QuarantineReason, Text, Timestamp};

/// Whether a device may speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceState {
    /// Known and wanted.
    #[default]
    Approved,
    /// Appeared on its own and was not looked at by anyone yet.
    Pending,
    /// Whatever it says is refused, and it cannot connect.
    Blocked,
}

/// How the registry came to know a device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceOrigin {
    /// `devices.csv` of the configuration; only what the file does not say can be changed.
    #[default]
    Config,
    /// By people: REST, an import, `ioc device`.
    People,
    /// It appeared on its own.
    Auto,
}

/// A point, WGS 84.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// Latitude, degrees.
    pub lat: f64,
    /// Longitude, degrees.
    pub lon: f64,
}

/// How the device itself names a value, where that is not the catalogue's name or unit: a field
/// of its decoder's `object`, a metric, a datastream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceField {
    /// The device's own word, such as `temp_c`, or the id of a SensorThings datastream.
    pub name: String,
    /// Property of the catalogue.
    pub property: Name,
    /// Unit it is sent in, such as `°F` or `fraction`; `None`: the property's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
}

/// One device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Device {
    /// Id used in topics: `[A-Za-z0-9_.:-]{1,64}`.
    pub id: Name,
    /// Name for people.
    pub name: Text,
    /// Kind for icons: `camera`, `river_gauge`, `air_station`, …; empty: not known.
    #[serde(default)]
    pub kind: String,
    /// Service code.
    pub service: Name,
    /// Area id; `unassigned` if nobody knows.
    pub area: Name,
    /// Where it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// Observed properties of the catalogue, the main one first.
    #[serde(default)]
    pub properties: Vec<Name>,
    /// Expected seconds between messages; 0: not regular.
    #[serde(default)]
    pub cadence_s: u32,
    /// Id of the gateway it speaks through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Name>,
    /// Road segment it stands on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segment: Option<Name>,
    /// It speaks for the devices whose parent it is: an NVR, a LoRaWAN server, an edge node. A
    /// device that appears through it gets it as parent.
    #[serde(default)]
    pub bridge: bool,
    /// Topics it may publish to beside its native ones: patterns with `+`, and `#` at the end.
    #[serde(default)]
    pub topics: Vec<String>,
    /// Other names that payloads and topics of foreign formats give it: a DevEUI, an entity id.
    #[serde(default)]
    pub aliases: Vec<Name>,
    /// Its own words for values.
    #[serde(default)]
    pub fields: Vec<DeviceField>,
    /// Whom to ask: e-mail address or telephone of the owner. Shown to operators only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<String>,
    /// For people.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// Whether it may speak.
    #[serde(default)]
    pub state: DeviceState,
    /// How it came to be known.
    #[serde(default)]
    pub origin: DeviceOrigin,
    /// When it was first known.
    #[serde(default)]
    pub since: Timestamp,
    /// When it was last changed.
    #[serde(default)]
    pub changed: Timestamp,
}

impl Device {
    /// A device of which nothing but its id is known.
    pub fn unknown(id: &str, service: &Name, area: &Name, at: Timestamp) -> Self {
        Self {
            id: id.into(),
            name: Text { vi: id.into(), en: id.into() },
            kind: String::new(),
            service: Arc::clone(service),
            area: Arc::clone(area),
            place: None,
            properties: Vec::new(),
            cadence_s: 0,
            parent: None,
            segment: None,
            bridge: false,
            topics: Vec::new(),
            aliases: Vec::new(),
            fields: Vec::new(),
            contact: None,
            tags: BTreeMap::new(),
            state: DeviceState::Pending,
            origin: DeviceOrigin::Auto,
            since: at,
            changed: at,
        }
    }

    /// As the stages behind the journal know devices; `None` without a place, which they need.
    pub fn spec(&self) -> Option<DeviceSpec> {
        let place = self.place?;
        Some(DeviceSpec {
            id: Arc::clone(&self.id),
            name: self.name.clone(),
            kind: self.kind.clone(),
            service: Arc::clone(&self.service),
            area: Arc::clone(&self.area),
            lat: place.lat,
            lon: place.lon,
            properties: self.properties.clone(),
            cadence_s: self.cadence_s,
            parent: self.parent.clone(),
            segment: self.segment.clone(),
        })
    }
}

impl From<&DeviceSpec> for Device {
    fn from(spec: &DeviceSpec) -> Self {
        let epoch = Timestamp::default();
        Self {
            name: spec.name.clone(),
            kind: spec.kind.clone(),
            place: Some(Place { lat: spec.lat, lon: spec.lon }),
            properties: spec.properties.clone(),
            cadence_s: spec.cadence_s,
            parent: spec.parent.clone(),
            segment: spec.segment.clone(),
            state: DeviceState::Approved,
            origin: DeviceOrigin::Config,
            ..Self::unknown(&spec.id, &spec.service, &spec.area, epoch)
        }
    }
}

/// All devices at one moment; never changed, replaced as a whole.
#[derive(Clone, Debug, Default)]
pub struct Devices {
    by_id: HashMap<Name, Arc<Device>, RandomState>,
    by_alias: HashMap<Name, Name, RandomState>,
}

impl Devices {
    /// Those of a configuration.
    pub fn of_city(city: &City) -> Self {
        city.devices.values().map(|spec| Arc::new(Device::from(spec))).collect()
    }

    /// The device of an id.
    pub fn get(&self, id: &str) -> Option<&Arc<Device>> {
        self.by_id.get(id)
    }

    /// The device that a foreign format calls so: by id, else by alias.
    pub fn called(&self, name: &str) -> Option<&Arc<Device>> {
        self.by_id.get(name).or_else(|| self.by_id.get(self.by_alias.get(name)?))
    }

    /// All, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Device>> {
        self.by_id.values()
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// With one device added or replaced.
    #[must_use]
    pub fn with(&self, device: Arc<Device>) -> Self {
        self.changed([device], &[])
    }

    /// With one device less.
    #[must_use]
    pub fn without(&self, id: &str) -> Self {
        self.changed([], &[id.into()])
    }

    /// With devices added or replaced and others gone, for the price of one copy (an alias may go
    /// from one device to another).
    #[must_use]
    pub fn changed(&self, put: impl IntoIterator<Item = Arc<Device>>, gone: &[Name]) -> Self {
        let mut all = self.clone();
        let put: Vec<Arc<Device>> = put.into_iter().collect();
        for id in put.iter().map(|d| &d.id).chain(gone) {
            all.take(id);
        }
        for device in put {
            all.insert(device);
        }
        all
    }

    fn take(&mut self, id: &str) {
        let Some(old) = self.by_id.remove(id) else { return };
        for alias in &old.aliases {
            if self.by_alias.get(alias).is_some_and(|of| *of == old.id) {
                self.by_alias.remove(alias);
            }
        }
    }

    /// The device that has an alias.
    pub fn of_alias(&self, alias: &str) -> Option<&Name> {
        self.by_alias.get(alias)
    }

    fn insert(&mut self, device: Arc<Device>) {
        for alias in &device.aliases {
            self.by_alias.insert(Arc::clone(alias), Arc::clone(&device.id));
        }
        self.by_id.insert(Arc::clone(&device.id), device);
    }
}

impl FromIterator<Arc<Device>> for Devices {
    fn from_iter<I: IntoIterator<Item = Arc<Device>>>(devices: I) -> Self {
        let mut all = Self::default();
        for device in devices {
            all.insert(device);
        }
        all
    }
}

/// What a token is for; the token itself is told once and never kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TokenInfo {
    /// Number, for revoking.
    pub id: i64,
    /// What people call it.
    pub label: String,
    /// When it was made.
    pub created: Timestamp,
    /// By whom.
    pub created_by: String,
    /// Last sign-in with it, to the hour.
    pub last_used: Option<Timestamp>,
}

/// A new token, shown once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NewToken {
    /// The device.
    pub device: Name,
    /// `iocd_` and 43 characters (256 bits, base64url): the MQTT password.
    pub token: String,
    /// What is kept of it.
    pub info: TokenInfo,
}

/// What an import did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Imported {
    /// Devices that were not there.
    pub added: u64,
    /// Devices that changed.
    pub changed: u64,
    /// Devices that are as they were.
    pub same: u64,
    /// What was taken but looks odd, such as a place outside the city; at most 100.
    pub notes: Vec<ConfigError>,
}

/// File formats of a list of devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceFile {
    /// CSV with a header line (UTF-8, `,` or `;`).
    Csv,
    /// A GeoJSON FeatureCollection of points.
    GeoJson,
}

/// Why the registry did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// No such device or token.
    #[error("not there")]
    NotThere,
    /// Mistakes in what was given, each with its place.
    #[error("{} mistakes", .0.len())]
    Invalid(Vec<ConfigError>),
    /// It does not go with how things are; in words.
    #[error("{0}")]
    Conflict(String),
    /// The store's own trouble.
    #[error("device registry")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The registry as the dashboard uses it. Calls block on the disk. Every change is in the audit
/// log under the actor's name.
pub trait DeviceStore: Send + Sync {
    /// All devices now.
    fn devices(&self) -> Arc<Devices>;

    /// Makes or replaces a device; `origin`, `since` and `changed` are the registry's. An area of
    /// `unassigned` is found from the place.
    ///
    /// # Errors
    /// [`DeviceError::Invalid`], `Conflict` for a change of what `devices.csv` says.
    fn put(&self, device: Device, actor: &Actor) -> Result<Arc<Device>, DeviceError>;

    /// Approves, or blocks.
    ///
    /// # Errors
    /// [`DeviceError::NotThere`].
    fn set_state(
        &self,
        id: &str,
        state: DeviceState,
        actor: &Actor,
    ) -> Result<Arc<Device>, DeviceError>;

    /// Forgets a device and its tokens.
    ///
    /// # Errors
    /// [`DeviceError::NotThere`], `Conflict` for one of `devices.csv`.
    fn remove(&self, id: &str, actor: &Actor) -> Result<(), DeviceError>;

    /// Takes a list, all of it or nothing.
    ///
    /// # Errors
    /// [`DeviceError::Invalid`] with every mistake as `file:line:column`.
    fn import(
        &self,
        format: DeviceFile,
        file: &str,
        text: &str,
        dry_run: bool,
        actor: &Actor,
    ) -> Result<Imported, DeviceError>;

    /// All devices in a file that [`DeviceStore::import`] takes.
    fn export(&self, format: DeviceFile) -> String;

    /// Makes a token.
    ///
    /// # Errors
    /// [`DeviceError::NotThere`]; `Conflict` when the device has as many as it may (8).
    fn issue_token(&self, id: &str, label: &str, actor: &Actor) -> Result<NewToken, DeviceError>;

    /// The tokens of a device.
    ///
    /// # Errors
    /// [`DeviceError::NotThere`].
    fn tokens(&self, id: &str) -> Result<Vec<TokenInfo>, DeviceError>;

    /// Ends a token; connections that were made with it are closed.
    ///
    /// # Errors
    /// [`DeviceError::NotThere`].
    fn revoke_token(&self, id: &str, token: i64, actor: &Actor) -> Result<(), DeviceError>;
}

/// What became of a message, for its owner.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum ReceivedOutcome {
    /// Taken.
    Accepted,
    /// Taken, with a remark.
    Warned {
        /// Why, as a code.
        reason: QuarantineReason,
        /// Why, in words.
        detail: String,
    },
    /// Taken before.
    Duplicate,
    /// Refused.
    Refused {
        /// Why, as a code.
        reason: QuarantineReason,
        /// Why, in words.
        detail: String,
    },
    /// Given up under overload.
    Shed,
}

/// One message as it came, and what was made of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReceivedMessage {
    /// When.
    pub at: Timestamp,
    /// Door.
    pub source: String,
    /// Topic, control characters replaced.
    pub topic: String,
    /// Payload as text, personal data masked, control characters replaced, cut at 4 KiB; bytes
    /// that are no text as `base64:…`.
    pub payload: String,
    /// Length of the payload, bytes.
    pub bytes: usize,
    /// Format that took it.
    pub format: &'static str,
    /// What became of it.
    #[serde(flatten)]
    pub outcome: ReceivedOutcome,
    /// What it was understood as: `{time, values | detection | status, …}` each.
    pub records: Vec<serde_json::Value>,
    /// Fields that were passed over.
    pub ignored: Vec<String>,
}

/// How a device's clock stands to ours, over its last messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ClockState {
    /// Within the bound, or not known.
    #[default]
    Good,
    /// Ahead by more than the bound.
    Ahead,
    /// Behind by more than the bound in all its last messages.
    Behind,
}

/// What was received from one device since the start of the process.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Received {
    /// Messages that named it.
    pub messages: u64,
    /// Of them accepted.
    pub accepted: u64,
    /// Of them taken before.
    pub duplicates: u64,
    /// Of them refused.
    pub refused: u64,
    /// Refused by reason.
    pub refused_by: BTreeMap<&'static str, u64>,
    /// Last message.
    pub last: Option<Timestamp>,
    /// Messages per minute over the last minutes.
    pub rate_per_min: Option<f64>,
    /// Usual time between two messages, seconds, learned.
    pub cadence_s: Option<f64>,
    /// Usual time from phenomenon to arrival, ms; negative: its clock is ahead.
    pub skew_ms: Option<i64>,
    /// The same in words.
    pub clock: ClockState,
    /// Properties it has sent.
    pub properties: Vec<Name>,
    /// Newest first.
    pub recent: Vec<ReceivedMessage>,
}

/// What was received, by device.
pub trait ReceivedStore: Send + Sync {
    /// From one device; `None`: nothing yet.
    fn received(&self, device: &str) -> Option<Received>;
}

/// What a second look at refused messages did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Rerun {
    /// Messages looked at.
    pub tried: u64,
    /// Now taken; they are no longer in the quarantine.
    pub accepted: u64,
    /// Were taken meanwhile; gone as well.
    pub duplicates: u64,
    /// Still refused, with today's reason.
    pub refused: u64,
    /// Left as they are because part of them was masked or cut when they were kept.
    pub masked: u64,
}
