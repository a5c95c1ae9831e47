//! What of devices and other entities lies inside the scope of a request.

use ioc_model::{Choice, Device, Entity, Scope, ScopePart};

use crate::Permission;
use crate::reply::ApiError;
use crate::router::Admitted;

impl Admitted {
    /// Is this device inside? One that nobody knows is only for who sees the whole city.
    pub(super) fn sees_device(&self, id: &str) -> bool {
        self.device_within(id, &self.scope)
    }

    /// Does another permission than the route's hold for this device?
    pub(super) fn may_of_device(&self, permission: Permission, id: &str) -> bool {
        let city = &self.context.parts.city;
        let scope = self.session.as_ref().map(|(who, _)| who.scope(permission, city));
        scope.is_some_and(|scope| self.device_within(id, &scope))
    }

    fn device_within(&self, id: &str, scope: &Scope) -> bool {
        if scope.is_city() {
            return true;
        }
        let parts = &self.context.parts;
        let shown = parts.live.place_of(id);
        let shown = shown.map(|(area, service)| scope.allows(&area, &service));
        let known = parts.devices.devices().get(id).map(|d| scope.allows(&d.area, &d.service));
        // Where live state and registry disagree, both must be inside.
        match (shown, known) {
            (None, None) => false,
            (shown, known) => shown.unwrap_or(true) && known.unwrap_or(true),
        }
    }

    /// Refuses a device outside as one that does not exist.
    pub(super) fn need_device(&self, id: &str) -> Result<(), ApiError> {
        if self.sees_device(id) { Ok(()) } else { Err(ApiError::not_found("no such device")) }
    }

    /// Is this device of the registry inside?
    pub(super) fn sees(&self, device: &Device) -> bool {
        self.scope.allows(&device.area, &device.service)
    }

    /// Is all that can be said of an entity inside?
    pub(super) fn sees_entity(&self, entity: &Entity) -> bool {
        match entity {
            Entity::Device(id) => self.sees_device(id),
            other => covers(&self.scope, other),
        }
    }
}

fn covers(scope: &Scope, entity: &Entity) -> bool {
    let part = match entity {
        Entity::Area(id) => ScopePart { areas: Choice::only([id.clone()]), services: Choice::All },
        Entity::Service(id) => {
            ScopePart { areas: Choice::All, services: Choice::only([id.clone()]) }
        }
        Entity::Device(_) | Entity::Segment(_) | Entity::City => ScopePart::CITY,
    };
    scope.covers(&part)
}
