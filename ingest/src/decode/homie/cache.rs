//! What Homie devices said of themselves, within bounds.

use std::collections::HashMap;
use std::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use ahash::RandomState;
use ioc_model::{Name, QuarantineReason};

use super::super::Refusal;
use super::super::json::Json;
use super::bad_field;

/// Properties of one device that are remembered.
const PROPERTIES: usize = 512;
/// Longest unit, bytes.
const UNIT_BYTES: usize = 32;

type Map<V> = HashMap<Box<str>, V, RandomState>;

/// Attributes by device. A value takes the lock for reading; only attributes and states write.
#[derive(Debug)]
pub(super) struct Cache {
    devices: RwLock<Map<Known>>,
    most: usize,
}

#[derive(Clone, Debug, Default)]
struct Known {
    /// Lost or disconnected.
    is_gone: bool,
    /// By property id, then node id.
    properties: Map<Map<Property>>,
    count: usize,
}

#[derive(Clone, Debug, Default)]
struct Property {
    unit: Option<Name>,
    /// `None`: `$datatype` was not seen.
    is_number: Option<bool>,
}

/// What is known of a property.
pub(super) struct Described {
    pub(super) unit: Option<Name>,
    pub(super) is_number: bool,
    /// How many nodes of the device have a number of that name.
    pub(super) nodes: usize,
}

impl Known {
    fn property(&mut self, (node, property): (&str, &str)) -> Option<&mut Property> {
        let is_new = self.properties.get(property).is_none_or(|nodes| !nodes.contains_key(node));
        if is_new {
            if self.count >= PROPERTIES {
                return None;
            }
            self.count += 1;
        }
        Some(self.properties.entry(property.into()).or_default().entry(node.into()).or_default())
    }
}

fn unit(text: &str) -> Option<Name> {
    // Too long to be one that can be converted, but still not the catalogue's: kept cut.
    let end = text.floor_char_boundary(UNIT_BYTES);
    (!text.is_empty()).then(|| text[..end].into())
}

fn is_number(datatype: &str) -> bool {
    matches!(datatype, "integer" | "float")
}

impl Cache {
    pub(super) fn new(most: usize) -> Self {
        Self { devices: RwLock::default(), most }
    }

    /// What is known of one device, for someone who only looks.
    pub(super) fn copy(&self, device: &str) -> Self {
        let devices = self.read();
        let known = devices.get(device).map(|known| (device.into(), known.clone()));
        let has_room = known.is_some() || devices.len() < self.most;
        Self { devices: RwLock::new(known.into_iter().collect()), most: usize::from(has_room) }
    }

    fn read(&self) -> RwLockReadGuard<'_, Map<Known>> {
        self.devices.read().unwrap_or_else(|e| e.into_inner())
    }

    fn write(&self) -> RwLockWriteGuard<'_, Map<Known>> {
        self.devices.write().unwrap_or_else(|e| e.into_inner())
    }

    /// Changes what is known of a device; not of a further one when there are too many.
    fn change(&self, device: &str, change: impl FnOnce(&mut Known)) {
        let mut devices = self.write();
        if let Some(known) = devices.get_mut(device) {
            return change(known);
        }
        if devices.len() < self.most {
            change(devices.entry(device.into()).or_default());
        }
    }

    pub(super) fn set_gone(&self, device: &str, is_gone: bool) {
        self.change(device, |known| known.is_gone = is_gone);
    }

    pub(super) fn is_gone(&self, device: &str) -> bool {
        self.read().get(device).is_some_and(|known| known.is_gone)
    }

    pub(super) fn forget(&self, device: &str) {
        self.write().remove(device);
    }

    /// Version 4: one attribute of one property; an empty text deletes it.
    pub(super) fn attribute(&self, device: &str, at: (&str, &str), name: &str, text: &str) {
        self.change(device, |known| {
            let Some(property) = known.property(at) else { return };
            match name {
                "$unit" => property.unit = unit(text),
                _ => property.is_number = (!text.is_empty()).then(|| is_number(text)),
            }
        });
    }

    /// Version 5: all of a device; an empty text deletes it.
    pub(super) fn describe(&self, device: &str, text: &str) -> Result<(), Refusal> {
        let json = match text {
            "" => Json::Object(Vec::new()),
            text => Json::parse(text.as_bytes())?,
        };
        if !matches!(json, Json::Object(_)) {
            return Err(bad_field("`$description` is no object"));
        }
        let mut described = Known::default();
        for (node, about) in objects(&json, "nodes") {
            for (id, property) in objects(about, "properties") {
                let text = |name: &str| property.get(name).and_then(Json::text);
                let Some(kept) = described.property((node, id)) else {
                    let detail = format!("more than {PROPERTIES} properties");
                    return Err(Refusal::new(QuarantineReason::TooLarge, detail));
                };
                // A property without a type is to be ignored, says the convention.
                kept.is_number = Some(text("datatype").is_some_and(is_number));
                kept.unit = text("unit").and_then(unit);
            }
        }
        self.change(device, |known| {
            *known = Known { is_gone: known.is_gone, ..described };
        });
        Ok(())
    }

    /// What is known of a property once its type is.
    pub(super) fn described(&self, device: &str, node: &str, property: &str) -> Option<Described> {
        let devices = self.read();
        let nodes = devices.get(device)?.properties.get(property)?;
        let of_node = nodes.get(node)?;
        let count = nodes.values().filter(|p| p.is_number == Some(true)).count();
        Some(Described { unit: of_node.unit.clone(), is_number: of_node.is_number?, nodes: count })
    }
}

fn objects<'j, 'p>(
    json: &'j Json<'p>,
    name: &str,
) -> impl Iterator<Item = (&'j str, &'j Json<'p>)> {
    let fields = match json.get(name) {
        Some(Json::Object(fields)) => &**fields,
        _ => &[],
    };
    fields.iter().map(|(name, value)| (&**name, value))
}
