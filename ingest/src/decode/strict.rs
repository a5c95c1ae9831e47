//! Building blocks for reading JSON strictly: unknown and doubled fields are errors, and the
//! reason of a refusal survives serde's error type.

use std::cell::RefCell;
use std::fmt;

use ioc_model::{Name, QuarantineReason, Timestamp};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor};

use super::Refusal;
use super::catalogue::short;
use super::ids::is_id;

/// Where the reason of a refusal waits while serde unwinds.
#[derive(Default)]
pub(super) struct Slot(RefCell<Option<(QuarantineReason, String)>>);

impl Slot {
    /// Keeps the reason and gives the error that stops serde.
    pub(super) fn refuse<E: Error>(&self, reason: QuarantineReason, detail: String) -> E {
        self.0.borrow_mut().get_or_insert((reason, detail));
        E::custom("refused")
    }

    /// The refusal behind a serde error.
    fn refusal(&self, error: &serde_json::Error) -> Refusal {
        if let Some((reason, detail)) = self.0.borrow_mut().take() {
            return Refusal::new(reason, detail);
        }
        // serde quotes the offending value, which may be personal: only its place is told.
        let place = format!("at line {} column {}", error.line(), error.column());
        let number = error.to_string().starts_with("number out of range");
        match error.classify() {
            _ if number => {
                Refusal::new(QuarantineReason::OutOfRange, format!("number too large {place}"))
            }
            serde_json::error::Category::Data => {
                Refusal::new(QuarantineReason::BadField, format!("wrong type {place}"))
            }
            _ => Refusal::new(QuarantineReason::Malformed, format!("not JSON {place}")),
        }
    }
}

/// Reads `payload` as exactly one JSON value.
pub(super) fn read<'de, S: DeserializeSeed<'de>>(
    payload: &'de [u8],
    slot: &Slot,
    seed: S,
) -> Result<S::Value, Refusal> {
    let mut json = serde_json::Deserializer::from_slice(payload);
    let value = seed.deserialize(&mut json).and_then(|v| json.end().map(|()| v));
    value.map_err(|e| slot.refusal(&e))
}

/// Calls `field(index, map)` for each field of a map; the index is that of `names`. Fields that
/// are not in `names`, or come twice, are refused.
pub(super) fn walk<'de, A: MapAccess<'de>>(
    mut map: A,
    names: &'static [&'static str],
    slot: &Slot,
    mut field: impl FnMut(usize, &mut A) -> Result<(), A::Error>,
) -> Result<(), A::Error> {
    let mut seen = 0u32;
    while let Some(index) = map.next_key_seed(Field { names, slot })? {
        if seen & (1 << index) != 0 {
            let detail = format!("field `{}` comes twice", names[index]);
            return Err(slot.refuse(QuarantineReason::BadField, detail));
        }
        seen |= 1 << index;
        field(index, &mut map)?;
    }
    Ok(())
}

struct Field<'a> {
    names: &'static [&'static str],
    slot: &'a Slot,
}

impl<'de> DeserializeSeed<'de> for Field<'_> {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<usize, D::Error> {
        d.deserialize_str(self)
    }
}

impl Visitor<'_> for Field<'_> {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<usize, E> {
        self.names.iter().position(|n| *n == name).ok_or_else(|| {
            let detail = format!("field `{}` is not known", short(name));
            self.slot.refuse(QuarantineReason::BadField, detail)
        })
    }
}

/// A time: RFC 3339 with offset, or integer ms since the epoch.
pub(super) struct Time<'a>(pub(super) &'a Slot);

impl Time<'_> {
    fn parsed<E: Error>(
        &self,
        time: Result<Timestamp, ioc_model::TimeError>,
    ) -> Result<Timestamp, E> {
        time.map_err(|e| self.0.refuse(QuarantineReason::BadTime, e.to_string()))
    }

    fn wrong<E: Error>(&self) -> E {
        let detail = "`time` must be an RFC 3339 text with offset or integer milliseconds";
        self.0.refuse(QuarantineReason::BadTime, detail.into())
    }
}

