//! The shipped city, built in, or a configuration folder.

use std::path::Path;

use anyhow::Context;
use ioc_model::{City, ConfigFiles};

const FILES: [(&str, &str); 8] = [
    ("city.yaml", include_str!("../../config/city.yaml")),
    ("areas.csv", include_str!("../../config/areas.csv")),
    ("boundaries.geojson", include_str!("../../config/boundaries.geojson")),
    ("services.yaml", include_str!("../../config/services.yaml")),
    ("properties.yaml", include_str!("../../config/properties.yaml")),
    ("thresholds.yaml", include_str!("../../config/thresholds.yaml")),
    ("devices.csv", include_str!("../../config/devices.csv")),
    (ZONES, include_str!("../../config/zones.geojson")),
];
/// A folder may be without it.
const ZONES: &str = "zones.geojson";

/// The city of a configuration folder, or the one built in.
///
/// # Errors
/// A file that cannot be read, or all mistakes in them.
pub fn city(folder: Option<&Path>) -> anyhow::Result<City> {
    let mut files = ConfigFiles::default();
    for (name, built_in) in FILES {
        let text = match folder {
            Some(folder) if name == ZONES && !folder.join(name).exists() => continue,
            Some(folder) => {
                let path = folder.join(name);
                std::fs::read_to_string(&path)
                    .with_context(|| format!("cannot read {}", path.display()))?
            }
            None => built_in.to_string(),
        };
        files.0.insert(name.into(), text);
    }
    City::load(&files).map_err(|errors| {
        let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("the configuration has mistakes:\n{}", lines.join("\n"))
    })
}
