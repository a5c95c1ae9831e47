//! `ioc backtest`: its arguments.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use anyhow::Context;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use ioc_model::{ConfigFiles, Timestamp};

use super::{BacktestError, Job, Outcome, run, show};
use crate::check::{self, Checked};
use crate::cli::{ConfigArgs, Language};
use crate::config;
use crate::exit::{Differs, Misuse};
use crate::stages::wall;

/// Episodes kept per set of rules.
const MAX_EPISODES: usize = 200_000;

/// Judge the past with a set of rules: every alert that would have been raised, and the load
#[derive(clap::Args)]
#[command(after_help = "\
The journal of the data folder is read beside a running centre, without its lock. It reaches back
as far as journal.retain_age_s and journal.retain_bytes keep it (7 days and 4 GiB by default); an
earlier --from is refused, the history behind it is not used: it lacks what rules need.

Alerts that began before --from are known from the warm-up, listed and not counted.

Examples:
  ioc backtest --from -24h                          the configuration's rules over the last day
  ioc backtest new/rules --from 2026-11-20 --to 2026-11-22 --against config/rules
  ioc backtest new/rules --from -7d --against config/rules --exit-code   (3 if they differ)")]
pub(crate) struct BacktestArgs {
    /// Folder of rule files, or a whole configuration folder (with a folder `rules` in it)
    /// [default: the rules of the configuration]
    #[arg(value_name = "RULES_DIR")]
    pub rules: Option<PathBuf>,
    #[command(flatten)]
    pub config: ConfigArgs,
    /// The data folder of the centre [default: that of ioc.yaml, else ./data]
    #[arg(long, env = "IOC_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// From when: RFC 3339, 2026-11-20, 2026-11-20T08:00 (Đà Nẵng time), or -24h
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub from: String,
    /// Until when, in the same ways
    #[arg(long, value_name = "TIME", default_value = "now", allow_hyphen_values = true)]
    pub to: String,
    /// How much earlier judging begins [default: the longest span a rule names, at least 24h]
    #[arg(long, value_name = "SPAN", value_parser = span)]
    pub warm_up: Option<i64>,
    /// A second folder of rules, as RULES_DIR: tells what each raises that the other does not
    #[arg(long, value_name = "DIR")]
    pub against: Option<PathBuf>,
    /// With --against: exit code 3 if the two raise different alerts
    #[arg(long, requires = "against")]
    pub exit_code: bool,
    /// Everything as JSON (docs/protocol.md), instead of tables
    #[arg(long)]
    pub json: bool,
    /// Alerts listed in the table
    #[arg(long, default_value_t = 50, value_name = "N")]
    pub list: usize,
    /// Language of messages [default: by LANG]
    #[arg(long, value_name = "vi|en")]
    pub lang: Option<Language>,
}

pub(crate) fn command(args: &BacktestArgs) -> anyhow::Result<()> {
    let files = config::read(&args.config)?;
    let now = wall();
    let [from, to] = [("--from", &args.from), ("--to", &args.to)]
        .map(|(name, text)| moment(text, now).ok_or_else(|| bad_time(name, text)));
    let Checked { base: check::Base { settings, .. }, rules } =
        check::load(&with_rules(&files, args.rules.as_deref())?)?;
    let second = |dir: &PathBuf| anyhow::Ok(check::load(&with_rules(&files, Some(dir))?)?.rules);
    let settings = settings.for_reading(args.data.as_deref());
    let job = Job {
        journal: settings.journal.dir.clone(),
        rules,
        against: args.against.as_ref().map(second).transpose()?,
        engine: settings.engine(),
        from: from?,
        to: to?,
        warm_up_ms: args.warm_up,
        max_episodes: MAX_EPISODES,
    };
    let outcome = judge(&job)?;
    if args.json {
        serde_json::to_writer(std::io::stdout().lock(), &outcome)?;
        println!();
    } else {
        let language = Language::choose(args.lang);
        show::tables(&outcome, language, args.list, &mut std::io::stdout().lock())?;
    }
    let differs = outcome
        .diff
        .as_ref()
        .is_some_and(|d| d.changed > 0 || !d.only_a.is_empty() || !d.only_b.is_empty());
    if args.exit_code && differs { Err(Differs.into()) } else { Ok(()) }
}

