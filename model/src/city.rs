//! The city as data: areas, services, properties, thresholds, known devices.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{Cluster, Index, Name, Text};

/// Everything the configuration says about the city. Maps are keyed by id.
#[derive(Clone, Debug, Default)]
pub struct City {
    /// Name in both languages.
    pub name: Text,
    /// IANA zone, `Asia/Ho_Chi_Minh`.
    pub time_zone: String,
    /// Start view of the map: longitude, latitude, zoom.
    pub view: (f64, f64, f64),
    /// Wards and communes by slug.
    pub areas: BTreeMap<Name, Area>,
    /// Boundaries as GeoJSON text (features with property `id` = slug), served as it is.
    pub boundaries: String,
    /// Services by code, in catalogue order in [`Service::order`].
    pub services: BTreeMap<Name, Service>,
    /// Observed properties by name.
    pub properties: BTreeMap<Name, Property>,
    /// Official limits by name.
    pub thresholds: BTreeMap<Name, Threshold>,
    /// Indices by name.
    pub indices: BTreeMap<Name, Index>,
    /// Known devices by id.
    pub devices: BTreeMap<Name, DeviceSpec>,
    /// Named places for geofences, by id; no id is that of an area too.
    pub zones: BTreeMap<Name, Zone>,
    /// Wards that are looked after together, by id; no id is that of an area too.
    pub clusters: BTreeMap<Name, Cluster>,
    /// Public holidays, as local days since 1970-01-01.
    pub holidays: BTreeSet<i64>,
}

/// Kind of a ward-level unit since 1 July 2025.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AreaKind {
    /// Phường.
    Ward,
    /// Xã.
    Commune,
    /// Đặc khu.
    SpecialZone,
}

/// A ward, commune or special zone.
#[derive(Clone, Debug, Serialize)]
pub struct Area {
    /// Slug used in topics.
    pub id: Name,
    /// Code of the General Statistics Office.
    pub code: String,
    /// Name with its kind.
    pub name: Text,
    /// Kind.
    pub kind: AreaKind,
    /// Degrees, WGS 84.
    pub lat: f64,
    /// Degrees, WGS 84.
    pub lon: f64,
    /// Official area, km².
    pub area_km2: f64,
    /// Outer rings (lon, lat) for point in polygon.
    #[serde(skip)]
    pub rings: Vec<Vec<(f64, f64)>>,
}

/// Basic or additional service of the IOC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ServiceGroup {
    /// One of the 6.
    Basic,
    /// One of the 12.
    Additional,
}

/// A smart service of the city.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// Code used in topics.
    pub id: Name,
    /// Position on the screen, from 1.
    pub order: u32,
    /// Basic or additional.
    pub group: ServiceGroup,
    /// Name.
    pub name: Text,
    /// Names of properties shown on its tile, most important first; empty: no feed is defined.
    pub indicators: Vec<Name>,
}

/// An observed property (OGC SensorThings) with its canonical unit.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Property {
    /// Name used in payloads.
    pub id: Name,
    /// Name for people.
    pub name: Text,
    /// Unit symbol for people, such as `µg/m³`; empty for a pure number.
    pub unit: Name,
    /// Smallest value that is physically possible.
    pub min: f64,
    /// Largest value that is physically possible.
    pub max: f64,
    /// Digits after the point on screens.
    #[serde(default)]
    pub digits: u8,
    /// Values in this band are normal, for screens: low, high.
    #[serde(default)]
    pub normal: Option<(f64, f64)>,
}

/// An official limit: value, unit, legal source, since when.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Threshold {
    /// Name rules refer to, such as `qcvn05.pm25.24h`.
    pub id: Name,
    /// Unit symbol; must be that of the property a rule compares it with.
    pub unit: Name,
    /// Value for everyone, if there is one.
    #[serde(default)]
    pub value: Option<f64>,
    /// Value by device id (flood levels differ by station).
    #[serde(default)]
    pub by_device: BTreeMap<Name, f64>,
    /// Law or document.
    pub source: String,
    /// First day it holds, `2023-09-12`.
    pub effective: String,
    /// Last day it holds; `None`: until it is changed.
    #[serde(default)]
    pub until: Option<String>,
    /// Values it had before, each until the next one's first day.
    #[serde(default)]
    pub earlier: Vec<EarlierValue>,
    /// What is uncertain about it, for people.
    #[serde(default)]
    pub note: Option<String>,
}

/// A value that a threshold had before its present one.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EarlierValue {
    /// First day it held.
    pub effective: String,
    /// Value for everyone, if there was one.
    #[serde(default)]
    pub value: Option<f64>,
    /// Value by device id.
    #[serde(default)]
    pub by_device: BTreeMap<Name, f64>,
}

impl Threshold {
    /// The limit for a device: its own, else the general one.
    pub fn for_device(&self, device: &str) -> Option<f64> {
        self.by_device.get(device).copied().or(self.value)
    }
}

/// A device that the configuration knows.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceSpec {
    /// Id used in topics.
    pub id: Name,
    /// Name for people.
    pub name: Text,
    /// Kind for icons: `camera`, `river_gauge`, `flood_tower`, `air_station`, …
    pub kind: String,
    /// Service code.
    pub service: Name,
    /// Area id.
    pub area: Name,
    /// Degrees, WGS 84.
    pub lat: f64,
    /// Degrees, WGS 84.
    pub lon: f64,
    /// Property names it reports.
    pub properties: Vec<Name>,
    /// Expected seconds between messages; 0: not regular.
    pub cadence_s: u32,
    /// Id of the gateway it speaks through: while that one is silent, so is this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Name>,
    /// Road segment it stands on; devices with the same one belong together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segment: Option<Name>,
}

/// A named place on the map: a harbour, a hospital, waters where something is not allowed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Zone {
    /// Name rules refer to.
    pub id: Name,
    /// Name for people.
    pub name: Text,
    /// What it is, such as `harbour` or `hospital`.
    pub kind: String,
    /// Outlines and holes (lon, lat), closed; the even-odd rule tells inside from outside.
    #[serde(skip)]
    pub rings: Vec<Vec<(f64, f64)>>,
    /// Smallest longitude and latitude, largest longitude and latitude.
    pub bounds: (f64, f64, f64, f64),
    /// Where the outline comes from, for people.
    pub source: Option<String>,
}

impl Zone {
    /// True for a point inside (even-odd rule).
    pub fn contains(&self, lon: f64, lat: f64) -> bool {
        let (west, south, east, north) = self.bounds;
        (west..=east).contains(&lon)
            && (south..=north).contains(&lat)
            && self.rings.iter().filter(|r| inside(r, lon, lat)).count() % 2 == 1
    }
}

impl Area {
    /// True for a point inside (even-odd rule).
    pub fn contains(&self, lon: f64, lat: f64) -> bool {
        self.rings.iter().filter(|r| inside(r, lon, lat)).count() % 2 == 1
    }
}

impl City {
    /// The area whose boundary holds a point (even-odd rule), if any does.
    pub fn area_at(&self, lon: f64, lat: f64) -> Option<&Area> {
        self.areas.values().find(|a| a.contains(lon, lat))
    }
}

fn inside(ring: &[(f64, f64)], x: f64, y: f64) -> bool {
    let mut odd = false;
    let mut j = ring.len().wrapping_sub(1);
    for (i, &(xi, yi)) in ring.iter().enumerate() {
        let (xj, yj) = ring[j];
        if (yi > y) != (yj > y) && x < (xj - xi) * (y - yi) / (yj - yi) + xi {
            odd = !odd;
        }
        j = i;
    }
    odd
}
