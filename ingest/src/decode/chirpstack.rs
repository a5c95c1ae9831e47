//! ChirpStack v4: events of its MQTT integration as JSON (docs: chirpstack/integrations/events).
//!
//! Decisions: `up` gives the values of `object`, which the codec of the device profile makes; an
//! uplink with data and no `object` is refused, as nothing of it would be kept. `status` and
//! `join` say that the device is there; a battery level is only believed where neither
//! `batteryLevelUnavailable` nor `externalPowerSource` is set, and an omitted one is unknown and
//! not 0: the server sets a flag with every 0. `location` gives the position. `log` gives the
//! detection `lorawan_error` for level ERROR, with the code as its object (a wrong key is
//! `uplink_mic`); other levels, `ack`, `txack`, `integration` and commands say nothing. Retained
//! repeats and empty payloads say nothing. A device is known by its EUI, small or large.

use std::collections::BTreeMap;

use ioc_model::{Body, ConfigError, Detection, Quality, QuarantineReason};
use serde::Deserialize;

use super::catalogue::{Catalogue, Cx, Hints};
use super::format::Format;
use super::ids::sanitise;
use super::json::Json;
use super::lorawan::{Eui, Services, Uplink, bad_field, object, percent, place, stamp};
use super::nested::{FREE, Nested, nothing_known};
use super::reading::{Moment, Reading};
use super::secret::Out;
use super::{Incoming, Refusal};

/// Settings of the ChirpStack decoder.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ChirpstackConfig {
    /// What stands before `application/` in its topics, such as `lora/`; mostly nothing.
    pub prefix: String,
    /// Service of devices that the registry does not know.
    pub service: String,
    /// The same by application id.
    pub services: BTreeMap<String, String>,
}

impl Default for ChirpstackConfig {
    fn default() -> Self {
        Self { prefix: String::new(), service: "air".into(), services: BTreeMap::new() }
    }
}

#[derive(Debug)]
pub(super) struct Chirpstack {
    config: ChirpstackConfig,
}

/// What a topic says.
struct Address<'t> {
    application: &'t str,
    eui: &'t str,
    /// `None`: a command, which goes the other way.
    event: Option<&'t str>,
}

impl Chirpstack {
    pub(super) fn new(
        file: &str,
        config: &ChirpstackConfig,
        catalogue: &Catalogue,
        errors: &mut Vec<ConfigError>,
    ) -> Self {
        let chirpstack = Self { config: config.clone() };
        chirpstack.services().check("chirpstack", file, catalogue, errors);
        chirpstack
    }

    fn services(&self) -> Services<'_> {
        Services { default: &self.config.service, applications: &self.config.services }
    }

    fn address<'t>(&self, topic: &'t str) -> Option<Address<'t>> {
        let rest = topic.strip_prefix(&*self.config.prefix)?.strip_prefix("application/")?;
        let mut levels = rest.split('/');
        let application = levels.next()?;
        if levels.next()? != "device" {
            return None;
        }
        let eui = levels.next()?;
        let event = match (levels.next()?, levels.next()?) {
            ("event", event) => Some(event),
            ("command", _) => None,
            _ => return None,
        };
        levels.next().is_none().then_some(Address { application, eui, event })
    }

    fn event(
        &self,
        cx: &Cx<'_>,
        (address, eui): (&Address<'_>, Eui),
        message: &Incoming<'_>,
        out: &mut Out<'_>,
    ) -> Result<(), Refusal> {
        let hint = "JSON is expected: set `json = true` in ChirpStack's MQTT integration";
        let json = object(message.payload, hint)?;
        let info = json.get("deviceInfo").ok_or_else(|| {
            bad_field(
                "`deviceInfo` is missing: events of ChirpStack v4 are expected, v3 is not read",
            )
        })?;
        if info.get("devEui").and_then(Json::text).is_some_and(|text| !eui.is(text)) {
            return Err(bad_field("`devEui` is not the device of the topic"));
        }
        let location = json.get("location").and_then(place);
        let service = self.services().of(address.application);
        let hints = Hints { place: location, default_service: Some(service), ..Hints::default() };
        let moment = Moment { time: stamp(&json, "time")?, received: message.received, seq: None };
        let uplink = Uplink::new(cx, eui.device(cx), || eui.id(), &hints, moment)?;
        match address.event {
            Some("up") => values(cx, &uplink, &json, out),
            Some("status") => status(&uplink, &json, out),
            Some("join") => {
                uplink.alive(None, out);
                Ok(())
            }
            Some("location") => {
                let missing = || bad_field("`location` lacks latitude or longitude");
                uplink.position(cx, location.ok_or_else(missing)?, out)
            }
            _ => {
                log(&uplink, &json, out);
                Ok(())
            }
        }
    }
}

