//! How many series this process writes: each costs the server memory for as long as it is kept.

/// The series that were let pass.
#[derive(Debug)]
pub(crate) struct SeriesSet {
    /// Hashes: among a million series two share one with a chance of 1 in 30 million, and then one
    /// series too many is let pass.
    seen: std::collections::HashSet<u64, ahash::RandomState>,
    hasher: ahash::RandomState,
    max: usize,
    refused: u64,
}

impl SeriesSet {
    pub(crate) fn new(max: usize) -> Self {
        Self { seen: Default::default(), hasher: ahash::RandomState::new(), max, refused: 0 }
    }

    /// Whether a point of the series (measurement and tags of its line) may be written.
    pub(crate) fn admit(&mut self, series: &str) -> bool {
        let hash = self.hasher.hash_one(series);
        let pass = match self.seen.len() < self.max {
            true => {
                self.seen.insert(hash);
                true
            }
            false => self.seen.contains(&hash),
        };
        if !pass && self.refused == 0 {
            let max = self.max;
            tracing::warn!(max, "influxdb: points of more than `max_series` series are refused");
        }
        self.refused += u64::from(!pass);
        pass
    }

    /// Series let pass.
    pub(crate) fn len(&self) -> usize {
        self.seen.len()
    }

    /// Points refused.
    pub(crate) fn refused(&self) -> u64 {
        self.refused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_series_pass_when_no_further_ones_do() {
        let mut set = SeriesSet::new(2);
        let asked = ["a", "b", "c", "a", "b", "d"].map(|s| set.admit(s));
        assert_eq!(asked, [true, true, false, true, true, false]);
        assert_eq!((set.len(), set.refused()), (2, 2));
    }
}
