//! Exit codes, in one table: 0 done · 1 failed while running · 2 the command line or the
//! configuration is wrong.

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

pub(crate) fn code(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => match e.downcast_ref::<BadConfig>() {
            Some(bad) => {
                eprintln!("{bad}");
                ExitCode::from(2)
            }
            None => {
                eprintln!("ioc: {e:#}");
                ExitCode::FAILURE
            }
        },
    }
}
