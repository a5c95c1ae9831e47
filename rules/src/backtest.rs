//! What a set of rules would have raised over recorded entries: the same engine, fed from a
//! recording instead of live, and what it says gathered into episodes.
//!
//! An episode belongs to the period `from ..< to` if it runs at some moment of it. What comes
//! before `from` (the warm-up) builds up the state of the rules: an episode raised there that
//! still runs at `from` is reported with its true start and [`Episode::carried`], and is not
//! counted as raised. What comes after `to` is only listened to for so long that late readings
//! and windows that wait for stragglers are still judged; nothing at or after `to` is reported.
//!
//! **Invariant:** with the entries, the clock and the settings of a live run, and with all of its
//! entries since its start as warm-up, the episodes are those the live run raised (tested on
//! random recordings).

mod diff;
mod report;
mod tally;

use std::collections::BTreeMap;

use ioc_model::{AlertId, Entry, Timestamp, Transition, TransitionKind};

pub use diff::{Diff, Pair, RuleDiff, Span, compare};
pub use report::{
    Coverage, Durations, Episode, EpisodeStep, Load, LoadHour, Report, RuleReport, TopEntity,
};

use crate::engine::{ClockMode, Engine, EngineConfig, Judged};
use crate::ruleset::RuleSet;
use tally::Tally;

/// Beyond the longest wait of any rule, for what is written behind the clock.
const SETTLE_MS: i64 = 60_000;

/// Which period, and how it is judged.
#[derive(Clone, Debug)]
pub struct BacktestConfig {
    /// First moment that counts.
    pub from: Timestamp,
    /// First moment that counts no more.
    pub to: Timestamp,
    /// Settings of the engine, those of the live run for the same result.
    pub engine: EngineConfig,
    /// Episodes kept whole; further ones are counted ([`Report::left_out`]) and not listed.
    pub max_episodes: usize,
}

/// One run of one set of rules. See the module documentation.
#[derive(Debug)]
pub struct Backtest {
    engine: Engine,
    config: BacktestConfig,
    /// The clock beyond which nothing of the period can be said any more.
    settled: i64,
    transitions: Vec<Transition>,
    /// Running episodes, those of the warm-up too.
    open: BTreeMap<AlertId, Episode>,
    tally: Tally,
    next: u64,
    past: bool,
}

impl Backtest {
    /// A run that has seen nothing yet.
    pub fn new(set: RuleSet, config: BacktestConfig) -> Self {
        let grace = set.rules.iter().map(|r| r.kind.grace_ms()).max().unwrap_or(0);
        let engine = &config.engine;
        let settled = [engine.max_age_ms, engine.allowed_lateness_ms, grace, SETTLE_MS]
            .into_iter()
            .fold(config.to.0, i64::saturating_add);
        let tally = Tally::new(&set, config.max_episodes);
        Self {
            engine: Engine::new(set, config.engine.clone()),
            settled,
            config,
            transitions: Vec::new(),
            open: BTreeMap::new(),
            tally,
            next: 0,
            past: false,
        }
    }

    /// Judges the next entry, in the order of the recording; `false` once no further entry can
    /// change what is reported.
    pub fn feed(&mut self, position: u64, entry: &Entry) -> bool {
        if self.past {
            return false;
        }
        let judged = self.engine.step(position, entry, &mut self.transitions);
        self.next = position.saturating_add(1);
        if !matches!(entry, Entry::Record(r) if r.derived) {
            self.note_time(judged);
        }
        self.gather();
        !self.past
    }

    /// The clock of the run.
    pub fn now(&self) -> Option<Timestamp> {
        self.engine.now()
    }

    /// The engine, to look into: what it costs, why a rule is silent.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The recording has ended, or the period has.
    pub fn finish(mut self) -> Report {
        if self.engine.config().clock == ClockMode::Event && !self.past {
            // Records still wait for earlier ones that will not come any more.
            self.engine.finish(self.next, &mut self.transitions);
            self.gather();
        }
        let open = std::mem::take(&mut self.open);
        for (_, episode) in open {
            self.tally.add(episode, &self.config);
        }
        let clock = self.engine.config().clock;
        self.tally.report(&self.config, clock)
    }

    fn note_time(&mut self, judged: Judged) {
        let now = self.engine.now();
        if let Some(now) = now {
            self.past = now.0 > self.settled;
            self.tally.coverage.see(now, &self.config);
        }
        let warming = now.is_none_or(|now| now < self.config.from);
        self.tally.coverage.count(judged, warming);
    }

    fn gather(&mut self) {
        drop(self.engine.take_derived());
        for t in std::mem::take(&mut self.transitions) {
            self.transition(t, false);
        }
        for t in self.engine.take_shadow() {
            self.transition(t, true);
        }
    }

    fn transition(&mut self, t: Transition, shadow: bool) {
        let BacktestConfig { from, to, .. } = self.config;
        if t.time >= to {
            return;
        }
        match t.kind {
            TransitionKind::Raise => {
                let episode = Episode::raised(&t, shadow, t.time < from);
                if !episode.carried {
                    self.tally.raised(&episode);
                }
                self.open.insert(t.alert, episode);
            }
            TransitionKind::Severity => {
                if let Some(episode) = self.open.get_mut(&t.alert) {
                    episode.step(&t);
                }
            }
            TransitionKind::Clear => {
                let Some(mut episode) = self.open.remove(&t.alert) else { return };
                episode.step(&t);
                episode.end = Some(t.time);
                if !episode.carried || t.time > from {
                    self.tally.add(episode, &self.config);
                }
            }
        }
    }
}

impl RuleSet {
    /// How far back a rule can look: for each rule the sum of all spans of time it names, and of
    /// these the longest. A backtest that starts so much earlier knows what the rules know.
    pub fn longest_span_ms(&self) -> i64 {
        let span = |rule: &crate::rule::Rule| {
            let ladder = rule.ladder.for_ms.saturating_add(rule.ladder.clear_for_ms);
            let fields = rule.kind.print();
            fields.iter().map(|(_, node)| spans(node)).fold(ladder, i64::saturating_add)
        };
        self.rules.iter().map(span).max().unwrap_or(0)
    }
}

/// All spans of time in a field of a printed rule.
fn spans(node: &crate::yaml::Node) -> i64 {
    use crate::yaml::Value;
    match &node.value {
        Value::Text(t) => crate::fields::parse_duration(t).unwrap_or(0),
        Value::List(items) => items.iter().map(spans).fold(0, i64::saturating_add),
        Value::Map(entries) => entries.iter().map(|(_, n)| spans(n)).fold(0, i64::saturating_add),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}
