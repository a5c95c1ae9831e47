//! What is kept of one alert while a report is made.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use ioc_model::Text;

/// A time that has not come.
pub(crate) const NEVER: i64 = i64::MAX;

/// Held back when it was raised: no load.
pub(crate) const HELD: u8 = 1;
/// Closed as done.
pub(crate) const CLOSED: u8 = 2;
/// Rejected as false.
pub(crate) const REJECTED: u8 = 4;
/// Its rule held it together because it chattered.
pub(crate) const CHATTER: u8 = 8;

/// One alert, times in ms since the epoch. Small, because a report may be made of a million.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Episode {
    pub raised: i64,
    pub cleared: i64,
    pub acked: i64,
    pub resolved: i64,
    pub closed: i64,
    /// Rule and entity: what the standard calls one alarm.
    pub alarm: u64,
    /// 0: none.
    pub incident: u64,
    pub rule: u16,
    pub area: u16,
    pub service: u16,
    /// Highest severity, 1 to 5.
    pub severity: u8,
    pub flags: u8,
}

const _: () = assert!(size_of::<Episode>() <= 64, "a million of them must fit");

impl Episode {
    pub fn is(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// When it was no longer active: cleared, or given up before that.
    pub fn end(&self) -> i64 {
        self.cleared.min(self.closed)
    }

    /// Gone within `ms`, and nobody had acknowledged it by then.
    pub fn is_fleeting(&self, ms: i64) -> bool {
        self.cleared != NEVER
            && self.cleared.saturating_sub(self.raised) < ms
            && self.acked >= self.cleared
    }

    /// Time to acknowledge, ms. Acknowledging is wall time and may lie before an event time.
    pub fn ack_ms(&self) -> Option<i64> {
        (self.acked != NEVER).then(|| self.acked.saturating_sub(self.raised).max(0))
    }

    /// Time to resolve, ms; a rejected alert had nothing to resolve.
    pub fn resolve_ms(&self) -> Option<i64> {
        (self.resolved != NEVER && !self.is(REJECTED))
            .then(|| self.resolved.saturating_sub(self.raised).max(0))
    }
}

/// Words as small numbers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    words: Vec<String>,
    numbers: HashMap<String, u16>,
}

/// What all words beyond the most share.
const OTHERS: &str = "…";

impl Names {
    /// The number of a word. Rules, wards and services are configuration, so there are few; if
    /// there were more than 65,535, the rest would share one number.
    pub fn number(&mut self, word: &str) -> u16 {
        if let Some(n) = self.numbers.get(word) {
            return *n;
        }
        let word = if self.words.len() < usize::from(u16::MAX) { word } else { OTHERS };
        let next = u16::try_from(self.words.len()).unwrap_or(u16::MAX);
        let n = *self.numbers.entry(word.to_owned()).or_insert(next);
        if n == next && self.words.len() == usize::from(next) {
            self.words.push(word.to_owned());
        }
        n
    }

    pub fn word(&self, n: u16) -> &str {
        self.words.get(usize::from(n)).map_or(OTHERS, String::as_str)
    }

    pub fn len(&self) -> usize {
        self.words.len()
    }
}

/// What the register says of a rule beside its alerts.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct About {
    pub name: Option<Text>,
    /// Its `for` and `clear_for`, as its newest alert went by them, ms.
    pub for_ms: i64,
    pub clear_for_ms: i64,
}

/// Everything a report is made of.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sample {
    /// Raised in the time asked for, or before it and open or active in it; oldest raise first.
    pub episodes: Vec<Episode>,
    pub rules: Names,
    pub areas: Names,
    pub services: Names,
    /// Incidents that opened in the time asked for.
    pub begun: HashSet<u64>,
    /// The rules with most alerts.
    pub about: HashMap<u16, About>,
}

/// A number that stands for a text of the register; never 0. 64 bits of SipHash: among ten million
/// texts two share a number with a chance of 1 in 400,000.
pub(crate) fn key(parts: &[&str]) -> u64 {
    let mut hasher = DefaultHasher::new();
    parts.hash(&mut hasher);
    hasher.finish().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_words_than_numbers_share_the_last() {
        let mut names = Names::default();
        for i in 0..70_000 {
            let n = names.number(&format!("w{i}"));
            assert_eq!(usize::from(n), i.min(usize::from(u16::MAX)));
        }
        assert_eq!(names.number("w7"), 7);
        assert_eq!(names.word(7), "w7");
        assert_eq!(names.word(u16::MAX), "…");
        assert_eq!(names.len(), 65_536);
    }

    #[test]
    fn keys_tell_parts_apart() {
        assert_ne!(key(&["ab", "c"]), key(&["a", "bc"]));
        assert_eq!(key(&["ab", "c"]), key(&["ab", "c"]));
    }
}
