//! `ioc history export`: one file that can go on where it broke off, or a folder of days.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use ioc_history::EmbeddedStore;
use ioc_model::{City, HistoryStore, Name, Timestamp};
use ioc_share::export::{Export, Format, Refusal, Request, Tail, Zone, last_row};
use ioc_share::{DeviceView, Scope, Sources};

use super::progress::Progress;
use super::{folder, text};
use crate::backtest::moment;
use crate::check::Base;
use crate::cli::Language;
use crate::exit::Misuse;
use crate::stages::wall;

/// The end of a torn file is looked at in parts of this size, doubled as long as needed.
const TAIL_BYTES: u64 = 64 * 1024;
/// A day, ms.
const DAY_MS: i64 = 86_400_000;

/// Write readings to a file: CSV, GeoJSON, line protocol, or Parquet
#[derive(clap::Args)]
#[command(after_help = "\
Rows are in the order of device, property and time. While it is written the file is called
FILE.part; a file called FILE is whole. `--resume` cuts what is torn at the end of FILE.part and
goes on behind the last whole row with the selection it was begun with, so that the file becomes
what one run would have made.

Parquet goes to a folder: a file for each whole day of the city that is over (and out of the
centre's memory), each whole or absent; `--resume` makes those that are missing, up to another --to if one is given. With a FILE that ends
in .parquet it is one file, begun anew each time.

A running centre holds the readings of the last minutes in memory (history.embedded.head_age_s);
they are not in an export from the file. Export over HTTP has them.

Examples:
  ioc history export --out air.csv --service air --from -30d
  ioc history export --out air.csv --resume
  ioc history export --out rain.csv --property rainfall --step 1d --agg sum --from 2026-01-01
  ioc history export --out gauges.geojson --device gauge-1,gauge-2
  ioc history export --out all.lp --from 2026-11-01 --to 2026-12-01
  ioc history export --out days/ --format parquet --from 2026-01-01")]
pub(crate) struct ExportArgs {
    /// The file to write; for Parquet a folder
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// csv, geojson, lp or parquet [default: by the file's ending, else csv]
    #[arg(long, value_name = "FORMAT", value_parser = format)]
    pub format: Option<Format>,
    /// Go on where the export to this file broke off
    #[arg(long)]
    pub resume: bool,
    /// Only these devices
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    pub device: Vec<String>,
    /// Only devices of these services
    #[arg(long, value_name = "CODE", value_delimiter = ',')]
    pub service: Vec<String>,
    /// Only devices in these areas
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    pub area: Vec<String>,
    /// Only these properties
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub property: Vec<String>,
    /// From when: RFC 3339, 2026-11-20, 2026-11-20T08:00 (Đà Nẵng time), or -7d [default: a day before
    /// --to]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub from: Option<String>,
    /// Until when, in the same ways [default: now]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub to: Option<String>,
    /// Windows of this length instead of readings, such as 15m, 1h, 1d (days of the city)
    #[arg(long, value_name = "SPAN", value_parser = span)]
    pub step: Option<i64>,
    /// Columns of windows: min, max, mean, sum, count, last, bad [default: all; for lp mean]
    #[arg(long, value_name = "LIST", requires = "step", value_parser = words)]
    pub agg: Option<String>,
    /// At most so many rows
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
}

fn format(text: &str) -> Result<Format, String> {
    Format::parse(text).ok_or_else(|| format!("`{text}` is not csv, geojson, lp or parquet"))
}

fn span(text: &str) -> Result<i64, String> {
    let span = ioc_rules::parse_duration(text).filter(|ms| *ms > 0);
    span.ok_or_else(|| format!("`{text}` is no span of time; such as 15m, 1h, 1d"))
}

fn words(text: &str) -> Result<String, String> {
    let plain = text.chars().all(|c| c.is_ascii_lowercase() || c == ',');
    if plain { Ok(text.to_owned()) } else { Err("is not a list of words".to_owned()) }
}

impl ExportArgs {
    fn format(&self) -> Format {
        let ending = self.out.extension().and_then(|e| e.to_str()).unwrap_or("");
        self.format.or_else(|| Format::parse(ending)).unwrap_or(Format::Csv)
    }

    fn request(&self, zone: &Zone, language: Language) -> Result<Request, Misuse> {
        let now = wall();
        let time = |name: &str, text: &str| {
            moment(text, now).map(|t| t.0).ok_or_else(|| {
                let hint = "hint: 2026-11-20T08:00:00+07:00, 2026-11-20, -24h, now";
                Misuse(format!("{name}: `{text}` is no time\n  {hint}"))
            })
        };
        let to = time("--to", self.to.as_deref().unwrap_or("now"))?;
        let from = self.from.as_deref().map(|from| time("--from", from)).transpose()?;
        let from = from.unwrap_or(to - DAY_MS);
        let mut query = format!("format={}&from={from}&to={to}", self.format().word());
        if let Some(ms) = self.step {
            let whole_days = ms % DAY_MS == 0;
            let offset = if whole_days { zone.day_offset_ms(Timestamp(from)) } else { 0 };
            query.push_str(&format!("&step={ms}&offset={offset}"));
        }
        query.extend(self.agg.iter().map(|agg| format!("&agg={agg}")));
        query.extend(self.limit.map(|n| format!("&limit={n}")));
        query.push_str(if language == Language::En { "&lang=en" } else { "&lang=vi" });
        let mut request = Request::parse(&query, zone, now).map_err(|e| Misuse(e.message))?;
        for (list, texts) in [
            (&mut request.devices, &self.device),
            (&mut request.services, &self.service),
            (&mut request.areas, &self.area),
            (&mut request.properties, &self.property),
        ] {
            list.extend(texts.iter().map(|t| Name::from(t.trim())));
            list.sort_unstable();
            list.dedup();
        }
        Ok(request)
    }
}

pub(super) fn command(
    args: &ExportArgs,
    base: &Base,
    file: &Path,
    language: Language,
) -> anyhow::Result<()> {
    let zone = Zone::of(&base.city);
    let store = EmbeddedStore::open_read_only(file)
        .with_context(|| format!("cannot read {}", file.display()))?;
    let sources = sources(Arc::clone(&base.city), Arc::new(store));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let head_age_s = base.settings.history.embedded.head_age_s;
    let settled = wall().plus_ms(-1_000 * i64::from(head_age_s));
    let job = Job { sources, zone, settled, language };
    let request = args.request(&job.zone, language)?;
    if request.to > settled {
        eprintln!("{}", text::in_memory(head_age_s, language));
    }
    let one_file = args.out.extension().is_some_and(|e| e == "parquet");
    runtime.block_on(async {
        match request.format {
            Format::Parquet if !one_file => folder::write(&job, request, args).await,
            _ => job.file(request, &args.out, args.resume).await.map(drop),
        }
    })
}

/// The configured devices; series of others go by their ids.
fn sources(city: Arc<City>, history: Arc<dyn HistoryStore>) -> Sources {
    let view = |d: &ioc_model::DeviceSpec| DeviceView {
        id: d.id.clone(),
        name: d.name.clone(),
        kind: d.kind.clone(),
        service: d.service.clone(),
        area: d.area.clone(),
        place: Some((d.lat, d.lon)),
        properties: d.properties.clone(),
        cadence_s: d.cadence_s,
    };
    let devices = Arc::new(city.devices.values().map(view).collect::<Vec<_>>());
    Sources {
        city,
        history,
        devices: Arc::new(move || Arc::clone(&devices)),
        clock: Arc::new(wall),
    }
}

/// Where exports are made from.
pub(super) struct Job {
    pub sources: Sources,
    pub zone: Zone,
    /// Readings of before are in the file, as far as they came in time.
    pub settled: Timestamp,
    pub language: Language,
}

/// A file beside another one.
pub(super) fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

impl Job {
    /// Writes one file; rows written.
    pub async fn file(&self, request: Request, out: &Path, resume: bool) -> anyhow::Result<u64> {
        let (part, query) = (beside(out, ".part"), beside(out, ".part.query"));
        let shown = out.display().to_string();
        if resume && !part.is_file() && out.is_file() {
            eprintln!("{}", text::complete(&shown, self.language));
            return Ok(0);
        }
        let context = || format!("cannot write {}", part.display());
        let mut file = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&part)
            .with_context(context)?;
        file.try_lock().with_context(|| format!("{} is being written", part.display()))?;
        let begun = match resume {
            true => self.begun(&mut file, &query)?,
            false => None,
        };
        let request = match begun {
            Some(request) => {
                let size = file.stream_position()?;
                eprintln!("{}", text::going_on(&shown, size, self.language));
                request
            }
            None => {
                file.set_len(0).with_context(context)?;
                std::fs::write(&query, request.to_string()).with_context(context)?;
                request
            }
        };
        let rows = self.write(request, &mut file, &shown).await?;
        file.sync_all().with_context(context)?;
        std::fs::rename(&part, out).with_context(context)?;
        std::fs::remove_file(&query).with_context(context)?;
        let size = file.metadata()?.len();
        eprintln!("{}", text::exported(rows, size, &shown, self.language));
        Ok(rows)
    }

    /// What was asked for when a file was begun, with the row that it goes on behind; the file is
    /// cut there. `None`: there is no whole row in it.
    fn begun(&self, file: &mut File, query: &Path) -> anyhow::Result<Option<Request>> {
        let Ok(query) = std::fs::read_to_string(query) else { return Ok(None) };
        let begun = Request::parse(&query, &self.zone, wall()).map_err(|e| Misuse(e.message))?;
        let size = file.metadata()?.len();
        let mut looked_at = TAIL_BYTES.min(size);
        loop {
            file.seek(SeekFrom::Start(size - looked_at))?;
            let mut tail = Vec::new();
            file.take(looked_at).read_to_end(&mut tail)?;
            match last_row(begun.format, &self.zone, &tail, looked_at == size) {
                Tail::After(keep, mark) => {
                    let end = size - looked_at + keep as u64;
                    file.set_len(end)?;
                    file.seek(SeekFrom::Start(end))?;
                    return Ok(Some(Request { resume: Some(mark), ..begun }));
                }
                Tail::LookFurther if looked_at < size => looked_at = (looked_at * 2).min(size),
                Tail::LookFurther | Tail::NoRow => {
                    file.set_len(0)?;
                    file.seek(SeekFrom::Start(0))?;
                    return Ok(Some(begun));
                }
            }
        }
    }

    async fn write(&self, request: Request, file: &mut File, shown: &str) -> anyhow::Result<u64> {
        let raw = request.windows.is_none().then_some(request.from);
        let opened = Export::open(&self.sources, &Scope::city(), request).await;
        let mut export = opened.map_err(refused)?;
        if let Some(from) = raw {
            let raw_from = self.sources.history.stats().await.raw_from.filter(|t| *t > from);
            raw_from.iter().for_each(|t| eprintln!("{}", text::raw_from(*t, self.language)));
        }
        let mut progress = Progress::new(self.language, false);
        let context = || format!("export of {shown} broke off");
        while let Some(piece) = export.next().await.with_context(context)? {
            file.write_all(&piece).with_context(context)?;
            let p = export.progress();
            progress.series(p.series_done, p.series, Some(p.rows));
        }
        progress.finish();
        let done = export.progress();
        if done.unwritable > 0 {
            eprintln!("{}", text::unwritable(done.unwritable, self.language));
        }
        Ok(done.rows)
    }
}

/// What the command line asks for is not there (2), or the store does not answer (1).
pub(super) fn refused(refusal: Refusal) -> anyhow::Error {
    match refusal.status {
        503 => anyhow::anyhow!(refusal.message),
        _ => Misuse(refusal.message).into(),
    }
}
