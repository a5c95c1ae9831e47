//! Counters of the conservation law: received = accepted + quarantined + duplicate + shed.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, RwLock};

use serde::Serialize;

use crate::Name;

/// Why a message went to quarantine. The text forms are part of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum QuarantineReason {
    /// No decoder takes this topic.
    UnknownTopic,
    /// An id in the topic is empty, too long, or holds characters that ids may not have.
    BadId,
    /// The service is not in the catalogue.
    UnknownService,
    /// The area is not in the city.
    UnknownArea,
    /// The payload is larger than allowed.
    TooLarge,
    /// Not JSON, or not UTF-8.
    Malformed,
    /// JSON, but a required field is missing or has the wrong type.
    BadField,
    /// The time is missing, without an offset, or outside 2000 to 2100.
    BadTime,
    /// A property is not in the catalogue.
    UnknownProperty,
    /// A value is outside what its property can physically be, or not finite.
    OutOfRange,
    /// The unit is not one that can be converted.
    BadUnit,
    /// Fields that this deployment must not keep.
    Forbidden,
    /// The client may not publish to this topic, or not speak for this device.
    NotAuthorised,
    /// The device is not in the registry, and unknown ones are refused.
    UnknownDevice,
    /// The device waits for approval.
    DevicePending,
    /// Names that only an earlier message explains (a Sparkplug alias before its BIRTH).
    NoBirth,
    /// As a warning: the device's clock is ahead of ours.
    ClockAhead,
    /// As a warning: the device's clock is behind ours.
    ClockBehind,
}

impl QuarantineReason {
    /// All reasons, in order of their numbers.
    pub const ALL: [Self; 18] = [
        Self::UnknownTopic,
        Self::BadId,
        Self::UnknownService,
        Self::UnknownArea,
        Self::TooLarge,
        Self::Malformed,
        Self::BadField,
        Self::BadTime,
        Self::UnknownProperty,
        Self::OutOfRange,
        Self::BadUnit,
        Self::Forbidden,
        Self::NotAuthorised,
        Self::UnknownDevice,
        Self::DevicePending,
        Self::NoBirth,
        Self::ClockAhead,
        Self::ClockBehind,
    ];

    /// The word used in JSON, the quarantine table and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnknownTopic => "unknown_topic",
            Self::BadId => "bad_id",
            Self::UnknownService => "unknown_service",
            Self::UnknownArea => "unknown_area",
            Self::TooLarge => "too_large",
            Self::Malformed => "malformed",
            Self::BadField => "bad_field",
            Self::BadTime => "bad_time",
            Self::UnknownProperty => "unknown_property",
            Self::OutOfRange => "out_of_range",
            Self::BadUnit => "bad_unit",
            Self::Forbidden => "forbidden",
            Self::NotAuthorised => "not_authorised",
            Self::UnknownDevice => "unknown_device",
            Self::DevicePending => "device_pending",
            Self::NoBirth => "no_birth",
            Self::ClockAhead => "clock_ahead",
            Self::ClockBehind => "clock_behind",
        }
    }
}

/// Counters of one door, since the start of the process. Messages up to `shed`; records after.
#[derive(Debug, Default)]
pub struct SourceCounters {
    /// Publishes read from the socket.
    pub received: AtomicU64,
    /// Messages whose records are in the journal.
    pub accepted: AtomicU64,
    /// Refused messages by reason.
    pub quarantined: [AtomicU64; QuarantineReason::ALL.len()],
    /// Deliveries of what was accepted before.
    pub duplicate: AtomicU64,
    /// Given up under overload.
    pub shed: AtomicU64,
    /// Accepted messages of which values were out of range and are kept as bad; in `accepted`.
    pub partly: AtomicU64,
    /// Records of the accepted messages.
    pub records: AtomicU64,
    /// Records that the rules judged.
    pub evaluated: AtomicU64,
    /// Records that came too late for the rules; in history, marked.
    pub late: AtomicU64,
    /// Records that history holds durably.
    pub stored: AtomicU64,
    /// Records that history refused for good.
    pub dead_lettered: AtomicU64,
}

impl SourceCounters {
    /// Counts a refused message.
    pub fn quarantine(&self, reason: QuarantineReason) {
        self.quarantined[reason as usize].fetch_add(1, Relaxed);
    }
}

