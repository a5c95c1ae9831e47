//! Which part of the city somebody may see: areas × services.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{City, Name};

/// One dimension of a [`ScopePart`]: everything, or exactly these ids.
///
/// "Everything" holds what belongs to no ward too (area `unassigned`: alerts of the whole city,
/// vehicles on their way); a list of wards never does.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Choice {
    /// Everything, also what is added later.
    All,
    /// Exactly these.
    Only(Arc<BTreeSet<Name>>),
}

impl Choice {
    /// Exactly these.
    pub fn only<N: Into<Name>>(ids: impl IntoIterator<Item = N>) -> Self {
        Self::Only(Arc::new(ids.into_iter().map(Into::into).collect()))
    }

    /// Is it in?
    pub fn holds(&self, id: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(ids) => ids.contains(id),
        }
    }

    /// What is in both.
    pub fn and(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::All, both) | (both, Self::All) => both.clone(),
            (Self::Only(a), Self::Only(b)) => {
                Self::Only(Arc::new(a.intersection(b).cloned().collect()))
            }
        }
    }

    fn is_empty(&self) -> bool {
        matches!(self, Self::Only(ids) if ids.is_empty())
    }
}

/// A rectangle: these areas × these services.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScopePart {
    /// Wards and communes.
    pub areas: Choice,
    /// Services.
    pub services: Choice,
}

impl ScopePart {
    /// The whole city.
    pub const CITY: Self = Self { areas: Choice::All, services: Choice::All };

    /// Does it hold what belongs to this area and this service?
    pub fn allows(&self, area: &str, service: &str) -> bool {
        self.areas.holds(area) && self.services.holds(service)
    }
}

/// What somebody may see of the city's data: the union of rectangles of areas × services. Every
/// query of people's data takes one, and there is no default: who asks must say for whom.
///
/// The same scope is the same value ([`Eq`], [`std::hash::Hash`]), so that what is made for one
/// can be kept for others of the same scope.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Scope(Arc<[ScopePart]>);

impl Scope {
    /// The whole city: for the centre's own parts, and for people of the city's centre.
    pub fn city() -> Self {
        Self(Arc::new([ScopePart::CITY]))
    }

    /// Nothing.
    pub fn nothing() -> Self {
        Self(Arc::new([]))
    }

    /// The union of these; empty rectangles are left out, and the whole city swallows the others.
    pub fn of(parts: impl IntoIterator<Item = ScopePart>) -> Self {
        let mut parts: Vec<ScopePart> =
            parts.into_iter().filter(|p| !p.areas.is_empty() && !p.services.is_empty()).collect();
        if parts.contains(&ScopePart::CITY) {
            return Self::city();
        }
        parts.sort_unstable();
        parts.dedup();
        Self(parts.into())
    }

    /// The rectangles, for queries.
    pub fn parts(&self) -> &[ScopePart] {
        &self.0
    }

    /// Everything there is?
    pub fn is_city(&self) -> bool {
        self.0.contains(&ScopePart::CITY)
    }

    /// Nothing at all?
    pub fn is_nothing(&self) -> bool {
        self.0.is_empty()
    }

    /// May what belongs to this area and this service be seen?
    pub fn allows(&self, area: &str, service: &str) -> bool {
        self.0.iter().any(|p| p.allows(area, service))
    }

    /// Is all of this rectangle inside? (Of one of ours: rectangles that cover it only together
    /// do not count.)
    pub fn covers(&self, part: &ScopePart) -> bool {
        let within = |ours: &Choice, theirs: &Choice| match (ours, theirs) {
            (Choice::All, _) => true,
            (Choice::Only(_), Choice::All) => false,
            (Choice::Only(a), Choice::Only(b)) => b.is_subset(a),
        };
        self.0.iter().any(|p| within(&p.areas, &part.areas) && within(&p.services, &part.services))
    }

    /// The condition in SQL that a row with these two columns is inside, with the texts to bind to
    /// its `?` in order; `None`: everything is inside. Only the shape of the scope is in the text.
    pub fn condition(
        &self,
        area: &'static str,
        service: &'static str,
    ) -> Option<(String, Vec<String>)> {
        if self.is_city() {
            return None;
        }
        let mut texts = Vec::new();
        let mut one_of = |column: &str, choice: &Choice| match choice {
            Choice::All => "1".to_owned(),
            Choice::Only(ids) => {
                texts.extend(ids.iter().map(|id| id.to_string()));
                format!("{column} IN ({})", vec!["?"; ids.len()].join(","))
            }
        };
        let mut parts = Vec::new();
        for part in self.0.iter() {
            let areas = one_of(area, &part.areas);
            let services = one_of(service, &part.services);
            parts.push(format!("({areas} AND {services})"));
        }
        let sql = if parts.is_empty() { "0".to_owned() } else { parts.join(" OR ") };
        Some((format!("({sql})"), texts))
    }

