//! Messages with placeholders, and numbers as the two languages write them.

use std::fmt::{self, Write as _};

/// What a placeholder stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    Device,
    Area,
    Value,
    Limit,
    Unit,
    Above,
    Delta,
    Level,
    Duration,
    Cause,
    Detail,
}

const FIELDS: [(&str, Field); 11] = [
    ("device", Field::Device),
    ("area", Field::Area),
    ("value", Field::Value),
    ("limit", Field::Limit),
    ("unit", Field::Unit),
    ("above", Field::Above),
    ("delta", Field::Delta),
    ("level", Field::Level),
    ("duration", Field::Duration),
    ("cause", Field::Cause),
    ("detail", Field::Detail),
];

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Field(Field),
}

/// A message in one language.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Template(Box<[Part]>);

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|part| match part {
            Part::Text(t) => f.write_str(t),
            Part::Field(field) => write!(f, "{{{}}}", Self::name_of(*field)),
        })
    }
}

/// Why a text is not a message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum TemplateError {
    /// `{` without `}` or the other way round.
    Brace,
    /// No such placeholder.
    Unknown(String),
}

impl Template {
    pub(crate) fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(open) = rest.find(['{', '}']) {
            if rest[open..].starts_with('}') {
                return Err(TemplateError::Brace);
            }
            if open > 0 {
                parts.push(Part::Text(rest[..open].to_owned()));
            }
            let close = rest[open..].find('}').ok_or(TemplateError::Brace)? + open;
            let name = rest[open + 1..close].trim();
            let field = FIELDS.iter().find(|(n, _)| *n == name).map(|(_, f)| *f);
            parts.push(Part::Field(field.ok_or_else(|| TemplateError::Unknown(name.into()))?));
            rest = &rest[close + 1..];
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self(parts.into()))
    }

    /// The name of a placeholder.
    fn name_of(field: Field) -> &'static str {
        FIELDS.iter().find(|(_, f)| *f == field).map_or("", |(n, _)| n)
    }

    /// Names of all placeholders.
    pub(crate) fn field_names() -> impl Iterator<Item = &'static str> {
        FIELDS.iter().map(|(n, _)| *n)
    }

    /// The message with every placeholder filled; two spaces left by an empty one become one.
    pub(crate) fn render(&self, language: Language, facts: &Facts<'_>) -> String {
        let mut out = String::with_capacity(96);
        for part in self.0.iter() {
            match part {
                Part::Text(t) => out.push_str(t),
                Part::Field(f) => facts.write(*f, language, &mut out),
            }
        }
        while let Some(at) = out.find("  ") {
            out.remove(at);
        }
        out.truncate(out.trim_end().len());
        out
    }
}

/// The two languages of the product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    Vi,
    En,
}

/// What a message can speak of, in one language where it matters.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts<'a> {
    pub(crate) device: &'a str,
    pub(crate) area: &'a str,
    pub(crate) level: &'a str,
    pub(crate) unit: &'a str,
    pub(crate) value: Option<f64>,
    pub(crate) limit: Option<f64>,
    /// Digits after the point.
    pub(crate) digits: u8,
    /// A span of time the rule speaks of: silence, window.
    pub(crate) duration_ms: i64,
    /// The device itself said that it is offline.
    pub(crate) reported: bool,
    /// What the kind of rule has to add: a zone, the steps of a pattern.
    pub(crate) detail: &'a str,
}

impl Facts<'_> {
    fn write(&self, field: Field, language: Language, out: &mut String) {
        match field {
            Field::Device => out.push_str(self.device),
            Field::Area => out.push_str(self.area),
            Field::Unit => out.push_str(self.unit),
            Field::Level => out.push_str(self.level),
            Field::Detail => out.push_str(self.detail),
            Field::Value => write_number(self.value, self.digits, language, out),
            Field::Limit => {
                let more = self.limit.map_or(self.digits, |l| digits_needed(l, self.digits));
                write_number(self.limit, more, language, out);
            }
            Field::Delta => {
                let delta = self.value.zip(self.limit).map(|(v, l)| (v - l).abs());
                write_number(delta, self.digits, language, out);
            }
            Field::Above => out.push_str(match (self.value < self.limit, language) {
                (false, Language::Vi) => "trên",
                (true, Language::Vi) => "dưới",
                (false, Language::En) => "above",
                (true, Language::En) => "below",
            }),
            Field::Duration => write_duration(self.duration_ms, language, out),
            Field::Cause => match (self.reported, language) {
                (true, Language::Vi) => out.push_str("thiết bị báo ngoại tuyến"),
                (true, Language::En) => out.push_str("reported offline"),
                (false, Language::Vi) => {
                    out.push_str("không có tín hiệu ");
                    write_duration(self.duration_ms, language, out);
                }
                (false, Language::En) => {
                    out.push_str("silent for ");
                    write_duration(self.duration_ms, language, out);
                }
            },
        }
    }
}

/// Digits that show a limit exactly, up to three more than usual: 0.25 in a property of one digit.
fn digits_needed(limit: f64, digits: u8) -> u8 {
    (digits..=digits.saturating_add(3))
        .find(|d| {
            let scale = 10f64.powi(i32::from(*d));
            ((limit * scale).round() / scale - limit).abs() < 1e-9
        })
        .unwrap_or(digits)
}

/// With the decimal comma of Vietnamese.
pub(crate) fn write_number(value: Option<f64>, digits: u8, language: Language, out: &mut String) {
    let Some(value) = value else { return };
    let mut text = format!("{value:.*}", usize::from(digits));
    // "-0.00" is no number for people.
    if text.starts_with('-') && text.bytes().all(|b| matches!(b, b'-' | b'0' | b'.')) {
        text.remove(0);
    }
    match language {
        Language::Vi => out.push_str(&text.replace('.', ",")),
        Language::En => out.push_str(&text),
    }
}

fn write_duration(ms: i64, language: Language, out: &mut String) {
    let s = ms / 1000;
    let (n, vi, en) = match s {
        _ if s >= 86_400 && s % 86_400 == 0 => (s / 86_400, "ngày", "d"),
        _ if s >= 3_600 && s % 3_600 == 0 => (s / 3_600, "giờ", "h"),
        _ if s >= 120 => (s / 60, "phút", "min"),
        _ => (s, "giây", "s"),
    };
    let unit = if language == Language::Vi { vi } else { en };
    // Writing to a String cannot fail.
    let _ = write!(out, "{n} {unit}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(text: &str, language: Language) -> String {
        let facts = Facts {
            device: "Cẩm Lệ",
            level: "BĐ3",
            unit: "m",
            value: Some(2.73),
            limit: Some(2.5),
            digits: 2,
            duration_ms: 1_800_000,
            ..Facts::default()
        };
        Template::parse(text).expect("valid").render(language, &facts)
    }

    #[test]
    fn speaks_like_the_flood_bulletins() {
        let vi = render("{device}: {value} {unit}, {above} {level} {delta} {unit}", Language::Vi);
        assert_eq!(vi, "Cẩm Lệ: 2,73 m, trên BĐ3 0,23 m");
        let en = render("{device} {delta} {unit} {above} {level} ({cause})", Language::En);
        assert_eq!(en, "Cẩm Lệ 0.23 m above BĐ3 (silent for 30 min)");
    }

    #[test]
    fn refuses_unknown_fields_and_open_braces() {
        assert_eq!(Template::parse("{valu}"), Err(TemplateError::Unknown("valu".into())));
        assert_eq!(Template::parse("{value"), Err(TemplateError::Brace));
        assert_eq!(Template::parse("value}"), Err(TemplateError::Brace));
    }
}
