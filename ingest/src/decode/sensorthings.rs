//! OGC SensorThings 1.0 and 1.1: Observations, as devices publish them to a server and as a server
//! (FROST) tells them to its subscribers.
//!
//! An Observation does not say what it is: device, property and unit are those of the registry's
//! field with the name of its datastream: `Datastream(5)`, `Datastream('rain-1')`, and for the
//! third result of a MultiDatastream `MultiDatastream(7)[2]`. Before it the name may have the
//! prefix of the topic, where servers use the same numbers: `north/v1.1/Datastream(5)`.
//!
//! Decisions: an interval counts at its end; without `phenomenonTime` the `resultTime` counts, else
//! the arrival (as a server has it). Null says nothing; truth values, words and objects are passed
//! over. The unit that an expanded Datastream states wins over the registry's. The feature of
//! interest is not read: the device stands where the registry says.

mod index;

use std::sync::Arc;

use ioc_model::{ConfigError, Device, Quality, QuarantineReason, Timestamp};
use jiff::tz::TimeZone;
use serde::Deserialize;

use super::catalogue::{Catalogue, Cx, Hints, short};
use super::format::Format;
use super::reading::{Moment, Named, Reading};
use super::secret::Out;
use super::tape::{self, Value};
use super::{Incoming, Refusal, time};
use index::{Found, Index, Stream};

/// Settings of the SensorThings decoder.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SensorThingsConfig {
    /// What its topics begin with, up to `/Observations` or `/Datastreams(…)`.
    pub prefixes: Vec<String>,
    /// Zone of times without offset. `None`: they are refused.
    pub zone: Option<String>,
}

impl Default for SensorThingsConfig {
    fn default() -> Self {
        Self { prefixes: vec!["v1.1".into(), "v1.0".into()], zone: None }
    }
}

#[derive(Debug)]
pub(super) struct SensorThings {
    prefixes: Vec<String>,
    zone: Option<TimeZone>,
    index: Index,
}

/// What a topic says: its prefix, and the datastream if it names one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Address<'t> {
    prefix: &'t str,
    stream: Option<Stream<'t>>,
}

fn bad_field(detail: impl Into<String>) -> Refusal {
    Refusal::new(QuarantineReason::BadField, detail)
}

impl SensorThings {
    pub(super) fn new(
        file: &str,
        config: &SensorThingsConfig,
        _catalogue: &Catalogue,
        errors: &mut Vec<ConfigError>,
    ) -> Self {
        let mut wrong = |message: String| errors.push(ConfigError::new(file, 0, 0, message));
        for prefix in &config.prefixes {
            if prefix.is_empty() || prefix.ends_with('/') || prefix.contains(['+', '#', '\0']) {
                wrong(format!("sensorthings: prefix `{prefix}` is no beginning of a topic"));
            }
        }
        let zone = config.zone.as_deref().and_then(|text| {
            let zone = time::zone(text);
            if zone.is_none() {
                wrong(format!("sensorthings: time zone `{text}` is not known"));
            }
            zone
        });
        Self { prefixes: config.prefixes.clone(), zone, index: Index::default() }
    }

    fn address<'t>(&self, topic: &'t str) -> Option<Address<'t>> {
        self.prefixes.iter().find_map(|prefix| {
            let rest = topic.strip_prefix(prefix.as_str())?.strip_prefix('/')?;
            let prefix = &topic[..prefix.len()];
            // FROST tells what is selected and filtered in the topic.
            let rest = rest.split('?').next().unwrap_or(rest);
            if rest == "Observations" {
                return Some(Address { prefix, stream: None });
            }
            let stream = Stream::parse(rest.strip_suffix("/Observations")?)?;
            Some(Address { prefix, stream: Some(stream) })
        })
    }

    fn read(
        &self,
        cx: &Cx<'_>,
        message: &Incoming<'_>,
        json: Value<'_>,
        out: &mut Out<'_>,
    ) -> Result<(), Refusal> {
        if !json.is_object() {
            return Err(bad_field("an Observation is an object"));
        }
        let address = self.address(message.topic);
        let prefix = address.map_or("", |a| a.prefix);
        let (stream, unit) = stream(address.and_then(|a| a.stream), json)?;
        let mut said = Said { cx, streams: Vec::new(), unknown: None };
        let result = json.get("result").ok_or_else(|| bad_field("`result` is missing"))?;
        let find = |stream| self.index.find(cx.devices, prefix, stream, message.received);
        match result.items() {
            None => said.take(stream, unit, result, find(stream)?, out)?,
            Some(items) => {
                for (at, item) in items.enumerate() {
                    let stream = Stream { at: Some(at), ..stream };
                    said.take(stream, None, item, find(stream)?, out)?;
                }
            }
        }
        let time = self.time(json, message.received).map_err(|r| said.of_first(r))?;
        let quality = quality(json, out);
        for (name, _) in json.fields() {
            if !READ.contains(&name) && !name.contains("@iot.") {
                out.ignore(name);
            }
        }
        said.say(time, message.received, quality, out)
    }

    fn time(&self, json: Value<'_>, received: Timestamp) -> Result<Timestamp, Refusal> {
        for name in ["phenomenonTime", "resultTime"] {
            let Some(value) = json.get(name).filter(|v| !v.is_nothing()) else { continue };
            let text = value.text().ok_or_else(|| {
                Refusal::new(QuarantineReason::BadTime, format!("`{name}` is not a text"))
            })?;
            let end = text.rsplit('/').next().unwrap_or(text);
            return time::rfc3339(end, self.zone.as_ref());
        }
        Ok(received)
    }
}

