//! The Things Stack v3: uplinks, joins and solved locations of its MQTT server
//! (docs: integrations/data-formats).
//!
//! Decisions: a device is its EUI, which is unique (`device_id` is so only within an application);
//! the registry may know it by EUI or `device_id`, and without an EUI `device_id` is its id. The
//! time is that of the first gateway that says one not later than the network server heard it (a
//! gateway whose clock is ahead is not believed), else the server's. `normalized_payload` has
//! units that the stack defines, so it goes before `decoded_payload`, whose names are the
//! registry's or the catalogue's; absent values stay absent, only fields of the stack itself are
//! left out when they are 0. An uplink with a payload and no decoded one is refused, as nothing of
//! it would be kept. What is `simulated` is kept with quality bad: it raises no alert.
//! `last_battery_percentage` counts where this uplink brought it. Retained repeats and empty
//! payloads say nothing, nor do `down/…` and `service/data`.

use std::collections::BTreeMap;

use ioc_model::{ConfigError, Name, Quality, QuarantineReason, Timestamp};
use serde::Deserialize;

use super::catalogue::{Catalogue, Cx, Hints};
use super::format::Format;
use super::ids::sanitise;
use super::json::Json;
use super::lorawan::{Eui, Services, Uplink, bad_field, object, percent, place, stamp};
use super::nested::{FREE, Nested, Word, Words, nothing_known};
use super::reading::{Moment, Reading};
use super::secret::Out;
use super::{Incoming, Refusal, time};

/// Settings of the decoder of The Things Stack.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TtnConfig {
    /// What stands before `v3/` in its topics; mostly nothing.
    pub prefix: String,
    /// Service of devices that the registry does not know.
    pub service: String,
    /// The same by application id, without the tenant.
    pub services: BTreeMap<String, String>,
}

impl Default for TtnConfig {
    fn default() -> Self {
        Self { prefix: String::new(), service: "air".into(), services: BTreeMap::new() }
    }
}

/// Fields of the stack's schema of normalised payloads that are properties of the catalogue
/// (lorawan-devices: lib/payload.json). Concentrations in ppm are not.
const NORMALISED: Words = Words {
    table: &[
        Word { name: "air.temperature", property: "temperature", unit: "°C" },
        Word { name: "air.relativeHumidity", property: "humidity", unit: "%" },
        Word { name: "air.pressure", property: "pressure", unit: "hPa" },
        Word { name: "wind.speed", property: "wind_speed", unit: "m/s" },
    ],
    catalogue: false,
    fill: true,
};

#[derive(Debug)]
pub(super) struct Ttn {
    config: TtnConfig,
}

/// What a topic says.
struct Address<'t> {
    /// Without the tenant.
    application: &'t str,
    device: &'t str,
    kind: &'t str,
}

impl Ttn {
    pub(super) fn new(
        file: &str,
        config: &TtnConfig,
        catalogue: &Catalogue,
        errors: &mut Vec<ConfigError>,
    ) -> Self {
        let ttn = Self { config: config.clone() };
        ttn.services().check("ttn", file, catalogue, errors);
        ttn
    }

    fn services(&self) -> Services<'_> {
        Services { default: &self.config.service, applications: &self.config.services }
    }

    fn address<'t>(&self, topic: &'t str) -> Option<Address<'t>> {
        let rest = topic.strip_prefix(&*self.config.prefix)?.strip_prefix("v3/")?;
        let (application, rest) = rest.split_once('/')?;
        let (device, kind) = rest.strip_prefix("devices/")?.split_once('/')?;
        let application = application.split_once('@').map_or(application, |(a, _)| a);
        Some(Address { application, device, kind })
    }

    fn event(
        &self,
        cx: &Cx<'_>,
        address: &Address<'_>,
        message: &Incoming<'_>,
        out: &mut Out<'_>,
    ) -> Result<(), Refusal> {
        let json = object(message.payload, "a JSON object is expected")?;
        let ids = json.get("end_device_ids");
        let id = |name: &str| ids.and_then(|ids| ids.get(name)).and_then(Json::text);
        if id("device_id").is_some_and(|id| id != address.device) {
            return Err(bad_field("`device_id` is not the device of the topic"));
        }
        let eui = id("dev_eui").map(Eui::parse).transpose()?;
        let known = eui.and_then(|e| e.device(cx)).or_else(|| cx.devices.called(address.device));
        let own: Name = match &eui {
            Some(eui) => eui.id(),
            None => sanitise(address.device).ok_or_else(|| {
                Refusal::new(QuarantineReason::BadId, "the device id cannot be used")
            })?,
        };
        let inner = json.get(match address.kind {
            "up" => "uplink_message",
            "join" => "join_accept",
            _ => "location_solved",
        });
        let inner = inner.ok_or_else(|| {
            bad_field("neither `uplink_message`, `join_accept` nor `location_solved` is there")
        })?;
        let solved = inner.get("location").and_then(place);
        let hints = Hints {
            place: solved.or_else(|| registered(inner)),
            default_service: Some(self.services().of(address.application)),
            ..Hints::default()
        };
        let time = when(&json, inner)?;
        let moment = Moment { time, received: message.received, seq: None };
        let uplink = Uplink::new(cx, known, || own, &hints, moment)?;
        let simulated = json.get("simulated").and_then(Json::truth) == Some(true);
        let end = match address.kind {
            "up" => {
                let quality = if simulated { Quality::Bad } else { Quality::Good };
                values(cx, &uplink, inner, quality, out)
            }
            // A simulated join is nobody's.
            _ if simulated => Ok(()),
            "join" => {
                uplink.alive(None, out);
                Ok(())
            }
            _ => {
                let missing = || bad_field("`location` lacks latitude or longitude");
                solved.ok_or_else(missing).and_then(|solved| uplink.position(cx, solved, out))
            }
        };
        end.map_err(|r| r.of(&uplink.origin.device))
    }
}

