//! Hikvision events (ISAPI `EventNotificationAlert`) as a bridge publishes them: JSON of the
//! camera itself, or its XML mapped to JSON (root with or without its name, texts bare, in
//! `#text`, `_`, `$t` or in arrays of one).
//!
//! Topics: `topics`, by default `hikvision/{device}/event` and `hikvision/{device}/event/+`.
//! `inactive` ends an event and says nothing, nor does a heartbeat (`videoloss`, inactive). An
//! active event is posted again and again with a growing `activePostCount`: it is one detection,
//! that of its first post, until `inactive`, a count that starts again, or `same_event_s` without
//! a post. A camera's own `UUID` is its id. Plates (`ANPR`) are events of their own, each post.
//!
//! Counting (`PeopleCounting`): `inside` (`enter` less `exit` of a running total) is
//! `people_count`; `enter`, `exit` and `pass` of a finished period, and `enter_total` and
//! `exit_total`, are values only where the registry's fields name them.
//! Not read: faces and persons, rectangles, pictures in the payload.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard};

use ahash::RandomState;
use ioc_model::{ConfigError, Detection, Name, Quality, QuarantineReason, Timestamp};
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

/// Settings of the Hikvision decoder.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HikvisionConfig {
    /// Topics with a level `{device}`; `+` and `#` as in MQTT.
    pub topics: Vec<String>,
    /// Service of cameras that the registry does not know.
    pub service: String,
    /// Zone of times without offset (`Asia/Ho_Chi_Minh`); `None`: they are refused.
    pub zone: Option<String>,
    /// Device ids by the level `{device}`, or by level and channel (`nvr:3`), where the registry
    /// does not know them by id or alias.
    pub devices: BTreeMap<String, String>,
    /// Kind of detection by `eventType`, before the decoder's own table.
    pub kinds: BTreeMap<String, String>,
    /// Seconds without a post after which the same event is a new one.
    pub same_event_s: u32,
}

impl Default for HikvisionConfig {
    fn default() -> Self {
        Self {
            topics: vec!["hikvision/{device}/event".into(), "hikvision/{device}/event/+".into()],
            service: "camera_analytics".into(),
            zone: None,
            devices: BTreeMap::new(),
            kinds: BTreeMap::new(),
            same_event_s: 60,
        }
    }
}

/// `eventType` in small letters, and the kind of detection.
const EVENTS: &[(&str, &str)] = &[
    ("anpr", LPR),
    ("vehicledetection", LPR),
    ("linedetection", "line_crossed"),
    ("fielddetection", "object_inside"),
    ("regionentrance", "zone_entered"),
    ("regionexiting", "zone_left"),
    ("loitering", "loitering"),
    ("group", "crowd"),
    ("parking", "illegal_parking"),
    ("unattendedbaggage", "object_abandoned"),
    ("attendedbaggage", "object_removed"),
    ("vmd", "motion"),
    ("motiondetection", "motion"),
    ("pir", "motion"),
    ("videoloss", "signal_loss"),
    ("scenechangedetection", "camera_tamper"),
    ("shelteralarm", "camera_tamper"),
    ("tamperdetection", "camera_tamper"),
    ("defocus", "camera_tamper"),
    ("firedetection", "fire_smoke"),
    ("smokedetection", "fire_smoke"),
    ("smokeandfiredetection", "fire_smoke"),
    ("tma", "temperature_alarm"),
    ("tmpa", "temperature_alarm"),
    ("hardhatdetection", "no_helmet"),
    ("diskerror", "hardware_failure"),
    ("diskfull", "hardware_failure"),
];

const LPR: &str = "lpr";

/// Event types about persons: not kept.
const PERSONS: &[&str] = &[
    "facedetection",
    "facecapture",
    "facesnap",
    "facesnapmatch",
    "alarmresult",
    "humanattribute",
    "humanrecognition",
    "accesscontrollerevent",
];

/// Event types that hold nothing for the journal.
const SILENT: &[&str] = &["heartbeat", "io", "illaccess", "ipconflict", "nicbroken"];

/// Events remembered; all are forgotten when there are more.
const EPISODES: usize = 65_536;

/// An event that goes on.
#[derive(Clone, Copy, Debug)]
struct Episode {
    first: Timestamp,
    last: Timestamp,
    count: u64,
}

/// Events that go on, by device, event type and region.
type Episodes = Mutex<HashMap<u64, Episode, RandomState>>;

#[derive(Debug)]
pub(super) struct Hikvision {
    cameras: Cameras,
    same_event_ms: i64,
    hasher: RandomState,
    episodes: Episodes,
}

/// An alert, and when it was.
struct Alert<'j> {
    json: &'j Json<'j>,
    /// `eventType` in small letters.
    kind: String,
    active: bool,
    time: Timestamp,
    received: Timestamp,
    /// The live ones, or a copy for someone who only looks.
    episodes: &'j Episodes,
}

