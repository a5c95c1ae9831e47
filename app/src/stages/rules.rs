use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use anyhow::Context;
use ioc_alerts::Register;
use ioc_dashboard::Live;
use ioc_journal::Batch;
use ioc_model::{Entry, Ledger, Transition};
use ioc_rules::{ClockMode, Engine, EngineConfig, Judged, RuleSet};

use super::{EntryJournal, Progress, blocking, write_atomically};

/// Time between two checkpoints; a restart judges again at most what came in between.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(5);

/// What the rules stage works with.
pub(crate) struct RulesLinks {
    pub checkpoint: PathBuf,
    pub register: Arc<Register>,
    pub journal: EntryJournal,
    pub ledger: Arc<Ledger>,
    pub live: Arc<Live>,
    pub progress: Arc<Progress>,
}

/// Judges the journal and hands what changes to the alert register.
pub(crate) struct RulesStage {
    engine: Engine,
    next: u64,
    event_clock: bool,
    /// Records below this position were counted by an earlier process.
    count_from: u64,
    links: RulesLinks,
}

impl RulesStage {
    /// Takes up the engine where its checkpoint left it; without a usable checkpoint it starts
    /// from the journal's first entry.
    pub(crate) fn open(
        rules: RuleSet,
        config: EngineConfig,
        links: RulesLinks,
    ) -> anyhow::Result<Self> {
        let event_clock = config.clock == ClockMode::Event;
        let first = links.journal.stats().first;
        let saved = match std::fs::read(&links.checkpoint) {
            Ok(bytes) => Some(bytes),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => None,
            Err(e) => return Err(e).context("cannot read the rule checkpoint"),
        };
        let mut orphaned = Vec::new();
        let restored = saved.map(|b| Engine::restore(rules.clone(), config.clone(), &b));
        let (engine, next) = match restored {
            Some(Ok(restored)) => {
                orphaned = restored.orphaned;
                (restored.engine, restored.next_position)
            }
            Some(Err(e)) => {
                tracing::warn!(error = %e, "rule checkpoint not usable, judging the journal anew");
                (Engine::new(rules, config), first)
            }
            None => (Engine::new(rules, config), first),
        };
        if !orphaned.is_empty() {
            tracing::info!(alerts = orphaned.len(), "alerts of changed or removed rules returned");
            let cursor = links.register.cursor()?;
            orphaned.iter_mut().for_each(|t: &mut Transition| t.position = cursor);
            links.register.apply(cursor, &orphaned)?;
        }
        Ok(Self { engine, next, event_clock, count_from: 0, links })
    }

    /// Position of the next entry to judge.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Judges until the journal ends; records at `count_from` and above are this process's own.
    pub(crate) async fn run(mut self, count_from: u64) -> anyhow::Result<()> {
        self.count_from = count_from;
        self.links.progress.rules.store(self.next, Relaxed);
        let mut reader = self.links.journal.reader("rules", self.next);
        let mut saved = Instant::now();
        while let Some(batch) = reader.next().await? {
            self.judge(&batch).await?;
            if saved.elapsed() >= CHECKPOINT_EVERY {
                self.save().await?;
                saved = Instant::now();
            }
        }
        self.save().await
    }

    async fn judge(&mut self, batch: &Batch<Entry>) -> anyhow::Result<()> {
        let mut transitions = Vec::new();
        let mut tally = Tally::default();
        for (position, entry) in (batch.first..).zip(&batch.entries) {
            if position < self.next {
                continue;
            }
            let judged = self.engine.step(position, entry, &mut transitions);
            if let (Entry::Record(r), true) = (entry, position >= self.count_from) {
                tally.count(&self.links.ledger, r.source, judged);
            }
        }
        tally.flush(&self.links.ledger);
        self.next = self.next.max(batch.first + batch.entries.len() as u64);
        if !transitions.is_empty() {
            self.apply(transitions).await?;
        }
        self.links.progress.rules.store(self.next, Relaxed);
        if let Some(now) = self.engine.now() {
            self.links.progress.watermark.store(now.0, Relaxed);
            self.links.live.set_watermark(now);
            if self.event_clock {
                self.links.live.set_now(now);
            }
        }
        Ok(())
    }

    async fn apply(&self, transitions: Vec<Transition>) -> anyhow::Result<()> {
        let (register, next) = (Arc::clone(&self.links.register), self.next);
        blocking(move || Ok(register.apply(next, &transitions)?)).await?;
        Ok(())
    }

    async fn save(&mut self) -> anyhow::Result<()> {
        let bytes = self.engine.checkpoint(self.next);
        let path = self.links.checkpoint.clone();
        blocking(move || {
            write_atomically(&path, &bytes).context("cannot write the rule checkpoint")
        })
        .await?;
        self.links.journal.set_cursor("rules", self.next);
        Ok(())
    }
}

/// Counts of one batch by door, so that the shared counters are touched once a batch.
#[derive(Default)]
struct Tally {
    source: u16,
    evaluated: u64,
    late: u64,
}

impl Tally {
    fn count(&mut self, ledger: &Ledger, source: u16, judged: Judged) {
        if source != self.source {
            self.flush(ledger);
            self.source = source;
        }
        match judged {
            Judged::Evaluated => self.evaluated += 1,
            Judged::Late => self.late += 1,
            Judged::Tick => {}
        }
    }

    fn flush(&mut self, ledger: &Ledger) {
        if let Some(counters) = ledger.by_index(self.source) {
            counters.evaluated.fetch_add(std::mem::take(&mut self.evaluated), Relaxed);
            counters.late.fetch_add(std::mem::take(&mut self.late), Relaxed);
        }
    }
}
