//! What the alert of one rule means for others (`unless`, composites, patterns), and hours.
//!
//! Rules are numbered so that a rule comes after those it depends on (checked at load: there is
//! no cycle), so following the changes of a record ends.

use ioc_model::Name;

use crate::device::NO_SLOT;
use crate::engine::{Engine, Step, UNSET};
use crate::feed::Changes;
use crate::kinds::{Context, Message, Operator, Said, Visit};
use crate::ladder::era;
use crate::rule::{Mode, Per, Relation};
use crate::slots::ALL_SLOTS;
use crate::timers::NEVER;

/// A rule's level on an entity changed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Changed {
    pub(crate) rule: u32,
    pub(crate) entity: u32,
    pub(crate) level: u8,
    pub(crate) t: i64,
}

/// A rule that wants to know of another's changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// As its input.
    Input { rule: u32, input: u8 },
    /// To hold back.
    Unless { rule: u32, on: Relation },
}

impl Link {
    /// The rule that wants to know.
    pub(crate) fn target(self) -> u32 {
        match self {
            Self::Input { rule, .. } | Self::Unless { rule, .. } => rule,
        }
    }
}

impl Engine {
    /// Tells the rules that depend on what changed, and judges computed values, until nothing
    /// is left to tell.
    pub(crate) fn follow(&mut self, step: &mut Step<'_>) {
        while !self.changed.is_empty() || !self.fresh.is_empty() {
            for changed in std::mem::take(&mut self.changed) {
                let set = self.set.clone();
                for link in set.links_of(changed.rule) {
                    match *link {
                        Link::Input { rule, input } => {
                            self.tell((rule, input), changed, step);
                        }
                        Link::Unless { rule, on } => self.hold_back(rule, on, changed, step),
                    }
                }
            }
            for record in std::mem::take(&mut self.fresh) {
                let Some(&device) = self.device_ids.get(&record.device) else { continue };
                let stream = self.devices[device as usize].current as usize;
                self.judge((device, stream), &record, step);
                if self.owns(Per::Device, &record.device) {
                    self.derived.push(record);
                }
            }
        }
    }

    /// A change as an input of another rule.
    pub(crate) fn tell(&mut self, (rule, input): (u32, u8), c: Changed, step: &mut Step<'_>) {
        let from = self.set.rules[c.rule as usize].per;
        let to = self.set.rules[rule as usize].per;
        let Some(entity) = self.project(from, c.entity, to) else { return };
        let Some(slot) = self.slot_of(rule, entity) else { return };
        let name = self.entity_name(from, c.entity);
        let said = Said::Rule { input, entity: c.entity, level: c.level };
        let message = Message {
            t: c.t,
            received: c.t,
            clamped: false,
            bad: false,
            // Nobody speaks; the number of a ward is not that of a device.
            device: if from == Per::Device { c.entity } else { u32::MAX },
            name: &name,
            said,
        };
        self.feed((rule, slot), &message, step);
    }

    /// The entity of a larger kind that an entity belongs to.
    fn project(&self, from: Per, entity: u32, to: Per) -> Option<u32> {
        if from == to {
            return Some(entity);
        }
        match from {
            Per::Device => self.devices.get(entity as usize)?.current_stream()?.groups.of(to),
            _ if to == Per::City => self.name_ids.get("").copied(),
            _ => None,
        }
    }

    /// The slot of an entity, created at the first need; `None` if this engine does not judge it.
    fn slot_of(&mut self, rule: u32, entity: u32) -> Option<u32> {
        let per = self.set.rules[rule as usize].per;
        let known = match per {
            Per::Device => self.devices.get(entity as usize)?.slot(rule),
            _ => self.runs[rule as usize].groups.get(&entity).copied(),
        };
        if let Some(slot) = known.filter(|s| *s != NO_SLOT) {
            return Some(slot);
        }
        let name = self.entity_name(per, entity);
        self.judges(rule, &name).then(|| self.push_slot(rule, entity))
    }

    pub(crate) fn entity_name(&self, per: Per, entity: u32) -> Name {
        let name = match per {
            Per::Device => self.devices.get(entity as usize).map(|d| &d.name),
            _ => self.names.get(entity as usize),
        };
        name.cloned().unwrap_or_else(|| "".into())
    }

    /// Looks anew at what the change may hold back or set free.
    fn hold_back(&mut self, rule: u32, on: Relation, c: Changed, step: &mut Step<'_>) {
        let same = on == Relation::Same
            && self.set.rules[c.rule as usize].per == self.set.rules[rule as usize].per;
        let run = &self.runs[rule as usize];
        let concerned: Vec<u32> = run
            .living()
            .filter(|(_, s)| !same || s.entity == c.entity)
            .map(|(slot, _)| slot)
            .collect();
        for slot in concerned {
            self.look_at_inhibition((rule, slot), c.t, step);
        }
    }

    /// Sets whether other rules hold a slot back.
    pub(crate) fn look_at_inhibition(
        &mut self,
        (rule, slot): (u32, u32),
        t: i64,
        step: &mut Step<'_>,
    ) {
        let entity = self.runs[rule as usize].slots[slot as usize].entity;
        let held = !self.inhibitors(rule, entity).is_empty();
        let mut changes = Changes::new();
        let set = self.set.clone();
        let ladder = &set.rules[rule as usize].ladder;
        let run = &mut self.runs[rule as usize];
        let s = &mut run.slots[slot as usize];
        let limits = era(&run.limits[s.limits as usize], t);
        let before = s.levels.flags;
        s.levels.set_inhibited(held, (ladder, limits, t), &mut |c| changes.push(c));
        let turned = s.levels.flags != before;
        if let Some(at) = s.levels.next_deadline(ladder).filter(|_| turned) {
            let grace = set.rules[rule as usize].kind.grace_ms();
            self.timers.arm(&mut s.armed, at.saturating_add(grace), (rule, slot));
        }
        if !changes.is_empty() {
            self.emit_changes((rule, slot), None, &changes, step);
        }
    }

