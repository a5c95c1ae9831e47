//! Rules that change while the centre runs.
//!
//! The files of the configuration folder are the truth. A change comes through the folder
//! ([`watch`]) or through REST ([`Book`]), which writes the file and goes the same way: loaded,
//! tested, tried on the last hours, then handed to the rules stage, which makes the set durable as
//! a version ([`VersionStore`]) with the position of the next entry to judge, and uses it from
//! there on. What is wrong leaves the old set running and is told.

mod desk;
mod edit;
mod files;
mod store;
#[cfg(test)]
pub(crate) mod tests;
mod trial;
mod versions;
mod view;
mod watch;

pub(crate) use desk::{Desk, DeskParts, TrialSettings};
pub(crate) use files::{Accepted, Loader, RuleFiles};
pub(crate) use store::Book;
pub(crate) use trial::{Bench, Limits};
pub(crate) use versions::{NewVersion, Stored, VersionStore};
pub(crate) use view::{RulesView, Running};
pub(crate) use watch::watch;

use std::path::Path;
use std::sync::Arc;

use ioc_model::{City, ConfigError, ConfigFiles};

use crate::exit::BadConfig;
use crate::stages::wall;

/// Author of what comes through the folder.
const FOLDER: &str = "file";

/// The rules at a start.
pub(crate) struct Start {
    pub loader: Arc<Loader>,
    pub store: Arc<VersionStore>,
    /// The newest set that is good, and its files.
    pub accepted: Accepted,
    pub files: RuleFiles,
    /// Its version; `None`: it is new, and becomes one when the journal's end is known.
    pub version: Option<Stored>,
    /// What is wrong with the folder, if an older version runs.
    pub trouble: Option<Vec<ConfigError>>,
}

/// Reads the rules of the folder, or of the newest version if those are wrong. On a first start
/// wrong rules are fatal, and nothing is touched.
pub(crate) fn start(path: &Path, files: &ConfigFiles, city: &Arc<City>) -> anyhow::Result<Start> {
    let loader = Arc::new(Loader::new(files, Arc::clone(city)));
    let own = files::changeable(files);
    let first = !path.exists();
    if first {
        let accepted = loader.accept(&own).map_err(BadConfig)?;
        let store = Arc::new(VersionStore::open(path)?);
        return Ok(Start { loader, store, accepted, files: own, version: None, trouble: None });
    }
    let store = Arc::new(VersionStore::open(path)?);
    let latest = store.latest()?;
    if let Some(latest) = latest.clone().filter(|latest| latest.files == own) {
        // It was tested when it was accepted; the city may be another since.
        let set = loader.load(&own).map_err(BadConfig)?;
        let accepted = Accepted { set, tests: 0 };
        let version = Some(latest);
        return Ok(Start { loader, store, accepted, files: own, version, trouble: None });
    }
    match (loader.accept(&own), latest) {
        (Ok(accepted), _) => {
            Ok(Start { loader, store, accepted, files: own, version: None, trouble: None })
        }
        (Err(mistakes), Some(latest)) => {
            let Ok(set) = loader.load(&latest.files) else {
                return Err(BadConfig(mistakes).into());
            };
            tracing::warn!(version = latest.number, "rules are wrong, the version before runs");
            let (accepted, files) = (Accepted { set, tests: 0 }, latest.files.clone());
            let trouble = Some(mistakes);
            Ok(Start { loader, store, accepted, files, version: Some(latest), trouble })
        }
        (Err(mistakes), None) => Err(BadConfig(mistakes).into()),
    }
}

impl Start {
    /// Makes the set a version that holds from `position`, unless it is one.
    pub(crate) fn settle(&mut self, position: u64) -> anyhow::Result<u64> {
        if let Some(version) = &self.version {
            return Ok(version.number);
        }
        let before = self.store.latest()?;
        let infos = before
            .as_ref()
            .and_then(|v| self.loader.load(&v.files).ok())
            .map_or_else(Vec::new, |set| set.infos());
        let new = NewVersion {
            parent: before.as_ref().map(|v| v.number),
            at: wall(),
            author: FOLDER.into(),
            note: None,
            change: files::changes(&infos, &self.accepted.set.infos()),
            trial: None,
            files: self.files.clone(),
        };
        // The first version is that of all entries there are.
        let position = if before.is_some() { position } else { 0 };
        let (number, position) = self.store.insert(position, &new)?;
        self.version = Some(Stored { number, position, files: self.files.clone() });
        Ok(number)
    }
}
