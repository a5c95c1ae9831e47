//! Comparisons as rules write them: `>= 0.25 m`, `< flood.bd1 - 0.05`, `>= qcvn05.pm25.24h * 0.9`.

use std::collections::BTreeMap;
use std::fmt;

use ioc_model::{Name, Threshold};

/// How a value is compared with a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Gt,
    Ge,
    Lt,
    Le,
}

impl Op {
    #[inline]
    pub(crate) fn holds(self, value: f64, limit: f64) -> bool {
        match self {
            Self::Gt => value > limit,
            Self::Ge => value >= limit,
            Self::Lt => value < limit,
            Self::Le => value <= limit,
        }
    }

    /// The comparison that holds exactly when this one does not.
    pub(crate) fn negated(self) -> Self {
        match self {
            Self::Gt => Self::Le,
            Self::Ge => Self::Lt,
            Self::Lt => Self::Ge,
            Self::Le => Self::Gt,
        }
    }

    /// True for `>` and `>=`.
    pub(crate) fn is_upper(self) -> bool {
        matches!(self, Self::Gt | Self::Ge)
    }
}

/// A number, or a named threshold with an adjustment.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Limit {
    Number(f64),
    Named { id: Name, adjust: Adjust, value: Option<f64>, by_device: BTreeMap<Name, f64> },
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gt => ">",
            Self::Ge => ">=",
            Self::Lt => "<",
            Self::Le => "<=",
        })
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(n) => write!(f, "{n}"),
            Self::Named { id, adjust, .. } => match adjust {
                Adjust::Plus(0.0) => write!(f, "{id}"),
                Adjust::Plus(d) if *d < 0.0 => write!(f, "{id} - {}", -d),
                Adjust::Plus(d) => write!(f, "{id} + {d}"),
                Adjust::Times(x) => write!(f, "{id} * {x}"),
            },
        }
    }
}

/// What is done to a named threshold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Adjust {
    Plus(f64),
    Times(f64),
}

impl Adjust {
    fn apply(self, value: f64) -> f64 {
        let exact = match self {
            Self::Plus(d) => value + d,
            Self::Times(f) => value * f,
        };
        // 8.8 - 0.05 must be the 8.75 that a gauge sends, not 8.750000000000002.
        (exact * 1e9).round() / 1e9
    }
}

impl Limit {
    pub(crate) fn named(threshold: &Threshold, adjust: Adjust) -> Self {
        Self::Named {
            id: threshold.id.clone(),
            adjust,
            value: threshold.value.map(|v| adjust.apply(v)),
            by_device: threshold
                .by_device
                .iter()
                .map(|(d, v)| (d.clone(), adjust.apply(*v)))
                .collect(),
        }
    }

    /// The limit for everyone.
    pub(crate) fn general(&self) -> Option<f64> {
        match self {
            Self::Number(n) => Some(*n),
            Self::Named { value, .. } => *value,
        }
    }

    /// The limit for a device: its own, else the general one.
    pub(crate) fn for_device(&self, device: &str) -> Option<f64> {
        match self {
            Self::Number(n) => Some(*n),
            Self::Named { value, by_device, .. } => by_device.get(device).copied().or(*value),
        }
    }

    /// Devices that have a limit of their own.
    pub(crate) fn own_devices(&self) -> impl Iterator<Item = &Name> {
        let map = match self {
            Self::Number(_) => None,
            Self::Named { by_device, .. } => Some(by_device),
        };
        map.into_iter().flat_map(BTreeMap::keys)
    }
}

/// A comparison as it was written, names not yet looked up.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Operand {
    Number { value: f64, unit: Option<String> },
    Name { id: String, adjust: Adjust },
}

/// Why a text is not a comparison, and what to do.
pub(crate) type Refusal = (String, &'static str);

const SHAPE: &str = "write an operator and a limit, such as `>= 0.25`, `< 10 km/h`, \
                     `>= flood.bd1` or `< flood.bd1 - 0.05`";

/// Reads `OP NUMBER [UNIT]` or `OP NAME [(+|-|*) NUMBER]`.
pub(crate) fn parse_comparison(text: &str) -> Result<(Op, Operand), Refusal> {
    let text = text.trim();
    let (op, rest) = [(">=", Op::Ge), ("<=", Op::Le), (">", Op::Gt), ("<", Op::Lt)]
        .into_iter()
        .find_map(|(sign, op)| text.strip_prefix(sign).map(|rest| (op, rest.trim())))
        .ok_or_else(|| (format!("`{text}` does not begin with >, >=, < or <="), SHAPE))?;
    let first = rest.split_whitespace().next().unwrap_or("");
    if first.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return Ok((op, name_operand(first, rest[first.len()..].trim())?));
    }
    let value = parse_number(first)?;
    let unit = rest[first.len()..].trim();
    let unit = (!unit.is_empty()).then(|| unit.to_owned());
    Ok((op, Operand::Number { value, unit }))
}

fn name_operand(id: &str, rest: &str) -> Result<Operand, Refusal> {
    let mut chars = rest.chars();
    let adjust = match chars.next() {
        None => Adjust::Plus(0.0),
        Some('+') => Adjust::Plus(parse_number(chars.as_str().trim())?),
        Some('-') => Adjust::Plus(-parse_number(chars.as_str().trim())?),
        Some('*') => Adjust::Times(parse_number(chars.as_str().trim())?),
        Some(_) => {
            return Err((format!("`{rest}` after the threshold `{id}` is not known"), SHAPE));
        }
    };
    Ok(Operand::Name { id: id.to_owned(), adjust })
}

fn parse_number(text: &str) -> Result<f64, Refusal> {
    if text.contains(',') {
        return Err((format!("`{text}` is not a number"), "write a decimal point, not a comma"));
    }
    match text.parse::<f64>() {
        Ok(n) if n.is_finite() => Ok(n),
        _ => Err((format!("`{text}` is not a number"), SHAPE)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_numbers_units_names_and_adjustments() {
        let number =
            |value, unit: Option<&str>| Operand::Number { value, unit: unit.map(Into::into) };
        let named = |id: &str, adjust| Operand::Name { id: id.into(), adjust };
        for (text, expect) in [
            (">= 0.25", (Op::Ge, number(0.25, None))),
            ("< 10 km/h", (Op::Lt, number(10.0, Some("km/h")))),
            (">-1", (Op::Gt, number(-1.0, None))),
            ("<= flood.bd1", (Op::Le, named("flood.bd1", Adjust::Plus(0.0)))),
            ("< flood.bd1 - 0.05", (Op::Lt, named("flood.bd1", Adjust::Plus(-0.05)))),
            (">= a.b * 0.9", (Op::Ge, named("a.b", Adjust::Times(0.9)))),
        ] {
            assert_eq!(parse_comparison(text), Ok(expect), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_comparison() {
        for text in ["", "5", "== 5", ">= ", "> 0,5", "> a / 2", ">= a + b"] {
            assert!(parse_comparison(text).is_err(), "{text}");
        }
    }
}
