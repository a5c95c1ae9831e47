//! The engine's state as bytes, and back.
//!
//! Devices, slots and their order are kept exactly, so that an engine that was restored goes on
//! as the one before would have, to the bit. Rules are matched by id and definition hash.

use ioc_model::{Name, Transition, TransitionKind};
use serde::{Deserialize, Serialize};

use crate::device::Device;
use crate::emit::{Cause, Outcome};
use crate::engine::{Engine, EngineConfig};
use crate::error::RulesError;
use crate::rule::{MAX_LEVELS, Per};
use crate::ruleset::RuleSet;
use crate::slots::{DEAD, Slots};
use crate::timers::NEVER;

const VERSION: u16 = 1;

/// An engine from a checkpoint.
#[derive(Debug)]
pub struct Restored {
    /// Ready for the entry at `next_position`.
    pub engine: Engine,
    /// Position of the first entry it has not seen.
    pub next_position: u64,
    /// Clears of the episodes whose rule was changed or removed since.
    pub orphaned: Vec<Transition>,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    next_position: u64,
    now: i64,
    listening_since: i64,
    refused_devices: u64,
    missed_windows: u64,
    areas: Vec<Name>,
    devices: Vec<SavedDevice>,
    rules: Vec<SavedRule>,
}

/// [`Saved`] without copies; the fields must be the same.
#[derive(Serialize)]
struct SavedRef<'a> {
    next_position: u64,
    now: i64,
    listening_since: i64,
    refused_devices: u64,
    missed_windows: u64,
    areas: &'a [Name],
    devices: Vec<SavedDevice>,
    rules: Vec<SavedRuleRef<'a>>,
}

/// [`SavedRule`] without copies; the fields must be the same.
#[derive(Serialize)]
struct SavedRuleRef<'a> {
    id: &'a Name,
    hash: u64,
    service: &'a Name,
    unit: &'a Name,
    name: &'a ioc_model::Text,
    per_area: bool,
    severities: Vec<u8>,
    slots: &'a Slots,
}

#[derive(Serialize, Deserialize)]
struct SavedDevice {
    name: Name,
    newest: i64,
    newest_status: i64,
    last_key: u64,
    lag: i64,
    current: u32,
    /// Service, area.
    streams: Vec<(Name, Name)>,
}

#[derive(Serialize, Deserialize)]
struct SavedRule {
    id: Name,
    hash: u64,
    /// For the clear of an episode whose rule is gone.
    service: Name,
    unit: Name,
    name: ioc_model::Text,
    per_area: bool,
    severities: Vec<u8>,
    slots: Slots,
}

impl SavedDevice {
    fn of(d: &Device) -> Self {
        Self {
            name: d.name.clone(),
            newest: d.newest,
            newest_status: d.newest_status,
            last_key: d.last_key,
            lag: d.lag,
            current: d.current,
            streams: d.streams.iter().map(|s| (s.service.clone(), s.area.clone())).collect(),
        }
    }
}

impl Saved {
    /// Numbers inside must point at something.
    fn check(&self) -> Result<(), RulesError> {
        for rule in &self.rules {
            let entities = if rule.per_area { self.areas.len() } else { self.devices.len() };
            let heads = rule.slots.heads();
            if heads.iter().any(|h| h.entity != DEAD && h.entity as usize >= entities) {
                return Err(RulesError::Checkpoint("a state belongs to nothing"));
            }
            let level = |slot| rule.slots.open_episode(slot).map_or(0, |(l, _)| usize::from(l));
            if (0..heads.len()).any(|slot| level(slot) > MAX_LEVELS) {
                return Err(RulesError::Checkpoint("a level does not exist"));
            }
        }
        if self.devices.iter().any(|d| d.current > 0 && d.current as usize >= d.streams.len()) {
            return Err(RulesError::Checkpoint("a stream does not exist"));
        }
        Ok(())
    }
}

impl Engine {
    /// The state as bytes; `next_position` is that of the first entry not yet judged.
    pub fn checkpoint(&self, next_position: u64) -> Vec<u8> {
        let rules = self.set.rules.iter().zip(&self.runs).map(|(rule, run)| SavedRuleRef {
            id: &rule.id,
            hash: rule.hash,
            service: &rule.service,
            unit: &rule.unit,
            name: &rule.name,
            per_area: rule.kind.per() == Per::Area,
            severities: (1..=MAX_LEVELS as u8).map(|l| rule.kind.severity(l) as u8).collect(),
            slots: &run.slots,
        });
        let saved = SavedRef {
            next_position,
            now: self.now,
            listening_since: self.listening_since,
            refused_devices: self.refused_devices,
            missed_windows: self.missed_windows,
            areas: &self.areas,
            devices: self.devices.iter().map(SavedDevice::of).collect(),
            rules: rules.collect(),
        };
        let bytes = VERSION.to_le_bytes().to_vec();
        postcard::to_extend(&saved, bytes).expect("plain data of known length encodes into memory")
    }

