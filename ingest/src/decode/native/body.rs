//! Payloads of the native format, read straight into records without a tree between.

use std::cell::RefCell;
use std::fmt;

use ioc_model::{Body, Detection, Quality, QuarantineReason, Status, Timestamp, Values};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use super::super::Refusal;
use super::super::catalogue::{Catalogue, PropertyInfo, short};
use super::super::ids::is_kind;
use super::super::strict::{Id, Number, Slot, Time, bounded, read, walk};

/// What a payload says.
pub(super) struct Said {
    pub(super) time: Option<Timestamp>,
    pub(super) seq: Option<u64>,
    pub(super) body: Body,
}

impl Said {
    pub(super) fn is_offline(&self) -> bool {
        matches!(self.body, Body::Status(Status { online: false, .. }))
    }
}

/// `{"time", "seq"?, "values": {property: number}, "quality"?}`.
pub(super) fn observation(catalogue: &Catalogue, payload: &[u8]) -> Result<Said, Refusal> {
    let slot = Slot::default();
    object(payload, &slot, |map| {
        let names = &["time", "values", "seq", "quality"];
        let (mut time, mut seq, mut quality) = (None, None, Quality::Good);
        let mut values = Values::new();
        walk(map, names, &slot, |field, map| {
            match field {
                0 => time = Some(map.next_value_seed(Time(&slot))?),
                1 => {
                    let seed = ValuesSeed { catalogue, slot: &slot, values: &mut values };
                    map.next_value_seed(seed)?;
                }
                2 => seq = map.next_value::<Option<u64>>()?,
                _ => quality = map.next_value::<QualityWord>()?.into(),
            }
            Ok(())
        })?;
        if values.is_empty() {
            let detail = "`values` is missing or empty".to_owned();
            return Err(slot.refuse(QuarantineReason::BadField, detail));
        }
        Ok(Said { time, seq, body: Body::Observation { quality, values } })
    })
}

/// `{"time", "type", "id"?, "object"?, "confidence"?, "count"?, "zone"?, "plate"?, "snapshot"?}`;
/// plate and snapshot are read over and not kept.
pub(super) fn event(payload: &[u8]) -> Result<Said, Refusal> {
    let slot = Slot::default();
    object(payload, &slot, |map| {
        let names = &[
            "time", "type", "id", "object", "confidence", "count", "zone", "seq", "plate",
            "snapshot",
        ];
        let (mut time, mut kind, mut seq) = (None, None, None);
        let (mut id, mut object, mut zone) = (None, None, None);
        let (mut confidence, mut count) = (None, None);
        walk(map, names, &slot, |field, map| {
            let name = |field| Id { field, slot: &slot };
            match field {
                0 => time = Some(map.next_value_seed(Time(&slot))?),
                1 => kind = map.next_value_seed(name("type"))?,
                2 => id = map.next_value_seed(name("id"))?,
                3 => object = map.next_value_seed(name("object"))?,
                4 => confidence = Some(bounded(map, &slot, "confidence", 1.0)?),
                5 => count = Some(bounded(map, &slot, "count", 1e6)?),
                6 => zone = map.next_value_seed(name("zone"))?,
                7 => seq = map.next_value::<Option<u64>>()?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
            Ok(())
        })?;
        let kind = kind.filter(|k| is_kind(k)).ok_or_else(|| {
            let detail = "`type` must be there and be 1 to 48 of a-z 0-9 _".to_owned();
            slot.refuse(QuarantineReason::BadField, detail)
        })?;
        let detection = Detection { kind, id, object, confidence, count, zone };
        Ok(Said { time, seq, body: Body::Detection(Box::new(detection)) })
    })
}

/// `{"time"?, "online", "battery"?, "seq"?}`; only `online: false` may lack the time, as in a will.
pub(super) fn status(payload: &[u8]) -> Result<Said, Refusal> {
    let slot = Slot::default();
    object(payload, &slot, |map| {
        let (mut time, mut online, mut battery, mut seq) = (None, None, None, None);
        walk(map, &["time", "online", "battery", "seq"], &slot, |field, map| {
            match field {
                0 => time = Some(map.next_value_seed(Time(&slot))?),
                1 => online = Some(map.next_value::<bool>()?),
                2 => battery = Some(bounded(map, &slot, "battery", 100.0)?),
                _ => seq = map.next_value::<Option<u64>>()?,
            }
            Ok(())
        })?;
        let online = online.ok_or_else(|| {
            slot.refuse(QuarantineReason::BadField, "`online` is missing".to_owned())
        })?;
        Ok(Said { time, seq, body: Body::Status(Status { online, battery }) })
    })
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