    /// The rules whose running alerts hold `rule` on `entity` back.
    pub(crate) fn inhibitors(&self, rule: u32, entity: u32) -> Vec<Name> {
        let r = &self.set.rules[rule as usize];
        let is_active = |u: &&crate::rule::Unless| {
            let Some(other) = self.set.index_of(&u.rule) else { return false };
            self.is_active_for(other, u.on, (r.per, entity))
        };
        r.unless.iter().filter(is_active).map(|u| u.rule.clone()).collect()
    }

    fn is_active_for(&self, other: u32, on: Relation, (per, entity): (Per, u32)) -> bool {
        let theirs = self.set.rules[other as usize].per;
        let run = &self.runs[other as usize];
        if self.set.rules[other as usize].mode != Mode::On {
            return false;
        }
        let active_on = |e: u32| {
            let slot = match theirs {
                Per::Device => self.devices.get(e as usize).and_then(|d| d.slot(other)),
                _ => run.groups.get(&e).copied(),
            };
            slot.and_then(|s| run.slots.get(s as usize)).is_some_and(|s| s.levels.level > 0)
        };
        let any = |in_group: &dyn Fn(u32) -> bool| {
            run.living().any(|(_, s)| s.levels.level > 0 && in_group(s.entity))
        };
        match on {
            Relation::City => any(&|_| true),
            Relation::Parent => {
                let name = self.devices.get(entity as usize).map(|d| &d.name);
                let parent = name.and_then(|n| self.set.city.devices.get(n)?.parent.as_ref());
                let parent = parent.and_then(|p| self.device_ids.get(p));
                parent.is_some_and(|p| active_on(*p))
            }
            Relation::Same if theirs == per => active_on(entity),
            Relation::Same => match self.project(per, entity, theirs) {
                Some(larger) => active_on(larger),
                None => any(&|e| self.project(theirs, e, per) == Some(entity)),
            },
            Relation::Area => {
                let Some(area) = self.project(per, entity, Per::Area) else { return false };
                any(&|e| self.project(theirs, e, Per::Area) == Some(area))
            }
        }
    }

    /// Time begins: silence can be measured, hours are looked up.
    pub(crate) fn begin_time(&mut self, step: &mut Step<'_>) {
        for rule in 0..self.runs.len() as u32 {
            if self.set.rules[rule as usize].kind.is_eager() {
                for slot in 0..self.runs[rule as usize].slots.len() as u32 {
                    self.begin((rule, slot));
                }
            }
            self.turn_hours(rule, self.now, step);
        }
        self.follow(step);
    }

    /// An entity becomes known to its rule.
    pub(crate) fn begin(&mut self, (rule, slot): (u32, u32)) {
        let set = self.set.clone();
        let r = &set.rules[rule as usize];
        let run = &mut self.runs[rule as usize];
        let Some(s) = run.slots.get_mut(slot as usize) else { return };
        let device = (r.per == Per::Device)
            .then(|| self.devices.get(s.entity as usize).map(|d| &d.name))
            .flatten();
        let cx = Context {
            now: self.now,
            listening_since: self.listening_since,
            cadence_s: s.cadence_s,
            device,
            city: &set.city,
        };
        let next = r.kind.visit(&mut run.states, Begin { slot: slot as usize, cx: &cx }).flatten();
        if let Some(at) = next.filter(|_| self.now != UNSET) {
            let at = at.saturating_add(r.kind.grace_ms());
            self.timers.arm(&mut s.armed, at, (rule, slot));
        }
    }

    /// The hours of a rule may begin or end now.
    pub(crate) fn turn_hours(&mut self, rule: u32, t: i64, step: &mut Step<'_>) {
        let set = self.set.clone();
        let r = &set.rules[rule as usize];
        let Some(hours) = &r.hours else { return };
        self.runs[rule as usize].hours_armed = NEVER;
        let closed = !hours.is_open(t);
        self.runs[rule as usize].closed = closed;
        for slot in 0..self.runs[rule as usize].slots.len() as u32 {
            let mut changes = Changes::new();
            let run = &mut self.runs[rule as usize];
            let s = &mut run.slots[slot as usize];
            let limits = era(&run.limits[s.limits as usize], t);
            let before = s.levels.flags;
            s.levels.set_closed(closed, (&r.ladder, limits, t), &mut |c| changes.push(c));
            let turned = s.levels.flags != before;
            if let Some(at) = s.levels.next_deadline(&r.ladder).filter(|_| turned) {
                let at = at.saturating_add(r.kind.grace_ms());
                self.timers.arm(&mut s.armed, at, (rule, slot));
            }
            if !changes.is_empty() {
                self.emit_changes((rule, slot), None, &changes, step);
            }
        }
        if let Some(at) = hours.next_change(t) {
            let run = &mut self.runs[rule as usize];
            self.timers.arm(&mut run.hours_armed, at, (rule, ALL_SLOTS));
        }
    }
}

struct Begin<'a> {
    slot: usize,
    cx: &'a Context<'a>,
}

impl Visit for Begin<'_> {
    type Out = Option<i64>;

    fn visit<K: Operator>(self, kind: &K, states: &mut [K::State]) -> Option<i64> {
        let state = states.get_mut(self.slot)?;
        kind.begin(state, self.cx);
        kind.deadline(state, self.cx)
    }
}
