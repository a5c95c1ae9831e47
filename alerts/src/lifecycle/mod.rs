//! What may follow what: the one table of the life cycle (ISA-18.2 / IEC 62682 for condition and
//! acknowledgement, domain.md §1.6 for the work). Pure; the register asks it before every change.

mod table;
#[cfg(test)]
mod tests;

use ioc_model::{ActionKind, AlertRow, AutoKind, Condition, HeldBy, RefusedCode, Work};

pub use table::markdown;
use table::{Effect, TABLE};

/// What the table looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// Active or returned.
    pub condition: Condition,
    /// Somebody has seen it, and nothing worse came since.
    pub acknowledged: bool,
    /// Its rule holds it open after the return.
    pub latched: bool,
    /// The work on it.
    pub work: Work,
    /// On the shelf.
    pub shelved: bool,
    /// Held back by a maintenance window, a parent's outage or an out-of-service mark.
    pub suppressed: bool,
}

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// A person does that.
    Act(ActionKind),
    /// That happens by itself.
    Auto(AutoKind),
    /// Its rule found it worse than ever before in this episode.
    Worse,
}

impl Event {
    /// Every event there is.
    pub fn all() -> impl Iterator<Item = Self> {
        let acts = ActionKind::ALL.iter().map(|a| Self::Act(*a));
        acts.chain(AutoKind::ALL.iter().map(|a| Self::Auto(*a))).chain([Self::Worse])
    }

    /// Its word in the documents.
    pub fn word(self) -> &'static str {
        match self {
            Self::Act(a) => a.as_str(),
            Self::Auto(a) => a.as_str(),
            Self::Worse => "severity, worse than ever",
        }
    }
}

impl State {
    /// The state of a row.
    pub fn of(row: &AlertRow) -> Self {
        Self {
            condition: row.condition,
            acknowledged: row.acknowledged,
            latched: row.latched,
            work: row.work,
            shelved: row.is_held(HeldBy::Shelf),
            suppressed: row.held.iter().any(|h| h.by != HeldBy::Shelf),
        }
    }

    /// Every state that a field can be written in, legal or not.
    pub fn all() -> impl Iterator<Item = Self> {
        let bools = |n: usize, bit: usize| n >> bit & 1 == 1;
        Work::ALL.into_iter().flat_map(move |work| {
            (0..32).map(move |n| Self {
                condition: [Condition::Active, Condition::Returned][n & 1],
                acknowledged: bools(n, 1),
                latched: bools(n, 2),
                work,
                shelved: bools(n, 3),
                suppressed: bools(n, 4),
            })
        })
    }

    /// Neither closed nor rejected.
    pub fn is_open(self) -> bool {
        !matches!(self.work, Work::Closed | Work::Rejected)
    }

    /// The state after an event.
    ///
    /// # Errors
    /// Why a person cannot do that now. What happens by itself and changes nothing gives the same
    /// state.
    pub fn after(self, event: Event) -> Result<Self, RefusedCode> {
        match TABLE.iter().find(|row| row.on == event && row.when.fits(self)) {
            Some(row) => Ok(self.with(row.then)),
            None => match event {
                Event::Act(kind) => Err(self.why_not(kind)),
                Event::Auto(_) | Event::Worse => Ok(self),
            },
        }
    }

    /// What a person may do now.
    pub fn allowed(self) -> impl Iterator<Item = ActionKind> {
        ActionKind::ALL.iter().copied().filter(move |a| self.after(Event::Act(*a)).is_ok())
    }

    /// True if the table lets `event` do something here.
    pub fn knows(self, event: Event) -> bool {
        TABLE.iter().any(|row| row.on == event && row.when.fits(self))
    }

    fn with(mut self, effects: &[Effect]) -> Self {
        for effect in effects {
            match *effect {
                Effect::Condition(c) => self.condition = c,
                Effect::Acknowledged(a) => self.acknowledged = a,
                Effect::Work(w) => self.work = w,
                Effect::Shelved(s) => self.shelved = s,
                Effect::Suppressed(s) => self.suppressed = s,
            }
        }
        if !self.is_open() {
            // What is over is held back by nothing.
            self.shelved = false;
            self.suppressed = false;
        }
        self
    }

    fn why_not(self, kind: ActionKind) -> RefusedCode {
        let done = match kind {
            ActionKind::Acknowledge => self.acknowledged,
            ActionKind::Resolve => self.work == Work::Resolved,
            ActionKind::Start => self.work == Work::InProgress,
            ActionKind::Unshelve => !self.shelved,
            _ => false,
        };
        match kind {
            _ if !self.is_open() || done => RefusedCode::AlreadyDone,
            ActionKind::Close if self.condition == Condition::Active => RefusedCode::StillActive,
            _ => RefusedCode::NotAllowed,
        }
    }
}
