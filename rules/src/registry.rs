//! Devices, areas and properties as numbers; which rules look at which device; who is forgotten.

use std::collections::BTreeSet;

use ahash::AHashMap;
use ioc_model::{Name, Record};

use crate::device::{Binding, DETECTION, Device, Groups, NO_SLOT, PRESENCE, Stream};
use crate::engine::{ClockMode, Engine, EngineConfig, UNSET};
use crate::kinds::{Input, Wanted};
use crate::ladder::{CLOSED, INHIBITED};
use crate::reorder::Reorder;
use crate::rule::{Mode, Per, Selection, fnv1a};
use crate::ruleset::{DeviceView, RuleSet};
use crate::slots::Run;
use crate::timers::{NEVER, Timers};

impl Engine {
    /// Without any device.
    pub(crate) fn empty(set: RuleSet, config: EngineConfig) -> Self {
        let mut properties: AHashMap<Name, u16> = AHashMap::new();
        let mut by_service: AHashMap<Name, Vec<u32>> = AHashMap::new();
        let mut any_service = Vec::new();
        for (i, rule) in set.rules.iter().enumerate() {
            let mut services: BTreeSet<&Name> = BTreeSet::new();
            let mut everywhere = false;
            for Input { what, selection } in &set.inputs[i] {
                if let Wanted::Property(p) | Wanted::AnyQuality(p) = what {
                    let n = properties.len() as u16;
                    properties.entry(p.clone()).or_insert(n);
                }
                if matches!(what, Wanted::Rule(_)) {
                    continue;
                }
                let selection = selection.as_ref().unwrap_or(&rule.selection);
                everywhere |= selection.services.is_empty();
                services.extend(&selection.services);
            }
            if everywhere {
                any_service.push(i as u32);
                continue;
            }
            for service in services {
                by_service.entry(service.clone()).or_default().push(i as u32);
            }
        }
        let runs = set.rules.iter().map(Run::new).collect();
        let mut engine = Self {
            set,
            config,
            now: UNSET,
            listening_since: UNSET,
            next_sweep: UNSET,
            devices: Vec::new(),
            free_devices: Vec::new(),
            device_ids: AHashMap::new(),
            names: Vec::new(),
            name_ids: AHashMap::new(),
            properties,
            by_service,
            any_service,
            runs,
            timers: Timers::default(),
            reorder: Reorder::default(),
            changed: Vec::new(),
            fresh: Vec::new(),
            derived: Vec::new(),
            shadow: Vec::new(),
            refused_devices: 0,
            forgotten_devices: 0,
        };
        // The whole city is the entity without a name.
        engine.name_id(&"".into());
        engine
    }

    /// Makes the configured devices known, so that one that never reports is missed. Not in a
    /// replay: a recording holds some devices, and the others are not silent, they are not in it.
    pub(crate) fn register_configured(&mut self) {
        if self.config.clock == ClockMode::Event {
            return;
        }
        let city = self.set.city.clone();
        for (name, view) in &city.devices {
            if self.device_ids.contains_key(name) {
                continue;
            }
            if let Some(device) = self.add_device(name) {
                self.bind(device, &view.service, &view.area);
            }
        }
    }

    pub(crate) fn add_device(&mut self, name: &Name) -> Option<u32> {
        if self.device_ids.len() >= self.config.max_devices {
            return None;
        }
        let fresh = Device::new(name.clone());
        let id = match self.free_devices.pop() {
            Some(id) => {
                self.devices[id as usize] = fresh;
                id
            }
            None => {
                self.devices.push(fresh);
                self.devices.len() as u32 - 1
            }
        };
        self.device_ids.insert(name.clone(), id);
        Some(id)
    }

    pub(crate) fn name_id(&mut self, name: &Name) -> u32 {
        if let Some(id) = self.name_ids.get(name) {
            return *id;
        }
        let id = self.names.len() as u32;
        self.names.push(name.clone());
        self.name_ids.insert(name.clone(), id);
        id
    }

    /// The stream a record belongs to; it becomes the device's current one.
    #[inline]
    pub(crate) fn stream_of(&mut self, device: u32, r: &Record) -> usize {
        let d = &mut self.devices[device as usize];
        match d.stream(&r.service, &r.area) {
            Some(stream) => {
                d.current = stream as u32;
                stream
            }
            None => self.bind(device, &r.service, &r.area),
        }
    }

