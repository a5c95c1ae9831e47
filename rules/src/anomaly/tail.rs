//! How far out in its own past a number lies.

use serde::{Deserialize, Serialize};

/// Deviations beyond so many standard deviations are the tail.
const EDGE: f64 = 2.0;
/// What a normal distribution has beyond [`EDGE`]: its share, and the mean and mean square of
/// the excess in standard deviations. It is the belief before anything was seen …
const NORMAL_SHARE: f64 = 0.0228;
const NORMAL_MEAN: f64 = 0.37;
const NORMAL_SQUARE: f64 = 0.27;
/// … and weighs as much as so many values in the tail.
const BELIEF: f64 = 20.0;
/// The share believed in weighs as much as so many values.
const BELIEF_VALUES: f64 = 44.0;
/// Heaviest tail that is believed in: beyond 0.5 the variance, by which it is fitted, is infinite.
const MAX_SHAPE: f64 = 0.45;
/// Values before anything is judged.
const WARM_UP: f64 = 30.0;
/// The memory, in values: older ones fade.
const MEMORY: f64 = 4000.0;
/// An outlier moves mean and deviation at most as one of so many deviations.
const CLIP: f64 = 4.0;

/// Mean and deviation of a number, and the shape of both its tails.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Channel {
    n: f64,
    mean: f64,
    variance: f64,
    up: Tail,
    down: Tail,
}

/// What was seen beyond [`EDGE`] on one side, in standard deviations.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Tail {
    n: f64,
    sum: f64,
    squares: f64,
}

impl Channel {
    /// Surprise upward and downward, −ln of the probability to lie so far out; then learns.
    /// Smaller deviations than `floor` are noise of the arithmetic.
    pub(super) fn step(&mut self, x: f64, floor: f64) -> (f64, f64) {
        let deviation = self.variance.sqrt().max(floor).max(1e-9);
        let z = (x - self.mean) / deviation;
        let (above, below) = ((z - EDGE).max(0.0), (-z - EDGE).max(0.0));
        let warm = self.n >= WARM_UP;
        let surprise = if warm {
            (self.up.surprise(above, self.n), self.down.surprise(below, self.n))
        } else {
            (0.0, 0.0)
        };
        let fade = if self.n >= MEMORY { 1.0 - 1.0 / MEMORY } else { 1.0 };
        self.n = self.n * fade + 1.0;
        let learns = self.n > WARM_UP;
        self.up.learn(above, fade, learns);
        self.down.learn(below, fade, learns);
        let gain = 1.0 / self.n;
        let step = if learns { z.clamp(-CLIP, CLIP) * deviation } else { x - self.mean };
        self.mean += gain * step;
        self.variance = (1.0 - gain) * (self.variance + gain * step * step);
        surprise
    }

    pub(super) fn mean(&self) -> f64 {
        self.mean
    }

    pub(super) fn deviation(&self) -> f64 {
        self.variance.sqrt()
    }
}

impl Tail {
    fn learn(&mut self, excess: f64, fade: f64, learns: bool) {
        self.n *= fade;
        self.sum *= fade;
        self.squares *= fade;
        if excess > 0.0 && learns {
            self.n += 1.0;
            self.sum += excess;
            self.squares += excess * excess;
        }
    }

    /// Peaks over threshold: the probability to lie beyond the edge times that of a generalised
    /// Pareto excess, fitted by moments (Hosking and Wallis 1987: shape ½(1 − m²/s²), scale
    /// m(1 − shape)), here with a normal tail as prior. Values that a normal tail would have
    /// brought and that did not come count as excesses of 0: the tail is shorter.
    fn surprise(&self, excess: f64, total: f64) -> f64 {
        if excess <= 0.0 {
            return 0.0;
        }
        let lacking = (NORMAL_SHARE * total - self.n).max(0.0);
        let n = self.n + BELIEF + lacking;
        let mean = (self.sum + BELIEF * NORMAL_MEAN) / n;
        let square = (self.squares + BELIEF * NORMAL_SQUARE) / n;
        let variance = (square - mean * mean).max(1e-9);
        let shape = (0.5 * (1.0 - mean * mean / variance)).clamp(0.0, MAX_SHAPE);
        let scale = mean * (1.0 - shape);
        let beyond =
            if shape > 1e-6 { (1.0 + shape * excess / scale).ln() / shape } else { excess / scale };
        beyond - ((self.n + 1.0) / (total + BELIEF_VALUES)).min(1.0).ln()
    }
}

/// Smoothed by a share of `1 / span` per value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Smooth(pub(super) f64);

impl Smooth {
    pub(super) fn step(&mut self, x: f64, gain: f64) -> f64 {
        self.0 += gain * (x - self.0);
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_long_ago_fades() {
        let mut channel = Channel::default();
        let noise = |i: u32| f64::from(i * 7 % 11) / 11.0 - 0.5;
        for i in 0..20_000 {
            channel.step(noise(i), 0.0);
        }
        for i in 0..8_000 {
            channel.step(10.0 + noise(i), 0.0);
        }
        assert!(channel.mean() > 6.0, "{}", channel.mean());
    }

    #[test]
    fn a_tail_that_was_never_seen_is_more_surprising_than_one_that_was() {
        let far = |spikes: u32| {
            let mut channel = Channel::default();
            for i in 0..3_000 {
                let spike = if spikes > 0 && i % (3_000 / spikes) == 50 { 8.0 } else { 0.0 };
                channel.step(f64::from(i * 7 % 11) / 11.0 - 0.5 + spike, 0.0);
            }
            channel.step(8.0, 0.0).0
        };
        assert!(far(0) > 20.0, "{}", far(0));
        assert!(far(30) < 10.0, "{}", far(30));
    }
}
