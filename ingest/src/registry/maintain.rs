//! What is done once a second: changes of other processes, devices that appeared, last uses,
//! lines for the audit log, the copy.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use ioc_model::{Actor, Device, DeviceError, Timestamp};
use rusqlite::TransactionBehavior;

use super::Registry;
use super::change::Changes;
use super::store::{self, Copy, failed};

/// Time between two copies when nobody lost a right, ms.
const COPY_EVERY_MS: i64 = 60_000;
/// Lines handed on before they are taken out of the file: so many may be doubled by a crash.
const LINES: usize = 64;

impl Registry {
    /// Does what is due: call it once a second, on a thread that may block. Returns the devices
    /// that appeared or that another process changed.
    ///
    /// # Errors
    /// [`DeviceError::Store`]; what could not be done is tried again with the next call.
    pub fn maintain(&self, now: Timestamp) -> Result<Vec<Arc<Device>>, DeviceError> {
        self.set_now(now.0);
        let mut changed = self.refresh()?;
        changed.extend(self.settle()?);
        self.write_uses()?;
        self.hand_on()?;
        self.copy(now)?;
        Ok(changed)
    }

    /// Takes over what another process (`ioc device`) changed; the devices that are others now.
    ///
    /// # Errors
    /// [`DeviceError::Store`].
    pub fn refresh(&self) -> Result<Vec<Arc<Device>>, DeviceError> {
        if self.file.is_none() {
            return Ok(Vec::new());
        }
        let mut file = self.file()?;
        let version = store::version(&file.db).map_err(failed)?;
        if version == file.seen {
            return Ok(Vec::new());
        }
        let before = self.devices.load_full();
        // One transaction, so that devices and tokens are of one moment.
        let tx = file.db.transaction().map_err(failed)?;
        let loaded = store::load(&tx, &self.city).map_err(failed)?;
        drop(tx);
        // Rights may have been taken away.
        (file.seen, file.copy) = (version, Copy::Now);
        let is_other = |d: &&Arc<Device>| before.get(&d.id).is_none_or(|b| **b != ***d);
        let changed = loaded.devices.iter().filter(is_other).cloned().collect();
        self.take(loaded);
        Ok(changed)
    }

    /// Writes the devices that appeared and what was learned.
    pub(super) fn settle(&self) -> Result<Vec<Arc<Device>>, DeviceError> {
        let news = self.waiting().take();
        if news.is_empty() {
            return Ok(Vec::new());
        }
        if self.file.is_none() {
            let devices = self.devices.load_full();
            let coming = news.devices(&devices);
            self.set_devices(devices.changed(coming.iter().cloned(), &[]));
            return Ok(coming);
        }
        let itself = Actor { user: "system".into(), origin: None, at: Timestamp::default() };
        let written = self.write(&itself, |tx, devices| {
            let coming = news.devices(devices);
            for device in &coming {
                store::put(tx, device)?;
            }
            let changes = Changes { put: coming.clone(), quiet: true, ..Changes::default() };
            Ok((changes, coming))
        });
        if written.is_err() {
            self.waiting().give_back(news);
        }
        written
    }

    fn write_uses(&self) -> Result<(), DeviceError> {
        let used = self.tokens.take_used();
        if used.is_empty() {
            return Ok(());
        }
        let write = || {
            let mut file = self.file()?;
            let tx = file.db.transaction_with_behavior(TransactionBehavior::Immediate);
            let tx = tx.map_err(failed)?;
            for token in &used {
                store::used(&tx, token.id, token.used.load(Relaxed))?;
            }
            tx.commit().map_err(failed)
        };
        let written = write();
        if written.is_err() {
            self.tokens.give_back(used);
        }
        written
    }

    /// Hands lines on to the audit log, in their order. A crash between the two files doubles the
    /// lines on the way; each has its number, `line`, so that it can be told.
    pub(super) fn hand_on(&self) -> Result<(), DeviceError> {
        let Some(audit) = self.audit.get() else { return Ok(()) };
        if self.file.is_none() {
            return Ok(());
        }
        let _one = self.telling.lock().unwrap_or_else(|e| e.into_inner());
        loop {
            let lines = store::lines(&self.file()?.db, LINES).map_err(failed)?;
            let mut told = None;
            let mut end = Ok(());
            for line in &lines {
                let rest = line.detail.get(1..).unwrap_or("}");
                let detail = format!("{{\"line\":{},{rest}", line.id);
                end = audit(&line.action, &line.actor, &detail).map_err(DeviceError::Store);
                if end.is_err() {
                    break;
                }
                told = Some(line.id);
            }
            if let Some(up_to) = told {
                store::told(&self.file()?.db, up_to).map_err(failed)?;
            }
            end?;
            if lines.len() < LINES {
                return Ok(());
            }
        }
    }

    fn copy(&self, now: Timestamp) -> Result<(), DeviceError> {
        if self.file.is_none() {
            return Ok(());
        }
        let mut file = self.file()?;
        let due = match file.copy {
            Copy::Good => false,
            Copy::Soon => now.0 - file.copied.0 >= COPY_EVERY_MS,
            Copy::Now => true,
        };
        if due { file.write_copy(now) } else { Ok(()) }
    }
}