    /// Finds the rules that look at a device in a service and area.
    pub(crate) fn bind(&mut self, device: u32, service: &Name, area: &Name) -> usize {
        let set = self.set.clone();
        let name = self.devices[device as usize].name.clone();
        let view = set.city.devices.get(&name);
        let groups = Groups {
            area: self.name_id(area),
            service: self.name_id(service),
            segment: view.and_then(|v| v.segment.as_ref()).map(|s| self.name_id(s)),
            city: 0,
        };
        let mut rules = self.any_service.clone();
        rules.extend(self.by_service.get(service).into_iter().flatten());
        rules.sort_unstable();
        let mut plan = Vec::new();
        for index in rules {
            let known = Known { name: &name, view, service, area };
            self.bind_rule(index, (device, groups), &known, &mut plan);
        }
        plan.sort_unstable();
        let several = |b: &Binding| set.inputs[b.rule as usize].len() > 1;
        let simple = plan.iter().all(|b| !several(b) && set.rules[b.rule as usize].rank == 0);
        let stream = Stream { service: service.clone(), area: area.clone(), groups, plan, simple };
        let d = &mut self.devices[device as usize];
        let place = d.place_for_stream();
        d.streams.push(stream);
        d.current = place as u32;
        self.create_eager((device, place), view);
        place
    }

    fn bind_rule(
        &mut self,
        index: u32,
        (device, groups): (u32, Groups),
        known: &Known<'_>,
        plan: &mut Vec<Binding>,
    ) {
        let set = self.set.clone();
        let rule = &set.rules[index as usize];
        let own = (rule.per == Per::Device).then_some(&**known.name);
        let (entity, name) = match rule.per {
            Per::Device => (device, known.name),
            per => match groups.of(per) {
                Some(group) => (group, &self.names[group as usize].clone()),
                None => return,
            },
        };
        let cadence_s = known.view.map_or(0, |v| v.cadence_s);
        if rule.mode == Mode::Off
            || rule.ladder.limits(own).is_none()
            || !rule.kind.judges(cadence_s)
            || !self.judges(index, name)
        {
            return;
        }
        let listeners = match rule.per {
            Per::Device => rule.kind.heard_by(known.name),
            _ => &[],
        };
        if !listeners.is_empty() {
            return self.bind_listeners(index, listeners, known, plan);
        }
        let slot = match rule.per {
            Per::Device => self.devices[device as usize].slot(index),
            _ => self.runs[index as usize].groups.get(&entity).copied(),
        };
        self.bind_inputs(index, slot, known, plan);
    }

    /// What a device says concerns its neighbours too.
    fn bind_listeners(
        &mut self,
        rule: u32,
        listeners: &[Name],
        known: &Known<'_>,
        plan: &mut Vec<Binding>,
    ) {
        for name in listeners {
            let device = self.device_ids.get(name).copied().or_else(|| self.add_device(name));
            let Some(device) = device.filter(|_| self.judges(rule, name)) else { continue };
            let slot = self.devices[device as usize].slot(rule);
            let slot = slot.unwrap_or_else(|| self.push_slot(rule, device));
            self.bind_inputs(rule, Some(slot), known, plan);
        }
    }

    fn bind_inputs(
        &self,
        index: u32,
        slot: Option<u32>,
        known: &Known<'_>,
        plan: &mut Vec<Binding>,
    ) {
        let rule = &self.set.rules[index as usize];
        for (n, input) in self.set.inputs[index as usize].iter().enumerate() {
            if !known.matches(input.selection.as_ref().unwrap_or(&rule.selection)) {
                continue;
            }
            let key = match &input.what {
                Wanted::Property(p) | Wanted::AnyQuality(p) => self.properties[p],
                Wanted::Detection => DETECTION,
                Wanted::Presence => PRESENCE,
                Wanted::Rule(_) => continue,
            };
            plan.push(Binding {
                key,
                input: n as u8,
                any_quality: matches!(input.what, Wanted::AnyQuality(_)),
                rule: index,
                slot: slot.unwrap_or(NO_SLOT),
            });
        }
    }

    /// Whether this engine judges a rule on an entity: its own, or another rule needs it.
    pub(crate) fn judges(&self, rule: u32, entity: &str) -> bool {
        let r = &self.set.rules[rule as usize];
        r.mode != Mode::Off && (self.set.shared[rule as usize] || self.owns(r.per, entity))
    }

    /// Whether transitions of an entity are this engine's to tell.
    pub(crate) fn owns(&self, per: Per, entity: &str) -> bool {
        self.config.shard.is_none_or(|shard| {
            let key = fnv1a(format!("{}\0{entity}", per.word()).as_bytes());
            (key >> 32) % u64::from(shard.of.max(1)) == u64::from(shard.index)
        })
    }

