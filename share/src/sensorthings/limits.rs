//! What of a filter on observations can be told to the store: the time range, and the
//! datastreams.

use ioc_model::Timestamp;

use super::expr::{Expr, Function, Is, Literal, Op};
use super::kind::Kind;

/// Times that records can have (see [`Timestamp::from_epoch_ms`]): 2000 to 2100.
pub(super) const FIRST: Timestamp = Timestamp(946_684_800_000);
pub(super) const END: Timestamp = Timestamp(4_102_444_800_000);

/// A stretch of time that holds all observations that a filter lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    pub from: Timestamp,
    /// Exclusive.
    pub to: Timestamp,
    /// Every observation in the stretch, of datastreams that the filter lets through, passes.
    pub exact: bool,
}

impl Limits {
    pub(super) const NONE: Self = Self { from: FIRST, to: END, exact: true };

    fn vague() -> Self {
        Self { exact: false, ..Self::NONE }
    }

    fn and(self, other: Self) -> Self {
        let (from, to) = (self.from.max(other.from), self.to.min(other.to));
        Self { from, to: to.max(from), exact: self.exact && other.exact }
    }

    fn or(self, other: Self) -> Self {
        Self { from: self.from.min(other.from), to: self.to.max(other.to), exact: false }
    }

    /// Of a filter on observations.
    pub(super) fn of(e: &Expr, now: i64) -> Self {
        match &e.is {
            Is::Both(Op::And, a, b) => Self::of(a, now).and(Self::of(b, now)),
            Is::Both(Op::Or, a, b) if !about_stream(e) => Self::of(a, now).or(Self::of(b, now)),
            Is::Both(op, a, b) if is_time(a) => {
                moment(b, now).map_or(Self::vague(), |t| cut(*op, t))
            }
            Is::Both(op, a, b) if is_time(b) => {
                moment(a, now).map_or(Self::vague(), |t| cut(op.flipped(), t))
            }
            _ => Self { exact: about_stream(e), ..Self::NONE },
        }
    }
}

/// The stretch of one comparison of an observation's time with a moment.
fn cut(op: Op, t: i64) -> Limits {
    let at = |ms: i64| Timestamp(ms.clamp(FIRST.0, END.0));
    let (from, to) = match op {
        Op::Gt => (at(t.saturating_add(1)), END),
        Op::Ge => (at(t), END),
        Op::Lt => (FIRST, at(t)),
        Op::Le => (FIRST, at(t.saturating_add(1))),
        Op::Eq => (at(t), at(t.saturating_add(1))),
        _ => return Limits::vague(),
    };
    Limits { from, to, exact: true }
}

fn is_time(e: &Expr) -> bool {
    matches!(&e.is, Is::Path(p) if matches!(&p[..], [p] if p == "phenomenonTime" || p == "resultTime"))
}

/// A moment that is the same for all entities.
fn moment(e: &Expr, now: i64) -> Option<i64> {
    match &e.is {
        Is::Literal(Literal::Time(t)) => Some(*t),
        Is::Literal(Literal::Text(t)) => super::when::parse_time(t),
        Is::Call(Function::Now, _) => Some(now),
        Is::Both(Op::Add, a, b) => Some(moment(a, now)?.saturating_add(duration(b)?)),
        Is::Both(Op::Sub, a, b) => Some(moment(a, now)?.saturating_sub(duration(b)?)),
        _ => None,
    }
}

fn duration(e: &Expr) -> Option<i64> {
    match e.is {
        Is::Literal(Literal::Duration(d)) => Some(d),
        _ => None,
    }
}

/// Whether a condition is the same for all observations of a datastream.
fn about_stream(e: &Expr) -> bool {
    match &e.is {
        Is::Literal(_) => true,
        Is::Path(parts) => parts.first().is_some_and(|p| Kind::Observation.nav(p).is_some()),
        Is::Not(a) | Is::Negative(a) => about_stream(a),
        Is::Both(_, a, b) => about_stream(a) && about_stream(b),
        Is::Call(_, list) => list.iter().all(about_stream),
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse::expression;
    use super::*;

    fn limits(text: &str) -> (i64, i64, bool) {
        let now = 1_800_000_000_000;
        let e = expression("$filter", text).expect("a filter");
        let l = Limits::of(&e, now);
        let rel = |t: Timestamp| if t == FIRST || t == END { -1 } else { t.0 - now };
        (rel(l.from), rel(l.to), l.exact)
    }

    #[test]
    fn times_of_a_filter_become_a_range() {
        let t = "2027-01-15T08:00:00Z";
        assert_eq!(limits(&format!("phenomenonTime ge {t}")), (0, -1, true));
        assert_eq!(limits(&format!("{t} ge resultTime")), (-1, 1, true));
        assert_eq!(limits(&format!("phenomenonTime eq {t}")), (0, 1, true));
        assert_eq!(limits("phenomenonTime gt now() sub duration'PT1S'"), (-999, -1, true));
        let both = format!("phenomenonTime gt {t} and Datastream/name eq 'x'");
        assert_eq!(limits(&both), (1, -1, true));
        assert_eq!(limits(&format!("phenomenonTime gt {t} and result gt 5")), (1, -1, false));
        assert_eq!(limits(&format!("phenomenonTime gt {t} or result gt 5")), (-1, -1, false));
        assert_eq!(limits(&format!("not (phenomenonTime gt {t})")), (-1, -1, false));
        assert_eq!(limits("year(phenomenonTime) eq 2026"), (-1, -1, false));
        assert_eq!(limits("result gt 5"), (-1, -1, false));
        let none = format!("phenomenonTime gt {t} and phenomenonTime lt {t}");
        assert_eq!(limits(&none), (1, 1, true));
    }
}
