//! What formats of cameras behind a bridge share: topics with the camera in them, channels of a
//! recorder, words for objects, plates.

use std::collections::BTreeMap;
use std::sync::Arc;

use ioc_model::{Body, ConfigError, Detection, Device, Name, QuarantineReason, Timestamp};
use jiff::tz::TimeZone;

use super::Refusal;
use super::catalogue::{Catalogue, Cx, Hints, Origin, short};
use super::frigate::{check_devices, check_service};
use super::ids::{is_kind, sanitise};
use super::json::Json;
use super::reading::Moment;
use super::secret::{Out, Secret};
use super::time;
use super::topic::{Capture, Pattern};

/// Words for a plate that was not read.
const NO_PLATE: &[&str] =
    &["", "-", "--", "unknown", "unlicensed", "noplate", "no plate", "无车牌"];

/// Settings that all makes have.
pub(super) struct Setup<'a> {
    pub(super) format: &'static str,
    pub(super) topics: &'a [String],
    pub(super) service: &'a str,
    pub(super) zone: Option<&'a str>,
    pub(super) devices: &'a BTreeMap<String, String>,
    pub(super) kinds: &'a BTreeMap<String, String>,
}

/// The cameras of one make.
#[derive(Debug)]
pub(super) struct Cameras {
    topics: Vec<Pattern>,
    service: String,
    pub(super) zone: Option<TimeZone>,
    devices: BTreeMap<String, String>,
    /// Kind by the camera's own word, in small letters.
    kinds: BTreeMap<String, Name>,
}

/// Who saw it.
pub(super) struct Camera<'c> {
    pub(super) device: Option<&'c Arc<Device>>,
    pub(super) origin: Origin,
}

impl Cameras {
    pub(super) fn new(
        file: &str,
        setup: &Setup<'_>,
        catalogue: &Catalogue,
        errors: &mut Vec<ConfigError>,
    ) -> Self {
        let format = setup.format;
        let mut wrong = |message: String| errors.push(ConfigError::new(file, 0, 0, message));
        check_devices(format, setup.devices, &mut wrong);
        check_service(format, setup.service, catalogue, &mut wrong);
        let mut topics = Vec::new();
        for text in setup.topics {
            match Pattern::parse(text) {
                Ok(_) if !text.contains("{device}") => {
                    wrong(format!("{format}: topic `{}` must have a `{{device}}`", short(text)));
                }
                Ok(pattern) => topics.push(pattern),
                Err(e) => wrong(format!("{format}: {e}")),
            }
        }
        for kind in setup.kinds.values().filter(|k| !is_kind(k)) {
            wrong(format!("{format}: kind `{}` must be 1 to 48 of a-z 0-9 _", short(kind)));
        }
        let zone = setup.zone.and_then(|text| {
            let zone = time::zone(text);
            if zone.is_none() {
                wrong(format!("{format}: zone `{}` is not known", short(text)));
            }
            zone
        });
        let kinds = setup.kinds.iter().map(|(k, v)| (k.to_ascii_lowercase(), Name::from(&**v)));
        Self {
            topics,
            service: setup.service.into(),
            zone,
            devices: setup.devices.clone(),
            kinds: kinds.collect(),
        }
    }

    pub(super) fn takes(&self, topic: &str) -> bool {
        self.topics.iter().any(|p| p.matches(topic).is_some())
    }

    /// The configured kind of a camera's own word.
    pub(super) fn kind(&self, word: &str) -> Option<&Name> {
        self.kinds.get(word)
    }

