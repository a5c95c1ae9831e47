//! Frigate NVR (docs/integrations/mqtt.md).
//!
//! A tracked object gives `object_detected` when it is new and `zone_entered` for each zone that
//! it is in after a message and was not in before: updates are repeated often and must not be
//! counted again. A review gives `review_detection` or `review_alert` when it is new or becomes
//! an alert. A plate that was read (`frigate/tracked_object_update`) is the detection `lpr`.
//! Names of persons (`sub_label`) and pictures are not kept; plates are sealed, if at all.

use ioc_model::{
    Body, ConfigError, Detection, Name, Quality, QuarantineReason, Record, Status, Timestamp,
    Values,
};

use super::catalogue::{Catalogue, Cx, Hints, short};
use super::config::FrigateConfig;
use super::format::Format;
use super::ids::{is_id, sanitise};
use super::json::Json;
use super::secret::{Out, Secret};
use super::{Incoming, Refusal, time};

#[derive(Debug)]
pub(super) struct Frigate {
    config: FrigateConfig,
    prefix: String,
}

fn bad_field(detail: impl Into<String>) -> Refusal {
    Refusal::new(QuarantineReason::BadField, detail)
}

impl Frigate {
    pub(super) fn new(
        file: &str,
        config: &FrigateConfig,
        catalogue: &Catalogue,
        errors: &mut Vec<ConfigError>,
    ) -> Self {
        let mut wrong = |message: String| errors.push(ConfigError::new(file, 0, 0, message));
        if !is_id(&config.prefix) {
            wrong(format!("frigate: prefix `{}` is not one topic level", config.prefix));
        }
        check_devices("frigate", &config.devices, &mut wrong);
        check_service("frigate", &config.service, catalogue, &mut wrong);
        Self { config: config.clone(), prefix: format!("{}/", config.prefix) }
    }

    fn record(
        &self,
        cx: &Cx<'_>,
        place: &str,
        time: Timestamp,
        received: Timestamp,
        body: Body,
    ) -> Result<Record, Refusal> {
        let named = self.config.devices.get(place).map_or(place, |d| d);
        let device = sanitise(named).ok_or_else(|| {
            Refusal::new(QuarantineReason::BadId, "the camera name cannot be a device id").of(named)
        })?;
        let hints = Hints { default_service: Some(&self.config.service), ..Hints::default() };
        let origin = cx.resolve(device, &hints).map_err(|r| r.of(named))?;
        Ok(Record {
            device: origin.device,
            area: origin.area,
            service: origin.service,
            source: 0,
            time,
            received,
            seq: None,
            clock_clamped: false,
            derived: false,
            body,
        })
    }

