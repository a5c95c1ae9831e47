//! The state behind the lock: what each device said last. No clock, no lock, no I/O.

use std::collections::HashMap;
use std::sync::Arc;

use ioc_model::{Body, City, Entry, Name, Quality, Record};

use super::alerts::OpenAlerts;
use super::device::{
    Device, Hot, LIVE, Latest, MAX_PROPERTIES_PER_DEVICE, NO_PROPERTY, NO_TIME, OFFLINE, STALE,
};
use super::frame::{Row, dt10ms};
use super::tiles::TilePlan;
use super::view::Inside;

/// Distinct property names kept (`event.<kind>` comes from devices).
const MAX_PROPERTY_NAMES: usize = 4_096;

/// What could not be shown, and how far the state is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Records applied.
    pub records: u64,
    /// Records of devices beyond the limit.
    pub hidden_records: u64,
    /// Values of properties beyond the limits.
    pub hidden_values: u64,
}

/// Every device, its last values, and the number of its last change.
pub(crate) struct State {
    pub devices: Vec<Arc<Device>>,
    pub hot: Vec<Hot>,
    /// Number of the last change of each device.
    pub changed: Vec<u32>,
    index: HashMap<Name, u32, ahash::RandomState>,
    /// Property names by their index.
    pub names: Vec<Name>,
    by_name: HashMap<Name, u16, ahash::RandomState>,
    pub alerts: OpenAlerts,
    pub plan: TilePlan,
    pub tally: Tally,
    /// Position of the next journal entry.
    pub next: u64,
    /// Newest arrival or tick, and newest phenomenon time.
    pub newest_wall: i64,
    pub newest_event: i64,
    /// Number that changes now get; below it everything is closed.
    open: u32,
    dirty: bool,
    /// Devices that clients may know: grows once a second.
    published: u32,
    list_changed: bool,
    rev: u32,
    /// Devices that were put into another area or service since the last sweep, and how often
    /// that happened at all.
    moved: Vec<u32>,
    moves: u64,
    max_devices: usize,
    discovered_cadence_s: u32,
}

impl State {
    pub fn new(city: &City, max_devices: usize, discovered_cadence_s: u32) -> Self {
        let mut state = Self {
            devices: Vec::new(),
            hot: Vec::new(),
            changed: Vec::new(),
            index: HashMap::default(),
            names: Vec::new(),
            by_name: HashMap::default(),
            alerts: OpenAlerts::default(),
            plan: TilePlan::default(),
            tally: Tally::default(),
            next: 0,
            newest_wall: 0,
            newest_event: 0,
            open: 1,
            dirty: false,
            published: 0,
            list_changed: false,
            rev: 1,
            moved: Vec::new(),
            moves: 0,
            max_devices: max_devices.max(city.devices.len()),
            discovered_cadence_s,
        };
        for spec in city.devices.values() {
            state.add(Device::configured(spec));
        }
        state.published = state.devices.len() as u32;
        state.plan = TilePlan::new(city, &mut |name| state.intern(name));
        state
    }

    /// Adds a device at the end of the list.
    pub fn add(&mut self, device: Device) -> usize {
        let main = device.properties.first().cloned();
        let main = main.and_then(|p| self.intern(&p)).unwrap_or(NO_PROPERTY);
        let idx = self.devices.len();
        let mut hot = Hot::new(device.cadence_s, main);
        hot.severity = self.alerts.worst_of(&device.id);
        self.index.insert(device.id.clone(), idx as u32);
        self.hot.push(hot);
        self.changed.push(self.open);
        self.devices.push(Arc::new(device));
        self.dirty = true;
        idx
    }

    /// Takes over what the registry says of a device.
    pub fn configure(&mut self, told: &ioc_model::Device) {
        let approved = told.state == ioc_model::DeviceState::Approved;
        match self.find(&told.id) {
            Some(idx) => {
                if self.devices[idx].says(told, approved) {
                    return;
                }
                let mut device = Device::clone(&self.devices[idx]);
                device.take(told, approved);
                let before = &self.devices[idx];
                if (&device.area, &device.service) != (&before.area, &before.service) {
                    self.moved.push(idx as u32);
                    self.moves += 1;
                }
                self.hot[idx].expect_every(device.cadence_s);
                self.devices[idx] = Arc::new(device);
                self.dirty = true;
                self.list_changed = true;
            }
            None if approved && self.has_room() => {
                self.add(Device::registered(told));
                self.list_changed = true;
            }
            None => {}
        }
    }

    /// Room for one more device?
    pub fn has_room(&self) -> bool {
        self.devices.len() < self.max_devices
    }

    pub fn find(&self, id: &str) -> Option<usize> {
        self.index.get(id).map(|i| *i as usize)
    }

    /// Index of a property name; `None` when there are too many.
    pub fn intern(&mut self, name: &Name) -> Option<u16> {
        if let Some(i) = self.by_name.get(name) {
            return Some(*i);
        }
        if self.names.len() >= MAX_PROPERTY_NAMES {
            return None;
        }
        let i = self.names.len() as u16;
        self.names.push(name.clone());
        self.by_name.insert(name.clone(), i);
        Some(i)
    }

    /// One entry in journal order.
    pub fn apply(&mut self, entry: &Entry) {
        match entry {
            Entry::Tick(t) => self.newest_wall = self.newest_wall.max(t.0),
            Entry::Record(record) => self.record(record),
        }
    }

