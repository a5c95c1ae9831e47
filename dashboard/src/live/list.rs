//! The device list and one device, as JSON.

use std::sync::Arc;

use ioc_model::{Name, Quality, Scope, Text, Timestamp};
use ioc_share::DeviceView;
use serde::Serialize;

use super::device::{Device, Hot};
use super::state::State;
use super::{Live, View};

/// A device as `GET /api/v1/devices` shows it.
#[derive(Serialize)]
struct Listed<'a> {
    idx: usize,
    id: &'a Name,
    name: &'a Text,
    kind: &'a str,
    service: &'a Name,
    area: &'a Name,
    lat: Option<f64>,
    lon: Option<f64>,
    properties: &'a [Name],
    cadence_s: u32,
    configured: bool,
}

impl<'a> Listed<'a> {
    fn of(idx: usize, device: &'a Device) -> Self {
        Self {
            idx,
            id: &device.id,
            name: &device.name,
            kind: &device.kind,
            service: &device.service,
            area: &device.area,
            lat: device.place.map(|p| p.0),
            lon: device.place.map(|p| p.1),
            properties: &device.properties,
            cadence_s: device.cadence_s,
            configured: device.configured,
        }
    }
}

#[derive(Serialize)]
struct LatestValue {
    property: Name,
    time: Timestamp,
    received: Timestamp,
    value: f64,
    quality: Quality,
}

/// One device with what it said last; its quarantined messages are added by the caller.
pub(crate) struct DeviceDetail {
    idx: usize,
    device: Arc<Device>,
    latest: Vec<LatestValue>,
    last_message: Option<Timestamp>,
}

impl DeviceDetail {
    fn of(state: &State, idx: usize, device: &Arc<Device>, hot: &Hot) -> Self {
        let latest = hot.latest.iter().map(|l| LatestValue {
            property: state.names[usize::from(l.property)].clone(),
            time: Timestamp(l.time),
            received: Timestamp(l.received),
            value: l.value,
            quality: l.quality,
        });
        Self {
            idx,
            device: Arc::clone(device),
            latest: latest.collect(),
            last_message: hot.last_message().map(Timestamp),
        }
    }

    /// The answer of `GET /api/v1/devices/{id}`.
    pub fn json(&self, quarantined: serde_json::Value) -> serde_json::Value {
        let mut answer = serde_json::json!(Listed::of(self.idx, &self.device));
        answer["latest"] = serde_json::json!(self.latest);
        answer["last_message"] = serde_json::json!(self.last_message);
        answer["quarantined"] = quarantined;
        answer
    }
}

impl Live {
    /// The device list of a view with its version, as JSON. Costs time with many devices: keep
    /// the answer until [`Live::rev`] changes, and ask on a blocking thread.
    pub(crate) fn device_list(&self, view: &View) -> (u64, Vec<u8>) {
        let (rev, devices) = self.listed(view);
        #[derive(Serialize)]
        struct List<'a> {
            rev: u64,
            devices: Vec<Listed<'a>>,
        }
        let listed = devices.iter().map(|(idx, device)| Listed::of(*idx, device));
        let list = List { rev, devices: listed.collect() };
        (rev, serde_json::to_vec(&list).unwrap_or_default())
    }

    /// The device list for other programs, in the order of ids, with its version.
    pub(crate) fn device_views(&self) -> (u64, Vec<DeviceView>) {
        let (rev, devices) = {
            let state = self.lock();
            let (rev, n) = state.list();
            (u64::from(rev), state.devices[..n].to_vec())
        };
        let view = |d: &Arc<Device>| DeviceView {
            id: d.id.clone(),
            name: d.name.clone(),
            kind: d.kind.clone(),
            service: d.service.clone(),
            area: d.area.clone(),
            place: d.place,
            properties: d.properties.clone(),
            cadence_s: d.cadence_s,
        };
        let mut views: Vec<DeviceView> = devices.iter().map(view).collect();
        views.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        (rev, views)
    }

    /// Area and service of a device, if it is known: where it stands in people's scopes.
    pub(crate) fn place_of(&self, id: &str) -> Option<(Name, Name)> {
        let state = self.lock();
        let device = &state.devices[state.find(id)?];
        Some((device.area.clone(), device.service.clone()))
    }

    /// One device, if it is known and inside.
    pub(crate) fn device(&self, id: &str, scope: &Scope) -> Option<DeviceDetail> {
        let state = self.lock();
        let idx = state.find(id)?;
        let device = &state.devices[idx];
        if !scope.allows(&device.area, &device.service) {
            return None;
        }
        Some(DeviceDetail::of(&state, idx, device, &state.hot[idx]))
    }
}
