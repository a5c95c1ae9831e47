//! Zigbee2MQTT (docs: guide/usage/mqtt_topics_and_messages): states of devices as JSON,
//! availability of devices and of the bridge.
//!
//! Decisions: a device is known by its friendly name or IEEE address, with slashes as they are in
//! the topic; one that the registry does not know gets the name with `-` for what ids may not
//! have. Only names whose unit Zigbee2MQTT defines are read without the registry: its `occupancy`
//! is motion and its `co` is in ppm, not what the catalogue means. A truth value that tells of
//! danger or presence is a detection while it holds (of `contact` while it does not: `true` is
//! closed). The state is repeated with every report, so a detection may come again with nothing
//! new: nothing is remembered, since what is remembered would be lost with a message that was not
//! acknowledged. The time is `last_seen` where the bridge is set to send it, else that of arrival;
//! retained repeats are only read with `last_seen`. Empty payloads, `bridge/…` but its state,
//! `…/set` and `…/get` say nothing, nor does the state of an actuator.

use std::collections::BTreeMap;
use std::sync::Arc;

use ioc_model::{Body, ConfigError, Detection, Name, Quality, QuarantineReason, Status, Timestamp};
use serde::Deserialize;

use super::catalogue::{Catalogue, Cx, Hints, Origin, short};
use super::format::Format;
use super::frigate::check_service;
use super::ids::{is_kind, sanitise};
use super::json::Json;
use super::nested::{Nested, Word, Words};
use super::reading::{Moment, Reading};
use super::secret::Out;
use super::{Incoming, Refusal, time};

/// Settings of the Zigbee2MQTT decoder.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Zigbee2MqttConfig {
    /// Its `mqtt.base_topic`, which is also the bridge's name.
    pub base_topic: String,
    /// Service of devices that the registry does not know.
    pub service: String,
    /// Kind of detection by the name of a truth value.
    pub detections: BTreeMap<String, String>,
}

/// Truth values of `exposes` that tell of danger or presence, and what they are detections of.
const DETECTIONS: [(&str, &str); 10] = [
    ("carbon_monoxide", "carbon_monoxide"),
    ("contact", "opened"),
    ("gas", "gas"),
    ("occupancy", "motion"),
    ("presence", "presence"),
    ("smoke", "smoke"),
    ("sos", "sos"),
    ("tamper", "tamper"),
    ("vibration", "vibration"),
    ("water_leak", "water_leak"),
];

impl Default for Zigbee2MqttConfig {
    fn default() -> Self {
        let detections = DETECTIONS.map(|(name, kind)| (name.into(), kind.into()));
        Self {
            base_topic: "zigbee2mqtt".into(),
            service: "air".into(),
            detections: detections.into(),
        }
    }
}

/// Names with the unit that `exposes` gives them for every device.
const WORDS: Words = Words {
    table: &[
        Word { name: "temperature", property: "temperature", unit: "°C" },
        Word { name: "humidity", property: "humidity", unit: "%" },
        Word { name: "pressure", property: "pressure", unit: "hPa" },
        Word { name: "pm25", property: "pm25", unit: "µg/m³" },
        Word { name: "pm10", property: "pm10", unit: "µg/m³" },
        Word { name: "battery", property: "battery", unit: "%" },
    ],
    catalogue: false,
    fill: false,
};

#[derive(Debug)]
pub(super) struct Zigbee2Mqtt {
    config: Zigbee2MqttConfig,
    kinds: BTreeMap<String, Name>,
    prefix: String,
}

/// A device and its state or availability.
struct Source<'a> {
    name: &'a str,
    cx: &'a Cx<'a>,
    message: &'a Incoming<'a>,
}

fn bad_field(detail: impl Into<String>) -> Refusal {
    Refusal::new(QuarantineReason::BadField, detail)
}

impl Zigbee2Mqtt {
    pub(super) fn new(
        file: &str,
        config: &Zigbee2MqttConfig,
        catalogue: &Catalogue,
        errors: &mut Vec<ConfigError>,
    ) -> Self {
        let mut wrong = |message: String| errors.push(ConfigError::new(file, 0, 0, message));
        if config.base_topic.is_empty() || config.base_topic.contains(['+', '#']) {
            wrong(format!("zigbee2mqtt: base topic `{}` is no topic", short(&config.base_topic)));
        }
        check_service("zigbee2mqtt", &config.service, catalogue, &mut wrong);
        for kind in config.detections.values().filter(|k| !is_kind(k)) {
            wrong(format!("zigbee2mqtt: `{}` is no kind of detection", short(kind)));
        }
        let kinds = config.detections.iter().map(|(n, k)| (n.clone(), Name::from(&**k)));
        Self {
            kinds: kinds.collect(),
            config: config.clone(),
            prefix: format!("{}/", config.base_topic),
        }
    }

