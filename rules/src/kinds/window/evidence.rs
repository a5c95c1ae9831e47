//! Why a window rule said what it said.

use ioc_model::{Evidence, EvidenceWindow, Timestamp};

use super::{Span, WindowRule, WindowState, print, sketch};

impl WindowRule {
    /// The span that messages tell: of a session its own.
    pub(super) fn duration_ms(&self, state: &WindowState) -> Option<i64> {
        match self.span {
            Span::Panes(shape) => Some(shape.size_ms),
            Span::Each { size_ms } => Some(size_ms),
            Span::Session { .. } => self.bounds(state).map(|(from, end)| end.saturating_sub(from)),
        }
    }

    /// What the window held, and what is still open until `deadline`.
    pub(super) fn explain_window(
        &self,
        state: &WindowState,
        deadline: Option<i64>,
        evidence: &mut Evidence,
    ) {
        evidence.word("aggregate", print::word(self.aggregate));
        if let (Some((from, to)), Some(judged)) = (self.bounds(state), state.judged()) {
            let extreme = |v: f64| (judged.count > 0 && v.is_finite()).then_some(v);
            evidence.window = Some(EvidenceWindow {
                from: Timestamp(from),
                to: Timestamp(to),
                count: u64::from(judged.count),
                min: extreme(judged.min),
                max: extreme(judged.max),
                value: judged.counted.then_some(judged.value),
            });
            if !judged.counted {
                evidence.number("min_count", self.min_count as f64);
                evidence.number("min_filled", self.min_filled as f64);
            }
        }
        if let Span::Each { .. } = self.span {
            evidence.word("bounds", "after `from`, up to and with `to`");
        }
        let (missed, open) = self.account(state);
        let error = sketch::error(state.judged().map_or(0, |j| j.coarse));
        for (name, number) in [("left_out", missed), ("relative_error", error), ("open", open)] {
            if number > 0.0 {
                evidence.number(name, number);
            }
        }
        if let Some(end) = deadline {
            let begin = match (self.span, state.window()) {
                (Span::Panes(shape), _) => end.saturating_sub(shape.size_ms),
                (Span::Each { size_ms }, _) => end.saturating_sub(size_ms),
                (_, WindowState::Session(session)) => session.begin().unwrap_or(end),
                _ => end,
            };
            evidence.timer("window", begin, end.saturating_add(self.grace_ms));
        }
    }

    /// From when to when the window that was judged last went.
    fn bounds(&self, state: &WindowState) -> Option<(i64, i64)> {
        let end = state.judged()?.end;
        let from = match (self.span, state.window()) {
            (Span::Panes(shape), _) => end.saturating_sub(shape.size_ms),
            (Span::Each { size_ms }, _) => end.saturating_sub(size_ms),
            (_, WindowState::Session(session)) => session.judged_from,
            _ => return None,
        };
        Some((from, end))
    }

    /// Readings left out, readings in what is open.
    pub(super) fn account(&self, state: &WindowState) -> (f64, f64) {
        let (missed, open) = match state.window() {
            WindowState::Panes(panes) => (panes.missed, panes.open_count()),
            WindowState::Each(each) => (each.missed, each.open_count(self.each())),
            WindowState::Session(s) => (s.missed, s.open_count()),
            WindowState::Empty | WindowState::Events(_) => (0, 0),
        };
        (f64::from(missed), open as f64)
    }
}
