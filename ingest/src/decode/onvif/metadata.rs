//! The metadata stream as JSON: `{prefix}/onvif-mj/VideoAnalytics/{profile}[/{module}]` and
//! `{prefix}/onvif-mj/SensorData/{kind}` (ONVIF Analytics, "JSON over MQTT"). Attributes have an
//! `@`, the text beside them is `#text`, what can repeat is an array or, alone, an object.
//!
//! A camera sends its frames many times a second: of those in `frame_every_ms` the first is
//! taken, as one observation of how many objects are in view, by class. What happens (a line
//! crossed, a person who stays) the camera's own rules say as events. Not read: rectangles,
//! tracks, plates, faces, audio, PTZ.

use std::collections::{BTreeSet, HashMap};
use std::sync::Mutex;

use ahash::RandomState;
use ioc_model::{Name, Quality, QuarantineReason, Timestamp};
use jiff::tz::TimeZone;

use super::super::cameras::{bare, child, children, number, text};
use super::super::catalogue::{Cx, Hints, Origin, short};
use super::super::config::OnvifConfig;
use super::super::ids::sanitise;
use super::super::json::Json;
use super::super::reading::{Moment, Named, Reading};
use super::super::secret::Out;
use super::super::{Incoming, Refusal, time};

pub(super) const METADATA: &str = "/onvif-mj/";

/// Frames that one message may hold.
const FRAMES: usize = 64;

/// Cameras whose last frame is remembered; all are forgotten when there are more.
const CAMERAS: usize = 65_536;

/// Parts of other objects, and persons by their faces.
const PARTS: &[&str] = &["face", "humanface", "licenseplate"];

#[derive(Debug)]
pub(super) struct Metadata {
    frame_every_ms: i64,
    hasher: RandomState,
    /// By device and source the interval of the last frame that was taken.
    taken: Mutex<HashMap<u64, i64, RandomState>>,
}

fn bad_field(detail: impl Into<String>) -> Refusal {
    Refusal::new(QuarantineReason::BadField, detail)
}

impl Metadata {
    pub(super) fn new(config: &OnvifConfig) -> Self {
        Self {
            frame_every_ms: i64::from(config.frame_every_ms),
            hasher: RandomState::new(),
            taken: Mutex::default(),
        }
    }

    /// For someone who only looks.
    pub(super) fn copy(&self) -> Self {
        let taken = self.taken.lock().unwrap_or_else(|e| e.into_inner()).clone();
        let Self { frame_every_ms, ref hasher, .. } = *self;
        Self { frame_every_ms, hasher: hasher.clone(), taken: Mutex::new(taken) }
    }

    pub(super) fn decode(
        &self,
        config: &OnvifConfig,
        cx: &Cx<'_>,
        message: &Incoming<'_>,
        out: &mut Out<'_>,
    ) -> Result<(), Refusal> {
        let Some((prefix, path)) = message.topic.split_once(METADATA) else { return Ok(()) };
        let level = prefix.rsplit('/').next().unwrap_or(prefix);
        let named = config.devices.get(level).map_or(level, |d| d);
        let refuse = |r: Refusal| r.of(named);
        let json = Json::parse(message.payload).map_err(refuse)?;
        let device = sanitise(named).ok_or_else(|| {
            let detail = "the topic prefix cannot be a device id";
            refuse(Refusal::new(QuarantineReason::BadId, detail))
        })?;
        let hints = Hints { default_service: Some(&config.service), ..Hints::default() };
        let origin = cx.resolve(device, &hints).map_err(refuse)?;
        let (kind, rest) = path.split_once('/').unwrap_or((path, ""));
        match kind {
            "VideoAnalytics" => self.frames(config, cx, (&origin, rest), (&json, message), out),
            "SensorData" => sensors(cx, (&origin, rest), (&json, message), out),
            "AudioAnalytics" | "PTZ" => Ok(()),
            _ => {
                let detail = format!("ONVIF metadata `{}` is not decoded", short(kind));
                Err(Refusal::new(QuarantineReason::UnknownTopic, detail))
            }
        }
        .map_err(refuse)
    }

