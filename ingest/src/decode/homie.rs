//! Homie, versions 4 (and 3) and 5 (homieiot.github.io): one topic per property, its unit and
//! type in attributes (`$unit`, `$datatype`) or in the device's `$description`.
//!
//! Decisions: attributes are remembered, within bounds, and say nothing. A value means what the
//! registry says of `node.property` or `property`; else, once its attributes are known, the
//! property of the catalogue of that name (`-` is `_`, which Homie's ids cannot have), in the unit
//! that the device states or else the catalogue's. A live value before its attributes is refused
//! (`no_birth`): its unit may be °F. A name that several nodes of a device have is refused until
//! the registry tells which is meant. Only `integer` and `float` are numbers; of other types
//! nothing is kept. Homie retains all values: a repeat to a new subscriber, whose age nobody
//! knows, is taken with quality uncertain and the time of arrival unless the device is known to be
//! gone (`retained: silent` takes none). `$state` gives a status (`init` none), its repeats do
//! not; a removed device is forgotten. Commands, targets, logs, alerts and broadcasts say nothing.
//! That children of a lost root are lost as well (version 5) is not said for each of them.

mod cache;

use std::sync::Arc;

use ioc_model::{Body, ConfigError, Device, Quality, QuarantineReason, Status};
use serde::Deserialize;

use super::catalogue::{Catalogue, Cx, Hints, Origin, short};
use super::format::Format;
use super::frigate::check_service;
use super::ids::sanitise;
use super::json::Json;
use super::reading::{Moment, Named, Reading};
use super::secret::Out;
use super::{Incoming, Refusal};
use cache::{Cache, Described};

/// Settings of the Homie decoder.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HomieConfig {
    /// First level of its topics.
    pub domain: String,
    /// Service of devices that the registry does not know.
    pub service: String,
    /// What is made of values that a broker repeats.
    pub retained: RetainedValues,
    /// Devices whose attributes are remembered; values of further ones are refused unless the
    /// registry names them.
    pub devices: usize,
}

/// What is made of values that a broker repeats to a new subscriber.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetainedValues {
    /// Taken with quality uncertain.
    #[default]
    Uncertain,
    /// Not taken.
    Silent,
}

impl Default for HomieConfig {
    fn default() -> Self {
        Self {
            domain: "homie".into(),
            service: "air".into(),
            retained: RetainedValues::default(),
            devices: 4_096,
        }
    }
}

#[derive(Debug)]
pub(super) struct Homie {
    config: HomieConfig,
    prefix: String,
    /// Version 4 and version 5: the same device may speak both.
    known: [Cache; 2],
}

/// What a topic is about.
#[derive(Clone, Copy)]
enum About<'t> {
    State,
    Description,
    Battery,
    Attribute { node: &'t str, property: &'t str, name: &'t str },
    Value { node: &'t str, property: &'t str },
    Nothing,
}

fn bad_field(detail: impl Into<String>) -> Refusal {
    Refusal::new(QuarantineReason::BadField, detail)
}

/// Version (index), device, and what it is about; `None` for topics that Homie does not have.
fn address(rest: &str) -> Option<(usize, &str, About<'_>)> {
    let (version, rest) = rest.strip_prefix("5/").map_or((0, rest), |rest| (1, rest));
    let (device, rest) = rest.split_once('/')?;
    let mut levels = rest.split('/');
    let levels = [levels.next(), levels.next(), levels.next(), levels.next()];
    let about = match levels {
        _ if device.starts_with('$') => About::Nothing,
        [Some("$state"), None, ..] => About::State,
        [Some("$description"), None, ..] if version == 1 => About::Description,
        [Some("$stats"), Some("battery"), None, _] if version == 0 => About::Battery,
        [Some(attribute), ..] if attribute.starts_with('$') => About::Nothing,
        [Some(_), Some(attribute), ..] if attribute.starts_with('$') => About::Nothing,
        [Some(node), Some(property), None, _] => About::Value { node, property },
        [Some(node), Some(property), Some(name @ ("$unit" | "$datatype")), None]
            if version == 0 =>
        {
            About::Attribute { node, property, name }
        }
        [Some(_), Some(_), Some(name), None] if name == "set" || name.starts_with('$') => {
            About::Nothing
        }
        _ => return None,
    };
    Some((version, device, about))
}

