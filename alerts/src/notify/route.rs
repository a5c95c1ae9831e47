//! Who is told of what: pure.

use std::collections::BTreeSet;

use ioc_model::{AlertRow, Name, Severity, Timestamp};
use serde::Deserialize;

use super::config::NotifyConfig;
use super::hours::Hours;

/// Deliveries that belong together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupBy {
    /// Alerts of one incident.
    #[default]
    Incident,
    /// Each alert alone.
    Alert,
    /// Alerts of one service in one ward.
    AreaService,
}

impl GroupBy {
    /// The group of an alert.
    pub(crate) fn key(self, row: &AlertRow) -> String {
        match (self, &row.incident) {
            (Self::Incident, Some(incident)) => format!("incident:{incident}"),
            (Self::Incident, None) | (Self::Alert, _) => format!("alert:{}", row.id),
            (Self::AreaService, _) => format!("place:{}/{}", row.area, row.service),
        }
    }
}

macro_rules! on {
    ($($(#[$doc:meta])* $variant:ident = $word:literal,)*) => {
        /// What a route tells of. The clear of what was told is told in any case.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum On { $($(#[$doc])* $variant,)* }

        impl On {
            /// All.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The word in `notify.yaml`.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }
    };
}

on! {
    /// A new alert, or one that is no longer held back.
    Raise = "raise",
    /// A worse severity.
    Worse = "worse",
    /// Any change of severity.
    Severity = "severity",
    /// The condition returned. Always told to those who were told of the alert.
    Clear = "clear",
    /// Somebody took note.
    Acknowledge = "acknowledge",
    /// Given to somebody.
    Assign = "assign",
    /// Somebody said something.
    Comment = "comment",
    /// Work began.
    Start = "start",
    /// Work is done.
    Resolve = "resolve",
    /// Closed by a person or by itself.
    Close = "close",
    /// A false alarm.
    Reject = "reject",
    /// Put aside.
    Shelve = "shelve",
    /// The next step of the escalation chain.
    Escalate = "escalate",
    /// It counts less after a long time.
    Deescalate = "deescalate",
    /// A due time passed.
    Overdue = "overdue",
}

impl On {
    /// What a word means.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|o| o.as_str() == word)
    }

    /// What a route tells of that does not say.
    pub fn usual() -> BTreeSet<Self> {
        BTreeSet::from([Self::Raise, Self::Worse, Self::Clear, Self::Escalate])
    }
}

/// Times of a group, ms; the defaults are those of Alertmanager (domain.md §5.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// Time in which the first message of a group collects company; `None`: 30 s, and none at all
    /// for what is critical or an emergency.
    pub wait_ms: Option<i64>,
    /// Time between messages of one group.
    pub interval_ms: i64,
    /// Time after which what nobody has acknowledged is told again; `None`: never.
    pub repeat_ms: Option<i64>,
}

impl Default for Times {
    fn default() -> Self {
        Self { wait_ms: None, interval_ms: 5 * 60_000, repeat_ms: Some(4 * 3_600_000) }
    }
}

impl Times {
    /// Of an escalation: at once, not repeated (the chain's next step does that).
    pub(crate) const ESCALATION: Self = Self { wait_ms: Some(0), interval_ms: 0, repeat_ms: None };

    /// The wait for a change of that severity.
    pub(crate) fn wait(&self, severity: Severity) -> i64 {
        let usual = if severity >= Severity::Critical { 0 } else { 30_000 };
        self.wait_ms.unwrap_or(usual)
    }
}

/// One route; empty lists fit everything.
#[derive(Clone, Debug)]
pub struct Route {
    /// Which.
    pub id: Name,
    /// Services.
    pub services: BTreeSet<Name>,
    /// Wards.
    pub areas: BTreeSet<Name>,
    /// Rules.
    pub rules: BTreeSet<Name>,
    /// Causes.
    pub causes: BTreeSet<Name>,
    /// This severity or higher.
    pub min_severity: Option<Severity>,
    /// Reasons.
    pub on: BTreeSet<On>,
    /// Only in these hours.
    pub hours: Option<Hours>,
    /// Who is told.
    pub receivers: Vec<Name>,
    /// What belongs together.
    pub group_by: GroupBy,
    /// When.
    pub times: Times,
    /// The routes after it are asked too.
    pub goes_on: bool,
}

/// A change to be routed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct News<'a> {
    pub row: &'a AlertRow,
    pub on: On,
    /// After the change; the row may be further on.
    pub severity: Severity,
    pub now: Timestamp,
}

impl Route {
    fn fits(&self, news: News<'_>) -> bool {
        let any = |set: &BTreeSet<Name>, name: &Name| set.is_empty() || set.contains(name);
        let wanted =
            self.on.contains(&news.on) || (news.on == On::Worse && self.on.contains(&On::Severity));
        wanted
            && any(&self.services, &news.row.service)
            && any(&self.areas, &news.row.area)
            && any(&self.rules, &news.row.rule)
            && any(&self.causes, &news.row.cause)
            && self.min_severity.is_none_or(|least| news.severity >= least)
            && self.hours.as_ref().is_none_or(|h| h.is_open(news.now))
    }
}

impl NotifyConfig {
    /// Who is told, each by the first route that names them.
    pub(crate) fn routes_for(&self, news: News<'_>) -> Vec<(&Route, &Name)> {
        let mut told: Vec<(&Route, &Name)> = Vec::new();
        for route in self.routes.iter().filter(|r| r.fits(news)) {
            for receiver in &route.receivers {
                if !told.iter().any(|(_, r)| *r == receiver) {
                    told.push((route, receiver));
                }
            }
            if !route.goes_on {
                break;
            }
        }
        told
    }
}
