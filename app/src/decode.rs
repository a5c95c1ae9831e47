//! `ioc decode --topic … FILE`: what the centre makes of a message, without sending it.

use std::io::{BufRead, Read, Write};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use ioc_ingest::{Client, Decoders, Explained, Incoming, Registry, record_json};
use ioc_model::{City, Record, Timestamp};
use serde_json::{Value, json};

use crate::cli::{ConfigArgs, Language};
use crate::exit::{BadConfig, Misuse, Refused};
use crate::settings::FILE;
use crate::stages::wall;
use crate::{check, config, doors};

/// What the centre would make of a message: format, device, values with units, or why it is refused
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  ioc decode --topic ioc/v1/hai_chau/air/air-1/obs payload.json
  mosquitto_sub -v -t 'application/#' | ioc decode --lines
  ioc decode --topic spBv1.0/plant/NBIRTH/edge --data /var/lib/ioc birth.bin --json

Devices are looked up in the configuration and, where --data has one, in its registry. Nothing is
stored or sent. Exit code 1: a message is refused.")]
pub(crate) struct DecodeArgs {
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Topic it is published to
    #[arg(long, required_unless_present = "lines")]
    pub topic: Option<String>,
    /// File with the payload; `-` or nothing: standard input
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Many messages, one per line: topic, blank, payload (as `mosquitto_sub -v` writes them)
    #[arg(long, conflicts_with = "topic")]
    pub lines: bool,
    /// The publish carries the retain flag, as a broker repeats old messages
    #[arg(long)]
    pub retain: bool,
    /// Also: may the device of this id publish it?
    #[arg(long, value_name = "DEVICE")]
    pub device: Option<String>,
    /// Data folder of a centre, for its device registry; it may be running
    #[arg(long, env = "IOC_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// As JSON, one object per message
    #[arg(long)]
    pub json: bool,
    /// Language [default: by LANG]
    #[arg(long, value_name = "vi|en")]
    pub lang: Option<Language>,
}

/// Largest input, bytes: one payload is at most 64 KiB.
const INPUT_BYTES: u64 = 64 << 20;

pub(crate) fn command(args: &DecodeArgs) -> anyhow::Result<()> {
    let bench = Bench::open(args)?;
    let mut out = std::io::stdout().lock();
    let mut refused = 0u64;
    let input: Box<dyn Read> = match args.file.as_deref().filter(|f| f.as_os_str() != "-") {
        Some(file) => {
            let opened = std::fs::File::open(file);
            Box::new(opened.with_context(|| format!("cannot read {}", file.display()))?)
        }
        None => Box::new(std::io::stdin().lock()),
    };
    let mut input = std::io::BufReader::new(input.take(INPUT_BYTES));
    if let Some(topic) = &args.topic {
        let mut payload = Vec::new();
        input.read_to_end(&mut payload)?;
        refused += u64::from(!bench.show(topic, &payload, &mut out)?);
    } else {
        let mut line = Vec::new();
        while input.read_until(b'\n', &mut line)? > 0 {
            let text = line.strip_suffix(b"\n").unwrap_or(&line);
            if !text.is_empty() {
                let at = text.iter().position(|b| *b == b' ').unwrap_or(text.len());
                let (topic, payload) = (&text[..at], text.get(at + 1..).unwrap_or_default());
                let topic = String::from_utf8_lossy(topic);
                refused += u64::from(!bench.show(&topic, payload, &mut out)?);
            }
            line.clear();
        }
    }
    if refused > 0 { Err(Refused(refused).into()) } else { Ok(()) }
}

/// Decoders as the centre has them.
struct Bench {
    city: Arc<City>,
    decoders: Decoders,
    client: Option<Client>,
    retain: bool,
    json: bool,
    words: &'static Words,
}

impl Bench {
    fn open(args: &DecodeArgs) -> anyhow::Result<Self> {
        let base = check::load_all_but_rules(&config::read(&args.config)?)?;
        let city = Arc::clone(&base.city);
        let ingest = &base.settings.ingest;
        let decoders =
            Decoders::new(FILE, &ingest.decoders, Arc::clone(&city)).map_err(BadConfig)?;
        let decoders = match &args.data {
            None => decoders,
            Some(data) => {
                let path = data.join(doors::REGISTRY);
                if !path.is_file() {
                    let what = format!("{} is not there", path.display());
                    return Err(Misuse(format!(
                        "{what}\n  hint: name the data folder of the centre with --data"
                    ))
                    .into());
                }
                let config = ingest.registry.clone();
                decoders.with_registry(Registry::open_beside(&path, config, Arc::clone(&city))?)
            }
        };
        let client = args.device.as_deref().map(Client::device);
        let words = match Language::choose(args.lang) {
            Language::Vi => &VI,
            Language::En => &EN,
        };
        Ok(Self { city, decoders, client, retain: args.retain, json: args.json, words })
    }

