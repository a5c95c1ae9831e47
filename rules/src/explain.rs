//! Why, and why not: what a rule knows of an entity. How much the engine holds.

use ioc_model::{Entity, Evidence, EvidenceLimit, Name, Severity, Text, Timestamp};
use serde::Serialize;

use crate::engine::{Engine, UNSET};
use crate::kinds::{Look, Operator};
use crate::ladder::CLOSED;
use crate::rule::{Mode, Per};

/// What a rule knows of an entity now.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// Rule id.
    pub rule: Name,
    /// The entity.
    pub entity: Entity,
    /// Severity of the running alert, if one runs.
    pub active: Option<Severity>,
    /// Start of the running alert.
    pub since: Option<Timestamp>,
    /// The number judged last, in the rule's unit (1 and 0 for rules that know yes and no).
    pub value: Option<f64>,
    /// When it was judged.
    pub judged: Option<Timestamp>,
    /// Limits of the levels, lowest first: severity, raise, clear.
    pub levels: Vec<ExplainedLevel>,
    /// A higher level holds since then and waits for the rule's `for`.
    pub rising_since: Option<Timestamp>,
    /// A lower level holds since then and waits for the rule's `clear_for`.
    pub falling_since: Option<Timestamp>,
    /// What stands between now and a raise, in words; empty while an alert runs.
    pub missing: Vec<Text>,
    /// What the rule goes by.
    pub evidence: Evidence,
}

/// A level of an explanation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExplainedLevel {
    /// Severity.
    pub severity: Severity,
    /// What raises it.
    pub raise: Option<EvidenceLimit>,
    /// Whether the last value satisfies it.
    pub holds: bool,
}

/// Why there is nothing to explain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotExplained {
    /// No such rule.
    #[error("no such rule")]
    Rule,
    /// The rule is off.
    #[error("the rule is off")]
    Off,
    /// No such entity, or the rule does not look at it.
    #[error("the rule does not look at this entity, or has heard nothing of it")]
    Entity,
}

/// How much the engine holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct EngineStats {
    /// Rules.
    pub rules: usize,
    /// Devices seen or configured.
    pub devices: usize,
    /// States of one rule on one entity.
    pub entities: usize,
    /// Alerts that are active now.
    pub open_episodes: usize,
    /// Timers waiting, dead ones included.
    pub timers: usize,
    /// Records waiting for earlier ones (allowed lateness).
    pub waiting: usize,
    /// Bytes of all states of rules on entities.
    pub state_bytes: usize,
    /// Records of devices beyond [`crate::EngineConfig::max_devices`].
    pub refused_devices: u64,
    /// Devices forgotten because they fell silent for good.
    pub forgotten_devices: u64,
}

/// What one rule costs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RuleCost {
    /// Rule id.
    pub rule: Name,
    /// Entities it has a state for.
    pub entities: usize,
    /// Alerts that are active now.
    pub open_episodes: usize,
    /// Bytes of its states.
    pub state_bytes: usize,
    /// Messages and timers judged since the start.
    pub evaluations: u64,
    /// Changes found since the start.
    pub transitions: u64,
    /// CPU of all evaluations, estimated from every 64th; `None` without a meter.
    pub cpu_ns: Option<u64>,
}

impl Engine {
    /// What a rule knows of an entity: why it is raised, or what is missing.
    ///
    /// # Errors
    /// [`NotExplained`] if there is no such rule or it has nothing on the entity.
    pub fn explain(&self, rule: &str, entity: &Entity) -> Result<Explanation, NotExplained> {
        let rule_id = self.set.index_of(rule).ok_or(NotExplained::Rule)?;
        let r = &self.set.rules[rule_id as usize];
        if r.mode == Mode::Off {
            return Err(NotExplained::Off);
        }
        let run = &self.runs[rule_id as usize];
        let (per, name) = match entity {
            Entity::Device(d) => (Per::Device, &**d),
            Entity::Area(a) => (Per::Area, &**a),
            Entity::Service(s) => (Per::Service, &**s),
            Entity::Segment(s) => (Per::Segment, &**s),
            Entity::City => (Per::City, ""),
        };
        let slot_id = match (per == r.per, per) {
            (false, _) => None,
            (true, Per::Device) => {
                let device = self.device_ids.get(name).copied();
                device.and_then(|d| self.devices[d as usize].slot(rule_id))
            }
            (true, _) => self.name_ids.get(name).and_then(|e| run.groups.get(e)).copied(),
        };
        let slot_id = slot_id.ok_or(NotExplained::Entity)?;
        let slot = &run.slots[slot_id as usize];
        let levels = &slot.levels;
        let heard = levels.last != UNSET;
        let now = if self.now == UNSET { levels.last } else { self.now };
        let limits = crate::ladder::era(&run.limits[slot.limits as usize], now);
        let level = |i: usize| ExplainedLevel {
            severity: r.ladder.levels[i].severity,
            raise: self.limit_of(r, slot, (i as u8 + 1, now)),
            holds: heard && r.ladder.levels[i].raise_op.holds(levels.value, limits[i].0),
        };
        let explained: Vec<ExplainedLevel> = (0..r.ladder.levels.len()).map(level).collect();
        let (mut evidence, shown) = self.why((rule_id, slot_id), now);
        evidence.inhibited_by = self.inhibitors(rule_id, slot.entity);
        let [rising, falling] = levels.pending().map(|t| t.map(Timestamp));
        let mut missing = Vec::new();
        if levels.level == 0 {
            let any = explained.iter().any(|l| l.holds);
            missing = self.missing(r, (levels.flags & CLOSED != 0, heard, any), rising, &evidence);
        }
        Ok(Explanation {
            rule: r.id.clone(),
            entity: entity.clone(),
            active: (levels.level > 0).then(|| r.ladder.severity(levels.level)),
            since: (levels.level > 0).then_some(Timestamp(levels.start)),
            value: shown.value.or(heard.then_some(levels.value)).filter(|v| v.is_finite()),
            judged: heard.then_some(Timestamp(levels.last)),
            levels: explained,
            rising_since: rising,
            falling_since: falling,
            missing,
            evidence,
        })
    }

