//! What a request's JSON may look like, checked before anything is made of it: serde keeps the
//! last of two equal keys where a map is read, takes 127 levels, and takes `\u0000`.

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::config::MAX_BODY_BYTES;
use crate::routes::{Endpoint, Route};

/// Bounds of one body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct JsonLimits {
    /// Objects and lists in one another.
    depth: usize,
    /// Keys of one object.
    keys: usize,
    /// Characters of one text, keys included.
    chars: usize,
}

const PLAIN: JsonLimits = JsonLimits { depth: 16, keys: 256, chars: 4_096 };

impl JsonLimits {
    /// Those of a route: some take whole documents as one text, or thousands of rows.
    pub fn of(route: &Route) -> Self {
        let texts = matches!(route.endpoint, Endpoint::CheckRules | Endpoint::StartBacktest);
        match (texts, route.body_limit > MAX_BODY_BYTES) {
            (_, true) => Self { keys: route.body_limit, chars: route.body_limit, ..PLAIN },
            (true, false) => Self { chars: route.body_limit, ..PLAIN },
            (false, false) => PLAIN,
        }
    }
}

/// Refuses a body that is no JSON or is over a limit.
///
/// # Errors
/// serde's, with the place.
pub(crate) fn check(body: &[u8], limits: JsonLimits) -> Result<(), serde_json::Error> {
    let mut from = serde_json::Deserializer::from_slice(body);
    Within { limits, left: limits.depth }.deserialize(&mut from)?;
    from.end()
}

/// One value, `left` levels above the deepest that may be.
#[derive(Clone, Copy)]
struct Within {
    limits: JsonLimits,
    left: usize,
}

impl Within {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        let left = self.left.checked_sub(1);
        let left = left.ok_or_else(|| too("deeper than", self.limits.depth, "levels"))?;
        Ok(Self { left, ..self })
    }

    fn text<E: Error>(self, text: &str) -> Result<(), E> {
        // Characters are never more than bytes.
        if text.len() > self.limits.chars && text.chars().count() > self.limits.chars {
            return Err(too("a text of more than", self.limits.chars, "characters"));
        }
        if text.contains('\0') {
            return Err(E::custom("a text holds U+0000"));
        }
        Ok(())
    }
}

fn too<E: Error>(what: &str, most: usize, of: &str) -> E {
    E::custom(format_args!("{what} {most} {of}"))
}

impl<'de> DeserializeSeed<'de> for Within {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Within {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.text(text)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let inner = self.deeper()?;
        while list.next_element_seed(inner)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        let inner = self.deeper()?;
        let mut seen = HashSet::new();
        while let Some(key) = object.next_key::<String>()? {
            self.text(&key)?;
            if seen.len() >= self.limits.keys {
                return Err(too("more than", self.limits.keys, "keys in one object"));
            }
            if !seen.insert(key) {
                return Err(A::Error::custom("a key is there twice in one object"));
            }
            object.next_value_seed(inner)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::routes::ROUTES;

    fn refused(body: &str) -> String {
        check(body.as_bytes(), PLAIN).expect_err(body).to_string()
    }

    #[test]
    fn takes_what_the_page_sends() {
        for good in
            ["{}", r#"{"a":[1,-2,3.5e3,null,true],"b":{"a":"Đà Nẵng\n"}}"#, " [ ] ", "7", r#""x""#]
        {
            assert!(check(good.as_bytes(), PLAIN).is_ok(), "{good}");
        }
    }

    #[test]
    fn depth_keys_and_texts_have_bounds() {
        let nested = |n: usize| "[".repeat(n) + &"]".repeat(n);
        assert!(check(nested(16).as_bytes(), PLAIN).is_ok());
        assert!(refused(&nested(17)).contains("16 levels"));
        let keys = |n: usize| {
            let pairs: Vec<String> = (0..n).map(|i| format!("\"k{i}\":0")).collect();
            format!("{{{}}}", pairs.join(","))
        };
        assert!(check(keys(256).as_bytes(), PLAIN).is_ok());
        assert!(refused(&keys(257)).contains("256 keys"));
        let text = |n: usize| format!("[\"{}\"]", "Đ".repeat(n));
        assert!(check(text(4_096).as_bytes(), PLAIN).is_ok());
        assert!(refused(&text(4_097)).contains("4096 characters"));
        let key = format!("{{\"{}\":1}}", "k".repeat(4_097));
        assert!(refused(&key).contains("characters"));
    }

    #[test]
    fn equal_keys_zero_characters_and_what_is_no_json_are_refused() {
        assert!(refused(r#"{"a":1,"b":2,"a":3}"#).contains("twice"));
        // The same key, written in another way.
        assert!(refused(r#"{"a":1,"\u0061":3}"#).contains("twice"));
        assert!(refused(r#"{"x":[{"a":1,"a":1}]}"#).contains("twice"));
        for nul in [r#"["\u0000"]"#, r#"{"a\u0000":1}"#, r#""x\u0000y""#] {
            assert!(refused(nul).contains("U+0000"), "{nul}");
        }
        for bad in ["", "{", "{} {}", "NaN", "1e999", "[1,]", "{'a':1}", "\u{feff}{}", "\"\u{1}\""]
        {
            refused(bad);
        }
        assert!(check(b"\"\xff\"", PLAIN).is_err());
    }

    #[test]
    fn only_named_routes_take_more() {
        for route in ROUTES.iter().filter(|r| r.changes_state()) {
            let more = [
                Endpoint::CheckRules,
                Endpoint::StartBacktest,
                Endpoint::ActOnMany,
                Endpoint::ImportDevices,
            ];
            let limits = JsonLimits::of(route);
            assert_eq!(limits != PLAIN, more.contains(&route.endpoint), "{}", route.path);
            assert_eq!(limits.depth, 16, "{}", route.path);
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[^\0]{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(12, 64, 8, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
                prop::collection::btree_map("[^\0]{0,4}", inner, 0..8)
                    .prop_map(|m| Value::Object(m.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_value_within_the_limits_passes(value in any_json()) {
            let body = serde_json::to_vec(&value).expect("writes");
            prop_assert!(check(&body, PLAIN).is_ok(), "{}", value);
        }

        #[test]
        fn no_bytes_make_it_panic(body in prop::collection::vec(any::<u8>(), 0..64)) {
            let strict = check(&body, PLAIN).is_ok();
            let lax = serde_json::from_slice::<Value>(&body).is_ok();
            prop_assert!(lax || !strict);
        }
    }
}
