use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};
use tokio_util::sync::CancellationToken;

use super::{Recording, ReplayFeed, Times, unpack};
use crate::args::ReplayArgs;
use crate::link::{Counters, Link, LinkOptions};
use crate::pacer::Pacer;
use crate::shipped;
use crate::wire;

const FLOOD: &[u8] = include_bytes!("../../data/flood_levels.csv");
const NDW: &[u8] = include_bytes!("../../data/ndw_30min.txt.xz");
const BEIJING: &[u8] = include_bytes!("../../data/beijing_dongsi_2014.csv.xz");
const UCI: &[u8] = include_bytes!("../../data/uci_air_quality.csv.xz");
/// Where the developers' machines have the week of Aarhus, from the root of the repository.
const AARHUS_SHARED: &str =
    "../shared/data/aarhus_traffic/traffic_449sensors_2014-08-05_week.csv.xz";

/// Devices that are listed one by one without `--per-device`.
const SHORT_LIST: usize = 30;

/// A recording by name, or a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// River levels of October 2025.
    Flood,
    /// Dutch motorway lanes.
    Ndw,
    /// A week of Aarhus.
    Aarhus,
    /// One year of a Beijing station.
    Beijing,
    /// The Italian multisensor.
    Uci,
    /// Lines of topic and payload.
    Lines(PathBuf),
}

impl std::str::FromStr for Source {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "flood" => Self::Flood,
            "ndw" => Self::Ndw,
            "aarhus" => Self::Aarhus,
            "beijing" => Self::Beijing,
            "uci" => Self::Uci,
            path if Path::new(path).is_file() => Self::Lines(path.into()),
            other => {
                return Err(format!(
                    "`{other}` is neither flood, ndw, aarhus, beijing, uci nor a file"
                ));
            }
        })
    }
}

/// Reads a recording: the one carried, or `file` in the same format.
///
/// # Errors
/// A file that cannot be read or has another format.
fn load(args: &ReplayArgs) -> anyhow::Result<Recording> {
    let bytes = |carried: &[u8]| match &args.file {
        Some(path) => read(path),
        None => unpack(carried),
    };
    match &args.source {
        Source::Flood => {
            let city = shipped::city(args.config.as_deref())?;
            super::flood(&bytes(FLOOD)?, &city)
        }
        Source::Ndw => super::ndw(&bytes(NDW)?),
        Source::Beijing => super::beijing(&bytes(BEIJING)?),
        Source::Uci => super::uci(&bytes(UCI)?),
        Source::Lines(path) => super::lines(&read(path)?),
        Source::Aarhus => {
            let path = args.file.clone().unwrap_or_else(|| AARHUS_SHARED.into());
            if !path.is_file() {
                bail!(
                    "the week of Aarhus is not carried with this program (its licence is not \
                     clear) and {} is not there\n  hint: give it with --file FILE \
                     (.csv or .csv.xz with TIMESTAMP,REPORT_ID,vehicleCount,avgSpeed)",
                    path.display()
                );
            }
            super::aarhus(&read(&path)?)
        }
    }
}

fn read(path: &Path) -> anyhow::Result<String> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    unpack(&bytes).with_context(|| format!("cannot unpack {}", path.display()))
}

/// Sends a recording until everything is acknowledged and prints what was sent.
///
/// # Errors
/// A recording that cannot be read, no server, or messages that stay unacknowledged.
pub async fn replay(args: &ReplayArgs, stop: CancellationToken) -> anyhow::Result<()> {
    let recording = load(args)?;
    let options = super::ReplayOptions { speed: args.speed.0, times: args.times };
    let mut feed = ReplayFeed::new(&recording, options, (args.from, args.to));
    let total = feed.remaining();
    println!(
        "replay {} messages of {} devices to {} ({} empty rows, {} unreadable rows left out)",
        total,
        recording.devices().len(),
        args.target,
        recording.empty_rows,
        recording.bad_rows
    );
    if args.times == Times::Recorded {
        println!("times as recorded: the centre should run with `ioc run --clock event`");
    }
    let counters = Counters::default();
    let pacer = Pacer::start().context("cannot start the timer thread")?;
    let link = LinkOptions {
        target: args.target.clone(),
        client_id: format!("ioc-sim-replay-{}", std::process::id()),
        level: wire::V311,
        qos: args.qos,
        window: args.window,
        give_up: Some(Duration::from_secs(args.retry_seconds)),
    };
    let started = std::time::Instant::now();
    let bar = progress_bar(total as u64);
    let watched = if args.qos == 0 { &counters.sent } else { &counters.acked };
    let result = {
        let run = Link::new(link, &mut feed, &pacer, &counters, stop).run();
        let mut run = std::pin::pin!(run);
        let mut tick = tokio::time::interval(Duration::from_millis(100));
        loop {
            tokio::select! {
                result = &mut run => break result,
                _ = tick.tick() => bar.set_position(Counters::get(watched)),
            }
        }
    };
    bar.set_position(Counters::get(watched));
    bar.finish_and_clear();
    report(&recording, &feed, &counters, started.elapsed(), args.per_device);
    Ok(result?)
}

fn progress_bar(total: u64) -> ProgressBar {
    let bar = ProgressBar::new(total);
    if let Ok(style) =
        ProgressStyle::with_template("{bar:40} {pos}/{len} acknowledged, {per_sec}, {eta} left")
    {
        bar.set_style(style);
    }
    bar
}

fn report(
    recording: &Recording,
    feed: &ReplayFeed<'_>,
    counters: &Counters,
    took: Duration,
    per_device: bool,
) {
    let all = per_device || recording.devices().len() <= SHORT_LIST;
    let shown = if all { recording.devices().len() } else { SHORT_LIST };
    for (device, tally) in recording.devices().iter().zip(&feed.tallies).take(shown) {
        println!("device {} sent={} acked={}", device.id, tally.sent, tally.acked);
    }
    if !all {
        let more = recording.devices().len() - shown;
        println!("… and {more} more devices (--per-device lists all)");
    }
    println!(
        "total sent={} acked={} refused={} resent={} reconnects={} seconds={:.3}",
        Counters::get(&counters.sent),
        Counters::get(&counters.acked),
        Counters::get(&counters.refused),
        Counters::get(&counters.resent),
        Counters::get(&counters.reconnects),
        took.as_secs_f64()
    );
    if feed.latency.count() > 0 {
        println!("puback_ms {}", feed.latency.summary());
    }
}
