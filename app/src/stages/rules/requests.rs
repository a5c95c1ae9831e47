//! What others ask the rules stage, between two batches.

use ioc_model::{Entity, RuleEntity};
use ioc_rules::{Engine, NotExplained, RuleSet};
use tokio::sync::oneshot;

use crate::rulebook::NewVersion;

/// Questions that wait; who comes then waits to ask.
pub(crate) const REQUESTS: usize = 64;

/// A question. Who no longer wants the answer drops the receiver.
pub(crate) enum Request {
    /// Why a rule is raised on an entity, or what is missing.
    Explain {
        rule: String,
        entity: Entity,
        reply: oneshot::Sender<Result<serde_json::Value, NotExplained>>,
    },
    /// Entities of a rule, at most `limit`, and how many there are.
    Entities {
        rule: String,
        limit: usize,
        reply: oneshot::Sender<Result<(Vec<RuleEntity>, usize), NotExplained>>,
    },
    /// Make this set durable as a version and use it from the next entry on; number, position.
    Adopt { new: Box<NewVersion>, set: RuleSet, reply: oneshot::Sender<anyhow::Result<(u64, u64)>> },
}

pub(super) fn explain(
    engine: &Engine,
    rule: &str,
    entity: &Entity,
) -> Result<serde_json::Value, NotExplained> {
    let explanation = engine.explain(rule, entity)?;
    Ok(serde_json::to_value(explanation).unwrap_or_default())
}

/// Those with a running alert first, the most severe of them foremost.
pub(super) fn entities(
    engine: &Engine,
    rule: &str,
    limit: usize,
) -> Result<(Vec<RuleEntity>, usize), NotExplained> {
    let mut found = engine.entities_of(rule)?;
    let all = found.len();
    found.sort_by(|(a, x), (b, y)| y.cmp(x).then_with(|| a.cmp(b)));
    found.truncate(limit);
    let rows = found.into_iter().map(|(entity, active)| RuleEntity { entity, active });
    Ok((rows.collect(), all))
}
