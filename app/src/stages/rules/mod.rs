//! Judges the journal: the rules that hold at each entry, and what becomes of what they say.

mod costs;
mod derived;
mod requests;
#[cfg(test)]
mod tests;
mod versions;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use anyhow::Context;
use ioc_alerts::Register;
use ioc_dashboard::Live;
use ioc_journal::Batch;
use ioc_model::{Entry, Ledger, Transition};
use ioc_rules::{ClockMode, Engine, EngineConfig, Judged};
use tokio::sync::mpsc;

use self::costs::Costs;
use self::derived::Derived;
use self::versions::{Opened, Schedule};
use super::{EntryJournal, Progress, blocking, write_atomically};
use crate::rulebook::{RulesView, Start};

pub(crate) use requests::{REQUESTS, Request};

/// Time between two checkpoints; a restart judges again at most what came in between.
pub(crate) const CHECKPOINT_EVERY: Duration = Duration::from_secs(5);

/// What the rules stage works with.
pub(crate) struct RulesLinks {
    pub checkpoint: PathBuf,
    pub checkpoint_every: Duration,
    pub register: Arc<Register>,
    pub journal: EntryJournal,
    pub ledger: Arc<Ledger>,
    pub live: Arc<Live>,
    pub progress: Arc<Progress>,
    pub view: Arc<RulesView>,
}

/// Judges the journal and hands what changes to the alert register.
pub(crate) struct RulesStage {
    engine: Engine,
    next: u64,
    event_clock: bool,
    /// Records below this position were counted by an earlier process.
    count_from: u64,
    /// The engine before its last exchange of rules, while it has judged nothing since.
    unjudged: Option<Vec<u8>>,
    /// What that exchange changed. It carries the position of the next entry, so it is told
    /// together with what that entry changes.
    pending: Vec<Transition>,
    schedule: Schedule,
    derived: Derived,
    costs: Costs,
    requests: mpsc::Receiver<Request>,
    links: RulesLinks,
}

impl RulesStage {
    /// Takes up the engine where its checkpoint left it; without a usable checkpoint it starts
    /// from the journal's first entry. New rules become a version that holds from the journal's
    /// end.
    pub(crate) fn open(
        start: &mut Start,
        config: EngineConfig,
        requests: mpsc::Receiver<Request>,
        links: RulesLinks,
    ) -> anyhow::Result<Self> {
        let stats = links.journal.stats();
        let saved = match std::fs::read(&links.checkpoint) {
            Ok(bytes) => Some(bytes),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => None,
            Err(e) => return Err(e).context("cannot read the rule checkpoint"),
        };
        let end = stats.next.max(links.register.cursor()?);
        let event_clock = config.clock == ClockMode::Event;
        let opened = versions::open(start, &config, saved, (stats.first, end))?;
        let Opened { engine, next, version, pending, unjudged } = opened;
        links.view.exchanged(version, next, engine.rules(), 0);
        let derived = Derived::new(&links.journal, &links.ledger, next, stats.next);
        let schedule = Schedule::new(start, next)?;
        let (costs, count_from) = (Costs::default(), 0);
        Ok(Self {
            engine,
            next,
            event_clock,
            count_from,
            unjudged,
            pending,
            schedule,
            derived,
            costs,
            requests,
            links,
        })
    }

    /// Position of the next entry to judge.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Positions below this one have a meaning already.
    pub(crate) fn spoken_for(&self) -> u64 {
        self.next.max(self.schedule.end())
    }

