//! `ioc device`: the device registry from the command line, beside a running centre.

mod args;
mod text;

use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use ioc_ingest::Registry;
use ioc_model::{Actor, Device, DeviceError, DeviceFile, DeviceState, DeviceStore, nearest};

pub(crate) use self::args::DeviceArgs;
use self::args::{DeviceAction, FileFormat, TokenAction};
use crate::check;
use crate::cli::Language;
use crate::config;
use crate::doors::REGISTRY;
use crate::exit::Misuse;
use crate::stages::wall;

/// More than this is no list of devices.
const MAX_FILE_BYTES: u64 = 256 << 20;

pub(crate) fn command(args: &DeviceArgs) -> anyhow::Result<()> {
    let desk = Desk { registry: open(args)?, language: Language::choose(args.lang) };
    match &args.action {
        DeviceAction::List { state, service, json } => {
            let wanted = |d: &Device| {
                state.is_none_or(|s| d.state == s.into())
                    && service.as_ref().is_none_or(|s| *s == *d.service)
            };
            desk.list(wanted, *json)
        }
        DeviceAction::Show { id } => desk.show(id),
        DeviceAction::Import { file, format, dry_run } => {
            desk.import((file, FileFormat::of(file, *format)?), *dry_run)
        }
        DeviceAction::Export { out, format } => desk.export(out.as_deref(), *format),
        DeviceAction::Approve { ids } => desk.set(ids, DeviceState::Approved),
        DeviceAction::Block { ids } => desk.set(ids, DeviceState::Blocked),
        DeviceAction::Remove { ids } => desk.remove(ids),
        DeviceAction::Token { action } => match action {
            TokenAction::New { id, label } => desk.new_token(id, label),
            TokenAction::List { id, json } => desk.tokens(id, *json),
            TokenAction::Revoke { id, number } => desk.revoke(id, *number),
        },
    }
}

fn open(args: &DeviceArgs) -> anyhow::Result<Arc<Registry>> {
    let base = check::load_all_but_rules(&config::read(&args.config)?)?;
    let settings = base.settings.for_reading(args.data.as_deref());
    if !settings.data.is_dir() {
        let data = settings.data.display();
        let hint = format!("start `ioc run --data {data}` once, or name the folder with --data");
        return Err(Misuse(format!("{data} is no data folder\n  hint: {hint}")).into());
    }
    let path = settings.file(REGISTRY);
    Ok(Registry::open_beside(&path, settings.ingest.registry, base.city)?)
}

/// Who asks: whoever may write the data folder.
fn actor() -> Actor {
    let name = ["USER", "LOGNAME"].into_iter().find_map(|v| std::env::var(v).ok());
    let name = name.filter(|n| !n.trim().is_empty()).unwrap_or_else(|| "unknown".into());
    let name: String = name.chars().filter(|c| !c.is_control()).take(60).collect();
    Actor { user: format!("cli:{name}"), origin: Some("ioc device".into()), at: wall() }
}

struct Desk {
    registry: Arc<Registry>,
    language: Language,
}

impl Desk {
    /// Words for what the registry did not do, about a device.
    fn refused(&self, error: DeviceError, id: &str) -> anyhow::Error {
        match error {
            DeviceError::NotThere => {
                let devices = self.registry.devices();
                let known = devices.called(id);
                let near =
                    known.map(|d| &d.id).or_else(|| nearest(id, devices.iter().map(|d| &d.id)));
                let id = id.escape_debug();
                Misuse(match near {
                    Some(near) if **near == *id.to_string() => format!("no such token of `{id}`"),
                    Some(near) => {
                        format!("there is no device `{id}`\n  hint: did you mean `{near}`?")
                    }
                    None => {
                        format!("there is no device `{id}`\n  hint: `ioc device list` shows all")
                    }
                })
                .into()
            }
            DeviceError::Invalid(mistakes) => {
                for mistake in &mistakes {
                    eprintln!("{mistake}");
                }
                let n = mistakes.len();
                let s = if n == 1 { "" } else { "s" };
                Misuse(format!("{n} mistake{s}; nothing was changed")).into()
            }
            DeviceError::Conflict(why) => anyhow::Error::msg(why),
            error @ DeviceError::Store(_) => error.into(),
        }
    }

