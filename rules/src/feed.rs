//! Records and timers on their way to the slots they concern.

use std::ops::Range;

use ioc_model::{Body, Detection, Name, Record, Timestamp};
use smallvec::{SmallVec, smallvec};

use crate::device::{Binding, DETECTION, PRESENCE};
use crate::engine::{Engine, Step, is_bad};
use crate::kinds::{Context, Message, Operator, Said, Verdicts, Visit};
use crate::ladder::{Change, LevelState, era};
use crate::rule::{Eras, Ladder, Per, fnv1a};
use crate::ruleset::RuleSet;
use crate::slots::{ALL_SLOTS, DEAD};
use crate::timers::NEVER;

pub(crate) type Changes = SmallVec<[Change; 2]>;
/// Property, time, value.
pub(crate) type Computed = Vec<(Name, i64, f64)>;

/// One evaluation of so many is timed.
const TIME_EVERY: u64 = 64;

impl Engine {
    /// Everything the record says, to every rule that wants it.
    pub(crate) fn judge(&mut self, at: (u32, usize), r: &Record, step: &mut Step<'_>) {
        let name = &r.device;
        let message = |said| Message {
            t: r.time.0,
            received: r.received.0,
            clamped: r.clock_clamped,
            bad: is_bad(r),
            device: at.0,
            name,
            said,
        };
        match &r.body {
            Body::Observation { values, .. } => {
                if self.devices[at.0 as usize].streams[at.1].simple {
                    self.values_one_by_one(at, &message(Said::Alive), values, step);
                } else {
                    self.values_by_rule(at, &message(Said::Alive), values, step);
                }
                if !is_bad(r) {
                    self.feed_all(at, PRESENCE, &message(Said::Alive), step);
                }
            }
            Body::Detection(d) => {
                let key = event_key(at.0, r.time.0, d);
                self.feed_all(at, DETECTION, &message(Said::Detection(d, key)), step);
                self.feed_all(at, PRESENCE, &message(Said::Alive), step);
            }
            Body::Status(s) => {
                let said = if s.online { Said::Alive } else { Said::Offline };
                self.feed_all(at, PRESENCE, &message(said), step);
            }
        }
    }

    #[inline]
    fn range(&self, (device, stream): (u32, usize), key: u16) -> Range<usize> {
        self.devices[device as usize].streams[stream].range(key)
    }

    fn values_one_by_one(
        &mut self,
        at: (u32, usize),
        m: &Message<'_>,
        values: &[(Name, f64)],
        step: &mut Step<'_>,
    ) {
        for (property, value) in values {
            let Some(&key) = self.properties.get(property) else { continue };
            if !value.is_finite() {
                continue;
            }
            for i in self.range(at, key) {
                let b = self.ensure_slot(at, i);
                if !m.bad || b.any_quality {
                    let said = Said::Values(&[(b.input, *value)]);
                    self.feed((b.rule, b.slot), &Message { said, ..*m }, step);
                }
            }
        }
    }

    /// The values of one message belong to one moment: a rule of several inputs gets them
    /// together, and rules that depend on others come after them.
    fn values_by_rule(
        &mut self,
        at: (u32, usize),
        m: &Message<'_>,
        values: &[(Name, f64)],
        step: &mut Step<'_>,
    ) {
        let mut wanted: SmallVec<[(Binding, f64); 8]> = SmallVec::new();
        for (property, value) in values {
            let Some(&key) = self.properties.get(property) else { continue };
            if !value.is_finite() {
                continue;
            }
            for i in self.range(at, key) {
                let b = self.ensure_slot(at, i);
                if !m.bad || b.any_quality {
                    wanted.push((b, *value));
                }
            }
        }
        wanted.sort_by_key(|(b, _)| (b.rule, b.slot, b.input));
        let mut rest = &wanted[..];
        while let Some((first, _)) = rest.first() {
            let same = |b: &Binding| (b.rule, b.slot) == (first.rule, first.slot);
            let n = rest.iter().take_while(|(b, _)| same(b)).count();
            let (mine, others) = rest.split_at(n);
            let together: SmallVec<[(u8, f64); 4]> =
                mine.iter().map(|(b, v)| (b.input, *v)).collect();
            let said = Said::Values(&together);
            self.feed((first.rule, first.slot), &Message { said, ..*m }, step);
            rest = others;
        }
    }