    /// An engine that goes on where the checkpoint was taken. The state of rules with the same
    /// id and definition is kept; that of others is dropped and their open episodes are cleared.
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
        engine.now = saved.now;
        engine.listening_since = saved.listening_since;
        engine.refused_devices = saved.refused_devices;
        engine.missed_windows = saved.missed_windows;
        for area in &saved.areas {
            engine.area_id(area);
        }
        engine.restore_devices(&saved.devices);
        let mut gone = Vec::new();
        for rule in saved.rules {
            let known =
                engine.set.rules.iter().position(|r| r.id == rule.id && r.hash == rule.hash);
            match known {
                Some(index) => engine.runs[index].slots = rule.slots,
                None => gone.push(rule),
            }
        }
        engine.relink();
        engine.bind_restored(&saved.devices);
        let mut orphaned = Vec::new();
        engine.drop_unbound(saved.next_position, &mut orphaned);
        for rule in &gone {
            engine.orphan(rule, saved.next_position, &mut orphaned);
        }
        engine.register_configured();
        Ok(Restored { engine, next_position: saved.next_position, orphaned })
    }

    fn restore_devices(&mut self, devices: &[SavedDevice]) {
        for saved in devices {
            let id = self.devices.len() as u32;
            let mut device = Device::new(saved.name.clone());
            device.newest = saved.newest;
            device.newest_status = saved.newest_status;
            device.last_key = saved.last_key;
            device.lag = saved.lag;
            self.devices.push(device);
            self.device_ids.insert(saved.name.clone(), id);
        }
    }

    /// Slots know their entities; here entities learn their slots, and timers are set.
    fn relink(&mut self) {
        for rule in 0..self.runs.len() {
            let per = self.set.rules[rule].kind.per();
            for (slot, head) in self.runs[rule].slots.heads().into_iter().enumerate() {
                if head.entity == DEAD {
                    continue;
                }
                let (rule_id, slot) = (rule as u32, slot as u32);
                match per {
                    Per::Device => {
                        self.devices[head.entity as usize].slots.push((rule_id, slot));
                    }
                    _ => {
                        self.runs[rule].groups.insert(head.entity, slot);
                    }
                }
                self.complete_slot(rule_id, slot);
                if head.armed != NEVER {
                    let mut fresh = NEVER;
                    self.timers.arm(&mut fresh, head.armed, (rule_id, slot));
                }
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

    /// Retires the slots of devices that their rule no longer looks at (the city changed).
    fn drop_unbound(&mut self, position: u64, orphaned: &mut Vec<Transition>) {
        for device in 0..self.devices.len() {
            for (rule, slot) in self.devices[device].slots.clone() {
                let d = &self.devices[device];
                if !d.streams.iter().any(|s| s.plan.iter().any(|b| b.rule == rule)) {
                    self.devices[device].slots.retain(|(r, _)| *r != rule);
                    self.retire(rule, slot, position, orphaned);
                }
            }
        }
    }

    fn retire(&mut self, rule: u32, slot: u32, position: u64, orphaned: &mut Vec<Transition>) {
        let open = self.runs[rule as usize].slots.open_episode(slot as usize);
        let Some(head) = self.runs[rule as usize].slots.head(slot as usize) else { return };
        if let Some((level, start)) = open {
            let device =
                (self.set.rules[rule as usize].kind.per() == Per::Device).then_some(head.entity);
            let clear = Outcome::of(TransitionKind::Clear);
            let outcome = Outcome { time: self.now.max(start), start, level, ..clear };
            self.emit(rule, head.entity, Cause { position, device }, &outcome, orphaned);
        }
        if let Some(head) = self.runs[rule as usize].slots.head_mut(slot as usize) {
            head.entity = DEAD;
        }
    }

    /// Clears the open episodes of a rule that is gone.
    fn orphan(&self, rule: &SavedRule, position: u64, orphaned: &mut Vec<Transition>) {
        use ioc_model::{AlertId, Entity, Severity, Text, Timestamp};
        for (slot, head) in rule.slots.heads().into_iter().enumerate() {
            let Some((level, start)) = rule.slots.open_episode(slot) else { continue };
            let severity = rule.severities.get(usize::from(level) - 1).copied();
            let (entity, device, area, service) = if rule.per_area {
                let Some(area) = self.areas.get(head.entity as usize) else { continue };
                (Entity::Area(area.clone()), None, Some(area), None)
            } else {
                let Some(d) = self.devices.get(head.entity as usize) else { continue };
                (Entity::Device(d.name.clone()), Some(d.name.clone()), d.area(), d.service())
            };
            orphaned.push(Transition {
                position,
                alert: AlertId::new(&rule.id, &entity, Timestamp(start)),
                rule: rule.id.clone(),
                entity,
                device,
                area: area.cloned().unwrap_or_else(|| "unassigned".into()),
                service: service.unwrap_or(&rule.service).clone(),
                time: Timestamp(self.now.max(start)),
                kind: TransitionKind::Clear,
                severity: severity.and_then(Severity::from_u8).unwrap_or(Severity::Info),
                value: None,
                limit: None,
                unit: rule.unit.clone(),
                name: rule.name.clone(),
                message: Text {
                    vi: "luật cảnh báo đã thay đổi hoặc bị gỡ bỏ".into(),
                    en: "the rule was changed or removed".into(),
                },
            });
        }
    }
}