/// A device's message.
struct Said<'a> {
    cx: &'a Cx<'a>,
    message: &'a Incoming<'a>,
    device: &'a str,
    text: &'a str,
    known: &'a Cache,
}

impl Homie {
    pub(super) fn new(
        file: &str,
        config: &HomieConfig,
        catalogue: &Catalogue,
        errors: &mut Vec<ConfigError>,
    ) -> Self {
        let mut wrong = |message: String| errors.push(ConfigError::new(file, 0, 0, message));
        if config.domain.is_empty() || config.domain.contains(['/', '+', '#']) {
            wrong(format!("homie: domain `{}` is not one topic level", short(&config.domain)));
        }
        check_service("homie", &config.service, catalogue, &mut wrong);
        Self {
            known: [Cache::new(config.devices), Cache::new(config.devices)],
            prefix: format!("{}/", config.domain),
            config: config.clone(),
        }
    }

    fn origin(&self, said: &Said<'_>) -> Result<Origin, Refusal> {
        let id = sanitise(said.device)
            .ok_or_else(|| Refusal::new(QuarantineReason::BadId, "the device id cannot be used"))?;
        let hints = Hints { default_service: Some(&self.config.service), ..Hints::default() };
        said.cx.resolve(id, &hints)
    }

    fn say(&self, said: &Said<'_>, about: About<'_>, out: &mut Out<'_>) -> Result<(), Refusal> {
        match about {
            About::Nothing => Ok(()),
            About::State => self.state(said, out),
            About::Description => said.known.describe(said.device, said.text),
            About::Attribute { node, property, name } => {
                said.known.attribute(said.device, (node, property), name, said.text);
                Ok(())
            }
            // Deleted, and in version 4 also an empty text: no number either way.
            _ if said.text.is_empty() => Ok(()),
            About::Battery if said.message.retain => Ok(()),
            About::Battery => {
                let level = number(said.text, "battery")?;
                if !(0.0..=100.0).contains(&level) {
                    let detail = format!("`battery` is {level}, possible are 0 to 100 %");
                    return Err(Refusal::new(QuarantineReason::OutOfRange, detail));
                }
                self.status(said, Status { online: true, battery: Some(level) }, out)
            }
            About::Value { node, property } => self.value(said, node, property, out),
        }
    }

    fn status(&self, said: &Said<'_>, status: Status, out: &mut Out<'_>) -> Result<(), Refusal> {
        let received = said.message.received;
        let moment = Moment { time: received, received, seq: None };
        out.say(moment.record(&self.origin(said)?, Body::Status(status)));
        Ok(())
    }

    fn state(&self, said: &Said<'_>, out: &mut Out<'_>) -> Result<(), Refusal> {
        let online = match said.text {
            "" => {
                said.known.forget(said.device);
                return Ok(());
            }
            "init" => None,
            "ready" | "alert" | "sleeping" => Some(true),
            "disconnected" | "lost" => Some(false),
            _ => return Err(bad_field("`$state` is no state of Homie")),
        };
        said.known.set_gone(said.device, online == Some(false));
        match online.filter(|_| !said.message.retain) {
            Some(online) => self.status(said, Status { online, battery: None }, out),
            None => Ok(()),
        }
    }

    fn value(
        &self,
        said: &Said<'_>,
        node: &str,
        property: &str,
        out: &mut Out<'_>,
    ) -> Result<(), Refusal> {
        let retain = said.message.retain;
        if retain
            && (self.config.retained == RetainedValues::Silent || said.known.is_gone(said.device))
        {
            return Ok(());
        }
        let described = said.known.described(said.device, node, property);
        let unit = described.as_ref().and_then(|d| d.unit.as_deref());
        // Homie's word for counts.
        let unit = unit.map(|unit| if unit == "#" { "count" } else { unit });
        let device = said.cx.devices.called(said.device);
        let mut reading = Reading::default();
        match device.and_then(|d| declared(d, node, property)) {
            Some(name) => {
                let value = Json::Text(said.text.into());
                reading.field(said.cx, device, &Named { name, unit }, &value, out)?;
            }
            None => {
                let Some(described) = &described else {
                    return if retain { Ok(()) } else { Err(no_birth(node, property)) };
                };
                named(said, (node, property), described, unit, &mut reading, out)?;
            }
        }
        let quality = if retain { Quality::Uncertain } else { Quality::Good };
        let received = said.message.received;
        let moment = Moment { time: received, received, seq: None };
        reading.say(&self.origin(said)?, &moment, quality, out);
        Ok(())
    }
}

