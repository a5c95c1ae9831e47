//! Objects whose fields a device's own codec named, as Zigbee2MQTT and LoRaWAN servers pass them on.
//!
//! A value inside of an object or array is called by its way there, joined with `.`: `air.t`,
//! `probes.0`. The joined name can be a registry field; a property of the catalogue is only meant
//! by a name at the top, as `cpu.temperature` is not the temperature of the place. An object
//! `{"value": 7, "unit": "…"}` is one value that states its unit.

use std::sync::Arc;

use ioc_model::{Device, QuarantineReason};

use super::Refusal;
use super::catalogue::{Cx, short};
use super::json::Json;
use super::reading::{Named, Reading};
use super::secret::Out;

/// Names that a refusal tells.
const TOLD: usize = 8;

/// A name that the format itself defines.
pub(super) struct Word {
    /// As [`Named::name`].
    pub(super) name: &'static str,
    /// Property of the catalogue.
    pub(super) property: &'static str,
    /// Unit that the format defines.
    pub(super) unit: &'static str,
}

/// What names mean where the registry does not say it.
#[derive(Clone, Copy)]
pub(super) struct Words {
    /// Names that the format defines.
    pub(super) table: &'static [Word],
    /// Whether other names may be properties of the catalogue, in its unit.
    pub(super) catalogue: bool,
    /// What the reading has already is not read again, instead of being refused.
    pub(super) fill: bool,
}

/// Free names: the registry's and the catalogue's.
pub(super) const FREE: Words = Words { table: &[], catalogue: true, fill: false };

/// Reads objects of one device into a reading.
pub(super) struct Nested<'w, 'o> {
    pub(super) cx: &'w Cx<'w>,
    pub(super) device: Option<&'w Arc<Device>>,
    pub(super) reading: &'w mut Reading,
    pub(super) out: &'w mut Out<'o>,
}

impl Nested<'_, '_> {
    /// Takes every value below `json` that means something.
    pub(super) fn read(&mut self, json: &Json<'_>, words: Words) -> Result<(), Refusal> {
        self.value(&mut String::new(), None, json, words)
    }

    /// Takes every value of one field at the top.
    pub(super) fn field(
        &mut self,
        name: &str,
        json: &Json<'_>,
        words: Words,
    ) -> Result<(), Refusal> {
        self.value(&mut String::new(), Some(name), json, words)
    }

    /// `name`: the last step, not yet part of `path`.
    fn value(
        &mut self,
        path: &mut String,
        name: Option<&str>,
        json: &Json<'_>,
        words: Words,
    ) -> Result<(), Refusal> {
        let length = path.len();
        // A name at the top, the usual one, is not copied.
        let is_inner = matches!(json, Json::Object(_) | Json::Array(_));
        if let Some(name) = name.filter(|_| is_inner || length > 0) {
            if length > 0 {
                path.push('.');
            }
            path.push_str(name);
        }
        let end = match json {
            Json::Object(_) if stated(json).is_some() && name.is_some() => {
                let (value, unit) = stated(json).unwrap_or((json, ""));
                self.leaf(&Named { name: path, unit: Some(unit) }, value, words)
            }
            Json::Object(fields) => {
                fields.iter().try_for_each(|(name, v)| self.value(path, Some(name), v, words))
            }
            Json::Array(items) => (0..)
                .zip(items)
                .try_for_each(|(i, v)| self.value(path, Some(&u16::to_string(&i)), v, words)),
            leaf => {
                let name = if length > 0 { &**path } else { name.unwrap_or_default() };
                self.leaf(&Named { name, unit: None }, leaf, words)
            }
        };
        path.truncate(length);
        end
    }

    fn leaf(&mut self, named: &Named<'_>, value: &Json<'_>, words: Words) -> Result<(), Refusal> {
        let declared = self.device.and_then(|d| d.fields.iter().find(|f| f.name == named.name));
        let word = words.table.iter().find(|w| w.name == named.name);
        let means = match (declared, word) {
            (Some(field), _) => Some(&*field.property),
            (None, Some(word)) => Some(word.property),
            (None, None) => words.catalogue.then_some(named.name),
        };
        let property = means.and_then(|name| self.cx.property(name));
        let is_there = || property.is_some_and(|p| self.reading.has(p));
        if (means.is_none()) || (words.fill && is_there()) {
            self.out.ignore(named.name);
            return Ok(());
        }
        let (None, Some(word), Some(property)) = (declared, word, property) else {
            return self.reading.field(self.cx, self.device, named, value, self.out);
        };
        match value.number() {
            Some(number) => {
                self.reading.put(property, named, named.unit.or(Some(word.unit)), number)
            }
            None => {
                self.out.ignore(named.name);
                Ok(())
            }
        }
    }
}

/// `{"value": …, "unit": "…"}`.
fn stated<'j, 'p>(json: &'j Json<'p>) -> Option<(&'j Json<'p>, &'j str)> {
    let value = json.get("value")?;
    let is_leaf = !matches!(value, Json::Object(_) | Json::Array(_));
    Some((value, json.get("unit")?.text()?)).filter(|_| is_leaf)
}

/// Why an object that holds numbers is refused when none of them means anything; `None` for one
/// without numbers: it is right, and says nothing here. Once the registry names the fields, the
/// message can be taken from the quarantine.
pub(super) fn nothing_known(json: &Json<'_>) -> Option<Refusal> {
    let mut names = Vec::new();
    numbers(json, &mut String::new(), &mut names);
    if names.is_empty() {
        return None;
    }
    let detail = format!(
        "none of `{}` is a property of the catalogue: say in the device's `fields` what they mean",
        names.join("`, `")
    );
    Some(Refusal::new(QuarantineReason::UnknownProperty, detail))
}

fn numbers(json: &Json<'_>, path: &mut String, names: &mut Vec<String>) {
    if names.len() >= TOLD {
        return;
    }
    let length = path.len();
    let mut below = |name: &str, value: &Json<'_>| {
        if length > 0 {
            path.push('.');
        }
        path.push_str(name);
        numbers(value, path, names);
        path.truncate(length);
    };
    match json {
        Json::Object(fields) => fields.iter().for_each(|(name, value)| below(name, value)),
        Json::Array(items) => (0..).zip(items).for_each(|(i, v)| below(&u16::to_string(&i), v)),
        leaf if leaf.number().is_some() => names.push(short(path)),
        _ => {}
    }
}
