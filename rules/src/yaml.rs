//! YAML as a tree in which every value knows its place, so that all mistakes of a file can be
//! told at once; serde structs stop at the first.

use std::fmt;

use ioc_model::ConfigError;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

/// A value and where it stands (line and column from 1).
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) value: Value,
}

#[derive(Clone, Debug)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) name: String,
}

impl Value {
    /// What it is, for "expected …, found …".
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "true/false",
            Self::Number(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }
}

/// Reads one YAML document.
pub(crate) fn parse(file: &str, text: &str) -> Result<Node, ConfigError> {
    let options = serde_saphyr::options! { with_snippet: false };
    serde_saphyr::from_str_with_options::<Node>(text, options).map_err(|e| {
        let (line, column) =
            e.location().map_or((0, 0), |l| (l.line() as usize, l.column() as usize));
        let message = e.render_with_formatter(&serde_saphyr::UserMessageFormatter);
        // The place is already in the error: the library's own " at line …" would repeat it.
        let message = message.split(" at line ").next().unwrap_or(&message);
        ConfigError::new(file, line, column, format!("not valid YAML: {message}"))
    })
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let s = Spanned::<Value>::deserialize(deserializer)?;
        let (line, column) = (s.referenced.line() as usize, s.referenced.column() as usize);
        Ok(Self { line, column, value: s.value })
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
        Ok(Value::Bool(v))
    }

    fn visit_i64<E>(self, v: i64) -> Result<Value, E> {
        Ok(Value::Number(v as f64))
    }

    fn visit_u64<E>(self, v: u64) -> Result<Value, E> {
        Ok(Value::Number(v as f64))
    }

    fn visit_f64<E>(self, v: f64) -> Result<Value, E> {
        Ok(Value::Number(v))
    }

    fn visit_str<E>(self, v: &str) -> Result<Value, E> {
        Ok(Value::Text(v.to_owned()))
    }

    fn visit_string<E>(self, v: String) -> Result<Value, E> {
        Ok(Value::Text(v))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element::<Node>()? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            let (line, column) = (key.referenced.line() as usize, key.referenced.column() as usize);
            entries.push((Key { line, column, name: key.value }, map.next_value::<Node>()?));
        }
        Ok(Value::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_and_key_knows_its_place() {
        let root = parse("x", "a: 1\nlist:\n  - b: \"q\"\n    c: {d: true}\n").expect("valid");
        let Value::Map(top) = root.value else { unreachable!("a map") };
        assert_eq!((top[1].0.line, top[1].0.column), (2, 1));
        let Value::List(items) = &top[1].1.value else { unreachable!("a list") };
        let Value::Map(item) = &items[0].value else { unreachable!("a map") };
        assert_eq!((item[0].1.line, item[0].1.column), (3, 8));
        let Value::Map(inner) = &item[1].1.value else { unreachable!("a map") };
        assert_eq!((inner[0].0.line, inner[0].0.column), (4, 9));
    }
}
