//! Dahua events (`eventManager.cgi`, DHIP) as a bridge publishes them: `{"Code", "Action":
//! "Start|Stop|Pulse", "Index", "Data": {…}}`, keys with a large or small first letter, `Data` as
//! an object or as its JSON text; also lists of them (`eventList`).
//!
//! Topics: `topics`, by default `dahua/{device}/event`, `…/event/+`, `…/+/event`. A bridge that
//! leaves out `Code` has it as a level of the topic. `Index` counts channels from 0: channel 3 of
//! a recorder is `nvr:3`, its `Index` 2. `Start` and `Pulse` are detections, `Stop` says nothing.
//! A violation of several pictures (`IndexInGroup`) is one detection.
//!
//! Time: `RealUTC`, else `UTC`. On many cameras `UTC` is the local time counted as if it were
//! UTC: it then equals `LocaleTime`, and is refused unless `zone` says where the camera stands. An
//! event without any time (`VideoLoss`) is from its arrival.
//!
//! Counting (`NumberStat`, `TrafficFlowStat`, …): the numbers of `Data` by the registry's fields;
//! of `TrafficFlowStat` also `Vehicles` (`vehicle_count`) and `AverageSpeed` (`speed`, km/h).
//! Not read: faces and traits of persons, `Confidence` (its scale differs by model), rectangles.

use std::collections::BTreeMap;

use ioc_model::{ConfigError, Detection, Quality, QuarantineReason, Timestamp};
use jiff::civil;
use serde::Deserialize;

use super::cameras::{
    Camera, Cameras, Setup, child, children, detect, number, object, plate, text, whole,
};
use super::catalogue::{Catalogue, Cx, short};
use super::format::Format;
use super::ids::sanitise;
use super::json::Json;
use super::reading::{Moment, Named, Reading};
use super::secret::{Out, Secret};
use super::{Incoming, Refusal, time};

/// Settings of the Dahua decoder.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DahuaConfig {
    /// Topics with a level `{device}`; `+` and `#` as in MQTT.
    pub topics: Vec<String>,
    /// Service of cameras that the registry does not know.
    pub service: String,
    /// Zone of the cameras' clocks (`Asia/Ho_Chi_Minh`), for times that are local; `None`: they
    /// are refused.
    pub zone: Option<String>,
    /// Device ids by the level `{device}`, or by level and channel (`nvr:3`), where the registry
    /// does not know them by id or alias.
    pub devices: BTreeMap<String, String>,
    /// Kind of detection by `Code`, before the decoder's own table.
    pub kinds: BTreeMap<String, String>,
}

impl Default for DahuaConfig {
    fn default() -> Self {
        let topics = ["dahua/{device}/event", "dahua/{device}/event/+", "dahua/{device}/+/event"];
        Self {
            topics: topics.map(String::from).to_vec(),
            service: "camera_analytics".into(),
            zone: None,
            devices: BTreeMap::new(),
            kinds: BTreeMap::new(),
        }
    }
}

