//! `ioc doctor`: unsafe settings and states, worst first. Reads the configuration and the data
//! folder, changes nothing, and may be run while the centre runs.

mod advice;
mod certificates;
mod files;
mod people;
mod place;
mod settings;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use ioc_model::{ConfigFiles, Timestamp};
use serde_json::json;

use self::advice::{Advice, Level};
use crate::check::{self, Base};
use crate::cli::{ConfigArgs, Language};
use crate::config;
use crate::exit::Unsafe;
use crate::stages::wall;
use crate::words::one_line;

/// Look for unsafe settings and states: doors, certificates, files, accounts, tokens
#[derive(clap::Args)]
#[command(after_help = "\
Looks at the configuration, at the files it names, and at the data folder; changes nothing, and may
be run while the centre runs. Run it as the centre's user, with the same IOC_* variables.

Exit codes: 0 nothing but notes, 1 a danger or a warning, 2 wrong command line or configuration.

Examples:
  ioc doctor --config /etc/ioc --data /var/lib/ioc
  ioc doctor --json | jq '.findings[] | select(.level == \"danger\")'")]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    pub config: ConfigArgs,
    /// The data folder of the centre [default: that of ioc.yaml, else ./data]
    #[arg(long, env = "IOC_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Where devices publish, if `ioc run` is told so
    #[arg(long, env = "IOC_MQTT_LISTEN", value_name = "ADDR:PORT")]
    pub mqtt_listen: Option<SocketAddr>,
    /// Where the dashboard is served, if `ioc run` is told so
    #[arg(long, env = "IOC_HTTP_LISTEN", value_name = "ADDR:PORT")]
    pub http_listen: Option<SocketAddr>,
    /// As JSON: `{findings: [{level, code, place, what, why, todo}]}`, texts in both languages
    #[arg(long)]
    pub json: bool,
    /// Language [default: by LANG]
    #[arg(long, value_name = "vi|en")]
    pub lang: Option<Language>,
}

/// What is looked at.
struct Patient<'a> {
    files: &'a ConfigFiles,
    /// The folder of the configuration, if it is one.
    folder: Option<&'a Path>,
    base: &'a Base,
    now: Timestamp,
    /// User number that the centre's files belong to; `None`: there are none yet.
    owner: Option<u32>,
}

/// One thing that is unsafe.
#[derive(Debug)]
struct Finding {
    advice: &'static Advice,
    /// `ioc.yaml:7 dashboard.listen`, or a file.
    place: String,
    /// What stands in the place of `{}`.
    value: String,
}

impl Finding {
    fn new(advice: &'static Advice, place: impl Into<String>, value: impl ToString) -> Self {
        Self { advice, place: place.into(), value: one_line(&value.to_string()) }
    }

    fn what(&self, language: Language) -> String {
        pick(self.advice.what, language).replace("{}", &self.value)
    }

    fn json(&self) -> serde_json::Value {
        let both = |text: advice::Both| json!({ "vi": text.0, "en": text.1 });
        json!({
            "level": self.advice.level,
            "code": self.advice.code,
            "place": self.place,
            "what": { "vi": self.what(Language::Vi), "en": self.what(Language::En) },
            "why": both(self.advice.why),
            "todo": both(self.advice.todo),
        })
    }
}

fn pick(text: advice::Both, language: Language) -> &'static str {
    match language {
        Language::Vi => text.0,
        Language::En => text.1,
    }
}

pub(crate) fn command(args: &DoctorArgs) -> anyhow::Result<()> {
    let files = config::read(&args.config)?;
    let base = check::load_all_but_rules(&files)?;
    let mut settings = base.settings.for_reading(args.data.as_deref());
    let gateway = &mut settings.ingest.gateway;
    gateway.listen = args.mqtt_listen.or(gateway.listen);
    settings.dashboard.listen = args.http_listen.unwrap_or(settings.dashboard.listen);
    let base = Base { settings, ..base };
    let patient = Patient {
        files: &files,
        folder: args.config.config.as_deref(),
        base: &base,
        now: wall(),
        owner: files::owner(&base.settings.data),
    };
    let findings = examine(&patient);
    match args.json {
        true => {
            let findings: Vec<_> = findings.iter().map(Finding::json).collect();
            println!("{}", json!({ "findings": findings }));
        }
        false => print!("{}", text(&findings, Language::choose(args.lang))),
    }
    let bad = findings.iter().filter(|f| f.advice.level < Level::Note).count();
    if bad == 0 { Ok(()) } else { Err(Unsafe(bad).into()) }
}

/// Everything, worst first.
fn examine(patient: &Patient<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    settings::look(patient, &mut findings);
    certificates::look(patient, &mut findings);
    files::look(patient, &mut findings);
    people::look(patient, &mut findings);
    findings.sort_by_key(|f| f.advice.level);
    findings
}

fn text(findings: &[Finding], language: Language) -> String {
    let vi = language == Language::Vi;
    let mut out = String::new();
    for finding in findings {
        let level = match (finding.advice.level, vi) {
            (Level::Danger, true) => "NGUY HIỂM",
            (Level::Danger, false) => "DANGER",
            (Level::Warning, true) => "CẢNH BÁO",
            (Level::Warning, false) => "WARNING",
            (Level::Note, true) => "ghi chú",
            (Level::Note, false) => "note",
        };
        let Finding { advice, place, .. } = finding;
        out.push_str(&format!("{level}  {}\n", finding.what(language)));
        out.push_str(&format!("  {}: {place}\n", if vi { "ở đâu" } else { "where" }));
        let (why, todo) = (pick(advice.why, language), pick(advice.todo, language));
        out.push_str(&format!("  {}: {why}\n", if vi { "vì sao" } else { "why" }));
        out.push_str(&format!("  {}: {todo}\n\n", if vi { "nên làm" } else { "do" }));
    }
    let of = |level| findings.iter().filter(|f| f.advice.level == level).count();
    let (dangers, warnings, notes) = (of(Level::Danger), of(Level::Warning), of(Level::Note));
    out.push_str(&match vi {
        true => format!("nguy hiểm: {dangers} · cảnh báo: {warnings} · ghi chú: {notes}\n"),
        false => format!("dangers: {dangers} · warnings: {warnings} · notes: {notes}\n"),
    });
    out
}
