//! Schemas of everything but alerts.

use serde_json::{Value, json};

use super::shapes::{
    array, both, flag, int, maybe_int, maybe_number, maybe_text, number, object, reference, text,
};

/// A rule; `canonical` and `running` only where one rule is asked for.
fn rule() -> Value {
    json!({
        "id": text(), "kind": text(), "per": text(), "mode": { "enum": ["on", "shadow", "off"] },
        "service": text(), "name": both(), "file": text(), "line": int(), "source": text(),
        "canonical": text(), "running": int(),
        "cost": object(&[], json!({
            "entities": int(), "open_episodes": int(), "state_bytes": int(),
            "evaluations": int(), "transitions": int(), "cpu_ns": int(),
        })),
        "changed": { "type": ["object", "null"] },
    })
}

pub(super) fn schemas() -> Value {
    let device = json!({
        "idx": int(), "id": text(), "name": both(), "kind": text(), "service": text(),
        "area": text(), "lat": maybe_number(), "lon": maybe_number(),
        "properties": array(text()), "cadence_s": int(), "configured": flag(),
    });
    let value = object(
        &["property", "time", "received", "value", "quality"],
        json!({
            "property": text(), "time": int(), "received": int(), "value": number(),
            "quality": { "enum": ["good", "uncertain", "bad"] },
        }),
    );
    let mut detail = device.clone();
    detail["latest"] = array(value);
    detail["last_message"] = maybe_int();
    detail["quarantined"] = array(reference("Object"));
    json!({
        "Object": { "type": "object" },
        "Text": object(&["vi", "en"], json!({ "vi": text(), "en": text() })),
        "Error": object(&["code", "message", "request_id"], json!({
            "code": text(), "message": text(), "request_id": text(),
        })),
        "Devices": object(&["rev", "devices"], json!({
            "rev": int(), "devices": array(object(&["idx", "id"], device)),
        })),
        "Device": object(&["idx", "id", "latest"], detail),
        "Tile": object(&["id", "feeds", "devices", "fresh", "open_alerts"], json!({
            "id": text(), "feeds": flag(), "devices": int(), "fresh": int(),
            "newest": maybe_int(), "open_alerts": int(),
            "indicators": array(object(&["property", "n"], json!({
                "property": text(), "value": maybe_number(), "min": maybe_number(),
                "max": maybe_number(), "n": int(),
            }))),
            "worst": { "enum": ["info", "minor", "major", "critical", "emergency", null] },
        })),
        "Services": object(&["services"], json!({ "services": array(reference("Tile")) })),
        "Rule": object(&["id", "kind", "mode", "source"], rule()),
        "Rules": object(&["version", "rules"], json!({
            "version": int(), "read_only": maybe_text(),
            "trouble": { "type": ["object", "null"] },
            "rules": array(reference("Rule")),
        })),
        "RuleOutcome": object(&["version", "change"], json!({
            "version": int(), "position": maybe_int(), "rules": int(), "tests": int(),
            "change": object(&[], json!({
                "added": array(text()), "edited": array(text()), "removed": array(text()),
            })),
            "notes": array(reference("Object")), "trial": { "type": ["object", "null"] },
        })),
        "History": object(&["device", "property", "points", "truncated"], json!({
            "device": text(), "property": text(), "unit": text(), "step": maybe_int(),
            "offset": maybe_int(), "agg": maybe_text(), "truncated": flag(),
            "tier": { "enum": ["raw", "minute", "hour"] }, "raw_from": maybe_int(),
            "points": array(array(number())),
        })),
    })
}
