//! What is kept of the readings of a span of time, and the number that comes out of it.

use std::collections::BTreeSet;

use ioc_model::{Detection, Name};
use serde::{Deserialize, Serialize};

use super::dd::Dd;
use super::sketch::{Keys, Values, key_of};
use crate::rule::fnv1a;

/// The number of a window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Aggregate {
    Count,
    Sum,
    Mean,
    /// Mean of levels in dB: of the energies, as LAeq is defined (ISO 1996-1).
    MeanLevel,
    Min,
    Max,
    /// Sample standard deviation (n - 1).
    Stddev,
    /// Nearest rank: the smallest reading that at least so many percent do not exceed.
    Percentile(f64),
    Distinct(Of),
}

/// What is told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Of {
    Value,
    Device,
    /// Of detections.
    Object,
    Zone,
    Type,
}

impl Of {
    pub(super) const WORDS: [(&'static str, Self); 5] = [
        ("value", Self::Value),
        ("device", Self::Device),
        ("object", Self::Object),
        ("zone", Self::Zone),
        ("type", Self::Type),
    ];

    pub(super) fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, of)| *of == self).map_or("", |(w, _)| w)
    }
}

/// What is counted of camera events; empty sets do not restrict.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Events {
    pub(super) kinds: BTreeSet<Name>,
    pub(super) objects: BTreeSet<Name>,
    pub(super) zones: BTreeSet<Name>,
    pub(super) min_confidence: f64,
}

impl Events {
    pub(super) fn fit(&self, d: &Detection) -> bool {
        let among = |set: &BTreeSet<Name>, what: &Option<Name>| {
            set.is_empty() || what.as_ref().is_some_and(|w| set.contains(w))
        };
        self.kinds.contains(&d.kind)
            && among(&self.objects, &d.object)
            && among(&self.zones, &d.zone)
            && d.confidence.is_none_or(|c| c >= self.min_confidence)
            && d.count.is_none_or(f64::is_finite)
    }
}

impl Of {
    /// What of a reading or event is told apart; `None`: the event does not say.
    pub(super) fn key(self, v: f64, device: &Name, event: Option<&Detection>) -> Option<u64> {
        let name = match self {
            Self::Value => return Some(key_of(v)),
            Self::Device => Some(device),
            Self::Object => event.and_then(|d| d.object.as_ref()),
            Self::Zone => event.and_then(|d| d.zone.as_ref()),
            Self::Type => event.map(|d| &d.kind),
        };
        name.map(|name| fnv1a(name.as_bytes()))
    }
}

/// A reading on its way into a window.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Item {
    pub(super) t: i64,
    pub(super) v: f64,
    /// What [`Aggregate::Distinct`] tells apart; else 0.
    pub(super) key: u64,
}

/// Count, sum, spread and extremes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Moments {
    pub(super) count: u64,
    /// Of the summands, see [`Aggregate::summand`].
    pub(super) sum: Dd,
    /// Sum of the squared distances from the mean; only for a standard deviation.
    pub(super) squares: Dd,
    pub(super) min: f64,
    pub(super) max: f64,
}

impl Moments {
    pub(super) const EMPTY: Self = Self {
        count: 0,
        sum: Dd::ZERO,
        squares: Dd::ZERO,
        min: f64::INFINITY,
        max: f64::NEG_INFINITY,
    };

    fn mean(&self) -> Dd {
        self.sum.over(self.count as f64)
    }

    /// Both together. The spread is that of Chan, Golub and LeVeque ("Updating formulae and a
    /// pairwise algorithm for computing sample variances", 1979); with one reading on a side it is
    /// Welford's.
    #[inline]
    pub(super) fn and(&self, other: &Self, aggregate: Aggregate) -> Self {
        let mut both = Self {
            count: self.count + other.count,
            sum: self.sum.and(other.sum),
            squares: Dd::ZERO,
            min: self.min.min(other.min),
            max: self.max.max(other.max),
        };
        if aggregate == Aggregate::Stddev {
            both.squares = self.squares.and(other.squares);
            if self.count > 0 && other.count > 0 {
                let apart = other.mean().minus(self.mean());
                let (a, b) = (self.count as f64, other.count as f64);
                let weight = Dd::ZERO.plus(a).times(Dd::ZERO.plus(b)).over(a + b);
                both.squares = both.squares.and(apart.times(apart).times(weight));
            }
        }
        both
    }

    #[inline]
    pub(super) fn add(&mut self, v: f64, aggregate: Aggregate) {
        let summand = aggregate.summand(v);
        if aggregate == Aggregate::Stddev {
            let one = Self { count: 1, sum: Dd::ZERO.plus(v), squares: Dd::ZERO, min: v, max: v };
            *self = self.and(&one, aggregate);
            return;
        }
        self.count += 1;
        self.sum = self.sum.plus(summand);
        self.min = self.min.min(v);
        self.max = self.max.max(v);
    }
}

