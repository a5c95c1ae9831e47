//! The OpenAPI 3.1 document, made from the table of routes.

use serde_json::{Map, Value, json};

use crate::routes::{Endpoint, Param, Policy, ROUTES, Route};

/// `GET /api/v1/openapi.json`.
pub(crate) fn document() -> Value {
    let mut paths = Map::new();
    for route in ROUTES {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method.to_ascii_lowercase()] = operation(route);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "ioc",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Times are integer milliseconds since the epoch (UTC).",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "paths": paths,
        "components": {
            "schemas": schemas(),
            "securitySchemes": {
                "session": { "type": "apiKey", "in": "cookie", "name": crate::router::COOKIE_NAME },
            },
        },
    })
}

fn operation(route: &Route) -> Value {
    let mut parameters: Vec<Value> = route.query.iter().map(query_parameter).collect();
    if route.path.contains("{id}") {
        parameters.push(json!({
            "name": "id", "in": "path", "required": true, "schema": { "type": "string" },
        }));
    }
    if route.changes_state() {
        parameters.push(json!({
            "name": "X-IOC-Request", "in": "header", "required": true,
            "schema": { "type": "string", "const": "1" },
        }));
    }
    let mut operation = json!({
        "operationId": format!("{:?}", route.endpoint),
        "summary": route.about,
        "parameters": parameters,
        "responses": responses(route),
        "security": [],
    });
    if let Policy::AtLeast(role) = route.policy {
        operation["security"] = json!([{ "session": [] }]);
        operation["description"] = json!(format!("Role: {} or higher.", role.as_str()));
    }
    if route.endpoint == Endpoint::PutRule {
        operation["requestBody"] = json!({
            "required": true,
            "content": { "application/yaml": { "schema": { "type": "string" } } },
        });
    }
    if let Some(schema) = request_schema(route.endpoint) {
        operation["requestBody"] = json!({
            "required": true, "content": { "application/json": { "schema": schema } },
        });
    }
    operation
}

fn query_parameter(param: &Param) -> Value {
    json!({
        "name": param.name, "in": "query", "required": param.required,
        "description": param.about, "schema": { "type": param.kind },
    })
}

fn responses(route: &Route) -> Value {
    let error = |about: &str| {
        json!({
            "description": about,
            "content": { "application/json": { "schema": reference("Error") } },
        })
    };
    let mut all = Map::new();
    let (status, answer) = match (route.endpoint, route.answer) {
        (Endpoint::Socket, _) => ("101", json!({ "description": "switching protocols" })),
        (Endpoint::SignInLink, _) => ("303", json!({ "description": "to the page" })),
        (_, "") => ("204", json!({ "description": "done" })),
        (_, "text") => (
            "200",
            json!({
                "description": "text",
                "content": { "text/plain": { "schema": { "type": "string" } } },
            }),
        ),
        (_, name) => (
            "200",
            json!({
                "description": "the answer",
                "content": { "application/json": { "schema": reference(name) } },
            }),
        ),
    };
    all.insert(status.into(), answer);
    if route.policy != Policy::Open {
        all.insert("401".into(), error("no session"));
        all.insert("403".into(), error("not allowed"));
    }
    if !route.query.is_empty() || request_schema(route.endpoint).is_some() {
        all.insert("400".into(), error("a parameter or the body is wrong"));
    }
    if route.path.contains("{id}") {
        all.insert("404".into(), error("no such id"));
    }
    match route.endpoint {
        Endpoint::Acknowledge => {
            all.insert("409".into(), error("somebody was faster: `by`, `at`"));
        }
        Endpoint::PutRule | Endpoint::PatchRule | Endpoint::DeleteRule | Endpoint::RollBack => {
            all.insert("400".into(), error("the text is not one rule on lines of its own"));
            all.insert("409".into(), error("the folder cannot be written, or differs"));
            all.insert("412".into(), error("If-Match: another version runs, `version`"));
            all.insert("422".into(), error("the rules are wrong: `mistakes`; nothing changed"));
        }
        Endpoint::CheckRules | Endpoint::StartBacktest => {
            all.insert("422".into(), error("the rules are wrong: `mistakes`"));
        }
        Endpoint::SignIn => {
            all.insert("401".into(), error("user or password is wrong"));
            all.insert("429".into(), error("too many attempts: Retry-After"));
        }
        Endpoint::History | Endpoint::HistorySeries => {
            all.insert("503".into(), error("history does not answer"));
        }
        _ => {}
    }
    Value::Object(all)
}