    fn record(&mut self, record: &Record) {
        self.tally.records += 1;
        self.newest_wall = self.newest_wall.max(record.received.0);
        self.newest_event = self.newest_event.max(record.time.0);
        let idx = match self.index.get(&*record.device) {
            Some(i) => *i as usize,
            None if self.has_room() => {
                self.list_changed = true;
                self.add(Device::discovered(record, self.discovered_cadence_s))
            }
            None => {
                self.tally.hidden_records += 1;
                return;
            }
        };
        match &record.body {
            Body::Observation { quality, values } => {
                for (property, value) in values {
                    self.value(idx, record, property, *value, *quality);
                }
                // What a rule computed is no sign of life.
                if !record.derived {
                    self.hot[idx].condition = LIVE;
                }
            }
            Body::Detection(_) => {
                record.for_each_point(|p, v, q| self.value(idx, record, p, v, q));
                self.hot[idx].condition = LIVE;
            }
            Body::Status(status) => {
                if let Some(battery) = status.battery {
                    self.value(idx, record, &self.plan.battery.clone(), battery, Quality::Good);
                }
                self.hot[idx].condition = if status.online { LIVE } else { OFFLINE };
            }
        }
        let hot = &mut self.hot[idx];
        if !record.derived {
            hot.time = hot.time.max(record.time.0);
            hot.heard = hot.heard.max(record.received.0);
        }
        self.changed[idx] = self.open;
        self.dirty = true;
    }

    fn value(&mut self, idx: usize, record: &Record, name: &Name, value: f64, quality: Quality) {
        // The common case: a property this device sent before; no hashing of its name.
        let mut sent = self.hot[idx].latest.iter().map(|l| l.property);
        let known = sent.find(|p| self.names[usize::from(*p)] == *name);
        let property = match known {
            Some(p) => Some(p),
            None => self.new_property(idx, name),
        };
        let stored = property.is_some_and(|property| {
            self.hot[idx].put(Latest {
                property,
                quality,
                value,
                time: record.time.0,
                received: record.received.0,
            })
        });
        if !stored {
            self.tally.hidden_values += 1;
        }
    }

    fn new_property(&mut self, idx: usize, name: &Name) -> Option<u16> {
        let property = self.intern(name)?;
        let device = &mut self.devices[idx];
        let room = device.properties.len() < MAX_PROPERTIES_PER_DEVICE;
        if !device.configured && room && !device.properties.contains(name) {
            Arc::make_mut(device).properties.push(name.clone());
            self.list_changed = true;
        }
        Some(property)
    }

    /// Marks devices silent for too long, and shows the devices that came since the last call.
    /// Called once a second.
    pub fn sweep(&mut self, now: i64, event_clock: bool) {
        for (hot, changed) in self.hot.iter_mut().zip(&mut self.changed) {
            if hot.condition == LIVE && hot.silent(now, event_clock) {
                hot.condition = STALE;
                *changed = self.open;
                self.dirty = true;
            }
        }
        if self.list_changed {
            self.list_changed = false;
            self.rev += 1;
            for changed in &mut self.changed[self.published as usize..] {
                *changed = self.open;
                self.dirty = true;
            }
            // Whose scope a device has come into has not been sent it yet.
            for idx in std::mem::take(&mut self.moved) {
                self.changed[idx as usize] = self.open;
                self.dirty = true;
            }
            self.published = self.devices.len() as u32;
        }
    }

    /// Makes every device part of the list, without telling anyone.
    pub fn publish_all(&mut self) {
        self.list_changed = false;
        self.published = self.devices.len() as u32;
    }

    /// Closes the running number, so that frames of one tick are the same for all clients.
    pub fn close_tick(&mut self) {
        if self.dirty {
            self.dirty = false;
            self.open = self.open.saturating_add(1);
        }
    }

    /// Number of the newest closed change.
    pub fn closed(&self) -> u32 {
        self.open - 1
    }

    /// Version of the device list, and its length.
    pub fn list(&self) -> (u32, usize) {
        (self.rev, self.published as usize)
    }

    /// How often a device was put into another area or service.
    pub fn moves(&self) -> u64 {
        self.moves
    }

    /// All published devices, or those changed after a number.
    pub fn rows(&self, after: Option<u32>, base_ms: i64) -> Vec<Row> {
        let published = self.published as usize;
        let all = self.changed[..published].iter().enumerate();
        let wanted = all.filter(|(_, changed)| after.is_none_or(|a| **changed > a));
        wanted.map(|(idx, _)| self.row(idx, base_ms)).collect()
    }

    /// The same of the devices that a view holds. A colour is of the alerts that it holds.
    pub fn rows_within(&self, view: &Inside, after: Option<u32>, base_ms: i64) -> Vec<Row> {
        let held = view.members.iter().map(|idx| *idx as usize);
        let wanted = held.filter(|idx| after.is_none_or(|a| self.changed[*idx] > a));
        let row = |idx| {
            let mut row = self.row(idx, base_ms);
            let hot = &self.hot[idx];
            if hot.severity > 0 {
                let worst = self.alerts.worst_within(&self.devices[idx].id, &view.pairs);
                row.status = hot.condition | (worst << 3);
            }
            row
        };
        wanted.map(row).collect()
    }

    fn row(&self, idx: usize, base_ms: i64) -> Row {
        let hot = &self.hot[idx];
        let dt = if hot.time == NO_TIME { u16::MAX } else { dt10ms(base_ms, hot.time) };
        Row {
            idx: idx as u32,
            value: hot.main,
            dt10ms: dt,
            status: hot.condition | (hot.severity << 3),
            quality: hot.quality as u8,
        }
    }

    /// Sets the worst active severity of a device; `mixed`: that of its alerts which somebody may
    /// see may have changed though the worst of all has not.
    pub fn set_severity(&mut self, id: &str, severity: u8, mixed: bool) {
        let Some(idx) = self.find(id) else { return };
        if self.hot[idx].severity != severity || mixed {
            self.hot[idx].severity = severity;
            self.changed[idx] = self.open;
            self.dirty = true;
        }
    }
}
