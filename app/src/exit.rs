//! Exit codes, in one table: 0 done · 1 failed while running, `ioc decode` was given a message
//! that is refused, or `ioc audit verify`, `ioc history verify` or `ioc doctor` found something bad (notes of
//! the doctor do not count) · 2 the command line or the
//! configuration is wrong · 3 the two sets of rules differ (`ioc backtest --exit-code`).

use std::process::ExitCode;

use ioc_model::ConfigError;

/// Mistakes in the configuration; printed one below the other.
#[derive(Debug)]
pub(crate) struct BadConfig(pub Vec<ConfigError>);

impl std::fmt::Display for BadConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for e in &self.0 {
            writeln!(f, "{e}")?;
        }
        let n = self.0.len();
        write!(f, "{n} mistake{} in the configuration", if n == 1 { "" } else { "s" })
    }
}

impl std::error::Error for BadConfig {}

/// The command line asks for what is not there.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Misuse(pub String);

/// Two sets of rules raise different alerts, and the command asked to be told by its exit code.
#[derive(Debug, thiserror::Error)]
#[error("the two sets of rules raise different alerts")]
pub(crate) struct Differs;

/// Somebody changed the audit log; the number of the first bad record.
#[derive(Debug, thiserror::Error)]
#[error("the audit log is not whole: record {0}")]
pub(crate) struct Tampered(pub u64);

/// `ioc decode`: so many messages would be refused.
#[derive(Debug, thiserror::Error)]
#[error("refused: {0}")]
pub(crate) struct Refused(pub u64);

/// The file of history is not whole; how many findings there are.
#[derive(Debug, thiserror::Error)]
#[error("history is not whole: {0} findings")]
pub(crate) struct Damaged(pub u64);

/// `ioc doctor`: so many things are not as they should be.
#[derive(Debug, thiserror::Error)]
#[error("{0} to see to")]
pub(crate) struct Unsafe(pub usize);

pub(crate) fn code(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) if e.is::<Differs>() => ExitCode::from(3),
        Err(e) => match e.downcast_ref::<BadConfig>() {
            Some(bad) => {
                eprintln!("{bad}");
                ExitCode::from(2)
            }
            None => {
                eprintln!("ioc: {e:#}");
                if e.is::<Misuse>() { ExitCode::from(2) } else { ExitCode::FAILURE }
            }
        },
    }
}
