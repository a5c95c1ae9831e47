//! `kind: pattern`: things that happen one after the other: A then B, A without B, n times A.
//!
//! **What matches:** the steps in their order, each by a later message than the step before and
//! before its time is over, in *any* way to pick them from what was heard: nothing is skipped
//! and nothing is used up. So the last A before a B counts, and every further B matches again
//! (which only keeps a running alert). For each step the newest way to have come so far is
//! enough to know this: state does not grow with the stream.

mod check;
mod load;
#[cfg(test)]
mod naive;
mod sequence;
mod state;
mod tell;
#[cfg(test)]
mod tests;

use ioc_model::{Detection, Evidence, Name, Text};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::events::{Filter, Told};
use super::{Context, Input, Loaded, Message, Operator, Said, Shown, Verdicts};
use crate::fields::Fields;
use crate::limit::{Limit, Op};
use crate::load::{Check, Common};
use crate::rule::{Per, Selection};
use crate::yaml::Node;
use sequence::Sequence;
use state::Match;
pub(crate) use state::PatternState;

/// More steps nobody can follow; a bit each in [`Moment::mask`].
const MOST_STEPS: usize = 8;
/// So often a step may have to happen.
const MOST_TIMES: u32 = 100;
/// Sequences per entity of a pattern with a key; the one that has not moved for longest is
/// dropped with what it waited for.
const MOST_KEYS: usize = 64;
/// Running alerts of other rules that are remembered per entity.
const MOST_ACTIVE: usize = 256;
const OFF: i64 = i64::MIN;

/// A sequence of steps.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PatternRule {
    steps: Vec<Step>,
    inputs: Vec<Input>,
    key: Option<Key>,
    /// The alert stays so long after the last match.
    hold_ms: i64,
    grace_ms: i64,
    /// The rule's `where`, if a step on events has another one.
    base: Selection,
    /// A step on events has its own `where`.
    sorted: bool,
}

#[derive(Clone, Debug, PartialEq)]
struct Step {
    what: What,
    input: u8,
    times: u32,
    /// Time since the step before (for the first, in which all its times must be); 0: none.
    within_ms: i64,
    absent: bool,
    own: Option<Selection>,
    /// `name:` as it was written.
    name: Option<Text>,
    /// How messages call it.
    label: Text,
}

#[derive(Clone, Debug, PartialEq)]
enum What {
    Value { property: Name, op: Op, limit: Limit },
    Event(Filter),
    Rule { id: Name, raised: bool },
}

/// What has a sequence of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    /// The id of the event, as trackers give each object one; without an id the class.
    Object,
    Class,
    Zone,
    Device,
}

impl Key {
    const ALL: [(&'static str, Self); 4] = [
        ("object", Self::Object),
        ("class", Self::Class),
        ("zone", Self::Zone),
        ("device", Self::Device),
    ];

    fn of(self, m: &Message<'_>) -> Option<Name> {
        let event = match m.said {
            Said::Detection(d, _) => Some(d),
            _ => None,
        };
        match self {
            Self::Object => event.and_then(|d| d.id.clone().or_else(|| d.object.clone())),
            Self::Class => event.and_then(|d| d.object.clone()),
            Self::Zone => event.and_then(|d| d.zone.clone()),
            Self::Device => Some(m.name.clone()),
        }
    }
}

/// Something that matched a step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Seen {
    t: i64,
    value: f64,
    device: Name,
    step: u8,
    event: Option<Box<Told>>,
}

/// A message as the steps see it.
struct Moment<'a> {
    t: i64,
    /// Bit i: step i matches.
    mask: u8,
    /// Per step, the value that matched.
    values: [f64; MOST_STEPS],
    device: &'a Name,
    /// Tells events apart; `None` for readings, which are all different.
    event: Option<(u64, &'a Detection)>,
    /// Since when records are heard without a gap.
    heard: i64,
}

impl Moment<'_> {
    fn matches(&self, step: usize) -> bool {
        self.mask & (1 << step) != 0
    }

    fn seen(&self, step: usize) -> Seen {
        Seen {
            t: self.t,
            value: self.values[step],
            device: self.device.clone(),
            step: step as u8,
            event: self.event.map(|(_, d)| Box::new(Told::of(d))),
        }
    }
}

