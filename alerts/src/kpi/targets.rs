//! Targets and thresholds: data, not code.

use std::collections::BTreeMap;

use ioc_model::{KpiVerdict, Name};
use serde::Deserialize;

/// Every figure of a report, in its order, with its unit.
pub(crate) const FIGURES: &[(&str, &str)] = &[
    ("per_10_min", "alarms"),
    ("per_hour", "alarms"),
    ("per_day", "alarms"),
    ("hours_over_30", "%"),
    ("periods_over_10", "%"),
    ("max_10_min", "alarms"),
    ("time_in_flood", "%"),
    ("top_ten_share", "%"),
    ("chattering", "alarms"),
    ("fleeting", "alarms"),
    ("stale", "alarms"),
    ("stale_max_day", "alarms"),
    ("standing", "alarms"),
    ("unacknowledged", "alarms"),
    ("priority_low", "%"),
    ("priority_medium", "%"),
    ("priority_high", "%"),
    ("priority_highest", "%"),
    ("ack_p50", "s"),
    ("ack_p90", "s"),
    ("resolve_p50", "s"),
    ("resolve_p90", "s"),
    ("false_share", "%"),
    ("incidents_per_10_min", "incidents"),
    ("incidents_per_hour", "incidents"),
    ("incidents_max_10_min", "incidents"),
    ("grouped", "%"),
];

/// Targets of the figures, what the counting goes by, and when a change is proposed.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Targets {
    pub(crate) figures: BTreeMap<Name, Target>,
    pub(crate) counting: Counting,
    pub(crate) suggest: Suggest,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Target {
    pub unit: Name,
    pub target: f64,
    #[serde(default)]
    pub limit: Option<f64>,
    pub source: String,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Counting {
    pub hour_over: u32,
    pub period_over: u32,
    pub flood_ends_below: u32,
    pub chatter_raises: usize,
    pub chatter_within_s: i64,
    pub fleeting_s: i64,
    pub stale_h: i64,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Suggest {
    pub least_alarms: usize,
    pub short_percent: f64,
    pub gap_s: i64,
    pub gap_percent: f64,
    pub false_percent: f64,
    pub least_judged: u32,
    pub load_percent: f64,
    pub cover_percentile: usize,
    pub longest_for_s: i64,
    pub longest_clear_for_s: i64,
    pub most: usize,
    /// Rising.
    pub steps_s: Vec<i64>,
}

/// Why a table of targets was refused.
#[derive(Debug, thiserror::Error)]
pub enum TargetsError {
    /// It is no such table.
    #[error("targets of the alarm system: {0}")]
    Yaml(#[from] serde_saphyr::Error),
    /// A figure that no report has, or in another unit.
    #[error("targets of the alarm system: no figure `{id}` in `{unit}`")]
    Unknown {
        /// Figure.
        id: Name,
        /// Its unit in the table.
        unit: Name,
    },
    /// A number that means nothing.
    #[error("targets of the alarm system: `{0}` must be {1}")]
    Number(&'static str, &'static str),
}

impl Targets {
    /// Reads a table such as `alerts/src/kpi/targets.yaml`.
    ///
    /// # Errors
    /// When it is none, names a figure that no report has, or holds a number that means nothing.
    pub fn parse(yaml: &str) -> Result<Self, TargetsError> {
        let targets: Self = serde_saphyr::from_str(yaml)?;
        for (id, target) in &targets.figures {
            if !FIGURES.iter().any(|(known, unit)| *known == &**id && *unit == &*target.unit) {
                return Err(TargetsError::Unknown { id: id.clone(), unit: target.unit.clone() });
            }
        }
        targets.check()?;
        Ok(targets)
    }

    fn check(&self) -> Result<(), TargetsError> {
        let (c, s) = (&self.counting, &self.suggest);
        let positive = "above 0";
        for (name, value) in [
            ("chatter_within_s", c.chatter_within_s),
            ("fleeting_s", c.fleeting_s),
            ("stale_h", c.stale_h),
            ("gap_s", s.gap_s),
        ] {
            if !(1..=1_000_000).contains(&value) {
                return Err(TargetsError::Number(name, "between 1 and 1,000,000"));
            }
        }
        if c.chatter_raises < 2 {
            return Err(TargetsError::Number("chatter_raises", "at least 2"));
        }
        if !(1..=100).contains(&s.cover_percentile) {
            return Err(TargetsError::Number("cover_percentile", "between 1 and 100"));
        }
        let rising = s.steps_s.windows(2).all(|w| matches!(w, [a, b] if a < b));
        if !rising || s.steps_s.first().is_some_and(|first| *first < 1) {
            return Err(TargetsError::Number("steps_s", "rising and above 0"));
        }
        if s.least_alarms == 0 {
            return Err(TargetsError::Number("least_alarms", positive));
        }
        if s.least_judged == 0 {
            return Err(TargetsError::Number("least_judged", positive));
        }
        Ok(())
    }

    /// The verdict on a figure.
    pub(crate) fn verdict(&self, id: &str, value: Option<f64>) -> Option<KpiVerdict> {
        let (target, value) = (self.figures.get(id)?, value?);
        Some(if value <= target.target {
            KpiVerdict::Good
        } else if target.limit.is_some_and(|limit| value <= limit) {
            KpiVerdict::Manageable
        } else {
            KpiVerdict::Bad
        })
    }
}

impl Default for Targets {
    /// The table that is built in.
    fn default() -> Self {
        Self::parse(include_str!("targets.yaml")).expect("a test reads the table that is built in")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_that_is_built_in_can_be_read() {
        let targets = Targets::parse(include_str!("targets.yaml")).expect("the table is good");
        assert_eq!(targets.figures["per_hour"].target, 6.0);
        assert!(targets.figures.values().all(|t| t.source.contains("ISA-18.2")));
    }

    #[test]
    fn refuses_what_no_report_has() {
        let text = include_str!("targets.yaml");
        for (from, to) in [
            ("per_hour: ", "per_minute: "),
            ("per_hour:         { unit: alarms", "per_hour: { unit: s"),
            ("stale_h: 24", "stale_h: 0"),
            ("chatter_raises: 3", "chatter_raises: 1"),
            ("[5, 10, 15", "[5, 15, 10"),
            ("most: 10", "mots: 10"),
            ("cover_percentile: 90", "cover_percentile: 0"),
        ] {
            let changed = text.replacen(from, to, 1);
            assert_ne!(changed, text, "{from} is in the table");
            assert!(Targets::parse(&changed).is_err(), "{to}");
        }
    }

    #[test]
    fn a_verdict_needs_a_target_and_a_value() {
        let targets = Targets::default();
        let verdict = |id, value| targets.verdict(id, value);
        assert_eq!(verdict("per_hour", Some(6.0)), Some(KpiVerdict::Good));
        assert_eq!(verdict("per_hour", Some(6.1)), Some(KpiVerdict::Manageable));
        assert_eq!(verdict("per_hour", Some(12.1)), Some(KpiVerdict::Bad));
        assert_eq!(verdict("fleeting", Some(1.0)), Some(KpiVerdict::Bad), "no limit");
        assert_eq!(verdict("per_hour", None), None);
        assert_eq!(verdict("standing", Some(5.0)), None);
    }
}
