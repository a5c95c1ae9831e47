//! The duplicate window: which keys were seen lately.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

/// Keys are hashes already (splitmix64): hashing them again buys nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for b in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*b);
        }
    }

    fn write_u64(&mut self, n: u64) {
        self.0 = n;
    }
}

pub(crate) type KeySet = HashSet<u64, BuildHasherDefault<KeyHasher>>;

const PARTS: usize = 16;

/// Two generations of keys, in parts so that a growing table is moved in small steps.
pub(crate) struct Window {
    parts: [Part; PARTS],
    keys_per_part: usize,
}

#[derive(Default)]
struct Part {
    newer: KeySet,
    older: KeySet,
}

impl Window {
    /// `generation` keys in each generation.
    pub(crate) fn new(generation: usize) -> Self {
        Self { parts: Default::default(), keys_per_part: generation.div_ceil(PARTS).max(1) }
    }

    /// Remembers a key; `false` when it was known.
    pub(crate) fn insert(&mut self, key: u64) -> bool {
        let part = &mut self.parts[(key >> 32) as usize % PARTS];
        if part.newer.contains(&key) || part.older.contains(&key) {
            return false;
        }
        if part.newer.len() >= self.keys_per_part {
            std::mem::swap(&mut part.newer, &mut part.older);
            part.newer.clear();
        }
        part.newer.insert(key);
        true
    }

    pub(crate) fn forget(&mut self, key: u64) {
        let part = &mut self.parts[(key >> 32) as usize % PARTS];
        part.newer.remove(&key);
        part.older.remove(&key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(i: u64) -> u64 {
        i.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    #[test]
    fn knows_the_last_generation_and_stays_bounded() {
        let mut w = Window::new(1_600);
        for i in 0..100_000 {
            assert!(w.insert(key(i)), "key {i} is new");
            assert!(!w.insert(key(i)), "key {i} is known");
        }
        // Whatever the spread over parts, the last tenth of a generation is never forgotten.
        for i in 99_840..100_000 {
            assert!(!w.insert(key(i)), "key {i} is still known");
        }
        let held: usize = w.parts.iter().map(|p| p.newer.len() + p.older.len()).sum();
        assert!(held <= 2 * 1_600, "{held} keys held");
    }

    #[test]
    fn costs_at_most_20_bytes_a_key_when_full() {
        let mut w = Window::new(500_000);
        for i in 0..1_200_000 {
            w.insert(key(i));
        }
        // hashbrown: one control byte and the key per bucket, 7/8 of a power of two usable.
        let bytes: usize = (w.parts.iter())
            .flat_map(|p| [&p.newer, &p.older])
            .map(|s| (s.capacity() * 8 / 7).next_power_of_two() * 9)
            .sum();
        assert!(bytes <= 20 * 1_000_000, "{bytes} bytes");
    }

    #[test]
    fn forgets_on_demand() {
        let mut w = Window::new(100);
        assert!(w.insert(7));
        w.forget(7);
        assert!(w.insert(7));
    }
}
