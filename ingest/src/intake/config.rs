use serde::Deserialize;

/// Settings of the [`crate::Intake`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IntakeConfig {
    /// Keys of each of the two generations of the duplicate window. At most twice as many are
    /// held (about 20 bytes each); the older half is forgotten when the newer is full.
    pub dedup_keys: usize,
    /// Devices that may appear on their own, beyond those of the city's configuration. Messages
    /// of further ones are shed and counted.
    pub max_devices: usize,
    /// A phenomenon time more than this ahead of the time of arrival is set to the time of
    /// arrival and the record is marked. `None` when the clock is event time.
    pub clock_limit_ms: Option<i64>,
}

impl Default for IntakeConfig {
    fn default() -> Self {
        Self { dedup_keys: 500_000, max_devices: 1_000_000, clock_limit_ms: Some(300_000) }
    }
}