fn lock(episodes: &Episodes) -> MutexGuard<'_, HashMap<u64, Episode, RandomState>> {
    episodes.lock().unwrap_or_else(|e| e.into_inner())
}

fn bad_field(detail: impl Into<String>) -> Refusal {
    Refusal::new(QuarantineReason::BadField, detail)
}

impl Hikvision {
    pub(super) fn new(
        file: &str,
        config: &HikvisionConfig,
        catalogue: &Catalogue,
        errors: &mut Vec<ConfigError>,
    ) -> Self {
        let setup = Setup {
            format: "hikvision",
            topics: &config.topics,
            service: &config.service,
            zone: config.zone.as_deref(),
            devices: &config.devices,
            kinds: &config.kinds,
        };
        Self {
            cameras: Cameras::new(file, &setup, catalogue, errors),
            same_event_ms: i64::from(config.same_event_s) * 1_000,
            hasher: RandomState::new(),
            episodes: Mutex::default(),
        }
    }

    fn alert(
        &self,
        cx: &Cx<'_>,
        message: &Incoming<'_>,
        episodes: &Episodes,
        out: &mut Out<'_>,
    ) -> Result<(), Refusal> {
        if message.payload.is_empty() {
            return Ok(());
        }
        let whole_json = Json::parse(message.payload)?;
        let json = child(&whole_json, "EventNotificationAlert").unwrap_or(&whole_json);
        let kind = text(json, "eventType").ok_or_else(|| bad_field("`eventType` is missing"))?;
        let kind = kind.to_ascii_lowercase();
        let configured = self.cameras.kind(&kind);
        if PERSONS.contains(&&*kind) {
            out.hide();
            return Ok(());
        }
        if configured.is_none() && SILENT.contains(&&*kind) {
            out.ignore(&kind);
            return Ok(());
        }
        let active = match text(json, "eventState").map(str::to_ascii_lowercase).as_deref() {
            Some("active") | None => true,
            Some("inactive") => false,
            Some(_) => return Err(bad_field("`eventState` is neither active nor inactive")),
        };
        let stamp = text(json, "dateTime").ok_or_else(|| {
            Refusal::new(QuarantineReason::BadTime, "`dateTime` is missing or no text")
        })?;
        let time = time::rfc3339(stamp, self.cameras.zone.as_ref())?;
        let channel = whole(json, "channelID").or_else(|| whole(json, "dynChannelID"));
        let camera = self.cameras.who(cx, message.topic, channel)?;
        let alert = Alert { json, kind, active, time, received: message.received, episodes };
        if matches!(&*alert.kind, "peoplecounting" | "pdc") {
            return count(cx, &camera, &alert, out);
        }
        let own = EVENTS.iter().find(|(word, _)| *word == alert.kind).map(|(_, kind)| *kind);
        let Some(kind) = configured.map(|k| &**k).or(own) else {
            let detail = format!(
                "event type `{}` is not known; name its kind in `hikvision.kinds`",
                short(&alert.kind)
            );
            return Err(bad_field(detail));
        };
        if kind == LPR {
            recognised(&camera, &alert, out)
        } else {
            self.seen(&camera, &alert, kind, out)
        };
        Ok(())
    }

    /// One detection for all posts of an event.
    fn seen(&self, camera: &Camera<'_>, alert: &Alert<'_>, kind: &str, out: &mut Out<'_>) {
        let json = alert.json;
        let region = child(json, "DetectionRegionList")
            .and_then(|list| children(list, "DetectionRegionEntry").first());
        let zone = region.and_then(|r| text_or_number(r, "regionID"));
        let first = self.first(camera, alert, zone.as_deref());
        let Some(first) = first else { return };
        let target = region.and_then(|r| text(r, "detectionTarget"));
        let target = target.or_else(|| text(json, "targetType"));
        let uuid = text(json, "UUID").or_else(|| text(json, "uuid")).and_then(sanitise);
        let zone_word = zone.as_deref().unwrap_or("0");
        let own = || sanitise(&format!("{}-{zone_word}-{}", alert.kind, first.0));
        let detection = Detection {
            kind: kind.into(),
            id: uuid.or_else(own),
            object: target.and_then(object),
            zone,
            ..Detection::default()
        };
        let secret = Secret::read(None, picture(json));
        detect(camera, (alert.time, alert.received), detection, secret, out);
    }

    /// When the event of this post began, if this is its first post (or that one again); `None`
    /// for further ones. An end is noted.
    fn first(
        &self,
        camera: &Camera<'_>,
        alert: &Alert<'_>,
        zone: Option<&str>,
    ) -> Option<Timestamp> {
        let key = self.hasher.hash_one((&*camera.origin.device, &*alert.kind, zone));
        let mut episodes = lock(alert.episodes);
        if !alert.active {
            episodes.remove(&key);
            return None;
        }
        let time = alert.time;
        let Some(count) = whole(alert.json, "activePostCount") else { return Some(time) };
        if let Some(known) = episodes.get_mut(&key) {
            if time == known.first {
                return Some(time);
            }
            let gap = time.since_ms(known.last);
            let again = gap == 0 && count == known.count;
            // The same count later is another event: some cameras post each event once, as 1.
            let further = count > known.count && (0..=self.same_event_ms).contains(&gap);
            if again || further {
                (known.last, known.count) = (time, count);
                return None;
            }
        }
        if episodes.len() >= EPISODES {
            episodes.clear();
        }
        episodes.insert(key, Episode { first: time, last: time, count });
        Some(time)
    }
}

