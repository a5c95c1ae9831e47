//! A JSON value as a flat list of nodes, for formats that come by the million: one scan, nothing
//! allocated per message, numbers read only where somebody asks. The limits are those of
//! [`super::json::Json`]; tests hold the two against each other.

use std::cell::Cell;

use ioc_model::QuarantineReason;

use super::Refusal;
use super::json::{DEPTH, FIELDS, Json, TEXT_BYTES};

mod scan;

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Null,
    True,
    False,
    Number,
    Text,
    Array,
    Object,
}

/// Bytes `at..at + len` of the payload, or of the unescaped texts.
#[derive(Clone, Copy, Debug)]
struct Slice {
    at: u32,
    len: u32,
    unescaped: bool,
}

impl Slice {
    const NONE: Self = Self { at: 0, len: 0, unescaped: false };
}

#[derive(Clone, Copy, Debug)]
struct Node {
    /// Name of the field; empty in arrays.
    key: Slice,
    /// Digits or text.
    text: Slice,
    kind: Kind,
    /// Index after the last node inside.
    end: u32,
}

/// The room for a value; kept by the thread from message to message.
#[derive(Debug, Default)]
pub(super) struct Tape {
    nodes: Vec<Node>,
    /// Texts that hold escapes, unescaped.
    texts: String,
}

/// Nodes of a kept tape; a larger one is given back.
const KEPT_NODES: usize = 4_096;

thread_local! {
    static ROOM: Cell<Tape> = Cell::default();
}

/// Reads `payload` as exactly one JSON value and hands it to `then`.
pub(super) fn with<T>(
    payload: &[u8],
    then: impl FnOnce(Value<'_>) -> Result<T, Refusal>,
) -> Result<T, Refusal> {
    let text = std::str::from_utf8(payload).map_err(|e| {
        let detail = format!("not JSON: byte {} is not UTF-8", e.valid_up_to());
        Refusal::new(QuarantineReason::Malformed, detail)
    })?;
    let mut tape = ROOM.take();
    let end = scan::scan(text, &mut tape).and_then(|()| then(Value { text, tape: &tape, node: 0 }));
    if tape.nodes.capacity() <= KEPT_NODES {
        tape.nodes.clear();
        tape.texts.clear();
        tape.texts.shrink_to(TEXT_BYTES);
        ROOM.set(tape);
    }
    end
}

/// One value of a tape.
#[derive(Clone, Copy)]
pub(super) struct Value<'t> {
    text: &'t str,
    tape: &'t Tape,
    node: u32,
}

impl<'t> Value<'t> {
    fn node(self) -> &'t Node {
        &self.tape.nodes[self.node as usize]
    }

    fn slice(self, slice: Slice) -> &'t str {
        let from = if slice.unescaped { &self.tape.texts } else { self.text };
        // The scan made the slice: it lies inside, between whole characters.
        from.get(slice.at as usize..(slice.at + slice.len) as usize).unwrap_or_default()
    }

    /// The values directly inside, each with its name (empty in arrays).
    pub(super) fn fields(self) -> impl Iterator<Item = (&'t str, Self)> {
        let end = self.node().end;
        let mut at = self.node + 1;
        std::iter::from_fn(move || {
            let value = (at < end).then_some(Self { node: at, ..self })?;
            at = value.node().end;
            Some((value.slice(value.node().key), value))
        })
    }

    /// A field of an object.
    pub(super) fn get(self, field: &str) -> Option<Self> {
        if self.node().kind != Kind::Object {
            return None;
        }
        self.fields().find(|(name, _)| *name == field).map(|(_, v)| v)
    }

    /// The items of an array.
    pub(super) fn items(self) -> Option<impl Iterator<Item = Self>> {
        (self.node().kind == Kind::Array).then(|| self.fields().map(|(_, v)| v))
    }

    /// Whether it is the very same value of the same payload.
    pub(super) fn is_same(self, other: Self) -> bool {
        self.node == other.node
    }

    pub(super) fn is_object(self) -> bool {
        self.node().kind == Kind::Object
    }

    pub(super) fn is_array(self) -> bool {
        self.node().kind == Kind::Array
    }

    /// Null or a truth value: what models allow where there is no number.
    pub(super) fn is_nothing(self) -> bool {
        matches!(self.node().kind, Kind::Null | Kind::True | Kind::False)
    }

    pub(super) fn is_null(self) -> bool {
        self.node().kind == Kind::Null
    }

    /// A number as it is written.
    pub(super) fn digits(self) -> Option<&'t str> {
        (self.node().kind == Kind::Number).then(|| self.slice(self.node().text))
    }

    pub(super) fn truth(self) -> Option<bool> {
        match self.node().kind {
            Kind::True => Some(true),
            Kind::False => Some(false),
            _ => None,
        }
    }

    pub(super) fn text(self) -> Option<&'t str> {
        (self.node().kind == Kind::Text).then(|| self.slice(self.node().text))
    }

    /// The number; texts that hold nothing but a number count, as many senders quote them.
    pub(super) fn number(self) -> Option<f64> {
        match self.node().kind {
            Kind::Number => self.slice(self.node().text).parse().ok(),
            Kind::Text => self.json().number(),
            _ => None,
        }
    }

    /// A value without others inside as a tree has it; those with others are null.
    pub(super) fn json(self) -> Json<'t> {
        match self.node().kind {
            Kind::Null | Kind::Array | Kind::Object => Json::Null,
            Kind::True => Json::Bool(true),
            Kind::False => Json::Bool(false),
            Kind::Text => Json::Text(self.slice(self.node().text).into()),
            Kind::Number => {
                let digits = self.slice(self.node().text);
                let integer = || digits.parse().ok().map(Json::Integer);
                // `-0` is a float, as serde has it.
                integer()
                    .filter(|_| digits != "-0")
                    .unwrap_or_else(|| Json::Number(digits.parse().unwrap_or_default()))
            }
        }
    }
}

#[cfg(test)]
mod tests;