/// What aggregates need that sums do not tell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Kept {
    Values(Values),
    Keys(Keys),
}

/// The content of one span of time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Pane {
    pub(super) moments: Moments,
    pub(super) kept: Option<Box<Kept>>,
}

impl Default for Pane {
    fn default() -> Self {
        Self { moments: Moments::EMPTY, kept: None }
    }
}

impl Pane {
    pub(super) fn is_empty(&self) -> bool {
        self.moments.count == 0
    }

    #[inline]
    pub(super) fn add(&mut self, item: Item, aggregate: Aggregate) {
        self.moments.add(item.v, aggregate);
        if aggregate.keeps() {
            self.keep(item, aggregate);
        }
    }

    fn keep(&mut self, item: Item, aggregate: Aggregate) {
        let kept = self.kept.get_or_insert_with(|| {
            Box::new(match aggregate {
                Aggregate::Distinct(_) => Kept::Keys(Keys::default()),
                _ => Kept::Values(Values::default()),
            })
        });
        match kept.as_mut() {
            Kept::Values(values) => values.add(item.v),
            Kept::Keys(keys) => keys.add(item.key),
        }
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.kept.as_ref().map_or(0, |k| size_of::<Kept>() + k.heap_bytes())
    }
}

impl Kept {
    pub(super) fn values(&self) -> Option<&Values> {
        if let Self::Values(values) = self { Some(values) } else { None }
    }

    fn keys(&self) -> Option<&Keys> {
        if let Self::Keys(keys) = self { Some(keys) } else { None }
    }

    pub(super) fn heap_bytes(&self) -> usize {
        match self {
            Self::Values(values) => values.heap_bytes(),
            Self::Keys(keys) => keys.heap_bytes(),
        }
    }
}

impl Aggregate {
    /// What is summed up of a reading.
    #[inline]
    fn summand(self, value: f64) -> f64 {
        if self == Self::MeanLevel { 10f64.powf(value / 10.0) } else { value }
    }

    /// Sums do not suffice.
    #[inline]
    pub(super) fn keeps(self) -> bool {
        matches!(self, Self::Percentile(_) | Self::Distinct(_))
    }

    /// A window without readings has this number too: nothing.
    pub(super) fn counts(self) -> bool {
        matches!(self, Self::Count | Self::Sum | Self::Distinct(_))
    }

    /// The number of spans that make up one window; `None` where it has none.
    pub(super) fn value<'a>(
        self,
        moments: &Moments,
        kept: impl Iterator<Item = &'a Kept>,
    ) -> Option<f64> {
        let count = moments.count as f64;
        let value = match self {
            Self::Count => count,
            Self::Sum => moments.sum.get(),
            Self::Distinct(_) => Keys::distinct(kept.filter_map(Kept::keys)) as f64,
            _ if moments.count == 0 => return None,
            Self::Mean => moments.sum.get() / count,
            Self::MeanLevel => 10.0 * (moments.sum.get() / count).log10(),
            Self::Min => moments.min,
            Self::Max => moments.max,
            Self::Stddev if moments.count < 2 => return None,
            Self::Stddev => moments.squares.over(count - 1.0).get().max(0.0).sqrt(),
            Self::Percentile(p) => Values::percentile(kept.filter_map(Kept::values), p)?,
        };
        value.is_finite().then_some(value)
    }
}

/// Rank of a percentile among `count` values, from 1 (nearest rank).
pub(super) fn rank(p: f64, count: u64) -> u64 {
    // 99.9 * 1000 / 100 must be 999, not 999.0000000000001.
    let exact = p * count as f64 / 100.0;
    ((exact - exact * 1e-12).ceil() as u64).clamp(1, count.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rank_is_the_nearest() {
        let cases = [(50.0, 5, 3), (50.0, 4, 2), (95.0, 20, 19), (99.9, 1000, 999), (100.0, 7, 7)];
        for (p, n, expect) in cases {
            assert_eq!(rank(p, n), expect, "{p} of {n}");
        }
        assert_eq!(rank(1.0, 3), 1);
    }

    #[test]
    fn the_spread_does_not_suffer_from_a_large_mean() {
        // NIST StRD NumAcc4: mean 10000000.2, standard deviation 0.1, n = 1001; plain sums of
        // squares lose every digit of it.
        let mut moments = Moments::EMPTY;
        moments.add(10_000_000.2, Aggregate::Stddev);
        for _ in 0..500 {
            moments.add(10_000_000.1, Aggregate::Stddev);
            moments.add(10_000_000.3, Aggregate::Stddev);
        }
        let got = Aggregate::Stddev.value(&moments, std::iter::empty()).expect("two or more");
        // 0.1 is not exact at this distance from 0: the numbers themselves are off by 1e-9.
        assert!((got - 0.1).abs() < 2e-9, "{got}");
    }
}
