//! Changes by people: each is one transaction with its line for the audit log.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, MutexGuard};

use ioc_model::{
    Actor, Device, DeviceError, DeviceFile, DeviceOrigin, DeviceState, DeviceStore, Devices,
    Imported, Name, NewToken, TokenInfo,
};
use rusqlite::{Transaction, TransactionBehavior};
use serde_json::{Value, json};

use super::check::{self, World};
use super::mistakes::Mistakes;
use super::propose::{Proposal, line};
use super::store::{self, Copy, Store, failed};
use super::tokens::{self, PER_DEVICE, Token};
use super::{Registry, export};

/// What a transaction does to the set in memory.
#[derive(Default)]
pub(super) struct Changes {
    pub(super) put: Vec<Arc<Device>>,
    pub(super) gone: Vec<Name>,
    /// Devices whose tokens are others now.
    pub(super) tokens: Vec<(Name, Vec<Arc<Token>>)>,
    /// Somebody lost a right.
    pub(super) less: bool,
    /// Nobody's rights are others.
    pub(super) quiet: bool,
}

impl Registry {
    pub(super) fn file(&self) -> Result<MutexGuard<'_, Store>, DeviceError> {
        let alone = || DeviceError::Conflict("this registry is kept in memory alone".into());
        let file = self.file.as_ref().ok_or_else(alone)?;
        Ok(file.lock().unwrap_or_else(|e| e.into_inner()))
    }

    /// One transaction on the set as it is in the file now, also by other processes; then the set
    /// in memory is replaced. An error leaves everything as it was.
    pub(super) fn write<T>(
        &self,
        actor: &Actor,
        work: impl FnOnce(&Transaction<'_>, &Devices) -> Result<(Changes, T), DeviceError>,
    ) -> Result<T, DeviceError> {
        if actor.user.trim().is_empty() {
            return Err(DeviceError::Conflict("nobody is named who does it".into()));
        }
        let mut file = self.file()?;
        let file = &mut *file;
        let tx = file.db.transaction_with_behavior(TransactionBehavior::Immediate);
        let tx = tx.map_err(failed)?;
        let version = store::version(&tx).map_err(failed)?;
        if version != file.seen {
            self.take(store::load(&tx, &self.city).map_err(failed)?);
            file.seen = version;
            file.copy = Copy::Now;
        }
        let devices = self.devices.load_full();
        let (changes, value) = work(&tx, &devices)?;
        tx.commit().map_err(failed)?;
        file.copy = file.copy.max(if changes.less { Copy::Now } else { Copy::Soon });
        self.publish(&devices, changes);
        Ok(value)
    }

    /// As [`Registry::write`], and the lines go to the audit log at once if they can.
    fn act<T>(
        &self,
        actor: &Actor,
        work: impl FnOnce(&Transaction<'_>, &Devices) -> Result<(Changes, T), DeviceError>,
    ) -> Result<T, DeviceError> {
        // Somebody may have just seen it appear.
        self.settle()?;
        let value = self.write(actor, work)?;
        if let Err(error) = self.hand_on() {
            tracing::warn!(%error, "lines for the audit log wait in the device registry");
        }
        Ok(value)
    }

    fn publish(&self, before: &Devices, changes: Changes) {
        let is_change = !(changes.put.is_empty() && changes.gone.is_empty());
        let moved = !changes.quiet && (is_change || !changes.tokens.is_empty());
        for (device, tokens) in &changes.tokens {
            self.tokens.set(device, tokens.clone());
        }
        for device in &changes.gone {
            self.tokens.set(device, Vec::new());
        }
        if is_change {
            self.set_devices(before.changed(changes.put, &changes.gone));
        }
        if moved {
            self.moved();
        }
    }

    /// Proposals that are to come true together, and remarks about them.
    pub(super) fn checked(
        &self,
        devices: &Devices,
        proposals: &[Proposal],
        mistakes: Mistakes<'_>,
    ) -> Result<Vec<ioc_model::ConfigError>, DeviceError> {
        let world = World { city: &self.city, areas: &self.areas, devices };
        check::check(&world, proposals, &mistakes);
        mistakes.end().map_err(DeviceError::Invalid)
    }

    pub(super) fn has_room(&self, devices: &Devices, more: usize) -> Result<(), DeviceError> {
        let most = self.config.max_devices;
        if more > 0 && devices.len() + more > most {
            let message = format!("the registry is full: at most {most} devices are taken");
            return Err(DeviceError::Conflict(message));
        }
        Ok(())
    }
}

fn there<'d>(devices: &'d Devices, id: &str) -> Result<&'d Arc<Device>, DeviceError> {
    devices.get(id).ok_or(DeviceError::NotThere)
}

