//! Schemas of accounts, sessions, tokens and walls: what is sent and what is answered.

use serde_json::{Value, json};

use super::shapes::{array, both, flag, int, maybe_int, object, reference, roles, text};
use crate::routes::Endpoint;
use crate::{Grant, Permission};

fn ids() -> Value {
    json!({ "type": ["array", "null"], "items": text() })
}

fn grants() -> Value {
    json!({ "type": "array", "items": reference("Grant"), "minItems": 1, "maxItems": Grant::MOST })
}

fn permissions() -> Value {
    array(json!({ "enum": Permission::ALL }))
}

fn source() -> Value {
    json!({ "enum": ["local", "oidc"] })
}

fn days() -> Value {
    json!({ "type": "integer", "minimum": 1, "maximum": 365 })
}

/// The JSON body of a route about accounts.
pub(super) fn request(endpoint: Endpoint) -> Option<Value> {
    let (required, fields): (&[&str], Value) = match endpoint {
        Endpoint::SignIn => {
            (&["user", "password"], json!({ "user": text(), "password": text(), "code": text() }))
        }
        Endpoint::SignInWall => (&["token"], json!({ "token": text() })),
        Endpoint::Confirm => (&["password"], json!({ "password": text(), "code": text() })),
        Endpoint::ChangePassword => (&["old", "new"], json!({ "old": text(), "new": text() })),
        Endpoint::ConfirmTotp => (&["code"], json!({ "code": text() })),
        Endpoint::BeginTotp | Endpoint::ResetPassword => (&[], json!({})),
        Endpoint::IssueOwnToken => (
            &["label", "grants", "days"],
            json!({ "label": text(), "grants": grants(), "days": days() }),
        ),
        Endpoint::AddPerson => (&["name", "grants"], json!({ "name": text(), "grants": grants() })),
        Endpoint::SetGrants => (&["grants"], json!({ "grants": grants() })),
        Endpoint::SetPersonState => (&["disabled"], json!({ "disabled": flag() })),
        Endpoint::IssueWall => (
            &["label", "view"],
            json!({
                "label": text(), "view": text(), "areas": ids(), "services": ids(),
                "days": { "type": ["integer", "null"], "minimum": 1, "maximum": 365 },
            }),
        ),
        _ => return None,
    };
    let mut schema = object(required, fields);
    schema["additionalProperties"] = json!(false);
    Some(schema)
}

/// The answers.
pub(super) fn people() -> Value {
    let provider = object(&["id", "name"], json!({ "id": text(), "name": both() }));
    let session = json!({
        "id": text(), "began": int(), "seen": int(), "address": text(), "agent": text(),
        "current": flag(),
    });
    let session = object(&["id", "began", "seen", "address", "agent", "current"], session);
    let token = json!({
        "id": int(), "user": text(), "label": text(), "grants": grants(), "created": int(),
        "expires": int(), "used": maybe_int(),
    });
    let token = object(&["id", "user", "label", "grants", "created", "expires"], token);
    let person = json!({
        "name": text(), "grants": grants(), "disabled": flag(), "created": int(), "totp": flag(),
        "source": source(), "seen": maybe_int(),
    });
    let person = object(&["name", "grants", "disabled", "created", "totp", "source"], person);
    let role = json!({ "role": roles(), "permissions": permissions() });
    let wall = json!({
        "id": int(), "label": text(), "view": text(), "user": text(), "areas": ids(),
        "services": ids(), "created": int(), "expires": maybe_int(), "used": maybe_int(),
    });
    json!({
        "Grant": object(&["role"], json!({
            "role": roles(), "areas": ids(), "services": ids(),
        })),
        "Identity": object(&["user", "role", "kind", "grants", "can", "change_password"], json!({
            "user": text(), "role": roles(), "kind": { "enum": ["person", "wall", "token"] },
            "view": text(), "token": int(), "grants": array(reference("Grant")),
            "can": permissions(), "change_password": flag(), "second_factor_needed": flag(),
            "expires": maybe_int(),
        })),
        "SignInOptions": object(&["password", "oidc"], json!({
            "password": flag(), "oidc": array(provider),
        })),
        "Account": object(&["user", "grants", "source", "totp"], json!({
            "user": text(), "grants": grants(), "source": source(), "totp": flag(),
            "recovery_left": int(), "password_changed": int(),
        })),
        "NewTotp": object(&["secret", "uri", "qr"], json!({
            "secret": text(), "uri": text(), "qr": text(),
        })),
        "RecoveryCodes": object(&["recovery"], json!({ "recovery": array(text()) })),
        "Sessions": object(&["sessions"], json!({ "sessions": array(session) })),
        "ApiTokens": object(&["tokens"], json!({ "tokens": array(token) })),
        "NewApiToken": object(&["id", "token", "expires"], json!({
            "id": int(), "token": text(), "expires": int(),
        })),
        "People": object(&["people", "roles"], json!({
            "people": array(person), "roles": array(object(&["role", "permissions"], role)),
        })),
        "NewPerson": object(&["name", "password"], json!({ "name": text(), "password": text() })),
        "NewPassword": object(&["password"], json!({ "password": text() })),
        "Walls": object(&["walls"], json!({
            "walls": array(object(&["id", "label", "view", "user", "created"], wall)),
        })),
        "NewWall": object(&["id", "token", "path"], json!({
            "id": int(), "token": text(), "path": text(), "expires": maybe_int(),
        })),
    })
}
