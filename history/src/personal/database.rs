use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ioc_model::{
    Actor, Body, Detection, Entry, Flush, Name, PersonalError, PersonalFilter, PersonalRow,
    PersonalStore, Record, Revealed, Scope, Sealed, Timestamp,
};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params, params_from_iter};

use super::{Audit, AuditAct, Keyring, envelope};

const LAYOUT: i64 = 1;
/// Rows that wait in memory for a flush, at most; `append` writes them when there are more.
const ROWS_WAITING: usize = 1_000;
/// The cursor is written when it has moved so far, also without rows: not at every tick.
const ENTRIES_UNSAID: u64 = 20_000;
/// Rows of one list, at most.
const LIST_MAX: usize = 1_000;
const SQLITE_WAIT: Duration = Duration::from_secs(10);

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS detection (
        id INTEGER PRIMARY KEY, device TEXT NOT NULL, area TEXT NOT NULL, service TEXT NOT NULL,
        kind TEXT NOT NULL, time INTEGER NOT NULL, mask TEXT NOT NULL, pseudonym INTEGER NOT NULL,
        key INTEGER NOT NULL, sealed BLOB NOT NULL);
    CREATE INDEX IF NOT EXISTS detection_key ON detection (key);
    CREATE INDEX IF NOT EXISTS detection_device ON detection (device, id);
    CREATE INDEX IF NOT EXISTS detection_pseudonym ON detection (pseudonym, id);
    CREATE TABLE IF NOT EXISTS unreported (
        one INTEGER PRIMARY KEY CHECK (one = 1), rows INTEGER NOT NULL, days INTEGER NOT NULL);";

/// Detections with sealed personal data, in one SQLite file. A reader of the journal: what is in
/// it can be rebuilt from there, as far as the keys are.
pub struct PersonalDb {
    pub(super) keyring: Arc<Keyring>,
    pub(super) audit: Audit,
    pub(super) writer: Mutex<Writer>,
    reader: Mutex<Connection>,
}

pub(super) struct Writer {
    pub db: Connection,
    /// Journal position below which all is in `waiting` or on the disk.
    next: u64,
    /// The same of the disk.
    durable: u64,
    /// Read, but not on the disk yet. The number of a row is its journal position.
    waiting: Vec<(u64, Record)>,
}

pub(super) fn store<E: std::error::Error + Send + Sync + 'static>(e: E) -> PersonalError {
    PersonalError::Store(Box::new(e))
}

/// The file is of a later version.
#[derive(Debug, thiserror::Error)]
#[error("the file has layout {0}, this version knows {LAYOUT}")]
struct Layout(i64);

impl PersonalDb {
    /// Opens or makes the file at `path`.
    ///
    /// # Errors
    /// When the file cannot be opened or is of a later version.
    pub fn open(path: &Path, keyring: Arc<Keyring>, audit: Audit) -> Result<Self, PersonalError> {
        let connect = || -> rusqlite::Result<Connection> {
            let db = Connection::open(path)?;
            db.busy_timeout(SQLITE_WAIT)?;
            db.pragma_update(None, "journal_mode", "WAL")?;
            db.pragma_update(None, "synchronous", "FULL")?;
            // What is deleted is written over with zeros.
            db.pragma_update(None, "secure_delete", "ON")?;
            Ok(db)
        };
        let db = connect().map_err(store)?;
        let layout: i64 =
            db.pragma_query_value(None, "user_version", |r| r.get(0)).map_err(store)?;
        if layout > LAYOUT {
            return Err(store(Layout(layout)));
        }
        db.execute_batch(SCHEMA).map_err(store)?;
        db.pragma_update(None, "user_version", LAYOUT).map_err(store)?;
        let cursor: Option<i64> = db
            .query_row("SELECT value FROM meta WHERE name = 'cursor'", [], |r| r.get(0))
            .optional()
            .map_err(store)?;
        let cursor = cursor.unwrap_or(0).max(0).cast_unsigned();
        let reader = Mutex::new(connect().map_err(store)?);
        let writer = Mutex::new(Writer { db, next: cursor, durable: cursor, waiting: Vec::new() });
        Ok(Self { keyring, audit, writer, reader })
    }

