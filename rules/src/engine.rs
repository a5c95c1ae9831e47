//! The engine: time, lateness, timers. Judging is in `judge.rs`, bindings in `registry.rs`.

use ahash::AHashMap;
use ioc_model::{Body, Entry, Name, Quality, Record, Timestamp, Transition};

use crate::device::Device;
use crate::ruleset::RuleSet;
use crate::slots::{Run, Slots};
use crate::timers::Timers;

/// `now` before the first entry that says what time it is.
pub(crate) const UNSET: i64 = i64::MIN;

/// Whose time is "now".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClockMode {
    /// The clock ticks of the journal: live operation.
    #[default]
    Wall,
    /// The largest phenomenon time seen: a replay gives the same alerts at any speed.
    Event,
}

/// Settings of the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineConfig {
    /// Whose time is "now".
    pub clock: ClockMode,
    /// A record older than now minus this is late: history only.
    pub max_age_ms: i64,
    /// An observation older than its device's newest minus this is late (out of order).
    pub allowed_lateness_ms: i64,
    /// Ticks further apart than this mean that nobody listened in between: such time is no
    /// silence of a device. Only in [`ClockMode::Wall`].
    pub max_tick_gap_ms: i64,
    /// Devices beyond this many are not judged and counted in [`EngineStats::refused_devices`],
    /// so that invented device names cannot exhaust the memory.
    pub max_devices: usize,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            clock: ClockMode::Wall,
            max_age_ms: 15 * 60_000,
            allowed_lateness_ms: 0,
            max_tick_gap_ms: 30_000,
            max_devices: 1_000_000,
        }
    }
}

/// What became of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judged {
    /// A record that the rules judged.
    Evaluated,
    /// A record too old or out of order: no rule saw it.
    Late,
    /// A clock tick.
    Tick,
}

/// How much the engine holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
    /// Bytes of all states of rules on entities, without the panes of long windows.
    pub state_bytes: usize,
    /// Records of devices beyond [`EngineConfig::max_devices`].
    pub refused_devices: u64,
    /// Readings that no longer found their window open.
    pub missed_windows: u64,
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
    pub(crate) devices: Vec<Device>,
    pub(crate) device_ids: AHashMap<Name, u32>,
    pub(crate) areas: Vec<Name>,
    pub(crate) area_ids: AHashMap<Name, u32>,
    /// Numbers of the properties that rules ask for.
    pub(crate) properties: AHashMap<Name, u16>,
    /// Rules by service, and those of every service.
    pub(crate) by_service: AHashMap<Name, Vec<u32>>,
    pub(crate) any_service: Vec<u32>,
    pub(crate) runs: Vec<Run>,
    pub(crate) timers: Timers,
    pub(crate) refused_devices: u64,
    pub(crate) missed_windows: u64,
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
        match entry {
            Entry::Tick(t) => {
                if self.config.clock == ClockMode::Wall {
                    self.tick(t.0, position, out);
                }
                Judged::Tick
            }
            Entry::Record(record) => self.record(position, record, out),
        }
    }

    /// The watermark: the newest tick or, in [`ClockMode::Event`], the newest phenomenon time.
    pub fn now(&self) -> Option<Timestamp> {
        (self.now != UNSET).then_some(Timestamp(self.now))
    }

    /// Number of states of one rule on one entity.
    pub fn entities(&self) -> usize {
        self.runs.iter().map(|r| r.slots.len()).sum()
    }

    /// The rules it runs.
    pub fn rules(&self) -> &RuleSet {
        &self.set
    }

    /// How much it holds.
    pub fn stats(&self) -> EngineStats {
        let open =
            |r: &Run| (0..r.slots.len()).filter(|s| r.slots.open_episode(*s).is_some()).count();
        EngineStats {
            rules: self.set.len(),
            devices: self.devices.len(),
            entities: self.entities(),
            open_episodes: self.runs.iter().map(open).sum(),
            timers: self.timers.len(),
            state_bytes: self.runs.iter().map(|r| r.slots.bytes()).sum(),
            refused_devices: self.refused_devices,
            missed_windows: self.missed_windows,
        }
    }

    fn tick(&mut self, t: i64, position: u64, out: &mut Vec<Transition>) {
        if self.now != UNSET && t <= self.now {
            return; // A clock that was set back; time stands still until it catches up.
        }
        if self.now != UNSET && t - self.now > self.config.max_tick_gap_ms {
            self.listening_since = t;
        }
        self.advance(t, position, out);
    }

    /// Moves time to `t` and fires what is due, in the order of deadlines.
    fn advance(&mut self, t: i64, position: u64, out: &mut Vec<Transition>) {
        let first = self.now == UNSET;
        self.now = t;
        if first {
            self.listening_since = t;
            self.arm_absences();
        }
        while let Some((at, rule, slot)) = self.timers.pop_due(t) {
            self.ring(at, (rule, slot), position, out);
        }
    }

    /// From now on silence can be measured.
    fn arm_absences(&mut self) {
        for (rule, run) in self.runs.iter_mut().enumerate() {
            let Slots::Absence(slots) = &mut run.slots else { continue };
            for (i, slot) in slots.iter_mut().enumerate() {
                let at = slot.deadline(self.listening_since);
                self.timers.arm(&mut slot.head.armed, at, (rule as u32, i as u32));
            }
        }
    }

    fn record(&mut self, position: u64, r: &Record, out: &mut Vec<Transition>) -> Judged {
        let t = r.time.0;
        if self.config.clock == ClockMode::Event && (self.now == UNSET || t > self.now) {
            self.advance(t, position, out);
        }
        if self.now != UNSET && t < self.now.saturating_sub(self.config.max_age_ms) {
            return Judged::Late;
        }
        let known = self.device_ids.get(&r.device).copied();
        if known.is_some_and(|d| self.is_out_of_order(&self.devices[d as usize], r)) {
            return Judged::Late;
        }
        let Some(device) = known.or_else(|| self.add_device(&r.device)) else {
            self.refused_devices += 1;
            return Judged::Evaluated;
        };
        let stream = self.stream_of(device, r);
        if self.note(device, r) {
            self.judge(position, device, stream, r, out);
        }
        Judged::Evaluated
    }

    /// Detections are exempt: a camera tells of an event after it, and a window sorts them.
    fn is_out_of_order(&self, device: &Device, r: &Record) -> bool {
        match r.body {
            Body::Observation { .. } => {
                r.time.0 < device.newest.saturating_sub(self.config.allowed_lateness_ms)
            }
            Body::Status(_) => r.time.0 < device.newest_status,
            Body::Detection(_) => false,
        }
    }

    /// Keeps the device's times; `false` if the record is not to be judged: said twice in a row
    /// or of bad quality.
    fn note(&mut self, device: u32, r: &Record) -> bool {
        let d = &mut self.devices[device as usize];
        let t = r.time.0;
        d.lag = if self.now == UNSET { 0 } else { (self.now - t).max(0) };
        let (newest, usable) = match &r.body {
            Body::Observation { quality, .. } => (&mut d.newest, *quality != Quality::Bad),
            Body::Status(_) => (&mut d.newest_status, true),
            Body::Detection(_) => return true,
        };
        let key = r.dedup_key();
        let twice = t == *newest && key == d.last_key;
        *newest = t.max(*newest);
        d.last_key = key;
        usable && !twice
    }
}