    /// The camera as the topic names it, for refusals.
    pub(super) fn named<'t>(&self, topic: &'t str) -> &'t str {
        let captures = self.topics.iter().find_map(|p| p.matches(topic)).unwrap_or_default();
        let device = captures.iter().find(|(c, _)| *c == Capture::Device);
        device.map_or("", |(_, level)| level)
    }

    /// Who a channel of a camera or recorder is. Channels count from 1: `nvr:3` by id, alias or
    /// `devices`; the first channel of what has no other is the device of the topic itself.
    pub(super) fn who<'c>(
        &self,
        cx: &Cx<'c>,
        topic: &str,
        channel: Option<u64>,
    ) -> Result<Camera<'c>, Refusal> {
        let captures = self.topics.iter().find_map(|p| p.matches(topic)).unwrap_or_default();
        let level = |which| captures.iter().find(|(c, _)| *c == which).map(|(_, level)| *level);
        let own = level(Capture::Device).unwrap_or_default();
        let full = channel.map(|n| format!("{own}:{n}"));
        let known = |name: &str| {
            let name = self.devices.get(name).map_or(name, |d| d);
            cx.devices.called(name)
        };
        let device = full.as_deref().and_then(known);
        let first = channel.is_none_or(|n| n <= 1);
        let device = device.or_else(|| known(own).filter(|_| first));
        let name = match device {
            Some(device) => Name::clone(&device.id),
            None => {
                let text = full.as_deref().filter(|f| !first || self.devices.contains_key(*f));
                let text = text.unwrap_or(own);
                let text = self.devices.get(text).map_or(text, |d| d);
                sanitise(text).ok_or_else(|| {
                    let detail = "the camera of the topic cannot be a device id";
                    Refusal::new(QuarantineReason::BadId, detail)
                })?
            }
        };
        let hints = Hints {
            area: level(Capture::Area),
            service: level(Capture::Service),
            default_service: Some(&self.service),
            ..Hints::default()
        };
        Ok(Camera { device, origin: cx.resolve(name, &hints)? })
    }
}

/// A text or number that an XML-to-JSON mapping may have wrapped: in an array of one, or beside
/// attributes under one of the usual names.
pub(super) fn bare<'j, 'p>(json: &'j Json<'p>) -> Option<&'j Json<'p>> {
    match json {
        Json::Array(items) => items.first().filter(|_| items.len() == 1).and_then(bare),
        Json::Object(_) => {
            ["#text", "_", "$t", "_text", "__text", "$", "value"].iter().find_map(|k| {
                let inner = json.get(k)?;
                (!matches!(inner, Json::Object(_) | Json::Array(_))).then_some(inner)
            })
        }
        Json::Null => None,
        other => Some(other),
    }
}

/// A child element, unwrapped from an array of one.
pub(super) fn child<'j, 'p>(json: &'j Json<'p>, name: &str) -> Option<&'j Json<'p>> {
    match json.get(name)? {
        Json::Array(items) if items.len() == 1 => items.first(),
        other => Some(other),
    }
}

/// The children of a name: an array, or the one.
pub(super) fn children<'j, 'p>(json: &'j Json<'p>, name: &str) -> &'j [Json<'p>] {
    match json.get(name) {
        None | Some(Json::Null) => &[],
        Some(Json::Array(items)) => items,
        Some(other) => std::slice::from_ref(other),
    }
}

/// The text of a child element.
pub(super) fn text<'j>(json: &'j Json<'_>, name: &str) -> Option<&'j str> {
    bare(json.get(name)?)?.text().map(str::trim).filter(|t| !t.is_empty())
}

/// The number of a child element.
pub(super) fn number(json: &Json<'_>, name: &str) -> Option<f64> {
    bare(json.get(name)?)?.number()
}

/// A number that counts something.
pub(super) fn whole(json: &Json<'_>, name: &str) -> Option<u64> {
    let n = number(json, name)?;
    (n >= 0.0 && n <= u64::MAX as f64 && n.fract() == 0.0).then_some(n as u64)
}

/// A plate if it was read.
pub(super) fn plate<'j, 'p>(json: Option<&'j Json<'p>>) -> Option<&'j Json<'p>> {
    let json = bare(json?)?;
    let text = json.text()?.trim();
    (!NO_PLATE.iter().any(|n| n.eq_ignore_ascii_case(text))).then_some(json)
}

/// Classes of objects under the city's words; others in small letters.
pub(super) fn object(class: &str) -> Option<Name> {
    let class = class.trim().to_ascii_lowercase();
    match &*class {
        "" | "unknown" | "unknow" | "other" | "others" | "plate" | "face" => None,
        "human" | "person" | "people" | "pedestrian" => Some("person".into()),
        "motor" | "vehicle" => Some("vehicle".into()),
        other => sanitise(other),
    }
}

/// Says one detection.
pub(super) fn detect(
    camera: &Camera<'_>,
    (time, received): (Timestamp, Timestamp),
    detection: Detection,
    secret: Secret,
    out: &mut Out<'_>,
) {
    let moment = Moment { time, received, seq: None };
    let body = Body::Detection(Box::new(detection));
    out.push(moment.record(&camera.origin, body), secret);
}
