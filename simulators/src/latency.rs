//! Latencies in buckets of 1.6 % width: constant memory, exact counts.

use std::time::Duration;

/// Buckets per power of two.
const SUB: u64 = 64;
const SUB_BITS: u32 = 6;

/// A histogram of durations from 1 µs to hours.
#[derive(Clone, Debug)]
pub struct Latency {
    counts: Vec<u64>,
    total: u64,
    max_us: u64,
}

impl Default for Latency {
    fn default() -> Self {
        Self { counts: vec![0; (SUB as usize) * 40], total: 0, max_us: 0 }
    }
}

impl Latency {
    /// Counts one duration.
    pub fn add(&mut self, d: Duration) {
        let us = d.as_micros().min(u128::from(u32::MAX)) as u64;
        self.counts[index(us)] += 1;
        self.total += 1;
        self.max_us = self.max_us.max(us);
    }

    /// Adds all of another histogram.
    pub fn merge(&mut self, other: &Self) {
        for (to, from) in self.counts.iter_mut().zip(&other.counts) {
            *to += from;
        }
        self.total += other.total;
        self.max_us = self.max_us.max(other.max_us);
    }

    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.total
    }

    /// The upper edge in ms of the bucket that holds quantile `q` (0 to 1); 0 when empty.
    pub fn quantile_ms(&self, q: f64) -> f64 {
        let rank = ((self.total as f64) * q).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (n, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank && *count > 0 {
                return upper_us(n).min(self.max_us) as f64 / 1000.0;
            }
        }
        0.0
    }

    /// The largest, in ms.
    pub fn max_ms(&self) -> f64 {
        self.max_us as f64 / 1000.0
    }

    /// `p50=… p99=… p99.9=… max=…` in ms.
    pub fn summary(&self) -> String {
        format!(
            "p50={:.3} p99={:.3} p99.9={:.3} max={:.3}",
            self.quantile_ms(0.5),
            self.quantile_ms(0.99),
            self.quantile_ms(0.999),
            self.max_ms()
        )
    }
}

fn index(us: u64) -> usize {
    if us < SUB {
        return us as usize;
    }
    let power = 63 - us.leading_zeros() - SUB_BITS;
    ((u64::from(power) + 1) * SUB + ((us >> power) - SUB)) as usize
}

fn upper_us(index: usize) -> u64 {
    let index = index as u64;
    if index < SUB {
        return index;
    }
    let power = index / SUB - 1;
    ((index % SUB + SUB + 1) << power) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_within_a_bucket_of_the_sorted_values() {
        let mut values: Vec<u64> = (0..10_000u64).map(|n| (n * n) % 3_000_017).collect();
        let mut latency = Latency::default();
        for v in &values {
            latency.add(Duration::from_micros(*v));
        }
        values.sort_unstable();
        for q in [0.001, 0.5, 0.9, 0.99, 0.999, 1.0] {
            let rank = ((values.len() as f64) * q).ceil() as usize - 1;
            let exact = values[rank] as f64 / 1000.0;
            let got = latency.quantile_ms(q);
            assert!(got >= exact && got <= exact * 1.017 + 0.001, "{q}: {got} for {exact}");
        }
        assert_eq!(latency.count(), 10_000);
    }

    #[test]
    fn hours_do_not_overflow() {
        let mut latency = Latency::default();
        latency.add(Duration::from_secs(100_000));
        assert!(latency.max_ms() > 4_000_000.0);
    }
}
