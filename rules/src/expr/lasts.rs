//! The last values of a device's properties.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

/// Last value and its time per input; 16 bytes each, two of them without the heap.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Lasts {
    values: SmallVec<[(f64, i64); 2]>,
    /// Time of the newest of them.
    pub(crate) newest: i64,
}

/// No value yet.
const NEVER: i64 = i64::MIN;

impl Lasts {
    /// Takes the values of a message of time `t`; a value does not replace a newer one.
    #[inline]
    pub(crate) fn take(&mut self, t: i64, values: &[(u8, f64)]) {
        if self.values.is_empty() {
            self.newest = t;
        }
        for (input, value) in values {
            let i = usize::from(*input);
            if i >= self.values.len() {
                self.values.resize(i + 1, (0.0, NEVER));
            }
            if t >= self.values[i].1 {
                self.values[i] = (*value, t);
            }
        }
        self.newest = self.newest.max(t);
    }

    /// The value, if it is not older than `fresh_ms` at `t`.
    #[inline]
    pub(crate) fn get(&self, input: u8, t: i64, fresh_ms: i64) -> Option<f64> {
        let (value, at) = *self.values.get(usize::from(input))?;
        (at != NEVER && t.saturating_sub(at) <= fresh_ms).then_some(value)
    }

    /// The value however old, with its time.
    pub(crate) fn last(&self, input: u8) -> Option<(f64, i64)> {
        self.values.get(usize::from(input)).copied().filter(|(_, at)| *at != NEVER)
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        if self.values.spilled() { self.values.capacity() * size_of::<(f64, i64)>() } else { 0 }
    }
}
