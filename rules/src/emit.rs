//! From a change of a slot to a [`Transition`]: ids, names, messages, evidence.

use ioc_model::{
    AlertId, Entity, Evidence, EvidenceLimit, Name, Text, Timestamp, Transition, TransitionKind,
};

use crate::engine::{Engine, Step};
use crate::kinds::{Context, Look, Operator, Shown};
use crate::ladder::Change;
use crate::limit::Limit;
use crate::links::Changed;
use crate::rule::{Mode, Per, Rule};
use crate::slots::Slot;
use crate::template::{Facts, Language, Template};

impl Engine {
    /// Writes changes of a ladder and notes them for the rules that depend on this one.
    #[cold]
    pub(crate) fn emit_changes(
        &mut self,
        (rule, slot): (u32, u32),
        cause: Option<u32>,
        changes: &[Change],
        step: &mut Step<'_>,
    ) {
        let set = self.set.clone();
        let r = &set.rules[rule as usize];
        let Some(s) = self.runs[rule as usize].slots.get(slot as usize) else { return };
        let entity = s.entity;
        let name = self.entity_name(r.per, entity);
        let tells = r.mode != Mode::Off && self.owns(r.per, &name);
        for c in changes {
            if tells {
                let transition = self.transition((rule, slot), cause, c, step.position);
                match r.mode {
                    Mode::Shadow => self.shadow.push(transition),
                    Mode::On | Mode::Off => step.out.push(transition),
                }
            }
            if r.mode == Mode::On && !set.links_of(rule).is_empty() {
                self.changed.push(Changed { rule, entity, level: c.to, t: c.time });
            }
        }
        self.runs[rule as usize].cost.transitions += changes.len() as u64;
    }

    /// One transition.
    fn transition(
        &self,
        (rule_id, slot_id): (u32, u32),
        cause: Option<u32>,
        c: &Change,
        position: u64,
    ) -> Transition {
        let rule = &self.set.rules[rule_id as usize];
        let run = &self.runs[rule_id as usize];
        let slot = &run.slots[slot_id as usize];
        let kind = match (c.from, c.to) {
            (0, _) => TransitionKind::Raise,
            (_, 0) => TransitionKind::Clear,
            _ => TransitionKind::Severity,
        };
        let level = if c.to == 0 { c.from } else { c.to };
        let (mut evidence, shown) = self.why((rule_id, slot_id), c.time);
        // A kind that knows only yes and no may name the limit it went by.
        evidence.limit = match evidence.limit.take() {
            Some(own) => Some(self.with_source(own, c.time)),
            None => self.limit_of(rule, slot, (c.to, c.time)),
        };
        if rule.ladder.for_ms > 0 && kind != TransitionKind::Clear {
            evidence.timer("for", c.time.saturating_sub(rule.ladder.for_ms), c.time);
        }
        let held = slot.levels.held_for(&rule.ladder).zip(rule.ladder.chatter);
        if let Some((hold, chatter)) = held {
            evidence.number("chatter", f64::from(chatter.raises));
            if kind == TransitionKind::Clear {
                evidence.timer("chatter_hold", c.time.saturating_sub(hold), c.time);
            }
        } else if rule.ladder.clear_for_ms > 0 && kind == TransitionKind::Clear {
            evidence.timer("clear_for", c.time.saturating_sub(rule.ladder.clear_for_ms), c.time);
        }
        let limits = crate::ladder::era(&run.limits[slot.limits as usize], c.time);
        // A clear is told against the lowest level: that is the one the value left.
        let limit = match c.to {
            0 => limits.first().map(|(_, clear)| *clear),
            n => limits.get(usize::from(n) - 1).map(|(raise, _)| *raise),
        };
        let switch = rule.ladder.switch;
        let value = shown.value.or((!switch).then_some(c.value)).filter(|v| v.is_finite());
        let limit = shown.limit.or(limit.filter(|_| !switch)).filter(|l| l.is_finite());
        let (entity, area, service) = self.about(rule, slot.entity);
        let templates = match kind {
            TransitionKind::Clear => &rule.cleared,
            TransitionKind::Raise | TransitionKind::Severity => &rule.message,
        };
        let facts = |language| {
            let said = Said { entity: &entity, area: &area, shown: &shown, value, limit };
            self.facts(language, rule, c.to.max(1), &said)
        };
        let render = |t: &Template, language| t.render(language, &facts(language));
        let message = Text {
            vi: render(&templates[0], Language::Vi),
            en: render(&templates[1], Language::En),
        };
        let device = match rule.per {
            Per::Device => self.devices.get(slot.entity as usize),
            _ => cause.and_then(|d| self.devices.get(d as usize)),
        };
        Transition {
            position,
            alert: AlertId::new(&rule.id, &entity, Timestamp(c.start)),
            rule: rule.id.clone(),
            device: device.map(|d| d.name.clone()),
            entity,
            area,
            service,
            time: Timestamp(c.time),
            kind,
            severity: rule.ladder.severity(level),
            value,
            limit,
            unit: rule.unit.clone(),
            name: rule.name.clone(),
            message,
            cause: rule.cause.clone(),
            latched: rule.latched,
            evidence: Box::new(evidence),
        }
    }

