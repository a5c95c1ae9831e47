//! Payloads of the native format, read straight into records without a tree between.

use std::fmt;

use ioc_model::{Body, Detection, Quality, QuarantineReason, Status, Timestamp};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor};

use super::super::Refusal;
use super::super::catalogue::{Catalogue, PropertyInfo, short};
use super::super::ids::is_kind;
use super::super::secret::{Secret, SecretText};
use super::super::sorted::Sorted;
use super::super::strict::{Id, Number, Slot, Time, bounded, read, walk};

/// What a payload says.
pub(super) struct Said {
    pub(super) time: Option<Timestamp>,
    pub(super) seq: Option<u64>,
    pub(super) body: Body,
    /// The values that cannot be, when there are others.
    pub(super) impossible: Option<Body>,
    /// Plate and picture of an event.
    pub(super) secret: Secret,
}

impl Said {
    pub(super) fn is_offline(&self) -> bool {
        matches!(self.body, Body::Status(Status { online: false, .. }))
    }
}

/// `{"time", "seq"?, "values": {property: number}, "quality"?}`.
pub(super) fn observation(catalogue: &Catalogue, payload: &[u8]) -> Result<Said, Refusal> {
    let slot = Slot::default();
    read(payload, &slot, Object(Observation { catalogue, slot: &slot }))
}

/// `{"time", "type", "id"?, "object"?, "confidence"?, "count"?, "zone"?, "seq"?, "plate"?,
/// "snapshot"?}`; plate and snapshot are no part of the body.
pub(super) fn event(payload: &[u8]) -> Result<Said, Refusal> {
    let slot = Slot::default();
    read(payload, &slot, Object(Event { slot: &slot }))
}

/// `{"time"?, "online", "battery"?, "seq"?}`; only `online: false` may lack the time, as in a will.
pub(super) fn status(payload: &[u8]) -> Result<Said, Refusal> {
    let slot = Slot::default();
    read(payload, &slot, Object(DeviceStatus { slot: &slot }))
}

/// One of the three payloads, as the fields of a JSON object.
trait Payload: Sized {
    fn fields<'de, A: MapAccess<'de>>(self, map: A) -> Result<Said, A::Error>;
}

struct Object<P>(P);

impl<'de, P: Payload> DeserializeSeed<'de> for Object<P> {
    type Value = Said;

    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<Said, D::Error> {
        d.deserialize_map(self)
    }
}

impl<'de, P: Payload> Visitor<'de> for Object<P> {
    type Value = Said;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Said, A::Error> {
        self.0.fields(map)
    }
}

struct Observation<'a> {
    catalogue: &'a Catalogue,
    slot: &'a Slot,
}

impl Payload for Observation<'_> {
    fn fields<'de, A: MapAccess<'de>>(self, map: A) -> Result<Said, A::Error> {
        let Self { catalogue, slot } = self;
        let (mut time, mut seq, mut quality) = (None, None, Quality::Good);
        let mut values = Sorted::default();
        walk(map, &["time", "values", "seq", "quality"], slot, |field, map| {
            match field {
                0 => time = Some(map.next_value_seed(Time(slot))?),
                1 => map.next_value_seed(ValuesSeed { catalogue, slot, values: &mut values })?,
                2 => seq = map.next_value::<Option<u64>>()?,
                _ => quality = map.next_value::<QualityWord>()?.into(),
            }
            Ok(())
        })?;
        if values.is_empty() {
            let detail = "`values` is missing or empty".to_owned();
            return Err(slot.refuse(QuarantineReason::BadField, detail));
        }
        let (body, impossible) = values.into_bodies(quality);
        Ok(Said { time, seq, body, impossible, secret: Secret::default() })
    }
}

struct Event<'a> {
    slot: &'a Slot,
}

const EVENT: &[&str] =
    &["time", "type", "id", "object", "confidence", "count", "zone", "seq", "plate", "snapshot"];

