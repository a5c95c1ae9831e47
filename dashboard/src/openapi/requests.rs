//! Schemas of request bodies.

use serde_json::{Value, json};

use super::alerts::{assignee, link, scope};
use super::shapes::{array, int, object, text};
use crate::routes::Endpoint;

/// One schema per action, told apart by `action`; with `alerts` in a request for many.
fn action(many: bool) -> Value {
    let target = object(&["id"], json!({ "id": text(), "version": int() }));
    let kinds: [(&str, &[&str], Value); 12] = [
        ("acknowledge", &[], json!({ "note": text() })),
        ("assign", &["to"], json!({ "to": assignee(), "note": text() })),
        ("comment", &["text"], json!({ "text": text() })),
        ("link", &["link"], json!({ "link": link() })),
        ("shelve", &["until", "reason"], json!({ "until": int(), "reason": text() })),
        ("unshelve", &[], json!({ "note": text() })),
        ("start", &[], json!({ "note": text() })),
        ("resolve", &[], json!({ "note": text() })),
        ("close", &[], json!({ "note": text() })),
        ("reject", &["reason"], json!({ "reason": text() })),
        ("merge", &["into"], json!({ "into": text() })),
        ("split", &[], json!({ "note": text() })),
    ];
    let schemas = kinds.map(|(word, needed, mut fields)| {
        fields["action"] = json!({ "const": word });
        let mut required = [&["action"], needed].concat();
        if many {
            fields["alerts"] = array(target.clone());
            fields["alerts"]["maxItems"] = ioc_model::ActionRequest::MAX_TARGETS.into();
            required.push("alerts");
        }
        object(&required, fields)
    });
    json!({ "oneOf": schemas })
}

fn hold() -> Value {
    object(
        &["by", "scope", "reason"],
        json!({
            "by": { "enum": ["maintenance", "out_of_service"] }, "scope": scope(),
            "from": int(), "until": int(), "reason": text(),
        }),
    )
}

/// The JSON body of a route that takes one.
pub(super) fn request_schema(endpoint: Endpoint) -> Option<Value> {
    if let Some(schema) = super::people::request(endpoint) {
        return Some(schema);
    }
    match endpoint {
        Endpoint::Acknowledge | Endpoint::EndHold | Endpoint::RollBack => {
            Some(object(&[], json!({ "note": text() })))
        }
        Endpoint::Act => Some(action(false)),
        Endpoint::ActOnMany => Some(action(true)),
        Endpoint::OpenHold => Some(hold()),
        Endpoint::Undo | Endpoint::EntryDone | Endpoint::TestReceiver | Endpoint::RetryDelivery => {
            Some(object(&[], json!({})))
        }
        Endpoint::PutDevice => Some(super::shapes::reference("RegisteredDevice")),
        Endpoint::ImportDevices => Some(object(
            &["format", "text"],
            json!({
                "format": { "enum": ["csv", "geojson"] }, "file": text(), "text": text(),
                "dry_run": { "type": "boolean" },
            }),
        )),
        Endpoint::SetDeviceState => {
            Some(object(&["state"], json!({ "state": { "enum": ["approved", "blocked"] } })))
        }
        Endpoint::IssueDeviceToken => Some(object(&["label"], json!({ "label": text() }))),
        Endpoint::Rerun => {
            Some(object(&[], json!({ "device": text(), "reason": text(), "limit": int() })))
        }
        Endpoint::Reveal => Some(object(
            &["reason"],
            json!({ "reason": { "type": "string", "minLength": 10, "maxLength": 500 } }),
        )),
        Endpoint::BeginShift => Some(object(&["position"], json!({ "position": text() }))),
        Endpoint::EndShift => Some(object(&[], json!({ "handover": text() }))),
        Endpoint::WriteEntry => Some(object(
            &["text"],
            json!({ "text": text(), "alert": text(), "open": { "type": "boolean" } }),
        )),
        Endpoint::PatchRule => Some(object(
            &["mode"],
            json!({
                "mode": { "enum": ["on", "shadow", "off"] }, "note": text(),
            }),
        )),
        Endpoint::CheckRules | Endpoint::StartBacktest => Some(object(
            &[],
            json!({
                "id": text(), "text": text(), "mode": text(), "delete": { "type": "boolean" },
                "rollback": { "type": "integer" }, "from": { "type": "integer" },
                "to": { "type": "integer" },
            }),
        )),
        _ => None,
    }
}
