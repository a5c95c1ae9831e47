//! What the engine keeps per rule and entity.

use ahash::AHashMap;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::ladder::{LevelState, next_start};
use crate::rule::{DetectionRule, Kind, LimitSet};
use crate::timers::NEVER;
use crate::window::{Shape, Window};

/// `entity` of a slot that a change of the rules left without its device.
pub(crate) const DEAD: u32 = u32::MAX;

/// All state of one rule.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) slots: Slots,
    /// Slots by area, for rules about areas; devices keep their own slot numbers.
    pub(crate) groups: AHashMap<u32, u32>,
    /// Limits: number 0 is everyone's (may be empty), the others belong to single devices.
    pub(crate) limits: Vec<LimitSet>,
    pub(crate) shape: Shape,
}

impl Run {
    pub(crate) fn new(kind: &Kind) -> Self {
        let slots = match kind {
            Kind::Threshold(_) => Slots::Threshold(Vec::new()),
            Kind::Window(_) => Slots::Window(Vec::new()),
            Kind::Absence(_) => Slots::Absence(Vec::new()),
            Kind::Detection(_) => Slots::Detection(Vec::new()),
        };
        let shape = match kind {
            Kind::Window(w) => Shape { slide_ms: w.slide_ms, panes: w.size_ms / w.slide_ms },
            _ => Shape { slide_ms: 1, panes: 1 },
        };
        let general = kind.ladder().and_then(|l| l.limits(None)).unwrap_or_default();
        Self { slots, groups: AHashMap::new(), limits: vec![general], shape }
    }
}

/// Slots of one rule, in the order in which their entities were first seen.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Slots {
    Threshold(Vec<ThresholdSlot>),
    Window(Vec<WindowSlot>),
    Absence(Vec<AbsenceSlot>),
    Detection(Vec<DetectionSlot>),
}

impl Slots {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Threshold(s) => s.len(),
            Self::Window(s) => s.len(),
            Self::Absence(s) => s.len(),
            Self::Detection(s) => s.len(),
        }
    }

    /// Bytes that the slots themselves take, without what windows keep on the heap.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Threshold(s) => s.capacity() * size_of::<ThresholdSlot>(),
            Self::Window(s) => s.capacity() * size_of::<WindowSlot>(),
            Self::Absence(s) => s.capacity() * size_of::<AbsenceSlot>(),
            Self::Detection(s) => s.capacity() * size_of::<DetectionSlot>(),
        }
    }

    pub(crate) fn heads(&self) -> Vec<Head> {
        fn of<'a>(heads: impl Iterator<Item = &'a Head>) -> Vec<Head> {
            heads.copied().collect()
        }
        match self {
            Self::Threshold(s) => of(s.iter().map(|x| &x.head)),
            Self::Window(s) => of(s.iter().map(|x| &x.head)),
            Self::Absence(s) => of(s.iter().map(|x| &x.head)),
            Self::Detection(s) => of(s.iter().map(|x| &x.head)),
        }
    }

    pub(crate) fn head(&self, slot: usize) -> Option<Head> {
        match self {
            Self::Threshold(s) => s.get(slot).map(|x| x.head),
            Self::Window(s) => s.get(slot).map(|x| x.head),
            Self::Absence(s) => s.get(slot).map(|x| x.head),
            Self::Detection(s) => s.get(slot).map(|x| x.head),
        }
    }

    pub(crate) fn head_mut(&mut self, slot: usize) -> Option<&mut Head> {
        match self {
            Self::Threshold(s) => s.get_mut(slot).map(|x| &mut x.head),
            Self::Window(s) => s.get_mut(slot).map(|x| &mut x.head),
            Self::Absence(s) => s.get_mut(slot).map(|x| &mut x.head),
            Self::Detection(s) => s.get_mut(slot).map(|x| &mut x.head),
        }
    }

    /// Adds the slot of an entity.
    pub(crate) fn push(&mut self, head: Head) -> u32 {
        let slot = self.len() as u32;
        match self {
            Self::Threshold(s) => {
                s.push(ThresholdSlot { head, and_bits: 0, levels: LevelState::default() });
            }
            Self::Window(s) => s.push(WindowSlot {
                head,
                levels: LevelState::default(),
                window: Window::default(),
            }),
            Self::Absence(s) => s.push(AbsenceSlot::new(head)),
            Self::Detection(s) => s.push(DetectionSlot::new(head)),
        }
        slot
    }

    /// Level (1 for kinds without levels) and start of the slot's open episode.
    pub(crate) fn open_episode(&self, slot: usize) -> Option<(u8, i64)> {
        let (level, start) = match self {
            Self::Threshold(s) => (s.get(slot)?.levels.level, s[slot].levels.start),
            Self::Window(s) => (s.get(slot)?.levels.level, s[slot].levels.start),
            Self::Absence(s) => (u8::from(s.get(slot)?.episode.active), s[slot].episode.start),
            Self::Detection(s) => (u8::from(s.get(slot)?.episode.active), s[slot].episode.start),
        };
        (level > 0).then_some((level, start))
    }
}