    /// Judges until the journal ends; records at `count_from` and above are this process's own.
    pub(crate) async fn run(mut self, count_from: u64) -> anyhow::Result<()> {
        self.count_from = count_from;
        self.links.progress.rules.store(self.next, Relaxed);
        self.costs.publish(&self.engine, &self.links.view);
        self.look_ahead().await?;
        let mut reader = self.links.journal.reader("rules", self.next);
        let mut saved = Instant::now();
        let mut asked = true;
        loop {
            let batch = tokio::select! {
                request = self.requests.recv(), if asked => {
                    match request {
                        Some(request) => self.answer(request).await?,
                        None => asked = false,
                    }
                    continue;
                }
                batch = reader.next() => batch?,
            };
            let Some(batch) = batch else { break };
            self.judge(&batch).await?;
            self.look_ahead().await?;
            if self.costs.is_due() {
                self.costs.publish(&self.engine, &self.links.view);
            }
            if saved.elapsed() >= self.links.checkpoint_every {
                self.save().await?;
                saved = Instant::now();
            }
        }
        self.save().await
    }

    /// Who asked may have gone away: an answer that nobody takes is no error.
    async fn answer(&mut self, request: Request) -> anyhow::Result<()> {
        match request {
            Request::Explain { rule, entity, reply } => {
                let _ = reply.send(requests::explain(&self.engine, &rule, &entity));
            }
            Request::Entities { rule, limit, reply } => {
                let _ = reply.send(requests::entities(&self.engine, &rule, limit));
            }
            Request::Adopt { new, set, reply } => {
                let _ = reply.send(self.adopt(new, set).await?);
            }
        }
        Ok(())
    }

    async fn judge(&mut self, batch: &Batch<Entry>) -> anyhow::Result<()> {
        let mut transitions = Vec::new();
        let mut tally = Tally::default();
        for (position, entry) in (batch.first..).zip(&batch.entries) {
            if position < self.next {
                continue;
            }
            if self.schedule.due(position) {
                self.follow_schedule(position).await?;
            }
            if self.unjudged.is_some() {
                self.unjudged = None;
                transitions.append(&mut self.pending);
            }
            let judged = self.engine.step(position, entry, &mut transitions);
            if let (Entry::Record(r), true) = (entry, position >= self.count_from) {
                tally.count(r.source, judged);
            }
        }
        self.next = self.next.max(batch.first + batch.entries.len() as u64);
        self.hand_out().await?;
        self.derived.passed(self.next);
        if !transitions.is_empty() {
            self.apply(transitions).await?;
        }
        // Who sees a record as evaluated sees its alerts too.
        tally.count_in(&self.links.ledger);
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

    /// What the engine gathered besides transitions.
    async fn hand_out(&mut self) -> anyhow::Result<()> {
        let computed = self.engine.take_derived();
        if !computed.is_empty() {
            self.derived.put(computed).await?;
        }
        self.links.view.shadowed(self.engine.take_shadow());
        Ok(())
    }

    async fn apply(&self, transitions: Vec<Transition>) -> anyhow::Result<()> {
        let (register, next) = (Arc::clone(&self.links.register), self.next);
        blocking(move || Ok(register.apply(next, &transitions)?)).await?;
        Ok(())
    }

    /// Not between an exchange of rules and the next entry, whose transitions are told together;
    /// not before what was computed is on disk. The checkpoint before then holds on.
    async fn save(&mut self) -> anyhow::Result<()> {
        if self.unjudged.is_some() || !self.derived.durable().await? {
            return Ok(());
        }
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
struct Tally(Vec<OfDoor>);

struct OfDoor {
    source: u16,
    evaluated: u64,
    late: u64,
}

impl Tally {
    fn count(&mut self, source: u16, judged: Judged) {
        let at = self.0.iter().position(|d| d.source == source).unwrap_or_else(|| {
            self.0.push(OfDoor { source, evaluated: 0, late: 0 });
            self.0.len() - 1
        });
        match judged {
            Judged::Evaluated => self.0[at].evaluated += 1,
            Judged::Late => self.0[at].late += 1,
            Judged::Tick => {}
        }
    }

    fn count_in(self, ledger: &Ledger) {
        for door in self.0 {
            if let Some(counters) = ledger.by_index(door.source) {
                counters.evaluated.fetch_add(door.evaluated, Relaxed);
                counters.late.fetch_add(door.late, Relaxed);
            }
        }
    }
}
