//! Scores anomaly detectors by the Numenta Anomaly Benchmark (NAB v1.1).
//!
//! What it does: reads series and labels ([`corpus`]), lets a detector ([`detectors`], or the one
//! of the rules) score each row of each series from a fresh start, finds the one threshold that
//! is best for the whole corpus and profile ([`score`]), and prints the result beside what others
//! have published ([`published`]).
//! What it does not do: tune anything, or change the procedure. Upstream's code is not used.
//!
//! How it fails: a file that cannot be read or a wrong row ends it with an error; series that the
//! labels name and that are not there are counted in the first line.

pub mod corpus;
pub mod detectors;
pub mod published;
pub mod score;
mod table;
#[cfg(test)]
mod tests;

use std::time::Instant;

use corpus::{Series, read_corpus};
use detectors::{Detect, Null, Random, WindowedGaussian};
use ioc_rules::AnomalyDetector;
use score::Scored;

use crate::args::NabArgs;

/// Which detector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Detector {
    /// The one of the rules (`kind: anomaly`).
    Ioc,
    /// The simple baseline of NAB.
    WindowedGaussian,
    /// Any number (seed 1).
    Random,
    /// Always the same number.
    Null,
}

impl Detector {
    fn make(self) -> Box<dyn Detect> {
        match self {
            Self::Ioc => Box::new(Ioc(AnomalyDetector::new())),
            Self::WindowedGaussian => Box::new(WindowedGaussian::default()),
            Self::Random => Box::new(Random::new(1)),
            Self::Null => Box::new(Null),
        }
    }
}

struct Ioc(AnomalyDetector);

impl Detect for Ioc {
    fn step(&mut self, t_ms: i64, value: f64) -> f64 {
        self.0.step(t_ms, value)
    }

    fn bytes(&self) -> usize {
        size_of::<AnomalyDetector>() + self.0.heap_bytes()
    }
}

/// A detector's scores for all series, and what they cost.
#[derive(Debug)]
struct Run<'a> {
    scored: Vec<Scored<'a>>,
    /// Mean over all values.
    us_per_value: f64,
    /// Most that a series needed at its end.
    max_bytes: usize,
}

fn run(all: &[Series], detector: Detector) -> Run<'_> {
    let (mut values, mut max_bytes) = (0, 0);
    let mut busy = std::time::Duration::ZERO;
    let mut scored = Vec::with_capacity(all.len());
    for series in all {
        let mut detector = detector.make();
        let mut scores = Vec::with_capacity(series.rows.len());
        let begin = Instant::now();
        scores.extend(series.rows.iter().map(|(t, x)| detector.step(*t, *x)));
        busy += begin.elapsed();
        values += scores.len();
        max_bytes = max_bytes.max(detector.bytes());
        scored.push(Scored::new(series, scores));
    }
    Run { scored, us_per_value: busy.as_secs_f64() * 1e6 / values as f64, max_bytes }
}

/// `ioc-sim nab`: prints the table.
pub fn nab(args: &NabArgs) -> anyhow::Result<()> {
    let corpus = read_corpus(&args.data)?;
    let run = run(&corpus, args.detector);
    print!("{}", table::text(args, &run));
    Ok(())
}
