//! Opening the file, also one that is damaged.

use std::path::Path;
use std::sync::{Arc, Mutex};

use ioc_model::{Actor, City, DeviceError, Timestamp};
use rusqlite::ErrorCode;
use serde_json::json;

use super::store::{self, Loaded, Store, beside, copy_of};
use super::{Registry, RegistryConfig};
use crate::error::IngestError;

/// Where the registry came from at a start at which its file was damaged or gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restored {
    /// From the copy beside it.
    Copy,
    /// From nowhere: what people entered and all tokens are lost.
    Nothing,
}

/// Why a file cannot be used.
enum Trouble {
    Damaged(String),
    Later(i64),
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for Trouble {
    fn from(e: rusqlite::Error) -> Self {
        match &e {
            rusqlite::Error::SqliteFailure(f, _)
                if matches!(f.code, ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) =>
            {
                Self::Damaged(e.to_string())
            }
            _ => Self::Sqlite(e),
        }
    }
}

impl Trouble {
    fn into_error(self, path: &Path) -> IngestError {
        let path = path.to_owned();
        match self {
            Self::Damaged(what) => IngestError::RegistryDamaged { path, what },
            Self::Later(version) => IngestError::RegistryLater { path, version },
            Self::Sqlite(source) => IngestError::RegistryOpen { path, source: Arc::new(source) },
        }
    }
}

impl Registry {
    /// Opens or makes the file and puts it together with the devices of the configuration. A file
    /// that is damaged is set aside, and the copy beside it is taken; see the module's words.
    ///
    /// # Errors
    /// [`IngestError::RegistryOpen`] when no file can be made, [`IngestError::RegistryLater`] for
    /// the file of a later version.
    pub fn open(
        path: &Path,
        config: RegistryConfig,
        city: Arc<City>,
    ) -> Result<Arc<Self>, IngestError> {
        let gone = !path.exists() && copy_of(path).exists();
        let (opened, restored) = match read(path, &city) {
            Ok(opened) if !gone => (opened, None),
            Ok(opened) => {
                drop(opened);
                let (opened, from) = restore(path, &city, "it is not there")?;
                (opened, Some(from))
            }
            Err(Trouble::Damaged(what)) => {
                let (opened, from) = restore(path, &city, &what)?;
                (opened, Some(from))
            }
            Err(other) => return Err(other.into_error(path)),
        };
        let registry = Self::with_file(config, city, opened, restored);
        if let Some(from) = restored {
            registry.note_restored(from).map_err(|e| IngestError::RegistryWrite(Arc::new(e)))?;
        }
        Ok(Arc::new(registry))
    }

    /// Whether there is a file, or the copy of one, that [`Registry::open`] would read.
    pub fn is_at(path: &Path) -> bool {
        path.exists() || copy_of(path).exists()
    }

    /// Opens or makes the file for a tool that may run beside a centre: a damaged one is an error.
    ///
    /// # Errors
    /// As [`Registry::open`], and [`IngestError::RegistryDamaged`].
    pub fn open_beside(
        path: &Path,
        config: RegistryConfig,
        city: Arc<City>,
    ) -> Result<Arc<Self>, IngestError> {
        let opened = read(path, &city).map_err(|t| t.into_error(path))?;
        Ok(Arc::new(Self::with_file(config, city, opened, None)))
    }

    fn with_file(
        config: RegistryConfig,
        city: Arc<City>,
        (store, loaded): (Store, Loaded),
        restored: Option<Restored>,
    ) -> Self {
        let registry = Self::new(config, city, loaded.devices);
        registry.tokens.replace(loaded.tokens);
        Self { file: Some(Mutex::new(store)), restored, ..registry }
    }

    /// Operators must be able to see afterwards that rights were lost or came back.
    fn note_restored(&self, from: Restored) -> Result<(), DeviceError> {
        let actor = Actor { user: "system".into(), origin: None, at: wall() };
        self.write(&actor, |tx, devices| {
            let detail = json!({
                "from": match from { Restored::Copy => "copy", Restored::Nothing => "nothing" },
                "devices": devices.len(),
            });
            store::line(tx, "registry_restored", &actor, &detail)?;
            Ok((super::change::Changes::default(), ()))
        })
    }
}

fn read(path: &Path, city: &City) -> Result<(Store, Loaded), Trouble> {
    let mut store = Store::open(path)?;
    let version = store.prepare()?;
    if version != store::VERSION {
        return Err(Trouble::Later(version));
    }
    if !store.is_whole()? {
        return Err(Trouble::Damaged("pages or rows are not whole".into()));
    }
    store.seen = store::version(&store.db)?;
    let loaded = store::load(&store.db, city)?;
    Ok((store, loaded))
}

/// Sets the file aside and takes the copy, or begins anew.
fn restore(
    path: &Path,
    city: &City,
    why: &str,
) -> Result<((Store, Loaded), Restored), IngestError> {
    let aside = |path: &Path| {
        for suffix in ["", "-wal", "-shm"] {
            let from = beside(path, suffix);
            // A part that does not exist cannot stand in the way of the new file.
            let _ = std::fs::rename(&from, beside(&from, ".damaged"));
        }
    };
    aside(path);
    if std::fs::copy(copy_of(path), path).is_ok() {
        match read(path, city) {
            Ok(opened) => {
                tracing::error!(path = %path.display(), why, "device registry is damaged, its copy is used: what was changed in the last minute may be lost");
                return Ok((opened, Restored::Copy));
            }
            Err(Trouble::Damaged(_)) => aside(path),
            Err(other) => return Err(other.into_error(path)),
        }
    }
    tracing::error!(path = %path.display(), why, "device registry is damaged and has no copy: entered devices and all tokens are lost");
    let opened = read(path, city).map_err(|t| t.into_error(path))?;
    Ok((opened, Restored::Nothing))
}

/// The wall clock, ms; only for the line about a restored file.
fn wall() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Timestamp(since.map_or(0, |d| d.as_millis() as i64))
}
