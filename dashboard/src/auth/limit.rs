//! Token buckets against guessing. They slow; they never lock an account: after a wait of
//! seconds the next attempt is let through, and addresses that signed in before are not slowed
//! by strangers' attempts on the account.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};

use ioc_model::Timestamp;

use super::SignInError;

/// Keys kept; when there are more, full buckets are forgotten first, then the oldest.
const MAX_KEYS: usize = 10_000;

/// How many attempts at once, and how fast they come back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    pub burst: f64,
    pub per_minute: f64,
}

impl Rate {
    fn per_ms(self) -> f64 {
        self.per_minute / 60_000.0
    }
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    at: Timestamp,
}

/// Buckets by key.
#[derive(Debug)]
pub(crate) struct Limiter<K> {
    rate: Rate,
    buckets: HashMap<K, Bucket, ahash::RandomState>,
}

impl<K: Hash + Eq + Clone> Limiter<K> {
    pub fn new(rate: Rate) -> Self {
        Self { rate, buckets: HashMap::default() }
    }

    /// Takes one attempt.
    pub fn take(&mut self, key: K, now: Timestamp) -> Result<(), SignInError> {
        if self.buckets.len() >= MAX_KEYS && !self.buckets.contains_key(&key) {
            self.forget(now);
        }
        let rate = self.rate;
        let bucket = self.buckets.entry(key).or_insert(Bucket { tokens: rate.burst, at: now });
        bucket.tokens = filled(*bucket, rate, now);
        bucket.at = now;
        if bucket.tokens < 1.0 {
            let wait_ms = (1.0 - bucket.tokens) / rate.per_ms();
            return Err(SignInError::TooMany { retry_after_s: (wait_ms / 1_000.0).ceil() as u64 });
        }
        bucket.tokens -= 1.0;
        Ok(())
    }

    /// Gives an attempt back: it was right.
    pub fn give_back(&mut self, key: &K) {
        if let Some(bucket) = self.buckets.get_mut(key) {
            bucket.tokens = (bucket.tokens + 1.0).min(self.rate.burst);
        }
    }

    fn forget(&mut self, now: Timestamp) {
        let rate = self.rate;
        self.buckets.retain(|_, b| filled(*b, rate, now) < rate.burst);
        if self.buckets.len() >= MAX_KEYS {
            let oldest = self.buckets.iter().min_by_key(|(_, b)| b.at).map(|(k, _)| k.clone());
            if let Some(key) = oldest {
                self.buckets.remove(&key);
            }
        }
    }
}

fn filled(bucket: Bucket, rate: Rate, now: Timestamp) -> f64 {
    let waited = now.since_ms(bucket.at).max(0) as f64;
    (bucket.tokens + waited * rate.per_ms()).min(rate.burst)
}

/// The address that is counted: one customer has a whole IPv6 /64.
pub(crate) fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => {
            let s = v6.segments();
            IpAddr::V6(Ipv6Addr::new(s[0], s[1], s[2], s[3], 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { burst: 2.0, per_minute: 6.0 };

    #[test]
    fn refuses_after_the_burst_and_says_how_long() {
        let mut limiter = Limiter::new(RATE);
        let now = Timestamp(1_000_000);
        assert!(limiter.take("a", now).is_ok());
        assert!(limiter.take("a", now).is_ok());
        let refused = limiter.take("a", now);
        assert!(matches!(refused, Err(SignInError::TooMany { retry_after_s: 10 })), "{refused:?}");
        assert!(limiter.take("b", now).is_ok(), "another key has its own allowance");
        assert!(limiter.take("a", now.plus_ms(10_000)).is_ok(), "never locked out");
    }

    #[test]
    fn forgets_keys_instead_of_growing() {
        let mut limiter = Limiter::new(RATE);
        for i in 0..MAX_KEYS as i64 + 500 {
            assert!(limiter.take(i, Timestamp(i)).is_ok());
        }
        assert!(limiter.buckets.len() <= MAX_KEYS);
    }

    #[test]
    fn counts_ipv6_by_network_and_mapped_ipv4_as_ipv4() {
        let ip = |t: &str| t.parse::<IpAddr>().expect("an address");
        assert_eq!(network_of(ip("2001:db8:1:2:3::4")), ip("2001:db8:1:2::"));
        assert_eq!(network_of(ip("::ffff:10.0.0.1")), ip("10.0.0.1"));
    }
}
