//! The engine: time, lateness, timers. Feeding is in `feed.rs`, bindings in `registry.rs`, what
//! one rule's alert means for another in `links.rs`.

use ahash::AHashMap;
use ioc_model::{Body, Entry, Name, Quality, Record, Timestamp, Transition};

use crate::device::Device;
use crate::links::Changed;
use crate::reorder::Reorder;
use crate::ruleset::RuleSet;
use crate::slots::Run;
use crate::timers::Timers;

/// `now` before the first entry that says what time it is.
pub(crate) const UNSET: i64 = i64::MIN;
/// Between two looks for devices that have fallen silent for good.
const SWEEP_EVERY_MS: i64 = 3_600_000;

/// Whose time is "now".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClockMode {
    /// The clock ticks of the journal: live operation.
    #[default]
    Wall,
    /// The largest phenomenon time seen: a replay gives the same alerts at any speed.
    Event,
}

/// A part of the entities, for engines that share a city: each gets the whole stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// From 0.
    pub index: u32,
    /// How many there are.
    pub of: u32,
}

/// Settings of the engine.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// Whose time is "now".
    pub clock: ClockMode,
    /// A record older than now minus this is late: history only.
    pub max_age_ms: i64,
    /// Records are put in the order of their times before they are judged, which then happens so
    /// much later. 0: judged as they come; one older than its device's newest is late.
    pub allowed_lateness_ms: i64,
    /// Ticks further apart than this mean that nobody listened in between: such time is no
    /// silence of a device. Only in [`ClockMode::Wall`].
    pub max_tick_gap_ms: i64,
    /// Devices beyond this many are not judged and counted in [`EngineStats::refused_devices`],
    /// so that invented device names cannot exhaust the memory.
    pub max_devices: usize,
    /// A device that is not configured, has no open alert and has said nothing for so long is
    /// forgotten, with all state of rules on it.
    pub forget_after_ms: i64,
    /// Judge these entities only.
    pub shard: Option<Shard>,
    /// A clock in ns to measure what rules cost; it decides nothing.
    pub meter: Option<fn() -> u64>,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            clock: ClockMode::Wall,
            max_age_ms: 15 * 60_000,
            allowed_lateness_ms: 0,
            max_tick_gap_ms: 30_000,
            max_devices: 1_000_000,
            forget_after_ms: 14 * 86_400_000,
            shard: None,
            meter: None,
        }
    }
}

/// What became of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judged {
    /// A record that the rules judged, or will when its turn comes (allowed lateness).
    Evaluated,
    /// A record too old or out of order: no rule saw it.
    Late,
    /// A clock tick.
    Tick,
}

/// The rule engine. See the crate documentation.
#[derive(Debug)]
pub struct Engine {
    pub(crate) set: RuleSet,
    pub(crate) config: EngineConfig,
    /// Milliseconds, or [`UNSET`].
    pub(crate) now: i64,
    /// Since when records are heard without a gap.
    pub(crate) listening_since: i64,
    pub(crate) next_sweep: i64,
    pub(crate) devices: Vec<Device>,
    pub(crate) free_devices: Vec<u32>,
    pub(crate) device_ids: AHashMap<Name, u32>,
    /// Names of areas, services and segments.
    pub(crate) names: Vec<Name>,
    pub(crate) name_ids: AHashMap<Name, u32>,
    /// Numbers of the properties that rules ask for.
    pub(crate) properties: AHashMap<Name, u16>,
    /// Rules by service, and those of every service.
    pub(crate) by_service: AHashMap<Name, Vec<u32>>,
    pub(crate) any_service: Vec<u32>,
    pub(crate) runs: Vec<Run>,
    pub(crate) timers: Timers,
    pub(crate) reorder: Reorder,
    /// Changes of level that other rules want to know of.
    pub(crate) changed: Vec<Changed>,
    /// Computed values on their way back into the rules.
    pub(crate) fresh: Vec<Record>,
    /// Computed values for history and screens, until [`Engine::take_derived`].
    pub(crate) derived: Vec<Record>,
    /// What rules in shadow mode would have said, until [`Engine::take_shadow`].
    pub(crate) shadow: Vec<Transition>,
    pub(crate) refused_devices: u64,
    pub(crate) forgotten_devices: u64,
}

/// Where transitions go, and the entry that caused them.
pub(crate) struct Step<'a> {
    pub(crate) position: u64,
    pub(crate) out: &'a mut Vec<Transition>,
}

impl Engine {
    /// An engine that has seen nothing yet; configured devices are known to it.
    pub fn new(set: RuleSet, config: EngineConfig) -> Self {
        let mut engine = Self::empty(set, config);
        engine.register_configured();
        engine
    }

