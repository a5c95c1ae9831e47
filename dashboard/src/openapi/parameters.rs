//! Parameters, as exact as the handlers read them. The words of the table of routes are the one
//! source: `1 to 1000, default 200` and `1: only open ones` are bounds as well as sentences.

use serde_json::{Value, json};

use crate::routes::{Param, Route};

/// 9999-12-31T23:59:59.999Z, the last time that the handlers take.
const LAST_MS: i64 = 253_402_300_799_999;

/// A parameter of the query.
pub(super) fn query(param: &Param) -> Value {
    json!({
        "name": param.name, "in": "query", "required": param.required,
        "description": param.about, "schema": schema(param),
    })
}

/// The `{…}` of the path.
pub(super) fn placeholder(route: &Route, name: &str) -> Value {
    let schema = if route.shared() {
        json!({ "type": "string", "minLength": 1 })
    } else {
        // As `query::is_id` reads it.
        json!({ "type": "string", "pattern": "^[A-Za-z0-9_.:-]{1,64}$" })
    };
    json!({ "name": name, "in": "path", "required": true, "schema": schema })
}

fn schema(param: &Param) -> Value {
    if param.kind != "integer" {
        return json!({ "type": param.kind });
    }
    if param.about.starts_with("1: ") {
        return json!({ "type": "integer", "enum": [0, 1] });
    }
    let (least, most) = match bounds(param.about) {
        Some(bounds) => bounds,
        None if param.about.starts_with("ms of") => (1, LAST_MS),
        None => (0, LAST_MS),
    };
    json!({ "type": "integer", "minimum": least, "maximum": most })
}

/// `1 to 1000, default 200` → 1 and 1000.
fn bounds(about: &str) -> Option<(i64, i64)> {
    let (least, rest) = about.split_once(" to ")?;
    let most = rest.split([' ', ',', ';']).next()?;
    Some((least.parse().ok()?, most.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: &'static str, about: &'static str) -> Value {
        schema(&Param { name: "x", kind, required: false, about })
    }

    #[test]
    fn bounds_are_read_from_the_words_of_the_table() {
        assert_eq!(of("integer", "1 to 1000 alerts, default 200")["maximum"], 1_000);
        assert_eq!(of("integer", "1 to 1000; default: all")["maximum"], 1_000);
        assert_eq!(of("integer", "ms, inclusive")["minimum"], 0);
        assert_eq!(of("integer", "ms of one window; without it raw points")["minimum"], 1);
        assert_eq!(of("integer", "1: only open ones")["enum"], json!([0, 1]));
        assert_eq!(of("string", "1 to 2"), json!({ "type": "string" }));
    }
}
