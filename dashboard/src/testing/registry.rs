//! A registry in memory, a device that was heard, and a quarantine that counts its re-runs.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use ioc_model::{
    Actor, ConfigError, Device, DeviceError, DeviceFile, DeviceState, DeviceStore, Devices,
    Imported, NewToken, QuarantineReason, QuarantineRerun, Received, ReceivedStore, Rerun,
    Timestamp, TokenInfo,
};

use super::NOON;

type Asked = (Option<String>, Option<QuarantineReason>, usize);

#[derive(Default)]
pub(crate) struct FakeRegistry {
    pub devices: Mutex<Devices>,
    /// `act user` of each change.
    pub acts: Mutex<Vec<String>>,
    /// Device, reason and limit of each.
    pub reruns: Mutex<Vec<Asked>>,
}

pub(crate) const TOKEN: &str = "iocd_AAAA";

fn info() -> TokenInfo {
    TokenInfo {
        id: 5,
        label: "mast".into(),
        created: Timestamp(NOON),
        created_by: "administrator".into(),
        last_used: None,
    }
}

impl FakeRegistry {
    fn note(&self, act: &str, actor: &Actor) {
        self.acts.lock().expect("no panic").push(format!("{act} {}", actor.user));
    }

    fn known(&self, id: &str) -> Result<Arc<Device>, DeviceError> {
        let devices = self.devices.lock().expect("no panic");
        devices.get(id).cloned().ok_or(DeviceError::NotThere)
    }

    fn keep(&self, device: Device) -> Arc<Device> {
        let device = Arc::new(device);
        let mut devices = self.devices.lock().expect("no panic");
        *devices = devices.with(Arc::clone(&device));
        device
    }
}

impl DeviceStore for FakeRegistry {
    fn devices(&self) -> Arc<Devices> {
        Arc::new(self.devices.lock().expect("no panic").clone())
    }

    fn put(&self, device: Device, actor: &Actor) -> Result<Arc<Device>, DeviceError> {
        if &*device.service == "none" {
            let mistake = ConfigError::new("device", 0, 0, "service `none` is not there");
            return Err(DeviceError::Invalid(vec![mistake]));
        }
        self.note("put", actor);
        Ok(self.keep(device))
    }

    fn set_state(
        &self,
        id: &str,
        state: DeviceState,
        actor: &Actor,
    ) -> Result<Arc<Device>, DeviceError> {
        let device = Device { state, ..Device::clone(&*self.known(id)?) };
        self.note("state", actor);
        Ok(self.keep(device))
    }

    fn remove(&self, id: &str, actor: &Actor) -> Result<(), DeviceError> {
        self.known(id)?;
        self.note("remove", actor);
        let mut devices = self.devices.lock().expect("no panic");
        *devices = devices.without(id);
        Ok(())
    }

    fn import(
        &self,
        _: DeviceFile,
        file: &str,
        text: &str,
        dry_run: bool,
        actor: &Actor,
    ) -> Result<Imported, DeviceError> {
        if text.contains("wrong") {
            let mistake = ConfigError::new(file, 2, 5, "service `wrong` is not there");
            return Err(DeviceError::Invalid(vec![mistake.hint("did you mean `air`?")]));
        }
        if !dry_run {
            self.note("import", actor);
        }
        Ok(Imported { added: text.lines().count() as u64, ..Imported::default() })
    }

    fn export(&self, format: DeviceFile) -> String {
        match format {
            DeviceFile::Csv => "id\n".into(),
            DeviceFile::GeoJson => "{}".into(),
        }
    }

    fn issue_token(&self, id: &str, label: &str, actor: &Actor) -> Result<NewToken, DeviceError> {
        let device = Arc::clone(&self.known(id)?.id);
        self.note(label, actor);
        Ok(NewToken { device, token: TOKEN.into(), info: info() })
    }

    fn tokens(&self, id: &str) -> Result<Vec<TokenInfo>, DeviceError> {
        self.known(id).map(|_| vec![info()])
    }

    fn revoke_token(&self, id: &str, token: i64, actor: &Actor) -> Result<(), DeviceError> {
        self.known(id)?;
        if token != 5 {
            return Err(DeviceError::NotThere);
        }
        self.note("revoke", actor);
        Ok(())
    }
}

impl ReceivedStore for FakeRegistry {
    fn received(&self, device: &str) -> Option<Received> {
        (device == "air-000").then(|| Received { messages: 7, ..Received::default() })
    }
}

#[async_trait]
impl QuarantineRerun for FakeRegistry {
    async fn rerun(
        &self,
        device: Option<&str>,
        reason: Option<QuarantineReason>,
        limit: usize,
    ) -> Result<Rerun, Box<dyn std::error::Error + Send + Sync>> {
        let ask = (device.map(String::from), reason, limit);
        self.reruns.lock().expect("no panic").push(ask);
        Ok(Rerun { tried: 3, accepted: 2, refused: 1, ..Rerun::default() })
    }
}
