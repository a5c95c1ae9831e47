//! The registry on a real file, with the shipped city.

mod changes;
mod file;
mod imports;
mod pending;
mod tokens;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use ioc_model::{
    Actor, City, Device, DeviceError, DeviceState, DeviceStore, Place, Text, Timestamp,
};

use super::*;
use crate::decode::shared_data::city;

/// Inside Hải Châu.
const HAI_CHAU: Place = Place { lat: 16.0678, lon: 108.2208 };
/// One that `devices.csv` has.
const CONFIGURED: &str = "river-cam-le";

/// Action, who, detail.
type Lines = Vec<(String, String, serde_json::Value)>;

struct Bench {
    dir: tempfile::TempDir,
    city: Arc<City>,
    registry: Arc<Registry>,
    audit: Arc<Mutex<Lines>>,
}

impl Bench {
    fn new() -> Self {
        Self::with(RegistryConfig::default())
    }

    fn with(config: RegistryConfig) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let city = city();
        let path = dir.path().join("devices.sqlite");
        let registry = Registry::open(&path, config, Arc::clone(&city)).expect("opens");
        let audit = Arc::<Mutex<Vec<_>>>::default();
        registry.tell(book(&audit));
        Self { dir, city, registry, audit }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("devices.sqlite")
    }

    fn open(&self) -> Arc<Registry> {
        let city = Arc::clone(&self.city);
        Registry::open(&self.path(), RegistryConfig::default(), city).expect("opens")
    }

    fn lines(&self) -> Lines {
        self.audit.lock().expect("no panic").clone()
    }

    fn actions(&self) -> Vec<String> {
        self.lines().into_iter().map(|(action, ..)| action).collect()
    }
}

fn book(audit: &Arc<Mutex<Lines>>) -> NoteAct {
    let audit = Arc::clone(audit);
    Arc::new(move |action, actor, detail| {
        let detail = serde_json::from_str(detail)?;
        audit.lock().expect("no panic").push((action.into(), actor.user.clone(), detail));
        Ok(())
    })
}

fn lan() -> Actor {
    Actor { user: "lan".into(), origin: None, at: Timestamp(1_700_000_000_000) }
}

fn air(id: &str) -> Device {
    Device {
        name: Text { vi: "Trạm".into(), en: "Station".into() },
        kind: "air_station".into(),
        place: Some(HAI_CHAU),
        properties: vec!["pm25".into()],
        cadence_s: 60,
        state: DeviceState::Approved,
        ..Device::unknown(id, &"air".into(), &"unassigned".into(), Timestamp(5))
    }
}

/// The mistakes as `field: words; hint`.
fn mistakes<T: std::fmt::Debug>(result: Result<T, DeviceError>) -> Vec<String> {
    match result {
        Err(DeviceError::Invalid(all)) => {
            let hint = |e: &ioc_model::ConfigError| e.hint.clone().unwrap_or_default();
            let place = |e: &ioc_model::ConfigError| match e.line {
                0 => e.file.clone(),
                _ => format!("{}:{}:{}", e.file, e.line, e.column),
            };
            all.iter().map(|e| format!("{}: {}; {}", place(e), e.message, hint(e))).collect()
        }
        other => panic_free(other),
    }
}

fn panic_free<T: std::fmt::Debug>(other: T) -> Vec<String> {
    vec![format!("no mistakes but {other:?}")]
}
