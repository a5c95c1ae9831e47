//! What every rule has, for the kinds that read the rest.

use ioc_model::Name;

use super::{Check, levels};
use crate::fields::{Fields, duration, severity};
use crate::kinds::reach::Reach;
use crate::limit::{Limit, Op};
use crate::rule::{Ladder, Per, Selection};
use crate::yaml::Node;

/// Fields that were read before the kind's own.
#[derive(Clone, Debug)]
pub(crate) struct Common {
    /// `None` if it is missing or wrong, which has been told.
    pub(crate) service: Option<Name>,
    pub(crate) selection: Selection,
    pub(crate) per: Per,
}

impl Common {
    /// `levels`, `for`, `clear_for`, `deadband`: for kinds whose verdicts are numbers in `unit`.
    pub(crate) fn ladder(
        &self,
        fields: &mut Fields<'_>,
        unit: Option<&Name>,
        check: &mut Check<'_>,
    ) -> Option<Ladder> {
        levels::ladder(fields, unit, &self.selection, self.per == Per::Device, check)
    }

    /// As [`Common::ladder`], for verdicts that are values of a property: levels beyond what is
    /// physically possible are refused.
    pub(crate) fn ladder_of(
        &self,
        fields: &mut Fields<'_>,
        property: Option<&Name>,
        check: &mut Check<'_>,
    ) -> Option<Ladder> {
        let known = property.and_then(|p| check.city.properties.get(p));
        let (unit, bounds) = known.map(|p| (p.unit.clone(), (p.min, p.max))).unzip();
        let ladder = self.ladder(fields, unit.as_ref(), check)?;
        let (low, high) = bounds?;
        Reach { low, high, ends: false }.check(fields, &ladder, check);
        Some(ladder)
    }

    /// `severity`, `for`, `clear_for`: for kinds whose verdicts are yes and no.
    pub(crate) fn switch(&self, fields: &mut Fields<'_>, check: &mut Check<'_>) -> Option<Ladder> {
        let report = &mut check.report;
        let severity = fields.require("severity", report).and_then(|n| severity(n, report));
        let mut time = |key: &'static str| match fields.get(key) {
            Some(n) => duration(n, 0, report),
            None => Some(0),
        };
        let (for_ms, clear_for_ms) = (time("for"), time("clear_for"));
        Some(Ladder::switch(severity?, for_ms?, clear_for_ms?))
    }
}

/// A comparison such as `>= 0.25 m` or `< flood.bd1 - 0.05` of a value in `unit`.
pub(crate) fn comparison(node: &Node, unit: &Name, check: &mut Check<'_>) -> Option<(Op, Limit)> {
    levels::comparison(node, unit, check)
}