fn judge(job: &Job) -> anyhow::Result<Outcome> {
    let target = match std::io::stderr().is_terminal() {
        true => ProgressDrawTarget::stderr(),
        false => ProgressDrawTarget::hidden(),
    };
    let bar = ProgressBar::with_draw_target(None, target);
    let style = "{bar:40} {percent}% · {per_sec} entries · at {msg} · {eta} left";
    bar.set_style(ProgressStyle::with_template(style).context("progress bar")?);
    let outcome = run(job, |p| {
        bar.set_length(p.of);
        bar.set_position(p.done);
        bar.set_message(p.now.map(|t| t.to_string()).unwrap_or_default());
        true
    });
    bar.finish_and_clear();
    match outcome {
        Ok(outcome) => Ok(outcome),
        Err(e @ (BacktestError::Journal(_) | BacktestError::Stopped)) => Err(e.into()),
        Err(e) => Err(Misuse(e.to_string()).into()),
    }
}

/// The configuration with other rules: those of a folder, or all of another configuration.
fn with_rules(files: &ConfigFiles, dir: Option<&Path>) -> anyhow::Result<ConfigFiles> {
    let Some(dir) = dir else { return Ok(files.clone()) };
    let read = |dir: &Path| config::read(&ConfigArgs { config: Some(dir.to_owned()) });
    if dir.join("rules").is_dir() {
        return read(dir);
    }
    let mut with = files.clone();
    with.0.retain(|name, _| !name.starts_with("rules/"));
    let rules = read(dir)?.0.into_iter().filter(|(name, _)| name.ends_with(".yaml"));
    with.0.extend(rules.map(|(name, text)| (format!("rules/{name}"), text)));
    if !with.0.keys().any(|name| name.starts_with("rules/")) {
        return Err(Misuse(format!("no rule file (*.yaml) in {}", dir.display())).into());
    }
    Ok(with)
}

fn bad_time(name: &str, text: &str) -> Misuse {
    Misuse(format!(
        "{name}: `{text}` is no time\n  hint: 2026-11-20T08:00:00+07:00, 2026-11-20, \
         2026-11-20T08:00, -24h, now"
    ))
}

/// A moment as people write it; without an offset it is Đà Nẵng's.
pub(crate) fn moment(text: &str, now: Timestamp) -> Option<Timestamp> {
    if text == "now" {
        return Some(now);
    }
    if let Some(ago) = text.strip_prefix('-') {
        return ioc_rules::parse_duration(ago).map(|ms| now.plus_ms(-ms));
    }
    let local = match text.len() {
        10 => format!("{text}T00:00:00+07:00"),
        16 => format!("{text}:00+07:00"),
        19 => format!("{text}+07:00"),
        _ => text.to_owned(),
    };
    Timestamp::parse_rfc3339(&local).or_else(|_| Timestamp::parse_rfc3339(text)).ok()
}

fn span(text: &str) -> Result<i64, String> {
    let span = ioc_rules::parse_duration(text);
    span.ok_or_else(|| format!("`{text}` is no span of time; such as 90s, 5m, 24h, 7d"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_without_an_offset_are_those_of_da_nang() {
        let now = Timestamp(1_761_588_000_000); // 2025-10-28T01:00:00+07:00
        let read = |text| moment(text, now).map(|t: Timestamp| t.to_string());
        let is = |text: &str| Some(text.to_owned());
        assert_eq!(read("2025-10-28"), is("2025-10-28T00:00:00+07:00"));
        assert_eq!(read("2025-10-28T08:30"), is("2025-10-28T08:30:00+07:00"));
        assert_eq!(read("2025-10-28T08:30:05"), is("2025-10-28T08:30:05+07:00"));
        assert_eq!(read("2025-10-28T01:30:05Z"), is("2025-10-28T08:30:05+07:00"));
        assert_eq!(read("-90m"), is("2025-10-27T23:30:00+07:00"));
        assert_eq!(read("now"), is("2025-10-28T01:00:00+07:00"));
        for bad in ["", "-", "-1", "yesterday", "2025-13-01", "28/10/2025", "1761588000"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_folder_of_rules_replaces_the_rules_and_nothing_else() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(dir.path().join("mine.yaml"), "rules: []").expect("writable");
        std::fs::write(dir.path().join("areas.csv"), "x").expect("writable");
        let shipped = config::shipped();
        let with = with_rules(&shipped, Some(dir.path())).expect("readable");
        let rules: Vec<_> = with.0.keys().filter(|k| k.starts_with("rules/")).collect();
        assert_eq!(rules, ["rules/mine.yaml"]);
        assert_eq!(with.get("areas.csv"), shipped.get("areas.csv"));
        std::fs::create_dir(dir.path().join("rules")).expect("writable");
        let with = with_rules(&shipped, Some(dir.path())).expect("readable");
        assert_eq!(with.get("areas.csv"), Some("x"), "a whole configuration");
    }
}