/// All doors of this process.
///
/// A second look at the quarantine is a door of its own, `quarantine`: a message that was refused
/// at the gateway stays counted there (received, quarantined); each look at it again counts here
/// as received, and as accepted, duplicate, still quarantined (by today's reason) or shed. So the
/// law holds for every door by itself, and `quarantined` minus what this door accepted is not the
/// number of rows: rows also leave by the quarantine's limits.
#[derive(Debug, Default)]
pub struct Ledger {
    sources: RwLock<Vec<(Name, Arc<SourceCounters>)>>,
}

impl Ledger {
    /// Index and counters of the door `name`, made at the first call. Doors must be opened in the
    /// same order at every start: the index is kept in records.
    pub fn source(&self, name: &str) -> (u16, Arc<SourceCounters>) {
        let mut sources = self.sources.write().unwrap_or_else(|e| e.into_inner());
        if let Some(i) = sources.iter().position(|(n, _)| &**n == name) {
            return (i as u16, Arc::clone(&sources[i].1));
        }
        let counters = Arc::<SourceCounters>::default();
        sources.push((name.into(), Arc::clone(&counters)));
        ((sources.len() - 1) as u16, counters)
    }

    /// Counters by the index a record carries; `None` for a door that this process has not.
    pub fn by_index(&self, index: u16) -> Option<Arc<SourceCounters>> {
        let sources = self.sources.read().unwrap_or_else(|e| e.into_inner());
        sources.get(usize::from(index)).map(|(_, c)| Arc::clone(c))
    }

    /// All counters now, for `GET /api/v1/ledger`.
    pub fn snapshot(&self) -> LedgerSnapshot {
        let sources = self.sources.read().unwrap_or_else(|e| e.into_inner());
        let rows: Vec<_> = sources.iter().map(|(n, c)| SourceSnapshot::of(n, c)).collect();
        let sum = |f: fn(&SourceSnapshot) -> i64| rows.iter().map(f).sum();
        LedgerSnapshot {
            difference: sum(|r| r.difference),
            difference_rules: sum(|r| r.records as i64 - (r.evaluated + r.late) as i64),
            difference_history: sum(|r| r.records as i64 - (r.stored + r.dead_lettered) as i64),
            sources: rows,
        }
    }
}

/// The ledger at one moment. Differences other than 0 are what is under way; at rest all are 0.
#[derive(Clone, Debug, Serialize)]
pub struct LedgerSnapshot {
    /// received − (accepted + quarantined + duplicate + shed), messages.
    pub difference: i64,
    /// records − (evaluated + late).
    pub difference_rules: i64,
    /// records − (stored + dead-lettered).
    pub difference_history: i64,
    /// By door.
    pub sources: Vec<SourceSnapshot>,
}

/// One door of a [`LedgerSnapshot`]; fields as in [`SourceCounters`].
#[expect(missing_docs, reason = "the fields are those of SourceCounters")]
#[derive(Clone, Debug, Serialize)]
pub struct SourceSnapshot {
    pub source: String,
    pub received: u64,
    pub accepted: u64,
    pub quarantined: u64,
    pub quarantined_by_reason: BTreeMap<&'static str, u64>,
    pub duplicate: u64,
    pub shed: u64,
    pub difference: i64,
    pub partly: u64,
    pub records: u64,
    pub evaluated: u64,
    pub late: u64,
    pub stored: u64,
    pub dead_lettered: u64,
}

impl SourceSnapshot {
    fn of(name: &str, c: &SourceCounters) -> Self {
        // What is counted later in a message's way is read first, so that a message between two
        // counters shows as under way and never as a negative difference.
        let (stored, dead) = (c.stored.load(Relaxed), c.dead_lettered.load(Relaxed));
        let (evaluated, late) = (c.evaluated.load(Relaxed), c.late.load(Relaxed));
        let records = c.records.load(Relaxed);
        let (accepted, duplicate) = (c.accepted.load(Relaxed), c.duplicate.load(Relaxed));
        let shed = c.shed.load(Relaxed);
        let by_reason: BTreeMap<_, _> = QuarantineReason::ALL
            .iter()
            .map(|r| (r.as_str(), c.quarantined[*r as usize].load(Relaxed)))
            .filter(|(_, n)| *n > 0)
            .collect();
        let quarantined = by_reason.values().sum();
        let received = c.received.load(Relaxed);
        Self {
            source: name.into(),
            received,
            accepted,
            quarantined,
            quarantined_by_reason: by_reason,
            duplicate,
            shed,
            difference: received as i64 - (accepted + quarantined + duplicate + shed) as i64,
            partly: c.partly.load(Relaxed),
            records,
            evaluated,
            late,
            stored,
            dead_lettered: dead,
        }
    }
}
