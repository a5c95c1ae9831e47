//! Takes a list of devices, all of it or nothing.

mod csv;
mod geojson;
mod row;

use std::collections::HashMap;
use std::sync::Arc;

use ahash::RandomState;
use ioc_model::{
    Actor, Device, DeviceError, DeviceFile, DeviceState, Devices, Imported, Name, Timestamp,
};
use rusqlite::Transaction;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::change::{Changes, difference, is_less};
use super::columns::Column;
use super::mistakes::{At, Mistakes};
use super::propose::{Proposal, UNASSIGNED};
use super::{Registry, store};
use row::Row;

/// Bytes of one line of the audit log about an import.
const LINE_BYTES: usize = 16 << 10;

/// An import that is free of mistakes.
pub(super) struct Plan {
    /// Those that come new or change.
    proposals: Vec<Proposal>,
    pub(super) imported: Imported,
}

impl Registry {
    /// Reads a list and checks it against the registry.
    pub(super) fn plan(
        &self,
        devices: &Devices,
        (format, file, text): (DeviceFile, &str, &str),
        actor: &Actor,
    ) -> Result<Plan, DeviceError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mistakes = Mistakes::new(file, text);
        let mut list = List {
            registry: self,
            devices,
            actor,
            seen: HashMap::default(),
            same: 0,
            proposals: Vec::new(),
        };
        let mut each = |row: &Row<'_>| list.take(row, &mistakes);
        match format {
            DeviceFile::Csv => csv::read(text, &mistakes, &mut each),
            DeviceFile::GeoJson => geojson::read(text, &mistakes, &mut each),
        }
        let (proposals, same) = (list.proposals, list.same);
        let added = proposals.iter().filter(|p| p.before.is_none()).count();
        let notes = self.checked(devices, &proposals, mistakes)?;
        self.has_room(devices, added)?;
        let changed = proposals.len() - added;
        let imported = Imported { added: added as u64, changed: changed as u64, same, notes };
        Ok(Plan { proposals, imported })
    }

    /// Writes what was planned, with its lines for the audit log: first one with the file and the
    /// counts, then ids of new devices and differences of changed ones, as many as fit a line.
    pub(super) fn carry_out(
        &self,
        tx: &Transaction<'_>,
        plan: Plan,
        (file, text): (&str, &str),
        actor: &Actor,
    ) -> Result<(Changes, Imported), DeviceError> {
        let Plan { proposals, imported } = plan;
        if proposals.is_empty() {
            return Ok((Changes::default(), imported));
        }
        let hash = Sha256::digest(text.as_bytes());
        let hash: String = hash.iter().map(|b| format!("{b:02x}")).collect();
        let Imported { added, changed, same, .. } = &imported;
        let detail = json!({
            "file": file, "sha256": hash, "added": added, "changed": changed, "same": same,
        });
        store::line(tx, "devices_imported", actor, &detail)?;
        let mut lines = Lines { tx, actor, added: Vec::new(), changed: Vec::new(), bytes: 0 };
        let mut changes = Changes::default();
        for Proposal { mut device, before, .. } in proposals {
            store::share(&mut device, &self.city);
            store::put(tx, &device)?;
            changes.less |= is_less(before.as_deref(), &device);
            lines.add(before.as_deref(), &device)?;
            changes.put.push(Arc::new(device));
        }
        lines.write()?;
        Ok((changes, imported))
    }
}

/// Devices of a file as they are read.
struct List<'a> {
    registry: &'a Registry,
    devices: &'a Devices,
    actor: &'a Actor,
    /// Ids of the file.
    seen: HashMap<Name, usize, RandomState>,
    same: u64,
    proposals: Vec<Proposal>,
}

impl List<'_> {
    /// Takes one row; `false`: as many mistakes as are told were found.
    fn take(&mut self, row: &Row<'_>, mistakes: &Mistakes<'_>) -> bool {
        let id = row.text(Column::Id).unwrap_or_default();
        let at = At::Byte(row.place(Column::Id));
        if id.is_empty() {
            mistakes.add(at, "the id is missing", "every device needs one");
            return !mistakes.is_full();
        }
        let before = self.devices.get(id);
        let name = before.map_or_else(|| Name::from(id), |b| Arc::clone(&b.id));
        if self.seen.insert(Arc::clone(&name), row.at).is_some() {
            mistakes.add(at, format!("device `{}` is there already", id.escape_debug()), "");
            return !mistakes.is_full();
        }
        let start = before.map_or_else(|| new_device(&name, self.actor.at), |b| Device::clone(b));
        let device = row.apply(start, mistakes);
        let around = (&*self.registry.city, &self.registry.areas);
        let mut proposal = Proposal::new(device, before.cloned(), around, self.actor);
        if proposal.is_same() {
            self.same += 1;
        } else {
            proposal.places = Some(row.places());
            self.proposals.push(proposal);
        }
        !mistakes.is_full()
    }
}

fn new_device(id: &Name, at: Timestamp) -> Device {
    let empty = || Name::from("");
    let unknown = Device::unknown(id, &empty(), &UNASSIGNED.into(), at);
    Device { name: Default::default(), state: DeviceState::Approved, ..unknown }
}

/// Lines for the audit log, filled one after the other.
struct Lines<'a> {
    tx: &'a Transaction<'a>,
    actor: &'a Actor,
    added: Vec<Name>,
    changed: Vec<Value>,
    bytes: usize,
}

impl Lines<'_> {
    fn add(&mut self, before: Option<&Device>, device: &Device) -> Result<(), DeviceError> {
        match before {
            None => {
                self.bytes += device.id.len() + 3;
                self.added.push(Arc::clone(&device.id));
            }
            Some(before) => {
                let change = difference(before, device);
                self.bytes += change.to_string().len();
                self.changed.push(change);
            }
        }
        if self.bytes >= LINE_BYTES { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> Result<(), DeviceError> {
        if self.bytes == 0 {
            return Ok(());
        }
        let (added, changed) = (std::mem::take(&mut self.added), std::mem::take(&mut self.changed));
        self.bytes = 0;
        let detail = json!({ "added": added, "changed": changed });
        store::line(self.tx, "devices_imported", self.actor, &detail)
    }
}
