//! What the engine keeps per rule and entity.

use ahash::AHashMap;
use serde::{Deserialize, Serialize};

use crate::kinds::States;
use crate::ladder::LevelState;
use crate::rule::{Eras, Rule};
use crate::timers::NEVER;

/// `entity` of a slot whose entity is gone; the next new entity takes its place.
pub(crate) const DEAD: u32 = u32::MAX;
/// `slot` of a timer that concerns all slots of a rule: its hours begin or end.
pub(crate) const ALL_SLOTS: u32 = u32::MAX;

/// All state of one rule.
#[derive(Debug)]
pub(crate) struct Run {
    /// In the order in which entities were first seen.
    pub(crate) slots: Vec<Slot>,
    /// One per slot.
    pub(crate) states: States,
    /// Slots by name number, for rules not about devices; devices keep their own slot numbers.
    pub(crate) groups: AHashMap<u32, u32>,
    /// Dead slots, the last to be taken first.
    pub(crate) free: Vec<u32>,
    /// Limits: number 0 is everyone's (may be empty), the others belong to single devices.
    pub(crate) limits: Vec<Eras>,
    /// The rule is outside its hours.
    pub(crate) closed: bool,
    /// When the hours next begin or end, or [`NEVER`].
    pub(crate) hours_armed: i64,
    pub(crate) cost: Cost,
}

/// What a rule has cost since the start; not part of its state.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cost {
    pub(crate) evaluations: u64,
    pub(crate) transitions: u64,
    /// Of the evaluations that were timed, and how many were.
    pub(crate) nanos: u64,
    pub(crate) timed: u64,
}

impl Run {
    pub(crate) fn new(rule: &Rule) -> Self {
        Self {
            slots: Vec::new(),
            states: rule.kind.states(),
            groups: AHashMap::new(),
            free: Vec::new(),
            limits: vec![rule.ladder.limits(None).unwrap_or_default()],
            closed: false,
            hours_armed: NEVER,
            cost: Cost::default(),
        }
    }

    /// Takes a slot for an entity.
    pub(crate) fn take(&mut self, entity: u32) -> u32 {
        let slot = self.free.pop().unwrap_or(self.slots.len() as u32);
        let fresh = Slot::new(entity);
        match self.slots.get_mut(slot as usize) {
            Some(old) => *old = fresh,
            None => self.slots.push(fresh),
        }
        self.states.reset(slot as usize);
        slot
    }

    /// Gives a slot back.
    pub(crate) fn release(&mut self, slot: u32) {
        if let Some(s) = self.slots.get_mut(slot as usize) {
            *s = Slot::new(DEAD);
            self.states.reset(slot as usize);
            self.free.push(slot);
        }
    }

    /// Living slots with their numbers.
    pub(crate) fn living(&self) -> impl Iterator<Item = (u32, &Slot)> {
        (0u32..).zip(&self.slots).filter(|(_, s)| s.entity != DEAD)
    }
}

/// One rule on one entity; 88 bytes, the kind's state beside it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Slot {
    /// When the slot's timer rings, or [`NEVER`].
    pub(crate) armed: i64,
    /// Number of the device, area, service or segment.
    pub(crate) entity: u32,
    /// Number in [`Run::limits`]; found anew after a restart.
    #[serde(skip)]
    pub(crate) limits: u32,
    /// Seconds between messages of the device; found anew after a restart.
    #[serde(skip)]
    pub(crate) cadence_s: u32,
    pub(crate) levels: LevelState,
}

impl Slot {
    fn new(entity: u32) -> Self {
        Self { armed: NEVER, entity, limits: 0, cadence_s: 0, levels: LevelState::default() }
    }

    /// Level and start of the open episode.
    pub(crate) fn open_episode(&self) -> Option<(u8, i64)> {
        (self.levels.level > 0).then_some((self.levels.level, self.levels.start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::threshold::ThresholdState;

    #[test]
    fn a_state_stays_small() {
        // The goal is 200 bytes per rule and entity for a threshold, with the device's binding.
        let binding = size_of::<crate::device::Binding>();
        let all = size_of::<Slot>() + size_of::<ThresholdState>() + binding;
        assert!(all <= 136, "{all}");
        assert!(binding <= 16);
    }
}
