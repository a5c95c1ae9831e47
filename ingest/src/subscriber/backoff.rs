use std::time::Duration;

/// Waits between attempts to connect: doubling from 0.25 to 30 s, each with "full jitter" in its
/// upper half, so that many subscribers do not come back in step.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    attempts: u32,
}

const FIRST_MS: u64 = 250;
const LAST_MS: u64 = 30_000;

impl Backoff {
    /// The next wait; `jitter` in 0 to 1.
    pub(super) fn next(&mut self, jitter: f64) -> Duration {
        let full = (FIRST_MS << self.attempts.min(10)).min(LAST_MS);
        self.attempts = self.attempts.saturating_add(1);
        let floor = (full / 2).max(FIRST_MS);
        let spread = (full - floor) as f64 * jitter.clamp(0.0, 1.0);
        Duration::from_millis(floor + spread as u64)
    }

    pub(super) fn reset(&mut self) {
        self.attempts = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_from_a_quarter_second_to_thirty_and_starts_again() {
        let mut b = Backoff::default();
        let waits: Vec<u64> = (0..12).map(|_| b.next(1.0).as_millis() as u64).collect();
        assert_eq!(waits[..4], [250, 500, 1000, 2000]);
        assert_eq!(waits[11], 30_000);
        assert!(b.next(0.0) >= Duration::from_secs(15), "jitter keeps the upper half");
        b.reset();
        assert_eq!(b.next(0.5), Duration::from_millis(250));
    }
}