/// Fields of an Observation that are read.
const READ: [&str; 6] =
    ["result", "phenomenonTime", "resultTime", "resultQuality", "Datastream", "MultiDatastream"];

impl Format for SensorThings {
    fn takes(&self, topic: &str) -> bool {
        self.address(topic).is_some()
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
        tape::with(message.payload, |json| self.read(cx, message, json, out))
    }
}

/// The datastream that topic or payload name, and the unit that an expanded one states.
fn stream<'t>(
    topic: Option<Stream<'t>>,
    json: Value<'t>,
) -> Result<(Stream<'t>, Option<&'t str>), Refusal> {
    let (mut found, mut unit) = (topic, None);
    for (name, multi) in [("Datastream", false), ("MultiDatastream", true)] {
        let Some(inline) = json.get(name).filter(|v| v.is_object()) else { continue };
        unit = inline.get("unitOfMeasurement").and_then(|u| u.get("symbol")).and_then(Value::text);
        let Some(id) = inline.get("@iot.id").or_else(|| inline.get("id")) else { continue };
        let id = id.text().or_else(|| id.digits());
        let id = id.ok_or_else(|| bad_field(format!("the id of `{name}` is no text or number")))?;
        let inside = Stream { multi, id, at: None };
        if topic.is_some_and(|topic| topic != inside) {
            return Err(bad_field("topic and payload name different datastreams"));
        }
        found = Some(inside);
    }
    let missing = "the Observation does not name its Datastream: publish to \
                   `…/Datastreams(id)/Observations`, or add `\"Datastream\": {\"@iot.id\": id}`";
    found.map(|f| (f, unit)).ok_or_else(|| bad_field(missing))
}

/// What `resultQuality` says, if it is a word that everybody knows.
fn quality(json: Value<'_>, out: &mut Out<'_>) -> Quality {
    let Some(value) = json.get("resultQuality").filter(|v| !v.is_nothing()) else {
        return Quality::Good;
    };
    match value.text().map(str::to_ascii_lowercase).as_deref() {
        Some("good") => Quality::Good,
        Some("uncertain") => Quality::Uncertain,
        Some("bad") => Quality::Bad,
        _ => {
            out.ignore("resultQuality");
            Quality::Good
        }
    }
}

/// The results of one Observation, by the devices they belong to.
struct Said<'a> {
    cx: &'a Cx<'a>,
    streams: Vec<(Arc<Device>, Reading)>,
    unknown: Option<Refusal>,
}

impl Said<'_> {
    fn take(
        &mut self,
        stream: Stream<'_>,
        unit: Option<&str>,
        value: Value<'_>,
        found: Found<'_>,
        out: &mut Out<'_>,
    ) -> Result<(), Refusal> {
        let Found::One(device, field) = found else {
            self.unknown.get_or_insert_with(|| unknown(stream));
            return Ok(());
        };
        let reading = match self.streams.iter().position(|(d, _)| Arc::ptr_eq(d, device)) {
            Some(at) => &mut self.streams[at].1,
            None => {
                self.streams.push((Arc::clone(device), Reading::default()));
                let last = self.streams.len() - 1;
                &mut self.streams[last].1
            }
        };
        if value.number().is_none() {
            if !value.is_null() {
                out.ignore("result");
            }
            return Ok(());
        }
        let named = Named { name: field, unit };
        let end = reading.field(self.cx, Some(device), &named, &value.json(), out);
        end.map_err(|r| r.of(&device.id))
    }

    fn of_first(&self, refusal: Refusal) -> Refusal {
        match self.streams.first() {
            Some((device, _)) => refusal.of(&device.id),
            None => refusal,
        }
    }

    fn say(
        self,
        time: Timestamp,
        received: Timestamp,
        quality: Quality,
        out: &mut Out<'_>,
    ) -> Result<(), Refusal> {
        if let Some(unknown) = self.unknown.filter(|_| self.streams.is_empty()) {
            return Err(unknown);
        }
        let moment = Moment { time, received, seq: None };
        for (device, reading) in self.streams {
            if reading.is_empty() {
                continue;
            }
            let origin = self.cx.resolve(Arc::clone(&device.id), &Hints::default());
            reading.say(&origin.map_err(|r| r.of(&device.id))?, &moment, quality, out);
        }
        Ok(())
    }
}

fn unknown(stream: Stream<'_>) -> Refusal {
    let name = short(&stream.to_string());
    let detail = format!(
        "`{name}` is not in the registry: add to its device a field with the name `{name}`, its \
         property and its unit"
    );
    Refusal::new(QuarantineReason::UnknownDevice, detail)
}

#[cfg(test)]
mod tests;