fn no_birth(node: &str, property: &str) -> Refusal {
    let detail = format!(
        "`{}.{}` came before its `$datatype` or the device's `$description`: its unit is not known",
        short(node),
        short(property)
    );
    Refusal::new(QuarantineReason::NoBirth, detail)
}

/// The registry's field for a property of a node.
fn declared<'d>(device: &'d Arc<Device>, node: &str, property: &str) -> Option<&'d str> {
    let is_both = |name: &str| {
        name.strip_prefix(node).and_then(|n| n.strip_prefix('.')).is_some_and(|n| n == property)
    };
    let names = || device.fields.iter().map(|f| &*f.name);
    names().find(|name| is_both(name)).or_else(|| names().find(|name| *name == property))
}

/// A value of the catalogue's name.
fn named(
    said: &Said<'_>,
    (node, property): (&str, &str),
    described: &Described,
    unit: Option<&str>,
    reading: &mut Reading,
    out: &mut Out<'_>,
) -> Result<(), Refusal> {
    let name = property.replace('-', "_");
    let Some(info) = said.cx.property(&name).filter(|_| described.is_number) else {
        out.ignore(&format!("{node}.{property}"));
        return Ok(());
    };
    if described.nodes > 1 {
        let detail = format!(
            "several nodes have `{name}`: say in the device's `fields` which of them is meant, as \
             `{}.{name}`",
            short(node)
        );
        return Err(Refusal::new(QuarantineReason::UnknownProperty, detail));
    }
    reading.put(info, &Named { name: &name, unit }, unit, number(said.text, &name)?)
}

fn number(text: &str, name: &str) -> Result<f64, Refusal> {
    text.parse()
        .ok()
        .filter(|n: &f64| n.is_finite())
        .ok_or_else(|| bad_field(format!("`{}` must be a number", short(name))))
}

impl Homie {
    /// Reads a message; `looking` leaves what is known as it is.
    fn read(
        &self,
        cx: &Cx<'_>,
        message: &Incoming<'_>,
        looking: bool,
        out: &mut Out<'_>,
    ) -> Result<(), Refusal> {
        let rest = message.topic.strip_prefix(&*self.prefix).unwrap_or_default();
        let (version, device, about) = address(rest).ok_or_else(|| {
            Refusal::new(QuarantineReason::UnknownTopic, "not a topic of Homie 4 or 5")
        })?;
        let text = std::str::from_utf8(message.payload)
            .map_err(|_| Refusal::new(QuarantineReason::Malformed, "the payload is not UTF-8"));
        let live = &self.known[version];
        let copy = looking.then(|| live.copy(device));
        let end = text.and_then(|text| {
            let known = copy.as_ref().unwrap_or(live);
            self.say(&Said { cx, message, device, text, known }, about, out)
        });
        end.map_err(|r| cx.blame(r, device))
    }
}

impl Format for Homie {
    fn takes(&self, topic: &str) -> bool {
        topic.starts_with(&*self.prefix)
    }

    fn decode(
        &self,
        cx: &Cx<'_>,
        message: &Incoming<'_>,
        out: &mut Out<'_>,
    ) -> Result<(), Refusal> {
        self.read(cx, message, false, out)
    }

    fn look(&self, cx: &Cx<'_>, message: &Incoming<'_>, out: &mut Out<'_>) -> Result<(), Refusal> {
        self.read(cx, message, true, out)
    }
}

#[cfg(test)]
mod tests;