    /// Judges one entry and appends what changed to `out`, in the order of time.
    pub fn step(&mut self, position: u64, entry: &Entry, out: &mut Vec<Transition>) -> Judged {
        if matches!(entry, Entry::Record(r) if r.derived) {
            return Judged::Evaluated; // Judged when it was computed.
        }
        let mut step = Step { position, out };
        if self.config.allowed_lateness_ms > 0 {
            return self.step_in_order(entry, &mut step);
        }
        match entry {
            Entry::Tick(t) => {
                self.tick(t.0, &mut step);
                Judged::Tick
            }
            Entry::Record(record) => self.record(record, &mut step),
        }
    }

    /// The watermark: the newest tick or, in [`ClockMode::Event`], the newest phenomenon time;
    /// behind it by the allowed lateness.
    pub fn now(&self) -> Option<Timestamp> {
        (self.now != UNSET).then_some(Timestamp(self.now))
    }

    /// The rules it runs.
    pub fn rules(&self) -> &RuleSet {
        &self.set
    }

    /// The settings it runs with.
    pub fn config(&self) -> &EngineConfig {
        &self.config
    }

    /// Observations that `derived` rules computed since the last call, in order.
    pub fn take_derived(&mut self) -> Vec<Record> {
        std::mem::take(&mut self.derived)
    }

    /// What rules in shadow mode would have raised and cleared since the last call.
    pub fn take_shadow(&mut self) -> Vec<Transition> {
        std::mem::take(&mut self.shadow)
    }

    pub(crate) fn tick(&mut self, t: i64, step: &mut Step<'_>) {
        if self.config.clock == ClockMode::Event || (self.now != UNSET && t <= self.now) {
            return; // A clock that was set back; time stands still until it catches up.
        }
        if self.now != UNSET && t - self.now > self.config.max_tick_gap_ms {
            self.listening_since = t;
        }
        self.advance(t, step);
    }

    /// Moves time to `t` and fires what is due, in the order of deadlines.
    pub(crate) fn advance(&mut self, t: i64, step: &mut Step<'_>) {
        if self.now == UNSET {
            self.now = t;
            self.listening_since = t;
            self.next_sweep = t.saturating_add(SWEEP_EVERY_MS);
            self.begin_time(step);
        }
        self.now = t;
        while let Some((at, rule, slot)) = self.timers.pop_due(t) {
            self.ring(at, (rule, slot), step);
        }
        if t >= self.next_sweep {
            self.next_sweep = t.saturating_add(SWEEP_EVERY_MS);
            self.sweep();
        }
    }

    pub(crate) fn record(&mut self, r: &Record, step: &mut Step<'_>) -> Judged {
        let t = r.time.0;
        if self.config.clock == ClockMode::Event && (self.now == UNSET || t > self.now) {
            self.advance(t, step);
        }
        if self.now != UNSET && t < self.now.saturating_sub(self.config.max_age_ms) {
            return Judged::Late;
        }
        let known = self.device_ids.get(&r.device).copied();
        if known.is_some_and(|d| is_out_of_order(&self.devices[d as usize], r)) {
            return Judged::Late;
        }
        let Some(device) = known.or_else(|| self.add_device(&r.device)) else {
            self.refused_devices += 1;
            return Judged::Evaluated;
        };
        let stream = self.stream_of(device, r);
        if self.note(device, r) {
            self.judge((device, stream), r, step);
            self.follow(step);
        }
        Judged::Evaluated
    }

    /// Keeps the device's times; `false` if the record was said twice in a row.
    fn note(&mut self, device: u32, r: &Record) -> bool {
        let d = &mut self.devices[device as usize];
        let t = r.time.0;
        d.lag = if self.now == UNSET { 0 } else { (self.now - t).max(0) };
        d.heard = self.now;
        if is_bad(r) {
            // The impossible values of a message come beside its good ones, with the same time.
            d.newest = t.max(d.newest);
            return true;
        }
        let newest = match &r.body {
            Body::Observation { .. } => &mut d.newest,
            Body::Status(_) => &mut d.newest_status,
            Body::Detection(_) => return true,
        };
        let key = r.dedup_key();
        let twice = t == *newest && key == d.last_key;
        *newest = t.max(*newest);
        d.last_key = key;
        !twice
    }
}

/// Detections are exempt: a camera tells of an event after it, and a window sorts them.
fn is_out_of_order(device: &Device, r: &Record) -> bool {
    match r.body {
        Body::Observation { .. } => r.time.0 < device.newest,
        Body::Status(_) => r.time.0 < device.newest_status,
        Body::Detection(_) => false,
    }
}

/// Whether the record is to be taken by its sender's word.
pub(crate) fn is_bad(r: &Record) -> bool {
    matches!(r.body, Body::Observation { quality: Quality::Bad, .. })
}
