//! Submissions whose records are not durable yet, so that a duplicate can wait for the commit of
//! its first delivery.

use std::collections::BTreeMap;

use futures::FutureExt;
use futures::channel::oneshot;
use futures::future::{BoxFuture, Shared};

use super::window::KeySet;
use crate::error::SinkError;

/// Resolves when the records of one submission are durable; whoever polls it first drives it.
pub(crate) type Commit = Shared<BoxFuture<'static, Result<(), SinkError>>>;

/// What a duplicate waits for.
pub(crate) enum Wait {
    /// The sink has the first delivery.
    Commit(Commit),
    /// The sink has no room yet for the first delivery; an error when it is given up.
    Append(oneshot::Receiver<Commit>),
}

struct Open {
    keys: Vec<u64>,
    phase: Phase,
}

enum Phase {
    Appending(Vec<oneshot::Sender<Commit>>),
    Committing(Commit),
}

/// Open submissions by ticket.
#[derive(Default)]
pub(crate) struct InFlight {
    next: u64,
    open: BTreeMap<u64, Open>,
}

/// A submission older than this many others is looked at by later ones: its door may have gone
/// away and nobody else would notice its end.
const OLD: u64 = 1_024;

impl InFlight {
    /// Opens a submission that holds `keys`.
    pub(crate) fn open(&mut self, keys: Vec<u64>) -> u64 {
        let ticket = self.next;
        self.next += 1;
        self.open.insert(ticket, Open { keys, phase: Phase::Appending(Vec::new()) });
        ticket
    }

    /// The sink has taken the records: from now on `commit` tells their fate.
    pub(crate) fn committing(&mut self, ticket: u64, commit: &Commit) {
        let Some(open) = self.open.get_mut(&ticket) else { return };
        let before = std::mem::replace(&mut open.phase, Phase::Committing(commit.clone()));
        if let Phase::Appending(waiting) = before {
            for duplicate in waiting {
                // A receiver that is gone no longer waits.
                let _ = duplicate.send(commit.clone());
            }
        }
    }

    /// Ends a submission and returns its keys. Duplicates that wait for room get an error.
    pub(crate) fn close(&mut self, ticket: u64) -> Vec<u64> {
        self.open.remove(&ticket).map(|o| o.keys).unwrap_or_default()
    }

    /// What must end before the records of `keys` are durable. Keys that no open submission
    /// holds are durable already; those of `own` are waited for anyway.
    pub(crate) fn waits(&mut self, keys: &[u64], own: Option<u64>) -> Vec<Wait> {
        let mut waits = Vec::new();
        let keys: KeySet = keys.iter().copied().collect();
        for (ticket, open) in &mut self.open {
            if Some(*ticket) == own || !open.keys.iter().any(|k| keys.contains(k)) {
                continue;
            }
            waits.push(match &mut open.phase {
                Phase::Committing(commit) => Wait::Commit(commit.clone()),
                Phase::Appending(waiting) => {
                    let (tell, told) = oneshot::channel();
                    waiting.push(tell);
                    Wait::Append(told)
                }
            });
        }
        waits
    }

    /// The oldest submission if it is so old that its door has perhaps gone away.
    pub(crate) fn oldest(&self) -> Option<Commit> {
        let (ticket, open) = self.open.first_key_value()?;
        match &open.phase {
            Phase::Committing(commit) if ticket + OLD < self.next => Some(commit.clone()),
            _ => None,
        }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }
}

/// Polls a commit once without waiting; `true` when it has ended.
pub(crate) fn has_ended(commit: Commit) -> bool {
    commit.now_or_never().is_some()
}
