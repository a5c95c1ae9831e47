//! The city's names, shared and quick to look up.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use ahash::RandomState;
use ioc_model::{City, Devices, Name, QuarantineReason};

use super::Refusal;
use super::ids::sanitise;

/// Places whose area is remembered; all are forgotten when there are more.
const PLACES: usize = 65_536;

/// A property as decoders need it.
#[derive(Clone, Debug)]
pub(super) struct PropertyInfo {
    pub(super) name: Name,
    pub(super) unit: Name,
    min: f64,
    max: f64,
}

impl PropertyInfo {
    /// Whether a value in the property's unit is physically possible.
    pub(super) fn is_possible(&self, value: f64) -> bool {
        (self.min..=self.max).contains(&value)
    }

    /// Checks a value in the property's unit.
    pub(super) fn check(&self, value: f64) -> Result<f64, (QuarantineReason, String)> {
        if self.is_possible(value) {
            return Ok(value);
        }
        let Self { name, min, max, unit, .. } = self;
        let value = if value.is_finite() { format!("{value}") } else { "not finite".into() };
        let detail = format!("`{name}` is {value}, possible are {min} to {max} {unit}");
        Err((QuarantineReason::OutOfRange, detail.trim_end().to_owned()))
    }
}

/// Position of an area or service in the catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Index(u16);

/// Area by the bits of longitude and latitude, and whether they were exchanged to find it.
type Places = HashMap<(u64, u64), (Name, bool), RandomState>;

#[derive(Debug)]
pub(super) struct Catalogue {
    city: Arc<City>,
    properties: HashMap<Name, PropertyInfo, RandomState>,
    names: Vec<Name>,
    areas: HashMap<Name, Index, RandomState>,
    services: HashMap<Name, Index, RandomState>,
    unassigned: Name,
    places: Mutex<Places>,
}

impl Catalogue {
    pub(super) fn new(city: Arc<City>) -> Self {
        let unassigned = Name::from("unassigned");
        let mut names = Vec::new();
        let mut index = |name: &Name| {
            names.push(Arc::clone(name));
            (Arc::clone(name), Index((names.len() - 1) as u16))
        };
        let areas: HashMap<_, _, _> =
            city.areas.keys().chain([&unassigned]).map(&mut index).collect();
        let services: HashMap<_, _, _> = city.services.keys().map(&mut index).collect();
        let properties = city.properties.values().map(|p| {
            let info = PropertyInfo {
                name: Arc::clone(&p.id),
                unit: Arc::clone(&p.unit),
                min: p.min,
                max: p.max,
            };
            (Arc::clone(&p.id), info)
        });
        let properties = properties.collect();
        Self { city, properties, names, areas, services, unassigned, places: Mutex::default() }
    }

    pub(super) fn property(&self, name: &str) -> Option<&PropertyInfo> {
        self.properties.get(name)
    }

    pub(super) fn area(&self, name: &str) -> Option<Index> {
        self.areas.get(name).copied()
    }

    pub(super) fn has_services(&self) -> bool {
        !self.services.is_empty()
    }

    pub(super) fn service(&self, name: &str) -> Option<Index> {
        self.services.get(name).copied()
    }

    /// The shared name behind an index that this catalogue gave out.
    pub(super) fn name(&self, index: Index) -> &Name {
        &self.names[usize::from(index.0)]
    }

    /// See [`Cx::resolve`].
    fn resolve(
        &self,
        devices: &Devices,
        device: Name,
        hints: &Hints<'_>,
    ) -> Result<Origin, Refusal> {
        let known = devices.called(&device);
        let device = known.map_or(device, |d| Arc::clone(&d.id));
        let mut axes_swapped = false;
        let area = match hints.area {
            Some(area) => Some(self.known_area(area)?),
            None => {
                hints.place.and_then(|(lon, lat)| self.area_at(lon, lat)).map(|(area, swapped)| {
                    axes_swapped = swapped;
                    area
                })
            }
        };
        let area = area
            .or_else(|| known.map(|d| Arc::clone(&d.area)))
            .unwrap_or_else(|| Arc::clone(&self.unassigned));
        let known_service = || known.map(|d| &*d.service);
        let service =
            hints.service.or_else(known_service).or(hints.default_service).unwrap_or_default();
        let index = self.service(service).ok_or_else(|| {
            let detail = format!("service `{}` is not in the catalogue", short(service));
            Refusal::new(QuarantineReason::UnknownService, detail)
        })?;
        Ok(Origin { device, area, service: Arc::clone(self.name(index)), axes_swapped })
    }