    fn origin(&self, source: &Source<'_>) -> Result<Origin, Refusal> {
        let id = match source.cx.devices.called(source.name) {
            Some(device) => Arc::clone(&device.id),
            None => sanitise(source.name).ok_or_else(|| {
                Refusal::new(QuarantineReason::BadId, "the friendly name cannot be a device id")
            })?,
        };
        let hints = Hints { default_service: Some(&self.config.service), ..Hints::default() };
        source.cx.resolve(id, &hints)
    }

    /// `online`, or `{"state": "online"}`.
    fn availability(&self, source: &Source<'_>, out: &mut Out<'_>) -> Result<(), Refusal> {
        // A repeated old word has no time of its own.
        if source.message.retain {
            return Ok(());
        }
        let json = match source.message.payload {
            b"online" | b"offline" => Json::Null,
            payload => Json::parse(payload)?,
        };
        let online = match json.get("state").and_then(Json::text) {
            Some("online") => true,
            Some("offline") => false,
            None if json == Json::Null => source.message.payload == b"online",
            _ => return Err(bad_field("the state is neither `online` nor `offline`")),
        };
        let received = source.message.received;
        let moment = Moment { time: received, received, seq: None };
        let body = Body::Status(Status { online, battery: None });
        out.say(moment.record(&self.origin(source)?, body));
        Ok(())
    }

    fn state(&self, source: &Source<'_>, out: &mut Out<'_>) -> Result<(), Refusal> {
        let Incoming { payload, retain, received, .. } = *source.message;
        let json = match payload.trim_ascii_start().first() {
            Some(b'{') => Json::parse(payload)?,
            _ => return Err(bad_field("a JSON object is expected: set `output: json`")),
        };
        let Json::Object(fields) = &json else { return Ok(()) };
        let seen = json.get("last_seen").filter(|seen| **seen != Json::Null);
        if retain && seen.is_none() {
            return Ok(());
        }
        let time = seen.map_or(Ok(received), last_seen)?;
        let moment = Moment { time, received, seq: None };
        let origin = self.origin(source)?;
        let device = source.cx.devices.get(&origin.device);
        let is_declared =
            |name: &str| device.is_some_and(|d| d.fields.iter().any(|f| f.name == name));
        let mut reading = Reading::default();
        for (name, value) in fields {
            match self.kinds.get(&**name).filter(|_| !is_declared(name)) {
                Some(kind) => {
                    let is_closed = &**name == "contact";
                    match value.truth() {
                        Some(truth) if truth != is_closed => {
                            let kind = Name::clone(kind);
                            let detection = Detection { kind, ..Detection::default() };
                            out.say(moment.record(&origin, Body::Detection(Box::new(detection))));
                        }
                        Some(_) => {}
                        None => out.ignore(name),
                    }
                }
                // Read above; and what the bridge knows of the device.
                None if matches!(&**name, "last_seen" | "device") => {}
                None => {
                    let mut nested =
                        Nested { cx: source.cx, device, reading: &mut reading, out: &mut *out };
                    nested.field(name, value, WORDS)?;
                }
            }
        }
        reading.say(&origin, &moment, Quality::Good, out);
        Ok(())
    }
}

/// As `advanced.last_seen` is set: `ISO_8601`, `ISO_8601_local` or `epoch` (milliseconds).
fn last_seen(seen: &Json<'_>) -> Result<Timestamp, Refusal> {
    match seen {
        Json::Integer(ms) => time::epoch_ms(*ms),
        Json::Text(text) => time::rfc3339(text, None),
        _ => Err(Refusal::new(QuarantineReason::BadTime, "`last_seen` is no time")),
    }
}

impl Format for Zigbee2Mqtt {
    fn takes(&self, topic: &str) -> bool {
        topic.starts_with(&*self.prefix)
    }

    /// The bridge's lists of devices and definitions are large and retained.
    fn passes_over(&self, topic: &str) -> bool {
        let of_bridge = topic.strip_prefix(&*self.prefix).and_then(|t| t.strip_prefix("bridge/"));
        of_bridge.is_some_and(|what| what != "state")
    }

    fn decode(
        &self,
        cx: &Cx<'_>,
        message: &Incoming<'_>,
        out: &mut Out<'_>,
    ) -> Result<(), Refusal> {
        let rest = message.topic.strip_prefix(&*self.prefix).unwrap_or_default();
        if message.payload.is_empty() {
            return Ok(());
        }
        let source = |name| Source { name, cx, message };
        if let Some(of_bridge) = rest.strip_prefix("bridge/") {
            let bridge = &*self.config.base_topic;
            return match of_bridge {
                "state" => self.availability(&source(bridge), out).map_err(|r| cx.blame(r, bridge)),
                _ => Ok(()),
            };
        }
        let is_request = ["/set", "/get"].iter().any(|way| rest.ends_with(way))
            || ["/set/", "/get/"].iter().any(|way| rest.contains(way));
        if is_request {
            return Ok(());
        }
        match rest.strip_suffix("/availability") {
            Some(name) => self.availability(&source(name), out).map_err(|r| cx.blame(r, name)),
            None => self.state(&source(rest), out).map_err(|r| cx.blame(r, rest)),
        }
    }
}

#[cfg(test)]
mod tests;
