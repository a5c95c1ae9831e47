//! Makes the windows asked for of finer ones.

use std::ops::ControlFlow;

use ioc_model::{SeriesWindows, Step, Timestamp, Window};

use super::plan::Segment;
use crate::aggregate;

/// Takes windows in the order of time until the limit is reached.
pub(super) struct Fold {
    step: Step,
    limit: usize,
    /// Windows with bad points only are part of the answer.
    with_empty: bool,
    /// No window begins before it: up to here another length was given.
    cut: i64,
    open: Option<Window>,
    out: SeriesWindows,
}

impl Fold {
    pub(super) fn new(step: Step, limit: usize, with_empty: bool) -> Self {
        let out = SeriesWindows::default();
        Self { step, limit, with_empty, cut: i64::MIN, open: None, out }
    }

    /// Takes the next window, of `segment`; `Break` says that no further one can change the
    /// answer.
    pub(super) fn push(&mut self, segment: &Segment, window: &Window) -> ControlFlow<()> {
        let start = if segment.fits {
            Timestamp(self.step.begin(window.start).0.max(self.cut))
        } else {
            window.start
        };
        match &mut self.open {
            Some(w) if w.start == start => aggregate::merge(w, window),
            open => {
                if let Some(done) = open.replace(Window { start, ..*window }) {
                    return self.emit(done);
                }
            }
        }
        ControlFlow::Continue(())
    }

    /// A segment is read.
    pub(super) fn begin_of(&mut self, segment: &Segment) {
        self.out.tier = self.out.tier.max(segment.tier);
    }

    /// All windows of a segment were pushed.
    pub(super) fn end_of(&mut self, segment: &Segment) {
        if !segment.fits {
            self.cut = segment.to;
        }
    }

    /// The answer.
    pub(super) fn finish(mut self) -> SeriesWindows {
        if let (Some(window), false) = (self.open.take(), self.out.truncated) {
            let _ = self.emit(window);
        }
        self.out
    }

    fn emit(&mut self, window: Window) -> ControlFlow<()> {
        if window.count == 0 && !self.with_empty {
            return ControlFlow::Continue(());
        }
        if self.out.windows.len() >= self.limit {
            self.out.truncated = true;
            return ControlFlow::Break(());
        }
        self.out.windows.push(window);
        ControlFlow::Continue(())
    }
}