    /// Shows one message; whether it would be taken.
    fn show(&self, topic: &str, payload: &[u8], out: &mut impl Write) -> anyhow::Result<bool> {
        let message = Incoming { topic, payload, retain: self.retain, received: wall() };
        let mut explained = self.decoders.explain(&message);
        // What looking leaves as it is: the next line may need what this one told (a BIRTH).
        let _ = self.decoders.decode(&message);
        if let Some(client) = &self.client {
            let devices = self.decoders.registry().now();
            let denied = client.may_publish(&devices, topic).err();
            let denied = denied.or_else(|| {
                let said = explained.result.as_ref().ok()?;
                said.records.iter().find_map(|r| client.may_speak_for(&devices, &r.device).err())
            });
            if let Some(refusal) = denied {
                explained.result = Err(refusal);
            }
        }
        let taken = explained.result.is_ok();
        if self.json {
            writeln!(out, "{}", self.json(topic, &explained))?;
        } else {
            self.text(topic, &explained, out)?;
        }
        Ok(taken)
    }

    fn json(&self, topic: &str, explained: &Explained) -> Value {
        let mut json = json!({
            "topic": topic, "format": explained.format, "ignored": explained.ignored,
        });
        match &explained.result {
            Ok(decoded) => {
                let records: Vec<_> =
                    decoded.records.iter().map(|r| record_json(&self.city, r)).collect();
                json["records"] = records.into();
                if let Some(doubt) = &decoded.doubt {
                    json["warning"] =
                        json!({ "reason": doubt.reason.as_str(), "detail": doubt.detail });
                }
            }
            Err(refusal) => {
                json["refused"] = json!({
                    "reason": refusal.reason.as_str(), "detail": refusal.detail,
                    "device": refusal.device,
                });
            }
        }
        json
    }

    fn text(
        &self,
        topic: &str,
        explained: &Explained,
        out: &mut impl Write,
    ) -> std::io::Result<()> {
        let w = self.words;
        writeln!(out, "{:<10} {}", w.topic, clean(topic))?;
        writeln!(out, "{:<10} {}", w.format, explained.format)?;
        match &explained.result {
            Ok(decoded) if decoded.records.is_empty() => writeln!(out, "{}", w.nothing)?,
            Ok(decoded) => {
                for record in &decoded.records {
                    self.record(record, out)?;
                }
                if let Some(doubt) = &decoded.doubt {
                    let (reason, detail) = (doubt.reason.as_str(), clean(&doubt.detail));
                    writeln!(out, "{:<10} {reason}: {detail}", w.warning)?;
                }
            }
            Err(refusal) => {
                let detail = clean(&refusal.detail);
                writeln!(out, "{:<10} {}: {detail}", w.refused, refusal.reason.as_str())?;
            }
        }
        if !explained.ignored.is_empty() {
            let ignored: Vec<_> = explained.ignored.iter().map(|f| clean(f)).collect();
            writeln!(out, "{:<10} {}", w.ignored, ignored.join(", "))?;
        }
        writeln!(out)
    }

    fn record(&self, record: &Record, out: &mut impl Write) -> std::io::Result<()> {
        let json = record_json(&self.city, record);
        let known = match self.decoders.registry().now().get(&record.device) {
            Some(device) => format!(" ({})", device.name.vi),
            None => format!(" ({})", self.words.unknown),
        };
        writeln!(
            out,
            "{:<10} {}{known} · {} · {}",
            self.words.device, record.device, record.service, record.area
        )?;
        writeln!(out, "{:<10} {}", self.words.time, Timestamp::to_rfc3339(record.time))?;
        if let Some(values) = json["values"].as_object() {
            for (property, value) in values {
                let unit = json["units"][property].as_str().unwrap_or_default();
                let quality = json["quality"].as_str().unwrap_or_default();
                writeln!(out, "  {property:<20} {value} {unit} ({quality})")?;
            }
        }
        for part in ["detection", "status"] {
            if let Some(fields) = json[part].as_object() {
                for (field, value) in fields.iter().filter(|(_, v)| !v.is_null()) {
                    writeln!(out, "  {part}.{field:<16} {value}")?;
                }
            }
        }
        Ok(())
    }
}

/// Device strings must not steer the terminal.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{FFFD}' } else { c }).collect()
}

struct Words {
    topic: &'static str,
    format: &'static str,
    device: &'static str,
    time: &'static str,
    nothing: &'static str,
    warning: &'static str,
    refused: &'static str,
    ignored: &'static str,
    unknown: &'static str,
}

const EN: Words = Words {
    topic: "topic",
    format: "format",
    device: "device",
    time: "time",
    nothing: "right, but says nothing for the journal",
    warning: "warning",
    refused: "REFUSED",
    ignored: "passed over",
    unknown: "not in the registry",
};

const VI: Words = Words {
    topic: "topic",
    format: "định dạng",
    device: "thiết bị",
    time: "thời gian",
    nothing: "đúng, nhưng không có gì để ghi",
    warning: "lưu ý",
    refused: "TỪ CHỐI",
    ignored: "bỏ qua",
    unknown: "không có trong danh bạ",
};