/// `Code` in small letters, and the kind of detection.
const EVENTS: &[(&str, &str)] = &[
    ("trafficjunction", "lpr"),
    ("trafficrunredlight", "red_light"),
    ("trafficretrograde", "wrong_way"),
    ("trafficoverspeed", "speeding"),
    ("trafficunderspeed", "too_slow"),
    ("trafficparking", "illegal_parking"),
    ("parkingdetection", "illegal_parking"),
    ("trafficjam", "congestion"),
    ("trafficoverline", "wrong_lane"),
    ("trafficcrosslane", "wrong_lane"),
    ("trafficwrongroute", "wrong_lane"),
    ("trafficvehicleinroute", "wrong_lane"),
    ("trafficnonmotorinmotorroute", "wrong_lane"),
    ("trafficpedestrain", "pedestrian_on_road"),
    ("trafficaccident", "accident"),
    ("trafficnonmotorwithoutsafehat", "no_helmet"),
    ("crosslinedetection", "line_crossed"),
    ("crossregiondetection", "object_inside"),
    ("wanderdetection", "loitering"),
    ("leftdetection", "object_abandoned"),
    ("takenawaydetection", "object_removed"),
    ("crowddetection", "crowd"),
    ("firedetection", "fire_smoke"),
    ("firewarning", "fire_smoke"),
    ("smokedetection", "fire_smoke"),
    ("smartmotionhuman", "object_detected"),
    ("smartmotionvehicle", "object_detected"),
    ("videomotion", "motion"),
    ("videoloss", "signal_loss"),
    ("videoblind", "camera_tamper"),
    ("videoabnormaldetection", "camera_tamper"),
    ("videounfocus", "camera_tamper"),
    ("scenechange", "camera_tamper"),
    ("storagefailure", "hardware_failure"),
    ("storagenotexist", "hardware_failure"),
];

/// Codes that count.
const COUNTS: &[&str] = &["numberstat", "mannumdetection", "trafficflowstat"];

/// Codes about persons: not kept.
const PERSONS: &[&str] = &[
    "facedetection",
    "facerecognition",
    "facecomparision",
    "humantrait",
    "accesscontrol",
    "accesssnap",
    "fingerprintcheck",
    "callnoanswered",
];

/// Codes that hold nothing for the journal.
const SILENT: &[&str] = &[
    "netabort",
    "timechange",
    "ntpadjusttime",
    "rtspsessiondisconnect",
    "videomotioninfo",
    "newfile",
    "storagelowspace",
    "intervideoaccess",
];

/// Events that one message may hold.
const LIST: usize = 64;

#[derive(Debug)]
pub(super) struct Dahua {
    cameras: Cameras,
}

fn bad_field(detail: impl Into<String>) -> Refusal {
    Refusal::new(QuarantineReason::BadField, detail)
}

/// A field whose name begins with a large or a small letter.
fn either<'j, 'p>(json: &'j Json<'p>, large: &str, small: &str) -> Option<&'j Json<'p>> {
    json.get(large).or_else(|| json.get(small))
}

impl Dahua {
    pub(super) fn new(
        file: &str,
        config: &DahuaConfig,
        catalogue: &Catalogue,
        errors: &mut Vec<ConfigError>,
    ) -> Self {
        let setup = Setup {
            format: "dahua",
            topics: &config.topics,
            service: &config.service,
            zone: config.zone.as_deref(),
            devices: &config.devices,
            kinds: &config.kinds,
        };
        Self { cameras: Cameras::new(file, &setup, catalogue, errors) }
    }

    fn event(
        &self,
        cx: &Cx<'_>,
        message: &Incoming<'_>,
        event: &Json<'_>,
        out: &mut Out<'_>,
    ) -> Result<(), Refusal> {
        let code = either(event, "Code", "code").and_then(Json::text);
        let code = match code {
            Some(code) => code.to_ascii_lowercase(),
            None => code_of(message.topic).ok_or_else(|| bad_field("`Code` is missing"))?,
        };
        let configured = self.cameras.kind(&code);
        if PERSONS.contains(&&*code) {
            out.hide();
            return Ok(());
        }
        if configured.is_none() && SILENT.contains(&&*code) {
            out.ignore(&code);
            return Ok(());
        }
        let action = either(event, "Action", "action").and_then(Json::text).unwrap_or_default();
        match action.to_ascii_lowercase().as_str() {
            "start" | "pulse" => {}
            "stop" => return Ok(()),
            _ => return Err(bad_field("`Action` is none of Start, Stop, Pulse")),
        }
        let written;
        let data = match either(event, "Data", "data") {
            Some(Json::Text(text)) if !text.trim().is_empty() => {
                written = Json::parse(text.as_bytes())?;
                &written
            }
            Some(data @ Json::Object(_)) => data,
            _ => &Json::Null,
        };
        let channel =
            whole(event, "Index").or_else(|| whole(event, "index")).map(|n| n.saturating_add(1));
        let camera = self.cameras.who(cx, message.topic, channel)?;
        let Some(time) = self.time(data, message)? else { return Ok(()) };
        if COUNTS.contains(&&*code) {
            return count(cx, &camera, (time, message.received), (&code, data), out);
        }
        let own = EVENTS.iter().find(|(word, _)| *word == code).map(|(_, kind)| *kind);
        let Some(kind) = configured.map(|k| &**k).or(own) else {
            let detail =
                format!("code `{}` is not known; name its kind in `dahua.kinds`", short(&code));
            return Err(bad_field(detail));
        };
        // Further pictures of one violation.
        if whole(data, "IndexInGroup").is_some_and(|n| n > 1) {
            return Ok(());
        }
        let detection = detection(&code, kind, data);
        detect(&camera, (time, message.received), detection, secret(data), out);
        Ok(())
    }

