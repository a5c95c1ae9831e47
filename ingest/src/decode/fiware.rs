//! FIWARE: Smart Data Models as NGSI-v2 and NGSI-LD entities (key-values, normalised, concise,
//! GeoJSON features; one, an array, a batch, a notification), and what devices send to the IoT
//! Agents for JSON and UltraLight.
//!
//! Decisions: an interval counts at its end. A time without offset is refused unless the
//! configuration names the zone. A unit that an entity states wins over the model's convention;
//! one that cannot be converted refuses the message. An attribute with a time of its own
//! (`observedAt`) becomes a record of its own. Truth values and null are no numbers and are passed
//! over (models allow `precipitation: false`). Of several values of one attribute the default one
//! (without `datasetId`) is meant. A message that a broker repeats says nothing.

mod agent;
mod anpr;
mod entity;
mod id;
mod stated;

use std::collections::HashMap;

use ahash::RandomState;
use ioc_model::{ConfigError, QuarantineReason};
use jiff::tz::TimeZone;

use super::catalogue::{Catalogue, Cx, PropertyInfo};
use super::config::FiwareConfig;
use super::fiware_models::{Attribute, MODELS, Model, SLOTS};
use super::format::Format;
use super::frigate::check_service;
use super::secret::Out;
use super::tape::{self, Value};
use super::topic::{Capture, Pattern};
use super::units::Conversion;
use super::{Incoming, Refusal, time};

/// Attributes that hold the phenomenon time, best first: models give the end of an interval
/// with an offset where the interval text has none.
const TIMES: [&str; 6] = [
    "dateObservedTo",
    "dateObserved",
    "observationDateTime",
    "occupancyModified",
    "binLoggedTime",
    "TimeInstant",
];

/// What an attribute of an entity is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// One of [`TIMES`].
    Time(u8),
    /// Start of the period.
    From,
    Place,
    RefDevice,
    Station,
    /// The camera of a plate reader.
    ObservedBy,
    /// Says nothing of its own.
    Form,
    /// Slot and rank among its names.
    Value(u8, u8),
}

/// An attribute with what the catalogue knows of it.
#[derive(Debug)]
struct Known {
    attribute: &'static Attribute,
    property: PropertyInfo,
    /// From the model's unit.
    usual: Option<Conversion>,
}

/// A model with what the catalogue knows of it.
#[derive(Debug)]
struct Ready {
    model: &'static Model,
    roles: HashMap<&'static str, Role, RandomState>,
    slots: Vec<Known>,
}

impl Ready {
    fn new(model: &'static Model, catalogue: &Catalogue) -> Self {
        let mut roles: HashMap<_, _, _> =
            TIMES.iter().zip(0..).map(|(n, i)| (*n, Role::Time(i))).collect();
        roles.extend([
            ("dateObservedFrom", Role::From),
            ("location", Role::Place),
            ("refDevice", Role::RefDevice),
            ("stationID", Role::Station),
            ("observedBy", Role::ObservedBy),
            ("id", Role::Form),
            ("type", Role::Form),
            ("@context", Role::Form),
            ("itemType", Role::Form),
        ]);
        let mut slots = Vec::new();
        for attribute in model.attributes.iter().take(SLOTS) {
            let Some(property) = catalogue.property(attribute.property).cloned() else { continue };
            let usual = attribute.unit.and_then(|unit| Conversion::between(unit, &property.unit));
            for (name, rank) in attribute.names.iter().zip(0..) {
                roles.insert(name, Role::Value(slots.len() as u8, rank));
            }
            slots.push(Known { attribute, property, usual });
        }
        Self { model, roles, slots }
    }

    /// Names may come expanded by a JSON-LD context: the last part counts.
    fn role(&self, name: &str) -> Option<Role> {
        self.roles.get(local(name)).copied()
    }
}

/// The last part of a name that is a URI.
fn local(name: &str) -> &str {
    if !name.starts_with("http") || !name.contains("://") {
        return name;
    }
    name.rsplit(['/', '#']).next().unwrap_or(name)
}

