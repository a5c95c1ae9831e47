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
    Named { id: Name, adjust: Adjust, eras: Vec<Era> },
}

/// The values of a threshold over a span of time; the first era also holds before its first day,
/// so that a recording of earlier years can be judged.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Era {
    /// Begin, ms.
    pub(crate) from: i64,
    pub(crate) value: Option<f64>,
    pub(crate) by_device: BTreeMap<Name, f64>,
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
            Self::Named { id, adjust: Adjust { times, plus }, .. } => {
                write!(f, "{id}")?;
                if *times != 1.0 {
                    write!(f, " * {times}")?;
                }
                match plus {
                    0.0 => Ok(()),
                    d if *d < 0.0 => write!(f, " - {}", -d),
                    d => write!(f, " + {d}"),
                }
            }
        }
    }
}

/// What is done to a named threshold: `* times`, then `+ plus`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Adjust {
    times: f64,
    plus: f64,
}

impl Adjust {
    pub(crate) fn plus(plus: f64) -> Self {
        Self { times: 1.0, plus }
    }

    #[cfg(test)]
    fn times(times: f64) -> Self {
        Self { times, plus: 0.0 }
    }

    fn and_plus(self, by: f64) -> Self {
        Self { plus: self.plus + by, ..self }
    }

    fn apply(self, value: f64) -> f64 {
        let exact = value * self.times + self.plus;
        // 8.8 - 0.05 must be the 8.75 that a gauge sends, not 8.750000000000002.
        (exact * 1e9).round() / 1e9
    }
}

impl Limit {
    pub(crate) fn named(threshold: &Threshold, adjust: Adjust) -> Self {
        let era = |from: i64, value: Option<f64>, own: &BTreeMap<Name, f64>| Era {
            from,
            value: value.map(|v| adjust.apply(v)),
            by_device: own.iter().map(|(d, v)| (d.clone(), adjust.apply(*v))).collect(),
        };
        let mut eras: Vec<Era> = threshold
            .earlier
            .iter()
            .map(|e| era(day_start(&e.effective), e.value, &e.by_device))
            .collect();
        eras.push(era(day_start(&threshold.effective), threshold.value, &threshold.by_device));
        if let Some(until) = &threshold.until {
            let after = day_start(until).saturating_add(86_400_000);
            eras.push(Era { from: after, value: None, by_device: BTreeMap::new() });
        }
        eras.sort_by_key(|e| e.from);
        Self::Named { id: threshold.id.clone(), adjust, eras }
    }

    /// The limit at a time, for a device or, without one, for everyone.
    pub(crate) fn at(&self, device: Option<&str>, t: i64) -> Option<f64> {
        match self {
            Self::Number(n) => Some(*n),
            Self::Named { eras, .. } => {
                let index = eras.partition_point(|e| e.from <= t).max(1) - 1;
                eras.get(index)?.of(device)
            }
        }
    }

    /// The newest limit for everyone, for checks at load.
    pub(crate) fn general(&self) -> Option<f64> {
        self.at(None, i64::MAX)
    }

    /// Every value it ever has, for checks at load.
    pub(crate) fn all_values(&self) -> Vec<f64> {
        match self {
            Self::Number(n) => vec![*n],
            Self::Named { eras, .. } => {
                let of =
                    |e: &Era| e.value.into_iter().chain(e.by_device.values().copied()).collect();
                eras.iter().flat_map(|e| -> Vec<f64> { of(e) }).collect()
            }
        }
    }

    /// Whether there is a limit at any time.
    pub(crate) fn ever(&self, device: Option<&str>) -> bool {
        match self {
            Self::Number(_) => true,
            Self::Named { eras, .. } => eras.iter().any(|e| e.of(device).is_some()),
        }
    }

    /// When its value changes.
    pub(crate) fn changes(&self) -> impl Iterator<Item = i64> {
        let eras = match self {
            Self::Number(_) => &[][..],
            Self::Named { eras, .. } => eras.get(1..).unwrap_or_default(),
        };
        eras.iter().map(|e| e.from)
    }

    /// Devices that have a limit of their own.
    pub(crate) fn own_devices(&self) -> impl Iterator<Item = &Name> {
        let eras = match self {
            Self::Number(_) => &[][..],
            Self::Named { eras, .. } => eras,
        };
        eras.iter().flat_map(|e| e.by_device.keys())
    }

    /// The same limit moved by `by`.
    pub(crate) fn shifted(&self, by: f64) -> Self {
        let exact = |v: f64| Adjust::plus(by).apply(v);
        match self {
            _ if by == 0.0 => self.clone(),
            Self::Number(n) => Self::Number(exact(*n)),
            Self::Named { id, adjust, eras } => {
                let era = |e: &Era| Era {
                    from: e.from,
                    value: e.value.map(exact),
                    by_device: e.by_device.iter().map(|(d, v)| (d.clone(), exact(*v))).collect(),
                };
                let adjust = adjust.and_plus(by);
                Self::Named { id: id.clone(), adjust, eras: eras.iter().map(era).collect() }
            }
        }
    }

    /// Begins of its eras; at least one.
    pub(crate) fn starts(&self) -> Vec<i64> {
        match self {
            Self::Number(_) => vec![i64::MIN],
            Self::Named { eras, .. } => eras.iter().map(|e| e.from).collect(),
        }
    }
}

impl Era {
    fn of(&self, device: Option<&str>) -> Option<f64> {
        device.and_then(|d| self.by_device.get(d)).copied().or(self.value)
    }
}

/// Local midnight of a day, ms; days that are none were refused when the city was loaded.
fn day_start(day: &str) -> i64 {
    let midnight = format!("{day}T00:00:00+07:00");
    ioc_model::Timestamp::parse_rfc3339(&midnight).map_or(i64::MIN, |t| t.0)
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

/// Reads `OP NUMBER [UNIT]` or `OP NAME [* NUMBER] [(+|-) NUMBER]`.
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
    let mut adjust = Adjust::plus(0.0);
    let mut rest = rest;
    if let Some(factor) = rest.strip_prefix('*') {
        let factor = factor.trim_start();
        let end = factor.find(char::is_whitespace).unwrap_or(factor.len());
        adjust.times = parse_number(&factor[..end])?;
        rest = factor[end..].trim_start();
    }
    let mut chars = rest.chars();
    adjust.plus = match chars.next() {
        None => 0.0,
        Some('+') => parse_number(chars.as_str().trim())?,
        Some('-') => -parse_number(chars.as_str().trim())?,
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
            ("<= flood.bd1", (Op::Le, named("flood.bd1", Adjust::plus(0.0)))),
            ("< flood.bd1 - 0.05", (Op::Lt, named("flood.bd1", Adjust::plus(-0.05)))),
            (">= a.b * 0.9", (Op::Ge, named("a.b", Adjust::times(0.9)))),
            (">= a.b * 0.9 - 2", (Op::Ge, named("a.b", Adjust { times: 0.9, plus: -2.0 }))),
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