    fn frames(
        &self,
        config: &OnvifConfig,
        cx: &Cx<'_>,
        (origin, source): (&Origin, &str),
        (json, message): (&Json<'_>, &Incoming<'_>),
        out: &mut Out<'_>,
    ) -> Result<(), Refusal> {
        let json = child(json, "VideoAnalytics").unwrap_or(json);
        let frames = children(json, "Frame");
        if frames.is_empty() {
            return Err(bad_field("`Frame` is missing"));
        }
        if frames.len() > FRAMES {
            let detail = format!("{} frames, at most {FRAMES} are taken", frames.len());
            return Err(Refusal::new(QuarantineReason::TooLarge, detail));
        }
        for frame in frames {
            let time = utc(frame)?;
            if !self.take(&origin.device, source, time) {
                continue;
            }
            let mut reading = Reading::default();
            for (property, count) in counts(config, frame) {
                if let Some(property) = cx.property(property) {
                    let named = Named { name: "Object", unit: None };
                    reading.put(property, &named, None, count)?;
                }
            }
            let moment = Moment { time, received: message.received, seq: None };
            reading.say(origin, &moment, Quality::Good, out);
        }
        Ok(())
    }

    /// Whether this is the first frame of its interval.
    fn take(&self, device: &Name, source: &str, time: Timestamp) -> bool {
        if self.frame_every_ms == 0 {
            return true;
        }
        let interval = time.0.div_euclid(self.frame_every_ms);
        let key = self.hasher.hash_one((&**device, source));
        let mut taken = self.taken.lock().unwrap_or_else(|e| e.into_inner());
        if taken.len() >= CAMERAS && !taken.contains_key(&key) {
            taken.clear();
        }
        taken.insert(key, interval) != Some(interval)
    }
}

/// How many objects are in view, by property; 0 where there are none.
fn counts<'c>(config: &'c OnvifConfig, frame: &Json<'_>) -> Vec<(&'c str, f64)> {
    let properties: BTreeSet<&str> = config.classes.values().map(|p| &**p).collect();
    let own = properties.iter().filter(|p| **p != "object_count").map(|p| (*p, 0.0));
    let mut counts: Vec<(&str, f64)> = std::iter::once(("object_count", 0.0)).chain(own).collect();
    for object in children(frame, "Object") {
        let class = class(object);
        if class.as_deref().is_some_and(|c| PARTS.contains(&c)) {
            continue;
        }
        let property = class.and_then(|c| config.classes.get(&c));
        for (name, count) in &mut counts {
            if *name == "object_count" || property.is_some_and(|p| p == name) {
                *count += 1.0;
            }
        }
    }
    counts
}

/// The likeliest class of an object, in small letters.
fn class(object: &Json<'_>) -> Option<String> {
    let classes = child(child(object, "Appearance")?, "Class")?;
    let types = children(classes, "Type").iter().filter_map(|t| {
        let likelihood = number(t, "@Likelihood").unwrap_or(0.0);
        Some((likelihood, bare(t)?.text()?))
    });
    // The older form.
    let candidates = children(classes, "ClassCandidate")
        .iter()
        .filter_map(|c| Some((number(c, "Likelihood").unwrap_or(0.0), text(c, "Type")?)));
    let best = types.chain(candidates).max_by(|(a, _), (b, _)| a.total_cmp(b))?;
    Some(best.1.trim().to_ascii_lowercase())
}

/// Kelvin here, and °C in events; relative humidity in %.
fn sensors(
    cx: &Cx<'_>,
    (origin, kind): (&Origin, &str),
    (json, message): (&Json<'_>, &Incoming<'_>),
    out: &mut Out<'_>,
) -> Result<(), Refusal> {
    let kind = kind.split('/').next().unwrap_or_default();
    let (property, unit) = match kind {
        "Temperature" => ("temperature", "K"),
        "RelativeHumidity" => ("humidity", "%"),
        _ => {
            let detail = format!("ONVIF sensor `{}` is not decoded", short(kind));
            return Err(Refusal::new(QuarantineReason::UnknownTopic, detail));
        }
    };
    let readings = match children(json, "SensorData") {
        [] => std::slice::from_ref(json),
        some => some,
    };
    for data in readings.iter().take(FRAMES) {
        let time = utc(data)?;
        let value =
            number(data, "Value").ok_or_else(|| bad_field("`Value` is missing or no number"))?;
        let Some(property) = cx.property(property) else { continue };
        let mut reading = Reading::default();
        reading.put(property, &Named { name: "Value", unit: Some(unit) }, Some(unit), value)?;
        let moment = Moment { time, received: message.received, seq: None };
        reading.say(origin, &moment, Quality::Good, out);
    }
    Ok(())
}

fn utc(json: &Json<'_>) -> Result<Timestamp, Refusal> {
    let text = text(json, "@UtcTime").ok_or_else(|| {
        Refusal::new(QuarantineReason::BadTime, "`@UtcTime` is missing or no text")
    })?;
    time::rfc3339(text, Some(&TimeZone::UTC))
}
