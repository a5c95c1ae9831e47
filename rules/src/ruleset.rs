//! A checked set of rules with what it needs of the city.

use std::collections::BTreeMap;
use std::sync::Arc;

use ioc_model::{City, ConfigError, ConfigFiles, Name, Text};
use serde::Serialize;

use crate::rule::Rule;
use crate::selftest::SelfTest;

/// A checked set of rules. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct RuleSet {
    /// Sorted by id.
    pub(crate) rules: Arc<[Rule]>,
    pub(crate) city: Arc<CityView>,
    pub(crate) tests: Arc<[SelfTest]>,
    pub(crate) notes: Arc<[ConfigError]>,
}

/// A rule, for people and the dashboard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuleInfo {
    /// Rule id.
    pub id: Name,
    /// `threshold`, `window`, `absence` or `detection`.
    pub kind: &'static str,
    /// Service its alerts belong to.
    pub service: Name,
    /// Name.
    pub name: Text,
    /// File below the configuration folder.
    pub file: String,
    /// Line where it begins, from 1.
    pub line: usize,
    /// Its text in that file.
    pub source: String,
}

/// What rules and messages need of the city.
#[derive(Clone, Debug, Default)]
pub(crate) struct CityView {
    pub(crate) devices: BTreeMap<Name, DeviceView>,
    pub(crate) areas: BTreeMap<Name, Text>,
    /// Places for geofences.
    pub(crate) zones: BTreeMap<Name, Text>,
    /// Names of observed properties.
    pub(crate) properties: BTreeMap<Name, Text>,
}

#[derive(Clone, Debug)]
pub(crate) struct DeviceView {
    pub(crate) name: Text,
    pub(crate) kind: String,
    pub(crate) service: Name,
    pub(crate) area: Name,
    pub(crate) properties: Vec<Name>,
    pub(crate) cadence_s: u32,
    /// The gateway it speaks through.
    pub(crate) parent: Option<Name>,
    /// Road segment.
    pub(crate) segment: Option<Name>,
    /// Degrees, WGS 84.
    pub(crate) lat: f64,
    pub(crate) lon: f64,
}

impl CityView {
    pub(crate) fn new(city: &City) -> Self {
        let device = |d: &ioc_model::DeviceSpec| DeviceView {
            name: d.name.clone(),
            kind: d.kind.clone(),
            service: d.service.clone(),
            area: d.area.clone(),
            properties: d.properties.clone(),
            cadence_s: d.cadence_s,
            parent: d.parent.clone(),
            segment: d.segment.clone(),
            lat: d.lat,
            lon: d.lon,
        };
        Self {
            devices: city.devices.values().map(|d| (d.id.clone(), device(d))).collect(),
            areas: city.areas.values().map(|a| (a.id.clone(), a.name.clone())).collect(),
            zones: city.zones.values().map(|z| (z.id.clone(), z.name.clone())).collect(),
            properties: city.properties.values().map(|p| (p.id.clone(), p.name.clone())).collect(),
        }
    }
}

impl RuleSet {
    /// Reads every `rules/*.yaml` and checks it against the city.
    ///
    /// # Errors
    /// Every mistake of every file, with its place.
    pub fn load(files: &ConfigFiles, city: &City) -> Result<Self, Vec<ConfigError>> {
        crate::load::load(files, city)
    }

    /// All rules, by id.
    pub fn infos(&self) -> Vec<RuleInfo> {
        let info = |r: &Rule| RuleInfo {
            id: r.id.clone(),
            kind: r.kind.word(),
            service: r.service.clone(),
            name: r.name.clone(),
            file: r.file.clone(),
            line: r.line,
            source: r.source.clone(),
        };
        self.rules.iter().map(info).collect()
    }

    /// What is not wrong but worth knowing: devices that a rule does not judge because a limit
    /// has no value for them, kinds of devices that are not configured.
    pub fn notes(&self) -> &[ConfigError] {
        &self.notes
    }

    /// Number of rules.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// True without any rule.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Runs the tests that the rules carry (`tests:`); how many there are.
    ///
    /// # Errors
    /// One entry per test that did not see what it expects, at the place of the test.
    pub fn run_tests(&self) -> Result<usize, Vec<ConfigError>> {
        crate::selftest::run(self)
    }
}
