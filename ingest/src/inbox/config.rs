use serde::Deserialize;

/// Settings of the [`crate::Inbox`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InboxConfig {
    /// Devices of which counters, cadence and clock are kept, about 200 bytes each. Full: one of
    /// those that have been silent longest is forgotten. 0: nothing is kept.
    pub max_devices: usize,
    /// Bytes of all raw messages kept to be looked at. Full: those of the device that was kept
    /// longest ago are forgotten.
    pub max_bytes: usize,
}

impl Default for InboxConfig {
    fn default() -> Self {
        Self { max_devices: 1_000_000, max_bytes: 16 << 20 }
    }
}
