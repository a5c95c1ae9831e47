//! The devices of one shard.

use ioc_model::Timestamp;

use super::raw::Raws;
use super::stats::Stats;

/// Devices whose counters lie together, so that a growing shard copies nothing.
const CHUNK: usize = 64;
/// Devices of which the one that has been silent longest is forgotten when the shard is full.
const LOOKED_AT: usize = 8;
/// Time between two good messages that one shard keeps, µs: with 16 shards 2,048 in a second.
const KEEP_US: i64 = 7_812;
/// So much earlier than its turn a message may be kept, µs.
const KEEP_BURST_US: i64 = 500_000;

pub(super) struct Shard {
    /// By hash: the number of the device + 1, 0 where there is none; linear probing, at most 7/8
    /// full. The keys are with the counters, which are looked at anyway.
    index: Vec<u32>,
    chunks: Vec<Vec<Stats>>,
    devices: usize,
    max_devices: usize,
    /// Where to look for one to forget.
    hand: usize,
    /// When the next good message may be kept, µs.
    next_keep: i64,
    pub(super) raws: Raws,
}

impl Shard {
    pub(super) fn new(max_devices: usize, max_bytes: usize) -> Self {
        Self {
            index: vec![0; 8],
            chunks: Vec::new(),
            devices: 0,
            max_devices,
            hand: 0,
            next_keep: 0,
            raws: Raws::new(max_bytes),
        }
    }

    fn stats(&self, slot: usize) -> &Stats {
        &self.chunks[slot / CHUNK][slot % CHUNK]
    }

    fn stats_mut(&mut self, slot: usize) -> &mut Stats {
        &mut self.chunks[slot / CHUNK][slot % CHUNK]
    }

    /// The bucket of a device, or the empty one where it belongs.
    fn bucket(&self, key: u64) -> usize {
        let mask = self.index.len() - 1;
        let mut at = key as usize & mask;
        while let Some(slot) = self.slot_at(at)
            && self.stats(slot).key != key
        {
            at = (at + 1) & mask;
        }
        at
    }

    fn slot_at(&self, bucket: usize) -> Option<usize> {
        (self.index[bucket] as usize).checked_sub(1)
    }

    pub(super) fn get(&self, key: u64) -> Option<&Stats> {
        self.slot_at(self.bucket(key)).map(|slot| self.stats(slot))
    }

    /// The counters of a device; `None` only if none are to be kept at all.
    pub(super) fn entry(&mut self, key: u64) -> Option<&mut Stats> {
        let slot = match self.slot_at(self.bucket(key)) {
            Some(slot) => slot,
            None => self.make(key)?,
        };
        Some(self.stats_mut(slot))
    }

    #[cold]
    fn make(&mut self, key: u64) -> Option<usize> {
        let slot = if self.devices < self.max_devices {
            if (self.devices + 1) * 8 > self.index.len() * 7 {
                self.grow();
            }
            if self.devices.is_multiple_of(CHUNK) {
                self.chunks.push(Vec::with_capacity(CHUNK));
            }
            self.chunks.last_mut()?.push(Stats::new(key));
            self.devices += 1;
            self.devices - 1
        } else {
            let slot = self.longest_silent()?;
            let gone = self.stats(slot).key;
            self.unlink(gone);
            self.raws.forget(gone);
            *self.stats_mut(slot) = Stats::new(key);
            slot
        };
        self.link(key, slot);
        Some(slot)
    }

    fn link(&mut self, key: u64, slot: usize) {
        let mask = self.index.len() - 1;
        let mut at = key as usize & mask;
        while self.index[at] != 0 {
            at = (at + 1) & mask;
        }
        self.index[at] = slot as u32 + 1;
    }

    fn grow(&mut self) {
        self.index = vec![0; self.index.len() * 2];
        for slot in 0..self.devices {
            self.link(self.stats(slot).key, slot);
        }
    }

    /// Takes a device out of the index; those behind it move up, so that no search stops short.
    fn unlink(&mut self, key: u64) {
        let mask = self.index.len() - 1;
        let mut hole = self.bucket(key);
        let mut at = hole;
        loop {
            at = (at + 1) & mask;
            let Some(slot) = self.slot_at(at) else { break };
            let home = self.stats(slot).key as usize & mask;
            // It may move up only to between its home and where it is.
            if at.wrapping_sub(home) & mask >= at.wrapping_sub(hole) & mask {
                self.index[hole] = self.index[at];
                hole = at;
            }
        }
        self.index[hole] = 0;
    }

    /// Of the next few; exact order would cost a list of all.
    fn longest_silent(&mut self) -> Option<usize> {
        let devices = self.devices;
        let looked_at = (0..LOOKED_AT.min(devices)).map(|i| (self.hand + i) % devices);
        let found = looked_at.min_by_key(|slot| self.stats(*slot).last)?;
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
        self.devices
    }

    /// Bytes of counters and index.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        let chunks = self.chunks.len() * CHUNK * size_of::<Stats>();
        chunks + self.index.capacity() * size_of::<u32>()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::inbox::stats::Kind;

    proptest! {
        /// Whatever devices come in whatever order: those that are held are found with their own
        /// counters, those that are not are not.
        #[test]
        fn the_index_finds_what_is_held(
            keys in prop::collection::vec(0u64..60, 1..400),
            max in 1usize..40,
            // Many keys share a home.
            spread in prop::sample::select(vec![1u64, 8, 1 << 40, 0x9e37_79b9_7f4a_7c15]),
        ) {
            let mut shard = Shard::new(max, 0);
            let mut naive: BTreeMap<u64, u64> = BTreeMap::new();
            for (i, key) in keys.iter().map(|k| k.wrapping_mul(spread)).enumerate() {
                let count = naive.entry(key).or_default();
                if shard.get(key).is_none() {
                    *count = 0;
                }
                *count += 1;
                let stats = shard.entry(key).expect("room");
                stats.count(Timestamp(i as i64), Kind::Accepted);
                prop_assert_eq!(stats.accepted, *count);
            }
            let held = naive.iter().filter(|(key, count)| {
                shard.get(**key).is_some_and(|s| s.key == **key && s.accepted == **count)
            });
            prop_assert_eq!(held.count(), naive.len().min(max));
            prop_assert_eq!(shard.devices(), naive.len().min(max));
        }
    }
}