impl PatternRule {
    /// Which steps a message matches.
    fn moment<'a>(
        &self,
        active: &mut Vec<(u8, u32)>,
        cx: &Context<'_>,
        m: &Message<'a>,
    ) -> Moment<'a> {
        let event = match m.said {
            Said::Detection(d, key) => Some((key, d)),
            _ => None,
        };
        let values = [0.0; MOST_STEPS];
        let (t, heard) = (m.t, cx.listening_since);
        let mut moment = Moment { t, mask: 0, values, device: m.name, event, heard };
        match m.said {
            Said::Values(values) => {
                for (input, value) in values {
                    for (i, step) in self.steps.iter().enumerate() {
                        if step.input == *input
                            && let What::Value { op, limit, .. } = &step.what
                            && limit.at(Some(m.name), m.t).is_some_and(|l| op.holds(*value, l))
                        {
                            moment.mask |= 1 << i;
                            moment.values[i] = *value;
                        }
                    }
                }
            }
            Said::Detection(d, _) => {
                for (i, step) in self.steps.iter().enumerate() {
                    if let What::Event(filter) = &step.what
                        && filter.fits(d)
                        && (!self.sorted || self.concerns(step, cx, m.name))
                    {
                        moment.mask |= 1 << i;
                        moment.values[i] = d.count.unwrap_or(1.0);
                    }
                }
            }
            Said::Rule { input, entity, level } => {
                let change = self.switch(active, (input, entity), level > 0);
                for (i, step) in self.steps.iter().enumerate() {
                    if let What::Rule { raised, .. } = step.what
                        && step.input == input
                        && change == Some(raised)
                    {
                        moment.mask |= 1 << i;
                        moment.values[i] = f64::from(level);
                    }
                }
            }
            Said::Alive | Said::Offline => {}
        }
        moment
    }

    /// An event does not say for which of the rule's inputs it came.
    fn concerns(&self, step: &Step, cx: &Context<'_>, device: &Name) -> bool {
        let selection = step.own.as_ref().unwrap_or(&self.base);
        match cx.city.devices.get(device) {
            Some(d) => selection.matches(device, Some(&d.kind), &d.service, &d.area),
            None => selection.matches(device, None, "", ""),
        }
    }

    /// Notes whether another rule's alert runs; what became of it if that is new.
    fn switch(&self, active: &mut Vec<(u8, u32)>, of: (u8, u32), on: bool) -> Option<bool> {
        match (active.binary_search(&of), on) {
            (Ok(_), true) | (Err(_), false) => None,
            (Ok(i), false) => {
                active.remove(i);
                Some(false)
            }
            (Err(i), true) => {
                if active.len() < MOST_ACTIVE {
                    active.insert(i, of);
                }
                Some(true)
            }
        }
    }

    /// The sequence of a message, made if it begins with it. What must be absent may be heard
    /// before the start that it refutes: in a group, and in two messages of one moment.
    fn sequence(
        &self,
        sequences: &mut Vec<Sequence>,
        m: &Message<'_>,
        moment: &Moment<'_>,
    ) -> Option<usize> {
        let absent = || self.steps.iter().enumerate().any(|(i, s)| s.absent && moment.matches(i));
        let begins =
            moment.matches(0) || (sequences.len() < MOST_KEYS && absent());
        let key = match self.key {
            None => None,
            Some(key) => Some(key.of(m)?),
        };
        let found = sequences.iter().position(|s| s.key == key);
        let at = match found {
            Some(i) => i,
            None if begins => {
                if sequences.len() == MOST_KEYS {
                    let idle = sequences.iter().enumerate().min_by_key(|(_, s)| s.touched);
                    let i = idle.map_or(0, |(i, _)| i);
                    sequences.remove(i);
                }
                sequences.push(Sequence::new(key, self.steps.len()));
                sequences.len() - 1
            }
            None => return None,
        };
        sequences[at].touched = sequences[at].touched.max(m.t);
        Some(at)
    }

    /// Some step after an absence matches: what is missing by then does not come any more.
    fn ends_a_wait(&self, moment: &Moment<'_>) -> bool {
        let pairs = self.steps.windows(2).enumerate();
        pairs.into_iter().any(|(i, pair)| pair[0].absent && moment.matches(i + 1))
    }

    /// The earliest start that waits for an absence: when it is over, sequence, step.
    fn next_wait(&self, state: &PatternState, heard: i64) -> Option<(i64, usize, usize)> {
        let absent = self.steps.iter().enumerate().filter(|(_, s)| s.absent);
        let of = |(i, step): (usize, &Step)| {
            let due = |s: &Sequence| s.waits_until(i, step.within_ms, heard);
            let all = state.sequences.iter().enumerate();
            all.filter_map(|(n, s)| Some((due(s)?, n, i))).min()
        };
        absent.filter_map(of).min()
    }

    /// Ends waits and the alert, whatever is first, up to `until`.
    fn settle(&self, state: &mut PatternState, heard: i64, until: i64, out: &mut Verdicts) {
        loop {
            let wait = self.next_wait(state, heard);
            let hold = (state.hold != OFF).then_some(state.hold);
            match wait {
                // An alert that ends at the moment of the next match goes on.
                Some((due, n, i)) if due <= until && hold.is_none_or(|h| due <= h) => {
                    let sequence = &mut state.sequences[n];
                    if let Some(chain) = sequence.lapse(&self.steps, i, due) {
                        sequence.until = due.saturating_add(self.hold_ms);
                        let key = sequence.key.clone();
                        state.matched(Match { t: due, key, chain }, self.hold_ms, out);
                    }
                }
                _ if hold.is_some_and(|h| h <= until) => state.end(state.hold, out),
                _ => return,
            }
        }
    }
}

