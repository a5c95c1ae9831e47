//! Schemas of the device registry and of what was received.

use serde_json::{Value, json};

use super::shapes::{
    array, both, flag, int, maybe_int, maybe_number, maybe_text, number, object, reference, text,
};

fn device() -> Value {
    let place = object(&["lat", "lon"], json!({ "lat": number(), "lon": number() }));
    let field = json!({ "name": text(), "property": text(), "unit": maybe_text() });
    let field = object(&["name", "property"], field);
    let words = json!({ "type": "object", "additionalProperties": text() });
    object(
        &["id", "name", "service", "area"],
        json!({
            "id": text(), "name": both(), "kind": text(), "service": text(), "area": text(),
            "place": place, "properties": array(text()), "cadence_s": int(),
            "parent": maybe_text(), "segment": maybe_text(), "bridge": flag(),
            "topics": array(text()), "aliases": array(text()), "fields": array(field),
            "contact": maybe_text(), "tags": words,
            "state": { "enum": ["approved", "pending", "blocked"] },
            "origin": { "enum": ["config", "people", "auto"] },
            "since": int(), "changed": int(),
        }),
    )
}

fn message() -> Value {
    let outcome = ["accepted", "warned", "duplicate", "refused", "shed"];
    object(
        &["at", "topic", "payload", "outcome"],
        json!({
            "at": int(), "source": text(), "topic": text(), "payload": text(), "bytes": int(),
            "format": text(), "outcome": { "enum": outcome }, "reason": text(),
            "detail": text(), "records": array(reference("Object")), "ignored": array(text()),
        }),
    )
}

pub(super) fn devices() -> Value {
    let token = object(
        &["id", "label", "created", "created_by"],
        json!({
            "id": int(), "label": text(), "created": int(), "created_by": text(),
            "last_used": maybe_int(),
        }),
    );
    let counts = json!({ "approved": int(), "pending": int(), "blocked": int() });
    let imported = json!({ "added": int(), "changed": int(), "same": int() });
    json!({
        "RegisteredDevice": device(),
        "Registry": object(&["devices", "counts"], json!({
            "devices": array(reference("RegisteredDevice")), "counts": object(&[], counts),
            "next": maybe_text(),
        })),
        "Imported": object(&["done", "import"], json!({
            "done": flag(), "import": object(&[], imported),
        })),
        "Token": token,
        "Tokens": object(&["tokens"], json!({ "tokens": array(reference("Token")) })),
        "NewToken": object(&["device", "token", "info"], json!({
            "device": text(), "token": text(), "info": reference("Token"),
        })),
        "Received": object(&["messages", "accepted", "refused", "recent"], json!({
            "messages": int(), "accepted": int(), "duplicates": int(), "refused": int(),
            "refused_by": { "type": "object", "additionalProperties": int() },
            "last": maybe_int(), "rate_per_min": maybe_number(), "cadence_s": maybe_number(),
            "skew_ms": maybe_int(), "clock": { "enum": ["good", "ahead", "behind"] },
            "properties": array(text()), "recent": array(message()),
        })),
        "Rerun": object(&["tried", "accepted"], json!({
            "tried": int(), "accepted": int(), "duplicates": int(), "refused": int(),
            "masked": int(),
        })),
    })
}