    fn feed_all(&mut self, at: (u32, usize), key: u16, m: &Message<'_>, step: &mut Step<'_>) {
        let range = self.range(at, key);
        for i in range.clone() {
            let b = self.ensure_slot(at, i);
            // A rule that wants it by several inputs is told once.
            let plan = &self.devices[at.0 as usize].streams[at.1].plan;
            let told = |x: &Binding| (x.rule, x.slot) == (b.rule, b.slot);
            if !plan[range.start..i].iter().any(told) {
                self.feed((b.rule, b.slot), m, step);
            }
        }
    }

    /// One message to one rule on one entity.
    #[inline]
    pub(crate) fn feed(
        &mut self,
        (rule, slot): (u32, u32),
        message: &Message<'_>,
        step: &mut Step<'_>,
    ) {
        let mut changes = Changes::new();
        let mut computed = Computed::new();
        let meter = self.config.meter;
        let run = &mut self.runs[rule as usize];
        run.cost.evaluations += 1;
        let started =
            meter.filter(|_| run.cost.evaluations.is_multiple_of(TIME_EVERY)).map(|m| m());
        let until = (message.t, 0);
        let fed = self.visit((rule, slot), Some(message), until, &mut changes, &mut computed);
        if let Some((begun, meter)) = started.zip(meter) {
            let cost = &mut self.runs[rule as usize].cost;
            cost.nanos += meter().saturating_sub(begun);
            cost.timed += 1;
        }
        if fed == Fed::DueBefore {
            // What was due before this message is told before it, with the state of then.
            self.wake((rule, slot), until, step);
            self.visit((rule, slot), Some(message), until, &mut changes, &mut computed);
        }
        if !changes.is_empty() {
            self.emit_changes((rule, slot), Some(message.device), &changes, step);
        }
        if !computed.is_empty() {
            self.take_computed((rule, slot), computed, message.received);
        }
    }

    /// Does what is due until then on one slot; the second number is how far its device is behind.
    pub(crate) fn wake(
        &mut self,
        (rule, slot): (u32, u32),
        until: (i64, i64),
        step: &mut Step<'_>,
    ) {
        let mut changes = Changes::new();
        let mut computed = Computed::new();
        self.visit((rule, slot), None, until, &mut changes, &mut computed);
        if !changes.is_empty() {
            self.emit_changes((rule, slot), None, &changes, step);
        }
        if !computed.is_empty() {
            self.take_computed((rule, slot), computed, self.now);
        }
    }

    #[inline]
    fn visit(
        &mut self,
        (rule_id, slot_id): (u32, u32),
        message: Option<&Message<'_>>,
        (until, lag): (i64, i64),
        changes: &mut Changes,
        computed: &mut Computed,
    ) -> Fed {
        let set: &RuleSet = &self.set;
        let rule = &set.rules[rule_id as usize];
        let run = &mut self.runs[rule_id as usize];
        let Some(slot) = run.slots.get_mut(slot_id as usize) else { return Fed::Done };
        let device = (rule.per == Per::Device)
            .then(|| self.devices.get(slot.entity as usize).map(|d| &d.name))
            .flatten();
        let cx = Context {
            now: self.now,
            listening_since: self.listening_since,
            cadence_s: slot.cadence_s,
            device,
            city: &set.city,
        };
        let said_by = message.map(|m| m.name);
        let turn = Turn {
            slot: slot_id as usize,
            cx: &cx,
            message,
            until,
            in_order: rule.per == Per::Device && device.is_some_and(|d| Some(d) == said_by),
            levels: &mut slot.levels,
            ladder: &rule.ladder,
            limits: &run.limits[slot.limits as usize],
            changes,
            computed,
        };
        match rule.kind.visit(&mut run.states, turn) {
            Some(Ok(Some(deadline))) if deadline < slot.armed => {
                let at = match message {
                    Some(_) => deadline,
                    None if deadline > self.now => deadline,
                    // Held back for a device that lags: rings when its lag has passed. Never
                    // now: time must move on for a timer to ring again.
                    None => deadline.saturating_add(lag).max(self.now.saturating_add(1)),
                };
                self.timers.arm(&mut slot.armed, at, (rule_id, slot_id));
                Fed::Done
            }
            Some(Err(DueBefore)) => Fed::DueBefore,
            _ => Fed::Done,
        }
    }

