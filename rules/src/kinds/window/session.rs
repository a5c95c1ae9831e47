//! A window that lasts as long as readings follow each other closely.

use serde::{Deserialize, Serialize};

use super::aggregate::{Aggregate, Item, Pane};
use super::pending::Pending;
use super::{Judged, Seen};

/// What the window needs of its rule.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) gap_ms: i64,
    pub(super) max_ms: Option<i64>,
    pub(super) early: bool,
    pub(super) grace_ms: i64,
    pub(super) aggregate: Aggregate,
}

/// The session of one entity: one pane, and the readings that wait for their grace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Session {
    /// Empty while no session runs.
    pane: Pane,
    /// First reading of the session that runs, and its newest.
    start: i64,
    last: i64,
    /// End of the last session that is over.
    done: i64,
    pending: Pending,
    pub(super) judged: Judged,
    /// Readings that came too late for their session.
    pub(super) missed: u32,
    /// Begin of the session that was judged last.
    pub(super) judged_from: i64,
}

/// A session was looked at.
pub(super) enum Look {
    /// It goes on.
    Runs(Seen),
    /// It is over.
    Over(Seen),
}

impl Session {
    pub(super) fn new() -> Self {
        Self {
            pane: Pane::default(),
            start: i64::MIN,
            last: i64::MIN,
            done: i64::MIN,
            pending: Pending::default(),
            judged: Judged::default(),
            missed: 0,
            judged_from: i64::MIN,
        }
    }

    pub(super) fn feed(&mut self, shape: Shape, item: Item, judge: &mut impl FnMut(Look)) {
        if shape.grace_ms == 0 {
            return self.apply(shape, item, judge);
        }
        if let Some(item) = self.pending.push(item) {
            self.apply(shape, item, judge);
        }
    }

    /// Does everything up to `until`.
    pub(super) fn run(&mut self, shape: Shape, until: i64, judge: &mut impl FnMut(Look)) {
        while let Some(item) = self.pending.pop(until) {
            self.apply(shape, item, judge);
        }
        self.close(shape, until, judge);
    }

    /// Lets a reading in. One that is older than the session's newest counts as of its time.
    fn apply(&mut self, shape: Shape, item: Item, judge: &mut impl FnMut(Look)) {
        self.close(shape, item.t, judge);
        if item.t < self.done {
            self.missed = self.missed.saturating_add(1);
            return;
        }
        if self.pane.is_empty() {
            (self.start, self.last) = (item.t, item.t);
        }
        self.last = self.last.max(item.t);
        self.pane.add(item, shape.aggregate);
        if shape.early {
            judge(Look::Runs(self.seen(shape, self.last)));
        }
    }

    fn close(&mut self, shape: Shape, until: i64, judge: &mut impl FnMut(Look)) {
        let Some(end) = self.end(shape).filter(|end| *end <= until) else { return };
        let seen = self.seen(shape, end);
        self.pane = Pane::default();
        self.done = end;
        judge(Look::Over(seen));
    }

    /// When the session that runs is over if nothing else is heard.
    fn end(&self, shape: Shape) -> Option<i64> {
        let most = shape.max_ms.map_or(i64::MAX, |max| self.start.saturating_add(max));
        (!self.pane.is_empty()).then(|| self.last.saturating_add(shape.gap_ms).min(most))
    }

    fn seen(&mut self, shape: Shape, t: i64) -> Seen {
        self.judged_from = self.start;
        Seen::of(t, self.pane.moments, shape.aggregate, || self.pane.kept.iter().map(|k| &**k))
    }

    pub(super) fn deadline(&self, shape: Shape) -> Option<i64> {
        self.end(shape).into_iter().chain(self.pending.first()).min()
    }

    /// Begin of the session that runs.
    pub(super) fn begin(&self) -> Option<i64> {
        (!self.pane.is_empty()).then_some(self.start)
    }

    pub(super) fn open_count(&self) -> u64 {
        self.pane.moments.count + self.pending.len() as u64
    }

    pub(super) fn heap_bytes(&self) -> usize {
        size_of::<Self>() + self.pane.heap_bytes() + self.pending.heap_bytes()
    }
}