    fn missing(
        &self,
        r: &crate::rule::Rule,
        (closed, heard, holds): (bool, bool, bool),
        rising: Option<Timestamp>,
        evidence: &Evidence,
    ) -> Vec<Text> {
        let mut out = Vec::new();
        let mut say = |vi: String, en: String| out.push(Text { vi, en });
        if closed {
            say("ngoài giờ hoạt động của luật".into(), "outside the hours of the rule".into());
        }
        for by in &evidence.inhibited_by {
            say(format!("bị giữ lại bởi cảnh báo {by}"), format!("held back by an alert of {by}"));
        }
        if !heard {
            say("chưa có gì để đánh giá".into(), "nothing has been judged yet".into());
        } else if !holds {
            say("giá trị chưa tới ngưỡng".into(), "the value has not reached a limit".into());
        }
        if let Some(since) = rising {
            let until = Timestamp(since.0.saturating_add(r.ladder.for_ms)).to_rfc3339();
            say(
                format!("điều kiện phải giữ đến {until}"),
                format!("the condition must hold until {until}"),
            );
        }
        out
    }

    /// Every entity a rule has a state for, with its running alert's severity.
    ///
    /// # Errors
    /// [`NotExplained::Rule`] if there is no such rule.
    pub fn entities_of(&self, rule: &str) -> Result<Vec<(Entity, Option<Severity>)>, NotExplained> {
        let rule_id = self.set.index_of(rule).ok_or(NotExplained::Rule)?;
        let r = &self.set.rules[rule_id as usize];
        let one = |s: &crate::slots::Slot| {
            let severity = (s.levels.level > 0).then(|| r.ladder.severity(s.levels.level));
            (self.about(r, s.entity).0, severity)
        };
        Ok(self.runs[rule_id as usize].living().map(|(_, s)| one(s)).collect())
    }

    /// Number of states of one rule on one entity.
    pub fn entities(&self) -> usize {
        self.runs.iter().map(|r| r.living().count()).sum()
    }

    /// How much it holds.
    pub fn stats(&self) -> EngineStats {
        let costs = self.costs();
        EngineStats {
            rules: self.set.len(),
            devices: self.device_ids.len(),
            entities: costs.iter().map(|c| c.entities).sum(),
            open_episodes: costs.iter().map(|c| c.open_episodes).sum(),
            timers: self.timers.len(),
            waiting: self.reorder.len(),
            state_bytes: costs.iter().map(|c| c.state_bytes).sum(),
            refused_devices: self.refused_devices,
            forgotten_devices: self.forgotten_devices,
        }
    }

    /// What each rule costs, by id.
    pub fn costs(&self) -> Vec<RuleCost> {
        let mut costs: Vec<RuleCost> = self
            .set
            .rules
            .iter()
            .zip(&self.runs)
            .map(|(rule, run)| {
                let heap = rule.kind.look(&run.states, HeapBytes).unwrap_or(0);
                let slots = std::mem::size_of_val(&run.slots[..]);
                RuleCost {
                    rule: rule.id.clone(),
                    entities: run.living().count(),
                    open_episodes: run.living().filter(|(_, s)| s.levels.level > 0).count(),
                    state_bytes: slots + run.states.bytes() + heap,
                    evaluations: run.cost.evaluations,
                    transitions: run.cost.transitions,
                    cpu_ns: self.config.meter.map(|_| {
                        let each = run.cost.nanos.checked_div(run.cost.timed).unwrap_or(0);
                        each.saturating_mul(run.cost.evaluations)
                    }),
                }
            })
            .collect();
        costs.sort_by(|a, b| a.rule.cmp(&b.rule));
        costs
    }
}

struct HeapBytes;

impl Look for HeapBytes {
    type Out = usize;

    fn look<K: Operator>(self, kind: &K, states: &[K::State]) -> usize {
        states.iter().map(|s| kind.heap_bytes(s)).sum()
    }
}
