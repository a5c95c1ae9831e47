//! A scope taken apart: strands that have no alert in common, each in the order of an index.

use std::collections::{BTreeMap, BTreeSet};

use ioc_model::{AlertFilter, Choice, Name, Scope, ScopePart};

/// Most strands: beyond it so much of the city is inside that reading past the rest costs less.
const MOST: usize = 32;

/// One ward with some services, or one service with some wards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Strand {
    by: By,
    id: Name,
    /// Of the other dimension.
    beside: Choice,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Area,
    Service,
}

impl Strand {
    /// One ward, not one service.
    pub fn is_area(&self) -> bool {
        self.by == By::Area
    }

    /// The index of alerts that has it in the order of the list: of open ones, of the others, or
    /// of all.
    pub fn index(&self, open: Option<bool>) -> &'static str {
        match (self.by, open) {
            (By::Area, Some(true)) => "alert_open_area",
            (By::Area, Some(false)) => "alert_done_area",
            (By::Area, None) => "alert_area",
            (By::Service, Some(true)) => "alert_open_service",
            (By::Service, Some(false)) => "alert_done_service",
            (By::Service, None) => "alert_service",
        }
    }

    /// Its condition in SQL, and what is to be bound.
    pub fn condition(&self) -> (String, Vec<String>) {
        let (column, other) = match self.by {
            By::Area => ("area", "service"),
            By::Service => ("service", "area"),
        };
        let mut texts = vec![self.id.to_string()];
        let beside = match &self.beside {
            Choice::All => String::new(),
            Choice::Only(ids) => {
                texts.extend(ids.iter().map(ToString::to_string));
                format!(" AND {other} IN ({})", vec!["?"; ids.len()].join(","))
            }
        };
        (format!("{column} = ?{beside}"), texts)
    }
}

/// The strands of a list's scope, where reading by them is better than by the list's own index:
/// not if that leaves little to look at anyway, and not if the scope is most of the city.
pub(super) fn split(f: &AlertFilter) -> Option<Vec<Strand>> {
    let narrow = f.after_change.is_some()
        || f.incident.is_some()
        || f.device.is_some()
        || f.assignee.is_some()
        || f.rule.is_some();
    if f.scope.is_city() || narrow {
        return None;
    }
    strands(&asked(&f.scope, (&f.area, &f.service)))
}

/// The strands of a scope that is neither all of the city nor most of it nor nothing.
pub(crate) fn strands(scope: &Scope) -> Option<Vec<Strand>> {
    let strands = by(scope, By::Area).or_else(|| by(scope, By::Service))?;
    (!strands.is_empty()).then_some(strands)
}

/// What of a scope the ward and the service that a filter names leave; the city stays the city,
/// because the filter's own conditions say the same.
pub(crate) fn asked(scope: &Scope, (area, service): (&Option<String>, &Option<String>)) -> Scope {
    let choice = |named: &Option<String>| match named {
        None => Choice::All,
        Some(id) => Choice::only([id.as_str()]),
    };
    if scope.is_city() {
        return Scope::city();
    }
    scope.and(&Scope::of([ScopePart { areas: choice(area), services: choice(service) }]))
}

fn by(scope: &Scope, by: By) -> Option<Vec<Strand>> {
    let mut all: BTreeMap<Name, Choice> = BTreeMap::new();
    for part in scope.parts() {
        let (ids, beside) = match by {
            By::Area => (&part.areas, &part.services),
            By::Service => (&part.services, &part.areas),
        };
        let Choice::Only(ids) = ids else { return None };
        for id in ids.iter() {
            let known =
                all.entry(id.clone()).or_insert_with(|| Choice::only(<[&str; 0]>::default()));
            *known = either(known, beside);
        }
    }
    let strand = |(id, beside)| Strand { by, id, beside };
    (all.len() <= MOST).then(|| all.into_iter().map(strand).collect())
}

/// What is in one of them or in both.
fn either(a: &Choice, b: &Choice) -> Choice {
    match (a, b) {
        (Choice::Only(a), Choice::Only(b)) => {
            Choice::only(a.union(b).cloned().collect::<BTreeSet<Name>>())
        }
        _ => Choice::All,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(parts: &[(&[&str], &[&str])]) -> AlertFilter {
        let choice = |ids: &[&str]| match ids {
            ["*"] => Choice::All,
            ids => Choice::only(ids.iter().copied()),
        };
        let part =
            |(a, s): &(&[&str], &[&str])| ScopePart { areas: choice(a), services: choice(s) };
        AlertFilter::of(Scope::of(parts.iter().map(part)))
    }

    fn texts(f: &AlertFilter) -> Option<Vec<String>> {
        let text = |s: Strand| {
            format!("{} {}", s.condition().1.join("+"), s.index(f.open_only.then_some(true)))
        };
        split(f).map(|strands| strands.into_iter().map(text).collect())
    }

    #[test]
    fn wards_of_several_rectangles_are_read_once_each() {
        let f = filter(&[(&["a", "b"], &["x"]), (&["b", "c"], &["y"]), (&["c"], &["*"])]);
        let strands = texts(&f).expect("wards");
        assert_eq!(strands, ["a+x alert_area", "b+x+y alert_area", "c alert_area"]);
        let f = AlertFilter { service: Some("y".into()), area: Some("b".into()), ..f };
        assert_eq!(texts(&f).expect("one"), ["b+y alert_area"]);
        assert_eq!(texts(&AlertFilter { area: Some("z".into()), ..f }), None, "nothing");
    }

    #[test]
    fn services_of_the_whole_city_are_read_by_service() {
        let f = filter(&[(&["*"], &["x"]), (&["b"], &["y"])]);
        let f = AlertFilter { open_only: true, ..f };
        let strands = texts(&f).expect("services");
        assert_eq!(strands, ["x alert_open_service", "y+b alert_open_service"]);
    }

    #[test]
    fn a_large_scope_and_a_narrow_list_are_read_as_before() {
        let mixed = filter(&[(&["*"], &["x"]), (&["b"], &["*"])]);
        assert_eq!(texts(&mixed), None);
        assert_eq!(texts(&AlertFilter::of(Scope::city())), None);
        assert_eq!(texts(&AlertFilter::of(Scope::nothing())), None);
        let wards: Vec<String> = (0..40).map(|n| format!("w{n}")).collect();
        let wards: Vec<&str> = wards.iter().map(|w| &**w).collect();
        assert_eq!(texts(&filter(&[(&wards, &["*"])])), None);
        assert_eq!(texts(&filter(&[(&wards, &["x"])])).expect("a service").len(), 1);
        let device = AlertFilter { device: Some("d".into()), ..filter(&[(&["a"], &["*"])]) };
        assert_eq!(texts(&device), None);
    }
}