impl<'de> DeserializeSeed<'de> for Time<'_> {
    type Value = Timestamp;

    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<Timestamp, D::Error> {
        d.deserialize_any(self)
    }
}

impl Visitor<'_> for Time<'_> {
    type Value = Timestamp;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Timestamp, E> {
        self.parsed(Timestamp::parse_rfc3339(text))
    }

    fn visit_i64<E: Error>(self, ms: i64) -> Result<Timestamp, E> {
        self.parsed(Timestamp::from_epoch_ms(ms))
    }

    fn visit_u64<E: Error>(self, ms: u64) -> Result<Timestamp, E> {
        self.parsed(Timestamp::from_epoch_ms(i64::try_from(ms).unwrap_or(i64::MAX)))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Timestamp, E> {
        Err(self.wrong())
    }

    fn visit_unit<E: Error>(self) -> Result<Timestamp, E> {
        Err(self.wrong())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Timestamp, E> {
        Err(self.wrong())
    }
}

/// A number, or null for none; a text or a truth value is a refusal that names the field.
struct OptionalNumber<'a>(Number<'a>);

/// A number; anything else is a refusal that names the field.
pub(super) struct Number<'a> {
    pub(super) field: &'a str,
    pub(super) slot: &'a Slot,
}

impl<'de> DeserializeSeed<'de> for Number<'_> {
    type Value = f64;

    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<f64, D::Error> {
        let (field, slot) = (self.field, self.slot);
        d.deserialize_any(OptionalNumber(self))?.ok_or_else(|| wrong_number(field, slot))
    }
}

fn wrong_number<E: Error>(field: &str, slot: &Slot) -> E {
    let detail = format!("`{}` must be a number", short(field));
    slot.refuse(QuarantineReason::BadField, detail)
}

impl<'de> DeserializeSeed<'de> for OptionalNumber<'_> {
    type Value = Option<f64>;

    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<Self::Value, D::Error> {
        d.deserialize_any(self)
    }
}

impl Visitor<'_> for OptionalNumber<'_> {
    type Value = Option<f64>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number")
    }

    fn visit_f64<E: Error>(self, n: f64) -> Result<Self::Value, E> {
        Ok(Some(n))
    }

    fn visit_i64<E: Error>(self, n: i64) -> Result<Self::Value, E> {
        Ok(Some(n as f64))
    }

    fn visit_u64<E: Error>(self, n: u64) -> Result<Self::Value, E> {
        Ok(Some(n as f64))
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Self::Value, E> {
        Err(wrong_number(self.0.field, self.0.slot))
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
        Err(wrong_number(self.0.field, self.0.slot))
    }
}

/// A number from 0 to `max`, for fields that are no properties; null is none.
pub(super) fn bounded<'de, A: MapAccess<'de>>(
    map: &mut A,
    slot: &Slot,
    field: &'static str,
    max: f64,
) -> Result<Option<f64>, A::Error> {
    match map.next_value_seed(OptionalNumber(Number { field, slot }))? {
        Some(n) if !(0.0..=max).contains(&n) => {
            let detail = format!("`{field}` is {n}, possible are 0 to {max}");
            Err(slot.refuse(QuarantineReason::OutOfRange, detail))
        }
        n => Ok(n),
    }
}

/// A text that is an id; null is none.
pub(super) struct Id<'a> {
    pub(super) field: &'static str,
    pub(super) slot: &'a Slot,
}

impl<'de> DeserializeSeed<'de> for Id<'_> {
    type Value = Option<Name>;

    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<Self::Value, D::Error> {
        d.deserialize_any(self)
    }
}

impl Visitor<'_> for Id<'_> {
    type Value = Option<Name>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        if is_id(text) {
            return Ok(Some(text.into()));
        }
        let detail = format!("`{}` must be 1 to 64 of A-Z a-z 0-9 _ . : -", self.field);
        Err(self.slot.refuse(QuarantineReason::BadField, detail))
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}
