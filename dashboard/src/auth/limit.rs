//! Limits against guessing: so many attempts in any minute. They slow; they never lock an account:
//! a refused attempt is not counted, after at most the window the next one is let through, and
//! addresses that signed in before are not slowed by strangers' attempts on the account.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};

use ioc_model::Timestamp;

use super::SignInError;

/// Keys kept; when there are more, those without attempts are forgotten first, then the oldest.
const MAX_KEYS: usize = 10_000;

/// How many attempts in any stretch of time this long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    pub most: usize,
    pub within_ms: i64,
}

/// The attempts of the last while, by key.
#[derive(Debug)]
pub(crate) struct Limiter<K> {
    rate: Rate,
    attempts: HashMap<K, VecDeque<Timestamp>, ahash::RandomState>,
}

impl<K: Hash + Eq + Clone> Limiter<K> {
    pub fn new(rate: Rate) -> Self {
        Self { rate, attempts: HashMap::default() }
    }

    /// May there be one more now?
    pub fn room(&mut self, key: &K, now: Timestamp) -> Result<(), SignInError> {
        let rate = self.rate;
        let Some(attempts) = self.attempts.get_mut(key) else { return Ok(()) };
        attempts.retain(|at| now.since_ms(*at) < rate.within_ms);
        let Some(first) = attempts.front().filter(|_| attempts.len() >= rate.most) else {
            return Ok(());
        };
        let wait_ms = rate.within_ms - now.since_ms(*first);
        Err(SignInError::TooMany { retry_after_s: (wait_ms.max(1) as u64).div_ceil(1_000) })
    }

    /// Takes one attempt.
    pub fn take(&mut self, key: K, now: Timestamp) -> Result<(), SignInError> {
        self.room(&key, now)?;
        if self.attempts.len() >= MAX_KEYS && !self.attempts.contains_key(&key) {
            self.forget(now);
        }
        self.attempts.entry(key).or_default().push_back(now);
        Ok(())
    }

    /// Gives an attempt back: it was right.
    pub fn give_back(&mut self, key: &K) {
        if let Some(attempts) = self.attempts.get_mut(key) {
            attempts.pop_back();
        }
    }

    fn forget(&mut self, now: Timestamp) {
        let rate = self.rate;
        let alive = |at: &Timestamp| now.since_ms(*at) < rate.within_ms;
        self.attempts.retain(|_, attempts| attempts.back().is_some_and(alive));
        if self.attempts.len() >= MAX_KEYS {
            let oldest = self.attempts.iter().min_by_key(|(_, a)| a.back().copied());
            if let Some(key) = oldest.map(|(k, _)| k.clone()) {
                self.attempts.remove(&key);
            }
        }
    }
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

    const RATE: Rate = Rate { most: 2, within_ms: 60_000 };

    #[test]
    fn refuses_after_so_many_and_says_how_long() {
        let mut limiter = Limiter::new(RATE);
        let now = Timestamp(1_000_000);
        assert!(limiter.take("a", now).is_ok());
        assert!(limiter.take("a", now.plus_ms(5_000)).is_ok());
        let refused = limiter.take("a", now.plus_ms(10_000));
        assert!(matches!(refused, Err(SignInError::TooMany { retry_after_s: 50 })), "{refused:?}");
        assert!(limiter.take("b", now).is_ok(), "another key has its own allowance");
        assert!(limiter.take("a", now.plus_ms(60_000)).is_ok(), "never locked out");
        assert!(limiter.take("a", now.plus_ms(60_001)).is_err());
    }

    #[test]
    fn what_was_right_is_given_back() {
        let mut limiter = Limiter::new(RATE);
        for _ in 0..10 {
            assert!(limiter.take("a", Timestamp(1)).is_ok());
            limiter.give_back(&"a");
        }
    }

    #[test]
    fn forgets_keys_instead_of_growing() {
        let mut limiter = Limiter::new(RATE);
        for i in 0..MAX_KEYS as i64 + 500 {
            assert!(limiter.take(i, Timestamp(i)).is_ok());
        }
        assert!(limiter.attempts.len() <= MAX_KEYS);
    }

    #[test]
    fn counts_ipv6_by_network_and_mapped_ipv4_as_ipv4() {
        let ip = |t: &str| t.parse::<IpAddr>().expect("an address");
        assert_eq!(network_of(ip("2001:db8:1:2:3::4")), ip("2001:db8:1:2::"));
        assert_eq!(network_of(ip("::ffff:10.0.0.1")), ip("10.0.0.1"));
    }
}
