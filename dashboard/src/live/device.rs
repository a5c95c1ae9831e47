//! One device: what the list says of it, and what it said last.

use ioc_model::{Body, DeviceSpec, Name, Quality, Record, Text};

pub(crate) const NEVER: u8 = 0;
pub(crate) const LIVE: u8 = 1;
pub(crate) const STALE: u8 = 2;
pub(crate) const OFFLINE: u8 = 3;

/// Silence shorter than this is never stale.
const STALE_FLOOR_MS: i64 = 30_000;
/// Properties kept per device; more are counted, not shown.
pub(crate) const MAX_PROPERTIES_PER_DEVICE: usize = 64;
pub(crate) const NO_TIME: i64 = i64::MIN;
pub(crate) const NO_PROPERTY: u16 = u16::MAX;

/// What the device list says of a device.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Device {
    pub id: Name,
    pub name: Text,
    pub kind: String,
    pub service: Name,
    pub area: Name,
    pub place: Option<(f64, f64)>,
    pub properties: Vec<Name>,
    pub cadence_s: u32,
    pub configured: bool,
}

impl Device {
    pub fn configured(spec: &DeviceSpec) -> Self {
        Self {
            id: spec.id.clone(),
            name: spec.name.clone(),
            kind: spec.kind.clone(),
            service: spec.service.clone(),
            area: spec.area.clone(),
            place: Some((spec.lat, spec.lon)),
            properties: spec.properties.clone(),
            cadence_s: spec.cadence_s,
            configured: true,
        }
    }

    /// One that the registry has and that was not heard yet.
    pub fn registered(told: &ioc_model::Device) -> Self {
        let mut device = Self {
            id: told.id.clone(),
            name: told.name.clone(),
            kind: "sensor".into(),
            service: told.service.clone(),
            area: told.area.clone(),
            place: None,
            properties: Vec::new(),
            cadence_s: 0,
            configured: true,
        };
        device.take(told, true);
        device
    }

    /// Takes over what the registry says; what it leaves open stays as it was seen.
    pub fn take(&mut self, told: &ioc_model::Device, approved: bool) {
        self.name = told.name.clone();
        self.service = told.service.clone();
        self.configured = approved;
        if &*told.area != "unassigned" {
            self.area = told.area.clone();
        }
        if !told.kind.is_empty() {
            self.kind.clone_from(&told.kind);
        }
        if let Some(place) = told.place {
            self.place = Some((place.lat, place.lon));
        }
        if !told.properties.is_empty() {
            self.properties.clone_from(&told.properties);
        }
        if told.cadence_s > 0 {
            self.cadence_s = told.cadence_s;
        }
    }

    /// Whether taking it over would change nothing.
    pub fn says(&self, told: &ioc_model::Device, approved: bool) -> bool {
        let mut after = self.clone();
        after.take(told, approved);
        after == *self
    }

    pub fn discovered(record: &Record, cadence_s: u32) -> Self {
        let id = record.device.clone();
        let kind = match record.body {
            Body::Detection(_) => "camera",
            Body::Observation { .. } | Body::Status(_) => "sensor",
        };
        Self {
            name: Text { vi: id.to_string(), en: id.to_string() },
            id,
            kind: kind.into(),
            service: record.service.clone(),
            area: record.area.clone(),
            place: None,
            properties: Vec::new(),
            cadence_s,
            configured: false,
        }
    }
}

/// Newest value of one property of a device.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Latest {
    /// Index into [`State::names`].
    pub property: u16,
    pub quality: Quality,
    pub value: f64,
    pub time: i64,
    pub received: i64,
}

/// What changes with each record, together so that a record touches few cache lines.
#[derive(Clone, Debug)]
pub(crate) struct Hot {
    /// Newest phenomenon time.
    pub time: i64,
    /// Newest arrival.
    pub heard: i64,
    /// Silence beyond this is stale; 0: never.
    pub stale_after_ms: i64,
    pub main: f32,
    /// Index into [`State::names`] of the property on the map.
    pub main_property: u16,
    pub quality: Quality,
    pub condition: u8,
    pub severity: u8,
    pub latest: Vec<Latest>,
}

impl Hot {
    pub fn new(cadence_s: u32, main_property: u16) -> Self {
        let mut hot = Self {
            time: NO_TIME,
            heard: NO_TIME,
            stale_after_ms: 0,
            main: f32::NAN,
            main_property,
            quality: Quality::Good,
            condition: NEVER,
            severity: 0,
            latest: Vec::new(),
        };
        hot.expect_every(cadence_s);
        hot
    }

    /// Three times this long in silence is stale; 0: never.
    pub fn expect_every(&mut self, cadence_s: u32) {
        self.stale_after_ms = match i64::from(cadence_s) * 3_000 {
            0 => 0,
            ms => ms.max(STALE_FLOOR_MS),
        };
    }

    /// Arrival of the newest message, if there was one.
    pub fn last_message(&self) -> Option<i64> {
        (self.heard != NO_TIME).then_some(self.heard)
    }

    /// The moment silence is counted from: arrival, or event time when that is the clock.
    pub fn last_sign(&self, event_clock: bool) -> i64 {
        if event_clock { self.time } else { self.heard }
    }

    /// No property was chosen for the map yet.
    pub fn has_no_main(&self) -> bool {
        self.main_property == NO_PROPERTY
    }

    pub fn silent(&self, now: i64, event_clock: bool) -> bool {
        self.stale_after_ms > 0
            && now.saturating_sub(self.last_sign(event_clock)) > self.stale_after_ms
    }

    pub fn put(&mut self, point: Latest) -> bool {
        if self.main_property == NO_PROPERTY {
            self.main_property = point.property;
        }
        if self.main_property == point.property && self.is_newest(point.property, point.time) {
            self.main = point.value as f32;
            self.quality = point.quality;
        }
        match self.latest.iter().position(|l| l.property == point.property) {
            Some(held) if self.latest[held].time <= point.time => self.latest[held] = point,
            Some(_) => {}
            None if self.latest.len() < MAX_PROPERTIES_PER_DEVICE => self.latest.push(point),
            None => return false,
        }
        true
    }

    fn is_newest(&self, property: u16, time: i64) -> bool {
        self.latest.iter().all(|l| l.property != property || l.time <= time)
    }
}
