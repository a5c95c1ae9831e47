//! Personal data between a decoder and the seal: beside the records, never in them.

use std::fmt;
use std::sync::Arc;

use ioc_model::{Body, Private, Record, Seal, Sealed, Timestamp};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use zeroize::Zeroizing;

use super::Refusal;
use super::catalogue::short;
use super::json::Json;

/// Longest plate or link that is looked at, bytes.
const TEXT_BYTES: usize = 2_048;

/// A text that is wiped from memory when dropped.
type Text = Option<Zeroizing<String>>;

/// Plate and picture of one detection.
#[derive(Clone, Default)]
pub(super) struct Secret {
    plate: Text,
    snapshot: Text,
}

fn kept(text: &str) -> Text {
    (1..=TEXT_BYTES).contains(&text.len()).then(|| Zeroizing::new(text.to_owned()))
}

impl Secret {
    pub(super) fn read(plate: Option<&Json<'_>>, snapshot: Option<&Json<'_>>) -> Self {
        let text = |json: Option<&Json<'_>>| json.and_then(Json::text).and_then(kept);
        Self { plate: text(plate), snapshot: text(snapshot) }
    }

    pub(super) fn set_plate(&mut self, plate: Text) {
        self.plate = plate;
    }

    pub(super) fn set_snapshot(&mut self, snapshot: Text) {
        self.snapshot = snapshot;
    }

    fn private(&self) -> Private<'_> {
        Private {
            plate: self.plate.as_ref().map(|t| t.as_str()),
            snapshot: self.snapshot.as_ref().map(|t| t.as_str()),
        }
    }
}

/// What decoders write to.
pub(super) struct Out<'a> {
    pub(super) records: &'a mut Vec<Record>,
    /// Index of a record, and what is to be sealed into it.
    secrets: Vec<(usize, Secret)>,
    /// Names of fields that were passed over; only where somebody will look at them.
    ignored: Option<&'a mut Vec<String>>,
    /// What its owner is told of a message that is taken.
    remark: Option<Refusal>,
    /// The message holds personal data that no record has.
    hidden: bool,
}

/// Fields passed over that are told of one message.
const IGNORED: usize = 32;

impl<'a> Out<'a> {
    pub(super) fn new(records: &'a mut Vec<Record>) -> Self {
        Self { records, secrets: Vec::new(), ignored: None, remark: None, hidden: false }
    }

    /// For someone who only looks: also notes what is passed over.
    pub(super) fn noting(records: &'a mut Vec<Record>, ignored: &'a mut Vec<String>) -> Self {
        Self { records, secrets: Vec::new(), ignored: Some(ignored), remark: None, hidden: false }
    }

    /// Whether someone only looks.
    pub(super) fn is_for_a_look(&self) -> bool {
        self.ignored.is_some()
    }

    /// A record without personal data.
    pub(super) fn say(&mut self, record: Record) {
        self.records.push(record);
    }

    /// A field that means nothing here: told to the owner who looks, free for all others.
    pub(super) fn ignore(&mut self, field: &str) {
        if let Some(ignored) = &mut self.ignored
            && ignored.len() < IGNORED
        {
            ignored.push(short(field));
        }
    }

    /// Tells the owner of a message that is taken what is wrong all the same; the first counts.
    pub(super) fn remark(&mut self, remark: Refusal) {
        self.remark.get_or_insert(remark);
    }

    /// What was remarked.
    pub(super) fn take_remark(&mut self) -> Option<Refusal> {
        self.remark.take()
    }

    /// The message is about persons and says nothing: its payload must not be kept in clear.
    pub(super) fn hide(&mut self) {
        self.hidden = true;
    }

    /// Whether the message held personal data.
    pub(super) fn is_personal(&self) -> bool {
        self.hidden || !self.secrets.is_empty()
    }

    pub(super) fn push(&mut self, record: Record, secret: Secret) {
        if !secret.private().is_empty() {
            self.secrets.push((self.records.len(), secret));
        }
        self.records.push(record);
    }

    /// Seals what is kept into its records; the rest is forgotten.
    pub(super) fn seal(self, door: &Door, now: Timestamp) {
        for (index, secret) in self.secrets {
            if let Some(record) = self.records.get_mut(index)
                && let Body::Detection(d) = &mut record.body
            {
                let sealed = door.0.seal(&record.service, &d.kind, now, &secret.private());
                d.personal = sealed.map(Box::new);
            }
        }
    }
}

/// Who seals.
pub(super) struct Door(pub(super) Arc<dyn Seal>);

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Door")
    }
}

/// Keeps nothing.
pub(super) struct Forget;

impl Seal for Forget {
    fn seal(&self, _: &str, _: &str, _: Timestamp, _: &Private<'_>) -> Option<Sealed> {
        None
    }
}

/// A field that may be a text. Anything else is read over: a plate of the wrong type is no reason
/// to refuse an event, and no error may quote it.
pub(super) struct SecretText;