/// A plate was read, or a vehicle seen whose plate was not.
fn recognised(camera: &Camera<'_>, alert: &Alert<'_>, out: &mut Out<'_>) {
    if !alert.active {
        return;
    }
    let json = alert.json;
    let anpr = child(json, "ANPR").unwrap_or(json);
    let confidence = number(anpr, "confidenceLevel").map(|c| c / 100.0);
    let uuid = text(json, "UUID").or_else(|| text(json, "uuid")).and_then(sanitise);
    let class = text(anpr, "vehicleType").filter(|c| !c.bytes().all(|b| b.is_ascii_digit()));
    let detection = Detection {
        kind: LPR.into(),
        id: uuid,
        object: class.and_then(object),
        confidence: confidence.filter(|c| (0.0..=1.0).contains(c)),
        zone: text_or_number(anpr, "line"),
        ..Detection::default()
    };
    let plate = plate(anpr.get("licensePlate"));
    let secret = Secret::read(plate, picture(anpr).or_else(|| picture(json)));
    detect(camera, (alert.time, alert.received), detection, secret, out);
}

/// The link to a picture.
fn picture<'j, 'p>(json: &'j Json<'p>) -> Option<&'j Json<'p>> {
    let names = ["picUrl", "picURL", "pictureURL", "pictureUrl", "bkgUrl", "imageUrl"];
    names.iter().find_map(|name| json.get(name))
}

/// People who went through.
fn count(
    cx: &Cx<'_>,
    camera: &Camera<'_>,
    alert: &Alert<'_>,
    out: &mut Out<'_>,
) -> Result<(), Refusal> {
    if !alert.active {
        return Ok(());
    }
    let counted = child(alert.json, "peopleCounting").unwrap_or(alert.json);
    let running = match text(counted, "statisticalMethods") {
        Some("realTime") => true,
        Some("timeRange" | "signalTrigger") => false,
        _ => {
            return Err(bad_field(
                "`statisticalMethods` is none of realTime, timeRange, signalTrigger",
            ));
        }
    };
    let number = |name: &str| number(counted, name);
    let (enter, exit) = (number("enter"), number("exit"));
    if enter.is_none() && exit.is_none() {
        return Err(bad_field("neither `enter` nor `exit` is a number"));
    }
    let fields = match running {
        true => vec![("enter_total", enter), ("exit_total", exit)],
        false => vec![("enter", enter), ("exit", exit), ("pass", number("pass"))],
    };
    let mut reading = Reading::default();
    for (name, value) in fields {
        let Some(value) = value else { continue };
        let named = Named { name, unit: None };
        reading.field(cx, camera.device, &named, &Json::Number(value), out)?;
    }
    // A total that was reset at midnight while people were inside is no number of people.
    let inside = enter.zip(exit).map(|(enter, exit)| enter - exit).filter(|n| *n >= 0.0);
    if let Some(inside) = inside.filter(|_| running) {
        let mapped = camera.device.is_some_and(|d| d.fields.iter().any(|f| f.name == "inside"));
        let named = Named { name: "inside", unit: None };
        match cx.property("people_count").filter(|_| !mapped) {
            Some(property) => reading.put(property, &named, None, inside)?,
            None => reading.field(cx, camera.device, &named, &Json::Number(inside), out)?,
        }
    }
    let moment = Moment { time: alert.time, received: alert.received, seq: None };
    reading.say(&camera.origin, &moment, Quality::Good, out);
    Ok(())
}

fn text_or_number(json: &Json<'_>, name: &str) -> Option<Name> {
    match whole(json, name) {
        Some(n) => Some(n.to_string().into()),
        None => text(json, name).and_then(sanitise),
    }
}

impl Format for Hikvision {
    fn takes(&self, topic: &str) -> bool {
        self.cameras.takes(topic)
    }

    fn decode(
        &self,
        cx: &Cx<'_>,
        message: &Incoming<'_>,
        out: &mut Out<'_>,
    ) -> Result<(), Refusal> {
        let end = self.alert(cx, message, &self.episodes, out);
        end.map_err(|r| r.of(self.cameras.named(message.topic)))
    }

    fn look(&self, cx: &Cx<'_>, message: &Incoming<'_>, out: &mut Out<'_>) -> Result<(), Refusal> {
        let copy = Mutex::new(lock(&self.episodes).clone());
        let end = self.alert(cx, message, &copy, out);
        end.map_err(|r| r.of(self.cameras.named(message.topic)))
    }
}

#[cfg(test)]
mod tests;
