//! Records and timers against the slots they concern.

use ioc_model::{Body, Detection, Name, Record, Status, Transition, TransitionKind};
use smallvec::SmallVec;

use crate::device::{Binding, DETECTION, PRESENCE, Role};
use crate::emit::{Cause, Outcome};
use crate::engine::{Engine, UNSET};
use crate::ring::{Changes, run_window, window_deadline};
use crate::rule::{DetectionRule, Kind, Per, fnv1a};
use crate::slots::{Run, Slots};

/// A record on its way through the rules.
#[derive(Clone, Copy)]
struct At {
    position: u64,
    device: u32,
    stream: usize,
    t: i64,
}

impl Engine {
    pub(crate) fn judge(
        &mut self,
        position: u64,
        device: u32,
        stream: usize,
        r: &Record,
        out: &mut Vec<Transition>,
    ) {
        let at = At { position, device, stream, t: r.time.0 };
        match &r.body {
            Body::Observation { values, .. } => self.observation(at, values, out),
            Body::Detection(d) => self.detection(at, d, out),
            Body::Status(s) => self.status(at, s, out),
        }
    }

    fn range(&self, at: At, key: u16) -> std::ops::Range<usize> {
        self.devices[at.device as usize].streams[at.stream].range(key)
    }

    fn observation(&mut self, at: At, values: &[(Name, f64)], out: &mut Vec<Transition>) {
        // Further conditions first: the values of one message belong to one moment.
        let mut touched: SmallVec<[Binding; 2]> = SmallVec::new();
        if self.devices[at.device as usize].streams[at.stream].has_and {
            for (property, value) in values {
                let Some(&key) = self.properties.get(property) else { continue };
                for i in self.range(at, key) {
                    let b = self.devices[at.device as usize].streams[at.stream].plan[i];
                    if let Role::And(n) = b.role {
                        let b = self.ensure_slot(at.device, at.stream, i);
                        self.note_condition(at, b, n, *value);
                        touched.push(b);
                    }
                }
            }
        }
        for (property, value) in values {
            let Some(&key) = self.properties.get(property) else { continue };
            for i in self.range(at, key) {
                let b = self.ensure_slot(at.device, at.stream, i);
                match b.role {
                    Role::Value => {
                        touched.retain(|x| x.rule != b.rule);
                        self.value(at, b, *value, out);
                    }
                    Role::Presence => self.presence(at, b, out),
                    Role::And(_) | Role::Detection => {}
                }
            }
        }
        // The value did not come with its condition: judge it as it was last heard.
        touched.dedup_by_key(|b| b.rule);
        for b in touched {
            if let Slots::Threshold(slots) = &self.runs[b.rule as usize].slots {
                let levels = &slots[b.slot as usize].levels;
                if levels.last != i64::MIN {
                    self.value(at, b, levels.value, out);
                }
            }
        }
        self.any_presence(at, out);
    }

    fn note_condition(&mut self, at: At, b: Binding, n: u8, value: f64) {
        let Kind::Threshold(rule) = &self.set.rules[b.rule as usize].kind else { return };
        let Slots::Threshold(slots) = &mut self.runs[b.rule as usize].slots else { return };
        let condition = &rule.and[usize::from(n)];
        let limit = condition.limit.for_device(&self.devices[at.device as usize].name);
        let holds = limit.is_some_and(|l| condition.op.holds(value, l));
        let bits = &mut slots[b.slot as usize].and_bits;
        *bits = (*bits & !(1 << n)) | (u8::from(holds) << n);
    }

    /// A value against a threshold or into a window.
    #[inline]
    fn value(&mut self, at: At, b: Binding, value: f64, out: &mut Vec<Transition>) {
        let rule = &self.set.rules[b.rule as usize];
        let Run { slots, limits, shape, .. } = &mut self.runs[b.rule as usize];
        let mut changes = Changes::new();
        match (&rule.kind, slots) {
            (Kind::Threshold(r), Slots::Threshold(slots)) => {
                let s = &mut slots[b.slot as usize];
                if at.t < s.levels.last {
                    return; // Within the allowed lateness, but the state is newer already.
                }
                let ok = u32::from(s.and_bits) == (1u32 << r.and.len()) - 1;
                let limits = &limits[s.head.limits as usize];
                let seen = (at.t, value, ok);
                s.levels.observe(&r.ladder, limits, seen, &mut |c| changes.push(c));
                if let Some(deadline) = s.levels.next_deadline(&r.ladder) {
                    self.timers.arm(&mut s.head.armed, deadline, (b.rule, b.slot));
                }
            }
            (Kind::Window(r), Slots::Window(slots)) => {
                let s = &mut slots[b.slot as usize];
                if !value.is_finite() {
                    return;
                }
                let limits = &limits[s.head.limits as usize];
                let fixed = r.grace_ms + self.config.allowed_lateness_ms;
                if r.per == Per::Device {
                    run_window(r, *shape, limits, s, at.t.saturating_sub(fixed), &mut changes);
                }
                if !s.window.add(*shape, at.t, r.aggregate.summand(value)) {
                    self.missed_windows += 1;
                }
                if let Some(deadline) = window_deadline(r, *shape, s) {
                    let deadline = deadline.saturating_add(fixed);
                    self.timers.arm(&mut s.head.armed, deadline, (b.rule, b.slot));
                }
            }
            _ => {}
        }
        if !changes.is_empty() {
            let cause = Cause { position: at.position, device: Some(at.device) };
            self.emit_changes(b, cause, &changes, out);
        }
    }

