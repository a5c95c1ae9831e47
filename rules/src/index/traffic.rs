//! Travel-speed index: the speed of a road in % of its free flow, and free flow learned from the
//! road's own speeds.

use serde::{Deserialize, Serialize};

/// Speeds of 160 km/h and more share the last class.
const CLASSES: usize = 32;
const CLASS_KMH: f64 = 5.0;
/// What a day's readings are worth a day later: half after 13.5 days, so that a road that is
/// rebuilt is learned anew within a month and a rainy week is not.
const DAY_KEEP: f32 = 0.95;
/// After so many days without a reading everything is forgotten (0.95^180 is 10⁻⁴).
const FORGET_DAYS: i64 = 180;
const DAY_MS: i64 = 86_400_000;

/// Speed in % of free flow; `None` without a free flow or for a negative speed.
pub(crate) fn speed_index(speed: f64, free_flow: f64) -> Option<f64> {
    (speed >= 0.0 && free_flow > 0.0).then(|| speed / free_flow * 100.0)
}

/// A slowly learned percentile of speeds: weights of 5 km/h classes that lose 5 % a day.
///
/// 152 bytes whatever the number of readings. The percentile is exact to the class and linear
/// within it. Free flow as a high percentile of the road's speeds is the practice of US agencies
/// (the 85th percentile of off-peak speeds, FHWA Urban Congestion Reports); here of all speeds,
/// in which a road that is jammed less than half of the time shows the same number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct FreeFlow {
    weights: [f32; CLASSES],
    /// Time of the first reading.
    since: i64,
    /// Day the weights are of.
    day: i64,
}

impl FreeFlow {
    pub(crate) fn new(t: i64) -> Self {
        Self { weights: [0.0; CLASSES], since: t, day: t.div_euclid(DAY_MS) }
    }

    /// Learns a speed in km/h. Readings of an earlier day count like those of the newest.
    pub(crate) fn learn(&mut self, t: i64, speed: f64) {
        let day = t.div_euclid(DAY_MS);
        if day - self.day > FORGET_DAYS {
            *self = Self::new(t);
        }
        for _ in self.day..day {
            self.weights.iter_mut().for_each(|w| *w *= DAY_KEEP);
        }
        self.day = self.day.max(day);
        let class = ((speed / CLASS_KMH) as usize).min(CLASSES - 1);
        self.weights[class] += 1.0;
    }

    /// How long it has been learning, ms.
    pub(crate) fn age_ms(&self, t: i64) -> i64 {
        t.saturating_sub(self.since)
    }

    /// The speed below which `percent` of the weight lies.
    pub(crate) fn percentile(&self, percent: f64) -> Option<f64> {
        let total: f64 = self.weights.iter().map(|w| f64::from(*w)).sum();
        if total <= 0.0 {
            return None;
        }
        let mut left = total * percent / 100.0;
        for (i, w) in self.weights.iter().enumerate() {
            let w = f64::from(*w);
            if w > 0.0 && left <= w {
                return Some((i as f64 + (left / w).clamp(0.0, 1.0)) * CLASS_KMH);
            }
            left -= w;
        }
        let last = self.weights.iter().rposition(|w| *w > 0.0)?;
        Some((last as f64 + 1.0) * CLASS_KMH)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn half_the_free_flow_is_50_percent() {
        assert_eq!(speed_index(25.0, 50.0), Some(50.0));
        assert_eq!(speed_index(60.0, 50.0), Some(120.0));
        assert_eq!(speed_index(25.0, 0.0), None);
        assert_eq!(speed_index(-1.0, 50.0), None);
    }

    #[test]
    fn a_road_that_becomes_slower_is_learned_within_a_month() {
        let mut flow = FreeFlow::new(0);
        let mut t = 0;
        for _ in 0..30 * 288 {
            flow.learn(t, 52.0);
            t += 300_000;
        }
        let before = flow.percentile(85.0).expect("learned");
        assert!((50.0..=55.0).contains(&before), "{before}");
        for day in 0..60 {
            for _ in 0..288 {
                flow.learn(t, 31.0);
                t += 300_000;
            }
            let now = flow.percentile(85.0).expect("learned");
            if day == 2 {
                assert!(now > 50.0, "three slow days are no new road: {now}");
            }
            if day == 35 {
                assert!(now < 36.0, "{now}");
            }
        }
    }

    proptest! {
        #[test]
        fn within_a_day_the_percentile_is_in_the_class_of_the_sorted_one(
            speeds in prop::collection::vec(0.0f64..155.0, 1..300),
            percent in 1.0f64..100.0,
        ) {
            let mut flow = FreeFlow::new(0);
            for s in &speeds {
                flow.learn(1_000, *s);
            }
            let mut sorted = speeds;
            sorted.sort_by(f64::total_cmp);
            let at = (sorted.len() as f64 * percent / 100.0).ceil() as usize;
            let naive = sorted[at.clamp(1, sorted.len()) - 1];
            let class = (naive / CLASS_KMH).floor() * CLASS_KMH;
            let got = flow.percentile(percent).expect("learned");
            prop_assert!(got >= class && got <= class + CLASS_KMH, "{got} {naive}");
        }
    }
}
