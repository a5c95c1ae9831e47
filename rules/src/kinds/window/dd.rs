//! Sums that do not depend on the order of their summands.
//!
//! A number in two parts (double-double, Dekker 1971; the algorithms are those of Hida, Li and
//! Bailey, "Library for double-double and quad-double arithmetic", 2007). It carries about 106
//! bits, so that rounding to a plain number at the end gives the same for any order of arrival,
//! and nothing drifts in a window that runs for a year.

use serde::{Deserialize, Serialize};

/// `hi + lo`, where `lo` is at most half a unit in the last place of `hi`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Dd {
    hi: f64,
    lo: f64,
}

impl Dd {
    pub(super) const ZERO: Self = Self { hi: 0.0, lo: 0.0 };

    /// Exact sum of two numbers (Knuth).
    #[inline]
    fn exact_sum(a: f64, b: f64) -> Self {
        let hi = a + b;
        let of_b = hi - a;
        Self { hi, lo: (a - (hi - of_b)) + (b - of_b) }
    }

    /// Exact sum if `a` is the larger one (Dekker).
    #[inline]
    fn ordered_sum(a: f64, b: f64) -> Self {
        let hi = a + b;
        Self { hi, lo: b - (hi - a) }
    }

    #[inline]
    fn exact_product(a: f64, b: f64) -> Self {
        let hi = a * b;
        Self { hi, lo: a.mul_add(b, -hi) }
    }

    #[inline]
    pub(super) fn plus(self, v: f64) -> Self {
        let s = Self::exact_sum(self.hi, v);
        Self::ordered_sum(s.hi, s.lo + self.lo)
    }

    #[inline]
    pub(super) fn and(self, other: Self) -> Self {
        let s = Self::exact_sum(self.hi, other.hi);
        let t = Self::exact_sum(self.lo, other.lo);
        let v = Self::ordered_sum(s.hi, s.lo + t.hi);
        Self::ordered_sum(v.hi, t.lo + v.lo)
    }

    pub(super) fn minus(self, other: Self) -> Self {
        self.and(Self { hi: -other.hi, lo: -other.lo })
    }

    pub(super) fn times(self, other: Self) -> Self {
        let p = Self::exact_product(self.hi, other.hi);
        Self::ordered_sum(p.hi, p.lo + (self.hi * other.lo + self.lo * other.hi))
    }

    pub(super) fn over(self, divisor: f64) -> Self {
        let first = self.hi / divisor;
        let rest = self.minus(Self::exact_product(first, divisor));
        let second = rest.hi / divisor;
        let rest = rest.minus(Self::exact_product(second, divisor));
        Self::ordered_sum(first, second).plus(rest.hi / divisor)
    }

    #[inline]
    pub(super) fn get(self) -> f64 {
        self.hi
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_plain_sums_lose() {
        let sum = [1e16, 1.0, -1e16].into_iter().fold(Dd::ZERO, Dd::plus);
        assert_eq!(sum.get(), 1.0);
        let third = Dd::ZERO.plus(1.0).over(3.0);
        let one = third.and(third).and(third);
        assert!(one.minus(Dd::ZERO.plus(1.0)).get().abs() < 1e-31, "{one:?}");
        let square = third.times(third).minus(Dd::ZERO.plus(1.0).over(9.0));
        assert!(square.get().abs() < 1e-31, "{square:?}");
    }
}