    /// Journal position from which it reads on.
    pub fn cursor(&self) -> u64 {
        self.writer().next
    }

    /// Takes the entries of the journal from position `first` on; those it has are passed over.
    /// They are on the disk after the next [`PersonalDb::flush`].
    ///
    /// # Errors
    /// Trouble with the database; then all that waits is kept and tried again.
    pub fn append(&self, first: u64, entries: &[Entry]) -> Result<(), PersonalError> {
        let mut writer = self.writer();
        for (position, entry) in (first..).zip(entries) {
            if position < writer.next {
                continue;
            }
            if let Entry::Record(record) = entry
                && let Body::Detection(d) = &record.body
                && d.personal.is_some()
            {
                writer.waiting.push((position, record.clone()));
            }
            writer.next = position + 1;
        }
        if writer.waiting.len() >= ROWS_WAITING {
            self.write(&mut writer)?;
        }
        Ok(())
    }

    /// Makes durable what is due ([`Flush::Due`]: rows, and a cursor that has moved far) or all;
    /// returns the journal position below which all is on the disk.
    ///
    /// # Errors
    /// Trouble with the database.
    pub fn flush(&self, what: Flush) -> Result<u64, PersonalError> {
        let mut writer = self.writer();
        let moved = writer.next - writer.durable;
        let due = match what {
            Flush::Due => !writer.waiting.is_empty() || moved >= ENTRIES_UNSAID,
            Flush::All => moved > 0,
        };
        if due {
            self.write(&mut writer)?;
        }
        Ok(writer.durable)
    }

    fn write(&self, writer: &mut Writer) -> Result<(), PersonalError> {
        let Writer { db, next, durable, waiting } = writer;
        let tx = db.transaction().map_err(store)?;
        for (id, record) in waiting.iter() {
            if let Body::Detection(d) = &record.body
                && let Some(sealed) = &d.personal
                // Read again from an old journal: what nobody can open is no row. Its day may have
                // a key again, but another one.
                && self.keyring.opens(sealed)
            {
                insert(&tx, *id, record, (d, sealed)).map_err(store)?;
            }
        }
        tx.execute(
            "INSERT INTO meta VALUES ('cursor', ?1) ON CONFLICT (name) DO UPDATE SET value = ?1",
            [next.cast_signed()],
        )
        .map_err(store)?;
        tx.commit().map_err(store)?;
        *durable = *next;
        waiting.clear();
        Ok(())
    }

    pub(super) fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reader(&self) -> MutexGuard<'_, Connection> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn row(&self, r: &Row<'_>) -> rusqlite::Result<PersonalRow> {
        let text = |i: usize| r.get::<_, String>(i).map(|t| Name::from(t.as_str()));
        let pseudonym: i64 = r.get(7)?;
        let day: u32 = r.get(8)?;
        Ok(PersonalRow {
            id: r.get::<_, i64>(0)?.cast_unsigned(),
            device: text(1)?,
            area: text(2)?,
            service: text(3)?,
            kind: text(4)?,
            time: Timestamp(r.get(5)?),
            mask: text(6)?,
            pseudonym: match pseudonym {
                0 => String::new(),
                p => format!("{:016x}", p.cast_unsigned()),
            },
            has_snapshot: envelope::has_link(r.get_ref(9)?.as_blob().unwrap_or_default()),
            expires: self.keyring.expires(day),
        })
    }

    fn find(&self, id: u64) -> rusqlite::Result<Option<(PersonalRow, Sealed)>> {
        let sql = format!("SELECT {COLUMNS} FROM detection WHERE id = ?1");
        let db = self.reader();
        let mut select = db.prepare_cached(&sql)?;
        select
            .query_row([id.cast_signed()], |r| {
                let row = self.row(r)?;
                let sealed = Sealed {
                    key: r.get(8)?,
                    mask: Name::clone(&row.mask),
                    pseudonym: r.get::<_, i64>(7)?.cast_unsigned(),
                    bytes: r.get_ref(9)?.as_blob().unwrap_or_default().into(),
                };
                Ok((row, sealed))
            })
            .optional()
    }
}

