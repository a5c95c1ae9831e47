//! What an expression is worth for an entity.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::catalogue::{Catalogue, Entity};
use super::entity::Span;
use super::expr::{Expr, Is, Op};
use super::fault::{Fault, shown};
use super::functions;
use super::geometry::Geometry;
use super::kind::{Kind, has_members};
use super::value::Val;

/// Entities that the conditions of one request may look at.
pub(super) const MAX_VISITS: usize = 3_000_000;

/// What conditions are judged by.
pub(super) struct Scene<'a> {
    pub catalogue: &'a Catalogue<'a>,
    pub base: &'a str,
    /// ms since 1970.
    pub now: i64,
    /// First and last time of datastreams, where conditions ask for them.
    pub spans: &'a HashMap<usize, Span>,
    /// Entities looked at so far.
    pub visits: &'a AtomicUsize,
}

/// The text an expression was read from, for messages.
#[derive(Clone, Copy)]
pub(super) struct From<'a> {
    pub option: &'a str,
    pub text: &'a str,
}

impl From<'_> {
    pub(super) fn fault(&self, at: usize, what: impl Into<String>) -> Fault {
        Fault::at(self.option, self.text, at, what)
    }
}

/// Checks that all paths of an expression lead somewhere, and tells whether it asks for the times
/// of datastreams.
pub(super) fn check(e: &Expr, kind: Kind, from: From<'_>) -> Result<bool, Fault> {
    Ok(match &e.is {
        Is::Literal(_) => false,
        Is::Path(parts) => check_path(e.at, parts, kind, from)?,
        Is::Not(a) | Is::Negative(a) => check(a, kind, from)?,
        Is::Both(_, a, b) => check(a, kind, from)? | check(b, kind, from)?,
        Is::Call(_, list) => {
            let mut spans = false;
            for a in list {
                spans |= check(a, kind, from)?;
            }
            spans
        }
    })
}

fn check_path(at: usize, parts: &[String], root: Kind, from: From<'_>) -> Result<bool, Fault> {
    let mut kind = root;
    for (i, part) in parts.iter().enumerate() {
        if let Some(nav) = kind.nav(part) {
            if nav.to == Kind::Observation {
                return Err(from
                    .fault(at, "observations cannot be searched from here")
                    .hint("ask Observations with a $filter on Datastream, Datastream/Thing, …"));
            }
            kind = nav.to;
            continue;
        }
        let Some(property) = kind.property(part) else {
            let names: Vec<&str> = kind.properties().iter().copied().collect();
            let ways: Vec<&str> = kind.navs().iter().map(|n| n.name).collect();
            let what = format!("{} have no `{}`", kind.set(), shown(part));
            let hint =
                format!("they have id, {} and lead to {}", names.join(", "), ways.join(", "));
            return Err(from.fault(at, what).hint(hint));
        };
        if i + 1 < parts.len() && !has_members(property) {
            return Err(from.fault(at, format!("`{property}` has no members")));
        }
        let spans = kind == Kind::Datastream && property.ends_with("Time");
        if spans && !matches!(root, Kind::Datastream | Kind::Observation) {
            return Err(from
                .fault(at, "times of datastreams are not known from here")
                .hint("ask Datastreams with this $filter"));
        }
        return Ok(spans);
    }
    Err(from.fault(at, "the path ends at an entity").hint("name a property, such as …/name"))
}