/// Where the device stands, as people or its payload say; positions that the network worked out
/// are too rough to tell the ward of a fixed device.
fn registered(message: &Json<'_>) -> Option<(f64, f64)> {
    let locations = message.get("locations")?;
    ["user", "frm-payload"].iter().find_map(|source| place(locations.get(source)?))
}

fn when(json: &Json<'_>, message: &Json<'_>) -> Result<Timestamp, Refusal> {
    let heard = stamp(message, "received_at").or_else(|_| stamp(json, "received_at"));
    let gateways = message.get("rx_metadata").and_then(Json::items).unwrap_or_default();
    let gateway = gateways.iter().find_map(|g| {
        let time = time::rfc3339(g.get("time")?.text()?, None).ok()?;
        heard.as_ref().map_or(true, |heard| time <= *heard).then_some(time)
    });
    gateway.map_or(heard, Ok)
}

fn values(
    cx: &Cx<'_>,
    uplink: &Uplink<'_>,
    message: &Json<'_>,
    quality: Quality,
    out: &mut Out<'_>,
) -> Result<(), Refusal> {
    if quality != Quality::Bad {
        battery(uplink, message, out)?;
    }
    let normalised = message.get("normalized_payload").filter(|n| **n != Json::Null);
    let decoded = match message.get("decoded_payload") {
        Some(decoded @ Json::Object(_)) => Some(decoded),
        Some(Json::Null) | None => None,
        Some(_) => return Err(bad_field("`decoded_payload` is no object")),
    };
    if normalised.is_none() && decoded.is_none() {
        let raw = message.get("frm_payload").and_then(Json::text).unwrap_or_default();
        return match raw.is_empty() {
            true => Ok(()),
            false => Err(bad_field(
                "`decoded_payload` is missing: set a payload formatter, raw `frm_payload` is not \
                 read",
            )),
        };
    }
    let before = out.records.len();
    let mut reading = Reading::default();
    let one = normalised.map(std::slice::from_ref).unwrap_or_default();
    for measurement in normalised.and_then(Json::items).unwrap_or(one) {
        let own = measurement.get("time").and_then(Json::text);
        let Some(own) = own else {
            let mut nested = Nested { cx, device: uplink.device, reading: &mut reading, out };
            nested.read(measurement, NORMALISED)?;
            continue;
        };
        let moment = Moment { time: time::rfc3339(own, None)?, ..uplink.moment };
        let mut reading = Reading::default();
        let mut nested = Nested { cx, device: uplink.device, reading: &mut reading, out };
        nested.read(measurement, NORMALISED)?;
        reading.say(&uplink.origin, &moment, quality, out);
    }
    if let Some(decoded) = decoded {
        let words = Words { fill: normalised.is_some(), ..FREE };
        let mut nested = Nested { cx, device: uplink.device, reading: &mut reading, out };
        nested.read(decoded, words)?;
    }
    if reading.is_empty() && out.records.len() == before {
        let all = decoded.or(normalised).and_then(nothing_known);
        return all.map_or(Ok(()), Err);
    }
    reading.say(&uplink.origin, &uplink.moment, quality, out);
    Ok(())
}

/// The stack repeats the last level with every uplink; it is new where the counters agree.
fn battery(uplink: &Uplink<'_>, message: &Json<'_>, out: &mut Out<'_>) -> Result<(), Refusal> {
    let Some(last) = message.get("last_battery_percentage") else { return Ok(()) };
    // An omitted counter is 0.
    let count = |json: &Json<'_>| json.get("f_cnt").map_or(Some(0.0), Json::number);
    if count(last).is_none() || count(last) != count(message) {
        return Ok(());
    }
    let level = last.get("value").map(|level| percent("last_battery_percentage", level));
    uplink.alive(level.transpose()?, out);
    Ok(())
}

impl Format for Ttn {
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
        match address.kind {
            "up" | "join" | "location/solved" => {
                self.event(cx, &address, message, out).map_err(|r| cx.blame(r, address.device))
            }
            "service/data" => Ok(()),
            down if down.starts_with("down/") => Ok(()),
            _ => {
                let detail = "not a topic of The Things Stack v3";
                Err(cx.blame(Refusal::new(QuarantineReason::UnknownTopic, detail), address.device))
            }
        }
    }
}

#[cfg(test)]
mod tests;
