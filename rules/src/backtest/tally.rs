//! Counting while a backtest runs: numbers are complete whatever is listed, memory is bounded by
//! rules, entities and hours.

use std::collections::{BTreeMap, BTreeSet};

use ioc_model::{Entity, Name, Timestamp};

use super::BacktestConfig;
use super::report::{Coverage, Durations, Episode, Load, LoadHour, Report, RuleReport, TopEntity};
use crate::engine::{ClockMode, Judged};
use crate::ruleset::RuleSet;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const TEN_MINUTES_MS: i64 = 10 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;
/// More raises in ten minutes than an operator can follow (ISA-18.2 / IEC 62682).
const FLOOD: u64 = 10;
const TOP_ENTITIES: usize = 20;

#[derive(Debug)]
pub(super) struct Tally {
    pub(super) coverage: Coverage,
    rules: BTreeMap<Name, (RuleReport, BTreeSet<Entity>)>,
    by_hour: BTreeMap<i64, u64>,
    by_ten_minutes: BTreeMap<i64, u64>,
    by_entity: BTreeMap<Entity, u64>,
    episodes: Vec<Episode>,
    max_episodes: usize,
    left_out: u64,
}

impl Coverage {
    pub(super) fn see(&mut self, now: Timestamp, config: &BacktestConfig) {
        self.warm_up_from.get_or_insert(now);
        if config.from <= now && now < config.to {
            self.first.get_or_insert(now);
            self.last = Some(now);
        }
    }

    pub(super) fn count(&mut self, judged: Judged, warming: bool) {
        let records = if warming { &mut self.warm_up_records } else { &mut self.records };
        match judged {
            Judged::Evaluated => *records += 1,
            Judged::Late => {
                *records += 1;
                self.late += 1;
            }
            Judged::Tick => {}
        }
    }
}

impl Tally {
    pub(super) fn new(set: &RuleSet, max_episodes: usize) -> Self {
        let line = |info: crate::ruleset::RuleInfo| {
            let report = RuleReport {
                rule: info.id.clone(),
                name: info.name,
                service: info.service,
                mode: info.mode,
                raised: 0,
                carried: 0,
                open: 0,
                entities: 0,
                by_severity: [0; 5],
                active_ms: 0,
            };
            (info.id, (report, BTreeSet::new()))
        };
        Self {
            coverage: Coverage::default(),
            rules: set.infos().into_iter().map(line).collect(),
            by_hour: BTreeMap::new(),
            by_ten_minutes: BTreeMap::new(),
            by_entity: BTreeMap::new(),
            episodes: Vec::new(),
            max_episodes,
            left_out: 0,
        }
    }

    /// An episode begins within the period.
    pub(super) fn raised(&mut self, e: &Episode) {
        if let Some((rule, entities)) = self.rules.get_mut(&e.rule) {
            rule.raised += 1;
            entities.insert(e.entity.clone());
        }
        if e.shadow {
            return;
        }
        let t = e.start.0;
        *self.by_hour.entry(t - t.rem_euclid(HOUR_MS)).or_default() += 1;
        *self.by_ten_minutes.entry(t - t.rem_euclid(TEN_MINUTES_MS)).or_default() += 1;
        *self.by_entity.entry(e.entity.clone()).or_default() += 1;
    }

    /// An episode is complete, as far as the period goes.
    pub(super) fn add(&mut self, e: Episode, config: &BacktestConfig) {
        let until = e.end.or(self.coverage.last).unwrap_or(config.to).min(config.to);
        if let Some((rule, _)) = self.rules.get_mut(&e.rule) {
            rule.carried += u64::from(e.carried);
            rule.open += u64::from(e.end.is_none());
            rule.by_severity[e.severity as usize - 1] += 1;
            rule.active_ms += until.since_ms(e.start.max(config.from)).max(0);
        }
        if self.episodes.len() < self.max_episodes {
            self.episodes.push(e);
        } else {
            self.left_out += 1;
        }
    }

