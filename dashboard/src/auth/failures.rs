//! Refused sign-ins for the audit log: the first at once, those that follow within a minute as a
//! number on the next, so that who guesses cannot flood it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use ioc_model::Timestamp;

const AT_MOST_EVERY_MS: i64 = 60_000;
/// Kept pairs of account and address; more are forgotten all at once.
const MOST: usize = 10_000;

type Key = (Option<String>, Option<IpAddr>);

/// When a key was last written down, and how often it was refused since.
#[derive(Debug, Default)]
pub(super) struct Failures(Mutex<HashMap<Key, (Timestamp, u64)>>);

impl Failures {
    /// Counts one; the number to write down, if it is time to.
    pub fn count(&self, key: Key, now: Timestamp) -> Option<u64> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if held.len() >= MOST {
            held.clear();
        }
        match held.get_mut(&key) {
            Some((at, n)) if now.since_ms(*at) < AT_MOST_EVERY_MS => {
                *n += 1;
                None
            }
            before => {
                let n = before.map_or(0, |(_, n)| *n) + 1;
                held.insert(key, (now, 0));
                Some(n)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_written_at_once_and_then_summed_up() {
        let failures = Failures::default();
        let key = |name: &str| (Some(name.to_owned()), Some(IpAddr::from([10, 0, 0, 1])));
        assert_eq!(failures.count(key("an"), Timestamp(0)), Some(1));
        for s in 1..60 {
            assert_eq!(failures.count(key("an"), Timestamp(s * 1_000)), None);
        }
        assert_eq!(failures.count(key("lan"), Timestamp(1)), Some(1), "another account");
        assert_eq!(failures.count(key("an"), Timestamp(60_000)), Some(60), "none is lost");
    }
}
