//! Devices that appear on their own, and what the stream tells of them.

use std::collections::HashMap;
use std::sync::{Arc, MutexGuard};

use ahash::RandomState;
use ioc_model::{Device, DeviceState, Devices, Name, Timestamp};

use super::check::is_id;
use super::propose::UNASSIGNED;
use super::{Registry, UnknownDevices};

/// Properties learned of one device; more are no device.
const LEARNED: usize = 64;

/// A device that spoke and is not in the registry.
#[derive(Clone, Copy, Debug)]
pub struct Met<'a> {
    /// Its id.
    pub device: &'a str,
    /// Area of its message.
    pub area: &'a str,
    /// Service of its message.
    pub service: &'a str,
    /// The bridge it spoke through.
    pub parent: Option<&'a str>,
    /// When.
    pub at: Timestamp,
}

/// What the registry makes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listed {
    /// It is in the registry.
    Known,
    /// It is listed as pending; within a second it is in the set.
    Pending,
    /// It is not listed: as many are as the settings allow, or unknown devices are refused.
    No,
}

/// What is not in the file yet, and how much of it there may be.
#[derive(Debug)]
pub(super) struct Waiting {
    /// Pending devices in the set.
    pub(super) pending: usize,
    news: News,
    not_listed: u64,
}

/// Devices that appeared, and what was learned of pending ones.
#[derive(Debug, Default)]
pub(super) struct News {
    fresh: HashMap<Name, Device, RandomState>,
    learned: HashMap<Name, Learned, RandomState>,
}

#[derive(Debug, Default)]
struct Learned {
    cadence_s: u32,
    properties: Vec<Name>,
}

impl Waiting {
    pub(super) fn new(pending: usize) -> Self {
        Self { pending, news: News::default(), not_listed: 0 }
    }

    /// Takes out what is to be written.
    pub(super) fn take(&mut self) -> News {
        std::mem::take(&mut self.news)
    }

    /// Gives back what could not be written; what came since is newer.
    pub(super) fn give_back(&mut self, mut news: News) {
        news.fresh.extend(self.news.fresh.drain());
        news.learned.extend(self.news.learned.drain());
        self.news = news;
    }
}

impl News {
    pub(super) fn is_empty(&self) -> bool {
        self.fresh.is_empty() && self.learned.is_empty()
    }

    /// The devices that come new or change, given the set; what does not fit it any more is left
    /// out.
    pub(super) fn devices(&self, devices: &Devices) -> Vec<Arc<Device>> {
        let fresh = self.fresh.values().filter(|d| devices.get(&d.id).is_none());
        let mut coming: HashMap<&Name, Device, RandomState> =
            fresh.map(|d| (&d.id, d.clone())).collect();
        for (id, learned) in &self.learned {
            let known = || devices.get(id).filter(|d| d.state == DeviceState::Pending);
            let before = coming.get(id).cloned().or_else(|| known().map(|d| Device::clone(d)));
            let Some(mut device) = before else { continue };
            if learned.apply(&mut device) {
                coming.insert(id, device);
            }
        }
        coming.into_values().map(Arc::new).collect()
    }
}

impl Learned {
    /// Whether it says something new.
    fn apply(&self, device: &mut Device) -> bool {
        let before = (device.cadence_s, device.properties.len());
        if self.cadence_s > 0 {
            device.cadence_s = self.cadence_s;
        }
        for property in &self.properties {
            if device.properties.len() < LEARNED && !device.properties.contains(property) {
                device.properties.push(Arc::clone(property));
            }
        }
        before != (device.cadence_s, device.properties.len())
    }
}

impl Registry {
    pub(super) fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Lists a device that spoke as pending, unless it is known; then it costs one look-up without
    /// a lock. It is written with the next [`Registry::maintain`], and nobody's change: the audit
    /// log hears of it when it is approved or blocked.
    pub fn met(&self, met: &Met<'_>) -> Listed {
        let devices = self.devices.load();
        if devices.get(met.device).is_some() {
            return Listed::Known;
        }
        let mut waiting = self.waiting();
        if waiting.news.fresh.contains_key(met.device) {
            return Listed::Pending;
        }
        let listed = waiting.news.fresh.len();
        let full = waiting.pending + listed >= self.config.max_pending
            || devices.len() + listed >= self.config.max_devices;
        let refused = self.config.unknown_devices == UnknownDevices::Refuse;
        let service = self.city.services.get_key_value(met.service).map(|(id, _)| id);
        let strange = !is_id(met.device) || (service.is_none() && !self.city.services.is_empty());
        if full || refused || strange {
            waiting.not_listed += 1;
            return Listed::No;
        }
        let service = service.map_or_else(|| met.service.into(), Arc::clone);
        let area = self.city.areas.get_key_value(met.area).map(|(id, _)| Arc::clone(id));
        let area = area.unwrap_or_else(|| UNASSIGNED.into());
        let parent = met.parent.and_then(|p| devices.get(p)).map(|p| Arc::clone(&p.id));
        let device = Device { parent, ..Device::unknown(met.device, &service, &area, met.at) };
        waiting.news.fresh.insert(Arc::clone(&device.id), device);
        Listed::Pending
    }

    /// Takes what the stream tells of a pending device, so that whoever approves it finds it
    /// filled in: expected seconds between messages (0: not known) and properties it sends. Of
    /// others nothing is taken.
    pub fn learned(&self, device: &str, cadence_s: u32, properties: &[Name]) {
        let devices = self.devices.load();
        let known = devices.get(device).map(|d| d.state);
        if known.is_some_and(|s| s != DeviceState::Pending) {
            return;
        }
        let mut waiting = self.waiting();
        if known.is_none() && !waiting.news.fresh.contains_key(device) {
            return;
        }
        let learned = waiting.news.learned.entry(device.into()).or_default();
        learned.cadence_s = cadence_s;
        for property in properties {
            if learned.properties.len() < LEARNED && !learned.properties.contains(property) {
                learned.properties.push(Arc::clone(property));
            }
        }
    }

    /// Messages of devices that were not listed, since the start.
    pub fn not_listed(&self) -> u64 {
        self.waiting().not_listed
    }

    /// Pending devices, those not in the file yet too.
    pub fn pending(&self) -> usize {
        let waiting = self.waiting();
        waiting.pending + waiting.news.fresh.len()
    }
}