impl Payload for Event<'_> {
    fn fields<'de, A: MapAccess<'de>>(self, map: A) -> Result<Said, A::Error> {
        let slot = self.slot;
        let (mut time, mut kind, mut seq) = (None, None, None);
        let (mut id, mut object, mut zone) = (None, None, None);
        let (mut confidence, mut count) = (None, None);
        let mut secret = Secret::default();
        walk(map, EVENT, slot, |field, map| {
            let name = |field| Id { field, slot };
            match field {
                0 => time = Some(map.next_value_seed(Time(slot))?),
                1 => kind = map.next_value_seed(name("type"))?,
                2 => id = map.next_value_seed(name("id"))?,
                3 => object = map.next_value_seed(name("object"))?,
                4 => confidence = bounded(map, slot, "confidence", 1.0)?,
                5 => count = bounded(map, slot, "count", 1e6)?,
                6 => zone = map.next_value_seed(name("zone"))?,
                7 => seq = map.next_value::<Option<u64>>()?,
                8 => secret.set_plate(map.next_value_seed(SecretText)?),
                _ => secret.set_snapshot(map.next_value_seed(SecretText)?),
            }
            Ok(())
        })?;
        let kind = kind.filter(|k| is_kind(k)).ok_or_else(|| {
            let detail = "`type` must be there and be 1 to 48 of a-z 0-9 _".to_owned();
            slot.refuse(QuarantineReason::BadField, detail)
        })?;
        let detection = Detection { kind, id, object, confidence, count, zone, personal: None };
        let body = Body::Detection(Box::new(detection));
        Ok(Said { time, seq, body, impossible: None, secret })
    }
}

struct DeviceStatus<'a> {
    slot: &'a Slot,
}

impl Payload for DeviceStatus<'_> {
    fn fields<'de, A: MapAccess<'de>>(self, map: A) -> Result<Said, A::Error> {
        let slot = self.slot;
        let (mut time, mut online, mut battery, mut seq) = (None, None, None, None);
        walk(map, &["time", "online", "battery", "seq"], slot, |field, map| {
            match field {
                0 => time = Some(map.next_value_seed(Time(slot))?),
                1 => online = Some(map.next_value::<bool>()?),
                2 => battery = bounded(map, slot, "battery", 100.0)?,
                _ => seq = map.next_value::<Option<u64>>()?,
            }
            Ok(())
        })?;
        let online = online.ok_or_else(|| {
            slot.refuse(QuarantineReason::BadField, "`online` is missing".to_owned())
        })?;
        let body = Body::Status(Status { online, battery });
        Ok(Said { time, seq, body, impossible: None, secret: Secret::default() })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum QualityWord {
    Good,
    Uncertain,
    Bad,
}

impl From<QualityWord> for Quality {
    fn from(word: QualityWord) -> Self {
        match word {
            QualityWord::Good => Self::Good,
            QualityWord::Uncertain => Self::Uncertain,
            QualityWord::Bad => Self::Bad,
        }
    }
}

/// `{"pm25": 35.1, …}` with names of the catalogue.
struct ValuesSeed<'a> {
    catalogue: &'a Catalogue,
    slot: &'a Slot,
    values: &'a mut Sorted,
}

impl<'de> DeserializeSeed<'de> for ValuesSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<(), D::Error> {
        d.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ValuesSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of property and number")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { catalogue, slot, values } = self;
        while let Some(property) = map.next_key_seed(PropertySeed { catalogue, slot })? {
            let name = &property.name;
            if values.contains(name) {
                let detail = format!("property `{name}` comes twice");
                return Err(slot.refuse(QuarantineReason::BadField, detail));
            }
            let value = map.next_value_seed(Number { field: name, slot })?;
            values.push(property, value).map_err(|(r, detail)| slot.refuse(r, detail))?;
        }
        Ok(())
    }
}

struct PropertySeed<'a> {
    catalogue: &'a Catalogue,
    slot: &'a Slot,
}

impl<'de, 'a> DeserializeSeed<'de> for PropertySeed<'a> {
    type Value = &'a PropertyInfo;

    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<Self::Value, D::Error> {
        d.deserialize_str(self)
    }
}

impl<'a> Visitor<'_> for PropertySeed<'a> {
    type Value = &'a PropertyInfo;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a property name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        self.catalogue.property(name).ok_or_else(|| {
            let detail = format!("property `{}` is not in the catalogue", short(name));
            self.slot.refuse(QuarantineReason::UnknownProperty, detail)
        })
    }
}
