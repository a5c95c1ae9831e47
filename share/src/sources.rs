use std::fmt;
use std::sync::Arc;

use ioc_model::{City, HistoryStore, Name, Text, Timestamp};

/// A device as it is known now: configured, or met in the feeds.
#[derive(Clone, Debug, PartialEq)]
pub struct DeviceView {
    /// Device id.
    pub id: Name,
    /// Name for people.
    pub name: Text,
    /// Kind, such as `air_station`.
    pub kind: String,
    /// Service code.
    pub service: Name,
    /// Area id.
    pub area: Name,
    /// Latitude and longitude, WGS 84, if known.
    pub place: Option<(f64, f64)>,
    /// Properties it reports (configured or seen).
    pub properties: Vec<Name>,
    /// Expected seconds between messages; 0: not regular.
    pub cadence_s: u32,
}

/// Where documents are made from.
#[derive(Clone)]
pub struct Sources {
    /// The city as configured.
    pub city: Arc<City>,
    /// Measurements.
    pub history: Arc<dyn HistoryStore>,
    /// Devices known now, in the order of their ids. Cheap enough for every request.
    pub devices: Arc<dyn Fn() -> Arc<Vec<DeviceView>> + Send + Sync>,
    /// What time it is.
    pub clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources").finish_non_exhaustive()
    }
}
