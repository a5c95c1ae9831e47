//! The registry's SQLite file.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ioc_model::{
    Actor, City, Device, DeviceError, DeviceOrigin, DeviceState, Devices, Name, Timestamp,
};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::check::shared;
use super::propose::configured;
use super::tokens::{Hash, Table, Token};

/// Version of the tables; a file of a later one is not touched.
pub(super) const VERSION: i64 = 1;

/// Whether the copy beside the file is older than it, and how much that matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Copy {
    /// It is as new.
    Good,
    /// Something was added or changed.
    Soon,
    /// Somebody lost a right, which must not come back with the copy.
    Now,
}

/// The file, open; written by whoever holds it.
pub(super) struct Store {
    pub(super) db: Connection,
    pub(super) path: PathBuf,
    /// SQLite's count of changes by other connections when the set was read.
    pub(super) seen: i64,
    pub(super) copy: Copy,
    pub(super) copied: Timestamp,
}

impl Store {
    pub(super) fn open(path: &Path) -> Result<Self, rusqlite::Error> {
        let db = Connection::open(path)?;
        db.busy_timeout(Duration::from_secs(5))?;
        db.pragma_update(None, "journal_mode", "WAL")?;
        db.pragma_update(None, "synchronous", "FULL")?;
        db.pragma_update(None, "journal_size_limit", 8 << 20)?;
        let (path, copied) = (path.to_owned(), Timestamp::default());
        Ok(Self { db, path, seen: 0, copy: Copy::Soon, copied })
    }

    /// Makes the tables of an empty file; the version of the file.
    pub(super) fn prepare(&self) -> Result<i64, rusqlite::Error> {
        let version = self.db.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if version != 0 {
            return Ok(version);
        }
        self.db.execute_batch(
            "BEGIN IMMEDIATE;
             CREATE TABLE IF NOT EXISTS devices (id TEXT PRIMARY KEY, body TEXT NOT NULL)
                 WITHOUT ROWID;
             CREATE TABLE IF NOT EXISTS tokens (
                 id INTEGER PRIMARY KEY AUTOINCREMENT,
                 device TEXT NOT NULL,
                 hash BLOB NOT NULL,
                 label TEXT NOT NULL,
                 created INTEGER NOT NULL,
                 created_by TEXT NOT NULL,
                 last_used INTEGER NOT NULL DEFAULT 0);
             CREATE INDEX IF NOT EXISTS tokens_device ON tokens (device);
             -- Lines on their way to the audit log.
             CREATE TABLE IF NOT EXISTS lines (
                 id INTEGER PRIMARY KEY AUTOINCREMENT,
                 action TEXT NOT NULL,
                 user TEXT NOT NULL,
                 origin TEXT,
                 at INTEGER NOT NULL,
                 detail TEXT NOT NULL);
             PRAGMA user_version = 1;
             COMMIT;",
        )?;
        Ok(VERSION)
    }

    /// Whether all pages and rows are whole.
    pub(super) fn is_whole(&self) -> Result<bool, rusqlite::Error> {
        let said: String = self.db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        Ok(said == "ok")
    }

    /// Writes the copy beside the file. A crash leaves the old or the new one.
    pub(super) fn write_copy(&mut self, now: Timestamp) -> Result<(), DeviceError> {
        let (copy, new) = (copy_of(&self.path), beside(&self.path, ".copy.new"));
        let written = || -> std::io::Result<()> {
            std::fs::File::open(&new)?.sync_all()?;
            std::fs::rename(&new, &copy)?;
            copy.parent().map_or(Ok(()), |dir| std::fs::File::open(dir)?.sync_all())
        };
        // Left over by a crash; SQLite writes into no file that is there.
        let _ = std::fs::remove_file(&new);
        let name = new.to_string_lossy();
        self.db.execute("VACUUM INTO ?1", [&*name]).map_err(failed)?;
        written().map_err(|e| DeviceError::Store(Box::new(e)))?;
        (self.copy, self.copied) = (Copy::Good, now);
        Ok(())
    }
}

