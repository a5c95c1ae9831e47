//! Counts records per door in batches: one look at the ledger per write, not per record.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use ioc_model::{Ledger, SourceCounters};

/// Records per door that share a fate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally(Vec<(u16, u64)>);

impl Tally {
    /// Counts one record of `source`.
    pub(crate) fn add(&mut self, source: u16) {
        match self.0.iter_mut().find(|(s, _)| *s == source) {
            Some((_, n)) => *n += 1,
            None => self.0.push((source, 1)),
        }
    }

    /// Adds all to one counter of each door. A door that this process has not is left out: the
    /// record came from a journal written under another configuration.
    pub(crate) fn apply(&self, ledger: &Ledger, counter: fn(&SourceCounters) -> &AtomicU64) {
        for &(source, n) in &self.0 {
            let door: Option<Arc<SourceCounters>> = ledger.by_index(source);
            if let Some(door) = door {
                counter(&door).fetch_add(n, Relaxed);
            }
        }
    }
}
