//! The devices of one shard.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use ioc_model::Timestamp;

use super::raw::Raws;
use super::stats::Stats;
use crate::intake::KeyHasher;

/// Devices whose counters lie together, so that a growing shard copies nothing.
const CHUNK: usize = 256;
/// Devices of which the one that has been silent longest is forgotten when the shard is full.
const LOOKED_AT: usize = 8;
/// Time between two good messages that one shard keeps, µs: with 16 shards 2,048 in a second.
const KEEP_US: i64 = 7_812;
/// So much earlier than its turn a message may be kept, µs.
const KEEP_BURST_US: i64 = 500_000;

pub(super) struct Shard {
    index: HashMap<u64, u32, BuildHasherDefault<KeyHasher>>,
    chunks: Vec<Vec<Stats>>,
    max_devices: usize,
    /// Where to look for one to forget.
    hand: usize,
    /// When the next good message may be kept, µs.
    next_keep: i64,
    pub(super) raws: Raws,
}

impl Shard {
    pub(super) fn new(max_devices: usize, max_bytes: usize) -> Self {
        let (index, chunks) = Default::default();
        let raws = Raws::new(max_bytes);
        Self { index, chunks, max_devices, hand: 0, next_keep: 0, raws }
    }

    pub(super) fn get(&self, key: u64) -> Option<&Stats> {
        let slot = *self.index.get(&key)? as usize;
        self.chunks.get(slot / CHUNK)?.get(slot % CHUNK)
    }

    /// The counters of a device; `None` only if none are to be kept at all.
    pub(super) fn entry(&mut self, key: u64) -> Option<&mut Stats> {
        let slot = match self.index.get(&key) {
            Some(slot) => *slot as usize,
            None => self.make(key)?,
        };
        self.chunks.get_mut(slot / CHUNK)?.get_mut(slot % CHUNK)
    }

    #[cold]
    fn make(&mut self, key: u64) -> Option<usize> {
        let devices = self.index.len();
        let slot = if devices < self.max_devices {
            if devices.is_multiple_of(CHUNK) {
                self.chunks.push(Vec::with_capacity(CHUNK));
            }
            self.chunks.last_mut()?.push(Stats::new(key));
            devices
        } else {
            let slot = self.longest_silent()?;
            let stats = self.chunks.get_mut(slot / CHUNK)?.get_mut(slot % CHUNK)?;
            let gone = std::mem::replace(stats, Stats::new(key)).key;
            self.index.remove(&gone);
            self.raws.forget(gone);
            slot
        };
        self.index.insert(key, u32::try_from(slot).ok()?);
        Some(slot)
    }

    /// Of the next few; exact order would cost a list of all.
    fn longest_silent(&mut self) -> Option<usize> {
        let devices = self.index.len();
        let looked_at = (0..LOOKED_AT.min(devices)).map(|i| (self.hand + i) % devices);
        let last = |slot: &usize| self.chunks[slot / CHUNK][slot % CHUNK].last;
        let found = looked_at.min_by_key(last)?;
        self.hand = (self.hand + LOOKED_AT) % devices;
        Some(found)
    }

    /// Whether a good message may be kept now: a flood of many devices costs nothing either.
    pub(super) fn may_keep(&mut self, at: Timestamp) -> bool {
        let now = at.0.saturating_mul(1_000);
        let early = self.next_keep.saturating_sub(now);
        // A clock of ours that was set back must not silence for long.
        if early > 2 * KEEP_BURST_US {
            self.next_keep = now;
        } else if early > KEEP_BURST_US {
            return false;
        }
        self.next_keep = self.next_keep.max(now) + KEEP_US;
        true
    }

    #[cfg(test)]
    pub(super) fn devices(&self) -> usize {
        self.index.len()
    }

    /// Bytes of counters and index.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        let chunks = self.chunks.len() * CHUNK * size_of::<Stats>();
        // hashbrown: one control byte and the pair per bucket, 7/8 of a power of two usable.
        let buckets = (self.index.capacity() * 8 / 7).next_power_of_two();
        chunks + buckets * (size_of::<(u64, u32)>() + 1)
    }
}
