//! Token buckets by address, for a door that is open to everyone.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};

use ioc_model::Timestamp;

/// Addresses of one generation; two are kept.
const MAX_KEYS: usize = 32_768;
/// From empty to full.
const REFILL_MS: i64 = 60_000;

/// How much one address may ask for: a bucket of requests that fills again within a minute.
///
/// Memory is bounded whatever comes: addresses live in two generations of at most 32,768. When
/// the young one is full or a minute old it becomes the old one, and what was in the old one and
/// did not come again is forgotten. Whoever has more addresses than that needs no forgetting to
/// get around a limit by address.
#[derive(Debug)]
pub struct RateLimit {
    per_minute: f64,
    buckets: Mutex<Generations>,
}

#[derive(Debug, Default)]
struct Generations {
    young: HashMap<u64, Bucket>,
    old: HashMap<u64, Bucket>,
    since: Timestamp,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    at: Timestamp,
}

impl RateLimit {
    /// A limit of so many requests in a minute, which may also come at once.
    pub fn new(per_minute: u32) -> Self {
        Self { per_minute: f64::from(per_minute.max(1)), buckets: Mutex::default() }
    }

    /// Takes one request of an address (IPv6: of its /64).
    ///
    /// # Errors
    /// Seconds until the next one is let through, at least 1.
    pub fn check(&self, address: IpAddr, now: Timestamp) -> Result<(), u64> {
        // A count that stands between two statements is a count still.
        let mut all = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        all.turn(now);
        let key = network_of(address);
        let full = Bucket { tokens: self.per_minute, at: now };
        let mut bucket = all.young.get(&key).or(all.old.get(&key)).copied().unwrap_or(full);
        let per_ms = self.per_minute / REFILL_MS as f64;
        let waited = now.since_ms(bucket.at).max(0) as f64;
        bucket.tokens = (bucket.tokens + waited * per_ms).min(self.per_minute);
        bucket.at = bucket.at.max(now);
        let answer = if bucket.tokens < 1.0 {
            Err((((1.0 - bucket.tokens) / per_ms / 1_000.0).ceil() as u64).max(1))
        } else {
            bucket.tokens -= 1.0;
            Ok(())
        };
        all.young.insert(key, bucket);
        answer
    }

    /// Addresses remembered now.
    #[cfg(test)]
    fn remembered(&self) -> usize {
        let all = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        all.young.len() + all.old.len()
    }
}

impl Generations {
    /// A bucket that was not touched for a minute is full, so it need not be remembered.
    fn turn(&mut self, now: Timestamp) {
        let aged = now.since_ms(self.since) >= REFILL_MS;
        if aged || self.young.len() >= MAX_KEYS {
            self.old = std::mem::take(&mut self.young);
            self.since = now;
        }
    }
}

/// What is counted: an IPv4 address, or an IPv6 /64 (one customer has a whole one).
fn network_of(address: IpAddr) -> u64 {
    match address.to_canonical() {
        // No IPv6 network in use begins with zeros, so the two cannot meet.
        IpAddr::V4(v4) => u64::from(v4.to_bits()),
        IpAddr::V6(v6) => (Ipv6Addr::to_bits(v6) >> 64) as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    const NOW: Timestamp = Timestamp(1_760_000_000_000);

    #[test]
    fn refuses_after_the_minute_s_worth_and_says_how_long() {
        let limit = RateLimit::new(6);
        for n in 0..6 {
            assert_eq!(limit.check(ip("10.0.0.1"), NOW), Ok(()), "request {n}");
        }
        assert_eq!(limit.check(ip("10.0.0.1"), NOW), Err(10));
        assert_eq!(limit.check(ip("10.0.0.2"), NOW), Ok(()), "another has its own");
        assert_eq!(limit.check(ip("10.0.0.1"), NOW.plus_ms(10_000)), Ok(()));
        assert_eq!(limit.check(ip("10.0.0.1"), NOW.plus_ms(10_000)), Err(10));
    }

    #[test]
    fn a_bucket_outlives_the_turn_of_a_generation() {
        let limit = RateLimit::new(60);
        for _ in 0..60 {
            assert_eq!(limit.check(ip("10.0.0.1"), NOW), Ok(()));
        }
        assert!(limit.check(ip("10.0.0.1"), NOW).is_err());
        // Strangers fill the young generation.
        for n in 0..MAX_KEYS as u32 {
            let _ = limit.check(IpAddr::V4(n.into()), NOW);
        }
        assert!(limit.check(ip("10.0.0.1"), NOW).is_err(), "still known as empty");
    }

    #[test]
    fn a_million_addresses_take_a_bounded_place_and_are_forgotten() {
        let limit = RateLimit::new(60);
        for n in 0..1_000_000_u32 {
            assert_eq!(limit.check(IpAddr::V4((0x0a00_0000 + n).into()), NOW), Ok(()));
        }
        assert!(limit.remembered() <= 2 * MAX_KEYS, "{}", limit.remembered());
        let _ = limit.check(ip("10.0.0.1"), NOW.plus_ms(60_000));
        let _ = limit.check(ip("10.0.0.1"), NOW.plus_ms(120_000));
        assert!(limit.remembered() <= 2, "{}", limit.remembered());
    }

    #[test]
    fn counts_ipv6_by_network_and_mapped_ipv4_as_ipv4() {
        let limit = RateLimit::new(1);
        assert_eq!(limit.check(ip("2001:db8:1:2::4"), NOW), Ok(()));
        assert!(limit.check(ip("2001:db8:1:2:ffff::1"), NOW).is_err());
        assert_eq!(limit.check(ip("2001:db8:1:3::4"), NOW), Ok(()));
        assert_eq!(limit.check(ip("10.0.0.1"), NOW), Ok(()));
        assert!(limit.check(ip("::ffff:10.0.0.1"), NOW).is_err());
    }

    #[test]
    fn a_clock_that_steps_back_gives_nothing_for_free() {
        let limit = RateLimit::new(1);
        assert_eq!(limit.check(ip("10.0.0.1"), NOW), Ok(()));
        assert!(limit.check(ip("10.0.0.1"), NOW.plus_ms(-3_600_000)).is_err());
        assert!(limit.check(ip("10.0.0.1"), NOW).is_err());
    }
}
