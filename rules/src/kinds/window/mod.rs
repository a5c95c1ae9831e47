//! `kind: window`: an aggregate of a property, or of camera events, over a window of time.
//!
//! Tumbling and hopping windows are in [`panes`], the window that is judged at every reading in
//! [`each`], sessions in [`session`].

mod aggregate;
mod dd;
mod each;
mod evidence;
mod load;
mod panes;
mod pending;
mod print;
mod session;
mod sketch;
mod stacks;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use ioc_model::{Evidence, Name};
use serde::{Deserialize, Serialize};

use aggregate::{Aggregate, Events, Item, Kept, Moments};
use each::Each;
use panes::Panes;
use session::{Look, Session};

use super::{Context, Input, Loaded, Message, Operator, Said, Shown, Verdict, Verdicts, Wanted};
use crate::fields::Fields;
use crate::limit::{Limit, Op};
use crate::load::{Check, Common};
use crate::rule::Per;
use crate::yaml::Node;

/// An aggregate over a window of time.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct WindowRule {
    over: Over,
    per: Per,
    aggregate: Aggregate,
    span: Span,
    /// Only readings that satisfy this.
    only: Option<(Op, Limit)>,
    min_count: u64,
    /// So many slides of the window must hold readings.
    min_filled: usize,
    grace_ms: i64,
}

/// What is put together.
#[derive(Clone, Debug, PartialEq)]
enum Over {
    Property(Name),
    /// Detections; their number is their `count`, 1 without one.
    Events(Events),
}

/// The window.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Span {
    /// Tumbling, hopping.
    Panes(panes::Shape),
    /// The last `size_ms` at every moment.
    Each {
        size_ms: i64,
    },
    Session {
        gap_ms: i64,
        max_ms: Option<i64>,
        early: bool,
    },
}

/// The window of one entity. 136 bytes, and on the heap: nothing for a tumbling sum, mean, min or
/// max without grace; up to 4 KiB per open pane of a percentile, 8 KiB of a distinct; 64 bytes per
/// slide of a hopping window (and those kilobytes again); an [`Each`] or a [`Session`] with their
/// bounds; for camera events the keys of the last 256.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) enum WindowState {
    #[default]
    Empty,
    Panes(Panes),
    Each(Box<Each>),
    Session(Box<Session>),
    Events(Box<Recent>),
}

/// A window of camera events and the keys of the last ones: an event told twice counts once.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Recent {
    keys: VecDeque<u64>,
    window: WindowState,
}

impl Recent {
    const MOST: usize = 256;

    fn is_new(&mut self, key: u64) -> bool {
        if self.keys.contains(&key) {
            return false;
        }
        if self.keys.len() == Self::MOST {
            self.keys.pop_front();
        }
        self.keys.push_back(key);
        true
    }
}

/// A window at the moment it is judged.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Seen {
    t: i64,
    moments: Moments,
    value: Option<f64>,
    /// Of a percentile: 0 if it is exact, else see [`sketch::Values::coarse`].
    coarse: u8,
}

impl Seen {
    /// `kept`: what the parts keep beside sums.
    #[inline]
    fn of<'a, I: Iterator<Item = &'a Kept>>(
        t: i64,
        moments: Moments,
        aggregate: Aggregate,
        kept: impl Fn() -> I,
    ) -> Self {
        let value = aggregate.value(&moments, kept());
        let coarse = match aggregate {
            Aggregate::Percentile(_) => sketch::Values::coarse(kept().filter_map(Kept::values)),
            _ => 0,
        };
        Self { t, moments, value, coarse }
    }
}

/// What was judged last, for evidence.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Judged {
    end: i64,
    value: f64,
    min: f64,
    max: f64,
    count: u32,
    /// It had a value, enough readings and slides.
    counted: bool,
    coarse: u8,
}

impl Default for Judged {
    fn default() -> Self {
        let (end, value, min, max) = (i64::MIN, 0.0, 0.0, 0.0);
        Self { end, value, min, max, count: 0, counted: false, coarse: 0 }
    }
}

