//! How many of the last messages were wrong.

use serde::{Deserialize, Serialize};

/// The last 64 messages at most, the newest in the lowest bit. 16 B.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Mask {
    bits: u64,
    /// Messages seen, up to 64.
    seen: u8,
}

impl Mask {
    pub(super) fn push(&mut self, wrong: bool) {
        self.bits = self.bits << 1 | u64::from(wrong);
        self.seen = self.seen.saturating_add(1).min(64);
    }

    /// Wrong ones of the last `of`.
    pub(super) fn count(&self, of: u32) -> u32 {
        let keep = u64::MAX.checked_shr(64_u32.saturating_sub(of)).unwrap_or(0);
        (self.bits & keep).count_ones()
    }

    /// Messages looked at, at most `of`.
    pub(super) fn seen(&self, of: u32) -> u32 {
        u32::from(self.seen).min(of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_only_the_last_messages() {
        let mut mask = Mask::default();
        for wrong in [true, true, false, true] {
            mask.push(wrong);
        }
        assert_eq!([1, 2, 3, 4, 64].map(|of| mask.count(of)), [1, 1, 2, 3, 3]);
        assert_eq!(mask.seen(3), 3);
        for _ in 0..64 {
            mask.push(false);
        }
        assert_eq!((mask.count(64), mask.seen(64)), (0, 64));
    }
}
