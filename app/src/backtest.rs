//! The journal's past through one or two sets of rules, beside a running centre: [`run`] is the
//! work (also behind REST, in a blocking thread), [`command`] is `ioc backtest`.

mod args;
mod show;
mod source;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use ioc_journal::JournalError;
use ioc_model::Timestamp;
use ioc_rules::{
    Backtest, BacktestConfig, ClockMode, Diff, EngineConfig, Report, RuleSet, compare,
};
use serde::Serialize;

pub(crate) use args::{BacktestArgs, command, moment};
use source::Source;

/// Between two calls of the progress callback.
const PROGRESS_EVERY: Duration = Duration::from_millis(100);
/// The warm-up is at least this, if the journal reaches back so far.
pub(crate) const MIN_WARM_UP_MS: i64 = 86_400_000;

/// What to judge, and how.
pub(crate) struct Job {
    /// Folder of the journal; it is only read, and its writer may be running.
    pub journal: PathBuf,
    /// The rules, and perhaps a second set to compare them with.
    pub rules: RuleSet,
    pub against: Option<RuleSet>,
    /// Settings of the live engine. Its clock is taken unless the journal has no ticks.
    pub engine: EngineConfig,
    /// First moment that counts, and the first that counts no more.
    pub from: Timestamp,
    pub to: Timestamp,
    /// `None`: the longest span that a rule names, at least a day.
    pub warm_up_ms: Option<i64>,
    /// Episodes listed per set; further ones are counted.
    pub max_episodes: usize,
}

/// How far it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Progress {
    /// Journal entries judged.
    pub done: u64,
    /// Journal entries from the beginning of the warm-up to the journal's end; the period may
    /// end before.
    pub of: u64,
    /// The clock of the run.
    pub now: Option<Timestamp>,
}

/// The answer; its JSON is described in `docs/protocol.md`.
#[derive(Debug, Serialize)]
pub(crate) struct Outcome {
    /// First and last moment of the journal.
    pub journal: [Timestamp; 2],
    /// Damaged journal records that were skipped.
    pub corrupt: u64,
    /// Records judged, those of the warm-up too.
    pub records: u64,
    /// Wall time it took.
    pub seconds: f64,
    /// What the rules raise.
    pub report: Report,
    /// What the second set raises.
    pub against: Option<Report>,
    /// `a`: the rules, `b`: the second set.
    pub diff: Option<Diff>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BacktestError {
    #[error("`from` {from} is not before `to` {to}")]
    Empty { from: Timestamp, to: Timestamp },
    #[error("the journal in {} is empty", .0.display())]
    NoJournal(PathBuf),
    #[error(
        "the journal reaches from {first} to {last}: nothing of {from} to {to} is in it\n  \
         hint: journal.retain_age_s and journal.retain_bytes say how long it is kept"
    )]
    OutOfReach { first: Timestamp, last: Timestamp, from: Timestamp, to: Timestamp },
    #[error(
        "the journal no longer reaches back to {from}: it begins at {first}\n  \
         hint: say --from {first} or later; the history behind it lacks what rules need \
         (detections' zones and objects, order of arrival)"
    )]
    Retained { first: Timestamp, from: Timestamp },
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error("stopped")]
    Stopped,
}

/// Judges the journal. `progress` is called about ten times a second; `false` stops the run.
/// Blocks: use a blocking thread.
///
/// # Errors
/// [`BacktestError`]; nothing is changed anywhere.
pub(crate) fn run(
    job: &Job,
    mut progress: impl FnMut(Progress) -> bool,
) -> Result<Outcome, BacktestError> {
    let started = Instant::now();
    let source = Source::open(job)?;
    let mut engine = job.engine.clone();
    if !source.has_ticks {
        engine.clock = ClockMode::Event;
    }
    let begin = |rules: &RuleSet| {
        let config = BacktestConfig {
            from: job.from,
            to: job.to,
            engine: engine.clone(),
            max_episodes: job.max_episodes,
        };
        Backtest::new(rules.clone(), config)
    };
    let mut runs: Vec<Backtest> =
        std::iter::once(&job.rules).chain(&job.against).map(begin).collect();
    let of = source.archive.next().saturating_sub(source.start);
    let (mut told, mut done) = (Instant::now(), 0);
    for batch in source.archive.read(source.start) {
        let batch = batch?;
        let mut wanted = false;
        for run in &mut runs {
            let entries = (batch.first..).zip(&batch.entries);
            wanted |= entries.fold(false, |_, (position, entry)| run.feed(position, entry));
        }
        done = batch.end().saturating_sub(source.start);
        if told.elapsed() >= PROGRESS_EVERY {
            told = Instant::now();
            let now = runs.first().and_then(Backtest::now);
            if !progress(Progress { done, of, now }) {
                return Err(BacktestError::Stopped);
            }
        }
        if !wanted {
            break;
        }
    }
    progress(Progress { done, of: done, now: runs.first().and_then(Backtest::now) });
    let mut reports: Vec<Report> = runs.into_iter().map(Backtest::finish).collect();
    let against = job.against.as_ref().and_then(|_| reports.pop());
    let report = reports.pop().expect("there is one run per set of rules");
    let coverage = &report.coverage;
    Ok(Outcome {
        journal: [source.first, source.last],
        corrupt: source.archive.corrupt(),
        records: coverage.warm_up_records + coverage.records,
        seconds: started.elapsed().as_secs_f64(),
        diff: against.as_ref().map(|b| compare(&report, b)),
        report,
        against,
    })
}
