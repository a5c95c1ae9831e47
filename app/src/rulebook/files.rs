//! What of the configuration can change while the centre runs: `rules/*.yaml` and
//! `thresholds.yaml`. Reading, checking, and writing them.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use ioc_model::{City, ConfigError, ConfigFiles, RuleChanges};
use ioc_rules::{RuleInfo, RuleSet};

use crate::config;
use crate::stages::write_atomically;

/// Path below the configuration folder, to content.
pub(crate) type RuleFiles = BTreeMap<String, String>;

const THRESHOLDS: &str = "thresholds.yaml";

fn can_change(path: &str) -> bool {
    path == THRESHOLDS || (path.starts_with("rules/") && path.ends_with(".yaml"))
}

/// The changeable part of a configuration.
pub(crate) fn changeable(files: &ConfigFiles) -> RuleFiles {
    let wanted = files.0.iter().filter(|(path, _)| can_change(path));
    wanted.map(|(path, text)| (path.clone(), text.clone())).collect()
}

/// A set that was loaded and has passed its own tests.
#[derive(Clone)]
pub(crate) struct Accepted {
    pub set: RuleSet,
    pub tests: usize,
}

/// Makes sets of files, against the city as it was at the start.
pub(crate) struct Loader {
    base: ConfigFiles,
    city: Arc<City>,
}

impl Loader {
    pub(crate) fn new(base: &ConfigFiles, city: Arc<City>) -> Self {
        Self { base: base.clone(), city }
    }

    /// Loads without running tests: for versions that were accepted before.
    pub(crate) fn load(&self, files: &RuleFiles) -> Result<RuleSet, Vec<ConfigError>> {
        let mut all = self.base.clone();
        all.0.retain(|path, _| !can_change(path));
        all.0.extend(files.clone());
        if !files.keys().any(|path| path.starts_with("rules/")) {
            let hint = "a folder that lost its files must not end all alerts; use `rules: []`";
            return Err(vec![ConfigError::new("rules", 0, 0, "no rule file").hint(hint)]);
        }
        if all.get(THRESHOLDS) == self.base.get(THRESHOLDS) {
            return RuleSet::load(&all, &self.city);
        }
        RuleSet::load(&all, &City::load(&all)?)
    }

    /// Loads and runs the tests that the rules carry.
    pub(crate) fn accept(&self, files: &RuleFiles) -> Result<Accepted, Vec<ConfigError>> {
        let set = self.load(files)?;
        let tests = set.run_tests()?;
        Ok(Accepted { set, tests })
    }
}

/// What differs between two sets, by the text of the rules.
pub(crate) fn changes(before: &[RuleInfo], after: &[RuleInfo]) -> RuleChanges {
    let texts = |infos: &[RuleInfo]| -> BTreeMap<_, _> {
        infos.iter().map(|i| (i.id.clone(), i.source.clone())).collect()
    };
    let (old, new) = (texts(before), texts(after));
    let mut changes = RuleChanges::default();
    for (id, text) in &new {
        match old.get(id) {
            None => changes.added.push(id.clone()),
            Some(held) if held != text => changes.edited.push(id.clone()),
            Some(_) => {}
        }
    }
    changes.removed = old.into_keys().filter(|id| !new.contains_key(id)).collect();
    changes
}

/// The folder the files live in.
pub(crate) struct Folder(pub PathBuf);

/// Says cheaply that a folder may have changed.
pub(crate) type Fingerprint = Vec<(PathBuf, Option<SystemTime>, u64)>;

impl Folder {
    /// Reads all files that can change.
    pub(crate) fn read(&self) -> io::Result<RuleFiles> {
        let mut files = ConfigFiles::default();
        config::read_folder(&self.0, &self.0.join("rules"), &mut files)
            .map_err(|e| io::Error::other(format!("{e:#}")))?;
        match std::fs::read_to_string(self.0.join(THRESHOLDS)) {
            Ok(text) => drop(files.0.insert(THRESHOLDS.into(), text)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(e),
        }
        Ok(changeable(&files))
    }

    /// Names, times and sizes; empty when the folder cannot be read.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        let mut found = Vec::new();
        look_at(&self.0.join("rules"), &mut found);
        let thresholds = self.0.join(THRESHOLDS);
        if let Ok(meta) = std::fs::metadata(&thresholds) {
            found.push((thresholds, meta.modified().ok(), meta.len()));
        }
        found.sort();
        found
    }

    /// Turns `before` into `after`, each file by itself in one step.
    pub(crate) fn write(&self, before: &RuleFiles, after: &RuleFiles) -> io::Result<()> {
        for (path, text) in after.iter().filter(|(path, text)| before.get(*path) != Some(text)) {
            let target = self.0.join(Path::new(path));
            if let Some(dir) = target.parent() {
                std::fs::create_dir_all(dir)?;
            }
            write_atomically(&target, text.as_bytes())?;
        }
        for path in before.keys().filter(|path| !after.contains_key(*path)) {
            match std::fs::remove_file(self.0.join(Path::new(path))) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                _ => {}
            }
        }
        Ok(())
    }
}

fn look_at(dir: &Path, found: &mut Fingerprint) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let Ok(meta) = std::fs::metadata(&path) else { continue };
        if meta.is_dir() {
            look_at(&path, found);
        } else if path.extension().is_some_and(|e| e == "yaml") {
            found.push((path, meta.modified().ok(), meta.len()));
        }
    }
}