const COLUMNS: &str = "id, device, area, service, kind, time, mask, pseudonym, key, sealed";

fn insert(
    tx: &Transaction<'_>,
    id: u64,
    record: &Record,
    (d, sealed): (&Detection, &Sealed),
) -> rusqlite::Result<()> {
    let sql = format!("INSERT OR IGNORE INTO detection ({COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?)");
    tx.prepare_cached(&sql)?.execute(params![
        id.cast_signed(),
        &*record.device,
        &*record.area,
        &*record.service,
        &*d.kind,
        record.time.0,
        &*sealed.mask,
        sealed.pseudonym.cast_signed(),
        sealed.key,
        &*sealed.bytes,
    ])?;
    Ok(())
}

impl PersonalStore for PersonalDb {
    fn list(&self, filter: &PersonalFilter) -> Result<Vec<PersonalRow>, PersonalError> {
        let mut sql = format!("SELECT {COLUMNS} FROM detection WHERE 1");
        let mut values: Vec<Value> = Vec::new();
        let inside = filter.scope.condition("area", "service");
        if let Some((condition, texts)) = inside {
            sql.push_str(" AND ");
            sql.push_str(&condition);
            values.extend(texts.into_iter().map(Value::from));
        }
        let mut and = |condition: &str, value: Value| {
            sql.push_str(condition);
            values.push(value);
        };
        if let Some(device) = &filter.device {
            and(" AND device = ?", device.to_string().into());
        }
        if let Some(pseudonym) = filter.pseudonym {
            // 0 stands for no plate, which is nobody's pseudonym.
            and(" AND pseudonym = ? AND pseudonym <> 0", pseudonym.cast_signed().into());
        }
        if let Some(from) = filter.from {
            and(" AND time >= ?", from.0.into());
        }
        if let Some(to) = filter.to {
            and(" AND time < ?", to.0.into());
        }
        if let Some(before) = filter.before {
            and(" AND id < ?", i64::try_from(before).unwrap_or(i64::MAX).into());
        }
        sql.push_str(" ORDER BY id DESC LIMIT ?");
        values.push(i64::try_from(filter.limit.min(LIST_MAX)).unwrap_or(0).into());
        let db = self.reader();
        let mut select = db.prepare_cached(&sql).map_err(store)?;
        let rows = select.query_map(params_from_iter(values), |r| self.row(r)).map_err(store)?;
        rows.collect::<Result<_, _>>().map_err(store)
    }

    fn reveal(
        &self,
        id: u64,
        scope: &Scope,
        reason: &str,
        actor: &Actor,
    ) -> Result<Revealed, PersonalError> {
        let Some((row, sealed)) = self.find(id).map_err(store)? else {
            return Err(PersonalError::NotThere);
        };
        let inside = scope.allows(&row.area, &row.service);
        if !inside || !self.keyring.opens(&sealed) {
            return Err(PersonalError::NotThere);
        }
        let detail = serde_json::json!({
            "row": row.id, "device": row.device, "kind": row.kind, "time": row.time,
        });
        (self.audit)(&AuditAct {
            action: "personal_viewed",
            actor: actor.clone(),
            note: Some(reason.to_owned()),
            detail: detail.to_string(),
        })
        .map_err(PersonalError::Store)?;
        // Gone meanwhile, or not what was sealed.
        self.keyring.open_sealed(&sealed).ok_or(PersonalError::NotThere)
    }
}