    /// What is in both.
    pub fn and(&self, other: &Self) -> Self {
        let pairs = self.0.iter().flat_map(|a| other.0.iter().map(move |b| (a, b)));
        Self::of(pairs.map(|(a, b)| ScopePart {
            areas: a.areas.and(&b.areas),
            services: a.services.and(&b.services),
        }))
    }
}

/// Areas that are looked after together, such as the wards of one operation centre: a name that
/// may stand for its wards wherever people are given areas.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cluster {
    /// Id; no area has the same.
    pub id: Name,
    /// Name for people.
    pub name: crate::Text,
    /// Its wards and communes.
    pub areas: Vec<Name>,
}

impl City {
    /// The wards that a list of areas and clusters means; names that the configuration does not
    /// know (any more) mean nothing.
    pub fn wards(&self, areas: &[Name]) -> Choice {
        let mut wards = BTreeSet::new();
        for id in areas {
            match self.clusters.get(id) {
                Some(cluster) => wards.extend(cluster.areas.iter().cloned()),
                None if self.areas.contains_key(id) => drop(wards.insert(id.clone())),
                None => {}
            }
        }
        Choice::Only(Arc::new(wards))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(areas: &[&str], services: &[&str]) -> ScopePart {
        let choice = |ids: &[&str]| match ids {
            ["*"] => Choice::All,
            ids => Choice::only(ids.iter().copied()),
        };
        ScopePart { areas: choice(areas), services: choice(services) }
    }

    #[test]
    fn a_scope_allows_what_one_of_its_rectangles_holds() {
        let scope = Scope::of([part(&["a", "b"], &["*"]), part(&["*"], &["fire"])]);
        for (area, service, allowed) in [
            ("a", "air", true),
            ("c", "air", false),
            ("c", "fire", true),
            ("unassigned", "fire", true),
            ("unassigned", "air", false),
            ("", "", false),
        ] {
            assert_eq!(scope.allows(area, service), allowed, "{area} {service}");
        }
        assert!(!Scope::nothing().allows("a", "air") && Scope::city().allows("x", "y"));
    }

    #[test]
    fn equal_scopes_are_equal_however_they_were_written() {
        let one = Scope::of([part(&["b", "a"], &["x"]), part(&["c"], &["*"])]);
        let two =
            Scope::of([part(&["c"], &["*"]), part(&["a", "b", "a"], &["x"]), part(&[], &["*"])]);
        assert_eq!(one, two);
        assert_eq!(Scope::of([part(&["*"], &["*"]), part(&["a"], &["x"])]), Scope::city());
        assert!(Scope::of([part(&["a"], &[])]).is_nothing());
    }

    #[test]
    fn what_is_in_both_is_allowed_by_both() {
        let a = Scope::of([part(&["a", "b"], &["*"]), part(&["*"], &["fire"])]);
        let b = Scope::of([part(&["b", "c"], &["air", "fire"])]);
        let both = a.and(&b);
        for area in ["a", "b", "c", "d"] {
            for service in ["air", "fire", "x"] {
                let expected = a.allows(area, service) && b.allows(area, service);
                assert_eq!(both.allows(area, service), expected, "{area} {service}");
            }
        }
        assert_eq!(a.and(&Scope::city()), a);
        assert!(a.and(&Scope::nothing()).is_nothing());
    }

    #[test]
    fn the_condition_names_columns_and_binds_the_rest() {
        let scope = Scope::of([part(&["a", "b'"], &["*"]), part(&["*"], &["fire"])]);
        let (sql, texts) = scope.condition("area", "service").expect("a condition");
        assert_eq!(sql, "((1 AND service IN (?)) OR (area IN (?,?) AND 1))");
        assert_eq!(texts, ["fire", "a", "b'"]);
        assert_eq!(Scope::city().condition("a", "s"), None);
        assert_eq!(Scope::nothing().condition("a", "s"), Some(("(0)".into(), vec![])));
    }

    #[test]
    fn covers_needs_one_rectangle_that_holds_all_of_it() {
        let scope = Scope::of([part(&["a", "b"], &["air", "fire"])]);
        assert!(scope.covers(&part(&["a"], &["fire"])));
        assert!(!scope.covers(&part(&["a"], &["*"])) && !scope.covers(&part(&["*"], &["air"])));
        assert!(Scope::city().covers(&ScopePart::CITY));
    }
}
