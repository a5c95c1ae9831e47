//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use ioc_model::Text;

use crate::audit::AuditArgs;
use crate::backtest::BacktestArgs;
use crate::decode::DecodeArgs;
use crate::device::DeviceArgs;
use crate::doctor::DoctorArgs;
use crate::explain::ExplainArgs;
use crate::history::HistoryArgs;

/// A city's intelligent operations centre: MQTT in, rules, alerts, history, live dashboard.
#[derive(Parser)]
#[command(
    name = "ioc",
    version,
    about,
    after_help = "\
Examples:
  ioc run                                  the whole centre with the city of Đà Nẵng, on loopback
  ioc run --config /etc/ioc --data /var/lib/ioc --mqtt-listen 0.0.0.0:1883
  ioc check --config /etc/ioc              every mistake with file:line:column, then exit
  ioc backtest --from -24h                 what the rules raise over the last day's journal
  ioc explain 3f2a9c41                     why an alert was raised, changed and cleared
  ioc audit verify                         has anybody changed the audit log?
  ioc decode --topic T payload.json        what the centre makes of a message, or why not
  ioc history export --out air.csv         what sensors said, as a file
  ioc device import devices.csv            devices from a list, all of it or nothing
  ioc doctor                               unsafe settings and states, worst first
  ioc user add lan --role operator         an account for the dashboard

A first reading, from any machine with Mosquitto's clients:
  mosquitto_pub -p 1883 -q 1 -t ioc/v1/hai_chau/air/my-sensor/obs \\
    -m '{\"time\":'$(date +%s000)',\"values\":{\"pm25\":35.1}}'

Settings come from ioc.yaml in the configuration folder, then IOC_* variables, then flags.
Exit codes: 0 done, 1 failed while running, a message refused, or something bad in the audit log, history or what `ioc doctor` looks at, 2 wrong command line or configuration,
3 the two sets of rules differ (`ioc backtest --against DIR --exit-code`)."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Run the centre until SIGINT or SIGTERM; a second signal ends it at once
    Run(RunArgs),
    /// Check the configuration and the rules, say every mistake, and exit
    Check(ConfigArgs),
    Backtest(BacktestArgs),
    Explain(ExplainArgs),
    Audit(AuditArgs),
    Decode(DecodeArgs),
    History(HistoryArgs),
    Device(DeviceArgs),
    Doctor(DoctorArgs),
    /// Manage the dashboard's accounts
    User(UserArgs),
    /// Print the version
    Version,
}

#[derive(Args, Clone)]
pub(crate) struct ConfigArgs {
    /// Configuration folder; without it the copy of Đà Nẵng inside the binary is used
    #[arg(long, env = "IOC_CONFIG", value_name = "DIR", global = true)]
    pub config: Option<PathBuf>,
}

#[derive(Args, Clone)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Folder for journal, alerts, history and accounts; made if missing [default: ./data]
    #[arg(long, env = "IOC_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Where devices publish; port 0 picks a free one [default: 127.0.0.1:1883]
    #[arg(long, env = "IOC_MQTT_LISTEN", value_name = "ADDR:PORT")]
    pub mqtt_listen: Option<SocketAddr>,
    /// Where the dashboard is served; port 0 picks a free one [default: 127.0.0.1:8080]
    #[arg(long, env = "IOC_HTTP_LISTEN", value_name = "ADDR:PORT")]
    pub http_listen: Option<SocketAddr>,
    /// What time it is: `wall` for live operation, `event` when recorded feeds are replayed
    /// (time is then what the readings say, so a replay gives the same alerts at any speed)
    #[arg(long, env = "IOC_CLOCK", value_name = "wall|event")]
    pub clock: Option<crate::settings::Clock>,
    /// Which messages are logged, such as `info` or `ioc_ingest=debug`
    #[arg(long, env = "IOC_LOG", default_value = "info", value_name = "FILTER")]
    pub log: String,
}

/// Language of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Language {
    Vi,
    En,
}

impl Language {
    /// What was asked for, else what LC_ALL, LC_MESSAGES or LANG say, else English.
    pub(crate) fn choose(asked: Option<Self>) -> Self {
        let spoken = ["LC_ALL", "LC_MESSAGES", "LANG"]
            .into_iter()
            .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
        let vi = spoken.is_some_and(|s| s.starts_with("vi"));
        asked.unwrap_or(if vi { Self::Vi } else { Self::En })
    }

    pub(crate) fn pick(self, text: &Text) -> &str {
        match self {
            Self::Vi => &text.vi,
            Self::En => &text.en,
        }
    }
}

#[derive(Args)]
pub(crate) struct UserArgs {
    #[command(flatten)]
    pub config: ConfigArgs,
    /// The data folder of the centre
    #[arg(long, env = "IOC_DATA", default_value = "data", value_name = "DIR", global = true)]
    pub data: PathBuf,
    #[command(subcommand)]
    pub action: UserAction,
}

/// A role, where, and in which services.
#[derive(Args)]
pub(crate) struct GrantArgs {
    /// viewer reads; operator also works on alerts; supervisor also notifies and opens personal
    /// data; engineer looks after rules and devices; auditor reads the audit log; administrator
    /// may everything
    #[arg(long, default_value = "operator")]
    pub role: String,
    /// Wards, communes or clusters of them, with commas; without: the whole city
    #[arg(long, value_delimiter = ',', value_name = "AREA,…")]
    pub areas: Option<Vec<String>>,
    /// Services, with commas; without: all
    #[arg(long, value_delimiter = ',', value_name = "SERVICE,…")]
    pub services: Option<Vec<String>>,
}

#[derive(Subcommand)]
pub(crate) enum UserAction {
    /// Add an account; its random password is printed once, and changed at the first sign-in
    #[command(after_help = "\
Examples:
  ioc user add lan --role operator                       works on alerts of the whole city
  ioc user add hoa --role operator --areas hai_chau      only in one ward
  ioc user add minh --role viewer --services rain_flood  sees floods everywhere, nothing else")]
    Add {
        /// Name to sign in with: A-Z a-z 0-9 _ . : -
        name: String,
        #[command(flatten)]
        grant: GrantArgs,
    },
    /// Say anew what an account may, and where; open pages follow within seconds
    #[command(after_help = "\
Examples:
  ioc user grant lan --role viewer                       only this from now on
  ioc user grant lan --also --role viewer --services air besides what it has")]
    Grant {
        /// Name to sign in with
        name: String,
        #[command(flatten)]
        grant: GrantArgs,
        /// Besides what the account has, not instead of it
        #[arg(long)]
        also: bool,
    },
    /// Give an account a new random password, printed once, and end its sessions
    Reset {
        /// Name to sign in with
        name: String,
    },
    /// Close an account and end its sessions
    Disable {
        /// Name to sign in with
        name: String,
    },
    /// Open a closed account again
    Enable {
        /// Name to sign in with
        name: String,
    },
    /// List accounts: name, what they may, state, factor
    List,
    /// List an account's open sessions: id, began, last used, address, browser
    Sessions {
        /// Name to sign in with
        name: String,
    },
    /// End all sessions of an account
    EndSessions {
        /// Name to sign in with
        name: String,
    },
    /// Take an account's second factor away: the way back for who lost the telephone
    NoTotp {
        /// Name to sign in with
        name: String,
    },
}
