//! Two sets of rules side by side on a stretch of the journal.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use ioc_model::{Entry, Name, RuleTrial, RuleTrialRow, Timestamp, Transition, TransitionKind};
use ioc_rules::{ClockMode, Engine, EngineConfig, RuleSet};

use crate::stages::EntryJournal;

/// A search for a time stops when so few entries are left.
const NEAR: u64 = 4_096;

/// How much a trial may cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub time: Duration,
    /// Newest entries of the stretch.
    pub entries: u64,
}

/// How far a trial is; it ends early when told to.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    pub done: AtomicU64,
    pub total: AtomicU64,
    pub cancel: AtomicBool,
}

/// What two sets are compared on.
#[derive(Clone)]
pub(crate) struct Bench {
    pub journal: EntryJournal,
    pub config: EngineConfig,
}

impl Bench {
    /// Runs both sets, from nothing, on the entries between two times. Blocks: on a thread that
    /// may, inside the runtime.
    pub(crate) fn compare(
        &self,
        [present, proposed]: [RuleSet; 2],
        (from, to): (Option<Timestamp>, Option<Timestamp>),
        limits: Limits,
        progress: &Progress,
    ) -> anyhow::Result<RuleTrial> {
        let runtime = tokio::runtime::Handle::current();
        let started = Instant::now();
        let end = self.journal.stats().next;
        let first = runtime.block_on(self.position_of(from))?;
        let start = first.max(end.saturating_sub(limits.entries));
        progress.total.store(end.saturating_sub(start), Relaxed);
        let mut sides = [Side::new(present, &self.config), Side::new(proposed, &self.config)];
        let mut trial = RuleTrial { complete: start == first, ..RuleTrial::default() };
        let mut reader = self.journal.reader("trial", start);
        while reader.position() < end {
            if started.elapsed() > limits.time || progress.cancel.load(Relaxed) {
                trial.complete = false;
                break;
            }
            let Some(batch) = runtime.block_on(reader.next())? else { break };
            let mut over = false;
            for (position, entry) in (batch.first..end).zip(&batch.entries) {
                let at = self.time_of(entry);
                over = to.is_some_and(|to| at >= to);
                if position < start || from.is_some_and(|from| at < from) {
                    continue;
                }
                if over {
                    break;
                }
                trial.from.get_or_insert(at);
                trial.to = trial.to.max(Some(at));
                trial.entries += 1;
                sides.iter_mut().for_each(|side| side.step(position, entry));
            }
            progress.done.store(reader.position().saturating_sub(start), Relaxed);
            if over {
                break;
            }
        }
        let [present, proposed] = sides.map(Side::episodes);
        trial.present = present.values().sum();
        trial.proposed = proposed.values().sum();
        let count = |of: &BTreeMap<Name, u64>, rule: &Name| of.get(rule).copied().unwrap_or(0);
        let mut rules: Vec<&Name> = present.keys().chain(proposed.keys()).collect();
        rules.sort();
        rules.dedup();
        trial.differences = rules
            .into_iter()
            .map(|rule| RuleTrialRow {
                rule: rule.clone(),
                present: count(&present, rule),
                proposed: count(&proposed, rule),
            })
            .filter(|row| row.present != row.proposed)
            .collect();
        Ok(trial)
    }

    fn time_of(&self, entry: &Entry) -> Timestamp {
        match entry {
            Entry::Tick(t) => *t,
            Entry::Record(r) if self.config.clock == ClockMode::Event => r.time,
            Entry::Record(r) => r.received,
        }
    }

    /// A position a little before the first entry of `time`, by halving.
    async fn position_of(&self, time: Option<Timestamp>) -> anyhow::Result<u64> {
        let stats = self.journal.stats();
        let Some(time) = time else { return Ok(stats.first) };
        let (mut low, mut high) = (stats.first, stats.next);
        while high.saturating_sub(low) > NEAR {
            let middle = low + (high - low) / 2;
            let mut reader = self.journal.reader("trial", middle);
            let found = reader.next().await?;
            let at = found.as_ref().and_then(|b| b.entries.first()).map(|e| self.time_of(e));
            if at.is_some_and(|at| at < time) {
                low = middle;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }
}

struct Side {
    engine: Engine,
    out: Vec<Transition>,
    episodes: BTreeMap<Name, u64>,
}

impl Side {
    fn new(set: RuleSet, config: &EngineConfig) -> Self {
        let config = EngineConfig { meter: None, ..config.clone() };
        Self { engine: Engine::new(set, config), out: Vec::new(), episodes: BTreeMap::new() }
    }

    fn step(&mut self, position: u64, entry: &Entry) {
        self.engine.step(position, entry, &mut self.out);
        if !self.out.is_empty() {
            self.count();
        }
        // Bounded: what nobody asks for must not gather.
        if position.is_multiple_of(1_024) {
            self.drain();
        }
    }

    fn drain(&mut self) {
        drop(self.engine.take_derived());
        self.out.append(&mut self.engine.take_shadow());
        self.count();
    }

    fn count(&mut self) {
        for t in self.out.drain(..).filter(|t| t.kind == TransitionKind::Raise) {
            *self.episodes.entry(t.rule).or_default() += 1;
        }
    }

    fn episodes(mut self) -> BTreeMap<Name, u64> {
        self.drain();
        self.episodes
    }
}

/// One backtest at a time.
#[derive(Default)]
pub(crate) struct Jobs {
    pub last: u64,
    pub jobs: BTreeMap<u64, Job>,
}

/// A backtest that runs or has run.
pub(crate) struct Job {
    pub progress: Arc<Progress>,
    pub result: Option<Result<RuleTrial, String>>,
}