    fn any_presence(&mut self, at: At, out: &mut Vec<Transition>) {
        for i in self.range(at, PRESENCE) {
            let b = self.ensure_slot(at.device, at.stream, i);
            self.presence(at, b, out);
        }
    }

    /// A sign of life.
    fn presence(&mut self, at: At, b: Binding, out: &mut Vec<Transition>) {
        let Slots::Absence(slots) = &mut self.runs[b.rule as usize].slots else { return };
        let s = &mut slots[b.slot as usize];
        let silence = if s.last > i64::MIN { (at.t - s.last).max(0) } else { 0 };
        s.last = s.last.max(at.t);
        if self.now != UNSET {
            let deadline = s.deadline(self.listening_since);
            self.timers.arm(&mut s.head.armed, deadline, (b.rule, b.slot));
        }
        if s.episode.active {
            let time = s.episode.clear(at.t);
            let outcome = Outcome {
                time,
                start: s.episode.start,
                value: Some(silence as f64 / 1000.0),
                duration_ms: silence,
                ..Outcome::of(TransitionKind::Clear)
            };
            let cause = Cause { position: at.position, device: Some(at.device) };
            self.emit(b.rule, at.device, cause, &outcome, out);
        }
    }

    fn status(&mut self, at: At, status: &Status, out: &mut Vec<Transition>) {
        if status.online {
            return self.any_presence(at, out);
        }
        for i in self.range(at, PRESENCE) {
            let b = self.ensure_slot(at.device, at.stream, i);
            let Kind::Absence(rule) = &self.set.rules[b.rule as usize].kind else { continue };
            let Slots::Absence(slots) = &mut self.runs[b.rule as usize].slots else { continue };
            let s = &mut slots[b.slot as usize];
            if !rule.on_status || s.episode.active {
                continue;
            }
            let time = s.episode.raise(at.t);
            let start = s.episode.start;
            let raise = Outcome::of(TransitionKind::Raise);
            let outcome = Outcome { time, start, reported: true, ..raise };
            let cause = Cause { position: at.position, device: Some(at.device) };
            self.emit(b.rule, at.device, cause, &outcome, out);
        }
    }

    fn detection(&mut self, at: At, d: &Detection, out: &mut Vec<Transition>) {
        for i in self.range(at, DETECTION) {
            let b = self.devices[at.device as usize].streams[at.stream].plan[i];
            let Kind::Detection(rule) = &self.set.rules[b.rule as usize].kind else { continue };
            if !rule.fits(d) {
                continue;
            }
            let b = self.ensure_slot(at.device, at.stream, i);
            let Kind::Detection(rule) = &self.set.rules[b.rule as usize].kind else { continue };
            let Slots::Detection(slots) = &mut self.runs[b.rule as usize].slots else { continue };
            let s = &mut slots[b.slot as usize];
            let n = s.count(rule, at.t, event_key(at, d));
            let raise = n >= rule.count && !s.episode.active;
            let mut outcome = Outcome {
                value: Some(n as f64),
                limit: Some(rule.count as f64),
                duration_ms: rule.within_ms,
                ..Outcome::of(TransitionKind::Raise)
            };
            if raise {
                outcome.time = s.episode.raise(at.t);
                outcome.start = s.episode.start;
            }
            if s.episode.active {
                let deadline = s.last.saturating_add(rule.quiet_ms);
                self.timers.arm(&mut s.head.armed, deadline, (b.rule, b.slot));
            }
            let entity = s.head.entity;
            if raise {
                let cause = Cause { position: at.position, device: Some(at.device) };
                self.emit(b.rule, entity, cause, &outcome, out);
            }
        }
        self.any_presence(at, out);
    }
}

/// The same event told twice has the same key: by its id, else by what it says.
fn event_key(at: At, d: &Detection) -> u64 {
    let text = match &d.id {
        Some(id) => format!("{}\0{}\0{id}", at.device, d.kind),
        None => format!(
            "{}\0{}\0{}\0{}\0{}",
            at.device,
            d.kind,
            at.t,
            d.object.as_deref().unwrap_or(""),
            d.zone.as_deref().unwrap_or("")
        ),
    };
    fnv1a(text.as_bytes())
}

impl DetectionRule {
    fn fits(&self, d: &Detection) -> bool {
        self.kinds.contains(&d.kind)
            && (self.objects.is_empty()
                || d.object.as_ref().is_some_and(|o| self.objects.contains(o)))
            && (self.zones.is_empty() || d.zone.as_ref().is_some_and(|z| self.zones.contains(z)))
            && d.confidence.is_none_or(|c| c >= self.min_confidence)
            && (self.min_objects <= 1.0 || d.count.is_some_and(|n| n >= self.min_objects))
    }
}
