//! From a change of a slot to a [`Transition`]: ids, names, messages.

use ioc_model::{AlertId, Entity, Name, Severity, Timestamp, Transition, TransitionKind};

use crate::device::Binding;
use crate::engine::Engine;
use crate::ladder::Change;
use crate::rule::{Kind, Per};
use crate::template::{Facts, Language};

/// What made a change: the entry, and the device it is about if it is about one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cause {
    pub(crate) position: u64,
    pub(crate) device: Option<u32>,
}

/// A change, before names and words.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    pub(crate) kind: TransitionKind,
    pub(crate) time: i64,
    pub(crate) start: i64,
    /// Level whose severity the transition has.
    pub(crate) level: u8,
    /// Level the message names.
    pub(crate) label: u8,
    pub(crate) value: Option<f64>,
    pub(crate) limit: Option<f64>,
    pub(crate) duration_ms: i64,
    pub(crate) reported: bool,
}

impl Outcome {
    pub(crate) fn of(kind: TransitionKind) -> Self {
        Self {
            kind,
            time: 0,
            start: 0,
            level: 1,
            label: 1,
            value: None,
            limit: None,
            duration_ms: 0,
            reported: false,
        }
    }

    /// Silence that lasted too long.
    pub(crate) fn silence(time: i64, start: i64, silence_ms: i64, limit_ms: i64) -> Self {
        Self {
            time,
            start,
            value: Some(silence_ms as f64 / 1000.0),
            limit: Some(limit_ms as f64 / 1000.0),
            duration_ms: silence_ms,
            ..Self::of(TransitionKind::Raise)
        }
    }
}

impl Engine {
    /// Writes changes of a ladder.
    #[cold]
    pub(crate) fn emit_changes(
        &self,
        b: Binding,
        cause: Cause,
        changes: &[Change],
        out: &mut Vec<Transition>,
    ) {
        let rule = &self.set.rules[b.rule as usize];
        let run = &self.runs[b.rule as usize];
        let Some(head) = run.slots.head(b.slot as usize) else { return };
        let limits = &run.limits[head.limits as usize];
        let duration_ms = match &rule.kind {
            Kind::Threshold(r) => r.ladder.for_ms,
            Kind::Window(r) => r.size_ms,
            Kind::Absence(_) | Kind::Detection(_) => 0,
        };
        for c in changes {
            let kind = match (c.from, c.to) {
                (0, _) => TransitionKind::Raise,
                (_, 0) => TransitionKind::Clear,
                _ => TransitionKind::Severity,
            };
            // A clear is told against the lowest level: that is the one the value left.
            let limit = match c.to {
                0 => limits.first().map(|(_, clear)| *clear),
                n => limits.get(usize::from(n) - 1).map(|(raise, _)| *raise),
            };
            let outcome = Outcome {
                time: c.time,
                start: c.start,
                level: if c.to == 0 { c.from } else { c.to },
                label: c.to.max(1),
                value: Some(c.value),
                limit,
                duration_ms,
                ..Outcome::of(kind)
            };
            self.emit(b.rule, head.entity, cause, &outcome, out);
        }
    }

    /// Writes one transition.
    #[cold]
    pub(crate) fn emit(
        &self,
        rule_id: u32,
        entity: u32,
        cause: Cause,
        o: &Outcome,
        out: &mut Vec<Transition>,
    ) {
        let rule = &self.set.rules[rule_id as usize];
        let device = cause.device.and_then(|d| self.devices.get(d as usize));
        let unassigned = || Name::from("unassigned");
        let (entity, area, service) = match rule.kind.per() {
            Per::Device => {
                let Some(device) = self.devices.get(entity as usize) else { return };
                (
                    Entity::Device(device.name.clone()),
                    device.area().cloned().unwrap_or_else(unassigned),
                    device.service().cloned().unwrap_or_else(|| rule.service.clone()),
                )
            }
            _ => {
                let area = self.areas.get(entity as usize).cloned().unwrap_or_else(unassigned);
                (Entity::Area(area.clone()), area, rule.service.clone())
            }
        };
        let templates = match o.kind {
            TransitionKind::Clear => &rule.cleared,
            TransitionKind::Raise | TransitionKind::Severity => &rule.message,
        };
        let message = ioc_model::Text {
            vi: templates[0]
                .render(Language::Vi, &self.facts(Language::Vi, rule_id, &entity, &area, o)),
            en: templates[1]
                .render(Language::En, &self.facts(Language::En, rule_id, &entity, &area, o)),
        };
        let severity: Severity = rule.kind.severity(o.level);
        out.push(Transition {
            position: cause.position,
            alert: AlertId::new(&rule.id, &entity, Timestamp(o.start)),
            rule: rule.id.clone(),
            entity,
            device: device.map(|d| d.name.clone()),
            area,
            service,
            time: Timestamp(o.time),
            kind: o.kind,
            severity,
            value: o.value,
            limit: o.limit,
            unit: rule.unit.clone(),
            name: rule.name.clone(),
            message,
        });
    }

    fn facts<'a>(
        &'a self,
        language: Language,
        rule_id: u32,
        entity: &'a Entity,
        area: &'a Name,
        o: &Outcome,
    ) -> Facts<'a> {
        let rule = &self.set.rules[rule_id as usize];
        let pick = |t: &'a ioc_model::Text| match language {
            Language::Vi => t.vi.as_str(),
            Language::En => t.en.as_str(),
        };
        let city = &self.set.city;
        let area_name = city.areas.get(area).map_or(&**area, pick);
        let level = rule.kind.ladder().and_then(|l| l.levels.get(usize::from(o.label) - 1));
        Facts {
            device: match entity {
                Entity::Device(d) => city.devices.get(d).map_or(&**d, |v| pick(&v.name)),
                Entity::Area(_) | Entity::Service(_) | Entity::City => area_name,
            },
            area: area_name,
            level: level.map_or("", |l| pick(&l.label)),
            unit: &rule.unit,
            value: o.value,
            limit: o.limit,
            digits: rule.digits,
            duration_ms: o.duration_ms,
            reported: o.reported,
            detail: "",
        }
    }
}
