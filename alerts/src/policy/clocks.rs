use ioc_model::{AlertRow, AutoKind, Condition, HeldBy, Name, Severity, Timestamp, Work};

use super::{Class, Policy};
use crate::lifecycle::{Event, State};

/// Until when what has to be done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clocks {
    /// To be acknowledged.
    pub ack_due: Option<Timestamp>,
    /// To be resolved.
    pub resolve_due: Option<Timestamp>,
}

/// What happens to an alert by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Timer {
    /// Its time on the shelf is over.
    ShelfExpired,
    /// Nobody acknowledged it in time.
    AckOverdue,
    /// Nobody resolved it in time.
    ResolveOverdue,
    /// The next of the chain is told; `step` counts from 1.
    Escalate {
        /// Which step.
        step: u8,
        /// Who.
        to: Name,
    },
    /// It counts as this from now on.
    Deescalate(Severity),
    /// Resolved and returned long enough.
    AutoClose,
}

impl Timer {
    /// The word of the audit log.
    pub fn kind(&self) -> AutoKind {
        match self {
            Self::ShelfExpired => AutoKind::ShelfExpired,
            Self::AckOverdue | Self::ResolveOverdue => AutoKind::Overdue,
            Self::Escalate { .. } => AutoKind::Escalate,
            Self::Deescalate(_) => AutoKind::Deescalate,
            Self::AutoClose => AutoKind::AutoClose,
        }
    }
}

impl Policy {
    /// The class of an alert: by the highest severity of its episode, so that a fall does not give
    /// it more time.
    pub fn class(&self, row: &AlertRow) -> Option<&Class> {
        self.classes.iter().find(|c| {
            (c.severities.is_empty() || c.severities.contains(&row.severity_max))
                && (c.services.is_empty() || c.services.contains(&row.service))
        })
    }

    /// Due times from when the alert began to wait for somebody. Both are kept in the row.
    pub fn clocks(&self, row: &AlertRow) -> Clocks {
        let Some(class) = self.class(row) else { return Clocks::default() };
        let since = waiting_since(row);
        Clocks {
            ack_due: class.acknowledge.map(|s| s.after(since, &self.work)),
            resolve_due: class.resolve.map(|s| s.after(since, &self.work)),
        }
    }

    /// Whether what got worse begins to wait anew: it was acknowledged, or is now of another
    /// class. Otherwise somebody is waited for already, and gets no more time.
    pub fn waits_anew(&self, before: &AlertRow, after: &AlertRow) -> bool {
        let class = |row| self.class(row).map(|c| &c.id);
        before.acknowledged || class(before) != class(after)
    }

    /// The first thing that happens to the alert by itself, if nothing else does before. It may
    /// lie in the past: then it is due.
    pub fn next_timer(&self, row: &AlertRow) -> Option<(Timestamp, Timer)> {
        if !row.is_open() {
            return None;
        }
        let state = State::of(row);
        self.timers(row)
            .filter(|(_, t)| state.knows(Event::Auto(t.kind())))
            .min_by_key(|(at, _)| *at)
    }

    fn timers(&self, row: &AlertRow) -> impl Iterator<Item = (Timestamp, Timer)> {
        let shelf = row.held.iter().find(|h| h.by == HeldBy::Shelf).and_then(|h| h.until);
        let undone = row.work != Work::Resolved;
        // One mark for both: whichever comes first, and the second is then no news.
        let due = |at: Option<Timestamp>, wanted: bool| at.filter(|_| wanted && !row.overdue);
        let close = (!undone && row.condition == Condition::Returned).then(|| {
            let since = row.resolved_at.max(row.cleared_at).unwrap_or(row.changed_at);
            since.plus_ms(self.auto_close_ms)
        });
        [
            shelf.map(|at| (at, Timer::ShelfExpired)),
            due(row.ack_due, !row.acknowledged).map(|at| (at, Timer::AckOverdue)),
            due(row.resolve_due, undone).map(|at| (at, Timer::ResolveOverdue)),
            self.escalation(row),
            self.deescalation(row),
            close.map(|at| (at, Timer::AutoClose)),
        ]
        .into_iter()
        .flatten()
    }

    fn escalation(&self, row: &AlertRow) -> Option<(Timestamp, Timer)> {
        let step = self.class(row)?.escalation.get(usize::from(row.escalated))?;
        let timer = Timer::Escalate { step: row.escalated + 1, to: step.to.clone() };
        Some((waiting_since(row).plus_ms(step.after_ms), timer))
    }

    fn deescalation(&self, row: &AlertRow) -> Option<(Timestamp, Timer)> {
        let rule = self.class(row)?.deescalate?;
        let lower = Severity::from_u8(row.severity as u8 - 1).filter(|s| *s >= rule.to)?;
        let since = row.acknowledged_at?.max(row.changed_at);
        Some((since.plus_ms(rule.after_ms), Timer::Deescalate(lower)))
    }
}

fn waiting_since(row: &AlertRow) -> Timestamp {
    row.waiting_since.unwrap_or(row.raised_at)
}
