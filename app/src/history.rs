//! `ioc history`: looks into the embedded store's file, checks it, tidies it and exports from it.

mod export;
mod folder;
mod progress;
#[cfg(test)]
mod tests;
mod text;

use std::path::{Path, PathBuf};

use anyhow::Context;
use ioc_history::Error;
use ioc_history::maintenance::{self, VerifyReport};

use self::export::ExportArgs;
use self::progress::Progress;
use crate::check::{self, Base};
use crate::cli::{ConfigArgs, Language};
use crate::config;
use crate::exit::{Damaged, Misuse};
use crate::stages::wall;

/// What sensors said: how much is kept, is it whole, tidy up, export files
#[derive(clap::Args)]
#[command(after_help = "\
`stats`, `verify` and `export` read history.sqlite of the data folder, also while the centre runs;
`compact` needs it stopped. With history.backend: influxdb there is no such file: ask that server,
and export over HTTP (GET /api/v1/export).

Exit codes: 0 done and whole, 1 something is bad (`verify` lists it) or it failed, 2 wrong command
line or configuration, or what is asked for is not there.

Examples:
  ioc history stats --data /var/lib/ioc
  ioc history verify --json
  ioc history compact
  ioc history export --out air.csv --service air --from -30d
  ioc history export --out air.csv --resume           goes on where it broke off
  ioc history export --out days/ --format parquet --from 2026-01-01")]
pub(crate) struct HistoryArgs {
    #[command(flatten)]
    pub config: ConfigArgs,
    /// The data folder of the centre [default: that of ioc.yaml, else ./data]
    #[arg(long, env = "IOC_DATA", value_name = "DIR", global = true)]
    pub data: Option<PathBuf>,
    /// Language [default: by LANG]
    #[arg(long, value_name = "vi|en", global = true)]
    pub lang: Option<Language>,
    #[command(subcommand)]
    pub action: HistoryAction,
}

#[derive(clap::Subcommand)]
pub(crate) enum HistoryAction {
    /// How much is kept, since when, and what it costs on the disk
    Stats {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Read every block and window, check it, and compute the windows again from the readings
    Verify {
        /// What was found, as JSON
        #[arg(long)]
        json: bool,
    },
    /// Give up what is older than it is kept, bring late readings into order, give space back;
    /// the centre must be stopped, and the disk needs room for the file once more
    Compact,
    Export(Box<ExportArgs>),
}

pub(crate) fn command(args: &HistoryArgs) -> anyhow::Result<()> {
    let language = Language::choose(args.lang);
    match &args.action {
        HistoryAction::Stats { json } => stats(&args.file()?, *json, language),
        HistoryAction::Verify { json } => verify(&args.file()?, *json, language),
        HistoryAction::Compact => compact(args, language),
        HistoryAction::Export(export) => {
            export::command(export, &args.base()?, &args.file()?, language)
        }
    }
}

impl HistoryArgs {
    fn base(&self) -> anyhow::Result<Base> {
        let base = check::load_all_but_rules(&config::read(&self.config)?)?;
        let settings = base.settings.for_reading(self.data.as_deref());
        Ok(Base { settings, ..base })
    }

    /// The file of the store; the configuration is only asked where it is not said.
    fn file(&self) -> anyhow::Result<PathBuf> {
        let data = match &self.data {
            Some(data) => data.clone(),
            None => self.base()?.settings.data,
        };
        let file = data.join("history.sqlite");
        if !file.is_file() {
            let hint = "hint: name the data folder of the centre with --data; with \
                        history.backend: influxdb there is no such file";
            return Err(Misuse(format!("{} is not there\n  {hint}", file.display())).into());
        }
        Ok(file)
    }
}

fn stats(file: &Path, json: bool, language: Language) -> anyhow::Result<()> {
    let stats =
        maintenance::stats(file).with_context(|| format!("cannot read {}", file.display()))?;
    match json {
        true => println!("{}", serde_json::to_string(&stats)?),
        false => print!("{}", text::stats(&stats, language)),
    }
    Ok(())
}

fn verify(file: &Path, json: bool, language: Language) -> anyhow::Result<()> {
    let mut progress = Progress::new(language, json);
    let report: VerifyReport =
        maintenance::verify(file, &mut |p| progress.series(p.series, p.of, None))
            .with_context(|| format!("cannot verify {}", file.display()))?;
    progress.finish();
    match json {
        true => println!("{}", serde_json::to_string(&report)?),
        false => print!("{}", text::report(&report, language)),
    }
    let bad = report.findings.len() as u64 + report.more_findings;
    if report.is_clean() { Ok(()) } else { Err(Damaged(bad).into()) }
}

fn compact(args: &HistoryArgs, language: Language) -> anyhow::Result<()> {
    let (base, file) = (args.base()?, args.file()?);
    let mut progress = Progress::new(language, false);
    let embedded = &base.settings.history.embedded;
    let done = maintenance::compact(&file, embedded, wall(), &mut |p| {
        progress.series(p.series, p.of, None);
    });
    progress.finish();
    let report = match done {
        Err(e @ Error::InUse { .. }) => {
            return Err(anyhow::Error::from(e).context(text::stop_first(language)));
        }
        done => done.with_context(|| format!("cannot compact {}", file.display()))?,
    };
    print!("{}", text::compacted(&report, language));
    Ok(())
}
