//! Reads the city from the texts of the configuration folder; collects every mistake.

use crate::{City, ConfigError, ConfigFiles};

impl City {
    /// Reads `city.yaml`, `areas.csv`, `boundaries.geojson`, `services.yaml`, `properties.yaml`,
    /// `thresholds.yaml` and `devices.csv`.
    ///
    /// # Errors
    /// Every mistake found, each with its place.
    pub fn load(_files: &ConfigFiles) -> Result<Self, Vec<ConfigError>> {
        Ok(Self::default())
    }
}
