//! Allowed lateness: records wait until everything that may come before them has come, and are
//! then judged in the order of time, device and content, however they arrived.
//!
//! In [`ClockMode::Event`] any order of arrival within the bound gives the same alerts. In
//! [`ClockMode::Wall`] that holds for devices that are on time; a backlog that is older than the
//! bound when it comes is judged as it comes.

use std::collections::BTreeMap;

use ioc_model::{CodecError, Entry, Name, Record, Transition};

use crate::engine::{ClockMode, Engine, Judged, Step, UNSET};

/// Time, device, key of the content, number of arrival.
type Key = (i64, Name, u64, u64);

/// Records that wait.
#[derive(Debug)]
pub(crate) struct Reorder {
    waiting: BTreeMap<Key, Record>,
    /// The newest time told: ticks, or phenomenon times.
    newest: i64,
    arrivals: u64,
}

impl Default for Reorder {
    fn default() -> Self {
        Self { waiting: BTreeMap::new(), newest: UNSET, arrivals: 0 }
    }
}

impl Reorder {
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Newest time, and the records that wait in the journal's encoding.
    pub(crate) fn save(&self) -> (i64, Vec<u8>) {
        let entries: Vec<Entry> = self.waiting.values().cloned().map(Entry::Record).collect();
        let mut bytes = Vec::new();
        if !entries.is_empty() {
            ioc_model::encode_batch(&entries, &mut bytes);
        }
        (self.newest, bytes)
    }

    pub(crate) fn load(newest: i64, bytes: &[u8]) -> Result<Self, CodecError> {
        let mut reorder = Self { newest, ..Self::default() };
        let entries = if bytes.is_empty() { Vec::new() } else { ioc_model::decode_batch(bytes)? };
        for entry in entries {
            if let Entry::Record(r) = entry {
                reorder.push(r);
            }
        }
        Ok(reorder)
    }

    fn push(&mut self, r: Record) {
        self.arrivals += 1;
        self.waiting.insert((r.time.0, r.device.clone(), r.dedup_key(), self.arrivals), r);
    }

    /// The next record before `t`.
    fn pop_before(&mut self, t: i64) -> Option<Record> {
        let first = self.waiting.first_entry()?;
        (first.key().0 < t).then(|| first.remove())
    }
}

impl Engine {
    /// [`Engine::step`] with records put in order first.
    pub(crate) fn step_in_order(&mut self, entry: &Entry, step: &mut Step<'_>) -> Judged {
        let lateness = self.config.allowed_lateness_ms;
        match (entry, self.config.clock) {
            (Entry::Tick(_), ClockMode::Event) => Judged::Tick,
            (Entry::Tick(t), ClockMode::Wall) => {
                self.reorder.newest = self.reorder.newest.max(t.0);
                self.release(t.0.saturating_sub(lateness), step);
                self.tick(t.0.saturating_sub(lateness), step);
                Judged::Tick
            }
            (Entry::Record(r), clock) => {
                let (t, newest) = (r.time.0, self.reorder.newest);
                let bound = newest.saturating_sub(lateness);
                if newest != UNSET && t < bound {
                    return match clock {
                        ClockMode::Event => Judged::Late,
                        // A backlog: its own device's order decides.
                        ClockMode::Wall => self.record(r, step),
                    };
                }
                self.reorder.push(r.clone());
                if clock == ClockMode::Event && t > newest {
                    self.reorder.newest = t;
                    self.release(t.saturating_sub(lateness), step);
                }
                Judged::Evaluated
            }
        }
    }

    fn release(&mut self, before: i64, step: &mut Step<'_>) {
        while let Some(r) = self.reorder.pop_before(before) {
            self.record(&r, step);
        }
    }

    /// The stream has ended: judges what still waits (allowed lateness).
    pub fn finish(&mut self, position: u64, out: &mut Vec<Transition>) {
        self.release(i64::MAX, &mut Step { position, out });
    }
}
