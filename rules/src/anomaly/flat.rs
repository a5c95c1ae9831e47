//! A value that does not move any more.

use serde::{Deserialize, Serialize};

/// Values before anything is judged.
const WARM_UP: f64 = 100.0;
/// A run must be so much longer than the longest before.
const LONGER: f64 = 1.5;
/// More surprise does not come of waiting longer.
const MOST: f64 = 15.0;

/// How long the value has been the same, and how usual that is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Flat {
    /// Repeats in the present run.
    run: f64,
    /// Longest run before.
    longest: f64,
    /// Of so many values after a repeat …
    after: f64,
    /// … so many were repeats too.
    again: f64,
}

impl Flat {
    /// Surprise by a run of equal values: −ln of the probability that a run goes on so long, by
    /// how often one went on before (runs as a geometric distribution).
    pub(super) fn step(&mut self, same: bool, seen: f64) -> f64 {
        if self.run > 0.0 {
            self.after += 1.0;
            self.again += f64::from(u8::from(same));
        }
        if !same {
            self.longest = self.longest.max(self.run);
            self.run = 0.0;
            return 0.0;
        }
        let before = (self.again - self.run + 1.0).max(1.0);
        let goes_on = before / (self.after - self.run + 4.0).max(2.0);
        self.run += 1.0;
        if self.run <= LONGER * self.longest || seen < WARM_UP {
            return 0.0;
        }
        (-self.run * goes_on.min(0.9999).ln() - 4f64.ln()).clamp(0.0, MOST)
    }
}