pub(super) fn copy_of(path: &Path) -> PathBuf {
    beside(path, ".copy")
}

pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

pub(super) fn failed(e: rusqlite::Error) -> DeviceError {
    DeviceError::Store(Box::new(e))
}

/// Moves when another connection has changed the file.
pub(super) fn version(db: &Connection) -> Result<i64, rusqlite::Error> {
    db.pragma_query_value(None, "data_version", |row| row.get(0))
}

/// What the file and the configuration say together.
pub(super) struct Loaded {
    pub(super) devices: Devices,
    pub(super) tokens: Table,
}

pub(super) fn load(db: &Connection, city: &City) -> Result<Loaded, rusqlite::Error> {
    let mut all: Vec<Arc<Device>> = Vec::new();
    let mut query = db.prepare("SELECT id, body FROM devices")?;
    let mut rows = query.query([])?;
    let mut known: std::collections::HashSet<Name, ahash::RandomState> = Default::default();
    while let Some(row) = rows.next()? {
        match serde_json::from_str::<Device>(row.get_ref(1)?.as_str()?) {
            Ok(device) => {
                let Some(device) = with_config(device, city) else { continue };
                known.insert(Arc::clone(&device.id));
                all.push(Arc::new(device));
            }
            Err(error) => {
                let id: String = row.get(0)?;
                tracing::error!(device = id.escape_debug().to_string(), %error, "device in the registry is not readable");
            }
        }
    }
    let others = city.devices.values().filter(|spec| !known.contains(&spec.id));
    all.extend(others.map(|spec| Arc::new(Device::from(spec))));
    Ok(Loaded { devices: all.into_iter().collect(), tokens: tokens(db)? })
}

/// A device of the file as the configuration has it now. `None`: the configuration no longer has
/// it; its row and its tokens stay, so that a slip in `devices.csv` loses nothing.
fn with_config(mut device: Device, city: &City) -> Option<Device> {
    match city.devices.get(&device.id) {
        Some(spec) => {
            configured(&mut device, &Device::from(spec));
            device.id = Arc::clone(&spec.id);
            device.origin = DeviceOrigin::Config;
            if device.state == DeviceState::Pending {
                device.state = DeviceState::Approved;
            }
        }
        // Whoever is blocked stays blocked.
        None if device.origin == DeviceOrigin::Config => {
            if device.state != DeviceState::Blocked {
                return None;
            }
            device.origin = DeviceOrigin::People;
        }
        None => {}
    }
    share(&mut device, city);
    Some(device)
}

/// Names that the city has are not kept once more.
pub(super) fn share(device: &mut Device, city: &City) {
    let service = city.services.get_key_value(&device.service).map(|(k, _)| k);
    shared(&mut device.service, service);
    let area = city.areas.get_key_value(&device.area).map(|(k, _)| k);
    shared(&mut device.area, area);
    let fields = device.fields.iter_mut().map(|f| &mut f.property);
    for property in device.properties.iter_mut().chain(fields) {
        let known = city.properties.get_key_value(property).map(|(k, _)| k);
        shared(property, known);
    }
}

const TOKEN: &str = "SELECT id, device, hash, label, created, created_by, last_used FROM tokens";

fn tokens(db: &Connection) -> Result<Table, rusqlite::Error> {
    let mut table = Table::default();
    let mut query = db.prepare(&format!("{TOKEN} ORDER BY id"))?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        let device: String = row.get(1)?;
        table.entry(device.into()).or_default().push(Arc::new(token(row)?));
    }
    Ok(table)
}

pub(super) fn tokens_of(
    tx: &Transaction<'_>,
    device: &str,
) -> Result<Vec<Arc<Token>>, DeviceError> {
    let read = || {
        let mut query = tx.prepare_cached(&format!("{TOKEN} WHERE device = ?1 ORDER BY id"))?;
        query.query_map([device], |row| token(row).map(Arc::new))?.collect::<Result<_, _>>()
    };
    read().map_err(failed)
}

