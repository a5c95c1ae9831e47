//! What the engine knows of a device, and which rules look at it.

use ioc_model::Name;
use smallvec::SmallVec;

use crate::rule::Per;

/// `slot` of a binding whose rule has not yet seen the entity.
pub(crate) const NO_SLOT: u32 = u32::MAX;
/// Instead of a property number: any sign of life.
pub(crate) const PRESENCE: u16 = u16::MAX;
/// Instead of a property number: a detection.
pub(crate) const DETECTION: u16 = u16::MAX - 1;
/// A device that speaks for more than this many (service, area) pairs is judged by the newest.
const MAX_STREAMS: usize = 8;

/// One device.
#[derive(Debug)]
pub(crate) struct Device {
    pub(crate) name: Name,
    /// Newest phenomenon time of an observation.
    pub(crate) newest: i64,
    /// Newest time of a status.
    pub(crate) newest_status: i64,
    /// Key of the last record, against a record delivered twice in a row.
    pub(crate) last_key: u64,
    /// How far the device's last record was behind the engine's now.
    pub(crate) lag: i64,
    /// The engine's now when it last said anything.
    pub(crate) heard: i64,
    /// Index of the stream that spoke last.
    pub(crate) current: u32,
    pub(crate) streams: SmallVec<[Stream; 1]>,
    /// Slots by rule.
    pub(crate) slots: SmallVec<[(u32, u32); 4]>,
    /// Forgotten; the next new device takes its place.
    pub(crate) dead: bool,
}

/// What a device says for one service in one area: nearly every device has one.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) service: Name,
    pub(crate) area: Name,
    /// Numbers of the area, service and segment it speaks for.
    pub(crate) groups: Groups,
    /// Sorted by `key`, then rule.
    pub(crate) plan: Vec<Binding>,
    /// No rule here takes several inputs or depends on another: bindings can be fed one by one.
    pub(crate) simple: bool,
}

/// What a stream belongs to, as numbers of names.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Groups {
    pub(crate) area: u32,
    pub(crate) service: u32,
    pub(crate) segment: Option<u32>,
    pub(crate) city: u32,
}

impl Groups {
    /// The entity of a rule that is not about devices.
    pub(crate) fn of(self, per: Per) -> Option<u32> {
        match per {
            Per::Device => None,
            Per::Area => Some(self.area),
            Per::Service => Some(self.service),
            Per::Segment => self.segment,
            Per::City => Some(self.city),
        }
    }
}

/// A rule that wants something of the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Binding {
    /// Property number, [`PRESENCE`] or [`DETECTION`].
    pub(crate) key: u16,
    /// Number of the rule's input.
    pub(crate) input: u8,
    /// The rule wants values whatever their quality.
    pub(crate) any_quality: bool,
    pub(crate) rule: u32,
    pub(crate) slot: u32,
}

impl Device {
    pub(crate) fn new(name: Name) -> Self {
        Self {
            name,
            newest: i64::MIN,
            newest_status: i64::MIN,
            last_key: 0,
            lag: 0,
            heard: i64::MIN,
            current: 0,
            streams: SmallVec::new(),
            slots: SmallVec::new(),
            dead: false,
        }
    }

    /// The stream of this service and area, if it is known.
    #[inline]
    pub(crate) fn stream(&self, service: &str, area: &str) -> Option<usize> {
        self.streams.iter().position(|s| *s.service == *service && *s.area == *area)
    }

    /// Where a further stream goes: a new place, or that of the last one when all are taken.
    pub(crate) fn place_for_stream(&mut self) -> usize {
        if self.streams.len() >= MAX_STREAMS {
            self.streams.pop();
        }
        self.streams.len()
    }

    pub(crate) fn slot(&self, rule: u32) -> Option<u32> {
        self.slots.iter().find(|(r, _)| *r == rule).map(|(_, s)| *s)
    }

    pub(crate) fn current_stream(&self) -> Option<&Stream> {
        self.streams.get(self.current as usize)
    }
}

impl Stream {
    /// The bindings of a key.
    #[inline]
    pub(crate) fn range(&self, key: u16) -> std::ops::Range<usize> {
        let from = self.plan.partition_point(|b| b.key < key);
        let n = self.plan[from..].iter().take_while(|b| b.key == key).count();
        from..from + n
    }
}
