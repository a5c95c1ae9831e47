//! Numbers and spans of time in the words of both languages.

use ioc_model::{Name, Text};

use super::load::Measure;
use crate::kinds::Context;
use crate::template::{Facts, Language, Template};

fn render(template: &str, language: Language, facts: &Facts<'_>) -> String {
    Template::parse(template).map(|t| t.render(language, facts)).unwrap_or_default()
}

/// A number with so many digits after the point.
pub(super) fn number(value: f64, digits: u8, language: Language) -> String {
    render("{value}", language, &Facts { value: Some(value), digits, ..Facts::default() })
}

/// A value with its unit.
pub(super) fn amount(value: f64, of: &Measure, language: Language) -> String {
    let facts = Facts { value: Some(value), digits: of.digits, unit: &of.unit, ..Facts::default() };
    render("{value} {unit}", language, &facts)
}

/// A value as it was sent, for codes such as -200: whole numbers without a point.
pub(super) fn raw(value: f64, of: &Measure, language: Language) -> String {
    number(value, if value.fract() == 0.0 { 0 } else { of.digits.max(1) }, language)
}

/// A span of time, rounded down to what people say: 6 h, not 6 h 12 min.
pub(super) fn span(ms: i64, language: Language) -> String {
    const HOUR: i64 = 3_600_000;
    let step = match ms {
        _ if ms >= 48 * HOUR => 24 * HOUR,
        _ if ms >= 3 * HOUR => HOUR,
        _ => 1,
    };
    let facts = Facts { duration_ms: ms - ms % step, ..Facts::default() };
    render("{duration}", language, &facts)
}

/// Both languages.
pub(super) fn both(vi: impl Fn(Language) -> String, en: impl Fn(Language) -> String) -> Text {
    Text { vi: vi(Language::Vi), en: en(Language::En) }
}

/// The name of a device for people, else its id.
pub(super) fn device(id: &Name, cx: &Context<'_>) -> Text {
    let known = cx.city.devices.get(id).map(|d| d.name.clone());
    known.unwrap_or_else(|| Text { vi: id.to_string(), en: id.to_string() })
}

/// The id of the entity's device; empty for an area.
pub(super) fn id(cx: &Context<'_>) -> Name {
    cx.device.cloned().unwrap_or_default()
}