    fn list(&self, wanted: impl Fn(&Device) -> bool, json: bool) -> anyhow::Result<()> {
        let devices = self.registry.devices();
        let mut rows: Vec<&Arc<Device>> = devices.iter().filter(|d| wanted(d)).collect();
        rows.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        let mut out = std::io::BufWriter::new(std::io::stdout().lock());
        for device in &rows {
            match json {
                true => writeln!(out, "{}", serde_json::to_string(device)?)?,
                false => writeln!(out, "{}", text::row(device, self.language))?,
            }
        }
        out.flush()?;
        if !json {
            eprintln!("{}", text::counted(rows.len(), devices.len(), self.language));
        }
        Ok(())
    }

    fn show(&self, id: &str) -> anyhow::Result<()> {
        let devices = self.registry.devices();
        let device = devices.called(id).ok_or_else(|| self.refused(DeviceError::NotThere, id))?;
        println!("{}", serde_json::to_string_pretty(device)?);
        Ok(())
    }

    fn import(&self, (file, format): (&Path, DeviceFile), dry_run: bool) -> anyhow::Result<()> {
        let name = file.display().to_string();
        let text = read(file)?;
        let done = self.registry.import(format, &name, &text, dry_run, &actor());
        let done = done.map_err(|e| self.refused(e, ""))?;
        for note in &done.notes {
            eprintln!("{note}");
        }
        println!("{}", text::imported(&done, dry_run, self.language));
        Ok(())
    }

    fn export(&self, out: Option<&Path>, format: Option<FileFormat>) -> anyhow::Result<()> {
        let format = match out {
            Some(path) => FileFormat::of(path, format)?,
            None => format.unwrap_or(FileFormat::Csv).into(),
        };
        let text = self.registry.export(format);
        match out {
            Some(path) => crate::stages::write_atomically(path, text.as_bytes())
                .with_context(|| format!("cannot write {}", path.display())),
            None => Ok(std::io::stdout().lock().write_all(text.as_bytes())?),
        }
    }

    fn set(&self, ids: &[String], state: DeviceState) -> anyhow::Result<()> {
        for id in ids {
            let device = self.registry.set_state(id, state, &actor());
            let device = device.map_err(|e| self.refused(e, id))?;
            println!("{}", text::row(&device, self.language));
        }
        Ok(())
    }

    fn remove(&self, ids: &[String]) -> anyhow::Result<()> {
        for id in ids {
            self.registry.remove(id, &actor()).map_err(|e| self.refused(e, id))?;
            println!("{}", text::removed(id, self.language));
        }
        Ok(())
    }

    fn new_token(&self, id: &str, label: &str) -> anyhow::Result<()> {
        let made = self.registry.issue_token(id, label, &actor());
        let made = made.map_err(|e| self.refused(e, id))?;
        println!("{}", made.token);
        let devices = self.registry.devices();
        let name = devices.get(id).map(|d| self.language.pick(&d.name)).unwrap_or_default();
        eprintln!("{}", text::token(&made, name, self.language));
        Ok(())
    }

    fn tokens(&self, id: &str, json: bool) -> anyhow::Result<()> {
        let tokens = self.registry.tokens(id).map_err(|e| self.refused(e, id))?;
        for token in &tokens {
            match json {
                true => println!("{}", serde_json::to_string(token)?),
                false => println!("{}", text::token_row(token)),
            }
        }
        Ok(())
    }

    fn revoke(&self, id: &str, number: i64) -> anyhow::Result<()> {
        self.registry.revoke_token(id, number, &actor()).map_err(|e| self.refused(e, id))?;
        println!("{}", text::revoked(id, number, self.language));
        Ok(())
    }
}

/// The text of a file; `-` is the standard input.
fn read(file: &Path) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    let most = MAX_FILE_BYTES + 1;
    let context = || format!("cannot read {}", file.display());
    if file == Path::new("-") {
        std::io::stdin().lock().take(most).read_to_end(&mut bytes).with_context(context)?;
    } else {
        let opened = std::fs::File::open(file).with_context(context)?;
        opened.take(most).read_to_end(&mut bytes).with_context(context)?;
    }
    if bytes.len() as u64 >= most {
        return Err(Misuse(format!("{} is larger than 256 MiB", file.display())).into());
    }
    String::from_utf8(bytes).map_err(|e| {
        let line = e.as_bytes()[..e.utf8_error().valid_up_to()].split(|b| *b == b'\n').count();
        let hint = "in Excel: Save as, CSV UTF-8 (comma delimited)";
        Misuse(format!("{}:{line}: the text is not UTF-8\n  hint: {hint}", file.display())).into()
    })
}