fn values(
    cx: &Cx<'_>,
    uplink: &Uplink<'_>,
    json: &Json<'_>,
    out: &mut Out<'_>,
) -> Result<(), Refusal> {
    let object = match json.get("object") {
        Some(object @ Json::Object(_)) => object,
        Some(Json::Null) | None => {
            let data = json.get("data").and_then(Json::text).unwrap_or_default();
            // Frames without data only serve the radio protocol.
            return match data.is_empty() {
                true => Ok(()),
                false => Err(bad_field(
                    "`object` is missing: set a codec in the device profile, raw `data` is not read",
                )),
            };
        }
        Some(_) => return Err(bad_field("`object` is no object")),
    };
    let mut reading = Reading::default();
    Nested { cx, device: uplink.device, reading: &mut reading, out }.read(object, FREE)?;
    if reading.is_empty() {
        return nothing_known(object).map_or(Ok(()), Err);
    }
    reading.say(&uplink.origin, &uplink.moment, Quality::Good, out);
    Ok(())
}

fn status(uplink: &Uplink<'_>, json: &Json<'_>, out: &mut Out<'_>) -> Result<(), Refusal> {
    let is_set = |flag: &str| json.get(flag).and_then(Json::truth) == Some(true);
    let level = json.get("batteryLevel").filter(|l| **l != Json::Null);
    let unknown = is_set("batteryLevelUnavailable") || is_set("externalPowerSource");
    let battery = match level.filter(|_| !unknown) {
        Some(level) => Some(percent("batteryLevel", level)?),
        None => None,
    };
    uplink.alive(battery, out);
    Ok(())
}

/// Neither description nor context is kept: they are free texts of the server.
fn log(uplink: &Uplink<'_>, json: &Json<'_>, out: &mut Out<'_>) {
    let text = |name: &str| json.get(name).and_then(Json::text);
    // Omitted is INFO.
    if text("level") != Some("ERROR") {
        return;
    }
    let id = json.get("context").and_then(|c| c.get("deduplication_id")).and_then(Json::text);
    let detection = Detection {
        kind: "lorawan_error".into(),
        id: id.and_then(sanitise),
        object: text("code").and_then(|code| sanitise(&code.to_ascii_lowercase())),
        ..Detection::default()
    };
    out.say(uplink.moment.record(&uplink.origin, Body::Detection(Box::new(detection))));
}

impl Format for Chirpstack {
    fn takes(&self, topic: &str) -> bool {
        self.address(topic).is_some()
    }

    fn decode(
        &self,
        cx: &Cx<'_>,
        message: &Incoming<'_>,
        out: &mut Out<'_>,
    ) -> Result<(), Refusal> {
        let Some(address) = self.address(message.topic) else { return Ok(()) };
        if message.retain || message.payload.is_empty() {
            return Ok(());
        }
        match address.event {
            None | Some("ack" | "txack" | "integration") => Ok(()),
            Some("up" | "status" | "join" | "location" | "log") => {
                let eui = Eui::parse(address.eui).map_err(|r| cx.blame(r, address.eui))?;
                let end = self.event(cx, (&address, eui), message, out);
                end.map_err(|r| eui.blame(cx, r))
            }
            Some(_) => {
                let detail = "not an event of ChirpStack v4";
                Err(cx.blame(Refusal::new(QuarantineReason::UnknownTopic, detail), address.eui))
            }
        }
    }
}

#[cfg(test)]
mod tests;
