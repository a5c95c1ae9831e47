//! Timers: what is due when time moves on, at its own deadline.

use ioc_model::{Transition, TransitionKind};
use smallvec::SmallVec;

use crate::device::{Binding, Role};
use crate::emit::{Cause, Outcome};
use crate::engine::Engine;
use crate::ladder::Change;
use crate::rule::{DetectionRule, Kind, Per, WindowRule};
use crate::slots::{AbsenceSlot, DEAD, DetectionSlot, Run, Slots, WindowSlot};
use crate::timers::NEVER;
use crate::window::Shape;

pub(crate) type Changes = SmallVec<[Change; 2]>;

/// What time it is for a timer.
#[derive(Clone, Copy)]
struct Clock {
    now: i64,
    /// How far the device is behind: what it said may still be on its way.
    lag: i64,
    listening_since: i64,
}

impl Clock {
    fn until(self) -> i64 {
        self.now.saturating_sub(self.lag)
    }

    /// When a timer for a deadline rings: what is due but held back for a device that lags rings
    /// when its lag has passed. Never now: time must move on for a timer to ring again.
    fn rings(self, deadline: i64) -> i64 {
        let at = if deadline > self.now { deadline } else { deadline.saturating_add(self.lag) };
        at.max(self.now.saturating_add(1))
    }
}

/// What a timer found.
#[derive(Default)]
struct Due {
    changes: Changes,
    outcome: Option<Outcome>,
    /// What is left to wait for.
    next: Option<i64>,
}

impl Engine {
    /// A timer rang at `rang`: fires what is due, arms again for what is left.
    pub(crate) fn ring(
        &mut self,
        rang: i64,
        (rule_id, slot): (u32, u32),
        position: u64,
        out: &mut Vec<Transition>,
    ) {
        let rule = &self.set.rules[rule_id as usize];
        let Some(head) = self.runs[rule_id as usize].slots.head_mut(slot as usize) else { return };
        if head.armed != rang || head.entity == DEAD {
            return;
        }
        head.armed = NEVER;
        let entity = head.entity;
        let device = (rule.kind.per() == Per::Device).then_some(entity);
        let lag = device.and_then(|d| self.devices.get(d as usize)).map_or(0, |d| d.lag);
        let clock = Clock { now: self.now, lag, listening_since: self.listening_since };
        let lateness = self.config.allowed_lateness_ms;
        let run = &mut self.runs[rule_id as usize];
        let due = run.due(&rule.kind, slot as usize, clock, lateness);
        if let (Some(deadline), Some(head)) = (due.next, run.slots.head_mut(slot as usize)) {
            self.timers.arm(&mut head.armed, clock.rings(deadline), (rule_id, slot));
        }
        let cause = Cause { position, device };
        if let Some(outcome) = due.outcome {
            self.emit(rule_id, entity, cause, &outcome, out);
        }
        if !due.changes.is_empty() {
            let b = Binding { key: 0, role: Role::Value, rule: rule_id, slot };
            self.emit_changes(b, cause, &due.changes, out);
        }
    }
}

impl Run {
    fn due(&mut self, kind: &Kind, slot: usize, clock: Clock, lateness_ms: i64) -> Due {
        let mut due = Due::default();
        match (kind, &mut self.slots) {
            (Kind::Threshold(rule), Slots::Threshold(slots)) => {
                let s = &mut slots[slot];
                s.levels.advance(&rule.ladder, clock.until(), &mut |c| due.changes.push(c));
                due.next = s.levels.next_deadline(&rule.ladder);
            }
            (Kind::Window(rule), Slots::Window(slots)) => {
                let s = &mut slots[slot];
                let limits = &self.limits[s.head.limits as usize];
                let fixed = rule.grace_ms + lateness_ms;
                let until = clock.until().saturating_sub(fixed);
                run_window(rule, self.shape, limits, s, until, &mut due.changes);
                due.next = window_deadline(rule, self.shape, s).map(|d| d.saturating_add(fixed));
            }
            (Kind::Absence(_), Slots::Absence(slots)) => absence(&mut slots[slot], clock, &mut due),
            (Kind::Detection(rule), Slots::Detection(slots)) => {
                quiet(rule, &mut slots[slot], clock, &mut due);
            }
            _ => {}
        }
        due
    }
}

fn absence(s: &mut AbsenceSlot, clock: Clock, due: &mut Due) {
    if s.episode.active {
        return; // The next sign of life arms again.
    }
    let deadline = s.deadline(clock.listening_since);
    if deadline > clock.until() {
        due.next = Some(deadline);
        return;
    }
    let time = s.episode.raise(deadline);
    let heard = if s.last > i64::MIN { s.last } else { deadline - s.limit_ms };
    due.outcome = Some(Outcome::silence(time, s.episode.start, time - heard, s.limit_ms));
}

fn quiet(rule: &DetectionRule, s: &mut DetectionSlot, clock: Clock, due: &mut Due) {
    if !s.episode.active {
        return;
    }
    let deadline = s.last.saturating_add(rule.quiet_ms);
    if deadline > clock.until() {
        due.next = Some(deadline);
        return;
    }
    due.outcome = Some(Outcome {
        time: s.episode.clear(deadline),
        start: s.episode.start,
        duration_ms: rule.quiet_ms,
        ..Outcome::of(TransitionKind::Clear)
    });
}

/// Closes every pane that ends until then and judges the windows.
pub(crate) fn run_window(
    rule: &WindowRule,
    shape: Shape,
    limits: &[(f64, f64)],
    s: &mut WindowSlot,
    until: i64,
    changes: &mut Changes,
) {
    while s.window.next_end(shape).is_some_and(|end| end <= until) {
        let (end, held, filled) = s.window.close_next(shape);
        if held.count >= rule.min_count
            && filled >= rule.min_filled
            && let Some(value) = held.value(rule.aggregate)
        {
            let seen = (end, value, true);
            s.levels.observe(&rule.ladder, limits, seen, &mut |c| changes.push(c));
        }
    }
    s.levels.advance(&rule.ladder, until, &mut |c| changes.push(c));
}

pub(crate) fn window_deadline(rule: &WindowRule, shape: Shape, s: &WindowSlot) -> Option<i64> {
    let ladder = s.levels.next_deadline(&rule.ladder);
    s.window.next_end(shape).into_iter().chain(ladder).min()
}