impl WindowRule {
    fn begin(&self) -> WindowState {
        match self.span {
            Span::Panes(_) => WindowState::Panes(Panes::default()),
            Span::Each { .. } => WindowState::Each(Box::new(Each::new(self.aggregate))),
            Span::Session { .. } => WindowState::Session(Box::new(Session::new())),
        }
    }

    fn each(&self) -> each::Shape {
        let size_ms = if let Span::Each { size_ms } = self.span { size_ms } else { 0 };
        each::Shape { size_ms, grace_ms: self.grace_ms, aggregate: self.aggregate }
    }

    fn session(&self) -> session::Shape {
        let (grace_ms, aggregate) = (self.grace_ms, self.aggregate);
        let Span::Session { gap_ms, max_ms, early } = self.span else {
            return session::Shape { gap_ms: 0, max_ms: None, early: false, grace_ms, aggregate };
        };
        session::Shape { gap_ms, max_ms, early, grace_ms, aggregate }
    }

    fn panes(&self) -> panes::Shape {
        match self.span {
            Span::Panes(shape) => shape,
            _ => panes::Shape { size_ms: 1, slide_ms: 1 },
        }
    }

    /// What a message puts into the window.
    #[inline]
    fn item(&self, message: &Message<'_>) -> Option<Item> {
        let (v, event) = match (&self.over, message.said) {
            (Over::Property(_), Said::Values(values)) => {
                (values.iter().find(|(input, _)| *input == 0)?.1, None)
            }
            (Over::Events(events), Said::Detection(d, _)) if events.fit(d) => {
                (d.count.unwrap_or(1.0), Some(d))
            }
            _ => return None,
        };
        if let Some((op, limit)) = &self.only
            && !limit.at(Some(message.name), message.t).is_some_and(|l| op.holds(v, l))
        {
            return None;
        }
        let key = match self.aggregate {
            Aggregate::Distinct(of) => of.key(v, message.name, event)?,
            _ => 0,
        };
        Some(Item { t: message.t, v, key })
    }

    /// Tells the ladder; `filled`: slides that hold readings.
    #[inline]
    fn judge(&self, seen: Seen, filled: usize, ok: bool, out: &mut Verdicts) -> Judged {
        let enough = seen.moments.count >= self.min_count && filled >= self.min_filled;
        let value = seen.value.filter(|_| enough);
        if let Some(value) = value {
            out.push(Verdict { t: seen.t, value, ok });
        }
        Judged {
            end: seen.t,
            value: value.unwrap_or(0.0),
            min: seen.moments.min,
            max: seen.moments.max,
            count: u32::try_from(seen.moments.count).unwrap_or(u32::MAX),
            counted: value.is_some(),
            coarse: seen.coarse,
        }
    }

    /// Closes the panes that end until then.
    #[inline]
    fn close(&self, panes: &mut Panes, until: i64, out: &mut Verdicts) {
        let shape = self.panes();
        while panes.next_end(shape).is_some_and(|end| end <= until) {
            let (seen, filled) = panes.close_next(shape, self.aggregate);
            panes.judged = self.judge(seen, filled, true, out);
        }
    }

    fn run(&self, window: &mut WindowState, until: i64, out: &mut Verdicts) {
        match window {
            WindowState::Empty => {}
            WindowState::Panes(panes) => self.close(panes, until, out),
            WindowState::Each(each) => {
                let mut judged = each.judged;
                each.run(self.each(), until, &mut |s| judged = self.judge(s, 0, true, out));
                each.judged = judged;
            }
            WindowState::Session(session) => {
                let mut judged = session.judged;
                session.run(self.session(), until, &mut |l| judged = self.look(l, out));
                session.judged = judged;
            }
            WindowState::Events(recent) => self.run(&mut recent.window, until, out),
        }
    }

    /// An early alert lives as long as its session.
    fn look(&self, look: Look, out: &mut Verdicts) -> Judged {
        match look {
            Look::Runs(seen) => self.judge(seen, 0, true, out),
            Look::Over(seen) => self.judge(seen, 0, !self.session().early, out),
        }
    }

