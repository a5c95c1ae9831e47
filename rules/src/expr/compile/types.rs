//! Types, units and what they do in operators.

use ioc_model::Name;

use super::super::ExprError;
use super::super::tree::{Bool, Num, Text};

/// A checked branch.
pub(super) enum Typed {
    Num(Num, Unit),
    Bool(Bool),
    Text(Text, About),
}

impl Typed {
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Num(..) => "a number",
            Self::Bool(_) => "true/false",
            Self::Text(..) => "a text",
        }
    }
}

/// What a text says, so that a misspelt ward is told.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum About {
    Literal(Name),
    Device,
    Kind,
    Service,
    Area,
    Other,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Unit {
    /// Fits every unit: a written number, an hour, a quotient of different units.
    Free,
    Is(Name),
}

impl Unit {
    pub(super) fn known(self) -> Option<Name> {
        match self {
            Self::Free => None,
            Self::Is(unit) => Some(unit),
        }
    }

    /// Of sums, comparisons and choices: both the same; else the two that clash.
    pub(super) fn same(self, other: Self) -> Result<Self, (Name, Name)> {
        match (self, other) {
            (Self::Is(a), Self::Is(b)) if a != b => Err((a, b)),
            (Self::Free, unit) | (unit, _) => Ok(unit),
        }
    }

    /// Of a product: a factor without a unit keeps the other's.
    pub(super) fn times(self, other: Self) -> Self {
        match (self, other) {
            (Self::Is(a), Self::Is(b)) if !a.is_empty() && !b.is_empty() => Self::Free,
            (Self::Is(a), other) if a.is_empty() => other,
            (Self::Free, unit) | (unit, _) => unit,
        }
    }

    /// Of a quotient.
    pub(super) fn per(self, other: Self) -> Self {
        match (self, other) {
            (unit, Self::Free) => unit,
            (unit, Self::Is(b)) if b.is_empty() => unit,
            _ => Self::Free,
        }
    }
}

pub(super) fn shown(unit: &str) -> String {
    if unit.is_empty() { "a pure number".into() } else { format!("in `{unit}`") }
}

/// The parser's first complaint in our words; it lists all tokens it could have used.
pub(super) fn parse_error(source: &str, errors: &cel::ParseErrors) -> ExprError {
    let Some(first) = errors.errors.first() else {
        return ExprError::new(0, "this is no expression");
    };
    let (line, column) = first.pos;
    let before: usize = source
        .split_inclusive('\n')
        .take(usize::try_from(line - 1).unwrap_or(0))
        .map(|l| l.chars().count())
        .sum();
    let column = usize::try_from(column - 1).unwrap_or(0);
    let offset = (before + column).min(source.chars().count());
    let message = first.msg.split(" expecting ").next().unwrap_or_default();
    let message = message.strip_prefix("Syntax error: ").unwrap_or(message);
    let message = message.replace("'<EOF>'", "the end");
    ExprError::new(offset, format!("not an expression: {message}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_of_products_and_quotients() {
        let (m, s, pure) = (Unit::Is("m".into()), Unit::Is("s".into()), Unit::Is("".into()));
        assert_eq!(m.clone().times(Unit::Free), m);
        assert_eq!(pure.clone().times(m.clone()), m);
        assert_eq!(m.clone().times(pure.clone()), m);
        assert_eq!(m.clone().times(s.clone()), Unit::Free);
        assert_eq!(m.clone().per(pure), m);
        assert_eq!(m.clone().per(s.clone()), Unit::Free);
        assert_eq!(Unit::Free.per(s.clone()), Unit::Free);
        assert!(m.clone().same(s).is_err());
        assert_eq!(Unit::Free.same(m.clone()), Ok(m));
    }
}
