//! What another set of rules, or another city, means for the state of the old one.

use ioc_model::{AlertId, Entity, Evidence, Severity, Text, Timestamp, Transition, TransitionKind};

use crate::checkpoint::SavedRule;
use crate::engine::{Engine, Step, UNSET};
use crate::ladder::Change;
use crate::links::{Changed, Link};
use crate::rule::{MAX_LEVELS, Mode, Per};
use crate::slots::DEAD;

impl Engine {
    /// Retires the slots of devices that their rule no longer looks at (the city changed).
    pub(crate) fn drop_unbound(&mut self, step: &mut Step<'_>) {
        for device in 0..self.devices.len() {
            for (rule, slot) in self.devices[device].slots.clone() {
                let d = &self.devices[device];
                let fed_by_rules = self.set.inputs[rule as usize]
                    .iter()
                    .any(|i| matches!(i.what, crate::kinds::Wanted::Rule(_)));
                let bound = d.streams.iter().any(|s| s.plan.iter().any(|b| b.rule == rule));
                if !bound && !fed_by_rules {
                    self.retire((rule, slot), step);
                    self.devices[device].slots.retain(|(r, _)| *r != rule);
                    self.runs[rule as usize].release(slot);
                }
            }
        }
    }

    fn retire(&mut self, (rule, slot): (u32, u32), step: &mut Step<'_>) {
        let s = &self.runs[rule as usize].slots[slot as usize];
        if let Some((from, start)) = s.open_episode() {
            let time = self.now.max(start);
            let change = Change { time, start, from, to: 0, value: f64::NAN };
            self.emit_changes((rule, slot), None, &[change], step);
        }
    }

    /// Hours, inhibition and inputs by rules may be others than when the checkpoint was taken.
    pub(crate) fn look_around(&mut self, gone: &[SavedRule], fresh: &[bool], step: &mut Step<'_>) {
        if self.now == UNSET {
            return;
        }
        for rule in 0..self.runs.len() as u32 {
            self.turn_hours(rule, self.now, step);
        }
        for rule in gone.iter().filter(|r| r.head.on) {
            let Some(index) = self.set.index_of(&rule.head.id) else { continue };
            if self.set.rules[index as usize].per != rule.head.per {
                continue;
            }
            for s in rule.slots.iter().filter(|s| s.entity != DEAD && s.levels.level > 0) {
                let (entity, t) = (s.entity, self.now);
                self.changed.push(Changed { rule: index, entity, level: 0, t });
            }
        }
        self.tell_fresh(fresh, step);
        let held = |rule: &u32| !self.set.rules[*rule as usize].unless.is_empty();
        let held: Vec<u32> = (0..self.runs.len() as u32).filter(held).collect();
        for rule in held {
            let living: Vec<u32> = self.runs[rule as usize].living().map(|(s, _)| s).collect();
            for slot in living {
                self.look_at_inhibition((rule, slot), self.now, step);
            }
        }
        self.follow(step);
    }

    /// A rule that is new hears which alerts of its inputs run already.
    fn tell_fresh(&mut self, fresh: &[bool], step: &mut Step<'_>) {
        let set = self.set.clone();
        for other in 0..self.runs.len() as u32 {
            for link in set.links_of(other) {
                let Link::Input { rule, input } = *link else { continue };
                if !fresh[rule as usize] || set.rules[other as usize].mode != Mode::On {
                    continue;
                }
                let run = &self.runs[other as usize];
                let active: Vec<(u32, u8)> = run
                    .living()
                    .filter(|(_, s)| s.levels.level > 0)
                    .map(|(_, s)| (s.entity, s.levels.level))
                    .collect();
                for (entity, level) in active {
                    let changed = Changed { rule: other, entity, level, t: self.now };
                    self.tell((rule, input), changed, step);
                }
            }
        }
    }

    /// Clears the open episodes of a rule that is gone.
    pub(crate) fn orphan(&self, rule: &SavedRule, step: &mut Step<'_>) {
        let head = &rule.head;
        if !head.on {
            return;
        }
        for slot in rule.slots.iter().filter(|s| s.entity != DEAD) {
            let Some((level, start)) = slot.open_episode() else { continue };
            let severity = head.severities.get(usize::from(level).min(MAX_LEVELS) - 1).copied();
            let name = self.entity_name(head.per, slot.entity);
            if !self.owns(head.per, &name) {
                continue;
            }
            let stream = self.devices.get(slot.entity as usize).and_then(|d| d.current_stream());
            let stream = stream.filter(|_| head.per == Per::Device);
            let mut area = stream.map_or_else(|| "unassigned".into(), |s| s.area.clone());
            let service = stream.map_or(&head.service, |s| &s.service).clone();
            let device = (head.per == Per::Device).then(|| name.clone());
            let entity = match head.per {
                Per::Device => Entity::Device(name),
                Per::Area => {
                    area = name.clone();
                    Entity::Area(name)
                }
                Per::Service => Entity::Service(name),
                Per::Segment => Entity::Segment(name),
                Per::City => Entity::City,
            };
            step.out.push(Transition {
                position: step.position,
                alert: AlertId::new(&head.id, &entity, Timestamp(start)),
                rule: head.id.clone(),
                entity,
                device,
                area,
                service,
                time: Timestamp(self.now.max(start)),
                kind: TransitionKind::Clear,
                severity: severity.and_then(Severity::from_u8).unwrap_or(Severity::Info),
                value: None,
                limit: None,
                unit: head.unit.clone(),
                name: head.name.clone(),
                message: Text {
                    vi: "luật cảnh báo đã thay đổi hoặc bị gỡ bỏ".into(),
                    en: "the rule was changed or removed".into(),
                },
                cause: head.service.clone(),
                latched: false,
                evidence: Box::new(Evidence::default()),
            });
        }
    }
}