    fn put(&self, window: &mut WindowState, item: Item, out: &mut Verdicts) {
        if matches!(window, WindowState::Empty) {
            *window = self.begin();
        }
        if self.per == Per::Device {
            // Its readings come in order: what ends before this one is over.
            self.run(window, item.t.saturating_sub(self.grace_ms), out);
        }
        match window {
            WindowState::Panes(panes) => panes.add(self.panes(), self.aggregate, item),
            WindowState::Each(each) => {
                let mut judged = each.judged;
                each.feed(self.each(), item, &mut |s| judged = self.judge(s, 0, true, out));
                each.judged = judged;
            }
            WindowState::Session(session) => {
                let mut judged = session.judged;
                session.feed(self.session(), item, &mut |l| judged = self.look(l, out));
                session.judged = judged;
            }
            WindowState::Empty | WindowState::Events(_) => {}
        }
    }
}

impl Operator for WindowRule {
    const WORD: &'static str = "window";
    const PER: &'static [Per] = &[Per::Device, Per::Area, Per::Service, Per::Segment, Per::City];
    type State = WindowState;

    fn load(
        fields: &mut Fields<'_>,
        common: &Common,
        check: &mut Check<'_>,
    ) -> Option<Loaded<Self>> {
        load::load(fields, common, check)
    }

    fn print(&self) -> Vec<(&'static str, Node)> {
        print::print(self)
    }

    fn inputs(&self) -> Vec<Input> {
        vec![Input::of(match &self.over {
            Over::Property(property) => Wanted::Property(property.clone()),
            Over::Events(_) => Wanted::Detection,
        })]
    }

    #[inline]
    fn feed(
        &self,
        state: &mut WindowState,
        _cx: &Context<'_>,
        message: &Message<'_>,
        out: &mut Verdicts,
    ) {
        let Some(item) = self.item(message) else { return };
        let Said::Detection(_, key) = message.said else {
            return self.put(state, item, out);
        };
        if let WindowState::Empty = state {
            *state = WindowState::Events(Box::default());
        }
        if let WindowState::Events(recent) = state
            && recent.is_new(key)
        {
            self.put(&mut recent.window, item, out);
        }
    }

    #[inline]
    fn wake(&self, state: &mut WindowState, _cx: &Context<'_>, until: i64, out: &mut Verdicts) {
        self.run(state, until, out);
    }

    #[inline]
    fn deadline(&self, state: &WindowState, _cx: &Context<'_>) -> Option<i64> {
        match state.window() {
            WindowState::Panes(panes) => panes.next_end(self.panes()),
            WindowState::Each(each) => each.deadline(self.each()),
            WindowState::Session(session) => session.deadline(self.session()),
            WindowState::Empty | WindowState::Events(_) => None,
        }
    }

    fn grace_ms(&self) -> i64 {
        self.grace_ms
    }

    fn shown(&self, state: &WindowState, _cx: &Context<'_>) -> Shown {
        Shown { duration_ms: self.duration_ms(state), ..Shown::default() }
    }

    fn explain(&self, state: &WindowState, cx: &Context<'_>, evidence: &mut Evidence) {
        self.explain_window(state, self.deadline(state, cx), evidence);
    }

    fn heap_bytes(&self, state: &WindowState) -> usize {
        let of = |window: &WindowState| match window {
            WindowState::Panes(panes) => panes.heap_bytes(),
            WindowState::Each(each) => each.heap_bytes(),
            WindowState::Session(session) => session.heap_bytes(),
            WindowState::Empty | WindowState::Events(_) => 0,
        };
        match state {
            WindowState::Events(recent) => {
                size_of::<Recent>() + recent.keys.capacity() * size_of::<u64>() + of(&recent.window)
            }
            other => of(other),
        }
    }
}

impl WindowState {
    fn window(&self) -> &Self {
        if let Self::Events(recent) = self { &recent.window } else { self }
    }

    fn judged(&self) -> Option<&Judged> {
        let judged = match self.window() {
            Self::Panes(panes) => &panes.judged,
            Self::Each(each) => &each.judged,
            Self::Session(session) => &session.judged,
            Self::Empty | Self::Events(_) => return None,
        };
        (judged.end > i64::MIN).then_some(judged)
    }
}
