use std::sync::Arc;

use ioc_model::SourceCounters;

/// One door: its index in records and its counters.
#[derive(Clone, Debug)]
pub struct SourceHandle {
    pub(crate) index: u16,
    pub(crate) name: Arc<str>,
    pub(crate) counters: Arc<SourceCounters>,
}

impl SourceHandle {
    /// Index that records of this door carry.
    pub fn index(&self) -> u16 {
        self.index
    }

    /// Name given to [`crate::Intake::source`].
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The door's counters.
    pub fn counters(&self) -> &SourceCounters {
        &self.counters
    }
}