impl<'de> DeserializeSeed<'de> for SecretText {
    type Value = Text;

    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<Text, D::Error> {
        d.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for SecretText {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_str<E>(self, text: &str) -> Result<Text, E> {
        Ok(kept(text))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Text, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Text, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Text, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Text, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Text, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Text, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Text, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use ioc_model::Name;

    use super::super::shared_data::{RECEIVED, decode, decoders};
    use super::super::{Decoders, Incoming};
    use super::*;

    /// Remembers what it was given, and keeps the event `lpr` and `red_light`.
    #[derive(Default)]
    struct Witness(Mutex<Vec<String>>);

    impl Seal for Witness {
        fn seal(
            &self,
            service: &str,
            kind: &str,
            now: Timestamp,
            p: &Private<'_>,
        ) -> Option<Sealed> {
            assert_eq!(now, RECEIVED, "sealed with the time of arrival");
            let (plate, link) = (p.plate.unwrap_or("-"), p.snapshot.unwrap_or("-"));
            let told = format!("{service}/{kind} {plate} {link}");
            self.0.lock().expect("lock").push(told);
            ["lpr", "red_light"].contains(&kind).then(|| Sealed {
                key: 1,
                mask: Name::from("mask"),
                pseudonym: 1,
                bytes: Box::default(),
            })
        }
    }

    fn sealing() -> (Decoders, Arc<Witness>) {
        let witness = Arc::<Witness>::default();
        (decoders("{}").sealing(Arc::clone(&witness) as Arc<dyn Seal>), witness)
    }

    /// What the seal was given, and which of the records have something sealed.
    fn check(topic: &str, payload: &str, given: &[&str], sealed: &[bool]) {
        let (decoders, witness) = sealing();
        let records = decode(&decoders, topic, payload).expect("accepted");
        assert_eq!(*witness.0.lock().expect("lock"), given, "{topic} {payload}");
        let is_sealed = |r: &Record| match &r.body {
            Body::Detection(d) => d.personal.is_some(),
            _ => false,
        };
        assert_eq!(records.iter().map(is_sealed).collect::<Vec<_>>(), sealed, "{payload}");
    }

    const NATIVE: &str = "ioc/v1/hai_chau/traffic/cam-1/event";

    #[test]
    fn plates_and_links_of_native_events_are_sealed_or_forgotten() {
        let event =
            |kind: &str, rest: &str| format!(r#"{{"time":1761588000123,"type":"{kind}"{rest}}}"#);
        let both = r#","plate":"51F-123.45","snapshot":"http://nvr/1.jpg""#;
        let given = ["traffic/red_light 51F-123.45 http://nvr/1.jpg"];
        check(NATIVE, &event("red_light", both), &given, &[true]);
        let given = ["traffic/crowd 51F-123.45 http://nvr/1.jpg"];
        check(NATIVE, &event("crowd", both), &given, &[false]);
        check(NATIVE, &event("red_light", ""), &[], &[false]);
        let escaped = r#","plate":"51F\u002d12345""#;
        check(NATIVE, &event("red_light", escaped), &["traffic/red_light 51F-12345 -"], &[true]);
    }

    #[test]
    fn plates_of_a_wrong_type_or_length_are_forgotten_and_the_event_is_kept() {
        let long = format!("\"{}\"", "5".repeat(2_049));
        for wrong in [
            "null",
            "7",
            "-7",
            "1e300",
            "true",
            "\"\"",
            r#"["51F-1"]"#,
            r#"{"a":{"b":["51F-1"]}}"#,
            &long,
        ] {
            let payload = format!(
                r#"{{"plate":{wrong},"time":1761588000123,"snapshot":{wrong},"type":"red_light"}}"#
            );
            check(NATIVE, &payload, &[], &[false]);
        }
    }

    #[test]
    fn plates_of_frigate_are_sealed() {
        let event = |plate: &str| {
            format!(
                r#"{{"type":"new","after":{{"id":"1-a","camera":"gate","label":"car",
                "start_time":1607123955.5,"frame_time":1607123956.5,"current_zones":["in"],
                "recognized_license_plate":{plate},"snapshot":{{"frame_time":1}}}}}}"#
            )
        };
        let given = [
            "camera_analytics/object_detected ABC12345 -",
            "camera_analytics/zone_entered ABC12345 -",
        ];
        check("frigate/events", &event("\"ABC12345\""), &given, &[false, false]);
        check("frigate/events", &event("[\"ABC12345\",0.9]"), &given, &[false, false]);
        check("frigate/events", &event("null"), &[], &[false, false]);
        let update = r#"{"type":"lpr","id":"1-a","name":"Lan","plate":"51F-123.45","camera":"gate",
            "timestamp":1607123958.7}"#;
        let given = ["camera_analytics/lpr 51F-123.45 -"];
        check("frigate/tracked_object_update", update, &given, &[true]);
    }

    #[test]
    fn plates_and_pictures_of_onvif_are_sealed() {
        let topic = "cam/onvif-ej/RuleEngine/Recognition/LicensePlate/&1";
        let event = |data: &str| {
            format!(r#"{{"UtcTime":"2025-10-28T01:00:00Z","Source":{{}},"Data":{{{data}}}}}"#)
        };
        let given = ["camera_analytics/lpr 43A-123.45 http://x/y"];
        let spec = r#""LicensePlateInfo":{"PlateNumber":"43A-123.45"},"ImageURI":"http://x/y""#;
        check(topic, &event(spec), &given, &[true]);
        let given = ["camera_analytics/lpr 43A-123.45 -"];
        for form in [r#""PlateNumber":"43A-123.45""#, r#""LicensePlateInfo":"43A-123.45""#] {
            check(topic, &event(form), &given, &[true]);
        }
        check(topic, &event(r#""LicensePlateInfo":{"Likelihood":1}"#), &[], &[false]);
        let given = ["camera_analytics/lpr 1 -", "camera_analytics/lpr 1 -"];
        let two = r#""ClassTypes":"Car Truck","PlateNumber":"1""#;
        check(topic, &event(two), &given, &[true, true]);
    }

    #[test]
    fn plates_and_pictures_of_hikvision_are_sealed() {
        let event = |rest: &str| {
            format!(
                r#"{{"eventType":"ANPR","dateTime":"2025-10-28T01:00:00+07:00",
                "ANPR":{{"licensePlate":"43A-123.45","originalLicensePlate":"43A12345"{rest}}}}}"#
            )
        };
        let given = ["camera_analytics/lpr 43A-123.45 -"];
        check("hikvision/cam/event", &event(""), &given, &[true]);
        let given = ["camera_analytics/lpr 43A-123.45 http://cam/1.jpg"];
        check("hikvision/cam/event", &event(r#","picUrl":"http://cam/1.jpg""#), &given, &[true]);
        check("hikvision/cam/event", &event("").replace("43A-123.45", "unknown"), &[], &[false]);
    }

    #[test]
    fn plates_of_dahua_are_sealed_wherever_they_are() {
        for at in [
            r#""TrafficCar":{"PlateNumber":"43A-123.45"}"#,
            r#""Object":{"ObjectType":"Plate","Text":"43A-123.45"}"#,
            r#""Plate":{"Text":"43A-123.45"}"#,
            r#""NonMotor":{"Plate":{"Text":"43A-123.45"}}"#,
            r#""PlateNumber":"43A-123.45""#,
        ] {
            let event = |code: &str| {
                format!(r#"{{"Code":"{code}","Action":"Pulse","Data":{{"UTC":1761588000,{at}}}}}"#)
            };
            let given = ["camera_analytics/red_light 43A-123.45 -"];
            check("dahua/cam/event", &event("TrafficRunRedLight"), &given, &[true]);
        }
        let sign = r#"{"Code":"TrafficParking","Action":"Pulse","Data":{"UTC":1761588000,
            "Object":{"ObjectType":"Vehicle","Text":"43A-123.45"}}}"#;
        check("dahua/cam/event", sign, &[], &[false]);
    }

    #[test]
    fn events_about_persons_say_nothing_and_are_marked() {
        let d = decoders("{}");
        for (topic, payload) in [
            ("hikvision/cam/event", r#"{"eventType":"faceCapture","faces":[1]}"#),
            ("dahua/cam/event", r#"{"Code":"HumanTrait","Action":"Pulse","Data":{}}"#),
            ("cam/onvif-ej/RuleEngine/Recognition/Face/&1", "{}"),
        ] {
            let message =
                Incoming { topic, payload: payload.as_bytes(), retain: false, received: RECEIVED };
            let mut records = Vec::new();
            let verdict = d.decode_into(&message, &mut records).expect("silent");
            assert!(verdict.personal && records.is_empty(), "{topic}");
        }
    }

    #[test]
    fn a_refused_message_seals_nothing_and_its_refusal_quotes_nothing() {
        let (decoders, witness) = sealing();
        for payload in [
            r#"{"type":"red_light","plate":"51F-123.45","snapshot":"http://nvr/1"}"#,
            r#"{"time":1761588000123,"type":"red_light","plate":"51F-123.45","51F-123.45":1}"#,
            r#"{"time":1761588000123,"type":"red_light","plate":"51F-123.45","id":"51F 123.45"}"#,
            r#"{"time":1761588000123,"type":"51F-123.45","plate":"51F-123.45"}"#,
            r#"{"time":"51F-123.45","type":"red_light"}"#,
            r#"{"time":1761588000123,"type":"red_light","plate":"51F-123.45"#,
        ] {
            let message = Incoming {
                topic: NATIVE,
                payload: payload.as_bytes(),
                retain: false,
                received: RECEIVED,
            };
            let refusal = decoders.decode(&message).expect_err(payload);
            assert!(!format!("{refusal:?}").contains("123"), "{refusal:?}");
        }
        assert!(witness.0.lock().expect("lock").is_empty());
    }
}