    pub(super) fn report(self, config: &BacktestConfig, clock: ClockMode) -> Report {
        let Self { coverage, rules, mut episodes, left_out, .. } = self;
        episodes.sort_by(|a, b| (a.start, &a.rule, &a.entity).cmp(&(b.start, &b.rule, &b.entity)));
        let mut rules: Vec<RuleReport> = rules
            .into_values()
            .map(|(rule, entities)| RuleReport { entities: entities.len() as u64, ..rule })
            .collect();
        rules.sort_by(|a, b| b.raised.cmp(&a.raised).then_with(|| a.rule.cmp(&b.rule)));
        let live = || rules.iter().filter(|r| r.mode == "on");
        let raised = live().map(|r| r.raised).sum();
        Report {
            from: config.from,
            to: config.to,
            clock: match clock {
                ClockMode::Wall => "wall",
                ClockMode::Event => "event",
            },
            coverage,
            raised,
            carried: live().map(|r| r.carried).sum(),
            open: live().map(|r| r.open).sum(),
            load: load(&coverage, raised, &self.by_hour, &self.by_ten_minutes),
            durations: durations(&episodes),
            top_entities: top(self.by_entity, raised),
            rules,
            episodes,
            left_out,
        }
    }
}

fn load(
    coverage: &Coverage,
    raised: u64,
    by_hour: &BTreeMap<i64, u64>,
    by_ten_minutes: &BTreeMap<i64, u64>,
) -> Load {
    let covered_ms = match (coverage.first, coverage.last) {
        (Some(first), Some(last)) => last.since_ms(first),
        _ => 0,
    };
    let hours = covered_ms as f64 / HOUR_MS as f64;
    let over = |n: u64| by_hour.values().filter(|raised| **raised > n).count() as u64;
    let floods = by_ten_minutes.values().filter(|raised| **raised > FLOOD).count() as u64;
    let hour = |(t, raised): (&i64, &u64)| LoadHour { hour: Timestamp(*t), raised: *raised };
    let per = |n: f64, of: f64| if of > 0.0 { n / of } else { 0.0 };
    Load {
        hours,
        mean_per_hour: per(raised as f64, hours),
        max_per_hour: by_hour.values().copied().max().unwrap_or(0),
        hours_over_6: over(6),
        hours_over_12: over(12),
        hours_over_30: over(30),
        max_per_10_min: by_ten_minutes.values().copied().max().unwrap_or(0),
        floods,
        flood_share: per(floods as f64 / 6.0, hours).min(1.0),
        by_hour: by_hour.iter().map(hour).collect(),
    }
}

fn durations(episodes: &[Episode]) -> Durations {
    let ended = episodes.iter().filter(|e| !e.shadow);
    let mut all: Vec<i64> = ended.filter_map(|e| Some(e.end?.since_ms(e.start))).collect();
    all.sort_unstable();
    let rank = |share: f64| {
        let i = (share * all.len() as f64).ceil() as usize;
        all.get(i.saturating_sub(1)).copied().unwrap_or(0)
    };
    Durations {
        ended: all.len() as u64,
        median_ms: rank(0.5),
        p90_ms: rank(0.9),
        longest_ms: all.last().copied().unwrap_or(0),
        under_a_minute: all.iter().filter(|d| **d < MINUTE_MS).count() as u64,
        over_a_day: all.iter().filter(|d| **d > DAY_MS).count() as u64,
    }
}

fn top(by_entity: BTreeMap<Entity, u64>, raised: u64) -> Vec<TopEntity> {
    let mut all: Vec<(Entity, u64)> = by_entity.into_iter().collect();
    all.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    all.truncate(TOP_ENTITIES);
    let share = |n: u64| n as f64 / raised.max(1) as f64;
    all.into_iter().map(|(entity, n)| TopEntity { entity, raised: n, share: share(n) }).collect()
}
