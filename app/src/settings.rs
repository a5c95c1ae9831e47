//! Settings of a run: `ioc.yaml`, then environment and flags (both by clap).

use std::path::{Path, PathBuf};

use ioc_dashboard::DashboardConfig;
use ioc_history::{EmbeddedConfig, InfluxConfig};
use ioc_ingest::{DecodersConfig, GatewayConfig, IntakeConfig, QuarantineConfig, SubscriberConfig};
use ioc_journal::JournalConfig;
use ioc_model::{ConfigError, ConfigFiles};
use ioc_rules::{ClockMode, EngineConfig};
use serde::Deserialize;

use crate::cli::RunArgs;

/// Where time comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Clock {
    /// The wall clock, written into the journal once a second.
    #[default]
    Wall,
    /// The largest phenomenon time seen: for replays.
    Event,
}

/// `ioc.yaml`. Every field has a default; unknown ones are refused.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    pub clock: Clock,
    pub data: PathBuf,
    pub journal: JournalConfig,
    pub ingest: IngestSettings,
    pub rules: RulesSettings,
    pub history: HistorySettings,
    pub dashboard: DashboardConfig,
    /// Time for an orderly stop, seconds; then the process ends as it is.
    pub stop_within_s: u64,
}

/// The doors.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct IngestSettings {
    pub gateway: GatewayConfig,
    /// Outside brokers, each a client of its own.
    pub subscribers: Vec<SubscriberConfig>,
    pub decoders: DecodersConfig,
    pub intake: IntakeConfig,
    pub quarantine: QuarantineConfig,
}

/// Time semantics of the rule engine.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RulesSettings {
    /// A reading older than this is kept in history and raises nothing, seconds.
    pub max_age_s: Option<u64>,
    /// A reading older than its device's newest by more than this is late, seconds.
    pub allowed_lateness_s: Option<u64>,
}

/// Which history store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum HistoryBackend {
    /// Compressed blocks in SQLite.
    #[default]
    Embedded,
    /// InfluxDB 2.
    Influxdb,
}

/// History.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct HistorySettings {
    pub backend: HistoryBackend,
    pub embedded: EmbeddedConfig,
    pub influxdb: InfluxConfig,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            clock: Clock::Wall,
            data: PathBuf::from("data"),
            journal: JournalConfig::default(),
            ingest: IngestSettings::default(),
            rules: RulesSettings::default(),
            history: HistorySettings::default(),
            dashboard: DashboardConfig::default(),
            stop_within_s: 20,
        }
    }
}

impl Settings {
    /// Environment and flags over the file.
    pub(crate) fn with(mut self, args: &RunArgs) -> Self {
        self.clock = args.clock.unwrap_or(self.clock);
        if let Some(data) = &args.data {
            self.data.clone_from(data);
        }
        self.ingest.gateway.listen = args.mqtt_listen.unwrap_or(self.ingest.gateway.listen);
        self.dashboard.listen = args.http_listen.unwrap_or(self.dashboard.listen);
        if self.journal.dir.is_relative() {
            self.journal.dir = self.data.join(&self.journal.dir);
        }
        if self.clock == Clock::Event {
            self.ingest.intake.clock_limit_ms = None;
        }
        self
    }

    /// For commands that look at the data folder of a centre; its journal is below it unless the
    /// settings say elsewhere.
    pub(crate) fn for_reading(mut self, data: Option<&Path>) -> Self {
        if let Some(data) = data {
            self.data = data.to_owned();
        }
        if self.journal.dir.is_relative() {
            self.journal.dir = self.data.join(&self.journal.dir);
        }
        self
    }

    pub(crate) fn engine(&self) -> EngineConfig {
        let mut engine = EngineConfig {
            clock: match self.clock {
                Clock::Wall => ClockMode::Wall,
                Clock::Event => ClockMode::Event,
            },
            ..EngineConfig::default()
        };
        let ms = |s: u64| i64::try_from(s.saturating_mul(1000)).unwrap_or(i64::MAX);
        engine.max_age_ms = self.rules.max_age_s.map_or(engine.max_age_ms, ms);
        engine.allowed_lateness_ms =
            self.rules.allowed_lateness_s.map_or(engine.allowed_lateness_ms, ms);
        engine
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.data.join(Path::new(name))
    }
}

pub(crate) const FILE: &str = "ioc.yaml";

/// Reads `ioc.yaml`; without it all defaults hold.
pub(crate) fn load(files: &ConfigFiles) -> Result<Settings, Vec<ConfigError>> {
    let Some(text) = files.get(FILE) else { return Ok(Settings::default()) };
    let only_comments = text.lines().all(|l| l.trim().is_empty() || l.trim().starts_with('#'));
    if only_comments {
        return Ok(Settings::default());
    }
    let settings: Settings = serde_saphyr::from_str(text).map_err(|e| {
        let (line, column) =
            e.location().map_or((0, 0), |l| (l.line() as usize, l.column() as usize));
        let text = e.to_string();
        let message = text.lines().next().unwrap_or("not readable").to_owned();
        vec![
            ConfigError::new(FILE, line, column, message)
                .hint("docs/operations.md lists every setting with its default"),
        ]
    })?;
    settings.journal.validate().map_err(|e| vec![ConfigError::new(FILE, 0, 0, e.to_string())])?;
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(text: &str) -> ConfigFiles {
        ConfigFiles([(FILE.to_owned(), text.to_owned())].into())
    }

    #[test]
    fn unknown_settings_are_refused_at_their_place() {
        let errors = load(&files("clock: wall\njournal:\n  snyc: off\n")).expect_err("a mistake");
        assert_eq!((errors[0].line, errors[0].column), (3, 3), "{errors:?}");
        assert!(errors[0].message.contains("snyc"), "{errors:?}");
    }

    #[test]
    fn settings_of_the_compose_file_are_valid() {
        let deployed = load(&files(include_str!("../../deploy/ioc.yaml"))).expect("valid");
        assert_eq!(deployed.history.backend, HistoryBackend::Influxdb);
        assert_eq!(deployed.ingest.subscribers.len(), 1);
    }

    #[test]
    fn shipped_settings_are_the_defaults() {
        let shipped = load(&crate::config::shipped()).expect("valid");
        assert_eq!(shipped.clock, Clock::Wall);
        assert_eq!(shipped.history.backend, HistoryBackend::Embedded);
    }
}
