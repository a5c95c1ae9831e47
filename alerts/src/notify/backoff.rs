//! Full jitter: a random part of a time that doubles, so that receivers that come back are not
//! met by everything at once.

use std::time::Duration;

use sha2::{Digest, Sha256};

const FIRST_MS: u64 = 1_000;
const MOST_MS: u64 = 10 * 60_000;

/// Time before the try after `attempts` of them. The chance is a function of the delivery and the
/// try: it spreads different deliveries as well as a random number would.
pub(super) fn delay(id: &str, attempts: u32) -> Duration {
    let ceiling = FIRST_MS.saturating_mul(1 << attempts.saturating_sub(1).min(20)).min(MOST_MS);
    let digest = Sha256::digest(format!("{id}\0{attempts}").as_bytes());
    let chance = digest.iter().take(8).fold(0u64, |n, b| n << 8 | u64::from(*b));
    Duration::from_millis(chance % (ceiling + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_is_anywhere_between_nothing_and_a_doubling_ceiling() {
        for (attempts, ceiling) in
            [(1, 1_000), (2, 2_000), (5, 16_000), (10, 512_000), (11, 600_000), (99, 600_000)]
        {
            let waits: Vec<u64> = (0..2_000)
                .map(|i| delay(&format!("delivery-{i}"), attempts).as_millis() as u64)
                .collect();
            let most = *waits.iter().max().expect("some");
            let least = *waits.iter().min().expect("some");
            let mean = waits.iter().sum::<u64>() / 2_000;
            assert!(most <= ceiling && most > ceiling * 9 / 10, "{attempts}: {most}");
            assert!(least < ceiling / 10, "{attempts}: {least}");
            assert!(mean.abs_diff(ceiling / 2) < ceiling / 20, "{attempts}: {mean}");
        }
    }
}
