use serde::Deserialize;

/// What to do with a device that is not in the registry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UnknownDevices {
    /// Its data are taken; it is listed as pending.
    #[default]
    Accept,
    /// It is listed as pending, its messages wait in the quarantine (`device_pending`) and are
    /// run again when it is approved.
    Hold,
    /// Its messages are refused (`unknown_device`).
    Refuse,
}

/// Settings of the [`crate::Registry`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RegistryConfig {
    /// Devices that nobody entered.
    pub unknown_devices: UnknownDevices,
    /// Devices listed as pending. Full: a further one is not listed, and counted; with `hold` its
    /// messages are refused.
    pub max_pending: usize,
    /// Devices in the registry, those of the configuration and the pending ones too. Full: no
    /// further one is taken.
    pub max_devices: usize,
}

impl Default for RegistryConfig {
    fn default() -> Self {
        Self { unknown_devices: UnknownDevices::Accept, max_pending: 10_000, max_devices: 200_000 }
    }
}
