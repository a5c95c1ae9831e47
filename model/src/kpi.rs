//! How good the alarm system itself is: ISA-18.2 / IEC 62682 clause 16, EEMUA 191.

use serde::{Deserialize, Serialize};

use crate::{Name, RegisterError, Scope, Severity, Text, Timestamp};

/// Which part of the alarms, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KpiQuery {
    /// Only of alerts that who asks may see.
    pub scope: Scope,
    /// First moment, event time, inclusive.
    pub from: Timestamp,
    /// Last moment, exclusive.
    pub to: Timestamp,
    /// Only of this ward.
    pub area: Option<String>,
    /// Only of this service.
    pub service: Option<String>,
    /// Operator positions the load is shared by; `None`: as many as were on duty, at least 1.
    pub positions: Option<u32>,
}

impl KpiQuery {
    /// Everything of a scope, with the times to be set.
    pub fn of(scope: Scope) -> Self {
        let (from, to) = (Timestamp::default(), Timestamp::default());
        Self { scope, from, to, area: None, service: None, positions: None }
    }
}

/// A figure beside its target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KpiFigure {
    /// Which: `per_day`, `per_hour`, `per_10_min`, `hours_over_30`, `periods_over_10`,
    /// `max_10_min`, `time_in_flood`, `top_ten_share`, `chattering`, `fleeting`, `stale`,
    /// `standing`, `unacknowledged`, …
    pub id: Name,
    /// What was found; `None` when there was nothing to go by.
    pub value: Option<f64>,
    /// Unit: `alarms`, `%`, `s`.
    pub unit: Name,
    /// Good up to here.
    pub target: Option<f64>,
    /// Manageable up to here.
    pub limit: Option<f64>,
    /// Where both come from.
    pub source: Option<String>,
    /// `good`, `manageable`, `bad`; `None` without a target.
    pub verdict: Option<KpiVerdict>,
}

/// A figure against its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KpiVerdict {
    /// Within the target.
    Good,
    /// Beyond the target, within the largest manageable.
    Manageable,
    /// Beyond.
    Bad,
}

/// Alarm load of ten minutes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KpiPeriod {
    /// Its begin.
    pub at: Timestamp,
    /// Alerts raised and listed (not held back).
    pub alarms: u32,
    /// Incidents that began.
    pub incidents: u32,
    /// Part of a flood.
    pub flood: bool,
}

/// One rule, ward or service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KpiGroup {
    /// Rule id, area id or service code.
    pub id: Name,
    /// Name of the rule; the others are named by the city.
    pub name: Option<Text>,
    /// Alerts raised and listed.
    pub alarms: u32,
    /// Of all, %.
    pub share: f64,
    /// Standing at the end of the time asked for.
    pub standing: u32,
    /// Longer than 24 h active at the end.
    pub stale: u32,
    /// Raised three or more times within a minute (ISA-18.2: chattering), or held by their rule.
    pub chattering: u32,
    /// Shorter than 60 s and gone before anybody acknowledged them.
    pub fleeting: u32,
    /// Median time to acknowledge, s.
    pub ack_p50_s: Option<f64>,
    /// 90th percentile, s.
    pub ack_p90_s: Option<f64>,
    /// Median time to resolve, s.
    pub resolve_p50_s: Option<f64>,
    /// 90th percentile, s.
    pub resolve_p90_s: Option<f64>,
    /// Rejected as false, % of those closed or rejected.
    pub false_share: Option<f64>,
}

/// What would make a rule better; leads to a backtest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KpiSuggestion {
    /// The rule.
    pub rule: Name,
    /// What was seen.
    pub why: Text,
    /// Field of the rule to change: `for`, `clear_for`, `mode`; `look`: none in particular, but it
    /// makes so much of the load that somebody should look at it (`value` is empty, `spares` 0).
    pub field: Name,
    /// Proposed value as it stands in a rule, such as `2m`.
    pub value: String,
    /// How many alerts of the time asked for it might have spared, as an estimate.
    pub spares: u32,
}

/// The report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KpiReport {
    /// Asked for.
    pub from: Timestamp,
    /// Asked for.
    pub to: Timestamp,
    /// Positions it was divided by.
    pub positions: u32,
    /// Alerts raised and listed (not held back): the load.
    pub alarms: u32,
    /// Incidents begun: what is left after grouping.
    pub incidents: u32,
    /// Alerts held back when they were raised.
    pub held: u32,
    /// The figures, in a fixed order.
    pub figures: Vec<KpiFigure>,
    /// Load over time, steps of 10 min (of an hour beyond 3 days, of a day beyond 60), with no gaps.
    pub periods: Vec<KpiPeriod>,
    /// Length of one of them, ms.
    pub step_ms: i64,
    /// Alerts by severity, lowest first, always five.
    pub priorities: Vec<(Severity, u32)>,
    /// Rules, most alerts first, at most 100.
    pub rules: Vec<KpiGroup>,
    /// Wards.
    pub areas: Vec<KpiGroup>,
    /// Services.
    pub services: Vec<KpiGroup>,
    /// What to change.
    pub suggestions: Vec<KpiSuggestion>,
}

/// Figures of the alarm system. Calls block on the disk.
pub trait KpiStore: Send + Sync {
    /// The report of a time.
    ///
    /// # Errors
    /// The store's own trouble, or a time longer than 400 days.
    fn report(&self, query: &KpiQuery) -> Result<KpiReport, RegisterError>;
}
