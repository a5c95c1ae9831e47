use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::Error;

/// Settings of the embedded store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EmbeddedConfig {
    /// Points held in memory and not yet written, at most (24 bytes each). When full, `append`
    /// first flushes: the journal's reader waits, nothing is dropped.
    pub head_max_points: usize,
    /// Points of a series are written when there are enough for a block, or when the oldest of
    /// them is in memory for this time. Longer: fewer rewritings of a block that grows. Shorter:
    /// less of the journal is kept, and read again after a restart.
    pub head_age_s: u32,
    /// They are also written when so many journal entries came after the oldest: the bound of
    /// what a restart reads again, however fast entries come.
    pub head_lag_entries: u64,
    /// Series held, at most; each costs about 400 bytes of memory. When full, points of further
    /// series are refused and their records counted as dead-lettered: a device that invents
    /// event kinds cannot eat the memory.
    pub max_series: usize,
    /// How long each tier is kept.
    pub retention: Retention,
}

/// How long each tier is kept, in days; 0: for ever. A coarser tier is kept at least as long as
/// a finer one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    /// Points as they came.
    pub raw_days: u32,
    /// Windows of a minute.
    pub minute_days: u32,
    /// Windows of an hour.
    pub hour_days: u32,
}

impl Default for Retention {
    fn default() -> Self {
        Self { raw_days: 90, minute_days: 400, hour_days: 3_650 }
    }
}

impl Default for EmbeddedConfig {
    fn default() -> Self {
        Self {
            head_max_points: 1_000_000,
            head_age_s: 3_600,
            head_lag_entries: 2_000_000,
            max_series: 1_000_000,
            retention: Retention::default(),
        }
    }
}

impl EmbeddedConfig {
    /// What is wrong with the values, if anything.
    ///
    /// # Errors
    /// [`Error::Setting`] with the field and the reason.
    pub fn check(&self) -> Result<(), Error> {
        let wrong = |setting, why: String| Err(Error::Setting { setting, why });
        if self.head_max_points == 0 || self.max_series == 0 {
            return wrong("head_max_points, max_series", "must be at least 1".into());
        }
        if self.max_series > u32::MAX as usize {
            return wrong("max_series", format!("must be at most {}", u32::MAX));
        }
        let Retention { raw_days, minute_days, hour_days } = self.retention;
        let shorter = |coarse: u32, fine: u32| coarse != 0 && (fine == 0 || fine > coarse);
        let kept = |days: u32| if days == 0 { "for ever".into() } else { format!("{days} days") };
        for (setting, (coarse, fine)) in [
            ("retention.minute_days", (minute_days, raw_days)),
            ("retention.hour_days", (hour_days, minute_days)),
        ] {
            if shorter(coarse, fine) {
                let (coarse, fine) = (kept(coarse), kept(fine));
                return wrong(setting, format!("{coarse}, but the finer tier is kept {fine}"));
            }
        }
        Ok(())
    }
}

/// Settings of the InfluxDB 2 store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct InfluxConfig {
    /// `http://host:8086` or `https://…`, without a path (the `influxdb2` crate drops it).
    pub url: String,
    /// Organisation.
    pub org: String,
    /// Bucket; made if it is missing and the token may.
    pub bucket: String,
    /// Days that a bucket made here keeps its points; 0: for ever.
    pub retention_days: u32,
    /// File with the token; else the environment variable `IOC_INFLUX_TOKEN`, else none.
    pub token_file: Option<PathBuf>,
    /// Database name for reads on `/query`; empty: as the bucket (virtual mapping of InfluxDB 2).
    pub database: String,
    /// Compress request bodies.
    pub gzip: bool,
    /// Points in one write, at most.
    pub batch_points: usize,
    /// Batches on their way at once. Devices are dealt out to so many lanes, each of which sends
    /// one batch after the other: the points of a device arrive in their order.
    pub in_flight: usize,
    /// Series (service, area, device, property) written by one process, at most; points of
    /// further ones are dead letters. A device that invents event kinds cannot blow up the
    /// server's index. Costs about 18 bytes each.
    pub max_series: usize,
    /// A batch that is not full is sent after this time.
    pub batch_age_ms: u64,
    /// Points rendered and not yet answered, at most. When full, `append` waits: the journal is
    /// the spool, its reader stands still, nothing is dropped.
    pub queue_points: usize,
    /// Time for one request with its answer.
    pub timeout_ms: u64,
    /// First wait after an answer that says busy, or no answer; doubles each time.
    pub backoff_min_ms: u64,
    /// Longest wait, also for `Retry-After`.
    pub backoff_max_ms: u64,
    /// Wait between probes while the server refuses us (401, 403, 404).
    pub probe_interval_ms: u64,
    /// Dead letters kept, at most; the oldest go first, and that is counted.
    pub dead_letters_max: u64,
}

impl InfluxConfig {
    /// What a bucket is asked to keep, in seconds; 0: for ever.
    pub(crate) fn retention_s(&self) -> u64 {
        u64::from(self.retention_days) * 86_400
    }
}

impl Default for InfluxConfig {
    fn default() -> Self {
        Self {
            url: "http://127.0.0.1:8086".into(),
            org: "ioc".into(),
            bucket: "ioc".into(),
            retention_days: 0,
            token_file: None,
            database: String::new(),
            gzip: true,
            batch_points: 5_000,
            in_flight: 4,
            max_series: 1_000_000,
            batch_age_ms: 1_000,
            queue_points: 50_000,
            timeout_ms: 10_000,
            backoff_min_ms: 500,
            backoff_max_ms: 60_000,
            probe_interval_ms: 30_000,
            dead_letters_max: 100_000,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_settings_are_refused() {
        assert!(serde_json::from_str::<EmbeddedConfig>(r#"{"head_max_point":1}"#).is_err());
        assert!(serde_json::from_str::<InfluxConfig>(r#"{"token":"secret"}"#).is_err());
        let c: InfluxConfig = serde_json::from_str(r#"{"bucket":"b"}"#).expect("valid");
        assert_eq!((c.bucket.as_str(), c.batch_points), ("b", 5_000));
    }

    #[test]
    fn a_coarser_tier_is_kept_at_least_as_long() {
        let why = |raw_days, minute_days, hour_days| {
            let retention = Retention { raw_days, minute_days, hour_days };
            let config = EmbeddedConfig { retention, ..EmbeddedConfig::default() };
            config.check().err().map_or_else(|| "good".into(), |e| e.to_string())
        };
        assert_eq!(EmbeddedConfig::default().check().ok(), Some(()));
        for good in [(90, 90, 90), (0, 0, 0), (90, 0, 0), (90, 400, 0)] {
            assert_eq!(why(good.0, good.1, good.2), "good");
        }
        let minute = "history setting `retention.minute_days`: 30 days, but the finer tier is kept";
        assert_eq!(why(90, 30, 400), format!("{minute} 90 days"));
        assert_eq!(why(0, 30, 400), format!("{minute} for ever"));
        let hour = "history setting `retention.hour_days`: 400 days, but the finer tier is kept";
        assert_eq!(why(90, 0, 400), format!("{hour} for ever"));
    }
}
