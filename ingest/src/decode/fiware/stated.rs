//! An attribute, whichever way it was written.

use super::super::Refusal;
use super::super::tape::Value;
use super::bad_field;

/// Its value, and what is said about it.
#[derive(Clone, Copy)]
pub(super) struct Stated<'t> {
    pub(super) value: Value<'t>,
    pub(super) unit: Option<&'t str>,
    /// When it was observed, if that is said of it alone.
    pub(super) at: Option<&'t str>,
}

/// What is inside of key-values, `{"value": …}`, `{"object": …}`, `{"value": {"@value": …}}` or
/// an array of those. `None`: of several none is the default.
pub(super) fn stated<'t>(name: &str, raw: Value<'t>) -> Result<Option<Stated<'t>>, Refusal> {
    let raw = match raw.items() {
        None => raw,
        Some(items) => match default_of(name, raw, items)? {
            Some(raw) => raw,
            None => return Ok(None),
        },
    };
    let mut stated = Stated { value: raw, unit: None, at: None };
    if !raw.is_object() {
        return Ok(Some(stated));
    }
    let mut object = None;
    for (name, value) in raw.fields() {
        match name {
            "value" => stated.value = value,
            "object" => object = Some(value),
            "unitCode" => stated.unit = value.text(),
            "observedAt" => stated.at = value.text(),
            "metadata" => {
                let of = |name| value.get(name).map(bare).and_then(Value::text);
                stated.unit = stated.unit.or_else(|| of("unitCode"));
                stated.at = stated.at.or_else(|| of("TimeInstant"));
            }
            _ => {}
        }
    }
    if stated.value.is_same(raw) {
        stated.value = object.unwrap_or(raw);
    }
    stated.value = bare(stated.value);
    Ok(Some(stated))
}

/// The value of `{"@type": …, "@value": …}` or `{"type": …, "value": …}`.
fn bare(value: Value<'_>) -> Value<'_> {
    value.get("@value").or_else(|| value.get("value")).unwrap_or(value)
}

/// The value that is meant where an attribute has several: the one without `datasetId`, or the
/// only one. A list of bare values is itself the value.
fn default_of<'t>(
    name: &str,
    raw: Value<'t>,
    items: impl Iterator<Item = Value<'t>>,
) -> Result<Option<Value<'t>>, Refusal> {
    let (mut count, mut default, mut last) = (0, None, None);
    for item in items {
        if !["value", "object", "datasetId"].iter().any(|n| item.get(n).is_some()) {
            return Ok(Some(raw));
        }
        (count, last) = (count + 1, Some(item));
        if item.get("datasetId").is_some() {
            continue;
        }
        // Several relationships are said one by one; of several devices the first one counts.
        if default.is_some() && item.get("value").is_some() {
            return Err(bad_field(format!("`{name}` has two values without `datasetId`")));
        }
        default = default.or(Some(item));
    }
    match count {
        0 => Ok(Some(raw)),
        1 => Ok(last),
        _ => Ok(default),
    }
}
