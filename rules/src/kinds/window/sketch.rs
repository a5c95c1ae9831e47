//! Percentiles and counts of different things in bounded memory.

use serde::{Deserialize, Serialize};

use super::aggregate::rank;

/// So many values are kept as they are.
pub(super) const MOST_EXACT: usize = 512;
/// So many buckets a sketch has at most.
const MOST_BUCKETS: usize = 512;
/// So many different things are told apart in one pane.
pub(super) const MOST_KEYS: usize = 1024;
/// Mantissa bits that name a bucket: 64 buckets per octave.
const FINE_BITS: u32 = 6;

/// The values of a pane: exact up to [`MOST_EXACT`], then a [`Sketch`]. At most 4 KiB.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Values {
    /// In order of arrival.
    Exact(Vec<f64>),
    Sketch(Sketch),
}

impl Default for Values {
    fn default() -> Self {
        Self::Exact(Vec::new())
    }
}

impl Values {
    pub(super) fn add(&mut self, v: f64) {
        match self {
            Self::Exact(values) if values.len() < MOST_EXACT => values.push(v),
            Self::Exact(values) => {
                let mut sketch = Sketch::default();
                values.iter().for_each(|v| sketch.add(*v));
                sketch.add(v);
                *self = Self::Sketch(sketch);
            }
            Self::Sketch(sketch) => sketch.add(v),
        }
    }

    /// The percentile of all panes together (nearest rank): exact if all of them are, else the
    /// middle of its bucket in the coarsest of their sketches.
    pub(super) fn percentile<'a>(panes: impl Iterator<Item = &'a Self>, p: f64) -> Option<f64> {
        let panes: Vec<&Self> = panes.collect();
        let coarse = panes.iter().filter_map(|v| v.halvings()).max();
        let Some(coarse) = coarse else {
            let exact = |v: &&'a Self| if let Self::Exact(x) = v { x.as_slice() } else { &[] };
            let mut all: Vec<f64> = panes.iter().flat_map(exact).copied().collect();
            let at = rank(p, all.len() as u64) as usize - 1;
            return (at < all.len()).then(|| *all.select_nth_unstable_by(at, f64::total_cmp).1);
        };
        let mut all: Vec<(i32, u32)> = Vec::new();
        for values in panes {
            match values {
                Self::Exact(x) => all.extend(x.iter().map(|v| (bucket(*v) >> coarse, 1))),
                Self::Sketch(s) => {
                    let shift = coarse - s.halvings;
                    all.extend(s.buckets.iter().map(|(b, n)| (b >> shift, *n)));
                }
            }
        }
        all.sort_unstable();
        let count = all.iter().map(|(_, n)| u64::from(*n)).sum();
        let rank = rank(p, count);
        let mut below = 0;
        for (b, n) in all {
            below += u64::from(n);
            if below >= rank {
                return Some(middle(b, coarse));
            }
        }
        None
    }

    /// Of a sketch.
    fn halvings(&self) -> Option<u32> {
        if let Self::Sketch(s) = self { Some(s.halvings) } else { None }
    }

    /// How coarse a percentile of these panes is: 0 if exact, else 1 more than the times that
    /// buckets were joined. See [`error`].
    pub(super) fn coarse<'a>(panes: impl Iterator<Item = &'a Self>) -> u8 {
        panes.filter_map(Self::halvings).max().map_or(0, |h| h.min(FINE_BITS) as u8 + 1)
    }

    pub(super) fn heap_bytes(&self) -> usize {
        match self {
            Self::Exact(values) => values.capacity() * size_of::<f64>(),
            Self::Sketch(s) => s.buckets.capacity() * size_of::<(i32, u32)>(),
        }
    }
}

/// Counts of values in buckets of equal relative width, like HdrHistogram's (64 linear buckets per
/// octave, found by the bits of the number alone: the same on every machine, no logarithm). The
/// middle of a bucket is at most 1/128 = 0.8 % from any value in it. When more than
/// [`MOST_BUCKETS`] are in use every two neighbours become one (uniform collapse, Epicoco et al.,
/// "UDDSketch", 2020), which doubles that error: values of one sign from 1 to 256 fit without any,
/// from 1 to 65,000 with 1.6 %, from 1e-9 to 1e10 with 6 %. Sizes below 2^-40 count as 0, those
/// beyond 2^64 as that, so that even hostile values leave 25 %.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Sketch {
    halvings: u32,
    /// Sorted, which is also the order of the values.
    buckets: Vec<(i32, u32)>,
}

impl Sketch {
    fn add(&mut self, v: f64) {
        let b = bucket(v) >> self.halvings;
        match self.buckets.binary_search_by_key(&b, |(b, _)| *b) {
            Ok(i) => self.buckets[i].1 = self.buckets[i].1.saturating_add(1),
            Err(i) => {
                self.buckets.insert(i, (b, 1));
                while self.buckets.len() > MOST_BUCKETS {
                    self.halve();
                }
            }
        }
    }

    fn halve(&mut self) {
        self.halvings += 1;
        self.buckets.iter_mut().for_each(|(b, _)| *b >>= 1);
        self.buckets.dedup_by(|from, into| {
            let same = from.0 == into.0;
            if same {
                into.1 = into.1.saturating_add(from.1);
            }
            same
        });
    }
}

/// Largest relative error of a percentile.
pub(super) fn error(coarse: u8) -> f64 {
    match u32::from(coarse) {
        0 => 0.0,
        n => 0.5 / f64::from(1u32 << (FINE_BITS + 1).saturating_sub(n)),
    }
}

