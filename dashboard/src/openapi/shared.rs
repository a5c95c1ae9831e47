//! What the routes of `ioc_share` answer: files in several formats, errors without a request id
//! in the body (the header `X-Request-Id` has it).

use serde_json::{Map, Value, json};

use super::shapes::{int, object, reference, text};
use crate::routes::{Endpoint, Route};

/// Schema of their errors.
pub(super) fn schemas() -> Value {
    json!({
        "ShareError": object(&["code", "message"], json!({
            "code": text(), "message": text(), "message_vi": text(), "request_id": text(),
            "option": text(), "position": int(), "hint": text(),
        })),
    })
}

fn content(kinds: &[&str]) -> Value {
    let object = json!({ "schema": { "type": "object" } });
    let text = json!({ "schema": { "type": "string" } });
    let of = |kind: &&str| {
        let body = if kind.ends_with("json") { object.clone() } else { text.clone() };
        ((*kind).to_owned(), body)
    };
    kinds.iter().map(of).collect::<Map<_, _>>().into()
}

/// The 200 of a route.
fn good(endpoint: Endpoint) -> Value {
    let kinds: &[&str] = match endpoint {
        Endpoint::Export => {
            &["text/csv", "application/vnd.apache.parquet", "application/geo+json", "text/plain"]
        }
        Endpoint::OpenData | Endpoint::OpenDataPart => {
            &["text/html", "application/ld+json", "application/geo+json", "text/csv"]
        }
        _ => &["application/json", "text/plain"],
    };
    json!({ "description": "the answer, in the format that was asked for", "content": content(kinds) })
}

/// Puts the answers of these routes over those that all routes have.
pub(super) fn responses(route: &Route, all: &mut Map<String, Value>) {
    all.insert("200".into(), good(route.endpoint));
    let error = json!({ "schema": reference("ShareError") });
    let page = json!({ "schema": { "type": "string" } });
    let mut words = vec![("400", "a parameter or an option is wrong")];
    words.push(("404", "not there, not published, or not in the scope of who asks"));
    words.push(("503", "the store does not answer, or too many read at once: Retry-After"));
    if route.endpoint == Endpoint::SensorThingsPart {
        all.insert("204".into(), json!({ "description": "a property without a value" }));
        words.push(("501", "a part of the standard that is not served"));
    }
    for (status, about) in words {
        let mut content = json!({ "application/json": error });
        if matches!(route.endpoint, Endpoint::OpenData | Endpoint::OpenDataPart) {
            content["text/html"] = page.clone();
        }
        all.insert(status.into(), json!({ "description": about, "content": content }));
    }
}
