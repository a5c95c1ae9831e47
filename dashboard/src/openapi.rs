//! The OpenAPI 3.1 document, made from the table of routes.

mod alerts;
mod devices;
mod parameters;
mod people;
mod requests;
mod schemas;
mod shapes;
mod shared;

use serde_json::{Map, Value, json};

use requests::request_schema;
use shapes::reference;

use crate::routes::{Endpoint, Policy, ROUTES, Reach, Route};

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
            "schemas": all_schemas(),
            "securitySchemes": {
                "session": { "type": "apiKey", "in": "cookie", "name": crate::router::COOKIE_NAME },
                "token": { "type": "http", "scheme": "bearer" },
            },
        },
    })
}

fn all_schemas() -> Value {
    let parts = [
        schemas::schemas(),
        devices::devices(),
        alerts::alerts(),
        alerts::groups(),
        alerts::kpi(),
        alerts::desk(),
        shared::schemas(),
        people::people(),
    ];
    let fields = parts.into_iter().filter_map(|part| match part {
        Value::Object(fields) => Some(fields),
        _ => None,
    });
    Value::Object(fields.flatten().collect())
}

fn header(name: &str, required: bool, schema: Value) -> Value {
    json!({ "name": name, "in": "header", "required": required, "schema": schema })
}

fn operation(route: &Route) -> Value {
    let mut parameters: Vec<Value> = route.query.iter().map(parameters::query).collect();
    if let Some((_, name, _)) = route.placeholder() {
        parameters.push(parameters::placeholder(route, name));
    }
    if route.changes_state() {
        parameters.push(header("X-IOC-Request", true, json!({ "type": "string", "const": "1" })));
    }
    if acts(route.endpoint) {
        let key = json!({ "type": "string", "minLength": 1, "maxLength": 128 });
        parameters.push(header("Idempotency-Key", false, key));
    }
    if matches!(route.endpoint, Endpoint::Acknowledge | Endpoint::Act) {
        parameters.push(header("If-Match", false, json!({ "type": "string" })));
    }
    let mut operation = json!({
        "operationId": format!("{:?}", route.endpoint),
        "summary": route.about,
        "parameters": parameters,
        "responses": responses(route),
        "security": [],
    });
    match route.policy {
        Policy::Session => operation["security"] = json!([{ "session": [] }]),
        Policy::Needs(permission, reach) => {
            operation["security"] = json!([{ "session": [] }]);
            let reach = match reach {
                Reach::Common => "",
                Reach::Scoped => " The answer keeps to the areas and services of the grants.",
                Reach::City => " For the whole city.",
            };
            let need = format!("Permission: {}.{reach}", permission.as_str());
            operation["description"] = json!(need);
        }
        Policy::PublicIfSet => {
            operation["security"] = json!([{ "session": [] }, {}]);
            operation["description"] = json!("Open if `dashboard.public_cap` is set.");
        }
        Policy::PublicIfOpen => {
            operation["security"] = json!([{ "session": [] }, {}]);
            operation["description"] = json!("Open as far as `opendata.yaml` publishes.");
        }
        Policy::Open | Policy::Local => {}
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

fn acts(endpoint: Endpoint) -> bool {
    matches!(endpoint, Endpoint::Acknowledge | Endpoint::Act | Endpoint::ActOnMany)
}

fn error(about: &str) -> Value {
    json!({
        "description": about,
        "content": { "application/json": { "schema": reference("Error") } },
    })
}

/// What any route of its kind may answer: the checks before the handler, and how bodies are read.
fn refusals(route: &Route) -> Map<String, Value> {
    let mut all = Map::new();
    all.insert("400".into(), error("the path, a parameter, a header or the body is wrong"));
    all.insert("403".into(), error("not from this Host or Origin, or not permitted"));
    if !matches!(route.policy, Policy::Open | Policy::Local) {
        all.insert("401".into(), error("no session"));
    }
    if route.placeholder().is_some() || route.shared() {
        all.insert("404".into(), error("no such id, or not in the scope of who asks"));
    }
    if route.policy == Policy::PublicIfOpen {
        all.insert("429".into(), error("too many requests without a session: Retry-After"));
    }
    all.insert("414".into(), error("path and query are over 8 KiB"));
    if route.changes_state() && route.method != "DELETE" {
        all.insert("408".into(), error("the body did not come in time"));
        all.insert("413".into(), error(&format!("over {} KiB", route.body_limit / 1_024)));
    }
    if matches!(route.method, "POST" | "PATCH") {
        all.insert("415".into(), error("Content-Type is not application/json"));
    }
    if route.fresh {
        let about = "confirm_needed: the session must be confirmed; or not permitted";
        all.insert("403".into(), error(about));
    }
    all
}

fn responses(route: &Route) -> Value {
    let mut all = refusals(route);
    let (status, answer) = match (route.endpoint, route.answer) {
        (Endpoint::Socket | Endpoint::Mqtt, _) => {
            ("101", json!({ "description": "switching protocols" }))
        }
        (Endpoint::SignInOidc | Endpoint::OidcCallback, _) => {
            ("303", json!({ "description": "to the provider, or to the page" }))
        }
        (Endpoint::SignInLink, _) => ("303", json!({ "description": "to the page" })),
        (_, "") => ("204", json!({ "description": "done" })),
        (_, kind) if kind.contains('/') => (
            route.status,
            json!({
                "description": "text",
                "content": { kind: { "schema": { "type": "string" } } },
            }),
        ),
        (_, name) => (
            route.status,
            json!({
                "description": "the answer",
                "content": { "application/json": { "schema": reference(name) } },
            }),
        ),
    };
    all.insert(status.into(), answer);
    match route.endpoint {
        Endpoint::Acknowledge | Endpoint::Act => {
            let about = "refused: `by`, `at`, and `alert` as it stands; or the key is used up";
            all.insert("409".into(), error(about));
            all.insert("412".into(), error("If-Match: the alert has another version"));
        }
        Endpoint::ActOnMany => {
            all.insert("409".into(), error("the key was used for another request"));
        }
        Endpoint::Undo => {
            all.insert("409".into(), error("too late, not yours, or nothing to undo"));
        }
        Endpoint::PutRule | Endpoint::PatchRule | Endpoint::DeleteRule | Endpoint::RollBack => {
            all.insert("400".into(), error("the text is not one rule on lines of its own"));
            all.insert("409".into(), error("the folder cannot be written, or differs"));
            all.insert("412".into(), error("If-Match: another version runs, `version`"));
            all.insert("422".into(), error("the rules are wrong: `mistakes`; nothing changed"));
            all.insert("503".into(), error("another change is under way"));
        }
        Endpoint::CheckRules | Endpoint::StartBacktest => {
            all.insert("404".into(), error("`rollback`: no such version"));
            all.insert("409".into(), error("the folder of rules cannot be written, or differs"));
            all.insert("412".into(), error("If-Match: another version runs, `version`"));
            all.insert("422".into(), error("the rules are wrong: `mistakes`"));
            all.insert("503".into(), error("another change or backtest is under way"));
        }
        Endpoint::ImportDevices | Endpoint::PutDevice => {
            all.insert("409".into(), error("`devices.csv` of the configuration says otherwise"));
            all.insert("422".into(), error("wrong: `mistakes` with places; nothing changed"));
        }
        Endpoint::RemoveDevice | Endpoint::IssueDeviceToken => {
            all.insert("409".into(), error("one of `devices.csv`, or it has 8 tokens"));
        }
        Endpoint::SetDeviceState => {
            all.insert("409".into(), error("`devices.csv` of the configuration says otherwise"));
        }
        Endpoint::Personal => {
            all.insert("404".into(), error("this centre keeps no personal data"));
        }
        Endpoint::SignIn | Endpoint::SignInWall | Endpoint::Confirm | Endpoint::ChangePassword => {
            all.insert("401".into(), error("it is wrong, or the code is missing: `code_needed`"));
            all.insert("409".into(), error("the account has no password here"));
            all.insert("429".into(), error("too many attempts: Retry-After"));
        }
        Endpoint::BeginTotp | Endpoint::ConfirmTotp => {
            all.insert("409".into(), error("the account is a provider's, or nothing was begun"));
            all.insert("429".into(), error("too many attempts: Retry-After"));
        }
        Endpoint::AddPerson
        | Endpoint::SetGrants
        | Endpoint::SetPersonState
        | Endpoint::ResetPassword
        | Endpoint::RemovePerson
        | Endpoint::IssueOwnToken
        | Endpoint::IssueWall => {
            let about = "it exists, there are too many, it is a provider's, or the last \
                         administrator";
            all.insert("409".into(), error(about));
        }
        Endpoint::OidcCallback => {
            all.insert("429".into(), error("too many attempts: Retry-After"));
        }
        Endpoint::History | Endpoint::HistorySeries => {
            all.insert("503".into(), error("history does not answer"));
        }
        _ if route.shared() => shared::responses(route, &mut all),
        _ => {}
    }
    Value::Object(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The page's types are made of this file, so that a change of a shape here breaks its build.
    #[test]
    fn the_document_of_the_page_is_this_one() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/openapi.json");
        let document = serde_json::to_string_pretty(&document()).expect("JSON") + "\n";
        if std::env::var_os("IOC_GOLDEN").is_some() {
            std::fs::write(path, &document).expect("writes");
        }
        let golden = std::fs::read_to_string(path).unwrap_or_default();
        let hint = "renew it: IOC_GOLDEN=1 cargo test -p ioc-dashboard --lib openapi";
        assert!(golden == document, "golden/openapi.json is not what the server serves; {hint}");
    }

    #[test]
    fn every_route_is_described() {
        let document = document();
        for route in ROUTES {
            let operation = &document["paths"][route.path][route.method.to_ascii_lowercase()];
            assert_eq!(operation["summary"], route.about, "{} {}", route.method, route.path);
            let secured = operation["security"] != json!([]);
            let open = matches!(route.policy, Policy::Open | Policy::Local);
            assert_eq!(secured, !open, "{}", route.path);
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

    /// A value of every field, so that nothing is left out of its JSON.
    fn full_alert() -> Value {
        let mut row = crate::testing::alert(1, "air-000", ioc_model::Severity::Major);
        let at = Some(ioc_model::Timestamp(1));
        row.held.push(ioc_model::Held {
            by: ioc_model::HeldBy::Maintenance,
            id: "1".into(),
            until: None,
            who: "lan".into(),
            reason: "x".into(),
        });
        row.assignee =
            Some(ioc_model::Assignee { kind: ioc_model::AssigneeKind::Person, name: "lan".into() });
        row.incident = Some(ioc_model::IncidentId("1".into()));
        (row.resolved_at, row.closed_at, row.ack_due, row.resolve_due) = (at, at, at, at);
        row.links.push(ioc_model::Link { url: "/x".into(), title: "x".into() });
        json!(row)
    }

    /// Does the schema know exactly the fields that the value has, all the way down?
    fn check(document: &Value, schema: &Value, value: &Value, at: &str) {
        let schema = match schema["$ref"].as_str() {
            Some(name) => document.pointer(name.trim_start_matches('#')).expect("leads somewhere"),
            None => schema,
        };
        if let Some(some) = schema["oneOf"].as_array().filter(|_| !value.is_null()) {
            return check(document, &some[0], value, at);
        }
        match value {
            Value::Object(fields) if schema["properties"].is_object() => {
                let known = schema["properties"].as_object().expect("an object");
                let names = |m: &Map<String, Value>| {
                    m.keys().cloned().collect::<std::collections::BTreeSet<_>>()
                };
                assert_eq!(names(fields), names(known), "{at}");
                for needed in schema["required"].as_array().into_iter().flatten() {
                    let name = needed.as_str().expect("a name");
                    assert!(known.contains_key(name), "{at}.{name} is required and not described");
                }
                for (name, field) in fields {
                    check(document, &known[name], field, &format!("{at}.{name}"));
                }
            }
            Value::Array(items) => {
                for item in items {
                    check(document, &schema["items"], item, &format!("{at}[]"));
                }
            }
            Value::String(word) => {
                if let Some(words) = schema["enum"].as_array() {
                    assert!(words.contains(&json!(word)), "{at}: {word} is not in {words:?}");
                }
            }
            _ => {}
        }
    }

    #[test]
    fn schemas_of_alerts_know_every_field_that_is_sent() {
        use crate::testing::{FakeNotify, FakeShifts, hold, incident, kpi};
        use ioc_model::{Hold, KpiQuery, NotifyStore as _, ShiftStore as _, Timestamp};
        let document = document();
        let receiver = FakeNotify::default().receivers().expect("some").remove(0);
        let delivery = FakeNotify::default().retry("d-1", &actor()).expect("one");
        let handover = FakeShifts::default().handover(Timestamp(1), Timestamp(2)).expect("one");
        let ended = Hold { ended: Some((Timestamp(1), "lan".into())), ..hold() };
        let samples = [
            ("Alert", full_alert()),
            ("Counts", json!(crate::AlertCounts::default())),
            ("Incident", json!(incident())),
            ("Hold", json!(ended)),
            ("Kpi", json!(kpi(&KpiQuery::of(ioc_model::Scope::city())))),
            ("Shift", json!(handover.shifts[0])),
            ("ShiftEntry", json!(handover.entries[0])),
            ("PersonalRow", json!(crate::testing::personal_row(1))),
            ("Receiver", json!(receiver)),
            ("Delivery", json!(delivery)),
        ];
        for (name, sample) in samples {
            check(&document, &reference(name), &sample, name);
        }
        // The alert in it has no optional fields; the alert itself is checked above.
        let mut handover = json!(handover);
        handover["open"] = json!([full_alert()]);
        check(&document, &reference("Handover"), &handover, "Handover");
    }

    fn actor() -> ioc_model::Actor {
        ioc_model::Actor { user: "lan".into(), origin: None, at: ioc_model::Timestamp(1) }
    }

    #[test]
    fn answers_about_alerts_are_described_by_schemas_of_their_own() {
        let parts = ["alerts", "incidents", "holds", "audit", "kpi", "shifts", "notifications"];
        let mine = |r: &&Route| parts.iter().any(|p| r.path.starts_with(&format!("/api/v1/{p}")));
        let document = document();
        for route in ROUTES.iter().filter(mine) {
            assert!(!["", "Object"].contains(&route.answer), "{}", route.path);
            let operation = &document["paths"][route.path][route.method.to_ascii_lowercase()];
            let body = &operation["requestBody"]["content"]["application/json"]["schema"];
            assert_eq!(body.is_object(), route.changes_state(), "{} {}", route.method, route.path);
            assert!(operation["responses"][route.status]["content"].is_object(), "{}", route.path);
        }
    }

    #[test]
    fn every_action_of_the_model_has_a_body_schema_that_it_accepts() {
        let schema = request_schema(Endpoint::Act).expect("one");
        let schemas = schema["oneOf"].as_array().expect("some");
        let mut words = Vec::new();
        for schema in schemas {
            let word = schema["properties"]["action"]["const"].clone();
            let mut body = json!({ "action": word });
            for (name, field) in schema["properties"].as_object().expect("fields") {
                let sample = match name.as_str() {
                    "action" => continue,
                    "to" => json!({ "kind": "person", "name": "lan" }),
                    "link" => json!({ "url": "/x", "title": "x" }),
                    _ if field["type"] == "integer" => json!(1),
                    _ => json!("x"),
                };
                body[name] = sample;
            }
            let action: ioc_model::Action = serde_json::from_value(body).expect("an action");
            assert_eq!(action.kind().as_str(), word);
            words.push(action.kind());
        }
        assert_eq!(words, ioc_model::ActionKind::ALL);
    }
}
