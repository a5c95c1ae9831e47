//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use ioc_model::Timestamp;

use crate::load::WatchOptions;
use crate::nab::Detector;
use crate::replay::{Source, Times};
use crate::target::Target;

/// Simulated devices for the centre of operations.
///
/// Everything speaks MQTT 3.1.1 and publishes in the native format
/// (`ioc/v1/{area}/{service}/{device}/{obs|event|status}`).
#[derive(Debug, Parser)]
#[command(
    name = "ioc-sim",
    version,
    after_help = "\
Examples:
  ioc-sim city                                   a living city at mqtt://127.0.0.1:1883
  ioc-sim city --seed 7 --storm-after 20         the same storm as always, after 20 s
  ioc-sim replay flood --speed 3600              the flood of October 2025, an hour per second
  ioc-sim load --rate 50000 --devices 1000       how much does the centre take?
  ioc-sim nab --data ../shared/data/nab          how good is the anomaly detector?"
)]
pub struct Cli {
    /// What to simulate.
    #[command(subcommand)]
    pub command: Command,
}

/// What there is.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// A simulated city: daily cycles, rain and floods, congestion, cameras, broken devices.
    City(CityArgs),
    /// A recorded feed, sent again with its defects.
    Replay(ReplayArgs),
    /// Open-loop load with latency figures.
    Load(LoadArgs),
    /// Many devices with a connection each: memory, reconnection, a flooding device.
    Fleet(FleetArgs),
    /// The Numenta Anomaly Benchmark.
    Nab(NabArgs),
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Switch {
    /// Yes.
    On,
    /// No.
    Off,
}

/// How many devices of the configuration take part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceCount(pub Option<usize>);

impl std::str::FromStr for DeviceCount {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "all" => Ok(Self(None)),
            number => match number.parse() {
                Ok(n) if n > 0 => Ok(Self(Some(n))),
                _ => Err("expected `all` or a number from 1".into()),
            },
        }
    }
}

/// A factor of time, or as fast as possible.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Speed(pub Option<f64>);

impl std::str::FromStr for Speed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "max" => Ok(Self(None)),
            number => match number.parse::<f64>() {
                Ok(n) if n > 0.0 && n.is_finite() => Ok(Self(Some(n))),
                _ => Err("expected `max` or a number above 0".into()),
            },
        }
    }
}

/// `ioc-sim city`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
What happens: every device speaks within two seconds, then at its cadence divided by --speed, at
the latest every --max-interval seconds. At second 2 a street flood tower reads 0.60 m and at
second 3 a camera sees a car on the wrong way, so that alerts appear at once. Congestion builds up
at Ngã Ba Huế from second 20. The storm starts after --storm-after seconds, reaches its height two
minutes later, is over after five, and comes back every 15 minutes: streets flood, rivers rise
through their alarm levels, then fall again.

Messages carry the true time; --speed moves the city's own day and its cadences only. With --pace
a long time is told in a short one: messages leave faster than their times say, so the centre must
run with --clock event. The same seed gives the same city; two runs differ in their times alone.

Examples:
  ioc-sim city --speed 10 --storm-after 5
  ioc-sim city --start 2026-10-27T00:00:00+07:00 --seconds 86400 --pace 500 \\
    --storm-after 21600 --storm-length 60 --max-interval 120      a storm day in three minutes
  ioc-sim city --devices 20 --faults off --seconds 60")]
