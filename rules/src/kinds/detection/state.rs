//! What is kept of the events of one entity.

use ioc_model::{Detection, Evidence, Name};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::{DetectionRule, Dwell, MOST_TRACKS};
use crate::kinds::Message;
use crate::kinds::events::Told;

/// 16 bytes per counted event (at most as many as the rule counts, with levels 1,000), 88 for
/// each of the newest 16 of them, 24 per watched object (at most 64).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct DetectionState {
    /// Newest event that counts.
    pub(super) last: i64,
    /// Time of the last verdict; the next is not before it.
    stamp: i64,
    /// Raised and not yet quiet.
    pub(super) on: bool,
    /// Times and keys of the newest events, oldest first.
    pub(super) events: SmallVec<[(i64, u64); 1]>,
    /// The newest of them in detail.
    pub(super) told: Vec<Event>,
    tracks: Vec<Track>,
}

/// A counted event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Event {
    pub(super) t: i64,
    key: u64,
    pub(super) device: Name,
    pub(super) what: Told,
    /// Number of objects, 1 if it was not told.
    pub(super) objects: f64,
}

/// An object that is being watched.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Track {
    key: u64,
    pub(super) since: i64,
    pub(super) last: i64,
}

impl Default for DetectionState {
    fn default() -> Self {
        Self {
            last: i64::MIN,
            stamp: i64::MIN,
            on: false,
            events: SmallVec::new(),
            told: Vec::new(),
            tracks: Vec::new(),
        }
    }
}

impl DetectionState {
    /// The time of a verdict: verdicts do not go back.
    pub(super) fn stamp(&mut self, t: i64) -> i64 {
        self.stamp = self.stamp.max(t);
        self.stamp
    }

    /// Counts an event; one whose key is known only moves in time (a camera tells of one event
    /// several times). Only those in the window that ends with the newest stay.
    pub(super) fn count(&mut self, rule: &DetectionRule, m: &Message<'_>, d: &Detection, key: u64) {
        let mut t = m.t;
        if let Some(i) = self.events.iter().position(|(_, k)| *k == key) {
            t = t.max(self.events[i].0);
            self.events.remove(i);
        }
        let at = self.events.partition_point(|(other, _)| *other <= t);
        self.events.insert(at, (t, key));
        self.tell(Event {
            t,
            key,
            device: m.name.clone(),
            what: Told::of(d),
            objects: d.count.unwrap_or(1.0),
        });
        self.last = self.last.max(t);
        self.forget(self.last.saturating_sub(rule.within_ms));
        let excess = self.events.len().saturating_sub(rule.most());
        self.events.drain(..excess);
        let excess = self.told.len().saturating_sub(rule.most().min(Evidence::MAX_READINGS));
        self.told.drain(..excess);
    }

    fn tell(&mut self, event: Event) {
        self.told.retain(|e| e.key != event.key);
        let at = self.told.partition_point(|e| e.t <= event.t);
        self.told.insert(at, event);
    }

    /// Events up to then are out of the window.
    pub(super) fn forget(&mut self, until: i64) {
        let old = self.events.partition_point(|(t, _)| *t <= until);
        self.events.drain(..old);
        let old = self.told.partition_point(|e| e.t <= until);
        self.told.drain(..old);
    }

    /// Notes that an object is there; true if it has been there for the dwell time.
    pub(super) fn sight(&mut self, dwell: Dwell, t: i64, key: u64) -> bool {
        if let Some(track) = self.tracks.iter_mut().find(|track| track.key == key) {
            if t > track.last.saturating_add(dwell.gap_ms) {
                (track.since, track.last) = (t, t);
            } else if t >= track.since.saturating_sub(dwell.gap_ms) {
                track.since = track.since.min(t);
                track.last = track.last.max(t);
            } else {
                return false; // From before it was lost.
            }
            return track.last - track.since >= dwell.dwell_ms;
        }
        if self.tracks.len() == MOST_TRACKS {
            let oldest = self.tracks.iter().enumerate().min_by_key(|(_, track)| track.last);
            if let Some((i, _)) = oldest {
                self.tracks.remove(i);
            }
        }
        self.tracks.push(Track { key, since: t, last: t });
        false
    }

    /// How long the object of the newest event has been seen.
    pub(super) fn longest(&self, dwell: Dwell) -> Option<i64> {
        let there = self.tracks.iter().filter(|t| t.last == self.last);
        there.map(|t| t.last - t.since).filter(|ms| *ms >= dwell.dwell_ms).max()
    }

    /// The object that has been there for longest and may still be.
    pub(super) fn watched(&self, dwell: Dwell, now: i64) -> Option<&Track> {
        let there = self.tracks.iter().filter(|t| now <= t.last.saturating_add(dwell.gap_ms));
        there.min_by_key(|t| t.since)
    }

    pub(super) fn heap_bytes(&self) -> usize {
        let spilled = if self.events.spilled() { self.events.capacity() } else { 0 };
        spilled * size_of::<(i64, u64)>()
            + self.told.capacity() * size_of::<Event>()
            + self.tracks.capacity() * size_of::<Track>()
    }
}
