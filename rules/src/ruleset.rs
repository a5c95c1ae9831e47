//! A checked set of rules with what it needs of the city.

use std::collections::BTreeMap;
use std::sync::Arc;

use ioc_model::{City, ConfigError, ConfigFiles, Name, Text};
use serde::Serialize;

use crate::kinds::{Input, Wanted};
use crate::links::Link;
use crate::rule::{Mode, Rule};
use crate::selftest::SelfTest;

/// A checked set of rules. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct RuleSet {
    /// A rule comes after those it depends on; else by id.
    pub(crate) rules: Arc<Vec<Rule>>,
    /// Inputs of each rule.
    pub(crate) inputs: Arc<[Vec<Input>]>,
    /// Who wants to know of each rule's changes.
    pub(crate) links: Arc<[Vec<Link>]>,
    /// Whether another rule needs this one.
    pub(crate) shared: Arc<[bool]>,
    pub(crate) city: Arc<CityView>,
    pub(crate) tests: Arc<[SelfTest]>,
    pub(crate) notes: Arc<[ConfigError]>,
}

/// A rule, for people and the dashboard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuleInfo {
    /// Rule id.
    pub id: Name,
    /// The word after `kind:`.
    pub kind: &'static str,
    /// What its alerts are about: `device`, `area`, `service`, `segment`, `city`.
    pub per: &'static str,
    /// `on`, `shadow` or `off`.
    pub mode: &'static str,
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
    pub(crate) services: BTreeMap<Name, Text>,
    /// Names of observed properties.
    pub(crate) properties: BTreeMap<Name, Text>,
    pub(crate) thresholds: BTreeMap<Name, ThresholdView>,
}

/// Where a threshold comes from.
#[derive(Clone, Debug)]
pub(crate) struct ThresholdView {
    pub(crate) source: String,
    /// First days of its values, oldest first.
    effective: Vec<String>,
}

impl ThresholdView {
    /// First day of the value in force at `t`.
    pub(crate) fn effective_at(&self, t: i64) -> String {
        let day: String = ioc_model::Timestamp(t).to_rfc3339().chars().take(10).collect();
        let n = self.effective.partition_point(|e| **e <= *day).max(1);
        self.effective.get(n - 1).cloned().unwrap_or_default()
    }
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
        };
        let threshold = |t: &ioc_model::Threshold| {
            let earlier = t.earlier.iter().map(|e| e.effective.clone());
            let mut effective: Vec<String> = earlier.chain([t.effective.clone()]).collect();
            effective.sort();
            ThresholdView { source: t.source.clone(), effective }
        };
        Self {
            devices: city.devices.values().map(|d| (d.id.clone(), device(d))).collect(),
            areas: city.areas.values().map(|a| (a.id.clone(), a.name.clone())).collect(),
            zones: city.zones.values().map(|z| (z.id.clone(), z.name.clone())).collect(),
            services: city.services.values().map(|s| (s.id.clone(), s.name.clone())).collect(),
            thresholds: city.thresholds.values().map(|t| (t.id.clone(), threshold(t))).collect(),
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
            per: r.per.word(),
            mode: r.mode.word(),
            service: r.service.clone(),
            name: r.name.clone(),
            file: r.file.clone(),
            line: r.line,
            source: r.source.clone(),
        };
        let mut infos: Vec<RuleInfo> = self.rules.iter().map(info).collect();
        infos.sort_by(|a, b| a.id.cmp(&b.id));
        infos
    }

    /// What is not wrong but worth knowing: devices that a rule does not judge because a limit
    /// has no value for them, kinds of devices that are not configured, rules that say the same.
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

    /// The rule and what it depends on, with everything else off.
    pub(crate) fn only(&self, id: &str) -> Self {
        let mut wanted = vec![false; self.rules.len()];
        let mut queue: Vec<usize> = self.index_of(id).map(|i| i as usize).into_iter().collect();
        while let Some(i) = queue.pop() {
            if std::mem::replace(&mut wanted[i], true) {
                continue;
            }
            let needs = |other: &usize| {
                self.links[*other].iter().any(|l| l.target() as usize == i)
                    || self.rules[*other].kind.output().is_some_and(|out| self.wants(i, out))
            };
            queue.extend((0..self.rules.len()).filter(needs));
        }
        let mut set = self.clone();
        let mut rules: Vec<Rule> = self.rules.to_vec();
        for (rule, _) in rules.iter_mut().zip(&wanted).filter(|(_, wanted)| !**wanted) {
            rule.mode = Mode::Off;
        }
        set.rules = Arc::new(rules);
        set
    }

    fn wants(&self, rule: usize, property: &Name) -> bool {
        let takes = |i: &Input| match &i.what {
            Wanted::Property(p) | Wanted::AnyQuality(p) => p == property,
            _ => false,
        };
        self.inputs[rule].iter().any(takes)
    }

    /// A rule as text that reads back as the same rule, in one canonical form.
    pub fn print(&self, id: &str) -> Option<String> {
        let rule = &self.rules[self.index_of(id)? as usize];
        Some(crate::print::to_yaml(&crate::load::print_file([rule])))
    }

    /// A number of everything that decides when a rule raises and clears; other words have the
    /// same number.
    pub fn hash(&self, id: &str) -> Option<u64> {
        Some(self.rules[self.index_of(id)? as usize].hash)
    }

    pub(crate) fn links_of(&self, rule: u32) -> &[Link] {
        &self.links[rule as usize]
    }

    pub(crate) fn index_of(&self, id: &str) -> Option<u32> {
        self.rules.iter().position(|r| &*r.id == id).map(|i| i as u32)
    }
}
