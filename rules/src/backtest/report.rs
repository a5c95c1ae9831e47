//! What a backtest tells.

use ioc_model::{AlertId, Entity, Evidence, Name, Severity, Text, Timestamp, Transition};
use ioc_model::{EvidenceLimit, TransitionKind};
use serde::Serialize;

/// Changes of one episode kept; a flapping severity has more.
const MAX_STEPS: usize = 64;

/// Everything a set of rules would have raised in a period.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// First moment that counts.
    pub from: Timestamp,
    /// First moment that counts no more.
    pub to: Timestamp,
    /// `wall` (the recording's ticks) or `event` (phenomenon times).
    pub clock: &'static str,
    /// What the recording held of it.
    pub coverage: Coverage,
    /// Episodes raised in the period, without rules in shadow mode.
    pub raised: u64,
    /// Episodes raised before it that still ran at `from`.
    pub carried: u64,
    /// Of both, those that still ran at its end.
    pub open: u64,
    /// Alarm load of `raised` (ISA-18.2 / IEC 62682).
    pub load: Load,
    /// How long the listed episodes ran; those that still ran are left out.
    pub durations: Durations,
    /// By rule, most raised first; a rule that is off or raised nothing has its line too.
    pub rules: Vec<RuleReport>,
    /// Entities that raised most, at most 20.
    pub top_entities: Vec<TopEntity>,
    /// In the order of start.
    pub episodes: Vec<Episode>,
    /// Episodes counted and not listed, because there are too many.
    pub left_out: u64,
}

/// What the recording held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Coverage {
    /// Clock of the first entry: where the warm-up began.
    pub warm_up_from: Option<Timestamp>,
    /// First clock within the period; `None`: the recording has nothing of it.
    pub first: Option<Timestamp>,
    /// Last clock within the period.
    pub last: Option<Timestamp>,
    /// Records of the warm-up.
    pub warm_up_records: u64,
    /// Records of the period and shortly after it.
    pub records: u64,
    /// Of both, those no rule saw because they were late.
    pub late: u64,
}

/// One alert from raise to clear.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Episode {
    /// The id that the alert has, or would have had, in the register.
    pub alert: AlertId,
    /// Rule id.
    pub rule: Name,
    /// What it is about.
    pub entity: Entity,
    /// Area id.
    pub area: Name,
    /// Service code.
    pub service: Name,
    /// Event time of the raise.
    pub start: Timestamp,
    /// Event time of the clear; `None`: it still ran at the end of the period.
    pub end: Option<Timestamp>,
    /// It was raised before the period, in the warm-up.
    pub carried: bool,
    /// Its rule is in shadow mode: nothing would have been raised.
    pub shadow: bool,
    /// Highest severity.
    pub severity: Severity,
    /// Value of the raise, in `unit`.
    pub value: Option<f64>,
    /// Limit of the raise, in `unit`.
    pub limit: Option<f64>,
    /// Unit symbol.
    pub unit: Name,
    /// Message of the raise.
    pub message: Text,
    /// Why it was raised.
    pub evidence: Evidence,
    /// Raise, changes of severity, clear; at most 64, the last ones.
    pub steps: Vec<EpisodeStep>,
}

/// One change of an episode.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EpisodeStep {
    /// Event time.
    pub time: Timestamp,
    /// `raise`, `severity`, `clear`.
    pub kind: TransitionKind,
    /// Severity after it.
    pub severity: Severity,
    /// Value that caused it.
    pub value: Option<f64>,
    /// Limit with its source.
    pub limit: Option<EvidenceLimit>,
}

/// Raises per hour and per ten minutes, both aligned to the clock. The limits are those of
/// ISA-18.2 / IEC 62682 for one operator position: about 6 alarms an hour are acceptable, 12 the
/// most that can be managed, 30 too many; more than 10 in ten minutes are a flood.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Load {
    /// Hours that the recording covers of the period.
    pub hours: f64,
    /// Raises per covered hour.
    pub mean_per_hour: f64,
    /// Most raises in one hour.
    pub max_per_hour: u64,
    /// Hours with more than 6.
    pub hours_over_6: u64,
    /// Hours with more than 12.
    pub hours_over_12: u64,
    /// Hours with more than 30.
    pub hours_over_30: u64,
    /// Most raises in ten minutes.
    pub max_per_10_min: u64,
    /// Periods of ten minutes with more than 10 raises.
    pub floods: u64,
    /// Share of the covered time in floods, 0 to 1.
    pub flood_share: f64,
    /// Hours with a raise, in order.
    pub by_hour: Vec<LoadHour>,
}

/// One hour of [`Load::by_hour`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LoadHour {
    /// Begin.
    pub hour: Timestamp,
    /// Raises.
    pub raised: u64,
}

/// How long episodes ran, ms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Durations {
    /// Episodes that ended.
    pub ended: u64,
    /// Half ran at most so long.
    pub median_ms: i64,
    /// Nine of ten ran at most so long.
    pub p90_ms: i64,
    /// The longest.
    pub longest_ms: i64,
    /// Shorter than a minute: fleeting, none is wanted (ISA-18.2).
    pub under_a_minute: u64,
    /// Longer than 24 h: stale (ISA-18.2).
    pub over_a_day: u64,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RuleReport {
    /// Rule id.
    pub rule: Name,
    /// Name.
    pub name: Text,
    /// Service its alerts belong to.
    pub service: Name,
    /// `on`, `shadow` or `off`.
    pub mode: &'static str,
    /// Episodes raised in the period (in shadow mode: that would have been).
    pub raised: u64,
    /// Episodes raised before it that still ran.
    pub carried: u64,
    /// Episodes that still ran at its end.
    pub open: u64,
    /// Entities with a raise.
    pub entities: u64,
    /// Episodes by highest severity: info, minor, major, critical, emergency.
    pub by_severity: [u64; 5],
    /// Time with an alert within the period, summed over entities, ms.
    pub active_ms: i64,
}

/// An entity and how often it raised.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TopEntity {
    /// Which.
    pub entity: Entity,
    /// Raises.
    pub raised: u64,
    /// Of all raises, 0 to 1.
    pub share: f64,
}

impl Episode {
    pub(crate) fn raised(t: &Transition, shadow: bool, carried: bool) -> Self {
        let mut episode = Self {
            alert: t.alert.clone(),
            rule: t.rule.clone(),
            entity: t.entity.clone(),
            area: t.area.clone(),
            service: t.service.clone(),
            start: t.time,
            end: None,
            carried,
            shadow,
            severity: t.severity,
            value: t.value,
            limit: t.limit,
            unit: t.unit.clone(),
            message: t.message.clone(),
            evidence: (*t.evidence).clone(),
            steps: Vec::new(),
        };
        episode.step(t);
        episode
    }

    pub(crate) fn step(&mut self, t: &Transition) {
        self.severity = self.severity.max(t.severity);
        if self.steps.len() == MAX_STEPS {
            self.steps.remove(0);
        }
        self.steps.push(EpisodeStep {
            time: t.time,
            kind: t.kind,
            severity: t.severity,
            value: t.value,
            limit: t.evidence.limit.clone(),
        });
    }
}
