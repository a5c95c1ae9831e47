//! What the rules stage tells about itself: costs, states, what rules in shadow mode would say.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ioc_model::{Name, RuleLoad, Timestamp, Transition};
use ioc_rules::{EngineStats, RuleInfo, RuleSet};

/// Newest changes kept of each rule in shadow mode.
const SHADOW_KEPT: usize = 200;

/// The set that runs, and its figures.
#[derive(Clone, Default)]
pub(crate) struct Running {
    /// Number of the version.
    pub version: u64,
    /// Position of the first entry it judged.
    pub position: u64,
    pub set: RuleSet,
    pub infos: Arc<[RuleInfo]>,
    /// By rule id.
    pub loads: Arc<BTreeMap<Name, RuleLoad>>,
    pub stats: EngineStats,
    /// The engine's now.
    pub now: Option<Timestamp>,
    /// How long the last exchange of rules held up the stage, µs.
    pub swap_us: u64,
    pub swaps: u64,
}

/// Written by the rules stage, read by everybody.
#[derive(Default)]
pub(crate) struct RulesView {
    running: Mutex<Running>,
    shadow: Mutex<BTreeMap<Name, VecDeque<Transition>>>,
}

impl RulesView {
    pub(crate) fn running(&self) -> Running {
        lock(&self.running).clone()
    }

    pub(crate) fn update(&self, change: impl FnOnce(&mut Running)) {
        change(&mut lock(&self.running));
    }

    /// Another set runs: what rules said that are no longer in shadow mode is forgotten.
    pub(crate) fn exchanged(&self, version: u64, position: u64, set: &RuleSet, took_us: u64) {
        let infos: Arc<[RuleInfo]> = set.infos().into();
        let in_shadow = |id: &Name| infos.iter().any(|i| i.id == *id && i.mode == "shadow");
        lock(&self.shadow).retain(|id, _| in_shadow(id));
        self.update(|r| {
            (r.version, r.position, r.set) = (version, position, set.clone());
            (r.swap_us, r.swaps) = (took_us, r.swaps + 1);
            r.infos = infos;
        });
    }

    pub(crate) fn shadowed(&self, transitions: Vec<Transition>) {
        if transitions.is_empty() {
            return;
        }
        let mut shadow = lock(&self.shadow);
        for t in transitions {
            let kept = shadow.entry(t.rule.clone()).or_default();
            if kept.len() == SHADOW_KEPT {
                kept.pop_front();
            }
            kept.push_back(t);
        }
    }

    pub(crate) fn shadow_of(&self, rule: &str) -> Vec<Transition> {
        lock(&self.shadow).get(rule).map_or_else(Vec::new, |kept| kept.iter().cloned().collect())
    }
}

fn lock<T>(held: &Mutex<T>) -> MutexGuard<'_, T> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}
