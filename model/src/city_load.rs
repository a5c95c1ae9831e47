//! Reads the city from the texts of the configuration folder; collects every mistake.

mod boundaries;
mod clusters;
mod indices;
mod rows;
mod tables;
#[cfg(test)]
mod tests;
mod yaml;
mod zones;

use std::collections::BTreeMap;

use crate::{City, ConfigError, ConfigFiles, Name};

impl City {
    /// Reads `city.yaml`, `areas.csv`, `boundaries.geojson`, `services.yaml`, `properties.yaml`,
    /// `thresholds.yaml`, `devices.csv` and, if they are there, `zones.geojson`, `clusters.yaml`,
    /// `indices.yaml` and `calendar.yaml`.
    ///
    /// # Errors
    /// Every mistake found, each with its place. Within one YAML file a mistake of form (syntax,
    /// type, unknown key) hides the ones after it; mistakes of meaning are all reported.
    pub fn load(files: &ConfigFiles) -> Result<Self, Vec<ConfigError>> {
        let mut errors = Vec::new();
        let mut city = Self::default();
        yaml::city(files, &mut city, &mut errors);
        city.properties = yaml::properties(files, &mut errors);
        city.services = yaml::services(files, &city.properties, &mut errors);
        city.areas = tables::areas(files, &mut errors);
        city.boundaries = boundaries::load(files, &mut city.areas, &mut errors);
        city.zones = zones::load(files, &city.areas, &mut errors);
        city.clusters = clusters::clusters(files, &city.areas, &mut errors);
        city.devices = tables::devices(files, &city, &mut errors);
        city.thresholds = yaml::thresholds(files, &city, &mut errors);
        city.holidays = yaml::holidays(files, &mut errors);
        city.indices = indices::indices(files, &city.properties, &mut errors);
        if errors.is_empty() {
            Ok(city)
        } else {
            errors.sort();
            Err(errors)
        }
    }
}

/// A place in a file and the mistakes found so far.
struct Report<'a> {
    file: &'static str,
    errors: &'a mut Vec<ConfigError>,
}

impl Report<'_> {
    /// The text of the file, or a mistake that it is missing.
    fn text<'f>(&mut self, files: &'f ConfigFiles) -> Option<&'f str> {
        let text = files.get(self.file);
        if text.is_none() {
            self.errors.push(
                ConfigError::new(self.file, 0, 0, "the file is missing")
                    .hint("copy it from the shipped configuration, then change it"),
            );
        }
        text
    }

    fn add(&mut self, (line, column): (usize, usize), message: String) {
        self.errors.push(ConfigError::new(self.file, line, column, message));
    }

    fn add_hint(&mut self, (line, column): (usize, usize), message: String, hint: String) {
        self.errors.push(ConfigError::new(self.file, line, column, message).hint(hint));
    }

    /// Reports `name` if it is no key of `known`; `what` is a noun such as `property`. An empty
    /// `known` means that its own file could not be read, which is reported there.
    fn check_known<T>(
        &mut self,
        place: (usize, usize),
        what: &str,
        name: &str,
        known: &BTreeMap<Name, T>,
    ) -> bool {
        let ok = known.is_empty() || known.contains_key(name);
        if !ok {
            let message = format!("unknown {what} `{name}`");
            match nearest(name, known.keys()) {
                Some(near) => self.add_hint(place, message, format!("did you mean `{near}`?")),
                None => self.add(place, message),
            }
        }
        ok
    }

    /// Reports an id that is empty, too long or holds other characters than `[A-Za-z0-9_.:-]`.
    fn check_id(&mut self, place: (usize, usize), id: &str) -> bool {
        let ok = (1..=64).contains(&id.len())
            && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.:-".contains(&b));
        if !ok {
            self.add_hint(
                place,
                format!("`{id}` cannot be an id"),
                "1 to 64 of the characters A-Z a-z 0-9 _ . : -".into(),
            );
        }
        ok
    }
}

/// The known name with the smallest edit distance, if that is small enough to be a slip.
pub fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a Name>) -> Option<&'a Name> {
    let limit = (name.chars().count() / 3).clamp(1, 3);
    known.map(|k| (distance(name, k), k)).filter(|(d, _)| *d <= limit).min().map(|(_, k)| k)
}

/// Levenshtein distance in characters.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let change = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
