//! The documented examples of every format, `ingest/examples/<format>.jsonl`: one message per line:
//! `{"about": "what it shows", "source": "where it is documented", "topic": "…",
//!   "payload": JSON | "text": "…" | "base64": "…",
//!   "retain": bool?, "config": "YAML of `decoders`"?, "devices": [Device, …]?, "after": ["about" of messages sent before]?,
//!   "expect": "accepted" | "silent" | "<reason of a refusal>", "records": ["as `line` says", …]}`
//! `records` may be left out only of what is not accepted. A line whose `about` starts with
//! `trap:` counts as a trap in the table of docs/formats.md.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ioc_model::{City, ConfigFiles, Device, Devices, Timestamp};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Decoders, DecodersConfig};
use crate::registry::Registry;

/// When test messages arrive.
pub(crate) const RECEIVED: Timestamp = Timestamp(1_761_588_000_000);

/// The city of `config/`.
pub(crate) fn city() -> Arc<City> {
    static CITY: OnceLock<Arc<City>> = OnceLock::new();
    Arc::clone(CITY.get_or_init(load))
}

fn load() -> Arc<City> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config");
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(&folder).expect("config folder of the repository") {
        let path = entry.expect("readable folder").path();
        if let (Some(name), Ok(text)) =
            (path.file_name().and_then(|n| n.to_str()), std::fs::read_to_string(&path))
        {
            files.insert(name.to_owned(), text);
        }
    }
    Arc::new(City::load(&ConfigFiles(files)).expect("the shipped city is right"))
}

/// One line of a file.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Example {
    pub(crate) about: String,
    #[cfg_attr(not(test), expect(dead_code, reason = "only tests compare"))]
    pub(crate) source: String,
    pub(crate) topic: String,
    pub(crate) payload: Option<Box<RawValue>>,
    pub(crate) text: Option<String>,
    pub(crate) base64: Option<String>,
    #[serde(default)]
    pub(crate) retain: bool,
    pub(crate) config: Option<String>,
    #[serde(default)]
    pub(crate) devices: Vec<Device>,
    #[serde(default)]
    pub(crate) after: Vec<String>,
    #[cfg_attr(not(test), expect(dead_code, reason = "only tests compare"))]
    pub(crate) expect: String,
    #[cfg_attr(not(test), expect(dead_code, reason = "only tests compare"))]
    #[serde(default)]
    pub(crate) records: Vec<String>,
}

impl Example {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        match (&self.payload, &self.text, &self.base64) {
            (Some(json), None, None) => json.get().into(),
            (None, Some(text), None) => text.clone().into(),
            (None, None, Some(text)) => STANDARD.decode(text).expect("base64"),
            _ => unreachable!("{}: one of payload, text, base64", self.about),
        }
    }

    /// Decoders with its settings and devices.
    pub(crate) fn decoders(&self) -> Decoders {
        let decoders =
            Decoders::new("examples", &self.config(), city()).expect("settings are right");
        let known = decoders.registry().now().iter().cloned().collect::<Vec<_>>();
        let own = self.devices.iter().cloned().map(Arc::new);
        let all: Devices = known.into_iter().chain(own).collect();
        decoders.with_registry(Arc::new(Registry::of(all)))
    }

    /// Its settings.
    pub(crate) fn config(&self) -> DecodersConfig {
        let config = self.config.as_deref().unwrap_or("{}");
        DecodersConfig::from_yaml("examples", config).expect("YAML of `decoders`")
    }
}

/// Names of the files in their order.
#[cfg(test)]
pub(crate) fn formats() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut formats: Vec<String> = (std::fs::read_dir(folder).expect("examples folder"))
        .map(|entry| entry.expect("readable").path())
        .map(|path| path.file_stem().and_then(|n| n.to_str()).expect("a name").to_owned())
        .collect();
    formats.sort_unstable();
    formats
}

/// The examples of a format.
pub(crate) fn examples(format: &str) -> Vec<Example> {
    let file = format!("examples/{format}.jsonl");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(&file);
    let text =
        std::fs::read_to_string(path).unwrap_or_else(|_| unreachable!("{file} is not there"));
    let lines = text.lines().filter(|l| !l.trim().is_empty()).enumerate();
    let example =
        |(i, l)| serde_json::from_str(l).unwrap_or_else(|e| unreachable!("{file}:{}: {e}", i + 1));
    lines.map(example).collect()
}
