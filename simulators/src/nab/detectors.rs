//! Detectors to compare with.

use std::collections::VecDeque;

use rand::{Rng, SeedableRng, rngs::StdRng};

/// Something that scores a stream, value by value.
pub trait Detect {
    /// How unusual the value is: 0 to 1.
    fn step(&mut self, t_ms: i64, value: f64) -> f64;

    /// Bytes it keeps.
    fn bytes(&self) -> usize;
}

/// Says nothing.
#[derive(Debug)]
pub struct Null;

impl Detect for Null {
    fn step(&mut self, _t_ms: i64, _value: f64) -> f64 {
        0.5
    }

    fn bytes(&self) -> usize {
        size_of::<Self>()
    }
}

/// Says anything.
#[derive(Debug)]
pub struct Random(StdRng);

impl Random {
    /// The same scores for the same seed.
    pub fn new(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }
}

impl Detect for Random {
    fn step(&mut self, _t_ms: i64, _value: f64) -> f64 {
        self.0.random()
    }

    fn bytes(&self) -> usize {
        size_of::<Self>()
    }
}

/// The baseline of NAB: one minus the tail probability of a value under a normal distribution
/// with the mean and deviation of the last 6,400 values, which move on by 100.
#[derive(Debug, Default)]
pub struct WindowedGaussian {
    window: VecDeque<f64>,
    waiting: Vec<f64>,
    mean: f64,
    deviation: f64,
}

const WINDOW: usize = 6400;
const STEP: usize = 100;

impl WindowedGaussian {
    fn update(&mut self) {
        let n = self.window.len() as f64;
        self.mean = self.window.iter().sum::<f64>() / n;
        let squares: f64 = self.window.iter().map(|x| (x - self.mean).powi(2)).sum();
        let deviation = (squares / n).sqrt();
        self.deviation = if deviation == 0.0 { 1e-6 } else { deviation };
    }
}

impl Detect for WindowedGaussian {
    fn step(&mut self, _t_ms: i64, value: f64) -> f64 {
        let score = if self.window.is_empty() {
            0.0
        } else {
            1.0 - tail((value - self.mean).abs() / self.deviation)
        };
        if self.window.len() < WINDOW {
            self.window.push_back(value);
            self.update();
        } else {
            self.waiting.push(value);
            if self.waiting.len() == STEP {
                self.window.drain(..STEP);
                self.window.extend(self.waiting.drain(..));
                self.update();
            }
        }
        score
    }

    fn bytes(&self) -> usize {
        size_of::<Self>() + 8 * (self.window.capacity() + self.waiting.capacity())
    }
}

/// Upper tail of the normal distribution, for z ≥ 0: a series (Abramowitz and Stegun 26.2.11)
/// near 0, a continued fraction (26.2.14) further out.
pub fn tail(z: f64) -> f64 {
    let density = (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt();
    if z < 3.0 {
        let (mut term, mut sum) = (z, z);
        let mut n = 1.0;
        while term > 1e-17 * sum {
            n += 2.0;
            term *= z * z / n;
            sum += term;
        }
        return 0.5 - density * sum;
    }
    let mut fraction = z;
    for k in (1..=60).rev() {
        fraction = z + f64::from(k) / fraction;
    }
    density / fraction
}
