//! What the engine knows of a device, and which rules look at it.

use ioc_model::Name;
use smallvec::SmallVec;

/// `slot` of a binding whose rule has not yet seen the device.
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
    /// Index of the stream that spoke last.
    pub(crate) current: u32,
    pub(crate) streams: SmallVec<[Stream; 1]>,
    /// Slots by rule.
    pub(crate) slots: SmallVec<[(u32, u32); 4]>,
}

/// What a device says for one service in one area: nearly every device has one.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) service: Name,
    pub(crate) area: Name,
    pub(crate) area_id: u32,
    /// Sorted by `key`.
    pub(crate) plan: Vec<Binding>,
    pub(crate) has_and: bool,
}

/// A rule that wants a property of the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Binding {
    /// Property number, [`PRESENCE`] or [`DETECTION`].
    pub(crate) key: u16,
    pub(crate) role: Role,
    pub(crate) rule: u32,
    pub(crate) slot: u32,
}

/// What the rule does with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    /// Judges the value.
    Value,
    /// Remembers whether this further condition holds.
    And(u8),
    /// Takes it as a sign of life.
    Presence,
    /// Counts it.
    Detection,
}

impl Device {
    pub(crate) fn new(name: Name) -> Self {
        Self {
            name,
            newest: i64::MIN,
            newest_status: i64::MIN,
            last_key: 0,
            lag: 0,
            current: 0,
            streams: SmallVec::new(),
            slots: SmallVec::new(),
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

    pub(crate) fn area(&self) -> Option<&Name> {
        self.streams.get(self.current as usize).map(|s| &s.area)
    }

    pub(crate) fn service(&self) -> Option<&Name> {
        self.streams.get(self.current as usize).map(|s| &s.service)
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