    /// Waiting for a device begins when it is known, not at its first word.
    fn create_eager(&mut self, at: (u32, usize), view: Option<&DeviceView>) {
        for i in 0..self.devices[at.0 as usize].streams[at.1].plan.len() {
            let b = self.devices[at.0 as usize].streams[at.1].plan[i];
            if b.slot != NO_SLOT || !self.set.rules[b.rule as usize].kind.is_eager() {
                continue;
            }
            let reports = match &self.set.inputs[b.rule as usize][usize::from(b.input)].what {
                Wanted::Property(p) => view.is_some_and(|v| v.properties.contains(p)),
                _ => true,
            };
            if reports {
                self.ensure_slot(at, i);
            }
        }
    }

    /// The slot of a binding, created at the first need.
    #[inline]
    pub(crate) fn ensure_slot(&mut self, at: (u32, usize), binding: usize) -> Binding {
        let b = self.devices[at.0 as usize].streams[at.1].plan[binding];
        if b.slot != NO_SLOT {
            return b;
        }
        self.create_slot(at, b)
    }

    #[cold]
    fn create_slot(&mut self, (device, stream): (u32, usize), b: Binding) -> Binding {
        let groups = self.devices[device as usize].streams[stream].groups;
        let existing = match self.set.rules[b.rule as usize].per {
            Per::Device => self.devices[device as usize].slot(b.rule).ok_or(device),
            per => {
                let entity = groups.of(per).unwrap_or_default();
                self.runs[b.rule as usize].groups.get(&entity).copied().ok_or(entity)
            }
        };
        let slot = existing.unwrap_or_else(|entity| self.push_slot(b.rule, entity));
        let plan = &mut self.devices[device as usize].streams[stream].plan;
        plan.iter_mut().filter(|x| x.rule == b.rule).for_each(|x| x.slot = slot);
        Binding { slot, ..b }
    }

    pub(crate) fn push_slot(&mut self, rule: u32, entity: u32) -> u32 {
        let run = &mut self.runs[rule as usize];
        let slot = run.take(entity);
        if run.closed {
            run.slots[slot as usize].levels.flags |= CLOSED;
        }
        match self.set.rules[rule as usize].per {
            Per::Device => self.devices[entity as usize].slots.push((rule, slot)),
            _ => {
                run.groups.insert(entity, slot);
            }
        }
        self.complete_slot(rule, slot);
        if !self.set.rules[rule as usize].unless.is_empty()
            && !self.inhibitors(rule, entity).is_empty()
        {
            self.runs[rule as usize].slots[slot as usize].levels.flags |= INHIBITED;
        }
        self.begin((rule, slot));
        slot
    }

    /// Fills in what comes from the rules and the city and is not in a checkpoint.
    pub(crate) fn complete_slot(&mut self, rule: u32, slot: u32) {
        let set = self.set.clone();
        let r = &set.rules[rule as usize];
        if r.per != Per::Device {
            return;
        }
        let run = &mut self.runs[rule as usize];
        let Some(s) = run.slots.get_mut(slot as usize) else { return };
        let Some(device) = self.devices.get(s.entity as usize).map(|d| &d.name) else { return };
        s.cadence_s = set.city.devices.get(device).map_or(0, |v| v.cadence_s);
        if let Some(limits) = r.ladder.limits(Some(device))
            && !same(run.limits.first(), &limits)
        {
            s.limits = run.limits.len() as u32;
            run.limits.push(limits);
        }
    }

    /// Puts every timer that is armed into a fresh heap.
    pub(crate) fn arm_all(&mut self) {
        self.timers = Timers::default();
        for (rule, run) in (0u32..).zip(&self.runs) {
            for (slot, s) in run.living().filter(|(_, s)| s.armed != NEVER) {
                let mut fresh = NEVER;
                self.timers.arm(&mut fresh, s.armed, (rule, slot));
            }
        }
    }
}

/// Equal limits; "none" is equal to "none".
fn same(a: Option<&crate::rule::Eras>, b: &crate::rule::Eras) -> bool {
    let bits = |e: &crate::rule::Eras| -> Vec<(i64, u64, u64)> {
        let set = |(from, set): &(i64, crate::rule::LimitSet)| {
            set.iter().map(|(r, c)| (*from, r.to_bits(), c.to_bits())).collect::<Vec<_>>()
        };
        e.iter().flat_map(set).collect()
    };
    a.is_some_and(|a| bits(a) == bits(b))
}

/// What selections ask of a device.
struct Known<'a> {
    name: &'a Name,
    view: Option<&'a DeviceView>,
    service: &'a Name,
    area: &'a Name,
}

impl Known<'_> {
    fn matches(&self, selection: &Selection) -> bool {
        let kind = self.view.map(|v| v.kind.as_str());
        selection.matches(self.name, kind, self.service, self.area)
    }
}
