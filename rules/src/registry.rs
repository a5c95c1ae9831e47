//! Devices, areas and properties as numbers; which rules look at which device.

use ahash::AHashMap;
use ioc_model::{Name, Record};
use smallvec::SmallVec;

use crate::device::{Binding, DETECTION, Device, NO_SLOT, PRESENCE, Role, Stream};
use crate::engine::{ClockMode, Engine, EngineConfig, UNSET};
use crate::rule::{Kind, Per, Rule};
use crate::ruleset::{DeviceView, RuleSet};
use crate::slots::{Head, Run, Slots};
use crate::timers::Timers;

impl Engine {
    /// Without any device.
    pub(crate) fn empty(set: RuleSet, config: EngineConfig) -> Self {
        let mut properties: AHashMap<Name, u16> = AHashMap::new();
        let mut by_service: AHashMap<Name, Vec<u32>> = AHashMap::new();
        let mut any_service = Vec::new();
        for (i, rule) in set.rules.iter().enumerate() {
            for property in rule_properties(rule) {
                let n = properties.len() as u16;
                properties.entry(property.clone()).or_insert(n);
            }
            if rule.selection.services.is_empty() {
                any_service.push(i as u32);
            }
            for service in &rule.selection.services {
                by_service.entry(service.clone()).or_default().push(i as u32);
            }
        }
        let runs = set.rules.iter().map(|r| Run::new(&r.kind)).collect();
        Self {
            set,
            config,
            now: UNSET,
            listening_since: UNSET,
            devices: Vec::new(),
            device_ids: AHashMap::new(),
            areas: Vec::new(),
            area_ids: AHashMap::new(),
            properties,
            by_service,
            any_service,
            runs,
            timers: Timers::default(),
            refused_devices: 0,
            missed_windows: 0,
        }
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
        if self.devices.len() >= self.config.max_devices {
            return None;
        }
        let id = self.devices.len() as u32;
        self.devices.push(Device::new(name.clone()));
        self.device_ids.insert(name.clone(), id);
        Some(id)
    }

    pub(crate) fn area_id(&mut self, name: &Name) -> u32 {
        if let Some(id) = self.area_ids.get(name) {
            return *id;
        }
        let id = self.areas.len() as u32;
        self.areas.push(name.clone());
        self.area_ids.insert(name.clone(), id);
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
        let area_id = self.area_id(area);
        let set = self.set.clone();
        let name = self.devices[device as usize].name.clone();
        let view = set.city.devices.get(&name);
        let mut rules = self.any_service.clone();
        rules.extend(self.by_service.get(service).into_iter().flatten());
        rules.sort_unstable();
        let mut plan = Vec::new();
        for index in rules {
            let rule = &set.rules[index as usize];
            let kind = view.map(|v| v.kind.as_str());
            if rule.selection.matches(&name, kind, service, area) {
                self.bind_rule((index, rule), &name, view, &mut plan);
            }
        }
        for binding in &mut plan {
            let run = &self.runs[binding.rule as usize];
            let slot = match set.rules[binding.rule as usize].kind.per() {
                Per::Device => self.devices[device as usize].slot(binding.rule),
                _ => run.groups.get(&area_id).copied(),
            };
            binding.slot = slot.unwrap_or(NO_SLOT);
        }
        plan.sort_unstable();
        let has_and = plan.iter().any(|b| matches!(b.role, Role::And(_)));
        let stream =
            Stream { service: service.clone(), area: area.clone(), area_id, plan, has_and };
        let d = &mut self.devices[device as usize];
        let place = d.place_for_stream();
        d.streams.push(stream);
        d.current = place as u32;
        self.create_absences(device, place, view);
        place
    }

    fn bind_rule(
        &self,
        (index, rule): (u32, &Rule),
        device: &Name,
        view: Option<&DeviceView>,
        plan: &mut Vec<Binding>,
    ) {
        let mut add = |key: u16, role: Role| {
            plan.push(Binding { key, role, rule: index, slot: NO_SLOT });
        };
        match &rule.kind {
            Kind::Threshold(r) => {
                let judged = r.ladder.limits(Some(device)).is_some()
                    && r.and.iter().all(|c| c.limit.for_device(device).is_some());
                if judged {
                    add(self.properties[&r.property], Role::Value);
                    for (i, c) in r.and.iter().enumerate() {
                        add(self.properties[&c.property], Role::And(i as u8));
                    }
                }
            }
            Kind::Window(r) => {
                let own = (r.per == Per::Device).then_some(&**device);
                if r.ladder.limits(own).is_some() {
                    add(self.properties[&r.property], Role::Value);
                }
            }
            Kind::Absence(r) => {
                if r.limit_ms(view.map_or(0, |v| v.cadence_s)).is_some() {
                    let key = r.property.as_ref().map_or(PRESENCE, |p| self.properties[p]);
                    add(key, Role::Presence);
                }
            }
            Kind::Detection(_) => add(DETECTION, Role::Detection),
        }
    }

