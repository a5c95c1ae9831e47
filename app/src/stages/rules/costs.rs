//! What rules cost, for metrics and lists. Looking at all states takes its time, so seldom.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ioc_model::{Name, RuleLoad};
use ioc_rules::Engine;

use crate::rulebook::RulesView;

const EVERY: Duration = Duration::from_secs(5);

/// Counters of an engine begin at 0; these go on over an exchange of rules.
#[derive(Default)]
pub(super) struct Costs {
    /// Evaluations, transitions, CPU in ns.
    carried: HashMap<Name, [u64; 3]>,
    published: Option<Instant>,
}

impl Costs {
    /// Keeps the counters of an engine that goes.
    pub(super) fn carry(&mut self, engine: &Engine) {
        // Of rules that are gone nobody asks.
        let mut before = std::mem::take(&mut self.carried);
        for cost in engine.costs() {
            let mut sum = before.remove(&cost.rule).unwrap_or_default();
            sum[0] += cost.evaluations;
            sum[1] += cost.transitions;
            sum[2] += cost.cpu_ns.unwrap_or(0);
            self.carried.insert(cost.rule, sum);
        }
    }

    pub(super) fn is_due(&self) -> bool {
        self.published.is_none_or(|at| at.elapsed() >= EVERY)
    }

    pub(super) fn publish(&mut self, engine: &Engine, view: &RulesView) {
        let load = |cost: ioc_rules::RuleCost| {
            let [evaluations, transitions, cpu_ns] =
                self.carried.get(&cost.rule).copied().unwrap_or_default();
            let load = RuleLoad {
                entities: cost.entities as u64,
                open_episodes: cost.open_episodes as u64,
                state_bytes: cost.state_bytes as u64,
                evaluations: evaluations + cost.evaluations,
                transitions: transitions + cost.transitions,
                cpu_ns: cpu_ns + cost.cpu_ns.unwrap_or(0),
            };
            (cost.rule, load)
        };
        let loads: BTreeMap<Name, RuleLoad> = engine.costs().into_iter().map(load).collect();
        let (stats, now) = (engine.stats(), engine.now());
        view.update(|r| (r.loads, r.stats, r.now) = (Arc::new(loads), stats, now));
        self.published = Some(Instant::now());
    }
}