    /// When it was; `None` for a repeated old event that does not say.
    fn time(&self, data: &Json<'_>, message: &Incoming<'_>) -> Result<Option<Timestamp>, Refusal> {
        let ms = number(data, "UTCMS").filter(|ms| (0.0..1_000.0).contains(ms)).unwrap_or(0.0);
        if let Some(seconds) = number(data, "RealUTC") {
            return time::epoch_s(seconds + ms / 1e3).map(Some);
        }
        let utc = number(data, "UTC");
        let Some(local) = text(data, "LocaleTime") else {
            return match utc {
                Some(seconds) => time::epoch_s(seconds + ms / 1e3).map(Some),
                None if message.retain => Ok(None),
                None => Ok(Some(message.received)),
            };
        };
        if let Some(seconds) = utc.filter(|utc| !is_local(*utc, local)) {
            return time::epoch_s(seconds + ms / 1e3).map(Some);
        }
        let zone = self.cameras.zone.as_ref().ok_or_else(|| {
            let detail = "`UTC` and `LocaleTime` are both local time; set `dahua.zone`";
            Refusal::new(QuarantineReason::BadTime, detail)
        })?;
        time::rfc3339(local, Some(zone)).map(|t| Some(t.plus_ms(ms as i64)))
    }
}

/// Whether `utc` is the local time counted as if it were UTC.
fn is_local(utc: f64, local: &str) -> bool {
    let Ok(civil) = local.parse::<civil::DateTime>() else { return false };
    let Ok(as_utc) = jiff::tz::TimeZone::UTC.to_timestamp(civil) else { return false };
    (as_utc.as_second() as f64 - utc).abs() < 2.0
}

/// The code as a level of the topic.
fn code_of(topic: &str) -> Option<String> {
    let known = |level: &String| {
        let level = level.as_str();
        EVENTS.iter().any(|(word, _)| *word == level)
            || COUNTS.contains(&level)
            || SILENT.contains(&level)
            || PERSONS.contains(&level)
    };
    topic.split('/').map(str::to_ascii_lowercase).find(known)
}

fn detection(code: &str, kind: &str, data: &Json<'_>) -> Detection {
    let kind = match (code, text(data, "Direction")) {
        ("crossregiondetection", Some("Enter")) => "zone_entered",
        ("crossregiondetection", Some("Leave")) => "zone_left",
        _ => kind,
    };
    let class = match code {
        "smartmotionhuman" => Some("human"),
        "smartmotionvehicle" => Some("vehicle"),
        _ => class(data),
    };
    let id = ["GroupID", "EventID"].iter().find_map(|name| whole(data, name).filter(|n| *n > 0));
    Detection {
        kind: kind.into(),
        id: id.and_then(|n| sanitise(&format!("{code}-{n}"))),
        object: class.and_then(object),
        zone: text(data, "Name").and_then(sanitise),
        ..Detection::default()
    }
}

