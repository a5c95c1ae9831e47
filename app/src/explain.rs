//! `ioc explain ALERT`: why an alert was raised, changed and cleared, from the register's file.

mod text;

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use ioc_alerts::{Archive, Found};
use ioc_model::{AlertRow, AuditRow};
use serde_json::json;

use crate::cli::Language;
use crate::exit::Misuse;

/// Why an alert was raised, changed and cleared: values, limits and their legal source, readings
#[derive(clap::Args)]
pub(crate) struct ExplainArgs {
    /// Id of the alert, or its first digits (at least 4)
    #[arg(value_name = "ALERT")]
    pub alert: String,
    /// The data folder of the centre; it may be running
    #[arg(long, env = "IOC_DATA", default_value = "data", value_name = "DIR")]
    pub data: PathBuf,
    /// As JSON, like GET /api/v1/alerts/{id}
    #[arg(long)]
    pub json: bool,
    /// Language [default: by LANG]
    #[arg(long, value_name = "vi|en")]
    pub lang: Option<Language>,
}

pub(crate) fn command(args: &ExplainArgs) -> anyhow::Result<()> {
    let path = args.data.join("alerts.sqlite");
    if !path.is_file() {
        let hint = "hint: name the data folder of the centre with --data";
        return Err(Misuse(format!("{} is not there\n  {hint}", path.display())).into());
    }
    let archive =
        Archive::open(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let row = match archive.find(&args.alert)? {
        Found::One(row) => *row,
        Found::None => {
            return Err(Misuse(format!("no alert `{}` in {}", args.alert, path.display())).into());
        }
        Found::Several(rows) => {
            let ids: Vec<&str> = rows.iter().map(|r| r.id.0.as_str()).collect();
            let text = format!("`{}` begins several ids:\n  {}", args.alert, ids.join("\n  "));
            return Err(Misuse(text).into());
        }
    };
    let audit = archive.audit(&row.id)?;
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", json(&row, &audit))?;
    } else {
        out.write_all(text::explain(&row, &audit, Language::choose(args.lang)).as_bytes())?;
    }
    Ok(())
}

fn json(row: &AlertRow, audit: &[AuditRow]) -> serde_json::Value {
    json!({ "alert": row, "audit": audit })
}
