//! The registry's devices as a part of the city.

use std::sync::Arc;

use ioc_model::{City, DeviceOrigin, DeviceState, Name};

use super::Registry;
use super::propose::UNASSIGNED;

impl Registry {
    /// `city` with the approved devices that stand somewhere, so that rules, live state and open
    /// data know them from the start. What the configuration says of a device stays; a device of a
    /// service or an area that the city no longer has is left out; a parent that is left out is no
    /// parent.
    pub fn city(&self, city: &City) -> City {
        let mut city = city.clone();
        let devices = self.devices.load();
        let mut added: Vec<Name> = Vec::new();
        for device in devices.iter() {
            let ours = device.state == DeviceState::Approved
                && device.origin != DeviceOrigin::Config
                && !city.devices.contains_key(&device.id);
            let placed = *device.area == *UNASSIGNED || city.areas.contains_key(&device.area);
            if !ours || !placed || !city.services.contains_key(&device.service) {
                continue;
            }
            let Some(mut spec) = device.spec() else { continue };
            spec.properties.retain(|p| city.properties.contains_key(p));
            added.push(Arc::clone(&spec.id));
            city.devices.insert(Arc::clone(&spec.id), spec);
        }
        for id in added {
            let parent = city.devices.get(&id).and_then(|d| d.parent.clone());
            if parent.is_some_and(|p| !city.devices.contains_key(&p))
                && let Some(spec) = city.devices.get_mut(&id)
            {
                spec.parent = None;
            }
        }
        city
    }
}