pub struct CityArgs {
    /// Where to publish: mqtt://[user:password@]host[:port].
    #[arg(long, default_value = "mqtt://127.0.0.1:1883", env = "IOC_SIM_TARGET")]
    pub target: Target,
    /// Configuration folder with devices.csv; the shipped Đà Nẵng is built in.
    #[arg(long)]
    pub config: Option<PathBuf>,
    /// Names the city's luck.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// How much faster than life the city lives.
    #[arg(long, default_value_t = 1.0, value_parser = positive)]
    pub speed: f64,
    /// Ends after so many seconds; without it, with Ctrl-C.
    #[arg(long, value_parser = positive)]
    pub seconds: Option<f64>,
    /// `all`, or so many devices spread over the list.
    #[arg(long, default_value = "all")]
    pub devices: DeviceCount,
    /// Messages leave so many times faster than their own times say.
    #[arg(long, default_value_t = 1.0, value_parser = positive)]
    pub pace: f64,
    /// Time of the start, such as 2026-10-27T00:00:00+07:00 [default: now].
    #[arg(long)]
    pub start: Option<jiff::Timestamp>,
    /// Seconds until the first storm.
    #[arg(long, default_value_t = 45.0)]
    pub storm_after: f64,
    /// Storms take so many times as long as the shortest, of 10 minutes.
    #[arg(long, default_value_t = 1.0, value_parser = positive)]
    pub storm_length: f64,
    /// Devices fall silent, get stuck and send garbage.
    #[arg(long, value_enum, default_value_t = Switch::On)]
    pub faults: Switch,
    /// Longest silence of a healthy device, seconds.
    #[arg(long, default_value_t = 30.0, value_parser = positive)]
    pub max_interval: f64,
}

/// `ioc-sim replay`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Recordings (carried unless said otherwise; see simulators/data/PROVENANCE.md):
  flood    32 river levels of 7 stations, Đà Nẵng, 28 to 30 October 2025
  ndw      1,140 messages of 19 Dutch motorway lanes, 30 minutes
  beijing  one year of an air station, hourly, with gaps
  uci      9,357 hours of an Italian multisensor, -200 where it had no value
  aarhus   a week of 449 traffic sensors (not carried: --file)
  FILE     lines as `mosquitto_sub -v` writes them: topic, blank, JSON with `time`

Defects are sent as recorded: zero counts, rows that come twice, -200. With --times recorded
(default) the messages carry the recorded times; start the centre with `ioc run --clock event` so
that it does not take them for years late. With --times now each carries its sending time.

Examples:
  ioc-sim replay flood --speed max
  ioc-sim replay ndw --speed 60 --times now
  ioc-sim replay aarhus --file week.csv.xz --speed max --from 2014-08-05T06:00:00+02:00
  mosquitto_sub -v -t 'ioc/v1/#' > day.txt ; ioc-sim replay day.txt --speed 10 --times now")]
pub struct ReplayArgs {
    /// flood, ndw, beijing, uci, aarhus, or a file.
    pub source: Source,
    /// Where to publish: mqtt://[user:password@]host[:port].
    #[arg(long, default_value = "mqtt://127.0.0.1:1883", env = "IOC_SIM_TARGET")]
    pub target: Target,
    /// Recorded seconds per second, or `max`.
    #[arg(long, default_value = "max")]
    pub speed: Speed,
    /// Which time the messages carry.
    #[arg(long, value_enum, default_value_t = Times::Recorded)]
    pub times: Times,
    /// Read the recording from here instead of the carried copy (.xz is unpacked).
    #[arg(long)]
    pub file: Option<PathBuf>,
    /// From this time on (RFC 3339 with offset).
    #[arg(long, value_parser = moment)]
    pub from: Option<Timestamp>,
    /// Up to this time (RFC 3339 with offset).
    #[arg(long, value_parser = moment)]
    pub to: Option<Timestamp>,
    /// 0, 1 or 2.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=2))]
    pub qos: u8,
    /// Unacknowledged messages at most.
    #[arg(long, default_value_t = 1000)]
    pub window: usize,
    /// Give up after so many seconds without a connection.
    #[arg(long, default_value_t = 30)]
    pub retry_seconds: u64,
    /// List every device at the end, also when there are many.
    #[arg(long)]
    pub per_device: bool,
    /// Configuration folder with devices.csv; the shipped Đà Nẵng is built in.
    #[arg(long)]
    pub config: Option<PathBuf>,
}

/// `ioc-sim load`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Messages are due at whole milliseconds, evenly spread; what one connection has due in one
millisecond goes out in one write. So few connections mean many packets per write and little CPU
here. When --window messages of a connection wait for their PUBACK it stops sending; latency counts
from the due time all the same, so a slow server cannot hide.