    fn known_area(&self, area: &str) -> Result<Name, Refusal> {
        let index = self.area(area).ok_or_else(|| unknown_area(area))?;
        Ok(Arc::clone(self.name(index)))
    }

    /// The area of a place. Published examples swap the axes, so a place that is in no area is
    /// tried the other way round, and the second value is true: no point of the city is in it
    /// both ways.
    fn area_at(&self, lon: f64, lat: f64) -> Option<(Name, bool)> {
        let key = (lon.to_bits(), lat.to_bits());
        let lock = || self.places.lock().unwrap_or_else(|e| e.into_inner());
        let known = |(area, swapped): &(Name, bool)| {
            (!Arc::ptr_eq(area, &self.unassigned)).then(|| (Arc::clone(area), *swapped))
        };
        if let Some(place) = lock().get(&key) {
            return known(place);
        }
        let right = self.city.area_at(lon, lat).map(|a| (Arc::clone(&a.id), false));
        let swapped = || self.city.area_at(lat, lon).map(|a| (Arc::clone(&a.id), true));
        let nowhere = || (Arc::clone(&self.unassigned), false);
        let place = right.or_else(swapped).unwrap_or_else(nowhere);
        let area = known(&place);
        let mut places = lock();
        if places.len() >= PLACES {
            places.clear();
        }
        places.insert(key, place);
        area
    }
}

/// What a decoder looks things up in: the city's names, and the registry as it is at this message.
#[derive(Clone, Copy)]
pub(super) struct Cx<'a> {
    pub(super) catalogue: &'a Catalogue,
    pub(super) devices: &'a Devices,
}

impl<'a> Cx<'a> {
    pub(super) fn property(&self, name: &str) -> Option<&'a PropertyInfo> {
        self.catalogue.property(name)
    }

    /// The refusal of a message of the device that a foreign format calls so, under the id that
    /// its owner knows.
    pub(super) fn blame(&self, refusal: Refusal, name: &str) -> Refusal {
        match self.devices.called(name) {
            Some(device) => refusal.of(&device.id),
            None => refusal.of(sanitise(name).as_deref().unwrap_or(name)),
        }
    }

    /// Device, area and service of a message whose topic does not say them all: what the message
    /// or the decoder's configuration says, else the place, else what the registry knows of the
    /// device (by id or alias), else the defaults.
    pub(super) fn resolve(&self, device: Name, hints: &Hints<'_>) -> Result<Origin, Refusal> {
        self.catalogue.resolve(self.devices, device, hints)
    }
}

/// What is known about a message's origin besides the device.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Hints<'a> {
    /// Longitude, latitude.
    pub(super) place: Option<(f64, f64)>,
    /// Area as the message or the decoder's configuration names it.
    pub(super) area: Option<&'a str>,
    /// Service as the message or the decoder's configuration names it.
    pub(super) service: Option<&'a str>,
    /// Service of a device that the registry does not know.
    pub(super) default_service: Option<&'a str>,
}

/// Who said it.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    pub(super) device: Name,
    pub(super) area: Name,
    pub(super) service: Name,
    /// The area was found with longitude and latitude exchanged.
    pub(super) axes_swapped: bool,
}

pub(super) fn unknown_area(area: &str) -> Refusal {
    let detail = format!("area `{}` is not in the city", short(area));
    Refusal::new(QuarantineReason::UnknownArea, detail)
}

/// At most 64 characters of a foreign text, for details.
pub(super) fn short(text: &str) -> String {
    text.chars().take(64).collect()
}
