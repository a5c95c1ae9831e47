//! The engine's state as bytes, and back; the same way rules are exchanged while running.
//!
//! Devices, slots and their order are kept exactly, so that an engine that was restored goes on
//! as the one before would have, to the bit. Rules are matched by id and definition hash.

use ioc_model::{Name, Text, Transition};
use serde::{Deserialize, Serialize};

use crate::device::Device;
use crate::engine::{Engine, EngineConfig, Step};
use crate::error::RulesError;
use crate::kinds::States;
use crate::reorder::Reorder;
use crate::rule::{Mode, Per};
use crate::ruleset::RuleSet;
use crate::slots::{DEAD, Slot};

const VERSION: u16 = 3;

/// An engine from a checkpoint.
#[derive(Debug)]
pub struct Restored {
    /// Ready for the entry at `next_position`.
    pub engine: Engine,
    /// Position of the first entry it has not seen.
    pub next_position: u64,
    /// Clears of the episodes whose rule was changed or removed since, and what followed.
    pub orphaned: Vec<Transition>,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    times: Times,
    names: Vec<Name>,
    devices: Vec<SavedDevice>,
    free_devices: Vec<u32>,
    waiting: Vec<u8>,
    rules: Vec<SavedRule>,
}

/// [`Saved`] without copies; the fields must be the same.
#[derive(Serialize)]
struct SavedRef<'a> {
    times: Times,
    names: &'a [Name],
    devices: Vec<SavedDevice>,
    free_devices: &'a [u32],
    waiting: Vec<u8>,
    rules: Vec<SavedRuleRef<'a>>,
}

#[derive(Serialize, Deserialize)]
struct Times {
    next_position: u64,
    now: i64,
    listening_since: i64,
    next_sweep: i64,
    newest: i64,
    refused_devices: u64,
    forgotten_devices: u64,
}

#[derive(Serialize, Deserialize)]
struct SavedDevice {
    name: Name,
    newest: i64,
    newest_status: i64,
    last_key: u64,
    lag: i64,
    heard: i64,
    current: u32,
    dead: bool,
    /// Service, area.
    streams: Vec<(Name, Name)>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct SavedRule {
    pub(crate) head: SavedHead,
    pub(crate) slots: Vec<Slot>,
    free: Vec<u32>,
    states: States,
}

/// [`SavedRule`] without copies; the fields must be the same.
#[derive(Serialize)]
struct SavedRuleRef<'a> {
    head: SavedHead,
    slots: &'a [Slot],
    free: &'a [u32],
    states: &'a States,
}

/// What is needed to clear the episodes of a rule that is gone.
#[derive(Serialize, Deserialize)]
pub(crate) struct SavedHead {
    pub(crate) id: Name,
    pub(crate) hash: u64,
    pub(crate) service: Name,
    pub(crate) unit: Name,
    pub(crate) name: Text,
    pub(crate) per: Per,
    pub(crate) on: bool,
    pub(crate) severities: Vec<u8>,
}

impl SavedDevice {
    fn of(d: &Device) -> Self {
        Self {
            name: d.name.clone(),
            newest: d.newest,
            newest_status: d.newest_status,
            last_key: d.last_key,
            lag: d.lag,
            heard: d.heard,
            current: d.current,
            dead: d.dead,
            streams: d.streams.iter().map(|s| (s.service.clone(), s.area.clone())).collect(),
        }
    }
}

impl Saved {
    /// Numbers inside must point at something.
    fn check(&self) -> Result<(), RulesError> {
        for rule in &self.rules {
            let entities =
                if rule.head.per == Per::Device { self.devices.len() } else { self.names.len() };
            let lost = |s: &Slot| s.entity != DEAD && s.entity as usize >= entities;
            if rule.slots.iter().any(lost) || rule.states.len() != rule.slots.len() {
                return Err(RulesError::Checkpoint("a state belongs to nothing"));
            }
            if rule.slots.iter().any(|s| usize::from(s.levels.level) > rule.head.severities.len()) {
                return Err(RulesError::Checkpoint("a level does not exist"));
            }
            if rule.free.iter().any(|f| *f as usize >= rule.slots.len()) {
                return Err(RulesError::Checkpoint("a free place does not exist"));
            }
        }
        if self.devices.iter().any(|d| d.current > 0 && d.current as usize >= d.streams.len()) {
            return Err(RulesError::Checkpoint("a stream does not exist"));
        }
        if self.free_devices.iter().any(|d| *d as usize >= self.devices.len()) {
            return Err(RulesError::Checkpoint("a free device does not exist"));
        }
        if self.names.first().is_none_or(|n| !n.is_empty()) {
            return Err(RulesError::Checkpoint("the city is missing"));
        }
        Ok(())
    }
}