    fn event(&self, cx: &Cx<'_>, message: &Incoming<'_>, out: &mut Out<'_>) -> Result<(), Refusal> {
        let json = Json::parse(message.payload)?;
        let stage = text(&json, "type")?;
        let after = json.get("after").ok_or_else(|| bad_field("`after` is missing"))?;
        let camera = text(after, "camera")?;
        let refuse = |r: Refusal| r.of(camera);
        let id = identifier(after, "id").map_err(refuse)?;
        let object = identifier(after, "label").map_err(refuse)?;
        let frame = seconds(after, "frame_time");
        let start = seconds(after, "start_time");
        if after.get("false_positive").and_then(Json::truth) == Some(true) || stage == "end" {
            return Ok(());
        }
        let score = after.get("score").or_else(|| after.get("top_score")).and_then(Json::number);
        let confidence = score.filter(|s| (0.0..=1.0).contains(s));
        let secret = Secret::read(plate(after), None);
        let mut push = |kind: &str, zone: Option<Name>, time: Result<Timestamp, Refusal>| {
            let detection = Detection {
                kind: kind.into(),
                id: Some(Name::clone(&id)),
                object: Some(Name::clone(&object)),
                confidence,
                count: None,
                zone,
                personal: None,
            };
            let body = Body::Detection(Box::new(detection));
            let time = time.map_err(refuse)?;
            out.push(self.record(cx, camera, time, message.received, body)?, secret.clone());
            Ok::<(), Refusal>(())
        };
        if stage == "new" {
            push("object_detected", None, start.or_else(|_| frame.clone()))?;
        }
        let zones = |side: Option<&Json<'_>>| -> Vec<String> {
            let items = side.and_then(|s| s.get("current_zones")).and_then(Json::items);
            items.unwrap_or_default().iter().filter_map(Json::text).map(String::from).collect()
        };
        let before = if stage == "new" { Vec::new() } else { zones(json.get("before")) };
        for zone in zones(Some(after)).iter().filter(|z| !before.contains(z)) {
            if let Some(zone) = sanitise(zone) {
                push("zone_entered", Some(zone), frame.clone())?;
            }
        }
        Ok(())
    }

    fn review(
        &self,
        cx: &Cx<'_>,
        message: &Incoming<'_>,
        out: &mut Out<'_>,
    ) -> Result<(), Refusal> {
        let json = Json::parse(message.payload)?;
        let stage = text(&json, "type")?;
        let after = json.get("after").ok_or_else(|| bad_field("`after` is missing"))?;
        let camera = text(after, "camera")?;
        let refuse = |r: Refusal| r.of(camera);
        let severity = text(after, "severity").map_err(refuse)?;
        let kind = match severity {
            "alert" => "review_alert",
            "detection" => "review_detection",
            _ => return Err(refuse(bad_field("`severity` is neither alert nor detection"))),
        };
        let before = json.get("before").and_then(|b| b.get("severity")).and_then(Json::text);
        if stage != "new" && (stage == "end" || before == Some(severity)) {
            return Ok(());
        }
        let data = after.get("data");
        let list = |name: &str| data.and_then(|d| d.get(name)).and_then(Json::items);
        let first = |name| list(name)?.first()?.text().and_then(sanitise);
        let detection = Detection {
            kind: kind.into(),
            id: Some(identifier(after, "id").map_err(refuse)?),
            object: first("objects").or_else(|| first("audio")),
            confidence: None,
            count: list("detections").map(|d| d.len() as f64).filter(|n| *n > 0.0),
            zone: first("zones"),
            personal: None,
        };
        let body = Body::Detection(Box::new(detection));
        let time = seconds(after, "start_time").map_err(refuse)?;
        let record = self.record(cx, camera, time, message.received, body)?;
        out.records.push(record);
        Ok(())
    }

    /// A plate was read, or read better. Other updates (faces, descriptions) say nothing here.
    fn update(
        &self,
        cx: &Cx<'_>,
        message: &Incoming<'_>,
        out: &mut Out<'_>,
    ) -> Result<(), Refusal> {
        let json = Json::parse(message.payload)?;
        if json.get("type").and_then(Json::text) != Some("lpr") {
            return Ok(());
        }
        let camera = text(&json, "camera")?;
        let refuse = |r: Refusal| r.of(camera);
        let score = json.get("score").and_then(Json::number);
        let detection = Detection {
            kind: "lpr".into(),
            id: Some(identifier(&json, "id").map_err(refuse)?),
            confidence: score.filter(|s| (0.0..=1.0).contains(s)),
            ..Detection::default()
        };
        let body = Body::Detection(Box::new(detection));
        let time = seconds(&json, "timestamp").map_err(refuse)?;
        let record = self.record(cx, camera, time, message.received, body)?;
        out.push(record, Secret::read(json.get("plate"), None));
        Ok(())
    }

    /// `online` (a camera's `detect` role, or Frigate itself); `disabled` gives no pictures either.
    fn status(
        &self,
        cx: &Cx<'_>,
        device: &str,
        message: &Incoming<'_>,
        out: &mut Out<'_>,
    ) -> Result<(), Refusal> {
        let online = match message.payload {
            b"online" => true,
            b"offline" | b"stopped" | b"disabled" => false,
            _ => return Err(bad_field("not online, offline, stopped or disabled").of(device)),
        };
        let body = Body::Status(Status { online, battery: None });
        let received = message.received;
        out.records.push(self.record(cx, device, received, received, body)?);
        Ok(())
    }

    /// Objects in view now: persons, or all kinds together. Counts of other labels say nothing
    /// that the catalogue has a property for.
    fn count(
        &self,
        cx: &Cx<'_>,
        place: &str,
        label: &str,
        message: &Incoming<'_>,
        out: &mut Out<'_>,
    ) -> Result<(), Refusal> {
        let count = std::str::from_utf8(message.payload).ok().and_then(|t| t.parse::<u32>().ok());
        let count = count.ok_or_else(|| bad_field("the count is not a number").of(place))?;
        let property = match label {
            "person" => "people_count",
            "all" => "object_count",
            _ => return Ok(()),
        };
        // A repeated old count has no time of its own.
        let Some(property) = cx.property(property).filter(|_| !message.retain) else {
            return Ok(());
        };
        let value = property
            .check(f64::from(count))
            .map_err(|(reason, detail)| Refusal::new(reason, detail).of(place))?;
        let mut values = Values::new();
        values.push((Name::clone(&property.name), value));
        let body = Body::Observation { quality: Quality::Good, values };
        let received = message.received;
        out.records.push(self.record(cx, place, received, received, body)?);
        Ok(())
    }
}

