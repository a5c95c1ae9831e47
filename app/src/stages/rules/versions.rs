//! From which position on which version of the rules holds.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use ioc_model::Transition;
use ioc_rules::{Engine, EngineConfig, RuleSet};

use super::RulesStage;
use crate::rulebook::{Loader, NewVersion, Start, VersionStore};
use crate::stages::blocking;

/// Versions that the entries to come will need: after a crash, those that were accepted after
/// the checkpoint.
pub(super) struct Schedule {
    pub store: Arc<VersionStore>,
    pub loader: Arc<Loader>,
    /// Number and position, oldest first.
    upcoming: VecDeque<(u64, u64)>,
}

impl Schedule {
    pub(super) fn new(start: &Start, next: u64) -> anyhow::Result<Self> {
        Ok(Self {
            store: Arc::clone(&start.store),
            loader: Arc::clone(&start.loader),
            upcoming: start.store.after(next)?.into(),
        })
    }

    /// Does another version hold from this position, or from one before it?
    #[inline]
    pub(super) fn due(&self, position: u64) -> bool {
        self.upcoming.front().is_some_and(|(_, from)| *from <= position)
    }

    /// The newest version that is due.
    fn take(&mut self, position: u64) -> Option<u64> {
        let mut found = None;
        while self.due(position) {
            found = self.upcoming.pop_front().map(|(number, _)| number);
        }
        found
    }

    /// Where the last known change begins; positions below it are spoken for.
    pub(super) fn end(&self) -> u64 {
        self.upcoming.back().map_or(0, |(_, position)| *position)
    }
}

/// An engine at its place, and what is still to be told of the change of rules before it.
pub(super) struct Opened {
    pub engine: Engine,
    pub next: u64,
    pub version: u64,
    pub pending: Vec<Transition>,
    pub unjudged: Option<Vec<u8>>,
}

/// Takes up the engine where its checkpoint left it, with the version of the rules that judges
/// the entry there; without a usable checkpoint from `first`, the journal's oldest.
pub(super) fn open(
    start: &mut Start,
    config: &EngineConfig,
    saved: Option<Vec<u8>>,
    (first, end): (u64, u64),
) -> anyhow::Result<Opened> {
    let newest = start.accepted.set.clone();
    let usable = saved.and_then(|bytes| {
        let restored = Engine::restore(newest.clone(), config.clone(), &bytes);
        let unusable = |e: &ioc_rules::RulesError| {
            tracing::warn!(error = %e, "rule checkpoint not usable, judging the journal anew");
        };
        Some((restored.inspect_err(unusable).ok()?, bytes))
    });
    let next = usable.as_ref().map_or(first, |(r, _)| r.next_position);
    let number = start.settle(end.max(next))?;
    let in_force = start.store.in_force_at(next)?.filter(|v| v.number != number);
    let older = in_force.and_then(|v| match start.loader.load(&v.files) {
        Ok(set) => Some((v.number, set)),
        Err(mistakes) => {
            let mistakes = mistakes.len();
            tracing::warn!(
                version = v.number,
                mistakes,
                "rules of then do not fit the city of now, the newest judge instead"
            );
            None
        }
    });
    let (version, set) = match older {
        None => (number, newest),
        Some((older, set)) => (older, set),
    };
    let Some((mut restored, bytes)) = usable else {
        let engine = Engine::new(set, config.clone());
        return Ok(Opened { engine, next, version, pending: Vec::new(), unjudged: None });
    };
    if version != number {
        restored = Engine::restore(set, config.clone(), &bytes)?;
    }
    let (engine, pending) = (restored.engine, restored.orphaned);
    Ok(Opened { engine, next, version, pending, unjudged: Some(bytes) })
}

impl RulesStage {
    /// Makes a set durable as a version from the next entry on, then uses it. `Ok(Err(_))`: not
    /// durable, so not used.
    pub(super) async fn adopt(
        &mut self,
        new: Box<NewVersion>,
        set: RuleSet,
    ) -> anyhow::Result<anyhow::Result<(u64, u64)>> {
        let (store, next) = (Arc::clone(&self.schedule.store), self.next);
        let (version, position) = match blocking(move || store.insert(next, &new)).await {
            Ok(made) => made,
            Err(e) => return Ok(Err(e)),
        };
        if position > next {
            // Only after a power cut took journal entries: the position is still to come.
            self.schedule.upcoming.push_back((version, position));
        } else {
            let pending = self.exchange((version, next), set).await?;
            self.pending = pending;
        }
        Ok(Ok((version, position)))
    }

    /// The next entry's rules are used as soon as it is the next, not only when it comes.
    pub(super) async fn look_ahead(&mut self) -> anyhow::Result<()> {
        match self.schedule.due(self.next) {
            true => self.follow_schedule(self.next).await,
            false => Ok(()),
        }
    }

    /// Uses the version that holds from `position` on.
    pub(super) async fn follow_schedule(&mut self, position: u64) -> anyhow::Result<()> {
        let Some(version) = self.schedule.take(position) else { return Ok(()) };
        let (store, loader) = (Arc::clone(&self.schedule.store), Arc::clone(&self.schedule.loader));
        let load = move || {
            let files = store.files(version)?.context("a version of the rules is gone")?;
            Ok(loader.load(&files).map_err(|mistakes| mistakes.len()))
        };
        match blocking(load).await? {
            Ok(set) => self.pending = self.exchange((version, position), set).await?,
            Err(mistakes) => {
                tracing::warn!(version, mistakes, "rules of then do not fit the city of now");
            }
        }
        Ok(())
    }

    /// Exchanges the rules before the entry at `position`; the states and timers of unchanged
    /// rules stay. Gives the clears of the others' alerts, to be told with that entry.
    async fn exchange(
        &mut self,
        (version, position): (u64, u64),
        set: RuleSet,
    ) -> anyhow::Result<Vec<Transition>> {
        self.hand_out().await?;
        self.costs.carry(&self.engine);
        let nothing = Engine::new(RuleSet::default(), EngineConfig::default());
        let engine = std::mem::replace(&mut self.engine, nothing);
        // Two exchanges before one entry are one, as they will be after a crash.
        let before = self.unjudged.take();
        let (config, new) = (engine.config().clone(), set.clone());
        let work = move || {
            let started = Instant::now();
            let bytes = before.unwrap_or_else(|| engine.checkpoint(position));
            let restored = Engine::restore(new, config, &bytes)?;
            let took = started.elapsed();
            drop(engine);
            Ok((restored, bytes, took))
        };
        let (restored, bytes, took) = blocking(work).await?;
        self.engine = restored.engine;
        self.unjudged = Some(bytes);
        let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        tracing::info!(
            version,
            position,
            took_us,
            rules = set.len(),
            cleared = restored.orphaned.len(),
            "rules exchanged"
        );
        self.links.view.exchanged(version, position, &set, took_us);
        self.costs.publish(&self.engine, &self.links.view);
        Ok(restored.orphaned)
    }
}