/// The part all slots share.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Head {
    /// When the slot's timer rings, or [`NEVER`].
    pub(crate) armed: i64,
    /// Number of the device or area.
    pub(crate) entity: u32,
    /// Number in [`Run::limits`]; found anew after a restart.
    #[serde(skip)]
    pub(crate) limits: u32,
}

impl Head {
    pub(crate) fn new(entity: u32, limits: u32) -> Self {
        Self { armed: NEVER, entity, limits }
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ThresholdSlot {
    pub(crate) head: Head,
    /// One bit per further condition: it held at the last reading of its property.
    pub(crate) and_bits: u8,
    pub(crate) levels: LevelState,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct WindowSlot {
    pub(crate) head: Head,
    pub(crate) levels: LevelState,
    pub(crate) window: Window,
}

/// An episode of a kind without levels.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Episode {
    pub(crate) active: bool,
    pub(crate) start: i64,
    /// Time of the last raise or clear; the next is not before it.
    stamp: i64,
}

impl Episode {
    const NONE: Self = Self { active: false, start: i64::MIN, stamp: i64::MIN };

    /// Begins an episode; its time.
    pub(crate) fn raise(&mut self, t: i64) -> i64 {
        let time = t.max(self.stamp);
        *self = Self { active: true, start: next_start(self.start, time), stamp: time };
        time
    }

    /// Ends it; its time.
    pub(crate) fn clear(&mut self, t: i64) -> i64 {
        self.stamp = t.max(self.stamp);
        self.active = false;
        self.stamp
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct AbsenceSlot {
    pub(crate) head: Head,
    pub(crate) episode: Episode,
    /// Phenomenon time of the last sign of life; `i64::MIN` before the first.
    pub(crate) last: i64,
    /// Waiting began here, for a device that the engine learnt of while running.
    pub(crate) waiting_since: i64,
    /// Silence that raises; found anew after a restart.
    #[serde(skip)]
    pub(crate) limit_ms: i64,
}

impl AbsenceSlot {
    fn new(head: Head) -> Self {
        Self { head, episode: Episode::NONE, last: i64::MIN, waiting_since: i64::MIN, limit_ms: 0 }
    }

    /// When silence has lasted too long; time in which nobody listened does not count.
    pub(crate) fn deadline(&self, listening_since: i64) -> i64 {
        let from = self.last.max(self.waiting_since).max(listening_since);
        from.saturating_add(self.limit_ms)
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct DetectionSlot {
    pub(crate) head: Head,
    pub(crate) episode: Episode,
    /// Newest event that fits.
    pub(crate) last: i64,
    /// Times and keys of the newest events, oldest first, at most as many as the rule counts.
    events: SmallVec<[(i64, u64); 1]>,
}

impl DetectionSlot {
    fn new(head: Head) -> Self {
        Self { head, episode: Episode::NONE, last: i64::MIN, events: SmallVec::new() }
    }

    /// Counts an event; an event whose key is known only moves in time (a camera tells of one
    /// event several times). Returns how many are in the window that ends with the newest.
    pub(crate) fn count(&mut self, rule: &DetectionRule, t: i64, key: u64) -> usize {
        let mut t = t;
        if let Some(i) = self.events.iter().position(|(_, k)| *k == key) {
            t = t.max(self.events[i].0);
            self.events.remove(i);
        }
        let at = self.events.partition_point(|(other, _)| *other <= t);
        self.events.insert(at, (t, key));
        self.last = self.last.max(t);
        let from = self.last.saturating_sub(rule.within_ms);
        let old = self.events.partition_point(|(other, _)| *other <= from);
        let excess = self.events.len().saturating_sub(rule.count).max(old);
        self.events.drain(..excess);
        self.events.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_stays_small() {
        // The goal is 200 bytes per rule and entity; the binding of the device comes on top.
        assert!(size_of::<ThresholdSlot>() <= 64, "{}", size_of::<ThresholdSlot>());
        assert!(size_of::<WindowSlot>() <= 136, "{}", size_of::<WindowSlot>());
        assert!(size_of::<AbsenceSlot>() <= 64, "{}", size_of::<AbsenceSlot>());
        assert!(size_of::<DetectionSlot>() <= 88, "{}", size_of::<DetectionSlot>());
        assert!(size_of::<crate::device::Binding>() <= 12);
    }
}