impl Scene<'_> {
    /// Whether a condition holds; `None` when that needs values that are not known yet.
    pub(super) fn holds(
        &self,
        e: &Expr,
        on: Entity,
        from: From<'_>,
    ) -> Result<Option<bool>, Fault> {
        let v = self.eval(e, on, from)?;
        truth(&v).ok_or_else(|| from.fault(e.at, format!("this is {}, not a condition", v.what())))
    }

    pub(super) fn eval(&self, e: &Expr, on: Entity, from: From<'_>) -> Result<Val, Fault> {
        match &e.is {
            Is::Literal(l) => Ok(Val::from(l)),
            Is::Path(parts) => self.path(on, parts),
            Is::Not(a) => Ok(known(self.holds(a, on, from)?.map(|b| !b))),
            Is::Negative(a) => match self.eval(a, on, from)? {
                Val::Number(n) => Ok(Val::Number(-n)),
                Val::Duration(d) => Ok(Val::Duration(-d)),
                v @ (Val::Null | Val::Unknown) => Ok(v),
                v => Err(from.fault(e.at, format!("`-` before {}", v.what()))),
            },
            Is::Both(Op::And, a, b) => Ok(known(match self.holds(a, on, from)? {
                Some(false) => Some(false),
                left => match self.holds(b, on, from)? {
                    Some(true) => left,
                    Some(false) => Some(false),
                    None => None,
                },
            })),
            Is::Both(Op::Or, a, b) => Ok(known(match self.holds(a, on, from)? {
                Some(true) => Some(true),
                left => match self.holds(b, on, from)? {
                    Some(false) => left,
                    Some(true) => Some(true),
                    None => None,
                },
            })),
            Is::Both(op, a, b) => {
                let (left, right) = (self.eval(a, on, from)?, self.eval(b, on, from)?);
                let result = match op.strength() {
                    3 | 4 => left.compare(*op, &right),
                    _ => arithmetic(*op, &left, &right),
                };
                result.ok_or_else(|| {
                    let (l, r) = (left.what(), right.what());
                    from.fault(e.at, format!("`{}` does not fit {l} and {r}", op.word()))
                })
            }
            Is::Call(function, list) => {
                let list =
                    list.iter().map(|a| self.eval(a, on, from)).collect::<Result<Vec<_>, _>>()?;
                functions::call(*function, list, self.now).map_err(|what| from.fault(e.at, what))
            }
        }
    }

    fn path(&self, on: Entity, parts: &[String]) -> Result<Val, Fault> {
        let Some((first, rest)) = parts.split_first() else { return Ok(Val::Null) };
        let kind = on.kind();
        if let Some(nav) = kind.nav(first) {
            let to = self.catalogue.follow(on, nav.to);
            if self.visits.fetch_add(to.len() + 1, Relaxed) > MAX_VISITS {
                return Err(Fault::too_much(
                    "the conditions look at too many related entities",
                    "leave out ways there and back in $filter and $orderby",
                ));
            }
            let mut values =
                to.into_iter().map(|e| self.path(e, rest)).collect::<Result<Vec<_>, _>>()?;
            return Ok(match nav.many {
                true => Val::Many(values),
                false => values.pop().unwrap_or(Val::Null),
            });
        }
        let Some(property) = kind.property(first) else { return Ok(Val::Null) };
        Ok(self.property(on, property, rest))
    }

    fn property(&self, on: Entity, property: &str, rest: &[String]) -> Val {
        let span = match on {
            Entity::AnyObservation(_) => return Val::Unknown,
            Entity::Observation(o) => match property {
                "result" => return Val::Number(o.point.value),
                "phenomenonTime" | "resultTime" => return Val::Time(o.point.time.0),
                _ => None,
            },
            Entity::Datastream(s) => self.spans.get(&s).copied().flatten(),
            _ => None,
        };
        if rest.is_empty()
            && let Some(v) = self.special(on, property, span)
        {
            return v;
        }
        let mut value = self.catalogue.value(on, property, self.base, span);
        for member in rest {
            value = value.and_then(|mut v| match v.get_mut(member) {
                Some(v) => Some(v.take()),
                None => v.get_mut(member.parse::<usize>().ok()?).map(serde_json::Value::take),
            });
        }
        value.map_or(Val::Null, Val::from)
    }

    /// Properties whose value is no JSON of a simple sort: places and periods.
    fn special(&self, on: Entity, property: &str, span: Span) -> Option<Val> {
        let thing = match (on, property) {
            (Entity::Location(t), "location") | (Entity::Feature(t), "feature") => t,
            (Entity::Datastream(s), "observedArea") => self.catalogue.streams[s].thing,
            (Entity::Datastream(_), "phenomenonTime" | "resultTime") => {
                return Some(span.map_or(Val::Null, |(a, b)| Val::Period(a, b)));
            }
            _ => return None,
        };
        let place = self.catalogue.things[thing].device.place;
        Some(place.map_or(Val::Null, |(lat, lon)| Val::Geometry(Geometry::Point((lon, lat)))))
    }
}

fn known(b: Option<bool>) -> Val {
    b.map_or(Val::Unknown, Val::Bool)
}

/// `Some(None)`: not known. `None`: no condition.
fn truth(v: &Val) -> Option<Option<bool>> {
    match v {
        Val::Bool(b) => Some(Some(*b)),
        Val::Null => Some(Some(false)),
        Val::Unknown => Some(None),
        Val::Many(list) => {
            let mut found = Some(false);
            for v in list {
                match truth(v)? {
                    Some(true) => return Some(Some(true)),
                    Some(false) => {}
                    None => found = None,
                }
            }
            Some(found)
        }
        _ => None,
    }
}

fn arithmetic(op: Op, a: &Val, b: &Val) -> Option<Val> {
    let of = |list: &[Val], f: &dyn Fn(&Val) -> Option<Val>| {
        list.iter().map(f).collect::<Option<Vec<_>>>().map(Val::Many)
    };
    Some(match (op, a, b) {
        (_, Val::Many(list), _) => of(list, &|v| arithmetic(op, v, b))?,
        (_, _, Val::Many(list)) => of(list, &|v| arithmetic(op, a, v))?,
        (_, Val::Unknown, _) | (_, _, Val::Unknown) => Val::Unknown,
        (_, Val::Null, _) | (_, _, Val::Null) => Val::Null,
        (Op::Add, Val::Number(a), Val::Number(b)) => Val::Number(a + b),
        (Op::Sub, Val::Number(a), Val::Number(b)) => Val::Number(a - b),
        (Op::Mul, Val::Number(a), Val::Number(b)) => Val::Number(a * b),
        (Op::Div | Op::Mod, Val::Number(_), Val::Number(0.0)) => Val::Null,
        (Op::Div, Val::Number(a), Val::Number(b)) => Val::Number(a / b),
        (Op::Mod, Val::Number(a), Val::Number(b)) => Val::Number(a % b),
        (Op::Add, Val::Time(t), Val::Duration(d)) | (Op::Add, Val::Duration(d), Val::Time(t)) => {
            Val::Time(t.saturating_add(*d))
        }
        (Op::Sub, Val::Time(t), Val::Duration(d)) => Val::Time(t.saturating_sub(*d)),
        (Op::Sub, Val::Time(a), Val::Time(b)) => Val::Duration(a.saturating_sub(*b)),
        (Op::Add, Val::Duration(a), Val::Duration(b)) => Val::Duration(a.saturating_add(*b)),
        (Op::Sub, Val::Duration(a), Val::Duration(b)) => Val::Duration(a.saturating_sub(*b)),
        (Op::Mul, Val::Duration(d), Val::Number(n)) => Val::Duration((*d as f64 * n) as i64),
        (Op::Div, Val::Duration(d), Val::Number(n)) if *n != 0.0 => {
            Val::Duration((*d as f64 / n) as i64)
        }
        _ => return None,
    })
}