impl DeviceStore for Registry {
    fn devices(&self) -> Arc<Devices> {
        self.devices.load_full()
    }

    fn put(&self, device: Device, actor: &Actor) -> Result<Arc<Device>, DeviceError> {
        self.act(actor, |tx, devices| {
            let before = devices.get(&device.id).cloned();
            let proposal = Proposal::new(device, before, (&self.city, &self.areas), actor);
            if let Some(before) = proposal.before.as_ref().filter(|_| proposal.is_same()) {
                return Ok((Changes::default(), Arc::clone(before)));
            }
            if let Some(column) = proposal.against_config() {
                let (word, id) = (column.word(), &proposal.device.id);
                let why = format!("`{word}` of `{id}` is set in devices.csv; change it there");
                return Err(DeviceError::Conflict(why));
            }
            self.has_room(devices, usize::from(proposal.before.is_none()))?;
            let proposals = [proposal];
            self.checked(devices, &proposals, Mistakes::new("", ""))?;
            let [Proposal { mut device, before, .. }] = proposals;
            store::share(&mut device, &self.city);
            let action = if before.is_some() { "device_changed" } else { "device_added" };
            put(tx, actor, (action, before.as_deref()), device)
        })
    }

    fn set_state(
        &self,
        id: &str,
        state: DeviceState,
        actor: &Actor,
    ) -> Result<Arc<Device>, DeviceError> {
        let action = match state {
            DeviceState::Approved => "device_approved",
            DeviceState::Blocked => "device_blocked",
            DeviceState::Pending => {
                let why = "a device is approved or blocked; pending is what nobody looked at yet";
                return Err(DeviceError::Conflict(why.into()));
            }
        };
        self.act(actor, |tx, devices| {
            let before = there(devices, id)?;
            if before.state == state {
                return Ok((Changes::default(), Arc::clone(before)));
            }
            let device = Device { state, changed: actor.at, ..Device::clone(before) };
            put(tx, actor, (action, Some(before)), device)
        })
    }

    fn remove(&self, id: &str, actor: &Actor) -> Result<(), DeviceError> {
        self.act(actor, |tx, devices| {
            let device = there(devices, id)?;
            if device.origin == DeviceOrigin::Config {
                let why = format!("`{id}` is in devices.csv; take it away there, or block it");
                return Err(DeviceError::Conflict(why));
            }
            let below = devices.iter().filter(|d| d.parent.as_deref() == Some(id));
            let mut below: Vec<&str> = below.map(|d| &*d.id).collect();
            if !below.is_empty() {
                below.sort_unstable();
                let (n, some) = (below.len(), below[..below.len().min(3)].join(", "));
                let why = format!("{n} devices speak through `{id}`, such as {some}");
                return Err(DeviceError::Conflict(why));
            }
            store::remove(tx, id)?;
            let detail = json!({ "device": id, "before": view(device), "after": null });
            store::line(tx, "device_removed", actor, &detail)?;
            let gone = vec![Arc::clone(&device.id)];
            Ok((Changes { gone, less: true, ..Changes::default() }, ()))
        })
    }

    fn import(
        &self,
        format: DeviceFile,
        file: &str,
        text: &str,
        dry_run: bool,
        actor: &Actor,
    ) -> Result<Imported, DeviceError> {
        if dry_run {
            self.refresh()?;
            let devices = self.devices.load_full();
            let planned = self.plan(&devices, (format, file, text), actor)?;
            return Ok(planned.imported);
        }
        self.act(actor, |tx, devices| {
            let planned = self.plan(devices, (format, file, text), actor)?;
            self.carry_out(tx, planned, (file, text), actor)
        })
    }

    fn export(&self, format: DeviceFile) -> String {
        let devices = self.devices.load_full();
        match format {
            DeviceFile::Csv => export::csv(&devices),
            DeviceFile::GeoJson => export::geojson(&devices),
        }
    }

    fn issue_token(&self, id: &str, label: &str, actor: &Actor) -> Result<NewToken, DeviceError> {
        let label: String = line(label).chars().filter(|c| !c.is_control()).take(100).collect();
        self.act(actor, |tx, devices| {
            let device = Arc::clone(&there(devices, id)?.id);
            if store::tokens_of(tx, id)?.len() >= PER_DEVICE {
                let why = format!("`{id}` has {PER_DEVICE} tokens; revoke one first");
                return Err(DeviceError::Conflict(why));
            }
            let (token, hash) = tokens::make();
            let number = store::add_token(tx, id, &hash, (&label, actor))?;
            let detail = json!({ "device": id, "token": number, "label": label });
            store::line(tx, "device_token_made", actor, &detail)?;
            let info = TokenInfo {
                id: number,
                label: label.clone(),
                created: actor.at,
                created_by: actor.user.clone(),
                last_used: None,
            };
            let tokens = vec![(Arc::clone(&device), store::tokens_of(tx, id)?)];
            let changes = Changes { tokens, ..Changes::default() };
            Ok((changes, NewToken { device, token, info }))
        })
    }

