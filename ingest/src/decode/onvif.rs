//! ONVIF events as JSON over MQTT: `{prefix}/onvif-ej/{topic}[/&{source values}]` (Profile M,
//! ONVIF Core "Event Broker").
//!
//! Items may be texts or bare values. A property event that is deleted is a zero-byte payload and
//! says nothing here. `UtcTime` is UTC by its name, also where a camera leaves out the `Z`.
//! Faces are not kept; a plate and the link to its picture are sealed, if at all.
//! The metadata stream (`onvif-mj`) is in `metadata`.

mod metadata;

use ioc_model::{
    Body, ConfigError, Detection, Name, Quality, QuarantineReason, Record, Timestamp, Values,
};
use jiff::tz::TimeZone;

use super::catalogue::{Catalogue, Cx, Hints, short};
use super::config::OnvifConfig;
use super::format::Format;
use super::frigate::{check_devices, check_service};
use super::ids::{is_kind, sanitise};
use super::json::Json;
use super::secret::{Out, Secret};
use super::{Incoming, Refusal, time};
use metadata::{METADATA, Metadata};

/// Topic, the Data item that must be true (if it is a state), and the kind of detection.
const EVENTS: &[(&str, Option<&str>, &str)] = &[
    ("RuleEngine/LineDetector/Crossed", None, "line_crossed"),
    ("RuleEngine/FieldDetector/ObjectsInside", Some("IsInside"), "object_inside"),
    ("RuleEngine/LoiteringDetector/ObjectIsLoitering", None, "loitering"),
    ("RuleEngine/ObjectDetection/Object", None, "object_detected"),
    ("RuleEngine/ObjectAbandoned", None, "object_abandoned"),
    ("RuleEngine/ObjectRemoved", None, "object_removed"),
    ("RuleEngine/Recognition/LicensePlate", None, "lpr"),
    ("RuleEngine/Radiometry/TemperatureAlarm", Some("AlarmActive"), "temperature_alarm"),
    ("RuleEngine/MotionRegionDetector/Motion", Some("State"), "motion"),
    ("RuleEngine/CellMotionDetector/Motion", Some("IsMotion"), "motion"),
    ("VideoSource/MotionAlarm", Some("State"), "motion"),
    ("VideoSource/SignalLoss", Some("State"), "signal_loss"),
    ("VideoSource/ImpairedVisibility", Some("State"), "camera_tamper"),
    ("VideoSource/GlobalSceneChange", Some("State"), "camera_tamper"),
    ("VideoSource/ImageTooBlurry", Some("State"), "camera_tamper"),
    ("VideoSource/ImageTooDark", Some("State"), "camera_tamper"),
    ("VideoSource/ImageTooBright", Some("State"), "camera_tamper"),
    ("Device/HardwareFailure", Some("Failed"), "hardware_failure"),
];

/// Faces are not kept.
const PERSONS: &str = "RuleEngine/Recognition/Face";

/// Topics that hold nothing for the journal.
const SILENT: &[&str] = &["Monitoring", "RuleEngine/AudioDetector", "Configuration"];

#[derive(Debug)]
pub(super) struct Onvif {
    config: OnvifConfig,
    metadata: Metadata,
}

/// A topic in parts.
struct Parts<'t> {
    /// Level before `onvif-ej`.
    device: &'t str,
    /// ONVIF topic.
    path: &'t str,
}

/// Takes a topic apart if it is one of ONVIF.
fn split(topic: &str) -> Option<Parts<'_>> {
    let (prefix, rest) = topic.split_once("/onvif-ej/")?;
    let device = prefix.rsplit('/').next().unwrap_or(prefix);
    let path = rest.split_once("/&").map_or(rest, |(path, _)| path);
    Some(Parts { device, path })
}

fn bad_field(detail: impl Into<String>) -> Refusal {
    Refusal::new(QuarantineReason::BadField, detail)
}