impl Operator for PatternRule {
    const WORD: &'static str = "pattern";
    const PER: &'static [Per] = &Per::ALL;
    type State = PatternState;

    fn load(
        fields: &mut Fields<'_>,
        common: &Common,
        check: &mut Check<'_>,
    ) -> Option<Loaded<Self>> {
        load::load(fields, common, check)
    }

    fn print(&self) -> Vec<(&'static str, Node)> {
        load::print(self)
    }

    fn inputs(&self) -> Vec<Input> {
        self.inputs.clone()
    }

    fn feed(
        &self,
        state: &mut PatternState,
        cx: &Context<'_>,
        message: &Message<'_>,
        out: &mut Verdicts,
    ) {
        let moment = self.moment(&mut state.active, cx, message);
        if moment.mask == 0 || (self.sorted && !state.is_new(message)) {
            return;
        }
        if self.ends_a_wait(&moment) {
            self.settle(state, moment.heard, moment.t, out);
        }
        let Some(at) = self.sequence(&mut state.sequences, message, &moment) else { return };
        let sequence = &mut state.sequences[at];
        let moved = sequence.advance(&self.steps, &moment);
        if moved.refuted && sequence.until != OFF {
            sequence.until = OFF;
            state.refuted(moment.t, out);
        } else if let Some(chain) = moved.matched {
            sequence.until = moment.t.saturating_add(self.hold_ms);
            let found = Match { t: moment.t, key: sequence.key.clone(), chain };
            // The alert of an earlier match was over before this one came.
            if state.hold != OFF && state.hold <= moment.t {
                state.end(state.hold, out);
            }
            state.matched(found, self.hold_ms, out);
        }
    }

    fn wake(&self, state: &mut PatternState, cx: &Context<'_>, until: i64, out: &mut Verdicts) {
        self.settle(state, cx.listening_since, until, out);
    }

    fn deadline(&self, state: &PatternState, cx: &Context<'_>) -> Option<i64> {
        let wait = self.next_wait(state, cx.listening_since).map(|w| w.0);
        let hold = (state.hold != OFF).then_some(state.hold);
        wait.into_iter().chain(hold).min()
    }

    fn grace_ms(&self) -> i64 {
        self.grace_ms
    }

    fn shown(&self, state: &PatternState, _cx: &Context<'_>) -> Shown {
        tell::shown(self, state)
    }

    fn explain(&self, state: &PatternState, cx: &Context<'_>, evidence: &mut Evidence) {
        tell::explain(self, state, cx, evidence);
    }

    fn heap_bytes(&self, state: &PatternState) -> usize {
        let sequences: usize = state.sequences.iter().map(Sequence::heap_bytes).sum();
        let matched =
            state.matched.as_ref().map_or(0, |m| size_of::<Match>() + chain_bytes(&m.chain));
        sequences
            + matched
            + state.sequences.capacity() * size_of::<Sequence>()
            + state.active.capacity() * size_of::<(u8, u32)>()
    }
}

/// What a chain keeps outside of itself.
fn chain_bytes(chain: &SmallVec<[Seen; 1]>) -> usize {
    let events = chain.iter().filter(|s| s.event.is_some()).count();
    let spilled = if chain.spilled() { chain.capacity() } else { 0 };
    spilled * size_of::<Seen>() + events * size_of::<Told>()
}
