//! Values that filters compute with.

use std::cmp::Ordering;

use serde_json::Value;

use super::expr::{Literal, Op};
use super::geometry::Geometry;
use super::when;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Val {
    /// Not known yet: a value of an observation that was not read.
    Unknown,
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    Time(i64),
    Period(i64, i64),
    Date(i64),
    Clock(i64),
    Duration(i64),
    Geometry(Geometry),
    /// An object or a list.
    Json(Value),
    /// Of several related entities: a condition holds when it holds for one of them.
    Many(Vec<Val>),
}

impl From<&Literal> for Val {
    fn from(l: &Literal) -> Self {
        match l {
            Literal::Null => Self::Null,
            Literal::Bool(b) => Self::Bool(*b),
            Literal::Number(n) => Self::Number(*n),
            Literal::Text(t) => Self::Text(t.clone()),
            Literal::Time(t) => Self::Time(*t),
            Literal::Period(a, b) => Self::Period(*a, *b),
            Literal::Date(d) => Self::Date(*d),
            Literal::Clock(c) => Self::Clock(*c),
            Literal::Duration(d) => Self::Duration(*d),
            Literal::Geometry(g) => Self::Geometry(g.clone()),
        }
    }
}

impl From<Value> for Val {
    fn from(v: Value) -> Self {
        match v {
            Value::Null => Self::Null,
            Value::Bool(b) => Self::Bool(b),
            Value::Number(n) => n.as_f64().map_or(Self::Null, Self::Number),
            Value::String(s) => Self::Text(s),
            other => Self::Json(other),
        }
    }
}

impl Val {
    /// What it is, for messages.
    pub(super) fn what(&self) -> &'static str {
        match self {
            Self::Unknown => "an unknown value",
            Self::Null => "null",
            Self::Bool(_) => "a condition",
            Self::Number(_) => "a number",
            Self::Text(_) => "a text",
            Self::Time(_) => "a time",
            Self::Period(..) => "a period",
            Self::Date(_) => "a date",
            Self::Clock(_) => "a time of day",
            Self::Duration(_) => "a duration",
            Self::Geometry(_) => "a geometry",
            Self::Json(_) => "an object",
            Self::Many(_) => "several values",
        }
    }

    /// First and last ms of what is a time.
    fn times(&self) -> Option<(i64, i64)> {
        match self {
            Self::Time(t) => Some((*t, *t)),
            Self::Period(a, b) => Some((*a, *b)),
            Self::Date(d) => {
                let begin = d.saturating_mul(when::DAY_MS);
                Some((begin, begin.saturating_add(when::DAY_MS - 1)))
            }
            Self::Text(t) => when::parse_time(t).map(|t| (t, t)),
            _ => None,
        }
    }

    /// The order of two values of one sort; `None` where they have none.
    pub(super) fn order(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => a.partial_cmp(b),
            (Self::Text(a), Self::Text(b)) => Some(a.cmp(b)),
            (Self::Clock(a), Self::Clock(b)) | (Self::Duration(a), Self::Duration(b)) => {
                Some(a.cmp(b))
            }
            (Self::Bool(a), Self::Bool(b)) => Some(a.cmp(b)),
            _ => Some(self.times()?.cmp(&other.times()?)),
        }
    }

    /// A comparison; `None` where the two cannot be compared.
    pub(super) fn compare(&self, op: Op, other: &Self) -> Option<Val> {
        let holds = match (self, other) {
            (Self::Many(list), _) => return any(list, |v| v.compare(op, other)),
            (_, Self::Many(list)) => return any(list, |v| self.compare(op, v)),
            (Self::Unknown, _) | (_, Self::Unknown) => return Some(Self::Unknown),
            (Self::Null, _) | (_, Self::Null) => match op {
                Op::Eq => self == other,
                Op::Ne => self != other,
                _ => false,
            },
            (Self::Geometry(a), Self::Geometry(b)) if op == Op::Eq => a == b,
            (Self::Geometry(a), Self::Geometry(b)) if op == Op::Ne => a != b,
            (Self::Json(a), Self::Json(b)) if op == Op::Eq => a == b,
            (Self::Json(a), Self::Json(b)) if op == Op::Ne => a != b,
            (Self::Text(_), Self::Text(_)) => by_order(op, self.order(other)?),
            _ => match (self.times(), other.times()) {
                (Some(a), Some(b)) => by_time(op, a, b),
                _ => by_order(op, self.order(other)?),
            },
        };
        Some(Self::Bool(holds))
    }
}

fn any(list: &[Val], f: impl Fn(&Val) -> Option<Val>) -> Option<Val> {
    let mut found = Val::Bool(false);
    for v in list {
        match f(v)? {
            Val::Bool(true) => return Some(Val::Bool(true)),
            Val::Unknown => found = Val::Unknown,
            _ => {}
        }
    }
    Some(found)
}

fn by_order(op: Op, o: Ordering) -> bool {
    match op {
        Op::Eq => o.is_eq(),
        Op::Ne => o.is_ne(),
        Op::Gt => o.is_gt(),
        Op::Ge => o.is_ge(),
        Op::Lt => o.is_lt(),
        _ => o.is_le(),
    }
}

/// Moments as usual; a period is before what begins after its end.
fn by_time(op: Op, a: (i64, i64), b: (i64, i64)) -> bool {
    match op {
        Op::Eq => a == b,
        Op::Ne => a != b,
        Op::Gt => a.0 > b.1,
        Op::Ge => a.0 >= b.0 && a.1 >= b.1,
        Op::Lt => a.1 < b.0,
        _ => a.0 <= b.0 && a.1 <= b.1,
    }
}
