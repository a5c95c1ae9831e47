//! A JSON tree for formats with free structure, within limits: depth 16, 256 fields per object,
//! texts of 4 KiB, no doubled keys, no NUL (guarantees.md §3).

use std::borrow::Cow;
use std::fmt;

use ioc_model::QuarantineReason;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::Refusal;
use super::strict::{Slot, read};

pub(super) const DEPTH: u8 = 16;
pub(super) const FIELDS: usize = 256;
pub(super) const TEXT_BYTES: usize = 4 << 10;

/// A JSON value that borrows from the payload.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Json<'a> {
    Null,
    Bool(bool),
    Number(f64),
    /// Kept apart from [`Json::Number`]: an `f64` holds no 19 digits.
    Integer(i64),
    Text(Cow<'a, str>),
    Array(Vec<Json<'a>>),
    Object(Vec<(Cow<'a, str>, Json<'a>)>),
}

impl<'a> Json<'a> {
    /// Reads a payload.
    pub(super) fn parse(payload: &'a [u8]) -> Result<Self, Refusal> {
        let slot = Slot::default();
        read(payload, &slot, Tree { depth: 0, slot: &slot })
    }

    /// A field of an object.
    pub(super) fn get(&self, field: &str) -> Option<&Self> {
        match self {
            Self::Object(fields) => fields.iter().find(|(k, _)| k == field).map(|(_, v)| v),
            _ => None,
        }
    }

    /// The value at a JSON pointer (RFC 6901) whose tokens are given unescaped.
    pub(super) fn at(&self, pointer: &[String]) -> Option<&Self> {
        pointer.iter().try_fold(self, |value, token| match value {
            Self::Array(items) => items.get(token.parse::<usize>().ok()?),
            other => other.get(token),
        })
    }

    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(t) => Some(t),
            _ => None,
        }
    }

    /// The number; texts that hold nothing but a number count, as many senders quote them.
    pub(super) fn number(&self) -> Option<f64> {
        match self {
            Self::Number(n) => Some(*n),
            Self::Integer(n) => Some(*n as f64),
            Self::Text(t) => t.trim().parse().ok().filter(|n: &f64| n.is_finite()),
            _ => None,
        }
    }

    /// The truth value, also as text or 0/1.
    pub(super) fn truth(&self) -> Option<bool> {
        match self {
            Self::Bool(b) => Some(*b),
            Self::Integer(0) => Some(false),
            Self::Integer(1) => Some(true),
            Self::Text(t) => match &**t {
                "true" | "1" => Some(true),
                "false" | "0" => Some(false),
                _ => None,
            },
            _ => None,
        }
    }

    pub(super) fn items(&self) -> Option<&[Self]> {
        match self {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }
}

struct Tree<'s> {
    depth: u8,
    slot: &'s Slot,
}

impl Tree<'_> {
    fn refuse<E: Error>(&self, detail: &str) -> E {
        self.slot.refuse(QuarantineReason::Malformed, detail.into())
    }

    fn text<'a, E: Error>(&self, text: Cow<'a, str>) -> Result<Cow<'a, str>, E> {
        if text.len() > TEXT_BYTES {
            return Err(self.refuse("a text is longer than 4096 bytes"));
        }
        if text.contains('\0') {
            return Err(self.refuse("a text holds a NUL character"));
        }
        Ok(text)
    }

    /// For the values inside of an array or object.
    fn below<E: Error>(&self) -> Result<Tree<'_>, E> {
        if self.depth >= DEPTH {
            return Err(self.refuse("nested deeper than 16"));
        }
        Ok(Tree { depth: self.depth + 1, slot: self.slot })
    }
}

impl<'de> DeserializeSeed<'de> for Tree<'_> {
    type Value = Json<'de>;

    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<Json<'de>, D::Error> {
        d.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Tree<'_> {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Json<'de>, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E: Error>(self, b: bool) -> Result<Json<'de>, E> {
        Ok(Json::Bool(b))
    }

    fn visit_i64<E: Error>(self, n: i64) -> Result<Json<'de>, E> {
        Ok(Json::Integer(n))
    }

    fn visit_u64<E: Error>(self, n: u64) -> Result<Json<'de>, E> {
        Ok(i64::try_from(n).map_or(Json::Number(n as f64), Json::Integer))
    }

    fn visit_f64<E: Error>(self, n: f64) -> Result<Json<'de>, E> {
        Ok(Json::Number(n))
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Json<'de>, E> {
        self.text(Cow::Borrowed(text)).map(Json::Text)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Json<'de>, E> {
        self.text(Cow::Owned(text.to_owned())).map(Json::Text)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json<'de>, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(self.below()?)? {
            items.push(item);
        }
        Ok(Json::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json<'de>, A::Error> {
        let mut fields: Vec<(Cow<'de, str>, Json<'de>)> = Vec::new();
        self.below::<A::Error>()?;
        while let Some(key) = map.next_key_seed(Key)? {
            let key = self.text(key)?;
            if fields.len() >= FIELDS {
                return Err(self.refuse("an object has more than 256 fields"));
            }
            if fields.iter().any(|(k, _)| *k == key) {
                return Err(self.refuse("a field comes twice"));
            }
            let value = map.next_value_seed(self.below()?)?;
            fields.push((key, value));
        }
        Ok(Json::Object(fields))
    }
}

struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<Self::Value, D::Error> {
        d.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field name")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(payload: &str, expect: Result<&str, &str>) {
        let parsed = Json::parse(payload.as_bytes());
        match (parsed, expect) {
            (Ok(_), Ok(_)) => {}
            (Err(r), Err(e)) => assert!(r.detail.contains(e), "{r:?} for {payload:.60}"),
            (got, _) => assert_eq!(format!("{got:?}"), "", "{payload:.60}"),
        }
    }

    #[test]
    fn keeps_the_limits() {
        let deep = |n: usize| "[".repeat(n) + &"]".repeat(n);
        check(&deep(16), Ok(""));
        check(&deep(17), Err("deeper"));
        check(&deep(60_000), Err("deeper"));
        check(r#"{"a":1,"a":2}"#, Err("twice"));
        check(r#"{"a":"\u0000"}"#, Err("NUL"));
        check(&format!("\"{}\"", "x".repeat(4_097)), Err("4096"));
        let wide: Vec<String> = (0..257).map(|i| format!("\"k{i}\":0")).collect();
        check(&format!("{{{}}}", wide.join(",")), Err("256"));
        check("1e999", Err("too large"));
        check("NaN", Err("not JSON"));
        check("{} {}", Err("not JSON"));
        check("", Err("not JSON"));
    }

    #[test]
    fn walks_pointers() {
        let json = Json::parse(br#"{"a":[{"b/c":"1.5"}]}"#).expect("JSON");
        let pointer = ["a", "0", "b/c"].map(String::from);
        assert_eq!(json.at(&pointer).and_then(Json::number), Some(1.5));
        assert_eq!(json.at(&["a".into(), "1".into()]), None);
    }
}