    /// What an alert is about, its area and its service.
    pub(crate) fn about(&self, rule: &Rule, entity: u32) -> (Entity, Name, Name) {
        let unassigned = || Name::from("unassigned");
        let name = self.entity_name(rule.per, entity);
        match rule.per {
            Per::Device => {
                let stream = self.devices.get(entity as usize).and_then(|d| d.current_stream());
                let area = stream.map_or_else(unassigned, |s| s.area.clone());
                let service = stream.map_or_else(|| rule.service.clone(), |s| s.service.clone());
                (Entity::Device(name), area, service)
            }
            Per::Area => (Entity::Area(name.clone()), name, rule.service.clone()),
            Per::Service => (Entity::Service(name.clone()), unassigned(), name),
            Per::Segment => (Entity::Segment(name), unassigned(), rule.service.clone()),
            Per::City => (Entity::City, unassigned(), rule.service.clone()),
        }
    }

    /// What the kind has to say about a slot.
    pub(crate) fn why(&self, (rule_id, slot_id): (u32, u32), now: i64) -> (Evidence, Shown) {
        let rule = &self.set.rules[rule_id as usize];
        let run = &self.runs[rule_id as usize];
        let Some(slot) = run.slots.get(slot_id as usize) else { return Default::default() };
        let device = (rule.per == Per::Device)
            .then(|| self.devices.get(slot.entity as usize).map(|d| &d.name))
            .flatten();
        let cx = Context {
            now: self.now.max(now),
            listening_since: self.listening_since,
            cadence_s: slot.cadence_s,
            device,
            city: &self.set.city,
        };
        let ask = Why { slot: slot_id as usize, cx: &cx };
        rule.kind.look(&run.states, ask).flatten().unwrap_or_default()
    }

    /// The limit of a level with its source: the raise of that level, the clear of the lowest.
    pub(crate) fn limit_of(
        &self,
        rule: &Rule,
        slot: &Slot,
        (level, t): (u8, i64),
    ) -> Option<EvidenceLimit> {
        if rule.ladder.switch {
            return None;
        }
        let of = rule.ladder.levels.get(usize::from(level.max(1)) - 1)?;
        let (op, limit) =
            if level == 0 { (of.clear_op, &of.clear) } else { (of.raise_op, &of.raise) };
        let device = match rule.per {
            Per::Device => self.devices.get(slot.entity as usize).map(|d| &*d.name),
            _ => None,
        };
        let value = limit.at(device, t)?;
        let comparison = format!("{op} {value}");
        let Limit::Named { id, .. } = limit else {
            return Some(EvidenceLimit {
                comparison,
                threshold: None,
                source: None,
                effective: None,
            });
        };
        let view = self.set.city.thresholds.get(id);
        Some(EvidenceLimit {
            comparison,
            threshold: Some(id.clone()),
            source: view.map(|v| v.source.clone()),
            effective: view.map(|v| v.effective_at(t)),
        })
    }

    /// Adds source and first day to the limit of a named threshold.
    fn with_source(&self, mut limit: EvidenceLimit, t: i64) -> EvidenceLimit {
        let view = limit.threshold.as_ref().and_then(|id| self.set.city.thresholds.get(id));
        if let Some(view) = view {
            limit.source.get_or_insert_with(|| view.source.clone());
            limit.effective.get_or_insert_with(|| view.effective_at(t));
        }
        limit
    }

    fn facts<'a>(
        &'a self,
        language: Language,
        rule: &'a Rule,
        label: u8,
        said: &Said<'a>,
    ) -> Facts<'a> {
        let pick = |t: &'a Text| match language {
            Language::Vi => t.vi.as_str(),
            Language::En => t.en.as_str(),
        };
        let city = &self.set.city;
        let area_name = city.areas.get(said.area).map_or(&**said.area, pick);
        let level = rule.ladder.levels.get(usize::from(label) - 1);
        let whole_city = match language {
            Language::Vi => "Toàn thành phố",
            Language::En => "The whole city",
        };
        Facts {
            device: match said.entity {
                Entity::Device(d) => city.devices.get(d).map_or(&**d, |v| pick(&v.name)),
                Entity::Area(_) => area_name,
                Entity::Service(s) => city.services.get(s).map_or(&**s, pick),
                Entity::Segment(s) => s,
                Entity::City => whole_city,
            },
            area: area_name,
            level: level.map_or("", |l| pick(&l.label)),
            unit: &rule.unit,
            value: said.value,
            limit: said.limit,
            digits: rule.digits,
            duration_ms: said.shown.duration_ms.unwrap_or(rule.ladder.for_ms),
            reported: said.shown.reported,
            detail: pick(&said.shown.detail),
        }
    }
}

/// What a message is made of.
struct Said<'a> {
    entity: &'a Entity,
    area: &'a Name,
    shown: &'a Shown,
    value: Option<f64>,
    limit: Option<f64>,
}

struct Why<'a> {
    slot: usize,
    cx: &'a Context<'a>,
}

impl Look for Why<'_> {
    type Out = Option<(Evidence, Shown)>;

    fn look<K: Operator>(self, kind: &K, states: &[K::State]) -> Self::Out {
        let state = states.get(self.slot)?;
        let mut evidence = Evidence::default();
        kind.explain(state, self.cx, &mut evidence);
        Some((evidence, kind.shown(state, self.cx)))
    }
}