/// Sign, exponent and first bits of the mantissa as one number that climbs with the value.
fn bucket(v: f64) -> i32 {
    const LEAST: f64 = 1.0 / (1u64 << 40) as f64;
    const MOST: f64 = u64::MAX as f64;
    if v.abs() < LEAST {
        return 0;
    }
    let size = (v.abs().min(MOST).to_bits() >> (52 - FINE_BITS)) as i32;
    if v < 0.0 { !size } else { size }
}

/// The middle of a bucket.
fn middle(bucket: i32, halvings: u32) -> f64 {
    let size = if bucket < 0 { !bucket } else { bucket };
    let shift = 52 - FINE_BITS + halvings;
    let low = (size as u64) << shift;
    let v = f64::from_bits(low | (1 << (shift - 1)));
    match size {
        0 => 0.0,
        _ if bucket < 0 => -v,
        _ => v,
    }
}

/// Different things in a pane; beyond [`MOST_KEYS`] new ones are not told apart any more.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Keys(Vec<u64>);

impl Keys {
    pub(super) fn add(&mut self, key: u64) {
        if let Err(i) = self.0.binary_search(&key)
            && self.0.len() < MOST_KEYS
        {
            self.0.insert(i, key);
        }
    }

    /// How many different ones all panes hold together.
    pub(super) fn distinct<'a>(panes: impl Iterator<Item = &'a Self>) -> usize {
        let mut panes: Vec<&[u64]> = panes.map(|k| k.0.as_slice()).collect();
        if let [one] = panes.as_slice() {
            return one.len();
        }
        panes.retain(|p| !p.is_empty());
        let mut all = panes.concat();
        all.sort_unstable();
        all.dedup();
        all.len()
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.0.capacity() * size_of::<u64>()
    }
}

/// A number as a key that climbs with it; both zeros are one.
pub(super) fn key_of(v: f64) -> u64 {
    let bits = (v + 0.0).to_bits();
    if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
}

/// The number of a key.
pub(super) fn value_of(key: u64) -> f64 {
    f64::from_bits(if key >> 63 == 1 { key & !(1 << 63) } else { !key })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn exact(all: &[f64], p: f64) -> f64 {
        let mut all = all.to_vec();
        all.sort_by(f64::total_cmp);
        all[rank(p, all.len() as u64) as usize - 1]
    }

    #[test]
    fn keys_climb_with_their_numbers_and_give_them_back() {
        let numbers = [f64::MIN, -3.5, -1e-9, -1e-300, -0.0, 1e-300, 2.0, 1e9, f64::MAX];
        for pair in numbers.windows(2) {
            assert!(key_of(pair[0]) < key_of(pair[1]), "{pair:?}");
            assert!(bucket(pair[0]) <= bucket(pair[1]), "{pair:?}");
            assert_eq!(value_of(key_of(pair[0])), pair[0]);
        }
        assert_eq!(key_of(-0.0), key_of(0.0));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_sketch_keeps_its_documented_error(
            values in prop::collection::vec(-400i32..40_000, 600..3000),
            extremes in prop::collection::vec(-60i32..60, 0..3),
            split in 1usize..9,
            p in 1u32..=100,
        ) {
            let extremes = extremes.into_iter().map(|e| f64::from(e.signum()) * 2f64.powi(e.abs()));
            let all: Vec<f64> =
                values.iter().map(|v| f64::from(*v) / 4.0).chain(extremes).collect();
            let mut panes = vec![Values::default(); split];
            for (i, v) in all.iter().enumerate() {
                // One pane gets most of them: exact panes and sketches must add up.
                panes[if i % 4 == 0 { i % split } else { 0 }].add(*v);
            }
            let p = f64::from(p);
            let got = Values::percentile(panes.iter(), p).expect("not empty");
            let (expect, bound) = (exact(&all, p), error(Values::coarse(panes.iter())));
            prop_assert!(bound <= 1.0 / 16.0, "{bound}");
            let off = (got - expect).abs();
            prop_assert!(off <= expect.abs() * bound * 1.000_001, "{got} {expect} {bound}");
        }

        #[test]
        fn few_values_are_exact(
            values in prop::collection::vec(-1e6f64..1e6, 1..512), split in 1usize..9,
            p in 1u32..=100,
        ) {
            let mut panes = vec![Values::default(); split];
            values.iter().enumerate().for_each(|(i, v)| panes[i % split].add(*v));
            let p = f64::from(p);
            prop_assert_eq!(Values::percentile(panes.iter(), p), Some(exact(&values, p)));
            prop_assert_eq!(error(Values::coarse(panes.iter())), 0.0);
        }
    }

    #[test]
    fn a_sketch_of_hostile_values_stays_small() {
        let mut values = Values::default();
        let mut bits = 1u64;
        for _ in 0..100_000 {
            bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let v = f64::from_bits(bits);
            values.add(if v.is_finite() { v } else { 0.0 });
        }
        assert!(values.heap_bytes() <= 8 * 2 * MOST_BUCKETS, "{}", values.heap_bytes());
        assert!(error(Values::coarse([&values].into_iter())) <= 0.25);
        let mut keys = Keys::default();
        (0..5000).for_each(|k| keys.add(k));
        assert!(keys.0.len() == MOST_KEYS && Keys::distinct([&keys].into_iter()) == MOST_KEYS);
    }
}