impl Engine {
    /// The state as bytes; `next_position` is that of the first entry not yet judged.
    pub fn checkpoint(&self, next_position: u64) -> Vec<u8> {
        let rules = self.set.rules.iter().zip(&self.runs).map(|(rule, run)| SavedRuleRef {
            head: SavedHead {
                id: rule.id.clone(),
                hash: rule.hash,
                service: rule.service.clone(),
                unit: rule.unit.clone(),
                name: rule.name.clone(),
                per: rule.per,
                on: rule.mode == Mode::On,
                severities: rule.ladder.levels.iter().map(|l| l.severity as u8).collect(),
            },
            slots: &run.slots,
            free: &run.free,
            states: &run.states,
        });
        let (newest, waiting) = self.reorder.save();
        let saved = SavedRef {
            times: Times {
                next_position,
                now: self.now,
                listening_since: self.listening_since,
                next_sweep: self.next_sweep,
                newest,
                refused_devices: self.refused_devices,
                forgotten_devices: self.forgotten_devices,
            },
            names: &self.names,
            devices: self.devices.iter().map(SavedDevice::of).collect(),
            free_devices: &self.free_devices,
            waiting,
            rules: rules.collect(),
        };
        let bytes = VERSION.to_le_bytes().to_vec();
        postcard::to_extend(&saved, bytes).expect("plain data of known length encodes into memory")
    }

    /// An engine that goes on where the checkpoint was taken. The state of rules with the same
    /// id and definition is kept, running timers too; that of others is dropped and their open
    /// episodes are cleared. So rules are exchanged while running: a checkpoint, restored with
    /// the new set at the same position.
    ///
    /// # Errors
    /// [`RulesError`] if the bytes are not a checkpoint of this version.
    pub fn restore(
        set: RuleSet,
        config: EngineConfig,
        bytes: &[u8],
    ) -> Result<Restored, RulesError> {
        let Some((version, body)) = bytes.split_first_chunk::<2>() else {
            return Err(RulesError::Checkpoint("too short"));
        };
        let found = u16::from_le_bytes(*version);
        if found != VERSION {
            return Err(RulesError::CheckpointVersion { found, expected: VERSION });
        }
        let saved: Saved = postcard::from_bytes(body)?;
        saved.check()?;
        let mut engine = Self::empty(set, config);
        let next_position = saved.times.next_position;
        engine.take_over(&saved)?;
        let mut gone = Vec::new();
        let mut fresh: Vec<bool> = vec![true; engine.runs.len()];
        for rule in saved.rules {
            let same = |r: &crate::rule::Rule| r.id == rule.head.id && r.hash == rule.head.hash;
            match engine.set.rules.iter().position(same) {
                Some(index) => {
                    fresh[index] = false;
                    let run = &mut engine.runs[index];
                    (run.slots, run.free, run.states) = (rule.slots, rule.free, rule.states);
                }
                None => gone.push(rule),
            }
        }
        engine.relink();
        engine.bind_restored(&saved.devices);
        let mut orphaned = Vec::new();
        let mut step = Step { position: next_position, out: &mut orphaned };
        engine.drop_unbound(&mut step);
        for rule in &gone {
            engine.orphan(rule, &mut step);
        }
        engine.register_configured();
        engine.arm_all();
        engine.look_around(&gone, &fresh, &mut step);
        Ok(Restored { engine, next_position, orphaned })
    }

    fn take_over(&mut self, saved: &Saved) -> Result<(), RulesError> {
        let times = &saved.times;
        self.now = times.now;
        self.listening_since = times.listening_since;
        self.next_sweep = times.next_sweep;
        self.refused_devices = times.refused_devices;
        self.forgotten_devices = times.forgotten_devices;
        self.reorder = Reorder::load(times.newest, &saved.waiting)
            .map_err(|_| RulesError::Checkpoint("waiting records"))?;
        self.free_devices.clone_from(&saved.free_devices);
        for name in &saved.names {
            self.name_id(name);
        }
        for saved in &saved.devices {
            let id = self.devices.len() as u32;
            let mut device = Device::new(saved.name.clone());
            device.newest = saved.newest;
            device.newest_status = saved.newest_status;
            device.last_key = saved.last_key;
            device.lag = saved.lag;
            device.heard = saved.heard;
            device.dead = saved.dead;
            self.devices.push(device);
            if !saved.dead {
                self.device_ids.insert(saved.name.clone(), id);
            }
        }
        Ok(())
    }

    /// Slots know their entities; here entities learn their slots.
    fn relink(&mut self) {
        for rule in 0..self.runs.len() {
            let per = self.set.rules[rule].per;
            let living: Vec<(u32, u32)> =
                self.runs[rule].living().map(|(slot, s)| (slot, s.entity)).collect();
            for (slot, entity) in living {
                match per {
                    Per::Device => self.devices[entity as usize].slots.push((rule as u32, slot)),
                    _ => {
                        self.runs[rule].groups.insert(entity, slot);
                    }
                }
                self.complete_slot(rule as u32, slot);
            }
        }
    }

    fn bind_restored(&mut self, devices: &[SavedDevice]) {
        for (id, saved) in devices.iter().enumerate() {
            for (service, area) in &saved.streams {
                self.bind(id as u32, service, area);
            }
            self.devices[id].current = saved.current;
        }
    }
}