fn request_schema(endpoint: Endpoint) -> Option<Value> {
    let text = json!({ "type": "string" });
    match endpoint {
        Endpoint::SignIn => Some(object(
            &["user", "password"],
            json!({
                "user": text, "password": text,
            }),
        )),
        Endpoint::Acknowledge | Endpoint::RollBack => Some(object(&[], json!({ "note": text }))),
        Endpoint::PatchRule => Some(object(
            &["mode"],
            json!({
                "mode": { "enum": ["on", "shadow", "off"] }, "note": text,
            }),
        )),
        Endpoint::CheckRules | Endpoint::StartBacktest => Some(object(
            &[],
            json!({
                "id": text, "text": text, "mode": text, "delete": { "type": "boolean" },
                "rollback": { "type": "integer" }, "from": { "type": "integer" },
                "to": { "type": "integer" },
            }),
        )),
        _ => None,
    }
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn maybe(name: &str) -> Value {
    json!({ "oneOf": [reference(name), { "type": "null" }] })
}

/// Why a rule changed its mind; what there is nothing of is left out.
fn evidence() -> Value {
    let text = || json!({ "type": "string" });
    let maybe_text = || json!({ "type": ["string", "null"] });
    let int = || json!({ "type": "integer" });
    let maybe_number = || json!({ "type": ["number", "null"] });
    let reading = json!({
        "device": text(), "property": text(), "time": int(), "value": { "type": "number" },
    });
    let window = json!({
        "from": int(), "to": int(), "count": int(), "min": maybe_number(),
        "max": maybe_number(), "value": maybe_number(),
    });
    let limit = json!({
        "comparison": text(), "threshold": maybe_text(), "source": maybe_text(),
        "effective": maybe_text(),
    });
    let timer = json!({ "name": text(), "since": int(), "until": int() });
    let fact = json!({ "name": text(), "value": maybe_number(), "text": maybe_text() });
    object(
        &[],
        json!({
            "readings": array(object(&["device", "property", "time", "value"], reading)),
            "window": object(&["from", "to", "count"], window),
            "limit": object(&["comparison"], limit),
            "timers": array(object(&["name", "since", "until"], timer)),
            "inhibited_by": array(text()),
            "facts": array(object(&["name"], fact)),
        }),
    )
}

fn object(required: &[&str], properties: Value) -> Value {
    json!({ "type": "object", "required": required, "properties": properties })
}

fn array(of: Value) -> Value {
    json!({ "type": "array", "items": of })
}

/// A rule; `canonical` and `running` only where one rule is asked for.
fn rule(text: &dyn Fn() -> Value, int: &dyn Fn() -> Value, both: &dyn Fn() -> Value) -> Value {
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

fn schemas() -> Value {
    let text = || json!({ "type": "string" });
    let maybe_text = || json!({ "type": ["string", "null"] });
    let int = || json!({ "type": "integer" });
    let maybe_int = || json!({ "type": ["integer", "null"] });
    let number = || json!({ "type": "number" });
    let maybe_number = || json!({ "type": ["number", "null"] });
    let severity = || json!({ "enum": ["info", "minor", "major", "critical", "emergency"] });
    let flag = || json!({ "type": "boolean" });
    let both = || reference("Text");
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
        "Identity": object(&["user", "role"], json!({
            "user": text(), "role": { "enum": ["viewer", "operator", "administrator"] },
        })),
        "Devices": object(&["rev", "devices"], json!({
            "rev": int(), "devices": array(object(&["idx", "id"], device)),
        })),
        "Device": object(&["idx", "id", "latest"], detail),
        "Alert": object(&["id", "ver", "change", "severity", "condition", "acknowledged"], json!({
            "id": text(), "ver": int(), "change": int(), "rule": text(),
            "entity": { "type": "object" }, "device": maybe_text(), "area": text(),
            "service": text(), "severity": severity(), "severity_max": severity(),
            "condition": { "enum": ["active", "returned"] }, "acknowledged": flag(),
            "raised_at": int(), "changed_at": int(), "cleared_at": maybe_int(),
            "acknowledged_at": maybe_int(), "acknowledged_by": maybe_text(),
            "note": maybe_text(), "value": maybe_number(), "limit": maybe_number(),
            "unit": text(), "name": both(), "message": both(),
        })),
        "AlertWithAudit": object(&["alert", "audit"], json!({
            "alert": reference("Alert"), "audit": array(reference("Audit")),
        })),
        "Audit": object(&["seq", "action", "actor", "at", "severity"], json!({
            "seq": int(),
            "action": { "enum": ["raise", "severity", "clear", "acknowledge"] },
            "actor": text(), "at": int(), "severity": severity(), "value": maybe_number(),
            "limit": maybe_number(), "note": maybe_text(), "message": maybe("Text"),
            "evidence": maybe("Evidence"),
        })),
        "Evidence": evidence(),
        "Alerts": object(&["alerts", "change", "next", "counts"], json!({
            "alerts": array(reference("Alert")), "change": int(), "next": maybe_text(),
            "counts": { "type": "object" },
        })),
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
        "Rule": object(&["id", "kind", "mode", "source"], rule(&text, &int, &both)),
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
            "agg": maybe_text(), "truncated": flag(),
            "points": array(array(number())),
        })),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_described() {
        let document = document();
        for route in ROUTES {
            let operation = &document["paths"][route.path][route.method.to_ascii_lowercase()];
            assert_eq!(operation["summary"], route.about, "{} {}", route.method, route.path);
            let secured = operation["security"] != json!([]);
            assert_eq!(secured, matches!(route.policy, Policy::AtLeast(_)), "{}", route.path);
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        fn walk(value: &Value, found: &mut Vec<String>) {
            match value {
                Value::Object(fields) => {
                    found.extend(fields.get("$ref").and_then(Value::as_str).map(String::from));
                    fields.values().for_each(|v| walk(v, found));
                }
                Value::Array(items) => items.iter().for_each(|v| walk(v, found)),
                _ => {}
            }
        }
        let document = document();
        let mut found = Vec::new();
        walk(&document, &mut found);
        assert!(found.len() > 20);
        for reference in found {
            let pointer = reference.trim_start_matches('#');
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
    }
}
