//! Settings of a run: `ioc.yaml`, then environment and flags (both by clap).

use std::path::{Path, PathBuf};
use std::time::Duration;

use ioc_dashboard::DashboardConfig;
use ioc_history::personal::PersonalConfig;
use ioc_history::{EmbeddedConfig, InfluxConfig};
use ioc_ingest::{
    DecodersConfig, GatewayConfig, InboxConfig, IntakeConfig, QuarantineConfig, RegistryConfig,
    SubscriberConfig,
};
use ioc_journal::JournalConfig;
use ioc_model::{ConfigError, ConfigFiles};
use ioc_rules::{ClockMode, EngineConfig};
use serde::Deserialize;

use crate::cli::RunArgs;
use crate::rulebook::{Limits, TrialSettings};

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
    pub alerts: AlertsSettings,
    pub history: HistorySettings,
    pub personal: PersonalConfig,
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
    pub registry: RegistryConfig,
    pub inbox: InboxConfig,
}

/// Time semantics, bounds and changes of the rules.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RulesSettings {
    /// A reading older than this is kept in history and raises nothing, seconds.
    pub max_age_s: u64,
    /// Readings are put in the order of their times before they are judged, so much later,
    /// seconds. 0: judged as they come; one older than its device's newest is late.
    pub allowed_lateness_s: u64,
    /// A device that is not configured, has no open alert and has said nothing for so long is
    /// forgotten by the rules, seconds.
    pub forget_after_s: u64,
    /// Devices beyond this many are not judged, and counted.
    pub max_devices: usize,
    /// New rules are tried on the last so many hours before they are accepted; 0: not tried.
    pub trial_hours: u64,
    /// Time a trial may take, seconds; then it says that it is not complete.
    pub trial_s: u64,
    /// Journal entries a trial looks at, the newest.
    pub trial_entries: u64,
}

impl Default for RulesSettings {
    fn default() -> Self {
        let engine = EngineConfig::default();
        let s = |ms: i64| u64::try_from(ms / 1_000).unwrap_or(0);
        Self {
            max_age_s: s(engine.max_age_ms),
            allowed_lateness_s: s(engine.allowed_lateness_ms),
            forget_after_s: s(engine.forget_after_ms),
            max_devices: engine.max_devices,
            trial_hours: 2,
            trial_s: 10,
            trial_entries: 5_000_000,
        }
    }
}

/// Where the alert part keeps what is not in the register's own file. How alerts are worked on is
/// in `alerts.yaml`, who is told in `notify.yaml`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct AlertsSettings {
    /// Anchors of the audit log: a file, best on another disk. Not given: `audit.anchors` in the
    /// data folder.
    pub anchors: Option<PathBuf>,
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
            alerts: AlertsSettings::default(),
            history: HistorySettings::default(),
            personal: PersonalConfig::default(),
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
        self.ingest.gateway.listen = args.mqtt_listen.or(self.ingest.gateway.listen);
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
        let ms = |s: u64| i64::try_from(s.saturating_mul(1000)).unwrap_or(i64::MAX);
        EngineConfig {
            clock: match self.clock {
                Clock::Wall => ClockMode::Wall,
                Clock::Event => ClockMode::Event,
            },
            max_age_ms: ms(self.rules.max_age_s),
            allowed_lateness_ms: ms(self.rules.allowed_lateness_s),
            forget_after_ms: ms(self.rules.forget_after_s),
            max_devices: self.rules.max_devices,
            meter: Some(crate::stages::nanos),
            ..EngineConfig::default()
        }
    }

    /// How new rules are tried.
    pub(crate) fn trial(&self) -> TrialSettings {
        TrialSettings {
            hours: self.rules.trial_hours,
            limits: Limits {
                time: Duration::from_secs(self.rules.trial_s),
                entries: self.rules.trial_entries,
            },
        }
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
        // Personal data is the one that is not: its purpose is the city's to confirm.
        assert!(Settings::default().personal.is_off() && !shipped.personal.is_off());
        assert_eq!(shipped.personal.keep_days, 30);
    }
}