    /// A timer rang at `rang`: fires what is due, arms again for what is left.
    pub(crate) fn ring(&mut self, rang: i64, (rule, slot): (u32, u32), step: &mut Step<'_>) {
        if slot == ALL_SLOTS {
            self.turn_hours(rule, rang, step);
            return self.follow(step);
        }
        let Some(s) = self.runs[rule as usize].slots.get_mut(slot as usize) else { return };
        if s.armed != rang || s.entity == DEAD {
            return;
        }
        s.armed = NEVER;
        let entity = s.entity as usize;
        let per_device = self.set.rules[rule as usize].per == Per::Device;
        let lag = if per_device { self.devices.get(entity).map_or(0, |d| d.lag) } else { 0 };
        self.wake((rule, slot), (self.now.saturating_sub(lag), lag), step);
        self.follow(step);
    }

    /// A `derived` rule's values become records: judged next, and given to history and screens.
    #[cold]
    fn take_computed(&mut self, (rule, slot): (u32, u32), computed: Computed, received: i64) {
        let entity = self.runs[rule as usize].slots[slot as usize].entity;
        let Some(device) = self.devices.get(entity as usize) else { return };
        let Some(stream) = device.current_stream() else { return };
        for (property, t, value) in computed {
            self.fresh.push(Record {
                device: device.name.clone(),
                area: stream.area.clone(),
                service: stream.service.clone(),
                // The caller knows which door its own records come through.
                source: 0,
                time: Timestamp(t),
                received: Timestamp(received.max(t)),
                seq: None,
                clock_clamped: false,
                derived: true,
                body: Body::Observation {
                    quality: ioc_model::Quality::Good,
                    values: smallvec![(property, value)],
                },
            });
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fed {
    Done,
    DueBefore,
}

/// Something was due before the message; nothing was done yet.
struct DueBefore;

/// One turn of one slot: a message, or only time.
struct Turn<'a> {
    slot: usize,
    cx: &'a Context<'a>,
    message: Option<&'a Message<'a>>,
    until: i64,
    /// Messages of this entity come in the order of their times.
    in_order: bool,
    levels: &'a mut LevelState,
    ladder: &'a Ladder,
    limits: &'a Eras,
    changes: &'a mut Changes,
    computed: &'a mut Computed,
}

impl Visit for Turn<'_> {
    type Out = Result<Option<i64>, DueBefore>;

    #[inline]
    fn visit<K: Operator>(self, kind: &K, states: &mut [K::State]) -> Self::Out {
        let Some(state) = states.get_mut(self.slot) else { return Ok(None) };
        let grace = kind.grace_ms();
        let until = self.until.saturating_sub(grace);
        let mut verdicts = Verdicts::new();
        match self.message {
            Some(message) => {
                if self.in_order && kind.deadline(state, self.cx).is_some_and(|d| d <= until) {
                    return Err(DueBefore);
                }
                kind.feed(state, self.cx, message, &mut verdicts);
            }
            None => kind.wake(state, self.cx, until, &mut verdicts),
        }
        let changes = self.changes;
        for v in verdicts {
            let limits = era(self.limits, v.t);
            self.levels.observe(self.ladder, limits, v, &mut |c| changes.push(c));
        }
        if self.message.is_none() {
            self.levels.advance(self.ladder, until, &mut |c| changes.push(c));
        }
        kind.derived(state, self.computed);
        let ladder = self.levels.next_deadline(self.ladder);
        let next = kind.deadline(state, self.cx).into_iter().chain(ladder).min();
        Ok(next.map(|d| d.saturating_add(grace)))
    }
}

/// The same event told twice has the same key: by its id, else by what it says.
fn event_key(device: u32, t: i64, d: &Detection) -> u64 {
    let text = match &d.id {
        Some(id) => format!("{device}\0{}\0{id}", d.kind),
        None => format!(
            "{device}\0{}\0{t}\0{}\0{}",
            d.kind,
            d.object.as_deref().unwrap_or(""),
            d.zone.as_deref().unwrap_or("")
        ),
    };
    fnv1a(text.as_bytes())
}
