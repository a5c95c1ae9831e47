//! `ioc audit`: verifies the audit log, shows it, and writes it as CSV, beside a running centre.

mod csv;
mod text;

use std::io::{BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use ioc_alerts::{AuditFilter, AuditLog, Report, verify};
use ioc_model::Timestamp;

use crate::backtest::moment;
use crate::cli::Language;
use crate::exit::{Misuse, Tampered};
use crate::stages::wall;

/// The audit log: verify that nobody changed it, show it, write it as CSV
#[derive(clap::Args)]
#[command(after_help = "\
Each line holds a hash over itself and the line before. Besides the database, the centre keeps what
it knows of the log's end in audit.anchors and audit.head of the data folder, or where
alerts.anchors of ioc.yaml says, best on another disk: only they show a log that was cut or
rewritten with right hashes by somebody who may write the database.

Exit codes of `ioc audit verify`: 0 whole, 1 a bad record (named), or it cannot be read, 2 wrong
command line.

Examples:
  ioc audit verify --data /var/lib/ioc
  ioc audit verify --anchors /mnt/other-disk/audit.anchors
  ioc audit show --alert 3f2a9c41
  ioc audit show --actor lan --from 2026-11-20 --limit 500
  ioc audit export --csv audit.csv --from -30d")]
pub(crate) struct AuditArgs {
    /// The data folder of the centre; it may be running
    #[arg(long, env = "IOC_DATA", default_value = "data", value_name = "DIR", global = true)]
    pub data: PathBuf,
    /// Language [default: by LANG]
    #[arg(long, value_name = "vi|en", global = true)]
    pub lang: Option<Language>,
    #[command(subcommand)]
    pub action: AuditAction,
}

#[derive(clap::Subcommand)]
pub(crate) enum AuditAction {
    /// Find the first record that was edited, deleted, inserted, moved or cut off
    Verify {
        /// The file of anchors [default: audit.anchors in the data folder]
        #[arg(long, value_name = "FILE")]
        anchors: Option<PathBuf>,
        /// What was found, as JSON
        #[arg(long)]
        json: bool,
    },
    /// Print the newest lines that fit, oldest first
    Show {
        #[command(flatten)]
        which: Which,
        /// At most so many
        #[arg(long, default_value_t = 100, value_name = "N")]
        limit: usize,
        /// One JSON object a line, like those of GET /api/v1/audit
        #[arg(long)]
        json: bool,
    },
    /// Write all lines that fit, oldest first
    Export {
        #[command(flatten)]
        which: Which,
        /// The file to write: UTF-8 with BOM, times in +07:00, safe to open in a spreadsheet
        #[arg(long, value_name = "FILE")]
        csv: PathBuf,
    },
}

#[derive(clap::Args)]
pub(crate) struct Which {
    /// Only about this alert: its id, or its first digits
    #[arg(long, value_name = "ID")]
    pub alert: Option<String>,
    /// Only by this user, `system` or `rule:ID`
    #[arg(long, value_name = "NAME")]
    pub actor: Option<String>,
    /// From when: RFC 3339, 2026-11-20, 2026-11-20T08:00 (Đà Nẵng time), or -24h
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub from: Option<String>,
    /// Until when, in the same ways
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub to: Option<String>,
}

impl Which {
    fn filter(&self) -> Result<AuditFilter, Misuse> {
        let now = wall();
        let time = |name: &str, text: &Option<String>| -> Result<Option<Timestamp>, Misuse> {
            let read = |t: &String| {
                moment(t, now).ok_or_else(|| {
                    Misuse(format!(
                        "{name}: `{t}` is no time\n  hint: 2026-11-20T08:00:00+07:00, 2026-11-20, -24h"
                    ))
                })
            };
            text.as_ref().map(read).transpose()
        };
        let alert = self.alert.as_ref().map(|a| a.to_ascii_lowercase());
        if let Some(bad) = alert.as_ref().filter(|a| !a.bytes().all(|b| b.is_ascii_hexdigit())) {
            return Err(Misuse(format!("--alert: `{bad}` is no id; ids are hexadecimal digits")));
        }
        Ok(AuditFilter {
            alert,
            actor: self.actor.clone(),
            from: time("--from", &self.from)?,
            to: time("--to", &self.to)?,
        })
    }
}

pub(crate) fn command(args: &AuditArgs) -> anyhow::Result<()> {
    let path = args.data.join("alerts.sqlite");
    if !path.is_file() {
        let hint = "hint: name the data folder of the centre with --data";
        return Err(Misuse(format!("{} is not there\n  {hint}", path.display())).into());
    }
    let language = Language::choose(args.lang);
    match &args.action {
        AuditAction::Verify { anchors, json } => {
            let file = match anchors {
                Some(file) if !file.is_file() => {
                    return Err(Misuse(format!("{} is not there", file.display())).into());
                }
                Some(file) => file.clone(),
                None => args.data.join("audit.anchors"),
            };
            verified(&path, &file, *json, language)
        }
        AuditAction::Show { which, limit, json } => {
            let log = open(&path)?;
            let mut out = std::io::stdout().lock();
            for line in log.newest(&which.filter()?, *limit)? {
                if *json {
                    writeln!(out, "{}", serde_json::to_string(&line)?)?;
                } else {
                    out.write_all(text::line(&line, language).as_bytes())?;
                }
            }
            Ok(())
        }
        AuditAction::Export { which, csv } => {
            let lines = export(&open(&path)?, &which.filter()?, csv)?;
            eprintln!("{}", text::exported(lines, &csv.display().to_string(), language));
            Ok(())
        }
    }
}

fn open(path: &Path) -> anyhow::Result<AuditLog> {
    AuditLog::open(path).with_context(|| format!("cannot read {}", path.display()))
}

fn verified(path: &Path, anchors: &Path, json: bool, language: Language) -> anyhow::Result<()> {
    let bar = progress(json);
    let report = verify(path, Some(anchors), &mut |done, of| {
        bar.set_length(of);
        bar.set_position(done);
    })
    .with_context(|| format!("cannot verify {}", path.display()))?;
    bar.finish_and_clear();
    let mut out = std::io::stdout().lock();
    if json {
        writeln!(out, "{}", serde_json::to_string(&report)?)?;
    } else {
        out.write_all(text::report(&report, language).as_bytes())?;
        if let Some(line) = record(path, &report)? {
            out.write_all(text::as_it_stands(&line, language).as_bytes())?;
        }
    }
    match report.first_bad {
        None => Ok(()),
        Some(bad) => Err(Tampered(bad.seq).into()),
    }
}

/// The bad record as it stands, if there is one under its number.
fn record(path: &Path, report: &Report) -> anyhow::Result<Option<ioc_model::AuditRow>> {
    let Some(bad) = report.first_bad else { return Ok(None) };
    Ok(open(path)?.line(bad.seq)?)
}

fn progress(quiet: bool) -> ProgressBar {
    let target = match std::io::stderr().is_terminal() && !quiet {
        true => ProgressDrawTarget::stderr(),
        false => ProgressDrawTarget::hidden(),
    };
    let bar = ProgressBar::with_draw_target(None, target);
    let style = ProgressStyle::with_template("{wide_bar} {human_pos}/{human_len} {eta}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

/// Writes to a file beside it first: a file of that name is whole or the one that was there.
fn export(log: &AuditLog, filter: &AuditFilter, path: &Path) -> anyhow::Result<u64> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let context = || format!("cannot write {}", path.display());
    let mut out = BufWriter::new(std::fs::File::create(&part).with_context(context)?);
    let mut lines = 0;
    let mut result = csv::header(&mut out);
    log.all(filter, &mut |line| {
        if result.is_ok() {
            result = csv::row(&line, &mut out);
            lines += u64::from(result.is_ok());
        }
        result.is_ok()
    })?;
    result.and_then(|()| out.flush()).with_context(context)?;
    std::fs::rename(&part, path).with_context(context)?;
    Ok(lines)
}