    fn tokens(&self, id: &str) -> Result<Vec<TokenInfo>, DeviceError> {
        there(&self.devices.load(), id)?;
        Ok(self.tokens.of(id).iter().map(|t| t.info()).collect())
    }

    fn revoke_token(&self, id: &str, token: i64, actor: &Actor) -> Result<(), DeviceError> {
        self.act(actor, |tx, devices| {
            let device = Arc::clone(&there(devices, id)?.id);
            let label = store::remove_token(tx, id, token)?.ok_or(DeviceError::NotThere)?;
            let detail = json!({ "device": id, "token": token, "label": label });
            store::line(tx, "device_token_revoked", actor, &detail)?;
            let tokens = vec![(device, store::tokens_of(tx, id)?)];
            Ok((Changes { tokens, less: true, ..Changes::default() }, ()))
        })
    }
}

fn put(
    tx: &Transaction<'_>,
    actor: &Actor,
    (action, before): (&str, Option<&Device>),
    device: Device,
) -> Result<(Changes, Arc<Device>), DeviceError> {
    store::put(tx, &device)?;
    let detail = match before {
        Some(before) => difference(before, &device),
        None => json!({ "device": device.id, "before": null, "after": view(&device) }),
    };
    store::line(tx, action, actor, &detail)?;
    let device = Arc::new(device);
    let less = is_less(before, &device);
    let changes = Changes { put: vec![Arc::clone(&device)], less, ..Changes::default() };
    Ok((changes, device))
}

/// Whether a device may less than before.
pub(super) fn is_less(before: Option<&Device>, after: &Device) -> bool {
    before.is_some_and(|b| {
        let blocked = after.state == DeviceState::Blocked && b.state != after.state;
        let bridge = b.bridge && !after.bridge;
        blocked || bridge || b.topics.iter().any(|t| !after.topics.contains(t))
    })
}

/// What the audit log keeps of a device: all that is not empty. Nothing in the log can be deleted,
/// so of the person to ask it keeps only that there is one.
fn view(device: &Device) -> Value {
    let mut value = serde_json::to_value(device).unwrap_or_default();
    let Some(object) = value.as_object_mut() else { return value };
    for word in ["id", "origin", "since", "changed"] {
        object.remove(word);
    }
    object.retain(|_, v| match v {
        Value::Null | Value::Bool(false) => false,
        Value::String(s) => !s.is_empty(),
        Value::Array(a) => !a.is_empty(),
        Value::Object(o) => !o.is_empty(),
        Value::Number(n) => n.as_f64() != Some(0.0),
        Value::Bool(true) => true,
    });
    if let Some(contact) = object.get_mut("contact") {
        *contact = json!("kept");
    }
    value
}

/// What changed, before and after.
pub(super) fn difference(before: &Device, after: &Device) -> Value {
    let (mut old, mut new) = (view(before), view(after));
    if let (Some(old), Some(new)) = (old.as_object_mut(), new.as_object_mut()) {
        if before.contact.is_some() && after.contact.is_some() && before.contact != after.contact {
            new.insert("contact".into(), json!("another"));
        }
        let same: Vec<String> =
            old.iter().filter(|(k, v)| new.get(*k) == Some(v)).map(|(k, _)| k.clone()).collect();
        for key in same {
            old.remove(&key);
            new.remove(&key);
        }
    }
    json!({ "device": after.id, "before": old, "after": new })
}

impl Registry {
    /// Replaces the set in memory.
    pub(super) fn set_devices(&self, devices: Devices) {
        let pending = super::count_pending(&devices);
        self.devices.store(Arc::new(devices));
        self.waiting().pending = pending;
    }

    /// Takes over what was read from the file.
    pub(super) fn take(&self, loaded: store::Loaded) {
        self.tokens.replace(loaded.tokens);
        self.set_devices(loaded.devices);
        self.moved();
    }

    /// Signing in and maintaining say what time it is.
    pub(super) fn set_now(&self, ms: i64) {
        self.now.store(ms, Relaxed);
    }
}