impl Format for Frigate {
    fn takes(&self, topic: &str) -> bool {
        topic.starts_with(&*self.prefix)
    }

    fn decode(
        &self,
        cx: &Cx<'_>,
        message: &Incoming<'_>,
        out: &mut Out<'_>,
    ) -> Result<(), Refusal> {
        let rest = message.topic.strip_prefix(&*self.prefix).unwrap_or_default();
        // A cleared retained message says nothing.
        if message.payload.is_empty() && message.retain {
            return Ok(());
        }
        let levels: Vec<&str> = rest.split('/').collect();
        match levels[..] {
            ["events"] => self.event(cx, message, out),
            ["reviews"] => self.review(cx, message, out),
            ["tracked_object_update"] => self.update(cx, message, out),
            ["available"] => self.status(cx, &self.config.prefix, message, out),
            [camera, "status", "detect"] => self.status(cx, camera, message, out),
            // Known topics that hold no measurement, or pictures and names that are not kept.
            [
                "stats" | "camera_activity" | "triggers" | "model_state" | "birdseye"
                | "notifications" | "onConnect" | "restart",
                ..,
            ]
            | [_, "status", _]
            | [_, "motion" | "review_status" | "classification" | "audio", ..]
            | [_, _, "state" | "set" | "snapshot" | "active" | "suspend" | "suspended"] => Ok(()),
            [place, label] => self.count(cx, place, label, message, out),
            _ => Err(Refusal::new(QuarantineReason::UnknownTopic, "not a topic of Frigate")),
        }
    }
}

/// Configured device ids must be ids.
pub(super) fn check_devices<'a>(
    format: &str,
    devices: impl IntoIterator<Item = (&'a String, &'a String)>,
    wrong: &mut impl FnMut(String),
) {
    for (name, id) in devices {
        if !is_id(id) {
            wrong(format!(
                "{format}: device id `{}` of `{}` cannot be used",
                short(id),
                short(name)
            ));
        }
    }
}

/// The configured service must be in the catalogue; a catalogue without services is not the
/// decoder's mistake.
pub(super) fn check_service(
    format: &str,
    service: &str,
    catalogue: &Catalogue,
    wrong: &mut impl FnMut(String),
) {
    if catalogue.has_services() && catalogue.service(service).is_none() {
        wrong(format!("{format}: service `{}` is not in the catalogue", short(service)));
    }
}

fn text<'j>(json: &'j Json<'_>, field: &str) -> Result<&'j str, Refusal> {
    json.get(field)
        .and_then(Json::text)
        .ok_or_else(|| bad_field(format!("`{field}` is missing or no text")))
}

/// A text, or a text with its score.
fn plate<'j, 'p>(object: &'j Json<'p>) -> Option<&'j Json<'p>> {
    let plate = object.get("recognized_license_plate")?;
    Some(plate.items().and_then(<[_]>::first).unwrap_or(plate))
}

fn identifier(json: &Json<'_>, field: &str) -> Result<Name, Refusal> {
    sanitise(text(json, field)?).ok_or_else(|| bad_field(format!("`{field}` cannot be an id")))
}

fn seconds(json: &Json<'_>, field: &str) -> Result<Timestamp, Refusal> {
    let number = json.get(field).and_then(Json::number).ok_or_else(|| {
        Refusal::new(QuarantineReason::BadTime, format!("`{field}` is missing or no number"))
    })?;
    time::epoch_s(number)
}

#[cfg(test)]
mod tests;