    /// Waiting for a device begins when it is known, not at its first word.
    fn create_absences(&mut self, device: u32, stream: usize, view: Option<&DeviceView>) {
        for i in 0..self.devices[device as usize].streams[stream].plan.len() {
            let binding = self.devices[device as usize].streams[stream].plan[i];
            if binding.role != Role::Presence || binding.slot != NO_SLOT {
                continue;
            }
            let Kind::Absence(rule) = &self.set.rules[binding.rule as usize].kind else { continue };
            let reports = |p: &Name| view.is_some_and(|v| v.properties.contains(p));
            if rule.property.as_ref().is_none_or(reports) {
                self.ensure_slot(device, stream, i);
            }
        }
    }

    /// The slot of a binding, created at the first need.
    #[inline]
    pub(crate) fn ensure_slot(&mut self, device: u32, stream: usize, binding: usize) -> Binding {
        let b = self.devices[device as usize].streams[stream].plan[binding];
        if b.slot != NO_SLOT {
            return b;
        }
        self.create_slot(device, stream, b)
    }

    #[cold]
    fn create_slot(&mut self, device: u32, stream: usize, b: Binding) -> Binding {
        let per = self.set.rules[b.rule as usize].kind.per();
        let area_id = self.devices[device as usize].streams[stream].area_id;
        let existing = match per {
            Per::Device => self.devices[device as usize].slot(b.rule),
            _ => self.runs[b.rule as usize].groups.get(&area_id).copied(),
        };
        let entity = if per == Per::Device { device } else { area_id };
        let slot = existing.unwrap_or_else(|| self.push_slot(b.rule, per, entity));
        let plan = &mut self.devices[device as usize].streams[stream].plan;
        plan.iter_mut().filter(|x| x.rule == b.rule).for_each(|x| x.slot = slot);
        Binding { slot, ..b }
    }

    fn push_slot(&mut self, rule: u32, per: Per, entity: u32) -> u32 {
        let run = &mut self.runs[rule as usize];
        let slot = run.slots.push(Head::new(entity, 0));
        match per {
            Per::Device => self.devices[entity as usize].slots.push((rule, slot)),
            _ => {
                run.groups.insert(entity, slot);
            }
        }
        self.complete_slot(rule, slot);
        if let (Kind::Threshold(r), Slots::Threshold(slots)) =
            (&self.set.rules[rule as usize].kind, &mut self.runs[rule as usize].slots)
        {
            slots[slot as usize].and_bits = r.first_bits();
        }
        if let Slots::Absence(slots) = &mut self.runs[rule as usize].slots {
            let s = &mut slots[slot as usize];
            s.waiting_since = self.now;
            if self.now != UNSET {
                let at = s.deadline(self.listening_since);
                self.timers.arm(&mut s.head.armed, at, (rule, slot));
            }
        }
        slot
    }

    /// Fills in what comes from the rules and the city and is not in a checkpoint.
    pub(crate) fn complete_slot(&mut self, rule: u32, slot: u32) {
        let set = self.set.clone();
        let run = &mut self.runs[rule as usize];
        let kind = &set.rules[rule as usize].kind;
        let Some(head) = run.slots.head_mut(slot as usize) else { return };
        let device = match kind.per() {
            Per::Device => self.devices.get(head.entity as usize).map(|d| &d.name),
            _ => None,
        };
        if let (Some(ladder), Some(device)) = (kind.ladder(), device)
            && let Some(limits) = ladder.limits(Some(device))
            && run.limits.first() != Some(&limits)
        {
            head.limits = run.limits.len() as u32;
            run.limits.push(limits);
        }
        if let (Kind::Absence(r), Slots::Absence(slots)) = (kind, &mut run.slots) {
            let cadence = device.and_then(|d| set.city.devices.get(d)).map_or(0, |v| v.cadence_s);
            slots[slot as usize].limit_ms = r.limit_ms(cadence).unwrap_or(i64::MAX);
        }
    }
}

/// Properties a rule asks for.
fn rule_properties(rule: &Rule) -> SmallVec<[&Name; 2]> {
    match &rule.kind {
        Kind::Threshold(r) => {
            std::iter::once(&r.property).chain(r.and.iter().map(|c| &c.property)).collect()
        }
        Kind::Window(r) => std::iter::once(&r.property).collect(),
        Kind::Absence(r) => r.property.iter().collect(),
        Kind::Detection(_) => SmallVec::new(),
    }
}