#[derive(Debug)]
pub(super) struct Fiware {
    topics: Vec<Pattern>,
    zone: Option<TimeZone>,
    /// Of unknown devices of an IoT Agent.
    service: String,
    /// In the order of [`MODELS`].
    models: Vec<Ready>,
}

fn bad_field(detail: impl Into<String>) -> Refusal {
    Refusal::new(QuarantineReason::BadField, detail)
}

impl Fiware {
    pub(super) fn new(
        file: &str,
        config: &FiwareConfig,
        catalogue: &Catalogue,
        errors: &mut Vec<ConfigError>,
    ) -> Self {
        let mut wrong = |message: String| errors.push(ConfigError::new(file, 0, 0, message));
        let mut topics = Vec::new();
        for topic in &config.topics {
            match Pattern::parse(topic) {
                Ok(pattern) => topics.push(pattern),
                Err(message) => wrong(format!("fiware: {message}")),
            }
        }
        let zone = config.zone.as_deref().and_then(|text| {
            let zone = time::zone(text);
            if zone.is_none() {
                wrong(format!("fiware: time zone `{text}` is not known"));
            }
            zone
        });
        check_service("fiware", &config.service, catalogue, &mut wrong);
        let service = config.service.clone();
        let models = MODELS.iter().map(|m| Ready::new(m, catalogue)).collect();
        Self { topics, zone, service, models }
    }
}

/// Whether an object is an entity and not the bare attributes of a device.
fn is_entity(json: Value<'_>) -> bool {
    let names = |field| json.get(field).is_some_and(|v| v.text().is_some() || v.is_array());
    names("id") && names("type")
}

/// The list inside of a notification, a batch or a collection of features.
fn wrapped(json: Value<'_>) -> Option<Value<'_>> {
    let kind = json.get("type").and_then(Value::text);
    if !matches!(kind, None | Some("Notification" | "FeatureCollection")) {
        return None;
    }
    let list = |name| json.get(name).filter(|list| list.is_array());
    ["data", "entities", "features"].into_iter().find_map(list)
}

impl Format for Fiware {
    fn takes(&self, topic: &str) -> bool {
        self.topics.iter().any(|p| p.matches(topic).is_some())
    }

    fn decode(
        &self,
        cx: &Cx<'_>,
        message: &Incoming<'_>,
        out: &mut Out<'_>,
    ) -> Result<(), Refusal> {
        if message.retain {
            return Ok(());
        }
        let captures = self.topics.iter().find_map(|p| p.matches(message.topic));
        let captured = |wanted: Capture| {
            captures.iter().flatten().find(|(c, _)| *c == wanted).map(|(_, level)| *level)
        };
        let agent = captured(Capture::Device).map(|device| agent::Agent {
            fiware: self,
            cx,
            message,
            device,
        });
        if let Some(agent) = &agent {
            if let Some(name) = captured(Capture::Property) {
                return agent.one(name, out);
            }
            if !agent::is_json(message.payload) {
                return agent.ultralight(out);
            }
        }
        let read = tape::with(message.payload, |json| {
            let one = |json: Value<'_>, out: &mut Out<'_>| match &agent {
                Some(agent) if json.is_object() && !is_entity(json) => agent.attributes(json, out),
                _ => entity::decode(self, cx, message, json, out),
            };
            let Some(list) = Some(json).filter(|j| j.is_array()).or_else(|| wrapped(json)) else {
                return one(json, out);
            };
            for (i, item) in list.items().into_iter().flatten().enumerate() {
                one(item, out).map_err(|mut r| {
                    r.detail = format!("entity {i}: {}", r.detail);
                    r
                })?;
            }
            Ok(())
        });
        read.map_err(|r| match captured(Capture::Device) {
            Some(device) => r.of(device),
            None => r,
        })
    }
}

#[cfg(test)]
mod tests;
