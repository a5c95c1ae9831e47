//! Words of which the schemas are made.

use serde_json::{Value, json};

pub(super) fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

pub(super) fn maybe(name: &str) -> Value {
    json!({ "oneOf": [reference(name), { "type": "null" }] })
}

pub(super) fn object(required: &[&str], properties: Value) -> Value {
    json!({ "type": "object", "required": required, "properties": properties })
}

pub(super) fn array(of: Value) -> Value {
    json!({ "type": "array", "items": of })
}

pub(super) fn text() -> Value {
    json!({ "type": "string" })
}

pub(super) fn maybe_text() -> Value {
    json!({ "type": ["string", "null"] })
}

pub(super) fn int() -> Value {
    json!({ "type": "integer" })
}

pub(super) fn maybe_int() -> Value {
    json!({ "type": ["integer", "null"] })
}

pub(super) fn number() -> Value {
    json!({ "type": "number" })
}

pub(super) fn maybe_number() -> Value {
    json!({ "type": ["number", "null"] })
}

pub(super) fn flag() -> Value {
    json!({ "type": "boolean" })
}

pub(super) fn both() -> Value {
    reference("Text")
}

pub(super) fn severity() -> Value {
    json!({ "enum": ["info", "minor", "major", "critical", "emergency"] })
}

pub(super) fn roles() -> Value {
    json!({ "enum": crate::Role::ALL })
}

/// A moment and who: `[ms, "user"]`.
pub(super) fn moment_and_user() -> Value {
    json!({ "type": ["array", "null"], "prefixItems": [int(), text()], "maxItems": 2 })
}
