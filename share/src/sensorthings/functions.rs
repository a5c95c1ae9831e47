//! The built-in functions.

use super::expr::Function;
use super::geometry::{self, Geometry};
use super::value::Val;
use super::when;

/// The value of a function. Of null it is null, of what is not known it is not known, of several
/// values it is several.
///
/// # Errors
/// Words, where the function does not take such values.
pub(super) fn call(f: Function, arguments: Vec<Val>, now: i64) -> Result<Val, String> {
    if let Some(i) = arguments.iter().position(|a| matches!(a, Val::Many(_))) {
        let Val::Many(list) = &arguments[i] else { return Ok(Val::Null) };
        let one = |v: &Val| {
            let mut with = arguments.clone();
            with[i] = v.clone();
            call(f, with, now)
        };
        return list.iter().map(one).collect::<Result<_, _>>().map(Val::Many);
    }
    for fixed in [Val::Unknown, Val::Null] {
        if arguments.contains(&fixed) {
            return Ok(fixed);
        }
    }
    let found = match &arguments[..] {
        [] => constant(f, now),
        [Val::Text(a)] => of_text(f, a).or_else(|| when::parse_time(a).and_then(|t| of_time(f, t))),
        [Val::Number(n)] => of_number(f, *n),
        [Val::Time(t)] => of_time(f, *t),
        [Val::Period(from, _)] => of_time(f, *from),
        [Val::Date(d)] => of_time(f, d.saturating_mul(when::DAY_MS)),
        [Val::Clock(ms)] => of_time(f, *ms),
        [Val::Geometry(g)] if f == Function::GeoLength => Some(Val::Number(g.length())),
        [Val::Text(a), Val::Text(b)] => of_texts(f, a, b),
        [Val::Text(a), Val::Number(from)] => substring(f, a, *from, f64::INFINITY),
        [Val::Text(a), Val::Number(from), Val::Number(length)] => substring(f, a, *from, *length),
        [Val::Geometry(a), Val::Geometry(b)] => return of_places(f, a, b, None),
        [Val::Geometry(a), Val::Geometry(b), Val::Text(p)] => return of_places(f, a, b, Some(p)),
        _ => None,
    };
    found.ok_or_else(|| {
        let sorts: Vec<&str> = arguments.iter().map(Val::what).collect();
        format!("{} does not take {}", f.word(), sorts.join(" and "))
    })
}

fn constant(f: Function, now: i64) -> Option<Val> {
    match f {
        Function::Now => Some(Val::Time(now)),
        Function::MinDateTime => Some(Val::Time(when::EARLIEST_MS)),
        Function::MaxDateTime => Some(Val::Time(when::LATEST_MS)),
        _ => None,
    }
}

fn of_text(f: Function, a: &str) -> Option<Val> {
    match f {
        Function::Length => Some(Val::Number(a.chars().count() as f64)),
        Function::ToLower => Some(Val::Text(a.to_lowercase())),
        Function::ToUpper => Some(Val::Text(a.to_uppercase())),
        Function::Trim => Some(Val::Text(a.trim().to_owned())),
        _ => None,
    }
}

fn of_texts(f: Function, a: &str, b: &str) -> Option<Val> {
    Some(match f {
        Function::SubstringOf => Val::Bool(b.contains(a)),
        Function::Contains => Val::Bool(a.contains(b)),
        Function::StartsWith => Val::Bool(a.starts_with(b)),
        Function::EndsWith => Val::Bool(a.ends_with(b)),
        Function::Concat => Val::Text(format!("{a}{b}")),
        Function::IndexOf => {
            let at = a.find(b).map(|i| a[..i].chars().count() as f64);
            Val::Number(at.unwrap_or(-1.0))
        }
        _ => return None,
    })
}

fn substring(f: Function, a: &str, from: f64, length: f64) -> Option<Val> {
    if f != Function::Substring {
        return None;
    }
    // Casts saturate: a negative begin is the begin, an endless length is all.
    let rest = a.chars().skip(from as usize).take(length as usize);
    Some(Val::Text(rest.collect()))
}

fn of_number(f: Function, n: f64) -> Option<Val> {
    match f {
        Function::Round => Some(Val::Number(n.round())),
        Function::Floor => Some(Val::Number(n.floor())),
        Function::Ceiling => Some(Val::Number(n.ceil())),
        _ => None,
    }
}

fn of_time(f: Function, ms: i64) -> Option<Val> {
    let t = when::civil(ms);
    Some(match f {
        Function::Year => Val::Number(f64::from(t.year())),
        Function::Month => Val::Number(f64::from(t.month())),
        Function::Day => Val::Number(f64::from(t.day())),
        Function::Hour => Val::Number(f64::from(t.hour())),
        Function::Minute => Val::Number(f64::from(t.minute())),
        Function::Second => Val::Number(f64::from(t.second())),
        Function::FractionalSeconds => Val::Number(f64::from(t.millisecond()) / 1_000.0),
        Function::Date => Val::Date(ms.div_euclid(when::DAY_MS)),
        Function::Time => Val::Clock(ms.rem_euclid(when::DAY_MS)),
        // All times are kept and shown in UTC.
        Function::TotalOffsetMinutes => Val::Number(0.0),
        _ => return None,
    })
}

fn of_places(f: Function, a: &Geometry, b: &Geometry, p: Option<&str>) -> Result<Val, String> {
    let beyond = || "one of the two must be a point".to_owned();
    if f == Function::GeoDistance && p.is_none() {
        return a.distance(b).map(Val::Number).ok_or_else(beyond);
    }
    let patterns: &[&str] = match (f, p) {
        (Function::StRelate, Some(p)) => {
            let good =
                |c: char| matches!(c.to_ascii_uppercase(), 'T' | 'F' | '*' | '0' | '1' | '2');
            if p.len() != 9 || !p.chars().all(good) {
                return Err("the pattern has nine marks of T, F, *, 0, 1 and 2".into());
            }
            &[p]
        }
        (_, Some(_)) => return Err(format!("{} takes two geometries", f.word())),
        (Function::StEquals, None) => &["T*F**FFF*"],
        (Function::StDisjoint, None) => &["FF*FF****"],
        (Function::StTouches, None) => &["FT*******", "F**T*****", "F***T****"],
        (Function::StWithin, None) => &["T*F**F***"],
        (Function::StContains, None) => &["T*****FF*"],
        (Function::StIntersects | Function::GeoIntersects, None) => {
            &["T********", "*T*******", "***T*****", "****T****"]
        }
        // A point neither crosses nor overlaps anything.
        (Function::StCrosses | Function::StOverlaps, None) => &[],
        _ => return Err(format!("{} does not take geometries", f.word())),
    };
    let marks = a.relate(b).ok_or_else(beyond)?;
    Ok(Val::Bool(patterns.iter().any(|p| geometry::fits(marks, p))))
}