The output ends with lines for scripts:
  total sent=… acked=… refused=… resent=… reconnects=… unsent=… seconds=…
  rate_per_s achieved=… asked=…
  puback_ms p50=… p99=… p99.9=… max=…
  own_cpu_s … us_per_message=… of_a_core=…
  alert_frame_ms n=… missing=… p50=… p99=… p99.9=… max=…      (with --watch)

With --watch one more device crosses a limit every --watch-every-ms, up and down; the figure is
from due to publish until the alert's frame arrives at a signed-in WebSocket client.

Examples:
  ioc-sim load --rate 50000 --devices 1000 --connections 8 --seconds 30
  ioc-sim load --rate 10000 --watch http://127.0.0.1:8080 --user admin --password …
  ioc-sim load --rate 2000 --seconds 120 --ledger-out acked.txt   # lines: device seq time_ms")]
pub struct LoadArgs {
    /// Where to publish: mqtt://[user:password@]host[:port].
    #[arg(long, default_value = "mqtt://127.0.0.1:1883", env = "IOC_SIM_TARGET")]
    pub target: Target,
    /// Messages per second of all devices together.
    #[arg(long, default_value_t = 1000.0, value_parser = positive)]
    pub rate: f64,
    /// Devices.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub devices: u32,
    /// TCP connections that carry them.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    pub connections: u32,
    /// 0, 1 or 2.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=2))]
    pub qos: u8,
    /// Seconds of load.
    #[arg(long, default_value_t = 10.0, value_parser = positive)]
    pub seconds: f64,
    /// Payload size; blanks fill up what the values do not need.
    #[arg(long, default_value_t = 250)]
    pub payload_bytes: usize,
    /// Values per message, 1 to 9 (pm25 first).
    #[arg(long, default_value_t = 4, value_parser = values)]
    pub values: usize,
    /// Unacknowledged messages at most, per connection.
    #[arg(long, default_value_t = 10_000)]
    pub window: usize,
    /// MQTT 5 instead of 3.1.1.
    #[arg(long)]
    pub mqtt5: bool,
    /// Give up after so many seconds without a connection.
    #[arg(long, default_value_t = 30)]
    pub retry_seconds: u64,
    /// Write each acknowledged message to this file: device seq time_ms.
    #[arg(long)]
    pub ledger_out: Option<PathBuf>,
    /// Measure publish → alert frame at this centre, such as http://127.0.0.1:8080.
    #[arg(long, requires = "password")]
    pub watch: Option<reqwest::Url>,
    /// Who signs in for --watch.
    #[arg(long, default_value = "admin")]
    pub user: String,
    /// Password for --watch.
    #[arg(long, env = "IOC_SIM_PASSWORD", hide_env_values = true)]
    pub password: Option<String>,
    /// Topic of the watched device, without its id.
    #[arg(long, default_value = "ioc/v1/hai_chau/rain_flood")]
    pub watch_topic: String,
    /// Property of the watched device.
    #[arg(long, default_value = "flood_depth")]
    pub watch_property: String,
    /// Its value without an alert.
    #[arg(long, default_value_t = 0.0)]
    pub watch_low: f64,
    /// Its value that alerts.
    #[arg(long, default_value_t = 0.6)]
    pub watch_high: f64,
    /// Between two crossings.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..))]
    pub watch_every_ms: u64,
}

/// `ioc-sim fleet`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Phases: connect (all at once) · idle · talk · with --flood one device publishes as fast as it is
let, beside the others · with --reconnect all connections break and come back at once, with full
TLS handshakes. With --server-pid the server's memory and CPU are read from /proc. 10,000
connections need `ulimit -n 20000` here and at the server.

Examples:
  ioc-sim fleet --devices 10000 --idle-seconds 20 --server-pid $(pidof ioc)
  ioc-sim fleet --target mqtt://localhost:8883 --ca ca.pem --tokens tokens.csv --reconnect
  ioc-sim fleet --devices 1000 --every 1 --seconds 20 --flood --tokens tokens.csv")]
