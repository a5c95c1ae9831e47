//! What is usual at this time of the day and of the week.

use serde::{Deserialize, Serialize};

const DAY_MS: i64 = 86_400_000;
const WEEK_MS: i64 = 7 * DAY_MS;
/// Half-hours.
const DAY_BINS: usize = 48;
/// Hours.
const WEEK_BINS: usize = 168;
/// A bin forgets what lies more than about so many values back.
const DAY_MEMORY: f64 = 33.0;
const WEEK_MEMORY: f64 = 20.0;
/// An outlier moves a bin at most by so many of its deviations.
const CLIP: f64 = 3.0;
/// The hour of the week is used if it errs less than this share of what the time of day does.
const WEEK_IS_BETTER: f64 = 0.8;

/// Profiles of a day and of a week. 2.3 KiB on the heap.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Season {
    day: Vec<Bin>,
    week: Vec<f64>,
    week_n: Vec<u8>,
    /// Recent absolute errors of the two.
    day_error: f64,
    week_error: f64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Bin {
    mean: f64,
    variance: f32,
    /// Values, up to 255.
    n: u8,
}

/// What the season says about a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Usual {
    pub(super) expected: f64,
    /// How far the value lies outside of what is usual now and a bin earlier or later; smaller
    /// while little is known.
    pub(super) residual: f64,
}

impl Default for Season {
    fn default() -> Self {
        Self {
            day: vec![Bin::default(); DAY_BINS],
            week: vec![0.0; WEEK_BINS],
            week_n: vec![0; WEEK_BINS],
            day_error: 0.0,
            week_error: 0.0,
        }
    }
}

impl Season {
    /// What is usual at `t`, if this time of day was seen before; then learns. `deviation` is
    /// that of the whole series.
    pub(super) fn step(&mut self, t_ms: i64, x: f64, deviation: f64) -> Option<Usual> {
        let i = (t_ms.rem_euclid(DAY_MS) * DAY_BINS as i64 / DAY_MS) as usize;
        let hour = (t_ms.rem_euclid(WEEK_MS) * WEEK_BINS as i64 / WEEK_MS) as usize;
        let usual = (self.day[i].n > 0).then(|| self.usual(i, hour, x));
        self.day[i].learn(x, deviation);
        let n = self.week_n[hour].saturating_add(1);
        self.week_n[hour] = n;
        self.week[hour] += (1.0 / f64::from(n)).max(1.0 / WEEK_MEMORY) * (x - self.week[hour]);
        usual
    }

    fn usual(&mut self, i: usize, hour: usize, x: f64) -> Usual {
        let mut expected = self.day[i].mean;
        let (mut low, mut high) = (expected, expected);
        // Rush hours begin a little earlier or later each day.
        for near in [(i + DAY_BINS - 1) % DAY_BINS, (i + 1) % DAY_BINS] {
            if self.day[near].n > 0 {
                low = low.min(self.day[near].mean);
                high = high.max(self.day[near].mean);
            }
        }
        if self.week_n[hour] > 0 {
            let by_week = self.week[hour];
            let better = self.week_error < WEEK_IS_BETTER * self.day_error;
            self.day_error += 0.01 * ((x - expected).abs() - self.day_error);
            self.week_error += 0.01 * ((x - by_week).abs() - self.week_error);
            if better {
                expected = by_week;
            }
            (low, high) = (low.min(by_week), high.max(by_week));
        }
        let outside = x - x.clamp(low, high);
        let n = f64::from(self.day[i].n);
        Usual { expected, residual: outside * n / (n + 1.0) }
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.day.capacity() * size_of::<Bin>()
            + self.week.capacity() * size_of::<f64>()
            + self.week_n.capacity()
    }
}

impl Bin {
    fn learn(&mut self, x: f64, deviation: f64) {
        self.n = self.n.saturating_add(1);
        let gain = (1.0 / f64::from(self.n)).max(1.0 / DAY_MEMORY);
        let mut step = x - self.mean;
        if self.n > 2 {
            let most = CLIP * f64::from(self.variance).sqrt().max(0.1 * deviation);
            step = step.clamp(-most, most);
        }
        if self.n > 1 {
            let variance = f64::from(self.variance);
            self.variance = ((1.0 - gain) * (variance + gain * step * step)) as f32;
        }
        self.mean += gain * step;
    }
}
