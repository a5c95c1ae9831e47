//! The command line of `ioc device`.

use std::path::{Path, PathBuf};

use ioc_model::{DeviceFile, DeviceState};

use crate::cli::{ConfigArgs, Language};
use crate::exit::Misuse;

/// The devices: who may speak, what is known of them, their tokens
#[derive(clap::Args)]
#[command(after_help = "\
Works on devices.sqlite of the data folder, also while the centre runs: it follows within a second.
Every change is written into the audit log as cli:USER, by the running centre or at its next start.
Devices of devices.csv cannot be changed in what that file says; topics, aliases, fields, contact,
tags, tokens and blocking can be added.

A list is CSV (UTF-8, `,` or `;`; as Excel writes it) or GeoJSON points. Only `id`, and `service`
for new devices, are needed; a column that is not there leaves what is known as it is:
  id,name_vi,name_en,kind,service,area,lat,lon,properties,cadence_s,parent,segment,
  bridge,topics,aliases,fields,contact,tags,state
Lists in a cell are separated by `;`. fields: name=property|unit;…   tags: key=value;…
Without an area the ward is found from lat and lon.

Examples:
  ioc device import devices.csv --dry-run      what would change; every mistake as file:line:column
  ioc device import devices.csv                all of it, or nothing
  ioc device list --state pending              what appeared on its own
  ioc device approve air-17 air-18
  ioc device token new air-17 --label \"box at the bridge\" > token.txt
  ioc device export --out all.geojson

A device signs in with its id as MQTT client id and user name, and the token as password:
  mosquitto_pub -h HOST -p 8883 --cafile ca.pem -i air-17 -u air-17 -P \"$(cat token.txt)\" -q 1 \\
    -t ioc/v1/hai_chau/air/air-17/obs -m '{\"time\":'$(date +%s000)',\"values\":{\"pm25\":35.1}}'

Exit codes: 0 done, 1 it does not go with how things are or failed, 2 wrong command line,
configuration or list, or no such device.")]
pub(crate) struct DeviceArgs {
    #[command(flatten)]
    pub config: ConfigArgs,
    /// The data folder of the centre [default: that of ioc.yaml, else ./data]
    #[arg(long, env = "IOC_DATA", value_name = "DIR", global = true)]
    pub data: Option<PathBuf>,
    /// Language [default: by LANG]
    #[arg(long, value_name = "vi|en", global = true)]
    pub lang: Option<Language>,
    #[command(subcommand)]
    pub action: DeviceAction,
}

#[derive(clap::Subcommand)]
pub(crate) enum DeviceAction {
    /// Print devices: id, state, where from, service, area, name; in the order of ids
    List {
        /// Only those in this state
        #[arg(long, value_name = "STATE")]
        state: Option<State>,
        /// Only those of this service
        #[arg(long, value_name = "ID")]
        service: Option<String>,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Print one device as JSON, found by its id or an alias
    Show {
        /// Id or alias
        id: String,
    },
    /// Take a list of devices: all of it, or nothing and every mistake
    Import {
        /// CSV or GeoJSON; `-` reads the standard input
        file: PathBuf,
        /// [default: by the end of the file's name]
        #[arg(long, value_name = "csv|geojson")]
        format: Option<FileFormat>,
        /// Only say what would change
        #[arg(long)]
        dry_run: bool,
    },
    /// Write all devices, so that `import` takes them
    Export {
        /// The file to write [default: standard output]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// [default: by the end of the file's name, else csv]
        #[arg(long, value_name = "csv|geojson")]
        format: Option<FileFormat>,
    },
    /// Approve devices that appeared on their own, or were blocked
    Approve {
        /// Ids
        #[arg(required = true)]
        ids: Vec<String>,
    },
    /// Block devices: they are disconnected, and all they say is refused
    Block {
        /// Ids
        #[arg(required = true)]
        ids: Vec<String>,
    },
    /// Forget devices and their tokens
    Remove {
        /// Ids
        #[arg(required = true)]
        ids: Vec<String>,
    },
    /// Tokens: what devices prove themselves with
    Token {
        #[command(subcommand)]
        action: TokenAction,
    },
}

#[derive(clap::Subcommand)]
pub(crate) enum TokenAction {
    /// Make a token; it is printed once and kept nowhere. A device has at most eight
    New {
        /// Id of the device
        id: String,
        /// What people shall call it
        #[arg(long, default_value = "", value_name = "TEXT")]
        label: String,
    },
    /// Print the tokens of a device: number, made, by whom, last use, label
    List {
        /// Id of the device
        id: String,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// End a token; connections made with it are closed
    Revoke {
        /// Id of the device
        id: String,
        /// Number of the token, as `list` prints it
        number: i64,
    },
}

/// States of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum State {
    Approved,
    Pending,
    Blocked,
}

impl From<State> for DeviceState {
    fn from(state: State) -> Self {
        match state {
            State::Approved => Self::Approved,
            State::Pending => Self::Pending,
            State::Blocked => Self::Blocked,
        }
    }
}

/// Formats of lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum FileFormat {
    Csv,
    Geojson,
}

impl From<FileFormat> for DeviceFile {
    fn from(format: FileFormat) -> Self {
        match format {
            FileFormat::Csv => Self::Csv,
            FileFormat::Geojson => Self::GeoJson,
        }
    }
}

impl FileFormat {
    /// What was asked for, else by the end of the name.
    pub(crate) fn of(file: &Path, asked: Option<Self>) -> Result<DeviceFile, Misuse> {
        let end = file.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase);
        match (asked, end.as_deref()) {
            (Some(asked), _) => Ok(asked.into()),
            (None, Some("csv" | "txt" | "tsv")) => Ok(DeviceFile::Csv),
            (None, Some("geojson" | "json")) => Ok(DeviceFile::GeoJson),
            _ => Err(Misuse(format!(
                "{}: of which format?\n  hint: --format csv or --format geojson",
                file.display()
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_that_of_the_name_unless_it_is_told() {
        let of = |name: &str, asked| FileFormat::of(Path::new(name), asked).ok();
        assert_eq!(of("a/B.CSV", None), Some(DeviceFile::Csv));
        assert_eq!(of("b.geojson", None), Some(DeviceFile::GeoJson));
        assert_eq!(of("b.csv", Some(FileFormat::Geojson)), Some(DeviceFile::GeoJson));
        assert_eq!(of("-", None), None);
    }
}