pub struct FleetArgs {
    /// Where to connect: mqtt://host[:port]; with --ca by TLS.
    #[arg(long, default_value = "mqtt://127.0.0.1:1883", env = "IOC_SIM_TARGET")]
    pub target: Target,
    /// Authority of the server's certificate, PEM: connect by TLS 1.3.
    #[arg(long)]
    pub ca: Option<PathBuf>,
    /// Lines `id,token`: devices prove who they are.
    #[arg(long)]
    pub tokens: Option<PathBuf>,
    /// Devices.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=60_000))]
    pub devices: u32,
    /// Topic without device and `obs`.
    #[arg(long, default_value = "ioc/v1/hai_chau/air")]
    pub topic: String,
    /// Seconds of silence.
    #[arg(long, default_value_t = 5.0)]
    pub idle_seconds: f64,
    /// Seconds between two messages of a device.
    #[arg(long, default_value_t = 10.0, value_parser = positive)]
    pub every: f64,
    /// Seconds of talk, and of the flood.
    #[arg(long, default_value_t = 20.0, value_parser = positive)]
    pub seconds: f64,
    /// One of the devices floods.
    #[arg(long)]
    pub flood: bool,
    /// Break all connections and come back.
    #[arg(long)]
    pub reconnect: bool,
    /// Seconds in which all must be connected.
    #[arg(long, default_value_t = 120)]
    pub patience: u64,
    /// Process whose memory and CPU are reported.
    #[arg(long)]
    pub server_pid: Option<u32>,
}

/// `ioc-sim nab`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Reads DIR/labels/combined_windows.json and the series that it names below DIR/data, as
github.com/numenta/NAB has them. Every series starts with a fresh detector; the first 15 % (at most
750 rows) are not scored; one threshold for all series, the best for each profile. 100 is every
window at its first row and nothing else, 0 is no detection at all.

Examples:
  ioc-sim nab --data ../shared/data/nab
  ioc-sim nab --data ../shared/data/nab --detector windowed-gaussian --per-series
  ioc-sim nab --data ../shared/data/nab --threshold 0.55")]
pub struct NabArgs {
    /// Folder with data/ and labels/.
    #[arg(long)]
    pub data: PathBuf,
    /// Which detector.
    #[arg(long, value_enum, default_value_t = Detector::Ioc)]
    pub detector: Detector,
    /// This threshold instead of the best.
    #[arg(long)]
    pub threshold: Option<f64>,
    /// A line per series as well.
    #[arg(long)]
    pub per_series: bool,
}

impl LoadArgs {
    /// What `--watch` and its companions say.
    pub fn watch_options(&self) -> Option<WatchOptions> {
        Some(WatchOptions {
            url: self.watch.clone()?,
            user: self.user.clone(),
            password: self.password.clone().unwrap_or_default(),
            topic: self.watch_topic.clone(),
            property: self.watch_property.clone(),
            low: self.watch_low,
            high: self.watch_high,
            every: Duration::from_millis(self.watch_every_ms),
        })
    }
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(n) if n > 0.0 && n.is_finite() => Ok(n),
        _ => Err("expected a number above 0".into()),
    }
}

fn values(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(n) if (1..=9).contains(&n) => Ok(n),
        _ => Err("expected 1 to 9".into()),
    }
}

fn moment(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse_rfc3339(text).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn bad_values_are_refused_with_what_is_expected() {
        for (args, word) in [
            (&["ioc-sim", "replay", "flod"][..], "neither flood"),
            (&["ioc-sim", "replay", "flood", "--speed", "0"][..], "above 0"),
            (&["ioc-sim", "city", "--devices", "0"][..], "from 1"),
            (&["ioc-sim", "load", "--qos", "3"][..], "0..=2"),
            (&["ioc-sim", "load", "--watch", "http://h"][..], "--password"),
        ] {
            let error = Cli::try_parse_from(args).expect_err("refused").to_string();
            assert!(error.contains(word), "{args:?}: {error}");
        }
    }
}