/// The class of the first object that is one.
fn class<'j>(data: &'j Json<'_>) -> Option<&'j str> {
    let objects = children(data, "Object").iter().chain(children(data, "Objects"));
    let objects = objects.chain(children(data, "Vehicle")).take(16);
    let mut classes = objects.filter_map(|o| text(o, "ObjectType").or_else(|| text(o, "Type")));
    classes.find(|class| object(class).is_some())
}

fn secret(data: &Json<'_>) -> Secret {
    let part = |name: &str| child(data, name);
    let number = plate(part("TrafficCar").and_then(|car| car.get("PlateNumber")));
    let text = || {
        let of_plate = |o: &&Json<'_>| text(o, "ObjectType") == Some("Plate");
        plate(part("Object").filter(of_plate).and_then(|o| o.get("Text")))
    };
    let own = || plate(part("Plate").and_then(|p| p.get("Text")));
    let rider = || plate(part("NonMotor")?.get("Plate")?.get("Text"));
    let bare = || plate(data.get("PlateNumber"));
    let number = number.or_else(text).or_else(own).or_else(rider).or_else(bare);
    Secret::read(number, ["SnapURL", "PicURL", "ImageURL"].iter().find_map(|n| data.get(n)))
}

/// The numbers that a counting rule found.
fn count(
    cx: &Cx<'_>,
    camera: &Camera<'_>,
    (time, received): (Timestamp, Timestamp),
    (code, data): (&str, &Json<'_>),
    out: &mut Out<'_>,
) -> Result<(), Refusal> {
    let Json::Object(fields) = data else {
        return Err(bad_field("`Data` is missing or no object"));
    };
    let traffic = code == "trafficflowstat";
    let mut reading = Reading::default();
    for (name, value) in fields {
        let declared = camera.device.is_some_and(|d| d.fields.iter().any(|f| f.name == **name));
        let own = match &**name {
            "Vehicles" if traffic => Some(("vehicle_count", "count")),
            "AverageSpeed" if traffic => Some(("speed", "km/h")),
            _ => None,
        };
        let property = own.filter(|_| !declared);
        let property = property.and_then(|(p, unit)| Some((cx.property(p)?, unit)));
        match (property, value.number()) {
            (Some((property, unit)), Some(n)) => {
                reading.put(property, &Named { name, unit: None }, Some(unit), n)?;
            }
            (Some(_), None) => return Err(bad_field(format!("`{name}` must be a number"))),
            (None, _) if declared => {
                reading.field(cx, camera.device, &Named { name, unit: None }, value, out)?;
            }
            // A name such as `Speed` may be a word of the catalogue and mean something else here.
            (None, _) => out.ignore(name),
        }
    }
    let moment = Moment { time, received, seq: None };
    reading.say(&camera.origin, &moment, Quality::Good, out);
    Ok(())
}

impl Format for Dahua {
    fn takes(&self, topic: &str) -> bool {
        self.cameras.takes(topic)
    }

    fn decode(
        &self,
        cx: &Cx<'_>,
        message: &Incoming<'_>,
        out: &mut Out<'_>,
    ) -> Result<(), Refusal> {
        if message.payload.is_empty() {
            return Ok(());
        }
        let refuse = |r: Refusal| r.of(self.cameras.named(message.topic));
        let json = Json::parse(message.payload).map_err(refuse)?;
        let root = json.get("params").unwrap_or(&json);
        let Some(list) = root.get("eventList").and_then(Json::items) else {
            return self.event(cx, message, &json, out).map_err(refuse);
        };
        if list.len() > LIST {
            let detail = format!("{} events, at most {LIST} are taken", list.len());
            return Err(refuse(Refusal::new(QuarantineReason::TooLarge, detail)));
        }
        list.iter().try_for_each(|event| self.event(cx, message, event, out)).map_err(refuse)
    }
}

#[cfg(test)]
mod tests;