fn token(row: &rusqlite::Row<'_>) -> Result<Token, rusqlite::Error> {
    Ok(Token {
        id: row.get(0)?,
        hash: row.get(2)?,
        label: row.get(3)?,
        created: Timestamp(row.get(4)?),
        created_by: row.get(5)?,
        used: row.get::<_, i64>(6)?.into(),
    })
}

pub(super) fn put(tx: &Transaction<'_>, device: &Device) -> Result<(), DeviceError> {
    let body = serde_json::to_string(device).map_err(|e| DeviceError::Store(Box::new(e)))?;
    tx.prepare_cached(
        "INSERT INTO devices (id, body) VALUES (?1, ?2) \
         ON CONFLICT (id) DO UPDATE SET body = excluded.body",
    )
    .and_then(|mut s| s.execute(params![&*device.id, body]))
    .map_err(failed)?;
    Ok(())
}

/// Forgets a device and its tokens.
pub(super) fn remove(tx: &Transaction<'_>, id: &str) -> Result<(), DeviceError> {
    tx.execute("DELETE FROM devices WHERE id = ?1", [id]).map_err(failed)?;
    tx.execute("DELETE FROM tokens WHERE device = ?1", [id]).map_err(failed)?;
    Ok(())
}

pub(super) fn add_token(
    tx: &Transaction<'_>,
    device: &str,
    hash: &Hash,
    (label, actor): (&str, &Actor),
) -> Result<i64, DeviceError> {
    tx.execute(
        "INSERT INTO tokens (device, hash, label, created, created_by) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![device, hash, label, actor.at.0, actor.user],
    )
    .map_err(failed)?;
    Ok(tx.last_insert_rowid())
}

/// Whether it was there; its label.
pub(super) fn remove_token(
    tx: &Transaction<'_>,
    device: &str,
    token: i64,
) -> Result<Option<String>, DeviceError> {
    tx.query_row(
        "DELETE FROM tokens WHERE device = ?1 AND id = ?2 RETURNING label",
        params![device, token],
        |row| row.get(0),
    )
    .optional()
    .map_err(failed)
}

pub(super) fn used(tx: &Transaction<'_>, token: i64, hour: i64) -> Result<(), DeviceError> {
    tx.prepare_cached("UPDATE tokens SET last_used = ?2 WHERE id = ?1 AND last_used < ?2")
        .and_then(|mut s| s.execute([token, hour]))
        .map_err(failed)?;
    Ok(())
}

/// A line on its way to the audit log.
pub(super) struct Line {
    pub(super) id: i64,
    pub(super) action: String,
    pub(super) actor: Actor,
    pub(super) detail: String,
}

/// Writes a line for the audit log; `detail` is an object.
pub(super) fn line(
    tx: &Transaction<'_>,
    action: &str,
    actor: &Actor,
    detail: &serde_json::Value,
) -> Result<(), DeviceError> {
    tx.prepare_cached(
        "INSERT INTO lines (action, user, origin, at, detail) VALUES (?1, ?2, ?3, ?4, ?5)",
    )
    .and_then(|mut s| {
        s.execute(params![action, actor.user, actor.origin, actor.at.0, detail.to_string()])
    })
    .map_err(failed)?;
    Ok(())
}

pub(super) fn lines(db: &Connection, most: usize) -> Result<Vec<Line>, rusqlite::Error> {
    let mut query = db.prepare_cached(
        "SELECT id, action, user, origin, at, detail FROM lines ORDER BY id LIMIT ?1",
    )?;
    let read = |row: &rusqlite::Row<'_>| {
        let at = Timestamp(row.get(4)?);
        Ok(Line {
            id: row.get(0)?,
            action: row.get(1)?,
            actor: Actor { user: row.get(2)?, origin: row.get(3)?, at },
            detail: row.get(5)?,
        })
    };
    query.query_map([most as i64], read)?.collect()
}

pub(super) fn told(db: &Connection, up_to: i64) -> Result<(), rusqlite::Error> {
    db.execute("DELETE FROM lines WHERE id <= ?1", [up_to]).map(drop)
}