/// `path` is `topic` or lies below it.
fn below(path: &str, topic: &str) -> bool {
    path.strip_prefix(topic).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl Onvif {
    pub(super) fn new(
        file: &str,
        config: &OnvifConfig,
        catalogue: &Catalogue,
        errors: &mut Vec<ConfigError>,
    ) -> Self {
        let mut wrong = |message: String| errors.push(ConfigError::new(file, 0, 0, message));
        check_devices("onvif", &config.devices, &mut wrong);
        check_service("onvif", &config.service, catalogue, &mut wrong);
        for kind in config.kinds.values().filter(|k| !is_kind(k)) {
            wrong(format!("onvif: kind `{}` must be 1 to 48 of a-z 0-9 _", short(kind)));
        }
        let counted = config.counts.values().chain(config.classes.values());
        for property in counted.filter(|p| catalogue.property(p).is_none()) {
            wrong(format!("onvif: property `{}` is not in the catalogue", short(property)));
        }
        Self { config: config.clone(), metadata: Metadata::new(config) }
    }

    fn bodies(&self, cx: &Cx<'_>, path: &str, json: &Json<'_>) -> Result<Vec<Body>, Refusal> {
        if SILENT.iter().any(|topic| below(path, topic)) {
            return Ok(Vec::new());
        }
        if below(path, "RuleEngine/CountAggregation") {
            return self.count(cx, json).map(|b| b.into_iter().collect());
        }
        if below(path, "Device/Sensor") {
            return sensor(cx, path, json).map(|b| b.into_iter().collect());
        }
        let known = EVENTS.iter().find(|(topic, ..)| below(path, topic));
        let configured = rule(json).and_then(|r| self.config.kinds.get(r));
        let (state, kind) = match (known, configured) {
            (Some((_, state, _)), Some(kind)) => (*state, &**kind),
            (Some((_, state, kind)), None) => (*state, *kind),
            (None, Some(kind)) => (None, &**kind),
            (None, None) => {
                let detail = format!("ONVIF topic `{}` is not decoded", short(path));
                return Err(Refusal::new(QuarantineReason::UnknownTopic, detail));
            }
        };
        if let Some(item) = state {
            let value = data(json, item).or_else(|| data(json, "State"));
            let value = value.and_then(Json::truth);
            if !value.ok_or_else(|| bad_field(format!("`{item}` is missing or not a state")))? {
                return Ok(Vec::new());
            }
        }
        Ok(detections(json, kind))
    }

    /// People or objects that a counting rule has counted.
    fn count(&self, cx: &Cx<'_>, json: &Json<'_>) -> Result<Option<Body>, Refusal> {
        let count = data(json, "Count").and_then(Json::number);
        let count = count.ok_or_else(|| bad_field("`Count` is missing or no number"))?;
        let configured = rule(json).and_then(|r| self.config.counts.get(r));
        let people = classes(json).iter().any(|c| matches!(&**c, "human" | "person" | "people"));
        let default = if people { "people_count" } else { "object_count" };
        observed(cx, configured.map_or(default, |p| p), count)
    }
}

impl Onvif {
    /// Reads a message; `metadata` is the live one, or a copy for someone who only looks.
    fn read(
        &self,
        metadata: &Metadata,
        cx: &Cx<'_>,
        message: &Incoming<'_>,
        out: &mut Out<'_>,
    ) -> Result<(), Refusal> {
        if message.payload.is_empty() {
            return Ok(());
        }
        let Some(parts) = split(message.topic) else {
            return metadata.decode(&self.config, cx, message, out);
        };
        if below(parts.path, PERSONS) {
            out.hide();
            return Ok(());
        }
        let named = self.config.devices.get(parts.device).map_or(parts.device, |d| d);
        let refuse = |r: Refusal| r.of(named);
        let json = Json::parse(message.payload).map_err(refuse)?;
        let bodies = self.bodies(cx, parts.path, &json).map_err(refuse)?;
        if bodies.is_empty() {
            return Ok(());
        }
        let time = utc_time(&json).map_err(refuse)?;
        let device = sanitise(named).ok_or_else(|| {
            let detail = "the topic prefix cannot be a device id";
            refuse(Refusal::new(QuarantineReason::BadId, detail))
        })?;
        let hints = Hints { default_service: Some(&self.config.service), ..Hints::default() };
        let origin = cx.resolve(device, &hints).map_err(refuse)?;
        let secret = secret(&json);
        for body in bodies {
            let record = Record {
                device: Name::clone(&origin.device),
                area: Name::clone(&origin.area),
                service: Name::clone(&origin.service),
                source: 0,
                time,
                received: message.received,
                seq: None,
                clock_clamped: false,
                derived: false,
                body,
            };
            out.push(record, secret.clone());
        }
        Ok(())
    }
}

impl Format for Onvif {
    fn takes(&self, topic: &str) -> bool {
        topic.contains("/onvif-ej/") || topic.contains(METADATA)
    }

    fn decode(
        &self,
        cx: &Cx<'_>,
        message: &Incoming<'_>,
        out: &mut Out<'_>,
    ) -> Result<(), Refusal> {
        self.read(&self.metadata, cx, message, out)
    }

    fn look(&self, cx: &Cx<'_>, message: &Incoming<'_>, out: &mut Out<'_>) -> Result<(), Refusal> {
        match split(message.topic) {
            Some(_) => self.read(&self.metadata, cx, message, out),
            None => self.read(&self.metadata.copy(), cx, message, out),
        }
    }
}

/// Temperature in °C and relative humidity in % (ONVIF Core; its metadata stream has Kelvin).
fn sensor(cx: &Cx<'_>, path: &str, json: &Json<'_>) -> Result<Option<Body>, Refusal> {
    let property = match path {
        p if below(p, "Device/Sensor/Temperature") => "temperature",
        p if below(p, "Device/Sensor/RelativeHumidity") => "humidity",
        _ => {
            let detail = format!("ONVIF topic `{}` is not decoded", short(path));
            return Err(Refusal::new(QuarantineReason::UnknownTopic, detail));
        }
    };
    let value = data(json, "Value").and_then(Json::number);
    let value = value.ok_or_else(|| bad_field("`Value` is missing or no number"))?;
    observed(cx, property, value)
}

fn observed(cx: &Cx<'_>, property: &str, value: f64) -> Result<Option<Body>, Refusal> {
    let Some(property) = cx.property(property) else { return Ok(None) };
    let value = property.check(value).map_err(|(reason, detail)| Refusal::new(reason, detail))?;
    let mut values = Values::new();
    values.push((Name::clone(&property.name), value));
    Ok(Some(Body::Observation { quality: Quality::Good, values }))
}

fn data<'j, 'p>(json: &'j Json<'p>, item: &str) -> Option<&'j Json<'p>> {
    json.get("Data")?.get(item)
}

/// Number of the plate (ONVIF Analytics, `LicensePlateInfo`; some cameras send the number alone),
/// and the link to the picture.
fn secret(json: &Json<'_>) -> Secret {
    let info = data(json, "LicensePlateInfo");
    let plate = info.and_then(|i| i.get("PlateNumber")).or_else(|| data(json, "PlateNumber"));
    let plate = plate.or(info);
    let picture = ["ImageURI", "ImageUri", "SnapshotURI", "SnapshotUri"];
    Secret::read(plate, picture.iter().find_map(|item| data(json, item)))
}

/// Name of the camera's rule.
fn rule<'j>(json: &'j Json<'_>) -> Option<&'j str> {
    json.get("Source")?.get("Rule")?.text()
}

/// Object classes in small letters: `"Person Vehicle"`.
fn classes(json: &Json<'_>) -> Vec<String> {
    let items = ["ClassTypes", "ObjectClass", "ClassType"];
    let text = items.iter().find_map(|item| data(json, item)?.text()).unwrap_or_default();
    text.split_whitespace().take(8).map(str::to_ascii_lowercase).collect()
}

/// One detection, or one for each class that the camera names.
fn detections(json: &Json<'_>, kind: &str) -> Vec<Body> {
    let id = data(json, "ObjectId").and_then(|id| match id {
        Json::Integer(n) => Some(n.to_string().into()),
        other => other.text().and_then(sanitise),
    });
    let detection = Detection {
        kind: kind.into(),
        id,
        object: None,
        confidence: data(json, "Likelihood")
            .and_then(Json::number)
            .filter(|c| (0.0..=1.0).contains(c)),
        count: None,
        zone: rule(json).and_then(sanitise),
        personal: None,
    };
    let objects: Vec<Name> = classes(json).iter().filter_map(|c| sanitise(c)).collect();
    let with = |object| Body::Detection(Box::new(Detection { object, ..detection.clone() }));
    if objects.is_empty() {
        vec![with(None)]
    } else {
        objects.into_iter().map(|o| with(Some(o))).collect()
    }
}

fn utc_time(json: &Json<'_>) -> Result<Timestamp, Refusal> {
    let text = json.get("UtcTime").and_then(Json::text).ok_or_else(|| {
        Refusal::new(QuarantineReason::BadTime, "`UtcTime` is missing or no text")
    })?;
    time::rfc3339(text, Some(&TimeZone::UTC))
}

#[cfg(test)]
mod tests;
